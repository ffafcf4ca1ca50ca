//! When all faults are over and every deadline has passed, everybody agrees: every member device reads the same list of a
//! room, it is the list that the commits made, and nothing is pending beyond its deadline. Judged at the device's API
//! (what it reads) against the server's wire (what was committed).

use std::collections::BTreeSet;

use super::final_lists::Traversal;
use super::follow::{Followed, Room};
use super::history::{History, Map, Span};
use super::{AlwaysCheck, Boundary, Check, Difference, Finding, Findings};
use crate::protocol::call::{Call, ListItem};
use crate::protocol::vocabulary::{ErrorCode, InvitationStatus, RoomId, UserId};

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "quiescence",
    requirements: &["REC-3", "ORD-5", "LST-2", "LST-3", "LST-7", "TMO-4"],
    boundary: Boundary::Both,
    promise: "in the end every member device reads the same list, and it is the one that the commits made",
    begin: || Box::new(Quiescence::default()),
};

#[derive(Default)]
struct Quiescence {
    findings: Findings,
}

impl Check for Quiescence {
    fn finish(&mut self, history: &History<'_>, followed: &Followed<'_>) -> Findings {
        let mut first: Map<&RoomId, &Traversal> = Map::default();
        let living: Map<&RoomId, &Room<'_>> =
            followed.rooms.iter().filter(|room| !room.destroyed).filter_map(|room| Some((room.id?, room))).collect();
        for list in &history.finals {
            let name = &history.plan().device(list.device).name;
            let items = match &list.items {
                // One that gave up an exit which was carried out reads as an invitee outside, if at all (IDM-5).
                Ok(_) if !is_member(history, &living, list) => continue,
                Ok(items) if list.complete => items,
                Ok(_) => {
                    let what = format!("{name} never gets to the end of the list of {}", list.room);
                    self.wrong(list, &["LST-1"], what, None);
                    continue;
                }
                Err(_) if list.cut_off || !is_member(history, &living, list) => continue,
                // ROOM-3: such a room has no list.
                Err(error) if error.code == ErrorCode::OPERATION_NOT_SUPPORTED_IN_CURRENT_ROOM_TYPE => continue,
                Err(error) => {
                    let what = format!("{name} can't read the list of {}, which it is to be in: {error}", list.room);
                    self.wrong(list, &["REC-3", "LST-8"], what, None);
                    continue;
                }
            };
            if let Some(room) = living.get(&list.room) {
                self.compare_with_commits(history, room, list, items);
            }
            let other = *first.entry(&list.room).or_insert(list);
            let Ok(others) = &other.items else { continue };
            if shown(items) != shown(others) {
                let what = format!(
                    "{name} and {} read different lists of {} at the end",
                    history.plan().device(other.device).name,
                    list.room
                );
                let difference = Difference { expected: lines(others), seen: lines(items) };
                self.wrong(list, &["REC-3", "ORD-1"], what, Some(difference));
            }
        }
        std::mem::take(&mut self.findings)
    }
}

impl Quiescence {
    fn compare_with_commits(&mut self, history: &History<'_>, room: &Room<'_>, list: &Traversal, items: &[ListItem]) {
        let name = &history.plan().device(list.device).name;
        for item in items {
            let who = &item.invitation.invitee.user_id;
            let status = item.invitation.status;
            let known = history.user(who).and_then(|user| room.status(user));
            if known.is_some_and(|known| known != status) {
                let known = known.unwrap_or(InvitationStatus::None);
                let what =
                    format!("{name} reads {who} as {status} in {} at the end; by the commits it is {known}", list.room);
                let difference = Difference { expected: known.to_string(), seen: status.to_string() };
                self.wrong(list, &["LST-7", "REC-3"], what, Some(difference));
            }
        }
        let listed: BTreeSet<&UserId> = items.iter().map(|item| &item.invitation.invitee.user_id).collect();
        for user in room.entries.keys() {
            let known = room.status(*user).filter(|status| *status != InvitationStatus::None);
            let who = history.user_id(*user);
            if let Some(known) = known.filter(|_| !listed.contains(who)) {
                let what =
                    format!("{name} does not read {who} in {} at the end; by the commits it is {known}", list.room);
                self.wrong(list, &["LST-2", "REC-3"], what, None);
            }
        }
    }

    fn wrong(&mut self, list: &Traversal, requirements: &[&str], message: String, difference: Option<Difference>) {
        self.findings.add(|| {
            let finding = Finding::of(&CHECK, requirements, message).seen_at(list.moment).on(list.device);
            Finding { difference, ..finding }
        });
    }
}

/// Whether the reader is surely in the room by the commits: a device may not know yet that its session is over.
fn is_member(history: &History<'_>, living: &Map<&RoomId, &Room<'_>>, list: &Traversal) -> bool {
    let Some(room) = living.get(&list.room) else { return false };
    let user = history.user_of(list.device);
    let session = room.members.get(&user).and_then(|member| member.session);
    let now = Span { earliest: list.moment, latest: list.moment };
    // Nobody was told what came of these.
    let may_have_left = history.unanswered_asks(&list.room).any(|ask| match ask.call() {
        Some(Call::ExitRoom { .. }) => history.user_of(ask.device) == user,
        Some(Call::KickRemoteUserOutOfRoom { user_id, .. }) => history.user(user_id) == Some(user),
        Some(Call::DestroyRoom { .. }) => true,
        _ => false,
    });
    session.is_some_and(|session| history.device_of(session) == list.device)
        && room.has_member(history, user, now) == Some(true)
        && !may_have_left
}

fn shown(items: &[ListItem]) -> Vec<(&UserId, InvitationStatus)> {
    items.iter().map(|item| (&item.invitation.invitee.user_id, item.invitation.status)).collect()
}

fn lines(items: &[ListItem]) -> String {
    shown(items).iter().map(|(user, status)| format!("{user}: {status}")).collect::<Vec<_>>().join("\n")
}
