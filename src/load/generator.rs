//! Sends planned arrivals at a server, and counts.
//!
//! One thread runs every device: the reference library over the same IO driver as everywhere. What is planned comes from
//! the clock thread, what is judged goes to the oracle's, and neither ever waits for the other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::mpsc;

use super::alarm::{Alarm, Due};
use super::arrivals::Schedule;
use super::cast::Cast;
use super::floor::{Floor, Next};
use super::health::{Health, Usage};
use super::names::Names;
use super::oracle::{Oracle, TRANSIT_MAX};
use super::result::{KIND, LoadResult, Setting, VERSION};
use super::{LoadConfig, LoadError};
use crate::plan::DeviceIndex;
use crate::protocol::call::{CallNo, DeviceIdentity, Reply};
use crate::protocol::device::{Device, DeviceConfig};
use crate::protocol::event::StampedEvent;
use crate::protocol::message::{ClientMessage, ServerMessage};
use crate::protocol::vocabulary::ApiError;
use crate::run::shard::Shard;
use crate::seed::Seed;
use crate::time::{Duration, Instant};
use crate::trace::outside::Loss;
use crate::world::driver::device::{Command, DeviceObserver, device};
use crate::world::driver::dial::Dialler;
use crate::world::driver::{Clock, DriverLimits, std_duration};

/// How many commands may wait for a device.
const COMMANDS_MAX: usize = 256;

/// How many casts in a row may fail to get ready before the run is given up.
const FAILURES_MAX: u32 = 10;

/// How long everybody may take to get ready.
const READY_MAX: Duration = Duration::from_secs(120);

/// How long a call may wait for people before it is given up.
const DROP_AFTER: Duration = Duration::from_secs(10);

/// How long the last calls may take after the last arrival, beyond what they wait for by themselves.
const DRAIN_MAX: Duration = Duration::from_secs(15);

/// How often the generator looks after what hangs, and tells how far it is.
const SWEEP_EVERY: Duration = Duration::from_millis(200);

/// How much longer a trace waits for late events than a lawful server may be late.
const LAG: Duration = Duration::from_secs(3);

/// How far a run has come.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// What goes on.
    pub part: ProgressPart,
    /// How long the run has gone on, warm-up included.
    pub passed: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// Calls that came to their end, and arrived, after the warm-up.
    pub completed: u64,
    /// Calls that were to arrive.
    pub planned: u64,
    /// Failed operations.
    pub errors: u64,
    /// Calls under way, and waiting for people.
    pub busy: u64,
    /// The 99th percentile of the calls since the last time, in milliseconds.
    pub recent_p99: f64,
    /// Moments that wait for the oracle.
    pub unjudged: u64,
}

/// The parts of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ProgressPart {
    /// People log in.
    #[default]
    GettingReady,
    /// Calls arrive.
    Running,
    /// The last calls come to their end.
    Draining,
    /// The oracle judges what is left.
    Judging,
}

struct Hall {
    floor: Floor,
    casts: Vec<Cast>,
    myself: Weak<Mutex<Hall>>,
    dialler: Dialler,
    limits: DriverLimits,
    entropy: Seed,
}

