//! Rooms and invitations, as `docs/PROTOCOL.md` has them: sections 6 to 10, operation by operation.
//!
//! Vectors and searches through them, one paragraph a rule. Not here: who is online, and what was said before (see
//! `sessions`).

use std::collections::BTreeSet;
use std::sync::Arc;

use convoke::protocol::bounds::Bounds;
use convoke::protocol::call::{AttemptRef, Call, InvitationPage, ListItem, Reply};
use convoke::protocol::event::{AttemptOf, Event, Invitation, PushHint, RoomInfo, Stamp, StampedEvent, UserInfo};
use convoke::protocol::message::RoomPoint;
use convoke::protocol::vocabulary::{
    AttemptNo, Cursor, DeviceId, ErrorCode, InstanceId, InvitationCode, InvitationStatus, KickedOutOfRoomReason,
    RejectedReason, Revision, Role, RoomDismissedReason, RoomId, RoomType, UserId,
};
use convoke::time::{Duration, Instant};

use crate::sessions::{Answer, Out, Service};

/// One installation of the library: whose, and which.
pub(crate) type DeviceKey = (UserId, DeviceId);

/// One life of a room.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) id: RoomId,
    pub(crate) instance: u64,
    pub(crate) revision: u64,
    name: Arc<str>,
    room_type: RoomType,
    password: Arc<str>,
    members_max: usize,
    create_time: u64,
    pub(crate) owner: UserId,
    admins: BTreeSet<UserId>,
    /// The member devices (TERM-2), one a user.
    pub(crate) members: Vec<DeviceKey>,
    attendees: Vec<UserId>,
    /// The list, oldest first (LST-3).
    pub(crate) entries: Vec<Entry>,
    places: u64,
    /// Every ring that there ever was in this instance.
    attempts: Vec<Attempt>,
}

/// What the list says of one invitee.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    place: u64,
    pub(crate) invitee: UserId,
    inviter: UserId,
    attempt: u32,
    pub(crate) status: InvitationStatus,
    pub(crate) deadline: Option<Instant>,
    answered: Option<Instant>,
    revision: u64,
}

/// One ring of one invitee.
#[derive(Clone, Debug)]
struct Attempt {
    invitee: UserId,
    number: u32,
    inviter: UserId,
    end: Option<End>,
}

/// How a ring ended.
#[derive(Clone, Debug)]
enum End {
    Answered {
        by: DeviceKey,
        accepted: bool,
        at: Instant,
    },
    /// By timeout, cancel, revocation or dissolution.
    Over,
}

/// What a cursor that the server gave stands for (LST-5).
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct CursorMeaning {
    caller: UserId,
    instance: u64,
    after: u64,
}

impl Room {
    fn has(&self, user: &UserId) -> bool {
        self.members.iter().any(|(member, _)| member == user)
    }

    /// Whether the user is inside, owns the room, or has called or been called there.
    fn concerns(&self, user: &UserId) -> bool {
        let called = |attempt: &Attempt| attempt.inviter == *user || attempt.invitee == *user;
        self.has(user) || self.owner == *user || self.attempts.iter().any(called)
    }

    fn role(&self, user: &UserId) -> Role {
        if *user == self.owner {
            Role::RoomOwner
        } else if self.admins.contains(user) {
            Role::Administrator
        } else {
            Role::GeneralUser
        }
    }

    pub(crate) fn point(&self) -> RoomPoint {
        RoomPoint { instance: InstanceId(self.instance), revision: Revision(self.revision) }
    }

    fn attempt_mut(&mut self, invitee: &UserId, number: u32) -> &mut Attempt {
        self.attempts.iter_mut().find(|a| a.invitee == *invitee && a.number == number).expect("every entry has one")
    }

    fn entry(&self, invitee: &UserId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.invitee == *invitee)
    }

    fn remove_entry(&mut self, invitee: &UserId) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.invitee == *invitee)?;
        Some(self.entries.remove(at))
    }
}

/// The first occurrence of each id (INV-8).
fn distinct(ids: &[UserId]) -> Vec<UserId> {
    let mut seen = Vec::new();
    for id in ids {
        if !seen.contains(id) {
            seen.push(id.clone());
        }
    }
    seen
}

