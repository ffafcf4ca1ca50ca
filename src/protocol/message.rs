//! What travels on a connection, and what a server writes down.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Call, DeviceIdentity, Reply};
use super::event::StampedEvent;
use super::vocabulary::{ApiError, InstanceId, RequestId, Revision, SessionToken};

/// Counts the connections of a run, from 1, as the world hands them out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionNo(pub u32);

/// From a device to the server. What is large is shared: a message is kept in several places of a run.
#[derive(Clone, PartialEq, Debug)]
pub enum ClientMessage {
    /// Begins or resumes a session. The first message of every connection.
    Login(Arc<Login>),
    /// Asks for one operation.
    Request(Arc<Request>),
    /// Acknowledges events without asking for anything.
    Acknowledge {
        /// The number of the last event received in order.
        received: u64,
    },
}

/// Begins or resumes a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Login {
    /// Who speaks.
    #[serde(flatten)]
    pub identity: DeviceIdentity,
    /// Proves it; checked by whoever owns the connection.
    #[serde(default)]
    pub user_sig: Arc<str>,
    /// The session to go on with, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
}

/// The session that a device wants to go on with (REC-2).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resume {
    /// What the server gave when the session began.
    pub session: SessionToken,
    /// The number of the last event received in order; 0 for none.
    pub received: u64,
}

/// One request.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Unique to the (userId, deviceId) for ever (IDM-1).
    pub id: RequestId,
    /// The number of the last event received in order.
    pub received: u64,
    /// What is asked.
    pub content: Content,
}

/// What a request asks.
#[derive(Clone, PartialEq, Hash, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// An operation with arguments of the right types.
    Call(Arc<Call>),
    /// A well-formed message whose operation or arguments are not: answered -1001 in its place of ERR-1.
    Malformed(Arc<Malformed>),
}

/// The operation and arguments of a request that names no known operation or gives arguments of wrong types.
#[derive(Clone, PartialEq, Hash, Debug, Serialize, Deserialize)]
pub struct Malformed {
    /// The operation, as given.
    pub operation: String,
    /// The arguments, as given.
    pub args: Value,
    /// What is wrong with them.
    pub reason: String,
}

/// From the server to a device. What is large is shared, as in [`ClientMessage`].
#[derive(Clone, PartialEq, Debug)]
pub enum ServerMessage {
    /// Answers a login that succeeded.
    LoggedIn {
        /// Shown to resume this session.
        session: SessionToken,
        /// Whether this is the session that the login asked for. If not, the old one is over (REC-1).
        resumed: bool,
    },
    /// Answers a login that failed, or a message before any login.
    Refused {
        /// Why.
        error: ApiError,
    },
    /// Answers a request.
    Response(Arc<Response>),
    /// Tells of an event.
    Event {
        /// Counts the events of the session, from 1.
        seq: u64,
        /// What happened.
        event: Arc<StampedEvent>,
    },
}

/// The answer to a request.
#[derive(Clone, PartialEq, Debug)]
pub struct Response {
    /// Which request.
    pub id: RequestId,
    /// What came of it.
    pub result: Result<Reply, ApiError>,
    /// Where in the life of the room the request took effect or was judged; absent where no room was found, and for a
    /// caller who has no part in it (SEC-3).
    pub at: Option<RoomPoint>,
}

/// A point in the life of a room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomPoint {
    /// Which life of the room.
    pub instance: InstanceId,
    /// After how many commits of the instance.
    pub revision: Revision,
}
