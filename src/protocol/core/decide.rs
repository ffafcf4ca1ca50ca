//! What a request comes to, in the order of ERR-1 from the rate limit on. Reads the state, changes nothing.

use std::sync::Arc;

use super::cursor::{self, Position};
use super::parameters::{self, invalid};
use super::room::{Entry, Room};
use super::transition::{LeaveCause, Transition};
use super::{Caller, Decision, InvitationCore, limits};
use crate::protocol::call::{AttemptRef, Call, InvitationPage, ListItem, Reply};
use crate::protocol::event::{Invitation, UserInfo};
use crate::protocol::message::Content;
use crate::protocol::vocabulary::{
    ApiError, AttemptNo, Cursor, ErrorCode, InstanceId, InvitationCode, InvitationStatus, RejectedReason, Role,
    RoomType, UserId,
};
use crate::time::Instant;

/// What a call that is allowed leads to.
type Judged = Result<(Reply, Option<Transition>), ApiError>;

const NOTHING_CHANGES: Judged = Ok((Reply::Void, None));

fn leads_to(transition: Transition) -> Judged {
    Ok((Reply::Void, Some(transition)))
}

pub(super) fn decide(core: &InvitationCore, now: Instant, caller: Caller<'_>, content: &Content) -> Decision {
    let mut instance = None;
    let judged = judge(core, now, caller, content, &mut instance);
    match judged {
        Ok((reply, transition)) => Decision { result: Ok(reply), instance, transition },
        Err(error) => Decision { result: Err(error), instance, transition: None },
    }
}

fn judge(
    core: &InvitationCore,
    now: Instant,
    caller: Caller<'_>,
    content: &Content,
    instance: &mut Option<InstanceId>,
) -> Judged {
    // ERR-1: the rate limit, then the parameters.
    if core.rate_limits
        && limits::is_limited(content)
        && !core.user(caller.user).buckets.allow(&core.bounds, now, content)
    {
        return Err(ApiError::new(ErrorCode::FREQ_LIMIT, "too many calls; wait and try again"));
    }
    let call = match content {
        Content::Call(call) => &**call,
        Content::Malformed(malformed) => return Err(parameters::refusal(malformed)),
    };
    parameters::check(call, &core.bounds)?;
    parameters::check_cursor(call)?;
    // ROOM-7: what the library answers itself is no operation of a server.
    if let Call::FetchNotEnteredList { .. } = call {
        return Err(invalid("fetchNotEnteredList is answered by the client library and never sent"));
    }

    // Calls that concern no room, or one that need not exist.
    match call {
        // Both are the session layer's; here they concern nothing.
        Call::Login { .. } | Call::Logout {} => return NOTHING_CHANGES,
        Call::SetSelfInfo { user_name, avatar_url } => {
            return leads_to(Transition::SelfInfoSet {
                user: caller.user.clone(),
                user_name: user_name.clone(),
                avatar_url: avatar_url.clone(),
            });
        }
        Call::CreateRoom { room_id, .. } => {
            *instance = core.rooms.get(room_id).and_then(|room| shown_instance(room, caller));
            return create_room(core, caller, call);
        }
        _ => {}
    }

    // ERR-1: the room exists, then its type.
    let room_id = call.room_id().expect("every other call names a room");
    let Some(room) = core.rooms.get(room_id) else {
        return Err(ApiError::new(ErrorCode::ROOM_ID_NOT_EXIST, "there is no such room"));
    };
    *instance = shown_instance(room, caller);
    // ROOM-3.
    if call.operation().is_invitation() && room.room_type != RoomType::Conference {
        return Err(ApiError::new(
            ErrorCode::OPERATION_NOT_SUPPORTED_IN_CURRENT_ROOM_TYPE,
            "invitations are for conference rooms",
        ));
    }
    match call {
        Call::InviteUsers { user_id_list, timeout, extension_info, .. } => {
            invite_users(core, room, now, caller, user_id_list, *timeout, extension_info)
        }
        Call::CancelInvitation { user_id_list, .. } => cancel_invitation(room, caller, user_id_list),
        Call::Accept { attempt, .. } => answer(core, room, now, caller, *attempt, true, RejectedReason::RejectToEnter),
        Call::Reject { reason, attempt, .. } => {
            let reason = RejectedReason::from_number(u64::try_from(*reason).unwrap_or(u64::MAX));
            answer(core, room, now, caller, *attempt, false, reason.expect("the parameters were checked"))
        }
        Call::GetInvitationList { cursor, count, .. } => get_invitation_list(core, room, caller, cursor, *count),
        Call::EnterRoom { password, .. } => enter_room(core, room, caller, password),
        Call::ExitRoom { .. } => exit_room(room, caller),
        Call::DestroyRoom { .. } => destroy_room(room, caller),
        Call::KickRemoteUserOutOfRoom { user_id, .. } => kick(core, room, caller, user_id),
        Call::ChangeUserRole { user_id, user_role, .. } => change_user_role(core, room, caller, user_id, *user_role),
        Call::FetchRoomInfo { .. } => Ok((Reply::RoomInfo(core.room_info(room)), None)),
        Call::UpdateRoomNameByAdmin { room_name, .. } => {
            require(room.is_owner_or_admin(caller.user), "only the owner or an administrator may rename the room")?;
            if room.name == *room_name {
                return NOTHING_CHANGES;
            }
            leads_to(Transition::RoomRenamed { room_id: room.id.clone(), room_name: room_name.clone() })
        }
        Call::AddAttendeesByAdmin { user_id_list, .. } => {
            require(room.is_owner_or_admin(caller.user), "only the owner or an administrator may add attendees")?;
            require_accounts(core, user_id_list)?;
            change_attendees(room, distinct(user_id_list).filter(|user| !room.attendees.contains(*user)), [].iter())
        }
        Call::RemoveAttendeesByAdmin { user_id_list, .. } => {
            require(room.is_owner_or_admin(caller.user), "only the owner or an administrator may remove attendees")?;
            require_accounts(core, user_id_list)?;
            change_attendees(room, [].iter(), distinct(user_id_list).filter(|user| room.attendees.contains(*user)))
        }
        Call::FetchAttendeeList { .. } => {
            require(
                room.members.contains_key(caller.user) || *caller.user == room.owner,
                "only members and the owner may read the attendees",
            )?;
            let attendees = room.attendees.iter().map(|user| core.user_info(room, user)).collect();
            Ok((Reply::Attendees(attendees), None))
        }
        Call::GetUserList { .. } => {
            require(
                room.members.contains_key(caller.user) || *caller.user == room.owner,
                "only members and the owner may read the members",
            )?;
            let members = room.members.keys().map(|user| core.user_info(room, user)).collect();
            Ok((Reply::Members(members), None))
        }
        Call::Login { .. }
        | Call::Logout {}
        | Call::SetSelfInfo { .. }
        | Call::CreateRoom { .. }
        | Call::FetchNotEnteredList { .. } => {
            unreachable!("handled above")
        }
    }
}