/// The form of the arguments: `roomId` first, then everything else (ERR-1). Whether a cursor is one, its giver knows.
pub(crate) fn wrong_form(call: &Call, bounds: &Bounds) -> Option<ErrorCode> {
    if call.room_id().is_some_and(|room_id| !room_id.is_well_formed()) {
        return Some(ErrorCode::ROOM_ID_INVALID);
    }
    let wrong_list = |list: &[UserId]| {
        list.is_empty() || list.iter().any(|id| id.as_str().is_empty()) || list.len() as u64 > bounds.ids_max
    };
    let wrong = match call {
        Call::InviteUsers { user_id_list, timeout, extension_info, .. } => {
            wrong_list(user_id_list)
                || !(0.0..=bounds.timeout_max.as_secs() as f64).contains(timeout)
                || extension_info.len() as u64 > bounds.extension_info_max
        }
        Call::CancelInvitation { user_id_list, .. } => wrong_list(user_id_list),
        Call::Reject { reason, .. } => !(0..=1).contains(reason),
        Call::GetInvitationList { count, .. } => *count < 0.0 || count.fract() != 0.0,
        _ => false,
    };
    wrong.then_some(ErrorCode::INVALID_PARAMETER)
}

impl Service {
    /// Everything from the form of the arguments on (ERR-1).
    pub(crate) fn execute(&mut self, now: Instant, caller: &DeviceKey, call: &Call) -> Answer {
        if let Some(code) = wrong_form(call, &self.bounds) {
            return Answer::error(code);
        }
        // LST-5: what the server never gave is malformed.
        if let Call::GetInvitationList { cursor, .. } = call
            && !cursor.as_str().is_empty()
            && !self.cursors.contains_key(cursor)
        {
            return Answer::error(ErrorCode::INVALID_PARAMETER);
        }
        if let Call::SetSelfInfo { user_name, avatar_url } = call {
            self.accounts.insert(caller.0.clone(), (user_name.clone(), avatar_url.clone()));
            return Answer::from(Ok(Reply::Void));
        }
        let room_id = call.room_id().expect("everything else is about a room");
        if let Call::CreateRoom { room_name, room_type, password, max_member_count, schedule_attendees, .. } = call {
            if let Some(room) = self.rooms.get(room_id) {
                let at = room.concerns(&caller.0).then(|| room.point());
                return Answer { at, ..Answer::error(ErrorCode::ROOM_ID_OCCUPIED) };
            }
            self.instances += 1;
            let name = if room_name.is_empty() { room_id.as_str().into() } else { room_name.clone() };
            let room = Room {
                id: room_id.clone(),
                instance: self.instances,
                revision: 1,
                name,
                room_type: *room_type,
                password: password.clone(),
                members_max: *max_member_count as usize,
                create_time: now.as_millis(),
                owner: caller.0.clone(),
                admins: BTreeSet::new(),
                members: Vec::new(),
                attendees: distinct(schedule_attendees),
                entries: Vec::new(),
                places: 0,
                attempts: Vec::new(),
            };
            let at = Some(room.point());
            self.rooms.insert(room_id.clone(), room);
            return Answer { at, ..Answer::from(Ok(Reply::Void)) };
        }
        let Some(mut room) = self.rooms.remove(room_id) else {
            return Answer::error(ErrorCode::ROOM_ID_NOT_EXIST);
        };
        let concerned_before = room.concerns(&caller.0);
        let mut answer = self.within(now, caller, &mut room, call);
        // SEC-3: revisions are none of a stranger's business.
        answer.at = (concerned_before || room.concerns(&caller.0)).then(|| room.point());
        if matches!(call, Call::DestroyRoom { .. }) && answer.result.is_ok() {
            self.gone.push(room);
        } else {
            self.rooms.insert(room_id.clone(), room);
        }
        answer
    }

