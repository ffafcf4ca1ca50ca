//! The reference, reading a requirement otherwise than docs/PROTOCOL.md does, in each of the ways that a profile can
//! declare; and for each a sibling that does neither the one nor the other. They say whether the checks judge by a declared
//! variant, or merely look away.

use std::sync::Arc;

use super::core::{Asked, Telling, empty_page, refusal, refusing, reword, reword_invitation, silence};
use super::ledger::{RoomBook, Standing};
use super::{Mutant, Part, Seam};
use crate::protocol::call::{Call, Reply};
use crate::protocol::core::{Caller, Decision, Effects};
use crate::protocol::event::Event;
use crate::protocol::message::Content;
use crate::protocol::vocabulary::{ErrorCode, EventName, InvitationStatus, UserId};

/// A variant, and who behaves so.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Which requirement leaves it open.
    pub requirement: &'static str,
    /// The variant's name in profiles.
    pub variant: &'static str,
    /// Behaves as the variant says.
    pub otherwise: Mutant,
    /// Behaves neither so nor as the requirement says.
    pub neither: Mutant,
}

const fn telling(
    name: &'static str,
    breaks: &'static [&'static str],
    fault: &'static str,
    tells: super::core::Tells,
) -> Mutant {
    Mutant { name, seam: Seam::Core, breaks, fault, part: Part::Tells(tells) }
}

const fn deciding(
    name: &'static str,
    breaks: &'static [&'static str],
    fault: &'static str,
    decides: super::core::Decides,
) -> Mutant {
    Mutant { name, seam: Seam::Core, breaks, fault, part: Part::Decides(decides) }
}

/// Every variant that a profile can declare.
pub const READINGS: &[Reading] = &[
    Reading {
        requirement: "REV-2",
        variant: "invitee",
        otherwise: telling(
            "revoked-to-the-invitee",
            &["REV-2"],
            "Only the invitee hears Revoked.",
            |telling, effects| {
                hears_revoked(telling, effects, |user, invitee| user == invitee);
            },
        ),
        neither: telling(
            "revoked-to-the-inviter",
            &["REV-2"],
            "Only the inviter hears Revoked.",
            |telling, effects| {
                hears_revoked(telling, effects, |user, invitee| user != invitee);
            },
        ),
    },
    Reading {
        requirement: "DEV-3",
        variant: "no-live-invitation",
        otherwise: deciding("loser-finds-nothing", &["DEV-3"], "The losing device gets -2311.", |asked| {
            losing(asked, |decision| {
                // SEC-2: the words are the same for everybody.
                let mut refused = refusing(decision, ErrorCode::REQUEST_ID_INVALID);
                if let Err(error) = &mut refused.result {
                    error.message = "no live invitation of the caller to this room".into();
                }
                refused
            })
        }),
        neither: LOSER_HAS_NO_PERMISSION,
    },
    Reading {
        requirement: "DEV-3",
        variant: "success",
        otherwise: deciding("loser-succeeds", &["DEV-3"], "The losing device is told that it succeeded.", |asked| {
            losing(asked, |decision| Decision { result: Ok(Reply::Void), transition: None, ..decision })
        }),
        neither: LOSER_HAS_NO_PERMISSION,
    },
    Reading {
        requirement: "EVT-3",
        variant: "status-changed",
        otherwise: telling(
            "second-call-is-a-change",
            &["EVT-3"],
            "Members hear StatusChanged of who is called again.",
            |telling, effects| {
                called_again(telling, effects, |event| match event {
                    Event::InvitationAdded { room_id, room_info, invitation } => Some(Event::InvitationStatusChanged {
                        room_id: room_id.clone(),
                        room_info: room_info.clone(),
                        invitation: invitation.clone(),
                    }),
                    _ => None,
                });
            },
        ),
        neither: telling(
            "second-call-is-silent",
            &["EVT-3"],
            "Members hear nothing of who is called again.",
            |telling, effects| called_again(telling, effects, |_| None),
        ),
    },
    Reading {
        requirement: "EVT-2",
        variant: "room-info",
        otherwise: telling("list-events-with-roominfo", &["EVT-2"], "List events have no roomId.", |_, effects| {
            reword(effects, without_room_id);
        }),
        neither: telling("list-events-without-roominfo", &["EVT-2"], "List events have no roomInfo.", |_, effects| {
            reword(effects, without_room_info);
        }),
    },
    Reading {
        requirement: "EVT-2",
        variant: "room-id",
        otherwise: telling("list-events-with-roomid", &["EVT-2"], "List events have no roomInfo.", |_, effects| {
            reword(effects, without_room_info);
        }),
        neither: telling("list-events-without-roomid", &["EVT-2"], "List events have no roomId.", |_, effects| {
            reword(effects, without_room_id);
        }),
    },
    Reading {
        requirement: "EVT-6",
        variant: "last",
        otherwise: telling(
            "gone-with-the-last-status",
            &["EVT-6"],
            "What has gone shows the status that it had.",
            |telling, effects| gone_shows(telling, effects, |last| last),
        ),
        neither: telling("gone-with-timeout", &["EVT-6"], "What has gone shows kTimeout.", |telling, effects| {
            gone_shows(telling, effects, |_| InvitationStatus::Timeout);
        }),
    },
    Reading {
        requirement: "EVT-7",
        variant: "member-device",
        otherwise: telling(
            "inviter-hears-in-the-room",
            &["EVT-7"],
            "Of the inviter's devices only the member device hears what becomes of its call.",
            |telling, effects| inviter_hears(telling, effects, |is_member| is_member),
        ),
        neither: telling(
            "inviter-hears-outside",
            &["EVT-7"],
            "Of the inviter's devices all but the member device hear what becomes of its call.",
            |telling, effects| inviter_hears(telling, effects, |is_member| !is_member),
        ),
    },
    Reading {
        requirement: "LST-9",
        variant: "whole-list",
        otherwise: deciding("outsiders-see-all", &["LST-9"], "An invitee outside sees the whole list.", |asked| {
            outsiders_page(asked, |asked, user, content| {
                let decision = asked.core.decide(asked.now, Caller { user, ..asked.caller }, content);
                // A cursor would be the member's (LST-5): longer lists stay as they are.
                let is_whole = matches!(&decision.result, Ok(Reply::List(page)) if page.cursor.as_str().is_empty());
                if is_whole { decision } else { asked.core_says() }
            })
        }),
        neither: deciding("outsiders-see-nothing", &["LST-9"], "An invitee outside sees an empty list.", |asked| {
            outsiders_page(asked, |asked, _, _| Decision { result: Ok(empty_page()), ..asked.core_says() })
        }),
    },
];

