//! What is asked of an implementation: everything, or all but what it decides otherwise and says so.
//!
//! A profile says four things. *Variants*: where two readings of a requirement are common, which one is the
//! implementation's; the checks judge by it, and a run that passes so and not strictly is *non-strict*. *Waivers*: what is
//! decided otherwise in a way that no check knows, with words; findings of that alone are dropped. *Bounds*: numbers that are
//! fixed there, by which the same scenarios are planned. *What it lacks*: scenarios that need it are unsupported.
//!
//! Only what was inferred or decided (INF, DEC) can be read otherwise; that, and what one SHOULD and need not do, can be
//! waived. What is documented or shows in published clients (DOC, CLIENT) can only be listed as a known failure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::capability::Capability;
use super::{Outcome, Verdict};
use crate::check::variants::{NoReading, Variants};
use crate::file::{self, FileError};
use crate::plan::RequirementId;
#[cfg(feature = "net")]
use crate::plan::{Place, Plan};
use crate::protocol::bounds::{BoundValue, Bounds};
use crate::protocol::requirements::{self, Basis, Level, REQUIREMENTS};
#[cfg(feature = "net")]
use crate::scenario::Scenario;
use crate::scenario::expression::{Expression, Measure};
use crate::time::Duration;

/// A profile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The requirements that it waives, each with what is done instead.
    pub waived: BTreeMap<String, String>,
    /// How it reads what is left open.
    pub variants: Variants,
    /// The bounds that are fixed, by name.
    pub fixed: BTreeMap<String, BoundValue>,
    /// What it lacks, each with a word why.
    pub lacks: BTreeMap<Capability, String>,
}

/// Why there is no such profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is neither a shipped profile nor a file of that name.
    #[error("there is no profile `{0}`: name a YAML file, or one of strict and documented-only")]
    Unknown(String),
    /// The file is no profile.
    #[error("{0} is no profile: {1}")]
    Malformed(String, String),
    /// It names a requirement that there is not.
    #[error("the profile {0} names `{1}`, which is no requirement; `convoke requirements` lists them")]
    NoRequirement(String, String),
    /// It waives what can't be waived.
    #[error(
        "the profile {0} waives {1}, a MUST whose basis is {2}: only what was inferred or decided (INF, DEC), or what one \
         SHOULD do, can be decided otherwise; list what fails in the file of known failures"
    )]
    NotWaivable(String, String, &'static str),
    /// It declares a reading that there is not.
    #[error("in the profile {0}: {1}; waive what is decided in a way of its own")]
    NoReading(String, NoReading),
    /// It both waives a requirement and declares a reading of it.
    #[error(
        "the profile {0} waives {1} and declares a variant of it: with the variant the checks know more; remove the waiver"
    )]
    Both(String, String),
    /// It fixes a bound that there is not, or to what it can't be.
    #[error("in the profile {0}, at bounds, {1}: {2}")]
    Bound(String, String, String),
    /// It lacks what is no capability.
    #[error("the profile {0} lacks `{1}`, which is no capability; there are {known}", known = capabilities())]
    NoCapability(String, String),
}

fn capabilities() -> String {
    Capability::ALL.map(|(_, name, _)| name).join(", ")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    version: u32,
    name: String,
    #[serde(default)]
    variants: BTreeMap<String, String>,
    #[serde(default)]
    waive: BTreeMap<String, String>,
    #[serde(default)]
    bounds: BTreeMap<String, Number>,
    #[serde(default)]
    lacks: BTreeMap<String, String>,
}

/// A bound as it is written: a number of things, or a duration such as `10s`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Count(u64),
    Text(String),
}

impl Profile {
    /// Everything is asked.
    #[must_use]
    pub fn strict() -> Self {
        Self {
            name: "strict".to_owned(),
            waived: BTreeMap::new(),
            variants: Variants::default(),
            fixed: BTreeMap::new(),
            lacks: BTreeMap::new(),
        }
    }

    /// What is documented or shows in published clients is asked, and nothing that was inferred or decided.
    #[must_use]
    pub fn documented_only() -> Self {
        let instead = "not documented".to_owned();
        let open = REQUIREMENTS.iter().filter(|requirement| requirement.basis.permits_variants());
        let waived = open.map(|requirement| (requirement.id.to_owned(), instead.clone())).collect();
        Self { name: "documented-only".to_owned(), waived, ..Self::strict() }
    }

    /// The shipped profile of this name, or that of a file.
    ///
    /// # Errors
    /// When there is none, or it is not well made.
    pub fn find(name: &str) -> Result<Self, ProfileError> {
        match name {
            "strict" => return Ok(Self::strict()),
            "documented-only" => return Ok(Self::documented_only()),
            _ => {}
        }
        match file::read_if_there(Path::new(name))? {
            Some(text) => Self::read(name, &text),
            None => Err(ProfileError::Unknown(name.to_owned())),
        }
    }

