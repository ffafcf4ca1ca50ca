//! Results of several implementations side by side: what was shown of each requirement, and where two of them part.
//!
//! Comparable are results of the same scenarios alone. Two implementations part at the first thing that a device hears of
//! the one and not of the other, or at the first call that comes to something else; when it happened and how the two mix is
//! no difference (see [`sequences`](super::sequences)). The first result is the one that the others are held against.

mod page;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use super::result::{RequirementVerdict, RunResult, ScenarioResult};
use super::sequences::Sequence;
use crate::run::Verdict;

pub use page::page;
pub use table::text;

/// Results side by side.
#[derive(Clone, PartialEq, Debug)]
pub struct Comparison {
    /// What is compared.
    pub columns: Vec<Column>,
    /// The requirements by group, without the definitions.
    pub groups: Vec<GroupRow>,
    /// The scenarios in which two part, in the order of the first result.
    pub partings: Vec<Parting>,
    /// How many scenarios the results have in common.
    pub scenarios: usize,
    /// How many there are beside them, in any of the results.
    pub left_out: usize,
}

/// One of the results.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// The implementation, so that no two have the same name.
    pub name: String,
    /// Where it was read from.
    pub file: String,
    /// The contract.
    pub contract: Option<String>,
    /// The profile.
    pub profile: String,
    /// The version and the hash of its corpus.
    pub corpus: (Option<String>, String),
}

/// Requirements that belong together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupRow {
    /// What their ids begin with.
    pub prefix: String,
    /// What they are about.
    pub title: String,
    /// The requirements.
    pub rows: Vec<Row>,
}

/// One requirement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// What it says.
    pub text: String,
    /// What each result showed of it; nothing where a result does not know it.
    pub cells: Vec<Option<RequirementVerdict>>,
}

impl Row {
    /// Whether all say the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.cells.windows(2).all(|pair| pair[0] == pair[1])
    }
}

/// A scenario in which two implementations part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parting {
    /// Its name below its folder.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// Which column it is that parts from the first.
    pub column: usize,
    /// What came of it in both.
    pub verdicts: (Verdict, Verdict),
    /// Where, for each device.
    pub forks: Vec<Fork>,
}

/// Where two part on one device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fork {
    /// The device, or the devices of a population.
    pub device: String,
    /// Whether it is what the device heard, or what its call came to.
    pub heard: bool,
    /// How many came before it and are the same.
    pub after: usize,
    /// The last of these.
    pub last_same: Option<String>,
    /// What came then in the first result; nothing if nothing did.
    pub first: Option<String>,
    /// And in the other.
    pub other: Option<String>,
}

/// Why results can't be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// There is nothing to compare with.
    #[error("one result is no comparison; name two or more")]
    TooFew,
    /// They are of different scenarios.
    #[error(
        "{0} and {1} are of different corpora ({2} and {3}): a difference would say nothing; run both with the same \
         scenarios, or compare what they have in common with --common"
    )]
    Corpora(String, String, String, String),
    /// They chose different scenarios of one corpus.
    #[error(
        "{0} and {1} ran different scenarios of the same corpus ({2} and {3}, {4} of them in both); run both without \
         --filter and --tag, or compare what they have in common with --common"
    )]
    Chosen(String, String, usize, usize, usize),
    /// Nothing is in all of them.
    #[error("there is no scenario with the same name and the same text in all of these results")]
    NothingInCommon,
}

/// A scenario as results know it for the same: its name, and the hash of its text.
type Key<'r> = (&'r str, &'r str);

fn keys(result: &RunResult) -> BTreeSet<Key<'_>> {
    result.scenarios.iter().map(key).collect()
}

fn key(scenario: &ScenarioResult) -> Key<'_> {
    (&scenario.name, &scenario.text_hash)
}

