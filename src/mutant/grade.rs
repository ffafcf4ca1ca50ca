//! Scenarios against mutants: which of them notice a fault, and by which requirement.
//!
//! A mutant is *killed* only by what names a requirement that it breaks: an expectation or a result whose `by` does, an
//! always-check that does, or a claim whose situation never comes. That a snapshot differs, or that something else
//! complains, is told as well and is not good enough: nobody who reads such a report learns what is wrong.

#[cfg(feature = "net")]
pub mod at_the_api;
#[cfg(feature = "net")]
pub mod black_box;
#[cfg(feature = "net")]
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use super::Mutant;
use crate::run::{self, OWN_SEED, Outcome, Problem, Recipe, SnapshotMode, SnapshotOutcome, Target};
use crate::scenario::{self, Scenario};
use crate::world::cast::Reference;

/// How many more moments than the reference a mutant may take for a scenario before it counts as endless.
const MOMENTS_FACTOR: usize = 20;

/// And how many it may take anyway.
const MOMENTS_MIN: usize = 20_000;

/// The suite: scenarios that the reference passes.
pub struct Suite {
    scenarios: Vec<Lesson>,
}

/// One scenario of the suite.
struct Lesson {
    target: Target,
    scenario: Arc<Scenario>,
    covers: BTreeSet<String>,
    /// How many moments the reference takes.
    moments: usize,
}

/// A scenario that can't grade anything.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SuiteError {
    /// The file is no scenario.
    #[error("{path} is no scenario\n\n{diagnostics}")]
    NoScenario {
        /// Which file.
        path: String,
        /// What is wrong.
        diagnostics: String,
    },
    /// The reference itself does not pass it.
    #[error("the reference does not pass {path}: {verdict}; `convoke run {path}` says why")]
    ReferenceFails {
        /// Which file.
        path: String,
        /// What came of it.
        verdict: &'static str,
    },
}

/// What one mutant came to.
#[derive(Clone, Debug)]
pub struct Grade {
    /// Which.
    pub mutant: Mutant,
    /// The scenarios that noticed something, in the order of the suite.
    pub noticed: Vec<Notice>,
    /// How many scenarios were run against it.
    pub scenarios: usize,
    /// Why nobody can see the fault, where a mutant is no more than what a contract says of it.
    pub out_of_sight: Option<String>,
    /// The scenarios that should have shown it: in the simulator applications notice it there. Empty where nobody looked.
    pub missed: Vec<String>,
}

/// What all of them came to.
#[derive(Clone, Debug, Default)]
pub struct Graded {
    /// Each mutant, in the order in which they were given.
    pub grades: Vec<Grade>,
    /// The scenarios that grade nothing, since what is faultless does not pass them either, with what came of it.
    pub unfit: BTreeMap<String, String>,
}

/// A scenario that noticed a mutant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Its file.
    pub scenario: String,
    /// What names a requirement that the mutant breaks: each check, with the ids.
    pub rightly: BTreeMap<&'static str, BTreeSet<String>>,
    /// What names other requirements, or none.
    pub otherwise: BTreeMap<&'static str, BTreeSet<String>>,
    /// Whether the snapshot differs.
    pub snapshot: bool,
    /// What broke, if the run did.
    pub broke: Option<String>,
    /// Whether applications hear and are told what they are with the reference, so that only the wire shows the fault
    /// (TERM-4); none where nobody looked.
    pub hidden: Option<bool>,
}

/// How well a mutant was noticed, from best to worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fate {
    /// By what names a requirement that it breaks.
    Killed,
    /// Only by what names another requirement, or none.
    Misnamed,
    /// Only because a snapshot differs.
    SnapshotOnly,
    /// Only because runs break or do not end.
    BrokenOnly,
    /// Not at all.
    Survived,
    /// The contract behind which it stands can't show it.
    OutOfSight,
}

impl Fate {
    /// All of them, from best to worst, and what is neither.
    pub const ALL: [Self; 6] =
        [Self::Killed, Self::Misnamed, Self::SnapshotOnly, Self::BrokenOnly, Self::Survived, Self::OutOfSight];

    /// As reports say it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Misnamed => "misnamed",
            Self::SnapshotOnly => "snapshot only",
            Self::BrokenOnly => "broken only",
            Self::Survived => "survived",
            Self::OutOfSight => "out of sight",
        }
    }
}

impl From<Vec<Grade>> for Graded {
    fn from(grades: Vec<Grade>) -> Self {
        Self { grades, unfit: BTreeMap::new() }
    }
}

