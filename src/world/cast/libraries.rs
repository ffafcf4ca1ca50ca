//! Client libraries of somebody else play devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Cast, DeviceNode};
use crate::implementation::device::{ForeignDevice, Seats};
use crate::plan::DeviceIndex;
use crate::protocol::device::{Device, DeviceConfig};
use crate::protocol::vocabulary::RoomId;

impl DeviceNode for ForeignDevice {
    fn room(&self) -> Option<&RoomId> {
        Self::room(self)
    }
}

/// Each device is played by the library that has a seat for it; the reference plays the others, and the server.
#[derive(Clone, Debug)]
pub struct Libraries {
    /// By device.
    pub seats: BTreeMap<DeviceIndex, Arc<Seats>>,
}

impl Cast for Libraries {
    fn device(&self, config: DeviceConfig, device: DeviceIndex, _life: u32) -> Box<dyn DeviceNode> {
        match self.seats.get(&device) {
            // Counted from 1, as everything is that somebody else counts.
            Some(seats) => Box::new(ForeignDevice::new(seats.clone(), device.0 + 1, config)),
            None => Box::new(Device::new(config)),
        }
    }
}
