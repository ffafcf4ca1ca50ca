//! The server as a node: several connections say anything, time passes, connections are lost, the server restarts.
//!
//! What must hold whatever they say: nothing panics; every request is answered once, in the step that takes it; a connection
//! that is gone is not spoken to; events are numbered without gaps; what is said survives the codec; nothing stays due; two
//! servers that hear the same say the same; and a server that is recovered from its records goes on with the same sessions,
//! each with at least the events that its device has not acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;

use convoke::protocol::Node as _;
use convoke::protocol::bounds::Bounds;
use convoke::protocol::call::DeviceIdentity;
use convoke::protocol::codec;
use convoke::protocol::event::Event;
use convoke::protocol::message::{ClientMessage, ConnectionNo, Login, Request, Resume, ServerMessage};
use convoke::protocol::service::{Record, Service, ServiceConfig, ServiceInput, ServiceOutput};
use convoke::protocol::vocabulary::{OperationName, Platform, SessionToken};
use convoke::time::{Duration, Instant};
use serde_json::{Map, Value, json};

/// So many steps show what a script has to show.
const STEPS_MAX: usize = 400;

/// Reads the bytes as a script and carries it out.
///
/// # Panics
/// When the server breaks a promise.
pub(crate) fn run(bytes: &[u8]) {
    let mut script = Script { bytes, at: 0 };
    let mut scene = Scene::new(script.byte());
    for _ in 0..STEPS_MAX {
        if script.at >= script.bytes.len() {
            break;
        }
        scene.act(&mut script);
    }
    scene.compare_with_a_recovered_server();
}

/// Choices, taken from bytes; behind their end every choice is the first.
struct Script<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Script<'b> {
    fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        byte
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn text(&mut self) -> &'b [u8] {
        let (from, length) = (self.at.min(self.bytes.len()), usize::from(self.byte()) * 2);
        let text = &self.bytes[(from + 1).min(self.bytes.len())..(from + 1 + length).min(self.bytes.len())];
        self.at += length;
        text
    }
}

/// A connection, as its device knows it.
#[derive(Default)]
struct Link {
    identity: Option<DeviceIdentity>,
    /// The number of the next event, once it is known.
    next: Option<u64>,
    is_over: bool,
}

struct Scene {
    config: ServiceConfig,
    service: Service,
    /// Hears the same, and must say the same.
    twin: Service,
    now: Instant,
    records: Vec<Arc<Record>>,
    /// How many records there were in all.
    written: usize,
    links: BTreeMap<ConnectionNo, Link>,
    connections: u32,
    lives: u32,
    requests: u32,
    /// Every session that was ever begun.
    tokens: Vec<(DeviceIdentity, SessionToken)>,
    cursor: String,
    attempt: Value,
}

impl Scene {
    fn new(settings: u8) -> Self {
        let mut config = ServiceConfig {
            bounds: Bounds { undelivered_max: 12, ids_max: 4, ..Bounds::default() },
            rate_limits: settings & 1 != 0,
            accounts: ["a", "b", "c"].map(|user| (user.into(), user.into(), "".into())).to_vec(),
            open_accounts: settings & 2 != 0,
            checkpoint_every: (settings & 4 != 0).then_some(7),
        };
        if settings & 8 != 0 {
            config.bounds.result_memory = Duration::from_secs(3);
            config.bounds.answer_memory = Duration::from_secs(3);
        }
        let mut scene = Self {
            service: Service::new(config.clone()),
            twin: Service::new(config.clone()),
            config,
            now: Instant::START,
            records: Vec::new(),
            written: 0,
            links: BTreeMap::new(),
            connections: 0,
            lives: 0,
            requests: 0,
            tokens: Vec::new(),
            cursor: String::new(),
            attempt: Value::Null,
        };
        scene.step(ServiceInput::Started { records: Vec::new(), entropy: [0; 32] });
        scene
    }

