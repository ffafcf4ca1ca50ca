//! What judging a run costs a message, and what the search for an order costs an operation where no revisions are seen.

mod support;

use std::hint::black_box;

use convoke::{check, world};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn judging(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checks/all of them");
    group.sample_size(10);
    for devices in [10, 1_000] {
        let rounds = 60_000 / u64::from(devices) / 10 + 1;
        let trace = world::sim::run(&support::calls_and_cancels(devices, rounds)).expect("made");
        group.throughput(Throughput::Elements(support::delivered(&trace)));
        group.bench_function(BenchmarkId::from_parameter(format!("{devices} devices")), |bencher| {
            bencher.iter(|| black_box(check::judge(&trace)));
        });
    }
    group.finish();
}

fn linearizability(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checks/linearizability");
    group.sample_size(10);
    let rounds = 20;
    let trace = world::sim::run(&support::calls_and_cancels(300, rounds)).expect("made");
    let histories = check::linearizability::from_trace(&trace);
    let operations: usize = histories.iter().map(|history| history.operations.len()).sum();
    group.throughput(Throughput::Elements(operations as u64));
    group.bench_function("read off the trace", |bencher| {
        bencher.iter(|| black_box(check::linearizability::from_trace(&trace)));
    });
    group.bench_function("searched for", |bencher| {
        bencher.iter(|| black_box(check::linearizability::explain(&histories, 1_000_000)));
    });
    group.finish();
}

criterion_group!(benches, judging, linearizability);
criterion_main!(benches);
