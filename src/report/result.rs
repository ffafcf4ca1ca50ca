//! The result of a run as a document: one JSON object with a version, whose fields keep their meaning within it.
//!
//! `convoke run` and `convoke conform` make it, and everything that others read is made of it: JUnit, the HTML page, the
//! comparison of implementations. So a saved result can become any of them later. It holds what a reader needs who has
//! neither the scenarios nor the implementation at hand, and no secrets: passwords, tokens and extensionInfo are lengths.

mod build;
mod requirements;

use std::collections::BTreeMap;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::{Deserialize, Serialize};

use super::ladder::Ladder;
use super::sequences::Sequence;
use crate::run::Verdict;

pub use build::{About, Builder};
pub use requirements::RequirementVerdict;
pub(super) use requirements::{broken, shows};

/// The version of the shape: it changes when a field changes its meaning or goes, not when one is added.
pub const VERSION: u32 = 1;

/// What came of a whole run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunResult {
    /// The version of this shape: 1.
    pub convoke_result: u32,
    /// What made it.
    pub tool: Tool,
    /// The command that made it: `run`, `conform` or `judge`.
    pub command: String,
    /// Which scenarios it is about.
    pub corpus: CorpusResult,
    /// What was tested.
    pub implementation: Implementation,
    /// What was asked of it.
    pub profile: Profile,
    /// Where scenarios were enacted: `sim`, `turmoil`, `live`.
    pub worlds: Vec<String>,
    /// The first seed.
    pub seed: u64,
    /// How many seeds in a row.
    pub seeds: u64,
    /// The sum.
    pub summary: SummaryResult,
    /// The requirements of the protocol by group, in the order of the catalogue.
    pub requirements: Vec<GroupResult>,
    /// The scenarios, in the order in which they were run.
    pub scenarios: Vec<ScenarioResult>,
}

/// A program.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Which scenarios a result is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CorpusResult {
    /// What the file `VERSION` in the folder of scenarios says, if there is one.
    pub version: Option<String>,
    /// SHA-256, in hexadecimal, over the names and contents of the scenario files, in order: of all that were there, whether
    /// they were chosen or not.
    pub hash: String,
    /// How many files there were.
    pub files: usize,
}

/// What was tested.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Implementation {
    /// Its name; `reference` is the one that Convoke contains.
    pub name: String,
    /// Its version, if it has told one.
    pub version: Option<String>,
    /// What it plays: `system`, `core`, `full`, `device`; nothing for the reference.
    pub contract: Option<String>,
}

/// What was asked of an implementation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The requirements that it waives.
    pub waived: Vec<Waived>,
    /// The variants that it declares: a run that passes by one and not strictly is non-strict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<DeclaredVariant>,
    /// The bounds that it fixes, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bounds: BTreeMap<String, String>,
    /// What the implementation lacks, each with a word why: scenarios that need it are unsupported.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lacks: BTreeMap<String, String>,
}

/// A requirement that an implementation reads in another of its common ways.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeclaredVariant {
    /// Its id.
    pub requirement: String,
    /// The name of the variant.
    pub variant: String,
    /// What it says.
    pub text: String,
    /// How many scenarios passed by it and not strictly; of none it is not told in results that are older than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenarios: Option<u64>,
}

/// A requirement that an implementation decides otherwise, as its profile declares.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Waived {
    /// Its id.
    pub requirement: String,
    /// What the implementation does instead, in words.
    pub instead: Option<String>,
}

/// The sum of a run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SummaryResult {
    /// How many scenarios there were.
    pub scenarios: u64,
    /// How many runs: scenarios times seeds.
    pub runs: u64,
    /// How many scenarios have each verdict.
    pub verdicts: BTreeMap<String, u64>,
    /// How many messages were put on the wire.
    pub messages: u64,
    /// How much time passed in the runs.
    pub virtual_seconds: f64,
    /// How much time passed for whoever waited.
    pub wall_seconds: f64,
    /// The exit code.
    pub exit_code: u8,
}

