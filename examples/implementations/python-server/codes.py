"""The numbers of docs/PROTOCOL.md, section 11: enumerations, error codes, and the refusal that carries one."""

from enum import IntEnum


class InvitationStatus(IntEnum):
    NONE = 0
    PENDING = 1
    TIMEOUT = 2
    ACCEPTED = 3
    REJECTED = 4


class InvitationCode(IntEnum):
    SUCCESS = 0
    ALREADY_IN_INVITATION_LIST = 1
    ALREADY_IN_CONFERENCE = 2


class Role(IntEnum):
    ROOM_OWNER = 0
    ADMINISTRATOR = 1
    GENERAL_USER = 2


class RoomType(IntEnum):
    CONFERENCE = 1
    LIVE = 2


class KickedReason(IntEnum):
    BY_ADMIN = 0
    BY_LOGGED_ON_OTHER_DEVICE = 1


class DismissedReason(IntEnum):
    BY_OWNER = 1


class Code(IntEnum):
    FREQ_LIMIT = -2
    INVALID_PARAMETER = -1001
    NOT_LOGGED_IN = -1002
    WRONG_ROOM_TYPE = -2103
    ROOM_ID_INVALID = -2105
    ALREADY_IN_OTHER_ROOM = -2108
    USER_NOT_EXIST = -2200
    REQUEST_ID_INVALID = -2311
    ROOM_ID_OCCUPIED = 100003
    ROOM_ID_NOT_EXIST = 100004
    USER_NOT_ENTERED = 100005
    NO_PERMISSION = 100006
    ROOM_USER_FULL = 100008
    NEED_PASSWORD = 100018
    WRONG_PASSWORD = 100019
    REQUEST_CONFLICT = 100102


class Refused(Exception):
    """A call that fails, with the code and the message of its error (ERR-4). It has changed nothing (ERR-3)."""

    def __init__(self, code: Code, message: str):
        super().__init__(message)
        self.code = code
        self.message = message
