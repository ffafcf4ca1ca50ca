//! A server's boundary as it is seen from outside: by devices that note at their own ends of the wire what goes out and
//! comes in, while the server runs elsewhere and shows nothing.
//!
//! Whoever records such a run hands every message to [`record`] and every end of a connection to [`record_loss`]. A request
//! counts as taken by the server when it was sent: no later than it can have arrived. What the server says counts as said
//! when it came in: no earlier than it was. So the moments of the server's boundary enclose what really happened, and every
//! check that holds for spans holds for them; where a check bounds a time it allows for [`Vantage::Devices`].
//!
//! What can't be seen is not made up: requests for push notifications, and what was said and never arrived. That a server
//! died and started again is known to whoever kills it: [`Occurrence::ServerCrashed`] is recorded when every connection to
//! it has ended for its device, and so behind all that it had said; [`Occurrence::ServerStarted`] before anybody connects.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{DeviceChange, Moment, Occurrence, Trace};
use crate::plan::DeviceIndex;
use crate::protocol::call::{InvitationPage, Reply};
use crate::protocol::event::StampedEvent;
use crate::protocol::message::ConnectionNo;
use crate::protocol::vocabulary::{AttemptNo, Revision};
use crate::time::{Duration, Instant};

/// Where the moments of the server's boundary were seen.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Vantage {
    /// By the server itself.
    #[default]
    Server,
    /// By the devices, at their ends of the wire.
    Devices {
        /// What a message may take from one end to the other, at most, on a connection that lives. A server is not called
        /// late within it.
        transit_max: Duration,
    },
    /// By the applications alone: nobody saw the wire, and what the library adds to the API (stamps, attempts) is not known.
    Applications,
}

impl Vantage {
    /// Whether the server itself saw it.
    #[must_use]
    pub fn is_server(&self) -> bool {
        *self == Self::Server
    }

    /// Whether nothing but the API was seen.
    #[must_use]
    pub fn is_applications(&self) -> bool {
        *self == Self::Applications
    }
}

/// How a connection ended, as far as its device can tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// The server said that it closes it.
    Closed,
    /// Anything else: the device hung up, the stream broke, nothing came any more.
    Broken,
    /// The server has died, or is being killed.
    Died,
}

/// Records that a device sent or received a message, and what follows for the server's boundary.
///
/// # Panics
/// When it is anything but [`Occurrence::DeviceSent`] or [`Occurrence::DeviceReceived`].
pub fn record(moments: &mut Vec<Moment>, at: Instant, seen: Occurrence) {
    match &seen {
        Occurrence::DeviceSent { device, connection, message, .. } => {
            let (device, connection, message) = (*device, *connection, message.clone());
            moments.push(Moment { at, what: seen });
            moments.push(Moment { at, what: Occurrence::ServerReceived { device, connection, message } });
        }
        Occurrence::DeviceReceived { device, connection, message } => {
            let (device, connection, message) = (*device, *connection, message.clone());
            moments.push(Moment { at, what: Occurrence::ServerSent { device, connection, message } });
            moments.push(Moment { at, what: seen });
        }
        _ => unreachable!("only messages are recorded in this way"),
    }
}

/// Records that a device has lost its connection, and what follows for the server's boundary.
pub fn record_loss(moments: &mut Vec<Moment>, at: Instant, device: DeviceIndex, connection: ConnectionNo, how: Loss) {
    moments.push(Moment { at, what: Occurrence::DeviceLost { device, connection } });
    let what = match how {
        Loss::Closed => Occurrence::ServerClosed { device, connection },
        Loss::Broken => Occurrence::ServerLost { device, connection },
        // It died with everything that stood.
        Loss::Died => return,
    };
    moments.push(Moment { at, what });
}

