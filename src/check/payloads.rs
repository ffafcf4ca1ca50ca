//! What events and results carry is right: statuses, both names of the room, the users, the room as of the commit; and no
//! password, and extensionInfo byte for byte. Judged at the server's wire.

use super::follow::{Change, Followed, Judged, Outcome, Scene};
use super::history::{Ask, Delivery, History};
use super::variants::{GoneStatus, ListPayload};
use super::{AlwaysCheck, Boundary, Check, Difference, Finding, Findings};
use crate::protocol::call::{Call, Reply};
use crate::protocol::event::Event;
use crate::protocol::vocabulary::{EventName, InvitationStatus};

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "payloads",
    requirements: &[
        "EVT-2", "EVT-6", "EVT-8", "SEC-4", "INV-7", "INV-12", "REJ-3", "REJ-4", "REV-1", "REV-4", "TERM-3", "ROOM-2",
    ],
    boundary: Boundary::ServerWire,
    promise: "payloads show the status just reached, the right users and the room as it was, and never a password",
    begin: || Box::new(Payloads::default()),
};

#[derive(Default)]
struct Payloads {
    findings: Findings,
}

impl Check for Payloads {
    fn commit(&mut self, scene: &Scene<'_, '_>) {
        if let Some(ask) = scene.ask() {
            self.result(scene.history, ask);
        }
        // One payload goes to many devices: those that share it need to be looked at once.
        let mut last: Option<&Delivery<'_>> = None;
        for number in scene.deliveries {
            let delivery = &scene.history.deliveries[*number];
            if last.is_some_and(|last| std::sync::Arc::ptr_eq(last.event, delivery.event)) {
                continue;
            }
            last = Some(delivery);
            Payload { scene, delivery, findings: &mut self.findings }.judge();
        }
    }

    fn judged(&mut self, judged: &Judged<'_, '_>) {
        self.result(judged.history, judged.ask);
    }

    fn finish(&mut self, _: &History<'_>, _: &Followed<'_>) -> Findings {
        std::mem::take(&mut self.findings)
    }
}

impl Payloads {
    /// SEC-4 for results.
    fn result(&mut self, history: &History<'_>, ask: &Ask<'_>) {
        let Some(Ok(Reply::RoomInfo(info))) = ask.answer().map(|answer| &answer.result) else { return };
        if info.password.is_empty() {
            return;
        }
        self.findings.add(|| {
            let moment = ask.span().map_or(0, |span| span.latest);
            let name = &history.plan().device(ask.device).name;
            let message = format!("{name} is shown the password of {} in a result", info.room_id);
            Finding::of(&CHECK, &["SEC-4"], message).seen_at(moment).on(ask.device)
        });
    }
}

struct Payload<'p, 's, 't> {
    scene: &'p Scene<'s, 't>,
    delivery: &'p Delivery<'t>,
    findings: &'p mut Findings,
}

