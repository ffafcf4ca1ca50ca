// Holds the types of this library against the official declarations. It runs nothing: tsc is the judge.

import type {
  TUIConferenceInvitationManager,
  TUIConferenceInvitationManagerEvents,
  TUIErrorCode,
  TUIInvitation,
  TUIInvitationCode,
  TUIInvitationRejectedReason,
  TUIInvitationStatus,
} from "@tencentcloud/tuiroom-engine-js";
import type { ConferenceInvitationManager } from "./invitation-manager.mjs";
import type { ErrorCode, InvitationCode, InvitationStatus, RejectedReason } from "./numbers.mjs";

// `Pick` of all keys leaves the private members out, which no other class could have.
type Official = Pick<TUIConferenceInvitationManager, keyof TUIConferenceInvitationManager>;

// Where the declarations for the web differ from those of every other platform (PROTOCOL.md, section 12; INV-3, LST-1).
type Returns = {
  inviteUsers: Promise<Map<string, TUIInvitationCode>>;
  getInvitationList: Promise<{ invitationList: TUIInvitation[]; cursor: string }>;
};

// Every method is there, takes whatever the official one takes, and returns what it returns.
type Takes<Name extends keyof Official> =
  Parameters<Official[Name]> extends Parameters<ConferenceInvitationManager[Name]> ? true : [Name, "takes less"];
type Gives<Name extends keyof Official> =
  ReturnType<ConferenceInvitationManager[Name]> extends (Name extends keyof Returns ? Returns[Name] : ReturnType<Official[Name]>)
    ? true
    : [Name, "returns something else"];
const takes: { [Name in keyof Official]: Takes<Name> } = all();
const gives: { [Name in keyof Official]: Gives<Name> } = all();

function all() {
  return {
    inviteUsers: true as const,
    cancelInvitation: true as const,
    accept: true as const,
    reject: true as const,
    getInvitationList: true as const,
    on: true as const,
    off: true as const,
  };
}

// The enumerations have the same names and numbers.
type Whole<Ours extends Record<string, number>, Theirs extends number> =
  `${Theirs}` extends `${Ours[keyof Ours]}` ? true : ["missing", Exclude<`${Theirs}`, `${Ours[keyof Ours]}`>];
const status: Whole<typeof InvitationStatus, TUIInvitationStatus> = true;
const code: Whole<typeof InvitationCode, TUIInvitationCode> = true;
const reason: Whole<typeof RejectedReason, TUIInvitationRejectedReason> = true;
type Error<Name extends keyof typeof ErrorCode & keyof typeof TUIErrorCode> = `${(typeof TUIErrorCode)[Name]}`;
const errors: { [Name in keyof typeof ErrorCode]: `${(typeof ErrorCode)[Name]}` extends Error<Name> ? true : [Name] } = {
  ERR_FAILED: true,
  ERR_REPEAT_OPERATION: true,
  ERR_INVALID_PARAMETER: true,
  ERR_SDK_NOT_INITIALIZED: true,
  ERR_ROOM_ID_INVALID: true,
};

// An application passes the official names of events.
declare const manager: ConferenceInvitationManager;
declare const event: TUIConferenceInvitationManagerEvents;
manager.on(event, ({ invitation }: { invitation: TUIInvitation }) => console.log(invitation.status));

export { code, errors, gives, reason, status, takes };
