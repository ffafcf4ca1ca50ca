use super::*;
use crate::trace::sample::{Recorder, a_call_to_bob, receive};

#[test]
fn what_is_heard_and_what_calls_come_to_are_two_tracks() {
    let told = sequences(&a_call_to_bob().trace());
    let alice = told.iter().find(|one| one.device == "alice.web").unwrap();
    assert_eq!(alice.heard, ["onInvitationAdded r1 bob#1 kPending from alice"]);
    let expected = [
        "inviteUsers r1 [bob] timeout 60 extensionInfo(6 bytes) => {bob: kSuccess}",
        "at the end: getInvitationList r1 count 20 => [bob#1 kTimeout from alice]",
    ];
    assert_eq!(alice.results, expected);
}

#[test]
fn members_of_a_population_that_went_through_the_same_are_counted() {
    let recorder = Recorder::new(&["crowd[1].phone", "crowd[2].phone", "crowd[3].phone"]);
    let heard = |recorder: Recorder, name: &str| {
        let device = recorder.device(name);
        let user = recorder.plan.device(device).identity.user_id.as_str().to_owned();
        recorder.at(1, Occurrence::Heard { device, event: receive(&user).into() })
    };
    let recorder = heard(recorder, "crowd[1].phone");
    let recorder = heard(recorder, "crowd[2].phone");
    let recorder = heard(recorder, "crowd[3].phone");
    let trace = heard(recorder, "crowd[3].phone").trace();
    let counts: Vec<(String, usize, usize)> =
        sequences(&trace).into_iter().map(|one| (one.device, one.count, one.heard.len())).collect();
    assert_eq!(counts, [("crowd.phone".to_owned(), 2, 1), ("crowd.phone".to_owned(), 1, 2)]);
}
