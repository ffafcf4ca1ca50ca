//! Drives a service: connections on one side, a journal on the other.
//!
//! One task owns the node. Connections hand it what they read and write what it says; each has a bounded queue of its own.
//! Whatever waits is stepped together, its records are made durable in one commit, and only then is anything said.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::frames::{Frame, FrameError};
use super::{Clock, DriverLimits, std_duration};
use crate::protocol::codec;
use crate::protocol::event::PushHint;
use crate::protocol::message::{ClientMessage, ConnectionNo, Login, ServerMessage};
use crate::protocol::service::{Record, ServiceInput, ServiceOutput};
use crate::protocol::vocabulary::{ApiError, ErrorCode};
use crate::time::{Duration, Instant};
use crate::world::cast::ServerNode;

/// Why connections end when the server does.
const STOPPING: &str = "the server is stopping; resume the session when it is back";

/// Why the connection of a slow reader ends.
const TOO_SLOW: &str = "the other end reads too slowly; resume the session to go on";

/// How long the other end may take for the last words, and then to hang up.
const FAREWELL: std::time::Duration = std::time::Duration::from_secs(2);

/// Where records are made durable.
pub trait Journal: Send {
    /// Makes the records durable, all or none, before it returns.
    ///
    /// # Errors
    /// When it can't: the server must stop, since nothing behind the records may be said.
    fn append(&mut self, records: &[Arc<Record>]) -> Result<(), JournalError>;
}

/// Why records could not be made durable.
#[derive(Debug, thiserror::Error)]
#[error("the journal can't be written: {0}")]
pub struct JournalError(pub String);

/// Says whether a login is who it claims to be.
pub type Authenticator = Arc<dyn Fn(&Login) -> Result<(), ApiError> + Send + Sync>;

/// Watches what the server does at its end of the wire.
pub trait Observer: Send + Sync {
    /// A connection stands.
    fn opened(&self, connection: ConnectionNo);
    /// The server takes a message.
    fn received(&self, connection: ConnectionNo, message: &ClientMessage);
    /// The server says something.
    fn sent(&self, connection: ConnectionNo, message: &ServerMessage);
    /// A connection is gone. `by_server` when the server closed it.
    fn closed(&self, connection: ConnectionNo, by_server: bool, reason: &str);
    /// A push notification is asked for.
    fn push_hint(&self, hint: &PushHint);
    /// Records were made durable together, which took this long.
    fn committed(&self, records: usize, took: Duration);
    /// The node has nothing to do until then, unless an input comes.
    fn waits(&self, _until: Option<Instant>) {}
}

/// What the server task is told.
enum Input {
    Opened {
        connection: ConnectionNo,
        outbox: mpsc::Sender<Outgoing>,
    },
    Message {
        connection: ConnectionNo,
        message: ClientMessage,
        /// The connection's share of the queue, which comes back to it when the message is taken.
        share: OwnedSemaphorePermit,
    },
    Closed {
        connection: ConnectionNo,
        reason: String,
    },
}

