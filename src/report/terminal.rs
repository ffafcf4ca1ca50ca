//! Outcomes for people: a line a scenario, what a failure needs to be understood and repeated, and what the run showed.

use std::fmt::Write as _;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use anstyle::{AnsiColor, Style};

use super::ladder::{Ladder, ladder};
use super::result::RequirementVerdict;
use super::summary::Summary;
use crate::check::{Difference, Finding};
use crate::plan::{Place, Source, WorldName};
use crate::run::ledger::Ledger;
use crate::run::{Outcome, Problem, SnapshotOutcome, Verdict};
use crate::snapshot::diff::{DiffLine, lines};
use crate::trace::Trace;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default();
const QUIET: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();

/// How many findings of one scenario are told in full.
const FINDINGS_MAX: usize = 5;
/// How many lines of a difference are shown.
const DIFF_LINES_MAX: usize = 60;

/// How a page looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// How many characters fit on a line.
    pub width: usize,
    /// Whether there are colours. The text is the same without them.
    pub colour: bool,
}

impl Page {
    pub(super) fn paint(self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// The line of one scenario.
#[must_use]
pub fn line(outcome: &Outcome, page: Page) -> String {
    let verdict = format!("{:<13}", outcome.verdict.name());
    let verdict = page.paint(verdict_style(outcome.verdict), &verdict);
    let mut notes = Vec::new();
    match (outcome.seeds_run, outcome.verdict.is_well()) {
        (1, _) => {}
        (seeds, true) => notes.push(format!("{seeds} seeds")),
        (_, false) => notes.push(format!("seed {}", outcome.seed)),
    }
    if outcome.world != WorldName::Sim {
        notes.push(outcome.world.name().to_owned());
    }
    notes.extend(outcome.permitted.iter().map(|(requirement, variant)| format!("{requirement} {variant}")));
    match &outcome.snapshot {
        SnapshotOutcome::New { pending: Some(_) } => notes.push("new snapshot".to_owned()),
        SnapshotOutcome::New { pending: None } => notes.push("no snapshot".to_owned()),
        SnapshotOutcome::Differs { .. } => notes.push("snapshot differs".to_owned()),
        SnapshotOutcome::Recorded { .. } => notes.push("snapshot recorded".to_owned()),
        SnapshotOutcome::NotCompared | SnapshotOutcome::Same => {}
    }
    if let Some(hash) = outcome.trace_hash {
        notes.push(format!("trace {hash:016x}"));
    }
    let notes = if notes.is_empty() { String::new() } else { format!("  {}", page.paint(QUIET, &notes.join(", "))) };
    format!("{verdict} {}{notes}\n", outcome.path)
}

const fn verdict_style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Pass | Verdict::NonStrict => GOOD,
        Verdict::Unsupported | Verdict::KnownFailure | Verdict::Inconclusive => ODD,
        Verdict::Fail
        | Verdict::UnexpectedPass
        | Verdict::BadScenario
        | Verdict::ImplementationBroke
        | Verdict::HarnessError => BAD,
    }
}

pub(super) const fn requirement_style(verdict: RequirementVerdict) -> Style {
    match verdict {
        RequirementVerdict::Pass => GOOD,
        RequirementVerdict::Fail => BAD,
        RequirementVerdict::NotShown => QUIET,
        RequirementVerdict::KnownFailure
        | RequirementVerdict::Waived
        | RequirementVerdict::Variant
        | RequirementVerdict::Inconclusive
        | RequirementVerdict::Unsupported => ODD,
    }
}

/// What a scenario that did not end well needs to be understood: the author's line, what was nearest to it, what the
/// devices concerned went through, and the command of `convoke run` that shows it again. Empty when all is well.
#[must_use]
pub fn details(outcome: &Outcome, page: Page) -> String {
    details_repeated_by(outcome, &repeat(&outcome.path, outcome.seed.0, outcome.world), page)
}

