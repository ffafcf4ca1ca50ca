//! What the answers of requests show: what was committed, what was refused, and in which situation.

use std::collections::BTreeSet;

use super::{Mark, Watcher};
use crate::check::marks::facts::{Attempt, End, Room};
use crate::check::marks::words::Mark::*;
use crate::plan::DeviceIndex;
use crate::protocol::call::{AttemptRef, Call, InvitationPage, Reply};
use crate::protocol::message::{Content, Response};
use crate::protocol::vocabulary::{
    AttemptNo, ErrorCode, InvitationCode, InvitationStatus, RejectedReason, Role, RoomId, UserId,
};
use crate::time::{Duration, Instant};

impl Watcher<'_> {
    /// The server answers a request; for the first time, or again.
    pub(super) fn answered(
        &mut self,
        device: DeviceIndex,
        content: &Content,
        received: Instant,
        response: &Response,
        first: bool,
    ) {
        if let Err(error) = &response.result {
            self.failed(device, content, error.code);
            return;
        }
        let Content::Call(call) = content else { return };
        if let Ok(Reply::RoomInfo(_)) = response.result {
            let guarded = call.room_id().and_then(|id| self.facts.room(id)).is_some_and(|room| room.has_password);
            self.hit_if(guarded, PasswordRoomShown);
        }
        if let Ok(Reply::List(page)) = &response.result {
            self.listed(device, call, page);
            return;
        }
        if !first {
            return;
        }
        if call.operation().changes_state() {
            self.answered_changes.insert(device);
        }
        match (&**call, &response.result) {
            (Call::InviteUsers { room_id, timeout, .. }, Ok(Reply::Invited(codes))) => {
                self.invited(device, room_id, *timeout, received, codes);
            }
            (Call::CancelInvitation { room_id, user_id_list }, _) => self.cancelled(device, room_id, user_id_list),
            (Call::Accept { room_id, attempt }, _) => {
                self.answer(device, room_id, attempt.as_ref(), true);
                self.commit_answer(device, room_id, attempt.as_ref(), End::Accepted);
            }
            (Call::Reject { room_id, attempt, reason }, _) => {
                self.answer(device, room_id, attempt.as_ref(), false);
                let busy = *reason == i64::from(RejectedReason::InOtherConference.number());
                if self.commit_answer(device, room_id, attempt.as_ref(), End::Rejected) {
                    self.hit_if(busy, ReasonGiven);
                }
            }
            (Call::EnterRoom { room_id, .. }, _) => self.entered(device, room_id),
            (Call::ExitRoom { room_id }, _) => {
                let user = self.facts.user(device).clone();
                self.left(room_id, &user);
            }
            (Call::KickRemoteUserOutOfRoom { room_id, user_id }, _) => self.left(room_id, user_id),
            (Call::ChangeUserRole { room_id, user_id, user_role }, _) => {
                let demoted = self.facts.room(room_id).is_some_and(|room| {
                    let loses = |user: &UserId| {
                        (user == user_id && *user_role == Role::GeneralUser && room.is_administrator(user))
                            || (*user == room.owner && *user_role == Role::RoomOwner)
                    };
                    room.live().any(|(_, call)| loses(&call.inviter))
                });
                self.hit_if(demoted, InviterDemotedWhileRinging);
            }
            (Call::AddAttendeesByAdmin { room_id, .. } | Call::RemoveAttendeesByAdmin { room_id, .. }, _) => {
                let entries = self.facts.room(room_id).is_some_and(|room| room.listed().next().is_some());
                self.hit_if(entries, AttendeesEditedWithEntries);
            }
            (Call::CreateRoom { room_id, .. }, _) => {
                let again = self.facts.room_ever(room_id).is_some();
                self.hit_if(again, RoomCreatedAgain);
            }
            (Call::DestroyRoom { room_id }, _) => self.dissolved(room_id),
            (Call::Logout {}, _) => {
                self.hit(LoggedOut);
                self.evicted(device);
            }
            _ => {}
        }
        self.facts.carry_out(device, call, response.at.map(|at| at.instance));
    }

    fn failed(&mut self, device: DeviceIndex, content: &Content, code: ErrorCode) {
        self.hit(ErrorAnswered);
        self.hit_if(code == ErrorCode::NO_PERMISSION, RightMissing);
        self.hit_if(code == ErrorCode::FREQ_LIMIT, RateLimited);
        let Content::Call(call) = content else {
            self.hit(CallFailed);
            return;
        };
        self.hit_if(call.operation().changes_state(), CallFailed);
        if code == ErrorCode::FREQ_LIMIT {
            let refusable = self.look_at_arguments(device, call);
            self.hit_if(refusable, SeveralWrong);
        }
        let user = self.facts.user(device).clone();
        match &**call {
            Call::InviteUsers { room_id, .. } => match self.facts.room(room_id) {
                None => self.hit(CallToNoRoom),
                Some(room) => {
                    let outside = !room.is_member(&user);
                    self.hit_if(outside, CallFromOutside);
                }
            },
            Call::CancelInvitation { room_id, user_id_list } => {
                let Some(room) = self.facts.room(room_id) else { return };
                let (inside, changed) = (room.is_member(&user), room.role_changed.contains(&user));
                let others = user_id_list.iter().any(|id| rings_for_another(room, id, &user));
                self.hit_if(changed, CancelAfterRoleChange);
                self.hit_if(inside && others, CancelWithoutRight);
                self.hit_if(!inside, CancelByOutsider);
            }
            Call::Accept { room_id, attempt } => self.answer(device, room_id, attempt.as_ref(), true),
            Call::Reject { room_id, attempt, .. } => self.answer(device, room_id, attempt.as_ref(), false),
            Call::EnterRoom { room_id, .. } => self.not_entered(&user, room_id, code),
            Call::GetInvitationList { room_id, .. } => self.list_from_outside(device, room_id),
            _ => {}
        }
    }

    // ---- inviting ------------------------------------------------------------------------------------------------

    fn invited(
        &mut self,
        device: DeviceIndex,
        room_id: &RoomId,
        timeout: f64,
        received: Instant,
        codes: &[(UserId, InvitationCode)],
    ) {
        self.hit_if(!codes.is_empty(), CodesReturned);
        self.hit_if(codes.len() > 1, SeveralCalled);
        for (user, code) in codes {
            let newest = self.facts.room(room_id).and_then(|room| room.newest(user)).cloned();
            match code {
                InvitationCode::Success => {
                    self.look_at_new_call(device, room_id, user, newest.as_ref());
                    self.begin(device, room_id, user, received, timeout, None);
                }
                InvitationCode::AlreadyInInvitationList => self.hit(CodeOne),
                InvitationCode::AlreadyInConference => self.hit(CodeTwo),
            }
        }
    }

    fn look_at_new_call(&mut self, device: DeviceIndex, room_id: &RoomId, user: &UserId, before: Option<&Attempt>) {
        let Some(room) = self.facts.room(room_id) else { return };
        let caller = self.facts.user(device);
        let (owns, attendee) = (room.owner == *caller, room.attendees.contains(user));
        let online = self.facts.online(user, self.now).count();
        let elsewhere = self.facts.room_with(user).is_some_and(|other| other != room_id);
        self.hit_if(!owns, NonOwnerCalled);
        self.hit_if(attendee, AttendeeCalled);
        self.hit_if(online == 0, OfflineUserCalled);
        self.hit_if(online > 1, SeveralDevicesRang);
        self.hit_if(online > 0 && elsewhere, DeviceInAnotherRoomRang);
        let Some(before) = before else { return };
        self.hit(CalledAgain);
        self.hit_if(before.listed && before.end == End::Timeout, CalledAgainAfterTimeout);
        self.hit_if(before.listed && before.end == End::Rejected, CalledAgainAfterRejection);
        self.hit_if(before.listed && before.end == End::Accepted, CalledAfterGrace);
        self.hit_if(!before.listed, CalledAgainAfterRemoval);
        let near = before.deadline.is_some_and(|deadline| {
            deadline <= self.now && self.now.since(deadline) <= self.trace.plan.service.bounds.expiry_lateness_max
        });
        self.hit_if(near, CalledAgainNearOldDeadline);
    }

    /// An attempt begins.
    pub(super) fn begin(
        &mut self,
        device: DeviceIndex,
        room_id: &RoomId,
        user: &UserId,
        received: Instant,
        timeout: f64,
        number: Option<AttemptNo>,
    ) {
        let inviter = self.facts.user(device).clone();
        // INV-11: fractions are rounded up to the millisecond.
        let millis = (timeout * 1000.0).ceil();
        let deadline = (millis > 0.0 && millis.is_finite()).then(|| received + Duration::from_millis(millis as u64));
        let Some(room) = self.facts.room_mut(room_id) else { return };
        let life = room.lives;
        let calls = room.calls.entry(user.clone()).or_default();
        if number.is_some_and(|number| calls.last().is_some_and(|newest| newest.number >= number)) {
            return;
        }
        if let Some(before) = calls.last_mut() {
            before.listed = false;
        }
        let number = number.unwrap_or(AttemptNo(calls.last().map_or(0, |newest| newest.number.0) + 1));
        calls.push(Attempt {
            number,
            inviter,
            by: device,
            since: received,
            deadline,
            end: End::Live,
            ended: None,
            answered_by: None,
            by_entering: false,
            listed: true,
        });
        if let Some(deadline) = deadline {
            // The crash came between the commit and what told of it.
            let before_crash = self.last_crash.is_some_and(|crash| received <= crash);
            self.hit_if(before_crash, CrashedWhileRinging);
            self.due.insert((deadline, room_id.clone(), life, user.clone(), number));
            self.deadlines.insert((deadline, room_id.clone()));
        }
    }

    // ---- cancelling ----------------------------------------------------------------------------------------------

    fn cancelled(&mut self, device: DeviceIndex, room_id: &RoomId, ids: &[UserId]) {
        let user = self.facts.user(device).clone();
        let now = self.now;
        let Some(room) = self.facts.room_mut(room_id) else { return };
        let (inside, privileged) = (room.is_member(&user), room.is_owner_or_administrator(&user));
        let owns = room.owner == user;
        let mut marks: Vec<Mark> = Vec::new();
        if room.role_changed.contains(&user) {
            marks.push(CancelAfterRoleChange);
        }
        let mut ended = 0;
        for id in ids.iter().collect::<BTreeSet<_>>() {
            if !inside && !owns && rings_for_another(room, id, &user) {
                marks.push(OutsiderNamedOthersCalls);
                continue;
            }
            let taken_over =
                room.calls.get(id).is_some_and(|calls| calls.iter().rev().skip(1).any(|older| older.inviter != user));
            match room.newest_mut(id) {
                Some(call) if call.is_live() => {
                    ended += 1;
                    if call.inviter != user {
                        marks.push(if owns { RevokedByOwner } else { RevokedByAdministrator });
                        call.finish(End::Revoked, now);
                        continue;
                    }
                    marks.push(CancelCommitted);
                    if !inside {
                        marks.push(CancelledFromOutside);
                    }
                    if call.by != device {
                        marks.push(CancelledFromAnotherDevice);
                    }
                    if taken_over {
                        marks.push(CancelledByLaterInviter);
                    }
                    if privileged {
                        marks.push(OwnCallCancelledByOwner);
                    }
                    call.finish(End::Cancelled, now);
                }
                Some(call) if call.was_answered() || call.end == End::Timeout => {
                    marks.extend([CancelOfNothing, CancelAfterEnd]);
                }
                _ => marks.push(CancelOfNothing),
            }
        }
        if ended > 1 {
            marks.push(SeveralCancelled);
        }
        if ended > 0 {
            marks.push(EntryLeftList);
        }
        for mark in marks {
            self.hit(mark);
        }
    }

    fn dissolved(&mut self, room_id: &RoomId) {
        let now = self.now;
        let Some(room) = self.facts.room_mut(room_id) else { return };
        let (rings, entries) = (room.live().next().is_some(), room.listed().next().is_some());
        for call in room.calls.values_mut().filter_map(|calls| calls.last_mut()) {
            match call.is_live() {
                true => call.finish(End::Dissolved, now),
                false => call.listed = false,
            }
        }
        self.hit_if(rings, DissolvedWhileRinging);
        self.hit_if(entries && !rings, DissolvedWithEndedEntries);
        self.hit_if(entries, EntryLeftList);
    }

    // ---- answering and entering ----------------------------------------------------------------------------------

    /// What an answer meets, whatever it comes to.
    fn answer(&mut self, device: DeviceIndex, room_id: &RoomId, named: Option<&AttemptRef>, accepts: bool) {
        let user = self.facts.user(device);
        let Some(room) = self.facts.room_ever(room_id) else { return };
        let older_life = named.zip(room.instance).is_some_and(|(named, instance)| named.instance < instance);
        let meant = room.meant(user, named).cloned();
        let newest = room.newest(user).map(|call| call.number);
        let others = room.live().any(|(invitee, _)| invitee != user);
        self.hit_if(older_life, AnswerNamedOlderLife);
        self.hit_if(named.is_none(), UnnamedAnswer);
        let Some(call) = meant else {
            self.hit_if(newest.is_none(), AnswerToNothing);
            self.hit_if(newest.is_none() && others, ThirdPartyAnswered);
            self.hit_if(!accepts, RejectOfWhatIsOver);
            return;
        };
        self.hit_if(newest != Some(call.number), AnswerNamedOlderAttempt);
        self.hit_if(!accepts && !call.is_live(), RejectOfWhatIsOver);
        match call.end {
            End::Live => {}
            End::Accepted | End::Rejected if call.answered_by == Some(device) => {
                self.hit(SameDeviceAnsweredAgain);
                self.hit_if(call.by_entering && accepts, AcceptAfterEntry);
            }
            End::Accepted | End::Rejected => self.hit(SecondDeviceAnswered),
            End::Cancelled | End::Revoked => {
                self.hit(AnswerAfterEnd);
                self.hit(AnswerAfterCancel);
            }
            End::Timeout | End::Dissolved => self.hit(AnswerAfterEnd),
        }
    }

    /// Commits an answer that succeeded, unless it was the repetition of one; whether it did.
    fn commit_answer(&mut self, device: DeviceIndex, room_id: &RoomId, named: Option<&AttemptRef>, end: End) -> bool {
        let user = self.facts.user(device);
        let Some(room) = self.facts.room(room_id) else { return false };
        let Some(number) = room.meant(user, named).filter(|call| !call.was_answered()).map(|call| call.number) else {
            return false;
        };
        let elsewhere = self.facts.room_with(user).is_some_and(|other| other != room_id);
        self.hit_if(elsewhere && end == End::Accepted, AcceptedInAnotherRoom);
        self.finish_answer(device, room_id, number, end, false);
        true
    }

    fn finish_answer(&mut self, device: DeviceIndex, room_id: &RoomId, number: AttemptNo, end: End, entering: bool) {
        let user = self.facts.user(device).clone();
        let now = self.now;
        self.hit(if end == End::Accepted { Accepted } else { Rejected });
        let beside = self.facts.online(&user, now).any(|other| other != device);
        self.hit_if(beside, AnsweredBesideOthers);
        self.hit_if(beside && end == End::Rejected, RejectedBesideOthers);
        let rings_elsewhere =
            self.facts.rooms().any(|(id, room)| id != room_id && room.newest(&user).is_some_and(|call| call.is_live()));
        self.hit_if(rings_elsewhere, EndedWhileRingingElsewhere);
        if end == End::Accepted {
            self.accepted.insert(device);
        }
        let Some(calls) = self.facts.room_mut(room_id).and_then(|room| room.calls.get_mut(&user)) else { return };
        if let Some(call) = calls.iter_mut().find(|call| call.number == number) {
            call.finish(end, now);
            (call.answered_by, call.by_entering) = (Some(device), entering);
        }
    }

    fn entered(&mut self, device: DeviceIndex, room_id: &RoomId) {
        let user = self.facts.user(device).clone();
        self.lane(device).arrived = true;
        self.accepted.remove(&device);
        let Some(room) = self.facts.room(room_id) else { return };
        if let Some(before) = room.members.get(&user) {
            let moved = *before != device;
            self.hit_if(moved, MovedToAnotherDevice);
            return;
        }
        let others = !room.members.is_empty();
        let Some(call) = room.newest(&user).filter(|call| call.listed).cloned() else { return };
        self.hit(EnteredWithEntry);
        self.hit(EntryLeftList);
        self.hit_if(others, EntrySeenByMembers);
        if call.is_live() {
            self.hit(EnteredWhileRinging);
            self.finish_answer(device, room_id, call.number, End::Accepted, true);
            self.accepted.remove(&device);
        }
        if let Some(call) = self.facts.room_mut(room_id).and_then(|room| room.newest_mut(&user)) {
            call.listed = false;
        }
    }

    fn not_entered(&mut self, user: &UserId, room_id: &RoomId, code: ErrorCode) {
        let elsewhere = self.facts.room_with(user).is_some_and(|other| other != room_id);
        self.hit_if(elsewhere, EnteredWhileElsewhere);
        let Some(call) = self.facts.room(room_id).and_then(|room| room.newest(user)).cloned() else { return };
        let accepted = call.end == End::Accepted && call.listed;
        let turned_away =
            matches!(code, ErrorCode::ROOM_USER_FULL | ErrorCode::NEED_PASSWORD | ErrorCode::WRONG_PASSWORD);
        self.hit_if(accepted, EntryFailedAfterAccept);
        self.hit_if(accepted && turned_away, EntryRefusedAfterAccept);
        self.hit_if(call.is_live(), EntryFailedWhileRinging);
    }

    // ---- lists ---------------------------------------------------------------------------------------------------

    /// Somebody outside the room who is called to it asks for the list, whatever it comes to.
    fn list_from_outside(&mut self, device: DeviceIndex, room_id: &RoomId) {
        let user = self.facts.user(device);
        let Some(room) = self.facts.room(room_id) else { return };
        let called = room.newest(user).is_some_and(|call| call.is_live() || call.listed && call.end == End::Accepted);
        let (outside, entries) = (!room.is_member(user), room.listed().count());
        self.hit_if(outside && called, InviteeOutsideListed);
        self.hit_if(outside && called && entries > 1, InviteeOutsideListedAmongOthers);
        self.hit_if(outside && !called, ListWithoutRight);
    }

    fn listed(&mut self, device: DeviceIndex, call: &Call, page: &InvitationPage) {
        let Call::GetInvitationList { room_id, cursor, count } = call else { return };
        let user = self.facts.user(device).clone();
        let items = &page.invitation_list;
        self.list_from_outside(device, room_id);
        let Some(room) = self.facts.room(room_id) else { return };
        let bounds = &self.trace.plan.service.bounds;
        let (inside, life, entries) = (room.is_member(&user), room.lives, room.listed().count());
        let uncalled = room.attendees.iter().any(|attendee| room.newest(attendee).is_none());
        let size = if *count == 0.0 { bounds.page_default as f64 } else { count.min(bounds.page_max as f64) };
        let limited = entries as f64 > size;
        let removed = room.entries().any(|(_, call)| !call.listed);
        let ended = items.iter().any(|item| item.invitation.status != InvitationStatus::Pending);
        let again = items.len() > 1 && items.iter().any(|item| item.attempt > AttemptNo(1));
        let more = !page.cursor.as_str().is_empty();
        if more {
            self.cursors.insert(page.cursor.clone(), (room_id.clone(), life, user));
        }
        self.hit_of_list(items.is_empty(), EmptyListRead);
        self.hit_of_list(!items.is_empty(), EntriesListed);
        self.hit_of_list(removed, RemovedEntryUnlisted);
        self.hit_of_list(more, MorePagesThanOne);
        self.hit_of_list(!cursor.as_str().is_empty(), NextPageRead);
        self.hit_of_list(limited, CountLimitedThePage);
        self.hit_of_list(ended, EndedEntryListed);
        self.hit_of_list(again, RepeatedEntryListed);
        self.hit_of_list(uncalled, ListedWithUncalledAttendee);
        let arrived = self.lane(device).arrived;
        self.hit_of_list(inside && arrived, ReadAfterEntry);
    }
}

/// Whether a room is calling a user in another user's name.
fn rings_for_another(room: &Room, id: &UserId, user: &UserId) -> bool {
    room.newest(id).is_some_and(|call| call.is_live() && call.inviter != *user)
}
