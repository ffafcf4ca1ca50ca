//! Drives a [`Device`]: the application on one side, a connection that comes and goes on the other.

use std::sync::Arc;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::sync::mpsc;

use super::frames::{Frame, FrameError};
use super::{Clock, DriverLimits, std_duration};
use crate::protocol::Node;
use crate::protocol::call::{CallNo, Reply};
use crate::protocol::codec;
use crate::protocol::device::{Device, DeviceInput, DeviceOutput};
use crate::protocol::event::StampedEvent;
use crate::protocol::message::{ClientMessage, ServerMessage};
use crate::protocol::vocabulary::ApiError;
use crate::seed::Stream as Dice;
use crate::time::Duration;

/// Why a connection ends that the library itself wants no more.
pub const LIBRARY_HUNG_UP: &str = "the library hung up";

/// Both directions of one connection.
pub type Connection = (
    Box<dyn Sink<Frame, Error = FrameError> + Send + Unpin>,
    Box<dyn Stream<Item = Result<Frame, FrameError>> + Send + Unpin>,
);

/// Makes connections, over whatever network there is.
pub trait Connector: Send {
    /// Makes one connection.
    ///
    /// # Errors
    /// When there is no way; the driver tries again after a pause.
    fn connect(&mut self) -> impl Future<Output = Result<Connection, FrameError>> + Send;
}

/// Watches what a device does, at its API and at its end of the wire.
pub trait DeviceObserver: Send {
    /// A connection stands.
    fn connected(&mut self);
    /// No connection could be made; the driver tries again after a pause.
    fn unreachable(&mut self, _reason: &str) {}
    /// The server says that it hangs up; that the connection is gone comes next.
    fn hung_up(&mut self, _reason: &str) {}
    /// The connection is gone.
    fn lost(&mut self, reason: &str);
    /// The device says something.
    fn sent(&mut self, message: &ClientMessage);
    /// The device takes a message.
    fn received(&mut self, message: &ServerMessage);
    /// A call of the application is answered.
    fn returned(&mut self, call: CallNo, result: Result<Reply, ApiError>);
    /// The application hears an event.
    fn heard(&mut self, event: Arc<StampedEvent>);
    /// A handler of the application is called.
    fn handled(&mut self, handler: Arc<str>, event: Arc<StampedEvent>);
    /// The library has taken a step, and everything that it asked for is done.
    fn stepped(&mut self, _node: &Device) {}
}

/// What the application, or whoever plays it, asks of the driver.
#[derive(Debug)]
pub enum Command {
    /// An input of the node: a call, a handler.
    Input(DeviceInput),
    /// Drop the connection.
    Disconnect,
    /// Have no network until [`Command::Online`].
    Offline,
    /// Have a network again.
    Online,
}

/// Runs a device until its commands end.
pub async fn device<C: Connector, O: DeviceObserver>(
    node: Device,
    entropy: [u8; 32],
    clock: Clock,
    limits: DriverLimits,
    connector: C,
    observer: O,
    commands: mpsc::Receiver<Command>,
) {
    let driver = Driver {
        node,
        clock,
        // Pauses differ between devices, so that a crowd does not come back in step.
        dice: Dice::from_entropy(entropy),
        pause: limits.backoff_min,
        limits,
        connector,
        observer,
        connection: None,
        wants_connection: false,
        retry_at: None,
        online: true,
    };
    driver.run(entropy, commands).await;
}

struct Driver<C, O> {
    node: Device,
    clock: Clock,
    dice: Dice,
    pause: Duration,
    limits: DriverLimits,
    connector: C,
    observer: O,
    connection: Option<Open>,
    wants_connection: bool,
    retry_at: Option<tokio::time::Instant>,
    online: bool,
}

struct Open {
    connection: Connection,
    heard: tokio::time::Instant,
    ping_at: tokio::time::Instant,
}

/// What woke the driver.
enum Woke {
    Command(Option<Command>),
    Frame(Option<Result<Frame, FrameError>>),
    Deadline,
    Retry,
    Ping,
    Dead,
}

impl<C: Connector, O: DeviceObserver> Driver<C, O> {
    async fn run(mut self, entropy: [u8; 32], mut commands: mpsc::Receiver<Command>) {
        self.step(DeviceInput::Started { entropy }).await;
        loop {
            match self.wait(&mut commands).await {
                Woke::Command(None) => return,
                Woke::Command(Some(Command::Input(input))) => self.step(input).await,
                Woke::Command(Some(Command::Disconnect)) => self.lose("the connection was broken").await,
                Woke::Command(Some(Command::Offline)) => {
                    self.online = false;
                    self.lose("the network is gone").await;
                }
                Woke::Command(Some(Command::Online)) => {
                    self.online = true;
                    self.pause = self.limits.backoff_min;
                    self.connect_soon();
                }
                Woke::Frame(frame) => self.frame(frame).await,
                Woke::Deadline => self.step(DeviceInput::Deadline).await,
                Woke::Retry => self.connect().await,
                Woke::Ping => {
                    if let Some(open) = &mut self.connection {
                        open.ping_at += std_duration(self.limits.ping_every);
                    }
                    self.write(Frame::Ping).await;
                }
                Woke::Dead => self.lose("the connection was silent too long").await,
            }
        }
    }

