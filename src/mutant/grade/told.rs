//! What the applications of a run notice: by this a fault can be told from none without knowing the wire.

use std::collections::BTreeMap;

use crate::plan::DeviceIndex;
use crate::time::Instant;
use crate::trace::{Moment, Occurrence, Trace};

/// All that applications hear and are told, when, and in their order; without what only the wire carries.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Told(Vec<(Instant, DeviceIndex, String)>);

impl Told {
    pub(super) fn of(trace: &Trace) -> Self {
        let told = |moment: &Moment| {
            let (device, what) = match &moment.what {
                Occurrence::Returned { device, call, result: Ok(reply) } => {
                    (device, format!("{} {}", call.0, reply.to_api_json()))
                }
                Occurrence::Returned { device, call, result: Err(error) } => (device, format!("{} {error}", call.0)),
                Occurrence::Handled { device, handler, event } => (device, format!("{handler} {}", event.event.name())),
                Occurrence::Heard { device, event } => {
                    (device, format!("{} {}", event.event.name(), event.event.to_api_json()))
                }
                _ => return None,
            };
            Some((moment.at, *device, what))
        };
        Self(trace.moments.iter().filter_map(told).collect())
    }

    /// The same, device by device, without the times.
    pub(super) fn by_device(&self) -> BTreeMap<DeviceIndex, Vec<&str>> {
        let mut by_device: BTreeMap<DeviceIndex, Vec<&str>> = BTreeMap::new();
        for (_, device, what) in &self.0 {
            by_device.entry(*device).or_default().push(what);
        }
        by_device
    }
}
