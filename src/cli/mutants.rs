//! `convoke mutants`: the suite, graded by deliberately faulty variants of the reference.

use super::args::{Format, Mutants};
use super::clock::stopwatch;
use super::output::Output;
use super::progress::Progress;
use super::run::targets;
use super::{Ending, Failure};
use crate::mutant::grade::{Depth, Suite, fits};
use crate::mutant::{Mutant, catalogue, equivalents};
use crate::report::mutants;

pub(super) fn mutants(arguments: &Mutants, output: &mut Output) -> Ending {
    let clock = stopwatch();
    let chosen = chosen(&arguments.mutant)?;
    if arguments.list {
        match arguments.format {
            Format::Human => output.write(&mutants::listed(&chosen, &equivalents(), output.page))?,
            Format::Json => output.write(&format!("{:#}\n", mutants::listed_json(&chosen, &equivalents())))?,
        }
        return Ok(0);
    }
    let targets = targets(&arguments.which)?;
    let jobs = arguments.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, usize::from);
    let suite = Suite::load(&targets, jobs).map_err(|error| Failure::Usage(error.to_string()))?;
    let depth = if arguments.first_kill { Depth::FirstKill } else { Depth::Everything };
    let mut progress = Progress::new();
    let grades = suite.grade(&chosen, depth, jobs, |done, all| progress.advance(done as u64, all as u64, clock()));
    progress.end();
    match arguments.format {
        Format::Human => output.write(&mutants::graded(&grades, suite.len(), clock(), output.page))?,
        Format::Json => output.write(&format!("{:#}\n", mutants::graded_json(&grades, suite.len())))?,
    }
    Ok(mutants::exit_code(&grades))
}

/// The mutants that any of the patterns names; all of them without a pattern.
fn chosen(patterns: &[String]) -> Result<Vec<Mutant>, Failure> {
    let all = catalogue();
    let wanted = |mutant: &Mutant, pattern: &str| {
        fits(pattern, mutant.name) || fits(pattern, mutant.group()) || mutant.breaks.iter().any(|id| fits(pattern, id))
    };
    for pattern in patterns {
        if !all.iter().any(|mutant| wanted(mutant, pattern)) {
            let words = "name a mutant, a group such as CAN, or a requirement such as CAN-6; `*` stands for any text";
            return Err(Failure::Usage(format!(
                "no mutant fits `{pattern}`; {words}, and `convoke mutants --list` shows all"
            )));
        }
    }
    Ok(all
        .into_iter()
        .filter(|mutant| patterns.is_empty() || patterns.iter().any(|pattern| wanted(mutant, pattern)))
        .collect())
}
