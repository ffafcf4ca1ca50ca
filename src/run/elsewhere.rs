//! One scenario against a server that runs somewhere, by its URL: contract `full` in real time, with the reference devices.
//!
//! It is seen from the devices' ends of the wire, and judged by what a server owes. As in every real time, what fails is run
//! again, and nothing becomes green by that.

use super::conform::{off_course, set_apart};
use std::sync::atomic::{AtomicU64, Ordering};

use super::profile::Profile;
use super::system::{AccountError, Accounts, in_real_time};
use super::{Outcome, Problem, Recipe, Target, Verdict, judge_run};
use crate::plan::{Place, Plan, WorldName};
use crate::protocol::requirements;
use crate::scenario::Scenario;
use crate::seed::Seed;
use crate::world::WorldError;
use crate::world::driver::dial::{DialError, DialOptions, Dialler};
use crate::world::live::elsewhere::{self, Options};
use crate::world::live::{Scale, system};

/// What is shown only by who can end the server or see what it hands to a push service.
const OUT_OF_SIGHT: [&str; 3] = ["REC-4", "REC-5", "REC-6"];

/// Whether a server that is seen by its devices can show this requirement.
fn can_show(claim: &str) -> bool {
    let of_the_server = requirements::find(claim).is_some_and(|found| found.subject.includes_server());
    of_the_server && !OUT_OF_SIGHT.contains(&claim)
}

/// A running server under test.
pub struct Elsewhere {
    /// How it is reached.
    dialler: Dialler,
    /// What is asked of it.
    pub profile: Profile,
    /// Who plays the users.
    pub accounts: Accounts,
    /// How many times shorter every span is, those of the server included.
    pub scale: Scale,
    /// How many runs are made of a scenario whose first one fails.
    pub attempts: u32,
    /// What no other process puts before the ids of its devices.
    nonce: String,
    /// How many runs there were.
    runs: AtomicU64,
}

impl Elsewhere {
    /// Reaches a server once. No other process has this `nonce`.
    ///
    /// # Errors
    /// When nobody who speaks the protocol answers there.
    pub fn reach(
        url: &str,
        accounts: Accounts,
        profile: Profile,
        scale: Scale,
        attempts: u32,
        nonce: String,
    ) -> Result<Self, DialError> {
        let dialler = Dialler::new(url, &DialOptions::from_environment()?)?;
        let failed =
            |error: std::io::Error| DialError::Unreachable { place: url.to_owned(), reason: error.to_string() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        drop(runtime.block_on(dialler.dial())?);
        Ok(Self { dialler, profile, accounts, scale, attempts, nonce, runs: AtomicU64::new(0) })
    }

    /// Where it is, without what may be secret.
    #[must_use]
    pub fn url(&self) -> String {
        self.dialler.url()
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

    /// Why this plan can't be played with it, if it can't.
    fn out_of_reach(&self, plan: &Plan) -> Option<String> {
        if !plan.worlds.is_empty() && !plan.worlds.contains(&WorldName::Live) {
            return Some(format!("the scenario leaves out the world `{}`", WorldName::Live.name()));
        }
        let service = &plan.service;
        if *service.bounds != self.profile.bounds() || !service.rate_limits {
            return Some("the scenario asks for other bounds than the server has".to_owned());
        }
        let claims: Vec<&str> = plan.covers.iter().map(|claim| &*claim.requirement.0).collect();
        if !claims.is_empty() && !claims.iter().any(|claim| can_show(claim)) {
            return Some(format!(
                "a server that is seen from outside can't show what it claims: {}",
                claims.join(", ")
            ));
        }
        None
    }

    fn play(&self, target: &Target, plan: &Plan, recipe: &Recipe) -> Outcome {
        let without_a_run = |verdict, words: String, place| Outcome {
            verdict,
            world: recipe.world,
            problem: Some(Problem::Words(words, place)),
            ..Outcome::planned(target, plan)
        };
        if let Some(words) = self.out_of_reach(plan) {
            return without_a_run(Verdict::Unsupported, words, Place::default());
        }
        let borrowed = match self.accounts.borrow(plan) {
            Ok(borrowed) => borrowed,
            Err(AccountError::TooFew(words)) => return without_a_run(Verdict::Unsupported, words, Place::default()),
            Err(error) => return without_a_run(Verdict::HarnessError, error.to_string(), Place::default()),
        };
        let options = Options {
            dialler: self.dialler.clone(),
            scale: self.scale,
            longest: system::REAL_TIME_MAX,
            names: borrowed.names().clone(),
            device_prefix: format!("{}{:x}-", self.nonce, self.runs.fetch_add(1, Ordering::Relaxed)),
        };
        match elsewhere::run(plan, &options) {
            Ok(trace) => match judge_run(target, trace, recipe, Vec::new()) {
                Ok(mut outcome) => {
                    self.profile.apply(&mut outcome);
                    outcome
                }
                Err(error) => without_a_run(Verdict::HarnessError, error.to_string(), Place::default()),
            },
            Err(WorldError::Unsupported { place, reason }) => {
                without_a_run(Verdict::Unsupported, format!("a server by its URL can't enact it: {reason}"), place)
            }
            // What the reference does right and this does not is its own failure.
            Err(error @ (WorldError::Setup { .. } | WorldError::Unfinished { .. })) => {
                off_course(without_a_run(Verdict::Fail, String::new(), Place::default()), &error)
            }
            Err(error) => without_a_run(Verdict::HarnessError, error.to_string(), Place::default()),
        }
    }
}