    async fn wait(&mut self, commands: &mut mpsc::Receiver<Command>) -> Woke {
        let at = |at: Option<tokio::time::Instant>| async move {
            match at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let deadline = self.node.next_deadline().map(|deadline| self.clock.when(deadline));
        let (ping, dead) = match &self.connection {
            Some(open) => (Some(open.ping_at), Some(open.heard + std_duration(self.limits.idle_max))),
            None => (None, None),
        };
        let stream = self.connection.as_mut().map(|open| &mut open.connection.1);
        let frame = async {
            match stream {
                Some(stream) => stream.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            command = commands.recv() => Woke::Command(command),
            frame = frame => Woke::Frame(frame),
            () = at(deadline) => Woke::Deadline,
            () = at(self.retry_at) => Woke::Retry,
            () = at(ping) => Woke::Ping,
            () = at(dead) => Woke::Dead,
        }
    }

    /// Steps the node, and does what it asks. What is done may lead to more steps; they are taken in order.
    async fn step(&mut self, input: DeviceInput) {
        let mut inputs = std::collections::VecDeque::from([input]);
        let mut outputs = Vec::new();
        while let Some(input) = inputs.pop_front() {
            self.node.step(self.clock.now(), input, &mut outputs);
            for output in outputs.drain(..) {
                match output {
                    DeviceOutput::Connect => {
                        self.wants_connection = true;
                        self.connect_soon();
                    }
                    DeviceOutput::Disconnect => {
                        self.wants_connection = false;
                        self.retry_at = None;
                        if let Some(mut open) = self.connection.take() {
                            drop(open.connection.0.send(Frame::Close("the session is over".to_owned())).await);
                            self.observer.lost(LIBRARY_HUNG_UP);
                        }
                    }
                    DeviceOutput::Send(message) => {
                        if let Some(open) = &mut self.connection {
                            self.observer.sent(&message);
                            let frame = Frame::Text(codec::encode_client(&message));
                            let patience = std_duration(self.limits.idle_max);
                            let sent = tokio::time::timeout(patience, open.connection.0.send(frame)).await;
                            if !matches!(sent, Ok(Ok(()))) {
                                self.connection = None;
                                self.observer.lost("the other end reads nothing");
                                inputs.push_back(DeviceInput::Disconnected);
                            }
                        }
                    }
                    DeviceOutput::Returned { call, result } => self.observer.returned(call, result),
                    DeviceOutput::Event(event) => self.observer.heard(event),
                    DeviceOutput::Handler { handler, event } => self.observer.handled(handler, event),
                }
            }
        }
        self.observer.stepped(&self.node);
    }

    fn connect_soon(&mut self) {
        if self.wants_connection && self.online && self.connection.is_none() && self.retry_at.is_none() {
            self.retry_at = Some(tokio::time::Instant::now());
        }
    }

    async fn connect(&mut self) {
        self.retry_at = None;
        if !self.wants_connection || !self.online || self.connection.is_some() {
            return;
        }
        let patience = std_duration(self.limits.login_patience);
        match tokio::time::timeout(patience, self.connector.connect()).await {
            Ok(Ok(connection)) => {
                let now = tokio::time::Instant::now();
                let ping_at = now + std_duration(self.limits.ping_every);
                self.connection = Some(Open { connection, heard: now, ping_at });
                self.wants_connection = false;
                self.pause = self.limits.backoff_min;
                self.observer.connected();
                self.step(DeviceInput::Connected).await;
            }
            failed => {
                match failed {
                    Ok(Err(error)) => self.observer.unreachable(&error.to_string()),
                    _ => self.observer.unreachable("nobody answered in time"),
                }
                // Between half of the pause and all of it.
                let half = self.pause.as_nanos() / 2;
                let pause = Duration::from_nanos(half + self.dice.below(half.max(1)));
                self.pause = self.pause.times(2).min(self.limits.backoff_max);
                self.retry_at = Some(tokio::time::Instant::now() + std_duration(pause));
            }
        }
    }

    async fn write(&mut self, frame: Frame) {
        let Some(open) = &mut self.connection else { return };
        let patience = std_duration(self.limits.idle_max);
        let sent = tokio::time::timeout(patience, open.connection.0.send(frame)).await;
        if !matches!(sent, Ok(Ok(()))) {
            self.lose("the other end reads nothing").await;
        }
    }

    async fn lose(&mut self, reason: &str) {
        if self.connection.take().is_some() {
            self.observer.lost(reason);
            self.step(DeviceInput::Disconnected).await;
        }
    }

    async fn frame(&mut self, frame: Option<Result<Frame, FrameError>>) {
        if let Some(open) = &mut self.connection {
            open.heard = tokio::time::Instant::now();
        }
        match frame {
            Some(Ok(Frame::Text(text))) => match codec::decode_server(&text) {
                Ok(message) => {
                    self.observer.received(&message);
                    self.step(DeviceInput::Message(message)).await;
                }
                Err(error) => self.lose(&format!("the server's message can't be read: {error}")).await,
            },
            Some(Ok(Frame::Ping | Frame::Pong)) => {}
            Some(Ok(Frame::Close(reason))) => {
                self.observer.hung_up(&reason);
                self.lose(&format!("the server hung up: {reason}")).await;
            }
            Some(Err(error)) => self.lose(&error.to_string()).await,
            None => self.lose("the server hung up").await,
        }
    }
}
