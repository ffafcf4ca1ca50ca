// The session of one device: it logs in, repeats what is unanswered, takes events in their order, and comes back after a
// loss (PROTOCOL.md, section 5). It has no socket and no clock of its own: both are given to it, so that a test can
// replace them. What invitations mean is in invitation-manager.mjs.

import { ConferenceInvitationManager } from "./invitation-manager.mjs";
import { ErrorCode, Refused } from "./numbers.mjs";

// Milliseconds.
const LOGIN_TIMEOUT = 5_000; // after which the device connects again
const GAP_TIMEOUT = 1_000; // after which an event that is missing from the middle is asked for, by a resume
const RETRY_AFTER = 500;

// PROTOCOL.md, section 11; times in milliseconds.
export const BOUNDS = {
  requestTimeout: 30_000, // IDM-5
  acknowledgeEvery: 64,
  idsMax: 100,
  timeoutMax: 86_400_000,
  extensionInfoMax: 4096, // bytes
};

const LOST_WHILE_OFFLINE = 4; // kJoinRoomStatusInvalidDuringOffline

/**
 * What carries messages. The device gives it `connected`, `disconnected` and `received` to call.
 * @typedef {{connect(): void, send(message: object): void, disconnect(): void}} Transport
 *
 * What runs `then` after so many milliseconds; what it returns calls that off.
 * @typedef {(milliseconds: number, then: () => void) => () => void} After
 *
 * @typedef {{id: string, operation: string, args: object, callOff: () => void,
 *            resolve: (response: any) => void, reject: (error: Error) => void}} Request
 */

export class Device {
  /** @type {Map<string, Request>} by id, in the order of the calls */
  #unanswered = new Map();
  /** @type {{resolve: () => void, reject: (error: Error) => void} | undefined} */
  #loggingIn;
  /** @type {string | undefined} the token of the session */
  #session;
  #loggedIn = false;
  #over = true; // no session is wanted
  #received = 0;
  #acknowledged = 0;
  #requests = 0;
  #callOffLogin = () => {};
  #callOffGap = () => {};
  /** @type {Map<number, any>} events that came before their turn */
  #early = new Map();
  /** @type {string | undefined} the room that this device is in */
  #room;
  #manager = new ConferenceInvitationManager(this);

  /**
   * @param {{userId: string, deviceId: string, platform: string, userSig?: string}} identity
   * @param {{transport: Transport, after: After, idPrefix: string, bounds?: typeof BOUNDS, retryAfter?: number}} world
   *   `idPrefix` must never come twice for this device, also after a restart (IDM-1)
   */
  constructor(identity, { transport, after, idPrefix, bounds = BOUNDS, retryAfter = RETRY_AFTER }) {
    this.identity = identity;
    this.transport = transport;
    this.after = after;
    this.idPrefix = idPrefix;
    this.bounds = bounds;
    this.retryAfter = retryAfter;
  }

  getConferenceInvitationManager() {
    return this.#manager;
  }

