//! What a commit changed: from the request that led to it where that was answered, otherwise from its events.

use smallvec::SmallVec;

use super::super::history::{Ask, Few, History, Map, Revealed, SessionNo, Span, Sure, UserNo};
use super::room::{Attempt, AttemptEnd, Entry, Member, Outcome, Room, Timeout};
use super::{Change, cause};
use crate::check::variants::CalledAgain;
use crate::protocol::call::{Call, Reply};
use crate::protocol::core::parameters::to_the_millisecond;
use crate::protocol::event::Event;
use crate::protocol::vocabulary::{
    AttemptNo, EventName, InvitationCode, InvitationStatus, KickedOutOfRoomReason, Revision, Role, UserId,
};

/// What one commit changes: mostly one thing, or two.
pub(super) type Changes = SmallVec<[Change; 2]>;

/// What [`explain`] finds.
pub(super) struct Explained {
    pub(super) cause: Option<usize>,
    /// No earlier than this moment.
    pub(super) earliest: usize,
    pub(super) changes: Changes,
    pub(super) complete: bool,
}

/// Works out what a commit changed. Attempts that it tells of for the first time are added.
pub(super) fn explain<'t>(
    history: &History<'t>,
    attempts: &mut Vec<Attempt<'t>>,
    room: &mut Room<'t>,
    revealed: &Revealed,
    window: Span,
) -> Explained {
    let cause = cause::find(history, attempts, room, revealed, window);
    let mut work = Work { history, attempts, room, revealed, window, changes: Changes::new() };
    if let Some(cause) = cause {
        let ask = &history.asks[cause];
        let earliest = ask.came_in().unwrap_or(window.earliest);
        let complete = work.take_ask(cause, ask);
        return Explained { cause: Some(cause), earliest, changes: work.changes, complete };
    }
    let complete = work.take_events();
    let mut earliest = window.earliest;
    for change in &work.changes {
        // An expiry does not happen before its deadline.
        if let Change::Ended { attempt, end: AttemptEnd { how: Outcome::TimedOut, .. } } = change
            && let Some(deadline) = work.attempts[*attempt].deadline(history)
        {
            earliest = earliest.max(deadline.earliest);
        }
    }
    Explained { cause: None, earliest, changes: work.changes, complete }
}

struct Work<'w, 't> {
    history: &'w History<'t>,
    attempts: &'w mut Vec<Attempt<'t>>,
    room: &'w mut Room<'t>,
    revealed: &'w Revealed,
    window: Span,
    changes: Changes,
}

