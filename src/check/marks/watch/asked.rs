//! What requests and calls ask for: their arguments, their ids, and the moment at which they come.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Asked, Watcher};
use crate::check::marks::words::Mark::*;
use crate::plan::DeviceIndex;
use crate::protocol::call::Call;
use crate::protocol::message::{Content, Malformed, Request};
use crate::protocol::vocabulary::{OperationName, RoomId, RoomType, UserId};
use crate::time::Instant;

/// Above this many milliseconds the timers of many platforms wrap round.
const PLATFORM_TIMER_MAX: f64 = 2_147_483_647.0;

/// Arguments by which a body could claim to speak for somebody (SEC-1).
const NAMES_OF_AUTHORS: [&str; 5] = ["userId", "inviter", "inviterId", "invitee", "inviteeId"];

impl Watcher<'_> {
    pub(super) fn request_received(&mut self, device: DeviceIndex, request: &Request) {
        let key = (device, request.id.clone());
        let mut wrong = 0;
        match self.requests.get(&key) {
            Some(before) => {
                let same = before.content == request.content;
                self.hit_if(same, RequestRepeated);
                self.hit_if(!same, IdReused);
                wrong += usize::from(!same);
            }
            None => {
                let (content, received) = (request.content.clone(), self.now);
                let asked = Asked { content, received, answered: false };
                self.requests.insert(key, asked);
            }
        }
        let restarted = self.lane(device).restarted;
        self.hit_if(restarted, RestartedDeviceAsked);
        let logged_in = self.facts.is_online(device, self.now);
        self.hit_if(!logged_in, AskedBeforeLogin);
        wrong += usize::from(!logged_in);
        match &request.content {
            Content::Call(call) => {
                wrong += usize::from(self.look_at_arguments(device, call));
                wrong += self.wrong_about(device, call);
                if let Some(room) = call.room_id() {
                    self.look_at_time(room, call.operation());
                    self.look_for_stranger(device, room);
                }
                self.look_for_twins(device, call);
            }
            Content::Malformed(malformed) => {
                self.look_at_malformed(device, malformed);
                let room = malformed.args.get("roomId").and_then(Value::as_str).map(RoomId::from);
                let no_room = room.as_ref().is_some_and(|room| self.facts.room(room).is_none());
                wrong += 1 + usize::from(no_room);
            }
        }
        self.hit_if(wrong > 1, SeveralWrong);
    }

    /// What the arguments alone show; whether they break a rule.
    pub(super) fn look_at_arguments(&mut self, device: DeviceIndex, call: &Call) -> bool {
        let bounds = &self.trace.plan.service.bounds;
        let mut refusable = false;
        if let Some(room) = call.room_id() {
            refusable |= !room.is_well_formed();
            self.hit_if(!room.is_well_formed(), RoomIdMalformed);
            self.hit_if(room.is_well_formed() && room.as_str().len() == RoomId::BYTES_MAX, RoomIdLongest);
        }
        match call {
            Call::InviteUsers { user_id_list, timeout, extension_info, .. } => {
                let longest = bounds.timeout_max.as_nanos() as f64 / 1e9;
                let bad_list = self.look_at_ids(user_id_list);
                let bad_timeout = !(timeout.is_finite() && (0.0..=longest).contains(timeout));
                let bad_text = extension_info.len() as u64 > bounds.extension_info_max;
                let millis = timeout * 1000.0;
                self.hit_if(bad_list || bad_timeout || bad_text, InviteRefusable);
                self.hit_if(bad_timeout, TimeoutRefusable);
                self.hit_if(!bad_timeout && millis.fract() != 0.0, TimeoutFraction);
                self.hit_if(timeout.to_bits() == longest.to_bits(), TimeoutLongest);
                self.hit_if(*timeout == 0.0, TimeoutOmitted);
                self.hit_if(!bad_timeout && millis > PLATFORM_TIMER_MAX, TimeoutOfMonths);
                self.hit_if(extension_info.len() as u64 == bounds.extension_info_max, InviteAtTheBound);
                let own = user_id_list.contains(self.facts.user(device));
                self.hit_if(own, OwnIdCalled);
                let unknown = user_id_list.iter().any(|user| !self.facts.has_account(user));
                self.hit_if(unknown && !bad_list, UnknownAccountCalled);
                refusable |= bad_list || bad_timeout || bad_text;
            }
            Call::CancelInvitation { user_id_list, .. } => {
                let bad_list = self.look_at_ids(user_id_list);
                self.hit_if(bad_list, CancelListRefusable);
                let unknown = user_id_list.iter().any(|user| !self.facts.has_account(user));
                self.hit_if(unknown && !bad_list, CancelOfUnknownAccount);
                refusable |= bad_list;
            }
            Call::Reject { reason, .. } => {
                self.hit_if(!matches!(reason, 0 | 1), ReasonRefusable);
                refusable |= !matches!(reason, 0 | 1);
            }
            Call::GetInvitationList { cursor, count, .. } => {
                let bad = !(*count >= 0.0 && count.fract() == 0.0);
                self.hit_if(bad, CountRefusable);
                refusable |= bad;
                if !cursor.as_str().is_empty() {
                    self.look_at_cursor(device, call);
                }
            }
            Call::FetchNotEnteredList { .. } => self.hit(NotEnteredAsked),
            _ => {}
        }
        refusable
    }

    /// Whether a list of ids breaks the rules of INV-9 and CAN-9.
    fn look_at_ids(&mut self, ids: &[UserId]) -> bool {
        let most = self.trace.plan.service.bounds.ids_max;
        let distinct: BTreeSet<&UserId> = ids.iter().collect();
        self.hit_if(distinct.len() < ids.len(), DuplicateIds);
        self.hit_if(ids.len() as u64 == most, InviteAtTheBound);
        ids.is_empty() || ids.len() as u64 > most || ids.iter().any(|id| id.as_str().is_empty())
    }

    fn look_at_cursor(&mut self, device: DeviceIndex, call: &Call) {
        let Call::GetInvitationList { room_id, cursor, .. } = call else { return };
        let lives = self.facts.room_ever(room_id).map_or(0, |room| room.lives);
        let own = (room_id.clone(), lives, self.facts.user(device).clone());
        let given = self.cursors.get(cursor).cloned();
        let old = self.old_cursors.contains(cursor);
        self.hit_if(old, CursorAfterRestart);
        self.hit_if(given.is_none(), CursorMalformed);
        self.hit_if(given.as_ref().is_some_and(|given| *given != own), CursorForeign);
    }

    fn look_at_malformed(&mut self, device: DeviceIndex, malformed: &Malformed) {
        let no_room = !malformed.args.get("roomId").is_some_and(Value::is_string);
        match OperationName::from_name(&malformed.operation) {
            Some(OperationName::InviteUsers) => {
                self.hit(InviteRefusable);
                let timeout = malformed.args.get("timeout");
                self.hit_if(timeout.is_some_and(|timeout| !timeout.is_number()), TimeoutRefusable);
            }
            Some(OperationName::CancelInvitation) => self.hit(CancelListRefusable),
            Some(OperationName::Reject) => {
                let reason = malformed.args.get("reason");
                self.hit_if(reason.is_some_and(|reason| !reason.is_i64()), ReasonRefusable);
            }
            Some(OperationName::GetInvitationList) => {
                let count = malformed.args.get("count");
                self.hit_if(count.is_some_and(|count| !count.is_number()), CountRefusable);
                let cursor = malformed.args.get("cursor");
                self.hit_if(cursor.is_some_and(|cursor| !cursor.is_string()), CursorMalformed);
            }
            Some(OperationName::FetchNotEnteredList) => self.hit(NotEnteredAsked),
            _ => {}
        }
        if let Some(OperationName::Accept | OperationName::Reject) = OperationName::from_name(&malformed.operation) {
            let room = malformed.args.get("roomId").and_then(Value::as_str).map(RoomId::from);
            let user = self.facts.user(device);
            let third = room
                .and_then(|room| self.facts.room(&room))
                .is_some_and(|room| room.newest(user).is_none() && room.live().next().is_some());
            self.hit_if(third, ThirdPartyAnswered);
        }
        self.hit_if(no_room, RoomIdMalformed);
        let named = malformed.args.as_object().into_iter().flatten();
        let named = named.map(|(key, _)| key.as_str()).any(|key| NAMES_OF_AUTHORS.contains(&key));
        self.hit_if(named, BodyNamedUser);
    }

    /// How many of the checks of ERR-1 that need the room a call would fail, apart from rights and states.
    pub(super) fn wrong_about(&mut self, device: DeviceIndex, call: &Call) -> usize {
        let Some(room_id) = call.room_id().filter(|_| call.operation() != OperationName::CreateRoom) else { return 0 };
        let Some(room) = self.facts.room(room_id) else {
            let dissolved = self.facts.room_ever(room_id).is_some();
            let unknown = self.names_unknown(call);
            self.hit_if(dissolved, AskedAfterDissolution);
            return 1 + usize::from(unknown);
        };
        let live = room.kind == RoomType::Live && call.operation().is_invitation();
        let outside = call.operation() == OperationName::InviteUsers && !room.is_member(self.facts.user(device));
        if live {
            self.asked_of_live.insert(call.operation());
            let five = OperationName::ALL.iter().filter(|operation| operation.is_invitation()).count();
            self.hit_if(self.asked_of_live.len() == five, AllFiveInLiveRoom);
        }
        let state = self.state_is_wrong(device, call);
        let unknown = self.names_unknown(call);
        usize::from(live) + usize::from(outside) + usize::from(unknown) + usize::from(state)
    }

    /// Whether nothing is there that an answer could answer, or no right for the rest.
    fn state_is_wrong(&self, device: DeviceIndex, call: &Call) -> bool {
        let user = self.facts.user(device);
        let Some(room) = call.room_id().and_then(|id| self.facts.room(id)) else { return false };
        match call {
            Call::Accept { attempt, .. } | Call::Reject { attempt, .. } => {
                room.meant(user, attempt.as_ref()).is_none_or(|meant| !meant.is_live())
            }
            Call::GetInvitationList { .. } => !room.is_member(user) && room.newest(user).is_none(),
            Call::CancelInvitation { .. } => {
                let invited = room.calls.values().flatten().any(|attempt| attempt.inviter == *user);
                !room.is_member(user) && room.owner != *user && !invited
            }
            _ => false,
        }
    }

    fn names_unknown(&self, call: &Call) -> bool {
        match call {
            Call::InviteUsers { user_id_list, .. } => user_id_list.iter().any(|user| !self.facts.has_account(user)),
            _ => false,
        }
    }

    fn look_at_time(&mut self, room: &RoomId, operation: OperationName) {
        if !self.seeks(InputNearDeadline) && !self.seeks(AnswerNearDeadline) && !self.seeks(ListNearDeadline) {
            return;
        }
        if self.near_deadline(room) {
            self.hit(InputNearDeadline);
            self.hit_if(matches!(operation, OperationName::Accept | OperationName::Reject), AnswerNearDeadline);
            self.hit_if(operation == OperationName::GetInvitationList, ListNearDeadline);
        }
    }

    /// SEC-3: somebody who is neither in the room nor called to it.
    fn look_for_stranger(&mut self, device: DeviceIndex, room: &RoomId) {
        if !self.seeks(StrangerAsked) {
            return;
        }
        let user = self.facts.user(device);
        let asks = self.facts.room(room).is_some_and(|room| {
            !room.is_member(user) && room.owner != *user && room.newest(user).is_none() && room.live().next().is_some()
        });
        self.hit_if(asks, StrangerAsked);
    }

    /// INV-14: a call that is under way names the same user.
    fn look_for_twins(&mut self, device: DeviceIndex, call: &Call) {
        let Call::InviteUsers { room_id, user_id_list, .. } = call else { return };
        if !self.seeks(CalledByTwoAtOnce) {
            return;
        }
        let twin = self.awaited.iter().filter(|(other, _)| *other != device).any(|request| {
            let Some(Asked { content: Content::Call(other), .. }) = self.requests.get(request) else { return false };
            match &**other {
                Call::InviteUsers { room_id: other_room, user_id_list: others, .. } => {
                    other_room == room_id && others.iter().any(|user| user_id_list.contains(user))
                }
                _ => false,
            }
        });
        self.hit_if(twin, CalledByTwoAtOnce);
    }

    /// The inviteUsers call of a user that is not answered yet and names an invitee.
    pub(super) fn call_under_way(&self, room: &RoomId, inviter: &UserId, invitee: &UserId) -> Option<Underway> {
        self.requests.iter().find_map(|((device, _), asked)| {
            let Content::Call(call) = &asked.content else { return None };
            match &**call {
                Call::InviteUsers { room_id, user_id_list, timeout, .. }
                    if room_id == room
                        && !asked.answered
                        && self.facts.user(*device) == inviter
                        && user_id_list.contains(invitee) =>
                {
                    Some(Underway { device: *device, received: asked.received, timeout: *timeout })
                }
                _ => None,
            }
        })
    }
}

/// A call whose answer was lost.
pub(super) struct Underway {
    pub(super) device: DeviceIndex,
    pub(super) received: Instant,
    /// In seconds, as given.
    pub(super) timeout: f64,
}