fn open(hall: &Mutex<Hall>) -> MutexGuard<'_, Hall> {
    // A poisoned lock means a panic on this very thread.
    hall.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hall {
    /// Does what has become possible, until nothing is left.
    fn work_off(&mut self) {
        while let Some(next) = self.floor.work_for.pop_front() {
            match next {
                Next::Begin(cast, arrival) => self.casts[cast as usize].begin(&mut self.floor, arrival),
                Next::Prepare(cast) => self.prepare(cast),
                Next::Replace(cast) => {
                    self.casts[cast as usize].dismiss(&self.floor);
                    self.prepare(cast);
                }
            }
        }
    }

    fn prepare(&mut self, cast: u32) {
        if !self.casts[cast as usize].has_people() {
            let people = self.hire(cast);
            self.casts[cast as usize].people(people);
        }
        self.casts[cast as usize].prepare(&mut self.floor);
    }

    /// Starts the programs on the devices of a cast.
    fn hire(&mut self, cast: u32) -> Vec<(DeviceIdentity, mpsc::Sender<Command>)> {
        let names = self.casts[cast as usize].names.clone();
        let work = self.floor.work.clone();
        let mut people = Vec::with_capacity(work.plan.devices.len());
        for index in work.plan.device_indices() {
            let planned = work.plan.device(index);
            let identity = DeviceIdentity {
                user_id: names.user(&planned.identity.user_id),
                device_id: planned.identity.device_id.clone(),
                platform: planned.identity.platform,
            };
            let (sender, commands) = mpsc::channel(COMMANDS_MAX);
            let node = Device::new(DeviceConfig {
                identity: identity.clone(),
                bounds: work.plan.service.bounds.clone(),
                auto_busy: planned.auto_busy,
            });
            let watch = Watch { hall: self.myself.clone(), cast, people: names.clone(), device: index };
            // Request ids come from it, and must differ from those of every other device of every process.
            let entropy = self.entropy.stream(&format!("{names}.{}", index.0)).entropy();
            let clock = self.floor.clock;
            let (limits, dialler) = (self.limits.clone(), self.dialler.clone());
            tokio::spawn(device(node, entropy, clock, limits, dialler, watch, commands));
            people.push((identity, sender));
        }
        people
    }
}

/// Watches one device of a cast.
struct Watch {
    hall: Weak<Mutex<Hall>>,
    cast: u32,
    /// Which people of the cast: whatever those before them still do concerns nobody.
    people: Names,
    device: DeviceIndex,
}

impl Watch {
    fn tell(&self, what: impl FnOnce(&mut Cast, &mut Floor)) {
        let Some(hall) = self.hall.upgrade() else { return };
        let mut hall = open(&hall);
        let hall = &mut *hall;
        let Some(cast) = hall.casts.get_mut(self.cast as usize) else { return };
        if cast.plays(&self.people) {
            what(cast, &mut hall.floor);
            hall.work_off();
        }
    }
}

impl DeviceObserver for Watch {
    fn connected(&mut self) {
        self.tell(|cast, floor| cast.connected(floor, self.device));
    }

    fn lost(&mut self, reason: &str) {
        let deliberate = ["the library hung up", "the connection was broken", "the network is gone"].contains(&reason);
        let how = if reason.starts_with("the server hung up:") { Loss::Closed } else { Loss::Broken };
        self.tell(|cast, floor| cast.lost(floor, self.device, deliberate, how));
    }

    fn sent(&mut self, message: &ClientMessage) {
        self.tell(|cast, floor| cast.sent(floor, self.device, message));
    }

    fn received(&mut self, message: &ServerMessage) {
        self.tell(|cast, floor| cast.received(floor, self.device, message));
    }

    fn returned(&mut self, call: CallNo, result: Result<Reply, ApiError>) {
        self.tell(|cast, floor| cast.returned(floor, self.device, call, result));
    }

    fn heard(&mut self, event: Arc<StampedEvent>) {
        self.tell(|cast, floor| cast.heard(floor, self.device, &event));
    }

    fn handled(&mut self, handler: Arc<str>, event: Arc<StampedEvent>) {
        self.tell(|cast, floor| cast.handled(floor, self.device, handler, event));
    }

    fn stepped(&mut self, node: &Device) {
        self.tell(|cast, _| cast.is_in(self.device, node.room()));
    }
}

/// Makes a run. Whoever watches is told how far it has come, several times a second.
///
/// # Errors
/// When the server can't be reached, or lets nobody in.
pub fn run(config: &LoadConfig, watch: &mut dyn FnMut(&Progress)) -> Result<LoadResult, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| LoadError::Broken(error.to_string()))?;
    let (mut result, oracle) = runtime.block_on(generate(config, watch))?;
    // Every device ends with the runtime; the oracle may go on.
    drop(runtime);
    watch(&Progress { part: ProgressPart::Judging, unjudged: oracle.waiting(), ..Progress::default() });
    result.judged = oracle.finish().map_err(LoadError::Broken)?;
    Ok(result)
}

