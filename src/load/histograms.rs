//! Latencies: one histogram for each operation and each event, with the same bounds everywhere, so that histograms of
//! several processes add up exactly.
//!
//! Values are whole microseconds from 1 to one hour, with three significant digits. Each latency is kept twice: from the
//! moment at which it was planned, and from the moment at which the request was handed to the library. The second is what
//! a generator that waits for answers would report (coordinated omission); it is shown for comparison alone.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Duration;

/// The largest value, in microseconds: one hour. What takes longer counts as one hour.
const MICROS_MAX: u64 = 3_600_000_000;

/// Significant digits.
const DIGITS: u8 = 3;

/// The distribution of one latency.
#[derive(Clone, PartialEq, Debug)]
pub struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, MICROS_MAX, DIGITS).expect("the bounds are lawful constants"))
    }
}

impl Latency {
    /// Takes one in.
    pub fn record(&mut self, latency: Duration) {
        self.0.saturating_record((latency.as_nanos() / 1000).clamp(1, MICROS_MAX));
    }

    /// Takes in all that another holds.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all histograms have the same bounds");
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The value in milliseconds that this share of all stays at or below, from 0 to 1; 1 is the maximum.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> f64 {
        // The histogram names the top of a bucket, which may lie above anything recorded.
        let micros = self.0.value_at_quantile(quantile).min(self.0.max());
        micros as f64 / 1000.0
    }

    /// The mean, in milliseconds.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.0.mean() / 1000.0
    }

    /// The largest, in milliseconds.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.0.max() as f64 / 1000.0
    }

    /// In the text format of HdrHistogram, in milliseconds, as its plotters read it.
    #[must_use]
    pub fn hgrm(&self) -> String {
        let mut text =
            format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
        let mut count = 0;
        for step in self.0.iter_quantiles(5) {
            count += step.count_since_last_iteration();
            let quantile = step.quantile_iterated_to();
            let value = step.value_iterated_to().min(self.0.max()) as f64 / 1000.0;
            text.push_str(&format!("{value:>12.3} {quantile:>2.12} {count:>10}"));
            if quantile < 1.0 {
                text.push_str(&format!(" {:>14.2}", 1.0 / (1.0 - quantile)));
            }
            text.push('\n');
        }
        text.push_str(&format!(
            "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]\n#[Max     = {:>12.3}, Total count    = {:>12}]\n\
             #[Buckets = {:>12}, SubBuckets     = {:>12}]\n",
            self.mean(),
            self.0.stdev() / 1000.0,
            self.max(),
            self.count(),
            self.0.buckets(),
            2048,
        ));
        text
    }

    /// The points of a curve of latency by percentile: (quantile, milliseconds).
    #[must_use]
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let point = |quantile: f64| (quantile, self.quantile(quantile));
        // Five points for each halving of what is left, up to one in a million or what was counted.
        let nines = (self.count().max(2) as f64).log2().min(20.0);
        (0..=(nines * 5.0) as u32).map(|step| point(1.0 - 0.5_f64.powf(f64::from(step) / 5.0))).collect()
    }
}

impl Serialize for Latency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = self.0.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value()));
        serializer.collect_seq(counts)
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut latency = Self::default();
        for (micros, count) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            // Beyond the bounds there is nothing that this program could have written.
            let recorded = latency.0.record_n(micros, count);
            recorded.map_err(|error| serde::de::Error::custom(format!("{micros} µs is no latency: {error}")))?;
        }
        Ok(latency)
    }
}

/// Both readings of one latency.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Measured {
    /// From the planned moment.
    #[schemars(with = "Vec<(u64, u64)>")]
    pub from_planned: Latency,
    /// From the moment at which the request was handed to the library.
    #[schemars(with = "Vec<(u64, u64)>")]
    pub from_sent: Latency,
}

impl Measured {
    /// Takes one in.
    pub fn record(&mut self, from_planned: Duration, from_sent: Duration) {
        self.from_planned.record(from_planned);
        self.from_sent.record(from_sent);
    }

    /// Takes in all that another holds.
    pub fn add(&mut self, other: &Self) {
        self.from_planned.add(&other.from_planned);
        self.from_sent.add(&other.from_sent);
    }
}

/// The latencies of a run, by the name of the operation or event.
pub type Latencies = BTreeMap<String, Measured>;

#[cfg(test)]
mod tests;
