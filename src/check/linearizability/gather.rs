//! Histories from traces: what the applications called, were answered and heard, and nothing else.
//!
//! A raw device has no library, so its end of the wire is its API. The stamps of events and responses are not looked at.

mod record;

use std::collections::{BTreeMap, BTreeSet};

use self::record::{ApiCall, Ending, Record, Speaker};
use super::standing::Standings;
use super::{Asks, BatchNo, History, Meant, Operation, Outcome, Point, Sight, Sighting};
use crate::check::variants::Variants;
use crate::plan::DeviceIndex;
use crate::protocol::bounds::Bounds;
use crate::protocol::call::{Call, InvitationPage, Reply};
use crate::protocol::core::parameters;
use crate::protocol::event::Event;
use crate::protocol::vocabulary::{ErrorCode, EventName, InvitationStatus, Role, RoomId, UserId};
use crate::trace::Trace;

/// The histories of a trace, by room and invitee: one for everybody who was called, or of whom an invitation was seen.
#[must_use]
pub fn from_trace(trace: &Trace) -> Vec<History> {
    let record = Record::of(trace);
    let sightings = sightings(&record);
    let mut rooms: BTreeMap<&RoomId, Vec<usize>> = BTreeMap::new();
    for (index, call) in record.calls.iter().enumerate() {
        if let Some(room) = call.content.room_id() {
            rooms.entry(room).or_default().push(index);
        }
    }
    for room in sightings.keys() {
        rooms.entry(room).or_default();
    }
    let mut histories = Vec::new();
    for (room, calls) in rooms {
        let mut gathering = Gathering::new(&record, &trace.plan.service.bounds, room, &calls);
        gathering.gather(&calls);
        gathering.dissolved = record.dissolutions_of(room);
        for (invitee, seen) in sightings.get(room).into_iter().flatten() {
            gathering.about(invitee).1.extend(seen.iter().cloned());
        }
        histories.extend(gathering.histories());
    }
    histories
}

type Sightings<'t> = BTreeMap<&'t RoomId, BTreeMap<&'t UserId, Vec<Sighting>>>;

/// What was heard of each entry: the first device that heard of something for the nth time says that it came about n
/// times.
fn sightings<'t>(record: &Record<'t>) -> Sightings<'t> {
    let mut counts: BTreeMap<(&RoomId, &UserId, Sight, EventName, DeviceIndex), u32> = BTreeMap::new();
    let mut most: BTreeMap<(&RoomId, &UserId, Sight), u32> = BTreeMap::new();
    let mut sightings = Sightings::new();
    for heard in &record.heard {
        let speaker = &record.speakers[heard.speaker];
        let Some((room, invitee, sight)) = sight_of(heard.event, speaker.user) else { continue };
        let count = counts.entry((room, invitee, sight.clone(), heard.event.name(), heard.device)).or_default();
        *count += 1;
        let most = most.entry((room, invitee, sight.clone())).or_default();
        if *count > *most {
            *most = *count;
            let sighting = Sighting { who: speaker.name.clone(), sight, count: *count, at: heard.at };
            sightings.entry(room).or_default().entry(invitee).or_default().push(sighting);
        }
    }
    sightings
}

