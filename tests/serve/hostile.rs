//! Peers that mean harm, or know no better: each is refused with a reason or cut off, and the others never notice.

use std::fs;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::client::{Client, Said, connect, login, patiently};
use super::process::{Folder, Server};

/// The longest message of the protocol.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// That the server goes on: a whole login and request.
async fn is_well(server: &Server) {
    let mut client = Client::login(server.address, "witness.web").await;
    assert_eq!(client.asks("fetchRoomInfo", json!({"roomId": "nowhere"})).await, Err(100_004));
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[tokio::test]
async fn what_is_no_message_is_refused_with_its_reason() {
    let folder = Folder::new("no-message");
    let server = Server::start(&folder, "--log-level debug");
    let long = format!("{{\"type\": \"{}\"}}", "x".repeat(MESSAGE_BYTES_MAX));
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let secret = r#"{"type": "login", "userId": "a", "deviceId": "d", "platform": "web", "resume": "a-secret"}"#;
    for (message, reason) in [
        (Message::text("{"), "can't be read"),
        (Message::text("[]"), "a message is an object"),
        (Message::text(""), "can't be read"),
        (Message::text(deep), "can't be read"),
        (Message::text(secret), "at /resume"),
        (Message::text(r#"{"type": "dance"}"#), "unknown type of message `dance`"),
        (Message::binary(vec![0, 159, 146, 150]), "messages are text frames"),
        (Message::text(long), "too l"),
    ] {
        let mut client = Client::connect(server.address).await;
        client.send(message).await;
        let (code, words) = client.refusal().await.unwrap_or_else(|| panic!("no refusal; wanted {reason}"));
        assert_eq!(code, -1001);
        assert!(words.to_lowercase().contains(reason), "{words}; wanted {reason}");
    }
    is_well(&server).await;
    assert!(!server.log().contains("a-secret"), "{}", server.log());
}

#[tokio::test]
async fn broken_frames_end_their_connection_alone() {
    let folder = Folder::new("frames");
    let server = Server::start(&folder, "--listen-lines 127.0.0.1:0");
    // Masked text frames: one of bad UTF-8, one that promises more than comes, one with reserved bits, one unmasked.
    let frames: [&[u8]; 4] = [
        &[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe],
        &[0x81, 0xfe, 0xff, 0xff, 1, 2, 3, 4, 5],
        &[0xf1, 0x80, 0, 0, 0, 0],
        &[0x81, 0x01, b'x'],
    ];
    for frame in frames {
        let mut stream = connect(server.address, None).await.into_inner();
        stream.write_all(frame).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = patiently(stream.read_to_end(&mut rest)).await;
    }
    for line in [&b"\xff\xfe\n"[..], b"{\"type\"", &[b'x'; MESSAGE_BYTES_MAX + 1]] {
        let mut stream = TcpStream::connect(server.lines.unwrap()).await.unwrap();
        let _ = stream.write_all(line).await;
        let _ = stream.shutdown().await;
        let mut rest = Vec::new();
        let _ = patiently(stream.read_to_end(&mut rest)).await;
    }
    is_well(&server).await;
    for _ in 0..100 {
        if server.metric("convoke_connections").await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("connections stay");
}

#[tokio::test]
async fn who_never_logs_in_is_cut_off() {
    let folder = Folder::new("patience");
    let server = Server::start(&folder, "--login-patience 500ms --listen-lines 127.0.0.1:0");
    assert!(Client::connect(server.address).await.refusal().await.is_none());
    // Nor may HTTP wait for ever, before a request and within it.
    for (address, words) in
        [(server.address, ""), (server.address, "GET /v1 HTTP/1.1\r\nHost:"), (server.lines.unwrap(), "")]
    {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(words.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let _ = patiently(stream.read_to_end(&mut rest)).await;
    }
    // Who did log in stays.
    let mut alice = Client::login(server.address, "alice.web").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(alice.asks("fetchRoomInfo", json!({"roomId": "nowhere"})).await, Err(100_004));
}

#[tokio::test]
async fn a_slow_reader_is_cut_off_and_loses_nothing() {
    let folder = Folder::new("slow");
    let server = Server::start(&folder, "--no-rate-limits");
    let mut alice = Client::login(server.address, "alice.web").await;
    alice.asks("createRoom", json!({"roomId": "r1", "roomName": "x".repeat(2000)})).await.unwrap();
    alice.asks("enterRoom", json!({"roomId": "r1"})).await.unwrap();
    let mut bob = Client::on(connect(server.address, Some(4096)).await);
    assert_eq!(bob.logs_in(login("bob", "phone", "phone")).await, Ok(false));
    bob.asks("enterRoom", json!({"roomId": "r1"})).await.unwrap();
    // From here on he reads nothing, and she makes each round a hundred events of four kilobytes.
    let crowd: Vec<String> = (0..50).map(|number| format!("guest-{number}")).collect();
    for guest in &crowd {
        // An account is made by its first login.
        Client::login(server.address, &format!("{guest}.web")).await.asks("logout", json!({})).await.unwrap();
    }
    while server.metric("convoke_connections").await > 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut rounds: u64 = 0;
    while server.metric("convoke_connections").await == 2 {
        assert!(rounds < 900, "he is never cut off");
        alice.asks("inviteUsers", json!({"roomId": "r1", "userIdList": crowd, "timeout": 60})).await.unwrap();
        alice.asks("cancelInvitation", json!({"roomId": "r1", "userIdList": crowd})).await.unwrap();
        alice.ignore_events();
        rounds += 1;
    }
    assert!(rounds > 10);
    // He comes back for what waits, and gets it in parts if it is much: every event, and each once.
    let mut events = 0;
    while events < rounds * 100 {
        bob = bob.resumes(server.address, "bob.phone").await;
        while events < rounds * 100 {
            match bob.hears().await {
                Said::Message(event) => {
                    assert_eq!(event["seq"], bob.received + 1);
                    bob.received += 1;
                    events += 1;
                }
                Said::Closed(_) => break,
            }
        }
    }
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
async fn names_can_not_forge_lines_of_the_log() {
    let folder = Folder::new("names");
    let server = Server::start(&folder, "--log-level debug");
    let name = "eve\u{1b}[2J\r\nERROR the server is on fire\u{202e}";
    let mut eve = Client::connect(server.address).await;
    assert_eq!(eve.logs_in(login(name, name, "web")).await, Ok(false));
    let mut request = eve.next_request("enterRoom", json!({"roomId": name}));
    request["id"] = name.into();
    eve.say(request).await;
    assert!(matches!(eve.hears().await, Said::Message(_)));
    let log = server.log();
    assert!(log.contains("eve"), "{log}");
    assert!(!log.contains(['\u{1b}', '\r', '\u{202e}']) && !log.contains("\nERROR"), "{log:?}");
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn idle_connections_cost_little() {
    const CONNECTIONS: u64 = 400;
    let folder = Folder::new("idle");
    let server = Server::start(&folder, "");
    let kilobytes = || -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    is_well(&server).await;
    let before = kilobytes();
    let mut clients = Vec::new();
    for number in 0..CONNECTIONS {
        clients.push(Client::login(server.address, &format!("user-{number}.web")).await);
    }
    let each = kilobytes().saturating_sub(before) as f64 / CONNECTIONS as f64;
    // Shown by `cargo test -- --nocapture`.
    let mut stdout = std::io::stdout();
    std::io::Write::write_all(&mut stdout, format!("{each:.1} KiB for each idle connection\n").as_bytes()).unwrap();
    assert!(each < 256.0, "{each} KiB for each idle connection");
    // Each of them is served all the same.
    for client in &mut clients {
        assert_eq!(client.asks("fetchRoomInfo", json!({"roomId": "nowhere"})).await, Err(100_004));
    }
}
