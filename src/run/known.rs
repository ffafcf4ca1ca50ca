//! Known failures: a file beside an implementation, of what fails and is known to.
//!
//! They are run all the same. A failure is known by the scenario's name and its fingerprint, so that another failure of the
//! same scenario is told; one that is gone is an *unexpected pass*, and an entry that nothing bears out any more is stale: both
//! end the run with exit code 1, so that the file never says more than is true. What fails now and then is listed apart, and
//! counted; whether something does so only its author can say, so nothing that may be luck is ever listed by itself.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Outcome, RealTime, Verdict, fingerprint};
use crate::file::{self, FileError};

/// The list, and what has borne it out so far.
#[derive(Debug)]
pub struct KnownFailures {
    path: PathBuf,
    failures: Vec<Failure>,
    flaky: Vec<Flaky>,
    /// The names of the scenarios that were run.
    run: BTreeSet<String>,
    failed: Vec<Failed>,
}

/// What failed.
#[derive(Debug)]
struct Failed {
    scenario: String,
    fingerprint: String,
    /// The first words of what was found.
    words: String,
    /// Why it may be gone in the next run.
    luck: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    scenario: String,
    fingerprint: String,
    why: String,
    /// Whether a failure has borne it out.
    #[serde(skip)]
    is_seen: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flaky {
    scenario: String,
    why: String,
    /// How often it failed, of how many runs.
    #[serde(skip)]
    seen: (u64, u64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    version: u32,
    #[serde(default)]
    failures: Vec<Failure>,
    #[serde(default)]
    flaky: Vec<Flaky>,
}

/// Why there is no such list.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// The file can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is no list of known failures.
    #[error("{} is no list of known failures: {reason}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl KnownFailures {
    /// Reads the list. A file that is not there is an empty list.
    ///
    /// # Errors
    /// When the file can't be read, or is something else.
    pub fn read(path: &Path) -> Result<Self, KnownError> {
        let malformed = |reason: String| KnownError::Malformed { path: path.to_owned(), reason };
        let fields = match file::read_if_there(path)? {
            None => Fields { version: 1, failures: Vec::new(), flaky: Vec::new() },
            Some(text) => serde_saphyr::from_str(&text).map_err(|error| malformed(error.to_string()))?,
        };
        if fields.version != 1 {
            return Err(malformed(format!("it is of version {}, and this convoke reads version 1", fields.version)));
        }
        let Fields { failures, flaky, .. } = fields;
        Ok(Self { path: path.to_owned(), failures, flaky, run: BTreeSet::new(), failed: Vec::new() })
    }

    /// Says of an outcome whether its failure is known, and remembers it.
    pub fn look_at(&mut self, outcome: &mut Outcome) {
        if matches!(outcome.verdict, Verdict::Unsupported | Verdict::BadScenario | Verdict::HarnessError) {
            return;
        }
        let name = outcome.path.clone();
        self.run.insert(name.clone());
        let is_well = outcome.verdict.is_well();
        if let Some(flaky) = self.flaky.iter_mut().find(|flaky| is_named(&flaky.scenario, &name)) {
            flaky.seen.1 += 1;
            if !is_well {
                flaky.seen.0 += 1;
                outcome.verdict = Verdict::KnownFailure;
                outcome.known = Some(format!("flaky: {}", flaky.why));
            }
            return;
        }
        if is_well {
            // Of many scenarios of a pattern some may pass; of one that is named, it says that the entry is out of date.
            if self
                .failures
                .iter()
                .any(|known| !known.scenario.contains(['*', '?']) && is_named(&known.scenario, &name))
            {
                outcome.verdict = Verdict::UnexpectedPass;
            }
            return;
        }
        let Some(print) = fingerprint::of(outcome) else { return };
        let words = outcome.findings.first().map_or_else(String::new, |finding| first_line(&finding.message));
        let (scenario, luck) = (name.clone(), luck(outcome));
        self.failed.push(Failed { scenario, fingerprint: print.clone(), words, luck });
        let known =
            self.failures.iter_mut().find(|known| known.fingerprint == print && is_named(&known.scenario, &name));
        if let Some(known) = known {
            known.is_seen = true;
            outcome.verdict = Verdict::KnownFailure;
            outcome.known = Some(known.why.clone());
        }
    }

    /// What the list says and the run does not bear out, each in a line; of entries whose scenarios were not run nothing is
    /// known, unless `whole` says that all of them were.
    #[must_use]
    pub fn stale(&self, whole: bool) -> Vec<String> {
        let unseen = self.failures.iter().filter(|known| !known.is_seen);
        unseen
            .filter_map(|known| {
                let Failure { scenario, fingerprint, .. } = known;
                match self.run.iter().any(|name| is_named(scenario, name)) {
                    true => Some(format!("{scenario} does not fail with {fingerprint} any more")),
                    false if whole => Some(format!("{scenario} names no scenario that was run")),
                    false => None,
                }
            })
            .collect()
    }

    /// What is listed as flaky and was run: how often it failed, of how many runs, and why.
    pub fn flaky(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        let run = self.flaky.iter().filter(|flaky| flaky.seen.1 > 0);
        run.map(|flaky| (flaky.scenario.as_str(), flaky.seen.0, flaky.seen.1))
    }

    /// What failed, is not on the list, and is not put on it by [`Self::fix`]: the scenario, and why.
    pub fn left_out(&self) -> impl Iterator<Item = (&str, &str)> {
        let unlisted = self.failed.iter().filter(|one| !self.lists(one));
        unlisted.filter_map(|one| Some((one.scenario.as_str(), one.luck.as_deref()?)))
    }

    fn lists(&self, failed: &Failed) -> bool {
        let is_it =
            |known: &Failure| known.fingerprint == failed.fingerprint && is_named(&known.scenario, &failed.scenario);
        self.failures.iter().any(|known| known.is_seen && is_it(known))
    }

    /// Writes the list anew: what failed, with the reasons that are known, and what was not run as it was. What may be luck
    /// is left out.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn fix(&self) -> Result<(), FileError> {
        let mut text = "# What fails and is known to; `convoke conform --known-failures FILE --fix` writes it anew.\n\
                        version: 1\nfailures:\n"
            .to_owned();
        let mut write = |scenario: &str, print: &str, why: &str| {
            let (scenario, why) = (quoted(scenario), quoted(why));
            let _ = writeln!(text, "  - scenario: {scenario}\n    fingerprint: {}\n    why: {why}", quoted(print));
        };
        let mut count = 0;
        for known in &self.failures {
            // What was seen stays, and so does what nothing is known of.
            if known.is_seen || !self.run.iter().any(|name| is_named(&known.scenario, name)) {
                write(&known.scenario, &known.fingerprint, &known.why);
                count += 1;
            }
        }
        let mut written = BTreeSet::new();
        for failed in self.failed.iter().filter(|one| one.luck.is_none() && !self.lists(one)) {
            let Failed { scenario, fingerprint, words, .. } = failed;
            if written.insert((scenario, fingerprint)) {
                write(scenario, fingerprint, &format!("to be looked into: {words}"));
                count += 1;
            }
        }
        if count == 0 {
            text = text.replace("failures:\n", "failures: []\n");
        }
        if !self.flaky.is_empty() {
            text.push_str("flaky:\n");
            for Flaky { scenario, why, .. } in &self.flaky {
                let _ = writeln!(text, "  - scenario: {}\n    why: {}", quoted(scenario), quoted(why));
            }
        }
        file::write_whole(&self.path, |to| to.write_all(text.as_bytes()))
    }
}

