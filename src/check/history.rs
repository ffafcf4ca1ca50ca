//! What the server's wire shows, put in order: sessions, requests with their answers, events, and the commits of each
//! room instance.
//!
//! It is read off the trace in one pass and holds no opinion, but for numbering that breaks off. What a server does inside
//! is not seen: that something was committed is known from the answer that carries its revision, and from the events
//! that are stamped with it. So every commit, and every beginning and end of a session, has a [`Span`] of moments in which
//! it must have happened. The spans of a server that works one input at a time over a fast disk do not overlap; where
//! they do, both orders are lawful, and checks must accept both.
//!
//! A server that was seen from outside ([`Vantage`]) has wider spans, and what bounds a time allows for the way to the
//! devices: see [`History::slack`] and [`History::noticing`].

mod reader;
mod stories;

use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use self::stories::Stories;
pub(super) use self::stories::Story;
use super::final_lists::{self, Traversal};
use super::variants::Variants;
use crate::plan::{DeviceIndex, Plan};
use crate::protocol::call::Call;
use crate::protocol::event::{PushHint, StampedEvent};
use crate::protocol::message::{ConnectionNo, Content, Request, Response, RoomPoint};
use crate::protocol::vocabulary::{AttemptNo, EventName, InstanceId, Revision, RoomId, UserId};
use crate::time::{Duration, Instant};
use crate::trace::Trace;
use crate::trace::outside::Vantage;

pub(super) type Map<K, V> = IndexMap<K, V, FxBuildHasher>;

/// What there is mostly one of: that one needs no memory of its own.
pub(super) type Few<T> = SmallVec<[T; 1]>;

/// A user, as an index: comparing numbers is cheaper than comparing names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct UserNo(u32);

/// A session, in the order of their beginnings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct SessionNo(u32);

impl SessionNo {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The moments, both included, at which something may have happened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Span {
    pub(super) earliest: usize,
    pub(super) latest: usize,
}

impl Span {
    /// Whether it surely happened before the other.
    pub(super) const fn is_before(self, other: Self) -> bool {
        self.latest < other.earliest
    }
}

/// What can be said of something at a time that is known only within bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sure {
    Yes,
    Maybe,
    No,
}

/// One session (TERM-1).
#[derive(Debug)]
pub(super) struct Session {
    pub(super) device: DeviceIndex,
    pub(super) user: UserNo,
    pub(super) began: Span,
    pub(super) ended: Option<Ended>,
    /// The connections that it had, in order; they do not overlap.
    pub(super) attachments: Vec<Attachment>,
    /// The stretches in which it may have been connected unseen: a login was carried out or not, and never answered.
    unanswered_logins: Vec<Span>,
    /// Its events in the order of their numbers, as indices of [`History::deliveries`]: the first transmission of each.
    pub(super) heard: Vec<usize>,
    /// Since when it has been suspended, where it is.
    suspended: Option<usize>,
    /// Whether it was the server that closed its last connection: then the session may be over.
    pub(super) cut_off: bool,
}

/// How and when a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ended {
    pub(super) when: Span,
    pub(super) how: HowEnded,
}

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HowEnded {
    LoggedOut,
    /// By a newer login.
    Replaced,
    WindowPassed,
}

/// One connection of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attachment {
    pub(super) connection: ConnectionNo,
    pub(super) from: usize,
    /// Where its login came in: it may have stood from then on.
    asked: usize,
    /// Where the server knew it to be gone.
    pub(super) to: Option<usize>,
}

/// One request, with its repeats (IDM-1).
#[derive(Debug)]
pub(super) struct Ask<'t> {
    pub(super) device: DeviceIndex,
    /// None before any login.
    pub(super) session: Option<SessionNo>,
    pub(super) request: &'t Request,
    /// Whether its id belonged to another request of the device, whose result is kept (IDM-2).
    pub(super) reuses_id: bool,
    /// Each time that it arrived.
    pub(super) receipts: Few<Receipt>,
    /// Each time that it was answered.
    pub(super) answers: Few<(usize, &'t Response)>,
}

