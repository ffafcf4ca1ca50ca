//! The machine's clock, for timings that are shown and never judged.

use std::time::Duration;

/// A clock that says how long ago it was made.
#[expect(clippy::disallowed_methods, reason = "wall time of a run, shown to the user; no run depends on it")]
pub(super) fn stopwatch() -> impl Fn() -> Duration + Sync {
    let began = std::time::Instant::now();
    move || began.elapsed()
}
