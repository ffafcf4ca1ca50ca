//! Many at once, and some that take without end: what each costs, and that the others are served.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::{Client, connect, login, patiently};
use super::hostile::is_well;
use super::process::{Folder, Server};

/// What the server holds of the machine's memory.
#[cfg(target_os = "linux")]
fn kilobytes(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_flood_does_not_drown_the_others() {
    let folder = Folder::new("flood");
    let server = Server::start(&folder, "");
    let mut floods = Vec::new();
    for name in ["mallory.web", "mallory.phone"] {
        let mut mallory = Client::login(server.address, name).await;
        floods.push(tokio::spawn(async move {
            // Asks for ever, and never reads an answer.
            loop {
                let args = json!({"roomId": "nowhere", "userIdList": ["alice"], "timeout": 60});
                let request = mallory.next_request("inviteUsers", args);
                mallory.say(request).await;
            }
        }));
    }
    let mut alice = Client::login(server.address, "alice.web").await;
    for number in 0..50 {
        alice.asks("createRoom", json!({"roomId": format!("r{number}")})).await.unwrap();
    }
    for flood in floods {
        flood.abort();
        assert!(flood.await.is_err_and(|error| error.is_cancelled()), "the flood went on until here");
    }
    is_well(&server).await;
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn idle_connections_cost_little() {
    // As many as CONVOKE_IDLE_CONNECTIONS says, as far as files may be open; a few in CI.
    let connections: u64 = std::env::var("CONVOKE_IDLE_CONNECTIONS").map_or(400, |text| text.parse().unwrap());
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let folder = Folder::new("idle");
    // Nobody here answers pings while the others come in.
    let server = Server::start(&folder, "--bound keep_alive_bound=10m");
    is_well(&server).await;
    let before = kilobytes(&server);
    let mut clients = Vec::new();
    for number in 0..connections {
        clients.push(Client::login(server.address, &format!("user-{number}.web")).await);
    }
    let each = kilobytes(&server).saturating_sub(before) as f64 / connections as f64;
    // Shown by `cargo test -- --nocapture`.
    println!("{each:.1} KiB for each of {connections} idle connections");
    assert!(each < 256.0, "{each} KiB for each idle connection");
    // Each of them is served all the same.
    for client in &mut clients {
        assert_eq!(client.asks("fetchRoomInfo", json!({"roomId": "nowhere"})).await, Err(100_004));
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn long_requests_are_not_remembered() {
    let folder = Folder::new("long");
    let server = Server::start(&folder, "");
    let mut alice = Client::login(server.address, "alice.web").await;
    let before = kilobytes(&server);
    // Results are kept for two minutes (IDM-1), and what was asked with them would be 200 MB by the end.
    let long = "x".repeat(1_000_000);
    for number in 0..200 {
        let refused = match number % 3 {
            0 => alice.asks("setSelfInfo", json!({"userName": "a", "avatar": long})).await,
            1 => alice.asks("accept", json!({"roomId": long})).await,
            _ => alice.asks(&long, json!({})).await,
        };
        assert!(refused.is_err());
    }
    let after = kilobytes(&server);
    assert!(after < before + 64_000, "{before} kB, and then {after} kB");
}

#[tokio::test]
async fn who_comes_when_no_file_may_be_opened_waits_and_nobody_is_put_out() {
    let folder = Folder::new("files");
    let arguments = "--listen 127.0.0.1:0 --insecure-any-user --login-patience 500ms";
    // Both limits, so that it can't help itself.
    let server = Server::run(&folder, folder.shell("ulimit -n 40", arguments));
    let mut alice = Client::login(server.address, "alice.web").await;
    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(TcpStream::connect(server.address).await.unwrap());
    }
    for _ in 0..10 {
        assert_eq!(alice.asks("fetchRoomInfo", json!({"roomId": "nowhere"})).await, Err(100_004));
    }
    // Each of them gets its turn, says nothing, and is cut off; then somebody with a purpose comes in.
    for mut stream in crowd {
        let mut rest = Vec::new();
        let _ = patiently(stream.read_to_end(&mut rest)).await;
    }
    is_well(&server).await;
}

#[tokio::test]
async fn a_connection_without_a_sign_of_life_is_dead_and_its_session_goes_on() {
    let folder = Folder::new("half-open");
    let server = Server::start(&folder, "--bound keep_alive_bound=1s --log-level debug");
    let mut bob = Client::on(connect(server.address, None).await);
    assert_eq!(bob.logs_in(login("bob", "phone", "phone")).await, Ok(false));
    // A raw end that logs in and then answers no ping: as if its machine had lost its power.
    let mut silent = connect(server.address, None).await.into_inner();
    let text = login("carol", "tablet", "tablet").to_string();
    let length = u8::try_from(text.len()).unwrap();
    let mut frame = vec![0x81, 0x80 | 126, 0, length, 0, 0, 0, 0];
    frame.extend(text.bytes());
    silent.write_all(&frame).await.unwrap();
    while !server.log().contains("the connection was silent too long") {
        // He answers its pings while he waits for an answer.
        assert_eq!(bob.asks("fetchRoomInfo", json!({"roomId": "nowhere"})).await, Err(100_004));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mut heard = Vec::new();
    let _ = patiently(silent.read_to_end(&mut heard)).await;
    let heard = String::from_utf8_lossy(&heard);
    let session = heard.split("\"session\":\"").nth(1).unwrap().split('"').next().unwrap();
    let mut back = login("carol", "tablet", "tablet");
    back["resume"] = json!({"session": session, "received": 0});
    assert_eq!(Client::connect(server.address).await.logs_in(back).await, Ok(true));
}
