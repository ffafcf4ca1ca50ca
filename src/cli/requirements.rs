//! `convoke requirements`: the catalogue, and for each requirement the scenarios that show it.
//!
//! A scenario shows what its `covers` claims; whether it does is for `convoke run` to say. The files are read and not
//! compiled: an unknown name in a step is the business of `convoke lint`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::{BasisFilter, Format, LevelFilter, Requirements, SubjectFilter};
use super::output::Output;
use super::{Ending, Failure};
use crate::protocol::requirements::{Basis, GROUPS, Level, REQUIREMENTS, Requirement, Subject, find};
use crate::run::corpus;
use crate::scenario::{self, diagnostic};

/// The folder that is looked at where none is named.
const DEFAULT: &str = "scenarios";

/// The version of the JSON.
const VERSION: u32 = 1;

/// Which scenarios claim to show a requirement, by its id.
type Coverage = BTreeMap<&'static str, Vec<String>>;

pub(super) fn requirements(arguments: &Requirements, output: &mut Output) -> Ending {
    arguments.id.iter().try_for_each(|id| is_known(id))?;
    let paths = match arguments.paths.as_slice() {
        [] if Path::new(DEFAULT).is_dir() => vec![PathBuf::from(DEFAULT)],
        [] => {
            output.note("there is no folder `scenarios` here, so nothing is known of what scenarios show");
            Vec::new()
        }
        named => named.to_vec(),
    };
    let coverage = coverage(&paths, output)?;
    let shown: Vec<&Requirement> = REQUIREMENTS.iter().filter(|one| is_wanted(one, arguments, &coverage)).collect();
    match arguments.format {
        Format::Human => output.write(&listed(&shown, &coverage, output.page.width))?,
        Format::Json => output.write(&format!("{:#}\n", as_json(&shown, &coverage)))?,
    }
    Ok(0)
}

fn is_known(id: &str) -> Result<(), Failure> {
    let prefixes = || GROUPS.iter().map(|group| group.prefix);
    if find(id).is_some() || prefixes().any(|prefix| prefix == id) {
        return Ok(());
    }
    let known = REQUIREMENTS.iter().map(|requirement| requirement.id).chain(prefixes());
    let mend = match diagnostic::nearest(id, known) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("an id is like DEV-2; the groups are {}", prefixes().collect::<Vec<_>>().join(", ")),
    };
    Err(Failure::Usage(format!("there is no requirement `{id}`; {mend}")))
}

/// What the scenarios at these paths claim. What isn't in the catalogue is told to the user and left out.
fn coverage(paths: &[PathBuf], output: &mut Output) -> Result<Coverage, Failure> {
    let mut coverage = Coverage::new();
    if paths.is_empty() {
        return Ok(coverage);
    }
    for target in corpus::find(paths)? {
        let scenario = scenario::load(&target.path)
            .map_err(|found| Failure::Usage(format!("{} is no scenario\n\n{}", target.name(), found.render(false))))?;
        for claim in &scenario.covers {
            match find(&claim.value) {
                Some(requirement) => coverage.entry(requirement.id).or_default().push(target.name()),
                None => output.note(&format!(
                    "{}:{} claims {}, which is no requirement",
                    target.name(),
                    claim.span.line,
                    claim.value
                )),
            }
        }
    }
    Ok(coverage)
}

impl LevelFilter {
    pub(super) fn takes(self, requirement: &Requirement) -> bool {
        match self {
            Self::Definition => requirement.definition,
            Self::Must => !requirement.definition && requirement.level == Level::Must,
            Self::Should => !requirement.definition && requirement.level == Level::Should,
            Self::May => !requirement.definition && requirement.level == Level::May,
        }
    }
}

impl BasisFilter {
    pub(super) fn takes(self, requirement: &Requirement) -> bool {
        requirement.basis
            == match self {
                Self::Doc => Basis::Doc,
                Self::Client => Basis::Client,
                Self::Inf => Basis::Inf,
                Self::Dec => Basis::Dec,
            }
    }
}

fn is_wanted(requirement: &Requirement, arguments: &Requirements, coverage: &Coverage) -> bool {
    let level = arguments.level.is_none_or(|level| level.takes(requirement));
    let basis = arguments.basis.is_none_or(|basis| basis.takes(requirement));
    let subject = arguments.subject.is_none_or(|subject| match subject {
        SubjectFilter::Server => requirement.subject.includes_server(),
        SubjectFilter::Device => requirement.subject.includes_device(),
        SubjectFilter::Both => requirement.subject == Subject::Both,
    });
    let is_covered = coverage.contains_key(requirement.id);
    let covered = (!arguments.covered || is_covered) && (!arguments.uncovered || !is_covered);
    let prefix = requirement.group().prefix;
    let id = arguments.id.is_empty() || arguments.id.iter().any(|id| id == requirement.id || id == prefix);
    level && basis && subject && covered && id
}

fn level(requirement: &Requirement) -> &'static str {
    if requirement.definition { "definition" } else { requirement.level.name() }
}

/// A requirement a paragraph: its id and what it is, the sentence, and who shows it.
fn listed(shown: &[&Requirement], coverage: &Coverage, width: usize) -> String {
    const INDENT: usize = 10;
    let mut text = String::new();
    for requirement in shown {
        let scenarios = coverage.get(requirement.id).map_or(&[][..], Vec::as_slice);
        let Requirement { id, basis, subject, boundary, .. } = requirement;
        let kind = [level(requirement), basis.name(), subject.name(), boundary.name()].join(" · ");
        let _ = writeln!(text, "{id:<INDENT$}{kind}");
        for line in wrapped(&requirement.plain_text(), width.saturating_sub(INDENT)) {
            let _ = writeln!(text, "{:INDENT$}{line}", "");
        }
        if scenarios.is_empty() && !requirement.definition {
            let _ = writeln!(text, "{:INDENT$}no scenario", "");
        }
        for scenario in scenarios {
            let _ = writeln!(text, "{:INDENT$}- {scenario}", "");
        }
        text.push('\n');
    }
    let (binding, with) = tally(shown, coverage);
    let requirements = if shown.len() == 1 { "requirement" } else { "requirements" };
    let _ = writeln!(text, "{} {requirements}; of {binding} MUST and SHOULD, scenarios show {with}", shown.len());
    text
}

/// How many of them a scenario should show, and how many of these one does.
fn tally(shown: &[&Requirement], coverage: &Coverage) -> (usize, usize) {
    let binding = || shown.iter().filter(|one| !one.definition && one.level != Level::May);
    (binding().count(), binding().filter(|one| coverage.contains_key(one.id)).count())
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}

fn as_json(shown: &[&Requirement], coverage: &Coverage) -> Value {
    let one = |requirement: &&Requirement| {
        json!({
            "id": requirement.id,
            "level": level(requirement),
            "basis": requirement.basis.name(),
            "subject": requirement.subject.name(),
            "boundary": requirement.boundary.name(),
            "text": requirement.plain_text(),
            "source": requirement.source,
            "scenarios": coverage.get(requirement.id).map_or(&[][..], Vec::as_slice),
        })
    };
    let (binding, with) = tally(shown, coverage);
    json!({
        "version": VERSION,
        "requirements": shown.iter().map(one).collect::<Vec<_>>(),
        "summary": {"requirements": shown.len(), "mustAndShould": binding, "mustAndShouldCovered": with},
    })
}
