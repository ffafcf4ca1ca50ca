//! Load runs for people: one line while it goes on, and what came of it.

mod chart;
mod page;

use std::fmt::Write as _;

pub use self::page::page;

use super::terminal::Page;
use crate::load::knee::{Conclusion, Knee, Probe, SPREAD_MAX, Search};
use crate::load::result::{CALL, LoadResult};
use crate::load::{Progress, ProgressPart};
use crate::protocol::vocabulary::OperationName;

/// How far a run has come, in a line.
#[must_use]
pub fn progress(progress: &Progress) -> String {
    match progress.part {
        ProgressPart::GettingReady => format!("{} of {} casts are ready", progress.completed, progress.planned),
        ProgressPart::Running | ProgressPart::Draining => format!(
            "{:>3.0} s of {:.0} s: {} of {} calls completed, {} under way, {} errors, p99 {:.1} ms{}",
            progress.passed.as_nanos() as f64 / 1e9,
            progress.lasts.as_nanos() as f64 / 1e9,
            progress.completed,
            progress.planned,
            progress.busy,
            progress.errors,
            progress.recent_p99,
            if progress.part == ProgressPart::Draining { ", draining" } else { "" },
        ),
        ProgressPart::Judging => format!("judging what is left: {} moments", progress.unjudged),
    }
}

/// What came of a run.
#[must_use]
pub fn summary(result: &LoadResult, page: Page) -> String {
    let setting = &result.setting;
    let counts = &result.counts;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} against {}: {} calls a second ({}) for {} s after {} s of warm-up, {} casts, connections {}",
        setting.work,
        setting.target,
        setting.rate,
        setting.spacing,
        setting.duration_seconds,
        setting.warm_up_seconds,
        result.population,
        if result.connections_kept { "kept" } else { "churned" },
    );
    let _ = writeln!(
        text,
        "calls       {} planned, {} completed ({:.1} a second), {} begun late, {} dropped, {} stuck",
        counts.planned,
        counts.completed,
        result.throughput(),
        counts.late,
        counts.dropped,
        counts.stuck,
    );
    let _ = writeln!(
        text,
        "operations  {} answered, {} failed; {} events heard; {} connections lost",
        counts.operations, counts.errors, counts.events, counts.connections_lost,
    );
    for (error, count) in &result.errors {
        let _ = writeln!(text, "            {count} x {error}");
    }
    text.push('\n');
    text.push_str(&latencies(result));
    text.push('\n');
    text.push_str(&judged(result, page));
    text.push_str(&health(result, page));
    text
}

/// The table of latencies with its head: the whole call first, then operations, then events.
fn rows(result: &LoadResult) -> Vec<[String; 8]> {
    let head = ["latency in ms from the plan", "count", "p50", "p90", "p99", "p99.9", "max", "p99 from sending"];
    let mut rows: Vec<[String; 8]> = vec![head.map(str::to_owned)];
    for name in order(result) {
        let measured = &result.latencies[name];
        let (planned, sent) = (&measured.from_planned, &measured.from_sent);
        let millis = |quantile: f64| format!("{:.2}", planned.quantile(quantile));
        rows.push([
            name.clone(),
            planned.count().to_string(),
            millis(0.5),
            millis(0.9),
            millis(0.99),
            millis(0.999),
            millis(1.0),
            format!("{:.2}", sent.quantile(0.99)),
        ]);
    }
    rows
}

