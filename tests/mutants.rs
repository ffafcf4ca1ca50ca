//! Mutants grade the suite, and what is no mutant must survive it: a grading that kills everything says nothing.

use std::path::PathBuf;
use std::time::Duration;

use convoke::implementation::Contract;
use convoke::mutant::grade::at_the_api::{self, Adapters};
use convoke::mutant::grade::black_box::{self, Behind, BlackBox};
use convoke::mutant::grade::{Depth, Fate, Grade, Graded, Suite};
use convoke::mutant::{Mutant, Seam, catalogue, equivalents};
use convoke::run::corpus;

/// The scenarios below some folders of the corpus.
fn suite(folders: &[&str]) -> Suite {
    let scenarios = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let paths: Vec<PathBuf> = folders.iter().map(|folder| scenarios.join(folder)).collect();
    Suite::load(&corpus::find(&paths).expect("the corpus is there"), jobs()).unwrap_or_else(|error| panic!("{error}"))
}

fn jobs() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[test]
fn every_mutant_is_killed_by_what_names_a_requirement_that_it_breaks() {
    let suite = suite(&[""]);
    let alive: Vec<String> = suite
        .grade(&catalogue(), Depth::FirstKill, jobs(), |_, _| {})
        .iter()
        .filter(|grade| grade.fate() != Fate::Killed)
        .map(|grade| format!("{} {}: {}", grade.fate().name(), grade.mutant.name, grade.mutant.fault))
        .collect();
    assert!(alive.is_empty(), "`convoke mutants --mutant NAME` says more:\n{}", alive.join("\n"));
}

#[test]
fn the_reference_survives_under_any_name() {
    let suite = suite(&["answer", "cancel", "client", "invite", "lists", "sessions", "timeout"]);
    let grades = suite.grade(&[Mutant::IDENTITY], Depth::Everything, jobs(), |_, _| {});
    assert_eq!(grades[0].fate(), Fate::Survived, "{:#?}", grades[0].noticed);
    assert_eq!(grades[0].scenarios, suite.len());
}

#[test]
fn equivalents_survive() {
    let mutants: Vec<Mutant> = equivalents().iter().map(|equivalent| equivalent.mutant).collect();
    let suite = suite(&["faults", "regressions", "sessions"]);
    for grade in suite.grade(&mutants, Depth::Everything, jobs(), |_, _| {}) {
        assert_eq!(grade.fate(), Fate::Survived, "{}: {:#?}", grade.mutant.name, grade.noticed);
    }
}

const CORE: Behind = Behind::Server(Contract::Core);
const FULL: Behind = Behind::Server(Contract::Full);

/// Mutants as processes of their own, against some folders of the corpus.
fn behind(contract: Behind, mutants: &[Mutant], folders: &[&str], depth: Depth) -> Vec<Grade> {
    let suite = suite(folders);
    let command = |mutant: &Mutant| {
        let convoke = env!("CARGO_BIN_EXE_convoke");
        format!("exec '{convoke}' reference --contract {} --mutant {}", contract.name(), mutant.name)
    };
    let how = BlackBox { behind: contract, command: &command, patience: Duration::from_secs(60) };
    black_box::grade(&suite, mutants, &how, depth, jobs(), |_, _| {}).unwrap_or_else(|fault| panic!("{fault}"))
}

fn named(names: &[&str]) -> Vec<Mutant> {
    let all = catalogue();
    let find = |name: &&str| *all.iter().find(|mutant| mutant.name == *name).unwrap_or_else(|| panic!("no {name}"));
    names.iter().map(find).collect()
}

/// One of every seam and of most groups: `convoke mutants --contract CONTRACT` runs them all.
const SAMPLE: [&str; 10] = [
    "cancel-reaches-one-device",
    "batch-is-many-commits",
    "too-late-device-succeeds",
    "device-is-its-connection",
    "answers-are-soon-forgotten",
    "newcomers-hear-no-end",
    "reject-silences-one-device",
    "owner-always-revokes",
    "every-request-is-answered-twice",
    "evicted-without-a-word",
];

const FOLDERS: [&str; 5] = ["answer", "cancel", "devices", "faults", "sessions"];

#[test]
fn a_sample_is_killed_behind_the_conversation_too() {
    for grade in behind(FULL, &named(&SAMPLE), &FOLDERS, Depth::FirstKill) {
        assert_eq!(grade.fate(), Fate::Killed, "full: {}: {:#?}", grade.mutant.name, grade.noticed);
    }
    for grade in behind(CORE, &named(&SAMPLE), &FOLDERS, Depth::FirstKill) {
        // Whose session layer is Convoke's own, sessions end as they should.
        let wanted = match grade.mutant.name {
            "evicted-without-a-word" => Fate::OutOfSight,
            _ => Fate::Killed,
        };
        assert_eq!(grade.fate(), wanted, "core: {}: {:#?}", grade.mutant.name, grade.noticed);
    }
}

