//! The messages: what we say to an implementation, and what it may say back.
//!
//! Ours are written as they are; theirs are read as strictly as the messages of the wire, and an error knows its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fault::{Fault, FaultKind};
use super::{Contract, Storage};
use crate::protocol::bounds::{BoundValue, Bounds};
use crate::protocol::call::DeviceIdentity;
use crate::protocol::codec::{self, DecodeError};
use crate::protocol::event::{PushHint, Stamp, StampedEvent};
use crate::protocol::message::{ClientMessage, ConnectionNo, Response, ServerMessage};
use crate::protocol::service::ServiceConfig;
use crate::protocol::vocabulary::{DeviceId, RequestId, UserId};
use crate::time::Instant;
use crate::trace::words::redact;

/// The version of the messages.
pub const SCHEMA: u32 = 1;

/// What we say.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Said<'a> {
    Hello {
        schema: u32,
        contract: Contract,
        clock: &'static str,
        seed: u64,
        rate_limits: bool,
        bounds: BTreeMap<&'static str, u64>,
        accounts: Vec<SaidAccount<'a>>,
    },
    Start {
        now: Instant,
        entropy: String,
        records: &'a [Value],
        /// Contract `core` alone.
        #[serde(skip_serializing_if = "Option::is_none")]
        sessions: Option<Vec<&'a DeviceIdentity>>,
    },
    Online {
        now: Instant,
        session: &'a DeviceIdentity,
    },
    Offline {
        now: Instant,
        session: &'a DeviceIdentity,
    },
    Request {
        now: Instant,
        session: &'a DeviceIdentity,
        id: &'a RequestId,
        operation: &'a str,
        args: &'a Value,
    },
    Open {
        now: Instant,
        connection: ConnectionNo,
    },
    Message {
        now: Instant,
        connection: ConnectionNo,
        message: &'a ClientMessage,
    },
    Closed {
        now: Instant,
        connection: ConnectionNo,
    },
    Wake {
        now: Instant,
    },
    Stop,
    Fault {
        reason: &'a str,
        read: &'a str,
    },
}

/// An account, as we say it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SaidAccount<'a> {
    user_id: &'a UserId,
    user_name: &'a str,
    avatar_url: &'a str,
}

impl<'a> Said<'a> {
    pub(super) fn hello(contract: Contract, seed: u64, config: &'a ServiceConfig) -> Self {
        let account = |(user_id, user_name, avatar_url): &'a (UserId, Arc<str>, Arc<str>)| SaidAccount {
            user_id,
            user_name,
            avatar_url,
        };
        Self::Hello {
            schema: SCHEMA,
            contract,
            clock: "virtual",
            seed,
            rate_limits: config.rate_limits,
            bounds: bounds(&config.bounds),
            accounts: config.accounts.iter().map(account).collect(),
        }
    }

    pub(super) fn start(
        now: Instant,
        entropy: [u8; 32],
        records: &'a [Value],
        sessions: Option<Vec<&'a DeviceIdentity>>,
    ) -> Self {
        Self::Start { now, entropy: hexadecimal(entropy), records, sessions }
    }

    pub(super) fn line(&self) -> String {
        serde_json::to_string(self).expect("messages have string keys only")
    }

    /// What it is, in a few words for people; without what a user may have said in confidence.
    pub(super) fn words(&self) -> String {
        let at = |now: &Instant| format!("{} ns", now.as_nanos());
        match self {
            Self::Hello { contract, .. } => format!("hello, for contract `{contract}`"),
            Self::Start { now, records, .. } => format!("start at {}, with {} records", at(now), records.len()),
            Self::Online { now, session } => format!("online {}/{} at {}", session.user_id, session.device_id, at(now)),
            Self::Offline { now, session } => {
                format!("offline {}/{} at {}", session.user_id, session.device_id, at(now))
            }
            Self::Request { now, session, id, operation, .. } => {
                format!("request {id} of {}/{} at {}: {operation}", session.user_id, session.device_id, at(now))
            }
            Self::Open { now, connection } => format!("open {} at {}", connection.0, at(now)),
            Self::Message { now, connection, message } => {
                let what = match message {
                    ClientMessage::Login(login) => {
                        format!("login of {}/{}", login.identity.user_id, login.identity.device_id)
                    }
                    ClientMessage::Request(request) => format!("request {}", request.id),
                    ClientMessage::Acknowledge { received } => format!("acknowledge {received}"),
                };
                format!("message on connection {} at {}: {what}", connection.0, at(now))
            }
            Self::Closed { now, connection } => format!("closed {} at {}", connection.0, at(now)),
            Self::Wake { now } => format!("wake at {}", at(now)),
            Self::Stop => "stop".to_owned(),
            Self::Fault { .. } => "fault".to_owned(),
        }
    }
}

