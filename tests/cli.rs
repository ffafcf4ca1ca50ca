//! The command as users meet it: what it writes, what it leaves behind, and its exit codes.
#![cfg(feature = "cli")]

#[path = "support/folder.rs"]
mod folder;

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use folder::{Folder, GOOD};

impl Folder {
    /// With one scenario that is well, `scenarios/a.yaml`.
    fn with_a_call(name: &str) -> Self {
        let folder = Self::new(name);
        folder.write("scenarios/a.yaml", GOOD);
        folder
    }

    fn has(&self, path: &str) -> bool {
        self.0.join(path).exists()
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_convoke"));
        command.args(arguments.split_whitespace()).current_dir(&self.0).stdin(Stdio::null());
        command.env_remove("RUST_BACKTRACE");
        command
    }

    /// Runs a command, which must end with this exit code; what it wrote to both streams.
    #[track_caller]
    fn check(&self, arguments: &str, code: i32) -> String {
        let output = self.command(arguments).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "convoke {arguments}\n{text}");
        assert!(!text.contains('\u{1b}'), "no colours where nobody watches\n{text}");
        text
    }

    #[track_caller]
    fn check_says(&self, arguments: &str, code: i32, words: &[&str]) {
        let text = self.check(arguments, code);
        for words in words {
            assert!(text.contains(words), "convoke {arguments}: no `{words}` in\n{text}");
        }
    }
}

fn bad() -> String {
    GOOD.replace("kSuccess", "kAlreadyInConference")
}

#[test]
fn a_run_that_is_well_prints_its_seed_and_the_hash_of_its_trace() {
    let folder = Folder::with_a_call("well");
    folder.check("run --bless", 0);
    let text = folder.check("run", 0);
    assert!(text.contains("pass          scenarios/a.yaml  trace "), "{text}");
    assert!(text.contains("1 scenario: 1 pass\n1 requirement shown, ") && text.contains("seed 1\n"), "{text}");
    let hash = |text: &str| text.split("trace ").nth(1).unwrap()[..16].to_owned();
    assert_eq!(hash(&text), hash(&folder.check("run", 0)), "two processes, one trace");
    assert!(!folder.has(".convoke"));
}

#[test]
fn a_failure_shows_the_line_what_happened_and_how_to_repeat_it() {
    let folder = Folder::new("failure");
    folder.write("scenarios/a.yaml", &bad());
    folder.check_says(
        "run --seed 7",
        1,
        &[
            "--> scenarios/a.yaml:13:",
            "returns: {bob: kAlreadyInConference}",
            "what happened",
            "calls inviteUsers r1 [bob] timeout 60",
            "convoke run scenarios/a.yaml --seed 7",
        ],
    );
}

#[test]
fn a_claim_without_its_situation_is_told_at_the_claim() {
    let folder = Folder::new("claim");
    folder.write("scenarios/a.yaml", &GOOD.replace("[INV-3]", "[INV-3, CAN-8]"));
    let missing = "it never happened that an owner or administrator cancelled its own call";
    folder.check_says(
        "run",
        1,
        &["inconclusive  scenarios/a.yaml", "--> scenarios/a.yaml:3:17", missing, "1 inconclusive"],
    );
    folder.check_says("run --format json", 1, &["\"emptyClaims\": [", "\"requirement\": \"CAN-8\"", "\"line\": 3"]);
    folder.write("scenarios/a.yaml", GOOD);
    folder.check("run", 0);
}

#[test]
fn a_plan_with_secrets_says_that_it_runs_twice() {
    let folder = Folder::new("strangers");
    let secret = GOOD.replace("    inviteUsers", "    secret: true\n    inviteUsers") + "strangers: [bob.phone]\n";
    folder.write("scenarios/a.yaml", &secret);
    folder.check_says("explain scenarios/a.yaml", 0, &["(secret)", "bob.phone must see no difference"]);
    folder.check_says("run", 1, &["bob.phone can tell at 0.040 s", "(SEC-3)", "nothing more"]);
}

#[test]
fn no_output_holds_a_secret_but_the_trace_that_was_asked_for() {
    let folder = Folder::new("secret");
    folder.write("scenarios/a.yaml", &bad());
    folder.write("scenarios/b.yaml", GOOD);
    let line = "    inviteUsers: {roomId: r1, userIdList: [bob], timeout: 60, extensionInfo: a-secret}";
    for arguments in ["run", "run --format json", "explain scenarios/a.yaml", "lint"] {
        let text = folder.command(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&text.stdout).replace(line, "");
        assert!(!text.contains("a-secret"), "{text}");
    }
    let snapshot = fs::read_to_string(folder.0.join("snapshots/b.snap.new")).unwrap();
    assert!(snapshot.contains("extensionInfo(8 bytes)") && !snapshot.contains("a-secret"), "{snapshot}");
    folder.check("run scenarios/b.yaml --trace b.trace", 0);
    assert!(fs::read_to_string(folder.0.join("b.trace")).unwrap().contains("a-secret"));
}

