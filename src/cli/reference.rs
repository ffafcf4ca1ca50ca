//! `convoke reference`: our own server or client library as an implementation of somebody else would be; or one that is
//! wrong on purpose.

use std::io;

use super::args::{PlayedContract, Reference};
use super::{Ending, Failure};
use crate::implementation::device::host_devices;
use crate::implementation::{Contract, HostError, HostedServer, Storage, host};
use crate::mutant::{self, Mutant, Seam, catalogue};
use crate::plan::DeviceIndex;
use crate::protocol::device::Device;
use crate::protocol::service::Service;
use crate::world::cast::Cast as _;

pub(super) fn reference(arguments: &Reference) -> Ending {
    let mutant = arguments.mutant.as_deref().map(|name| named(name, arguments.contract)).transpose()?;
    let name = match &mutant {
        Some(mutant) => format!("convoke-reference, {}", mutant.name),
        None => "convoke-reference".to_owned(),
    };
    let hosted = match arguments.contract {
        PlayedContract::Core => server(Contract::Core, arguments, &name, mutant),
        PlayedContract::Full => server(Contract::Full, arguments, &name, mutant),
        PlayedContract::Device => library(&name, mutant),
    };
    match hosted {
        Ok(()) => Ok(0),
        Err(HostError::Io(error)) => Err(error.into()),
        Err(error) => Err(Failure::Usage(error.to_string())),
    }
}

fn server(contract: Contract, arguments: &Reference, name: &str, mutant: Option<Mutant>) -> Result<(), HostError> {
    let make = |config| -> Box<HostedServer> {
        match &mutant {
            Some(mutant) => mutant.server(config, 0),
            None => Box::new(Service::new(config)),
        }
    };
    let storage = if arguments.forgetful { Storage::None } else { Storage::Harness };
    host(contract, storage, name, &make, io::stdin().lock(), io::stdout().lock())
}

fn library(name: &str, mutant: Option<Mutant>) -> Result<(), HostError> {
    let make = |config| match &mutant {
        // No mutant asks which device it plays, or in which life.
        Some(mutant) => mutant.device(config, DeviceIndex(0), 0) as Box<_>,
        None => Box::new(Device::new(config)) as Box<_>,
    };
    host_devices(name, &make, io::stdin().lock(), io::stdout().lock())
}

/// The mutant of that name, whose fault must sit where the contract says.
pub(super) fn named(name: &str, contract: PlayedContract) -> Result<Mutant, Failure> {
    let mutant = mutant::named(name).ok_or_else(|| {
        let all = catalogue();
        let near = all.iter().max_by(|one, other| {
            let likeness = |mutant: &Mutant| strsim::jaro_winkler(mutant.name, name);
            likeness(one).total_cmp(&likeness(other))
        });
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{}`?", near.name));
        Failure::Usage(format!("no mutant is called `{name}`{near} `convoke mutants --list` shows all"))
    })?;
    let words = match (mutant.seam == Seam::Device, contract == PlayedContract::Device) {
        (true, false) => "the client library: contract `device` plays one",
        (false, true) if !mutant.breaks.is_empty() => "the server: the contracts `core` and `full` play one",
        _ => return Ok(mutant),
    };
    Err(Failure::Usage(format!("the fault of `{name}` sits in {words}")))
}
