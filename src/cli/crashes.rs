//! `convoke crashes`: the reference server, killed again and again under load.
//!
//! What is done to it and how that is judged is in [`crate::run::crashes`]; here is what a person sees of it.

use std::fmt::Write as _;

use serde_json::json;

use super::args::{Crashes, Fault, Format};
use super::clock::stopwatch;
use super::output::Output;
use super::progress::Progress;
use super::{Ending, Failure};
use crate::check::Finding;
use crate::file;
use crate::run::crashes::{self, Endured, endure};
use crate::run::{OWN_SEED, Verdict};
use crate::trace::json;
use crate::world::live::ServerFault;

/// How many findings are shown.
const FINDINGS_MAX: usize = 10;

/// From so many kills on, a run that misses a situation says nothing.
const KILLS_MIN: u32 = 20;

pub(super) fn crashes(arguments: &Crashes, output: &mut Output) -> Ending {
    let clock = stopwatch();
    let seed = arguments.seed.unwrap_or(OWN_SEED);
    let fault = arguments.fault.map(|fault| match fault {
        Fault::LosesLastCommit => ServerFault::LosesLastCommit,
    });
    let wanted = crashes::Crashes { kills: arguments.kills.get(), seed, fault };
    let mut progress = Progress::of("kills");
    let endured = endure(&wanted, &mut |done| progress.advance(done, u64::from(wanted.kills), clock()));
    progress.end();
    let endured = endured.map_err(|error| Failure::Broken(error.to_string()))?;
    if let Some(path) = &arguments.trace {
        file::write_whole(path, |to| json::write(&endured.trace, to))?;
    }
    let missing = if wanted.kills < KILLS_MIN { Vec::new() } else { endured.extent.missing() };
    let open: Vec<String> =
        endured.judgement.undecided.iter().cloned().chain(missing.into_iter().map(str::to_owned)).collect();
    let verdict = match (endured.judgement.is_clean(), open.is_empty()) {
        (false, _) => Verdict::Fail,
        (true, false) => Verdict::Inconclusive,
        (true, true) => Verdict::Pass,
    };
    match arguments.format {
        Format::Human => output.write(&human(arguments, &wanted, &endured, verdict, &open, clock().as_secs_f64()))?,
        Format::Json => output.write(&format!("{:#}\n", report(&wanted, &endured, verdict, &open)))?,
    }
    Ok(verdict.exit_code())
}

fn human(
    arguments: &Crashes,
    wanted: &crashes::Crashes,
    endured: &Endured,
    verdict: Verdict,
    open: &[String],
    seconds: f64,
) -> String {
    let Endured { judgement, extent, .. } = endured;
    let mut text = String::new();
    for finding in judgement.findings.iter().take(FINDINGS_MAX) {
        let _ = writeln!(text, "{}: {} ({})", finding.check, finding.message, requirements(finding).join(", "));
    }
    let more = judgement.findings.len().saturating_sub(FINDINGS_MAX) + judgement.left_out;
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
    for open in open {
        let _ = writeln!(text, "not decided: {open}");
    }
    if verdict != Verdict::Pass {
        let _ = writeln!(text, "repeat it: convoke crashes --kills {} --seed {}", wanted.kills, wanted.seed);
        let _ = match &arguments.trace {
            Some(path) => writeln!(text, "judge it again: convoke judge {}", path.display()),
            None => writeln!(text, "keep what happened: --trace FILE"),
        };
    }
    let _ = writeln!(
        text,
        "{}: {} kills, {} starts, {} calls ({} succeeded), {} requests answered after a later start, {} sessions resumed, {} calls timed \
         out while it was dead; seed {}, {seconds:.1} s",
        verdict.name(),
        extent.kills,
        extent.lives,
        extent.calls,
        extent.succeeded,
        extent.answered_on_retry,
        extent.resumed,
        extent.overdue,
        wanted.seed,
    );
    text
}

fn report(wanted: &crashes::Crashes, endured: &Endured, verdict: Verdict, open: &[String]) -> serde_json::Value {
    let Endured { judgement, extent, .. } = endured;
    let findings: Vec<_> = judgement
        .findings
        .iter()
        .map(|finding| {
            json!({
                "check": finding.check, "requirements": requirements(finding), "message": finding.message,
                "moment": finding.moment,
            })
        })
        .collect();
    json!({
        "version": 1,
        "verdict": verdict.name(),
        "seed": wanted.seed.0,
        "kills": extent.kills,
        "lives": extent.lives,
        "calls": extent.calls,
        "callsSucceeded": extent.succeeded,
        "requestsAnsweredOnRetry": extent.answered_on_retry,
        "sessionsResumed": extent.resumed,
        "callsTimedOutWhileDead": extent.overdue,
        "findings": findings,
        "findingsLeftOut": judgement.left_out,
        "undecided": open,
    })
}

fn requirements(finding: &Finding) -> Vec<&str> {
    finding.requirements.iter().map(|id| &*id.0).collect()
}
