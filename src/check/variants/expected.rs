//! What remains of an author's line under a declared variant.
//!
//! A line that names the requirement in `by:` is left to the always-checks. Others may speak of what the variant changes
//! without naming it; what they say of that is left to the checks as well: a field of a payload is not looked at, and a line
//! that names an event which then goes to others, or comes under another name, is dropped. A variant brings no event about
//! that its axis does not name, so what does not name one holds as it is.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    CalledAgain, GoneStatus, InviterDevices, LateCancel, ListOrder, ListPayload, LosingDevice, OutsidersList, Revoked,
    Variants,
};
use crate::plan::{Action, EventPattern, Expectation, Expected, ExpectedOutcome, ExpectedResult, Place, Sighting};
use crate::protocol::call::Call;
use crate::protocol::vocabulary::{ErrorCode, EventName, OperationName};

impl Variants {
    /// The expectation as far as it holds under these variants; none if nothing of it does.
    pub(in crate::check) fn expectation<'e>(self, expectation: &'e Expectation) -> Option<Cow<'e, Expectation>> {
        if self == Self::default() {
            return Some(Cow::Borrowed(expectation));
        }
        if expectation.by.iter().any(|id| self.has(&id.0)) || names(&expectation.what, |event| self.redirects(event)) {
            return None;
        }
        let mut bent = expectation.clone();
        each_pattern(&mut bent.what, &mut |pattern| self.strip(pattern));
        if let (ListOrder::NewestFirst, Expected::FinalList { items, .. }) = (self.list_order, &mut bent.what) {
            items.reverse();
        }
        Some(Cow::Owned(bent))
    }

    /// What a call must come to as far as it holds under these variants; none if nothing of it does.
    pub(in crate::check) fn results<'e>(
        self,
        action: &Action,
        place: Place,
        expected: &'e [ExpectedResult],
    ) -> Option<Cow<'e, [ExpectedResult]>> {
        if self == Self::default() {
            return Some(Cow::Borrowed(expected));
        }
        if !self.results_hold(action, expected) {
            return None;
        }
        let operation = operation_of(action);
        if self.list_order == ListOrder::NewestFirst && operation == Some(OperationName::GetInvitationList) {
            let begins = matches!(action, Action::Call { call, cursor_of: None, .. }
                if matches!(&**call, Call::GetInvitationList { cursor, .. } if cursor.as_str().is_empty()));
            return the_other_way_round(expected, begins).map(Cow::Owned);
        }
        // The library tells who has not come in the order in which it reads the list.
        if self.list_order == ListOrder::NewestFirst && operation == Some(OperationName::FetchNotEnteredList) {
            return None;
        }
        if self.late_cancel == LateCancel::Fails && operation == Some(OperationName::CancelInvitation) {
            return Some(Cow::Owned(or_too_late(expected, place)));
        }
        Some(Cow::Borrowed(expected))
    }

    fn results_hold(self, action: &Action, expected: &[ExpectedResult]) -> bool {
        let by = |result: &ExpectedResult| result.by.iter().any(|id| self.has(&id.0));
        // Without one of several lawful results the others would be asked for more strictly than their author does.
        if expected.iter().any(by) {
            return false;
        }
        let conflicts = |result: &ExpectedResult| {
            result.by.is_empty() && result.outcome == ExpectedOutcome::Fails(ErrorCode::REQUEST_CONFLICT)
        };
        if self.losing_device != LosingDevice::default() && expected.iter().any(conflicts) {
            return false;
        }
        let lists = operation_of(action) == Some(OperationName::GetInvitationList);
        let shows = |result: &ExpectedResult| matches!(result.outcome, ExpectedOutcome::Returns(_));
        !(self.outsiders_list != OutsidersList::default() && lists && expected.iter().any(shows))
    }

    /// Whether an event goes to others, or comes under another name.
    fn redirects(self, event: EventName) -> bool {
        let revoked = matches!(event, EventName::InvitationRevokedByAdmin);
        let of_call = matches!(
            event,
            EventName::InvitationAccepted | EventName::InvitationRejected | EventName::InvitationTimeout
        );
        let again = matches!(event, EventName::InvitationAdded | EventName::InvitationStatusChanged);
        (revoked && matches!(self.revoked, Revoked::Invitee))
            || ((revoked || of_call) && matches!(self.inviter_devices, InviterDevices::Member))
            || (again && matches!(self.called_again, CalledAgain::StatusChanged))
    }

    /// Takes out of a pattern what is shown otherwise.
    fn strip(self, pattern: &mut EventPattern) {
        let is_gone = matches!(
            pattern.event,
            EventName::InvitationCancelled | EventName::InvitationRevokedByAdmin | EventName::InvitationRemoved
        );
        if is_gone && self.gone_status != GoneStatus::default() {
            without(&mut pattern.payload, &["invitation", "status"]);
        }
        if pattern.event.is_list() {
            match self.list_payload {
                ListPayload::Both => {}
                ListPayload::RoomInfo => without(&mut pattern.payload, &["roomId"]),
                ListPayload::RoomId => without(&mut pattern.payload, &["roomInfo"]),
            }
        }
    }
}

