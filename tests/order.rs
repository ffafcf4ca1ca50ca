//! The search for an order (`check::linearizability`) over the whole corpus, as if nothing but the API were known: every
//! run of the reference has one, and it is found within the bound.

use std::path::{Path, PathBuf};

use convoke::check::linearizability::{EXPLORED_MAX, Verdict, explain, from_trace};
use convoke::run::{OWN_SEED, corpus, plan};
use convoke::world::sim;

#[test]
fn every_scenario_has_an_order_at_the_api() {
    let root =
        std::env::var("CORPUS").map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios"), PathBuf::from);
    let (mut inexplicable, mut histories_seen, mut t) =
        (Vec::new(), 0, (std::time::Duration::ZERO, std::time::Duration::ZERO));
    for target in corpus::find(std::slice::from_ref(&root)).expect("the corpus is there") {
        let Ok(plan) = plan(&target.path, OWN_SEED) else { continue };
        let b = std::time::Instant::now();
        let Ok(trace) = sim::run(&plan.into()) else { continue };
        t.0 += b.elapsed();
        let b = std::time::Instant::now();
        let histories = from_trace(&trace);
        histories_seen += histories.len();
        for (history, verdict) in histories.iter().zip(explain(&histories, EXPLORED_MAX)) {
            let (room, invitee) = (&history.room, &history.invitee);
            match verdict {
                Verdict::Linearizable => {}
                Verdict::NotLinearizable { prefix, before, .. } => inexplicable.push(format!(
                    "{}: {invitee} in {room}:\n  {}\n  before: {}",
                    target.name(),
                    prefix.join("\n  "),
                    before.join("; ")
                )),
                Verdict::Inconclusive { explored } => {
                    inexplicable.push(format!("{}: {invitee} in {room}: open after {explored} states", target.name()));
                }
            }
        }
        let e = b.elapsed();
        t.1 += e;
        if e.as_millis() > 50 {
            eprintln!("{} {e:?}", target.name());
        }
    }
    eprintln!("{histories_seen} histories, sim {:?} order {:?}", t.0, t.1);
    assert!(histories_seen > 0);
    assert!(inexplicable.is_empty(), "\n{}\n", inexplicable.join("\n\n"));
}
