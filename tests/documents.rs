//! Documents say what the code does: their generated parts are fresh, and their examples are read by the codec.
//!
//! `CONVOKE_REGENERATE=1 cargo test --test documents` writes the generated parts anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Once;

use convoke::check::variants;
use convoke::protocol::message::{ClientMessage, Content, ServerMessage};
use convoke::protocol::vocabulary::{EventName, OperationName};
use convoke::protocol::{bounds, codec, requirements, vocabulary};
use convoke::run::profile::Profile;
use convoke::run::{axes, capability};
use serde_json::{Map, Value, json};

/// The name of a generated part, and what generates it.
type Part = (&'static str, fn() -> String);

/// Each document with its generated parts.
const GENERATED: &[(&str, &[Part])] = &[
    (
        "docs/PROTOCOL.md",
        &[
            ("requirements", requirements::markdown),
            ("bounds", bounds::markdown),
            ("enumerations", vocabulary::enumerations_markdown),
            ("errors", vocabulary::errors_markdown),
        ],
    ),
    (
        "docs/IMPLEMENTATIONS.md",
        &[("variants", variants::markdown), ("capabilities", capability::markdown), ("axes", axes::markdown)],
    ),
];

#[test]
fn generated_parts_are_fresh() {
    for (path, parts) in GENERATED {
        let text = document(path);
        let fresh = regenerated(&text, parts);
        assert!(fresh == text, "{path} is stale; run CONVOKE_REGENERATE=1 cargo test --test documents");
    }
}

/// A document, regenerated if that is asked for: once, before any test reads it.
fn document(path: &str) -> String {
    static REGENERATE: Once = Once::new();
    let file = |path: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let read =
        |path: &str| fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("failed to read {path}: {error}"));
    REGENERATE.call_once(|| {
        if std::env::var_os("CONVOKE_REGENERATE").is_some() {
            for (path, parts) in GENERATED {
                fs::write(file(path), regenerated(&read(path), parts))
                    .unwrap_or_else(|error| panic!("failed to write {path}: {error}"));
            }
        }
    });
    read(path).replace("\r\n", "\n")
}

fn regenerated(text: &str, parts: &[Part]) -> String {
    parts.iter().fold(text.to_owned(), |text, (name, generate)| with_part(&text, name, &generate()))
}

/// The text with what stands between the markers of this part replaced.
fn with_part(text: &str, name: &str, part: &str) -> String {
    let (before, rest) = text.split_once(&format!("<!-- generated: {name} -->\n")).expect("the part has a marker");
    let (_, after) = rest.split_once("<!-- end -->").expect("the part has an end");
    format!("{before}<!-- generated: {name} -->\n\n{part}\n<!-- end -->{after}")
}

fn protocol() -> String {
    document("docs/PROTOCOL.md")
}

/// The blocks that are fenced with this after the backticks.
fn blocks<'a>(text: &'a str, info: &str) -> Vec<&'a str> {
    let fence = format!("```{info}\n");
    text.split(fence.as_str()).skip(1).map(|rest| rest.split_once("```").expect("the block ends").0).collect()
}

#[test]
fn the_profile_of_the_page_is_one_with_everything_in_it() {
    let text = document("docs/IMPLEMENTATIONS.md");
    let example = blocks(&text, "yaml profile");
    let file = std::env::temp_dir().join(format!("convoke-documents-{}.yaml", std::process::id()));
    fs::write(&file, example[0]).expect("it can be written");
    let profile = Profile::find(&file.to_string_lossy()).unwrap_or_else(|error| panic!("{error}"));
    fs::remove_file(&file).expect("it was there");
    assert!(!profile.waived.is_empty() && !profile.fixed.is_empty() && !profile.lacks.is_empty());
    assert_ne!(profile.variants, variants::Variants::default());
}

#[test]
fn examples_are_messages_with_every_field_shown() {
    let text = protocol();
    let mut shown = BTreeSet::new();
    for example in blocks(&text, "json device") {
        let message = codec::decode_client(example).unwrap_or_else(|error| panic!("{error}\n{example}"));
        shown.insert(match &message {
            ClientMessage::Login(_) => "login",
            ClientMessage::Request(request) => {
                assert!(matches!(request.content, Content::Call(_)), "{example}");
                "request"
            }
            ClientMessage::Acknowledge { .. } => "acknowledge",
        });
        assert_eq!(codec::client_to_value(&message), serde_json::from_str::<Value>(example).unwrap());
    }
    for example in blocks(&text, "json server") {
        let message = codec::decode_server(example).unwrap_or_else(|error| panic!("{error}\n{example}"));
        shown.insert(match &message {
            ServerMessage::LoggedIn { .. } => "loggedIn",
            ServerMessage::Refused { .. } => "refused",
            ServerMessage::Response(response) => match &response.result {
                Ok(reply) => reply_kind(reply),
                Err(_) => "response: error",
            },
            ServerMessage::Event { .. } => "event",
        });
        assert_eq!(codec::server_to_value(&message), serde_json::from_str::<Value>(example).unwrap());
    }
    let all = [
        "login",
        "request",
        "acknowledge",
        "loggedIn",
        "refused",
        "event",
        "response: error",
        "response: nothing",
        "response: codes",
        "response: page",
        "response: roomInfo",
        "response: attendees",
        "response: members",
    ];
    assert_eq!(shown, BTreeSet::from(all));
}

