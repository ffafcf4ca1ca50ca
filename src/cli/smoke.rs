//! `convoke smoke`: a new implementation, one step at a time. It says what works, what does not and where to read, and
//! what comes next; it stops at the first step that does not work.

use std::path::PathBuf;

use super::args::Smoke;
use super::conform::{Party, Runs, arguments_of, end_with_us};
use super::output::Output;
use super::{Ending, Failure};
use crate::report::terminal;
use crate::run::profile::Profile;
use crate::run::{OWN_SEED, Outcome, Problem, Recipe, SnapshotMode, Target, Verdict};
use crate::scenario;

/// One step behind the introduction: what it shows, and a scenario for it.
type Step = (&'static str, &'static str);

/// What every implementation is asked for.
const STEPS: [Step; 6] = [
    ("a room is created and entered", include_str!("smoke/room.yaml")),
    ("wrong arguments are refused", include_str!("smoke/refused.yaml")),
    ("an invitation arrives", include_str!("smoke/invite.yaml")),
    ("it is accepted", include_str!("smoke/accept.yaml")),
    ("it is cancelled", include_str!("smoke/cancel.yaml")),
    ("it runs out", include_str!("smoke/timeout.yaml")),
];

/// What only a client library is asked for.
const OF_A_LIBRARY: [Step; 4] = [
    ("a device that was away rings when it is back", include_str!("smoke/away.yaml")),
    ("what was not answered is sent again, and counts once", include_str!("smoke/repeated.yaml")),
    ("a call that nobody answers comes to an end", include_str!("smoke/silent.yaml")),
    ("handlers are called", include_str!("smoke/handlers.yaml")),
];

/// What only an SDK with its server is asked for.
const OF_A_SYSTEM: [Step; 2] = [
    ("a device that was away rings when it is back", include_str!("smoke/away.yaml")),
    ("a program that died is started again", include_str!("smoke/killed.yaml")),
];

pub(super) fn smoke(arguments: &Smoke, output: &mut Output) -> Ending {
    end_with_us()?;
    let tested = &arguments.tested;
    // Whoever begins waits for nothing: what fails is told at once.
    let runs = Runs { twice: true, attempts: 1 };
    // A server that runs somewhere says nothing of itself.
    let first = match tested.whom.url {
        Some(_) => "it can be reached",
        None => "it introduces itself",
    };
    let subject = match Party::find(tested, runs, Profile::strict(), output) {
        Ok(subject) => subject,
        Err(Failure::Broken(words)) => {
            let next = match tested.whom.url {
                Some(_) => "start the server, and name the address where it listens",
                None => "see that it starts, and answer `hello` as that section says",
            };
            output.write(&format!("1. {first}: no\n{words}\n\nnext: {next}, and run it again\n"))?;
            return Ok(3);
        }
        Err(failure) => return Err(failure),
    };
    let introduction = subject.introduction().replace('\n', "\n   ");
    output.write(&format!("1. {first}: yes\n   {introduction}\n"))?;
    output.flush()?;
    let more: &[Step] = match &subject {
        Party::Server(_) => &[],
        Party::Libraries(_) => &OF_A_LIBRARY,
        Party::System(_) | Party::Url(_) => &OF_A_SYSTEM,
    };
    let repeat = format!("convoke smoke {}", arguments_of(tested));
    for ((what, text), number) in STEPS.iter().chain(more).zip(2..) {
        let mut outcome = play(&subject, number, text)?;
        match outcome.verdict {
            Verdict::Pass => output.write(&format!("{number}. {what}: yes\n"))?,
            Verdict::Unsupported => output.write(&format!("{number}. {what}: left out, {}\n", reason(&outcome)))?,
            _ => {
                let others = leave_the_first_cause(&mut outcome);
                let details = terminal::details_repeated_by(&outcome, &repeat, output.page);
                output.write(&format!("{number}. {what}: no\n{details}"))?;
                let follows = match others {
                    0 => String::new(),
                    1 => "; 1 more finding may follow from it".to_owned(),
                    others => format!("; {others} more findings may follow from it"),
                };
                output.write(&format!("\nnext: mend this{follows}, and run it again\n"))?;
                return Ok(outcome.verdict.exit_code().max(1));
            }
        }
        output.flush()?;
    }
    if let Err(fault) = subject.close() {
        output.write(&format!("it takes its leave: no\n{fault}\n\nnext: answer `stop`, and exit\n"))?;
        return Ok(3);
    }
    output.write(&format!("\nnext: the whole corpus, with `convoke conform {} scenarios`\n", arguments_of(tested)))?;
    Ok(0)
}

fn play(subject: &Party, number: usize, text: &str) -> Result<Outcome, Failure> {
    let path = PathBuf::from(format!("step-{number}.yaml"));
    let scenario = scenario::parse(&path.to_string_lossy(), text.into())
        .map_err(|found| Failure::Broken(format!("step {number} is no scenario: {}", found.render(false))))?;
    let target = Target { path: path.clone(), root: path };
    let recipe = Recipe { snapshots: SnapshotMode::Off, ..Recipe::default() };
    Ok(subject.play(&target, &scenario, OWN_SEED, &recipe))
}

/// Why a step could not be tried.
fn reason(outcome: &Outcome) -> &str {
    match &outcome.problem {
        Some(Problem::Words(words, _)) => words,
        _ => "it can't be played",
    }
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
