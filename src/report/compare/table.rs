//! A comparison as text: a matrix that fits the page, and where two part.
//!
//! With more implementations than fit side by side the matrix is folded: the next ones stand in a table below.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table, TableStyle};

use super::{Comparison, Fork, Row};
use crate::report::ladder::wrapped;
use crate::report::result::RequirementVerdict;
use crate::report::terminal::Page;

/// How many scenarios that part are told, unless all are asked for.
const PARTINGS_MAX: usize = 20;
/// The widest column: a longer name is wrapped.
const COLUMN_MAX: usize = 18;
/// The narrowest.
const COLUMN_MIN: usize = 8;

/// The comparison. Requirements of which all say the same are counted, unless `all` are asked for; so are the scenarios that
/// part behind the first few.
#[must_use]
pub fn text(comparison: &Comparison, all: bool, page: Page) -> String {
    let mut text = String::new();
    for column in &comparison.columns {
        let contract = column.contract.as_deref().map_or_else(String::new, |contract| format!(", contract {contract}"));
        let _ = writeln!(text, "{}{contract}, profile {}, {}", column.name, column.profile, column.file);
    }
    let _ = write!(text, "{} in common", counted(comparison.scenarios, "scenario", "scenarios"));
    if comparison.left_out > 0 {
        let _ = write!(text, ", {} left out", comparison.left_out);
    }
    text.push_str("\n\n");
    matrix(comparison, all, page, &mut text);
    partings(comparison, all, page, &mut text);
    text
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// In as few characters as can be told apart.
const fn short(verdict: Option<RequirementVerdict>) -> &'static str {
    match verdict {
        None => "unknown",
        Some(RequirementVerdict::NotShown) => "–",
        Some(RequirementVerdict::Unsupported) => "unsup.",
        Some(RequirementVerdict::Inconclusive) => "unclear",
        Some(RequirementVerdict::Pass) => "pass",
        Some(RequirementVerdict::Waived) => "waived",
        Some(RequirementVerdict::Variant) => "variant",
        Some(RequirementVerdict::KnownFailure) => "known",
        Some(RequirementVerdict::Fail) => "FAIL",
    }
}

fn matrix(comparison: &Comparison, all: bool, page: Page, text: &mut String) {
    let rows: Vec<&Row> = comparison.groups.iter().flat_map(|group| &group.rows).collect();
    let shown: Vec<&Row> = rows.iter().copied().filter(|row| all || !row.is_same()).collect();
    let same = rows.iter().filter(|row| row.is_same()).count();
    let _ = writeln!(
        text,
        "{}",
        match (shown.is_empty(), all) {
            (true, _) => format!("of all {} requirements they show the same", rows.len()),
            (false, true) => format!("{} requirements, of {same} they show the same", rows.len()),
            (false, false) => format!("{} requirements differ; of {same} they show the same", rows.len() - same),
        }
    );
    if shown.is_empty() {
        text.push('\n');
        return;
    }
    // The id, then columns with a space on either side and a line between.
    let first = shown.iter().map(|row| row.id.chars().count()).max().unwrap_or(0) + 3;
    let widths: Vec<usize> =
        comparison.columns.iter().map(|column| column.name.chars().count().clamp(COLUMN_MIN, COLUMN_MAX) + 3).collect();
    let mut begin = 0;
    while begin < widths.len() {
        let mut used = first + widths[begin];
        let mut end = begin + 1;
        while end < widths.len() && used + widths[end] <= page.width {
            used += widths[end];
            end += 1;
        }
        let mut table = Table::new();
        table.load_style(TableStyle::default());
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(used + 1).unwrap_or(u16::MAX));
        let names = comparison.columns[begin..end].iter().map(|column| column.name.clone());
        table.set_header(std::iter::once(String::new()).chain(names));
        for row in &shown {
            let cells = row.cells[begin..end].iter().map(|cell| short(*cell).to_owned());
            table.add_row(std::iter::once(row.id.clone()).chain(cells));
        }
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Left);
        }
        let _ = writeln!(text, "{}\n", table.trim_fmt());
        begin = end;
    }
}

fn partings(comparison: &Comparison, all: bool, page: Page, text: &mut String) {
    let partings = &comparison.partings;
    if partings.is_empty() {
        let _ = writeln!(text, "in every scenario every device went through the same");
        return;
    }
    let scenarios: std::collections::BTreeSet<&str> =
        partings.iter().map(|parting| parting.scenario.as_str()).collect();
    let _ = writeln!(text, "they part in {}", counted(scenarios.len(), "scenario", "scenarios"));
    let shown = if all { partings.len() } else { PARTINGS_MAX };
    let name = |column: usize| comparison.columns.get(column).map_or("", |column| column.name.as_str());
    for parting in partings.iter().take(shown) {
        let (first, other) = (name(0), name(parting.column));
        let _ = writeln!(text, "\n{}", parting.scenario);
        let (one, two) = parting.verdicts;
        let _ = writeln!(text, "  {first}: {}, {other}: {}", one.name(), two.name());
        for fork in &parting.forks {
            tell(fork, first, other, page, text);
        }
    }
    if partings.len() > shown {
        let _ = writeln!(text, "\nand {} more; --all tells them all", partings.len() - shown);
    }
}

fn tell(fork: &Fork, first: &str, other: &str, page: Page, text: &mut String) {
    let what = if fork.heard { "hears" } else { "calls" };
    let after = match &fork.last_same {
        Some(last) => format!("after {last}"),
        None => "from the beginning".to_owned(),
    };
    let mut line = |indent: usize, words: &str| {
        for line in wrapped(words, page.width.saturating_sub(indent)) {
            let _ = writeln!(text, "{:indent$}{line}", "");
        }
    };
    line(2, &format!("{} {what}, {after}:", fork.device));
    line(4, &format!("{first}: {}", fork.first.as_deref().unwrap_or("nothing more")));
    line(4, &format!("{other}: {}", fork.other.as_deref().unwrap_or("nothing more")));
}
