use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::protocol::vocabulary::{EventName, OperationName};

mod generated;

/// The messages and what comes of them, a line each, for snapshots.
fn read<T: fmt::Debug>(decode: impl Fn(&str) -> Result<T, DecodeError>, texts: &[&str]) -> String {
    let line = |text: &&str| match decode(text) {
        Ok(message) => format!("{text}\n    taken: {message:?}\n"),
        Err(error) => format!("{text}\n    {error}\n"),
    };
    texts.iter().map(line).collect()
}

proptest! {
    #[test]
    fn device_messages_survive_the_wire(message in generated::client_message()) {
        let text = encode_client(&message);
        prop_assert_eq!(&decode_client(&text).unwrap(), &message);
        prop_assert_eq!(&client_from_value(client_to_value(&message)).unwrap(), &message);
        prop_assert_eq!(&serde_json::from_str::<ClientMessage>(&text).unwrap(), &message);
        let malformed = matches!(&message, ClientMessage::Request(request) if matches!(request.content, Content::Malformed(_)));
        prop_assert_eq!(fast::client(&text).is_err(), malformed, "the fast way reads what is well formed, and only that");
    }

    #[test]
    fn server_messages_survive_the_wire(message in generated::server_message()) {
        let text = encode_server(&message);
        prop_assert_eq!(&decode_server(&text).unwrap(), &message);
        prop_assert_eq!(&server_from_value(server_to_value(&message)).unwrap(), &message);
        prop_assert_eq!(&serde_json::from_str::<ServerMessage>(&text).unwrap(), &message);
        prop_assert!(fast::server(&text).is_ok());
    }

    #[test]
    fn both_ways_agree_on_damaged_messages(
        client in generated::client_message(),
        server in generated::server_message(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(TOKENS)), 1..4),
    ) {
        let text = damaged(encode_client(&client), &damage);
        if let Ok(message) = fast::client(&text) {
            prop_assert_eq!(slow::client(strict::value_of(&text).unwrap()).unwrap(), message);
        }
        let text = damaged(encode_server(&server), &damage);
        if let Ok(message) = fast::server(&text) {
            prop_assert_eq!(slow::server(strict::value_of(&text).unwrap()).unwrap(), message);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = decode_client(&bytes);
        let _ = decode_server(&bytes);
    }
}

/// What damage puts into a message: the pieces that matter to a reader of JSON.
const TOKENS: &[&str] = &[
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "0",
    "-1",
    "1.5",
    "1e3",
    "\"a\"",
    "\\",
    "\"type\":",
    " ",
    "\"id\":\"x\",",
];

/// The text with some characters replaced.
fn damaged(mut text: String, damage: &[(prop::sample::Index, &str)]) -> String {
    for (place, token) in damage {
        let starts: Vec<_> = text.char_indices().map(|(at, letter)| (at, letter.len_utf8())).collect();
        let (at, length) = starts[place.index(starts.len())];
        text.replace_range(at..at + length, token);
    }
    text
}

#[test]
fn every_operation_and_event_can_be_read() {
    for operation in OperationName::ALL {
        let refused = call_from(operation.name(), &json!([])).unwrap_err();
        assert_eq!(refused.path, "/args", "{operation}: a list is no object");
    }
    for event in EventName::ALL {
        let refused = event_from(event.name(), &json!([])).unwrap_err();
        assert_eq!(refused.path, "/payload", "{event}: a list is no object");
    }
}

#[test]
fn fields_may_come_in_any_order() {
    let first = r#"{"received":0,"args":{"timeout":30,"userIdList":["bob"],"roomId":"r"},"operation":"inviteUsers","id":"1","type":"request"}"#;
    let second = r#" { "type" : "request", "id" : "1", "received" : 0, "operation" : "inviteUsers",
        "args" : { "roomId" : "r", "userIdList" : [ "bob" ], "timeout" : 3e1 } } "#;
    assert_eq!(decode_client(first).unwrap(), decode_client(second).unwrap());
}

