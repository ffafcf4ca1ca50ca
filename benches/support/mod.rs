//! Plans of any size for the benches: groups of three devices, of which one calls and two ring.

use std::sync::Arc;

use convoke::plan::{
    Account, Action, DeviceIndex, DeviceKind, Network, Place, Plan, PlannedDevice, ServicePlan, SetupCall,
    SnapshotPlan, Source, Step, When,
};
use convoke::protocol::bounds::Bounds;
use convoke::protocol::call::{Call, DeviceIdentity};
use convoke::protocol::vocabulary::{Platform, RoomId, RoomType, UserId};
use convoke::seed::Seed;
use convoke::time::Instant;
use convoke::trace::{Moment, Occurrence, Trace};

/// `devices` devices (rounded down to threes) over 20 ms links. In each of `rounds` rounds a second apart, the member of
/// every group calls its invitee and takes the call back: two requests, two responses, six events.
pub(crate) fn calls_and_cancels(devices: u32, rounds: u64) -> Arc<Plan> {
    let groups = devices / 3;
    let mut plan = empty_plan();
    let (mut login, mut create, mut enter) = (Vec::new(), Vec::new(), Vec::new());
    for group in 0..groups {
        let (caller, callee) = (format!("caller-{group}"), format!("callee-{group}"));
        let room_id = RoomId::from(format!("room-{group}"));
        for user in [&caller, &callee] {
            let user_id = UserId::from(user.as_str());
            plan.accounts.push(Account { user_id, user_name: user.as_str().into(), avatar_url: "".into() });
        }
        let first = DeviceIndex(group * 3);
        for (user, platform) in [(&caller, Platform::Web), (&callee, Platform::Phone), (&callee, Platform::Tablet)] {
            let device = DeviceIndex(u32::try_from(plan.devices.len()).expect("fits"));
            plan.devices.push(device_of(user, platform));
            login.push(setup(device, Call::Login { user_sig: "".into() }));
        }
        create.push(setup(first, create_room(&room_id)));
        enter.push(setup(first, Call::EnterRoom { room_id: room_id.clone(), password: "".into() }));
        let invitees = vec![UserId::from(callee.as_str())];
        let invite = Arc::new(Call::InviteUsers {
            room_id: room_id.clone(),
            user_id_list: invitees.clone(),
            timeout: 60.0,
            extension_info: "".into(),
        });
        let cancel = Arc::new(Call::CancelInvitation { room_id, user_id_list: invitees });
        for round in 0..rounds {
            // Spread over the second, so that no instant is special.
            let at = Instant::from_nanos(round * 1_000_000_000 + u64::from(group) * 1_009_000 % 500_000_000);
            plan.steps.push(step(at, first, invite.clone()));
            plan.steps.push(step(at + convoke::time::Duration::from_millis(500), first, cancel.clone()));
        }
    }
    plan.setup = vec![login, create, enter];
    Arc::new(plan)
}

/// How many messages a run delivered: requests, answers and events that arrived where they were sent to, of the setup and
/// the last lists, too.
#[allow(dead_code, reason = "not every bench counts what a run delivered")]
pub(crate) fn delivered(trace: &Trace) -> u64 {
    let arrives =
        |moment: &&Moment| matches!(moment.what, Occurrence::ServerReceived { .. } | Occurrence::DeviceReceived { .. });
    trace.moments.iter().filter(arrives).count() as u64
}

/// The messages of [`calls_and_cancels`] after the setup: five for every call and every cancel.
#[allow(dead_code, reason = "only what carries these messages and no others counts so")]
pub(crate) fn messages_of(devices: u32, rounds: u64) -> u64 {
    u64::from(devices / 3) * rounds * 10
}

fn empty_plan() -> Plan {
    Plan {
        source: Source::default(),
        title: String::new(),
        covers: Vec::new(),
        tags: Vec::new(),
        worlds: Vec::new(),
        seed: Seed(1),
        service: ServicePlan { bounds: Bounds::default().into(), rate_limits: false, ..ServicePlan::default() },
        network: Network::default(),
        accounts: Vec::new(),
        devices: Vec::new(),
        rooms: Vec::new(),
        setup: Vec::new(),
        steps: Vec::new(),
        strangers: Vec::new(),
        expectations: Vec::new(),
        lasts: None,
        snapshot: SnapshotPlan::default(),
    }
}

pub(crate) fn device_of(user: &str, platform: Platform) -> PlannedDevice {
    let name = format!("{user}.{platform}");
    PlannedDevice {
        identity: DeviceIdentity { user_id: user.into(), device_id: name.as_str().into(), platform },
        name: name.into(),
        kind: DeviceKind::Sdk,
        auto_busy: false,
        population: None,
    }
}

pub(crate) fn setup(device: DeviceIndex, call: Call) -> SetupCall {
    SetupCall { device, call: Arc::new(call), place: Place::default() }
}

fn step(at: Instant, device: DeviceIndex, call: Arc<Call>) -> Step {
    let action = Action::Call { devices: vec![device], call, cursor_of: None, expected: Vec::new() };
    Step { place: Place::default(), when: When::At(at), action, secret: false }
}

fn create_room(room_id: &RoomId) -> Call {
    Call::CreateRoom {
        room_id: room_id.clone(),
        room_name: "".into(),
        room_type: RoomType::Conference,
        password: "".into(),
        max_member_count: 0,
        schedule_attendees: Vec::new(),
    }
}