    /// Everything from the type of the room on.
    fn within(&mut self, now: Instant, caller: &DeviceKey, room: &mut Room, call: &Call) -> Answer {
        // ROOM-3
        if call.operation().is_invitation() && room.room_type != RoomType::Conference {
            return Answer::error(ErrorCode::OPERATION_NOT_SUPPORTED_IN_CURRENT_ROOM_TYPE);
        }
        match call {
            Call::InviteUsers { user_id_list, timeout, extension_info, .. } => {
                self.invite(now, caller, room, user_id_list, *timeout, extension_info).into()
            }
            Call::CancelInvitation { user_id_list, .. } => self.cancel(caller, room, user_id_list).into(),
            Call::Accept { attempt, .. } => self.answer(now, caller, room, None, *attempt),
            Call::Reject { attempt, reason, .. } => {
                let reason = RejectedReason::from_number(reason.unsigned_abs()).expect("the form was checked");
                self.answer(now, caller, room, Some(reason), *attempt)
            }
            Call::GetInvitationList { cursor, count, .. } => self.list(caller, room, cursor, *count),
            Call::EnterRoom { password, .. } => self.enter(now, caller, room, password).into(),
            Call::ExitRoom { .. } => self.exit(caller, room).into(),
            Call::KickRemoteUserOutOfRoom { user_id, .. } => self.kick(caller, room, user_id).into(),
            Call::ChangeUserRole { user_id, user_role, .. } => {
                self.change_role(caller, room, user_id, *user_role).into()
            }
            Call::DestroyRoom { .. } => self.destroy(caller, room).into(),
            Call::FetchRoomInfo { .. } => Answer::from(Ok(Reply::RoomInfo(self.room_info(room)))),
            Call::UpdateRoomNameByAdmin { room_name, .. } => self.rename(caller, room, room_name).into(),
            Call::AddAttendeesByAdmin { user_id_list, .. } => self.attendees(caller, room, user_id_list, true).into(),
            Call::RemoveAttendeesByAdmin { user_id_list, .. } => {
                self.attendees(caller, room, user_id_list, false).into()
            }
            Call::FetchAttendeeList { .. } => {
                if !room.has(&caller.0) && room.owner != caller.0 {
                    return Answer::error(ErrorCode::NO_PERMISSION);
                }
                let users = room.attendees.iter().map(|user| self.user_info(room, user)).collect();
                Answer::from(Ok(Reply::Attendees(users)))
            }
            Call::GetUserList { .. } => {
                if !room.has(&caller.0) && room.owner != caller.0 {
                    return Answer::error(ErrorCode::NO_PERMISSION);
                }
                let users = room.members.iter().map(|(user, _)| self.user_info(room, user)).collect();
                Answer::from(Ok(Reply::Members(users)))
            }
            Call::FetchNotEnteredList { .. } => Answer::error(ErrorCode::INVALID_PARAMETER),
            Call::Login { .. } | Call::Logout {} | Call::SetSelfInfo { .. } | Call::CreateRoom { .. } => {
                unreachable!("these are about no room, or about none that exists")
            }
        }
    }

    fn invite(
        &mut self,
        now: Instant,
        caller: &DeviceKey,
        room: &mut Room,
        ids: &[UserId],
        timeout: f64,
        extension_info: &Arc<str>,
    ) -> Result<Reply, ErrorCode> {
        // INV-2
        if !room.has(&caller.0) {
            return Err(ErrorCode::USER_NOT_ENTERED);
        }
        // INV-10
        if ids.iter().any(|id| !self.accounts.contains_key(id)) {
            return Err(ErrorCode::USER_NOT_EXIST);
        }
        // INV-11: rounded up to the millisecond; 0 is never (TMO-2).
        let millis = (timeout * 1000.0).ceil() as u64;
        let deadline = (millis > 0).then(|| now + Duration::from_millis(millis));
        let grace = self.bounds.entry_grace;
        let called = |entry: &Entry| match entry.status {
            InvitationStatus::Pending => true,
            InvitationStatus::Accepted => now < entry.answered.expect("it was answered") + grace,
            _ => false,
        };
        // INV-4
        let code = |user: &UserId| {
            if room.has(user) {
                InvitationCode::AlreadyInConference
            } else if room.entry(user).is_some_and(called) {
                InvitationCode::AlreadyInInvitationList
            } else {
                InvitationCode::Success
            }
        };
        let codes: Vec<(UserId, InvitationCode)> = distinct(ids).into_iter().map(|u| (u.clone(), code(&u))).collect();
        let new: Vec<&UserId> = codes.iter().filter(|(_, c)| *c == InvitationCode::Success).map(|(u, _)| u).collect();
        if !new.is_empty() {
            room.revision += 1;
        }
        for user in &new {
            let number = room.attempts.iter().filter(|attempt| attempt.invitee == **user).count() as u32 + 1;
            room.attempts.push(Attempt { invitee: (*user).clone(), number, inviter: caller.0.clone(), end: None });
            // LST-3: a re-invite keeps the place.
            let place = room.entry(user).map_or(room.places + 1, |entry| entry.place);
            room.places = room.places.max(place);
            let entry = Entry {
                place,
                invitee: (*user).clone(),
                inviter: caller.0.clone(),
                attempt: number,
                status: InvitationStatus::Pending,
                deadline,
                answered: None,
                revision: room.revision,
            };
            match room.entries.iter().position(|entry| entry.invitee == **user) {
                Some(at) => room.entries[at] = entry,
                None => room.entries.push(entry),
            }
        }
        let members = room.members.clone();
        for user in new {
            self.take_ring(now, &caller.0, user);
            let entry = room.entry(user).expect("it was just made").clone();
            let (room_info, invitation) = self.payload(room, &entry, InvitationStatus::Pending);
            let devices = self.devices_of(user);
            // REC-6
            if devices.is_empty() {
                self.out.push(Out::Push(PushHint {
                    user_id: user.clone(),
                    room_id: room.id.clone(),
                    room_name: room.name.clone(),
                    owner_name: room_info.owner_name.clone(),
                    member_count: room_info.room_member_count,
                }));
            }
            let receive = Event::ReceiveInvitation {
                room_info: room_info.clone(),
                invitation: invitation.clone(),
                extension_info: extension_info.clone(),
            };
            self.tell(&devices, room, Some(&entry), receive);
            self.tell_list(&members, room, &entry, InvitationStatus::Pending, |room_id, room_info, invitation| {
                Event::InvitationAdded { room_id: Some(room_id), room_info: Some(room_info), invitation }
            });
        }
        Ok(Reply::Invited(codes.into()))
    }

