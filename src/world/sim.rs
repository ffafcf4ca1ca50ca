//! The deterministic simulator: our own discrete-event network, and a clock that jumps to the next event.
//!
//! Nodes are stepped one at a time, messages stay typed, and ties are broken by the order in which things were planned, so
//! that the same plan and seed give the same trace on every machine. Nodes send no keep-alives here: that a dead link is
//! noticed after the keep-alive bound is a rule of this world, and so is that a connection attempt waits until there is a
//! way. The setup happens at time 0 over an ideal network.

mod backlog;
mod clock;
mod connections;
mod course;
mod network;
mod queue;
mod raw;
mod steps;

use std::collections::VecDeque;
use std::sync::Arc;

use self::backlog::Backlog;
use self::clock::Clock;
use self::connections::{Connection, InFlight};
use self::network::LinkState;
use self::queue::Queue;
use self::raw::RawState;
use super::cast::{Cast, DeviceNode, Reference, ServerNode};
use super::steps::Triggers;
use super::{WorldError, device_config, device_entropy, server_entropy, service_config};
use crate::plan::{Action, DeviceIndex, DeviceKind, Link, Plan};
use crate::protocol::call::{Call, CallNo, Reply};
use crate::protocol::device::{DeviceInput, DeviceOutput};
use crate::protocol::message::ConnectionNo;
use crate::protocol::service::{Record, ServiceInput, ServiceOutput};
use crate::protocol::vocabulary::Cursor;
use crate::time::{Duration, Instant};
use crate::trace::outside::Vantage;
use crate::trace::{Moment, Occurrence, Stage, Trace};

/// More things than this at one instant mean that nodes talk in a circle.
const AT_ONE_INSTANT_MAX: u64 = 50_000_000;

/// More things than this, for each device, without an application hearing or being told anything, mean the same over time.
const WITHOUT_PROGRESS_MAX: u64 = 10_000;

/// How a plan is carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Whether every message makes the round trip through the codec on its way.
    pub encode: bool,
    /// After how many moments of the trace a run is called endless; none leaves it to the limits that hold for every run,
    /// which are far away.
    pub moments_max: Option<usize>,
}

/// Carries a plan out.
///
/// # Errors
/// When the setup is refused, or the run does not come to an end.
pub fn run(plan: &Arc<Plan>) -> Result<Trace, WorldError> {
    run_with(plan, Options::default())
}

/// Carries a plan out, with options.
///
/// # Errors
/// When the setup is refused, the run does not come to an end, or a message does not survive the codec.
pub fn run_with(plan: &Arc<Plan>, options: Options) -> Result<Trace, WorldError> {
    run_as(plan, options, &Reference)
}

/// Carries a plan out with the nodes of a cast.
///
/// # Errors
/// When the setup is refused, the run does not come to an end, or a message does not survive the codec.
pub fn run_as(plan: &Arc<Plan>, options: Options, cast: &dyn Cast) -> Result<Trace, WorldError> {
    let mut sim = Sim::new(plan, options, cast);
    if let Err(why) = sim.whole_course() {
        return Err(match why {
            WorldError::Endless { .. } | WorldError::NoProgress { .. } => sim.broken_off(why),
            why => why,
        });
    }
    if let Some(error) = sim.codec_error {
        return Err(error);
    }
    Ok(Trace { plan: plan.clone(), vantage: Vantage::Server, moments: sim.moments })
}

/// A run under way.
struct Sim<'c> {
    plan: Arc<Plan>,
    options: Options,
    cast: &'c dyn Cast,
    /// The first message that came out of the codec as another.
    codec_error: Option<WorldError>,
    now: Instant,
    at_this_instant: u64,
    /// How much has happened since an application last heard or was told something.
    without_progress: u64,
    stage: Stage,
    queue: Queue<Wake, Happening>,
    moments: Vec<Moment>,
    /// The kinds of link; a device's link points here.
    models: Vec<Link>,
    devices: Vec<DeviceState>,
    connections: Vec<Connection>,
    server: Option<Box<ServerNode>>,
    server_lives: u64,
    server_wake: Option<Instant>,
    disk: Disk,
    triggers: Triggers,
    /// Lent to nodes, to save an allocation a step.
    device_outputs: Vec<DeviceOutput>,
    server_outputs: Vec<ServiceOutput>,
}

