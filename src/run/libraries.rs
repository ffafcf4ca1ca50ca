//! One scenario with client libraries of somebody else, under our clock: all its devices, or some, each by a library of its
//! own, and perhaps a server of somebody else beside them. The reference plays whatever is left.
//!
//! It is judged as every run is, by the author's expectations and the always-checks. Where the reference plays the server,
//! whatever is found is of the libraries, and what a scenario claims of the server alone is not put down to them. Where there
//! are several that may be wrong, each is tried alone with the reference in every other part, which says whose failure it is.
//! Every run is made twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::conform::{
    DETERMINISM, MOMENTS_MAX, Subject, applies, blamed_on_it, broke, name_after, not_deterministic, set_apart,
    tell_what_may_lack,
};
use super::profile::Profile;
use super::{Outcome, Played, Problem, Recipe, SnapshotMode, Target, Verdict, guard, run_as};
use crate::implementation::device::{Crew, LibraryAnswer, Seats, Serves};
use crate::implementation::{Fault, Seat, Turn};
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
    /// Who plays the server, if it is not the reference. What is asked of it is asked of all, below.
    pub server: Option<Subject>,
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

    /// The same, with its part.
    fn part(&self) -> String {
        let whom = self.whom.as_ref().map_or("the devices", |whom| whom.text.as_str());
        format!("{} ({whom})", self.name())
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

/// Who plays what in a run; the reference plays the rest.
struct Players {
    /// Which party plays each device, if one does.
    roles: BTreeMap<DeviceIndex, usize>,
    /// Whether the server under test plays it.
    with_server: bool,
}

impl Players {
    /// The devices of a party.
    fn of(&self, party: usize) -> impl Iterator<Item = DeviceIndex> + '_ {
        self.roles.iter().filter(move |(_, of)| **of == party).map(|(device, _)| *device)
    }
}

/// Why a plan can't be played, and the author's line.
type Reason = (String, Place);

