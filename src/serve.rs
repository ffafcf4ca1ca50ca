//! The reference on real sockets: HTTP and WebSocket, authentication, a durable journal, metrics.
//!
//! TLS is left to a proxy in front of it. Everything that the protocol says happens in the node; everything that a network
//! needs happens in the driver; here is only what a process needs.

pub mod journal;
pub mod metrics;
mod patience;
mod real;
pub mod user_sig;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::{Sink, Stream, StreamExt};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::journal::{DiskJournal, Found, LateJournal, OpenError};
use self::metrics::Metrics;
use self::patience::{PatientListener, Peer};
use self::user_sig::UserSigKey;
use crate::protocol::bounds::Bounds;
use crate::protocol::message::Login;
use crate::protocol::service::ServiceConfig;
use crate::protocol::vocabulary::{ApiError, ErrorCode, UserId};
use crate::time::Instant;
use crate::world::cast::Cast;
use crate::world::driver::frames::{self, Frame, FrameError, FrameSink, SUBPROTOCOL};
use crate::world::driver::server::{Authenticator, Journal, JournalError, ServerHandle, ServerSetup, server};
use crate::world::driver::{Clock, DriverLimits, std_duration};

/// Where the WebSocket is.
pub const PATH: &str = "/v1";

/// How a server is set up.
pub struct ServeConfig {
    /// Where HTTP and WebSocket listen.
    pub listen: SocketAddr,
    /// Where newline JSON over TCP listens, if it does.
    pub listen_lines: Option<SocketAddr>,
    /// Where the journal is; in memory without it.
    pub data: Option<PathBuf>,
    /// Who may log in.
    pub authentication: Authentication,
    /// The accounts that exist; without them whoever logs in has one.
    pub accounts: Option<Vec<Account>>,
    /// The protocol's bounds.
    pub bounds: Bounds,
    /// Whether the token buckets of SEC-6 are on.
    pub rate_limits: bool,
    /// The driver's bounds.
    pub limits: DriverLimits,
    /// After how many records the journal is bounded by a checkpoint.
    pub checkpoint_every: u64,
    /// What is to go wrong, for tests of those who are to find it.
    pub fault: Option<Fault>,
    /// Who plays the server: the reference, or somebody who is wrong on purpose.
    pub cast: Box<dyn Cast + Send>,
}

/// An account that exists.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Account {
    /// Its id.
    pub user_id: UserId,
    /// The display name.
    #[serde(default)]
    pub user_name: Arc<str>,
    /// The address of its picture.
    #[serde(default)]
    pub avatar_url: Arc<str>,
}

/// Something that goes wrong on demand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Each commit is said to be durable and is written with the next one: a crash loses the last.
    LosesLastCommit,
}

/// Who may log in.
#[derive(Clone)]
pub enum Authentication {
    /// Whoever says so. Only for a machine of one's own.
    AnyUser,
    /// Whoever shows a UserSig of this key.
    UserSig(UserSigKey),
}

/// Why a server could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address can't be listened on.
    #[error("can't listen on {address}: {reason}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// The journal can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The journal can't be written: what was not said will never be.
    #[error("{0}; the server stops, and nothing that depends on the lost records was said")]
    Journal(#[from] JournalError),
    /// The machine has no randomness.
    #[error("the machine gives no randomness: {0}")]
    Entropy(String),
    /// The server ended by itself, which only a bug can cause.
    #[error("the server broke: {0}")]
    Broken(String),
}

/// A server that listens and is about to serve.
pub struct Bound {
    /// Where HTTP and WebSocket listen, the port resolved.
    pub address: SocketAddr,
    /// Where newline JSON listens, if it does.
    pub lines_address: Option<SocketAddr>,
    listener: TcpListener,
    lines: Option<TcpListener>,
    found: Option<Found>,
    config: ServeConfig,
}