/// As YAML reads it, whatever is in it: a JSON string is one.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string can be written")
}

/// Why a failure may be gone in the next run, in words that follow the scenario's name.
fn luck(outcome: &Outcome) -> Option<String> {
    match outcome.real_time {
        Some(RealTime { runs, failed, .. }) if failed < runs => Some(format!("failed in {failed} of {runs} runs")),
        _ if outcome.is_out_of_time => Some("did not answer in time, which may be this machine's doing".to_owned()),
        _ => None,
    }
}

/// The first line, or as many whole words of it as are bearable.
fn first_line(text: &str) -> String {
    const CHARS_MAX: usize = 120;
    let line = text.lines().next().unwrap_or_default();
    let Some((end, _)) = line.char_indices().nth(CHARS_MAX) else { return line.to_owned() };
    // Text without spaces is cut where it must be.
    let end = line[..end].rfind(char::is_whitespace).unwrap_or(end);
    format!("{} …", line[..end].trim_end())
}

/// Whether a pattern names this file: the whole path, or what stands behind one of its `/`, so that it does not matter from
/// where the scenarios are named.
fn is_named(pattern: &str, path: &str) -> bool {
    let behind = path.match_indices('/').map(|(at, _)| &path[at + 1..]);
    std::iter::once(path).chain(behind).any(|name| matches(pattern, name))
}

/// Whether a name fits a pattern: `*` stands for anything but `/`, `**` for anything, `?` for one letter.
fn matches(pattern: &str, name: &str) -> bool {
    fn fits(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], name) => name.is_empty(),
            ([b'*', b'*', rest @ ..], name) => (0..=name.len()).any(|at| fits(rest, &name[at..])),
            ([b'*', rest @ ..], name) => {
                let end = name.iter().position(|letter| *letter == b'/').unwrap_or(name.len());
                (0..=end).any(|at| fits(rest, &name[at..]))
            }
            ([b'?', rest @ ..], [letter, name @ ..]) => *letter != b'/' && fits(rest, name),
            ([wanted, rest @ ..], [letter, name @ ..]) => wanted == letter && fits(rest, name),
            (_, []) => false,
        }
    }
    fits(pattern.as_bytes(), name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{first_line, is_named, matches};

    #[test]
    fn a_reason_ends_with_a_word() {
        assert_eq!(first_line("short\nand more"), "short");
        let words = "word ".repeat(40);
        assert_eq!(first_line(&words), format!("{}…", "word ".repeat(24)));
        assert_eq!(first_line(&"ä".repeat(200)), format!("{} …", "ä".repeat(120)));
        assert_eq!(first_line(&"a".repeat(120)), "a".repeat(120));
    }

    #[test]
    fn patterns() {
        for (pattern, name, wanted) in [
            ("invite/a.yaml", "invite/a.yaml", true),
            ("invite/*.yaml", "invite/a.yaml", true),
            ("*.yaml", "invite/a.yaml", false),
            ("**.yaml", "invite/a.yaml", true),
            ("invite/**", "invite/deep/a.yaml", true),
            ("invite/?.yaml", "invite/a.yaml", true),
            ("invite/?.yaml", "invite/ab.yaml", false),
            ("", "a", false),
            ("a**", "a", true),
        ] {
            assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
        }
        assert!(
            is_named("invite/a.yaml", "scenarios/invite/a.yaml") && !is_named("vite/a.yaml", "scenarios/invite/a.yaml")
        );
    }
}
