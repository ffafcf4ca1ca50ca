//! Client libraries of somebody else play devices, and perhaps a server of somebody else the server.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Cast, DeviceNode, Foreign, ServerNode};
use crate::implementation::device::{ForeignDevice, Seats};
use crate::plan::DeviceIndex;
use crate::protocol::device::{Device, DeviceConfig};
use crate::protocol::service::{Service, ServiceConfig};
use crate::protocol::vocabulary::RoomId;

impl DeviceNode for ForeignDevice {
    fn room(&self) -> Option<&RoomId> {
        Self::room(self)
    }
}

/// Each device is played by the library that has a seat for it, and the server by whoever is named; the reference plays the
/// rest.
#[derive(Clone, Debug)]
pub struct Libraries {
    /// By device.
    pub seats: BTreeMap<DeviceIndex, Arc<Seats>>,
    /// Who plays the server, if it is not the reference.
    pub server: Option<Foreign>,
}

impl Cast for Libraries {
    fn server(&self, config: ServiceConfig, life: u64) -> Box<ServerNode> {
        match &self.server {
            Some(server) => server.server(config, life),
            None => Box::new(Service::new(config)),
        }
    }

    fn device(&self, config: DeviceConfig, device: DeviceIndex, _life: u32) -> Box<dyn DeviceNode> {
        match self.seats.get(&device) {
            // Counted from 1, as everything is that somebody else counts.
            Some(seats) => Box::new(ForeignDevice::new(seats.clone(), device.0 + 1, config)),
            None => Box::new(Device::new(config)),
        }
    }
}
