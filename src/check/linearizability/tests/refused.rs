//! What no order explains, each with the shortest beginning that shows it.

use super::*;

#[test]
fn lost_update() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 alice.web list -> absent"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  alice.web  getInvitationList r1  -> not in the list
        before: pending, called by alice
        "
    );
}

#[test]
fn stale_read() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 bob.phone accept -> done
             4-5 alice.web list -> kPending alice"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  bob.phone  accept r1  -> done
        4.000-5.000  alice.web  getInvitationList r1  -> Pending, called by alice
        before: accepted by bob.phone, called by alice
        "
    );
}

#[test]
fn read_that_goes_back() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-9 bob.phone accept -> done
             3-4 alice.web list -> kAccepted alice
             5-6 alice.web list -> kPending alice"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-...  bob.phone  accept r1  -> done, later
        3.000-4.000  alice.web  getInvitationList r1  -> Accepted, called by alice
        5.000-6.000  alice.web  getInvitationList r1  -> Pending, called by alice
        before: accepted by bob.phone, called by alice
        "
    );
}

#[test]
fn double_accept() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-9 bob.phone accept -> done
             2-9 bob.tablet accept -> done"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-9.000  bob.phone  accept r1  -> done
        2.000-9.000  bob.tablet  accept r1  -> done
        before: accepted by bob.phone, called by alice
        "
    );
}

#[test]
fn reject_and_accept_both_succeed() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 bob.phone reject -> done
             4-5 bob.tablet accept -> done"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  bob.phone  reject r1  -> done
        4.000-5.000  bob.tablet  accept r1  -> done
        before: rejected, called by alice
        "
    );
}

#[test]
fn winner_changes_its_mind() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 bob.phone accept -> done
             4-5 bob.phone reject -> done"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  bob.phone  accept r1  -> done
        4.000-5.000  bob.phone  reject r1  -> done
        before: accepted by bob.phone, called by alice
        "
    );
}

#[test]
fn winner_changes() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-9 bob.phone accept -> done
             2-9 bob.tablet accept -> failed 100102
             10-11 bob.phone accept -> failed 100102"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-9.000  bob.phone  accept r1  -> done
        2.000-9.000  bob.tablet  accept r1  -> 100102 ERR_REQUEST_CONFLICT
        10.000-11.000  bob.phone  accept r1  -> 100102 ERR_REQUEST_CONFLICT
        before: accepted by bob.phone, called by alice
        "
    );
}

#[test]
fn accept_after_cancel() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 alice.web cancel -> done
             4-5 bob.phone accept -> done"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  alice.web  cancelInvitation bob  -> done
        4.000-5.000  bob.phone  accept r1  -> done
        before: absent
        "
    );
}

#[test]
fn cancel_undone_by_a_crash() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 alice.web cancel -> done
             9-10 alice.web list -> kPending alice"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  alice.web  cancelInvitation bob  -> done
        9.000-10.000  alice.web  getInvitationList r1  -> Pending, called by alice
        before: absent
        "
    );
}

#[test]
fn accept_undone_by_a_cancel() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 bob.phone accept -> done
             4-5 alice.web cancel -> done
             6-7 alice.web list -> absent"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  bob.phone  accept r1  -> done
        4.000-5.000  alice.web  cancelInvitation bob  -> done
        6.000-7.000  alice.web  getInvitationList r1  -> not in the list
        before: accepted by bob.phone, called by alice
        "
    );
}

#[test]
fn timeout_before_its_deadline() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite 10 -> code 0
             9.9 bob.phone hears timed-out"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 10s  -> 0 Success
        9.900  bob.phone hears: the call to bob timed out
        before: pending, called by alice
        "
    );
}

#[test]
fn timeout_read_before_its_deadline() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite 10 -> code 0
             9-9.9 alice.web list -> kTimeout alice"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 10s  -> 0 Success
        9.000-9.900  alice.web  getInvitationList r1  -> Timeout, called by alice
        before: pending, called by alice
        "
    );
}

