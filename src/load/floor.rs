//! What all casts share: the clock, the alarms, who is ready, what is counted, and where finished traces go.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::UserSigs;
use super::alarm::Alarm;
use super::arrivals::Arrival;
use super::histograms::Latency;
use super::oracle::Oracle;
use super::tally::Tally;
use super::work::Work;
use crate::time::{Duration, Instant};
use crate::world::driver::Clock;

/// How many casts get ready at once in the beginning: more would be a storm of connections.
const GETTING_READY_MAX: usize = 64;

/// See the module.
pub(super) struct Floor {
    pub(super) work: Arc<Work>,
    pub(super) tag: Arc<str>,
    /// What each user shows to be let in.
    pub(super) user_sigs: Option<UserSigs>,
    pub(super) clock: Clock,
    /// Whether every call has connections of its own.
    pub(super) churns: bool,
    /// How long a finished trace waits for late events, so that what never comes can be missed.
    pub(super) lag: Duration,
    /// Whether a run is under way: before, casts get ready; after, they stay as they are.
    pub(super) over: bool,
    pub(super) tally: Tally,
    pub(super) oracle: Oracle,
    /// How late planned moments came.
    pub(super) late: Latency,
    /// The casts that can begin at once, in the order in which they became so.
    pub(super) ready: VecDeque<u32>,
    /// The calls that have arrived while nobody was ready.
    pub(super) waiting: VecDeque<Arrival>,
    /// The casts that have not begun to get ready.
    pub(super) unprepared: VecDeque<u32>,
    pub(super) getting_ready: usize,
    /// How many casts play a call.
    pub(super) busy: usize,
    /// How often in a row a cast could not get ready, and why the last time.
    pub(super) failures: u32,
    pub(super) failure: Option<String>,
    alarm: Option<Alarm>,
    alarms: BTreeMap<u64, StepDue>,
    alarms_set: u64,
    /// What was waited for and is there: casts that can take a call, or that are to get ready.
    pub(super) work_for: VecDeque<Next>,
}

/// A step whose time will come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct StepDue {
    pub(super) cast: u32,
    /// Which call of the cast.
    pub(super) call: u64,
    pub(super) step: usize,
}

/// What is to be done with a cast once the lock on it is free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// It gets ready for a call.
    Prepare(u32),
    /// Its people are replaced first.
    Replace(u32),
    /// It begins this call.
    Begin(u32, Arrival),
}

impl Floor {
    pub(super) fn new(
        work: Arc<Work>,
        tag: Arc<str>,
        clock: Clock,
        churns: bool,
        lag: Duration,
        oracle: Oracle,
        population: u32,
    ) -> Self {
        Self {
            work,
            tag,
            user_sigs: None,
            clock,
            churns,
            lag,
            over: false,
            tally: Tally::unmeasured(),
            oracle,
            late: Latency::default(),
            ready: VecDeque::new(),
            waiting: VecDeque::new(),
            unprepared: (0..population).collect(),
            getting_ready: 0,
            busy: 0,
            failures: 0,
            failure: None,
            alarm: None,
            alarms: BTreeMap::new(),
            alarms_set: 0,
            work_for: VecDeque::new(),
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(super) fn has_alarm(&mut self, alarm: Alarm) {
        self.alarm = Some(alarm);
    }

    pub(super) fn set_alarm(&mut self, at: Instant, due: StepDue) {
        let Some(alarm) = &self.alarm else { return };
        self.alarms_set += 1;
        self.alarms.insert(self.alarms_set, due);
        alarm.set(at, self.alarms_set);
    }

    pub(super) fn take_alarm(&mut self, number: u64) -> Option<StepDue> {
        self.alarms.remove(&number)
    }

    /// Lets more casts get ready, as many as may at once.
    pub(super) fn prepare_more(&mut self) {
        while self.getting_ready < GETTING_READY_MAX
            && let Some(cast) = self.unprepared.pop_front()
        {
            self.getting_ready += 1;
            self.work_for.push_back(Next::Prepare(cast));
        }
    }

    /// A cast is ready: for a call that waits, or for the next.
    pub(super) fn is_ready(&mut self, cast: u32) {
        self.failures = 0;
        self.getting_ready = self.getting_ready.saturating_sub(1);
        self.prepare_more();
        match self.waiting.pop_front() {
            Some(arrival) => {
                if arrival.measured {
                    self.tally.counts.late += 1;
                }
                self.work_for.push_back(Next::Begin(cast, arrival));
            }
            None => self.ready.push_back(cast),
        }
    }

    /// A call arrives.
    pub(super) fn arrives(&mut self, arrival: Arrival) {
        if arrival.measured {
            self.tally.planned(arrival.at);
        }
        match self.ready.pop_front() {
            Some(cast) => self.work_for.push_back(Next::Begin(cast, arrival)),
            None => self.waiting.push_back(arrival),
        }
    }
}