/// One arrival of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receipt {
    pub(super) moment: usize,
    pub(super) connection: ConnectionNo,
    session: Option<SessionNo>,
    pub(super) answered: bool,
}

impl<'t> Ask<'t> {
    /// The moment at which it came in, the first time.
    pub(super) fn came_in(&self) -> Option<usize> {
        self.receipts.first().map(|receipt| receipt.moment)
    }

    /// When it may have been judged: from its first arrival to its first answer.
    pub(super) fn span(&self) -> Option<Span> {
        Some(Span { earliest: self.came_in()?, latest: self.answers.first()?.0 })
    }

    /// The session in which it was carried out: unknown where repeats of it came in later sessions.
    pub(super) fn surely_in(&self) -> Option<SessionNo> {
        self.session.filter(|session| self.receipts.iter().all(|receipt| receipt.session == Some(*session)))
    }

    pub(super) fn answer(&self) -> Option<&'t Response> {
        self.answers.first().map(|(_, response)| *response)
    }

    /// The call, where it is one.
    pub(super) fn call(&self) -> Option<&'t Call> {
        match &self.request.content {
            Content::Call(call) => Some(call),
            Content::Malformed(_) => None,
        }
    }

    pub(super) fn room(&self) -> Option<&'t RoomId> {
        self.call().and_then(Call::room_id)
    }

    /// The answer, where the request succeeded.
    pub(super) fn success(&self) -> Option<(&'t Call, &'t Response)> {
        let response = self.answer()?;
        response.result.is_ok().then_some((self.call()?, response))
    }
}

/// One event that the server sent to a session, when it sent it first.
#[derive(Debug)]
pub(super) struct Delivery<'t> {
    pub(super) session: SessionNo,
    /// Its number in the session.
    seq: u64,
    pub(super) moment: usize,
    pub(super) event: &'t Arc<StampedEvent>,
    /// Its name, which is asked for more often than anything else of it.
    pub(super) name: EventName,
    /// Where its stamp says that it stands.
    pub(super) point: Option<RoomPoint>,
    /// Who its stamp is about.
    pub(super) invitee: Option<UserNo>,
    /// Which ring of the invitee that is.
    pub(super) attempt: Option<AttemptNo>,
}

/// Something about the numbers of a session's events that must not be.
#[derive(Debug)]
pub(super) struct Irregularity {
    pub(super) session: SessionNo,
    pub(super) moment: usize,
    pub(super) what: String,
}

/// A login that asked to go on with a session (REC-2).
#[derive(Clone, Copy, Debug)]
pub(super) struct ResumeAsked {
    pub(super) moment: usize,
    pub(super) session: SessionNo,
    /// For how long the session had been suspended, at the least and at the most; none if it was connected or had ended.
    pub(super) suspended_for: Option<(Duration, Duration)>,
    /// Whether something other than its window had ended it, or the server had cut it off.
    pub(super) was_over: bool,
    pub(super) granted: bool,
}

/// A time during which the server was dead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    pub(super) from: usize,
    /// Where it started again, if it did.
    pub(super) to: Option<usize>,
}

/// One life of a room.
#[derive(Debug, Default)]
pub(super) struct Instance {
    /// What is known of its revisions, in their order.
    pub(super) commits: Vec<Revealed>,
}

