//! What happened at each device's own boundary, device by device.
//!
//! A check of the API asks what one application did and heard and its library sent, and nothing of any other device. Told
//! device by device, what it looks at stays at hand while every such check looks at it, and what it has to remember is that
//! of one device: in the order of time it would be spread over all of them.

use crate::plan::DeviceIndex;
use crate::protocol::message::ServerMessage;
use crate::trace::{Moment, Occurrence, Trace};

/// The moments at the devices' boundary, grouped by device and in order for each.
#[derive(Debug, Default)]
pub(super) struct Stories {
    /// As indices of the trace's moments.
    moments: Vec<u32>,
    /// Where those of each device begin, and where the last end.
    bounds: Vec<u32>,
}

/// One device's own: what its application does and hears, what its library sends and is answered, and what becomes of its
/// program and network. The events that merely arrive there are left out.
#[derive(Clone, Copy)]
pub(in crate::check) struct Story<'s, 't> {
    pub(in crate::check) device: DeviceIndex,
    trace: &'t Trace,
    moments: &'s [u32],
}

impl<'t> Story<'_, 't> {
    /// The moments, with their numbers in the trace.
    pub(in crate::check) fn moments(&self) -> impl Iterator<Item = (usize, &'t Moment)> {
        self.moments.iter().map(|moment| (*moment as usize, &self.trace.moments[*moment as usize]))
    }
}

/// Notes moments as they come.
#[derive(Debug, Default)]
pub(super) struct Noted(Vec<(DeviceIndex, u32)>);

impl Noted {
    /// Notes a moment, if it is one at a device's own boundary.
    pub(super) fn note(&mut self, index: usize, what: &Occurrence) {
        if let Some(device) = at_device(what) {
            self.0.push((device, super::number(index)));
        }
    }

    /// Groups what was noted by device, of which there are so many.
    pub(super) fn by_device(self, devices: usize) -> Stories {
        let mut bounds = vec![0; devices + 1];
        for (device, _) in &self.0 {
            bounds[device.index() + 1] += 1;
        }
        for device in 0..devices {
            bounds[device + 1] += bounds[device];
        }
        let mut moments = vec![0; self.0.len()];
        // While they are filled in, each device's bound says where its next moment belongs.
        let mut next = bounds.clone();
        for (device, moment) in self.0 {
            let place = &mut next[device.index()];
            moments[*place as usize] = moment;
            *place += 1;
        }
        Stories { moments, bounds }
    }
}

impl Stories {
    pub(super) fn of<'s, 't>(&'s self, trace: &'t Trace) -> impl Iterator<Item = Story<'s, 't>> {
        self.bounds.windows(2).zip(0..).map(move |(bounds, device)| Story {
            device: DeviceIndex(device),
            trace,
            moments: &self.moments[bounds[0] as usize..bounds[1] as usize],
        })
    }
}

/// The device at whose own boundary it happens, if it does.
const fn at_device(what: &Occurrence) -> Option<DeviceIndex> {
    match what {
        Occurrence::Called { .. }
        | Occurrence::Returned { .. }
        | Occurrence::Heard { .. }
        | Occurrence::DeviceSent { .. }
        | Occurrence::DeviceChanged { .. } => what.device(),
        Occurrence::DeviceReceived { message, .. } if !matches!(message, ServerMessage::Event { .. }) => what.device(),
        _ => None,
    }
}