/// Luck, as we say it.
pub(super) fn hexadecimal(entropy: [u8; 32]) -> String {
    entropy.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All bounds by name; durations in nanoseconds.
pub(super) fn bounds(bounds: &Bounds) -> BTreeMap<&'static str, u64> {
    let number = |name: &&'static str| match bounds.get(name).expect("every bound has a value") {
        BoundValue::Duration(duration) => (*name, duration.as_nanos()),
        BoundValue::Count(count) => (*name, count),
    };
    Bounds::NAMES.iter().map(number).collect()
}

/// How an implementation introduces itself.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HelloAnswer {
    /// The version of the messages that it speaks.
    pub schema: u32,
    /// What it gives.
    pub contract: Contract,
    /// What it is called.
    pub name: String,
    /// Which version of it this is.
    pub version: String,
    /// Where what it must not lose is kept.
    pub storage: Storage,
    /// Whether a process may be given another run.
    #[serde(default)]
    pub reusable: bool,
}

/// What an implementation wants to happen, in the items of its contract.
#[derive(Clone, Debug)]
pub(super) struct Out<I = Item> {
    pub(super) items: Vec<I>,
    pub(super) wake_at: Option<Instant>,
}

#[derive(Clone, Debug)]
pub(super) enum Item {
    Response(Response),
    Event { to: Vec<SessionName>, event: Arc<StampedEvent> },
    Send { connection: ConnectionNo, message: ServerMessage },
    Close { connection: ConnectionNo },
    Persist(Value),
    Push(PushHint),
}

