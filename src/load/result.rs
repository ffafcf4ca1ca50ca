//! What came of a load run, in numbers that add up exactly over several processes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::health::Health;
use super::histograms::Latencies;

/// The version of the written form: it changes when a field changes its meaning or goes.
pub const VERSION: u32 = 1;

/// What a written result says it is.
pub const KIND: &str = "load";

/// The name of the whole call among the latencies: from its planned arrival until all that its author awaits has come.
pub const CALL: &str = "call";

/// The JSON Schema of a written result.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(LoadResult).to_value()
}

/// What a run was to do. Runs that differ in it can't be added up.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Setting {
    /// The call model, or the scenario's file.
    pub work: String,
    /// Against what, as the user named it.
    pub target: String,
    /// Calls a second, over all shards.
    pub rate: String,
    /// How they are spaced.
    pub spacing: String,
    /// Seconds before anything is measured.
    pub warm_up_seconds: f64,
    /// Seconds that are measured.
    pub duration_seconds: f64,
    /// The seed of the arrivals.
    pub seed: u64,
    /// How many shards make the run.
    pub shards: u32,
}

/// How many calls there were.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Counts {
    /// Calls that were to arrive after the warm-up.
    pub planned: u64,
    /// Of those, how many came to their end.
    pub completed: u64,
    /// Of those that were planned, how many were begun late because all the people were busy.
    pub late: u64,
    /// Of those that were planned, how many waited for people for so long that they were given up.
    pub dropped: u64,
    /// Of those that were begun, how many never came to their end: something that they wait for did not come.
    pub stuck: u64,
    /// Operations that were answered.
    pub operations: u64,
    /// Of those, how many failed with a code that the scenario does not name.
    pub errors: u64,
    /// Events that were heard.
    pub events: u64,
    /// Connections that were lost and not hung up.
    pub connections_lost: u64,
}

/// One second of a run.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Second {
    /// Calls that were to arrive in it.
    pub planned: u64,
    /// Calls that came to their end in it.
    pub completed: u64,
    /// Operations that failed in it.
    pub errors: u64,
    /// The longest a call took that ended in it, in microseconds.
    pub slowest_us: u64,
}

/// What the oracle looked at, and what it found.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Judged {
    /// Calls whose whole trace went through the checks.
    pub calls: u64,
    /// Moments of those traces.
    pub moments: u64,
    /// Calls that were only looked at for events that are none of their business: there was no time or room for more.
    pub passed_over: u64,
    /// Of the calls that were judged, how many had their order searched for at the API alone (linearizability).
    pub linearizability: u64,
    /// Of those, how many searches ended at their bound.
    pub undecided: u64,
    /// Events that a device heard of rooms that are none of its business.
    pub misdirected: u64,
    /// Calls in which something was wrong.
    pub wrong: u64,
    /// How often each check found something.
    pub findings: BTreeMap<String, u64>,
    /// Some of what was found, in words.
    pub examples: Vec<String>,
    /// Where traces of calls in which something was wrong were saved.
    pub traces: Vec<String>,
}

/// How many examples are kept.
pub(super) const EXAMPLES_MAX: usize = 10;

/// What came of a load run.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadResult {
    /// [`VERSION`].
    pub version: u32,
    /// [`KIND`].
    pub kind: String,
    /// What it was to do.
    pub setting: Setting,
    /// The shards that are in it, in order.
    pub shards: Vec<u32>,
    /// How many copies of the scenario's people there were.
    pub population: u64,
    /// Whether their connections were kept from call to call.
    pub connections_kept: bool,
    /// How many calls there were.
    pub counts: Counts,
    /// Failed operations by name and code, such as `inviteUsers -2 ERR_FREQ_LIMIT`.
    pub errors: BTreeMap<String, u64>,
    /// By operation, by event, and for the whole call.
    pub latencies: Latencies,
    /// Second by second after the warm-up.
    pub seconds: Vec<Second>,
    /// What the oracle says.
    pub judged: Judged,
    /// How the generator fared.
    pub health: Health,
}