async fn generate(config: &LoadConfig, watch: &mut dyn FnMut(&Progress)) -> Result<(LoadResult, Oracle), LoadError> {
    let clock = Clock::starting_at(Instant::START);
    let dialler = config.dialler.clone();
    // Once before everything, so that a wrong address is told as such.
    drop(dialler.dial().await?);
    let work = Arc::new(config.work.clone());
    let oracle = Oracle::start(work.clone(), config.oracle.clone());
    let lag = config.lag.unwrap_or(LAG + work.plan.service.bounds.expiry_lateness_max + TRANSIT_MAX);
    let population = config.population();
    let mut floor =
        Floor::new(work.clone(), config.tag.clone(), clock, !config.connections_kept, lag, oracle, population);
    floor.user_sigs = config.user_sigs.clone();
    let limits = DriverLimits { backoff_min: Duration::from_millis(50), ..DriverLimits::default() };
    let entropy = Seed(crate::seed::fnv1a(config.tag.as_bytes()));
    let hall = Arc::new_cyclic(|myself| {
        let casts = (0..population).map(|number| Cast::new(&floor, number)).collect();
        Mutex::new(Hall { floor, casts, myself: myself.clone(), dialler, limits, entropy })
    });

    get_ready(&hall, population, watch).await?;
    if let Some(wait) = (config.start_in)() {
        tokio::time::sleep(wait).await;
    }

    let begins = clock.now() + Duration::from_millis(20);
    let measured_from = begins + config.warm_up;
    let schedule =
        Schedule::new(config.rate.clone(), config.spacing, config.warm_up, config.duration, config.seed, config.shard);
    let lasts = schedule.lasts();
    let (tell, mut due) = mpsc::unbounded_channel();
    {
        let mut hall = open(&hall);
        hall.floor.tally.measured_from = measured_from;
        hall.floor.has_alarm(Alarm::start(clock, begins, schedule, tell));
    }
    let before = Usage::of_this_thread();
    let mut health = Health::default();
    let mut no_more: Option<Instant> = None;
    let mut sweep_at = clock.now() + SWEEP_EVERY;
    loop {
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(clock.when(sweep_at)) => {
                let now = clock.now();
                sweep_at = now + SWEEP_EVERY;
                let mut hall = open(&hall);
                let progress = hall.sweep(now, begins, lasts, no_more.is_some());
                drop(hall);
                watch(&progress);
            }
            Some(what) = due.recv() => {
                let now = clock.now();
                let mut hall = open(&hall);
                let hall = &mut *hall;
                match what {
                    Due::Arrival(arrival) => {
                        hall.floor.late.record(now.since(arrival.at));
                        hall.floor.arrives(arrival);
                    }
                    Due::Set(number, planned) => {
                        hall.floor.late.record(now.since(planned));
                        if let Some(due) = hall.floor.take_alarm(number) {
                            hall.casts[due.cast as usize].step_is_due(&mut hall.floor, due, planned);
                        }
                    }
                    Due::NoMoreArrivals => {
                        no_more = Some(now);
                        health.watched(now.since(begins), before, Usage::of_this_thread());
                    }
                }
                hall.work_off();
            }
        }
        if let Some(last) = no_more {
            let mut hall = open(&hall);
            let patience = DRAIN_MAX + hall.floor.work.longest_wait;
            let idle = hall.floor.busy == 0 && hall.floor.waiting.is_empty();
            hall.floor.over |= idle || clock.now().since(last) > patience;
            if hall.floor.over && (hall.is_settled() || clock.now().since(last) > patience + lag) {
                break;
            }
        }
    }
    let mut hall = open(&hall);
    let hall = &mut *hall;
    for cast in &mut hall.casts {
        cast.sweep(&mut hall.floor, true);
    }
    Ok(collect(config, hall, health, population))
}

