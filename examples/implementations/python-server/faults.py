"""Faults to plant, one at a time, with `--fault NAME`: each is a mistake that a real server could make.

They are wrapped around the service, whose own code stays clean. A suite that is any good names each by the id of the
requirement that it breaks.
"""

import heapq
from collections.abc import Callable

from arguments import Bounds
from codes import Code, InvitationStatus, Refused, Role
from room import Entry, Room, Session
from service import Json, Service

FAULTS: dict[str, type[Service]] = {}


def fault(name: str) -> Callable[[type[Service]], type[Service]]:
    def register(kind: type[Service]) -> type[Service]:
        FAULTS[name] = kind
        return kind

    return register


@fault("lost-cancel")
class LostCancel(Service):
    """CAN-5: a cancel is answered with success, and the call rings on."""

    def cancellable(self, caller: Session, room: Room, user_id_list: list[str]) -> list[Entry]:
        super().cancellable(caller, room, user_id_list)
        return []


@fault("double-timeout")
class DoubleTimeout(Service):
    """TMO-4: a call that has timed out times out once more a second later, if nobody calls again."""

    def expire(self, room: Room, entry: Entry) -> None:
        super().expire(room, entry)
        heapq.heappush(
            self.deadlines, (self.now + 1_000_000_000, room.instance, entry.place, entry.attempt, room, entry)
        )

    def is_due_to_expire(self, deadline: int, instance: int, place: int, attempt: int, room: Room, entry: Entry) -> bool:
        again = entry.status is InvitationStatus.TIMEOUT and entry.deadline is not None and deadline > entry.deadline
        if again and not room.dissolved and room.entries.get(entry.invitee) is entry:
            entry.deadline = None  # and not a third time
            return True
        return super().is_due_to_expire(deadline, instance, place, attempt, room, entry)


@fault("wrong-device-filter")
class WrongDeviceFilter(Service):
    """DEV-4: the device that answers is told that another one has."""

    def devices(self, user: str, but: str | None = None) -> list[Session]:
        return super().devices(user)


@fault("stale-page")
class StalePage(Service):
    """LST-7: pages come from a cache that is thrown away when the list grows or shrinks, but not when a status changes."""

    def __init__(self, accounts: list[Json], bounds: Bounds, rate_limits: bool):
        super().__init__(accounts, bounds, rate_limits)
        self.pages: dict[tuple, Json] = {}

    def get_invitation_list(self, caller: Session, room: Room, cursor, count: int) -> Json:
        page = super().get_invitation_list(caller, room, cursor, count)
        key = (room.instance, caller.user_id, cursor, count, *room.entries)
        return self.pages.setdefault(key, page)


@fault("one-id-too-many")
class OneIdTooMany(Service):
    """INV-9, CAN-9: a list may have one id more than the bound says."""

    def __init__(self, accounts: list[Json], bounds: Bounds, rate_limits: bool):
        super().__init__(accounts, bounds | {"ids_max": bounds["ids_max"] + 1}, rate_limits)


@fault("password-for-members")
class PasswordForMembers(Service):
    """SEC-4: list events show the password of the room."""

    def tell_list(self, room: Room, event: str, entry: Entry, *more, **options) -> None:
        before = len(self.out)
        super().tell_list(room, event, entry, *more, **options)
        for item in self.out[before:]:
            item["event"]["payload"]["roomInfo"]["password"] = room.password


@fault("timer-of-the-old-attempt")
class TimerOfTheOldAttempt(Service):
    """TMO-7: the deadline of an earlier attempt ends the call that rings now."""

    def expire_due(self) -> None:
        while self.deadlines and self.deadlines[0][0] <= self.now:
            *_, room, old = heapq.heappop(self.deadlines)
            entry = room.entries.get(old.invitee)
            if entry and entry.is_pending and not room.dissolved:
                self.expire(room, entry)

    def is_due_to_expire(self, deadline: int, instance: int, place: int, attempt: int, room: Room, entry: Entry) -> bool:
        return True


