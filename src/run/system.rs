//! One scenario against an SDK with its server, in real time and by the API alone (contract `system`).
//!
//! It is judged as every run is, from what its applications saw. Accounts play the scenario's users, as [`Accounts`] says,
//! and two runs share neither an account nor a room.
//!
//! Real time has bad days, so what fails is run again ([`SystemSubject::attempts`]). That makes nothing green: the first run
//! that failed is what is reported, with its trace, and beside it how many of the others passed. Whoever knows that a
//! scenario is flaky lists it so (`run::known`), and it is counted.

mod accounts;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use self::accounts::{AccountError, Accounts, Listed, Token};

use super::conform::{applies, broke, name_after, off_course, set_apart, tell_what_may_lack};
use super::profile::Profile;
use super::{Outcome, Problem, RealTime, Recipe, Target, Verdict, guard, judge_run};
use crate::implementation::system::{Capability, Names, Said, SystemHello};
use crate::implementation::{Duplex, Fault, Listener};
use crate::plan::{Place, Plan, WorldName, compile};
use crate::scenario::Scenario;
use crate::seed::Seed;
use crate::trace::Trace;
use crate::world::WorldError;
use crate::world::live::Scale;
use crate::world::live::system::{self, Options, SystemError};

/// How an adapter is reached.
#[derive(Debug)]
pub enum Reach {
    /// By starting this command, as a shell takes it.
    Command(String),
    /// By connecting to a WebSocket at which it listens.
    Attach(String),
    /// By waiting until it dials in.
    Listen(Listener),
}

impl Reach {
    /// Whether somebody else has started it, and not for this run: then there is one, and one run at a time.
    #[must_use]
    pub const fn is_one(&self) -> bool {
        !matches!(self, Self::Command(_))
    }
}

/// What no application sees: what is on the wire alone, what a push service is handed, and what another life of the server
/// remembers.
const OUT_OF_SIGHT: [&str; 7] = ["IDM-2", "ORD-3", "ORD-5", "REC-4", "REC-5", "REC-6", "TMO-6"];

/// Whether an SDK with its server, of which nothing but the API is seen, can show this requirement.
fn can_show(claim: &str) -> bool {
    !OUT_OF_SIGHT.contains(&claim)
}

/// How long may be waited for somebody to dial in: people start browsers and debuggers.
const DIAL_IN: Duration = Duration::from_secs(300);

/// An SDK with its server under test.
pub struct SystemSubject {
    /// How its adapter is reached.
    pub reach: Reach,
    /// How it introduced itself.
    pub introduced: SystemHello,
    /// What is asked of it.
    pub profile: Profile,
    /// Who plays the users.
    pub accounts: Accounts,
    /// How many times shorter every span is.
    pub scale: Scale,
    /// How long it may take for one answer.
    pub patience: Duration,
    /// How long a run may take.
    pub longest: crate::time::Duration,
    /// How many runs are made of a scenario whose first one fails.
    pub attempts: u32,
    /// Adapters that may be given another run.
    idle: Mutex<Vec<Duplex>>,
}

