//! What an author expects is judged as written, and a failure says what came nearest.

use std::sync::Arc;

use convoke::check::{self, Finding};
use convoke::plan::compile::compile;
use convoke::scenario;
use convoke::seed::Seed;
use convoke::world::sim;

const BEGINNING: &str = "version: 1
title: Alice calls bob and dave; bob accepts, dave does not answer.
users:
  alice: {devices: [web]}
  bob: {devices: [phone, tablet]}
  carol: {devices: [phone]}
  dave: {devices: [phone]}
  crowd: {count: 3, devices: [phone]}
rooms:
  r1: {owner: alice, members: [alice.web, carol.phone]}
steps:
  - {at: 1s, device: alice.web, inviteUsers: {roomId: r1, userIdList: [bob, dave], timeout: 5}}
  - {after: {seen: onReceiveInvitation, by: bob.phone, delay: 1s}, device: bob.phone, accept: {roomId: r1}}
";

fn judge(rest: &str) -> Vec<Finding> {
    let text = format!("{BEGINNING}{rest}");
    let scenario = scenario::parse("test.yaml", text.as_str().into()).unwrap_or_else(|error| panic!("{error}"));
    let plan = Arc::new(compile(&scenario, Seed(1)).unwrap_or_else(|error| panic!("{error}")));
    check::judge(&sim::run(&plan).unwrap_or_else(|error| panic!("{error}"))).findings
}

/// The steps and expectations that follow are met.
fn met(rest: &str) {
    let findings = judge(rest);
    assert!(findings.is_empty(), "{rest}\n{findings:#?}");
}

/// They are not, and this is what should have been and what was.
fn differs(rest: &str, expected: &str, seen: &str) {
    let findings = judge(rest);
    let difference = findings[0].difference.as_ref().expect("the two sides are shown");
    assert_eq!((difference.expected.as_str(), difference.seen.as_str()), (expected, seen));
}

/// They are not, by one finding at this line of what follows (from 1) that says all of this.
fn fails(rest: &str, line: u32, says: &[&str]) {
    let findings = judge(rest);
    let [finding] = findings.as_slice() else { panic!("one finding for\n{rest}\n{findings:#?}") };
    let before = u32::try_from(BEGINNING.lines().count()).expect("few lines");
    assert_eq!(finding.place.map(|place| place.line - before), Some(line), "{finding:#?}");
    for part in says {
        assert!(finding.message.contains(part), "`{part}` in: {}", finding.message);
    }
}

