//! The seam between the session layer and the server's logic: what the session layer asks, and the core's answers.
//!
//! Whoever wants other answers, such as a deliberately faulty variant of the server, overrides a question and hands the
//! rest on to the core, which knows nothing of it. Logic of somebody else answers all of them itself, and has of the core no
//! more than its accounts and sessions; what it does of its own accord it tells when it hears of something.

use std::sync::Arc;

use super::call::DeviceIdentity;
use super::core::{Caller, Decision, Effects, InvitationCore, SessionSlot, Transition};
use super::message::Content;
use super::vocabulary::UserId;
use crate::time::Instant;

/// What the session layer asks. The answers given here are the core's own.
pub trait Logic {
    /// Whether it is asked before every input what is due (TMO-3). Logic of somebody else must see to that itself, or a
    /// test would show nothing of it: it is asked when its time has come, and at a start.
    const IS_ASKED_FIRST: bool = true;

    /// The server has been started, and all that it had written down was carried out again. What that leads to.
    fn started(&mut self, _now: Instant, _entropy: [u8; 32]) -> Option<Transition> {
        None
    }

    /// A session is online. Part of carrying a record out, as is [`Self::offline`].
    fn online(&mut self, _identity: &Arc<DeviceIdentity>, _slot: SessionSlot) {}

    /// A session is over.
    fn offline(&mut self, _slot: SessionSlot) {}

    /// The beginning of a session is written down. What it leads to besides.
    fn session_began(&mut self, _now: Instant, _identity: &DeviceIdentity) -> Option<Transition> {
        None
    }

    /// The end of a session is written down. What it leads to besides.
    fn session_ended(&mut self, _now: Instant, _identity: &DeviceIdentity) -> Option<Transition> {
        None
    }

    /// What a request comes to, which has passed the session layer.
    fn decide(&mut self, core: &InvitationCore, now: Instant, caller: Caller<'_>, content: &Content) -> Decision {
        core.decide(now, caller, content)
    }

    /// The first expiry that is due at `now`, with its deadline (TMO-3). Asked again until nothing is due.
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
