//! The JSON Schema of scenario files, from which an editor completes, explains and underlines.
//!
//! Generated from [`words`](super::words). It admits whatever the reader admits; that exactly one action stands in a step,
//! or that a name exists, is left to the reader, whose messages are better than a schema's.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::payload::{self, Shape};
use super::words::{self, Kind, Object};
use crate::protocol::bounds::{BoundValue, Bounds};
use crate::protocol::requirements;
use crate::protocol::vocabulary::{ErrorCode, EventName, OperationName};

/// A schema of the dialect 2020-12.
#[must_use]
pub fn schema() -> Value {
    let mut definitions = Definitions(BTreeMap::new());
    let root = definitions.object(&words::SCENARIO);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Convoke scenario",
        "description": words::SCENARIO.doc,
        "$ref": root["$ref"],
        "$defs": definitions.0,
    })
}

/// What is defined once and referred to.
struct Definitions(BTreeMap<String, Value>);

impl Definitions {
    fn define(&mut self, name: &str, make: impl FnOnce(&mut Self) -> Value) -> Value {
        if !self.0.contains_key(name) {
            // A place holder ends recursion.
            self.0.insert(name.to_owned(), Value::Null);
            let definition = make(self);
            self.0.insert(name.to_owned(), definition);
        }
        json!({"$ref": format!("#/$defs/{name}")})
    }

    fn object(&mut self, object: &'static Object) -> Value {
        self.define(object.id, |definitions| {
            let required: Vec<&str> =
                object.fields.iter().filter(|field| field.required).map(|field| field.key).collect();
            // Nothing counts as an empty map: `phone:`.
            let kind = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
            let mut schema = json!({
                "type": kind,
                "description": object.doc,
                "properties": definitions.properties(object),
                "additionalProperties": false,
            });
            if !required.is_empty() {
                schema["required"] = json!(required);
            }
            schema
        })
    }

    fn properties(&mut self, object: &'static Object) -> Map<String, Value> {
        let mut properties = Map::new();
        for field in object.fields {
            let mut schema = self.kind(field.kind);
            // Beside a reference, the field's own words hold.
            schema["description"] = json!(field.doc);
            properties.insert(field.key.to_owned(), schema);
        }
        properties
    }

