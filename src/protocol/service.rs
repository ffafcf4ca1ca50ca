//! The server: a session layer over the invitation core.
//!
//! Every change of state is a [`Record`] that is written down before anything that depends on it is said: `commit` asks
//! for the record to be made durable and then carries it out, and a restart carries the same records out again. So what a
//! recovered server knows is what it said (REC-4), by construction.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Node;
use super::bounds::Bounds;
use super::call::{Call, DeviceIdentity, Reply};
use super::core::{Caller, Effects, InvitationCore, SessionSlot, Transition};
use super::devices::Devices;
use super::digits;
use super::event::{Event, PushHint, StampedEvent};
use super::logic::{CoreLogic, Logic};
use super::message::{ClientMessage, ConnectionNo, Content, Login, Request, Response, ServerMessage};
use super::session::{KeptResult, Sessions};
use super::vocabulary::{ApiError, ErrorCode, OperationName, RequestId, SessionToken, UserId};
use crate::seed::Stream;
use crate::time::Instant;

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// The numeric bounds.
    pub bounds: Bounds,
    /// Whether the token buckets of SEC-6 are on.
    pub rate_limits: bool,
    /// The accounts that exist: id, name and picture.
    pub accounts: Vec<(UserId, Arc<str>, Arc<str>)>,
    /// Whether a login with an unknown id makes an account of it.
    pub open_accounts: bool,
    /// After how many records a checkpoint bounds the journal; after as many as the last checkpoint held things where those
    /// are more, so that checkpoints never take most of what is written.
    pub checkpoint_every: Option<u64>,
}

/// What can happen to a server.
#[derive(Clone, Debug)]
pub enum ServiceInput {
    /// It starts: with the records that its last life left, and entropy for its tokens.
    Started {
        /// What was durable.
        records: Vec<Arc<Record>>,
        /// 32 random bytes.
        entropy: [u8; 32],
    },
    /// A connection stands.
    Opened {
        /// Which.
        connection: ConnectionNo,
    },
    /// A connection is gone.
    Closed {
        /// Which.
        connection: ConnectionNo,
    },
    /// A message came.
    Message {
        /// On which connection.
        connection: ConnectionNo,
        /// What.
        message: ClientMessage,
    },
    /// Time has passed.
    Deadline,
}

/// What a server asks of its world. The outputs are one queue: nothing behind a record that is not yet durable is
/// released.
#[derive(Clone, Debug)]
pub enum ServiceOutput {
    /// Send a message.
    Send {
        /// On which connection.
        connection: ConnectionNo,
        /// What.
        message: ServerMessage,
    },
    /// Close a connection, when everything before it has been sent.
    Close {
        /// Which.
        connection: ConnectionNo,
    },
    /// Make a record durable.
    Persist(Arc<Record>),
    /// Ask the push service to wake a user who has no device online (REC-6).
    PushHint(PushHint),
}

/// One change of the server's state, as it is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Record {
    /// Everything up to here, in one: earlier records are not needed any more.
    Checkpoint(Box<Durable>),
    /// The server was started: nobody is connected.
    Restarted {
        /// When.
        at: Instant,
    },
    /// A login that began a session.
    SessionBegan {
        /// Whose.
        identity: DeviceIdentity,
        /// How it is resumed.
        token: SessionToken,
    },
    /// A connection was lost.
    Suspended {
        /// When.
        at: Instant,
        /// Which session's.
        slot: SessionSlot,
    },
    /// A login that resumed a session.
    Resumed {
        /// Which.
        slot: SessionSlot,
        /// What the device had received.
        received: u64,
    },
    /// The resume window passed, or another login took the session's place.
    SessionEnded {
        /// When.
        at: Instant,
        /// Which.
        slot: SessionSlot,
    },
    /// The device has received events.
    Acknowledged {
        /// In which session.
        slot: SessionSlot,
        /// The number of the last.
        received: u64,
    },
    /// A request that may change state was handled.
    Handled(HandledRequest),
    /// An attempt reached its deadline.
    Expired {
        /// When it was committed.
        at: Instant,
        /// The expiry.
        transition: Transition,
    },
    /// Logic of somebody else said something that is not part of a request that may change state.
    Told {
        /// When it was committed.
        at: Instant,
        /// What it said.
        transition: Transition,
    },
    /// What a whole server of somebody else wants to have back after a restart.
    Kept(serde_json::Value),
}

