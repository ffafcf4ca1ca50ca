//! Random sequences of steps: drawn by proptest, written out as a plan, and printed as a list that reads like a scenario.
//!
//! A sequence is drawn as small numbers ([`Draw`]) and means something only when it is written out: then times become
//! absolute, numbers become names, and steps that make no sense at that point (a call on a dead device) are left out. So
//! every sequence is valid, however it is shrunk.

use std::fmt;
use std::sync::Arc;

use convoke::plan::{
    Account, Action, DeviceIndex, DeviceKind, Direction, Latency, Link, Network, Place, Plan, PlannedDevice,
    RawRequest, ServicePlan, SetupCall, SnapshotPlan, Source, Step, When,
};
use convoke::protocol::bounds::Bounds;
use convoke::protocol::call::{AttemptRef, Call, DeviceIdentity};
use convoke::protocol::vocabulary::{AttemptNo, InstanceId, Platform, Role, RoomId, RoomType, UserId};
use convoke::seed::Seed;
use convoke::time::{Duration, Instant};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

/// One way of every message, in milliseconds.
const LATENCY: u64 = 10;
/// Those who take part, and those who are only called.
const USERS: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "frank"];
const ACTIVE_USERS: usize = 4;
const ROOMS: [&str; 2] = ["red", "blue"];
const PLATFORMS: [Platform; 3] = [Platform::Phone, Platform::Web, Platform::Tablet];
/// How many steps a sequence has at most.
const STEPS_MAX: usize = 32;

/// A sequence as it is drawn.
#[derive(Clone)]
pub(crate) struct Sequence {
    shape: Shape,
    draws: Vec<(Gap, Draw)>,
}

/// What is there before the first step.
#[derive(Clone, Debug)]
struct Shape {
    devices: [usize; ACTIVE_USERS],
    /// Whether bob has a second phone, which is not logged in at first.
    twin: bool,
    /// Whether carol has a device without a library.
    raw: bool,
    blue_is_live: bool,
    password: bool,
    red_members_max: u32,
    page_default: u64,
    /// Whether inviteUsers is limited (SEC-6), by small buckets.
    rate_limits: bool,
    /// Whether the libraries of bob and carol answer for a busy user (REJ-5).
    auto_busy: bool,
    /// How many events a session may have unacknowledged, where that is few.
    undelivered_max: Option<u64>,
    /// How long the server's disk takes, in milliseconds.
    sync: u64,
    /// Who is in which room at first.
    inside: [Option<usize>; ACTIVE_USERS],
}

/// The time between two steps.
#[derive(Clone, Debug)]
enum Gap {
    Millis(u64),
    /// As long as it takes until the server takes the step this many milliseconds after (or before) one of the next
    /// deadlines, graces and windows.
    Aim {
        which: usize,
        offset: i64,
    },
}

/// One step as it is drawn. Numbers are taken modulo what there is; what is `apt` is done by somebody for whom it makes
/// sense, as far as that can be known beforehand.
#[derive(Clone, Debug)]
enum Draw {
    Invite {
        apt: bool,
        device: usize,
        room: usize,
        users: Vec<usize>,
        timeout: usize,
    },
    Cancel {
        apt: bool,
        device: usize,
        room: usize,
        users: Vec<usize>,
    },
    Answer {
        apt: bool,
        device: usize,
        room: usize,
        reason: Option<i64>,
    },
    List {
        apt: bool,
        device: usize,
        room: usize,
        count: usize,
        cursor: Option<usize>,
    },
    Enter {
        apt: bool,
        device: usize,
        room: usize,
        password: usize,
    },
    Exit {
        device: usize,
        room: usize,
    },
    Kick {
        device: usize,
        room: usize,
        user: usize,
    },
    Role {
        device: usize,
        room: usize,
        user: usize,
        role: usize,
    },
    Destroy {
        device: usize,
        room: usize,
    },
    Create {
        device: usize,
        room: usize,
        live: bool,
    },
    Rename {
        device: usize,
        room: usize,
        name: usize,
    },
    SelfInfo {
        device: usize,
        name: usize,
    },
    RoomInfo {
        device: usize,
        room: usize,
    },
    Attendees {
        device: usize,
        room: usize,
        users: Vec<usize>,
        add: bool,
    },
    AttendeeList {
        device: usize,
        room: usize,
    },
    UserList {
        device: usize,
        room: usize,
    },
    NotEntered {
        apt: bool,
        device: usize,
        room: usize,
    },
    Odd {
        device: usize,
        which: usize,
    },
    Logout {
        device: usize,
    },
    Login {
        device: usize,
    },
    Offline {
        apt: bool,
        device: usize,
        noticed: bool,
    },
    Online {
        device: usize,
    },
    /// A device is away while its user is called, and perhaps comes back only when the ring is over.
    Missed {
        device: usize,
        room: usize,
        end: usize,
        gap: u64,
    },
    Disconnect {
        device: usize,
    },
    Hold {
        device: usize,
        way: usize,
    },
    Release {
        device: usize,
    },
    Partition {
        device: usize,
        way: usize,
    },
    Heal {
        device: usize,
    },
    Kill {
        device: usize,
    },
    Crash {
        down: u64,
        keep_unsynced: bool,
    },
    Raw {
        operation: usize,
        room: usize,
        users: Vec<usize>,
        id: Option<usize>,
        attempt: Option<(u64, u32)>,
    },
    RawRepeat,
}

