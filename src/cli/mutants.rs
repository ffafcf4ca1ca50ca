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
#[cfg(feature = "net")]
use super::run::LIVE_JOBS;
use super::run::targets;
use super::{Ending, Failure};
#[cfg(feature = "net")]
use crate::implementation::Contract;
#[cfg(feature = "net")]
use crate::mutant::grade::Grade;
#[cfg(feature = "net")]
use crate::mutant::grade::at_the_api::{self, Adapters};
#[cfg(feature = "net")]
use crate::mutant::grade::black_box::{self, Behind, BlackBox};
use crate::mutant::grade::{Depth, Graded, Suite, fits};
use crate::mutant::{Mutant, catalogue, equivalents};
use crate::report::mutants;
#[cfg(feature = "net")]
use crate::report::terminal;

pub(super) fn mutants(arguments: &Mutants, output: &mut Output) -> Ending {
    let clock = stopwatch();
    let chosen = chosen(&arguments.mutant)?;
    #[cfg(feature = "net")]
    if arguments.adapter.is_some() && arguments.contract != Some(PlayedContract::System) {
        let words = "--adapter is for mutants behind an adapter of contract `system`: write --contract system";
        return Err(Failure::Usage(words.to_owned()));
    }
    if arguments.list {
        match arguments.format {
            Format::Human => output.write(&mutants::listed(&chosen, &equivalents(), output.page))?,
            Format::Json => output.write(&format!("{:#}\n", mutants::listed_json(&chosen, &equivalents())))?,
        }
        return Ok(0);
    }
    let targets = targets(&arguments.which)?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = arguments.jobs.map_or(processors, usize::from);
    let suite = Suite::load(&targets, jobs).map_err(|error| Failure::Usage(error.to_string()))?;
    let depth = if arguments.first_kill { Depth::FirstKill } else { Depth::Everything };
    let mut progress = Progress::new();
    let tell = |done, all| progress.advance(done as u64, all as u64, clock());
    #[cfg(feature = "net")]
    let graded = match arguments.contract {
        None => Ok(suite.grade(&chosen, depth, jobs, tell).into()),
        Some(PlayedContract::System) => {
            let jobs = arguments.jobs.map_or(processors * LIVE_JOBS / 2, usize::from);
            at_the_api(arguments.adapter.as_deref(), &suite, &chosen, depth, jobs, tell)
        }
        Some(PlayedContract::Core) => through(CORE, &suite, &chosen, depth, jobs, tell).map(Graded::from),
        Some(PlayedContract::Full) => through(FULL, &suite, &chosen, depth, jobs, tell).map(Graded::from),
        Some(PlayedContract::Device) => through(Behind::Library, &suite, &chosen, depth, jobs, tell).map(Graded::from),
    };
    #[cfg(not(feature = "net"))]
    let graded = Ok::<_, Failure>(Graded::from(suite.grade(&chosen, depth, jobs, tell)));
    progress.end();
    let Graded { grades, unfit } = graded?;
    for (scenario, what) in &unfit {
        output.note(&format!("{scenario} grades nothing: with the faultless server behind it, it comes to {what}"));
    }
    match arguments.format {
        Format::Human => output.write(&mutants::graded(&grades, suite.len(), clock(), output.page))?,
        Format::Json => {
            let mut value = mutants::graded_json(&grades, suite.len());
            value["unfit"] = serde_json::json!(unfit);
            output.write(&format!("{value:#}\n"))?;
        }
    }
    Ok(mutants::exit_code(&grades))
}

#[cfg(feature = "net")]
const CORE: Behind = Behind::Server(Contract::Core);
#[cfg(feature = "net")]
const FULL: Behind = Behind::Server(Contract::Full);

/// How the program is started again that this is, in a shell.
#[cfg(feature = "net")]
fn convoke() -> Result<String, Failure> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::Broken(format!("can't find out which program this is, to start it again: {error}"))
    })?;
    Ok(terminal::shell_word(&program.to_string_lossy()))
}

/// What stands for the mutant's name in the command of an adapter.
#[cfg(feature = "net")]
const PLACE: &str = "{mutant}";

/// Each mutant is the server behind the user's adapter, or `convoke reference --contract system --mutant NAME`.
#[cfg(feature = "net")]
fn at_the_api(
    adapter: Option<&str>,
    suite: &Suite,
    mutants: &[Mutant],
    depth: Depth,
    jobs: usize,
    tell: impl FnMut(usize, usize),
) -> Result<Graded, Failure> {
    /// How long an adapter may take for one answer: it starts a server for each run, and many runs go on at once.
    const PATIENCE: Duration = Duration::from_secs(60);
    /// A run that shows something is made once more.
    const ATTEMPTS: u32 = 2;
    if let Some(adapter) = adapter.filter(|adapter| !adapter.contains(PLACE)) {
        return Err(Failure::Usage(format!(
            "`{adapter}` is the same adapter for every mutant: write {PLACE} where the mutant's name belongs, as in \
             --adapter \"./adapter --serve 'convoke serve --mutant {PLACE}'\""
        )));
    }
    end_with_us()?;
    let convoke = convoke()?;
    let command = |mutant: &Mutant| match adapter {
        Some(adapter) => adapter.replace(PLACE, mutant.name),
        None => format!("exec {convoke} reference --contract system --mutant {}", mutant.name),
    };
    let how = Adapters { command: &command, plays_library: adapter.is_none(), patience: PATIENCE, attempts: ATTEMPTS };
    at_the_api::grade(suite, mutants, &how, depth, jobs, tell).map_err(|error| Failure::Broken(error.to_string()))
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
    let convoke = convoke()?;
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
