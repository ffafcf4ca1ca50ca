use super::*;

fn mean_millis(latency: Latency) -> f64 {
    let mut dice = Seed(3).stream("test");
    let count = 20_000;
    let sum: u64 = (0..count).map(|_| sample(latency, &mut dice).as_nanos()).sum();
    sum as f64 / f64::from(count) / 1e6
}

#[track_caller]
fn check(latency: Latency, expected_millis: f64) {
    let mean = mean_millis(latency);
    assert!((mean - expected_millis).abs() < expected_millis * 0.03, "{latency:?} has the mean {mean} ms");
}

#[test]
fn latencies_have_the_means_of_their_distributions() {
    let ms = Duration::from_millis;
    check(Latency::Constant(ms(20)), 20.0);
    check(Latency::Uniform(ms(10), ms(30)), 20.0);
    check(Latency::Exponential { min: ms(5), mean: ms(20) }, 25.0);
    check(Latency::Normal { mean: ms(20), deviation: ms(3) }, 20.0);
    // The mean of a Pareto distribution is min * shape / (shape - 1).
    check(Latency::Pareto { min: ms(10), shape: 3.0 }, 15.0);
}

#[test]
fn a_lost_message_holds_up_what_is_behind_it() {
    let mut link = Link { loss: 1.0, ..Link::default() };
    let mut state = LinkState::new(0);
    let first = state.fate(Instant::START, Way::ToServer, &link, Seed(1), 0);
    link.loss = 0.0;
    let second = state.fate(Instant::from_millis(1), Way::ToServer, &link, Seed(1), 0);
    assert_eq!(first, Fate::Arrives(Instant::from_millis(220)));
    assert_eq!(second, first);
}

#[test]
fn two_one_way_cuts_make_a_full_one() {
    let mut state = LinkState::new(0);
    state.partition(Direction::ToServer);
    assert!(state.is_blocked(Way::ToServer) && !state.is_blocked(Way::ToDevice));
    state.partition(Direction::FromServer);
    assert!(state.is_blocked(Way::ToDevice));
    state.heal();
    assert!(state.is_open());
}
