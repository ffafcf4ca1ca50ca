//! What rings on this device, and which attempts its user's answers are meant for.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::protocol::call::{AttemptRef, Call};
use crate::protocol::event::StampedEvent;
use crate::protocol::small_map::SmallMap;
use crate::protocol::vocabulary::{AttemptNo, InstanceId, InvitationStatus, RejectedReason, RoomId, UserId};

/// The invitations of this device's user, as far as this session has been told.
#[derive(Debug, Default)]
pub(super) struct Rings {
    /// The newest attempt told of, by room (ACC-1).
    known: SmallMap<RoomId, AttemptRef>,
    /// The attempts whose closing event the application is to hear (DEV-8).
    open: SmallVec<[AttemptRef; 1]>,
    /// What rings now: ended by the answer, the closing event or the session (REJ-5).
    ringing: SmallMap<RoomId, AttemptRef>,
}

impl Rings {
    /// An invitation comes in. What a busy user's device would answer, if the user is busy.
    pub(super) fn receive(
        &mut self,
        event: &StampedEvent,
        room: Option<&RoomId>,
        entering: bool,
    ) -> Option<RejectedReason> {
        let attempt = attempt_of(event)?;
        let room_id = event.event.room_id()?;
        self.know(room_id, attempt);
        self.open_up(attempt);
        // REJ-6: never for the room that the device is in or enters, nor for a duplicate of what rings.
        if room == Some(room_id) || entering || self.ringing.get(room_id) == Some(&attempt) {
            return None;
        }
        // REJ-5: in a room is tested first.
        let busy = if room.is_some() {
            Some(RejectedReason::InOtherConference)
        } else if self.ringing.keys().any(|other| other != room_id) {
            Some(RejectedReason::RejectToEnter)
        } else {
            None
        };
        if busy.is_none() {
            self.ringing.insert(room_id.clone(), attempt);
        }
        busy
    }

    /// An item of a list told of an invitation of this user.
    pub(super) fn shown(
        &mut self,
        room_id: &RoomId,
        instance: InstanceId,
        attempt: AttemptNo,
        status: InvitationStatus,
    ) {
        let attempt = AttemptRef { instance, attempt };
        self.know(room_id, attempt);
        if status == InvitationStatus::Pending {
            self.open_up(attempt);
        }
    }

    fn open_up(&mut self, attempt: AttemptRef) {
        if !self.open.contains(&attempt) {
            self.open.push(attempt);
        }
    }

    /// Whether it was open.
    fn shut(&mut self, attempt: AttemptRef) -> bool {
        let before = self.open.len();
        self.open.retain(|open| *open != attempt);
        self.open.len() < before
    }

    /// A list event told of an attempt, if it is this user's.
    pub(super) fn heard_of(&mut self, me: &UserId, event: &StampedEvent) {
        let about_me = event.stamp.as_ref().and_then(|s| s.about.as_ref()).is_some_and(|about| about.invitee == *me);
        if let (true, Some(attempt), Some(room_id)) = (about_me, attempt_of(event), event.event.room_id()) {
            self.know(room_id, attempt);
        }
    }

    fn know(&mut self, room_id: &RoomId, attempt: AttemptRef) {
        match self.known.get_mut(room_id) {
            Some(newest) => *newest = (*newest).max(attempt),
            None => {
                self.known.insert(room_id.clone(), attempt);
            }
        }
    }

    /// DEV-8: whether the application is to hear this closing event. It ends the ring.
    pub(super) fn close(&mut self, event: &StampedEvent) -> bool {
        let (Some(attempt), Some(room_id)) = (attempt_of(event), event.event.room_id()) else { return false };
        // An event of another room or attempt never ends this ring.
        if self.ringing.get(room_id) == Some(&attempt) {
            self.ringing.remove(room_id);
        }
        self.shut(attempt)
    }

    /// ACC-1: an answer names the attempt that it is meant for, whenever the library was told of one. The ring ends.
    pub(super) fn name_attempt(&mut self, content: Arc<Call>) -> Arc<Call> {
        match &*content {
            Call::Accept { room_id, attempt: None } => {
                self.stop(room_id);
                let attempt = self.known.get(room_id).copied();
                Arc::new(Call::Accept { room_id: room_id.clone(), attempt })
            }
            Call::Reject { room_id, reason, attempt: None } => {
                self.stop(room_id);
                let attempt = self.known.get(room_id).copied();
                Arc::new(Call::Reject { room_id: room_id.clone(), reason: *reason, attempt })
            }
            _ => content,
        }
    }

    /// The server took this device's answer: no closing event will come.
    pub(super) fn answered(&mut self, room_id: &RoomId, attempt: Option<AttemptRef>) {
        self.stop(room_id);
        if let Some(attempt) = attempt {
            self.shut(attempt);
        }
    }

    /// Whatever rings for this room rings no more.
    pub(super) fn stop(&mut self, room_id: &RoomId) {
        self.ringing.remove(room_id);
    }
}

fn attempt_of(event: &StampedEvent) -> Option<AttemptRef> {
    let stamp = event.stamp.as_ref()?;
    Some(AttemptRef { instance: stamp.instance, attempt: stamp.about.as_ref()?.attempt })
}
