//! Carries a plan out over the IO driver, for every world that has one: the setup phase by phase, the author's steps, the
//! epilogue and the final lists.
//!
//! A world lends its [`Hands`] and says when time has passed; it is asked for nothing else. What is at the other end of a
//! device's commands, a task over a simulated network or over a real one, is not known here.

pub(super) mod book;
pub(super) mod line;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::book::Book;
use super::WorldError;
use super::driver::DriverLimits;
use super::driver::device::Command;
use super::steps::{Triggers, with_cursor};
use crate::plan::{Action, DeviceIndex, DeviceKind, Direction, Latency, Place, Plan, Trigger, When};
use crate::protocol::call::{Call, CallNo, Reply};
use crate::protocol::device::DeviceInput;
use crate::protocol::vocabulary::Cursor;
use crate::time::{Duration, Instant};
use crate::trace::{DeviceChange, Moment, Occurrence, Stage, Trace};

/// What a world does when a step asks for it.
pub(super) trait Hands {
    /// The setup is over: from now on messages take the time that the plan wants. Real networks take theirs.
    fn begin_body(&mut self) {}
    /// Starts the program on a device: this life of it.
    fn start(&mut self, device: DeviceIndex, life: u32);
    /// Ends it without a word.
    fn kill(&mut self, device: DeviceIndex);
    /// Tells it something.
    fn tell(&mut self, device: DeviceIndex, command: Command);
    /// Cuts the devices off: nothing passes, and nobody is told.
    fn cut(&mut self, _devices: &[DeviceIndex], _direction: Direction) {
        unreachable!("a plan that cuts the network is unsupported here")
    }
    /// Ends it.
    fn mend(&mut self, _devices: &[DeviceIndex]) {}
    /// Lets everything wait that is under way.
    fn hold(&mut self, _devices: &[DeviceIndex]) {
        unreachable!("a plan that holds messages is unsupported here")
    }
    /// Ends it.
    fn release(&mut self, _devices: &[DeviceIndex]) {}
    /// Ends the server without a word.
    fn crash_server(&mut self) {
        unreachable!("a plan that ends the server is unsupported here")
    }
    /// Starts it from its records.
    fn start_server(&mut self);
    /// Whether it can be connected to: nobody logs in before it can for the first time.
    fn is_server_up(&self) -> bool {
        true
    }
}

/// The driver's bounds for a plan. Pauses before a device connects again are short: in the simulator there are none.
pub(super) fn limits(plan: &Plan) -> DriverLimits {
    let idle_max = plan.service.bounds.keep_alive_bound;
    let patience = DriverLimits::default().login_patience;
    DriverLimits {
        // A connection takes a few ways there and back.
        login_patience: patience + latency_max(plan).times(10),
        ping_every: Duration::from_nanos(idle_max.as_nanos() / 3),
        idle_max,
        backoff_min: Duration::from_millis(100),
        backoff_max: Duration::from_millis(500),
        ..DriverLimits::default()
    }
}

/// The longest that a message may take; zero where there is no such limit.
pub(super) fn latency_max(plan: &Plan) -> Duration {
    let links = plan.network.links.iter().map(|(_, link)| link).chain([&plan.network.link]);
    let latency = |link: &crate::plan::Link| match link.latency {
        Latency::Constant(latency) | Latency::Uniform(_, latency) => latency,
        Latency::Exponential { .. } | Latency::Normal { .. } | Latency::Pareto { .. } => Duration::ZERO,
    };
    links.map(latency).max().unwrap_or(Duration::ZERO)
}

/// For how long nothing must be recorded before what was done counts as having had its effects.
const SILENCE: Duration = Duration::from_millis(15);

/// For how long a step waits for that at the most: some calls are answered only by steps to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// A plan that is being carried out.
pub(super) struct Enactment {
    plan: Arc<Plan>,
    book: Arc<Book>,
    triggers: Triggers,
    part: Part,
    /// How many moments have been looked at.
    looked_at: usize,
    /// The causal steps that have been set off, by time and order.
    due: BTreeMap<(Instant, u64), usize>,
    set_off: u64,
    devices: Vec<DeviceState>,
    server_is_up: bool,
    /// For how long nothing must happen before nothing more will.
    settle: Duration,
    /// The real time that tells two steps apart, where a busy machine must not: one that comes so much later than another
    /// waits for the effects of that.
    grain: Option<Duration>,
    /// When the last step of a known time was to begin.
    last_absolute: Instant,
    /// The calls that have not returned, and when each was made.
    open_calls: BTreeMap<(DeviceIndex, CallNo), Instant>,
    /// Something is sure to happen before then, on the world's clock: a dead link will be noticed.
    restless_until: Instant,
}