impl Grade {
    fn nothing_yet(mutant: &Mutant) -> Self {
        Self { mutant: *mutant, noticed: Vec::new(), scenarios: 0, out_of_sight: None, missed: Vec::new() }
    }

    /// How well it was noticed.
    #[must_use]
    pub fn fate(&self) -> Fate {
        let any = |is_so: fn(&Notice) -> bool| self.noticed.iter().any(is_so);
        if self.out_of_sight.is_some() {
            Fate::OutOfSight
        } else if any(|notice| !notice.rightly.is_empty()) {
            Fate::Killed
        } else if any(|notice| !notice.otherwise.is_empty()) {
            Fate::Misnamed
        } else if any(|notice| notice.snapshot) {
            Fate::SnapshotOnly
        } else if any(|notice| notice.broke.is_some()) {
            Fate::BrokenOnly
        } else {
            Fate::Survived
        }
    }

    /// The scenarios that kill it.
    pub fn killers(&self) -> impl Iterator<Item = &Notice> {
        self.noticed.iter().filter(|notice| !notice.rightly.is_empty())
    }

    /// Every check that kills it anywhere, with the requirements that it names.
    #[must_use]
    pub fn checks(&self) -> BTreeMap<&'static str, BTreeSet<String>> {
        let mut checks: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
        for (check, ids) in self.killers().flat_map(|notice| &notice.rightly) {
            checks.entry(check).or_default().extend(ids.iter().cloned());
        }
        checks
    }
}

/// How thoroughly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// Every scenario against every mutant.
    Everything,
    /// For each mutant until the first scenario kills it; those that claim to show what it breaks come first.
    FirstKill,
}

impl Suite {
    /// Loads scenarios, and runs each with the reference, which must pass it.
    ///
    /// # Errors
    /// The first file that is no scenario, or that the reference does not pass.
    pub fn load(targets: &[Target], jobs: usize) -> Result<Self, SuiteError> {
        let lessons = spread(targets.len(), jobs, |index| Lesson::load(&targets[index]), |_| {});
        Ok(Self { scenarios: lessons.into_iter().collect::<Result<_, _>>()? })
    }

    /// How many scenarios there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scenarios.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scenarios.is_empty()
    }

    /// Runs the suite against each mutant, on some threads. `tell` hears how many of how many pieces of work are done.
    #[must_use]
    pub fn grade(&self, mutants: &[Mutant], depth: Depth, jobs: usize, tell: impl FnMut(usize, usize)) -> Vec<Grade> {
        match depth {
            Depth::FirstKill => self.until_killed(mutants, jobs, tell),
            Depth::Everything => self.wholly(mutants, jobs, tell),
        }
    }

    fn until_killed(&self, mutants: &[Mutant], jobs: usize, mut tell: impl FnMut(usize, usize)) -> Vec<Grade> {
        let grade = |index: usize| {
            let mutant = mutants[index];
            let mut grade = Grade::nothing_yet(&mutant);
            for lesson in self.in_order_for(&mutant) {
                grade.scenarios += 1;
                grade.noticed.extend(lesson.teach(&mutant));
                if grade.fate() == Fate::Killed {
                    break;
                }
            }
            grade
        };
        spread(mutants.len(), jobs, grade, |done| tell(done, mutants.len()))
    }

    /// What is small and to the point first.
    fn in_order_for(&self, mutant: &Mutant) -> Vec<&Lesson> {
        let mut order: Vec<&Lesson> = self.scenarios.iter().collect();
        order.sort_by_key(|lesson| lesson.place_for(mutant));
        order
    }

    fn wholly(&self, mutants: &[Mutant], jobs: usize, mut tell: impl FnMut(usize, usize)) -> Vec<Grade> {
        let (each, all) = (self.scenarios.len(), self.scenarios.len() * mutants.len());
        let teach = |index: usize| self.scenarios[index % each].teach(&mutants[index / each]);
        let mut noticed = spread(all, jobs, teach, |done| tell(done, all)).into_iter();
        let grade = |mutant: &Mutant| Grade {
            noticed: noticed.by_ref().take(each).flatten().collect(),
            scenarios: each,
            ..Grade::nothing_yet(mutant)
        };
        mutants.iter().map(grade).collect()
    }
}

