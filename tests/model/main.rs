//! A second, naive model of the protocol, and random sequences on which the reference must agree with it.
//!
//! The model is written from `docs/PROTOCOL.md` and shares with the reference only the words: vocabulary, calls, events,
//! messages. It is slow, keeps everything for ever, and is meant to be believed by reading. Each sequence becomes a plan
//! for the simulator; `compare` holds the trace against the model, and `check::judge` must find nothing either.
//!
//! `CONVOKE_MODEL_CASES` says how many sequences are run (3,000 by default). Proptest shrinks what fails to the few
//! steps that it takes, and prints them.

mod compare;
mod library;
mod rooms;
mod sequence;
mod sessions;

use std::cell::RefCell;

use convoke::check;
use convoke::world::sim;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use self::compare::Looked;
use self::sequence::{Sequence, sequences};

/// How many sequences are run unless `CONVOKE_MODEL_CASES` says otherwise.
const CASES: u32 = 3_000;

/// What `check` says of a page whose answer was lost, and that the library therefore asked for again under the same id: it
/// takes that for another page of the traversal. To go once it no longer does.
const PAGES_ASKED_FOR_AGAIN: &str = "twice in one traversal.";

#[test]
fn the_reference_agrees_with_the_model() {
    let cases = match std::env::var("CONVOKE_MODEL_CASES") {
        Ok(number) => number.parse().expect("CONVOKE_MODEL_CASES is a number"),
        Err(_) => CASES,
    };
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let looked = RefCell::new(Looked::new());
    let result = TestRunner::new(config).run(&sequences(), |sequence| {
        for (what, times) in agrees(&sequence).map_err(TestCaseError::fail)? {
            *looked.borrow_mut().entry(what).or_default() += times;
        }
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    for (what, times) in looked.borrow().iter() {
        println!("{times:>9} {what}");
    }
}

/// Runs a sequence and compares.
fn agrees(sequence: &Sequence) -> Result<Looked, String> {
    let trace = sim::run(&sequence.plan()).map_err(|error| error.to_string())?;
    let looked = compare::compare(&trace)?;
    // No author says what these calls must come to: that is the model's part.
    let judgement = check::judge(&trace);
    let findings = judgement
        .findings
        .iter()
        .filter(|finding| finding.check != "results" && !finding.message.ends_with(PAGES_ASKED_FOR_AGAIN));
    let said: Vec<String> = findings.map(|f| format!("{} {:?}: {}", f.check, f.requirements, f.message)).collect();
    if said.is_empty() { Ok(looked) } else { Err(said.join("\n")) }
}