/// What could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// The adapter does not introduce itself.
    #[error("the adapter does not introduce itself: {0}")]
    Fault(#[from] Fault),
    /// The machine gives no runtime.
    #[error("can't wait for the adapter: {0}")]
    Io(#[from] std::io::Error),
    /// What is asked for goes beyond what it can.
    #[error("--scale {scale} needs the capabilities `bounds` and `fractions`, and the adapter declares {declared}")]
    Scale {
        /// What was asked for.
        scale: u64,
        /// What it declares.
        declared: String,
    },
}

impl SystemSubject {
    /// Asks an adapter who it is. Without a `scale`, time is shortened if it can keep shortened bounds.
    ///
    /// # Errors
    /// When there is none, it does not introduce itself as it should, or it can't keep the scale.
    pub fn introduce(
        reach: Reach,
        accounts: Accounts,
        profile: Profile,
        scale: Option<Scale>,
        patience: Duration,
        attempts: u32,
    ) -> Result<Self, SubjectError> {
        let names = Names::default();
        let bounds = crate::protocol::bounds::Bounds::default();
        let hello = Said::hello(0, true, &bounds, &names);
        let runtime = runtime()?;
        let mut duplex = connect(&reach)?;
        let (introduced, idle) = runtime.block_on(async {
            let introduced = system::greet(&mut duplex, &hello, patience).await?;
            let idle = system::part(duplex, introduced.reusable, patience).await?;
            Ok::<_, Fault>((introduced, idle))
        })?;
        let can_scale = introduced.can(Capability::Bounds) && introduced.can(Capability::Fractions);
        let scale = match scale {
            Some(scale) if scale.0 > 1 && !can_scale => {
                let names: Vec<&str> = introduced.capabilities.iter().map(|one| one.name()).collect();
                let declared = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                return Err(SubjectError::Scale { scale: scale.0, declared });
            }
            Some(scale) => scale,
            None if can_scale => crate::world::live::SCALE,
            None => Scale(1),
        };
        let longest = system::REAL_TIME_MAX;
        let idle = Mutex::new(idle.into_iter().collect());
        Ok(Self { reach, introduced, profile, accounts, scale, patience, longest, attempts, idle })
    }

    /// Says `stop` to every adapter that is kept.
    ///
    /// # Errors
    /// The first that did not go as it should; the others are ended all the same.
    pub fn close(&self) -> Result<(), Fault> {
        let Ok(runtime) = runtime() else { return Ok(()) };
        let idle = std::mem::take(&mut *self.idle());
        let part = |duplex| runtime.block_on(system::part(duplex, false, self.patience)).map(|_| ());
        idle.into_iter().map(part).fold(Ok(()), Result::and)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Duplex>> {
        // A poisoned lock means a panic elsewhere; what is behind it is whole.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a scenario under one seed and judges it.
    #[must_use]
    pub fn conform(&self, target: &Target, scenario: &Scenario, seed: Seed, recipe: &Recipe) -> Outcome {
        let play = |plan: &Plan, recipe: &Recipe| self.play(target, plan, recipe);
        let mut outcome =
            in_real_time(&self.profile, self.scale, self.attempts, (target, scenario, seed), recipe, play);
        set_apart(&mut outcome, can_show);
        outcome
    }

    /// Why a scenario can't be played with it, if it can't, and the author's line. Nothing is asked of the adapter.
    #[must_use]
    pub fn out_of_reach(&self, scenario: &Scenario, seed: Seed) -> Option<(String, Place)> {
        let plan = compile::compile_for(scenario, seed, self.profile.bounds()).ok()?.without_times();
        if let Some(reason) = self.profile.out_of_reach(scenario, &plan) {
            return Some(reason);
        }
        if !plan.worlds.is_empty() && !plan.worlds.contains(&WorldName::Live) {
            return Some((leaves_out(WorldName::Live), Place::default()));
        }
        match system::prepared(&plan, &self.options(Names::default()), &self.introduced) {
            Err(WorldError::Unsupported { place, reason }) => Some((reason, place)),
            _ => None,
        }
    }

    fn options(&self, names: Names) -> Options {
        let (scale, patience, longest) = (self.scale, self.patience, self.longest);
        Options { scale, patience, longest, names, bounds: self.profile.bounds() }
    }

    fn play(&self, target: &Target, plan: &Plan, recipe: &Recipe) -> Outcome {
        let without_a_run = |verdict, words: String, place| Outcome {
            verdict,
            world: recipe.world,
            problem: Some(Problem::Words(words, place)),
            ..Outcome::planned(target, plan)
        };
        if !plan.worlds.is_empty() && !plan.worlds.contains(&recipe.world) {
            return without_a_run(Verdict::Unsupported, leaves_out(recipe.world), Place::default());
        }
        let borrowed = match self.accounts.borrow(plan) {
            Ok(borrowed) => borrowed,
            Err(AccountError::TooFew(words)) => return without_a_run(Verdict::Unsupported, words, Place::default()),
            Err(error) => return without_a_run(Verdict::HarnessError, error.to_string(), Place::default()),
        };
        let options = self.options(borrowed.names().clone());
        match self.enact(plan, &options) {
            Ok(trace) => {
                let mut outcome = match judge_run(target, trace, recipe, Vec::new()) {
                    Ok(outcome) => outcome,
                    Err(error) => return without_a_run(Verdict::HarnessError, error.to_string(), Place::default()),
                };
                self.profile.apply(&mut outcome);
                outcome
            }
            Err(SystemError::Fault(fault)) => {
                broke(without_a_run(Verdict::Fail, String::new(), Place::default()), &fault)
            }
            Err(SystemError::World(WorldError::Unsupported { place, reason })) => {
                without_a_run(Verdict::Unsupported, format!("contract `system` can't enact it: {reason}"), place)
            }
            // What the reference does right and this does not is its own failure.
            Err(SystemError::World(error @ (WorldError::Setup { .. } | WorldError::Unfinished { .. }))) => {
                off_course(without_a_run(Verdict::Fail, String::new(), Place::default()), &error)
            }
            Err(SystemError::World(error)) => without_a_run(Verdict::HarnessError, error.to_string(), Place::default()),
        }
    }

    fn enact(&self, plan: &Plan, options: &Options) -> Result<Trace, SystemError> {
        let plan = system::prepared(plan, options, &self.introduced)?;
        let runtime = runtime().map_err(|error| WorldError::Broken(error.to_string()))?;
        let idle = self.idle().pop();
        runtime.block_on(async {
            let mut duplex = match idle {
                Some(duplex) => duplex,
                None => connect(&self.reach)?,
            };
            let service = &plan.service;
            let hello = Said::hello(plan.seed.0, service.rate_limits, &service.bounds, &options.names);
            let introduced = system::greet(&mut duplex, &hello, options.patience).await?;
            // A run that came to nothing has been left in the middle: its adapter is used for no other, and is ended.
            let trace = system::run(&plan, &mut duplex, options).await?;
            let kept = system::part(duplex, introduced.reusable, options.patience).await?;
            self.idle().extend(kept);
            Ok(trace)
        })
    }
}

fn leaves_out(world: WorldName) -> String {
    format!("the scenario leaves out the world `{}`", world.name())
}

/// Plays a scenario in real time as a profile asks for it, until a run passes or as often as it may.
pub(super) fn in_real_time(
    profile: &Profile,
    scale: Scale,
    attempts: u32,
    (target, scenario, seed): (&Target, &Scenario, Seed),
    recipe: &Recipe,
    play: impl Fn(&Plan, &Recipe) -> Outcome,
) -> Outcome {
    let judged = guard::catch(|| {
        let bounds = profile.bounds();
        let plan = match compile::compile_for(scenario, seed, bounds.clone()) {
            // Real time keeps no promise of when something comes.
            Ok(plan) => plan.without_times(),
            Err(diagnostics) => {
                return Outcome::broken(target, seed, Verdict::BadScenario, Problem::Scenario(diagnostics));
            }
        };
        if let Some((words, place)) = profile.out_of_reach(scenario, &plan) {
            let problem = Some(Problem::Words(words, place));
            return Outcome { verdict: Verdict::Unsupported, problem, ..Outcome::planned(target, &plan) };
        }
        if !recipe.combination.is_plain() && !applies(profile, target, scenario, seed, recipe) {
            return Outcome { is_left_out: true, ..Outcome::nothing_yet(target, seed) };
        }
        let plan = recipe.combination.of(&plan).unwrap_or(plan);
        let (world, variants) = (WorldName::Live, profile.variants);
        let recipe = Recipe { world, variants, bounds: bounds.into(), ..recipe.clone() };
        let mut outcome = again(scale, attempts, || play(&plan, &recipe));
        tell_what_may_lack(&mut outcome, &plan);
        outcome
    });
    let mut outcome = judged.unwrap_or_else(|panic| Outcome::panicked(target, seed, &panic));
    name_after(&mut outcome, recipe);
    outcome
}

/// Plays until a run passes, or as often as it may, and says so where a run fails that others don't.
fn again(scale: Scale, attempts: u32, play: impl Fn() -> Outcome) -> Outcome {
    let mut failed: Option<Outcome> = None;
    let (mut failures, mut passes, mut runs) = (0, 0, 0);
    for attempt in 1.. {
        let mut outcome = play();
        // What can't be enacted was not run.
        runs += u32::from(outcome.trace_hash.is_some());
        outcome.real_time = (runs > 0).then_some(RealTime { scale: scale.0, runs, failed: failures });
        match outcome.verdict {
            Verdict::Fail => {
                failures += 1;
                failed.get_or_insert(outcome);
            }
            // This machine was too busy: nothing is known.
            Verdict::HarnessError if attempt < attempts => {}
            _ if failed.is_none() => return outcome,
            verdict => passes += u32::from(verdict.is_well()),
        }
        if attempt >= attempts {
            break;
        }
    }
    let Some(mut failed) = failed else { unreachable!("the last run came to something") };
    failed.real_time = Some(RealTime { scale: scale.0, runs: runs.max(failures), failed: failures });
    if passes > 0 {
        let words = format!(
            "flaky: {failures} of {} runs failed, and this is the first that did; list it as flaky to count it apart",
            failures + passes
        );
        // No finding: the fingerprint is that of the failure alone.
        failed.problem = Some(Problem::Words(words, Place::default()));
    }
    failed
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn connect(reach: &Reach) -> Result<Duplex, Fault> {
    match reach {
        Reach::Command(command) => Duplex::start(command),
        Reach::Attach(url) => Duplex::attach(url),
        Reach::Listen(listener) => listener.next(DIAL_IN),
    }
}
