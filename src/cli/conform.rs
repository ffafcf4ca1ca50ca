//! `convoke conform`: the corpus against an implementation of somebody else.

mod party;
mod system;

use std::fmt::Write as _;

pub(super) use self::party::{Party, Runs, arguments_of};
use super::args::{BasisFilter, Conform, LevelFilter, ReportFormat};
use super::clock::stopwatch;
use super::output::Output;
use super::progress::Progress;
use super::run::chosen;
use super::{Ending, Failure, libraries};
use crate::implementation::{HelloAnswer, Storage, end_all_processes};
use crate::protocol::requirements;
use crate::report::result::{self, About, Builder, Implementation};
use crate::report::summary::Summary;
use crate::report::terminal;
use crate::run::axes::{self, Combination, NoChoice};
use crate::run::corpus::{self, Corpus};
use crate::run::known::{KnownError, KnownFailures};
use crate::run::profile::{Profile, ProfileError};
use crate::run::sweep::{News, Sweep, sweep_with};
use crate::run::{OWN_SEED, Outcome, Recipe, SnapshotMode, Target, Verdict};
use crate::scenario::Scenario;
use crate::snapshot::Snapshot;

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::File(error) => error.into(),
            error => Self::Usage(error.to_string()),
        }
    }
}

impl From<KnownError> for Failure {
    fn from(error: KnownError) -> Self {
        match error {
            KnownError::File(error) => error.into(),
            error => Self::Usage(error.to_string()),
        }
    }
}

pub(super) fn conform(arguments: &Conform, output: &mut Output) -> Ending {
    arguments.reports.check()?;
    let clock = stopwatch();
    let all = corpus::find(&arguments.which.paths)?;
    let combinations = combinations(arguments)?;
    let has_axes = !arguments.axis.is_empty();
    // With axes it is the combination's name that is filtered.
    let targets = if has_axes { all.clone() } else { chosen(all.clone(), &arguments.which)? };
    let profile = Profile::find(&arguments.profile)?;
    let mut known = arguments.known_failures.as_deref().map(KnownFailures::read).transpose()?;
    let choice = Choice::of(arguments)?;
    end_with_us()?;
    let runs = Runs { twice: !arguments.once, attempts: arguments.attempts.get() };
    let subject = Party::find(&arguments.tested, runs, profile, output)?;
    let recipe = recipe(arguments, &targets, &subject)?;
    let wanted = |scenario: &Scenario| choice.takes(scenario);
    let jobs = arguments.jobs.map_or_else(|| subject.jobs(), usize::from);
    let how = Sweep { jobs, fail_fast: arguments.fail_fast, clock: &clock, wanted: &wanted };
    let mut summary = Summary::default();
    let mut result = match arguments.reports.need_result() {
        true => Some(Builder::new(about(&subject, &recipe, corpus::identity(&all)?))),
        false => None,
    };
    let mut problem = None;
    let mut progress = Progress::new();
    let mut left_out = 0_u64;
    let mut stopped = false;
    for combination in combinations {
        let recipe = Recipe { combination, ..recipe.clone() };
        let targets: Vec<Target> = match &arguments.which.filter {
            Some(filter) if has_axes => {
                let is_wanted = |target: &&Target| format!("{}/{}", target.name(), recipe.combination).contains(filter);
                targets.iter().filter(is_wanted).cloned().collect()
            }
            _ => targets.clone(),
        };
        if stopped || targets.is_empty() {
            continue;
        }
        let play = |target: &_, scenario: &_, seed| subject.play(target, scenario, seed, &recipe);
        sweep_with(&targets, &recipe, &how, &play, |news| match news {
            News::Runs(done, all) => progress.advance(done, all, clock()),
            News::Finished(outcome) if outcome.is_left_out => left_out += 1,
            News::Finished(mut outcome) => {
                stopped |= arguments.fail_fast && !outcome.verdict.is_well();
                if let Some(known) = &mut known {
                    known.look_at(&mut outcome);
                }
                let repeat = repeat(arguments, &outcome, &recipe);
                summary.add_repeated_by(&outcome, &repeat);
                if problem.is_none() {
                    problem = progress.aside(|| tell(&outcome, &repeat, &subject, arguments, output)).err();
                }
                if let Some(result) = &mut result {
                    result.add(&outcome, repeat);
                }
            }
        });
    }
    progress.end();
    summary.wall = clock();
    // What is waived is neither shown nor broken.
    for ids in [&mut summary.covered, &mut summary.broken] {
        ids.retain(|id| !subject.profile().waives(&id.0));
    }
    let closed = subject.close();
    if summary.scenarios() == 0 {
        return Err(Failure::Usage(format!("of the scenarios there ({}), none is {}", targets.len(), choice.words())));
    }
    let result = result.map(|result| result.finish(&summary));
    let written = result.as_ref().map_or(Ok(()), |result| arguments.reports.write_files(result));
    if let Some(problem) = problem {
        return Err(problem);
    }
    if arguments.reports.format == ReportFormat::Human {
        output.write(&format!("{}\n", subject.introduction()))?;
        if left_out > 0 {
            let words = "are left out: they change nothing there, or what the author expects does not hold there";
            output.write(&format!("{left_out} combinations {words}\n"))?;
        }
        output.write(&terminal::summary(&summary, recipe.seed.0, output.page))?;
    }
    if let Some(result) = &result {
        arguments.reports.say(result, output)?;
    }
    written?;
    let is_whole = arguments.which.filter.is_none() && choice.is_all() && !arguments.fail_fast;
    let stale = known.as_ref().map_or(0, |known| tell_known(known, is_whole, arguments, output));
    if is_whole {
        for words in subject.profile().stale_variants(&summary.permitted) {
            output.note(&format!("stale variant: {words}"));
        }
    }
    if let (true, Some(known)) = (arguments.fix, &known) {
        known.fix()?;
        for (scenario, why) in known.left_out() {
            let mend = "where that is known, list it under `flaky`";
            output.note(&format!("not put on the list: {scenario} {why}; {mend}"));
        }
    }
    if let Err(fault) = closed {
        return Err(Failure::Broken(format!("at the end of all runs: {fault}")));
    }
    let unsupported = summary.verdicts.contains_key(&Verdict::Unsupported);
    let fails = (arguments.strict && unsupported) || (stale > 0 && !arguments.fix);
    Ok(summary.exit_code().max(u8::from(fails)))
}

