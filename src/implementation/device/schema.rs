//! The JSON Schema of contract `device`, in the style of the other contracts'.

use serde_json::{Value, json};

use super::super::schema::{bounds, message, object};
use super::super::words::SCHEMA;

fn nanos() -> Value {
    json!({"type": "integer", "minimum": 0, "description": "nanoseconds since the run began, on the clock of the device"})
}

fn name() -> Value {
    json!({"type": "string"})
}

fn number() -> Value {
    json!({"type": "integer", "minimum": 1})
}

/// What we say to a client library.
pub(in crate::implementation) fn harness() -> Value {
    let identity = object(
        json!({"userId": name(), "deviceId": name(), "platform": {"enum": ["web", "phone", "tablet", "desktop", "tv"]}}),
        &[],
    );
    let said = [
        message(
            "hello",
            json!({"schema": {"const": SCHEMA}, "contract": {"const": "device"}, "clock": {"const": "virtual"},
                "seed": {"type": "integer", "minimum": 0}, "bounds": bounds()}),
            &[],
        ),
        message(
            "start",
            json!({"now": nanos(), "device": number(), "identity": identity, "autoBusy": {"type": "boolean"},
                "entropy": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}),
            &[],
        ),
        message("connected", json!({"now": nanos(), "device": number()}), &[]),
        message("disconnected", json!({"now": nanos(), "device": number()}), &[]),
        message("message", json!({"now": nanos(), "device": number(), "message": {"type": "object"}}), &[]),
        message(
            "call",
            json!({"now": nanos(), "device": number(), "call": number(), "operation": name(), "args": {"type": "object"}}),
            &[],
        ),
        message(
            "on",
            json!({"now": nanos(), "device": number(), "event": name(), "handler": name(),
                "removes": {"type": "array", "items": name()}}),
            &[],
        ),
        message("off", json!({"now": nanos(), "device": number(), "event": name(), "handler": name()}), &[]),
        message("wake", json!({"now": nanos(), "device": number()}), &[]),
        message("stop", json!({}), &[]),
        message("fault", json!({"reason": name(), "read": name()}), &[]),
    ];
    json!({"oneOf": said})
}

/// What a client library may say.
pub(in crate::implementation) fn implementation() -> Value {
    let error = object(json!({"code": {"type": "integer"}, "message": name()}), &[]);
    let nothing = object(json!({}), &[]);
    let event = json!({"event": name(), "payload": {"type": "object"}});
    let handled = json!({"handler": name(), "event": name(), "payload": {"type": "object"}});
    let result = object(json!({"call": number(), "value": true, "error": error}), &["value", "error"]);
    let items = [
        object(json!({"connect": nothing}), &[]),
        object(json!({"disconnect": nothing}), &[]),
        object(json!({"send": object(json!({"message": {"type": "object"}}), &[])}), &[]),
        object(json!({"result": result}), &[]),
        object(json!({"event": object(event, &[])}), &[]),
        object(json!({"handled": object(handled, &[])}), &[]),
    ];
    let said = [
        message(
            "hello",
            json!({"schema": {"const": SCHEMA}, "contract": {"const": "device"}, "name": name(), "version": name(),
                "devices": {"enum": ["all", "one"]}, "reusable": {"type": "boolean"},
                "lacks": {"type": "array", "items": name()}}),
            &["reusable", "lacks"],
        ),
        message("out", json!({"out": {"type": "array", "items": {"oneOf": items}}, "wakeAt": nanos()}), &["wakeAt"]),
    ];
    json!({"oneOf": said})
}
