// A whole call through the API of the SDK: Alice calls Bob, whose phone and tablet ring; he accepts on the phone, the
// tablet falls silent, and he enters. Then she calls Carol, and takes it back.
//
//   npm install && node call.mjs ws://127.0.0.1:7878/v1

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { INVITATION_EVENTS } from "./numbers.mjs";
import { deviceAt } from "./websocket.mjs";

const url = process.argv[2] ?? "ws://127.0.0.1:7878/v1";

// A device with its manager, and a way to wait for what its application hears.
/** @param {string} userId @param {string} deviceId @param {string} platform */
async function login(userId, deviceId, platform) {
  const device = deviceAt(url, { userId, deviceId, platform });
  await device.login();
  const manager = device.getConferenceInvitationManager();
  /** @type {[string, any][]} */
  const heard = [];
  const happened = new EventEmitter();
  for (const event of INVITATION_EVENTS) {
    manager.on(event, (payload) => {
      heard.push([event, payload]);
      happened.emit("event");
    });
  }
  /** The payload of the next event, which must have this name. @param {string} event */
  async function hears(event) {
    if (heard.length === 0) await once(happened, "event", { signal: AbortSignal.timeout(15_000) });
    const [name, payload] = heard.shift() ?? [];
    assert.equal(name, event, `${userId}.${deviceId}`);
    return payload;
  }
  return { device, manager, hears };
}

// Names of this run alone, so that it can run again on the same server.
const run = Date.now().toString(36);
const [alice, bob, carol, roomId] = [`alice-${run}`, `bob-${run}`, `carol-${run}`, `standup-${run}`];
const web = await login(alice, "a1", "web");
const phone = await login(bob, "b1", "phone");
const tablet = await login(bob, "b2", "tablet");
const other = await login(carol, "c1", "phone");

await web.device.request("createRoom", { roomId });
await web.device.request("enterRoom", { roomId });

const codes = await web.manager.inviteUsers({ roomId, userIdList: [bob], timeout: 60, extensionInfo: "hello" });
assert.deepEqual([...codes], [[bob, 0]]);
for (const { hears } of [phone, tablet]) assert.equal((await hears("onReceiveInvitation")).extensionInfo, "hello");
await phone.manager.accept({ roomId });
assert.equal((await tablet.hears("onInvitationHandledByOtherDevice")).accepted, true);
await assert.rejects(tablet.manager.reject({ roomId, reason: 0 }), { code: 100102 });
await web.hears("onInvitationAdded");
await web.hears("onInvitationAccepted");
assert.equal((await web.hears("onInvitationStatusChanged")).invitation.status, 3);
await phone.device.request("enterRoom", { roomId });
await web.hears("onInvitationRemoved");

await web.manager.inviteUsers({ roomId, userIdList: [carol], timeout: 60 });
await other.hears("onReceiveInvitation");
const { invitationList, cursor } = await phone.manager.getInvitationList({ roomId, cursor: "", count: 20 });
assert.deepEqual([invitationList.map(({ invitee }) => invitee.userId), cursor], [[carol], ""]);
await web.manager.cancelInvitation({ roomId, userIdList: [carol] });
await other.hears("onInvitationCancelled");
await assert.rejects(other.manager.accept({ roomId }), { code: -2311 });
// What is malformed does not even leave the device.
await assert.rejects(web.manager.inviteUsers({ roomId: "a*a", userIdList: [bob], timeout: 0 }), { code: -2105 });

await web.device.request("destroyRoom", { roomId });
for (const { device } of [web, phone, tablet, other]) await device.logout();
console.log(`the calls of ${alice} went as they must, through the API of the SDK`);
