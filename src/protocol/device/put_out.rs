//! Where a session was told that its device is in a room no more: an answer to enterRoom from before that comes too late.
//!
//! Responses and events come in any order (ORD-3), and a repeat is answered with the result that it had (IDM-1). So a device
//! that entered, and was put out again before it was answered, may hear of the second first.

use std::collections::BTreeMap;

use crate::protocol::event::{Event, StampedEvent};
use crate::protocol::message::RoomPoint;
use crate::protocol::vocabulary::{InstanceId, Revision};

/// The last commit by which the device was put out, by room instance.
#[derive(Debug, Default)]
pub(crate) struct PutOut {
    by_instance: BTreeMap<InstanceId, Revision>,
}

impl PutOut {
    /// Takes in what the device is told.
    pub(crate) fn hear(&mut self, event: &StampedEvent) {
        if let (Event::KickedOutOfRoom { .. } | Event::RoomDismissed { .. }, Some(stamp)) = (&event.event, &event.stamp)
        {
            let last = self.by_instance.entry(stamp.instance).or_default();
            *last = (*last).max(stamp.revision);
        }
    }

    /// Whether an entry that was committed there has been undone since.
    pub(crate) fn is_after(&self, entry: RoomPoint) -> bool {
        self.by_instance.get(&entry.instance).is_some_and(|last| *last > entry.revision)
    }
}
