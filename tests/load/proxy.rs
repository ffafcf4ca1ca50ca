//! A proxy between load and a server that does what a faulty server would: it sends events to the wrong device, or stalls.
//!
//! Each device's events stay numbered without gaps, so that nothing but what they say shows the fault.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// What the proxy does wrong.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// One event in so many goes to another device.
    Misdirects(u64),
    /// Nothing passes for the first 200 ms of every second.
    Stalls,
}

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
}

struct Shared {
    server: SocketAddr,
    fault: Fault,
    began: Instant,
    events: AtomicU64,
    misdirected: AtomicU64,
    devices: Mutex<Vec<Device>>,
}

/// What the proxy knows of a device: where to send to it, how far its numbering is from the server's, and the last number
/// that the server gave.
struct Device {
    to: mpsc::UnboundedSender<Message>,
    shift: i64,
    last: i64,
}

impl Proxy {
    pub(crate) fn start(server: SocketAddr, fault: Fault) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server,
            fault,
            began: Instant::now(),
            events: AtomicU64::new(0),
            misdirected: AtomicU64::new(0),
            devices: Mutex::new(Vec::new()),
        });
        let sharing = shared.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(sharing.clone(), stream));
            }
        });
        Self { address, shared, _runtime: runtime }
    }

    pub(crate) fn misdirected(&self) -> u64 {
        self.shared.misdirected.load(Ordering::Relaxed)
    }

    pub(crate) fn events(&self) -> u64 {
        self.shared.events.load(Ordering::Relaxed)
    }
}

async fn pass(shared: Arc<Shared>, stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    #[expect(clippy::result_large_err, reason = "the handshake's signature")]
    let subprotocol = |_: &Request, mut response: Response| {
        response.headers_mut().insert("Sec-WebSocket-Protocol", "convoke.v1".parse().unwrap());
        Ok(response)
    };
    let Ok(client) = tokio_tungstenite::accept_hdr_async(stream, subprotocol).await else { return };
    let Ok(server) = TcpStream::connect(shared.server).await else { return };
    server.set_nodelay(true).unwrap();
    let mut request = format!("ws://{}/v1", shared.server).into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", "convoke.v1".parse().unwrap());
    let Ok((server, _)) = tokio_tungstenite::client_async(request, server).await else { return };
    let (mut to_client, mut from_client) = client.split();
    let (mut to_server, mut from_server) = server.split();
    let (sender, mut outbox) = mpsc::unbounded_channel();
    let number = {
        let mut devices = shared.devices.lock().unwrap();
        devices.push(Device { to: sender, shift: 0, last: 0 });
        devices.len() - 1
    };
    let up = async {
        while let Some(Ok(message)) = from_client.next().await {
            shared.stall().await;
            if to_server.send(shared.up(number, message)).await.is_err() {
                return;
            }
        }
    };
    let down = async {
        while let Some(Ok(message)) = from_server.next().await {
            shared.stall().await;
            shared.down(number, message);
        }
    };
    let out = async {
        while let Some(message) = outbox.recv().await {
            if to_client.send(message).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        () = up => {}
        () = down => {}
        () = out => {}
    }
}

impl Shared {
    async fn stall(&self) {
        let into = self.began.elapsed().as_millis() as u64 % 1000;
        if matches!(self.fault, Fault::Stalls) && into < 200 {
            tokio::time::sleep(Duration::from_millis(200 - into)).await;
        }
    }

    fn up(&self, number: usize, message: Message) -> Message {
        let Message::Text(text) = &message else { return message };
        let devices = self.devices.lock().unwrap();
        let device = &devices[number];
        if device.shift == 0 {
            return message;
        }
        let mut value: Value = serde_json::from_str(text).unwrap();
        if let Some(received) = value.get_mut("received") {
            *received = (received.as_i64().unwrap() - device.shift).clamp(0, device.last).into();
        }
        Message::text(value.to_string())
    }

    fn down(&self, number: usize, message: Message) {
        let mut devices = self.devices.lock().unwrap();
        let event = match &message {
            Message::Text(text) if text.contains(r#""type":"event""#) => serde_json::from_str::<Value>(text).ok(),
            _ => None,
        };
        let Some(mut event) = event else {
            let _ = devices[number].to.send(message);
            return;
        };
        let counted = self.events.fetch_add(1, Ordering::Relaxed) + 1;
        let seq = event["seq"].as_i64().unwrap();
        devices[number].last = seq;
        let other = (number + devices.len() / 2) % devices.len();
        let reachable = other != number && devices[other].last > 0 && !devices[other].to.is_closed();
        let to = match self.fault {
            Fault::Misdirects(every) if counted.is_multiple_of(every) && reachable => {
                self.misdirected.fetch_add(1, Ordering::Relaxed);
                devices[number].shift -= 1;
                devices[other].shift += 1;
                event["seq"] = (devices[other].last + devices[other].shift).into();
                other
            }
            _ => {
                event["seq"] = (seq + devices[number].shift).into();
                number
            }
        };
        let _ = devices[to].to.send(Message::text(event.to_string()));
    }
}
