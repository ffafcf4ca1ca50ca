//! Contract `system`: what is said to an adapter over an SDK and its backend, and what it may say back.
//!
//! Unlike the contracts under our clock, either side speaks when it has something to say. Calls and their outcomes are the
//! API's own (docs/PROTOCOL.md, section 6, as the client library shows them); nothing of the wire is known here. Which
//! account plays which user is in `names`; the other end of the conversation, our own, is in `host`.

mod host;
mod names;
pub(super) mod schema;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::duplex::Duplex;
use super::fault::{Fault, FaultKind};
use super::words::{self, SCHEMA};
use crate::protocol::bounds::Bounds;
use crate::protocol::call::{Call, InvitationPage, ListItem, NotEnteredUser, Reply};
use crate::protocol::codec::{self, DecodeError};
use crate::protocol::event::{Event, Invitation, RoomInfo, UserInfo};
use crate::protocol::vocabulary::{ApiError, AttemptNo, Cursor, ErrorCode, InvitationCode, Platform, Revision, UserId};

pub use self::host::{Parts, host_system};
pub use self::names::{Names, Person};

/// What this contract is called.
pub const CONTRACT: &str = "system";

/// The section of docs/IMPLEMENTATIONS.md.
pub const SECTION: &str = "10";

/// What we say.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Said<'a> {
    /// A run begins.
    Hello {
        /// The version of the messages.
        schema: u32,
        /// `system`.
        contract: &'static str,
        /// `real`.
        clock: &'static str,
        /// The number of the run.
        seed: u64,
        /// Whether the service limits rates.
        rate_limits: bool,
        /// The service's bounds, durations in nanoseconds.
        bounds: BTreeMap<&'static str, u64>,
        /// The accounts that play in it.
        accounts: Vec<SaidAccount<'a>>,
    },
    /// The program on a device starts, not logged in.
    Device {
        /// What the answer will name.
        id: u64,
        /// How it is called from now on.
        device: &'a str,
        /// Whose it is.
        user_id: &'a str,
        /// Its installation.
        device_id: &'a str,
        /// What it runs on.
        platform: Platform,
    },
    /// Its application calls the API.
    Call {
        /// What the answer will name.
        id: u64,
        /// On which device.
        device: &'a str,
        /// The operation.
        operation: &'static str,
        /// Its arguments, as the API names them.
        args: &'a Value,
    },
    /// The device has no network any more, or has it again.
    Network {
        /// What the answer will name.
        id: u64,
        /// Which device.
        device: &'a str,
        /// Whether it has one.
        online: bool,
    },
    /// The program on a device dies without a word.
    Kill {
        /// What the answer will name.
        id: u64,
        /// Which device.
        device: &'a str,
    },
    /// The run is over, and another may follow.
    End {
        /// What the answer will name.
        id: u64,
    },
    /// Everything is over.
    Stop {
        /// What the answer will name.
        id: u64,
    },
    /// What was said can't be.
    Fault {
        /// Why.
        reason: &'a str,
        /// Where to read.
        read: &'a str,
    },
}

/// An account, as we say it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SaidAccount<'a> {
    user_id: &'a str,
    user_name: &'a str,
    avatar_url: &'a str,
}

impl<'a> Said<'a> {
    /// A run with these accounts and bounds.
    #[must_use]
    pub fn hello(seed: u64, rate_limits: bool, bounds: &Bounds, names: &'a Names) -> Self {
        let account = |person: &'a Person| SaidAccount {
            user_id: &person.user_id,
            user_name: &person.user_name,
            avatar_url: &person.avatar_url,
        };
        Self::Hello {
            schema: SCHEMA,
            contract: CONTRACT,
            clock: "real",
            seed,
            rate_limits,
            bounds: words::bounds(bounds),
            accounts: names.people().map(account).collect(),
        }
    }

    /// As it goes to the other end.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("messages have string keys only")
    }

    /// What it is, in a few words for people; without what a user may have said in confidence.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Hello { .. } => "hello, for contract `system`".to_owned(),
            Self::Device { id, device, .. } => format!("device {device} ({id})"),
            Self::Call { id, device, operation, .. } => format!("call {id} on {device}: {operation}"),
            Self::Network { id, device, online } => {
                format!("network of {device} {} ({id})", if *online { "on" } else { "off" })
            }
            Self::Kill { id, device } => format!("kill {device} ({id})"),
            Self::End { id } => format!("end ({id})"),
            Self::Stop { id } => format!("stop ({id})"),
            Self::Fault { .. } => "fault".to_owned(),
        }
    }
}

/// What an adapter can do beyond calls.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Capability {
    /// The service keeps the bounds and has the accounts that `hello` gives, because it was started for the run.
    Bounds,
    /// The SDK takes a timeout with a fraction of a second.
    Fractions,
    /// A device can lose its network and get it back.
    Network,
    /// The program on a device can die and start again.
    Kill,
}

