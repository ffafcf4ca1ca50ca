//! The place that an implementation has in one run, life after life.
//!
//! Nodes can't fail: once the conversation is broken, whoever goes on with it gets nothing, the run comes to its end, and
//! the fault is told then.

use std::sync::{Arc, Mutex};

use super::Contract;
use super::fault::Fault;
use super::talk::{Talk, Talks, locked};
use super::waiting::Turn;
use super::words::{Out, Said};
use crate::protocol::service::ServiceConfig;

/// An implementation in one run.
#[derive(Debug)]
pub struct Seat {
    talks: Arc<Talks>,
    seed: u64,
    turn: Turn,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The life under way.
    talk: Option<Talk>,
    fault: Option<Fault>,
}

impl Seat {
    /// A place in a run under this seed.
    #[must_use]
    pub fn new(talks: Arc<Talks>, seed: u64, turn: Turn) -> Self {
        Self { talks, seed, turn, state: Mutex::default() }
    }

    /// What its implementation gives.
    #[must_use]
    pub fn contract(&self) -> Contract {
        self.talks.contract()
    }

    /// The fault that broke the conversation, if it is broken.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        locked(&self.state).fault.clone()
    }

    /// The run is over.
    ///
    /// # Errors
    /// The fault that broke the conversation, or that it did not take its leave as it should.
    pub fn end(&self) -> Result<(), Fault> {
        let mut state = locked(&self.state);
        match (state.fault.clone(), state.talk.take()) {
            (Some(fault), _) => Err(fault),
            (None, Some(talk)) => self.talks.end(talk),
            (None, None) => Ok(()),
        }
    }

    /// Begins a life with these words; one that is under way is over without a word, as in a crash.
    pub(super) fn begin(&self, config: &ServiceConfig, start: &Said<'_>) -> Option<Out> {
        {
            let mut state = locked(&self.state);
            if state.fault.is_some() {
                return None;
            }
            if let Some(talk) = state.talk.take() {
                self.talks.crash(talk);
            }
            match self.talks.begin(self.seed, config, self.turn) {
                Ok(talk) => state.talk = Some(talk),
                Err(fault) => state.fault = Some(fault),
            }
        }
        self.say(start)
    }

    /// Says something, and returns what is to happen; nothing once the conversation is broken.
    pub(super) fn say(&self, said: &Said<'_>) -> Option<Out> {
        let mut state = locked(&self.state);
        match state.talk.as_mut()?.say(said) {
            Ok(out) => Some(out),
            Err(fault) => {
                // The process ends with the conversation.
                state.talk = None;
                state.fault = Some(fault);
                None
            }
        }
    }

    /// What it said can't be: the conversation is broken.
    pub(super) fn refuse(&self, said: &Said<'_>, fault: Fault) {
        let mut state = locked(&self.state);
        let Some(mut talk) = state.talk.take() else { return };
        let fault = fault.with_asked(said);
        state.fault = Some(talk.refuse(fault));
    }
}
