//! Reads the history off a trace, moment by moment.
//!
//! Where the wire leaves open what the server did (a login or a suspension that a crash may have swallowed), a session is
//! noted as possibly over: nothing is then demanded for it, and nothing is held against it.

use std::collections::VecDeque;
use std::sync::Arc;

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

use super::super::variants::Variants;
use super::{
    Ask, Attachment, Delivery, Ended, History, HowEnded, Irregularity, Map, Outage, Receipt, ResumeAsked, Revealed,
    Session, SessionNo, Span, UserNo, number,
};
use crate::plan::DeviceIndex;
use crate::protocol::call::Call;
use crate::protocol::event::StampedEvent;
use crate::protocol::message::{ClientMessage, ConnectionNo, Content, Login, Request, Response, ServerMessage};
use crate::protocol::vocabulary::{ErrorCode, InstanceId, OperationName, RequestId, Revision, SessionToken, UserId};
use crate::trace::{Occurrence, Stage, Trace};

/// Reads a trace once, from its beginning.
pub(super) struct Reader<'t> {
    history: History<'t>,
    connections: Map<ConnectionNo, Connection<'t>>,
    /// The last ask of each request id of a device.
    latest: Map<(DeviceIndex, &'t RequestId), usize>,
    tokens: Map<&'t SessionToken, SessionNo>,
    evidence: Map<InstanceId, Vec<(Revision, usize, Evidence)>>,
    /// The sessions that a crash of the server has cut off, until it starts again.
    torn: Vec<SessionNo>,
    /// The sessions that were suspended so shortly before it that their record may be lost.
    unsure: Vec<SessionNo>,
    /// How many events all requests can have brought one session.
    events_asked_for: u64,
}

