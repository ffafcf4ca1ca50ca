//! The reference on loopback sockets: calls over WebSocket beside a bare echo of the same sizes by the same stack, and what
//! the journal takes.
//!
//! A call is an invitation and its cancel: two requests, two answers, on each of them one event for the caller and one for
//! the invitee, and one acknowledgement: nine frames of which three go in. The echo takes and gives as many frames of the
//! same sizes, all of a request's on the connection on which it came, since it knows of no other. Both ends share the
//! machine, so only the ratio of the two says something.

use std::hint::black_box;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{Message as AxumMessage, WebSocketUpgrade};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use convoke::protocol::bounds::Bounds;
use convoke::protocol::call::DeviceIdentity;
use convoke::protocol::service::Record;
use convoke::protocol::vocabulary::{Platform, SessionToken};
use convoke::serve::journal::DiskJournal;
use convoke::serve::{Authentication, ServeConfig, bind};
use convoke::world::cast::Reference;
use convoke::world::driver::DriverLimits;
use convoke::world::driver::server::Journal as _;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// How many pairs of caller and invitee are connected, all calling at once.
const PAIRS: usize = 64;

/// How many calls a pair makes in one iteration.
const CALLS: usize = 4;

type Socket = WebSocketStream<TcpStream>;

async fn connect(address: SocketAddr, path: &str) -> Socket {
    let stream = TcpStream::connect(address).await.expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    let mut request = format!("ws://{address}{path}").into_client_request().expect("a request");
    request.headers_mut().insert("Sec-WebSocket-Protocol", "convoke.v1".parse().expect("a header"));
    tokio_tungstenite::client_async(request, stream).await.expect("it shakes hands").0
}

async fn say(socket: &mut Socket, text: String) {
    socket.send(Message::text(text)).await.expect("it is open");
}

/// Takes frames until it has had as many.
async fn hear(socket: &mut Socket, frames: usize) -> usize {
    let mut bytes = 0;
    let mut heard = 0;
    while heard < frames {
        if let Message::Text(text) = socket.next().await.expect("it is open").expect("it reads") {
            bytes += text.len();
            heard += 1;
        }
    }
    bytes
}

/// A caller in a room of its own, and an invitee outside.
struct Pair {
    number: usize,
    caller: Socket,
    invitee: Socket,
    asked: u64,
    events: u64,
}

