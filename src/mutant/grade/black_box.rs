//! Mutants behind the conversation: each is a process of its own, as an implementation of somebody else would be.
//!
//! What is wrong with a mutant must show to whoever has no more of it than what its contract says. What the contract can't
//! show is not run and counts as neither killed nor alive: each such mutant says why, and another contract shows it. A
//! fault of a server must show although our client library stands between it and the applications (TERM-4), so a kill says
//! whether any application would have noticed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Depth, Fate, Grade, Lesson, Mutant, Notice, SNAPSHOTS_OFF, Suite, spread};
use crate::implementation::{Contract, Fault, ProcessSpec, Talks};
use crate::mutant::Seam;
use crate::run::conform::Subject;
use crate::run::profile::Profile;
use crate::run::{OWN_SEED, Outcome, Recipe};
use crate::trace::{Occurrence, Trace};
use crate::world;

/// How mutants are reached.
pub struct BlackBox<'a> {
    /// What they give.
    pub contract: Contract,
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
    grading.reference.talks.close()?;
    Ok(grades)
}

impl BlackBox<'_> {
    fn introduce(&self, mutant: &Mutant) -> Result<Subject, Fault> {
        let spec = ProcessSpec { command: (self.command)(mutant), patience: self.patience };
        let (talks, introduced) = Talks::introduce(spec, Some(self.contract), &world::bare_service_config())?;
        Ok(Subject { talks: Arc::new(talks), introduced, profile: Profile::strict(), twice: false })
    }
}

struct Grading<'a> {
    suite: &'a Suite,
    how: &'a BlackBox<'a>,
    depth: Depth,
    reference: Subject,
    /// What applications hear and are told with the reference behind the same conversation, by scenario.
    unharmed: Mutex<BTreeMap<String, Vec<String>>>,
}

impl Grading<'_> {
    fn grade(&self, mutant: &Mutant) -> Grade {
        let mut grade = Grade { mutant: *mutant, noticed: Vec::new(), scenarios: 0, out_of_sight: None };
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
        if let Err(fault) = subject.talks.close() {
            grade.noticed.push(Notice::broken("stop", fault.to_string()));
        }
        if grade.fate() == Fate::Survived && mutant.seam == Seam::Session && self.how.contract == Contract::Core {
            grade.out_of_sight =
                Some("the fault sits in the session layer, which is Convoke's own in contract `core`".to_owned());
        }
        grade
    }

    /// Why the contract can't show a mutant, where that is known beforehand.
    fn out_of_sight(&self, mutant: &Mutant) -> Option<String> {
        let contract = self.how.contract;
        if mutant.seam == Seam::Device {
            return Some(format!("the fault sits in the client library, which Convoke plays in contract `{contract}`"));
        }
        let shown = mutant.breaks.is_empty() || mutant.breaks.iter().any(|id| self.reference.can_show(id));
        (!shown).then(|| format!("contract `{contract}` can't show what it breaks: {}", mutant.breaks.join(", ")))
    }

    fn teach(&self, lesson: &Lesson, mutant: &Mutant, subject: &Subject) -> Option<Notice> {
        let mut notice = Notice::of(&lesson.conform(subject), mutant, |outcome| {
            let trace = outcome.trace.as_deref()?;
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
            let outcome = lesson.conform(&self.reference);
            let seen = outcome.trace.as_deref().map(seen_by_applications).unwrap_or_default();
            self.unharmed.lock().unwrap_or_else(PoisonError::into_inner).insert(name, seen.clone());
            seen
        });
        seen_by_applications(trace) == unharmed
    }
}

impl Lesson {
    fn conform(&self, subject: &Subject) -> Outcome {
        let recipe = Recipe {
            snapshots: SNAPSHOTS_OFF,
            moments_max: Some(self.moments_max()),
            keep_traces: true,
            ..Recipe::default()
        };
        subject.conform(&self.target, &self.scenario, OWN_SEED, &recipe)
    }
}

/// All that applications hear and are told, when, and in their order; without what only the wire carries.
fn seen_by_applications(trace: &Trace) -> Vec<String> {
    let seen = |moment: &crate::trace::Moment| {
        let what = match &moment.what {
            Occurrence::Returned { device, call, result: Ok(reply) } => {
                format!("{} {} {}", device.0, call.0, reply.to_api_json())
            }
            Occurrence::Returned { device, call, result: Err(error) } => {
                format!("{} {} {error}", device.0, call.0)
            }
            Occurrence::Heard { device, event } => {
                format!("{} {} {}", device.0, event.event.name(), event.event.to_api_json())
            }
            _ => return None,
        };
        Some(format!("{} {what}", moment.at.as_nanos()))
    };
    trace.moments.iter().filter_map(seen).collect()
}
