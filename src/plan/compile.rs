//! From what an author wrote to what will happen: names become indices and ids, times become instants, bounds numbers.
//!
//! What the form of a file can't show is judged here, all of it at once: names that nobody has, expectations that can
//! never be judged, steps that can never come. A plan that comes out of here holds nothing that can be wrong. It does not
//! know how a plan is enacted.

mod expect;
mod people;
mod rooms;
mod steps;
mod values;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{
    Attack, Claim, CrowdView, DeviceIndex, Latency, Link, Network, Place, Plan, RequirementId, ServicePlan,
    SnapshotPlan, Source, WorldName,
};
use crate::protocol::bounds::{BoundValue, Bounds};
use crate::protocol::requirements;
use crate::scenario::expression::{Expression, Measure};
use crate::scenario::{self, At, Diagnostic, Diagnostics, Scenario, Span};
use crate::seed::Seed;
use crate::time::{Duration, Instant};

use people::People;

/// Compiles a scenario for a seed.
///
/// # Errors
/// All that is wrong with it: unknown names, and what can never happen or be judged.
pub fn compile(scenario: &Scenario, seed: Seed) -> Result<Plan, Diagnostics> {
    compile_for(scenario, seed, Bounds::default())
}

/// The same for a service whose bounds are these where the scenario wants no others.
///
/// # Errors
/// As [`compile`].
pub fn compile_for(scenario: &Scenario, seed: Seed, bounds: Bounds) -> Result<Plan, Diagnostics> {
    let mut found = Diagnostics::new(&scenario.path, &scenario.text);
    let bounds = bounds_of(scenario, bounds, &mut found);
    let people = People::of(scenario, &bounds, &mut found);
    let mut compiler = Compiler { scenario, found, bounds, people, rooms: BTreeSet::new(), lasts: None, callers: None };
    compiler.rooms = compiler.rooms_named();
    let plan = compiler.plan(seed);
    compiler.found.or_ok(plan)
}

struct Compiler<'s> {
    scenario: &'s Scenario,
    found: Diagnostics,
    bounds: Bounds,
    people: People<'s>,
    /// The rooms that exist at the beginning, or that a step creates.
    rooms: BTreeSet<String>,
    lasts: Option<Duration>,
    /// Who calls what, once somebody has asked.
    callers: Option<steps::Callers>,
}

impl Span {
    /// As a plan has it.
    const fn place(self) -> Place {
        Place { line: self.line, column: self.column }
    }
}

/// The service's bounds. Each may be a sum of those before it.
fn bounds_of(scenario: &Scenario, mut bounds: Bounds, found: &mut Diagnostics) -> Bounds {
    for (name, expression) in &scenario.service.bounds {
        let value = u64::try_from(expression.value.value(&bounds)).map(|value| match expression.value.measure() {
            Measure::Duration => BoundValue::Duration(Duration::from_nanos(value)),
            Measure::Count => BoundValue::Count(value),
        });
        match value {
            Ok(value) => bounds.set(&name.value, value).expect("the reader checked the name and the measure"),
            Err(_) => found.push(Diagnostic::new(expression.span, format!("`{}` is out of range", name.value))),
        }
    }
    bounds
}