struct DeviceState {
    /// The library; none on raw devices and while the program is dead.
    node: Option<Box<dyn DeviceNode>>,
    /// As planned; here, since every message that arrives asks for it.
    kind: DeviceKind,
    lives: u32,
    calls: u32,
    link: LinkState,
    connection: Option<ConnectionNo>,
    /// Whether the library waits for a connection.
    connecting: bool,
    wake: Option<Instant>,
    /// What the network holds back in each direction, where it has ever held anything back.
    waiting: Option<Box<[Backlog<InFlight>; 2]>>,
    /// What a raw device remembers; few are.
    raw: Option<Box<RawState>>,
    clock: Clock,
    /// What the latest page that it read returned; empty before the first.
    cursor: Cursor,
}

/// A device wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wake(DeviceIndex);

impl From<Wake> for Happening {
    fn from(Wake(device): Wake) -> Self {
        Self::DeviceWake(device)
    }
}

enum Happening {
    Arrival(DeviceIndex, InFlight),
    Connected(DeviceIndex),
    /// The keep-alive of a partitioned link runs out; the number says which partition it waits for.
    KeepAlive(DeviceIndex, u32),
    /// The server notices that a device has vanished.
    ServerNotices(ConnectionNo),
    DeviceWake(DeviceIndex),
    ServerWake,
    /// The disk has made what it was given durable, and everything behind it may be said.
    Synced(u64),
    Step(usize),
}

/// The server's disk, and what it must not say yet.
#[derive(Default)]
struct Disk {
    /// Whether the plan ever looks at what is on it.
    is_needed: bool,
    durable: Vec<Arc<Record>>,
    /// Records that are not durable yet, and outputs behind them.
    unsynced: VecDeque<(u64, ServiceOutput)>,
    /// The number of the last record that was given to the disk.
    written: u64,
}

impl Disk {
    fn store(&mut self, record: Arc<Record>) {
        if !self.is_needed {
            return;
        }
        if matches!(&*record, Record::Checkpoint(_)) {
            self.durable.clear();
        }
        self.durable.push(record);
    }
}

impl<'c> Sim<'c> {
    fn new(plan: &Arc<Plan>, options: Options, cast: &'c dyn Cast) -> Self {
        let mut models = vec![plan.network.link.clone()];
        let mut model_of = vec![0; plan.devices.len()];
        for (devices, link) in &plan.network.links {
            let model = u32::try_from(models.len()).expect("fewer than 2^32 kinds of link");
            models.push(link.clone());
            for device in devices {
                model_of[device.index()] = model;
            }
        }
        let devices = model_of
            .into_iter()
            .zip(&plan.devices)
            .map(|(model, planned)| DeviceState {
                node: None,
                kind: planned.kind,
                lives: 0,
                calls: 0,
                link: LinkState::new(model),
                connection: None,
                connecting: false,
                wake: None,
                waiting: None,
                raw: None,
                clock: Clock::default(),
                cursor: Cursor::default(),
            })
            .collect();
        let is_needed = plan.steps.iter().any(|step| matches!(step.action, Action::CrashServer { .. }));
        Self {
            plan: plan.clone(),
            options,
            cast,
            codec_error: None,
            now: Instant::START,
            at_this_instant: 0,
            without_progress: 0,
            stage: Stage::Setup,
            queue: Queue::new(),
            moments: Vec::new(),
            models,
            devices,
            connections: Vec::new(),
            server: None,
            server_lives: 0,
            server_wake: None,
            disk: Disk { is_needed, ..Disk::default() },
            triggers: Triggers::new(plan),
            device_outputs: Vec::new(),
            server_outputs: Vec::new(),
        }
    }

    fn record(&mut self, what: Occurrence) {
        if matches!(what, Occurrence::Heard { .. } | Occurrence::Returned { .. } | Occurrence::StepBegan { .. }) {
            self.without_progress = 0;
        }
        self.moments.push(Moment { at: self.now, what });
    }

    fn enter_stage(&mut self, stage: Stage) {
        self.stage = stage;
        self.record(Occurrence::Stage(stage));
    }

    /// Lets everything happen that is due by `end`.
    fn run_until(&mut self, end: Instant) -> Result<(), WorldError> {
        while let Some((at, happening)) = self.next_happening(end) {
            // A wake that nobody waits for any more takes no time.
            if self.is_void(at, &happening) {
                continue;
            }
            if at > self.now {
                self.now = at;
                self.at_this_instant = 0;
            }
            self.at_this_instant += 1;
            if self.at_this_instant > AT_ONE_INSTANT_MAX {
                return Err(WorldError::Endless { at: self.now, count: self.at_this_instant });
            }
            if self.options.moments_max.is_some_and(|max| self.moments.len() > max) {
                return Err(WorldError::Endless { at: self.now, count: self.moments.len() as u64 });
            }
            self.without_progress += 1;
            if self.without_progress > WITHOUT_PROGRESS_MAX * (self.devices.len() as u64 + 10) {
                return Err(WorldError::NoProgress { at: self.now, count: self.without_progress });
            }
            self.happen(happening);
        }
        Ok(())
    }

