//! Sessions, as section 5 of `docs/PROTOCOL.md` has them: login, resumption, numbers, repeats, restarts; and the clock.
//!
//! The model is told what the server is told, and says what the server must say: [`Service::out`]. It never sees the
//! disk: what it is told has happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use convoke::protocol::bounds::Bounds;
use convoke::protocol::call::{Call, Reply};
use convoke::protocol::event::{Event, PushHint, StampedEvent};
use convoke::protocol::message::{ClientMessage, ConnectionNo, Content, Login, Request, RoomPoint};
use convoke::protocol::vocabulary::{
    Cursor, ErrorCode, OperationName, Platform, RequestId, RoomId, SessionToken, UserId,
};
use convoke::time::Instant;

use crate::rooms::{CursorMeaning, DeviceKey, Room};

/// The whole service.
#[derive(Debug, Default)]
pub(crate) struct Service {
    pub(crate) bounds: Bounds,
    /// Name and picture of everybody.
    pub(crate) accounts: BTreeMap<UserId, (Arc<str>, Arc<str>)>,
    pub(crate) rooms: BTreeMap<RoomId, Room>,
    /// Dissolved instances.
    pub(crate) gone: Vec<Room>,
    pub(crate) instances: u64,
    /// The cursors that were given, each with the life of the server that gave it.
    pub(crate) cursors: BTreeMap<Cursor, (CursorMeaning, u32)>,
    /// Those that are online, in the order in which they began.
    sessions: Vec<Session>,
    /// The results that are kept (IDM-1).
    kept: BTreeMap<(DeviceKey, RequestId), Kept>,
    /// How often the server was started.
    pub(crate) lives: u32,
    /// What the server must say now.
    pub(crate) out: Vec<Out>,
    /// What happened that seldom does: that it did is part of the test.
    pub(crate) marks: Vec<&'static str>,
}

/// One session that is online (TERM-1).
#[derive(Clone, Debug)]
struct Session {
    device: DeviceKey,
    platform: Platform,
    token: Option<SessionToken>,
    connection: Option<ConnectionNo>,
    /// When the resume window will have passed; only while it is suspended.
    ends_at: Option<Instant>,
    last_seq: u64,
    unacknowledged: Vec<(u64, Arc<StampedEvent>)>,
    /// What happened since it was suspended; not numbered yet.
    queued: Vec<Arc<StampedEvent>>,
}

#[derive(Clone, Debug)]
struct Kept {
    content: Content,
    answer: Answer,
    since: Instant,
}

/// What a request comes to.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Pages have an empty cursor here: see [`Answer::cursor`].
    pub(crate) result: Result<Reply, ErrorCode>,
    /// An error that is lawful too.
    pub(crate) also: Option<ErrorCode>,
    pub(crate) at: Option<RoomPoint>,
    /// What the cursor of the page must stand for; without it nothing is left (LST-1).
    pub(crate) cursor: Option<CursorMeaning>,
}

impl Answer {
    pub(crate) fn error(code: ErrorCode) -> Self {
        Self::from(Err(code))
    }
}

impl From<Result<Reply, ErrorCode>> for Answer {
    fn from(result: Result<Reply, ErrorCode>) -> Self {
        Self { result, also: None, at: None, cursor: None }
    }
}

/// Something that the server must do.
#[derive(Clone, Debug)]
pub(crate) enum Out {
    LoggedIn { connection: ConnectionNo, device: DeviceKey, resumed: bool },
    Refused { connection: ConnectionNo, code: ErrorCode },
    Response { connection: ConnectionNo, id: RequestId, answer: Answer },
    Event { connection: ConnectionNo, seq: u64, event: Arc<StampedEvent> },
    Close { connection: ConnectionNo },
    Push(PushHint),
}

/// What the clock can bring about.
enum Due {
    Expiry(RoomId, UserId),
    WindowPassed(DeviceKey),
}

impl Service {
    pub(crate) fn new(bounds: Bounds, accounts: BTreeMap<UserId, (Arc<str>, Arc<str>)>) -> Self {
        Self { bounds, accounts, ..Self::default() }
    }

    /// Commits what is due by `now`: in the order of time, and at one instant first expiries, by their place in the list
    /// (TMO-3), then ends of resume windows.
    pub(crate) fn advance(&mut self, now: Instant) {
        while let Some(due) = self.next_due(now) {
            match due {
                Due::Expiry(room, invitee) => self.expire(&room, &invitee),
                Due::WindowPassed(device) => {
                    self.marks.push("a resume window passed");
                    self.end_session(&device);
                }
            }
        }
    }

