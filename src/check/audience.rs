//! Who is to hear what of a commit: the recipients of section 2 and ORD-4, ROOM-5, REV-2, EVT-7, as sessions.
//!
//! It only lists; whether they really hear it, and nobody else, is judged by `recipients` and `handled`.

use smallvec::SmallVec;

use super::follow::{Attempt, Change, Outcome, Scene};
use super::history::{SessionNo, Sure, UserNo};
use super::variants::{CalledAgain, InviterDevices, Revoked, Variants};
use crate::protocol::vocabulary::{EventName, InvitationStatus};

/// One event that one session is to hear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Due {
    pub(super) session: SessionNo,
    pub(super) event: EventName,
    /// Whom the event is about, for events about an invitation.
    pub(super) invitee: Option<UserNo>,
    /// The attempt, for events about an invitation.
    pub(super) attempt: Option<usize>,
    /// Whether it must be heard; otherwise it only may be.
    pub(super) must: bool,
}

/// What there is mostly a handful of.
pub(super) type Dues = SmallVec<[Due; 8]>;

/// Everything that is to be heard of a commit.
pub(super) fn of(scene: &Scene<'_, '_>) -> Dues {
    let mut audience = Audience { scene, due: Dues::new() };
    for change in scene.changes {
        audience.of_change(change);
    }
    audience.due
}

struct Audience<'a, 's, 't> {
    scene: &'a Scene<'s, 't>,
    due: Dues,
}

impl<'t> Audience<'_, '_, 't> {
    fn of_change(&mut self, change: &Change) {
        match *change {
            Change::Created | Change::Role { .. } | Change::Else => {}
            Change::Destroyed => self.members(EventName::RoomDismissed, None, None),
            Change::Entered { user, moved: true, .. } => self.former(EventName::KickedOutOfRoom, user),
            // ORD-4: the member devices before the entry hear of it, unless it moved here from an entry that nobody saw, or
            // was none, because the user was here already.
            Change::Entered { user, session, .. } => {
                let from = self.due.len();
                self.members(EventName::RemoteUserEnterRoom, None, Some(user));
                let surely = self.was_surely_outside(user, session);
                self.due[from..].iter_mut().for_each(|due| due.must &= surely);
            }
            Change::Left { user } => self.members(EventName::RemoteUserLeaveRoom, None, Some(user)),
            Change::Began { attempt } => {
                let invitee = self.attempt(attempt).invitee;
                self.user(EventName::ReceiveInvitation, invitee, attempt, true);
                // EVT-3: once for every code 0, or, where that is declared, as a change of an entry that is there.
                let told_anew = match self.variants().called_again {
                    CalledAgain::Added => Some(true),
                    CalledAgain::StatusChanged => {
                        self.scene.before.status(invitee).map(|status| status == InvitationStatus::None)
                    }
                };
                let from = self.due.len();
                if told_anew != Some(false) {
                    self.members(EventName::InvitationAdded, Some(attempt), None);
                }
                if told_anew != Some(true) {
                    self.members(EventName::InvitationStatusChanged, Some(attempt), None);
                }
                // Where it is not known whether there was an entry, either may come.
                self.due[from..].iter_mut().for_each(|due| due.must &= told_anew.is_some());
            }
            Change::Removed { attempt, surely } => {
                let from = self.due.len();
                self.members(EventName::InvitationRemoved, Some(attempt), None);
                self.due[from..].iter_mut().for_each(|due| due.must &= surely);
            }
            Change::Ended { attempt, end } => {
                let Attempt { invitee, inviter, .. } = *self.attempt(attempt);
                // Where nobody told who withdrew it, the inviter may hear of it or not.
                let known = end.operator.is_some();
                match end.how {
                    Outcome::Accepted | Outcome::Rejected => {
                        let accepted = end.how == Outcome::Accepted;
                        let event =
                            if accepted { EventName::InvitationAccepted } else { EventName::InvitationRejected };
                        self.inviter(event, inviter, attempt, true);
                        // DEV-4: never to the acting device. While that is unknown, each of them may be it.
                        for session in self.scene.history.sessions_of(invitee) {
                            let device = self.scene.history.device_of(*session);
                            if end.by != Some(device) {
                                let event = EventName::InvitationHandledByOtherDevice;
                                self.session(event, *session, Some(attempt), end.by.is_some());
                            }
                        }
                        self.members(EventName::InvitationStatusChanged, Some(attempt), None);
                    }
                    Outcome::TimedOut => {
                        self.inviter(EventName::InvitationTimeout, inviter, attempt, true);
                        self.user(EventName::InvitationTimeout, invitee, attempt, true);
                        self.members(EventName::InvitationStatusChanged, Some(attempt), None);
                    }
                    Outcome::Cancelled => {
                        self.user(EventName::InvitationCancelled, invitee, attempt, known);
                        self.members(EventName::InvitationRemoved, Some(attempt), None);
                    }
                    Outcome::Revoked => {
                        self.user(EventName::InvitationRevokedByAdmin, invitee, attempt, true);
                        // REV-2: the inviter too, unless it is the operator.
                        let is_told = self.variants().revoked == Revoked::InviteeAndInviter;
                        if is_told && (!known || inviter != end.operator) {
                            self.inviter(EventName::InvitationRevokedByAdmin, inviter, attempt, known);
                        }
                        // REV-3: but on dissolution no list event.
                        if !self.scene.changes.contains(&Change::Destroyed) {
                            self.members(EventName::InvitationRemoved, Some(attempt), None);
                        }
                    }
                }
            }
        }
    }

