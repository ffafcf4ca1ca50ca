use serde_json::json;

use super::*;

#[track_caller]
fn check(expected: &Value, seen: &Value, differs: &str) {
    assert_eq!(phrase(&differences(expected, seen)), differs);
    assert_eq!(matches(expected, seen), differs.is_empty(), "the two ways agree");
}

#[test]
fn objects_match_partially_and_lists_in_length() {
    check(&json!({"a": 1}), &json!({"a": 1.0, "b": 2}), "");
    check(&json!({"a": 1}), &json!({"b": 2}), "a should be 1, was absent");
    check(&json!({"list": [{}, {}]}), &json!({"list": [{}]}), "list should be a list of 2 items, was a list of 1 item");
    check(&json!({"status": 1}), &json!({"status": 2}), "status should be kPending (1), was kTimeout (2)");
}

#[test]
fn anything_but_a_value_must_be_there() {
    let pattern = json!({"cursor": {"not": ""}});
    check(&pattern, &json!({"cursor": "c1"}), "");
    check(&pattern, &json!({"cursor": ""}), "cursor should be anything but \"\", was \"\"");
    check(&pattern, &json!({}), "cursor should be anything but \"\", was absent");
    check(&json!([{"status": {"not": 1}}]), &json!([{"status": 4}]), "");
    check(&json!({"not": {"bob": 0}}), &json!({"bob": 0, "carol": 1}), "should be anything but bob 0, was bob 0");
    check(&json!({"not": {"not": 1}}), &json!(1), "");
    // A field that an API might have under this name is no negation beside another.
    check(&json!({"not": 1, "bob": 0}), &json!({"not": 1, "bob": 0}), "");
}

#[test]
fn messages_say_values_in_words() {
    let pattern =
        json!({"cursor": "", "invitationList": [{"status": 3}], "userInfo": {"userRole": 0, "userId": "bob"}});
    assert_eq!(
        shown("", &pattern),
        "cursor \"\", invitationList a list of 1 item, userInfo.userId \"bob\", userInfo.userRole kRoomOwner (0)"
    );
    assert_eq!(shown_codes(&json!({"bob": 0, "carol": {"not": 1}})), "bob kSuccess (0), carol anything but 1");
    let seen = json!({"a": 1, "b": 1, "c": 1, "d": 1, "e": 1});
    let told = phrase(&differences(&json!({"a": 0, "b": 0, "c": 0, "d": 0, "e": 0}), &seen));
    assert!(told.ends_with("d should be 0, was 1; and 1 more field differs"), "{told}");
}
