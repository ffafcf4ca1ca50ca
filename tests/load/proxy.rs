//! A proxy between load and a server that does what a busy server would: it stalls.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};

/// A running proxy, through which nothing passes for the first 200 ms of every second.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Proxy {
    pub(crate) fn start(server: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            let began = Instant::now();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(began, server, stream));
            }
        });
        Self { address, _runtime: runtime }
    }
}

async fn pass(began: Instant, server: SocketAddr, stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    #[expect(clippy::result_large_err, reason = "the handshake's signature")]
    let subprotocol = |_: &Request, mut response: Response| {
        response.headers_mut().insert("Sec-WebSocket-Protocol", "convoke.v1".parse().unwrap());
        Ok(response)
    };
    let Ok(client) = tokio_tungstenite::accept_hdr_async(stream, subprotocol).await else { return };
    let Ok(stream) = TcpStream::connect(server).await else { return };
    stream.set_nodelay(true).unwrap();
    let mut request = format!("ws://{server}/v1").into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", "convoke.v1".parse().unwrap());
    let Ok((server, _)) = tokio_tungstenite::client_async(request, stream).await else { return };
    let (to_client, from_client) = client.split();
    let (to_server, from_server) = server.split();
    tokio::select! {
        biased;
        () = carry(began, from_client, to_server) => {}
        () = carry(began, from_server, to_client) => {}
    }
}

async fn carry(
    began: Instant,
    mut from: impl Stream<Item = Result<Message, Error>> + Unpin,
    mut to: impl Sink<Message> + Unpin,
) {
    while let Some(Ok(message)) = from.next().await {
        let into = began.elapsed().as_millis() as u64 % 1000;
        if into < 200 {
            tokio::time::sleep(Duration::from_millis(200 - into)).await;
        }
        if to.send(message).await.is_err() {
            return;
        }
    }
}
