//! Holds a trace against the models: the server on its wire, each library at its API.
//!
//! What the server took, and when, is read from the trace; what it must have said in return comes from the model and from
//! nowhere else. Responses and events are two queues (ORD-3); within each the order is exact, and everything is said at
//! the instant that causes it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;

use convoke::plan::{Action, DeviceIndex, Latency, Plan};
use convoke::protocol::call::Reply;
use convoke::protocol::event::{Event, RoomInfo, StampedEvent};
use convoke::protocol::message::{ClientMessage, ConnectionNo, Content, Response, ServerMessage};
use convoke::protocol::vocabulary::{RequestId, SessionToken};
use convoke::time::{Duration, Instant};
use convoke::trace::{DeviceChange, Occurrence, Stage, Trace};

use crate::library::Libraries;
use crate::sessions::{Answer, Out, Service};

/// What a comparison has looked at, and how often: operations with their results, events, and what the model found
/// worth a mark.
pub(crate) type Looked = BTreeMap<String, usize>;

/// Compares; the error says where the two part.
pub(crate) fn compare(trace: &Trace) -> Result<Looked, String> {
    let mut comparison = Comparison::new(trace);
    for (number, moment) in trace.moments.iter().enumerate() {
        comparison
            .look(moment.at, &moment.what)
            .map_err(|reason| format!("{reason}\nafter{}", moments_before(trace, number)))?;
    }
    comparison.nothing_is_owed(Instant::NEVER)?;
    comparison.libraries.nothing_is_owed(Instant::NEVER)?;
    let mut looked = comparison.looked;
    for mark in comparison.service.marks {
        *looked.entry(mark.to_owned()).or_default() += 1;
    }
    *looked.entry("heard by an application".to_owned()).or_default() += comparison.libraries.heard;
    *looked.entry("a library answered for a busy user".to_owned()).or_default() += comparison.libraries.busy_answers();
    looked.retain(|_, times| *times > 0);
    Ok(looked)
}

/// What led to a moment, for people.
fn moments_before(trace: &Trace, number: usize) -> String {
    let mut text = String::new();
    for moment in &trace.moments[number.saturating_sub(12)..=number] {
        let what = format!("{:?}", moment.what);
        let _ = write!(text, "\n    {} {}", moment.at, what.chars().take(400).collect::<String>());
    }
    text
}

/// What a connection carries: every message arrives as it was sent, in order, and not before its time. Each stands with the
/// instant of its sending.
#[derive(Default)]
struct Wire {
    to_server: BTreeMap<ConnectionNo, VecDeque<(Instant, ClientMessage)>>,
    to_device: BTreeMap<ConnectionNo, VecDeque<(Instant, ServerMessage)>>,
    latency: Duration,
    /// When a device's link was last let go: what was held arrives at once, or right behind what was under way before.
    released: BTreeMap<DeviceIndex, Instant>,
}

impl Wire {
    fn look(&mut self, at: Instant, what: &Occurrence) -> Result<(), String> {
        let latency = self.latency;
        let released = |device: &DeviceIndex| self.released.get(device).copied();
        let in_time = |device: &DeviceIndex, sent: Instant| {
            sent + latency <= at || released(device).is_some_and(|released| released >= sent)
        };
        let carried = match what {
            Occurrence::DeviceSent { connection, message, .. } => {
                self.to_server.entry(*connection).or_default().push_back((at, message.clone()));
                true
            }
            Occurrence::ServerSent { connection, message, .. } => {
                self.to_device.entry(*connection).or_default().push_back((at, message.clone()));
                true
            }
            Occurrence::ServerReceived { device, connection, message } => {
                let sent = self.to_server.entry(*connection).or_default().pop_front();
                sent.is_some_and(|(since, sent)| in_time(device, since) && sent == *message)
            }
            Occurrence::DeviceReceived { device, connection, message, .. } => {
                let sent = self.to_device.entry(*connection).or_default().pop_front();
                sent.is_some_and(|(since, sent)| in_time(device, since) && sent == *message)
            }
            Occurrence::DeviceChanged { device, change: DeviceChange::Released } => {
                self.released.insert(*device, at);
                true
            }
            _ => true,
        };
        if carried { Ok(()) } else { Err("nobody sent that, or it came too early or out of order".to_owned()) }
    }
}

