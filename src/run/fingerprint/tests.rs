use super::*;
use crate::plan::{DeviceIndex, Place, RequirementId};

fn finding(check: &'static str, requirements: &[&str], message: &str) -> Finding {
    Finding {
        check,
        requirements: requirements.iter().map(|id| RequirementId((*id).into())).collect(),
        message: message.to_owned(),
        moment: Some(7),
        place: Some(Place { line: 12, column: 3 }),
        devices: vec![DeviceIndex(1)],
        difference: None,
    }
}

#[track_caller]
fn check_same(one: &Finding, other: &Finding) {
    assert_eq!(of_finding(one), of_finding(other), "{} / {}", kind(one), kind(other));
}

#[track_caller]
fn check_another(one: &Finding, other: &Finding) {
    assert_ne!(of_finding(one), of_finding(other), "{} / {}", kind(one), kind(other));
}

#[test]
fn times_and_places_change_no_fingerprint() {
    let one = finding("expectations", &["DEV-4"], "bob.phone heard onX at 1.020 s, which must never be");
    let other = Finding {
        place: Some(Place { line: 40, column: 1 }),
        moment: Some(90),
        ..finding("expectations", &["DEV-4"], "bob.phone heard onX at 11.3 s, which must never be")
    };
    check_same(&one, &other);
}

#[test]
fn who_won_a_race_changes_no_fingerprint_of_an_always_check() {
    let one = finding("recipients", &["REV-1", "DEV-4"], "bob.phone gets no onInvitationCancelled about bob#1 of r1");
    let other = finding("recipients", &["DEV-4", "REV-1"], "bob.web gets no onInvitationCancelled about bob#2 of r1");
    check_same(&one, &other);
}

#[test]
fn another_device_event_or_requirement_is_another_failure() {
    let one = finding("expectations", &["DEV-4"], "bob.phone did not hear onInvitationTimeout; it heard nothing");
    check_another(
        &one,
        &finding("expectations", &["DEV-4"], "bob.web did not hear onInvitationTimeout; it heard nothing"),
    );
    check_another(&one, &finding("expectations", &["DEV-5"], "bob.phone did not hear onInvitationTimeout"));
    let always = finding("recipients", &["DEV-4"], "bob.phone gets no onInvitationTimeout");
    check_another(&always, &finding("recipients", &["DEV-4"], "bob.phone gets no onInvitationCancelled"));
}

#[test]
fn numbers_of_any_length_and_fraction_are_one_sign() {
    assert_eq!(without_numbers("r1 at 12.345 s. 7"), "r# at # s. #");
    assert_eq!(without_numbers("crowd[17].phone"), "crowd[#].phone");
}
