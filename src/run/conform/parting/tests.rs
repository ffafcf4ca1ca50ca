use std::sync::Arc;

use super::*;
use crate::protocol::event::{Event, StampedEvent};
use crate::trace::sample::{Recorder, a_call_to_bob, receive};

#[track_caller]
fn check(first: Recorder, second: Recorder, expected: &str) {
    let found = parting(Some(&first.trace()), Some(&second.trace()));
    let (title, rest) = found.message.split_once('\n').unwrap();
    let moment = found.moment.expect("the first run has a moment there");
    assert_eq!(title, format!("not deterministic: two runs with the same seed part at moment {moment}"));
    assert_eq!(rest, expected);
    // `error: ` stands in front of the first line, and the others are as far in.
    assert!(found.message.lines().all(|line| line.chars().count() <= 72), "{}", found.message);
}

/// A run whose second part is this event for bob's phone.
fn with(event: StampedEvent) -> Recorder {
    let recorder = a_call_to_bob();
    let device = recorder.device("bob.phone");
    recorder.at(4000, Occurrence::Heard { device, event: Arc::new(event) })
}

/// A ring in a room of this name.
fn ring(room_name: &str, extension: &str) -> StampedEvent {
    let mut event = receive("bob");
    if let Event::ReceiveInvitation { room_info, extension_info, .. } = &mut event.event {
        Arc::make_mut(room_info).room_name = room_name.into();
        *extension_info = extension.into();
    }
    event
}

#[test]
fn the_field_that_differs_is_told_with_both_values() {
    check(
        with(ring("4711", "")),
        with(ring("4712", "")),
        "  at 4.000 bob.phone hears onReceiveInvitation, with another\n    payload.roomInfo.roomName\n      the first:  \"4711\"\n      the second: \"4712\"",
    );
}

#[test]
fn of_a_long_value_there_is_what_stands_around_the_difference() {
    let name =
        |differs: &str| format!("{}{differs}{}", "a name that begins the same, ".repeat(3), " and goes on ".repeat(9));
    check(
        with(ring(&name("one"), "")),
        with(ring(&name("two"), "")),
        "  at 4.000 bob.phone hears onReceiveInvitation, with another\n    payload.roomInfo.roomName\n      the first:  …egins the same, one and goes on  and goes on  an…\n      the second: …egins the same, two and goes on  and goes on  an…",
    );
}

#[test]
fn what_is_secret_is_told_by_its_length() {
    let found = parting(Some(&with(ring("r", "hush-1")).trace()), Some(&with(ring("r", "hush-2")).trace())).message;
    assert!(!found.contains("hush") && found.contains("(6 bytes)\", but others"), "{found}");
}

#[test]
fn something_else_or_nothing_more_is_told_as_what_happens() {
    check(
        with(ring("r", "")),
        a_call_to_bob().at(4001, Occurrence::ServerCrashed),
        "  the first:  at 4.000 bob.phone hears onReceiveInvitation\n  the second: at 4.001 the server crashes",
    );
    let found = parting(Some(&Recorder::new(&["bob.phone"]).trace()), Some(&with(ring("r", "")).trace()));
    assert_eq!((found.moment, found.devices), (None, Vec::new()));
    assert!(found.message.contains("the first:  nothing more happens"), "{}", found.message);
}
