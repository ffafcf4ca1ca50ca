//! What each device went through at its API, as text without times: what two implementations of one scenario are held
//! against.
//!
//! Two tracks a device: what it heard, in order, and what its calls came to, in the order of the calls. How the two mix is
//! no property of an implementation (ORD-3: a response may precede or follow the caller's own events). The setup is left
//! out. The devices of a population that went through the same are one entry.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::{DeviceIndex, DeviceKind};
use crate::protocol::call::CallNo;
use crate::protocol::message::ServerMessage;
use crate::trace::words::{Words, error_code};
use crate::trace::{Occurrence, Stage, Trace};

/// What a device, or many of a population, went through.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sequence {
    /// The device, such as `bob.phone`, or a population's, such as `crowd.phone`.
    pub device: String,
    /// For how many devices this speaks.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: usize,
    /// What it heard, in order; a device without the library: what the server sent it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heard: Vec<String>,
    /// Its calls with what they came to, in the order of the calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<String>,
}

const fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_one(count: &usize) -> bool {
    *count == 1
}

/// One device while the trace is read.
#[derive(Default)]
struct Track {
    heard: Vec<String>,
    results: IndexMap<CallNo, String>,
}

/// The sequences of a run, in the order of the plan's devices.
#[must_use]
pub fn sequences(trace: &Trace) -> Vec<Sequence> {
    // Outside populations every user keeps its name.
    let words = Words::folded(&trace.plan);
    let mut tracks: BTreeMap<DeviceIndex, Track> = BTreeMap::new();
    let mut stage = Stage::Setup;
    for moment in &trace.moments {
        match &moment.what {
            Occurrence::Stage(next) => stage = *next,
            _ if stage == Stage::Setup => {}
            Occurrence::Called { device, call, content, .. } => {
                let at_the_end = if stage == Stage::FinalLists { "at the end: " } else { "" };
                let asked = format!("{at_the_end}{}", words.call(content).text);
                tracks.entry(*device).or_default().results.insert(*call, asked);
            }
            Occurrence::Returned { device, call, result } => {
                // A call of the setup may be answered later.
                if let Some(asked) = tracks.entry(*device).or_default().results.get_mut(call) {
                    let came_to = match result {
                        Ok(reply) => words.reply(reply).text,
                        Err(error) => format!("fails {}", error_code(error)),
                    };
                    asked.push_str(&format!(" => {came_to}"));
                }
            }
            Occurrence::Heard { device, event } => {
                tracks.entry(*device).or_default().heard.push(words.event(event).text);
            }
            Occurrence::DeviceReceived { device, message, .. }
                if trace.plan.device(*device).kind == DeviceKind::Raw =>
            {
                tracks.entry(*device).or_default().heard.push(received(&words, message));
            }
            _ => {}
        }
    }
    // Only a population's devices share a name, so only they are counted together.
    let mut counts: IndexMap<(String, Vec<String>, Vec<String>), usize> = IndexMap::new();
    for (device, Track { heard, results }) in tracks {
        let key = (words.device(device).text, heard, results.into_values().collect());
        *counts.entry(key).or_default() += 1;
    }
    let sequence = |((device, heard, results), count)| Sequence { device, count, heard, results };
    counts.into_iter().map(sequence).collect()
}

fn received(words: &Words<'_>, message: &ServerMessage) -> String {
    match message {
        ServerMessage::LoggedIn { resumed: true, .. } => "logged in, resumed".to_owned(),
        ServerMessage::LoggedIn { .. } => "logged in".to_owned(),
        ServerMessage::Refused { error } => format!("login refused {}", error_code(error)),
        ServerMessage::Response(response) => match &response.result {
            Ok(reply) => format!("answer {}", words.reply(reply).text),
            Err(error) => format!("answer {}", error_code(error)),
        },
        ServerMessage::Event { event, .. } => words.event(event).text,
    }
}

#[cfg(test)]
mod tests;
