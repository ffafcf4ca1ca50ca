//! A server that can only be seen from outside is judged by the same checks: what the devices saw of the whole corpus gives
//! no false alarm. That its faults still show is in `checks.rs`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use convoke::check;
use convoke::plan::{Attack, Latency, Link, Plan};
use convoke::run::{OWN_SEED, corpus, plan};
use convoke::time::Duration;
use convoke::trace::Trace;
use convoke::trace::outside::{Vantage, seen_by_devices};
use convoke::world::sim;

/// The corpus, but for what streams can't do: they lose, repeat and reorder nothing while they stand.
fn scenarios() -> Vec<(String, Plan)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let targets = corpus::find(std::slice::from_ref(&root)).expect("the corpus is there");
    let plans = targets.into_iter().map(|target| {
        let plan = plan(&target.path, OWN_SEED).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
        (target.name(), plan)
    });
    let streams = |plan: &Plan| {
        let mut links = plan.network.links.iter().map(|(_, link)| link).chain([&plan.network.link]);
        links.all(|link| link.loss == 0.0 && link.attack == Attack::default())
    };
    plans.filter(|(_, plan)| streams(plan)).collect()
}

/// How a scenario went, as its devices saw it.
fn seen(name: &str, plan: Plan) -> Option<Trace> {
    let trace = sim::run(&Arc::new(plan)).unwrap_or_else(|error| panic!("{name}: {error}"));
    seen_by_devices(&trace)
}

/// What the checks say, in words.
fn problems(trace: &Trace) -> Vec<String> {
    let judgement = check::judge(trace);
    let found = judgement.findings.iter().map(|one| format!("{}: {}", one.check, one.message));
    found.chain(judgement.undecided.clone()).collect()
}

#[test]
fn nothing_is_found_in_the_corpus_as_the_devices_saw_it() {
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut judged = 0;
    for (name, plan) in scenarios() {
        let Some(trace) = seen(&name, plan) else { continue };
        assert!(matches!(trace.vantage, Vantage::Devices { .. }));
        judged += 1;
        let problems = problems(&trace);
        if !problems.is_empty() {
            wrong.insert(name, problems);
        }
    }
    assert!(wrong.is_empty(), "{} of {judged}: {wrong:#?}", wrong.len());
    assert!(judged >= 300, "only {judged} scenarios can be seen from outside");
}

/// Scenarios that are not judged where ways are long, each with the reason.
const NOT_ON_LONG_WAYS: &[(&str, &str)] = &[
    ("lists/traversal-while-the-list-changes.yaml", "its pages are asked for at fixed times, before the last one came"),
    ("sessions/same-id-same-result.yaml", "a raw device asks before it knows which session it has"),
];

/// Messages of different devices then overtake one another on their ways, and nobody sees the order of the server.
#[test]
fn nothing_is_found_where_ways_are_long_and_uneven() {
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut judged = 0;
    for (name, mut plan) in scenarios() {
        let left_out = NOT_ON_LONG_WAYS.iter().any(|(left_out, _)| name.ends_with(left_out));
        if left_out || plan.network.link != Link::default() || !plan.network.links.is_empty() {
            continue;
        }
        plan.network.link.latency = Latency::Uniform(Duration::from_millis(1), Duration::from_millis(700));
        let Ok(trace) = sim::run(&Arc::new(plan)) else { continue };
        let Some(trace) = seen_by_devices(&trace) else { continue };
        judged += 1;
        let mut problems = problems(&trace);
        // What the author expects is expected of the network that the scenario asks for.
        problems.retain(|problem| !problem.starts_with("expectations: ") && !problem.starts_with("results: "));
        if !problems.is_empty() {
            wrong.insert(name, problems);
        }
    }
    assert!(wrong.is_empty(), "{} of {judged}: {wrong:#?}", wrong.len());
    assert!(judged >= 200, "only {judged} scenarios leave the network open");
}
