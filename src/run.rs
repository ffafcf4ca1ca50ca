//! The pipeline as a recipe: load, compile, enact, judge, compare with the snapshot.
//!
//! The module runs scenarios and says what came of each; how that looks, and what a terminal or a file is, is not its
//! business. It reads no clock: the caller hands one in, for the timings alone.

pub mod axes;
pub mod capability;
#[cfg(feature = "net")]
pub mod conform;
pub mod corpus;
#[cfg(feature = "net")]
pub mod crashes;
#[cfg(feature = "net")]
pub mod elsewhere;
pub mod fingerprint;
pub mod guard;
pub mod known;
pub mod ledger;
#[cfg(feature = "net")]
pub mod libraries;
pub mod profile;
mod readings;
pub mod shard;
pub mod sweep;
#[cfg(feature = "net")]
pub mod system;
mod verdict;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::readings::Read;
use self::shard::Shard;
use crate::check::marks::{self, EmptyClaim};
use crate::check::variants::Variants;
use crate::check::{self, Finding, non_interference};
use crate::file::FileError;
use crate::plan::{Place, Plan, RequirementId, Source, WorldName, compile};
use crate::protocol::bounds::Bounds;
use crate::scenario::{self, Scenario};
use crate::seed::Seed;
use crate::snapshot::{Comparison, Snapshot};
use crate::time::{Duration, Instant};
use crate::trace::{Occurrence, Trace, json, text};
use crate::world::cast::{Cast, Reference};
use crate::world::{WorldError, sim};
#[cfg(feature = "net")]
use crate::world::{live, turmoil};

/// The seed of every run that is given no other: snapshots are of this seed alone.
pub const OWN_SEED: Seed = Seed(1);

/// What came of a scenario.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// Everything is as it must be.
    Pass,
    /// A declared variant that the profile permits.
    NonStrict,
    /// The world or the implementation can't enact it.
    Unsupported,
    /// It fails in the way that the list of known failures says.
    KnownFailure,
    /// A check failed, or the snapshot differs.
    Fail,
    /// It is on the list of known failures and passed.
    UnexpectedPass,
    /// The run says nothing either way.
    Inconclusive,
    /// The file is no scenario.
    BadScenario,
    /// The implementation broke the conversation, or left processes behind.
    ImplementationBroke,
    /// The harness broke.
    HarnessError,
}

impl Verdict {
    /// All of them, from best to worst.
    pub const ALL: [Self; 10] = [
        Self::Pass,
        Self::NonStrict,
        Self::Unsupported,
        Self::KnownFailure,
        Self::Fail,
        Self::UnexpectedPass,
        Self::Inconclusive,
        Self::BadScenario,
        Self::ImplementationBroke,
        Self::HarnessError,
    ];

    /// As reports say it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::NonStrict => "non-strict",
            Self::Unsupported => "unsupported",
            Self::KnownFailure => "known failure",
            Self::Fail => "fail",
            Self::UnexpectedPass => "unexpected pass",
            Self::Inconclusive => "inconclusive",
            Self::BadScenario => "bad scenario",
            Self::ImplementationBroke => "implementation broke",
            Self::HarnessError => "harness error",
        }
    }

    /// The exit code of a run whose worst verdict this is: 0 for what is well, 1 for what the subject did, 2 for what the
    /// author did, 3 for what broke: the implementation or the harness.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Pass | Self::NonStrict | Self::Unsupported | Self::KnownFailure => 0,
            Self::Fail | Self::UnexpectedPass | Self::Inconclusive => 1,
            Self::BadScenario => 2,
            Self::ImplementationBroke | Self::HarnessError => 3,
        }
    }

    /// Whether a run with this verdict is well.
    #[must_use]
    pub const fn is_well(self) -> bool {
        self.exit_code() == 0
    }
}

/// One scenario to run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Its file, as the user named it or as it was found.
    pub path: PathBuf,
    /// What the user named: the file itself or a folder above it.
    pub root: PathBuf,
}

impl Target {
    /// The path as reports and traces show it, with `/` between its parts.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.to_string_lossy().replace('\\', "/")
    }
}

