//! What histograms say, that they add up, and that their written form loses nothing.

use super::*;

fn latency(millis: impl IntoIterator<Item = u64>) -> Latency {
    let mut latency = Latency::default();
    millis.into_iter().for_each(|millis| latency.record(Duration::from_millis(millis)));
    latency
}

#[test]
fn quantiles_are_within_a_thousandth() {
    let all = latency(1..=1000);
    for (quantile, expected) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (1.0, 1000.0)] {
        let seen = all.quantile(quantile);
        assert!((seen - expected).abs() <= expected / 1000.0, "{quantile}: {seen}");
    }
}

#[test]
fn parts_add_up_to_the_whole() {
    let mut parts = latency((1..=1000).step_by(2));
    parts.add(&latency((2..=1000).step_by(2)));
    assert_eq!(parts, latency(1..=1000));
}

#[test]
fn what_is_written_is_read_back_exactly() {
    let all = latency([0, 1, 7, 7, 123_456, 3_599_000, 9_000_000]);
    let text = serde_json::to_string(&all).unwrap();
    let again: Latency = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), text);
    assert_eq!((again.count(), again.quantile(0.5)), (all.count(), all.quantile(0.5)));
    assert!(serde_json::from_str::<Latency>("[[18446744073709551615, 1]]").is_err());
}

#[test]
fn the_text_form_ends_with_all_of_it() {
    let text = latency(1..=100).hgrm();
    assert!(
        text.lines().any(|line| line.split_whitespace().eq(["100.031", "1.000000000000", "100"])
            || line.trim_start().starts_with("100.000 1.000000000000")),
        "{text}"
    );
    assert!(text.contains("Total count    =          100]"), "{text}");
}
