//! Faults of order (ORD) and of privacy (SEC): what is said too late, to the wrong one, or in other words to some.

use super::core::{Asked, refusal, refusing};
use super::{Mutant, Part, Seam};
use crate::protocol::call::Call;
use crate::protocol::core::{Caller, Decision, Effects, InvitationCore, SessionSlot, Transition};
use crate::protocol::event::StampedEvent;
use crate::protocol::logic::Logic;
use crate::protocol::message::Content;
use crate::protocol::service::Service;
use crate::protocol::vocabulary::{ApiError, ErrorCode, EventName, OperationName, UserId};
use crate::time::Instant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "last-member-hears-one-event-late",
        seam: Seam::Core,
        breaks: &["ORD-1", "ORD-2", "EVT-1"],
        fault: "One of the members hears of each change of the list only with the next one.",
        part: Part::ServerNode(|config| Box::new(Service::with_logic(config, Held::new(Whom::LastMember)))),
    },
    Mutant {
        name: "timeout-comes-after-the-next-ring",
        seam: Seam::Core,
        breaks: &["ORD-2", "TMO-4", "TMO-5"],
        fault: "The invitee hears that a call has timed out only when it is called again, and after that.",
        part: Part::ServerNode(|config| Box::new(Service::with_logic(config, Held::new(Whom::Invitee)))),
    },
    Mutant {
        name: "errors-without-words",
        seam: Seam::Core,
        breaks: &["ERR-4"],
        fault: "Errors carry a code and an empty message.",
        part: Part::Decides(|asked| {
            let mut decision = asked.core_says();
            if let Err(error) = &mut decision.result {
                error.message = "".into();
            }
            decision
        }),
    },
    Mutant {
        name: "camera-code-for-authorisation",
        seam: Seam::Core,
        breaks: &["ERR-5"],
        fault: "Whoever may not do something gets -1003.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            match refusal(&decision) {
                Some(ErrorCode::NO_PERMISSION) => refusing(decision, ErrorCode::PERMISSION_DENIED),
                _ => decision,
            }
        }),
    },
    Mutant {
        name: "quotes-in-room-ids",
        seam: Seam::Core,
        breaks: &["ERR-2"],
        fault: "Room ids with characters outside the set are looked for: 100004 instead of -2105.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            match refusal(&decision) {
                Some(ErrorCode::ROOM_ID_INVALID) => refusing(decision, ErrorCode::ROOM_ID_NOT_EXIST),
                _ => decision,
            }
        }),
    },
    Mutant {
        name: "identity-from-the-body",
        seam: Seam::Core,
        breaks: &["SEC-1"],
        fault: "An accept or reject that names a userId counts as that user's.",
        part: Part::Decides(|asked| {
            let Content::Malformed(malformed) = asked.content else { return asked.core_says() };
            let text = |field: &str| malformed.args.get(field).and_then(serde_json::Value::as_str);
            let named = text("userId").map(UserId::from).filter(|user| asked.core.has_account(user));
            let (Some(user), Some(room_id)) = (named, text("roomId")) else { return asked.core_says() };
            let call = match OperationName::from_name(&malformed.operation) {
                Some(OperationName::Accept) => Call::Accept { room_id: room_id.into(), attempt: None },
                Some(OperationName::Reject) => Call::Reject { room_id: room_id.into(), reason: 0, attempt: None },
                _ => return asked.core_says(),
            };
            let caller = Caller { user: &user, ..asked.caller };
            asked.core.decide(asked.now, caller, &Content::Call(std::sync::Arc::new(call)))
        }),
    },
    Mutant {
        name: "refusal-tells-that-somebody-is-called",
        seam: Seam::Core,
        breaks: &["SEC-2", "SEC-3"],
        fault: "Whoever accepts a call that is somebody else's is told so; where nobody is called, it is not.",
        part: Part::Decides(|asked| {
            let mut decision = asked.core_says();
            let others = asked.room().is_some_and(|room| room.pending().any(|(user, _)| user != asked.caller.user));
            if let (Err(error), true) = (&mut decision.result, others)
                && error.code == ErrorCode::REQUEST_ID_INVALID
            {
                *error = ApiError::new(error.code, "the call is for somebody else");
            }
            decision
        }),
    },
    Mutant {
        name: "strangers-are-told-by-another-code",
        seam: Seam::Core,
        breaks: &["SEC-2", "ERR-1"],
        fault: "Whoever is not called gets 100006 for an accept, and not what an ended call gets.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            let unknown = asked.room().is_some_and(|room| !room.calls.contains_key(asked.caller.user));
            match refusal(&decision) {
                Some(ErrorCode::REQUEST_ID_INVALID) if unknown => refusing(decision, ErrorCode::NO_PERMISSION),
                _ => decision,
            }
        }),
    },
    Mutant {
        name: "revisions-for-everybody",
        seam: Seam::Core,
        breaks: &["SEC-3"],
        fault: "Responses tell strangers the revision of the room, which counts its calls.",
        part: Part::Decides(pointed),
    },
    Mutant {
        name: "cancel-by-a-stranger-tells-who-is-called",
        seam: Seam::Core,
        breaks: &["SEC-3", "CAN-4"],
        fault: "A stranger's cancel succeeds where nobody of the list is being called, and fails where somebody is.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            let (Some(Call::CancelInvitation { user_id_list, .. }), Some(room)) = (asked.call(), asked.room()) else {
                return decision;
            };
            let anybody = user_id_list.iter().any(|user| room.is_pending(user));
            if refusal(&decision) == Some(ErrorCode::NO_PERMISSION) && !asked.is_inside() && !anybody {
                return super::core::answering(decision, Ok(crate::protocol::call::Reply::Void));
            }
            decision
        }),
    },
    Mutant {
        name: "full-room-lets-the-invited-wait-outside",
        seam: Seam::Core,
        breaks: &["SEC-5", "ACC-7"],
        fault: "Whoever has accepted and finds the room full is told that it has entered, and is not in it.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            let accepted = asked.room().and_then(|room| room.standing(asked.caller.user))
                == Some(super::ledger::Standing::Accepted);
            match (asked.call(), refusal(&decision)) {
                (Some(Call::EnterRoom { room_id, .. }), Some(ErrorCode::ROOM_USER_FULL)) if accepted => {
                    let info = asked.core.room_info_reply(room_id).expect("it is full, so it exists");
                    super::core::answering(decision, Ok(info))
                }
                _ => decision,
            }
        }),
    },
];

