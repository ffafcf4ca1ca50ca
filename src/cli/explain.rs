//! `convoke explain`: the plan in words, before anything runs.

use super::args::Explain;
use super::output::Output;
use super::{Ending, Failure};
use crate::report;
use crate::run::{corpus, plan};

pub(super) fn explain(arguments: &Explain, output: &mut Output) -> Ending {
    let targets = corpus::find(std::slice::from_ref(&arguments.file))?;
    let [target] = &*targets else {
        return Err(Failure::Usage("explain takes one scenario file at a time".to_owned()));
    };
    match plan(&target.path, arguments.seed) {
        Ok(plan) => {
            output.write(&report::explain::explain(&plan))?;
            Ok(0)
        }
        Err(diagnostics) => {
            output.write(&format!("{}\n", diagnostics.render(output.page.colour)))?;
            Ok(2)
        }
    }
}
