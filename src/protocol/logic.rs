//! The seam between the session layer and the server's logic: what the session layer asks, and the core's answers.
//!
//! Whoever wants other answers, such as a deliberately faulty variant of the server, overrides a question and hands the
//! rest on to the core, which knows nothing of it.

use super::core::{Caller, Decision, Effects, InvitationCore, SessionSlot, Transition};
use super::message::Content;
use super::vocabulary::UserId;
use crate::time::Instant;

/// What the session layer asks. The answers given here are the core's own.
pub trait Logic {
    /// What a request comes to, which has passed the session layer.
    fn decide(&mut self, core: &InvitationCore, now: Instant, caller: Caller<'_>, content: &Content) -> Decision {
        core.decide(now, caller, content)
    }

    /// The first expiry that is due at `now`, with its deadline (TMO-3).
    fn due(&mut self, core: &InvitationCore, now: Instant) -> Option<(Instant, Transition)> {
        let deadline = core.next_deadline().filter(|deadline| *deadline <= now)?;
        Some((deadline, core.decide_expiry(now).expect("it is due")))
    }

    /// When the next expiry is due.
    fn next_deadline(&self, core: &InvitationCore) -> Option<Instant> {
        core.next_deadline()
    }

    /// What the end of a session leads to.
    fn session_end(&mut self, core: &InvitationCore, user: &UserId, slot: SessionSlot) -> Option<Transition> {
        core.decide_session_end(user, slot)
    }

    /// Carries a transition out: changes the core, and says who hears what. A restart does it again for every transition
    /// that was written down.
    fn apply(&mut self, core: &mut InvitationCore, at: Instant, transition: &Transition, effects: &mut Effects) {
        core.apply(at, transition, effects);
    }
}

/// The core as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CoreLogic;

impl Logic for CoreLogic {}
