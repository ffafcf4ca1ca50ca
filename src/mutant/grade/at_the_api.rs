//! Mutants behind adapters of contract `system`: an SDK with its server, in real time, of which only the API is seen.
//!
//! Real time is dear, so nothing is played in it that can't show anything. Each scenario is first played in the simulator,
//! with the mutant and with the reference: where no application hears or is told anything else there, none will in real time;
//! and what a check at the API names there is worth the time. A mutant that shows in no scenario that can be played is *out of
//! sight*, and says why; one that should have shown and was not found *survives*, and says where it should have.
//!
//! Real time has bad days, so a kill counts only if every run of a scenario shows it, and if the faultless server, behind the
//! same adapter, passes that scenario.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::told::Told;
use super::{Depth, Fate, Grade, Graded, Lesson, Mutant, Notice, SNAPSHOTS_OFF, Suite, spread};
use crate::implementation::Fault;
use crate::implementation::system::Capability;
use crate::mutant::Seam;
use crate::plan::Plan;
use crate::plan::compile::compile_for;
use crate::protocol::bounds::Bounds;
use crate::run::profile::Profile;
use crate::run::system::{Accounts, Reach, SubjectError, SystemSubject};
use crate::run::{self, OWN_SEED, Outcome, Recipe, Verdict, guard};
use crate::trace::Trace;
use crate::trace::outside::seen_by_applications;
use crate::world::cast::{Cast, Reference};
use crate::world::{WorldError, sim};

/// How mutants are reached.
pub struct Adapters<'a> {
    /// The command that starts the adapter of a mutant, or that of the reference under the name of [`Mutant::IDENTITY`].
    pub command: &'a (dyn Fn(&Mutant) -> String + Sync),
    /// Whether the client library in it is the mutant's as well; else it is the adapter's own.
    pub plays_library: bool,
    /// How long it may take for one answer.
    pub patience: Duration,
    /// How often a scenario is run whose first run shows something: all must.
    pub attempts: u32,
}

/// Why nothing could be graded.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// The adapter with the faultless server can't be had.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// It does not start a server of its own for each run.
    #[error(
        "the adapter does not declare the capability `bounds`: a mutant plays a server that the adapter starts for each \
         run, with the bounds and accounts of `hello`"
    )]
    Bounds,
    /// It does not take its leave.
    #[error("the adapter with the faultless server does not take its leave: {0}")]
    Leave(Fault),
}

/// Runs a suite against each mutant behind an adapter, on some threads, which mostly wait. `tell` hears how many of the
/// mutants are done.
///
/// # Errors
/// When the adapter can't be had with the faultless server: then it could not with any mutant.
pub fn grade(
    suite: &Suite,
    mutants: &[Mutant],
    how: &Adapters<'_>,
    depth: Depth,
    jobs: usize,
    mut tell: impl FnMut(usize, usize),
) -> Result<Graded, AdapterError> {
    let faultless = how.introduce(&Mutant::IDENTITY)?;
    if !faultless.introduced.can(Capability::Bounds) {
        faultless.close().map_err(AdapterError::Leave)?;
        return Err(AdapterError::Bounds);
    }
    let stage = |lesson| Stage::of(lesson, &faultless);
    let stages = suite.scenarios.iter().map(stage).collect();
    let grading = Grading { how, depth, faultless, stages, simulator: Mutex::new(()) };
    let all = mutants.len();
    let grades = spread(all, jobs, |index| grading.grade(&mutants[index]), |done| tell(done, all));
    grading.faultless.close().map_err(AdapterError::Leave)?;
    let unfit = |stage: Stage<'_>| Some((stage.lesson.target.name(), stage.unfit.into_inner()??));
    Ok(Graded { grades, unfit: grading.stages.into_iter().filter_map(unfit).collect::<BTreeMap<_, _>>() })
}

impl Adapters<'_> {
    fn introduce(&self, mutant: &Mutant) -> Result<SystemSubject, SubjectError> {
        let reach = Reach::Command((self.command)(mutant));
        SystemSubject::introduce(reach, Accounts::themselves(), Profile::strict(), None, self.patience, self.attempts)
    }
}

/// A scenario, and what is known of it.
struct Stage<'a> {
    lesson: &'a Lesson,
    plan: Option<Arc<Plan>>,
    /// Why it can't be played in real time.
    out_of_reach: Option<String>,
    /// What applications hear and are told with the reference, in the simulator.
    unharmed: OnceLock<Told>,
    /// What came of it with the faultless server behind the adapter, if it did not pass.
    unfit: OnceLock<Option<String>>,
}