impl Libraries {
    /// Runs a scenario under one seed and judges it.
    #[must_use]
    pub fn conform(&self, target: &Target, scenario: &Scenario, seed: Seed, recipe: &Recipe) -> Outcome {
        let mut outcome = self.judged(target, scenario, seed, recipe);
        // What the server did right is not the libraries' doing.
        set_apart(&mut outcome, |claim| self.can_show(claim));
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
        let players = self.players(&plan);
        if let Some((words, place)) = self.out_of_reach(&plan, &players.roles) {
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
        let mut outcome = self.once(target, scenario, seed, &first, &players, Turn::First);
        let can_repeat = !matches!(outcome.verdict, Verdict::ImplementationBroke | Verdict::BadScenario);
        if self.twice && can_repeat {
            let again = Recipe { snapshots: SnapshotMode::Off, ..recipe.clone() };
            let second = self.once(target, scenario, seed, &again, &players, Turn::Again);
            if second.verdict == Verdict::ImplementationBroke {
                outcome = second;
            } else {
                not_deterministic(&mut outcome, &second);
            }
        }
        if records && outcome.findings.is_empty() {
            outcome = self.once(target, scenario, seed, &recipe, &players, Turn::First);
        }
        self.profile.apply(&mut outcome);
        tell_what_may_lack(&mut outcome, &plan);
        outcome.played = self.played(&plan, &players);
        if outcome.verdict == Verdict::Fail && outcome.problem.is_none() {
            let is_other = outcome.findings.iter().any(|finding| finding.check == DETERMINISM);
            let again = Recipe { snapshots: SnapshotMode::Off, ..recipe };
            let fails_alone = |alone: &Players| {
                let once = |turn| self.once(target, scenario, seed, &again, alone, turn);
                let mut first = once(Turn::First);
                self.profile.apply(&mut first);
                !first.verdict.is_well() || (is_other && first.trace_hash != once(Turn::Again).trace_hash)
            };
            let words = self.blame(&plan, &players, fails_alone);
            outcome.problem = words.map(|words| Problem::Words(words, Place::default()));
        }
        if outcome.verdict.is_well() && !keeps_traces {
            outcome.trace = None;
        }
        outcome
    }

    /// Whether what is tested can show this requirement.
    fn can_show(&self, requirement: &str) -> bool {
        let binds_devices = || requirements::find(requirement).is_some_and(|found| found.subject.includes_device());
        self.server.as_ref().is_some_and(|server| server.can_show(requirement)) || binds_devices()
    }

    /// Which party plays each device, if one does.
    fn players(&self, plan: &Plan) -> Players {
        let libraries = plan.device_indices().filter(|device| plan.device(*device).kind == DeviceKind::Sdk);
        let role =
            |device: DeviceIndex| Some((device, self.parties.iter().position(|party| party.fits(plan, device))?));
        Players { roles: libraries.filter_map(role).collect(), with_server: self.server.is_some() }
    }

    /// Who played whom, for reports.
    fn played(&self, plan: &Plan, players: &Players) -> Vec<Played> {
        let server = self.server.iter().map(|server| Played {
            implementation: server.name(),
            devices: Vec::new(),
            server: true,
        });
        let by = |party: usize| Played {
            implementation: self.parties[party].name(),
            devices: players.of(party).map(|device| plan.device(device).name.clone()).collect(),
            server: false,
        };
        server.chain((0..self.parties.len()).map(by).filter(|played| !played.devices.is_empty())).collect()
    }

    /// Whose failure it is, where several may be wrong: who fails alone, with the reference in every other part.
    fn blame(&self, plan: &Plan, players: &Players, fails_alone: impl Fn(&Players) -> bool) -> Option<String> {
        let server = self.server.iter().map(|server| {
            (format!("{} as the server", server.name()), Players { roles: BTreeMap::new(), with_server: true })
        });
        let plays = (0..self.parties.len()).filter(|party| players.of(*party).next().is_some());
        let libraries = plays.map(|party| {
            let roles = players.of(party).map(|device| (device, party)).collect();
            (self.plays(plan, players, party), Players { roles, with_server: false })
        });
        let all: Vec<(String, Players)> = server.chain(libraries).collect();
        if all.len() < 2 {
            return None;
        }
        let (wrong, right): (Vec<_>, Vec<_>) = all.iter().partition(|(_, alone)| fails_alone(alone));
        let names = |of: &[&(String, Players)]| of.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("; ");
        let alone = "alone, with the reference in every other part";
        Some(match (wrong.is_empty(), right.is_empty()) {
            (true, _) => format!("nobody fails {alone}: it takes them together"),
            (false, true) => format!("each of them fails {alone}"),
            (false, false) => {
                format!("whose failure it is: {} fails {alone}; {} does not", names(&wrong), names(&right))
            }
        })
    }

    /// A party, and what it plays.
    fn plays(&self, plan: &Plan, players: &Players, party: usize) -> String {
        const NAMED_MAX: usize = 4;
        let names: Vec<&str> = players.of(party).map(|device| &*plan.device(device).name).collect();
        let more = names.len().saturating_sub(NAMED_MAX);
        let named = names[..names.len() - more].join(", ");
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{} on {named}{rest}", self.parties[party].name())
    }

    fn out_of_reach(&self, plan: &Plan, roles: &BTreeMap<DeviceIndex, usize>) -> Option<Reason> {
        if let Some(server) = &self.server {
            if let Some(reason) = server.crashes(plan) {
                return Some(reason);
            }
            let claims: Vec<&str> = plan.covers.iter().map(|claim| &*claim.requirement.0).collect();
            if !claims.is_empty() && !claims.iter().any(|claim| self.can_show(claim)) {
                let words = format!("contract `{}` can't show what it claims", server.introduced.contract);
                return Some((format!("{words}: {}", claims.join(", ")), plan.covers[0].place));
            }
        } else if roles.is_empty() {
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
        players: &Players,
        turn: Turn,
    ) -> Outcome {
        let seats: Vec<Arc<Seats>> =
            self.parties.iter().map(|party| Arc::new(Seats::new(party.crew.clone(), seed.0, turn))).collect();
        let given = players.roles.iter().map(|(device, party)| (*device, seats[*party].clone())).collect();
        let server = self.server.as_ref().filter(|_| players.with_server);
        let server_seat = server.map(|server| Arc::new(Seat::new(server.talks.clone(), seed.0, turn)));
        let foreign = server_seat.clone().map(|seat| cast::Foreign { seat });
        let cast = cast::Libraries { seats: given, server: foreign };
        let outcome = run_as(target, scenario, seed, recipe, &cast);
        // Every process takes its leave, also when another one has broken the conversation.
        let server_ends =
            server.zip(server_seat).map(|(server, seat)| (format!("{} (the server)", server.name()), seat.end()));
        let ends: Vec<(String, Result<(), Fault>)> = server_ends
            .into_iter()
            .chain(self.parties.iter().zip(&seats).map(|(party, seats)| (party.part(), seats.end())))
            .collect();
        let is_one = ends.len() == 1;
        let faults = ends.into_iter().filter_map(|(name, end)| Some((name, end.err()?)));
        let broken: Vec<Outcome> = faults
            .map(|(name, fault)| {
                let mut broken = broke(outcome.clone(), &fault);
                for finding in broken.findings.iter_mut().filter(|_| !is_one) {
                    finding.message = format!("{name}: {}", finding.message);
                }
                broken
            })
            .collect();
        let all = broken.into_iter().reduce(|mut first, other| {
            first.findings.extend(other.findings);
            first
        });
        all.unwrap_or_else(|| blamed_on_it(outcome))
    }

    /// Says `stop` to every process that is kept.
    ///
    /// # Errors
    /// The first that did not go as it should.
    pub fn close(&self) -> Result<(), Fault> {
        let server = self.server.as_ref().map_or(Ok(()), |server| server.talks.close());
        self.parties.iter().map(|party| party.crew.close()).fold(server, Result::and)
    }
}
