//! Schedules: how many arrive, when, and that shards make up the whole.

use super::*;

fn schedule(rate: &str, spacing: Spacing, shard: Shard) -> Vec<Arrival> {
    let second = Duration::from_secs(1);
    Schedule::new(rate.parse().unwrap(), spacing, second, second.times(10), Seed(7), shard).collect()
}

fn measured(arrivals: &[Arrival], from: u64, to: u64) -> usize {
    let (from, to) = (Duration::from_secs(from), Duration::from_secs(to));
    arrivals.iter().filter(|a| (Instant::START + from..Instant::START + to).contains(&a.at)).count()
}

#[test]
fn even_arrivals_come_at_the_rate_and_warm_up_is_told_apart() {
    let arrivals = schedule("100", Spacing::Even, Shard::WHOLE);
    assert_eq!(arrivals.len(), 1100);
    assert_eq!(arrivals.iter().filter(|arrival| arrival.measured).count(), 1000);
    assert_eq!(arrivals[150].at, Instant::START + Duration::from_millis(1500));
}

#[test]
fn a_ramp_brings_its_mean_and_steps_bring_each_their_own() {
    let ramp = schedule("10..190", Spacing::Even, Shard::WHOLE);
    assert_eq!(ramp.len(), 10 + 1000);
    assert_eq!(measured(&ramp, 1, 2), 19, "the first second of the ramp: from 10 to 28");
    let falling = schedule("190..10", Spacing::Even, Shard::WHOLE);
    assert_eq!(falling.iter().filter(|arrival| arrival.measured).count(), 1000);
    let steps = schedule("10,50", Spacing::Even, Shard::WHOLE);
    assert_eq!((measured(&steps, 1, 6), measured(&steps, 6, 11)), (50, 250));
}

#[test]
fn poisson_arrivals_are_drawn_from_the_seed_and_vary() {
    let arrivals = schedule("100", Spacing::Poisson, Shard::WHOLE);
    assert_eq!(arrivals, schedule("100", Spacing::Poisson, Shard::WHOLE));
    assert!((950..1250).contains(&arrivals.len()), "{}", arrivals.len());
    let gaps: Vec<f64> = arrivals.windows(2).map(|pair| seconds(pair[1].at.since(pair[0].at))).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / gaps.len() as f64;
    // The standard deviation of an exponential distribution is its mean.
    assert!((0.85..1.15).contains(&(variance.sqrt() / mean)), "{}", variance.sqrt() / mean);
}

#[test]
fn shards_make_up_the_whole() {
    for spacing in [Spacing::Even, Spacing::Poisson] {
        let mut together: Vec<Arrival> =
            (1..=4).flat_map(|index| schedule("10..90", spacing, Shard { index, count: 4 })).collect();
        together.sort_by_key(|arrival| arrival.number);
        assert_eq!(together, schedule("10..90", spacing, Shard::WHOLE));
    }
}

#[test]
fn what_is_no_rate_and_no_shard_is_refused() {
    for wrong in ["", "0", "-1", "nan", "1e9", "10..", "5,,5", "ten"] {
        assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
    }
    for wrong in ["0/4", "5/4", "4", "a/b", "1/0"] {
        assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
    }
}