#[test]
fn whole_numbers_are_written_whole() {
    let call = call_from("inviteUsers", &json!({"roomId": "r", "userIdList": ["bob"], "timeout": 30.0})).unwrap();
    let text = serde_json::to_string(&call).unwrap();
    assert!(text.contains(r#""timeout":30,"#), "{text}");
}

#[test]
fn what_is_no_device_message_is_refused_with_the_place() {
    let deep = format!(r#"{{"type":"request","args":{}{}}}"#, "[".repeat(40), "]".repeat(40));
    let texts = [
        "nonsense",
        "",
        "[]",
        "{}",
        r#"{"type":7}"#,
        r#"{"type":"hello"}"#,
        r#"{"type":"acknowledge"}"#,
        r#"{"type":"acknowledge","received":1} {}"#,
        r#"{"type":"acknowledge","received":1"#,
        r#"{"type":"acknowledge","received":-1}"#,
        r#"{"type":"acknowledge","received":1.5}"#,
        r#"{"type":"acknowledge","received":"1"}"#,
        r#"{"type":"acknowledge","received":1e400}"#,
        r#"{"type":"acknowledge","received":1,"received":1}"#,
        r#"{"type":"acknowledge","type":"acknowledge","received":1}"#,
        r#"{"type":"acknowledge","received":1,"id":"x"}"#,
        r#"{"type":"login","userId":"alice","deviceId":"d1","platform":"watch"}"#,
        r#"{"type":"login","userId":"alice","deviceId":"d1","platform":{"phone":null}}"#,
        r#"{"type":"login","userId":"alice","deviceId":["d1"],"platform":"phone"}"#,
        r#"{"type":"login","userId":"alice","deviceId":"d1","platform":"phone","resume":null}"#,
        r#"{"type":"login","userId":"alice","deviceId":"d1","platform":"phone","resume":["s",3]}"#,
        r#"{"type":"login","userId":"alice","deviceId":"d1","platform":"phone","resume":{"session":"s"}}"#,
        r#"{"type":"login","userId":"\ud800","deviceId":"d1","platform":"phone"}"#,
        r#"{"type":"request","id":"1","received":0,"operation":"logout"}"#,
        r#"{"type":"request","id":1,"received":0,"operation":"logout","args":{}}"#,
        r#"{"type":"request","id":"1","received":0,"operation":7,"args":{}}"#,
        r#"{"type":"request","id":"1","received":0,"operation":"logout","args":{},"userId":"bob"}"#,
        r#"{"type":"request","id":"1","received":0,"operation":"accept","args":{"roomId":"r","a/b":{"x":1,"x":2}}}"#,
        r#"{"type":"request","id":"1","received":0,"operation":"logout","args":{},"evil\nname":1}"#,
        deep.as_str(),
    ];
    insta::assert_snapshot!(read(|text| decode_client(text), &texts), @r#"
    nonsense
        not a JSON text: expected ident at line 1 column 2

        not a JSON text: EOF while parsing a value at line 1 column 0
    []
        at /: a message is an object
    {}
        at /: missing field `type`
    {"type":7}
        at /type: invalid type: integer `7`, expected a string
    {"type":"hello"}
        at /type: unknown type of message `hello`; known are login, request, acknowledge
    {"type":"acknowledge"}
        at /: missing field `received`
    {"type":"acknowledge","received":1} {}
        not a JSON text: trailing characters at line 1 column 37
    {"type":"acknowledge","received":1
        not a JSON text: EOF while parsing an object at line 1 column 34
    {"type":"acknowledge","received":-1}
        at /received: invalid value: integer `-1`, expected a whole number, 0 or more
    {"type":"acknowledge","received":1.5}
        at /received: invalid type: floating point `1.5`, expected a whole number, 0 or more
    {"type":"acknowledge","received":"1"}
        at /received: invalid type: string "1", expected a whole number, 0 or more
    {"type":"acknowledge","received":1e400}
        not a JSON text: number out of range at line 1 column 38
    {"type":"acknowledge","received":1,"received":1}
        at /: duplicate field `received`
    {"type":"acknowledge","type":"acknowledge","received":1}
        at /: duplicate field `type`
    {"type":"acknowledge","received":1,"id":"x"}
        at /: unknown field `id`, expected `received`
    {"type":"login","userId":"alice","deviceId":"d1","platform":"watch"}
        at /platform: unknown variant `watch`, expected one of `web`, `phone`, `tablet`, `desktop`, `tv`
    {"type":"login","userId":"alice","deviceId":"d1","platform":{"phone":null}}
        at /platform: invalid type: an object, expected a string
    {"type":"login","userId":"alice","deviceId":["d1"],"platform":"phone"}
        at /deviceId: invalid type: a list, expected a string
    {"type":"login","userId":"alice","deviceId":"d1","platform":"phone","resume":null}
        at /resume: invalid type: null, expected an object
    {"type":"login","userId":"alice","deviceId":"d1","platform":"phone","resume":["s",3]}
        at /resume: invalid type: a list, expected an object
    {"type":"login","userId":"alice","deviceId":"d1","platform":"phone","resume":{"session":"s"}}
        at /resume: missing field `received`
    {"type":"login","userId":"\ud800","deviceId":"d1","platform":"phone"}
        not a JSON text: unexpected end of hex escape at line 1 column 33
    {"type":"request","id":"1","received":0,"operation":"logout"}
        at /: missing field `args`
    {"type":"request","id":1,"received":0,"operation":"logout","args":{}}
        at /id: invalid type: integer `1`, expected a string
    {"type":"request","id":"1","received":0,"operation":7,"args":{}}
        at /operation: invalid type: integer `7`, expected a string
    {"type":"request","id":"1","received":0,"operation":"logout","args":{},"userId":"bob"}
        at /: unknown field `userId`, expected one of `id`, `received`, `operation`, `args`
    {"type":"request","id":"1","received":0,"operation":"accept","args":{"roomId":"r","a/b":{"x":1,"x":2}}}
        at /args/a~1b: duplicate field `x`
    {"type":"request","id":"1","received":0,"operation":"logout","args":{},"evil\nname":1}
        at /: unknown field `evil\nname`, expected one of `id`, `received`, `operation`, `args`
    {"type":"request","args":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}
        at /args/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0: nested deeper than 32
    "#);
    assert_eq!(decode_client(b"{\"type\":\"\xff\"}").unwrap_err().to_string(), "not UTF-8 from byte 9 on");
    let marked = "\u{feff}{}";
    assert_eq!(decode_client(marked).unwrap_err().to_string(), "not a JSON text: expected value at line 1 column 1");
    let large = format!("{}{}", r#"{"type":"acknowledge","received":1}"#, " ".repeat(MESSAGE_BYTES_MAX));
    assert_eq!(decode_client(large).unwrap_err().to_string(), "1048611 bytes are more than the 1048576 of a message");
}

#[test]
fn what_a_request_asks_wrongly_is_kept_with_the_reason() {
    let reason = |operation: &str, args: Value| match content_from(operation, args) {
        Content::Malformed(malformed) => format!("{operation}: {}\n", malformed.reason),
        Content::Call(call) => format!("{operation}: taken as {call:?}\n"),
    };
    let reasons = [
        reason("inviteEverybody", json!({})),
        reason("inviteUsers", json!(null)),
        reason("inviteUsers", json!(["r", ["bob"], 30, ""])),
        reason("inviteUsers", json!({"roomId": "r"})),
        reason("inviteUsers", json!({"roomId": "r", "userIdList": "bob"})),
        reason("inviteUsers", json!({"roomId": "r", "userIdList": ["bob", 7]})),
        reason("inviteUsers", json!({"roomId": "r", "userIdList": ["bob"], "timeout": "30"})),
        reason("inviteUsers", json!({"roomId": "r", "userIdList": ["bob"], "timeout": null})),
        reason("inviteUsers", json!({"roomId": "r", "userIdList": ["bob"], "timout": 30})),
        reason("accept", json!({"roomId": "r", "userId": "bob"})),
        reason("accept", json!({"roomId": "r", "attempt": {"instance": 1}})),
        reason("reject", json!({"roomId": "r", "reason": 0.5})),
        reason("reject", json!({"roomId": "r", "reason": 9})),
        reason("changeUserRole", json!({"roomId": "r", "userId": "bob", "userRole": 9})),
        reason("getInvitationList", json!({"roomId": 7})),
    ];
    insta::assert_snapshot!(reasons.concat(), @r#"
    inviteEverybody: at /operation: unknown operation `inviteEverybody`; known are login, logout, setSelfInfo, createRoom, destroyRoom, enterRoom, exitRoom, kickRemoteUserOutOfRoom, changeUserRole, fetchRoomInfo, updateRoomNameByAdmin, addAttendeesByAdmin, removeAttendeesByAdmin, fetchAttendeeList, getUserList, inviteUsers, cancelInvitation, accept, reject, getInvitationList, fetchNotEnteredList
    inviteUsers: at /args: invalid type: null, expected an object
    inviteUsers: at /args: invalid type: a list, expected an object
    inviteUsers: at /args: missing field `userIdList`
    inviteUsers: at /args/userIdList: invalid type: string "bob", expected a list
    inviteUsers: at /args/userIdList/1: invalid type: integer `7`, expected a string
    inviteUsers: at /args/timeout: invalid type: string "30", expected a number
    inviteUsers: at /args/timeout: invalid type: null, expected a number
    inviteUsers: at /args: unknown field `timout`, expected one of `roomId`, `userIdList`, `timeout`, `extensionInfo`
    accept: at /args: unknown field `userId`, expected `roomId` or `attempt`
    accept: at /args/attempt: missing field `attempt`
    reject: at /args/reason: invalid type: floating point `0.5`, expected a whole number
    reject: taken as Reject { room_id: "r", reason: 9, attempt: None }
    changeUserRole: at /args/userRole: 9 is no Role; known are 0 (kRoomOwner), 1 (kAdministrator), 2 (kGeneralUser)
    getInvitationList: at /args/roomId: invalid type: integer `7`, expected a string
    "#);
}

#[test]
fn what_is_no_server_message_is_refused_with_the_place() {
    let texts = [
        r#"{"type":"request","id":"1","received":0,"operation":"logout","args":{}}"#,
        r#"{"type":"loggedIn","session":"s"}"#,
        r#"{"type":"loggedIn","session":"s","resumed":1}"#,
        r#"{"type":"refused","error":{"code":"-1002","message":""}}"#,
        r#"{"type":"refused","error":-1002}"#,
        r#"{"type":"response","id":"1"}"#,
        r#"{"type":"response","id":"1","result":null}"#,
        r#"{"type":"response","id":"1","result":{},"error":{"code":-1,"message":""}}"#,
        r#"{"type":"response","id":"1","result":{"codes":[],"attendees":[]}}"#,
        r#"{"type":"response","id":"1","result":{"codes":[{"userId":"bob","code":0},{"userId":"carol","code":3}]}}"#,
        r#"{"type":"response","id":"1","result":{"codes":{"bob":0}}}"#,
        r#"{"type":"response","id":"1","result":{},"at":{"instance":1}}"#,
        r#"{"type":"event","seq":1,"event":"onKickedOffLine"}"#,
        r#"{"type":"event","seq":1,"event":"onCall","payload":{}}"#,
        r#"{"type":"event","seq":1,"event":"onKickedOffLine","payload":["why"]}"#,
        r#"{"type":"event","seq":1,"stamp":[1,2],"event":"onKickedOffLine","payload":{"message":""}}"#,
        r#"{"type":"event","seq":1,"stamp":{"instance":1,"revision":2,"about":{"invitee":"bob","attempt":-1}},"event":"onKickedOffLine","payload":{"message":""}}"#,
        r#"{"type":"event","seq":1,"event":"onInvitationRejected","payload":{"roomInfo":{},"invitation":{}}}"#,
        r#"{"type":"event","seq":1,"event":"onRoomDismissed","payload":{"roomId":"r","reason":0}}"#,
    ];
    insta::assert_snapshot!(read(|text| decode_server(text), &texts), @r#"
    {"type":"request","id":"1","received":0,"operation":"logout","args":{}}
        at /type: unknown type of message `request`; known are loggedIn, refused, response, event
    {"type":"loggedIn","session":"s"}
        at /: missing field `resumed`
    {"type":"loggedIn","session":"s","resumed":1}
        at /resumed: invalid type: integer `1`, expected a boolean
    {"type":"refused","error":{"code":"-1002","message":""}}
        at /error/code: invalid type: string "-1002", expected a whole number
    {"type":"refused","error":-1002}
        at /error: invalid type: integer `-1002`, expected an object
    {"type":"response","id":"1"}
        at /: missing field `result` or `error`
    {"type":"response","id":"1","result":null}
        at /result: invalid type: null, expected an object
    {"type":"response","id":"1","result":{},"error":{"code":-1,"message":""}}
        at /: a response has either `result` or `error`, not both
    {"type":"response","id":"1","result":{"codes":[],"attendees":[]}}
        at /result: a result has one of `codes`, `page`, `roomInfo`, `attendees` and `members`, or nothing
    {"type":"response","id":"1","result":{"codes":[{"userId":"bob","code":0},{"userId":"carol","code":3}]}}
        at /result/codes/1/code: 3 is no InvitationCode; known are 0 (kSuccess), 1 (kAlreadyInInvitationList), 2 (kAlreadyInConference)
    {"type":"response","id":"1","result":{"codes":{"bob":0}}}
        at /result/codes: invalid type: an object, expected a list
    {"type":"response","id":"1","result":{},"at":{"instance":1}}
        at /at: missing field `revision`
    {"type":"event","seq":1,"event":"onKickedOffLine"}
        at /: missing field `payload`
    {"type":"event","seq":1,"event":"onCall","payload":{}}
        at /event: unknown event `onCall`; known are onReceiveInvitation, onInvitationHandledByOtherDevice, onInvitationCancelled, onInvitationAccepted, onInvitationRejected, onInvitationTimeout, onInvitationRevokedByAdmin, onInvitationAdded, onInvitationRemoved, onInvitationStatusChanged, onRemoteUserEnterRoom, onRemoteUserLeaveRoom, onRoomDismissed, onKickedOutOfRoom, onKickedOffLine, onUserRoleChanged, onScheduleAttendeesChanged
    {"type":"event","seq":1,"event":"onKickedOffLine","payload":["why"]}
        at /payload: invalid type: a list, expected an object
    {"type":"event","seq":1,"stamp":[1,2],"event":"onKickedOffLine","payload":{"message":""}}
        at /stamp: invalid type: a list, expected an object
    {"type":"event","seq":1,"stamp":{"instance":1,"revision":2,"about":{"invitee":"bob","attempt":-1}},"event":"onKickedOffLine","payload":{"message":""}}
        at /stamp/about/attempt: invalid value: integer `-1`, expected a whole number, 0 or more
    {"type":"event","seq":1,"event":"onInvitationRejected","payload":{"roomInfo":{},"invitation":{}}}
        at /payload/invitation: missing field `status`
    {"type":"event","seq":1,"event":"onRoomDismissed","payload":{"roomId":"r","reason":0}}
        at /payload/reason: 0 is no RoomDismissedReason; known are 1 (kByOwner), 2 (kByServer)
    "#);
}
