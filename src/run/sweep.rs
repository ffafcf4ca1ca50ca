//! Many scenarios under many seeds, on several threads, with the same outcomes as on one.
//!
//! Of the seeds of a scenario the first that does not end well is reported, whichever thread came upon one first: seeds
//! below it are always run, seeds above it are saved.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use super::{Outcome, Problem, Recipe, Target, Verdict, guard, run};
use crate::scenario::{self, Scenario};
use crate::seed::Seed;

/// How a sweep is carried out; none of it changes an outcome.
pub struct Sweep<'s> {
    /// How many threads, at least 1.
    pub jobs: usize,
    /// Whether nothing more is begun after the first scenario that doesn't end well.
    pub fail_fast: bool,
    /// How long it has been since some moment in the past.
    pub clock: &'s (dyn Fn() -> Duration + Sync),
    /// Which scenarios are wanted, by what only the loaded file knows. What is not wanted has no outcome.
    pub wanted: &'s (dyn Fn(&Scenario) -> bool + Sync),
}

/// What a sweep tells on its way.
#[derive(Debug)]
pub enum News {
    /// This many of that many runs are over.
    Runs(u64, u64),
    /// A scenario is over. They come in the order of the targets.
    Finished(Box<Outcome>),
}

/// One scenario during a sweep.
#[derive(Default)]
struct Lane {
    loaded: OnceLock<Result<Option<Arc<Scenario>>, Box<Outcome>>>,
    /// The number of the first seed that did not end well, of those run so far.
    first_bad: AtomicU64,
    done: Mutex<Done>,
}

#[derive(Default)]
struct Done {
    runs: u64,
    sum: Option<Outcome>,
}

/// What runs one scenario under one seed.
pub type Play<'p> = dyn Fn(&Target, &Scenario, Seed) -> Outcome + Sync + 'p;

/// Runs the targets and tells what comes of each, in their order. With `fail_fast`, targets after the first that
/// doesn't end well are not told of.
pub fn sweep(targets: &[Target], recipe: &Recipe, sweep: &Sweep<'_>, tell: impl FnMut(News)) {
    let play = |target: &Target, scenario: &Scenario, seed| run(target, scenario, seed, recipe);
    sweep_with(targets, recipe, sweep, &play, tell);
}

/// The same, where somebody else than [`run`] runs the scenarios.
pub fn sweep_with(targets: &[Target], recipe: &Recipe, sweep: &Sweep<'_>, play: &Play<'_>, mut tell: impl FnMut(News)) {
    let seeds = recipe.shard.share(recipe.seeds.max(1));
    let lanes: Vec<Lane> =
        targets.iter().map(|_| Lane { first_bad: AtomicU64::new(u64::MAX), ..Lane::default() }).collect();
    let all = targets.len() as u64 * seeds;
    let next = AtomicU64::new(0);
    let stop_after = AtomicUsize::new(usize::MAX);
    let over = AtomicBool::new(false);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..sweep.jobs.clamp(1, usize::try_from(all).unwrap_or(usize::MAX).max(1)) {
            let sender = sender.clone();
            let (lanes, next, stop_after, over) = (&lanes, &next, &stop_after, &over);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= all || over.load(Ordering::Relaxed) {
                        break;
                    }
                    let index = usize::try_from(number / seeds).unwrap_or(usize::MAX);
                    if index > stop_after.load(Ordering::Relaxed) {
                        break;
                    }
                    let finished = lanes[index].advance(&targets[index], number % seeds, seeds, recipe, sweep, play);
                    if let Some(Some(outcome)) = &finished
                        && sweep.fail_fast
                        && !outcome.verdict.is_well()
                    {
                        stop_after.fetch_min(index, Ordering::Relaxed);
                    }
                    if sender.send((index, finished)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut runs = 0;
        let mut due = 0;
        let mut early: BTreeMap<usize, Option<Outcome>> = BTreeMap::new();
        for (index, finished) in receiver {
            runs += 1;
            tell(News::Runs(runs, all));
            if let Some(outcome) = finished {
                early.insert(index, outcome);
            }
            while let Some(outcome) = early.remove(&due) {
                due += 1;
                let Some(outcome) = outcome else { continue };
                let last = sweep.fail_fast && !outcome.verdict.is_well();
                tell(News::Finished(Box::new(outcome)));
                if last {
                    over.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
    });
}

impl Lane {
    /// Runs one seed; with the last one, the scenario's outcome: nothing inside when it is not wanted.
    fn advance(
        &self,
        target: &Target,
        number: u64,
        seeds: u64,
        recipe: &Recipe,
        sweep: &Sweep<'_>,
        play: &Play<'_>,
    ) -> Option<Option<Outcome>> {
        let seed = Seed(recipe.seed.0.wrapping_add(recipe.shard.item(number)));
        let began = (sweep.clock)();
        let outcome = match self.loaded.get_or_init(|| load(target, recipe.seed, sweep)) {
            Err(broken) if number == 0 => Some((**broken).clone()),
            Ok(Some(scenario)) if number <= self.first_bad.load(Ordering::Relaxed) => {
                Some(play(target, scenario, seed))
            }
            _ => None,
        };
        let took = (sweep.clock)().saturating_sub(began);
        if outcome.as_ref().is_some_and(|outcome| !outcome.verdict.is_well()) {
            self.first_bad.fetch_min(number, Ordering::Relaxed);
        }
        // A poisoned lock means a panic while adding numbers: they are still numbers.
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.runs += 1;
        if let Some(outcome) = outcome {
            let outcome = Outcome { wall: took, ..outcome };
            done.sum = Some(match done.sum.take() {
                None => outcome,
                Some(sum) => merge(sum, outcome, recipe),
            });
        }
        (done.runs == seeds).then(|| done.sum.take())
    }
}

fn load(target: &Target, seed: Seed, sweep: &Sweep<'_>) -> Result<Option<Arc<Scenario>>, Box<Outcome>> {
    match guard::catch(|| scenario::load(&target.path)) {
        Ok(Ok(scenario)) => Ok((sweep.wanted)(&scenario).then(|| Arc::new(scenario))),
        Ok(Err(diagnostics)) => {
            let problem = Problem::Scenario(diagnostics);
            Err(Box::new(Outcome::broken(target, seed, Verdict::BadScenario, problem)))
        }
        Err(panic) => Err(Box::new(Outcome::panicked(target, seed, &panic))),
    }
}

/// Of two outcomes of a scenario: the one with the lower seed that did not end well; if both did, the lower seed, counted
/// together. Which seeds above a bad one were run is a matter of luck, so they are not counted.
fn merge(one: Outcome, other: Outcome, recipe: &Recipe) -> Outcome {
    let number = |outcome: &Outcome| outcome.seed.0.wrapping_sub(recipe.seed.0);
    let wall = one.wall + other.wall;
    let (reported, rest) = match (one.verdict.is_well(), number(&one)) <= (other.verdict.is_well(), number(&other)) {
        true => (one, other),
        false => (other, one),
    };
    if reported.verdict.is_well() {
        let (extent, seeds_run) = (reported.extent.and(rest.extent), reported.seeds_run + rest.seeds_run);
        return Outcome { extent, wall, seeds_run, ..reported };
    }
    // Of the seeds up to the bad one this shard has run its own.
    let seeds_run = number(&reported) / u64::from(recipe.shard.count) + 1;
    Outcome { wall, seeds_run, ..reported }
}
