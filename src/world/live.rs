//! Real sockets and real time: the reference devices against `convoke serve`, over loopback.
//!
//! A plan's times are scaled by one factor, the service's windows with them, so that a ring of a minute takes seconds. What
//! depends on less than [`GRAIN`] of real time without a causal step is unsupported: a busy machine would decide it. The
//! server is a process of its own, which a crash ends by SIGKILL; only what is in its data folder outlives it. So it is
//! seen from outside, at the devices' ends of the wire. The network is the machine's own: it cuts, holds and delays nothing.

pub mod elsewhere;
mod outlook;
mod programs;
mod server;
pub mod system;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::WorldError;
use super::driver::device::{Command, Connection, Connector};
use super::driver::frames::FrameError;
use super::driver::{Clock, DriverLimits, std_duration};
use super::enact::book::{Book, Time};
use super::enact::line::Ends;
use super::enact::{Enactment, Hands, limits, refuse, unsupported};
use crate::plan::{Action, DeviceIndex, Link, Place, Plan, Step, Trigger, When};
use crate::protocol::call::Call;
use crate::time::{Duration, Instant};
use crate::trace::outside::Vantage;
use crate::trace::{Moment, Occurrence, Trace};

use self::programs::Programs;
pub use self::server::ServerFault;
use self::server::ServerProcess;

/// How much shorter time is than the plan's, unless told.
pub const SCALE: Scale = Scale(10);

/// What two things must be apart in real time to be told apart, where nothing but time orders them.
pub const GRAIN: Duration = Duration::from_millis(50);

/// How long a run may take, in real time.
pub const REAL_TIME_MAX: Duration = Duration::from_secs(60);

/// How many devices there may be: what more of them do at one instant takes longer than the grain.
pub const DEVICES_MAX: usize = 50;

/// For how long nothing must happen before nothing more will: several times what a busy machine needs for a message.
const SETTLE: Duration = Duration::from_millis(700);

/// What a message may take on a machine that is busy with many runs.
const TRANSIT_MAX: Duration = Duration::from_secs(1);

/// How long a load may take, in real time.
pub const LOAD_TIME_MAX: Duration = Duration::from_secs(3600);

/// What a deadline and a step must be apart for nobody to doubt which came first.
const SLIP: Duration = Duration::from_millis(25);

/// How often a plan is begun anew that a busy machine did not carry out in its order.
const ATTEMPTS_MAX: usize = 4;

/// The pauses between attempts to connect, at the least and at the most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(100));

/// How long to wait before the server is asked again what it waits for.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// How many times shorter every span is than in the plan; at least 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scale(pub u64);

impl Scale {
    fn span(self, span: Duration) -> Duration {
        // What stands for "longer than any run" stays so.
        if span == Duration::MAX { span } else { Duration::from_nanos(span.as_nanos() / self.0.max(1)) }
    }

    fn instant(self, at: Instant) -> Instant {
        Instant::START + self.span(at.since(Instant::START))
    }

    fn seconds(self, seconds: f64) -> f64 {
        seconds / self.0.max(1) as f64
    }
}

/// How a plan is carried out.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How much shorter time is than the plan's.
    pub scale: Scale,
    /// Whether nothing hangs on the order of what comes close together: a load of calls, which only the always-checks
    /// judge. Then nothing is refused for being close, and the run may be longer.
    pub is_load: bool,
    /// After how many records the server writes a checkpoint.
    pub checkpoint_every: u64,
    /// What the server does wrong, if it is to do something wrong.
    pub fault: Option<ServerFault>,
}

impl Default for Options {
    fn default() -> Self {
        Self { scale: SCALE, is_load: false, checkpoint_every: 10_000, fault: None }
    }
}

/// Carries a plan out. The trace holds the scaled plan: it is judged by the times at which things were to happen.
///
/// # Errors
/// [`WorldError::Unsupported`] where this world can't enact the plan; else when the setup is refused, or the machine gives
/// no sockets or no processes.
pub fn run(plan: &Arc<Plan>, options: Options) -> Result<Trace, WorldError> {
    run_watched(plan, options, &mut |_| {})
}

/// The same, telling on its way how much time of the run is over.
///
/// # Errors
/// As [`run`].
pub fn run_watched(plan: &Arc<Plan>, options: Options, watch: &mut dyn FnMut(Duration)) -> Result<Trace, WorldError> {
    refuse(plan)?;
    let plan = Arc::new(scaled(plan, options.scale)?);
    refuse_here(&plan, options.is_load, REAL_TIME_MAX)?;
    let broken = |error: std::io::Error| WorldError::Broken(error.to_string());
    let mut place = Place::default();
    for _ in 0..ATTEMPTS_MAX {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
        let trace = runtime.block_on(enact(&plan, options, &mut *watch))?;
        match overtaken(&trace).filter(|_| !options.is_load) {
            None => return Ok(trace),
            Some(step) => place = step,
        }
    }
    Err(too_busy(ATTEMPTS_MAX, place))
}

