//! Reports as others read them: the result and its schema, JUnit, pages and comparisons, and the files that they are.
//!
//! `CONVOKE_REGENERATE=1 cargo test --test reports` writes the schema anew.
#![cfg(feature = "cli")]

#[path = "support/folder.rs"]
mod folder;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use folder::{Folder, GOOD};

use convoke::report::result::{self, RunResult};
use serde_json::Value;

impl Folder {
    /// With a scenario that is well, one whose author expects something else, one that is none, and one that claims what
    /// does not happen.
    fn with_all_kinds(name: &str) -> Self {
        let folder = Self::new(name);
        folder.write("scenarios/calls/good.yaml", GOOD);
        folder.write("scenarios/calls/bad.yaml", &GOOD.replace("kSuccess", "kAlreadyInConference"));
        folder.write("scenarios/claims/empty.yaml", &GOOD.replace("[INV-3]", "[INV-3, CAN-8]"));
        folder.write("scenarios/none.yaml", "nonsense");
        folder.write("scenarios/VERSION", "2026.1\n");
        folder
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.join(path)).unwrap()
    }

    fn has(&self, path: &str) -> bool {
        self.0.join(path).exists()
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_convoke"));
        command.args(arguments.split_whitespace()).current_dir(&self.0).stdin(Stdio::null());
        command
    }

    /// Runs a command, which must end with this exit code; what it wrote to standard output.
    #[track_caller]
    fn check(&self, arguments: &str, code: i32) -> String {
        let output = self.command(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "convoke {arguments}\n{text}{error}");
        text
    }

    /// Runs a command, which must end with this exit code and say these words on standard error.
    #[track_caller]
    fn check_complains(&self, arguments: &str, code: i32, words: &str) {
        let output = self.command(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "convoke {arguments}\n{error}");
        assert!(error.contains(words), "convoke {arguments}: no `{words}` in\n{error}");
    }
}

#[test]
fn the_schema_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/result.schema.json");
    let text = format!("{:#}\n", result::schema());
    if std::env::var_os("CONVOKE_REGENERATE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "stale: run `CONVOKE_REGENERATE=1 cargo test --test reports` and read the difference");
    let folder = Folder::new("schema");
    assert_eq!(folder.check("schema result", 0), text);
}

#[track_caller]
fn is_valid(text: &str) -> Value {
    let validator = jsonschema::validator_for(&result::schema()).expect("the schema is one");
    let value: Value = serde_json::from_str(text).expect("a result is JSON");
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    assert!(RunResult::read(text).is_ok());
    value
}

#[test]
fn results_of_every_kind_are_valid_and_complete() {
    let folder = Folder::with_all_kinds("kinds");
    let value = is_valid(&folder.check("run --format json --seeds 2", 2));
    assert_eq!(value["corpus"]["version"], "2026.1");
    assert_eq!(value["implementation"]["name"], "reference");
    assert_eq!(value["profile"]["name"], "strict");
    let verdicts: Vec<(&str, &str)> = value["scenarios"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["verdict"].as_str().unwrap()))
        .collect();
    let expected = [
        ("calls/bad.yaml", "fail"),
        ("calls/good.yaml", "pass"),
        ("claims/empty.yaml", "inconclusive"),
        ("none.yaml", "bad scenario"),
    ];
    assert_eq!(verdicts, expected);
    let bad = &value["scenarios"][0];
    assert_eq!(bad["findings"][0]["place"]["text"], "    returns: {bob: kAlreadyInConference}");
    assert_eq!(bad["findings"][0]["ladder"], 0);
    assert_eq!(bad["ladders"][0]["lanes"], serde_json::json!(["alice.web", "server"]));
    assert_eq!(bad["repeat"], "convoke run scenarios/calls/bad.yaml --seed 1");
    let good = &value["scenarios"][1];
    assert_eq!(good["fingerprint"], Value::Null);
    assert_eq!(good["sequences"][1]["device"], "bob.phone");
    assert!(good["sequences"][1]["heard"][0].as_str().unwrap().starts_with("onReceiveInvitation r1 bob#1"));
    let requirement = |id: &str| {
        let groups = value["requirements"].as_array().unwrap().iter();
        let all = groups.flat_map(|group| group["requirements"].as_array().unwrap());
        all.into_iter().find(|one| one["id"] == id).unwrap()["verdict"].clone()
    };
    // The author's expectation names no requirement, so it counts against the claim.
    assert_eq!(
        [requirement("INV-3"), requirement("CAN-8"), requirement("CAN-1")],
        ["fail", "inconclusive", "not shown"]
    );
}

#[test]
fn a_file_beside_the_log_holds_the_same_result() {
    let folder = Folder::with_all_kinds("beside");
    let log = folder.check("run --json out/result.json", 2);
    assert!(log.contains("fail          scenarios/calls/bad.yaml"), "{log}");
    let saved = folder.read("out/result.json");
    is_valid(&saved);
    let without_time = |text: &str| {
        text.lines().filter(|line| !line.contains("wallSeconds")).map(|line| format!("{line}\n")).collect::<String>()
    };
    assert_eq!(without_time(&saved), without_time(&folder.check("run --format json", 2)));
}

#[test]
fn what_a_device_went_through_is_told_of_a_saved_trace_too() {
    let folder = Folder::with_all_kinds("judge");
    folder.check("run scenarios/calls/good.yaml --trace t.jsonl", 0);
    let value = is_valid(&folder.check("judge t.jsonl --format json", 0));
    assert_eq!(value["command"], "judge");
    assert_eq!(value["scenarios"][0]["repeat"], "convoke judge t.jsonl");
    assert_eq!(value["scenarios"][0]["sequences"][0]["device"], "alice.web");
}

