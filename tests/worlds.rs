//! The worlds over the real IO driver: what turmoil can enact ends well there, and nobody hears another story than in the
//! simulator; the same seed gives the same run in two processes; and a server process on real sockets tells that story, too.
#![cfg(all(feature = "cli", feature = "net"))]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use convoke::check;
use convoke::plan::{Action, Plan, Step, WorldName};
use convoke::run::{OWN_SEED, Target, corpus, plan};
use convoke::trace::outside::Vantage;
use convoke::trace::{Occurrence, Trace};
use convoke::world::{WorldError, live, sim, turmoil};

/// What each device hears of each call, in order: the invitation events by device, room instance and invitee.
type Story = BTreeMap<String, Vec<&'static str>>;

fn story(trace: &Trace) -> Story {
    let mut story = Story::new();
    for moment in &trace.moments {
        let Occurrence::Heard { device, event } = &moment.what else { continue };
        let Some((room, about)) =
            event.event.room_id().zip(event.stamp.as_ref().and_then(|stamp| stamp.about.as_ref()))
        else {
            continue;
        };
        let lane = format!("{} of {} in {room}", trace.plan.device(*device).name, about.invitee);
        story.entry(lane).or_default().push(event.event.name().name());
    }
    story
}

/// Scenarios whose story is not the simulator's, each with what the protocol leaves open there.
const ANOTHER_STORY: &[(&str, &str)] = &[];

fn scenarios() -> Vec<(String, Plan)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let named = |target: Target| {
        let plan = plan(&target.path, OWN_SEED).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
        let below = target.path.strip_prefix(&root).expect("it was found there");
        (below.display().to_string(), plan)
    };
    corpus::find(std::slice::from_ref(&root)).expect("the corpus is there").into_iter().map(named).collect()
}

#[test]
fn turmoil_tells_the_simulators_story() {
    let mut enacted = 0;
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, plan) in scenarios() {
        if !plan.worlds.is_empty() && !plan.worlds.contains(&WorldName::Turmoil) {
            continue;
        }
        let plan = Arc::new(plan.without_times());
        let there = match turmoil::run(&plan) {
            Ok(trace) => trace,
            Err(WorldError::Unsupported { .. }) => continue,
            Err(error) => panic!("{name}: {error}"),
        };
        enacted += 1;
        let mut problems: Vec<String> =
            check::judge(&there).findings.into_iter().map(|finding| finding.message).collect();
        let here = sim::run(&plan).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (here, there) = (story(&here), story(&there));
        if here != there {
            let lanes = here.keys().chain(there.keys()).filter(|lane| here.get(*lane) != there.get(*lane));
            problems
                .extend(lanes.map(|lane| format!("{lane}: {:?} in sim, {:?} here", here.get(lane), there.get(lane))));
        }
        let excused = ANOTHER_STORY.iter().any(|(excused, _)| *excused == name);
        if problems.is_empty() == excused {
            wrong.insert(name, problems);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(enacted >= 150, "turmoil enacts only {enacted} scenarios");
}

/// Runs the binary in another world, and gives each outcome's verdict and trace hash.
fn outcomes(world: &str, paths: &[&str], jobs: &str) -> Vec<(String, String, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_convoke"))
        .args(["run", "--world", world, "--ci", "--format", "json", "--jobs", jobs])
        .args(paths)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the binary runs");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    report["scenarios"]
        .as_array()
        .expect("a list of scenarios")
        .iter()
        .map(|outcome| (text(&outcome["path"]), text(&outcome["verdict"]), text(&outcome["traceHash"])))
        .collect()
}

#[test]
fn two_processes_record_the_same_traces_over_turmoil() {
    // Faults of every kind that it has, and a server that dies.
    let folders = ["scenarios/faults", "scenarios/races", "scenarios/sessions"];
    let (alone, together) = (outcomes("turmoil", &folders, "1"), outcomes("turmoil", &folders, "2"));
    let hashes = alone.iter().filter(|(.., hash)| !hash.is_empty()).count();
    assert!(hashes >= 20, "only {hashes} scenarios were enacted");
    assert_eq!(alone, together);
}

/// What is wrong with a run of a scenario in real time, if it can be enacted there.
fn live_problems(name: &str, plan: &Plan) -> Option<(Vec<String>, bool)> {
    let plan = Arc::new(plan.without_times());
    let there = match live::run(&plan, live::Options::default()) {
        Ok(trace) => trace,
        Err(WorldError::Unsupported { .. }) => return None,
        Err(error) => return Some((vec![error.to_string()], false)),
    };
    assert!(matches!(there.vantage, Vantage::Devices { .. }), "the server is another process");
    let here = sim::run(&plan).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut problems: Vec<String> = check::judge(&there).findings.into_iter().map(|finding| finding.message).collect();
    // What several devices do at one instant comes in any order.
    let several = |step: &Step| matches!(&step.action, Action::Call { devices, .. } if devices.len() > 1);
    if story(&here) != story(&there) && !plan.steps.iter().any(several) {
        problems.push(format!("{:?} in sim, {:?} here", story(&here), story(&there)));
    }
    let dies = there.moments.iter().any(|moment| moment.what == Occurrence::ServerCrashed);
    Some((problems, dies))
}

#[test]
fn a_server_process_tells_the_simulators_story() {
    let mut plans: Vec<(String, Plan)> = scenarios();
    plans.retain(|(_, plan)| plan.worlds.is_empty() || plan.worlds.contains(&WorldName::Live));
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    // Real time mostly passes in waiting.
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                while let Some((name, plan)) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some((problems, dies)) = live_problems(name, plan) {
                        done.lock().unwrap().push((name, problems, dies));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    // Real time on a busy machine decides a race now and then: what went wrong beside others gets one more run alone, and
    // is told of even so.
    for (name, problems, dies) in done.iter_mut().filter(|(_, problems, _)| !problems.is_empty()) {
        eprintln!("run again alone: {name}: {problems:#?}");
        let (_, plan) = plans.iter().find(|(known, _)| known == *name).expect("it was run");
        (*problems, *dies) = live_problems(name, plan).expect("it could be enacted before");
    }
    let wrong: Vec<_> = done.iter().filter(|(_, problems, _)| !problems.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let enacted = done.len();
    assert!(enacted >= 120, "only {enacted} scenarios can be enacted in real time");
    let killed = done.iter().filter(|(.., dies)| *dies).count();
    assert!(killed >= 8, "only in {killed} scenarios the server is killed");
}

#[test]
fn what_a_world_cannot_do_is_unsupported_and_well() {
    let output = Command::new(env!("CARGO_BIN_EXE_convoke"))
        .args(["run", "--world", "turmoil", "--ci", "scenarios/invalid/reasons-that-are-none.yaml"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the binary runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("the world `turmoil` can't enact it: raw devices"), "{text}");
    assert!(text.contains("1 unsupported"), "{text}");
}