    fn act(&mut self, script: &mut Script<'_>) {
        match script.below(16) {
            0 | 1 => self.open_and_log_in(script),
            2 => {
                if let Some(connection) = self.some_link(script) {
                    self.links.remove(&connection);
                    self.step(ServiceInput::Closed { connection });
                }
            }
            3 => self.pass(script),
            4 => {
                if let Some(connection) = self.some_link(script) {
                    self.log_in(connection, script);
                }
            }
            5 => {
                if let Some(connection) = self.some_link(script) {
                    let received = self.received(connection, script);
                    self.hear(connection, ClientMessage::Acknowledge { received });
                }
            }
            6 => {
                if let Ok(message) = codec::decode_client(script.text())
                    && let Some(connection) = self.some_link(script)
                {
                    self.hear(connection, message);
                }
            }
            7 if script.below(4) == 0 => self.restart(),
            _ => {
                if let Some(connection) = self.some_link(script) {
                    let request = self.request(connection, script);
                    self.hear(connection, ClientMessage::Request(request.into()));
                }
            }
        }
    }

    fn some_link(&mut self, script: &mut Script<'_>) -> Option<ConnectionNo> {
        let index = script.below(self.links.len().max(1));
        self.links.keys().nth(index).copied()
    }

    fn open_and_log_in(&mut self, script: &mut Script<'_>) {
        if self.links.len() >= 8 {
            return;
        }
        self.connections += 1;
        let connection = ConnectionNo(self.connections);
        self.links.insert(connection, Link::default());
        self.step(ServiceInput::Opened { connection });
        if script.below(8) != 0 {
            self.log_in(connection, script);
        }
    }

    fn log_in(&mut self, connection: ConnectionNo, script: &mut Script<'_>) {
        let user = script.pick(&["a", "b", "c", "a", "b", "nobody", ""]);
        let platform = script.pick(&[Platform::Web, Platform::Phone]);
        let device = script.pick(&["d1", "d2", ""]);
        let mut identity = DeviceIdentity { user_id: user.into(), device_id: device.into(), platform };
        let mut resume = None;
        if script.below(2) == 0 && !self.tokens.is_empty() {
            // Mostly the newest, now and then one that is over or somebody else's.
            let back = script.pick(&[0, 0, 0, 1, 2, 5]).min(self.tokens.len() - 1);
            let (whose, session) = self.tokens[self.tokens.len() - 1 - back].clone();
            if script.below(8) != 0 {
                identity = whose;
            }
            resume = Some(Resume { session, received: script.pick(&[0, 1, 2, 5, u64::MAX]) });
        }
        self.hear(connection, ClientMessage::Login(Login { identity, user_sig: "".into(), resume }.into()));
    }

    fn received(&self, connection: ConnectionNo, script: &mut Script<'_>) -> u64 {
        let last = self.links[&connection].next.map_or(0, |next| next - 1);
        match script.below(6) {
            0 => 0,
            1 => last.saturating_add(3),
            2 => u64::MAX,
            _ => last,
        }
    }

    fn request(&mut self, connection: ConnectionNo, script: &mut Script<'_>) -> Request {
        let operation = script.pick(OperationName::ALL);
        let room = script.pick(&["r", "r", "r", "s", "no/room", ""]);
        let user = script.pick(&["a", "b", "c", "nobody", ""]);
        let mut args = Map::new();
        for (field, value) in [
            ("roomId", json!(room)),
            ("userIdList", script.pick_list()),
            ("userId", json!(user)),
            ("timeout", script.pick_json(&[json!(1), json!(0), json!(0.0001), json!(60), json!(-1), json!(1e300)])),
            ("extensionInfo", json!("x")),
            ("attempt", self.attempt.clone()),
            ("reason", script.pick_json(&[json!(0), json!(1), json!(2), json!("0")])),
            ("cursor", script.pick_json(&[json!(""), json!(self.cursor), json!("x")])),
            ("count", script.pick_json(&[json!(0), json!(1), json!(2), json!(-1), json!(1.5)])),
            ("userRole", script.pick_json(&[json!(0), json!(1), json!(2)])),
            ("roomName", json!("n")),
            ("userName", json!("n")),
            ("maxMemberCount", script.pick_json(&[json!(0), json!(1), json!(2)])),
            ("scheduleAttendees", script.pick_list()),
            ("password", script.pick_json(&[json!(""), json!("p")])),
        ] {
            let is_known = |args: &Map<String, Value>| {
                codec::call_from(operation.name(), &Value::Object(args.clone()))
                    .err()
                    .is_none_or(|error| !error.reason.contains("unknown") && error.path != format!("/args/{field}"))
            };
            if value.is_null() {
                continue;
            }
            args.insert(field.to_owned(), value);
            // What the operation does not take is left out, but now and then.
            if !is_known(&args) && script.below(32) != 0 {
                args.remove(field);
            }
        }
        let id = match script.below(8) {
            // A repeat.
            0 => self.requests.saturating_sub(1),
            _ => {
                self.requests += 1;
                self.requests
            }
        };
        let content = codec::content_from(operation.name(), Value::Object(args));
        Request { id: format!("q{id}").into(), received: self.received(connection, script), content }
    }

