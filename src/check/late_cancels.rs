//! Whoever cancels what has been answered or has timed out is told that all is well, and nothing changes: no cancel fails
//! for the state of the calls that it names, unless a variant of CAN-6 is declared. Judged at the server's wire.
//!
//! That a cancel which came too late changes nothing is for `one_outcome` and the lists to say.

use super::follow::{Followed, Judged};
use super::history::History;
use super::variants::LateCancel;
use super::{AlwaysCheck, Boundary, Check, Difference, Finding, Findings};
use crate::protocol::call::Call;
use crate::protocol::vocabulary::{ErrorCode, InvitationStatus, UserId};

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "late cancels",
    requirements: &["CAN-1", "CAN-6"],
    boundary: Boundary::ServerWire,
    promise: "a cancel that comes too late succeeds",
    begin: || Box::new(LateCancels::default()),
};

#[derive(Default)]
struct LateCancels {
    findings: Findings,
}

/// Refusals that speak of the state of a call. All others have reasons in other rows of ERR-1.
const OF_THE_STATE: [ErrorCode; 2] = [ErrorCode::REQUEST_ID_INVALID, ErrorCode::REQUEST_CONFLICT];

/// How the calls stand that a cancel names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Somebody is being called.
    Live,
    /// Nobody is, and somebody has answered or let it time out, and is on the list.
    Over,
    /// Nobody of them is on the list.
    Absent,
    /// It is not certain.
    Unknown,
}

impl Check for LateCancels {
    fn judged(&mut self, judged: &Judged<'_, '_>) {
        let Judged { history, ask, .. } = judged;
        let (Some(Call::CancelInvitation { user_id_list, .. }), Some(answer), Some(span)) =
            (ask.call(), ask.answer(), ask.span())
        else {
            return;
        };
        let refused = answer.result.as_ref().err().map(|error| error.code);
        if refused.is_some_and(|code| !OF_THE_STATE.contains(&code)) {
            return;
        }
        let standing = standing(judged, user_id_list);
        let (wanted, broken): (Option<ErrorCode>, &[&str]) = match (history.variants.late_cancel, standing) {
            (LateCancel::NoOp, Standing::Over) => (None, &["CAN-6"]),
            (LateCancel::NoOp, Standing::Unknown) => (None, &["CAN-1", "CAN-6"]),
            // Whether it was this one that withdrew something is not sure where another was never answered.
            (LateCancel::Fails, Standing::Over) if refused.is_none() && has_rivals(judged) => return,
            (LateCancel::Fails, Standing::Over) => (Some(ErrorCode::REQUEST_ID_INVALID), &["CAN-6"]),
            (LateCancel::Fails, Standing::Unknown) => return,
            (_, Standing::Live | Standing::Absent) => (None, &["CAN-1"]),
        };
        if refused == wanted {
            return;
        }
        let words = |code: Option<ErrorCode>| code.map_or_else(|| "success".to_owned(), |code| code.to_string());
        self.findings.add(|| {
            let state = match standing {
                Standing::Live => "somebody whom it names is being called",
                Standing::Over => "whom it names has answered or let it time out",
                Standing::Absent => "nobody whom it names is on the list",
                Standing::Unknown => "no state of the calls that it names is a reason",
            };
            let message = format!(
                "cancelInvitation of {}, which came in at {}, gets {}, and {state} ({})",
                history.plan().device(ask.device).name,
                history.at(span.earliest),
                words(refused),
                judged.room.place(judged.room.revision),
            );
            let finding = Finding::of(&CHECK, broken, message).seen_at(span.latest).on(ask.device);
            Finding { difference: Some(Difference { expected: words(wanted), seen: words(refused) }), ..finding }
        });
    }

    fn finish(&mut self, _: &History<'_>, _: &Followed<'_>) -> Findings {
        std::mem::take(&mut self.findings)
    }
}

fn has_rivals(judged: &Judged<'_, '_>) -> bool {
    judged.ask.room().is_some_and(|room| judged.history.unanswered_asks(room).next().is_some())
}

fn standing(judged: &Judged<'_, '_>, users: &[UserId]) -> Standing {
    let mut standing = Standing::Absent;
    for user in users.iter().filter_map(|user| judged.history.user(user)) {
        match judged.room.status(user) {
            Some(InvitationStatus::Pending) => return Standing::Live,
            None => standing = Standing::Unknown,
            Some(InvitationStatus::Accepted | InvitationStatus::Rejected | InvitationStatus::Timeout)
                if standing == Standing::Absent =>
            {
                standing = Standing::Over;
            }
            Some(_) => {}
        }
    }
    standing
}
