//! By which readings a run is judged, where an implementation has declared several.
//!
//! A run is judged strictly first: who is strictly right needs no variant. What was declared is a permission, for each
//! requirement by itself, so a run may follow the variant of one and the statement of another. Which of them a run needs is
//! found by leaving them out one at a time, while that brings nothing new to light.

use crate::check::variants::Variants;
use crate::check::{self, Judgement};
use crate::trace::Trace;

/// What the checks say of a run.
pub(super) struct Read {
    /// By the readings that it needs.
    pub(super) judgement: Judgement,
    /// Those of the declared variants that it needs.
    pub(super) needed: Variants,
    /// Whether nothing is found strictly.
    pub(super) is_strict: bool,
}

/// Judges a run strictly and, if need be, by what is declared.
pub(super) fn judge(trace: &Trace, declared: Variants) -> Read {
    let strictly = check::judge(trace);
    let is_strict = strictly.is_clean();
    if is_strict || declared == Variants::default() {
        return Read { judgement: strictly, needed: Variants::default(), is_strict };
    }
    let mut needed = declared;
    let mut judgement = check::judge_by(trace, needed);
    // Of several that may go the one goes first without which least is found: two variants may permit the same.
    while let Some((fewer, by_fewer)) = needed
        .declared()
        .into_iter()
        .map(|(requirement, ..)| needed.without(requirement))
        .map(|fewer| {
            (fewer, if fewer == Variants::default() { strictly.clone() } else { check::judge_by(trace, fewer) })
        })
        .filter(|(_, by_fewer)| finds_no_more(by_fewer, &judgement))
        .min_by_key(|(_, by_fewer)| by_fewer.findings.len() + by_fewer.left_out)
    {
        (needed, judgement) = (fewer, by_fewer);
    }
    Read { judgement, needed, is_strict }
}

/// Whether nothing is found that was not found before.
fn finds_no_more(after: &Judgement, before: &Judgement) -> bool {
    after.left_out <= before.left_out
        && after.undecided.len() <= before.undecided.len()
        && after.findings.iter().all(|finding| before.findings.contains(finding))
}
