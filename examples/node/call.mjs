// A whole call of two users with three devices: Alice calls Bob, whose phone and tablet ring; he accepts on the phone,
// the tablet falls silent, and he enters.
//
//   npm install && node call.mjs ws://127.0.0.1:7878/v1

import assert from "node:assert/strict";
import { Device } from "./device.mjs";

const url = process.argv[2] ?? "ws://127.0.0.1:7878/v1";
// Names of this run alone, so that it can run again on the same server.
const run = Date.now().toString(36);
const [alice, bob, roomId] = [`alice-${run}`, `bob-${run}`, `standup-${run}`];

const web = await Device.login(url, { userId: alice, deviceId: "a1", platform: "web" });
const phone = await Device.login(url, { userId: bob, deviceId: "b1", platform: "phone" });
const tablet = await Device.login(url, { userId: bob, deviceId: "b2", platform: "tablet" });

// Alice has a room, and is in it.
await web.request("createRoom", { roomId, roomName: "Stand-up" });
const { roomInfo } = await web.request("enterRoom", { roomId });
assert.equal(roomInfo.ownerId, alice);

// She calls Bob: code 0 is success (INV-3).
const invited = await web.request("inviteUsers", { roomId, userIdList: [bob], timeout: 60, extensionInfo: "hello" });
assert.deepEqual(invited.codes, [{ userId: bob, code: 0 }]);
assert.equal((await web.hears("onInvitationAdded")).invitation.status, 1); // kPending

// Both of his devices ring.
for (const device of [phone, tablet]) {
  const ring = await device.hears("onReceiveInvitation");
  assert.equal(ring.invitation.inviter.userId, alice);
  assert.equal(ring.extensionInfo, "hello");
}

// He accepts on one; the other falls silent, and an answer there comes too late (DEV-3).
await phone.request("accept", { roomId });
assert.equal((await tablet.hears("onInvitationHandledByOtherDevice")).accepted, true);
await assert.rejects(tablet.request("reject", { roomId }), { code: 100102 });

// Alice learns it twice: as the caller, and as one who shows the list.
assert.equal((await web.hears("onInvitationAccepted")).invitation.invitee.userId, bob);
assert.equal((await web.hears("onInvitationStatusChanged")).invitation.status, 3); // kAccepted

// He enters, and so is no longer in the list of those who are called.
await phone.request("enterRoom", { roomId });
assert.equal((await web.hears("onRemoteUserEnterRoom")).userInfo.userId, bob);
assert.equal((await web.hears("onInvitationRemoved")).invitation.invitee.userId, bob);
const { page } = await web.request("getInvitationList", { roomId });
assert.deepEqual(page, { invitationList: [], cursor: "" });

// The end.
await web.request("destroyRoom", { roomId });
await phone.hears("onRoomDismissed");
await web.hears("onRoomDismissed");
for (const device of [web, phone, tablet]) {
  await device.logout();
  assert.deepEqual(device.unread, []);
}
console.log(`the call of ${alice} and ${bob} went as it must`);
