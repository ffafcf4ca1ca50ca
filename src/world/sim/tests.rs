use super::*;
use crate::plan::*;
use crate::protocol::bounds::Bounds;
use crate::protocol::call::DeviceIdentity;
use crate::protocol::vocabulary::{Platform, RoomId, UserId};
use crate::seed::Seed;

const ALICE_WEB: DeviceIndex = DeviceIndex(0);
const BOB_PHONE: DeviceIndex = DeviceIndex(1);
const BOB_TABLET: DeviceIndex = DeviceIndex(2);

/// Alice is in r1 with her web device; Bob has a phone and a tablet and is nowhere.
fn plan(steps: Vec<Step>) -> Arc<Plan> {
    let device = |user: &str, platform: Platform| PlannedDevice {
        name: format!("{user}.{platform}").into(),
        identity: DeviceIdentity {
            user_id: user.into(),
            device_id: format!("{user}-{platform}").as_str().into(),
            platform,
        },
        kind: DeviceKind::Sdk,
        auto_busy: false,
        population: None,
    };
    let setup = |device, call| SetupCall { device, call: Arc::new(call), place: Place::default() };
    let login = || Call::Login { user_sig: "".into() };
    let create = Call::CreateRoom {
        room_id: RoomId::from("r1"),
        room_name: "".into(),
        room_type: crate::protocol::vocabulary::RoomType::Conference,
        password: "".into(),
        max_member_count: 0,
        schedule_attendees: vec![],
    };
    let account = |user: &str| Account { user_id: user.into(), user_name: user.into(), avatar_url: "".into() };
    Arc::new(Plan {
        source: Source::default(),
        title: String::new(),
        covers: vec![],
        tags: vec![],
        worlds: vec![],
        seed: Seed(1),
        service: ServicePlan { bounds: Bounds::default().into(), ..ServicePlan::default() },
        network: Network::default(),
        accounts: vec![account("alice"), account("bob")],
        devices: vec![device("alice", Platform::Web), device("bob", Platform::Phone), device("bob", Platform::Tablet)],
        rooms: vec![],
        setup: vec![
            vec![setup(ALICE_WEB, login()), setup(BOB_PHONE, login()), setup(BOB_TABLET, login())],
            vec![setup(ALICE_WEB, create)],
            vec![setup(ALICE_WEB, Call::EnterRoom { room_id: RoomId::from("r1"), password: "".into() })],
        ],
        steps,
        strangers: Vec::new(),
        expectations: vec![],
        lasts: None,
        snapshot: SnapshotPlan::default(),
    })
}

fn step(at: u64, action: Action) -> Step {
    Step { place: Place::default(), when: When::At(Instant::from_millis(at)), action, secret: false }
}

fn call(at: u64, device: DeviceIndex, call: Call) -> Step {
    step(at, Action::Call { devices: vec![device], call: Arc::new(call), cursor_of: None, expected: vec![] })
}

fn invite(timeout: f64) -> Call {
    Call::InviteUsers {
        room_id: RoomId::from("r1"),
        user_id_list: vec![UserId::from("bob")],
        timeout,
        extension_info: "".into(),
    }
}

fn accept() -> Call {
    Call::Accept { room_id: RoomId::from("r1"), attempt: None }
}

/// What the applications hear and are told, one line each: time in milliseconds, device, event or result.
#[track_caller]
fn check(steps: Vec<Step>, expected: &str) {
    let trace = run(&plan(steps)).expect("the run is made");
    let body = trace.moments.iter().skip_while(|moment| moment.what != Occurrence::Stage(Stage::Body));
    let lines: Vec<String> = body
        .filter_map(|moment| {
            let at = moment.at.as_millis();
            let name = |device: &DeviceIndex| trace.plan.device(*device).name.clone();
            match &moment.what {
                Occurrence::Heard { device, event } => Some(format!("{at} {} {}", name(device), event.event.name())),
                Occurrence::Returned { device, result, .. } => Some(match result {
                    Ok(reply) => format!("{at} {} ok {}", name(device), reply.to_api_json()),
                    Err(error) => format!("{at} {} error {}", name(device), error.code),
                }),
                _ => None,
            }
        })
        .collect();
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, expected, "\n{}\n", lines.join("\n"));
}

