//! `convoke serve` as clients and their operators meet it: calls, restarts, refusals, and ends.
#![cfg(all(feature = "cli", feature = "net", unix))]

mod client;
mod crowds;
mod dial;
mod disk;
mod hostile;
mod process;
mod trespass;

use std::fs;

use convoke::protocol::vocabulary::ErrorCode;
use convoke::serve::user_sig::UserSigKey;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use client::{Client, Said, login, patiently};
use process::{Folder, Server};

const SDK_APP_ID: u64 = 1_400_000_000;
const SECRET: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

#[expect(clippy::disallowed_methods, reason = "tokens are of real time")]
fn unix_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn a_whole_call_of_two_users_with_three_devices() {
    let folder = Folder::new("call");
    let server = Server::start(&folder, "");
    assert_eq!(server.get("/healthz").await, "ok\n");
    assert_eq!(server.get("/readyz").await, "ready\n");
    let mut alice = Client::login(server.address, "alice.web").await;
    let mut phone = Client::login(server.address, "bob.phone").await;
    let mut tablet = Client::login(server.address, "bob.tablet").await;
    alice.asks("createRoom", json!({"roomId": "r1"})).await.unwrap();
    alice.asks("enterRoom", json!({"roomId": "r1"})).await.unwrap();
    let args = json!({"roomId": "r1", "userIdList": ["bob"], "timeout": 60, "extensionInfo": "a-secret"});
    let invited = alice.asks("inviteUsers", args).await.unwrap();
    assert_eq!(invited["codes"], json!([{"userId": "bob", "code": 0}]));
    for device in [&mut phone, &mut tablet] {
        assert_eq!(device.event("onReceiveInvitation").await["extensionInfo"], "a-secret");
    }
    phone.asks("accept", json!({"roomId": "r1"})).await.unwrap();
    assert_eq!(tablet.event("onInvitationHandledByOtherDevice").await["accepted"], true);
    assert_eq!(tablet.asks("reject", json!({"roomId": "r1"})).await, Err(100_102));
    phone.asks("enterRoom", json!({"roomId": "r1"})).await.unwrap();
    for event in [
        "onInvitationAdded",
        "onInvitationAccepted",
        "onInvitationStatusChanged",
        "onRemoteUserEnterRoom",
        "onInvitationRemoved",
    ] {
        alice.event(event).await;
    }
    assert_eq!(server.metric("convoke_connections").await, 3);
    assert_eq!(server.metric("convoke_rings_total").await, 2);
    let log = server.log();
    assert!(log.contains("warning: --insecure-any-user") && log.contains("user=\"bob\""), "{log}");
    assert!(!log.contains("a-secret") && !log.contains(&alice.session) && !log.contains('\u{1b}'), "{log}");
}

#[tokio::test]
async fn what_a_device_missed_comes_when_it_resumes() {
    let folder = Folder::new("resume");
    let server = Server::start(&folder, "");
    let mut alice = Client::login(server.address, "alice.web").await;
    let mut bob = Client::login(server.address, "bob.phone").await;
    alice.asks("createRoom", json!({"roomId": "r1"})).await.unwrap();
    alice.asks("enterRoom", json!({"roomId": "r1"})).await.unwrap();
    alice.asks("inviteUsers", json!({"roomId": "r1", "userIdList": ["bob"], "timeout": 60})).await.unwrap();
    bob.event("onReceiveInvitation").await;
    // His connection is replaced without a word; what he did not acknowledge, here nothing, would come again.
    let mut bob = bob.resumes(server.address, "bob.phone").await;
    bob.asks("reject", json!({"roomId": "r1"})).await.unwrap();
    let mut alice = alice.resumes(server.address, "alice.web").await;
    for event in ["onInvitationAdded", "onInvitationRejected", "onInvitationStatusChanged"] {
        alice.event(event).await;
    }
    assert_eq!(server.metric("convoke_sessions_resumed_total").await, 2);
}

