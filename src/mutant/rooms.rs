//! Faults about rooms and their lives (ROOM).

use super::core::{empty_page, refusal, refusing, repage, reword, silence};
use super::ledger::{Ledger, RoomBook};
use super::{Mutant, Part, Seam};
use crate::protocol::call::Call;
use crate::protocol::core::Transition;
use crate::protocol::event::Event;
use crate::protocol::vocabulary::{
    ErrorCode, EventName, InvitationStatus, KickedOutOfRoomReason, OperationName, RoomId, UserId,
};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "re-invited-user-is-listed-twice",
        seam: Seam::Core,
        breaks: &["ROOM-1", "LST-6", "LST-2"],
        fault: "The list shows a user who was called again twice: as timed out and as being called.",
        part: Part::Decides(|asked| {
            let mut decision = asked.core_says();
            repage(&mut decision, |page| {
                let again = page.invitation_list.iter().filter(|item| item.attempt.0 > 1).cloned();
                let old = again.map(|mut item| {
                    std::sync::Arc::make_mut(&mut item.invitation).status = InvitationStatus::Timeout;
                    item
                });
                page.invitation_list.extend(old.collect::<Vec<_>>());
            });
            decision
        }),
    },
    Mutant {
        name: "answers-mean-the-newest-call",
        seam: Seam::Core,
        breaks: &["ROOM-2", "ACC-1", "REJ-1"],
        fault: "An answer counts for the newest call, whichever call and whichever instance of the room it names.",
        part: Part::Decides(|asked| match asked.call() {
            Some(Call::Accept { room_id, .. }) => {
                asked.core_says_to(Call::Accept { room_id: room_id.clone(), attempt: None })
            }
            Some(Call::Reject { room_id, reason, .. }) => {
                asked.core_says_to(Call::Reject { room_id: room_id.clone(), reason: *reason, attempt: None })
            }
            _ => asked.core_says(),
        }),
    },
    Mutant {
        name: "live-rooms-list-nothing",
        seam: Seam::Core,
        breaks: &["ROOM-3"],
        fault: "In a live room getInvitationList returns an empty list instead of -2103.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            let lists = asked.content.operation() == Some(OperationName::GetInvitationList);
            match refusal(&decision) {
                Some(ErrorCode::OPERATION_NOT_SUPPORTED_IN_CURRENT_ROOM_TYPE) if lists => {
                    super::core::answering(decision, Ok(empty_page()))
                }
                _ => decision,
            }
        }),
    },
    Mutant {
        name: "accepting-hangs-up-elsewhere",
        seam: Seam::Core,
        breaks: &["ROOM-4"],
        fault: "Who accepts a call in one room is no longer called in the others.",
        part: Part::Applies(|ledger, transition| {
            let mut deeds = vec![transition.clone()];
            if let Transition::Answered { room_id, invitee, accepted: true, .. } = &transition {
                let others = ledger.rooms.iter().filter(|(other, room)| *other != room_id && room.is_pending(invitee));
                deeds.extend(others.map(|(other, room)| hang_up(other, room, invitee)));
            }
            deeds
        }),
    },
    Mutant {
        name: "dissolution-is-silent",
        seam: Seam::Core,
        breaks: &["ROOM-5", "REV-2"],
        fault: "Whoever is being called hears nothing when the room is dissolved.",
        part: Part::Tells(|telling, effects| {
            if let Transition::RoomDestroyed { .. } = telling.transition {
                silence(effects, |_, event| event.name() == EventName::InvitationRevokedByAdmin);
            }
        }),
    },
    Mutant {
        name: "dissolution-empties-the-list-aloud",
        seam: Seam::Core,
        breaks: &["ROOM-5", "EVT-5", "REV-3"],
        fault: "A dissolved room sends its members onInvitationRemoved for each call before onRoomDismissed.",
        part: Part::Tells(|telling, effects| {
            let Transition::RoomDestroyed { room_id } = telling.transition else { return };
            let Some(dismissed) = effects.events.iter().position(|(_, e)| e.event.name() == EventName::RoomDismissed)
            else {
                return;
            };
            let members: Vec<_> = effects.events[dismissed..].iter().map(|(slot, _)| *slot).collect();
            let Some((_, revoked)) = effects.events[..dismissed].first().cloned() else { return };
            let Event::InvitationRevokedByAdmin { room_info, invitation, .. } = revoked.event.clone() else { return };
            let mut removed = (*revoked).clone();
            removed.event =
                Event::InvitationRemoved { room_id: Some(room_id.clone()), room_info: Some(room_info), invitation };
            let removed = std::sync::Arc::new(removed);
            let told = members.into_iter().map(|slot| (slot, removed.clone()));
            effects.events.splice(dismissed..dismissed, told.collect::<Vec<_>>());
        }),
    },
    Mutant {
        name: "dismissed-before-revoked",
        seam: Seam::Core,
        breaks: &["ROOM-5"],
        fault: "onRoomDismissed goes out before the revocations of the calls that it ends.",
        part: Part::Tells(|telling, effects| {
            if let Transition::RoomDestroyed { .. } = telling.transition {
                effects.events.sort_by_key(|(_, event)| event.event.name() != EventName::RoomDismissed);
            }
        }),
    },
    Mutant {
        name: "leaving-inviter-hangs-up",
        seam: Seam::Core,
        breaks: &["ROOM-6"],
        fault: "The calls of a member who leaves, or is put out, end with its leaving.",
        part: Part::Applies(|ledger, transition| {
            let mut deeds = vec![transition.clone()];
            if let Transition::Left { room_id, user, .. } = &transition {
                deeds.extend(calls_of(ledger, room_id, user));
            }
            deeds
        }),
    },
    Mutant {
        name: "demoted-inviter-hangs-up",
        seam: Seam::Core,
        breaks: &["ROOM-6"],
        fault: "The calls of an administrator end when it becomes a general user.",
        part: Part::Applies(|ledger, transition| {
            let mut deeds = vec![transition.clone()];
            if let Transition::RoleChanged { room_id, user, .. } = &transition
                && ledger.rooms.get(room_id).is_some_and(|room| room.administrators.contains(user))
            {
                deeds.extend(calls_of(ledger, room_id, user));
            }
            deeds
        }),
    },
    Mutant {
        name: "removed-attendee-is-no-longer-called",
        seam: Seam::Core,
        breaks: &["ROOM-7"],
        fault: "Removing somebody from the scheduled attendees ends the call to that user.",
        part: Part::Applies(|ledger, transition| {
            let mut deeds = vec![transition.clone()];
            if let Transition::AttendeesChanged { room_id, left, .. } = &transition
                && let Some(room) = ledger.rooms.get(room_id)
            {
                let called = left.iter().filter(|user| room.is_pending(user));
                deeds.extend(called.map(|user| hang_up(room_id, room, user)));
            }
            deeds
        }),
    },
    Mutant {
        name: "second-device-is-turned-away",
        seam: Seam::Core,
        breaks: &["ROOM-8"],
        fault: "Entering the room that one is in from another device fails with -2108.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            match &decision.transition {
                Some(Transition::Entered { .. }) if asked.is_inside() => {
                    refusing(decision, ErrorCode::ALREADY_IN_OTHER_ROOM)
                }
                _ => decision,
            }
        }),
    },
    Mutant {
        name: "first-device-is-not-told",
        seam: Seam::Core,
        breaks: &["ROOM-8"],
        fault: "A device whose place in the room another device of the user takes hears nothing of it.",
        part: Part::Tells(|_, effects| {
            silence(effects, |_, event| {
                matches!(event, Event::KickedOutOfRoom { reason, .. }
                    if *reason == KickedOutOfRoomReason::KickedByLoggedOnOtherDevice)
            });
        }),
    },
    Mutant {
        name: "password-in-room-info",
        seam: Seam::Core,
        breaks: &["SEC-4"],
        fault: "The room's password stands in roomInfo, for every member to read.",
        part: Part::Tells(|telling, effects| {
            let Some(room) = telling.transition.room_id().and_then(|room_id| telling.ledger.rooms.get(room_id)) else {
                return;
            };
            reword(effects, |event| super::core::reword_room(event, |info| info.password = room.password.clone()));
        }),
    },
    Mutant {
        name: "invitation-is-a-key",
        seam: Seam::Core,
        breaks: &["SEC-5"],
        fault: "Who has accepted a call enters without the room's password.",
        part: Part::Decides(|asked| match (asked.call(), asked.room()) {
            (Some(Call::EnterRoom { room_id, .. }), Some(room))
                if room.standing(asked.caller.user) == Some(super::ledger::Standing::Accepted) =>
            {
                asked.core_says_to(Call::EnterRoom { room_id: room_id.clone(), password: room.password.clone() })
            }
            _ => asked.core_says(),
        }),
    },
];

/// The end of a call, in the name of its inviter.
fn hang_up(room_id: &RoomId, room: &RoomBook, invitee: &UserId) -> Transition {
    let operator = room.calls[invitee].inviter.clone();
    Transition::Cancelled { room_id: room_id.clone(), operator, invitees: vec![invitee.clone()] }
}

/// The end of all calls of an inviter, if there are any.
fn calls_of(ledger: &Ledger, room_id: &RoomId, inviter: &UserId) -> Option<Transition> {
    let room = ledger.rooms.get(room_id)?;
    let invitees: Vec<UserId> =
        room.pending().filter(|(_, call)| call.inviter == *inviter).map(|(user, _)| user.clone()).collect();
    (!invitees.is_empty()).then(|| Transition::Cancelled {
        room_id: room_id.clone(),
        operator: inviter.clone(),
        invitees,
    })
}