pub(crate) fn sequences() -> impl Strategy<Value = Sequence> {
    (shapes(), vec((gaps(), draws()), 1..STEPS_MAX)).prop_map(|(shape, draws)| Sequence { shape, draws })
}

fn shapes() -> impl Strategy<Value = Shape> {
    let inside = || prop_oneof![2 => Just(None), 2 => Just(Some(0)), 1 => Just(Some(1))];
    (
        [1..4_usize, 1..4_usize, 1..3_usize, 1..2_usize],
        any::<bool>(),
        any::<bool>(),
        (prop::bool::weighted(0.2), prop::bool::weighted(0.2)),
        prop_oneof![3 => Just(0_u32), 1 => Just(2), 1 => Just(3)],
        prop_oneof![Just(1_u64), Just(2), Just(20)],
        (inside(), inside(), inside(), inside()),
        (
            prop::bool::weighted(0.2),
            prop::bool::weighted(0.3),
            prop_oneof![7 => Just(None), 1 => (4..9_u64).prop_map(Some)],
            prop_oneof![5 => Just(0_u64), 1 => 1..20_u64, 1 => 20..400_u64],
        ),
    )
        .prop_map(|(devices, twin, raw, (blue_is_live, password), red_members_max, page_default, inside, more)| {
            // alice owns the first room and is usually there.
            let inside = [inside.0.or(Some(0)), inside.1, inside.2, inside.3];
            let (rate_limits, auto_busy, undelivered_max, sync) = more;
            Shape {
                devices,
                twin,
                raw,
                blue_is_live,
                password,
                red_members_max,
                page_default,
                rate_limits,
                auto_busy,
                undelivered_max,
                sync,
                inside,
            }
        })
}

fn gaps() -> impl Strategy<Value = Gap> {
    prop_oneof![
        2 => (0..3_u64).prop_map(Gap::Millis),
        6 => (3..60_u64).prop_map(Gap::Millis),
        3 => (60..2_500_u64).prop_map(Gap::Millis),
        1 => (2_500..45_000_u64).prop_map(Gap::Millis),
        3 => (0..4_usize, -1..=1_i64).prop_map(|(which, offset)| Gap::Aim { which, offset }),
    ]
}

fn draws() -> impl Strategy<Value = Draw> {
    let device = || 0..12_usize;
    // The first room most of the time, seldom one that is not there.
    let room = || prop_oneof![12 => Just(0_usize), 6 => Just(1), 1 => Just(2)];
    let user = || prop_oneof![4 => 0..ACTIVE_USERS, 1 => 0..USERS.len()];
    let users = move || vec(user(), 1..4);
    let apt = || prop::bool::weighted(0.8);
    let calls = prop_oneof![
        16 => (apt(), device(), room(), users(), 0..8_usize)
            .prop_map(|(apt, device, room, users, timeout)| Draw::Invite { apt, device, room, users, timeout }),
        7 => (apt(), device(), room(), users())
            .prop_map(|(apt, device, room, users)| Draw::Cancel { apt, device, room, users }),
        16 => (apt(), device(), room(), prop_oneof![3 => Just(None), 2 => (0..2_i64).prop_map(Some)])
            .prop_map(|(apt, device, room, reason)| Draw::Answer { apt, device, room, reason }),
        8 => (apt(), device(), room(), 0..4_usize, prop::option::of(0..4_usize))
            .prop_map(|(apt, device, room, count, cursor)| Draw::List { apt, device, room, count, cursor }),
        14 => (apt(), device(), room(), 0..8_usize)
            .prop_map(|(apt, device, room, password)| Draw::Enter { apt, device, room, password }),
        5 => (device(), room()).prop_map(|(device, room)| Draw::Exit { device, room }),
        3 => (device(), room(), 0..USERS.len()).prop_map(|(device, room, user)| Draw::Kick { device, room, user }),
        4 => (device(), room(), 0..USERS.len(), 0..3_usize)
            .prop_map(|(device, room, user, role)| Draw::Role { device, room, user, role }),
        2 => (device(), room()).prop_map(|(device, room)| Draw::Destroy { device, room }),
        3 => (device(), room(), prop::bool::weighted(0.2))
            .prop_map(|(device, room, live)| Draw::Create { device, room, live }),
        1 => (device(), room(), 0..3_usize).prop_map(|(device, room, name)| Draw::Rename { device, room, name }),
        1 => (device(), 0..3_usize).prop_map(|(device, name)| Draw::SelfInfo { device, name }),
        1 => (device(), room()).prop_map(|(device, room)| Draw::RoomInfo { device, room }),
        1 => (device(), room(), users(), any::<bool>())
            .prop_map(|(device, room, users, add)| Draw::Attendees { device, room, users, add }),
        1 => (device(), room()).prop_map(|(device, room)| Draw::AttendeeList { device, room }),
        2 => (device(), room()).prop_map(|(device, room)| Draw::UserList { device, room }),
        3 => (apt(), device(), room()).prop_map(|(apt, device, room)| Draw::NotEntered { apt, device, room }),
        3 => (device(), 0..9_usize).prop_map(|(device, which)| Draw::Odd { device, which }),
    ];
    let faults = prop_oneof![
        2 => device().prop_map(|device| Draw::Logout { device }),
        4 => device().prop_map(|device| Draw::Login { device }),
        6 => (apt(), device(), prop::bool::weighted(0.7))
            .prop_map(|(apt, device, noticed)| Draw::Offline { apt, device, noticed }),
        6 => device().prop_map(|device| Draw::Online { device }),
        3 => (device(), room(), 0..5_usize, prop_oneof![1..50_u64, 50..15_000_u64])
            .prop_map(|(device, room, end, gap)| Draw::Missed { device, room, end, gap }),
        3 => device().prop_map(|device| Draw::Disconnect { device }),
        2 => (device(), 0..3_usize).prop_map(|(device, way)| Draw::Hold { device, way }),
        3 => device().prop_map(|device| Draw::Release { device }),
        1 => (device(), 0..3_usize).prop_map(|(device, way)| Draw::Partition { device, way }),
        2 => device().prop_map(|device| Draw::Heal { device }),
        2 => device().prop_map(|device| Draw::Kill { device }),
        3 => (prop_oneof![Just(0_u64), 1..50_u64, 50..40_000_u64], any::<bool>())
            .prop_map(|(down, keep_unsynced)| Draw::Crash { down, keep_unsynced }),
    ];
    let raw = prop_oneof![
        3 => (
            0..22_usize,
            room(),
            users(),
            prop::option::of(0..3_usize),
            prop::option::of((1..4_u64, 1..4_u32)),
        )
            .prop_map(|(operation, room, users, id, attempt)| Draw::Raw { operation, room, users, id, attempt }),
        1 => Just(Draw::RawRepeat),
    ];
    prop_oneof![17 => calls, 5 => faults, 3 => raw]
}

