//! Where a plan happens. A world differs from another in delivery and clock alone, and holds no opinion of what it sees.

pub mod cast;
#[cfg(feature = "net")]
pub mod driver;
#[cfg(feature = "net")]
mod enact;
#[cfg(feature = "net")]
pub mod live;
pub mod sim;
pub(crate) mod steps;
#[cfg(feature = "net")]
pub mod turmoil;

use crate::plan::{Account, DeviceIndex, Place, Plan};
use crate::protocol::bounds::Bounds;
use crate::protocol::device::DeviceConfig;
use crate::protocol::service::ServiceConfig;
use crate::trace::Trace;

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A call of the setup was refused: the scenario begins in a state that the service does not allow.
    #[error("the setup failed: {device} called {call} and got {error}")]
    Setup {
        /// The line that asks for it.
        place: Place,
        /// Who called.
        device: String,
        /// What.
        call: String,
        /// What came back.
        error: String,
    },
    /// More happened at one instant than any plan asks for: two nodes talk in a circle.
    #[error("the run does not come to an end: {count} things happened at {at}")]
    Endless {
        /// When.
        at: crate::time::Instant,
        /// How many.
        count: u64,
    },
    /// Nodes go on talking, and no application hears of it: a session that can't be resumed as it should, for example.
    #[error(
        "the run does not come to an end: {count} things happened by {at} without any application hearing or being told anything"
    )]
    NoProgress {
        /// When.
        at: crate::time::Instant,
        /// How many.
        count: u64,
    },
    /// The run was broken off because it does not come to an end; how it began may say why.
    #[error("{why}")]
    WithoutEnd {
        /// How it goes on.
        why: Box<Self>,
        /// What had happened, as far as it is worth looking at.
        so_far: Box<Trace>,
    },
    /// It takes longer in real time than any run may.
    #[error("the run is not over after {longest} of real time")]
    Unfinished {
        /// How long a run may take.
        longest: crate::time::Duration,
    },
    /// A message does not survive the codec.
    #[error("the codec changes a message sent at {at}: {reason}: {text}")]
    Codec {
        /// When it was sent.
        at: crate::time::Instant,
        /// How it was written.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// The world can't do what the plan asks for.
    #[error("this world can't enact it: {reason}")]
    Unsupported {
        /// The line that asks for it, if there is one.
        place: Place,
        /// What, and why not.
        reason: String,
    },
    /// The world itself broke.
    #[error("the world broke: {0}")]
    Broken(String),
}

/// What runs on a device.
fn device_config(plan: &Plan, device: DeviceIndex) -> DeviceConfig {
    let planned = plan.device(device);
    DeviceConfig {
        identity: planned.identity.clone(),
        bounds: plan.service.bounds.clone(),
        auto_busy: planned.auto_busy,
    }
}

/// The luck of one life of a device's program, lives counted from 0.
fn device_entropy(plan: &Plan, device: DeviceIndex, life: u32) -> [u8; 32] {
    plan.seed.numbered_stream("device", u64::from(life) << 32 | u64::from(device.0)).entropy()
}

/// The reference server, as the plan wants it.
fn service_config(plan: &Plan, keeps_records: bool) -> ServiceConfig {
    let service = &plan.service;
    let account = |account: &Account| (account.user_id.clone(), account.user_name.clone(), account.avatar_url.clone());
    ServiceConfig {
        bounds: (*service.bounds).clone(),
        rate_limits: service.rate_limits,
        accounts: plan.accounts.iter().map(account).collect(),
        open_accounts: false,
        checkpoint_every: keeps_records.then_some(service.checkpoint_every),
    }
}

/// A server without accounts, as an implementation of somebody else is asked to be before it is given any run.
#[must_use]
pub fn bare_service_config() -> ServiceConfig {
    ServiceConfig {
        bounds: Bounds::default(),
        rate_limits: true,
        accounts: Vec::new(),
        open_accounts: false,
        checkpoint_every: None,
    }
}

/// The luck of one life of the server, lives counted from 0.
fn server_entropy(plan: &Plan, life: u64) -> [u8; 32] {
    plan.seed.numbered_stream("server", life).entropy()
}
