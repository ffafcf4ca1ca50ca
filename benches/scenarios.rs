//! Whole small scenarios a second, and how long it takes to load one.

use std::hint::black_box;
use std::sync::Arc;

use convoke::plan::Plan;
use convoke::plan::compile::compile;
use convoke::seed::Seed;
use convoke::{check, scenario, trace, world};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Six devices and sixty virtual seconds: one call is answered, one rings until it times out.
const SMALL: &str = "
version: 1
title: One call is answered and another rings for a minute.
covers: [ACC-3, TMO-5]
users:
  alice: {devices: [web]}
  bob: {devices: [phone, tablet]}
  carol: {devices: [phone, web]}
  dave: {devices: [desktop]}
rooms:
  r1: {owner: alice, members: [alice.web, dave.desktop]}
steps:
  - device: alice.web
    inviteUsers: {roomId: r1, userIdList: [bob, carol], timeout: 60}
    returns: {bob: kSuccess, carol: kSuccess}
  - after: {seen: onReceiveInvitation, by: bob.phone, delay: 1s}
    device: bob.phone
    accept: {roomId: r1}
  - after: {returned: accept, by: bob.phone}
    device: bob.phone
    enterRoom: {roomId: r1}
expect:
  - device: bob.tablet
    sequence: [onReceiveInvitation, {onInvitationHandledByOtherDevice: {accepted: true}}]
  - device: carol.phone
    sequence: [onReceiveInvitation, onInvitationTimeout]
";

fn plan(text: &str) -> Arc<Plan> {
    let scenario = scenario::parse("bench.yaml", text.into()).expect("the scenario reads");
    Arc::new(compile(&scenario, Seed(1)).expect("the scenario compiles"))
}

/// A scenario of about this many bytes: one call after another.
fn large(bytes: usize) -> String {
    let mut text = SMALL.split("steps:").next().expect("there is a beginning").to_owned() + "steps:\n";
    let mut second = 0;
    while text.len() < bytes {
        text.push_str(&format!(
            "  - at: {second}s\n    device: alice.web\n    inviteUsers: {{roomId: r1, userIdList: [bob], timeout: 1}}\n"
        ));
        second += 2;
    }
    text
}

fn small(criterion: &mut Criterion) {
    let plan = plan(SMALL);
    let mut group = criterion.benchmark_group("a scenario of six devices and sixty virtual seconds");
    group.bench_function("simulated", |bencher| bencher.iter(|| world::sim::run(&plan).expect("made")));
    group.bench_function("simulated and judged", |bencher| {
        bencher.iter(|| black_box(check::judge(&world::sim::run(&plan).expect("made"))));
    });
    group.bench_function("from its text to its snapshot", |bencher| {
        bencher.iter(|| {
            let plan = self::plan(SMALL);
            let trace = world::sim::run(&plan).expect("made");
            black_box((check::judge(&trace), trace::text::canonical(&trace)))
        });
    });
    group.finish();
}

fn loading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("loading");
    for (name, text) in [("a small scenario", SMALL.to_owned()), ("a scenario of 5 MB", large(5_000_000))] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.sample_size(10);
        group.bench_function(name, |bencher| bencher.iter(|| plan(&text)));
    }
    group.finish();
}

criterion_group!(benches, small, loading);
criterion_main!(benches);
