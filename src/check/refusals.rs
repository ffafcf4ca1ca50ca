//! A refusal tells nobody more than it must: whoever answers without a live invitation hears the same words, whether there
//! is somebody else's invitation or none. Judged at the server's wire.
//!
//! Words are compared with each other within a run, and never with the reference's.

use super::follow::Followed;
use super::history::History;
use super::{AlwaysCheck, Boundary, Check, Difference, Finding, Findings};
use crate::protocol::vocabulary::{ErrorCode, OperationName, RoomId};

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "refusals",
    requirements: &["SEC-2", "ERR-4", "ERR-5"],
    boundary: Boundary::ServerWire,
    promise: "every refusal has words, those of answers without a live invitation the same, and none speaks of a camera",
    begin: || Box::new(Refusals),
};

struct Refusals;

impl Check for Refusals {
    fn finish(&mut self, history: &History<'_>, _: &Followed<'_>) -> Findings {
        let mut findings = Findings::default();
        // The words of the first refusal, by operation and room: a server may name both.
        let mut words: std::collections::BTreeMap<(OperationName, &RoomId), &str> = std::collections::BTreeMap::new();
        for ask in &history.asks {
            let Some((moment, answer)) = ask.answers.first() else { continue };
            let Err(error) = &answer.result else { continue };
            if error.message.is_empty() {
                findings.add(|| {
                    let name = &history.plan().device(ask.device).name;
                    let message = format!("{name} is refused with {} and without a word why", error.code);
                    Finding::of(&CHECK, &["ERR-4"], message).seen_at(*moment).on(ask.device)
                });
            }
            if error.code == ErrorCode::PERMISSION_DENIED {
                findings.add(|| {
                    let name = &history.plan().device(ask.device).name;
                    let message = format!("{name} is refused with {}, which is about cameras", error.code);
                    Finding::of(&CHECK, &["ERR-5"], message).seen_at(*moment).on(ask.device)
                });
            }
            let answers = |name| matches!(name, OperationName::Accept | OperationName::Reject);
            let Some(call) = ask.call().filter(|call| answers(call.operation())) else { continue };
            let (ErrorCode::REQUEST_ID_INVALID, Some(room)) = (error.code, call.room_id()) else { continue };
            let first = *words.entry((call.operation(), room)).or_insert(&error.message);
            if *first != *error.message {
                findings.add(|| {
                    let name = &history.plan().device(ask.device).name;
                    let message = format!(
                        "{name} is refused at {} in other words than somebody else before, and learns from them: {}",
                        history.at(*moment),
                        call.operation(),
                    );
                    let finding = Finding::of(&CHECK, &["SEC-2"], message).seen_at(*moment).on(ask.device);
                    let difference = Difference { expected: first.to_owned(), seen: error.message.to_string() };
                    Finding { difference: Some(difference), ..finding }
                });
            }
        }
        findings
    }
}
