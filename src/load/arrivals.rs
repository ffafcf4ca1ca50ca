//! When calls arrive: a schedule that is fixed before the first of them, and that no answer can delay.
//!
//! The schedule is the same for every shard of a run: a shard takes every so many-th arrival, so that all shards together
//! make exactly the arrivals of one run. Nothing here waits or looks at a clock.

use std::str::FromStr;

use crate::run::shard::Shard;
use crate::seed::{Seed, Stream};
use crate::time::{Duration, Instant};

/// How many calls a second arrive, over the measured time.
#[derive(Clone, PartialEq, Debug)]
pub enum Rate {
    /// Always as many.
    Constant(f64),
    /// From the first to the second, evenly over the time.
    Ramp(f64, f64),
    /// One after the other, each for an equal part of the time.
    Steps(Vec<f64>),
}

/// The most calls a second that can be asked for.
pub const RATE_MAX: f64 = 1e6;

impl Rate {
    /// The highest rate of all.
    #[must_use]
    pub fn highest(&self) -> f64 {
        match self {
            Self::Constant(rate) => *rate,
            Self::Ramp(from, to) => from.max(*to),
            Self::Steps(rates) => rates.iter().copied().fold(0.0, f64::max),
        }
    }

    fn first(&self) -> f64 {
        match self {
            Self::Constant(rate) | Self::Ramp(rate, _) => *rate,
            Self::Steps(rates) => rates.first().copied().unwrap_or_default(),
        }
    }
}

impl FromStr for Rate {
    type Err = String;

    /// `100`, a ramp `10..200`, or steps `50,100,200`.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| match part.trim().parse::<f64>() {
            Ok(rate) if rate > 0.0 && rate <= RATE_MAX => Ok(rate),
            Ok(_) => Err(format!("`{part}` is not between 0 (excluded) and {RATE_MAX} calls a second")),
            Err(_) => {
                Err(format!("`{part}` is no number: write 100, a ramp such as 10..200, or steps such as 50,100,200"))
            }
        };
        if let Some((from, to)) = text.split_once("..") {
            return Ok(Self::Ramp(number(from)?, number(to)?));
        }
        let rates = text.split(',').map(number).collect::<Result<Vec<f64>, String>>()?;
        Ok(if rates.len() == 1 { Self::Constant(rates[0]) } else { Self::Steps(rates) })
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Constant(rate) => write!(f, "{rate}"),
            Self::Ramp(from, to) => write!(f, "{from}..{to}"),
            Self::Steps(rates) => {
                let rates: Vec<String> = rates.iter().map(ToString::to_string).collect();
                f.write_str(&rates.join(","))
            }
        }
    }
}

/// How calls are spaced at a rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Spacing {
    /// Evenly.
    #[default]
    Even,
    /// As calls of many people who know nothing of each other: a Poisson process, drawn from the seed.
    Poisson,
}

impl Spacing {
    /// As results say it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Even => "even",
            Self::Poisson => "poisson",
        }
    }
}

/// A call that is to arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// Its number in the whole run, from 0.
    pub number: u64,
    /// When, counted from the beginning of the run.
    pub at: Instant,
    /// Whether it comes after the warm-up.
    pub measured: bool,
}

/// The arrivals of a run, in order.
#[derive(Clone, Debug)]
pub struct Schedule {
    rate: Rate,
    warm_up: f64,
    duration: f64,
    shard: Shard,
    luck: Option<Stream>,
    number: u64,
    /// How many arrivals were expected by the next one: the integral of the rate.
    expected: f64,
}

impl Schedule {
    /// `warm_up` at the first rate, then `duration`. The seed decides where arrivals are not even.
    #[must_use]
    pub fn new(rate: Rate, spacing: Spacing, warm_up: Duration, duration: Duration, seed: Seed, shard: Shard) -> Self {
        let mut luck = match spacing {
            Spacing::Even => None,
            Spacing::Poisson => Some(seed.stream("arrivals")),
        };
        let expected = luck.as_mut().map_or(0.0, exponential);
        Self { rate, warm_up: seconds(warm_up), duration: seconds(duration), shard, luck, number: 0, expected }
    }

    /// How long it lasts.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        nanoseconds(self.warm_up + self.duration)
    }

    /// When as many arrivals were expected: the inverse of the integral of the rate. None beyond the end.
    fn when(&self, expected: f64) -> Option<f64> {
        let warm = self.rate.first() * self.warm_up;
        if expected < warm {
            return Some(expected / self.rate.first());
        }
        let mut left = expected - warm;
        let within = match &self.rate {
            Rate::Constant(rate) => left / rate,
            Rate::Ramp(from, to) => {
                // Solves from t + (to - from) t^2 / 2d = left, in the form that cancels nothing where the ramp is flat.
                let slope = (to - from) / self.duration;
                let root = from * from + 2.0 * slope * left;
                if root < 0.0 {
                    return None;
                }
                2.0 * left / (from + root.sqrt())
            }
            Rate::Steps(rates) => {
                let each = self.duration / rates.len() as f64;
                let mut within = 0.0;
                for rate in rates {
                    if left < rate * each {
                        within += left / rate;
                        left = 0.0;
                        break;
                    }
                    left -= rate * each;
                    within += each;
                }
                // What is left after the last step comes after the end.
                within + left
            }
        };
        (within < self.duration).then_some(self.warm_up + within)
    }
}

impl Iterator for Schedule {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        loop {
            let at = self.when(self.expected)?;
            let arrival =
                Arrival { number: self.number, at: Instant::START + nanoseconds(at), measured: at >= self.warm_up };
            self.number += 1;
            match &mut self.luck {
                // A product and no sum of ones, which would drift.
                None => self.expected = self.number as f64,
                Some(luck) => self.expected += exponential(luck),
            }
            if self.shard.takes(arrival.number) {
                return Some(arrival);
            }
        }
    }
}

/// Exponentially distributed with the mean 1.
fn exponential(luck: &mut Stream) -> f64 {
    -libm::log(1.0 - luck.unit())
}

fn seconds(span: Duration) -> f64 {
    span.as_nanos() as f64 / 1e9
}

fn nanoseconds(seconds: f64) -> Duration {
    Duration::from_nanos((seconds * 1e9).round() as u64)
}

#[cfg(test)]
mod tests;
