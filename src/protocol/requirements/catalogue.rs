//! The sentences of the catalogue. Ids are never given twice, and their order is that of the document.
//!
//! "Now" is the server's time of commit. The reason for a decision stands with its source, not in its text: the text is
//! what binds.

use super::{Basis, Boundary, Group, Level, Requirement, Subject};

/// All groups, in the order of the document.
pub const GROUPS: &[Group] = &[TERM, ROOM, INV, CAN, ACC, REJ, LST, EVT, TMO, DEV, REV, ORD, IDM, ERR, REC, SEC];

macro_rules! group {
    ($prefix:ident, $title:literal; $($id:literal $level:ident $basis:ident $subject:ident $boundary:ident: $text:literal
        $source:literal;)*) => {
        Group {
            prefix: stringify!($prefix),
            title: $title,
            requirements: &[$(Requirement {
                id: $id,
                level: group!(@level $level),
                basis: Basis::$basis,
                subject: Subject::$subject,
                boundary: Boundary::$boundary,
                text: $text,
                source: $source,
                definition: group!(@definition $level),
            },)*],
        }
    };
    (@level Definition) => { Level::Must };
    (@level $level:ident) => { Level::$level };
    (@definition Definition) => { true };
    (@definition $level:ident) => { false };
}

const TERM: Group = group! { TERM, "the nouns";
    "TERM-1" Definition Dec Both Wire:
        "A *session* belongs to one (userId, deviceId). It is *connected*; *suspended* from the moment the server notices \
         the loss of its connection until it resumes or the resume window {resume_window: 30 s} has passed; or *ended* \
         (logout, eviction, window passed, a login of the same device that is not a resume). *Online* means connected or \
         suspended. A new connection of a device replaces its older one."
        "decision";
    "TERM-2" Definition Dec Both Wire:
        "A user is in a room through exactly one device, the *member device*; *members* (M) means the member devices \
         before the commit. The end of the member device's session is an exit from the room. A room without members \
         lives until destroyRoom."
        "decision";
    "TERM-3" Definition Dec Both Wire:
        "An *entry* is the (room instance, invitee) record in the list. An *attempt* is one ring of an invitee; attempts \
         are counted from 1 per (room instance, invitee), and the count does not restart when the entry leaves the list. \
         *Live* means PENDING and now < deadline (TMO-3)."
        "decision";
    "TERM-4" Definition Dec Both Wire:
        "The *subject* of a requirement is the server, the device (client library), or both; it is *seen at* the wire, \
         the API, or a crash. A verdict on a server counts only what is seen on its wire: a client library that filters \
         must not hide a server's fault."
        "decision";
};

const ROOM: Group = group! { ROOM, "rooms and their lives";
    "ROOM-1" Must Inf Server Wire:
        "Invitations MUST be keyed by (room instance, invitee userId), with at most one entry each."
        "S2, S8-S11: accept and reject carry no other key";
    "ROOM-2" Must Dec Server Wire:
        "A room created again under the same roomId MUST be treated as a new instance: no entry, timer or cursor survives."
        "decision: stale accepts must not hit a new meeting";
    "ROOM-3" Must Doc Server Wire:
        "All five operations MUST be refused with -2103 for rooms that are not conferences."
        "S1, S6, S7, S11";
    "ROOM-4" Must Inf Server Wire:
        "One user MUST be able to be PENDING in several rooms at once, independently; answering one changes no other."
        "S2: no event or code crosses rooms";
    "ROOM-5" Must Doc Server Wire:
        "destroyRoom is one commit. Every PENDING entry ends as a revocation, whoever its inviter is; other entries vanish \
         silently. Invitee devices, and inviter devices unless the inviter is the operator, MUST get Revoked; member \
         devices get onRoomDismissed and no list event. On each device every Revoked precedes onRoomDismissed, and the \
         last of these is its last event of that instance. Afterwards every operation gets 100004."
        "S1, S5";
    "ROOM-6" Must Dec Server Wire:
        "Entries MUST be kept when the inviter leaves, is kicked, is demoted or disconnects, and when the invitee \
         disconnects."
        "decision: an entry belongs to the room; others still see and control it";
    "ROOM-7" Must Client Both Wire:
        "The not-entered projection MUST equal (attendees ∪ entries) − members, recomputed from all three inputs on each \
         change, with precedence member > entry > attendee. Attendee edits MUST NOT alter entries or vice versa; \
         getInvitationList MUST NOT list attendees who were never called."
        "S9, S11, S13";
    "ROOM-8" Must Doc Server Wire:
        "Entering the room that one is in from another device MUST move membership to that device: the first one gets \
         onKickedOutOfRoom, the others no leave or enter event. It needs the password, but no second place. The member \
         device entering again changes nothing and succeeds. Entering another room while in one MUST fail with -2108, \
         from whichever device."
        "S2, S15";
};

