//! The shapes of the messages on the wire, field by field: written from borrowed messages, read into owned ones.
//!
//! What the API shows keeps its shape; only what differs from the types of `message` is spelled out here.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::protocol::call::{Call, DeviceIdentity, InvitationPage, Reply};
use crate::protocol::event::{Event, Invitation, RoomInfo, Stamp, UserInfo};
use crate::protocol::message::{ClientMessage, Content, Login, Response, Resume, RoomPoint, ServerMessage};
use crate::protocol::vocabulary::{
    ApiError, DeviceId, InvitationCode, KickedOutOfRoomReason, Platform, RejectedReason, RequestId, Role,
    RoomDismissedReason, RoomId, SessionToken, UserId,
};

/// A message from a device, as it is written.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum ClientShape<'a> {
    Login(LoginShape<'a>),
    Request {
        id: &'a RequestId,
        received: u64,
        #[serde(flatten)]
        content: ContentShape<'a>,
    },
    Acknowledge {
        received: u64,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoginShape<'a> {
    user_id: &'a UserId,
    device_id: &'a DeviceId,
    platform: Platform,
    user_sig: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<&'a Resume>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ContentShape<'a> {
    Call(&'a Call),
    /// Without the reason, which whoever reads it finds again.
    Malformed {
        operation: &'a str,
        args: &'a Value,
    },
}

impl<'a> ClientShape<'a> {
    pub(super) fn of(message: &'a ClientMessage) -> Self {
        match message {
            ClientMessage::Login(login) => Self::Login(LoginShape {
                user_id: &login.identity.user_id,
                device_id: &login.identity.device_id,
                platform: login.identity.platform,
                user_sig: &login.user_sig,
                resume: login.resume.as_ref(),
            }),
            ClientMessage::Request(request) => Self::Request {
                id: &request.id,
                received: request.received,
                content: match &request.content {
                    Content::Call(call) => ContentShape::Call(call),
                    Content::Malformed(malformed) => {
                        ContentShape::Malformed { operation: &malformed.operation, args: &malformed.args }
                    }
                },
            },
            ClientMessage::Acknowledge { received } => Self::Acknowledge { received: *received },
        }
    }
}

/// A message from the server, as it is written.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum ServerShape<'a> {
    LoggedIn {
        session: &'a SessionToken,
        resumed: bool,
    },
    Refused {
        error: &'a ApiError,
    },
    Response {
        id: &'a RequestId,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<ResultFields>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a ApiError>,
        #[serde(skip_serializing_if = "Option::is_none")]
        at: Option<RoomPoint>,
    },
    Event {
        seq: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        stamp: Option<&'a Stamp>,
        event: &'static str,
        payload: &'a Event,
    },
}

impl<'a> ServerShape<'a> {
    pub(super) fn of(message: &'a ServerMessage) -> Self {
        match message {
            ServerMessage::LoggedIn { session, resumed } => Self::LoggedIn { session, resumed: *resumed },
            ServerMessage::Refused { error } => Self::Refused { error },
            ServerMessage::Response(response) => Self::Response {
                id: &response.id,
                result: response.result.as_ref().ok().map(ResultFields::of),
                error: response.result.as_ref().err(),
                at: response.at,
            },
            ServerMessage::Event { seq, event } => Self::Event {
                seq: *seq,
                stamp: event.stamp.as_ref(),
                event: event.event.name().name(),
                payload: &event.event,
            },
        }
    }
}

/// The fields of a login.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LoginFields {
    user_id: UserId,
    device_id: DeviceId,
    platform: Platform,
    #[serde(default)]
    user_sig: Arc<str>,
    resume: Option<Resume>,
}

impl From<LoginFields> for ClientMessage {
    fn from(LoginFields { user_id, device_id, platform, user_sig, resume }: LoginFields) -> Self {
        Self::Login(Login { identity: DeviceIdentity { user_id, device_id, platform }, user_sig, resume }.into())
    }
}

/// The fields of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestFields {
    pub(super) id: RequestId,
    pub(super) received: u64,
    pub(super) operation: String,
    pub(super) args: Value,
}

/// The fields of an acknowledgement.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AcknowledgeFields {
    received: u64,
}

impl From<AcknowledgeFields> for ClientMessage {
    fn from(AcknowledgeFields { received }: AcknowledgeFields) -> Self {
        Self::Acknowledge { received }
    }
}

/// The fields of the answer to a login that succeeded.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoggedInFields {
    session: SessionToken,
    resumed: bool,
}

impl From<LoggedInFields> for ServerMessage {
    fn from(LoggedInFields { session, resumed }: LoggedInFields) -> Self {
        Self::LoggedIn { session, resumed }
    }
}

/// The fields of the answer to a login that failed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefusedFields {
    error: ApiError,
}

impl From<RefusedFields> for ServerMessage {
    fn from(RefusedFields { error }: RefusedFields) -> Self {
        Self::Refused { error }
    }
}

/// The fields of a response.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResponseFields {
    id: RequestId,
    result: Option<ResultFields>,
    error: Option<ApiError>,
    at: Option<RoomPoint>,
}

