//! How many messages a second the simulator delivers, with and without the checks, and what idle devices cost.

mod support;

use std::hint::black_box;
use std::sync::Arc;

use convoke::plan::{Account, DeviceIndex, Plan, Step, When};
use convoke::protocol::call::Call;
use convoke::protocol::vocabulary::{Platform, UserId};
use convoke::time::Instant;
use convoke::{check, world};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn busy(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("simulator/busy");
    group.sample_size(10);
    for devices in [10, 100, 1_000, 100_000] {
        let rounds = 60_000 / u64::from(devices).max(1) / 10 + 1;
        let plan = support::calls_and_cancels(devices, rounds);
        let delivered = support::delivered(&world::sim::run(&plan).expect("made"));
        group.throughput(Throughput::Elements(delivered));
        group.bench_function(format!("{devices} devices, trace only"), |bencher| {
            bencher.iter_batched(
                || plan.clone(),
                |plan| world::sim::run(&plan).expect("made"),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(format!("{devices} devices, trace and checks"), |bencher| {
            bencher.iter(|| black_box(check::judge(&world::sim::run(&plan).expect("made"))));
        });
    }
    group.finish();
}

fn idle(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("simulator/a virtual day, mostly idle");
    group.sample_size(10);
    for devices in [100, 1_000, 10_000] {
        let plan = mostly_idle(devices);
        group.throughput(Throughput::Elements(u64::from(devices)));
        group.bench_function(format!("{devices} devices"), |bencher| {
            bencher.iter(|| world::sim::run(&plan).expect("made"));
        });
    }
    group.finish();
}

/// As many devices that are connected and do nothing for a virtual day, and one group that calls once.
fn mostly_idle(devices: u32) -> Arc<Plan> {
    let mut plan = (*support::calls_and_cancels(3, 1)).clone();
    let day = Instant::from_millis(86_400_000);
    for number in 3..devices {
        let user = format!("idle-{number}");
        plan.accounts.push(Account {
            user_id: UserId::from(user.as_str()),
            user_name: user.as_str().into(),
            avatar_url: "".into(),
        });
        plan.devices.push(support::device_of(&user, Platform::Phone));
        plan.setup[0].push(support::setup(DeviceIndex(number), Call::Login { user_sig: "".into() }));
    }
    let last = plan.steps[0].clone();
    plan.steps.push(Step { when: When::At(day), ..last });
    Arc::new(plan)
}

criterion_group!(benches, busy, idle);
criterion_main!(benches);
