//! What changes, and who hears of it.
//!
//! [`apply`] is the only place that changes a room, and the only place that addresses events. Every transition of a room
//! is one commit: the revision grows by one, and every event of the commit carries it (ORD-5).

use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::room::{Answered, Entry, Invitee, Member, Room};
use super::{Deadline, DissolvedRoom, InvitationCore, SessionSlot, Told};
use crate::protocol::event::{AttemptOf, Event, Invitation, PushHint, RoomInfo, Stamp, StampedEvent, UserInfo};
use crate::protocol::vocabulary::{
    AttemptNo, DeviceId, InstanceId, InvitationStatus, KickedOutOfRoomReason, RejectedReason, Revision, Role,
    RoomDismissedReason, RoomId, RoomType, UserId,
};
use crate::time::Instant;

/// One change of state. A server writes these down and is restored by applying them again.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the call that leads to the change")]
pub enum Transition {
    /// setSelfInfo. Concerns no room.
    SelfInfoSet { user: UserId, user_name: Arc<str>, avatar_url: Arc<str> },
    /// createRoom: revision 1 of a new instance.
    RoomCreated {
        room_id: RoomId,
        owner: UserId,
        room_name: Arc<str>,
        room_type: RoomType,
        password: Arc<str>,
        max_member_count: u32,
        attendees: Vec<UserId>,
    },
    /// destroyRoom (ROOM-5).
    RoomDestroyed { room_id: RoomId },
    /// A successful entry, or a move from another device of the same user (ROOM-8).
    Entered { room_id: RoomId, user: UserId, device: DeviceId },
    /// A member is no longer one.
    Left { room_id: RoomId, user: UserId, cause: LeaveCause },
    /// changeUserRole; kRoomOwner hands the room over.
    RoleChanged { room_id: RoomId, user: UserId, role: Role },
    /// updateRoomNameByAdmin.
    RoomRenamed { room_id: RoomId, room_name: Arc<str> },
    /// addAttendeesByAdmin, removeAttendeesByAdmin.
    AttendeesChanged { room_id: RoomId, joined: Vec<UserId>, left: Vec<UserId> },
    /// T1: an attempt begins for each of the invitees.
    Invited {
        room_id: RoomId,
        inviter: UserId,
        invitees: Vec<UserId>,
        deadline: Option<Instant>,
        extension_info: Arc<str>,
    },
    /// T7 and T8: live attempts end. For the operator's own it is a cancel (CAN-8), for others' a revocation (REV-1).
    Cancelled { room_id: RoomId, operator: UserId, invitees: Vec<UserId> },
    /// T4 and T5.
    Answered {
        room_id: RoomId,
        invitee: UserId,
        device: DeviceId,
        attempt: AttemptNo,
        accepted: bool,
        reason: RejectedReason,
    },
    /// T6.
    Expired { room_id: RoomId, invitee: UserId, attempt: AttemptNo },
    /// What a core of somebody else said: it knows what has changed, and we do not.
    Told(Arc<Told>),
}

/// Why a member left.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LeaveCause {
    /// exitRoom.
    Exit,
    /// kickRemoteUserOutOfRoom.
    Kicked,
    /// The session ended (TERM-2).
    SessionEnded,
}

/// Who hears what of a transition.
#[derive(Debug, Default)]
pub struct Effects {
    /// The events, in the order in which they go out.
    pub events: Vec<(SessionSlot, Arc<StampedEvent>)>,
    /// Invitees without an online device (REC-6).
    pub hints: Vec<PushHint>,
}

impl Transition {
    /// The room that it changes, if it changes one.
    #[must_use]
    pub const fn room_id(&self) -> Option<&RoomId> {
        match self {
            Self::SelfInfoSet { .. } | Self::Told(_) => None,
            Self::RoomCreated { room_id, .. }
            | Self::RoomDestroyed { room_id }
            | Self::Entered { room_id, .. }
            | Self::Left { room_id, .. }
            | Self::RoleChanged { room_id, .. }
            | Self::RoomRenamed { room_id, .. }
            | Self::AttendeesChanged { room_id, .. }
            | Self::Invited { room_id, .. }
            | Self::Cancelled { room_id, .. }
            | Self::Answered { room_id, .. }
            | Self::Expired { room_id, .. } => Some(room_id),
        }
    }
}