/// SEC-3: revisions count the commits of invitations, so only those hear of them who may know of some: who is in the
/// room, owns it, or has called or been called there.
fn shown_instance(room: &Room, caller: Caller<'_>) -> Option<InstanceId> {
    let user = caller.user;
    let knows = room.members.contains_key(user)
        || room.owner == *user
        || room.invitees.contains_key(user)
        || room.inviters.contains(user);
    knows.then_some(room.instance)
}

fn require(allowed: bool, otherwise: &'static str) -> Result<(), ApiError> {
    // ERR-5: 100006, and never -1003, which is about cameras.
    if allowed { Ok(()) } else { Err(ApiError::new(ErrorCode::NO_PERMISSION, otherwise)) }
}

/// INV-10.
fn require_accounts(core: &InvitationCore, users: &[UserId]) -> Result<(), ApiError> {
    let unknown: Vec<&str> = distinct(users).filter(|user| !core.has_account(user)).map(UserId::as_str).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(ApiError::new(ErrorCode::USER_NOT_EXIST, format!("no such account: {}", unknown.join(", "))))
}

/// INV-8: first occurrences, in order.
fn distinct(users: &[UserId]) -> impl Iterator<Item = &UserId> {
    let mut seen = std::collections::BTreeSet::new();
    users.iter().filter(move |user| users.len() == 1 || seen.insert(*user))
}

// ---- inviteUsers -------------------------------------------------------------------------------------------------

