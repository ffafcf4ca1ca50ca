//! Every event goes to whom section 2 says, once, and to nobody else. Judged at the server's wire.
//!
//! It leaves onInvitationHandledByOtherDevice to `handled`, and the order in which a device hears to `ring_lifecycle` and
//! `revisions`. What a suspended session need not get (REC-2) is not missed.

use super::audience::{self, Due};
use super::follow::{Followed, Scene};
use super::history::{History, Map, SessionNo, Span, UserNo};
use super::{AlwaysCheck, Boundary, Check, Finding, Findings};
use crate::protocol::event::Event;
use crate::protocol::vocabulary::{EventName, InstanceId, Revision};

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "recipients",
    requirements: &[
        "EVT-1", "EVT-3", "EVT-4", "EVT-5", "EVT-7", "DEV-1", "DEV-7", "TMO-5", "REV-2", "REV-3", "ORD-4", "ROOM-5",
        "ROOM-8", "CAN-5", "ACC-3", "REJ-3", "SEC-3", "IDM-4",
    ],
    boundary: Boundary::ServerWire,
    promise: "every event goes once to each device that must hear it, and to no other",
    begin: || Box::new(Recipients::default()),
};

#[derive(Default)]
struct Recipients {
    findings: Findings,
    missing: Vec<Missing>,
    /// Lent to commits, to save the allocations of each.
    due: DueBook,
}

/// Who is to hear what of one commit, and whether it was sent.
#[derive(Default)]
struct DueBook {
    due: Vec<(Due, bool)>,
    /// Where each stands, once there are too many to look through.
    places: Map<Key, usize>,
}

/// Which event, to whom, about whom.
type Key = (SessionNo, EventName, Option<UserNo>);

impl DueBook {
    /// Up to how many are looked through: of more, each is looked up.
    const FEW: usize = 12;

    fn place(&self, key: Key) -> Option<usize> {
        if self.due.len() <= Self::FEW {
            return self.due.iter().position(|(due, _)| (due.session, due.event, due.invitee) == key);
        }
        self.places.get(&key).copied()
    }

    fn add(&mut self, one: Due) {
        if let Some(place) = self.place((one.session, one.event, one.invitee)) {
            self.due[place].0.must |= one.must;
            return;
        }
        self.due.push((one, false));
        if self.due.len() > Self::FEW {
            let from = self.places.len();
            let behind = self.due[from..].iter().zip(from..);
            self.places.extend(behind.map(|((due, _), place)| ((due.session, due.event, due.invitee), place)));
        }
    }

    /// Makes it ready for another commit. What a crowd needed is given back, or clearing it would cost every commit that
    /// follows.
    fn clear(&mut self) {
        self.due.clear();
        if !self.places.is_empty() {
            self.places = Map::default();
        }
    }
}

/// Something that a session should have heard. Whether it had to is known at the end.
#[derive(Clone, Copy)]
pub(super) struct Missing {
    pub(super) due: Due,
    pub(super) instance: InstanceId,
    pub(super) revision: Revision,
    pub(super) when: Span,
    /// Whether it is not the event that is missing, but a further device of the inviter (EVT-7).
    pub(super) of_further_device: bool,
}