    fn kind(&mut self, kind: Kind) -> Value {
        match kind {
            Kind::Version => json!({"const": super::VERSION as i64}),
            Kind::Text => json!({"type": "string"}),
            Kind::Argument => self.argument(),
            Kind::Cursor => json!({"anyOf": [{"type": "string"}, self.repeated(), self.of_device()]}),
            Kind::Bool => json!({"type": "boolean"}),
            Kind::Duration | Kind::SignedDuration => self.duration(),
            Kind::Seconds => json!({"anyOf": [{"type": "number"}, self.duration()]}),
            Kind::Count => self.count(),
            Kind::Number => json!({"anyOf": [{"type": "number"}, self.count()]}),
            Kind::Share => json!({"anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": r"^\s*[0-9.]+\s*%?\s*$", "examples": ["1%"]},
            ]}),
            Kind::Drift => json!({"type": "string", "pattern": r"^\s*[+-]?[0-9]+\s*ppm\s*$", "examples": ["200ppm"]}),
            Kind::Requirement => self.define("requirement", |_| {
                let known = requirements::REQUIREMENTS.iter();
                let known: Vec<Value> =
                    known.map(|known| json!({"const": known.id, "description": known.plain_text()})).collect();
                json!({"description": "The id of a requirement.", "anyOf": known})
            }),
            Kind::Word(["true"]) => json!({"const": true}),
            Kind::Word(words) => json!({"enum": words}),
            Kind::ApiEnum(of) => enumeration(of),
            Kind::Event => self.events(),
            Kind::Operation => self.define(
                "operationName",
                |_| json!({"enum": OperationName::ALL.iter().map(|operation| operation.name()).collect::<Vec<_>>()}),
            ),
            Kind::Code => self.define("code", |_| {
                let names: Vec<&str> = ErrorCode::NAMED.iter().map(|(_, name)| *name).collect();
                json!({"anyOf": [{"type": "integer", "not": {"const": 0}}, {"enum": names}]})
            }),
            Kind::Devices => self.define("selector", |_| {
                json!({
                    "type": "string",
                    "description": "Names users or devices: bob, bob.phone, crowd[7].phone, crowd[1..100].phone.",
                    "pattern": r"^[A-Za-z0-9_-]+(\[[^\]]+\])?(\.[A-Za-z0-9_-]+)?$",
                    "examples": ["bob", "bob.phone", "crowd[7].phone", "crowd[1..100].phone"],
                })
            }),
            Kind::User => json!({"anyOf": [{"type": "string"}, self.unknown()]}),
            Kind::Users => json!({"type": "array", "items": {"anyOf": [{"type": "string"}, self.unknown()]}}),
            Kind::Room => json!({"anyOf": [{"type": "string"}, self.unknown(), self.repeated()]}),
            Kind::Json | Kind::Returned => json!({}),
            Kind::Object(object) => self.object(object),
            Kind::List(item) => json!({"type": ["array", "null"], "items": self.kind(*item)}),
            Kind::OneOrMore(item) => {
                let item = self.kind(*item);
                json!({"anyOf": [item, {"type": "array", "items": item}]})
            }
            Kind::Map(value) => json!({"type": ["object", "null"], "additionalProperties": self.kind(*value)}),
            Kind::Bounds => self.bounds(),
            Kind::Either(kinds) => json!({"anyOf": kinds.iter().map(|kind| self.kind(*kind)).collect::<Vec<_>>()}),
            Kind::Pattern(object) => self.pattern(object),
        }
    }

    fn argument(&mut self) -> Value {
        json!({"anyOf": [{"type": "string"}, self.repeated()]})
    }

    fn repeated(&mut self) -> Value {
        self.define("repeated", |definitions| {
            json!({
                "type": "object",
                "description": "A text many times: {repeat: x, times: extension_info_max + 1}.",
                "properties": {"repeat": {"type": "string"}, "times": definitions.count()},
                "required": ["repeat", "times"],
                "additionalProperties": false,
            })
        })
    }

    fn of_device(&mut self) -> Value {
        self.define("cursorOf", |definitions| {
            json!({
                "type": "object",
                "description": "The cursor that a device was given with the latest page that it read: {of: alice.web}.",
                "properties": {"of": definitions.kind(Kind::Devices)},
                "required": ["of"],
                "additionalProperties": false,
            })
        })
    }

    /// A value, or anything but one.
    fn or_not(&mut self, value: Value) -> Value {
        let not = self.define("not", |_| {
            json!({
                "type": "object",
                "description": "Anything but this: {not: kPending}.",
                "properties": {"not": {}},
                "required": ["not"],
                "additionalProperties": false,
            })
        });
        json!({"anyOf": [value, not]})
    }

    fn unknown(&mut self) -> Value {
        self.define("unknown", |definitions| {
            json!({
                "type": "object",
                "description": "An id that nobody has: {unknown: zoe}.",
                "properties": {"unknown": definitions.argument()},
                "required": ["unknown"],
                "additionalProperties": false,
            })
        })
    }

    fn duration(&mut self) -> Value {
        self.define("duration", |_| {
            json!({
                "description": "A number and a unit (ns, us, ms, s, m, h, d), a bound, or a sum of them.",
                "anyOf": [
                    {"type": "string", "pattern": sum_of(r"[0-9.]+(ns|us|ms|s|m|h|d)|0", true), "examples": ["20ms", "resume_window + 1s"]},
                    {"const": 0},
                ],
            })
        })
    }

    fn count(&mut self) -> Value {
        self.define("count", |_| {
            json!({
                "description": "A number, a bound, or a sum of them.",
                "anyOf": [
                    {"type": "integer", "minimum": 0},
                    {"type": "string", "pattern": sum_of("[0-9]+", false), "examples": ["ids_max + 1"]},
                ],
            })
        })
    }

    fn bounds(&mut self) -> Value {
        let mut properties = Map::new();
        for name in Bounds::NAMES {
            let mut schema = if is_duration(name) { self.duration() } else { self.count() };
            schema["description"] = json!(meaning(name));
            properties.insert((*name).to_owned(), schema);
        }
        json!({"type": ["object", "null"], "properties": properties, "additionalProperties": false})
    }

    fn events(&mut self) -> Value {
        self.define(
            "eventName",
            |_| json!({"enum": EventName::ALL.iter().map(|event| event.name()).collect::<Vec<_>>()}),
        )
    }

    /// An event by its name, or as a key beside those of `object`.
    fn pattern(&mut self, object: &'static Object) -> Value {
        self.define("pattern", |definitions| {
            let mut properties = definitions.properties(object);
            for event in EventName::ALL {
                let payload = definitions.shape(payload::event(*event));
                let mut payload = definitions.or_not(payload);
                payload["description"] = json!(event.meaning());
                properties.insert(event.name().to_owned(), payload);
            }
            json!({"anyOf": [
                definitions.events(),
                {"type": "object", "description": object.doc, "properties": properties, "additionalProperties": false},
            ]})
        })
    }

    fn shape(&mut self, shape: &Shape) -> Value {
        match shape {
            Shape::Same(shape) => self.shape(shape),
            Shape::Text => self.argument(),
            Shape::Bool => json!({"type": "boolean"}),
            Shape::Number => self.kind(Kind::Number),
            Shape::UserId => self.kind(Kind::User),
            Shape::RoomId => self.kind(Kind::Room),
            Shape::Enum(of) => enumeration(*of),
            Shape::List(item) => {
                let item = self.shape(item);
                json!({"type": "array", "items": self.or_not(item)})
            }
            Shape::Object(name, fields) => self.define(name, |definitions| {
                let properties: Map<String, Value> = fields
                    .iter()
                    .map(|(key, shape)| {
                        let value = definitions.shape(shape);
                        ((*key).to_owned(), definitions.or_not(value))
                    })
                    .collect();
                // Nothing beside an event's name means any payload.
                let kind = if name.starts_with("on") { json!(["object", "null"]) } else { json!("object") };
                json!({"type": kind, "properties": properties, "additionalProperties": false})
            }),
            Shape::Codes => json!({"type": "object"}),
            Shape::Nothing | Shape::Any => json!({}),
        }
    }
}

