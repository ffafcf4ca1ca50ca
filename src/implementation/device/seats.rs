//! The processes of a client library: those that wait for a run, and those that play devices in one.
//!
//! A process that broke a conversation is used for no other.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex};

use super::super::fault::{Fault, FaultKind};
use super::super::process::{Process, ProcessSpec};
use super::super::talk::locked;
use super::super::waiting::{Turn, Waiting};
use super::super::words::{SCHEMA, redacted};
use super::words::{self, CONTRACT, LibraryAnswer, Out, SECTION, Said, Serves};
use crate::protocol::bounds::Bounds;

/// A library that has introduced itself, and its processes that wait for a run.
#[derive(Debug)]
pub struct Crew {
    spec: ProcessSpec,
    answer: LibraryAnswer,
    waiting: Waiting,
}

impl Crew {
    /// Asks a library who it is.
    ///
    /// # Errors
    /// When there is no process, or it does not introduce itself as it should.
    pub fn introduce(spec: ProcessSpec) -> Result<Self, Fault> {
        let waiting = Waiting::default();
        let mut process = waiting.take_or_start(&spec, Turn::First)?;
        let answer = greet(&mut process, 0, &Bounds::default())?;
        let crew = Self { spec, answer, waiting };
        crew.end(process, Turn::First)?;
        Ok(crew)
    }

    /// How it introduced itself.
    #[must_use]
    pub const fn answer(&self) -> &LibraryAnswer {
        &self.answer
    }

    /// The command that starts it.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.spec.command
    }

    /// Says `stop` to every process that is kept.
    ///
    /// # Errors
    /// The first that did not go as it should; the others are ended all the same.
    pub fn close(&self) -> Result<(), Fault> {
        self.waiting.take_all().into_iter().map(part).fold(Ok(()), Result::and)
    }

    fn begin(&self, seed: u64, bounds: &Bounds, turn: Turn) -> Result<Process, Fault> {
        let mut process = self.waiting.take_or_start(&self.spec, turn)?;
        let answer = greet(&mut process, seed, bounds)?;
        if answer.devices != self.answer.devices {
            let reason = "it plays another number of devices than it said before";
            return Err(refuse(&mut process, Fault::new(FaultKind::Offer, SECTION, reason)));
        }
        Ok(process)
    }

    /// Its part in a run is over: it waits for another one if it may, else it is told to stop.
    fn end(&self, process: Process, turn: Turn) -> Result<(), Fault> {
        if self.answer.reusable {
            self.waiting.put(turn, process);
            return Ok(());
        }
        part(process)
    }
}

fn greet(process: &mut Process, seed: u64, bounds: &Bounds) -> Result<LibraryAnswer, Fault> {
    let hello = Said::hello(seed, bounds);
    let asked = |fault: Fault| fault.asked_for(hello.words());
    let line = process.ask(&hello.line()).map_err(asked)?;
    let answer = words::hello_answer(&line).and_then(|answer| accept(answer, &line));
    answer.map_err(|fault| refuse(process, asked(fault)))
}

fn accept(answer: LibraryAnswer, line: &str) -> Result<LibraryAnswer, Fault> {
    let refused = |reason: String| Err(Fault::new(FaultKind::Offer, SECTION, reason).with_said(&redacted(line)));
    if answer.schema != SCHEMA {
        return refused(format!("it speaks schema {}, and this convoke speaks schema {SCHEMA}", answer.schema));
    }
    if answer.contract != CONTRACT {
        return refused(format!("it was asked for contract `{CONTRACT}` and offers `{}`", answer.contract));
    }
    Ok(answer)
}

/// Tells it what was wrong, for its log; nobody waits for an answer.
fn refuse(process: &mut Process, fault: Fault) -> Fault {
    let said = Said::Fault { reason: &fault.reason, read: &fault.read() };
    process.tell(&said.line());
    fault.with_log(process.log())
}

