//! The clock thread: it says that a planned moment has come, for arrivals and for delayed steps alike.
//!
//! It is a thread of its own, since the timer of the runtime rounds up to whole milliseconds, and since it must go on
//! however busy the generator is: the schedule of arrivals lives here, so nothing that a server does can hold it up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedSender;

use super::arrivals::{Arrival, Schedule};
use crate::time::Instant;
use crate::world::driver::Clock;

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// A call arrives.
    Arrival(Arrival),
    /// Every arrival has come.
    NoMoreArrivals,
    /// What was set comes due: its number, and when it was to.
    Set(u64, Instant),
}

/// Sets alarms.
#[derive(Clone)]
pub(super) struct Alarm(Arc<Shared>);

struct Shared {
    set: Mutex<BinaryHeap<Reverse<(Instant, u64)>>>,
    changed: Condvar,
}

impl Alarm {
    /// Starts the thread. The schedule counts from the clock's own beginning plus `begins`.
    pub(super) fn start(clock: Clock, begins: Instant, schedule: Schedule, tell: UnboundedSender<Due>) -> Self {
        let shared = Arc::new(Shared { set: Mutex::new(BinaryHeap::new()), changed: Condvar::new() });
        let alarm = Self(shared.clone());
        std::thread::spawn(move || run(&shared, clock, begins, schedule, &tell));
        alarm
    }

    /// Tells this number when that moment has come.
    pub(super) fn set(&self, at: Instant, number: u64) {
        let mut set = self.0.set.lock().unwrap_or_else(PoisonError::into_inner);
        let first = set.peek().is_none_or(|Reverse((earliest, _))| at < *earliest);
        set.push(Reverse((at, number)));
        drop(set);
        if first {
            self.0.changed.notify_one();
        }
    }
}

fn run(shared: &Shared, clock: Clock, begins: Instant, schedule: Schedule, tell: &UnboundedSender<Due>) {
    let on_the_clock = |arrival: Arrival| Arrival { at: begins + arrival.at.since(Instant::START), ..arrival };
    let mut arrivals = schedule.map(on_the_clock).peekable();
    let mut told_the_end = false;
    let mut set = shared.set.lock().unwrap_or_else(PoisonError::into_inner);
    while !tell.is_closed() {
        let now = clock.now();
        while let Some(Reverse((at, number))) = set.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            set.pop();
            if tell.send(Due::Set(number, at)).is_err() {
                return;
            }
        }
        while let Some(arrival) = arrivals.next_if(|arrival| arrival.at <= now) {
            if tell.send(Due::Arrival(arrival)).is_err() {
                return;
            }
        }
        if arrivals.peek().is_none() && !told_the_end {
            told_the_end = true;
            if tell.send(Due::NoMoreArrivals).is_err() {
                return;
            }
        }
        let first = set.peek().map(|Reverse((at, _))| *at);
        let next = [first, arrivals.peek().map(|arrival| arrival.at)].into_iter().flatten().min();
        // The end is looked for now and then even when nothing is due.
        let wait = next.map_or(crate::time::Duration::from_secs(1), |next| next.since(now));
        let wait = crate::world::driver::std_duration(wait);
        set = shared.changed.wait_timeout(set, wait).unwrap_or_else(PoisonError::into_inner).0;
    }
}