const INV: Group = group! { INV, "inviteUsers";
    "INV-1" Must Doc Server Wire:
        "inviteUsers MUST be accepted from any user currently in the room, whatever the role."
        "S4, S5, S8-S10";
    "INV-2" Must Inf Server Wire:
        "It MUST fail with 100005 if the caller is not in that room, and with 100004 if the room does not exist."
        "S2, S4: the preconditions and the code names";
    "INV-3" Must Doc Server Wire:
        "It MUST resolve with a map that holds exactly one code per distinct requested userId; success of the call does \
         not imply code 0 for anyone."
        "S2, S3, S6, S7";
    "INV-4" Must Dec Server Wire:
        "Each user MUST be evaluated in this order: in the room → 2; PENDING, or ACCEPTED with now < answer + entry grace \
         {entry_grace: 30 s} → 1; else an attempt is created → 0."
        "decision: clients draw 'accepted' users as present, and ringing someone mid-join causes a bogus rejection";
    "INV-5" Must Client Server Wire:
        "TIMEOUT and REJECTED entries MUST be re-invitable at once."
        "S8-S12";
    "INV-6" Must Dec Server Wire:
        "Code 1 or 2 MUST change nothing: not the deadline, not the inviter, not extensionInfo; and it causes no event."
        "decision: a repeated call must not prolong or take over a ring";
    "INV-7" Must Dec Server Wire:
        "Code 0 MUST start a fresh attempt with the new inviter, deadline and extensionInfo."
        "decision: whoever calls again is the one to answer";
    "INV-8" Must Dec Server Wire:
        "userIdList MUST be de-duplicated, preserving the first occurrence; the caller's own id yields 2."
        "decision: the result is a map by user, and the caller is in the room";
    "INV-9" Must Dec Server Wire:
        "These MUST be refused with -1001, before any effect: a missing, empty or non-array list, an empty or non-string \
         id, more than {ids_max: 100} ids, a bad timeout, an extensionInfo of more than {extension_info_max: 4096} UTF-8 \
         bytes."
        "decision: bounded fan-out, and all-or-nothing validation";
    "INV-10" Must Dec Server Wire:
        "If any id names no known account, the whole call MUST fail with -2200, with a message that names the ids, and \
         without effect."
        "decision: the result enumeration has no slot for it";
    "INV-11" Must Dec Server Wire:
        "timeout MUST be a finite number of seconds, 0 ≤ t ≤ {timeout_max: 86400 s}; omitted means 0; fractions are \
         rounded up to the millisecond, so that nothing above 0 becomes 'never'."
        "decision: the type on iOS is fractional";
    "INV-12" Must Doc Server Wire:
        "extensionInfo MUST reach onReceiveInvitation byte for byte, uninterpreted and unlogged; omitted means ''."
        "S1, S2, S4";
    "INV-13" Must Doc Server Wire:
        "The invitee MUST NOT be required to be online; an offline invitee yields 0 and a PENDING entry."
        "S4, S13";
    "INV-14" Must Dec Server Wire:
        "Simultaneous invites of one user by two members, with no other operation on that entry between them, MUST give \
         exactly one 0 and one 1."
        "decision: follows from one total order (ORD-1)";
};