const fn reply_kind(reply: &convoke::protocol::call::Reply) -> &'static str {
    use convoke::protocol::call::Reply;
    match reply {
        Reply::Void => "response: nothing",
        Reply::Invited(_) => "response: codes",
        Reply::List(_) => "response: page",
        Reply::RoomInfo(_) => "response: roomInfo",
        Reply::Attendees(_) => "response: attendees",
        Reply::Members(_) => "response: members",
        Reply::NotEntered(_) => panic!("the library's own answer has no written form"),
    }
}

/// The first two cells of each row of the table that begins with this header: a name, and fields with whether they are
/// optional.
fn rows<'a>(text: &'a str, header: &str) -> Vec<(&'a str, Vec<(&'a str, bool)>)> {
    let table = &text[text.find(header).unwrap_or_else(|| panic!("no table begins with {header}"))..];
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let name = cells.next().expect("a row has cells");
        let fields = cells.next().expect("a row has two cells").split(", ").filter(|field| !field.is_empty());
        (name, fields.map(|field| (field.trim_end_matches('?').trim_matches('`'), field.ends_with('?'))).collect())
    })
    .collect()
}

/// A value that every field of this name takes.
fn sample(field: &str) -> Value {
    let user = json!({"userId": "bob", "userName": "Bob", "avatarUrl": "", "userRole": 2});
    match field {
        "userIdList" | "scheduleAttendees" => json!(["bob"]),
        "timeout" | "count" | "maxMemberCount" | "reason" | "roomType" | "userRole" => json!(1),
        "attempt" => json!({"instance": 1, "attempt": 1}),
        "accepted" => json!(true),
        "roomInfo" => json!({"roomId": "r", "roomName": "", "roomType": 1, "ownerId": "alice", "ownerName": "",
            "password": "", "createTime": 0, "roomMemberCount": 0}),
        "invitation" => json!({"status": 1, "invitee": user, "inviter": user}),
        "userInfo" | "operateUser" => user,
        "leftUsers" | "joinedUsers" => json!([user]),
        _ => json!("text"),
    }
}

fn samples(fields: &[(&str, bool)], optional: bool) -> Value {
    let shown = fields.iter().filter(|(_, is_optional)| optional || !is_optional);
    Value::Object(shown.map(|(field, _)| ((*field).to_owned(), sample(field))).collect::<Map<_, _>>())
}

#[test]
fn operations_take_the_arguments_that_their_table_shows() {
    let text = protocol();
    let mut missing: BTreeSet<&str> = OperationName::ALL.iter().map(|operation| operation.name()).collect();
    for (operation, fields) in rows(&text, "| operation | args |") {
        assert!(missing.remove(operation), "{operation} stands twice, or is none");
        for optional in [true, false] {
            codec::call_from(operation, &samples(&fields, optional))
                .unwrap_or_else(|error| panic!("{operation}: {error}"));
        }
        for (required, _) in fields.iter().filter(|(_, is_optional)| !is_optional) {
            let others: Vec<_> = fields.iter().copied().filter(|(field, _)| field != required).collect();
            assert!(
                codec::call_from(operation, &samples(&others, true)).is_err(),
                "{operation}: {required} is optional"
            );
        }
    }
    // A message of its own.
    assert_eq!(missing, BTreeSet::from(["login"]));
}

#[test]
fn events_have_the_payloads_that_their_table_shows() {
    let text = protocol();
    let mut missing: BTreeSet<&str> = EventName::ALL.iter().map(|event| event.name()).collect();
    for (event, fields) in rows(&text, "| event | payload |") {
        assert!(missing.remove(event), "{event} stands twice, or is none");
        codec::event_from(event, &samples(&fields, false)).unwrap_or_else(|error| panic!("{event}: {error}"));
    }
    assert_eq!(missing, BTreeSet::new());
}

#[test]
fn every_requirement_that_is_cited_exists() {
    let text = protocol();
    let prefixes: Vec<_> = requirements::GROUPS.iter().map(|group| group.prefix).collect();
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    let mut cited = 0;
    for word in words {
        let Some((prefix, number)) = word.split_once('-') else { continue };
        if prefixes.contains(&prefix) && number.parse::<u32>().is_ok() {
            assert!(requirements::find(word).is_some(), "{word} is cited and does not exist");
            cited += 1;
        }
    }
    assert!(cited > requirements::REQUIREMENTS.len(), "the catalogue alone cites itself");
}