impl Sequence {
    /// As a plan.
    pub(crate) fn plan(&self) -> Arc<Plan> {
        let mut writer = Writer::new(self);
        for (gap, draw) in &self.draws {
            writer.wait(gap);
            writer.write(draw);
        }
        Arc::new(writer.plan)
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan();
        let names = |devices: &[DeviceIndex]| {
            devices.iter().map(|device| plan.device(*device).name.to_string()).collect::<Vec<_>>().join(", ")
        };
        writeln!(f, "a sequence of {} steps; a message takes {LATENCY} ms", plan.steps.len())?;
        writeln!(f, "  {:?}", self.shape)?;
        for setup in plan.setup.iter().flatten() {
            writeln!(f, "  setup   {:12} {}", plan.device(setup.device).name, call_text(&setup.call))?;
        }
        for step in &plan.steps {
            let When::At(at) = step.when else { continue };
            write!(f, "  {at:>7} ")?;
            match &step.action {
                Action::Call { devices, call, cursor_of, .. } => {
                    let cursor = cursor_of.map(|of| format!(", with the cursor of {}", plan.device(of).name));
                    writeln!(f, "{:12} {}{}", names(devices), call_text(call), cursor.unwrap_or_default())?;
                }
                Action::Send { devices, request, .. } => writeln!(
                    f,
                    "{:12} {} {} id {:?} attempt {:?}",
                    names(devices),
                    request.operation,
                    request.args,
                    request.id,
                    request.attempt.map(|named| (named.instance.0, named.attempt.0))
                )?,
                Action::Offline { devices, noticed: true } => writeln!(f, "{:12} offline", names(devices))?,
                Action::Offline { devices, noticed: false } => {
                    writeln!(f, "{:12} offline, unnoticed", names(devices))?;
                }
                Action::Online { devices } => writeln!(f, "{:12} online", names(devices))?,
                Action::Hold { devices, direction } => writeln!(f, "{:12} held, {direction:?}", names(devices))?,
                Action::Release { devices } => writeln!(f, "{:12} released", names(devices))?,
                Action::Partition { devices, direction } => {
                    writeln!(f, "{:12} partitioned, {direction:?}", names(devices))?;
                }
                Action::Heal { devices } => writeln!(f, "{:12} healed", names(devices))?,
                Action::Disconnect { devices } => writeln!(f, "{:12} disconnected", names(devices))?,
                Action::Kill { devices } => writeln!(f, "{:12} killed", names(devices))?,
                Action::Restart { devices } => writeln!(f, "{:12} restarted", names(devices))?,
                Action::CrashServer { keep_unsynced: true } => writeln!(f, "the server crashes, its disk does not")?,
                Action::CrashServer { keep_unsynced: false } => writeln!(f, "the server crashes")?,
                Action::RestartServer => writeln!(f, "the server restarts")?,
                other => writeln!(f, "{other:?}")?,
            }
        }
        Ok(())
    }
}