struct DeviceState {
    alive: bool,
    calls: u32,
    /// What the latest page that it read returned.
    cursor: Cursor,
    partitioned: bool,
    held: bool,
    /// Whether its network is gone without the server being told.
    vanished: bool,
    /// Whether its network is gone.
    offline: bool,
}

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Before anything.
    Beginning,
    /// The server starts, and nobody else has yet.
    Starting,
    /// This phase of the setup, which began with this moment.
    Setup(usize, usize),
    Body,
    Epilogue,
    FinalLists,
    Over,
}

impl Enactment {
    pub(super) fn new(plan: &Arc<Plan>, book: &Arc<Book>, settle: Duration) -> Self {
        let state = || DeviceState {
            alive: false,
            calls: 0,
            cursor: Cursor::from(""),
            partitioned: false,
            held: false,
            vanished: false,
            offline: false,
        };
        Self {
            plan: plan.clone(),
            book: book.clone(),
            triggers: Triggers::new(plan),
            part: Part::Beginning,
            looked_at: 0,
            due: BTreeMap::new(),
            set_off: 0,
            devices: plan.devices.iter().map(|_| state()).collect(),
            server_is_up: false,
            settle,
            grain: None,
            last_absolute: Instant::START,
            open_calls: BTreeMap::new(),
            restless_until: Instant::START,
        }
    }

    /// Lets a step of a known time that is so much later than another wait for the effects of that, however busy the
    /// machine is.
    pub(super) fn patiently(self, grain: Duration) -> Self {
        Self { grain: Some(grain), ..self }
    }

    /// What was recorded.
    pub(super) fn trace(&self) -> Trace {
        Trace { plan: self.plan.clone(), vantage: self.book.vantage(), moments: self.book.take() }
    }

    /// Does what is to be done now. True when the run is over.
    ///
    /// # Errors
    /// When the setup is refused.
    pub(super) fn advance(&mut self, hands: &mut dyn Hands) -> Result<bool, WorldError> {
        loop {
            self.look(hands);
            while let Some(step) = self.next_due() {
                self.carry_out(step, hands);
            }
            let before = self.part;
            self.turn(hands)?;
            if self.part == Part::Over {
                return Ok(true);
            }
            if self.part == before {
                return Ok(false);
            }
        }
    }

    /// When the next step is due whose time is known, on the clock of the run.
    pub(super) fn next_step(&self) -> Option<Instant> {
        let causal = self.due.keys().next().map(|(at, _)| *at);
        let absolute = self.triggers.next_absolute().map(|(at, _)| at);
        [causal, absolute].into_iter().flatten().min()
    }

    // ---- the parts of a run --------------------------------------------------------------------------------------

    fn turn(&mut self, hands: &mut dyn Hands) -> Result<(), WorldError> {
        match self.part {
            Part::Beginning => {
                self.book.record(Occurrence::Stage(Stage::Setup));
                self.start_server(hands);
                self.part = Part::Starting;
            }
            Part::Starting => {
                if hands.is_server_up() {
                    for device in self.plan.device_indices() {
                        self.start(device, hands);
                    }
                    self.set_up(0, hands);
                }
            }
            Part::Setup(phase, first) => {
                // The body begins when everybody has heard everything of the setup.
                let is_last = phase + 1 >= self.plan.setup.len();
                if self.is_set_up(phase, first)? && (!is_last || self.book.is_silent(self.settle_in_setup())) {
                    self.set_up(phase + 1, hands);
                }
            }
            Part::Body => {
                let over = match self.plan.lasts {
                    Some(lasts) => self.book.now() >= Instant::START + lasts,
                    None => self.next_step().is_none() && self.is_quiet(),
                };
                if over {
                    self.begin_epilogue(hands);
                }
            }
            Part::Epilogue => {
                if self.is_quiet() {
                    self.begin_final_lists(hands);
                }
            }
            Part::FinalLists => {
                if self.is_quiet() {
                    self.part = Part::Over;
                }
            }
            Part::Over => {}
        }
        Ok(())
    }

    fn settle_in_setup(&self) -> Duration {
        Duration::from_nanos(self.settle.as_nanos() / 4)
    }

    fn is_quiet(&self) -> bool {
        self.book.world_now() >= self.restless_until && self.book.is_quiet(self.settle)
    }

    /// Nothing is over before both ends have noticed what was cut, and have found each other again.
    fn be_restless(&mut self) {
        self.restless_until = self.book.world_now() + self.plan.service.bounds.keep_alive_bound + self.settle;
    }

