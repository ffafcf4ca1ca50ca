//! Every request is answered exactly once, nothing is answered that was not asked, and a repeat gets the same result.
//! Judged at the server's wire for requests and at the device's API for calls.

use super::follow::Followed;
use super::history::{Ask, History, Receipt, Story};
use super::{AlwaysCheck, Boundary, Check, Finding, Findings};
use crate::protocol::call::CallNo;
use crate::protocol::message::Response;
use crate::protocol::small_map::SmallMap;
use crate::protocol::vocabulary::{ErrorCode, OperationName};
use crate::time::Instant;
use crate::trace::{DeviceChange, Occurrence};

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "responses",
    requirements: &["IDM-1", "IDM-2", "IDM-5", "ERR-4"],
    boundary: Boundary::Both,
    promise: "every request and every call is answered once, and a repeat gets the result of the first",
    begin: || Box::new(Responses::default()),
};

#[derive(Default)]
struct Responses {
    findings: Findings,
}

impl Check for Responses {
    fn finish(&mut self, history: &History<'_>, _: &Followed<'_>) -> Findings {
        for moment in &history.unasked {
            let Occurrence::ServerSent { device, message, .. } = &history.trace.moments[*moment].what else { continue };
            let crate::protocol::message::ServerMessage::Response(response) = message else { continue };
            self.findings.add(|| {
                let name = &history.plan().device(*device).name;
                let message = format!(
                    "{name} is sent an answer to request {} at {}, which it had not asked on this connection, or which \
                     was answered before",
                    response.id,
                    history.at(*moment)
                );
                Finding::of(&CHECK, &["IDM-1"], message).seen_at(*moment).on(*device)
            });
        }
        for ask in &history.asks {
            self.answered(history, ask);
            self.same_result(history, ask);
        }
        std::mem::take(&mut self.findings)
    }

    fn device(&mut self, history: &History<'_>, story: &Story<'_, '_>, findings: &mut Findings) {
        calls(history, story, findings);
    }
}

impl Responses {
    /// A request that arrived on a connection which then lived on was answered there, it or a repeat of it.
    fn answered(&mut self, history: &History<'_>, ask: &Ask<'_>) {
        let owed = ask.receipts.iter().find(|receipt| {
            !ask.receipts.iter().any(|other| other.connection == receipt.connection && other.answered)
                && lived_on(history, ask, receipt)
        });
        let Some(receipt) = owed else { return };
        self.findings.add(|| {
            let what = ask.call().map_or_else(|| "a request".to_owned(), |call| call.operation().to_string());
            let message = format!(
                "{what} of {}, which came in at {}, is never answered, and the connection lived on",
                history.plan().device(ask.device).name,
                history.at(receipt.moment)
            );
            Finding::of(&CHECK, &["IDM-1"], message).seen_at(receipt.moment).on(ask.device)
        });
    }

    fn same_result(&mut self, history: &History<'_>, ask: &Ask<'_>) {
        let name = &history.plan().device(ask.device).name;
        if let Some((_, first)) = ask.answers.first()
            && let Some((moment, other)) = ask
                .answers
                .iter()
                .skip(1)
                .find(|(_, other)| other.result != first.result && !is_logged_out(history, ask, other))
        {
            self.findings.add(|| {
                let message = format!(
                    "a repeat of request {} of {name} is answered at {} with another result than the first",
                    ask.request.id,
                    history.at(*moment)
                );
                let difference =
                    super::Difference { expected: format!("{:?}", first.result), seen: format!("{:?}", other.result) };
                let finding = Finding::of(&CHECK, &["IDM-1"], message).seen_at(*moment).on(ask.device);
                Finding { difference: Some(difference), ..finding }
            });
        }
        let refused = ask.answer().is_none_or(|answer| {
            matches!(&answer.result, Err(error) if error.code == ErrorCode::INVALID_PARAMETER)
                || is_logged_out(history, ask, answer)
        });
        if ask.reuses_id && !refused {
            self.findings.add(|| {
                let message = format!(
                    "{name} uses the id {} again for another request, which is not refused with {}",
                    ask.request.id,
                    ErrorCode::INVALID_PARAMETER
                );
                let moment = ask.span().map_or(0, |span| span.latest);
                Finding::of(&CHECK, &["IDM-2"], message).seen_at(moment).on(ask.device)
            });
        }
    }
}

