//! What one step of the server costs, by operation and by the size of the room, and what it takes to tell every member.
//!
//! Each iteration is a pair of requests that leaves the room as it was, so that a long measurement meets the same state
//! as a short one.

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::Arc;

use convoke::protocol::Node;
use convoke::protocol::bounds::Bounds;
use convoke::protocol::call::{Call, DeviceIdentity};
use convoke::protocol::message::{ClientMessage, ConnectionNo, Content, Login, Request};
use convoke::protocol::service::{Service, ServiceConfig, ServiceInput, ServiceOutput};
use convoke::protocol::vocabulary::{Cursor, Platform, RequestId, RoomId, RoomType, UserId};
use convoke::time::{Duration, Instant};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const MEMBERS: [u32; 4] = [1, 10, 100, 1_000];

/// A room with members, and `guest`, who is outside.
struct Hall {
    service: Service,
    now: Instant,
    asked: u64,
    said: Vec<ServiceOutput>,
    members: u32,
    /// How many events each connection has been sent.
    sent: Vec<u64>,
}

impl Hall {
    fn of(members: u32) -> Self {
        let user = |number: u32| UserId::from(format!("user-{number}"));
        let config = ServiceConfig {
            bounds: Bounds::default(),
            rate_limits: false,
            accounts: (0..=members).map(|number| (user(number), "".into(), "".into())).collect(),
            open_accounts: false,
            checkpoint_every: None,
        };
        let mut hall = Self {
            service: Service::new(config),
            now: Instant::START,
            asked: 0,
            said: Vec::new(),
            members,
            sent: vec![0; members as usize + 2],
        };
        hall.step(ServiceInput::Started { records: Vec::new(), entropy: [7; 32] });
        for number in 0..=members {
            let connection = Self::connection(number);
            let identity =
                DeviceIdentity { user_id: user(number), device_id: "phone".into(), platform: Platform::Phone };
            hall.step(ServiceInput::Opened { connection });
            let login = Login { identity, user_sig: "".into(), resume: None };
            hall.step(ServiceInput::Message { connection, message: ClientMessage::Login(login.into()) });
        }
        hall.ask(0, create_room());
        for number in 0..members {
            hall.ask(number, Call::EnterRoom { room_id: room(), password: "".into() });
        }
        hall.acknowledge();
        hall
    }

    /// The guest's number.
    fn guest(&self) -> u32 {
        self.members
    }

    const fn connection(number: u32) -> ConnectionNo {
        ConnectionNo(number + 1)
    }

    fn step(&mut self, input: ServiceInput) {
        self.service.step(self.now, input, &mut self.said);
        for output in self.said.drain(..) {
            if let ServiceOutput::Send { connection, message } = &output
                && matches!(message, convoke::protocol::message::ServerMessage::Event { .. })
            {
                self.sent[connection.0 as usize] += 1;
            }
            black_box(output);
        }
    }

    fn ask(&mut self, number: u32, call: Call) {
        // A second between requests: results lapse, and the memory that is kept of them stays the same.
        self.now = self.now + Duration::from_secs(1);
        self.asked += 1;
        let id = RequestId::from(format!("r{}", self.asked));
        let request = Request { id, received: 0, content: Content::Call(Arc::new(call)) };
        self.step(ServiceInput::Message {
            connection: Self::connection(number),
            message: ClientMessage::Request(request.into()),
        });
    }

    /// Every device says what it has received, so that nothing piles up.
    fn acknowledge(&mut self) {
        for number in 0..=self.members {
            let connection = Self::connection(number);
            let received = self.sent[connection.0 as usize];
            self.step(ServiceInput::Message { connection, message: ClientMessage::Acknowledge { received } });
        }
    }

    fn invite(&mut self) {
        let invitees = vec![UserId::from(format!("user-{}", self.guest()))];
        let call =
            Call::InviteUsers { room_id: room(), user_id_list: invitees, timeout: 60.0, extension_info: "".into() };
        self.ask(0, call);
    }

    fn cancel(&mut self) {
        let invitees = vec![UserId::from(format!("user-{}", self.guest()))];
        self.ask(0, Call::CancelInvitation { room_id: room(), user_id_list: invitees });
    }
}

fn room() -> RoomId {
    RoomId::from("hall")
}

fn create_room() -> Call {
    Call::CreateRoom {
        room_id: room(),
        room_name: "".into(),
        room_type: RoomType::Conference,
        password: "".into(),
        max_member_count: 0,
        schedule_attendees: Vec::new(),
    }
}

/// One pair of requests.
type Pair = fn(&mut Hall);

const PAIRS: [(&str, Pair); 4] = [
    ("inviteUsers and cancelInvitation", |hall| {
        hall.invite();
        hall.cancel();
    }),
    ("inviteUsers and reject", |hall| {
        hall.invite();
        hall.ask(hall.guest(), Call::Reject { room_id: room(), reason: 0, attempt: None });
    }),
    ("enterRoom and exitRoom", |hall| {
        hall.ask(hall.guest(), Call::EnterRoom { room_id: room(), password: "".into() });
        hall.ask(hall.guest(), Call::ExitRoom { room_id: room() });
    }),
    ("two of getInvitationList", |hall| {
        let list = || Call::GetInvitationList { room_id: room(), cursor: Cursor::from(""), count: 0.0 };
        hall.ask(0, list());
        hall.ask(0, list());
    }),
];

fn operations(criterion: &mut Criterion) {
    for (name, pair) in PAIRS {
        let mut group = criterion.benchmark_group(format!("service/{name}"));
        for members in MEMBERS {
            let hall = RefCell::new(Hall::of(members));
            group.throughput(Throughput::Elements(2));
            group.bench_function(BenchmarkId::from_parameter(format!("{members} members")), |bencher| {
                bencher.iter_batched(
                    || hall.borrow_mut().acknowledge(),
                    |()| pair(&mut hall.borrow_mut()),
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("service/events to every member");
    for members in [10, 100, 1_000] {
        let hall = RefCell::new(Hall::of(members));
        // One onInvitationAdded and one onInvitationRemoved for each member.
        group.throughput(Throughput::Elements(u64::from(members) * 2));
        group.bench_function(BenchmarkId::from_parameter(format!("{members} members")), |bencher| {
            bencher.iter_batched(
                || hall.borrow_mut().acknowledge(),
                |()| {
                    let mut hall = hall.borrow_mut();
                    hall.invite();
                    hall.cancel();
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, operations, fan_out);
criterion_main!(benches);
