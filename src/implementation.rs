//! Implementations that are not ours: what is said to them, how they are reached, and what is wrong with what they say.
//!
//! `docs/IMPLEMENTATIONS.md` is the contract, field by field. An implementation is a process of somebody else, so nothing
//! that it does may hurt us: it hangs, dies, talks out of turn, writes without end, or leaves children behind, and each of
//! these becomes a [`Fault`] with words for its author. What an implementation decides is judged elsewhere; here only
//! whether it keeps to the conversation is.

mod core;
pub mod device;
mod duplex;
mod fault;
mod host;
mod life;
mod process;
mod schema;
mod server;
pub mod system;
mod talk;
mod waiting;
mod words;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::core::ForeignLogic;
pub use self::duplex::{Duplex, Listener};
pub use self::fault::{Fault, FaultKind};
pub use self::host::{HostError, HostedServer, host};
pub use self::life::Seat;
pub use self::process::{Process, ProcessSpec, end_all_processes};
pub use self::schema::schema;
pub use self::server::ForeignServer;
pub use self::talk::{Talk, Talks};
pub use self::waiting::Turn;
pub use self::words::{HelloAnswer, SCHEMA};

/// What an implementation gives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Contract {
    /// The logic of a server, behind our session layer.
    Core,
    /// The whole server.
    Full,
}

impl Contract {
    /// As the conversation names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where what an implementation must not lose is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Storage {
    /// Nowhere: a restart begins with nothing.
    None,
    /// With us: it persists values, and gets them back.
    Harness,
}