#[test]
fn ringing_past_the_deadline() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite 10 -> code 0
             11-12 alice.web list -> kPending alice"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 10s  -> 0 Success
        11.000-12.000  alice.web  getInvitationList r1  -> Pending, called by alice
        before: pending, called by alice
        "
    );
}

#[test]
fn accept_after_the_deadline() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite 10 -> code 0
             11-12 bob.phone accept -> done"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 10s  -> 0 Success
        11.000-12.000  bob.phone  accept r1  -> done
        before: pending, called by alice
        "
    );
}

#[test]
fn timeout_of_what_never_expires() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite 0 -> code 0
             900-901 alice.web list -> kTimeout alice"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, without end  -> 0 Success
        900.000-901.000  alice.web  getInvitationList r1  -> Timeout, called by alice
        before: pending, called by alice
        "
    );
}

#[test]
fn repeated_call_prolongs_the_ring() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite 10 -> code 0
             8-9 alice.web invite 10 -> code 1
             15-16 alice.web list -> kPending alice"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 10s  -> 0 Success
        8.000-9.000  alice.web  inviteUsers bob, for 10s  -> 1 AlreadyInInvitationList
        15.000-16.000  alice.web  getInvitationList r1  -> Pending, called by alice
        before: pending, called by alice
        "
    );
}

#[test]
fn code_0_twice_while_pending() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 carol.web invite -> code 0"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  carol.web  inviteUsers bob, for 60s  -> 0 Success
        before: pending, called by alice
        "
    );
}

#[test]
fn two_zeros_at_once() {
    insta::assert_snapshot!(
        refused(
            "0-9 alice.web invite -> code 0
             0-9 carol.web invite -> code 0
             10-11 alice.web list -> kPending alice"
        ),
        @"
        0.000-9.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        0.000-9.000  carol.web  inviteUsers bob, for 60s  -> 0 Success
        before: pending, called by alice
        "
    );
}

#[test]
fn code_1_on_an_absent_entry() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 alice.web cancel -> done
             4-5 alice.web invite -> code 1"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  alice.web  cancelInvitation bob  -> done
        4.000-5.000  alice.web  inviteUsers bob, for 60s  -> 1 AlreadyInInvitationList
        before: absent
        "
    );
}

#[test]
fn code_1_past_the_grace() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 bob.phone accept -> done
             33-34 alice.web invite -> code 1"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  bob.phone  accept r1  -> done
        33.000-34.000  alice.web  inviteUsers bob, for 60s  -> 1 AlreadyInInvitationList
        before: accepted by bob.phone, called by alice
        "
    );
}

#[test]
fn code_0_within_the_grace() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 bob.phone accept -> done
             30-31 alice.web invite -> code 0"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  bob.phone  accept r1  -> done
        30.000-31.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        before: accepted by bob.phone, called by alice
        "
    );
}

#[test]
fn code_2_for_who_has_left() {
    insta::assert_snapshot!(
        refused(
            "0-1 bob.phone enter -> done
             2-3 bob.phone exit -> done
             4-5 alice.web invite -> code 2"
        ),
        @"
        0.000-1.000  bob.phone  enterRoom r1  -> done
        2.000-3.000  bob.phone  exitRoom r1  -> done
        4.000-5.000  alice.web  inviteUsers bob, for 60s  -> 2 AlreadyInConference
        before: absent
        "
    );
}

#[test]
fn code_0_for_who_is_inside() {
    insta::assert_snapshot!(
        refused(
            "0-1 bob.phone enter -> done
             2-3 alice.web invite -> code 0"
        ),
        @"
        0.000-1.000  bob.phone  enterRoom r1  -> done
        2.000-3.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        before: in the room with bob.phone
        "
    );
}

#[test]
fn list_shows_a_removed_entry() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 alice.web cancel -> done
             3.1 carol.web hears removed
             4-5 carol.web list -> kPending alice"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  alice.web  cancelInvitation bob  -> done
        3.100  carol.web hears: bob is off the list
        4.000-5.000  carol.web  getInvitationList r1  -> Pending, called by alice
        before: absent
        "
    );
}

