//! Deliberately faulty variants of the reference, which grade the suite: a fault that nothing notices is a scenario or a
//! check that is missing.
//!
//! A [`Mutant`] is a [`Cast`] whose server or devices do one thing wrong, the way real ones do. The faults wrap the seams of
//! the reference (what the session layer asks of the core, what goes into a node and what comes out, bounds and records), so
//! that the reference itself knows nothing of them. [`grade`] runs scenarios against them; what the figures look like is
//! up to `report`.

mod answers;
mod bounds;
mod core;
pub mod grade;
mod invite;
mod ledger;
mod library;
mod lists;
mod order;
mod rare;
mod rooms;
mod sessions;
mod store;
mod time;
pub mod variants;
mod wire;

use std::fmt;

use self::core::{Applies, Bent, Decides, Tells};
use crate::plan::DeviceIndex;
use crate::protocol::device::{Device, DeviceConfig};
use crate::protocol::requirements::{GROUPS, REQUIREMENTS};
use crate::protocol::service::{Service, ServiceConfig};
use crate::world::cast::{Cast, DeviceNode, ServerNode};

/// Where a fault sits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Seam {
    /// What the core decides, and who it says hears what.
    Core,
    /// What the session layer is handed and what it sends.
    Session,
    /// What the server takes for the time, and its timers.
    Clock,
    /// The numbers that it was set up with.
    Bounds,
    /// What it writes down.
    Store,
    /// The client library.
    Device,
}

impl fmt::Display for Seam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Core => "core",
            Self::Session => "session",
            Self::Clock => "clock",
            Self::Bounds => "bounds",
            Self::Store => "store",
            Self::Device => "device",
        })
    }
}

/// One faulty variant of the reference.
#[derive(Clone, Copy)]
pub struct Mutant {
    /// Its name, for the command line.
    pub name: &'static str,
    /// Where the fault sits.
    pub seam: Seam,
    /// The requirements that it breaks: whatever kills it must name one of them.
    pub breaks: &'static [&'static str],
    /// What is wrong with it, in a sentence.
    pub fault: &'static str,
    part: Part,
}

/// Whose part a mutant plays, and how.
#[derive(Clone, Copy)]
enum Part {
    /// Everything as it should be: what must survive, so that the grading itself can fail.
    Faultless,
    /// The core decides otherwise.
    Decides(Decides),
    /// The core changes otherwise.
    Applies(Applies),
    /// The core addresses and words events otherwise.
    Tells(Tells),
    /// The server is set up otherwise than promised.
    Server(fn(&mut ServiceConfig)),
    /// Another node plays the server.
    ServerNode(fn(ServiceConfig) -> Box<ServerNode>),
    /// The client library is set up otherwise than promised.
    Library(fn(&mut DeviceConfig)),
    /// Another node plays each device.
    DeviceNode(fn(DeviceConfig) -> Box<dyn DeviceNode>),
}

impl Mutant {
    /// The reference under another name.
    pub const IDENTITY: Self = Self {
        name: "identity",
        seam: Seam::Core,
        breaks: &[],
        fault: "Nothing is wrong with it: it must survive.",
        part: Part::Faultless,
    };

    /// Where it stands in the catalogue of requirements, by the first that it breaks.
    fn place(&self) -> usize {
        let first = self.breaks.first();
        REQUIREMENTS.iter().position(|requirement| Some(&requirement.id) == first).unwrap_or(usize::MAX)
    }

    /// The group of the first requirement that it breaks, such as CAN.
    #[must_use]
    pub fn group(&self) -> &'static str {
        let first = self.breaks.first().copied().unwrap_or_default();
        GROUPS
            .iter()
            .map(|group| group.prefix)
            .find(|prefix| first.split('-').next() == Some(prefix))
            .unwrap_or_default()
    }
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutant").field("name", &self.name).field("breaks", &self.breaks).finish_non_exhaustive()
    }
}

impl Cast for Mutant {
    fn server(&self, mut config: ServiceConfig, _life: u64) -> Box<ServerNode> {
        match self.part {
            Part::Decides(decides) => Box::new(Service::with_logic(config, Bent::deciding(decides))),
            Part::Applies(applies) => Box::new(Service::with_logic(config, Bent::applying(applies))),
            Part::Tells(tells) => Box::new(Service::with_logic(config, Bent::telling(tells))),
            Part::ServerNode(node) => node(config),
            Part::Server(bend) => {
                bend(&mut config);
                Box::new(Service::new(config))
            }
            Part::Faultless | Part::Library(_) | Part::DeviceNode(_) => Box::new(Service::new(config)),
        }
    }

    fn device(&self, mut config: DeviceConfig, _device: DeviceIndex, _life: u32) -> Box<dyn DeviceNode> {
        match self.part {
            Part::DeviceNode(node) => node(config),
            Part::Library(bend) => {
                bend(&mut config);
                Box::new(Device::new(config))
            }
            _ => Box::new(Device::new(config)),
        }
    }
}

/// All mutants, in the order of the requirements that they break.
#[must_use]
pub fn catalogue() -> Vec<Mutant> {
    let tables = [
        rooms::MUTANTS,
        invite::MUTANTS,
        answers::MUTANTS,
        lists::MUTANTS,
        time::MUTANTS,
        order::MUTANTS,
        sessions::MUTANTS,
        bounds::MUTANTS,
        store::MUTANTS,
        library::MUTANTS,
    ];
    let mut all: Vec<Mutant> = tables.into_iter().flatten().copied().collect();
    all.sort_by_key(Mutant::place);
    all
}

/// The mutant of this name: of the catalogue, the faultless one, or one whose fault is too rare for a scenario. Whoever
/// reads a requirement otherwise is no mutant, and can be had all the same: to try a profile with.
#[must_use]
pub fn named(name: &str) -> Option<Mutant> {
    let readings = variants::READINGS.iter().flat_map(|reading| [reading.otherwise, reading.neither]);
    let beside = rare::MUTANTS.iter().copied().chain([Mutant::IDENTITY]).chain(readings);
    catalogue().into_iter().chain(beside).find(|mutant| mutant.name == name)
}

/// A change that looks like a fault and that nobody can notice.
#[derive(Clone, Copy, Debug)]
pub struct Equivalent {
    /// The change.
    pub mutant: Mutant,
    /// Why no peer can tell it from the reference.
    pub why: &'static str,
}

/// The changes that looked like faults and are none: they are shown, and not counted.
#[must_use]
pub fn equivalents() -> Vec<Equivalent> {
    store::EQUIVALENTS.to_vec()
}

#[cfg(test)]
mod tests;
