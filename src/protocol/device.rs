//! The client library: one device of one user, with the API on one side and the wire on the other.
//!
//! It keeps the session alive over lost connections, repeats what was not answered, filters what is old, and hands the
//! application each event once. It shows nothing by itself and enters no room by itself.

mod handlers;
mod projection;
pub(crate) mod put_out;
mod rings;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::handlers::Handlers;
use self::projection::Projection;
use self::put_out::PutOut;
use self::rings::Rings;
use self::view::Views;
use super::Node;
use super::bounds::Bounds;
use super::call::{Call, CallNo, DeviceIdentity, Reply};
use super::core::parameters;
use super::digits;
use super::event::{Event, StampedEvent};
use super::message::{ClientMessage, Content, Login, Request, Response, Resume, RoomPoint, ServerMessage};
use super::vocabulary::{
    ApiError, ErrorCode, EventName, KickedOutOfRoomReason, OperationName, RequestId, RoomId, SessionToken,
};
use crate::seed::Stream;
use crate::time::{Duration, Instant};

/// How a client library is set up.
#[derive(Clone, Debug)]
pub struct DeviceConfig {
    /// Who it speaks for.
    pub identity: DeviceIdentity,
    /// The numeric bounds.
    pub bounds: Arc<Bounds>,
    /// Whether it answers for a busy user (REJ-5).
    pub auto_busy: bool,
}

/// What can happen to a client library.
#[derive(Clone, Debug)]
pub enum DeviceInput {
    /// It starts, with entropy for its request ids.
    Started {
        /// 32 random bytes.
        entropy: [u8; 32],
    },
    /// The connection that it asked for stands.
    Connected,
    /// The connection is gone.
    Disconnected,
    /// A message came.
    Message(ServerMessage),
    /// Time has passed.
    Deadline,
    /// The application calls the API.
    Call {
        /// What the answer will name.
        call: CallNo,
        /// What it calls.
        content: Arc<Call>,
    },
    /// The application registers a handler (EVT-9).
    On {
        /// For which event.
        event: EventName,
        /// The handler: the same name is the same handler.
        handler: Arc<str>,
        /// Which handlers of the event it removes whenever it is called.
        removes: Vec<Arc<str>>,
    },
    /// The application removes a handler (EVT-9).
    Off {
        /// For which event.
        event: EventName,
        /// The handler.
        handler: Arc<str>,
    },
}

/// What a client library asks of its world.
#[derive(Clone, Debug)]
pub enum DeviceOutput {
    /// Open a connection; answered by `Connected` once there is one.
    Connect,
    /// Close the connection, or stop trying.
    Disconnect,
    /// Send a message.
    Send(ClientMessage),
    /// Answer a call of the application.
    Returned {
        /// Which.
        call: CallNo,
        /// With what.
        result: Result<Reply, ApiError>,
    },
    /// Hand an event to the application.
    Event(Arc<StampedEvent>),
    /// Call a registered handler with the event just handed over (EVT-9).
    Handler {
        /// Which.
        handler: Arc<str>,
        /// With what.
        event: Arc<StampedEvent>,
    },
}

/// How long an event may be missing from the middle before the library drops the connection and resumes.
const GAP_PATIENCE: Duration = Duration::from_secs(1);

/// How long a login may be unanswered on a living connection before the library makes another connection.
const LOGIN_PATIENCE: Duration = Duration::from_secs(5);

/// The client library as a node.
#[derive(Debug)]
pub struct Device {
    config: DeviceConfig,
    /// What this life's request ids begin with: eight hexadecimal digits.
    ids: [u8; 8],
    requests: u64,
    state: State,
    connected: bool,
    /// What the application gave to prove who the user is; shown again whenever the library logs in by itself.
    user_sig: Arc<str>,
    /// How the session is resumed; none before the first login.
    session: Option<SessionToken>,
    /// The number of the last event received in order, and of the last acknowledged.
    received: u64,
    acknowledged: u64,
    /// Events that came before their turn.
    early: BTreeMap<u64, Arc<StampedEvent>>,
    gap_deadline: Option<Instant>,
    /// When the login sent on this connection should have been answered.
    login_deadline: Option<Instant>,
    /// The requests that are not answered, in the order of their numbers.
    pending: Vec<Pending>,
    room: Option<RoomId>,
    /// What it was told of invitations and rooms; a million idle devices were told nothing.
    told: Option<Box<Told>>,
    handlers: Handlers,
}

