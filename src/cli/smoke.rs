//! `convoke smoke`: a new implementation, one step at a time. It says what works, what does not and where to read, and
//! what comes next; it stops at the first step that does not work.

use std::path::PathBuf;
use std::sync::Arc;

use super::args::Smoke;
use super::conform::{end_with_us, introduction};
use super::output::Output;
use super::{Ending, Failure};
use crate::implementation::{Contract, ProcessSpec, Talks};
use crate::report::terminal;
use crate::run::conform::Subject;
use crate::run::profile::Profile;
use crate::run::{OWN_SEED, Outcome, Recipe, SnapshotMode, Target, Verdict};
use crate::scenario;
use crate::world;

/// The steps behind the introduction, each with what it shows and a scenario for it.
const STEPS: [(&str, &str); 6] = [
    ("a room is created and entered", include_str!("smoke/room.yaml")),
    ("wrong arguments are refused", include_str!("smoke/refused.yaml")),
    ("an invitation arrives", include_str!("smoke/invite.yaml")),
    ("it is accepted", include_str!("smoke/accept.yaml")),
    ("it is cancelled", include_str!("smoke/cancel.yaml")),
    ("it runs out", include_str!("smoke/timeout.yaml")),
];

pub(super) fn smoke(arguments: &Smoke, output: &mut Output) -> Ending {
    end_with_us()?;
    let spec = ProcessSpec { command: arguments.server.clone(), patience: arguments.patience };
    let introduced = Talks::introduce(spec, arguments.contract.map(Contract::from), &world::bare_service_config());
    let (talks, introduced) = match introduced {
        Ok(introduced) => introduced,
        Err(fault) => {
            output.write(&format!(
                "1. it introduces itself: no\n{fault}\n\nnext: answer `hello` as its section says\n"
            ))?;
            return Ok(3);
        }
    };
    output.write(&format!("1. it introduces itself: yes\n   {}\n", introduction(&introduced)))?;
    let subject = Subject { talks: Arc::new(talks), introduced, profile: Profile::strict(), twice: true };
    for ((what, text), number) in STEPS.into_iter().zip(2..) {
        let path = PathBuf::from(format!("step-{number}.yaml"));
        let scenario = scenario::parse(&path.to_string_lossy(), text.into())
            .map_err(|found| Failure::Broken(format!("step {number} is no scenario: {}", found.render(false))))?;
        let target = Target { path: path.clone(), root: path };
        let recipe = Recipe { snapshots: SnapshotMode::Off, ..Recipe::default() };
        let mut outcome = subject.conform(&target, &scenario, OWN_SEED, &recipe);
        if outcome.verdict == Verdict::Pass {
            output.write(&format!("{number}. {what}: yes\n"))?;
            output.flush()?;
            continue;
        }
        let others = leave_the_first_cause(&mut outcome);
        output.write(&format!(
            "{number}. {what}: no\n{}",
            terminal::details_repeated_by(&outcome, &repeat(arguments), output.page)
        ))?;
        let follows = match others {
            0 => String::new(),
            1 => "; 1 more finding may follow from it".to_owned(),
            others => format!("; {others} more findings may follow from it"),
        };
        output.write(&format!("\nnext: mend this{follows}, and run it again\n"))?;
        return Ok(outcome.verdict.exit_code().max(1));
    }
    if let Err(fault) = subject.talks.close() {
        output.write(&format!("it takes its leave: no\n{fault}\n\nnext: answer `stop`, and exit\n"))?;
        return Ok(3);
    }
    let server = terminal::shell_word(&arguments.server);
    output.write(&format!("\nnext: the whole corpus, with `convoke conform --server {server} scenarios`\n"))?;
    Ok(0)
}

/// Leaves the finding that shows first, and of those that show at the same time the one that says what is broken; how many
/// others there are. Whoever begins wants to know what to mend now.
fn leave_the_first_cause(outcome: &mut Outcome) -> usize {
    let others = (outcome.findings.len() + outcome.findings_left_out).saturating_sub(1);
    let first = std::mem::take(&mut outcome.findings)
        .into_iter()
        .min_by_key(|finding| (finding.moment.unwrap_or(usize::MAX), finding.requirements.is_empty()));
    outcome.findings.extend(first);
    outcome.findings_left_out = 0;
    others
}

fn repeat(arguments: &Smoke) -> String {
    format!("convoke smoke --server {}", terminal::shell_word(&arguments.server))
}
