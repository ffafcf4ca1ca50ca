use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::compile;
use crate::plan::{Action, Direction, Expected, ExpectedOutcome, Plan, Trigger, When};
use crate::protocol::call::Call;
use crate::protocol::vocabulary::{OperationName, Role};
use crate::scenario::words::{ApiEnum, Kind, operation};
use crate::scenario::{self, Diagnostics};
use crate::seed::Seed;
use crate::time::{Duration, Instant};

const EXAMPLE: &str = include_str!("../../scenario/reference/example.yaml");

const PEOPLE: &str = "version: 1
title: A test.
users:
  alice: {devices: [web]}
  bob: {devices: {phone: {}, tablet: {}, old: {platform: desktop, kind: raw}}}
  crowd: {count: 3, devices: [phone, web]}
accounts: [dave]
rooms:
  r1: {owner: alice, members: [alice.web, 'crowd[1].phone'], roles: {'crowd[1]': kAdministrator}, password: p}
";

fn try_compile(text: &str) -> Result<Plan, Diagnostics> {
    scenario::parse("test.yaml", text.into()).and_then(|scenario| compile(&scenario, Seed(7)))
}

#[track_caller]
fn plan(rest: &str) -> Plan {
    try_compile(&format!("{PEOPLE}{rest}")).unwrap_or_else(|found| panic!("{found}"))
}

/// The steps' times and kinds, in short.
fn outline(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| {
            let what = match &step.action {
                Action::Call { call, .. } => call.operation().name().to_owned(),
                other => format!("{other:?}").split([' ', '{']).next().unwrap_or_default().to_owned(),
            };
            match &step.when {
                When::At(at) => format!("{at} {what}"),
                When::After { trigger: Trigger::Begun(step), delay } => format!("{step}+{delay} {what}"),
                When::After { trigger: Trigger::Seen { event, by, nth, .. }, delay } => {
                    format!("{event}*{nth} by {}+{delay} {what}", by.len())
                }
                When::After { trigger: Trigger::Returned { operation, by, nth }, delay } => {
                    format!("{operation}*{nth} by {}+{delay} {what}", by.len())
                }
            }
        })
        .collect()
}

#[test]
fn times_are_absolute_until_a_cause_makes_them_relative() {
    let plan = plan(
        "
steps:
  - device: alice.web
    inviteUsers: {roomId: r1, userIdList: [bob]}
  - after: 1s
    partition: {devices: bob.phone, for: 2s}
  - kill: bob.tablet
  - after: {seen: onReceiveInvitation, by: [bob.phone, bob.tablet], delay: 10ms, nth: 2}
    hold: {devices: crowd, direction: fromServer, for: 1s}
  - after: 5s
    kill: bob.phone
  - restart: bob.phone
  - after: {returned: inviteUsers, by: alice.web}
    crash: {server: true, for: resume_window / 2}
  - at: 1m
    heal: bob
",
    );
    assert_eq!(
        outline(&plan),
        [
            "0.000 inviteUsers",
            "1.000 Partition",
            "3.000 Heal",
            "1.000 Kill",
            "onReceiveInvitation*2 by 2+10ms Hold",
            "4+1s Release",
            "4+5s Kill",
            "6+0s Restart",
            "inviteUsers*1 by 1+0s CrashServer",
            "8+15s RestartServer",
            "60.000 Heal",
        ]
    );
    let Action::Hold { devices, direction } = &plan.steps[4].action else { panic!("{:?}", plan.steps[4]) };
    assert_eq!((devices.len(), *direction), (6, Direction::FromServer));
}

#[test]
fn populations_are_numbered_from_one() {
    let plan = plan("steps:\n  - kill: crowd[2..3].web\n");
    let names: Vec<&str> = plan.devices.iter().map(|device| &*device.name).collect();
    assert_eq!(
        names,
        [
            "alice.web",
            "bob.phone",
            "bob.tablet",
            "bob.old",
            "crowd[1].phone",
            "crowd[1].web",
            "crowd[2].phone",
            "crowd[2].web",
            "crowd[3].phone",
            "crowd[3].web"
        ]
    );
    assert_eq!(plan.devices[7].identity.user_id.as_str(), "crowd-2");
    assert_eq!(plan.devices[7].identity.device_id.as_str(), "crowd-2-web");
    assert_eq!(plan.devices[7].population.as_deref(), Some("crowd"));
    let Action::Kill { devices } = &plan.steps[0].action else { panic!("{:?}", plan.steps[0]) };
    assert_eq!(
        devices.iter().map(|device| &*plan.device(*device).name).collect::<Vec<_>>(),
        ["crowd[2].web", "crowd[3].web"]
    );
    let accounts: Vec<&str> = plan.accounts.iter().map(|account| account.user_id.as_str()).collect();
    assert_eq!(accounts, ["alice", "bob", "crowd-1", "crowd-2", "crowd-3", "dave"]);
}

