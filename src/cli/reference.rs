//! `convoke reference`: our own server as an implementation of somebody else would be.

use std::io;

use super::args::Reference;
use super::{Ending, Failure};
use crate::implementation::{HostError, Storage, host};
use crate::protocol::service::Service;

pub(super) fn reference(arguments: &Reference) -> Ending {
    let make = |config| Box::new(Service::new(config)) as Box<_>;
    let storage = if arguments.forgetful { Storage::None } else { Storage::Harness };
    match host(arguments.contract.into(), storage, "convoke-reference", &make, io::stdin().lock(), io::stdout().lock())
    {
        Ok(()) => Ok(0),
        Err(HostError::Io(error)) => Err(error.into()),
        Err(error) => Err(Failure::Usage(error.to_string())),
    }
}
