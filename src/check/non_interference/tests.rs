use super::*;
use crate::protocol::call::Call;
use crate::protocol::vocabulary::{ApiError, ErrorCode};
use crate::trace::sample::{Recorder, added, invite, invited, receive};

fn accept() -> Call {
    Call::Accept { room_id: "r1".into(), attempt: None }
}

/// mallory tries to accept at 2 s.
fn trying(message: &str) -> Recorder {
    let error = ApiError::new(ErrorCode::REQUEST_ID_INVALID, message);
    let mut recorder = Recorder::new(&["alice.web", "bob.phone", "mallory.phone", "mallory.raw"]);
    recorder.plan.strangers = vec![recorder.device("mallory.phone"), recorder.device("mallory.raw")];
    recorder.call(2000, "mallory.phone", accept(), Err(error))
}

fn calling(recorder: Recorder) -> Recorder {
    recorder
        .call(1000, "alice.web", invite(&["bob"]), Ok(invited(&["bob"])))
        .sends(1020, &["bob.phone"], &receive("bob"))
        .hears(1040, "bob.phone", &receive("bob"))
}

#[track_caller]
fn check(with: Recorder, without: Recorder) -> Vec<Finding> {
    judge(&with.trace(), &without.trace())
}

#[test]
fn what_others_see_is_their_own_business() {
    assert_eq!(check(calling(trying("no")), trying("no")), []);
}

#[test]
fn another_message_gives_it_away() {
    let found = check(calling(trying("another is called")), trying("nobody is called"));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].requirements[0].0.as_ref(), "SEC-3");
    assert!(found[0].message.starts_with("mallory.phone can tell at 2.040 s"), "{}", found[0].message);
    let difference = found[0].difference.as_ref().unwrap();
    assert_eq!(difference.expected, "2.040 fails -2311: nobody is called");
    assert_eq!(difference.seen, "2.040 fails -2311: another is called");
    // The stranger's own step is where it shows.
    assert_eq!(found[0].place.unwrap().line, 2);
}

#[test]
fn an_event_too_many_gives_it_away_and_so_does_its_time() {
    let hears = |recorder: Recorder, millis| recorder.hears(millis, "mallory.phone", &added("bob"));
    let more = check(hears(trying("no"), 3000), trying("no"));
    assert_eq!(more[0].difference.as_ref().unwrap().expected, "nothing more");
    let later = check(hears(trying("no"), 3000), hears(trying("no"), 3001));
    assert!(later[0].message.contains("3.000 s"), "{}", later[0].message);
}

#[test]
fn a_raw_device_sees_its_wire() {
    let raw = |recorder: Recorder, token: &str| {
        let (device, connection) = (recorder.device("mallory.raw"), crate::protocol::message::ConnectionNo(9));
        let message = ServerMessage::LoggedIn { session: token.into(), resumed: false };
        recorder.at(500, Occurrence::DeviceReceived { device, connection, message })
    };
    assert_eq!(check(raw(trying("no"), "a1"), raw(trying("no"), "b2")), [], "tokens are random");
    assert_eq!(check(raw(trying("no"), "a1"), trying("no")).len(), 1);
}

#[test]
fn the_epilogue_is_not_looked_at() {
    let over = |recorder: Recorder| recorder.at(5000, Occurrence::Stage(Stage::Epilogue));
    let with = over(trying("no")).hears(6000, "mallory.phone", &added("bob"));
    assert_eq!(check(with, over(trying("no"))), []);
}