impl Capability {
    /// As the conversation names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bounds => "bounds",
            Self::Fractions => "fractions",
            Self::Network => "network",
            Self::Kill => "kill",
        }
    }
}

/// How an adapter introduces itself.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SystemHello {
    /// The version of the messages that it speaks.
    pub schema: u32,
    /// What it gives.
    pub contract: String,
    /// What it is called.
    pub name: String,
    /// Which version of it this is.
    pub version: String,
    /// What it can do beyond calls.
    pub capabilities: Vec<Capability>,
    /// Whether it may be given another run.
    #[serde(default)]
    pub reusable: bool,
}

impl SystemHello {
    /// Whether it can do that.
    #[must_use]
    pub fn can(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }
}

/// What an adapter says.
#[derive(Clone, PartialEq, Debug)]
pub enum Heard {
    /// It did what it was asked for.
    Done {
        /// By which message.
        id: u64,
    },
    /// A call came to something.
    Returned {
        /// Which.
        id: u64,
        /// To what.
        outcome: CallOutcome,
    },
    /// An application heard something.
    Event {
        /// On which device.
        device: String,
        /// What, as the API names it.
        event: String,
        /// With which payload.
        payload: Value,
    },
}

/// What a call came to.
#[derive(Clone, PartialEq, Debug)]
pub enum CallOutcome {
    /// It succeeded with this; null where the API returns nothing.
    Result(Value),
    /// It failed, and has done nothing, unless the code is -1.
    Error(ApiError),
    /// Nobody knows whether it has done anything: why.
    Unknown(String),
}