fn enumeration(of: words::ApiEnum) -> Value {
    let members = of.members();
    let names = members.iter().map(|(name, _)| json!(name));
    // REJ-2: a reason that is none is lawful to write, for the server to refuse.
    if of == words::ApiEnum::RejectedReason {
        let names: Vec<Value> = names.collect();
        return json!({"anyOf": [{"enum": names}, {"type": "integer"}]});
    }
    json!({"enum": names.chain(members.iter().map(|(_, number)| json!(number))).collect::<Vec<_>>()})
}

/// What a bound is, in a sentence.
pub(super) fn meaning(bound: &str) -> &'static str {
    let described = Bounds::DESCRIPTIONS.iter().find(|(name, _)| *name == bound);
    described.map_or("", |(_, text)| text.trim())
}

pub(super) fn is_duration(bound: &str) -> bool {
    matches!(Bounds::default().get(bound), Some(BoundValue::Duration(_)))
}

/// A regular expression for sums of literals and of bounds that are, or are not, durations.
fn sum_of(literal: &str, durations: bool) -> String {
    let bounds: Vec<&str> = Bounds::NAMES.iter().copied().filter(|name| is_duration(name) == durations).collect();
    let term = format!(r"({literal}|({})(\s*/\s*[0-9]+)?)", bounds.join("|"));
    format!(r"^\s*-?\s*{term}(\s*[+-]\s*{term})*\s*$")
}
