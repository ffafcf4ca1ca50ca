//! `convoke reference`: our own server or client library, or both, as an implementation of somebody else would be; or one that
//! is wrong on purpose.

use std::io;

use super::args::{PlayedContract, Reference};
use super::clock::stopwatch;
use super::{Ending, Failure};
use crate::implementation::device::{HostedDevice, host_devices};
use crate::implementation::system::{Parts, host_system};
use crate::implementation::{Contract, HostError, HostedServer, Storage, host};
use crate::mutant::{self, Mutant, Seam, catalogue};
use crate::plan::DeviceIndex;
use crate::protocol::device::{Device, DeviceConfig};
use crate::protocol::service::{Service, ServiceConfig};
use crate::time::Instant;
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
        PlayedContract::System => system(&name, mutant),
    };
    match hosted {
        Ok(()) => Ok(0),
        Err(HostError::Io(error)) => Err(error.into()),
        Err(error) => Err(Failure::Usage(error.to_string())),
    }
}

fn server(contract: Contract, arguments: &Reference, name: &str, mutant: Option<Mutant>) -> Result<(), HostError> {
    let make = |config| a_server(mutant, config);
    let storage = if arguments.forgetful { Storage::None } else { Storage::Harness };
    host(contract, storage, name, &make, io::stdin().lock(), io::stdout().lock())
}

fn library(name: &str, mutant: Option<Mutant>) -> Result<(), HostError> {
    let make = |config| a_library(mutant, config);
    host_devices(name, &make, io::stdin().lock(), io::stdout().lock())
}

fn system(name: &str, mutant: Option<Mutant>) -> Result<(), HostError> {
    let (server, device) = (|config| a_server(mutant, config), |config| a_library(mutant, config));
    let since_the_beginning = stopwatch();
    let clock = || Instant::from_nanos(u64::try_from(since_the_beginning().as_nanos()).unwrap_or(u64::MAX));
    host_system(name, &Parts { server: &server, device: &device }, &clock, io::stdin(), io::stdout().lock())
}

fn a_server(mutant: Option<Mutant>, config: ServiceConfig) -> Box<HostedServer> {
    match mutant {
        Some(mutant) => mutant.server(config, 0),
        None => Box::new(Service::new(config)),
    }
}

fn a_library(mutant: Option<Mutant>, config: DeviceConfig) -> Box<HostedDevice> {
    match mutant {
        // No mutant asks which device it plays, or in which life.
        Some(mutant) => mutant.device(config, DeviceIndex(0), 0),
        None => Box::new(Device::new(config)),
    }
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
    let words = match (mutant.seam == Seam::Device, contract) {
        (true, PlayedContract::Core | PlayedContract::Full) => "the client library: contract `device` plays one",
        (false, PlayedContract::Device) if !mutant.breaks.is_empty() => {
            "the server: the contracts `core` and `full` play one"
        }
        _ => return Ok(mutant),
    };
    Err(Failure::Usage(format!("the fault of `{name}` sits in {words}")))
}
