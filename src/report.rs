//! What a run looks like to people and to programs: pure functions of outcomes.
//!
//! Nothing here runs anything, reads a file or knows whether a terminal watches: callers say how wide a page is and wrap
//! the stream that takes the colours out where nobody wants them.

// The result of a run as a document, and what is made of it.
pub mod compare;
pub mod groups;
pub mod html;
pub mod junit;
pub mod plain;
pub mod result;
pub mod sequences;
pub mod svg;

// What is told on the way.
pub mod explain;
pub mod ladder;
#[cfg(feature = "net")]
pub mod load;
pub mod mutants;
pub mod summary;
pub mod terminal;
