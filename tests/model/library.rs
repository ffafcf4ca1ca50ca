//! The client library, as `docs/PROTOCOL.md` has it: what it must send, return and hand over, given what its application
//! calls and what its connection brings.
//!
//! Not here: gaps in the numbers and deliberate disorder, which no connection of these runs has; and raw devices, which
//! have no library.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;

use convoke::plan::{DeviceIndex, DeviceKind, Plan};
use convoke::protocol::bounds::Bounds;
use convoke::protocol::call::{AttemptRef, Call, CallNo, Reply};
use convoke::protocol::event::{Event, Stamp, StampedEvent};
use convoke::protocol::message::{ClientMessage, Content, Response, ServerMessage};
use convoke::protocol::vocabulary::{
    ErrorCode, InstanceId, KickedOutOfRoomReason, RequestId, Revision, RoomId, UserId,
};
use convoke::time::Instant;
use convoke::trace::{DeviceChange, Occurrence};

use crate::compare::same_event;
use crate::rooms::wrong_form;

/// The libraries of all devices.
pub(crate) struct Libraries {
    libraries: Vec<Option<Library>>,
    /// How many events were handed over as they should be.
    pub(crate) heard: usize,
}

const NOT_IN_THAT_ROOM: ErrorCode = ErrorCode::OPERATION_INVALID_BEFORE_ENTER_ROOM;

/// How far the library is.
#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    LoggedOut,
    /// By a call of the application, or to go on after a loss.
    LoggingIn(Option<(CallNo, Instant)>),
    LoggedIn,
}

#[derive(Debug)]
struct Library {
    user: UserId,
    bounds: Bounds,
    state: State,
    received: u64,
    room: Option<RoomId>,
    /// By which commit of an instance this session was put out of it last.
    put_out: BTreeMap<InstanceId, Revision>,
    /// The newest attempt of its user that the library was told of, by room (ACC-1).
    told: BTreeMap<RoomId, AttemptRef>,
    /// The attempts that the application knows of (DEV-8).
    known: BTreeSet<AttemptRef>,
    pending: Vec<Pending>,
    ids: BTreeSet<RequestId>,
    returns: VecDeque<(Instant, CallNo, Result<Reply, ErrorCode>)>,
    events: VecDeque<(Instant, Arc<StampedEvent>)>,
    /// The requests that must go out.
    sends: VecDeque<(Instant, u64)>,
    /// How many requests there have been.
    requests: u64,
    /// How often it answered for a busy user.
    busy_answers: usize,
    /// Whether it answers for a busy user (REJ-5), and what rings here.
    auto_busy: bool,
    ringing: BTreeMap<RoomId, AttemptRef>,
}

#[derive(Debug)]
struct Pending {
    number: u64,
    /// None for what the library asks by itself.
    call: Option<CallNo>,
    content: Arc<Call>,
    since: Instant,
    id: Option<RequestId>,
}

impl Libraries {
    pub(crate) fn new(plan: &Plan) -> Self {
        let library = |device: &convoke::plan::PlannedDevice| {
            (device.kind == DeviceKind::Sdk).then(|| {
                Library::new(device.identity.user_id.clone(), (*plan.service.bounds).clone(), device.auto_busy)
            })
        };
        Self { libraries: plan.devices.iter().map(library).collect(), heard: 0 }
    }

    /// Before anything happens at `at`: everything older is settled, and what waited too long is given up (IDM-5).
    pub(crate) fn advance(&mut self, at: Instant) -> Result<(), String> {
        for library in self.libraries.iter_mut().flatten() {
            library.give_up(at);
        }
        self.nothing_is_owed(at)
    }

