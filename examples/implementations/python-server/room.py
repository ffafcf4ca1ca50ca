"""One instance of a room: who is in it, who is being called to it, and what may be done there. It tells nobody anything."""

from dataclasses import dataclass, field

from codes import InvitationStatus, Role, RoomType


@dataclass(frozen=True)
class Session:
    """A session that is online, connected or not (TERM-1)."""

    user_id: str
    device_id: str

    @staticmethod
    def of(message: dict[str, str]) -> "Session":
        return Session(message["userId"], message["deviceId"])


@dataclass
class Entry:
    """The record of an invitee in the list (TERM-3), with its newest attempt."""

    invitee: str
    inviter: str
    place: int
    attempt: int
    deadline: int | None  # None for never (TMO-2)
    status: InvitationStatus = InvitationStatus.PENDING
    answered_at: int | None = None
    revision: int = 0  # at which it last changed

    @property
    def is_pending(self) -> bool:
        """Live, too: what was due has been committed before anybody asks (TMO-3)."""
        return self.status is InvitationStatus.PENDING

    def counts_as_called(self, now: int, entry_grace: int) -> bool:
        """INV-4: being called, or having accepted a moment ago."""
        return self.is_pending or (
            self.status is InvitationStatus.ACCEPTED and now < self.answered_at + entry_grace
        )


@dataclass(frozen=True)
class Answer:
    """What a device said to an attempt; kept for repeats and for other devices that come too late (IDM-3, DEV-3)."""

    device_id: str
    accepted: bool
    at: int


@dataclass
class Room:
    room_id: str
    instance: int
    name: str
    type: RoomType
    owner: str
    password: str
    max_member_count: int  # 0 for no limit
    create_time: int  # in milliseconds
    attendees: list[str]
    revision: int = 1
    members: dict[str, str] = field(default_factory=dict)  # user: member device, in the order of entry
    administrators: set[str] = field(default_factory=set)
    # In the order of the list: a re-invite keeps the place, what left the list comes back at its end (LST-3).
    entries: dict[str, Entry] = field(default_factory=dict)
    places: int = 0
    attempts: dict[str, int] = field(default_factory=dict)  # of each invitee, never counted down (TERM-3)
    inviters: set[str] = field(default_factory=set)
    answers: dict[tuple[str, int], Answer] = field(default_factory=dict)
    dissolved: bool = False

    def role(self, user: str) -> Role:
        if user == self.owner:
            return Role.ROOM_OWNER
        return Role.ADMINISTRATOR if user in self.administrators else Role.GENERAL_USER

    def may_manage(self, user: str) -> bool:
        """The owner from anywhere, an administrator inside: the role ends with leaving (CAN-3)."""
        return self.role(user) is not Role.GENERAL_USER

    def may_look(self, user: str) -> bool:
        return user in self.members or user == self.owner

    def knows(self, user: str) -> bool:
        """Whether responses may tell this user the revision (PROTOCOL.md 4.2, SEC-3)."""
        return self.may_look(user) or user in self.inviters or user in self.attempts

    def is_full(self) -> bool:
        return 0 < self.max_member_count <= len(self.members)

    def pending(self) -> list[Entry]:
        return [entry for entry in self.entries.values() if entry.is_pending]

    def ring(self, inviter: str, invitee: str, deadline: int | None) -> Entry:
        """Begins a new attempt, in the invitee's old place if there is one (INV-7)."""
        number = self.attempts[invitee] = self.attempts.get(invitee, 0) + 1
        self.inviters.add(inviter)
        entry = self.entries.get(invitee)
        if entry is None:
            self.places += 1
            place = self.places
        else:
            place = entry.place
        entry = Entry(invitee, inviter, place, number, deadline)
        self.entries[invitee] = entry
        return entry

    def answer(self, entry: Entry, device_id: str, accepted: bool, now: int) -> None:
        entry.status = InvitationStatus.ACCEPTED if accepted else InvitationStatus.REJECTED
        entry.answered_at = now
        self.answers[entry.invitee, entry.attempt] = Answer(device_id, accepted, now)

    def put_out(self, user: str) -> None:
        del self.members[user]
        self.administrators.discard(user)

    def newest_answer(self) -> int | None:
        return max((answer.at for answer in self.answers.values()), default=None)
