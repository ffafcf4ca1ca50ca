//! `convoke mutants`: the suite, graded by deliberately faulty variants of the reference.

#[cfg(feature = "net")]
use std::time::Duration;

#[cfg(feature = "net")]
use super::args::PlayedContract;
use super::args::{Format, Mutants};
use super::clock::stopwatch;
#[cfg(feature = "net")]
use super::conform::end_with_us;
use super::output::Output;
use super::progress::Progress;
use super::run::targets;
use super::{Ending, Failure};
#[cfg(feature = "net")]
use crate::implementation::Contract;
#[cfg(feature = "net")]
use crate::mutant::grade::Grade;
#[cfg(feature = "net")]
use crate::mutant::grade::black_box::{self, Behind, BlackBox};
use crate::mutant::grade::{Depth, Suite, fits};
use crate::mutant::{Mutant, catalogue, equivalents};
use crate::report::mutants;
#[cfg(feature = "net")]
use crate::report::terminal;

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
    let tell = |done, all| progress.advance(done as u64, all as u64, clock());
    #[cfg(feature = "net")]
    let grades = match arguments.contract {
        None => Ok(suite.grade(&chosen, depth, jobs, tell)),
        Some(contract) => through(behind(contract), &suite, &chosen, depth, jobs, tell),
    };
    #[cfg(not(feature = "net"))]
    let grades = Ok::<_, Failure>(suite.grade(&chosen, depth, jobs, tell));
    progress.end();
    let grades = grades?;
    match arguments.format {
        Format::Human => output.write(&mutants::graded(&grades, suite.len(), clock(), output.page))?,
        Format::Json => output.write(&format!("{:#}\n", mutants::graded_json(&grades, suite.len())))?,
    }
    Ok(mutants::exit_code(&grades))
}

#[cfg(feature = "net")]
fn behind(contract: PlayedContract) -> Behind {
    match contract {
        PlayedContract::Core => Behind::Server(Contract::Core),
        PlayedContract::Full => Behind::Server(Contract::Full),
        PlayedContract::Device => Behind::Library,
    }
}

/// Each mutant is `convoke reference --mutant NAME`.
#[cfg(feature = "net")]
fn through(
    behind: Behind,
    suite: &Suite,
    mutants: &[Mutant],
    depth: Depth,
    jobs: usize,
    tell: impl FnMut(usize, usize),
) -> Result<Vec<Grade>, Failure> {
    /// How long a mutant may take for one answer: it is as quick as the reference.
    const PATIENCE: Duration = Duration::from_secs(30);
    end_with_us()?;
    let convoke = std::env::current_exe().map_err(|error| {
        Failure::Broken(format!("can't find out which program this is, to start it again: {error}"))
    })?;
    let convoke = terminal::shell_word(&convoke.to_string_lossy());
    let contract = behind.name();
    let command = |mutant: &Mutant| format!("exec {convoke} reference --contract {contract} --mutant {}", mutant.name);
    let how = BlackBox { behind, command: &command, patience: PATIENCE };
    black_box::grade(suite, mutants, &how, depth, jobs, tell)
        .map_err(|fault| Failure::Broken(format!("the reference does not introduce itself: {fault}")))
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
