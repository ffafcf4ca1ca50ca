"""The logic of the server: sessions, rooms, invitations and deadlines, stepped by one message at a time.

It has no clock, no socket and no randomness: `step` takes a message of the contract `core` and returns what is to
happen. Requirements are cited by the ids of docs/PROTOCOL.md.
"""

import heapq
from typing import Any

import arguments
from arguments import Bounds
from codes import (
    Code,
    DismissedReason,
    InvitationCode,
    InvitationStatus,
    KickedReason,
    Refused,
    Role,
    RoomType,
)
from limits import RateLimits
from room import Entry, Room, Session

Json = dict[str, Any]

# Operation by operation, which method carries it out. All but setSelfInfo take the room that roomId names.
HANDLERS = {
    "inviteUsers": "invite_users",
    "cancelInvitation": "cancel_invitation",
    "accept": "accept",
    "reject": "reject",
    "getInvitationList": "get_invitation_list",
    "setSelfInfo": "set_self_info",
    "createRoom": "create_room",
    "destroyRoom": "destroy_room",
    "enterRoom": "enter_room",
    "exitRoom": "exit_room",
    "kickRemoteUserOutOfRoom": "kick_remote_user_out_of_room",
    "changeUserRole": "change_user_role",
    "fetchRoomInfo": "fetch_room_info",
    "updateRoomNameByAdmin": "update_room_name_by_admin",
    "addAttendeesByAdmin": "add_attendees_by_admin",
    "removeAttendeesByAdmin": "remove_attendees_by_admin",
    "fetchAttendeeList": "fetch_attendee_list",
    "getUserList": "get_user_list",
}
INVITATION_OPERATIONS = ("inviteUsers", "cancelInvitation", "accept", "reject", "getInvitationList")