/// Names a session that is online.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SessionName {
    pub(super) user_id: UserId,
    pub(super) device_id: DeviceId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OutFields {
    out: Vec<Value>,
    wake_at: Option<Instant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventFields {
    to: Vec<SessionName>,
    event: String,
    payload: Value,
    stamp: Option<Stamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendFields {
    connection: ConnectionNo,
    message: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CloseFields {
    connection: ConnectionNo,
}

/// Reads the answer to a hello.
pub(super) fn hello_answer(line: &str) -> Result<HelloAnswer, Fault> {
    let malformed = |error: DecodeError| malformed("2.1", &error, line);
    let fields = typed(line, "hello").map_err(malformed)?;
    gives(&fields, &["core", "full"], "2.1", line)?;
    codec::strictly(&fields, "").map_err(malformed)
}

/// Whoever gives another contract is told that, and not which of its fields are unknown here.
pub(super) fn gives(fields: &Value, wanted: &[&str], section: &'static str, line: &str) -> Result<(), Fault> {
    let known = ["core", "full", "device", "system"];
    let given = fields.get("contract").and_then(Value::as_str).unwrap_or_default();
    if wanted.contains(&given) || !known.contains(&given) {
        return Ok(());
    }
    let reason = format!("it was asked for contract `{}` and offers `{given}`", wanted.join("` or `"));
    Err(Fault::new(FaultKind::Offer, section, reason).with_said(&redacted(line)))
}

/// Reads the answer to everything else.
pub(super) fn out(line: &str, contract: Contract, storage: Storage) -> Result<Out, Fault> {
    let known = "response, event, send, close, persist and push";
    out_of(line, "2.3", known, |kind, content, path| item(kind, content, path, contract, storage))
}

/// Reads an `out` whose items are read so: from what one is, its content and its path; none if there is no such item.
pub(super) fn out_of<I>(
    line: &str,
    section: &'static str,
    known: &str,
    read: impl Fn(&str, Value, &str) -> Option<Result<I, DecodeError>>,
) -> Result<Out<I>, Fault> {
    let malformed = |error: DecodeError| malformed(section, &error, line);
    let fields = typed(line, "out").map_err(malformed)?;
    let OutFields { out, wake_at } = codec::strictly(&fields, "").map_err(malformed)?;
    let one = |(index, value): (usize, Value)| {
        let within = format!("out/{index}");
        let item = the_field(value, known).and_then(|(kind, content)| {
            let unknown = || Err(error_at("/", format!("unknown item `{kind}`; known are {known}")));
            read(&kind, content, &format!("{within}/{kind}")).unwrap_or_else(unknown)
        });
        item.map_err(|error| malformed(below(&within, error)))
    };
    Ok(Out { items: out.into_iter().enumerate().map(one).collect::<Result<_, _>>()?, wake_at })
}

/// The one field of an item.
fn the_field(item: Value, known: &str) -> Result<(String, Value), DecodeError> {
    let Value::Object(fields) = item else {
        return Err(error_at("/", "an item of `out` is an object with one field, which says what it is"));
    };
    let count = fields.len();
    fields.into_iter().next().filter(|_| count == 1).ok_or_else(|| {
        let one = "an item of `out` has one field, which says what it is";
        error_at("/", format!("{one}, and not {count}; known are {known}"))
    })
}

pub(super) fn malformed(section: &'static str, error: &DecodeError, line: &str) -> Fault {
    Fault::new(FaultKind::Malformed, section, error.to_string()).with_said(&redacted(line))
}

pub(super) fn error_at(path: &str, reason: impl Into<String>) -> DecodeError {
    DecodeError { path: path.to_owned(), reason: reason.into() }
}

/// An error of something that stands at `within`.
pub(super) fn below(within: &str, error: DecodeError) -> DecodeError {
    if error.path.starts_with(&format!("/{within}")) {
        return error;
    }
    let path = match error.path.as_str() {
        "" | "/" => format!("/{within}"),
        path => format!("/{within}{path}"),
    };
    DecodeError { path, ..error }
}

/// The fields of a line of this type, but for the type itself.
pub(super) fn typed(line: &str, wanted: &str) -> Result<Value, DecodeError> {
    let Value::Object(mut fields) = codec::value_from(line)? else {
        return Err(error_at("/", "a message is an object"));
    };
    match fields.remove("type") {
        Some(Value::String(kind)) if kind == wanted => Ok(Value::Object(fields)),
        Some(Value::String(kind)) => Err(error_at("/type", format!("`{kind}` where `{wanted}` is due"))),
        Some(_) => Err(error_at("/type", "a string is due here")),
        None => Err(error_at("/", "missing field `type`")),
    }
}

fn item(
    kind: &str,
    content: Value,
    path: &str,
    contract: Contract,
    storage: Storage,
) -> Option<Result<Item, DecodeError>> {
    let wanted = match kind {
        "response" | "event" => Contract::Core,
        "send" | "close" => Contract::Full,
        _ => contract,
    };
    if contract != wanted {
        let words = format!("`{kind}` is of contract `{wanted}`, and this is contract `{contract}`");
        return Some(Err(error_at("/", words)));
    }
    Some(match kind {
        "response" => response(content).map(Item::Response).map_err(|error| below(path, error)),
        "event" => event(&content, path),
        "send" => send(&content, path),
        "close" => codec::strictly(&content, path).map(|CloseFields { connection }| Item::Close { connection }),
        "persist" => match storage {
            Storage::Harness => Ok(Item::Persist(content)),
            Storage::None => Err(error_at("/", "`persist` goes with the storage `harness`, and hello said `none`")),
        },
        "push" => codec::strictly(&content, path).map(Item::Push),
        _ => return None,
    })
}

fn event(content: &Value, path: &str) -> Result<Item, DecodeError> {
    let EventFields { to, event: name, payload, stamp } = codec::strictly(content, path)?;
    let event = codec::event_from(&name, &payload).map_err(|error| below(path, error))?;
    Ok(Item::Event { to, event: Arc::new(StampedEvent { stamp, event }) })
}

fn send(content: &Value, path: &str) -> Result<Item, DecodeError> {
    let SendFields { connection, message } = codec::strictly(content, path)?;
    let message = codec::server_from_value(message);
    Ok(Item::Send { connection, message: message.map_err(|error| below(&format!("{path}/message"), error))? })
}

fn response(content: Value) -> Result<Response, DecodeError> {
    let Value::Object(mut fields) = content else { return Err(error_at("/", "a response is an object")) };
    // It has the shape of the wire's, whose type stands within.
    if fields.contains_key("type") {
        return Err(error_at("/type", "unknown field `type`"));
    }
    fields.insert("type".to_owned(), "response".into());
    match codec::server_from_value(Value::Object(fields))? {
        ServerMessage::Response(response) => Ok(Arc::unwrap_or_clone(response)),
        _ => unreachable!("its type is `response`"),
    }
}

/// A line with what a user may have said in confidence taken out, if it can be read; else as it is.
pub(super) fn redacted(line: &str) -> String {
    match serde_json::from_str::<Value>(line) {
        Ok(mut value) => {
            redact(&mut value);
            value.to_string()
        }
        Err(_) => line.to_owned(),
    }
}