const CAN: Group = group! { CAN, "cancelInvitation";
    "CAN-1" Must Dec Server Wire:
        "cancelInvitation MUST act only on PENDING entries; other or unknown ids are skipped and do not fail the call."
        "decision: the result is void, so best effort; a retry is safe";
    "CAN-2" Must Dec Server Wire:
        "The recorded inviter MUST be permitted to cancel from any of its devices, in or out of the room."
        "decision: avoids orphaned untimed calls";
    "CAN-3" Must Inf Server Wire:
        "The current owner, in the room or not, and an administrator in the room MUST be permitted to cancel anyone's \
         entry; that is a revocation (REV). The administrator role ends with leaving."
        "S1, S2: a revoked event exists without an operation of its own";
    "CAN-4" Must Dec Server Wire:
        "A caller in the room who targets a live entry that is neither theirs nor theirs to revoke MUST get 100006, and \
         the whole call has no effect. A caller outside who has issued no invitation in this instance and does not own it \
         MUST get 100006 whatever the ids name (SEC-3); any other caller outside has entries of other inviters skipped \
         (CAN-1)."
        "decision: all-or-nothing permission beats silent partials";
    "CAN-5" Must Inf Server Wire:
        "A cancel MUST lead to ABSENT, with onInvitationCancelled to all invitee devices and onInvitationRemoved to \
         members."
        "S2-S5: there is no cancelled status";
    "CAN-6" Must Dec Server Wire:
        "A cancel committed after accept, reject or timeout MUST be a successful no-op: status and list are unchanged."
        "decision: as RFC 3261 has it, a cancel after the final answer has no effect";
    "CAN-7" Must Dec Server Wire:
        "After a committed cancel a late accept or reject MUST fail with -2311 (ACC-1 a) and emit nothing."
        "decision: the attempt is over, whoever did not hear of it";
    "CAN-8" Must Inf Server Wire:
        "In cancelInvitation, an owner or administrator who is also the recorded inviter MUST produce Cancelled, not \
         Revoked."
        "S3-S5: the texts speak of the inviter who takes back its own call";
    "CAN-9" Must Dec Server Wire:
        "cancelInvitation MUST refuse the lists that INV-9 refuses; in a list that it takes, duplicates count once and \
         unknown accounts are skipped. A call of inviteUsers or cancelInvitation MUST be one commit; its list events go out \
         in the order in which the call names the users."
        "decision: one call, one commit";
};

const ACC: Group = group! { ACC, "accept";
    "ACC-1" Must Inf Both Wire:
        "An answer (accept or reject) MUST be judged against one attempt: the one it names, otherwise the newest attempt \
         of (room instance, caller), in this order: (a) that attempt is unknown, or ended by timeout, cancel, revocation \
         or dissolution → -2311; (b) it was answered → IDM-3 for the device that answered, DEV-3 for any other; (c) it is \
         PENDING and now < deadline → the answer is committed. The client library MUST name (instance, attempt) whenever \
         an event or a list item told the application."
        "S2: the published gloss of -2311; that attempts are told apart follows from re-invites";
    "ACC-2" Must Doc Server Wire:
        "accept MUST NOT add the user to the room."
        "S4";
    "ACC-3" Must Doc Server Wire:
        "It MUST set ACCEPTED, stop the timer, and emit Accepted to the inviter, StatusChanged to members, and \
         Handled(true) to the invitee's other devices."
        "S3-S5";
    "ACC-4" Must Client Server Wire:
        "A *successful* entry into the room while the attempt is live MUST count as acceptance by the entering device, \
         with all effects of ACC-3; a failed entry changes nothing."
        "S8, S10, S12: shipped clients enter without awaiting accept";
    "ACC-5" Must Dec Server Wire:
        "Entry by ACC-4 MUST be an accept by the entering device: IDM-3 applies to its later accept."
        "decision: clients that enter first send the accept too";
    "ACC-6" Must Dec Server Wire:
        "accept MUST be allowed while the user is in another room; the later enterRoom decides (-2108)."
        "decision: the user may leave that room in between";
    "ACC-7" Must Doc Server Wire:
        "A failed entry (full, password, network) MUST leave ACCEPTED; a retry needs no new accept."
        "S4";
    "ACC-8" Must Client Server Wire:
        "Entry into the room MUST remove the entry, whatever its status."
        "S9-S11";
};

const REJ: Group = group! { REJ, "reject";
    "REJ-1" Must Inf Server Wire:
        "reject MUST be judged as ACC-1 says."
        "S2";
    "REJ-2" Must Doc Server Wire:
        "reason MUST be 0 or 1; omitted means 0; anything else is refused with -1001."
        "S1-S3, S6";
    "REJ-3" Must Doc Server Wire:
        "It MUST set REJECTED, and emit Rejected(reason) to the inviter, StatusChanged to members, and Handled(false) to \
         the invitee's other devices."
        "S3-S5";
    "REJ-4" Must Inf Server Wire:
        "The server MUST NOT invent rejections: each Rejected is preceded by a reject request of one of the invitee's \
         devices."
        "S8-S13: busy devices reject, there is no code for a busy user";
    "REJ-5" May Dec Device Api:
        "A client library MAY answer for a busy user (capability `auto_busy`, per device, off by default). When on it MUST \
         reply 1 when that device is in another room, else 0 when it is already ringing for another room ('in room' is \
         tested first). Ringing ends with the answer, the closing event or the session."
        "decision: off, because the shipped kits do it above the engine API; the order of iOS, which gives the inviter the \
         truer reason";
    "REJ-6" Must Dec Device Api:
        "A client library MUST NOT automatically reject an invitation to the room that it is in or is entering, nor a \
         duplicate of the one it is ringing."
        "decision: shipped clients compare no rooms, and so refuse where the user already is";
};