class Service:
    def __init__(self, accounts: list[Json], bounds: Bounds, rate_limits: bool):
        self.bounds = bounds
        self.now = 0
        self.accounts = {account["userId"]: dict(account) for account in accounts}
        self.sessions: dict[str, dict[str, Session]] = {}  # the online ones, by user and device
        self.rooms: dict[str, Room] = {}  # those that exist, by roomId
        self.dissolved: dict[str, list[Room]] = {}  # those whose answers are still remembered, by roomId
        self.whereabouts: dict[str, Room] = {}  # the room that a user is in
        self.instances = 0
        # (deadline, instance, place, attempt, …): the order in which calls expire (TMO-3). An attempt that has ended
        # otherwise is left in, and skipped when its time comes.
        self.deadlines: list[tuple[int, int, int, int, Room, Entry]] = []
        self.limits = RateLimits(bounds, rate_limits)
        self.changed = False  # whether this step has changed anything that a restart must know
        self.out: list[Json] = []

    # The messages of the contract.

    def step(self, message: Json) -> list[Json]:
        """Takes one message, and returns what is to happen because of it, in order."""
        self.now = message["now"]
        self.changed = False
        self.out = []
        if message["type"] == "restarted":
            # Before anything is told to anybody.
            self.only_these_are_online([Session.of(session) for session in message["sessions"]])
        self.expire_due()
        match message["type"]:
            case "online":
                self.online(Session.of(message["session"]))
            case "offline":
                self.offline(Session.of(message["session"]))
            case "request":
                self.out.append({"response": {"id": message["id"], **self.respond(message)}})
            case "restarted" | "wake":
                pass
            case other:
                raise ValueError(f"no message of the contract core has the type {other!r}")
        return self.out

    def online(self, session: Session) -> None:
        self.sessions.setdefault(session.user_id, {})[session.device_id] = session
        self.changed = True

    def offline(self, session: Session) -> None:
        if self.sessions.get(session.user_id, {}).pop(session.device_id, None) is None:
            return
        self.changed = True
        # TERM-2: the end of the member device's session is an exit from the room.
        room = self.whereabouts.get(session.user_id)
        if room and room.members[session.user_id] == session.device_id:
            self.leave(room, session.user_id)

    def only_these_are_online(self, sessions: list[Session]) -> None:
        """After a restart: the sessions are Convoke's, so it knows better than the journal which have outlived it."""
        known = [session for devices in self.sessions.values() for session in devices.values()]
        for session in known:
            if session not in sessions:
                self.offline(session)
        for session in sessions:
            if session not in known:
                self.online(session)

    def respond(self, message: Json) -> Json:
        """Carries a request out, in the order of checks of PROTOCOL.md, section 9."""
        operation, args = message["operation"], message["args"]
        caller = Session.of(message["session"])
        room = None
        was_known = False
        try:
            if caller.device_id not in self.sessions.get(caller.user_id, {}):
                raise Refused(Code.NOT_LOGGED_IN, "this device is not logged in")
            if operation == "inviteUsers":
                self.limits.call(self.now, caller.user_id, args)
                self.changed = self.changed or self.limits.enforced
            values = arguments.read(operation, args, self.bounds)
            handler = getattr(self, HANDLERS[operation])
            if operation == "setSelfInfo":
                return {"result": handler(caller, **snake_case(values))}
            room_id = values.pop("roomId")
            room = self.rooms.get(room_id)
            was_known = room is not None and room.knows(caller.user_id)
            if operation == "createRoom":
                if room is not None:
                    raise Refused(Code.ROOM_ID_OCCUPIED, "a room of that id exists")
                room = self.create_room(caller, room_id, **snake_case(values))
                result = {}
            else:
                if room is None:
                    raise Refused(Code.ROOM_ID_NOT_EXIST, "there is no such room")
                # ROOM-3
                if operation in INVITATION_OPERATIONS and room.type is not RoomType.CONFERENCE:
                    raise Refused(Code.WRONG_ROOM_TYPE, "the room is no conference")
                result = handler(caller, room, **snake_case(values))
            answer = {"result": result}
        except Refused as refused:
            answer = {"error": {"code": refused.code, "message": refused.message}}
        # SEC-3: revisions are none of a stranger's business. Whoever was inside before or is now is no stranger.
        if room is not None and (was_known or room.knows(caller.user_id)):
            answer["at"] = {"instance": room.instance, "revision": room.revision}
        return answer

    def wake_at(self) -> int | None:
        """When the next call expires, if nothing happens before."""
        while self.deadlines and not self.is_due_to_expire(*self.deadlines[0]):
            heapq.heappop(self.deadlines)
        return self.deadlines[0][0] if self.deadlines else None

    # Calls that time out.

    def expire_due(self) -> None:
        """TMO-3: whatever is due has happened, before anything else is looked at."""
        while self.deadlines and self.deadlines[0][0] <= self.now:
            due = heapq.heappop(self.deadlines)
            if self.is_due_to_expire(*due):
                self.expire(room=due[4], entry=due[5])

    def is_due_to_expire(self, _deadline: int, _instance: int, _place: int, _attempt: int, room: Room, entry: Entry) -> bool:
        """A timer of an attempt that has ended or been followed by another has no effect (TMO-7)."""
        return not room.dissolved and room.entries.get(entry.invitee) is entry and entry.is_pending

    def expire(self, room: Room, entry: Entry) -> None:
        entry.status = InvitationStatus.TIMEOUT
        self.commit(room, entry)
        both = self.devices(entry.inviter) + self.devices(entry.invitee)
        self.tell_of_invitation(both, "onInvitationTimeout", room, entry)
        self.tell_list(room, "onInvitationStatusChanged", entry)

    # The five operations of the invitation manager.

    def invite_users(
        self, caller: Session, room: Room, user_id_list: list[str], timeout: int, extension_info: str
    ) -> Json:
        if caller.user_id not in room.members:
            raise Refused(Code.USER_NOT_ENTERED, "only who is in the room may call others to it")
        self.check_accounts(user_id_list)
        codes = {invitee: self.invitation_code(room, invitee) for invitee in user_id_list}
        deadline = self.now + timeout if timeout else None
        called = []
        for invitee, code in codes.items():
            if code is InvitationCode.SUCCESS:
                called.append(self.ring(caller, room, invitee, deadline))
        if called:
            self.commit(room, *called)
        for entry in called:
            self.tell_of_ring(room, entry, extension_info)
            self.tell_list(room, "onInvitationAdded", entry)
        return {"codes": [{"userId": invitee, "code": code} for invitee, code in codes.items()]}

    def invitation_code(self, room: Room, invitee: str) -> InvitationCode:
        """INV-4"""
        if invitee in room.members:
            return InvitationCode.ALREADY_IN_CONFERENCE
        entry = room.entries.get(invitee)
        if entry and entry.counts_as_called(self.now, self.bounds["entry_grace"]):
            return InvitationCode.ALREADY_IN_INVITATION_LIST
        return InvitationCode.SUCCESS

    def ring(self, caller: Session, room: Room, invitee: str, deadline: int | None) -> Entry:
        self.limits.ring(self.now, caller.user_id, invitee)
        entry = room.ring(caller.user_id, invitee, deadline)
        if deadline is not None:
            heapq.heappush(self.deadlines, (deadline, room.instance, entry.place, entry.attempt, room, entry))
        return entry

    def tell_of_ring(self, room: Room, entry: Entry, extension_info: str) -> None:
        devices = self.devices(entry.invitee)
        self.tell_of_invitation(devices, "onReceiveInvitation", room, entry, extensionInfo=extension_info)
        if not devices:
            # REC-6: nobody is there to hear it, but a phone may be woken.
            info = self.room_info(room)
            hint = {"userId": entry.invitee, "roomId": room.room_id, "roomName": room.name}
            hint |= {"ownerName": info["ownerName"], "memberCount": info["roomMemberCount"]}
            self.out.append({"push": hint})

    def cancel_invitation(self, caller: Session, room: Room, user_id_list: list[str]) -> Json:
        cancelled = self.cancellable(caller, room, user_id_list)
        if not cancelled:
            return {}  # CAN-1, CAN-6: what is not pending is skipped
        for entry in cancelled:
            del room.entries[entry.invitee]
        self.commit(room, *cancelled)
        for entry in cancelled:
            if entry.inviter == caller.user_id:  # CAN-8: of an owner's own call, too
                self.tell_of_invitation(
                    self.devices(entry.invitee), "onInvitationCancelled", room, entry, InvitationStatus.NONE
                )
            else:
                self.tell_of_revocation(room, entry, caller)
            self.tell_list(room, "onInvitationRemoved", entry, InvitationStatus.NONE)
        return {}

    def cancellable(self, caller: Session, room: Room, user_id_list: list[str]) -> list[Entry]:
        """The entries that the call ends; Refused as a whole, if one may not be touched (CAN-2 to CAN-4)."""
        entries = [room.entries[invitee] for invitee in user_id_list if invitee in room.entries]
        pending = [entry for entry in entries if entry.is_pending]
        if room.may_manage(caller.user_id):
            return pending
        own = [entry for entry in pending if entry.inviter == caller.user_id]
        inside = caller.user_id in room.members
        if inside and own != pending:
            raise Refused(Code.NO_PERMISSION, "not allowed to end the call of another")
        if not inside and caller.user_id not in room.inviters:
            raise Refused(Code.NO_PERMISSION, "not allowed to end calls of this room")
        return own

    def accept(self, caller: Session, room: Room, attempt: arguments.Attempt | None) -> Json:
        return self.answer(caller, room, attempt, accepted=True)

    def reject(self, caller: Session, room: Room, reason: int, attempt: arguments.Attempt | None) -> Json:
        return self.answer(caller, room, attempt, accepted=False, reason=reason)

    def answer(
        self, caller: Session, room: Room, named: arguments.Attempt | None, accepted: bool, reason: int = 0
    ) -> Json:
        """ACC-1: an answer is judged against the attempt that it names, or else the newest."""
        number = named.attempt if named else room.attempts.get(caller.user_id)
        of = self.instance(room, named.instance) if named else room
        entry = of.entries.get(caller.user_id) if of and not of.dissolved else None
        if entry and entry.is_pending and entry.attempt == number:
            of.answer(entry, caller.device_id, accepted, self.now)
            self.commit(of, entry)
            self.tell_of_answer(of, entry, caller, reason)
            self.tell_list(of, "onInvitationStatusChanged", entry)
            return {}
        earlier = of.answers.get((caller.user_id, number)) if of else None
        if earlier is None:
            # SEC-2: the same words for an attempt that has ended and for one that never was.
            raise Refused(Code.REQUEST_ID_INVALID, "there is no live invitation")
        if earlier.device_id != caller.device_id or earlier.accepted != accepted:
            raise Refused(Code.REQUEST_CONFLICT, "the invitation has been answered")  # DEV-3, IDM-3
        return {}

    def instance(self, room: Room, number: int) -> Room | None:
        """The instance of this number among those that the roomId has named, as far as they are remembered (ROOM-2)."""
        known = [room, *self.dissolved.get(room.room_id, [])]
        return next((instance for instance in known if instance.instance == number), None)

    def tell_of_answer(self, room: Room, entry: Entry, by: Session, reason: int) -> None:
        """The point events of T4, T5 and T11 (ACC-3, REJ-3, DEV-4)."""
        accepted = entry.status is InvitationStatus.ACCEPTED
        if accepted:
            self.tell_of_invitation(self.devices(entry.inviter), "onInvitationAccepted", room, entry)
        else:
            self.tell_of_invitation(self.devices(entry.inviter), "onInvitationRejected", room, entry, reason=reason)
        others = self.devices(entry.invitee, but=by.device_id)
        handled = {"roomInfo": self.room_info(room), "accepted": accepted}
        self.tell(others, "onInvitationHandledByOtherDevice", handled, room, entry)

    def get_invitation_list(self, caller: Session, room: Room, cursor: arguments.Cursor | None, count: int) -> Json:
        listed = self.visible_entries(caller, room)
        if cursor and (cursor.instance, cursor.caller) != (room.instance, caller.user_id):
            raise arguments.invalid("the cursor is of another room or caller")  # LST-5
        rest = [entry for entry in listed if cursor is None or entry.place > cursor.place]
        page, left = rest[:count], rest[count:]
        items = [
            {
                "invitation": self.invitation(room, entry, entry.status),
                "attempt": entry.attempt,
                "revision": entry.revision,
            }
            for entry in page
        ]
        following = arguments.Cursor(room.instance, caller.user_id, page[-1].place).write() if left else ""
        return {"page": {"invitationList": items, "cursor": following}}

    def visible_entries(self, caller: Session, room: Room) -> list[Entry]:
        """The whole list to those inside; its own entry to an invitee outside (LST-8, LST-9)."""
        if caller.user_id in room.members:
            return list(room.entries.values())
        own = room.entries.get(caller.user_id)
        if own is None or own.status not in (InvitationStatus.PENDING, InvitationStatus.ACCEPTED):
            raise Refused(Code.NO_PERMISSION, "the list is for those inside and those being called")
        return [own]

    # Rooms.

    def create_room(
        self,
        caller: Session,
        room_id: str,
        room_name: str,
        room_type: RoomType,
        password: str,
        max_member_count: int,
        schedule_attendees: list[str],
    ) -> Room:
        self.check_accounts(schedule_attendees)
        self.instances += 1
        room = Room(
            room_id=room_id,
            instance=self.instances,
            name=room_name or room_id,
            type=room_type,
            owner=caller.user_id,
            password=password,
            max_member_count=max_member_count,
            create_time=self.now // arguments.MILLISECOND,
            attendees=schedule_attendees,
        )
        self.rooms[room_id] = room
        self.changed = True  # the creation is revision 1
        return room

    def destroy_room(self, caller: Session, room: Room) -> Json:
        if caller.user_id != room.owner:
            raise Refused(Code.NO_PERMISSION, "only the owner may dissolve the room")
        self.commit(room)
        for entry in room.pending():
            self.tell_of_revocation(room, entry, caller)
        dismissed = {"roomId": room.room_id, "reason": DismissedReason.BY_OWNER}
        self.tell(self.member_devices(room), "onRoomDismissed", dismissed, room)
        room.dissolved = True
        del self.rooms[room.room_id]
        for user in room.members:
            del self.whereabouts[user]
        self.remember_answers_of(room)
        return {}

    def remember_answers_of(self, dissolved: Room) -> None:
        """IDM-3, DEV-3: answers are remembered for a while, also when their room is gone."""
        memory = self.bounds["answer_memory"]
        self.dissolved.setdefault(dissolved.room_id, []).append(dissolved)
        for room_id, rooms in list(self.dissolved.items()):
            kept = [room for room in rooms if (at := room.newest_answer()) is not None and self.now < at + memory]
            if kept:
                self.dissolved[room_id] = kept
            else:
                del self.dissolved[room_id]

    def enter_room(self, caller: Session, room: Room, password: str) -> Json:
        user = caller.user_id
        if room.members.get(user) == caller.device_id:
            return {"roomInfo": self.room_info(room)}
        if room.password and password != room.password:
            if password:
                raise Refused(Code.WRONG_PASSWORD, "the password is wrong")
            raise Refused(Code.NEED_PASSWORD, "the room wants a password")
        if user in room.members:
            self.move_member(caller, room)
            return {"roomInfo": self.room_info(room)}
        if room.is_full():
            raise Refused(Code.ROOM_USER_FULL, "the room is full")
        if user in self.whereabouts:
            raise Refused(Code.ALREADY_IN_OTHER_ROOM, "the user is in another room")
        self.enter(caller, room)
        return {"roomInfo": self.room_info(room)}

    def move_member(self, to: Session, room: Room) -> None:
        """ROOM-8: the place goes from one device of the user to another, and the members see nothing of it."""
        before = self.sessions[to.user_id][room.members[to.user_id]]
        room.members[to.user_id] = to.device_id
        self.commit(room)
        self.tell_kicked(before, room, KickedReason.BY_LOGGED_ON_OTHER_DEVICE, "entered from another device")

    def enter(self, by: Session, room: Room) -> None:
        """ORD-4: one commit, told to those who were inside before."""
        before = self.member_devices(room)
        entry = room.entries.pop(by.user_id, None)  # ACC-8
        # ACC-4: entering while it rings is an accept by this device, made by nobody's request (T11).
        accepts = entry is not None and entry.is_pending
        if accepts:
            room.answer(entry, by.device_id, True, self.now)
        room.members[by.user_id] = by.device_id
        self.whereabouts[by.user_id] = room
        self.commit(room)
        if accepts:
            self.tell_of_answer(room, entry, by, reason=0)
            self.tell_list(room, "onInvitationStatusChanged", entry, to=before)
        entered = {"roomId": room.room_id, "userInfo": self.user(room, by.user_id)}
        self.tell(before, "onRemoteUserEnterRoom", entered, room)
        if entry:
            self.tell_list(room, "onInvitationRemoved", entry, InvitationStatus.NONE, to=before)

    def exit_room(self, caller: Session, room: Room) -> Json:
        if room.members.get(caller.user_id) != caller.device_id:
            raise Refused(Code.USER_NOT_ENTERED, "this device is not in the room")
        self.leave(room, caller.user_id)
        return {}

    def leave(self, room: Room, user: str) -> None:
        left = {"roomId": room.room_id, "userInfo": self.user(room, user)}  # with the role that it had
        room.put_out(user)
        del self.whereabouts[user]
        self.commit(room)
        self.tell(self.member_devices(room), "onRemoteUserLeaveRoom", left, room)

    def kick_remote_user_out_of_room(self, caller: Session, room: Room, user_id: str) -> Json:
        self.check_manages(caller, room)
        if room.role(caller.user_id) >= room.role(user_id):
            raise Refused(Code.NO_PERMISSION, "an administrator may put out general users only, and nobody the owner")
        self.check_accounts([user_id])
        self.check_inside(room, user_id)
        device = self.sessions[user_id][room.members[user_id]]
        self.leave(room, user_id)
        self.tell_kicked(device, room, KickedReason.BY_ADMIN, "put out of the room")
        return {}

    def change_user_role(self, caller: Session, room: Room, user_id: str, user_role: Role) -> Json:
        if caller.user_id != room.owner:
            raise Refused(Code.NO_PERMISSION, "only the owner may give roles")
        if user_id == room.owner and user_role is not Role.ROOM_OWNER:
            raise Refused(Code.NO_PERMISSION, "the owner gives its role up by handing the room over")
        self.check_accounts([user_id])
        self.check_inside(room, user_id)
        if room.role(user_id) is user_role:
            return {}
        changes = [(user_id, user_role)]
        room.administrators.discard(user_id)
        if user_role is Role.ADMINISTRATOR:
            room.administrators.add(user_id)
        elif user_role is Role.ROOM_OWNER:
            changes.insert(0, (room.owner, Role.GENERAL_USER))
            room.owner = user_id
        self.commit(room)
        for user, role in changes:
            changed = {"roomId": room.room_id, "userId": user, "userRole": role}
            self.tell(self.member_devices(room), "onUserRoleChanged", changed, room)
        return {}

    def fetch_room_info(self, _caller: Session, room: Room) -> Json:
        return {"roomInfo": self.room_info(room)}

    def update_room_name_by_admin(self, caller: Session, room: Room, room_name: str) -> Json:
        self.check_manages(caller, room)
        if room.name != room_name:
            room.name = room_name
            self.commit(room)
        return {}

    def add_attendees_by_admin(self, caller: Session, room: Room, user_id_list: list[str]) -> Json:
        self.check_manages(caller, room)
        self.check_accounts(user_id_list)
        joined = [user for user in user_id_list if user not in room.attendees]
        room.attendees += joined
        self.tell_attendees_changed(room, left=[], joined=joined)
        return {}

    def remove_attendees_by_admin(self, caller: Session, room: Room, user_id_list: list[str]) -> Json:
        self.check_manages(caller, room)
        self.check_accounts(user_id_list)
        left = [user for user in user_id_list if user in room.attendees]
        for user in left:
            room.attendees.remove(user)
        self.tell_attendees_changed(room, left=left, joined=[])
        return {}

    def tell_attendees_changed(self, room: Room, left: list[str], joined: list[str]) -> None:
        if left or joined:
            self.commit(room)
            changed = {
                "roomId": room.room_id,
                "leftUsers": [self.user(room, user) for user in left],
                "joinedUsers": [self.user(room, user) for user in joined],
            }
            self.tell(self.member_devices(room), "onScheduleAttendeesChanged", changed, room)

    def fetch_attendee_list(self, caller: Session, room: Room) -> Json:
        self.check_may_look(caller, room)
        return {"attendees": [self.user(room, user) for user in room.attendees]}

    def get_user_list(self, caller: Session, room: Room) -> Json:
        self.check_may_look(caller, room)
        return {"members": [self.user(room, user) for user in room.members]}

    def set_self_info(self, caller: Session, user_name: str, avatar_url: str) -> Json:
        self.accounts[caller.user_id] |= {"userName": user_name, "avatarUrl": avatar_url}
        self.changed = True
        return {}

    # Checks that several operations share.

    def check_accounts(self, users: list[str]) -> None:
        unknown = [user for user in users if user not in self.accounts]
        if unknown:
            raise Refused(Code.USER_NOT_EXIST, f"no such account: {', '.join(unknown)}")

    def check_inside(self, room: Room, user: str) -> None:
        if user not in room.members:
            raise Refused(Code.USER_NOT_ENTERED, "that user is not in the room")

    def check_manages(self, caller: Session, room: Room) -> None:
        if not room.may_manage(caller.user_id):
            raise Refused(Code.NO_PERMISSION, "only the owner and administrators may do that")

    def check_may_look(self, caller: Session, room: Room) -> None:
        if not room.may_look(caller.user_id):
            raise Refused(Code.NO_PERMISSION, "only those inside and the owner may see that")

    # Who hears what.

    def commit(self, room: Room, *entries: Entry) -> None:
        """Counts one change of the room, in which these entries changed (ORD-5)."""
        room.revision += 1
        for entry in entries:
            entry.revision = room.revision
        self.changed = True

    def devices(self, user: str, but: str | None = None) -> list[Session]:
        """The online devices of a user, but for one."""
        return [session for device, session in self.sessions.get(user, {}).items() if device != but]

    def member_devices(self, room: Room) -> list[Session]:
        return [self.sessions[user][device] for user, device in room.members.items()]

    def tell(self, to: list[Session], event: str, payload: Json, room: Room, about: Entry | None = None) -> None:
        if not to:
            return
        stamp: Json = {"instance": room.instance, "revision": room.revision}
        if about:
            stamp["about"] = {"invitee": about.invitee, "attempt": about.attempt}
        names = [{"userId": session.user_id, "deviceId": session.device_id} for session in to]
        self.out.append({"event": {"to": names, "event": event, "payload": payload, "stamp": stamp}})

    def tell_of_invitation(
        self,
        to: list[Session],
        event: str,
        room: Room,
        entry: Entry,
        status: InvitationStatus | None = None,
        **more: Any,
    ) -> None:
        """A point event. The status is the one just reached, or kNone if the entry is gone (EVT-6)."""
        payload = {"roomInfo": self.room_info(room), "invitation": self.invitation(room, entry, status), **more}
        self.tell(to, event, payload, room, entry)

    def tell_of_revocation(self, room: Room, entry: Entry, operator: Session) -> None:
        """REV-2: to the invitee, and to the inviter unless it revokes itself, as in a dissolution."""
        to = self.devices(entry.invitee)
        if entry.inviter != operator.user_id:
            to += self.devices(entry.inviter)
        self.tell_of_invitation(
            to,
            "onInvitationRevokedByAdmin",
            room,
            entry,
            InvitationStatus.NONE,
            operateUser=self.user(room, operator.user_id),
        )

    def tell_list(
        self,
        room: Room,
        event: str,
        entry: Entry,
        status: InvitationStatus | None = None,
        to: list[Session] | None = None,
    ) -> None:
        """A list event, to the members or to those who were members before the commit. It has roomId, too (EVT-2)."""
        payload = {
            "roomId": room.room_id,
            "roomInfo": self.room_info(room),
            "invitation": self.invitation(room, entry, status),
        }
        self.tell(self.member_devices(room) if to is None else to, event, payload, room, entry)

    def tell_kicked(self, device: Session, room: Room, reason: KickedReason, message: str) -> None:
        payload = {"roomId": room.room_id, "reason": reason, "message": message}
        self.tell([device], "onKickedOutOfRoom", payload, room)

    # What payloads show, as of now (EVT-8).

    def room_info(self, room: Room) -> Json:
        return {
            "roomId": room.room_id,
            "roomName": room.name,
            "roomType": room.type,
            "ownerId": room.owner,
            "ownerName": self.accounts[room.owner]["userName"],
            "password": "",  # SEC-4
            "createTime": room.create_time,
            "roomMemberCount": len(room.members),
        }

    def invitation(self, room: Room, entry: Entry, status: InvitationStatus | None) -> Json:
        return {
            "status": entry.status if status is None else status,
            "invitee": self.user(room, entry.invitee),
            "inviter": self.user(room, entry.inviter),
        }

    def user(self, room: Room, user: str) -> Json:
        account = self.accounts[user]
        return {
            "userId": user,
            "userName": account["userName"],
            "avatarUrl": account["avatarUrl"],
            "userRole": room.role(user),
        }


def snake_case(values: Json) -> Json:
    """Names of arguments, as Python writes them."""
    return {"".join(f"_{c.lower()}" if c.isupper() else c for c in name): value for name, value in values.items()}