impl ResponseFields {
    /// The message.
    ///
    /// # Errors
    /// When it isn't one: the field at fault, empty for the message itself, and what is wrong.
    pub(super) fn into_message(self) -> Result<ServerMessage, (&'static str, &'static str)> {
        let result = match (self.result, self.error) {
            (Some(result), None) => Ok(result.into_reply().map_err(|reason| ("result", reason))?),
            (None, Some(error)) => Err(error),
            (Some(_), Some(_)) => return Err(("", "a response has either `result` or `error`, not both")),
            (None, None) => return Err(("", "missing field `result` or `error`")),
        };
        Ok(ServerMessage::Response(Response { id: self.id, result, at: self.at }.into()))
    }
}

/// What a call returned: one field tells which kind it is, and none means nothing, since a reader does not know which
/// operation is answered.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ResultFields {
    #[serde(skip_serializing_if = "Option::is_none")]
    codes: Option<Vec<CodeOf>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<Arc<InvitationPage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_info: Option<Arc<RoomInfo>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attendees: Option<Arc<[UserInfo]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Arc<[UserInfo]>>,
}

/// One code of inviteUsers. A list of these, and no object by user, keeps the order of INV-8 in every JSON library.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CodeOf {
    user_id: UserId,
    code: InvitationCode,
}

impl ResultFields {
    fn of(reply: &Reply) -> Self {
        match reply {
            Reply::Void => Self::default(),
            Reply::Invited(codes) => {
                let codes = codes.iter().map(|(user_id, code)| CodeOf { user_id: user_id.clone(), code: *code });
                Self { codes: Some(codes.collect()), ..Self::default() }
            }
            Reply::List(page) => Self { page: Some(Arc::clone(page)), ..Self::default() },
            Reply::RoomInfo(info) => Self { room_info: Some(Arc::clone(info)), ..Self::default() },
            Reply::Attendees(users) => Self { attendees: Some(Arc::clone(users)), ..Self::default() },
            Reply::Members(users) => Self { members: Some(Arc::clone(users)), ..Self::default() },
            Reply::NotEntered(_) => unreachable!("no server answers fetchNotEnteredList, and nothing is read as this"),
        }
    }

    fn into_reply(self) -> Result<Reply, &'static str> {
        match (self.codes, self.page, self.room_info, self.attendees, self.members) {
            (None, None, None, None, None) => Ok(Reply::Void),
            (Some(codes), None, None, None, None) => {
                Ok(Reply::Invited(codes.into_iter().map(|CodeOf { user_id, code }| (user_id, code)).collect()))
            }
            (None, Some(page), None, None, None) => Ok(Reply::List(page)),
            (None, None, Some(info), None, None) => Ok(Reply::RoomInfo(info)),
            (None, None, None, Some(users), None) => Ok(Reply::Attendees(users)),
            (None, None, None, None, Some(users)) => Ok(Reply::Members(users)),
            _ => Err("a result has one of `codes`, `page`, `roomInfo`, `attendees` and `members`, or nothing"),
        }
    }
}

/// The fields of an event.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventFields {
    pub(super) seq: u64,
    pub(super) stamp: Option<Stamp>,
    pub(super) event: String,
    pub(super) payload: Value,
}

/// How an event with its stamp is written where no session numbers it.
#[derive(Serialize)]
pub(super) struct StampedShape<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stamp: Option<&'e Stamp>,
    pub(super) event: &'static str,
    pub(super) payload: &'e Event,
}

/// The same, as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StampedFields {
    #[serde(default)]
    pub(super) stamp: Option<Stamp>,
    pub(super) event: String,
    pub(super) payload: Value,
}

/// How an [`Event`] is read: the variant's name is the event's without its `on`. The compiler holds both together.
#[derive(Deserialize)]
#[serde(remote = "Event", tag = "event", content = "payload", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(super) enum EventShape {
    ReceiveInvitation { room_info: Arc<RoomInfo>, invitation: Arc<Invitation>, extension_info: Arc<str> },
    InvitationHandledByOtherDevice { room_info: Arc<RoomInfo>, accepted: bool },
    InvitationCancelled { room_info: Arc<RoomInfo>, invitation: Arc<Invitation> },
    InvitationAccepted { room_info: Arc<RoomInfo>, invitation: Arc<Invitation> },
    InvitationRejected { room_info: Arc<RoomInfo>, invitation: Arc<Invitation>, reason: RejectedReason },
    InvitationTimeout { room_info: Arc<RoomInfo>, invitation: Arc<Invitation> },
    InvitationRevokedByAdmin { room_info: Arc<RoomInfo>, invitation: Arc<Invitation>, operate_user: Arc<UserInfo> },
    InvitationAdded { room_id: Option<RoomId>, room_info: Option<Arc<RoomInfo>>, invitation: Arc<Invitation> },
    InvitationRemoved { room_id: Option<RoomId>, room_info: Option<Arc<RoomInfo>>, invitation: Arc<Invitation> },
    InvitationStatusChanged { room_id: Option<RoomId>, room_info: Option<Arc<RoomInfo>>, invitation: Arc<Invitation> },
    RemoteUserEnterRoom { room_id: RoomId, user_info: Arc<UserInfo> },
    RemoteUserLeaveRoom { room_id: RoomId, user_info: Arc<UserInfo> },
    RoomDismissed { room_id: RoomId, reason: RoomDismissedReason },
    KickedOutOfRoom { room_id: RoomId, reason: KickedOutOfRoomReason, message: Arc<str> },
    KickedOffLine { message: Arc<str> },
    UserRoleChanged { room_id: RoomId, user_id: UserId, user_role: Role },
    ScheduleAttendeesChanged { room_id: RoomId, left_users: Vec<UserInfo>, joined_users: Vec<UserInfo> },
}