@fault("revocation-not-told-to-the-inviter")
class RevocationNotToldToTheInviter(Service):
    """REV-2: only the invitee hears that an administrator has ended the call."""

    def tell_of_revocation(self, room: Room, entry: Entry, operator: Session) -> None:
        before = len(self.out)
        super().tell_of_revocation(room, entry, operator)
        for item in self.out[before:]:
            item["event"]["to"] = [name for name in item["event"]["to"] if name["userId"] == entry.invitee]
        self.out[before:] = [item for item in self.out[before:] if item["event"]["to"]]


@fault("no-grace")
class NoGrace(Service):
    """INV-4: a user who has accepted, and is about to enter, is rung again at once."""

    def __init__(self, accounts: list[Json], bounds: Bounds, rate_limits: bool):
        super().__init__(accounts, bounds | {"entry_grace": 0}, rate_limits)


@fault("cancel-after-accept")
class CancelAfterAccept(Service):
    """CAN-6: a cancel that comes after the answer takes the entry off the list."""

    def cancellable(self, caller: Session, room: Room, user_id_list: list[str]) -> list[Entry]:
        found = super().cancellable(caller, room, user_id_list)
        entries = [room.entries[invitee] for invitee in user_id_list if invitee in room.entries]
        accepted = [entry for entry in entries if entry.status is InvitationStatus.ACCEPTED]
        return found + [entry for entry in accepted if entry.inviter == caller.user_id]


@fault("place-lost-by-calling-again")
class PlaceLostByCallingAgain(Service):
    """LST-3: who is called again goes to the end of the list."""

    def ring(self, caller: Session, room: Room, invitee: str, deadline: int | None) -> Entry:
        room.entries.pop(invitee, None)
        return super().ring(caller, room, invitee, deadline)


@fault("loser-may-enter")
class LoserMayEnter(Service):
    """DEV-3: a second device that gives the same answer is told that it succeeded."""

    def answer(self, caller: Session, room: Room, named, accepted: bool, reason: int = 0) -> Json:
        number = named.attempt if named else room.attempts.get(caller.user_id)
        earlier = room.answers.get((caller.user_id, number))
        if earlier and earlier.accepted == accepted:
            return {}
        return super().answer(caller, room, named, accepted, reason)


@fault("list-for-strangers")
class ListForStrangers(Service):
    """LST-8: whoever asks may read whom a room is calling."""

    def visible_entries(self, caller: Session, room: Room) -> list[Entry]:
        return list(room.entries.values())


@fault("expiries-by-place")
class ExpiriesByPlace(Service):
    """TMO-3: calls that became due together, while the server was down, end in the order of the list."""

    def expire_due(self) -> None:
        due = [item for item in self.deadlines if item[0] <= self.now and self.is_due_to_expire(*item)]
        for *_, room, entry in sorted(due, key=lambda item: (item[1], item[2])):
            self.expire(room, entry)


@fault("member-count-from-before")
class MemberCountFromBefore(Service):
    """EVT-8: who enters is not counted yet in what its own entry tells."""

    entering: Room | None = None

    def enter(self, by: Session, room: Room) -> None:
        self.entering = room
        super().enter(by, room)
        self.entering = None

    def room_info(self, room: Room) -> Json:
        info = super().room_info(room)
        return info | {"roomMemberCount": info["roomMemberCount"] - (room is self.entering)}


@fault("seat-needed-to-move")
class SeatNeededToMove(Service):
    """ROOM-8: in a full room nobody can go on from another of its devices."""

    def move_member(self, to: Session, room: Room) -> None:
        if room.is_full():
            raise Refused(Code.ROOM_USER_FULL, "the room is full")
        super().move_member(to, room)


@fault("hand-over-backwards")
class HandOverBackwards(Service):
    """EVT-1: a hand-over names the new owner first, so that for a moment there are two."""

    def change_user_role(self, caller: Session, room: Room, user_id: str, user_role: Role) -> Json:
        before = len(self.out)
        result = super().change_user_role(caller, room, user_id, user_role)
        self.out[before:] = self.out[before:][::-1]
        return result