fn too_busy(attempts: usize, place: Place) -> WorldError {
    let reason = format!("{attempts} times this machine was too busy to take the step of line {} in time", place.line);
    WorldError::Broken(reason)
}

/// The first step that came on the other side of a deadline than the plan has it on: a machine that stood still for so
/// long has not carried the plan out, whatever came of it.
fn overtaken(trace: &Trace) -> Option<Place> {
    let plan = &trace.plan;
    let mut began: Vec<Option<Instant>> = vec![None; plan.steps.len()];
    for moment in &trace.moments {
        if let Occurrence::StepBegan { step } = moment.what {
            began[step] = Some(moment.at);
        }
    }
    let mut planned: Vec<Option<Instant>> = Vec::new();
    for step in &plan.steps {
        let at = time_of(step, &planned);
        planned.push(at);
    }
    let mut times: Vec<(Instant, Instant)> = planned
        .iter()
        .zip(&began)
        .map(|times| match times {
            (Some(planned), Some(began)) => (*planned, *began),
            // What no time decides is on no side of a deadline.
            _ => (Instant::NEVER, Instant::NEVER),
        })
        .collect();
    // A server has restarted when it is there again, and a process takes its time to be.
    let restarts = plan.steps.iter().enumerate().filter(|(_, step)| matches!(step.action, Action::RestartServer));
    let mut restarts: Vec<usize> = restarts.map(|(step, _)| step).filter(|step| began[*step].is_some()).collect();
    restarts.sort_by_key(|step| began[*step]);
    let is_start = |moment: &&Moment| matches!(moment.what, Occurrence::ServerStarted { .. });
    for (restart, started) in restarts.into_iter().zip(trace.moments.iter().filter(is_start).skip(1)) {
        if times[restart].0 != Instant::NEVER {
            times[restart].1 = started.at;
        }
    }
    for (step, (planned, began)) in plan.steps.iter().zip(&times).filter(|(_, (planned, _))| *planned != Instant::NEVER)
    {
        let Some(span) = deadline_after(&step.action, plan) else { continue };
        let (wanted, due) = (*planned + span, *began + span);
        let on_the_other_side = |(planned, began): &(Instant, Instant)| {
            let (early, late) = (*planned + GRAIN <= wanted, *planned >= wanted + GRAIN);
            *planned != Instant::NEVER && (early && *began + SLIP > due || late && *began < due + SLIP)
        };
        if let Some(other) = times.iter().position(on_the_other_side) {
            return Some(plan.steps[other].place);
        }
    }
    None
}

/// How long after a step the server does something by itself because of it.
fn deadline_after(action: &Action, plan: &Plan) -> Option<Duration> {
    match action {
        Action::Call { call, .. } => match &**call {
            Call::InviteUsers { timeout, .. } if *timeout > 0.0 && timeout.is_finite() => {
                Some(Duration::from_nanos((timeout * 1e9) as u64))
            }
            _ => None,
        },
        Action::Offline { .. } | Action::Kill { .. } => Some(plan.service.bounds.resume_window),
        _ => None,
    }
}

async fn enact(plan: &Arc<Plan>, options: Options, watch: &mut dyn FnMut(Duration)) -> Result<Trace, WorldError> {
    let clock = Clock::starting_at(Instant::START);
    let book = Book::new(plan.devices.len(), Time::Runs(clock), Vantage::Devices { transit_max: TRANSIT_MAX });
    // A server that is started by a process is away for longer than a task: who looks often does not miss it.
    let limits = DriverLimits { backoff_min: BACKOFF.0, backoff_max: BACKOFF.1, ..limits(plan) };
    let ends = Ends { plan: plan.clone(), book: book.clone(), limits };
    let server = ServerProcess::new(plan, &options)?;
    let mut machine = Machine::new(ends, clock, server);
    let mut enactment = Enactment::new(plan, &book, SETTLE);
    if !options.is_load {
        enactment = enactment.patiently(GRAIN);
    }
    let longest = if options.is_load { LOAD_TIME_MAX } else { REAL_TIME_MAX };
    let end = clock.when(Instant::START + longest);
    loop {
        let over = enactment.advance(&mut machine)?;
        if let Some(error) = machine.failed() {
            return Err(error);
        }
        if over {
            return Ok(enactment.trace());
        }
        let now = tokio::time::Instant::now();
        if now > end {
            return Err(too_long(Place::default(), longest));
        }
        watch(book.now().since(Instant::START));
        machine.ask_server();
        // Quiet is nobody's news: it is looked for now and then.
        let soon = now + std_duration(Duration::from_millis(20));
        let next = enactment.next_step().zip(book.began());
        let next = next.map(|(at, began)| clock.when(began + at.since(Instant::START)));
        // One whose time has come waits for something.
        let a_little = now + std_duration(Duration::from_millis(2));
        let wake = next.map_or(soon, |next| next.clamp(a_little, soon));
        tokio::select! {
            biased;
            () = book.news.notified() => {}
            () = tokio::time::sleep_until(wake) => {}
        }
    }
}

