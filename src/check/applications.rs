//! What applications are owed, where nothing but the API was seen: each ring begins and ends once on a device, whoever is
//! called is rung, whoever waits for an answer hears it, and the list that a member follows is the list that it reads.
//!
//! The checks of the server's wire know each commit; this one knows calls, what they came to, and what was heard (TERM-4).
//! So it speaks up only for a device that was surely there all the time: logged in, with a network, its program alive; and
//! only of what a call that surely happened must have led to. What it can't see is left to the author's expectations.

mod fold;
mod ring;
mod says;

use std::collections::{BTreeMap, BTreeSet};

use self::fold::Fold;
use self::ring::{Ring, Wrong};
use super::follow::Followed;
use super::history::History;
use super::{AlwaysCheck, Boundary, Check, Difference, Finding, Findings, final_lists};
use crate::plan::DeviceIndex;
use crate::protocol::call::{Call, CallNo, Reply};
use crate::protocol::event::Event;
use crate::protocol::vocabulary::{ErrorCode, InvitationStatus, RoomId, UserId};
use crate::time::Instant;
use crate::trace::{DeviceChange, Occurrence, Stage, Trace};

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "applications",
    requirements: &[
        "ACC-3", "CAN-5", "DEV-1", "DEV-4", "DEV-8", "ERR-4", "ERR-5", "EVT-1", "EVT-3", "EVT-4", "EVT-5", "IDM-4",
        "LST-2", "ORD-2", "REJ-3", "SEC-4", "TMO-5",
    ],
    boundary: Boundary::DeviceApi,
    promise: "where only the API is seen: whoever is called is rung, each ring begins and ends once, whoever waits for an \
              answer hears it, the list that a member follows is the one that it reads, and nobody hears of a list from \
              outside or reads a password",
    begin: || Box::new(Applications),
};

struct Applications;

impl Check for Applications {
    fn finish(&mut self, history: &History<'_>, _: &Followed<'_>) -> Findings {
        match history.trace.vantage.is_applications() {
            true => Watch::new(history.trace).judge(),
            // Elsewhere each commit is known, and with it more than this.
            false => Findings::default(),
        }
    }
}

/// A call that surely rang somebody.
struct Rang<'t> {
    /// The moments between which it was committed.
    called: usize,
    returned: usize,
    room: &'t RoomId,
    inviter: &'t UserId,
    invitee: &'t UserId,
}

/// An answer that surely was taken.
struct Answer<'t> {
    called: usize,
    device: DeviceIndex,
    room: &'t RoomId,
    accepted: bool,
}

/// A call that surely took calls back, as far as they were its caller's.
struct Cancel<'t> {
    called: usize,
    inviter: &'t UserId,
    room: &'t RoomId,
    invitees: &'t [UserId],
}

