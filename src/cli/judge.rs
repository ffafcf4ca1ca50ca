//! `convoke judge`: a saved trace, judged again without driving anything.

use std::fs::File;
use std::io::BufReader;

use super::args::{Format, Judge};
use super::clock::stopwatch;
use super::output::Output;
use super::{Ending, Failure};
use crate::report::summary::Summary;
use crate::report::{json, terminal};
use crate::run;
use crate::trace;

pub(super) fn judge(arguments: &Judge, output: &mut Output) -> Ending {
    let clock = stopwatch();
    let path = &arguments.trace;
    let unreadable = |error: &dyn std::fmt::Display| Failure::Usage(format!("can't read {}: {error}", path.display()));
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let trace = trace::json::read(BufReader::new(file)).map_err(|error| unreadable(&error))?;
    let seed = trace.plan.seed;
    let outcome = run::judge(&path.to_string_lossy(), trace);
    let mut summary = Summary::default();
    summary.add(&outcome);
    summary.wall = clock();
    match arguments.format {
        Format::Human => {
            output.write(&terminal::line(&outcome, output.page))?;
            output.write(&terminal::details(&outcome, output.page))?;
        }
        Format::Json => {
            output.write(&format!("{:#}\n", json::report(&[json::outcome(&outcome)], &summary, seed)))?;
        }
    }
    Ok(summary.exit_code())
}