#[test]
fn a_fault_of_the_library_is_out_of_sight_of_a_server() {
    let grades = behind(FULL, &named(&["any-end-closes-the-ring"]), &["client"], Depth::FirstKill);
    assert_eq!((grades[0].fate(), grades[0].scenarios), (Fate::OutOfSight, 0));
    assert!(grades[0].out_of_sight.as_deref().is_some_and(|why| why.contains("client library")));
}

#[test]
fn our_library_hides_no_fault_of_a_server() {
    // TERM-4: the library takes the revisions in and shows none, so no application notices, and the wire does.
    for contract in [CORE, FULL] {
        let grades = behind(contract, &named(&["batch-is-many-commits"]), &["cancel"], Depth::FirstKill);
        let killers: Vec<Option<bool>> = grades[0].killers().map(|notice| notice.hidden).collect();
        assert_eq!(killers, [Some(true)], "{:#?}", grades[0].noticed);
        let grades = behind(contract, &named(&["owner-always-revokes"]), &["cancel"], Depth::FirstKill);
        let killers: Vec<Option<bool>> = grades[0].killers().map(|notice| notice.hidden).collect();
        assert_eq!(killers, [Some(false)], "{:#?}", grades[0].noticed);
    }
}

#[test]
fn the_reference_survives_behind_the_conversation() {
    let grades = behind(CORE, &[Mutant::IDENTITY], &["answer", "cancel"], Depth::Everything);
    assert_eq!(grades[0].fate(), Fate::Survived, "{:#?}", grades[0].noticed);
}

#[test]
fn faults_of_a_library_are_found_behind_the_conversation() {
    let library: Vec<Mutant> = catalogue().into_iter().filter(|mutant| mutant.seam == Seam::Device).collect();
    assert!(library.len() > 20);
    for grade in behind(Behind::Library, &library, &[""], Depth::FirstKill) {
        assert_eq!(grade.fate(), Fate::Killed, "{}: {:#?}", grade.mutant.name, grade.noticed);
    }
    let grades = behind(Behind::Library, &named(&["cancel-reaches-one-device"]), &["cancel"], Depth::FirstKill);
    assert!(grades[0].out_of_sight.as_deref().is_some_and(|why| why.contains("in the server")));
}

#[test]
fn a_server_that_goes_back_is_named_although_the_library_reads_on_for_ever() {
    // TERM-4: the library waits for a page that is as new as what it has heard, and no application hears of anything.
    let grades = behind(CORE, &named(&["calls-are-not-written"]), &["faults"], Depth::FirstKill);
    assert_eq!(grades[0].fate(), Fate::Killed, "{:#?}", grades[0].noticed);
}

/// Mutants behind adapters of contract `system`, in real time: our own library and server.
fn in_real_time(mutants: &[Mutant], folders: &[&str]) -> Graded {
    /// They mostly wait.
    const JOBS: usize = 8;
    let command = |mutant: &Mutant| {
        let convoke = env!("CARGO_BIN_EXE_convoke");
        format!("exec '{convoke}' reference --contract system --mutant {}", mutant.name)
    };
    let patience = Duration::from_secs(60);
    let how = Adapters { command: &command, plays_library: true, patience, attempts: 2 };
    let suite = suite(folders);
    at_the_api::grade(&suite, mutants, &how, Depth::FirstKill, JOBS, |_, _| {})
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_sample_is_killed_by_what_applications_see() {
    let killed = ["cancel-reaches-one-device", "owner-always-revokes", "reject-silences-one-device", "cancel-is-lost"];
    let Graded { grades, unfit } = in_real_time(&named(&killed), &["answer", "cancel"]);
    assert!(unfit.is_empty(), "{unfit:#?}");
    for grade in grades {
        assert_eq!(grade.fate(), Fate::Killed, "{}: {grade:#?}", grade.mutant.name);
        // TERM-4: no other scenario was worth the time.
        assert!(grade.scenarios <= 2, "{}: {} scenarios", grade.mutant.name, grade.scenarios);
    }
}

#[test]
fn what_no_application_notices_is_out_of_sight_and_says_why() {
    // Each change of a batch is a commit of its own: stamps show it, and the API has none.
    let Graded { grades, .. } = in_real_time(&named(&["batch-is-many-commits", "timers-fire-late"]), &["cancel"]);
    for grade in &grades {
        assert_eq!((grade.fate(), grade.scenarios), (Fate::OutOfSight, 0), "{grade:#?}");
    }
    let words = |grade: &Grade| grade.out_of_sight.clone().unwrap_or_default();
    assert!(words(&grades[0]).contains("only the wire shows it (TERM-4)"), "{}", words(&grades[0]));
    // What is faultless is seen by nobody.
    let Graded { grades, .. } = in_real_time(&[Mutant::IDENTITY], &["answer", "cancel"]);
    assert_eq!(grades[0].fate(), Fate::OutOfSight, "{grades:#?}");
}