#[tokio::test]
async fn lines_of_json_do_as_well() {
    let folder = Folder::new("lines");
    let server = Server::start(&folder, "--listen-lines 127.0.0.1:0 --log-format json --log-level debug");
    let stream = TcpStream::connect(server.lines.unwrap()).await.unwrap();
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let request =
        json!({"type": "request", "id": "1", "received": 0, "operation": "fetchRoomInfo", "args": {"roomId": "r1"}});
    writer.write_all(format!("{}\n\n{request}\nnonsense\n", login("alice", "a1", "web")).as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    while let Some(line) = patiently(lines.next_line()).await.unwrap() {
        heard.push(serde_json::from_str::<serde_json::Value>(&line).unwrap());
    }
    let kinds: Vec<_> = heard.iter().map(|message| message["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["loggedIn", "response", "refused"]);
    assert_eq!(heard[1]["error"]["code"], 100_004);
    for line in server.log().lines().filter(|line| line.starts_with('{')) {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    assert!(server.log().contains("\"operation\":\"fetchRoomInfo\""), "{}", server.log());
}

#[tokio::test]
async fn only_a_valid_token_logs_in() {
    let folder = Folder::new("tokens");
    fs::write(folder.0.join("secret"), format!("{SECRET}\n")).unwrap();
    let arguments = format!("--listen 127.0.0.1:0 --sdk-app-id {SDK_APP_ID} --secret-file secret --log-level debug");
    let server = Server::run(&folder, folder.command(&arguments));
    let (now, key) = (unix_seconds(), UserSigKey::new(SDK_APP_ID, SECRET));
    let good = key.issue("alice", now, 600);
    let with = |user: &str, token: &str| {
        let mut login = login(user, "d1", "web");
        login["userSig"] = token.into();
        login
    };
    assert_eq!(Client::connect(server.address).await.logs_in(with("alice", &good)).await, Ok(false));
    let others = UserSigKey::new(SDK_APP_ID, "another secret").issue("alice", now, 600);
    let elsewhere = UserSigKey::new(SDK_APP_ID + 1, SECRET).issue("alice", now, 600);
    let old = key.issue("alice", now - 601, 600);
    // The third is alice's own, replayed by bob.
    let refused =
        [("alice", ""), ("alice", "x"), ("bob", &*good), ("alice", &*others), ("alice", &*elsewhere), ("alice", &*old)];
    for (user, token) in refused {
        assert_eq!(
            Client::connect(server.address).await.logs_in(with(user, token)).await,
            Err(-1002),
            "{user} {token}"
        );
    }
    let log = server.log();
    assert!(log.contains("the UserSig has expired"), "{log}");
    assert!(!log.contains(&good) && !log.contains(&old) && !log.contains(SECRET), "{log}");
}

#[tokio::test]
async fn rooms_and_sessions_outlive_the_server() {
    for signal in ["TERM", "KILL"] {
        let (folder, began) = (Folder::new(&format!("restart-{signal}")), unix_seconds());
        let mut server = Server::start(&folder, "--data kept");
        let mut alice = Client::login(server.address, "alice.web").await;
        alice.asks("createRoom", json!({"roomId": "r1", "roomName": "Stand-up"})).await.unwrap();
        alice.asks("enterRoom", json!({"roomId": "r1"})).await.unwrap();
        server.signal(signal);
        assert_eq!(server.ended().await, if signal == "TERM" { Some(0) } else { None }, "{}", server.log());
        let server = Server::start(&folder, "--data kept");
        let mut alice = alice.resumes(server.address, "alice.web").await;
        let info = alice.asks("fetchRoomInfo", json!({"roomId": "r1"})).await.unwrap();
        assert_eq!(info["roomInfo"]["roomName"], "Stand-up");
        let created = info["roomInfo"]["createTime"].as_u64().unwrap() / 1000;
        assert!((began..=unix_seconds()).contains(&created), "{created} is no time since 1970");
        assert_eq!(info["roomInfo"]["roomMemberCount"], 1, "she is still inside");
    }
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_answers_what_it_took() {
    let folder = Folder::new("drain");
    let mut server = Server::start(&folder, "--data kept --no-rate-limits");
    let mut alice = Client::login(server.address, "alice.web").await;
    for number in 0..500 {
        let request = alice.next_request("createRoom", json!({"roomId": format!("r{number}")}));
        alice.say(request).await;
    }
    let mut answered = Vec::new();
    let reason = loop {
        match alice.hears().await {
            Said::Message(message) => {
                assert!(message["error"].is_null(), "{message}");
                answered.push(message["id"].clone());
                if answered.len() == 1 {
                    server.signal("TERM");
                }
            }
            Said::Closed(reason) => break reason,
        }
    };
    assert!(reason.contains("the server is stopping"), "{reason}");
    let expected: Vec<_> = (1..=answered.len()).map(|number| json!(format!("{}-{number}", alice.session))).collect();
    assert_eq!(answered, expected);
    assert_eq!(server.ended().await, Some(0), "{}", server.log());
    // What was said is so, and what was done was said.
    let server = Server::start(&folder, "--data kept");
    let mut alice = alice.resumes(server.address, "alice.web").await;
    let made = answered.len();
    alice.asks("fetchRoomInfo", json!({"roomId": format!("r{}", made - 1)})).await.unwrap();
    assert_eq!(alice.asks("fetchRoomInfo", json!({"roomId": format!("r{made}")})).await, Err(100_004));
}

#[tokio::test]
async fn the_accounts_of_a_file_are_all_that_there_are() {
    let folder = Folder::new("accounts");
    fs::write(folder.0.join("accounts"), r#"[{"userId": "alice", "userName": "Alice A."}, {"userId": "bob"}]"#)
        .unwrap();
    let server = Server::start(&folder, "--accounts accounts");
    let mut alice = Client::login(server.address, "alice.web").await;
    let nobody = i64::from(ErrorCode::USER_NOT_EXIST.0);
    let mut mallory = Client::connect(server.address).await;
    assert_eq!(mallory.logs_in(login("mallory", "d1", "web")).await, Err(nobody));
    alice.asks("createRoom", json!({"roomId": "r1"})).await.unwrap();
    alice.asks("enterRoom", json!({"roomId": "r1"})).await.unwrap();
    let info = alice.asks("fetchRoomInfo", json!({"roomId": "r1"})).await.unwrap();
    assert_eq!(info["roomInfo"]["ownerName"], "Alice A.");
    // Bob has an account without ever having logged in.
    let args = |user: &str| json!({"roomId": "r1", "userIdList": [user], "timeout": 60});
    assert!(alice.asks("inviteUsers", args("bob")).await.is_ok());
    assert_eq!(alice.asks("inviteUsers", args("mallory")).await, Err(nobody));
}

#[tokio::test]
async fn a_setting_of_the_protocol_is_heeded() {
    let folder = Folder::new("bound");
    let server = Server::start(&folder, "--bound ids_max=2 --bound resume_window=1h");
    let mut alice = Client::login(server.address, "alice.web").await;
    alice.asks("createRoom", json!({"roomId": "r1"})).await.unwrap();
    alice.asks("enterRoom", json!({"roomId": "r1"})).await.unwrap();
    for name in ["b.web", "c.web", "d.web"] {
        Client::login(server.address, name).await;
    }
    let args = |ids: &[&str]| json!({"roomId": "r1", "userIdList": ids, "timeout": 60});
    assert!(alice.asks("inviteUsers", args(&["b", "c"])).await.is_ok());
    assert!(alice.asks("inviteUsers", args(&["b", "c", "d"])).await.is_err());
}

/// A command that must end with this exit code, and say all of this.
#[track_caller]
fn fails(mut command: std::process::Command, code: i32, words: &[&str]) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "no `{word}` in\n{text}");
    }
    assert!(output.stdout.is_empty(), "it never said that it listens");
}

#[test]
fn wrong_usage_is_told_with_its_mend() {
    let folder = Folder::new("usage");
    fs::write(folder.0.join("empty"), " \n").unwrap();
    fs::write(folder.0.join("secret"), SECRET).unwrap();
    fs::create_dir(folder.0.join("thesis")).unwrap();
    fs::write(folder.0.join("thesis/chapter-1"), "years of work").unwrap();
    let check = |arguments: &str, words: &[&str]| fails(folder.command(arguments), 2, words);
    check("", &["--sdk-app-id N", "--secret-file FILE", "--insecure-any-user"]);
    check("--sdk-app-id 7", &["--secret-file FILE", "CONVOKE_SDK_SECRET"]);
    check("--sdk-app-id 7 --insecure-any-user", &["cannot be used with"]);
    check("--secret-file secret --insecure-any-user", &["cannot be used with"]);
    check("--secret-file secret", &["--sdk-app-id"]);
    check("--sdk-app-id 7 --secret-file nowhere", &["can't read the secret file nowhere", "No such file"]);
    check("--sdk-app-id 7 --secret-file empty", &["the secret file empty is empty"]);
    check("--insecure-any-user --listen 0.0.0.0:0", &["127.0.0.1"]);
    check("--insecure-any-user --listen-lines [::]:0", &["[::]:0"]);
    check("--insecure-any-user --listen localhost", &["an IP address and a port, such as 127.0.0.1:7878"]);
    check("--insecure-any-user --bound ids_max", &["a name and a value"]);
    check("--insecure-any-user --bound ids=3", &["there is no bound `ids`", "ids_max"]);
    check("--insecure-any-user --bound resume_window=10", &["resume_window=10", "unit"]);
    check("--insecure-any-user --bound ids_max=-1", &["out of range"]);
    for (name, content, reason) in [
        ("users.json", "alice", "expected value"),
        ("users.json", r#"[{"user": "alice"}]"#, "unknown field `user`"),
        ("users.json", r#"[{"userId": ""}]"#, "an account has no id"),
        ("users.json", r#"[{"userId": "a"}, {"userId": "a"}]"#, "the account `a` is there twice"),
    ] {
        fs::write(folder.0.join(name), content).unwrap();
        check("--insecure-any-user --accounts users.json", &["users.json", reason, "write a JSON list"]);
    }
    check("--insecure-any-user --accounts nowhere", &["nowhere", "No such file"]);
    check("--insecure-any-user --bound keep_alive_bound=0s", &["keep_alive_bound", "write 20s"]);
    check("--insecure-any-user --listen 127.0.0.1:0 --data thesis", &["thesis", "chapter-1", "name an empty folder"]);
    let mut twice = folder.command("--sdk-app-id 7 --secret-file secret");
    twice.env("CONVOKE_SDK_SECRET", SECRET);
    fails(twice, 2, &["the secret is given twice"]);
    let mut empty = folder.command("--sdk-app-id 7");
    empty.env("CONVOKE_SDK_SECRET", "");
    fails(empty, 2, &["CONVOKE_SDK_SECRET is empty"]);
}

#[tokio::test]
async fn what_the_machine_refuses_is_told_with_its_mend() {
    let folder = Folder::new("machine");
    let server = Server::start(&folder, "--data kept");
    let any = "--insecure-any-user --listen";
    let check = |arguments: String, words: &[&str]| fails(folder.command(&arguments), 3, words);
    check(format!("{any} {}", server.address), &["can't listen on", "stop what listens there, or choose another port"]);
    check(format!("{any} 127.0.0.1:0 --data kept"), &["in use by another server", "name another folder"]);
    check(format!("{any} 127.0.0.1:0 --data /proc/nothing"), &["the data folder /proc/nothing can't be used"]);
    fs::create_dir(folder.0.join("damaged")).unwrap();
    fs::write(folder.0.join("damaged/journal.redb"), "years of work").unwrap();
    check(
        format!("{any} 127.0.0.1:0 --data damaged"),
        &["damaged/journal.redb can't be read", "restore it from a copy"],
    );
    let full = folder.shell("trap '' XFSZ; ulimit -f 8", &format!("{any} 127.0.0.1:0 --data full"));
    fails(full, 3, &["the data folder full can't be used", "File too large"]);
    assert_eq!(server.get("/healthz").await, "ok\n");
}

#[tokio::test]
async fn a_disk_that_fills_up_stops_the_server_before_it_says_what_it_can_not_keep() {
    let folder = Folder::new("fills");
    let arguments = "--insecure-any-user --listen 127.0.0.1:0 --data kept";
    let mut server = Server::run(&folder, folder.shell("trap '' XFSZ; ulimit -f 4096", arguments));
    let mut alice = Client::login(server.address, "alice.web").await;
    let mut said = 0;
    // As many rooms as a user may own, with names as long as they may be.
    for number in 0..1_000 {
        let name = format!("{number}{}", "x".repeat(4_090));
        let request = alice.next_request("createRoom", json!({"roomId": format!("r{number}"), "roomName": name}));
        alice.say(request).await;
        match alice.hears().await {
            Said::Message(message) if message["error"].is_null() => said = number,
            Said::Message(message) => panic!("{message}"),
            Said::Closed(_) => break,
        }
    }
    assert_eq!(server.ended().await, Some(3));
    assert!(server.log().contains("the journal can't be written"), "{}", server.log());
    // With room on the disk again, everything is there that was said.
    let server = Server::start(&folder, "--data kept");
    let mut alice = alice.resumes(server.address, "alice.web").await;
    assert!(said > 0);
    alice.asks("fetchRoomInfo", json!({"roomId": format!("r{said}")})).await.unwrap();
}