    fn pass(&mut self, script: &mut Script<'_>) {
        let span = script.pick(&[1, 999, 1_000, 2_000, 10_001, 29_999, 30_001, 61_000, 121_000]);
        self.now = self.now + Duration::from_millis(span);
        self.step(ServiceInput::Deadline);
    }

    fn restart(&mut self) {
        self.links.clear();
        self.service = Service::new(self.config.clone());
        self.twin = Service::new(self.config.clone());
        let records = self.records.clone();
        // No two lives have the same luck.
        self.lives += 1;
        let mut entropy = [1; 32];
        entropy[..4].copy_from_slice(&self.lives.to_le_bytes());
        self.step(ServiceInput::Started { records, entropy });
    }

    /// A message of a device. What it is owed comes in the same step.
    fn hear(&mut self, connection: ConnectionNo, message: ClientMessage) {
        let known = self.links[&connection].identity.clone();
        let owed = match &message {
            ClientMessage::Acknowledge { .. } => 0,
            // A copy of the login that was made is no news.
            ClientMessage::Login(login) => usize::from(known.is_none_or(|known| known != login.identity)),
            ClientMessage::Request(_) => 1,
        };
        let written = self.written;
        let said = self.step(ServiceInput::Message { connection, message: message.clone() });
        let answers: Vec<_> = said
            .iter()
            .filter(|(to, said)| *to == connection && !matches!(said, ServerMessage::Event { .. }))
            .collect();
        assert_eq!(answers.len(), owed, "{message:?} is answered by {answers:?}");
        match (&message, answers.first().map(|(_, said)| said)) {
            (ClientMessage::Login(login), Some(ServerMessage::LoggedIn { session, resumed })) => {
                if !resumed {
                    self.tokens.push((login.identity.clone(), session.clone()));
                }
                // A session keeps the platform that it began on, whatever a resume says.
                let whose = self.tokens.iter().find(|(_, token)| token == session).expect("it began").0.clone();
                if let Some(link) = self.links.get_mut(&connection) {
                    link.identity = Some(whose);
                }
            }
            (ClientMessage::Login(_), Some(ServerMessage::Refused { .. })) | (_, None) => {}
            (ClientMessage::Request(request), Some(ServerMessage::Response(response))) => {
                assert_eq!(response.id, request.id);
                let text = codec::server_to_value(&ServerMessage::Response(response.clone()));
                if let Some(cursor) = text.pointer("/result/page/cursor") {
                    self.cursor = cursor.as_str().unwrap_or_default().to_owned();
                }
                // A repeat of an earlier logout changes nothing (IDM-1).
                let logs_out = request.content.operation() == Some(OperationName::Logout) && self.written > written;
                if logs_out
                    && response.result.is_ok()
                    && let Some(link) = self.links.get_mut(&connection)
                {
                    *link = Link::default();
                }
            }
            (message, answer) => panic!("{message:?} is answered by {answer:?}"),
        }
    }

    /// Steps both servers, and takes what they say. Returns the messages.
    fn step(&mut self, input: ServiceInput) -> Vec<(ConnectionNo, ServerMessage)> {
        let (mut outputs, mut same) = (Vec::new(), Vec::new());
        self.twin.step(self.now, input.clone(), &mut same);
        self.service.step(self.now, input, &mut outputs);
        assert_eq!(words(&outputs), words(&same), "two servers say two things");
        let mut said = Vec::new();
        for output in outputs {
            match output {
                ServiceOutput::Persist(record) => {
                    if matches!(*record, Record::Checkpoint(_)) {
                        self.records.clear();
                    }
                    self.records.push(record);
                    self.written += 1;
                }
                ServiceOutput::PushHint(_) => {}
                ServiceOutput::Close { connection } => {
                    assert!(self.links.remove(&connection).is_some(), "it closes a connection that is gone");
                }
                ServiceOutput::Send { connection, message } => {
                    self.say(connection, &message);
                    said.push((connection, message));
                }
            }
        }
        let due = self.service.next_deadline();
        assert!(due.is_none_or(|due| due > self.now), "{due:?} is due at {}", self.now);
        said
    }

