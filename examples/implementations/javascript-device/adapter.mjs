// Puts this library behind Convoke's conversation (docs/IMPLEMENTATIONS.md, section 9, contract `device`): one process
// plays all devices, with Convoke's network instead of a socket and Convoke's clock instead of timers.
//
//   convoke conform --device "node adapter.mjs" scenarios

import { createInterface } from "node:readline";
import { Device } from "./device.mjs";
import { INVITATION_EVENTS } from "./numbers.mjs";

const NANOSECONDS = 1_000_000; // in a millisecond
const EVENTS = [
  ...INVITATION_EVENTS,
  "onRemoteUserEnterRoom",
  "onRemoteUserLeaveRoom",
  "onRoomDismissed",
  "onKickedOutOfRoom",
  "onKickedOffLine",
  "onUserRoleChanged",
  "onScheduleAttendeesChanged",
];
// What the manager has as methods; everything else of PROTOCOL.md, section 6, is a plain request.
const MANAGED = new Set(["inviteUsers", "cancelInvitation", "accept", "reject", "getInvitationList"]);

// One life of a device's program.
class Life {
  /** @type {object[]} what is to happen, since the last answer */
  out = [];
  now = 0;
  connected = false;
  /** @type {Set<{at: number, then: () => void}>} in the order in which they were set */
  #timers = new Set();
  /** @type {Map<string, (payload: any) => void>} by event and name */
  #handlers = new Map();

  /** @param {any} start @param {any} bounds */
  constructor({ identity, entropy }, bounds) {
    const transport = {
      connect: () => this.out.push({ connect: {} }),
      disconnect: () => {
        this.connected = false;
        this.out.push({ disconnect: {} });
      },
      /** @param {object} message */
      send: (message) => this.out.push({ send: { message } }),
    };
    /** @param {number} milliseconds @param {() => void} then */
    const after = (milliseconds, then) => {
      const timer = { at: this.now + milliseconds * NANOSECONDS, then };
      this.#timers.add(timer);
      return () => this.#timers.delete(timer);
    };
    const given = {
      requestTimeout: bounds.request_timeout / NANOSECONDS,
      acknowledgeEvery: bounds.acknowledge_every,
      idsMax: bounds.ids_max,
      timeoutMax: bounds.timeout_max / NANOSECONDS,
      extensionInfoMax: bounds.extension_info_max,
    };
    this.device = new Device(identity, { transport, after, idPrefix: entropy.slice(0, 8), bounds: given, retryAfter: 0 });
    this.manager = this.device.getConferenceInvitationManager();
    for (const event of EVENTS) {
      this.manager.on(/** @type {any} */ (event), (payload) => this.out.push({ event: { event, payload } }));
    }
  }

  /** @param {any} said */
  hear(said) {
    // What is due comes first, whatever is said; and what becomes due by it.
    for (let timer; (timer = [...this.#timers].find(({ at }) => at <= this.now)); ) {
      this.#timers.delete(timer);
      timer.then();
    }
    switch (said.type) {
      case "connected":
        this.connected = true;
        return this.device.connected();
      case "disconnected":
        this.connected = false;
        return this.device.disconnected();
      case "message": // but for one of a connection that has just been given up
        return this.connected && this.device.received(said.message);
      case "call":
        return this.#call(said);
      case "on":
        return this.#on(said);
      case "off":
        return this.manager.off(said.event, this.#handler(said.event, said.handler));
    }
  }

  wakeAt() {
    return [...this.#timers].reduce((first, { at }) => Math.min(first, at), Infinity);
  }

  /** @param {{call: number, operation: string, args: any}} said */
  async #call({ call, operation, args }) {
    try {
      const value = shown(await this.#result(operation, args));
      this.out.push({ result: { call, ...(value !== undefined && { value }) } });
    } catch (error) {
      const { code, message } = /** @type {any} */ (error);
      if (code === undefined) throw error; // a fault of this library: Node ends, and Convoke tells
      this.out.push({ result: { call, error: { code, message } } });
    }
  }

  /** @param {string} operation @param {any} args @returns {Promise<any>} */
  #result(operation, args) {
    if (operation === "login") return this.device.login();
    if (operation === "logout") return this.device.logout();
    if (MANAGED.has(operation)) return /** @type {any} */ (this.manager)[operation](args);
    return this.device.request(operation, args);
  }

  /** @param {{event: string, handler: string, removes: string[]}} said */
  #on({ event, handler, removes }) {
    const func = this.#handler(event, handler, removes);
    this.manager.on(/** @type {any} */ (event), func);
  }

  /** The same name is the same function. @param {string} event @param {string} handler @param {string[]} removes */
  #handler(event, handler, removes = []) {
    const key = `${event} ${handler}`;
    const known = this.#handlers.get(key);
    if (known) return known;
    /** @param {any} payload */
    const func = (payload) => {
      this.out.push({ handled: { handler, event, payload } });
      for (const other of removes) this.manager.off(event, this.#handler(event, other));
    };
    this.#handlers.set(key, func);
    return func;
  }
}

// What a call returns, as the API shows it.
/** @param {any} result */
function shown(result) {
  if (result instanceof Map) return Object.fromEntries(result);
  if (result?.invitationList) return result;
  return result?.roomInfo ?? result?.attendees ?? result?.members;
}

/** @type {Map<number, Life>} */
let lives = new Map();
let bounds = {};

/** @param {any} said */
async function answer(said) {
  switch (said.type) {
    case "hello":
      [lives, bounds] = [new Map(), said.bounds];
      return {
        ...{ type: "hello", schema: 1, contract: "device", name: "javascript-device", version: "1.0" },
        ...{ devices: "all", reusable: true, lacks: ["autoBusy", "fetchNotEnteredList"] },
      };
    case "stop":
      return { type: "out", out: [] };
    case "fault":
      console.error(`${said.reason}\nread ${said.read}`);
      process.exit(1);
  }
  if (said.type === "start") lives.set(said.device, new Life(said, bounds));
  const life = /** @type {Life} */ (lives.get(said.device));
  life.now = said.now;
  life.hear(said);
  // Whatever awaits has gone on by the next turn of the event loop: there is no other source of events here.
  await new Promise((resolve) => setImmediate(resolve));
  const out = life.out.splice(0);
  const wakeAt = life.wakeAt();
  return { type: "out", out, ...(wakeAt < Infinity && { wakeAt }) };
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const said = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(await answer(said))}\n`);
  if (said.type === "stop") break;
}
process.stdin.destroy(); // nothing more is heard, and Node ends
