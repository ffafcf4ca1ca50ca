//! Load that can't lie: planned arrivals on a real server, latencies counted from the plan, and the oracle on.
//!
//! Arrivals are fixed before the run begins and wait for no answer (open loop). What one of them does is a scenario, so one
//! file serves conformance, regression and load. Every call's trace is judged as a scenario's is: a server that is fast and
//! wrong fails. The generator watches itself, and says when it was the bottleneck.
//!
//! What it does not do: it starts no server and spreads over no machines. Shards are processes that somebody else starts,
//! and their results add up exactly ([`LoadResult::add`]).

mod alarm;
pub mod arrivals;
mod cast;
mod episode;
mod floor;
pub mod generator;
pub mod health;
pub mod histograms;
pub mod knee;
mod names;
pub mod oracle;
pub mod result;
mod tally;
pub mod thresholds;
pub mod work;

use std::sync::Arc;

pub use self::arrivals::{Rate, Spacing};
pub use self::generator::{Progress, ProgressPart, run};
pub use self::oracle::OracleOptions;
pub use self::result::LoadResult;
pub use self::work::Work;

use crate::protocol::bounds::Bounds;
use crate::protocol::vocabulary::UserId;
use crate::run::shard::Shard;
use crate::seed::Seed;
use crate::time::Duration;
use crate::world::driver::dial::Dialler;

/// How long a call is taken to last, beyond what it waits for by itself, when people are counted out for a rate.
const CALL_LASTS: f64 = 0.5;

/// The fewest copies of a scenario's people.
const POPULATION_MIN: u32 = 10;

/// The most copies of a scenario's people that are taken without being asked for.
const POPULATION_MAX: u32 = 1000;

/// Makes the UserSig of a user.
pub type UserSigs = Arc<dyn Fn(&UserId) -> String + Send + Sync>;

/// What a run does.
#[derive(Clone)]
pub struct LoadConfig {
    /// What one arriving call does.
    pub work: Work,
    /// Against what, as the user named it.
    pub target: String,
    /// How connections to it are made.
    pub dialler: Dialler,
    /// What each user shows to be let in; without it nothing.
    pub user_sigs: Option<UserSigs>,
    /// How many calls arrive, over all shards.
    pub rate: Rate,
    /// How they are spaced.
    pub spacing: Spacing,
    /// How long nothing is measured.
    pub warm_up: Duration,
    /// How long is measured.
    pub duration: Duration,
    /// What arrivals are drawn from.
    pub seed: Seed,
    /// Which part of the run this is.
    pub shard: Shard,
    /// How long to wait before it begins, asked once everybody is ready; shards begin together so.
    pub start_in: Arc<dyn Fn() -> Option<std::time::Duration> + Send + Sync>,
    /// How many copies of the scenario's people there are; without it as many as the rate needs.
    pub copies: Option<u32>,
    /// Whether the server limits how often somebody may call (SEC-6), by the default bounds as far as is known: then it
    /// takes more people to reach a rate.
    pub is_limited: bool,
    /// Whether connections are kept from call to call, or each call has its own.
    pub connections_kept: bool,
    /// Tells the names of this process from those of every other. It holds no `-` and no `.`.
    pub tag: Arc<str>,
    /// How long a trace waits for late events; without it longer than a lawful server may be late.
    pub lag: Option<Duration>,
    /// How the oracle works.
    pub oracle: OracleOptions,
}

impl LoadConfig {
    /// How many copies of the scenario's people there are.
    #[must_use]
    pub fn population(&self) -> u32 {
        let wait = self.work.usual_wait.as_nanos() as f64 / 1e9;
        let rate = self.rate.highest() / f64::from(self.shard.count);
        let needed =
            (rate * (wait + CALL_LASTS)).max(if self.is_limited { self.fewest_below_the_limit(rate) } else { 0.0 });
        self.copies.unwrap_or_else(|| (needed.ceil() as u32).clamp(POPULATION_MIN, POPULATION_MAX)).max(1)
    }
}

impl LoadConfig {
    /// How many it takes for nobody to ring the same people more often than their bucket allows (SEC-6), with half as many
    /// again, since arrivals come unevenly.
    fn fewest_below_the_limit(&self, rate: f64) -> f64 {
        let bounds = Bounds::default();
        let seconds = |span: Duration| span.as_nanos() as f64 / 1e9;
        let lasts = seconds(self.warm_up) + seconds(self.duration);
        let rings = bounds.rings_max as f64 + lasts / seconds(bounds.rings_refill);
        let calls = bounds.invite_calls_max as f64 + lasts / seconds(bounds.invite_calls_refill);
        rate * lasts / rings.min(calls) * 1.5
    }
}

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Nobody answers.
    #[error(transparent)]
    Unreachable(#[from] crate::world::driver::dial::DialError),
    /// People can't get ready.
    #[error("nobody could get ready for a call: {0}")]
    NobodyReady(String),
    /// The generator broke.
    #[error("the generator broke: {0}")]
    Broken(String),
}