    fn read(path: &str, text: &str) -> Result<Self, ProfileError> {
        let malformed = |reason: String| ProfileError::Malformed(path.to_owned(), reason);
        let fields: Fields = serde_saphyr::from_str(text).map_err(|error| malformed(error.to_string()))?;
        if fields.version != 1 {
            return Err(malformed(format!("it is of version {}, and this convoke reads version 1", fields.version)));
        }
        for id in fields.waive.keys().chain(fields.variants.keys()) {
            let Some(requirement) = requirements::find(id) else {
                return Err(ProfileError::NoRequirement(path.to_owned(), id.clone()));
            };
            if let basis @ (Basis::Doc | Basis::Client) = requirement.basis
                && requirement.level == Level::Must
                && fields.waive.contains_key(id)
            {
                return Err(ProfileError::NotWaivable(path.to_owned(), id.clone(), basis.name()));
            }
        }
        let mut variants = Variants::default();
        for (id, name) in &fields.variants {
            variants.declare(id, name).map_err(|error| ProfileError::NoReading(path.to_owned(), error))?;
            if fields.waive.contains_key(id) {
                return Err(ProfileError::Both(path.to_owned(), id.clone()));
            }
        }
        let mut fixed = BTreeMap::new();
        for (name, number) in fields.bounds {
            let value = bound(&name, &number).map_err(|why| ProfileError::Bound(path.to_owned(), name.clone(), why))?;
            fixed.insert(name, value);
        }
        let mut lacks = BTreeMap::new();
        for (name, why) in fields.lacks {
            let Some(capability) = Capability::find(&name) else {
                return Err(ProfileError::NoCapability(path.to_owned(), name));
            };
            lacks.insert(capability, why);
        }
        Ok(Self { name: fields.name, waived: fields.waive, variants, fixed, lacks })
    }

    /// Whether a requirement is waived.
    #[must_use]
    pub fn waives(&self, requirement: &str) -> bool {
        self.waived.contains_key(requirement)
    }

    /// The variants that it declares and by which no scenario passed, in words: those of scenarios that did are given.
    #[must_use]
    pub fn stale_variants(&self, shown: &BTreeSet<(&str, &str)>) -> Vec<String> {
        let declared = self.variants.declared().into_iter();
        let is_stale = |(requirement, name, _): &(&str, &str, &str)| !shown.contains(&(*requirement, *name));
        let words = |(requirement, name, _): (&str, &str, &str)| {
            format!("the profile declares `{name}` of {requirement}, and no scenario passes by it")
        };
        declared.filter(is_stale).map(words).collect()
    }

    /// The bounds of an implementation that has these for its own.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        let mut bounds = Bounds::default();
        for (name, value) in &self.fixed {
            bounds.set(name, *value).expect("the reader of the profile has looked at name and measure");
        }
        bounds
    }

    /// Why a scenario can't be played with an implementation of this profile, if it can't.
    #[cfg(feature = "net")]
    pub(super) fn out_of_reach(&self, scenario: &Scenario, plan: &Plan) -> Option<(String, Place)> {
        for (name, _) in &scenario.service.bounds {
            let (Some(own), wanted) = (self.fixed.get(&name.value), plan.service.bounds.get(&name.value)) else {
                continue;
            };
            if wanted != Some(*own) {
                let wanted = wanted.map_or_else(String::new, words);
                let words =
                    format!("it wants `{}` to be {wanted}, which the profile fixes at {}", name.value, words(*own));
                return Some((words, Place { line: name.span.line, column: name.span.column }));
            }
        }
        self.lacks.iter().find_map(|(capability, why)| {
            let place = capability.needed_by(plan)?;
            Some((format!("it needs `{}`, which the implementation lacks: {why}", capability.name()), place))
        })
    }

    /// Drops what the profile waives from what was found.
    ///
    /// What an author expects by no requirement in particular rests on all that the scenario claims to show: where nothing of
    /// that is asked, it is not asked either. And where whatever else was found says what it breaks, and all of that is
    /// waived, a line that says nothing is taken for a consequence of it.
    pub fn apply(&self, outcome: &mut Outcome) {
        self.drop_waived(outcome);
        // What fails is no matter of readings.
        if outcome.verdict == Verdict::Fail {
            outcome.permitted.clear();
        }
    }

    fn drop_waived(&self, outcome: &mut Outcome) {
        let found_nothing = outcome.findings.is_empty() && outcome.findings_left_out == 0;
        if outcome.verdict != Verdict::Fail || found_nothing || self.waived.is_empty() {
            return;
        }
        let claimed = outcome.covers.clone();
        let is_waived = |named: &[RequirementId]| {
            let rests_on = if named.is_empty() { &claimed[..] } else { named };
            !rests_on.is_empty() && rests_on.iter().all(|id| self.waives(&id.0))
        };
        let is_of_author = |check: &str| matches!(check, "expectations" | "results");
        let named = || {
            let kept = outcome.findings.iter().map(|finding| &finding.requirements);
            kept.chain(&outcome.findings_left_out_of).filter(|named| !named.is_empty())
        };
        let all_named_is_waived = named().next().is_some() && named().all(|named| is_waived(named));
        let is_dropped = |named: &[RequirementId]| is_waived(named) || (named.is_empty() && all_named_is_waived);
        outcome.findings.retain(|finding| {
            let is_open = finding.requirements.is_empty() && !is_of_author(finding.check);
            is_open || !is_dropped(&finding.requirements)
        });
        if outcome.findings_left_out_of.iter().all(|named| is_dropped(named)) {
            outcome.findings_left_out = 0;
        }
        if outcome.findings.is_empty() && outcome.findings_left_out == 0 {
            outcome.verdict = Verdict::NonStrict;
        }
    }
}

