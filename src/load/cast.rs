//! One copy of a scenario's people, who play one call after the other.
//!
//! Between two calls a cast gets ready: everybody is logged in, and the rooms of the next call are made. So when a call
//! arrives, its first step is the first thing that happens. A call is over when every step has been answered and every event
//! has come that its author awaits; then its rooms are dissolved.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::arrivals::Arrival;
use super::episode::Episode;
use super::floor::{Floor, Next, StepDue};
use super::names::Names;
use super::tally::{Stamp, causes};
use crate::plan::{Action, DeviceIndex, ExpectedOutcome};
use crate::protocol::call::{Call, CallNo, DeviceIdentity, Reply};
use crate::protocol::device::DeviceInput;
use crate::protocol::event::StampedEvent;
use crate::protocol::message::{ClientMessage, ConnectionNo, ServerMessage};
use crate::protocol::vocabulary::{
    ApiError, Cursor, ErrorCode, EventName, InvitationStatus, OperationName, RoomId, SessionToken,
};
use crate::time::{Duration, Instant};
use crate::trace::outside::Loss;
use crate::trace::{DeviceChange, Occurrence, Stage};
use crate::world::driver::device::Command;
use crate::world::steps::{Triggers, with_cursor};

/// How long nothing may happen in a call before it counts as stuck, beyond what it waits for by itself.
const PATIENCE: Duration = Duration::from_secs(5);

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
        self.tell(device, Command::Input(DeviceInput::Call { call: number, content }));
    }

    fn tell(&mut self, device: DeviceIndex, command: Command) {
        if self.members[device.index()].commands.try_send(command).is_err() {
            self.worn_out = true;
        }
    }

    // ---- what comes back -----------------------------------------------------------------------------------------

    pub(super) fn returned(
        &mut self,
        floor: &mut Floor,
        device: DeviceIndex,
        call: CallNo,
        result: Result<Reply, ApiError>,
    ) {
        let now = floor.now();
        self.active = now;
        self.episode.record(now, Occurrence::Returned { device, call, result: result.clone() });
        let member = &mut self.members[device.index()];
        let Some(open) = member.open.remove(&call) else { return };
        self.open = self.open.saturating_sub(1);
        match (open.operation, &result) {
            (OperationName::Login, Ok(_)) => member.logged_in = true,
            (OperationName::Logout, Ok(_)) => {
                member.logged_in = false;
                member.session = None;
            }
            (OperationName::GetInvitationList, Ok(Reply::List(page))) => member.cursor = page.cursor.clone(),
            _ => {}
        }
        self.count(floor, &open, &result, now);
        match (open.why, &result) {
            (Why::Setup, Err(error)) => {
                let name = floor.work.plan.device(device).name.clone();
                self.fail_to_get_ready(floor, &format!("{name} called {} and got {error}", open.operation));
            }
            (Why::Setup, Ok(_)) => {
                if let Part::Setup(phase) = self.part
                    && self.open == 0
                {
                    self.set_up(floor, phase + 1);
                }
            }
            (Why::Step(_), _) => {
                if let Some(operation) = self.triggers.returned(device, call) {
                    let set_off = self.triggers.on_returned(operation, device);
                    self.schedule(floor, now, set_off);
                }
                self.look_for_the_end(floor);
            }
            (Why::End, Ok(Reply::List(page))) if !page.cursor.as_str().is_empty() => self.list(floor, device),
            (Why::End, result) => {
                let gone = |error: &ApiError| error.code == ErrorCode::ROOM_ID_NOT_EXIST;
                self.worn_out |= self.part == Part::Dissolving && result.as_ref().is_err_and(|error| !gone(error));
                self.go_on(floor);
            }
        }
    }

    fn count(&self, floor: &mut Floor, open: &OpenCall, result: &Result<Reply, ApiError>, now: Instant) {
        let measured = match open.why {
            Why::Step(_) => self.is_measured(),
            Why::Setup | Why::End => floor.tally.measures(open.stamp.sent),
        };
        if !measured {
            return;
        }
        floor.tally.operation(open.operation, open.stamp, now);
        let Err(error) = result else { return };
        let named = |step: usize| match &floor.work.plan.steps[step].action {
            Action::Call { expected, .. } => {
                expected.iter().any(|expected| expected.outcome == ExpectedOutcome::Fails(error.code))
            }
            _ => false,
        };
        let lawful = match open.why {
            Why::Step(step) => named(step),
            // The room may have been dissolved in a step.
            Why::End => error.code == ErrorCode::ROOM_ID_NOT_EXIST,
            Why::Setup => false,
        };
        if !lawful {
            floor.tally.error(open.operation, error.code, now);
        }
    }

    fn is_measured(&self) -> bool {
        self.arrival.is_some_and(|arrival| arrival.measured)
    }

    /// Whether an event of this room is not of the call at play. A call that is over keeps its names until the next begins.
    fn is_elsewhere(&self, room: &RoomId) -> bool {
        matches!(self.part, Part::Gone) || !self.names.owns(room)
    }

    pub(super) fn heard(&mut self, floor: &mut Floor, device: DeviceIndex, event: &Arc<StampedEvent>) {
        let now = floor.now();
        let name = event.event.name();
        let room = event.event.room_id();
        if name == EventName::KickedOffLine {
            self.members[device.index()].logged_in = false;
            self.members[device.index()].session = None;
        }
        let what = Occurrence::Heard { device, event: event.clone() };
        if let Some(room) = room.filter(|room| self.is_elsewhere(room)) {
            match self.past.iter_mut().rev().find(|past| past.names.owns(room)) {
                Some(past) => return past.record(now, what),
                None if self.names.owns(room) => {}
                None => {
                    // Nobody of this cast has ever had to do with that room.
                    let who = &floor.work.plan.device(device).name;
                    let words = format!("{who} heard {name} of {room}, with which nobody here has to do");
                    self.episode.record(now, what);
                    return self.episode.misdirected.push(words);
                }
            }
        }
        self.active = now;
        self.episode.record(now, what);
        if self.is_measured() || (self.arrival.is_none() && floor.tally.measures(now)) {
            floor.tally.event(name, self.stamp_of(event), now);
        }
        if self.part != Part::Body {
            return;
        }
        if let Some(left) = self.awaited.get_mut(&(device, name)) {
            *left -= 1;
            if *left == 0 {
                self.awaited.remove(&(device, name));
            }
        }
        let room = room.and_then(|room| self.names.scenario_room(room));
        let set_off = self.triggers.on_heard_of(name, room.as_ref(), device);
        self.schedule(floor, now, set_off);
        self.look_for_the_end(floor);
    }

    /// From when an event is measured: from the latest call that can have led to it, or from the deadline of a ring.
    fn stamp_of(&self, event: &StampedEvent) -> Option<Stamp> {
        let name = event.event.name();
        let timed_out = name == EventName::InvitationTimeout
            || (name == EventName::InvitationStatusChanged
                && event.event.invitation().is_some_and(|it| it.status == InvitationStatus::Timeout));
        if timed_out {
            let (stamp, timeout) = self.latest.get(&OperationName::InviteUsers)?;
            return Some(stamp.later(*timeout));
        }
        causes(name).iter().filter_map(|cause| self.latest.get(cause)).map(|(stamp, _)| *stamp).max_by_key(|s| s.sent)
    }

    pub(super) fn handled(&mut self, floor: &Floor, device: DeviceIndex, handler: Arc<str>, event: Arc<StampedEvent>) {
        self.episode.record(floor.now(), Occurrence::Handled { device, handler, event });
    }

    // ---- the end -------------------------------------------------------------------------------------------------

    fn look_for_the_end(&mut self, floor: &mut Floor) {
        if self.part == Part::Body
            && self.open == 0
            && self.begun == floor.work.plan.steps.len()
            && self.awaited.is_empty()
        {
            self.end(floor, true);
        }
    }

    /// The body is over, in its own way or because nothing happens any more.
    fn end(&mut self, floor: &mut Floor, complete: bool) {
        let now = floor.now();
        if let Some(arrival) = self.arrival.filter(|arrival| arrival.measured) {
            if complete {
                floor.tally.completed(Stamp { planned: arrival.at, sent: self.begun_at }, now);
            } else {
                floor.tally.counts.stuck += 1;
            }
        }
        floor.busy -= 1;
        self.triggers.end();
        self.worn_out |= !complete;
        self.episode.record(now, Occurrence::Stage(Stage::Epilogue));
        self.part = Part::Lists;
        if floor.work.lists {
            self.episode.record(now, Occurrence::Stage(Stage::FinalLists));
            let members: Vec<DeviceIndex> = (0..self.members.len()).map(device).collect();
            for device in members {
                self.list(floor, device);
            }
        }
        self.go_on(floor);
    }

    fn list(&mut self, floor: &mut Floor, device: DeviceIndex) {
        let member = &self.members[device.index()];
        let (Some(room_id), cursor) = (member.room.clone(), member.cursor.clone()) else { return };
        let call = Call::GetInvitationList { room_id, cursor, count: 0.0 };
        let now = floor.now();
        self.issue(floor, device, &call, Why::End, now);
    }

    /// The next part of the end, when the last is over.
    fn go_on(&mut self, floor: &mut Floor) {
        while self.open == 0 {
            let now = floor.now();
            match self.part {
                Part::Lists => {
                    self.part = Part::Dissolving;
                    let work = floor.work.clone();
                    for (device, room_id) in &work.rooms {
                        let call = Call::DestroyRoom { room_id: room_id.clone() };
                        if self.members[device.index()].logged_in {
                            self.issue(floor, *device, &call, Why::End, now);
                        }
                    }
                }
                Part::Dissolving => {
                    self.part = Part::LoggingOut;
                    for index in 0..self.members.len() {
                        let leaves = floor.churns || !floor.work.online[index];
                        if leaves && self.members[index].logged_in {
                            self.issue(floor, device(index), &Call::Logout {}, Why::End, now);
                        }
                    }
                }
                Part::LoggingOut => return self.finish(floor),
                _ => return,
            }
        }
    }

    fn finish(&mut self, floor: &mut Floor) {
        let now = floor.now();
        self.part = Part::Gone;
        self.worn_out |= self.members.iter().any(|member| member.offline);
        let next = Episode::new(self.names.clone(), self.members.len(), now);
        let mut done = std::mem::replace(&mut self.episode, next);
        done.ended = now;
        self.past.push_back(done);
        if floor.over {
            return;
        }
        floor.getting_ready += 1;
        floor.work_for.push_back(match self.worn_out {
            true => Next::Replace(self.number),
            false => Next::Prepare(self.number),
        });
    }

    fn fail_to_get_ready(&mut self, floor: &mut Floor, words: &str) {
        if !matches!(self.part, Part::Setup(_)) {
            return;
        }
        floor.failures += 1;
        floor.failure = Some(words.to_owned());
        self.part = Part::Gone;
        if !floor.over {
            floor.work_for.push_back(Next::Replace(self.number));
        }
    }

    /// Looks after calls that hang, and hands over traces that no late event can change any more. With `all`, every trace.
    pub(super) fn sweep(&mut self, floor: &mut Floor, all: bool) {
        let now = floor.now();
        let patience = PATIENCE + floor.work.longest_wait;
        if now.since(self.active) > patience {
            match self.part {
                Part::Body => self.end(floor, false),
                Part::Lists | Part::Dissolving | Part::LoggingOut => {
                    self.worn_out = true;
                    self.open = 0;
                    self.go_on(floor);
                }
                Part::Setup(_) if !self.members.iter().any(|member| member.connection.is_some()) => {}
                Part::Setup(_) => self.fail_to_get_ready(floor, "nothing came back in time"),
                Part::Ready | Part::Gone => {}
            }
        }
        while self.past.front().is_some_and(|past| all || now.since(past.ended) >= floor.lag) {
            if let Some(mut past) = self.past.pop_front() {
                // A trace says until when it was watched: what was due by then and did not come is missing.
                past.record(now, Occurrence::Stage(Stage::FinalLists));
                floor.oracle.submit(past);
            }
        }
        // What went wrong in a cast that is not at play has no call of its own to stand in.
        if all && !self.episode.misdirected.is_empty() {
            let next = Episode::new(self.names.clone(), self.members.len(), now);
            floor.oracle.submit(std::mem::replace(&mut self.episode, next));
        }
    }

    /// Whether no call is under way, and every trace has been handed over.
    pub(super) fn is_settled(&self) -> bool {
        self.past.is_empty() && matches!(self.part, Part::Setup(_) | Part::Ready | Part::Gone)
    }

    // ---- the wire ------------------------------------------------------------------------------------------------

    pub(super) fn connected(&mut self, floor: &Floor, device: DeviceIndex) {
        self.connections += 1;
        let connection = ConnectionNo(self.connections);
        self.members[device.index()].connection = Some(connection);
        self.episode.record(floor.now(), Occurrence::Connected { device, connection });
    }

    pub(super) fn lost(&mut self, floor: &mut Floor, device: DeviceIndex, deliberate: bool, how: Loss) {
        let Some(connection) = self.members[device.index()].connection.take() else { return };
        let now = floor.now();
        self.episode.lost(now, device, connection, how);
        if !deliberate && floor.tally.measures(now) {
            floor.tally.counts.connections_lost += 1;
        }
    }

    pub(super) fn sent(&mut self, floor: &Floor, device: DeviceIndex, message: &ClientMessage) {
        let member = &self.members[device.index()];
        let Some(connection) = member.connection else { return };
        self.episode.sent(floor.now(), device, connection, message, member.last);
    }

    pub(super) fn received(&mut self, floor: &Floor, device: DeviceIndex, message: &ServerMessage) {
        let now = floor.now();
        let member = &mut self.members[device.index()];
        let Some(connection) = member.connection else { return };
        match message {
            ServerMessage::Event { seq, event } => {
                let last = member.last;
                member.last = last.max(*seq);
                let elsewhere = event.event.room_id().filter(|room| self.is_elsewhere(room));
                let past = elsewhere.and_then(|room| self.past.iter_mut().rev().find(|past| past.names.owns(room)));
                past.unwrap_or(&mut self.episode).told(now, device, connection, *seq, last, event);
                return;
            }
            ServerMessage::LoggedIn { session, resumed } => {
                member.session = Some(session.clone());
                if !resumed {
                    member.last = 0;
                    self.episode.session_began(device);
                }
            }
            ServerMessage::Refused { .. } | ServerMessage::Response(_) => {}
        }
        self.episode.record(now, Occurrence::DeviceReceived { device, connection, message: message.clone() });
    }

    /// The room that the library takes itself to be in, in the scenario's name.
    pub(super) fn is_in(&mut self, device: DeviceIndex, room: Option<&RoomId>) {
        self.members[device.index()].room = room.and_then(|room| self.names.scenario_room(room));
    }
}

fn device(index: usize) -> DeviceIndex {
    DeviceIndex(u32::try_from(index).expect("a plan has fewer than 2^32 devices"))
}