/// What is known of one device.
struct Device<'t> {
    user: &'t UserId,
    name: &'t str,
    auto_busy: bool,
    /// The spans in which its session surely stood, and nothing could keep an event from it.
    sure: Vec<(usize, usize)>,
    sure_from: Option<usize>,
    /// The list of the room that it is in, if it was there before anybody was called to it.
    follows: Option<(&'t RoomId, Fold<'t>)>,
    rings: BTreeMap<&'t RoomId, Ring>,
    heard: Vec<(usize, &'t Event)>,
    /// The calls that may have answered a ring.
    answered: Vec<(usize, &'t RoomId)>,
    /// The rooms that its application ever asked to enter.
    entered: BTreeSet<&'t RoomId>,
}

struct Watch<'t> {
    trace: &'t Trace,
    devices: Vec<Device<'t>>,
    calls: BTreeMap<(DeviceIndex, CallNo), (usize, &'t Call)>,
    rang: Vec<Rang<'t>>,
    answers: Vec<Answer<'t>>,
    cancels: Vec<Cancel<'t>>,
    /// The rooms to which somebody may have been called.
    called_to: BTreeSet<&'t RoomId>,
    /// Who may have been called by a call of which that is not known.
    unsure: BTreeSet<(&'t RoomId, &'t UserId)>,
    findings: Findings,
}

impl<'t> Watch<'t> {
    fn new(trace: &'t Trace) -> Self {
        let device = |index| {
            let planned = trace.plan.device(index);
            Device {
                user: &planned.identity.user_id,
                name: &planned.name,
                auto_busy: planned.auto_busy,
                sure: Vec::new(),
                sure_from: None,
                follows: None,
                rings: BTreeMap::new(),
                heard: Vec::new(),
                answered: Vec::new(),
                entered: BTreeSet::new(),
            }
        };
        Self {
            trace,
            devices: trace.plan.device_indices().map(device).collect(),
            calls: BTreeMap::new(),
            rang: Vec::new(),
            answers: Vec::new(),
            cancels: Vec::new(),
            called_to: BTreeSet::new(),
            unsure: BTreeSet::new(),
            findings: Findings::default(),
        }
    }

    fn judge(mut self) -> Findings {
        let mut end = None;
        for (index, moment) in self.trace.moments.iter().enumerate() {
            match &moment.what {
                Occurrence::Stage(Stage::FinalLists) => end = Some(index),
                Occurrence::Called { device, call, content, .. } => self.called(index, *device, *call, content),
                Occurrence::Returned { device, call, result } => {
                    let Some((called, content)) = self.calls.remove(&(*device, *call)) else { continue };
                    if end.is_some() {
                        continue;
                    }
                    self.result_is_sayable(index, *device, content, result);
                    match result {
                        Ok(reply) => self.succeeded(called, index, *device, content, reply),
                        Err(error) => self.failed(called, index, *device, content, error.code),
                    }
                }
                Occurrence::Heard { device, event } => self.heard(index, *device, &event.event),
                Occurrence::DeviceChanged { device, change } => match change {
                    DeviceChange::Restarted => {}
                    // While it has no network it may be found dead, and what it missed then may never come (REC-1).
                    _ => self.is_unsure(*device, index),
                },
                _ => {}
            }
        }
        // What still would have come is not known of a run that does not come to its end.
        let Some(end) = end else { return self.findings };
        let open: Vec<_> = std::mem::take(&mut self.calls).into_iter().collect();
        for ((device, _), (called, content)) in open.into_iter().filter(|(_, (called, _))| *called < end) {
            self.failed(called, called, device, content, ErrorCode::FAILED);
        }
        for device in &mut self.devices {
            device.sure.extend(device.sure_from.take().map(|from| (from, end)));
        }
        self.called_are_rung(end);
        self.answers_are_heard(end);
        self.cancels_are_heard(end);
        self.lists_are_followed();
        self.findings
    }

    fn add(&mut self, requirements: &[&str], moment: usize, device: DeviceIndex, message: impl FnOnce() -> String) {
        self.findings.add(|| Finding::of(&CHECK, requirements, message()).seen_at(moment).on(device));
    }

    fn at(&self, moment: usize) -> Instant {
        self.trace.moments[moment].at
    }

    /// The devices of a user whose sessions surely stood from one moment to the other.
    fn surely_there(&self, user: &UserId, from: usize, to: usize) -> Vec<DeviceIndex> {
        let is_there = |device: &DeviceIndex| {
            let device = &self.devices[device.index()];
            device.user == user && device.sure.iter().any(|(begin, end)| *begin <= from && to <= *end)
        };
        self.trace.plan.device_indices().filter(is_there).collect()
    }

    // ---- what happens --------------------------------------------------------------------------------------------

    fn called(&mut self, index: usize, device: DeviceIndex, call: CallNo, content: &'t Call) {
        self.calls.insert((device, call), (index, content));
        match content {
            // DEV-9: it may end the session of another device of the user at any time from now on.
            Call::Login { .. } => {
                let identity = self.trace.identity(device);
                for other in self.trace.plan.device_indices() {
                    let one = self.trace.identity(other);
                    let is_same = other == device || one.platform == identity.platform;
                    if one.user_id == identity.user_id && is_same {
                        self.is_unsure(other, index);
                    }
                }
            }
            Call::Logout {} => self.is_unsure(device, index),
            Call::Accept { room_id, .. } | Call::Reject { room_id, .. } => self.may_answer(device, room_id, index),
            Call::EnterRoom { room_id, .. } => {
                self.devices[device.index()].entered.insert(room_id);
                self.may_answer(device, room_id, index);
                // ROOM-8: entering puts the user's other device out.
                self.user_leaves(self.devices[device.index()].user);
            }
            Call::ExitRoom { .. } | Call::DestroyRoom { .. } => self.devices[device.index()].follows = None,
            Call::KickRemoteUserOutOfRoom { user_id, .. } => self.user_leaves(user_id),
            Call::InviteUsers { room_id, .. } => {
                self.called_to.insert(room_id);
            }
            _ => {}
        }
    }

    fn may_answer(&mut self, device: DeviceIndex, room: &'t RoomId, index: usize) {
        let device = &mut self.devices[device.index()];
        device.answered.push((index, room));
        if let Some(ring) = device.rings.get_mut(room) {
            ring.is_answered_here();
        }
    }

    fn user_leaves(&mut self, user: &UserId) {
        self.devices.iter_mut().filter(|device| device.user == user).for_each(|device| device.follows = None);
    }

    fn succeeded(&mut self, called: usize, index: usize, device: DeviceIndex, content: &'t Call, reply: &'t Reply) {
        let state = &mut self.devices[device.index()];
        let user = state.user;
        match (content, reply) {
            (Call::Login { .. }, _) => state.sure_from = Some(index),
            (Call::EnterRoom { room_id, .. }, _) => {
                let from_the_beginning = state.sure_from.is_some() && !self.called_to.contains(room_id);
                state.follows = from_the_beginning.then(|| (room_id, Fold::default()));
            }
            (Call::InviteUsers { room_id, .. }, Reply::Invited(codes)) => {
                for (invitee, _) in codes.iter().filter(|(_, code)| code.number() == 0) {
                    self.rang.push(Rang { called, returned: index, room: room_id, inviter: user, invitee });
                }
            }
            (Call::Accept { room_id, .. } | Call::Reject { room_id, .. }, _) => {
                let accepted = matches!(content, Call::Accept { .. });
                self.answers.push(Answer { called, device, room: room_id, accepted });
            }
            (Call::CancelInvitation { room_id, user_id_list }, _) => {
                self.cancels.push(Cancel { called, inviter: user, room: room_id, invitees: user_id_list });
            }
            (Call::GetInvitationList { room_id, cursor, .. }, Reply::List(page)) => {
                let mut shown = page.invitation_list.iter().map(|item| &item.invitation);
                if shown.any(|one| one.invitee.user_id == *user && one.status == InvitationStatus::Pending) {
                    state.rings.entry(room_id).or_default().is_shown();
                }
                if let Some((room, fold)) = &mut state.follows
                    && *room == room_id
                {
                    fold.read(page, cursor.as_str().is_empty());
                }
            }
            _ => {}
        }
    }

    /// A call failed, or was never answered. What came to -1 may have happened (IDM-5).
    fn failed(&mut self, called: usize, index: usize, device: DeviceIndex, content: &'t Call, code: ErrorCode) {
        match content {
            Call::Accept { room_id, .. } | Call::Reject { room_id, .. } if code != ErrorCode::FAILED => {
                self.devices[device.index()].answered.retain(|(at, _)| *at != called);
                if let Some(ring) = self.devices[device.index()].rings.get_mut(room_id) {
                    ring.is_unsure();
                }
            }
            Call::InviteUsers { room_id, user_id_list, .. } if code == ErrorCode::FAILED => {
                self.unsure.extend(user_id_list.iter().map(|user| (room_id, user)));
            }
            Call::EnterRoom { .. } | Call::ExitRoom { .. } if code == ErrorCode::FAILED => {
                self.is_unsure(device, index)
            }
            _ => {}
        }
    }

    fn heard(&mut self, index: usize, device: DeviceIndex, event: &'t Event) {
        match event {
            Event::KickedOffLine { .. } => self.is_unsure(device, index),
            Event::KickedOutOfRoom { .. } | Event::RoomDismissed { .. } => self.devices[device.index()].follows = None,
            _ => {}
        }
        self.event_is_sayable(index, device, event);
        let state = &mut self.devices[device.index()];
        state.heard.push((index, event));
        let (name, Some(room)) = (event.name(), event.room_id()) else { return };
        let own = event.invitation().is_none_or(|one| one.invitee.user_id == *state.user);
        let wrong = match (event, &mut state.follows) {
            // REJ-5: the library may have answered by itself.
            (Event::ReceiveInvitation { .. }, _) if own && state.auto_busy => {
                state.answered.push((index, room));
                state.rings.entry(room).or_default().is_unsure();
                None
            }
            (Event::ReceiveInvitation { .. }, _) if own => state.rings.entry(room).or_default().begins(),
            _ if own && name.closes_ring() => state.rings.entry(room).or_default().ends(name),
            (_, Some((followed, fold))) if *followed == room => fold.hear(event),
            _ => None,
        };
        let Some(Wrong { requirements, what }) = wrong else { return };
        let (who, at) = (state.name, self.at(index));
        self.add(requirements, index, device, || {
            format!("the application of {who} hears {name} of {room} at {at} {what}")
        });
    }

    /// The session of a device may have ended, or have missed something, from a moment on until its next login.
    fn is_unsure(&mut self, device: DeviceIndex, index: usize) {
        let state = &mut self.devices[device.index()];
        state.follows = None;
        state.sure.extend(state.sure_from.take().map(|from| (from, index)));
        state.rings.values_mut().for_each(Ring::is_unsure);
    }

    // ---- what is owed --------------------------------------------------------------------------------------------

    /// DEV-1: every device that was there rings as often as it was called.
    fn called_are_rung(&mut self, end: usize) {
        let calls: BTreeSet<(&RoomId, &UserId)> = self.rang.iter().map(|rang| (rang.room, rang.invitee)).collect();
        for (room, invitee) in calls {
            for index in self.trace.plan.device_indices() {
                let device = &self.devices[index.index()];
                let span = device.sure.iter().find(|(_, to)| device.user == invitee && *to >= end);
                let Some((from, _)) = span else { continue };
                let of_this = |rang: &&Rang<'_>| rang.room == room && rang.invitee == invitee && rang.called > *from;
                let due = self.rang.iter().filter(of_this).count();
                let rings = device.heard.iter().filter(|(at, event)| at > from && is_ring(event, room)).count();
                let Some(last) = self.rang.iter().rfind(of_this).filter(|_| rings < due) else { continue };
                let (who, by, returned) = (device.name, last.inviter, last.returned);
                self.add(&["DEV-1", "EVT-1"], returned, index, || {
                    format!(
                        "the application of {who} hears onReceiveInvitation of {room} {rings} times, and inviteUsers gave \
                         code 0 for {invitee} {due} times while it was there (the last by {by})"
                    )
                });
            }
        }
    }

    /// The last ring of a room on a device before a moment, if nothing that the device has heard or done ended it by then.
    fn ringing(&self, device: DeviceIndex, room: &RoomId, before: usize) -> Option<(usize, &'t Event)> {
        let device = &self.devices[device.index()];
        let ring = device.heard.iter().rfind(|(at, event)| *at < before && is_ring(event, room))?;
        let ended = device.heard.iter().any(|(at, event)| ring.0 < *at && *at < before && device.is_end(event, room));
        let answered = device.answered.iter().any(|(at, of)| ring.0 < *at && *at < before && *of == room);
        (!ended && !answered).then_some(*ring)
    }

    /// Whether a device that was ringing hears the end of it, or ends it itself.
    fn hears_the_end(&self, device: DeviceIndex, room: &RoomId, ring: usize) -> bool {
        let device = &self.devices[device.index()];
        device.heard.iter().any(|(at, event)| *at > ring && device.is_end(event, room))
            || device.answered.iter().any(|(at, of)| *at > ring && *of == room)
    }

    fn rings_before(&self, device: DeviceIndex, room: &RoomId, before: usize) -> usize {
        let heard = &self.devices[device.index()].heard;
        heard.iter().filter(|(at, event)| *at < before && is_ring(event, room)).count()
    }

    /// DEV-4, ACC-3, REJ-3: an answer silences the other devices, and is told to the inviter's.
    fn answers_are_heard(&mut self, end: usize) {
        let mut missing = Vec::new();
        for answer in &self.answers {
            let &Answer { called, device, room, accepted } = answer;
            let Some((ring, event)) = self.ringing(device, room, called) else { continue };
            let user = self.devices[device.index()].user;
            if !self.surely_there(user, ring, end).contains(&device) {
                continue;
            }
            // Several answers under way: whose it was is not known.
            let twice = |other: &&Answer<'_>| other.room == room && self.devices[other.device.index()].user == user;
            if self.answers.iter().filter(twice).filter(|other| other.called > ring).count() > 1 {
                continue;
            }
            let rings = self.rings_before(device, room, called);
            for other in self.surely_there(user, ring, end) {
                let same = self.rings_before(other, room, called) == rings;
                let ringing = self.ringing(other, room, called).filter(|_| other != device && same);
                if let Some((since, _)) = ringing
                    && !self.hears_the_end(other, room, since)
                {
                    missing.push((vec!["DEV-4"], other, called, "that another device has answered".to_owned(), room));
                }
            }
            let Some(inviter) = event.invitation().map(|one| &one.inviter.user_id) else { continue };
            for other in self.surely_there(inviter, called, end) {
                let told = |(at, event): &(usize, &Event)| {
                    let is_it = match event {
                        Event::InvitationAccepted { .. } => accepted,
                        Event::InvitationRejected { .. } => !accepted,
                        _ => false,
                    };
                    let about = event.invitation().is_some_and(|one| one.invitee.user_id == *user);
                    *at > called && is_it && about && event.room_id() == Some(room)
                };
                if !self.devices[other.index()].heard.iter().any(told) {
                    let requirement = if accepted { "ACC-3" } else { "REJ-3" };
                    let verb = if accepted { "accepted" } else { "rejected" };
                    missing.push((vec![requirement, "EVT-7"], other, called, format!("that {user} has {verb}"), room));
                }
            }
        }
        for (requirements, device, moment, what, room) in missing {
            let (who, at) = (self.devices[device.index()].name, self.at(moment));
            self.add(&requirements, moment, device, || {
                format!("the application of {who} never hears {what} in {room}, which was called at {at} and succeeded")
            });
        }
    }

    /// CAN-5: a device that rings for the caller hears that the call was taken back, or was over before.
    fn cancels_are_heard(&mut self, end: usize) {
        let mut missing = Vec::new();
        for &Cancel { called, inviter, room, invitees } in &self.cancels {
            for invitee in invitees {
                for device in self.surely_there(invitee, called, end) {
                    let Some((ring, event)) = self.ringing(device, room, called) else { continue };
                    let by = event.invitation().map(|one| &one.inviter.user_id);
                    if by == Some(inviter) && !self.hears_the_end(device, room, ring) {
                        missing.push((device, called, room));
                    }
                }
            }
        }
        for (device, moment, room) in missing {
            let (who, at) = (self.devices[device.index()].name, self.at(moment));
            self.add(&["CAN-5"], moment, device, || {
                format!("{who} rings for {room} for ever: cancelInvitation, called at {at} by its inviter, succeeded")
            });
        }
    }

    /// LST-2: the list is the fold of its events.
    fn lists_are_followed(&mut self) {
        for list in final_lists::gather(self.trace) {
            let (Ok(items), true) = (&list.items, list.complete) else { continue };
            let device = &self.devices[list.device.index()];
            let Some((_, fold)) = device.follows.as_ref().filter(|(room, _)| **room == list.room) else { continue };
            let Some((expected, seen)) = fold.differs_from(items) else { continue };
            let (who, room) = (device.name, &list.room);
            let message = format!("{who} reads another list of {room} at the end than its events tell of");
            let difference = Some(Difference { expected, seen });
            self.findings.add(|| {
                let requirements = ["EVT-3", "EVT-4", "EVT-5", "LST-2"];
                let finding = Finding::of(&CHECK, &requirements, message).seen_at(list.moment).on(list.device);
                Finding { difference, ..finding }
            });
        }
    }
}

fn is_ring(event: &Event, room: &RoomId) -> bool {
    matches!(event, Event::ReceiveInvitation { .. }) && event.room_id() == Some(room)
}

impl Device<'_> {
    /// Whether an event ends this device's ring in a room.
    fn is_end(&self, event: &Event, room: &RoomId) -> bool {
        let own = event.invitation().is_none_or(|one| one.invitee.user_id == *self.user);
        own && event.name().closes_ring() && event.room_id() == Some(room)
    }
}