    fn set_up(&mut self, phase: usize, hands: &mut dyn Hands) {
        let plan = self.plan.clone();
        let Some(calls) = plan.setup.get(phase) else {
            hands.begin_body();
            self.book.begin_body();
            self.book.record(Occurrence::Stage(Stage::Body));
            self.look(hands);
            self.triggers.begin();
            self.part = Part::Body;
            return;
        };
        self.part = Part::Setup(phase, self.book.len());
        for setup in calls {
            self.call(setup.device, setup.call.clone(), None, hands);
        }
    }

    /// Whether every call of the phase has been answered. Each device has one call a phase.
    fn is_set_up(&self, phase: usize, first: usize) -> Result<bool, WorldError> {
        let calls = &self.plan.setup[phase];
        let mut answered = 0;
        for moment in self.book.since(first) {
            let Occurrence::Returned { device, result, .. } = &moment.what else { continue };
            answered += 1;
            if let (Err(error), Some(setup)) = (result, calls.iter().find(|setup| setup.device == *device)) {
                return Err(WorldError::Setup {
                    place: setup.place,
                    device: self.plan.device(*device).name.to_string(),
                    call: setup.call.operation().to_string(),
                    error: error.to_string(),
                });
            }
        }
        Ok(answered >= calls.len())
    }

    /// Ends faults, heals links, and restarts the server if it is down. Devices that the author took offline or killed
    /// stay so.
    fn begin_epilogue(&mut self, hands: &mut dyn Hands) {
        self.book.record(Occurrence::Stage(Stage::Epilogue));
        self.triggers.end();
        self.due.clear();
        self.part = Part::Epilogue;
        let all: Vec<DeviceIndex> = self.plan.device_indices().collect();
        let partitioned: Vec<DeviceIndex> =
            all.iter().copied().filter(|device| self.devices[device.index()].partitioned).collect();
        self.heal(&partitioned, hands);
        let held: Vec<DeviceIndex> = all.into_iter().filter(|device| self.devices[device.index()].held).collect();
        self.release(&held, hands);
        if !self.server_is_up {
            self.start_server(hands);
        }
    }

    fn begin_final_lists(&mut self, hands: &mut dyn Hands) {
        self.book.record(Occurrence::Stage(Stage::FinalLists));
        self.part = Part::FinalLists;
        for device in self.plan.device_indices() {
            self.list(device, Cursor::from(""), hands);
        }
    }

    fn list(&mut self, device: DeviceIndex, cursor: Cursor, hands: &mut dyn Hands) {
        let Some(room_id) = self.book.room(device) else { return };
        let call = Call::GetInvitationList { room_id, cursor, count: 0.0 };
        self.call(device, Arc::new(call), None, hands);
    }

    // ---- what sets steps off -------------------------------------------------------------------------------------

    /// Looks at what has been recorded since the last time.
    fn look(&mut self, hands: &mut dyn Hands) {
        let moments = self.book.since(self.looked_at);
        self.looked_at += moments.len();
        for Moment { at, what } in moments {
            let set_off = match what {
                Occurrence::Heard { device, event } => self.triggers.on_heard(&event.event, device),
                Occurrence::Returned { device, call, result } => {
                    self.open_calls.remove(&(device, call));
                    if let Ok(Reply::List(page)) = &result {
                        self.devices[device.index()].cursor = page.cursor.clone();
                        if self.part == Part::FinalLists && !page.cursor.as_str().is_empty() {
                            self.list(device, page.cursor.clone(), hands);
                        }
                    }
                    match self.triggers.returned(device, call) {
                        Some(operation) => self.triggers.on_returned(operation, device),
                        None => Vec::new(),
                    }
                }
                _ => Vec::new(),
            };
            self.plan_steps(at, set_off);
        }
    }

    fn plan_steps(&mut self, from: Instant, steps: Vec<(usize, Duration)>) {
        for (step, delay) in steps {
            self.set_off += 1;
            self.due.insert((from + delay, self.set_off), step);
        }
    }

    /// The next step whose time has come. At the same instant the author's absolute steps come first.
    fn next_due(&mut self) -> Option<usize> {
        let now = self.book.now();
        let causal = self.due.first_key_value().map(|((at, _), step)| (*at, *step)).filter(|(at, _)| *at <= now);
        let causal = causal.filter(|(at, step)| self.has_waited(*at, *step, now)).map(|(at, _)| at);
        let absolute = self.triggers.next_absolute().filter(|(at, _)| *at <= now && self.is_its_turn(*at, now));
        match (absolute, causal) {
            (Some((at, step)), causal) if causal.is_none_or(|causal| at <= causal) => {
                self.triggers.take_absolute();
                self.last_absolute = at;
                Some(step)
            }
            (_, Some(_)) => self.due.pop_first().map(|(_, step)| step),
            _ => None,
        }
    }

