//! What some order explains.

use super::*;

#[test]
fn call_that_is_answered_and_entered() {
    explained(
        "0-1 alice.web invite -> code 0
         1.1 bob.phone hears called-by alice
         2-3 alice.web list -> kPending alice
         3-4 bob.phone accept -> done
         4.1 alice.web hears accepted
         4-5 alice.web list -> kAccepted alice
         5-6 bob.phone enter -> done
         6.1 alice.web hears removed
         7-8 alice.web list -> absent
         8-9 alice.web invite -> code 2",
    );
}

#[test]
fn of_two_calls_at_once_either_may_be_first() {
    let both = |alice, carol, winner| {
        explained(&format!(
            "0-10 alice.web invite -> code {alice}
             0-10 carol.web invite -> code {carol}
             11-12 alice.web list -> kPending {winner}"
        ));
    };
    both(1, 0, "carol");
    both(0, 1, "alice");
}

#[test]
fn either_of_two_answers_at_once_may_win() {
    let both = |phone, tablet| {
        explained(&format!(
            "0-1 alice.web invite -> code 0
             2-9 bob.phone accept -> {phone}
             2-9 bob.tablet reject -> {tablet}"
        ));
    };
    both("done", "failed 100102");
    both("failed 100102", "done");
}

#[test]
fn lists_read_during_a_change_may_show_either_side() {
    explained(
        "0-1 alice.web invite -> code 0
         2-9 bob.phone accept -> done
         3-4 alice.web list -> kPending alice
         5-6 alice.web list -> kAccepted alice",
    );
}

#[test]
fn cancel_that_comes_too_late_changes_nothing() {
    explained(
        "0-1 alice.web invite -> code 0
         2-3 bob.phone accept -> done
         4-5 alice.web cancel -> done
         6-7 alice.web list -> kAccepted alice",
    );
}

#[test]
fn cancel_and_accept_at_once() {
    let race = |accept| {
        explained(&format!(
            "0-1 alice.web invite -> code 0
             2-9 alice.web cancel -> done
             2-9 bob.phone accept -> {accept}"
        ));
    };
    race("failed -2311");
    race("done");
}

#[test]
fn call_of_unknown_outcome_may_have_happened() {
    explained("0-... alice.web invite -> unknown\n 5-6 alice.web list -> kPending alice");
    explained("0-... alice.web invite -> unknown\n 5-6 alice.web list -> absent");
    // Even after its caller has given it up.
    explained(
        "0-... alice.web invite -> unknown
         50-51 alice.web list -> absent
         60-61 alice.web list -> kPending alice",
    );
    let after = |unknown, next| {
        explained(&format!("0-1 alice.web invite -> code 0\n 2-... {unknown} -> unknown\n 4-5 {next}"));
    };
    after("alice.web cancel", "alice.web invite -> code 0");
    after("alice.web cancel", "alice.web invite -> code 1");
    after("bob.phone accept", "bob.tablet accept -> failed 100102");
    after("bob.phone accept", "bob.tablet accept -> done");
}

#[test]
fn timeout_lies_anywhere_from_commit_plus_timeout() {
    // Committed at 0 at the earliest, so over from 10 on; or at 1, so ringing until 11.
    explained("0-1 alice.web invite 10 -> code 0\n 10-10 alice.web list -> kTimeout alice");
    explained("0-1 alice.web invite 10 -> code 0\n 10.999-10.999 alice.web list -> kPending alice");
    explained("0-1 alice.web invite 10 -> code 0\n 10.5 alice.web hears timed-out\n 20-21 alice.web invite -> code 0");
}

#[test]
fn zero_never_expires() {
    explained("0-1 alice.web invite 0 -> code 0\n 90000-90001 alice.web list -> kPending alice");
}

#[test]
fn accepted_user_is_spared_for_the_grace_and_no_longer() {
    let called = "0-1 alice.web invite -> code 0\n 2-3 bob.phone accept -> done\n";
    explained(&format!("{called} 32.5-32.6 alice.web invite -> code 1\n 33-33.1 alice.web invite -> code 0"));
    explained(&format!("{called} 32.1-32.2 alice.web invite -> code 0"));
}

#[test]
fn entering_counts_as_accepting() {
    explained(
        "0-1 alice.web invite -> code 0
         2-3 bob.phone enter -> done
         3.1 alice.web hears accepted
         3.2 alice.web hears removed
         4-5 bob.phone accept -> done
         6-7 bob.tablet accept -> failed 100102",
    );
}

