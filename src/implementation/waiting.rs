//! Processes that wait for a run, in which they may be used again.

use std::sync::Mutex;

use super::fault::Fault;
use super::process::{Process, ProcessSpec};
use super::talk::locked;

/// Which of the runs of one scenario under one seed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// The one whose verdict is told.
    First,
    /// The one that must be the same.
    Again,
}

/// What Python's hashes of strings begin with, and so the order of its sets: a number of its own for each process unless it
/// is set.
const PYTHON_HASHES: &str = "PYTHONHASHSEED";

impl Turn {
    /// Another for each turn, so that a difference shows; and the same on every day, so that it shows again.
    const fn python_hashes(self) -> &'static str {
        match self {
            Self::First => "1",
            Self::Again => "2",
        }
    }
}

/// See the module.
///
/// A process plays first runs alone, or repetitions alone: what differs from process to process, such as the order in
/// which many a language walks a set, shows in no other way.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    first: Mutex<Vec<Process>>,
    again: Mutex<Vec<Process>>,
}

impl Waiting {
    /// One that waits, or a new one of this command.
    ///
    /// # Errors
    /// When the system can't start it.
    pub(super) fn take_or_start(&self, spec: &ProcessSpec, turn: Turn) -> Result<Process, Fault> {
        let waiting = locked(self.of(turn)).pop();
        match waiting {
            Some(process) => Ok(process),
            // Whoever sets it wants it so.
            None if std::env::var_os(PYTHON_HASHES).is_some() => Process::start(spec, &[]),
            None => Process::start(spec, &[(PYTHON_HASHES, turn.python_hashes())]),
        }
    }

    /// It waits for another run.
    pub(super) fn put(&self, turn: Turn, process: Process) {
        locked(self.of(turn)).push(process);
    }

    /// All that wait; then none does.
    pub(super) fn take_all(&self) -> Vec<Process> {
        let mut all = std::mem::take(&mut *locked(&self.first));
        all.append(&mut locked(&self.again));
        all
    }

    const fn of(&self, turn: Turn) -> &Mutex<Vec<Process>> {
        match turn {
            Turn::First => &self.first,
            Turn::Again => &self.again,
        }
    }
}
