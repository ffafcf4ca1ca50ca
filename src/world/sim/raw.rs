//! Raw devices: no library, the author gives every request. This is the little that a connection needs all the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Sim;
use crate::plan::DeviceIndex;
use crate::protocol::call::{Call, Reply};
use crate::protocol::message::{ClientMessage, Content, Login, Request, ServerMessage};
use crate::protocol::vocabulary::{OperationName, RequestId};

#[derive(Default)]
pub(super) struct RawState {
    requests: u64,
    received: u64,
    /// The step whose login waits for a connection.
    login_step: Option<usize>,
    /// What each request asked, for steps that wait for an answer.
    asked: BTreeMap<RequestId, OperationName>,
}

impl Sim<'_> {
    pub(super) fn raw_connect(&mut self, device: DeviceIndex, step: Option<usize>) {
        let state = &mut self.devices[device.index()];
        state.connecting = true;
        state.raw.get_or_insert_default().login_step = step;
        self.try_to_connect(device);
    }

    pub(super) fn raw_log_in(&mut self, device: DeviceIndex) {
        let raw = self.devices[device.index()].raw.get_or_insert_default();
        raw.received = 0;
        let step = raw.login_step.take();
        let identity = self.plan.device(device).identity.clone();
        let login = Login { identity, user_sig: "".into(), resume: None };
        self.send_from_device(device, ClientMessage::Login(login.into()), step);
    }

    /// The setup's calls of a raw device: what a library would send.
    pub(super) fn raw_set_up(&mut self, device: DeviceIndex, call: &Arc<Call>) {
        if let Call::Login { .. } = **call {
            self.raw_connect(device, None);
        } else {
            self.raw_request(device, None, Content::Call(call.clone()), None);
        }
    }

    pub(super) fn raw_request(&mut self, device: DeviceIndex, id: Option<&str>, content: Content, step: Option<usize>) {
        let raw = self.devices[device.index()].raw.get_or_insert_default();
        raw.requests += 1;
        let id = id.map_or_else(|| RequestId::from(format!("raw-{}", raw.requests)), RequestId::from);
        if let Some(operation) = content.operation() {
            raw.asked.insert(id.clone(), operation);
        }
        let message = ClientMessage::Request(Request { id, received: raw.received, content }.into());
        self.send_from_device(device, message, step);
    }

    pub(super) fn raw_received(&mut self, device: DeviceIndex, message: &ServerMessage) {
        let raw = self.devices[device.index()].raw.get_or_insert_default();
        match message {
            ServerMessage::Event { seq, event } => {
                raw.received = raw.received.max(*seq);
                if self.triggers.waits_for_events() {
                    self.fire(|triggers| triggers.on_heard(&event.event, device));
                }
            }
            ServerMessage::Response(response) => {
                if let Ok(Reply::List(page)) = &response.result {
                    self.devices[device.index()].cursor = page.cursor.clone();
                }
                let raw = self.devices[device.index()].raw.get_or_insert_default();
                if let Some(operation) = raw.asked.get(&response.id).copied() {
                    self.fire(|triggers| triggers.on_returned(operation, device));
                }
            }
            ServerMessage::LoggedIn { .. } | ServerMessage::Refused { .. } => {
                self.fire(|triggers| triggers.on_returned(OperationName::Login, device));
            }
        }
    }
}
