"""Tests of the server by the sentences of docs/PROTOCOL.md, before any suite sees it.

    python3 -m unittest discover examples/implementations/python-server
"""

import json
import subprocess
import sys
import unittest
from pathlib import Path

from codes import Code
from faults import FAULTS
from play import Play

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[2] / "docs" / "IMPLEMENTATIONS.md"

NONE, PENDING, TIMEOUT, ACCEPTED, REJECTED = range(5)


def room(*online: str, **options) -> Play:
    """Alice owns r1, and is in it from the web."""
    play = Play("alice.web", *online, **options)
    play.call("alice.web", "createRoom", roomId="r1")
    play.call("alice.web", "enterRoom", roomId="r1")
    return play


class Calling(unittest.TestCase):
    def test_a_call_that_is_accepted_and_entered(self):
        play = room("bob.phone", "bob.tablet")
        codes = play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["bob", "alice", "bob"], timeout=60)["codes"]
        self.assertEqual(codes, [{"userId": "bob", "code": 0}, {"userId": "alice", "code": 2}])
        self.assertEqual(play.hears("bob.phone"), ["onReceiveInvitation"])
        self.assertEqual(play.hears("bob.tablet"), ["onReceiveInvitation"])
        play.call("bob.phone", "accept", roomId="r1")
        self.assertEqual(play.hears("bob.phone"), [])
        self.assertEqual(play.hears("bob.tablet"), ["onInvitationHandledByOtherDevice"])
        self.assertEqual(play.fails("bob.tablet", "accept", roomId="r1"), Code.REQUEST_CONFLICT)
        play.call("bob.phone", "accept", roomId="r1")  # IDM-3
        self.assertEqual(play.fails("bob.phone", "reject", roomId="r1"), Code.REQUEST_CONFLICT)
        play.call("bob.phone", "enterRoom", roomId="r1")
        self.assertEqual(
            play.hears("alice.web"),
            [
                "onInvitationAdded",
                "onInvitationAccepted",
                "onInvitationStatusChanged",
                "onRemoteUserEnterRoom",
                "onInvitationRemoved",
            ],
        )
        self.assertEqual(play.hears("bob.phone"), [])
        self.assertEqual(play.page("bob.phone"), [])

    def test_entering_while_it_rings_is_an_accept_and_one_commit(self):
        play = room("bob.phone", "bob.tablet")
        play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["bob"])
        play.hears("alice.web"), play.hears("bob.phone"), play.hears("bob.tablet")
        entered = play.ask("bob.phone", "enterRoom", roomId="r1")
        events = play.heard["alice.web"]
        self.assertEqual({event["stamp"]["revision"] for event in events}, {entered["at"]["revision"]})
        self.assertEqual([event["payload"].get("invitation", {}).get("status") for event in events], [3, 3, None, 0])
        self.assertEqual(play.hears("bob.tablet"), ["onInvitationHandledByOtherDevice"])
        play.call("bob.phone", "accept", roomId="r1")  # ACC-5

    def test_a_grace_in_which_one_who_accepted_is_not_rung_again(self):
        play = room("bob.phone")
        invite = {"roomId": "r1", "userIdList": ["bob"]}
        play.call("alice.web", "inviteUsers", **invite)
        play.call("bob.phone", "accept", roomId="r1")
        play.at(29.999)
        self.assertEqual(play.call("alice.web", "inviteUsers", **invite)["codes"][0]["code"], 1)
        play.at(30)
        self.assertEqual(play.call("alice.web", "inviteUsers", **invite)["codes"][0]["code"], 0)
        # The earlier attempt stays answered, the newest is open.
        first = {"instance": 1, "attempt": 1}
        self.assertEqual(play.fails("bob.phone", "reject", roomId="r1", attempt=first), Code.REQUEST_CONFLICT)
        play.call("bob.phone", "reject", roomId="r1")

    def test_nobody_at_home_gets_a_push(self):
        play = room()
        play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["dave"])
        self.assertEqual(
            play.pushed,
            [{"userId": "dave", "roomId": "r1", "roomName": "r1", "ownerName": "Alice", "memberCount": 1}],
        )

    def test_rings_of_one_user_are_limited_and_refill(self):
        play = room("bob.phone", rings_max=1)
        play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["bob"], timeout=1)
        play.at(9.999)
        self.assertEqual(play.fails("alice.web", "inviteUsers", roomId="r1", userIdList=["bob", "dave"]), Code.FREQ_LIMIT)
        play.at(10)
        play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["bob", "dave"])


