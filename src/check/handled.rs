//! An answer silences the other devices of the invitee: onInvitationHandledByOtherDevice goes to each other online device
//! once, and never to the one that acted. Judged at the server's wire.

use super::audience;
use super::follow::{Change, Followed, Outcome, Scene};
use super::history::{History, Map, SessionNo, UserNo};
use super::recipients::{Missing, missing_finding};
use super::{AlwaysCheck, Boundary, Check, Finding, Findings};
use crate::protocol::vocabulary::EventName;

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "handled",
    requirements: &["DEV-4", "ACC-3", "ACC-4", "REJ-3"],
    boundary: Boundary::ServerWire,
    promise: "an answer is told once to each other online device of the invitee, and never to the device that gave it",
    begin: || Box::new(Handled::default()),
};

#[derive(Default)]
struct Handled {
    findings: Findings,
    missing: Vec<Missing>,
}

impl Check for Handled {
    fn commit(&mut self, scene: &Scene<'_, '_>) {
        const HANDLED: EventName = EventName::InvitationHandledByOtherDevice;
        let answers = scene.changes.iter().any(|change| {
            matches!(change, Change::Ended { end, .. } if matches!(end.how, Outcome::Accepted | Outcome::Rejected))
        });
        let told = scene.deliveries.iter().any(|number| scene.history.deliveries[*number].name == HANDLED);
        if scene.inferred || (!answers && !told) {
            return;
        }
        let mut due: Map<(SessionNo, Option<UserNo>), (audience::Due, u32)> = audience::of(scene)
            .into_iter()
            .filter(|due| due.event == HANDLED)
            .map(|due| ((due.session, due.invitee), (due, 0)))
            .collect();
        for number in scene.deliveries {
            let delivery = &scene.history.deliveries[*number];
            if delivery.name != HANDLED {
                continue;
            }
            let name = scene.history.name(delivery.session);
            let wrong = match due.get_mut(&(delivery.session, delivery.invitee)) {
                Some((_, count)) => {
                    *count += 1;
                    if *count == 1 {
                        continue;
                    }
                    format!("{name} is told twice that another device has answered ({})", scene.place())
                }
                None if acted(scene, delivery.session, delivery.invitee) => {
                    format!(
                        "{name} is told that another device has answered, and it is the one that did ({})",
                        scene.place()
                    )
                }
                None => format!(
                    "{name} is told that another device has answered, where none of its user's has ({})",
                    scene.place()
                ),
            };
            self.findings.add(|| {
                Finding::of(&CHECK, &["DEV-4"], wrong)
                    .seen_at(delivery.moment)
                    .on(scene.history.device_of(delivery.session))
            });
        }
        self.missing.extend(due.values().filter(|(due, count)| due.must && *count == 0).map(|(due, _)| Missing {
            due: *due,
            instance: scene.instance(),
            revision: scene.revision,
            when: scene.when,
            of_further_device: false,
        }));
    }

    fn finish(&mut self, history: &History<'_>, followed: &Followed<'_>) -> Findings {
        for missing in std::mem::take(&mut self.missing) {
            if missing.was_owed(history, followed) {
                self.findings.add(|| missing_finding(&CHECK, history, followed, &missing));
            }
        }
        std::mem::take(&mut self.findings)
    }
}

fn acted(scene: &Scene<'_, '_>, session: SessionNo, invitee: Option<UserNo>) -> bool {
    scene.changes.iter().any(|change| match change {
        Change::Ended { attempt, end } => {
            Some(scene.attempts[*attempt].invitee) == invitee && end.by == Some(scene.history.device_of(session))
        }
        _ => false,
    })
}
