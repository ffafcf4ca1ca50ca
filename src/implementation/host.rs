//! The other end of the conversation: our own server as somebody else's implementation, for either contract.
//!
//! It is what an author can compare with, and what the carrier is tested with: behind it the reference must show in every
//! run what it shows in ours. For contract `core` each session is a connection of its own that is never lost.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::words::SCHEMA;
use super::{Contract, Storage};
use crate::protocol::Node;
use crate::protocol::bounds::{BoundValue, Bounds};
use crate::protocol::call::{Call, DeviceIdentity};
use crate::protocol::codec;
use crate::protocol::message::{ClientMessage, ConnectionNo, Content, Login, Request, Resume, ServerMessage};
use crate::protocol::service::{Record, ServiceConfig, ServiceInput, ServiceOutput};
use crate::protocol::vocabulary::{DeviceId, RequestId, SessionToken, UserId};
use crate::time::{Duration, Instant};

/// A server for one life.
pub type HostedServer = dyn Node<Input = ServiceInput, Output = ServiceOutput>;

/// What is heard.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Heard {
    Hello { rate_limits: bool, bounds: BTreeMap<String, u64>, accounts: Vec<Account> },
    Start { now: Instant, entropy: String, records: Vec<Value>, sessions: Option<Vec<DeviceIdentity>> },
    Online { now: Instant, session: DeviceIdentity },
    Offline { now: Instant, session: DeviceIdentity },
    Request { now: Instant, session: DeviceIdentity, id: RequestId, operation: String, args: Value },
    Open { now: Instant, connection: ConnectionNo },
    Message { now: Instant, connection: ConnectionNo, message: ClientMessage },
    Closed { now: Instant, connection: ConnectionNo },
    Wake { now: Instant },
    Stop,
    Fault { reason: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    user_id: UserId,
    user_name: Arc<str>,
    avatar_url: Arc<str>,
}

/// Why a conversation ends before `stop`.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The streams can't be used.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line is not what this side waits for.
    #[error("line {0}: {1}")]
    Line(u64, String),
}

/// Answers line by line until `stop`, or the end of what comes. `make` makes the server of each life.
///
/// # Errors
/// When the streams can't be used, or what comes is no conversation.
pub fn host(
    contract: Contract,
    storage: Storage,
    name: &str,
    make: &dyn Fn(ServiceConfig) -> Box<HostedServer>,
    from: impl BufRead,
    mut to: impl Write,
) -> Result<(), HostError> {
    let mut config = None;
    let mut hosted = None;
    for (line, number) in from.lines().zip(1..) {
        let wrong = |reason: String| HostError::Line(number, reason);
        let heard: Heard = serde_json::from_str(&line?).map_err(|error| wrong(error.to_string()))?;
        let is_over = matches!(heard, Heard::Stop);
        let answer = match heard {
            Heard::Hello { rate_limits, bounds, accounts } => {
                config = Some(config_of(rate_limits, &bounds, accounts).map_err(wrong)?);
                hosted = None;
                let version = env!("CARGO_PKG_VERSION");
                json!({"type": "hello", "schema": SCHEMA, "contract": contract, "name": name, "version": version,
                    "storage": storage, "reusable": true})
            }
            Heard::Stop => json!({"type": "out", "out": []}),
            Heard::Fault { reason } => return Err(wrong(format!("told of a fault: {reason}"))),
            Heard::Start { now, entropy, records, sessions } => {
                let mut config = config.clone().ok_or_else(|| wrong("`start` before `hello`".to_owned()))?;
                if contract == Contract::Core {
                    // Nobody acknowledges to this side's session layer.
                    config.bounds.undelivered_max = u64::MAX;
                }
                let entropy = entropy_of(&entropy).ok_or_else(|| wrong("`entropy` is not 32 bytes".to_owned()))?;
                let records = records.into_iter().map(serde_json::from_value::<Arc<Record>>).collect::<Result<_, _>>();
                let records = records.map_err(|error| wrong(error.to_string()))?;
                let hosted = hosted.insert(Hosted::new(contract, storage, make(config)));
                hosted.start(now, records, entropy, sessions.unwrap_or_default())
            }
            heard => match &mut hosted {
                Some(hosted) => hosted.hear(heard),
                None => return Err(wrong("a message before `start`".to_owned())),
            },
        };
        writeln!(to, "{answer}")?;
        to.flush()?;
        if is_over {
            break;
        }
    }
    Ok(())
}