/// Whoever ends us by a signal ends the implementation, too, which leads a process group of its own.
pub(super) fn end_with_us() -> Result<(), Failure> {
    /// What the shell reports for a program that a signal ended: 128 + SIGINT.
    const INTERRUPTED: i32 = 130;
    let broken = |error: std::io::Error| Failure::Broken(format!("can't wait for signals: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
    let signals = {
        let _inside = runtime.enter();
        use tokio::signal::unix::{SignalKind, signal};
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    };
    let (mut interrupt, mut terminate) = (signals.0.map_err(broken)?, signals.1.map_err(broken)?);
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        end_all_processes();
        std::process::exit(INTERRUPTED);
    });
    Ok(())
}

/// Tells what the list of known failures says and nothing bears out, and how often the flaky ones failed. How many entries
/// are stale.
fn tell_known(known: &KnownFailures, is_whole: bool, arguments: &Conform, output: &mut Output) -> usize {
    for (scenario, failed, runs) in known.flaky() {
        output.note(&format!("flaky: {scenario} failed in {failed} of {runs} runs"));
    }
    let stale = known.stale(is_whole);
    if !arguments.fix {
        for words in &stale {
            output.complain(&format!("stale known failure: {words}; --fix writes the list anew"));
        }
    }
    stale.len()
}

/// The combinations of the axes that were asked for: one that leaves everything as it is, if none was.
fn combinations(arguments: &Conform) -> Result<Vec<Combination>, Failure> {
    let usage = |error: NoChoice| Failure::Usage(error.to_string());
    let choices =
        arguments.axis.iter().map(|text| axes::Choice::read(text)).collect::<Result<_, _>>().map_err(usage)?;
    axes::combinations(choices, arguments.pairwise).map_err(usage)
}

/// Where the snapshots are, and what happens to them: those in a folder that the user names must be there, those in the
/// implementation's own folder may be.
fn recipe(arguments: &Conform, targets: &[Target], subject: &Party) -> Result<Recipe, Failure> {
    let (snapshots, folder) = match (&arguments.snapshots, targets.first()) {
        (Some(named), _) => (SnapshotMode::Compare { propose: false }, Some(named.clone())),
        (None, Some(first)) => {
            let folder = Snapshot::folder_of(&first.root, &subject.identity().0)?;
            let mode = if folder.is_dir() { SnapshotMode::CompareIfThere } else { SnapshotMode::Off };
            (mode, Some(folder))
        }
        (None, None) => (SnapshotMode::Off, None),
    };
    let snapshots = if arguments.bless { SnapshotMode::Bless } else { snapshots };
    Ok(Recipe {
        seed: arguments.seed.unwrap_or(OWN_SEED),
        seeds: arguments.seeds.get(),
        snapshots,
        snapshot_folder: folder,
        keep_traces: arguments.reports.need_result(),
        ..Recipe::default()
    })
}