    /// Whether a step of a known time may begin: what came before it, and not together with it, must have had its effects.
    fn is_its_turn(&self, at: Instant, now: Instant) -> bool {
        let Some(grain) = self.grain else { return true };
        if at.since(self.last_absolute) < grain || now.since(at) >= PATIENCE {
            return true;
        }
        let waiting = self.open_calls.keys().map(|(device, _)| *device).filter(|device| !self.is_away(*device));
        self.book.is_settled(waiting, |device| self.is_away(device), SILENCE)
    }

    /// Whether a step that something has set off may begin: what others had asked before that must have been answered. In a
    /// network that takes time, it would long have arrived when somebody acts on what it has seen.
    fn has_waited(&self, at: Instant, step: usize, now: Instant) -> bool {
        let step = &self.plan.steps[step];
        let When::After { trigger: Trigger::Seen { .. } | Trigger::Returned { .. }, delay } = &step.when else {
            return true;
        };
        if self.grain.is_none() || now.since(at) >= PATIENCE {
            return true;
        }
        let (set_off, own) = (at - *delay, step.action.devices());
        let before = self.open_calls.iter().filter(|((caller, _), called)| **called < set_off && !own.contains(caller));
        let waiting = before.map(|((caller, _), _)| *caller).filter(|caller| !self.is_away(*caller));
        self.book.is_settled(waiting, |_| true, Duration::ZERO)
    }

    fn is_away(&self, device: DeviceIndex) -> bool {
        let device = &self.devices[device.index()];
        device.offline || !device.alive
    }

    // ---- what steps do -------------------------------------------------------------------------------------------

    fn carry_out(&mut self, step: usize, hands: &mut dyn Hands) {
        if !self.triggers.is_active() {
            return; // The scenario ended before its turn came; the checks say so.
        }
        self.book.record(Occurrence::StepBegan { step });
        let followers = self.triggers.on_begun(step);
        self.plan_steps(self.book.now(), followers);
        let plan = self.plan.clone();
        match &plan.steps[step].action {
            Action::Call { devices, call, cursor_of, .. } => {
                let cursor = cursor_of.map(|reader| self.devices[reader.index()].cursor.clone());
                let call = with_cursor(call, cursor);
                for device in devices {
                    self.call(*device, call.clone(), Some(step), hands);
                }
            }
            Action::On { devices, event, handler } => {
                for device in devices {
                    let (name, removes) = (handler.name.clone(), handler.removes.clone());
                    let input = DeviceInput::On { event: *event, handler: name, removes };
                    hands.tell(*device, Command::Input(input));
                }
            }
            Action::Off { devices, event, handler } => {
                for device in devices {
                    let input = DeviceInput::Off { event: *event, handler: handler.clone() };
                    hands.tell(*device, Command::Input(input));
                }
            }
            Action::Offline { devices, noticed } => self.go_offline(devices, *noticed, hands),
            Action::Online { devices } => self.come_online(devices, hands),
            Action::Disconnect { devices } => {
                for device in devices {
                    self.changed(*device, DeviceChange::Disconnected);
                    hands.tell(*device, Command::Disconnect);
                }
            }
            Action::Kill { devices } => {
                for device in devices {
                    self.changed(*device, DeviceChange::Killed);
                    self.devices[device.index()].alive = false;
                    self.book.killed(*device);
                    self.open_calls.retain(|(caller, _), _| caller != device);
                    hands.kill(*device);
                }
            }
            Action::Restart { devices } => {
                for device in devices {
                    self.changed(*device, DeviceChange::Restarted);
                    if !self.devices[device.index()].alive {
                        self.start(*device, hands);
                    }
                }
            }
            Action::Partition { devices, direction } => {
                for device in devices {
                    self.changed(*device, DeviceChange::Partitioned);
                    self.devices[device.index()].partitioned = true;
                }
                self.be_restless();
                hands.cut(devices, *direction);
            }
            Action::Heal { devices } => self.heal(devices, hands),
            Action::Hold { devices, .. } => {
                for device in devices {
                    self.changed(*device, DeviceChange::Held);
                    self.devices[device.index()].held = true;
                }
                hands.hold(devices);
            }
            Action::Release { devices } => self.release(devices, hands),
            Action::CrashServer { .. } => {
                if self.server_is_up {
                    self.server_is_up = false;
                    self.book.server_crashed();
                    hands.crash_server();
                }
            }
            Action::RestartServer => {
                if !self.server_is_up {
                    self.start_server(hands);
                }
            }
            Action::Send { .. } | Action::ClockJump { .. } | Action::ClockDrift { .. } => {
                unreachable!("a plan with such a step is unsupported here")
            }
        }
    }

