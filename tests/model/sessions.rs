//! Sessions, as section 5 of `docs/PROTOCOL.md` has them: login, resumption, numbers, repeats, restarts; and the clock.
//!
//! The model is told what the server is told, and says what the server must say: [`Service::out`]. It never sees the
//! disk: what it is told has happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use convoke::protocol::bounds::Bounds;
use convoke::protocol::call::{Call, Reply};
use convoke::protocol::event::{Event, PushHint, StampedEvent};
use convoke::protocol::message::{ClientMessage, ConnectionNo, Content, Login, Request, Resume, RoomPoint};
use convoke::protocol::vocabulary::{
    Cursor, ErrorCode, OperationName, Platform, RequestId, RoomId, SessionToken, UserId,
};
use convoke::time::{Duration, Instant};

use crate::rooms::{CursorMeaning, DeviceKey, Room};

/// The whole service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Service {
    pub(crate) bounds: Bounds,
    /// Whether the buckets of SEC-6 are there.
    rate_limits: bool,
    /// Whose calls of inviteUsers, and whose rings at whom, are limited by what.
    calls: BTreeMap<UserId, Bucket>,
    rings: BTreeMap<(UserId, UserId), Bucket>,
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
    /// How many have begun, and what the server called them.
    begun: u64,
    tokens: BTreeMap<u64, SessionToken>,
    /// The results that are kept (IDM-1).
    kept: BTreeMap<(DeviceKey, RequestId), Kept>,
    /// The connections that the server has hung up: it takes nothing more from them.
    closed: BTreeSet<ConnectionNo>,
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
    number: u64,
    device: DeviceKey,
    platform: Platform,
    connection: Option<ConnectionNo>,
    /// When the resume window will have passed; only while it is suspended.
    ends_at: Option<Instant>,
    last_seq: u64,
    unacknowledged: Vec<(u64, Arc<StampedEvent>)>,
    /// What happened since it was suspended; not numbered yet.
    queued: Vec<Arc<StampedEvent>>,
}