#[test]
fn list_misses_a_pending_entry() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             1.1 bob.phone hears called-by alice
             2-3 carol.web list -> absent"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        1.100  bob.phone hears: alice calls bob
        2.000-3.000  carol.web  getInvitationList r1  -> not in the list
        before: pending, called by alice
        "
    );
}

#[test]
fn list_names_another_inviter() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 carol.web invite -> code 1
             4-5 alice.web list -> kPending carol"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  carol.web  inviteUsers bob, for 60s  -> 1 AlreadyInInvitationList
        4.000-5.000  alice.web  getInvitationList r1  -> Pending, called by carol
        before: pending, called by alice
        "
    );
}

#[test]
fn entry_reappears_after_entering() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 bob.phone accept -> done
             4-5 bob.phone enter -> done
             6-7 alice.web list -> kAccepted alice"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  bob.phone  accept r1  -> done
        4.000-5.000  bob.phone  enterRoom r1  -> done
        6.000-7.000  alice.web  getInvitationList r1  -> Accepted, called by alice
        before: in the room with bob.phone
        "
    );
}

#[test]
fn cancel_of_anothers_entry_by_a_plain_member() {
    insta::assert_snapshot!(
        refused(
            "0-1 carol.web invite -> code 0
             2-3 dave.web cancel -> done"
        ),
        @"
        0.000-1.000  carol.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  dave.web  cancelInvitation bob  -> done
        before: pending, called by carol
        "
    );
}

#[test]
fn refusal_of_the_inviters_own_cancel() {
    insta::assert_snapshot!(
        refused(
            "0-1 carol.web invite -> code 0
             2-3 carol.web cancel -> failed 100006"
        ),
        @"
        0.000-1.000  carol.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  carol.web  cancelInvitation bob  -> 100006 ERR_NO_PERMISSION
        before: pending, called by carol
        "
    );
}

#[test]
fn cancel_from_outside_that_reaches_anothers_entry() {
    insta::assert_snapshot!(
        refused(
            "0-1 carol.web invite -> code 0
             2-3 dave.web cancel outside -> done
             4-5 alice.web list -> absent"
        ),
        @"
        0.000-1.000  carol.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  dave.web  cancelInvitation bob  -> done
        4.000-5.000  alice.web  getInvitationList r1  -> not in the list
        before: pending, called by carol
        "
    );
}

#[test]
fn answer_to_nothing_succeeds() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web list -> absent
             2-3 bob.phone accept -> done"
        ),
        @"
        0.000-1.000  alice.web  getInvitationList r1  -> not in the list
        2.000-3.000  bob.phone  accept r1  -> done
        before: absent
        "
    );
}

#[test]
fn live_call_is_unknown_to_its_invitee() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             1.1 bob.phone hears called-by alice
             2-3 bob.phone accept 1 -> failed -2311"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        1.100  bob.phone hears: alice calls bob
        2.000-3.000  bob.phone  accept r1  -> -2311 ERR_REQUEST_ID_INVALID
        before: pending, called by alice
        "
    );
}

#[test]
fn conflict_without_an_answer() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 bob.phone accept -> failed 100102"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  bob.phone  accept r1  -> 100102 ERR_REQUEST_CONFLICT
        before: pending, called by alice
        "
    );
}

#[test]
fn answer_forgotten_too_soon() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 bob.phone accept -> done
             4-5 bob.phone enter -> done
             100-101 bob.tablet accept -> failed -2311"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  bob.phone  accept r1  -> done
        4.000-5.000  bob.phone  enterRoom r1  -> done
        100.000-101.000  bob.tablet  accept r1  -> -2311 ERR_REQUEST_ID_INVALID
        before: in the room with bob.phone
        "
    );
}

#[test]
fn event_heard_before_its_cause() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             1.5 alice.web hears accepted
             2-3 bob.phone accept -> done"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        1.500  alice.web hears: bob accepted
        before: pending, called by alice
        "
    );
}

