//! Convoke tests conference-invitation services: scenarios in a deterministic simulator, checked against the protocol's
//! requirements and against snapshots.
//!
//! The modules follow the way of the data: a `scenario` (YAML) becomes a `plan`, a `world` turns it into a `trace`, and
//! `check` and `snapshot` judge that.

pub mod time;

pub mod seed;

pub mod file;

pub mod protocol;

pub mod scenario;

pub mod plan;

pub mod trace;

#[cfg(feature = "net")]
pub mod implementation;

pub mod world;

pub mod check;

pub mod snapshot;

pub mod run;

pub mod mutant;

#[cfg(feature = "net")]
pub mod load;

#[cfg(feature = "net")]
pub mod serve;

pub mod report;

#[cfg(feature = "cli")]
pub mod cli;