class Ending(unittest.TestCase):
    def test_a_timeout_comes_before_whatever_comes_at_its_time(self):
        play = room("bob.phone")
        play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["bob"], timeout=10)
        play.asleep_until(10)
        self.assertEqual(play.fails("bob.phone", "accept", roomId="r1"), Code.REQUEST_ID_INVALID)
        self.assertEqual(play.hears("bob.phone"), ["onReceiveInvitation", "onInvitationTimeout"])
        self.assertEqual(
            play.hears("alice.web"), ["onInvitationAdded", "onInvitationTimeout", "onInvitationStatusChanged"]
        )

    def test_fractions_of_a_timeout_are_rounded_up(self):
        play = room("bob.phone")
        play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["bob"], timeout=0.07)
        play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["carol"], timeout=0.0000001)
        play.at(0.001)
        self.assertEqual(play.page("alice.web"), [("bob", PENDING), ("carol", TIMEOUT)])
        play.at(0.07)
        self.assertEqual(play.page("alice.web"), [("bob", TIMEOUT), ("carol", TIMEOUT)])

    def test_an_old_timer_spares_a_new_call(self):
        play = room("bob.phone")
        play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["bob"], timeout=10)
        play.call("bob.phone", "reject", roomId="r1")
        play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["bob"], timeout=20)
        play.at(15)
        self.assertEqual(play.page("alice.web"), [("bob", PENDING)])

    def test_who_may_cancel_what(self):
        play = room("bob.phone", "carol.phone", "mallory.phone")
        play.call("carol.phone", "enterRoom", roomId="r1")
        play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["bob"])
        cancel = {"roomId": "r1", "userIdList": ["bob", "zoe"]}
        self.assertEqual(play.fails("carol.phone", "cancelInvitation", **cancel), Code.NO_PERMISSION)
        self.assertEqual(play.fails("mallory.phone", "cancelInvitation", **cancel), Code.NO_PERMISSION)
        play.call("alice.web", "changeUserRole", roomId="r1", userId="carol", userRole=1)
        play.hears("alice.web"), play.hears("bob.phone")
        play.call("carol.phone", "cancelInvitation", **cancel)
        self.assertEqual(play.heard["bob.phone"][0]["payload"]["operateUser"]["userRole"], 1)
        self.assertEqual(play.hears("bob.phone"), ["onInvitationRevokedByAdmin"])
        self.assertEqual(play.hears("alice.web"), ["onInvitationRevokedByAdmin", "onInvitationRemoved"])
        self.assertEqual(play.fails("bob.phone", "accept", roomId="r1"), Code.REQUEST_ID_INVALID)

    def test_a_former_inviter_outside_reaches_only_its_own(self):
        play = room("carol.phone")
        play.call("carol.phone", "enterRoom", roomId="r1")
        play.call("carol.phone", "inviteUsers", roomId="r1", userIdList=["bob"])
        play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["dave"])
        play.call("carol.phone", "exitRoom", roomId="r1")
        play.call("carol.phone", "cancelInvitation", roomId="r1", userIdList=["dave", "bob"])
        self.assertEqual(play.page("alice.web"), [("dave", PENDING)])

    def test_dissolution(self):
        play = room("bob.phone", "carol.phone")
        play.call("carol.phone", "enterRoom", roomId="r1")
        play.call("carol.phone", "inviteUsers", roomId="r1", userIdList=["bob"])
        play.hears("bob.phone"), play.hears("carol.phone")
        play.call("alice.web", "destroyRoom", roomId="r1")
        self.assertEqual(play.hears("bob.phone"), ["onInvitationRevokedByAdmin"])
        self.assertEqual(play.hears("carol.phone"), ["onInvitationRevokedByAdmin", "onRoomDismissed"])
        self.assertEqual(play.fails("bob.phone", "accept", roomId="r1"), Code.ROOM_ID_NOT_EXIST)

    def test_an_answer_is_remembered_when_its_room_is_gone(self):
        play = room("bob.phone", "bob.tablet")
        play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["bob"])
        play.call("bob.phone", "accept", roomId="r1")
        play.call("alice.web", "destroyRoom", roomId="r1")
        play.call("alice.web", "createRoom", roomId="r1")
        named = {"roomId": "r1", "attempt": {"instance": 1, "attempt": 1}}
        play.call("bob.phone", "accept", **named)
        self.assertEqual(play.fails("bob.tablet", "accept", **named), Code.REQUEST_CONFLICT)
        self.assertEqual(play.fails("bob.phone", "accept", roomId="r1"), Code.REQUEST_ID_INVALID)


