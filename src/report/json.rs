//! Outcomes for programs, for commands that make no `result` yet: one JSON object with a version, whose fields keep their
//! meaning within it.

use serde_json::{Value, json};

use super::summary::Summary;
use crate::run::{Outcome, Problem, SnapshotOutcome, Verdict};
use crate::seed::Seed;

/// The version of the shape: it changes when a field changes its meaning or goes, not when one is added.
pub const VERSION: u32 = 1;

/// The whole report.
#[must_use]
pub fn report(outcomes: &[Value], summary: &Summary, first_seed: Seed) -> Value {
    let verdicts = Verdict::ALL
        .into_iter()
        .map(|verdict| (verdict.name().to_owned(), json!(summary.verdicts.get(&verdict).copied().unwrap_or(0))))
        .collect::<serde_json::Map<_, _>>();
    json!({
        "version": VERSION,
        "tool": {"name": "convoke", "version": env!("CARGO_PKG_VERSION")},
        "seed": first_seed.0,
        "outcomes": outcomes,
        "summary": {
            "scenarios": summary.scenarios(),
            "runs": summary.runs,
            "verdicts": verdicts,
            "requirements": summary.covered.iter().map(|id| &*id.0).collect::<Vec<_>>(),
            "messages": summary.extent.messages,
            "virtualSeconds": summary.extent.virtual_time.as_nanos() as f64 / 1e9,
            "wallSeconds": summary.wall.as_secs_f64(),
            "exitCode": summary.exit_code(),
        },
    })
}

/// One outcome.
#[must_use]
pub fn outcome(outcome: &Outcome) -> Value {
    let device = |index: &crate::plan::DeviceIndex| match &outcome.trace {
        Some(trace) => json!(trace.plan.device(*index).name),
        None => json!(index),
    };
    let findings = outcome
        .findings
        .iter()
        .map(|finding| {
            let at = finding.moment.zip(outcome.trace.as_ref()).map(|(moment, trace)| trace.moments[moment].at);
            json!({
                "check": finding.check,
                "requirements": finding.requirements.iter().map(|id| &*id.0).collect::<Vec<_>>(),
                "message": finding.message,
                "line": finding.place.filter(|place| place.line > 0).map(|place| place.line),
                "column": finding.place.filter(|place| place.line > 0).map(|place| place.column),
                "moment": finding.moment,
                "atSeconds": at.map(|at| at.as_nanos() as f64 / 1e9),
                "devices": finding.devices.iter().map(device).collect::<Vec<_>>(),
                "expected": finding.difference.as_ref().map(|difference| &difference.expected),
                "seen": finding.difference.as_ref().map(|difference| &difference.seen),
            })
        })
        .collect::<Vec<_>>();
    let empty_claims = outcome
        .empty_claims
        .iter()
        .map(|empty| {
            json!({
                "requirement": &*empty.claim.requirement.0,
                "line": empty.claim.place.line,
                "column": empty.claim.place.column,
                "missing": empty.missing.iter().map(|mark| mark.words()).collect::<Vec<_>>(),
            })
        })
        .collect::<Vec<_>>();
    json!({
        "path": outcome.path,
        "title": outcome.title,
        "covers": outcome.covers.iter().map(|id| &*id.0).collect::<Vec<_>>(),
        "world": outcome.world.name(),
        "verdict": outcome.verdict.name(),
        "seed": outcome.seed.0,
        "seedsRun": outcome.seeds_run,
        "findings": findings,
        "findingsLeftOut": outcome.findings_left_out,
        "emptyClaims": empty_claims,
        "snapshot": snapshot(&outcome.snapshot),
        "problem": outcome.problem.as_ref().map(|problem| match problem {
            Problem::Scenario(diagnostics) => diagnostics.render(false),
            Problem::Words(words, _) => words.clone(),
        }),
        "traceHash": outcome.trace_hash.map(|hash| format!("{hash:016x}")),
        "messages": outcome.extent.messages,
        "virtualSeconds": outcome.extent.virtual_time.as_nanos() as f64 / 1e9,
        "wallSeconds": outcome.wall.as_secs_f64(),
        "repeat": super::terminal::repeat(&outcome.path, outcome.seed.0, outcome.world),
    })
}

const fn snapshot(snapshot: &SnapshotOutcome) -> &'static str {
    match snapshot {
        SnapshotOutcome::NotCompared => "not compared",
        SnapshotOutcome::Same => "same",
        SnapshotOutcome::New { .. } => "new",
        SnapshotOutcome::Differs { .. } => "differs",
        SnapshotOutcome::Recorded { .. } => "recorded",
    }
}
