//! What the devices of a cast see, and what that sets off.
//!
//! All of it is recorded in the episode that it belongs to. What belongs to the call at play is measured, and takes it on.

use std::sync::Arc;

use super::{Cast, OpenCall, Part, Why};
use crate::load::floor::Floor;
use crate::load::tally::{Stamp, causes};
use crate::plan::{Action, DeviceIndex, ExpectedOutcome};
use crate::protocol::call::{CallNo, Reply};
use crate::protocol::event::StampedEvent;
use crate::protocol::message::{ClientMessage, ConnectionNo, ServerMessage};
use crate::protocol::vocabulary::{ApiError, ErrorCode, EventName, InvitationStatus, OperationName, RoomId};
use crate::time::Instant;
use crate::trace::Occurrence;
use crate::trace::outside::Loss;

impl Cast {
    pub(in crate::load) fn returned(
        &mut self,
        floor: &mut Floor,
        device: DeviceIndex,
        call: CallNo,
        result: Result<Reply, ApiError>,
    ) {
        let now = floor.now();
        self.active = now;
        self.episode.record(now, Occurrence::Returned { device, call, result: result.clone() });
        let member = &mut self.members[device.index()];
        let Some(open) = member.open.remove(&call) else { return };
        self.open = self.open.saturating_sub(1);
        match (open.operation, &result) {
            (OperationName::Login, Ok(_)) => member.logged_in = true,
            (OperationName::Logout, Ok(_)) => {
                member.logged_in = false;
                member.session = None;
            }
            (OperationName::GetInvitationList, Ok(Reply::List(page))) => member.cursor = page.cursor.clone(),
            _ => {}
        }
        self.count(floor, &open, &result, now);
        match (open.why, &result) {
            (Why::Setup, Err(error)) => {
                let name = floor.work.plan.device(device).name.clone();
                self.fail_to_get_ready(floor, &format!("{name} called {} and got {error}", open.operation));
            }
            (Why::Setup, Ok(_)) => {
                if let Part::Setup(phase) = self.part
                    && self.open == 0
                {
                    self.set_up(floor, phase + 1);
                }
            }
            (Why::Step(_), _) => {
                if let Some(operation) = self.triggers.returned(device, call) {
                    let set_off = self.triggers.on_returned(operation, device);
                    self.schedule(floor, now, set_off);
                }
                self.look_for_the_end(floor);
            }
            (Why::End, Ok(Reply::List(page))) if !page.cursor.as_str().is_empty() => self.list(floor, device),
            (Why::End, result) => {
                let gone = |error: &ApiError| error.code == ErrorCode::ROOM_ID_NOT_EXIST;
                self.worn_out |= self.part == Part::Dissolving && result.as_ref().is_err_and(|error| !gone(error));
                self.go_on(floor);
            }
        }
    }

    fn count(&self, floor: &mut Floor, open: &OpenCall, result: &Result<Reply, ApiError>, now: Instant) {
        let measured = match open.why {
            Why::Step(_) => self.is_measured(),
            Why::Setup | Why::End => floor.tally.measures(open.stamp.sent),
        };
        if !measured {
            return;
        }
        floor.tally.operation(open.operation, open.stamp, now);
        let Err(error) = result else { return };
        let named = |step: usize| match &floor.work.plan.steps[step].action {
            Action::Call { expected, .. } => {
                expected.iter().any(|expected| expected.outcome == ExpectedOutcome::Fails(error.code))
            }
            _ => false,
        };
        let lawful = match open.why {
            Why::Step(step) => named(step),
            // The room may have been dissolved in a step.
            Why::End => error.code == ErrorCode::ROOM_ID_NOT_EXIST,
            Why::Setup => false,
        };
        if !lawful {
            floor.tally.error(open.operation, error.code, now);
        }
    }

    fn is_measured(&self) -> bool {
        self.arrival.is_some_and(|arrival| arrival.measured)
    }

    /// Whether an event of this room is not of the call at play. A call that is over keeps its names until the next begins.
    fn is_elsewhere(&self, room: &RoomId) -> bool {
        matches!(self.part, Part::Gone) || !self.names.owns(room)
    }