impl Pair {
    async fn of(address: SocketAddr, number: usize) -> Self {
        let (mut caller, mut invitee) = (connect(address, "/v1").await, connect(address, "/v1").await);
        for (socket, role) in [(&mut caller, "caller"), (&mut invitee, "invitee")] {
            let user = format!("{role}-{number}");
            let login =
                format!(r#"{{"type":"login","userId":"{user}","deviceId":"phone","platform":"phone","userSig":""}}"#);
            say(socket, login).await;
            hear(socket, 1).await;
        }
        let mut pair = Self { number, caller, invitee, asked: 0, events: 0 };
        for operation in ["createRoom", "enterRoom"] {
            pair.ask(operation, "").await;
            hear(&mut pair.caller, 1).await;
        }
        pair
    }

    async fn ask(&mut self, operation: &str, args: &str) {
        self.asked += 1;
        let request = format!(
            r#"{{"type":"request","id":"r{}","received":{},"operation":"{operation}","args":{{"roomId":"room-{}"{args}}}}}"#,
            self.asked, self.events, self.number
        );
        say(&mut self.caller, request).await;
    }

    /// One call: what it took in bytes.
    async fn call(&mut self) -> usize {
        let mut bytes = 0;
        for operation in ["inviteUsers", "cancelInvitation"] {
            let args = format!(r#","userIdList":["invitee-{}"]"#, self.number);
            self.ask(operation, &args).await;
            bytes += hear(&mut self.caller, 2).await;
            bytes += hear(&mut self.invitee, 1).await;
            self.events += 1;
        }
        say(&mut self.invitee, format!(r#"{{"type":"acknowledge","received":{}}}"#, self.events)).await;
        bytes
    }
}

fn config(data: Option<PathBuf>) -> ServeConfig {
    ServeConfig {
        listen: "127.0.0.1:0".parse().expect("an address"),
        listen_lines: None,
        data,
        authentication: Authentication::AnyUser,
        bounds: Bounds::default(),
        rate_limits: false,
        limits: DriverLimits::default(),
        accounts: None,
        checkpoint_every: 10_000,
        fault: None,
        cast: Box::new(Reference),
    }
}

async fn serve(data: Option<PathBuf>) -> SocketAddr {
    let bound = bind(config(data)).await.expect("it starts");
    let address = bound.address;
    tokio::spawn(bound.serve(std::future::pending()));
    address
}

/// Answers every frame with as many bytes as a call's answers and events have on average.
async fn echo(bytes: usize) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("it listens");
    let address = listener.local_addr().expect("an address");
    let text: Arc<str> = "x".repeat(bytes).into();
    let upgrade = move |upgrade: WebSocketUpgrade| {
        let text = text.clone();
        async move {
            upgrade.protocols(["convoke.v1"]).read_buffer_size(4096).on_upgrade(move |mut socket| async move {
                while let Some(Ok(AxumMessage::Text(asked))) = socket.recv().await {
                    // The first byte says how many frames come back.
                    for _ in 0..asked.as_bytes().first().map_or(0, |digit| digit - b'0') {
                        if socket.send(AxumMessage::Text(text.to_string().into())).await.is_err() {
                            return;
                        }
                    }
                }
            })
        }
    };
    let app = Router::new().route("/echo", get(upgrade));
    // As the reference does: without it, the kernel holds each small frame back until the one before is acknowledged.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("a socket"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn calls(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = scratch("calls");
    let mut group = criterion.benchmark_group("serve/calls over loopback");
    group.sample_size(10);
    group.throughput(Throughput::Elements((PAIRS * CALLS) as u64));
    let mut bytes_of_call = 0;
    for (name, data) in [("in memory", None), ("with a journal", Some(folder.clone()))] {
        let mut pairs = runtime.block_on(async {
            let address = serve(data).await;
            let mut pairs = Vec::new();
            for number in 0..PAIRS {
                pairs.push(Pair::of(address, number).await);
            }
            pairs
        });
        bytes_of_call = runtime.block_on(pairs[0].call());
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| {
                runtime.block_on(join_all(pairs.iter_mut().map(async |pair| {
                    for _ in 0..CALLS {
                        black_box(pair.call().await);
                    }
                })))
            });
        });
    }
    let mut pairs = runtime.block_on(async {
        let address = echo(bytes_of_call / 6).await;
        let mut pairs = Vec::new();
        for _ in 0..PAIRS {
            pairs.push((connect(address, "/echo").await, connect(address, "/echo").await));
        }
        pairs
    });
    // As long as a request; nothing but the digit is looked at.
    let asks = |frames: usize| format!("{frames}{}", " ".repeat(140));
    group.bench_function(BenchmarkId::from_parameter("a bare echo of the same sizes"), |bencher| {
        bencher.iter(|| {
            runtime.block_on(join_all(pairs.iter_mut().map(async |(caller, invitee)| {
                for _ in 0..CALLS {
                    for _ in 0..2 {
                        say(caller, asks(3)).await;
                        black_box(hear(caller, 3).await);
                    }
                    say(invitee, "0".to_owned()).await;
                }
            })))
        });
    });
    group.finish();
    let _ = std::fs::remove_dir_all(folder);
}

fn journal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("serve/journal");
    group.sample_size(10);
    // A file system in memory takes a sync for nothing: what is left is the journal's own work.
    for (name, folder) in
        [("on disk, synced", scratch("journal")), ("in memory", PathBuf::from("/dev/shm/convoke-bench"))]
    {
        if !folder.parent().is_some_and(Path::is_dir) {
            continue;
        }
        let _ = std::fs::remove_dir_all(&folder);
        let mut journal = DiskJournal::open(&folder).expect("a new journal").journal;
        for records in [1_usize, 100] {
            let batch: Vec<Arc<Record>> = (0..records).map(|_| Arc::new(record())).collect();
            group.throughput(Throughput::Elements(records as u64));
            group.bench_function(BenchmarkId::new(name, format!("{records} records in a commit")), |bencher| {
                bencher.iter(|| journal.append(&batch).expect("it is written"));
            });
        }
        drop(journal);
        let _ = std::fs::remove_dir_all(&folder);
    }
    group.finish();
}

fn record() -> Record {
    let identity = DeviceIdentity { user_id: "alice".into(), device_id: "phone".into(), platform: Platform::Phone };
    Record::SessionBegan { identity, token: SessionToken::from("9f0c61d2a4b8e7531c2d3e4f5a6b7c8d") }
}

/// A folder below the build's own.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

criterion_group!(benches, calls, journal);
criterion_main!(benches);
