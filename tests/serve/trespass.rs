//! Who means to be somebody else: forged and stolen proofs, the calls of others, and names that would be lines of the log.

use std::fs;

use convoke::serve::user_sig::UserSigKey;
use serde_json::json;

use super::client::{Client, Said, login};
use super::hostile::is_well;
use super::process::{Folder, Server};
use super::{SDK_APP_ID, SECRET, unix_seconds};

#[tokio::test]
async fn nobody_answers_cancels_or_sees_the_call_of_another() {
    let folder = Folder::new("trespass");
    let server = Server::start(&folder, "");
    let mut alice = Client::login(server.address, "alice.web").await;
    let mut bob = Client::login(server.address, "bob.phone").await;
    let mut mallory = Client::login(server.address, "mallory.web").await;
    alice.asks("createRoom", json!({"roomId": "r1"})).await.unwrap();
    alice.asks("enterRoom", json!({"roomId": "r1"})).await.unwrap();
    let args = json!({"roomId": "r1", "userIdList": ["bob"], "timeout": 60});
    alice.asks("inviteUsers", args).await.unwrap();
    bob.event("onReceiveInvitation").await;
    for (operation, args, code) in [
        ("accept", json!({"roomId": "r1"}), -2311),
        ("reject", json!({"roomId": "r1", "reason": 0}), -2311),
        ("accept", json!({"roomId": "r1", "attempt": {"instance": 1, "attempt": 1}}), -2311),
        // SEC-1: nobody says who asks.
        ("accept", json!({"roomId": "r1", "userId": "bob"}), -1001),
        ("cancelInvitation", json!({"roomId": "r1", "userIdList": ["bob"]}), 100_006),
        ("cancelInvitation", json!({"roomId": "r1", "userIdList": ["nobody"]}), 100_006),
        ("getInvitationList", json!({"roomId": "r1", "cursor": "", "count": 20}), 100_006),
        ("inviteUsers", json!({"roomId": "r1", "userIdList": ["bob"], "timeout": 60}), 100_005),
    ] {
        assert_eq!(mallory.asks(operation, args.clone()).await, Err(code), "{operation} {args}");
    }
    assert_eq!(mallory.received, 0, "no event reached her");
    // Nothing of it reached him either: what comes next is what alice does next.
    alice.asks("cancelInvitation", json!({"roomId": "r1", "userIdList": ["bob"]})).await.unwrap();
    bob.event("onInvitationCancelled").await;
}

#[tokio::test]
async fn the_session_of_another_can_not_be_resumed() {
    let folder = Folder::new("theft");
    let server = Server::start(&folder, "");
    let mut bob = Client::login(server.address, "bob.phone").await;
    for (user, device, platform) in
        [("mallory", "phone", "web"), ("mallory", "other", "tablet"), ("bob", "other", "desktop")]
    {
        let mut stolen = login(user, device, platform);
        stolen["resume"] = json!({"session": bob.session, "received": 0});
        assert_eq!(Client::connect(server.address).await.logs_in(stolen).await, Ok(false), "{user} {device}");
    }
    // His own goes on, over the connection that he has.
    assert_eq!(bob.asks("fetchRoomInfo", json!({"roomId": "nowhere"})).await, Err(100_004));
}

#[tokio::test]
async fn a_forged_token_is_refused_whatever_it_is() {
    let folder = Folder::new("forged");
    fs::write(folder.0.join("secret"), SECRET).unwrap();
    let arguments = format!("--listen 127.0.0.1:0 --sdk-app-id {SDK_APP_ID} --secret-file secret --log-level debug");
    let server = Server::run(&folder, folder.command(&arguments));
    let (now, key) = (unix_seconds(), UserSigKey::new(SDK_APP_ID, SECRET));
    let good = key.issue("alice", now, 600);
    let mut tokens: Vec<String> = (0..good.len())
        .step_by(7)
        .map(|at| {
            let mut forged = good.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            String::from_utf8(forged).unwrap()
        })
        .collect();
    tokens.extend([
        good[..good.len() - 8].to_owned(),
        format!("{good}AAAA"),
        "*".repeat(900_000),
        "\u{0}\n".to_owned(),
    ]);
    // A name that would put another line into what is signed.
    let smuggled = format!("alice\nTLS.sdkappid:{SDK_APP_ID}");
    for token in &tokens {
        for user in ["alice", &smuggled] {
            let mut login = login(user, "d1", "web");
            login["userSig"] = token.as_str().into();
            match Client::connect(server.address).await.logs_in(login).await {
                Err(code) => assert_eq!(code, -1002),
                // Some bits of the base64 stand for nothing.
                Ok(_) => assert!(user == "alice" && token.len() == good.len(), "{token} logs {user} in"),
            }
        }
    }
    // Replayed by its owner, on another device: a token is good until it expires.
    let mut again = login("alice", "d2", "phone");
    again["userSig"] = good.as_str().into();
    assert_eq!(Client::connect(server.address).await.logs_in(again).await, Ok(false));
    let log = server.log();
    assert!(!log.contains(&good) && !log.contains(SECRET) && !log.contains("panicked"), "{log}");
    assert!(!log.contains("\nTLS"), "{log}");
}

#[tokio::test]
async fn names_can_not_forge_lines_of_the_log() {
    let name = "eve\u{1b}[2J\r\nERROR the server is on fire\u{202e}";
    for format in ["text", "json"] {
        let folder = Folder::new(&format!("names-{format}"));
        let server = Server::start(&folder, &format!("--log-level debug --log-format {format}"));
        let mut eve = Client::connect(server.address).await;
        assert_eq!(eve.logs_in(login(name, name, "web")).await, Ok(false));
        let mut request = eve.next_request("enterRoom", json!({"roomId": name}));
        request["id"] = name.into();
        eve.say(request).await;
        assert!(matches!(eve.hears().await, Said::Message(_)));
        // Her name also comes where others call her, and where she says nonsense.
        eve.asks("logout", json!({})).await.unwrap();
        let mut alice = Client::login(server.address, "alice.web").await;
        alice.asks("createRoom", json!({"roomId": "r1"})).await.unwrap();
        alice.asks("enterRoom", json!({"roomId": "r1"})).await.unwrap();
        alice.asks("inviteUsers", json!({"roomId": "r1", "userIdList": [name], "timeout": 60})).await.unwrap();
        assert!(eve.asks(name, json!({})).await.is_err());
        is_well(&server).await;
        let log = server.log();
        assert!(log.contains("eve") && log.contains("push notification wanted"), "{log}");
        assert!(!log.contains(['\u{1b}', '\r', '\u{202e}']) && !log.contains("\nERROR"), "{log:?}");
        if format == "json" {
            for line in log.lines().filter(|line| !line.starts_with("warning:")) {
                serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            }
        }
    }
}