/// How scenarios are run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipe {
    /// Where scenarios are enacted. Snapshots, claims and expected times are held to the simulator alone: no other clock
    /// promises anything.
    pub world: WorldName,
    /// Whether the simulator sends every message through the codec. The other worlds always do.
    pub encode: bool,
    /// After how many moments of its trace a run in the simulator is called endless, if that is to be soon.
    pub moments_max: Option<usize>,
    /// The first seed.
    pub seed: Seed,
    /// How many seeds in a row, at least 1, over all shards.
    pub seeds: u64,
    /// Which of these seeds are run here.
    pub shard: Shard,
    /// What happens to snapshots.
    pub snapshots: SnapshotMode,
    /// Where the snapshots are, if not in their own place.
    pub snapshot_folder: Option<PathBuf>,
    /// Whether an outcome keeps its trace even when all is well.
    pub keep_traces: bool,
    /// By which readings of what is left open a run may pass that does not pass strictly.
    pub variants: Variants,
    /// The bounds of the service, where a scenario wants no others.
    pub bounds: Arc<Bounds>,
    /// What is made of each plan. Snapshots and claims are of the scenario as it is.
    pub combination: axes::Combination,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            world: WorldName::Sim,
            encode: false,
            moments_max: None,
            seed: OWN_SEED,
            seeds: 1,
            shard: Shard::WHOLE,
            snapshots: SnapshotMode::Compare { propose: false },
            snapshot_folder: None,
            keep_traces: false,
            variants: Variants::default(),
            bounds: Arc::default(),
            combination: axes::Combination::default(),
        }
    }
}

/// What happens to snapshots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotMode {
    /// They are compared.
    Compare {
        /// Whether a new or another text is left for review. Without that a missing snapshot is a failure: nobody would
        /// ever be told of it.
        propose: bool,
    },
    /// They are compared where there is one: nobody has promised that there are.
    CompareIfThere,
    /// They are recorded.
    Bless,
    /// They are left alone.
    Off,
}

/// What became of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SnapshotOutcome {
    /// It was not looked at.
    NotCompared,
    /// It is the same.
    Same,
    /// There is none yet.
    New {
        /// Where the text waits for review.
        pending: Option<PathBuf>,
    },
    /// It differs.
    Differs {
        /// The recorded text.
        recorded: String,
        /// The text of this run.
        seen: String,
        /// Where the text waits for review.
        pending: Option<PathBuf>,
    },
    /// It was recorded, and it was new or another.
    Recorded {
        /// Into which file.
        file: PathBuf,
    },
}

/// What came of one scenario.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its file.
    pub path: String,
    /// Its name below the folder that the user named, by which two runs know it for the same.
    pub name: String,
    /// Its title; empty when the file could not be read.
    pub title: String,
    /// The requirements that it claims to show.
    pub covers: Vec<RequirementId>,
    /// The requirements that it claims, too, and that can't be shown through the contract of what is tested.
    pub out_of_reach: Vec<RequirementId>,
    /// The file's text, for places that point into it; empty when it could not be read.
    pub source: Source,
    /// Where it was enacted, or was to be.
    pub world: WorldName,
    /// The seed of this outcome: with several seeds, the first that did not end well, else the first.
    pub seed: Seed,
    /// How many seeds this outcome speaks for: all that were asked for, or those up to the first that did not end well.
    pub seeds_run: u64,
    /// What came of it.
    pub verdict: Verdict,
    /// What the checks found.
    pub findings: Vec<Finding>,
    /// How many more of the same kinds the checks found.
    pub findings_left_out: usize,
    /// Which requirements those name.
    pub findings_left_out_of: BTreeSet<Vec<RequirementId>>,
    /// The variants without which it would not pass: of which requirement, and which.
    pub permitted: Vec<(&'static str, &'static str)>,
    /// What it claims to show and did not come to.
    pub empty_claims: Vec<EmptyClaim>,
    /// What became of its snapshot.
    pub snapshot: SnapshotOutcome,
    /// What is wrong with the file or the harness, or why the run is unsupported, as text for people.
    pub problem: Option<Problem>,
    /// Whether it is left out: the combination can't be brought about there, or what its author expects does not hold there.
    pub is_left_out: bool,
    /// Why its failure is known, in the words of the list of known failures, if it is on that list.
    pub known: Option<String>,
    /// Who played devices in the reference's place, if anybody did.
    pub played: Vec<Played>,
    /// How it was played in real time, if it was and that is known.
    pub real_time: Option<RealTime>,
    /// Whether what was waited for did not come in time: that may be the doing of the machine.
    pub is_out_of_time: bool,
    /// How much happened: over all seeds, or under the one that did not end well.
    pub extent: Extent,
    /// FNV-1a of the whole trace; none when there was no run.
    pub trace_hash: Option<u64>,
    /// How long it took, over all seeds.
    pub wall: std::time::Duration,
    /// The trace, if the run did not end well or the recipe asks for it.
    pub trace: Option<Arc<Trace>>,
}

