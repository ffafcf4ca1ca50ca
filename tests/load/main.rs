//! `convoke load` as a user runs it: real processes, real sockets, a few seconds.

mod proxy;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use convoke::load::LoadResult;
use proxy::Proxy;

/// A folder for one test, gone after it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("load-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_convoke"));
        command.args(arguments).current_dir(&self.0).env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    /// `convoke` with these arguments in it.
    fn convoke(&self, arguments: &str) -> Output {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        self.command(&words).output().unwrap()
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.join(file)).unwrap()
    }

    fn result(&self, file: &str) -> LoadResult {
        LoadResult::from_json(&self.read(file)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running `convoke serve`, ended with the test.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(folder: &Folder) -> Self {
        Self::start_with(folder, &[])
    }

    fn start_with(folder: &Folder, more: &[&str]) -> Self {
        let arguments = "serve --listen 127.0.0.1:0 --insecure-any-user --no-rate-limits";
        Self::spawn(folder, &format!("{arguments} {}", more.join(" ")))
    }

    fn spawn(folder: &Folder, arguments: &str) -> Self {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let mut command = folder.command(&words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.filter_map(|line| Some(line.split_once("ws://")?.1.strip_suffix("/v1")?.to_owned())).next();
        Self { child, address: address.unwrap().parse().unwrap() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A time that processes can agree on, in seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "shards begin together by the machine's clock")]
fn in_seconds(seconds: u64) -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + seconds
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_call_model_is_answered_and_judged() {
    let folder = Folder::new("models");
    // Each has a server of its own and mostly waits, so they may as well wait together.
    std::thread::scope(|scope| {
        for model in ["answered", "rejected", "timed-out", "cancelled", "multi-device", "crowd"] {
            let folder = &folder;
            scope.spawn(move || {
                let arguments = format!("load serve {model} --rate 5 --duration 2s --warm-up 1s --linearizability 1");
                let output = folder.convoke(&arguments);
                let said = text(&output.stdout);
                assert_eq!(output.status.code(), Some(0), "{model}:\n{said}\n{}", text(&output.stderr));
                assert!(said.contains("10 planned, 10 completed"), "{model}:\n{said}");
                assert!(said.contains("nothing wrong") && said.contains("15 calls"), "{model}:\n{said}");
            });
        }
    });
}

#[test]
fn connections_can_be_churned_and_the_reference_can_be_in_the_process() {
    let arguments =
        "load reference answered --rate 10 --arrivals poisson --duration 2s --warm-up 0s --connections churned";
    let output = Folder::new("churned").convoke(arguments);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", text(&output.stderr));
    let logins = said.lines().find(|line| line.starts_with("login ")).unwrap_or_else(|| panic!("{said}"));
    let logins: u64 = logins.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(logins >= 20, "{said}");
}

#[test]
fn what_cannot_be_is_said_with_its_mend() {
    let folder = Folder::new("usage");
    let crash = "version: 1\ntitle: A server that dies.\nusers:\n  alice: {devices: [web]}\nrooms:\n  r: {owner: alice, \
                 members: [alice.web]}\nsteps:\n  - at: 1s\n    crash: {server: true, for: 2s}\n";
    std::fs::write(folder.0.join("crash.yaml"), crash).unwrap();
    for (arguments, words) in [
        ("load nowhere", "is no target"),
        ("load serve unknown", "the models are answered, rejected"),
        ("load ws://127.0.0.1:9/v1", "is the server up"),
        ("load reference --data x", "--data is of the target `serve`"),
        ("load serve --rate 0", "calls a second"),
        ("load serve --duration soon", "--duration soon"),
        ("load serve --duration 0s", "longer than no time"),
        ("load serve --shard 5/4", "which shard of how many"),
        ("load serve --start-at tomorrow", "seconds since 1970"),
        ("load serve --fail-if p99(invite)>5ms", "did you mean `inviteUsers`?"),
        ("load serve --find-knee --rate 5..10", "begins at one rate"),
        ("load serve --repeat 5", "--find-knee"),
        ("load serve crash.yaml", "is no call that load can send"),
        ("merge missing.json", "missing.json: can't read it"),
        ("merge crash.yaml", "it is no JSON"),
        ("run crash.yaml --seeds 2 --shard 3/3", "shard 3/3 of 2 seeds is empty"),
    ] {
        let output = folder.convoke(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(words), "{arguments}: {}", text(&output.stderr));
    }
    let said = text(&folder.convoke("load serve crash.yaml").stdout);
    assert!(said.contains("crash.yaml:9") && said.contains("the server is everybody's"), "{said}");
}

#[test]
fn a_scenario_file_is_a_unit_of_work() {
    let folder = Folder::new("scenario");
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/devices/second-device-falls-silent.yaml");
    let scenario = scenario.to_str().unwrap();
    let arguments = ["load", "reference", scenario, "--rate", "4", "--duration", "2s", "--warm-up", "0s"];
    let output = folder.command(&arguments).output().unwrap();
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", text(&output.stderr));
    assert!(said.contains("8 planned, 8 completed") && said.contains("0 failed"), "{said}");
}

#[test]
fn an_event_to_the_wrong_device_is_caught() {
    let folder = Folder::new("misdirected");
    // A call to twenty people takes a little more than six hundred events: these are enough for one to go astray.
    let load = |server: &Server, json: &str| {
        let url = format!("ws://{}/v1", server.address);
        let crowd = "crowd --rate 5 --duration 5s --warm-up 1s --population 12";
        let output = folder.convoke(&format!("load {url} {crowd} --json {json}"));
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let clean = Server::start(&folder);
    let faulty = Server::start_with(&folder, &["--mutant", "one-event-in-ten-thousand-goes-astray"]);
    let (passed, (status, said)) = std::thread::scope(|scope| {
        let passed = scope.spawn(|| load(&clean, "clean.json"));
        let failed = load(&faulty, "result.json");
        (passed.join().unwrap(), failed)
    });
    assert_eq!(passed.0, Some(0), "{}", passed.1);
    assert_eq!(status, Some(1), "{said}");
    let judged = folder.result("result.json").judged;
    // Whoever should have heard of it did not, and whoever did should not: both calls are wrong.
    assert!(judged.misdirected >= 1 && judged.wrong > judged.misdirected, "{said}");
    assert_eq!(folder.result("clean.json").judged.misdirected, 0);
    // Of the two calls, the one that misses the event shows it to whoever has nothing but its trace.
    let again: Vec<Output> = judged.traces.iter().map(|trace| folder.convoke(&format!("judge {trace}"))).collect();
    let said: Vec<String> = again.iter().map(|output| text(&output.stdout)).collect();
    assert!(again.iter().any(|output| output.status.code() == Some(1)), "{said:?}");
    assert!(said.iter().any(|said| said.contains("is never sent")), "{said:?}");
}

#[test]
fn a_stall_shows_from_the_plan_and_not_from_sending() {
    let folder = Folder::new("stalls");
    let server = Server::start(&folder);
    let proxy = Proxy::start(server.address);
    let url = format!("ws://{}/v1", proxy.address);
    // One copy of the people: they wait for the answer before they take the next call, as a closed loop would.
    let arguments =
        format!("load {url} rejected --rate 20 --duration 5s --warm-up 1s --population 1 --json result.json");
    let output = folder.convoke(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}\n{}", text(&output.stdout), text(&output.stderr));
    let result = folder.result("result.json");
    let call = &result.latencies["call"];
    // Of the 20 calls of a second 4 are planned into its stall, 50 ms apart, and one of them is sent in it. So 8 of 100 waited
    // for 100 ms and more from the plan, wherever in the second it began, and 5 of 100 from sending.
    let (planned, sent) = (call.from_planned.quantile(0.93), call.from_sent.quantile(0.93));
    assert!(planned > 80.0 && sent < planned / 2.0, "p93 from the plan {planned} ms, from sending {sent} ms");
    assert!(result.counts.late > 0, "{}", text(&output.stdout));
}

#[test]
fn four_shards_add_up_to_one_run() {
    let folder = Folder::new("shards");
    let server = Server::start(&folder);
    let run = "--rate 20 --arrivals poisson --duration 4s --warm-up 1s --seed 7";
    let whole = format!("load ws://{}/v1 {run} --json whole.json", server.address);
    let whole: Vec<&str> = whole.split_whitespace().collect();
    let whole = folder.command(&whole).stdout(Stdio::piped()).spawn().unwrap();
    let start = in_seconds(3);
    let shards: Vec<Child> = (1..=4)
        .map(|shard| {
            let url = format!("ws://{}/v1", server.address);
            let (part, json) = (format!("{shard}/4"), format!("{shard}.json"));
            let start = start.to_string();
            let mut arguments = vec!["load", &url, "--shard", &part, "--start-at", &start, "--json", &json];
            arguments.extend(run.split_whitespace());
            folder.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut shard in shards {
        assert_eq!(shard.wait().unwrap().code(), Some(0));
    }
    let whole = whole.wait_with_output().unwrap();
    assert_eq!(whole.status.code(), Some(0), "{}", text(&whole.stdout));
    let merged = folder.convoke("merge 1.json 2.json 3.json 4.json --json merged.json --html merged.html --hgrm hgrm");
    assert_eq!(merged.status.code(), Some(0), "{}\n{}", text(&merged.stdout), text(&merged.stderr));
    let (whole, merged) = (folder.result("whole.json"), folder.result("merged.json"));
    let parts: Vec<LoadResult> = (1..=4).map(|shard| folder.result(&format!("{shard}.json"))).collect();

    assert_eq!(merged.shards, [1, 2, 3, 4]);
    assert_eq!(merged.counts.planned, whole.counts.planned);
    assert_eq!(merged.counts.completed, whole.counts.completed);
    let planned = |result: &LoadResult| result.seconds.iter().map(|second| second.planned).take(4).collect::<Vec<_>>();
    assert_eq!(planned(&merged), planned(&whole), "the arrivals of every second are those of the one run");
    // Of every latency, each recorded value is as often in the merged histogram as in the shards together.
    assert_eq!(merged.latencies.len(), whole.latencies.len());
    for (name, latency) in &merged.latencies {
        let mut sum = std::collections::BTreeMap::<u64, u64>::new();
        for part in &parts {
            let part = serde_json::to_value(&part.latencies[name].from_planned).unwrap();
            for pair in part.as_array().unwrap() {
                *sum.entry(pair[0].as_u64().unwrap()).or_default() += pair[1].as_u64().unwrap();
            }
        }
        let merged: Vec<(u64, u64)> =
            serde_json::from_value(serde_json::to_value(&latency.from_planned).unwrap()).unwrap();
        assert_eq!(merged, sum.into_iter().collect::<Vec<_>>(), "{name}");
        assert_eq!(
            folder.read(&format!("hgrm/{name}.hgrm")).lines().next().unwrap().trim_start().get(..5),
            Some("Value")
        );
    }
    assert!(folder.read("merged.html").contains("</svg>"));

    let twice = folder.convoke("merge 1.json 1.json");
    assert!(text(&twice.stderr).contains("can't add 1.json: shard 1 is in both"), "{}", text(&twice.stderr));
    let different = folder.convoke("merge 1.json whole.json");
    assert!(
        text(&different.stderr).contains("the number of shards is 4 in the first and 1"),
        "{}",
        text(&different.stderr)
    );
}

#[test]
fn four_shards_of_a_sweep_add_up_to_the_whole() {
    let folder = Folder::new("sweep");
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/devices");
    let scenarios = scenarios.to_str().unwrap();
    let run = |shard: &str, ledger: &str| {
        let arguments = ["run", scenarios, "--ci", "--seeds", "6", "--shard", shard, "--ledger", ledger];
        let output = folder.command(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    };
    run("1/1", "whole.jsonl");
    (1..=4).for_each(|shard| run(&format!("{shard}/4"), &format!("{shard}.jsonl")));
    let merged = folder.convoke("merge 1.jsonl 2.jsonl 3.jsonl 4.jsonl --json merged.jsonl");
    assert_eq!(merged.status.code(), Some(0), "{}", text(&merged.stderr));
    let entries = |file: &str| folder.read(file).lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert!(entries("whole.jsonl").len() > 3);
    assert_eq!(entries("merged.jsonl"), entries("whole.jsonl"));
    assert!(text(&merged.stdout).contains("4 of 4 shards"), "{}", text(&merged.stdout));
    let part = folder.convoke("merge 1.jsonl 3.jsonl");
    assert!(text(&part.stdout).contains("missing: shard 2, 4"), "{}", text(&part.stdout));
}

#[test]
fn conditions_decide_the_exit_code_and_results_keep_to_their_schema() {
    let folder = Folder::new("conditions");
    let run = "load reference --rate 10 --duration 1s --warm-up 0s";
    let failed = folder
        .command(&[&run.split_whitespace().collect::<Vec<_>>()[..], &["--fail-if", "p50(inviteUsers) > 1us"]].concat())
        .output()
        .unwrap();
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed.stdout).contains("failed      p50(inviteUsers) > 1us: it is "), "{}", text(&failed.stdout));
    let kept = folder.convoke(&format!("{run} --fail-if errors>0 --fail-if throughput<1 --format json"));
    assert_eq!(kept.status.code(), Some(0), "{}", text(&kept.stdout));
    let written: serde_json::Value = serde_json::from_slice(&kept.stdout).unwrap();
    let schema = include_str!("../../schema/load-result.schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&written).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(!validator.is_valid(&serde_json::json!({"version": 1})));
    let printed = folder.convoke("schema load-result");
    assert_eq!(
        text(&printed.stdout),
        include_str!("../../schema/load-result.schema.json"),
        "convoke schema load-result > schema/load-result.schema.json"
    );
}

#[test]
fn the_knee_of_a_slow_server_is_found() {
    let folder = Folder::new("knee");
    // A condition that holds from some rate on, whatever the machine: calls that ring for half a second, one at a time.
    let rings = "version: 1\ntitle: A call that nobody answers.\nusers:\n  alice: {devices: [web]}\n  bob: {devices: \
                 [phone]}\nrooms:\n  r: {owner: alice, members: [alice.web]}\nsteps:\n  - {device: alice.web, inviteUsers: \
                 {roomId: r, userIdList: [bob], timeout: 0.5}}\nexpect:\n  - {device: bob.phone, hears: \
                 [onInvitationTimeout]}\n";
    std::fs::write(folder.0.join("rings.yaml"), rings).unwrap();
    let arguments = "load reference rings.yaml --find-knee --rate 2 --duration 1s --warm-up 0s --population 2 --lag \
                     300ms --repeat 2 --json knee.json --fail-if late>0";
    let output = folder.convoke(arguments);
    let said = text(&output.stdout);
    let knee: serde_json::Value = serde_json::from_str(&folder.read("knee.json")).unwrap();
    assert_eq!(knee["searches"].as_array().unwrap().len(), 2, "{said}");
    for search in knee["searches"].as_array().unwrap() {
        // Two casts with calls of a good half second keep a little less than four calls a second.
        let (good, bad) = (search["lastGood"].as_f64().unwrap(), search["firstBad"].as_f64().unwrap());
        assert!((1.0..4.1).contains(&good) && bad > good && bad / good <= 1.05, "{said}");
    }
    assert!(said.contains("search 2: last good rate"), "{said}");
    assert!(said.contains("knee ") || said.contains("too noisy to tell"), "{said}");
}

#[test]
fn whoever_asks_for_a_user_sig_is_shown_one_and_no_trace_keeps_it() {
    let folder = Folder::new("user-sig");
    std::fs::write(folder.0.join("secret.txt"), "a secret of nobody\n").unwrap();
    // What its author expects is wrong, so that a trace is kept.
    let scenario = "version: 1\ntitle: A call.\nusers:\n  alice: {devices: [web]}\n  bob: {devices: [phone]}\nrooms:\n  \
                    r: {owner: alice, members: [alice.web]}\nsteps:\n  - device: alice.web\n    inviteUsers: \
                    {roomId: r, userIdList: [bob], timeout: 30}\n    returns: {bob: kAlreadyInInvitationList}\n";
    std::fs::write(folder.0.join("call.yaml"), scenario).unwrap();
    let key = "--sdk-app-id 1400000001 --secret-file secret.txt";
    let server = Server::spawn(&folder, &format!("serve --listen 127.0.0.1:0 --no-rate-limits {key}"));
    let load = |more: &str| {
        let url = format!("ws://{}/v1", server.address);
        let output = folder.convoke(&format!("load {url} {more} --rate 5 --duration 1s --warm-up 0s --population 2"));
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let (status, said) = load(&format!("rejected {key} --json known.json"));
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(folder.result("known.json").counts.completed, 5, "{said}");
    let (status, said) = load("rejected");
    assert!(status == Some(2) && said.contains("login"), "{said}");
    let (status, said) = load(&format!("call.yaml {key} --json wrong.json"));
    assert_eq!(status, Some(1), "{said}");
    let trace = folder.read(&folder.result("wrong.json").judged.traces[0]);
    // The logins are in it, and nothing that lets anybody in.
    let without = trace.matches(r#""userSig":"""#).count();
    assert!(without > 0 && without == trace.matches("userSig").count(), "{trace}");
}

#[test]
fn a_search_for_the_knee_says_one_object_to_programs() {
    let folder = Folder::new("knee-json");
    let knee = "load reference rejected --find-knee --rate 2 --duration 1s --warm-up 0s --fail-if p99(call)>0ms";
    let output = folder.convoke(&format!("{knee} --format json"));
    let knee: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(knee["kind"], "knee");
}