#[test]
fn one_device_answers_and_the_other_falls_silent() {
    check(
        vec![call(0, ALICE_WEB, invite(60.0)), call(1000, BOB_PHONE, accept())],
        "40 bob.phone onReceiveInvitation
         40 bob.tablet onReceiveInvitation
         40 alice.web onInvitationAdded
         40 alice.web ok {\"bob\":0}
         1040 alice.web onInvitationAccepted
         1040 bob.tablet onInvitationHandledByOtherDevice
         1040 alice.web onInvitationStatusChanged
         1040 bob.phone ok null
         1080 alice.web ok {\"cursor\":\"\",\"invitationList\":[{\"invitee\":{\"avatarUrl\":\"\",\"userId\":\"bob\",\"userName\":\"bob\",\"userRole\":2},\"inviter\":{\"avatarUrl\":\"\",\"userId\":\"alice\",\"userName\":\"alice\",\"userRole\":0},\"status\":3}]}",
    );
}

#[test]
fn a_partition_delays_what_is_sent_and_a_long_one_is_resumed() {
    let cut = |at, direction| step(at, Action::Partition { devices: vec![BOB_PHONE], direction });
    let heal = |at| step(at, Action::Heal { devices: vec![BOB_PHONE] });
    // Noticed after 20 s, healed after 25 s: the session is resumed, and Receive was sent before the server noticed.
    check(
        vec![
            step(0, Action::Kill { devices: vec![BOB_TABLET] }),
            cut(0, Direction::Both),
            call(0, ALICE_WEB, invite(0.0)),
            heal(25_000),
            call(26_000, BOB_PHONE, Call::ExitRoom { room_id: RoomId::from("r1") }),
        ],
        "40 alice.web onInvitationAdded
         40 alice.web ok {\"bob\":0}
         25060 bob.phone onReceiveInvitation
         26040 bob.phone error 100005
         30040 alice.web ok {\"cursor\":\"\",\"invitationList\":[{\"invitee\":{\"avatarUrl\":\"\",\"userId\":\"bob\",\"userName\":\"bob\",\"userRole\":2},\"inviter\":{\"avatarUrl\":\"\",\"userId\":\"alice\",\"userName\":\"alice\",\"userRole\":0},\"status\":1}]}",
    );
}

#[test]
fn a_crash_between_commit_and_fan_out_loses_nothing() {
    let mut plan = (*plan(vec![
        call(0, ALICE_WEB, invite(60.0)),
        step(22, Action::CrashServer { keep_unsynced: true }),
        step(1000, Action::RestartServer),
    ]))
    .clone();
    plan.service.sync = Duration::from_millis(5);
    let trace = run(&Arc::new(plan)).expect("the run is made");
    let heard = |device| {
        let names = trace.moments.iter().filter_map(move |moment| match &moment.what {
            Occurrence::Heard { device: d, event } if *d == device => Some(event.event.name().name()),
            _ => None,
        });
        names.collect::<Vec<_>>()
    };
    assert_eq!(heard(BOB_PHONE), ["onReceiveInvitation", "onInvitationTimeout"]);
    assert_eq!(heard(ALICE_WEB), ["onInvitationAdded", "onInvitationTimeout", "onInvitationStatusChanged"]);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let mut plan = (*plan(vec![call(0, ALICE_WEB, invite(60.0)), call(1000, BOB_PHONE, accept())])).clone();
    plan.network.link.latency = Latency::Exponential { min: Duration::ZERO, mean: Duration::from_millis(20) };
    let plan = Arc::new(plan);
    assert_eq!(run(&plan).expect("made").moments, run(&plan).expect("made").moments);
}
