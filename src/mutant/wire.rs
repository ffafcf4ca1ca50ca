//! A node around a node: what every fault needs that changes what goes into a server or a device and what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::protocol::Node;
use crate::protocol::call::{CallNo, DeviceIdentity};
use crate::protocol::device::{Device, DeviceConfig, DeviceInput, DeviceOutput};
use crate::protocol::message::{ClientMessage, ConnectionNo, Content, Request, ServerMessage};
use crate::protocol::service::{Service, ServiceConfig, ServiceInput, ServiceOutput};
use crate::protocol::vocabulary::{EventName, RequestId, RoomId, SessionToken};
use crate::time::Instant;
use crate::world::cast::{DeviceNode, ServerNode};

/// What a fault of a server remembers.
#[derive(Default)]
pub(super) struct ServerMemory {
    /// Who has logged in on each connection, as it said itself.
    pub(super) logins: BTreeMap<ConnectionNo, DeviceIdentity>,
    /// What each device has asked, and how often.
    pub(super) asked: BTreeMap<(DeviceIdentity, RequestId), (Content, u32)>,
    /// Tokens that this life has given out.
    pub(super) tokens: BTreeSet<SessionToken>,
    /// When it was started with records of an earlier life.
    pub(super) restarted: Option<Instant>,
}

impl ServerMemory {
    /// How often this request has come before, and what it asked the first time.
    pub(super) fn ask(&mut self, connection: ConnectionNo, request: &Request) -> Option<(Content, u32)> {
        let identity = self.logins.get(&connection)?.clone();
        let asked = self.asked.entry((identity, request.id.clone())).or_insert((request.content.clone(), 0));
        asked.1 += 1;
        Some((asked.0.clone(), asked.1 - 1))
    }
}

/// Changes an input; none takes it away.
pub(super) type ServerInputs = fn(&mut ServerMemory, ServiceInput) -> Option<ServiceInput>;

/// Changes what comes of one input.
pub(super) type ServerOutputs = fn(&mut ServerMemory, &mut Vec<ServiceOutput>);

/// The reference server, with other inputs and other outputs.
pub(super) struct AroundServer {
    inner: Service,
    memory: ServerMemory,
    inputs: ServerInputs,
    outputs: ServerOutputs,
}

/// The server with other inputs and outputs.
pub(super) fn around(config: ServiceConfig, inputs: ServerInputs, outputs: ServerOutputs) -> Box<ServerNode> {
    Box::new(AroundServer { inner: Service::new(config), memory: ServerMemory::default(), inputs, outputs })
}

/// The input as it is.
pub(super) fn as_it_comes(_: &mut ServerMemory, input: ServiceInput) -> Option<ServiceInput> {
    Some(input)
}

/// The outputs as they are.
pub(super) const fn as_they_go(_: &mut ServerMemory, _: &mut Vec<ServiceOutput>) {}

impl Node for AroundServer {
    type Input = ServiceInput;
    type Output = ServiceOutput;

    fn step(&mut self, now: Instant, input: ServiceInput, outputs: &mut Vec<ServiceOutput>) {
        match &input {
            ServiceInput::Started { records, .. } if !records.is_empty() => self.memory.restarted = Some(now),
            ServiceInput::Message { connection, message: ClientMessage::Login(login) } => {
                self.memory.logins.insert(*connection, login.identity.clone());
            }
            _ => {}
        }
        // Taken away or not, time has passed.
        let input = (self.inputs)(&mut self.memory, input).unwrap_or(ServiceInput::Deadline);
        let mut own = Vec::new();
        self.inner.step(now, input, &mut own);
        for output in &own {
            if let ServiceOutput::Send { message: ServerMessage::LoggedIn { session, .. }, .. } = output {
                self.memory.tokens.insert(session.clone());
            }
        }
        (self.outputs)(&mut self.memory, &mut own);
        outputs.append(&mut own);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.inner.next_deadline()
    }
}

/// What a fault of a client library remembers.
#[derive(Default)]
pub(super) struct DeviceMemory {
    pub(super) auto_busy: bool,
    /// The number of the last event that came in its turn.
    pub(super) seq: u64,
    /// How often each request was sent.
    pub(super) sent: BTreeMap<RequestId, u32>,
    /// Requests that the fault has a hand in.
    pub(super) own: BTreeSet<RequestId>,
    /// Calls that have been answered.
    pub(super) returned: BTreeSet<CallNo>,
    /// The calls of the application that read a list, oldest first.
    pub(super) lists: Vec<CallNo>,
    /// Rooms that the device has asked to enter.
    pub(super) entering: BTreeSet<RoomId>,
    /// How often each handler was registered, and what it removes.
    pub(super) handlers: BTreeMap<(EventName, Arc<str>), Registered>,
}

/// How often a handler was registered, and what it removes.
pub(super) type Registered = (u32, Vec<Arc<str>>);

/// Changes an input.
pub(super) type DeviceInputs = fn(&mut DeviceMemory, DeviceInput) -> DeviceInput;

/// Changes what comes of one input.
pub(super) type DeviceOutputs = fn(&mut DeviceMemory, &Device, &DeviceInput, &mut Vec<DeviceOutput>);

/// The reference library, with other inputs and other outputs.
pub(super) struct AroundDevice {
    inner: Device,
    memory: DeviceMemory,
    inputs: DeviceInputs,
    outputs: DeviceOutputs,
}

/// The library with other inputs and outputs.
pub(super) fn shell(config: DeviceConfig, inputs: DeviceInputs, outputs: DeviceOutputs) -> Box<dyn DeviceNode> {
    let memory = DeviceMemory { auto_busy: config.auto_busy, ..DeviceMemory::default() };
    Box::new(AroundDevice { inner: Device::new(config), memory, inputs, outputs })
}

/// The input as it is.
pub(super) fn unchanged(_: &mut DeviceMemory, input: DeviceInput) -> DeviceInput {
    input
}

impl Node for AroundDevice {
    type Input = DeviceInput;
    type Output = DeviceOutput;

    fn step(&mut self, now: Instant, input: DeviceInput, outputs: &mut Vec<DeviceOutput>) {
        let input = (self.inputs)(&mut self.memory, input);
        let mut own = Vec::new();
        self.inner.step(now, input.clone(), &mut own);
        (self.outputs)(&mut self.memory, &self.inner, &input, &mut own);
        match &input {
            DeviceInput::Message(ServerMessage::LoggedIn { resumed: false, .. }) => self.memory.seq = 0,
            DeviceInput::Message(ServerMessage::Event { seq, .. }) if *seq == self.memory.seq + 1 => {
                self.memory.seq = *seq;
            }
            _ => {}
        }
        outputs.append(&mut own);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.inner.next_deadline()
    }
}

impl DeviceNode for AroundDevice {
    fn room(&self) -> Option<&RoomId> {
        self.inner.room()
    }
}
