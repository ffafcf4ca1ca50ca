//! Who plays the parts of a run: the server, and each device.
//!
//! A world drives the nodes that it is given, and neither knows nor minds whose they are: the reference plays every part
//! that a [`Cast`] does not give to somebody else. A cast hands out nodes and says nothing of what they do.

#[cfg(feature = "net")]
mod foreign;
#[cfg(feature = "net")]
mod libraries;

#[cfg(feature = "net")]
pub use self::foreign::Foreign;
#[cfg(feature = "net")]
pub use self::libraries::Libraries;
use crate::plan::DeviceIndex;
use crate::protocol::Node;
use crate::protocol::device::{Device, DeviceConfig, DeviceInput, DeviceOutput};
use crate::protocol::service::{Service, ServiceConfig, ServiceInput, ServiceOutput};
use crate::protocol::vocabulary::RoomId;

/// What plays the server for one life. A server on real sockets moves between threads.
pub type ServerNode = dyn Node<Input = ServiceInput, Output = ServiceOutput> + Send;

/// What plays a device for one life of its program.
pub trait DeviceNode: Node<Input = DeviceInput, Output = DeviceOutput> {
    /// The room that the client library believes to be in: at the end of a run the device lists it.
    fn room(&self) -> Option<&RoomId>;
}

impl DeviceNode for Device {
    fn room(&self) -> Option<&RoomId> {
        Self::room(self)
    }
}

/// Hands out the nodes of a run.
pub trait Cast: Sync {
    /// The node for one life of the server, which is started next. Lives are counted from 0.
    fn server(&self, config: ServiceConfig, _life: u64) -> Box<ServerNode> {
        Box::new(Service::new(config))
    }

    /// The node for one life of a device's program, which is started next. Lives are counted from 0.
    fn device(&self, config: DeviceConfig, _device: DeviceIndex, _life: u32) -> Box<dyn DeviceNode> {
        Box::new(Device::new(config))
    }
}

/// The reference plays every part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reference;

impl Cast for Reference {}