#[test]
fn who_left_can_be_called_again() {
    explained(
        "0-1 bob.phone enter -> done
         2-3 alice.web invite -> code 2
         4-5 bob.phone exit -> done
         6-7 alice.web invite -> code 0
         8-9 bob.tablet enter -> done
         10-11 alice.web kick -> done
         12-13 alice.web list -> absent",
    );
    explained(
        "0-1 bob.phone enter -> done
         30-... bob.phone session-ends -> unknown
         40-41 alice.web invite -> code 0",
    );
    // What may have happened in a time that is over has happened by then or never.
    explained(
        "0-1 bob.phone enter -> done
         30-35 bob.phone session-ends -> unknown
         40-41 alice.web invite -> code 0",
    );
}

#[test]
fn winner_may_repeat_itself() {
    explained(
        "0-1 alice.web invite -> code 0
         2-3 bob.phone accept -> done
         4-5 bob.phone accept -> done
         6-7 bob.phone reject -> failed 100102
         8-9 bob.phone enter -> done
         9-10 bob.phone accept -> done",
    );
}

#[test]
fn answer_is_forgotten_only_after_its_memory_and_off_the_list() {
    explained(
        "0-1 alice.web invite -> code 0
         2-3 bob.phone accept -> done
         4-5 bob.phone enter -> done
         122-123 bob.tablet accept -> failed -2311",
    );
}

#[test]
fn answer_may_mean_an_older_call_that_its_device_was_told_of() {
    // bob's phone had heard one Receive of two, and names that attempt, which was cancelled.
    explained(
        "0-1 alice.web invite -> code 0
         1-2 alice.web cancel -> done
         2-3 alice.web invite -> code 0
         4-5 bob.phone accept 1 -> failed -2311
         6-7 bob.phone accept 2 -> done",
    );
}

#[test]
fn dissolution_and_a_new_life_of_the_room() {
    explained(
        "0-1 alice.web invite -> code 0
         2-3 alice.web destroyRoom -> done
         3.1 bob.phone hears revoked
         4-5 bob.phone accept -> failed 100004
         6-7 alice.web createRoom -> done
         8-9 bob.phone accept -> failed -2311
         10-11 alice.web invite -> code 0
         12-13 bob.phone accept -> done",
    );
}

#[test]
fn revocation_and_what_a_member_may_not() {
    explained(
        "0-1 carol.web invite -> code 0
         2-3 dave.web cancel -> failed 100006
         4-5 dave.web cancel outside -> done
         6-7 dave.web cancel stranger -> failed 100006
         8-9 alice.web list -> kPending carol
         10-11 alice.web cancel -> done
         11.1 bob.phone hears revoked
         12-13 alice.web list -> absent",
    );
    explained(
        "0-1 carol.web invite -> code 0
         2-3 dave.web cancel maybe-administrator -> done
         4-5 alice.web list -> absent",
    );
}

#[test]
fn many_readers_at_once_are_no_matter() {
    let mut text = "0-1 alice.web invite -> code 0\n 2-9 bob.phone accept -> done\n".to_owned();
    for reader in 0..24 {
        let status = if reader % 2 == 0 { "kPending" } else { "kAccepted" };
        text.push_str(&format!("2.{reader:02}-8 reader{reader}.web list -> {status} alice\n"));
    }
    explained(&text);
}

#[test]
fn bound_is_reached_visibly() {
    let text = "0-1 alice.web invite -> code 0\n 2-3 bob.phone accept -> done";
    assert_eq!(explain(&[history(text)], 1), [Verdict::Inconclusive { explored: 2 }]);
}

#[test]
fn all_or_none_of_a_batch_of_unknown_outcome() {
    let rings = "2-... alice.web invite #1 -> unknown\n 5-6 alice.web list -> kPending alice";
    let both = [history_of("bob", rings), history_of("carol", rings)];
    assert_eq!(explain(&both, EXPLORED_MAX), [Verdict::Linearizable, Verdict::Linearizable]);
    // carol was in the room: code 2, to no effect.
    let inside = "0-1 carol.web enter -> done\n 2-... alice.web invite #1 -> unknown\n 5-6 alice.web list -> absent";
    let one = [history_of("bob", rings), history_of("carol", inside)];
    assert_eq!(explain(&one, EXPLORED_MAX), [Verdict::Linearizable, Verdict::Linearizable]);
}
