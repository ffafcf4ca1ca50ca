//! `convoke conform` as a user runs it: our own server behind the conversation, and a zoo of implementations that break it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const CONVOKE: &str = env!("CARGO_BIN_EXE_convoke");

fn convoke(arguments: &[&str]) -> Output {
    Command::new(CONVOKE).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("convoke runs")
}

fn conform(server: &str, arguments: &[&str]) -> Output {
    convoke(&[&["conform", "--server", server], arguments].concat())
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn reference(contract: &str) -> String {
    format!("'{CONVOKE}' reference --contract {contract}")
}

/// The outcomes of a report by path: verdict and trace.
fn outcomes(output: &Output) -> Vec<(String, String, String)> {
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let list = report["scenarios"].as_array().expect("scenarios").clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    list.iter().map(|one| (text(&one["path"]), text(&one["verdict"]), text(&one["traceHash"]))).collect()
}

#[test]
fn our_whole_server_shows_the_same_behind_the_conversation() {
    let folders = ["scenarios/answer", "scenarios/timeout", "scenarios/sessions"];
    let here = convoke(&[&["run", "--ci", "--format", "json"], &folders[..]].concat());
    let there = conform(&reference("full"), &[&["--format", "json"], &folders[..]].concat());
    assert_eq!(there.status.code(), Some(0), "{}", stdout(&there));
    let (here, there) = (outcomes(&here), outcomes(&there));
    assert_eq!(here.len(), there.len());
    let mut compared = 0;
    for ((path, _, here), (other, verdict, there)) in here.iter().zip(&there) {
        assert_eq!(path, other);
        // How many records a restart finds is told; ours makes checkpoints there.
        if verdict == "pass" && !path.contains("restart") && !path.contains("crash") {
            assert_eq!(here, there, "{path}");
            compared += 1;
        }
    }
    assert!(compared > 20, "only {compared} of {} could be compared", here.len());
}

#[test]
fn our_logic_passes_behind_our_session_layer() {
    let output = conform(&reference("core"), &["scenarios/invite", "scenarios/faults", "scenarios/revoke", "-v"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("contract `core`"), "{text}");
    // Its claims are of the client library, or of the session layer.
    assert!(text.contains("can't show what it claims: IDM-5"), "{text}");
}

#[test]
fn a_process_that_is_not_reused_is_started_for_each_run() {
    // The same answers, but for the word that offers the process for another run.
    let server = format!("{} | sed -u 's/\"reusable\":true,//; s/,\"reusable\":true//'", reference("core"));
    let output = conform(&server, &["scenarios/revoke"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
}

const HELLO: &str = r#"read l; echo '{"type":"hello","schema":1,"contract":"core","name":"zoo","version":"0","storage":"none","reusable":true}'"#;

/// An implementation that introduces itself and then does this; the run must end with exit code 3 and these words.
#[track_caller]
fn check_zoo(then: &str, words: &[&str]) {
    let server = format!("{HELLO}; {then}");
    let arguments = ["--jobs", "1", "--patience", "3", "scenarios/invite", "--filter", "invite", "--fail-fast"];
    let output = conform(&server, &arguments);
    let text = stdout(&output) + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{then}\n{text}");
    assert!(text.contains("implementation broke"), "{then}\n{text}");
    for words in words {
        assert!(text.contains(words), "{then}: no `{words}` in\n{text}");
    }
}

#[test]
fn each_animal_of_the_zoo_ends_in_a_verdict_that_says_so() {
    check_zoo("read l; sleep 60", &["hang: no answer within 3 s", "asked: hello"]);
    check_zoo("read l; echo nonsense; cat >/dev/null", &["malformed message: not a JSON text", "said: nonsense"]);
    check_zoo("read l; echo 'out of luck' >&2; exit 4", &["crash: it ended, with exit code 4", "out of luck"]);
    check_zoo(
        "read l; printf 'one\\nsurprise\\n'; cat >/dev/null",
        &["out of turn: it said more than one line", "surprise"],
    );
    check_zoo("read l; sleep 60 & exit 0", &["keeps its output open"]);
    check_zoo("read l; sleep 5; echo late; cat >/dev/null", &["hang: no answer"]);
    check_zoo("read l; printf 'half a line'; sleep 60", &["no line break"]);
    // A second hello is the first run: what it offers must still hold.
    let other = r#"{"type":"hello","schema":1,"contract":"full","name":"zoo","version":"0","storage":"none"}"#;
    check_zoo(&format!("read l; echo '{other}'; cat >/dev/null"), &["other contract", "offers `full`"]);
}

/// The same, from the start of the first run on.
#[track_caller]
fn check_answer(answer: &str, words: &[&str]) {
    let hello = HELLO.replace("read l; ", "");
    check_zoo(&format!("read l; {hello}; read l; echo '{answer}'; cat >/dev/null"), words);
}

#[test]
fn a_malformed_message_is_answered_with_what_is_wrong_and_where_to_read() {
    check_answer(r#"{"type":"out"}"#, &["missing field `out`", "section 2.3"]);
    check_answer(r#"{"type":"out","out":[],"wake_at":3}"#, &["unknown field `wake_at`"]);
    check_answer(r#"{"type":"out","out":[{"close":{"connection":1}}]}"#, &["at /out/0", "is of contract `full`"]);
    check_answer(r#"{"type":"out","out":[{"persist":1}]}"#, &["hello said `none`"]);
    check_answer(
        r#"{"type":"out","out":[{"event":{"to":[],"event":"onNothing","payload":{}}}]}"#,
        &["unknown event `onNothing`"],
    );
    let event =
        r#"{"event":{"to":[{"userId":"a","deviceId":"b"}],"event":"onKickedOffLine","payload":{"message":""}}}"#;
    check_answer(&format!(r#"{{"type":"out","out":[{event}]}}"#), &["which is not online", "REC-1"]);
    check_answer(r#"{"type":"hello"}"#, &["`hello` where `out` is due"]);
}

#[test]
fn an_answer_that_is_not_the_same_twice_is_told() {
    // Every process says another name of the room, whether it serves one run or several.
    for of_one_run in [r#"s/"reusable":true,//; s/,"reusable":true//; "#, ""] {
        let filter = format!(r#"sed -u '{of_one_run}s/"roomName":"[^"]*"/"roomName":"'$$'"/g'"#);
        let output = conform(&format!("{} | {filter}", reference("core")), &["scenarios/revoke", "--fail-fast"]);
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("not deterministic: two runs with the same seed part at moment"), "{text}");
        let (_, told) = text.split_once("not deterministic").unwrap();
        let told = told.split_once("-->").unwrap().0;
        assert!(told.contains("result.roomInfo.roomName") && told.contains("the second: \""), "{told}");
        assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
    }
}

#[test]
fn what_cannot_be_meant_is_told() {
    for (arguments, words) in [
        (vec!["--requirement", "NO-1"], "no requirement"),
        (vec!["--profile", "no-such-profile"], "there is no profile"),
        (vec!["--patience", "never"], "a number of seconds"),
    ] {
        let output = conform("true", &arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(words), "{output:?}");
    }
    let output = conform("no-such-command-here", &["scenarios/invite"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("exit code 127"), "{output:?}");
}

fn page(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("it is there")
}

/// The lines of a conversation in docs/IMPLEMENTATIONS.md, by its fence: what is said and what is answered.
fn conversation(fence: &str) -> Vec<(String, Value)> {
    let page = page("docs/IMPLEMENTATIONS.md");
    let (_, rest) = page.split_once(&format!("```text {fence}\n")).expect("there is a conversation");
    let (lines, _) = rest.split_once("```").expect("it ends");
    let lines: Vec<&str> = lines.lines().collect();
    let pair = |pair: &[&str]| {
        let said = pair[0].strip_prefix("> ").expect("said").to_owned();
        let answered = serde_json::from_str(pair[1].strip_prefix("< ").expect("answered")).expect("JSON");
        (said, answered)
    };
    lines.chunks(2).map(pair).collect()
}

#[test]
fn the_conversations_of_the_page_are_what_the_reference_says() {
    check_conversation("conversation", &["--contract", "core", "--forgetful"]);
    check_conversation("conversation device", &["--contract", "device"]);
}

#[track_caller]
fn check_conversation(fence: &str, arguments: &[&str]) {
    let conversation = conversation(fence);
    assert!(conversation.len() > 8);
    let mut reference = Command::new(CONVOKE)
        .arg("reference")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = reference.stdin.take().unwrap();
    for (said, _) in &conversation {
        writeln!(input, "{said}").unwrap();
    }
    drop(input);
    let output = reference.wait_with_output().unwrap();
    let answers = stdout(&output);
    for ((said, wanted), answer) in conversation.iter().zip(answers.lines()) {
        let mut answer: Value = serde_json::from_str(answer).unwrap();
        if answer["type"] == "hello" {
            answer["version"] = wanted["version"].clone();
        }
        assert_eq!(answer, *wanted, "to {said}");
    }
    assert_eq!(answers.lines().count(), conversation.len());
}

#[test]
fn the_schema_is_fresh_and_takes_what_is_said() {
    let output = convoke(&["schema", "implementation"]);
    let printed = stdout(&output);
    assert_eq!(printed, page("schema/implementation.schema.json"), "write it with `convoke schema implementation`");
    let mut schema: Value = serde_json::from_str(&printed).unwrap();
    let mut takes = |side: &str, value: &Value| {
        schema["anyOf"] = serde_json::json!([{"$ref": format!("#/$defs/{side}")}]);
        jsonschema::is_valid(&schema, value)
    };
    let sides = [
        ("conversation", "harness", "implementation"),
        ("conversation device", "deviceHarness", "deviceImplementation"),
    ];
    for (fence, harness, implementation) in sides {
        for (said, answered) in conversation(fence) {
            let said: Value = serde_json::from_str(&said).unwrap();
            assert!(takes(harness, &said), "{said}");
            assert!(takes(implementation, &answered), "{answered}");
        }
    }
    assert!(!takes("deviceImplementation", &serde_json::json!({"type": "out", "out": [{"persist": 1}]})));
    assert!(!takes("implementation", &serde_json::json!({"type": "out", "out": [], "wake_at": 3})));
    assert!(!takes("implementation", &serde_json::json!({"type": "out", "out": [{"respond": {}}]})));
}

/// A folder for this test alone.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("convoke-conform-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// The reference, except that every accepted call is told as rejected.
fn deaf() -> String {
    format!("{} | sed -u 's/onInvitationAccepted/onInvitationCancelled/g'", reference("core"))
}

#[test]
fn known_failures_are_run_all_the_same_and_go_stale_loudly() {
    let list = folder("known").join("known.yaml");
    let known = ["--known-failures", list.to_str().unwrap(), "scenarios/revoke", "scenarios/answer"];
    let wrong = conform(&deaf(), &known);
    assert_eq!(wrong.status.code(), Some(1), "{}", stdout(&wrong));
    conform(&deaf(), &[&["--fix"], &known[..]].concat());
    let text = std::fs::read_to_string(&list).unwrap();
    assert!(text.contains("fingerprint:") && text.contains("to be looked into"), "{text}");
    let again = conform(&deaf(), &known);
    assert_eq!(again.status.code(), Some(0), "{}\n{text}", stdout(&again));
    assert!(stdout(&again).contains("known failure"), "{}", stdout(&again));
    // What has been mended is told, and --fix forgets it.
    let mended = conform(&reference("core"), &known);
    assert_eq!(mended.status.code(), Some(1));
    assert!(stdout(&mended).contains("unexpected pass"), "{}", stdout(&mended));
    assert!(String::from_utf8_lossy(&mended.stderr).contains("does not fail with"), "{mended:?}");
    conform(&reference("core"), &[&["--fix"], &known[..]].concat());
    assert_eq!(conform(&reference("core"), &known).status.code(), Some(0));
}

#[test]
fn what_did_not_answer_in_time_is_not_put_on_the_list() {
    let list = folder("known-luck").join("known.yaml");
    let _ = std::fs::remove_file(&list);
    let arguments = ["--jobs", "1", "--patience", "1", "--fix", "--known-failures", list.to_str().unwrap()];
    let scenario = "scenarios/invite/accepted-user-is-spared-for-the-entry-grace.yaml";
    let output = conform(&format!("{HELLO}; read l; sleep 60"), &[&arguments[..], &[scenario]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains(&format!("not put on the list: {scenario} did not answer in time")), "{said}");
    assert!(std::fs::read_to_string(&list).unwrap().contains("failures: []"));
    // What ended on its own account is put there.
    let output = conform(&format!("{HELLO}; read l; exit 4"), &[&arguments[..], &[scenario]].concat());
    assert!(std::fs::read_to_string(&list).unwrap().contains("crash: it ended"), "{output:?}");
}

#[test]
fn what_a_profile_waives_is_not_strict() {
    let profile = folder("profile").join("mine.yaml");
    std::fs::write(&profile, "version: 1\nname: mine\nwaive: {LST-3: newest first}\n").unwrap();
    let arguments = ["--profile", profile.to_str().unwrap(), "scenarios/revoke"];
    let output = conform(&reference("core"), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    std::fs::write(&profile, "version: 1\nname: mine\nwaive: {DEV-4: never}\n").unwrap();
    let output = conform(&reference("core"), &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("whose basis is DOC"), "{output:?}");
}

#[test]
fn smoke_says_what_works_and_what_comes_next() {
    let all = convoke(&["smoke", "--server", &reference("core")]);
    let text = stdout(&all);
    assert_eq!(all.status.code(), Some(0), "{text}");
    assert!(text.contains("7. it runs out: yes") && text.contains("next: the whole corpus"), "{text}");
    let some = convoke(&["smoke", "--server", &deaf()]);
    let text = stdout(&some);
    assert_eq!(some.status.code(), Some(1), "{text}");
    assert!(text.contains("4. an invitation arrives: yes") && text.contains("5. it is accepted: no"), "{text}");
    // One cause, and not all that follows from it.
    assert_eq!(text.matches("\nerror: ").count(), 1, "{text}");
    assert!(text.contains("may follow from it"), "{text}");
    let none = convoke(&["smoke", "--server", "cat", "--patience", "2"]);
    let text = stdout(&none);
    assert_eq!(none.status.code(), Some(3), "{text}");
    assert!(text.contains("1. it introduces itself: no") && text.contains("section 2.1"), "{text}");
}

#[test]
fn smoke_tries_a_library_step_by_step() {
    let smoke = |device: &str| {
        let output = convoke(&["smoke", "--device", device, "--patience", "2"]);
        (output.status.code(), stdout(&output) + &String::from_utf8_lossy(&output.stderr))
    };
    let (code, text) = smoke(&reference("device"));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("11. handlers are called: yes") && text.contains("next: the whole corpus"), "{text}");
    let lacking = format!("{} | sed -u 's/\"devices\"/\"lacks\":[\"handlers\"],\"devices\"/'", reference("device"));
    let (code, text) = smoke(&lacking);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("11. handlers are called: left out") && text.contains("lacks `handlers`"), "{text}");
    let check = |device: &str, wanted: i32, words: &[&str]| {
        let (code, text) = smoke(device);
        assert_eq!(code, Some(wanted), "{device}: {text}");
        for words in words {
            assert!(text.contains(words), "{device}: no `{words}` in {text}");
        }
    };
    let no = "1. it introduces itself: no";
    check("sleep 60", 3, &[no, "hang: no answer within 2 s", "answer `hello` as that section says"]);
    check("read l; echo nonsense; cat >/dev/null", 3, &[no, "malformed message: not a JSON text"]);
    check(&format!("{HELLO}; cat >/dev/null"), 3, &[no, "it was asked for contract `device`"]);
    let ours = reference("device");
    check(&format!("{{ sed -u 3q; sleep 60; }} | {ours}"), 3, &["2. a room is created and entered: no", "hang:"]);
    check(&format!("sed -u 6q | {ours}"), 3, &["2. a room is created and entered: no", "crash:"]);
    check(
        &format!("{ours} --mutant nothing-is-repeated"),
        1,
        &[
            "8. a device that was away rings when it is back: yes",
            "9. what was not answered is sent again, and counts once: no",
        ],
    );
}

/// A client library behind the conversation.
fn conform_device(device: &str, arguments: &[&str]) -> Output {
    convoke(&[&["conform", "--device", device], arguments].concat())
}

#[test]
fn our_library_shows_the_same_behind_the_conversation() {
    let folders = ["scenarios/client", "scenarios/sessions", "scenarios/races", "scenarios/invalid"];
    let here = outcomes(&convoke(&[&["run", "--ci", "--format", "json"], &folders[..]].concat()));
    let one = format!("{} | sed -u 's/\"devices\":\"all\"/\"devices\":\"one\"/'", reference("device"));
    // One process for all devices, and one for each: on a busy machine it takes a while until the last of them says hello.
    for device in [reference("device"), one] {
        let there = conform_device(&device, &[&["--format", "json", "--patience", "60"], &folders[..]].concat());
        assert_eq!(there.status.code(), Some(0), "{}", stdout(&there));
        let there = outcomes(&there);
        assert_eq!(here.len(), there.len());
        let mut compared = 0;
        for ((path, _, here), (other, verdict, there)) in here.iter().zip(&there) {
            assert_eq!(path, other);
            // JSON has no infinity, so an error that repeats it has another text.
            if verdict == "pass" && !path.ends_with("timeouts-that-the-library-refuses.yaml") {
                assert_eq!(here, there, "{path}");
                compared += 1;
            }
        }
        assert!(compared > 60, "only {compared} of {} could be compared", here.len());
    }
}

#[test]
fn each_device_may_have_another_library() {
    let faulty = |whom: &str| format!("{whom}={} --mutant handler-registered-twice-runs-twice", reference("device"));
    let scenario = "scenarios/client/handler-registered-twice-runs-once.yaml";
    // Only who has the handler shows the fault, and the report says who that is.
    let with =
        |whom: &str| convoke(&["conform", "--device", &reference("device"), "--device", &faulty(whom), scenario]);
    assert_eq!(with("alice").status.code(), Some(0));
    let output = with("bob.phone");
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("convoke-reference, handler-registered-twice-runs-twice 0.1.0 plays bob.phone"), "{text}");
    assert!(text.contains("convoke-reference 0.1.0 plays alice.web, carol.web"), "{text}");
    assert!(text.contains("the reference plays the server"), "{text}");
    // Where it plays nobody whom the scenario has, nothing was tried.
    let nobody = format!("nobody.phone={}", reference("device"));
    let output = conform_device(&nobody, &["scenarios/revoke", "-v"]);
    assert!(stdout(&output).contains("none of its devices with a library is nobody.phone"), "{}", stdout(&output));
}

/// A server and a library behind the conversation, in one run.
fn conform_both(server: &str, device: &str, arguments: &[&str]) -> Output {
    convoke(&[&["conform", "--server", server, "--device", device], arguments].concat())
}

#[test]
fn a_server_and_a_library_of_others_play_together() {
    let folders = ["scenarios/answer", "scenarios/client", "scenarios/sessions"];
    let here = outcomes(&convoke(&[&["run", "--ci", "--format", "json"], &folders[..]].concat()));
    let there = conform_both(
        &reference("full"),
        &reference("device"),
        &[&["--format", "json", "--once"], &folders[..]].concat(),
    );
    assert_eq!(there.status.code(), Some(0), "{}", stdout(&there));
    let report: Value = serde_json::from_slice(&there.stdout).expect("a report");
    assert_eq!(report["implementation"]["contract"], "full + device");
    assert_eq!(report["scenarios"][0]["played"][0]["server"], true, "{}", report["scenarios"][0]["played"]);
    let there = outcomes(&there);
    let same = here.iter().zip(&there).filter(|((_, _, here), (_, verdict, there))| verdict == "pass" && here == there);
    let same = same.count();
    assert!(same > 60, "only {same} of {} show the same", here.len());
    // Contract `core` has our session layer between the two.
    let output = conform_both(&reference("core"), &reference("device"), &["scenarios/revoke"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
}

#[test]
fn whose_failure_it_is_is_told() {
    let check = |server: &str, device: &str, scenario: &str, code: i32, words: &[&str]| {
        let output = conform_both(server, device, &["--patience", "3", scenario]);
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        for words in words {
            assert!(text.contains(words), "no `{words}` in {text}");
        }
    };
    let (server, device) = (reference("full"), reference("device"));
    let faulty = |of: &str, mutant: &str| format!("{of} --mutant {mutant}");
    let cancels = "scenarios/cancel/inviter-cancels.yaml";
    check(
        &faulty(&server, "cancel-is-lost"),
        &device,
        cancels,
        1,
        &[
            "whose failure it is: convoke-reference, cancel-is-lost 0.1.0 as the server",
            "; convoke-reference 0.1.0 on alice.",
            " does not",
            "convoke-reference, cancel-is-lost 0.1.0 plays the server",
        ],
    );
    let twice = "scenarios/client/handler-registered-twice-runs-once.yaml";
    check(
        &server,
        &faulty(&device, "handler-registered-twice-runs-twice"),
        twice,
        1,
        &[
            "whose failure it is: convoke-reference, handler-registered-twice-runs-twice 0.1.0 on",
            "convoke-reference 0.1.0 as the server does not",
        ],
    );
    check(
        &faulty(&server, "cancel-is-lost"),
        &faulty(&device, "any-end-closes-the-ring"),
        cancels,
        1,
        &["cancel-is-lost 0.1.0 as the server"],
    );
    // Who breaks the conversation is named.
    check(&format!("sed -u 9q | {server}"), &device, cancels, 3, &["convoke-reference 0.1.0 (the server): crash"]);
    check(&server, &format!("sed -u 9q | {device}"), cancels, 3, &["convoke-reference 0.1.0 (the devices): crash"]);
}

const LIBRARY: &str = r#"{"type":"hello","schema":1,"contract":"device","name":"zoo","version":"0","devices":"all""#;

/// A library that introduces itself twice, is started, and then does this.
#[track_caller]
fn check_library(then: &str, words: &[&str]) {
    let hello = format!("read l; echo '{LIBRARY},\"reusable\":true}}'");
    let device = format!("{hello}; {hello}; {then}");
    let arguments = ["--jobs", "1", "--patience", "3", "scenarios/invite", "--filter", "invite", "--fail-fast"];
    let output = conform_device(&device, &arguments);
    let text = stdout(&output) + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{then}\n{text}");
    for words in words {
        assert!(text.contains(words), "{then}: no `{words}` in\n{text}");
    }
}

#[test]
fn a_library_that_breaks_the_conversation_gets_a_verdict_that_says_so() {
    check_library(
        "read l; sleep 60",
        &["implementation broke", "hang: no answer within 3 s", "asked: start to device 1"],
    );
    check_library("read l; echo nonsense; cat >/dev/null", &["malformed message: not a JSON text", "section 9"]);
    check_library("read l; echo 'out of luck' >&2; exit 4", &["crash: it ended, with exit code 4", "out of luck"]);
    let says = |out: &str| format!("read l; echo '{{\"type\":\"out\",\"out\":[{out}]}}'; cat >/dev/null");
    let send = r#"{"send":{"message":{"type":"acknowledge","received":1}}}"#;
    check_library(&says(send), &["at /out/0: a message, and there is no connection"]);
    check_library(&says(r#"{"result":{"call":7}}"#), &["a result of call 7, which is not open", "ERR-4"]);
    check_library(
        &says(r#"{"handled":{"handler":"h","event":"onKickedOffLine","payload":{"message":""}}}"#),
        &["never registered"],
    );
}

#[test]
fn what_a_library_lacks_is_unsupported() {
    let lacking =
        format!("{} | sed -u 's/\"devices\"/\"lacks\":[\"handlers\",\"autoBusy\"],\"devices\"/'", reference("device"));
    let output = conform_device(&lacking, &["scenarios/client", "-v"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("lacks `handlers`, which") && text.contains("lacks `autoBusy`, which"), "{text}");
    let wrong = format!("{} | sed -u 's/\"devices\"/\"lacks\":[\"login\"],\"devices\"/'", reference("device"));
    let output = conform_device(&wrong, &["scenarios/client"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`login` can't be lacking"), "{output:?}");
}

#[test]
fn a_library_that_is_not_the_same_twice_is_told() {
    // Every process makes request ids of its own, whether it serves one run or several.
    for of_one_run in [r#"s/"reusable":true,//; s/,"reusable":true//; "#, ""] {
        let filter = format!(r#"sed -u '{of_one_run}s/"id":"\([0-9a-f]*\)-/"id":"'$$'-/g'"#);
        let library = format!("{} | {filter}", reference("device"));
        let output = conform_device(&library, &["scenarios/revoke", "--fail-fast"]);
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("not deterministic: two runs with the same seed part at moment"), "{text}");
    }
}

/// A profile of this content, in a folder of its own.
fn profile(name: &str, content: &str) -> String {
    let file = folder("profiles").join(format!("{name}.yaml"));
    std::fs::write(&file, format!("version: 1\nname: {name}\n{content}\n")).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_declared_variant_is_judged_and_not_passed_over() {
    // The reference, except that its list events have no roomId.
    let server = format!("{} | sed -u 's/\"roomId\":\"[^\"]*\",\"roomInfo\":{{/\"roomInfo\":{{/g'", reference("core"));
    let strictly = conform(&server, &["scenarios/revoke"]);
    let text = stdout(&strictly);
    assert_eq!(strictly.status.code(), Some(1), "{text}");
    assert!(text.contains("roomId is missing (EVT-2)"), "{text}");

    let declared = profile("room-info", "variants: {EVT-2: room-info}");
    let output = conform(&server, &["--profile", &declared, "scenarios/revoke"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("non-strict") && text.contains("EVT-2 room-info"), "{text}");

    let other = profile("room-id", "variants: {EVT-2: room-id}");
    let output = conform(&server, &["--profile", &other, "scenarios/revoke"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
}

#[test]
fn a_variant_by_which_nothing_passes_is_told() {
    let declared = profile("stale", "variants: {REV-2: invitee, LST-9: whole-list}");
    let words = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let arguments = ["--profile", &declared, "scenarios/revoke"];
    let strict = conform(&reference("core"), &arguments);
    assert_eq!(strict.status.code(), Some(0), "{}", stdout(&strict));
    for stale in ["`invitee` of REV-2", "`whole-list` of LST-9"] {
        assert!(words(&strict).contains(&format!("stale variant: the profile declares {stale}")), "{}", words(&strict));
    }
    let otherwise = format!("{} --mutant revoked-to-the-invitee", reference("core"));
    let output = conform(&otherwise, &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(!words(&output).contains("of REV-2") && words(&output).contains("of LST-9"), "{}", words(&output));
    // A part of the suite says nothing of the whole.
    let some = conform(&reference("core"), &[&arguments[..], &["--filter", "owner"]].concat());
    assert!(!words(&some).contains("stale"), "{}", words(&some));
}

#[test]
fn what_a_contract_cannot_show_does_not_count_as_shown() {
    let folder = "scenarios/faults";
    let result = |output: &Output| serde_json::from_slice::<Value>(&output.stdout).expect("a result");
    let verdict = |result: &Value, id: &str| {
        let groups = result["requirements"].as_array().unwrap();
        let mut all = groups.iter().flat_map(|group| group["requirements"].as_array().unwrap());
        let found = all.find(|one| one["id"] == id).unwrap();
        (found["verdict"].as_str().unwrap().to_owned(), found["outOfReach"] == true)
    };
    let (pass, out) = (("pass".to_owned(), false), ("unsupported".to_owned(), true));
    for (contract, of_sessions) in [("core", &out), ("full", &pass)] {
        let output = conform(&reference(contract), &[folder, "--format", "json"]);
        let result = result(&output);
        assert_eq!(verdict(&result, "IDM-1"), *of_sessions, "{contract}");
        assert_eq!(verdict(&result, "IDM-5"), out, "{contract}: the client library is not the server's");
        assert_eq!(verdict(&result, "TMO-6"), pass, "{contract}");
        let scenarios = result["scenarios"].as_array().unwrap();
        let counted = scenarios.iter().any(|one| one["covers"].as_array().unwrap().contains(&Value::from("IDM-1")));
        assert_eq!(counted, contract == "full");
        let text = stdout(&conform(&reference(contract), &[folder]));
        assert!(text.contains(" out of reach of the contract)"), "{text}");
    }
}

#[test]
fn what_is_lacked_or_fixed_otherwise_is_unsupported_with_the_reason() {
    let mine = profile("mine", "bounds: {page_default: 10, ids_max: 60}\nlacks: {passwords: rooms have none}");
    let output =
        conform(&reference("core"), &["--profile", &mine, "--once", "-v", "scenarios/lists", "scenarios/rooms"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("it needs `passwords`, which the implementation lacks: rooms have none"), "{text}");
    assert!(text.contains("which the profile fixes at 10"), "{text}");
}

#[test]
fn combinations_of_axes_have_names_like_paths() {
    let axes = ["--axis", "devices=1,2", "--axis", "network=as-is,slow", "--once"];
    let output = conform(&reference("core"), &[&axes[..], &["--format", "json", "scenarios/revoke"]].concat());
    let paths: Vec<String> = outcomes(&output).into_iter().map(|(path, ..)| path).collect();
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    for combination in ["devices=1/network=as-is", "devices=2/network=as-is", "devices=2/network=slow"] {
        let behind = format!(".yaml/{combination}");
        assert!(paths.iter().any(|path| path.ends_with(&behind)), "{combination}: {paths:#?}");
    }
    // A filter is held against the whole name, and so are the patterns of known failures.
    let list = folder("axes").join("known.yaml");
    let text = "version: 1\nflaky: [{scenario: 'revoke/**/network=slow', why: a test}]\n";
    std::fs::write(&list, text).unwrap();
    let known = ["--known-failures", list.to_str().unwrap(), "--filter", "devices=2/network=slow", "scenarios/revoke"];
    let output = conform(&deaf(), &[&axes[..], &known[..]].concat());
    let told = stdout(&output);
    assert!(told.contains("known failure") && !told.contains("devices=1"), "{told}");
    let output = conform("true", &["--axis", "devices=9"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("it has 1, 2, 3"), "{output:?}");
}

#[test]
fn an_implementation_has_snapshots_of_its_own() {
    let folder = folder("snapshots");
    let scenarios = folder.join("scenarios");
    std::fs::create_dir_all(&scenarios).unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/lists/empty-list-is-a-success.yaml");
    std::fs::copy(from, scenarios.join("empty.yaml")).unwrap();
    let scenarios = scenarios.to_str().unwrap();
    let snapshot = folder.join("snapshots/convoke-reference/empty.snap");

    let blessed = conform(&reference("core"), &["--bless", scenarios]);
    assert_eq!(blessed.status.code(), Some(0), "{}", stdout(&blessed));
    let recorded = std::fs::read_to_string(&snapshot).expect("it was recorded");
    let same = conform(&reference("core"), &["--format", "json", scenarios]);
    let report: Value = serde_json::from_slice(&same.stdout).unwrap();
    assert_eq!(report["scenarios"][0]["snapshot"]["state"], "same", "{report:#}");

    std::fs::write(&snapshot, recorded.replace("getInvitationList", "getAnotherList")).unwrap();
    let differs = conform(&reference("core"), &[scenarios]);
    let text = stdout(&differs);
    assert_eq!(differs.status.code(), Some(1), "{text}");
    assert!(text.contains("the snapshot differs") && text.contains("getAnotherList"), "{text}");

    // What is not recorded is not missed, unless the folder is named.
    std::fs::remove_file(&snapshot).unwrap();
    assert_eq!(conform(&reference("core"), &[scenarios]).status.code(), Some(0));
    let named = folder.join("snapshots/convoke-reference");
    let missed = conform(&reference("core"), &["--snapshots", named.to_str().unwrap(), scenarios]);
    assert_eq!(missed.status.code(), Some(1), "{}", stdout(&missed));
}

#[test]
fn the_console_and_the_pages_count_what_is_shown_alike() {
    let folder = folder("counts");
    let (json, html) = (folder.join("counts.json"), folder.join("counts.html"));
    let files = ["--json", json.to_str().expect("a path"), "--html", html.to_str().expect("a path")];
    let output = conform(&deaf(), &[&["--once", "scenarios/answer", "scenarios/lists"], &files[..]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let result: Value = serde_json::from_slice(&std::fs::read(&json).expect("a result")).expect("JSON");
    let groups = result["requirements"].as_array().expect("groups");
    let all = groups.iter().flat_map(|group| group["requirements"].as_array().expect("requirements"));
    let all: Vec<&Value> = all.filter(|one| one["level"] != "definition").collect();
    let with = |verdict: &str| all.iter().filter(|one| one["verdict"] == verdict).count();
    let (shown, broken) = (with("pass"), with("fail"));
    assert!(shown > 0 && broken > 0, "{shown} shown, {broken} broken");
    let said = stdout(&output);
    assert!(said.contains(&format!("{shown} requirements shown, {broken} broken")), "{said}");
    let page = std::fs::read_to_string(&html).expect("a page");
    assert!(page.contains(&format!("{broken} requirements broken, {shown} requirements shown")));
}

#[test]
fn a_setup_that_is_refused_names_what_the_server_may_lack() {
    // It ends with `stop`, as the server behind it does.
    let rewritten = r#"sed -u 's/"operation":"changeUserRole"/"operation":"somethingElse"/; /"type":"stop"/q'"#;
    let server = format!("{rewritten} | {}", reference("core"));
    let scenario = "scenarios/cancel/administrator-revokes.yaml";
    let output = conform(&server, &["--once", scenario]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stdout(&output).contains("says so in its profile: `lacks: {roles: why}`"), "{}", stdout(&output));
    let lacks = profile("lacks-roles", "lacks: {roles: there are none}");
    let output = conform(&server, &["--once", "-v", "--profile", &lacks, scenario]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).contains("there are none"), "{}", stdout(&output));
}
