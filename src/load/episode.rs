//! The trace of one call, as it is recorded at the generator's end of the wire.
//!
//! Sessions outlive calls, and a trace must begin with a login to be judged: so each begins with the login of every device
//! whose session goes on, and the numbers of its events count from there. Everything else is as it happened.

use std::sync::Arc;

use super::names::Names;
use crate::plan::DeviceIndex;
use crate::protocol::call::{Call, CallNo, DeviceIdentity, Reply};
use crate::protocol::event::StampedEvent;
use crate::protocol::message::{ClientMessage, ConnectionNo, Login, ServerMessage};
use crate::protocol::vocabulary::SessionToken;
use crate::time::Instant;
use crate::trace::outside::{self, Loss};
use crate::trace::{Moment, Occurrence};

/// See the module.
#[derive(Debug)]
pub(super) struct Episode {
    pub(super) names: Names,
    pub(super) moments: Vec<Moment>,
    /// What it was found guilty of while it was recorded.
    pub(super) misdirected: Vec<String>,
    /// When it was over; events may still come in.
    pub(super) ended: Instant,
    begun: Instant,
    /// For each device the number of the last event that it was told in this call.
    told: Vec<u64>,
}

impl Episode {
    pub(super) fn new(names: Names, devices: usize, begun: Instant) -> Self {
        Self {
            names,
            moments: Vec::with_capacity(64),
            misdirected: Vec::new(),
            ended: begun,
            begun,
            told: vec![0; devices],
        }
    }

    pub(super) fn record(&mut self, now: Instant, what: Occurrence) {
        self.moments.push(Moment { at: Instant::START + now.since(self.begun), what });
    }

    /// A connection is gone.
    pub(super) fn lost(&mut self, now: Instant, device: DeviceIndex, connection: ConnectionNo, how: Loss) {
        let at = Instant::START + now.since(self.begun);
        outside::record_loss(&mut self.moments, at, device, connection, how);
    }

    /// The login of a session that goes on from an earlier call.
    pub(super) fn begin_with(
        &mut self,
        now: Instant,
        device: DeviceIndex,
        connection: ConnectionNo,
        call: CallNo,
        identity: DeviceIdentity,
        session: SessionToken,
    ) {
        let content = Arc::new(Call::Login { user_sig: "".into() });
        let login = ClientMessage::Login(Login { identity, user_sig: "".into(), resume: None }.into());
        self.record(now, Occurrence::Called { device, call, content, step: None });
        self.record(now, Occurrence::Connected { device, connection });
        self.record(now, Occurrence::DeviceSent { device, connection, message: login, step: None });
        let message = ServerMessage::LoggedIn { session, resumed: false };
        self.record(now, Occurrence::DeviceReceived { device, connection, message });
        self.record(now, Occurrence::Returned { device, call, result: Ok(Reply::Void) });
    }

    /// A message to the server. `last` is the number of the last event that the device has received in its session.
    pub(super) fn sent(
        &mut self,
        now: Instant,
        device: DeviceIndex,
        connection: ConnectionNo,
        message: &ClientMessage,
        last: u64,
    ) {
        let mut message = message.clone();
        let told = self.told[device.index()];
        let renumber = |received: &mut u64| *received = told.saturating_sub(last.saturating_sub(*received));
        match &mut message {
            ClientMessage::Request(request) => renumber(&mut Arc::make_mut(request).received),
            ClientMessage::Acknowledge { received } => renumber(received),
            ClientMessage::Login(login) => {
                let login = Arc::make_mut(login);
                // A trace is shown to many: what lets somebody in stays out of it.
                login.user_sig = "".into();
                if let Some(resume) = &mut login.resume {
                    renumber(&mut resume.received);
                }
            }
        }
        self.record(now, Occurrence::DeviceSent { device, connection, message, step: None });
    }

    /// An event from the server, and the number of the last one that the session had before.
    pub(super) fn told(
        &mut self,
        now: Instant,
        device: DeviceIndex,
        connection: ConnectionNo,
        seq: u64,
        last: u64,
        event: &Arc<StampedEvent>,
    ) {
        let told = &mut self.told[device.index()];
        let number = if seq > last {
            // Gaps stay gaps.
            *told += seq - last;
            *told
        } else {
            // Said again: what was said before this call is none of its business.
            match told.checked_sub(last - seq) {
                Some(number) if number > 0 => number,
                _ => return,
            }
        };
        let message = ServerMessage::Event { seq: number, event: event.clone() };
        self.record(now, Occurrence::DeviceReceived { device, connection, message });
    }

    /// A session began: its events count from 1.
    pub(super) fn session_began(&mut self, device: DeviceIndex) {
        self.told[device.index()] = 0;
    }
}