const LST: Group = group! { LST, "getInvitationList";
    "LST-1" Must Doc Server Wire:
        "getInvitationList MUST return `{invitationList, cursor}`; `cursor === ''` exactly when nothing is left; an empty \
         list is a success."
        "S6-S8";
    "LST-2" Must Client Server Wire:
        "It MUST list PENDING, TIMEOUT, REJECTED and ACCEPTED entries, and never cancelled, revoked or entered ones."
        "S9-S11, S13";
    "LST-3" Must Dec Server Wire:
        "The order MUST be stable: by first creation of the entry, oldest first; a re-invite keeps the place, an invite \
         after cancel, revocation or entry takes a new one."
        "decision: pages need an order that answers do not disturb";
    "LST-4" Must Dec Server Wire:
        "count MUST be a non-negative integer; 0 means {page_default: 20}; above {page_max: 100} it is capped; anything \
         else is refused with -1001."
        "decision: the document's own default is 0";
    "LST-5" Must Dec Both Wire:
        "cursor MUST be opaque; '' restarts; a malformed one is refused with -1001 together with the parameters, a \
         well-formed one of another room, instance or caller with -1001 in the last place of ERR-1; a restarted server \
         need not honour old ones."
        "decision: the documents give a cursor no content";
    "LST-6" Must Dec Server Wire:
        "A full traversal MUST return each entry that existed throughout exactly once, and never the same entry twice; \
         concurrent additions and removals may or may not show."
        "decision: the least that REC-3 needs";
    "LST-7" Must Dec Server Wire:
        "Each item MUST show the status at page time; expired deadlines MUST already read TIMEOUT."
        "decision: a list that lags behind the clock can't be told from a late timer";
    "LST-8" Must Client Server Wire:
        "It MUST be allowed to users in the room, and to an invitee outside who holds a PENDING or ACCEPTED entry; others \
         get 100006."
        "S5, S9, S10";
    "LST-9" Must Dec Server Wire:
        "For the invitee outside it MUST return only that invitee's entry."
        "decision: least privilege; the known clients only look for themselves";
};

const EVT: Group = group! { EVT, "events";
    "EVT-1" Must Inf Server Wire:
        "Recipients and payloads MUST follow the table of events in docs/PROTOCOL.md; list events MUST NOT go to users \
         outside the room."
        "S1-S7; S9, S11: observers are attached on entering and filter by the current room";
    "EVT-2" Must Dec Server Wire:
        "List events MUST carry both `roomId` and `roomInfo`."
        "decision: S1 has roomInfo, S6 and S7 have roomId";
    "EVT-3" Must Dec Both Wire:
        "Every code 0 MUST produce exactly one Added per member device, re-invites included; receivers MUST upsert by \
         invitee id."
        "decision: one testable rule; clients already upsert";
    "EVT-4" Must Dec Server Wire:
        "StatusChanged MUST be sent only for PENDING → ACCEPTED, REJECTED or TIMEOUT."
        "decision: Added and Removed tell the rest";
    "EVT-5" Must Dec Server Wire:
        "Removed MUST be sent exactly once when an entry leaves the list, except on dissolution."
        "decision: the list must be the fold of its events";
    "EVT-6" Must Dec Server Wire:
        "Payloads that carry an invitation MUST show status kNone in Cancelled, Revoked and Removed, and the status just \
         reached in all others."
        "decision: a stale kPending would redraw 'calling'";
    "EVT-7" Must Dec Server Wire:
        "Accepted, Rejected, Timeout and Revoked to the inviter MUST go to all its online devices, in the room or not."
        "decision: the inviter may have left, or look at another screen";
    "EVT-8" Must Dec Server Wire:
        "roomInfo, inviter and invitee MUST be snapshots at commit time: of the room at least roomId, roomName, roomType, \
         ownerId, ownerName, createTime, roomMemberCount; of a user userId, userName, avatarUrl, userRole."
        "decision: the fields that ring screens and push messages show";
    "EVT-9" Must Dec Device Api:
        "The same (event, handler) registered twice MUST fire once; off of an unknown pair is a no-op; a throwing handler \
         MUST NOT stop the others; off inside a handler takes effect for the next event."
        "decision: the Dart package refuses to add an observer twice";
};

