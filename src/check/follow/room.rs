//! The state of a room instance as far as its commits reveal it, and the life of each attempt.

use super::super::history::{Few, History, Map, Revealed, SessionNo, Span, UserNo};
use crate::plan::DeviceIndex;
use crate::protocol::vocabulary::{AttemptNo, InstanceId, InvitationStatus, Revision, Role, RoomId};
use crate::time::{Duration, Instant};

/// A room instance after some revision.
#[derive(Debug)]
pub(in crate::check) struct Room<'t> {
    pub(in crate::check) instance: InstanceId,
    pub(in crate::check) id: Option<&'t RoomId>,
    pub(in crate::check) revision: Revision,
    /// Nothing that was known before this revision is certain.
    pub(in crate::check) certain_from: Revision,
    pub(in crate::check) owner: Option<UserNo>,
    pub(in crate::check) members: Map<UserNo, Member>,
    /// One for everybody who was ever called into this instance.
    pub(in crate::check) entries: Map<UserNo, Entry>,
    pub(in crate::check) numbers: Map<(UserNo, AttemptNo), usize>,
    pub(in crate::check) destroyed: bool,
    pub(super) next_place: u64,
}

/// A user who is in the room.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct Member {
    /// By which session, if that is known.
    pub(in crate::check) session: Option<SessionNo>,
    pub(in crate::check) role: Option<Role>,
    pub(in crate::check) since: Revision,
}

/// What the list shows of a user, or showed.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct Entry {
    /// The newest attempt, if it is known.
    pub(in crate::check) attempt: Option<usize>,
    /// kNone where the entry is not in the list.
    pub(in crate::check) status: InvitationStatus,
    /// The revision that changed it last.
    pub(in crate::check) changed: Revision,
    /// Its place in the list (LST-3); older is less.
    pub(in crate::check) place: u64,
}

/// One ring of one invitee (TERM-3).
#[derive(Debug)]
pub(in crate::check) struct Attempt<'t> {
    pub(in crate::check) room: Option<&'t RoomId>,
    pub(in crate::check) invitee: UserNo,
    pub(in crate::check) inviter: Option<UserNo>,
    /// Its number, where an event or a list told it.
    pub(in crate::check) number: Option<AttemptNo>,
    /// None where it was seen only later.
    pub(in crate::check) began: Option<Span>,
    pub(in crate::check) timeout: Timeout,
    /// Its end; more than one is what must never be.
    pub(in crate::check) ends: Few<AttemptEnd>,
}

/// When an attempt gives up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::check) enum Timeout {
    After(Duration),
    Never,
    Unknown,
}

/// What becomes of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::check) enum Outcome {
    Accepted,
    Rejected,
    TimedOut,
    Cancelled,
    /// By an administrator, the owner or the end of the room.
    Revoked,
}

impl Outcome {
    pub(in crate::check) const fn verb(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::TimedOut => "timed out",
            Self::Cancelled => "cancelled",
            Self::Revoked => "revoked",
        }
    }

    /// What the list shows afterwards.
    pub(in crate::check) const fn status(self) -> InvitationStatus {
        match self {
            Self::Accepted => InvitationStatus::Accepted,
            Self::Rejected => InvitationStatus::Rejected,
            Self::TimedOut => InvitationStatus::Timeout,
            Self::Cancelled | Self::Revoked => InvitationStatus::None,
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::check) struct AttemptEnd {
    pub(in crate::check) how: Outcome,
    pub(in crate::check) revision: Revision,
    pub(in crate::check) when: Span,
    /// The device that answered, or the operator's, if it is known.
    pub(in crate::check) by: Option<DeviceIndex>,
    /// Who withdrew it, if that is known.
    pub(in crate::check) operator: Option<UserNo>,
    /// An event that tells of it, as an index of the history's deliveries.
    pub(in crate::check) told: Option<usize>,
}

impl AttemptEnd {
    /// An end of which nothing was seen.
    pub(super) const fn unseen(how: Outcome, when: Span) -> Self {
        Self { how, revision: Revision(0), when, by: None, operator: None, told: None }
    }
}

impl Attempt<'_> {
    /// Between which moments its deadline lies, if it has one and both ends are known (TMO-1).
    pub(in crate::check) fn deadline(&self, history: &History<'_>) -> Option<Span> {
        let (earliest, latest) = self.deadline_times(history)?;
        Some(Span { earliest: history.moment_at(earliest), latest: history.moment_at(latest) })
    }

    /// Between which times its deadline lies: commit plus timeout, where the commit lies between request and answer.
    pub(in crate::check) fn deadline_times(&self, history: &History<'_>) -> Option<(Instant, Instant)> {
        let (Some(began), Timeout::After(timeout)) = (self.began, self.timeout) else { return None };
        Some((history.at(began.earliest) + timeout, history.at(began.latest) + timeout))
    }

    /// `the call 2 of bob to r1`.
    pub(in crate::check) fn title(&self, history: &History<'_>) -> String {
        let number = self.number.map_or_else(String::new, |number| format!(" (attempt {number})"));
        let room = self.room.map_or("a room", RoomId::as_str);
        format!("the call of {} to {room}{number}", history.user_id(self.invitee))
    }
}