/// The same, with another command that shows it again.
#[must_use]
pub fn details_repeated_by(outcome: &Outcome, repeat: &str, page: Page) -> String {
    let mut text = String::new();
    match &outcome.problem {
        Some(Problem::Scenario(diagnostics)) => {
            let _ = writeln!(text, "\n{}", diagnostics.render(page.colour).trim_end());
        }
        Some(Problem::Words(words, place)) => {
            let level = if outcome.verdict.is_well() { Level::NOTE } else { Level::ERROR };
            let _ = writeln!(text, "\n{}", pointed(level, words, &outcome.source, *place, outcome, page));
        }
        None => {}
    }
    if outcome.verdict.is_well() {
        return text;
    }
    let mut drawn = Vec::new();
    for finding in outcome.findings.iter().take(FINDINGS_MAX) {
        text.push_str(&self::finding(finding, outcome, &mut drawn, page));
    }
    let more = outcome.findings.len().saturating_sub(FINDINGS_MAX) + outcome.findings_left_out;
    if more > 0 {
        let _ = writeln!(text, "\nand {}", counted(more as u64, "more finding", "more findings"));
    }
    for empty in &outcome.empty_claims {
        let pointed = pointed(Level::ERROR, &empty.message(), &outcome.source, empty.claim.place, outcome, page);
        let _ = writeln!(text, "\n{pointed}");
    }
    // Where something else is wrong, it is the likely reason why nothing is shown.
    if !outcome.empty_claims.is_empty() && outcome.findings.is_empty() {
        let help = "make it happen in the steps, or take the requirement out of `covers`";
        let _ = writeln!(text, "{} {help}", page.paint(STRONG, "help:"));
    }
    text.push_str(&snapshot(outcome, page));
    if matches!(
        outcome.verdict,
        Verdict::Fail | Verdict::Inconclusive | Verdict::ImplementationBroke | Verdict::HarnessError
    ) {
        let _ = writeln!(text, "\n{} {repeat}", page.paint(STRONG, "repeat it:"));
    }
    text.push('\n');
    text
}

/// The command that shows an outcome of `convoke run` again.
#[must_use]
pub fn repeat(path: &str, seed: u64, world: WorldName) -> String {
    let world = match world {
        WorldName::Sim => String::new(),
        other => format!(" --world {}", other.name()),
    };
    format!("convoke run {} --seed {seed}{world}", shell_word(path))
}

/// A text as one word of a shell, quoted where it needs to be.
#[must_use]
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@%+=,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

fn renderer(page: Page) -> Renderer {
    let renderer = if page.colour { Renderer::styled() } else { Renderer::plain() };
    renderer.decor_style(DecorStyle::Ascii).term_width(page.width)
}

fn finding(finding: &Finding, outcome: &Outcome, drawn: &mut Vec<Ladder>, page: Page) -> String {
    let mut text = String::from("\n");
    let requirements = finding.requirements.iter().map(|id| &*id.0).collect::<Vec<_>>().join(", ");
    let title = match requirements.as_str() {
        "" => finding.message.clone(),
        some => format!("{} ({some})", finding.message),
    };
    let place = finding.place.unwrap_or_default();
    let _ = writeln!(text, "{}", pointed(Level::ERROR, &title, &outcome.source, place, outcome, page));
    if let Some(difference) = &finding.difference {
        text.push_str(&nearest_miss(difference, page));
    }
    if let Some(trace) = outcome.trace.as_deref() {
        text.push_str(&diagram(trace, finding, drawn, page));
    }
    text
}

/// A title with the author's line below it, or with the file alone.
fn pointed(level: Level<'_>, title: &str, source: &Source, place: Place, outcome: &Outcome, page: Page) -> String {
    let group = level.primary_title(title);
    let (line, range) = line_of(source, place);
    let group = match place.line {
        0 => group.element(Origin::path(outcome.path.as_str())),
        number => group.element(
            Snippet::source(line)
                .path(outcome.path.as_str())
                .line_start(usize::try_from(number).unwrap_or(1))
                .annotation(AnnotationKind::Primary.span(range)),
        ),
    };
    renderer(page).render(&[group]).trim_end().to_owned()
}

