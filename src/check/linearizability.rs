//! Whether some order explains a history of which nothing but the API is known.
//!
//! An implementation that can't be looked into says neither instance nor revision, so the order that it followed must be
//! searched for: is there an order of the operations on one entry that respects real time (what had returned before
//! another call was made comes before it) and in which a sequential service would have given the same answers? That is
//! linearizability (Herlihy and Wing 1990); the search is Wing and Gong's (1993) in Lowe's form (2017), see `search`.
//!
//! - One [`History`] is all that concerns one (room, invitee), over every life of the room: at the API nobody can say to
//!   which life a call belonged that overlapped a dissolution, so lives are part of the `model` and not of the key.
//! - Expiries are steps of the service itself, not before commit + timeout, where the commit lies between call and return
//!   (TMO-1). A call that came to -1, or that never returned, has happened at any time after it was made, or not at all
//!   (IDM-5); -2, 100001 and what was refused for its form have not happened (ERR-3, ERR-6).
//! - An event heard says that its cause was committed before it was heard. Nothing follows from an event not heard.
//! - A batch is split by invitee, which keeps every search small. What that can't see is put back for calls whose outcome
//!   nobody knows: if one part must have happened, by then every part must have (see [`explain`]). What it still can't
//!   see: that the parts of a batch happened at one and the same moment, and that the order found for one entry agrees
//!   with that of another. Where responses carry revisions, the linear check of the claimed order sees both.
//! - Permissions are those of the calls' own times, as far as the API shows them (see `standing`); where two are
//!   possible, both are tried.
//!
//! What it deliberately does not do: judge payloads, recipients, or whether an event that was due came. It is blind to
//! the stamps of events and responses even where there are some.

mod gather;
mod model;
mod search;
mod standing;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::gather::from_trace;
pub use self::standing::Standing;

use super::follow::Followed;
use super::variants::Variants;
use super::{AlwaysCheck, Boundary, Check, Difference, Finding, Findings};
use crate::protocol::bounds::Bounds;
use crate::protocol::vocabulary::{DeviceId, ErrorCode, InvitationCode, InvitationStatus, RoomId, UserId};
use crate::time::{Duration, Instant};
use crate::trace::{Occurrence, Trace};

/// What it is called, and what it promises.
pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "order",
    requirements: &["ORD-1", "ORD-3", "DEV-2", "INV-4", "CAN-6", "CAN-7", "TMO-1", "TMO-3", "LST-2", "LST-7"],
    boundary: Boundary::DeviceApi,
    promise: "the calls about each invitee, their results and what was heard are explained by one order that respects \
              real time",
    begin: || Box::new(Order),
};

struct Order;

impl Check for Order {
    fn finish(&mut self, history: &super::history::History<'_>, _: &Followed<'_>) -> Findings {
        judge(history.trace, history.variants, EXPLORED_MAX)
    }
}

/// How many states a search may look at before it gives up. The corpus stays below a hundredth of it.
pub const EXPLORED_MAX: usize = 100_000;

/// All that concerns one invitee of one room, as the API shows it.
#[derive(Clone, PartialEq, Debug)]
pub struct History {
    /// The room.
    pub room: RoomId,
    /// Who is called.
    pub invitee: UserId,
    /// The bounds that the service keeps.
    pub bounds: Bounds,
    /// How it reads what is left open.
    pub variants: Variants,
    /// What was asked, in the order of the calls.
    pub operations: Vec<Operation>,
    /// What was heard, in order.
    pub sightings: Vec<Sighting>,
}

/// When something was observed, and its place among what was observed at the same time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Point {
    /// When.
    pub at: Instant,
    /// One more than the index of the moment in the trace; 0 for what begins or ends by a rule and not by a moment.
    pub place: usize,
}

/// One call, as far as it concerns the invitee.
#[derive(Clone, PartialEq, Debug)]
pub struct Operation {
    /// The device that called, as reports name it.
    pub who: Arc<str>,
    /// Its user.
    pub user: UserId,
    /// Its identity.
    pub device: DeviceId,
    /// What it asked.
    pub asks: Asks,
    /// When it was called.
    pub called: Point,
    /// Until when it took effect if it did; none for what may take effect at any later time.
    pub returned: Option<Point>,
    /// What it came to.
    pub outcome: Outcome,
    /// The call that it is a part of, if that names several invitees.
    pub batch: Option<BatchNo>,
}

/// Tells the calls with several invitees apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct BatchNo(pub usize);

/// What was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asks {
    /// createRoom.
    Create,
    /// destroyRoom, by somebody who may.
    Destroy,
    /// enterRoom, by the invitee.
    Enter,
    /// exitRoom, by the invitee.
    Exit,
    /// kickRemoteUserOutOfRoom, of the invitee.
    Kick,
    /// Nobody asked: the session of this device of the invitee ended, which is an exit (TERM-2).
    EndSession,
    /// inviteUsers, with the invitee among the users.
    Invite {
        /// None for 0, which never expires (TMO-2).
        timeout: Option<Duration>,
    },
    /// cancelInvitation, with the invitee among the users.
    Cancel {
        /// What its caller may have been at that time.
        standing: Standing,
    },
    /// accept or reject.
    Answer {
        /// Which of the two.
        accepted: bool,
        /// The attempt that it is meant for.
        meant: Meant,
    },
    /// getInvitationList.
    List,
}

/// The attempt that an answer names (ACC-1). The library fills it in, and the API does not show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meant {
    /// None: the newest is meant.
    Newest,
    /// The newest that the device has been told of. It had heard this many Receives: if that is as many as there were
    /// attempts, the newest is meant, otherwise it may be any.
    Told(u32),
    /// It may be any.
    Any,
}

