//! The command line: the only part that knows arguments, standard streams and the machine's clock.
//!
//! Commands put the pieces together and say what came of it. Exit codes: 0 all is well, 1 a check failed, a snapshot
//! differs, or a run says nothing, 2 wrong usage or a file that is no scenario, 3 Convoke or the machine broke.

// What becomes of a result.
mod compare;
mod report;
mod reports;

mod args;
mod clock;
mod completions;
#[cfg(feature = "net")]
mod conform;
#[cfg(feature = "net")]
mod crashes;
mod explain;
mod init;
mod judge;
mod last_failed;
#[cfg(feature = "net")]
mod libraries;
mod lint;
#[cfg(feature = "net")]
mod load;
#[cfg(feature = "net")]
mod merge;
mod mutants;
mod output;
mod progress;
#[cfg(feature = "net")]
mod reference;
mod requirements;
mod review;
mod run;
mod schema;
#[cfg(feature = "net")]
mod serve;
#[cfg(feature = "net")]
mod smoke;

use std::io;
use std::process::ExitCode;

use clap::Parser as _;

use crate::file::FileError;
use crate::run::corpus::CorpusError;
use args::{Arguments, Command};
use output::Output;

/// Why a command ends without saying more.
#[derive(Debug)]
enum Failure {
    /// The user asked for something that can't be: exit code 2.
    Usage(String),
    /// The machine or Convoke broke: exit code 3.
    Broken(String),
    /// Nobody takes what is written.
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<CorpusError> for Failure {
    fn from(error: CorpusError) -> Self {
        match error {
            CorpusError::File(error) => error.into(),
            error => Self::Usage(error.to_string()),
        }
    }
}

/// How a command ends: with this exit code, or with a failure that is still to be told.
type Ending = Result<u8, Failure>;

/// What the shell reports for a program that wrote into a closed pipe (128 + SIGPIPE).
const CLOSED_PIPE: u8 = 141;

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are errors to clap, with the exit code 0. A closed stream changes nothing.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let mut output = Output::standard();
    let ending = match arguments.command {
        Command::Run(arguments) => run::run(&arguments, &mut output),
        Command::Report(arguments) => report::report(&arguments, &mut output),
        Command::Compare(arguments) => compare::compare(&arguments, &mut output),
        #[cfg(feature = "net")]
        Command::Conform(arguments) => conform::conform(&arguments, &mut output),
        #[cfg(feature = "net")]
        Command::Smoke(arguments) => smoke::smoke(&arguments, &mut output),
        #[cfg(feature = "net")]
        Command::Reference(arguments) => reference::reference(&arguments),
        Command::Lint(arguments) => lint::lint(&arguments, &mut output),
        Command::Explain(arguments) => explain::explain(&arguments, &mut output),
        Command::Review(arguments) => review::review(&arguments, &mut output),
        Command::Judge(arguments) => judge::judge(&arguments, &mut output),
        Command::Mutants(arguments) => mutants::mutants(&arguments, &mut output),
        Command::Requirements(arguments) => requirements::requirements(&arguments, &mut output),
        Command::Schema(arguments) => schema::schema(&arguments, &mut output),
        Command::Init(arguments) => init::init(&arguments, &mut output),
        #[cfg(feature = "net")]
        Command::Serve(arguments) => serve::serve(&arguments, &mut output),
        #[cfg(feature = "net")]
        Command::Crashes(arguments) => crashes::crashes(&arguments, &mut output),
        #[cfg(feature = "net")]
        Command::Load(arguments) => load::load(&arguments, &mut output),
        #[cfg(feature = "net")]
        Command::Merge(arguments) => merge::merge(&arguments, &mut output),
        Command::Completions(arguments) => completions::completions(&arguments, &mut output),
    };
    let code = match ending.and_then(|code| output.flush().map(|()| code).map_err(Failure::from)) {
        Ok(code) => code,
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => CLOSED_PIPE,
        Err(Failure::Output(error)) => {
            output.complain(&format!("can't write to standard output: {error}"));
            3
        }
        Err(Failure::Usage(words)) => {
            output.complain(&words);
            2
        }
        Err(Failure::Broken(words)) => {
            output.complain(&words);
            3
        }
    };
    ExitCode::from(code)
}
