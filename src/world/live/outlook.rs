//! Until when a service that nobody can ask may do something by itself: the deadlines that follow from what was called, what
//! came of it and what was heard.
//!
//! It errs on the side of waiting: what a device hears of an end counts only if it has heard as many rings begin as there
//! were, since what is late may be of an earlier one. A ring whose end nobody heard of is waited for until its deadline and the
//! lateness that TMO-4 allows have passed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::plan::{DeviceIndex, Plan};
use crate::protocol::bounds::Bounds;
use crate::protocol::call::{Call, CallNo, Reply};
use crate::protocol::event::Event;
use crate::protocol::vocabulary::{ApiError, ErrorCode, InvitationStatus, RoomId, UserId};
use crate::time::{Duration, Instant};
use crate::trace::{DeviceChange, Occurrence};

/// The calls that are under way.
pub(super) type Calls = BTreeMap<(DeviceIndex, CallNo), Arc<Call>>;

/// See the module.
pub(super) struct Outlook {
    resume_window: Duration,
    lateness: Duration,
    rings: BTreeMap<(RoomId, UserId), Rings>,
    /// When the sessions of devices that are away end.
    sessions: BTreeMap<DeviceIndex, Instant>,
}

/// The rings of one user in one room.
#[derive(Default)]
struct Rings {
    /// How many there were.
    count: u32,
    /// How many of them each device has heard begin.
    begun: BTreeMap<DeviceIndex, u32>,
    /// When the last gives up, if it may still ring.
    until: Option<Instant>,
}

impl Outlook {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            resume_window: bounds.resume_window,
            lateness: bounds.expiry_lateness_max,
            rings: BTreeMap::new(),
            sessions: BTreeMap::new(),
        }
    }

    /// Until when the service may do something by itself.
    pub(super) fn until(&self) -> Instant {
        let last = self.rings.values().filter_map(|rings| rings.until).chain(self.sessions.values().copied()).max();
        last.map_or(Instant::START, |last| last + self.lateness)
    }

    /// Something was recorded: of calls, what they came to, and events. `calls` are those that are under way.
    pub(super) fn sees(&mut self, plan: &Plan, calls: &mut Calls, what: &Occurrence, now: Instant) {
        match what {
            Occurrence::Called { device, call, content, .. } => {
                calls.insert((*device, *call), content.clone());
            }
            Occurrence::Returned { device, call, result } => {
                let Some(content) = calls.remove(&(*device, *call)) else { return };
                self.returned(&content, result, now);
                if let (Call::Login { .. }, Ok(_)) = (&*content, result) {
                    self.back(*device);
                }
            }
            Occurrence::Heard { device, event } => {
                self.heard(*device, &plan.device(*device).identity.user_id, &event.event);
            }
            Occurrence::DeviceChanged { device, change } => match change {
                DeviceChange::Offline | DeviceChange::Killed => self.gone(*device, true, now),
                DeviceChange::Online => self.back(*device),
                _ => {}
            },
            _ => {}
        }
    }

    /// A call came to something.
    pub(super) fn returned(&mut self, call: &Call, result: &Result<Reply, ApiError>, now: Instant) {
        // IDM-5: what came to -1 may have happened.
        let may_have_happened = result.as_ref().map_or_else(|error| error.code == ErrorCode::FAILED, |_| true);
        match call {
            Call::InviteUsers { room_id, user_id_list, timeout, .. } if may_have_happened => {
                // TMO-2: 0 never expires.
                let expires = *timeout > 0.0 && timeout.is_finite();
                let until = expires.then(|| now + Duration::from_nanos((timeout * 1e9) as u64));
                let rung = |user: &&UserId| match result {
                    Ok(Reply::Invited(codes)) => codes.iter().any(|(one, code)| one == *user && code.number() == 0),
                    _ => true,
                };
                for user in user_id_list.iter().filter(rung) {
                    let rings = self.rings.entry((room_id.clone(), user.clone())).or_default();
                    rings.count += 1;
                    rings.until = until;
                }
            }
            Call::DestroyRoom { room_id } if result.is_ok() => self.dissolved(room_id),
            _ => {}
        }
    }

    /// A device of a user heard something.
    pub(super) fn heard(&mut self, device: DeviceIndex, user: &UserId, event: &Event) {
        let Some(room) = event.room_id() else { return };
        let invitee = event.invitation().map(|one| &one.invitee.user_id);
        match (event, invitee) {
            (Event::ReceiveInvitation { .. } | Event::InvitationAdded { .. }, Some(invitee)) => {
                let rings = self.rings.entry((room.clone(), invitee.clone())).or_default();
                *rings.begun.entry(device).or_default() += 1;
            }
            (Event::InvitationHandledByOtherDevice { .. }, _) => self.ended(device, room, user),
            (Event::InvitationStatusChanged { invitation, .. }, Some(invitee))
                if invitation.status != InvitationStatus::Pending =>
            {
                self.ended(device, room, invitee);
            }
            (
                Event::InvitationCancelled { .. }
                | Event::InvitationAccepted { .. }
                | Event::InvitationRejected { .. }
                | Event::InvitationTimeout { .. }
                | Event::InvitationRevokedByAdmin { .. }
                | Event::InvitationRemoved { .. },
                Some(invitee),
            ) => self.ended(device, room, invitee),
            (Event::RoomDismissed { .. }, _) => self.dissolved(room),
            _ => {}
        }
    }

    /// A device is away: its session ends when its window has passed (TERM-1).
    pub(super) fn gone(&mut self, device: DeviceIndex, logged_in: bool, now: Instant) {
        if logged_in {
            self.sessions.insert(device, now + self.resume_window);
        }
    }

    /// It is back.
    pub(super) fn back(&mut self, device: DeviceIndex) {
        self.sessions.remove(&device);
    }

    fn ended(&mut self, device: DeviceIndex, room: &RoomId, invitee: &UserId) {
        if let Some(rings) = self.rings.get_mut(&(room.clone(), invitee.clone()))
            && rings.begun.get(&device) == Some(&rings.count)
        {
            rings.until = None;
        }
    }

    fn dissolved(&mut self, room: &RoomId) {
        self.rings.retain(|(of, _), _| of != room);
    }
}
