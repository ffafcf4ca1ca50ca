//! The parts of a run, one after the other: setup, body, epilogue, and the lists at the end.

use std::sync::Arc;

use super::Sim;
use crate::plan::{DeviceIndex, DeviceKind, Link};
use crate::protocol::call::{Call, Reply};
use crate::protocol::message::ServerMessage;
use crate::protocol::vocabulary::Cursor;
use crate::time::Instant;
use crate::trace::outside::Vantage;
use crate::trace::{DeviceChange, Occurrence, Stage, Trace};
use crate::world::WorldError;

impl Sim<'_> {
    pub(super) fn whole_course(&mut self) -> Result<(), WorldError> {
        self.set_up()?;
        self.body()?;
        self.epilogue()?;
        self.final_lists()
    }

    /// What goes round in a circle shows why in its beginning.
    pub(super) fn broken_off(mut self, why: WorldError) -> WorldError {
        const MOMENTS_KEPT: usize = 20_000;
        self.moments.truncate(MOMENTS_KEPT);
        let so_far = Trace { plan: self.plan, vantage: Vantage::Server, moments: self.moments };
        WorldError::WithoutEnd { why: Box::new(why), so_far: Box::new(so_far) }
    }

    fn set_up(&mut self) -> Result<(), WorldError> {
        self.enter_stage(Stage::Setup);
        self.start_server();
        for device in self.plan.device_indices() {
            self.start_device(device);
        }
        let plan = self.plan.clone();
        for phase in &plan.setup {
            let began = self.moments.len();
            for setup in phase {
                match plan.device(setup.device).kind {
                    DeviceKind::Sdk => self.call(setup.device, setup.call.clone(), None),
                    DeviceKind::Raw => self.raw_set_up(setup.device, &setup.call),
                }
            }
            self.run_until(Instant::START)?;
            let refused = self.moments[began..].iter().find_map(|moment| match &moment.what {
                Occurrence::Returned { device, result: Err(error), .. } => Some((*device, error)),
                Occurrence::DeviceReceived { device, message: ServerMessage::Refused { error }, .. } => {
                    Some((*device, error))
                }
                Occurrence::DeviceReceived { device, message: ServerMessage::Response(response), .. } => {
                    response.result.as_ref().err().map(|error| (*device, error))
                }
                _ => None,
            });
            if let Some((device, error)) = refused {
                // Each device has one call a phase.
                let setup = phase.iter().find(|setup| setup.device == device).expect("only a call can be refused");
                return Err(WorldError::Setup {
                    place: setup.place,
                    device: plan.device(device).name.to_string(),
                    call: setup.call.operation().to_string(),
                    error: error.to_string(),
                });
            }
        }
        Ok(())
    }

    fn body(&mut self) -> Result<(), WorldError> {
        self.enter_stage(Stage::Body);
        self.triggers.begin();
        let end = self.plan.lasts.map_or(Instant::NEVER, |lasts| Instant::START + lasts);
        self.run_until(end)
    }

    /// Ends faults, heals links, restarts the server if it is down, and lets every deadline pass. Devices that the author
    /// took offline or killed stay so.
    fn epilogue(&mut self) -> Result<(), WorldError> {
        if let Some(lasts) = self.plan.lasts {
            self.now = self.now.max(Instant::START + lasts);
        }
        self.enter_stage(Stage::Epilogue);
        self.triggers.end();
        for index in self.plan.device_indices() {
            if self.devices[index.index()].link.is_partitioned() {
                self.change(index, DeviceChange::Healed);
            }
            self.change_if_held(index);
        }
        if self.server.is_none() {
            self.start_server();
        }
        // Single messages may have been lost for good: only a resume brings what is missing.
        let attacked: Vec<bool> = self.models.iter().map(Link::is_attacked).collect();
        for model in &mut self.models {
            *model = Link { latency: model.latency, ..Link::default() };
        }
        for index in self.plan.device_indices() {
            let device = &self.devices[index.index()];
            if attacked[device.link.model as usize]
                && let Some(connection) = device.connection
            {
                self.break_connection(connection, true, true);
            }
        }
        self.run_until(Instant::NEVER)
    }

    /// Lets each member device list its room, page by page.
    fn final_lists(&mut self) -> Result<(), WorldError> {
        self.enter_stage(Stage::FinalLists);
        for index in self.plan.device_indices() {
            let Some(node) = &self.devices[index.index()].node else { continue };
            let Some(room_id) = node.room().cloned() else { continue };
            let call = Call::GetInvitationList { room_id, cursor: Cursor::default(), count: 0.0 };
            self.call(index, Arc::new(call), None);
        }
        self.run_until(Instant::NEVER)
    }

    /// A member device that has read a page of the final lists reads the next.
    pub(super) fn read_on(&mut self, device: DeviceIndex, reply: &Reply) {
        let Reply::List(page) = reply else { return };
        if page.cursor.as_str().is_empty() {
            return;
        }
        let Some(room_id) = self.devices[device.index()].node.as_ref().and_then(|node| node.room().cloned()) else {
            return;
        };
        let call = Call::GetInvitationList { room_id, cursor: page.cursor.clone(), count: 0.0 };
        self.call(device, Arc::new(call), None);
    }
}