    fn say(&mut self, connection: ConnectionNo, message: &ServerMessage) {
        let text = codec::encode_server(message);
        assert_eq!(codec::decode_server(&text).as_ref(), Ok(message), "{text}");
        let link = self.links.get_mut(&connection).unwrap_or_else(|| panic!("nobody is there for {text}"));
        assert!(!link.is_over, "after it was put out it hears {text}");
        match message {
            ServerMessage::LoggedIn { resumed, .. } => link.next = (!resumed).then_some(1),
            ServerMessage::Event { seq, event } => {
                assert!(link.next.is_none_or(|next| next == *seq), "wanted {:?}: {text}", link.next);
                link.next = Some(seq + 1);
                link.is_over = matches!(event.event, Event::KickedOffLine { .. });
                let stamp = codec::server_to_value(message);
                if let (Some(instance), Some(attempt)) =
                    (stamp.pointer("/stamp/instance"), stamp.pointer("/stamp/about/attempt"))
                {
                    self.attempt = json!({"instance": instance, "attempt": attempt});
                }
            }
            ServerMessage::Response(_) | ServerMessage::Refused { .. } => {}
        }
    }

    /// REC-4: a recovered server is the server that was.
    fn compare_with_a_recovered_server(mut self) {
        for connection in std::mem::take(&mut self.links).into_keys() {
            self.links.insert(connection, Link::default());
            self.step(ServiceInput::Closed { connection });
            self.links.clear();
        }
        let mut recovered = Service::new(self.config.clone());
        let start = ServiceInput::Started { records: self.records.clone(), entropy: [2; 32] };
        recovered.step(self.now, start, &mut Vec::new());
        // The newest first; a resume changes nothing for others, so it goes on until one is over.
        for (identity, session) in self.tokens.iter().rev() {
            let resume = Some(Resume { session: session.clone(), received: 0 });
            let login = Login { identity: identity.clone(), user_sig: "".into(), resume };
            self.connections += 1;
            let connection = ConnectionNo(self.connections);
            let mut heard = [&mut self.service, &mut recovered].map(|service| {
                let mut outputs = Vec::new();
                service.step(self.now, ServiceInput::Opened { connection }, &mut outputs);
                let message = ClientMessage::Login(login.clone().into());
                service.step(self.now, ServiceInput::Message { connection, message }, &mut outputs);
                let said: Vec<ServerMessage> = outputs
                    .into_iter()
                    .filter_map(|output| match output {
                        ServiceOutput::Send { connection: to, message } if to == connection => Some(message),
                        _ => None,
                    })
                    .collect();
                // What it did is undone by nobody, so both do it; then the next.
                service.step(self.now, ServiceInput::Closed { connection }, &mut Vec::new());
                said
            });
            let [lived, recovered] = &mut heard;
            let resumed = |said: &[ServerMessage]| match said.first() {
                Some(ServerMessage::LoggedIn { resumed, .. }) => *resumed,
                _ => false,
            };
            assert_eq!(resumed(lived), resumed(recovered), "{session:?} of {identity:?}");
            if !resumed(lived) {
                break;
            }
            // An acknowledgement that came with a read is not written down: such events may come again.
            let after = recovered.len().checked_sub(lived.len()).expect("at least what was not acknowledged");
            assert_eq!(recovered[1 + after..], lived[1..], "{session:?} of {identity:?}");
        }
    }
}

/// What can be compared of outputs, and is not too long: a checkpoint is the state, which shows in what follows.
fn words(outputs: &[ServiceOutput]) -> Vec<String> {
    let is_short = |output: &&ServiceOutput| !matches!(output, ServiceOutput::Persist(record) if matches!(**record, Record::Checkpoint(_)));
    outputs.iter().filter(is_short).map(|output| format!("{output:?}")).collect()
}

impl Script<'_> {
    fn pick_json(&mut self, from: &[Value]) -> Value {
        from[self.below(from.len())].clone()
    }

    fn pick_list(&mut self) -> Value {
        let lists = [json!(["b"]), json!(["a", "b", "c"]), json!(["c", "c"]), json!([]), json!(["nobody"]), json!("b")];
        self.pick_json(&lists)
    }
}