/// What a call came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It succeeded and returned nothing about the entry.
    Done,
    /// inviteUsers gave this code for the invitee.
    Code(InvitationCode),
    /// A list showed the entry.
    Shown {
        /// With this status.
        status: InvitationStatus,
        /// Called by this user.
        inviter: UserId,
    },
    /// A list that would have shown the entry did not.
    NotShown,
    /// It failed, without effect.
    Failed(ErrorCode),
    /// It failed with -1 or never returned: it may have happened at any time after the call, or not at all (IDM-5).
    Unknown,
}

/// Something heard: the cause had come about this often by then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sighting {
    /// On which device, as reports name it.
    pub who: Arc<str>,
    /// What the event tells of.
    pub sight: Sight,
    /// How often a device had heard of it by then.
    pub count: u32,
    /// When it was heard.
    pub at: Point,
}

/// What an event tells of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Sight {
    /// An attempt began (T1).
    Called {
        /// By this user.
        inviter: UserId,
    },
    /// An attempt was accepted (T4, T11).
    Accepted,
    /// An attempt was rejected (T5).
    Rejected,
    /// An attempt reached its deadline (T6).
    Expired,
    /// An attempt was cancelled by its inviter (T7).
    Cancelled,
    /// An attempt was ended by another, or by dissolution (T8, T9).
    Revoked,
    /// The entry left the list of a room that lives on (T7, T8, T10 to T12).
    Removed,
    /// The invitee entered the room.
    Entered,
    /// The invitee is no longer in the room.
    Left,
    /// The room was dissolved.
    Dissolved,
}

/// What the search says of a history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Some order explains it.
    Linearizable,
    /// No order does.
    NotLinearizable {
        /// The shortest beginning of the history that no order explains, a line for each call and event. The last is what
        /// can't be explained.
        prefix: Vec<String>,
        /// In which states the entry may have been before the last line.
        before: Vec<String>,
        /// Where the prefix ends.
        at: Point,
    },
    /// The bound was reached first.
    Inconclusive {
        /// How many states were looked at.
        explored: usize,
    },
}

/// Looks for an order of each history, and for halves of batches among all of them; a verdict for each, in order.
///
/// A part of a call of unknown outcome must have happened if its history can't be explained without it, and then no later
/// than at what can't be explained. The call is one commit (CAN-9), so every other part has happened by then as well: a
/// history that can't be explained with it shows half a batch. Searches that reach `explored_max` accuse nobody here.
#[must_use]
pub fn explain(histories: &[History], explored_max: usize) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> =
        histories.iter().map(|history| search::search(history, &search::Demands::default(), explored_max)).collect();
    // The parts of each call of unknown outcome, as (history, operation).
    let mut parts: BTreeMap<BatchNo, Vec<(usize, usize)>> = BTreeMap::new();
    for (number, history) in histories.iter().enumerate() {
        for (index, operation) in history.operations.iter().enumerate() {
            if let (Some(batch), Outcome::Unknown) = (operation.batch, &operation.outcome) {
                parts.entry(batch).or_default().push((number, index));
            }
        }
    }
    for parts in parts.values().filter(|parts| parts.len() > 1) {
        let must_have = |&(number, operation): &(usize, usize)| {
            let without = search::Demands { never: Some(operation), ..search::Demands::default() };
            match search::search(&histories[number], &without, explored_max) {
                Verdict::NotLinearizable { at, .. } => Some(at),
                _ => None,
            }
        };
        let all_explained = parts.iter().all(|(number, _)| verdicts[*number] == Verdict::Linearizable);
        let Some(by) = parts.iter().filter(|_| all_explained).filter_map(must_have).min() else { continue };
        for &(number, operation) in parts {
            let with = search::Demands { by: Some((operation, by)), ..search::Demands::default() };
            let verdict = search::search(&histories[number], &with, explored_max);
            if matches!(verdict, Verdict::NotLinearizable { .. }) {
                verdicts[number] = verdict;
            }
        }
    }
    verdicts
}

/// Judges a trace of which nothing but the API is known; others are judged by what their server says.
fn judge(trace: &Trace, variants: Variants, explored_max: usize) -> Findings {
    let mut findings = Findings::default();
    let shows_the_server = trace
        .moments
        .iter()
        .any(|moment| matches!(moment.what, Occurrence::ServerReceived { .. } | Occurrence::ServerSent { .. }));
    if shows_the_server {
        return findings;
    }
    let of_variants = |history| History { variants, ..history };
    let histories: Vec<History> = from_trace(trace).into_iter().map(of_variants).collect();
    for (history, verdict) in histories.iter().zip(explain(&histories, explored_max)) {
        let (room, invitee) = (&history.room, &history.invitee);
        match verdict {
            Verdict::Linearizable => {}
            Verdict::NotLinearizable { prefix, before, at } => findings.add(|| {
                let message = format!(
                    "no order that respects real time explains what was seen of {invitee} in {room} up to here: {}",
                    prefix.last().map_or("", String::as_str)
                );
                let expected = before.iter().map(|state| format!("before it: {state}")).collect::<Vec<_>>().join("\n");
                Finding {
                    moment: at.place.checked_sub(1),
                    difference: Some(Difference { expected, seen: prefix.join("\n") }),
                    ..Finding::of(&CHECK, CHECK.requirements, message)
                }
            }),
            Verdict::Inconclusive { explored } => findings.undecided.push(format!(
                "{}: whether an order explains what was seen of {invitee} in {room} is open after {explored} states",
                CHECK.name
            )),
        }
    }
    findings
}
