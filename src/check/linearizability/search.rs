//! The search for an order, in the form of Lowe ("Testing for linearizability", 2017): Wing and Gong's, but lazily.
//!
//! The history is walked through in the order in which things were observed. What is kept is every configuration that
//! explains it so far: a state of the [`model`](super::model), and which of the calls that have not returned have taken
//! effect in it already. A call does nothing yet. When it returns, each configuration in which it has not taken effect
//! tries all orders of what is under way that end with it; when something is heard, all orders that bring its cause about.
//! Equal configurations are kept once, which is the memoisation that makes the search feasible. When none is left, what
//! was walked through is the shortest beginning of the history that no order explains.
//!
//! Sets are ordered, so the same history takes the same steps everywhere.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Rules, State};
use super::{Asks, History, Operation, Outcome, Point, Sight, Verdict, words};
use crate::time::Instant;

/// What a history is to be explained with, beyond what it shows.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Demands {
    /// This operation of unknown outcome has not happened.
    pub(super) never: Option<usize>,
    /// This operation of unknown outcome has happened by then.
    pub(super) by: Option<(usize, Point)>,
}

/// One way to explain what was walked through.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Configuration {
    state: State,
    /// The open operations that have taken effect.
    done: BTreeSet<usize>,
}

/// What is walked through. Calls come before what ends at the same point: such calls overlap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Mark {
    Called(usize),
    Returned(usize),
    Heard(usize),
}

/// What must be so in every configuration from here on.
#[derive(Clone, Copy)]
enum Goal<'h> {
    TakenEffect(usize),
    ComeAbout(&'h Sight, u32),
}

impl Goal<'_> {
    fn is_met_by(self, configuration: &Configuration) -> bool {
        match self {
            Self::TakenEffect(operation) => configuration.done.contains(&operation),
            Self::ComeAbout(sight, count) => configuration.state.came_about(sight) >= count,
        }
    }
}

struct Search<'h> {
    history: &'h History,
    rules: Rules<'h>,
    demands: Demands,
    /// What was called, and may still take effect.
    open: BTreeSet<usize>,
    explored: usize,
    explored_max: usize,
}

/// The bound was reached.
struct TooMany;

pub(super) fn search(history: &History, demands: &Demands, explored_max: usize) -> Verdict {
    let mut seen: BTreeMap<Sight, u32> = BTreeMap::new();
    for sighting in &history.sightings {
        let most = seen.entry(sighting.sight.clone()).or_default();
        *most = (*most).max(sighting.count);
    }
    let rules = Rules { bounds: &history.bounds, variants: history.variants, invitee: &history.invitee, seen };
    let mut search = Search { history, rules, demands: *demands, open: BTreeSet::new(), explored: 0, explored_max };
    let initial = |open| Configuration { state: State::initial(open), done: BTreeSet::new() };
    let mut possible = BTreeSet::from([initial(false), initial(true)]);
    for (point, mark) in marks(history, demands) {
        let goal = match mark {
            Mark::Called(operation) => {
                search.open.insert(operation);
                continue;
            }
            Mark::Returned(operation) => Goal::TakenEffect(operation),
            Mark::Heard(sighting) => {
                let sighting = &history.sightings[sighting];
                Goal::ComeAbout(&sighting.sight, sighting.count)
            }
        };
        let Ok(mut after) = search.advance(&possible, goal, point.at) else {
            return Verdict::Inconclusive { explored: search.explored };
        };
        if let Mark::Returned(operation) = mark
            && search.is_optional(operation)
        {
            // It has happened by now, or it never will.
            after.extend(possible.iter().cloned());
        }
        if after.is_empty() {
            let before = possible.iter().map(|configuration| words::state(&configuration.state));
            return Verdict::NotLinearizable {
                prefix: words::prefix(history, demands, point, mark.operation(), mark.sighting()),
                before: before.collect::<BTreeSet<_>>().into_iter().collect(),
                at: point,
            };
        }
        if let Mark::Returned(operation) = mark {
            search.open.remove(&operation);
            after = after.into_iter().map(|configuration| configuration.without(operation)).collect();
        }
        possible = after;
    }
    Verdict::Linearizable
}

