//! Real sockets and real time: the reference devices against the reference server, over loopback.
//!
//! A plan's times are scaled by one factor, the service's windows with them, so that a ring of a minute takes seconds. What
//! depends on less than [`GRAIN`] of real time without a causal step is unsupported: a busy machine would decide it. The
//! server runs in this process, and dies with everything it has in memory; only its records outlive it. The network is the
//! machine's own: it cuts, holds and delays nothing.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::WorldError;
use super::driver::device::{Command, Connection, Connector};
use super::driver::frames::FrameError;
use super::driver::{Clock, std_duration};
use super::enact::book::{Book, Time};
use super::enact::line::{Disk, Ends};
use super::enact::{Enactment, Hands, limits, refuse, unsupported};
use crate::plan::{Action, DeviceIndex, Direction, Link, Place, Plan, Step, Trigger, When};
use crate::protocol::call::Call;
use crate::time::{Duration, Instant};
use crate::trace::Trace;

/// How much shorter time is than the plan's, unless told.
pub const SCALE: Scale = Scale(20);

/// What two things must be apart in real time to be told apart, where nothing but time orders them.
pub const GRAIN: Duration = Duration::from_millis(50);

/// How long a run may take, in real time.
pub const REAL_TIME_MAX: Duration = Duration::from_secs(60);

/// How many devices there may be: what more of them do at one instant takes longer than the grain.
pub const DEVICES_MAX: usize = 50;

/// For how long nothing must happen before nothing more will: several times what a busy machine needs for a message.
const SETTLE: Duration = Duration::from_millis(700);

/// How many commands may wait for a device.
const COMMANDS_MAX: usize = 4096;

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

/// Carries a plan out. The trace holds the scaled plan: it is judged by the times at which things were to happen.
///
/// # Errors
/// [`WorldError::Unsupported`] where this world can't enact the plan; else when the setup is refused, or the machine gives
/// no sockets.
pub fn run(plan: &Arc<Plan>, scale: Scale) -> Result<Trace, WorldError> {
    refuse(plan)?;
    let plan = Arc::new(scaled(plan, scale)?);
    refuse_here(&plan)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| WorldError::Broken(error.to_string()))?;
    runtime.block_on(enact(&plan))
}

async fn enact(plan: &Arc<Plan>) -> Result<Trace, WorldError> {
    let clock = Clock::starting_at(Instant::START);
    let book = Book::new(plan.devices.len(), Time::Runs(clock));
    let ends = Ends { plan: plan.clone(), book: book.clone(), limits: limits(plan) };
    let mut machine = Machine::new(ends, clock);
    let mut enactment = Enactment::new(plan, &book, SETTLE);
    let end = clock.when(Instant::START + REAL_TIME_MAX);
    loop {
        let over = enactment.advance(&mut machine)?;
        if let Some(error) = machine.error.take() {
            return Err(error);
        }
        if over {
            return Ok(enactment.trace());
        }
        let now = tokio::time::Instant::now();
        if now > end {
            return Err(too_long(Place::default()));
        }
        // Quiet is nobody's news: it is looked for now and then.
        let soon = now + std_duration(Duration::from_millis(20));
        let next = enactment.next_step().zip(book.began());
        let next = next.map(|(at, began)| clock.when(began + at.since(Instant::START)));
        let wake = next.map_or(soon, |next| next.min(soon));
        tokio::select! {
            biased;
            () = book.news.notified() => {}
            () = tokio::time::sleep_until(wake) => {}
        }
    }
}

