//! Whoever answers what another device of its user has answered gets one and the same refusal: 100102, unless a variant of
//! DEV-3 is declared. Judged at the server's wire. That an answer succeeds which came too late is for `one_outcome` to say,
//! and that -2311 came where 100102 is due for `revisions`.

use super::follow::{Followed, Judged, Outcome};
use super::history::History;
use super::variants::LosingDevice;
use super::{AlwaysCheck, Boundary, Check, Difference, Finding, Findings};
use crate::protocol::call::Call;
use crate::protocol::vocabulary::{ErrorCode, InvitationStatus};

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "losing device",
    requirements: &["DEV-3"],
    boundary: Boundary::ServerWire,
    promise: "a device that answers what another of its user has answered gets 100102",
    begin: || Box::new(Losers::default()),
};

#[derive(Default)]
struct Losers {
    findings: Findings,
}

/// Refusals that have nothing to do with who was first: the rows of ERR-1 before the state, and overload.
const OF_OTHER_ROWS: [ErrorCode; 8] = [
    ErrorCode::FAILED,
    ErrorCode::FREQ_LIMIT,
    ErrorCode::INVALID_PARAMETER,
    ErrorCode::SDK_NOT_INITIALIZED,
    ErrorCode::OPERATION_NOT_SUPPORTED_IN_CURRENT_ROOM_TYPE,
    ErrorCode::ROOM_ID_INVALID,
    ErrorCode::SERVER_SYSTEM_ERROR,
    ErrorCode::ROOM_ID_NOT_EXIST,
];

impl Check for Losers {
    fn judged(&mut self, judged: &Judged<'_, '_>) {
        let Judged { history, room, ask, attempts } = judged;
        let (Some(Call::Accept { attempt: named, .. } | Call::Reject { attempt: named, .. }), Some(answer)) =
            (ask.call(), ask.answer())
        else {
            return;
        };
        let Err(error) = &answer.result else { return };
        let Some(span) = ask.span() else { return };
        let caller = history.user_of(ask.device);
        let newest = room.entry(caller).copied();
        let attempt = match named {
            Some(named) if named.instance != room.instance => None,
            Some(named) => room.numbers.get(&(caller, named.attempt)).copied(),
            None => newest.and_then(|entry| entry.attempt),
        };
        let Some(number) = attempt else { return };
        let Some(end) = attempts[number].ends.first() else { return };
        let is_answered = matches!(end.how, Outcome::Accepted | Outcome::Rejected);
        let Some(winner) = end.by.filter(|winner| is_answered && *winner != ask.device) else { return };
        if OF_OTHER_ROWS.contains(&error.code) {
            return;
        }
        let wanted = match history.variants.losing_device {
            LosingDevice::Conflict => Some(ErrorCode::REQUEST_CONFLICT),
            LosingDevice::NoLiveInvitation => Some(ErrorCode::REQUEST_ID_INVALID),
            LosingDevice::Success => None,
        };
        let is_of_revisions =
            wanted == Some(ErrorCode::REQUEST_CONFLICT) && error.code == ErrorCode::REQUEST_ID_INVALID;
        if wanted == Some(error.code) || is_of_revisions {
            return;
        }
        // An answer may be forgotten once the list shows it no longer: then there is no such invitation.
        let shows = newest.is_some_and(|entry| {
            entry.attempt == Some(number)
                && matches!(entry.status, InvitationStatus::Accepted | InvitationStatus::Rejected)
        });
        let memory = history.plan().service.bounds.answer_memory;
        let may_be_forgotten = !shows && history.at(span.latest) >= history.at(end.when.earliest) + memory;
        if error.code == ErrorCode::REQUEST_ID_INVALID && may_be_forgotten {
            return;
        }
        self.findings.add(|| {
            let wanted = wanted.map_or_else(|| "success".to_owned(), |code| code.to_string());
            let message = format!(
                "{} answers {} at {}, which {} had answered, and gets {}; it should get {wanted}",
                history.plan().device(ask.device).name,
                attempts[number].title(history),
                history.at(span.earliest),
                history.plan().device(winner).name,
                error.code,
            );
            let difference = Some(Difference { expected: wanted, seen: error.code.to_string() });
            let finding = Finding::of(&CHECK, &["DEV-3"], message).seen_at(span.latest).on(ask.device);
            Finding { difference, ..finding }
        });
    }

    fn finish(&mut self, _: &History<'_>, _: &Followed<'_>) -> Findings {
        std::mem::take(&mut self.findings)
    }
}
