//! What may be said to an application at all, whatever has happened: for this no commit needs to be known.

use super::{CHECK, Watch};
use crate::check::Finding;
use crate::plan::DeviceIndex;
use crate::protocol::call::{Call, Reply};
use crate::protocol::event::Event;
use crate::protocol::vocabulary::{ApiError, ErrorCode};

impl Watch<'_> {
    /// ERR-4: an error has a message. ERR-5: the code about cameras is no refusal. SEC-4: no result has a password.
    pub(super) fn result_is_sayable(
        &mut self,
        index: usize,
        device: DeviceIndex,
        content: &Call,
        result: &Result<Reply, ApiError>,
    ) {
        let (requirement, what) = match result {
            Err(error) if error.message.is_empty() => {
                ("ERR-4", format!("fails with {} and without a word why", error.code))
            }
            Err(error) if error.code == ErrorCode::PERMISSION_DENIED => {
                ("ERR-5", format!("fails with {}, which is about cameras", error.code))
            }
            Ok(Reply::RoomInfo(info)) if !info.password.is_empty() => ("SEC-4", "returns a password".to_owned()),
            _ => return,
        };
        self.not_sayable(requirement, index, device, &format!("{} {what}", content.operation()));
    }

    /// SEC-4: a ring alone may tell a password. EVT-1: of its list a room tells those alone who are in it.
    pub(super) fn event_is_sayable(&mut self, index: usize, device: DeviceIndex, event: &Event) {
        let name = event.name();
        let is_ring = matches!(event, Event::ReceiveInvitation { .. });
        if !is_ring && event.room_info().is_some_and(|room| !room.password.is_empty()) {
            self.not_sayable("SEC-4", index, device, &format!("{name} tells a password"));
        }
        let is_of_the_list = matches!(
            event,
            Event::InvitationAdded { .. } | Event::InvitationRemoved { .. } | Event::InvitationStatusChanged { .. }
        );
        let entered = &self.devices[device.index()].entered;
        let is_outside = event.room_id().is_some_and(|room| !entered.contains(room));
        if is_of_the_list && is_outside {
            self.not_sayable("EVT-1", index, device, &format!("{name} is of a room that it has never asked to enter"));
        }
    }

    fn not_sayable(&mut self, requirement: &str, index: usize, device: DeviceIndex, what: &str) {
        let (who, at) = (self.devices[device.index()].name, self.at(index));
        self.findings.add(|| {
            let message = format!("the application of {who} is told at {at} what it must not be: {what}");
            Finding::of(&CHECK, &[requirement], message).seen_at(index).on(device)
        });
    }
}