    fn cancel(&mut self, caller: &DeviceKey, room: &mut Room, ids: &[UserId]) -> Result<Reply, ErrorCode> {
        let user = &caller.0;
        let inside = room.has(user);
        let may_revoke = room.role(user) != Role::GeneralUser;
        // CAN-4: whoever has no business here learns nothing.
        if !inside && !may_revoke && !room.attempts.iter().any(|attempt| attempt.inviter == *user) {
            return Err(ErrorCode::NO_PERMISSION);
        }
        let mut ended = Vec::new();
        for id in distinct(ids) {
            // CAN-1
            let Some(entry) = room.entry(&id).filter(|entry| entry.status == InvitationStatus::Pending) else {
                continue;
            };
            if entry.inviter == *user || may_revoke {
                ended.push(entry.clone());
            } else if inside {
                return Err(ErrorCode::NO_PERMISSION);
            }
        }
        if ended.is_empty() {
            return Ok(Reply::Void);
        }
        room.revision += 1;
        let members = room.members.clone();
        let operate_user = Arc::new(self.user_info(room, user));
        for entry in ended {
            room.remove_entry(&entry.invitee);
            room.attempt_mut(&entry.invitee, entry.attempt).end = Some(End::Over);
            let (room_info, invitation) = self.payload(room, &entry, InvitationStatus::None);
            let invitee = self.devices_of(&entry.invitee);
            if entry.inviter == *user {
                // CAN-8: the inviter cancels, whatever else it is.
                self.tell(&invitee, room, Some(&entry), Event::InvitationCancelled { room_info, invitation });
            } else {
                let revoked =
                    Event::InvitationRevokedByAdmin { room_info, invitation, operate_user: operate_user.clone() };
                self.tell(&invitee, room, Some(&entry), revoked.clone());
                let inviter = self.devices_of(&entry.inviter);
                self.tell(&inviter, room, Some(&entry), revoked);
            }
            self.tell_removed(&members, room, &entry);
        }
        Ok(Reply::Void)
    }