struct Comparison {
    plan: Arc<Plan>,
    wire: Wire,
    service: Service,
    /// The instant up to which everything was settled.
    now: Instant,
    /// How long the disk takes: so long what is said may be held up, and what was not made durable is lost in a crash.
    sync: Duration,
    /// The service as it was at the end of earlier instants, as far back as a crash may throw it.
    earlier: VecDeque<(Instant, Service)>,
    /// Whether the last step, if it is a crash, spares what the disk had not made durable yet.
    keeps_unsynced: bool,
    up: bool,
    latency: Duration,
    connections: BTreeMap<ConnectionNo, Said>,
    pushes: VecDeque<(Instant, convoke::protocol::event::PushHint)>,
    tokens: Vec<SessionToken>,
    libraries: Libraries,
    operations: BTreeMap<(ConnectionNo, RequestId), String>,
    looked: Looked,
}

/// What the server must still say on one connection, each with the instant that causes it.
#[derive(Default)]
struct Said {
    logins: VecDeque<(Instant, Out)>,
    responses: VecDeque<(Instant, Out)>,
    events: VecDeque<(Instant, Out)>,
    close: Option<Instant>,
}

impl Comparison {
    fn new(trace: &Trace) -> Self {
        let plan = &trace.plan;
        let accounts = plan
            .accounts
            .iter()
            .map(|account| (account.user_id.clone(), (account.user_name.clone(), account.avatar_url.clone())))
            .collect();
        let service = Service::new((*plan.service.bounds).clone(), plan.service.rate_limits, accounts);
        Self {
            service,
            now: Instant::START,
            sync: plan.service.sync,
            earlier: VecDeque::new(),
            keeps_unsynced: false,
            plan: plan.clone(),
            up: true,
            wire: Wire::default(),
            latency: match plan.network.link.latency {
                Latency::Constant(latency) => latency,
                _ => Duration::ZERO,
            },
            connections: BTreeMap::new(),
            pushes: VecDeque::new(),
            tokens: Vec::new(),
            libraries: Libraries::new(plan),
            operations: BTreeMap::new(),
            looked: Looked::default(),
        }
    }

    fn look(&mut self, at: Instant, what: &Occurrence) -> Result<(), String> {
        if at > self.now {
            self.remember();
            if self.up {
                self.service.advance(at - Duration::from_nanos(1));
            }
            self.sort(at);
            self.nothing_is_owed(at)?;
            self.libraries.advance(at)?;
            self.now = at;
        }
        match what {
            Occurrence::ServerReceived { connection, message, .. } => {
                if let ClientMessage::Request(request) = message {
                    let operation = match &request.content {
                        Content::Call(call) => call.operation().to_string(),
                        Content::Malformed(_) => "malformed".to_owned(),
                    };
                    self.operations.insert((*connection, request.id.clone()), operation);
                }
                self.service.received(at, *connection, message);
                self.sort(at);
            }
            Occurrence::StepBegan { step } => {
                self.keeps_unsynced =
                    matches!(self.plan.steps[*step].action, Action::CrashServer { keep_unsynced: true });
            }
            Occurrence::ServerLost { connection, .. } => {
                self.service.advance(at);
                self.service.lost(at, *connection);
                self.sort(at);
                // What became due at this very instant has nowhere to go any more.
                self.connections.remove(connection);
            }
            Occurrence::ServerSent { connection, message, .. } => {
                self.service.advance(at);
                self.sort(at);
                self.said(*connection, message)?;
            }
            Occurrence::ServerClosed { connection, .. } => {
                self.service.advance(at);
                self.sort(at);
                let said = self.connections.entry(*connection).or_default();
                if said.close.take().is_none() || !said.events.is_empty() {
                    return Err(format!("the model closes no such connection, or says {:?} first", said.events));
                }
            }
            Occurrence::PushHinted(hint) => match self.pushes.pop_front() {
                Some((_, expected)) if expected == **hint => {}
                expected => return Err(format!("the model's hint is {expected:?}")),
            },
            Occurrence::ServerCrashed => {
                self.up = false;
                self.connections.clear();
                self.pushes.clear();
                self.fall_back(at);
            }
            Occurrence::ServerStarted { .. } => {
                self.up = true;
                self.service.restarted(at);
                self.sort(at);
            }
            _ => {}
        }
        // The setup takes no time.
        if *what == Occurrence::Stage(Stage::Body) {
            self.wire.latency = self.latency;
        }
        self.wire.look(at, what)?;
        self.libraries.look(at, what)
    }