const TMO: Group = group! { TMO, "timeout";
    "TMO-1" Must Dec Server Wire:
        "The deadline MUST be server-side: commit time + timeout; client clocks play no part. From outside, the commit \
         lies between request sent and response received."
        "decision: one clock, or every device times out alone";
    "TMO-2" Must Doc Server Wire:
        "timeout 0 MUST never expire and MUST NOT emit Timeout."
        "S2, S4, S15";
    "TMO-3" Must Dec Server Wire:
        "Live means now < deadline. Before it evaluates any input that concerns a room instance, the server MUST commit \
         every expiry of that instance with deadline ≤ now, by deadline, then place in the list, with all events; \
         everything else, LST-7 and LST-8 included, is judged after that."
        "decision: what is due has happened, whenever the timer fires";
    "TMO-4" Must Dec Server Wire:
        "Timeout MUST be emitted exactly once for an attempt that reaches its deadline PENDING: never before it; while the \
         server is up and unfaulted at most {expiry_lateness_max: 1 s} after it."
        "decision: the bound is this project's";
    "TMO-5" Must Doc Server Wire:
        "Timeout MUST reach inviter and invitee devices, and StatusChanged the members."
        "S3-S5";
    "TMO-6" Must Dec Server Crash:
        "Deadlines MUST survive restart; overdue ones fire once at start; time while down counts by the wall clock, never \
         negatively."
        "decision: a ring that outlives its timeout makes the user un-callable";
    "TMO-7" Must Dec Server Wire:
        "A timer from an older attempt MUST have no effect on a newer one."
        "decision: follows from INV-7";
    "TMO-8" Must Dec Server Wire:
        "With the bound of INV-11 configured above it, timeouts beyond platform timers (2^31 ms) MUST work."
        "decision: a timer that wraps round fires at once";
};

const DEV: Group = group! { DEV, "several devices of one user";
    "DEV-1" Must Doc Server Wire:
        "Receive MUST go to every online device of the invitee, including one in another room."
        "S1, S3-S5";
    "DEV-2" Must Doc Server Wire:
        "The first committed answer wins; exactly one of accept and reject MUST take effect per attempt."
        "S3-S5";
    "DEV-3" Must Dec Server Wire:
        "Any other device of the invitee that answers an answered attempt, either way, MUST get 100102 and cause no event. \
         An answered attempt is remembered while the entry shows it and for at least {answer_memory: 120 s} after the \
         answer; after both, this reply and -2311 are both lawful."
        "decision: success would make it enter and evict the winner";
    "DEV-4" Must Doc Server Wire:
        "Handled MUST go to each other online device of the invitee once, and never to the acting device."
        "S3-S5";
    "DEV-5" Must Dec Both Wire:
        "Device identity MUST survive reconnect (deviceId, not connection), so that a retry after a drop is the same \
         device."
        "decision: IDM-1 and IDM-3 rest on it";
    "DEV-6" Must Doc Server Wire:
        "reject MUST be user-level: it ends the ring on every device. (A mode in which reason 1 silences only that device \
         is left out: it has no rule for devices that go offline.)"
        "S3-S5";
    "DEV-7" Must Doc Server Wire:
        "A session that begins while an attempt is PENDING MUST NOT get its Receive, and MUST get its closing event \
         (Cancelled, Revoked, Timeout or Handled) on the wire."
        "S4";
    "DEV-8" Must Client Device Api:
        "As invitee, the client library MUST match closing events to the ringing attempt, and hand one to the application \
         only for an attempt that this session received or was shown by getInvitationList."
        "S10-S12: clients that match by room or not at all close the wrong ring";
    "DEV-9" Must Doc Server Wire:
        "A login of the same user on the same platform MUST end the older session there: it hears onKickedOffLine and \
         nothing after; its uncommitted requests leave no trace."
        "S2, S15";
};

