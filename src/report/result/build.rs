//! How a result comes to be: outcome by outcome, so that no trace is kept longer than it takes to tell it.

use std::collections::BTreeMap;

use super::requirements::requirements;
use super::{
    CorpusResult, DeclaredVariant, EmptyClaimResult, FindingResult, Implementation, PlaceResult, PlayedResult, Profile,
    RealTimeResult, RunResult, ScenarioResult, SnapshotResult, SummaryResult, Tool, VERSION, Waived,
};
use crate::check::Finding;
use crate::plan::{DeviceIndex, Place, WorldName};
use crate::protocol::bounds::BoundValue;
use crate::report::ladder::{Ladder, ladder};
use crate::report::sequences::sequences;
use crate::report::summary::Summary;
use crate::run::corpus::Corpus;
use crate::run::{Outcome, Played, Problem, RealTime, SnapshotOutcome, Verdict, fingerprint, profile};
use crate::seed::{Seed, fnv1a};
use crate::time::Duration;

/// How many findings of a scenario have a diagram.
const LADDERS_MAX: usize = 5;

/// What a whole result is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct About {
    /// The command that makes it.
    pub command: &'static str,
    /// The scenarios.
    pub corpus: Corpus,
    /// What is tested.
    pub implementation: Implementation,
    /// What is asked of it.
    pub profile: Profile,
    /// Where scenarios are enacted.
    pub worlds: Vec<WorldName>,
    /// The first seed.
    pub seed: Seed,
    /// How many seeds in a row.
    pub seeds: u64,
}

/// A result in the making.
#[derive(Debug)]
pub struct Builder {
    about: About,
    scenarios: Vec<ScenarioResult>,
}

impl Implementation {
    /// The one that Convoke contains.
    #[must_use]
    pub fn reference() -> Self {
        Self { name: "reference".to_owned(), version: Some(env!("CARGO_PKG_VERSION").to_owned()), contract: None }
    }
}

impl Profile {
    /// Everything is asked.
    #[must_use]
    pub fn strict() -> Self {
        Self {
            name: "strict".to_owned(),
            waived: Vec::new(),
            variants: Vec::new(),
            bounds: BTreeMap::new(),
            lacks: BTreeMap::new(),
        }
    }
}

impl From<&profile::Profile> for Profile {
    fn from(profile: &profile::Profile) -> Self {
        let waived = profile.waived.iter();
        let variants = profile.variants.declared().into_iter();
        let text = |value: &BoundValue| match value {
            BoundValue::Duration(duration) => duration.to_string(),
            BoundValue::Count(count) => count.to_string(),
        };
        Self {
            name: profile.name.clone(),
            waived: waived
                .map(|(id, instead)| Waived { requirement: id.clone(), instead: Some(instead.clone()) })
                .collect(),
            variants: variants
                .map(|(requirement, variant, text)| DeclaredVariant {
                    requirement: requirement.to_owned(),
                    variant: variant.to_owned(),
                    text: text.to_owned(),
                    scenarios: None,
                })
                .collect(),
            bounds: profile.fixed.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            lacks: profile.lacks.iter().map(|(what, why)| (what.name().to_owned(), why.clone())).collect(),
        }
    }
}

impl Builder {
    /// Nothing has come yet.
    #[must_use]
    pub const fn new(about: About) -> Self {
        Self { about, scenarios: Vec::new() }
    }

    /// One more outcome, and the command that repeats it. The sequences of devices are told only of an outcome that has its
    /// trace: see [`Recipe::keep_traces`](crate::run::Recipe).
    pub fn add(&mut self, outcome: &Outcome, repeat: String) {
        self.scenarios.push(scenario(outcome, repeat));
    }

