//! Faults of inviteUsers (INV), and of the limits on it.

use std::collections::BTreeSet;

use super::core::{answering, refusal, refusing};
use super::ledger::Standing;
use super::{Mutant, Part, Seam};
use crate::protocol::call::{Call, Reply};
use crate::protocol::core::{Decision, Transition};
use crate::protocol::vocabulary::{ErrorCode, InvitationCode, OperationName, UserId};
use crate::time::Duration;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "only-the-powerful-call",
        seam: Seam::Core,
        breaks: &["INV-1"],
        fault: "General users in the room may not call anybody.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            match &decision.transition {
                Some(Transition::Invited { .. })
                    if asked.room().is_some_and(|room| !room.is_in_power(asked.caller.user)) =>
                {
                    refusing(decision, ErrorCode::NO_PERMISSION)
                }
                _ => decision,
            }
        }),
    },
    Mutant {
        name: "outsiders-lack-permission",
        seam: Seam::Core,
        breaks: &["INV-2", "ERR-1"],
        fault: "Whoever calls from outside the room gets 100006 instead of 100005.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            match (asked.content.operation(), refusal(&decision)) {
                (Some(OperationName::InviteUsers), Some(ErrorCode::USER_NOT_ENTERED)) => {
                    refusing(decision, ErrorCode::NO_PERMISSION)
                }
                _ => decision,
            }
        }),
    },
    Mutant {
        name: "map-of-successes",
        seam: Seam::Core,
        breaks: &["INV-3"],
        fault: "The map of codes leaves out whoever was not called.",
        part: Part::Decides(|asked| {
            recode(asked.core_says(), |codes| codes.retain(|(_, code)| *code == InvitationCode::Success))
        }),
    },
    Mutant {
        name: "duplicates-have-codes-of-their-own",
        seam: Seam::Core,
        breaks: &["INV-3", "INV-8"],
        fault: "An id that stands twice in the list stands twice in the map.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            let Some(Call::InviteUsers { user_id_list, .. }) = asked.call() else { return decision };
            let mut seen = BTreeSet::new();
            let again: Vec<&UserId> = user_id_list.iter().filter(|user| !seen.insert(*user)).collect();
            recode(decision, |codes| {
                codes.extend(again.into_iter().map(|user| (user.clone(), InvitationCode::AlreadyInInvitationList)));
            })
        }),
    },
    Mutant {
        name: "timed-out-users-must-wait",
        seam: Seam::Core,
        breaks: &["INV-5", "INV-4"],
        fault: "Whoever has let a call time out, or rejected it, counts as being called: code 1.",
        part: Part::Decides(|asked| {
            let ended = |user: &UserId| {
                let standing = asked.room().and_then(|room| room.standing(user));
                matches!(standing, Some(Standing::TimedOut | Standing::Rejected))
            };
            uncalled(asked.core_says(), ended, InvitationCode::AlreadyInInvitationList)
        }),
    },
    Mutant {
        name: "codes-of-the-state-after",
        seam: Seam::Core,
        breaks: &["INV-4", "INV-6", "INV-5"],
        fault: "Whoever has let a call time out, or rejected it, and is called again rings, and the answer says 1: the codes \
                are worked out when the call has begun.",
        part: Part::Decides(|asked| {
            let room = asked.room();
            recode(asked.core_says(), |codes| {
                for (user, code) in codes.iter_mut().filter(|(_, code)| *code == InvitationCode::Success) {
                    let standing = room.and_then(|room| room.standing(user));
                    if matches!(standing, Some(Standing::TimedOut | Standing::Rejected)) {
                        *code = InvitationCode::AlreadyInInvitationList;
                    }
                }
            })
        }),
    },
    Mutant {
        name: "second-call-takes-the-ring-over",
        seam: Seam::Core,
        breaks: &["INV-6"],
        fault: "Calling somebody who is being called answers 1, and makes a call of the second caller out of it all the same.",
        part: Part::Decides(|asked| {
            let mut decision = asked.core_says();
            let Some(Call::InviteUsers { room_id, extension_info, .. }) = asked.call() else { return decision };
            let (Some(room), Ok(Reply::Invited(codes)), None) = (asked.room(), &decision.result, &decision.transition)
            else {
                return decision;
            };
            let pending: Vec<UserId> =
                codes.iter().map(|(user, _)| user.clone()).filter(|user| room.is_pending(user)).collect();
            // Without a deadline: the core keeps the timer of the call that it believes to be still there.
            let without = |user: &UserId| room.calls[user].deadline.is_none();
            if !pending.is_empty() && pending.iter().all(without) {
                decision.transition = Some(Transition::Invited {
                    room_id: room_id.clone(),
                    inviter: asked.caller.user.clone(),
                    invitees: pending,
                    deadline: None,
                    extension_info: extension_info.clone(),
                });
            }
            decision
        }),
    },
    Mutant {
        name: "re-invite-keeps-the-first-caller",
        seam: Seam::Core,
        breaks: &["INV-7"],
        fault: "Whoever is called again hears from the one who called first.",
        part: Part::Applies(|ledger, transition| {
            let mut transition = transition;
            if let Transition::Invited { room_id, inviter, invitees, .. } = &mut transition
                && let [invitee] = invitees.as_slice()
                && let Some(call) = ledger.rooms.get(room_id).and_then(|room| room.calls.get(invitee))
            {
                *inviter = call.inviter.clone();
            }
            vec![transition]
        }),
    },
    Mutant {
        name: "own-id-is-left-out",
        seam: Seam::Core,
        breaks: &["INV-8"],
        fault: "The caller's own id has no code in the map.",
        part: Part::Decides(|asked| {
            recode(asked.core_says(), |codes| codes.retain(|(user, _)| user != asked.caller.user))
        }),
    },
    Mutant {
        name: "unknown-accounts-are-skipped",
        seam: Seam::Core,
        breaks: &["INV-10"],
        fault: "Ids without an account are left out of the call instead of failing it.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            match (refusal(&decision), asked.call()) {
                (
                    Some(ErrorCode::USER_NOT_EXIST),
                    Some(Call::InviteUsers { room_id, user_id_list, timeout, extension_info }),
                ) => asked.core_says_to(Call::InviteUsers {
                    room_id: room_id.clone(),
                    user_id_list: user_id_list.iter().filter(|user| asked.core.has_account(user)).cloned().collect(),
                    timeout: *timeout,
                    extension_info: extension_info.clone(),
                }),
                _ => decision,
            }
        }),
    },
    Mutant {
        name: "refused-batch-rings-the-known",
        seam: Seam::Core,
        breaks: &["ERR-3", "INV-10"],
        fault: "A call that fails because one id has no account rings the others all the same.",
        part: Part::Decides(|asked| {
            let mut decision = asked.core_says();
            if let (
                Some(ErrorCode::USER_NOT_EXIST),
                Some(Call::InviteUsers { room_id, user_id_list, timeout, extension_info }),
            ) = (refusal(&decision), asked.call())
            {
                let known: Vec<UserId> =
                    user_id_list.iter().filter(|user| asked.core.has_account(user)).cloned().collect();
                if !known.is_empty() {
                    let then = asked.core_says_to(Call::InviteUsers {
                        room_id: room_id.clone(),
                        user_id_list: known,
                        timeout: *timeout,
                        extension_info: extension_info.clone(),
                    });
                    decision.transition = then.transition;
                }
            }
            decision
        }),
    },
    Mutant {
        name: "fractions-are-cut-off",
        seam: Seam::Core,
        breaks: &["INV-11"],
        fault: "The timeout is cut down to whole seconds, so that half a second becomes never.",
        part: Part::Decides(|asked| match asked.call() {
            Some(Call::InviteUsers { room_id, user_id_list, timeout, extension_info }) if *timeout > 0.0 => asked
                .core_says_to(Call::InviteUsers {
                    room_id: room_id.clone(),
                    user_id_list: user_id_list.clone(),
                    timeout: libm::floor(*timeout),
                    extension_info: extension_info.clone(),
                }),
            _ => asked.core_says(),
        }),
    },
    Mutant {
        name: "extension-info-is-trimmed",
        seam: Seam::Core,
        breaks: &["INV-12"],
        fault: "Blanks at the ends of extensionInfo are lost.",
        part: Part::Applies(|_, transition| {
            let mut transition = transition;
            if let Transition::Invited { extension_info, .. } = &mut transition {
                *extension_info = extension_info.trim().into();
            }
            vec![transition]
        }),
    },
    Mutant {
        name: "offline-users-are-not-called",
        seam: Seam::Core,
        breaks: &["INV-13"],
        fault: "Whoever has no device online gets code 0 and no call.",
        part: Part::Decides(|asked| {
            let offline = |user: &UserId| asked.core.sessions_of(user).next().is_none();
            uncalled(asked.core_says(), offline, InvitationCode::Success)
        }),
    },
    Mutant {
        name: "racing-callers-both-win",
        seam: Seam::Core,
        breaks: &["INV-14"],
        fault: "Whoever calls somebody less than 100 ms after another member is told 0 as well.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            let Some(room) = asked.room() else { return decision };
            recode(decision, |codes| {
                for (user, code) in codes.iter_mut() {
                    let since = room.calls.get(user).filter(|_| room.is_pending(user)).map(|call| call.since);
                    if since.is_some_and(|since| asked.now.since(since) < Duration::from_millis(100)) {
                        *code = InvitationCode::Success;
                    }
                }
            })
        }),
    },
    Mutant {
        name: "accounts-before-membership",
        seam: Seam::Core,
        breaks: &["ERR-1"],
        fault: "Whoever calls from outside the room is told of unknown accounts (-2200) before it is told to enter (100005).",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            match (asked.call(), refusal(&decision)) {
                (Some(Call::InviteUsers { user_id_list, .. }), Some(ErrorCode::USER_NOT_ENTERED))
                    if !user_id_list.iter().all(|user| asked.core.has_account(user)) =>
                {
                    refusing(decision, ErrorCode::USER_NOT_EXIST)
                }
                _ => decision,
            }
        }),
    },
];

/// The decision with other codes, if it has codes.
fn recode(decision: Decision, codes: impl FnOnce(&mut Vec<(UserId, InvitationCode)>)) -> Decision {
    let Ok(Reply::Invited(given)) = &decision.result else { return decision };
    let mut given = given.to_vec();
    codes(&mut given);
    answering(decision, Ok(Reply::Invited(given.into())))
}

/// The decision without the calls to some users, who get this code instead.
fn uncalled(mut decision: Decision, is_so: impl Fn(&UserId) -> bool, instead: InvitationCode) -> Decision {
    let Some(Transition::Invited { invitees, .. }) = &mut decision.transition else { return decision };
    let (left_out, called): (Vec<UserId>, Vec<UserId>) = invitees.drain(..).partition(|user| is_so(user));
    *invitees = called;
    if invitees.is_empty() {
        decision.transition = None;
    }
    recode(decision, |codes| {
        for (_, code) in codes.iter_mut().filter(|(user, _)| left_out.contains(user)) {
            *code = instead;
        }
    })
}
