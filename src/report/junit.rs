//! A result as JUnit XML, which CI systems show: one test suite a folder, one test case a scenario and world.
//!
//! What a scenario says in words stands in the body of its failure. The format knows no unsupported scenario and no known
//! failure: both are skipped tests that say why, so they are seen and fail no build. The version of XML that everybody
//! reads admits few control characters; others are left out, wherever they come from.

use std::time::Duration;

use indexmap::IndexMap;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::plain::{headline, story};
use super::result::{RunResult, ScenarioResult};
use crate::run::Verdict;

/// The whole report, with a line break at its end.
#[must_use]
pub fn junit(result: &RunResult) -> String {
    let mut suites: IndexMap<&str, TestSuite> = IndexMap::new();
    for scenario in &result.scenarios {
        let folder = scenario.path.rsplit_once('/').map_or(".", |(folder, _)| folder);
        let suite = suites.entry(folder).or_insert_with(|| {
            let mut suite = TestSuite::new(folder);
            suite.set_time(Duration::ZERO);
            suite.add_properties(properties(result));
            suite
        });
        let took = seconds(scenario.wall_seconds);
        suite.set_time(suite.time.unwrap_or_default() + took);
        suite.add_test_case(test_case(scenario, folder, took));
    }
    let mut report = Report::new(format!("convoke {}", result.command));
    report.set_time(seconds(result.summary.wall_seconds));
    report.add_test_suites(suites.into_values());
    report.to_string().expect("a string takes everything")
}

fn properties(result: &RunResult) -> Vec<Property> {
    let implementation = match &result.implementation.version {
        Some(version) => format!("{} {version}", result.implementation.name),
        None => result.implementation.name.clone(),
    };
    let waived: Vec<&str> = result.profile.waived.iter().map(|waived| waived.requirement.as_str()).collect();
    let variants = result.profile.variants.iter();
    let variants: Vec<String> = variants.map(|one| format!("{}={}", one.requirement, one.variant)).collect();
    vec![
        Property::new("implementation", implementation),
        Property::new("contract", result.implementation.contract.as_deref().unwrap_or("none")),
        Property::new("profile", result.profile.name.as_str()),
        Property::new("waived", waived.join(" ")),
        Property::new("variants", variants.join(" ")),
        Property::new("corpus", result.corpus.version.as_deref().unwrap_or("none")),
        Property::new("corpus-hash", result.corpus.hash.as_str()),
        Property::new("convoke", result.tool.version.as_str()),
        Property::new("seed", result.seed.to_string()),
    ]
}

fn test_case(scenario: &ScenarioResult, folder: &str, took: Duration) -> TestCase {
    let file = scenario.path.rsplit_once('/').map_or(scenario.path.as_str(), |(_, file)| file);
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let name = match scenario.world.as_str() {
        "sim" => stem.to_owned(),
        world => format!("{stem} [{world}]"),
    };
    let mut case = TestCase::new(name, status(scenario));
    case.set_classname(folder).set_time(took);
    if scenario.verdict == Verdict::KnownFailure {
        case.set_system_out(story(scenario));
    }
    case
}

fn status(scenario: &ScenarioResult) -> TestCaseStatus {
    let skipped = |message: String| {
        let mut status = TestCaseStatus::skipped();
        status.set_message(message);
        status
    };
    let kind = match scenario.verdict {
        Verdict::Pass | Verdict::NonStrict => return TestCaseStatus::success(),
        Verdict::Unsupported => return skipped(format!("unsupported: {}", headline(scenario))),
        Verdict::KnownFailure => {
            let why = scenario.known_failure.as_deref().unwrap_or("it is on the list of known failures");
            return skipped(format!("known failure: {why}"));
        }
        Verdict::Fail | Verdict::UnexpectedPass | Verdict::Inconclusive => NonSuccessKind::Failure,
        // The author's file, the implementation or the harness broke.
        _ => NonSuccessKind::Error,
    };
    let message = match (scenario.verdict, headline(scenario)) {
        (Verdict::UnexpectedPass, _) => {
            let why = scenario.known_failure.as_deref().unwrap_or("it is on the list of known failures");
            format!("it passes, and is listed as a known failure ({why}): take it off the list")
        }
        (verdict, headline) if headline.is_empty() => verdict.name().to_owned(),
        (_, headline) => headline,
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message).set_type(scenario.verdict.name()).set_description(format!("\n{}", story(scenario)));
    status
}

/// A saved result may have been changed by hand: what is no time is none.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests;
