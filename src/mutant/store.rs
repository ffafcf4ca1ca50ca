//! Faults of what the server writes down (ORD-3, REC, TMO-6): a record that is lost, or written too late.

use super::wire::{around, as_it_comes};
use super::{Equivalent, Mutant, Part, Seam};
use crate::protocol::service::{Record, ServiceOutput};
use crate::protocol::vocabulary::OperationName;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "said-before-it-is-written",
        seam: Seam::Store,
        breaks: &["ORD-3", "REC-4", "REC-5"],
        fault: "Responses and events go out before the record of what they tell is durable.",
        part: Part::ServerNode(|config| {
            around(config, as_it_comes, |_, outputs| {
                outputs.sort_by_key(|output| matches!(output, ServiceOutput::Persist(_)));
            })
        }),
    },
    Mutant {
        name: "answers-are-not-written",
        seam: Seam::Store,
        breaks: &["ORD-3", "REC-4", "DEV-2"],
        fault: "A restart forgets who has accepted and rejected.",
        part: Part::ServerNode(|config| {
            around(config, as_it_comes, |_, outputs| {
                outputs.retain(|output| !writes(output, &[OperationName::Accept, OperationName::Reject]));
            })
        }),
    },
    Mutant {
        name: "calls-are-not-written",
        seam: Seam::Store,
        breaks: &["ORD-3", "REC-4", "TMO-6"],
        fault: "A restart forgets who is being called.",
        part: Part::ServerNode(|config| {
            around(config, as_it_comes, |_, outputs| {
                outputs.retain(|output| !writes(output, &[OperationName::InviteUsers]));
            })
        }),
    },
    Mutant {
        name: "losses-are-not-written",
        seam: Seam::Store,
        breaks: &["REC-4", "REC-1", "TERM-1"],
        fault: "A restart forgets since when sessions are suspended, and gives those whose window has passed another one.",
        part: Part::ServerNode(|config| {
            around(config, as_it_comes, |_, outputs| {
                outputs.retain(|output| !persists(output, |record| matches!(record, Record::Suspended { .. })));
            })
        }),
    },
];

pub(super) const EQUIVALENTS: &[Equivalent] = &[Equivalent {
    mutant: Mutant {
        name: "acknowledgements-are-not-written",
        seam: Seam::Store,
        breaks: &["REC-4"],
        fault: "A restart forgets what devices have acknowledged without asking for anything.",
        part: Part::ServerNode(|config| {
            around(config, as_it_comes, |_, outputs| {
                outputs.retain(|output| !persists(output, |record| matches!(record, Record::Acknowledged { .. })));
            })
        }),
    },
    why: "A device that resumes says what it has received before anything is sent again; how many events its session may \
              hold meanwhile is no requirement.",
}];

fn persists(output: &ServiceOutput, is_so: impl Fn(&Record) -> bool) -> bool {
    matches!(output, ServiceOutput::Persist(record) if is_so(record))
}

/// Whether the output writes down that one of these operations was handled.
fn writes(output: &ServiceOutput, operations: &[OperationName]) -> bool {
    let ServiceOutput::Persist(record) = output else { return false };
    let Record::Handled(handled) = &**record else { return false };
    handled.operation().is_some_and(|operation| operations.contains(&operation))
}