impl Missing {
    /// Whether the session had to hear it after all: REC-2 lets a suspended session off what began and ended meanwhile, and
    /// a session that ended has nothing to claim.
    pub(super) fn was_owed(&self, history: &History<'_>, followed: &Followed<'_>) -> bool {
        if !history.owes(self.due.session, self.when, self.instance, self.revision) {
            return false;
        }
        let Some(number) = self.due.attempt else { return true };
        let attempt = &followed.attempts[number];
        let concerns_ring = Some(history.session(self.due.session).user) == self.due.invitee
            && (self.due.event == EventName::ReceiveInvitation || self.due.event.closes_ring());
        let Some(began) = attempt.began else {
            // Nobody saw it begin, so that may have been while the session was away: then it is owed the end if it was back.
            let Span { earliest, latest } = self.when;
            return !concerns_ring || history.connected_throughout(self.due.session, earliest, latest);
        };
        let Some(end) = attempt.ends.first() else {
            // It may have ended unseen: whoever may have been away when it began may not have had to hear of either.
            let mut room = followed.rooms.iter().filter(|room| room.instance == self.instance);
            let unseen = attempt.room.is_some_and(|room| history.may_have_changed_unseen(room, usize::MAX))
                || !room.any(|room| room.is_pending(attempt.invitee, number));
            let away = !history.connected_throughout(self.due.session, began.earliest, began.latest);
            // Nor may anybody have heard that its time was up.
            let overdue = attempt.deadline(history).is_some_and(|deadline| {
                !history.connected_within(self.due.session, began.latest.min(deadline.earliest), deadline.earliest)
            });
            return !(concerns_ring && ((unseen && away) || overdue));
        };
        // Where it may have ended at once, only who was connected all the while was surely there at some time between.
        !concerns_ring
            || if began.latest <= end.when.earliest {
                history.connected_within(self.due.session, began.latest, end.when.earliest)
            } else {
                history.connected_throughout(self.due.session, began.earliest, end.when.latest)
            }
    }
}