impl Record {
    /// When it was committed, where that matters to what it says.
    #[must_use]
    pub fn at(&self) -> Option<Instant> {
        match self {
            Self::Restarted { at }
            | Self::Suspended { at, .. }
            | Self::SessionEnded { at, .. }
            | Self::Expired { at, .. }
            | Self::Told { at, .. } => Some(*at),
            Self::Handled(handled) => Some(handled.at),
            Self::Checkpoint(_)
            | Self::SessionBegan { .. }
            | Self::Resumed { .. }
            | Self::Acknowledged { .. }
            | Self::Kept(_) => None,
        }
    }
}

/// A request that may change state, and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HandledRequest {
    at: Instant,
    slot: SessionSlot,
    request: Arc<Request>,
    result: Result<Reply, ApiError>,
    judged_in_room: bool,
    transition: Option<Transition>,
}

impl HandledRequest {
    /// What was asked, if there is such an operation.
    #[must_use]
    pub fn operation(&self) -> Option<OperationName> {
        self.request.content.operation()
    }
}

/// What survives a crash.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Durable {
    core: InvitationCore,
    sessions: Sessions,
    devices: Devices,
}

impl Durable {
    /// How many things it holds: writing it down takes the longer, the more they are.
    fn size(&self) -> u64 {
        self.core.size() + self.sessions.queued() + self.devices.kept_results()
    }
}

/// The server as a node.
#[derive(Debug)]
pub struct Service<L = CoreLogic> {
    config: ServiceConfig,
    logic: L,
    state: Durable,
    /// The session that speaks on each open connection, once it has logged in.
    connections: BTreeMap<ConnectionNo, Option<SessionSlot>>,
    tokens: Stream,
    records_since_checkpoint: u64,
    /// How many things the last checkpoint held.
    checkpoint_size: u64,
    /// Sessions found to have too much unacknowledged, to be ended when the step is over.
    overflowing: Vec<SessionSlot>,
    effects: Effects,
}

impl Service {
    /// A server that has not been started.
    #[must_use]
    pub fn new(config: ServiceConfig) -> Self {
        Self::with_logic(config, CoreLogic)
    }
}

impl<L: Logic> Service<L> {
    /// A server that has not been started, and that asks this logic.
    #[must_use]
    pub fn with_logic(config: ServiceConfig, logic: L) -> Self {
        let state = Durable {
            core: InvitationCore::new(config.bounds.clone(), config.rate_limits),
            sessions: Sessions::default(),
            devices: Devices::default(),
        };
        Self {
            config,
            logic,
            state,
            connections: BTreeMap::new(),
            tokens: Stream::from_entropy([0; 32]),
            records_since_checkpoint: 0,
            checkpoint_size: 0,
            overflowing: Vec::new(),
            effects: Effects::default(),
        }
    }

    /// The logic that it asks.
    pub const fn logic_mut(&mut self) -> &mut L {
        &mut self.logic
    }

    fn start(&mut self, now: Instant, records: &[Arc<Record>], entropy: [u8; 32], outputs: &mut Vec<ServiceOutput>) {
        self.tokens = Stream::from_entropy(entropy);
        // A life begins once.
        for (user, name, avatar_url) in std::mem::take(&mut self.config.accounts) {
            self.state.core.add_account(user, name, avatar_url);
        }
        // A recovered server speaks to nobody until somebody connects, so carrying the records out sends nothing.
        for record in records {
            self.carry_out(record, outputs);
        }
        outputs.clear();
        // Who overflowed then was ended by a record that follows, unless the crash came first; the slot may be another's now.
        self.overflowing = self.state.sessions.slots();
        if !records.is_empty() {
            self.commit(Record::Restarted { at: now }, outputs);
        }
        let told = self.logic.started(now, entropy);
        self.commit_told(now, told, outputs);
    }

