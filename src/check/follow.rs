//! A small sequential model of a room instance, led by what the server's wire reveals of each commit.
//!
//! [`follow`] goes through the commits of every instance in the order of their revisions, works out what each of them
//! changed, and shows it to the checks together with the state before it. It judges nothing itself. Where a commit left
//! no trace on the wire (a lost answer and nobody to hear of it), the model fills the gap with what must have happened
//! unseen (expiries, ends of sessions), if that accounts for it exactly; otherwise whatever it knew from before the gap
//! is no longer certain, and no check relies on it.

mod cause;
mod changes;
mod room;

pub(super) use self::room::{Attempt, AttemptEnd, Outcome, Room, Timeout};
use super::history::{Ask, History, Revealed, SessionNo, Span, UserNo};
use crate::protocol::vocabulary::{InstanceId, InvitationStatus, Revision, Role};
use crate::time::Instant;

/// One thing that a commit changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// The instance begins.
    Created,
    /// The room is dissolved (ROOM-5).
    Destroyed,
    /// A user enters, or moves here from another device (ROOM-8).
    Entered { user: UserNo, session: Option<SessionNo>, moved: bool },
    /// A user leaves, of its own accord, thrown out, or because its session ended.
    Left { user: UserNo },
    /// An attempt begins.
    Began { attempt: usize },
    /// An attempt ends.
    Ended { attempt: usize, end: AttemptEnd },
    /// An entry leaves the list because the invitee is in the room now (ACC-8).
    Removed {
        attempt: usize,
        /// Whether it was surely there before.
        surely: bool,
    },
    /// A user has another role; kRoomOwner hands the room over.
    Role { user: UserNo, role: Role },
    /// Names, attendees.
    Else,
}

/// One commit, with the state before it.
pub(super) struct Scene<'s, 't> {
    pub(super) history: &'s History<'t>,
    /// Every attempt known so far, of all instances.
    pub(super) attempts: &'s [Attempt<'t>],
    /// The state before the commit.
    pub(super) before: &'s Room<'t>,
    pub(super) revision: Revision,
    pub(super) when: Span,
    /// The request that led to it, as an index of the history's asks, if that was answered.
    pub(super) cause: Option<usize>,
    /// The events that carry its revision, as indices of the history's deliveries.
    pub(super) deliveries: &'s [usize],
    pub(super) changes: &'s [Change],
    /// Whether it is only inferred from a gap: then nothing of it was seen.
    pub(super) inferred: bool,
    /// Whether all that it changed is known: not so where its request was never answered.
    pub(super) complete: bool,
}

impl<'s, 't> Scene<'s, 't> {
    pub(super) fn ask(&self) -> Option<&'s Ask<'t>> {
        self.cause.map(|ask| &self.history.asks[ask])
    }

    pub(super) fn instance(&self) -> InstanceId {
        self.before.instance
    }

    /// Room and revision, in words.
    pub(super) fn place(&self) -> String {
        self.before.place(self.revision)
    }
}

/// Someone who is shown every commit and every judgement.
pub(super) trait Watcher<'t> {
    /// A commit.
    fn commit(&mut self, scene: &Scene<'_, 't>);
    /// A request that changed nothing.
    fn judged(&mut self, judged: &Judged<'_, 't>);
}

/// A request that was judged and changed nothing.
pub(super) struct Judged<'s, 't> {
    pub(super) history: &'s History<'t>,
    pub(super) attempts: &'s [Attempt<'t>],
    /// The state by which it was judged.
    pub(super) room: &'s Room<'t>,
    pub(super) ask: &'s Ask<'t>,
}

/// What following leaves: everything that is known of the attempts and the last state of each instance.
pub(super) struct Followed<'t> {
    pub(super) attempts: Vec<Attempt<'t>>,
    /// In the order of their instances.
    pub(super) rooms: Vec<Room<'t>>,
}

impl<'t> Followed<'t> {
    /// The last state of an instance.
    pub(super) fn room(&self, instance: InstanceId) -> Option<&Room<'t>> {
        let place = self.rooms.binary_search_by_key(&instance, |room| room.instance).ok()?;
        Some(&self.rooms[place])
    }
}

/// Goes through all commits of all instances.
pub(super) fn follow<'t>(history: &History<'t>, watcher: &mut dyn Watcher<'t>) -> Followed<'t> {
    let mut followed = Followed { attempts: Vec::new(), rooms: Vec::new() };
    for (instance, revealed) in &history.instances {
        let latest = latest_moments(history, &revealed.commits);
        let mut follower = Follower {
            history,
            attempts: &mut followed.attempts,
            room: Room::new(*instance),
            floor: 0,
            watcher: &mut *watcher,
        };
        for (revealed, latest) in revealed.commits.iter().zip(latest) {
            follower.advance(revealed, latest);
        }
        followed.rooms.push(follower.room);
    }
    followed
}

