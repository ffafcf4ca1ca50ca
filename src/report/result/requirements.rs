//! What a run showed of each requirement, over all scenarios that claim it or break it.
//!
//! A requirement is broken when a finding names it, whoever claims it. It is shown when a scenario that claims it had
//! nothing to say against it; a scenario that fails for another reason shows nothing of what it claims. A snapshot that
//! differs breaks no requirement: it says that something is not as it was, not that it is wrong.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GroupResult, Profile, RequirementResult, ScenarioResult};
use crate::protocol::requirements::{GROUPS, Requirement};
use crate::run::Verdict;

/// What a run showed of a requirement.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
pub enum RequirementVerdict {
    /// No scenario that was run claims it.
    #[serde(rename = "not shown")]
    NotShown,
    /// The world or the implementation can't enact what would show it.
    #[serde(rename = "unsupported")]
    Unsupported,
    /// The scenarios that claim it say nothing either way.
    #[serde(rename = "inconclusive")]
    Inconclusive,
    /// It was shown.
    #[serde(rename = "pass")]
    Pass,
    /// It was shown by the variant that the profile declares.
    #[serde(rename = "variant")]
    Variant,
    /// The profile waives it.
    #[serde(rename = "waived")]
    Waived,
    /// It is broken, as the list of known failures says.
    #[serde(rename = "known failure")]
    KnownFailure,
    /// It is broken.
    #[serde(rename = "fail")]
    Fail,
}

impl RequirementVerdict {
    /// All of them, in the order in which reports show them.
    pub const ALL: [Self; 8] = [
        Self::Fail,
        Self::KnownFailure,
        Self::Inconclusive,
        Self::Unsupported,
        Self::Waived,
        Self::Variant,
        Self::NotShown,
        Self::Pass,
    ];

    /// As reports say it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotShown => "not shown",
            Self::Unsupported => "unsupported",
            Self::Inconclusive => "inconclusive",
            Self::Pass => "pass",
            Self::Waived => "waived",
            Self::Variant => "variant",
            Self::KnownFailure => "known failure",
            Self::Fail => "fail",
        }
    }
}

/// Which scenarios have to do with a requirement.
#[derive(Default)]
struct About<'s> {
    claimed_by: Vec<&'s ScenarioResult>,
    /// Those that claim it and can't show it through the contract of what is tested.
    claimed_in_vain_by: Vec<&'s ScenarioResult>,
    broken_by: Vec<&'s ScenarioResult>,
}

/// Every requirement of the catalogue, by group.
pub(super) fn requirements(scenarios: &[ScenarioResult], profile: &Profile) -> Vec<GroupResult> {
    let mut about: BTreeMap<&str, About<'_>> = BTreeMap::new();
    for scenario in scenarios {
        for id in &scenario.covers {
            about.entry(id).or_default().claimed_by.push(scenario);
        }
        for id in &scenario.out_of_reach {
            about.entry(id).or_default().claimed_in_vain_by.push(scenario);
        }
        let named = scenario.findings.iter().map(|finding| &finding.requirements[..]);
        for id in broken(named, &scenario.covers) {
            let broken_by = &mut about.entry(id).or_default().broken_by;
            if !broken_by.last().is_some_and(|last| std::ptr::eq(*last, scenario)) {
                broken_by.push(scenario);
            }
        }
    }
    let nothing = About::default();
    let one = |requirement: &Requirement| {
        let about = about.get(requirement.id).unwrap_or(&nothing);
        RequirementResult {
            id: requirement.id.to_owned(),
            level: if requirement.definition { "definition" } else { requirement.level.name() }.to_owned(),
            basis: requirement.basis.name().to_owned(),
            subject: requirement.subject.name().to_owned(),
            boundary: requirement.boundary.name().to_owned(),
            text: requirement.plain_text(),
            verdict: verdict(requirement.id, about, profile),
            out_of_reach: about.claimed_by.is_empty() && !about.claimed_in_vain_by.is_empty(),
            claimed_by: paths(&[&about.claimed_by[..], &about.claimed_in_vain_by[..]].concat()),
            broken_by: paths(&about.broken_by),
        }
    };
    GROUPS
        .iter()
        .map(|group| GroupResult {
            prefix: group.prefix.to_owned(),
            title: group.title.to_owned(),
            requirements: group.requirements.iter().map(one).collect(),
        })
        .collect()
}

/// The paths, each once: a scenario may have been enacted in several worlds.
fn paths(scenarios: &[&ScenarioResult]) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for scenario in scenarios {
        if !paths.contains(&scenario.path) {
            paths.push(scenario.path.clone());
        }
    }
    paths
}

/// The requirements that a scenario shows broken, of what each of its findings names. One that names none counts against
/// everything that the scenario claims: its author meant them.
pub(in crate::report) fn broken<'a, Id>(
    named: impl Iterator<Item = &'a [Id]> + Clone,
    claimed: &'a [Id],
) -> impl Iterator<Item = &'a Id> {
    let names_none = named.clone().any(<[Id]>::is_empty);
    named.flatten().chain(claimed.iter().filter(move |_| names_none))
}

fn verdict(id: &str, about: &About<'_>, profile: &Profile) -> RequirementVerdict {
    if profile.waived.iter().any(|waived| waived.requirement == id) {
        return RequirementVerdict::Waived;
    }
    let claims = about.claimed_by.iter().map(|scenario| shown_by(id, scenario));
    let breaks = about.broken_by.iter().map(|scenario| match scenario.verdict {
        Verdict::KnownFailure => RequirementVerdict::KnownFailure,
        _ => RequirementVerdict::Fail,
    });
    let in_vain = about.claimed_in_vain_by.iter().map(|_| RequirementVerdict::Unsupported);
    claims.chain(breaks).chain(in_vain).max().unwrap_or(RequirementVerdict::NotShown)
}

/// Whether a variant such as `REV-2: invitee` is of this requirement.
fn is_of(variant: &str, id: &str) -> bool {
    variant.split_once(':').is_some_and(|(of, _)| of == id)
}

/// What a scenario that claims a requirement shows of it, if it doesn't break it.
fn shown_by(id: &str, scenario: &ScenarioResult) -> RequirementVerdict {
    let empty = scenario.empty_claims.iter().map(|empty| empty.requirement.as_str());
    match scenario.verdict {
        Verdict::NonStrict if scenario.variants.iter().any(|variant| is_of(variant, id)) => RequirementVerdict::Variant,
        Verdict::Unsupported => RequirementVerdict::Unsupported,
        verdict if shows(verdict, id, !scenario.findings.is_empty(), empty) => RequirementVerdict::Pass,
        _ => RequirementVerdict::Inconclusive,
    }
}

/// Whether a scenario of this verdict shows a requirement that it claims, strictly or by a variant. `empty` are its claims of
/// which nothing was seen.
pub(in crate::report) fn shows<'a>(
    verdict: Verdict,
    id: &str,
    has_findings: bool,
    empty: impl IntoIterator<Item = &'a str>,
) -> bool {
    let empty: Vec<&str> = empty.into_iter().collect();
    match verdict {
        Verdict::Pass | Verdict::NonStrict | Verdict::UnexpectedPass => true,
        // Only the snapshot differs.
        Verdict::Fail => !has_findings && !empty.contains(&id),
        // Another of its claims is empty.
        Verdict::Inconclusive => !empty.is_empty() && !empty.contains(&id),
        _ => false,
    }
}