/// The same run as it would have been recorded from outside: for tests of what can be judged from there. None where what a
/// server had said before it died arrives after somebody has reached its next life: whoever kills a server waits longer.
#[must_use]
pub fn seen_by_devices(trace: &Trace) -> Option<Trace> {
    let mut seen = Trace {
        plan: trace.plan.clone(),
        vantage: Vantage::Devices { transit_max: transit_max(trace) },
        moments: Vec::new(),
    };
    let moments = &mut seen.moments;
    let mut standing: BTreeSet<ConnectionNo> = BTreeSet::new();
    let mut closed: BTreeSet<ConnectionNo> = BTreeSet::new();
    let mut died: BTreeSet<ConnectionNo> = BTreeSet::new();
    // The end of a server and its next beginning, which come behind what was under way: until which moment.
    let mut waiting: Vec<Occurrence> = Vec::new();
    let mut wait_until = 0;
    for (number, moment) in trace.moments.iter().enumerate() {
        let at = moment.at;
        if number > wait_until {
            moments.extend(waiting.drain(..).map(|what| Moment { at, what }));
        }
        match &moment.what {
            Occurrence::ServerReceived { .. }
            | Occurrence::ServerSent { .. }
            | Occurrence::ServerLost { .. }
            | Occurrence::PushHinted(_) => {}
            Occurrence::ServerClosed { connection, .. } => {
                closed.insert(*connection);
            }
            Occurrence::DeviceReceived { connection, .. } if died.contains(connection) && waiting.is_empty() => {
                return None;
            }
            Occurrence::DeviceSent { .. } | Occurrence::DeviceReceived { .. } => {
                record(moments, at, moment.what.clone())
            }
            Occurrence::DeviceLost { device, connection } => {
                standing.remove(connection);
                let how = match (died.contains(connection), closed.contains(connection)) {
                    (true, _) => Loss::Died,
                    (_, true) => Loss::Closed,
                    _ => Loss::Broken,
                };
                record_loss(moments, at, *device, *connection, how);
            }
            Occurrence::Connected { connection, .. } => {
                standing.insert(*connection);
                moments.push(moment.clone());
            }
            Occurrence::ServerCrashed => {
                let under_way = |later: &Moment| matches!(&later.what, Occurrence::DeviceReceived { connection, .. } if standing.contains(connection));
                let rest = trace.moments[number..].iter();
                let old = rest.take_while(|later| !matches!(later.what, Occurrence::Connected { .. }));
                wait_until =
                    number + old.enumerate().filter(|(_, later)| under_way(later)).last().map_or(0, |(n, _)| n);
                died.append(&mut standing);
                waiting.push(Occurrence::ServerCrashed);
            }
            Occurrence::ServerStarted { .. } if !waiting.is_empty() => waiting.push(moment.what.clone()),
            _ => moments.push(moment.clone()),
        }
    }
    let last = trace.moments.last().map_or(Instant::START, |last| last.at);
    moments.extend(waiting.into_iter().map(|what| Moment { at: last, what }));
    Some(seen)
}

/// The same run as its applications saw it, for tests of what can be judged from there: calls, what they came to, and
/// events, without what is no part of the API.
#[must_use]
pub fn seen_by_applications(trace: &Trace) -> Trace {
    let mut seen = Trace { plan: trace.plan.clone(), vantage: Vantage::Applications, moments: Vec::new() };
    for Moment { at, what } in &trace.moments {
        let what = match what {
            Occurrence::Heard { device, event } => Occurrence::Heard {
                device: *device,
                event: Arc::new(StampedEvent { stamp: None, event: event.event.clone() }),
            },
            Occurrence::Handled { device, handler, event } => Occurrence::Handled {
                device: *device,
                handler: handler.clone(),
                event: Arc::new(StampedEvent { stamp: None, event: event.event.clone() }),
            },
            Occurrence::Returned { device, call, result: Ok(Reply::List(page)) } => {
                let mut page = InvitationPage::clone(page);
                for item in &mut page.invitation_list {
                    (item.attempt, item.revision) = (AttemptNo::default(), Revision::default());
                }
                Occurrence::Returned { device: *device, call: *call, result: Ok(Reply::List(Arc::new(page))) }
            }
            Occurrence::Stage(_)
            | Occurrence::StepBegan { .. }
            | Occurrence::Called { .. }
            | Occurrence::Returned { .. }
            | Occurrence::DeviceChanged { .. } => what.clone(),
            _ => continue,
        };
        seen.moments.push(Moment { at: *at, what });
    }
    seen
}

/// The longest that any message took.
fn transit_max(trace: &Trace) -> Duration {
    let mut under_way: std::collections::BTreeMap<(ConnectionNo, bool), std::collections::VecDeque<(usize, Instant)>> =
        std::collections::BTreeMap::new();
    let mut longest = Duration::ZERO;
    // What is held and then lost has been under way as well.
    let mut held: std::collections::BTreeMap<DeviceIndex, Instant> = std::collections::BTreeMap::new();
    for (number, moment) in trace.moments.iter().enumerate() {
        let (key, arrives) = match &moment.what {
            Occurrence::DeviceSent { connection, .. } => ((*connection, true), false),
            Occurrence::ServerSent { connection, .. } => ((*connection, false), false),
            Occurrence::ServerReceived { connection, .. } => ((*connection, true), true),
            Occurrence::DeviceReceived { connection, .. } => ((*connection, false), true),
            Occurrence::DeviceChanged { device, change: DeviceChange::Held } => {
                held.entry(*device).or_insert(moment.at);
                continue;
            }
            Occurrence::DeviceChanged { device, change: DeviceChange::Released } => {
                longest = longest.max(held.remove(device).map_or(Duration::ZERO, |from| moment.at.since(from)));
                continue;
            }
            _ => continue,
        };
        let queue = under_way.entry(key).or_default();
        if !arrives {
            queue.push_back((number, moment.at));
            continue;
        }
        // What the network lost never arrives: the message itself says which one did.
        let is_this = |sent: usize| match (&trace.moments[sent].what, &moment.what) {
            (Occurrence::DeviceSent { message: one, .. }, Occurrence::ServerReceived { message: other, .. }) => {
                one == other
            }
            (Occurrence::ServerSent { message: one, .. }, Occurrence::DeviceReceived { message: other, .. }) => {
                one == other
            }
            _ => false,
        };
        if let Some(position) = queue.iter().position(|(sent, _)| is_this(*sent)) {
            longest = longest.max(moment.at.since(queue[position].1));
            queue.drain(..=position);
        }
    }
    longest
}
