//! What server logic of somebody else says, written down.
//!
//! Our own core is restored from what it decided. Logic of somebody else lives elsewhere and can't be looked into: what it
//! says is a [`Transition::Told`](super::Transition::Told), and is carried out again without asking it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::protocol::event::{PushHint, StampedEvent};
use crate::protocol::message::RoomPoint;
use crate::protocol::vocabulary::{DeviceId, UserId};

/// What it said to one message.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Told {
    /// Where the request took effect or was judged.
    pub at: Option<RoomPoint>,
    /// The events, in order.
    pub events: Vec<ToldEvent>,
    /// Users to wake.
    pub hints: Vec<PushHint>,
    /// What it wants to have back after a restart.
    pub kept: Vec<Value>,
}

/// One event, and the sessions that it goes to, in order.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ToldEvent {
    /// To whom.
    pub to: Vec<(UserId, DeviceId)>,
    /// What.
    pub event: Arc<StampedEvent>,
}

impl Told {
    /// Whether nothing is to happen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.hints.is_empty() && self.kept.is_empty()
    }
}