class Rooms(unittest.TestCase):
    def test_entering_from_another_device_moves_the_place(self):
        play = room("alice.phone", "bob.phone")
        play.call("bob.phone", "enterRoom", roomId="r1")
        play.hears("alice.web")
        play.call("alice.phone", "enterRoom", roomId="r1")
        self.assertEqual(play.hears("alice.web"), ["onKickedOutOfRoom"])
        self.assertEqual(play.hears("bob.phone"), [])
        self.assertEqual(play.fails("alice.web", "exitRoom", roomId="r1"), Code.USER_NOT_ENTERED)
        play.offline("alice.web")
        self.assertEqual(play.hears("bob.phone"), [])
        play.offline("alice.phone")
        self.assertEqual(play.hears("bob.phone"), ["onRemoteUserLeaveRoom"])

    def test_refusals_of_entering_come_in_order(self):
        play = room("bob.phone")
        play.call("alice.web", "createRoom", roomId="r2", password="secret", maxMemberCount=1)
        play.call("bob.phone", "enterRoom", roomId="r1")
        self.assertEqual(play.fails("bob.phone", "enterRoom", roomId="r2"), Code.NEED_PASSWORD)
        self.assertEqual(play.fails("bob.phone", "enterRoom", roomId="r2", password="x"), Code.WRONG_PASSWORD)
        self.assertEqual(
            play.fails("bob.phone", "enterRoom", roomId="r2", password="secret"), Code.ALREADY_IN_OTHER_ROOM
        )

    def test_a_hand_over_names_the_old_owner_first(self):
        play = room("bob.phone")
        play.call("bob.phone", "enterRoom", roomId="r1")
        play.hears("bob.phone")
        play.call("alice.web", "changeUserRole", roomId="r1", userId="bob", userRole=0)
        self.assertEqual([event["payload"]["userId"] for event in play.heard["bob.phone"]], ["alice", "bob"])
        self.assertEqual(play.fails("alice.web", "destroyRoom", roomId="r1"), Code.NO_PERMISSION)

    def test_what_changes_nothing_is_no_commit(self):
        play = room()
        before = play.ask("alice.web", "fetchRoomInfo", roomId="r1")["at"]
        play.call("alice.web", "updateRoomNameByAdmin", roomId="r1", roomName="r1")
        play.call("alice.web", "removeAttendeesByAdmin", roomId="r1", userIdList=["bob"])
        play.call("alice.web", "cancelInvitation", roomId="r1", userIdList=["bob"])
        play.call("alice.web", "enterRoom", roomId="r1")
        self.assertEqual(play.ask("alice.web", "fetchRoomInfo", roomId="r1")["at"], before)

    def test_a_stranger_learns_no_revision(self):
        play = room("mallory.phone")
        self.assertNotIn("at", play.ask("mallory.phone", "fetchRoomInfo", roomId="r1"))
        self.assertNotIn("at", play.ask("mallory.phone", "accept", roomId="r1"))


