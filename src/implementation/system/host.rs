//! The other end of contract `system`: our own client library and our own server, as an SDK with its backend would be.
//!
//! Time is real here, and no network lies between the two: what one says the other hears at once, in its order, through the
//! codec as on a wire. It is what an author can compare with, and behind it faulty variants of both are found by what an
//! application notices alone. Nothing is kept from one run to the next, and nobody but the run's own accounts gets in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::device::{HostedDevice, call_of};
use super::super::host::{Account, HostError, HostedServer, bounds_of, config_of};
use super::super::words::SCHEMA;
use super::{CONTRACT, Capability};
use crate::protocol::bounds::Bounds;
use crate::protocol::call::{CallNo, DeviceIdentity, Reply};
use crate::protocol::codec;
use crate::protocol::device::{DeviceConfig, DeviceInput, DeviceOutput};
use crate::protocol::message::{ClientMessage, ConnectionNo, ServerMessage};
use crate::protocol::service::{ServiceConfig, ServiceInput, ServiceOutput};
use crate::protocol::vocabulary::{DeviceId, Platform, UserId};
use crate::time::{Duration, Instant};

/// How many messages are delivered before what is said to this side is looked at again: two parts that talk to each other
/// without end must not be deaf.
const TURN_MAX: usize = 1000;

/// A part that wants to be woken again and again is woken no more often.
const WAKE_EVERY: Duration = Duration::from_millis(1);

/// Who plays the two parts, each for one life.
pub struct Parts<'a> {
    /// The server of a run.
    pub server: &'a dyn Fn(ServiceConfig) -> Box<HostedServer>,
    /// The client library of a device's program.
    pub device: &'a dyn Fn(DeviceConfig) -> Box<HostedDevice>,
}

/// What is heard.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Asked {
    Hello { seed: u64, rate_limits: bool, bounds: BTreeMap<String, u64>, accounts: Vec<Account> },
    Device { id: u64, device: String, user_id: UserId, device_id: DeviceId, platform: Platform },
    Call { id: u64, device: String, operation: String, args: Value },
    Network { id: u64, device: String, online: bool },
    Kill { id: u64, device: String },
    End { id: u64 },
    Stop { id: u64 },
    Fault { reason: String },
}

/// Answers until `stop`, or the end of what comes. `clock` says how long ago anything before the first line was.
///
/// # Errors
/// When the streams can't be used, or what comes is no conversation.
pub fn host_system(
    name: &str,
    parts: &Parts<'_>,
    clock: &dyn Fn() -> Instant,
    from: impl Read + Send + 'static,
    mut to: impl Write,
) -> Result<(), HostError> {
    let (heard, lines) = mpsc::channel();
    // Nobody waits for it: it ends with what it reads.
    thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            if heard.send(line).is_err() {
                return;
            }
        }
    });
    let mut stage: Option<Stage<'_>> = None;
    let mut number = 0;
    loop {
        let wait = stage.as_ref().and_then(Stage::wake_at).map(|at| at.since(clock()).max(WAKE_EVERY));
        let line = match wait {
            Some(wait) => match lines.recv_timeout(std::time::Duration::from_nanos(wait.as_nanos())) {
                Ok(line) => Some(line?),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            },
            None => match lines.recv() {
                Ok(line) => Some(line?),
                Err(_) => return Ok(()),
            },
        };
        let mut is_over = false;
        let mut answer = None;
        if let Some(line) = line {
            number += 1;
            let wrong = |reason: String| HostError::Line(number, reason);
            let asked: Asked = serde_json::from_str(&line).map_err(|error| wrong(error.to_string()))?;
            answer = Some(match asked {
                Asked::Hello { seed, rate_limits, bounds, accounts } => {
                    let is_run = !accounts.is_empty();
                    let known = Arc::new(bounds_of(&bounds).map_err(wrong)?);
                    let config = config_of(rate_limits, &bounds, accounts).map_err(wrong)?;
                    // The very first only asks who this is.
                    stage = is_run.then(|| Stage::begin(parts, config, known, seed, clock()));
                    introduction(name)
                }
                Asked::End { id } => {
                    stage = None;
                    done(id)
                }
                Asked::Stop { id } => {
                    (stage, is_over) = (None, true);
                    done(id)
                }
                Asked::Fault { reason } => return Err(wrong(format!("told of a fault: {reason}"))),
                asked => {
                    let stage = stage.as_mut().ok_or_else(|| wrong("a message before a run has begun".to_owned()))?;
                    stage.take(asked, clock()).map_err(wrong)?
                }
            })
            .filter(|answer| !answer.is_null());
        }
        // What follows from it at once is said before that it is done.
        let said = stage.as_mut().map(|stage| stage.turn(clock())).unwrap_or_default();
        for line in said.into_iter().chain(answer) {
            writeln!(to, "{line}")?;
        }
        to.flush()?;
        if is_over {
            return Ok(());
        }
    }
}