const LOSER_HAS_NO_PERMISSION: Mutant =
    deciding("loser-has-no-permission", &["DEV-3"], "The losing device gets 100006.", |asked| {
        losing(asked, |decision| refusing(decision, ErrorCode::NO_PERMISSION))
    });

/// Of Revoked only those devices hear whose user, held against the invitee, may.
fn hears_revoked(telling: &Telling<'_>, effects: &mut Effects, may: impl Fn(&UserId, &UserId) -> bool) {
    silence(effects, |slot, event| {
        let Event::InvitationRevokedByAdmin { invitation, .. } = event else { return false };
        let (invitee, inviter) = (&invitation.invitee.user_id, &invitation.inviter.user_id);
        let user = [invitee, inviter].into_iter().find(|user| telling.sessions_of(user).contains(&slot));
        user.is_some_and(|user| !may(user, invitee))
    });
}

/// What a device gets that answers what another has answered: the core refuses it, whichever the answer is. Its own other
/// answer (IDM-3) is another matter.
fn losing(asked: &Asked<'_>, gets: impl Fn(Decision) -> Decision) -> Decision {
    let decision = asked.core_says();
    if refusal(&decision) != Some(ErrorCode::REQUEST_CONFLICT) {
        return decision;
    }
    let other = match asked.call() {
        Some(Call::Accept { room_id, attempt }) => {
            Call::Reject { room_id: room_id.clone(), reason: 0, attempt: *attempt }
        }
        Some(Call::Reject { room_id, attempt, .. }) => Call::Accept { room_id: room_id.clone(), attempt: *attempt },
        _ => return decision,
    };
    if refusal(&asked.core_says_to(other)) == Some(ErrorCode::REQUEST_CONFLICT) { gets(decision) } else { decision }
}

fn room_of<'a>(telling: &'a Telling<'_>) -> Option<&'a RoomBook> {
    telling.ledger.rooms.get(telling.transition.room_id()?)
}