enum Outgoing {
    Message(ServerMessage),
    Close(&'static str),
}

/// Lets connections reach a running server.
#[derive(Clone)]
pub struct ServerHandle {
    inputs: mpsc::Sender<Input>,
    connections: Arc<AtomicU32>,
    authenticate: Authenticator,
    limits: DriverLimits,
    stopping: watch::Receiver<bool>,
}

/// How a server is run.
pub struct ServerSetup {
    /// The node. It has not been started.
    pub service: Box<ServerNode>,
    /// What its last life left.
    pub records: Vec<Arc<Record>>,
    /// 32 random bytes for its tokens.
    pub entropy: [u8; 32],
    /// Where its records go; none keeps everything in memory.
    pub journal: Option<Box<dyn Journal>>,
    /// Its time.
    pub clock: Clock,
    /// Who may log in.
    pub authenticate: Authenticator,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// The driver's bounds.
    pub limits: DriverLimits,
    /// Turns true when connections are to be closed, each after what waits for it has been said.
    pub stopping: watch::Receiver<bool>,
}

/// Makes a server: a handle for its connections, and the future that runs it until every handle is gone.
///
/// The future waits for its journal where it stands, so where that waits for a disk it wants a thread of its own.
pub fn server(setup: ServerSetup) -> (ServerHandle, impl Future<Output = Result<(), JournalError>> + Send) {
    let (sender, receiver) = mpsc::channel(setup.limits.inputs_max);
    let handle = ServerHandle {
        inputs: sender,
        connections: Arc::new(AtomicU32::new(0)),
        authenticate: setup.authenticate.clone(),
        limits: setup.limits.clone(),
        stopping: setup.stopping,
    };
    let actor = Actor {
        service: setup.service,
        journal: setup.journal,
        clock: setup.clock,
        observer: setup.observer,
        limits: setup.limits,
        outboxes: BTreeMap::new(),
        outputs: Vec::new(),
        lost: Vec::new(),
        ending: BTreeSet::new(),
    };
    (handle, actor.run(receiver, setup.records, setup.entropy))
}

struct Actor {
    service: Box<ServerNode>,
    journal: Option<Box<dyn Journal>>,
    clock: Clock,
    observer: Arc<dyn Observer>,
    limits: DriverLimits,
    outboxes: BTreeMap<ConnectionNo, mpsc::Sender<Outgoing>>,
    outputs: Vec<ServiceOutput>,
    /// Connections found to be gone or too slow, of which the node is still to be told.
    lost: Vec<ConnectionNo>,
    /// Connections whose end the node knows, and whose last answers are still to be said.
    ending: BTreeSet<ConnectionNo>,
}

impl Actor {
    async fn run(
        mut self,
        mut inputs: mpsc::Receiver<Input>,
        records: Vec<Arc<Record>>,
        entropy: [u8; 32],
    ) -> Result<(), JournalError> {
        self.service.step(self.clock.now(), ServiceInput::Started { records, entropy }, &mut self.outputs);
        self.release()?;
        loop {
            let deadline = self.service.next_deadline();
            self.observer.waits(deadline);
            let deadline = deadline.map(|at| self.clock.when(at));
            let wake = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                input = inputs.recv() => {
                    let Some(input) = input else { return Ok(()) };
                    self.take(input);
                    // Whatever else waits is committed together with it.
                    for _ in 1..self.limits.batch_max {
                        let Ok(input) = inputs.try_recv() else { break };
                        self.take(input);
                    }
                }
                () = wake => self.step(ServiceInput::Deadline),
            }
            self.release()?;
        }
    }

    fn step(&mut self, input: ServiceInput) {
        self.service.step(self.clock.now(), input, &mut self.outputs);
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Opened { connection, outbox } => {
                self.outboxes.insert(connection, outbox);
                self.observer.opened(connection);
                self.step(ServiceInput::Opened { connection });
            }
            Input::Message { connection, message, share } => {
                drop(share);
                if self.outboxes.contains_key(&connection) {
                    self.observer.received(connection, &message);
                    self.step(ServiceInput::Message { connection, message });
                }
            }
            Input::Closed { connection, reason } => {
                if self.outboxes.contains_key(&connection) {
                    self.observer.closed(connection, false, &reason);
                    self.step(ServiceInput::Closed { connection });
                    // Its outbox goes when the answers to what it has asked are in it.
                    self.ending.insert(connection);
                }
            }
        }
    }

    /// Makes every record durable, then says what waits behind them.
    fn release(&mut self) -> Result<(), JournalError> {
        loop {
            let records: Vec<Arc<Record>> = self
                .outputs
                .iter()
                .filter_map(|output| match output {
                    ServiceOutput::Persist(record) => Some(record.clone()),
                    _ => None,
                })
                .collect();
            if !records.is_empty()
                && let Some(journal) = &mut self.journal
            {
                let began = self.clock.now();
                journal.append(&records)?;
                self.observer.committed(records.len(), self.clock.now().since(began));
            }
            for output in std::mem::take(&mut self.outputs) {
                self.say(output);
            }
            for connection in std::mem::take(&mut self.ending) {
                self.outboxes.remove(&connection);
            }
            // Who was found gone or too slow while it was spoken to.
            if self.lost.is_empty() {
                return Ok(());
            }
            for connection in std::mem::take(&mut self.lost) {
                self.step(ServiceInput::Closed { connection });
            }
        }
    }

    fn say(&mut self, output: ServiceOutput) {
        match output {
            ServiceOutput::Persist(_) => {}
            ServiceOutput::PushHint(hint) => self.observer.push_hint(&hint),
            ServiceOutput::Close { connection } => {
                if let Some(outbox) = self.outboxes.remove(&connection) {
                    let reason = "the session is over, or goes on over another connection";
                    // A full outbox is closed all the same: dropping it ends the writer.
                    drop(outbox.try_send(Outgoing::Close(reason)));
                    if !self.ending.contains(&connection) {
                        self.observer.closed(connection, true, reason);
                    }
                }
            }
            ServiceOutput::Send { connection, message } => {
                let Some(outbox) = self.outboxes.get(&connection) else { return };
                self.observer.sent(connection, &message);
                let reason = match outbox.try_send(Outgoing::Message(message)) {
                    Ok(()) => return,
                    Err(TrySendError::Full(_)) => TOO_SLOW,
                    Err(TrySendError::Closed(_)) => "the connection is gone",
                };
                self.outboxes.remove(&connection);
                // The node is told of each end once.
                if !self.ending.contains(&connection) {
                    self.observer.closed(connection, true, reason);
                    self.lost.push(connection);
                }
            }
        }
    }
}

