//! The programs on a run's devices: each is a task with the reference library, over whatever network its connector finds.
//! They end with the run. What they see they tell the book, and nothing of it passes through here.

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::super::WorldError;
use super::super::driver::Clock;
use super::super::driver::device::{Command, Connector};
use super::super::enact::line::Ends;
use crate::plan::DeviceIndex;

/// How many commands may wait for a device.
const COMMANDS_MAX: usize = 4096;

/// See the module.
pub(super) struct Programs {
    ends: Ends,
    clock: Clock,
    running: BTreeMap<DeviceIndex, (mpsc::Sender<Command>, AbortHandle)>,
}

impl Programs {
    pub(super) fn new(ends: Ends, clock: Clock) -> Self {
        Self { ends, clock, running: BTreeMap::new() }
    }

    /// Starts a life of a device's program, which connects in this way.
    pub(super) fn start(&mut self, device: DeviceIndex, life: u32, connector: impl Connector + 'static) {
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        let program = tokio::spawn(self.ends.clone().run_device(device, life, self.clock, connector, commands));
        self.running.insert(device, (sender, program.abort_handle()));
    }

    /// Ends it without a word.
    pub(super) fn kill(&mut self, device: DeviceIndex) {
        if let Some((_, program)) = self.running.remove(&device) {
            program.abort();
        }
    }

    /// Tells it something, if it runs.
    ///
    /// # Errors
    /// When too many commands wait for it already.
    pub(super) fn tell(&self, device: DeviceIndex, command: Command) -> Result<(), WorldError> {
        match self.running.get(&device).map(|(commands, _)| commands.try_send(command)) {
            Some(Err(_)) => Err(WorldError::Broken("a device takes no more commands".to_owned())),
            Some(Ok(())) | None => Ok(()),
        }
    }

    /// The devices whose programs run.
    pub(super) fn devices(&self) -> Vec<DeviceIndex> {
        self.running.keys().copied().collect()
    }
}