pub(super) fn apply(core: &mut InvitationCore, at: Instant, transition: &Transition, effects: &mut Effects) {
    match transition {
        Transition::SelfInfoSet { user, user_name, avatar_url } => {
            let account = core.user_mut(user);
            account.name = user_name.clone();
            account.avatar_url = avatar_url.clone();
            for room in core.rooms.values_mut().filter(|room| room.owner == *user) {
                room.info = None;
            }
        }
        Transition::RoomCreated { .. } => room_created(core, at, transition),
        Transition::RoomDestroyed { room_id } => room_destroyed(core, at, room_id, effects),
        Transition::Entered { room_id, user, device } => entered(core, at, room_id, user, device, effects),
        Transition::Left { room_id, user, cause } => left(core, room_id, user, *cause, effects),
        Transition::RoleChanged { room_id, user, role } => role_changed(core, room_id, user, *role, effects),
        Transition::RoomRenamed { room_id, room_name } => {
            let name = room_name.clone();
            commit(core, room_id, |room| room.name = name);
        }
        Transition::AttendeesChanged { room_id, joined, left } => {
            attendees_changed(core, room_id, joined, left, effects);
        }
        Transition::Invited { room_id, inviter, invitees, deadline, extension_info } => {
            let addressed = commit(core, room_id, |room| {
                room.inviters.insert(inviter.clone());
            });
            for invitee in invitees {
                invited(core, at, &addressed, inviter, invitee, *deadline, extension_info, effects);
            }
        }
        Transition::Cancelled { room_id, operator, invitees } => {
            let addressed = commit(core, room_id, |_| {});
            for invitee in invitees {
                cancelled(core, &addressed, operator, invitee, effects);
            }
        }
        Transition::Answered { room_id, invitee, device, accepted, reason, .. } => {
            let addressed = commit(core, room_id, |_| {});
            answered(core, at, &addressed, invitee, device, *accepted, *reason, effects);
        }
        Transition::Expired { room_id, invitee, .. } => {
            let addressed = commit(core, room_id, |_| {});
            expired(core, &addressed, invitee, effects);
        }
        Transition::Told(_) => unreachable!("this core tells nothing that it has not decided"),
    }
}

/// One commit of an instance (ORD-5), and what its events share: who hears of it are the members after the change.
fn commit(core: &mut InvitationCore, room_id: &RoomId, change: impl FnOnce(&mut Room)) -> Addressed {
    let place = core.rooms.get_index_of(room_id).expect("a transition names a room that exists");
    let room = &mut core.rooms[place];
    room.revision = Revision(room.revision.0 + 1);
    change(room);
    room.forget_old_info();
    let info = core.room_info(&core.rooms[place]);
    let room = &mut core.rooms[place];
    room.info.get_or_insert_with(|| info.clone());
    Addressed {
        place,
        room_id: room.id.clone(),
        instance: room.instance,
        revision: room.revision,
        info,
        members: room.members.values().map(|member| member.slot).collect(),
    }
}

/// What the events of one commit share.
struct Addressed {
    /// Where the room is kept; it stays there for the whole commit.
    place: usize,
    room_id: RoomId,
    instance: InstanceId,
    revision: Revision,
    info: Arc<RoomInfo>,
    /// M: the member devices that hear of this commit.
    members: SmallVec<[SessionSlot; 4]>,
}

impl InvitationCore {
    fn devices_of(&self, user: &UserId) -> impl Iterator<Item = SessionSlot> + '_ {
        self.user(user).sessions.iter().map(|session| session.slot)
    }
}

impl Addressed {
    fn stamped(&self, about: Option<(&UserId, AttemptNo)>, event: Event) -> Arc<StampedEvent> {
        let about = about.map(|(invitee, attempt)| AttemptOf { invitee: invitee.clone(), attempt });
        Arc::new(StampedEvent { stamp: Some(Stamp { instance: self.instance, revision: self.revision, about }), event })
    }

    fn tell(
        &self,
        to: impl IntoIterator<Item = SessionSlot>,
        about: Option<(&UserId, AttemptNo)>,
        event: Event,
        effects: &mut Effects,
    ) {
        let event = self.stamped(about, event);
        effects.events.extend(to.into_iter().map(|slot| (slot, event.clone())));
    }

    fn tell_members(&self, about: Option<(&UserId, AttemptNo)>, event: Event, effects: &mut Effects) {
        self.tell(self.members.iter().copied(), about, event, effects);
    }

