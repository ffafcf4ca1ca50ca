//! An SDK with its own server, network and clock, behind an adapter (contract `system`): real time, and nothing but the API.
//!
//! The plan is carried out as over our own sockets, but a device is a name in a conversation. Nobody can ask such a service
//! what it still waits for: `Outlook` keeps the deadlines that follow from what was called and heard, and the run lasts
//! until they are over. Whatever the adapter does that breaks the conversation ends the run with a [`Fault`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant as RealTime;

use super::super::WorldError;
use super::super::driver::device::Command;
use super::super::driver::{Clock, std_duration};
use super::super::enact::book::{Book, Time};
use super::super::enact::{Enactment, Hands, refuse, unsupported};
use super::outlook::Outlook;
use super::{GRAIN, SETTLE, Scale, overtaken, refuse_here, scaled};
use crate::implementation::system::{
    self, CallOutcome, Capability, Heard, Names, SECTION, Said, SystemHello, arguments, event_of, reply_of,
};
use crate::implementation::{Duplex, Fault, FaultKind};
use crate::plan::{Action, DeviceIndex, Place, Plan};
use crate::protocol::bounds::Bounds;
use crate::protocol::call::{Call, CallNo, Reply};
use crate::protocol::device::DeviceInput;
use crate::protocol::event::{Event, StampedEvent};
use crate::protocol::vocabulary::RoomId;
use crate::time::{Duration, Instant};
use crate::trace::outside::Vantage;
use crate::trace::{Occurrence, Trace};

/// How long a run may take, in real time, unless told.
pub const REAL_TIME_MAX: Duration = Duration::from_secs(120);

/// More moments than this no plan leads to: somebody talks without end.
const MOMENTS_MAX: usize = 200_000;

/// How long the output of a process that has gone may stay open before somebody else must be keeping it so.
const OUTPUT_ENDS: std::time::Duration = std::time::Duration::from_secs(2);

/// How a plan is carried out.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much shorter time is than the plan's.
    pub scale: Scale,
    /// How long the adapter may take for one answer; a call has the time of a request on top of it.
    pub patience: std::time::Duration,
    /// How long a run may take, in real time.
    pub longest: Duration,
    /// Who plays whom.
    pub names: Names,
    /// The bounds that the service has of its own, where it can't be given others.
    pub bounds: Bounds,
}

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// The world could not.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The adapter broke the conversation.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Says `hello` with the bounds of a plan, and reads the answer.
///
/// # Errors
/// When there is no answer in time, or it is none.
pub async fn greet(duplex: &mut Duplex, hello: &Said<'_>, patience: std::time::Duration) -> Result<SystemHello, Fault> {
    let asked = |fault: Fault| fault.asked_for(hello.words());
    duplex.say(hello.line());
    let line = match tokio::time::timeout(patience, duplex.hear()).await {
        Ok(heard) => heard.map_err(asked)?,
        Err(_) => return Err(asked(duplex.with_log(no_answer(patience)))),
    };
    system::hello_answer(&line).map_err(|fault| system::refuse(duplex, asked(fault)))
}

/// The plan as it is played: with its times scaled.
///
/// # Errors
/// [`WorldError::Unsupported`] where an adapter of these capabilities can't play it.
pub fn prepared(plan: &Plan, options: &Options, hello: &SystemHello) -> Result<Arc<Plan>, WorldError> {
    refuse(plan)?;
    refuse_beyond(plan, hello, options)?;
    let plan = scaled(plan, options.scale)?;
    refuse_here(&plan, false, options.longest)?;
    Ok(Arc::new(plan))
}

