// Logs in with a UserSig that the vendor's own package made, and is refused with those that prove nothing.
//
//   SDK_APP_ID=1400000000 CONVOKE_SDK_SECRET=... node user-sig.mjs ws://127.0.0.1:7878/v1

import assert from "node:assert/strict";
import vendor from "tls-sig-api-v2";
import { Device } from "./device.mjs";

const url = process.argv[2] ?? "ws://127.0.0.1:7878/v1";
const { SDK_APP_ID, CONVOKE_SDK_SECRET } = process.env;
assert.ok(SDK_APP_ID && CONVOKE_SDK_SECRET, "set SDK_APP_ID and CONVOKE_SDK_SECRET as the server has them");

const signer = new vendor.Api(Number(SDK_APP_ID), CONVOKE_SDK_SECRET);
const userSig = signer.genSig("alice", 600);
const alice = { userId: "alice", deviceId: "a1", platform: "web" };

const device = await Device.login(url, { ...alice, userSig });
await device.logout();

const refused = { code: -1002 };
await assert.rejects(Device.login(url, alice), refused, "without a token");
await assert.rejects(Device.login(url, { ...alice, userId: "bob", userSig }), refused, "with another user's token");
await assert.rejects(Device.login(url, { ...alice, userSig: signer.genSig("alice", -1) }), refused, "with an old token");
const forger = new vendor.Api(Number(SDK_APP_ID), "not the secret");
await assert.rejects(Device.login(url, { ...alice, userSig: forger.genSig("alice", 600) }), refused, "with a forged one");
console.log("the vendor's token is accepted, and no other");