/// Every response says where the room stands.
fn pointed(asked: &Asked<'_>) -> Decision {
    let decision = asked.core_says();
    let room_id = asked.call().and_then(Call::room_id);
    let point = room_id.and_then(|room_id| asked.core.room_point(room_id));
    Decision { instance: decision.instance.or(point.map(|point| point.instance)), ..decision }
}

/// For whom something is held back.
#[derive(Clone, Copy)]
enum Whom {
    /// Everything of the list, for the member with the last session.
    LastMember,
    /// The end of a ring, for the invitee.
    Invitee,
}

/// The core, with one of the recipients always one commit behind.
struct Held {
    whom: Whom,
    held: Vec<(SessionSlot, std::sync::Arc<StampedEvent>)>,
}

impl Held {
    const fn new(whom: Whom) -> Self {
        Self { whom, held: Vec::new() }
    }

    fn holds(&self, core: &InvitationCore, last: Option<SessionSlot>, slot: SessionSlot, told: &StampedEvent) -> bool {
        match self.whom {
            Whom::LastMember => told.event.name().is_list() && last == Some(slot),
            Whom::Invitee => {
                told.event.name() == EventName::InvitationTimeout
                    && told
                        .event
                        .invitation()
                        .is_some_and(|shown| core.sessions_of(&shown.invitee.user_id).any(|session| session == slot))
            }
        }
    }
}

impl Logic for Held {
    fn session_end(&mut self, core: &InvitationCore, user: &UserId, slot: SessionSlot) -> Option<Transition> {
        self.held.retain(|(held, _)| *held != slot);
        core.decide_session_end(user, slot)
    }

    fn apply(&mut self, core: &mut InvitationCore, at: Instant, transition: &Transition, effects: &mut Effects) {
        let due = std::mem::take(&mut self.held);
        core.apply(at, transition, effects);
        let members: std::collections::BTreeSet<SessionSlot> =
            effects.events.iter().filter(|(_, told)| told.event.name().is_list()).map(|(slot, _)| *slot).collect();
        let last = members.last().copied().filter(|_| members.len() > 1);
        let (held, told) = effects.events.drain(..).partition(|(slot, told)| self.holds(core, last, *slot, told));
        self.held = held;
        effects.events = told;
        // What was held comes behind what is new.
        effects.events.extend(due);
        // Nothing is held for a session that hears that its room is gone.
        if let Transition::RoomDestroyed { .. } = transition {
            self.held.clear();
        }
    }
}
