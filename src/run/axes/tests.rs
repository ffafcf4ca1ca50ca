//! Combinations and what they make of a plan.

use super::{Choice, Combination, combinations};
use crate::plan::{Plan, compile};
use crate::protocol::call::Call;
use crate::run::OWN_SEED;
use crate::scenario;

fn chosen(texts: &[&str], pairwise: bool) -> Vec<String> {
    let choices = texts.iter().map(|text| Choice::read(text).unwrap()).collect();
    combinations(choices, pairwise).unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn products_are_in_the_order_of_the_axes() {
    assert_eq!(
        chosen(&["network=slow,as-is", "devices=1,2"], false),
        ["devices=1/network=slow", "devices=1/network=as-is", "devices=2/network=slow", "devices=2/network=as-is"]
    );
    assert_eq!(chosen(&["devices", "roles", "timeouts", "network"], false).len(), 3 * 2 * 3 * 4);
    assert_eq!(chosen(&[], false), [""]);
}

#[test]
fn in_a_pairwise_product_every_two_values_meet() {
    let texts = ["devices", "roles", "timeouts", "network"];
    let all = chosen(&texts, false);
    let some = chosen(&texts, true);
    let pairs = |names: &[String]| {
        let mut pairs = std::collections::BTreeSet::new();
        for name in names {
            let values: Vec<&str> = name.split('/').collect();
            for (at, one) in values.iter().enumerate() {
                pairs.extend(values[at + 1..].iter().map(|other| format!("{one} {other}")));
            }
        }
        pairs
    };
    assert_eq!(pairs(&some), pairs(&all));
    // Not fewer than the two longest axes have pairs, and far from all.
    assert!((12..=16).contains(&some.len()), "{some:?}");
}

#[test]
fn what_there_is_not_is_told() {
    let error = |text: &str| Choice::read(text).unwrap_err().to_string();
    assert!(error("device=2").contains("`devices` (1, 2, 3: how many devices"));
    assert_eq!(error("devices=4"), "the axis `devices` has no value `4`; it has 1, 2, 3");
    let twice = vec![Choice::read("roles").unwrap(), Choice::read("roles=as-is").unwrap()];
    assert!(combinations(twice, false).unwrap_err().to_string().contains("is there twice"));
}

const SCENARIO: &str = "\
version: 1
title: A call.
users:
  alice: {devices: [web]}
  bob: {devices: [phone]}
  carol: {devices: [phone]}
rooms:
  r1: {owner: alice, members: [alice.web, carol.phone]}
steps:
  - {at: 1s, device: alice.web, inviteUsers: {roomId: r1, userIdList: [bob], timeout: 60}}
expect:
  - {device: bob.phone, hears: [{onInvitationTimeout: ~, within: [61s, 61s + 40ms]}]}
";

fn plan() -> Plan {
    let scenario =
        scenario::parse("call.yaml", SCENARIO.into()).unwrap_or_else(|found| panic!("{}", found.render(false)));
    compile::compile(&scenario, OWN_SEED).unwrap_or_else(|found| panic!("{}", found.render(false)))
}

fn made(text: &str) -> Option<Plan> {
    let choices = text.split('/').map(|choice| Choice::read(choice).unwrap()).collect();
    let combination: Combination = combinations(choices, false).unwrap().remove(0);
    combination.of(&plan())
}

#[test]
fn further_devices_log_in_with_the_others() {
    let two = made("devices=2").unwrap();
    let names: Vec<&str> = two.devices.iter().map(|device| &*device.name).collect();
    assert_eq!(names[3..], ["alice.further1", "bob.further1", "carol.further1"]);
    assert_eq!(two.setup[0].len(), 6);
    assert_eq!(made("devices=1"), Some(plan()));
}

#[test]
fn members_become_administrators_and_everything_takes_longer() {
    let plan = made("roles=administrators/timeouts=100x").unwrap();
    let role = plan.setup.last().unwrap();
    assert!(
        matches!(&*role[0].call, Call::ChangeUserRole { user_id, .. } if user_id.as_str() == "carol")
            && role.len() == 1
    );
    let crate::plan::Action::Call { call, .. } = &plan.steps[0].action else { panic!("a call") };
    assert!(matches!(**call, Call::InviteUsers { timeout, .. } if (timeout - 6000.0).abs() < 1e-9));
    assert_eq!(plan.service.bounds.resume_window, crate::time::Duration::from_secs(3000));
    let crate::plan::Expected::Hears { events, .. } = &plan.expectations[0].what else { panic!("an event") };
    assert_eq!(events[0].within.unwrap().0, crate::time::Instant::from_nanos(6_100_000_000_000));
}

#[test]
fn another_network_keeps_no_times() {
    let slow = made("network=slow").unwrap();
    let crate::plan::Expected::Hears { events, .. } = &slow.expectations[0].what else { panic!("an event") };
    assert_eq!(events[0].within, None);
    assert_ne!(slow.network, plan().network);
}
