//! Timeouts come when they are due: never before commit plus timeout, soon after it while the server is up, never for
//! timeout 0; and nothing acts on an attempt after its deadline. Judged at the server's wire.
//!
//! The commit of an inviteUsers lies between its arrival and its answer, so a deadline is known only within that (TMO-1).

use super::follow::{Attempt, AttemptEnd, Change, Followed, Outcome, Scene, Timeout};
use super::history::{Ask, History, SessionNo};
use super::{AlwaysCheck, Boundary, Check, Finding, Findings};
use crate::protocol::call::Call;
use crate::protocol::vocabulary::InvitationStatus;
use crate::time::Instant;

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "deadlines",
    requirements: &["TMO-1", "TMO-2", "TMO-3", "TMO-4", "TMO-6", "TMO-7", "TMO-8"],
    boundary: Boundary::ServerWire,
    promise: "an attempt times out at its deadline, at most the bound later, and after it nothing else happens to it",
    begin: || Box::new(Deadlines::default()),
};

#[derive(Default)]
struct Deadlines {
    findings: Findings,
}

impl Check for Deadlines {
    fn commit(&mut self, scene: &Scene<'_, '_>) {
        for change in scene.changes {
            let Change::Ended { attempt, end } = change else { continue };
            let attempt = &scene.attempts[*attempt];
            if end.how == Outcome::TimedOut {
                self.timed_out(scene, attempt);
            } else {
                self.acted_late(scene, attempt, end);
            }
        }
    }

    fn finish(&mut self, history: &History<'_>, followed: &Followed<'_>) -> Findings {
        for room in followed.rooms.iter().filter(|room| !room.destroyed) {
            for (user, entry) in &room.entries {
                if room.status(*user) != Some(InvitationStatus::Pending) {
                    continue;
                }
                if let Some(attempt) = entry.attempt {
                    self.never_timed_out(history, &followed.attempts[attempt]);
                }
            }
        }
        std::mem::take(&mut self.findings)
    }
}

impl Deadlines {
    fn timed_out(&mut self, scene: &Scene<'_, '_>, attempt: &Attempt<'_>) {
        let history = scene.history;
        if attempt.timeout == Timeout::Never {
            self.findings.add(|| {
                Finding::of(
                    &CHECK,
                    &["TMO-2"],
                    format!(
                        "{} times out at {}, and was made with timeout 0",
                        attempt.title(history),
                        history.at(scene.when.latest)
                    ),
                )
                .seen_at(scene.when.latest)
            });
        }
        let Some((earliest, latest)) = attempt.deadline_times(history) else { return };
        let told = history.at(scene.when.latest);
        if !scene.inferred && told < earliest {
            self.findings.add(|| {
                Finding::of(
                    &CHECK,
                    &["TMO-4", "TMO-1", "TMO-7"],
                    format!("{} times out at {told}; its deadline is not before {earliest}", attempt.title(history)),
                )
                .seen_at(scene.when.latest)
            });
        }
        let due = history.moment_at(latest);
        for delivery in scene.deliveries.iter().map(|number| &history.deliveries[*number]) {
            let sent = history.at(delivery.moment);
            // TMO-6: what became due while the server was dead comes at its start.
            let up = history.outage_within(due, delivery.moment).and_then(|outage| outage.to);
            let bound = up.map_or(latest, |up| latest.max(history.at(up))) + history.slack();
            if sent > bound && was_connected(history, delivery.session, bound - history.transit(), delivery.moment) {
                self.findings.add(|| {
                    Finding::of(
                        &CHECK,
                        &["TMO-4"],
                        format!(
                            "{} hears at {sent} that {} timed out; its deadline was {latest} at the latest",
                            history.name(delivery.session),
                            attempt.title(history)
                        ),
                    )
                    .seen_at(delivery.moment)
                    .on(history.device_of(delivery.session))
                });
                return;
            }
        }
    }