    /// Writes down what logic of somebody else said of its own accord.
    fn commit_told(&mut self, at: Instant, told: Option<Transition>, outputs: &mut Vec<ServiceOutput>) {
        if let Some(transition) = told {
            self.commit(Record::Told { at, transition }, outputs);
        }
    }

    /// TMO-3: before anything else is looked at, whatever is due by `now` is committed, by deadline.
    fn commit_what_is_due(&mut self, now: Instant, asks_logic: bool, outputs: &mut Vec<ServiceOutput>) {
        loop {
            let expiry = if asks_logic { self.logic.due(&self.state.core, now) } else { None };
            let window = self.state.sessions.next_end().filter(|(end, _)| *end <= now);
            match (expiry, window) {
                (None, None) => return,
                (Some((deadline, transition)), window) if window.is_none_or(|(end, _)| deadline <= end) => {
                    self.commit(Record::Expired { at: now, transition }, outputs);
                }
                (_, Some((_, slot))) => self.commit_session_end(now, slot, outputs),
                (Some(_), None) => unreachable!("an expiry without a window is handled above"),
            }
        }
    }

    /// Writes a record down, and carries it out.
    fn commit(&mut self, record: Record, outputs: &mut Vec<ServiceOutput>) {
        let record = Arc::new(record);
        outputs.push(ServiceOutput::Persist(record.clone()));
        self.carry_out(&record, outputs);
        self.records_since_checkpoint += 1;
        let due = |every: u64| self.records_since_checkpoint >= every.max(self.checkpoint_size);
        if self.config.checkpoint_every.is_some_and(due) {
            self.records_since_checkpoint = 0;
            self.checkpoint_size = self.state.size();
            let checkpoint = Record::Checkpoint(Box::new(self.state.clone()));
            outputs.push(ServiceOutput::Persist(Arc::new(checkpoint)));
        }
    }

    /// Ends a session, and tells the logic.
    fn commit_session_end(&mut self, now: Instant, slot: SessionSlot, outputs: &mut Vec<ServiceOutput>) {
        let identity = self.state.sessions.get(slot).identity.clone();
        self.commit(Record::SessionEnded { at: now, slot }, outputs);
        let told = self.logic.session_ended(now, &identity);
        self.commit_told(now, told, outputs);
    }

    /// The only place where what survives a crash changes.
    fn carry_out(&mut self, record: &Record, outputs: &mut Vec<ServiceOutput>) {
        let window = self.config.bounds.resume_window;
        match record {
            Record::Checkpoint(state) => {
                self.state = (**state).clone();
                self.state.core.count_owned();
            }
            Record::Restarted { at } => self.state.sessions.suspend_afresh(*at, window),
            Record::SessionBegan { identity, token } => {
                if self.config.open_accounts {
                    let user = &identity.user_id;
                    self.state.core.add_account(user.clone(), user.as_str().into(), "".into());
                }
                let place = self.state.devices.place(identity, self.config.bounds.result_memory);
                let identity = Arc::new(identity.clone());
                let slot = self.state.sessions.begin(identity.clone(), place, token.clone());
                self.state.core.online(&identity.user_id, &identity.device_id, slot);
                self.logic.online(&identity, slot);
                self.state.devices.begin(place, slot);
            }
            Record::Suspended { at, slot } => self.state.sessions.suspend(*at, *slot, window),
            Record::Resumed { slot, received } => self.state.sessions.resume(*slot, *received, window),
            Record::SessionEnded { at, slot } => self.end_session(*at, *slot, outputs),
            Record::Acknowledged { slot, received } => self.state.sessions.get_mut(*slot).acknowledge(*received),
            Record::Handled(handled) => self.carry_out_request(handled, outputs),
            Record::Expired { at, transition } | Record::Told { at, transition } => {
                self.apply(*at, transition, outputs)
            }
            Record::Kept(_) => unreachable!("this server writes down what it knows, and nothing that others keep"),
        }
    }