    /// accept without, reject with a reason.
    fn answer(
        &mut self,
        now: Instant,
        caller: &DeviceKey,
        room: &mut Room,
        reason: Option<RejectedReason>,
        named: Option<AttemptRef>,
    ) -> Answer {
        let accepted = reason.is_none();
        let of_caller = |attempt: &&Attempt| attempt.invitee == caller.0;
        let attempt = match named {
            // Without a name it is the newest (ACC-1).
            None => room.attempts.iter().rfind(of_caller),
            Some(named) if named.instance.0 == room.instance => {
                room.attempts.iter().filter(of_caller).find(|attempt| attempt.number == named.attempt.0)
            }
            // ROOM-2, section 7: the old instance's attempts are still judged by themselves.
            Some(named) => self
                .gone
                .iter()
                .filter(|old| old.instance == named.instance.0 && old.id == room.id)
                .flat_map(|old| old.attempts.iter())
                .filter(of_caller)
                .find(|attempt| attempt.number == named.attempt.0),
        };
        let Some(attempt) = attempt.cloned() else {
            return Answer::error(ErrorCode::REQUEST_ID_INVALID);
        };
        match attempt.end {
            Some(End::Over) => Answer::error(ErrorCode::REQUEST_ID_INVALID),
            Some(End::Answered { by, accepted: as_accepted, at }) => {
                if named.is_some_and(|named| named.instance.0 != room.instance) {
                    self.marks.push("an answered ring of a dissolved room was answered again");
                }
                // IDM-3 for the device that answered, DEV-3 for every other.
                let mut answer = if by == *caller && accepted == as_accepted {
                    Answer::from(Ok(Reply::Void))
                } else {
                    Answer::error(ErrorCode::REQUEST_CONFLICT)
                };
                let shown = named.is_none_or(|named| named.instance.0 == room.instance)
                    && room.entry(&caller.0).is_some_and(|entry| {
                        entry.attempt == attempt.number && entry.status != InvitationStatus::Pending
                    });
                if !shown && now >= at + self.bounds.answer_memory {
                    self.marks.push("an answer came when it need not be remembered");
                    answer.also = Some(ErrorCode::REQUEST_ID_INVALID);
                }
                answer
            }
            None => {
                let members = room.members.clone();
                room.revision += 1;
                let entry = self.commit_answer(now, caller, room, reason);
                self.tell_of_answer(caller, room, &entry, reason, &members);
                Answer::from(Ok(Reply::Void))
            }
        }
    }

    /// The state of an answer; the caller has counted the commit.
    fn commit_answer(
        &mut self,
        now: Instant,
        caller: &DeviceKey,
        room: &mut Room,
        reason: Option<RejectedReason>,
    ) -> Entry {
        let revision = room.revision;
        let entry = room.entries.iter_mut().find(|entry| entry.invitee == caller.0).expect("a live attempt has one");
        entry.status = if reason.is_none() { InvitationStatus::Accepted } else { InvitationStatus::Rejected };
        entry.deadline = None;
        entry.answered = Some(now);
        entry.revision = revision;
        let entry = entry.clone();
        room.attempt_mut(&caller.0, entry.attempt).end =
            Some(End::Answered { by: caller.clone(), accepted: reason.is_none(), at: now });
        entry
    }

    /// T4, T5: Accepted or Rejected, Handled, StatusChanged.
    fn tell_of_answer(
        &mut self,
        caller: &DeviceKey,
        room: &Room,
        entry: &Entry,
        reason: Option<RejectedReason>,
        members: &[DeviceKey],
    ) {
        let (room_info, invitation) = self.payload(room, entry, entry.status);
        let inviter = self.devices_of(&entry.inviter);
        let answered = match reason {
            None => Event::InvitationAccepted { room_info: room_info.clone(), invitation },
            Some(reason) => Event::InvitationRejected { room_info: room_info.clone(), invitation, reason },
        };
        self.tell(&inviter, room, Some(entry), answered);
        let mut others = self.devices_of(&caller.0);
        others.retain(|device| device != caller);
        let handled = Event::InvitationHandledByOtherDevice { room_info, accepted: reason.is_none() };
        self.tell(&others, room, Some(entry), handled);
        self.tell_status(members, room, entry);
    }

    fn list(&mut self, caller: &DeviceKey, room: &Room, cursor: &Cursor, count: f64) -> Answer {
        let inside = room.has(&caller.0);
        // LST-8
        let called = room
            .entry(&caller.0)
            .is_some_and(|entry| matches!(entry.status, InvitationStatus::Pending | InvitationStatus::Accepted));
        if !inside && called {
            self.marks.push("an invitee outside read its own entry");
        }
        if !inside && !called {
            return Answer::error(ErrorCode::NO_PERMISSION);
        }
        let mut also = None;
        let mut after = 0;
        if !cursor.as_str().is_empty() {
            let (meaning, life) = self.cursors.get(cursor).expect("the form was checked");
            // LST-5: a restarted server need not honour old ones.
            if *life != self.lives {
                also = Some(ErrorCode::INVALID_PARAMETER);
            }
            if meaning.caller != caller.0 || meaning.instance != room.instance {
                self.marks.push("a cursor was foreign");
                return Answer::error(ErrorCode::INVALID_PARAMETER);
            }
            after = meaning.after;
            self.marks.push("a list went on from a cursor");
        }
        let size = match count as u64 {
            0 => self.bounds.page_default,
            count => count.min(self.bounds.page_max),
        };
        // LST-9: an invitee outside sees nothing but its own.
        let rest: Vec<&Entry> =
            room.entries.iter().filter(|entry| entry.place > after && (inside || entry.invitee == caller.0)).collect();
        let page: Vec<&Entry> = rest.iter().copied().take(size as usize).collect();
        let meaning = (page.len() < rest.len()).then(|| CursorMeaning {
            caller: caller.0.clone(),
            instance: room.instance,
            after: page.last().expect("a page has room for one").place,
        });
        let invitation_list = page
            .iter()
            .map(|entry| ListItem {
                invitation: self.payload(room, entry, entry.status).1,
                attempt: AttemptNo(entry.attempt),
                revision: Revision(entry.revision),
            })
            .collect();
        let list = InvitationPage { invitation_list, cursor: Cursor::from("") };
        Answer { also, cursor: meaning, ..Answer::from(Ok(Reply::List(Arc::new(list)))) }
    }

