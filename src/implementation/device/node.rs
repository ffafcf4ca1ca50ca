//! A client library of somebody else as a node: one input, one line, and the outputs that it wants.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::core::wakes_for_nothing;
use super::super::fault::{Fault, FaultKind};
use super::super::words::below;
use super::seats::Seats;
use super::told::Told;
use super::words::{Item, Out, SECTION, Said};
use crate::protocol::Node;
use crate::protocol::call::{Call, CallNo, Reply};
use crate::protocol::device::{DeviceConfig, DeviceInput, DeviceOutput};
use crate::protocol::event::Event;
use crate::protocol::vocabulary::{ApiError, RoomId};
use crate::time::Instant;

/// One life of a device's program, as a world sees it.
#[derive(Debug)]
pub struct ForeignDevice {
    seats: Arc<Seats>,
    number: u32,
    config: DeviceConfig,
    connected: bool,
    wake_at: Option<Instant>,
    /// The calls that have not returned.
    open: BTreeMap<CallNo, Arc<Call>>,
    /// The handlers that the application has ever registered.
    handlers: BTreeSet<Arc<str>>,
    told: Told,
    /// The room that the device is in, as far as its application and its connection were told.
    room: Option<RoomId>,
}

impl ForeignDevice {
    /// A device of a run, counted from 1, whose library has these seats.
    #[must_use]
    pub fn new(seats: Arc<Seats>, number: u32, config: DeviceConfig) -> Self {
        Self {
            seats,
            number,
            config,
            connected: false,
            wake_at: None,
            open: BTreeMap::new(),
            handlers: BTreeSet::new(),
            told: Told::default(),
            room: None,
        }
    }

    /// The room that the device is in, as far as its application was told.
    #[must_use]
    pub const fn room(&self) -> Option<&RoomId> {
        self.room.as_ref()
    }

    fn say(&mut self, said: &Said<'_>, outputs: &mut Vec<DeviceOutput>) {
        let out = self.seats.say(self.number, said);
        self.read(said, out, outputs);
    }

    fn read(&mut self, said: &Said<'_>, out: Option<Out>, outputs: &mut Vec<DeviceOutput>) {
        let Some(Out { items, wake_at }) = out else {
            self.wake_at = None;
            return;
        };
        self.wake_at = wake_at;
        for (index, item) in items.into_iter().enumerate() {
            match self.take(item, index) {
                Ok(output) => outputs.push(output),
                Err(fault) => return self.refuse(said, fault),
            }
        }
        if let (Some(at), Said::Wake { now, .. }) = (self.wake_at, said)
            && let Some(fault) = wakes_for_nothing(*now, at)
        {
            self.refuse(said, fault.with_requirements(&[]));
        }
    }

    fn take(&mut self, item: Item, index: usize) -> Result<DeviceOutput, Fault> {
        let wrong = |reason: String| Fault::new(FaultKind::Malformed, SECTION, format!("at /out/{index}: {reason}"));
        Ok(match item {
            Item::Connect => DeviceOutput::Connect,
            Item::Disconnect => {
                self.connected = false;
                DeviceOutput::Disconnect
            }
            Item::Send(message) if self.connected => DeviceOutput::Send(message),
            Item::Send(_) => return Err(wrong("a message, and there is no connection".to_owned())),
            Item::Result { call, result } => {
                let Some(content) = self.open.remove(&call) else {
                    let reason = format!("a result of call {}, which is not open", call.0);
                    return Err(wrong(reason).with_requirements(&["ERR-4"]));
                };
                let result = match result {
                    Ok(value) => {
                        let reply = self.told.returned(content.operation(), value);
                        let reply = reply.map_err(|error| below(&format!("out/{index}/result/value"), error));
                        Ok(reply.map_err(|error| Fault::new(FaultKind::Malformed, SECTION, error.to_string()))?)
                    }
                    Err(error) => Err(error),
                };
                self.follow(&content, &result);
                DeviceOutput::Returned { call, result }
            }
            Item::Event(event) => {
                match &event {
                    Event::KickedOutOfRoom { room_id, .. } | Event::RoomDismissed { room_id, .. }
                        if self.room.as_ref() == Some(room_id) =>
                    {
                        self.room = None;
                    }
                    Event::KickedOffLine { .. } => self.room = None,
                    _ => {}
                }
                DeviceOutput::Event(self.told.handed_over(event))
            }
            Item::Handled { handler, event } => {
                if !self.handlers.contains(&handler) {
                    return Err(wrong(format!("a handler `{handler}`, which was never registered")));
                }
                DeviceOutput::Handler { handler, event: self.told.handled(event) }
            }
        })
    }

    /// Where the application is when a call has returned.
    fn follow(&mut self, content: &Call, result: &Result<Reply, ApiError>) {
        match (content, result) {
            (Call::EnterRoom { room_id, .. }, Ok(_)) if !self.told.is_entry_over() => {
                self.room = Some(room_id.clone());
            }
            (Call::ExitRoom { room_id } | Call::DestroyRoom { room_id }, Ok(_))
                if self.room.as_ref() == Some(room_id) =>
            {
                self.room = None;
            }
            (Call::Logout {}, Ok(_)) => self.room = None,
            _ => {}
        }
    }

    fn refuse(&mut self, said: &Said<'_>, fault: Fault) {
        self.wake_at = None;
        self.seats.refuse(self.number, said, fault);
    }
}

impl Node for ForeignDevice {
    type Input = DeviceInput;
    type Output = DeviceOutput;

    fn step(&mut self, now: Instant, input: DeviceInput, outputs: &mut Vec<DeviceOutput>) {
        let device = self.number;
        match &input {
            DeviceInput::Message(message) => self.told.comes(message),
            _ => self.told.nothing_comes(),
        }
        match input {
            DeviceInput::Started { entropy } => {
                let identity = self.config.identity.clone();
                let said = Said::start(now, device, &identity, self.config.auto_busy, entropy);
                let out = self.seats.begin(device, &self.config.bounds, &said);
                self.read(&said, out, outputs);
            }
            DeviceInput::Connected => {
                self.connected = true;
                self.say(&Said::Connected { now, device }, outputs);
            }
            DeviceInput::Disconnected => {
                self.connected = false;
                self.say(&Said::Disconnected { now, device }, outputs);
            }
            DeviceInput::Message(message) => self.say(&Said::Message { now, device, message: &message }, outputs),
            DeviceInput::Deadline => self.say(&Said::Wake { now, device }, outputs),
            DeviceInput::Call { call, content } => {
                self.open.insert(call, content.clone());
                self.say(&Said::call(now, device, call, &content), outputs);
            }
            DeviceInput::On { event, handler, removes } => {
                self.handlers.insert(handler.clone());
                let (event, handler, removes) = (event.name(), &*handler, removes.as_slice());
                self.say(&Said::On { now, device, event, handler, removes }, outputs);
            }
            DeviceInput::Off { event, handler } => {
                self.say(&Said::Off { now, device, event: event.name(), handler: &handler }, outputs);
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.wake_at
    }
}
