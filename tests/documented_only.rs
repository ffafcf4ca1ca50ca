//! The profile `documented-only` asks for what is documented or shows in published clients, and for nothing else: whoever
//! decides otherwise where only this project has decided passes, and whoever breaks what is documented fails.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use convoke::mutant::{Mutant, catalogue};
use convoke::protocol::requirements;
use convoke::run::profile::Profile;
use convoke::run::{self, OWN_SEED, Outcome, Recipe, SnapshotMode, Target, Verdict, corpus};
use convoke::scenario::{self, Scenario};

/// How many scenarios each mutant is shown: those that claim what it breaks, and then the others.
const SHOWN: usize = 12;

/// Whoever decides so breaks what is documented, too: what then happens has a documented requirement against it, such as
/// exactly one code for each user (INV-3), one outcome (DEV-2), or a list that shows what is there (LST-2).
const BREAKS_MORE: [&str; 16] = [
    "answers-busy-unasked",
    "cancel-after-accept-hangs-up",
    "cancel-is-a-status-change",
    "content-of-an-id-is-not-compared",
    "every-attempt-is-the-first",
    "invitee-outside-reads-everything",
    "last-member-hears-one-event-late",
    "leaving-inviter-hangs-up",
    "missed-events-are-lost",
    "old-timer-ends-the-new-call",
    "own-id-is-left-out",
    "page-is-a-second-old",
    "pages-skip-an-entry",
    "re-invite-keeps-the-first-caller",
    "said-before-it-is-written",
    "unknown-accounts-are-skipped",
];

/// A bound that only this project knows: nothing documented says how many events may be unacknowledged.
const OF_NO_DOCUMENT: &str = "session-ends-one-event-too-late";

fn suite() -> Vec<(Target, Scenario)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let load = |target: Target| {
        let scenario = scenario::load(&target.path).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
        (target, scenario)
    };
    corpus::find(&[root]).expect("the corpus is there").into_iter().map(load).collect()
}

fn is_open(id: &str) -> bool {
    requirements::find(id).is_some_and(|requirement| requirement.basis.permits_variants())
}

/// What comes of the scenarios that are nearest to what a mutant breaks.
fn play(suite: &[(Target, Scenario)], mutants: &[Mutant], shown: usize) -> Vec<(Mutant, Outcome)> {
    let profile = Profile::documented_only();
    let recipe = Recipe { snapshots: SnapshotMode::Off, moments_max: Some(200_000), ..Recipe::default() };
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let claims = |(_, scenario): &&(Target, Scenario)| {
                        scenario.covers.iter().filter(|claim| mutant.breaks.contains(&claim.value.as_str())).count()
                    };
                    let mut order: Vec<&(Target, Scenario)> = suite.iter().collect();
                    order.sort_by_key(|one| std::cmp::Reverse(claims(one)));
                    for (target, scenario) in order.into_iter().take(shown) {
                        let mut outcome = run::run_as(target, scenario, OWN_SEED, &recipe, mutant);
                        profile.apply(&mut outcome);
                        outcomes.lock().unwrap().push((*mutant, outcome));
                    }
                }
            });
        }
    });
    outcomes.into_inner().unwrap()
}

#[test]
fn what_was_only_decided_is_not_asked() {
    let open: Vec<Mutant> =
        catalogue().into_iter().filter(|mutant| mutant.breaks.iter().all(|id| is_open(id))).collect();
    let outcomes = play(&suite(), &open, SHOWN);
    assert!(outcomes.iter().filter(|(_, outcome)| outcome.verdict == Verdict::NonStrict).count() > 50);
    let failed = || outcomes.iter().filter(|(_, outcome)| outcome.verdict == Verdict::Fail);

    // A line that rests on what was decided says so, or is known for a consequence of it.
    let silent = failed().filter(|(_, outcome)| outcome.findings.iter().all(|found| found.requirements.is_empty()));
    let silent: Vec<String> = silent
        .flat_map(|(mutant, outcome)| outcome.findings.iter().map(move |found| (mutant, outcome, found)))
        .map(|(mutant, outcome, found)| {
            let line = found.place.map_or(0, |place| place.line);
            format!("{}:{line} wants a `by:` ({}): {}", outcome.name, mutant.name, found.message)
        })
        .collect();
    assert!(silent.is_empty(), "{}", silent.join("\n"));

    let mut asked: Vec<&str> = failed().map(|(mutant, _)| mutant.name).collect();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked, BREAKS_MORE);
}

#[test]
fn what_is_documented_is_asked() {
    let is_documented = |mutant: &Mutant| mutant.name != OF_NO_DOCUMENT && !mutant.breaks.iter().any(|id| is_open(id));
    let documented: Vec<Mutant> = catalogue().into_iter().filter(is_documented).collect();
    let outcomes = play(&suite(), &documented, SHOWN);
    let fails =
        |mutant: &Mutant| outcomes.iter().any(|(of, outcome)| of.name == mutant.name && !outcome.verdict.is_well());
    let passed: Vec<&str> = documented.iter().filter(|mutant| !fails(mutant)).map(|mutant| mutant.name).collect();
    assert!(passed.is_empty(), "{passed:#?}");
}