    /// TMO-3: an answer or a cancel that came in after the deadline found a live attempt.
    fn acted_late(&mut self, scene: &Scene<'_, '_>, attempt: &Attempt<'_>, end: &AttemptEnd) {
        let history = scene.history;
        let Some((_, latest)) = attempt.deadline_times(history) else { return };
        let asked = history.at(scene.when.earliest);
        // Without its request it is not known when it came in.
        if scene.cause.is_none() || asked < latest {
            return;
        }
        self.findings.add(|| {
            let mut finding = Finding::of(
                &CHECK,
                &["TMO-3"],
                format!(
                    "{} is {} by a request that came in at {asked}, after its deadline, {latest} at the latest",
                    attempt.title(history),
                    end.how.verb()
                ),
            )
            .seen_at(scene.when.latest);
            finding.devices.extend(end.by);
            finding
        });
    }

    fn never_timed_out(&mut self, history: &History<'_>, attempt: &Attempt<'_>) {
        let (Some((earliest, latest)), Some(began)) = (attempt.deadline_times(history), attempt.began) else { return };
        let up = history.outages.last().map(|outage| outage.to);
        let bound = match up {
            Some(None) => return,
            Some(Some(up)) => latest.max(history.at(up)),
            None => latest,
        } + history.slack();
        let end = history.trace.moments.len();
        if history.moment_at(bound) >= end {
            return;
        }
        let due = history.moment_at(latest);
        // REC-2: an invitee that was away from beginning to end need not hear of it.
        let before_it_ended = history.moment_at(earliest).saturating_sub(1);
        // And where a request that was never answered may have ended it at once, only who was there when it began.
        let unanswered = || attempt.room.into_iter().flat_map(|room| history.unanswered_asks(room));
        let may_be_over = unanswered().any(may_end_a_call);
        let rang = |session: SessionNo| {
            if may_be_over {
                history.connected_throughout(session, began.earliest, began.latest)
            } else {
                history.connected_within(session, began.latest, before_it_ended)
            }
        };
        let invitee = history.sessions_of(attempt.invitee).iter().filter(|session| rang(**session));
        let inviter = attempt.inviter.map_or(&[][..], |inviter| history.sessions_of(inviter)).iter();
        // Who may have ended it is not told.
        let may_have_ended_it = |session: SessionNo| {
            let user = history.session(session).user;
            unanswered().any(|ask| may_end_a_call(ask) && history.user_of(ask.device) == user)
        };
        let mut witnesses = invitee.chain(inviter).filter(|session| !may_have_ended_it(**session));
        let witness = witnesses.find(|session| {
            history.session(**session).began.latest < due
                && was_connected(history, **session, bound - history.transit(), end - 1)
        });
        let Some(witness) = witness else { return };
        self.findings.add(|| {
            Finding::of(
                &CHECK,
                &["TMO-4"],
                format!(
                    "{} never times out: its deadline was {latest} at the latest, and nobody, not even {}, is told",
                    attempt.title(history),
                    history.name(*witness)
                ),
            )
            .seen_at(due.min(end - 1))
            .on(history.device_of(*witness))
        });
    }
}

/// Whether a request may bring a call to its end, if it is carried out.
fn may_end_a_call(ask: &Ask<'_>) -> bool {
    ask.call().is_some_and(|call| {
        matches!(
            call,
            Call::CancelInvitation { .. }
                | Call::DestroyRoom { .. }
                | Call::Accept { .. }
                | Call::Reject { .. }
                | Call::EnterRoom { .. }
        )
    })
}

/// Whether one connection of the session stood all the time from then until a moment.
fn was_connected(history: &History<'_>, session: SessionNo, from: Instant, to: usize) -> bool {
    history
        .session(session)
        .attachments
        .iter()
        .any(|attachment| history.at(attachment.from) <= from && attachment.to.is_none_or(|gone| gone > to))
}