fn operation_of(action: &Action) -> Option<OperationName> {
    match action {
        Action::Call { call, .. } => Some(call.operation()),
        Action::Send { request, .. } => OperationName::from_name(&request.operation),
        _ => None,
    }
}

/// What a read of the list must come to where the list stands the other way round. What is on which page then only the
/// checks can say, but for a list that is read whole.
fn the_other_way_round(expected: &[ExpectedResult], begins: bool) -> Option<Vec<ExpectedResult>> {
    let mut bent = expected.to_vec();
    for result in &mut bent {
        let ExpectedOutcome::Returns(pattern) = &mut result.outcome else { continue };
        let is_whole = begins && pattern.get("cursor").is_some_and(|cursor| cursor == "");
        let speaks_of_another = pattern.get("not").is_some();
        match pattern.get_mut("invitationList") {
            Some(Value::Array(items)) if is_whole => items.reverse(),
            None if !speaks_of_another => {}
            _ => return None,
        }
    }
    Some(bent)
}

/// What a cancel must come to where one that is too late fails. Whether it was is for `late_cancels` to say.
fn or_too_late(expected: &[ExpectedResult], place: Place) -> Vec<ExpectedResult> {
    let mut bent = expected.to_vec();
    if bent.is_empty() {
        bent.push(ExpectedResult { place, by: Vec::new(), outcome: ExpectedOutcome::Returns(Value::Null) });
    }
    if bent.iter().any(|result| matches!(result.outcome, ExpectedOutcome::Returns(_))) {
        let outcome = ExpectedOutcome::Fails(ErrorCode::REQUEST_ID_INVALID);
        bent.push(ExpectedResult { place, by: Vec::new(), outcome });
    }
    bent
}

fn without(payload: &mut Value, path: &[&str]) {
    let Some((last, way)) = path.split_last() else { return };
    let holder = way.iter().try_fold(payload, |value, key| value.get_mut(*key));
    if let Some(Value::Object(fields)) = holder {
        fields.remove(*last);
    }
}

fn names(what: &Expected, is_it: impl Fn(EventName) -> bool) -> bool {
    match what {
        Expected::Hears { events, .. } => events.iter().any(|pattern| is_it(pattern.event)),
        Expected::Never { event, .. } => is_it(event.event),
        Expected::Before { first, then } => [first, then].into_iter().any(|sighting| match sighting {
            Sighting::Hears { event, .. } => is_it(event.event),
            Sighting::Returned { .. } => false,
        }),
        Expected::Runs { calls, .. } => calls.iter().any(|call| call.event.is_some_and(&is_it)),
        Expected::FinalList { .. } => false,
    }
}

fn each_pattern(what: &mut Expected, change: &mut dyn FnMut(&mut EventPattern)) {
    match what {
        Expected::Hears { events, .. } => events.iter_mut().for_each(change),
        Expected::Never { event, .. } => change(event),
        Expected::Before { first, then } => {
            for sighting in [first, then] {
                if let Sighting::Hears { event, .. } = sighting {
                    change(event);
                }
            }
        }
        Expected::Runs { .. } | Expected::FinalList { .. } => {}
    }
}
