//! Which request led to a commit, among those that were answered with its revision.
//!
//! At most one did; the others changed nothing and were judged after it. What is told and what was known before say which.

use std::cmp::Reverse;

use super::super::history::{Ask, History, Revealed, Span, UserNo};
use super::room::{Attempt, Room};
use crate::check::variants::{CalledAgain, Variants};
use crate::protocol::call::{Call, Reply};
use crate::protocol::event::{Event, Invitation};
use crate::protocol::vocabulary::{EventName, InvitationCode, InvitationStatus, KickedOutOfRoomReason, Role, UserId};

/// The request that led to a commit, as an index of the history's asks, if it was answered.
pub(super) fn find(
    history: &History<'_>,
    attempts: &[Attempt<'_>],
    room: &Room<'_>,
    revealed: &Revealed,
    window: Span,
) -> Option<usize> {
    weigh(history, attempts, room, revealed, window).map(|cause| cause.ask)
}

/// A request that may have led to a commit.
#[derive(Clone, Copy)]
pub(super) struct Cause {
    /// How sure it is that it changed something: 3 surely, 2 likely, [`ONLY_IF_NOTHING_ELSE`].
    pub(super) weight: u8,
    pub(super) ask: usize,
    /// Whether another is as likely.
    pub(super) has_rival: bool,
}

/// How sure it is that a request led to a commit of which nothing else is seen: only if nothing else did.
pub(super) const ONLY_IF_NOTHING_ELSE: u8 = 1;

/// The same, with how sure it is.
pub(super) fn weigh(
    history: &History<'_>,
    attempts: &[Attempt<'_>],
    room: &Room<'_>,
    revealed: &Revealed,
    window: Span,
) -> Option<Cause> {
    let told = |name: EventName| revealed.deliveries.iter().any(|one| history.deliveries[*one].name == name);
    let mut best: Option<(Rank, usize)> = None;
    let mut has_rival = false;
    for ask in revealed.asks.iter().copied() {
        let asked = &history.asks[ask];
        let Some((call, response)) = asked.success() else { continue };
        let caller = history.user_of(asked.device);
        // What tells of something else altogether was not its doing; a server that adds a wrong event is another matter.
        let tells_otherwise = !revealed.deliveries.is_empty()
            && !revealed.deliveries.iter().any(|one| {
                belongs_to(call, history.user_id(caller), &history.deliveries[*one].event.event, history.variants)
            });
        // Entries, exits and the end of the room are told by events of their own, which nothing else brings about.
        let is_another = (told(EventName::RemoteUserEnterRoom) && !matches!(call, Call::EnterRoom { .. }))
            || (told(EventName::RoomDismissed) && !matches!(call, Call::DestroyRoom { .. }))
            || (told(EventName::RemoteUserLeaveRoom)
                && !matches!(call, Call::ExitRoom { .. } | Call::KickRemoteUserOutOfRoom { .. }));
        if tells_otherwise || is_another {
            continue;
        }
        // How sure it is that this request changed something: 3 surely, 2 likely, 1 if nothing else did, 0 surely not.
        let weight = match call {
            Call::CreateRoom { .. } => 3,
            Call::DestroyRoom { .. } => 3,
            Call::InviteUsers { .. } => match &response.result {
                Ok(Reply::Invited(codes)) if codes.iter().any(|(_, code)| *code == InvitationCode::Success) => 3,
                _ => 0,
            },
            Call::EnterRoom { .. } => match room.members.get(&caller) {
                // In the room already, by this session, as far as is known.
                Some(member) if member.session == asked.session && member.session.is_some() => {
                    let another = |one: &usize| enters(history, *one).is_some_and(|user| user != caller);
                    let is_surely_none = member.since >= room.certain_from || revealed.deliveries.iter().any(another);
                    if is_surely_none { 0 } else { ONLY_IF_NOTHING_ELSE }
                }
                _ => 3,
            },
            Call::ExitRoom { .. } => match room.has_member(history, caller, window) {
                Some(false) => 1,
                _ => 3,
            },
            Call::KickRemoteUserOutOfRoom { user_id, .. } => {
                match history.user(user_id).and_then(|user| room.has_member(history, user, window)) {
                    Some(false) => 1,
                    _ => 3,
                }
            }
            Call::Accept { attempt, .. } | Call::Reject { attempt, .. } => {
                let newest = room.entries.get(&caller).and_then(|entry| entry.attempt);
                let meant = match attempt {
                    Some(named) if named.instance != room.instance => continue,
                    Some(named) => room.numbers.get(&(caller, named.attempt)).copied(),
                    None => newest,
                };
                let ended = meant.is_some_and(|attempt| !attempts[attempt].ends.is_empty());
                // IDM-3: whoever says again what was never answered succeeds, too.
                if said_before(history, room, ask) {
                    continue;
                }
                match room.status(caller) {
                    Some(InvitationStatus::Pending) if meant.is_none() || meant == newest => 3,
                    Some(_) => 0,
                    // What has ended does not come back, whatever else is not certain.
                    None if ended && attempt.is_some() => 0,
                    // IDM-3: most likely the winner says it again.
                    None if ended && meant.is_some_and(|one| attempts[one].ends[0].by == Some(asked.device)) => 0,
                    None if ended => 1,
                    None => 2,
                }
            }
            Call::CancelInvitation { user_id_list, .. } => {
                let withdrawn = revealed.deliveries.iter().any(|one| {
                    let event = &history.deliveries[*one].event.event;
                    belongs_to(call, history.user_id(caller), event, history.variants)
                });
                // CAN-2, CAN-3: live, and the caller's own or the caller's to revoke, as far as is known.
                let inside = room.has_member(history, caller, window) != Some(false);
                let privileged = match room.role(caller) {
                    Some(Role::GeneralUser) => false,
                    Some(Role::Administrator) => inside,
                    Some(Role::RoomOwner) | None => true,
                };
                let live = |user: &UserId| {
                    let Some(entry) = history.user(user).and_then(|user| room.entry(user)) else { return false };
                    let attempt = entry.attempt.map(|attempt| &attempts[attempt]);
                    let is_inviter = attempt.is_some_and(|attempt| attempt.inviter == Some(caller));
                    // TMO-3: whoever asks after the deadline finds it over.
                    let deadline = attempt.and_then(|attempt| attempt.deadline_times(history));
                    let is_late =
                        deadline.zip(asked.came_in()).is_some_and(|((_, latest), at)| history.at(at) >= latest);
                    entry.status == InvitationStatus::Pending && !is_late && (privileged || is_inviter)
                };
                if withdrawn && is_by_another(history, room, revealed, ask, user_id_list, window) {
                    0
                } else if withdrawn {
                    3
                } else if user_id_list.iter().any(|user| live(user) && !may_have_ended(history, room, user, window)) {
                    2
                } else {
                    0
                }
            }
            Call::ChangeUserRole { .. } => {
                if told(EventName::UserRoleChanged) {
                    3
                } else {
                    1
                }
            }
            Call::AddAttendeesByAdmin { .. } | Call::RemoveAttendeesByAdmin { .. } => {
                if told(EventName::ScheduleAttendeesChanged) { 3 } else { 1 }
            }
            Call::UpdateRoomNameByAdmin { .. } => 1,
            _ => 0,
        };
        if weight == 0 {
            continue;
        }
        // Of two that may have withdrawn a call, the one that everybody is told of: where answers overtake one another, the
        // first of them says nothing.
        let named = match call {
            Call::CancelInvitation { user_id_list, .. } if revealed.asks.len() > 1 => {
                let named = naming(history, revealed, history.user_id(caller), user_id_list);
                // What came in when the commit was known already did not lead to it.
                let is_late = asked.came_in().is_some_and(|came_in| came_in > window.latest);
                if named == Naming::Own && is_late { Naming::Silent } else { named }
            }
            _ => Naming::Silent,
        };
        // And of two that are as likely, the one that came in first: whoever says it again changes nothing.
        let rank = (weight, named, Reverse(asked.came_in()));
        let is_rival = best.is_some_and(|((weight, named, _), _)| (weight, named) == (rank.0, rank.1));
        if best.is_none_or(|(least, _)| rank > least) {
            (best, has_rival) = (Some((rank, ask)), is_rival);
        } else {
            has_rival |= is_rival;
        }
    }
    best.map(|((weight, ..), ask)| Cause { weight, ask, has_rival })
}

/// How sure it is that a request led to a commit, by what names it, and by when it came.
type Rank = (u8, Naming, Reverse<Option<usize>>);

/// What the events of a commit say of who has withdrawn a call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Naming {
    /// Somebody else.
    Another,
    /// Nothing: the list events do not say who it was.
    Silent,
    /// Nothing, which says that it was whoever had called (REV-2): and that is this user.
    Own,
    /// This user.
    This,
}

/// What the events of a commit say of whether this user has withdrawn the call of one of these.
fn naming(history: &History<'_>, revealed: &Revealed, caller: &UserId, called: &[UserId]) -> Naming {
    let is_this = |withdrawer: &UserId, invitation: &Invitation| {
        withdrawer == caller && called.contains(&invitation.invitee.user_id)
    };
    let mut is_own = false;
    let mut said = None;
    for one in &revealed.deliveries {
        let event = &history.deliveries[*one].event.event;
        // What is told of somebody whom a call does not name is another's doing.
        if tells_of_another(event, called) {
            return Naming::Another;
        }
        let this = match event {
            Event::InvitationRevokedByAdmin { operate_user, invitation, .. } => {
                is_this(&operate_user.user_id, invitation)
            }
            Event::InvitationCancelled { invitation, .. } => is_this(&invitation.inviter.user_id, invitation),
            Event::InvitationRemoved { invitation, .. } => {
                is_own |= is_this(&invitation.inviter.user_id, invitation);
                continue;
            }
            _ => continue,
        };
        said = said.max(Some(if this { Naming::This } else { Naming::Another }));
    }
    said.unwrap_or(if is_own { Naming::Own } else { Naming::Silent })
}

/// Whether a request that was never answered may have ended the call of a user.
fn may_have_ended(history: &History<'_>, room: &Room<'_>, user: &UserId, window: Span) -> bool {
    let mut unanswered = room.id.into_iter().flat_map(|id| history.unanswered_asks(id));
    unanswered.any(|ask| {
        let is_theirs = || history.user_id(history.user_of(ask.device)) == user;
        let may_end = match ask.call() {
            Some(Call::CancelInvitation { user_id_list, .. }) => user_id_list.contains(user),
            Some(Call::Accept { .. } | Call::Reject { .. } | Call::EnterRoom { .. }) => is_theirs(),
            _ => false,
        };
        may_end && ask.came_in().is_some_and(|came_in| came_in <= window.latest)
    })
}

/// Who enters the room, where an event tells of that.
fn enters(history: &History<'_>, delivery: usize) -> Option<UserNo> {
    let delivery = &history.deliveries[delivery];
    match &delivery.event.event {
        Event::RemoteUserEnterRoom { user_info, .. } => history.user(&user_info.user_id),
        // ROOM-8: by another device.
        Event::KickedOutOfRoom { reason: KickedOutOfRoomReason::KickedByLoggedOnOtherDevice, .. } => {
            Some(history.session(delivery.session).user)
        }
        _ => None,
    }
}

/// Whether somebody leaves the list whom a call does not name.
fn tells_of_another(event: &Event, called: &[UserId]) -> bool {
    event.name() == EventName::InvitationRemoved
        && event.invitation().is_some_and(|invitation| !called.contains(&invitation.invitee.user_id))
}

/// Whether the device gave the same answer before, and nobody told it what came of that.
fn said_before(history: &History<'_>, room: &Room<'_>, ask: usize) -> bool {
    let again = &history.asks[ask];
    let operation = |ask: &Ask<'_>| ask.call().map(Call::operation);
    let mut unanswered = room.id.into_iter().flat_map(|id| history.unanswered_asks(id));
    unanswered.any(|before| {
        before.device == again.device && operation(before) == operation(again) && before.came_in() < again.came_in()
    })
}

/// Whether a withdrawal may be another's, who asked for it too and was never answered: the events name the other, or they
/// name nobody and the other came first.
fn is_by_another(
    history: &History<'_>,
    room: &Room<'_>,
    revealed: &Revealed,
    ask: usize,
    called: &[UserId],
    window: Span,
) -> bool {
    let mut unanswered = room.id.into_iter().flat_map(|id| history.unanswered_asks(id)).peekable();
    if unanswered.peek().is_none() {
        return false;
    }
    let this = &history.asks[ask];
    let caller = history.user_of(this.device);
    let named = naming(history, revealed, history.user_id(caller), called);
    let tells_of_more =
        revealed.deliveries.iter().any(|one| tells_of_another(&history.deliveries[*one].event.event, called));
    unanswered.any(|other| {
        let by = history.user_of(other.device);
        let Some(call @ Call::CancelInvitation { user_id_list, .. }) = other.call() else { return false };
        let may_be_told = |one: &usize| {
            belongs_to(call, history.user_id(by), &history.deliveries[*one].event.event, history.variants)
        };
        let fits = match named {
            _ if tells_of_more => revealed.deliveries.iter().all(may_be_told),
            Naming::This | Naming::Own => false,
            Naming::Another => {
                by != caller && naming(history, revealed, history.user_id(by), user_id_list) == Naming::This
            }
            Naming::Silent => {
                by != caller && other.came_in() < this.came_in() && revealed.deliveries.iter().any(may_be_told)
            }
        };
        fits && other.came_in().is_some_and(|moment| moment <= window.latest)
    })
}

/// Whether an event may tell of what this call does.
fn belongs_to(call: &Call, caller: &UserId, event: &Event, variants: Variants) -> bool {
    let name = event.name();
    let is_about_one_of =
        |users: &[UserId]| event.invitation().is_some_and(|invitation| users.contains(&invitation.invitee.user_id));
    let is_about_caller = || event.invitation().is_none_or(|invitation| invitation.invitee.user_id == *caller);
    match call {
        Call::DestroyRoom { .. } => matches!(name, EventName::InvitationRevokedByAdmin | EventName::RoomDismissed),
        Call::InviteUsers { user_id_list, .. } => {
            let begins = match event {
                // EVT-3, where a second call is told as a change.
                Event::InvitationStatusChanged { invitation, .. } => {
                    variants.called_again == CalledAgain::StatusChanged
                        && invitation.status == InvitationStatus::Pending
                }
                _ => matches!(name, EventName::ReceiveInvitation | EventName::InvitationAdded),
            };
            begins && is_about_one_of(user_id_list)
        }
        Call::CancelInvitation { user_id_list, .. } => {
            let withdraws = matches!(
                name,
                EventName::InvitationCancelled | EventName::InvitationRevokedByAdmin | EventName::InvitationRemoved
            );
            withdraws && is_about_one_of(user_id_list)
        }
        Call::Accept { .. } | Call::Reject { .. } => match event {
            Event::InvitationStatusChanged { invitation, .. } => {
                invitation.status != InvitationStatus::Timeout && is_about_caller()
            }
            _ if !is_about_caller() => false,
            _ => matches!(
                name,
                EventName::InvitationAccepted
                    | EventName::InvitationRejected
                    | EventName::InvitationHandledByOtherDevice
            ),
        },
        Call::EnterRoom { .. } => match event {
            Event::InvitationStatusChanged { invitation, .. } => {
                invitation.status == InvitationStatus::Accepted && is_about_caller()
            }
            _ if !is_about_caller() => false,
            _ => matches!(
                name,
                EventName::RemoteUserEnterRoom
                    | EventName::InvitationAccepted
                    | EventName::InvitationHandledByOtherDevice
                    | EventName::InvitationRemoved
                    | EventName::KickedOutOfRoom
            ),
        },
        Call::ExitRoom { .. } | Call::KickRemoteUserOutOfRoom { .. } => {
            matches!(name, EventName::RemoteUserLeaveRoom | EventName::KickedOutOfRoom)
        }
        Call::ChangeUserRole { .. } => name == EventName::UserRoleChanged,
        Call::AddAttendeesByAdmin { .. } | Call::RemoveAttendeesByAdmin { .. } => {
            name == EventName::ScheduleAttendeesChanged
        }
        _ => false,
    }
}