impl CallOutcome {
    /// The error that an application sees if it fails. IDM-5: -1 says that the outcome is unknown.
    #[must_use]
    pub fn error(&self) -> Option<ApiError> {
        match self {
            Self::Result(_) => None,
            Self::Error(error) => Some(error.clone()),
            Self::Unknown(reason) => Some(ApiError::new(ErrorCode::FAILED, reason.as_str())),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DoneFields {
    id: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReturnedFields {
    id: u64,
    result: Option<Value>,
    error: Option<ErrorFields>,
    unknown: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorFields {
    code: ErrorCode,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventFields {
    device: String,
    event: String,
    payload: Value,
}

/// Reads the answer to a hello.
///
/// # Errors
/// When it is none, or offers something else.
pub fn hello_answer(line: &str) -> Result<SystemHello, Fault> {
    let wrong = |error: &DecodeError| malformed(error, line);
    let mut value = codec::value_from(line).map_err(|error| wrong(&error))?;
    match take_type(&mut value).map_err(|error| wrong(&error))?.as_str() {
        "hello" => {}
        other => return Err(wrong(&error_at("/type", format!("`{other}` where `hello` is due")))),
    }
    let offers = value.get("contract").and_then(Value::as_str).map(str::to_owned);
    if let Some(offered) = offers.filter(|offered| offered != CONTRACT) {
        let reason = format!("it was asked for contract `system` and offers `{offered}`");
        return Err(Fault::new(FaultKind::Offer, SECTION, reason).with_said(line));
    }
    let hello: SystemHello = codec::strictly(&value, "").map_err(|error| wrong(&error))?;
    if hello.schema != SCHEMA {
        let reason = format!("it speaks schema {}, and this convoke speaks schema {SCHEMA}", hello.schema);
        return Err(Fault::new(FaultKind::Offer, SECTION, reason).with_said(line));
    }
    Ok(hello)
}

/// Reads a line of an adapter.
///
/// # Errors
/// When it is no message.
pub fn heard(line: &str) -> Result<Heard, Fault> {
    read(line).map_err(|error| malformed(&error, line))
}

fn read(line: &str) -> Result<Heard, DecodeError> {
    let mut value = codec::value_from(line)?;
    match take_type(&mut value)?.as_str() {
        "done" => {
            let DoneFields { id } = codec::strictly(&value, "")?;
            Ok(Heard::Done { id })
        }
        "returned" => {
            let ReturnedFields { id, result, error, unknown } = codec::strictly(&value, "")?;
            let outcome = match (result, error, unknown) {
                (result, None, None) => CallOutcome::Result(result.unwrap_or_default()),
                (None, Some(ErrorFields { code: ErrorCode(0), .. }), None) => {
                    return Err(error_at("/error/code", "0 is no error: say `result`"));
                }
                (None, Some(ErrorFields { code, message }), None) => CallOutcome::Error(ApiError::new(code, message)),
                (None, None, Some(reason)) => CallOutcome::Unknown(reason),
                _ => {
                    return Err(error_at(
                        "/",
                        "a call has a `result`, an `error`, or its outcome is `unknown`: one of them",
                    ));
                }
            };
            Ok(Heard::Returned { id, outcome })
        }
        "event" => {
            let EventFields { device, event, payload } = codec::strictly(&value, "")?;
            Ok(Heard::Event { device, event, payload })
        }
        "hello" => Err(error_at("/type", "`hello` is due once, in answer to ours")),
        other => Err(error_at("/type", format!("unknown type `{other}`; known are hello, done, returned and event"))),
    }
}

fn take_type(value: &mut Value) -> Result<String, DecodeError> {
    let Value::Object(fields) = value else { return Err(error_at("/", "a message is an object")) };
    match fields.remove("type") {
        Some(Value::String(kind)) => Ok(kind),
        Some(_) => Err(error_at("/type", "a string is due here")),
        None => Err(error_at("/", "missing field `type`")),
    }
}

fn error_at(path: &str, reason: impl Into<String>) -> DecodeError {
    DecodeError { path: path.to_owned(), reason: reason.into() }
}

/// A line that is no message, as a fault.
fn malformed(error: &DecodeError, line: &str) -> Fault {
    Fault::new(FaultKind::Malformed, SECTION, error.to_string()).with_said(&words::redacted(line))
}

/// Tells the other end what was wrong, for its log; nobody waits for an answer.
#[must_use]
pub fn refuse(duplex: &Duplex, fault: Fault) -> Fault {
    duplex.say(Said::Fault { reason: &fault.reason, read: &fault.read() }.line());
    duplex.with_log(fault)
}

/// The event of this name with this payload, as its application heard it.
///
/// # Errors
/// When there is no such event, or it has another payload.
pub fn event_of(name: &str, payload: &Value) -> Result<Event, Fault> {
    codec::event_from(name, payload).map_err(|error| malformed(&error, &format!("{name} {payload}")))
}

/// What a call returned that succeeded.
///
/// # Errors
/// When its operation returns something else.
pub fn reply_of(call: &Call, result: &Value) -> Result<Reply, Fault> {
    reply(call, result).map_err(|error| malformed(&error, &format!("the result of {}: {result}", call.operation())))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PageFields {
    invitation_list: Vec<Invitation>,
    cursor: Cursor,
}

fn reply(call: &Call, result: &Value) -> Result<Reply, DecodeError> {
    const WITHIN: &str = "result";
    Ok(match call {
        Call::InviteUsers { user_id_list, .. } => {
            let codes: Map<String, Value> = codec::strictly(result, WITHIN)?;
            let mut codes: BTreeMap<UserId, InvitationCode> = codes
                .into_iter()
                .map(|(user, code)| Ok((UserId::from(user.as_str()), codec::strictly(&code, WITHIN)?)))
                .collect::<Result<_, DecodeError>>()?;
            // Objects have no order: theirs is the one of the call.
            let mut ordered = Vec::new();
            for user in user_id_list {
                ordered.extend(codes.remove_entry(user));
            }
            ordered.extend(codes);
            Reply::Invited(ordered.into())
        }
        Call::GetInvitationList { .. } => {
            let PageFields { invitation_list, cursor } = codec::strictly(result, WITHIN)?;
            // The API shows neither.
            let (attempt, revision) = (AttemptNo::default(), Revision::default());
            let item = |invitation| ListItem { invitation: Arc::new(invitation), attempt, revision };
            Reply::List(Arc::new(InvitationPage {
                invitation_list: invitation_list.into_iter().map(item).collect(),
                cursor,
            }))
        }
        Call::EnterRoom { .. } | Call::FetchRoomInfo { .. } => {
            Reply::RoomInfo(Arc::new(codec::strictly::<RoomInfo>(result, WITHIN)?))
        }
        Call::FetchAttendeeList { .. } => Reply::Attendees(codec::strictly::<Vec<UserInfo>>(result, WITHIN)?.into()),
        Call::GetUserList { .. } => Reply::Members(codec::strictly::<Vec<UserInfo>>(result, WITHIN)?.into()),
        Call::FetchNotEnteredList { .. } => {
            Reply::NotEntered(codec::strictly::<Vec<NotEnteredUser>>(result, WITHIN)?.into())
        }
        _ => match result {
            Value::Null => Reply::Void,
            _ => return Err(error_at("/result", format!("{} returns nothing: leave `result` out", call.operation()))),
        },
    })
}

/// The arguments of a call, as the API names them and without what only the library knows.
///
/// # Panics
/// Never: calls are objects.
#[must_use]
pub fn arguments(call: &Call) -> Value {
    let mut value = serde_json::to_value(call).expect("calls have string keys");
    let mut args = value.get_mut("args").map(Value::take).unwrap_or_default();
    if let Value::Object(args) = &mut args {
        // ACC-1: the library names the attempt.
        args.remove("attempt");
    }
    args
}

#[cfg(test)]
mod tests;
