//! What a whole run showed, as numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::result::{broken, shows};
use super::terminal;
use crate::plan::RequirementId;
use crate::protocol::requirements;
use crate::run::{Extent, Outcome, SnapshotOutcome, Verdict};

/// The sum of the outcomes of a run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// How many scenarios have each verdict.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// How many runs there were: scenarios times seeds.
    pub runs: u64,
    /// The requirements that scenarios claim to show, and show, as the pages of a result say it.
    pub covered: BTreeSet<RequirementId>,
    /// The requirements that findings name. What is broken somewhere does not count as shown elsewhere.
    pub broken: BTreeSet<RequirementId>,
    /// The requirements that the scenarios claim to show and the contract of what is tested can't, and that nothing shows.
    pub out_of_reach: BTreeSet<RequirementId>,
    /// The variants by which scenarios passed: of which requirement, and which.
    pub permitted: BTreeSet<(&'static str, &'static str)>,
    /// How much happened.
    pub extent: Extent,
    /// How many new snapshots wait for review.
    pub new_snapshots: u64,
    /// How many snapshots were recorded.
    pub recorded_snapshots: u64,
    /// The commands that repeat what did not end well.
    pub failed: Vec<String>,
    /// How long it took on the wall; the caller knows.
    pub wall: Duration,
}

impl Summary {
    /// Counts one more outcome of `convoke run`.
    pub fn add(&mut self, outcome: &Outcome) {
        self.add_repeated_by(outcome, &terminal::repeat(&outcome.path, outcome.seed.0, outcome.world));
    }

    /// Counts one more outcome, which this command repeats.
    pub fn add_repeated_by(&mut self, outcome: &Outcome, repeat: &str) {
        *self.verdicts.entry(outcome.verdict).or_default() += 1;
        self.runs += outcome.seeds_run;
        self.extent = self.extent.and(outcome.extent);
        match outcome.snapshot {
            SnapshotOutcome::New { pending: Some(_) } => self.new_snapshots += 1,
            SnapshotOutcome::Recorded { .. } => self.recorded_snapshots += 1,
            _ => {}
        }
        // Definitions need not be shown, and the pages of a result don't count them either.
        let binds = |id: &&RequirementId| requirements::find(&id.0).is_some_and(|found| !found.definition);
        self.out_of_reach.extend(outcome.out_of_reach.iter().filter(binds).cloned());
        self.permitted.extend(outcome.permitted.iter().copied());
        let empty = || outcome.empty_claims.iter().map(|empty| &*empty.claim.requirement.0);
        let is_shown = |id: &&RequirementId| shows(outcome.verdict, &id.0, !outcome.findings.is_empty(), empty());
        self.covered.extend(outcome.covers.iter().filter(binds).filter(is_shown).cloned());
        let named = outcome.findings.iter().map(|finding| &finding.requirements[..]);
        self.broken.extend(broken(named, &outcome.covers).filter(binds).cloned());
        if !outcome.verdict.is_well() {
            self.failed.push(repeat.to_owned());
        }
    }

    /// How many requirements are shown: claimed, seen, and broken nowhere.
    #[must_use]
    pub fn shown(&self) -> u64 {
        self.covered.difference(&self.broken).count() as u64
    }

    /// How many scenarios there were.
    #[must_use]
    pub fn scenarios(&self) -> u64 {
        self.verdicts.values().sum()
    }

    /// The exit code of the run: the worst of its scenarios.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.verdicts.keys().map(|verdict| verdict.exit_code()).max().unwrap_or(0)
    }
}
