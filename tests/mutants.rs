//! Mutants grade the suite, and what is no mutant must survive it: a grading that kills everything says nothing.

use std::path::PathBuf;

use convoke::mutant::grade::{Depth, Fate, Suite};
use convoke::mutant::{Mutant, catalogue, equivalents};
use convoke::run::corpus;

/// The scenarios below some folders of the corpus.
fn suite(folders: &[&str]) -> Suite {
    let scenarios = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let paths: Vec<PathBuf> = folders.iter().map(|folder| scenarios.join(folder)).collect();
    Suite::load(&corpus::find(&paths).expect("the corpus is there"), jobs()).unwrap_or_else(|error| panic!("{error}"))
}

fn jobs() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[test]
fn every_mutant_is_killed_by_what_names_a_requirement_that_it_breaks() {
    let suite = suite(&[""]);
    let alive: Vec<String> = suite
        .grade(&catalogue(), Depth::FirstKill, jobs(), |_, _| {})
        .iter()
        .filter(|grade| grade.fate() != Fate::Killed)
        .map(|grade| format!("{} {}: {}", grade.fate().name(), grade.mutant.name, grade.mutant.fault))
        .collect();
    assert!(alive.is_empty(), "`convoke mutants --mutant NAME` says more:\n{}", alive.join("\n"));
}

#[test]
fn the_reference_survives_under_any_name() {
    let suite = suite(&["answer", "cancel", "client", "invite", "lists", "sessions", "timeout"]);
    let grades = suite.grade(&[Mutant::IDENTITY], Depth::Everything, jobs(), |_, _| {});
    assert_eq!(grades[0].fate(), Fate::Survived, "{:#?}", grades[0].noticed);
    assert_eq!(grades[0].scenarios, suite.len());
}

#[test]
fn equivalents_survive() {
    let mutants: Vec<Mutant> = equivalents().iter().map(|equivalent| equivalent.mutant).collect();
    let suite = suite(&["faults", "regressions", "sessions"]);
    for grade in suite.grade(&mutants, Depth::Everything, jobs(), |_, _| {}) {
        assert_eq!(grade.fate(), Fate::Survived, "{}: {:#?}", grade.mutant.name, grade.noticed);
    }
}
