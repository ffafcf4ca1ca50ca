//! One scenario against an implementation of somebody else, under our clock.
//!
//! It is judged as the reference is, by the author's expectations and the always-checks; what its contract can't show is
//! left out visibly; it is run twice, and what differs is told before anything else is blamed on it. Nothing that it does
//! is an error of ours: a broken conversation, a setup that it refuses, and talk without end are findings.

mod parting;

use std::fmt::Write as _;
use std::sync::Arc;

use self::parting::parting;
use super::capability::Capability;
use super::profile::Profile;
use super::{Outcome, Problem, Recipe, SnapshotMode, Target, Verdict, guard, run, run_as};
use crate::check::Finding;
use crate::implementation::{Contract, Fault, FaultKind, HelloAnswer, Seat, Storage, Talks, Turn};
use crate::plan::{Action, Place, Plan, RequirementId, compile};
use crate::protocol::bounds::BoundValue;
use crate::protocol::requirements;
use crate::scenario::Scenario;
use crate::seed::Seed;
use crate::world::WorldError;
use crate::world::cast::Foreign;

/// After so many moments a run with an implementation of somebody else is called endless: the longest scenario of the
/// corpus has a tenth of it with the reference.
pub(super) const MOMENTS_MAX: usize = 2_000_000;

/// What is our session layer's own behind which a core stands: nothing of it shows in the core's answers.
const OF_THE_SESSION_LAYER: [&str; 7] = ["DEV-5", "DEV-9", "IDM-1", "IDM-2", "IDM-4", "REC-1", "REC-2"];

/// What is shown by a crash of the server alone.
const OF_A_CRASH: [&str; 2] = ["REC-4", "REC-5"];

/// What tells that a run did not take the course that its author planned.
pub(super) const COURSE: &str = "course";

/// What tells that two runs which should be the same are not.
pub(super) const DETERMINISM: &str = "determinism";

/// An implementation under test.
pub struct Subject {
    /// How it is reached.
    pub talks: Arc<Talks>,
    /// How it introduced itself.
    pub introduced: HelloAnswer,
    /// What is asked of it.
    pub profile: Profile,
    /// Whether every run is made a second time.
    pub twice: bool,
}

impl Subject {
    /// Whether its contract can show this requirement.
    #[must_use]
    pub fn can_show(&self, requirement: &str) -> bool {
        let includes_server = requirements::find(requirement).is_some_and(|found| found.subject.includes_server());
        let is_ours = self.introduced.contract == Contract::Core && OF_THE_SESSION_LAYER.contains(&requirement);
        let is_lost = self.introduced.storage == Storage::None && OF_A_CRASH.contains(&requirement);
        includes_server && !is_ours && !is_lost
    }

