//! What the author's steps do in the simulator.

use super::super::steps::with_cursor;
use super::connections::InFlight;
use super::network::Way;
use super::{Happening, Sim};
use crate::plan::{Action, DeviceIndex, Direction, RawRequest};
use crate::protocol::device::DeviceInput;
use crate::protocol::vocabulary::{Cursor, OperationName};
use crate::trace::{DeviceChange, Occurrence};

impl Sim<'_> {
    pub(super) fn carry_out(&mut self, step: usize) {
        if !self.triggers.is_active() {
            return; // The scenario ended before its turn came; the checks say so.
        }
        self.record(Occurrence::StepBegan { step });
        for (next, delay) in self.triggers.on_begun(step) {
            self.queue.push(self.now + delay, Happening::Step(next));
        }
        let plan = self.plan.clone();
        match &plan.steps[step].action {
            Action::Call { devices, call, cursor_of, .. } => {
                // The step begins for all its devices at once, so that an answer to the first is too late for the second.
                let call = with_cursor(call, cursor_of.map(|reader| self.cursor_of(reader)));
                for device in devices {
                    self.call(*device, call.clone(), Some(step));
                }
            }
            Action::Send { devices, request, .. } => {
                let cursor = request.cursor_of.map(|reader| self.cursor_of(reader));
                for device in devices {
                    self.send_raw(*device, request, cursor.as_ref(), step);
                }
            }
            Action::On { devices, event, handler } => {
                for device in devices {
                    let (name, removes) = (handler.name.clone(), handler.removes.clone());
                    self.step_device(*device, DeviceInput::On { event: *event, handler: name, removes });
                }
            }
            Action::Off { devices, event, handler } => {
                for device in devices {
                    self.step_device(*device, DeviceInput::Off { event: *event, handler: handler.clone() });
                }
            }
            Action::Offline { devices, noticed } => {
                for device in devices {
                    self.go_offline(*device, *noticed);
                }
            }
            Action::Online { devices } => self.change_all(devices, DeviceChange::Online),
            Action::Disconnect { devices } => self.change_all(devices, DeviceChange::Disconnected),
            Action::Kill { devices } => self.change_all(devices, DeviceChange::Killed),
            Action::Restart { devices } => self.change_all(devices, DeviceChange::Restarted),
            Action::Heal { devices } => self.change_all(devices, DeviceChange::Healed),
            Action::Release { devices } => self.change_all(devices, DeviceChange::Released),
            Action::Partition { devices, direction } => {
                for device in devices {
                    self.partition(*device, *direction);
                }
            }
            Action::Hold { devices, direction } => {
                for device in devices {
                    self.record(Occurrence::DeviceChanged { device: *device, change: DeviceChange::Held });
                    self.devices[device.index()].link.hold(*direction);
                }
            }
            Action::CrashServer { keep_unsynced } => self.crash_server(*keep_unsynced),
            Action::RestartServer => {
                if self.server.is_none() {
                    self.start_server();
                }
            }
            Action::ClockJump { devices, by } => self.change_clocks(devices, *by, None),
            Action::ClockDrift { devices, ppm } => self.change_clocks(devices, 0, Some(*ppm)),
        }
    }

    fn change_all(&mut self, devices: &[DeviceIndex], change: DeviceChange) {
        for device in devices {
            self.change(*device, change);
        }
    }

    pub(super) fn change(&mut self, index: DeviceIndex, change: DeviceChange) {
        self.record(Occurrence::DeviceChanged { device: index, change });
        let connection = self.devices[index.index()].connection;
        match change {
            DeviceChange::Online => {
                self.devices[index.index()].link.offline = false;
                self.let_go(index, false);
            }
            DeviceChange::Disconnected => {
                if let Some(connection) = connection {
                    self.break_connection(connection, true, true);
                }
            }
            DeviceChange::Killed => {
                // Everything the program knew is lost; the operating system closes its connection.
                let device = &mut self.devices[index.index()];
                device.node = None;
                device.connecting = false;
                device.wake = None;
                if let Some(connection) = connection {
                    self.break_connection(connection, true, true);
                }
            }
            DeviceChange::Restarted => {
                if self.devices[index.index()].node.is_none() {
                    self.start_device(index);
                }
            }
            DeviceChange::Healed => {
                self.devices[index.index()].link.heal();
                self.let_go(index, false);
            }
            DeviceChange::Released => {
                self.devices[index.index()].link.release();
                self.let_go(index, true);
            }
            DeviceChange::Offline | DeviceChange::Partitioned | DeviceChange::Held | DeviceChange::ClockChanged => {
                unreachable!("these carry more than a change, and have functions of their own")
            }
        }
    }

    pub(super) fn change_if_held(&mut self, index: DeviceIndex) {
        if self.devices[index.index()].link.is_held() {
            self.change(index, DeviceChange::Released);
        }
    }

    fn go_offline(&mut self, index: DeviceIndex, noticed: bool) {
        self.record(Occurrence::DeviceChanged { device: index, change: DeviceChange::Offline });
        let device = &mut self.devices[index.index()];
        device.link.offline = true;
        device.waiting = None;
        if let Some(connection) = device.connection {
            // The device knows at once that it has no network. The server learns of it by a closed connection, or when
            // its keep-alive runs out.
            self.break_connection(connection, true, noticed);
            if !noticed {
                let bound = self.plan.service.bounds.keep_alive_bound;
                self.queue.push(self.now + bound, Happening::ServerNotices(connection));
            }
        }
    }

    fn partition(&mut self, index: DeviceIndex, direction: Direction) {
        self.record(Occurrence::DeviceChanged { device: index, change: DeviceChange::Partitioned });
        let bound = self.plan.service.bounds.keep_alive_bound;
        let link = &mut self.devices[index.index()].link;
        let already = link.is_partitioned();
        link.partition(direction);
        if !already {
            let partition = link.partitions;
            self.queue.push(self.now + bound, Happening::KeepAlive(index, partition));
        }
    }

    fn crash_server(&mut self, keep_unsynced: bool) {
        if self.server.take().is_none() {
            return;
        }
        self.record(Occurrence::ServerCrashed);
        self.server_wake = None;
        // What was not durable is lost, unless the disk had got so far all the same; what was not said is never said.
        for (_, output) in std::mem::take(&mut self.disk.unsynced) {
            if let (true, super::ServiceOutput::Persist(record)) = (keep_unsynced, output) {
                self.disk.store(record);
            }
        }
        for index in 0..self.connections.len() {
            let connection = &mut self.connections[index];
            if connection.server_end {
                connection.server_end = false;
                let device = connection.device;
                let number = crate::protocol::message::ConnectionNo(u32::try_from(index + 1).expect("numbered so"));
                self.put_on_wire(device, Way::ToDevice, InFlight::CloseToDevice(number));
            }
        }
    }

    fn change_clocks(&mut self, devices: &[DeviceIndex], jump: i64, ppm: Option<i32>) {
        for device in devices {
            self.record(Occurrence::DeviceChanged { device: *device, change: DeviceChange::ClockChanged });
            self.devices[device.index()].clock.change(self.now, jump, ppm);
            // Whatever its library waits for may be due now.
            self.devices[device.index()].wake = None;
            self.step_device(*device, DeviceInput::Deadline);
        }
    }

    /// What the latest page returned to a device.
    fn cursor_of(&self, reader: DeviceIndex) -> Cursor {
        self.devices[reader.index()].cursor.clone()
    }

    fn send_raw(&mut self, device: DeviceIndex, request: &RawRequest, cursor: Option<&Cursor>, step: usize) {
        if request.operation == OperationName::Login.name() {
            self.raw_connect(device, Some(step));
        } else {
            self.raw_request(device, request.id.as_deref(), request.content(cursor), Some(step));
        }
    }
}