/// What the simulator says of a scenario with a mutant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Foreseen {
    /// No application hears or is told anything else than with the reference.
    Nothing,
    /// The same, at other times.
    OtherTimes,
    /// Something, and no check at the API finds anything.
    Unnamed,
    /// Something, and what checks at the API name is not what the mutant breaks.
    Otherwise,
    /// What the mutant breaks is named by a check at the API.
    Named,
}

impl<'a> Stage<'a> {
    fn of(lesson: &'a Lesson, subject: &SystemSubject) -> Self {
        let out_of_reach = subject.out_of_reach(&lesson.scenario, OWN_SEED).map(|(words, _)| words);
        let plan = compile_for(&lesson.scenario, OWN_SEED, Bounds::default()).ok().map(Arc::new);
        Self { lesson, plan, out_of_reach, unharmed: OnceLock::new(), unfit: OnceLock::new() }
    }

    fn foresee(&self, mutant: &Mutant) -> Foreseen {
        let unharmed = || self.simulate(&Reference).as_ref().map(Told::of).unwrap_or_default();
        let unharmed = self.unharmed.get_or_init(unharmed);
        // Where the mutant's run does not even begin, applications notice that.
        let Some(trace) = self.simulate(mutant) else { return Foreseen::Unnamed };
        let told = Told::of(&trace);
        if told == *unharmed {
            return Foreseen::Nothing;
        }
        match self.names_it(&trace, mutant) {
            Some(true) => Foreseen::Named,
            _ if told.by_device() == unharmed.by_device() => Foreseen::OtherTimes,
            Some(false) => Foreseen::Otherwise,
            None => Foreseen::Unnamed,
        }
    }

    fn simulate(&self, cast: &dyn Cast) -> Option<Trace> {
        let options = sim::Options { encode: false, moments_max: Some(self.lesson.moments_max()) };
        let plan = self.plan.as_ref()?;
        match guard::catch(|| sim::run_as(plan, options, cast)).ok()? {
            Ok(trace) => Some(trace),
            Err(WorldError::WithoutEnd { so_far, .. }) => Some(*so_far),
            Err(_) => None,
        }
    }

    /// Whether what checks find in what the applications saw of a run names what the mutant breaks, if they find anything. In
    /// real time no times are expected, and claims are not judged.
    fn names_it(&self, trace: &Trace, mutant: &Mutant) -> Option<bool> {
        let mut seen = seen_by_applications(trace);
        seen.plan = Arc::new(seen.plan.without_times());
        let mut outcome = run::judge(&self.lesson.target.name(), seen);
        outcome.empty_claims.clear();
        let notice = Notice::of(&outcome, mutant, |_| None)?;
        let finds = !notice.rightly.is_empty() || !notice.otherwise.is_empty();
        finds.then_some(!notice.rightly.is_empty())
    }
}

struct Grading<'a> {
    how: &'a Adapters<'a>,
    depth: Depth,
    faultless: SystemSubject,
    /// In the order of the suite.
    stages: Vec<Stage<'a>>,
    /// One at a time is in the simulator, which takes all that a processor has: those in real time need some, too.
    simulator: Mutex<()>,
}

