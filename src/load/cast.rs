//! One copy of a scenario's people, who play one call after the other.
//!
//! Between two calls a cast gets ready: everybody is logged in, and the rooms of the next call are made. So when a call
//! arrives, its first step is the first thing that happens. A call is over when every step has been answered and every event
//! has come that its author awaits; then its rooms are dissolved.

mod end;
mod seen;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::arrivals::Arrival;
use super::episode::Episode;
use super::floor::{Floor, StepDue};
use super::names::Names;
use super::tally::Stamp;
use crate::plan::{Action, DeviceIndex};
use crate::protocol::call::{Call, CallNo, DeviceIdentity};
use crate::protocol::device::DeviceInput;
use crate::protocol::message::ConnectionNo;
use crate::protocol::vocabulary::{Cursor, EventName, OperationName, RoomId, SessionToken};
use crate::time::{Duration, Instant};
use crate::trace::outside::Loss;
use crate::trace::{DeviceChange, Occurrence, Stage};
use crate::world::driver::device::Command;
use crate::world::steps::{Triggers, with_cursor};

/// Someone's device.
pub(super) struct Member {
    commands: mpsc::Sender<Command>,
    identity: DeviceIdentity,
    calls: u32,
    open: BTreeMap<CallNo, OpenCall>,
    logged_in: bool,
    session: Option<SessionToken>,
    /// The number of the last event of the session.
    last: u64,
    connection: Option<ConnectionNo>,
    room: Option<RoomId>,
    cursor: Cursor,
    offline: bool,
}

#[derive(Clone, Copy)]
struct OpenCall {
    operation: OperationName,
    stamp: Stamp,
    why: Why,
}

/// Why a call is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Setup,
    Step(usize),
    /// The end of a call: lists, dissolution, logout.
    End,
}

/// How far a call has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// This phase of the setup.
    Setup(usize),
    Ready,
    Body,
    Lists,
    Dissolving,
    LoggingOut,
    /// Nobody plays any more.
    Gone,
}

/// See the module.
pub(super) struct Cast {
    number: u32,
    /// Counts everything that it plays, over all its people.
    call: u64,
    pub(super) names: Names,
    members: Vec<Member>,
    part: Part,
    triggers: Triggers,
    begun: usize,
    open: usize,
    awaited: BTreeMap<(DeviceIndex, EventName), u32>,
    arrival: Option<Arrival>,
    /// When it was begun.
    begun_at: Instant,
    /// The latest call of each operation, which events are measured from; of inviteUsers also its timeout.
    latest: BTreeMap<OperationName, (Stamp, Duration)>,
    episode: Episode,
    /// The calls before, whose events may still come in.
    past: VecDeque<Episode>,
    connections: u32,
    /// When something last happened.
    active: Instant,
    /// Whether these people can't go on.
    worn_out: bool,
}

impl Cast {
    pub(super) fn new(floor: &Floor, number: u32) -> Self {
        let names = Names::new(&floor.tag, number);
        let now = floor.now();
        Self {
            number,
            call: 0,
            episode: Episode::new(names.clone(), floor.work.plan.devices.len(), now),
            names,
            members: Vec::new(),
            part: Part::Gone,
            triggers: Triggers::new(&floor.work.plan),
            begun: 0,
            open: 0,
            awaited: BTreeMap::new(),
            arrival: None,
            begun_at: now,
            latest: BTreeMap::new(),
            past: VecDeque::new(),
            connections: 0,
            active: now,
            worn_out: false,
        }
    }

    // ---- getting ready -------------------------------------------------------------------------------------------

    /// Its devices, where each hears commands.
    pub(super) fn people(&mut self, devices: Vec<(DeviceIdentity, mpsc::Sender<Command>)>) {
        self.worn_out = false;
        self.members = devices
            .into_iter()
            .map(|(identity, commands)| Member {
                commands,
                identity,
                calls: 0,
                open: BTreeMap::new(),
                logged_in: false,
                session: None,
                last: 0,
                connection: None,
                room: None,
                cursor: Cursor::from(""),
                offline: false,
            })
            .collect();
    }

    /// Whether these people, by the name of some call of theirs, are those who play now.
    pub(super) fn plays(&self, people: &Names) -> bool {
        self.has_people() && self.names.same_people(people)
    }

    pub(super) fn has_people(&self) -> bool {
        !self.members.is_empty()
    }

    /// Other people will play.
    pub(super) fn dismiss(&mut self, floor: &Floor) {
        // Whoever goes hangs up: what is said to them after that is lost.
        for (index, member) in self.members.iter_mut().enumerate() {
            if let (Some(connection), Some(last)) = (member.connection.take(), self.past.back_mut()) {
                last.lost(floor.now(), device(index), connection, Loss::Broken);
            }
        }
        self.members.clear();
        self.names.replace_people();
    }

    pub(super) fn prepare(&mut self, floor: &mut Floor) {
        let now = floor.now();
        self.call += 1;
        self.names.next_call();
        let next = Episode::new(self.names.clone(), self.members.len(), now);
        let between = std::mem::replace(&mut self.episode, next);
        // What went wrong between two calls has no call of its own to stand in.
        if !between.misdirected.is_empty() {
            floor.oracle.submit(between);
        }
        self.triggers = Triggers::new(&floor.work.plan);
        self.begun = 0;
        self.open = 0;
        self.awaited = floor.work.awaited.clone();
        self.arrival = None;
        self.latest.clear();
        self.active = now;
        self.episode.record(now, Occurrence::Stage(Stage::Setup));
        for (index, member) in self.members.iter_mut().enumerate() {
            member.cursor = Cursor::from("");
            member.room = None;
            let (Some(session), Some(connection)) = (&member.session, member.connection) else { continue };
            if member.logged_in {
                member.calls += 1;
                let (call, identity) = (CallNo(member.calls), member.identity.clone());
                self.episode.begin_with(now, device(index), connection, call, identity, session.clone());
            }
        }
        self.set_up(floor, 0);
    }