impl Payload<'_, '_, '_> {
    fn judge(&mut self) {
        self.room();
        self.invitation();
        match &self.delivery.event.event {
            Event::ReceiveInvitation { extension_info, .. } => self.extension_info(extension_info),
            Event::InvitationRejected { reason, .. } => {
                if let Some(Call::Reject { reason: asked, .. }) = self.scene.ask().and_then(Ask::call) {
                    self.compare(&["REJ-3"], "reason", asked, &i64::from(reason.number()));
                } else if self.scene.cause.is_some() {
                    self.wrong(&["REJ-4"], "no device rejected", None);
                }
            }
            Event::InvitationRevokedByAdmin { operate_user, .. } => {
                let operator = self.end().and_then(|(_, operator)| operator);
                if let Some(operator) = operator {
                    let expected = self.scene.history.user_id(operator);
                    self.compare(&["REV-1", "REV-4"], "operateUser.userId", expected, &operate_user.user_id);
                    if let Some(role) = self.scene.before.role(operator) {
                        self.compare(&["REV-1"], "operateUser.userRole", &role, &operate_user.user_role);
                    }
                }
            }
            Event::InvitationHandledByOtherDevice { accepted, .. } => {
                if let Some((how, _)) = self.end() {
                    self.compare(&["ACC-3", "REJ-3"], "accepted", &(how == Outcome::Accepted), accepted);
                }
            }
            _ => {}
        }
    }

    /// How the attempt that the event is about ends in this commit.
    fn end(&self) -> Option<(Outcome, Option<super::history::UserNo>)> {
        self.scene.changes.iter().find_map(|change| match change {
            Change::Ended { attempt, end } if Some(self.scene.attempts[*attempt].invitee) == self.delivery.invitee => {
                Some((end.how, end.operator))
            }
            _ => None,
        })
    }

    /// The status that the event must show, where it is known.
    fn status(&self) -> Option<InvitationStatus> {
        let name = self.delivery.event.event.name();
        let expected = status_of(name);
        if expected == Some(InvitationStatus::None) && self.scene.history.variants.gone_status == GoneStatus::Last {
            // What is withdrawn was pending. Whoever enters leaves the list from what it was, or has accepted by entering.
            let invitee = self.delivery.invitee?;
            return match (name, self.end()) {
                (EventName::InvitationRemoved, Some((Outcome::Accepted, _))) => Some(InvitationStatus::Accepted),
                (EventName::InvitationRemoved, None) => {
                    self.scene.before.status(invitee).filter(|status| *status != InvitationStatus::None)
                }
                _ => Some(InvitationStatus::Pending),
            };
        }
        expected.or_else(|| self.end().map(|(how, _)| how.status())).or_else(|| {
            // EVT-3, where a second call is told as a change.
            let began = |change: &Change| matches!(change, Change::Began { attempt } if Some(self.scene.attempts[*attempt].invitee) == self.delivery.invitee);
            self.scene.changes.iter().any(began).then_some(InvitationStatus::Pending)
        })
    }

    fn room(&mut self) {
        let event = &self.delivery.event.event;
        let (room, before) = (event.room_id(), self.scene.before);
        if let (Some(expected), Some(room)) = (before.id, room) {
            self.compare(&["EVT-1", "ROOM-2"], "roomId", expected, room);
        }
        if let Some((room_id, room_info)) = event.named_by() {
            let wanted = match self.scene.history.variants.list_payload {
                ListPayload::Both => [("roomId", !room_id), ("roomInfo", !room_info)],
                ListPayload::RoomInfo => [("roomId", false), ("roomInfo", !room_info)],
                ListPayload::RoomId => [("roomId", !room_id), ("roomInfo", false)],
            };
            for (field, _) in wanted.into_iter().filter(|(_, is_missing)| *is_missing) {
                self.wrong(&["EVT-2"], &format!("{field} is missing"), None);
            }
        }
        let Some(info) = event.room_info() else { return };
        if let Some(room) = room {
            self.compare(&["EVT-2"], "roomInfo.roomId", room, &info.room_id);
        }
        if !info.password.is_empty() && event.name() != EventName::ReceiveInvitation {
            self.wrong(&["SEC-4"], "roomInfo.password is not blank", None);
        }
        if !before.is_complete() || !self.scene.complete {
            return;
        }
        if let Some(owner) = before.owner {
            self.compare(&["EVT-8"], "roomInfo.ownerId", self.scene.history.user_id(owner), &info.owner_id);
        }
        // A snapshot at commit time may count the room just before or just after the commit.
        let members = before.members.len();
        let after = self.scene.changes.iter().fold(members, |count, change| match change {
            Change::Entered { user, .. } if !before.members.contains_key(user) => count + 1,
            Change::Left { .. } => count.saturating_sub(1),
            _ => count,
        });
        let seen = info.room_member_count as usize;
        if seen != members && seen != after {
            self.compare(&["EVT-8"], "roomInfo.roomMemberCount", &after, &seen);
        }
    }

    fn invitation(&mut self) {
        let event = &self.delivery.event.event;
        let Some(invitation) = event.invitation() else { return };
        if let Some(expected) = self.status() {
            self.compare(&["EVT-6"], "invitation.status", &expected, &invitation.status);
        }
        let Some(invitee) = self.delivery.invitee else {
            self.wrong(&["ORD-5"], "its stamp names no attempt", None);
            return;
        };
        let history = self.scene.history;
        self.compare(&["EVT-8"], "invitation.invitee.userId", history.user_id(invitee), &invitation.invitee.user_id);
        let Some(about) = self.delivery.event.stamp.as_ref().and_then(|stamp| stamp.about.as_ref()) else { return };
        let attempt = self.scene.changes.iter().find_map(|change| match *change {
            Change::Began { attempt } | Change::Ended { attempt, .. } | Change::Removed { attempt, .. } => {
                (self.scene.attempts[attempt].invitee == invitee).then(|| &self.scene.attempts[attempt])
            }
            _ => None,
        });
        let Some(attempt) = attempt else { return };
        if let Some(number) = attempt.number {
            self.compare(&["TERM-3", "ORD-5"], "attempt", &number, &about.attempt);
        }
        if let Some(inviter) = attempt.inviter {
            let inviter = history.user_id(inviter);
            self.compare(&["EVT-8", "INV-7"], "invitation.inviter.userId", inviter, &invitation.inviter.user_id);
        }
    }

    /// INV-12: what an application says is its own affair, so the difference shows lengths and no content.
    fn extension_info(&mut self, seen: &str) {
        let Some(Call::InviteUsers { extension_info, .. }) = self.scene.ask().and_then(Ask::call) else { return };
        if **extension_info != *seen {
            let difference = Difference {
                expected: format!("{} bytes", extension_info.len()),
                seen: format!("{} bytes, others", seen.len()),
            };
            self.wrong(&["INV-12", "INV-7"], "extensionInfo is not what the inviter gave", Some(difference));
        }
    }

    fn compare<T: PartialEq + std::fmt::Display>(
        &mut self,
        requirements: &[&str],
        field: &str,
        expected: &T,
        seen: &T,
    ) {
        if expected != seen {
            let difference = Difference { expected: expected.to_string(), seen: seen.to_string() };
            self.wrong(requirements, &format!("{field} should be {expected}, is {seen}"), Some(difference));
        }
    }

    fn wrong(&mut self, requirements: &[&str], what: &str, difference: Option<Difference>) {
        let (scene, delivery) = (self.scene, self.delivery);
        self.findings.add(|| {
            let message = format!(
                "{} is sent a wrong {} ({}): {what}",
                scene.history.name(delivery.session),
                delivery.name,
                scene.place()
            );
            let device = scene.history.device_of(delivery.session);
            let finding = Finding::of(&CHECK, requirements, message).seen_at(delivery.moment).on(device);
            Finding { difference, ..finding }
        });
    }
}

/// EVT-6, for the events whose name says it.
fn status_of(name: EventName) -> Option<InvitationStatus> {
    match name {
        EventName::ReceiveInvitation | EventName::InvitationAdded => Some(InvitationStatus::Pending),
        EventName::InvitationAccepted => Some(InvitationStatus::Accepted),
        EventName::InvitationRejected => Some(InvitationStatus::Rejected),
        EventName::InvitationTimeout => Some(InvitationStatus::Timeout),
        EventName::InvitationCancelled | EventName::InvitationRevokedByAdmin | EventName::InvitationRemoved => {
            Some(InvitationStatus::None)
        }
        _ => None,
    }
}