fn part(process: Process) -> Result<(), Fault> {
    let asked = |fault: Fault| fault.asked_for(Said::Stop.words());
    let line = process.part(&Said::Stop.line()).map_err(asked)?;
    let answer = words::out(&line).map_err(asked)?;
    if answer.items.is_empty() {
        return Ok(());
    }
    let reason = "after `stop` nothing is to happen any more: `out` must be empty";
    Err(asked(Fault::new(FaultKind::Malformed, "2.4", reason).with_said(&redacted(&line))))
}

/// The places of one library in one run. Nodes can't fail: once the conversation is broken, all its devices fall silent,
/// and the fault is told when the run is over.
#[derive(Debug)]
pub struct Seats {
    crew: Arc<Crew>,
    seed: u64,
    turn: Turn,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By device; under [`EVERYBODY`] where one process plays all.
    processes: BTreeMap<u32, Process>,
    fault: Option<Fault>,
}

/// No device has this number: they are counted from 1.
const EVERYBODY: u32 = 0;

impl Seats {
    /// The places in a run under this seed.
    #[must_use]
    pub fn new(crew: Arc<Crew>, seed: u64, turn: Turn) -> Self {
        Self { crew, seed, turn, state: Mutex::default() }
    }

    /// The run is over.
    ///
    /// # Errors
    /// The fault that broke the conversation, or that a process did not take its leave as it should.
    pub fn end(&self) -> Result<(), Fault> {
        let mut state = locked(&self.state);
        let processes = std::mem::take(&mut state.processes);
        match state.fault.clone() {
            Some(fault) => Err(fault),
            None => processes.into_values().map(|process| self.crew.end(process, self.turn)).fold(Ok(()), Result::and),
        }
    }

    fn place(&self, device: u32) -> u32 {
        match self.crew.answer.devices {
            Serves::All => EVERYBODY,
            Serves::One => device,
        }
    }

    /// Begins a life of a device's program with these words. What an earlier life knew is lost, as in a crash.
    pub(super) fn begin(&self, device: u32, bounds: &Bounds, start: &Said<'_>) -> Option<Out> {
        let place = self.place(device);
        {
            let mut state = locked(&self.state);
            let state = &mut *state;
            if state.fault.is_some() {
                return None;
            }
            let crashed = match self.crew.answer.devices {
                Serves::All => None,
                Serves::One => state.processes.remove(&place),
            };
            if let Some(process) = crashed.filter(|_| self.crew.answer.reusable) {
                // It forgets with the next hello.
                self.crew.waiting.put(self.turn, process);
            }
            if let Entry::Vacant(vacant) = state.processes.entry(place) {
                match self.crew.begin(self.seed, bounds, self.turn) {
                    Ok(process) => {
                        vacant.insert(process);
                    }
                    Err(fault) => state.fault = Some(fault),
                }
            }
        }
        self.say(device, start)
    }

    /// Says something, and returns what is to happen; nothing once the conversation is broken.
    pub(super) fn say(&self, device: u32, said: &Said<'_>) -> Option<Out> {
        let mut state = locked(&self.state);
        if state.fault.is_some() {
            return None;
        }
        let process = state.processes.get_mut(&self.place(device))?;
        let asked = |fault: Fault| fault.asked_for(said.words());
        let heard = process.ask(&said.line()).map_err(asked);
        let out = heard.and_then(|line| words::out(&line).map_err(|fault| refuse(process, asked(fault))));
        match out {
            Ok(out) => Some(out),
            Err(fault) => {
                state.break_off(fault);
                None
            }
        }
    }

    /// What it said can't be: the conversation is broken.
    pub(super) fn refuse(&self, device: u32, said: &Said<'_>, fault: Fault) {
        let mut state = locked(&self.state);
        let Some(process) = state.processes.get_mut(&self.place(device)) else { return };
        let fault = refuse(process, fault.asked_for(said.words()));
        state.break_off(fault);
    }
}

impl State {
    /// All processes end with the conversation.
    fn break_off(&mut self, fault: Fault) {
        self.processes.clear();
        self.fault = Some(fault);
    }
}