/// Requirements that belong together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupResult {
    /// What their ids begin with, such as `CAN`.
    pub prefix: String,
    /// What they are about.
    pub title: String,
    /// The requirements.
    pub requirements: Vec<RequirementResult>,
}

/// What the run showed of a requirement.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequirementResult {
    /// Its id, such as `CAN-6`.
    pub id: String,
    /// `MUST`, `SHOULD`, `MAY`, or `definition`, which nothing needs to show.
    pub level: String,
    /// How sure we are of it: `DOC`, `CLIENT`, `INF` or `DEC`.
    pub basis: String,
    /// Whom it binds: `server`, `device` or `both`.
    pub subject: String,
    /// Where it shows first: `wire`, `API` or `crash`.
    pub boundary: String,
    /// What it says.
    pub text: String,
    /// What the run showed of it.
    pub verdict: RequirementVerdict,
    /// Whether the contract of what is tested can't show it, so that no scenario that claims it does.
    #[serde(default, skip_serializing_if = "is_false")]
    pub out_of_reach: bool,
    /// The scenarios that claim to show it, by path.
    pub claimed_by: Vec<String>,
    /// The scenarios that show it broken, by path.
    pub broken_by: Vec<String>,
}

/// What came of one scenario.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioResult {
    /// Its file, as the user named it or as it was found.
    pub path: String,
    /// Its name below the folder that the user named: by it two results know it for the same.
    pub name: String,
    /// FNV-1a of its text, in hexadecimal; empty when it could not be read.
    pub text_hash: String,
    /// Its title; empty when it could not be read.
    pub title: String,
    /// The requirements that it claims to show.
    pub covers: Vec<String>,
    /// The requirements that it claims, too, and that can't be shown through the contract of what is tested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out_of_reach: Vec<String>,
    /// Where it was enacted, or was to be.
    pub world: String,
    /// What came of it.
    pub verdict: Verdict,
    /// What is wrong with the file or the harness, or why it is unsupported or inconclusive.
    pub reason: Option<String>,
    /// The variants without which it would not pass, such as `REV-2: invitee`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<String>,
    /// Why its failure is known, if it is on the list of known failures.
    pub known_failure: Option<String>,
    /// The seed: with several, the first that did not end well, else the first.
    pub seed: u64,
    /// For how many seeds this speaks.
    pub seeds_run: u64,
    /// What the checks found.
    pub findings: Vec<FindingResult>,
    /// How many more there were.
    pub findings_left_out: usize,
    /// What it claims to show and did not come to.
    pub empty_claims: Vec<EmptyClaimResult>,
    /// What became of its snapshot.
    pub snapshot: SnapshotResult,
    /// By what the failure is known again, under every seed and when lines have moved; nothing when all is well.
    pub fingerprint: Option<String>,
    /// FNV-1a of the whole trace, in hexadecimal; nothing when there was no run.
    pub trace_hash: Option<String>,
    /// How many messages were put on the wire.
    pub messages: u64,
    /// How much time passed in the run.
    pub virtual_seconds: f64,
    /// How much time passed for whoever waited.
    pub wall_seconds: f64,
    /// The command that repeats it.
    pub repeat: String,
    /// Which implementation played which devices, and the server beside them, where it was not the reference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub played: Vec<PlayedResult>,
    /// How it was played in real time, if it was and that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_time: Option<RealTimeResult>,
    /// Sequence diagrams of what the findings are about; of an implementation that is well there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ladders: Vec<Ladder>,
    /// What each device went through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sequences: Vec<Sequence>,
}

/// An implementation that played devices, or the server beside them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlayedResult {
    /// Its name and version.
    pub implementation: String,
    /// The devices, as the scenario names them.
    pub devices: Vec<String>,
    /// Whether it played the server.
    #[serde(default, skip_serializing_if = "is_false")]
    pub server: bool,
}

