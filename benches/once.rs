//! One workload, carried out once: for tools that count instructions, bytes or the time of a whole process.
//!
//! `cargo bench --bench once -- busy 999 31 checks` carries out 31 rounds of calls among 999 devices and judges the trace.
//! It says how many messages it delivered. Twice as many rounds, with what the first half took subtracted, tell what a
//! message costs without what it costs to begin.

mod support;

use std::hint::black_box;
use std::io::Write as _;

use convoke::{check, world};

const USAGE: &str = "cargo bench --bench once -- busy DEVICES ROUNDS trace|checks";

fn main() {
    // `cargo bench` gives every bench this word, and nothing else if it runs them all.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut out = std::io::stdout();
    let said = match words[..] {
        [] => writeln!(out, "nothing to carry out: {USAGE}"),
        ["busy", devices, rounds, what @ ("trace" | "checks")] => {
            let devices = devices.parse().expect(USAGE);
            let rounds = rounds.parse().expect(USAGE);
            let trace = world::sim::run(&support::calls_and_cancels(devices, rounds)).expect("made");
            if what == "checks" {
                let judgement = check::judge(&trace);
                assert!(judgement.is_clean(), "the reference is right: {:?}", judgement.findings);
            }
            let (messages, moments) = (support::delivered(&trace), black_box(&trace).moments.len());
            writeln!(out, "{{\"messages\": {messages}, \"moments\": {moments}}}")
        }
        _ => panic!("{USAGE}"),
    };
    said.expect("standard output is open");
}
