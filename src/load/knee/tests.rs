//! The search, over servers that are made up: each keeps up until some rate.

use super::*;
use crate::time::Duration;

fn conditions() -> Vec<Condition> {
    vec!["p99(call) > 50ms".parse().unwrap()]
}

/// A run whose calls take 10 ms up to a rate, and 100 ms above it.
fn keeps_up_to(knee: f64) -> impl FnMut(f64) -> Result<LoadResult, ()> {
    move |rate| {
        let mut result = LoadResult::default();
        let took = Duration::from_millis(if rate <= knee { 10 } else { 100 });
        result.latencies.entry(CALL.to_owned()).or_default().record(took, took);
        Ok(result)
    }
}

#[test]
fn the_search_closes_in_from_either_side() {
    for (first, knee) in [(10.0, 777.0), (5000.0, 777.0), (1.0, 3.0)] {
        let found = search(first, &conditions(), keeps_up_to(knee)).unwrap();
        let (good, bad) = (found.last_good.unwrap(), found.first_bad.unwrap());
        assert!(good <= knee && knee < bad && bad / good <= CLOSE, "{first}: {good} {bad}");
        assert!(found.probes.len() < 20, "{}", found.probes.len());
    }
}

#[test]
fn a_server_that_never_keeps_up_has_no_knee() {
    let found = search(100.0, &conditions(), keeps_up_to(0.0)).unwrap();
    assert_eq!((found.last_good, found.first_bad), (None, Some(RATE_MIN)));
    assert_eq!(Knee::new("w", "t", &conditions(), vec![found]).conclusion(), Conclusion::NoGoodRate);
}

fn knee(rates: &[f64]) -> Conclusion {
    let searches = rates.iter().map(|rate| search(*rate, &conditions(), keeps_up_to(*rate)).unwrap()).collect();
    Knee::new("w", "t", &conditions(), searches).conclusion()
}

#[test]
fn searches_that_disagree_say_so() {
    let found = Conclusion::Found { median: 100.0, lowest: 98.0, highest: 104.0, generator: false };
    assert_eq!(knee(&[100.0, 98.0, 104.0]), found);
    assert_eq!(knee(&[100.0, 60.0, 104.0]), Conclusion::TooNoisy { lowest: 60.0, highest: 104.0 });
}
