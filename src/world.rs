//! Where a plan happens. A world differs from another in delivery and clock alone, and holds no opinion of what it sees.

#[cfg(feature = "net")]
pub mod driver;
pub mod sim;

use crate::plan::Place;

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A call of the setup was refused: the scenario begins in a state that the service does not allow.
    #[error("the setup failed: {device} called {call} and got {error}")]
    Setup {
        /// The line that asks for it.
        place: Place,
        /// Who called.
        device: String,
        /// What.
        call: String,
        /// What came back.
        error: String,
    },
    /// More happened at one instant than any plan asks for: two nodes talk in a circle.
    #[error("the run does not come to an end: {count} things happened at {at}")]
    Endless {
        /// When.
        at: crate::time::Instant,
        /// How many.
        count: u64,
    },
    /// Nodes go on talking, and no application hears of it: a session that can't be resumed as it should, for example.
    #[error(
        "the run does not come to an end: {count} things happened by {at} without any application hearing or being told anything"
    )]
    NoProgress {
        /// When.
        at: crate::time::Instant,
        /// How many.
        count: u64,
    },
    /// A message does not survive the codec.
    #[error("the codec changes a message sent at {at}: {reason}: {text}")]
    Codec {
        /// When it was sent.
        at: crate::time::Instant,
        /// How it was written.
        text: String,
        /// What is wrong.
        reason: String,
    },
}
