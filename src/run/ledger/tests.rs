//! Ledgers are read as they were written, add up, and refuse what is no part of theirs.

use super::*;
use crate::run::Target;
use crate::run::shard::Shard;

fn outcome(seed: u64, seeds_run: u64, verdict: Verdict) -> Outcome {
    let target = Target { path: "a.yaml".into(), root: "a.yaml".into() };
    let extent =
        Extent { moments: 7 * seeds_run, messages: 3 * seeds_run, virtual_time: Duration::from_secs(seeds_run) };
    Outcome { seeds_run, verdict, extent, ..Outcome::nothing_yet(&target, Seed(seed)) }
}

fn ledger(shard: u32, shards: u32, outcome: &Outcome) -> Ledger {
    let mut ledger = Ledger::new(Seed(1), 10, shard, shards);
    ledger.push(outcome);
    ledger
}

#[test]
fn shards_add_up_to_the_whole() {
    let whole = ledger(1, 1, &outcome(1, 10, Verdict::Pass));
    let mut parts = ledger(2, 2, &outcome(2, 5, Verdict::Pass));
    parts.add(ledger(1, 2, &outcome(1, 5, Verdict::Pass))).unwrap();
    assert_eq!(parts.entries, whole.entries);
    assert_eq!(parts.shards(), (&[1, 2][..], 2));
    assert_eq!(Ledger::read(&parts.to_lines()).unwrap(), parts);
}

#[test]
fn the_first_bad_seed_of_all_is_told_of() {
    let mut parts = ledger(1, 2, &outcome(7, 4, Verdict::Fail));
    parts.add(ledger(2, 2, &outcome(4, 2, Verdict::Inconclusive))).unwrap();
    assert_eq!(parts.bad().collect::<Vec<_>>(), [("a.yaml", "sim", "inconclusive", Seed(4))]);
    assert_eq!(parts.exit_code(), 1);
}

#[test]
fn what_is_no_part_is_refused() {
    let mut first = ledger(1, 2, &outcome(1, 5, Verdict::Pass));
    let twice = first.clone();
    assert!(first.add(twice).unwrap_err().contains("shard 1 is in both"));
    assert!(first.add(ledger(2, 3, &outcome(1, 5, Verdict::Pass))).unwrap_err().contains("different sweeps"));
    for wrong in ["", "{}", "{\"convokeLedger\":1}", "nonsense"] {
        assert!(Ledger::read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn every_item_has_one_shard() {
    let shards = |count: u32| (1..=count).map(move |index| Shard { index, count });
    for (all, count) in [(10, 4), (3, 4), (4, 4), (1, 1)] {
        let mut items: Vec<u64> =
            shards(count).flat_map(|shard| (0..shard.share(all)).map(move |number| shard.item(number))).collect();
        items.sort_unstable();
        assert_eq!(items, (0..all).collect::<Vec<_>>(), "{all} over {count}");
        assert!(shards(count).all(|shard| (0..shard.share(all)).all(|number| shard.takes(shard.item(number)))));
    }
}