pub(super) fn config_of(
    rate_limits: bool,
    given: &BTreeMap<String, u64>,
    accounts: Vec<Account>,
) -> Result<ServiceConfig, String> {
    let bounds = bounds_of(given)?;
    let accounts = accounts.into_iter().map(|account| (account.user_id, account.user_name, account.avatar_url));
    Ok(ServiceConfig {
        bounds,
        rate_limits,
        accounts: accounts.collect(),
        open_accounts: false,
        checkpoint_every: None,
    })
}

pub(super) fn bounds_of(given: &BTreeMap<String, u64>) -> Result<Bounds, String> {
    let mut bounds = Bounds::default();
    for (name, number) in given {
        let value = match bounds.get(name) {
            Some(BoundValue::Duration(_)) => BoundValue::Duration(Duration::from_nanos(*number)),
            Some(BoundValue::Count(_)) => BoundValue::Count(*number),
            None => return Err(format!("unknown bound `{name}`")),
        };
        bounds.set(name, value).map_err(|_| format!("bound `{name}` is of another kind"))?;
    }
    Ok(bounds)
}

pub(super) fn entropy_of(text: &str) -> Option<[u8; 32]> {
    let bytes: Option<Vec<u8>> =
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect();
    bytes?.try_into().ok()
}

/// One life.
struct Hosted {
    contract: Contract,
    storage: Storage,
    server: Box<HostedServer>,
    /// For contract `core`: the connection of each session, and which number the last event on it had.
    sessions: BTreeMap<(UserId, DeviceId), (ConnectionNo, u64)>,
    connections: u32,
    logouts: u64,
    /// What the sessions of an earlier life are resumed with.
    tokens: BTreeMap<(UserId, DeviceId), SessionToken>,
}

impl Hosted {
    fn new(contract: Contract, storage: Storage, server: Box<HostedServer>) -> Self {
        let (sessions, tokens) = (BTreeMap::new(), BTreeMap::new());
        Self { contract, storage, server, sessions, connections: 0, logouts: 0, tokens }
    }

    fn start(
        &mut self,
        now: Instant,
        records: Vec<Arc<Record>>,
        entropy: [u8; 32],
        sessions: Vec<DeviceIdentity>,
    ) -> Value {
        for record in &records {
            if let Record::SessionBegan { identity, token } = &**record {
                self.tokens.insert((identity.user_id.clone(), identity.device_id.clone()), token.clone());
            }
        }
        let mut out = Vec::new();
        // In contract `core` whoever is online stays so: it is back before anything is found to be due.
        let left_off = records.iter().filter_map(|record| record.at()).max().unwrap_or(now);
        let resumes = !sessions.is_empty();
        let started = if resumes { left_off } else { now };
        self.step(started, ServiceInput::Started { records, entropy }, None, &mut out);
        for session in sessions {
            self.online(left_off, session, &mut out);
        }
        if resumes {
            self.step(now, ServiceInput::Deadline, None, &mut out);
        }
        self.out(out)
    }

    fn hear(&mut self, heard: Heard) -> Value {
        let mut out = Vec::new();
        match heard {
            Heard::Online { now, session } => self.online(now, session, &mut out),
            Heard::Offline { now, session } => {
                let key = (session.user_id, session.device_id);
                self.logouts += 1;
                let id = RequestId::from(format!("logout {}", self.logouts));
                let content = Content::Call(Arc::new(Call::Logout {}));
                self.request(now, &key, id.clone(), content, Some(&id), &mut out);
                self.sessions.remove(&key);
            }
            Heard::Request { now, session, id, operation, args } => {
                let key = (session.user_id, session.device_id);
                self.request(now, &key, id, codec::content_from(&operation, args), None, &mut out);
            }
            Heard::Open { now, connection } => self.step(now, ServiceInput::Opened { connection }, None, &mut out),
            Heard::Message { now, connection, message } => {
                self.step(now, ServiceInput::Message { connection, message }, None, &mut out);
            }
            Heard::Closed { now, connection } => self.step(now, ServiceInput::Closed { connection }, None, &mut out),
            Heard::Wake { now } => self.step(now, ServiceInput::Deadline, None, &mut out),
            Heard::Hello { .. } | Heard::Start { .. } | Heard::Stop | Heard::Fault { .. } => {
                unreachable!("handled before a life hears of it")
            }
        }
        self.out(out)
    }