/// Everybody gets ready, a few at a time.
async fn get_ready(
    hall: &Arc<Mutex<Hall>>,
    population: u32,
    watch: &mut dyn FnMut(&Progress),
) -> Result<(), LoadError> {
    let clock = {
        let mut hall = open(hall);
        hall.floor.prepare_more();
        hall.work_off();
        hall.floor.clock
    };
    let began = clock.now();
    loop {
        let ready = {
            let mut hall = open(hall);
            if hall.floor.failures > FAILURES_MAX {
                return Err(LoadError::NobodyReady(hall.floor.failure.clone().unwrap_or_default()));
            }
            if clock.now().since(began) > READY_MAX {
                let words = match hall.floor.failure.clone() {
                    Some(failure) => failure,
                    None => format!("after {READY_MAX}, {} of {population} were", hall.floor.ready.len()),
                };
                return Err(LoadError::NobodyReady(words));
            }
            let hall = &mut *hall;
            for cast in &mut hall.casts {
                cast.sweep(&mut hall.floor, false);
            }
            hall.work_off();
            hall.floor.ready.len()
        };
        let passed = clock.now().since(began);
        watch(&Progress {
            part: ProgressPart::GettingReady,
            passed,
            planned: u64::from(population),
            completed: ready as u64,
            ..Progress::default()
        });
        if ready == population as usize {
            return Ok(());
        }
        tokio::time::sleep(std_duration(Duration::from_millis(20))).await;
    }
}

impl Hall {
    fn sweep(&mut self, now: Instant, begins: Instant, lasts: Duration, draining: bool) -> Progress {
        for cast in &mut self.casts {
            cast.sweep(&mut self.floor, false);
        }
        while let Some(arrival) = self.floor.waiting.front().copied() {
            if now.since(arrival.at) < DROP_AFTER {
                break;
            }
            self.floor.waiting.pop_front();
            self.floor.tally.counts.dropped += u64::from(arrival.measured);
        }
        self.work_off();
        let floor = &mut self.floor;
        let recent = std::mem::take(&mut floor.tally.recent);
        Progress {
            part: if draining { ProgressPart::Draining } else { ProgressPart::Running },
            passed: now.since(begins).min(lasts),
            lasts,
            completed: floor.tally.counts.completed,
            planned: floor.tally.counts.planned,
            errors: floor.tally.counts.errors,
            busy: (floor.busy + floor.waiting.len()) as u64,
            recent_p99: recent.quantile(0.99),
            unjudged: floor.oracle.waiting(),
        }
    }

    fn is_settled(&self) -> bool {
        self.casts.iter().all(Cast::is_settled)
    }
}

fn collect(config: &LoadConfig, hall: &mut Hall, mut health: Health, population: u32) -> (LoadResult, Oracle) {
    let floor = &mut hall.floor;
    // Whoever still waits when everything is over never got a turn.
    floor.tally.counts.dropped += floor.waiting.iter().filter(|arrival| arrival.measured).count() as u64;
    health.lag = std::mem::take(&mut floor.late);
    let Shard { index, count } = config.shard;
    let seconds = |span: Duration| span.as_nanos() as f64 / 1e9;
    let result = LoadResult {
        version: VERSION,
        kind: KIND.to_owned(),
        setting: Setting {
            work: config.work.name.clone(),
            target: config.target.clone(),
            rate: config.rate.to_string(),
            spacing: config.spacing.name().to_owned(),
            warm_up_seconds: seconds(config.warm_up),
            duration_seconds: seconds(config.duration),
            seed: config.seed.0,
            shards: count,
        },
        shards: vec![index],
        population: u64::from(population),
        connections_kept: config.connections_kept,
        counts: floor.tally.counts.clone(),
        errors: std::mem::take(&mut floor.tally.errors),
        latencies: floor.tally.latencies(),
        seconds: std::mem::take(&mut floor.tally.seconds),
        judged: super::result::Judged::default(),
        health,
    };
    let idle = Oracle::start(floor.work.clone(), config.oracle.clone());
    (result, std::mem::replace(&mut floor.oracle, idle))
}