/// What a session was told of invitations and rooms.
#[derive(Debug, Default)]
struct Told {
    rings: Rings,
    views: Views,
    projection: Projection,
    put_out: PutOut,
}

/// What the application wants, and how far that is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    LoggedOut,
    /// Connecting or reconnecting; the application's login is unanswered if it is named here.
    LoggingIn {
        call: Option<CallNo>,
        deadline: Option<Instant>,
    },
    LoggedIn,
}

/// A request that is not answered.
#[derive(Clone, Debug)]
struct Pending {
    id: RequestId,
    content: Arc<Call>,
    /// Whom to tell; the library's own requests tell nobody.
    call: Option<CallNo>,
    /// When the library gives up (IDM-5).
    deadline: Instant,
}

impl Pending {
    fn enters(&self, room: &RoomId) -> bool {
        matches!(&*self.content, Call::EnterRoom { room_id, .. } if room_id == room)
    }
}

impl Device {
    /// A library that has not been started.
    #[must_use]
    pub fn new(config: DeviceConfig) -> Self {
        Self {
            config,
            ids: [b'0'; 8],
            requests: 0,
            state: State::LoggedOut,
            connected: false,
            user_sig: Arc::default(),
            session: None,
            received: 0,
            acknowledged: 0,
            early: BTreeMap::new(),
            gap_deadline: None,
            login_deadline: None,
            pending: Vec::new(),
            room: None,
            told: None,
            handlers: Handlers::default(),
        }
    }

    /// The room that the library believes to be in.
    #[must_use]
    pub const fn room(&self) -> Option<&RoomId> {
        self.room.as_ref()
    }

    fn call(&mut self, now: Instant, call: CallNo, content: Arc<Call>, outputs: &mut Vec<DeviceOutput>) {
        let refuse = |outputs: &mut Vec<DeviceOutput>, error| {
            outputs.push(DeviceOutput::Returned { call, result: Err(error) });
        };
        if let Call::Login { user_sig } = &*content {
            match self.state {
                State::LoggedOut => {
                    self.user_sig = user_sig.clone();
                    let deadline = Some(now + self.config.bounds.request_timeout);
                    self.state = State::LoggingIn { call: Some(call), deadline };
                    outputs.push(DeviceOutput::Connect);
                }
                State::LoggedIn => outputs.push(DeviceOutput::Returned { call, result: Ok(Reply::Void) }),
                State::LoggingIn { .. } => {
                    refuse(outputs, ApiError::new(ErrorCode::REPEAT_OPERATION, "a login is under way"));
                }
            }
            return;
        }
        // ERR-1: login first, then the parameters, as far as a client can judge.
        if self.state == State::LoggedOut {
            refuse(outputs, ApiError::new(ErrorCode::SDK_NOT_INITIALIZED, "log in first"));
            return;
        }
        if let Err(error) = parameters::check(&content, &self.config.bounds) {
            refuse(outputs, error);
            return;
        }
        // ROOM-7: a question to the library itself.
        if let Call::FetchNotEnteredList { room_id } = &*content {
            outputs.push(DeviceOutput::Returned { call, result: self.not_entered(room_id) });
            return;
        }
        let content = self.told.get_or_insert_default().rings.name_attempt(content);
        self.ask(now, Some(call), content, outputs);
    }

    fn not_entered(&self, room_id: &RoomId) -> Result<Reply, ApiError> {
        if self.room.as_ref() != Some(room_id) {
            let message = "the device is not in this room";
            return Err(ApiError::new(ErrorCode::OPERATION_INVALID_BEFORE_ENTER_ROOM, message));
        }
        let known = self.told.as_ref().map_or_else(|| Arc::from([]), |told| told.projection.not_entered());
        Ok(Reply::NotEntered(known))
    }

    /// Sends a request, now or after the next login.
    fn ask(&mut self, now: Instant, call: Option<CallNo>, content: Arc<Call>, outputs: &mut Vec<DeviceOutput>) {
        let id = self.next_id();
        let pending = Pending { id, content, call, deadline: now + self.config.bounds.request_timeout };
        if self.state == State::LoggedIn && self.connected {
            let message = self.request_message(&pending);
            outputs.push(DeviceOutput::Send(message));
        }
        self.pending.push(pending);
    }