fn marks(history: &History, demands: &Demands) -> Vec<(Point, Mark)> {
    let mut marks = Vec::new();
    for (index, operation) in history.operations.iter().enumerate() {
        if demands.never == Some(index) {
            continue;
        }
        marks.push((operation.called, Mark::Called(index)));
        let demanded = demands.by.filter(|(demanded, _)| *demanded == index).map(|(_, by)| by);
        if let Some(end) = demanded.or(operation.returned) {
            // What is demanded by a time before its call can be met by nothing.
            marks.push((end.max(operation.called), Mark::Returned(index)));
        }
    }
    marks.extend(history.sightings.iter().enumerate().map(|(index, sighting)| (sighting.at, Mark::Heard(index))));
    marks.sort_by_key(|(point, mark)| (*point, !matches!(mark, Mark::Called(_)), *mark));
    marks
}

impl Mark {
    const fn operation(self) -> Option<usize> {
        match self {
            Self::Called(operation) | Self::Returned(operation) => Some(operation),
            Self::Heard(_) => None,
        }
    }

    const fn sighting(self) -> Option<usize> {
        match self {
            Self::Heard(sighting) => Some(sighting),
            _ => None,
        }
    }
}

impl Configuration {
    fn without(mut self, operation: usize) -> Self {
        self.done.remove(&operation);
        self
    }
}

impl<'h> Search<'h> {
    /// Whether the operation may as well not have happened.
    fn is_optional(&self, operation: usize) -> bool {
        let demanded = self.demands.by.is_some_and(|(demanded, _)| demanded == operation);
        self.history.operations[operation].outcome == Outcome::Unknown && !demanded
    }

    /// Every configuration that meets the goal, by steps from those that are possible, no later than `by`.
    fn advance(
        &mut self,
        possible: &BTreeSet<Configuration>,
        goal: Goal<'_>,
        by: Instant,
    ) -> Result<BTreeSet<Configuration>, TooMany> {
        let mut met = BTreeSet::new();
        let mut tried = BTreeSet::new();
        let mut next: Vec<Configuration> = Vec::new();
        for configuration in possible {
            next.push(self.settled(configuration.clone(), by));
        }
        while let Some(configuration) = next.pop() {
            if goal.is_met_by(&configuration) {
                met.insert(configuration);
                continue;
            }
            if !tried.insert(configuration.clone()) {
                continue;
            }
            self.explored += 1;
            if self.explored > self.explored_max {
                return Err(TooMany);
            }
            // T6: the service's own step.
            if let Some(state) = configuration.state.expire(by, &self.rules) {
                next.push(self.settled(Configuration { state, ..configuration.clone() }, by));
            }
            for index in self.open.difference(&configuration.done).copied().collect::<Vec<_>>() {
                let operation = &self.history.operations[index];
                for state in configuration.state.step(operation, by, &self.rules) {
                    // Where nobody knows whether it happened, that it happened to no effect is as good as not.
                    if self.is_optional(index) && state.is_unchanged_since(&configuration.state) {
                        continue;
                    }
                    let mut done = configuration.done.clone();
                    done.insert(index);
                    next.push(self.settled(Configuration { state, done }, by));
                }
            }
        }
        Ok(met)
    }

    /// Lets everything take effect that changes nothing at all, not even the least time: it is never wrong to do that at
    /// once, and it keeps lists that many devices read at the same time from multiplying the configurations.
    fn settled(&self, mut configuration: Configuration, by: Instant) -> Configuration {
        for index in &self.open {
            let operation = &self.history.operations[*index];
            if operation.is_observation()
                && !configuration.done.contains(index)
                && configuration.state.step(operation, by, &self.rules) == [configuration.state.clone()]
            {
                configuration.done.insert(*index);
            }
        }
        configuration
    }
}

impl Operation {
    /// Whether it only looks.
    fn is_observation(&self) -> bool {
        self.asks == Asks::List || matches!(self.outcome, Outcome::Failed(_))
    }
}
