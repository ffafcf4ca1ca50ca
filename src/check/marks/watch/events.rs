//! What events show: on their way from the server, and when they reach a device.

use std::sync::Arc;

use super::Watcher;
use crate::check::marks::facts::End;
use crate::check::marks::words::Mark::*;
use crate::plan::DeviceIndex;
use crate::protocol::call::Reply;
use crate::protocol::event::{Event, Stamp, StampedEvent};
use crate::protocol::message::Response;
use crate::protocol::vocabulary::{EventName, InvitationStatus};

impl Watcher<'_> {
    pub(super) fn event_sent(&mut self, device: DeviceIndex, seq: u64, event: &Arc<StampedEvent>) {
        let now = self.now;
        let lane = self.lane(device);
        let again = seq <= lane.sent;
        lane.sent = lane.sent.max(seq);
        let missed = lane.resumed == Some(now);
        self.hit_if(again, EventSentAgain);
        self.hit_if(missed, ResumedWithMissedEvents);
        let name = event.event.name();
        self.hit_if(event.event.invitation().is_some(), InvitationShown);
        self.hit_if(event.event.invitation().is_some() && event.event.room_info().is_some(), SnapshotShown);
        self.hit_if(name == EventName::InvitationTimeout, TimeoutSent);
        self.hit_if(name == EventName::InvitationAdded, AddedSent);
        self.hit_if(name == EventName::InvitationStatusChanged, StatusChangedSent);
        self.hit_if(name == EventName::InvitationRemoved, EntryLeftList);
        if let Some(info) = event.event.room_info() {
            let guarded = self.facts.room(&info.room_id).is_some_and(|room| room.has_password);
            self.hit_if(guarded, PasswordRoomShown);
        }
        match &event.event {
            Event::ReceiveInvitation { extension_info, .. } => {
                self.hit_if(!extension_info.is_empty(), ExtensionInfoReceived)
            }
            Event::KickedOffLine { .. } => {
                self.hit(Evicted);
                self.evicted(device);
            }
            Event::InvitationAccepted { .. }
            | Event::InvitationRejected { .. }
            | Event::InvitationTimeout { .. }
            | Event::InvitationRevokedByAdmin { .. } => self.inviter_told(device, event),
            _ => {}
        }
        if name.is_list() {
            self.list_event_sent(device, event);
        }
        if let Some(stamp) = &event.stamp {
            self.look_at_stamp(device, name, stamp);
        }
        // One event goes to many devices in a row; to learn it twice does no harm.
        if !self.unlearnt.last().is_some_and(|last| Arc::ptr_eq(last, event)) {
            self.unlearnt.push(Arc::clone(event));
        }
    }

    fn inviter_told(&mut self, device: DeviceIndex, event: &StampedEvent) {
        let Some(invitation) = event.event.invitation() else { return };
        let user = self.facts.user(device);
        if invitation.inviter.user_id != *user {
            return;
        }
        let outside =
            event.event.room_id().and_then(|id| self.facts.room(id)).is_some_and(|room| !room.is_member(user));
        let several = self.facts.online(user, self.now).count() > 1;
        self.hit_if(outside, InviterToldOutside);
        self.hit_if(several, InviterToldOnSeveralDevices);
    }

    fn list_event_sent(&mut self, device: DeviceIndex, event: &StampedEvent) {
        self.hit(ListEventSent);
        if self.seeks(ListEventBesideBystander)
            && let Some(room) = event.event.room_id().and_then(|id| self.facts.room(id))
        {
            let outside = |other: &DeviceIndex| !room.members.values().any(|member| member == other);
            let mut devices = self.trace.plan.device_indices();
            let bystander =
                devices.any(|other| other != device && outside(&other) && self.facts.is_online(other, self.now));
            self.hit_if(bystander, ListEventBesideBystander);
        }
    }

    fn look_at_stamp(&mut self, device: DeviceIndex, name: EventName, stamp: &Stamp) {
        if self.seeks(EventsSeenByTwo) {
            let commit = (stamp.instance, stamp.revision.0);
            match self.heard_first.get_mut(&commit) {
                None => {
                    self.heard_first.insert(commit, Some(device));
                }
                Some(first) if first.is_some_and(|first| first != device) => {
                    *first = None;
                    let commits = self.heard_by_two.entry(stamp.instance).or_default();
                    *commits += 1;
                    let enough = *commits > 1;
                    self.hit_if(enough, EventsSeenByTwo);
                }
                Some(_) => {}
            }
        }
        let Some(about) = &stamp.about else { return };
        if self.seeks(SeveralEventsOfOneEntry) {
            let fresh = self.lane(device).told.insert((stamp.instance, about.invitee.clone()));
            self.hit_if(!fresh, SeveralEventsOfOneEntry);
        }
        if *self.facts.user(device) == about.invitee {
            let ring = (stamp.instance, about.attempt);
            if name == EventName::ReceiveInvitation {
                self.lane(device).receives_sent.insert(ring);
            } else if name.closes_ring() {
                let received = self.lane(device).receives_sent.contains(&ring);
                self.hit_if(!received, ClosingWithoutRing);
            }
        }
    }

    pub(super) fn event_reached(&mut self, device: DeviceIndex, seq: u64, event: &StampedEvent) {
        let lane = self.lane(device);
        let twice = seq <= lane.reached;
        lane.reached = lane.reached.max(seq);
        self.hit_if(twice, EventReachedTwice);
        let Some(stamp) = &event.stamp else { return };
        if event.event.name().is_list()
            && let Some(page) = self.lane(device).pages.get(&stamp.instance)
        {
            let old = stamp.revision.0 <= *page;
            self.hit_if(old, OldEventAfterPage);
            self.hit_if(!old, EventAfterPage);
        }
        let Some(about) = stamp.about.as_ref().filter(|about| about.invitee == *self.facts.user(device)) else {
            return;
        };
        let ring = (stamp.instance, about.attempt);
        if event.event.name() == EventName::ReceiveInvitation {
            let room = event.event.room_id();
            let lane = &self.lanes[device.index()];
            let entering = room.is_some_and(|room| lane.entering.contains(room));
            let inside = room
                .and_then(|room| self.facts.room(room))
                .is_some_and(|room| room.members.values().any(|member| *member == device));
            let busy = self.trace.plan.device(device).auto_busy;
            let repeated = !self.lane(device).ringing.insert(ring);
            self.hit_if(busy && (entering || inside || repeated), BusyAnswerNotDue);
        } else if event.event.name().closes_ring() {
            let rang = self.lane(device).ringing.remove(&ring);
            let beside = !self.lane(device).ringing.is_empty();
            self.hit_if(rang, ClosingReachedRinging);
            self.hit_if(beside, ClosingBesideAnotherRing);
        }
    }

    pub(super) fn page_reached(&mut self, device: DeviceIndex, response: &Response) {
        if let (Ok(Reply::List(_)), Some(at)) = (&response.result, &response.at) {
            self.lane(device).pages.insert(at.instance, at.revision.0);
        }
    }

    // ---- commits whose answer was lost ---------------------------------------------------------------------------

    /// Learns from events what no answer told: the answer may have been lost together with its connection.
    pub(super) fn learn(&mut self) {
        for event in std::mem::take(&mut self.unlearnt) {
            self.learn_from(&event);
        }
    }

    fn learn_from(&mut self, event: &StampedEvent) {
        let Some(stamp) = &event.stamp else { return };
        let Some(room_id) = event.event.room_id().cloned() else { return };
        let now = self.now;
        match &event.event {
            Event::RemoteUserLeaveRoom { user_info, .. } => {
                let left = self
                    .facts
                    .room_of(stamp.instance, &room_id)
                    .is_some_and(|room| room.members.remove(&user_info.user_id).is_some());
                if left {
                    self.left(&room_id, &user_info.user_id);
                }
                return;
            }
            Event::InvitationAdded { invitation, .. } | Event::ReceiveInvitation { invitation, .. } => {
                let (inviter, invitee) = (&invitation.inviter.user_id, &invitation.invitee.user_id);
                let number = stamp.about.as_ref().map(|about| about.attempt);
                let known = self.facts.room(&room_id).and_then(|room| room.newest(invitee)).map(|call| call.number);
                if known >= number {
                    return;
                }
                if let Some(call) = self.call_under_way(&room_id, inviter, invitee) {
                    let invitee = invitee.clone();
                    self.begin(call.device, &room_id, &invitee, call.received, call.timeout, number);
                }
                return;
            }
            _ => {}
        }
        let end = match (&event.event, event.event.invitation().map(|invitation| invitation.status)) {
            (Event::InvitationRevokedByAdmin { .. }, _) => End::Revoked,
            (Event::InvitationCancelled { .. }, _) => End::Cancelled,
            (Event::InvitationStatusChanged { .. }, Some(InvitationStatus::Accepted)) => End::Accepted,
            (Event::InvitationStatusChanged { .. }, Some(InvitationStatus::Rejected)) => End::Rejected,
            _ => return,
        };
        let Some(about) = &stamp.about else { return };
        let Some(room) = self.facts.room_of(stamp.instance, &room_id) else { return };
        let Some(calls) = room.calls.get_mut(&about.invitee) else { return };
        if let Some(call) = calls.iter_mut().find(|call| call.number == about.attempt && call.is_live()) {
            call.finish(end, now);
        }
    }
}