fn introduction(name: &str) -> Value {
    let capabilities = [Capability::Bounds, Capability::Fractions, Capability::Network, Capability::Kill];
    json!({"type": "hello", "schema": SCHEMA, "contract": CONTRACT, "name": name, "version": env!("CARGO_PKG_VERSION"),
        "capabilities": capabilities, "reusable": true})
}

fn done(id: u64) -> Value {
    json!({"type": "done", "id": id})
}

/// A run.
struct Stage<'a> {
    parts: &'a Parts<'a>,
    bounds: Arc<Bounds>,
    seed: u64,
    /// How many lives have been given entropy.
    lives: u64,
    server: Box<HostedServer>,
    programs: BTreeMap<String, Program>,
    /// Who made each connection, of all that there were.
    made_by: BTreeMap<ConnectionNo, String>,
    /// Those that stand, as the server knows.
    at_server: BTreeSet<ConnectionNo>,
    under_way: VecDeque<UnderWay>,
    said: Vec<Value>,
}

/// The program on a device.
struct Program {
    library: Box<HostedDevice>,
    connection: Option<ConnectionNo>,
    wants_connection: bool,
    online: bool,
    /// By the number that the library knows, the one that the answer names.
    calls: BTreeMap<CallNo, u64>,
    last_call: u32,
}

/// What one part has for the other.
enum UnderWay {
    /// A connection stands, for its device.
    Connected(ConnectionNo),
    ToServer(ServiceInput),
    ToDevice(ConnectionNo, ServerMessage),
    /// The server has closed it, behind all that it had said on it.
    Closed(ConnectionNo),
}

impl<'a> Stage<'a> {
    fn begin(parts: &'a Parts<'a>, config: ServiceConfig, bounds: Arc<Bounds>, seed: u64, now: Instant) -> Self {
        let mut stage = Self {
            parts,
            bounds,
            seed,
            lives: 0,
            server: (parts.server)(config),
            programs: BTreeMap::new(),
            made_by: BTreeMap::new(),
            at_server: BTreeSet::new(),
            under_way: VecDeque::new(),
            said: Vec::new(),
        };
        let entropy = stage.entropy();
        stage.step_server(now, ServiceInput::Started { records: Vec::new(), entropy });
        stage
    }