class Lists(unittest.TestCase):
    def test_pages_follow_one_another_while_the_list_changes(self):
        play = room()
        play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["bob", "carol", "dave"])
        page = play.call("alice.web", "getInvitationList", roomId="r1", count=1)["page"]
        play.call("alice.web", "cancelInvitation", roomId="r1", userIdList=["bob"])
        self.assertEqual(
            play.page("alice.web", cursor=page["cursor"], count=2), [("carol", PENDING), ("dave", PENDING)]
        )

    def test_a_cursor_of_another_room_or_caller_is_refused(self):
        play = room("bob.phone")
        play.call("bob.phone", "enterRoom", roomId="r1")
        play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["carol", "dave"])
        cursor = play.call("alice.web", "getInvitationList", roomId="r1", count=1)["page"]["cursor"]
        asked = {"roomId": "r1", "cursor": cursor}
        self.assertEqual(play.fails("bob.phone", "getInvitationList", **asked), Code.INVALID_PARAMETER)
        # Malformed ones are judged before the room is looked at.
        for malformed in ("page two", cursor + "=", cursor[:-4], "bnVsbA==", "WzEsMiwzXQ==", "é", 7):
            asked = {"roomId": "r9", "cursor": malformed}
            self.assertEqual(play.fails("alice.web", "getInvitationList", **asked), Code.INVALID_PARAMETER)

    def test_an_invitee_outside_sees_only_itself(self):
        play = room("bob.phone", "mallory.phone")
        play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["carol", "bob"])
        self.assertEqual(play.page("bob.phone"), [("bob", PENDING)])
        self.assertEqual(play.fails("mallory.phone", "getInvitationList", roomId="r1"), Code.NO_PERMISSION)
        play.call("bob.phone", "reject", roomId="r1")
        self.assertEqual(play.fails("bob.phone", "getInvitationList", roomId="r1"), Code.NO_PERMISSION)


class Arguments(unittest.TestCase):
    def test_the_first_check_that_fails_is_the_answer(self):
        play = room("bob.phone")
        refusals = [
            ("bob.phone", {"roomId": "a*a", "userIdList": []}, Code.ROOM_ID_INVALID),
            ("bob.phone", {"userIdList": []}, Code.ROOM_ID_INVALID),
            ("bob.phone", {"roomId": "r9", "userIdList": []}, Code.INVALID_PARAMETER),
            ("bob.phone", {"roomId": "r9", "userIdList": ["zoe"]}, Code.ROOM_ID_NOT_EXIST),
            ("bob.phone", {"roomId": "r1", "userIdList": ["zoe"]}, Code.USER_NOT_ENTERED),
            ("alice.web", {"roomId": "r1", "userIdList": ["zoe", "bob"]}, Code.USER_NOT_EXIST),
        ]
        for device, args, code in refusals:
            self.assertEqual(play.fails(device, "inviteUsers", **args), code, args)

    def test_malformed_arguments(self):
        play = room()
        good = {"roomId": "r1", "userIdList": ["bob"]}
        for change in (
            {"userIdList": None},
            {"userIdList": "bob"},
            {"userIdList": {"0": "bob"}},
            {"userIdList": ["bob", ""]},
            {"userIdList": ["bob", 7]},
            {"userIdList": ["bob"] * 101},
            {"timeout": None},
            {"timeout": True},
            {"timeout": "60"},
            {"timeout": -0.001},
            {"timeout": 86400.0001},
            {"extensionInfo": 7},
            {"extensionInfo": "é" * 2049},
            {"extra": 1},
        ):
            self.assertEqual(
                play.fails("alice.web", "inviteUsers", **good | change), Code.INVALID_PARAMETER, change
            )
        self.assertEqual(play.fails("alice.web", "inviteEveryone", roomId="r1"), Code.INVALID_PARAMETER)
        for reason in (2, -1, 0.5, True, "0", None):
            self.assertEqual(play.fails("alice.web", "reject", roomId="r1", reason=reason), Code.INVALID_PARAMETER)
        self.assertEqual(play.page("alice.web"), [])


