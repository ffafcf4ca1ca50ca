//! Failures by what they have in common, so that one fault of an implementation is read once and not in every scenario.
//!
//! A scenario that fails names requirements: in its findings, or, where no finding names one, by what it claims to show. The
//! requirement that most of them name is taken for the cause of these, then the one that most of the rest name, and so on.
//! That is a way of reading, and no proof: a fault that breaks several requirements in different scenarios has several groups.
//! Findings that name no requirement, and failures without findings, are known for the same by their fingerprints.

use std::collections::{BTreeMap, BTreeSet};

use super::super::result::{FindingResult, ScenarioResult};

/// Failures that have something in common.
#[derive(Debug)]
pub(super) struct Cause<'r> {
    /// The requirements that all of them name, in the order of the catalogue, and none of those of another group before;
    /// empty where they name none.
    pub(super) requirements: Vec<&'r str>,
    /// The fingerprints that all of them have in common.
    fingerprints: Vec<&'r str>,
    /// The checks that found it.
    pub(super) checks: BTreeSet<&'r str>,
    /// The scenarios, in the order in which they were given.
    pub(super) failures: Vec<usize>,
}

/// What a failure may have in common with others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Trait<'r> {
    Requirement {
        /// Where it stands in the catalogue.
        number: usize,
        id: &'r str,
    },
    Fingerprint(&'r str),
}

/// Groups failures, the largest group first; of several with one failure each the order stays. `known` has the requirements
/// by id, with their places in the catalogue.
pub(super) fn causes<'r>(failures: &[&'r ScenarioResult], known: &BTreeMap<&'r str, usize>) -> Vec<Cause<'r>> {
    let mut left: BTreeMap<usize, BTreeSet<Trait<'r>>> =
        failures.iter().enumerate().map(|(index, scenario)| (index, traits(scenario, known))).collect();
    let mut causes = Vec::new();
    while !left.is_empty() {
        let mut shared: BTreeMap<Trait<'r>, Vec<usize>> = BTreeMap::new();
        for (index, traits) in &left {
            for one in traits {
                shared.entry(*one).or_default().push(*index);
            }
        }
        let largest = shared.values().map(Vec::len).max().unwrap_or(0);
        let Some(members) = shared.values().find(|members| members.len() == largest).cloned() else { break };
        left.retain(|index, _| !members.contains(index));
        // What the same scenarios show is one cause: which requirement it is nobody can tell from here.
        let mut cause =
            Cause { requirements: Vec::new(), fingerprints: Vec::new(), checks: BTreeSet::new(), failures: members };
        for (one, _) in shared.iter().filter(|(_, others)| **others == cause.failures) {
            match one {
                Trait::Requirement { id, .. } => cause.requirements.push(id),
                Trait::Fingerprint(fingerprint) => cause.fingerprints.push(fingerprint),
            }
        }
        let findings = || cause.failures.iter().flat_map(|index| &failures[*index].findings);
        let shown: BTreeSet<&str> =
            findings().filter(|one| cause.shows_in(one)).map(|one| one.check.as_str()).collect();
        cause.checks = if shown.is_empty() { findings().map(|one| one.check.as_str()).collect() } else { shown };
        causes.push(cause);
    }
    causes
}

impl Cause<'_> {
    /// Whether a finding names what the group has in common.
    pub(super) fn shows_in(&self, finding: &FindingResult) -> bool {
        finding.requirements.iter().any(|id| self.requirements.contains(&id.as_str()))
            || self.fingerprints.contains(&finding.fingerprint.as_str())
    }
}

/// What a failure may have in common with others: never nothing.
fn traits<'r>(scenario: &'r ScenarioResult, known: &BTreeMap<&'r str, usize>) -> BTreeSet<Trait<'r>> {
    let of = |ids: &mut dyn Iterator<Item = &'r String>| -> BTreeSet<Trait<'r>> {
        ids.filter_map(|id| {
            let (id, number) = known.get_key_value(id.as_str())?;
            Some(Trait::Requirement { number: *number, id })
        })
        .collect()
    };
    let mut traits = of(&mut scenario.findings.iter().flat_map(|one| &one.requirements));
    if traits.is_empty() {
        traits = match scenario.findings.is_empty() {
            false => of(&mut scenario.covers.iter()),
            true => of(&mut scenario.empty_claims.iter().map(|one| &one.requirement)),
        };
    }
    let nameless = scenario.findings.iter().filter(|one| one.requirements.is_empty());
    traits.extend(nameless.map(|one| Trait::Fingerprint(&one.fingerprint)));
    if traits.is_empty() {
        traits.insert(Trait::Fingerprint(scenario.fingerprint.as_deref().unwrap_or_default()));
    }
    traits
}

#[cfg(test)]
mod tests;