impl ServerHandle {
    /// Whether the node takes inputs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.inputs.is_closed() && !*self.stopping.borrow()
    }

    /// Serves one connection until it ends. Returns why it ended.
    pub async fn serve<W, R>(&self, sink: W, stream: R) -> String
    where
        W: Sink<Frame, Error = FrameError> + Send + Unpin,
        R: Stream<Item = Result<Frame, FrameError>> + Send + Unpin,
    {
        let connection = ConnectionNo(self.connections.fetch_add(1, Ordering::Relaxed) + 1);
        self.serve_as(connection, sink, stream).await
    }

    /// The same for a world that numbers connections itself: every number once, over all lives of the server.
    pub(in crate::world) async fn serve_as<W, R>(&self, connection: ConnectionNo, mut sink: W, mut stream: R) -> String
    where
        W: Sink<Frame, Error = FrameError> + Send + Unpin,
        R: Stream<Item = Result<Frame, FrameError>> + Send + Unpin,
    {
        let (sender, mut outbox) = mpsc::channel(self.limits.outbox_max);
        if self.inputs.send(Input::Opened { connection, outbox: sender }).await.is_err() {
            return STOPPING.to_owned();
        }
        let End { reason, answers, last_word } = self.converse(connection, &mut sink, &mut stream, &mut outbox).await;
        drop(self.inputs.send(Input::Closed { connection, reason: reason.clone() }).await);
        // What this connection asked comes before its end in the queue of inputs, so all of it is still answered; the
        // outbox ends when the server has taken the end. Other ends wait for no answers.
        let farewell = async {
            if answers {
                while let Some(Outgoing::Message(message)) = outbox.recv().await {
                    sink.send(Frame::Text(codec::encode_server(&message))).await?;
                }
            }
            if let Some(error) = last_word {
                sink.send(Frame::Text(codec::encode_server(&ServerMessage::Refused { error }))).await?;
            }
            // Where the other end hung up first, its hanging up is still to be confirmed: that is the second line.
            drop(sink.send(Frame::Close(reason.clone())).await);
            drop(sink.close().await);
            // To go while the other end still writes would destroy what it has not read yet: so it may finish.
            while let Some(Ok(_)) = stream.next().await {}
            Ok::<(), FrameError>(())
        };
        // Nobody is waited for without a bound.
        drop(tokio::time::timeout(FAREWELL, farewell).await);
        reason
    }

    async fn converse<W, R>(
        &self,
        connection: ConnectionNo,
        sink: &mut W,
        stream: &mut R,
        outbox: &mut mpsc::Receiver<Outgoing>,
    ) -> End
    where
        W: Sink<Frame, Error = FrameError> + Send + Unpin,
        R: Stream<Item = Result<Frame, FrameError>> + Send + Unpin,
    {
        let mut heard = tokio::time::Instant::now();
        let mut logged_in = false;
        let mut cut_off_at = None;
        let shares = Arc::new(Semaphore::new(self.limits.inputs_each_max));
        let mut ping = tokio::time::interval(std_duration(self.limits.ping_every));
        ping.reset();
        let mut stopping = self.stopping.clone();
        let login_by = heard + std_duration(self.limits.login_patience);
        loop {
            let dead_at = heard + std_duration(self.limits.idle_max);
            let give_up_at = if logged_in { dead_at } else { dead_at.min(login_by) };
            tokio::select! {
                biased;
                outgoing = outbox.recv() => match outgoing {
                    Some(Outgoing::Message(message)) => {
                        // Nothing more will come: what waits must be read in bounded time.
                        if outbox.is_closed() {
                            let now = tokio::time::Instant::now();
                            if now > *cut_off_at.get_or_insert(now + std_duration(self.limits.idle_max)) {
                                return End::now(TOO_SLOW);
                            }
                        }
                        let text = codec::encode_server(&message);
                        if let Err(reason) = self.write(sink, Frame::Text(text)).await {
                            return End::now(reason);
                        }
                    }
                    Some(Outgoing::Close(reason)) => return End::now(reason),
                    None => return End::now(TOO_SLOW),
                },
                // Comes after the outbox: what waits is said first.
                () = stopped(&mut stopping) => return End { reason: STOPPING.to_owned(), answers: true, last_word: None },
                frame = stream.next() => {
                    heard = tokio::time::Instant::now();
                    match frame {
                        None => return End::now("the other end hung up"),
                        Some(Err(error)) => {
                            return match &error {
                                FrameError::Malformed(words) => End::refused(words.clone(), malformed(words)),
                                FrameError::Io(_) => End::now(error.to_string()),
                            };
                        }
                        Some(Ok(Frame::Close(_))) => return End::now("the other end hung up"),
                        Some(Ok(Frame::Ping | Frame::Pong)) => {}
                        Some(Ok(Frame::Text(text))) => {
                            let message = match codec::decode_client(&text) {
                                Ok(message) => message,
                                Err(error) => {
                                    // What it says of the content is for the other end alone: the reason goes into logs.
                                    let words = format!("the message can't be read: {error}");
                                    return End::refused("the message can't be read", malformed(&words));
                                }
                            };
                            if let ClientMessage::Login(login) = &message {
                                if let Err(error) = (self.authenticate)(login) {
                                    return End::refused(format!("the login was refused: {}", error.message), error);
                                }
                                logged_in = true;
                            }
                            // A full queue of inputs stops this reader, and with it its peer; and so does its share of it.
                            let share = shares.clone().acquire_owned().await.expect("nobody closes the shares");
                            if self.inputs.send(Input::Message { connection, message, share }).await.is_err() {
                                return End::now(STOPPING);
                            }
                        }
                    }
                },
                _ = ping.tick() => {
                    if let Err(reason) = self.write(sink, Frame::Ping).await {
                        return End::now(reason);
                    }
                }
                () = tokio::time::sleep_until(give_up_at) => {
                    return End::now(if logged_in { "the connection was silent too long" } else { "no login came" });
                }
            }
        }
    }

    /// Writes a frame; a peer that takes none for the keep-alive bound is gone.
    async fn write<W>(&self, sink: &mut W, frame: Frame) -> Result<(), String>
    where
        W: Sink<Frame, Error = FrameError> + Send + Unpin,
    {
        match tokio::time::timeout(std_duration(self.limits.idle_max), sink.send(frame)).await {
            Ok(sent) => sent.map_err(|error| error.to_string()),
            Err(_) => Err("the other end reads nothing".to_owned()),
        }
    }
}

/// How a conversation ends.
struct End {
    reason: String,
    /// Whether the other end is still told the answers to what it has asked.
    answers: bool,
    /// What it is told after them.
    last_word: Option<ApiError>,
}

impl End {
    fn now(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), answers: false, last_word: None }
    }

    fn refused(reason: impl Into<String>, error: ApiError) -> Self {
        Self { reason: reason.into(), answers: true, last_word: Some(error) }
    }
}

fn malformed(words: &str) -> ApiError {
    ApiError::new(ErrorCode::INVALID_PARAMETER, words)
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Whoever could say stop is gone without saying it.
    if stopping.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;