    fn apply(&mut self, at: Instant, transition: &Transition, outputs: &mut Vec<ServiceOutput>) {
        let mut effects = std::mem::take(&mut self.effects);
        self.logic.apply(&mut self.state.core, at, transition, &mut effects);
        for (slot, event) in effects.events.drain(..) {
            self.deliver(slot, event, outputs);
        }
        outputs.extend(effects.hints.drain(..).map(ServiceOutput::PushHint));
        self.effects = effects;
    }

    fn deliver(&mut self, slot: SessionSlot, event: Arc<StampedEvent>, outputs: &mut Vec<ServiceOutput>) {
        let session = self.state.sessions.get_mut(slot);
        if let Some((connection, seq)) = session.push(event.clone()) {
            outputs.push(ServiceOutput::Send { connection, message: ServerMessage::Event { seq, event } });
        }
        if session.undelivered_count() > self.config.bounds.undelivered_max {
            self.overflowing.push(slot);
        }
    }

    /// TERM-2: the end of a member device's session is an exit from the room.
    fn end_session(&mut self, at: Instant, slot: SessionSlot, outputs: &mut Vec<ServiceOutput>) {
        let identity = self.state.sessions.get(slot).identity.clone();
        let exit = self.logic.session_end(&self.state.core, &identity.user_id, slot);
        self.state.core.offline(&identity.user_id, slot);
        self.logic.offline(slot);
        if let Some(exit) = exit {
            self.apply(at, &exit, outputs);
        }
        let session = self.state.sessions.end(slot, self.config.bounds.resume_window);
        self.state.devices.end(at, session.device, self.config.bounds.result_memory);
    }

    fn carry_out_request(&mut self, handled: &HandledRequest, outputs: &mut Vec<ServiceOutput>) {
        let HandledRequest { at, slot, request, result, judged_in_room, transition } = handled;
        let session = self.state.sessions.get_mut(*slot);
        session.acknowledge(request.received);
        let (connection, device) = (session.connection, session.device);
        self.state.core.charge(*at, &session.identity.user_id, &request.content);

        let room_id = match &request.content {
            Content::Call(call) => call.room_id(),
            Content::Malformed(_) => None,
        };
        let before = room_id.and_then(|room_id| self.state.core.room_point(room_id)).filter(|_| *judged_in_room);
        let mut result = result.clone();
        if let Some(transition) = transition {
            self.apply(*at, transition, outputs);
            if let Transition::Entered { room_id, .. } = transition {
                result = Ok(self.state.core.room_info_reply(room_id).expect("a room that was entered exists"));
            }
        }
        let after = room_id.and_then(|room_id| self.state.core.room_point(room_id));
        let point = match (before, after) {
            _ if let Some(Transition::Told(told)) = transition => told.at,
            // The room was dissolved by this request.
            (Some(mut point), None) => {
                point.revision.0 += 1;
                Some(point)
            }
            (Some(_), after) => after,
            (None, after) => after.filter(|_| transition.is_some()),
        };
        let response = Response { id: request.id.clone(), result: result.clone(), at: point };
        if let Some(connection) = connection {
            outputs.push(ServiceOutput::Send { connection, message: ServerMessage::Response(response.into()) });
        }
        let memory = self.config.bounds.result_memory;
        let kept = KeptResult::new(&request.content, result, point);
        self.state.devices.results_mut(device).keep(*at, request.id.clone(), kept, memory);
        if request.content.logs_out() {
            self.end_session(*at, *slot, outputs);
        }
    }

