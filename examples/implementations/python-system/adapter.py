"""An adapter of contract `system` (docs/IMPLEMENTATIONS.md, section 10): a client library and its server, driven at the API.

    convoke conform --system "python3 adapter.py --serve 'convoke serve'" scenarios
    convoke conform --system "python3 adapter.py --url ws://127.0.0.1:7878/v1" scenarios

With --serve it starts a server for every run, with the bounds and accounts that the run asks for. With --url it uses one that
runs, whose bounds are its own.
"""

import argparse
import asyncio
import json
import os
import shlex
import sys
import tempfile
import traceback

from sdk import Refused, Sdk
from websocket import Closed, WebSocket

DIALS_MAX = 300
RECONNECT_PATIENCE = 3  # seconds that a device may take to be back once it has a network


class Adapter:
    def __init__(self, options, write):
        self.options, self.write = options, write
        self.devices = {}
        self.tasks = set()
        self.server = self.folder = None
        self.url = options.url

    def say(self, kind, **fields):
        self.write(json.dumps({"type": kind, **fields}))

    async def take(self, message):
        """Does what one message asks for. False at the end of everything."""
        match message.pop("type"):
            case "hello":
                await self.begin(message)
            case "device":
                self.start(message)
            case "call":
                # Calls of one device may be under way together; they begin in the order in which they came.
                task = asyncio.create_task(self.call(message))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
                await asyncio.sleep(0)
            case "network":
                sdk = self.devices[message["device"]]
                sdk.network(message["online"])
                if message["online"]:
                    await sdk.has_session(RECONNECT_PATIENCE)
                self.say("done", id=message["id"])
            case "kill":
                self.devices.pop(message["device"]).kill()
                self.say("done", id=message["id"])
            case "end":
                await self.end()
                self.say("done", id=message["id"])
            case "stop":
                await self.end()
                self.say("done", id=message["id"])
                return False
            case "fault":
                print(f"told of a fault: {message['reason']} ({message['read']})", file=sys.stderr)
                return False
        return True

    async def begin(self, hello):
        self.bounds = hello["bounds"]
        capabilities = ["fractions", "network", "kill"]
        if self.options.serve:
            capabilities.append("bounds")
            if hello["accounts"]:  # the very first hello only asks who this is
                self.url = await self.serve(hello)
        self.say(
            "hello",
            schema=1,
            contract="system",
            name="python-system",
            version="1",
            capabilities=capabilities,
            reusable=True,
        )

    async def serve(self, hello):
        """Starts a server with these bounds and accounts, and waits until it says where it is."""
        self.folder = tempfile.TemporaryDirectory()
        accounts = os.path.join(self.folder.name, "accounts.json")
        with open(accounts, "w", encoding="utf-8") as file:
            json.dump(hello["accounts"], file)
        command = [*shlex.split(self.options.serve), "--listen", "127.0.0.1:0", "--insecure-any-user", "--log-level", "error"]
        command += ["--until-input-ends", "--accounts", accounts]
        for name, value in hello["bounds"].items():
            command += ["--bound", f"{name}={value}ns" if name in DURATIONS else f"{name}={value}"]
        if not hello["rateLimits"]:
            command.append("--no-rate-limits")
        pipe = asyncio.subprocess.PIPE
        self.server = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        while line := (await self.server.stdout.readline()).decode():
            if "ws://" in line:
                return "ws://" + line.split("ws://")[1].split()[0]
        raise SystemExit("the server did not start")

    def start(self, message):
        name = message["device"]
        identity = {field: message[field] for field in ("userId", "deviceId", "platform")}
        self.devices[name] = Sdk(self.url, identity, self.bounds, lambda *event: self.hear(name, *event))
        self.say("done", id=message["id"])

    async def call(self, message):
        sdk = self.devices[message["device"]]
        try:
            result = await sdk.call(message["operation"], message["args"])
        except Refused as refused:
            self.say("returned", id=message["id"], error={"code": refused.code, "message": refused.message})
        except Exception as error:  # whatever it is, somebody waits for it
            traceback.print_exc()
            self.say("returned", id=message["id"], unknown=f"the library failed: {error!r}")
        else:
            self.say("returned", id=message["id"], **({} if result is None else {"result": result}))

    def hear(self, device, event, payload):
        times = 1
        if self.options.fault and self.options.fault.partition(":")[2] == event:
            times = 0 if self.options.fault.startswith("drop:") else 2
        for _ in range(times):
            self.say("event", device=device, event=event, payload=payload)

    async def end(self):
        """Forgets the run."""
        for sdk in self.devices.values():
            sdk.kill()
        for task in self.tasks:
            task.cancel()
        self.devices, self.tasks = {}, set()
        if self.server:
            self.server.kill()
            await self.server.wait()
            self.folder.cleanup()
            self.server = self.folder = None


DURATIONS = {
    "resume_window",
    "keep_alive_bound",
    "expiry_lateness_max",
    "entry_grace",
    "result_memory",
    "answer_memory",
    "request_timeout",
    "timeout_max",
    "invite_calls_refill",
    "rings_refill",
}


async def main():
    parser = argparse.ArgumentParser(description="An adapter of contract `system`")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--serve", metavar="COMMAND", help="start a server like this for every run")
    where.add_argument("--url", help="use the server that runs there")
    parser.add_argument("--fault", metavar="drop:EVENT|twice:EVENT", help="swallow an event, or say it twice")
    parser.add_argument("--dial", metavar="URL", help="talk over a WebSocket to a convoke that listens there")
    parser.add_argument("--at", metavar="PORT", type=int, help="listen there, and talk over a WebSocket to whoever attaches")
    options = parser.parse_args()
    if options.at is not None:
        server = await asyncio.start_server(lambda *ends: attached(options, *ends), "127.0.0.1", options.at)
        await server.serve_forever()
    elif options.dial:
        await talk(options, *over(await dial(options.dial)))
    else:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=1 << 24)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

        def write(line):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

        await talk(options, reader.readline, write)


async def dial(url):
    """Dials until somebody listens."""
    for _ in range(DIALS_MAX):
        try:
            return await WebSocket.connect(url)
        except (OSError, Closed):
            await asyncio.sleep(0.1)
    raise SystemExit(f"nobody listens at {url}")


async def attached(options, reader, writer):
    try:
        socket = await WebSocket.accept(reader, writer)
    except (asyncio.IncompleteReadError, KeyError):
        return writer.close()  # whoever that was, it was no WebSocket
    await talk(options, *over(socket))


def over(socket):
    """How lines are read and written over a WebSocket: a frame a line."""

    async def read():
        try:
            return await socket.receive()
        except Closed:
            return ""

    return read, socket.send


async def talk(options, read, write):
    adapter = Adapter(options, write)
    try:
        while line := await read():
            if not await adapter.take(json.loads(line)):
                break
    finally:
        await adapter.end()


if __name__ == "__main__":
    asyncio.run(main())