    /// IDM-1: unique for ever, since each life of the device has its own prefix.
    fn next_id(&mut self) -> RequestId {
        self.requests += 1;
        // Eight digits, a hyphen and the number, written from its end; the longest has twenty digits.
        let mut bytes = [0; 29];
        let (mut first, mut number) = (bytes.len(), self.requests);
        while number > 0 {
            first -= 1;
            bytes[first] = digits::DECIMAL[(number % 10) as usize];
            number /= 10;
        }
        bytes[first - 1] = b'-';
        bytes[first - 9..first - 1].copy_from_slice(&self.ids);
        RequestId::from(str::from_utf8(&bytes[first - 9..]).expect("digits are text"))
    }

    fn request_message(&mut self, pending: &Pending) -> ClientMessage {
        self.acknowledged = self.received;
        let content = Content::Call(pending.content.clone());
        ClientMessage::Request(Request { id: pending.id.clone(), received: self.received, content }.into())
    }

    fn message(&mut self, now: Instant, message: ServerMessage, outputs: &mut Vec<DeviceOutput>) {
        match message {
            ServerMessage::LoggedIn { session, resumed } => self.logged_in(session, resumed, outputs),
            ServerMessage::Refused { error } => self.refused(error, outputs),
            ServerMessage::Response(response) => self.response(now, response, outputs),
            ServerMessage::Event { seq, event } => self.event(now, seq, event, outputs),
        }
    }

    fn refused(&mut self, error: ApiError, outputs: &mut Vec<DeviceOutput>) {
        // Only a login that waits can be refused; a copy of an answered one says nothing.
        let State::LoggingIn { call, .. } = self.state else { return };
        match call {
            Some(call) => outputs.push(DeviceOutput::Returned { call, result: Err(error) }),
            None => {
                // DEV-9: the session is over, and the application did not ask; it hears why.
                let event = Event::KickedOffLine { message: error.message };
                self.hand_over(Arc::new(StampedEvent { stamp: None, event }), outputs);
            }
        }
        self.log_out(outputs);
    }

    fn logged_in(&mut self, session: SessionToken, resumed: bool, outputs: &mut Vec<DeviceOutput>) {
        let State::LoggingIn { call, .. } = self.state else { return };
        self.state = State::LoggedIn;
        self.login_deadline = None;
        if !resumed {
            // REC-1: a new session; nothing of the old one comes any more.
            self.forget_session();
            if let Some(room_id) = self.room.take() {
                // TERM-2: the place in the room went with the old session.
                let event = Event::KickedOutOfRoom {
                    room_id,
                    reason: KickedOutOfRoomReason::JoinRoomStatusInvalidDuringOffline,
                    message: "the session ended while the device was offline".into(),
                };
                self.hand_over(Arc::new(StampedEvent { stamp: None, event }), outputs);
            }
        }
        self.session = Some(session);
        if let Some(call) = call {
            outputs.push(DeviceOutput::Returned { call, result: Ok(Reply::Void) });
        }
        if !resumed {
            // A logout was meant for the session that is over; the one that has just begun needs one of its own.
            for index in 0..self.pending.len() {
                if self.pending[index].content.operation() == OperationName::Logout {
                    self.pending[index].id = self.next_id();
                }
            }
        }
        // IDM-5: repeat what was not answered, under the same ids.
        let unanswered = self.pending.clone();
        for pending in unanswered {
            let message = self.request_message(&pending);
            outputs.push(DeviceOutput::Send(message));
        }
    }

    fn forget_session(&mut self) {
        self.session = None;
        self.received = 0;
        self.acknowledged = 0;
        self.early.clear();
        self.gap_deadline = None;
        self.told = None;
    }

    /// The session is over, by the application's wish or the server's.
    fn log_out(&mut self, outputs: &mut Vec<DeviceOutput>) {
        self.state = State::LoggedOut;
        self.forget_session();
        self.room = None;
        for pending in std::mem::take(&mut self.pending) {
            // IDM-5: whether it took effect is unknown.
            let error = ApiError::new(ErrorCode::FAILED, "the session ended before an answer came");
            outputs.extend(pending.call.map(|call| DeviceOutput::Returned { call, result: Err(error) }));
        }
        self.connected = false;
        self.login_deadline = None;
        outputs.push(DeviceOutput::Disconnect);
    }

    fn response(&mut self, now: Instant, response: Arc<Response>, outputs: &mut Vec<DeviceOutput>) {
        let Some(index) = self.pending.iter().position(|pending| pending.id == response.id) else {
            return; // The answer to a repeat of what has been answered already.
        };
        let pending = self.pending.remove(index);
        if let Ok(reply) = &response.result
            && self.learn(&pending.content, reply, response.at)
        {
            // The page is older than an event that has come in: read again (ORD-5).
            self.ask(now, pending.call, pending.content, outputs);
            return;
        }
        if let Some(call) = pending.call {
            outputs.push(DeviceOutput::Returned { call, result: response.result.clone() });
        }
        if pending.content.operation() == OperationName::Logout {
            self.log_out(outputs);
        }
    }

