//! Durations and counts as authors write them: `20ms`, `resume_window + 1s`, `ids_max + 1`, `entry_grace / 2`.
//!
//! Sums over a closed set of names; there is no other arithmetic, so that a scenario stays data. Whether the names exist
//! and measure the right thing is judged here; their values come later, with the bounds of the service.

use crate::protocol::bounds::{BoundValue, Bounds};
use crate::time::Duration;

use super::diagnostic::nearest;

/// What an expression measures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// A span of time, in nanoseconds.
    Duration,
    /// A number of things.
    Count,
}

/// A sum of literals and named bounds.
#[derive(Clone, PartialEq, Debug)]
pub struct Expression {
    measure: Measure,
    terms: Vec<Term>,
}

#[derive(Clone, PartialEq, Debug)]
struct Term {
    negative: bool,
    value: TermValue,
}

#[derive(Clone, PartialEq, Debug)]
enum TermValue {
    /// Nanoseconds or things.
    Literal(i128),
    /// A bound, divided.
    Bound { name: &'static str, divisor: i128 },
}

/// The largest literal, so that no sum of a line's terms leaves the range of `i128`.
const LITERAL_MAX: f64 = 1e24;

/// The units of time, in nanoseconds.
const UNITS: [(&str, i128); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

impl Expression {
    /// A literal number of nanoseconds or things.
    #[must_use]
    pub fn literal(measure: Measure, value: i128) -> Self {
        Self { measure, terms: vec![Term { negative: false, value: TermValue::Literal(value) }] }
    }

    /// Reads `text` as an expression of this measure.
    ///
    /// # Errors
    /// What is wrong with it, and how to mend it.
    pub fn parse(text: &str, measure: Measure) -> Result<Self, (String, String)> {
        let mut terms = Vec::new();
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(("an empty expression".to_owned(), example(measure)));
        }
        let mut negative = false;
        if let Some(after) = rest.strip_prefix('-') {
            (negative, rest) = (true, after.trim_start());
        }
        loop {
            let end = rest.find(|c: char| c == '+' || c == '-' || c.is_whitespace()).unwrap_or(rest.len());
            let (mut word, mut after) = (&rest[..end], rest[end..].trim_start());
            let mut divisor = None;
            if let Some((bound, by)) = word.split_once('/') {
                (word, divisor) = (bound, Some(by));
            } else if let Some(behind) = after.strip_prefix('/') {
                let behind = behind.trim_start();
                let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
                divisor = Some(&behind[..end]);
                after = behind[end..].trim_start();
            }
            terms.push(Term { negative, value: term(word, divisor, measure, text)? });
            if after.is_empty() {
                return Ok(Self { measure, terms });
            }
            negative = match after.as_bytes()[0] {
                b'+' => false,
                b'-' => true,
                _ => return Err((format!("can't read `{text}`"), example(measure))),
            };
            rest = after[1..].trim_start();
        }
    }

    /// Its value under these bounds: nanoseconds or things.
    #[must_use]
    pub fn value(&self, bounds: &Bounds) -> i128 {
        self.terms
            .iter()
            .map(|term| {
                let value = match term.value {
                    TermValue::Literal(value) => value,
                    TermValue::Bound { name, divisor } => {
                        match bounds.get(name).expect("parse admits only names of bounds") {
                            BoundValue::Duration(duration) => i128::from(duration.as_nanos()) / divisor,
                            BoundValue::Count(count) => i128::from(count) / divisor,
                        }
                    }
                };
                if term.negative { -value } else { value }
            })
            .fold(0, i128::saturating_add)
    }

    /// Its value as a span of time, if it is neither negative nor longer than 584 years.
    #[must_use]
    pub fn duration(&self, bounds: &Bounds) -> Option<Duration> {
        u64::try_from(self.value(bounds)).ok().map(Duration::from_nanos)
    }

    /// What it measures.
    #[must_use]
    pub const fn measure(&self) -> Measure {
        self.measure
    }
}

/// What to write instead.
fn example(measure: Measure) -> String {
    match measure {
        Measure::Duration => {
            "write a number and a unit (ns, us, ms, s, m, h, d), a bound's name, or a sum: `20ms`, `resume_window + 1s`"
        }
        Measure::Count => "write a number, a bound's name, or a sum: `5`, `ids_max + 1`",
    }
    .to_owned()
}

fn term(word: &str, divisor: Option<&str>, measure: Measure, text: &str) -> Result<TermValue, (String, String)> {
    let Some(first) = word.chars().next() else {
        return Err((format!("can't read `{text}`: something is missing"), example(measure)));
    };
    if first.is_ascii_digit() || first == '.' {
        if divisor.is_some() {
            return Err((
                format!("can't divide `{word}`"),
                "only a named bound can be divided: `resume_window / 2`".into(),
            ));
        }
        return literal(word, measure).map(TermValue::Literal);
    }
    let Some(name) = Bounds::NAMES.iter().copied().find(|name| *name == word) else {
        let help = match nearest(word, Bounds::NAMES.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("{}; the bounds are {}", example(measure), Bounds::NAMES.join(", ")),
        };
        return Err((format!("unknown bound `{word}`"), help));
    };
    let measured = match Bounds::default().get(name) {
        Some(BoundValue::Duration(_)) => Measure::Duration,
        _ => Measure::Count,
    };
    if measured != measure {
        return Err(match measure {
            Measure::Duration => (format!("`{name}` counts things, and a duration is wanted here"), example(measure)),
            Measure::Count => {
                (format!("`{name}` is a duration, and a number of things is wanted here"), example(measure))
            }
        });
    }
    let divisor = match divisor {
        None => 1,
        Some(digits) => match digits.parse::<u32>() {
            Ok(number) if number > 0 => i128::from(number),
            _ => return Err((format!("can't divide by `{digits}`"), "divide by a whole number above 0".to_owned())),
        },
    };
    Ok(TermValue::Bound { name, divisor })
}

fn literal(word: &str, measure: Measure) -> Result<i128, (String, String)> {
    let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
    let (digits, unit) = word.split_at(end);
    let fault = |what: String| Err((what, example(measure)));
    let scale = match measure {
        Measure::Count if unit.is_empty() => 1,
        Measure::Count => return fault(format!("`{word}` has a unit, and a number of things is wanted here")),
        Measure::Duration => match UNITS.iter().find(|(name, _)| *name == unit) {
            Some((_, nanos)) => *nanos,
            None if unit.is_empty() && digits.bytes().all(|digit| digit == b'0') => 1,
            None if unit.is_empty() => return fault(format!("`{word}` has no unit")),
            None => return fault(format!("`{unit}` is no unit of time")),
        },
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = !(whole.is_empty() && fraction.is_empty())
        && whole.bytes().chain(fraction.bytes()).all(|digit| digit.is_ascii_digit());
    if !is_number || digits.len() > 30 {
        return fault(format!("`{word}` is no number"));
    }
    if measure == Measure::Count && digits.contains('.') {
        return fault(format!("`{word}` is no whole number"));
    }
    // Exact in decimal: 0.1s is 100000000 ns, and what is finer than a nanosecond is refused.
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(i128::MAX) };
    let fraction = fraction.trim_end_matches('0');
    let parts = 10_i128.checked_pow(u32::try_from(fraction.len()).unwrap_or(u32::MAX));
    let (Some(parts), Some(whole)) = (parts, whole.checked_mul(scale)) else {
        return fault(format!("`{word}` is out of range"));
    };
    let finer = if fraction.is_empty() { Some(0) } else { fraction.parse::<i128>().unwrap_or(0).checked_mul(scale) };
    let Some(finer) = finer else { return fault(format!("`{word}` is out of range")) };
    if finer % parts != 0 {
        return fault(format!("`{word}` is finer than a nanosecond"));
    }
    let value = whole.saturating_add(finer / parts);
    if value as f64 > LITERAL_MAX {
        return fault(format!("`{word}` is out of range"));
    }
    Ok(value)
}

/// A share as authors write it: `1%` or `0.01`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let (digits, scale) = text.trim().strip_suffix('%').map_or((text.trim(), 1.0), |digits| (digits.trim_end(), 100.0));
    match digits.parse::<f64>() {
        Ok(number) if (0.0..=1.0).contains(&(number / scale)) => Ok(number / scale),
        Ok(_) => Err(format!("`{text}` is not between 0% and 100%")),
        Err(_) => Err(format!("`{text}` is no share")),
    }
}