    fn changed(&self, device: DeviceIndex, change: DeviceChange) {
        self.book.record(Occurrence::DeviceChanged { device, change });
    }

    fn call(&mut self, device: DeviceIndex, content: Arc<Call>, step: Option<usize>, hands: &mut dyn Hands) {
        let state = &mut self.devices[device.index()];
        state.calls += 1;
        let call = CallNo(state.calls);
        self.triggers.called(device, call, content.operation());
        self.book.record(Occurrence::Called { device, call, content: content.clone(), step });
        self.open_calls.insert((device, call), self.book.now());
        hands.tell(device, Command::Input(DeviceInput::Call { call, content }));
    }

    fn start(&mut self, device: DeviceIndex, hands: &mut dyn Hands) {
        self.devices[device.index()].alive = true;
        hands.start(device, self.book.life(device));
    }

    fn start_server(&mut self, hands: &mut dyn Hands) {
        self.server_is_up = true;
        hands.start_server();
        self.restless_until = self.restless_until.max(self.book.world_now() + self.settle);
    }

    fn go_offline(&mut self, devices: &[DeviceIndex], noticed: bool, hands: &mut dyn Hands) {
        if !noticed {
            // The end of the connection must not reach the server: the way is cut first.
            hands.cut(devices, Direction::Both);
            self.be_restless();
        }
        for device in devices {
            self.changed(*device, DeviceChange::Offline);
            self.devices[device.index()].vanished |= !noticed;
            self.devices[device.index()].offline = true;
            hands.tell(*device, Command::Offline);
        }
    }

    fn come_online(&mut self, devices: &[DeviceIndex], hands: &mut dyn Hands) {
        let vanished: Vec<DeviceIndex> =
            devices.iter().copied().filter(|device| self.devices[device.index()].vanished).collect();
        for device in devices {
            self.changed(*device, DeviceChange::Online);
            self.devices[device.index()].vanished = false;
            self.devices[device.index()].offline = false;
        }
        if !vanished.is_empty() {
            hands.mend(&vanished);
            self.be_restless();
        }
        for device in devices {
            hands.tell(*device, Command::Online);
        }
    }

    fn heal(&mut self, devices: &[DeviceIndex], hands: &mut dyn Hands) {
        if devices.is_empty() {
            return;
        }
        for device in devices {
            self.changed(*device, DeviceChange::Healed);
            self.devices[device.index()].partitioned = false;
        }
        hands.mend(devices);
        self.be_restless();
    }

    fn release(&mut self, devices: &[DeviceIndex], hands: &mut dyn Hands) {
        if devices.is_empty() {
            return;
        }
        for device in devices {
            self.changed(*device, DeviceChange::Released);
            self.devices[device.index()].held = false;
        }
        hands.release(devices);
        self.be_restless();
    }
}

/// Refuses a plan.
pub(super) fn unsupported(place: Place, reason: impl Into<String>) -> WorldError {
    WorldError::Unsupported { place, reason: reason.into() }
}

/// What no world over the IO driver can do.
///
/// # Errors
/// The first thing that the plan asks for and that can't be done.
pub(super) fn refuse(plan: &Plan) -> Result<(), WorldError> {
    let nowhere = Place::default();
    if plan.devices.iter().any(|device| device.kind == DeviceKind::Raw) {
        return Err(unsupported(nowhere, "raw devices have no library for the driver to run"));
    }
    if plan.service.sync != Duration::ZERO {
        return Err(unsupported(nowhere, "the disk of this world can't be slow (`sync`)"));
    }
    let links = plan.network.links.iter().map(|(_, link)| link);
    for link in links.chain([&plan.network.link]) {
        if link.loss > 0.0 || link.breakage > 0.0 {
            return Err(unsupported(nowhere, "the network of this world loses and breaks nothing by itself"));
        }
        if link.attack != crate::plan::Attack::default() {
            return Err(unsupported(nowhere, "single messages can't be attacked: a stream stands between"));
        }
    }
    for step in &plan.steps {
        match &step.action {
            Action::ClockJump { .. } | Action::ClockDrift { .. } => {
                return Err(unsupported(step.place, "all devices share the clock of this world"));
            }
            Action::Send { .. } => return Err(unsupported(step.place, "there are no raw devices here")),
            _ => {}
        }
    }
    Ok(())
}
