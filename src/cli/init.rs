//! `convoke init`: a first scenario and how to go on from it.

use super::args::Init;
use super::output::Output;
use super::{Ending, Failure};
use crate::file;

/// What is written, in the folder `scenarios`.
const FILES: [(&str, &str); 2] =
    [("first-call.yaml", include_str!("init/first-call.yaml")), ("README.md", include_str!("init/README.md"))];

pub(super) fn init(arguments: &Init, output: &mut Output) -> Ending {
    let scenarios = arguments.folder.join("scenarios");
    if let Some((name, _)) = FILES.into_iter().find(|(name, _)| scenarios.join(name).exists()) {
        let there = scenarios.join(name);
        return Err(Failure::Usage(format!(
            "{} is there already and stays as it is; name another folder",
            there.display()
        )));
    }
    for (name, text) in FILES {
        let path = scenarios.join(name);
        file::write_whole(&path, |to| to.write_all(text.as_bytes()))?;
        output.write(&format!("wrote {}\n", path.display()))?;
    }
    output.write(&format!("\nnow try: convoke run {}\n", scenarios.display()))?;
    Ok(0)
}