fn latencies(result: &LoadResult) -> String {
    let rows = rows(result);
    let mut widths = [0; 8];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(index, (cell, width))| match index {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// The names of the latencies in the order in which people look for them.
#[must_use]
pub fn order(result: &LoadResult) -> Vec<&String> {
    let mut names: Vec<&String> = result.latencies.keys().collect();
    names.sort_by_key(|name| {
        let operation = OperationName::ALL.iter().position(|known| known.to_string() == **name);
        (name.as_str() != CALL, operation.is_none(), operation, (*name).clone())
    });
    names
}

fn judged(result: &LoadResult, page: Page) -> String {
    let judged = &result.judged;
    let mut text = format!(
        "judged      {} calls ({} moments), {} of them by search at the API alone",
        judged.calls, judged.moments, judged.linearizability
    );
    if judged.undecided > 0 {
        let _ = write!(text, ", {} undecided", judged.undecided);
    }
    if judged.passed_over > 0 {
        let _ = write!(text, "; {} passed over for want of memory", judged.passed_over);
    }
    if judged.wrong == 0 {
        let _ = writeln!(text, "; {}", page.paint(anstyle::AnsiColor::Green.on_default(), "nothing wrong"));
        return text;
    }
    let wrong = format!("{} wrong", judged.wrong);
    let _ = writeln!(text, "; {}", page.paint(anstyle::AnsiColor::Red.on_default().bold(), &wrong));
    for (check, count) in &judged.findings {
        let _ = writeln!(text, "            {check}: {count}");
    }
    for example in &judged.examples {
        let _ = writeln!(text, "  {example}");
    }
    for trace in &judged.traces {
        let _ = writeln!(text, "  look at it: convoke judge {trace}");
    }
    text
}

fn health(result: &LoadResult, page: Page) -> String {
    let health = &result.health;
    let share = |share: Option<f64>| share.map_or("unknown".to_owned(), |share| format!("{:.0} %", share * 100.0));
    let mut text = format!(
        "generator   {} of a processor, waited for one {} of the time; planned moments reached it {:.2} ms late at p99, \
         {:.2} ms at most\n",
        share(health.busy()),
        share(health.starved()),
        health.lag.quantile(0.99),
        health.lag.max(),
    );
    let complaints = health.complaints();
    if !complaints.is_empty() {
        let yellow = anstyle::AnsiColor::Yellow.on_default().bold();
        let bottleneck = page.paint(yellow, "the generator was the bottleneck");
        let _ = writeln!(text, "{bottleneck}: {}", complaints.join("; "));
        text.push_str("            these latencies are of this machine as much as of the server: take a lower rate, or more machines\n");
    }
    text
}

/// One rate that was tried, in a line.
#[must_use]
pub fn probe(probe: &Probe) -> String {
    let verdict = match probe.broke.first() {
        None => "kept".to_owned(),
        Some(first) if probe.broke.len() == 1 => first.clone(),
        Some(first) => format!("{first}, and {} more", probe.broke.len() - 1),
    };
    let generator = if probe.generator.is_empty() { "" } else { "; the generator was the bottleneck" };
    format!(
        "{:>9.0} a second: {:.1} completed, p99(call) {:.1} ms; {verdict}{generator}",
        probe.rate, probe.throughput, probe.call_p99_ms
    )
}

/// What came of one search, in a line.
#[must_use]
pub fn search(search: &Search) -> String {
    match (search.last_good, search.first_bad) {
        (Some(good), Some(bad)) => format!("last good rate {good:.0} calls a second; {bad:.0} broke\n"),
        (Some(good), None) => format!("nothing broke up to {good:.0} calls a second\n"),
        _ => "something broke at every rate\n".to_owned(),
    }
}

/// What may be concluded of all searches.
#[must_use]
pub fn knee(knee: &Knee, page: Page) -> String {
    let bold = anstyle::Style::new().bold();
    let searches = match knee.searches.len() {
        1 => "one search, which says nothing of the spread: --repeat 5 does".to_owned(),
        count => format!("{count} searches"),
    };
    let mut text = match knee.conclusion() {
        Conclusion::Found { median, lowest, highest, generator } => {
            let found = page.paint(bold, &format!("knee {median:.0} calls a second"));
            let spread = (highest - lowest) / median * 100.0;
            let mut text = format!("{found} ({lowest:.0} to {highest:.0}, {spread:.0} % apart; {searches})\n");
            if generator {
                text.push_str("the generator was the bottleneck where it broke: the server may keep more than this\n");
            }
            text
        }
        Conclusion::TooNoisy { lowest, highest } => format!(
            "{}: {searches} found {lowest:.0} to {highest:.0} calls a second, more than {:.0} % apart\n",
            page.paint(bold, "the machine was too noisy to tell"),
            SPREAD_MAX * 100.0,
        ),
        Conclusion::NoGoodRate => format!("{}: something broke at every rate\n", page.paint(bold, "there is no knee")),
    };
    text.push_str(&format!("a rate is good while none of these holds: {}\n", knee.conditions.join(", ")));
    text
}
