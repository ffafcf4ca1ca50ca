//! What a run looks like to people and to programs: pure functions of outcomes.
//!
//! Nothing here runs anything, reads a file or knows whether a terminal watches: callers say how wide a page is and wrap
//! the stream that takes the colours out where nobody wants them.

pub mod explain;
pub mod json;
pub mod ladder;
pub mod summary;
pub mod terminal;