fn invite_users(
    core: &InvitationCore,
    room: &Room,
    now: Instant,
    caller: Caller<'_>,
    user_id_list: &[UserId],
    timeout: f64,
    extension_info: &Arc<str>,
) -> Judged {
    // INV-1, INV-2: any member, whatever role.
    if !room.members.contains_key(caller.user) {
        return Err(ApiError::new(ErrorCode::USER_NOT_ENTERED, "the caller is not in the room"));
    }
    require_accounts(core, user_id_list)?;
    let codes: Vec<(UserId, InvitationCode)> =
        distinct(user_id_list).map(|user| (user.clone(), invitation_code(core, room, now, user))).collect();
    let called: Vec<UserId> =
        codes.iter().filter(|(_, code)| *code == InvitationCode::Success).map(|(user, _)| user.clone()).collect();
    let transition = (!called.is_empty()).then(|| Transition::Invited {
        room_id: room.id.clone(),
        inviter: caller.user.clone(),
        invitees: called,
        // TMO-1: the server's commit time counts, no client's clock.
        deadline: parameters::timeout_of(timeout, &core.bounds).expect("checked").map(|timeout| now + timeout),
        extension_info: extension_info.clone(),
    });
    // INV-3, INV-6: codes 1 and 2 change nothing.
    Ok((Reply::Invited(codes.into()), transition))
}

/// INV-4, in its order.
fn invitation_code(core: &InvitationCore, room: &Room, now: Instant, user: &UserId) -> InvitationCode {
    if room.members.contains_key(user) {
        return InvitationCode::AlreadyInConference;
    }
    let Some(invitee) = room.invitees.get(user) else { return InvitationCode::Success };
    let Some(entry) = &invitee.entry else { return InvitationCode::Success };
    match entry.status {
        InvitationStatus::Pending => InvitationCode::AlreadyInInvitationList,
        InvitationStatus::Accepted => {
            let answer = invitee.answer(entry.attempt).expect("an answer is remembered while the entry shows it");
            if now < answer.at + core.bounds.entry_grace {
                InvitationCode::AlreadyInInvitationList
            } else {
                InvitationCode::Success
            }
        }
        // INV-5.
        InvitationStatus::Timeout | InvitationStatus::Rejected | InvitationStatus::None => InvitationCode::Success,
    }
}

// ---- cancelInvitation --------------------------------------------------------------------------------------------

fn cancel_invitation(room: &Room, caller: Caller<'_>, user_id_list: &[UserId]) -> Judged {
    let inside = room.members.contains_key(caller.user);
    let may_revoke = room.is_owner_or_admin(caller.user);
    let is_mine = |entry: &Entry| entry.inviter == *caller.user;
    // CAN-4: an outsider without a stake learns nothing of the list (SEC-3).
    require(
        inside || may_revoke || room.inviters.contains(caller.user),
        "only members, the owner and those who have invited may cancel",
    )?;
    // CAN-1, CAN-6: only live entries count; unknown ids and ended attempts are skipped.
    let live = || distinct(user_id_list).filter_map(|user| room.entry(user).filter(|e| e.is_live()).map(|e| (user, e)));
    if inside && !may_revoke {
        require(
            live().all(|(_, entry)| is_mine(entry)),
            "a member may cancel only the invitations that it has issued itself",
        )?;
    }
    // CAN-2, CAN-3, and for a caller outside CAN-4: others' entries are skipped.
    let ended: Vec<UserId> =
        live().filter(|(_, entry)| may_revoke || is_mine(entry)).map(|(user, _)| user.clone()).collect();
    if ended.is_empty() {
        return NOTHING_CHANGES;
    }
    leads_to(Transition::Cancelled { room_id: room.id.clone(), operator: caller.user.clone(), invitees: ended })
}

// ---- accept and reject -------------------------------------------------------------------------------------------