    /// The result of all outcomes.
    #[must_use]
    pub fn finish(self, summary: &Summary) -> RunResult {
        let Self { mut about, scenarios } = self;
        for declared in &mut about.profile.variants {
            let name = format!("{}: {}", declared.requirement, declared.variant);
            let by_it = scenarios.iter().filter(|scenario| scenario.variants.contains(&name)).count();
            declared.scenarios = Some(by_it as u64);
        }
        let verdicts = Verdict::ALL
            .into_iter()
            .map(|verdict| (verdict.name().to_owned(), summary.verdicts.get(&verdict).copied().unwrap_or(0)));
        RunResult {
            convoke_result: VERSION,
            tool: Tool { name: "convoke".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
            command: about.command.to_owned(),
            corpus: CorpusResult { version: about.corpus.version, hash: about.corpus.hash, files: about.corpus.files },
            implementation: about.implementation,
            worlds: about.worlds.iter().map(|world| world.name().to_owned()).collect(),
            seed: about.seed.0,
            seeds: about.seeds,
            summary: SummaryResult {
                scenarios: summary.scenarios(),
                runs: summary.runs,
                verdicts: verdicts.collect(),
                messages: summary.extent.messages,
                virtual_seconds: virtual_seconds(summary.extent.virtual_time),
                wall_seconds: summary.wall.as_secs_f64(),
                exit_code: summary.exit_code(),
            },
            requirements: requirements(&scenarios, &about.profile),
            profile: about.profile,
            scenarios,
        }
    }
}

fn virtual_seconds(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e9
}

fn scenario(outcome: &Outcome, repeat: String) -> ScenarioResult {
    let mut ladders = Vec::new();
    let findings = outcome.findings.iter().map(|found| finding(found, outcome, &mut ladders)).collect();
    // A failure that no finding explains, such as another snapshot, is told by the run itself.
    if let (Some(trace), true, false) = (&outcome.trace, outcome.findings.is_empty(), outcome.verdict.is_well()) {
        ladders.push((Vec::new(), None, ladder(trace, &[], None)));
    }
    ScenarioResult {
        path: outcome.path.clone(),
        name: outcome.name.clone(),
        text_hash: match &*outcome.source.text {
            "" => String::new(),
            text => hexadecimal(fnv1a(text.as_bytes())),
        },
        title: outcome.title.clone(),
        covers: outcome.covers.iter().map(|id| id.0.to_string()).collect(),
        out_of_reach: outcome.out_of_reach.iter().map(|id| id.0.to_string()).collect(),
        world: outcome.world.name().to_owned(),
        verdict: outcome.verdict,
        reason: outcome.problem.as_ref().map(|problem| match problem {
            Problem::Scenario(diagnostics) => diagnostics.render(false),
            Problem::Words(words, _) => words.clone(),
        }),
        variants: outcome.permitted.iter().map(|(id, name)| format!("{id}: {name}")).collect(),
        known_failure: outcome.known.clone(),
        played: outcome.played.iter().map(played_of).collect(),
        real_time: outcome.real_time.map(|RealTime { scale, runs, failed }| RealTimeResult { scale, runs, failed }),
        seed: outcome.seed.0,
        seeds_run: outcome.seeds_run,
        findings,
        findings_left_out: outcome.findings_left_out,
        empty_claims: outcome
            .empty_claims
            .iter()
            .map(|empty| EmptyClaimResult {
                requirement: empty.claim.requirement.0.to_string(),
                line: empty.claim.place.line,
                column: empty.claim.place.column,
                missing: empty.missing.iter().map(|mark| mark.words().to_owned()).collect(),
            })
            .collect(),
        snapshot: snapshot(&outcome.snapshot),
        fingerprint: fingerprint::of(outcome),
        trace_hash: outcome.trace_hash.map(hexadecimal),
        messages: outcome.extent.messages,
        virtual_seconds: virtual_seconds(outcome.extent.virtual_time),
        wall_seconds: outcome.wall.as_secs_f64(),
        repeat,
        ladders: ladders.into_iter().map(|(_, _, ladder)| ladder).collect(),
        sequences: outcome.trace.as_deref().map(sequences).unwrap_or_default(),
    }
}

fn hexadecimal(hash: u64) -> String {
    format!("{hash:016x}")
}

/// Diagrams, with what they are of.
type Ladders = Vec<(Vec<DeviceIndex>, Option<usize>, Ladder)>;

fn finding(finding: &Finding, outcome: &Outcome, ladders: &mut Ladders) -> FindingResult {
    let trace = outcome.trace.as_deref();
    let device = |index: &DeviceIndex| match trace {
        Some(trace) => trace.plan.device(*index).name.to_string(),
        None => format!("device {}", index.0),
    };
    let place = finding.place.filter(|place| place.line > 0);
    FindingResult {
        check: finding.check.to_owned(),
        requirements: finding.requirements.iter().map(|id| id.0.to_string()).collect(),
        message: finding.message.clone(),
        place: place.map(|place| PlaceResult {
            line: place.line,
            column: place.column,
            text: line_of(outcome, place).to_owned(),
        }),
        moment: finding.moment,
        at_seconds: finding
            .moment
            .zip(trace)
            .and_then(|(moment, trace)| trace.moments.get(moment))
            .map(|moment| moment.at.as_nanos() as f64 / 1e9),
        devices: finding.devices.iter().map(device).collect(),
        expected: finding.difference.as_ref().map(|difference| difference.expected.clone()),
        seen: finding.difference.as_ref().map(|difference| difference.seen.clone()),
        fingerprint: fingerprint::of_finding(finding),
        ladder: trace.and_then(|trace| {
            let same = |(devices, moment, _): &(Vec<DeviceIndex>, Option<usize>, Ladder)| {
                *devices == finding.devices && *moment == finding.moment
            };
            if let Some(known) = ladders.iter().position(same) {
                return Some(known);
            }
            (ladders.len() < LADDERS_MAX).then(|| {
                let ladder = ladder(trace, &finding.devices, finding.moment);
                ladders.push((finding.devices.clone(), finding.moment, ladder));
                ladders.len() - 1
            })
        }),
    }
}

fn line_of(outcome: &Outcome, place: Place) -> &str {
    let index = usize::try_from(place.line.saturating_sub(1)).unwrap_or(usize::MAX);
    outcome.source.text.lines().nth(index).unwrap_or_default()
}

fn snapshot(snapshot: &SnapshotOutcome) -> SnapshotResult {
    let state = |state: &str| SnapshotResult { state: state.to_owned(), recorded: None, seen: None };
    match snapshot {
        SnapshotOutcome::NotCompared => state("not compared"),
        SnapshotOutcome::Same => state("same"),
        SnapshotOutcome::New { .. } => state("new"),
        SnapshotOutcome::Differs { recorded, seen, .. } => {
            SnapshotResult { recorded: Some(recorded.clone()), seen: Some(seen.clone()), ..state("differs") }
        }
        SnapshotOutcome::Recorded { .. } => state("recorded"),
    }
}

fn played_of(played: &Played) -> PlayedResult {
    let devices = played.devices.iter().map(|device| device.to_string()).collect();
    PlayedResult { implementation: played.implementation.clone(), devices, server: played.server }
}
