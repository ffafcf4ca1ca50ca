#!/usr/bin/env python3
"""A template: between Convoke and a client library, in Python 3.11, contract `device`.

Convoke starts this and talks to it over standard input and output, one JSON object a line, as docs/IMPLEMENTATIONS.md
says (sections 2 and 9): it plays the application, the network, the clock and the server, and this process plays all
devices. Everything of that conversation is here; your calls go where it says YOURS. As it stands, every call fails with
100001, not implemented, so a run ends with a verdict that says what comes next.

    convoke smoke --device "python3 device.py"
    convoke conform --device "python3 device.py" scenarios/client
"""

import json
import sys
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

# The name of your library and its version, for reports.
NAME, VERSION = "my-sdk", "0.1"
# What your library does not have, so that scenarios which need it are left out: take out what it has.
LACKS = ["handlers", "autoBusy", "fetchNotEnteredList"]


class Refused(Exception):
    """Raise this where a call fails at once: the code is one of PROTOCOL.md, section 11."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.error = {"code": code, "message": message}


class Device:
    """A device's program, from its start until it is killed. When it starts again, a new one is made: nothing is left.

    Your library needs two things that it does not make itself: a transport and timers. Give it `connect`, `disconnect`
    and `send` of this class instead of its socket, and `after` instead of its timers. Take the time from `now`, in
    nanoseconds, and no random numbers but from `entropy`: request ids must never come twice (IDM-1).
    """

    def __init__(self, start: Json, bounds: Json):
        # YOURS: make a fresh library. `identity` has userId, deviceId and platform; `autoBusy` is REJ-5; `bounds` has the
        # numbers of PROTOCOL.md, section 11, durations in nanoseconds.
        self.identity, self.auto_busy, self.entropy = start["identity"], start["autoBusy"], start["entropy"]
        self.bounds = bounds
        self.out: list[Json] = []  # what is to happen because of the message at hand, in order
        self.now = 0
        self.timers: list[tuple[int, Callable[[], None]]] = []
        self.is_connected = False
        # YOURS: have it call self.hears for every event, before any other handler.

    def connected(self) -> None:
        """The connection that was asked for stands."""
        # YOURS: the login message of PROTOCOL.md, 4.1, comes first.

    def disconnected(self) -> None:
        """The connection is gone."""
        # YOURS: ask for another with self.connect(), if somebody is logged in.

    def received(self, message: Json) -> None:
        """A message of PROTOCOL.md, 4.2."""
        # YOURS: an answer lets a call return; an event goes to the application, once and in order (IDM-4).

    def call(self, call: int, operation: str, args: Json) -> None:
        """The application calls: `login`, `logout`, and the operations of PROTOCOL.md, section 6.

        Whenever the answer is there, say `self.returns(call, value)` or `self.fails(call, code, message)`, once. What can be
        refused at once may raise Refused.
        """
        # YOURS: one branch for each method of your library. For example:
        #
        #     if operation == "enterRoom":
        #         self.library.enter_room(args["roomId"], done=lambda room: self.returns(call, room))
        raise Refused(100001, f"not implemented: {operation}")

    def on(self, event: str, handler: str, removes: list[str]) -> None:
        """The application registers a handler (EVT-9)."""
        # YOURS, with `handlers` taken out of LACKS: the same name is the same function. When it is called, it says
        # self.out.append({"handled": {"handler": ..., "event": ..., "payload": ...}}) and removes those that `removes` names.

    def off(self, event: str, handler: str) -> None:
        """The application removes a handler."""
        # YOURS.

    # What your library does with the world. Nothing below needs a change.

    def connect(self) -> None:
        self.out.append({"connect": {}})

    def disconnect(self) -> None:
        self.is_connected = False
        self.out.append({"disconnect": {}})

    def send(self, message: Json) -> None:
        self.out.append({"send": {"message": message}})

    def hears(self, event: str, payload: Json) -> None:
        self.out.append({"event": {"event": event, "payload": payload}})

    def returns(self, call: int, value: Any = None) -> None:
        self.out.append({"result": {"call": call} if value is None else {"call": call, "value": value}})

    def fails(self, call: int, code: int, message: str) -> None:
        self.out.append({"result": {"call": call, "error": {"code": code, "message": message}}})

    def after(self, nanoseconds: int, then: Callable[[], None]) -> Callable[[], None]:
        """Calls `then` after so long, unless what this returns is called before."""
        timer = (self.now + nanoseconds, then)
        self.timers.append(timer)
        return lambda: self.timers.remove(timer) if timer in self.timers else None

    def take_in(self, said: Json) -> None:
        self.now = said["now"]
        # What is due comes first, whatever is said; and what becomes due by it.
        while due := next((timer for timer in self.timers if timer[0] <= self.now), None):
            self.timers.remove(due)
            due[1]()
        match said["type"]:
            case "connected":
                self.is_connected = True
                self.connected()
            case "disconnected":
                self.is_connected = False
                self.disconnected()
            case "message" if self.is_connected:  # and not one of a connection that has just been given up
                self.received(said["message"])
            case "call":
                try:
                    self.call(said["call"], said["operation"], said["args"])
                except Refused as refused:
                    self.out.append({"result": {"call": said["call"], "error": refused.error}})
            case "on":
                self.on(said["event"], said["handler"], said["removes"])
            case "off":
                self.off(said["event"], said["handler"])

    def answer(self) -> Json:
        out: Json = {"type": "out", "out": self.out}
        self.out = []
        if self.timers:
            out["wakeAt"] = min(at for at, _ in self.timers)
        return out


def say(message: Json) -> None:
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    sys.stdout.buffer.write(text.encode() + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    devices: dict[int, Device] = {}
    bounds: Json = {}
    for line in sys.stdin.buffer:
        said = json.loads(line)
        match said["type"]:
            case "hello":
                devices, bounds = {}, said.get("bounds", {})
                # `devices` "all": one process plays all of a run. `reusable`: another hello may come, and begins another
                # run. That saves starting a process for each. Where another contract is asked for, Convoke says what
                # this is.
                offer = {"contract": "device", "name": NAME, "version": VERSION, "devices": "all", "reusable": True}
                say({"type": "hello", "schema": 1, **offer, "lacks": LACKS})
            case "stop":
                say({"type": "out", "out": []})
                return
            case "fault":  # something that we said was no message: the reason, and where to read
                sys.exit(f"{said['reason']} (see {said['read']})")
            case _:
                if said["type"] == "start":
                    devices[said["device"]] = Device(said, bounds)
                device = devices[said["device"]]
                device.take_in(said)
                say(device.answer())


if __name__ == "__main__":
    main()