const REV: Group = group! { REV, "revocation";
    "REV-1" Must Doc Server Wire:
        "A cancel by owner or administrator of another's entry MUST yield Revoked (never Cancelled) with operateUser = the \
         operator, including the role."
        "S1-S3, S5, S6";
    "REV-2" Must Dec Server Wire:
        "Recipients of Revoked MUST be all invitee devices and, if the inviter is not the operator, all inviter devices; \
         for dissolution too."
        "decision: its published text is not limited to incoming calls, and the inviter has no other cue outside the list";
    "REV-3" Must Inf Server Wire:
        "Members MUST get Removed, except on dissolution."
        "S6, S7: an entry that left the list";
    "REV-4" Must Doc Server Wire:
        "On dissolution operateUser MUST be the owner (userId '' if the server did it)."
        "S1, S5";
    "REV-5" Must Dec Server Wire:
        "The role MUST be judged at commit; a demoted administrator's queued revoke fails with 100006."
        "decision: the permission is that of the moment of effect";
    "REV-6" May Dec Server Wire:
        "An administrator MAY revoke the owner's invitations."
        "decision: no rank rule is published";
};

const ORD: Group = group! { ORD, "order";
    "ORD-1" Must Dec Server Wire:
        "All transitions of one instance MUST be totally ordered: the orders seen by any two devices, together with the \
         real-time order of responses, have no cycle; every member device sees list events in that order."
        "decision: without it no two devices agree on who won";
    "ORD-2" Must Dec Server Wire:
        "Per device, point and list events about one entry MUST be causally ordered (Receive before its Timeout, attempt n \
         before n+1)."
        "decision: a ring that ends before it begins is never closed";
    "ORD-3" Must Dec Both Crash:
        "A transition whose response was received MUST never be undone, whatever crashes after; a response may precede or \
         follow the caller's own events, and clients MUST cope."
        "decision: an answer is a promise";
    "ORD-4" Must Dec Server Wire:
        "An entry into the room MUST be one commit: [StatusChanged(ACCEPTED) if the attempt was live,] \
         onRemoteUserEnterRoom, Removed, in this order, to the member devices before it; the entering device gets none of \
         them and learns the list by traversal."
        "decision: a member is never missing from both lists";
    "ORD-5" Must Dec Both Wire:
        "Wire events and list items MUST carry (instance, invitee, attempt, revision), not part of the public API. \
         revision counts the commits of the instance; a page carries the revision at which it was read; a receiver \
         ignores, per invitee, whatever is older than the newest it has seen, removals included."
        "decision: list and events travel apart and must meet";
};

const IDM: Group = group! { IDM, "idempotency and retries";
    "IDM-1" Must Dec Both Wire:
        "A request that changes state MUST carry an id unique to its (userId, deviceId) for ever, restarts of the device \
         included. A repeat within {result_memory: 120 s} of the first result, over any connection or session and across \
         restarts of the server, MUST return that result without re-executing, before every other check but login; a \
         repeat while the first is in progress waits for it. Results -2 and 100001 are not kept. Requests that only read \
         always execute."
        "decision: the only safe way to retry over a network that loses answers";
    "IDM-2" Must Dec Server Wire:
        "The same id with different content MUST get -1001. (Requests that only read always execute, by IDM-1.)"
        "decision: a client that reuses ids must hear of it";
    "IDM-3" Must Dec Server Wire:
        "For the device whose answer was committed, the same answer again MUST succeed without event, and the opposite \
         answer MUST get 100102, whatever has happened to the entry since."
        "decision: it has what it asked for";
    "IDM-4" Must Dec Both Wire:
        "Event delivery MUST be effectively once per device session (duplicates are filtered by ORD-5)."
        "decision: an application that rings twice is wrong, whoever repeated it";
    "IDM-5" Must Dec Device Api:
        "After each resume or login the client library MUST send every request again that has no answer yet, with the same \
         id. A call that has no answer {request_timeout: 30 s} after it was made MUST fail with -1, which means that \
         nobody knows whether it took effect."
        "decision: an application can't wait for ever";
};

