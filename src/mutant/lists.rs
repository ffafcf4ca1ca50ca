//! Faults of the list (LST), and of who hears what (EVT).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::core::{
    Asked, answering, empty_page, refusal, refusing, repage, reword, reword_invitation, reword_room, silence,
};
use super::ledger::Standing;
use super::{Mutant, Part, Seam};
use crate::protocol::call::{Call, Reply};
use crate::protocol::core::{Caller, Decision, InvitationCore, SessionSlot, Transition};
use crate::protocol::event::{Event, StampedEvent};
use crate::protocol::logic::Logic;
use crate::protocol::message::Content;
use crate::protocol::service::Service;
use crate::protocol::vocabulary::{
    Cursor, DeviceId, ErrorCode, EventName, InvitationStatus, OperationName, RoomId, UserId,
};
use crate::time::{Duration, Instant};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "first-page-is-the-last",
        seam: Seam::Core,
        breaks: &["LST-1", "LST-6"],
        fault: "The cursor is empty although there is more to read.",
        part: Part::Decides(|asked| paged(asked, |page| page.cursor = Cursor::from(""))),
    },
    Mutant {
        name: "rejected-calls-are-not-listed",
        seam: Seam::Core,
        breaks: &["LST-2"],
        fault: "The list leaves rejected entries out.",
        part: Part::Decides(|asked| {
            paged(asked, |page| {
                page.invitation_list.retain(|item| item.invitation.status != InvitationStatus::Rejected)
            })
        }),
    },
    Mutant {
        name: "newest-entries-first",
        seam: Seam::Core,
        breaks: &["LST-3"],
        fault: "Each page shows its newest entry first.",
        part: Part::Decides(|asked| paged(asked, |page| page.invitation_list.reverse())),
    },
    Mutant {
        name: "re-invite-moves-to-the-end",
        seam: Seam::Core,
        breaks: &["LST-3"],
        fault: "Whoever is called again moves to the end of the list.",
        part: Part::Decides(|asked| paged(asked, |page| page.invitation_list.sort_by_key(|item| item.attempt.0 > 1))),
    },
    Mutant {
        name: "negative-count-is-zero",
        seam: Seam::Core,
        breaks: &["LST-4"],
        fault: "A negative count is taken for 0.",
        part: Part::Decides(|asked| match asked.call() {
            Some(Call::GetInvitationList { room_id, cursor, count }) if *count < 0.0 => asked
                .core_says_to(Call::GetInvitationList { room_id: room_id.clone(), cursor: cursor.clone(), count: 0.0 }),
            _ => asked.core_says(),
        }),
    },
    Mutant {
        name: "unknown-cursors-restart",
        seam: Seam::Core,
        breaks: &["LST-5"],
        fault: "A cursor that is not valid is taken for the beginning.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            match (asked.call(), refusal(&decision)) {
                (Some(Call::GetInvitationList { room_id, count, .. }), Some(ErrorCode::INVALID_PARAMETER)) => {
                    let (room_id, cursor, count) = (room_id.clone(), Cursor::from(""), *count);
                    asked.core_says_to(Call::GetInvitationList { room_id, cursor, count })
                }
                _ => decision,
            }
        }),
    },
    Mutant {
        name: "pages-skip-an-entry",
        seam: Seam::Core,
        breaks: &["LST-6"],
        fault: "The first entry of every page but the first is lost.",
        part: Part::Decides(|asked| {
            let goes_on =
                matches!(asked.call(), Some(Call::GetInvitationList { cursor, .. }) if !cursor.as_str().is_empty());
            paged(asked, |page| {
                if goes_on && !page.invitation_list.is_empty() {
                    page.invitation_list.remove(0);
                }
            })
        }),
    },
    Mutant {
        name: "timed-out-reads-as-pending",
        seam: Seam::Core,
        breaks: &["LST-7", "LST-2"],
        fault: "The list shows calls that have timed out as pending.",
        part: Part::Decides(|asked| {
            paged(asked, |page| {
                for item in &mut page.invitation_list {
                    if item.invitation.status == InvitationStatus::Timeout {
                        Arc::make_mut(&mut item.invitation).status = InvitationStatus::Pending;
                    }
                }
            })
        }),
    },
    Mutant {
        name: "page-is-a-second-old",
        seam: Seam::Core,
        breaks: &["LST-7", "ORD-1", "ORD-5", "REC-3"],
        fault: "A page that was read less than a second ago is read again from a cache, by whoever reads it.",
        part: Part::ServerNode(|config| Box::new(Service::with_logic(config, Cached::default()))),
    },
    Mutant {
        name: "anybody-reads-an-empty-list",
        seam: Seam::Core,
        breaks: &["LST-8"],
        fault: "Whoever may not read the list gets an empty one instead of 100006.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            match (asked.content.operation(), refusal(&decision)) {
                (Some(OperationName::GetInvitationList), Some(ErrorCode::NO_PERMISSION)) => {
                    answering(decision, Ok(empty_page()))
                }
                _ => decision,
            }
        }),
    },
    Mutant {
        name: "accepted-user-outside-may-not-read",
        seam: Seam::Core,
        breaks: &["LST-8"],
        fault: "Between accepting and entering the invitee may not read its entry.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            let accepted = asked.room().and_then(|room| room.standing(asked.caller.user)) == Some(Standing::Accepted);
            if asked.content.operation() == Some(OperationName::GetInvitationList) && accepted && !asked.is_inside() {
                return refusing(decision, ErrorCode::NO_PERMISSION);
            }
            decision
        }),
    },
    Mutant {
        name: "invitee-outside-reads-everything",
        seam: Seam::Core,
        breaks: &["LST-9"],
        fault: "An invitee outside the room reads the entries of everybody.",
        part: Part::Decides(|asked| {
            let decision = asked.core_says();
            let (Ok(Reply::List(_)), Some(room), false) = (&decision.result, asked.room(), asked.is_inside()) else {
                return decision;
            };
            let Some((user, device)) = room.members.iter().next() else { return decision };
            let member = Caller { user, device, ..asked.caller };
            let as_member = asked.core.decide(asked.now, member, asked.content);
            answering(decision, as_member.result)
        }),
    },
    Mutant {
        name: "list-events-reach-the-invitee-outside",
        seam: Seam::Core,
        breaks: &["EVT-1"],
        fault: "onInvitationAdded goes to the devices of the invitee as well, who are not in the room.",
        part: Part::Tells(|telling, effects| {
            let Transition::Invited { invitees, .. } = telling.transition else { return };
            for invitee in invitees {
                let added = effects.events.iter().find(|(_, event)| {
                    event.event.name() == EventName::InvitationAdded
                        && event.event.invitation().is_some_and(|shown| shown.invitee.user_id == *invitee)
                });
                if let Some((_, event)) = added.cloned() {
                    let slots = telling.sessions_of(invitee);
                    effects.events.extend(slots.into_iter().map(|slot| (slot, event.clone())));
                }
            }
        }),
    },
    Mutant {
        name: "only-the-owner-sees-the-list",
        seam: Seam::Core,
        breaks: &["EVT-1", "EVT-3"],
        fault: "onInvitationAdded goes to the owner of the room alone.",
        part: Part::Tells(|telling, effects| {
            let room = telling.transition.room_id().and_then(|room_id| telling.ledger.rooms.get(room_id));
            let Some(owner) = room.map(|room| telling.sessions_of(&room.owner)) else { return };
            silence(effects, |slot, event| event.name() == EventName::InvitationAdded && !owner.contains(&slot));
        }),
    },
    Mutant {
        name: "list-events-without-a-room-id",
        seam: Seam::Core,
        breaks: &["EVT-2"],
        fault: "roomId is empty in list events: only roomInfo says which room it is.",
        part: Part::Tells(|_, effects| {
            reword(effects, |event| match event {
                Event::InvitationAdded { room_id, .. }
                | Event::InvitationRemoved { room_id, .. }
                | Event::InvitationStatusChanged { room_id, .. } => *room_id = Some(RoomId::from("")),
                _ => {}
            });
        }),
    },
    Mutant {
        name: "re-invite-is-not-announced",
        seam: Seam::Core,
        breaks: &["EVT-3"],
        fault: "Members hear onInvitationAdded only of users who have no entry yet.",
        part: Part::Tells(|telling, effects| {
            let Transition::Invited { room_id, .. } = telling.transition else { return };
            let Some(room) = telling.ledger.rooms.get(room_id) else { return };
            silence(effects, |_, event| {
                event.name() == EventName::InvitationAdded
                    && event.invitation().is_some_and(|shown| {
                        let standing = room.standing(&shown.invitee.user_id);
                        matches!(standing, Some(Standing::TimedOut | Standing::Rejected | Standing::Accepted))
                    })
            });
        }),
    },
    Mutant {
        name: "cancel-is-a-status-change",
        seam: Seam::Core,
        breaks: &["EVT-4"],
        fault: "Before onInvitationRemoved members hear onInvitationStatusChanged to kNone.",
        part: Part::Tells(|_, effects| {
            let both = effects.events.drain(..).flat_map(|(slot, removed)| {
                let changed = match &removed.event {
                    Event::InvitationRemoved { room_id, room_info, invitation } => {
                        Some(Event::InvitationStatusChanged {
                            room_id: room_id.clone(),
                            room_info: room_info.clone(),
                            invitation: invitation.clone(),
                        })
                    }
                    _ => None,
                };
                let stamp = removed.stamp.clone();
                let changed = changed.map(|event| (slot, Arc::new(StampedEvent { stamp, event })));
                changed.into_iter().chain([(slot, removed)])
            });
            effects.events = both.collect();
        }),
    },
    Mutant {
        name: "removed-twice",
        seam: Seam::Core,
        breaks: &["EVT-5"],
        fault: "onInvitationRemoved goes out twice.",
        part: Part::Tells(|_, effects| {
            let twice = effects.events.drain(..).flat_map(|told| {
                let again = (told.1.event.name() == EventName::InvitationRemoved).then(|| told.clone());
                [told].into_iter().chain(again)
            });
            effects.events = twice.collect();
        }),
    },
    Mutant {
        name: "inviter-hears-on-one-device",
        seam: Seam::Core,
        breaks: &["EVT-7", "ACC-3", "REJ-3"],
        fault: "Only the inviter's first device hears how its call was answered.",
        part: Part::Tells(|telling, effects| {
            silence(effects, |slot, event| {
                matches!(event.name(), EventName::InvitationAccepted | EventName::InvitationRejected)
                    && event.invitation().is_some_and(|shown| {
                        telling.sessions_of(&shown.inviter.user_id).first().is_some_and(|first| *first != slot)
                    })
            });
        }),
    },
    Mutant {
        name: "inviter-outside-hears-nothing",
        seam: Seam::Core,
        breaks: &["EVT-7"],
        fault: "An inviter who has left the room does not hear how its calls end.",
        part: Part::Tells(|telling, effects| {
            let room = telling.transition.room_id().and_then(|room_id| telling.ledger.rooms.get(room_id));
            let Some(room) = room else { return };
            silence(effects, |slot, event| {
                let ends = matches!(
                    event.name(),
                    EventName::InvitationAccepted | EventName::InvitationRejected | EventName::InvitationTimeout
                );
                ends && event.invitation().is_some_and(|shown| {
                    let inviter = &shown.inviter.user_id;
                    !room.members.contains_key(inviter) && telling.sessions_of(inviter).contains(&slot)
                })
            });
        }),
    },
    Mutant {
        name: "member-count-stands-still",
        seam: Seam::Core,
        breaks: &["EVT-8"],
        fault: "roomMemberCount is always 1.",
        part: Part::Tells(|_, effects| {
            reword(effects, |event| reword_room(event, |info| info.room_member_count = 1));
        }),
    },
    Mutant {
        name: "names-are-ids",
        seam: Seam::Core,
        breaks: &["EVT-8"],
        fault: "userName of inviter and invitee is the userId.",
        part: Part::Tells(|_, effects| {
            reword(effects, |event| {
                reword_invitation(event, |shown| {
                    shown.inviter.user_name = shown.inviter.user_id.as_str().into();
                    shown.invitee.user_name = shown.invitee.user_id.as_str().into();
                });
            });
        }),
    },
    Mutant {
        name: "only-the-latest-login-rings",
        seam: Seam::Core,
        breaks: &["DEV-1"],
        fault: "Of several devices of the invitee only the one that logged in last rings.",
        part: Part::Tells(|telling, effects| {
            silence(effects, |slot, event| {
                event.name() == EventName::ReceiveInvitation
                    && event.invitation().is_some_and(|shown| {
                        telling.sessions_of(&shown.invitee.user_id).last().is_some_and(|last| *last != slot)
                    })
            });
        }),
    },
    Mutant {
        name: "devices-in-a-room-do-not-ring",
        seam: Seam::Core,
        breaks: &["DEV-1"],
        fault: "Whoever is in another room does not hear of a call.",
        part: Part::Tells(|telling, effects| {
            silence(effects, |_, event| {
                event.name() == EventName::ReceiveInvitation
                    && event.invitation().is_some_and(|shown| telling.ledger.room_of(&shown.invitee.user_id).is_some())
            });
        }),
    },
    Mutant {
        name: "newcomers-hear-no-end",
        seam: Seam::Core,
        breaks: &["DEV-7"],
        fault: "A device that logs in while it rings is not told how the ring ends.",
        part: Part::ServerNode(|config| Box::new(Service::with_logic(config, Rung::default()))),
    },
    Mutant {
        name: "ring-comes-twice",
        seam: Seam::Core,
        breaks: &["IDM-4", "EVT-1", "DEV-1"],
        fault: "onReceiveInvitation goes out twice, as two events.",
        part: Part::Tells(|_, effects| {
            let twice = effects.events.drain(..).flat_map(|told| {
                let again = (told.1.event.name() == EventName::ReceiveInvitation).then(|| told.clone());
                [told].into_iter().chain(again)
            });
            effects.events = twice.collect();
        }),
    },
    Mutant {
        name: "removed-before-entered",
        seam: Seam::Core,
        breaks: &["ORD-4"],
        fault: "Members hear that the entry is gone before they hear that the user is in the room.",
        part: Part::Tells(|telling, effects| {
            if let Transition::Entered { .. } = telling.transition {
                effects.events.sort_by_key(|(_, event)| event.event.name() == EventName::RemoteUserEnterRoom);
            }
        }),
    },
    Mutant {
        name: "entering-device-hears-itself",
        seam: Seam::Core,
        breaks: &["ORD-4", "EVT-1"],
        fault: "The entering device hears onRemoteUserEnterRoom of itself.",
        part: Part::Tells(|telling, effects| {
            let Transition::Entered { user, .. } = telling.transition else { return };
            let entered = effects.events.iter().find(|(_, e)| e.event.name() == EventName::RemoteUserEnterRoom);
            if let (Some((_, event)), [slot]) = (entered.cloned(), &*telling.sessions_of(user)) {
                effects.events.push((*slot, event));
            }
        }),
    },
    Mutant {
        name: "items-without-their-revision",
        seam: Seam::Core,
        breaks: &["ORD-5"],
        fault: "Every item of a page carries revision 1.",
        part: Part::Decides(|asked| {
            paged(asked, |page| page.invitation_list.iter_mut().for_each(|item| item.revision.0 = 1))
        }),
    },
    Mutant {
        name: "every-attempt-is-the-first",
        seam: Seam::Core,
        breaks: &["ORD-5", "TERM-3"],
        fault: "The stamps of events name attempt 1, however often the user has been called.",
        part: Part::Tells(|_, effects| {
            for (_, event) in &mut effects.events {
                if let Some(about) = Arc::make_mut(event).stamp.as_mut().and_then(|stamp| stamp.about.as_mut()) {
                    about.attempt.0 = 1;
                }
            }
        }),
    },
    Mutant {
        name: "hints-for-nobody",
        seam: Seam::Core,
        breaks: &["REC-6"],
        fault: "No push hint is sent for an invitee who has no device online.",
        part: Part::Tells(|_, effects| effects.hints.clear()),
    },
    Mutant {
        name: "hints-without-a-room-name",
        seam: Seam::Core,
        breaks: &["REC-6"],
        fault: "Push hints carry the room's id as its name.",
        part: Part::Tells(|_, effects| {
            effects.hints.iter_mut().for_each(|hint| hint.room_name = hint.room_id.as_str().into());
        }),
    },
];

