//! `convoke conform --device`: client libraries of somebody else, and which devices each of them plays.

use std::fmt::Write as _;
use std::sync::Arc;

use super::Failure;
use super::args::Conform;
use crate::implementation::ProcessSpec;
use crate::implementation::device::{CONTRACT, Crew, LibraryAnswer, Serves};
use crate::run::Outcome;
use crate::run::libraries::{Libraries, Party};
use crate::run::profile::Profile;
use crate::scenario::Selector;

/// Asks each library who it is.
pub(super) fn find(arguments: &Conform, profile: Profile) -> Result<Libraries, Failure> {
    let parties = arguments.whom.device.iter().map(|text| {
        let (whom, command) = named(text);
        let spec = ProcessSpec { command: command.to_owned(), patience: arguments.patience };
        let crew = Crew::introduce(spec)
            .map_err(|fault| Failure::Broken(format!("`{command}` does not introduce itself: {fault}")))?;
        Ok(Party { whom, crew: Arc::new(crew) })
    });
    let mut parties = parties.collect::<Result<Vec<_>, Failure>>()?;
    // Who is given no names plays what is left, wherever it stands.
    parties.sort_by_key(|party| party.whom.is_none());
    if parties.iter().filter(|party| party.whom.is_none()).count() > 1 {
        let words = "two libraries can't play all devices: say whom each plays, as in --device alice.phone=COMMAND";
        return Err(Failure::Usage(words.to_owned()));
    }
    Ok(Libraries { parties, profile, twice: !arguments.once })
}

/// Whom a library plays, if that is said, and its command.
fn named(text: &str) -> (Option<Selector>, &str) {
    let split = text.split_once('=').and_then(|(whom, command)| Some((Selector::parse(whom).ok()?, command)));
    match split {
        Some((whom, command)) => (Some(whom), command),
        None => (None, text),
    }
}

/// Who they are: their names, their versions, and the contract.
pub(super) fn identity(libraries: &Libraries) -> (String, String, &'static str) {
    let answers = || libraries.parties.iter().map(|party| party.crew.answer());
    let joined = |words: Vec<&str>| words.join(" + ");
    let names = joined(answers().map(|answer| answer.name.as_str()).collect());
    (names, joined(answers().map(|answer| answer.version.as_str()).collect()), CONTRACT)
}

/// Who they are, in lines for people.
pub(super) fn introduction(libraries: &Libraries) -> String {
    let line = |party: &Party| {
        let LibraryAnswer { devices, lacks, .. } = party.crew.answer();
        let mut line = format!("{}, contract `{CONTRACT}`", party.name());
        line.push_str(match devices {
            Serves::All => ", one process for all devices",
            Serves::One => ", a process for each device",
        });
        if let Some(whom) = &party.whom {
            let _ = write!(line, ", plays {whom}");
        }
        if !lacks.is_empty() {
            let _ = write!(line, ", lacks {}", lacks.join(", "));
        }
        line
    };
    libraries.parties.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Who played whom, for people, where that is not plain.
pub(super) fn played(libraries: &Libraries, outcome: &Outcome) -> String {
    const NAMED_MAX: usize = 8;
    if libraries.parties.iter().all(|party| party.whom.is_none()) {
        return String::new();
    }
    let mut text = String::new();
    for played in &outcome.played {
        let more = played.devices.len().saturating_sub(NAMED_MAX);
        let named = played.devices.iter().take(NAMED_MAX).map(|device| &**device).collect::<Vec<_>>().join(", ");
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(text, "{} plays {named}{rest}", played.implementation);
    }
    if !text.is_empty() {
        text.push_str("the reference plays the server, and every other device\n\n");
    }
    text
}