    pub(in crate::load) fn heard(&mut self, floor: &mut Floor, device: DeviceIndex, event: &Arc<StampedEvent>) {
        let now = floor.now();
        let name = event.event.name();
        let room = event.event.room_id();
        if name == EventName::KickedOffLine {
            self.members[device.index()].logged_in = false;
            self.members[device.index()].session = None;
        }
        let what = Occurrence::Heard { device, event: event.clone() };
        if let Some(room) = room.filter(|room| self.is_elsewhere(room)) {
            match self.past.iter_mut().rev().find(|past| past.names.owns(room)) {
                Some(past) => return past.record(now, what),
                None if self.names.owns(room) => {}
                None => {
                    // Nobody of this cast has ever had to do with that room.
                    let who = &floor.work.plan.device(device).name;
                    let words = format!("{who} heard {name} of {room}, with which nobody here has to do");
                    self.episode.record(now, what);
                    return self.episode.misdirected.push(words);
                }
            }
        }
        self.active = now;
        self.episode.record(now, what);
        if self.is_measured() || (self.arrival.is_none() && floor.tally.measures(now)) {
            floor.tally.event(name, self.stamp_of(event), now);
        }
        if self.part != Part::Body {
            return;
        }
        if let Some(left) = self.awaited.get_mut(&(device, name)) {
            *left -= 1;
            if *left == 0 {
                self.awaited.remove(&(device, name));
            }
        }
        let room = room.and_then(|room| self.names.scenario_room(room));
        let set_off = self.triggers.on_heard_of(name, room.as_ref(), device);
        self.schedule(floor, now, set_off);
        self.look_for_the_end(floor);
    }

    /// From when an event is measured: from the latest call that can have led to it, or from the deadline of a ring.
    fn stamp_of(&self, event: &StampedEvent) -> Option<Stamp> {
        let name = event.event.name();
        let timed_out = name == EventName::InvitationTimeout
            || (name == EventName::InvitationStatusChanged
                && event.event.invitation().is_some_and(|it| it.status == InvitationStatus::Timeout));
        if timed_out {
            let (stamp, timeout) = self.latest.get(&OperationName::InviteUsers)?;
            return Some(stamp.later(*timeout));
        }
        causes(name).iter().filter_map(|cause| self.latest.get(cause)).map(|(stamp, _)| *stamp).max_by_key(|s| s.sent)
    }

    pub(in crate::load) fn handled(
        &mut self,
        floor: &Floor,
        device: DeviceIndex,
        handler: Arc<str>,
        event: Arc<StampedEvent>,
    ) {
        self.episode.record(floor.now(), Occurrence::Handled { device, handler, event });
    }

    // ---- the wire ------------------------------------------------------------------------------------------------

    pub(in crate::load) fn connected(&mut self, floor: &Floor, device: DeviceIndex) {
        self.connections += 1;
        let connection = ConnectionNo(self.connections);
        self.members[device.index()].connection = Some(connection);
        self.episode.record(floor.now(), Occurrence::Connected { device, connection });
    }

    pub(in crate::load) fn lost(&mut self, floor: &mut Floor, device: DeviceIndex, deliberate: bool, how: Loss) {
        let Some(connection) = self.members[device.index()].connection.take() else { return };
        let now = floor.now();
        self.episode.lost(now, device, connection, how);
        if !deliberate && floor.tally.measures(now) {
            floor.tally.counts.connections_lost += 1;
        }
    }

    pub(in crate::load) fn sent(&mut self, floor: &Floor, device: DeviceIndex, message: &ClientMessage) {
        let member = &self.members[device.index()];
        let Some(connection) = member.connection else { return };
        self.episode.sent(floor.now(), device, connection, message, member.last);
    }

    pub(in crate::load) fn received(&mut self, floor: &Floor, device: DeviceIndex, message: &ServerMessage) {
        let now = floor.now();
        let member = &mut self.members[device.index()];
        let Some(connection) = member.connection else { return };
        match message {
            ServerMessage::Event { seq, event } => {
                let last = member.last;
                member.last = last.max(*seq);
                let elsewhere = event.event.room_id().filter(|room| self.is_elsewhere(room));
                let past = elsewhere.and_then(|room| self.past.iter_mut().rev().find(|past| past.names.owns(room)));
                past.unwrap_or(&mut self.episode).told(now, device, connection, *seq, last, event);
                return;
            }
            ServerMessage::LoggedIn { session, resumed } => {
                member.session = Some(session.clone());
                if !resumed {
                    member.last = 0;
                    self.episode.session_began(device);
                }
            }
            ServerMessage::Refused { .. } | ServerMessage::Response(_) => {}
        }
        self.episode.record(now, Occurrence::DeviceReceived { device, connection, message: message.clone() });
    }

    /// The room that the library takes itself to be in, in the scenario's name.
    pub(in crate::load) fn is_in(&mut self, device: DeviceIndex, room: Option<&RoomId>) {
        self.members[device.index()].room = room.and_then(|room| self.names.scenario_room(room));
    }
}
