use super::*;
use crate::protocol::vocabulary::EventName;
use crate::time::Instant;

const RECEIVE: EventName = EventName::ReceiveInvitation;
const CANCELLED: EventName = EventName::InvitationCancelled;

#[track_caller]
fn check(expected: &[(&str, Option<EventName>)], seen: &[(&str, EventName)], miss: Option<&str>) {
    let expected: Vec<HandlerCall> = expected
        .iter()
        .map(|(handler, event)| HandlerCall { place: Place::default(), handler: (*handler).into(), event: *event })
        .collect();
    let at = Instant::from_millis(40);
    let seen: Vec<Run<'_>> =
        seen.iter().enumerate().map(|(moment, (handler, event))| Run { at, moment, handler, event: *event }).collect();
    assert_eq!(super::miss(&seen, &expected, Place::default()).map(|miss| miss.what).as_deref(), miss);
}

#[test]
fn exactly_these_handlers_in_this_order() {
    check(&[], &[], None);
    check(&[("h1", None), ("h2", Some(CANCELLED))], &[("h1", RECEIVE), ("h2", CANCELLED)], None);
    check(
        &[("h1", None), ("h2", None)],
        &[("h2", RECEIVE), ("h1", RECEIVE)],
        Some("called h2 for onReceiveInvitation at 0.040 where h1 is expected as call 1"),
    );
    check(
        &[("h1", Some(CANCELLED))],
        &[("h1", RECEIVE)],
        Some("called h1 for onReceiveInvitation at 0.040 where h1 for onInvitationCancelled is expected as call 1"),
    );
}

#[test]
fn no_more_and_no_fewer() {
    check(&[("h1", None), ("h1", None)], &[("h1", RECEIVE)], Some("did not call h1, expected as call 2"));
    check(&[("h1", None)], &[], Some("did not call h1, expected as call 1"));
    check(
        &[("h1", None)],
        &[("h1", RECEIVE), ("h1", CANCELLED)],
        Some("called h1 for onInvitationCancelled at 0.040 after the 1 call expected"),
    );
    check(&[], &[("h1", RECEIVE)], Some("called h1 for onReceiveInvitation at 0.040 after the 0 calls expected"));
}