    fn enter(&mut self, now: Instant, caller: &DeviceKey, room: &mut Room, password: &str) -> Result<Reply, ErrorCode> {
        // The member device is in already, and another device of its user needs no second place.
        if room.members.contains(caller) {
            return Ok(Reply::RoomInfo(self.room_info(room)));
        }
        if !room.password.is_empty() && password.is_empty() {
            return Err(ErrorCode::NEED_PASSWORD);
        }
        if !room.password.is_empty() && *password != *room.password {
            return Err(ErrorCode::WRONG_PASSWORD);
        }
        if !room.has(&caller.0) && room.members_max > 0 && room.members.len() >= room.members_max {
            return Err(ErrorCode::ROOM_USER_FULL);
        }
        // ROOM-8. This room is not among the others while it is looked at.
        if self.rooms.values().any(|other| other.has(&caller.0)) {
            return Err(ErrorCode::ALREADY_IN_OTHER_ROOM);
        }
        let members = room.members.clone();
        room.revision += 1;
        if let Some(member) = room.members.iter_mut().find(|(member, _)| *member == caller.0) {
            self.marks.push("a user moved to another device");
            // ROOM-8: membership moves, and only the first device hears of it.
            let first = std::mem::replace(member, caller.clone());
            let event = Event::KickedOutOfRoom {
                room_id: room.id.clone(),
                reason: KickedOutOfRoomReason::KickedByLoggedOnOtherDevice,
                message: "".into(),
            };
            self.tell(&[first], room, None, event);
            return Ok(Reply::RoomInfo(self.room_info(room)));
        }
        room.members.push(caller.clone());
        // ACC-4, ORD-4: [StatusChanged,] onRemoteUserEnterRoom, Removed.
        if room.entry(&caller.0).is_some_and(|entry| entry.status == InvitationStatus::Pending) {
            self.marks.push("an entry counted as an answer");
            let entry = self.commit_answer(now, caller, room, None);
            self.tell_of_answer(caller, room, &entry, None, &members);
        }
        let user_info = Arc::new(self.user_info(room, &caller.0));
        self.tell(&members, room, None, Event::RemoteUserEnterRoom { room_id: room.id.clone(), user_info });
        // ACC-8
        if let Some(entry) = room.remove_entry(&caller.0) {
            self.tell_removed(&members, room, &entry);
        }
        Ok(Reply::RoomInfo(self.room_info(room)))
    }

    fn exit(&mut self, caller: &DeviceKey, room: &mut Room) -> Result<Reply, ErrorCode> {
        if !room.members.contains(caller) {
            return Err(ErrorCode::USER_NOT_ENTERED);
        }
        self.leave(caller, room);
        Ok(Reply::Void)
    }

    /// An exit, a kick or the end of a session: the member device is gone, and the others hear of it.
    pub(crate) fn leave(&mut self, device: &DeviceKey, room: &mut Room) {
        room.revision += 1;
        // The others are shown the role that the user had.
        let user_info = Arc::new(self.user_info(room, &device.0));
        room.members.retain(|member| member != device);
        // CAN-3: the administrator role ends with leaving.
        room.admins.remove(&device.0);
        let rest = room.members.clone();
        self.tell(&rest, room, None, Event::RemoteUserLeaveRoom { room_id: room.id.clone(), user_info });
    }

