//! Whether the generator itself was fast enough to be believed.
//!
//! A generator that has no processor to itself, or none left, measures itself and not the server. So it looks at how much
//! of a processor its own thread used, how long that thread had to wait for one, and how late planned moments reached it.
//! Where the machine does not say (there is no `/proc`), that is unknown, and reported as unknown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::histograms::Latency;
use crate::time::Duration;

/// From this share of one processor on the generator has nothing left.
const BUSY_MAX: f64 = 0.9;

/// From this share of the time on its thread waited for a processor so often that latencies are partly its own.
const STARVED_MAX: f64 = 0.1;

/// When planned moments reach it this late at the 99th percentile, in milliseconds, latencies are largely its own.
const LAG_MAX: f64 = 10.0;

/// What a thread has used by now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// On a processor.
    pub(super) ran: Duration,
    /// Ready to run, and waiting for one.
    pub(super) waited: Duration,
}

impl Usage {
    /// Of the calling thread, if the machine says so.
    pub(super) fn of_this_thread() -> Option<Self> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        let mut numbers = text.split_whitespace().map(str::parse::<u64>);
        let ran = Duration::from_nanos(numbers.next()?.ok()?);
        Some(Self { ran, waited: Duration::from_nanos(numbers.next()?.ok()?) })
    }
}

/// How the generator fared. Several processes add up: shares by their time, lags exactly.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Health {
    /// For how long it was watched, in nanoseconds, over all processes.
    pub watched_ns: u64,
    /// For how long its thread ran, in nanoseconds; none where that is unknown.
    pub ran_ns: Option<u64>,
    /// For how long its thread waited for a processor, in nanoseconds; none where that is unknown.
    pub waited_ns: Option<u64>,
    /// How late planned moments reached it.
    #[schemars(with = "Vec<(u64, u64)>")]
    pub lag: Latency,
}

impl Health {
    pub(super) fn watched(&mut self, watched: Duration, from: Option<Usage>, to: Option<Usage>) {
        let spent = |what: fn(Usage) -> Duration| Some(what(to?).saturating_sub(what(from?)).as_nanos());
        self.watched_ns = watched.as_nanos();
        self.ran_ns = spent(|usage| usage.ran);
        self.waited_ns = spent(|usage| usage.waited);
    }

    /// Takes in how another process fared.
    pub fn add(&mut self, other: &Self) {
        let sum = |one: Option<u64>, other: Option<u64>| Some(one? + other?);
        self.ran_ns = if self.watched_ns == 0 { other.ran_ns } else { sum(self.ran_ns, other.ran_ns) };
        self.waited_ns = if self.watched_ns == 0 { other.waited_ns } else { sum(self.waited_ns, other.waited_ns) };
        self.watched_ns += other.watched_ns;
        self.lag.add(&other.lag);
    }

    /// The share of one processor that it used.
    #[must_use]
    pub fn busy(&self) -> Option<f64> {
        self.share(self.ran_ns)
    }

    /// The share of the time that it waited for a processor.
    #[must_use]
    pub fn starved(&self) -> Option<f64> {
        self.share(self.waited_ns)
    }

    fn share(&self, nanos: Option<u64>) -> Option<f64> {
        (self.watched_ns > 0).then_some(nanos? as f64 / self.watched_ns as f64)
    }

    /// Why the generator was the bottleneck, if it was: a sentence for each reason.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if let Some(busy) = self.busy().filter(|busy| *busy > BUSY_MAX) {
            complaints.push(format!("its thread used {:.0} % of a processor, and had nothing left", busy * 100.0));
        }
        if let Some(starved) = self.starved().filter(|starved| *starved > STARVED_MAX) {
            complaints.push(format!("its thread waited for a processor {:.0} % of the time", starved * 100.0));
        }
        let lag = self.lag.quantile(0.99);
        if lag > LAG_MAX {
            complaints.push(format!("one planned moment in a hundred reached it {lag:.1} ms late or more"));
        }
        complaints
    }
}
