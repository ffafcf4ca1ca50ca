use std::sync::Arc;

use serde_json::{Value, json};

use super::told::Told;
use super::words::{self, Item, Said};
use crate::protocol::bounds::Bounds;
use crate::protocol::call::{InvitationPage, Reply};
use crate::protocol::codec;
use crate::protocol::event::{AttemptOf, Event, Stamp, StampedEvent};
use crate::protocol::message::{Response, ServerMessage};
use crate::protocol::vocabulary::{AttemptNo, InstanceId, OperationName, RequestId, Revision};

fn user(id: &str) -> Value {
    json!({"userId": id, "userName": id, "avatarUrl": "", "userRole": 2})
}

/// The same payload for whichever attempt.
fn removed() -> Event {
    let room = json!({"roomId": "r", "roomName": "r", "roomType": 1, "ownerId": "a", "ownerName": "a", "password": "",
        "createTime": 0, "roomMemberCount": 1});
    let invitation = json!({"status": 0, "invitee": user("b"), "inviter": user("a")});
    let payload = json!({"roomId": "r", "roomInfo": room, "invitation": invitation});
    codec::event_from("onInvitationRemoved", &payload).unwrap()
}

fn comes(told: &mut Told, seq: u64, attempt: u32) {
    let about = Some(AttemptOf { invitee: "b".into(), attempt: AttemptNo(attempt) });
    let stamp = Some(Stamp { instance: InstanceId(1), revision: Revision(seq), about });
    told.comes(&ServerMessage::Event { seq, event: Arc::new(StampedEvent { stamp, event: removed() }) });
}

fn attempt(event: &StampedEvent) -> Option<u32> {
    Some(event.stamp.as_ref()?.about.as_ref()?.attempt.0)
}

#[test]
fn an_event_is_the_one_that_has_just_come_in() {
    let mut told = Told::default();
    comes(&mut told, 1, 1);
    // The library kept the first from its application; the second looks the same.
    comes(&mut told, 2, 2);
    assert_eq!(attempt(&told.handed_over(removed())), Some(2));
}

#[test]
fn what_was_kept_back_comes_in_its_turn() {
    let mut told = Told::default();
    comes(&mut told, 2, 2);
    comes(&mut told, 1, 1);
    assert_eq!(attempt(&told.handed_over(removed())), Some(1));
    assert_eq!(attempt(&told.handed_over(removed())), Some(2));
}

#[test]
fn what_is_handed_over_twice_is_the_same_event() {
    let mut told = Told::default();
    comes(&mut told, 1, 1);
    let first = told.handed_over(removed());
    let again = told.handed_over(removed());
    assert!(Arc::ptr_eq(&first, &again));
    assert!(Arc::ptr_eq(&first, &told.handled(removed())));
}

#[test]
fn what_nobody_said_has_no_stamp() {
    let mut told = Told::default();
    assert_eq!(told.handed_over(removed()).stamp, None);
}

#[test]
fn a_page_is_known_again_without_its_attempts() {
    let item = json!({"invitation": {"status": 1, "invitee": user("b"), "inviter": user("a")}, "attempt": 3,
        "revision": 9});
    let page: InvitationPage = serde_json::from_value(json!({"invitationList": [item], "cursor": ""})).unwrap();
    let reply = Reply::List(Arc::new(page));
    let mut told = Told::default();
    let shown = reply.to_api_json();
    let at = None;
    let response = Response { id: RequestId::from("1"), result: Ok(reply.clone()), at };
    told.comes(&ServerMessage::Response(Arc::new(response)));
    assert_eq!(told.returned(OperationName::GetInvitationList, shown.clone()), Ok(reply));
    // One that no server gave: nobody has said which attempt.
    let mut other = shown;
    other["invitationList"][0]["status"] = json!(2);
    let Ok(Reply::List(page)) = told.returned(OperationName::GetInvitationList, other) else { panic!("a page") };
    assert_eq!(page.invitation_list[0].attempt, AttemptNo(0));
    assert!(told.returned(OperationName::Accept, json!({})).is_err());
}

#[test]
fn what_is_said_and_read_is_as_the_page_has_it() {
    let said: Value = serde_json::from_str(&Said::hello(7, &Bounds::default()).line()).unwrap();
    assert_eq!((&said["type"], &said["contract"]), (&json!("hello"), &json!("device")));
    let line = r#"{"type":"out","out":[{"connect":{}},{"result":{"call":1,"error":{"code":-1,"message":"no"}}}]}"#;
    let out = words::out(line).unwrap();
    assert!(matches!(out.items[..], [Item::Connect, Item::Result { result: Err(_), .. }]));
    for (line, reason) in [
        (r#"{"type":"out","out":[{"connect":{"now":1}}]}"#, "/out/0/connect"),
        (r#"{"type":"out","out":[{"send":{"message":{"type":"hello"}}}]}"#, "/out/0/send/message"),
        (r#"{"type":"out","out":[{"persist":1}]}"#, "unknown item `persist`"),
        (r#"{"type":"out","out":[{"event":{"event":"onNothing","payload":{}}}]}"#, "unknown event `onNothing`"),
        (r#"{"type":"out","out":[{"result":{"call":1,"value":1,"error":{"code":1,"message":""}}}]}"#, "or an error"),
    ] {
        let fault = words::out(line).unwrap_err();
        assert!(fault.reason.contains(reason), "{}", fault.reason);
        assert_eq!(fault.section, "9");
    }
}
