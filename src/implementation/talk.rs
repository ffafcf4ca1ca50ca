//! A conversation with one implementation, and the store of processes that conversations are held with.
//!
//! A process that broke a conversation is used for no other.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fault::{Fault, FaultKind};
use super::process::{Process, ProcessSpec};
use super::waiting::{Turn, Waiting};
use super::words::{self, HelloAnswer, Out, SCHEMA, Said};
use super::{Contract, Storage};
use crate::protocol::service::ServiceConfig;

/// One life of an implementation, from `hello` on.
#[derive(Debug)]
pub struct Talk {
    process: Process,
    turn: Turn,
    answer: HelloAnswer,
}

impl Talk {
    /// Says a line, and reads what is to happen.
    pub(super) fn say(&mut self, said: &Said<'_>) -> Result<Out, Fault> {
        let asked = |fault: Fault| fault.with_asked(said);
        let line = self.process.ask(&said.line()).map_err(asked)?;
        words::out(&line, self.answer.contract, self.answer.storage).map_err(asked).map_err(|fault| self.refuse(fault))
    }

    /// How it introduced itself.
    #[must_use]
    pub const fn answer(&self) -> &HelloAnswer {
        &self.answer
    }

    /// Tells it what was wrong, for its log; nobody waits for an answer.
    pub(super) fn refuse(&mut self, fault: Fault) -> Fault {
        refuse(&mut self.process, fault)
    }
}

fn refuse(process: &mut Process, fault: Fault) -> Fault {
    let said = Said::Fault { reason: &fault.reason, read: &fault.read() };
    process.tell(&said.line());
    fault.with_log(process.log())
}

/// Begins conversations with an implementation, several at a time. Processes that may be used again are.
#[derive(Debug)]
pub struct Talks {
    spec: ProcessSpec,
    contract: Contract,
    waiting: Waiting,
}

impl Talks {
    /// Conversations with processes of this command.
    #[must_use]
    pub fn new(spec: ProcessSpec, contract: Contract) -> Self {
        Self { spec, contract, waiting: Waiting::default() }
    }

    /// Asks an implementation who it is: for this contract, or for the one that it offers.
    ///
    /// # Errors
    /// When there is no process, or it does not introduce itself as it should.
    pub fn introduce(
        spec: ProcessSpec,
        contract: Option<Contract>,
        config: &ServiceConfig,
    ) -> Result<(Self, HelloAnswer), Fault> {
        let mut talks = Self::new(spec, contract.unwrap_or(Contract::Core));
        let mut first = talks.begin(0, config, Turn::First);
        if let (None, Err(fault)) = (contract, &first)
            && let Some(offered) = fault.offered
        {
            talks = Self::new(talks.spec, offered);
            first = talks.begin(0, config, Turn::First);
        }
        let talk = first?;
        let answer = talk.answer.clone();
        talks.end(talk)?;
        Ok((talks, answer))
    }

    /// What is asked for.
    #[must_use]
    pub const fn contract(&self) -> Contract {
        self.contract
    }

    /// Begins one life.
    ///
    /// # Errors
    /// When there is no process, or it does not introduce itself as it should.
    pub fn begin(&self, seed: u64, config: &ServiceConfig, turn: Turn) -> Result<Talk, Fault> {
        let mut process = self.waiting.take_or_start(&self.spec, turn)?;
        let hello = Said::hello(self.contract, seed, config);
        let asked = |fault: Fault| fault.with_asked(&hello);
        let line = process.ask(&hello.line()).map_err(asked)?;
        let answer = words::hello_answer(&line).and_then(|answer| self.accept(answer, &line));
        match answer {
            Ok(answer) => Ok(Talk { process, turn, answer }),
            Err(fault) => Err(refuse(&mut process, asked(fault))),
        }
    }

    fn accept(&self, answer: HelloAnswer, line: &str) -> Result<HelloAnswer, Fault> {
        let refused =
            |reason: String| Err(Fault::new(FaultKind::Offer, "2.1", reason).with_said(&words::redacted(line)));
        if answer.schema != SCHEMA {
            return refused(format!("it speaks schema {}, and this convoke speaks schema {SCHEMA}", answer.schema));
        }
        if answer.contract != self.contract {
            let (asked, offered) = (self.contract, answer.contract);
            let reason = format!("it was asked for contract `{asked}` and offers `{offered}`");
            return refused(reason).map_err(|fault| fault.with_offer(offered));
        }
        Ok(answer)
    }

    /// Ends one life, at the end of a run: keeps the process for another one if it may be used again, else says `stop`.
    ///
    /// # Errors
    /// When it does not go as it should.
    pub fn end(&self, talk: Talk) -> Result<(), Fault> {
        if talk.answer.reusable {
            self.waiting.put(talk.turn, talk.process);
            return Ok(());
        }
        part(talk.process)
    }

    /// A life is over without a word. A process that may be used again forgets it with the next `hello`.
    pub(super) fn crash(&self, talk: Talk) {
        if talk.answer.reusable {
            self.waiting.put(talk.turn, talk.process);
        }
    }

    /// Says `stop` to every process that is kept.
    ///
    /// # Errors
    /// The first that did not go as it should; the others are ended all the same.
    pub fn close(&self) -> Result<(), Fault> {
        self.waiting.take_all().into_iter().map(part).fold(Ok(()), Result::and)
    }
}

fn part(process: Process) -> Result<(), Fault> {
    let asked = |fault: Fault| fault.with_asked(&Said::Stop);
    let line = process.part(&Said::Stop.line()).map_err(asked)?;
    let answer = words::out(&line, Contract::Full, Storage::None).map_err(asked)?;
    if answer.items.is_empty() {
        return Ok(());
    }
    let reason = "after `stop` nothing is to happen any more: `out` must be empty";
    Err(asked(Fault::new(FaultKind::Malformed, "2.4", reason).with_said(&words::redacted(&line))))
}

/// A poisoned lock means a panic elsewhere; what is behind it is whole.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
