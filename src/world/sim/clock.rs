//! The clock of a device, which may be wrong: the server's never is (TMO-1).

use crate::time::{Duration, Instant};

/// A device's own clock (TMO-1): what its library takes for the time.
#[derive(Clone, Copy, Default)]
pub(super) struct Clock {
    /// What the clock showed, and when, at the last change.
    shown: Instant,
    since: Instant,
    ppm: i32,
}

impl Clock {
    /// What the clock shows at `now`. A library reads a clock that never goes back: a jump back stops it.
    pub(super) fn shown(&self, now: Instant) -> Instant {
        if self.ppm == 0 {
            return self.shown + now.since(self.since);
        }
        let passed = now.since(self.since).as_nanos();
        let drift = i128::from(passed) * i128::from(self.ppm) / 1_000_000;
        let passed = u64::try_from((i128::from(passed) + drift).max(0)).unwrap_or(u64::MAX);
        self.shown + Duration::from_nanos(passed)
    }

    /// When the clock shows `shown`, rounded up so that it is not too early.
    pub(super) fn real(&self, shown: Instant) -> Instant {
        if self.ppm == 0 {
            return self.since + shown.since(self.shown);
        }
        let to_go = i128::from(shown.since(self.shown).as_nanos());
        let real = (to_go * 1_000_000).div_euclid(1_000_000 + i128::from(self.ppm)) + 1;
        self.since + Duration::from_nanos(u64::try_from(real).unwrap_or(u64::MAX))
    }

    pub(super) fn change(&mut self, now: Instant, jump: i64, ppm: Option<i32>) {
        let shown = self.shown(now);
        // The node contract: time never decreases. A jump back is for the wall clock, which no library here reads.
        self.shown = if jump > 0 { shown + Duration::from_nanos(jump.unsigned_abs()) } else { shown };
        self.since = now;
        self.ppm = ppm.unwrap_or(self.ppm);
    }
}