fn too_long(place: Place) -> WorldError {
    unsupported(place, format!("it takes more than {REAL_TIME_MAX} of real time, scaled as it is"))
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
fn refuse_here(plan: &Plan) -> Result<(), WorldError> {
    if plan.devices.len() > DEVICES_MAX {
        let reason = format!("it has {} devices; {DEVICES_MAX} are the most here", plan.devices.len());
        return Err(unsupported(Place::default(), reason));
    }
    if plan.lasts.is_some_and(|lasts| lasts > REAL_TIME_MAX) {
        return Err(too_long(Place::default()));
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
    refuse_races(plan)
}

/// Refuses what only a finer clock could order: two things of known times that are closer than the grain, unless they come
/// over one connection.
fn refuse_races(plan: &Plan) -> Result<(), WorldError> {
    let mut known: Vec<(Instant, Place, Doer)> = Vec::new();
    let mut times: Vec<Option<Instant>> = Vec::new();
    for step in &plan.steps {
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
            known.push((at + rings, step.place, Doer::Deadline));
        }
    }
    known.sort_by_key(|(at, ..)| *at);
    for pair in known.windows(2) {
        let [(first, _, one), (second, place, other)] = pair else { continue };
        // One application's calls keep their order, and deadlines that come together are the server's to order.
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
        Some((last, place, _)) if *last > Instant::START + REAL_TIME_MAX => Err(too_long(*place)),
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
    /// The server: a call times out.
    Deadline,
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

/// The tasks of a run. They end with its runtime.
struct Machine {
    ends: Ends,
    clock: Clock,
    disk: Option<Disk>,
    address: Address,
    server: Option<AbortHandle>,
    server_lives: u64,
    devices: BTreeMap<DeviceIndex, (mpsc::Sender<Command>, AbortHandle)>,
    /// Why the run can't go on.
    error: Option<WorldError>,
}

impl Machine {
    fn new(ends: Ends, clock: Clock) -> Self {
        let keeps_records = ends.plan.steps.iter().any(|step| matches!(step.action, Action::CrashServer { .. }));
        Self {
            ends,
            clock,
            disk: keeps_records.then(Disk::default),
            address: Address::default(),
            server: None,
            server_lives: 0,
            devices: BTreeMap::new(),
            error: None,
        }
    }

    fn listen(&self) -> std::io::Result<TcpListener> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener.local_addr()?);
        TcpListener::from_std(listener)
    }
}

impl Hands for Machine {
    fn begin_body(&mut self) {}

    fn start(&mut self, device: DeviceIndex, life: u32) {
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        let connector = Dialler { ends: self.ends.clone(), device, address: self.address.clone() };
        let program = tokio::spawn(self.ends.clone().run_device(device, life, self.clock, connector, commands));
        self.devices.insert(device, (sender, program.abort_handle()));
    }

    fn kill(&mut self, device: DeviceIndex) {
        if let Some((_, program)) = self.devices.remove(&device) {
            program.abort();
        }
    }

    fn tell(&mut self, device: DeviceIndex, command: Command) {
        if let Some((commands, _)) = self.devices.get(&device)
            && commands.try_send(command).is_err()
        {
            self.error = Some(WorldError::Broken("a device takes no more commands".to_owned()));
        }
    }

    fn cut(&mut self, _devices: &[DeviceIndex], _direction: Direction) {
        unreachable!("a plan that cuts the network is unsupported here")
    }

    fn mend(&mut self, _devices: &[DeviceIndex]) {}

    fn hold(&mut self, _devices: &[DeviceIndex]) {
        unreachable!("a plan that holds messages is unsupported here")
    }

    fn release(&mut self, _devices: &[DeviceIndex]) {}

    fn crash_server(&mut self) {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(server) = self.server.take() {
            server.abort();
        }
    }

    fn start_server(&mut self) {
        match self.listen() {
            Ok(listener) => {
                let (handle, run) = self.ends.server(self.server_lives, self.clock, self.disk.as_ref());
                self.server_lives += 1;
                let ends = self.ends.clone();
                // Everything of the server belongs to this one task, and dies with it.
                let server = tokio::spawn(async move {
                    let mut connections = JoinSet::new();
                    let mut run = std::pin::pin!(run);
                    loop {
                        tokio::select! {
                            biased;
                            _ = &mut run => return,
                            accepted = listener.accept() => {
                                let Ok((stream, from)) = accepted else { continue };
                                let (ends, handle) = (ends.clone(), handle.clone());
                                connections.spawn(async move { ends.accept(&handle, stream, from).await });
                            }
                            Some(_) = connections.join_next() => {}
                        }
                    }
                });
                self.server = Some(server.abort_handle());
            }
            Err(error) => self.error = Some(WorldError::Broken(format!("can't listen on loopback: {error}"))),
        }
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
