"""A client library: the session of one device over the wire of PROTOCOL.md, with the calls and events of the API.

It logs in, repeats what is unanswered, takes events in their order, comes back after a loss, and lets the application hear
nothing that would mislead it. What it shows is the API's: no stamps, no attempts.
"""

import asyncio
import itertools
import json
import math
import re
import secrets
import traceback

from websocket import Closed, WebSocket

FAILED, REPEAT_OPERATION, INVALID_PARAMETER, NOT_INITIALIZED = -1, -3, -1001, -1002
NOT_IN_A_ROOM, ROOM_ID_INVALID, PENDING, NONE, LOST_WHILE_OFFLINE = -2101, -2105, 1, 0, 4
NOTHING = {"instance": 0, "revision": 0}
RETRY_AFTER = 0.05  # seconds
ROOM_ID = re.compile(r"[a-zA-Z0-9 !#$%&()+\-:;<=.>?@\[\]^_{}|~,]{1,64}")
LIST = {"onInvitationAdded", "onInvitationRemoved", "onInvitationStatusChanged"}
CLOSING = {
    "onInvitationCancelled",
    "onInvitationRevokedByAdmin",
    "onInvitationTimeout",
    "onInvitationHandledByOtherDevice",
}


class Refused(Exception):
    """A call has failed."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


class Sdk:
    def __init__(self, url, identity, bounds, hear):
        """`hear` is called with the name and the payload of every event."""
        self.url, self.identity, self.bounds, self.hear = url, identity, bounds, hear
        self.ids = itertools.count(1)
        self.prefix = secrets.token_hex(8)  # ids never come twice, also after a restart (IDM-1)
        self.online = True
        self.task = self.socket = self.logging_in = None
        self._forget_session()

    # What the application calls.

    async def call(self, operation, args):
        """What the operation returns; None where it returns nothing."""
        if operation == "login":
            return await self._login(args.get("userSig", ""))
        if not self.wanted:
            raise Refused(NOT_INITIALIZED, "not logged in")
        if "roomId" in args and not ROOM_ID.fullmatch(args["roomId"]):
            raise Refused(ROOM_ID_INVALID, "roomId is 1 to 64 of 89 characters")
        if operation == "fetchNotEnteredList":
            return await self._not_entered(args["roomId"])
        check(operation, args, self.bounds)
        if operation in ("accept", "reject") and args["roomId"] in self.rings:
            args = {**args, "attempt": self.rings[args["roomId"]]}  # ACC-1
        response = await self._request(operation, args)
        return self._returned(operation, args, response["result"], response.get("at", NOTHING))

    async def has_session(self, patience):
        """Waits until the device is connected again, or learns that it is not to be."""
        end = asyncio.get_running_loop().time() + patience
        while self.wanted and not self.ready.is_set() and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.005)

    def network(self, online):
        self.online = online
        if not online and self.socket:
            self.ready.clear()
            self.socket.close()

    def kill(self):
        """Dies without a word."""
        if self.task:
            self.task.cancel()
        if self.socket:
            self.socket.writer.transport.abort()

    # The session.

    def _forget_session(self):
        self.wanted = False  # whether there is to be a session
        self.session = None
        self.received = self.acknowledged = 0
        self.ready = asyncio.Event()
        self.unanswered = {}  # by id, in the order of the calls
        self.room = None
        self._forget_room()

    def _forget_room(self):
        self.rings = {}  # by room: the newest ring that this session has heard of or was shown
        self.lists = {}  # by room: what was seen of the list

    async def _login(self, user_sig):
        if self.logging_in:
            raise Refused(REPEAT_OPERATION, "a login is under way")
        if self.wanted:
            return
        self.wanted, self.user_sig = True, user_sig
        self.logging_in = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._run())
        patience = self.bounds["request_timeout"] / 1e9
        try:
            await asyncio.wait_for(self.logging_in, patience)
        except asyncio.TimeoutError:
            self._end()
            raise Refused(FAILED, "nobody answered the login") from None
        finally:
            self.logging_in = None

    async def _run(self):
        """Connects, again and again, as long as there is to be a session."""
        while self.wanted:
            if self.online:
                try:
                    self.socket = await WebSocket.connect(self.url, "convoke.v1")
                    await self._talk()
                except (Closed, OSError):
                    pass
                except Exception:  # a message that can't be is no reason to stop for ever
                    traceback.print_exc()
                self.ready.clear()
                self.socket = None
            await asyncio.sleep(RETRY_AFTER)

    async def _talk(self):
        resume = {"session": self.session, "received": self.received} if self.session else None
        login = {"type": "login", **self.identity, "userSig": self.user_sig, **({"resume": resume} if resume else {})}
        self.socket.send(json.dumps(login))
        while self.wanted:
            message = json.loads(await self.socket.receive())
            if not self.online:
                return
            match message["type"]:
                case "loggedIn":
                    self._welcome(message)
                case "refused":
                    self._refused(**message["error"])
                case "response":
                    request = self.unanswered.pop(message["id"], None)
                    if request and not request[0].done():
                        request[0].set_result(message)
                case "event":
                    self._happened(message)

    def _welcome(self, message):
        self.session = message["session"]
        if not message["resumed"]:
            self.received = self.acknowledged = 0
            room, self.room = self.room, None
            self._forget_room()
            if room:  # TERM-2: the place in the room went with the old session
                message = "the session ended while the device was offline"
                self.hear("onKickedOutOfRoom", {"roomId": room, "reason": LOST_WHILE_OFFLINE, "message": message})
        if self.logging_in and not self.logging_in.done():
            self.logging_in.set_result(None)
        self.ready.set()
        for request in list(self.unanswered.values()):  # IDM-5: under the same id
            self._send(request)

    def _refused(self, code, message):
        # DEV-9: the session went to another device of the user while this one was away.
        evicted = not self.logging_in and code == NOT_INITIALIZED
        if self.logging_in and not self.logging_in.done():
            self.logging_in.set_exception(Refused(code, message))
        self._end()
        if evicted:
            self.hear("onKickedOffLine", {"message": message})

    async def _request(self, operation, args):
        future = asyncio.get_running_loop().create_future()
        request_id = f"{self.prefix}-{next(self.ids)}"
        request = self.unanswered[request_id] = (future, request_id, operation, args)
        if self.ready.is_set():
            self._send(request)
        try:
            response = await asyncio.wait_for(future, self.bounds["request_timeout"] / 1e9)
        except asyncio.TimeoutError:
            self.unanswered.pop(request_id, None)
            raise Refused(FAILED, f"{operation} was not answered: its outcome is unknown") from None
        if "error" in response:
            raise Refused(response["error"]["code"], response["error"]["message"])
        return response

    def _send(self, request):
        _, request_id, operation, args = request
        self.acknowledged = self.received
        message = {"type": "request", "id": request_id, "received": self.received, "operation": operation, "args": args}
        self.socket.send(json.dumps(message))

    def _end(self):
        waiting, socket = self.unanswered, self.socket
        self._forget_session()
        for future, *_ in waiting.values():
            if not future.done():
                future.set_exception(Refused(FAILED, "the session is over"))
        if socket:
            socket.close()

    # What comes.

    def _returned(self, operation, args, result, at):
        match operation:
            case "logout":
                self._end()
            case "enterRoom":
                self.room = args["roomId"]
                return result["roomInfo"]
            case "exitRoom" | "destroyRoom":
                self.room = None
            case "fetchRoomInfo":
                return result["roomInfo"]
            case "fetchAttendeeList":
                return result["attendees"]
            case "getUserList":
                return result["members"]
            case "inviteUsers":
                return {code["userId"]: code["code"] for code in result["codes"]}
            case "getInvitationList":
                return self._page(args["roomId"], result["page"], at)
        return None

    def _page(self, room, page, at):
        known = self._list(room, at["instance"])
        for item in page["invitationList"]:
            user, invitation = item["invitation"]["invitee"]["userId"], item["invitation"]
            known["newest"][user] = max(item["revision"], known["newest"].get(user, 0))
            if user == self.identity["userId"] and invitation["status"] == PENDING:
                self.rings[room] = {"instance": at["instance"], "attempt": item["attempt"]}
        if page["cursor"] == "":  # REC-3: a traversal takes in everything up to its last page
            known["revision"] = max(known["revision"], at["revision"])
        return {"invitationList": [item["invitation"] for item in page["invitationList"]], "cursor": page["cursor"]}

    def _happened(self, event):
        if event["seq"] != self.received + 1:
            return  # IDM-4: what was on its way at a loss comes again
        self.received = event["seq"]
        if self.received - self.acknowledged >= self.bounds["acknowledge_every"]:
            self.acknowledged = self.received
            self.socket.send(json.dumps({"type": "acknowledge", "received": self.received}))
        name, payload, stamp = event["event"], event["payload"], event.get("stamp") or {}
        if name == "onKickedOffLine":
            self._end()
        elif name in ("onRoomDismissed", "onKickedOutOfRoom") and payload["roomId"] == self.room:
            self.room = None
        if "about" not in stamp or self._is_news(name, payload, stamp):
            self.hear(name, payload)

    def _is_news(self, name, payload, stamp):
        room = payload.get("roomId") or payload["roomInfo"]["roomId"]
        invitee, attempt = stamp["about"]["invitee"], stamp["about"]["attempt"]
        if name in LIST:  # ORD-5: what is older than what was seen of this invitee is no news
            known = self._list(room, stamp["instance"])
            newest = max(known["revision"] + 1, known["newest"].get(invitee, 0))
            if known["instance"] > stamp["instance"] or stamp["revision"] < newest:
                return False
            known["newest"][invitee] = stamp["revision"]
            return True
        if invitee != self.identity["userId"]:
            return True
        ring = {"instance": stamp["instance"], "attempt": attempt}
        if name == "onReceiveInvitation":
            self.rings[room] = ring
            return True
        return name not in CLOSING or self.rings.get(room) == ring  # DEV-8

    def _list(self, room, instance):
        known = self.lists.get(room)
        if not known or known["instance"] < instance:
            known = self.lists[room] = {"instance": instance, "revision": 0, "newest": {}}
        return known

    async def _not_entered(self, room):
        """ROOM-7: who is called or expected and not in the room; the library's own."""
        if self.room != room:
            raise Refused(NOT_IN_A_ROOM, "not in that room")
        users, cursor = {}, ""
        while True:
            page = await self.call("getInvitationList", {"roomId": room, "cursor": cursor, "count": 0})
            for invitation in page["invitationList"]:
                user = invitation["invitee"]
                status = {"userId": user["userId"], "userName": user["userName"], "status": invitation["status"]}
                users[user["userId"]] = status
            cursor = page["cursor"]
            if not cursor:
                break
        for user in await self.call("fetchAttendeeList", {"roomId": room}):
            users.setdefault(user["userId"], {"userId": user["userId"], "userName": user["userName"], "status": NONE})
        inside = {user["userId"] for user in await self.call("getUserList", {"roomId": room})}
        return [user for user_id, user in users.items() if user_id not in inside]


def check(operation, args, bounds):
    """What is malformed does not leave the device (ERR-2)."""

    def must(holds, message):
        if not holds:
            raise Refused(INVALID_PARAMETER, message)

    if operation in ("inviteUsers", "cancelInvitation"):
        ids = args["userIdList"]
        must(0 < len(ids) <= bounds["ids_max"], f"userIdList is a list of 1 to {bounds['ids_max']} ids")
        must(all(ids), "an id is a text, not empty")
    if operation == "inviteUsers":
        longest, timeout = bounds["timeout_max"] / 1e9, args.get("timeout", 0)
        must(is_number(timeout) and 0 <= timeout <= longest, f"timeout is a number of seconds up to {longest}")
        bytes_max = bounds["extension_info_max"]
        must(len(args.get("extensionInfo", "").encode()) <= bytes_max, f"extensionInfo is at most {bytes_max} bytes")
    if operation == "reject":
        must(args.get("reason", 0) in (0, 1), "reason is 0 or 1")
    if operation == "getInvitationList":
        count = args.get("count", 0)
        must(is_number(count) and count == int(count) and count >= 0, "count is a whole number from 0")


def is_number(value):
    # JSON has no NaN: it comes as null.
    return isinstance(value, (int, float)) and math.isfinite(value)
