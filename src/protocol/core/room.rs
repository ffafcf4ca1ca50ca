//! One life of a room: its members, its list of invitations, and what it remembers of ended ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};

use super::{InvitationCore, SessionSlot};
use crate::protocol::event::RoomInfo;
use crate::protocol::vocabulary::{
    AttemptNo, DeviceId, InstanceId, InvitationStatus, Revision, Role, RoomId, RoomType, UserId,
};
use crate::time::{Duration, Instant};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Room {
    pub(super) id: RoomId,
    pub(super) instance: InstanceId,
    pub(super) revision: Revision,
    pub(super) name: Arc<str>,
    pub(super) room_type: RoomType,
    pub(super) password: Arc<str>,
    /// 0 means no limit.
    pub(super) max_member_count: u32,
    pub(super) owner: UserId,
    pub(super) created: Instant,
    /// In the order of entry.
    pub(super) members: IndexMap<UserId, Member, FxBuildHasher>,
    /// Everybody who was ever invited to this instance (ROOM-1).
    pub(super) invitees: IndexMap<UserId, Invitee, FxBuildHasher>,
    /// The list: places in the order of creation (LST-3).
    pub(super) places: BTreeMap<u64, UserId>,
    pub(super) next_place: u64,
    /// Who has issued an invitation in this instance (CAN-4).
    pub(super) inviters: BTreeSet<UserId>,
    pub(super) attendees: IndexSet<UserId, FxBuildHasher>,
    /// The room's information as of the last commit: the same value for as long as it says the same.
    pub(super) info: Option<Arc<RoomInfo>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) device: DeviceId,
    pub(super) slot: SessionSlot,
    pub(super) role: Role,
}

/// What the room knows of one user's invitations.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Invitee {
    /// How many attempts there have been; never falls, so that an attempt is named once (TERM-3).
    pub(super) attempts: u32,
    /// The entry in the list, if there is one.
    pub(super) entry: Option<Entry>,
    /// The answered attempts that are remembered, oldest first (DEV-3, IDM-3).
    pub(super) answers: Vec<Answered>,
}

/// A record in the list (TERM-3).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) place: u64,
    pub(super) attempt: AttemptNo,
    pub(super) inviter: UserId,
    pub(super) status: InvitationStatus,
    /// When a pending attempt gives up; none for timeout 0 (TMO-2).
    pub(super) deadline: Option<Instant>,
    /// The revision at which the entry last changed (ORD-5).
    pub(super) changed: Revision,
}

/// How an attempt was answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Answered {
    pub(super) attempt: AttemptNo,
    pub(super) at: Instant,
    pub(super) device: DeviceId,
    pub(super) accepted: bool,
}

impl Room {
    pub(super) fn role(&self, user: &UserId) -> Role {
        if *user == self.owner {
            return Role::RoomOwner;
        }
        self.members.get(user).map_or(Role::GeneralUser, |member| member.role)
    }

    pub(super) fn entry(&self, invitee: &UserId) -> Option<&Entry> {
        self.invitees.get(invitee)?.entry.as_ref()
    }

    pub(super) fn entry_mut(&mut self, invitee: &UserId) -> Option<&mut Entry> {
        self.invitees.get_mut(invitee)?.entry.as_mut()
    }

    /// Forgets the room's information where it has changed. The owner's name is not the room's: whoever changes it sees to
    /// that itself.
    pub(super) fn forget_old_info(&mut self) {
        let (name, owner, members) = (&self.name, &self.owner, self.members.len());
        self.info.take_if(|info| {
            info.room_name != *name || info.owner_id != *owner || info.room_member_count as usize != members
        });
    }

    pub(super) fn is_full(&self) -> bool {
        self.max_member_count != 0 && self.members.len() >= self.max_member_count as usize
    }
}

impl Entry {
    /// TERM-3. Due expiries are committed before anything is judged, so a pending entry is live.
    pub(super) fn is_live(&self) -> bool {
        self.status == InvitationStatus::Pending
    }
}

impl Invitee {
    /// The answer to an attempt, if it was answered and is remembered.
    pub(super) fn answer(&self, attempt: AttemptNo) -> Option<&Answered> {
        self.answers.iter().find(|answer| answer.attempt == attempt)
    }

    /// DEV-3: forgets answers that are older than the memory and that the entry no longer shows.
    pub(super) fn forget_old_answers(&mut self, now: Instant, memory: Duration) {
        let shown = self.entry.as_ref().map(|entry| entry.attempt);
        self.answers.retain(|answer| Some(answer.attempt) == shown || now.since(answer.at) <= memory);
    }
}

impl InvitationCore {
    /// EVT-8: the room as of now. The password stays blank everywhere (SEC-4).
    pub(super) fn room_info(&self, room: &Room) -> Arc<RoomInfo> {
        if let Some(info) = &room.info {
            return info.clone();
        }
        Arc::new(RoomInfo {
            room_id: room.id.clone(),
            room_name: room.name.clone(),
            room_type: room.room_type,
            owner_id: room.owner.clone(),
            owner_name: self.user(&room.owner).name.clone(),
            password: Arc::default(),
            create_time: room.created.as_millis(),
            room_member_count: u32::try_from(room.members.len()).expect("members fit in 32 bits"),
        })
    }
}