/// Why results can't be added up.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MergeError {
    /// They are not of one run.
    #[error("they are of different runs: {field} is {one} in the first and {other} in the second")]
    Different {
        /// In what they differ.
        field: &'static str,
        /// One of them.
        one: String,
        /// The other.
        other: String,
    },
    /// One part is there twice.
    #[error("shard {0} is in both")]
    Twice(u32),
}

impl LoadResult {
    /// Reads what was written as JSON.
    ///
    /// # Errors
    /// Why it is no result that this program can read.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
        match (value["kind"].as_str(), value["version"].as_u64()) {
            (Some(KIND), Some(version)) if version == u64::from(VERSION) => {}
            (Some(KIND), Some(version)) => {
                return Err(format!("it is a result of version {version}, and this reads {VERSION}"));
            }
            _ => return Err("it is no result of `convoke load --json`".to_owned()),
        }
        serde_json::from_value(value).map_err(|error| format!("it is no result that can be read: {error}"))
    }

    /// Adds the result of another shard of the same run: counts and histograms add up exactly.
    ///
    /// # Errors
    /// When they are no two parts of one run.
    pub fn add(&mut self, other: &Self) -> Result<(), MergeError> {
        self.setting.must_equal(&other.setting)?;
        if let Some(twice) = self.shards.iter().find(|shard| other.shards.contains(shard)) {
            return Err(MergeError::Twice(*twice));
        }
        self.shards.extend(&other.shards);
        self.shards.sort_unstable();
        self.population += other.population;
        self.counts.add(&other.counts);
        add_all(&mut self.errors, &other.errors);
        for (name, measured) in &other.latencies {
            self.latencies.entry(name.clone()).or_default().add(measured);
        }
        if self.seconds.len() < other.seconds.len() {
            self.seconds.resize(other.seconds.len(), Second::default());
        }
        for (second, other) in self.seconds.iter_mut().zip(&other.seconds) {
            second.planned += other.planned;
            second.completed += other.completed;
            second.errors += other.errors;
            second.slowest_us = second.slowest_us.max(other.slowest_us);
        }
        self.judged.add(&other.judged);
        self.health.add(&other.health);
        Ok(())
    }

    /// The share of operations that failed.
    #[must_use]
    pub fn error_share(&self) -> f64 {
        self.counts.errors as f64 / self.counts.operations.max(1) as f64
    }

    /// Calls a second that came to their end, over the measured time.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        // What came in the tail counts for the calls that were planned in the measured time.
        self.counts.completed as f64 / self.setting.duration_seconds.max(f64::MIN_POSITIVE)
    }

    /// Whether the oracle found nothing.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.judged.wrong == 0
    }
}

impl Setting {
    fn must_equal(&self, other: &Self) -> Result<(), MergeError> {
        let fields = |setting: &Self| {
            [
                ("the work", setting.work.clone()),
                ("the target", setting.target.clone()),
                ("the rate", setting.rate.clone()),
                ("the spacing", setting.spacing.clone()),
                ("the warm-up", setting.warm_up_seconds.to_string()),
                ("the duration", setting.duration_seconds.to_string()),
                ("the seed", setting.seed.to_string()),
                ("the number of shards", setting.shards.to_string()),
            ]
        };
        for ((field, one), (_, other)) in fields(self).into_iter().zip(fields(other)) {
            if one != other {
                return Err(MergeError::Different { field, one, other });
            }
        }
        Ok(())
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.planned += other.planned;
        self.completed += other.completed;
        self.late += other.late;
        self.dropped += other.dropped;
        self.stuck += other.stuck;
        self.operations += other.operations;
        self.errors += other.errors;
        self.events += other.events;
        self.connections_lost += other.connections_lost;
    }
}

impl Judged {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.moments += other.moments;
        self.passed_over += other.passed_over;
        self.linearizability += other.linearizability;
        self.undecided += other.undecided;
        self.misdirected += other.misdirected;
        self.wrong += other.wrong;
        add_all(&mut self.findings, &other.findings);
        let room = EXAMPLES_MAX.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.iter().take(room).cloned());
        self.traces.extend(other.traces.iter().cloned());
    }
}

fn add_all(to: &mut BTreeMap<String, u64>, from: &BTreeMap<String, u64>) {
    for (name, count) in from {
        *to.entry(name.clone()).or_default() += count;
    }
}