/// A bucket of tokens (SEC-6): full at first, and what was taken comes back one by one.
#[derive(Clone, Debug)]
struct Bucket {
    missing: u64,
    next: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant, refill: Duration) {
        self.fill(now, refill);
        if self.missing == 0 {
            self.next = now + refill;
        }
        self.missing += 1;
    }

    fn fill(&mut self, now: Instant, refill: Duration) {
        while self.missing > 0 && self.next <= now {
            self.missing -= 1;
            self.next = self.next + refill;
        }
    }

    fn is_empty(&self, now: Instant, size: u64, refill: Duration) -> bool {
        let mut later = self.clone();
        later.fill(now, refill);
        later.missing >= size
    }
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
    LoggedIn { connection: ConnectionNo, resumed: bool },
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
    pub(crate) fn new(bounds: Bounds, rate_limits: bool, accounts: BTreeMap<UserId, (Arc<str>, Arc<str>)>) -> Self {
        Self { bounds, rate_limits, accounts, ..Self::default() }
    }

    /// The server has died, and what it knows is what it knew earlier, when its disk had caught up. What others know of it
    /// stays: what it called sessions and places in lists.
    pub(crate) fn fall_back_to(&mut self, mut durable: Self, now: Instant) {
        durable.advance(now);
        durable.out.clear();
        durable.lives = self.lives;
        durable.tokens = std::mem::take(&mut self.tokens);
        durable.cursors = std::mem::take(&mut self.cursors);
        durable.marks = std::mem::take(&mut self.marks);
        durable.marks.push("a crash undid what was not durable");
        *self = durable;
    }

    /// Commits what is due by `now`: in the order of time, and at one instant first expiries, by instance and place in the
    /// list (TMO-3), then ends of resume windows, the older session first.
    pub(crate) fn advance(&mut self, now: Instant) {
        while let Some((at, _)) = self.next_due(now) {
            self.commit_due(at);
            self.end_overflowing();
        }
    }

    fn commit_due(&mut self, now: Instant) {
        while let Some((_, due)) = self.next_due(now) {
            match due {
                Due::Expiry(room, invitee) => self.expire(&room, &invitee),
                Due::WindowPassed(device) => {
                    self.marks.push("a resume window passed");
                    self.end_session(&device);
                }
            }
        }
    }

    /// Section 5: a device with too many events unacknowledged loses its session, the oldest first.
    fn end_overflowing(&mut self) {
        let bound = self.bounds.undelivered_max;
        let too_many = |session: &&Session| (session.unacknowledged.len() + session.queued.len()) as u64 > bound;
        while let Some(session) = self.sessions.iter().find(too_many).cloned() {
            self.marks.push("a session had too many events unacknowledged");
            self.end_session(&session.device);
            self.hang_up(session.connection);
        }
    }

    fn hang_up(&mut self, connection: Option<ConnectionNo>) {
        self.closed.extend(connection);
        self.out.extend(connection.map(|connection| Out::Close { connection }));
    }

    fn next_due(&self, now: Instant) -> Option<(Instant, Due)> {
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
        due.into_iter().min_by_key(|(at, _)| *at)
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
        self.commit_due(now);
        self.end_overflowing();
    }

    /// A message arrives.
    pub(crate) fn received(&mut self, now: Instant, connection: ConnectionNo, message: &ClientMessage) {
        self.advance(now);
        match message {
            _ if self.closed.contains(&connection) => {}
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
        self.end_overflowing();
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
        let tokens = &self.tokens;
        let is_resumed = |session: &&mut Session, resume: &Resume| {
            session.device == device && tokens.get(&session.number) == Some(&resume.session)
        };
        if let Some(resume) = &login.resume
            && let Some(session) = self.sessions.iter_mut().find(|session| is_resumed(session, resume))
        {
            if let Some(old) = session.connection.replace(connection) {
                self.closed.insert(old);
                self.out.push(Out::Close { connection: old });
            }
            session.ends_at = None;
            session.acknowledge(resume.received);
            self.out.push(Out::LoggedIn { connection, resumed: true });
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
            self.hang_up(old.connection);
        }
        self.begun += 1;
        self.sessions.push(Session {
            number: self.begun,
            device: device.clone(),
            platform,
            connection: Some(connection),
            ends_at: None,
            last_seq: 0,
            unacknowledged: Vec::new(),
            queued: Vec::new(),
        });
        self.out.push(Out::LoggedIn { connection, resumed: false });
    }

    /// What the server called the session that it said had begun, or gone on, on this connection. False if it called it
    /// something else before.
    pub(crate) fn learn_token(&mut self, connection: ConnectionNo, token: &SessionToken) -> bool {
        let number = self.session_on(connection).map(|session| session.number);
        number.is_none_or(|number| self.tokens.entry(number).or_insert_with(|| token.clone()) == token)
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
            content if self.rate_limits && !self.affords(now, &device.0, content) => {
                self.marks.push("a caller was slowed down");
                return Answer::error(ErrorCode::FREQ_LIMIT);
            }
            Content::Malformed(_) => Answer::error(ErrorCode::INVALID_PARAMETER),
            Content::Call(call) if matches!(**call, Call::Logout {}) => Answer::from(Ok(Reply::Void)),
            Content::Call(call) => self.execute(now, &device, call),
        };
        // IDM-1: -2 is not kept, as it returned above.
        if keeps {
            self.kept.insert(key, Kept { content: request.content.clone(), answer: answer.clone(), since: now });
        }
        if matches!(&request.content, Content::Call(call) if matches!(**call, Call::Logout {})) {
            self.end_session(&device);
        }
        answer
    }

    /// SEC-6: whether the buckets have what a call may take. A call takes one of the caller's, whatever comes of it; rings
    /// take theirs when they begin.
    fn affords(&mut self, now: Instant, user: &UserId, content: &Content) -> bool {
        let operation = match content {
            Content::Call(call) => call.operation().name(),
            Content::Malformed(malformed) => &malformed.operation,
        };
        if operation != OperationName::InviteUsers.name() {
            return true;
        }
        let (size, refill) = (self.bounds.invite_calls_max, self.bounds.invite_calls_refill);
        let (ring_size, ring_refill) = (self.bounds.rings_max, self.bounds.rings_refill);
        if self.calls.get(user).is_some_and(|bucket| bucket.is_empty(now, size, refill)) {
            return false;
        }
        if let Content::Call(call) = content
            && let Call::InviteUsers { user_id_list, .. } = &**call
            && user_id_list.iter().any(|invitee| {
                let bucket = self.rings.get(&(user.clone(), invitee.clone()));
                bucket.is_some_and(|bucket| bucket.is_empty(now, ring_size, ring_refill))
            })
        {
            return false;
        }
        self.calls.entry(user.clone()).or_insert(Bucket { missing: 0, next: now }).take(now, refill);
        true
    }

    /// A ring begins.
    pub(crate) fn take_ring(&mut self, now: Instant, user: &UserId, invitee: &UserId) {
        let bucket = self.rings.entry((user.clone(), invitee.clone())).or_insert(Bucket { missing: 0, next: now });
        bucket.take(now, self.bounds.rings_refill);
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
