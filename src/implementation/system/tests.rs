//! What an adapter may say, and who plays whom.

use serde_json::json;

use super::{CallOutcome, Heard, Names, Person, arguments, heard, hello_answer, reply_of};
use crate::protocol::call::{Call, Reply};
use crate::protocol::vocabulary::{ErrorCode, UserId};

/// The words of the fault that a line is.
fn check(line: &str, words: &str) {
    let fault = heard(line).expect_err(line).to_string();
    assert!(fault.contains(words) && fault.contains("section"), "{line}: {fault}");
}

#[test]
fn what_is_no_message_is_told_with_its_place() {
    check("nonsense", "not a JSON text");
    check("[]", "a message is an object");
    check(r#"{"id":1}"#, "missing field `type`");
    check(r#"{"type":"response","id":1}"#, "unknown type `response`; known are hello, done, returned and event");
    check(r#"{"type":"done"}"#, "missing field `id`");
    check(r#"{"type":"done","id":1,"ok":true}"#, "unknown field `ok`");
    check(r#"{"type":"returned","id":1,"result":{},"unknown":"?"}"#, "one of them");
    check(r#"{"type":"returned","id":1,"error":{"code":0,"message":""}}"#, "0 is no error");
    check(r#"{"type":"event","device":"a","event":"onX"}"#, "missing field `payload`");
    check(r#"{"type":"hello"}"#, "due once");
    let offer = r#"{"type":"hello","schema":1,"contract":"core","name":"","version":"","storage":"none"}"#;
    assert!(hello_answer(offer).unwrap_err().to_string().contains("offers `core`"));
}

#[test]
fn an_outcome_is_definite_or_unknown() {
    let outcome = |line: &str| match heard(line) {
        Ok(Heard::Returned { id: 3, outcome }) => outcome,
        other => panic!("{other:?}"),
    };
    assert_eq!(outcome(r#"{"type":"returned","id":3}"#), CallOutcome::Result(json!(null)));
    let failed = outcome(r#"{"type":"returned","id":3,"error":{"code":100006,"message":"no"}}"#);
    assert_eq!(failed.error().unwrap().code, ErrorCode::NO_PERMISSION);
    let unknown = outcome(r#"{"type":"returned","id":3,"unknown":"no response within 15 s"}"#);
    assert_eq!(unknown.error().unwrap().code, ErrorCode::FAILED);
}

fn names() -> Names {
    let plays = |user: &str, name: &str, account: &str| Person {
        user_name: format!("Test {account}"),
        user_id: account.to_owned(),
        ..Person::itself(user, name, "")
    };
    Names::new([plays("alice", "Alice", "t-1"), plays("bob", "Bob", "t-2")], "run7-")
}

#[test]
fn accounts_play_users_in_rooms_of_the_run() {
    let names = names();
    let call = Call::InviteUsers {
        room_id: "r1".into(),
        user_id_list: vec!["bob".into(), "nobody".into()],
        timeout: 60.0,
        extension_info: "bob".into(),
    };
    let mut args = arguments(&call);
    names.outward(&mut args);
    let there = json!({"roomId": "run7-r1", "userIdList": ["t-2", "nobody"], "timeout": 60, "extensionInfo": "bob"});
    assert_eq!(args, there);
    let mut codes = json!({"t-2": 0, "nobody": 2});
    names.inward(&mut codes, true);
    let Ok(Reply::Invited(codes)) = reply_of(&call, &codes) else { panic!("{codes}") };
    assert_eq!(codes.iter().map(|(user, _)| user.clone()).collect::<Vec<UserId>>(), ["bob".into(), "nobody".into()]);
    let mut payload = json!({"roomId": "run7-r1",
        "roomInfo": {"roomId": "run7-r1", "roomName": "run7-r1", "ownerId": "t-1", "ownerName": "Test t-1"},
        "invitation": {"invitee": {"userId": "t-2", "userName": "Bobby", "avatarUrl": ""}}});
    names.inward(&mut payload, false);
    let back = json!({"roomId": "r1",
        "roomInfo": {"roomId": "r1", "roomName": "r1", "ownerId": "alice", "ownerName": "Alice"},
        "invitation": {"invitee": {"userId": "bob", "userName": "Bobby", "avatarUrl": ""}}});
    assert_eq!(payload, back);
}
