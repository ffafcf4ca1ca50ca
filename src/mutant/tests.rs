use std::collections::BTreeSet;

use super::grade::fits;
use super::*;

#[test]
fn every_mutant_has_a_name_of_its_own_and_breaks_what_there_is() {
    let mut names = BTreeSet::new();
    let equivalents = equivalents();
    for mutant in catalogue().iter().chain(equivalents.iter().map(|equivalent| &equivalent.mutant)) {
        assert!(names.insert(mutant.name), "two mutants are called {}", mutant.name);
        assert!(mutant.fault.ends_with('.'), "{} says what is wrong in a sentence", mutant.name);
        assert!(!mutant.breaks.is_empty(), "{} breaks nothing", mutant.name);
        for id in mutant.breaks {
            let known = REQUIREMENTS.iter().any(|requirement| requirement.id == *id);
            assert!(known, "{} breaks {id}, which is no requirement", mutant.name);
        }
    }
}

#[test]
fn every_group_of_requirements_has_mutants() {
    let groups: BTreeSet<&str> =
        catalogue().iter().flat_map(|mutant| mutant.breaks).filter_map(|id| id.split('-').next()).collect();
    for group in GROUPS.iter().map(|group| group.prefix) {
        assert!(groups.contains(group), "no mutant breaks anything of {group}");
    }
}

#[test]
fn the_catalogue_goes_by_requirements() {
    let places: Vec<usize> = catalogue().iter().map(Mutant::place).collect();
    assert!(places.is_sorted());
    assert!(!places.contains(&usize::MAX));
}

#[test]
fn a_star_stands_for_any_text() {
    assert!(fits("cancel-*", "cancel-is-lost"));
    assert!(fits("*lost", "cancel-is-lost"));
    assert!(fits("*is*", "cancel-is-lost"));
    assert!(fits("*", ""));
    assert!(!fits("cancel", "cancel-is-lost"));
    assert!(!fits("a*b", "ac"));
}