fn too_long(place: Place, longest: Duration) -> WorldError {
    unsupported(place, format!("it takes more than {longest} of real time, scaled as it is"))
}

// ---- what can be enacted -------------------------------------------------------------------------------------------

/// The plan with all its times scaled.
fn scaled(plan: &Plan, scale: Scale) -> Result<Plan, WorldError> {
    let mut plan = plan.clone();
    let bounds = Arc::make_mut(&mut plan.service.bounds);
    for span in [
        &mut bounds.resume_window,
        &mut bounds.keep_alive_bound,
        &mut bounds.entry_grace,
        &mut bounds.result_memory,
        &mut bounds.answer_memory,
        &mut bounds.request_timeout,
        &mut bounds.invite_calls_refill,
        &mut bounds.rings_refill,
    ] {
        *span = scale.span(*span);
    }
    plan.lasts = plan.lasts.map(|lasts| scale.span(lasts));
    let timeout_max = bounds.timeout_max.as_secs() as f64;
    for step in &mut plan.steps {
        match &mut step.when {
            When::At(at) => *at = scale.instant(*at),
            When::After { delay, .. } => *delay = scale.span(*delay),
        }
        if let Action::Call { call, .. } = &mut step.action
            && let Call::InviteUsers { room_id, user_id_list, timeout, extension_info } = &**call
            && (0.0..=timeout_max).contains(timeout)
        {
            *call = Arc::new(Call::InviteUsers {
                room_id: room_id.clone(),
                user_id_list: user_id_list.clone(),
                timeout: scale.seconds(*timeout),
                extension_info: extension_info.clone(),
            });
        }
    }
    Ok(plan)
}

/// What can't be done with a scaled plan.
fn refuse_here(plan: &Plan, is_load: bool, longest: Duration) -> Result<(), WorldError> {
    if plan.devices.len() > DEVICES_MAX {
        let reason = format!("it has {} devices; {DEVICES_MAX} are the most here", plan.devices.len());
        return Err(unsupported(Place::default(), reason));
    }
    if plan.lasts.is_some_and(|lasts| lasts > longest) {
        return Err(too_long(Place::default(), longest));
    }
    let links = plan.network.links.iter().map(|(_, link)| link);
    if links.chain([&plan.network.link]).any(|link| link.latency != Link::default().latency) {
        let reason = "the network of this machine has a latency of its own";
        return Err(unsupported(Place::default(), reason));
    }
    for step in &plan.steps {
        match &step.action {
            Action::Partition { .. } | Action::Hold { .. } => {
                return Err(unsupported(step.place, "the network of this machine can't be cut or held"));
            }
            Action::Offline { noticed: false, .. } => {
                let reason = "the server always learns of a connection that ends on the same machine";
                return Err(unsupported(step.place, reason));
            }
            _ => {}
        }
    }
    if is_load { Ok(()) } else { refuse_races(plan, longest) }
}

/// Refuses what only a finer clock could order: two things of known times that are closer than the grain, unless they come
/// over one connection.
fn refuse_races(plan: &Plan, longest: Duration) -> Result<(), WorldError> {
    let mut known: Vec<(Instant, Place, Doer)> = Vec::new();
    let mut times: Vec<Option<Instant>> = Vec::new();
    for (number, step) in plan.steps.iter().enumerate() {
        let at = time_of(step, &times);
        times.push(at);
        let Some(at) = at else { continue };
        let doer = match (&step.action, step.action.devices()) {
            (Action::Call { .. } | Action::On { .. } | Action::Off { .. }, [device]) => Doer::Device(*device),
            _ => Doer::Others,
        };
        known.push((at, step.place, doer));
        if let Action::Call { call, .. } = &step.action
            && let Call::InviteUsers { timeout, .. } = &**call
            && *timeout > 0.0
            && timeout.is_finite()
        {
            let rings = Duration::from_nanos((timeout * 1e9) as u64);
            known.push((at + rings, step.place, Doer::Deadline(number)));
        }
    }
    known.sort_by_key(|(at, ..)| *at);
    for pair in known.windows(2) {
        let [(first, _, one), (second, place, other)] = pair else { continue };
        // One application's calls keep their order, and so do the deadlines of one call; those of two calls lie as far apart
        // as the calls came in, which no plan says to the millisecond.
        let ordered = one == other && *one != Doer::Others;
        if second.since(*first) < GRAIN && !ordered {
            let reason = format!(
                "{first} and {second} (scaled) are too close for real time, and nothing else says which comes first: \
                 let the step follow the other causally, with `after`"
            );
            return Err(unsupported(*place, reason));
        }
    }
    match known.last() {
        Some((last, place, _)) if *last > Instant::START + longest => Err(too_long(*place, longest)),
        _ => Ok(()),
    }
}