fn about(subject: &Party, recipe: &Recipe, corpus: Corpus) -> About {
    let (name, version, contract) = subject.identity();
    About {
        command: "conform",
        corpus,
        implementation: Implementation { name, version, contract: Some(contract) },
        profile: result::Profile::from(subject.profile()),
        worlds: vec![subject.world()],
        seed: recipe.seed,
        seeds: recipe.seeds,
    }
}

/// The command that shows an outcome again.
fn repeat(arguments: &Conform, outcome: &Outcome, recipe: &Recipe) -> String {
    // Behind the file stands the combination, which has arguments of its own.
    let combination = recipe.combination.to_string();
    let file = outcome.path.strip_suffix(&combination).filter(|_| !combination.is_empty());
    let file = file.map_or(outcome.path.as_str(), |file| file.trim_end_matches('/'));
    let (whom, file) = (arguments_of(&arguments.tested), terminal::shell_word(file));
    let mut repeat = format!("convoke conform {whom} {file} --seed {}", outcome.seed);
    repeat.push_str(&recipe.combination.arguments());
    if arguments.profile != "strict" {
        let _ = write!(repeat, " --profile {}", terminal::shell_word(&arguments.profile));
    }
    repeat
}

fn tell(
    outcome: &Outcome,
    repeat: &str,
    subject: &Party,
    arguments: &Conform,
    output: &mut Output,
) -> Result<(), Failure> {
    let is_quiet = matches!(outcome.verdict, Verdict::Pass | Verdict::Unsupported) && !arguments.verbose;
    if arguments.reports.format == ReportFormat::Human && !is_quiet {
        output.write(&terminal::line(outcome, output.page))?;
        if let Party::Libraries(libraries) = subject {
            output.write(&libraries::played(libraries, outcome))?;
        }
        output.write(&terminal::details_repeated_by(outcome, repeat, output.page))?;
        output.flush()?;
    }
    Ok(())
}

pub(super) fn introduction(introduced: &HelloAnswer) -> String {
    let HelloAnswer { name, version, contract, storage, .. } = introduced;
    let storage = match storage {
        Storage::None => "keeps nothing over a crash",
        Storage::Harness => "keeps what convoke stores for it",
    };
    format!("{name} {version}, contract `{contract}`, {storage}")
}

/// Which scenarios are wanted, by what only the loaded file knows.
struct Choice {
    requirements: Vec<String>,
    levels: Vec<LevelFilter>,
    bases: Vec<BasisFilter>,
    tags: Vec<String>,
}

impl Choice {
    fn of(arguments: &Conform) -> Result<Self, Failure> {
        for id in &arguments.requirement {
            if requirements::find(id).is_none() && !requirements::GROUPS.iter().any(|group| group.prefix == id) {
                let words = format!("`{id}` is no requirement and no group of them; `convoke requirements` lists them");
                return Err(Failure::Usage(words));
            }
        }
        Ok(Self {
            requirements: arguments.requirement.clone(),
            levels: arguments.level.clone(),
            bases: arguments.basis.clone(),
            tags: arguments.tag.clone(),
        })
    }

    fn takes(&self, scenario: &Scenario) -> bool {
        let claims = || scenario.covers.iter().filter_map(|claim| requirements::find(&claim.value));
        let any_of = |wanted: bool, one: &dyn Fn(&requirements::Requirement) -> bool| !wanted || claims().any(one);
        let is_named = |claim: &requirements::Requirement| {
            self.requirements.iter().any(|wanted| wanted == claim.id || wanted == claim.group().prefix)
        };
        any_of(!self.requirements.is_empty(), &is_named)
            && any_of(!self.levels.is_empty(), &|claim| self.levels.iter().any(|level| level.takes(claim)))
            && any_of(!self.bases.is_empty(), &|claim| self.bases.iter().any(|basis| basis.takes(claim)))
            && (self.tags.is_empty() || scenario.tags.iter().any(|tag| self.tags.contains(&tag.value)))
    }

    /// Whether nothing is left out.
    fn is_all(&self) -> bool {
        self.requirements.is_empty() && self.levels.is_empty() && self.bases.is_empty() && self.tags.is_empty()
    }

    fn words(&self) -> String {
        let mut words = Vec::new();
        if !self.requirements.is_empty() {
            words.push(format!("about {}", self.requirements.join(" or ")));
        }
        if !self.levels.is_empty() || !self.bases.is_empty() {
            words.push("of that level and basis".to_owned());
        }
        if !self.tags.is_empty() {
            words.push(format!("tagged {}", self.tags.join(" or ")));
        }
        words.join(" and ")
    }
}