  /** @returns {Promise<void>} */
  login() {
    if (this.#loggingIn) return Promise.reject(new Refused(ErrorCode.ERR_REPEAT_OPERATION, "a login is under way"));
    if (!this.#over) return Promise.resolve();
    this.#over = false;
    return new Promise((resolve, reject) => {
      this.#loggingIn = { resolve, reject };
      this.transport.connect();
    });
  }

  /** Ends the session, and the connection with it. */
  async logout() {
    await this.request("logout", {});
    this.#end();
  }

  /**
   * Asks for one operation.
   * @param {string} operation
   * @param {object} args
   * @returns {Promise<any>} the result; rejects with a Refused
   */
  async request(operation, args) {
    return (await this.respond(operation, args)).result;
  }

  /**
   * Asks for one operation, and shows what the API does not: `at`, where in the life of the room it was.
   * @param {string} operation
   * @param {object} args
   * @returns {Promise<{result: any, at?: {instance: number, revision: number}}>}
   */
  async respond(operation, args) {
    this.mustBeLoggedIn();
    const response = await this.#promise(operation, args);
    const { roomId } = /** @type {any} */ (args);
    if (operation === "enterRoom") this.#room = roomId;
    if (operation === "exitRoom" || operation === "destroyRoom") this.#leave(roomId);
    return response;
  }

  /** ERR-1: this is looked at before any argument is. */
  mustBeLoggedIn() {
    if (this.#over) throw new Refused(ErrorCode.ERR_SDK_NOT_INITIALIZED, "not logged in");
  }

  /**
   * @param {string} operation
   * @param {object} args
   * @returns {Promise<{result: any, at?: {instance: number, revision: number}}>}
   */
  #promise(operation, args) {
    return new Promise((resolve, reject) => {
      const id = `${this.idPrefix}-${++this.#requests}`;
      const callOff = this.after(this.bounds.requestTimeout, () => {
        this.#unanswered.delete(id);
        reject(new Refused(ErrorCode.ERR_FAILED, `${operation} was not answered: its outcome is unknown`));
      });
      const request = { id, operation, args, callOff, resolve, reject };
      this.#unanswered.set(id, request);
      if (this.#loggedIn) this.#ask(request);
    });
  }

  // What the transport calls.

  connected() {
    const { userId, deviceId, platform, userSig = "" } = this.identity;
    const resume = this.#session && { session: this.#session, received: this.#received };
    this.transport.send({ type: "login", userId, deviceId, platform, userSig, ...(resume && { resume }) });
    this.#callOffLogin = this.after(LOGIN_TIMEOUT, () => this.#reconnect());
  }

  disconnected() {
    this.#loggedIn = false;
    this.#callOffLogin();
    this.#callOffGap();
    this.#early.clear(); // what is not acknowledged comes again
    if (!this.#over) this.#callOffLogin = this.after(this.retryAfter, () => this.transport.connect());
  }

  /** @param {any} message */
  received(message) {
    switch (message.type) {
      case "loggedIn":
        return this.#welcome(message);
      case "refused":
        return this.#refused(message.error);
      case "response":
        return this.#answered(message);
      case "event":
        return this.#happened(message);
    }
  }

  /** @param {{session: string, resumed: boolean}} loggedIn */
  #welcome({ session, resumed }) {
    this.#callOffLogin();
    this.#session = session;
    this.#loggedIn = true;
    if (!resumed) {
      this.#received = this.#acknowledged = 0;
      this.#manager.forget();
      // TERM-2: the place in the room went with the session before.
      const roomId = this.#room;
      this.#room = undefined;
      const payload = { roomId, reason: LOST_WHILE_OFFLINE, message: "the session ended while the device was away" };
      if (roomId) this.#manager.take({ event: "onKickedOutOfRoom", payload });
    }
    this.#loggingIn?.resolve();
    this.#loggingIn = undefined;
    // IDM-5: whatever is unanswered is repeated, under the same id.
    for (const request of this.#unanswered.values()) this.#ask(request);
  }

  /** @param {{code: number, message: string}} error */
  #refused({ code, message }) {
    const login = this.#loggingIn;
    // DEV-9: the session went to another device of the user while this one was away.
    const evicted = !login && code === ErrorCode.ERR_SDK_NOT_INITIALIZED;
    this.#end();
    login?.reject(new Refused(code, message));
    if (evicted) this.#manager.take({ event: "onKickedOffLine", payload: { message } });
  }

  /** @param {{id: string, result?: any, error?: {code: number, message: string}, at?: any}} response */
  #answered({ id, result, error, at }) {
    const request = this.#unanswered.get(id);
    if (!request) return; // a repeat was answered, too
    this.#unanswered.delete(id);
    request.callOff();
    if (error) request.reject(new Refused(error.code, error.message));
    else request.resolve({ result, at });
  }

  /** @param {{seq: number, event: string, payload: any, stamp?: any}} event */
  #happened(event) {
    // IDM-4: each once, and in order. What was on its way at a loss comes again, and a network may lose or reorder.
    if (event.seq > this.#received) this.#early.set(event.seq, event);
    for (let next; (next = this.#early.get(this.#received + 1)); ) {
      this.#early.delete(next.seq);
      this.#received = next.seq;
      this.#inOrder(next);
      if (this.#over) return;
    }
    this.#callOffGap();
    if (this.#early.size > 0) this.#callOffGap = this.after(GAP_TIMEOUT, () => this.#reconnect());
    if (this.#received - this.#acknowledged >= this.bounds.acknowledgeEvery) {
      this.#acknowledged = this.#received;
      this.transport.send({ type: "acknowledge", received: this.#received });
    }
  }

  /** @param {{event: string, payload: any, stamp?: any}} event */
  #inOrder(event) {
    if (event.event === "onKickedOffLine") this.#end();
    if (event.event === "onKickedOutOfRoom" || event.event === "onRoomDismissed") this.#leave(event.payload.roomId);
    this.#manager.take(event);
  }

  /** @param {string} roomId */
  #leave(roomId) {
    if (this.#room === roomId) this.#room = undefined;
  }

  /** @param {Request} request */
  #ask({ id, operation, args }) {
    this.#acknowledged = this.#received;
    this.transport.send({ type: "request", id, received: this.#received, operation, args });
  }

  #reconnect() {
    this.transport.disconnect();
    this.disconnected();
  }

  #end() {
    this.#over = true;
    this.#loggedIn = false;
    this.#session = undefined;
    this.#loggingIn = undefined;
    this.#room = undefined;
    this.#callOffLogin();
    this.#callOffGap();
    this.#early.clear();
    for (const { callOff, reject } of this.#unanswered.values()) {
      callOff();
      reject(new Refused(ErrorCode.ERR_FAILED, "the session is over"));
    }
    this.#unanswered.clear();
    this.#manager.forget();
    this.transport.disconnect();
  }
}