/// As a person would note it down.
fn call_text(call: &Call) -> String {
    let json = serde_json::to_value(call).expect("calls have string keys and finite numbers");
    format!("{} {}", json["operation"].as_str().unwrap_or_default(), json["args"])
}

struct Writer<'a> {
    sequence: &'a Sequence,
    plan: Plan,
    now: u64,
    /// What the server will do by itself, in its milliseconds.
    aims: Vec<u64>,
    /// What is known of each device, as well as can be known beforehand.
    states: Vec<State>,
    /// In which room each user probably is.
    inside: [Option<usize>; ACTIVE_USERS],
    /// Who probably called whom to which room, newest last.
    rings: Vec<Ring>,
    raw: Option<DeviceIndex>,
    /// The requests of the raw device that have an id, and when each was first sent.
    raw_ids: Vec<(u64, RawRequest)>,
}

#[derive(Clone, Copy)]
struct Ring {
    room: usize,
    inviter: usize,
    invitee: usize,
    /// When it ends by itself, in the server's milliseconds.
    until: u64,
}

#[derive(Clone, Copy)]
struct State {
    alive: bool,
    offline: bool,
    logged_in: bool,
}

impl<'a> Writer<'a> {
    fn new(sequence: &'a Sequence) -> Self {
        let shape = &sequence.shape;
        let bounds = Bounds {
            ids_max: 3,
            extension_info_max: 8,
            page_default: shape.page_default,
            page_max: 3,
            acknowledge_every: 4,
            invite_calls_max: 3,
            invite_calls_refill: Duration::from_millis(700),
            rings_max: 2,
            undelivered_max: shape.undelivered_max.unwrap_or(Bounds::default().undelivered_max),
            ..Bounds::default()
        };
        let mut plan = Plan {
            source: Source::default(),
            title: String::new(),
            covers: Vec::new(),
            tags: Vec::new(),
            worlds: Vec::new(),
            seed: Seed(1),
            service: ServicePlan {
                bounds: bounds.into(),
                rate_limits: shape.rate_limits,
                checkpoint_every: 7,
                sync: Duration::from_millis(shape.sync),
            },
            network: Network {
                link: Link { latency: Latency::Constant(Duration::from_millis(LATENCY)), ..Link::default() },
                links: Vec::new(),
            },
            accounts: USERS
                .iter()
                .map(|user| Account { user_id: (*user).into(), user_name: (*user).into(), avatar_url: "".into() })
                .collect(),
            devices: Vec::new(),
            rooms: Vec::new(),
            setup: Vec::new(),
            strangers: Vec::new(),
            steps: Vec::new(),
            expectations: Vec::new(),
            lasts: None,
            snapshot: SnapshotPlan::default(),
        };
        let mut first = Vec::new();
        for (user, count) in shape.devices.iter().enumerate() {
            first.push(DeviceIndex(plan.devices.len() as u32));
            for platform in &PLATFORMS[..*count] {
                let auto_busy = shape.auto_busy && (user == 1 || user == 2);
                plan.devices.push(PlannedDevice { auto_busy, ..device(USERS[user], *platform, "", DeviceKind::Sdk) });
            }
        }
        let mut login: Vec<SetupCall> =
            plan.device_indices().map(|device| setup(device, Call::Login { user_sig: "".into() })).collect();
        let mut states = vec![State { alive: true, offline: false, logged_in: true }; plan.devices.len()];
        if shape.twin {
            plan.devices.push(device("bob", Platform::Phone, "2", DeviceKind::Sdk));
            states.push(State { alive: true, offline: false, logged_in: false });
        }
        let raw = shape.raw.then(|| {
            plan.devices.push(device("carol", Platform::Desktop, "", DeviceKind::Raw));
            states.push(State { alive: true, offline: false, logged_in: true });
            DeviceIndex(plan.devices.len() as u32 - 1)
        });
        login.extend(raw.map(|device| setup(device, Call::Login { user_sig: "".into() })));
        let password = |room: usize| if room == 0 && shape.password { "pw" } else { "" };
        let create = |room: usize| Call::CreateRoom {
            room_id: ROOMS[room].into(),
            room_name: if room == 0 { "Red" } else { "" }.into(),
            room_type: if room == 1 && shape.blue_is_live { RoomType::Live } else { RoomType::Conference },
            password: password(room).into(),
            max_member_count: if room == 0 { shape.red_members_max } else { 0 },
            schedule_attendees: Vec::new(),
        };
        let mut in_red = 0;
        let mut enter = Vec::new();
        for (user, inside) in shape.inside.iter().enumerate() {
            let Some(room) = *inside else { continue };
            in_red += u32::from(room == 0);
            if room == 0 && shape.red_members_max > 0 && in_red > shape.red_members_max {
                continue;
            }
            enter.push(setup(
                first[user],
                Call::EnterRoom { room_id: ROOMS[room].into(), password: password(room).into() },
            ));
        }
        plan.setup = vec![login, vec![setup(first[0], create(0)), setup(first[1], create(1))], enter];
        Self {
            sequence,
            plan,
            now: 1_000,
            aims: Vec::new(),
            states,
            inside: shape.inside,
            rings: Vec::new(),
            raw,
            raw_ids: Vec::new(),
        }
    }

