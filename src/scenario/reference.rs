//! The reference of the scenario language, as Markdown, from the same words as the reader and the schema.

use std::fmt::Write as _;

use super::payload::{self, Shape};
use super::schema::meaning;
use super::words::{self, ApiEnum, Kind, Object, operation};
use crate::protocol::bounds::{BoundValue, Bounds};
use crate::protocol::vocabulary::{ErrorCode, EventName, OperationName};

/// A complete scenario, which the reference shows and the tests compile.
pub(super) const EXAMPLE: &str = include_str!("reference/example.yaml");

const INTRODUCTION: &str = include_str!("reference/introduction.md");

/// The whole of `docs/SCENARIOS.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = INTRODUCTION.replace("{EXAMPLE}", EXAMPLE.trim_end());
    for (heading, object) in [
        ("The file", &words::SCENARIO),
        ("service", &words::SERVICE),
        ("network", &words::NETWORK),
        ("A distribution of latencies", &words::LATENCY),
        ("exponential", &words::EXPONENTIAL),
        ("normal", &words::NORMAL),
        ("pareto", &words::PARETO),
        ("attack", &words::ATTACKS),
        ("accounts", &words::ACCOUNT),
        ("users", &words::USER),
        ("devices", &words::DEVICE),
        ("rooms", &words::ROOM),
        ("steps", &words::STEP),
        ("after, as a cause", &words::AFTER),
        ("any-of, in a step", &words::RESULT),
        ("send", &words::SEND),
        ("attempt", &words::ATTEMPT),
        ("on", &words::ON),
        ("off", &words::OFF),
        ("offline", &words::OFFLINE),
        ("partition", &words::PARTITION),
        ("hold", &words::HOLD),
        ("crash", &words::CRASH),
        ("clock", &words::CLOCK),
        ("expect", &words::EXPECT),
        ("An event in a list of events", &words::PATTERN),
        ("before", &words::SIGHTING),
        ("snapshot", &words::SNAPSHOT),
    ] {
        section(&mut page, heading, object);
    }
    operations(&mut page);
    events(&mut page);
    enumerations(&mut page);
    bounds(&mut page);
    page
}

/// Writing to a string can't fail.
macro_rules! put {
    ($page:expr, $($text:tt)*) => { writeln!($page, $($text)*).expect("a string takes all") };
}

fn section(page: &mut String, heading: &str, object: &Object) {
    put!(page, "\n### {heading}\n\n{}\n", object.doc);
    table(page, object);
}

fn table(page: &mut String, object: &Object) {
    put!(page, "| key | value | meaning |\n|---|---|---|");
    for field in object.fields {
        let must = if field.required { " (required)" } else { "" };
        put!(page, "| `{}`{must} | {} | {} |", field.key, kind(field.kind), field.doc.replace('|', "\\|"));
    }
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Version => "`1`".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::Argument => "text, or `{repeat: x, times: n}`".to_owned(),
        Kind::Cursor => "text, or `{of: alice.web}`".to_owned(),
        Kind::Bool => "true or false".to_owned(),
        Kind::Duration => "duration".to_owned(),
        Kind::SignedDuration => "duration, perhaps negative".to_owned(),
        Kind::Seconds => "seconds, or a duration".to_owned(),
        Kind::Count => "count".to_owned(),
        Kind::Number => "number, or a count".to_owned(),
        Kind::Share => "share: `1%` or `0.01`".to_owned(),
        Kind::Drift => "parts per million: `200ppm`".to_owned(),
        Kind::Requirement => "requirement".to_owned(),
        Kind::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or "),
        Kind::ApiEnum(of) => enumeration_name(of).to_owned(),
        Kind::Event => "event".to_owned(),
        Kind::Operation => "operation".to_owned(),
        Kind::Code => "error code".to_owned(),
        Kind::Devices => "selector".to_owned(),
        Kind::User => "user".to_owned(),
        Kind::Users => "list of users".to_owned(),
        Kind::Room => "room".to_owned(),
        Kind::Json => "any JSON".to_owned(),
        Kind::Object(object) => object.name.to_owned(),
        Kind::List(item) => format!("list: {}", self::kind(*item)),
        Kind::OneOrMore(item) => format!("{}, or a list", self::kind(*item)),
        Kind::Map(value) => format!("map of names to {}", self::kind(*value)),
        Kind::Bounds => "map of bounds".to_owned(),
        Kind::Either(kinds) => kinds.iter().map(|kind| self::kind(*kind)).collect::<Vec<_>>().join("; or "),
        Kind::Pattern(_) => "event".to_owned(),
        Kind::Returned => "what the operation returns".to_owned(),
    }
}

