//! What processes do to those who talk to them.

use std::time::Duration;

use super::{Process, ProcessSpec};
use crate::implementation::FaultKind;

fn process(command: &str) -> Process {
    Process::start(&ProcessSpec { command: command.to_owned(), patience: Duration::from_millis(700) }, &[]).unwrap()
}

/// The first fault that a process makes of a short conversation, with words that its reason must have.
fn check(command: &str, kind: FaultKind, words: &str) {
    let mut process = process(command);
    let fault = process.ask("one").and_then(|_| process.ask("two")).and_then(|_| process.part("stop")).unwrap_err();
    assert_eq!(fault.kind, kind, "{command}: {fault}");
    assert!(fault.reason.contains(words), "{command}: {fault}");
}

const ECHO: &str = "while read line; do echo \"$line\"; [ \"$line\" = stop ] && exit; done";

#[test]
fn a_conversation() {
    let mut process = process(ECHO);
    assert_eq!(process.ask("one").as_deref(), Ok("one"));
    assert_eq!(process.ask("two").as_deref(), Ok("two"));
    assert_eq!(process.part("stop").as_deref(), Ok("stop"));
}

#[test]
fn whoever_says_nothing_hangs() {
    check("read line; sleep 60", FaultKind::Hang, "no answer within 0.7 s");
    check("read line; printf half; sleep 60", FaultKind::Hang, "no line break");
    // A late answer is none.
    check("read line; sleep 2; echo late", FaultKind::Hang, "no answer");
}

#[test]
fn whoever_ends_early_has_crashed() {
    check("exit 0", FaultKind::Crash, "exit code 0");
    check("read line; exit 3", FaultKind::Crash, "exit code 3");
    check("read line; kill -9 $$", FaultKind::Crash, "signal 9");
    check("read line; echo one; exit 0", FaultKind::Crash, "exit code 0");
    check("read line; exec >&-; sleep 60", FaultKind::Crash, "closed its standard output");
    check("no-such-command-here", FaultKind::Crash, "exit code 127");
}

#[test]
fn the_end_of_the_log_goes_with_the_fault() {
    let mut process = process("read line; echo 'first words' >&2; echo 'last words' >&2; exit 1");
    let fault = process.ask("one").unwrap_err();
    assert_eq!(fault.log, "first words\nlast words");
}

#[test]
fn whoever_talks_out_of_turn_is_told() {
    check("echo hello; cat", FaultKind::OutOfTurn, "");
    check("read line; echo one; echo more; cat", FaultKind::OutOfTurn, "");
    check("read line; printf 'one\\nmo'; cat", FaultKind::OutOfTurn, "more than one line");
}

#[test]
fn what_is_no_line_of_text_is_malformed() {
    check("read line; printf '\\377\\n'; cat", FaultKind::Malformed, "not UTF-8 from byte 0");
    let command = "read line; head -c 20000000 /dev/zero | tr '\\0' a; cat".to_owned();
    let mut endless = Process::start(&ProcessSpec { command, patience: Duration::from_secs(60) }, &[]).unwrap();
    let fault = endless.ask("one").unwrap_err();
    assert_eq!(fault.kind, FaultKind::Malformed);
    assert!(fault.reason.contains("no end after 16777216 bytes"), "{fault}");
}

#[test]
fn a_full_pipe_stops_nobody() {
    let mut full = process("sleep 60");
    let fault = full.ask(&"x".repeat(1 << 20)).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Hang);
    assert!(fault.reason.contains("has not read"), "{fault}");

    let mut loud = process("read line; head -c 1000000 /dev/zero | tr '\\0' e >&2; echo one; cat >/dev/null");
    assert_eq!(loud.ask("one").as_deref(), Ok("one"));
    assert!(loud.log().len() <= 4100);
}

#[test]
fn who_leaves_a_process_behind_is_told_and_it_is_ended() {
    check("read line; sleep 60 & exit 0", FaultKind::Crash, "keeps its output open");
    check(&format!("sleep 60 & {ECHO}"), FaultKind::Orphan, "was ended, too");

    let mut parent = process("read line; sleep 60 & echo $!; cat >/dev/null");
    let child = parent.ask("one").unwrap();
    let state = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(!state(&child).is_empty(), "it runs");
    drop(parent);
    // A killed process is gone, or a zombie that waits for whoever took it over.
    while !matches!(state(&child).split_whitespace().nth(2), None | Some("Z" | "X")) {
        std::thread::yield_now();
    }
}

#[test]
fn whoever_stays_after_its_leave_is_ended() {
    check(
        "while read line; do echo \"$line\"; [ \"$line\" = stop ] && sleep 60; done",
        FaultKind::Hang,
        "did not exit",
    );
}
