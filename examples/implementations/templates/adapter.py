#!/usr/bin/env python3
"""A template: between Convoke and the logic of your server, in Python 3.11, contract `core`.

Convoke starts this and talks to it over standard input and output, one JSON object a line, as docs/IMPLEMENTATIONS.md
says. Everything of that conversation is here; your calls go where it says YOURS. As it stands, every operation is
answered with 100001, not implemented, so a run ends with a verdict that says what comes next.

    convoke smoke --server "python3 adapter.py"
    convoke conform --server "python3 adapter.py" scenarios/lists
"""

import json
import sys
from typing import Any

Json = dict[str, Any]

# The name of your server and its version, for reports.
NAME, VERSION = "my-server", "0.1"


class Refused(Exception):
    """Raise this where a call fails: the code is one of PROTOCOL.md, section 11."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.error = {"code": code, "message": message}


class Server:
    """Your server, or what calls it. A new one is made for every run, so nothing of the last run is left.

    Take the time from `now`, in nanoseconds, and from nowhere else. Draw no random numbers but from the seed in `hello`.
    """

    def __init__(self, hello: Json):
        # YOURS: make a fresh server. `hello` has the accounts that exist, the bounds, and whether there are rate limits.
        self.accounts = {account["userId"]: account for account in hello["accounts"]}
        self.bounds = hello["bounds"]
        self.now = 0
        self.online: dict[tuple[str, str], Json] = {}  # the sessions that are online, by user and device
        self.out: list[Json] = []  # what is to happen because of the message at hand, in order

    def session_began(self, session: Json) -> None:
        # YOURS: tell your server, if it keeps track of who is online.
        self.online[session["userId"], session["deviceId"]] = session

    def session_ended(self, session: Json) -> None:
        # YOURS: if the user was in a room through this device, that is an exit from it (TERM-2).
        self.online.pop((session["userId"], session["deviceId"]), None)

    def request(self, session: Json, operation: str, args: Json) -> tuple[Json, Json | None]:
        """Carries an operation out: its `result`, and the `at` of PROTOCOL.md 4.2 or None. Or raises Refused."""
        # YOURS: one branch for each operation of PROTOCOL.md, section 6. For example:
        #
        #     if operation == "createRoom":
        #         room = my_server.create_room(owner=session["userId"], room_id=args["roomId"], now=self.now)
        #         return {}, {"instance": room.instance, "revision": room.revision}
        #
        # and where somebody is to hear of it, before you return:
        #
        #     self.tell(devices, "onReceiveInvitation", payload, stamp)
        raise Refused(100001, f"not implemented: {operation}")

    def time_passed(self) -> None:
        # YOURS: whatever is due by self.now. This comes before every other message, too (TMO-3).
        pass

    def wake_at(self) -> int | None:
        # YOURS: when the next thing is due by itself, such as the deadline of a call; None if nothing is.
        return None

    def tell(self, to: list[Json], event: str, payload: Json, stamp: Json) -> None:
        """Sends an event to sessions that are online (PROTOCOL.md, section 8)."""
        names = [{"userId": session["userId"], "deviceId": session["deviceId"]} for session in to]
        if names:
            self.out.append({"event": {"to": names, "event": event, "payload": payload, "stamp": stamp}})


def answer(server: Server, message: Json) -> Json:
    """One message in, one answer out. Nothing here needs a change."""
    server.now = message.get("now", server.now)
    server.out = []
    server.time_passed()
    match message["type"]:
        case "online":
            server.session_began(message["session"])
        case "offline":
            server.session_ended(message["session"])
        case "request":
            response: Json = {"id": message["id"]}
            try:
                response["result"], at = server.request(message["session"], message["operation"], message["args"])
                if at is not None:
                    response["at"] = at
            except Refused as refused:
                response["error"] = refused.error
            server.out.append({"response": response})
    out: Json = {"type": "out", "out": server.out}
    wake_at = server.wake_at()
    if wake_at is not None:
        out["wakeAt"] = wake_at
    return out


def say(message: Json) -> None:
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    sys.stdout.buffer.write(text.encode() + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    server = None
    for line in sys.stdin.buffer:
        message = json.loads(line)
        match message["type"]:
            case "hello":
                # Where another contract is asked for, Convoke says what this is.
                server = Server(message) if message["contract"] == "core" else None
                # `storage` "none": a server that forgets everything in a crash. Scenarios with crashes are left out then.
                # `reusable`: another hello may come, and begins another run. That saves starting a process for each.
                say(
                    {
                        "type": "hello",
                        "schema": 1,
                        "contract": "core",
                        "name": NAME,
                        "version": VERSION,
                        "storage": "none",
                        "reusable": True,
                    }
                )
            case "stop":
                say({"type": "out", "out": []})
                return
            case "fault":  # something that we said was no message: the reason, and where to read
                sys.exit(f"{message['reason']} (see {message['read']})")
            case _:
                assert server is not None, "a message came before hello"
                say(answer(server, message))


if __name__ == "__main__":
    main()
