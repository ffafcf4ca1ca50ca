//! Where two runs part that should be the same: the first moment that differs, as a sentence, and of it only what differs.
//!
//! A moment is a line of a trace, of a thousand characters or more, in which one number may differ; so no moment is shown
//! whole here. Whoever wants that saves the traces. What no output may show is told by its length.

use std::fmt::Write as _;

use serde_json::Value;

use super::{DETERMINISM, finding};
use crate::check::Finding;
use crate::plan::{DeviceIndex, Place};
use crate::protocol::message::{ClientMessage, Content, ServerMessage};
use crate::trace::text::change_verb;
use crate::trace::words::redact;
use crate::trace::{Moment, Occurrence, Stage, Trace};

/// How many fields are told that differ.
const FIELDS_MAX: usize = 3;
/// How many characters of a value are shown, so that a line fits on a terminal of 80 columns.
const CHARS_MAX: usize = 48;
/// How many of them stand in front of the first that differs.
const CHARS_BEFORE: usize = 16;

/// Says where two runs part: for the first of them.
pub(super) fn parting(first: Option<&Trace>, second: Option<&Trace>) -> Finding {
    let found = |message: &str| finding(DETERMINISM, message.trim_end().to_owned(), &[], Place::default());
    let (Some(first), Some(second)) = (first, second) else {
        return found("not deterministic: of two runs with the same seed one came to nothing");
    };
    let at = first.moments.iter().zip(&second.moments).position(|(one, other)| one != other);
    let at = at.unwrap_or(first.moments.len().min(second.moments.len()));
    let mut text = format!("not deterministic: two runs with the same seed part at moment {at}\n");
    let (one, other) = (first.moments.get(at), second.moments.get(at));
    if let (Some(one), Some(other)) = (one, other)
        && happens(first, one) == happens(second, other)
    {
        let fields = differing(one, other);
        let time = if one.at == other.at { format!("at {} ", one.at) } else { String::new() };
        let _ = writeln!(text, "  {time}{}, with another", happens(first, one));
        for field in fields.iter().take(FIELDS_MAX) {
            let (one, other) = (&field.first, &field.second);
            let _ = writeln!(text, "    {}\n      the first:  {one}\n      the second: {other}", field.path);
        }
        if let more @ 1.. = fields.len().saturating_sub(FIELDS_MAX) {
            let _ = writeln!(text, "    and {more} more");
        }
    } else {
        let told = |trace: &Trace, moment: Option<&Moment>| match moment {
            Some(moment) => format!("at {} {}", moment.at, happens(trace, moment)),
            None => "nothing more happens".to_owned(),
        };
        let _ = writeln!(text, "  the first:  {}\n  the second: {}", told(first, one), told(second, other));
    }
    let devices = one.and_then(|moment| moment.what.device()).into_iter().collect();
    Finding { moment: one.map(|_| at), devices, ..found(&text) }
}

/// What happens in a moment, without its payload.
fn happens(trace: &Trace, moment: &Moment) -> String {
    let name = |device: &DeviceIndex| &trace.plan.device(*device).name;
    match &moment.what {
        Occurrence::Stage(Stage::Setup) => "the setup begins".to_owned(),
        Occurrence::Stage(Stage::Body) => "the steps of the scenario begin".to_owned(),
        Occurrence::Stage(Stage::Epilogue) => "the steps of the scenario are over".to_owned(),
        Occurrence::Stage(Stage::FinalLists) => "the final lists are asked for".to_owned(),
        Occurrence::StepBegan { step } => format!("step {} begins", step + 1),
        Occurrence::Called { device, content, .. } => format!("{} calls {}", name(device), content.operation()),
        Occurrence::Returned { device, .. } => format!("a call of {} returns", name(device)),
        Occurrence::Heard { device, event } => format!("{} hears {}", name(device), event.event.name()),
        Occurrence::Handled { device, handler, event } => {
            format!("handler {handler} of {} is called with {}", name(device), event.event.name())
        }
        Occurrence::Connected { device, .. } => format!("{} connects", name(device)),
        Occurrence::DeviceLost { device, .. } => format!("{} loses its connection", name(device)),
        Occurrence::ServerLost { device, .. } => format!("the server loses the connection of {}", name(device)),
        Occurrence::ServerClosed { device, .. } => format!("the server closes the connection of {}", name(device)),
        Occurrence::DeviceSent { device, message, .. } => format!("{} sends {}", name(device), asked(message)),
        Occurrence::ServerReceived { device, message, .. } => {
            format!("the server receives {} from {}", asked(message), name(device))
        }
        Occurrence::ServerSent { device, message, .. } => {
            format!("the server sends {} to {}", said(message), name(device))
        }
        Occurrence::DeviceReceived { device, message, .. } => format!("{} receives {}", name(device), said(message)),
        Occurrence::PushHinted(_) => "the server asks for a push notification".to_owned(),
        Occurrence::ServerCrashed => "the server crashes".to_owned(),
        Occurrence::ServerStarted { .. } => "the server starts".to_owned(),
        Occurrence::DeviceChanged { device, change } => format!("{} {}", name(device), change_verb(*change)),
    }
}