    pub(crate) fn look(&mut self, at: Instant, what: &Occurrence) -> Result<(), String> {
        let Some(library) = device_of(what).and_then(|device| self.libraries[device.index()].as_mut()) else {
            return Ok(());
        };
        match what {
            Occurrence::Called { call, content, .. } => library.called(at, *call, content),
            Occurrence::DeviceReceived { message, .. } => library.takes(at, message),
            Occurrence::DeviceLost { .. } => library.lost(),
            Occurrence::DeviceChanged { change: DeviceChange::Killed, .. } => {
                *library = Library::new(library.user.clone(), library.bounds.clone(), library.auto_busy);
            }
            Occurrence::DeviceSent { message: ClientMessage::Request(request), .. } => {
                let Some((_, number)) = library.sends.pop_front() else {
                    return Err(format!("the model sends nothing, {library:?}"));
                };
                let pending = library.pending.iter_mut().find(|one| one.number == number).expect("it is pending");
                if request.content != Content::Call(pending.content.clone()) {
                    return Err(format!("the model sends {pending:?}"));
                }
                match &pending.id {
                    Some(id) if *id != request.id => return Err(format!("the model repeats {pending:?}")),
                    None if !library.ids.insert(request.id.clone()) => return Err("the id is not new".to_owned()),
                    _ => pending.id = Some(request.id.clone()),
                }
            }
            Occurrence::Returned { call, result, .. } => {
                let Some((_, expected_call, expected)) = library.returns.pop_front() else {
                    return Err(format!("the model returns nothing, {library:?}"));
                };
                let same = match (&expected, result) {
                    (Ok(Reply::NotEntered(_)), Ok(Reply::NotEntered(_))) => true,
                    (Ok(one), Ok(two)) => one == two,
                    (Err(code), Err(error)) => *code == error.code,
                    _ => false,
                };
                if expected_call != *call || !same {
                    return Err(format!("the model returns {expected:?} of {expected_call:?}"));
                }
            }
            Occurrence::Heard { event, .. } => match library.events.pop_front() {
                Some((_, expected)) if heard_as(&expected, event) => self.heard += 1,
                expected => return Err(format!("the model hears {expected:?}")),
            },
            _ => {}
        }
        Ok(())
    }

    /// How often a library answered for a busy user.
    pub(crate) fn busy_answers(&self) -> usize {
        self.libraries.iter().flatten().map(|library| library.busy_answers).sum()
    }

    pub(crate) fn nothing_is_owed(&self, now: Instant) -> Result<(), String> {
        let mut owed = String::new();
        for library in self.libraries.iter().flatten() {
            for (at, call, result) in library.returns.iter().filter(|(at, _, _)| *at < now) {
                let _ = writeln!(owed, "at {at} to {}: returned {call:?}: {result:?}", library.user);
            }
            for (at, event) in library.events.iter().filter(|(at, _)| *at < now) {
                let _ = writeln!(owed, "at {at} to {}: {event:?}", library.user);
            }
            for (at, call) in library.sends.iter().filter(|(at, _)| *at < now) {
                let _ = writeln!(owed, "at {at} by {}: request of {call:?}", library.user);
            }
        }
        if owed.is_empty() { Ok(()) } else { Err(format!("the model says, and the library never did:\n{owed}")) }
    }
}

fn device_of(what: &Occurrence) -> Option<DeviceIndex> {
    match what {
        Occurrence::Called { device, .. }
        | Occurrence::Returned { device, .. }
        | Occurrence::Heard { device, .. }
        | Occurrence::DeviceLost { device, .. }
        | Occurrence::DeviceSent { device, .. }
        | Occurrence::DeviceReceived { device, .. }
        | Occurrence::DeviceChanged { device, .. } => Some(*device),
        _ => None,
    }
}

/// The stamp of what the library says by itself is nobody's business.
fn heard_as(expected: &StampedEvent, heard: &StampedEvent) -> bool {
    if invalid_during_offline(&expected.event) {
        expected.event.room_id() == heard.event.room_id() && invalid_during_offline(&heard.event)
    } else {
        same_event(expected, heard)
    }
}

fn invalid_during_offline(event: &Event) -> bool {
    matches!(event, Event::KickedOutOfRoom { reason: KickedOutOfRoomReason::JoinRoomStatusInvalidDuringOffline, .. })
}

impl Library {
    fn new(user: UserId, bounds: Bounds, auto_busy: bool) -> Self {
        Self {
            user,
            bounds,
            state: State::LoggedOut,
            received: 0,
            room: None,
            put_out: BTreeMap::new(),
            told: BTreeMap::new(),
            known: BTreeSet::new(),
            pending: Vec::new(),
            ids: BTreeSet::new(),
            returns: VecDeque::new(),
            events: VecDeque::new(),
            sends: VecDeque::new(),
            requests: 0,
            busy_answers: 0,
            auto_busy,
            ringing: BTreeMap::new(),
        }
    }

    fn called(&mut self, now: Instant, call: CallNo, content: &Arc<Call>) {
        if matches!(**content, Call::Login { .. }) {
            match self.state {
                State::LoggedOut => self.state = State::LoggingIn(Some((call, now))),
                State::LoggingIn(_) => self.returns.push_back((now, call, Err(ErrorCode::REPEAT_OPERATION))),
                State::LoggedIn => self.returns.push_back((now, call, Ok(Reply::Void))),
            }
            return;
        }
        // ERR-1, ERR-2, and the rest of the form with it.
        let logged_out = (self.state == State::LoggedOut).then_some(ErrorCode::SDK_NOT_INITIALIZED);
        let refusal = logged_out.or_else(|| wrong_form(content, &self.bounds));
        if let Some(code) = refusal {
            self.returns.push_back((now, call, Err(code)));
            return;
        }
        if let Call::FetchNotEnteredList { room_id } = &**content {
            // The library's own answer. What is in it, is not looked at here.
            let inside = self.room.as_ref() == Some(room_id);
            let answer = if inside { Ok(Reply::NotEntered([].into())) } else { Err(NOT_IN_THAT_ROOM) };
            self.returns.push_back((now, call, answer));
            return;
        }
        if let Call::Accept { room_id, .. } | Call::Reject { room_id, .. } = &**content {
            self.ringing.remove(room_id);
        }
        self.ask(now, Some(call), content);
    }