/// A revision, and what reveals it.
#[derive(Debug)]
pub(super) struct Revealed {
    pub(super) revision: Revision,
    /// The events that are stamped with it, as indices of [`History::deliveries`], in the order of their sending.
    pub(super) deliveries: SmallVec<[usize; 4]>,
    /// The requests that were answered with it, as indices of [`History::asks`]. At most one of them led to it; the others
    /// were judged after it.
    pub(super) asks: Few<usize>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct History<'t> {
    pub(super) trace: &'t Trace,
    /// By which readings the run is judged.
    pub(super) variants: Variants,
    users: IndexSet<&'t UserId, FxBuildHasher>,
    user_of: Vec<UserNo>,
    pub(super) sessions: Vec<Session>,
    sessions_of: Vec<Vec<SessionNo>>,
    pub(super) asks: Vec<Ask<'t>>,
    pub(super) deliveries: Vec<Delivery<'t>>,
    stories: Stories,
    /// What the server gave the push service, with the moments.
    pub(super) push_hints: Vec<(usize, &'t PushHint)>,
    pub(super) irregularities: Vec<Irregularity>,
    /// Whether no session ever went on over another connection, and each was sent every event once and in its turn.
    pub(super) is_plain: bool,
    pub(super) resumes: Vec<ResumeAsked>,
    /// The moments of answers that nobody had asked for.
    pub(super) unasked: Vec<usize>,
    pub(super) outages: Vec<Outage>,
    /// From where on more events may have been due to a session than it may have unheard (`undelivered_max`): nobody sees
    /// how many wait for a device that is away.
    overflow_from: Option<usize>,
    /// The logins that were never answered, because their connections went before.
    dangling: Vec<(UserNo, usize)>,
    /// What the lists show that are read at the very end, by device.
    pub(super) finals: Vec<Traversal>,
    /// Where the run had become quiet: nothing more was to happen but the reading of the final lists.
    quiet_from: Option<usize>,
    pub(super) instances: Map<InstanceId, Instance>,
    /// The requests that change a room, were never answered, and may yet have had an effect: by room.
    unanswered: Map<&'t RoomId, Vec<usize>>,
}

impl<'t> History<'t> {
    pub(super) fn of(trace: &'t Trace, variants: Variants) -> Self {
        Self { variants, finals: final_lists::gather(trace), ..reader::Reader::new(trace).read() }
    }

    pub(super) fn plan(&self) -> &'t Plan {
        &self.trace.plan
    }

    /// What happened at each device's own boundary.
    pub(super) fn stories(&self) -> impl Iterator<Item = Story<'_, 't>> {
        self.stories.of(self.trace)
    }

    /// What the lists show that a device reads at the very end.
    pub(super) fn finals_of(&self, device: DeviceIndex) -> &[Traversal] {
        let from = self.finals.partition_point(|list| list.device < device);
        let to = self.finals.partition_point(|list| list.device <= device);
        &self.finals[from..to]
    }

    /// Where the last lists begin to be read, if the run got so far.
    pub(super) const fn quiet_from(&self) -> Option<usize> {
        self.quiet_from
    }

    /// The sessions, in the order of their beginnings.
    pub(super) fn session_numbers(&self) -> impl Iterator<Item = SessionNo> + use<> {
        (0..number(self.sessions.len())).map(SessionNo)
    }

