//! The reference, reading a requirement otherwise than docs/PROTOCOL.md does, in each of the ways that a profile can
//! declare; and for each a sibling that does neither the one nor the other. They say whether the checks judge by a declared
//! variant, or merely look away.

use std::sync::Arc;

use super::core::{Asked, Telling, empty_page, refusal, refusing, repage, reword, reword_invitation, silence};
use super::ledger::{RoomBook, Standing};
use super::{Mutant, Part, Seam};
use crate::protocol::call::{Call, InvitationPage, ListItem, Reply};
use crate::protocol::core::{Caller, Decision, Effects};
use crate::protocol::event::Event;
use crate::protocol::message::Content;
use crate::protocol::vocabulary::{Cursor, ErrorCode, EventName, InvitationStatus, RoomId, UserId};

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
        requirement: "CAN-6",
        variant: "fails",
        otherwise: deciding("late-cancel-fails", &["CAN-6"], "A cancel that comes too late gets -2311.", |asked| {
            too_late(asked, ErrorCode::REQUEST_ID_INVALID)
        }),
        neither: deciding("late-cancel-conflicts", &["CAN-6"], "A cancel that comes too late gets 100102.", |asked| {
            too_late(asked, ErrorCode::REQUEST_CONFLICT)
        }),
    },
    Reading {
        requirement: "LST-3",
        variant: "newest-first",
        otherwise: deciding("list-with-the-newest-first", &["LST-3"], "The newest entry comes first.", newest_first),
        neither: deciding("list-by-names", &["LST-3"], "Each page is ordered by the names of its users.", |asked| {
            let mut decision = asked.core_says();
            repage(&mut decision, |page| {
                page.invitation_list
                    .sort_by(|one, other| one.invitation.invitee.user_id.cmp(&other.invitation.invitee.user_id));
            });
            decision
        }),
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

/// A cancel is refused where nobody whom it names is being called, and somebody of them has answered or let it time out and
/// is on the list.
fn too_late(asked: &Asked<'_>, code: ErrorCode) -> Decision {
    let decision = asked.core_says();
    let (Some(Call::CancelInvitation { user_id_list, .. }), Some(room), true) =
        (asked.call(), asked.room(), decision.result.is_ok())
    else {
        return decision;
    };
    let is_over = |user: &UserId| {
        matches!(room.standing(user), Some(Standing::Accepted | Standing::Rejected | Standing::TimedOut))
    };
    let is_late = user_id_list.iter().any(is_over) && !user_id_list.iter().any(|user| room.is_pending(user));
    if is_late { refusing(decision, code) } else { decision }
}

/// The list from its other end. A cursor of the core's stands for a place in the list: what comes before it is still to be
/// read.
fn newest_first(asked: &Asked<'_>) -> Decision {
    let mut decision = asked.core_says();
    let (Some(Call::GetInvitationList { room_id, cursor, count }), true) = (asked.call(), decision.result.is_ok())
    else {
        return decision;
    };
    let beginning = Cursor::from("");
    let all = rest_of_list(asked, room_id, &beginning);
    let read = if cursor.as_str().is_empty() { 0 } else { rest_of_list(asked, room_id, cursor).len() };
    let left = all.len() - read;
    // As many as the core would show on a first page, which is not shorter than what is left but for its size.
    let taken = page_of(asked, room_id, &beginning, *count).invitation_list.len().min(left);
    repage(&mut decision, |page| {
        page.invitation_list = all[left - taken..left].iter().rev().cloned().collect();
        page.cursor = place_after(asked, room_id, left - taken);
    });
    decision
}

/// A page as the core gives it; an empty one to whoever may not read.
fn page_of(asked: &Asked<'_>, room_id: &RoomId, cursor: &Cursor, count: f64) -> Arc<InvitationPage> {
    let call = Call::GetInvitationList { room_id: room_id.clone(), cursor: cursor.clone(), count };
    match asked.core_says_to(call).result {
        Ok(Reply::List(page)) => page,
        _ => Arc::new(InvitationPage { invitation_list: Vec::new(), cursor: Cursor::from("") }),
    }
}

/// More than any page has.
const LONGEST: f64 = 1e6;

/// Whatever the core's list shows from a place on.
fn rest_of_list(asked: &Asked<'_>, room_id: &RoomId, from: &Cursor) -> Vec<ListItem> {
    let mut items = Vec::new();
    let mut cursor = from.clone();
    loop {
        let page = page_of(asked, room_id, &cursor, LONGEST);
        items.extend(page.invitation_list.iter().cloned());
        if page.cursor.as_str().is_empty() {
            return items;
        }
        cursor = page.cursor.clone();
    }
}

/// The core's cursor behind so many entries; the empty one behind none.
fn place_after(asked: &Asked<'_>, room_id: &RoomId, entries: usize) -> Cursor {
    let (mut cursor, mut left) = (Cursor::from(""), entries);
    while left > 0 {
        let page = page_of(asked, room_id, &cursor, left as f64);
        left = left.saturating_sub(page.invitation_list.len().max(1));
        cursor = page.cursor.clone();
    }
    cursor
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