    /// Takes in what a successful call tells. Whether its page is too old to be handed over.
    fn learn(&mut self, content: &Call, reply: &Reply, at: Option<RoomPoint>) -> bool {
        let told = self.told.get_or_insert_default();
        match (content, reply, at) {
            (Call::EnterRoom { room_id, .. }, _, Some(at)) => {
                told.rings.stop(room_id);
                // ORD-3: the device may have heard first that it was put out again.
                if !told.put_out.is_after(at) {
                    self.room = Some(room_id.clone());
                    told.views.enter(at);
                    told.projection.enter(at, &self.config.identity.user_id);
                }
            }
            (Call::FetchAttendeeList { .. }, Reply::Attendees(users), Some(at)) => told.projection.attendees(at, users),
            (Call::GetUserList { .. }, Reply::Members(users), Some(at)) => told.projection.members(at, users),
            (Call::ExitRoom { room_id } | Call::DestroyRoom { room_id }, _, _)
                if self.room.as_ref() == Some(room_id) =>
            {
                self.room = None;
                told.projection = Projection::default();
            }
            (Call::Accept { room_id, attempt } | Call::Reject { room_id, attempt, .. }, _, _) => {
                told.rings.answered(room_id, *attempt);
            }
            (Call::GetInvitationList { room_id, cursor, .. }, Reply::List(page), Some(at)) => {
                let first = cursor.as_str().is_empty();
                if !told.views.page(at, first, &page.invitation_list) {
                    return true;
                }
                told.projection.page(at, first, page);
                let me = &self.config.identity.user_id;
                for item in page.invitation_list.iter().filter(|item| item.invitation.invitee.user_id == *me) {
                    told.rings.shown(room_id, at.instance, item.attempt, item.invitation.status);
                }
            }
            _ => {}
        }
        false
    }

    fn event(&mut self, now: Instant, seq: u64, event: Arc<StampedEvent>, outputs: &mut Vec<DeviceOutput>) {
        // IDM-4: what was received is not handed over again.
        if seq <= self.received || self.session.is_none() {
            return;
        }
        let mut next = if seq == self.received + 1 {
            Some(event)
        } else {
            self.early.insert(seq, event);
            None
        };
        while let Some(event) = next {
            self.received += 1;
            self.in_order(now, event, outputs);
            if self.session.is_none() {
                return; // onKickedOffLine: nothing after it.
            }
            next = self.early.remove(&(self.received + 1));
        }
        if self.early.is_empty() {
            self.gap_deadline = None;
        } else if self.gap_deadline.is_none() {
            self.gap_deadline = Some(now + GAP_PATIENCE);
        }
        if self.connected && self.received - self.acknowledged >= self.config.bounds.acknowledge_every {
            self.acknowledged = self.received;
            outputs.push(DeviceOutput::Send(ClientMessage::Acknowledge { received: self.received }));
        }
    }

    fn in_order(&mut self, now: Instant, event: Arc<StampedEvent>, outputs: &mut Vec<DeviceOutput>) {
        let name = event.event.name();
        let told = self.told.get_or_insert_default();
        told.views.hear(&event);
        told.put_out.hear(&event);
        match &event.event {
            Event::ReceiveInvitation { room_info, .. } => {
                let room_id = room_info.room_id.clone();
                let entering = self.pending.iter().any(|pending| pending.enters(&room_id));
                let busy = told.rings.receive(&event, self.room.as_ref(), entering);
                self.hand_over(event, outputs);
                if let Some(reason) = busy.filter(|_| self.config.auto_busy) {
                    let content = Call::Reject { room_id, reason: i64::from(reason.number()), attempt: None };
                    let content = self.told.get_or_insert_default().rings.name_attempt(Arc::new(content));
                    self.ask(now, None, content, outputs);
                }
                return;
            }
            Event::KickedOffLine { .. } => {
                self.hand_over(event, outputs);
                self.log_out(outputs);
                return;
            }
            Event::KickedOutOfRoom { room_id, .. } | Event::RoomDismissed { room_id, .. }
                if self.room.as_ref() == Some(room_id) =>
            {
                self.room = None;
                told.projection = Projection::default();
            }
            _ => {}
        }
        let me = &self.config.identity.user_id;
        // DEV-8: a closing event counts only for an attempt that this session knows of.
        if name.closes_ring() && event.is_about(me) && !told.rings.close(&event) {
            return;
        }
        // ORD-5: a list event that a page or a later event has overtaken is stale.
        if name.is_list() {
            if !told.views.is_news(&event) {
                return;
            }
            told.rings.heard_of(me, &event);
        }
        told.projection.hear(&event);
        self.hand_over(event, outputs);
    }

