//! Mutants behind the conversation: each is a process of its own, as an implementation of somebody else would be.
//!
//! What is wrong with a mutant must show to whoever has no more of it than what its contract says. What the contract can't
//! show is not run and counts as neither killed nor alive: each such mutant says why, and another contract shows it. A
//! fault of a server must show although our client library stands between it and the applications (TERM-4), so a kill says
//! whether any application would have noticed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::told::Told;
use super::{Depth, Fate, Grade, Lesson, Mutant, Notice, SNAPSHOTS_OFF, Suite, spread};
use crate::implementation::device::{self, Crew};
use crate::implementation::{Contract, Fault, ProcessSpec, Talks};
use crate::mutant::Seam;
use crate::protocol::requirements;
use crate::run::libraries::{Libraries, Party};
use crate::run::profile::Profile;
use crate::run::{OWN_SEED, Outcome, Recipe, conform};
use crate::trace::Trace;
use crate::world;

/// Faults in what Convoke's own session layer does in contract `core`, of which the requirements that they break say more.
const OURS_IN_CORE: [(&str, &str); 2] = [
    (
        "said-before-it-is-written",
        "in contract `core` Convoke writes down what an implementation says, and sends it after that",
    ),
    ("losses-are-not-written", "in contract `core` Convoke keeps sessions, and since when they are suspended"),
];

/// What a mutant gives, as an implementation of somebody else would.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Behind {
    /// A server, or the logic of one.
    Server(Contract),
    /// A client library.
    Library,
}

impl Behind {
    /// The contract's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server(contract) => contract.name(),
            Self::Library => device::CONTRACT,
        }
    }
}

/// How mutants are reached.
pub struct BlackBox<'a> {
    /// What they give.
    pub behind: Behind,
    /// The command that starts a mutant, or the reference under the name of [`Mutant::IDENTITY`].
    pub command: &'a (dyn Fn(&Mutant) -> String + Sync),
    /// How long a process may take for one answer.
    pub patience: Duration,
}

/// Runs a suite against each mutant behind the conversation, on some threads. `tell` hears how many of them are done.
///
/// # Errors
/// When the reference itself does not introduce itself as it should: then no mutant would either.
pub fn grade(
    suite: &Suite,
    mutants: &[Mutant],
    how: &BlackBox<'_>,
    depth: Depth,
    jobs: usize,
    mut tell: impl FnMut(usize, usize),
) -> Result<Vec<Grade>, Fault> {
    let reference = how.introduce(&Mutant::IDENTITY)?;
    let grading = Grading { suite, how, depth, reference, unharmed: Mutex::default() };
    let all = mutants.len();
    let grades = spread(all, jobs, |index| grading.grade(&mutants[index]), |done| tell(done, all));
    grading.reference.close()?;
    Ok(grades)
}

impl BlackBox<'_> {
    fn introduce(&self, mutant: &Mutant) -> Result<Subject, Fault> {
        let spec = ProcessSpec { command: (self.command)(mutant), patience: self.patience };
        let (profile, twice) = (Profile::strict(), false);
        Ok(match self.behind {
            Behind::Server(contract) => {
                let (talks, introduced) = Talks::introduce(spec, Some(contract), &world::bare_service_config())?;
                Subject::Server(conform::Subject { talks: Arc::new(talks), introduced, profile, twice })
            }
            Behind::Library => {
                let party = Party { whom: None, crew: Arc::new(Crew::introduce(spec)?) };
                Subject::Library(Libraries { parties: vec![party], server: None, profile, twice })
            }
        })
    }
}

/// A mutant under test.
enum Subject {
    Server(conform::Subject),
    Library(Libraries),
}

impl Subject {
    fn can_show(&self, requirement: &str) -> bool {
        match self {
            Self::Server(server) => server.can_show(requirement),
            Self::Library(_) => true,
        }
    }

    fn conform(&self, lesson: &Lesson) -> Outcome {
        let recipe = Recipe {
            snapshots: SNAPSHOTS_OFF,
            moments_max: Some(lesson.moments_max()),
            keep_traces: true,
            ..Recipe::default()
        };
        match self {
            Self::Server(server) => server.conform(&lesson.target, &lesson.scenario, OWN_SEED, &recipe),
            Self::Library(library) => library.conform(&lesson.target, &lesson.scenario, OWN_SEED, &recipe),
        }
    }