    fn added(&self, invitation: Arc<Invitation>) -> Event {
        Event::InvitationAdded { room_id: Some(self.room_id.clone()), room_info: Some(self.info.clone()), invitation }
    }

    fn removed(&self, invitation: Arc<Invitation>) -> Event {
        Event::InvitationRemoved { room_id: Some(self.room_id.clone()), room_info: Some(self.info.clone()), invitation }
    }

    fn status_changed(&self, invitation: Arc<Invitation>) -> Event {
        Event::InvitationStatusChanged {
            room_id: Some(self.room_id.clone()),
            room_info: Some(self.info.clone()),
            invitation,
        }
    }
}

// ---- invitations -------------------------------------------------------------------------------------------------

#[expect(clippy::too_many_arguments, reason = "the fields of the transition, one invitee at a time")]
fn invited(
    core: &mut InvitationCore,
    at: Instant,
    addressed: &Addressed,
    inviter: &UserId,
    invitee: &UserId,
    deadline: Option<Instant>,
    extension_info: &Arc<str>,
    effects: &mut Effects,
) {
    let room_id = &addressed.room_id;
    let (rings_refill, answer_memory) = (core.bounds.rings_refill, core.bounds.answer_memory);
    if core.rate_limits {
        core.user_mut(inviter).buckets.take_ring(rings_refill, at, invitee);
    }
    let room = &mut core.rooms[addressed.place];
    let (revision, instance) = (room.revision, room.instance);
    let ledger = room.invitees.entry(invitee.clone()).or_default();
    ledger.attempts += 1;
    let attempt = AttemptNo(ledger.attempts);
    // LST-3: a re-invite keeps the place.
    let place = ledger.entry.as_ref().map_or(room.next_place, |entry| entry.place);
    // INV-7: a fresh attempt with the new inviter, deadline and extensionInfo.
    ledger.entry = Some(Entry {
        place,
        attempt,
        inviter: inviter.clone(),
        status: InvitationStatus::Pending,
        deadline,
        changed: revision,
    });
    ledger.forget_old_answers(at, answer_memory);
    room.next_place = room.next_place.max(place + 1);
    room.places.insert(place, invitee.clone());
    if let Some(at) = deadline {
        core.deadlines.insert(Deadline { at, instance, place, room: room_id.clone(), invitee: invitee.clone() });
    }

    let invitation =
        Arc::new(core.invitation(&core.rooms[addressed.place], inviter, invitee, InvitationStatus::Pending));
    let about = Some((invitee, attempt));
    // DEV-1: every online device of the invitee, also one in another room.
    let receive = Event::ReceiveInvitation {
        room_info: addressed.info.clone(),
        invitation: invitation.clone(),
        extension_info: extension_info.clone(),
    };
    let sessions = &core.user(invitee).sessions;
    addressed.tell(sessions.iter().map(|session| session.slot), about, receive, effects);
    // EVT-3: one Added for every code 0, re-invites included.
    addressed.tell_members(about, addressed.added(invitation), effects);
    // REC-6, INV-13: an offline invitee is called all the same.
    if sessions.is_empty() {
        effects.hints.push(PushHint {
            user_id: invitee.clone(),
            room_id: room_id.clone(),
            room_name: addressed.info.room_name.clone(),
            owner_name: addressed.info.owner_name.clone(),
            member_count: addressed.info.room_member_count,
        });
    }
}

/// Takes a live attempt's deadline away (TMO-7): it ends now.
fn stop_timer(core: &mut InvitationCore, place: usize, invitee: &UserId) {
    let room = &core.rooms[place];
    let entry = room.entry(invitee).expect("the attempt is live");
    if let Some(at) = entry.deadline {
        let deadline = Deadline {
            at,
            instance: room.instance,
            place: entry.place,
            room: room.id.clone(),
            invitee: invitee.clone(),
        };
        assert!(core.deadlines.remove(&deadline), "a live attempt with a deadline has a timer");
    }
}

/// The entry leaves the list.
fn remove_entry(core: &mut InvitationCore, place: usize, invitee: &UserId) -> Entry {
    let room = &mut core.rooms[place];
    let entry = room.invitees.get_mut(invitee).and_then(|ledger| ledger.entry.take()).expect("the entry exists");
    room.places.remove(&entry.place);
    entry
}

