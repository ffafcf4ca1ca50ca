#!/usr/bin/env python3
"""A server of the invitation protocol under test: one line in, one line out, as docs/IMPLEMENTATIONS.md has it.

It knows the conversation and keeps the journal; what the lines mean for rooms and calls is in service.py.
"""

import argparse
import json
import sys
from typing import Any

from faults import FAULTS
from service import Json, Service
from variants import VARIANTS

SCHEMA = 1


class Conversation:
    """Answers one line at a time. Each `hello` begins afresh, so one process serves many runs."""

    def __init__(self, kind: type[Service] = Service):
        self._kind = kind
        self._service: Service | None = None
        self.ended = False

    def answer(self, message: Json) -> Json:
        match message["type"]:
            case "hello":
                return self._hello(message)
            case "start":
                return self._start(message)
            case "stop":
                self._service = None
                self.ended = True
                return {"type": "out", "out": []}
            case _:
                return self._step(message)

    def _hello(self, hello: Json) -> Json:
        self.ended = False
        self._service = self._kind(hello["accounts"], hello["bounds"], hello["rateLimits"])
        return {
            "type": "hello",
            "schema": SCHEMA,
            "contract": "core",
            "name": "python-server",
            "version": "1.0",
            "storage": "harness",
            "reusable": True,
        }

    def _start(self, start: Json) -> Json:
        """Recovers by taking the recorded messages again, and then does what became due meanwhile (TMO-6)."""
        for record in start["records"]:
            self._running().step(record)
        return self._step({"type": "restarted", "now": start["now"], "sessions": start["sessions"]})

    def _step(self, message: Json) -> Json:
        service = self._running()
        out: list[Any] = service.step(message)
        # The service is a function of the messages that it was given, so these are all that must be kept. Nothing of
        # what follows from a message is said before the message is durable (ORD-3).
        if service.changed:
            out = [{"persist": message}, *out]
        answer: Json = {"type": "out", "out": out}
        if (wake_at := service.wake_at()) is not None:
            answer["wakeAt"] = wake_at
        return answer

    def _running(self) -> Service:
        if self._service is None:
            raise ValueError("a message came before hello")
        return self._service


def main() -> None:
    parser = argparse.ArgumentParser(description="A server of the invitation protocol, under Convoke's clock.")
    parser.add_argument("--fault", choices=sorted(FAULTS), help="plant this fault")
    parser.add_argument("--variant", choices=sorted(VARIANTS), help="read a requirement otherwise")
    arguments = parser.parse_args()
    if arguments.fault and arguments.variant:
        parser.error("plant a fault or read something otherwise, and not both")
    kind = FAULTS.get(arguments.fault) or VARIANTS.get(arguments.variant) or Service
    conversation = Conversation(kind)
    # UTF-8 whatever the locale says, and no buffering: the answer is awaited.
    for line in sys.stdin.buffer:
        answer = conversation.answer(json.loads(line))
        text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        sys.stdout.buffer.write(text.encode() + b"\n")
        sys.stdout.buffer.flush()
        if conversation.ended:
            return


if __name__ == "__main__":
    main()
