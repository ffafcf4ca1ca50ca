//! The README is executed: its commands run, and what it shows of files and output is what they are.
//!
//! `CONVOKE_REGENERATE=1 cargo test --test readme` rewrites what is shown.

use std::path::{Path, PathBuf};
use std::process::Command;

const SCENARIO: &str = "scenarios/devices/second-device-falls-silent.yaml";
const SNAPSHOT: &str = "snapshots/devices/second-device-falls-silent.snap";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("there is a README")
}

/// The fenced blocks of a language: where their content begins and ends, in bytes.
fn blocks(text: &str, language: &str) -> Vec<(usize, usize)> {
    let fence = format!("```{language}\n");
    text.match_indices(&fence)
        .map(|(at, _)| {
            let begin = at + fence.len();
            (begin, begin + text[begin..].find("```").expect("a block ends"))
        })
        .collect()
}

/// Runs a command of the README in `folder`, with the binary under test in place of `convoke` and of `cargo run`.
fn run(command: &str, folder: &Path) -> (bool, String) {
    let words: Vec<&str> = command.split_whitespace().collect();
    let args = match words.as_slice() {
        ["cargo", "run", "--release", "--", args @ ..] | ["convoke", args @ ..] => args,
        _ => panic!("the README names a command that this test does not know: {command}"),
    };
    let output = Command::new(env!("CARGO_BIN_EXE_convoke"))
        .args(args)
        // What the test of a command may write, a reader's `run` writes too: nothing, once the snapshots are recorded.
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .output()
        .expect("the binary runs");
    (output.status.success(), String::from_utf8(output.stdout).expect("UTF-8"))
}

/// Wall time is the one thing in the output that differs from run to run.
fn without_wall_time(output: &str) -> String {
    let cut = |line: &str| match line.split_once(" of virtual time in ") {
        Some((before, after)) => {
            let rest = after.split_once(" s").map_or("", |(_, rest)| rest);
            format!("{before} of virtual time in 0.00 s{rest}")
        }
        None => line.to_owned(),
    };
    output.lines().map(|line| cut(line) + "\n").collect()
}

#[test]
fn the_commands_run_as_the_readme_says() {
    let text = readme();
    let folder = std::env::temp_dir().join(format!("convoke-readme-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a scratch folder");
    let mut commands = 0;
    for (begin, end) in blocks(&text, "console") {
        let block = &text[begin..end];
        for command in block.lines().filter_map(|line| line.strip_prefix("$ ")) {
            commands += 1;
            if command == "cargo test" {
                continue; // This is it.
            }
            // What names the corpus runs here; what writes files runs elsewhere.
            let here = command.contains(" scenarios");
            let (success, output) = run(command, if here { Path::new(env!("CARGO_MANIFEST_DIR")) } else { &folder });
            assert!(success, "`{command}` failed:\n{output}");
            let shown: String =
                block.lines().filter(|line| !line.starts_with("$ ")).map(|line| format!("{line}\n")).collect();
            if !shown.trim().is_empty() && std::env::var_os("CONVOKE_REGENERATE").is_none() {
                assert_eq!(without_wall_time(&shown).trim(), without_wall_time(&output).trim(), "`{command}`");
            }
        }
    }
    std::fs::remove_dir_all(&folder).expect("the scratch folder goes");
    assert!(commands >= 5, "the README lost its commands: only {commands} were found");
}

#[test]
fn what_the_readme_shows_is_what_there_is() {
    let text = readme();
    let scenario = std::fs::read_to_string(root().join(SCENARIO)).expect("the scenario");
    let snapshot = std::fs::read_to_string(root().join(SNAPSHOT)).expect("the snapshot");
    let body = snapshot.splitn(3, "---\n").nth(2).expect("a header and a body").to_owned();
    let (_, output) = run(&format!("convoke run {SCENARIO}"), &root());
    let output = format!("$ convoke run {SCENARIO}\n{}", without_wall_time(&output));
    let mut fresh = text.clone();
    let mut replace = |language: &str, marker: &str, content: &str| {
        let (begin, end) = blocks(&fresh, language)
            .into_iter()
            .find(|(begin, end)| fresh[*begin..*end].contains(marker))
            .unwrap_or_else(|| panic!("the README has no `{language}` block with {marker}"));
        fresh.replace_range(begin..end, &format!("{}\n", content.trim_end()));
    };
    replace("yaml", "version: 1", &scenario);
    replace("console", SCENARIO, &output);
    replace("text", "alice.web", &body);
    if std::env::var_os("CONVOKE_REGENERATE").is_some() {
        std::fs::write(root().join("README.md"), &fresh).expect("the README is written");
    } else {
        assert_eq!(without_wall_time(&text), without_wall_time(&fresh), "run with CONVOKE_REGENERATE=1");
    }
}