    /// Notes what the service knows at the end of this instant, and forgets what no crash goes back to any more.
    fn remember(&mut self) {
        if self.sync == Duration::ZERO || !self.up {
            return;
        }
        self.earlier.push_back((self.now, self.service.clone()));
        let is_durable = |at: Instant| at + self.sync < self.now;
        while self.earlier.get(1).is_some_and(|(at, _)| is_durable(*at)) {
            self.earlier.pop_front();
        }
    }

    /// What was not durable is lost in a crash.
    fn fall_back(&mut self, at: Instant) {
        if self.sync == Duration::ZERO {
            return;
        }
        let earlier = std::mem::take(&mut self.earlier);
        if !self.keeps_unsynced {
            let durable = earlier.into_iter().rfind(|(since, _)| *since + self.sync < at || *since == Instant::START);
            let (_, durable) = durable.expect("the setup is durable, and so is what a crash before left");
            self.service.fall_back_to(durable, at - self.sync - Duration::from_nanos(1));
        }
        // What is left now, no later crash undoes.
        self.earlier.push_back((Instant::START, self.service.clone()));
    }

    /// Puts what the model says into the queues of its connections.
    fn sort(&mut self, at: Instant) {
        for out in self.service.out.drain(..) {
            match out {
                Out::Push(hint) => self.pushes.push_back((at, hint)),
                Out::Close { connection } => self.connections.entry(connection).or_default().close = Some(at),
                Out::LoggedIn { connection, .. } | Out::Refused { connection, .. } => {
                    self.connections.entry(connection).or_default().logins.push_back((at, out));
                }
                Out::Response { connection, .. } => {
                    self.connections.entry(connection).or_default().responses.push_back((at, out));
                }
                Out::Event { connection, .. } => {
                    self.connections.entry(connection).or_default().events.push_back((at, out));
                }
            }
        }
    }

    /// Everything that the model said before `now` has been said by the server, as soon as its disk let it.
    fn nothing_is_owed(&self, now: Instant) -> Result<(), String> {
        let mut owed = String::new();
        for (connection, said) in &self.connections {
            for (at, out) in said.logins.iter().chain(&said.responses).chain(&said.events) {
                if *at + self.sync < now {
                    let _ = writeln!(owed, "at {at} on connection {connection:?}: {out:?}");
                }
            }
            if said.close.is_some_and(|at| at + self.sync < now) {
                let _ = writeln!(owed, "connection {connection:?} was to be closed");
            }
        }
        for (at, hint) in self.pushes.iter().filter(|(at, _)| *at + self.sync < now) {
            let _ = writeln!(owed, "at {at}: {hint:?}");
        }
        if owed.is_empty() { Ok(()) } else { Err(format!("the model says, and the server never did:\n{owed}")) }
    }

