//! What a fault may need to know of rooms and calls: the core's state as far as its transitions tell it from the outside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::protocol::core::{LeaveCause, Transition};
use crate::protocol::vocabulary::{AttemptNo, DeviceId, Role, RoomId, UserId};
use crate::time::Instant;

/// Every room that there is.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    pub(super) rooms: BTreeMap<RoomId, RoomBook>,
}

/// One room.
#[derive(Clone, Debug)]
pub(super) struct RoomBook {
    pub(super) owner: UserId,
    pub(super) password: Arc<str>,
    pub(super) members: BTreeMap<UserId, DeviceId>,
    pub(super) administrators: BTreeSet<UserId>,
    /// Whoever has been an administrator, or the owner, since the room was made.
    pub(super) once_in_power: BTreeSet<UserId>,
    pub(super) calls: BTreeMap<UserId, CallBook>,
}

/// The newest call of one user.
#[derive(Clone, Debug)]
pub(super) struct CallBook {
    pub(super) inviter: UserId,
    pub(super) attempt: AttemptNo,
    pub(super) since: Instant,
    pub(super) deadline: Option<Instant>,
    pub(super) standing: Standing,
    /// The device that answered, if entering the room was the answer.
    pub(super) entered_by: Option<DeviceId>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    Pending,
    Accepted,
    Rejected,
    TimedOut,
    Cancelled,
    Entered,
}

impl Ledger {
    /// Takes in a transition that has been carried out.
    pub(super) fn follow(&mut self, at: Instant, transition: &Transition) {
        match transition {
            Transition::RoomCreated { room_id, owner, password, .. } => {
                let room = RoomBook {
                    owner: owner.clone(),
                    password: password.clone(),
                    members: BTreeMap::new(),
                    administrators: BTreeSet::new(),
                    once_in_power: [owner.clone()].into(),
                    calls: BTreeMap::new(),
                };
                self.rooms.insert(room_id.clone(), room);
            }
            Transition::RoomDestroyed { room_id } => {
                self.rooms.remove(room_id);
            }
            _ => {
                if let Some(room) = transition.room_id().and_then(|room_id| self.rooms.get_mut(room_id)) {
                    room.follow(at, transition);
                }
            }
        }
    }

    /// The room that a user is in.
    pub(super) fn room_of(&self, user: &UserId) -> Option<&RoomId> {
        self.rooms.iter().find(|(_, room)| room.members.contains_key(user)).map(|(room_id, _)| room_id)
    }
}

impl RoomBook {
    fn follow(&mut self, at: Instant, transition: &Transition) {
        match transition {
            Transition::Entered { user, device, .. } => {
                if self.members.insert(user.clone(), device.clone()).is_none()
                    && let Some(call) = self.calls.get_mut(user)
                {
                    if call.standing == Standing::Pending {
                        call.entered_by = Some(device.clone());
                    }
                    call.standing = Standing::Entered;
                }
            }
            Transition::Left {
                user, cause: LeaveCause::Exit | LeaveCause::Kicked | LeaveCause::SessionEnded, ..
            } => {
                self.members.remove(user);
                self.administrators.remove(user);
            }
            Transition::RoleChanged { user, role, .. } => {
                self.administrators.remove(user);
                match role {
                    Role::RoomOwner => self.owner = user.clone(),
                    Role::Administrator => {
                        self.administrators.insert(user.clone());
                    }
                    Role::GeneralUser => {}
                }
                if *role != Role::GeneralUser {
                    self.once_in_power.insert(user.clone());
                }
            }
            Transition::Invited { inviter, invitees, deadline, .. } => {
                for invitee in invitees {
                    let attempt = self.calls.get(invitee).map_or(1, |call| call.attempt.0 + 1);
                    let call = CallBook {
                        inviter: inviter.clone(),
                        attempt: AttemptNo(attempt),
                        since: at,
                        deadline: *deadline,
                        standing: Standing::Pending,
                        entered_by: None,
                    };
                    self.calls.insert(invitee.clone(), call);
                }
            }
            Transition::Cancelled { invitees, .. } => {
                for invitee in invitees {
                    self.stand(invitee, Standing::Cancelled);
                }
            }
            Transition::Answered { invitee, accepted, .. } => {
                self.stand(invitee, if *accepted { Standing::Accepted } else { Standing::Rejected });
            }
            Transition::Expired { invitee, .. } => self.stand(invitee, Standing::TimedOut),
            _ => {}
        }
    }

    fn stand(&mut self, invitee: &UserId, standing: Standing) {
        if let Some(call) = self.calls.get_mut(invitee) {
            call.standing = standing;
        }
    }

    pub(super) fn standing(&self, invitee: &UserId) -> Option<Standing> {
        self.calls.get(invitee).map(|call| call.standing)
    }

    pub(super) fn is_pending(&self, invitee: &UserId) -> bool {
        self.standing(invitee) == Some(Standing::Pending)
    }

    /// Who is being called, with the call, in the order of their ids.
    pub(super) fn pending(&self) -> impl Iterator<Item = (&UserId, &CallBook)> {
        self.calls.iter().filter(|(_, call)| call.standing == Standing::Pending)
    }

    pub(super) fn is_in_power(&self, user: &UserId) -> bool {
        *user == self.owner || self.administrators.contains(user)
    }
}
