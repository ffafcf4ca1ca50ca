//! A conversation over a WebSocket, a text frame a line: with an adapter that dials in, such as a browser, a phone or a
//! program in a debugger, or with one that listens.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::time::{Duration, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::{Duplex, End, HEARD_MAX, Heard, Log};
use crate::implementation::fault::{Fault, FaultKind};
use crate::implementation::process::LINE_BYTES_MAX;
use crate::implementation::system::SECTION;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How many connections may wait until somebody wants one.
const WAITING_MAX: usize = 64;

/// The ends of a conversation that another thread carries on.
type Ends = (mpsc::UnboundedReceiver<String>, mpsc::Sender<Heard>);

impl Duplex {
    fn far() -> (Self, Ends) {
        let (to, said) = mpsc::unbounded_channel();
        let (heard, from) = mpsc::channel(HEARD_MAX);
        (Self { to, from, log: Arc::new(Mutex::new(Log::default())), end: End::Far }, (said, heard))
    }

    /// Connects to an adapter that listens: `ws://HOST:PORT/PATH`.
    ///
    /// # Errors
    /// When nobody who speaks WebSocket answers there.
    pub fn attach(url: &str) -> Result<Self, Fault> {
        let failed = |reason: String| Fault::new(FaultKind::Start, SECTION, format!("can't attach to {url}: {reason}"));
        let address = url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).filter(|host| !host.is_empty());
        let Some(address) = address else {
            return Err(failed("write ws://HOST:PORT/PATH".to_owned()));
        };
        let address = if address.contains(':') { address.to_owned() } else { format!("{address}:80") };
        let runtime = runtime().map_err(&failed)?;
        let socket = runtime.block_on(async {
            let connect = async {
                let stream = TcpStream::connect(&address).await.map_err(|error| error.to_string())?;
                stream.set_nodelay(true).map_err(|error| error.to_string())?;
                let shaken = tokio_tungstenite::client_async(url, stream).await;
                shaken.map(|(socket, _)| socket).map_err(|error| error.to_string())
            };
            timeout(HANDSHAKE, connect).await.unwrap_or_else(|_| Err("nobody answers".to_owned()))
        });
        let socket = socket.map_err(failed)?;
        let (duplex, ends) = Self::far();
        thread::spawn(move || runtime.block_on(carry(socket, ends)));
        Ok(duplex)
    }
}

/// Waits for adapters that dial in.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    came: Mutex<mpsc::Receiver<Duplex>>,
}

impl Listener {
    /// Listens at an address.
    ///
    /// # Errors
    /// When it is not free, or not this machine's.
    pub fn at(address: SocketAddr) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind(address))?;
        let address = listener.local_addr()?;
        let (come, came) = mpsc::channel(WAITING_MAX);
        thread::spawn(move || runtime.block_on(accept(listener, come)));
        Ok(Self { address, came: Mutex::new(came) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next adapter that dials in, within this time.
    ///
    /// # Errors
    /// When nobody does.
    pub fn next(&self, patience: Duration) -> Result<Duplex, Fault> {
        let failed = |reason: String| Fault::new(FaultKind::Start, SECTION, reason);
        let runtime = runtime().map_err(&failed)?;
        // One waits for a connection while others wait for it.
        let mut came = self.came.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match runtime.block_on(async { timeout(patience, came.recv()).await }) {
            Ok(Some(duplex)) => Ok(duplex),
            Ok(None) => Err(failed("nobody listens for adapters any more".to_owned())),
            Err(_) => {
                let seconds = patience.as_secs_f64();
                Err(failed(format!("no adapter dialled in at ws://{} within {seconds} s", self.address)))
            }
        }
    }
}

fn runtime() -> Result<Runtime, String> {
    Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())
}

async fn accept(listener: TcpListener, come: mpsc::Sender<Duplex>) {
    loop {
        let stream = tokio::select! {
            biased;
            () = come.closed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Whoever hung up before it was taken, or more of them than there may be files.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let come = come.clone();
        tokio::spawn(async move {
            // A delay of 40 ms between two small frames would be one of the conversation.
            let _ = stream.set_nodelay(true);
            // Who is no WebSocket is no adapter.
            let Ok(Ok(socket)) = timeout(HANDSHAKE, tokio_tungstenite::accept_async(stream)).await else { return };
            let (duplex, ends) = Duplex::far();
            if come.send(duplex).await.is_ok() {
                carry(socket, ends).await;
            }
        });
    }
}

/// Carries lines both ways until one side has enough.
async fn carry(mut socket: WebSocketStream<TcpStream>, (mut said, heard): Ends) {
    loop {
        tokio::select! {
            biased;
            line = said.recv() => match line {
                Some(line) => {
                    if socket.send(Message::text(line)).await.is_err() {
                        return;
                    }
                }
                None => {
                    let _ = socket.close(None).await;
                    return;
                }
            },
            frame = socket.next() => {
                let came = match frame {
                    Some(Ok(Message::Text(text))) if text.len() > LINE_BYTES_MAX => {
                        Heard::Wrong(format!("its line has more than {LINE_BYTES_MAX} bytes"), String::new())
                    }
                    Some(Ok(Message::Text(text))) => Heard::Line(text.to_string()),
                    Some(Ok(Message::Binary(_))) => {
                        Heard::Wrong("a message is a text frame, and not a binary one".to_owned(), String::new())
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                };
                if heard.send(came).await.is_err() {
                    return;
                }
            }
        }
    }
}
