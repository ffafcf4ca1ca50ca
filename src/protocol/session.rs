//! The server's sessions: which device is online, what it has not acknowledged, and what it resumes with.
//!
//! Knows nothing of rooms. A session is connected, or suspended since the server noticed the loss of its connection;
//! ended sessions are gone (TERM-1).

use std::collections::{BTreeSet, VecDeque};
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};

use super::call::{DeviceIdentity, Reply};
use super::core::SessionSlot;
use super::devices::DevicePlace;
use super::event::StampedEvent;
use super::message::{ConnectionNo, Content, RoomPoint};
use super::vocabulary::{ApiError, RequestId, SessionToken};
use crate::seed::WordHash;
use crate::time::{Duration, Instant};

/// All sessions that are online.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Sessions {
    slots: Vec<Option<Session>>,
    free: Vec<u32>,
    /// How many have begun.
    begun: u64,
    /// When each suspended session ends: at one instant the older session first.
    windows: BTreeSet<Window>,
}

/// The end of a resume window, in the order in which windows end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
struct Window {
    end: Instant,
    /// Slots are used again, so they say nothing of which session is older.
    number: u64,
    slot: SessionSlot,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Session {
    /// Counts the sessions in the order of their beginnings.
    number: u64,
    pub(super) identity: Arc<DeviceIdentity>,
    pub(super) device: DevicePlace,
    pub(super) token: SessionToken,
    pub(super) connection: Option<ConnectionNo>,
    pub(super) suspended_since: Option<Instant>,
    /// The number of the last event that the device has acknowledged; the first in the queue is the next.
    acknowledged: u64,
    /// What is not acknowledged yet, in order.
    queue: VecDeque<Arc<StampedEvent>>,
    /// The number of the last event that was queued before the suspension. What came later has never been sent, so it
    /// can still be left out and renumbered (REC-2).
    sent: u64,
}

impl Sessions {
    pub(super) fn begin(
        &mut self,
        identity: Arc<DeviceIdentity>,
        device: DevicePlace,
        token: SessionToken,
    ) -> SessionSlot {
        self.begun += 1;
        let session = Session {
            number: self.begun,
            identity,
            device,
            token,
            connection: None,
            suspended_since: None,
            acknowledged: 0,
            queue: VecDeque::new(),
            sent: 0,
        };
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(session);
                SessionSlot(slot)
            }
            None => {
                self.slots.push(Some(session));
                SessionSlot(u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 sessions"))
            }
        }
    }

    pub(super) fn end(&mut self, slot: SessionSlot, window: Duration) -> Session {
        let session = self.slots[slot.0 as usize].take().expect("the session is online");
        if let Some(since) = session.suspended_since {
            self.windows.remove(&session.window_until(since + window, slot));
        }
        self.free.push(slot.0);
        session
    }

    /// How many events wait for an acknowledgement, over all sessions.
    pub(super) fn queued(&self) -> u64 {
        self.slots.iter().flatten().map(|session| session.queue.len() as u64).sum()
    }

    /// Every place for a session, taken or not.
    pub(super) fn slots(&self) -> Vec<SessionSlot> {
        (0..self.slots.len()).map(|slot| SessionSlot(u32::try_from(slot).expect("fewer than 2^32 sessions"))).collect()
    }

    /// The oldest session that is online with more than so many events unacknowledged, and the others that are.
    pub(super) fn oldest_with_more_than(
        &self,
        bound: u64,
        mut slots: Vec<SessionSlot>,
    ) -> Option<(SessionSlot, Vec<SessionSlot>)> {
        slots.retain(|slot| {
            self.slots[slot.0 as usize].as_ref().is_some_and(|session| session.undelivered_count() > bound)
        });
        slots.sort_unstable_by_key(|slot| self.get(*slot).number);
        slots.dedup();
        let oldest = *slots.first()?;
        slots.remove(0);
        Some((oldest, slots))
    }

    pub(super) fn get(&self, slot: SessionSlot) -> &Session {
        self.slots[slot.0 as usize].as_ref().expect("the session is online")
    }

    pub(super) fn get_mut(&mut self, slot: SessionSlot) -> &mut Session {
        self.slots[slot.0 as usize].as_mut().expect("the session is online")
    }

    /// The next end of a resume window.
    pub(super) fn next_end(&self) -> Option<(Instant, SessionSlot)> {
        self.windows.first().map(|window| (window.end, window.slot))
    }

    pub(super) fn suspend(&mut self, now: Instant, slot: SessionSlot, window: Duration) {
        let session = self.get_mut(slot);
        session.connection = None;
        session.suspended_since = Some(now);
        session.sent = session.acknowledged + session.queue.len() as u64;
        let window = session.window_until(now + window, slot);
        self.windows.insert(window);
    }

    /// The device goes on with the session: forgets what it has received, and what began and ended meanwhile (REC-2).
    pub(super) fn resume(&mut self, slot: SessionSlot, received: u64, window: Duration) {
        let session = self.get_mut(slot);
        session.acknowledge(received);
        if let Some(since) = session.suspended_since.take() {
            session.leave_out_what_began_and_ended();
            let window = session.window_until(since + window, slot);
            self.windows.remove(&window);
        }
    }