    fn ask(&mut self, now: Instant, call: Option<CallNo>, content: &Arc<Call>) {
        let content = self.named(content);
        self.requests += 1;
        let number = self.requests;
        self.pending.push(Pending { number, call, content, since: now, id: None });
        if self.state == State::LoggedIn {
            self.sends.push_back((now, number));
        }
    }

    /// ACC-1: an answer names the attempt that the library was told of.
    fn named(&self, content: &Arc<Call>) -> Arc<Call> {
        let told = |room_id: &RoomId| self.told.get(room_id).copied();
        match &**content {
            Call::Accept { room_id, attempt: None } => {
                Arc::new(Call::Accept { room_id: room_id.clone(), attempt: told(room_id) })
            }
            Call::Reject { room_id, reason, attempt: None } => {
                Arc::new(Call::Reject { room_id: room_id.clone(), reason: *reason, attempt: told(room_id) })
            }
            _ => content.clone(),
        }
    }

    /// The connection is gone: the library makes another, and goes on.
    fn lost(&mut self) {
        if self.state == State::LoggedIn {
            self.state = State::LoggingIn(None);
        }
    }

    /// The session is over, and what is unanswered will stay so.
    fn log_out(&mut self, now: Instant) {
        self.state = State::LoggedOut;
        self.room = None;
        self.forget();
        for pending in std::mem::take(&mut self.pending) {
            self.returned(now, pending.call, Err(ErrorCode::FAILED));
        }
    }

    fn returned(&mut self, now: Instant, call: Option<CallNo>, result: Result<Reply, ErrorCode>) {
        self.returns.extend(call.map(|call| (now, call, result)));
    }

    fn takes(&mut self, now: Instant, message: &ServerMessage) {
        match message {
            ServerMessage::LoggedIn { resumed, .. } => {
                let State::LoggingIn(call) = std::mem::replace(&mut self.state, State::LoggedIn) else { return };
                if !resumed {
                    self.forget();
                    // Section 5: its place in the room went with the old session.
                    if let Some(room_id) = self.room.take() {
                        let reason = KickedOutOfRoomReason::JoinRoomStatusInvalidDuringOffline;
                        let event = Event::KickedOutOfRoom { room_id, reason, message: "".into() };
                        self.events.push_back((now, Arc::new(StampedEvent { stamp: None, event })));
                    }
                }
                if let Some((call, _)) = call {
                    self.returns.push_back((now, call, Ok(Reply::Void)));
                }
                if !resumed {
                    // Section 5: it logs out of the new session too, and not by what may be over already.
                    for logout in self.pending.iter_mut().filter(|p| matches!(*p.content, Call::Logout {})) {
                        logout.id = None;
                    }
                }
                self.sends.extend(self.pending.iter().map(|pending| (now, pending.number)));
            }
            ServerMessage::Refused { error } => {
                match self.state {
                    State::LoggingIn(Some((call, _))) => self.returns.push_back((now, call, Err(error.code))),
                    // DEV-9: the application did not ask; it hears why the session is over.
                    State::LoggingIn(None) => {
                        let event = Event::KickedOffLine { message: "".into() };
                        self.events.push_back((now, Arc::new(StampedEvent { stamp: None, event })));
                    }
                    State::LoggedOut | State::LoggedIn => return,
                }
                self.log_out(now);
            }
            ServerMessage::Response(response) => self.answered(now, response),
            ServerMessage::Event { seq, event } => {
                if *seq == self.received + 1 {
                    self.received += 1;
                    self.told_of(now, event);
                }
            }
        }
    }

