use super::*;
use crate::report::result::{EmptyClaimResult, sample};
use crate::run::Verdict;

/// A scenario with one finding for each list of requirements.
fn failed(covers: &[&str], findings: &[&[&str]]) -> ScenarioResult {
    let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let mut scenario = sample::failed("f", Verdict::Fail);
    let one = scenario.findings[0].clone();
    // What names nothing is known by what the scenario claims.
    let fingerprint = |ids: &[&str]| if ids.is_empty() { format!("{covers:?}") } else { one.fingerprint.clone() };
    scenario.findings = findings
        .iter()
        .map(|ids| FindingResult { requirements: owned(ids), fingerprint: fingerprint(ids), ..one.clone() })
        .collect();
    scenario.covers = owned(covers);
    scenario
}

#[track_caller]
fn check(failures: &[ScenarioResult], expected: &[(&[&str], &[usize])]) {
    let known = BTreeMap::from([("CAN-5", 0), ("EVT-1", 1), ("EVT-6", 2), ("LST-3", 3)]);
    let found = causes(&failures.iter().collect::<Vec<_>>(), &known);
    let found: Vec<(&[&str], &[usize])> =
        found.iter().map(|cause| (&cause.requirements[..], &cause.failures[..])).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_most_name_comes_first_and_takes_its_scenarios() {
    check(
        &[
            failed(&[], &[&["LST-3"]]),
            failed(&[], &[&["EVT-1"], &["LST-3"]]),
            failed(&[], &[&["EVT-1"]]),
            failed(&[], &[&["EVT-1"]]),
        ],
        &[(&["EVT-1"], &[1, 2, 3]), (&["LST-3"], &[0])],
    );
}

#[test]
fn requirements_that_the_same_scenarios_name_are_one_cause() {
    check(
        &[failed(&[], &[&["EVT-6", "EVT-1"]]), failed(&[], &[&["EVT-1"], &["EVT-6"]])],
        &[(&["EVT-1", "EVT-6"], &[0, 1])],
    );
}

#[test]
fn what_names_nothing_speaks_of_what_is_claimed() {
    check(&[failed(&["CAN-5"], &[&[]]), failed(&["EVT-1"], &[&["CAN-5"]])], &[(&["CAN-5"], &[0, 1])]);
}

#[test]
fn without_findings_an_empty_claim_counts_and_else_the_fingerprint() {
    let claim = EmptyClaimResult { requirement: "LST-3".to_owned(), line: 1, column: 1, missing: Vec::new() };
    let empty = ScenarioResult { empty_claims: vec![claim], ..failed(&["CAN-5", "LST-3"], &[]) };
    let broke = |of: &str| ScenarioResult { fingerprint: Some(of.to_owned()), ..failed(&["CAN-5"], &[]) };
    check(
        &[empty.clone(), broke("a"), broke("b"), empty, broke("a"), broke("a")],
        &[(&[], &[1, 4, 5]), (&["LST-3"], &[0, 3]), (&[], &[2])],
    );
}

#[test]
fn findings_without_a_requirement_are_known_for_the_same() {
    let list = |covers: &[&str]| {
        let mut scenario = failed(covers, &[&[]]);
        scenario.findings[0].fingerprint = "list".to_owned();
        scenario
    };
    check(&[list(&["CAN-5"]), list(&["EVT-1"]), list(&["EVT-1"])], &[(&[], &[0, 1, 2])]);
    // In a tie the requirement tells more.
    check(&[list(&["EVT-1"]), list(&["EVT-1"])], &[(&["EVT-1"], &[0, 1])]);
}