/// T7, T8.
fn cancelled(
    core: &mut InvitationCore,
    addressed: &Addressed,
    operator: &UserId,
    invitee: &UserId,
    effects: &mut Effects,
) {
    let place = addressed.place;
    stop_timer(core, place, invitee);
    let entry = remove_entry(core, place, invitee);
    let room = &core.rooms[place];
    // EVT-6: there is no cancelled status.
    let invitation = Arc::new(core.invitation(room, &entry.inviter, invitee, InvitationStatus::None));
    let about = Some((invitee, entry.attempt));
    if entry.inviter == *operator {
        // CAN-5, CAN-8.
        let event = Event::InvitationCancelled { room_info: addressed.info.clone(), invitation: invitation.clone() };
        addressed.tell(core.devices_of(invitee), about, event, effects);
    } else {
        let operate_user = Arc::new(core.user_info(room, operator));
        revoke(core, addressed, &entry, invitee, invitation.clone(), operate_user, effects);
    }
    // REV-3, EVT-5.
    addressed.tell_members(about, addressed.removed(invitation), effects);
}

/// REV-1, REV-2: to all devices of the invitee, and of the inviter unless it is the operator.
fn revoke(
    core: &InvitationCore,
    addressed: &Addressed,
    entry: &Entry,
    invitee: &UserId,
    invitation: Arc<Invitation>,
    operate_user: Arc<UserInfo>,
    effects: &mut Effects,
) {
    let inviter = (entry.inviter != operate_user.user_id).then(|| core.devices_of(&entry.inviter));
    let event = Event::InvitationRevokedByAdmin { room_info: addressed.info.clone(), invitation, operate_user };
    let to = core.devices_of(invitee).chain(inviter.into_iter().flatten());
    addressed.tell(to, Some((invitee, entry.attempt)), event, effects);
}

/// T4, T5, and the first half of T11 (ACC-4).
#[expect(clippy::too_many_arguments, reason = "the fields of the transition, and the commit that it belongs to")]
fn answered(
    core: &mut InvitationCore,
    at: Instant,
    addressed: &Addressed,
    invitee: &UserId,
    device: &DeviceId,
    accepted: bool,
    reason: RejectedReason,
    effects: &mut Effects,
) {
    let place = addressed.place;
    stop_timer(core, place, invitee);
    let memory = core.bounds.answer_memory;
    let room = &mut core.rooms[place];
    let ledger: &mut Invitee = room.invitees.get_mut(invitee).expect("the invitee was called");
    let entry = ledger.entry.as_mut().expect("the attempt is live");
    entry.status = if accepted { InvitationStatus::Accepted } else { InvitationStatus::Rejected };
    entry.deadline = None;
    entry.changed = addressed.revision;
    let (attempt, inviter, status) = (entry.attempt, entry.inviter.clone(), entry.status);
    ledger.forget_old_answers(at, memory);
    ledger.answers.push(Answered { attempt, at, device: device.clone(), accepted });

    let invitation = Arc::new(core.invitation(&core.rooms[place], &inviter, invitee, status));
    let about = Some((invitee, attempt));
    let (room_info, shown) = (addressed.info.clone(), invitation.clone());
    // ACC-3, REJ-3, EVT-7: the inviter's devices, in the room or not.
    let event = if accepted {
        Event::InvitationAccepted { room_info, invitation: shown }
    } else {
        Event::InvitationRejected { room_info, invitation: shown, reason }
    };
    addressed.tell(core.devices_of(&inviter), about, event, effects);
    // DEV-4: each other device of the invitee, never the acting one.
    let others: Vec<SessionSlot> =
        core.user(invitee).sessions.iter().filter(|session| session.device != *device).map(|s| s.slot).collect();
    let handled = Event::InvitationHandledByOtherDevice { room_info: addressed.info.clone(), accepted };
    addressed.tell(others, about, handled, effects);
    // EVT-4.
    addressed.tell_members(about, addressed.status_changed(invitation), effects);
}

/// T6: TMO-4, TMO-5.
fn expired(core: &mut InvitationCore, addressed: &Addressed, invitee: &UserId, effects: &mut Effects) {
    stop_timer(core, addressed.place, invitee);
    let room = &mut core.rooms[addressed.place];
    let entry = room.entry_mut(invitee).expect("the attempt is live");
    entry.status = InvitationStatus::Timeout;
    entry.deadline = None;
    entry.changed = addressed.revision;
    let (attempt, inviter) = (entry.attempt, entry.inviter.clone());
    let invitation =
        Arc::new(core.invitation(&core.rooms[addressed.place], &inviter, invitee, InvitationStatus::Timeout));
    let about = Some((invitee, attempt));
    let event = Event::InvitationTimeout { room_info: addressed.info.clone(), invitation: invitation.clone() };
    addressed.tell(core.devices_of(&inviter).chain(core.devices_of(invitee)), about, event, effects);
    addressed.tell_members(about, addressed.status_changed(invitation), effects);
}