#[test]
fn ci_writes_nothing_and_misses_a_snapshot() {
    let folder = Folder::with_a_call("ci");
    folder.check_says("run --ci", 1, &["there is no snapshot yet", "--bless"]);
    let files = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(files, ["scenarios"]);
    folder.check("run --bless", 0);
    folder.check("run --ci", 0);
}

#[test]
fn a_difference_fails_until_it_is_accepted() {
    let folder = Folder::with_a_call("review");
    folder.check_says("run", 0, &["1 new snapshot waits for you: convoke review"]);
    folder.check_says("review", 2, &["--accept or --reject"]);
    folder.check_says("review --accept", 0, &["accepted"]);
    folder.check_says("review", 0, &["no snapshot waits"]);
    folder.write("scenarios/a.yaml", &GOOD.replace("60", "30"));
    folder.check_says("run", 1, &["the snapshot differs", "timeout 60", "timeout 30", "convoke review"]);
    folder.check_says("review --reject", 0, &["rejected"]);
    folder.check("run", 1);
    folder.check("review --accept", 0);
    folder.check("run --ci", 0);
}

#[test]
fn a_snapshot_without_a_scenario_is_named() {
    let folder = Folder::with_a_call("stale");
    folder.check("run --bless", 0);
    fs::rename(folder.0.join("scenarios/a.yaml"), folder.0.join("scenarios/b.yaml")).unwrap();
    folder.check_says("run", 0, &["a.snap belongs to no scenario any more"]);
    assert!(!folder.check("run --filter b.yaml", 0).contains("belongs to no scenario"));
}

#[test]
fn snapshots_may_be_elsewhere() {
    let folder = Folder::with_a_call("elsewhere");
    folder.check("run --bless --snapshots kept", 0);
    assert!(folder.has("kept/a.snap") && !folder.has("snapshots"));
    folder.check("run --ci --snapshots kept", 0);
}

#[test]
fn what_failed_last_is_remembered() {
    let folder = Folder::with_a_call("last");
    folder.check_says("run --last-failed", 2, &["nothing of this failed the last time"]);
    folder.write("scenarios/b.yaml", &bad());
    folder.check("run", 1);
    assert_eq!(fs::read_to_string(folder.0.join(".convoke/last-failed")).unwrap(), "scenarios/b.yaml\n");
    folder.check_says("run --last-failed", 1, &["1 scenario: 1 fail"]);
    folder.write("scenarios/b.yaml", GOOD);
    folder.check_says("run --last-failed", 0, &["1 scenario: 1 pass"]);
    assert!(!folder.has(".convoke/last-failed"));
}

#[test]
fn a_bad_file_is_told_with_its_line_and_the_others_run() {
    let folder = Folder::with_a_call("bad");
    folder.write("scenarios/b.yaml", &GOOD.replace("[bob]", "[bobb]"));
    folder.check_says("run", 2, &["--> scenarios/b.yaml:12:", "did you mean `bob`?", "1 pass, 1 bad scenario"]);
    folder.check_says("lint", 2, &["ok   scenarios/a.yaml", "bad  scenarios/b.yaml", "did you mean `bob`?"]);
    folder.check_says("explain scenarios/b.yaml", 2, &["did you mean `bob`?"]);
}

#[test]
fn nothing_to_run_is_an_error_with_its_mend() {
    let folder = Folder::with_a_call("nothing");
    folder.check_says("run nowhere", 2, &["there is no nowhere", "convoke init"]);
    folder.check_says("run --filter zzz", 2, &["no path contains `zzz`"]);
    folder.check_says("run --tag zzz", 2, &["no scenario has the tag zzz"]);
    folder.check_says("run --bless --ci", 2, &["cannot be used with"]);
    folder.check_says("run --bless --seed 2", 2, &["snapshots are of seed 1"]);
    folder.check_says("run --seeds 0", 2, &["--seeds"]);
    folder.check_says("run --seeds 2 --trace x", 2, &["a trace is of one run"]);
    folder.check_says("dance", 2, &["unrecognized subcommand"]);
}

#[test]
fn tags_choose() {
    let folder = Folder::with_a_call("tags");
    folder.write("scenarios/b.yaml", &GOOD.replace("basics", "other"));
    folder.check_says("run --tag other", 0, &["scenarios/b.yaml", "1 scenario: 1 pass"]);
}

#[test]
fn a_file_that_cant_be_written_breaks_the_run_and_is_named() {
    let folder = Folder::with_a_call("broken");
    folder.write("here", "a file, where a folder would have to be");
    folder.check_says("run --trace here/t", 3, &["can't write here/t"]);
    folder.check_says("run --bless --snapshots here", 3, &["can't", "here/a.snap", "1 harness error"]);
}

#[test]
fn programs_get_one_object() {
    let folder = Folder::with_a_call("json");
    folder.write("scenarios/b.yaml", &bad());
    let output = folder.command("run --seeds 2 --format json").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["convokeResult"], 1);
    assert_eq!(report["summary"]["verdicts"]["fail"], 1);
    assert_eq!(report["summary"]["exitCode"], 1);
    assert_eq!(report["scenarios"][0]["verdict"], "pass");
    assert_eq!(report["scenarios"][0]["seedsRun"], 2);
    assert_eq!(report["scenarios"][1]["findings"][0]["place"]["line"], 13);
    assert_eq!(report["scenarios"][1]["findings"][0]["devices"][0], "alice.web");
}

