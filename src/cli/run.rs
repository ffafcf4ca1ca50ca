//! `convoke run`: scenarios in the simulator or another world, with checks and snapshots.

use std::collections::BTreeSet;

use super::args::{ReportFormat, Run, Which, World};
use super::clock::stopwatch;
use super::last_failed::LastFailed;
use super::output::Output;
use super::progress::Progress;
use super::{Ending, Failure};
use crate::file;
use crate::plan::WorldName;
use crate::report::result::{About, Builder, Implementation, Profile};
use crate::report::summary::Summary;
use crate::report::terminal;
use crate::run::ledger::Ledger;
use crate::run::sweep::{News, Sweep, sweep};
use crate::run::{OWN_SEED, Outcome, Recipe, SnapshotMode, Target, corpus};
use crate::scenario::Scenario;
use crate::snapshot::{self, Snapshot};
use crate::trace;

/// How many runs in real time a processor bears at once.
pub(super) const LIVE_JOBS: usize = 16;

/// The scenarios that the arguments name.
pub(super) fn targets(which: &Which) -> Result<Vec<Target>, Failure> {
    chosen(corpus::find(&which.paths)?, which)
}

/// Those of the targets that the filter lets through.
pub(super) fn chosen(mut targets: Vec<Target>, which: &Which) -> Result<Vec<Target>, Failure> {
    if let Some(filter) = &which.filter {
        let all = targets.len();
        targets.retain(|target| target.name().contains(filter));
        if targets.is_empty() {
            return Err(Failure::Usage(format!(
                "of the scenarios there ({all}), no path contains `{filter}`; `convoke lint` lists them"
            )));
        }
    }
    Ok(targets)
}

pub(super) fn run(arguments: &Run, output: &mut Output) -> Ending {
    arguments.reports.check()?;
    let clock = stopwatch();
    let recipe = recipe(arguments)?;
    let all = corpus::find(&arguments.which.paths)?;
    let mut targets = chosen(all.clone(), &arguments.which)?;
    // No path names nothing: there is a first one.
    let mut memory = LastFailed::read(&targets[0])?;
    if arguments.last_failed {
        targets.retain(|target| memory.holds(target));
        if targets.is_empty() {
            let words = "nothing of this failed the last time; run it without --last-failed";
            return Err(Failure::Usage(words.to_owned()));
        }
    }
    if arguments.trace.is_some() && (targets.len() > 1 || recipe.seeds > 1) {
        let words = "a trace is of one run: name a single scenario file, and no --seeds, with --trace";
        return Err(Failure::Usage(words.to_owned()));
    }
    if arguments.trace.is_some() && arguments.world == World::All {
        return Err(Failure::Usage("a trace is of one run: name one --world with --trace".to_owned()));
    }
    let tagged = |scenario: &Scenario| {
        arguments.tag.is_empty() || scenario.tags.iter().any(|tag| arguments.tag.contains(&tag.value))
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut summary = Summary::default();
    let mut result = match arguments.reports.need_result() {
        true => Some(Builder::new(about(arguments, &recipe, &all)?)),
        false => None,
    };
    let mut problem = None;
    let mut ended_badly = BTreeSet::new();
    let mut ledger = Ledger::new(recipe.seed, recipe.seeds, recipe.shard.index, recipe.shard.count);
    for world in worlds(arguments.world) {
        let recipe = Recipe { world: *world, ..recipe.clone() };
        // Where time is real, a run mostly waits.
        let usual = if *world == WorldName::Live { processors * LIVE_JOBS } else { processors };
        let jobs = arguments.jobs.map_or(usual, usize::from);
        let how = Sweep { jobs, fail_fast: arguments.fail_fast, clock: &clock, wanted: &tagged };
        let mut progress = Progress::new();
        sweep(&targets, &recipe, &how, |news| match news {
            News::Runs(done, all) => progress.advance(done, all, clock()),
            News::Finished(outcome) => {
                let repeat = terminal::repeat(&outcome.path, outcome.seed.0, outcome.world);
                summary.add_repeated_by(&outcome, &repeat);
                ledger.push(&outcome);
                if !outcome.verdict.is_well() {
                    ended_badly.insert(outcome.path.clone());
                }
                memory.learn(&outcome.path, !ended_badly.contains(&outcome.path));
                if problem.is_none() {
                    problem = progress.aside(|| tell(&outcome, &repeat, arguments, output)).err();
                }
                if let Some(result) = &mut result {
                    result.add(&outcome, repeat);
                }
            }
        });
        progress.end();
        if arguments.fail_fast && !ended_badly.is_empty() {
            break;
        }
    }
    summary.wall = clock();
    // Memory first: a closed pipe is no reason to forget what failed.
    if !arguments.ci && summary.scenarios() > 0 {
        memory.write()?;
    }
    if let Some(path) = &arguments.ledger {
        file::write_whole(path, |to| ledger.write(to))?;
    }
    if summary.scenarios() == 0 {
        return Err(Failure::Usage(format!("no scenario has the tag {}", arguments.tag.join(" or "))));
    }
    // Files, too, are for somebody else than who closed the pipe.
    let result = result.map(|result| result.finish(&summary));
    let written = result.as_ref().map_or(Ok(()), |result| arguments.reports.write_files(result));
    if let Some(problem) = problem {
        return Err(problem);
    }
    let human = arguments.reports.format == ReportFormat::Human;
    if human {
        output.write(&terminal::summary(&summary, recipe.seed.0, output.page))?;
    }
    if let Some(result) = &result {
        arguments.reports.say(result, output)?;
    }
    written?;
    let simulated = matches!(arguments.world, World::Sim | World::All);
    let whole = simulated && arguments.which.filter.is_none() && arguments.tag.is_empty() && !arguments.last_failed;
    if whole && human && recipe.snapshots != SnapshotMode::Off {
        tell_stale(arguments, &targets, output)?;
    }
    Ok(summary.exit_code())
}

fn worlds(world: World) -> &'static [WorldName] {
    match world {
        World::Sim => &[WorldName::Sim],
        World::Turmoil => &[WorldName::Turmoil],
        World::Live => &[WorldName::Live],
        World::All => &WorldName::ALL,
    }
}

