//! The fold that a client does (ORD-5, REC-3), at the API of each device.
//!
//! It begins with the first complete traversal after an entry into the room, and ends with the membership, with the session
//! (its events are not replayed, REC-1), or with the program.

use std::collections::{BTreeMap, BTreeSet};

use super::super::final_lists::Traversal;
use super::super::history::{History, Map};
use super::super::{Difference, Finding, Findings};
use super::{CHECK, reader};
use crate::plan::DeviceIndex;
use crate::protocol::call::{Call, CallNo, InvitationPage, Reply};
use crate::protocol::event::Event;
use crate::protocol::message::ServerMessage;
use crate::protocol::vocabulary::{InvitationStatus, OperationName, Revision, RoomId, UserId};
use crate::trace::{DeviceChange, Occurrence, Stage};

/// What a device knows of the list of one room.
#[derive(Default)]
struct Fold<'t> {
    /// Per invitee the newest that it has seen: at which revision, and what; kNone for gone.
    known: BTreeMap<&'t UserId, (Revision, InvitationStatus)>,
    /// Whether a traversal has been completed since it entered: only then is what it doesn't know of not there.
    based: bool,
    /// The traversal that began with the empty cursor and is under way.
    traversal: Option<Under<'t>>,
}

/// A traversal under way.
#[derive(Default)]
struct Under<'t> {
    /// The revision at which its first page was read, where the wire tells: the API does not.
    since: Option<Revision>,
    shown: BTreeSet<&'t UserId>,
}

/// Folds what each device hears, and compares with what it reads.
pub(super) fn judge(history: &History<'_>, finals: &[Traversal], findings: &mut Findings) {
    let mut folding =
        Folding { history, folds: Map::default(), calls: Map::default(), read_at: Map::default(), findings };
    // New sessions, which an application can't see begin where the library logs in again by itself.
    let mut begun: BTreeMap<usize, Vec<DeviceIndex>> = BTreeMap::new();
    for session in &history.sessions {
        begun.entry(session.began.latest).or_default().push(session.device);
    }
    for (index, moment) in history.trace.moments.iter().enumerate() {
        for device in begun.remove(&index).into_iter().flatten() {
            folding.forget(device);
        }
        if moment.what == Occurrence::Stage(Stage::FinalLists) {
            break;
        }
        folding.see(index, &moment.what);
    }
    folding.compare_with(finals);
}

struct Folding<'f, 't> {
    history: &'f History<'t>,
    folds: Map<(DeviceIndex, &'t RoomId), Fold<'t>>,
    calls: Map<(DeviceIndex, CallNo), &'t Call>,
    /// The revision of the last page that each device took off the wire.
    read_at: Map<DeviceIndex, Revision>,
    findings: &'f mut Findings,
}

impl<'t> Folding<'_, 't> {
    fn forget(&mut self, device: DeviceIndex) {
        self.folds.retain(|(of, _), _| *of != device);
    }