    fn next_due(&self, now: Instant) -> Option<Due> {
        let mut due: Vec<(Instant, Due)> = Vec::new();
        let mut rooms: Vec<&Room> = self.rooms.values().collect();
        rooms.sort_by_key(|room| room.instance);
        for room in rooms {
            for entry in &room.entries {
                if let Some(deadline) = entry.deadline.filter(|deadline| *deadline <= now) {
                    due.push((deadline, Due::Expiry(room.id.clone(), entry.invitee.clone())));
                }
            }
        }
        for session in &self.sessions {
            if let Some(end) = session.ends_at.filter(|end| *end <= now) {
                due.push((end, Due::WindowPassed(session.device.clone())));
            }
        }
        // The first of those that are due first.
        due.into_iter().min_by_key(|(at, _)| *at).map(|(_, due)| due)
    }

    /// The server notices that a connection is gone (TERM-1).
    pub(crate) fn lost(&mut self, now: Instant, connection: ConnectionNo) {
        let end = now + self.bounds.resume_window;
        if let Some(session) = self.sessions.iter_mut().find(|session| session.connection == Some(connection)) {
            session.connection = None;
            session.ends_at = Some(end);
        }
    }

    /// The server starts again: sessions whose window has not passed are suspended afresh (REC-4), and what is overdue
    /// happens once (TMO-6).
    pub(crate) fn restarted(&mut self, now: Instant) {
        self.lives += 1;
        let end = now + self.bounds.resume_window;
        for session in &mut self.sessions {
            session.connection = None;
            if session.ends_at.is_none_or(|end| now < end) {
                session.ends_at = Some(end);
            }
        }
        if self.next_due(now).is_some() {
            self.marks.push("something was overdue at a restart");
        }
        self.advance(now);
    }

    /// A message arrives.
    pub(crate) fn received(&mut self, now: Instant, connection: ConnectionNo, message: &ClientMessage) {
        self.advance(now);
        match message {
            ClientMessage::Login(login) => self.login(connection, login),
            ClientMessage::Request(request) => {
                let answer = self.request(now, connection, request);
                // A logout ends the session after its response; everything else was said on this connection anyway.
                let id = request.id.clone();
                self.out.push(Out::Response { connection, id, answer });
            }
            ClientMessage::Acknowledge { received } => {
                if let Some(session) = self.session_on(connection) {
                    session.acknowledge(*received);
                }
            }
        }
    }

