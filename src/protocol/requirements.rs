//! The requirement catalogue: every normative statement of the protocol as data, which the code, the scenarios and the
//! reports cite by id.
//!
//! The sentences are in `catalogue`, group by group. Nothing here judges anything: that a requirement holds is the
//! business of the checks, and how it is shown that of the scenarios.

use std::fmt::Write as _;

use super::bounds::BoundValue;
use crate::time::Duration;

mod catalogue;

pub use catalogue::GROUPS;

/// One normative statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Requirement {
    /// Its name, such as `CAN-6`.
    pub id: &'static str,
    /// How strongly it binds, in the sense of RFC 2119.
    pub level: Level,
    /// How sure we are of it: the basis of its weakest clause.
    pub basis: Basis,
    /// Whom it binds.
    pub subject: Subject,
    /// Where it shows first. A server is always judged on its wire and a device at its API (TERM-4), so for what binds
    /// both this is the server's half.
    pub boundary: Boundary,
    /// What it says, completely. Bounds appear as `{name: default}`.
    pub text: &'static str,
    /// The evidence, as ids of the sources in `docs/PROTOCOL.md`, or "decision", each with the reason where one is needed.
    pub source: &'static str,
    /// Whether it only says what a word means, so that no scenario needs to show it.
    pub definition: bool,
}

/// How strongly a requirement binds (RFC 2119).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// An implementation that does otherwise is wrong.
    Must,
    /// There may be reasons to do otherwise.
    Should,
    /// Left to the implementation.
    May,
}

/// How sure we are of a requirement. A profile may declare a variant of INF and DEC ones; DOC and CLIENT ones it can only
/// list as known failures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Basis {
    /// Stated in a public document, header or type declaration.
    Doc,
    /// Visible in published client source.
    Client,
    /// Inferred.
    Inf,
    /// Decided here, where the public record is silent.
    Dec,
}

/// Whom a requirement binds (TERM-4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Subject {
    /// The service.
    Server,
    /// The client library.
    Device,
    /// Either has its part.
    Both,
}

/// Where a requirement shows (TERM-4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Boundary {
    /// In the messages between device and server.
    Wire,
    /// In what the application calls and hears.
    Api,
    /// In what is left after a crash.
    Crash,
}

/// Requirements that belong together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Group {
    /// What their ids begin with, such as `CAN`.
    pub prefix: &'static str,
    /// What they are about.
    pub title: &'static str,
    /// The requirements, in order.
    pub requirements: &'static [Requirement],
}

/// All requirements, in the order of the document.
pub const REQUIREMENTS: &[Requirement] = &in_one_list::<{ count() }>();

const fn count() -> usize {
    let (mut group, mut total) = (0, 0);
    while group < GROUPS.len() {
        total += GROUPS[group].requirements.len();
        group += 1;
    }
    total
}

const fn in_one_list<const COUNT: usize>() -> [Requirement; COUNT] {
    let mut all = [GROUPS[0].requirements[0]; COUNT];
    let (mut group, mut filled) = (0, 0);
    while group < GROUPS.len() {
        let mut member = 0;
        while member < GROUPS[group].requirements.len() {
            all[filled] = GROUPS[group].requirements[member];
            filled += 1;
            member += 1;
        }
        group += 1;
    }
    all
}

/// The requirement with this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Requirement> {
    REQUIREMENTS.iter().find(|requirement| requirement.id == id)
}

impl Requirement {
    /// The group that it belongs to.
    #[must_use]
    pub fn group(&self) -> &'static Group {
        let prefix = self.id.split_once('-').map_or(self.id, |(prefix, _)| prefix);
        GROUPS.iter().find(|group| group.prefix == prefix).expect("a test holds ids and prefixes together")
    }

    /// The bounds that its text names, with the defaults given there.
    #[must_use]
    pub fn bounds(&self) -> Vec<(&'static str, BoundValue)> {
        parts(self.text)
            .into_iter()
            .filter_map(|part| match part {
                Part::Bound { name, value } => Some((name, parse_value(value)?)),
                Part::Words(_) => None,
            })
            .collect()
    }

    /// The text with each bound as its default alone, and without the marks of what it defines: what a report shows.
    #[must_use]
    pub fn plain_text(&self) -> String {
        let text: String = parts(self.text)
            .into_iter()
            .map(|part| match part {
                Part::Words(words) => words,
                Part::Bound { value, .. } => value,
            })
            .collect();
        text.replace('*', "")
    }
}

impl Level {
    /// The key word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
        }
    }
}

impl Basis {
    /// The tag.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Doc => "DOC",
            Self::Client => "CLIENT",
            Self::Inf => "INF",
            Self::Dec => "DEC",
        }
    }

    /// Whether a profile may declare a variant of such a requirement.
    #[must_use]
    pub const fn permits_variants(self) -> bool {
        matches!(self, Self::Inf | Self::Dec)
    }
}

impl Subject {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Device => "device",
            Self::Both => "both",
        }
    }

    /// Whether it binds a server.
    #[must_use]
    pub const fn includes_server(self) -> bool {
        matches!(self, Self::Server | Self::Both)
    }

    /// Whether it binds a client library.
    #[must_use]
    pub const fn includes_device(self) -> bool {
        matches!(self, Self::Device | Self::Both)
    }
}

impl Boundary {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wire => "wire",
            Self::Api => "API",
            Self::Crash => "crash",
        }
    }
}

/// All requirements by group, as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::new();
    for group in GROUPS {
        writeln!(page, "### {}: {}\n", group.prefix, group.title).expect("strings take everything");
        for requirement in group.requirements {
            markdown_of(requirement, &mut page);
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn markdown_of(requirement: &Requirement, page: &mut String) {
    let Requirement { id, level, basis, subject, boundary, text, source, definition } = requirement;
    write!(page, "- **{id}** ").expect("strings take everything");
    for part in parts(text) {
        match part {
            Part::Words(words) => page.push_str(words),
            Part::Bound { name, value } => {
                write!(page, "`{{{name}: {value}}}`").expect("strings take everything");
            }
        }
    }
    let level = if *definition { "definition" } else { level.name() };
    let (basis, subject, boundary) = (basis.name(), subject.name(), boundary.name());
    writeln!(page, "<br>*{level} · {basis} · {subject} · {boundary} · {source}*").expect("strings take everything");
}

/// A stretch of a requirement's text.
enum Part {
    Words(&'static str),
    Bound { name: &'static str, value: &'static str },
}

/// Splits at every `{name: value}`. Other braces are words.
fn parts(text: &'static str) -> Vec<Part> {
    let mut parts = Vec::new();
    let (mut words, mut searched) = (text, 0);
    while let Some(open) = words[searched..].find('{').map(|at| searched + at) {
        let Some(close) = words[open..].find('}').map(|at| open + at) else { break };
        match words[open + 1..close].split_once(": ") {
            Some((name, value)) => {
                parts.push(Part::Words(&words[..open]));
                parts.push(Part::Bound { name, value });
                (words, searched) = (&words[close + 1..], 0);
            }
            None => searched = close,
        }
    }
    parts.push(Part::Words(words));
    parts
}

/// A default as the texts write it: `100`, `30 s`, `200 ms`.
fn parse_value(value: &str) -> Option<BoundValue> {
    let Some((number, unit)) = value.split_once(' ') else { return value.parse().ok().map(BoundValue::Count) };
    let number = number.parse().ok()?;
    match unit {
        "s" => Some(BoundValue::Duration(Duration::from_secs(number))),
        "ms" => Some(BoundValue::Duration(Duration::from_millis(number))),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