impl<'t> Work<'_, 't> {
    /// What an answered request changed. False if that is not certain.
    fn take_ask(&mut self, cause: usize, ask: &Ask<'t>) -> bool {
        let history = self.history;
        let Some((call, response)) = ask.success() else { return true };
        let caller = history.user_of(ask.device);
        match call {
            Call::CreateRoom { .. } => self.changes.push(Change::Created),
            Call::DestroyRoom { .. } => {
                let certain = self.room.is_complete();
                self.dissolve(Some(caller), Some(ask));
                return certain;
            }
            Call::EnterRoom { .. } => {
                let session = ask.surely_in();
                let moved = self.moved(caller, session);
                self.enter(caller, session, moved);
            }
            Call::ExitRoom { .. } => self.changes.push(Change::Left { user: caller }),
            Call::KickRemoteUserOutOfRoom { user_id, .. } => {
                self.changes.extend(history.user(user_id).map(|user| Change::Left { user }));
            }
            Call::InviteUsers { timeout, .. } => {
                let Ok(Reply::Invited(codes)) = &response.result else { return true };
                let timeout = timeout_of(*timeout);
                for (user, _) in codes.iter().filter(|(_, code)| *code == InvitationCode::Success) {
                    let Some(user) = history.user(user) else { continue };
                    let attempt = self.begin(user, Some(caller), Some(cause), timeout);
                    self.changes.push(Change::Began { attempt });
                }
            }
            Call::CancelInvitation { user_id_list, .. } => return self.withdraw(caller, ask, user_id_list),
            Call::Accept { .. } => self.answer(caller, Outcome::Accepted, ask),
            Call::Reject { .. } => self.answer(caller, Outcome::Rejected, ask),
            Call::ChangeUserRole { user_id, user_role, .. } => {
                let user = history.user(user_id);
                self.changes.extend(user.map(|user| Change::Role { user, role: *user_role }));
            }
            _ => self.changes.push(Change::Else),
        }
        true
    }

    fn answer(&mut self, invitee: UserNo, how: Outcome, ask: &Ask<'t>) {
        let attempt = self.current(invitee);
        let told = self.told(invitee, |_| true);
        let end = self.end(how, Some(ask), told);
        self.changes.push(Change::Ended { attempt, end: AttemptEnd { operator: None, ..end } });
    }

    fn withdraw(&mut self, caller: UserNo, ask: &Ask<'t>, users: &[UserId]) -> bool {
        let mut certain = true;
        let mut done: Few<UserNo> = Few::new();
        for user in users.iter().filter_map(|user| self.history.user(user)) {
            if done.contains(&user) {
                continue;
            }
            done.push(user);
            let told = self.told(user, |name| {
                matches!(
                    name,
                    EventName::InvitationCancelled | EventName::InvitationRevokedByAdmin | EventName::InvitationRemoved
                )
            });
            let inviter = self
                .room
                .entry(user)
                .and_then(|entry| entry.attempt)
                .and_then(|attempt| self.attempts[attempt].inviter);
            let live = match self.room.status(user) {
                Some(InvitationStatus::Pending) => {
                    let inside = self.room.has_member(self.history, caller, self.window);
                    let privileged = match self.room.role(caller) {
                        Some(Role::GeneralUser) => Some(false),
                        Some(Role::RoomOwner) => Some(true),
                        // CAN-3: the administrator role ends with leaving.
                        Some(Role::Administrator) => inside,
                        None => None,
                    };
                    if inviter == Some(caller) { Some(true) } else { privileged }
                }
                Some(_) => Some(false),
                None => None,
            };
            let ended = live.unwrap_or_else(|| {
                certain = false;
                told.is_some()
            });
            if ended || told.is_some() {
                let attempt = self.current(user);
                let inviter = self.attempts[attempt].inviter;
                // CAN-8: one's own is always a cancel.
                let how = if inviter == Some(caller) { Outcome::Cancelled } else { Outcome::Revoked };
                let operator = inviter.map(|_| caller);
                let end = self.end(how, Some(ask), told);
                self.changes.push(Change::Ended { attempt, end: AttemptEnd { operator, ..end } });
                certain &= inviter.is_some();
            }
        }
        certain
    }

    fn dissolve(&mut self, operator: Option<UserNo>, ask: Option<&Ask<'t>>) {
        let told = self.users_told(EventName::InvitationRevokedByAdmin);
        let mut live: Vec<(u64, UserNo)> = self
            .room
            .entries
            .iter()
            .filter(|(user, entry)| {
                told.contains_key(*user)
                    || (entry.status == InvitationStatus::Pending && entry.changed >= self.room.certain_from)
            })
            .map(|(user, entry)| (entry.place, *user))
            .collect();
        live.extend(told.keys().filter(|user| !self.room.entries.contains_key(*user)).map(|user| (u64::MAX, *user)));
        live.sort_unstable();
        for (_, user) in live {
            let attempt = self.current(user);
            let end = self.end(Outcome::Revoked, ask, told.get(&user).copied());
            self.changes.push(Change::Ended { attempt, end: AttemptEnd { operator, ..end } });
        }
        self.changes.push(Change::Destroyed);
    }

    /// Whether an entry moves the user here from another device (ROOM-8): what is told says so, or what was known before.
    fn moved(&self, user: UserNo, entering: Option<SessionNo>) -> bool {
        let told =
            |name: EventName| self.revealed.deliveries.iter().any(|one| self.history.deliveries[*one].name == name);
        if told(EventName::RemoteUserEnterRoom) || told(EventName::KickedOutOfRoom) {
            return told(EventName::KickedOutOfRoom);
        }
        self.room
            .members
            .get(&user)
            .filter(|member| member.session.is_none() || member.session != entering)
            .is_some_and(|member| {
                member.session.is_none_or(|before| self.history.online(before, self.window) != Sure::No)
            })
    }

    fn enter(&mut self, user: UserNo, session: Option<SessionNo>, moved: bool) {
        let told = self.told(user, |_| true);
        let status = self.room.status(user);
        let entered_live = self.told(user, |name| {
            matches!(
                name,
                EventName::InvitationAccepted
                    | EventName::InvitationStatusChanged
                    | EventName::InvitationHandledByOtherDevice
            )
        });
        // ACC-4: entry while the attempt is live is an accept by the entering device.
        let accepted = entered_live.is_some() || status == Some(InvitationStatus::Pending);
        if accepted {
            let attempt = self.current(user);
            let mut end = self.end(Outcome::Accepted, None, entered_live.or(told));
            end.by = session.map(|session| self.history.device_of(session));
            self.changes.push(Change::Ended { attempt, end });
        }
        self.changes.push(Change::Entered { user, session, moved });
        let removed = self.told(user, |name| name == EventName::InvitationRemoved);
        let was_there = status.map(|status| status != InvitationStatus::None);
        let known = self.room.entries.get(&user).is_some_and(|entry| entry.status != InvitationStatus::None);
        let surely = removed.is_some() || accepted || was_there == Some(true);
        // ACC-8: whatever it was before, there is no entry now.
        if surely || (was_there.is_none() && known) {
            let attempt = self.current(user);
            self.changes.push(Change::Removed { attempt, surely });
        }
    }

    /// What the events alone tell. False where there may be more to the commit than they tell.
    fn take_events(&mut self) -> bool {
        let history = self.history;
        let mut complete = true;
        let mut ends: Map<UserNo, (Outcome, usize)> = Map::default();
        let mut withdrawn: Map<UserNo, usize> = Map::default();
        let mut entered: Vec<(UserNo, bool)> = Vec::new();
        let mut begun: Map<UserNo, usize> = Map::default();
        let mut left: Vec<UserNo> = Vec::new();
        let mut dismissed = false;
        for number in &self.revealed.deliveries {
            let delivery = &history.deliveries[*number];
            let end = |how| delivery.invitee.map(|invitee| (invitee, (how, *number)));
            let found = match &delivery.event.event {
                Event::ReceiveInvitation { .. } | Event::InvitationAdded { .. } => {
                    begun.extend(delivery.invitee.map(|invitee| (invitee, *number)));
                    None
                }
                Event::InvitationAccepted { .. } => end(Outcome::Accepted),
                Event::InvitationRejected { .. } => end(Outcome::Rejected),
                Event::InvitationTimeout { .. } => end(Outcome::TimedOut),
                Event::InvitationCancelled { .. } => end(Outcome::Cancelled),
                Event::InvitationRevokedByAdmin { .. } => end(Outcome::Revoked),
                Event::InvitationHandledByOtherDevice { accepted, .. } => {
                    end(if *accepted { Outcome::Accepted } else { Outcome::Rejected })
                }
                Event::InvitationStatusChanged { invitation, .. } => match invitation.status {
                    InvitationStatus::Accepted => end(Outcome::Accepted),
                    InvitationStatus::Rejected => end(Outcome::Rejected),
                    InvitationStatus::Timeout => end(Outcome::TimedOut),
                    InvitationStatus::Pending if history.variants.called_again == CalledAgain::StatusChanged => {
                        begun.extend(delivery.invitee.map(|invitee| (invitee, *number)));
                        None
                    }
                    InvitationStatus::None | InvitationStatus::Pending => None,
                },
                Event::InvitationRemoved { .. } => {
                    withdrawn.extend(delivery.invitee.map(|invitee| (invitee, *number)));
                    None
                }
                Event::RemoteUserEnterRoom { user_info, .. } => {
                    entered.extend(history.user(&user_info.user_id).map(|user| (user, false)));
                    None
                }
                Event::RemoteUserLeaveRoom { user_info, .. } => {
                    left.extend(history.user(&user_info.user_id));
                    None
                }
                Event::KickedOutOfRoom { reason, .. } => {
                    let user = history.session(delivery.session).user;
                    if *reason == KickedOutOfRoomReason::KickedByLoggedOnOtherDevice {
                        entered.push((user, true));
                    } else {
                        left.push(user);
                    }
                    None
                }
                Event::RoomDismissed { .. } => {
                    dismissed = true;
                    None
                }
                Event::UserRoleChanged { user_id, user_role, .. } => {
                    let change = history.user(user_id).map(|user| Change::Role { user, role: *user_role });
                    let fresh = change.filter(|change| !self.changes.contains(change));
                    self.changes.extend(fresh);
                    None
                }
                Event::KickedOffLine { .. } | Event::ScheduleAttendeesChanged { .. } => None,
            };
            if let Some((user, end)) = found {
                ends.entry(user).or_insert(end);
            }
        }
        for (user, number) in &begun {
            let delivery = &history.deliveries[*number];
            let inviter = delivery.event.event.invitation().and_then(|one| history.user(&one.inviter.user_id));
            let attempt = self.begin(*user, inviter, None, Timeout::Unknown);
            self.changes.push(Change::Began { attempt });
            complete = false;
        }
        entered.sort_unstable();
        entered.dedup();
        for (user, moved) in &entered {
            let session = self.entering_session(*user);
            self.enter(*user, session, *moved);
            ends.swap_remove(user);
            withdrawn.swap_remove(user);
        }
        if dismissed {
            self.dissolve(None, None);
            return self.room.is_complete();
        }
        for (user, number) in withdrawn {
            // Cancelled or revoked: the events to the invitee and the inviter say which, if there are any.
            ends.entry(user).or_insert((Outcome::Cancelled, number));
        }
        for (user, (how, number)) in ends {
            let attempt = self.current(user);
            let end = self.end(how, None, Some(number));
            // An acceptance that no member heard of may have been an entry (ACC-4).
            let told_to_members = self.told(user, |name| name == EventName::InvitationStatusChanged).is_some();
            complete &= match how {
                Outcome::Accepted => told_to_members,
                Outcome::Rejected | Outcome::TimedOut => true,
                Outcome::Cancelled | Outcome::Revoked => false,
            };
            self.changes.push(Change::Ended { attempt, end });
        }
        left.sort_unstable();
        left.dedup();
        self.changes.extend(left.into_iter().map(|user| Change::Left { user }));
        if self.changes.is_empty() {
            self.changes.push(Change::Else);
            // Nothing but its number is known of it.
            complete &= !self.revealed.deliveries.is_empty();
        }
        complete
    }

    /// The session of an enterRoom of this user that was never answered, if there is exactly one.
    fn entering_session(&self, user: UserNo) -> Option<SessionNo> {
        let mut sessions = self
            .history
            .unanswered_asks(self.room.id?)
            .filter(|ask| {
                self.history.user_of(ask.device) == user && matches!(ask.call(), Some(Call::EnterRoom { .. }))
            })
            .filter_map(|ask| ask.session);
        let first = sessions.next()?;
        sessions.all(|other| other == first).then_some(first)
    }

    fn end(&self, how: Outcome, ask: Option<&Ask<'t>>, told: Option<usize>) -> AttemptEnd {
        AttemptEnd {
            how,
            revision: self.revealed.revision,
            when: self.window,
            by: ask.map(|ask| ask.device),
            operator: None,
            told,
        }
    }

    fn told(&self, user: UserNo, fits: impl Fn(EventName) -> bool) -> Option<usize> {
        self.revealed.deliveries.iter().copied().find(|number| {
            let delivery = &self.history.deliveries[*number];
            delivery.invitee == Some(user) && fits(delivery.name)
        })
    }

    fn users_told(&self, name: EventName) -> Map<UserNo, usize> {
        let mut users = Map::default();
        for number in &self.revealed.deliveries {
            let delivery = &self.history.deliveries[*number];
            if let Some(user) = delivery.invitee.filter(|_| delivery.name == name) {
                users.entry(user).or_insert(*number);
            }
        }
        users
    }

    /// The number of the attempt that this commit's events tell for a user.
    fn number_told(&self, user: UserNo) -> Option<AttemptNo> {
        let number = self.told(user, |_| true)?;
        self.history.deliveries[number].event.stamp.as_ref()?.about.as_ref().map(|about| about.attempt)
    }

    /// The attempt that this commit is about: the one that its events name, otherwise the newest.
    fn current(&mut self, user: UserNo) -> usize {
        let newest = self.room.entries.get(&user).and_then(|entry| entry.attempt);
        let number = self.number_told(user);
        if let Some(number) = number {
            if let Some(known) = self.room.numbers.get(&(user, number)) {
                return *known;
            }
            // An attempt whose number nobody has told until now.
            if let Some(newest) = newest.filter(|newest| self.attempts[*newest].number.is_none()) {
                self.attempts[newest].number = Some(number);
                self.room.numbers.insert((user, number), newest);
                return newest;
            }
        } else if let Some(newest) = newest {
            return newest;
        }
        // Who called is told by every event that carries the invitation.
        let inviter = self.revealed.deliveries.iter().find_map(|number| {
            let delivery = &self.history.deliveries[*number];
            delivery.event.event.invitation().filter(|_| delivery.invitee == Some(user))
        });
        let inviter = inviter.and_then(|invitation| self.history.user(&invitation.inviter.user_id));
        self.add(user, number, inviter, Timeout::Unknown, None)
    }

    fn begin(&mut self, user: UserNo, inviter: Option<UserNo>, ask: Option<usize>, timeout: Timeout) -> usize {
        let came_in = ask.and_then(|ask| self.history.asks[ask].came_in());
        let earliest = came_in.map_or(self.window.earliest, |came_in| came_in.max(self.window.earliest));
        let began = Span { earliest: earliest.min(self.window.latest), latest: self.window.latest };
        // TERM-3: attempts are counted, so the number is known where all that went before is.
        let counted = || {
            let before = self.room.entries.get(&user).map(|entry| (entry.attempt, entry.changed));
            match before {
                None => self.room.is_complete().then_some(AttemptNo(1)),
                Some((attempt, changed)) if changed >= self.room.certain_from => {
                    self.attempts[attempt?].number.map(|number| AttemptNo(number.0 + 1))
                }
                Some(_) => None,
            }
        };
        let number = self.number_told(user).or_else(counted);
        self.add(user, number, inviter, timeout, Some(began))
    }

    fn add(
        &mut self,
        invitee: UserNo,
        number: Option<AttemptNo>,
        inviter: Option<UserNo>,
        timeout: Timeout,
        began: Option<Span>,
    ) -> usize {
        let attempt = self.attempts.len();
        if let Some(number) = number {
            self.room.numbers.insert((invitee, number), attempt);
        }
        self.attempts.push(Attempt { room: self.room.id, invitee, inviter, number, began, timeout, ends: Few::new() });
        attempt
    }
}