/// An implementation that played devices, or the server beside them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Played {
    /// Its name and version.
    pub implementation: String,
    /// The names of the devices.
    pub devices: Vec<Arc<str>>,
    /// Whether it played the server.
    pub server: bool,
}

/// How a scenario was played in real time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RealTime {
    /// How many times shorter every span was than planned.
    pub scale: u64,
    /// How many runs were made of it: what fails is played again.
    pub runs: u32,
    /// How many of these failed.
    pub failed: u32,
}

/// Why there is nothing to judge.
#[derive(Clone, Debug)]
pub enum Problem {
    /// The file is no scenario.
    Scenario(scenario::Diagnostics),
    /// Anything else, in words, with the author's line if there is one.
    Words(String, Place),
}

/// How much happened in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Extent {
    /// Moments of the trace.
    pub moments: u64,
    /// Messages that were put on the wire.
    pub messages: u64,
    /// From the first moment to the last.
    pub virtual_time: Duration,
}

impl Extent {
    fn of(trace: &Trace) -> Self {
        let on_the_wire =
            |what: &Occurrence| matches!(what, Occurrence::DeviceSent { .. } | Occurrence::ServerSent { .. });
        Self {
            moments: trace.moments.len() as u64,
            messages: trace.moments.iter().filter(|moment| on_the_wire(&moment.what)).count() as u64,
            virtual_time: trace.moments.last().map_or(Duration::ZERO, |last| last.at.since(Instant::START)),
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            moments: self.moments + other.moments,
            messages: self.messages + other.messages,
            virtual_time: self.virtual_time + other.virtual_time,
        }
    }
}

impl Outcome {
    fn nothing_yet(target: &Target, seed: Seed) -> Self {
        Self {
            path: target.name(),
            name: corpus::name_below(target),
            title: String::new(),
            covers: Vec::new(),
            out_of_reach: Vec::new(),
            source: Source::default(),
            world: WorldName::Sim,
            seed,
            seeds_run: 1,
            verdict: Verdict::Pass,
            findings: Vec::new(),
            findings_left_out: 0,
            findings_left_out_of: BTreeSet::new(),
            permitted: Vec::new(),
            empty_claims: Vec::new(),
            snapshot: SnapshotOutcome::NotCompared,
            problem: None,
            is_left_out: false,
            known: None,
            played: Vec::new(),
            real_time: None,
            is_out_of_time: false,
            extent: Extent::default(),
            trace_hash: None,
            wall: std::time::Duration::ZERO,
            trace: None,
        }
    }

    fn planned(target: &Target, plan: &Plan) -> Self {
        Self {
            title: plan.title.clone(),
            covers: plan.covers.iter().map(|claim| claim.requirement.clone()).collect(),
            source: plan.source.clone(),
            ..Self::nothing_yet(target, plan.seed)
        }
    }

    fn panicked(target: &Target, seed: Seed, panic: &str) -> Self {
        let problem = Problem::Words(format!("convoke itself failed: {panic}"), Place::default());
        Self::broken(target, seed, Verdict::HarnessError, problem)
    }

    fn broken(target: &Target, seed: Seed, verdict: Verdict, problem: Problem) -> Self {
        Self { verdict, problem: Some(problem), ..Self::nothing_yet(target, seed) }
    }
}

/// Loads a scenario and plans it for a seed.
///
/// # Errors
/// What is wrong with the file, for its author.
pub fn plan(path: &Path, seed: Seed) -> Result<Plan, scenario::Diagnostics> {
    compile::compile(&scenario::load(path)?, seed)
}

/// Runs a scenario under one seed and judges it. A panic on the way is a harness error of this scenario alone.
#[must_use]
pub fn run(target: &Target, scenario: &Scenario, seed: Seed, recipe: &Recipe) -> Outcome {
    run_as(target, scenario, seed, recipe, &Reference)
}

