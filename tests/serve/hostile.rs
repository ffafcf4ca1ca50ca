//! Peers that mean harm, or know no better: each is refused with a reason or cut off, and the others never notice.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::client::{Client, Said, connect, login, patiently};
use super::process::{Folder, Server};

/// The longest message of the protocol.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// That the server goes on: a whole login and request.
pub(crate) async fn is_well(server: &Server) {
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
async fn what_the_server_does_not_speak_is_not_agreed_on() {
    let folder = Folder::new("offers");
    let server = Server::start(&folder, "");
    let mut request = format!("ws://{}/v1", server.address).into_client_request().unwrap();
    for (name, value) in [
        ("Sec-WebSocket-Protocol", "graphql-ws, convoke.v1"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (socket, response) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "convoke.v1");
    assert!(!response.headers().contains_key("Sec-WebSocket-Extensions"), "nothing is compressed");
    assert_eq!(Client::on(socket).logs_in(login("alice", "d1", "web")).await, Ok(false));
    // Who compresses all the same is cut off, and not inflated: a text frame with the first reserved bit.
    let mut stream = connect(server.address, None).await.into_inner();
    stream.write_all(&[0xc1, 0x86, 0, 0, 0, 0, 0xaa, 0x56, 0x2a, 0xa9, 0x2c, 0x48]).await.unwrap();
    let mut rest = Vec::new();
    let _ = patiently(stream.read_to_end(&mut rest)).await;
    is_well(&server).await;
}

#[tokio::test]
async fn a_head_that_has_no_end_is_not_kept() {
    let folder = Folder::new("heads");
    let server = Server::start(&folder, "");
    let long = format!("GET /v1 HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET /v1 HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(10_000));
    for head in [long, many, "GET ".repeat(1 << 18), "\r\n".repeat(1 << 18), "\0".repeat(1 << 20)] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let _ = stream.write_all(head.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = patiently(stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    is_well(&server).await;
}

#[tokio::test]
async fn a_handshake_that_trickles_is_cut_off() {
    let folder = Folder::new("trickle");
    let server = Server::start(&folder, "--login-patience 500ms --listen-lines 127.0.0.1:0");
    let request = format!("GET /v1 HTTP/1.1\r\nHost: {}\r\nCookie: {}", server.address, "x".repeat(1 << 16));
    let line = format!("{{\"type\": \"login\", \"userId\": \"{}", "x".repeat(1 << 16));
    // A WebSocket frame that promises a kilobyte, of which the bytes come one by one.
    let mut frame = vec![0x81, 0xfe, 4, 0, 0, 0, 0, 0];
    frame.extend(b" ".repeat(1 << 16));
    for (mut stream, bytes) in [
        (TcpStream::connect(server.address).await.unwrap(), request.into_bytes()),
        (TcpStream::connect(server.lines.unwrap()).await.unwrap(), line.into_bytes()),
        (connect(server.address, None).await.into_inner(), frame),
    ] {
        let mut sent = 0;
        for byte in &bytes {
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            sent += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(sent < bytes.len(), "it is never cut off");
    }
    is_well(&server).await;
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