fn sight_of<'t>(event: &'t Event, hearer: &'t UserId) -> Option<(&'t RoomId, &'t UserId, Sight)> {
    let (room, about) = (event.room_id()?, event.invitation().map(|invitation| &invitation.invitee.user_id));
    Some(match event {
        Event::ReceiveInvitation { invitation, .. } | Event::InvitationAdded { invitation, .. } => {
            (room, about?, Sight::Called { inviter: invitation.inviter.user_id.clone() })
        }
        Event::InvitationHandledByOtherDevice { accepted: true, .. } => (room, hearer, Sight::Accepted),
        Event::InvitationHandledByOtherDevice { accepted: false, .. } => (room, hearer, Sight::Rejected),
        Event::InvitationCancelled { .. } => (room, about?, Sight::Cancelled),
        Event::InvitationAccepted { .. } => (room, about?, Sight::Accepted),
        Event::InvitationRejected { .. } => (room, about?, Sight::Rejected),
        Event::InvitationTimeout { .. } => (room, about?, Sight::Expired),
        Event::InvitationRevokedByAdmin { .. } => (room, about?, Sight::Revoked),
        Event::InvitationRemoved { .. } => (room, about?, Sight::Removed),
        Event::InvitationStatusChanged { invitation, .. } => match invitation.status {
            InvitationStatus::Accepted => (room, about?, Sight::Accepted),
            InvitationStatus::Rejected => (room, about?, Sight::Rejected),
            InvitationStatus::Timeout => (room, about?, Sight::Expired),
            InvitationStatus::None | InvitationStatus::Pending => return None,
        },
        Event::RemoteUserEnterRoom { user_info, .. } => (room, &user_info.user_id, Sight::Entered),
        Event::RemoteUserLeaveRoom { user_info, .. } => (room, &user_info.user_id, Sight::Left),
        _ => return None,
    })
}

/// What a device was shown of a list.
struct Look<'t, 'r> {
    call: &'r ApiCall<'t>,
    by: Point,
    page: &'t InvitationPage,
}

/// A traversal that came to the end of the list: whoever was in the list all the time was shown (LST-6).
struct Traversal<'t, 'r> {
    first: &'r ApiCall<'t>,
    by: Point,
    shown: BTreeSet<&'t UserId>,
}

/// All about one room.
struct Gathering<'t, 'r> {
    record: &'r Record<'t>,
    bounds: &'t Bounds,
    room: &'t RoomId,
    /// When it was heard that the room is gone.
    dissolved: Vec<Sighting>,
    standings: Standings,
    /// What concerns everybody.
    common: Vec<Operation>,
    about: BTreeMap<&'t UserId, (Vec<Operation>, Vec<Sighting>)>,
    looks: Vec<Look<'t, 'r>>,
    traversals: Vec<Traversal<'t, 'r>>,
}

impl<'t, 'r> Gathering<'t, 'r> {
    fn new(record: &'r Record<'t>, bounds: &'t Bounds, room: &'t RoomId, calls: &[usize]) -> Self {
        let mut gathering = Self {
            record,
            bounds,
            room,
            dissolved: Vec::new(),
            standings: Standings::default(),
            common: Vec::new(),
            about: BTreeMap::new(),
            looks: Vec::new(),
            traversals: Vec::new(),
        };
        gathering.stand(calls);
        gathering
    }

    fn about(&mut self, invitee: &'t UserId) -> &mut (Vec<Operation>, Vec<Sighting>) {
        self.about.entry(invitee).or_default()
    }

    /// Who was what, from the calls that may have had an effect.
    fn stand(&mut self, calls: &[usize]) {
        let record = self.record;
        let standings = &mut self.standings;
        let mut entered: BTreeSet<&UserId> = BTreeSet::new();
        for call in calls.iter().map(|index| &record.calls[*index]) {
            let (from, by) = match call.ending {
                Ending::Returned(at, _) => (call.called, Some(at)),
                Ending::Unknown => (call.called, None),
                Ending::Failed(..) => continue,
            };
            let user = record.speakers[call.speaker].user;
            match call.content {
                Call::CreateRoom { .. } => standings.created(user, from, by),
                Call::DestroyRoom { .. } => standings.dissolved(from, by),
                Call::EnterRoom { .. } => {
                    entered.insert(user);
                    standings.entered(user, from, by);
                }
                Call::ExitRoom { .. } => standings.left(user, from, by, true),
                Call::KickRemoteUserOutOfRoom { user_id, .. } => standings.left(user_id, from, by, true),
                Call::ChangeUserRole { user_id, user_role: Role::RoomOwner, .. } => {
                    standings.handed_over(user, user_id, from, by);
                }
                Call::ChangeUserRole { user_id, user_role, .. } => {
                    standings.made_administrator(user_id, *user_role == Role::Administrator, from, by);
                }
                Call::InviteUsers { .. } => match call.ending {
                    Ending::Returned(at, Reply::Invited(codes)) => {
                        if codes.iter().any(|(_, code)| code.number() == 0) {
                            standings.invited(user, from, Some(at));
                        }
                    }
                    _ => standings.invited(user, from, None),
                },
                _ => {}
            }
        }
        for user in entered {
            for end in record.session_ends(user, self.room) {
                standings.left(user, end.from, end.by, false);
            }
        }
        standings.complete();
    }