fn operations(page: &mut String) {
    put!(
        page,
        "\n## Operations\n\nEvery operation is a key of a step; its value are its arguments, on the API's names."
    );
    for operation in OperationName::ALL {
        put!(page, "\n### {}\n\n{}\n", operation.name(), operation.meaning());
        let arguments = operation::arguments(*operation);
        if arguments.fields.is_empty() {
            put!(page, "No arguments: `{}: {{}}`.", operation.name());
        } else {
            table(page, arguments);
        }
        match payload::reply(*operation) {
            Shape::Nothing => {}
            shape => put!(page, "\nReturns {}.", shape_text(shape)),
        }
    }
}

fn events(page: &mut String) {
    put!(page, "\n## Events\n\n| event | when | carries |\n|---|---|---|");
    for event in EventName::ALL {
        let Shape::Object(_, fields) = payload::event(*event) else { continue };
        let fields: Vec<String> = fields.iter().map(|(key, shape)| format!("`{key}`: {}", shape_text(shape))).collect();
        put!(page, "| `{}` | {} | {} |", event.name(), event.meaning(), fields.join("; "));
    }
    put!(page, "\nThe objects in them:\n\n| object | fields |\n|---|---|");
    for shape in payload::OBJECTS {
        let Shape::Object(name, fields) = shape else { continue };
        let fields: Vec<String> = fields.iter().map(|(key, shape)| format!("`{key}`: {}", shape_text(shape))).collect();
        put!(page, "| {name} | {} |", fields.join("; "));
    }
}

fn shape_text(shape: &Shape) -> String {
    match shape {
        Shape::Nothing => "nothing".to_owned(),
        Shape::Text => "text".to_owned(),
        Shape::Bool => "true or false".to_owned(),
        Shape::Number => "a number".to_owned(),
        Shape::UserId => "a user id".to_owned(),
        Shape::RoomId => "a room id".to_owned(),
        Shape::Enum(of) => enumeration_name(*of).to_owned(),
        // What has a name that is a word stands in the table of objects.
        Shape::Object(name, fields) if name.contains(' ') => {
            let fields: Vec<String> =
                fields.iter().map(|(key, shape)| format!("`{key}` ({})", shape_text(shape))).collect();
            format!("an object with {}", fields.join(" and "))
        }
        Shape::Object(name, _) => (*name).to_owned(),
        Shape::Same(shape) => shape_text(shape),
        Shape::List(item) => format!("a list of {}", shape_text(item)),
        Shape::Codes => "a map from each user to a TUIInvitationCode".to_owned(),
        Shape::Any => "anything".to_owned(),
    }
}

const fn enumeration_name(of: ApiEnum) -> &'static str {
    match of {
        ApiEnum::Status => "TUIInvitationStatus",
        ApiEnum::Code => "TUIInvitationCode",
        ApiEnum::RejectedReason => "TUIInvitationRejectedReason",
        ApiEnum::Role => "TUIRole",
        ApiEnum::RoomType => "TUIRoomType",
        ApiEnum::KickedReason => "TUIKickedOutOfRoomReason",
        ApiEnum::DismissedReason => "TUIRoomDismissedReason",
    }
}

fn enumerations(page: &mut String) {
    put!(page, "\n## Enumerations\n\nWrite the name or the number.\n\n| enumeration | members |\n|---|---|");
    for of in ApiEnum::ALL {
        let members: Vec<String> = of.members().iter().map(|(name, number)| format!("`{name}` {number}")).collect();
        put!(page, "| {} | {} |", enumeration_name(*of), members.join(", "));
    }
    put!(
        page,
        "\n## Error codes\n\nCodes that have no name here can be written as numbers.\n\n| code | name |\n|---|---|"
    );
    for (code, name) in ErrorCode::NAMED {
        put!(page, "| {code} | `{name}` |");
    }
}

fn bounds(page: &mut String) {
    put!(page, "\n## Bounds\n\n| bound | default | meaning |\n|---|---|---|");
    let defaults = Bounds::default();
    for name in Bounds::NAMES {
        let value = match defaults.get(name) {
            Some(BoundValue::Duration(duration)) => duration.to_string(),
            Some(BoundValue::Count(count)) => count.to_string(),
            None => continue,
        };
        put!(page, "| `{name}` | {value} | {} |", meaning(name));
    }
}