    fn wait(&mut self, gap: &Gap) {
        match *gap {
            Gap::Millis(millis) => self.now += millis,
            Gap::Aim { which, offset } => {
                self.aims.retain(|aim| *aim > self.now + LATENCY + 1);
                self.aims.sort_unstable();
                if !self.aims.is_empty() {
                    let aim = self.aims[which % self.aims.len()];
                    self.now = (aim - LATENCY).saturating_add_signed(offset).max(self.now);
                } else {
                    self.now += 25;
                }
            }
        }
    }

    fn step(&mut self, action: Action) {
        let when = When::At(Instant::from_millis(self.now));
        self.plan.steps.push(Step { place: Place::default(), when, action, secret: false });
    }

    /// A device with a library that lives; the next one if the one drawn does not.
    fn device(&self, number: usize) -> Option<DeviceIndex> {
        let count = self.plan.devices.len();
        (0..count)
            .map(|step| (number + step) % count)
            .find(|index| self.states[*index].alive && self.plan.devices[*index].kind == DeviceKind::Sdk)
            .map(|index| DeviceIndex(index as u32))
    }

    fn call(&mut self, device: usize, call: Call) {
        self.call_with(device, call, None);
    }

    fn call_with(&mut self, device: usize, call: Call, cursor_of: Option<DeviceIndex>) {
        if let Some(device) = self.device(device) {
            let call = Arc::new(call);
            self.step(Action::Call { devices: vec![device], call, cursor_of, expected: Vec::new() });
        }
    }

    /// One of the devices of a user, if the user has any.
    fn device_of(&self, user: usize, number: usize) -> Option<usize> {
        let user_id = UserId::from(USERS[user]);
        let devices: Vec<usize> = (0..self.plan.devices.len())
            .filter(|index| self.plan.devices[*index].identity.user_id == user_id && self.states[*index].alive)
            .collect();
        (!devices.is_empty()).then(|| devices[number % devices.len()])
    }

    /// A device of somebody who is probably in the room.
    fn insider(&self, room: usize, number: usize) -> Option<usize> {
        let inside: Vec<usize> = (0..ACTIVE_USERS).filter(|user| self.inside[*user] == Some(room)).collect();
        (!inside.is_empty()).then(|| self.device_of(inside[number % inside.len()], number / 2))?
    }

    /// One of the last rings.
    fn ring(&self, number: usize) -> Option<Ring> {
        let taken = self.now + LATENCY;
        let rings: Vec<Ring> =
            self.rings.iter().filter(|ring| taken <= ring.until.saturating_add(1)).copied().collect();
        let last = &rings[rings.len().saturating_sub(4)..];
        (!last.is_empty()).then(|| last[last.len() - 1 - number % last.len()])
    }

    /// One of the last rings whose invitee has a device, and one of those.
    fn rung(&self, number: usize) -> Option<(Ring, usize)> {
        (0..4).find_map(|step| {
            let ring = self.ring(number + step)?;
            Some((ring, self.device_of(ring.invitee, number / 4)?))
        })
    }

    fn user_of(&self, device: usize) -> Option<usize> {
        let device = self.device(device)?;
        let user_id = &self.plan.device(device).identity.user_id;
        USERS.iter().position(|user| *user == user_id.as_str())
    }

    /// The user drawn, or the next if that is the caller's own.
    fn other_user(&self, device: usize, user: usize) -> UserId {
        let own = self.device(device).map(|device| self.plan.device(device).identity.user_id.clone());
        let named = |number: usize| UserId::from(USERS[number % USERS.len()]);
        if own == Some(named(user)) { named(user + 1) } else { named(user) }
    }

    fn aim(&mut self, after: u64) {
        self.aims.push(self.now + LATENCY + after);
    }