    /// As reports name it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.introduced.name, self.introduced.version)
    }

    /// Why this plan can't be played with it, if it can't.
    fn out_of_reach(&self, plan: &Plan) -> Option<(String, Place)> {
        if let Some(reason) = self.crashes(plan) {
            return Some(reason);
        }
        let contract = self.introduced.contract;
        let claims: Vec<&str> = plan.covers.iter().map(|claim| &*claim.requirement.0).collect();
        if !claims.is_empty() && !claims.iter().any(|claim| self.can_show(claim)) {
            let words = format!("contract `{contract}` can't show what it claims: {}", claims.join(", "));
            return Some((words, plan.covers[0].place));
        }
        None
    }

    /// Why it can't be crashed, if the plan does so.
    pub(super) fn crashes(&self, plan: &Plan) -> Option<(String, Place)> {
        let crash = plan.steps.iter().find(|step| matches!(step.action, Action::CrashServer { .. }));
        if let (Storage::None, Some(crash)) = (self.introduced.storage, crash) {
            let words = "the server crashes, and the implementation keeps nothing (`storage`: `none`)";
            return Some((words.to_owned(), crash.place));
        }
        None
    }

    /// Runs a scenario under one seed and judges it.
    #[must_use]
    pub fn conform(&self, target: &Target, scenario: &Scenario, seed: Seed, recipe: &Recipe) -> Outcome {
        let mut outcome = self.judged(target, scenario, seed, recipe);
        set_apart(&mut outcome, |claim| self.can_show(claim));
        name_after(&mut outcome, recipe);
        outcome
    }

    fn judged(&self, target: &Target, scenario: &Scenario, seed: Seed, recipe: &Recipe) -> Outcome {
        let bounds = self.profile.bounds();
        let planned = guard::catch(|| compile::compile_for(scenario, seed, bounds.clone()).ok());
        if let Ok(Some(plan)) = &planned
            && let Some((words, place)) = self.out_of_reach(plan).or_else(|| self.profile.out_of_reach(scenario, plan))
        {
            let problem = Some(Problem::Words(words, place));
            return Outcome { verdict: Verdict::Unsupported, problem, ..Outcome::planned(target, plan) };
        }
        if !recipe.combination.is_plain() && !applies(&self.profile, target, scenario, seed, recipe) {
            return Outcome { is_left_out: true, ..Outcome::nothing_yet(target, seed) };
        }
        let keeps_traces = recipe.keep_traces;
        let recipe = Recipe {
            moments_max: recipe.moments_max.or(Some(MOMENTS_MAX)),
            keep_traces: true,
            variants: self.profile.variants,
            bounds: bounds.into(),
            ..recipe.clone()
        };
        // What is recorded must be what it always says.
        let records = self.twice && recipe.snapshots == SnapshotMode::Bless;
        let first = Recipe { snapshots: if records { SnapshotMode::Off } else { recipe.snapshots }, ..recipe.clone() };
        let mut outcome = self.once(target, scenario, seed, &first, Turn::First);
        let can_repeat = !matches!(outcome.verdict, Verdict::ImplementationBroke | Verdict::BadScenario);
        if self.twice && can_repeat {
            let again = Recipe { snapshots: SnapshotMode::Off, ..recipe.clone() };
            let second = self.once(target, scenario, seed, &again, Turn::Again);
            if second.verdict == Verdict::ImplementationBroke {
                return second;
            }
            not_deterministic(&mut outcome, &second);
        }
        if records && outcome.findings.is_empty() {
            outcome = self.once(target, scenario, seed, &recipe, Turn::First);
        }
        self.profile.apply(&mut outcome);
        if let Ok(Some(plan)) = &planned {
            tell_what_may_lack(&mut outcome, plan);
        }
        if outcome.verdict.is_well() && !keeps_traces {
            outcome.trace = None;
        }
        outcome
    }

    fn once(&self, target: &Target, scenario: &Scenario, seed: Seed, recipe: &Recipe, turn: Turn) -> Outcome {
        let seat = Arc::new(Seat::new(self.talks.clone(), seed.0, turn));
        let cast = Foreign { seat: seat.clone() };
        let outcome = run_as(target, scenario, seed, recipe, &cast);
        match seat.end() {
            Err(fault) => broke(outcome, &fault),
            Ok(()) => blamed_on_it(outcome),
        }
    }
}

/// What the reference does right and an implementation does not is its own failure, and not that of the author or the
/// harness.
pub(super) fn blamed_on_it(mut outcome: Outcome) -> Outcome {
    let blamed = match (&outcome.verdict, &outcome.problem) {
        (Verdict::BadScenario, Some(Problem::Words(words, place))) => Some((words.clone(), *place)),
        (Verdict::HarnessError, Some(Problem::Words(words, place))) if words.contains("does not come to an end") => {
            Some((words.clone(), *place))
        }
        _ => None,
    };
    if let Some((words, place)) = blamed {
        outcome.problem = None;
        outcome.findings.push(finding(COURSE, words, &[], place));
        outcome.verdict = Verdict::Fail;
    }
    outcome
}