    /// REC-4: at a restart every session whose window has not passed is suspended afresh.
    pub(super) fn suspend_afresh(&mut self, now: Instant, window: Duration) {
        for index in 0..self.slots.len() {
            let slot = SessionSlot(u32::try_from(index).expect("fewer than 2^32 sessions"));
            let Some(session) = &mut self.slots[index] else { continue };
            match session.suspended_since {
                Some(since) if since + window <= now => {}
                Some(since) => {
                    session.suspended_since = Some(now);
                    self.windows.remove(&session.window_until(since + window, slot));
                    self.windows.insert(session.window_until(now + window, slot));
                }
                None => self.suspend(now, slot, window),
            }
        }
    }
}

impl Session {
    const fn window_until(&self, end: Instant, slot: SessionSlot) -> Window {
        Window { end, number: self.number, slot }
    }

    /// Queues an event. Where to send it, and under which number, if the device is connected.
    pub(super) fn push(&mut self, event: Arc<StampedEvent>) -> Option<(ConnectionNo, u64)> {
        self.queue.push_back(event);
        self.connection.map(|connection| (connection, self.acknowledged + self.queue.len() as u64))
    }

    pub(super) fn acknowledge(&mut self, received: u64) {
        while self.acknowledged < received && self.queue.pop_front().is_some() {
            self.acknowledged += 1;
        }
    }

    /// What is not acknowledged, with its numbers.
    pub(super) fn undelivered(&self) -> impl Iterator<Item = (u64, &Arc<StampedEvent>)> {
        (self.acknowledged + 1..).zip(&self.queue)
    }

    /// The number that the next event gets.
    pub(super) fn next_seq(&self) -> u64 {
        self.acknowledged + self.queue.len() as u64 + 1
    }

    pub(super) fn undelivered_count(&self) -> u64 {
        self.queue.len() as u64
    }

    /// REC-2: for an attempt that both began and ended while the device was suspended, neither Receive nor the closing
    /// event is delivered.
    fn leave_out_what_began_and_ended(&mut self) {
        let sent = usize::try_from(self.sent.saturating_sub(self.acknowledged)).unwrap_or(usize::MAX);
        let meanwhile = || self.queue.iter().skip(sent);
        let user = &self.identity.user_id;
        let mine = |event: &StampedEvent| {
            let stamp = event.stamp.as_ref()?;
            stamp.about.as_ref().filter(|about| about.invitee == *user).map(|about| (stamp.instance, about.attempt))
        };
        let began: BTreeSet<_> = meanwhile()
            .filter(|event| event.event.name() == super::vocabulary::EventName::ReceiveInvitation)
            .filter_map(|event| mine(event))
            .collect();
        if began.is_empty() {
            return;
        }
        let ended: BTreeSet<_> = meanwhile()
            .filter(|event| event.event.name().closes_ring())
            .filter_map(|event| mine(event))
            .filter(|attempt| began.contains(attempt))
            .collect();
        let mut index = 0;
        let identity = &self.identity;
        self.queue.retain(|event| {
            index += 1;
            let point = event.event.name() == super::vocabulary::EventName::ReceiveInvitation
                || event.event.name().closes_ring();
            let about = event.stamp.as_ref().and_then(|stamp| {
                let about = stamp.about.as_ref().filter(|about| about.invitee == identity.user_id)?;
                Some((stamp.instance, about.attempt))
            });
            index <= sent || !point || about.is_none_or(|attempt| !ended.contains(&attempt))
        });
    }
}

/// The results that one device may ask for again (IDM-1).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct KeptResults {
    by_id: IndexMap<RequestId, KeptResult, FxBuildHasher>,
    /// In the order in which they lapse.
    order: VecDeque<(Instant, RequestId)>,
}

/// A result, and what tells the request from another of the same id: its content may be long, and whoever makes two
/// contents of one fingerprint fools nobody but its own device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeptResult {
    content: u64,
    pub(super) result: Result<Reply, ApiError>,
    pub(super) at: Option<RoomPoint>,
}

impl KeptResult {
    pub(super) fn new(content: &Content, result: Result<Reply, ApiError>, at: Option<RoomPoint>) -> Self {
        Self { content: fingerprint(content), result, at }
    }

    /// Whether this is what was asked (IDM-2).
    pub(super) fn answers(&self, content: &Content) -> bool {
        self.content == fingerprint(content)
    }
}

fn fingerprint(content: &Content) -> u64 {
    let mut hash = WordHash::default();
    content.hash(&mut hash);
    hash.finish()
}

impl KeptResults {
    /// The result kept under this id, if `now` is still within the memory.
    pub(super) fn get(&self, now: Instant, id: &RequestId, memory: Duration) -> Option<&KeptResult> {
        // The oldest lapse first; those that have lapsed are dropped when the next result is kept.
        let lapsed = self.order.iter().take_while(|(at, _)| now.since(*at) > memory).any(|(_, old)| old == id);
        if lapsed { None } else { self.by_id.get(id) }
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.by_id.len() as u64
    }

    /// When the last of them lapses; none are kept after that.
    pub(super) fn lapse(&self, memory: Duration) -> Option<Instant> {
        self.order.back().map(|(at, _)| *at + memory)
    }

    pub(super) fn keep(&mut self, now: Instant, id: RequestId, result: KeptResult, memory: Duration) {
        while let Some((at, _)) = self.order.front()
            && now.since(*at) > memory
        {
            let (_, old) = self.order.pop_front().expect("there is a front");
            self.by_id.swap_remove(&old);
        }
        self.order.push_back((now, id.clone()));
        self.by_id.insert(id, result);
    }
}