#[derive(Default)]
struct Connection<'t> {
    login: Option<(usize, &'t Login)>,
    device: Option<DeviceIndex>,
    session: Option<SessionNo>,
    /// Requests that wait for an answer, in the order of their arrival, as (ask, receipt).
    open: VecDeque<(&'t RequestId, usize, usize)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Evidence {
    Delivery(usize),
    Ask(usize),
}

impl<'t> Reader<'t> {
    pub(super) fn new(trace: &'t Trace) -> Self {
        let mut users: IndexSet<&'t UserId, FxBuildHasher> =
            trace.plan.accounts.iter().map(|account| &account.user_id).collect();
        let user_of: Vec<UserNo> = trace
            .plan
            .devices
            .iter()
            .map(|device| UserNo(number(users.insert_full(&device.identity.user_id).0)))
            .collect();
        let history = History {
            trace,
            variants: Variants::default(),
            users,
            user_of,
            sessions: Vec::new(),
            sessions_of: Vec::new(),
            asks: Vec::new(),
            deliveries: Vec::new(),
            irregularities: Vec::new(),
            resumes: Vec::new(),
            unasked: Vec::new(),
            outages: Vec::new(),
            dangling: Vec::new(),
            overflow_from: None,
            quiet_from: None,
            instances: Map::default(),
            unanswered: Map::default(),
        };
        Self {
            history,
            connections: Map::default(),
            latest: Map::default(),
            tokens: Map::default(),
            evidence: Map::default(),
            torn: Vec::new(),
            unsure: Vec::new(),
            events_asked_for: 0,
        }
    }

    pub(super) fn read(mut self) -> History<'t> {
        let trace = self.history.trace;
        for (index, moment) in trace.moments.iter().enumerate() {
            match &moment.what {
                Occurrence::ServerReceived { device, connection, message } => match message {
                    ClientMessage::Login(login) => {
                        let known = self.connections.entry(*connection).or_default();
                        known.login = Some((index, login));
                        known.device = Some(*device);
                    }
                    ClientMessage::Request(request) => self.received(index, *device, *connection, request),
                    ClientMessage::Acknowledge { .. } => {}
                },
                Occurrence::ServerSent { device, connection, message } => match message {
                    ServerMessage::LoggedIn { session, resumed } => {
                        self.logged_in(index, *device, *connection, session, *resumed);
                    }
                    ServerMessage::Refused { .. } => {
                        self.connections.entry(*connection).or_default().login = None;
                    }
                    ServerMessage::Response(response) => self.answered(index, *connection, response),
                    ServerMessage::Event { seq, event } => self.told(index, *connection, *seq, event),
                },
                Occurrence::ServerLost { connection, .. } => self.detach(index, *connection, false),
                Occurrence::ServerClosed { connection, .. } => self.detach(index, *connection, true),
                Occurrence::ServerCrashed => self.crashed(index),
                Occurrence::Stage(Stage::FinalLists) => self.history.quiet_from = Some(index),
                Occurrence::ServerStarted { .. } => self.started(index),
                _ => {}
            }
        }
        self.finish()
    }

    fn received(&mut self, index: usize, device: DeviceIndex, connection: ConnectionNo, request: &'t Request) {
        self.events_asked_for += events_of(request);
        if self.events_asked_for > self.history.plan().service.bounds.undelivered_max {
            self.history.overflow_from.get_or_insert(index);
        }
        let known = self.connections.entry(connection).or_default();
        // After a logout the connection stays, and is nobody's.
        let sessions = &self.history.sessions;
        let session = known.session.filter(|session| sessions[session.index()].ended.is_none());
        let receipt = Receipt { moment: index, connection, session, answered: false };
        let trace = self.history.trace;
        let bounds = &trace.plan.service.bounds;
        let (memory, unsure) = (bounds.result_memory, self.history.transit().times(2));
        let asks = &mut self.history.asks;
        // IDM-1: what changes state and was asked before is the same request, unless its result is no longer kept.
        let kept = self.latest.get(&(device, &request.id)).copied().filter(|ask| {
            let ask = &asks[*ask];
            session.is_some()
                && changes_state(&request.content)
                && changes_state(&ask.request.content)
                && ask.answers.first().is_none_or(|(answered, response)| {
                    let gap = trace.moments[index].at.since(trace.moments[*answered].at);
                    // When its result was there is known only between its arrival and its answer, and less from outside: it
                    // may have been forgotten. The answer tells.
                    let first = ask.receipts.first().map_or(*answered, |receipt| receipt.moment);
                    let is_sure = trace.moments[index].at.since(trace.moments[first].at) + unsure <= memory;
                    is_kept(response)
                        && gap <= memory
                        && (is_sure || next_answer(trace, index, connection, &request.id) == Some(response))
                })
        });
        let repeated = kept.filter(|ask| asks[*ask].request.content == request.content);
        // What nobody was answered before a crash may not have happened, and then its id was never used.
        let outages = &self.history.outages;
        let may_be_lost = |ask: &Ask<'_>| {
            let last = ask.receipts.last().map_or(0, |receipt| receipt.moment);
            ask.answers.is_empty() && outages.iter().any(|outage| outage.from >= last)
        };
        let kept = kept.filter(|ask| asks[*ask].request.content == request.content || !may_be_lost(&asks[*ask]));
        let ask = repeated.unwrap_or_else(|| {
            let reuses_id = kept.is_some();
            asks.push(Ask { device, session, request, reuses_id, receipts: Vec::new(), answers: Vec::new() });
            asks.len() - 1
        });
        // A read has its id to itself: no result of it is kept, and what was kept under the id is still kept (IDM-1).
        if session.is_some() && changes_state(&request.content) && (kept.is_none() || repeated.is_some()) {
            self.latest.insert((device, &request.id), ask);
        }
        known.open.push_back((&request.id, ask, asks[ask].receipts.len()));
        asks[ask].receipts.push(receipt);
    }

    fn answered(&mut self, index: usize, connection: ConnectionNo, response: &'t Response) {
        let answered = self.connections.get_mut(&connection).and_then(|known| {
            let place = known.open.iter().position(|(id, ..)| **id == response.id)?;
            known.open.remove(place)
        });
        let Some((_, ask, receipt)) = answered else {
            self.history.unasked.push(index);
            return;
        };
        let asked = &mut self.history.asks[ask];
        asked.receipts[receipt].answered = true;
        asked.answers.push((index, response));
        if asked.answers.len() > 1 {
            return;
        }
        if let Some(at) = response.at {
            self.evidence.entry(at.instance).or_default().push((at.revision, index, Evidence::Ask(ask)));
        }
        if let (Some(session), Some((Call::Logout {}, _))) = (asked.session, asked.success()) {
            let when = asked.span().expect("it was received and answered");
            self.end(session, Ended { when, how: HowEnded::LoggedOut });
        }
    }

    /// What came in behind a login belongs to its session, also if it came before the answer.
    fn note_early_requests(&mut self, connection: ConnectionNo, login: usize, session: SessionNo) {
        let Some(known) = self.connections.get(&connection) else { return };
        for (_, ask, receipt) in known.open.iter().copied() {
            let asked = &mut self.history.asks[ask];
            let receipt = &mut asked.receipts[receipt];
            if receipt.moment > login && receipt.session.is_none() {
                receipt.session = Some(session);
                asked.session.get_or_insert(session);
                if changes_state(&asked.request.content) {
                    self.latest.entry((asked.device, &asked.request.id)).or_insert(ask);
                }
            }
        }
    }

    fn logged_in(
        &mut self,
        index: usize,
        device: DeviceIndex,
        connection: ConnectionNo,
        token: &'t SessionToken,
        resumed: bool,
    ) {
        let asked = self.connections.entry(connection).or_default().login.map_or(index, |(moment, _)| moment);
        let when = Span { earliest: asked, latest: index };
        self.note_resume(index, connection, resumed);
        let known = if resumed { self.tokens.get(token).copied() } else { None };
        let session = known.unwrap_or_else(|| self.begin(when, device, token));
        self.note_early_requests(connection, asked, session);
        let connected = &mut self.history.sessions[session.index()];
        if let Some(attachment) = connected.attachments.last_mut().filter(|attachment| attachment.to.is_none()) {
            attachment.to = Some(asked);
        }
        connected.attachments.push(Attachment { connection, from: index, asked, to: None });
        connected.suspended = None;
        connected.ended = None;
        connected.cut_off = false;
        self.connections.entry(connection).or_default().session = Some(session);
    }

    fn note_resume(&mut self, index: usize, connection: ConnectionNo, granted: bool) {
        let login = self.connections.get(&connection).and_then(|known| known.login);
        let Some((asked, resume)) = login.and_then(|(moment, login)| Some((moment, login.resume.as_ref()?))) else {
            return;
        };
        let Some(session) = self.tokens.get(&resume.session).copied() else { return };
        let known = self.history.session(session);
        let noticing = self.history.noticing();
        let suspended_for = known.suspended.map(|since| {
            let gap = self.history.at(asked).since(self.history.at(since));
            (gap.saturating_sub(noticing), gap + noticing)
        });
        let was_over = known.ended.is_some_and(|ended| ended.how != HowEnded::WindowPassed)
            || known.cut_off
            || self.may_have_had_too_many();
        let noted = ResumeAsked { moment: index, session, suspended_for, was_over, granted };
        self.history.resumes.push(noted);
    }

    /// Whether the server may have ended a session for the number of its unheard events, which is not seen from outside: a
    /// request brings a session at most these many, now and later.
    fn may_have_had_too_many(&self) -> bool {
        !self.history.trace.vantage.is_server()
            && self.events_asked_for > self.history.plan().service.bounds.undelivered_max
    }

    fn begin(&mut self, when: Span, device: DeviceIndex, token: &'t SessionToken) -> SessionNo {
        let user = self.history.user_of(device);
        // DEV-9, TERM-1: it ends the older session of the same platform or device.
        for older in self.history.sessions_of(user).to_vec() {
            if self.share_a_place(self.history.device_of(older), device) {
                self.end(older, Ended { when, how: HowEnded::Replaced });
            }
        }
        let history = &mut self.history;
        let session = SessionNo(number(history.sessions.len()));
        history.sessions.push(Session {
            device,
            user,
            began: when,
            ended: None,
            // Most sessions have one, and there may be a million of them.
            attachments: Vec::with_capacity(1),
            unanswered_logins: Vec::new(),
            heard: Vec::new(),
            numbers: Vec::new(),
            suspended: None,
            cut_off: false,
        });
        let of = user.0 as usize;
        if history.sessions_of.len() <= of {
            history.sessions_of.resize_with(of + 1, Vec::new);
        }
        history.sessions_of[of].push(session);
        self.tokens.insert(token, session);
        session
    }

    /// Ends a session, unless its window had passed before.
    fn end(&mut self, session: SessionNo, ended: Ended) {
        let by_window = self.window_end(session);
        let session = &mut self.history.sessions[session.index()];
        if let Some(known) = &mut session.ended {
            known.when.latest = known.when.latest.min(ended.when.latest).max(known.when.earliest);
            return;
        }
        session.ended = Some(match by_window {
            Some(window) if window.when.earliest < ended.when.earliest => Ended {
                // The login that finds the session gone is the latest that it may have ended.
                when: Span { latest: window.when.latest.min(ended.when.latest), ..window.when },
                ..window
            },
            _ => ended,
        });
        if let Some(attachment) = session.attachments.last_mut() {
            attachment.to.get_or_insert(ended.when.latest);
        }
    }

    /// When the window of a suspended session passes.
    fn window_end(&self, session: SessionNo) -> Option<Ended> {
        let since = self.history.at(self.history.session(session).suspended?);
        let end = since + self.history.plan().service.bounds.resume_window;
        let (earliest, latest) = (end - self.history.noticing(), end + self.history.noticing() + self.history.slack());
        let when = Span { earliest: self.history.moment_at(earliest), latest: self.history.moment_at(latest) };
        (when.earliest < self.history.trace.moments.len()).then_some(Ended { when, how: HowEnded::WindowPassed })
    }

    fn detach(&mut self, index: usize, connection: ConnectionNo, by_server: bool) {
        let Some(session) = self.connections.get(&connection).and_then(|known| known.session) else {
            return self.left_dangling(index, connection);
        };
        let session = &mut self.history.sessions[session.index()];
        let Some(attachment) = session.attachments.last_mut() else { return };
        if attachment.connection == connection && attachment.to.is_none() {
            attachment.to = Some(index);
            session.suspended = Some(index);
            session.cut_off = by_server;
        }
        self.may_have_logged_out(connection);
        if let Some(known) = self.connections.get_mut(&connection) {
            known.open.clear();
        }
    }

    /// A logout came in and its connection went before the answer: the session may be over.
    fn may_have_logged_out(&mut self, connection: ConnectionNo) {
        let Some(known) = self.connections.get(&connection) else { return };
        let asks = &self.history.asks;
        let logout = known.open.iter().map(|(_, ask, _)| &asks[*ask]).find(|ask| {
            ask.answers.is_empty() && ask.call().is_some_and(|call| call.operation() == OperationName::Logout)
        });
        let Some((receipt, session)) = logout.and_then(|ask| Some((ask.receipts.first()?.moment, known.session?)))
        else {
            return;
        };
        let session = &mut self.history.sessions[session.index()];
        if session.ended.is_none() {
            let when = Span { earliest: receipt, latest: usize::MAX };
            session.ended = Some(Ended { when, how: HowEnded::LoggedOut });
            session.cut_off = true;
        }
    }

    /// A login came in and its connection went before the answer: nobody can tell whether it was carried out, so the
    /// sessions that it would have resumed or replaced may be over.
    fn left_dangling(&mut self, index: usize, connection: ConnectionNo) {
        let Some(known) = self.connections.get_mut(&connection) else { return };
        let (Some((asked, _)), Some(device)) = (known.login.take(), known.device) else { return };
        self.history.dangling.push((self.history.user_of(device), asked));
        for session in self.history.sessions_of(self.history.user_of(device)).to_vec() {
            if !self.share_a_place(self.history.device_of(session), device) {
                continue;
            }
            let from = self.window_end(session).map_or(asked, |window| window.when.earliest.min(asked));
            let session = &mut self.history.sessions[session.index()];
            session.unanswered_logins.push(Span { earliest: asked, latest: index });
            if session.ended.is_none() && session.attachments.last().is_none_or(|attachment| attachment.to.is_some()) {
                let when = Span { earliest: from, latest: usize::MAX };
                session.ended = Some(Ended { when, how: HowEnded::Replaced });
                session.suspended = Some(index);
                session.cut_off = true;
            }
        }
    }

    /// Whether a user has room for only one of two devices (DEV-9, TERM-1).
    fn share_a_place(&self, one: DeviceIndex, other: DeviceIndex) -> bool {
        let plan = self.history.plan();
        one == other || plan.device(one).identity.platform == plan.device(other).identity.platform
    }

    fn crashed(&mut self, index: usize) {
        let dangling: Vec<ConnectionNo> = self
            .connections
            .iter()
            .filter(|(_, known)| known.session.is_none() && known.login.is_some())
            .map(|(connection, _)| *connection)
            .collect();
        self.history.outages.push(Outage { from: index, to: None });
        let unsure_from = self.history.at(index) - self.history.slack();
        for number in 0..self.history.sessions.len() {
            let since = self.history.sessions[number].suspended.map(|since| self.history.at(since));
            let session = &mut self.history.sessions[number];
            if let Some(ended) = session.ended {
                // What may be alive may also have been suspended a moment ago, by the restart before this crash.
                let may_live = ended.how == HowEnded::WindowPassed && ended.when.latest > index;
                if may_live && since.is_some_and(|since| since > unsure_from) {
                    self.unsure.push(SessionNo(super::number(number)));
                }
                continue;
            }
            if let Some(attachment) = session.attachments.last_mut().filter(|attachment| attachment.to.is_none()) {
                attachment.to = Some(index);
                self.torn.push(SessionNo(super::number(number)));
            } else if since.is_some_and(|since| since > unsure_from) {
                self.unsure.push(SessionNo(super::number(number)));
            }
        }
        for connection in dangling {
            self.left_dangling(index, connection);
        }
        let connections: Vec<ConnectionNo> = self.connections.keys().copied().collect();
        for connection in connections {
            self.may_have_logged_out(connection);
        }
        for known in self.connections.values_mut() {
            known.open.clear();
        }
    }

    /// REC-4: sessions whose window had not passed are suspended afresh with a full window.
    fn started(&mut self, index: usize) {
        if let Some(outage) = self.history.outages.last_mut() {
            outage.to.get_or_insert(index);
        }
        for session in std::mem::take(&mut self.torn) {
            self.history.sessions[session.index()].suspended = Some(index);
        }
        // Since when these were suspended may not have been written down: they are suspended afresh, or, by an older date,
        // their window has passed.
        let down_from = self.history.outages.last().map_or(index, |outage| outage.from);
        let resume_window = self.history.plan().service.bounds.resume_window;
        let latest = self.history.moment_at(self.history.at(index) + resume_window + self.history.slack());
        for session in std::mem::take(&mut self.unsure) {
            let session = &mut self.history.sessions[session.index()];
            let earliest = session.ended.map_or(down_from, |ended| ended.when.earliest.min(down_from));
            session.ended = Some(Ended { when: Span { earliest, latest }, how: HowEnded::WindowPassed });
            session.suspended = Some(index);
            session.cut_off = true;
        }
        for number in 0..self.history.sessions.len() {
            let session = SessionNo(super::number(number));
            let known = &self.history.sessions[number];
            let afresh =
                known.suspended.is_some_and(|since| self.history.at(since) + resume_window > self.history.at(index));
            let known = &mut self.history.sessions[number];
            if let Some(ended) = &mut known.ended {
                // One that may have been alive until now is suspended afresh like the others.
                if ended.when.latest > down_from {
                    ended.when.latest = ended.when.latest.max(latest);
                    known.suspended = known.suspended.map(|since| if afresh { index } else { since });
                }
                continue;
            }
            match self.window_end(session) {
                Some(ended) if ended.when.latest < down_from => self.history.sessions[number].ended = Some(ended),
                Some(mut ended) if ended.when.earliest < index => {
                    let slack = self.history.slack();
                    ended.when.latest = ended.when.latest.max(self.history.moment_at(self.history.at(index) + slack));
                    let session = &mut self.history.sessions[number];
                    // Seen from outside, its window may just as well not have passed: then it was suspended afresh.
                    if !self.history.trace.vantage.is_server() {
                        ended.when.latest = ended.when.latest.max(latest);
                        session.suspended = Some(index);
                        session.cut_off = true;
                    }
                    session.ended = Some(ended);
                }
                _ => {
                    let session = &mut self.history.sessions[number];
                    session.suspended = session.suspended.map(|_| index);
                }
            }
        }
    }

    fn told(&mut self, index: usize, connection: ConnectionNo, seq: u64, event: &'t Arc<StampedEvent>) {
        let Some(session) = self.connections.get(&connection).and_then(|known| known.session) else { return };
        let history = &mut self.history;
        let known = &history.sessions[session.index()];
        let expected = known.numbers.last().copied().unwrap_or(0).saturating_add(1);
        if seq < expected {
            let position = known.numbers.binary_search(&seq).ok();
            let before = position.map(|position| history.deliveries[known.heard[position]].event);
            if before.is_none_or(|before| before != event) {
                let what = format!("event {seq} was another event when it was sent first");
                history.irregularities.push(Irregularity { session, moment: index, what });
            }
            return;
        }
        if seq > expected {
            let what = format!("event {seq} is sent where event {expected} is next");
            history.irregularities.push(Irregularity { session, moment: index, what });
        }
        let invitee = event.stamp.as_ref().and_then(|stamp| stamp.about.as_ref());
        let invitee = invitee.map(|about| UserNo(number(history.users.insert_full(&about.invitee).0)));
        let delivery = history.deliveries.len();
        history.deliveries.push(Delivery { session, moment: index, event, invitee });
        history.sessions[session.index()].heard.push(delivery);
        history.sessions[session.index()].numbers.push(seq);
        if let Some(stamp) = &event.stamp {
            let of = self.evidence.entry(stamp.instance).or_default();
            of.push((stamp.revision, index, Evidence::Delivery(delivery)));
        }
    }

    fn finish(mut self) -> History<'t> {
        for number in 0..self.history.sessions.len() {
            let session = SessionNo(super::number(number));
            if self.history.session(session).ended.is_none() {
                self.history.sessions[number].ended = self.window_end(session);
            }
        }
        for (number, ask) in self.history.asks.iter().enumerate() {
            let Some(room) = ask.room() else { continue };
            if ask.answers.is_empty() && changes_state(&ask.request.content) {
                self.history.unanswered.entry(room).or_default().push(number);
            }
        }
        self.evidence.sort_unstable_keys();
        for (instance, mut evidence) in std::mem::take(&mut self.evidence) {
            evidence.sort_unstable();
            let commits = &mut self.history.instances.entry(instance).or_default().commits;
            for (revision, _, one) in evidence {
                if commits.last().is_none_or(|last: &Revealed| last.revision != revision) {
                    commits.push(Revealed { revision, deliveries: Vec::new(), asks: Vec::new() });
                }
                let revealed = commits.last_mut().expect("it was pushed just now");
                match one {
                    Evidence::Delivery(delivery) => revealed.deliveries.push(delivery),
                    Evidence::Ask(ask) => revealed.asks.push(ask),
                }
            }
        }
        self.history
    }
}

