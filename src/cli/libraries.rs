//! `convoke conform --device`: client libraries of somebody else, which devices each of them plays, and who plays the server.

use std::fmt::Write as _;
use std::sync::Arc;

use super::Failure;
use super::args::Tested;
use super::conform::introduction as server_introduction;
use crate::implementation::ProcessSpec;
use crate::implementation::device::{CONTRACT, Crew, LibraryAnswer, Serves};
use crate::run::Outcome;
use crate::run::conform::Subject;
use crate::run::libraries::{Libraries, Party};
use crate::run::profile::Profile;
use crate::scenario::Selector;

/// Asks each library who it is.
pub(super) fn find(
    tested: &Tested,
    server: Option<Subject>,
    twice: bool,
    profile: Profile,
) -> Result<Libraries, Failure> {
    let parties = tested.whom.device.iter().map(|text| {
        let (whom, command) = named(text);
        let spec = ProcessSpec { command: command.to_owned(), patience: tested.patience };
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
    Ok(Libraries { parties, server, profile, twice })
}

/// Whom a library plays, if that is said, and its command.
fn named(text: &str) -> (Option<Selector>, &str) {
    let split = text.split_once('=').and_then(|(whom, command)| Some((Selector::parse(whom).ok()?, command)));
    match split {
        Some((whom, command)) => (Some(whom), command),
        None => (None, text),
    }
}

/// Who they are: their names, their versions, and the contracts.
pub(super) fn identity(libraries: &Libraries) -> (String, String, String) {
    let server = || libraries.server.iter().map(|server| &server.introduced);
    let answers = || libraries.parties.iter().map(|party| party.crew.answer());
    let joined = |words: Vec<&str>| words.join(" + ");
    let names = server().map(|server| &server.name).chain(answers().map(|answer| &answer.name));
    let versions = server().map(|server| &server.version).chain(answers().map(|answer| &answer.version));
    let contracts = server().map(|server| server.contract.name()).chain([CONTRACT]);
    (
        joined(names.map(String::as_str).collect()),
        joined(versions.map(String::as_str).collect()),
        joined(contracts.collect()),
    )
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
    let server = libraries.server.iter().map(|server| server_introduction(&server.introduced));
    server.chain(libraries.parties.iter().map(line)).collect::<Vec<_>>().join("\n")
}

/// Who played whom, for people, where that is not plain.
pub(super) fn played(libraries: &Libraries, outcome: &Outcome) -> String {
    const NAMED_MAX: usize = 8;
    if libraries.server.is_none() && libraries.parties.iter().all(|party| party.whom.is_none()) {
        return String::new();
    }
    let mut text = String::new();
    for played in &outcome.played {
        if played.server {
            let _ = writeln!(text, "{} plays the server", played.implementation);
            continue;
        }
        let more = played.devices.len().saturating_sub(NAMED_MAX);
        let named = played.devices.iter().take(NAMED_MAX).map(|device| &**device).collect::<Vec<_>>().join(", ");
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(text, "{} plays {named}{rest}", played.implementation);
    }
    if !text.is_empty() {
        text.push_str(match libraries.server {
            Some(_) => "the reference plays every other device\n\n",
            None => "the reference plays the server, and every other device\n\n",
        });
    }
    text
}
