//! Which request led to a commit, among those that were answered with its revision.
//!
//! At most one did; the others changed nothing and were judged after it. What is told and what was known before say which.

use super::super::history::{History, Revealed, Span};
use super::room::{Attempt, Room};
use crate::protocol::call::{Call, Reply};
use crate::protocol::event::Event;
use crate::protocol::vocabulary::{EventName, InvitationCode, InvitationStatus, Role, UserId};

/// The request that led to a commit, as an index of the history's asks, if it was answered.
pub(super) fn find(
    history: &History<'_>,
    attempts: &[Attempt<'_>],
    room: &Room<'_>,
    revealed: &Revealed,
    window: Span,
) -> Option<usize> {
    weigh(history, attempts, room, revealed, window).map(|(_, ask)| ask)
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
) -> Option<(u8, usize)> {
    let told = |name: EventName| revealed.deliveries.iter().any(|one| history.deliveries[*one].name() == name);
    let mut best: Option<((u8, bool), usize)> = None;
    for ask in revealed.asks.iter().copied() {
        let asked = &history.asks[ask];
        let Some((call, response)) = asked.success() else { continue };
        let caller = history.user_of(asked.device);
        // What tells of something else altogether was not its doing; a server that adds a wrong event is another matter.
        let tells_otherwise = !revealed.deliveries.is_empty()
            && !revealed.deliveries.iter().any(|one| belongs_to(call, &history.deliveries[*one].event.event));
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
                Some(member) if member.since >= room.certain_from && member.session == asked.session => 0,
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
                let withdrawn = told(EventName::InvitationRemoved)
                    || told(EventName::InvitationCancelled)
                    || told(EventName::InvitationRevokedByAdmin);
                // CAN-2, CAN-3: live, and the caller's own or the caller's to revoke, as far as is known.
                let inside = room.has_member(history, caller, window) != Some(false);
                let privileged = match room.role(caller) {
                    Some(Role::GeneralUser) => false,
                    Some(Role::Administrator) => inside,
                    Some(Role::RoomOwner) | None => true,
                };
                let live = |user: &UserId| {
                    let Some(entry) = history.user(user).and_then(|user| room.entry(user)) else { return false };
                    let inviter = entry.attempt.and_then(|attempt| attempts[attempt].inviter);
                    entry.status == InvitationStatus::Pending && (privileged || inviter == Some(caller))
                };
                if withdrawn {
                    3
                } else if user_id_list.iter().any(live) {
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
        // Of two that may have withdrawn a call, the one that everybody is told of: where answers overtake one another, the
        // first of them says nothing.
        let named = matches!(call, Call::CancelInvitation { user_id_list, .. } if revealed.deliveries.iter().any(|one| {
            tells_of_cancel(&history.deliveries[*one].event.event, history.user_id(caller), user_id_list)
        }));
        if weight > 0 && best.is_none_or(|(least, _)| (weight, named) > least) {
            best = Some(((weight, named), ask));
        }
    }
    best.map(|((weight, _), ask)| (weight, ask))
}

/// Whether an event tells that this user has withdrawn the call of one of these.
fn tells_of_cancel(event: &Event, caller: &UserId, called: &[UserId]) -> bool {
    let about = event.invitation().is_some_and(|invitation| called.contains(&invitation.invitee.user_id));
    about
        && match event {
            Event::InvitationRevokedByAdmin { operate_user, .. } => operate_user.user_id == *caller,
            Event::InvitationCancelled { invitation, .. } => invitation.inviter.user_id == *caller,
            _ => true,
        }
}

/// Whether an event may tell of what this call does.
fn belongs_to(call: &Call, event: &Event) -> bool {
    let name = event.name();
    match call {
        Call::DestroyRoom { .. } => matches!(name, EventName::InvitationRevokedByAdmin | EventName::RoomDismissed),
        Call::InviteUsers { .. } => matches!(name, EventName::ReceiveInvitation | EventName::InvitationAdded),
        Call::CancelInvitation { .. } => matches!(
            name,
            EventName::InvitationCancelled | EventName::InvitationRevokedByAdmin | EventName::InvitationRemoved
        ),
        Call::Accept { .. } | Call::Reject { .. } => match event {
            Event::InvitationStatusChanged { invitation, .. } => invitation.status != InvitationStatus::Timeout,
            _ => matches!(
                name,
                EventName::InvitationAccepted
                    | EventName::InvitationRejected
                    | EventName::InvitationHandledByOtherDevice
            ),
        },
        Call::EnterRoom { .. } => match event {
            Event::InvitationStatusChanged { invitation, .. } => invitation.status == InvitationStatus::Accepted,
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