/// At the API: each call returns once, unless the program dies first.
fn calls(history: &History<'_>, story: &Story<'_, '_>, findings: &mut Findings) {
    let name = &history.plan().device(story.device).name;
    let mut open: SmallMap<CallNo, (usize, OperationName)> = SmallMap::default();
    for (index, moment) in story.moments() {
        match &moment.what {
            Occurrence::Called { call, content, .. } => {
                open.insert(*call, (index, content.operation()));
            }
            Occurrence::Returned { call, .. } if open.remove(call).is_none() => {
                findings.add(|| {
                    let message = format!(
                        "call {} of {name} returns at {}, and was not open: it has returned before, or its program has \
                         died",
                        call.0, moment.at
                    );
                    Finding::of(&CHECK, &["IDM-5"], message).seen_at(index).on(story.device)
                });
            }
            Occurrence::DeviceChanged { change: DeviceChange::Killed, .. } => open.clear(),
            _ => {}
        }
    }
    // A trace that ends before the epilogue is over says nothing of what would still have been answered.
    if history.quiet_from().is_none() {
        return;
    }
    for (moment, operation) in open.into_values() {
        findings.add(|| {
            let message = format!("{operation} of {name}, called at {}, never returns", history.at(moment));
            Finding::of(&CHECK, &["IDM-5"], message).seen_at(moment).on(story.device)
        });
    }
}

/// Whether a later request on the same connection was answered, and after this time: then the one before it had come in.
fn answered_later(history: &History<'_>, ask: &Ask<'_>, receipt: &Receipt, after: Instant) -> bool {
    history.asks.iter().filter(|other| other.device == ask.device).any(|other| {
        let came_later =
            |later: &Receipt| later.answered && later.connection == receipt.connection && later.moment > receipt.moment;
        other.receipts.iter().any(came_later) && other.answers.last().is_some_and(|(at, _)| history.at(*at) > after)
    })
}

/// Whether an answer is what everybody gets whose session is over: login comes before what is kept (IDM-1).
fn is_logged_out(history: &History<'_>, ask: &Ask<'_>, answer: &Response) -> bool {
    let over = ask.session.is_some_and(|session| history.session(session).ended.is_some());
    over && matches!(&answer.result, Err(error) if error.code == ErrorCode::SDK_NOT_INITIALIZED)
}

/// Whether the connection of a receipt stood long enough after it for an answer.
fn lived_on(history: &History<'_>, ask: &Ask<'_>, receipt: &Receipt) -> bool {
    let soon = history.at(receipt.moment) + history.slack();
    // Seen from outside, a connection that is dead one way seems to stand until that is noticed, unless something later
    // shows that it was alive.
    let patience = if answered_later(history, ask, receipt, soon) { soon } else { soon + history.noticing() };
    let last = history.trace.moments.len().saturating_sub(1);
    if history.at(last) <= patience || history.outage_within(receipt.moment, history.moment_at(patience)).is_some() {
        return false;
    }
    // A session that is over answers no more.
    let over = ask.session.and_then(|session| history.session(session).ended);
    if over.is_some_and(|ended| history.at(ended.when.earliest) <= patience) {
        return false;
    }
    let sessions = history.sessions_of(history.user_of(ask.device));
    let of = sessions.iter().find_map(|session| {
        let attachments = &history.session(*session).attachments;
        attachments.iter().find(|attachment| attachment.connection == receipt.connection)
    });
    of.is_some_and(|attachment| attachment.to.is_none_or(|gone| history.at(gone) > patience))
}