fn answer(
    core: &InvitationCore,
    room: &Room,
    now: Instant,
    caller: Caller<'_>,
    named: Option<AttemptRef>,
    accepted: bool,
    reason: RejectedReason,
) -> Judged {
    // SEC-2: the same words for everybody who holds no live invitation.
    let none = || ApiError::new(ErrorCode::REQUEST_ID_INVALID, "no live invitation of the caller to this room");
    let ledger = room.invitees.get(caller.user);
    let of_another_instance = named.filter(|named| named.instance != room.instance);
    let answered = if let Some(old) = of_another_instance {
        // ROOM-2: an answer meant for an earlier life of the room never reaches the new one; and ROOM-4: what happened in
        // another room is no matter of this one.
        core.remembered_answer(now, caller.user, &room.id, old)
    } else {
        // ACC-1: the attempt that the answer names, otherwise the newest.
        let invitee = ledger.ok_or_else(none)?;
        let attempt = named.map_or(AttemptNo(invitee.attempts), |named| named.attempt);
        if invitee.entry.as_ref().is_some_and(|entry| entry.attempt == attempt && entry.is_live()) {
            return leads_to(Transition::Answered {
                room_id: room.id.clone(),
                invitee: caller.user.clone(),
                device: caller.device.clone(),
                attempt,
                accepted,
                reason,
            });
        }
        invitee.answer(attempt)
    };
    match answered {
        // ACC-1 (a): unknown, or ended by timeout, cancel, revocation or dissolution.
        None => Err(none()),
        // IDM-3: the winner says the same again.
        Some(answer) if answer.device == *caller.device && answer.accepted == accepted => NOTHING_CHANGES,
        // IDM-3, DEV-3: the winner changes its mind, or another device is too late.
        Some(_) => Err(ApiError::new(ErrorCode::REQUEST_CONFLICT, "the invitation was answered already")),
    }
}

// ---- getInvitationList -------------------------------------------------------------------------------------------

fn get_invitation_list(core: &InvitationCore, room: &Room, caller: Caller<'_>, cursor: &Cursor, count: f64) -> Judged {
    let is_member = room.members.contains_key(caller.user);
    let own_entry = room
        .entry(caller.user)
        .filter(|entry| matches!(entry.status, InvitationStatus::Pending | InvitationStatus::Accepted));
    // LST-8.
    require(is_member || own_entry.is_some(), "only members, and who is being called, may read the invitations")?;
    let mark = cursor::caller_mark(caller.user);
    let after = match cursor::decode(cursor) {
        None => 0,
        Some(position) if position.instance == room.instance && position.caller == mark => position.after,
        // LST-5: another room's, another life's or another caller's cursor, in the last place of ERR-1.
        Some(_) => return Err(invalid("cursor belongs to another room or caller; start again with ''")),
    };
    let size = parameters::page_size(count, &core.bounds).expect("checked");
    let visible = |user: &UserId| is_member || user == caller.user; // LST-9
    let mut items = room.places.range(after + 1..).filter(|(_, user)| visible(user));
    let mut page = InvitationPage { invitation_list: Vec::new(), cursor: Cursor::default() };
    let mut last = after;
    for (place, user) in items.by_ref().take(size) {
        page.invitation_list.push(list_item(core, room, user));
        last = *place;
    }
    // LST-1: a cursor exactly when something is left.
    if items.next().is_some() {
        page.cursor = cursor::encode(Position { instance: room.instance, after: last, caller: mark });
    }
    Ok((Reply::List(Arc::new(page)), None))
}

fn list_item(core: &InvitationCore, room: &Room, invitee: &UserId) -> ListItem {
    let entry = room.entry(invitee).expect("a place belongs to an entry");
    ListItem {
        invitation: Arc::new(core.invitation(room, &entry.inviter, invitee, entry.status)),
        attempt: entry.attempt,
        revision: entry.changed,
    }
}

impl InvitationCore {
    pub(super) fn invitation(
        &self,
        room: &Room,
        inviter: &UserId,
        invitee: &UserId,
        status: InvitationStatus,
    ) -> Invitation {
        let user = |id: &UserId| -> UserInfo { self.user_info(room, id) };
        Invitation { status, invitee: user(invitee), inviter: user(inviter) }
    }
}

// ---- rooms -------------------------------------------------------------------------------------------------------

fn create_room(core: &InvitationCore, caller: Caller<'_>, call: &Call) -> Judged {
    let Call::CreateRoom { room_id, room_name, room_type, password, max_member_count, schedule_attendees } = call
    else {
        unreachable!("called for createRoom only")
    };
    if core.rooms.contains_key(room_id) {
        return Err(ApiError::new(ErrorCode::ROOM_ID_OCCUPIED, "a room of this id exists"));
    }
    require_accounts(core, schedule_attendees)?;
    // ERR-6: a user who makes rooms and never dissolves them would take all there is.
    if u64::from(core.user(caller.user).owned) >= core.bounds.rooms_max {
        let words = format!("the user owns {} rooms, as many as are allowed", core.bounds.rooms_max);
        return Err(ApiError::new(ErrorCode::FREQ_LIMIT, words));
    }
    leads_to(Transition::RoomCreated {
        room_id: room_id.clone(),
        owner: caller.user.clone(),
        room_name: if room_name.is_empty() { room_id.as_str().into() } else { room_name.clone() },
        room_type: *room_type,
        password: password.clone(),
        max_member_count: *max_member_count,
        attendees: distinct(schedule_attendees).cloned().collect(),
    })
}