    /// Other than that of every other life (IDM-1).
    fn entropy(&mut self) -> [u8; 32] {
        self.lives += 1;
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&self.seed.to_le_bytes());
        entropy[8..16].copy_from_slice(&self.lives.to_le_bytes());
        entropy
    }

    /// When something happens by itself.
    fn wake_at(&self) -> Option<Instant> {
        if !self.under_way.is_empty() {
            return Some(Instant::START);
        }
        let libraries = self.programs.values().filter_map(|program| program.library.next_deadline());
        libraries.chain(self.server.next_deadline()).min()
    }

    /// Does what is asked, and what to say when it is done: nothing of a call, which returns in its own time.
    fn take(&mut self, asked: Asked, now: Instant) -> Result<Value, String> {
        match asked {
            Asked::Device { id, device, user_id, device_id, platform } => {
                let identity = DeviceIdentity { user_id, device_id, platform };
                let config = DeviceConfig { identity, bounds: self.bounds.clone(), auto_busy: false };
                let program = Program {
                    library: (self.parts.device)(config),
                    connection: None,
                    wants_connection: false,
                    online: true,
                    calls: BTreeMap::new(),
                    last_call: 0,
                };
                self.programs.insert(device.clone(), program);
                let entropy = self.entropy();
                self.step_device(&device, now, DeviceInput::Started { entropy });
                Ok(done(id))
            }
            Asked::Call { id, device, operation, args } => {
                let content = Arc::new(call_of(&operation, args)?);
                let program = self.program(&device)?;
                program.last_call += 1;
                let call = CallNo(program.last_call);
                program.calls.insert(call, id);
                self.step_device(&device, now, DeviceInput::Call { call, content });
                Ok(Value::Null)
            }
            Asked::Network { id, device, online } => {
                self.program(&device)?.online = online;
                if online {
                    self.connect(&device);
                } else if self.hang_up(&device) {
                    self.step_device(&device, now, DeviceInput::Disconnected);
                }
                Ok(done(id))
            }
            Asked::Kill { id, device } => {
                self.program(&device)?;
                self.hang_up(&device);
                self.programs.remove(&device);
                Ok(done(id))
            }
            Asked::Hello { .. } | Asked::End { .. } | Asked::Stop { .. } | Asked::Fault { .. } => {
                unreachable!("handled before a run hears of it")
            }
        }
    }

    fn program(&mut self, device: &str) -> Result<&mut Program, String> {
        self.programs.get_mut(device).ok_or_else(|| format!("no program runs on `{device}`"))
    }

    /// Delivers what is under way, and wakes whoever is due; returns what is to be said.
    fn turn(&mut self, now: Instant) -> Vec<Value> {
        self.deliver(now);
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if is_due(self.server.next_deadline()) {
            self.step_server(now, ServiceInput::Deadline);
        }
        let due = self.programs.iter().filter(|(_, program)| is_due(program.library.next_deadline()));
        for device in due.map(|(device, _)| device.clone()).collect::<Vec<_>>() {
            self.step_device(&device, now, DeviceInput::Deadline);
        }
        self.deliver(now);
        std::mem::take(&mut self.said)
    }

    fn deliver(&mut self, now: Instant) {
        for _ in 0..TURN_MAX {
            let Some(next) = self.under_way.pop_front() else { return };
            match next {
                UnderWay::Connected(connection) => {
                    if let Some(device) = self.device_of(connection) {
                        self.step_device(&device, now, DeviceInput::Connected);
                    }
                }
                UnderWay::ToServer(input) => {
                    let stands = match &input {
                        ServiceInput::Opened { connection } => self.at_server.insert(*connection),
                        ServiceInput::Closed { connection } => self.at_server.remove(connection),
                        ServiceInput::Message { connection, .. } => self.at_server.contains(connection),
                        ServiceInput::Started { .. } | ServiceInput::Deadline => true,
                    };
                    // Whoever has closed a connection hears nothing more of it.
                    if stands {
                        self.step_server(now, input);
                    }
                }
                UnderWay::ToDevice(connection, message) => {
                    if let Some(device) = self.device_of(connection) {
                        self.step_device(&device, now, DeviceInput::Message(message));
                    }
                }
                UnderWay::Closed(connection) => {
                    if let Some(device) = self.device_of(connection) {
                        self.programs.get_mut(&device).expect("it was found").connection = None;
                        self.step_device(&device, now, DeviceInput::Disconnected);
                    }
                }
            }
        }
    }

    /// Whose connection it is, while it stands for its device.
    fn device_of(&self, connection: ConnectionNo) -> Option<String> {
        let device = self.made_by.get(&connection)?;
        let stands = self.programs.get(device).is_some_and(|program| program.connection == Some(connection));
        stands.then(|| device.clone())
    }

    /// Makes the connection that a device wants, if it has a network.
    fn connect(&mut self, device: &str) {
        let number = u32::try_from(self.made_by.len()).unwrap_or(u32::MAX).saturating_add(1);
        let Some(program) = self.programs.get_mut(device) else { return };
        if !program.wants_connection || !program.online || program.connection.is_some() {
            return;
        }
        let connection = ConnectionNo(number);
        program.wants_connection = false;
        program.connection = Some(connection);
        self.made_by.insert(connection, device.to_owned());
        self.under_way.push_back(UnderWay::ToServer(ServiceInput::Opened { connection }));
        self.under_way.push_back(UnderWay::Connected(connection));
    }

    /// Ends the connection of a device, of which the server hears behind all that it was sent; whether there was one.
    fn hang_up(&mut self, device: &str) -> bool {
        let connection = self.programs.get_mut(device).and_then(|program| program.connection.take());
        let closed = connection.map(|connection| UnderWay::ToServer(ServiceInput::Closed { connection }));
        self.under_way.extend(closed);
        connection.is_some()
    }

    fn step_server(&mut self, now: Instant, input: ServiceInput) {
        let mut outputs = Vec::new();
        self.server.step(now, input, &mut outputs);
        for output in outputs {
            match output {
                ServiceOutput::Send { connection, message } if self.at_server.contains(&connection) => {
                    // What can't be read ends a connection, as on a wire.
                    let under_way = match codec::decode_server(codec::encode_server(&message)) {
                        Ok(message) => UnderWay::ToDevice(connection, message),
                        Err(_) => UnderWay::Closed(connection),
                    };
                    self.under_way.push_back(under_way);
                }
                ServiceOutput::Close { connection } => {
                    if self.at_server.remove(&connection) {
                        self.under_way.push_back(UnderWay::Closed(connection));
                    }
                }
                // Nobody restarts it, and nobody is woken by a push service.
                ServiceOutput::Send { .. } | ServiceOutput::Persist(_) | ServiceOutput::PushHint(_) => {}
            }
        }
    }

    fn step_device(&mut self, device: &str, now: Instant, input: DeviceInput) {
        let Some(program) = self.programs.get_mut(device) else { return };
        let mut outputs = Vec::new();
        program.library.step(now, input, &mut outputs);
        for output in outputs {
            match output {
                DeviceOutput::Connect => {
                    if let Some(program) = self.programs.get_mut(device) {
                        program.wants_connection = true;
                    }
                    self.connect(device);
                }
                DeviceOutput::Disconnect => {
                    if let Some(program) = self.programs.get_mut(device) {
                        program.wants_connection = false;
                    }
                    self.hang_up(device);
                }
                DeviceOutput::Send(message) => self.send(device, &message),
                DeviceOutput::Returned { call, result } => {
                    // A call that returns twice is said twice: whoever asked tells of it.
                    let id = self.programs.get(device).and_then(|program| program.calls.get(&call)).copied();
                    self.said.push(match result {
                        Ok(Reply::Void) => json!({"type": "returned", "id": id}),
                        Ok(reply) => json!({"type": "returned", "id": id, "result": reply.to_api_json()}),
                        Err(error) => json!({"type": "returned", "id": id, "error": error}),
                    });
                }
                DeviceOutput::Event(event) => self.said.push(json!({"type": "event", "device": device,
                    "event": event.event.name().name(), "payload": event.event.to_api_json()})),
                // Applications have one handler for each event, which is not registered by them.
                DeviceOutput::Handler { .. } => {}
            }
        }
    }

    fn send(&mut self, device: &str, message: &ClientMessage) {
        let Some(connection) = self.programs.get(device).and_then(|program| program.connection) else { return };
        match codec::decode_client(codec::encode_client(message)) {
            Ok(message) => {
                self.under_way.push_back(UnderWay::ToServer(ServiceInput::Message { connection, message }));
            }
            Err(_) => {
                self.under_way.push_back(UnderWay::ToServer(ServiceInput::Closed { connection }));
                self.under_way.push_back(UnderWay::Closed(connection));
            }
        }
    }
}