/// A bound's value, as a profile writes it.
fn bound(name: &str, number: &Number) -> Result<BoundValue, String> {
    let defaults = Bounds::default();
    let measure = match defaults.get(name) {
        Some(BoundValue::Duration(_)) => Measure::Duration,
        Some(BoundValue::Count(_)) => Measure::Count,
        None => return Err(format!("there is no such bound; there are {}", Bounds::NAMES.join(", "))),
    };
    let text = match number {
        Number::Count(count) => count.to_string(),
        Number::Text(text) => text.clone(),
    };
    let expression = Expression::parse(&text, measure).map_err(|(wrong, mend)| format!("{wrong}; {mend}"))?;
    let value = u64::try_from(expression.value(&defaults)).map_err(|_| format!("`{text}` is out of range"))?;
    Ok(match measure {
        Measure::Duration => BoundValue::Duration(Duration::from_nanos(value)),
        Measure::Count => BoundValue::Count(value),
    })
}

#[cfg(feature = "net")]
fn words(value: BoundValue) -> String {
    match value {
        BoundValue::Duration(duration) => duration.to_string(),
        BoundValue::Count(count) => count.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::Profile;
    use crate::protocol::bounds::Bounds;
    use crate::time::Duration;

    fn check(text: &str, words: &str) {
        let error = Profile::read("mine.yaml", text).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }

    #[test]
    fn only_what_was_decided_or_inferred_can_be_waived() {
        let text = "version: 1\nname: mine\nwaive:\n  REV-2: only the invitee hears it\n";
        assert!(Profile::read("mine.yaml", text).unwrap().waives("REV-2"));
        let push = "version: 1\nname: mine\nwaive: {REC-6: there is no push service}\n";
        assert!(Profile::read("mine.yaml", push).unwrap().waives("REC-6"), "it is a SHOULD");
        check("version: 1\nname: mine\nwaive: {DEV-4: never}\n", "a MUST whose basis is DOC");
        check("version: 1\nname: mine\nwaive: {DEV-444: never}\n", "no requirement");
        check("version: 2\nname: mine\n", "version 2");
        check("version: 1\nname: mine\nwiave: {}\n", "wiave");
        check("version: 1\nname: mine\nvariants: {REV-2: nobody}\n", "it has `invitee-and-inviter`, `invitee`");
        check("version: 1\nname: mine\nvariants: {CAN-5: fails}\n", "of CAN-5 no variant is known");
        check("version: 1\nname: mine\nvariants: {REV-2: invitee}\nwaive: {REV-2: so}\n", "remove the waiver");
        check("version: 1\nname: mine\nbounds: {ids: 3}\n", "there is no such bound");
        check("version: 1\nname: mine\nbounds: {entry_grace: 3}\n", "at bounds, entry_grace");
        check("version: 1\nname: mine\nlacks: {speed: it is slow}\n", "`speed`, which is no capability");
        assert!(Profile::find("no-such-profile").unwrap_err().to_string().contains("strict and documented-only"));
    }

    #[test]
    fn bounds_are_as_the_profile_fixes_them_and_as_they_were() {
        let text = "version: 1\nname: mine\nbounds: {ids_max: 50, entry_grace: 10s}\n";
        let bounds = Profile::read("mine.yaml", text).unwrap().bounds();
        let wanted = Bounds { ids_max: 50, entry_grace: Duration::from_secs(10), ..Bounds::default() };
        assert_eq!(bounds, wanted);
    }

    #[test]
    fn documented_only_asks_for_nothing_that_was_decided() {
        let profile = Profile::documented_only();
        assert!(profile.waives("ORD-1") && !profile.waives("DEV-4"));
    }
}