    fn kick(&mut self, caller: &DeviceKey, room: &mut Room, user: &UserId) -> Result<Reply, ErrorCode> {
        let may = match room.role(&caller.0) {
            Role::RoomOwner => true,
            Role::Administrator => room.role(user) == Role::GeneralUser,
            Role::GeneralUser => false,
        };
        if !may {
            return Err(ErrorCode::NO_PERMISSION);
        }
        if !self.accounts.contains_key(user) {
            return Err(ErrorCode::USER_NOT_EXIST);
        }
        let Some(device) = room.members.iter().find(|(member, _)| member == user).cloned() else {
            return Err(ErrorCode::USER_NOT_ENTERED);
        };
        self.leave(&device, room);
        let event = Event::KickedOutOfRoom {
            room_id: room.id.clone(),
            reason: KickedOutOfRoomReason::KickedByAdmin,
            message: "".into(),
        };
        self.tell(&[device], room, None, event);
        Ok(Reply::Void)
    }

    fn change_role(
        &mut self,
        caller: &DeviceKey,
        room: &mut Room,
        user: &UserId,
        role: Role,
    ) -> Result<Reply, ErrorCode> {
        if room.owner != caller.0 {
            return Err(ErrorCode::NO_PERMISSION);
        }
        if !self.accounts.contains_key(user) {
            return Err(ErrorCode::USER_NOT_EXIST);
        }
        if !room.has(user) {
            return Err(ErrorCode::USER_NOT_ENTERED);
        }
        if room.role(user) == role {
            return Ok(Reply::Void);
        }
        room.revision += 1;
        room.admins.remove(user);
        let mut changes = vec![(user.clone(), role)];
        match role {
            Role::RoomOwner => {
                room.owner = user.clone();
                changes.insert(0, (caller.0.clone(), Role::GeneralUser));
            }
            Role::Administrator => {
                room.admins.insert(user.clone());
            }
            Role::GeneralUser => {}
        }
        let members = room.members.clone();
        for (user_id, user_role) in changes {
            let event = Event::UserRoleChanged { room_id: room.id.clone(), user_id, user_role };
            self.tell(&members, room, None, event);
        }
        Ok(Reply::Void)
    }

    /// ROOM-5.
    fn destroy(&mut self, caller: &DeviceKey, room: &mut Room) -> Result<Reply, ErrorCode> {
        if room.owner != caller.0 {
            return Err(ErrorCode::NO_PERMISSION);
        }
        room.revision += 1;
        let operate_user = Arc::new(self.user_info(room, &room.owner));
        for entry in std::mem::take(&mut room.entries) {
            if entry.status != InvitationStatus::Pending {
                continue;
            }
            room.attempt_mut(&entry.invitee, entry.attempt).end = Some(End::Over);
            let (room_info, invitation) = self.payload(room, &entry, InvitationStatus::None);
            let revoked = Event::InvitationRevokedByAdmin { room_info, invitation, operate_user: operate_user.clone() };
            let invitee = self.devices_of(&entry.invitee);
            self.tell(&invitee, room, Some(&entry), revoked.clone());
            if entry.inviter != caller.0 {
                let inviter = self.devices_of(&entry.inviter);
                self.tell(&inviter, room, Some(&entry), revoked);
            }
        }
        let members = std::mem::take(&mut room.members);
        let dismissed = Event::RoomDismissed { room_id: room.id.clone(), reason: RoomDismissedReason::ByOwner };
        self.tell(&members, room, None, dismissed);
        Ok(Reply::Void)
    }

    fn rename(&mut self, caller: &DeviceKey, room: &mut Room, name: &Arc<str>) -> Result<Reply, ErrorCode> {
        if room.role(&caller.0) == Role::GeneralUser {
            return Err(ErrorCode::NO_PERMISSION);
        }
        if room.name != *name {
            room.revision += 1;
            room.name = name.clone();
        }
        Ok(Reply::Void)
    }