/// Until when each revision was committed at the latest: what carries it or a later one was sent after it.
fn latest_moments(history: &History<'_>, commits: &[Revealed]) -> Vec<usize> {
    let mut latest = usize::MAX;
    let mut moments: Vec<usize> = commits
        .iter()
        .rev()
        .map(|commit| {
            let told = commit.deliveries.first().map(|delivery| history.deliveries[*delivery].moment);
            let answered = commit.asks.iter().filter_map(|ask| Some(history.asks[*ask].span()?.latest)).min();
            latest = latest.min(told.unwrap_or(usize::MAX)).min(answered.unwrap_or(usize::MAX));
            latest
        })
        .collect();
    moments.reverse();
    moments
}

struct Follower<'f, 't> {
    history: &'f History<'t>,
    attempts: &'f mut Vec<Attempt<'t>>,
    room: Room<'t>,
    /// No later commit of the instance happened before this moment.
    floor: usize,
    watcher: &'f mut dyn Watcher<'t>,
}

impl<'t> Follower<'_, 't> {
    fn advance(&mut self, revealed: &Revealed, latest: usize) {
        self.room.learn_id(self.history, revealed);
        let missing = revealed.revision.0.saturating_sub(self.room.revision.0 + 1);
        let window = Span { earliest: self.floor.min(latest), latest };
        if self.is_silent(revealed, window) && self.fill(missing + 1, revealed, window) {
            return self.judge(revealed, None);
        }
        if missing > 0 && !self.fill(missing, revealed, window) {
            self.room.lose_certainty(Revision(revealed.revision.0 - 1));
        }
        let doubtful = self.is_doubtful(revealed, window);
        let found = changes::explain(self.history, self.attempts, &mut self.room, revealed, window);
        let earliest = found.earliest.max(window.earliest).min(latest);
        let when = Span { earliest, latest };
        let complete = found.complete && !doubtful;
        self.commit(revealed.revision, when, found.cause, &revealed.deliveries, &found.changes, false, complete);
        self.floor = self.floor.max(when.earliest);
        self.judge(revealed, found.cause);
    }

    /// Shows the requests that were judged after a commit and did not lead to it.
    fn judge(&mut self, revealed: &Revealed, cause: Option<usize>) {
        for ask in revealed.asks.iter().copied().filter(|ask| Some(*ask) != cause) {
            let asked = &self.history.asks[ask];
            let judged = Judged { history: self.history, attempts: self.attempts, room: &self.room, ask: asked };
            self.watcher.judged(&judged);
            // What was judged after this commit came in before the next.
            if let Some(span) = asked.span() {
                self.floor = self.floor.max(span.earliest);
            }
        }
    }

    /// Whether nothing is seen of a commit but a request that may have led to it or not, and something else may have that
    /// nobody hears of: a request that was never answered, an expiry, or the end of a member's session.
    fn is_doubtful(&self, revealed: &Revealed, window: Span) -> bool {
        if !revealed.deliveries.is_empty() {
            return false;
        }
        let cause = cause::weigh(self.history, self.attempts, &self.room, revealed, window);
        let vague = cause.filter(|cause| cause.weight == cause::ONLY_IF_NOTHING_ELSE);
        let Some(vague) = vague else { return false };
        let may_be_unanswered = self.room.id.is_some_and(|id| self.history.may_have_changed_unseen(id, window.latest));
        if vague.has_rival || may_be_unanswered {
            return true;
        }
        let pending = self.room.entries.values().filter(|entry| entry.status == InvitationStatus::Pending);
        let overdue = |attempt: usize| {
            let deadline = self.attempts[attempt].deadline(self.history);
            deadline.is_some_and(|deadline| deadline.earliest <= window.latest)
        };
        let over = |session: SessionNo| {
            let ended = self.history.session(session).ended;
            ended.is_some_and(|ended| ended.when.earliest <= window.latest) || self.history.may_be_over(session, window)
        };
        pending.filter_map(|entry| entry.attempt).any(overdue)
            || self.room.members.values().filter_map(|member| member.session).any(over)
    }

    /// Whether a commit's events are about this attempt.
    fn is_told_of(&self, revealed: &Revealed, attempt: usize) -> bool {
        let attempt = &self.attempts[attempt];
        revealed.deliveries.iter().map(|delivery| &self.history.deliveries[*delivery]).any(|delivery| {
            let about = delivery.event.stamp.as_ref().and_then(|stamp| stamp.about.as_ref());
            delivery.invitee == Some(attempt.invitee)
                && attempt.number.is_none_or(|number| about.is_some_and(|about| about.attempt == number))
        })
    }

    /// Whether only the number of a commit is known: nobody heard of it, and no request that may have led to it succeeded.
    fn is_silent(&self, revealed: &Revealed, window: Span) -> bool {
        revealed.deliveries.is_empty()
            && cause::find(self.history, self.attempts, &self.room, revealed, window).is_none()
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a scene, which borrow from different owners")]
    fn commit(
        &mut self,
        revision: Revision,
        when: Span,
        cause: Option<usize>,
        deliveries: &[usize],
        changes: &[Change],
        inferred: bool,
        complete: bool,
    ) {
        let before = &self.room;
        let attempts = &*self.attempts;
        let scene = Scene {
            history: self.history,
            attempts,
            before,
            revision,
            when,
            cause,
            deliveries,
            changes,
            inferred,
            complete,
        };
        self.watcher.commit(&scene);
        changes::apply(self.history, self.attempts, &mut self.room, revision, when, cause, changes);
        if !complete {
            self.room.lose_certainty(revision);
        }
    }

    /// Whether an exit that nobody saw may have come before an expiry that nobody saw, or after it: from outside, neither the
    /// end of a session nor a deadline is known exactly, and then nobody can tell which commit is whose.
    fn is_order_unsure(&self, unseen: &[(Instant, usize, Change)]) -> bool {
        let deadlines: Vec<(Instant, Instant)> = unseen
            .iter()
            .filter_map(|(.., change)| match change {
                Change::Ended { attempt, .. } => self.attempts[*attempt].deadline_times(self.history),
                _ => None,
            })
            .collect();
        unseen.iter().any(|(from, _, change)| {
            let Change::Left { user } = change else { return false };
            let session = self.room.members.get(user).and_then(|member| member.session);
            let ended = session.and_then(|session| self.history.session(session).ended);
            let until = ended.map_or(Instant::NEVER, |ended| self.history.at(ended.when.latest));
            deadlines.iter().any(|(earliest, latest)| from <= latest && until >= *earliest)
        })
    }

    /// Accounts for revisions that nobody heard of by what must have happened unseen: overdue expiries and exits of ended
    /// sessions. False where that does not account for them exactly. What the next commit tells of happened in that one.
    fn fill(&mut self, missing: u64, next: &Revealed, window: Span) -> bool {
        let Some(room_id) = self.room.id else { return false };
        if self.history.may_have_changed_unseen(room_id, window.latest) {
            return false;
        }
        let mut unseen: Vec<(Instant, usize, Change)> = Vec::new();
        let pending = self.room.entries.values().filter(|entry| entry.status == InvitationStatus::Pending);
        for attempt in pending.filter_map(|entry| entry.attempt) {
            let Some(deadline) = self.attempts[attempt].deadline(self.history) else { continue };
            let Some((from, _)) = self.attempts[attempt].deadline_times(self.history) else { continue };
            if deadline.earliest <= window.latest && !self.is_told_of(next, attempt) {
                let end = AttemptEnd::unseen(Outcome::TimedOut, Span { latest: window.latest, ..deadline });
                unseen.push((from, deadline.earliest, Change::Ended { attempt, end }));
            }
        }
        for (user, member) in &self.room.members {
            let Some(session) = member.session else { continue };
            if self.history.may_be_over(session, window) {
                return false;
            }
            let ended = self.history.session(session).ended.map(|ended| ended.when);
            if let Some(ended) = ended.filter(|ended| ended.earliest <= window.latest) {
                // A session that may be over and may not be explains nothing.
                let by = self.history.at(ended.earliest) + self.history.slack();
                if ended.latest > window.latest && self.history.at(ended.latest) > by {
                    return false;
                }
                let from = self.history.ended_from(session).unwrap_or(self.history.at(ended.earliest));
                unseen.push((from, ended.earliest, Change::Left { user: *user }));
            }
        }
        if unseen.len() as u64 != missing {
            return false;
        }
        if !self.history.trace.vantage.is_server() && self.is_order_unsure(&unseen) {
            return false;
        }
        unseen.sort_by_key(|(from, ..)| *from);
        for (_, moment, change) in unseen {
            let revision = Revision(self.room.revision.0 + 1);
            let when = Span { earliest: moment.max(window.earliest).min(window.latest), latest: window.latest };
            self.commit(revision, when, None, &[], &[change], true, true);
        }
        true
    }
}