#[test]
fn a_saved_trace_is_judged_again() {
    let folder = Folder::with_a_call("judge");
    folder.check("run --trace a.trace", 0);
    let text = folder.check("judge a.trace", 0);
    let hash = |text: &str| text.split(" trace ").nth(1).unwrap()[..16].to_owned();
    assert!(text.starts_with("pass          a.trace"), "{text}");
    assert_eq!(hash(&text), hash(&folder.check("run", 0)));
    folder.write("scenarios/a.yaml", &bad());
    folder.check("run --trace b.trace", 1);
    folder.check_says("judge b.trace", 1, &["returns: {bob: kAlreadyInConference}"]);
    folder.check_says("judge nowhere", 2, &["can't read nowhere"]);
    folder.check_says("judge scenarios/a.yaml", 2, &["it is no trace"]);
}

#[test]
fn explain_tells_setup_steps_and_epilogue() {
    let folder = Folder::with_a_call("explain");
    folder.check_says(
        "explain scenarios/a.yaml",
        0,
        &[
            "alice.web, bob.phone: login",
            "alice.web: enterRoom r1",
            "at 0.000: alice.web calls inviteUsers r1 [bob] timeout 60",
            "it must return {\"bob\":0}",
            "epilogue",
        ],
    );
}

#[test]
fn init_begins_something_that_runs_and_overwrites_nothing() {
    let folder = Folder::new("init");
    folder.check_says("init", 0, &["wrote ./scenarios/first-call.yaml", "convoke run"]);
    folder.check_says("run", 0, &["1 pass"]);
    folder.check_says("init", 2, &["is there already"]);
}

#[test]
fn the_schema_is_json() {
    let output = Folder::new("schema").command("schema scenario").output().unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(schema["$schema"].as_str().is_some_and(|version| version.contains("json-schema.org")), "{schema:#}");
}

#[test]
fn requirements_name_the_scenarios_that_show_them() {
    let folder = Folder::new("requirements");
    folder.write("scenarios/a.yaml", "version: 1\ntitle: A claim.\ncovers: [INV-1]\n");
    folder.check_says("requirements --id INV-1", 0, &["INV-1 ", "MUST · DOC", "- scenarios/a.yaml", "1 requirement;"]);
    folder.check_says(
        "requirements --id EVT-9 --uncovered",
        0,
        &["no scenario", "of 1 MUST and SHOULD, scenarios show 0"],
    );
    let covered = folder.check("requirements --covered", 0);
    assert!(covered.contains("INV-1") && !covered.contains("INV-2 "), "{covered}");
    let text = folder.check("requirements --subject device --basis dec --level may --format json", 0);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let ids: Vec<_> = json["requirements"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    assert_eq!(ids, ["REJ-5"]);
    assert_eq!(json["requirements"][0]["scenarios"], serde_json::json!([]));
    let definitions = folder.check("requirements --level definition", 0);
    assert!(definitions.contains("TERM-1") && !definitions.contains("no scenario"), "{definitions}");
}

#[test]
fn requirements_are_listed_without_scenarios_too() {
    let folder = Folder::new("catalogue");
    folder.check_says("requirements --id CAN", 0, &["CAN-9", "no folder `scenarios`", "9 requirements;"]);
    folder.check_says("requirements nowhere", 2, &["there is no nowhere"]);
    folder.check_says("requirements --id CAN-66", 2, &["there is no requirement `CAN-66`; did you mean `CAN-6`?"]);
    folder.check_says("requirements --covered --uncovered", 2, &["cannot be used with"]);
    folder.write("scenarios/a.yaml", "nonsense");
    folder.check_says("requirements", 2, &["scenarios/a.yaml is no scenario"]);
    folder.write("scenarios/a.yaml", "version: 1\ntitle: A claim.\ncovers: [INV-99]\n");
    folder.check_says("requirements", 0, &["scenarios/a.yaml:3 claims INV-99, which is no requirement"]);
}

#[test]
fn shells_complete() {
    let folder = Folder::new("shells");
    folder.check_says("completions bash", 0, &["convoke", "--last-failed"]);
    folder.check_says("--help", 0, &["Exit codes", "review"]);
    folder.check_says("--version", 0, &["convoke "]);
}

#[test]
#[cfg(unix)]
fn a_closed_pipe_ends_it_quietly() {
    let folder = Folder::with_a_call("pipe");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = folder.command("completions bash").stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(141));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_named() {
    let folder = Folder::with_a_call("full");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = folder.command("run").stdout(full).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("can't write to standard output"), "{text}");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn the_answer_of_a_person_is_not_taken_from_a_pipe() {
    let folder = Folder::with_a_call("answer");
    folder.check("run", 0);
    let mut child =
        folder.command("review").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(b"a\n");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(2));
    assert!(folder.has("snapshots/a.snap.new"));
}
