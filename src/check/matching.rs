//! Does JSON that was seen contain the JSON that was expected, and if not, where do they differ.
//!
//! Objects match partially: every expected key must be there and match. Lists match item by item and in length. An
//! expected object whose only key is `not` matches what its value does not. Numbers are compared as numbers, so that 1 and
//! 1.0 are the same. It knows nothing of events or calls; it only knows the
//! names that the API gives to the numbers of its enumerations, to print them.

use serde_json::{Map, Value};

use crate::protocol::vocabulary::{InvitationCode, InvitationStatus, Role, RoomType};

/// One field that differs.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct FieldDifference {
    /// Where: `invitation.status`, `invitationList[2].invitee.userId`; empty for the whole.
    pub(super) path: String,
    /// What was expected there.
    pub(super) expected: String,
    /// What was there.
    pub(super) seen: String,
}

/// Whether `seen` contains `expected`.
pub(super) fn matches(expected: &Value, seen: &Value) -> bool {
    if let Some(unwanted) = anything_but(expected) {
        return !matches(unwanted, seen);
    }
    match (expected, seen) {
        (Value::Object(expected), Value::Object(seen)) => {
            expected.iter().all(|(key, value)| seen.get(key).is_some_and(|seen| matches(value, seen)))
        }
        (Value::Array(expected), Value::Array(seen)) => {
            expected.len() == seen.len() && expected.iter().zip(seen).all(|(expected, seen)| matches(expected, seen))
        }
        _ => same_scalar(expected, seen),
    }
}

/// What a pattern excludes, if it is `{not: X}`.
fn anything_but(pattern: &Value) -> Option<&Value> {
    pattern.as_object().filter(|fields| fields.len() == 1)?.get("not")
}

/// Whether a pattern asks for nothing: null, or an object without keys.
pub(super) fn asks_nothing(pattern: &Value) -> bool {
    pattern.is_null() || pattern.as_object().is_some_and(Map::is_empty)
}

/// Every field in which `seen` fails to contain `expected`.
pub(super) fn differences(expected: &Value, seen: &Value) -> Vec<FieldDifference> {
    let mut found = Vec::new();
    walk(expected, seen, &mut String::new(), &mut found);
    found
}

/// The same for what inviteUsers returns: numbers by user, which are codes.
pub(super) fn code_differences(expected: &Value, seen: &Value) -> Vec<FieldDifference> {
    let mut found = differences(expected, seen);
    for text in found.iter_mut().flat_map(|one| [&mut one.expected, &mut one.seen]) {
        let code = text.parse().ok().and_then(InvitationCode::from_number);
        if let Some(code) = code {
            *text = format!("{code} ({text})");
        }
    }
    found
}

/// What inviteUsers should return, as a message shows it.
pub(super) fn shown_codes(pattern: &Value) -> String {
    if let Some(unwanted) = anything_but(pattern) {
        return format!("anything but {}", shown_codes(unwanted));
    }
    let code = |(user, code): (&String, &Value)| match code.as_u64().and_then(InvitationCode::from_number) {
        Some(named) => format!("{user} {named} ({code})"),
        None => format!("{user} {}", shown("", code)),
    };
    match pattern {
        Value::Object(codes) => codes.iter().map(code).collect::<Vec<_>>().join(", "),
        other => shown("", other),
    }
}

/// What of `seen` the expected value speaks about: for showing the two side by side.
pub(super) fn restricted(expected: &Value, seen: &Value) -> Value {
    if let Some(unwanted) = anything_but(expected) {
        return restricted(unwanted, seen);
    }
    match (expected, seen) {
        (Value::Object(expected), Value::Object(seen)) => Value::Object(
            expected.iter().filter_map(|(key, value)| Some((key.clone(), restricted(value, seen.get(key)?)))).collect(),
        ),
        (Value::Array(expected), Value::Array(seen)) => Value::Array(
            seen.iter()
                .enumerate()
                .map(|(i, item)| expected.get(i).map_or_else(|| item.clone(), |expected| restricted(expected, item)))
                .collect(),
        ),
        _ => seen.clone(),
    }
}

