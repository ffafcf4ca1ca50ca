//! `convoke report`: a saved result, shown again or made into something else. Nothing is run, and the exit code is that of
//! the run.

use std::path::Path;

use super::args::{Report, ReportFormat, Reports};
use super::output::Output;
use super::{Ending, Failure};
use crate::report::groups;
use crate::report::plain;
use crate::report::result::RunResult;

pub(super) fn report(arguments: &Report, output: &mut Output) -> Ending {
    let reports = Reports {
        format: arguments.format,
        json: None,
        junit: arguments.junit.clone(),
        html: arguments.html.clone(),
        // Told here, behind the failures.
        by_requirement: false,
    };
    reports.check()?;
    let result = read(&arguments.result)?;
    reports.write_files(&result)?;
    if reports.format == ReportFormat::Human {
        for scenario in result.scenarios.iter().filter(|scenario| !scenario.verdict.is_well()) {
            output.write(&format!(
                "{:<13} {}\n\n{}\n",
                scenario.verdict.name(),
                scenario.path,
                plain::story(scenario)
            ))?;
        }
        output.write(&groups::groups(&result, output.page))?;
    }
    reports.say(&result, output)?;
    Ok(result.summary.exit_code)
}

/// A saved result.
pub(super) fn read(path: &Path) -> Result<RunResult, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| Failure::Usage(format!("can't read {}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    RunResult::read(&text).map_err(|error| unreadable(&error))
}
