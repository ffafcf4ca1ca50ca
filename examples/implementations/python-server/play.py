"""A small driver for the tests beside it: it plays Convoke's part of the conversation, as docs/IMPLEMENTATIONS.md says.

It keeps what each device hears, wakes the server when it asked to be woken, and can crash it. It judges nothing.
"""

import json

from server import Conversation
from service import Json, Service

SECOND = 1_000_000_000

BOUNDS = {
    "resume_window": 30 * SECOND,
    "keep_alive_bound": 20 * SECOND,
    "expiry_lateness_max": SECOND,
    "entry_grace": 30 * SECOND,
    "result_memory": 120 * SECOND,
    "answer_memory": 120 * SECOND,
    "request_timeout": 30 * SECOND,
    "timeout_max": 86400 * SECOND,
    "ids_max": 100,
    "extension_info_max": 4096,
    "page_default": 20,
    "page_max": 100,
    "invite_calls_max": 20,
    "invite_calls_refill": SECOND // 5,
    "rings_max": 5,
    "rings_refill": 10 * SECOND,
    "undelivered_max": 100000,
    "acknowledge_every": 64,
}

USERS = ("alice", "bob", "carol", "dave", "mallory")


class Play:
    """One run. Devices are named `bob.phone`, which is the device `phone` of the user `bob`."""

    def __init__(self, *online: str, kind: type[Service] = Service, rate_limits: bool = True, **bounds: int):
        self._kind = kind
        self._hello = {
            "type": "hello",
            "schema": 1,
            "contract": "core",
            "clock": "virtual",
            "seed": 1,
            "rateLimits": rate_limits,
            "bounds": BOUNDS | bounds,
            "accounts": [{"userId": user, "userName": user.title(), "avatarUrl": ""} for user in USERS],
        }
        self.now = 0
        self.records: list[Json] = []
        self._online: list[str] = []
        self.heard: dict[str, list[Json]] = {}
        self.pushed: list[Json] = []
        self._requests = 0
        self._wake_at: int | None = None
        self.start()
        for device in online:
            self.online(device)

    def start(self) -> None:
        """Begins a life of the server, with what the earlier ones have made durable."""
        self._conversation = Conversation(self._kind)
        self._say(self._hello)
        start = {"type": "start", "now": self.now, "entropy": "00" * 32, "records": self.records}
        self._say(start | {"sessions": [session(device) | {"platform": "web"} for device in self._online]})

    def online(self, device: str) -> None:
        self._say({"type": "online", "now": self.now, "session": session(device) | {"platform": "web"}})
        self.heard.setdefault(device, [])
        self._online.append(device)

    def offline(self, device: str) -> None:
        self._online.remove(device)
        self._say({"type": "offline", "now": self.now, "session": session(device) | {"platform": "web"}})

    def at(self, seconds: float) -> None:
        """Lets time pass, and wakes the server whenever it asked for it."""
        until = round(seconds * SECOND)
        while self._wake_at is not None and self._wake_at <= until:
            self.now = max(self.now, self._wake_at)
            self._say({"type": "wake", "now": self.now})
        self.now = until

    def asleep_until(self, seconds: float) -> None:
        """Lets time pass, and wakes nobody."""
        self.now = round(seconds * SECOND)

    def ask(self, device: str, operation: str, **args: object) -> Json:
        """The whole response."""
        self._requests += 1
        request = {"type": "request", "now": self.now, "session": session(device) | {"platform": "web"}}
        request |= {"id": f"r{self._requests}", "operation": operation, "args": args}
        responses = [item["response"] for item in self._say(request) if "response" in item]
        assert [response["id"] for response in responses] == [request["id"]], responses
        return responses[0]

    def call(self, device: str, operation: str, **args: object) -> Json:
        """The result of a call that must succeed."""
        response = self.ask(device, operation, **args)
        assert "result" in response, response
        return response["result"]

    def fails(self, device: str, operation: str, **args: object) -> int:
        """The code of a call that must fail."""
        response = self.ask(device, operation, **args)
        assert "error" in response, response
        return response["error"]["code"]

    def hears(self, device: str) -> list[str]:
        """The names of the events that a device has heard since it was last asked."""
        names = [event["event"] for event in self.heard[device]]
        self.heard[device] = []
        return names

    def page(self, device: str, room: str = "r1", **args: object) -> list[tuple[str, int]]:
        """The invitees of a page and their statuses."""
        page = self.call(device, "getInvitationList", roomId=room, **args)["page"]
        items = [item["invitation"] for item in page["invitationList"]]
        return [(item["invitee"]["userId"], item["status"]) for item in items]

    def _say(self, message: Json) -> list[Json]:
        # Through JSON and back, so that the server gets and gives nothing else.
        answer = json.loads(json.dumps(self._conversation.answer(json.loads(json.dumps(message)))))
        if answer["type"] != "out":
            return []
        self._wake_at = answer.get("wakeAt")
        for item in answer["out"]:
            match item:
                case {"persist": record}:
                    self.records.append(record)
                case {"push": hint}:
                    self.pushed.append(hint)
                case {"event": event}:
                    to = [f"{name['userId']}.{name['deviceId']}" for name in event["to"]]
                    assert to and len(set(to)) == len(to), event
                    for device in to:
                        self.heard[device].append(event)
        return answer["out"]


def session(device: str) -> Json:
    user, name = device.split(".")
    return {"userId": user, "deviceId": name}