/// JSON on several lines, for a side of a difference.
pub(super) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a value has string keys")
}

/// A list of differences as one phrase.
pub(super) fn phrase(differences: &[FieldDifference]) -> String {
    const SHOWN_MAX: usize = 4;
    let mut parts: Vec<String> = differences
        .iter()
        .take(SHOWN_MAX)
        .map(|one| {
            let place = if one.path.is_empty() { String::new() } else { format!("{} ", one.path) };
            format!("{place}should be {}, was {}", one.expected, one.seen)
        })
        .collect();
    match differences.len().saturating_sub(SHOWN_MAX) {
        0 => {}
        1 => parts.push("and 1 more field differs".to_owned()),
        more => parts.push(format!("and {more} more fields differ")),
    }
    parts.join("; ")
}

fn same_scalar(expected: &Value, seen: &Value) -> bool {
    expected == seen
        || matches!((expected.as_f64(), seen.as_f64()), (Some(one), Some(other)) if one.to_bits() == other.to_bits())
}

fn walk(expected: &Value, seen: &Value, path: &mut String, found: &mut Vec<FieldDifference>) {
    let mut note = |path: &str, expected: String, seen: String| {
        found.push(FieldDifference { path: path.to_owned(), expected, seen });
    };
    if let Some(unwanted) = anything_but(expected) {
        if matches(unwanted, seen) {
            note(path, shown(path, expected), shown(path, &restricted(unwanted, seen)));
        }
        return;
    }
    match (expected, seen) {
        (Value::Object(expected), Value::Object(seen)) => {
            for (key, value) in expected {
                let length = path.len();
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
                match seen.get(key) {
                    Some(seen) => walk(value, seen, path, found),
                    None => found.push(FieldDifference {
                        path: path.clone(),
                        expected: shown(path, value),
                        seen: "absent".to_owned(),
                    }),
                }
                path.truncate(length);
            }
        }
        (Value::Array(expected), Value::Array(seen)) => {
            if expected.len() != seen.len() {
                note(path, items(expected.len()), items(seen.len()));
            }
            for (i, (expected, seen)) in expected.iter().zip(seen).enumerate() {
                let length = path.len();
                path.push_str(&format!("[{i}]"));
                walk(expected, seen, path, found);
                path.truncate(length);
            }
        }
        _ if !same_scalar(expected, seen) => note(path, shown(path, expected), shown(path, seen)),
        _ => {}
    }
}

fn items(count: usize) -> String {
    if count == 1 { "a list of 1 item".to_owned() } else { format!("a list of {count} items") }
}

/// A value as a message shows it: each field by its path, with the API's name where it holds an enumeration. Of a list there
/// is only the length: what differs in it has a place of its own, and whoever wants all of it has it beside.
pub(super) fn shown(path: &str, value: &Value) -> String {
    if let Some(unwanted) = anything_but(value) {
        return format!("anything but {}", shown(path, unwanted));
    }
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let mut parts = Vec::new();
            leaves("", value, &mut parts);
            return parts.join(", ");
        }
        Value::Array(list) => return items(list.len()),
        _ => {}
    }
    let field = path.rsplit('.').next().unwrap_or(path);
    let name = value.as_u64().and_then(|number| match field {
        "status" => InvitationStatus::from_number(number).map(InvitationStatus::name),
        "userRole" => Role::from_number(number).map(Role::name),
        "roomType" => RoomType::from_number(number).map(RoomType::name),
        _ => None,
    });
    match name {
        Some(name) => format!("{name} ({value})"),
        None => value.to_string(),
    }
}

/// The fields of an object and of the objects in it, each by its path below the whole.
fn leaves(path: &str, value: &Value, parts: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() && anything_but(value).is_none() => {
            for (name, field) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(&path, field, parts);
            }
        }
        _ => parts.push(format!("{path} {}", shown(path, value))),
    }
}

#[cfg(test)]
mod tests;
