"""A whole call of two users with three devices, as in ../node/call.mjs.

    pip install -r requirements.txt && python call.py ws://127.0.0.1:7878/v1
"""

import asyncio
import json
import sys
import time

from websockets.asyncio.client import connect

PATIENCE = 15  # seconds that anything may take


class Refused(Exception):
    """The server's error, with its code."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code = error["code"]


class Device:
    """A device of a user: logs in, asks, and takes the events in their order. It does not resume."""

    @classmethod
    async def login(cls, url, user_id, device_id, platform, user_sig=""):
        device = cls()
        device.name = f"{user_id}.{device_id}"
        device.requests = device.received = 0
        device.waiting = {}  # the id of a request: the future of its response
        device.events = asyncio.Queue()
        device.socket = await connect(url, subprotocols=["convoke.v1"])
        login = {"type": "login", "userId": user_id, "deviceId": device_id, "platform": platform, "userSig": user_sig}
        await device.socket.send(json.dumps(login))
        answer = json.loads(await asyncio.wait_for(device.socket.recv(), PATIENCE))
        if answer["type"] != "loggedIn":
            raise Refused(answer["error"])
        device.reader = asyncio.create_task(device.read())
        return device

    async def read(self):
        async for text in self.socket:
            message = json.loads(text)
            if message["type"] == "event":
                assert message["seq"] == self.received + 1, f"{self.name}: a gap before {message}"
                self.received = message["seq"]
                await self.events.put(message)
            elif message["type"] == "response":
                self.waiting.pop(message["id"]).set_result(message)

    async def request(self, operation, **args):
        """Asks for one operation: its result, or Refused."""
        self.requests += 1
        request_id = f"{self.name}-{time.time_ns()}-{self.requests}"
        self.waiting[request_id] = asyncio.get_running_loop().create_future()
        request = {"type": "request", "id": request_id, "received": self.received, "operation": operation, "args": args}
        await self.socket.send(json.dumps(request))
        response = await asyncio.wait_for(self.waiting[request_id], PATIENCE)
        if "error" in response:
            raise Refused(response["error"])
        return response["result"]

    async def hears(self, name):
        """The payload of the next event, which must have this name."""
        event = await asyncio.wait_for(self.events.get(), PATIENCE)
        assert event["event"] == name, f"{self.name} heard {event['event']} where {name} was due"
        return event["payload"]

    async def logout(self):
        await self.request("logout")
        await self.socket.close()
        await self.reader  # tells of what went wrong while reading
        assert self.events.empty(), f"{self.name} heard more than it should"


async def call(url):
    run = time.time_ns()  # names of this run alone, so that it can run again on the same server
    alice, bob, room = f"alice-{run}", f"bob-{run}", f"standup-{run}"
    web = await Device.login(url, alice, "a1", "web")
    phone = await Device.login(url, bob, "b1", "phone")
    tablet = await Device.login(url, bob, "b2", "tablet")

    # Alice has a room, and is in it.
    await web.request("createRoom", roomId=room, roomName="Stand-up")
    entered = await web.request("enterRoom", roomId=room)
    assert entered["roomInfo"]["ownerId"] == alice

    # She calls Bob: code 0 is success (INV-3).
    invited = await web.request("inviteUsers", roomId=room, userIdList=[bob], timeout=60, extensionInfo="hello")
    assert invited["codes"] == [{"userId": bob, "code": 0}]
    assert (await web.hears("onInvitationAdded"))["invitation"]["status"] == 1  # kPending

    # Both of his devices ring.
    for device in (phone, tablet):
        ring = await device.hears("onReceiveInvitation")
        assert ring["invitation"]["inviter"]["userId"] == alice
        assert ring["extensionInfo"] == "hello"

    # He accepts on one; the other falls silent, and an answer there comes too late (DEV-3).
    await phone.request("accept", roomId=room)
    assert (await tablet.hears("onInvitationHandledByOtherDevice"))["accepted"] is True
    try:
        await tablet.request("reject", roomId=room)
        raise AssertionError("the second answer was taken")
    except Refused as refused:
        assert refused.code == 100102, refused

    # Alice learns it twice: as the caller, and as one who shows the list.
    assert (await web.hears("onInvitationAccepted"))["invitation"]["invitee"]["userId"] == bob
    assert (await web.hears("onInvitationStatusChanged"))["invitation"]["status"] == 3  # kAccepted

    # He enters, and so is no longer in the list of those who are called.
    await phone.request("enterRoom", roomId=room)
    assert (await web.hears("onRemoteUserEnterRoom"))["userInfo"]["userId"] == bob
    assert (await web.hears("onInvitationRemoved"))["invitation"]["invitee"]["userId"] == bob
    listed = await web.request("getInvitationList", roomId=room)
    assert listed["page"] == {"invitationList": [], "cursor": ""}

    # The end.
    await web.request("destroyRoom", roomId=room)
    await phone.hears("onRoomDismissed")
    await web.hears("onRoomDismissed")
    for device in (web, phone, tablet):
        await device.logout()
    print(f"the call of {alice} and {bob} went as it must")


if __name__ == "__main__":
    asyncio.run(call(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:7878/v1"))
