//! `convoke merge`: the results of shards become those of the whole run.
//!
//! Histograms and counts add up exactly, for load results (`load --json`) and for ledgers of sweeps (`run --ledger`). What
//! is no part of the same run is refused.

use std::path::Path;

use super::args::{Format, Merge};
use super::load::{self, Judgement};
use super::output::Output;
use super::{Ending, Failure};
use crate::file;
use crate::load::LoadResult;
use crate::report::terminal;
use crate::run::ledger::Ledger;

pub(super) fn merge(arguments: &Merge, output: &mut Output) -> Ending {
    let mut whole: Option<Part> = None;
    for path in &arguments.files {
        let part = read(path)?;
        whole = Some(match whole {
            None => part,
            Some(whole) => whole.and(part, path)?,
        });
    }
    match whole {
        Some(Part::Load(result)) => {
            let conditions = load::conditions(&arguments.fail_if)?;
            let judgement = Judgement::of(&result, &conditions);
            load::write(&arguments.files_to_write(), &result)?;
            if arguments.format == Format::Json {
                output.write(&load::json(&result))?;
            } else {
                load::tell(&result, &judgement, output)?;
            }
            Ok(judgement.exit_code())
        }
        Some(Part::Ledger(ledger)) => {
            if !arguments.fail_if.is_empty() || arguments.html.is_some() || arguments.hgrm.is_some() {
                let words = "these are ledgers of `convoke run`: --fail-if, --html and --hgrm are for load results";
                return Err(Failure::Usage(words.to_owned()));
            }
            if let Some(path) = &arguments.json {
                file::write_whole(path, |to| ledger.write(to))?;
            }
            match arguments.format {
                Format::Json => output.write(&ledger.to_lines())?,
                Format::Human => output.write(&terminal::ledger(&ledger, output.page))?,
            }
            Ok(ledger.exit_code())
        }
        // The arguments have at least one file.
        None => Ok(0),
    }
}

enum Part {
    Load(Box<LoadResult>),
    Ledger(Ledger),
}

impl Part {
    fn and(self, other: Self, path: &Path) -> Result<Self, Failure> {
        let refused = |words: String| Failure::Usage(format!("can't add {}: {words}", path.display()));
        match (self, other) {
            (Self::Load(mut whole), Self::Load(part)) => {
                whole.add(&part).map_err(|error| refused(error.to_string()))?;
                Ok(Self::Load(whole))
            }
            (Self::Ledger(mut whole), Self::Ledger(part)) => {
                whole.add(part).map_err(refused)?;
                Ok(Self::Ledger(whole))
            }
            _ => Err(refused("it is a load result among ledgers, or a ledger among load results".to_owned())),
        }
    }
}

fn read(path: &Path) -> Result<Part, Failure> {
    let refused = |words: String| Failure::Usage(format!("{}: {words}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| refused(format!("can't read it: {error}")))?;
    if text.starts_with("{\"convokeLedger\"") {
        return Ledger::read(&text).map(Part::Ledger).map_err(refused);
    }
    LoadResult::from_json(&text).map(|result| Part::Load(Box::new(result))).map_err(refused)
}