#[test]
fn the_hash_of_a_corpus_is_of_names_and_contents_and_not_of_their_place() {
    let hash = |folder: &Folder, arguments: &str| {
        let text = folder.command(arguments).output().unwrap().stdout;
        let value: Value = serde_json::from_slice(&text).unwrap();
        value["corpus"]["hash"].as_str().unwrap().to_owned()
    };
    let one = Folder::with_all_kinds("hash-one");
    let other = Folder::new("hash-other");
    for name in ["calls/good.yaml", "calls/bad.yaml", "claims/empty.yaml", "none.yaml"] {
        other.write(&format!("deep/er/{name}"), &one.read(&format!("scenarios/{name}")));
    }
    let first = hash(&one, "run --format json");
    assert_eq!(first.len(), 64);
    assert_eq!(first, hash(&other, "run deep/er --format json"));
    assert_eq!(first, hash(&one, "run --format json --filter good"), "the corpus is all of them, whatever is chosen");
    other.write("deep/er/calls/good.yaml", &GOOD.replace("60", "61"));
    assert_ne!(first, hash(&other, "run deep/er --format json"));
}

#[test]
fn files_that_cannot_be_written_are_named() {
    let folder = Folder::with_all_kinds("refused");
    folder.write("plain", "");
    folder.check_complains("run --json plain/result.json", 3, "can't write plain/result.json");
    folder.check_complains("run --json scenarios", 2, "scenarios is a folder; --json wants the name of a file in it");
    folder.check_complains("run --json -", 2, "for standard output there is --format");
    assert!(!folder.has("-"));
}

#[test]
fn the_corpus_has_the_version_of_convoke() {
    let version = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/VERSION")).unwrap();
    assert_eq!(version.trim(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn one_run_writes_every_report_beside_its_log() {
    let folder = Folder::with_all_kinds("all");
    let log = folder.check("run --junit out/j.xml --html out/p.html --json out/r.json --by-requirement", 2);
    assert!(log.contains("fail          scenarios/calls/bad.yaml") && log.contains("\nrequirements  "), "{log}");
    let xml = folder.read("out/j.xml");
    assert!(
        xml.contains("<testsuites name=\"convoke run\" tests=\"4\" skipped=\"0\" failures=\"2\" errors=\"1\""),
        "{xml}"
    );
    assert!(xml.contains("<testcase name=\"bad\" classname=\"scenarios/calls\""), "{xml}");
    let page = folder.read("out/p.html");
    assert!(page.starts_with("<!doctype html>") && page.contains("3 of 4 scenarios did not end well"));
    for text in [&xml, &page, &folder.read("out/r.json"), &log] {
        let line = "    inviteUsers: {roomId: r1, userIdList: [bob], timeout: 60, extensionInfo: a-secret}";
        assert!(!text.replace(line, "").contains("a-secret"), "extensionInfo is told nowhere");
    }
}

#[test]
fn a_saved_result_becomes_the_same_reports_later() {
    let folder = Folder::with_all_kinds("later");
    folder.check("run --json r.json --junit now.xml --html now.html", 2);
    let text = folder.check("report r.json --junit later.xml --html later.html", 2);
    assert!(text.contains("repeat it: convoke run scenarios/calls/bad.yaml --seed 1"), "{text}");
    assert!(text.contains("INV   inviteUsers"), "{text}");
    assert_eq!(folder.read("now.xml"), folder.read("later.xml"));
    assert_eq!(folder.read("now.html"), folder.read("later.html"));
    assert_eq!(folder.check("report r.json --format json", 2), folder.read("r.json"));
    assert_eq!(folder.check("report r.json --format junit", 2), folder.read("now.xml"));
}

#[test]
fn results_are_compared_and_what_cannot_be_is_refused() {
    let folder = Folder::with_all_kinds("compare");
    folder.check("run --json a.json", 2);
    let text = folder.check("compare a.json a.json", 0);
    assert!(text.contains("in every scenario every device went through the same"), "{text}");
    folder.write("scenarios/calls/good.yaml", &GOOD.replace("60", "30"));
    folder.check("run --json b.json", 2);
    folder.check_complains("compare a.json b.json", 2, "are of different corpora");
    let text = folder.check("compare a.json b.json --common --html c.html", 0);
    assert!(text.contains("3 scenarios in common, 1 left out"), "{text}");
    assert!(folder.read("c.html").contains("Implementations compared"));
    folder.check_complains("compare a.json", 2, "name two or more");
    folder.check_complains("compare a.json scenarios/none.yaml", 2, "can't read scenarios/none.yaml: it is no result");
    folder.write("cut.json", &folder.read("a.json")[..4000]);
    folder.check_complains("report cut.json", 2, "can't read cut.json: it is not whole");
    folder.check_complains("report nowhere.json", 2, "can't read nowhere.json: No such file");
}

#[test]
fn two_reports_never_share_a_file() {
    let folder = Folder::with_all_kinds("share");
    folder.check_complains("run --json x --html x", 2, "--json and --html would both write x");
    assert!(!folder.has("x"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_named_with_the_file() {
    let folder = Folder::with_all_kinds("full");
    folder.check_complains("run --html /dev/full", 3, "can't write /dev/full: No space left");
}

#[test]
#[cfg(unix)]
fn whoever_closes_the_pipe_still_gets_the_files() {
    let folder = Folder::with_all_kinds("pipe");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output =
        folder.command("run --json r.json --junit j.xml").stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(141), "{}", String::from_utf8_lossy(&output.stderr));
    is_valid(&folder.read("r.json"));
    assert!(folder.read("j.xml").ends_with("</testsuites>\n"));
}