/// Carries a prepared plan out, in the run that the adapter has been greeted for, and cleans up behind it.
///
/// # Errors
/// When the setup is refused, the machine was too busy, or the adapter broke the conversation.
pub async fn run(plan: &Arc<Plan>, duplex: &mut Duplex, options: &Options) -> Result<Trace, SystemError> {
    let clock = Clock::starting_at(Instant::START);
    let book = Book::new(plan.devices.len(), Time::Runs(clock), Vantage::Applications);
    let mut machine = Machine::new(plan, duplex, &book, options);
    let mut enactment = Enactment::new(plan, &book, SETTLE).patiently(GRAIN);
    let end = clock.when(Instant::START + options.longest);
    loop {
        // What changes a device has happened before anything else does.
        if !machine.is_changing() {
            let over = enactment.advance(&mut machine)?;
            if over {
                break;
            }
        }
        let now = RealTime::now();
        if now > end {
            return Err(WorldError::Unfinished { longest: options.longest }.into());
        }
        let soon = now + std_duration(Duration::from_millis(20));
        let next = enactment.next_step().zip(book.began());
        let next = next.map(|(at, began)| clock.when(began + at.since(Instant::START)));
        let a_little = now + std_duration(Duration::from_millis(2));
        let wake = next.map_or(soon, |next| next.clamp(a_little, soon));
        tokio::select! {
            biased;
            line = machine.duplex.hear() => machine.hear(line)?,
            () = tokio::time::sleep_until(wake) => machine.look_at_the_clock()?,
        }
    }
    machine.clean_up().await?;
    let trace = enactment.trace();
    match overtaken(&trace) {
        None => Ok(trace),
        Some(place) => Err(super::too_busy(1, place).into()),
    }
}

/// Takes leave: of this run alone, if the adapter may be given another.
///
/// # Errors
/// When it does not go as it should.
pub async fn part(mut duplex: Duplex, reusable: bool, patience: std::time::Duration) -> Result<Option<Duplex>, Fault> {
    /// No other message of a run has it.
    const LAST: u64 = 0;
    let said = if reusable { Said::End { id: LAST } } else { Said::Stop { id: LAST } };
    duplex.say(said.line());
    let end = RealTime::now() + patience;
    loop {
        let line = match tokio::time::timeout_at(end, duplex.hear()).await {
            Ok(line) => line.map_err(|fault| fault.asked_for(said.words()))?,
            Err(_) => return Err(duplex.with_log(no_answer(patience)).asked_for(said.words())),
        };
        match system::heard(&line).map_err(|fault| system::refuse(&duplex, fault))? {
            Heard::Done { id: LAST } => break,
            // What was under way when the run ended.
            Heard::Event { .. } => {}
            Heard::Done { .. } | Heard::Returned { .. } => {
                let fault = Fault::new(FaultKind::OutOfTurn, SECTION, UNASKED).with_said(&line);
                return Err(system::refuse(&duplex, fault.asked_for(said.words())));
            }
        }
    }
    if reusable {
        return Ok(Some(duplex));
    }
    duplex.part().await.map(|()| None)
}

const UNASKED: &str = "it answers what nobody asked, or what it has answered before";

fn no_answer(patience: std::time::Duration) -> Fault {
    Fault::new(FaultKind::Hang, SECTION, format!("no answer within {} s", patience.as_secs_f64()))
}

// ---- what can be enacted -------------------------------------------------------------------------------------------

/// What this adapter can't do.
fn refuse_beyond(plan: &Plan, hello: &SystemHello, options: &Options) -> Result<(), WorldError> {
    let lacks = |capability: Capability| format!("the adapter does not declare the capability `{}`", capability.name());
    let nowhere = Place::default();
    let service = &plan.service;
    if !hello.can(Capability::Bounds) && (*service.bounds != options.bounds || !service.rate_limits) {
        let reason =
            format!("the scenario asks for other bounds than the service has, and {}", lacks(Capability::Bounds));
        return Err(unsupported(nowhere, reason));
    }
    if plan.devices.iter().any(|device| device.auto_busy) {
        return Err(unsupported(nowhere, "whether the library answers for a busy user is not part of the API"));
    }
    refuse_long_rooms(plan, &options.names)?;
    for step in &plan.steps {
        let needed = match &step.action {
            Action::Offline { .. } | Action::Online { .. } => Capability::Network,
            Action::Kill { .. } | Action::Restart { .. } => Capability::Kill,
            Action::CrashServer { .. } | Action::RestartServer => {
                return Err(unsupported(step.place, "the server is the adapter's own, and nobody here can end it"));
            }
            Action::Disconnect { .. } => {
                return Err(unsupported(step.place, "nobody here can break a connection while the network is well"));
            }
            Action::On { .. } | Action::Off { .. } => {
                return Err(unsupported(step.place, "an adapter has one handler for each event, and keeps it"));
            }
            _ => continue,
        };
        if !hello.can(needed) {
            return Err(unsupported(step.place, lacks(needed)));
        }
    }
    Ok(())
}