#[test]
fn the_setup_logs_in_creates_enters_and_gives_roles() {
    let plan = plan("");
    let phases: Vec<Vec<(&str, OperationName)>> = plan
        .setup
        .iter()
        .map(|phase| phase.iter().map(|call| (&*plan.device(call.device).name, call.call.operation())).collect())
        .collect();
    assert_eq!(phases.len(), 4);
    assert_eq!(phases[0].len(), 10);
    assert!(phases[0].iter().all(|(_, operation)| *operation == OperationName::Login));
    assert_eq!(phases[1], [("alice.web", OperationName::CreateRoom)]);
    assert_eq!(phases[2], [("alice.web", OperationName::EnterRoom), ("crowd[1].phone", OperationName::EnterRoom)]);
    assert_eq!(phases[3], [("alice.web", OperationName::ChangeUserRole)]);
    assert!(matches!(&*plan.setup[2][1].call, Call::EnterRoom { password, .. } if &**password == "p"));
    assert!(matches!(
        &*plan.setup[3][0].call,
        Call::ChangeUserRole { user_id, user_role: Role::Administrator, .. } if user_id.as_str() == "crowd-1"
    ));
    assert_eq!(plan.rooms[0].members.len(), 2);
}

#[track_caller]
fn call(step: &str) -> Call {
    let plan = plan(&format!("service: {{bounds: {{ids_max: 5}}}}\nsteps:\n  - device: alice.web\n    {step}\n"));
    match &plan.steps[0].action {
        Action::Call { call, .. } => (**call).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ids_stand_for_users_populations_and_nobody() {
    let Call::InviteUsers { user_id_list, .. } =
        call("inviteUsers: {roomId: r1, userIdList: [dave, crowd, 'crowd[2]', {unknown: zoe}, {unknown: ''}]}")
    else {
        panic!("another call");
    };
    let ids: Vec<&str> = user_id_list.iter().map(|id| id.as_str()).collect();
    assert_eq!(ids, ["dave", "crowd-1", "crowd-2", "crowd-3", "crowd-2", "zoe", ""]);
}

#[test]
fn numbers_that_others_judge_pass_through() {
    let timeout = |given: &str| match call(&format!("inviteUsers: {{roomId: r1, userIdList: [bob], timeout: {given}}}"))
    {
        Call::InviteUsers { timeout, .. } => timeout,
        other => panic!("{other:?}"),
    };
    assert_eq!(timeout("60"), 60.0);
    assert_eq!(timeout("0.001"), 0.001);
    assert_eq!(timeout("-1"), -1.0);
    assert!(timeout(".nan").is_nan());
    assert_eq!(timeout(".inf"), f64::INFINITY);
    assert_eq!(timeout("timeout_max + 1s"), 86_401.0);
    assert_eq!(timeout("500ms"), 0.5);
    let Call::GetInvitationList { count, cursor, .. } =
        call("getInvitationList: {roomId: r1, count: -1, cursor: {repeat: ab, times: ids_max + 1}}")
    else {
        panic!("another call");
    };
    assert_eq!((count, cursor.as_str()), (-1.0, "abababababab"));
    assert!(matches!(call("reject: {roomId: r1, reason: 7}"), Call::Reject { reason: 7, .. }));
    assert!(matches!(call("reject: {roomId: r1, reason: kInOtherConference}"), Call::Reject { reason: 1, .. }));
}

#[test]
fn a_room_that_never_was_is_lawful_where_a_failure_is_expected() {
    let room = |rest: &str| try_compile(&format!("{PEOPLE}steps:\n  - device: alice.web\n    {rest}\n")).is_ok();
    assert!(!room("exitRoom: {roomId: r9}"));
    assert!(room("exitRoom: {roomId: r9}\n    fails: ERR_ROOM_ID_NOT_EXIST"));
    assert!(room("exitRoom: {roomId: {unknown: r9}}\n    unanswered: true"));
    assert!(room("createRoom: {roomId: r9}\n  - device: alice.web\n    exitRoom: {roomId: r9}"));
}

#[test]
fn names_become_numbers_and_ids() {
    let plan = plan(
        "
steps:
  - device: alice.web
    inviteUsers: {roomId: r1, userIdList: [bob, crowd]}
    returns: {bob: kSuccess, crowd: kAlreadyInConference}
  - device: alice.web
    getInvitationList: {roomId: r1}
    returns: {invitationList: [{invitee: {userId: 'crowd[2]'}, status: kTimeout}], cursor: ''}
  - device: alice.web
    cancelInvitation: {roomId: r1, userIdList: [bob]}
    any-of: [{returns: ~}, {fails: ERR_NO_PERMISSION, by: [CAN-4]}, {unanswered: true}]
expect:
  - device: bob.phone
    hears: {onReceiveInvitation: {invitation: {status: 1, inviter: {userId: alice, userRole: kRoomOwner}}}, at: 0.040s}
",
    );
    let results: Vec<Vec<ExpectedOutcome>> = plan
        .steps
        .iter()
        .map(|step| match &step.action {
            Action::Call { expected, .. } => expected.iter().map(|result| result.outcome.clone()).collect(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(results[0], [ExpectedOutcome::Returns(json!({"bob": 0, "crowd-1": 2, "crowd-2": 2, "crowd-3": 2}))]);
    assert_eq!(
        results[1],
        [ExpectedOutcome::Returns(
            json!({"invitationList": [{"invitee": {"userId": "crowd-2"}, "status": 2}], "cursor": ""})
        )]
    );
    assert_eq!(results[2].len(), 3);
    assert_eq!(results[2][0], ExpectedOutcome::Returns(Value::Null));
    let Expected::Hears { events, .. } = &plan.expectations[0].what else { panic!("{:?}", plan.expectations[0]) };
    assert_eq!(events[0].payload, json!({"invitation": {"status": 1, "inviter": {"userId": "alice", "userRole": 0}}}));
    let at = Instant::from_millis(40);
    assert_eq!(events[0].within, Some((at, at)));
}

#[test]
fn bounds_are_the_scenarios_own() {
    let plan = plan(
        "service: {bounds: {resume_window: 10s, keep_alive_bound: resume_window + 1s}}\nlasts: keep_alive_bound + 1s\n",
    );
    assert_eq!(plan.service.bounds.keep_alive_bound, Duration::from_secs(11));
    assert_eq!(plan.lasts, Some(Duration::from_secs(12)));
}

#[test]
fn a_plan_survives_json() {
    let plan = try_compile(EXAMPLE).unwrap_or_else(|found| panic!("{found}"));
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
}

#[test]
fn large_populations_compile() {
    let text = "version: 1\ntitle: Many.\nusers:\n  alice: {devices: [web]}\n  crowd: {count: 50000, devices: [phone, web]}\nrooms:\n  r1: {owner: alice, members: [alice.web, crowd.phone]}\nexpect:\n  - {device: crowd, sequence: []}\n";
    let plan = try_compile(text).unwrap_or_else(|found| panic!("{found}"));
    assert_eq!(plan.devices.len(), 100_001);
    assert_eq!(plan.rooms[0].members.len(), 50_001);
}

#[test]
fn arguments_are_those_of_the_protocol() {
    for name in OperationName::ALL {
        let table = operation::arguments(*name);
        let mut all = serde_json::Map::new();
        for field in table.fields {
            let value = match field.kind {
                Kind::Room | Kind::User | Kind::Argument | Kind::Cursor => json!("x"),
                Kind::Users => json!(["x"]),
                Kind::Count | Kind::Number | Kind::Seconds => json!(1),
                Kind::ApiEnum(ApiEnum::RoomType | ApiEnum::Role | ApiEnum::RejectedReason) => json!(1),
                other => panic!("{other:?}"),
            };
            all.insert(field.key.to_owned(), value);
        }
        let call: Call = serde_json::from_value(json!({"operation": name.name(), "args": all})).unwrap();
        let back = serde_json::to_value(&call).unwrap();
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&back["args"]), all.keys().cloned().collect::<Vec<_>>(), "{name}");
        for field in table.fields {
            let mut without = all.clone();
            without.remove(field.key);
            let lawful = serde_json::from_value::<Call>(json!({"operation": name.name(), "args": without})).is_ok();
            assert_eq!(lawful, !field.required, "{name} without {}", field.key);
        }
    }
}

/// Reads, compiles and renders; whatever comes of it, it does not panic.
fn survives(text: &str) {
    if let Err(found) = try_compile(text) {
        assert!(!found.is_empty());
        assert!(!found.render(false).is_empty());
        assert!(!found.render(true).is_empty());
    }
}

/// What replaces a part of a lawful scenario.
fn splinter() -> impl Strategy<Value = String> {
    let hard = [
        "",
        " ",
        "\n",
        "- ",
        ": ",
        "[",
        "{",
        "}",
        "]",
        "~",
        "'",
        "\"",
        "&a ",
        "*a",
        "!x ",
        "<<: ",
        "? ",
        "| \n",
        "\t",
        "\u{feff}",
        "\0",
        "\u{85}",
        "é",
        "𝄞",
        "-1",
        ".nan",
        "99999999999999999999",
        "1e999",
        "crowd[0]",
        "crowd[1..9]",
        "crowd[ids_max]",
        "{unknown: zoe}",
        "{repeat: x, times: 99999999999}",
        "kPending",
        "resume_window / 2",
        "-9d",
        "r1",
        "alice",
        "true",
    ];
    prop_oneof![
        3 => prop::sample::select(hard.to_vec()).prop_map(str::to_owned),
        1 => "\\PC{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in "(\\PC|\n|\t){0,200}") {
        survives(&text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_damaged_scenario_makes_it_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, splinter()), 1..6)
    ) {
        let mut text: Vec<char> = EXAMPLE.chars().collect();
        for (at, len, splinter) in damage {
            let start = at.index(text.len());
            let end = (start + len).min(text.len());
            text.splice(start..end, splinter.chars());
        }
        survives(&text.into_iter().collect::<String>());
    }
}

#[test]
fn a_large_file_is_read() {
    let mut text = PEOPLE.to_owned() + "steps:\n";
    while text.len() < 600_000 {
        text.push_str("  - after: {seen: onReceiveInvitation, by: bob.phone, delay: 1ms}\n    device: bob.phone\n    accept: {roomId: r1}\n");
    }
    let plan = try_compile(&text).unwrap_or_else(|found| panic!("{found}"));
    assert!(plan.steps.len() > 4_000);
    assert_eq!(plan.source.text, Arc::from(text));
}

#[test]
fn a_cursor_can_be_what_a_device_was_given() {
    let text = "
steps:
  - device: alice.web
    getInvitationList: {roomId: r1, count: 1}
    returns: {cursor: {not: ''}, invitationList: [{status: {not: kNone}}]}
  - device: bob.phone
    getInvitationList: {roomId: r1, cursor: {of: alice.web}}
    fails: -1001
  - device: bob.old
    send: {operation: getInvitationList, cursorOf: alice.web, args: {roomId: r1}}
    fails: -1001
";
    let plan = plan(text);
    let reader = Some(crate::plan::DeviceIndex(0));
    let Action::Call { expected, cursor_of: None, .. } = &plan.steps[0].action else { panic!("{:?}", plan.steps[0]) };
    assert_eq!(
        expected[0].outcome,
        ExpectedOutcome::Returns(json!({"cursor": {"not": ""}, "invitationList": [{"status": {"not": 0}}]}))
    );
    assert!(matches!(&plan.steps[1].action, Action::Call { cursor_of, .. } if *cursor_of == reader));
    assert!(matches!(&plan.steps[2].action, Action::Send { request, .. } if request.cursor_of == reader));
    for (wrong, what) in [
        ("{of: bob.tablet}", "`bob.tablet` never calls getInvitationList"),
        ("{of: crowd}", "this names 6 devices"),
        ("{of: zoe.web}", "unknown"),
        ("{of: alice.web, times: 2}", "`of` stands alone"),
        ("7", "text is wanted here"),
    ] {
        let found = try_compile(&format!("{PEOPLE}{}", text.replace("{of: alice.web}", wrong))).unwrap_err();
        assert!(found.to_string().contains(what), "{wrong}: {found}");
    }
}

#[test]
fn not_is_no_user() {
    let returns = |pattern: &str| {
        let step =
            format!("device: alice.web\n    inviteUsers: {{roomId: r1, userIdList: [bob]}}\n    returns: {pattern}");
        try_compile(&format!("{PEOPLE}steps:\n  - {step}\n"))
    };
    let plan = returns("{not: {bob: kSuccess}}").unwrap();
    let Action::Call { expected, .. } = &plan.steps[0].action else { panic!("{:?}", plan.steps[0]) };
    assert_eq!(expected[0].outcome, ExpectedOutcome::Returns(json!({"not": {"bob": 0}})));
    let found = returns("{not: kSuccess}").unwrap_err();
    assert!(found.to_string().contains("`not` alone means anything but"), "{found}");
}

#[test]
fn the_run_without_secrets_keeps_the_other_steps_and_their_order() {
    let plan = plan(
        "strangers: [bob.tablet]
steps:
  - {after: {seen: onRemoteUserEnterRoom, by: alice.web}, device: alice.web, fetchRoomInfo: {roomId: r1}}
  - {device: alice.web, secret: true, at: 2s, inviteUsers: {roomId: r1, userIdList: [bob]}}
  - {secret: true, partition: {devices: bob.phone, for: 1s}}
  - {after: {seen: onRemoteUserEnterRoom, by: alice.web, nth: 2}, device: alice.web, fetchRoomInfo: {roomId: r1}}
  - {after: 1s, device: bob.tablet, fetchRoomInfo: {roomId: r1}}
",
    );
    assert_eq!(plan.steps.iter().map(|step| step.secret).collect::<Vec<_>>(), [false, true, true, true, false, false]);
    let without = plan.without_secrets();
    assert_eq!(without.steps.len(), 3);
    assert!(matches!(without.steps[2].when, When::After { trigger: Trigger::Begun(1), .. }), "{:?}", without.steps[2]);
    assert_eq!(without.without_secrets(), without);
}