impl Grading<'_> {
    fn grade(&self, mutant: &Mutant) -> Grade {
        let mut grade = Grade::nothing_yet(mutant);
        if mutant.seam == Seam::Device && !self.how.plays_library {
            let words = "the fault sits in the client library, and behind `--adapter` that is the adapter's own";
            grade.out_of_sight = Some(words.to_owned());
            return grade;
        }
        let mut subject = None;
        // An adapter that does not even introduce itself is asked once.
        if let Err(error) = self.play_what_shows_it(&mut grade, &mut subject) {
            grade.noticed.push(Notice::broken("hello", error.to_string()));
        }
        if let Some(Err(fault)) = subject.as_ref().map(SystemSubject::close) {
            grade.noticed.push(Notice::broken("stop", fault.to_string()));
        }
        grade
    }

    fn play_what_shows_it(&self, grade: &mut Grade, subject: &mut Option<SystemSubject>) -> Result<(), SubjectError> {
        let mutant = &{ grade.mutant };
        let mut stages: Vec<&Stage<'_>> = self.stages.iter().collect();
        stages.sort_by_key(|stage| stage.lesson.place_for(mutant));
        let (playable, others): (Vec<_>, Vec<_>) = stages.into_iter().partition(|stage| stage.out_of_reach.is_none());
        let mut is_other_times = false;
        // What would at least say that something is wrong.
        let mut second_best = None;
        for stage in playable {
            match self.foresee(stage, mutant) {
                Foreseen::Nothing => continue,
                Foreseen::OtherTimes => {
                    is_other_times = true;
                    continue;
                }
                Foreseen::Unnamed => {}
                Foreseen::Otherwise => {
                    second_best.get_or_insert(stage);
                }
                Foreseen::Named => self.play(stage, grade, subject)?,
            }
            let name = stage.lesson.target.name();
            if !grade.killers().any(|notice| notice.scenario == name) {
                grade.missed.push(name);
            }
            if self.depth == Depth::FirstKill && grade.fate() == Fate::Killed {
                break;
            }
        }
        if let Some(stage) = second_best.filter(|_| grade.fate() != Fate::Killed) {
            self.play(stage, grade, subject)?;
        }
        if grade.noticed.is_empty() && grade.missed.is_empty() {
            grade.out_of_sight = Some(self.why_unseen(mutant, &others, is_other_times));
        }
        Ok(())
    }

    /// Plays a scenario in real time, with the adapter of the grade's mutant, which is started for the first.
    fn play(
        &self,
        stage: &Stage<'_>,
        grade: &mut Grade,
        subject: &mut Option<SystemSubject>,
    ) -> Result<(), SubjectError> {
        let mutant = grade.mutant;
        let subject = match subject {
            Some(subject) => subject,
            none => none.insert(self.how.introduce(&mutant)?),
        };
        grade.scenarios += 1;
        grade.noticed.extend(self.teach(stage, &mutant, subject));
        Ok(())
    }

    fn foresee(&self, stage: &Stage<'_>, mutant: &Mutant) -> Foreseen {
        let _alone = self.simulator.lock().unwrap_or_else(PoisonError::into_inner);
        stage.foresee(mutant)
    }

    /// Why no application notices a mutant in any scenario that can be played.
    fn why_unseen(&self, mutant: &Mutant, others: &[&Stage<'_>], mut is_other_times: bool) -> String {
        for stage in others {
            match self.foresee(stage, mutant) {
                Foreseen::Nothing => {}
                Foreseen::OtherTimes => is_other_times = true,
                Foreseen::Unnamed | Foreseen::Otherwise | Foreseen::Named => {
                    let why = stage.out_of_reach.as_deref().unwrap_or_default();
                    let name = stage.lesson.target.name();
                    return format!("applications notice it in {name}, which can't be played: {why}");
                }
            }
        }
        match is_other_times {
            true => {
                "applications hear and are told the same at other times, and in real time none is promised".to_owned()
            }
            false => {
                "in no scenario is an application told or hears anything else than with the reference: only the wire \
                      shows it (TERM-4)"
                    .to_owned()
            }
        }
    }

    /// What a scenario notices of a mutant in real time, if anything.
    fn teach(&self, stage: &Stage<'_>, mutant: &Mutant, subject: &SystemSubject) -> Option<Notice> {
        let outcome = play(stage, subject);
        let mut notice = Notice::of(&outcome, mutant, |_| None)?;
        if outcome.verdict == Verdict::Fail && notice.broke.is_some() {
            // Only some of the runs showed it, and the outcome says so: that is no kill.
            notice.rightly.clear();
            notice.otherwise.clear();
        }
        let finds = !notice.rightly.is_empty() || !notice.otherwise.is_empty();
        (!finds || !self.is_unfit(stage)).then_some(notice)
    }

    /// Whether what a scenario shows is not the mutant's doing, but that of the adapter or the machine.
    fn is_unfit(&self, stage: &Stage<'_>) -> bool {
        let look = || {
            let outcome = play(stage, &self.faultless);
            let first = outcome.findings.first().map(|finding| format!(": {}", finding.message));
            (!outcome.verdict.is_well()).then(|| format!("{}{}", outcome.verdict.name(), first.unwrap_or_default()))
        };
        stage.unfit.get_or_init(look).is_some()
    }
}

fn play(stage: &Stage<'_>, subject: &SystemSubject) -> Outcome {
    let recipe = Recipe { snapshots: SNAPSHOTS_OFF, ..Recipe::default() };
    subject.conform(&stage.lesson.target, &stage.lesson.scenario, OWN_SEED, &recipe)
}
