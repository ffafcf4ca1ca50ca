//! Connections, and what is under way on them: how they are made and broken, what is sent, and what becomes of it.
//!
//! A connection attempt waits until there is a way, and a message that is stopped waits where it is; how long a message
//! takes, and what the network does to it, is said by the link.

use super::backlog::Backlog;
use super::network::{Fate, Way};
use super::{Happening, Sim};
use crate::plan::{DeviceIndex, DeviceKind, Latency};
use crate::protocol::codec;
use crate::protocol::device::DeviceInput;
use crate::protocol::message::{ClientMessage, ConnectionNo, ServerMessage};
use crate::protocol::service::ServiceInput;
use crate::time::Duration;
use crate::trace::{Occurrence, Stage};
use crate::world::WorldError;

/// A connection, and which of its ends still have it.
pub(super) struct Connection {
    pub(super) device: DeviceIndex,
    pub(super) device_end: bool,
    pub(super) server_end: bool,
}

/// A message between two ends.
#[derive(Debug)]
pub(super) enum InFlight {
    ToServer(ConnectionNo, ClientMessage),
    ToDevice(ConnectionNo, ServerMessage),
    /// The other end has closed: what came before it arrives first.
    CloseToDevice(ConnectionNo),
}

impl Sim<'_> {
    pub(super) fn connection(&self, connection: ConnectionNo) -> &Connection {
        &self.connections[connection.0 as usize - 1]
    }

    fn connection_mut(&mut self, connection: ConnectionNo) -> &mut Connection {
        &mut self.connections[connection.0 as usize - 1]
    }

    pub(super) fn try_to_connect(&mut self, index: DeviceIndex) {
        let device = &mut self.devices[index.index()];
        if !device.connecting || !device.link.is_open() || self.server.is_none() {
            return;
        }
        let model = &self.models[device.link.model as usize];
        let latency = if self.stage == Stage::Setup {
            Duration::ZERO
        } else {
            device.link.latency(model, self.plan.seed, index.0)
        };
        self.queue.push(self.now + latency, Happening::Connected(index));
    }

    pub(super) fn connected(&mut self, index: DeviceIndex) {
        let device = &mut self.devices[index.index()];
        // The way may have closed again, or a second attempt was under way; what waits tries again when it opens.
        if !device.connecting || !device.link.is_open() || self.server.is_none() || device.connection.is_some() {
            return;
        }
        device.connecting = false;
        device.link.forget_order();
        device.waiting = None;
        self.connections.push(Connection { device: index, device_end: true, server_end: true });
        let connection = ConnectionNo(u32::try_from(self.connections.len()).expect("fewer than 2^32 connections"));
        device.connection = Some(connection);
        self.record(Occurrence::Connected { device: index, connection });
        self.step_server(ServiceInput::Opened { connection });
        match self.devices[index.index()].kind {
            DeviceKind::Sdk => self.step_device(index, DeviceInput::Connected),
            DeviceKind::Raw => self.raw_log_in(index),
        }
    }

    /// The ends that are named notice that the connection is gone; what is under way to them is lost.
    pub(super) fn break_connection(&mut self, connection: ConnectionNo, device_notices: bool, server_notices: bool) {
        let device = self.connection(connection).device;
        if server_notices && self.connection(connection).server_end {
            self.connection_mut(connection).server_end = false;
            if self.server.is_some() {
                self.record(Occurrence::ServerLost { device, connection });
                self.step_server(ServiceInput::Closed { connection });
            }
        }
        if device_notices && self.connection(connection).device_end {
            self.connection_mut(connection).device_end = false;
            if self.devices[device.index()].connection == Some(connection) {
                self.devices[device.index()].connection = None;
            }
            self.record(Occurrence::DeviceLost { device, connection });
            self.step_device(device, DeviceInput::Disconnected);
        }
    }

    /// The device hangs up: the server notices when what is under way to it has arrived.
    pub(super) fn close_from_device(&mut self, connection: ConnectionNo) {
        if self.connection(connection).device_end {
            let device = self.connection(connection).device;
            self.connection_mut(connection).device_end = false;
            self.record(Occurrence::DeviceLost { device, connection });
            self.queue.push(self.now + self.wire_latency(device), Happening::ServerNotices(connection));
        }
    }

    /// The server hangs up: the device notices when what was sent before has arrived.
    pub(super) fn close_from_server(&mut self, connection: ConnectionNo) {
        if self.connection(connection).server_end {
            let device = self.connection(connection).device;
            self.connection_mut(connection).server_end = false;
            self.record(Occurrence::ServerClosed { device, connection });
            self.put_on_wire(device, Way::ToDevice, InFlight::CloseToDevice(connection));
        }
    }

    fn wire_latency(&self, device: DeviceIndex) -> Duration {
        match self.models[self.devices[device.index()].link.model as usize].latency {
            Latency::Constant(latency) if self.stage != Stage::Setup => latency,
            _ => Duration::ZERO,
        }
    }

    pub(super) fn send_from_device(&mut self, device: DeviceIndex, message: ClientMessage, step: Option<usize>) {
        let Some(connection) = self.devices[device.index()].connection else { return };
        if self.options.encode {
            let text = codec::encode_client(&message);
            let read = codec::decode_client(&text);
            self.hold_to(read.as_ref() == Ok(&message), text, read.err());
        }
        self.record(Occurrence::DeviceSent { device, connection, message: message.clone(), step });
        self.put_on_wire(device, Way::ToServer, InFlight::ToServer(connection, message));
    }

    pub(super) fn send_from_server(&mut self, connection: ConnectionNo, message: ServerMessage) {
        // Between a step and its release the connection may have gone; the session keeps what must not be lost.
        if !self.connection(connection).server_end {
            return;
        }
        if self.options.encode {
            let text = codec::encode_server(&message);
            let read = codec::decode_server(&text);
            self.hold_to(read.as_ref() == Ok(&message), text, read.err());
        }
        let device = self.connection(connection).device;
        self.record(Occurrence::ServerSent { device, connection, message: message.clone() });
        self.put_on_wire(device, Way::ToDevice, InFlight::ToDevice(connection, message));
    }

    /// The codec must give back what it was given.
    fn hold_to(&mut self, same: bool, text: String, error: Option<codec::DecodeError>) {
        if !same && self.codec_error.is_none() {
            let reason = error.map_or_else(|| "it reads back as another message".to_owned(), |error| error.to_string());
            self.codec_error = Some(WorldError::Codec { at: self.now, text, reason });
        }
    }

    pub(super) fn put_on_wire(&mut self, index: DeviceIndex, way: Way, message: InFlight) {
        if self.stage == Stage::Setup {
            self.queue.push_in_order(self.now, Happening::Arrival(index, message));
            return;
        }
        let device = &mut self.devices[index.index()];
        if device.link.is_blocked(way) {
            device.waiting.get_or_insert_default()[way as usize].keep(message);
            return;
        }
        let model = &self.models[device.link.model as usize];
        match device.link.fate(self.now, way, model, self.plan.seed, index.0) {
            Fate::Arrives(at) => self.queue.push_in_order(at, Happening::Arrival(index, message)),
            Fate::ArrivesTwice(first, second) => {
                if let Some(copy) = message.copy() {
                    self.queue.push(second, Happening::Arrival(index, copy));
                }
                self.queue.push(first, Happening::Arrival(index, message));
            }
            Fate::IsLost => {}
            Fate::BreaksTheConnection => {
                let (InFlight::ToServer(connection, _)
                | InFlight::ToDevice(connection, _)
                | InFlight::CloseToDevice(connection)) = message;
                // Noticed by both ends at once, but not in the middle of the step that sends.
                self.queue.push(self.now, Happening::ServerNotices(connection));
                self.queue.push(self.now, Happening::Arrival(index, InFlight::CloseToDevice(connection)));
            }
        }
    }

    pub(super) fn arrive(&mut self, index: DeviceIndex, message: InFlight) {
        let device = &mut self.devices[index.index()];
        // What is under way when the link is cut waits like what is sent later, and before it.
        let way = match message {
            InFlight::ToServer(..) => Way::ToServer,
            InFlight::ToDevice(..) | InFlight::CloseToDevice(_) => Way::ToDevice,
        };
        if device.link.is_blocked(way) {
            device.waiting.get_or_insert_default()[way as usize].catch(message);
            return;
        }
        match message {
            InFlight::ToServer(connection, message) => {
                if !self.connection(connection).server_end || self.server.is_none() {
                    return;
                }
                self.record(Occurrence::ServerReceived { device: index, connection, message: message.clone() });
                self.step_server(ServiceInput::Message { connection, message });
            }
            InFlight::ToDevice(connection, message) => {
                if !self.connection(connection).device_end {
                    return;
                }
                self.record(Occurrence::DeviceReceived { device: index, connection, message: message.clone() });
                match self.devices[index.index()].kind {
                    DeviceKind::Sdk => self.step_device(index, DeviceInput::Message(message)),
                    DeviceKind::Raw => self.raw_received(index, &message),
                }
            }
            InFlight::CloseToDevice(connection) => self.break_connection(connection, true, false),
        }
    }

    /// What the network held back goes on its way: after a partition it takes the usual time, after a hold none. It is a
    /// stream either way: what was on its way before and is so still comes before what was sent into the fault, and behind
    /// what the fault caught, which therefore arrives at once.
    pub(super) fn let_go(&mut self, index: DeviceIndex, at_once: bool) {
        // What arrives at once is answered at once, and the answer comes behind what was held back too.
        let mut arriving = Vec::new();
        for way in [Way::ToServer, Way::ToDevice] {
            let device = &mut self.devices[index.index()];
            if device.link.is_blocked(way) {
                continue;
            }
            let before = device.link.last_arrival(way);
            let is_under_way = before >= self.now;
            let Some(waiting) = &mut device.waiting else { continue };
            let Backlog { caught, kept } = std::mem::take(&mut waiting[way as usize]);
            for message in caught {
                if at_once || is_under_way {
                    arriving.push(message);
                } else {
                    self.put_on_wire(index, way, message);
                }
            }
            for message in kept {
                if !at_once {
                    self.put_on_wire(index, way, message);
                } else if is_under_way {
                    self.queue.push(before, Happening::Arrival(index, message));
                } else {
                    arriving.push(message);
                }
            }
        }
        for message in arriving {
            self.arrive(index, message);
        }
        self.try_to_connect(index);
    }
}

impl InFlight {
    fn copy(&self) -> Option<Self> {
        match self {
            Self::ToServer(connection, message) => Some(Self::ToServer(*connection, message.clone())),
            Self::ToDevice(connection, message) => Some(Self::ToDevice(*connection, message.clone())),
            Self::CloseToDevice(_) => None,
        }
    }
}