    fn gather(&mut self, calls: &[usize]) {
        let record = self.record;
        let mut open: BTreeMap<usize, Traversal<'t, 'r>> = BTreeMap::new();
        for (batch, call) in calls.iter().map(|index| (BatchNo(*index), &record.calls[*index])) {
            self.concerning_all(call);
            self.concerning_one(call);
            self.concerning_many(call, batch);
            let (Call::GetInvitationList { cursor, .. }, Ending::Returned(by, Reply::List(page))) =
                (call.content, call.ending)
            else {
                continue;
            };
            if cursor.as_str().is_empty() {
                open.insert(call.speaker, Traversal { first: call, by, shown: BTreeSet::new() });
            }
            if let Some(traversal) = open.get_mut(&call.speaker) {
                traversal.by = traversal.by.max(by);
                traversal.shown.extend(page.invitation_list.iter().map(|item| &item.invitation.invitee.user_id));
                if page.cursor.as_str().is_empty() {
                    self.traversals.extend(open.remove(&call.speaker));
                }
            }
            self.looks.push(Look { call, by, page });
        }
        self.forget_twins();
    }

    /// Of devices that read the same at the very same time one is enough: a crowd lists its room all at once.
    fn forget_twins(&mut self) {
        type Shown<'t> = Vec<(&'t UserId, InvitationStatus, &'t UserId)>;
        let mut seen: BTreeMap<(u64, u64), Vec<Shown<'_>>> = BTreeMap::new();
        self.looks.retain(|look| {
            let shown: Shown<'_> = look
                .page
                .invitation_list
                .iter()
                .map(|item| &item.invitation)
                .map(|shown| (&shown.invitee.user_id, shown.status, &shown.inviter.user_id))
                .collect();
            let same = seen.entry((look.call.called.at.as_nanos(), look.by.at.as_nanos())).or_default();
            let new = !same.contains(&shown);
            if new {
                same.push(shown);
            }
            new
        });
        let (record, standings) = (self.record, &self.standings);
        let mut seen: BTreeMap<(u64, u64), Vec<BTreeSet<&UserId>>> = BTreeMap::new();
        self.traversals.retain(|traversal| {
            let user = record.speakers[traversal.first.speaker].user;
            // LST-8, LST-9: an invitee outside sees only its own entry, so that only its own lack says anything.
            if !standings.is_inside(user, traversal.first.called, traversal.by) {
                return true;
            }
            let same = seen.entry((traversal.first.called.at.as_nanos(), traversal.by.at.as_nanos())).or_default();
            let new = !same.contains(&traversal.shown);
            if new {
                same.push(traversal.shown.clone());
            }
            new
        });
    }

    /// The life of the room, which is part of every history.
    fn concerning_all(&mut self, call: &ApiCall<'t>) {
        let (asks, success) = match call.content {
            Call::CreateRoom { .. } => (Asks::Create, Outcome::Done),
            Call::DestroyRoom { .. } => (Asks::Destroy, Outcome::Done),
            _ => return,
        };
        let telling = [ErrorCode::ROOM_ID_OCCUPIED, ErrorCode::ROOM_ID_NOT_EXIST];
        let operation = self.operation(call, asks, &success, &telling, None);
        self.common.extend(operation);
    }