// ---- rooms -------------------------------------------------------------------------------------------------------

fn room_created(core: &mut InvitationCore, at: Instant, transition: &Transition) {
    let Transition::RoomCreated { room_id, owner, room_name, room_type, password, max_member_count, attendees } =
        transition
    else {
        unreachable!("called for RoomCreated only")
    };
    core.instances += 1;
    let room = Room {
        id: room_id.clone(),
        instance: InstanceId(core.instances),
        revision: Revision(1),
        name: room_name.clone(),
        room_type: *room_type,
        password: password.clone(),
        max_member_count: *max_member_count,
        owner: owner.clone(),
        created: at,
        members: IndexMap::default(),
        invitees: IndexMap::default(),
        places: std::collections::BTreeMap::new(),
        next_place: 1,
        inviters: std::collections::BTreeSet::new(),
        attendees: attendees.iter().cloned().collect::<IndexSet<_, _>>(),
        info: None,
    };
    core.rooms.insert(room_id.clone(), room);
    core.user_mut(owner).owned += 1;
}

/// ROOM-5: one commit, in which every live attempt ends as a revocation by the owner (REV-4).
fn room_destroyed(core: &mut InvitationCore, at: Instant, room_id: &RoomId, effects: &mut Effects) {
    let addressed = commit(core, room_id, |_| {});
    let operate_user = Arc::new(core.user_info(&core.rooms[room_id], &core.rooms[room_id].owner));
    let live: Vec<UserId> = core.rooms[room_id]
        .places
        .values()
        .filter(|user| core.rooms[room_id].entry(user).is_some_and(Entry::is_live))
        .cloned()
        .collect();
    for invitee in &live {
        stop_timer(core, addressed.place, invitee);
        let entry = remove_entry(core, addressed.place, invitee);
        let invitation =
            Arc::new(core.invitation(&core.rooms[room_id], &entry.inviter, invitee, InvitationStatus::None));
        revoke(core, &addressed, &entry, invitee, invitation, operate_user.clone(), effects);
    }
    // Every Revoked precedes it, and it is the last that a device hears of this instance.
    let dismissed = Event::RoomDismissed { room_id: room_id.clone(), reason: RoomDismissedReason::ByOwner };
    addressed.tell_members(None, dismissed, effects);

    // Removing by shifting keeps the order of the rooms, which nothing depends on but which is pleasant to print.
    let room = core.rooms.shift_remove(room_id).expect("the room exists");
    core.user_mut(&room.owner).owned -= 1;
    for user in room.members.keys() {
        core.user_mut(user).room = None;
    }
    // IDM-3: an answer outlives the room for as long as answers are remembered. ROOM-2: nothing else does.
    let memory = core.bounds.answer_memory;
    while core.dissolved.front().is_some_and(|gone| at.since(gone.at) > memory) {
        core.dissolved.pop_front();
    }
    let answers: std::collections::BTreeMap<UserId, Vec<Answered>> = room
        .invitees
        .into_iter()
        .filter(|(_, ledger)| !ledger.answers.is_empty())
        .map(|(user, ledger)| (user, ledger.answers))
        .collect();
    if !answers.is_empty() {
        core.dissolved.push_back(DissolvedRoom { at, room: room.id, instance: room.instance, answers });
    }
}