/// Opens the sockets, and then the journal: a server that can't listen leaves no trace on the disk.
///
/// # Errors
/// When an address can't be listened on, or the journal can't be opened.
pub async fn bind(config: ServeConfig) -> Result<Bound, ServeError> {
    let (listener, address) = listen(config.listen).await?;
    let (lines, lines_address) = match config.listen_lines {
        Some(address) => {
            let (listener, address) = listen(address).await?;
            (Some(listener), Some(address))
        }
        None => (None, None),
    };
    let found = config.data.as_ref().map(|folder| DiskJournal::open(folder)).transpose()?;
    Ok(Bound { address, lines_address, listener, lines, found, config })
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |error: std::io::Error| {
        let mend = match error.kind() {
            std::io::ErrorKind::AddrInUse => "; stop what listens there, or choose another port",
            std::io::ErrorKind::AddrNotAvailable => "; choose an address of this machine",
            std::io::ErrorKind::PermissionDenied => "; choose a port of 1024 or above",
            _ => "",
        };
        ServeError::Listen { address, reason: format!("{error}{mend}") }
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

impl Bound {
    /// Serves until `stop` says so, then closes every connection after what waits for it has been said.
    ///
    /// # Errors
    /// When the journal can't be written.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        let Self { listener, lines, found, config, .. } = self;
        let entropy = real::entropy().map_err(ServeError::Entropy)?;
        // A server's instants count from 1970, so that its users can read the createTime of a room.
        let now = Instant::from_nanos(real::unix_nanos());
        let (journal, records, clock) = match found {
            Some(found) => {
                // TMO-6: the time while down counts by the wall clock, and never negatively.
                let clock = Clock::starting_at(now.max(found.latest));
                let journal: Box<dyn Journal> = match config.fault {
                    Some(Fault::LosesLastCommit) => Box::new(LateJournal::new(found.journal)),
                    None => Box::new(found.journal),
                };
                (Some(journal), found.records, clock)
            }
            None => (None, Vec::new(), Clock::starting_at(now)),
        };
        let accounts = config.accounts.clone().unwrap_or_default().into_iter();
        let (stop_sender, stopping) = watch::channel(false);
        let metrics = Arc::new(Metrics::default());
        let grace = std_duration(config.limits.login_patience);
        let service = ServiceConfig {
            bounds: config.bounds.clone(),
            rate_limits: config.rate_limits,
            open_accounts: config.accounts.is_none(),
            accounts: accounts.map(|one| (one.user_id, one.user_name, one.avatar_url)).collect(),
            checkpoint_every: journal.is_some().then_some(config.checkpoint_every),
        };
        let waits_for_disk = journal.is_some();
        let (handle, run) = server(ServerSetup {
            service: config.cast.server(service, 0),
            records,
            entropy,
            journal,
            clock,
            authenticate: authenticator(config.authentication.clone()),
            observer: metrics.clone(),
            limits: config.limits.clone(),
            stopping: stopping.clone(),
        });
        let mut run = if waits_for_disk { on_a_thread_of_its_own(run)? } else { tokio::spawn(run) };
        let shared = Shared { handle, metrics, frame_bytes_max: config.limits.frame_bytes_max };
        if let Some(lines) = lines {
            tokio::spawn(serve_lines(lines, shared.clone(), stopping.clone()));
        }
        let app = router(shared).into_make_service_with_connect_info::<Peer>();
        let listener = PatientListener { listener, patience: grace };
        let mut http = tokio::spawn(async move {
            let mut stopping = stopping;
            let stopped = async move {
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            axum::serve(listener, app).with_graceful_shutdown(stopped).await
        });
        tokio::select! {
            biased;
            () = stop => {}
            // The journal failed; nothing more can be said.
            result = &mut run => {
                http.abort();
                return ended(result).and(Err(ServeError::Broken("it ended before it was stopped".to_owned())));
            }
        }
        tracing::info!("stopping");
        let _ = stop_sender.send(true);
        // Every handle goes with its connection; the server ends with the last of them.
        drop(tokio::time::timeout(grace, &mut http).await);
        http.abort();
        match tokio::time::timeout(grace, run).await {
            Ok(result) => ended(result),
            Err(_) => {
                tracing::warn!("some connections did not end in time and were cut off");
                Ok(())
            }
        }
    }
}

/// Runs what waits for a disk, so that no connection waits with it.
fn on_a_thread_of_its_own<T: Send + 'static>(
    run: impl Future<Output = T> + Send + 'static,
) -> Result<tokio::task::JoinHandle<T>, ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| ServeError::Broken(error.to_string()))?;
    Ok(tokio::task::spawn_blocking(move || runtime.block_on(run)))
}