fn asked(message: &ClientMessage) -> &str {
    match message {
        ClientMessage::Login(_) => "a login",
        ClientMessage::Acknowledge { .. } => "an acknowledgement",
        ClientMessage::Request(request) => match &request.content {
            Content::Call(call) => call.operation().name(),
            Content::Malformed(_) => "a malformed request",
        },
    }
}

fn said(message: &ServerMessage) -> &str {
    match message {
        ServerMessage::LoggedIn { .. } => "the answer to a login",
        ServerMessage::Refused { .. } => "a refusal",
        ServerMessage::Response(_) => "an answer",
        ServerMessage::Event { event, .. } => event.event.name().name(),
    }
}

/// One field in which two moments differ.
struct Field {
    path: String,
    first: String,
    second: String,
}

/// The fields in which two moments differ, each by its path below the message, the call or the event.
fn differing(one: &Moment, other: &Moment) -> Vec<Field> {
    let mut fields = Vec::new();
    if one.at != other.at {
        fields.push(Field { path: "time".to_owned(), first: one.at.to_string(), second: other.at.to_string() });
    }
    let value = |moment: &Moment| serde_json::to_value(&moment.what).expect("moments have string keys");
    let (first, second) = (value(one), value(other));
    let mut pointers = Vec::new();
    walk(&first, &second, &mut String::new(), &mut pointers);
    let redacted = |mut value: Value| {
        redact(&mut value);
        value
    };
    let (first, second) = (redacted(first), redacted(second));
    fields.extend(pointers.into_iter().map(|pointer| {
        let (first, second) = excerpts(first.pointer(&pointer), second.pointer(&pointer));
        // In front of it stand the kind of the moment and the part of it that has a payload.
        let path: Vec<&str> = pointer.split('/').skip(2).filter(|part| !["message", "event"].contains(part)).collect();
        Field { path: path.join("."), first, second }
    }));
    fields
}

/// Notes where two values differ, as JSON pointers.
fn walk(first: &Value, second: &Value, at: &mut String, found: &mut Vec<String>) {
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    let length = at.len();
    match (first, second) {
        (Value::Object(one), Value::Object(other)) => {
            let only_second = other.keys().filter(|name| !one.contains_key(*name));
            for name in one.keys().chain(only_second) {
                let _ = write!(at, "/{}", escaped(name));
                walk(one.get(name).unwrap_or(&Value::Null), other.get(name).unwrap_or(&Value::Null), at, found);
                at.truncate(length);
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            for index in 0..one.len().max(other.len()) {
                let _ = write!(at, "/{index}");
                walk(one.get(index).unwrap_or(&Value::Null), other.get(index).unwrap_or(&Value::Null), at, found);
                at.truncate(length);
            }
        }
        _ if first != second => found.push(at.clone()),
        _ => {}
    }
}

/// Two values around the first character in which they differ.
fn excerpts(first: Option<&Value>, second: Option<&Value>) -> (String, String) {
    let text = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), Value::to_string);
    let (first, second) = (text(first), text(second));
    if first == second {
        // What differs is secret.
        return (first, format!("{second}, but others"));
    }
    let same = first.chars().zip(second.chars()).take_while(|(one, other)| one == other).count();
    let longest = first.chars().count().max(second.chars().count());
    let from = if longest <= CHARS_MAX { 0 } else { same.saturating_sub(CHARS_BEFORE) };
    (excerpt(&first, from), excerpt(&second, from))
}

fn excerpt(text: &str, from: usize) -> String {
    let mut rest = text.chars().skip(from);
    let shown: String = rest.by_ref().take(CHARS_MAX).collect();
    let (before, after) = (if from > 0 { "…" } else { "" }, if rest.next().is_some() { "…" } else { "" });
    format!("{before}{shown}{after}")
}

#[cfg(test)]
mod tests;
