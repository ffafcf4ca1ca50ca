//! What is wrong with a scenario as plain text, made of its result: for files that machines pass on to people.

use std::fmt::Write as _;

use super::result::{FindingResult, ScenarioResult};
use crate::snapshot::diff::{DiffLine, lines};

/// How wide diagrams are.
const WIDTH: usize = 100;
/// How many findings are told in full.
const FINDINGS_MAX: usize = 5;
/// How many lines of a difference are shown.
const DIFF_LINES_MAX: usize = 60;

/// In one line, what is wrong, or why there is nothing to judge; empty when all is well.
#[must_use]
pub fn headline(scenario: &ScenarioResult) -> String {
    let text = match (scenario.findings.first(), scenario.empty_claims.first(), &scenario.reason) {
        (Some(finding), ..) => titled(finding),
        (None, Some(empty), _) => {
            format!(
                "nothing is shown of {}: it never happened that {}",
                empty.requirement,
                empty.missing.join(", or that ")
            )
        }
        (None, None, Some(reason)) => reason.lines().next().unwrap_or_default().to_owned(),
        (None, None, None) => match scenario.snapshot.state.as_str() {
            "differs" => "the snapshot differs".to_owned(),
            "new" if !scenario.verdict.is_well() => "there is no snapshot yet".to_owned(),
            _ => String::new(),
        },
    };
    in_a_line(&text)
}

/// In one line, what was found and which requirements it breaks.
pub(super) fn headline_of(finding: &FindingResult) -> String {
    in_a_line(&titled(finding))
}

fn in_a_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Everything that somebody needs to understand a failure and to see it again.
#[must_use]
pub fn story(scenario: &ScenarioResult) -> String {
    let mut text = String::new();
    if let Some(reason) = &scenario.reason {
        let _ = writeln!(text, "{}\n", reason.trim_end());
    }
    for finding in scenario.findings.iter().take(FINDINGS_MAX) {
        tell(scenario, finding, &mut text);
    }
    let more = scenario.findings.len().saturating_sub(FINDINGS_MAX) + scenario.findings_left_out;
    if more > 0 {
        let _ = writeln!(text, "and {more} more\n");
    }
    for empty in &scenario.empty_claims {
        let missing = empty.missing.join("; or that ");
        let _ = writeln!(text, "nothing is shown of {}: it never happened that {missing}", empty.requirement);
        let _ = writeln!(text, "  at {}:{}:{}\n", scenario.path, empty.line, empty.column);
    }
    if let (Some(recorded), Some(seen)) = (&scenario.snapshot.recorded, &scenario.snapshot.seen) {
        let _ = writeln!(text, "the snapshot differs (- recorded, + this run):");
        difference(recorded, seen, &mut text);
        text.push('\n');
    }
    if let Some(known) = &scenario.known_failure {
        let _ = writeln!(text, "known failure: {known}\n");
    }
    if let Some(fingerprint) = &scenario.fingerprint {
        let _ = writeln!(text, "fingerprint: {fingerprint}");
    }
    let _ = writeln!(text, "repeat it: {}", scenario.repeat);
    text
}

fn titled(finding: &FindingResult) -> String {
    match finding.requirements.join(", ").as_str() {
        "" => finding.message.clone(),
        some => format!("{} ({some})", finding.message),
    }
}

fn tell(scenario: &ScenarioResult, finding: &FindingResult, text: &mut String) {
    let _ = writeln!(text, "{}", titled(finding));
    if let Some(place) = &finding.place {
        let _ = writeln!(text, "  at {}:{}:{}", scenario.path, place.line, place.column);
        let _ = writeln!(text, "    {}", place.text.trim());
    }
    if let (Some(expected), Some(seen)) = (&finding.expected, &finding.seen) {
        let _ = writeln!(text, "\n  - expected, + nearest that was seen:");
        difference(expected, seen, text);
    }
    if let Some(ladder) = finding.ladder.and_then(|index| scenario.ladders.get(index)) {
        let _ = writeln!(text, "\n  what happened:");
        for line in ladder.text(WIDTH).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text.push('\n');
}

fn difference(old: &str, new: &str, text: &mut String) {
    let lines = lines(old, new);
    for line in lines.iter().take(DIFF_LINES_MAX) {
        let _ = match line {
            DiffLine::Same(line) => writeln!(text, "      {line}"),
            DiffLine::Removed(line) => writeln!(text, "    - {line}"),
            DiffLine::Added(line) => writeln!(text, "    + {line}"),
            DiffLine::Skipped(count) => writeln!(text, "      … {count} more"),
        };
    }
    if lines.len() > DIFF_LINES_MAX {
        let _ = writeln!(text, "      … {} more", lines.len() - DIFF_LINES_MAX);
    }
}
