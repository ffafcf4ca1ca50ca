//! An attempt ends at most once: accepted, rejected, timed out, cancelled or revoked; and at most one device answers it.
//! Judged at the server's wire, and at the device's API by what an application hears of one attempt.

use super::follow::{Attempt, Followed, Judged, Outcome};
use super::history::{History, Map, Story};
use super::variants::LosingDevice;
use super::{AlwaysCheck, Boundary, Check, Finding, Findings};
use crate::protocol::call::Call;
use crate::protocol::vocabulary::{AttemptNo, EventName, InstanceId, InvitationStatus, UserId};
use crate::trace::Occurrence;

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "one outcome",
    requirements: &["DEV-2", "DEV-3", "IDM-3", "ACC-1", "REJ-1", "CAN-6", "CAN-7", "TMO-4", "TMO-7"],
    boundary: Boundary::Both,
    promise: "an attempt ends at most once, and at most one device answers it",
    begin: || Box::new(OneOutcome::default()),
};

#[derive(Default)]
struct OneOutcome {
    findings: Findings,
}

impl Check for OneOutcome {
    /// An answer that succeeded and changed nothing can only be the winner's own, said again (IDM-3).
    fn judged(&mut self, judged: &Judged<'_, '_>) {
        let Judged { history, room, ask, attempts } = judged;
        let Some((call, response)) = ask.success() else { return };
        let (named, outcome) = match call {
            Call::Accept { attempt, .. } => (attempt, Outcome::Accepted),
            Call::Reject { attempt, .. } => (attempt, Outcome::Rejected),
            _ => return,
        };
        let caller = history.user_of(ask.device);
        let newest = room.entry(caller).and_then(|entry| entry.attempt);
        let attempt = match named {
            Some(named) if named.instance != room.instance => None,
            Some(named) => room.numbers.get(&(caller, named.attempt)).copied(),
            None => newest,
        };
        let Some(attempt) = attempt.map(|attempt| &attempts[attempt]) else { return };
        let Some(end) = attempt.ends.first() else { return };
        let (requirement, why) = match (end.how, end.by) {
            (Outcome::Accepted | Outcome::Rejected, Some(winner)) if winner != ask.device => {
                if history.variants.losing_device == LosingDevice::Success {
                    return;
                }
                ("DEV-3", format!("{} had answered it already", history.plan().device(winner).name))
            }
            (Outcome::Accepted | Outcome::Rejected, Some(_)) if end.how != outcome => {
                ("IDM-3", format!("the same device had {} it already", end.how.verb()))
            }
            (Outcome::TimedOut | Outcome::Cancelled | Outcome::Revoked, _) => {
                ("ACC-1", format!("it had been {} already", end.how.verb()))
            }
            _ => return,
        };
        let moment = ask.span().map_or(0, |span| span.latest);
        self.findings.add(|| {
            Finding::of(
                &CHECK,
                &[requirement],
                format!(
                    "{} is told that its {} of {} succeeded, and {why} (judged at {})",
                    history.plan().device(ask.device).name,
                    call.operation(),
                    attempt.title(history),
                    room.place(response.at.map_or(room.revision, |at| at.revision)),
                ),
            )
            .seen_at(moment)
            .on(ask.device)
        });
    }

    fn finish(&mut self, history: &History<'_>, followed: &Followed<'_>) -> Findings {
        for attempt in followed.attempts.iter().filter(|attempt| attempt.ends.len() > 1) {
            self.ended_twice(history, attempt);
        }
        std::mem::take(&mut self.findings)
    }

    fn device(&mut self, history: &History<'_>, story: &Story<'_, '_>, findings: &mut Findings) {
        heard_two(history, story, findings);
    }
}

impl OneOutcome {
    fn ended_twice(&mut self, history: &History<'_>, attempt: &Attempt<'_>) {
        self.findings.add(|| {
            let ends: Vec<String> = attempt
                .ends
                .iter()
                .map(|end| {
                    let by = end.by.map_or_else(String::new, |by| format!(" by {}", history.plan().device(by).name));
                    format!("{}{by} (revision {}, {})", end.how.verb(), end.revision, history.at(end.when.latest))
                })
                .collect();
            let last = attempt.ends.last().expect("it ended twice");
            let mut finding = Finding::of(
                &CHECK,
                ends_again(attempt.ends[0].how, last.how),
                format!("{} ends more than once: {}", attempt.title(history), ends.join(", then ")),
            )
            .seen_at(last.when.latest);
            finding.devices = attempt.ends.iter().filter_map(|end| end.by).collect();
            finding
        });
    }
}

/// At the API: the application of one device hears of two outcomes of one attempt.
fn heard_two(history: &History<'_>, story: &Story<'_, '_>, findings: &mut Findings) {
    let mut heard: Map<(InstanceId, &UserId, AttemptNo), Outcome> = Map::default();
    for (index, moment) in story.moments() {
        let Occurrence::Heard { event, .. } = &moment.what else { continue };
        let Some((stamp, about)) = event.stamp.as_ref().and_then(|stamp| Some((stamp, stamp.about.as_ref()?))) else {
            continue;
        };
        let Some(outcome) = told(event.event.name(), event.event.invitation().map(|one| one.status)) else {
            continue;
        };
        let first = *heard.entry((stamp.instance, &about.invitee, about.attempt)).or_insert(outcome);
        if first != outcome {
            findings.add(|| {
                Finding::of(
                    &CHECK,
                    &["DEV-2"],
                    format!(
                        "the application of {} hears at {} that the call of {} was {}, and had heard that it was {}",
                        history.plan().device(story.device).name,
                        moment.at,
                        about.invitee,
                        outcome.verb(),
                        first.verb()
                    ),
                )
                .seen_at(index)
                .on(story.device)
            });
        }
    }
}

/// What a second end breaks, by what the first was.
const fn ends_again(first: Outcome, then: Outcome) -> &'static [&'static str] {
    match (first, then) {
        (Outcome::Accepted | Outcome::Rejected, Outcome::Accepted | Outcome::Rejected) => &["DEV-2"],
        (_, Outcome::Cancelled | Outcome::Revoked) => &["CAN-6"],
        (Outcome::Cancelled | Outcome::Revoked, Outcome::Accepted | Outcome::Rejected) => &["CAN-7"],
        _ => &["DEV-2", "TMO-4"],
    }
}

/// The outcome that an event tells of.
fn told(name: EventName, status: Option<InvitationStatus>) -> Option<Outcome> {
    match name {
        EventName::InvitationAccepted => Some(Outcome::Accepted),
        EventName::InvitationRejected => Some(Outcome::Rejected),
        EventName::InvitationTimeout => Some(Outcome::TimedOut),
        EventName::InvitationCancelled => Some(Outcome::Cancelled),
        EventName::InvitationRevokedByAdmin => Some(Outcome::Revoked),
        EventName::InvitationStatusChanged => match status? {
            InvitationStatus::Accepted => Some(Outcome::Accepted),
            InvitationStatus::Rejected => Some(Outcome::Rejected),
            InvitationStatus::Timeout => Some(Outcome::TimedOut),
            InvitationStatus::None | InvitationStatus::Pending => None,
        },
        _ => None,
    }
}
