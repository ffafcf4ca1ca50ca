//! The fold that a client does (ORD-5, REC-3), at the API of each device.
//!
//! It begins with the first complete traversal after an entry into the room, and ends with the membership, with the session
//! (its events are not replayed, REC-1), or with the program.

use std::collections::{BTreeMap, BTreeSet};

use super::super::history::{History, Map, Story};
use super::super::{Difference, Finding, Findings};
use super::{CHECK, reader};
use crate::plan::DeviceIndex;
use crate::protocol::call::{Call, CallNo, InvitationPage, Reply};
use crate::protocol::event::{Event, Stamp, StampedEvent};
use crate::protocol::message::{RoomPoint, ServerMessage};
use crate::protocol::small_map::SmallMap;
use crate::protocol::vocabulary::{
    Cursor, ErrorCode, InstanceId, InvitationStatus, OperationName, Revision, RoomId, UserId,
};
use crate::trace::{DeviceChange, Occurrence};

/// What a device knows of the list of one room.
#[derive(Default)]
struct Fold<'t> {
    /// Which life of the room it is about: revisions begin again in the next.
    instance: Option<InstanceId>,
    /// Per invitee the newest that it has seen: at which revision, and what; kNone for gone.
    known: BTreeMap<&'t UserId, (Revision, InvitationStatus)>,
    /// Whether a traversal has been completed since it entered: only then is what it doesn't know of not there.
    based: bool,
    /// The traversals under way, each by the cursor with which it goes on.
    under_way: BTreeMap<&'t Cursor, Under<'t>>,
}

/// A traversal under way.
#[derive(Default)]
struct Under<'t> {
    /// The revision at which its first page was read, where the wire tells: the API does not.
    since: Option<Revision>,
    shown: BTreeSet<&'t UserId>,
}

impl Fold<'_> {
    /// What follows is of this instance; what is known of another is of no use.
    fn is_of(&mut self, instance: InstanceId) {
        if self.instance.is_some_and(|known| known != instance) {
            *self = Self::default();
        }
        self.instance = Some(instance);
    }
}

/// Folds what a device hears, and compares with what it reads.
pub(super) fn judge<'t>(history: &History<'t>, story: &Story<'_, 't>, findings: &mut Findings) {
    let device = story.device;
    let quiet_from = history.quiet_from().unwrap_or(usize::MAX);
    // What nobody reads before the last lists is never held against anything.
    if !story.moments().any(|(index, moment)| index < quiet_from && reads_a_list(&moment.what)) {
        return;
    }
    let mut folding =
        Folding { history, device, folds: Map::default(), calls: SmallMap::default(), read_at: None, findings };
    // New sessions, which an application can't see begin where the library logs in again by itself.
    let sessions = history.sessions_of(history.user_of(device)).iter().map(|session| history.session(*session));
    let mut begun = sessions.filter(|session| session.device == device).map(|session| session.began.latest).peekable();
    for (index, moment) in story.moments().take_while(|(index, _)| *index < quiet_from) {
        while begun.next_if(|begun| *begun <= index).is_some() {
            folding.folds.clear();
        }
        folding.see(index, &moment.what);
    }
    if begun.next_if(|begun| *begun <= quiet_from).is_some() {
        folding.folds.clear();
    }
    folding.compare_with_final_lists();
}

fn reads_a_list(what: &Occurrence) -> bool {
    matches!(what, Occurrence::Called { content, .. } if matches!(**content, Call::GetInvitationList { .. }))
}

struct Folding<'f, 't> {
    history: &'f History<'t>,
    device: DeviceIndex,
    folds: Map<&'t RoomId, Fold<'t>>,
    calls: SmallMap<CallNo, &'t Call>,
    /// Where the last page that the device took off the wire was read.
    read_at: Option<RoomPoint>,
    findings: &'f mut Findings,
}