impl Lesson {
    fn load(target: &Target) -> Result<Self, SuiteError> {
        let path = target.name();
        let scenario = scenario::load(&target.path)
            .map_err(|found| SuiteError::NoScenario { path: path.clone(), diagnostics: found.render(false) })?;
        let recipe = Recipe { snapshots: SNAPSHOTS, ..Recipe::default() };
        let outcome = run::run_as(target, &scenario, OWN_SEED, &recipe, &Reference);
        if !outcome.verdict.is_well() {
            return Err(SuiteError::ReferenceFails { path, verdict: outcome.verdict.name() });
        }
        Ok(Self {
            target: target.clone(),
            covers: outcome.covers.iter().map(|id| id.0.to_string()).collect(),
            moments: usize::try_from(outcome.extent.moments).unwrap_or(usize::MAX),
            scenario: Arc::new(scenario),
        })
    }

    /// What the scenario notices of a mutant, if anything.
    fn teach(&self, mutant: &Mutant) -> Option<Notice> {
        let recipe = Recipe { snapshots: SNAPSHOTS, moments_max: Some(self.moments_max()), ..Recipe::default() };
        let outcome = run::run_as(&self.target, &self.scenario, OWN_SEED, &recipe, mutant);
        Notice::of(&outcome, mutant, |_| None)
    }

    /// Where it stands among those that are run against a mutant.
    fn place_for(&self, mutant: &Mutant) -> (bool, usize) {
        let shows = mutant.breaks.iter().any(|id| self.covers.contains(*id));
        (!shows, self.moments)
    }

    fn moments_max(&self) -> usize {
        self.moments.saturating_mul(MOMENTS_FACTOR).max(MOMENTS_MIN)
    }
}

const SNAPSHOTS: SnapshotMode = SnapshotMode::Compare { propose: false };

/// They are of the reference in our own process: behind a conversation events and responses may come in another order.
#[cfg(feature = "net")]
const SNAPSHOTS_OFF: SnapshotMode = SnapshotMode::Off;

impl Notice {
    /// `hides` says whether applications notice nothing.
    fn of(outcome: &Outcome, mutant: &Mutant, hides: impl FnOnce(&Outcome) -> Option<bool>) -> Option<Self> {
        if outcome.verdict.is_well() {
            return None;
        }
        let mut notice = Self {
            scenario: outcome.path.clone(),
            rightly: BTreeMap::new(),
            otherwise: BTreeMap::new(),
            snapshot: matches!(outcome.snapshot, SnapshotOutcome::Differs { .. }),
            broke: match &outcome.problem {
                Some(Problem::Words(words, _)) => Some(words.clone()),
                Some(Problem::Scenario(_)) => Some("the scenario is no scenario any more".to_owned()),
                None => None,
            },
            hidden: None,
        };
        let breaks = |id: &str| mutant.breaks.contains(&id);
        let findings = outcome.findings.iter().map(|finding| (finding.check, finding.requirements.as_slice()));
        let claims = outcome.empty_claims.iter().map(|empty| ("marks", std::slice::from_ref(&empty.claim.requirement)));
        for (check, requirements) in findings.chain(claims) {
            let right: BTreeSet<String> =
                requirements.iter().map(|id| id.0.to_string()).filter(|id| breaks(id)).collect();
            if right.is_empty() {
                let named = requirements.iter().map(|id| id.0.to_string());
                notice.otherwise.entry(check).or_default().extend(named);
            } else {
                notice.rightly.entry(check).or_default().extend(right);
            }
        }
        if !notice.rightly.is_empty() {
            notice.hidden = hides(outcome);
        }
        Some(notice)
    }

    /// That no run came about.
    #[cfg(feature = "net")]
    fn broken(at: &str, words: String) -> Self {
        Self {
            scenario: at.to_owned(),
            rightly: BTreeMap::new(),
            otherwise: BTreeMap::new(),
            snapshot: false,
            broke: Some(words),
            hidden: None,
        }
    }
}

/// Does pieces of work on some threads, and returns what came of each in their order.
fn spread<T: Send>(count: usize, jobs: usize, work: impl Fn(usize) -> T + Sync, mut tell: impl FnMut(usize)) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done: Mutex<BTreeMap<usize, T>> = Mutex::new(BTreeMap::new());
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, count.max(1)) {
            let sender = sender.clone();
            let (next, done, work) = (&next, &done, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        break;
                    }
                    let result = work(index);
                    // A poisoned lock means a panic while inserting: what is in the map is whole all the same.
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(index, result);
                    if sender.send(()).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for number in 1..=count {
            if receiver.recv().is_err() {
                break;
            }
            tell(number);
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// Whether a mutant's name fits a pattern, in which `*` stands for any text.
#[must_use]
pub fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|tail| {
            (0..=tail.len()).filter(|end| tail.is_char_boundary(*end)).any(|end| fits(rest, &tail[end..]))
        }),
    }
}