impl Compiler<'_> {
    fn note(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    fn duration(&mut self, expression: &At<Expression>) -> Duration {
        expression.value.duration(&self.bounds).unwrap_or_else(|| {
            let nanos = expression.value.value(&self.bounds);
            self.note(match nanos < 0 {
                true => Diagnostic::new(expression.span, "this comes to less than no time")
                    .help("the bounds of the service are too small for it"),
                false => Diagnostic::new(expression.span, "this comes to more than 584 years"),
            });
            Duration::ZERO
        })
    }

    fn duration_or(&mut self, expression: Option<&At<Expression>>, default: Duration) -> Duration {
        expression.map_or(default, |expression| self.duration(expression))
    }

    fn instant(&mut self, expression: &At<Expression>) -> Instant {
        Instant::START + self.duration(expression)
    }

    fn count(&mut self, expression: &At<Expression>, least: u32) -> u32 {
        let value = expression.value.value(&self.bounds);
        match u32::try_from(value) {
            Ok(count) if count >= least => count,
            _ => {
                self.note(
                    Diagnostic::new(expression.span, format!("this comes to {value}"))
                        .help(format!("from {least} to {} is lawful here", u32::MAX)),
                );
                least
            }
        }
    }

    fn requirement(&mut self, id: &At<String>) -> RequirementId {
        if requirements::find(&id.value).is_none() {
            let diagnostic = Diagnostic::new(id.span, format!("unknown requirement `{}`", id.value));
            // Ids are all alike: of those that differ in one letter, none is more likely than the next.
            let group = id.value.split('-').next().unwrap_or_default();
            let last = requirements::REQUIREMENTS.iter().rfind(|known| known.id.split('-').next() == Some(group));
            self.note(match last {
                Some(last) => diagnostic.help(format!("the last of its group is {}", last.id)),
                None => diagnostic.help("`convoke requirements` lists them; an id is like DEV-2"),
            });
        }
        RequirementId(id.value.as_str().into())
    }

    fn requirements(&mut self, ids: &[At<String>]) -> Vec<RequirementId> {
        ids.iter().map(|id| self.requirement(id)).collect()
    }

    fn plan(&mut self, seed: Seed) -> Plan {
        let scenario = self.scenario;
        self.lasts = scenario.lasts.as_ref().map(|lasts| self.duration(lasts));
        let (rooms, setup) = self.rooms_and_setup();
        let steps = self.steps();
        let expectations = self.expectations();
        let (accounts, devices) = self.people.accounts_and_devices();
        Plan {
            source: Source { path: scenario.path.clone(), text: Arc::clone(&scenario.text) },
            title: scenario.title.value.clone(),
            covers: self.covers(),
            tags: scenario.tags.iter().map(|tag| tag.value.clone()).collect(),
            worlds: scenario.worlds.iter().map(|world| world.value.into()).collect(),
            seed,
            service: ServicePlan {
                checkpoint_every: ServicePlan::default().checkpoint_every,
                bounds: self.bounds.clone().into(),
                rate_limits: scenario.service.rate_limits,
                sync: self.duration_or(scenario.service.sync.as_ref(), Duration::ZERO),
            },
            network: self.network(),
            accounts,
            devices,
            rooms,
            setup,
            steps,
            strangers: self.strangers(),
            expectations,
            lasts: self.lasts,
            snapshot: SnapshotPlan {
                crowd: if scenario.snapshot.lanes { CrowdView::Lanes } else { CrowdView::Counts },
                none: scenario.snapshot.none,
            },
        }
    }

    fn covers(&mut self) -> Vec<Claim> {
        let mut claims: Vec<Claim> = Vec::new();
        for id in &self.scenario.covers {
            let claim = Claim { requirement: self.requirement(id), place: id.span.place() };
            if claims.iter().any(|other| other.requirement == claim.requirement) {
                self.note(Diagnostic::new(id.span, format!("`{}` is there twice", id.value)).help("remove one"));
            }
            claims.push(claim);
        }
        claims
    }

    /// SEC-3: those who must not tell two runs apart, of which one has the secret steps.
    fn strangers(&mut self) -> Vec<DeviceIndex> {
        let scenario = self.scenario;
        let strangers = self.select_all(&scenario.strangers);
        let secret = scenario.steps.iter().find_map(|step| step.secret);
        match (scenario.strangers.first(), secret) {
            (Some(named), None) => self.note(
                Diagnostic::new(named.span, "there is nothing that a stranger must not notice")
                    .help("write `secret: true` in the steps that only one of the two runs has"),
            ),
            (None, Some(secret)) => self.note(
                Diagnostic::new(secret, "nobody is named from whom this is secret")
                    .help("name the devices that must not notice it: `strangers: [mallory.phone]`"),
            ),
            _ => {}
        }
        for step in scenario.steps.iter().filter(|step| step.secret.is_some()) {
            let own = step
                .actors()
                .iter()
                .flat_map(|selector| self.select(selector))
                .find(|device| strangers.contains(device));
            if let Some(own) = own {
                let name = self.people.name_of(own);
                self.note(
                    Diagnostic::new(step.key.span, format!("what `{name}` does itself can't be secret from it"))
                        .help("take `secret: true` out of this step"),
                );
            }
        }
        strangers
    }

    fn network(&mut self) -> Network {
        let scenario = self.scenario;
        let link = self.link(&scenario.network.link, &Link::default());
        let links = scenario
            .network
            .links
            .iter()
            .map(|(selector, own)| (self.select(selector), self.link(own, &link)))
            .collect();
        Network { link, links }
    }

    fn link(&mut self, own: &scenario::Link, default: &Link) -> Link {
        Link {
            latency: own.latency.as_ref().map_or(default.latency, |latency| self.latency(latency)),
            loss: own.loss.unwrap_or(default.loss),
            retransmit: self.duration_or(own.retransmit.as_ref(), default.retransmit),
            breakage: own.breakage.unwrap_or(default.breakage),
            attack: Attack {
                lose: own.lose.unwrap_or(default.attack.lose),
                duplicate: own.duplicate.unwrap_or(default.attack.duplicate),
                reorder: own.reorder.unwrap_or(default.attack.reorder),
            },
        }
    }

    fn latency(&mut self, latency: &scenario::Latency) -> Latency {
        match latency {
            scenario::Latency::Constant(always) => Latency::Constant(self.duration(always)),
            scenario::Latency::Uniform(from, to) => {
                let (least, most) = (self.duration(from), self.duration(to));
                if least > most {
                    self.note(
                        Diagnostic::new(from.span, format!("{least} is longer than {most}")).help("swap the two"),
                    );
                }
                Latency::Uniform(least, most)
            }
            scenario::Latency::Exponential(min, mean) => {
                Latency::Exponential { min: self.duration(min), mean: self.duration(mean) }
            }
            scenario::Latency::Normal(mean, deviation) => {
                Latency::Normal { mean: self.duration(mean), deviation: self.duration(deviation) }
            }
            scenario::Latency::Pareto(min, shape) => Latency::Pareto { min: self.duration(min), shape: *shape },
        }
    }
}

impl From<scenario::World> for WorldName {
    fn from(world: scenario::World) -> Self {
        match world {
            scenario::World::Sim => Self::Sim,
            scenario::World::Turmoil => Self::Turmoil,
            scenario::World::Live => Self::Live,
        }
    }
}

#[cfg(test)]
mod tests;
