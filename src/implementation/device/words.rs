//! The messages of contract `device`: what we say to a library, and what it may say back.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::fault::Fault;
use super::super::words::{self, SCHEMA, below, bounds, error_at, gives, hexadecimal, malformed, out_of, typed};
use crate::protocol::bounds::Bounds;
use crate::protocol::call::{Call, CallNo, DeviceIdentity};
use crate::protocol::codec::{self, DecodeError};
use crate::protocol::event::Event;
use crate::protocol::message::{ClientMessage, ServerMessage};
use crate::protocol::vocabulary::{ApiError, OperationName};
use crate::time::Instant;

/// What the contract is called.
pub const CONTRACT: &str = "device";

/// The section of docs/IMPLEMENTATIONS.md about it.
pub(super) const SECTION: &str = "9";

/// What we say.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Said<'a> {
    Hello { schema: u32, contract: &'static str, clock: &'static str, seed: u64, bounds: BTreeMap<&'static str, u64> },
    Start { now: Instant, device: u32, identity: &'a DeviceIdentity, auto_busy: bool, entropy: String },
    Connected { now: Instant, device: u32 },
    Disconnected { now: Instant, device: u32 },
    Message { now: Instant, device: u32, message: &'a ServerMessage },
    Call { now: Instant, device: u32, call: CallNo, operation: &'static str, args: Value },
    On { now: Instant, device: u32, event: &'static str, handler: &'a str, removes: &'a [Arc<str>] },
    Off { now: Instant, device: u32, event: &'static str, handler: &'a str },
    Wake { now: Instant, device: u32 },
    Stop,
    Fault { reason: &'a str, read: &'a str },
}

impl<'a> Said<'a> {
    pub(super) fn hello(seed: u64, of: &Bounds) -> Self {
        Self::Hello { schema: SCHEMA, contract: CONTRACT, clock: "virtual", seed, bounds: bounds(of) }
    }

    pub(super) fn start(
        now: Instant,
        device: u32,
        identity: &'a DeviceIdentity,
        auto_busy: bool,
        entropy: [u8; 32],
    ) -> Self {
        Self::Start { now, device, identity, auto_busy, entropy: hexadecimal(entropy) }
    }

    pub(super) fn call(now: Instant, device: u32, call: CallNo, content: &Call) -> Self {
        // Written as on the wire: an object with the operation and its arguments.
        let mut written = serde_json::to_value(content).expect("calls have string keys only");
        Self::Call { now, device, call, operation: content.operation().name(), args: written["args"].take() }
    }

    pub(super) fn line(&self) -> String {
        serde_json::to_string(self).expect("messages have string keys only")
    }

    /// What it is, in a few words for people; without what a user may have said in confidence.
    pub(super) fn words(&self) -> String {
        let at = |now: &Instant, device: &u32| format!("to device {device} at {} ns", now.as_nanos());
        match self {
            Self::Hello { .. } => format!("hello, for contract `{CONTRACT}`"),
            Self::Start { now, device, identity, .. } => {
                format!("start {}, as {}/{}", at(now, device), identity.user_id, identity.device_id)
            }
            Self::Connected { now, device } => format!("connected {}", at(now, device)),
            Self::Disconnected { now, device } => format!("disconnected {}", at(now, device)),
            Self::Message { now, device, message } => {
                let what = match message {
                    ServerMessage::LoggedIn { .. } => "loggedIn".to_owned(),
                    ServerMessage::Refused { error } => format!("refused with {}", error.code.0),
                    ServerMessage::Response(response) => format!("the response to {}", response.id),
                    ServerMessage::Event { seq, event } => format!("event {seq}, {}", event.event.name()),
                };
                format!("message {}: {what}", at(now, device))
            }
            Self::Call { now, device, call, operation, .. } => {
                format!("call {} {}: {operation}", call.0, at(now, device))
            }
            Self::On { now, device, event, handler, .. } => format!("on {}: {handler} for {event}", at(now, device)),
            Self::Off { now, device, event, handler } => format!("off {}: {handler} for {event}", at(now, device)),
            Self::Wake { now, device } => format!("wake {}", at(now, device)),
            Self::Stop => "stop".to_owned(),
            Self::Fault { .. } => "fault".to_owned(),
        }
    }
}

/// How a library introduces itself.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LibraryAnswer {
    /// The version of the messages that it speaks.
    pub schema: u32,
    /// What it gives.
    pub contract: String,
    /// What it is called.
    pub name: String,
    /// Which version of it this is.
    pub version: String,
    /// How many devices one process plays.
    pub devices: Serves,
    /// Whether a process may be given another run.
    #[serde(default)]
    pub reusable: bool,
    /// What it does not have: operations, `handlers` or `autoBusy`. What needs them is unsupported.
    #[serde(default)]
    pub lacks: Vec<String>,
}

/// How many devices one process plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Serves {
    /// All that the library plays in a run.
    All,
    /// One, in one life of its program.
    One,
}

/// Reads the answer to a hello.
pub(super) fn hello_answer(line: &str) -> Result<LibraryAnswer, Fault> {
    let malformed = |error: DecodeError| malformed(SECTION, &error, line);
    let fields = typed(line, "hello").map_err(malformed)?;
    gives(&fields, &[CONTRACT], SECTION, line)?;
    let answer: LibraryAnswer = codec::strictly(&fields, "").map_err(malformed)?;
    // Nobody gets in without a login, and at the end of a run each member lists its room.
    let needed = [OperationName::Login, OperationName::GetInvitationList];
    let may_lack = |name: &str| {
        matches!(name, "handlers" | "autoBusy")
            || OperationName::ALL.iter().any(|operation| operation.name() == name && !needed.contains(operation))
    };
    match answer.lacks.iter().position(|name| !may_lack(name)) {
        Some(index) => {
            let name = &answer.lacks[index];
            let reason = format!("`{name}` can't be lacking: known are `handlers`, `autoBusy` and most operations");
            Err(malformed(error_at(&format!("/lacks/{index}"), reason)))
        }
        None => Ok(answer),
    }
}

/// What a library wants to happen.
pub(super) type Out = words::Out<Item>;

#[derive(Clone, Debug)]
pub(super) enum Item {
    Connect,
    Disconnect,
    Send(ClientMessage),
    /// A value is as the API shows it.
    Result {
        call: CallNo,
        result: Result<Value, ApiError>,
    },
    Event(Event),
    Handled {
        handler: Arc<str>,
        event: Event,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoFields {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendFields {
    message: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResultFields {
    call: CallNo,
    #[serde(default)]
    value: Value,
    error: Option<ApiError>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventFields {
    event: String,
    payload: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HandledFields {
    handler: Arc<str>,
    event: String,
    payload: Value,
}

/// Reads the answer to everything else.
pub(super) fn out(line: &str) -> Result<Out, Fault> {
    out_of(line, SECTION, "connect, disconnect, send, result, event and handled", item)
}

fn item(kind: &str, content: Value, path: &str) -> Option<Result<Item, DecodeError>> {
    Some(match kind {
        "connect" => codec::strictly(&content, path).map(|NoFields {}| Item::Connect),
        "disconnect" => codec::strictly(&content, path).map(|NoFields {}| Item::Disconnect),
        "send" => send(&content, path),
        "result" => result(&content, path),
        "event" => codec::strictly(&content, path)
            .and_then(|EventFields { event, payload }| event_from(&event, &payload, path).map(Item::Event)),
        "handled" => codec::strictly(&content, path).and_then(|HandledFields { handler, event, payload }| {
            event_from(&event, &payload, path).map(|event| Item::Handled { handler, event })
        }),
        _ => return None,
    })
}

fn send(content: &Value, path: &str) -> Result<Item, DecodeError> {
    let SendFields { message } = codec::strictly(content, path)?;
    let message = codec::client_from_value(message);
    message.map(Item::Send).map_err(|error| below(&format!("{path}/message"), error))
}

fn result(content: &Value, path: &str) -> Result<Item, DecodeError> {
    let ResultFields { call, value, error } = codec::strictly(content, path)?;
    match error {
        Some(_) if !value.is_null() => Err(error_at(&format!("/{path}"), "a result has a value or an error")),
        Some(error) => Ok(Item::Result { call, result: Err(error) }),
        None => Ok(Item::Result { call, result: Ok(value) }),
    }
}

fn event_from(name: &str, payload: &Value, path: &str) -> Result<Event, DecodeError> {
    codec::event_from(name, payload).map_err(|error| below(path, error))
}