    fn said(&mut self, connection: ConnectionNo, message: &ServerMessage) -> Result<(), String> {
        let said = self.connections.entry(connection).or_default();
        match message {
            ServerMessage::LoggedIn { session, resumed } => match said.logins.pop_front() {
                Some((_, Out::LoggedIn { resumed: expected, .. })) if expected == *resumed => {
                    if !*resumed && self.tokens.contains(session) {
                        return Err("the token is not new".to_owned());
                    }
                    self.tokens.push(session.clone());
                    if !self.service.learn_token(connection, session) {
                        return Err("the token has changed".to_owned());
                    }
                    Ok(())
                }
                expected => Err(format!("the model says {expected:?}")),
            },
            ServerMessage::Refused { error } => match said.logins.pop_front() {
                Some((_, Out::Refused { code, .. })) if code == error.code => Ok(()),
                expected => Err(format!("the model says {expected:?}")),
            },
            ServerMessage::Response(response) => match said.responses.pop_front() {
                Some((_, Out::Response { id, answer, .. })) if id == response.id => {
                    let operation = self.operations.remove(&(connection, id)).unwrap_or_default();
                    let result = match &response.result {
                        Ok(_) => "ok".to_owned(),
                        Err(error) => error.code.to_string(),
                    };
                    *self.looked.entry(format!("{operation}: {result}")).or_default() += 1;
                    same_answer(&mut self.service, &answer, response)
                }
                expected => Err(format!("the model says {expected:?}")),
            },
            ServerMessage::Event { seq, event } => {
                if let Some((_, login)) = said.logins.front() {
                    return Err(format!("the model first says {login:?}"));
                }
                match said.events.pop_front() {
                    Some((_, Out::Event { seq: number, event: expected, .. }))
                        if number == *seq && same_event(&expected, event) =>
                    {
                        *self.looked.entry(event.event.name().to_string()).or_default() += 1;
                        Ok(())
                    }
                    expected => Err(format!("the model says {expected:?}")),
                }
            }
        }
    }
}

/// The answer is the model's, or another lawful one; cursors are learned.
fn same_answer(service: &mut Service, expected: &Answer, response: &Response) -> Result<(), String> {
    let wrong = || Err(format!("the model answers {expected:?}"));
    let same = match (&expected.result, &response.result) {
        (Ok(Reply::List(expected_page)), Ok(Reply::List(page))) => {
            if expected_page.invitation_list != page.invitation_list
                || expected.cursor.is_none() != page.cursor.as_str().is_empty()
            {
                return wrong();
            }
            if let Some(meaning) = &expected.cursor {
                let life = service.lives;
                let before = service.cursors.insert(page.cursor.clone(), (meaning.clone(), life));
                if before.is_some_and(|(before, _)| before != *meaning) {
                    return Err("the same cursor meant something else before".to_owned());
                }
            }
            true
        }
        (Ok(Reply::RoomInfo(one)), Ok(Reply::RoomInfo(two))) => same_room_info(one, two),
        (Ok(one), Ok(two)) => one == two,
        (_, Err(error)) if expected.also == Some(error.code) => true,
        (Err(code), Err(error)) => *code == error.code,
        _ => false,
    };
    if same && expected.at == response.at { Ok(()) } else { wrong() }
}

fn same_room_info(one: &Arc<RoomInfo>, two: &Arc<RoomInfo>) -> bool {
    one == two
}

/// The same but for texts that are for people.
pub(crate) fn same_event(one: &StampedEvent, two: &StampedEvent) -> bool {
    one.stamp == two.stamp
        && match (&one.event, &two.event) {
            (Event::KickedOffLine { .. }, Event::KickedOffLine { .. }) => true,
            (
                Event::KickedOutOfRoom { room_id, reason, .. },
                Event::KickedOutOfRoom { room_id: room_too, reason: reason_too, .. },
            ) => (room_id, reason) == (room_too, reason_too),
            (one, two) => one == two,
        }
}