/// The author's line and what to underline in it: from the place to the end of what stands there.
fn line_of(source: &Source, place: Place) -> (&str, std::ops::Range<usize>) {
    let index = usize::try_from(place.line.saturating_sub(1)).unwrap_or(usize::MAX);
    let line = source.text.lines().nth(index).unwrap_or_default();
    let column = usize::try_from(place.column.saturating_sub(1)).unwrap_or(0);
    let start = line.char_indices().nth(column).map_or(line.trim_end().len(), |(byte, _)| byte);
    (line, start..line.trim_end().len().max(start))
}

fn nearest_miss(difference: &Difference, page: Page) -> String {
    let mut text = format!("\n  {} / {}\n", page.paint(GOOD, "- expected"), page.paint(BAD, "+ nearest that was seen"));
    text.push_str(&diff(&difference.expected, &difference.seen, (GOOD, BAD), page));
    text
}

fn snapshot(outcome: &Outcome, page: Page) -> String {
    match &outcome.snapshot {
        SnapshotOutcome::Differs { recorded, seen, pending } => {
            let mut text = format!("\n{} the snapshot differs\n", page.paint(BAD, "error:"));
            let _ = writeln!(text, "\n  {} / {}", page.paint(BAD, "- recorded"), page.paint(GOOD, "+ this run"));
            text.push_str(&diff(recorded, seen, (BAD, GOOD), page));
            let help = match pending {
                Some(_) => "if the new text is right, accept it with `convoke review`",
                None if outcome.findings.is_empty() => "run it without --ci, then look at it with `convoke review`",
                None => "what the checks found comes first: nothing was left for review",
            };
            let _ = writeln!(text, "\n{} {help}", page.paint(STRONG, "help:"));
            text
        }
        SnapshotOutcome::New { pending: None } if outcome.findings.is_empty() => format!(
            "\n{} there is no snapshot yet\n{} record it with `convoke run {} --bless` and commit it\n",
            page.paint(BAD, "error:"),
            page.paint(STRONG, "help:"),
            outcome.path
        ),
        _ => String::new(),
    }
}

/// Two texts as a difference, with the styles of what only the first and only the second has.
#[must_use]
pub fn diff(old: &str, new: &str, styles: (Style, Style), page: Page) -> String {
    let mut text = String::new();
    let lines = lines(old, new);
    for line in lines.iter().take(DIFF_LINES_MAX) {
        let _ = match line {
            DiffLine::Same(line) => writeln!(text, "    {line}"),
            DiffLine::Removed(line) => writeln!(text, "  {}", page.paint(styles.0, &format!("- {line}"))),
            DiffLine::Added(line) => writeln!(text, "  {}", page.paint(styles.1, &format!("+ {line}"))),
            DiffLine::Skipped(1) => writeln!(text, "  {}", page.paint(QUIET, "  … 1 line")),
            DiffLine::Skipped(count) => writeln!(text, "  {}", page.paint(QUIET, &format!("  … {count} lines"))),
        };
    }
    if lines.len() > DIFF_LINES_MAX {
        let _ = writeln!(text, "  {}", page.paint(QUIET, &format!("  … {} more lines", lines.len() - DIFF_LINES_MAX)));
    }
    text
}

/// The difference between a recorded and a new text, as reports show it.
#[must_use]
pub fn snapshot_diff(recorded: &str, proposed: &str, page: Page) -> String {
    diff(recorded, proposed, (BAD, GOOD), page)
}