impl<'t> Folding<'_, 't> {
    fn see(&mut self, index: usize, what: &'t Occurrence) {
        match what {
            Occurrence::DeviceChanged { change: DeviceChange::Killed, .. } => {
                self.folds.clear();
                self.calls.clear();
            }
            Occurrence::DeviceReceived { message: ServerMessage::Response(response), .. } => {
                if let (Ok(Reply::List(_)), Some(at)) = (&response.result, response.at) {
                    self.read_at = Some(at);
                }
            }
            Occurrence::Called { call, content, .. } => match &**content {
                Call::GetInvitationList { room_id, .. } => {
                    self.calls.insert(*call, content);
                    self.folds.entry(room_id).or_default();
                }
                content if matches!(content.operation(), OperationName::EnterRoom | OperationName::ExitRoom) => {
                    self.calls.insert(*call, content);
                }
                _ => {}
            },
            Occurrence::Returned { call, result, .. } => {
                let Some(asked) = self.calls.remove(call) else { return };
                let Some(room) = asked.room_id() else { return };
                match (asked, result) {
                    (Call::GetInvitationList { cursor, .. }, Ok(Reply::List(page))) => {
                        self.page(index, room, cursor, page);
                    }
                    (Call::GetInvitationList { .. }, _) => {}
                    // What a device knew from before it entered or left is no base; nor where nobody knows whether it did
                    // (IDM-5).
                    (_, Err(error)) if error.code != ErrorCode::FAILED => {}
                    _ => {
                        self.folds.swap_remove(room);
                    }
                }
            }
            Occurrence::Heard { event, .. } => {
                let Some(room) = event.event.room_id() else { return };
                match &event.event {
                    Event::RoomDismissed { .. } | Event::KickedOutOfRoom { .. } => {
                        self.folds.swap_remove(room);
                    }
                    Event::InvitationAdded { invitation, .. }
                    | Event::InvitationRemoved { invitation, .. }
                    | Event::InvitationStatusChanged { invitation, .. } => {
                        let Some(Stamp { instance, revision, .. }) = event.stamp else { return };
                        let fold = self.folds.entry(room).or_default();
                        fold.is_of(instance);
                        let removed = matches!(event.event, Event::InvitationRemoved { .. });
                        let status = if removed { InvitationStatus::None } else { invitation.status };
                        let known = fold.known.entry(&invitation.invitee.user_id).or_insert((revision, status));
                        // ORD-5: a receiver ignores whatever is older than the newest it has seen.
                        if revision >= known.0 {
                            *known = (revision, status);
                        }
                    }
                    _ => self.own_ring(room, event),
                }
            }
            _ => {}
        }
    }

    /// What a device hears of a ring of its own user counts like a list event: an invitee outside hears no other.
    fn own_ring(&mut self, room: &'t RoomId, event: &'t StampedEvent) {
        let Some((stamp, about)) = event.stamp.as_ref().and_then(|stamp| Some((stamp, stamp.about.as_ref()?))) else {
            return;
        };
        let status = match &event.event {
            Event::ReceiveInvitation { .. } => InvitationStatus::Pending,
            Event::InvitationCancelled { .. } | Event::InvitationRevokedByAdmin { .. } => InvitationStatus::None,
            Event::InvitationTimeout { .. } => InvitationStatus::Timeout,
            Event::InvitationHandledByOtherDevice { accepted: true, .. } => InvitationStatus::Accepted,
            Event::InvitationHandledByOtherDevice { accepted: false, .. } => InvitationStatus::Rejected,
            _ => return,
        };
        if about.invitee != self.history.plan().device(self.device).identity.user_id {
            return;
        }
        let fold = self.folds.entry(room).or_default();
        fold.is_of(stamp.instance);
        let known = fold.known.entry(&about.invitee).or_insert((stamp.revision, status));
        if stamp.revision > known.0 {
            *known = (stamp.revision, status);
        }
    }

    fn page(&mut self, index: usize, room: &'t RoomId, cursor: &'t Cursor, page: &'t InvitationPage) {
        let Some(fold) = self.folds.get_mut(room) else { return };
        let read_at = self.read_at;
        if let Some(at) = read_at {
            fold.is_of(at.instance);
        }
        let begins = cursor.as_str().is_empty();
        let mut traversal = if begins { Some(Under::default()) } else { fold.under_way.remove(cursor) };
        if let Some(traversal) = &mut traversal {
            traversal.since = traversal.since.or(read_at.map(|at| at.revision));
            traversal.shown.extend(page.invitation_list.iter().map(|item| &item.invitation.invitee.user_id));
        }
        let mut wrong = None;
        for item in &page.invitation_list {
            let status = item.invitation.status;
            let known = fold.known.entry(&item.invitation.invitee.user_id).or_insert((item.revision, status));
            if known.0 == item.revision && known.1 != status {
                wrong = Some((&item.invitation.invitee.user_id, known.1, status, "of the same revision"));
            } else if item.revision < known.0 {
                // The revisions are the library's to compare: the application is not told them (ORD-5).
                wrong = Some((&item.invitation.invitee.user_id, known.1, status, "from before that"));
            } else {
                *known = (item.revision, status);
            }
        }
        if !page.cursor.as_str().is_empty() {
            fold.under_way.extend(traversal.map(|traversal| (&page.cursor, traversal)));
        } else if let Some(Under { since, shown }) = traversal {
            fold.based = true;
            // REC-3: what was known when it began and it does not show has gone; that event may be dropped.
            for (user, known) in &mut fold.known {
                if since.is_some_and(|since| known.0 <= since) && !shown.contains(user) {
                    known.1 = InvitationStatus::None;
                }
            }
        }
        if let Some((who, known, seen, which)) = wrong {
            self.findings.add(|| {
                let message = format!(
                    "{} and knew {who} as {known}; a page shows {seen} {which}",
                    reader(self.history, self.device, room)
                );
                let difference = Some(Difference { expected: known.to_string(), seen: seen.to_string() });
                let finding = Finding::of(&CHECK, &["ORD-5", "EVT-6"], message).seen_at(index).on(self.device);
                Finding { difference, ..finding }
            });
        }
    }

    /// When all is quiet, what was folded is what is read.
    fn compare_with_final_lists(&mut self) {
        let finals = self.history.finals_of(self.device);
        for (room, fold) in self.folds.iter().filter(|(_, fold)| fold.based) {
            let list = finals.iter().find(|list| list.room == **room && list.complete);
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
                    reader(self.history, self.device, room)
                );
                let difference = Some(Difference { expected: lines(&folded), seen: lines(&read) });
                let requirements = &["ORD-5", "REC-3", "EVT-3", "EVT-4", "EVT-5"];
                Finding {
                    difference,
                    ..Finding::of(&CHECK, requirements, message).seen_at(list.moment).on(self.device)
                }
            });
        }
    }
}

fn lines(list: &BTreeMap<&UserId, InvitationStatus>) -> String {
    list.iter().map(|(user, status)| format!("{user}: {status}")).collect::<Vec<_>>().join("\n")
}