/// Whether the user was on the list before.
fn was_listed(room: &RoomBook, user: &UserId) -> Option<InvitationStatus> {
    match room.calls.get(user)?.standing {
        Standing::Pending => Some(InvitationStatus::Pending),
        Standing::Accepted => Some(InvitationStatus::Accepted),
        Standing::Rejected => Some(InvitationStatus::Rejected),
        Standing::TimedOut => Some(InvitationStatus::Timeout),
        Standing::Cancelled | Standing::Entered => None,
    }
}

/// Puts something else, or nothing, into the place of what members hear of a call to somebody who is on the list.
fn called_again(telling: &Telling<'_>, effects: &mut Effects, becomes: impl Fn(&Event) -> Option<Event>) {
    let Some(room) = room_of(telling) else { return };
    effects.events.retain_mut(|(_, stamped)| {
        let again = stamped.event.name() == EventName::InvitationAdded
            && stamped.event.invitation().is_some_and(|it| was_listed(room, &it.invitee.user_id).is_some());
        match again.then(|| becomes(&stamped.event)) {
            None => true,
            Some(None) => false,
            Some(Some(event)) => {
                Arc::make_mut(stamped).event = event;
                true
            }
        }
    });
}

fn without_room_id(event: &mut Event) {
    if let Event::InvitationAdded { room_id, .. }
    | Event::InvitationRemoved { room_id, .. }
    | Event::InvitationStatusChanged { room_id, .. } = event
    {
        *room_id = None;
    }
}

fn without_room_info(event: &mut Event) {
    if let Event::InvitationAdded { room_info, .. }
    | Event::InvitationRemoved { room_info, .. }
    | Event::InvitationStatusChanged { room_info, .. } = event
    {
        *room_info = None;
    }
}

/// What was withdrawn or has left the list shows another status, made of the last that it had.
fn gone_shows(telling: &Telling<'_>, effects: &mut Effects, status: impl Fn(InvitationStatus) -> InvitationStatus) {
    let Some(room) = room_of(telling) else { return };
    reword(effects, |event| {
        let is_gone = matches!(
            event.name(),
            EventName::InvitationCancelled | EventName::InvitationRevokedByAdmin | EventName::InvitationRemoved
        );
        let Some(invitee) = event.invitation().filter(|_| is_gone).map(|it| it.invitee.user_id.clone()) else { return };
        let last = match was_listed(room, &invitee) {
            // ACC-4: it has accepted by entering.
            Some(InvitationStatus::Pending)
                if matches!(telling.transition, crate::protocol::core::Transition::Entered { .. }) =>
            {
                InvitationStatus::Accepted
            }
            Some(last) => last,
            None => return,
        };
        reword_invitation(event, |invitation| invitation.status = status(last));
    });
}

/// Of the devices of an inviter only some hear what becomes of its call. The member device hears what goes to members, too.
fn inviter_hears(telling: &Telling<'_>, effects: &mut Effects, may: impl Fn(bool) -> bool) {
    let members: Vec<_> =
        effects.events.iter().filter(|(_, it)| !it.event.name().is_point()).map(|(slot, _)| *slot).collect();
    silence(effects, |slot, event| {
        let is_of_call = matches!(
            event.name(),
            EventName::InvitationAccepted
                | EventName::InvitationRejected
                | EventName::InvitationTimeout
                | EventName::InvitationRevokedByAdmin
        );
        let Some(invitation) = event.invitation().filter(|_| is_of_call) else { return false };
        telling.sessions_of(&invitation.inviter.user_id).contains(&slot) && !may(members.contains(&slot))
    });
}

/// What an invitee who is not in the room gets for its first page, whatever count it asks for: made of what some member would
/// get for the longest.
fn outsiders_page(asked: &Asked<'_>, page: impl Fn(&Asked<'_>, &UserId, &Content) -> Decision) -> Decision {
    let (Some(Call::GetInvitationList { room_id, cursor, .. }), Some(room)) = (asked.call(), asked.room()) else {
        return asked.core_says();
    };
    let longest = Call::GetInvitationList { room_id: room_id.clone(), cursor: cursor.clone(), count: 100.0 };
    match room.members.keys().next() {
        Some(member) if cursor.as_str().is_empty() && !asked.is_inside() && asked.core_says().result.is_ok() => {
            page(asked, member, &Content::Call(Arc::new(longest)))
        }
        _ => asked.core_says(),
    }
}