/// How many events a request can bring one session at the most: of each user that it names a ring, its end, and a change of
/// the list at either and at the entry; beside those an event of its own and an end to the session's place.
fn events_of(request: &Request) -> u64 {
    match &request.content {
        Content::Call(call) => match &**call {
            Call::InviteUsers { user_id_list, .. } | Call::CancelInvitation { user_id_list, .. } => {
                2 + 5 * user_id_list.len() as u64
            }
            call if call.operation().changes_state() => 7,
            _ => 0,
        },
        Content::Malformed(_) => 0,
    }
}

/// The next answer to a request of this id on a connection.
fn next_answer<'t>(trace: &'t Trace, from: usize, on: ConnectionNo, id: &RequestId) -> Option<&'t Response> {
    trace.moments[from..].iter().find_map(|moment| match &moment.what {
        Occurrence::ServerSent { connection, message: ServerMessage::Response(response), .. }
            if *connection == on && response.id == *id =>
        {
            Some(&**response)
        }
        _ => None,
    })
}

fn changes_state(content: &Content) -> bool {
    match content {
        Content::Call(call) => call.operation().changes_state(),
        Content::Malformed(malformed) => {
            OperationName::from_name(&malformed.operation).is_none_or(OperationName::changes_state)
        }
    }
}

/// IDM-1: results -2 and 100001 are not kept, and login comes before all that is kept.
fn is_kept(response: &Response) -> bool {
    !matches!(&response.result, Err(error)
        if matches!(error.code, ErrorCode::FREQ_LIMIT | ErrorCode::SERVER_SYSTEM_ERROR | ErrorCode::SDK_NOT_INITIALIZED))
}
