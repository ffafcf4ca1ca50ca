//! `convoke judge`: a saved trace, judged again without driving anything.

use std::fs::File;
use std::io::BufReader;

use super::args::{Judge, ReportFormat};
use super::clock::stopwatch;
use super::output::Output;
use super::{Ending, Failure};
use crate::report::result::{About, Builder, Implementation, Profile};
use crate::report::summary::Summary;
use crate::report::terminal;
use crate::run::{self, corpus::Corpus};
use crate::trace;

pub(super) fn judge(arguments: &Judge, output: &mut Output) -> Ending {
    arguments.reports.check()?;
    let clock = stopwatch();
    let path = &arguments.trace;
    let unreadable = |error: &dyn std::fmt::Display| Failure::Usage(format!("can't read {}: {error}", path.display()));
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let trace = trace::json::read(BufReader::new(file)).map_err(|error| unreadable(&error))?;
    let source = &trace.plan.source;
    let about = About {
        command: "judge",
        corpus: Corpus::of([(source.path.as_str(), source.text.as_bytes())]),
        // A trace does not say who played in it.
        implementation: Implementation { name: "a saved trace".to_owned(), version: None, contract: None },
        profile: Profile::strict(),
        worlds: Vec::new(),
        seed: trace.plan.seed,
        seeds: 1,
    };
    let outcome = run::judge(&path.to_string_lossy(), trace);
    let repeat = format!("convoke judge {}", terminal::shell_word(&outcome.path));
    let mut summary = Summary::default();
    summary.add_repeated_by(&outcome, &repeat);
    summary.wall = clock();
    if arguments.reports.format == ReportFormat::Human {
        output.write(&terminal::line(&outcome, output.page))?;
        output.write(&terminal::details_repeated_by(&outcome, &repeat, output.page))?;
    }
    if arguments.reports.need_result() {
        let mut result = Builder::new(about);
        result.add(&outcome, repeat);
        let result = result.finish(&summary);
        arguments.reports.write_files(&result)?;
        arguments.reports.say(&result, output)?;
    }
    Ok(summary.exit_code())
}
