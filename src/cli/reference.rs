//! `convoke reference`: our own server as an implementation of somebody else would be; or one that is wrong on purpose.

use std::io;

use super::args::Reference;
use super::{Ending, Failure};
use crate::implementation::{HostError, Storage, host};
use crate::mutant::{Mutant, Seam, catalogue};
use crate::protocol::service::Service;
use crate::world::cast::Cast as _;

pub(super) fn reference(arguments: &Reference) -> Ending {
    let mutant = arguments.mutant.as_deref().map(server_named).transpose()?;
    let name = match &mutant {
        Some(mutant) => format!("convoke-reference, {}", mutant.name),
        None => "convoke-reference".to_owned(),
    };
    let make = |config| match &mutant {
        Some(mutant) => mutant.server(config, 0),
        None => Box::new(Service::new(config)) as Box<_>,
    };
    let storage = if arguments.forgetful { Storage::None } else { Storage::Harness };
    match host(arguments.contract.into(), storage, &name, &make, io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => Ok(0),
        Err(HostError::Io(error)) => Err(error.into()),
        Err(error) => Err(Failure::Usage(error.to_string())),
    }
}

/// The mutant of that name, whose fault must sit in the server.
fn server_named(name: &str) -> Result<Mutant, Failure> {
    let found = catalogue().into_iter().chain([Mutant::IDENTITY]).find(|mutant| mutant.name == name);
    let mutant = found.ok_or_else(|| {
        let all = catalogue();
        let near = all.iter().max_by(|one, other| {
            let likeness = |mutant: &Mutant| strsim::jaro_winkler(mutant.name, name);
            likeness(one).total_cmp(&likeness(other))
        });
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{}`?", near.name));
        Failure::Usage(format!("no mutant is called `{name}`{near} `convoke mutants --list` shows all"))
    })?;
    if mutant.seam == Seam::Device {
        let words = format!("the fault of `{name}` sits in the client library, and this plays a server");
        return Err(Failure::Usage(words));
    }
    Ok(mutant)
}