    fn out(&self, out: Vec<Value>) -> Value {
        let mut answer = json!({"type": "out", "out": out});
        if let Some(at) = self.server.next_deadline() {
            answer["wakeAt"] = json!(at);
        }
        answer
    }

    fn online(&mut self, now: Instant, session: DeviceIdentity, out: &mut Vec<Value>) {
        let key = (session.user_id.clone(), session.device_id.clone());
        self.connections += 1;
        let connection = ConnectionNo(self.connections);
        self.step(now, ServiceInput::Opened { connection }, None, out);
        self.sessions.insert(key.clone(), (connection, 0));
        // What was said to it in an earlier life is the session layer's, which sends it again itself.
        let resume = self.tokens.remove(&key).map(|session| Resume { session, received: u64::MAX });
        let login = Login { identity: session, user_sig: "".into(), resume };
        self.step(now, ServiceInput::Message { connection, message: ClientMessage::Login(login.into()) }, None, out);
    }

    fn request(
        &mut self,
        now: Instant,
        key: &(UserId, DeviceId),
        id: RequestId,
        content: Content,
        unsaid: Option<&RequestId>,
        out: &mut Vec<Value>,
    ) {
        let Some((connection, received)) = self.sessions.get(key).copied() else { return };
        let message = ClientMessage::Request(Request { id, received, content }.into());
        self.step(now, ServiceInput::Message { connection, message }, unsaid, out);
    }

    /// Steps the server, and says what it wants to happen; but for the response `unsaid`.
    fn step(&mut self, now: Instant, input: ServiceInput, unsaid: Option<&RequestId>, out: &mut Vec<Value>) {
        let mut outputs = Vec::new();
        self.server.step(now, input, &mut outputs);
        for output in outputs {
            match output {
                ServiceOutput::Persist(_) if self.storage == Storage::None => {}
                ServiceOutput::Persist(record) => out.push(json!({"persist": record})),
                ServiceOutput::PushHint(hint) => out.push(json!({"push": hint})),
                ServiceOutput::Send { connection, message } => match self.contract {
                    Contract::Core => self.say_in_core(connection, message, unsaid, out),
                    Contract::Full => out.push(json!({"send": {"connection": connection, "message": message}})),
                },
                ServiceOutput::Close { connection } => match self.contract {
                    // Its sessions are told to end, and their connections are its own.
                    Contract::Core => {}
                    Contract::Full => out.push(json!({"close": {"connection": connection}})),
                },
            }
        }
    }

    /// What the session layer would send is said of the session that it goes to.
    fn say_in_core(
        &mut self,
        connection: ConnectionNo,
        message: ServerMessage,
        unsaid: Option<&RequestId>,
        out: &mut Vec<Value>,
    ) {
        let Some((key, (_, last))) = self.sessions.iter_mut().find(|(_, (known, _))| *known == connection) else {
            return;
        };
        match message {
            ServerMessage::Event { seq, event } => {
                *last = seq;
                let mut event = json!(&*event);
                event["to"] = json!([{"userId": key.0, "deviceId": key.1}]);
                out.push(json!({"event": event}));
            }
            ServerMessage::Response(response) if unsaid == Some(&response.id) => {}
            response @ ServerMessage::Response(_) => {
                let mut response = json!(response);
                response.as_object_mut().expect("messages are objects").remove("type");
                out.push(json!({"response": response}));
            }
            ServerMessage::LoggedIn { .. } | ServerMessage::Refused { .. } => {}
        }
    }
}
