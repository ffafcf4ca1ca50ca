//! A second, naive model of the protocol, and random sequences on which the reference must agree with it.
//!
//! The model is written from `docs/PROTOCOL.md` and shares with the reference only the words: vocabulary, calls, events,
//! messages. It is slow, keeps everything for ever, and is meant to be believed by reading. Each sequence becomes a plan
//! for the simulator; `compare` holds the trace against the model, and `check::judge` must find nothing either.
//!
//! `CONVOKE_MODEL_CASES` says how many sequences are run (3,000 by default), `CONVOKE_MODEL_SEED` which ones (1 by default),
//! and `CONVOKE_MODEL_COUNTS` prints how often what happened. In release 100,000 took about 40 s when they were judged as the
//! server saw them alone; now they are as the devices saw them, too. Proptest shrinks what fails to the few
//! steps that it takes, and prints them; `CONVOKE_MODEL_TRACE=FILE` keeps its trace, for `convoke judge FILE`.

mod compare;
mod library;
mod rooms;
mod sequence;
mod sessions;

use std::cell::RefCell;
use std::io::Write as _;

use convoke::check;
use convoke::seed::Seed;
use convoke::trace::outside::seen_by_devices;
use convoke::trace::{Trace, json};
use convoke::world::sim;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use self::compare::Looked;
use self::sequence::{Sequence, sequences};

/// How many sequences are run unless `CONVOKE_MODEL_CASES` says otherwise.
const CASES: u32 = 3_000;

#[test]
fn the_reference_agrees_with_the_model() {
    let cases = number_from("CONVOKE_MODEL_CASES").map_or(CASES, |cases| u32::try_from(cases).expect("fits"));
    // The same sequences everywhere, unless somebody asks for others.
    let seed = number_from("CONVOKE_MODEL_SEED").unwrap_or(1);
    let entropy = Seed(seed).stream("sequences").entropy();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &entropy);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let looked = RefCell::new(Looked::new());
    let result = TestRunner::new_with_rng(config, rng).run(&sequences(), |sequence| {
        for (what, times) in agrees(&sequence).map_err(TestCaseError::fail)? {
            *looked.borrow_mut().entry(what).or_default() += times;
        }
        Ok(())
    });
    if let Err(failure) = result {
        panic!(
            "{failure}\nrepeat it: CONVOKE_MODEL_SEED={seed} CONVOKE_MODEL_CASES={cases} cargo test --release --test model"
        );
    }
    // A sequence that reaches nothing proves nothing.
    let looked = looked.into_inner();
    let missing: Vec<_> = MUST_HAPPEN.iter().filter(|what| !looked.contains_key(**what)).collect();
    assert!(cases < CASES || missing.is_empty(), "in {cases} sequences these never happened: {missing:?}");
    if std::env::var_os("CONVOKE_MODEL_COUNTS").is_some() {
        let counts: Vec<String> = looked.iter().map(|(what, times)| format!("{times:>9} {what}")).collect();
        std::io::stdout().write_all((counts.join("\n") + "\n").as_bytes()).expect("standard output takes it");
    }
}

/// What so many sequences must have shown: results of operations, events, and what the model marks.
const MUST_HAPPEN: &[&str] = &[
    "a caller was slowed down",
    "a crash undid what was not durable",
    "a library answered for a busy user",
    "a list went on from a cursor",
    "a repeat was answered with the kept result",
    "a resume window passed",
    "a resumed session got events again",
    "a resumed session got events that it had missed",
    "a ring that was over was left out",
    "a session had too many events unacknowledged",
    "a user moved to another device",
    "accept: -2311",
    "accept: 100102",
    "accept: ok",
    "an answer came when it need not be remembered",
    "an entry counted as an answer",
    "an id was used for something else",
    "an invitee outside read its own entry",
    "cancelInvitation: 100006",
    "enterRoom: -2108",
    "enterRoom: 100008",
    "enterRoom: 100018",
    "enterRoom: 100019",
    "inviteUsers: -2",
    "inviteUsers: -2103",
    "inviteUsers: -2200",
    "inviteUsers: 100005",
    "inviteUsers: ok",
    "malformed: -1001",
    "onInvitationAccepted",
    "onInvitationAdded",
    "onInvitationCancelled",
    "onInvitationHandledByOtherDevice",
    "onInvitationRejected",
    "onInvitationRemoved",
    "onInvitationRevokedByAdmin",
    "onInvitationStatusChanged",
    "onInvitationTimeout",
    "onKickedOffLine",
    "onKickedOutOfRoom",
    "onReceiveInvitation",
    "onRemoteUserEnterRoom",
    "onRemoteUserLeaveRoom",
    "onRoomDismissed",
    "onScheduleAttendeesChanged",
    "onUserRoleChanged",
    "reject: 100102",
    "reject: ok",
    "something was overdue at a restart",
];

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, and is {text:?}")))
}

/// Runs a sequence and compares.
fn agrees(sequence: &Sequence) -> Result<Looked, String> {
    let trace = sim::run(&sequence.plan()).map_err(|error| error.to_string())?;
    let looked = agrees_in(&trace);
    if looked.is_err()
        && let Some(file) = std::env::var_os("CONVOKE_MODEL_TRACE")
    {
        // What fails last is the smallest that fails.
        let mut file = std::io::BufWriter::new(std::fs::File::create(file).expect("a file that can be written"));
        json::write(&trace, &mut file).and_then(|()| file.flush()).expect("there is room for the trace");
    }
    looked
}

/// Holds a trace against the model, and judges it: as the server saw it, and as its devices did.
fn agrees_in(trace: &Trace) -> Result<Looked, String> {
    let looked = compare::compare(trace)?;
    let mut said = said_of(trace);
    let from_outside = seen_by_devices(trace).map_or_else(Vec::new, |seen| said_of(&seen));
    said.extend(from_outside.into_iter().map(|words| format!("as its devices saw it: {words}")));
    if said.is_empty() { Ok(looked) } else { Err(said.join("\n")) }
}

/// What the checks say. No author says what these calls must come to: that is the model's part.
fn said_of(trace: &Trace) -> Vec<String> {
    let judgement = check::judge(trace);
    let findings = judgement.findings.iter().filter(|finding| finding.check != "results");
    findings.map(|f| format!("{} {:?}: {}", f.check, f.requirements, f.message)).collect()
}
