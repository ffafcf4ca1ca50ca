//! A second, naive model of the protocol, and random sequences on which the reference must agree with it.
//!
//! The model is written from `docs/PROTOCOL.md` and shares with the reference only the words: vocabulary, calls, events,
//! messages. It is slow, keeps everything for ever, and is meant to be believed by reading. Each sequence becomes a plan
//! for the simulator; `compare` holds the trace against the model, and `check::judge` must find nothing either.
//!
//! `CONVOKE_MODEL_CASES` says how many sequences are run (1,000 by default). Proptest shrinks what fails to the few
//! steps that it takes, and prints them.

mod compare;
mod library;
mod rooms;
mod sequence;
mod sessions;

use std::cell::RefCell;

use convoke::check;
use convoke::protocol::call::Reply;
use convoke::trace::{Occurrence, Trace};
use convoke::world::sim;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use self::compare::Looked;
use self::sequence::{Sequence, sequences};

/// How many sequences are run unless `CONVOKE_MODEL_CASES` says otherwise.
const CASES: u32 = 1_000;

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

/// Runs a sequence, as often as it takes to learn the cursors that it uses, and compares.
fn agrees(sequence: &Sequence) -> Result<Looked, String> {
    let mut sequence = sequence.clone();
    loop {
        let written = sequence.write();
        let trace = sim::run(&written.plan).map_err(|error| error.to_string())?;
        let wanted = written
            .wants_cursor
            .iter()
            .find_map(|(step, number)| Some((*step, cursor_before(&trace, *step, *number)?)));
        if let Some((step, cursor)) = wanted {
            sequence = sequence.with_cursor(step, cursor);
            continue;
        }
        let looked = compare::compare(&trace)?;
        // No author says what these calls must come to: that is the model's part.
        let judgement = check::judge(&trace);
        let findings = judgement.findings.iter().filter(|finding| finding.check != "results");
        let said: Vec<String> = findings.map(|f| format!("{} {:?}: {}", f.check, f.requirements, f.message)).collect();
        if !said.is_empty() {
            return Err(said.join("\n"));
        }
        return Ok(looked);
    }
}

/// One of the cursors that were given before a step began.
fn cursor_before(trace: &Trace, step: usize, number: usize) -> Option<convoke::protocol::vocabulary::Cursor> {
    let cursors: Vec<_> = trace
        .moments
        .iter()
        .take_while(|moment| moment.what != Occurrence::StepBegan { step })
        .filter_map(|moment| match &moment.what {
            Occurrence::Returned { result: Ok(Reply::List(page)), .. } if !page.cursor.as_str().is_empty() => {
                Some(page.cursor.clone())
            }
            _ => None,
        })
        .collect();
    (!cursors.is_empty()).then(|| cursors[number % cursors.len()].clone())
}
