//! The subject: what a conference-invitation service and its client library say to each other, and what they must do.
//!
//! Everything here is sans-IO: values without a clock, a socket or randomness of their own. The module knows nothing of
//! scenarios, worlds or files, and reads top-down: the words ([`vocabulary`], [`bounds`]), what is said ([`call`],
//! [`event`], [`message`]), what must hold ([`requirements`]), and who says it (`service`, `device`).

pub mod bounds;
pub mod call;
pub mod codec;
pub mod core;
pub mod device;
mod devices;
mod digits;
pub mod event;
pub mod logic;
pub mod message;
pub mod requirements;
pub mod service;
mod session;
pub(crate) mod small_map;
pub mod vocabulary;

use crate::time::Instant;

/// One participant of the protocol, driven by a world.
///
/// The contract: a node acts only inside [`Node::step`]; `now` never decreases from one step to the next; every output is
/// pushed to `outputs` in the order in which it takes effect; and between steps it wants to be woken at
/// [`Node::next_deadline`] with a deadline input, where it may be woken too early or too late.
pub trait Node {
    /// What can happen to it.
    type Input;
    /// What it asks of the world.
    type Output;

    /// Handles one input at the time `now`.
    fn step(&mut self, now: Instant, input: Self::Input, outputs: &mut Vec<Self::Output>);

    /// When it next wants a deadline input, if at all.
    fn next_deadline(&self) -> Option<Instant>;
}