/// How the server's task ended.
fn ended(result: Result<Result<(), JournalError>, tokio::task::JoinError>) -> Result<(), ServeError> {
    match result {
        Ok(result) => result.map_err(ServeError::Journal),
        Err(panic) => Err(ServeError::Broken(panic.to_string())),
    }
}

fn authenticator(authentication: Authentication) -> Authenticator {
    match authentication {
        Authentication::AnyUser => Arc::new(|_: &Login| Ok(())),
        Authentication::UserSig(key) => Arc::new(move |login: &Login| {
            let seconds = real::unix_nanos() / 1_000_000_000;
            key.verify(&login.user_sig, login.identity.user_id.as_str(), seconds)
                .map_err(|error| ApiError::new(ErrorCode::SDK_NOT_INITIALIZED, error.to_string()))
        }),
    }
}

#[derive(Clone)]
struct Shared {
    handle: ServerHandle,
    metrics: Arc<Metrics>,
    frame_bytes_max: usize,
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route(PATH, get(upgrade))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(async |State(shared): State<Shared>| shared.metrics.page()))
        .with_state(shared)
}

/// Ready while the node takes inputs.
async fn ready(State(shared): State<Shared>) -> Response {
    if shared.handle.is_running() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the server is stopping\n").into_response()
    }
}

async fn upgrade(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(4096)
        .max_message_size(shared.frame_bytes_max)
        .max_frame_size(shared.frame_bytes_max)
        .on_upgrade(move |socket| async move {
            peer.upgrade();
            let (sink, stream) = axum_frames(socket);
            let reason = shared.handle.serve(sink, stream).await;
            tracing::debug!(peer = %peer.address, reason, "connection ended");
        })
}

/// The same as [`frames::websocket`], for axum's type of the same thing.
fn axum_frames(
    socket: WebSocket,
) -> (impl Sink<Frame, Error = FrameError> + Send + Unpin, impl Stream<Item = Result<Frame, FrameError>> + Send + Unpin)
{
    let (sink, stream) = socket.split();
    let sink = FrameSink::new(sink, |frame| {
        Some(match frame {
            Frame::Text(text) => Message::Text(text.into()),
            Frame::Ping => Message::Ping(Vec::new().into()),
            Frame::Pong => Message::Pong(Vec::new().into()),
            Frame::Close(reason) => Message::Close(Some(CloseFrame {
                code: axum::extract::ws::close_code::NORMAL,
                reason: frames::close_reason(&reason).into(),
            })),
        })
    });
    let stream = stream.map(|message| match message {
        Ok(Message::Text(text)) => Ok(Frame::Text(text.to_string())),
        Ok(Message::Binary(_)) => Err(FrameError::Malformed("messages are text frames, not binary ones".to_owned())),
        Ok(Message::Ping(_) | Message::Pong(_)) => Ok(Frame::Pong),
        Ok(Message::Close(frame)) => Ok(Frame::Close(frame.map(|f| f.reason.to_string()).unwrap_or_default())),
        Err(error) => Err(FrameError::Malformed(error.to_string())),
    });
    (sink, stream)
}

async fn serve_lines(mut listener: TcpListener, shared: Shared, mut stopping: watch::Receiver<bool>) {
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            // axum's way to accept: it pauses when the process has no file descriptors left.
            accepted = axum::serve::Listener::accept(&mut listener) => accepted,
        };
        drop(stream.set_nodelay(true));
        let shared = shared.clone();
        tokio::spawn(async move {
            let (sink, stream) = frames::lines(stream, shared.frame_bytes_max);
            let reason = shared.handle.serve(sink, stream).await;
            tracing::debug!(%peer, reason, "connection ended");
        });
    }
}
