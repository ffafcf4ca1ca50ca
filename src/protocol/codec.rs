//! The written form of the messages: one JSON object each, read strictly.
//!
//! Nothing is guessed and nothing skipped: unknown and repeated fields, other types, null for an absent field, a list for
//! an object, and anything behind the object are refused with the place and the reason. `docs/PROTOCOL.md` shows every
//! message. The codec judges form alone: whether a room id is well formed or a user may do what it asks is the server's
//! business (ERR-1). It does not frame messages, and it closes no connections.
//!
//! There are two ways in. What [`encode_client`] and [`encode_server`] write, in their order of fields, is read in one
//! pass (`fast`). Everything else, and everything wrong, goes through a [`Value`] (`slow`), which takes fields in any order
//! and knows where it is; that way defines what is accepted.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::call::Call;
use super::event::{Event, StampedEvent};
use super::message::{ClientMessage, Content, Malformed, ServerMessage};

mod fast;
mod shape;
mod slow;
mod strict;

/// The longest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// How deep lists and objects may nest, the message itself included.
pub const DEPTH_MAX: usize = 32;

/// Why a message can't be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct DecodeError {
    /// Where, as a JSON pointer such as `/args/timeout`; `/` is the message itself, and empty means that the text is no
    /// JSON at all.
    pub path: String,
    /// What is wrong, in one line.
    pub reason: String,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.reason),
            path => write!(f, "at {path}: {}", self.reason),
        }
    }
}

/// Writes a message from a device.
#[must_use]
pub fn encode_client(message: &ClientMessage) -> String {
    encoded(message)
}

/// Writes a message from a device to the end of `buffer`.
pub fn encode_client_into(message: &ClientMessage, buffer: &mut Vec<u8>) {
    encode_into(message, buffer);
}

/// Reads a message from a device.
///
/// A request whose operation is unknown, or whose arguments are not what the operation takes, is a message all the same:
/// its content is [`Content::Malformed`], for which the server has an answer.
///
/// # Errors
/// When the bytes are no message of a device: where and why.
pub fn decode_client(bytes: impl AsRef<[u8]>) -> Result<ClientMessage, DecodeError> {
    let text = text_of(bytes.as_ref())?;
    fast::client(text).or_else(|_| slow::client(strict::value_of(text)?))
}

/// A message from a device as a value.
#[must_use]
pub fn client_to_value(message: &ClientMessage) -> Value {
    to_value(message)
}

/// Reads a message from a device from a value.
///
/// # Errors
/// When the value is no message of a device: where and why.
pub fn client_from_value(value: Value) -> Result<ClientMessage, DecodeError> {
    slow::client(value)
}

/// Writes a message from the server.
#[must_use]
pub fn encode_server(message: &ServerMessage) -> String {
    encoded(message)
}

/// Writes a message from the server to the end of `buffer`.
pub fn encode_server_into(message: &ServerMessage, buffer: &mut Vec<u8>) {
    encode_into(message, buffer);
}

/// Reads a message from the server.
///
/// # Errors
/// When the bytes are no message of a server: where and why.
pub fn decode_server(bytes: impl AsRef<[u8]>) -> Result<ServerMessage, DecodeError> {
    let text = text_of(bytes.as_ref())?;
    fast::server(text).or_else(|_| slow::server(strict::value_of(text)?))
}

/// A message from the server as a value.
#[must_use]
pub fn server_to_value(message: &ServerMessage) -> Value {
    to_value(message)
}

/// Reads a message from the server from a value.
///
/// # Errors
/// When the value is no message of a server: where and why.
pub fn server_from_value(value: Value) -> Result<ServerMessage, DecodeError> {
    slow::server(value)
}

/// The call of this operation with these arguments.
///
/// # Errors
/// When there is no such operation, or it takes other arguments. The path begins with `/operation` or `/args`.
pub fn call_from(operation: &str, args: &Value) -> Result<Call, DecodeError> {
    slow::call(operation, args)
}

/// What a request for this operation with these arguments asks, well formed or not.
#[must_use]
pub fn content_from(operation: &str, args: Value) -> Content {
    match slow::call(operation, &args) {
        Ok(call) => Content::Call(call.into()),
        Err(error) => {
            Content::Malformed(Malformed { operation: operation.to_owned(), args, reason: error.to_string() }.into())
        }
    }
}

/// The event of this name with this payload.
///
/// # Errors
/// When there is no such event, or it has another payload. The path begins with `/event` or `/payload`.
pub fn event_from(name: &str, payload: &Value) -> Result<Event, DecodeError> {
    slow::event(name, payload)
}

/// Reads a text of any length as a value as strictly as messages are read: no key stands twice, and nothing is too deep.
///
/// # Errors
/// When the text is no JSON, or not of that kind.
pub fn value_from(text: &str) -> Result<Value, DecodeError> {
    strict::value_of(text)
}

/// Reads something else than a message out of a value as strictly as messages are read. The path of an error begins
/// below `within`, which is a path without the leading `/`; empty for the value itself.
///
/// # Errors
/// When the value is not what is asked for: where and why.
pub fn strictly<'de, T: Deserialize<'de>>(value: &'de Value, within: &str) -> Result<T, DecodeError> {
    strict::from_value(value, within)
}

impl Serialize for ClientMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        shape::ClientShape::of(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ClientMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        slow::client(strict::StrictValue::deserialize(deserializer)?.0).map_err(D::Error::custom)
    }
}

impl Serialize for ServerMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        shape::ServerShape::of(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ServerMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        slow::server(strict::StrictValue::deserialize(deserializer)?.0).map_err(D::Error::custom)
    }
}

/// An event with its stamp and without the number that a session gives it: what traces and journals keep.
impl Serialize for StampedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        shape::StampedShape { stamp: self.stamp.as_ref(), event: self.event.name().name(), payload: &self.event }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StampedEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let shape::StampedFields { stamp, event, payload } = shape::StampedFields::deserialize(deserializer)?;
        let event = event_from(&event, &payload).map_err(D::Error::custom)?;
        Ok(Self { stamp, event })
    }
}

fn encoded(message: &impl Serialize) -> String {
    serde_json::to_string(message).expect("messages have string keys only")
}

fn encode_into(message: &impl Serialize, buffer: &mut Vec<u8>) {
    serde_json::to_writer(buffer, message).expect("messages have string keys only, and a vector takes everything");
}

fn to_value(message: &impl Serialize) -> Value {
    serde_json::to_value(message).expect("messages have string keys only")
}

fn text_of(bytes: &[u8]) -> Result<&str, DecodeError> {
    let refused = |reason| DecodeError { path: String::new(), reason };
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(refused(format!("{} bytes are more than the {MESSAGE_BYTES_MAX} of a message", bytes.len())));
    }
    std::str::from_utf8(bytes).map_err(|error| refused(format!("not UTF-8 from byte {} on", error.valid_up_to())))
}

#[cfg(test)]
mod tests;
