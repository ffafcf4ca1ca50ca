//! Says how far a run has come: in place on a terminal, as a line every few seconds otherwise.

use std::io::IsTerminal as _;

use indicatif::ProgressBar;

use super::super::output::Output;
use crate::load::{Progress, ProgressPart};
use crate::report::load as report;

/// How often a line is written where nobody watches, in seconds.
const LINE_EVERY: u64 = 5;

/// See the module.
pub(super) struct Meter {
    bar: Option<ProgressBar>,
    told: u64,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self { bar: std::io::stderr().is_terminal().then(ProgressBar::new_spinner), told: 0 }
    }

    pub(super) fn show(&mut self, progress: &Progress, output: &mut Output) {
        let words = report::progress(progress);
        if let Some(bar) = &self.bar {
            bar.set_message(words);
            bar.tick();
            return;
        }
        let now = progress.passed.as_secs() / LINE_EVERY;
        if progress.part == ProgressPart::Running && now > self.told {
            self.told = now;
            output.note(&words);
        }
    }

    /// The same for one rate of a search, which says of itself how it ended.
    pub(super) fn probe(&self, rate: f64, progress: &Progress) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{rate:.0} a second: {}", report::progress(progress)));
            bar.tick();
        }
    }

    /// Does something to the terminal while the line is out of the way.
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