/// What led to a finding, unless that was drawn for an earlier one.
fn diagram(trace: &Trace, finding: &Finding, drawn: &mut Vec<Ladder>, page: Page) -> String {
    let ladder = ladder(trace, &finding.devices, finding.moment);
    if drawn.iter().any(|before| before.tells_all_of(&ladder)) {
        return format!("\n  {}\n", page.paint(QUIET, "what happened stands above"));
    }
    let mut text = format!("\n  {}\n", page.paint(STRONG, "what happened"));
    for line in ladder.text(page.width.saturating_sub(2)).lines() {
        let _ = writeln!(text, "  {line}");
    }
    drawn.push(ladder);
    text
}

/// What the whole run showed.
#[must_use]
pub fn summary(summary: &Summary, first_seed: u64, page: Page) -> String {
    let mut text = String::from("\n");
    let scenarios = summary.scenarios();
    let verdicts = Verdict::ALL
        .into_iter()
        .filter_map(|verdict| Some((verdict, *summary.verdicts.get(&verdict)?)))
        .map(|(verdict, count)| page.paint(verdict_style(verdict), &format!("{count} {}", verdict.name())))
        .collect::<Vec<_>>();
    let _ = writeln!(text, "{} {}", counted(scenarios, "scenario:", "scenarios:"), verdicts.join(", "));
    let seeds = match summary.runs {
        runs if runs == scenarios => format!("seed {first_seed}"),
        runs => format!("{runs} runs from seed {first_seed}"),
    };
    let broken = match summary.broken.len() as u64 {
        0 => String::new(),
        count => format!(", {} broken", thousands(count)),
    };
    let out_of_reach = match summary.out_of_reach.len() as u64 {
        0 => String::new(),
        count => format!(" ({} out of reach of the contract)", thousands(count)),
    };
    let _ = writeln!(
        text,
        "{}{broken}{out_of_reach}, {}, {} s of virtual time in {:.2} s, {seeds}",
        counted(summary.shown(), "requirement shown", "requirements shown"),
        counted(summary.extent.messages, "message", "messages"),
        thousands(summary.extent.virtual_time.as_secs()),
        summary.wall.as_secs_f64(),
    );
    if summary.new_snapshots > 0 && summary.failed.is_empty() {
        let what = counted(summary.new_snapshots, "new snapshot waits", "new snapshots wait");
        let _ = writeln!(text, "{}", page.paint(ODD, &format!("{what} for you: convoke review")));
    }
    if !summary.failed.is_empty() {
        let _ = writeln!(text, "\n{}", page.paint(BAD, "not well:"));
        for repeat in &summary.failed {
            let _ = writeln!(text, "  {repeat}");
        }
    }
    text
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(count), if count == 1 { one } else { many })
}

/// `1,234,567`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;

/// What the shards of a sweep came to.
#[must_use]
pub fn ledger(ledger: &Ledger, page: Page) -> String {
    let (shards, of) = ledger.shards();
    let mut text = String::new();
    for (path, world, verdict, seed) in ledger.bad() {
        let world = if world == WorldName::Sim.name() { String::new() } else { format!(" --world {world}") };
        let verdict = page.paint(AnsiColor::Red.on_default().bold(), &format!("{verdict:<13}"));
        text.push_str(&format!(
            "{verdict} {path}  seed {seed}\n              again: convoke run {path} --seed {seed}{world}\n"
        ));
    }
    let verdicts: Vec<String> =
        ledger.verdicts().iter().map(|(verdict, count)| format!("{count} {}", verdict.name())).collect();
    let (runs, extent) = ledger.extent();
    text.push_str(&format!(
        "{} of {of} shards: {}\n{runs} runs, {} messages, {} of virtual time\n",
        shards.len(),
        verdicts.join(", "),
        extent.messages,
        extent.virtual_time,
    ));
    let missing: Vec<String> =
        (1..=of).filter(|shard| !shards.contains(shard)).map(|shard| shard.to_string()).collect();
    if !missing.is_empty() {
        text.push_str(&format!("missing: shard {}\n", missing.join(", ")));
    }
    text
}
