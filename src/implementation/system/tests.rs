//! What an adapter may say, and who plays whom.

use std::io::Cursor;

use serde_json::{Value, json};

use super::{CallOutcome, Heard, Names, Parts, Person, arguments, heard, hello_answer, host_system, reply_of};
use crate::protocol::call::{Call, Reply};
use crate::protocol::device::Device;
use crate::protocol::service::Service;
use crate::protocol::vocabulary::{ErrorCode, UserId};
use crate::time::Instant;

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

/// What our own library and server say to these lines, in short: of each line its type, and what it is about.
fn check_ours(lines: &[&str], wanted: &[&str]) {
    let mut written = Vec::new();
    let parts =
        Parts { server: &|config| Box::new(Service::new(config)), device: &|config| Box::new(Device::new(config)) };
    let clock = || Instant::from_nanos(1_000_000_000);
    host_system("ours", &parts, &clock, Cursor::new(lines.join("\n")), &mut written).unwrap();
    let short = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        match line["type"].as_str().unwrap() {
            "event" => format!("{} {}", line["device"].as_str().unwrap(), line["event"].as_str().unwrap()),
            "returned" if line.get("error").is_some() => format!("{} failed {}", line["id"], line["error"]["code"]),
            "returned" => format!("{} returned", line["id"]),
            other => format!("{other} {}", line["id"]),
        }
    };
    let written = String::from_utf8(written).unwrap();
    assert_eq!(written.lines().map(short).collect::<Vec<_>>(), wanted);
}

#[test]
fn our_own_system_answers_in_the_order_in_which_applications_see_it() {
    let call = |id: u64, device: &str, operation: &str, args: Value| {
        json!({"type": "call", "id": id, "device": device, "operation": operation, "args": args}).to_string()
    };
    let device = |id: u64, device: &str, user: &str| {
        json!({"type": "device", "id": id, "device": device, "userId": user, "deviceId": device, "platform": "web"})
            .to_string()
    };
    let hello =
        json!({"type": "hello", "schema": 1, "contract": "system", "clock": "real", "seed": 1, "rateLimits": true,
        "bounds": {}, "accounts": [{"userId": "alice", "userName": "Alice", "avatarUrl": ""},
            {"userId": "bob", "userName": "Bob", "avatarUrl": ""}]})
        .to_string();
    let room = json!({"roomId": "r1", "roomName": "", "roomType": 1, "password": "", "maxMemberCount": 0,
        "scheduleAttendees": []});
    let invite = json!({"roomId": "r1", "userIdList": ["bob"], "timeout": 60, "extensionInfo": ""});
    let lines = [
        hello,
        device(1, "a", "alice"),
        device(2, "b", "bob"),
        call(3, "a", "login", json!({"userSig": ""})),
        call(4, "b", "login", json!({"userSig": ""})),
        call(5, "a", "createRoom", room),
        call(6, "a", "enterRoom", json!({"roomId": "r1", "password": ""})),
        call(7, "a", "inviteUsers", invite),
        json!({"type": "network", "id": 8, "device": "b", "online": false}).to_string(),
        call(9, "a", "cancelInvitation", json!({"roomId": "r1", "userIdList": ["bob"]})),
        json!({"type": "network", "id": 10, "device": "b", "online": true}).to_string(),
        call(11, "b", "accept", json!({"roomId": "r1"})),
        json!({"type": "kill", "id": 12, "device": "b"}).to_string(),
        device(13, "b", "bob"),
        json!({"type": "end", "id": 14}).to_string(),
        json!({"type": "stop", "id": 15}).to_string(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let wanted = [
        "hello null",
        "done 1",
        "done 2",
        "3 returned",
        "4 returned",
        "5 returned",
        "6 returned",
        "b onReceiveInvitation",
        "a onInvitationAdded",
        "7 returned",
        "done 8",
        "a onInvitationRemoved",
        "9 returned",
        // What it missed comes before it is told to be back.
        "b onInvitationCancelled",
        "done 10",
        "11 failed -2311",
        "done 12",
        "done 13",
        "done 14",
        "done 15",
    ];
    check_ours(&lines, &wanted);
}

#[test]
fn our_own_system_refuses_what_it_was_not_asked_in_its_turn() {
    let parts =
        Parts { server: &|config| Box::new(Service::new(config)), device: &|config| Box::new(Device::new(config)) };
    let clock = || Instant::START;
    let check = |lines: &str, words: &str| {
        let error = host_system("ours", &parts, &clock, Cursor::new(lines.to_owned()), std::io::sink()).unwrap_err();
        assert!(error.to_string().contains(words), "{lines}: {error}");
    };
    check("nonsense", "line 1");
    check(r#"{"type":"kill","id":1,"device":"a"}"#, "before a run has begun");
    let hello = r#"{"type":"hello","schema":1,"seed":1,"rateLimits":true,"bounds":{},"accounts":[{"userId":"a","userName":"","avatarUrl":""}]}"#;
    check(&format!("{hello}\n{}", r#"{"type":"kill","id":1,"device":"a"}"#), "no program runs on `a`");
    check(r#"{"type":"fault","reason":"no","read":"10"}"#, "told of a fault: no");
}