/// Runs a scenario with the nodes of a cast, which plays in the simulator alone.
#[must_use]
pub fn run_as(target: &Target, scenario: &Scenario, seed: Seed, recipe: &Recipe, cast: &dyn Cast) -> Outcome {
    let judged = guard::catch(|| match compile::compile_for(scenario, seed, Bounds::clone(&recipe.bounds)) {
        Ok(plan) => {
            // What can't be brought about is left out before anybody is asked.
            let plan = recipe.combination.of(&plan).unwrap_or(plan);
            run_plan(target, &Arc::new(plan), recipe, cast)
        }
        Err(diagnostics) => Ok(Outcome::broken(target, seed, Verdict::BadScenario, Problem::Scenario(diagnostics))),
    });
    match judged {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => {
            Outcome::broken(target, seed, Verdict::HarnessError, Problem::Words(error.to_string(), Place::default()))
        }
        Err(panic) => Outcome::panicked(target, seed, &panic),
    }
}

/// Judges a trace that was saved before. Snapshots are of runs, not of saved traces.
#[must_use]
pub fn judge(path: &str, trace: Trace) -> Outcome {
    let target = Target { path: path.into(), root: path.into() };
    let seed = trace.plan.seed;
    let recipe = Recipe { snapshots: SnapshotMode::Off, keep_traces: true, ..Recipe::default() };
    match guard::catch(|| judge_run(&target, trace, &recipe, Vec::new())) {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => {
            Outcome::broken(&target, seed, Verdict::HarnessError, Problem::Words(error.to_string(), Place::default()))
        }
        Err(panic) => Outcome::panicked(&target, seed, &panic),
    }
}

fn run_plan(target: &Target, plan: &Arc<Plan>, recipe: &Recipe, cast: &dyn Cast) -> Result<Outcome, FileError> {
    let without_a_run = |verdict, words: String, place| Outcome {
        verdict,
        world: recipe.world,
        problem: Some(Problem::Words(words, place)),
        ..Outcome::planned(target, plan)
    };
    let world = recipe.world;
    if !plan.worlds.is_empty() && !plan.worlds.contains(&world) {
        let words = format!("the scenario leaves out the world `{}`", world.name());
        return Ok(without_a_run(Verdict::Unsupported, words, Place::default()));
    }
    match enact(plan, recipe, cast) {
        // SEC-3 is seen in two runs that nothing but the secret tells apart: no other world repeats a run so exactly.
        Ok(trace) if world == WorldName::Sim && !plan.strangers.is_empty() => {
            match sim::run_as(&Arc::new(plan.without_secrets()), sim_options(recipe), cast) {
                Ok(without) => {
                    let told_apart = non_interference::judge(&trace, &without);
                    judge_run(target, trace, recipe, told_apart)
                }
                Err(error) => {
                    let words = format!("without its secret steps: {error}");
                    Ok(without_a_run(Verdict::HarnessError, words, Place::default()))
                }
            }
        }
        Ok(trace) => judge_run(target, trace, recipe, Vec::new()),
        Err(WorldError::Unsupported { place, reason }) => {
            let words = format!("the world `{}` can't enact it: {reason}", world.name());
            Ok(without_a_run(Verdict::Unsupported, words, place))
        }
        Err(error @ WorldError::Setup { place, .. }) => {
            Ok(without_a_run(Verdict::BadScenario, error.to_string(), place))
        }
        Err(WorldError::WithoutEnd { why, so_far }) => {
            // What goes round comes round: the first says it all.
            let first = check::judge_beginning(&so_far, recipe.variants).findings.into_iter().next();
            Ok(Outcome {
                findings: first.into_iter().collect(),
                trace: Some(Arc::new(*so_far)),
                ..without_a_run(Verdict::HarnessError, why.to_string(), Place::default())
            })
        }
        Err(error) => Ok(without_a_run(Verdict::HarnessError, error.to_string(), Place::default())),
    }
}

fn sim_options(recipe: &Recipe) -> sim::Options {
    sim::Options { encode: recipe.encode, moments_max: recipe.moments_max }
}

fn enact(plan: &Arc<Plan>, recipe: &Recipe, cast: &dyn Cast) -> Result<Trace, WorldError> {
    match recipe.world {
        WorldName::Sim => sim::run_as(plan, sim_options(recipe), cast),
        #[cfg(feature = "net")]
        WorldName::Turmoil => turmoil::run(&Arc::new(plan.without_times())),
        #[cfg(feature = "net")]
        WorldName::Live => live::run(&Arc::new(plan.without_times()), live::Options::default()),
        #[cfg(not(feature = "net"))]
        WorldName::Turmoil | WorldName::Live => {
            let reason = "this convoke was built without the feature `net`".to_owned();
            Err(WorldError::Unsupported { place: Place::default(), reason })
        }
    }
}

