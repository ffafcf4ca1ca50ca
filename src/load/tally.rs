//! What is counted while a run goes on.

use super::histograms::{Latencies, Measured};
use super::result::{CALL, Counts, Second};
use crate::protocol::vocabulary::{ErrorCode, EventName, OperationName};
use crate::time::{Duration, Instant};

/// The moments from which latencies count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    /// When it was planned.
    pub(super) planned: Instant,
    /// When it was handed to the library.
    pub(super) sent: Instant,
}

impl Stamp {
    /// The same, later: for what a service does by itself after so long.
    pub(super) fn later(self, by: Duration) -> Self {
        Self { planned: self.planned + by, sent: self.sent + by }
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    pub(super) errors: std::collections::BTreeMap<String, u64>,
    pub(super) seconds: Vec<Second>,
    operations: std::collections::BTreeMap<OperationName, Measured>,
    events: std::collections::BTreeMap<EventName, Measured>,
    calls: Measured,
    /// Calls since the last look, for those who watch.
    pub(super) recent: super::histograms::Latency,
    /// When the measured time begins.
    pub(super) measured_from: Instant,
}

impl Tally {
    /// One that measures nothing yet.
    pub(super) fn unmeasured() -> Self {
        Self { measured_from: Instant::from_nanos(u64::MAX), ..Self::default() }
    }

    /// Whether what happens now is measured.
    pub(super) fn measures(&self, now: Instant) -> bool {
        now >= self.measured_from
    }

    pub(super) fn operation(&mut self, operation: OperationName, stamp: Stamp, now: Instant) {
        self.counts.operations += 1;
        let measured = self.operations.entry(operation).or_default();
        measured.record(now.since(stamp.planned), now.since(stamp.sent));
    }

    pub(super) fn error(&mut self, operation: OperationName, code: ErrorCode, now: Instant) {
        self.counts.errors += 1;
        *self.errors.entry(format!("{operation} {code}")).or_default() += 1;
        self.second(now).errors += 1;
    }

    pub(super) fn event(&mut self, event: EventName, stamp: Option<Stamp>, now: Instant) {
        self.counts.events += 1;
        if let Some(stamp) = stamp {
            self.events.entry(event).or_default().record(now.since(stamp.planned), now.since(stamp.sent));
        }
    }

    pub(super) fn planned(&mut self, at: Instant) {
        self.counts.planned += 1;
        self.second(at).planned += 1;
    }

    pub(super) fn completed(&mut self, stamp: Stamp, now: Instant) {
        let took = now.since(stamp.planned);
        self.counts.completed += 1;
        self.calls.record(took, now.since(stamp.sent));
        self.recent.record(took);
        let second = self.second(now);
        second.completed += 1;
        second.slowest_us = second.slowest_us.max(took.as_nanos() / 1000);
    }

    fn second(&mut self, at: Instant) -> &mut Second {
        let index = usize::try_from(at.since(self.measured_from).as_secs()).unwrap_or(usize::MAX);
        if self.seconds.len() <= index {
            self.seconds.resize(index + 1, Second::default());
        }
        &mut self.seconds[index]
    }

    /// All latencies, by name.
    pub(super) fn latencies(&self) -> Latencies {
        let operations = self.operations.iter().map(|(name, measured)| (name.to_string(), measured.clone()));
        let events = self.events.iter().map(|(name, measured)| (name.to_string(), measured.clone()));
        let calls = (self.counts.completed > 0).then(|| (CALL.to_owned(), self.calls.clone()));
        operations.chain(events).chain(calls).collect()
    }
}

/// The operations that can lead to an event. The one that was called last is taken for its cause.
pub(super) fn causes(event: EventName) -> &'static [OperationName] {
    use OperationName as Op;
    match event {
        EventName::ReceiveInvitation | EventName::InvitationAdded | EventName::InvitationTimeout => &[Op::InviteUsers],
        EventName::InvitationHandledByOtherDevice => &[Op::Accept, Op::Reject, Op::EnterRoom],
        EventName::InvitationAccepted => &[Op::Accept, Op::EnterRoom],
        EventName::InvitationRejected => &[Op::Reject],
        EventName::InvitationCancelled => &[Op::CancelInvitation],
        EventName::InvitationRevokedByAdmin => {
            &[Op::CancelInvitation, Op::DestroyRoom, Op::KickRemoteUserOutOfRoom, Op::ExitRoom, Op::ChangeUserRole]
        }
        EventName::InvitationRemoved => &[Op::CancelInvitation, Op::EnterRoom, Op::DestroyRoom],
        EventName::InvitationStatusChanged => &[Op::Accept, Op::Reject, Op::EnterRoom],
        EventName::RemoteUserEnterRoom => &[Op::EnterRoom],
        EventName::RemoteUserLeaveRoom => &[Op::ExitRoom, Op::KickRemoteUserOutOfRoom],
        EventName::RoomDismissed => &[Op::DestroyRoom],
        EventName::KickedOutOfRoom => &[Op::KickRemoteUserOutOfRoom, Op::EnterRoom, Op::DestroyRoom],
        EventName::KickedOffLine => &[Op::Login],
        EventName::UserRoleChanged => &[Op::ChangeUserRole],
        EventName::ScheduleAttendeesChanged => &[Op::AddAttendeesByAdmin, Op::RemoveAttendeesByAdmin],
    }
}