/// INV-11: rounded up to the millisecond, so that nothing above 0 becomes never.
fn timeout_of(seconds: f64) -> Timeout {
    if seconds <= 0.0 || !seconds.is_finite() {
        return Timeout::Never;
    }
    Timeout::After(to_the_millisecond(seconds))
}

/// Carries changes out.
pub(super) fn apply<'t>(
    history: &History<'t>,
    attempts: &mut [Attempt<'t>],
    room: &mut Room<'t>,
    revision: Revision,
    when: Span,
    cause: Option<usize>,
    changes: &[Change],
) {
    room.revision = revision;
    for change in changes {
        match *change {
            Change::Created => {
                room.owner = cause.map(|ask| history.user_of(history.asks[ask].device));
            }
            Change::Destroyed => {
                room.destroyed = true;
                room.members.clear();
                room.entries.values_mut().for_each(|entry| {
                    entry.status = InvitationStatus::None;
                    entry.changed = revision;
                });
            }
            Change::Entered { user, session, .. } => {
                let role = room.members.get(&user).map_or(Some(Role::GeneralUser), |member| member.role);
                room.members.insert(user, Member { session, role, since: revision });
            }
            Change::Left { user } => {
                room.members.shift_remove(&user);
            }
            Change::Began { attempt } => {
                let user = attempts[attempt].invitee;
                // LST-3: a new call keeps the place of an entry that is still there.
                let kept = room.entries.get(&user).filter(|entry| entry.status != InvitationStatus::None);
                let place = kept.map_or_else(
                    || {
                        room.next_place += 1;
                        room.next_place
                    },
                    |entry| entry.place,
                );
                let entry =
                    Entry { attempt: Some(attempt), status: InvitationStatus::Pending, changed: revision, place };
                room.entries.insert(user, entry);
            }
            Change::Ended { attempt, mut end } => {
                end.revision = revision;
                end.when = when;
                attempts[attempt].ends.push(end);
                set_status(room, attempts[attempt].invitee, attempt, end.how.status(), revision);
            }
            Change::Removed { attempt, .. } => {
                set_status(room, attempts[attempt].invitee, attempt, InvitationStatus::None, revision);
            }
            Change::Role { user, role } => change_role(room, user, role, revision),
            Change::Else => {}
        }
    }
}

fn set_status(room: &mut Room<'_>, user: UserNo, attempt: usize, status: InvitationStatus, revision: Revision) {
    let place = room.entries.get(&user).map(|entry| entry.place);
    let place = place.unwrap_or_else(|| {
        room.next_place += 1;
        room.next_place
    });
    room.entries.insert(user, Entry { attempt: Some(attempt), status, changed: revision, place });
}

fn change_role(room: &mut Room<'_>, user: UserNo, role: Role, revision: Revision) {
    if role == Role::RoomOwner
        && let Some(old) = room.owner.replace(user).filter(|old| *old != user)
        && let Some(old) = room.members.get_mut(&old)
    {
        old.role = Some(Role::GeneralUser);
    }
    if let Some(member) = room.members.get_mut(&user) {
        member.role = Some(role);
        // Who is in the room by which session is not told anew by a change of role.
        member.since = if member.since >= room.certain_from { revision } else { member.since };
    }
}