#[test]
fn a_partial_order_lets_others_come_between() {
    met("expect:
  - device: alice.web
    hears: [onInvitationAdded, onInvitationAccepted, onInvitationTimeout]
");
    fails(
        "expect:
  - device: alice.web
    hears:
      - onInvitationTimeout
      - onInvitationAccepted
",
        5,
        &["alice.web heard onInvitationAccepted at 2.", "but not again after onInvitationTimeout"],
    );
}

#[test]
fn an_event_that_never_comes_is_told_with_what_came_instead() {
    fails(
        "expect:
  - {device: bob.tablet, hears: onInvitationCancelled}
",
        2,
        &[
            "bob.tablet did not hear onInvitationCancelled",
            "it heard onReceiveInvitation, onInvitationHandledByOtherDevice",
        ],
    );
}

#[test]
fn the_nearest_miss_names_the_fields_that_differ() {
    fails(
        "expect:
  - device: carol.phone
    hears:
      - onInvitationStatusChanged: {invitation: {status: kRejected, invitee: {userId: dave}}}
",
        4,
        &["invitation.status should be kRejected (4), was kTimeout (2)"],
    );
}

#[test]
fn times_count_over_the_whole_body() {
    met("expect:
  - device: carol.phone
    hears:
      - onInvitationAdded: {}
        times: 2
");
    fails(
        "expect:
  - device: carol.phone
    hears:
      - onInvitationAdded: {}
        times: 1
",
        4,
        &["heard onInvitationAdded 2 times", "it should be 1 time"],
    );
    fails(
        "expect:
  - device: carol.phone
    hears:
      - onInvitationAdded: {}
        times: 3
",
        4,
        &["carol.phone heard onInvitationAdded", "but not again"],
    );
}

#[test]
fn a_time_is_part_of_what_is_expected() {
    met("expect:
  - device: alice.web
    hears:
      - onInvitationTimeout: {}
        within: [6s, 7s]
");
    fails(
        "expect:
  - device: alice.web
    hears:
      - onInvitationTimeout: {}
        within: [1s, 2s]
",
        4,
        &["it should come between 1.000 and 2.000, and came at 6.04"],
    );
}

#[test]
fn of_a_sequence_payloads_are_shown_where_they_are_what_differs() {
    differs(
        "expect:
  - device: bob.tablet
    sequence:
      - onReceiveInvitation: {invitation: {status: kPending}}
      - onInvitationHandledByOtherDevice: {accepted: false}
",
        "onReceiveInvitation\nonInvitationHandledByOtherDevice accepted false",
        "onReceiveInvitation\nonInvitationHandledByOtherDevice accepted true",
    );
    differs(
        "expect:
  - {device: bob.tablet, sequence: [{onReceiveInvitation: {invitation: {status: kPending}}}, onInvitationCancelled]}
",
        "onReceiveInvitation\nonInvitationCancelled",
        "onReceiveInvitation\nonInvitationHandledByOtherDevice",
    );
}

#[test]
fn a_sequence_is_everything_that_is_heard() {
    met("expect:
  - {device: bob.tablet, sequence: [onReceiveInvitation, onInvitationHandledByOtherDevice]}
");
    fails(
        "expect:
  - {device: bob.tablet, sequence: [onReceiveInvitation]}
",
        2,
        &["heard onInvitationHandledByOtherDevice", "after the 1 event of the sequence"],
    );
    fails(
        "expect:
  - {device: bob.tablet, sequence: [onReceiveInvitation, onInvitationHandledByOtherDevice, onInvitationCancelled]}
",
        2,
        &["did not hear onInvitationCancelled, event 3 of the sequence"],
    );
    fails(
        "expect:
  - device: bob.tablet
    sequence:
      - onReceiveInvitation
      - onInvitationHandledByOtherDevice: {accepted: false}
",
        5,
        &["as event 2 of the sequence, but accepted should be false, was true"],
    );
}

#[test]
fn an_unordered_set_needs_a_hearing_for_each() {
    met("expect:
  - {device: carol.phone, unordered: [onInvitationStatusChanged, onInvitationAdded, onInvitationStatusChanged]}
");
    fails(
        "expect:
  - {device: bob.tablet, unordered: [onInvitationHandledByOtherDevice, onReceiveInvitation, onReceiveInvitation]}
",
        2,
        &["onReceiveInvitation 1 time, one time too few"],
    );
    // The general pattern must leave the only hearing of the special one to it.
    met("expect:
  - device: carol.phone
    unordered:
      - onInvitationAdded
      - onInvitationAdded: {invitation: {invitee: {userId: bob}}}
");
}

#[test]
fn any_of_several_is_enough() {
    met("expect:
  - {device: dave.phone, any-of: [onInvitationCancelled, onInvitationTimeout]}
");
    fails(
        "expect:
  - {device: bob.phone, any-of: [onInvitationCancelled, onInvitationTimeout]}
",
        2,
        &["bob.phone heard none of onInvitationCancelled, onInvitationTimeout; it heard onReceiveInvitation"],
    );
}

#[test]
fn never_is_a_matter_of_payload_and_time() {
    met("expect:
  - {device: [alice.web, carol.phone], never: onInvitationCancelled}
  - {device: alice.web, never: onInvitationTimeout, within: [0s, 6s]}
  - {device: alice.web, never: {onInvitationTimeout: {invitation: {invitee: {userId: bob}}}}}
");
    fails(
        "expect:
  - {device: alice.web, never: onInvitationTimeout}
",
        2,
        &["alice.web heard onInvitationTimeout at 6.04", "which must never be"],
    );
}

#[test]
fn before_holds_between_devices() {
    met("expect:
  - before: [{device: bob.phone, hears: onReceiveInvitation}, {device: alice.web, hears: onInvitationAccepted}]
  - before: [{device: alice.web, returned: inviteUsers}, {device: alice.web, hears: onInvitationTimeout}]
");
    fails(
        "expect:
  - before: [{device: alice.web, hears: onInvitationTimeout}, {device: alice.web, hears: onInvitationAccepted}]
",
        2,
        &["alice.web heard onInvitationTimeout at 6.04", "which should be before alice.web heard onInvitationAccepted"],
    );
    fails(
        "expect:
  - before: [{device: bob.phone, hears: onInvitationCancelled}, {device: alice.web, hears: onInvitationAccepted}]
",
        2,
        &["bob.phone did not hear onInvitationCancelled"],
    );
}

#[test]
fn a_final_list_is_matched_item_by_item_and_in_length() {
    met("expect:
  - list: r1
    shows: [{invitee: {userId: bob}, status: kAccepted}, {invitee: {userId: dave}, status: kTimeout}]
");
    fails(
        "expect:
  - list: r1
    device: carol.phone
    shows: [{invitee: {userId: bob}, status: kAccepted}]
",
        2,
        &["carol.phone lists the room r1 at the end", "should be a list of 1 item, was a list of 2 items"],
    );
    fails(
        "expect:
  - list: r1
    device: carol.phone
    shows: [{invitee: {userId: bob}, status: kPending}, {invitee: {userId: dave}}]
",
        2,
        &["[0].status should be kPending (1), was kAccepted (3)"],
    );
}

#[test]
fn a_result_is_matched_for_every_device_of_a_crowd() {
    let findings = judge(
        "  - {at: 8s, device: crowd.phone, enterRoom: {roomId: r1}, fails: ERR_NO_PERMISSION}
",
    );
    assert_eq!(findings.len(), 3, "{findings:#?}");
    assert!(findings[2].message.contains("enterRoom by crowd[3].phone"), "{}", findings[2].message);
    assert!(findings[2].message.contains("expected: failure 100006 ERR_NO_PERMISSION"), "{}", findings[2].message);
}

#[test]
fn a_call_of_which_nothing_is_said_must_succeed() {
    fails(
        "  - {at: 3s, device: bob.tablet, accept: {roomId: r1}}
",
        1,
        &["accept by bob.tablet (called at 3.000) failed with 100102", "expected: success"],
    );
}

#[test]
fn a_wrong_result_says_which_fields() {
    fails(
        "  - at: 8s
    device: alice.web
    inviteUsers: {roomId: r1, userIdList: [bob, dave]}
    returns: {bob: kAlreadyInInvitationList, dave: kAlreadyInInvitationList}
",
        4,
        &["dave should be kAlreadyInInvitationList (1), was kSuccess (0)"],
    );
    met("  - at: 8s
    device: alice.web
    inviteUsers: {roomId: r1, userIdList: [bob, dave]}
    any-of: [{fails: -2}, {returns: {bob: kAlreadyInInvitationList, dave: kSuccess}}]
");
}

#[test]
fn an_answer_in_the_body_is_not_unanswered() {
    fails(
        "  - {at: 8s, device: alice.web, enterRoom: {roomId: r1}, any-of: [{unanswered: true}]}
",
        1,
        &["expected: no answer before the steps are over"],
    );
}

#[test]
fn a_step_whose_trigger_never_comes_is_told_once() {
    fails("  - {after: {seen: onInvitationCancelled, by: [bob.phone, dave.phone]}, device: bob.phone, reject: {roomId: r1}}
  - {after: 1s, device: bob.phone, reject: {roomId: r1}}
", 1, &["the step `reject` never happened", "until bob.phone has heard onInvitationCancelled once", "heard never", "1 more step"]);
}

#[test]
fn what_happens_in_the_epilogue_is_no_business_of_an_expectation() {
    // The epilogue lets every deadline pass, which is after the body of this scenario.
    met("lasts: 3s
expect:
  - {device: alice.web, never: onInvitationTimeout}
");
}