    fn session_on(&mut self, connection: ConnectionNo) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.connection == Some(connection))
    }

    fn login(&mut self, connection: ConnectionNo, login: &Login) {
        let device: DeviceKey = (login.identity.user_id.clone(), login.identity.device_id.clone());
        if self.session_on(connection).is_some() {
            self.out.push(Out::Refused { connection, code: ErrorCode::INVALID_PARAMETER });
            return;
        }
        if !self.accounts.contains_key(&device.0) {
            self.out.push(Out::Refused { connection, code: ErrorCode::USER_NOT_EXIST });
            return;
        }
        if let Some(resume) = &login.resume
            && let Some(session) = self
                .sessions
                .iter_mut()
                .find(|session| session.device == device && session.token.as_ref() == Some(&resume.session))
        {
            if let Some(old) = session.connection.replace(connection) {
                self.out.push(Out::Close { connection: old });
            }
            session.ends_at = None;
            session.acknowledge(resume.received);
            self.out.push(Out::LoggedIn { connection, device: device.clone(), resumed: true });
            for (seq, event) in session.unacknowledged.clone() {
                self.out.push(Out::Event { connection, seq, event });
            }
            let queued = std::mem::take(&mut session.queued);
            if !session.unacknowledged.is_empty() {
                self.marks.push("a resumed session got events again");
            }
            let news = without_rings_that_are_over(&device.0, &queued);
            if news.len() < queued.len() {
                self.marks.push("a ring that was over was left out");
            }
            if !news.is_empty() {
                self.marks.push("a resumed session got events that it had missed");
            }
            for event in news {
                self.hand(&device, &event);
            }
            return;
        }
        // DEV-9: a library that comes back to a session that is over does not put out whoever has replaced it.
        let platform = login.identity.platform;
        let is_newer =
            |other: &Session| other.device.0 == device.0 && other.device != device && other.platform == platform;
        if login.resume.is_some() && self.sessions.iter().any(is_newer) {
            self.out.push(Out::Refused { connection, code: ErrorCode::SDK_NOT_INITIALIZED });
            return;
        }
        // DEV-9: the older session of this device, silently; and that of another device on this platform.
        let ended: Vec<Session> = self
            .sessions
            .iter()
            .filter(|old| old.device == device || (old.device.0 == device.0 && old.platform == platform))
            .cloned()
            .collect();
        for old in ended {
            if old.device != device {
                let event = Event::KickedOffLine { message: "".into() };
                self.hand(&old.device, &Arc::new(StampedEvent { stamp: None, event }));
            }
            self.end_session(&old.device);
            if let Some(connection) = old.connection {
                self.out.push(Out::Close { connection });
            }
        }
        self.sessions.push(Session {
            device: device.clone(),
            platform,
            token: None,
            connection: Some(connection),
            ends_at: None,
            last_seq: 0,
            unacknowledged: Vec::new(),
            queued: Vec::new(),
        });
        self.out.push(Out::LoggedIn { connection, device, resumed: false });
    }

    /// What the server called the session that it said had begun.
    pub(crate) fn learn_token(&mut self, device: &DeviceKey, token: &SessionToken) {
        if let Some(session) = self.sessions.iter_mut().find(|session| session.device == *device) {
            session.token = Some(token.clone());
        }
    }

    /// The token of the device's session, as far as it is known.
    pub(crate) fn token(&self, device: &DeviceKey) -> Option<&SessionToken> {
        self.sessions.iter().find(|session| session.device == *device)?.token.as_ref()
    }

    fn request(&mut self, now: Instant, connection: ConnectionNo, request: &Request) -> Answer {
        let Some(session) = self.session_on(connection) else {
            return Answer::error(ErrorCode::SDK_NOT_INITIALIZED);
        };
        session.acknowledge(request.received);
        let device = session.device.clone();
        // IDM-1, IDM-2. What only reads always executes; what is unknown counts as what could change state.
        let operation = match &request.content {
            Content::Call(call) => Some(call.operation()),
            Content::Malformed(malformed) => OperationName::from_name(&malformed.operation),
        };
        let keeps = operation.is_none_or(OperationName::changes_state);
        let key = (device.clone(), request.id.clone());
        let kept = self.kept.get(&key).filter(|kept| now <= kept.since + self.bounds.result_memory);
        if let (Some(kept), true) = (kept, keeps) {
            if kept.content == request.content {
                self.marks.push("a repeat was answered with the kept result");
                return kept.answer.clone();
            }
            self.marks.push("an id was used for something else");
            return Answer::error(ErrorCode::INVALID_PARAMETER);
        }
        let answer = match &request.content {
            Content::Malformed(_) => Answer::error(ErrorCode::INVALID_PARAMETER),
            Content::Call(call) if matches!(**call, Call::Logout {}) => Answer::from(Ok(Reply::Void)),
            Content::Call(call) => self.execute(now, &device, call),
        };
        if keeps {
            self.kept.insert(key, Kept { content: request.content.clone(), answer: answer.clone(), since: now });
        }
        if matches!(&request.content, Content::Call(call) if matches!(**call, Call::Logout {})) {
            self.end_session(&device);
        }
        answer
    }

    /// The session is over, and if its device was in a room, it leaves (TERM-2).
    fn end_session(&mut self, device: &DeviceKey) {
        self.sessions.retain(|session| session.device != *device);
        let room = self.rooms.values().find(|room| room.members.contains(device)).map(|room| room.id.clone());
        if let Some(mut room) = room.and_then(|id| self.rooms.remove(&id)) {
            self.leave(device, &mut room);
            self.rooms.insert(room.id.clone(), room);
        }
    }

    /// The online devices of a user.
    pub(crate) fn devices_of(&self, user: &UserId) -> Vec<DeviceKey> {
        self.sessions.iter().filter(|session| session.device.0 == *user).map(|session| session.device.clone()).collect()
    }

    /// An event for a device: numbered and sent if it is connected, otherwise kept for its return.
    pub(crate) fn hand(&mut self, device: &DeviceKey, event: &Arc<StampedEvent>) {
        let Some(session) = self.sessions.iter_mut().find(|session| session.device == *device) else {
            return;
        };
        let Some(connection) = session.connection else {
            session.queued.push(event.clone());
            return;
        };
        session.last_seq += 1;
        session.unacknowledged.push((session.last_seq, event.clone()));
        self.out.push(Out::Event { connection, seq: session.last_seq, event: event.clone() });
    }
}

impl Session {
    fn acknowledge(&mut self, received: u64) {
        self.unacknowledged.retain(|(seq, _)| *seq > received);
    }
}

/// REC-2: of a ring that began and ended while the device was away, it hears nothing.
fn without_rings_that_are_over(user: &UserId, queued: &[Arc<StampedEvent>]) -> Vec<Arc<StampedEvent>> {
    let ring = |event: &StampedEvent| {
        let stamp = event.stamp.as_ref()?;
        let about = stamp.about.as_ref().filter(|about| about.invitee == *user)?;
        Some((stamp.instance, about.attempt))
    };
    let begun: Vec<_> = queued
        .iter()
        .filter(|event| matches!(event.event, Event::ReceiveInvitation { .. }))
        .filter_map(|event| ring(event))
        .collect();
    let over: Vec<_> = queued
        .iter()
        .filter(|event| event.event.name().closes_ring())
        .filter_map(|event| ring(event))
        .filter(|ring| begun.contains(ring))
        .collect();
    queued
        .iter()
        .filter(|event| {
            let rings = matches!(event.event, Event::ReceiveInvitation { .. }) || event.event.name().closes_ring();
            !(rings && ring(event).is_some_and(|ring| over.contains(&ring)))
        })
        .cloned()
        .collect()
}
