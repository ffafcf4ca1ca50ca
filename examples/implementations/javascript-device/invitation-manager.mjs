// TUIConferenceInvitationManager as an application sees it: the same methods and events as the official SDK, over any
// server that speaks the wire of PROTOCOL.md. check.ts holds its types against the official declarations.

import { ErrorCode, InvitationStatus, Refused } from "./numbers.mjs";

const ROOM_ID = /^[a-zA-Z0-9 !#$%&()+\-:;<=.>?@[\]^_{}|~,]{1,64}$/;

// An invitee hears one of these when its ring is over.
const CLOSING = new Set([
  "onInvitationCancelled",
  "onInvitationRevokedByAdmin",
  "onInvitationTimeout",
  "onInvitationHandledByOtherDevice",
]);
const LIST = new Set(["onInvitationAdded", "onInvitationRemoved", "onInvitationStatusChanged"]);

/**
 * @typedef {import("@tencentcloud/tuiroom-engine-js").TUIInvitation} TUIInvitation
 * @typedef {import("@tencentcloud/tuiroom-engine-js").TUIInvitationCode} TUIInvitationCode
 * @typedef {import("@tencentcloud/tuiroom-engine-js").TUIInvitationRejectedReason} TUIInvitationRejectedReason
 * @typedef {import("@tencentcloud/tuiroom-engine-js").TUIConferenceInvitationManagerEvents} Events
 *
 * @typedef {{instance: number, revision: number, about?: {invitee: string, attempt: number}}} Stamp
 * @typedef {{instance: number, attempt: number}} Attempt
 * @typedef {{instance: number, revision: number, heard: number, newest: Map<string, number>}} Known what was seen of a
 *   list: everything up to `revision`, an event of `heard`, and by invitee
 */

export class ConferenceInvitationManager {
  /** @type {Map<string, Set<(...args: any[]) => void>>} by event */
  #handlers = new Map();
  /** @type {Map<string, Attempt>} by room: the newest ring that this session has heard of or was shown */
  #rings = new Map();
  /** @type {Map<string, Known>} by room */
  #lists = new Map();
  #device;

  /** @param {import("./device.mjs").Device} device */
  constructor(device) {
    this.#device = device;
  }

  /**
   * Calls users to a room that one is in. The call succeeds also if none of them is rung: each has a code (INV-3).
   * @param {{roomId: string, userIdList: string[], timeout?: number, extensionInfo?: string}} options
   * @returns {Promise<Map<string, TUIInvitationCode>>}
   */
  async inviteUsers({ roomId, userIdList, timeout = 0, extensionInfo = "" }) {
    this.#device.mustBeLoggedIn();
    checkRoomId(roomId);
    this.#checkUserIdList(userIdList);
    const { timeoutMax, extensionInfoMax } = this.#device.bounds;
    check(typeof timeout === "number" && timeout >= 0 && timeout * 1000 <= timeoutMax, "timeout is a number of seconds");
    check(
      typeof extensionInfo === "string" && new TextEncoder().encode(extensionInfo).length <= extensionInfoMax,
      "extensionInfo is a text, and not too long",
    );
    const { codes } = await this.#device.request("inviteUsers", { roomId, userIdList, timeout, extensionInfo });
    return new Map(codes.map((/** @type {any} */ { userId, code }) => [userId, code]));
  }

  /**
   * @param {{roomId: string, userIdList: string[]}} options
   * @returns {Promise<void>}
   */
  async cancelInvitation({ roomId, userIdList }) {
    this.#device.mustBeLoggedIn();
    checkRoomId(roomId);
    this.#checkUserIdList(userIdList);
    await this.#device.request("cancelInvitation", { roomId, userIdList });
  }

  /**
   * @param {{roomId: string}} options
   * @returns {Promise<void>}
   */
  async accept({ roomId }) {
    this.#device.mustBeLoggedIn();
    checkRoomId(roomId);
    await this.#device.request("accept", { roomId, ...this.#attempt(roomId) });
  }

  /**
   * @param {{roomId: string, reason?: TUIInvitationRejectedReason}} options
   * @returns {Promise<void>}
   */
  async reject({ roomId, reason = 0 }) {
    this.#device.mustBeLoggedIn();
    checkRoomId(roomId);
    check(reason === 0 || reason === 1, "reason is 0 or 1");
    await this.#device.request("reject", { roomId, reason, ...this.#attempt(roomId) });
  }

  /**
   * One page of the list; the cursor is '' after the last (LST-1).
   * @param {{roomId: string, cursor?: string, count?: number}} options
   * @returns {Promise<{invitationList: TUIInvitation[], cursor: string}>}
   */
  async getInvitationList({ roomId, cursor = "", count = 0 }) {
    this.#device.mustBeLoggedIn();
    checkRoomId(roomId);
    check(Number.isSafeInteger(count) && count >= 0, "count is a whole number that is not negative");
    check(typeof cursor === "string", "cursor is a text");
    const args = { roomId, cursor, count };
    const { result, at = { instance: 0, revision: 0 } } = await this.#device.respond("getInvitationList", args);
    const known = this.#list(roomId, at.instance);
    // ORD-5: an event that came in meanwhile knows more than this page, which is read again.
    if (known.instance === at.instance && at.revision < known.heard) return this.getInvitationList(args);
    for (const { invitation, attempt, revision } of result.page.invitationList) {
      const { userId } = invitation.invitee;
      known.newest.set(userId, Math.max(revision, known.newest.get(userId) ?? 0));
      if (userId === this.#device.identity.userId && invitation.status === InvitationStatus.kPending) {
        this.#rings.set(roomId, { instance: at.instance, attempt });
      }
    }
    // REC-3: a traversal takes in everything up to the revision of its last page.
    if (result.page.cursor === "") known.revision = Math.max(known.revision, at.revision);
    const invitationList = result.page.invitationList.map((/** @type {any} */ item) => item.invitation);
    return { invitationList, cursor: result.page.cursor };
  }

  /**
   * EVT-9: the same handler registered twice runs once.
   * @param {Events | `${Events}`} event
   * @param {(...args: any[]) => void} func
   * @returns {void}
   */
  on(event, func) {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers.add(func));
  }

  /**
   * @param {string} event
   * @param {(...args: any[]) => void} func
   * @returns {void}
   */
  off(event, func) {
    this.#handlers.get(event)?.delete(func);
  }

  // What the session calls.

  /** Forgets what a session that is over knew of lists and rings. */
  forget() {
    this.#rings.clear();
    this.#lists.clear();
  }

  /**
   * Takes an event of the wire, and hands it to the application unless that would mislead it.
   * @param {{event: string, payload: any, stamp?: Stamp}} event
   */
  take({ event, payload, stamp }) {
    if (stamp?.about && !this.#isNews(event, payload, stamp)) return;
    // Of the handlers that stand now: `off` inside one of them counts from the next event on (EVT-9).
    for (const func of [...(this.#handlers.get(event) ?? [])]) {
      try {
        func(payload);
      } catch (error) {
        console.error(`a handler of ${event} failed:`, error);
      }
    }
  }

  /**
   * @param {string} event
   * @param {any} payload
   * @param {Stamp} stamp
   */
  #isNews(event, payload, { instance, revision, about = { invitee: "", attempt: 0 } }) {
    const roomId = payload.roomId ?? payload.roomInfo.roomId;
    const list = this.#list(roomId, instance);
    if (list.instance === instance) list.heard = Math.max(list.heard, revision);
    if (LIST.has(event)) {
      // ORD-5: what is older than the newest that was seen of this invitee is no news.
      const known = this.#list(roomId, instance);
      if (known.instance > instance || revision <= known.revision) return false;
      if (revision < (known.newest.get(about.invitee) ?? 0)) return false;
      known.newest.set(about.invitee, revision);
      return true;
    }
    if (about.invitee !== this.#device.identity.userId) return true; // as the inviter
    const ring = this.#rings.get(roomId);
    if (event === "onReceiveInvitation") {
      this.#rings.set(roomId, { instance, attempt: about.attempt });
      return true;
    }
    // DEV-8: an invitee hears only of the end of what it was told of.
    return !CLOSING.has(event) || (ring?.instance === instance && ring.attempt === about.attempt);
  }

  /** ACC-1: the attempt that an answer is for, as far as the application was told of one. @param {string} roomId */
  #attempt(roomId) {
    const attempt = this.#rings.get(roomId);
    return attempt && { attempt };
  }

  /** @param {unknown} ids */
  #checkUserIdList(ids) {
    const { idsMax } = this.#device.bounds;
    check(Array.isArray(ids) && ids.length > 0 && ids.length <= idsMax, `userIdList is a list of 1 to ${idsMax} ids`);
    check(/** @type {unknown[]} */ (ids).every((id) => typeof id === "string" && id !== ""), "an id is a text, not empty");
  }

  /**
   * What is known of the list of this instance: a newer one begins from nothing.
   * @param {string} roomId
   * @param {number} instance
   */
  #list(roomId, instance) {
    let known = this.#lists.get(roomId);
    if (!known || known.instance < instance) {
      known = { instance, revision: 0, heard: 0, newest: new Map() };
      this.#lists.set(roomId, known);
    }
    return known;
  }
}

/** @param {boolean} holds @param {string} message */
function check(holds, message) {
  if (!holds) throw new Refused(ErrorCode.ERR_INVALID_PARAMETER, message);
}

/** @param {unknown} roomId */
function checkRoomId(roomId) {
  if (typeof roomId !== "string" || !ROOM_ID.test(roomId)) {
    throw new Refused(ErrorCode.ERR_ROOM_ID_INVALID, "roomId is 1 to 64 of 89 characters");
  }
}
