"""Readings of a requirement that are as common as that of docs/PROTOCOL.md, one at a time, with `--variant NAME`.

They are wrapped around the service like the faults, and are none: a profile that declares the variant lets the server pass,
as non-strict. The docstring begins with what the profile says.
"""

from collections.abc import Callable

import arguments
from codes import Code, InvitationStatus, Refused
from room import Entry, Room, Session
from service import Json, Service

VARIANTS: dict[str, type[Service]] = {}

LIST_EVENTS = ("onInvitationAdded", "onInvitationRemoved", "onInvitationStatusChanged")
TO_THE_INVITER = ("onInvitationAccepted", "onInvitationRejected", "onInvitationTimeout", "onInvitationRevokedByAdmin")


def variant(name: str) -> Callable[[type[Service]], type[Service]]:
    def register(kind: type[Service]) -> type[Service]:
        VARIANTS[name] = kind
        return kind

    return register


@variant("revoked-to-the-invitee")
class RevokedToTheInvitee(Service):
    """REV-2: invitee. Only the devices of the invitee hear onInvitationRevokedByAdmin."""

    def tell(self, to: list[Session], event: str, payload: Json, room: Room, about: Entry | None = None) -> None:
        if event == "onInvitationRevokedByAdmin":
            to = [session for session in to if session.user_id == about.invitee]
        super().tell(to, event, payload, room, about)


class Loser(Service):
    """What a device gets that answers what another device of its user has answered."""

    def answer(self, caller: Session, room: Room, named: arguments.Attempt | None, accepted: bool, reason: int = 0) -> Json:
        try:
            return super().answer(caller, room, named, accepted, reason)
        except Refused as refused:
            number = named.attempt if named else room.attempts.get(caller.user_id)
            of = self.instance(room, named.instance) if named else room
            earlier = of.answers.get((caller.user_id, number)) if of else None
            # IDM-3: its own other answer is another matter.
            if earlier is None or earlier.device_id == caller.device_id:
                raise refused
            return self.lose()

    def lose(self) -> Json:
        raise NotImplementedError


@variant("loser-finds-nothing")
class LoserFindsNothing(Loser):
    """DEV-3: no-live-invitation. The losing device gets -2311, in the words that everybody gets (SEC-2)."""

    def lose(self) -> Json:
        raise Refused(Code.REQUEST_ID_INVALID, "there is no live invitation")


@variant("loser-succeeds")
class LoserSucceeds(Loser):
    """DEV-3: success. The losing device is told that it succeeded, and nothing happens."""

    def lose(self) -> Json:
        return {}


@variant("second-call-is-a-change")
class SecondCallIsAChange(Service):
    """EVT-3: status-changed. Members hear onInvitationStatusChanged when somebody on the list is called again."""

    def ring(self, caller: Session, room: Room, invitee: str, deadline: int | None) -> Entry:
        was_listed = invitee in room.entries
        entry = super().ring(caller, room, invitee, deadline)
        if was_listed:
            self.called_again = getattr(self, "called_again", set()) | {(room.instance, invitee, entry.attempt)}
        return entry

    def tell(self, to: list[Session], event: str, payload: Json, room: Room, about: Entry | None = None) -> None:
        again = getattr(self, "called_again", set())
        if event == "onInvitationAdded" and (room.instance, about.invitee, about.attempt) in again:
            event = "onInvitationStatusChanged"
        super().tell(to, event, payload, room, about)


@variant("list-events-with-roominfo")
class ListEventsWithRoomInfo(Service):
    """EVT-2: room-info. List events have no roomId."""

    def tell(self, to: list[Session], event: str, payload: Json, room: Room, about: Entry | None = None) -> None:
        if event in LIST_EVENTS:
            payload = {name: value for name, value in payload.items() if name != "roomId"}
        super().tell(to, event, payload, room, about)


@variant("list-events-with-roomid")
class ListEventsWithRoomId(Service):
    """EVT-2: room-id. List events have no roomInfo."""

    def tell(self, to: list[Session], event: str, payload: Json, room: Room, about: Entry | None = None) -> None:
        if event in LIST_EVENTS:
            payload = {name: value for name, value in payload.items() if name != "roomInfo"}
        super().tell(to, event, payload, room, about)


@variant("gone-with-the-last-status")
class GoneWithTheLastStatus(Service):
    """EVT-6: last. Cancelled, Revoked and Removed show the status that the invitation had until then."""

    def tell(self, to: list[Session], event: str, payload: Json, room: Room, about: Entry | None = None) -> None:
        if event in ("onInvitationCancelled", "onInvitationRevokedByAdmin"):
            payload = payload | {"invitation": payload["invitation"] | {"status": InvitationStatus.PENDING}}
        if event == "onInvitationRemoved":
            payload = payload | {"invitation": payload["invitation"] | {"status": about.status}}
        super().tell(to, event, payload, room, about)


@variant("inviter-hears-in-the-room")
class InviterHearsInTheRoom(Service):
    """EVT-7: member-device. Of the inviter's devices only that by which it is in the room hears what becomes of its call."""

    def tell(self, to: list[Session], event: str, payload: Json, room: Room, about: Entry | None = None) -> None:
        if event in TO_THE_INVITER:
            inside = room.members.get(about.inviter)
            to = [session for session in to if session.user_id != about.inviter or session.device_id == inside]
        super().tell(to, event, payload, room, about)


@variant("outsiders-see-all")
class OutsidersSeeAll(Service):
    """LST-9: whole-list. An invitee who is not in the room sees the whole list."""

    def visible_entries(self, caller: Session, room: Room) -> list[Entry]:
        super().visible_entries(caller, room)  # who may not look is refused all the same (LST-8)
        return list(room.entries.values())
