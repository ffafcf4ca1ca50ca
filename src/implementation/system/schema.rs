//! The JSON Schema of contract `system`: what either side may say. Arguments, results and payloads are any object here.

use serde_json::{Value, json};

use super::super::schema::{bounds, message, object};
use super::CONTRACT;
use crate::implementation::words::SCHEMA;

/// What we say.
pub(in crate::implementation) fn harness() -> Vec<Value> {
    let name = || json!({"type": "string"});
    let id = || json!({"type": "integer", "minimum": 0});
    vec![
        message(
            "hello",
            json!({"schema": {"const": SCHEMA}, "contract": {"const": CONTRACT}, "clock": {"const": "real"},
                "seed": {"type": "integer", "minimum": 0}, "rateLimits": {"type": "boolean"}, "bounds": bounds(),
                "accounts": {"type": "array", "items": object(
                    json!({"userId": name(), "userName": name(), "avatarUrl": name()}), &[])}}),
            &[],
        ),
        message(
            "device",
            json!({"id": id(), "device": name(), "userId": name(), "deviceId": name(),
                "platform": {"enum": ["web", "phone", "tablet", "desktop", "tv"]}}),
            &[],
        ),
        message("call", json!({"id": id(), "device": name(), "operation": name(), "args": {"type": "object"}}), &[]),
        message("network", json!({"id": id(), "device": name(), "online": {"type": "boolean"}}), &[]),
        message("kill", json!({"id": id(), "device": name()}), &[]),
        message("end", json!({"id": id()}), &[]),
        message("stop", json!({"id": id()}), &[]),
        message("fault", json!({"reason": name(), "read": name()}), &[]),
    ]
}

/// What an adapter says.
pub(in crate::implementation) fn implementation() -> Vec<Value> {
    let name = || json!({"type": "string"});
    let id = || json!({"type": "integer", "minimum": 0});
    let returned = |what: &str, of: Value| {
        let optional: &[&str] = if what == "result" { &["result"] } else { &[] };
        message("returned", json!({"id": id(), what: of}), optional)
    };
    vec![
        message(
            "hello",
            json!({"schema": {"const": SCHEMA}, "contract": {"const": CONTRACT}, "name": name(), "version": name(),
                "capabilities": {"type": "array", "items": {"enum": ["bounds", "fractions", "network", "kill"]}},
                "reusable": {"type": "boolean"}}),
            &["reusable"],
        ),
        message("done", json!({"id": id()}), &[]),
        returned("result", json!(true)),
        returned("error", object(json!({"code": {"type": "integer"}, "message": name()}), &[])),
        returned("unknown", name()),
        message("event", json!({"device": name(), "event": name(), "payload": {"type": "object"}}), &[]),
    ]
}
