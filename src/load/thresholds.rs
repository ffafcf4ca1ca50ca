//! Conditions on a result, such as `p99(inviteUsers) > 50ms`: what makes a run a failure, or a rate too high.
//!
//! The grammar is small and closed: a quantity, a relation, a bound.
//!
//! ```text
//! condition = quantity relation bound
//! quantity  = ("p50" | "p90" | "p99" | "p99.9" | "p99.99" | "max" | "mean") "(" latency ")"
//!           | "errors" | "dropped" | "late" | "stuck" | "throughput"
//! relation  = ">" | ">=" | "<" | "<="
//! bound     = number unit;  "us" | "ms" | "s" for latencies, "%" of what there was or nothing for counts,
//!             "/s" or nothing for the throughput
//! ```
//!
//! A latency is the name of an operation, of an event, or `call`.

use std::fmt;
use std::str::FromStr;

use super::result::{CALL, LoadResult};
use crate::protocol::vocabulary::{EventName, OperationName};
use crate::scenario::diagnostic::nearest;

/// See the module.
#[derive(Clone, PartialEq, Debug)]
pub struct Condition {
    text: String,
    quantity: Quantity,
    relation: Relation,
    /// Milliseconds, a share, a number, or calls a second.
    bound: f64,
}

#[derive(Clone, PartialEq, Debug)]
enum Quantity {
    /// A quantile, or the mean, of this latency.
    Latency(Option<f64>, String),
    /// This many, or this share of what there was.
    Count(Counted, bool),
    Throughput,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Counted {
    Errors,
    Dropped,
    Late,
    Stuck,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Relation {
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// What a condition comes to.
#[derive(Clone, PartialEq, Debug)]
pub enum Met {
    /// It does not hold.
    No,
    /// It holds: the sentence says by how much.
    Yes(String),
    /// Nothing was measured that it could be held against.
    Unknown(String),
}

const QUANTILES: &[(&str, Option<f64>)] = &[
    ("p50", Some(0.5)),
    ("p90", Some(0.9)),
    ("p99", Some(0.99)),
    ("p99.9", Some(0.999)),
    ("p99.99", Some(0.9999)),
    ("max", Some(1.0)),
    ("mean", None),
];

const COUNTS: &[(&str, Counted)] =
    &[("errors", Counted::Errors), ("dropped", Counted::Dropped), ("late", Counted::Late), ("stuck", Counted::Stuck)];

impl Condition {
    /// What it comes to.
    #[must_use]
    pub fn met(&self, result: &LoadResult) -> Met {
        let counts = &result.counts;
        let (value, shown) = match &self.quantity {
            Quantity::Latency(quantile, name) => {
                let Some(measured) = result.latencies.get(name).filter(|it| it.from_planned.count() > 0) else {
                    return Met::Unknown(format!("{self}: nothing was measured of {name}"));
                };
                let latency = &measured.from_planned;
                let millis = quantile.map_or_else(|| latency.mean(), |quantile| latency.quantile(quantile));
                (millis, format!("{millis:.3} ms"))
            }
            Quantity::Count(counted, shares) => {
                let (count, of) = match counted {
                    Counted::Errors => (counts.errors, counts.operations),
                    Counted::Dropped => (counts.dropped, counts.planned),
                    Counted::Late => (counts.late, counts.planned),
                    Counted::Stuck => (counts.stuck, counts.planned),
                };
                match shares {
                    true => {
                        let share = count as f64 / of.max(1) as f64;
                        (share, format!("{:.3} %", share * 100.0))
                    }
                    false => (count as f64, count.to_string()),
                }
            }
            Quantity::Throughput => (result.throughput(), format!("{:.1}/s", result.throughput())),
        };
        let holds = match self.relation {
            Relation::Above => value > self.bound,
            Relation::AtLeast => value >= self.bound,
            Relation::Below => value < self.bound,
            Relation::AtMost => value <= self.bound,
        };
        if holds { Met::Yes(format!("{self}: it is {shown}")) } else { Met::No }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "write for example `p99(inviteUsers) > 50ms` or `errors > 0.1%`";
        let at = text.find(['<', '>']).ok_or_else(|| format!("it has no `>` or `<`; {example}"))?;
        let (quantity, rest) = (text[..at].trim(), &text[at..]);
        let (relation, length) = match rest.as_bytes() {
            [b'>', b'=', ..] => (Relation::AtLeast, 2),
            [b'<', b'=', ..] => (Relation::AtMost, 2),
            [b'>', ..] => (Relation::Above, 1),
            _ => (Relation::Below, 1),
        };
        let bound = rest[length..].trim();
        let (quantity, bound) = match quantity.split_once('(') {
            Some((function, rest)) => {
                let name = rest.strip_suffix(')').ok_or_else(|| format!("`{quantity}` has no `)` at its end"))?.trim();
                let (_, quantile) = QUANTILES
                    .iter()
                    .find(|(known, _)| *known == function.trim())
                    .ok_or_else(|| unknown("function", function.trim(), QUANTILES.iter().map(|(name, _)| *name)))?;
                (Quantity::Latency(*quantile, latency(name)?), millis(bound)?)
            }
            None if quantity == "throughput" => (
                Quantity::Throughput,
                number(bound.strip_suffix("/s").unwrap_or(bound), "calls a second, such as 95/s")?,
            ),
            None => {
                let counted = COUNTS.iter().find(|(known, _)| *known == quantity);
                let Some((_, counted)) = counted else {
                    let known = COUNTS.iter().map(|(name, _)| *name).chain(["throughput"]);
                    let words = unknown("quantity", quantity, known);
                    return Err(format!("{words}; latencies are written like p99(inviteUsers)"));
                };
                match bound.strip_suffix('%') {
                    Some(share) => (Quantity::Count(*counted, true), number(share, "a share, such as 0.1%")? / 100.0),
                    None => (Quantity::Count(*counted, false), number(bound, "a number, or a share such as 0.1%")?),
                }
            }
        };
        Ok(Self { text: text.trim().to_owned(), quantity, relation, bound })
    }
}

fn latency(name: &str) -> Result<String, String> {
    let mut known: Vec<String> = OperationName::ALL.iter().map(ToString::to_string).collect();
    known.extend(EventName::ALL.iter().map(ToString::to_string));
    known.push(CALL.to_owned());
    if known.iter().any(|known| known == name) {
        return Ok(name.to_owned());
    }
    // `invite` is short for one of them, and likelier than whatever else is spelt alike.
    let longer = known.iter().find(|known| !name.is_empty() && known.starts_with(name)).map(String::as_str);
    match longer.or_else(|| nearest(name, known.iter().map(String::as_str))) {
        Some(near) => Err(format!("there is no latency `{name}`; did you mean `{near}`?")),
        None => Err(format!("there is no latency `{name}`; it is the name of an operation, of an event, or `{CALL}`")),
    }
}

fn unknown<'n>(what: &str, given: &str, known: impl Iterator<Item = &'n str> + Clone) -> String {
    match nearest(given, known.clone()) {
        Some(near) => format!("there is no {what} `{given}`; did you mean `{near}`?"),
        None => format!("there is no {what} `{given}`; there are {}", known.collect::<Vec<_>>().join(", ")),
    }
}

fn millis(text: &str) -> Result<f64, String> {
    let wanted = "a time, such as 50ms";
    // `ms` and `us` end in `s` as well.
    for (unit, factor) in [("ms", 1.0), ("us", 0.001), ("s", 1000.0)] {
        if let Some(digits) = text.strip_suffix(unit) {
            return Ok(number(digits, wanted)? * factor);
        }
    }
    Err(format!("`{text}` has no unit: write {wanted}"))
}

fn number(text: &str, wanted: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err(format!("`{}` is not what stands here: write {wanted}", text.trim())),
    }
}

#[cfg(test)]
mod tests;