/// ORD-4, ROOM-8.
fn entered(
    core: &mut InvitationCore,
    at: Instant,
    room_id: &RoomId,
    user: &UserId,
    device: &DeviceId,
    effects: &mut Effects,
) {
    let slot = core
        .user(user)
        .sessions
        .iter()
        .find(|session| session.device == *device)
        .map(|session| session.slot)
        .expect("the entering device is online");
    // The members before the commit hear of it; the entering device does not.
    let before: SmallVec<[SessionSlot; 4]> = core.rooms[room_id].members.values().map(|member| member.slot).collect();
    let moved_from = core.rooms[room_id].members.get(user).map(|member| member.slot);
    let mut addressed = commit(core, room_id, |room| match room.members.get_mut(user) {
        Some(member) => {
            member.device = device.clone();
            member.slot = slot;
        }
        None => {
            room.members.insert(user.clone(), Member { device: device.clone(), slot, role: Role::GeneralUser });
        }
    });
    core.user_mut(user).room = Some(room_id.clone());
    addressed.members = before;

    if let Some(first) = moved_from {
        // ROOM-8: the first device is put out; the others see no leave or enter.
        let event = Event::KickedOutOfRoom {
            room_id: room_id.clone(),
            reason: KickedOutOfRoomReason::KickedByLoggedOnOtherDevice,
            message: "the user entered the room from another device".into(),
        };
        addressed.tell([first], None, event, effects);
        return;
    }
    // ACC-4, ACC-5: entry while the attempt is live is an accept by the entering device.
    if core.rooms[room_id].entry(user).is_some_and(Entry::is_live) {
        answered(core, at, &addressed, user, device, true, RejectedReason::RejectToEnter, effects);
    }
    let user_info = Arc::new(core.user_info(&core.rooms[room_id], user));
    let enter = Event::RemoteUserEnterRoom { room_id: room_id.clone(), user_info };
    addressed.tell_members(None, enter, effects);
    // ACC-8: entry removes the entry, whatever its status.
    if core.rooms[room_id].entry(user).is_some() {
        let entry = remove_entry(core, addressed.place, user);
        let invitation = core.invitation(&core.rooms[room_id], &entry.inviter, user, InvitationStatus::None);
        let removed = addressed.removed(Arc::new(invitation));
        addressed.tell_members(Some((user, entry.attempt)), removed, effects);
    }
}

/// ROOM-6: entries stay, whoever leaves.
fn left(core: &mut InvitationCore, room_id: &RoomId, user: &UserId, cause: LeaveCause, effects: &mut Effects) {
    let user_info = Arc::new(core.user_info(&core.rooms[room_id], user));
    let mut gone = None;
    let addressed = commit(core, room_id, |room| gone = room.members.shift_remove(user));
    let gone = gone.expect("only a member leaves");
    core.user_mut(user).room = None;
    if cause == LeaveCause::Kicked {
        let event = Event::KickedOutOfRoom {
            room_id: room_id.clone(),
            reason: KickedOutOfRoomReason::KickedByAdmin,
            message: "the user was thrown out of the room".into(),
        };
        addressed.tell([gone.slot], None, event, effects);
    }
    let event = Event::RemoteUserLeaveRoom { room_id: room_id.clone(), user_info };
    addressed.tell_members(None, event, effects);
}

fn role_changed(core: &mut InvitationCore, room_id: &RoomId, user: &UserId, role: Role, effects: &mut Effects) {
    let old_owner = core.rooms[room_id].owner.clone();
    let addressed = commit(core, room_id, |room| {
        if role == Role::RoomOwner {
            // The room is handed over; the old owner becomes a general user.
            room.owner = user.clone();
            if let Some(old) = room.members.get_mut(&old_owner) {
                old.role = Role::GeneralUser;
            }
        }
        room.members.get_mut(user).expect("the user is a member").role = role;
    });
    let changed = |user: &UserId, user_role: Role| Event::UserRoleChanged {
        room_id: room_id.clone(),
        user_id: user.clone(),
        user_role,
    };
    if role == Role::RoomOwner {
        core.user_mut(&old_owner).owned -= 1;
        core.user_mut(user).owned += 1;
        addressed.tell_members(None, changed(&old_owner, Role::GeneralUser), effects);
    }
    addressed.tell_members(None, changed(user, role), effects);
}

/// ROOM-7: attendees alter no entry.
fn attendees_changed(
    core: &mut InvitationCore,
    room_id: &RoomId,
    joined: &[UserId],
    left: &[UserId],
    effects: &mut Effects,
) {
    let addressed = commit(core, room_id, |room| {
        room.attendees.extend(joined.iter().cloned());
        room.attendees.retain(|user| !left.contains(user));
    });
    let room = &core.rooms[room_id];
    let infos = |users: &[UserId]| users.iter().map(|user| core.user_info(room, user)).collect();
    let event = Event::ScheduleAttendeesChanged {
        room_id: room_id.clone(),
        left_users: infos(left),
        joined_users: infos(joined),
    };
    addressed.tell_members(None, event, effects);
}