fn enter_room(core: &InvitationCore, room: &Room, caller: Caller<'_>, password: &str) -> Judged {
    let member = room.members.get(caller.user);
    if member.is_some_and(|member| member.slot == caller.slot) {
        return Ok((Reply::RoomInfo(core.room_info(room)), None));
    }
    // SEC-5: an accepted invitation waives none of these. ACC-7: and a failed entry changes nothing.
    if !room.password.is_empty() && *room.password != *password {
        return Err(if password.is_empty() {
            ApiError::new(ErrorCode::NEED_PASSWORD, "the room wants a password")
        } else {
            ApiError::new(ErrorCode::WRONG_PASSWORD, "the password is wrong")
        });
    }
    if member.is_none() && room.is_full() {
        return Err(ApiError::new(ErrorCode::ROOM_USER_FULL, "the room is full"));
    }
    // ROOM-8, ACC-6.
    if core.user(caller.user).room.as_ref().is_some_and(|other| *other != room.id) {
        return Err(ApiError::new(ErrorCode::ALREADY_IN_OTHER_ROOM, "the user is in another room"));
    }
    leads_to(Transition::Entered { room_id: room.id.clone(), user: caller.user.clone(), device: caller.device.clone() })
}

fn exit_room(room: &Room, caller: Caller<'_>) -> Judged {
    // TERM-2: a user is in a room through one device; the others are not in it.
    if room.members.get(caller.user).is_none_or(|member| member.slot != caller.slot) {
        return Err(ApiError::new(ErrorCode::USER_NOT_ENTERED, "this device is not in the room"));
    }
    leads_to(Transition::Left { room_id: room.id.clone(), user: caller.user.clone(), cause: LeaveCause::Exit })
}

fn destroy_room(room: &Room, caller: Caller<'_>) -> Judged {
    require(*caller.user == room.owner, "only the owner may dissolve the room")?;
    leads_to(Transition::RoomDestroyed { room_id: room.id.clone() })
}

fn require_member(room: &Room, user: &UserId) -> Result<(), ApiError> {
    if room.members.contains_key(user) {
        return Ok(());
    }
    Err(ApiError::new(ErrorCode::USER_NOT_ENTERED, "the user is not in the room"))
}

fn require_known(core: &InvitationCore, user: &UserId) -> Result<(), ApiError> {
    require_accounts(core, std::slice::from_ref(user))
}

fn kick(core: &InvitationCore, room: &Room, caller: Caller<'_>, user: &UserId) -> Judged {
    require(room.is_owner_or_admin(caller.user), "only the owner or an administrator may throw somebody out")?;
    // An administrator throws out general users only; the owner anybody but itself.
    let rank = room.role(user);
    require(
        rank == Role::GeneralUser || (rank == Role::Administrator && *caller.user == room.owner),
        "an administrator may throw out general users only, and nobody the owner",
    )?;
    require_known(core, user)?;
    require_member(room, user)?;
    leads_to(Transition::Left { room_id: room.id.clone(), user: user.clone(), cause: LeaveCause::Kicked })
}

fn change_user_role(core: &InvitationCore, room: &Room, caller: Caller<'_>, user: &UserId, role: Role) -> Judged {
    require(*caller.user == room.owner, "only the owner may change roles")?;
    require_known(core, user)?;
    require_member(room, user)?;
    if room.role(user) == role {
        return NOTHING_CHANGES;
    }
    require(*user != room.owner, "the owner's role changes only by handing the room over")?;
    leads_to(Transition::RoleChanged { room_id: room.id.clone(), user: user.clone(), role })
}

fn change_attendees<'a>(
    room: &Room,
    joined: impl Iterator<Item = &'a UserId>,
    left: impl Iterator<Item = &'a UserId>,
) -> Judged {
    let (joined, left): (Vec<UserId>, Vec<UserId>) = (joined.cloned().collect(), left.cloned().collect());
    if joined.is_empty() && left.is_empty() {
        return NOTHING_CHANGES;
    }
    leads_to(Transition::AttendeesChanged { room_id: room.id.clone(), joined, left })
}