impl Check for Recipients {
    fn commit(&mut self, scene: &Scene<'_, '_>) {
        if scene.inferred {
            return;
        }
        let mut due = std::mem::take(&mut self.due);
        for one in audience::of(scene) {
            if one.event != EventName::InvitationHandledByOtherDevice {
                due.add(one);
            }
        }
        for number in scene.deliveries {
            let delivery = &scene.history.deliveries[*number];
            let name = delivery.name;
            if name == EventName::InvitationHandledByOtherDevice {
                continue;
            }
            match due.place((delivery.session, name, delivery.invitee)) {
                Some(place) if std::mem::replace(&mut due.due[place].1, true) => self.twice(scene, *number),
                Some(_) => {}
                None if may_hear(scene, *number) => {}
                None => self.stray(scene, *number),
            }
        }
        let user = |due: &Due| scene.history.session(due.session).user;
        // EVT-7: of the inviter's devices all hear it, in the room or not; that it hears it at all is another matter.
        let of_further_device = |one: &Due| {
            let is_inviters = Some(user(one)) != one.invitee && one.event.is_point();
            let inside = scene.before.members.get(&user(one)).and_then(|member| member.session) == Some(one.session);
            let another = |(due, is_sent): &(Due, bool)| {
                *is_sent && due.event == one.event && due.invitee == one.invitee && user(due) == user(one)
            };
            is_inviters && (!inside || due.due.iter().any(another))
        };
        let missing = due.due.iter().filter(|(due, is_sent)| due.must && !is_sent).map(|(due, _)| Missing {
            due: *due,
            instance: scene.instance(),
            revision: scene.revision,
            when: scene.when,
            of_further_device: of_further_device(due),
        });
        // What is missing is only looked into where it is missing in the end: more than are reported are not kept.
        self.missing.extend(missing);
        due.clear();
        self.due = due;
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

impl Recipients {
    fn twice(&mut self, scene: &Scene<'_, '_>, number: usize) {
        let delivery = &scene.history.deliveries[number];
        self.findings.add(|| {
            let requirement = if delivery.name == EventName::InvitationAdded { "EVT-3" } else { "IDM-4" };
            Finding::of(
                &CHECK,
                &[requirement],
                format!(
                    "{} is sent {} twice for one commit ({})",
                    scene.history.name(delivery.session),
                    about(scene, number),
                    scene.place()
                ),
            )
            .seen_at(delivery.moment)
            .on(scene.history.device_of(delivery.session))
        });
    }

    fn stray(&mut self, scene: &Scene<'_, '_>, number: usize) {
        let delivery = &scene.history.deliveries[number];
        self.findings.add(|| {
            let name = delivery.name;
            let why = if name.is_list() {
                "it is no member device"
            } else if name.is_point() {
                "it is not among those whom this commit concerns"
            } else {
                "nothing of the kind was committed, or it is no member device"
            };
            Finding::of(
                &CHECK,
                requirements_of(name),
                format!(
                    "{} is sent {} at {} ({}), which is not for it: {why}",
                    scene.history.name(delivery.session),
                    about(scene, number),
                    scene.history.at(delivery.moment),
                    scene.place()
                ),
            )
            .seen_at(delivery.moment)
            .on(scene.history.device_of(delivery.session))
        });
    }
}

/// Whether a session may hear an event that the commit's changes do not call for: room news to members, and everything
/// where it is not certain who is concerned.
fn may_hear(scene: &Scene<'_, '_>, number: usize) -> bool {
    let delivery = &scene.history.deliveries[number];
    let session = delivery.session;
    let user = scene.history.session(session).user;
    let member = scene.before.members.get(&user);
    let may_be_member = match member {
        Some(member) => member.session.is_none() || member.since < scene.before.certain_from,
        None => !scene.before.is_complete(),
    };
    let is_member = may_be_member || member.is_some_and(|member| member.session == Some(session));
    let event = &delivery.event.event;
    match event {
        Event::UserRoleChanged { .. } | Event::ScheduleAttendeesChanged { .. } => is_member,
        Event::KickedOutOfRoom { .. } => true,
        _ if event.name().is_list() || !event.name().is_point() => may_be_member || (!scene.complete && is_member),
        _ if scene.complete => false,
        // Who called is not known where the call itself was never seen.
        _ => delivery.invitee.is_some_and(|invitee| {
            scene.before.entries.get(&invitee).and_then(|entry| entry.attempt).is_none_or(|attempt| {
                let inviter = scene.attempts[attempt].inviter;
                user == invitee || inviter.is_none_or(|inviter| inviter == user)
            })
        }),
    }
}

fn about(scene: &Scene<'_, '_>, number: usize) -> String {
    let delivery = &scene.history.deliveries[number];
    match delivery.invitee {
        Some(invitee) => format!("{} about {}", delivery.name, scene.history.user_id(invitee)),
        None => delivery.name.to_string(),
    }
}

fn requirements_of(name: EventName) -> &'static [&'static str] {
    match name {
        EventName::InvitationAdded => &["EVT-1", "EVT-3"],
        EventName::InvitationStatusChanged => &["EVT-1", "EVT-4"],
        EventName::InvitationRemoved => &["EVT-1", "EVT-5"],
        EventName::ReceiveInvitation => &["EVT-1", "DEV-1"],
        EventName::InvitationTimeout => &["EVT-1", "TMO-5"],
        EventName::InvitationRevokedByAdmin => &["EVT-1", "REV-2"],
        EventName::InvitationAccepted => &["EVT-1", "EVT-7", "ACC-3"],
        EventName::InvitationRejected => &["EVT-1", "EVT-7", "REJ-3"],
        EventName::InvitationCancelled => &["EVT-1", "CAN-5"],
        EventName::InvitationHandledByOtherDevice => &["DEV-4"],
        EventName::RemoteUserEnterRoom => &["ORD-4"],
        EventName::RoomDismissed => &["ROOM-5"],
        EventName::KickedOutOfRoom => &["ROOM-8"],
        _ => &["EVT-1"],
    }
}

/// Says that a session never heard what it should have.
pub(super) fn missing_finding(
    check: &AlwaysCheck,
    history: &History<'_>,
    followed: &Followed<'_>,
    missing: &Missing,
) -> Finding {
    let Missing { due, when, revision, .. } = *missing;
    let attempt = due.attempt.map(|attempt| &followed.attempts[attempt]);
    let about = attempt.map_or_else(String::new, |attempt| format!(" about {}", attempt.title(history)));
    let of_inviter: &[&str] = match due.event {
        EventName::InvitationRevokedByAdmin => &["EVT-1", "EVT-7", "REV-2"],
        _ => &["EVT-1", "EVT-7"],
    };
    Finding::of(
        check,
        if missing.of_further_device { of_inviter } else { requirements_of(due.event) },
        format!(
            "{} is never sent {}{about}, committed at {} at the latest (revision {revision}); it was online and had to be",
            history.name(due.session),
            due.event,
            history.at(when.latest),
        ),
    )
    .seen_at(when.latest)
    .on(history.device_of(due.session))
}