    fn hand_over(&mut self, event: Arc<StampedEvent>, outputs: &mut Vec<DeviceOutput>) {
        outputs.push(DeviceOutput::Event(event.clone()));
        let called = self.handlers.called_for(event.event.name());
        outputs.extend(called.into_iter().map(|handler| DeviceOutput::Handler { handler, event: event.clone() }));
    }

    fn disconnected(&mut self, outputs: &mut Vec<DeviceOutput>) {
        self.connected = false;
        self.gap_deadline = None;
        self.login_deadline = None;
        self.early.clear();
        match self.state {
            State::LoggedOut => {}
            State::LoggedIn => {
                self.state = State::LoggingIn { call: None, deadline: None };
                outputs.push(DeviceOutput::Connect);
            }
            State::LoggingIn { .. } => outputs.push(DeviceOutput::Connect),
        }
    }

    fn give_up_what_is_due(&mut self, now: Instant, outputs: &mut Vec<DeviceOutput>) {
        // IDM-5. The requests are in the order of their deadlines, since all wait equally long; mostly none is due.
        if self.pending.first().is_some_and(|pending| pending.deadline <= now) {
            let due = self.pending.partition_point(|pending| pending.deadline <= now);
            for pending in self.pending.drain(..due) {
                let error = ApiError::new(ErrorCode::FAILED, "no answer came; whether it took effect is unknown");
                outputs.extend(pending.call.map(|call| DeviceOutput::Returned { call, result: Err(error) }));
            }
        }
        if let State::LoggingIn { call: Some(call), deadline: Some(deadline) } = self.state
            && deadline <= now
        {
            let error = ApiError::new(ErrorCode::FAILED, "the server could not be reached");
            outputs.push(DeviceOutput::Returned { call, result: Err(error) });
            self.log_out(outputs);
        }
        if [self.gap_deadline, self.login_deadline].into_iter().flatten().any(|deadline| deadline <= now) {
            outputs.push(DeviceOutput::Disconnect);
            self.disconnected(outputs);
        }
    }
}

impl StampedEvent {
    /// Whether it is about an attempt at this user.
    fn is_about(&self, user: &super::vocabulary::UserId) -> bool {
        self.stamp.as_ref().and_then(|stamp| stamp.about.as_ref()).is_some_and(|about| about.invitee == *user)
    }
}

impl Node for Device {
    type Input = DeviceInput;
    type Output = DeviceOutput;

    fn step(&mut self, now: Instant, input: DeviceInput, outputs: &mut Vec<DeviceOutput>) {
        self.give_up_what_is_due(now, outputs);
        match input {
            DeviceInput::Started { entropy } => {
                self.ids = digits::hexadecimal(Stream::from_entropy(entropy).bits() >> 32);
            }
            DeviceInput::Connected => {
                if self.state == State::LoggedOut {
                    outputs.push(DeviceOutput::Disconnect);
                    return;
                }
                self.connected = true;
                let resume = self.session.clone().map(|session| Resume { session, received: self.received });
                let login = Login { identity: self.config.identity.clone(), user_sig: self.user_sig.clone(), resume };
                outputs.push(DeviceOutput::Send(ClientMessage::Login(login.into())));
                self.login_deadline = Some(now + LOGIN_PATIENCE);
            }
            DeviceInput::Disconnected => self.disconnected(outputs),
            DeviceInput::Message(message) => self.message(now, message, outputs),
            DeviceInput::Deadline => {}
            DeviceInput::Call { call, content } => self.call(now, call, content, outputs),
            DeviceInput::On { event, handler, removes } => self.handlers.on(event, handler, removes),
            DeviceInput::Off { event, handler } => self.handlers.off(event, &handler),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let request = self.pending.first().map(|pending| pending.deadline);
        let login = match self.state {
            State::LoggingIn { deadline, .. } => deadline,
            _ => None,
        };
        [request, login, self.gap_deadline, self.login_deadline].into_iter().flatten().min()
    }
}
