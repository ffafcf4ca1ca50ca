//! By what a failure is known again: a few hexadecimal digits that are the same wherever a scenario fails in the same way.
//!
//! A fingerprint outlives another seed and a scenario whose lines moved: it has no times, no numbers, no places in files
//! and, of what the always-checks say, no names of people and devices, since luck decides who wins a race. What stays is
//! which check found something, which requirements it breaks, and which calls and events it names. Of an author's own
//! expectations the device stays, too: it stands in the file.

use std::collections::BTreeSet;

use super::{Outcome, Problem, SnapshotOutcome};
use crate::check::Finding;
use crate::protocol::vocabulary::{EventName, OperationName};
use crate::seed::Fnv1a;

/// The checks that hold a run against what its author wrote.
const OF_THE_AUTHOR: [&str; 2] = ["expectations", "results"];

/// The fingerprint of one finding.
#[must_use]
pub fn of_finding(finding: &Finding) -> String {
    digits(&kind(finding))
}

/// The fingerprint of what is wrong with an outcome; nothing when nothing is. It is that of all findings together,
/// whatever their order and number.
#[must_use]
pub fn of(outcome: &Outcome) -> Option<String> {
    let mut kinds: BTreeSet<String> = outcome.findings.iter().map(kind).collect();
    if kinds.is_empty() {
        // Claims and snapshots are held to the scenario's own seed alone: beside findings they would tell seeds apart.
        let claims = outcome.empty_claims.iter();
        kinds.extend(claims.map(|empty| format!("shows nothing of {}", empty.claim.requirement.0)));
    }
    if kinds.is_empty() && matches!(outcome.snapshot, SnapshotOutcome::Differs { .. }) {
        kinds.insert("another snapshot".to_owned());
    }
    if kinds.is_empty() && !outcome.verdict.is_well() {
        kinds.insert(match &outcome.problem {
            Some(Problem::Words(words, _)) => without_numbers(words),
            Some(Problem::Scenario(_)) => "no scenario".to_owned(),
            None => outcome.verdict.name().to_owned(),
        });
    }
    let kinds: Vec<String> = kinds.into_iter().collect();
    (!kinds.is_empty()).then(|| digits(&kinds.join("\n")))
}

/// What kind of failure it is, as a text that is hashed.
fn kind(finding: &Finding) -> String {
    let requirements: BTreeSet<&str> = finding.requirements.iter().map(|id| &*id.0).collect();
    let requirements = requirements.into_iter().collect::<Vec<_>>().join(" ");
    // What follows tells what was seen instead, which is another thing under every seed.
    let said = finding.message.split([';', ':', '(']).next().unwrap_or_default();
    let words = match OF_THE_AUTHOR.contains(&finding.check) {
        true => without_numbers(said),
        false => api_words(said),
    };
    format!("{}|{requirements}|{words}", finding.check)
}

/// The calls and events that a text names, in its order.
fn api_words(text: &str) -> String {
    let known = |word: &&str| {
        EventName::ALL.iter().any(|event| event.name() == *word)
            || OperationName::ALL.iter().any(|operation| operation.name() == *word)
    };
    text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(known).collect::<Vec<_>>().join(" ")
}

/// A text with `#` for every number in it, whatever its length and its fraction.
fn without_numbers(text: &str) -> String {
    let mut plain = String::new();
    let mut in_number = false;
    for letter in text.chars() {
        let continues = in_number && letter == '.';
        if letter.is_ascii_digit() && !in_number {
            plain.push('#');
        }
        if !letter.is_ascii_digit() && !continues {
            plain.push(letter);
        }
        in_number = letter.is_ascii_digit() || continues;
    }
    plain.trim_end().to_owned()
}

fn digits(text: &str) -> String {
    let mut hash = Fnv1a::default();
    hash.add(text.as_bytes());
    format!("{:016x}", hash.0)
}

#[cfg(test)]
mod tests;
