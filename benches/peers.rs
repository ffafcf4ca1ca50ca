//! The simulator beside what else could carry its messages: tokio's paused clock, and turmoil.
//!
//! All carry the same traffic: in every round each group's first device sends two requests, and each is answered by one
//! response and three events, over links of 20 ms. The simulator runs the whole protocol and keeps a trace; the peers only
//! carry messages, so what it says of the simulator is a lower bound. turmoil also appears as the world `turmoil`, which
//! runs the protocol over WebSocket and TCP.

mod support;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Duration;

use convoke::world;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::sleep;

const LATENCY: Duration = Duration::from_millis(20);

/// What a peer carries: as large as a typed message of the simulator.
type Parcel = Box<[u8; 160]>;

fn busy(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("peers/busy");
    group.sample_size(10);
    for devices in [99, 999] {
        let rounds = 6_000 / u64::from(devices) + 1;
        group.throughput(Throughput::Elements(support::messages_of(devices, rounds)));
        let plan = support::calls_and_cancels(devices, rounds);
        group.bench_function(BenchmarkId::new("the simulator, protocol and trace", devices), |bencher| {
            bencher.iter(|| world::sim::run(&plan).expect("made"));
        });
        group.bench_function(BenchmarkId::new("tokio, paused clock, messages alone", devices), |bencher| {
            bencher.iter(|| black_box(on_paused_tokio(devices, rounds)));
        });
        group.bench_function(BenchmarkId::new("turmoil on one host, messages alone", devices), |bencher| {
            bencher.iter(|| black_box(on_turmoil(devices, rounds)));
        });
    }
    // The world has its limits: two hundred devices, and a clock that ticks.
    let (devices, rounds) = (99, 10);
    let plan = support::calls_and_cancels(devices, rounds);
    group.throughput(Throughput::Elements(support::messages_of(devices, rounds)));
    group.bench_function(BenchmarkId::new("the world turmoil, the same protocol and trace", devices), |bencher| {
        bencher.iter(|| world::turmoil::run(&plan).expect("made"));
    });
    group.finish();
}

/// Every device a task, every link a channel that each message spends 20 ms in. How many messages arrived.
fn on_paused_tokio(devices: u32, rounds: u64) -> u64 {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let (to_server, mut at_server) = mpsc::unbounded_channel::<(u32, Parcel)>();
        let mut inboxes = BTreeMap::new();
        let mut ends = Vec::new();
        for device in 0..devices / 3 * 3 {
            let (inbox, mut parcels) = mpsc::unbounded_channel::<Parcel>();
            inboxes.insert(device, inbox);
            let to_server = to_server.clone();
            ends.push(tokio::spawn(async move {
                let mut heard = 0;
                // The first of a group hears a response and an event for each request, the others an event.
                let expected = if device % 3 == 0 { rounds * 4 } else { rounds * 2 };
                if device % 3 == 0 {
                    let sender = to_server.clone();
                    tokio::spawn(async move {
                        for _ in 0..rounds * 2 {
                            sleep(LATENCY).await;
                            let _ = sender.send((device, Box::new([0; 160])));
                            sleep(Duration::from_millis(480)).await;
                        }
                    });
                }
                while heard < expected && parcels.recv().await.is_some() {
                    heard += 1;
                }
                heard
            }));
        }
        drop(to_server);
        let server = tokio::spawn(async move {
            let mut taken = 0;
            while let Some((device, _)) = at_server.recv().await {
                taken += 1;
                for to in [device, device, device + 1, device + 2] {
                    let inbox = inboxes[&to].clone();
                    tokio::spawn(async move {
                        sleep(LATENCY).await;
                        let _ = inbox.send(Box::new([0; 160]));
                    });
                }
            }
            taken
        });
        let mut heard = 0;
        for end in ends {
            heard += end.await.expect("it ends");
        }
        heard + server.await.expect("it ends")
    })
}

/// All devices are tasks of one host, the server is another, and messages are 160 bytes over turmoil's TCP.
fn on_turmoil(devices: u32, rounds: u64) -> u64 {
    let mut sim = turmoil::Builder::new()
        .rng_seed(1)
        .epoch(std::time::SystemTime::UNIX_EPOCH)
        .simulation_duration(Duration::from_secs(3_600))
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(LATENCY)
        .max_message_latency(LATENCY)
        .tcp_capacity(4096)
        .build();
    let (count, mut counted) = mpsc::unbounded_channel();
    sim.host("server", || async {
        let listener = turmoil::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)).await?;
        loop {
            // One connection a group: what the three devices of it hear comes over it.
            let (mut stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                let mut parcel = [0_u8; 160];
                while stream.read_exact(&mut parcel).await.is_ok() {
                    for _ in 0..4 {
                        if stream.write_all(&parcel).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    sim.client("devices", async move {
        let mut groups = Vec::new();
        for _ in 0..devices / 3 {
            let count = count.clone();
            groups.push(tokio::spawn(async move {
                let mut stream = turmoil::net::TcpStream::connect(("server", 80)).await.expect("a way");
                let mut parcel = [0_u8; 160];
                for _ in 0..rounds * 2 {
                    stream.write_all(&parcel).await.expect("it is open");
                    for _ in 0..4 {
                        stream.read_exact(&mut parcel).await.expect("it is open");
                    }
                    let _ = count.send(5_u64);
                    sleep(Duration::from_millis(460)).await;
                }
            }));
        }
        for group in groups {
            group.await?;
        }
        Ok(())
    });
    sim.run().expect("it runs");
    let mut messages = 0;
    while let Ok(some) = counted.try_recv() {
        messages += some;
    }
    messages
}

criterion_group!(benches, busy);
criterion_main!(benches);
