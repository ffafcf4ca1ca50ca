use super::*;

#[track_caller]
fn check(nanos: u64, instant: &str, duration: &str) {
    assert_eq!(Instant::from_nanos(nanos).to_string(), instant);
    assert_eq!(Duration::from_nanos(nanos).to_string(), duration);
}

#[test]
fn prints_as_scenarios_write_it() {
    check(0, "0.000", "0s");
    check(500, "0.0000005", "500ns");
    check(250_000, "0.00025", "250us");
    check(20_000_000, "0.020", "20ms");
    check(1_500_000_000, "1.500", "1.500s");
    check(60_000_000_000, "60.000", "60s");
    check(7_200_000_000_000, "7200.000", "2h");
}

#[test]
fn arithmetic_saturates() {
    assert_eq!(Instant::NEVER + Duration::from_secs(1), Instant::NEVER);
    assert_eq!(Instant::START.since(Instant::from_millis(1)), Duration::ZERO);
}
