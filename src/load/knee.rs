//! The search for the knee: the highest rate at which a server keeps what is asked of it.
//!
//! The rate is doubled until a condition holds that must not, and the last step is then halved until good and bad are close
//! together. One search says little of a shared machine, so several of them give a spread; where they disagree too much, or
//! the generator itself was the bottleneck, that is the finding.

use serde::{Deserialize, Serialize};

use super::arrivals::RATE_MAX;
use super::result::{CALL, LoadResult, VERSION};
use super::thresholds::{Condition, Met};

/// Good and bad are close together when the bad rate is this many times the good one.
const CLOSE: f64 = 1.05;

/// No search goes below this rate: a server that can't keep it has no knee.
const RATE_MIN: f64 = 1.0;

/// Searches whose results are further apart than this share of their median say nothing of the server.
pub const SPREAD_MAX: f64 = 0.25;

/// One rate that was tried.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    /// Calls a second.
    pub rate: f64,
    /// What broke, if anything did.
    pub broke: Vec<String>,
    /// Calls a second that were completed.
    pub throughput: f64,
    /// The 99th percentile of the whole call, in milliseconds.
    pub call_p99_ms: f64,
    /// Why the generator was the bottleneck, if it was.
    pub generator: Vec<String>,
}

/// One search.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Search {
    /// What was tried, in order.
    pub probes: Vec<Probe>,
    /// The highest rate at which nothing broke; none if something did at every rate.
    pub last_good: Option<f64>,
    /// The lowest rate above it at which something broke; none if nothing ever did.
    pub first_bad: Option<f64>,
}

/// What came of all searches.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Knee {
    /// The version of the written form.
    pub version: u32,
    /// `knee`.
    pub kind: String,
    /// The call model, or the scenario's file.
    pub work: String,
    /// Against what.
    pub target: String,
    /// What must not hold.
    pub conditions: Vec<String>,
    /// The searches, in order.
    pub searches: Vec<Search>,
}

/// What may be concluded.
#[derive(Clone, PartialEq, Debug)]
pub enum Conclusion {
    /// The knee, and how far the searches were apart.
    Found {
        /// The median of the searches, in calls a second.
        median: f64,
        /// The lowest of them.
        lowest: f64,
        /// The highest.
        highest: f64,
        /// Whether the generator, and not the server, may have been what broke.
        generator: bool,
    },
    /// The searches were too far apart, or the machine too busy.
    TooNoisy {
        /// The lowest of them.
        lowest: f64,
        /// The highest.
        highest: f64,
    },
    /// Something broke at every rate, in at least one search.
    NoGoodRate,
}

/// Searches once. `probe` makes a run at a rate. Whoever calls says what must not hold, by `conditions`.
///
/// # Errors
/// Those of the runs.
pub fn search<E>(
    first: f64,
    conditions: &[Condition],
    mut probe: impl FnMut(f64) -> Result<LoadResult, E>,
) -> Result<Search, E> {
    let mut search = Search::default();
    let mut rate = first.clamp(RATE_MIN, RATE_MAX);
    loop {
        let probed = Probe::of(rate, conditions, &probe(rate)?);
        let good = probed.broke.is_empty();
        search.probes.push(probed);
        if good {
            search.last_good = Some(rate);
        } else {
            search.first_bad = Some(rate);
        }
        rate = match (search.last_good, search.first_bad) {
            (Some(good), None) if good < RATE_MAX => (good * 2.0).min(RATE_MAX),
            (None, Some(bad)) if bad > RATE_MIN => (bad / 2.0).max(RATE_MIN),
            // The geometric mean halves what is left of the ratio.
            (Some(good), Some(bad)) if bad / good > CLOSE => round(good, bad),
            _ => return Ok(search),
        };
    }
}

/// A rate between two, of three significant digits.
fn round(good: f64, bad: f64) -> f64 {
    let middle = (good * bad).sqrt();
    let digits = libm::pow(10.0, libm::floor(libm::log10(middle)) - 2.0);
    let rounded = (middle / digits).round() * digits;
    if rounded > good && rounded < bad { rounded } else { middle }
}

impl Probe {
    /// Of a run at a rate.
    #[must_use]
    pub fn of(rate: f64, conditions: &[Condition], result: &LoadResult) -> Self {
        let mut broke: Vec<String> = conditions
            .iter()
            .filter_map(|condition| match condition.met(result) {
                Met::No => None,
                Met::Yes(words) | Met::Unknown(words) => Some(words),
            })
            .collect();
        if !result.is_right() {
            broke.push(format!("{} calls were answered wrongly", result.judged.wrong));
        }
        Self {
            rate,
            broke,
            throughput: result.throughput(),
            call_p99_ms: result.latencies.get(CALL).map_or(0.0, |measured| measured.from_planned.quantile(0.99)),
            generator: result.health.complaints(),
        }
    }
}

impl Search {
    /// Whether the generator was the bottleneck where something broke, or where nothing did and the search went no further.
    fn generator(&self) -> bool {
        let bad = self.probes.iter().filter(|probe| Some(probe.rate) == self.first_bad);
        bad.into_iter().any(|probe| !probe.generator.is_empty())
    }
}

impl Knee {
    /// Of these searches.
    #[must_use]
    pub fn new(work: &str, target: &str, conditions: &[Condition], searches: Vec<Search>) -> Self {
        Self {
            version: VERSION,
            kind: "knee".to_owned(),
            work: work.to_owned(),
            target: target.to_owned(),
            conditions: conditions.iter().map(ToString::to_string).collect(),
            searches,
        }
    }

    /// What may be concluded.
    #[must_use]
    pub fn conclusion(&self) -> Conclusion {
        let mut good: Vec<f64> = self.searches.iter().filter_map(|search| search.last_good).collect();
        good.sort_by(f64::total_cmp);
        let (Some(lowest), Some(highest)) = (good.first().copied(), good.last().copied()) else {
            return Conclusion::NoGoodRate;
        };
        if good.len() < self.searches.len() {
            return Conclusion::NoGoodRate;
        }
        let median = match good.len() % 2 {
            1 => good[good.len() / 2],
            _ => (good[good.len() / 2 - 1] + good[good.len() / 2]) / 2.0,
        };
        if (highest - lowest) / median > SPREAD_MAX {
            return Conclusion::TooNoisy { lowest, highest };
        }
        let generator = self.searches.iter().any(Search::generator);
        Conclusion::Found { median, lowest, highest, generator }
    }
}

#[cfg(test)]
mod tests;