    fn answered(&mut self, now: Instant, response: &Response) {
        let Some(at) = self.pending.iter().position(|pending| pending.id.as_ref() == Some(&response.id)) else {
            return;
        };
        let pending = self.pending.remove(at);
        let result = response.result.clone().map_err(|error| error.code);
        self.returned(now, pending.call, result);
        match (&*pending.content, &response.result) {
            (Call::EnterRoom { room_id, .. }, Ok(_)) => {
                // ORD-3: the end of a place can be told before its beginning is answered.
                let put_out = response.at.and_then(|at| Some(*self.put_out.get(&at.instance)? > at.revision));
                if put_out != Some(true) {
                    self.room = Some(room_id.clone());
                }
                self.ringing.remove(room_id);
            }
            (Call::Accept { room_id, .. } | Call::Reject { room_id, .. }, Ok(_)) => {
                self.ringing.remove(room_id);
            }
            (Call::ExitRoom { room_id }, Ok(_)) if self.room.as_ref() == Some(room_id) => self.room = None,
            (Call::Logout {}, _) => self.log_out(now),
            (Call::GetInvitationList { room_id, .. }, Ok(Reply::List(page))) => {
                let own = page.invitation_list.iter().find(|item| item.invitation.invitee.user_id == self.user);
                if let (Some(item), Some(at)) = (own, response.at) {
                    let attempt = AttemptRef { instance: at.instance, attempt: item.attempt };
                    self.known.insert(attempt);
                    self.learn(room_id, attempt);
                }
            }
            _ => {}
        }
    }

    fn told_of(&mut self, now: Instant, event: &Arc<StampedEvent>) {
        if let (Some((instance, room_id)), Some(stamp)) = (instance_and_room(event), &event.stamp)
            && let Some(about) = stamp.about.as_ref().filter(|about| about.invitee == self.user)
        {
            let attempt = AttemptRef { instance, attempt: about.attempt };
            if matches!(event.event, Event::ReceiveInvitation { .. }) {
                self.learn(room_id, attempt);
                self.known.insert(attempt);
                self.events.push_back((now, event.clone()));
                if let Some(reason) = self.rings(room_id, attempt).filter(|_| self.auto_busy) {
                    self.ringing.remove(room_id);
                    self.busy_answers += 1;
                    self.ask(now, None, &Arc::new(Call::Reject { room_id: room_id.clone(), reason, attempt: None }));
                }
                return;
            } else if event.event.name().closes_ring() {
                if self.ringing.get(room_id) == Some(&attempt) {
                    self.ringing.remove(room_id);
                }
                if !self.known.contains(&attempt) {
                    // DEV-8: it would end a ring that never began here.
                    return;
                }
            }
        }
        if let (Event::KickedOutOfRoom { .. } | Event::RoomDismissed { .. }, Some(stamp)) = (&event.event, &event.stamp)
        {
            self.put_out.insert(stamp.instance, stamp.revision);
        }
        match &event.event {
            Event::KickedOutOfRoom { room_id, .. } | Event::RoomDismissed { room_id, .. }
                if self.room.as_ref() == Some(room_id) =>
            {
                self.room = None;
            }
            Event::KickedOffLine { .. } => self.log_out(now),
            _ => {}
        }
        self.events.push_back((now, event.clone()));
    }

    /// REJ-5, REJ-6: it rings, or the user is busy: here is the reason.
    fn rings(&mut self, room_id: &RoomId, attempt: AttemptRef) -> Option<i64> {
        let entering =
            |pending: &Pending| matches!(&*pending.content, Call::EnterRoom { room_id: to, .. } if to == room_id);
        let is_here = self.room.as_ref() == Some(room_id) || self.pending.iter().any(entering);
        if is_here || self.ringing.get(room_id) == Some(&attempt) {
            return None;
        }
        if self.room.is_some() {
            return Some(1);
        }
        if self.ringing.keys().any(|other| other != room_id) {
            return Some(0);
        }
        self.ringing.insert(room_id.clone(), attempt);
        None
    }

    fn learn(&mut self, room_id: &RoomId, attempt: AttemptRef) {
        let newest = self.told.entry(room_id.clone()).or_insert(attempt);
        *newest = attempt.max(*newest);
    }

    /// What belongs to a session that is over.
    fn forget(&mut self) {
        self.received = 0;
        self.put_out.clear();
        self.told.clear();
        self.known.clear();
        self.ringing.clear();
    }

    /// IDM-5
    fn give_up(&mut self, now: Instant) {
        let timeout = self.bounds.request_timeout;
        let (given_up, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(|pending| pending.since + timeout <= now);
        self.pending = kept;
        for pending in given_up {
            self.returned(pending.since + timeout, pending.call, Err(ErrorCode::FAILED));
        }
        if let State::LoggingIn(Some((call, since))) = self.state
            && since + timeout <= now
        {
            self.returns.push_back((since + timeout, call, Err(ErrorCode::FAILED)));
            self.log_out(since + timeout);
        }
    }
}

fn instance_and_room(event: &StampedEvent) -> Option<(InstanceId, &RoomId)> {
    let Stamp { instance, .. } = event.stamp.as_ref()?;
    Some((*instance, event.event.room_id()?))
}