/// A room id that is well formed must be so with its prefix, too.
pub(super) fn refuse_long_rooms(plan: &Plan, names: &Names) -> Result<(), WorldError> {
    let setup = plan.setup.iter().flatten().map(|setup| (&setup.call, setup.place));
    let steps = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Call { call, .. } => Some((call, step.place)),
        _ => None,
    });
    setup.chain(steps).try_for_each(|(call, place)| refuse_long_room(call, place, names))
}

fn refuse_long_room(call: &Call, place: Place, names: &Names) -> Result<(), WorldError> {
    let Some(room) = call.room_id() else { return Ok(()) };
    let there = RoomId::from(names.room(room.as_str()));
    if room.is_well_formed() == there.is_well_formed() {
        return Ok(());
    }
    let reason = format!(
        "`{room}` is no room id of the run: with the prefix of {} bytes {}",
        names.prefix_bytes(),
        if room.is_well_formed() { "it is too long" } else { "it is one" }
    );
    Err(unsupported(place, reason))
}

// ---- the machine ---------------------------------------------------------------------------------------------------

/// What has been asked and not answered.
struct Asked {
    words: String,
    by: RealTime,
    what: What,
}

#[derive(Clone)]
enum What {
    /// The program on a device starts.
    Device,
    /// Its network changes.
    Network,
    /// It dies.
    Kill(DeviceIndex),
    /// A call of the plan.
    Call(DeviceIndex, CallNo, Arc<Call>),
    /// A call that cleans up.
    CleanUp,
    /// A call of a program that has died since: whatever comes of it is told to nobody.
    Buried,
}

/// What is known of the program on a device.
#[derive(Clone, Default)]
struct Program {
    alive: bool,
    logged_in: bool,
    offline: bool,
    open_calls: u32,
    room: Option<RoomId>,
}

/// The adapter, as the hands of the world.
struct Machine<'r> {
    plan: Arc<Plan>,
    duplex: &'r mut Duplex,
    book: Arc<Book>,
    options: &'r Options,
    by_name: BTreeMap<&'r str, DeviceIndex>,
    asked: BTreeMap<u64, Asked>,
    last: u64,
    programs: Vec<Program>,
    outlook: Outlook,
    /// The rooms that were made, by whom, while they may exist.
    rooms: BTreeMap<RoomId, DeviceIndex>,
    moments: usize,
    gone_since: Option<RealTime>,
}

impl<'r> Machine<'r> {
    fn new(plan: &'r Arc<Plan>, duplex: &'r mut Duplex, book: &Arc<Book>, options: &'r Options) -> Self {
        let by_name = plan.device_indices().map(|device| (&*plan.device(device).name, device)).collect();
        Self {
            plan: plan.clone(),
            duplex,
            book: book.clone(),
            options,
            by_name,
            asked: BTreeMap::new(),
            last: 0,
            programs: vec![Program::default(); plan.devices.len()],
            outlook: Outlook::new(&plan.service.bounds),
            rooms: BTreeMap::new(),
            moments: 0,
            gone_since: None,
        }
    }

    /// Whether something is under way that changes a device.
    fn is_changing(&self) -> bool {
        self.asked.values().any(|asked| matches!(asked.what, What::Device | What::Network | What::Kill(_)))
    }

    fn ask(&mut self, what: What, say: impl FnOnce(u64) -> (String, String)) {
        self.last += 1;
        let (line, words) = say(self.last);
        let call = matches!(what, What::Call(..) | What::CleanUp);
        let request = if call { std_duration(self.plan.service.bounds.request_timeout) } else { Default::default() };
        let by = RealTime::now() + self.options.patience + request;
        self.asked.insert(self.last, Asked { words, by, what });
        self.duplex.say(line);
    }

