//! One scenario with client libraries of somebody else, under our clock: all its devices, or some, each by a library of its
//! own. The reference plays the server and whatever is left.
//!
//! It is judged as every run is, by the author's expectations and the always-checks. The server is right, so whatever is
//! found is of the libraries; what a scenario claims of the server alone is not put down to them. Every run is made twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::conform::{MOMENTS_MAX, applies, blamed_on_it, broke, name_after, not_deterministic};
use super::profile::Profile;
use super::{Outcome, Played, Problem, Recipe, SnapshotMode, Target, Verdict, guard, run_as};
use crate::implementation::device::{Crew, LibraryAnswer, Seats, Serves};
use crate::plan::{Action, DeviceIndex, DeviceKind, Place, Plan, compile};
use crate::protocol::requirements;
use crate::scenario::{Scenario, Selector};
use crate::seed::Seed;
use crate::world::cast;

/// So many processes are started for one run, and no more: a crowd needs a library that plays several devices.
const PROCESSES_MAX: usize = 64;

/// The libraries under test.
pub struct Libraries {
    /// Who plays whom: of several that fit, the first.
    pub parties: Vec<Party>,
    /// What is asked of them.
    pub profile: Profile,
    /// Whether every run is made a second time.
    pub twice: bool,
}

/// One library, and the devices that it plays.
pub struct Party {
    /// Which devices; all that nobody else plays without it.
    pub whom: Option<Selector>,
    /// How it is reached.
    pub crew: Arc<Crew>,
}

impl Party {
    /// As reports name it.
    #[must_use]
    pub fn name(&self) -> String {
        let LibraryAnswer { name, version, .. } = self.crew.answer();
        format!("{name} {version}")
    }

    fn fits(&self, plan: &Plan, device: DeviceIndex) -> bool {
        let Some(wanted) = &self.whom else { return true };
        // A device is named as a selector of it alone.
        let name = Selector::parse(&plan.device(device).name).expect("the name of a device is a selector");
        let place = |selector: &Selector| {
            let bounds = &plan.service.bounds;
            selector.range.as_ref().map(|range| (range.first.value(bounds), range.last.value(bounds)))
        };
        let is_among = match (place(wanted), place(&name)) {
            (None, _) => true,
            (Some((first, last)), Some((number, _))) => (first..=last).contains(&number),
            (Some(_), None) => false,
        };
        wanted.user == name.user && is_among && (wanted.device.is_none() || wanted.device == name.device)
    }
}

/// Why a plan can't be played, and the author's line.
type Reason = (String, Place);

impl Libraries {
    /// Runs a scenario under one seed and judges it.
    #[must_use]
    pub fn conform(&self, target: &Target, scenario: &Scenario, seed: Seed, recipe: &Recipe) -> Outcome {
        let mut outcome = self.judged(target, scenario, seed, recipe);
        name_after(&mut outcome, recipe);
        outcome
    }

    fn judged(&self, target: &Target, scenario: &Scenario, seed: Seed, recipe: &Recipe) -> Outcome {
        let bounds = self.profile.bounds();
        let planned = guard::catch(|| compile::compile_for(scenario, seed, bounds.clone()).ok());
        let Ok(Some(plan)) = planned else { return run_as(target, scenario, seed, recipe, &cast::Reference) };
        let unsupported = |(words, place): Reason| {
            let problem = Some(Problem::Words(words, place));
            Outcome { verdict: Verdict::Unsupported, problem, ..Outcome::planned(target, &plan) }
        };
        if let Some(reason) = self.profile.out_of_reach(scenario, &plan) {
            return unsupported(reason);
        }
        if !recipe.combination.is_plain() && !applies(&self.profile, target, scenario, seed, recipe) {
            return Outcome { is_left_out: true, ..Outcome::nothing_yet(target, seed) };
        }
        let plan = recipe.combination.of(&plan).unwrap_or(plan);
        let roles = self.roles(&plan);
        if let Some((words, place)) = self.out_of_reach(&plan, &roles) {
            let problem = Some(Problem::Words(words, place));
            return Outcome { verdict: Verdict::Unsupported, problem, ..Outcome::planned(target, &plan) };
        }
        let keeps_traces = recipe.keep_traces;
        let moments_max = recipe.moments_max.or(Some(MOMENTS_MAX));
        let variants = self.profile.variants;
        let recipe = Recipe { moments_max, keep_traces: true, variants, bounds: bounds.into(), ..recipe.clone() };
        // What is recorded must be what it always says.
        let records = self.twice && recipe.snapshots == SnapshotMode::Bless;
        let first = Recipe { snapshots: if records { SnapshotMode::Off } else { recipe.snapshots }, ..recipe.clone() };
        let mut outcome = self.once(target, scenario, seed, &first, &roles);
        let can_repeat = !matches!(outcome.verdict, Verdict::ImplementationBroke | Verdict::BadScenario);
        if self.twice && can_repeat {
            let again = Recipe { snapshots: SnapshotMode::Off, ..recipe.clone() };
            let second = self.once(target, scenario, seed, &again, &roles);
            if second.verdict == Verdict::ImplementationBroke {
                outcome = second;
            } else {
                not_deterministic(&mut outcome, &second);
            }
        }
        if records && outcome.findings.is_empty() {
            outcome = self.once(target, scenario, seed, &recipe, &roles);
        }
        self.profile.apply(&mut outcome);
        // What the server did right is not the libraries' doing.
        let binds_devices = |id: &str| requirements::find(id).is_some_and(|found| found.subject.includes_device());
        outcome.covers.retain(|claim| binds_devices(&claim.0));
        outcome.played = self.played(&plan, &roles);
        if outcome.verdict.is_well() && !keeps_traces {
            outcome.trace = None;
        }
        outcome
    }

