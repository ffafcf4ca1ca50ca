//! `convoke lint`: what is wrong with scenario files, all of it at once, without running them.

use super::args::Lint;
use super::output::Output;
use super::{Ending, run};
use crate::run::{OWN_SEED, Verdict, guard, plan};

pub(super) fn lint(arguments: &Lint, output: &mut Output) -> Ending {
    let targets = run::targets(&arguments.which)?;
    let mut worst = Verdict::Pass;
    for target in &targets {
        match guard::catch(|| plan(&target.path, OWN_SEED)) {
            Ok(Ok(plan)) => output.write(&format!("ok   {}  {}\n", target.name(), plan.title))?,
            Ok(Err(diagnostics)) => {
                worst = worst.max(Verdict::BadScenario);
                output.write(&format!("bad  {}\n\n{}\n\n", target.name(), diagnostics.render(output.page.colour)))?;
            }
            Err(panic) => {
                worst = Verdict::HarnessError;
                output.complain(&format!("convoke itself failed at {}: {panic}", target.name()));
            }
        }
    }
    Ok(worst.exit_code())
}
