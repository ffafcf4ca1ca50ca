//! The grammar of conditions, what is said of what is none, and when they hold.

use super::*;
use crate::time::Duration;

fn result() -> LoadResult {
    let mut result = LoadResult::default();
    let invite = result.latencies.entry("inviteUsers".to_owned()).or_default();
    for millis in 1..=100 {
        invite.record(Duration::from_millis(millis), Duration::from_millis(1));
    }
    result.counts.operations = 1000;
    result.counts.errors = 2;
    result
}

fn met(condition: &str) -> Met {
    condition.parse::<Condition>().unwrap_or_else(|wrong| panic!("{condition}: {wrong}")).met(&result())
}

#[test]
fn conditions_hold_where_they_should() {
    for holds in [
        "p99(inviteUsers) > 98ms",
        "p50(inviteUsers)<=50.1ms",
        "max(inviteUsers) >= 0.1s",
        "mean( inviteUsers ) < 51000us",
        "errors > 0.1%",
        "errors >= 2",
        "throughput < 1/s",
    ] {
        assert!(matches!(met(holds), Met::Yes(_)), "{holds}: {:?}", met(holds));
    }
    for fails in ["p99(inviteUsers) > 100ms", "errors > 0.2%", "errors > 2", "dropped > 0", "late > 0"] {
        assert_eq!(met(fails), Met::No, "{fails}");
    }
}

#[test]
fn what_was_never_measured_is_not_well() {
    assert!(matches!(met("p99(accept) > 1s"), Met::Unknown(_)));
}

#[test]
fn what_is_no_condition_is_refused_with_the_mend() {
    for (wrong, words) in [
        ("p99(inviteUsers)", "it has no `>` or `<`"),
        ("p99(invite) > 50ms", "did you mean `inviteUsers`?"),
        ("p98(inviteUsers) > 50ms", "did you mean `p90`?"),
        ("p99(inviteUsers) > 50", "`50` has no unit: write a time, such as 50ms"),
        ("p99(inviteUsers > 50ms", "has no `)` at its end"),
        ("error > 1%", "did you mean `errors`?"),
        ("errors > many", "write a number, or a share such as 0.1%"),
        ("throughput < -1", "write calls a second"),
        ("> 5", "there is no quantity ``"),
    ] {
        let said = wrong.parse::<Condition>().unwrap_err();
        assert!(said.contains(words), "{wrong}: {said}");
    }
}
