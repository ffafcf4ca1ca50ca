#!/usr/bin/env node
// A template: between Convoke and a client library, in JavaScript (Node 18 or later), contract `device`.
//
// Convoke starts this and talks to it over standard input and output, one JSON object a line, as docs/IMPLEMENTATIONS.md
// says (sections 2 and 9): it plays the application, the network, the clock and the server, and this process plays all
// devices. Everything of that conversation is here; your calls go where it says YOURS. As it stands, every call fails with
// 100001, not implemented, so a run ends with a verdict that says what comes next.
//
//     convoke smoke --device "node device.mjs"
//     convoke conform --device "node device.mjs" scenarios/client
//
// Log with console.error: standard output belongs to Convoke.

import { createInterface } from "node:readline";

// The name of your library and its version, for reports.
const [NAME, VERSION] = ["my-sdk", "0.1"];
// What your library does not have, so that scenarios which need it are left out: take out what it has.
const LACKS = ["handlers", "autoBusy", "fetchNotEnteredList"];
const MILLISECOND = 1_000_000; // in nanoseconds

// Throw this where a call fails: the code is one of PROTOCOL.md, section 11.
class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// A device's program, from its start until it is killed. A new one is made when it starts again, so nothing is left of before.
//
// Your library needs two things that it does not make itself: a transport and timers. Give it `connect`, `disconnect` and
// `send` of this class instead of its socket, and `after` instead of setTimeout. Take the time from `now`, in nanoseconds,
// and no random numbers but from `entropy`: request ids must never come twice (IDM-1).
class Device {
  out = []; // what is to happen because of the message at hand, in order
  now = 0;
  timers = new Set();
  isConnected = false;

  constructor({ identity, autoBusy, entropy }, bounds) {
    // YOURS: make a fresh library. `identity` has userId, deviceId and platform; `autoBusy` is REJ-5; `bounds` has the
    // numbers of PROTOCOL.md, section 11, durations in nanoseconds.
    Object.assign(this, { identity, autoBusy, entropy, bounds });
    // YOURS: have it call this.hears for every event, before any other handler.
  }

  // The connection that was asked for stands.
  connected() {
    // YOURS: the login message of PROTOCOL.md, 4.1, comes first.
  }

  // The connection is gone.
  disconnected() {
    // YOURS: ask for another with this.connect(), if somebody is logged in.
  }

  // A message of PROTOCOL.md, 4.2.
  received(message) {
    // YOURS: an answer lets a call return; an event goes to the application, once and in order (IDM-4).
  }

  // The application calls: `login`, `logout`, and the operations of PROTOCOL.md, section 6. What this returns, the
  // application gets, now or whenever the promise is settled. Or it throws Refused.
  async call(operation, args) {
    // YOURS: one case for each method of your library. For example:
    //
    //     case "inviteUsers":
    //       return Object.fromEntries(await this.library.inviteUsers(args));
    //     case "enterRoom":
    //       return (await this.library.request(operation, args)).roomInfo;
    switch (operation) {
      default:
        throw new Refused(100001, `not implemented: ${operation}`);
    }
  }

  // The application registers a handler, or removes one (EVT-9).
  on(event, handler, removes) {
    // YOURS, with `handlers` taken out of LACKS: the same name is the same function. When it is called, it says
    // this.out.push({ handled: { handler, event, payload } }) and removes those that `removes` names.
  }

  off(event, handler) {
    // YOURS.
  }

  // What your library does with the world. Nothing below needs a change.

  connect() {
    this.out.push({ connect: {} });
  }

  disconnect() {
    this.isConnected = false;
    this.out.push({ disconnect: {} });
  }

  send(message) {
    this.out.push({ send: { message } });
  }

  hears(event, payload) {
    this.out.push({ event: { event, payload } });
  }

  // Calls `then` after so many milliseconds, unless what this returns is called before.
  after(milliseconds, then) {
    const timer = { at: this.now + Math.round(milliseconds * MILLISECOND), then };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  wakeAt() {
    return [...this.timers].reduce((first, { at }) => Math.min(first, at), Infinity);
  }

  takeIn(said) {
    this.now = said.now;
    // What is due comes first, whatever is said; and what becomes due by it.
    for (let due; (due = [...this.timers].find(({ at }) => at <= this.now)); ) {
      this.timers.delete(due);
      due.then();
    }
    switch (said.type) {
      case "connected":
        this.isConnected = true;
        return this.connected();
      case "disconnected":
        this.isConnected = false;
        return this.disconnected();
      case "message": // but for one of a connection that has just been given up
        return this.isConnected ? this.received(said.message) : undefined;
      case "call":
        return void this.answer(said);
      case "on":
        return this.on(said.event, said.handler, said.removes);
      case "off":
        return this.off(said.event, said.handler);
    }
  }

  async answer({ call, operation, args }) {
    try {
      // What is undefined is left out of the JSON.
      this.out.push({ result: { call, value: await this.call(operation, args) } });
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      this.out.push({ result: { call, error: { code: refused.code, message: refused.message } } });
    }
  }
}

function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

let [devices, bounds] = [new Map(), {}];
for await (const line of createInterface({ input: process.stdin })) {
  const said = JSON.parse(line);
  if (said.type === "hello") {
    [devices, bounds] = [new Map(), said.bounds ?? {}];
    // `devices` "all": one process plays all of a run. `reusable`: another hello may come, and begins another run. That
    // saves starting a process for each. Where another contract is asked for, Convoke says what this is.
    const offer = { contract: "device", name: NAME, version: VERSION, devices: "all", reusable: true, lacks: LACKS };
    say({ type: "hello", schema: 1, ...offer });
  } else if (said.type === "stop") {
    say({ type: "out", out: [] });
    break;
  } else if (said.type === "fault") {
    // Something that we said was no message: the reason, and where to read.
    console.error(`${said.reason} (see ${said.read})`);
    process.exitCode = 1;
    break;
  } else {
    if (said.type === "start") devices.set(said.device, new Device(said, bounds));
    const device = devices.get(said.device);
    device.takeIn(said);
    // Whatever awaits has gone on by the next turn of the event loop: there is no other source of events here.
    await new Promise((resolve) => setImmediate(resolve));
    const wakeAt = device.wakeAt();
    say({ type: "out", out: device.out.splice(0), wakeAt: wakeAt < Infinity ? wakeAt : undefined });
  }
}
// Node would wait for standard input to end.
process.stdin.destroy();
