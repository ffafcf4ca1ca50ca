//! The same IO code as in production, over the network of the crate `turmoil`: a simulated TCP under virtual, ticking time.
//!
//! The server is one host. Devices that the plan never treats differently share another, since every host makes each tick
//! dearer; faults are turmoil's own, between hosts. Its TCP never sends again: what a partition drops is a gap that only
//! the keep-alive ends. What can't be enacted here is unsupported, with a reason. Moments are as exact as a tick: a
//! millisecond.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use turmoil::net::{TcpListener, TcpStream};

use super::WorldError;
use super::driver::device::{Command, Connection, Connector};
use super::driver::frames::FrameError;
use super::driver::{Clock, std_duration};
use super::enact::book::{Book, Time};
use super::enact::line::{Disk, Ends};
use super::enact::{Enactment, Hands, latency_max, limits, refuse, unsupported};
use crate::plan::{Action, DeviceIndex, Direction, Latency, Link, Place, Plan, When};
use crate::protocol::call::Call;
use crate::time::{Duration, Instant};
use crate::trace::Trace;
use crate::trace::outside::Vantage;

/// How many hosts of devices there may be: a tick costs the cube of them.
pub const HOSTS_MAX: usize = 8;

/// How many devices there may be.
pub const DEVICES_MAX: usize = 200;

/// How long a run may take, in virtual time: this time can't jump.
pub const VIRTUAL_TIME_MAX: Duration = Duration::from_secs(600);

const SERVER: &str = "server";
const PORT: u16 = 80;
const TICK: Duration = Duration::from_millis(1);

/// How many commands may wait for a device.
const COMMANDS_MAX: usize = 4096;

/// Carries a plan out.
///
/// # Errors
/// [`WorldError::Unsupported`] where this world can't enact the plan; else when the setup is refused, or the world breaks.
pub fn run(plan: &Arc<Plan>) -> Result<Trace, WorldError> {
    refuse(plan)?;
    refuse_here(plan)?;
    let classes = Classes::of(plan)?;
    let book = Book::new(plan.devices.len(), Time::Told(Instant::START), Vantage::Server);
    let ends = Ends { plan: plan.clone(), book: book.clone(), limits: limits(plan) };
    let mut network = Network::new(&ends, classes);
    let mut enactment = Enactment::new(plan, &book, Duration::from_secs(1) + latency_max(plan).times(8));
    loop {
        let elapsed = Duration::from_nanos(u64::try_from(network.sim.elapsed().as_nanos()).unwrap_or(u64::MAX));
        book.tell_time(Instant::START + elapsed);
        if enactment.advance(&mut network)? {
            return Ok(enactment.trace());
        }
        if book.began().is_some() && book.now() > Instant::START + VIRTUAL_TIME_MAX {
            return Err(too_long(Place::default()));
        }
        network.sim.step().map_err(|error| WorldError::Broken(error.to_string()))?;
    }
}

fn too_long(place: Place) -> WorldError {
    unsupported(place, format!("it takes more than {VIRTUAL_TIME_MAX} of virtual time, which can't jump here"))
}

