//! What a run showed of the requirements, group by group, as text: the end of a conformance run.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::ladder::wrapped;
use super::result::{GroupResult, RequirementResult, RequirementVerdict, RunResult};
use super::terminal::{Page, requirement_style};

/// How many scenarios are named below a requirement that is broken.
const SCENARIOS_MAX: usize = 3;
/// How many characters of a group's title are shown at least.
const TITLE_MIN: usize = 12;
/// Where the texts of requirements begin.
const INDENT: usize = 10;

/// How many requirements have each verdict.
type Counts = BTreeMap<RequirementVerdict, usize>;
/// A group, and what it came to.
type Row<'r> = (&'r GroupResult, Counts);

/// The groups as a table, then each requirement that is broken or of which nothing could be said, with its text and the
/// scenarios that show it.
#[must_use]
pub fn groups(result: &RunResult, page: Page) -> String {
    let mut text = about(result, page);
    text.push('\n');
    text.push_str(&table(result, page));
    for verdict in [RequirementVerdict::Fail, RequirementVerdict::KnownFailure, RequirementVerdict::Inconclusive] {
        let of_verdict: Vec<&RequirementResult> = result
            .requirements
            .iter()
            .flat_map(|group| &group.requirements)
            .filter(|one| one.verdict == verdict)
            .collect();
        if !of_verdict.is_empty() {
            let _ = writeln!(text, "\n{}", page.paint(requirement_style(verdict), &format!("{}:", verdict.name())));
        }
        for requirement in of_verdict {
            tell(requirement, page, &mut text);
        }
    }
    text
}

/// What was tested, against what, and what was waived.
fn about(result: &RunResult, page: Page) -> String {
    let mut text = String::new();
    let implementation = &result.implementation;
    let mut what = implementation.name.clone();
    if let Some(version) = &implementation.version {
        let _ = write!(what, " {version}");
    }
    if let Some(contract) = &implementation.contract {
        let _ = write!(what, ", contract {contract}");
    }
    let corpus = &result.corpus;
    let version = corpus.version.as_deref().map_or_else(String::new, |version| format!("{version}, "));
    let hash = corpus.hash.get(..12).unwrap_or(&corpus.hash);
    let _ = writeln!(text, "{:<INDENT$} {what}", "tested");
    let _ = writeln!(text, "{:<INDENT$} {version}{} files, {hash}", "corpus", corpus.files);
    let _ = writeln!(text, "{:<INDENT$} {}", "profile", result.profile.name);
    let profile = &result.profile;
    let variants = profile.variants.iter().map(|one| format!("{}: {}", one.requirement, one.text));
    let waived = profile.waived.iter().map(|waived| match &waived.instead {
        Some(instead) => format!("{}: {instead}", waived.requirement),
        None => waived.requirement.clone(),
    });
    let bounds = profile.bounds.iter().map(|(name, value)| format!("{name}: {value}"));
    let lacks = profile.lacks.iter().map(|(what, why)| format!("{what}: {why}"));
    let mut say = |name: &str, said: String| {
        for (index, line) in wrapped(&said, page.width.saturating_sub(INDENT + 1)).into_iter().enumerate() {
            let _ = writeln!(text, "{:<INDENT$} {line}", if index == 0 { name } else { "" });
        }
    };
    variants.for_each(|said| say("variant", said));
    waived.for_each(|said| say("waived", said));
    bounds.for_each(|said| say("bound", said));
    lacks.for_each(|said| say("lacks", said));
    text
}

/// How many requirements of a group have each verdict. Definitions are left out: nothing needs to show them.
fn counts(group: &GroupResult) -> Counts {
    let mut counts = BTreeMap::new();
    for requirement in group.requirements.iter().filter(|one| one.level != "definition") {
        *counts.entry(requirement.verdict).or_default() += 1;
    }
    counts
}

fn table(result: &RunResult, page: Page) -> String {
    let rows: Vec<Row<'_>> = result
        .requirements
        .iter()
        .map(|group| (group, counts(group)))
        .filter(|(_, counts)| !counts.is_empty())
        .collect();
    let mut sums = Counts::new();
    for (verdict, count) in rows.iter().flat_map(|(_, counts)| counts) {
        *sums.entry(*verdict).or_default() += count;
    }
    // From left to right: what is well, then what is not.
    let columns: Vec<RequirementVerdict> =
        RequirementVerdict::ALL.into_iter().rev().filter(|verdict| sums.contains_key(verdict)).collect();
    let widths: Vec<usize> = columns.iter().map(|column| column.name().len().max(4) + 2).collect();
    let room = page.width.saturating_sub(6 + widths.iter().sum::<usize>());
    if room < TITLE_MIN {
        return in_words(&rows, &sums, &columns, page);
    }
    let room = room.min(44);
    let mut text = format!("{:<1$}", "requirements", 6 + room);
    for (column, width) in columns.iter().zip(&widths) {
        let _ = write!(text, "{:>width$}", column.name());
    }
    text.push('\n');
    let mut line = |name: &str, title: &str, counts: &Counts| {
        let title = if title.chars().count() > room {
            format!("{}…", title.chars().take(room - 1).collect::<String>().trim_end())
        } else {
            title.to_owned()
        };
        let _ = write!(text, "{name:<6}{title:<room$}");
        for (column, width) in columns.iter().zip(&widths) {
            match counts.get(column) {
                Some(count) => {
                    let padded = format!("{count:>width$}");
                    text.push_str(&page.paint(requirement_style(*column), &padded));
                }
                None => {
                    let _ = write!(text, "{:>width$}", "·");
                }
            }
        }
        text.push('\n');
    };
    for (group, counts) in &rows {
        line(&group.prefix, &group.title, counts);
    }
    line("all", "", &sums);
    text
}

/// The same, where the page has no room for all columns: of each group the counts that there are.
fn in_words(rows: &[Row<'_>], sums: &Counts, columns: &[RequirementVerdict], page: Page) -> String {
    let mut text = String::new();
    let all = rows.iter().map(|(group, counts)| (group.prefix.as_str(), counts)).chain([("all", sums)]);
    for (name, counts) in all {
        let mut line = format!("{name:<6}");
        let mut length = 6;
        for (column, count) in columns.iter().filter_map(|column| Some((column, counts.get(column)?))) {
            let words = format!("{count} {}", column.name());
            if length > 6 && length + 2 + words.len() + 1 > page.width {
                let _ = writeln!(text, "{line},");
                (line, length) = (" ".repeat(6), 6);
            }
            if length > 6 {
                line.push_str(", ");
                length += 2;
            }
            length += words.len();
            line.push_str(&page.paint(requirement_style(*column), &words));
        }
        let _ = writeln!(text, "{line}");
    }
    text
}

fn tell(requirement: &RequirementResult, page: Page, text: &mut String) {
    let room = page.width.saturating_sub(INDENT);
    for (index, line) in wrapped(&requirement.text, room).into_iter().enumerate() {
        let name = if index == 0 { requirement.id.as_str() } else { "" };
        let _ = writeln!(text, "{name:<INDENT$}{}", line.trim_start());
    }
    let shown = if requirement.broken_by.is_empty() { &requirement.claimed_by } else { &requirement.broken_by };
    for path in shown.iter().take(SCENARIOS_MAX) {
        let _ = writeln!(text, "{:<INDENT$}- {path}", "");
    }
    if shown.len() > SCENARIOS_MAX {
        let _ = writeln!(text, "{:<INDENT$}  and {} more", "", shown.len() - SCENARIOS_MAX);
    }
}

#[cfg(test)]
mod tests;