/// How a scenario was played in real time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RealTimeResult {
    /// How many times shorter every span was than planned.
    pub scale: u64,
    /// How many runs were made of it: what fails is played again.
    pub runs: u32,
    /// How many of these failed.
    pub failed: u32,
}

/// Something that should not be so.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingResult {
    /// The check that found it; `expectations` and `results` are the author's own.
    pub check: String,
    /// The requirements that it breaks; none if the author named none.
    pub requirements: Vec<String>,
    /// Who, what and when, in a sentence.
    pub message: String,
    /// The author's line, if there is one.
    pub place: Option<PlaceResult>,
    /// Which moment of the trace shows it.
    pub moment: Option<usize>,
    /// When that was, in seconds since the run began.
    pub at_seconds: Option<f64>,
    /// The devices concerned.
    pub devices: Vec<String>,
    /// What should have been.
    pub expected: Option<String>,
    /// What was seen instead.
    pub seen: Option<String>,
    /// By what this finding is known again.
    pub fingerprint: String,
    /// Its diagram, as an index of the scenario's ladders.
    pub ladder: Option<usize>,
}

/// A place in a scenario file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceResult {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What stands in that line.
    pub text: String,
}

/// A claim that the run did not bear out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmptyClaimResult {
    /// The requirement that the scenario claims to show.
    pub requirement: String,
    /// Where it does so.
    pub line: u32,
    /// And in which column.
    pub column: u32,
    /// The situations of which one should have occurred and none did.
    pub missing: Vec<String>,
}

/// What became of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotResult {
    /// `not compared`, `same`, `new`, `differs` or `recorded`.
    pub state: String,
    /// The recorded text, if it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<String>,
    /// The text of this run, if it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
}

/// Why a text is no result.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is something else.
    #[error("it is no result of Convoke: there is no `convokeResult` in it; `convoke run --json FILE` writes one")]
    NotAResult,
    /// It is of a version that this Convoke does not know.
    #[error("it is a result of version {0}, and this Convoke reads version {VERSION}; use the Convoke that wrote it")]
    Version(u64),
    /// It is not whole, or was changed by hand.
    #[error("it is not whole: {0}; write it anew with `convoke run --json FILE`")]
    Broken(serde_json::Error),
}

impl RunResult {
    /// Reads a saved result.
    ///
    /// # Errors
    /// When the text is something else, or of another version.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        let version = match serde_json::from_str::<serde_json::Value>(text) {
            Ok(value) => value.get("convokeResult").and_then(serde_json::Value::as_u64),
            // What begins like a result and is cut off is no other file.
            Err(error) if text.contains("\"convokeResult\"") => return Err(ReadError::Broken(error)),
            Err(_) => None,
        };
        match version {
            None => Err(ReadError::NotAResult),
            Some(version) if version != u64::from(VERSION) => Err(ReadError::Version(version)),
            Some(_) => serde_json::from_str(text).map_err(ReadError::Broken),
        }
    }

    /// What came of those scenarios alone that are wanted: what the requirements show is judged anew; the sum stays that of the
    /// whole run.
    #[must_use]
    pub fn restricted_to(&self, wanted: impl Fn(&ScenarioResult) -> bool) -> Self {
        let scenarios: Vec<ScenarioResult> = self.scenarios.iter().filter(|one| wanted(one)).cloned().collect();
        Self { requirements: requirements::requirements(&scenarios, &self.profile), scenarios, ..self.clone() }
    }

    /// The result as text, with a line break at its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a result has string keys") + "\n"
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The JSON Schema of a result, in the dialect 2020-12.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut generator = SchemaGenerator::new(SchemaSettings::draft2020_12());
    let mut schema = generator.root_schema_for::<RunResult>();
    schema.insert("title".to_owned(), "Convoke result".into());
    schema.to_value()
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