    fn call_there(&mut self, device: DeviceIndex, call: &Call, what: What) {
        let mut args = arguments(call);
        self.options.names.outward(&mut args);
        let identity = &self.plan.device(device).identity;
        if let (Call::Login { user_sig }, Some(args)) = (call, args.as_object_mut())
            && user_sig.is_empty()
            && let Some(sig) = self.options.names.person(identity.user_id.as_str()).and_then(|one| one.user_sig.clone())
        {
            args.insert("userSig".to_owned(), sig.into());
        }
        let (name, operation) = (self.plan.device(device).name.clone(), call.operation().name());
        self.ask(what, |id| {
            let said = Said::Call { id, device: &name, operation, args: &args };
            (said.line(), said.words())
        });
    }

    fn record(&mut self, what: Occurrence) {
        self.moments += 1;
        self.book.record(what);
    }

    /// Tells the book what is known of a device, and until when the service may do something by itself.
    fn note(&self, device: DeviceIndex) {
        let program = &self.programs[device.index()];
        self.book.program_is(device, program.open_calls > 0, program.room.clone());
        self.book.server_may_wait_until(self.outlook.until());
    }

    fn refused(&self, fault: Fault) -> Fault {
        system::refuse(self.duplex, fault)
    }

    // ---- what it says --------------------------------------------------------------------------------------------

    fn hear(&mut self, line: Result<String, Fault>) -> Result<(), Fault> {
        let line = line.map_err(|fault| self.with_oldest(fault))?;
        match system::heard(&line).map_err(|fault| self.refused(fault))? {
            Heard::Done { id } => match self.asked.remove(&id).map(|asked| asked.what) {
                Some(What::Device | What::Network | What::Kill(_)) => {}
                Some(_) => return Err(self.out_of_turn("`done` in answer to a call, which wants `returned`", &line)),
                None => return Err(self.out_of_turn(UNASKED, &line)),
            },
            Heard::Returned { id, outcome } => match self.asked.remove(&id) {
                Some(Asked { what: What::Call(device, call, content), words, .. }) => {
                    self.returned(device, call, &content, outcome)
                        .map_err(|fault| self.refused(fault.asked_for(words)))?;
                }
                Some(Asked { what: What::CleanUp | What::Buried, .. }) => {}
                Some(_) => return Err(self.out_of_turn("`returned` where nothing was called: say `done`", &line)),
                None => return Err(self.out_of_turn(UNASKED, &line)),
            },
            Heard::Event { device, event, mut payload } => {
                let Some(index) = self.by_name.get(device.as_str()).copied() else {
                    return Err(self.out_of_turn(&format!("there is no device `{device}`"), &line));
                };
                self.options.names.inward(&mut payload, false);
                let event = event_of(&event, &payload).map_err(|fault| self.refused(fault))?;
                if self.programs[index.index()].alive {
                    self.heard(index, event);
                } else if !self.is_dying(index) {
                    return Err(self.out_of_turn("the program on the device does not run", &line));
                }
            }
        }
        if self.moments > MOMENTS_MAX {
            return Err(self.out_of_turn(&format!("it has said more than {MOMENTS_MAX} things, and goes on"), &line));
        }
        Ok(())
    }

    fn out_of_turn(&self, reason: &str, line: &str) -> Fault {
        self.refused(Fault::new(FaultKind::OutOfTurn, SECTION, reason).with_said(line))
    }

    fn is_dying(&self, device: DeviceIndex) -> bool {
        self.asked.values().any(|asked| matches!(asked.what, What::Kill(dying) if dying == device))
    }

    /// The same fault, with what has waited longest for an answer.
    fn with_oldest(&self, fault: Fault) -> Fault {
        match self.asked.values().next() {
            Some(asked) => fault.asked_for(asked.words.clone()),
            None => fault,
        }
    }