    fn write(&mut self, draw: &Draw) {
        match draw.clone() {
            Draw::Invite { apt, device, room, users, timeout } => {
                let timeout = [0.0, 0.0, 0.5, 2.0, 5.0, 20.0, 30.0, 45.25][timeout];
                if timeout > 0.0 {
                    self.aim((timeout * 1000.0) as u64);
                }
                let device = self.insider(room, device).filter(|_| apt).unwrap_or(device);
                let until = if timeout > 0.0 { self.now + LATENCY + (timeout * 1000.0) as u64 } else { u64::MAX };
                if let Some(inviter) = self.user_of(device).filter(|user| self.inside[*user] == Some(room)) {
                    let outside = users.iter().filter(|user| self.inside.get(**user) != Some(&Some(room)));
                    self.rings.extend(outside.map(|user| Ring { room, inviter, invitee: *user, until }));
                }
                let (room_id, user_id_list) = (room_id(room), user_ids(&users));
                let extension_info = if timeout > 1.0 { "x" } else { "" }.into();
                self.call(device, Call::InviteUsers { room_id, user_id_list, timeout, extension_info });
            }
            Draw::Cancel { apt, device, room, users } => {
                let ring = self.ring(device).filter(|_| apt);
                let room = ring.map_or(room, |ring| ring.room);
                let mut users = users;
                users.extend(ring.map(|ring| ring.invitee));
                users.reverse();
                users.truncate(3);
                let inviter = ring.and_then(|ring| self.device_of(ring.inviter, device / 4));
                let insider = self.insider(room, device).filter(|_| apt && device % 3 == 0);
                let device = insider.or(inviter).unwrap_or(device);
                self.call(device, Call::CancelInvitation { room_id: room_id(room), user_id_list: user_ids(&users) });
            }
            Draw::Answer { apt, device, room, reason } => {
                let rung = self.rung(device).filter(|_| apt);
                if apt && rung.is_none() {
                    // Nobody is called: somebody should be.
                    let users = vec![device % ACTIVE_USERS];
                    return self.write(&Draw::Invite { apt, device, room: room % 2, users, timeout: device % 8 });
                }
                self.aim(30_000);
                self.aim(120_000);
                let (room, device) = rung.map_or((room, device), |(ring, device)| (ring.room, device));
                let room_id = room_id(room);
                self.call(
                    device,
                    match reason {
                        None => Call::Accept { room_id, attempt: None },
                        Some(reason) => Call::Reject { room_id, reason, attempt: None },
                    },
                );
            }
            Draw::List { apt, device, room, count, cursor } => {
                let count = [0.0, 1.0, 2.0, 100.0][count];
                let device = self.insider(room, device).filter(|_| apt).unwrap_or(device);
                // Most of the time its own; otherwise that of whoever comes next.
                let cursor_of = cursor.and_then(|of| self.device(if of < 3 { device } else { device + 1 + room }));
                let call = Call::GetInvitationList { room_id: room_id(room), cursor: "".into(), count };
                self.call_with(device, call, cursor_of);
            }
            Draw::Enter { apt, device, room, password } => {
                let rung = self.rung(device).filter(|_| apt);
                let (room, device) = rung.map_or((room, device), |(ring, device)| (ring.room, device));
                let right = if room == 0 && self.sequence.shape.password { "pw" } else { "" };
                let password = match password {
                    0 => "",
                    1 => "wrong",
                    _ => right,
                };
                if let Some(user) = self.user_of(device).filter(|user| self.inside[*user].is_none()) {
                    self.inside[user] = Some(room);
                }
                self.call(device, Call::EnterRoom { room_id: room_id(room), password: password.into() });
            }
            Draw::Exit { device, room } => {
                if let Some(user) = self.user_of(device) {
                    self.inside[user] = None;
                }
                self.call(device, Call::ExitRoom { room_id: room_id(room) });
            }
            Draw::Kick { device, room, user } => {
                let user_id = self.other_user(device, user);
                self.call(device, Call::KickRemoteUserOutOfRoom { room_id: room_id(room), user_id });
            }
            Draw::Role { device, room, user, role } => {
                let user_id = self.other_user(device, user);
                let user_role = [Role::Administrator, Role::GeneralUser, Role::RoomOwner][role];
                self.call(device, Call::ChangeUserRole { room_id: room_id(room), user_id, user_role });
            }
            Draw::Destroy { device, room } => self.call(device, Call::DestroyRoom { room_id: room_id(room) }),
            Draw::Create { device, room, live } => self.call(
                device,
                Call::CreateRoom {
                    room_id: room_id(room),
                    room_name: "".into(),
                    room_type: if live { RoomType::Live } else { RoomType::Conference },
                    password: "".into(),
                    max_member_count: 0,
                    schedule_attendees: Vec::new(),
                },
            ),
            Draw::Rename { device, room, name } => self.call(
                device,
                Call::UpdateRoomNameByAdmin { room_id: room_id(room), room_name: format!("name {name}").into() },
            ),
            Draw::SelfInfo { device, name } => {
                let user_name = format!("name {name}").into();
                self.call(device, Call::SetSelfInfo { user_name, avatar_url: "pic".into() });
            }
            Draw::RoomInfo { device, room } => self.call(device, Call::FetchRoomInfo { room_id: room_id(room) }),
            Draw::Attendees { device, room, users, add } => {
                let (room_id, user_id_list) = (room_id(room), user_ids(&users));
                self.call(
                    device,
                    if add {
                        Call::AddAttendeesByAdmin { room_id, user_id_list }
                    } else {
                        Call::RemoveAttendeesByAdmin { room_id, user_id_list }
                    },
                );
            }
            Draw::AttendeeList { device, room } => {
                self.call(device, Call::FetchAttendeeList { room_id: room_id(room) });
            }
            Draw::UserList { device, room } => self.call(device, Call::GetUserList { room_id: room_id(room) }),
            Draw::NotEntered { apt, device, room } => {
                let device = self.insider(room, device).filter(|_| apt).unwrap_or(device);
                self.call(device, Call::FetchNotEnteredList { room_id: room_id(room) });
            }
            Draw::Odd { device, which } => self.call(device, odd(which)),
            Draw::Logout { device } => {
                if let Some(index) = self.device(device) {
                    self.states[index.index()].logged_in = false;
                }
                self.call(device, Call::Logout {});
            }
            Draw::Login { device } => self.login(device),
            Draw::Offline { apt, device, noticed } => {
                let rung = self.rung(device).filter(|_| apt);
                let device = rung.map_or(device % self.plan.devices.len(), |(_, device)| device);
                if !self.states[device].offline {
                    self.states[device].offline = true;
                    self.aims.push(self.now + if noticed { 30_000 } else { 50_000 });
                    self.step(Action::Offline { devices: vec![DeviceIndex(device as u32)], noticed });
                }
            }
            Draw::Online { device } => {
                // One that is offline, if there is one.
                let count = self.plan.devices.len();
                let found = (0..count).map(|step| (device + step) % count).find(|index| self.states[*index].offline);
                if let Some(device) = found {
                    self.states[device].offline = false;
                    self.step(Action::Online { devices: vec![DeviceIndex(device as u32)] });
                }
            }
            Draw::Missed { device, room, end, gap } => {
                let outside: Vec<usize> = (0..ACTIVE_USERS).filter(|user| self.inside[*user] != Some(room)).collect();
                let Some(user) = (!outside.is_empty()).then(|| outside[device % outside.len()]) else { return };
                let Some(away) = self.device_of(user, device / 4).filter(|away| !self.states[*away].offline) else {
                    return;
                };
                self.write(&Draw::Offline { apt: false, device: away, noticed: true });
                self.now += gap % 7;
                self.write(&Draw::Invite { apt: true, device, room, users: vec![user], timeout: end });
                self.now += gap;
                match end {
                    0 => self.write(&Draw::Cancel { apt: true, device: 0, room, users: vec![user] }),
                    1 => self.write(&Draw::Answer { apt: true, device, room, reason: None }),
                    2 => self.write(&Draw::Destroy { device: 0, room }),
                    _ => {}
                }
                self.now += gap % 11;
                self.write(&Draw::Online { device: away });
            }
            Draw::Disconnect { device } => {
                let device = device % self.plan.devices.len();
                self.aims.push(self.now + 30_000);
                self.step(Action::Disconnect { devices: vec![DeviceIndex(device as u32)] });
            }
            Draw::Hold { device, way } => {
                let devices = vec![DeviceIndex((device % self.plan.devices.len()) as u32)];
                self.step(Action::Hold { devices, direction: direction(way) });
            }
            Draw::Release { device } => {
                let devices = vec![DeviceIndex((device % self.plan.devices.len()) as u32)];
                self.step(Action::Release { devices });
            }
            Draw::Partition { device, way } => {
                let devices = vec![DeviceIndex((device % self.plan.devices.len()) as u32)];
                self.step(Action::Partition { devices, direction: direction(way) });
            }
            Draw::Heal { device } => {
                let devices = vec![DeviceIndex((device % self.plan.devices.len()) as u32)];
                self.step(Action::Heal { devices });
            }
            Draw::Kill { device } => {
                if let Some(device) = self.device(device) {
                    self.states[device.index()].alive = false;
                    self.states[device.index()].logged_in = false;
                    self.aims.push(self.now + 30_000);
                    self.step(Action::Kill { devices: vec![device] });
                }
            }
            // What a request that only reads has acknowledged, a crash may undo, and nobody can tell whether it did.
            Draw::Crash { .. } if self.sequence.shape.undelivered_max.is_some() => {}
            Draw::Crash { down, keep_unsynced } => {
                self.step(Action::CrashServer { keep_unsynced });
                self.now += down;
                self.aims.push(self.now + 30_000);
                self.step(Action::RestartServer);
            }
            Draw::Raw { operation, room, users, id, attempt } => self.raw(operation, room, &users, id, attempt),
            Draw::RawRepeat => {
                // Within the time for which results are kept, with room for a message's way.
                let now = self.now;
                let recent = self.raw_ids.iter().rev().find(|(since, _)| now < since + 110_000).cloned();
                if let (Some((_, request)), Some(raw)) = (recent, self.raw) {
                    self.step(Action::Send { devices: vec![raw], request, expected: Vec::new() });
                }
            }
        }
    }

