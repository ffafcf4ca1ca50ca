//! What a network holds back while a way is blocked, in the order in which it was sent.
//!
//! Two kinds wait: what was under way when the way was blocked and is *caught* at what would have been its arrival, and
//! what is sent into the blocked way and *kept*. All of the first was sent before all of the second, whichever comes to
//! wait first.

use std::collections::VecDeque;

/// What waits on one way of one link.
#[derive(Debug)]
pub(super) struct Backlog<T> {
    pub(super) caught: VecDeque<T>,
    pub(super) kept: VecDeque<T>,
}

impl<T> Default for Backlog<T> {
    fn default() -> Self {
        Self { caught: VecDeque::new(), kept: VecDeque::new() }
    }
}

impl<T> Backlog<T> {
    /// It was under way when the way was blocked.
    pub(super) fn catch(&mut self, message: T) {
        self.caught.push_back(message);
    }

    /// It is sent into the blocked way.
    pub(super) fn keep(&mut self, message: T) {
        self.kept.push_back(message);
    }
}
