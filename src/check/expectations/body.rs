//! What the devices that the author speaks of heard and had answered in the body.

use std::collections::BTreeMap;

use crate::plan::{DeviceIndex, Expected, Sighting};
use crate::protocol::call::CallNo;
use crate::protocol::event::Event;
use crate::protocol::message::{ClientMessage, Content, ServerMessage};
use crate::protocol::vocabulary::{EventName, OperationName, RequestId};
use crate::time::Instant;
use crate::trace::{Occurrence, Stage, Trace};

/// One event that a device heard.
pub(super) struct Hearing<'t> {
    /// When, since the body began.
    pub(super) at: Instant,
    /// As an index of [`Trace::moments`].
    pub(super) moment: usize,
    event: &'t Event,
}

impl<'t> Hearing<'t> {
    /// What.
    pub(super) fn event(&self) -> &'t Event {
        self.event
    }
}

/// One handler of the application that was called.
pub(super) struct Run<'t> {
    /// When, since the body began.
    pub(super) at: Instant,
    /// As an index of [`Trace::moments`].
    pub(super) moment: usize,
    pub(super) handler: &'t str,
    pub(super) event: EventName,
}

/// The body of a run, as far as expectations speak of it.
pub(super) struct Body<'t> {
    heard: Vec<Vec<Hearing<'t>>>,
    runs: BTreeMap<DeviceIndex, Vec<Run<'t>>>,
    returned: BTreeMap<(DeviceIndex, OperationName), Vec<usize>>,
}

impl<'t> Body<'t> {
    /// Reads the trace once.
    pub(super) fn of(trace: &'t Trace) -> Self {
        let wanted = wanted(trace);
        let mut body = Self {
            heard: trace.plan.devices.iter().map(|_| Vec::new()).collect(),
            runs: BTreeMap::new(),
            returned: BTreeMap::new(),
        };
        let mut calls: BTreeMap<(DeviceIndex, CallNo), OperationName> = BTreeMap::new();
        let mut requests: BTreeMap<(DeviceIndex, &RequestId), OperationName> = BTreeMap::new();
        let mut origin = None;
        for (index, moment) in trace.moments.iter().enumerate() {
            match &moment.what {
                Occurrence::Stage(Stage::Body) => origin = Some(moment.at),
                Occurrence::Stage(Stage::Epilogue | Stage::FinalLists) => break,
                Occurrence::Heard { device, event } if wanted[device.index()] => {
                    let Some(origin) = origin else { continue };
                    let at = Instant::START + moment.at.since(origin);
                    body.heard[device.index()].push(Hearing { at, moment: index, event: &event.event });
                }
                Occurrence::Handled { device, handler, event } if wanted[device.index()] => {
                    let Some(origin) = origin else { continue };
                    let at = Instant::START + moment.at.since(origin);
                    let run = Run { at, moment: index, handler, event: event.event.name() };
                    body.runs.entry(*device).or_default().push(run);
                }
                Occurrence::Called { device, call, content, .. } if wanted[device.index()] && origin.is_some() => {
                    calls.insert((*device, *call), content.operation());
                }
                Occurrence::Returned { device, call, .. } if wanted[device.index()] => {
                    if let Some(operation) = calls.remove(&(*device, *call)) {
                        body.returned.entry((*device, operation)).or_default().push(index);
                    }
                }
                // A raw device has no library that calls and returns: its requests and their answers stand for that.
                Occurrence::DeviceSent { device, message: ClientMessage::Request(request), step: Some(_), .. }
                    if wanted[device.index()] =>
                {
                    let operation = match &request.content {
                        Content::Call(call) => Some(call.operation()),
                        Content::Malformed(malformed) => OperationName::from_name(&malformed.operation),
                    };
                    requests.extend(operation.map(|operation| ((*device, &request.id), operation)));
                }
                Occurrence::DeviceReceived { device, message: ServerMessage::Response(response), .. } => {
                    if let Some(operation) = requests.get(&(*device, &response.id)) {
                        body.returned.entry((*device, *operation)).or_default().push(index);
                    }
                }
                _ => {}
            }
        }
        body
    }

    /// What a device heard, in order.
    pub(super) fn heard(&self, device: DeviceIndex) -> &[Hearing<'t>] {
        &self.heard[device.index()]
    }

    /// The handlers that were called on a device, in order.
    pub(super) fn runs(&self, device: DeviceIndex) -> &[Run<'t>] {
        self.runs.get(&device).map_or(&[], Vec::as_slice)
    }

    /// When a device had calls of an operation answered.
    pub(super) fn returned(&self, device: DeviceIndex, operation: OperationName) -> impl Iterator<Item = usize> + '_ {
        self.returned.get(&(device, operation)).into_iter().flatten().copied()
    }
}

/// The devices that any expectation speaks of.
fn wanted(trace: &Trace) -> Vec<bool> {
    let mut wanted = vec![false; trace.plan.devices.len()];
    let mut want = |devices: &[DeviceIndex]| devices.iter().for_each(|device| wanted[device.index()] = true);
    for expectation in &trace.plan.expectations {
        match &expectation.what {
            Expected::Hears { devices, .. } | Expected::Never { devices, .. } | Expected::Runs { devices, .. } => {
                want(devices);
            }
            Expected::Before { first, then } => {
                for sighting in [first, then] {
                    match sighting {
                        Sighting::Hears { by, .. } | Sighting::Returned { by, .. } => want(by),
                    }
                }
            }
            Expected::FinalList { .. } => {}
        }
    }
    wanted
}