    /// Whether a user that enters by this session was not in the room before, which the entry's own events tell, too.
    fn was_surely_outside(&self, user: UserNo, session: Option<SessionNo>) -> bool {
        let (room, history) = (self.scene.before, self.scene.history);
        let told = |one: &usize| history.deliveries[*one].name == EventName::RemoteUserEnterRoom;
        // A member whose own session enters may never have left; one whose other session is over has.
        let has_left = room.members.get(&user).is_some_and(|member| member.session != session);
        room.is_complete() || has_left || self.scene.deliveries.iter().any(told)
    }

    fn attempt(&self, attempt: usize) -> &Attempt<'t> {
        &self.scene.attempts[attempt]
    }

    fn session(&mut self, event: EventName, session: SessionNo, attempt: Option<usize>, must: bool) {
        let online = self.scene.history.online(session, self.scene.when);
        if online == Sure::No {
            return;
        }
        let invitee = attempt.map(|attempt| self.attempt(attempt).invitee);
        self.due.push(Due { session, event, invitee, attempt, must: must && online == Sure::Yes });
    }

    fn user(&mut self, event: EventName, user: UserNo, attempt: usize, must: bool) {
        for session in self.scene.history.sessions_of(user) {
            self.session(event, *session, Some(attempt), must);
        }
    }

    /// EVT-7: all online devices of the inviter, in the room or not; or, where that is declared, its member device.
    fn inviter(&mut self, event: EventName, inviter: Option<UserNo>, attempt: usize, must: bool) {
        let Some(inviter) = inviter else { return };
        if self.variants().inviter_devices == InviterDevices::All {
            return self.user(event, inviter, attempt, must);
        }
        let room = self.scene.before;
        match room.members.get(&inviter) {
            Some(member) if member.since >= room.certain_from => {
                if let Some(session) = member.session {
                    self.session(event, session, Some(attempt), must);
                } else {
                    self.user(event, inviter, attempt, false);
                }
            }
            None if room.is_complete() => {}
            _ => self.user(event, inviter, attempt, false),
        }
    }

    fn variants(&self) -> Variants {
        self.scene.history.variants
    }

    /// The member devices before the commit, but for one user's.
    fn members(&mut self, event: EventName, attempt: Option<usize>, except: Option<UserNo>) {
        let room = self.scene.before;
        for (_, member) in room.members.iter().filter(|(user, _)| Some(**user) != except) {
            if let Some(session) = member.session {
                self.session(event, session, attempt, member.since >= room.certain_from);
            }
        }
    }

    /// The device by which a user was in the room until now (ROOM-8).
    fn former(&mut self, event: EventName, user: UserNo) {
        if let Some(session) = self.scene.before.members.get(&user).and_then(|member| member.session) {
            self.session(event, session, None, true);
        }
    }
}