    fn close(&self) -> Result<(), Fault> {
        match self {
            Self::Server(server) => server.talks.close(),
            Self::Library(library) => library.close(),
        }
    }
}

struct Grading<'a> {
    suite: &'a Suite,
    how: &'a BlackBox<'a>,
    depth: Depth,
    reference: Subject,
    /// What applications hear and are told with the reference behind the same conversation, by scenario.
    unharmed: Mutex<BTreeMap<String, Told>>,
}

impl Grading<'_> {
    fn grade(&self, mutant: &Mutant) -> Grade {
        let mut grade = Grade::nothing_yet(mutant);
        grade.out_of_sight = self.out_of_sight(mutant);
        if grade.out_of_sight.is_some() {
            return grade;
        }
        let subject = match self.how.introduce(mutant) {
            Ok(subject) => subject,
            Err(fault) => {
                grade.noticed.push(Notice::broken("hello", fault.to_string()));
                return grade;
            }
        };
        for lesson in self.suite.in_order_for(mutant) {
            grade.scenarios += 1;
            grade.noticed.extend(self.teach(lesson, mutant, &subject));
            if self.depth == Depth::FirstKill && grade.fate() == Fate::Killed {
                break;
            }
        }
        if let Err(fault) = subject.close() {
            grade.noticed.push(Notice::broken("stop", fault.to_string()));
        }
        let is_ours = mutant.seam == Seam::Session && self.how.behind == Behind::Server(Contract::Core);
        if grade.fate() == Fate::Survived && is_ours {
            grade.out_of_sight =
                Some("the fault sits in the session layer, which is Convoke's own in contract `core`".to_owned());
        }
        grade
    }

    /// Why the contract can't show a mutant, where that is known beforehand.
    fn out_of_sight(&self, mutant: &Mutant) -> Option<String> {
        let contract = self.how.behind.name();
        match (mutant.seam == Seam::Device, self.how.behind) {
            (true, Behind::Server(_)) => {
                let words =
                    format!("the fault sits in the client library, which Convoke plays in contract `{contract}`");
                return Some(words);
            }
            (false, Behind::Library) if !mutant.breaks.is_empty() => {
                return Some(format!("the fault sits in the server, which Convoke plays in contract `{contract}`"));
            }
            _ => {}
        }
        if self.how.behind == Behind::Server(Contract::Core)
            && let Some((_, why)) = OURS_IN_CORE.iter().find(|(name, _)| *name == mutant.name)
        {
            return Some((*why).to_owned());
        }
        // What a word means is shown by nothing alone.
        let is_meant = |id: &&&str| requirements::find(id).is_some_and(|found| found.definition);
        let mut broken = mutant.breaks.iter().filter(|id| !is_meant(id)).peekable();
        let shown = broken.peek().is_none() || broken.any(|id| self.reference.can_show(id));
        (!shown).then(|| format!("contract `{contract}` can't show what it breaks: {}", mutant.breaks.join(", ")))
    }

    fn teach(&self, lesson: &Lesson, mutant: &Mutant, subject: &Subject) -> Option<Notice> {
        let mut notice = Notice::of(&subject.conform(lesson), mutant, |outcome| {
            // A library is judged by what applications notice, and they by it.
            let trace = outcome.trace.as_deref().filter(|_| self.how.behind != Behind::Library)?;
            Some(self.is_as_unharmed(lesson, trace))
        })?;
        if notice.broke.is_some() {
            notice.hidden = None;
        }
        Some(notice)
    }

    /// Whether applications hear and are told what they are with the reference.
    fn is_as_unharmed(&self, lesson: &Lesson, trace: &Trace) -> bool {
        let name = lesson.target.name();
        let known = self.unharmed.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        let unharmed = known.unwrap_or_else(|| {
            let outcome = self.reference.conform(lesson);
            let seen = outcome.trace.as_deref().map(Told::of).unwrap_or_default();
            self.unharmed.lock().unwrap_or_else(PoisonError::into_inner).insert(name, seen.clone());
            seen
        });
        Told::of(trace) == unharmed
    }
}
