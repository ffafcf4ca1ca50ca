// Numbers of PROTOCOL.md, section 11, and names of events. check.ts holds them against the official declarations.

export const InvitationStatus = /** @type {const} */ ({ kNone: 0, kPending: 1, kTimeout: 2, kAccepted: 3, kRejected: 4 });
export const InvitationCode = /** @type {const} */ ({ kSuccess: 0, kAlreadyInInvitationList: 1, kAlreadyInConference: 2 });
export const RejectedReason = /** @type {const} */ ({ kRejectToEnter: 0, kInOtherConference: 1 });

export const ErrorCode = /** @type {const} */ ({
  ERR_FAILED: -1,
  ERR_REPEAT_OPERATION: -3,
  ERR_INVALID_PARAMETER: -1001,
  ERR_SDK_NOT_INITIALIZED: -1002,
  ERR_ROOM_ID_INVALID: -2105,
});

/** ERR-4: what a call rejects with. */
export class Refused extends Error {
  /**
   * @param {number} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// The events that the manager tells of.
export const INVITATION_EVENTS = /** @type {const} */ ([
  "onReceiveInvitation",
  "onInvitationHandledByOtherDevice",
  "onInvitationCancelled",
  "onInvitationAccepted",
  "onInvitationRejected",
  "onInvitationTimeout",
  "onInvitationRevokedByAdmin",
  "onInvitationAdded",
  "onInvitationRemoved",
  "onInvitationStatusChanged",
]);