/// Who does something at a known time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doer {
    /// One device's application.
    Device(DeviceIndex),
    /// Several, or the network, or the machine.
    Others,
    /// The server: what a step called times out.
    Deadline(usize),
}

/// When a step begins, if only time decides it.
fn time_of(step: &Step, earlier: &[Option<Instant>]) -> Option<Instant> {
    match &step.when {
        When::At(at) => Some(*at),
        When::After { trigger: Trigger::Begun(first), delay } => Some((*earlier.get(*first)?)? + *delay),
        When::After { .. } => None,
    }
}

// ---- the machine ---------------------------------------------------------------------------------------------------

/// Where the server is, while it is up.
type Address = Arc<Mutex<Option<SocketAddr>>>;

/// Why the run can't go on, once something says so.
type Failed = Arc<Mutex<Option<WorldError>>>;

/// The server's process and the devices' tasks. They end with the run.
struct Machine {
    ends: Ends,
    server: ServerProcess,
    address: Address,
    /// The task that waits for the server to be up.
    starting: Option<AbortHandle>,
    /// The task that asks the server what it waits for.
    asking: Option<AbortHandle>,
    programs: Programs,
    failed: Failed,
}

impl Machine {
    fn new(ends: Ends, clock: Clock, server: ServerProcess) -> Self {
        let programs = Programs::new(ends.clone(), clock);
        Self {
            ends,
            programs,
            server,
            address: Address::default(),
            starting: None,
            asking: None,
            failed: Failed::default(),
        }
    }

    fn failed(&mut self) -> Option<WorldError> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.or_else(|| self.server.ended_by_itself().map(WorldError::Broken))
    }

    /// Asks the server whether it waits for a time, where all hangs on that.
    fn ask_server(&mut self) {
        let book = &self.ends.book;
        if self.asking.as_ref().is_some_and(|asking| !asking.is_finished()) || !book.must_ask(SETTLE, ASK_AGAIN) {
            return;
        }
        let Some(address) = *self.address.lock().unwrap_or_else(PoisonError::into_inner) else { return };
        let (book, asked) = (book.clone(), book.world_now());
        let asking = tokio::spawn(async move {
            // What can't be asked now is asked again.
            if let Ok(waits) = server::waits(address).await {
                book.server_said(asked, waits);
            }
        });
        self.asking = Some(asking.abort_handle());
    }
}

impl Hands for Machine {
    fn start(&mut self, device: DeviceIndex, life: u32) {
        let connector = Dialler { ends: self.ends.clone(), device, address: self.address.clone() };
        self.programs.start(device, life, connector);
    }

    fn kill(&mut self, device: DeviceIndex) {
        self.programs.kill(device);
    }

    fn tell(&mut self, device: DeviceIndex, command: Command) {
        if let Err(error) = self.programs.tell(device, command) {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }

    fn crash_server(&mut self) {
        if let Some(starting) = self.starting.take() {
            starting.abort();
        }
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.server.kill();
    }

    fn is_server_up(&self) -> bool {
        self.address.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn start_server(&mut self) {
        self.ends.book.server_starts();
        let starting = match self.server.start() {
            Ok(greeting) => greeting,
            Err(error) => {
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                return;
            }
        };
        let (book, place, failed) = (self.ends.book.clone(), self.address.clone(), self.failed.clone());
        let starting = tokio::spawn(async move {
            match server::greeted(starting).await {
                Ok(address) => {
                    // The words of its last life come first.
                    while !book.server_started() {
                        tokio::time::sleep(std_duration(Duration::from_millis(1))).await;
                    }
                    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
                }
                Err(error) => *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error),
            }
        });
        self.starting = Some(starting.abort_handle());
    }
}

struct Dialler {
    ends: Ends,
    device: DeviceIndex,
    address: Address,
}

impl Connector for Dialler {
    async fn connect(&mut self) -> Result<Connection, FrameError> {
        let failed = |error: std::io::Error| FrameError::Io(error.to_string());
        let address = *self.address.lock().unwrap_or_else(PoisonError::into_inner);
        let address = address.ok_or_else(|| FrameError::Io("the server is down".to_owned()))?;
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let from = stream.local_addr().map_err(failed)?;
        self.ends.dial(self.device, stream, from).await
    }
}