/// What can be seen of a plan before it is begun.
fn refuse_here(plan: &Plan) -> Result<(), WorldError> {
    if plan.devices.len() > DEVICES_MAX {
        let reason = format!("it has {} devices; {DEVICES_MAX} are the most here", plan.devices.len());
        return Err(unsupported(Place::default(), reason));
    }
    if plan.lasts.is_some_and(|lasts| lasts > VIRTUAL_TIME_MAX) {
        return Err(too_long(Place::default()));
    }
    for step in &plan.steps {
        let delay = match step.when {
            When::At(at) => at.since(Instant::START),
            When::After { delay, .. } => delay,
        };
        if delay > VIRTUAL_TIME_MAX {
            return Err(too_long(step.place));
        }
        match &step.action {
            Action::Hold { direction: Direction::ToServer | Direction::FromServer, .. } => {
                return Err(unsupported(step.place, "a hold works both ways here"));
            }
            Action::Call { call, .. } => {
                if let Call::InviteUsers { timeout, .. } = &**call
                    && *timeout > VIRTUAL_TIME_MAX.as_secs() as f64
                    && *timeout <= plan.service.bounds.timeout_max.as_secs() as f64
                {
                    return Err(too_long(step.place));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Which devices share a host.
struct Classes {
    /// The class of each device.
    of: Vec<usize>,
    /// The link of each class.
    links: Vec<Link>,
}

impl Classes {
    /// Devices are told apart by their links, and by the faults of the network that name them.
    fn of(plan: &Plan) -> Result<Self, WorldError> {
        let mut model = vec![0; plan.devices.len()];
        for (number, (devices, _)) in plan.network.links.iter().enumerate() {
            for device in devices {
                model[device.index()] = number + 1;
            }
        }
        let links: Vec<&Link> =
            [&plan.network.link].into_iter().chain(plan.network.links.iter().map(|(_, link)| link)).collect();
        let mut faults: Vec<Vec<usize>> = vec![Vec::new(); plan.devices.len()];
        let mut vanish = vec![false; plan.devices.len()];
        for (number, step) in plan.steps.iter().enumerate() {
            let concerns_hosts = match &step.action {
                Action::Partition { .. } | Action::Heal { .. } | Action::Hold { .. } | Action::Release { .. } => true,
                Action::Offline { devices, noticed: false } => {
                    devices.iter().for_each(|device| vanish[device.index()] = true);
                    true
                }
                Action::Online { devices } => devices.iter().any(|device| vanish[device.index()]),
                _ => false,
            };
            if concerns_hosts {
                step.action.devices().iter().for_each(|device| faults[device.index()].push(number));
            }
        }
        let mut known: BTreeMap<(usize, Vec<usize>), usize> = BTreeMap::new();
        let mut classes = Self { of: Vec::new(), links: Vec::new() };
        for (model, faults) in model.into_iter().zip(faults) {
            let link = links[model];
            let class = *known.entry((model, faults)).or_insert_with(|| {
                classes.links.push(link.clone());
                classes.links.len() - 1
            });
            classes.of.push(class);
        }
        if classes.links.len() > HOSTS_MAX {
            let reason = format!(
                "faults and links tell {} kinds of devices apart; {HOSTS_MAX} hosts are the most here",
                classes.links.len()
            );
            return Err(unsupported(Place::default(), reason));
        }
        if classes.links.iter().any(|link| !matches!(link.latency, Latency::Constant(_) | Latency::Uniform(..))) {
            let reason = "latency is constant or between two bounds here";
            return Err(unsupported(Place::default(), reason));
        }
        Ok(classes)
    }
}

/// What is told to a host of devices.
enum Order {
    Start { device: DeviceIndex, life: u32, commands: mpsc::Receiver<Command> },
    Kill(DeviceIndex),
}

/// What a class of devices has against it.
#[derive(Clone, Copy, Default)]
struct Obstacles {
    partition: Option<Direction>,
    held: bool,
}

/// The hosts and the links between them.
struct Network {
    sim: turmoil::Sim<'static>,
    classes: Classes,
    obstacles: Vec<Obstacles>,
    hosts: Vec<mpsc::UnboundedSender<Order>>,
    devices: Vec<Option<mpsc::Sender<Command>>>,
    server_ran: bool,
}

fn host_name(class: usize) -> String {
    format!("devices-{class}")
}

impl Network {
    fn new(ends: &Ends, classes: Classes) -> Self {
        let plan = &ends.plan;
        // The setup's network is ideal where it can be; a range has its lower end here, for all links.
        let least = classes.links.iter().filter_map(|link| match link.latency {
            Latency::Uniform(least, _) => Some(least),
            _ => None,
        });
        let least = least.min().unwrap_or(Duration::ZERO);
        let mut sim = turmoil::Builder::new()
            .epoch(SystemTime::UNIX_EPOCH)
            .rng_seed(plan.seed.0)
            .tick_duration(std_duration(TICK))
            .min_message_latency(std_duration(least))
            .max_message_latency(std_duration(least))
            // Never its own end: the run says when it is over.
            .simulation_duration(std::time::Duration::MAX)
            .tcp_capacity(4096)
            .build();
        let keeps_records = plan.steps.iter().any(|step| matches!(step.action, Action::CrashServer { .. }));
        let disk = keeps_records.then(Disk::default);
        let lives = std::cell::Cell::new(0);
        sim.host(SERVER, {
            let ends = ends.clone();
            move || {
                let life = lives.replace(lives.get() + 1);
                serve(ends.clone(), life, disk.clone())
            }
        });
        let mut hosts = Vec::new();
        for class in 0..classes.links.len() {
            let (sender, receiver) = mpsc::unbounded_channel();
            hosts.push(sender);
            // A host of devices never crashes: its software is made once.
            let receiver = std::cell::RefCell::new(Some(receiver));
            let ends = ends.clone();
            sim.host(host_name(class), move || run_devices(ends.clone(), receiver.borrow_mut().take()));
        }
        let devices = plan.devices.iter().map(|_| None).collect();
        let obstacles = vec![Obstacles::default(); classes.links.len()];
        Self { sim, classes, obstacles, hosts, devices, server_ran: false }
    }

    fn order(&self, device: DeviceIndex, order: Order) {
        let sent = self.hosts[self.classes.of[device.index()]].send(order);
        assert!(sent.is_ok(), "a host of devices never ends");
    }

    /// The classes of some devices. By the way in which classes are made, the devices are all of each.
    fn classes_of(&self, devices: &[DeviceIndex]) -> Vec<usize> {
        let mut classes: Vec<usize> = devices.iter().map(|device| self.classes.of[device.index()]).collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    }
}

impl Hands for Network {
    fn begin_body(&mut self) {
        for (class, link) in self.classes.links.iter().enumerate() {
            match link.latency {
                Latency::Constant(latency) => {
                    self.sim.set_link_latency(host_name(class), SERVER, std_duration(latency));
                }
                Latency::Uniform(_, most) => {
                    self.sim.set_link_max_message_latency(host_name(class), SERVER, std_duration(most));
                }
                Latency::Exponential { .. } | Latency::Normal { .. } | Latency::Pareto { .. } => {
                    unreachable!("such a link is unsupported")
                }
            }
        }
    }

    fn start(&mut self, device: DeviceIndex, life: u32) {
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        self.devices[device.index()] = Some(sender);
        self.order(device, Order::Start { device, life, commands });
    }

    fn kill(&mut self, device: DeviceIndex) {
        self.devices[device.index()] = None;
        self.order(device, Order::Kill(device));
    }

    fn tell(&mut self, device: DeviceIndex, command: Command) {
        if let Some(commands) = &self.devices[device.index()] {
            let told = commands.try_send(command);
            assert!(told.is_ok(), "a plan has fewer steps at one instant than a device takes commands");
        }
    }

    fn cut(&mut self, devices: &[DeviceIndex], direction: Direction) {
        for class in self.classes_of(devices) {
            let already = &mut self.obstacles[class].partition;
            let joined = match *already {
                Some(already) if already != direction => Direction::Both,
                _ => direction,
            };
            *already = Some(joined);
            match joined {
                Direction::Both => self.sim.partition(host_name(class), SERVER),
                Direction::ToServer => self.sim.partition_oneway(host_name(class), SERVER),
                Direction::FromServer => self.sim.partition_oneway(SERVER, host_name(class)),
            }
        }
    }

    fn mend(&mut self, devices: &[DeviceIndex]) {
        for class in self.classes_of(devices) {
            self.obstacles[class].partition = None;
            self.sim.repair(host_name(class), SERVER);
        }
    }

    fn hold(&mut self, devices: &[DeviceIndex]) {
        for class in self.classes_of(devices) {
            self.obstacles[class].held = true;
            self.sim.hold(host_name(class), SERVER);
        }
    }

    fn release(&mut self, devices: &[DeviceIndex]) {
        for class in self.classes_of(devices) {
            if std::mem::take(&mut self.obstacles[class].held) {
                self.sim.release(host_name(class), SERVER);
            }
        }
    }

    fn crash_server(&mut self) {
        self.sim.crash(SERVER);
    }

    fn start_server(&mut self) {
        // Its first life begins with the simulation.
        if std::mem::replace(&mut self.server_ran, true) {
            self.sim.bounce(SERVER);
        }
    }
}

async fn serve(ends: Ends, life: u64, disk: Option<Disk>) -> turmoil::Result {
    let clock = Clock::starting_at(ends.book.world_now());
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let (handle, run) = ends.server(life, clock, disk.as_ref());
    // Everything of the server is this one task: a crash drops its connections in their order, where a runtime would drop
    // tasks in any.
    let mut run = std::pin::pin!(run);
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            ended = &mut run => {
                ended?;
                return Ok(());
            }
            accepted = listener.accept() => {
                let (stream, from) = accepted?;
                let (ends, handle) = (ends.clone(), handle.clone());
                connections.push(async move { ends.accept(&handle, stream, from).await });
            }
            Some(()) = connections.next() => {}
        }
    }
}

/// A host of devices: starts and kills programs as it is told.
async fn run_devices(ends: Ends, orders: Option<mpsc::UnboundedReceiver<Order>>) -> turmoil::Result {
    let mut orders = orders.ok_or("a host of devices was started twice")?;
    let mut running: BTreeMap<DeviceIndex, AbortHandle> = BTreeMap::new();
    while let Some(order) = orders.recv().await {
        match order {
            Order::Start { device, life, commands } => {
                let clock = Clock::starting_at(ends.book.world_now());
                let connector = Dialler { ends: ends.clone(), device };
                let program = tokio::spawn(ends.clone().run_device(device, life, clock, connector, commands));
                running.insert(device, program.abort_handle());
            }
            Order::Kill(device) => {
                if let Some(program) = running.remove(&device) {
                    program.abort();
                }
            }
        }
    }
    Ok(())
}

struct Dialler {
    ends: Ends,
    device: DeviceIndex,
}

impl Connector for Dialler {
    async fn connect(&mut self) -> Result<Connection, FrameError> {
        let failed = |error: std::io::Error| FrameError::Io(error.to_string());
        let stream = TcpStream::connect((SERVER, PORT)).await.map_err(failed)?;
        let from = stream.local_addr().map_err(failed)?;
        self.ends.dial(self.device, stream, from).await
    }
}