/// A setup that is refused where something is needed that not every service has: its author may have to say so.
pub(super) fn tell_what_may_lack(outcome: &mut Outcome, plan: &Plan) {
    for finding in outcome.findings.iter_mut().filter(|finding| finding.check == COURSE) {
        let needed = |capability: &Capability| finding.place.is_some() && capability.needed_by(plan) == finding.place;
        if let Some(capability) = Capability::ALL.into_iter().map(|(one, ..)| one).find(needed) {
            let words = "; a server that has no such thing says so in its profile";
            let _ = write!(finding.message, "{words}: `lacks: {{{}: why}}`", capability.name());
        }
    }
}

/// Two runs with one seed that are not the same tell so before anything else.
pub(super) fn not_deterministic(outcome: &mut Outcome, second: &Outcome) {
    if outcome.trace_hash != second.trace_hash {
        outcome.findings.insert(0, parting(outcome.trace.as_deref(), second.trace.as_deref()));
        outcome.verdict = Verdict::Fail;
    }
}

/// Whether a combination can be brought about, and what the author expects holds there: the reference says so.
pub(super) fn applies(profile: &Profile, target: &Target, scenario: &Scenario, seed: Seed, recipe: &Recipe) -> bool {
    let fixes_times = profile.fixed.values().any(|value| matches!(value, BoundValue::Duration(_)));
    if fixes_times && recipe.combination.changes_bounds() {
        return false;
    }
    let made = guard::catch(|| {
        let plan = compile::compile_for(scenario, seed, profile.bounds()).ok()?;
        recipe.combination.of(&plan)
    });
    if !matches!(made, Ok(Some(_))) {
        return false;
    }
    let bounds = Arc::new(profile.bounds());
    let as_it_is = Recipe { snapshots: SnapshotMode::Off, bounds, keep_traces: false, ..recipe.clone() };
    run(target, scenario, seed, &as_it_is).verdict == Verdict::Pass
}

/// What a scenario claims and the contract of what is tested can't show does not count as shown: it is told apart.
pub(super) fn set_apart(outcome: &mut Outcome, can_show: impl Fn(&str) -> bool) {
    let claimed = std::mem::take(&mut outcome.covers);
    (outcome.covers, outcome.out_of_reach) = claimed.into_iter().partition(|claim| can_show(&claim.0));
}

/// Puts the combination behind the names of an outcome, if there is one.
pub(super) fn name_after(outcome: &mut Outcome, recipe: &Recipe) {
    let combination = recipe.combination.to_string();
    if !combination.is_empty() {
        let name = |of: &str| format!("{of}/{combination}");
        (outcome.path, outcome.name) = (name(&outcome.path), name(&outcome.name));
    }
}

/// What a run comes to in which the conversation was broken: nothing else that it shows is to be trusted.
pub(super) fn broke(outcome: Outcome, fault: &Fault) -> Outcome {
    let check = match fault.kind {
        FaultKind::Orphan => "processes",
        _ => "conversation",
    };
    let found = finding(check, fault.to_string(), fault.requirements, Place::default());
    Outcome {
        verdict: Verdict::ImplementationBroke,
        findings: vec![found],
        findings_left_out: 0,
        permitted: Vec::new(),
        empty_claims: Vec::new(),
        problem: None,
        is_out_of_time: fault.kind == FaultKind::Hang,
        ..outcome
    }
}

/// What a run comes to that did not take its course in real time.
pub(super) fn off_course(outcome: Outcome, error: &WorldError) -> Outcome {
    let (place, is_out_of_time) = match error {
        WorldError::Setup { place, .. } => (*place, false),
        _ => (Place::default(), matches!(error, WorldError::Unfinished { .. })),
    };
    let findings = vec![finding(COURSE, error.to_string(), &[], place)];
    Outcome { verdict: Verdict::Fail, findings, problem: None, is_out_of_time, ..outcome }
}

pub(super) fn finding(check: &'static str, message: String, broken: &[&str], place: Place) -> Finding {
    Finding {
        check,
        requirements: broken.iter().map(|id| RequirementId((*id).into())).collect(),
        message,
        moment: None,
        place: (place.line > 0).then_some(place),
        devices: Vec::new(),
        difference: None,
    }
}