    fn attendees(
        &mut self,
        caller: &DeviceKey,
        room: &mut Room,
        ids: &[UserId],
        add: bool,
    ) -> Result<Reply, ErrorCode> {
        if room.role(&caller.0) == Role::GeneralUser {
            return Err(ErrorCode::NO_PERMISSION);
        }
        if ids.iter().any(|id| !self.accounts.contains_key(id)) {
            return Err(ErrorCode::USER_NOT_EXIST);
        }
        let mut changed = distinct(ids);
        changed.retain(|user| room.attendees.contains(user) != add);
        if changed.is_empty() {
            return Ok(Reply::Void);
        }
        room.revision += 1;
        if add {
            room.attendees.extend(changed.iter().cloned());
        } else {
            room.attendees.retain(|user| !changed.contains(user));
        }
        let users = changed.iter().map(|user| self.user_info(room, user)).collect();
        let (joined_users, left_users) = if add { (users, Vec::new()) } else { (Vec::new(), users) };
        let members = room.members.clone();
        let event = Event::ScheduleAttendeesChanged { room_id: room.id.clone(), left_users, joined_users };
        self.tell(&members, room, None, event);
        Ok(Reply::Void)
    }

    /// T6: one expiry, one commit.
    pub(crate) fn expire(&mut self, room_id: &RoomId, invitee: &UserId) {
        let mut room = self.rooms.remove(room_id).expect("the room exists");
        room.revision += 1;
        let revision = room.revision;
        let entry = room.entries.iter_mut().find(|entry| entry.invitee == *invitee).expect("the entry is due");
        entry.status = InvitationStatus::Timeout;
        entry.deadline = None;
        entry.revision = revision;
        let entry = entry.clone();
        room.attempt_mut(invitee, entry.attempt).end = Some(End::Over);
        let (room_info, invitation) = self.payload(&room, &entry, InvitationStatus::Timeout);
        let timeout = Event::InvitationTimeout { room_info, invitation };
        let inviter = self.devices_of(&entry.inviter);
        self.tell(&inviter, &room, Some(&entry), timeout.clone());
        let devices = self.devices_of(invitee);
        self.tell(&devices, &room, Some(&entry), timeout);
        let members = room.members.clone();
        self.tell_status(&members, &room, &entry);
        self.rooms.insert(room_id.clone(), room);
    }

    fn room_info(&self, room: &Room) -> Arc<RoomInfo> {
        Arc::new(RoomInfo {
            room_id: room.id.clone(),
            room_name: room.name.clone(),
            room_type: room.room_type,
            owner_id: room.owner.clone(),
            owner_name: self.accounts[&room.owner].0.clone(),
            password: "".into(),
            create_time: room.create_time,
            room_member_count: room.members.len() as u32,
        })
    }

    fn user_info(&self, room: &Room, user: &UserId) -> UserInfo {
        let (user_name, avatar_url) = self.accounts[user].clone();
        UserInfo { user_id: user.clone(), user_name, avatar_url, user_role: room.role(user) }
    }

    fn payload(&self, room: &Room, entry: &Entry, status: InvitationStatus) -> (Arc<RoomInfo>, Arc<Invitation>) {
        let invitee = self.user_info(room, &entry.invitee);
        let inviter = self.user_info(room, &entry.inviter);
        (self.room_info(room), Arc::new(Invitation { status, invitee, inviter }))
    }

    /// Tells devices of an event of the commit that the room is at.
    fn tell(&mut self, devices: &[DeviceKey], room: &Room, about: Option<&Entry>, event: Event) {
        let about = about.map(|entry| AttemptOf { invitee: entry.invitee.clone(), attempt: AttemptNo(entry.attempt) });
        let stamp = Stamp { instance: InstanceId(room.instance), revision: Revision(room.revision), about };
        for device in devices {
            self.hand(device, &Arc::new(StampedEvent { stamp: Some(stamp.clone()), event: event.clone() }));
        }
    }

    fn tell_list(
        &mut self,
        members: &[DeviceKey],
        room: &Room,
        entry: &Entry,
        status: InvitationStatus,
        event: impl Fn(RoomId, Arc<RoomInfo>, Arc<Invitation>) -> Event,
    ) {
        let (room_info, invitation) = self.payload(room, entry, status);
        self.tell(members, room, Some(entry), event(room.id.clone(), room_info, invitation));
    }

    fn tell_status(&mut self, members: &[DeviceKey], room: &Room, entry: &Entry) {
        self.tell_list(members, room, entry, entry.status, |room_id, room_info, invitation| {
            Event::InvitationStatusChanged { room_id: Some(room_id), room_info: Some(room_info), invitation }
        });
    }

    fn tell_removed(&mut self, members: &[DeviceKey], room: &Room, entry: &Entry) {
        self.tell_list(members, room, entry, InvitationStatus::None, |room_id, room_info, invitation| {
            Event::InvitationRemoved { room_id: Some(room_id), room_info: Some(room_info), invitation }
        });
    }
}