fn recipe(arguments: &Run) -> Result<Recipe, Failure> {
    let seed = arguments.seed.unwrap_or(OWN_SEED);
    if arguments.bless && seed != OWN_SEED {
        return Err(Failure::Usage(format!("snapshots are of seed {OWN_SEED}: leave --seed out with --bless")));
    }
    if recipe_is_empty(arguments) {
        return Err(Failure::Usage(format!(
            "shard {} of {} seeds is empty: give more --seeds, or fewer shards",
            arguments.shard, arguments.seeds
        )));
    }
    if arguments.bless && !matches!(arguments.world, World::Sim | World::All) {
        return Err(Failure::Usage("snapshots are of the world `sim`: leave --world out with --bless".to_owned()));
    }
    Ok(Recipe {
        // Each of the worlds takes its turn with this recipe.
        world: WorldName::Sim,
        encode: arguments.encode,
        moments_max: None,
        seed,
        seeds: arguments.seeds.get(),
        shard: arguments.shard,
        snapshots: match arguments.bless {
            true => SnapshotMode::Bless,
            false => SnapshotMode::Compare { propose: !arguments.ci },
        },
        snapshot_folder: arguments.snapshots.clone(),
        // A result tells what each device went through.
        keep_traces: arguments.trace.is_some() || arguments.reports.need_result(),
        ..Recipe::default()
    })
}

/// Whether there are fewer seeds than shards before this one.
fn recipe_is_empty(arguments: &Run) -> bool {
    arguments.shard.share(arguments.seeds.get()) == 0
}

fn about(arguments: &Run, recipe: &Recipe, all: &[Target]) -> Result<About, Failure> {
    Ok(About {
        command: "run",
        corpus: corpus::identity(all)?,
        implementation: Implementation::reference(),
        profile: Profile::strict(),
        worlds: worlds(arguments.world).to_vec(),
        seed: recipe.seed,
        seeds: recipe.seeds,
    })
}

fn tell(outcome: &Outcome, repeat: &str, arguments: &Run, output: &mut Output) -> Result<(), Failure> {
    if let (Some(path), Some(trace)) = (&arguments.trace, &outcome.trace) {
        file::write_whole(path, |to| trace::json::write(trace, to))?;
    }
    if arguments.reports.format == ReportFormat::Human {
        output.write(&terminal::line(outcome, output.page))?;
        output.write(&terminal::details_repeated_by(outcome, repeat, output.page))?;
        output.flush()?;
    }
    Ok(())
}

/// Snapshots that no scenario has any more, in the folders that were run as a whole.
fn tell_stale(arguments: &Run, targets: &[Target], output: &mut Output) -> Result<(), Failure> {
    let mut known = BTreeSet::new();
    for target in targets {
        known.insert(Snapshot::of(&target.path, &target.root, arguments.snapshots.as_deref())?.file);
    }
    let mut folders = Vec::new();
    for path in arguments.which.paths.iter().filter(|path| path.is_dir()) {
        match &arguments.snapshots {
            // A folder of the user's choice may serve other scenarios, too.
            Some(_) => {}
            None => folders.extend(snapshot::folders(path)?),
        }
    }
    for folder in folders {
        for file in snapshot::recorded_in(&folder)?.into_iter().filter(|file| !known.contains(file)) {
            output.note(&format!("{} belongs to no scenario any more; delete it", file.display()));
        }
    }
    Ok(())
}
