//! Reads in one pass what the encoder writes: `type` first, and the fields of requests and events in the encoder's order.
//!
//! Whatever else comes is an error without a useful text, after which `slow` looks again. So this way may refuse what
//! that one takes, and must never take what that one refuses, nor read it differently; a test compares them.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::shape::{AcknowledgeFields, LoggedInFields, LoginFields, RefusedFields, ResponseFields};
use super::slow::{call_of, event_of};
use super::strict::{Place, Strict};
use crate::protocol::call::Call;
use crate::protocol::event::{Event, StampedEvent};
use crate::protocol::message::{ClientMessage, Content, Request, ServerMessage};
use crate::protocol::vocabulary::{EventName, OperationName};

pub(super) fn client(text: &str) -> serde_json::Result<ClientMessage> {
    whole(text, Client)
}

pub(super) fn server(text: &str) -> serde_json::Result<ServerMessage> {
    whole(text, Server)
}

fn whole<'de, V: Visitor<'de>>(text: &'de str, visitor: V) -> serde_json::Result<V::Value> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let message = Strict { inner: &mut deserializer, place: &Place::default() }.deserialize_map(visitor)?;
    deserializer.end()?;
    Ok(message)
}

struct Client;

impl<'de> Visitor<'de> for Client {
    type Value = ClientMessage;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<ClientMessage, A::Error> {
        match field::<Type, A>(&mut fields, "type")? {
            Type::Login => Ok(rest::<LoginFields, A>(fields)?.into()),
            Type::Request => {
                let id = field(&mut fields, "id")?;
                let received = field(&mut fields, "received")?;
                let operation: OperationName = field(&mut fields, "operation")?;
                key(&mut fields, "args")?;
                let call = fields.next_value_seed(CallOf(operation))?;
                end(fields)?;
                Ok(ClientMessage::Request(Request { id, received, content: Content::Call(call.into()) }.into()))
            }
            Type::Acknowledge => Ok(rest::<AcknowledgeFields, A>(fields)?.into()),
            _ => Err(other_way()),
        }
    }
}

struct Server;

impl<'de> Visitor<'de> for Server {
    type Value = ServerMessage;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<ServerMessage, A::Error> {
        match field::<Type, A>(&mut fields, "type")? {
            Type::LoggedIn => Ok(rest::<LoggedInFields, A>(fields)?.into()),
            Type::Refused => Ok(rest::<RefusedFields, A>(fields)?.into()),
            Type::Response => rest::<ResponseFields, A>(fields)?.into_message().map_err(|_| other_way()),
            Type::Event => {
                let seq = field(&mut fields, "seq")?;
                let stamp = match fields.next_key()? {
                    Some(Key::Stamp) => {
                        let stamp = fields.next_value()?;
                        key(&mut fields, "event")?;
                        Some(stamp)
                    }
                    Some(Key::Event) => None,
                    None => return Err(other_way()),
                };
                let name: EventName = fields.next_value()?;
                key(&mut fields, "payload")?;
                let event = fields.next_value_seed(EventOf(name))?;
                end(fields)?;
                Ok(ServerMessage::Event { seq, event: StampedEvent { stamp, event }.into() })
            }
            _ => Err(other_way()),
        }
    }
}

/// The types of messages.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
enum Type {
    Login,
    Request,
    Acknowledge,
    LoggedIn,
    Refused,
    Response,
    Event,
}

/// What may follow the number of an event.
#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Key {
    Stamp,
    Event,
}

/// The field that comes next, which must have this name.
fn field<'de, T: Deserialize<'de>, A: MapAccess<'de>>(fields: &mut A, name: &'static str) -> Result<T, A::Error> {
    key(fields, name)?;
    fields.next_value_seed(PhantomData)
}

fn key<'de, A: MapAccess<'de>>(fields: &mut A, name: &'static str) -> Result<(), A::Error> {
    fields.next_key_seed(Named(name))?.ok_or_else(other_way)
}

fn rest<'de, T: Deserialize<'de>, A: MapAccess<'de>>(fields: A) -> Result<T, A::Error> {
    T::deserialize(MapAccessDeserializer::new(fields))
}

fn end<'de, A: MapAccess<'de>>(mut fields: A) -> Result<(), A::Error> {
    match fields.next_key::<String>()? {
        None => Ok(()),
        Some(_) => Err(other_way()),
    }
}

fn other_way<E: Error>() -> E {
    E::custom("not in the order of the encoder")
}

/// A key, which must have this name.
struct Named(&'static str);

impl<'de> DeserializeSeed<'de> for Named {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Named {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the field `{}`", self.0)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<(), E> {
        if name == self.0 { Ok(()) } else { Err(other_way()) }
    }
}

struct CallOf(OperationName);

impl<'de> DeserializeSeed<'de> for CallOf {
    type Value = Call;

    fn deserialize<D: Deserializer<'de>>(self, args: D) -> Result<Call, D::Error> {
        call_of(self.0, args)
    }
}

struct EventOf(EventName);

impl<'de> DeserializeSeed<'de> for EventOf {
    type Value = Event;

    fn deserialize<D: Deserializer<'de>>(self, payload: D) -> Result<Event, D::Error> {
        event_of(self.0, payload)
    }
}