    /// What happens next, if it happens by `end`. At the same instant the author's absolute steps come first.
    fn next_happening(&mut self, end: Instant) -> Option<(Instant, Happening)> {
        match self.triggers.next_absolute().filter(|(at, _)| *at <= end) {
            Some((at, step)) => {
                let queued = self.queue.pop_if(|queued| queued < at);
                queued.or_else(|| {
                    self.triggers.take_absolute();
                    Some((at, Happening::Step(step)))
                })
            }
            None => self.queue.pop_if(|queued| queued <= end),
        }
    }

    /// Forgets wakes that have become pointless, and plans the next one instead.
    fn is_void(&mut self, at: Instant, happening: &Happening) -> bool {
        match happening {
            Happening::DeviceWake(index) => {
                let device = &mut self.devices[index.index()];
                if device.wake != Some(at) {
                    return true;
                }
                let deadline = device.node.as_ref().and_then(|node| node.next_deadline());
                let due = deadline.map(|deadline| device.clock.real(deadline));
                if due.is_some_and(|due| due <= at) {
                    return false;
                }
                device.wake = None;
                self.plan_device_wake(*index);
                true
            }
            Happening::ServerWake => {
                if self.server_wake != Some(at) {
                    return true;
                }
                let due = self.server.as_ref().and_then(|server| server.next_deadline());
                if due.is_some_and(|due| due <= at) {
                    return false;
                }
                self.server_wake = None;
                self.plan_server_wake();
                true
            }
            Happening::KeepAlive(index, partition) => {
                let device = &self.devices[index.index()];
                !device.link.is_partitioned() || device.link.partitions != *partition || device.connection.is_none()
            }
            Happening::ServerNotices(connection) => !self.connection(*connection).server_end || self.server.is_none(),
            Happening::Synced(number) => self.disk.unsynced.front().is_none_or(|(first, _)| first > number),
            Happening::Arrival(..) | Happening::Connected(_) | Happening::Step(_) => false,
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrival(device, message) => self.arrive(device, message),
            Happening::Connected(device) => self.connected(device),
            Happening::KeepAlive(device, _) => {
                let connection = self.devices[device.index()].connection.expect("checked when it came up");
                self.break_connection(connection, true, true);
            }
            Happening::ServerNotices(connection) => self.break_connection(connection, false, true),
            Happening::DeviceWake(device) => {
                self.devices[device.index()].wake = None;
                self.step_device(device, DeviceInput::Deadline);
            }
            Happening::ServerWake => {
                self.server_wake = None;
                self.step_server(ServiceInput::Deadline);
            }
            Happening::Synced(number) => self.synced(number),
            Happening::Step(step) => self.carry_out(step),
        }
    }

    // ---- nodes ---------------------------------------------------------------------------------------------------

    fn start_device(&mut self, index: DeviceIndex) {
        let device = &mut self.devices[index.index()];
        if device.kind == DeviceKind::Raw {
            return;
        }
        device.node = Some(self.cast.device(device_config(&self.plan, index), index, device.lives));
        let entropy = device_entropy(&self.plan, index, device.lives);
        device.lives += 1;
        self.step_device(index, DeviceInput::Started { entropy });
    }

    fn start_server(&mut self) {
        let config = service_config(&self.plan, self.disk.is_needed);
        self.server = Some(self.cast.server(config, self.server_lives));
        let entropy = server_entropy(&self.plan, self.server_lives);
        self.server_lives += 1;
        let records = self.disk.durable.clone();
        self.record(Occurrence::ServerStarted { records: records.len() });
        self.step_server(ServiceInput::Started { records, entropy });
        // Whoever waits for a connection gets one now.
        for index in self.plan.device_indices() {
            self.try_to_connect(index);
        }
    }

    fn step_device(&mut self, index: DeviceIndex, input: DeviceInput) {
        let mut outputs = std::mem::take(&mut self.device_outputs);
        let device = &mut self.devices[index.index()];
        if let Some(node) = &mut device.node {
            node.step(device.clock.shown(self.now), input, &mut outputs);
        }
        // A step taken while another one's outputs are drained finds an empty vector, and keeps its own.
        for output in outputs.drain(..) {
            self.drain_device(index, output);
        }
        self.device_outputs = outputs;
        self.plan_device_wake(index);
    }