    /// Whether it has kept somebody waiting for too long, or has gone without a word.
    fn look_at_the_clock(&mut self) -> Result<(), Fault> {
        // That its output has ended, too, is told by another thread, and soon.
        let gone = self.duplex.has_gone();
        self.gone_since = gone.as_ref().map(|_| self.gone_since.unwrap_or_else(RealTime::now));
        if let (Some(how), Some(since)) = (gone, self.gone_since) {
            if since.elapsed() < OUTPUT_ENDS {
                return Ok(());
            }
            let reason = format!("{how}, while a process that it had started keeps its output open");
            return Err(self.with_oldest(self.duplex.with_log(Fault::new(FaultKind::Crash, SECTION, reason))));
        }
        let now = RealTime::now();
        let Some(late) = self.asked.values().find(|asked| asked.by < now) else { return Ok(()) };
        let patience = self.options.patience.as_secs_f64();
        let reason = match late.what {
            What::Call(..) | What::CleanUp | What::Buried => format!(
                "a call has come to nothing within {patience} s and the request timeout of {}: where the SDK never says \
                 what came of it, say `unknown`",
                self.plan.service.bounds.request_timeout
            ),
            _ => format!("no answer within {patience} s"),
        };
        let fault = Fault::new(FaultKind::Hang, SECTION, reason).asked_for(late.words.clone());
        Err(self.duplex.with_log(fault))
    }

    fn returned(
        &mut self,
        device: DeviceIndex,
        call: CallNo,
        content: &Call,
        outcome: CallOutcome,
    ) -> Result<(), Fault> {
        let result = match (outcome.error(), outcome) {
            (Some(error), _) => Err(error),
            (None, CallOutcome::Result(mut value)) => {
                self.options.names.inward(&mut value, matches!(content, Call::InviteUsers { .. }));
                Ok(reply_of(content, &value)?)
            }
            (None, _) => unreachable!("what is no error is a result"),
        };
        self.outlook.returned(content, &result, self.book.world_now());
        let program = &mut self.programs[device.index()];
        program.open_calls -= 1;
        if let Ok(reply) = &result {
            match (content, reply) {
                (Call::EnterRoom { room_id, .. }, _) => program.room = Some(room_id.clone()),
                (Call::ExitRoom { .. }, _) => program.room = None,
                (Call::DestroyRoom { room_id }, _) => {
                    program.room = None;
                    self.rooms.remove(room_id);
                }
                (Call::CreateRoom { room_id, .. }, _) => {
                    self.rooms.insert(room_id.clone(), device);
                }
                (Call::Login { .. }, Reply::Void) => {
                    program.logged_in = true;
                    self.outlook.back(device);
                }
                (Call::Logout {}, _) => {
                    *program = Program { alive: true, offline: program.offline, ..Program::default() }
                }
                _ => {}
            }
        }
        self.record(Occurrence::Returned { device, call, result });
        self.note(device);
        Ok(())
    }

    fn heard(&mut self, device: DeviceIndex, event: Event) {
        self.outlook.heard(device, &self.plan.device(device).identity.user_id, &event);
        let program = &mut self.programs[device.index()];
        match &event {
            Event::KickedOutOfRoom { room_id, .. } | Event::RoomDismissed { room_id, .. }
                if program.room.as_ref() == Some(room_id) =>
            {
                program.room = None;
            }
            Event::KickedOffLine { .. } => (program.room, program.logged_in) = (None, false),
            _ => {}
        }
        if let Event::RoomDismissed { room_id, .. } = &event {
            self.rooms.remove(room_id);
        }
        self.record(Occurrence::Heard { device, event: Arc::new(StampedEvent { stamp: None, event }) });
        self.note(device);
    }

    // ---- the end -------------------------------------------------------------------------------------------------

