//! `convoke completions`: clap knows how.

use clap::CommandFactory as _;

use super::Ending;
use super::args::{Arguments, Completions};
use super::output::Output;

pub(super) fn completions(arguments: &Completions, output: &mut Output) -> Ending {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "convoke", &mut script);
    output.write(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
