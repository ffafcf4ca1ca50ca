// A device of a user: logs in, asks, and takes the events in their order. No resuming; see docs/PROTOCOL.md, section 5.

import WebSocket from "ws";

// So long may anything take that an example waits for, in milliseconds.
const PATIENCE = 15_000;

export class Device {
  #socket;
  #name;
  #requests = 0;
  #received = 0;
  #waiting = new Map(); // the id of a request: who waits for its response
  #events = []; // heard and not yet asked for
  #wanted = []; // who waits for an event

  // Resolves when the device is logged in, and rejects when the server refuses it.
  static async login(url, { userId, deviceId, platform, userSig = "" }) {
    const device = new Device();
    device.#name = `${userId}.${deviceId}`;
    device.#socket = new WebSocket(url, "convoke.v1");
    await patiently(`the connection of ${device.#name}`, (resolve, reject) => {
      device.#socket.once("open", resolve);
      device.#socket.once("error", reject);
    });
    const loggedIn = patiently(`the login of ${device.#name}`, (resolve, reject) => {
      device.#waiting.set("login", { resolve, reject });
    });
    device.#socket.on("message", (data) => device.#take(JSON.parse(data)));
    device.#socket.send(JSON.stringify({ type: "login", userId, deviceId, platform, userSig }));
    await loggedIn;
    return device;
  }

  // Asks for one operation; resolves with its result, and rejects with an error that has a `code`.
  request(operation, args) {
    const id = `${this.#name}-${Date.now().toString(36)}-${++this.#requests}`;
    const answer = patiently(`${operation} of ${this.#name}`, (resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
    this.#socket.send(JSON.stringify({ type: "request", id, received: this.#received, operation, args }));
    return answer;
  }

  // The next event, which must have this name.
  async hears(name) {
    const event = await patiently(`${name} at ${this.#name}`, (resolve) => {
      if (this.#events.length > 0) resolve(this.#events.shift());
      else this.#wanted.push(resolve);
    });
    if (event.event !== name) throw new Error(`${this.#name} heard ${event.event} where ${name} was due`);
    return event.payload;
  }

  // What was heard and not asked for.
  get unread() {
    return this.#events.map((event) => event.event);
  }

  logout() {
    return this.request("logout", {}).finally(() => this.#socket.close());
  }

  #take(message) {
    if (message.type === "event") {
      if (message.seq !== this.#received + 1) throw new Error(`event ${message.seq} came after ${this.#received}`);
      this.#received = message.seq;
      const wanted = this.#wanted.shift();
      if (wanted) wanted(message);
      else this.#events.push(message);
      return;
    }
    const id = message.type === "response" ? message.id : "login";
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (message.error) waiting?.reject(Object.assign(new Error(message.error.message), { code: message.error.code }));
    else waiting?.resolve(message.result);
  }
}

// A promise that does not wait for ever.
function patiently(what, begin) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what}: nothing came`)), PATIENCE);
    const settle = (then) => (value) => {
      clearTimeout(timer);
      then(value);
    };
    begin(settle(resolve), settle(reject));
  });
}