    /// Leaves nothing behind on a service that others use, too: rooms are dissolved by who made them, and everybody logs
    /// out. What is refused then is no matter of the run.
    async fn clean_up(&mut self) -> Result<(), Fault> {
        let can = |program: &Program| program.alive && program.logged_in && !program.offline;
        let mut calls: VecDeque<(DeviceIndex, Call)> = VecDeque::new();
        for (room_id, device) in std::mem::take(&mut self.rooms) {
            if can(&self.programs[device.index()]) {
                calls.push_back((device, Call::DestroyRoom { room_id }));
            }
        }
        let rooms = calls.len();
        calls.extend(
            self.plan.device_indices().filter(|one| can(&self.programs[one.index()])).map(|one| (one, Call::Logout {})),
        );
        let mut done = 0;
        while !self.asked.is_empty() || !calls.is_empty() {
            // Rooms first: who has logged out dissolves none.
            while done < rooms || self.asked.is_empty() {
                let Some((device, call)) = calls.pop_front() else { break };
                self.call_there(device, &call, What::CleanUp);
                done += 1;
            }
            if self.asked.is_empty() {
                continue;
            }
            tokio::select! {
                biased;
                line = self.duplex.hear() => self.hear_the_last(line)?,
                () = tokio::time::sleep(std_duration(Duration::from_millis(20))) => self.look_at_the_clock()?,
            }
        }
        Ok(())
    }

    /// As [`Self::hear`], of what belongs to no run any more.
    fn hear_the_last(&mut self, line: Result<String, Fault>) -> Result<(), Fault> {
        let line = line.map_err(|fault| self.with_oldest(fault))?;
        match system::heard(&line).map_err(|fault| self.refused(fault))? {
            Heard::Event { .. } => {}
            Heard::Done { id } | Heard::Returned { id, .. } if self.asked.remove(&id).is_some() => {}
            Heard::Done { .. } | Heard::Returned { .. } => return Err(self.out_of_turn(UNASKED, &line)),
        }
        Ok(())
    }
}

impl Hands for Machine<'_> {
    fn start(&mut self, device: DeviceIndex, _life: u32) {
        self.programs[device.index()] = Program { alive: true, ..Program::default() };
        self.note(device);
        let plan = self.plan.clone();
        let planned = plan.device(device);
        let identity = &planned.identity;
        let account = self.options.names.account(identity.user_id.as_str()).to_owned();
        self.ask(What::Device, |id| {
            let said = Said::Device {
                id,
                device: &planned.name,
                user_id: &account,
                device_id: identity.device_id.as_str(),
                platform: identity.platform,
            };
            (said.line(), said.words())
        });
    }

    fn kill(&mut self, device: DeviceIndex) {
        for asked in self.asked.values_mut() {
            if matches!(asked.what, What::Call(caller, ..) if caller == device) {
                asked.what = What::Buried;
            }
        }
        // Nobody answers for the dead.
        self.asked.retain(|_, asked| !matches!(asked.what, What::Buried));
        self.outlook.gone(device, self.programs[device.index()].logged_in, self.book.world_now());
        self.programs[device.index()] = Program::default();
        self.note(device);
        let name = self.plan.device(device).name.clone();
        self.ask(What::Kill(device), |id| {
            let said = Said::Kill { id, device: &name };
            (said.line(), said.words())
        });
    }

    fn tell(&mut self, device: DeviceIndex, command: Command) {
        match command {
            Command::Input(DeviceInput::Call { call, content }) => {
                self.programs[device.index()].open_calls += 1;
                self.note(device);
                let what = What::Call(device, call, content.clone());
                self.call_there(device, &content, what);
            }
            Command::Online | Command::Offline => {
                let online = matches!(command, Command::Online);
                let program = &mut self.programs[device.index()];
                program.offline = !online;
                let logged_in = program.logged_in;
                match online {
                    true => self.outlook.back(device),
                    false => self.outlook.gone(device, logged_in, self.book.world_now()),
                }
                self.note(device);
                let name = self.plan.device(device).name.clone();
                self.ask(What::Network, |id| {
                    let said = Said::Network { id, device: &name, online };
                    (said.line(), said.words())
                });
            }
            Command::Disconnect | Command::Input(_) => unreachable!("a plan with such a step is unsupported here"),
        }
    }

    fn start_server(&mut self) {
        self.book.server_started();
    }
}
