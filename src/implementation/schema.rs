//! The JSON Schema of the conversation, in the dialect 2020-12: what either side may say, for whoever writes an
//! implementation. What the wire has, too (arguments, results, payloads), is described in docs/PROTOCOL.md and is any object here.

use serde_json::{Map, Value, json};

use super::device;
use super::system;
use super::words::SCHEMA;
use crate::protocol::bounds::Bounds;

/// Both sides: a line is one of the messages of `harness` or of `implementation`.
#[must_use]
pub fn schema() -> Value {
    let nanos = || json!({"type": "integer", "minimum": 0, "description": "nanoseconds since the run began"});
    let name = || json!({"type": "string"});
    let session = || json!({"$ref": "#/$defs/session"});
    let connection = || json!({"type": "integer", "minimum": 1});
    let harness = [
        message(
            "hello",
            json!({"schema": {"const": SCHEMA}, "contract": {"enum": ["core", "full"]}, "clock": {"const": "virtual"},
                "seed": {"type": "integer", "minimum": 0}, "rateLimits": {"type": "boolean"},
                "bounds": bounds(),
                "accounts": {"type": "array", "items": object(
                    json!({"userId": name(), "userName": name(), "avatarUrl": name()}), &[])}}),
            &[],
        ),
        message(
            "start",
            json!({"now": nanos(), "entropy": {"type": "string", "pattern": "^[0-9a-f]{64}$"}, "records": {"type": "array"},
                "sessions": {"type": "array", "items": session()}}),
            &["sessions"],
        ),
        message("online", json!({"now": nanos(), "session": session()}), &[]),
        message("offline", json!({"now": nanos(), "session": session()}), &[]),
        message(
            "request",
            json!({"now": nanos(), "session": session(), "id": name(), "operation": name(), "args": true}),
            &[],
        ),
        message("open", json!({"now": nanos(), "connection": connection()}), &[]),
        message("message", json!({"now": nanos(), "connection": connection(), "message": {"type": "object"}}), &[]),
        message("closed", json!({"now": nanos(), "connection": connection()}), &[]),
        message("wake", json!({"now": nanos()}), &[]),
        message("stop", json!({}), &[]),
        message("fault", json!({"reason": name(), "read": name()}), &[]),
    ];
    let implementation = [
        message(
            "hello",
            json!({"schema": {"const": SCHEMA}, "contract": {"enum": ["core", "full"]}, "name": name(), "version": name(),
                "storage": {"enum": ["none", "harness"]}, "reusable": {"type": "boolean"}}),
            &["reusable"],
        ),
        message(
            "out",
            json!({"out": {"type": "array", "items": {"$ref": "#/$defs/item"}}, "wakeAt": nanos()}),
            &["wakeAt"],
        ),
    ];
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line between Convoke and an implementation under test",
        "anyOf": [{"$ref": "#/$defs/harness"}, {"$ref": "#/$defs/implementation"}, {"$ref": "#/$defs/deviceHarness"},
            {"$ref": "#/$defs/deviceImplementation"}, {"$ref": "#/$defs/systemHarness"},
            {"$ref": "#/$defs/systemImplementation"}],
        "$defs": {
            "harness": {"oneOf": harness},
            "implementation": {"oneOf": implementation},
            "deviceHarness": device::schema::harness(),
            "deviceImplementation": device::schema::implementation(),
            "systemHarness": {"oneOf": system::schema::harness()},
            "systemImplementation": {"oneOf": system::schema::implementation()},
            "session": object(json!({"userId": name(), "deviceId": name(),
                "platform": {"enum": ["web", "phone", "tablet", "desktop", "tv"]}}), &[]),
            "item": {"oneOf": items()},
        },
    })
}

/// What stands in `out`.
fn items() -> Vec<Value> {
    let (name, count) = (json!({"type": "string"}), json!({"type": "integer", "minimum": 0}));
    let point = object(json!({"instance": count, "revision": count}), &[]);
    let stamp = object(
        json!({"instance": count, "revision": count, "about": object(json!({"invitee": name, "attempt": count}), &[])}),
        &["about"],
    );
    let error = object(json!({"code": {"type": "integer"}, "message": name}), &[]);
    let response = object(
        json!({"id": name, "result": {"type": "object"}, "error": error, "at": point}),
        &["result", "error", "at"],
    );
    let to = json!({"type": "array", "items": object(json!({"userId": name, "deviceId": name}), &[])});
    let event = object(json!({"to": to, "event": name, "payload": {"type": "object"}, "stamp": stamp}), &["stamp"]);
    let connection = json!({"type": "integer", "minimum": 1});
    let hint = json!({"userId": name, "roomId": name, "roomName": name, "ownerName": name, "memberCount": count});
    vec![
        object(json!({"response": response}), &[]),
        object(json!({"event": event}), &[]),
        object(json!({"send": object(json!({"connection": connection, "message": {"type": "object"}}), &[])}), &[]),
        object(json!({"close": object(json!({"connection": connection}), &[])}), &[]),
        object(json!({"persist": true}), &[]),
        object(json!({"push": object(hint, &[])}), &[]),
    ]
}

/// All bounds by name; durations in nanoseconds.
pub(super) fn bounds() -> Value {
    let bound = |what: &str| json!({"type": "integer", "minimum": 0, "description": what});
    let bounds: Map<String, Value> =
        Bounds::DESCRIPTIONS.iter().map(|(name, what)| ((*name).to_owned(), bound(what.trim()))).collect();
    json!({"type": "object", "properties": bounds, "additionalProperties": false})
}

/// An object with these fields alone, all of which are there but for the optional ones.
pub(super) fn object(properties: Value, optional: &[&str]) -> Value {
    let names = properties.as_object().expect("properties are an object").keys();
    let required: Vec<&String> = names.filter(|name| !optional.contains(&name.as_str())).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// A message of this type.
pub(super) fn message(kind: &str, mut properties: Value, optional: &[&str]) -> Value {
    properties["type"] = json!({"const": kind});
    object(properties, optional)
}