const ERR: Group = group! { ERR, "errors and validation";
    "ERR-1" Must Dec Server Wire:
        "The order of checks MUST be: login (-1002); kept result, or -1001 for IDM-2; rate (-2); parameters (-2105 for \
         roomId, -1001 otherwise); room exists (100004); type (-2103); membership (100005, inviteUsers only); permission \
         (100006); accounts (-2200); state (codes 0/1/2, -2311, 100102, foreign cursor)."
        "decision: two servers must give one answer";
    "ERR-2" Must Doc Both Wire:
        "roomId MUST be 1–64 bytes of the 89-character set, with identical checks on client and server."
        "S1, S2 (S14 disagrees)";
    "ERR-3" Must Dec Server Wire:
        "A failed call MUST leave no trace: no entry, timer or event."
        "decision: all or nothing";
    "ERR-4" Must Doc Both Wire:
        "Errors MUST be objects with a numeric `code` from `TUIErrorCode` and a `message`; unknown codes pass through."
        "S1, S2";
    "ERR-5" Must Doc Server Wire:
        "-1003 MUST NOT be used for authorisation."
        "S2, S14: it is about cameras and microphones";
    "ERR-6" Must Doc Server Wire:
        "Overload MUST give -2 and an internal failure 100001; both are retryable with the same id. Many of them in a run \
         make it inconclusive, not conforming."
        "S2, S14";
};

const REC: Group = group! { REC, "reconnect and recovery";
    "REC-1" Must Doc Server Wire:
        "Events missed while logged out or beyond the resume window {resume_window: 30 s} MUST NOT be replayed. Tested at \
         no more than half the window, and at no less than the window plus the keep-alive bound \
         {keep_alive_bound: 20 s}; between, both are lawful."
        "S4";
    "REC-2" Must Dec Server Wire:
        "Within the window the server MUST deliver missed events in order before new ones, except that for an attempt that \
         both began and ended while the device was suspended neither Receive nor its closing event is delivered."
        "decision: a ring that is over is no news";
    "REC-3" Must Dec Both Wire:
        "On entry and re-entry a client MUST be able to rebuild the list exactly by traversal plus subsequent events; \
         events at or below the snapshot revision are dropped."
        "decision: recovery is by list, as the guides advise";
    "REC-4" Must Dec Server Crash:
        "Sessions, their undelivered events and the results of IDM-1 MUST be part of what is persisted. At restart every \
         session whose window had not passed is suspended afresh with a full window; a device that resumes MUST get every \
         event it has not acknowledged, in order, once. From outside: for every crash point, after all devices have \
         resumed, each device's event sequence is that of a run without the crash."
        "decision: a crash of the server is a loss of connection, and nothing more";
    "REC-5" Must Dec Server Crash:
        "A crash before commit MUST leave no trace; the retried request executes normally."
        "decision: half an operation is none";
    "REC-6" Should Client Server Wire:
        "A push hint SHOULD be emitted for an invitee without an online device, carry the five observed keys \
         (NotificationType = conference_invitation, RoomId, RoomName, OwnerName, MemberCount), and MUST NOT be sent for \
         entries already closed."
        "S9, S10, S13";
};

const SEC: Group = group! { SEC, "authorisation and privacy";
    "SEC-1" Must Dec Server Wire:
        "Identity MUST come from the authenticated session: a user id in a request body that is not the session's has no \
         effect or is refused with -1001."
        "decision: nobody answers for another";
    "SEC-2" Must Dec Server Wire:
        "Only the invitee may accept or reject; a third party MUST get -2311 with the same message and the same silence as \
         for 'none'."
        "decision: an error must not say who is being called";
    "SEC-3" Must Dec Server Wire:
        "Invitation state MUST be invisible to users who are neither members nor the invitee: two runs that differ only in \
         an invitation give a stranger the same results and events."
        "decision: non-interference";
    "SEC-4" Must Client Server Wire:
        "roomInfo.password MUST be blank in every event and result except Receive to the invitee, where it MAY be filled."
        "S12: the web sample hands it on to join";
    "SEC-5" Must Dec Server Wire:
        "accept MUST NOT waive password, capacity or ban checks on entry."
        "decision: an invitation is no key";
    "SEC-6" Should Dec Server Wire:
        "Rate limits SHOULD exist as token buckets on the server's clock: inviteUsers {invite_calls_max: 20} calls, one \
         refilled every {invite_calls_refill: 200 ms}, per caller; {rings_max: 5} rings, one refilled every \
         {rings_refill: 10 s}, per (caller, invitee). An exceeded bucket fails the whole call with -2 and takes nothing."
        "decision: bounds on nuisance calls";
};