    fn drain_device(&mut self, device: DeviceIndex, output: DeviceOutput) {
        match output {
            DeviceOutput::Connect => {
                self.devices[device.index()].connecting = true;
                self.try_to_connect(device);
            }
            DeviceOutput::Disconnect => {
                let state = &mut self.devices[device.index()];
                state.connecting = false;
                if let Some(connection) = state.connection.take() {
                    self.close_from_device(connection);
                }
            }
            DeviceOutput::Send(message) => self.send_from_device(device, message, None),
            DeviceOutput::Returned { call, result } => {
                let reply = result.as_ref().ok().filter(|_| self.stage == Stage::FinalLists).cloned();
                if let Ok(Reply::List(page)) = &result {
                    self.devices[device.index()].cursor = page.cursor.clone();
                }
                let operation = self.triggers.returned(device, call);
                self.record(Occurrence::Returned { device, call, result });
                if let Some(operation) = operation {
                    self.fire(|triggers| triggers.on_returned(operation, device));
                }
                if let Some(reply) = reply {
                    self.read_on(device, &reply);
                }
            }
            DeviceOutput::Event(event) => {
                self.record(Occurrence::Heard { device, event: event.clone() });
                if self.triggers.waits_for_events() {
                    self.fire(|triggers| triggers.on_heard(&event.event, device));
                }
            }
            DeviceOutput::Handler { handler, event } => {
                self.record(Occurrence::Handled { device, handler, event });
            }
        }
    }

    /// Plans the steps that something has set off.
    fn fire(&mut self, what: impl FnOnce(&mut Triggers) -> Vec<(usize, Duration)>) {
        for (step, delay) in what(&mut self.triggers) {
            self.queue.push(self.now + delay, Happening::Step(step));
        }
    }

    fn step_server(&mut self, input: ServiceInput) {
        let Some(server) = &mut self.server else { return };
        let mut outputs = std::mem::take(&mut self.server_outputs);
        server.step(self.now, input, &mut outputs);
        // The setup's disk is as ideal as its network.
        let sync = if self.stage == Stage::Setup { Duration::ZERO } else { self.plan.service.sync };
        for output in outputs.drain(..) {
            if sync == Duration::ZERO && self.disk.unsynced.is_empty() {
                self.release(output);
                continue;
            }
            // Outputs are one queue: nothing behind a record that is not durable is released.
            if matches!(output, ServiceOutput::Persist(_)) {
                self.disk.written += 1;
                self.queue.push(self.now + sync, Happening::Synced(self.disk.written));
            } else if self.disk.unsynced.is_empty() {
                self.release(output);
                continue;
            }
            self.disk.unsynced.push_back((self.disk.written, output));
        }
        self.server_outputs = outputs;
        self.plan_server_wake();
    }

    /// The records up to `number` are durable: they and what is behind them are released.
    fn synced(&mut self, number: u64) {
        while self.disk.unsynced.front().is_some_and(|(behind, _)| *behind <= number) {
            let (_, output) = self.disk.unsynced.pop_front().expect("there is a front");
            self.release(output);
        }
    }

    fn release(&mut self, output: ServiceOutput) {
        match output {
            ServiceOutput::Persist(record) => self.disk.store(record),
            ServiceOutput::Send { connection, message } => self.send_from_server(connection, message),
            ServiceOutput::Close { connection } => self.close_from_server(connection),
            ServiceOutput::PushHint(hint) => self.record(Occurrence::PushHinted(Box::new(hint))),
        }
    }

    fn plan_device_wake(&mut self, index: DeviceIndex) {
        let device = &mut self.devices[index.index()];
        let Some(deadline) = device.node.as_ref().and_then(|node| node.next_deadline()) else { return };
        let at = device.clock.real(deadline).max(self.now);
        if device.wake.is_none_or(|wake| at < wake) {
            device.wake = Some(at);
            self.queue.push_word(at, Wake(index));
        }
    }

    fn plan_server_wake(&mut self) {
        let Some(deadline) = self.server.as_ref().and_then(|server| server.next_deadline()) else { return };
        let at = deadline.max(self.now);
        if self.server_wake.is_none_or(|wake| at < wake) {
            self.server_wake = Some(at);
            self.queue.push(at, Happening::ServerWake);
        }
    }

    fn call(&mut self, device: DeviceIndex, content: Arc<Call>, step: Option<usize>) {
        let state = &mut self.devices[device.index()];
        state.calls += 1;
        let call = CallNo(state.calls);
        self.triggers.called(device, call, content.operation());
        self.record(Occurrence::Called { device, call, content: content.clone(), step });
        self.step_device(device, DeviceInput::Call { call, content });
    }
}

#[cfg(test)]
mod tests;
