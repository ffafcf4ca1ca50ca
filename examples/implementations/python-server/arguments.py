"""Row 4 of the order of checks: the form of the arguments. What comes out of `read` needs no second look.

What needs to know a room, an account or the time is checked in service.py.
"""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from codes import Code, Refused, Role, RoomType

NANOSECONDS = 1_000_000_000
MILLISECOND = 1_000_000

# ERR-2: the 89 characters of a roomId. PROTOCOL.md, section 6, has the list.
ROOM_ID_CHARACTERS = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !#$%&()+-:;<=.>?@[]^_{}|~,"
)
ROOM_ID_MAX = 64

Bounds = dict[str, int]


@dataclass(frozen=True)
class Attempt:
    """The ring that an answer names (ACC-1)."""

    instance: int
    attempt: int


@dataclass(frozen=True)
class Cursor:
    """Where a page ended: behind the entry of this place, in the list of this instance as this caller sees it."""

    instance: int
    caller: str
    place: int

    def write(self) -> str:
        text = json.dumps([self.instance, self.caller, self.place], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode()


def invalid(message: str) -> Refused:
    return Refused(Code.INVALID_PARAMETER, message)


def is_number(value: Any) -> bool:
    """Python takes true and false for numbers, too."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    return is_number(value) and isinstance(value, int)


def room_id(value: Any, _: Bounds) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= ROOM_ID_MAX or not ROOM_ID_CHARACTERS.issuperset(value):
        raise Refused(Code.ROOM_ID_INVALID, f"roomId is 1 to {ROOM_ID_MAX} of 89 characters")
    return value


def text(value: Any, _: Bounds) -> str:
    if not isinstance(value, str):
        raise invalid("a text was expected")
    return value


def user_id(value: Any, _: Bounds) -> str:
    if not isinstance(value, str) or not value:
        raise invalid("a user id is a text that is not empty")
    return value


def attendees(value: Any, bounds: Bounds) -> list[str]:
    """Ids in the order of their first occurrence, each once (INV-8); none is allowed."""
    if not isinstance(value, list):
        raise invalid("a list of user ids was expected")
    # The length is judged as given, duplicates included.
    if len(value) > bounds["ids_max"]:
        raise invalid(f"more than {bounds['ids_max']} user ids")
    return list(dict.fromkeys(user_id(item, bounds) for item in value))


def user_id_list(value: Any, bounds: Bounds) -> list[str]:
    if value == []:
        raise invalid("userIdList is empty")
    return attendees(value, bounds)


def timeout(value: Any, bounds: Bounds) -> int:
    """Seconds, as nanoseconds (INV-11)."""
    if not is_number(value):
        raise invalid("timeout is a number of seconds")
    # The shortest decimal that means this number is what the caller wrote; a binary fraction would round 0.07 up to 71 ms.
    seconds = Decimal(str(value))
    if not seconds.is_finite() or not 0 <= seconds * NANOSECONDS <= bounds["timeout_max"]:
        raise invalid("timeout is from 0 to the longest that is allowed")
    milliseconds, rest = divmod(seconds * NANOSECONDS, MILLISECOND)
    return (int(milliseconds) + (1 if rest else 0)) * MILLISECOND


def extension_info(value: Any, bounds: Bounds) -> str:
    if not isinstance(value, str) or len(value.encode(errors="surrogatepass")) > bounds["extension_info_max"]:
        raise invalid(f"extensionInfo is a text of at most {bounds['extension_info_max']} bytes")
    return value


def reason(value: Any, _: Bounds) -> int:
    # Read as a number first, so that 1.0 is 1.
    if not is_number(value) or value not in (0, 1):
        raise invalid("reason is 0 or 1")
    return int(value)


def attempt(value: Any, _: Bounds) -> Attempt:
    if not isinstance(value, dict) or value.keys() != {"instance", "attempt"} or not all(map(is_whole, value.values())):
        raise invalid("attempt is an object of instance and attempt")
    return Attempt(**value)


def cursor(value: Any, _: Bounds) -> Cursor | None:
    """A cursor that this server could have given; None for '', which begins again (LST-5)."""
    if value == "":
        return None
    try:
        instance, caller, place = json.loads(base64.b64decode(value, altchars=b"-_", validate=True))
        read = Cursor(instance, caller, place)
        if is_whole(instance) and isinstance(caller, str) and is_whole(place) and read.write() == value:
            return read
    except (TypeError, ValueError, binascii.Error, RecursionError):
        pass
    raise invalid("no cursor of this server")


def count(value: Any, bounds: Bounds) -> int:
    """How many entries the page may have (LST-4)."""
    # Read as a number first, so that 20.0 is 20.
    if not is_number(value) or value < 0 or value % 1 != 0:
        raise invalid("count is a whole number that is not negative")
    return min(int(value) or bounds["page_default"], bounds["page_max"])


def room_type(value: Any, _: Bounds) -> RoomType:
    if not is_whole(value) or value not in list(RoomType):
        raise invalid("roomType is 1 or 2")
    return RoomType(value)


def user_role(value: Any, _: Bounds) -> Role:
    if not is_whole(value) or value not in list(Role):
        raise invalid("userRole is 0, 1 or 2")
    return Role(value)


def member_count(value: Any, _: Bounds) -> int:
    if not is_whole(value) or value < 0:
        raise invalid("maxMemberCount is a whole number that is not negative")
    return value


REQUIRED = object()


@dataclass(frozen=True)
class Field:
    read: Callable[[Any, Bounds], Any]
    default: Any = REQUIRED  # as the caller would write it; or REQUIRED; or None, for which there is no way to write it


ROOM_ID = Field(room_id)
IDS = Field(user_id_list)

FIELDS: dict[str, dict[str, Field]] = {
    "inviteUsers": {
        "roomId": ROOM_ID,
        "userIdList": IDS,
        "timeout": Field(timeout, 0),
        "extensionInfo": Field(extension_info, ""),
    },
    "cancelInvitation": {"roomId": ROOM_ID, "userIdList": IDS},
    "accept": {"roomId": ROOM_ID, "attempt": Field(attempt, None)},
    "reject": {"roomId": ROOM_ID, "reason": Field(reason, 0), "attempt": Field(attempt, None)},
    "getInvitationList": {"roomId": ROOM_ID, "cursor": Field(cursor, ""), "count": Field(count, 0)},
    "setSelfInfo": {"userName": Field(text), "avatarUrl": Field(text, "")},
    "createRoom": {
        "roomId": ROOM_ID,
        "roomName": Field(text, ""),
        "roomType": Field(room_type, 1),
        "password": Field(text, ""),
        "maxMemberCount": Field(member_count, 0),
        "scheduleAttendees": Field(attendees, []),
    },
    "destroyRoom": {"roomId": ROOM_ID},
    "enterRoom": {"roomId": ROOM_ID, "password": Field(text, "")},
    "exitRoom": {"roomId": ROOM_ID},
    "kickRemoteUserOutOfRoom": {"roomId": ROOM_ID, "userId": Field(user_id)},
    "changeUserRole": {"roomId": ROOM_ID, "userId": Field(user_id), "userRole": Field(user_role)},
    "fetchRoomInfo": {"roomId": ROOM_ID},
    "updateRoomNameByAdmin": {"roomId": ROOM_ID, "roomName": Field(text)},
    "addAttendeesByAdmin": {"roomId": ROOM_ID, "userIdList": IDS},
    "removeAttendeesByAdmin": {"roomId": ROOM_ID, "userIdList": IDS},
    "fetchAttendeeList": {"roomId": ROOM_ID},
    "getUserList": {"roomId": ROOM_ID},
    "fetchNotEnteredList": {"roomId": ROOM_ID},
}
NEVER_SENT = ("fetchNotEnteredList",)  # ROOM-7: client libraries answer it themselves


def read(operation: str, args: Any, bounds: Bounds) -> dict[str, Any]:
    """The arguments of an operation, with the defaults of those left out; or Refused."""
    fields = FIELDS.get(operation)
    if fields is None:
        raise invalid(f"there is no operation {operation}")
    given = args if isinstance(args, dict) else {}
    # The room id is judged first, also when it is missing.
    if "roomId" in fields:
        room_id(given.get("roomId"), bounds)
    if operation in NEVER_SENT:
        raise invalid(f"{operation} is not for servers")
    if given is not args:
        raise invalid("args is an object")
    for name in given:
        if name not in fields:
            raise invalid(f"{operation} takes no {name}")
    values = {}
    for name, field in fields.items():
        value = given.get(name, field.default)
        if value is REQUIRED:
            raise invalid(f"{operation} needs {name}")
        # From a caller, null is no way to leave a field out.
        values[name] = None if value is None and name not in given else field.read(value, bounds)
    return values
