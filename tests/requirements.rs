//! The corpus and the catalogue: every citation names a requirement, and everything that binds has a scenario.

use std::collections::BTreeSet;
use std::path::Path;

use convoke::protocol::requirements::{self, Level};
use convoke::run::corpus;
use convoke::scenario::{self, At, Scenario};

fn scenarios() -> Vec<Scenario> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let targets = corpus::find(&[root]).expect("the corpus is there");
    let load = |path: &Path| scenario::load(path).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    targets.iter().map(|target| load(&target.path)).collect()
}

/// What a scenario cites: in `covers`, and in the `by` of a result or an expectation.
fn cited(scenario: &Scenario) -> impl Iterator<Item = &At<String>> {
    let results = scenario.steps.iter().flat_map(|step| step.results.iter().flat_map(|result| &result.by));
    let expectations = scenario.expect.iter().flat_map(|expect| &expect.by);
    scenario.covers.iter().chain(results).chain(expectations)
}

#[test]
fn scenarios_cite_requirements_that_exist() {
    let mut unknown = Vec::new();
    for scenario in scenarios() {
        for id in cited(&scenario).filter(|id| requirements::find(&id.value).is_none()) {
            unknown.push(format!("{}:{}: {}", scenario.path, id.span.line, id.value));
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}

#[test]
fn every_must_and_should_has_a_scenario() {
    let claimed: BTreeSet<String> =
        scenarios().into_iter().flat_map(|scenario| scenario.covers).map(|claim| claim.value).collect();
    let missing: Vec<&str> = requirements::REQUIREMENTS
        .iter()
        .filter(|requirement| !requirement.definition && requirement.level != Level::May)
        .map(|requirement| requirement.id)
        .filter(|id| !claimed.contains(*id))
        .collect();
    assert!(missing.is_empty(), "no scenario covers {}", missing.join(", "));
}