impl<'t> Room<'t> {
    pub(super) fn new(instance: InstanceId) -> Self {
        Self {
            instance,
            id: None,
            revision: Revision(0),
            certain_from: Revision(0),
            owner: None,
            members: Map::default(),
            entries: Map::default(),
            numbers: Map::default(),
            destroyed: false,
            next_place: 1,
        }
    }

    pub(in crate::check) fn place(&self, revision: Revision) -> String {
        format!("{} revision {revision}", self.id.map_or("a room", RoomId::as_str))
    }

    pub(super) fn learn_id(&mut self, history: &History<'t>, revealed: &Revealed) {
        if self.id.is_some() {
            return;
        }
        let told = revealed.deliveries.iter().find_map(|delivery| history.deliveries[*delivery].event.event.room_id());
        self.id = told.or_else(|| revealed.asks.iter().find_map(|ask| history.asks[*ask].room()));
    }

    pub(super) fn lose_certainty(&mut self, revision: Revision) {
        self.certain_from = self.certain_from.max(revision);
    }

    /// What the list surely shows of a user; kNone for somebody who is surely not on it. None if it is not certain.
    pub(in crate::check) fn status(&self, user: UserNo) -> Option<InvitationStatus> {
        match self.entries.get(&user) {
            Some(entry) => (entry.changed >= self.certain_from).then_some(entry.status),
            None => self.is_complete().then_some(InvitationStatus::None),
        }
    }

    /// The entry of a user, if it is certain.
    pub(in crate::check) fn entry(&self, user: UserNo) -> Option<&Entry> {
        self.entries.get(&user).filter(|entry| entry.changed >= self.certain_from)
    }

    /// Whether this attempt is surely still live.
    pub(in crate::check) fn is_pending(&self, user: UserNo, attempt: usize) -> bool {
        let live = |entry: &Entry| entry.status == InvitationStatus::Pending && entry.attempt == Some(attempt);
        !self.destroyed && self.entry(user).is_some_and(live)
    }

    /// Whether everything that ever happened in the instance is known.
    pub(in crate::check) const fn is_complete(&self) -> bool {
        self.certain_from.0 == 0
    }

    /// Whether the user is surely in the room, or surely not. A member whose session ended is none (TERM-2).
    pub(in crate::check) fn has_member(&self, history: &History<'_>, user: UserNo, when: Span) -> Option<bool> {
        use super::super::history::Sure;
        match self.members.get(&user) {
            None => self.is_complete().then_some(false),
            Some(member) if member.since < self.certain_from => None,
            Some(member) => match history.online(member.session?, when) {
                Sure::Yes => Some(true),
                Sure::Maybe => None,
                Sure::No => Some(false),
            },
        }
    }

    /// The role of a user: as known, and none where it is not.
    pub(in crate::check) fn role(&self, user: UserNo) -> Option<Role> {
        if self.owner == Some(user) {
            return Some(Role::RoomOwner);
        }
        match self.members.get(&user) {
            Some(member) if member.since >= self.certain_from => member.role,
            Some(_) => None,
            None => self.is_complete().then_some(Role::GeneralUser),
        }
    }
}
