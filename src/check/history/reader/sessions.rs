//! How sessions begin and end, as far as the wire shows it: logins, connections that come and go, and crashes.
//!
//! Where the wire leaves open what the server did (a login or a suspension that a crash may have swallowed), a session is
//! noted as possibly over: nothing is then demanded for it, and nothing is held against it.

use super::super::{Attachment, Ended, HowEnded, Outage, ResumeAsked, Session, SessionNo, Span, number};
use super::Reader;
use crate::plan::DeviceIndex;
use crate::protocol::message::ConnectionNo;
use crate::protocol::vocabulary::{OperationName, SessionToken};

impl<'t> Reader<'t> {
    /// What came in behind a login belongs to its session, also if it came before the answer.
    fn note_early_requests(&mut self, connection: ConnectionNo, login: usize, session: SessionNo) {
        let Some(known) = self.connections.get(&connection) else { return };
        for (_, ask, receipt) in known.open.iter().copied() {
            let asked = &mut self.history.asks[ask];
            let receipt = &mut asked.receipts[receipt];
            if receipt.moment > login && receipt.session.is_none() {
                receipt.session = Some(session);
                asked.session.get_or_insert(session);
                if asked.request.content.changes_state() {
                    self.latest.entry((asked.device, &asked.request.id)).or_insert(ask);
                }
            }
        }
    }

    pub(super) fn logged_in(
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
        self.history.is_plain &= !resumed;
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
    pub(super) fn end(&mut self, session: SessionNo, ended: Ended) {
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
    pub(super) fn window_end(&self, session: SessionNo) -> Option<Ended> {
        let since = self.history.at(self.history.session(session).suspended?);
        let end = since + self.history.plan().service.bounds.resume_window;
        let (earliest, latest) = (end - self.history.noticing(), end + self.history.noticing() + self.history.slack());
        let when = Span { earliest: self.history.moment_at(earliest), latest: self.history.moment_at(latest) };
        (when.earliest < self.history.trace.moments.len()).then_some(Ended { when, how: HowEnded::WindowPassed })
    }

    pub(super) fn detach(&mut self, index: usize, connection: ConnectionNo, by_server: bool) {
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
        if let Some((came_in, session)) = logout.and_then(|ask| Some((ask.came_in()?, known.session?))) {
            self.may_be_logged_out(session, came_in);
        }
    }

    /// A session may be over since a logout came in.
    pub(super) fn may_be_logged_out(&mut self, session: SessionNo, came_in: usize) {
        let session = &mut self.history.sessions[session.index()];
        if session.ended.is_none() {
            let when = Span { earliest: came_in, latest: usize::MAX };
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
            // One whose window may not have passed yet may just as well have been resumed.
            let may_live = |ended: Ended| ended.how == HowEnded::WindowPassed && ended.when.latest >= asked;
            let is_away = session.attachments.last().is_none_or(|attachment| attachment.to.is_some());
            if session.ended.is_none_or(may_live) && is_away {
                let earliest = session.ended.map_or(from, |ended| ended.when.earliest.min(from));
                let when = Span { earliest, latest: usize::MAX };
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

    pub(super) fn crashed(&mut self, index: usize) {
        let dangling: Vec<ConnectionNo> = self
            .connections
            .iter()
            .filter(|(_, known)| known.session.is_none() && known.login.is_some())
            .map(|(connection, _)| *connection)
            .collect();
        self.history.outages.push(Outage { from: index, to: None });
        let unsure_from = self.history.at(index) - self.history.slack();
        for place in 0..self.history.sessions.len() {
            let since = self.history.sessions[place].suspended.map(|since| self.history.at(since));
            let session = &mut self.history.sessions[place];
            if let Some(ended) = session.ended {
                // What may be alive may also have been suspended a moment ago, by the restart before this crash.
                let may_live = ended.how == HowEnded::WindowPassed && ended.when.latest > index;
                if may_live && since.is_some_and(|since| since > unsure_from) {
                    self.unsure.push(SessionNo(number(place)));
                }
                continue;
            }
            if let Some(attachment) = session.attachments.last_mut().filter(|attachment| attachment.to.is_none()) {
                attachment.to = Some(index);
                self.torn.push(SessionNo(number(place)));
            } else if since.is_some_and(|since| since > unsure_from) {
                self.unsure.push(SessionNo(number(place)));
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
    pub(super) fn started(&mut self, index: usize) {
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
        for place in 0..self.history.sessions.len() {
            let session = SessionNo(number(place));
            let known = &self.history.sessions[place];
            let afresh =
                known.suspended.is_some_and(|since| self.history.at(since) + resume_window > self.history.at(index));
            let known = &mut self.history.sessions[place];
            if let Some(ended) = &mut known.ended {
                // One that may have been alive until now is suspended afresh like the others.
                if ended.when.latest > down_from {
                    ended.when.latest = ended.when.latest.max(latest);
                    known.suspended = known.suspended.map(|since| if afresh { index } else { since });
                }
                continue;
            }
            match self.window_end(session) {
                Some(ended) if ended.when.latest < down_from => self.history.sessions[place].ended = Some(ended),
                Some(mut ended) if ended.when.earliest < index => {
                    let slack = self.history.slack();
                    ended.when.latest = ended.when.latest.max(self.history.moment_at(self.history.at(index) + slack));
                    let session = &mut self.history.sessions[place];
                    // Seen from outside, its window may just as well not have passed: then it was suspended afresh.
                    if !self.history.trace.vantage.is_server() {
                        ended.when.latest = ended.when.latest.max(latest);
                        session.suspended = Some(index);
                        session.cut_off = true;
                    }
                    session.ended = Some(ended);
                }
                _ => {
                    let session = &mut self.history.sessions[place];
                    session.suspended = session.suspended.map(|_| index);
                }
            }
        }
    }
}