    fn login(&mut self, now: Instant, connection: ConnectionNo, login: Arc<Login>, outputs: &mut Vec<ServiceOutput>) {
        let refuse = |error| ServiceOutput::Send { connection, message: ServerMessage::Refused { error } };
        match self.connections.get(&connection) {
            Some(None) => {}
            // A copy of the login that this connection has made is no news.
            Some(Some(slot)) if *self.state.sessions.get(*slot).identity == login.identity => return,
            Some(Some(_)) => {
                let error = ApiError::new(ErrorCode::INVALID_PARAMETER, "this connection has a session already");
                outputs.push(refuse(error));
                return;
            }
            None => return, // It was closed by us a moment ago.
        }
        let Login { identity, resume, .. } = &*login;
        if identity.user_id.as_str().is_empty() || identity.device_id.as_str().is_empty() {
            outputs.push(refuse(ApiError::new(ErrorCode::INVALID_PARAMETER, "userId and deviceId must not be empty")));
            return;
        }
        if !self.config.open_accounts && !self.state.core.has_account(&identity.user_id) {
            outputs.push(refuse(ApiError::new(ErrorCode::USER_NOT_EXIST, "no such account")));
            return;
        }
        let old = self.state.devices.session_of(&identity.user_id, &identity.device_id);
        // DEV-9: a device is on one platform. What comes back on another is another session, or a device of one platform
        // would go on beside the one that has its place there.
        let is_it = |slot: SessionSlot, token: &SessionToken| {
            let session = self.state.sessions.get(slot);
            session.token == *token && session.identity.platform == identity.platform
        };
        let resumed = match (old, &resume) {
            (Some(slot), Some(resume)) if is_it(slot, &resume.session) => Some((slot, resume)),
            _ => None,
        };
        if let Some((slot, resume)) = resumed {
            // TERM-1: a new connection of a device replaces its older one.
            self.close_connection_of(slot, outputs);
            self.commit(Record::Resumed { slot, received: resume.received }, outputs);
            self.attach(connection, slot);
            let session = self.state.sessions.get(slot);
            let logged_in = ServerMessage::LoggedIn { session: session.token.clone(), resumed: true };
            outputs.push(ServiceOutput::Send { connection, message: logged_in });
            // REC-2: what it missed, in order, before anything new.
            outputs.extend(session.undelivered().map(|(seq, event)| ServiceOutput::Send {
                connection,
                message: ServerMessage::Event { seq, event: event.clone() },
            }));
            return;
        }
        // DEV-9: a library that comes back to a session that is over did not log in again by itself what somebody has
        // replaced meanwhile: it is told so, and the newer session stays.
        let is_newer = |slot: SessionSlot| {
            let other = &self.state.sessions.get(slot).identity;
            other.platform == identity.platform && other.device_id != identity.device_id
        };
        if resume.is_some() && self.state.core.sessions_of(&identity.user_id).any(is_newer) {
            let message = "the user has logged in on another device of this platform";
            outputs.push(refuse(ApiError::new(ErrorCode::SDK_NOT_INITIALIZED, message)));
            return;
        }
        // TERM-1: a login of the same device that is not a resume ends its session. DEV-9: so it does with the session
        // of another device of the user on the same platform, which hears of it.
        let replaced: Vec<SessionSlot> = self
            .state
            .core
            .sessions_of(&identity.user_id)
            .filter(|slot| {
                let other = &self.state.sessions.get(*slot).identity;
                other.device_id == identity.device_id || other.platform == identity.platform
            })
            .collect();
        for slot in replaced {
            let evicted = self.state.sessions.get(slot).identity.device_id != identity.device_id;
            self.replace(now, slot, evicted, outputs);
        }
        let halves: [[u8; 16]; 2] = [(); 2].map(|()| digits::hexadecimal(self.tokens.bits()));
        let token = SessionToken::from(str::from_utf8(halves.as_flattened()).expect("digits are text"));
        self.commit(Record::SessionBegan { identity: identity.clone(), token: token.clone() }, outputs);
        let begun = self.state.devices.session_of(&identity.user_id, &identity.device_id);
        let slot = begun.expect("the session has just begun");
        let told = self.logic.session_began(now, identity);
        self.commit_told(now, told, outputs);
        self.attach(connection, slot);
        let logged_in = ServerMessage::LoggedIn { session: token, resumed: false };
        outputs.push(ServiceOutput::Send { connection, message: logged_in });
    }