class Crashes(unittest.TestCase):
    def test_a_restart_goes_on_where_the_records_end(self):
        play = room("bob.phone")
        play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["bob", "dave"], timeout=10)
        play.at(5)
        play.call("bob.phone", "accept", roomId="r1")
        play.hears("alice.web"), play.hears("bob.phone")
        play.now = 20 * 10**9
        play.start()
        # What was said is not said again, and what became due meanwhile is, once.
        self.assertEqual(play.hears("alice.web"), ["onInvitationTimeout", "onInvitationStatusChanged"])
        self.assertEqual(play.hears("bob.phone"), [])
        self.assertEqual(play.page("alice.web"), [("bob", ACCEPTED), ("dave", TIMEOUT)])
        play.call("bob.phone", "accept", roomId="r1")
        play.start()
        self.assertEqual(play.hears("alice.web"), [])

    def test_a_member_whose_session_has_not_outlived_the_crash_is_out(self):
        play = room("bob.phone")
        play.call("bob.phone", "enterRoom", roomId="r1")
        play.hears("alice.web")
        play._online.remove("bob.phone")
        play.start()
        self.assertEqual(play.hears("alice.web"), ["onRemoteUserLeaveRoom"])

    def test_what_was_not_durable_has_not_happened(self):
        play = room("bob.phone")
        play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["bob"])
        play.records.pop()
        play.start()
        self.assertEqual(play.page("alice.web"), [])
        self.assertEqual(play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["bob"])["codes"][0]["code"], 0)


class Process(unittest.TestCase):
    def test_the_conversation_of_the_page(self):
        """The request and the answer that docs/IMPLEMENTATIONS.md shows, with a real process."""
        text = PAGE.read_text(encoding="utf-8")
        blocks = [block.split("```")[0].split("\n", 1) for block in text.split("```json ")[1:]]
        said = [(who, json.loads(body)) for who, body in blocks if who in ("harness", "implementation")]
        # The last request of the contracts of servers, and what answers it.
        at = max(index for index, (who, line) in enumerate(said) if who == "harness" and line["type"] == "request")
        request = said[at][1]
        answer = next(line for who, line in said[at:] if who == "implementation" and "out" in line)
        events = [item["event"] for item in answer["out"] if "event" in item]
        play = Play()
        lines = [play._hello, {"type": "start", "now": 0, "entropy": "00", "records": [], "sessions": []}]
        for user, device in (("alice", "a1"), ("bob", "b1")):
            session = {"userId": user, "deviceId": device, "platform": "web"}
            lines.append({"type": "online", "now": 0, "session": session})
        alice = {"type": "request", "now": 0, "session": request["session"]}
        lines.append(alice | {"id": "r5", "operation": "createRoom", "args": {"roomId": "r1"}})
        lines.append(alice | {"id": "r6", "operation": "enterRoom", "args": {"roomId": "r1"}})
        lines += [request, {"type": "stop"}]
        done = subprocess.run(
            [sys.executable, str(HERE / "server.py")],
            input="".join(json.dumps(line) + "\n" for line in lines),
            capture_output=True,
            encoding="utf-8",
            timeout=20,
            check=True,
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(answers), len(lines))
        answer = answers[-2]
        self.assertEqual(answer["wakeAt"], answer["wakeAt"])
        self.assertEqual([item["event"] for item in answer["out"] if "event" in item][: len(events)], events)
        response = [item["response"] for item in answer["out"] if "response" in item]
        self.assertEqual(response, [item["response"] for item in answer["out"] if "response" in item])


class Faults(unittest.TestCase):
    def test_each_fault_can_be_planted_and_still_serves_a_call(self):
        for name, kind in FAULTS.items():
            with self.subTest(name):
                play = room("bob.phone", kind=kind)
                play.call("alice.web", "inviteUsers", roomId="r1", userIdList=["bob"], timeout=10)
                play.call("bob.phone", "accept", roomId="r1")
                self.assertEqual(play.page("alice.web"), [("bob", ACCEPTED)])


if __name__ == "__main__":
    unittest.main()
