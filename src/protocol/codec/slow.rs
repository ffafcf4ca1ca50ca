//! Reads messages from values: fields in any order, and errors with their place. What is accepted is defined here.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::{Map, Value};

use super::shape::{
    AcknowledgeFields, EventFields, EventShape, LoggedInFields, LoginFields, RefusedFields, RequestFields,
    ResponseFields,
};
use super::strict::{Place, Strict, Tagged, error_at, from_value};
use super::{DecodeError, content_from};
use crate::protocol::call::Call;
use crate::protocol::event::{Event, StampedEvent};
use crate::protocol::message::{ClientMessage, Request, ServerMessage};
use crate::protocol::vocabulary::{EventName, OperationName};

pub(super) fn client(message: Value) -> Result<ClientMessage, DecodeError> {
    let (kind, fields) = typed(message)?;
    match kind.as_str() {
        "login" => Ok(rest::<LoginFields>(fields)?.into()),
        "request" => {
            let RequestFields { id, received, operation, args } = rest(fields)?;
            Ok(ClientMessage::Request(Request { id, received, content: content_from(&operation, args) }.into()))
        }
        "acknowledge" => Ok(rest::<AcknowledgeFields>(fields)?.into()),
        other => Err(unknown("/type", "type of message", other, &["login", "request", "acknowledge"])),
    }
}

pub(super) fn server(message: Value) -> Result<ServerMessage, DecodeError> {
    let (kind, fields) = typed(message)?;
    match kind.as_str() {
        "loggedIn" => Ok(rest::<LoggedInFields>(fields)?.into()),
        "refused" => Ok(rest::<RefusedFields>(fields)?.into()),
        "response" => rest::<ResponseFields>(fields)?
            .into_message()
            .map_err(|(field, reason)| error_at(&format!("/{field}"), reason)),
        "event" => {
            let EventFields { seq, stamp, event: name, payload } = rest(fields)?;
            let event = event(&name, &payload)?;
            Ok(ServerMessage::Event { seq, event: StampedEvent { stamp, event }.into() })
        }
        other => Err(unknown("/type", "type of message", other, &["loggedIn", "refused", "response", "event"])),
    }
}

pub(super) fn call(operation: &str, args: &Value) -> Result<Call, DecodeError> {
    let Some(operation) = OperationName::from_name(operation) else {
        let known: Vec<_> = OperationName::ALL.iter().map(|known| known.name()).collect();
        return Err(unknown("/operation", "operation", operation, &known));
    };
    let place = Place::default();
    call_of(operation, Strict { inner: args, place: &place }).map_err(|error| place.error("args", &error))
}

pub(super) fn event(name: &str, payload: &Value) -> Result<Event, DecodeError> {
    let Some(name) = EventName::from_name(name) else {
        let known: Vec<_> = EventName::ALL.iter().map(|known| known.name()).collect();
        return Err(unknown("/event", "event", name, &known));
    };
    let place = Place::default();
    event_of(name, Strict { inner: payload, place: &place }).map_err(|error| place.error("payload", &error))
}

/// The call of this operation whose arguments `args` holds.
pub(super) fn call_of<'de, D: Deserializer<'de>>(operation: OperationName, args: D) -> Result<Call, D::Error> {
    Call::deserialize(Tagged { tag: "operation", name: operation.name(), content: "args", inner: args })
}

/// The event of this name whose payload `payload` holds.
pub(super) fn event_of<'de, D: Deserializer<'de>>(name: EventName, payload: D) -> Result<Event, D::Error> {
    let name = name.name().trim_start_matches("on");
    let event = EventShape::deserialize(Tagged { tag: "event", name, content: "payload", inner: payload })?;
    match event.named_by() {
        // EVT-2: one of the two is enough to know what it is about; that it needs both is for the checks to say.
        Some((false, false)) => Err(D::Error::missing_field("roomId")),
        _ => Ok(event),
    }
}

/// The type of a message, and its other fields.
fn typed(message: Value) -> Result<(String, Map<String, Value>), DecodeError> {
    let Value::Object(mut fields) = message else { return Err(error_at("/", "a message is an object")) };
    let kind = fields.remove("type").ok_or_else(|| error_at("/", "missing field `type`"))?;
    Ok((from_value(&kind, "type")?, fields))
}

fn rest<T: for<'de> Deserialize<'de>>(fields: Map<String, Value>) -> Result<T, DecodeError> {
    from_value(&Value::Object(fields), "")
}

fn unknown(path: &str, what: &str, given: &str, known: &[&str]) -> DecodeError {
    error_at(path, &format!("unknown {what} `{given}`; known are {}", known.join(", ")))
}