    /// Ends a session for the sake of another, or for its own good; an evicted device is told, and hears nothing after.
    fn replace(&mut self, now: Instant, slot: SessionSlot, evicted: bool, outputs: &mut Vec<ServiceOutput>) {
        let session = self.state.sessions.get_mut(slot);
        let next = session.next_seq();
        let connection = session.connection.take();
        self.commit_session_end(now, slot, outputs);
        let Some(connection) = connection else { return };
        if evicted {
            let message = "the user logged in on another device of this platform".into();
            let event = Arc::new(StampedEvent { stamp: None, event: Event::KickedOffLine { message } });
            let message = ServerMessage::Event { seq: next, event };
            outputs.push(ServiceOutput::Send { connection, message });
        }
        self.connections.remove(&connection);
        outputs.push(ServiceOutput::Close { connection });
    }

    fn attach(&mut self, connection: ConnectionNo, slot: SessionSlot) {
        self.connections.insert(connection, Some(slot));
        self.state.sessions.get_mut(slot).connection = Some(connection);
    }

    fn close_connection_of(&mut self, slot: SessionSlot, outputs: &mut Vec<ServiceOutput>) {
        if let Some(connection) = self.state.sessions.get_mut(slot).connection.take() {
            self.connections.remove(&connection);
            outputs.push(ServiceOutput::Close { connection });
        }
    }

    fn request(
        &mut self,
        now: Instant,
        connection: ConnectionNo,
        request: Arc<Request>,
        outputs: &mut Vec<ServiceOutput>,
    ) {
        let respond = |id: RequestId, result, at| ServiceOutput::Send {
            connection,
            message: ServerMessage::Response(Response { id, result, at }.into()),
        };
        let Some(session) = self.connections.get(&connection) else { return };
        // ERR-1: login comes first. SEC-1: who asks is known from the session, and from nothing else.
        let Some(slot) = *session else {
            let error = ApiError::new(ErrorCode::SDK_NOT_INITIALIZED, "log in first");
            outputs.push(respond(request.id.clone(), Err(error), None));
            return;
        };
        let session = self.state.sessions.get_mut(slot);
        session.acknowledge(request.received);
        let device = session.device;
        let changes_state = request.content.changes_state();
        if changes_state {
            // IDM-1: a repeat returns the result that it had, before every other check but login.
            let memory = self.config.bounds.result_memory;
            let results = self.state.devices.results(device);
            if let Some(kept) = results.and_then(|results| results.get(now, &request.id, memory)) {
                let (result, at) = if kept.answers(&request.content) {
                    (kept.result.clone(), kept.at)
                } else {
                    // IDM-2.
                    let message = "this request id was used for another request";
                    (Err(ApiError::new(ErrorCode::INVALID_PARAMETER, message)), None)
                };
                outputs.push(respond(request.id.clone(), result, at));
                return;
            }
        }
        let identity = &self.state.sessions.get(slot).identity;
        let caller = Caller { user: &identity.user_id, device: &identity.device_id, slot, id: &request.id };
        let decision = self.logic.decide(&self.state.core, now, caller, &request.content);
        // IDM-1: -2 and 100001 are not kept, so that a repeat is judged afresh; reads are not kept either.
        let is_kept = changes_state
            && !matches!(&decision.result, Err(error) if matches!(error.code, ErrorCode::FREQ_LIMIT | ErrorCode::SERVER_SYSTEM_ERROR));
        if !is_kept {
            let at = match decision.transition {
                Some(Transition::Told(told)) => {
                    let at = told.at;
                    let told = (!told.is_empty()).then_some(Transition::Told(told));
                    self.commit_told(now, told, outputs);
                    at
                }
                _ => {
                    let room_id = decision.instance.and_then(|_| request.content.room_id());
                    room_id.and_then(|room_id| self.state.core.room_point(room_id))
                }
            };
            outputs.push(respond(request.id.clone(), decision.result, at));
            return;
        }
        let handled = HandledRequest {
            at: now,
            slot,
            request,
            result: decision.result,
            judged_in_room: decision.instance.is_some(),
            transition: decision.transition,
        };
        let leaves = handled.request.content.logs_out().then(|| self.state.sessions.get(slot).identity.clone());
        self.commit(Record::Handled(handled), outputs);
        if let Some(identity) = leaves {
            self.connections.insert(connection, None);
            let told = self.logic.session_ended(now, &identity);
            self.commit_told(now, told, outputs);
        }
    }

