//! `convoke review`: new and changed snapshots, one by one, accepted or rejected by a person.

use std::io::{self, BufRead as _, IsTerminal as _};

use super::args::Review;
use super::output::Output;
use super::{Ending, Failure};
use crate::report::terminal::snapshot_diff;
use crate::snapshot::{self, Pending};

pub(super) fn review(arguments: &Review, output: &mut Output) -> Ending {
    let mut files = Vec::new();
    match &arguments.snapshots {
        Some(folder) => files.extend(snapshot::pending_in(folder)?),
        None => {
            for path in &arguments.paths {
                if !path.exists() {
                    return Err(Failure::Usage(format!("there is no {}; name the scenarios", path.display())));
                }
                for folder in snapshot::folders(path)? {
                    files.extend(snapshot::pending_in(&folder)?);
                }
            }
        }
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        output.write("no snapshot waits\n")?;
        return Ok(0);
    }
    let asking = !arguments.accept && !arguments.reject;
    if asking && !(output.watched && io::stdin().is_terminal()) {
        let waiting =
            if files.len() == 1 { "a snapshot waits".to_owned() } else { format!("{} snapshots wait", files.len()) };
        let words = format!("{waiting}, and nobody can be asked: say --accept or --reject");
        return Err(Failure::Usage(words));
    }
    let here = std::env::current_dir().unwrap_or_default();
    let all = files.len();
    for (index, file) in files.into_iter().enumerate() {
        let pending = Pending::read(file)?;
        let target = pending.target();
        let name = target.strip_prefix(&here).unwrap_or(&target).display().to_string();
        if asking {
            output.write(&format!("\n{} of {all}: {name}\n\n", index + 1))?;
            output.write(&shown(&pending, output))?;
        }
        match if asking { ask(output)? } else { Choice::always(arguments.accept) } {
            Choice::Accept => {
                pending.accept()?;
                output.write(&format!("accepted {name}\n"))?;
            }
            Choice::Reject => {
                pending.reject()?;
                output.write(&format!("rejected {name}\n"))?;
            }
            Choice::Skip => {}
            Choice::Quit => break,
        }
    }
    Ok(0)
}

fn shown(pending: &Pending, output: &Output) -> String {
    match &pending.recorded {
        Some(recorded) => snapshot_diff(recorded, &pending.proposed, output.page),
        None => format!("{}\n", pending.proposed),
    }
}

enum Choice {
    Accept,
    Reject,
    Skip,
    Quit,
}

impl Choice {
    const fn always(accept: bool) -> Self {
        if accept { Self::Accept } else { Self::Reject }
    }
}

fn ask(output: &mut Output) -> Result<Choice, Failure> {
    loop {
        output.write("\n[a]ccept  [r]eject  [s]kip  [q]uit? ")?;
        output.flush()?;
        let mut answer = String::new();
        // The end of the input is the end of the review.
        if io::stdin().lock().read_line(&mut answer)? == 0 {
            return Ok(Choice::Quit);
        }
        match answer.trim() {
            "a" | "accept" => return Ok(Choice::Accept),
            "r" | "reject" => return Ok(Choice::Reject),
            "s" | "skip" | "" => return Ok(Choice::Skip),
            "q" | "quit" => return Ok(Choice::Quit),
            _ => {}
        }
    }
}