    /// Which party plays each device, if one does.
    fn roles(&self, plan: &Plan) -> BTreeMap<DeviceIndex, usize> {
        let libraries = plan.device_indices().filter(|device| plan.device(*device).kind == DeviceKind::Sdk);
        let role =
            |device: DeviceIndex| Some((device, self.parties.iter().position(|party| party.fits(plan, device))?));
        libraries.filter_map(role).collect()
    }

    /// Who played whom, for reports.
    fn played(&self, plan: &Plan, roles: &BTreeMap<DeviceIndex, usize>) -> Vec<Played> {
        let by = |party: usize| {
            let devices = roles.iter().filter(|(_, of)| **of == party).map(|(device, _)| *device);
            Played {
                implementation: self.parties[party].name(),
                devices: devices.map(|device| plan.device(device).name.clone()).collect(),
            }
        };
        (0..self.parties.len()).map(by).filter(|played| !played.devices.is_empty()).collect()
    }

    fn out_of_reach(&self, plan: &Plan, roles: &BTreeMap<DeviceIndex, usize>) -> Option<Reason> {
        if roles.is_empty() {
            let named = self.parties.iter().filter_map(|party| Some(party.whom.as_ref()?.text.as_str()));
            let named = named.collect::<Vec<_>>().join(", ");
            let words = match plan.devices.iter().any(|device| device.kind == DeviceKind::Sdk) {
                true => format!("none of its devices with a library is {named}"),
                false => "all its devices are raw: there is no client library in it".to_owned(),
            };
            return Some((words, Place::default()));
        }
        let count = |party: usize| roles.values().filter(|of| **of == party).count();
        let crowded = self.parties.iter().enumerate().find_map(|(index, party)| {
            let has_too_many = party.crew.answer().devices == Serves::One && count(index) > PROCESSES_MAX;
            has_too_many.then(|| format!("{} would need {} processes, one for each device", party.name(), count(index)))
        });
        if let Some(words) = crowded {
            return Some((words, Place::default()));
        }
        self.lacking(plan, roles)
    }

    /// What the plan needs of a library that does not have it.
    fn lacking(&self, plan: &Plan, roles: &BTreeMap<DeviceIndex, usize>) -> Option<Reason> {
        let lacks = |device: DeviceIndex, what: &str, place: Place| {
            let party = &self.parties[*roles.get(&device)?];
            let lacks = party.crew.answer().lacks.iter().any(|lacking| lacking == what);
            let name = &plan.device(device).name;
            lacks.then(|| (format!("{} lacks `{what}`, which {name} needs", party.name()), place))
        };
        let any_lacks =
            |devices: &[DeviceIndex], what: &str, place| devices.iter().find_map(|device| lacks(*device, what, place));
        let busy = || {
            let busy = plan.device_indices().filter(|device| plan.device(*device).auto_busy);
            any_lacks(&busy.collect::<Vec<_>>(), "autoBusy", Place::default())
        };
        let setup = || {
            let mut calls = plan.setup.iter().flatten();
            calls.find_map(|setup| lacks(setup.device, setup.call.operation().name(), setup.place))
        };
        let steps = || {
            plan.steps.iter().find_map(|step| match &step.action {
                Action::Call { devices, call, .. } => any_lacks(devices, call.operation().name(), step.place),
                Action::On { devices, .. } | Action::Off { devices, .. } => any_lacks(devices, "handlers", step.place),
                _ => None,
            })
        };
        busy().or_else(setup).or_else(steps)
    }

    fn once(
        &self,
        target: &Target,
        scenario: &Scenario,
        seed: Seed,
        recipe: &Recipe,
        roles: &BTreeMap<DeviceIndex, usize>,
    ) -> Outcome {
        let seats: Vec<Arc<Seats>> =
            self.parties.iter().map(|party| Arc::new(Seats::new(party.crew.clone(), seed.0))).collect();
        let given = roles.iter().map(|(device, party)| (*device, seats[*party].clone())).collect();
        let outcome = run_as(target, scenario, seed, recipe, &cast::Libraries { seats: given });
        // Every process takes its leave, also when another one has broken the conversation.
        let ends: Vec<_> = seats.iter().map(|seats| seats.end()).collect();
        match ends.into_iter().find_map(Result::err) {
            Some(fault) => broke(outcome, &fault),
            None => blamed_on_it(outcome),
        }
    }

    /// Says `stop` to every process that is kept.
    ///
    /// # Errors
    /// The first that did not go as it should.
    pub fn close(&self) -> Result<(), crate::implementation::Fault> {
        self.parties.iter().map(|party| party.crew.close()).fold(Ok(()), Result::and)
    }
}
