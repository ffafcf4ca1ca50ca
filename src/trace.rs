//! What happened: every call, result, event, message and fault of a run, in order, with its time.
//!
//! A trace holds no opinion. It is recorded at three boundaries that the checks keep apart (TERM-4): the application's
//! (calls, results, events), the device's end of the wire, and the server's.

pub mod json;
pub mod outside;
pub mod text;
pub mod words;

#[cfg(test)]
pub(crate) mod sample;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::outside::Vantage;
use crate::plan::{DeviceIndex, Plan};
use crate::protocol::call::{Call, CallNo, DeviceIdentity, Reply};
use crate::protocol::event::{PushHint, StampedEvent};
use crate::protocol::message::{ClientMessage, ConnectionNo, ServerMessage};
use crate::protocol::vocabulary::ApiError;
use crate::time::Instant;

/// A run: what was planned, and what happened.
#[derive(Clone, Debug)]
pub struct Trace {
    /// What was planned.
    pub plan: Arc<Plan>,
    /// Where the server's boundary was seen.
    pub vantage: Vantage,
    /// What happened, in order. Times never decrease.
    pub moments: Vec<Moment>,
}

/// One thing that happened, and when.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// When.
    pub at: Instant,
    /// What.
    pub what: Occurrence,
}

/// What can happen.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Occurrence {
    /// The run enters its next part.
    Stage(Stage),
    /// A step of the plan begins.
    StepBegan {
        /// Its number in [`Plan::steps`].
        step: usize,
    },
    /// The application calls the API.
    Called {
        /// On which device.
        device: DeviceIndex,
        /// Its number on that device.
        call: CallNo,
        /// What it calls.
        content: Arc<Call>,
        /// The step that it belongs to; none in setup and epilogue, and for calls that the library makes itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<usize>,
    },
    /// A call of the API is answered.
    Returned {
        /// On which device.
        device: DeviceIndex,
        /// Which call.
        call: CallNo,
        /// With what.
        #[serde(with = "json::result")]
        result: Result<Reply, ApiError>,
    },
    /// The library hands an event to the application.
    Heard {
        /// On which device.
        device: DeviceIndex,
        /// What.
        event: Arc<StampedEvent>,
    },
    /// A registered handler of the application is called with the event just heard (EVT-9).
    Handled {
        /// On which device.
        device: DeviceIndex,
        /// Which handler.
        handler: Arc<str>,
        /// What.
        event: Arc<StampedEvent>,
    },
    /// A connection stands, for both ends.
    Connected {
        /// From which device.
        device: DeviceIndex,
        /// Its number.
        connection: ConnectionNo,
    },
    /// The device notices that its connection is gone.
    DeviceLost {
        /// Which device.
        device: DeviceIndex,
        /// Which connection.
        connection: ConnectionNo,
    },
    /// The server notices that a connection is gone: the session is suspended from now (TERM-1).
    ServerLost {
        /// Which device's.
        device: DeviceIndex,
        /// Which connection.
        connection: ConnectionNo,
    },
    /// The server closes a connection.
    ServerClosed {
        /// Which device's.
        device: DeviceIndex,
        /// Which connection.
        connection: ConnectionNo,
    },
    /// A device puts a message on the wire.
    DeviceSent {
        /// Which device.
        device: DeviceIndex,
        /// On which connection.
        connection: ConnectionNo,
        /// What.
        message: ClientMessage,
        /// The step of a raw device that it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<usize>,
    },
    /// The server takes a message off the wire.
    ServerReceived {
        /// From which device.
        device: DeviceIndex,
        /// On which connection.
        connection: ConnectionNo,
        /// What.
        message: ClientMessage,
    },
    /// The server puts a message on the wire.
    ServerSent {
        /// To which device.
        device: DeviceIndex,
        /// On which connection.
        connection: ConnectionNo,
        /// What.
        message: ServerMessage,
    },
    /// A device takes a message off the wire.
    DeviceReceived {
        /// Which device.
        device: DeviceIndex,
        /// On which connection.
        connection: ConnectionNo,
        /// What.
        message: ServerMessage,
    },
    /// The server asks for a push notification to a user without an online device (REC-6).
    PushHinted(Box<PushHint>),
    /// The server died.
    ServerCrashed,
    /// The server started, from this many records.
    ServerStarted {
        /// How many records it found.
        records: usize,
    },
    /// Something changed for devices.
    DeviceChanged {
        /// Which device.
        device: DeviceIndex,
        /// What changed.
        change: DeviceChange,
    },
}

impl Occurrence {
    /// The device that is part of it, if one is.
    #[must_use]
    pub const fn device(&self) -> Option<DeviceIndex> {
        match self {
            Self::Called { device, .. }
            | Self::Returned { device, .. }
            | Self::Heard { device, .. }
            | Self::Handled { device, .. }
            | Self::Connected { device, .. }
            | Self::DeviceLost { device, .. }
            | Self::ServerLost { device, .. }
            | Self::ServerClosed { device, .. }
            | Self::DeviceSent { device, .. }
            | Self::ServerReceived { device, .. }
            | Self::ServerSent { device, .. }
            | Self::DeviceReceived { device, .. }
            | Self::DeviceChanged { device, .. } => Some(*device),
            Self::Stage(_)
            | Self::StepBegan { .. }
            | Self::PushHinted(_)
            | Self::ServerCrashed
            | Self::ServerStarted { .. } => None,
        }
    }
}

/// The parts of a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// The rooms and sessions of the scenario are set up.
    Setup,
    /// The author's steps.
    Body,
    /// Faults end, links heal, deadlines pass.
    Epilogue,
    /// Every member device lists its room.
    FinalLists,
}

/// What the plan does to a device or its link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeviceChange {
    /// Its network is gone.
    Offline,
    /// Its network is back.
    Online,
    /// Its connection broke.
    Disconnected,
    /// Its program died.
    Killed,
    /// Its program started again.
    Restarted,
    /// A partition began.
    Partitioned,
    /// Its partitions ended.
    Healed,
    /// A hold began.
    Held,
    /// Its holds ended.
    Released,
    /// Its clock was changed.
    ClockChanged,
}

impl Trace {
    /// The identity of a device.
    #[must_use]
    pub fn identity(&self, device: DeviceIndex) -> &DeviceIdentity {
        &self.plan.device(device).identity
    }
}