    /// A device that acknowledges nothing is cut off rather than remembered without end.
    fn end_overflowing_sessions(&mut self, now: Instant, outputs: &mut Vec<ServiceOutput>) {
        while !self.overflowing.is_empty() {
            // One's exit may be one event too many for another; of several the oldest is the first to go. A slot that was
            // noted while records were carried out again may be another session's by now.
            let overflowing = std::mem::take(&mut self.overflowing);
            let bound = self.config.bounds.undelivered_max;
            let oldest = self.state.sessions.oldest_with_more_than(bound, overflowing);
            let Some((slot, rest)) = oldest else { return };
            self.overflowing = rest;
            self.replace(now, slot, false, outputs);
        }
    }
}

impl Content {
    /// Which operation it asks for, if there is such an operation.
    #[must_use]
    pub fn operation(&self) -> Option<OperationName> {
        match self {
            Self::Call(call) => Some(call.operation()),
            Self::Malformed(malformed) => OperationName::from_name(&malformed.operation),
        }
    }

    /// Whether it is a well-formed logout; a malformed one leaves no trace (ERR-3).
    fn logs_out(&self) -> bool {
        matches!(self, Self::Call(call) if call.operation() == OperationName::Logout)
    }

    /// Whether it can change state. What names no known operation counts as if it could: its refusal is kept.
    #[must_use]
    pub fn changes_state(&self) -> bool {
        self.operation().is_none_or(OperationName::changes_state)
    }

    fn room_id(&self) -> Option<&super::vocabulary::RoomId> {
        match self {
            Self::Call(call) => Call::room_id(call),
            Self::Malformed(_) => None,
        }
    }
}

impl<L: Logic> Node for Service<L> {
    type Input = ServiceInput;
    type Output = ServiceOutput;

    fn step(&mut self, now: Instant, input: ServiceInput, outputs: &mut Vec<ServiceOutput>) {
        if let ServiceInput::Started { records, entropy } = input {
            self.start(now, &records, entropy, outputs);
            self.commit_what_is_due(now, true, outputs);
            self.end_overflowing_sessions(now, outputs);
            return;
        }
        let asks_logic = L::IS_ASKED_FIRST || matches!(input, ServiceInput::Deadline);
        self.commit_what_is_due(now, asks_logic, outputs);
        // Before anything else too: whether a deadline comes by itself or with a message makes no difference.
        self.end_overflowing_sessions(now, outputs);
        self.handle(now, input, outputs);
        self.end_overflowing_sessions(now, outputs);
    }

    fn next_deadline(&self) -> Option<Instant> {
        let window = self.state.sessions.next_end().map(|(end, _)| end);
        match (self.logic.next_deadline(&self.state.core), window) {
            (Some(deadline), Some(end)) => Some(deadline.min(end)),
            (deadline, end) => deadline.or(end),
        }
    }
}

impl<L: Logic> Service<L> {
    fn handle(&mut self, now: Instant, input: ServiceInput, outputs: &mut Vec<ServiceOutput>) {
        match input {
            ServiceInput::Started { .. } => unreachable!("handled above"),
            ServiceInput::Opened { connection } => {
                self.connections.insert(connection, None);
            }
            ServiceInput::Closed { connection } => {
                if let Some(Some(slot)) = self.connections.remove(&connection) {
                    self.commit(Record::Suspended { at: now, slot }, outputs);
                }
            }
            ServiceInput::Message { connection, message } => match message {
                ClientMessage::Login(login) => self.login(now, connection, login, outputs),
                ClientMessage::Request(request) => self.request(now, connection, request, outputs),
                ClientMessage::Acknowledge { received } => {
                    if let Some(Some(slot)) = self.connections.get(&connection) {
                        self.commit(Record::Acknowledged { slot: *slot, received }, outputs);
                    }
                }
            },
            ServiceInput::Deadline => {}
        }
    }
}

#[cfg(test)]
mod tests;
