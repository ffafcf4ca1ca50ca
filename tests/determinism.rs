//! The same seed gives the same run: twice the whole corpus, in two processes, byte for byte.

use std::path::PathBuf;
use std::process::Command;

/// The hash of every trace of the corpus, by scenario, as one process computes them.
fn hashes(jobs: &str) -> Vec<(String, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_convoke"))
        .args(["run", "scenarios", "--ci", "--format", "json", "--jobs", jobs])
        .current_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")))
        .output()
        .expect("the binary runs");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("a string").to_owned();
    report["scenarios"]
        .as_array()
        .expect("a list of scenarios")
        .iter()
        .map(|scenario| (text(&scenario["path"]), text(&scenario["traceHash"])))
        .collect()
}

#[test]
fn two_processes_record_the_same_traces() {
    let (alone, together) = (hashes("1"), hashes("2"));
    assert!(alone.len() >= 40, "only {} scenarios were run", alone.len());
    assert_eq!(alone, together);
}
