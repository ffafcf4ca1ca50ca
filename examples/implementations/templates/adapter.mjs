#!/usr/bin/env node
// A template: between Convoke and the logic of your server, in JavaScript (Node 18 or later), contract `core`.
//
// Convoke starts this and talks to it over standard input and output, one JSON object a line, as docs/IMPLEMENTATIONS.md
// says. Everything of that conversation is here; your calls go where it says YOURS. As it stands, every operation is
// answered with 100001, not implemented, so a run ends with a verdict that says what comes next.
//
//     convoke smoke --server "node adapter.mjs"
//     convoke conform --server "node adapter.mjs" scenarios/lists
//
// Log with console.error: standard output belongs to Convoke.

import { createInterface } from "node:readline";

// The name of your server and its version, for reports.
const [NAME, VERSION] = ["my-server", "0.1"];

// Throw this where a call fails: the code is one of PROTOCOL.md, section 11.
class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// Your server, or what calls it. A new one is made for every run, so nothing of the last run is left.
//
// Take the time from `now`, in nanoseconds, and from nowhere else: no Date.now, no setTimeout. Draw no random numbers but
// from the seed in `hello`. Convoke waits for each answer, so promises are fine as long as they settle by themselves.
class Server {
  constructor(hello) {
    // YOURS: make a fresh server. `hello` has the accounts that exist, the bounds, and whether there are rate limits.
    this.accounts = new Map(hello.accounts.map((account) => [account.userId, account]));
    this.bounds = hello.bounds;
    this.now = 0;
    this.online = new Map(); // the sessions that are online, by user and device
    this.out = []; // what is to happen because of the message at hand, in order
  }

  async sessionBegan(session) {
    // YOURS: tell your server, if it keeps track of who is online.
    this.online.set(JSON.stringify([session.userId, session.deviceId]), session);
  }

  async sessionEnded(session) {
    // YOURS: if the user was in a room through this device, that is an exit from it (TERM-2).
    this.online.delete(JSON.stringify([session.userId, session.deviceId]));
  }

  // Carries an operation out: its `result`, and the `at` of PROTOCOL.md 4.2 if there is one. Or throws Refused.
  async request(session, operation, args) {
    // YOURS: one case for each operation of PROTOCOL.md, section 6. For example:
    //
    //     case "createRoom": {
    //       const room = await myServer.createRoom({ owner: session.userId, roomId: args.roomId, now: this.now });
    //       return { result: {}, at: { instance: room.instance, revision: room.revision } };
    //     }
    //
    // and where somebody is to hear of it, before you return:
    //
    //     this.tell(devices, "onReceiveInvitation", payload, stamp);
    switch (operation) {
      default:
        throw new Refused(100001, `not implemented: ${operation}`);
    }
  }

  async timePassed() {
    // YOURS: whatever is due by this.now. This comes before every other message, too (TMO-3).
  }

  wakeAt() {
    // YOURS: when the next thing is due by itself, such as the deadline of a call; undefined if nothing is.
    return undefined;
  }

  // Sends an event to sessions that are online (PROTOCOL.md, section 8).
  tell(sessions, event, payload, stamp) {
    const to = sessions.map(({ userId, deviceId }) => ({ userId, deviceId }));
    if (to.length > 0) this.out.push({ event: { to, event, payload, stamp } });
  }
}

// One message in, one answer out. Nothing below needs a change.
async function answer(server, message) {
  server.now = message.now ?? server.now;
  server.out = [];
  await server.timePassed();
  switch (message.type) {
    case "online":
      await server.sessionBegan(message.session);
      break;
    case "offline":
      await server.sessionEnded(message.session);
      break;
    case "request":
      server.out.push({ response: { id: message.id, ...(await respond(server, message)) } });
      break;
  }
  // What is undefined is left out of the JSON.
  return { type: "out", out: server.out, wakeAt: server.wakeAt() };
}

async function respond(server, { session, operation, args }) {
  try {
    const { result, at } = await server.request(session, operation, args);
    return { result, at };
  } catch (refused) {
    if (!(refused instanceof Refused)) throw refused;
    return { error: { code: refused.code, message: refused.message } };
  }
}

function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

let server;
for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.type === "hello") {
    // Where another contract is asked for, Convoke says what this is.
    server = message.contract === "core" ? new Server(message) : undefined;
    // `storage` "none": a server that forgets everything in a crash. Scenarios with crashes are left out then.
    // `reusable`: another hello may come, and begins another run. That saves starting a process for each.
    const offer = { contract: "core", name: NAME, version: VERSION, storage: "none", reusable: true };
    say({ type: "hello", schema: 1, ...offer });
  } else if (message.type === "stop") {
    say({ type: "out", out: [] });
    break;
  } else if (message.type === "fault") {
    // Something that we said was no message: the reason, and where to read.
    console.error(`${message.reason} (see ${message.read})`);
    process.exitCode = 1;
    break;
  } else {
    say(await answer(server, message));
  }
}
// Node would wait for standard input to end.
process.stdin.destroy();
