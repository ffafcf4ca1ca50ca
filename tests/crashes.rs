//! A server that is killed again and again loses and repeats nothing; and one that does is found out.
#![cfg(all(feature = "cli", feature = "net"))]

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

fn crashes(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_convoke"));
    command.arg("crashes").args(arguments).output().expect("the binary runs")
}

fn report(output: &Output) -> Value {
    let wrong = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {wrong}"))
}

#[test]
fn kills_lose_and_repeat_nothing() {
    let trace = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("crashes-{}.jsonl", std::process::id()));
    let output = crashes(&["--kills", "12", "--format", "json", "--trace", trace.to_str().unwrap()]);
    let report = report(&output);
    assert_eq!(report["verdict"], "pass", "{report:#}");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(report["kills"], 12);
    for what in ["lives", "callsSucceeded", "requestsAnsweredOnRetry", "sessionsResumed"] {
        assert!(report[what].as_u64() > Some(3), "too few {what}: {report:#}");
    }
    // What was seen can be judged by whoever gets it.
    let mut judge = Command::new(env!("CARGO_BIN_EXE_convoke"));
    let judged = judge.arg("judge").arg(&trace).output().expect("the binary runs");
    std::fs::remove_file(&trace).expect("it was written");
    assert_eq!(judged.status.code(), Some(0), "{}", String::from_utf8_lossy(&judged.stdout));
}

#[test]
fn a_journal_that_loses_the_last_commit_is_found() {
    // A kill that comes when nothing of the last commit has been told loses nothing that anybody could miss.
    let found = (1..=4).any(|seed: u32| {
        let seed = seed.to_string();
        let output = crashes(&["--kills", "25", "--seed", &seed, "--fault", "loses-last-commit", "--format", "json"]);
        let report = report(&output);
        let is_found = report["verdict"] == "fail" && report["findings"][0]["requirements"][0].is_string();
        assert_eq!(output.status.code() == Some(1), is_found, "{report:#}");
        is_found
    });
    assert!(found, "100 kills of a server that forgets were not enough");
}

#[test]
fn wrong_usage_is_told() {
    for (arguments, words) in [
        (&["--kills", "0"][..], "invalid value '0' for '--kills <N>'"),
        (&["--seed", "x"], "invalid value 'x' for '--seed <N>'"),
        (&["--kills", "1", "--trace", "/proc/at/all"], "/proc/at"),
    ] {
        let output = crashes(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(2 | 3)), "{text}");
        assert!(text.contains(words), "no `{words}` in\n{text}");
    }
}
