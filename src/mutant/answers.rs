//! Faults of cancelling (CAN, REV), accepting (ACC) and rejecting (REJ).

use super::core::{Telling, answering, refusal, refusing, reword, silence};
use super::ledger::Standing;
use super::{Mutant, Part, Seam};
use crate::protocol::call::{Call, Reply};
use crate::protocol::core::{Effects, Transition};
use crate::protocol::event::{Event, UserInfo};
use crate::protocol::vocabulary::{
    AttemptNo, DeviceId, ErrorCode, EventName, InvitationStatus, OperationName, RejectedReason, Role, UserId,
};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "unknown-ids-fail-the-cancel",
        seam: Seam::Core,
        breaks: &["CAN-1"],
        fault: "cancelInvitation fails with -2311 if any of the ids is not being called.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            match (asked.call(), asked.room()) {
                (Some(Call::CancelInvitation { user_id_list, .. }), Some(room))
                    if decision.result.is_ok() && !user_id_list.iter().all(|user| room.is_pending(user)) =>
                {
                    refusing(decision, ErrorCode::REQUEST_ID_INVALID)
                }
                _ => decision,
            }
        }),
    },
    Mutant {
        name: "inviter-outside-may-not-cancel",
        seam: Seam::Core,
        breaks: &["CAN-2"],
        fault: "An inviter who has left the room may not cancel its calls.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            match &decision.transition {
                Some(Transition::Cancelled { .. })
                    if !asked.is_inside() && asked.room().is_some_and(|room| room.owner != *asked.caller.user) =>
                {
                    refusing(decision, ErrorCode::NO_PERMISSION)
                }
                _ => decision,
            }
        }),
    },
    Mutant {
        name: "administrators-may-not-revoke",
        seam: Seam::Core,
        breaks: &["CAN-3", "REV-1"],
        fault: "An administrator who cancels the call of another gets 100006.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            let (Some(room), Some(Transition::Cancelled { operator, invitees, .. })) =
                (asked.room(), &decision.transition)
            else {
                return decision;
            };
            let others = invitees.iter().any(|user| room.calls[user].inviter != *operator);
            if others && room.owner != *operator {
                return refusing(decision, ErrorCode::NO_PERMISSION);
            }
            decision
        }),
    },
    Mutant {
        name: "administrator-keeps-its-power-outside",
        seam: Seam::Core,
        breaks: &["CAN-3", "CAN-4"],
        fault: "An administrator who has left the room may still revoke.",
        part: Part::Decides(|asked| {
            let mut decision = asked.core_says();
            if let (Some(Call::CancelInvitation { room_id, user_id_list }), Some(room)) = (asked.call(), asked.room())
                && !asked.is_inside()
                && decision.transition.is_none()
                && room.once_in_power.contains(asked.caller.user)
            {
                let invitees: Vec<UserId> = user_id_list.iter().filter(|user| room.is_pending(user)).cloned().collect();
                if !invitees.is_empty() {
                    let operator = asked.caller.user.clone();
                    decision.result = Ok(Reply::Void);
                    decision.transition = Some(Transition::Cancelled { room_id: room_id.clone(), operator, invitees });
                }
            }
            decision
        }),
    },
    Mutant {
        name: "mixed-list-ends-what-it-may",
        seam: Seam::Core,
        breaks: &["CAN-4"],
        fault: "A member who cancels its own calls and another's in one list ends its own and succeeds.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            let (Some(Call::CancelInvitation { room_id, user_id_list }), Some(room)) = (asked.call(), asked.room())
            else {
                return decision;
            };
            if refusal(&decision) != Some(ErrorCode::NO_PERMISSION) || !asked.is_inside() {
                return decision;
            }
            let own = |user: &&UserId| {
                room.calls.get(*user).is_some_and(|call| room.is_pending(user) && call.inviter == *asked.caller.user)
            };
            let user_id_list: Vec<UserId> = user_id_list.iter().filter(own).cloned().collect();
            if user_id_list.is_empty() {
                return decision;
            }
            asked.core_says_to(Call::CancelInvitation { room_id: room_id.clone(), user_id_list })
        }),
    },
    Mutant {
        name: "cancel-is-lost",
        seam: Seam::Core,
        breaks: &["CAN-5", "REV-1", "REV-3"],
        fault: "cancelInvitation succeeds and does nothing.",
        part: Part::Decides(|asked| {
            let mut decision = asked.core_says();
            if let Some(Transition::Cancelled { .. }) = decision.transition {
                decision.transition = None;
            }
            decision
        }),
    },
    Mutant {
        name: "cancel-reaches-one-device",
        seam: Seam::Core,
        breaks: &["CAN-5", "EVT-1"],
        fault: "Of several devices of the invitee only the first hears onInvitationCancelled.",
        part: Part::Tells(|_, effects| {
            let mut told = None;
            effects.events.retain(|(_, event)| {
                let about = event.stamp.as_ref().and_then(|stamp| stamp.about.clone());
                if event.event.name() != EventName::InvitationCancelled {
                    return true;
                }
                let first = told != about;
                told = about;
                first
            });
        }),
    },
    Mutant {
        name: "cancel-after-accept-hangs-up",
        seam: Seam::Core,
        breaks: &["CAN-6"],
        fault: "A cancel that comes after the accept takes the accepted entry away.",
        part: Part::Decides(|asked| {
            let mut decision = asked.core_says();
            if let (Some(Call::CancelInvitation { room_id, user_id_list }), Some(room)) = (asked.call(), asked.room())
                && decision.result.is_ok()
                && decision.transition.is_none()
            {
                let invitees: Vec<UserId> = user_id_list
                    .iter()
                    .filter(|user| room.standing(user) == Some(Standing::Accepted))
                    .cloned()
                    .collect();
                if !invitees.is_empty() {
                    let operator = asked.caller.user.clone();
                    decision.transition = Some(Transition::Cancelled { room_id: room_id.clone(), operator, invitees });
                }
            }
            decision
        }),
    },
    Mutant {
        name: "answer-to-a-cancelled-call-succeeds",
        seam: Seam::Core,
        breaks: &["CAN-7", "ACC-1", "REJ-1"],
        fault: "Whoever answers a call that was cancelled is told that it succeeded.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            let cancelled =
                asked.room().is_some_and(|room| room.standing(asked.caller.user) == Some(Standing::Cancelled));
            match refusal(&decision) {
                Some(ErrorCode::REQUEST_ID_INVALID) if cancelled => answering(decision, Ok(Reply::Void)),
                _ => decision,
            }
        }),
    },
    Mutant {
        name: "owner-always-revokes",
        seam: Seam::Core,
        breaks: &["CAN-8"],
        fault: "An owner who cancels its own call is told of as one who revokes it.",
        part: Part::Tells(|telling, effects| {
            let room = telling.transition.room_id().and_then(|room_id| telling.ledger.rooms.get(room_id));
            let Some(owner) = room.map(|room| room.owner.clone()) else { return };
            reword(effects, |event| {
                if let Event::InvitationCancelled { room_info, invitation } = event
                    && invitation.inviter.user_id == owner
                {
                    let operate_user = std::sync::Arc::new(invitation.inviter.clone());
                    let (room_info, invitation) = (room_info.clone(), invitation.clone());
                    *event = Event::InvitationRevokedByAdmin { room_info, invitation, operate_user };
                }
            });
        }),
    },
    Mutant {
        name: "batch-in-alphabetical-order",
        seam: Seam::Core,
        breaks: &["CAN-9"],
        fault: "The events of a batch go out in the order of the ids, not of the list.",
        part: Part::Applies(|_, transition| {
            let mut transition = transition;
            if let Transition::Invited { invitees, .. } | Transition::Cancelled { invitees, .. } = &mut transition {
                invitees.sort();
            }
            vec![transition]
        }),
    },
    Mutant {
        name: "batch-is-many-commits",
        seam: Seam::Core,
        breaks: &["CAN-9"],
        fault: "Each id of a cancelled list is a commit of its own.",
        part: Part::Applies(|_, transition| match transition {
            Transition::Cancelled { room_id, operator, invitees } => invitees
                .into_iter()
                .map(|invitee| {
                    let (room_id, operator) = (room_id.clone(), operator.clone());
                    Transition::Cancelled { room_id, operator, invitees: vec![invitee] }
                })
                .collect(),
            transition => vec![transition],
        }),
    },
    Mutant {
        name: "accepting-is-entering",
        seam: Seam::Core,
        breaks: &["ACC-2"],
        fault: "Whoever accepts is in the room at once.",
        part: Part::Applies(|ledger, transition| {
            let mut deeds = vec![transition.clone()];
            if let Transition::Answered { room_id, invitee, device, accepted: true, .. } = transition
                && ledger.room_of(&invitee).is_none()
            {
                deeds.push(Transition::Entered { room_id, user: invitee, device });
            }
            deeds
        }),
    },
    Mutant {
        name: "inviter-is-not-told-of-the-accept",
        seam: Seam::Core,
        breaks: &["ACC-3", "EVT-7"],
        fault: "The inviter sees an accept in the list alone: onInvitationAccepted is never sent.",
        part: Part::Tells(|_, effects| silence(effects, |_, event| event.name() == EventName::InvitationAccepted)),
    },
    Mutant {
        name: "entering-is-no-answer",
        seam: Seam::Core,
        breaks: &["ACC-4"],
        fault: "Entering a room that one is being called to takes the entry away, and tells nobody of an accept.",
        part: Part::Tells(|telling, effects| {
            if let Transition::Entered { .. } = telling.transition {
                silence(effects, |_, event| {
                    matches!(
                        event.name(),
                        EventName::InvitationAccepted
                            | EventName::InvitationHandledByOtherDevice
                            | EventName::InvitationStatusChanged
                    )
                });
            }
        }),
    },
    Mutant {
        name: "accept-after-entering-conflicts",
        seam: Seam::Core,
        breaks: &["ACC-5", "IDM-3"],
        fault: "A device that enters first and accepts then gets 100102.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            let entered = asked.room().and_then(|room| room.calls.get(asked.caller.user)).is_some_and(|call| {
                call.standing == Standing::Entered && call.entered_by.as_ref() == Some(asked.caller.device)
            });
            if asked.content.operation() == Some(OperationName::Accept) && entered && decision.result.is_ok() {
                return refusing(decision, ErrorCode::REQUEST_CONFLICT);
            }
            decision
        }),
    },
    Mutant {
        name: "accept-is-refused-elsewhere",
        seam: Seam::Core,
        breaks: &["ACC-6"],
        fault: "Whoever is in another room may not accept.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            match &decision.transition {
                Some(Transition::Answered { accepted: true, .. })
                    if asked.ledger.room_of(asked.caller.user).is_some() =>
                {
                    refusing(decision, ErrorCode::ALREADY_IN_OTHER_ROOM)
                }
                _ => decision,
            }
        }),
    },
    Mutant {
        name: "failed-entry-takes-the-answer-back",
        seam: Seam::Core,
        breaks: &["ACC-7"],
        fault: "Whoever has accepted and fails to enter must be called again.",
        part: Part::Decides(|asked| {
            let mut decision = asked.core_says();
            if let (Some(Call::EnterRoom { room_id, .. }), Some(room), true) =
                (asked.call(), asked.room(), decision.result.is_err())
                && room.standing(asked.caller.user) == Some(Standing::Accepted)
            {
                let operator = room.calls[asked.caller.user].inviter.clone();
                let invitees = vec![asked.caller.user.clone()];
                decision.transition = Some(Transition::Cancelled { room_id: room_id.clone(), operator, invitees });
            }
            decision
        }),
    },
    Mutant {
        name: "ended-calls-survive-the-entry",
        seam: Seam::Core,
        breaks: &["ACC-8", "EVT-5"],
        fault: "When somebody enters whose call was rejected or timed out, members are not told that the entry is gone.",
        part: Part::Tells(|telling, effects| {
            let Transition::Entered { room_id, user, .. } = telling.transition else { return };
            let standing = telling.ledger.rooms.get(room_id).and_then(|room| room.standing(user));
            if matches!(standing, Some(Standing::Rejected | Standing::TimedOut)) {
                silence(effects, |_, event| event.name() == EventName::InvitationRemoved);
            }
        }),
    },
    Mutant {
        name: "late-reject-succeeds",
        seam: Seam::Core,
        breaks: &["REJ-1", "ACC-1", "TMO-3"],
        fault: "Whoever rejects a call that has timed out is told that it succeeded.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            let timed_out =
                asked.room().is_some_and(|room| room.standing(asked.caller.user) == Some(Standing::TimedOut));
            match (asked.content.operation(), refusal(&decision)) {
                (Some(OperationName::Reject), Some(ErrorCode::REQUEST_ID_INVALID)) if timed_out => {
                    answering(decision, Ok(Reply::Void))
                }
                _ => decision,
            }
        }),
    },
    Mutant {
        name: "any-reason-goes",
        seam: Seam::Core,
        breaks: &["REJ-2"],
        fault: "A reason that is neither 0 nor 1 is taken for 0.",
        part: Part::Decides(|asked| match asked.call() {
            Some(Call::Reject { room_id, reason, attempt }) if !matches!(reason, 0 | 1) => {
                asked.core_says_to(Call::Reject { room_id: room_id.clone(), reason: 0, attempt: *attempt })
            }
            _ => asked.core_says(),
        }),
    },
    Mutant {
        name: "reason-is-lost",
        seam: Seam::Core,
        breaks: &["REJ-3"],
        fault: "The inviter always hears the reason kRejectToEnter.",
        part: Part::Tells(|_, effects| {
            reword(effects, |event| {
                if let Event::InvitationRejected { reason, .. } = event {
                    *reason = RejectedReason::RejectToEnter;
                }
            });
        }),
    },
    Mutant {
        name: "server-rejects-for-the-busy",
        seam: Seam::Core,
        breaks: &["REJ-4"],
        fault: "The server rejects in the name of whoever is in another room.",
        part: Part::Applies(|ledger, transition| {
            let mut deeds = vec![transition.clone()];
            if let Transition::Invited { room_id, invitees, .. } = &transition {
                let attempt_of = |user: &UserId| {
                    let call = ledger.rooms.get(room_id).and_then(|room| room.calls.get(user));
                    AttemptNo(call.map_or(1, |call| call.attempt.0 + 1))
                };
                let busy = invitees.iter().filter(|user| ledger.room_of(user).is_some_and(|other| other != room_id));
                deeds.extend(busy.map(|user| Transition::Answered {
                    room_id: room_id.clone(),
                    invitee: user.clone(),
                    device: DeviceId::from("server"),
                    attempt: attempt_of(user),
                    accepted: false,
                    reason: RejectedReason::InOtherConference,
                }));
            }
            deeds
        }),
    },
    Mutant {
        name: "last-answer-wins",
        seam: Seam::Core,
        breaks: &["DEV-2", "DEV-3"],
        fault: "An answer of a second device replaces that of the first.",
        part: Part::Decides(|asked| {
            let mut decision = asked.core_says();
            if let (Some(call), Some(room), Some(ErrorCode::REQUEST_CONFLICT)) =
                (asked.call(), asked.room(), refusal(&decision))
                && let Some(answered) = room.calls.get(asked.caller.user)
                && matches!(answered.standing, Standing::Accepted | Standing::Rejected)
            {
                decision.result = Ok(Reply::Void);
                decision.transition = Some(Transition::Answered {
                    room_id: call.room_id().expect("an answer names a room").clone(),
                    invitee: asked.caller.user.clone(),
                    device: asked.caller.device.clone(),
                    attempt: answered.attempt,
                    accepted: call.operation() == OperationName::Accept,
                    reason: RejectedReason::RejectToEnter,
                });
            }
            decision
        }),
    },
    Mutant {
        name: "too-late-device-succeeds",
        seam: Seam::Core,
        breaks: &["DEV-3"],
        fault: "A device that answers after another one is told that it succeeded.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            match refusal(&decision) {
                Some(ErrorCode::REQUEST_CONFLICT) => answering(decision, Ok(Reply::Void)),
                _ => decision,
            }
        }),
    },
    Mutant {
        name: "answering-device-is-told",
        seam: Seam::Core,
        breaks: &["DEV-4", "ACC-3", "REJ-3"],
        fault: "onInvitationHandledByOtherDevice goes to the device that answered, too.",
        part: Part::Tells(|telling, effects| {
            let Transition::Answered { invitee, .. } = telling.transition else { return };
            let handled = effects
                .events
                .iter()
                .find(|(_, event)| event.event.name() == EventName::InvitationHandledByOtherDevice);
            if let Some((_, event)) = handled.cloned() {
                let told: Vec<_> = effects.events.iter().filter(|(_, e)| *e == event).map(|(slot, _)| *slot).collect();
                let missed = telling.sessions_of(invitee).into_iter().filter(|slot| !told.contains(slot));
                effects.events.extend(missed.map(|slot| (slot, event.clone())).collect::<Vec<_>>());
            }
        }),
    },
    Mutant {
        name: "reject-silences-one-device",
        seam: Seam::Core,
        breaks: &["DEV-6", "DEV-4", "REJ-3"],
        fault: "After a reject the other devices of the invitee go on ringing.",
        part: Part::Tells(|_, effects| {
            silence(effects, |_, event| matches!(event, Event::InvitationHandledByOtherDevice { accepted: false, .. }));
        }),
    },
    Mutant {
        name: "same-answer-conflicts",
        seam: Seam::Core,
        breaks: &["IDM-3"],
        fault: "A device that says again what it has answered gets 100102.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            let answers = matches!(asked.content.operation(), Some(OperationName::Accept | OperationName::Reject));
            if answers && decision.result.is_ok() && decision.transition.is_none() {
                return refusing(decision, ErrorCode::REQUEST_CONFLICT);
            }
            decision
        }),
    },
    Mutant {
        name: "revocation-in-the-inviters-name",
        seam: Seam::Core,
        breaks: &["REV-1"],
        fault: "operateUser is the inviter, whoever revokes.",
        part: Part::Tells(|telling, effects| {
            if let Transition::Cancelled { .. } = telling.transition {
                reword(effects, |event| {
                    if let Event::InvitationRevokedByAdmin { invitation, operate_user, .. } = event {
                        *operate_user = std::sync::Arc::new(invitation.inviter.clone());
                    }
                });
            }
        }),
    },
    Mutant {
        name: "operator-without-a-role",
        seam: Seam::Core,
        breaks: &["REV-1", "EVT-8"],
        fault: "operateUser is shown as a general user, whatever its role.",
        part: Part::Tells(|_, effects| {
            reword(effects, |event| {
                if let Event::InvitationRevokedByAdmin { operate_user, .. } = event {
                    let shown = UserInfo { user_role: Role::GeneralUser, ..(**operate_user).clone() };
                    *operate_user = std::sync::Arc::new(shown);
                }
            });
        }),
    },
    Mutant {
        name: "revocation-looks-like-a-cancel",
        seam: Seam::Core,
        breaks: &["REV-1"],
        fault: "Whoever is called hears onInvitationCancelled when an administrator revokes the call.",
        part: Part::Tells(|telling, effects| {
            if let Transition::Cancelled { .. } = telling.transition {
                reword(effects, |event| {
                    if let Event::InvitationRevokedByAdmin { room_info, invitation, .. } = event {
                        let (room_info, invitation) = (room_info.clone(), invitation.clone());
                        *event = Event::InvitationCancelled { room_info, invitation };
                    }
                });
            }
        }),
    },
    Mutant {
        name: "inviter-is-not-told-of-the-revocation",
        seam: Seam::Core,
        breaks: &["REV-2"],
        fault: "Only the invitee hears that an administrator has revoked the call.",
        part: Part::Tells(|telling, effects| {
            if let Transition::Cancelled { .. } = telling.transition {
                silence_inviters(telling, effects);
            }
        }),
    },
    Mutant {
        name: "revoked-call-stays-in-the-list",
        seam: Seam::Core,
        breaks: &["REV-3", "EVT-5"],
        fault: "Members are not told that a revoked call has left the list.",
        part: Part::Tells(|telling, effects| {
            let revoked = effects.events.iter().any(|(_, e)| e.event.name() == EventName::InvitationRevokedByAdmin);
            if let (Transition::Cancelled { .. }, true) = (telling.transition, revoked) {
                silence(effects, |_, event| event.name() == EventName::InvitationRemoved);
            }
        }),
    },
    Mutant {
        name: "dissolution-by-nobody",
        seam: Seam::Core,
        breaks: &["REV-4"],
        fault: "On dissolution operateUser is the server: an empty userId.",
        part: Part::Tells(|telling, effects| {
            if let Transition::RoomDestroyed { .. } = telling.transition {
                reword(effects, |event| {
                    if let Event::InvitationRevokedByAdmin { operate_user, .. } = event {
                        std::sync::Arc::make_mut(operate_user).user_id = UserId::from("");
                    }
                });
            }
        }),
    },
    Mutant {
        name: "yesterdays-roles",
        seam: Seam::Core,
        breaks: &["REV-5"],
        fault: "An administrator who has been demoted may still revoke.",
        part: Part::Decides(|asked| {
            let mut decision = asked.core_says();
            if let (Some(Call::CancelInvitation { room_id, user_id_list }), Some(room)) = (asked.call(), asked.room())
                && asked.is_inside()
                && refusal(&decision) == Some(ErrorCode::NO_PERMISSION)
                && room.once_in_power.contains(asked.caller.user)
            {
                let invitees = user_id_list.iter().filter(|user| room.is_pending(user)).cloned().collect();
                let operator = asked.caller.user.clone();
                decision.result = Ok(Reply::Void);
                decision.transition = Some(Transition::Cancelled { room_id: room_id.clone(), operator, invitees });
            }
            decision
        }),
    },
    Mutant {
        name: "owners-calls-can-not-be-revoked",
        seam: Seam::Core,
        breaks: &["CAN-3", "REV-6"],
        fault: "An administrator may revoke anybody's call but the owner's.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            let (Some(room), Some(Transition::Cancelled { operator, invitees, .. })) =
                (asked.room(), &decision.transition)
            else {
                return decision;
            };
            if *operator != room.owner && invitees.iter().any(|user| room.calls[user].inviter == room.owner) {
                return refusing(decision, ErrorCode::NO_PERMISSION);
            }
            decision
        }),
    },
    Mutant {
        name: "removed-shows-the-last-status",
        seam: Seam::Core,
        breaks: &["EVT-6"],
        fault: "The events that end an entry show kPending instead of kNone.",
        part: Part::Tells(|_, effects| {
            reword(effects, |event| {
                if super::core::status(event) == Some(InvitationStatus::None) {
                    super::core::reword_invitation(event, |shown| shown.status = InvitationStatus::Pending);
                }
            });
        }),
    },
];

/// Takes Revoked away from everybody but the invitee that it is about.
fn silence_inviters(telling: &Telling<'_>, effects: &mut Effects) {
    silence(effects, |slot, event| {
        event.name() == EventName::InvitationRevokedByAdmin
            && event.invitation().is_some_and(|shown| !telling.sessions_of(&shown.invitee.user_id).contains(&slot))
    });
}
