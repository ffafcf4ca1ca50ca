//! Contract `system` as a user runs it: the adapter in Python over a client library of its own and `convoke serve`, the same
//! with a fault, on a service that others use, too, and a zoo of adapters that break the conversation.
#![cfg(all(feature = "cli", feature = "net"))]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

const CONVOKE: &str = env!("CARGO_BIN_EXE_convoke");
const ADAPTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/implementations/python-system/adapter.py");

fn convoke(arguments: &[&str]) -> Output {
    Command::new(CONVOKE).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("convoke runs")
}

fn conform(system: &str, arguments: &[&str]) -> Output {
    convoke(&[&["conform", "--system", system], arguments].concat())
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The adapter with a server of its own for every run.
fn adapter(more: &str) -> String {
    format!("python3 -B '{ADAPTER}' --serve \"'{CONVOKE}' serve\" {more}")
}

/// How many scenarios have this verdict in a result.
fn count(result: &Value, verdict: &str) -> usize {
    let scenarios = result["scenarios"].as_array().expect("scenarios");
    scenarios.iter().filter(|one| one["verdict"] == verdict).count()
}

#[test]
fn an_sdk_with_its_server_passes_what_real_time_can_show() {
    let folders =
        ["scenarios/answer", "scenarios/cancel", "scenarios/invite", "scenarios/revoke", "scenarios/sessions"];
    let output =
        conform(&adapter(""), &[&["--format", "json", "--jobs", "8", "--patience", "60"], &folders[..]].concat());
    let result: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    let wrong: Vec<&Value> = result["scenarios"]
        .as_array()
        .expect("scenarios")
        .iter()
        .filter(|one| one["verdict"] != "pass" && one["verdict"] != "unsupported")
        .collect();
    assert_eq!(output.status.code(), Some(0), "{wrong:#?}\n{}", String::from_utf8_lossy(&output.stderr));
    let passed = count(&result, "pass");
    assert!(passed >= 45, "only {passed} pass, and {} are unsupported", count(&result, "unsupported"));
    assert_eq!(result["implementation"]["contract"], "system", "{}", result["implementation"]);
}

/// The adapter swallows an event, or says it twice: an always-check must say so, and name the requirement.
#[track_caller]
fn check_fault(fault: &str, scenario: &str, requirement: &str, words: &str) {
    let output = conform(&adapter(&format!("--fault {fault}")), &["--attempts", "1", scenario]);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{fault}: {text}");
    let finding =
        text.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{fault}: no `{words}` in {text}"));
    assert!(finding.contains(requirement), "{fault}: no {requirement} in {finding}");
}

#[test]
fn an_adapter_with_a_fault_is_caught_by_requirement() {
    check_fault(
        "drop:onInvitationCancelled",
        "scenarios/cancel/inviter-cancels.yaml",
        "CAN-5",
        "rings for r1 for ever",
    );
    check_fault(
        "twice:onReceiveInvitation",
        "scenarios/cancel/inviter-cancels.yaml",
        "IDM-4",
        "while it rings already",
    );
    let handled = "never hears that another device has answered";
    check_fault("drop:onInvitationHandledByOtherDevice", "scenarios/answer/accept-then-enter.yaml", "DEV-4", handled);
}

/// A server that others use, too, and that ends with the test.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(CONVOKE)
            .args(["serve", "--listen", "127.0.0.1:0", "--log-level", "error", "--until-input-ends"])
            .args(arguments)
            .env("CONVOKE_SDK_SECRET", "for tests alone")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let greeting = lines.map_while(Result::ok).find(|line| line.contains("ws://")).expect("it says where it is");
        let rest = greeting.split_once("ws://").expect("an address").1;
        let url = format!("ws://{}", rest.split_whitespace().next().expect("an address"));
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn accounts_play_on_a_service_that_others_use() {
    let server = Server::start(&["--sdk-app-id", "1400000001"]);
    let system = format!("python3 -B '{ADAPTER}' --url {}", server.url);
    let folder = std::env::temp_dir().join(format!("convoke-system-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let secret = folder.join("secret");
    std::fs::write(&secret, "for tests alone").unwrap();
    let token = ["--sdk-app-id", "1400000001", "--secret-file", secret.to_str().unwrap()];
    let scenarios = ["scenarios/cancel/inviter-cancels.yaml", "scenarios/answer/accept-then-enter.yaml", "-v"];
    // Any id is an account; and the same again finds nothing left behind.
    for _ in 0..2 {
        let output = conform(&system, &[&token[..], &scenarios].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        assert!(text(&output).contains("2 pass"), "{}", text(&output));
    }
    // Of a list the accounts that are there play in turn.
    let accounts = folder.join("accounts.json");
    std::fs::write(&accounts, r#"[{"userId": "t1"}, {"userId": "t2"}, {"userId": "t3"}]"#).unwrap();
    let listed = ["--accounts", accounts.to_str().unwrap()];
    let output = conform(&system, &[&token[..], &listed, &scenarios, &["--prefix", "list-"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    std::fs::write(&accounts, r#"[{"userId": "t1"}]"#).unwrap();
    let output = conform(&system, &[&token[..], &listed, &scenarios].concat());
    assert!(text(&output).contains("users, and the list of accounts 1"), "{}", text(&output));
    // Without a token nobody may log in: that is the service's failure, and no broken conversation.
    let output = conform(&system, &[&["--attempts", "1"], &scenarios[..1]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("the setup failed"), "{}", text(&output));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn our_library_with_our_server_passes_behind_the_conversation() {
    let system = format!("'{CONVOKE}' reference --contract system");
    let scenarios = ["scenarios/cancel", "scenarios/sessions", "--jobs", "8", "--patience", "60"];
    let output = conform(&system, &[&["--format", "json"], &scenarios[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    assert!(count(&result, "pass") >= 20, "only {} pass", count(&result, "pass"));
    // The same with a fault of either: one scenario names it.
    for (mutant, scenario, requirement) in [
        ("cancel-reaches-one-device", "scenarios/cancel/inviter-cancels.yaml", "CAN-5"),
        ("nothing-is-resumed", "scenarios/sessions/rings-that-began-and-ended-meanwhile.yaml", "REC-"),
    ] {
        let output = conform(&format!("{system} --mutant {mutant}"), &["--attempts", "1", scenario]);
        assert_eq!(output.status.code(), Some(1), "{mutant}: {}", text(&output));
        assert!(text(&output).contains(requirement), "{mutant}: {}", text(&output));
    }
}

#[test]
fn faulty_servers_are_found_behind_an_adapter_of_somebody_else() {
    let adapter = format!("python3 -B '{ADAPTER}' --serve \"'{CONVOKE}' serve --mutant {{mutant}}\"");
    let mutants = |adapter: &str, more: &[&str]| {
        let arguments = ["mutants", "--contract", "system", "--adapter", adapter, "--format", "json", "--first-kill"];
        convoke(&[&arguments, more].concat())
    };
    let chosen = ["--mutant", "cancel-is-lost", "--mutant", "batch-is-many-commits", "--mutant", "nothing-is-repeated"];
    let output = mutants(&adapter, &[&chosen[..], &["scenarios/cancel"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    let of = |name: &str| value["mutants"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
    assert_eq!(of("cancel-is-lost")["fate"], "killed", "{value:#}");
    assert_eq!(of("batch-is-many-commits")["fate"], "out of sight");
    let words = of("nothing-is-repeated")["outOfSight"].as_str().unwrap_or_default().to_owned();
    assert!(words.contains("the adapter's own"), "{words}");
    assert_eq!(value["unfit"], serde_json::json!({}));
    // An adapter that swallows the very event is wrong without any mutant: its scenarios grade nothing.
    let deaf = format!("{adapter} --fault drop:onInvitationCancelled");
    let output = mutants(&deaf, &["--mutant", "cancel-is-lost", "scenarios/cancel/inviter-cancels.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("grades nothing: with the faultless server"), "{}", text(&output));
    // What can't be meant.
    let output = mutants("./adapter", &["scenarios/cancel"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("write {mutant} where the mutant's name belongs"), "{}", text(&output));
    let output = convoke(&["mutants", "--contract", "full", "--adapter", "{mutant}", "scenarios/cancel"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

#[test]
fn smoke_tries_an_adapter_step_by_step() {
    let smoke = |system: &str, patience: &str| convoke(&["smoke", "--system", system, "--patience", patience]);
    let all = smoke(&adapter(""), "30");
    assert_eq!(all.status.code(), Some(0), "{}", text(&all));
    assert!(text(&all).contains("9. a program that died is started again: yes"), "{}", text(&all));
    assert!(text(&all).contains("next: the whole corpus, with `convoke conform --system"), "{}", text(&all));
    let deaf = smoke(&adapter("--fault drop:onInvitationCancelled"), "30");
    assert_eq!(deaf.status.code(), Some(1), "{}", text(&deaf));
    assert!(text(&deaf).contains("5. it is accepted: yes\n6. it is cancelled: no"), "{}", text(&deaf));
    let check = |system: &str, words: &[&str]| {
        let output = smoke(system, "2");
        assert_eq!(output.status.code(), Some(3), "{system}: {}", text(&output));
        for words in words {
            assert!(text(&output).contains(words), "{system}: no `{words}` in {}", text(&output));
        }
    };
    let no = "1. it introduces itself: no";
    check("sleep 60", &[no, "hang: no answer within 2 s", "section 10", "answer `hello` as that section says"]);
    check("echo nonsense; cat >/dev/null", &[no, "malformed message: not a JSON text"]);
    let core = HELLO.replace("system", "core");
    check(
        &format!("read l; echo '{core}'; cat >/dev/null"),
        &[no, "it was asked for contract `system` and offers `core`"],
    );
    check("exit 4", &[no, "it ended, with exit code 4"]);
    // Answers late, from the fourth line on; and dies in the middle of a run.
    let ours = format!("'{CONVOKE}' reference --contract system");
    let room = "2. a room is created and entered: no";
    check(&format!("{{ sed -u 3q; sleep 60; }} | {ours}"), &[room, "hang:"]);
    check(&format!("sed -u 6q | {ours}"), &[room, "crash: it ended, with exit code 0"]);
    check(&format!("{ours} | sed -u 's/\"returned\"/\"answered\"/'"), &[room, "unknown type `answered`"]);
}

const HELLO: &str = r#"{"type":"hello","schema":1,"contract":"system","name":"zoo","version":"0","capabilities":[]}"#;

/// An adapter that introduces itself, and in its first run does this after `hello`: the run must end with exit code 3 and
/// these words.
#[track_caller]
fn check_zoo(then: &str, words: &[&str]) {
    let system = format!(
        "read l; echo '{HELLO}'; read l; case \"$l\" in *stop*) echo '{{\"type\":\"done\",\"id\":0}}'; exit;; esac; {then}"
    );
    let arguments = ["--jobs", "1", "--patience", "1", "scenarios/cancel/inviter-cancels.yaml"];
    let output = conform(&system, &arguments);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(3), "{then}\n{text}");
    assert!(text.contains("implementation broke") && text.contains("section 10"), "{then}\n{text}");
    for words in words {
        assert!(text.contains(words), "{then}: no `{words}` in\n{text}");
    }
}

#[test]
fn each_animal_of_the_zoo_ends_in_a_verdict_that_says_so() {
    check_zoo("sleep 60", &["hang: no answer within 1 s", "asked: device alice.web"]);
    check_zoo("echo 'out of luck' >&2; exit 4", &["crash: it ended, with exit code 4", "out of luck", "asked: device"]);
    check_zoo("sleep 60 & exit 0", &["crash: it ended, with exit code 0, while a process", "keeps its output open"]);
    check_zoo("echo nonsense; cat >/dev/null", &["malformed message: not a JSON text", "said: nonsense"]);
    check_zoo("printf 'half a line'", &["its last line has no line break"]);
    check_zoo(r#"echo '{"type":"done","id":999}'; cat >/dev/null"#, &["out of turn", "nobody asked"]);
    check_zoo(
        r#"echo '{"type":"event","device":"nobody","event":"onX","payload":{}}'; cat >/dev/null"#,
        &["out of turn: there is no device `nobody`"],
    );
    check_zoo(
        r#"echo '{"type":"event","device":"bob.phone","event":"onX","payload":{}}'; cat >/dev/null"#,
        &["malformed message", "unknown event `onX`"],
    );
    check_zoo(r#"echo '{"type":"done","id":1,"ok":true}'; cat >/dev/null"#, &["unknown field `ok`"]);
    check_zoo(r#"echo '{"type":"returned","id":1}'; cat >/dev/null"#, &["where nothing was called: say `done`"]);
}

#[test]
fn what_cannot_be_meant_is_told() {
    let check = |arguments: &[&str], code: i32, words: &str| {
        let output = convoke(&[&["conform"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(words), "{arguments:?}: no `{words}` in {}", text(&output));
    };
    check(&["scenarios/revoke"], 2, "--system");
    check(&["--system", "true", "--server", "true"], 2, "cannot be used with");
    check(&["--system", "no-such-command-here"], 3, "exit code 127");
    check(&["--system", "cat", "--patience", "1"], 3, "malformed message");
    check(&["--system", "cat", "--accounts", "no-such-file.json"], 2, "it is not there");
    let core =
        r#"read l; echo '{"type":"hello","schema":1,"contract":"core","name":"","version":"","storage":"none"}'"#;
    check(&["--system", core], 3, "offers `core`");
    let plain = format!("read l; echo '{HELLO}'; read l; echo '{{\"type\":\"done\",\"id\":0}}'");
    check(&["--system", &plain, "--scale", "10"], 2, "needs the capabilities `bounds` and `fractions`");
}

/// The lines of the conversation in docs/IMPLEMENTATIONS.md.
fn conversation() -> Vec<(bool, Value)> {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/IMPLEMENTATIONS.md");
    let page = std::fs::read_to_string(page).expect("it is there");
    let (_, rest) = page.split_once("```text system\n").expect("there is a conversation");
    let (lines, _) = rest.split_once("```").expect("it ends");
    let line = |line: &str| {
        let said = line.starts_with("> ");
        (said, serde_json::from_str(&line[2..]).unwrap_or_else(|error| panic!("{error}: {line}")))
    };
    lines.lines().map(line).collect()
}

/// The clock of the server differs from run to run.
fn without_clock(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "createTime" => *value = 0.into(),
                    _ => without_clock(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(without_clock),
        _ => {}
    }
}

#[test]
fn the_conversation_of_the_page_is_what_the_adapter_says() {
    let server = Server::start(&["--insecure-any-user"]);
    let mut adapter = Command::new("python3")
        .args(["-B", ADAPTER, "--url", &server.url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is there");
    let mut to = adapter.stdin.take().expect("it is piped");
    let mut from = BufReader::new(adapter.stdout.take().expect("it is piped")).lines();
    let conversation = conversation();
    assert!(conversation.len() > 20, "it is short");
    for turn in conversation.chunk_by(|_, (said, _)| !said) {
        let [(_, said), wanted @ ..] = turn else { panic!("a turn begins with what is said") };
        writeln!(to, "{said}").unwrap();
        // What several applications hear at once may be told in any order.
        let mut wanted: Vec<String> = wanted.iter().map(|(_, line)| line.to_string()).collect();
        let mut heard: Vec<String> = (0..wanted.len())
            .map(|_| {
                let line = from.next().and_then(Result::ok).unwrap_or_else(|| panic!("it ends after {said}"));
                let mut line: Value = serde_json::from_str(&line).unwrap();
                without_clock(&mut line);
                line.to_string()
            })
            .collect();
        wanted.sort();
        heard.sort();
        assert_eq!(heard, wanted, "after {said}");
    }
    assert!(from.next().is_none(), "it says more");
    assert!(adapter.wait().unwrap().success());
}

#[test]
fn the_schema_takes_what_is_said() {
    let output = convoke(&["schema", "implementation"]);
    let mut schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (said, line) in conversation() {
        let side = if said { "systemHarness" } else { "systemImplementation" };
        schema["anyOf"] = serde_json::json!([{"$ref": format!("#/$defs/{side}")}]);
        assert!(jsonschema::is_valid(&schema, &line), "{line}");
    }
    assert!(!jsonschema::is_valid(&schema, &serde_json::json!({"type": "done"})));
    assert!(Path::new(ADAPTER).is_file());
}

/// An address of this machine that nobody listens at.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is one");
    listener.local_addr().expect("it has one").to_string()
}

/// The adapter as a program that somebody else has started; it ends with the test.
struct Started(Child);

impl Started {
    fn adapter(server: &Server, how: &[&str]) -> Self {
        let arguments = [&["-B", ADAPTER, "--url", &server.url], how].concat();
        Self(Command::new("python3").args(arguments).spawn().expect("python3 is there"))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "an adapter takes a while to listen, and says nothing then")]
fn an_adapter_dials_in_or_is_attached_to() {
    let server = Server::start(&["--insecure-any-user"]);
    let scenarios = [
        "scenarios/cancel/inviter-cancels.yaml",
        "scenarios/answer/accept-then-enter.yaml",
        "--prefix",
        "there-",
        "-v",
    ];
    let address = free_address();
    let dials = Started::adapter(&server, &["--dial", &format!("ws://{address}")]);
    let output = convoke(&[&["conform", "--listen", &address], &scenarios[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("waiting for an adapter") && text(&output).contains("2 pass"), "{}", text(&output));
    drop(dials);
    let address = free_address();
    let port = address.rsplit(':').next().expect("a port");
    let _listens = Started::adapter(&server, &["--at", port]);
    let attach = ["conform", "--attach", &format!("ws://{address}/")].map(str::to_owned);
    let attach: Vec<&str> = attach.iter().map(String::as_str).collect();
    // It takes a while to listen.
    let ready = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        std::net::TcpStream::connect(&address).is_ok()
    });
    assert!(ready, "it never listens");
    let output = convoke(&[&attach[..], &scenarios[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("2 pass"), "{}", text(&output));
    let output = convoke(&["conform", "--attach", &format!("ws://{}/", free_address()), "scenarios/revoke"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("can't attach to ws://"), "{}", text(&output));
}