    /// A device that is dead, or else one that is not logged in.
    fn login(&mut self, number: usize) {
        let count = self.plan.devices.len();
        let order = || (0..count).map(|step| (number + step) % count);
        let dead = order().find(|index| !self.states[*index].alive);
        let out =
            order().find(|index| !self.states[*index].logged_in && self.plan.devices[*index].kind == DeviceKind::Sdk);
        let Some(index) = dead.or(out) else { return };
        let device = DeviceIndex(index as u32);
        if dead.is_some() {
            self.step(Action::Restart { devices: vec![device] });
        }
        let identity = self.plan.device(device).identity.clone();
        for (other, state) in self.states.iter_mut().enumerate() {
            let theirs = &self.plan.devices[other].identity;
            if theirs.user_id == identity.user_id && theirs.platform == identity.platform {
                state.logged_in = other == index;
            }
        }
        self.states[index].alive = true;
        let call = Arc::new(Call::Login { user_sig: "".into() });
        self.step(Action::Call { devices: vec![device], call, cursor_of: None, expected: Vec::new() });
    }

    fn raw(&mut self, operation: usize, room: usize, users: &[usize], id: Option<usize>, attempt: Option<(u64, u32)>) {
        let Some(raw) = self.raw else { return };
        let room = ROOMS.get(room).copied().unwrap_or("green");
        let users: Vec<&str> = users.iter().map(|user| USERS[*user]).collect();
        let (operation, args): (&str, Value) = match operation {
            0 => ("login", json!({})),
            1..=3 => ("accept", json!({"roomId": room})),
            4 | 5 => ("reject", json!({"roomId": room, "reason": users.len() - 1})),
            6 => ("enterRoom", json!({"roomId": room})),
            7 => ("exitRoom", json!({"roomId": room})),
            8 => ("inviteUsers", json!({"roomId": room, "userIdList": users, "timeout": 2})),
            9 => ("cancelInvitation", json!({"roomId": room, "userIdList": users})),
            10 => ("getInvitationList", json!({"roomId": room})),
            11 if users.len() == 1 => ("getInvitationList", json!({"roomId": room, "count": "many"})),
            11 => ("inviteUsers", json!({"roomId": room, "userIdList": "bob"})),
            // What no library would send: the form is wrong, and nothing else.
            14 => ("inviteUsers", json!({"roomId": room, "userIdList": []})),
            15 => ("inviteUsers", json!({"roomId": room, "userIdList": users, "timeout": -1})),
            16 => ("inviteUsers", json!({"roomId": room, "userIdList": users, "extensionInfo": "nine bytes"})),
            17 => ("cancelInvitation", json!({"roomId": room, "userIdList": ["bob", "carol", "dave", "bob"]})),
            18 => ("reject", json!({"roomId": room, "reason": 2})),
            19 => ("getInvitationList", json!({"roomId": room, "count": 0.5})),
            20 => ("getInvitationList", json!({"roomId": room, "cursor": "no cursor of yours"})),
            21 => ("exitRoom", json!({"roomId": "no/such"})),
            12 => ("noSuchOperation", json!({"roomId": room})),
            _ => ("logout", json!({})),
        };
        let attempt = attempt
            .filter(|_| operation == "accept" || operation == "reject")
            .map(|(instance, number)| AttemptRef { instance: InstanceId(instance), attempt: AttemptNo(number) });
        // An id is used for as long as its result is surely kept, and then given up.
        let id = id.filter(|_| operation != "login").map(|id| format!("raw-{id}-{}", self.now / 100_000));
        let request =
            RawRequest { operation: operation.to_owned(), id: id.map(Into::into), attempt, cursor_of: None, args };
        if request.id.is_some() {
            self.raw_ids.push((self.now, request.clone()));
        }
        self.step(Action::Send { devices: vec![raw], request, expected: Vec::new() });
    }
}

