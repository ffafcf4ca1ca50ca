//! The one IO driver: it connects a node to byte streams, a clock and a disk.
//!
//! The same code runs over real sockets and over a simulated network: it is generic over the stream, reads no clock but
//! tokio's (which a simulation may pause), and takes its ready branches in a fixed order. Keep-alives live here and not in
//! the nodes. Every queue is bounded: who reads too slowly is cut off with a reason, and resumes, and holds up nobody.

pub mod device;
pub mod dial;
pub mod frames;
pub mod server;

use crate::time::{Duration, Instant};

/// Bounds of the driver. The protocol's own are in [`crate::protocol::bounds::Bounds`].
#[derive(Clone, Debug)]
pub struct DriverLimits {
    /// How many messages may wait to be written to one connection before its reader counts as too slow.
    pub outbox_max: usize,
    /// How many inputs may wait for the server before connections stop reading.
    pub inputs_max: usize,
    /// How many of those may be of one connection, so that nobody waits long behind another.
    pub inputs_each_max: usize,
    /// How many inputs one commit of the journal may gather.
    pub batch_max: usize,
    /// The longest frame that is read, in bytes.
    pub frame_bytes_max: usize,
    /// How long a connection may take to log in.
    pub login_patience: Duration,
    /// After how much silence a ping is sent.
    pub ping_every: Duration,
    /// After how much silence a connection is dead: the keep-alive bound.
    pub idle_max: Duration,
    /// The first pause before the library connects again, doubled after each failure.
    pub backoff_min: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
}

impl Default for DriverLimits {
    fn default() -> Self {
        Self {
            outbox_max: 4096,
            inputs_max: 4096,
            inputs_each_max: 64,
            batch_max: 512,
            frame_bytes_max: crate::protocol::codec::MESSAGE_BYTES_MAX,
            login_patience: Duration::from_secs(10),
            ping_every: Duration::from_secs(7),
            idle_max: Duration::from_secs(20),
            backoff_min: Duration::from_millis(250),
            backoff_max: Duration::from_secs(8),
        }
    }
}

/// The time of a run: nanoseconds since it began, on tokio's clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: tokio::time::Instant,
    /// What the clock showed when it was started.
    offset: Instant,
}

impl Clock {
    /// A clock that shows `offset` now.
    #[must_use]
    pub fn starting_at(offset: Instant) -> Self {
        Self { began: tokio::time::Instant::now(), offset }
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Instant {
        let passed = self.began.elapsed();
        self.offset + Duration::from_nanos(u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX))
    }

    /// When tokio's clock will show `at`.
    #[must_use]
    pub fn when(&self, at: Instant) -> tokio::time::Instant {
        self.began + std_duration(at.since(self.offset))
    }
}

/// The same span in the standard library's type.
#[must_use]
pub fn std_duration(span: Duration) -> std::time::Duration {
    std::time::Duration::from_nanos(span.as_nanos())
}
