//! What is asked of an implementation: everything, or all but what it decides otherwise and says so.
//!
//! A profile waives requirements that were inferred or decided (INF, DEC), each with what the implementation does
//! instead; what is documented or shows in published clients (DOC, CLIENT) can't be waived, only be listed as a known
//! failure. A run whose findings are all of waived requirements is *non-strict*.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::{Outcome, Verdict};
use crate::file::{self, FileError};
use crate::protocol::requirements::{self, Basis, REQUIREMENTS};

/// A profile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The requirements that it waives, each with what is done instead.
    pub waived: BTreeMap<String, String>,
}

/// Why there is no such profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is neither a shipped profile nor a file of that name.
    #[error("there is no profile `{0}`: name a YAML file, or one of strict and documented-only")]
    Unknown(String),
    /// The file is no profile.
    #[error("{0} is no profile: {1}")]
    Malformed(String, String),
    /// It names a requirement that there is not.
    #[error("the profile {0} waives `{1}`, which is no requirement; `convoke requirements` lists them")]
    NoRequirement(String, String),
    /// It waives what can't be waived.
    #[error(
        "the profile {0} waives {1}, whose basis is {2}: only what was inferred or decided (INF, DEC) can be decided \
         otherwise; list what fails in the file of known failures"
    )]
    NotWaivable(String, String, &'static str),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    version: u32,
    name: String,
    #[serde(default)]
    waive: BTreeMap<String, String>,
}

impl Profile {
    /// Everything is asked.
    #[must_use]
    pub fn strict() -> Self {
        Self { name: "strict".to_owned(), waived: BTreeMap::new() }
    }

    /// What is documented or shows in published clients is asked, and nothing that was inferred or decided.
    #[must_use]
    pub fn documented_only() -> Self {
        let instead = "not documented".to_owned();
        let open = REQUIREMENTS.iter().filter(|requirement| requirement.basis.permits_variants());
        let waived = open.map(|requirement| (requirement.id.to_owned(), instead.clone())).collect();
        Self { name: "documented-only".to_owned(), waived }
    }

    /// The shipped profile of this name, or that of a file.
    ///
    /// # Errors
    /// When there is none, or it is not well made.
    pub fn find(name: &str) -> Result<Self, ProfileError> {
        match name {
            "strict" => return Ok(Self::strict()),
            "documented-only" => return Ok(Self::documented_only()),
            _ => {}
        }
        match file::read_if_there(Path::new(name))? {
            Some(text) => Self::read(name, &text),
            None => Err(ProfileError::Unknown(name.to_owned())),
        }
    }

    fn read(path: &str, text: &str) -> Result<Self, ProfileError> {
        let malformed = |reason: String| ProfileError::Malformed(path.to_owned(), reason);
        let fields: Fields = serde_saphyr::from_str(text).map_err(|error| malformed(error.to_string()))?;
        if fields.version != 1 {
            return Err(malformed(format!("it is of version {}, and this convoke reads version 1", fields.version)));
        }
        for id in fields.waive.keys() {
            let Some(requirement) = requirements::find(id) else {
                return Err(ProfileError::NoRequirement(path.to_owned(), id.clone()));
            };
            if let basis @ (Basis::Doc | Basis::Client) = requirement.basis {
                return Err(ProfileError::NotWaivable(path.to_owned(), id.clone(), basis.name()));
            }
        }
        Ok(Self { name: fields.name, waived: fields.waive })
    }

    /// Whether a requirement is waived.
    #[must_use]
    pub fn waives(&self, requirement: &str) -> bool {
        self.waived.contains_key(requirement)
    }

    /// Drops what the profile permits from what was found.
    pub(super) fn apply(&self, outcome: &mut Outcome) {
        if outcome.verdict != Verdict::Fail || outcome.findings.is_empty() {
            return;
        }
        outcome.findings.retain(|finding| {
            finding.requirements.is_empty() || !finding.requirements.iter().all(|id| self.waives(&id.0))
        });
        // What was left out is of the kinds that were kept; without any of those nothing is known of it.
        if outcome.findings.is_empty() && outcome.findings_left_out == 0 {
            outcome.verdict = Verdict::NonStrict;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Profile;

    fn check(text: &str, words: &str) {
        let error = Profile::read("mine.yaml", text).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }

    #[test]
    fn only_what_was_decided_or_inferred_can_be_waived() {
        let text = "version: 1\nname: mine\nwaive:\n  REV-2: only the invitee hears it\n";
        assert!(Profile::read("mine.yaml", text).unwrap().waives("REV-2"));
        check("version: 1\nname: mine\nwaive: {DEV-4: never}\n", "whose basis is DOC");
        check("version: 1\nname: mine\nwaive: {DEV-444: never}\n", "no requirement");
        check("version: 2\nname: mine\n", "version 2");
        check("version: 1\nname: mine\nwiave: {}\n", "wiave");
        assert!(Profile::find("no-such-profile").unwrap_err().to_string().contains("strict and documented-only"));
    }

    #[test]
    fn documented_only_asks_for_nothing_that_was_decided() {
        let profile = Profile::documented_only();
        assert!(profile.waives("ORD-1") && !profile.waives("DEV-4"));
    }
}