    /// What a session heard, in the order of its numbers.
    pub(super) fn heard_by(&self, session: SessionNo) -> impl DoubleEndedIterator<Item = &Delivery<'t>> {
        self.session(session).heard.iter().map(|delivery| &self.deliveries[*delivery])
    }

    pub(super) fn at(&self, moment: usize) -> Instant {
        self.trace.moments.get(moment).or(self.trace.moments.last()).map_or(Instant::START, |moment| moment.at)
    }

    /// The first moment at or after a time.
    pub(super) fn moment_at(&self, at: Instant) -> usize {
        self.trace.moments.partition_point(|moment| moment.at < at)
    }

    pub(super) fn user(&self, id: &UserId) -> Option<UserNo> {
        self.users.get_index_of(id).map(number).map(UserNo)
    }

    pub(super) fn user_id(&self, user: UserNo) -> &'t UserId {
        self.users[user.0 as usize]
    }

    pub(super) fn user_of(&self, device: DeviceIndex) -> UserNo {
        self.user_of[device.index()]
    }

    pub(super) fn session(&self, session: SessionNo) -> &Session {
        &self.sessions[session.index()]
    }

    /// The sessions of a user, in the order of their beginnings.
    pub(super) fn sessions_of(&self, user: UserNo) -> &[SessionNo] {
        self.sessions_of.get(user.0 as usize).map_or(&[], Vec::as_slice)
    }

    pub(super) fn device_of(&self, session: SessionNo) -> DeviceIndex {
        self.session(session).device
    }

    /// The name of a session's device, as reports show it.
    pub(super) fn name(&self, session: SessionNo) -> &'t str {
        &self.plan().device(self.device_of(session)).name
    }

    /// Whether a request that was never answered may have changed the room by this moment.
    pub(super) fn may_have_changed_unseen(&self, room: &RoomId, moment: usize) -> bool {
        self.unanswered_asks(room).any(|ask| ask.came_in().is_some_and(|came_in| came_in <= moment))
    }

    /// The requests for a room that change state and were never answered: an event without a request may stem from one.
    pub(super) fn unanswered_asks(&self, room: &RoomId) -> impl Iterator<Item = &Ask<'t>> {
        self.unanswered.get(room).into_iter().flatten().map(|ask| &self.asks[*ask])
    }

    /// Whether a session was online (TERM-1) when something happened.
    pub(super) fn online(&self, session: SessionNo, when: Span) -> Sure {
        let session = self.session(session);
        let ended = session.ended.map(|ended| ended.when);
        if when.is_before(session.began) || ended.is_some_and(|ended| ended.is_before(when)) {
            return Sure::No;
        }
        if session.began.is_before(when) && ended.is_none_or(|ended| when.is_before(ended)) {
            return Sure::Yes;
        }
        Sure::Maybe
    }

    /// Whether a user may have a session that was never seen to begin: a login was carried out or not, and never answered.
    pub(super) fn may_have_unseen_session(&self, user: UserNo, when: Span) -> bool {
        self.dangling.iter().any(|(of, asked)| *of == user && *asked <= when.latest)
    }

    /// No earlier than when a session ended, which may be between two moments of the trace.
    pub(super) fn ended_from(&self, session: SessionNo) -> Option<Instant> {
        let session = self.session(session);
        let ended = session.ended?;
        let seen = self.at(ended.when.earliest);
        let window_end = session
            .suspended
            .filter(|_| ended.how == HowEnded::WindowPassed)
            .map(|since| self.at(since) + self.plan().service.bounds.resume_window - self.noticing());
        Some(window_end.filter(|end| self.moment_at(*end) == ended.when.earliest).unwrap_or(seen))
    }

    /// Whether the server may have ended the session unseen by then: it closed its last connection, or too many events may
    /// have been waiting for it.
    pub(super) fn may_be_over(&self, session: SessionNo, when: Span) -> bool {
        let session = self.session(session);
        let gone = session.attachments.last().and_then(|attachment| attachment.to);
        (session.cut_off || self.may_have_overflowed(when.latest)) && gone.is_some_and(|gone| gone <= when.latest)
    }

    /// Whether the server may have ended a session by a moment for the number of its events that were not acknowledged.
    pub(super) fn may_have_overflowed(&self, by: usize) -> bool {
        self.overflow_from.is_some_and(|from| from <= by)
    }

    /// Whether the session had a connection at any moment of a stretch, both ends included.
    pub(super) fn connected_within(&self, session: SessionNo, from: usize, to: usize) -> bool {
        self.session(session)
            .attachments
            .iter()
            .any(|attachment| attachment.from <= to && attachment.to.is_none_or(|gone| self.surely_until(gone) >= from))
    }

    /// Whether one connection surely stood during the whole stretch, both ends included.
    pub(super) fn connected_throughout(&self, session: SessionNo, from: usize, to: usize) -> bool {
        self.session(session)
            .attachments
            .iter()
            .any(|attachment| attachment.from <= from && attachment.to.is_none_or(|gone| self.surely_until(gone) >= to))
    }

    /// The same as [`Self::connected_within`], or whether it may have been: a login that was never answered may have been carried out, and what ended
    /// unseen may have ended later.
    pub(super) fn may_be_connected_within(&self, session: SessionNo, from: usize, to: usize) -> bool {
        let longer = self.noticing();
        let stood = |attachment: &Attachment| {
            attachment.asked <= to
                && attachment.to.is_none_or(|gone| gone >= from || self.at(gone) + longer >= self.at(from))
        };
        self.session(session).attachments.iter().any(stood)
            || self.session(session).unanswered_logins.iter().any(|login| login.earliest <= to && login.latest >= from)
    }

    /// Whether the server owes a session what was committed for it then: it has a connection at the end, or long enough
    /// after the commit, or was sent something newer of the same instance.
    pub(super) fn owes(&self, session: SessionNo, when: Span, instance: InstanceId, revision: Revision) -> bool {
        let known = self.session(session);
        if known.ended.is_none() && known.attachments.last().is_some_and(|attachment| attachment.to.is_none()) {
            return self.is_settled(when);
        }
        let newer = known.heard.last().is_some_and(|last| {
            let point = self.deliveries[*last].point;
            point.is_some_and(|point| point.instance == instance && point.revision > revision)
        });
        newer
            || known.attachments.iter().any(|attachment| {
                attachment.to.is_some_and(|to| {
                    to > when.latest
                        && self.at(to) > self.at(when.latest.max(attachment.from)) + self.slack() + self.noticing()
                })
            })
    }

    /// Whether everything that a commit leads to has surely come out: what is committed in the last instants of a run may
    /// still be on its way to the disk, unless the run was quiet before its lists were read.
    pub(super) fn is_settled(&self, when: Span) -> bool {
        let grace = self.at(when.latest) + self.slack();
        self.quiet_from.is_some_and(|quiet| when.latest < quiet)
            || self.trace.moments.last().is_some_and(|last| last.at > grace)
    }

    /// Whether the server may have died between a commit and what it leads to.
    pub(super) fn crashed_soon_after(&self, when: Span) -> bool {
        let soon = self.moment_at(self.at(when.latest) + self.slack());
        self.outages.iter().any(|outage| (when.earliest..=soon).contains(&outage.from))
    }

    /// How late the server may do what is due, its disk included (TMO-4), and the way to where it is seen.
    pub(super) fn slack(&self) -> Duration {
        let service = &self.plan().service;
        service.bounds.expiry_lateness_max + service.sync.times(2) + self.transit()
    }

    /// What a message may take from the server to where it was seen.
    pub(super) fn transit(&self) -> Duration {
        match self.trace.vantage {
            Vantage::Server | Vantage::Applications => Duration::ZERO,
            Vantage::Devices { transit_max } => transit_max,
        }
    }

    /// How much earlier or later than it was seen the server may have noticed the end of a connection.
    pub(super) fn noticing(&self) -> Duration {
        match self.trace.vantage {
            Vantage::Server | Vantage::Applications => Duration::ZERO,
            Vantage::Devices { transit_max } => self.plan().service.bounds.keep_alive_bound + transit_max,
        }
    }

    /// Until when the server surely had a connection that was seen to end at a moment.
    fn surely_until(&self, gone: usize) -> usize {
        match self.trace.vantage {
            Vantage::Server | Vantage::Applications => gone,
            Vantage::Devices { .. } => self.moment_at(self.at(gone) - self.noticing()),
        }
    }

    /// The last time between two moments that the server was dead, if it was.
    pub(super) fn outage_within(&self, from: usize, to: usize) -> Option<Outage> {
        self.outages.iter().rev().copied().find(|outage| outage.from <= to && outage.to.is_none_or(|up| up >= from))
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 of anything fit into a trace")
}
