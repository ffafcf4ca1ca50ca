//! A comparison as one HTML page, in the look of a result's page.

use serde::Serialize;

use super::{Comparison, Fork, Row};
use crate::report::html::{Mark, STYLE, render};
use crate::report::result::RequirementVerdict;

const COMPARE: &str = include_str!("../html/compare.html");

/// How many scenarios that part are open when the page is.
const OPEN_MAX: usize = 3;

/// The page.
#[must_use]
pub fn page(comparison: &Comparison) -> String {
    render("compare.html", COMPARE, &view(comparison))
}

#[derive(Serialize)]
struct View<'c> {
    style: &'static str,
    title: String,
    lead: String,
    tool: &'static str,
    columns: Vec<ColumnView<'c>>,
    groups: Vec<GroupView<'c>>,
    partings: Vec<PartingView<'c>>,
}

#[derive(Serialize)]
struct ColumnView<'c> {
    name: &'c str,
    file: &'c str,
    contract: &'c str,
    profile: &'c str,
    corpus: String,
}

#[derive(Serialize)]
struct GroupView<'c> {
    prefix: &'c str,
    title: &'c str,
    differing: Vec<RowView<'c>>,
    alike: Vec<RowView<'c>>,
}

#[derive(Serialize)]
struct RowView<'c> {
    id: &'c str,
    text: &'c str,
    cells: Vec<Mark>,
}

#[derive(Serialize)]
struct PartingView<'c> {
    scenario: &'c str,
    title: &'c str,
    open: bool,
    first: (&'c str, Mark),
    other: (&'c str, Mark),
    forks: Vec<ForkView<'c>>,
}

#[derive(Serialize)]
struct ForkView<'c> {
    device: &'c str,
    what: &'static str,
    after: &'c str,
    first: &'c str,
    other: &'c str,
}

fn view(comparison: &Comparison) -> View<'_> {
    let rows = || comparison.groups.iter().flat_map(|group| &group.rows);
    let differ = rows().filter(|row| !row.is_same()).count();
    let scenarios: std::collections::BTreeSet<&str> =
        comparison.partings.iter().map(|parting| parting.scenario.as_str()).collect();
    let left_out = match comparison.left_out {
        0 => String::new(),
        some => format!(" {some} scenarios that are not in all of them are left out."),
    };
    let name = |column: usize| comparison.columns.get(column).map_or("", |column| column.name.as_str());
    View {
        style: STYLE,
        title: comparison.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(" · "),
        lead: format!(
            "{differ} of {} requirements differ; of {} scenarios they part in {}.{left_out}",
            rows().count(),
            comparison.scenarios,
            scenarios.len()
        ),
        tool: env!("CARGO_PKG_VERSION"),
        columns: comparison
            .columns
            .iter()
            .map(|column| ColumnView {
                name: &column.name,
                file: &column.file,
                contract: column.contract.as_deref().unwrap_or("–"),
                profile: &column.profile,
                corpus: format!("{} {}", column.corpus.0.as_deref().unwrap_or(""), short(&column.corpus.1))
                    .trim()
                    .to_owned(),
            })
            .collect(),
        groups: comparison
            .groups
            .iter()
            .map(|group| GroupView {
                prefix: &group.prefix,
                title: &group.title,
                differing: group.rows.iter().filter(|row| !row.is_same()).map(row).collect(),
                alike: group.rows.iter().filter(|row| row.is_same()).map(row).collect(),
            })
            .collect(),
        partings: comparison
            .partings
            .iter()
            .enumerate()
            .map(|(index, parting)| PartingView {
                scenario: &parting.scenario,
                title: &parting.title,
                open: index < OPEN_MAX,
                first: (name(0), Mark::named(parting.verdicts.0.name())),
                other: (name(parting.column), Mark::named(parting.verdicts.1.name())),
                forks: parting.forks.iter().map(fork).collect(),
            })
            .collect(),
    }
}

fn row(row: &Row) -> RowView<'_> {
    let mark = |cell: &Option<RequirementVerdict>| Mark::named(cell.map_or("unknown", RequirementVerdict::name));
    RowView { id: &row.id, text: &row.text, cells: row.cells.iter().map(mark).collect() }
}

fn fork(fork: &Fork) -> ForkView<'_> {
    ForkView {
        device: &fork.device,
        what: if fork.heard { "hears" } else { "calls" },
        after: fork.last_same.as_deref().unwrap_or(""),
        first: fork.first.as_deref().unwrap_or("nothing more"),
        other: fork.other.as_deref().unwrap_or("nothing more"),
    }
}

fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}