/// The core's decision, with another page.
fn paged(asked: &Asked<'_>, pages: impl FnOnce(&mut crate::protocol::call::InvitationPage)) -> Decision {
    let mut decision = asked.core_says();
    repage(&mut decision, pages);
    decision
}

/// Pages that are kept for a second, for the device that has read them.
#[derive(Default)]
struct Cached {
    pages: BTreeMap<(RoomId, UserId, DeviceId, Cursor), (Instant, Decision)>,
}

impl Logic for Cached {
    fn decide(&mut self, core: &InvitationCore, now: Instant, caller: Caller<'_>, content: &Content) -> Decision {
        let Content::Call(call) = content else { return core.decide(now, caller, content) };
        let Call::GetInvitationList { room_id, cursor, .. } = &**call else {
            return core.decide(now, caller, content);
        };
        let key = (room_id.clone(), caller.user.clone(), caller.device.clone(), cursor.clone());
        match self.pages.get(&key) {
            Some((read, kept)) if now.since(*read) < Duration::from_secs(1) => kept.clone(),
            _ => {
                let decision = core.decide(now, caller, content);
                self.pages.insert(key, (now, decision.clone()));
                decision
            }
        }
    }
}

/// Knows which sessions have heard of a ring, and tells the others nothing of its end.
#[derive(Default)]
struct Rung {
    heard: BTreeMap<(RoomId, UserId), Vec<SessionSlot>>,
}

impl Logic for Rung {
    fn apply(
        &mut self,
        core: &mut InvitationCore,
        at: Instant,
        transition: &Transition,
        effects: &mut crate::protocol::core::Effects,
    ) {
        core.apply(at, transition, effects);
        for (slot, told) in &effects.events {
            if let Event::ReceiveInvitation { room_info, invitation, .. } = &told.event {
                let key = (room_info.room_id.clone(), invitation.invitee.user_id.clone());
                self.heard.entry(key).or_default().push(*slot);
            }
        }
        let heard = &self.heard;
        effects.events.retain(|(slot, told)| {
            let event = &told.event;
            let about = told.stamp.as_ref().and_then(|stamp| stamp.about.as_ref());
            let (true, Some(about), Some(room_id)) = (event.name().closes_ring(), about, event.room_id()) else {
                return true;
            };
            let is_invitee = core.sessions_of(&about.invitee).any(|session| session == *slot);
            !is_invitee
                || heard.get(&(room_id.clone(), about.invitee.clone())).is_some_and(|slots| slots.contains(slot))
        });
    }
}
