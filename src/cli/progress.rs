//! A bar for whoever waits: only on a terminal, and only after a second.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Nobody waits for less.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far a sweep has come.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    /// What is counted.
    what: &'static str,
    watched: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self::of("runs")
    }

    /// Of something else than runs.
    pub(super) fn of(what: &'static str) -> Self {
        Self { bar: None, what, watched: io::stderr().is_terminal() }
    }

    /// `done` of `all` are over, `since` after the beginning.
    pub(super) fn advance(&mut self, done: u64, all: u64, since: Duration) {
        if !self.watched || (self.bar.is_none() && since < PATIENCE) {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let style =
                ProgressStyle::with_template(&format!("{{bar:30}} {{pos}}/{{len}} {}, {{eta}} left", self.what))
                    .expect("the template is made of constants");
            ProgressBar::new(all).with_style(style)
        });
        bar.set_position(done);
    }

    /// Does something to the terminal while the bar is out of the way.
    pub(super) fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }

    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