/// Puts results side by side, each with the name of its file. With `common`, only the scenarios that are in all of them are
/// looked at; without, all results must be of the same.
///
/// # Errors
/// When they are not comparable.
pub fn compare(results: &[(String, RunResult)], common: bool) -> Result<Comparison, CompareError> {
    let [(first_file, first), others @ ..] = results else { return Err(CompareError::TooFew) };
    if others.is_empty() {
        return Err(CompareError::TooFew);
    }
    let mut shared = keys(first);
    let names =
        |keys: &BTreeSet<Key<'_>>| keys.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<String>>();
    let mut all = names(&shared);
    for (file, other) in others {
        let its = keys(other);
        if !common && other.corpus.hash != first.corpus.hash {
            let short = |result: &RunResult| result.corpus.hash.chars().take(12).collect::<String>();
            return Err(CompareError::Corpora(first_file.clone(), file.clone(), short(first), short(other)));
        }
        if !common && its != shared {
            let both = its.intersection(&shared).count();
            return Err(CompareError::Chosen(first_file.clone(), file.clone(), shared.len(), its.len(), both));
        }
        shared = shared.intersection(&its).copied().collect();
        all.extend(names(&its));
    }
    if shared.is_empty() {
        return Err(CompareError::NothingInCommon);
    }
    let restricted: Vec<RunResult> =
        results.iter().map(|(_, result)| result.restricted_to(|scenario| shared.contains(&key(scenario)))).collect();
    Ok(Comparison {
        columns: columns(results),
        groups: groups(&restricted),
        partings: partings(&restricted),
        scenarios: shared.len(),
        left_out: all.len() - names(&shared).len(),
    })
}

fn columns(results: &[(String, RunResult)]) -> Vec<Column> {
    let name = |result: &RunResult| match &result.implementation.version {
        Some(version) => format!("{} {version}", result.implementation.name),
        None => result.implementation.name.clone(),
    };
    let named: Vec<String> = results.iter().map(|(_, result)| name(result)).collect();
    let mut columns: Vec<Column> = Vec::new();
    for ((file, result), own) in results.iter().zip(&named) {
        // Two runs of one implementation are told apart by their files.
        let mut name = match named.iter().filter(|other| *other == own).count() {
            1 => own.clone(),
            _ => {
                let base = file.rsplit('/').next().unwrap_or(file);
                format!("{own} ({})", base.strip_suffix(".json").unwrap_or(base))
            }
        };
        while columns.iter().any(|column| column.name == name) {
            name.push('\'');
        }
        columns.push(Column {
            name,
            file: file.clone(),
            contract: result.implementation.contract.clone(),
            profile: result.profile.name.clone(),
            corpus: (result.corpus.version.clone(), result.corpus.hash.clone()),
        });
    }
    columns
}

/// The rows follow the first result; what only a later one knows comes behind.
fn groups(results: &[RunResult]) -> Vec<GroupRow> {
    let mut verdicts: BTreeMap<&str, Vec<Option<RequirementVerdict>>> = BTreeMap::new();
    for (column, result) in results.iter().enumerate() {
        for requirement in result.requirements.iter().flat_map(|group| &group.requirements) {
            let cells = verdicts.entry(&requirement.id).or_insert_with(|| vec![None; results.len()]);
            cells[column] = Some(requirement.verdict);
        }
    }
    let mut groups: Vec<GroupRow> = Vec::new();
    for group in results.iter().flat_map(|result| &result.requirements) {
        let at = groups.iter().position(|known| known.prefix == group.prefix).unwrap_or_else(|| {
            groups.push(GroupRow { prefix: group.prefix.clone(), title: group.title.clone(), rows: Vec::new() });
            groups.len() - 1
        });
        for requirement in group.requirements.iter().filter(|one| one.level != "definition") {
            if let Some(cells) = verdicts.remove(requirement.id.as_str()) {
                groups[at].rows.push(Row { id: requirement.id.clone(), text: requirement.text.clone(), cells });
            }
        }
    }
    groups.retain(|group| !group.rows.is_empty());
    groups
}