#[test]
fn rejection_that_nobody_gave() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2 alice.web hears rejected
             3-4 alice.web list -> kPending alice"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000  alice.web hears: bob rejected
        before: pending, called by alice
        "
    );
}

#[test]
fn one_call_rings_twice() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             1.1 bob.phone hears called-by alice
             1.2 bob.phone hears called-by alice 2"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        1.100  bob.phone hears: alice calls bob
        1.200  bob.phone hears: alice calls bob, 2 times by now
        before: pending, called by alice
        "
    );
}

#[test]
fn entry_survives_its_room() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 alice.web destroyRoom -> done
             4-5 alice.web createRoom -> done
             6-7 alice.web list -> kPending alice"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  alice.web  destroyRoom r1  -> done
        4.000-5.000  alice.web  createRoom r1  -> done
        6.000-7.000  alice.web  getInvitationList r1  -> Pending, called by alice
        before: absent
        "
    );
}

#[test]
fn call_to_a_dissolved_room() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web destroyRoom -> done
             2-3 alice.web invite -> code 0"
        ),
        @"
        0.000-1.000  alice.web  destroyRoom r1  -> done
        2.000-3.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        before: no room
        "
    );
}

#[test]
fn room_that_is_there_is_denied() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-3 bob.phone accept -> failed 100004
             4-5 alice.web list -> kPending alice"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-3.000  bob.phone  accept r1  -> 100004 ERR_ROOM_ID_NOT_EXIST
        before: pending, called by alice
        "
    );
}

#[test]
fn unknown_outcome_does_not_happen_twice() {
    insta::assert_snapshot!(
        refused(
            "0-1 alice.web invite -> code 0
             2-... alice.web cancel -> unknown
             3-4 alice.web list -> absent
             5-6 alice.web invite -> code 0
             7-8 alice.web list -> absent"
        ),
        @"
        0.000-1.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        2.000-...  alice.web  cancelInvitation bob  -> unknown
        3.000-4.000  alice.web  getInvitationList r1  -> not in the list
        5.000-6.000  alice.web  inviteUsers bob, for 60s  -> 0 Success
        7.000-8.000  alice.web  getInvitationList r1  -> not in the list
        before: pending, called by alice
        "
    );
}

#[test]
fn half_a_batch() {
    let bob = history_of("bob", "0-... alice.web invite #1 -> unknown\n 5-6 alice.web list -> kPending alice");
    let carol = history_of("carol", "0-... alice.web invite #1 -> unknown\n 7-8 alice.web list -> absent");
    let verdicts = explain(&[bob, carol], EXPLORED_MAX);
    assert_eq!(verdicts[0], Verdict::Linearizable);
    insta::assert_snapshot!(inexplicable(&verdicts[1]), @"
    0.000-...  alice.web  inviteUsers carol, for 60s  -> unknown
    6.000  another part of the call by alice.web has taken effect by now
    7.000-8.000  alice.web  getInvitationList r1  -> not in the list
    before: pending, called by alice
    ");
}

#[test]
fn half_a_cancel() {
    let called = "0-1 alice.web invite -> code 0";
    let bob =
        history_of("bob", &format!("{called}\n 2-... alice.web cancel #1 -> unknown\n 5-6 alice.web list -> absent"));
    let carol = history_of(
        "carol",
        &format!("{called}\n 2-... alice.web cancel #1 -> unknown\n 7-8 alice.web list -> kPending alice"),
    );
    let verdicts = explain(&[bob, carol], EXPLORED_MAX);
    insta::assert_snapshot!(inexplicable(&verdicts[1]), @"
    0.000-1.000  alice.web  inviteUsers carol, for 60s  -> 0 Success
    2.000-...  alice.web  cancelInvitation carol  -> unknown
    6.000  another part of the call by alice.web has taken effect by now
    7.000-8.000  alice.web  getInvitationList r1  -> Pending, called by alice
    before: absent
    ");
}