    /// What the invitee does, and what is done to it alone.
    fn concerning_one(&mut self, call: &ApiCall<'t>) {
        let user = self.record.speakers[call.speaker].user;
        let none = ErrorCode::ROOM_ID_NOT_EXIST;
        let (invitee, asks, telling) = match call.content {
            Call::EnterRoom { .. } => (user, Asks::Enter, vec![none]),
            Call::ExitRoom { .. } => (user, Asks::Exit, vec![none, ErrorCode::USER_NOT_ENTERED]),
            Call::KickRemoteUserOutOfRoom { user_id, .. } => {
                (user_id, Asks::Kick, vec![none, ErrorCode::USER_NOT_ENTERED])
            }
            Call::Accept { .. } | Call::Reject { .. } => {
                let accepted = matches!(call.content, Call::Accept { .. });
                let telling = vec![none, ErrorCode::REQUEST_ID_INVALID, ErrorCode::REQUEST_CONFLICT];
                (user, Asks::Answer { accepted, meant: call.meant }, telling)
            }
            Call::GetInvitationList { .. } => {
                // What a list shows is seen to elsewhere; here, that it shows the caller nothing.
                if let Ending::Failed(..) = call.ending {
                    let telling = [none, ErrorCode::NO_PERMISSION];
                    let operation = self.operation(call, Asks::List, &Outcome::Done, &telling, None);
                    self.about(user).0.extend(operation);
                }
                return;
            }
            _ => return,
        };
        let operation = self.operation(call, asks, &Outcome::Done, &telling, None);
        self.about(invitee).0.extend(operation);
    }

    /// The parts of inviteUsers and cancelInvitation.
    fn concerning_many(&mut self, call: &ApiCall<'t>, batch: BatchNo) {
        let (Call::InviteUsers { user_id_list, .. } | Call::CancelInvitation { user_id_list, .. }) = call.content
        else {
            return;
        };
        let distinct: BTreeSet<&'t UserId> = user_id_list.iter().collect();
        let batch = (distinct.len() > 1).then_some(batch);
        let mut telling = vec![ErrorCode::ROOM_ID_NOT_EXIST];
        let user = self.record.speakers[call.speaker].user;
        let asks = match call.content {
            Call::InviteUsers { timeout, .. } => match parameters::timeout_of(*timeout, self.bounds) {
                Ok(timeout) => Asks::Invite { timeout },
                // INV-9: nothing came of it, or another check will say that something did.
                Err(_) => return,
            },
            _ => {
                let by = match call.ending {
                    Ending::Returned(at, _) | Ending::Failed(at, _) => Some(at),
                    Ending::Unknown => None,
                };
                // CAN-4: of several, any one may be what the call was refused for.
                if batch.is_none() {
                    telling.push(ErrorCode::NO_PERMISSION);
                }
                Asks::Cancel { standing: self.standings.of(user, call.called, by) }
            }
        };
        for invitee in distinct {
            let success = match call.ending {
                Ending::Returned(_, Reply::Invited(codes)) => match codes.iter().find(|(user, _)| user == invitee) {
                    Some((_, code)) => Outcome::Code(*code),
                    None => continue,
                },
                _ => Outcome::Done,
            };
            let operation = self.operation(call, asks, &success, &telling, batch);
            self.about(invitee).0.extend(operation);
        }
    }

    /// The operation, unless it is one that tells nothing.
    fn operation(
        &self,
        call: &ApiCall<'t>,
        asks: Asks,
        success: &Outcome,
        telling: &[ErrorCode],
        batch: Option<BatchNo>,
    ) -> Option<Operation> {
        let (returned, outcome) = match call.ending {
            Ending::Returned(at, _) => (Some(at), success.clone()),
            Ending::Failed(at, code) if telling.contains(&code) => (Some(at), Outcome::Failed(code)),
            Ending::Failed(..) => return None,
            Ending::Unknown => (None, Outcome::Unknown),
        };
        Some(called(&self.record.speakers[call.speaker], asks, call.called, returned, outcome, batch))
    }