fn direction(way: usize) -> Direction {
    [Direction::Both, Direction::ToServer, Direction::FromServer][way]
}

/// Calls that are wrong in one way or two.
fn odd(which: usize) -> Call {
    let room_id = RoomId::from("red");
    let invite = |room_id: &RoomId, users: &[&str], timeout: f64, extension_info: &str| Call::InviteUsers {
        room_id: room_id.clone(),
        user_id_list: users.iter().map(|user| UserId::from(*user)).collect(),
        timeout,
        extension_info: extension_info.into(),
    };
    match which {
        0 => invite(&room_id, &[], 1.0, ""),
        1 => invite(&room_id, &["bob", ""], 1.0, ""),
        2 => invite(&room_id, &["bob", "bob", "carol", "dave"], 1.0, ""),
        3 => invite(&room_id, &["bob"], -1.0, ""),
        4 => invite(&room_id, &["bob"], 86_400.5, ""),
        5 => invite(&room_id, &["bob"], 1.0, "nine bytes"),
        6 => invite(&RoomId::from("no/such"), &[], 1.0, ""),
        7 => Call::Reject { room_id, reason: 2, attempt: None },
        _ => Call::GetInvitationList { room_id, cursor: "no cursor of yours".into(), count: -1.0 },
    }
}

fn room_id(room: usize) -> RoomId {
    ROOMS.get(room).copied().unwrap_or("green").into()
}

/// Seldom somebody who has no account.
fn user_ids(users: &[usize]) -> Vec<UserId> {
    let nobody = users.len() == 3 && users[0] == users[1] && users[1] == users[2];
    users.iter().map(|user| if nobody { "nobody" } else { USERS[*user] }.into()).collect()
}

fn device(user: &str, platform: Platform, suffix: &str, kind: DeviceKind) -> PlannedDevice {
    let name = format!("{user}.{platform}{suffix}");
    PlannedDevice {
        identity: DeviceIdentity { user_id: user.into(), device_id: name.as_str().into(), platform },
        name: name.into(),
        kind,
        auto_busy: false,
        population: None,
    }
}

fn setup(device: DeviceIndex, call: Call) -> SetupCall {
    SetupCall { device, call: Arc::new(call), place: Place::default() }
}