fn partings(results: &[RunResult]) -> Vec<Parting> {
    let [first, others @ ..] = results else { return Vec::new() };
    // Of a scenario that was enacted in several worlds, the first is looked at.
    let by_name = |result: &'_ RunResult| {
        let mut scenarios: BTreeMap<String, ScenarioResult> = BTreeMap::new();
        for scenario in &result.scenarios {
            scenarios.entry(scenario.name.clone()).or_insert_with(|| scenario.clone());
        }
        scenarios
    };
    let others: Vec<BTreeMap<String, ScenarioResult>> = others.iter().map(by_name).collect();
    let mut partings = Vec::new();
    let mut seen = BTreeSet::new();
    for scenario in first.scenarios.iter().filter(|scenario| seen.insert(&scenario.name)) {
        for (index, other) in others.iter().enumerate() {
            let Some(other) = other.get(&scenario.name) else { continue };
            // What was not enacted went through nothing.
            if scenario.sequences.is_empty() || other.sequences.is_empty() {
                continue;
            }
            let forks = forks(&scenario.sequences, &other.sequences);
            if !forks.is_empty() {
                partings.push(Parting {
                    scenario: scenario.name.clone(),
                    title: scenario.title.clone(),
                    column: index + 1,
                    verdicts: (scenario.verdict, other.verdict),
                    forks,
                });
            }
        }
    }
    partings
}

/// What the devices of one name went through, most devices first.
fn by_device(sequences: &[Sequence]) -> BTreeMap<&str, Vec<&Sequence>> {
    let mut devices: BTreeMap<&str, Vec<&Sequence>> = BTreeMap::new();
    for sequence in sequences {
        devices.entry(&sequence.device).or_default().push(sequence);
    }
    for same_name in devices.values_mut() {
        same_name.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.cmp(other)));
    }
    devices
}

fn forks(first: &[Sequence], other: &[Sequence]) -> Vec<Fork> {
    let (first, other) = (by_device(first), by_device(other));
    let nothing = Sequence { device: String::new(), count: 0, heard: Vec::new(), results: Vec::new() };
    let devices: BTreeSet<&str> = first.keys().chain(other.keys()).copied().collect();
    let mut forks = Vec::new();
    for device in devices {
        let (mut one, mut two) =
            (first.get(device).cloned().unwrap_or_default(), other.get(device).cloned().unwrap_or_default());
        // Of a population, what as many devices went through on both sides is no difference.
        let same: Vec<Sequence> =
            one.iter().filter(|sequence| two.contains(sequence)).map(|same| (*same).clone()).collect();
        one.retain(|sequence| !same.contains(sequence));
        two.retain(|sequence| !same.contains(sequence));
        if one.is_empty() && two.is_empty() {
            continue;
        }
        let (one, two) = (one.first().copied().unwrap_or(&nothing), two.first().copied().unwrap_or(&nothing));
        let before = forks.len();
        forks.extend(fork(device, true, &one.heard, &two.heard));
        forks.extend(fork(device, false, &one.results, &two.results));
        if forks.len() == before {
            // The same happened, to another number of devices.
            let devices = |sequence: &Sequence| Some(format!("{} devices went through the same", sequence.count));
            forks.push(Fork {
                device: device.to_owned(),
                heard: true,
                after: one.heard.len(),
                last_same: one.heard.last().cloned(),
                first: devices(one),
                other: devices(two),
            });
        }
    }
    forks
}

fn fork(device: &str, heard: bool, first: &[String], other: &[String]) -> Option<Fork> {
    let after = first.iter().zip(other).take_while(|(one, two)| one == two).count();
    (after < first.len().max(other.len())).then(|| Fork {
        device: device.to_owned(),
        heard,
        after,
        last_same: after.checked_sub(1).map(|last| first[last].clone()),
        first: first.get(after).cloned(),
        other: other.get(after).cloned(),
    })
}

#[cfg(test)]
mod tests;