    fn histories(mut self) -> Vec<History> {
        self.look();
        let about = std::mem::take(&mut self.about);
        let mut histories = Vec::new();
        for (invitee, (mut operations, mut sightings)) in about {
            self.look_in_vain(invitee, &mut operations);
            if !concerns_an_entry(&operations, &sightings) {
                continue;
            }
            operations.extend(self.common.iter().cloned());
            self.sessions_of(invitee, &mut operations);
            sightings.extend(self.dissolved.iter().cloned());
            sightings.sort_by_key(|sighting| sighting.at);
            operations.sort_by_key(|operation| operation.called);
            let bounds = self.bounds.clone();
            histories.push(History {
                room: self.room.clone(),
                invitee: invitee.clone(),
                bounds,
                variants: Variants::default(),
                operations,
                sightings,
            });
        }
        histories
    }

    /// What the lists show; somebody may be listed whom nobody called.
    fn look(&mut self) {
        for look in std::mem::take(&mut self.looks) {
            for shown in look.page.invitation_list.iter().map(|item| &item.invitation) {
                let outcome = Outcome::Shown { status: shown.status, inviter: shown.inviter.user_id.clone() };
                let speaker = &self.record.speakers[look.call.speaker];
                let operation = called(speaker, Asks::List, look.call.called, Some(look.by), outcome, None);
                self.about(&shown.invitee.user_id).0.push(operation);
            }
        }
    }

    /// What the lists do not show.
    fn look_in_vain(&self, invitee: &UserId, operations: &mut Vec<Operation>) {
        for traversal in self.traversals.iter().filter(|traversal| !traversal.shown.contains(invitee)) {
            let speaker = &self.record.speakers[traversal.first.speaker];
            let (from, by) = (traversal.first.called, traversal.by);
            if speaker.user == invitee || self.standings.is_inside(speaker.user, from, by) {
                operations.push(called(speaker, Asks::List, from, Some(by), Outcome::NotShown, None));
            }
        }
    }

    /// TERM-2: the end of a session is an exit, and REJ-5: a library may reject without being asked.
    fn sessions_of(&self, invitee: &UserId, operations: &mut Vec<Operation>) {
        if operations.iter().any(|operation| operation.asks == Asks::Enter) {
            for end in self.record.session_ends(invitee, self.room) {
                let speaker = &self.record.speakers[end.speaker];
                operations.push(called(speaker, Asks::EndSession, end.from, end.by, Outcome::Unknown, None));
            }
        }
        for (speaker, at) in self.record.busy_answers(invitee, self.room) {
            let asks = Asks::Answer { accepted: false, meant: Meant::Any };
            operations.push(called(&self.record.speakers[speaker], asks, at, None, Outcome::Unknown, None));
        }
    }
}

fn called(
    speaker: &Speaker<'_>,
    asks: Asks,
    called: Point,
    returned: Option<Point>,
    outcome: Outcome,
    batch: Option<BatchNo>,
) -> Operation {
    let (who, user, device) = (speaker.name.clone(), speaker.user.clone(), speaker.device.clone());
    Operation { who, user, device, asks, called, returned, outcome, batch }
}

/// Whether anything was asked or seen of an invitation: of somebody who just comes and goes there is nothing to explain.
fn concerns_an_entry(operations: &[Operation], sightings: &[Sighting]) -> bool {
    let asked = operations.iter().any(|operation| {
        matches!(
            (&operation.asks, &operation.outcome),
            (Asks::Invite { .. }, _)
                | (_, Outcome::Shown { .. })
                | (Asks::Answer { .. }, Outcome::Done | Outcome::Failed(ErrorCode::REQUEST_CONFLICT))
        )
    });
    asked || sightings.iter().any(|sighting| !matches!(sighting.sight, Sight::Entered | Sight::Left))
}