    fn set_up(&mut self, floor: &mut Floor, phase: usize) {
        let work = floor.work.clone();
        for phase in phase..work.setup.len() {
            self.part = Part::Setup(phase);
            for (device, call) in &work.setup[phase] {
                let known = matches!(**call, Call::Login { .. }) && self.members[device.index()].logged_in;
                if !known {
                    let now = floor.now();
                    self.issue(floor, *device, call, Why::Setup, now);
                }
            }
            if self.open > 0 {
                return;
            }
        }
        self.part = Part::Ready;
        floor.is_ready(self.number);
    }

    // ---- the call ------------------------------------------------------------------------------------------------

    /// The call arrives: its first steps are taken, and their times count from the plan.
    pub(super) fn begin(&mut self, floor: &mut Floor, arrival: Arrival) {
        floor.busy += 1;
        self.part = Part::Body;
        self.arrival = Some(arrival);
        let now = floor.now();
        self.active = now;
        self.begun_at = now;
        self.episode.record(now, Occurrence::Stage(Stage::Body));
        self.triggers.begin();
        while let Some((at, step)) = self.triggers.next_absolute() {
            self.triggers.take_absolute();
            self.schedule(floor, arrival.at, vec![(step, at.since(Instant::START))]);
        }
    }

    fn schedule(&mut self, floor: &mut Floor, from: Instant, steps: Vec<(usize, Duration)>) {
        for (step, delay) in steps {
            if delay == Duration::ZERO {
                self.take_step(floor, step, from);
            } else {
                let due = StepDue { cast: self.number, call: self.call, step };
                floor.set_alarm(from + delay, due);
            }
        }
    }

    /// The time of a step has come.
    pub(super) fn step_is_due(&mut self, floor: &mut Floor, due: StepDue, planned: Instant) {
        if self.call == due.call && self.part == Part::Body {
            self.take_step(floor, due.step, planned);
            self.look_for_the_end(floor);
        }
    }

    fn take_step(&mut self, floor: &mut Floor, step: usize, planned: Instant) {
        let now = floor.now();
        self.active = now;
        self.begun += 1;
        self.episode.record(now, Occurrence::StepBegan { step });
        let work = floor.work.clone();
        match &work.plan.steps[step].action {
            Action::Call { devices, call, cursor_of, .. } => {
                let cursor = cursor_of.map(|reader| self.members[reader.index()].cursor.clone());
                let call = with_cursor(call, cursor);
                for device in devices {
                    self.issue(floor, *device, &call, Why::Step(step), planned);
                }
            }
            Action::On { devices, event, handler } => {
                for device in devices {
                    let (handler, removes) = (handler.name.clone(), handler.removes.clone());
                    self.tell(*device, Command::Input(DeviceInput::On { event: *event, handler, removes }));
                }
            }
            Action::Off { devices, event, handler } => {
                for device in devices {
                    let input = DeviceInput::Off { event: *event, handler: handler.clone() };
                    self.tell(*device, Command::Input(input));
                }
            }
            Action::Disconnect { devices } => {
                self.change(now, devices, DeviceChange::Disconnected, || Command::Disconnect);
            }
            Action::Offline { devices, .. } => {
                self.change(now, devices, DeviceChange::Offline, || Command::Offline);
            }
            Action::Online { devices } => self.change(now, devices, DeviceChange::Online, || Command::Online),
            _ => unreachable!("what load can't enact is refused when the work is loaded"),
        }
        let followers = self.triggers.on_begun(step);
        self.schedule(floor, planned, followers);
    }

    fn change(&mut self, now: Instant, devices: &[DeviceIndex], change: DeviceChange, command: fn() -> Command) {
        for device in devices {
            self.episode.record(now, Occurrence::DeviceChanged { device: *device, change });
            self.members[device.index()].offline = change == DeviceChange::Offline;
            self.tell(*device, command());
        }
    }

    fn issue(&mut self, floor: &mut Floor, device: DeviceIndex, call: &Call, why: Why, planned: Instant) {
        let sent = floor.now();
        let content = Arc::new(self.names.call(call));
        let member = &mut self.members[device.index()];
        member.calls += 1;
        let number = CallNo(member.calls);
        let (operation, stamp) = (content.operation(), Stamp { planned, sent });
        member.open.insert(number, OpenCall { operation, stamp, why });
        self.open += 1;
        let timeout = match &*content {
            Call::InviteUsers { timeout, .. } if timeout.is_finite() && *timeout > 0.0 => {
                Duration::from_nanos((timeout * 1e9) as u64)
            }
            _ => Duration::ZERO,
        };
        self.latest.insert(operation, (stamp, timeout));
        let step = match why {
            Why::Step(step) => Some(step),
            _ => None,
        };
        if step.is_some() {
            self.triggers.called(device, number, operation);
        }
        self.episode.record(sent, Occurrence::Called { device, call: number, content: content.clone(), step });
        let content = match (&floor.user_sigs, &*content) {
            (Some(of), Call::Login { .. }) => {
                Arc::new(Call::Login { user_sig: of(&self.members[device.index()].identity.user_id).into() })
            }
            _ => content,
        };
        self.tell(device, Command::Input(DeviceInput::Call { call: number, content }));
    }

    fn tell(&mut self, device: DeviceIndex, command: Command) {
        if self.members[device.index()].commands.try_send(command).is_err() {
            self.worn_out = true;
        }
    }
}

fn device(index: usize) -> DeviceIndex {
    DeviceIndex(u32::try_from(index).expect("a plan has fewer than 2^32 devices"))
}