    fn see(&mut self, index: usize, what: &'t Occurrence) {
        match what {
            Occurrence::DeviceChanged { device, change: DeviceChange::Killed } => {
                self.forget(*device);
                self.calls.retain(|(of, _), _| of != device);
            }
            Occurrence::DeviceReceived { device, message: ServerMessage::Response(response), .. } => {
                if let (Ok(Reply::List(_)), Some(at)) = (&response.result, response.at) {
                    self.read_at.insert(*device, at.revision);
                }
            }
            Occurrence::Called { device, call, content, .. } => match &**content {
                Call::GetInvitationList { room_id, cursor, .. } => {
                    self.calls.insert((*device, *call), content);
                    let fold = self.folds.entry((*device, room_id)).or_default();
                    if cursor.as_str().is_empty() {
                        fold.traversal = Some(Under::default());
                    }
                }
                content if matches!(content.operation(), OperationName::EnterRoom | OperationName::ExitRoom) => {
                    self.calls.insert((*device, *call), content);
                }
                _ => {}
            },
            Occurrence::Returned { device, call, result } => {
                let Some(asked) = self.calls.swap_remove(&(*device, *call)) else { return };
                let Some(room) = asked.room_id() else { return };
                match (asked, result) {
                    (Call::GetInvitationList { .. }, Ok(Reply::List(page))) => self.page(index, *device, room, page),
                    (Call::GetInvitationList { .. }, _) => {
                        if let Some(fold) = self.folds.get_mut(&(*device, room)) {
                            fold.traversal = None;
                        }
                    }
                    // What a device knew from before it entered or left is no base.
                    (_, Ok(_)) => {
                        self.folds.swap_remove(&(*device, room));
                    }
                    (_, Err(_)) => {}
                }
            }
            Occurrence::Heard { device, event } => {
                let Some(room) = event.event.room_id() else { return };
                match &event.event {
                    Event::RoomDismissed { .. } | Event::KickedOutOfRoom { .. } => {
                        self.folds.swap_remove(&(*device, room));
                    }
                    Event::InvitationAdded { invitation, .. }
                    | Event::InvitationRemoved { invitation, .. }
                    | Event::InvitationStatusChanged { invitation, .. } => {
                        let Some(revision) = event.stamp.as_ref().map(|stamp| stamp.revision) else { return };
                        let fold = self.folds.entry((*device, room)).or_default();
                        let removed = matches!(event.event, Event::InvitationRemoved { .. });
                        let status = if removed { InvitationStatus::None } else { invitation.status };
                        let known = fold.known.entry(&invitation.invitee.user_id).or_insert((revision, status));
                        // ORD-5: a receiver ignores whatever is older than the newest it has seen.
                        if revision >= known.0 {
                            *known = (revision, status);
                        }
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn page(&mut self, index: usize, device: DeviceIndex, room: &'t RoomId, page: &'t InvitationPage) {
        let Some(fold) = self.folds.get_mut(&(device, room)) else { return };
        if let Some(traversal) = &mut fold.traversal {
            traversal.since = traversal.since.or(self.read_at.get(&device).copied());
            traversal.shown.extend(page.invitation_list.iter().map(|item| &item.invitation.invitee.user_id));
        }
        let mut wrong = None;
        for item in &page.invitation_list {
            let status = item.invitation.status;
            let known = fold.known.entry(&item.invitation.invitee.user_id).or_insert((item.revision, status));
            if known.0 == item.revision && known.1 != status {
                wrong = Some((&item.invitation.invitee.user_id, known.1, status));
            } else if item.revision > known.0 {
                *known = (item.revision, status);
            }
        }
        if page.cursor.as_str().is_empty()
            && let Some(Under { since, shown }) = fold.traversal.take()
        {
            fold.based = true;
            // REC-3: what was known when it began and it does not show has gone; that event may be dropped.
            for (user, known) in &mut fold.known {
                if since.is_some_and(|since| known.0 <= since) && !shown.contains(user) {
                    known.1 = InvitationStatus::None;
                }
            }
        }
        if let Some((who, known, seen)) = wrong {
            self.findings.add(|| {
                let message = format!(
                    "{} and knew {who} as {known}; a page shows {seen} of the same revision",
                    reader(self.history, device, room)
                );
                let difference = Some(Difference { expected: known.to_string(), seen: seen.to_string() });
                let finding = Finding::of(&CHECK, &["ORD-5", "EVT-6"], message).seen_at(index).on(device);
                Finding { difference, ..finding }
            });
        }
    }

    /// When all is quiet, what was folded is what is read.
    fn compare_with(&mut self, finals: &[Traversal]) {
        for ((device, room), fold) in self.folds.iter().filter(|(_, fold)| fold.based) {
            let list = finals.iter().find(|list| list.device == *device && list.room == **room && list.complete);
            let Some((list, Ok(items))) = list.map(|list| (list, &list.items)) else { continue };
            let read: BTreeMap<&UserId, InvitationStatus> =
                items.iter().map(|item| (&item.invitation.invitee.user_id, item.invitation.status)).collect();
            let folded: BTreeMap<&UserId, InvitationStatus> = fold
                .known
                .iter()
                .filter(|(_, (_, status))| *status != InvitationStatus::None)
                .map(|(user, (_, status))| (*user, *status))
                .collect();
            if read == folded {
                continue;
            }
            self.findings.add(|| {
                let message = format!(
                    "{} from its first traversal and the events it heard, and at the end it reads another list",
                    reader(self.history, *device, room)
                );
                let difference = Some(Difference { expected: lines(&folded), seen: lines(&read) });
                let requirements = &["ORD-5", "REC-3", "EVT-3", "EVT-4", "EVT-5"];
                Finding { difference, ..Finding::of(&CHECK, requirements, message).seen_at(list.moment).on(*device) }
            });
        }
    }
}

fn lines(list: &BTreeMap<&UserId, InvitationStatus>) -> String {
    list.iter().map(|(user, status)| format!("{user}: {status}")).collect::<Vec<_>>().join("\n")
}
