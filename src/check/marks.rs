//! No claim without the situation: a scenario that says it shows a requirement must come into a situation that puts it to
//! the test.
//!
//! Each situation is a [`Mark`], named in words, and [`table::NEEDS`] says which of them a claim needs. Marks are looked
//! for in the body of a trace, in one pass, and only those that the scenario's claims need. They state what occurred, never
//! whether it was right: that is the business of the checks, and a run that a check calls wrong has failed, whatever it
//! claims.

mod facts;
pub mod table;
mod watch;
mod words;

use std::collections::BTreeSet;

use crate::plan::Claim;
use crate::trace::Trace;

pub use words::Mark;

/// A claim that a run did not bear out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EmptyClaim {
    /// What the author claims, and where.
    pub claim: Claim,
    /// The situations of which one should have occurred and none did.
    pub missing: &'static [Mark],
}

impl EmptyClaim {
    /// What is missing, in a sentence.
    #[must_use]
    pub fn message(&self) -> String {
        let id = &self.claim.requirement.0;
        match self.missing {
            [one] => format!("nothing is shown of {id}: it never happened that {}", one.words()),
            several => {
                let list = several.iter().map(|mark| mark.words()).collect::<Vec<_>>().join("; or that ");
                format!("nothing is shown of {id}: it never happened that {list}")
            }
        }
    }
}

/// The marks among the wanted ones that a trace hits.
#[must_use]
pub fn hits(trace: &Trace, wanted: BTreeSet<Mark>) -> BTreeSet<Mark> {
    if wanted.is_empty() { wanted } else { watch::hits(trace, wanted) }
}

/// The claims of a scenario that its run did not bear out, in the order of the file.
#[must_use]
pub fn empty_claims(trace: &Trace) -> Vec<EmptyClaim> {
    let claims = &trace.plan.covers;
    let wanted: BTreeSet<Mark> =
        claims.iter().flat_map(|claim| table::needs(&claim.requirement.0)).flat_map(|marks| *marks).copied().collect();
    let hits = hits(trace, wanted);
    claims
        .iter()
        .filter_map(|claim| {
            let needs = table::needs(&claim.requirement.0);
            let missing = needs.iter().find(|marks| !marks.iter().any(|mark| hits.contains(mark)))?;
            Some(EmptyClaim { claim: claim.clone(), missing })
        })
        .collect()
}

#[cfg(test)]
mod tests;