fn judge_run(target: &Target, trace: Trace, recipe: &Recipe, told_apart: Vec<Finding>) -> Result<Outcome, FileError> {
    let plan = &trace.plan;
    let mut outcome = Outcome { world: recipe.world, ..Outcome::planned(target, plan) };
    outcome.extent = Extent::of(&trace);
    outcome.trace_hash = Some(json::hash(&trace));
    let Read { judgement, needed, is_strict } = readings::judge(&trace, recipe.variants);
    outcome.permitted = needed.declared().into_iter().map(|(id, name, _)| (id, name)).collect();
    outcome.findings = judgement.findings;
    outcome.findings.extend(told_apart);
    outcome.findings_left_out = judgement.left_out;
    outcome.findings_left_out_of = judgement.left_out_of;
    let wrong = !outcome.findings.is_empty();
    let own = plan.seed == OWN_SEED && recipe.world == WorldName::Sim && recipe.combination.is_plain();
    if own && !plan.snapshot.none {
        outcome.snapshot = compare(target, &trace, recipe, wrong)?;
    }
    let ci = recipe.snapshots == SnapshotMode::Compare { propose: false };
    let another = match outcome.snapshot {
        SnapshotOutcome::Differs { .. } => true,
        SnapshotOutcome::New { .. } => ci,
        _ => false,
    };
    if own && (is_strict || wrong) {
        // What its author had in mind need not happen where the run is lawful by another reading.
        // As with its snapshot: what a scenario shows, it shows under its own seed. Others may deal luck out otherwise.
        outcome.empty_claims = marks::empty_claims(&trace);
    }
    if wrong || another {
        outcome.verdict = Verdict::Fail;
    } else if !outcome.empty_claims.is_empty() || !judgement.undecided.is_empty() {
        // What is wrong is told before what is missing.
        outcome.verdict = Verdict::Inconclusive;
        let words = |open| Problem::Words(open, Place::default());
        outcome.problem = judgement.undecided.into_iter().next().map(words);
    } else if !is_strict {
        outcome.verdict = Verdict::NonStrict;
    }
    // Of what fails by waived requirements alone a profile makes something that passes.
    if !matches!(outcome.verdict, Verdict::NonStrict | Verdict::Fail) {
        outcome.permitted.clear();
    }
    if recipe.keep_traces || !outcome.verdict.is_well() {
        outcome.trace = Some(Arc::new(trace));
    }
    Ok(outcome)
}

/// A run that a check calls wrong is never recorded or proposed: a snapshot says what somebody found to be right.
fn compare(target: &Target, trace: &Trace, recipe: &Recipe, wrong: bool) -> Result<SnapshotOutcome, FileError> {
    if recipe.snapshots == SnapshotMode::Off {
        return Ok(SnapshotOutcome::NotCompared);
    }
    let snapshot = Snapshot::of(&target.path, &target.root, recipe.snapshot_folder.as_deref())?;
    let seen = text::canonical(trace).trim_end().to_owned();
    let title = &trace.plan.title;
    let propose = |propose: bool| match propose && !wrong {
        true => snapshot.propose(title, &seen).map(Some),
        false => Ok(None),
    };
    let comparison = snapshot.compare(&seen)?;
    Ok(match (comparison, recipe.snapshots) {
        (
            Comparison::Same,
            SnapshotMode::Compare { propose: false } | SnapshotMode::CompareIfThere | SnapshotMode::Off,
        ) => SnapshotOutcome::Same,
        (Comparison::Same, _) => {
            snapshot.forget_pending()?;
            SnapshotOutcome::Same
        }
        (_, SnapshotMode::Bless) if !wrong => {
            snapshot.record(title, &seen)?;
            SnapshotOutcome::Recorded { file: snapshot.file }
        }
        (Comparison::New, SnapshotMode::CompareIfThere) => SnapshotOutcome::NotCompared,
        (Comparison::New, mode) => {
            SnapshotOutcome::New { pending: propose(mode == SnapshotMode::Compare { propose: true })? }
        }
        (Comparison::Differs { recorded }, mode) => {
            let pending = propose(mode == SnapshotMode::Compare { propose: true })?;
            SnapshotOutcome::Differs { recorded, seen, pending }
        }
    })
}

#[cfg(test)]
mod tests;
