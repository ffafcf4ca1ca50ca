//! How an implementation breaks the conversation, in words for its author.

use std::fmt;
use std::ops::Deref;

use super::Contract;
use super::words::Said;

/// In which way the conversation was broken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FaultKind {
    /// The process can't be started.
    Start,
    /// It did not answer in time.
    Hang,
    /// It ended before it was asked to.
    Crash,
    /// It said something that nobody asked for.
    OutOfTurn,
    /// It said something that is no message.
    Malformed,
    /// It offers what was not asked for.
    Offer,
    /// It left processes behind.
    Orphan,
}

impl FaultKind {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "not started",
            Self::Hang => "hang",
            Self::Crash => "crash",
            Self::OutOfTurn => "out of turn",
            Self::Malformed => "malformed message",
            Self::Offer => "other contract",
            Self::Orphan => "process left behind",
        }
    }
}

/// The conversation was broken, and is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault(Box<Details>);

/// What is known of a fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Details {
    /// In which way.
    pub kind: FaultKind,
    /// What happened, in one line.
    pub reason: String,
    /// What it had been asked, if it had been asked anything.
    pub asked: Option<String>,
    /// What it said, as far as that is to the point, in one line of bearable length.
    pub said: Option<String>,
    /// The requirements that it breaks, where it is more than bad manners.
    pub requirements: &'static [&'static str],
    /// The contract that it offers instead of the one that it was asked for.
    pub offered: Option<Contract>,
    /// The section of the page where the rule stands.
    pub section: &'static str,
    /// The end of what it wrote to its standard error.
    pub log: String,
}

impl Fault {
    /// A fault about which no more is known yet.
    #[must_use]
    pub fn new(kind: FaultKind, section: &'static str, reason: impl Into<String>) -> Self {
        let (reason, log) = (reason.into(), String::new());
        Self(Box::new(Details {
            kind,
            reason,
            asked: None,
            said: None,
            requirements: &[],
            offered: None,
            section,
            log,
        }))
    }

    /// The same, with what it had been asked.
    pub(super) fn with_asked(mut self, asked: &Said<'_>) -> Self {
        self.0.asked = Some(asked.words());
        self
    }

    /// The same, with what it had been asked, in words.
    #[must_use]
    pub fn asked_for(mut self, words: String) -> Self {
        self.0.asked = Some(words);
        self
    }

    /// The same, with what it said.
    #[must_use]
    pub fn with_said(mut self, said: &str) -> Self {
        self.0.said = Some(excerpt(said));
        self
    }

    /// The same, with the requirements that it breaks.
    #[must_use]
    pub fn with_requirements(mut self, requirements: &'static [&'static str]) -> Self {
        self.0.requirements = requirements;
        self
    }

    /// The same, with what it offers instead.
    pub(super) fn with_offer(mut self, contract: Contract) -> Self {
        self.0.offered = Some(contract);
        self
    }

    /// The same, with the end of its log.
    #[must_use]
    pub fn with_log(mut self, log: String) -> Self {
        self.0.log = log;
        self
    }

    /// The same, with more of the reason.
    pub(super) fn and_so(mut self, more: &str) -> Self {
        self.0.reason.push_str(more);
        self
    }

    /// Where to read.
    #[must_use]
    pub fn read(&self) -> String {
        format!("docs/IMPLEMENTATIONS.md, section {}", self.section)
    }
}

impl std::error::Error for Fault {}

impl Deref for Fault {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.reason)?;
        if let Some(asked) = &self.asked {
            write!(f, "\n  asked: {asked}")?;
        }
        if let Some(said) = &self.said {
            write!(f, "\n  it said: {said}")?;
        }
        write!(f, "\n  read: {}", self.read())?;
        if !self.log.is_empty() {
            f.write_str("\n  the end of its standard error:")?;
            for line in self.log.lines() {
                write!(f, "\n    {line}")?;
            }
        }
        Ok(())
    }
}

/// Some of a text of any length and content, in one line.
fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 300;
    let mut line = String::new();
    for (count, letter) in text.trim_end_matches(['\n', '\r']).chars().enumerate() {
        if count == CHARS_MAX {
            line.push('…');
            break;
        }
        match letter {
            letter if letter.is_control() => line.extend(letter.escape_default()),
            letter => line.push(letter),
        }
    }
    line
}
