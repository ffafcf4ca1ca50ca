use super::expression::{Expression, Measure};
use super::payload::{self, Shape};
use super::*;
use crate::protocol::bounds::Bounds;

#[track_caller]
fn check(text: &str, measure: Measure, expected: Result<i128, &str>) {
    let found = Expression::parse(text, measure).map(|expression| expression.value(&Bounds::default()));
    assert_eq!(found.as_ref().map_err(|(what, _)| what.as_str()), expected.as_ref().map_err(|what| *what), "{text}");
}

#[test]
fn durations() {
    use Measure::Duration;
    check("250us", Duration, Ok(250_000));
    check("1.5s", Duration, Ok(1_500_000_000));
    check("0.1s", Duration, Ok(100_000_000));
    check("0.040s", Duration, Ok(40_000_000));
    check("2m", Duration, Ok(120_000_000_000));
    check("1d", Duration, Ok(86_400_000_000_000));
    check("0", Duration, Ok(0));
    check("-1h", Duration, Ok(-3_600_000_000_000));
    check("resume_window + 1s", Duration, Ok(31_000_000_000));
    check("resume_window+1s", Duration, Ok(31_000_000_000));
    check("entry_grace - 1ms", Duration, Ok(29_999_000_000));
    check("resume_window / 2", Duration, Ok(15_000_000_000));
    check("resume_window/2 + keep_alive_bound - 1s", Duration, Ok(34_000_000_000));
    check("5", Duration, Err("`5` has no unit"));
    check("5 s", Duration, Err("`5` has no unit"));
    check("5sec", Duration, Err("`sec` is no unit of time"));
    check("0.1ns", Duration, Err("`0.1ns` is finer than a nanosecond"));
    check("1.2.3s", Duration, Err("`1.2.3s` is no number"));
    check("ids_max", Duration, Err("`ids_max` counts things, and a duration is wanted here"));
    check("resume_window / 0", Duration, Err("can't divide by `0`"));
    check("1s / 2", Duration, Err("can't divide `1s`"));
    check("1s +", Duration, Err("can't read `1s +`: something is missing"));
    check("2 * 1s", Duration, Err("`2` has no unit"));
    check("99999999999999999999999999999d", Duration, Err("`99999999999999999999999999999d` is out of range"));
}

#[test]
fn counts() {
    use Measure::Count;
    check("5", Count, Ok(5));
    check("ids_max + 1", Count, Ok(101));
    check("1.5", Count, Err("`1.5` is no whole number"));
    check("5s", Count, Err("`5s` has a unit, and a number of things is wanted here"));
    check("entry_grace", Count, Err("`entry_grace` is a duration, and a number of things is wanted here"));
}

#[test]
fn selectors() {
    let parts = |text: &str| {
        Selector::parse(text).map(|s| (s.user, s.range.is_some(), s.device)).map_err(|what| what.to_string())
    };
    let lawful = |user: &str, range, device: Option<&str>| Ok((user.to_owned(), range, device.map(str::to_owned)));
    assert_eq!(parts("bob"), lawful("bob", false, None));
    assert_eq!(parts("bob.phone"), lawful("bob", false, Some("phone")));
    assert_eq!(parts("crowd[7]"), lawful("crowd", true, None));
    assert_eq!(parts("crowd[1..ids_max + 1].phone"), lawful("crowd", true, Some("phone")));
    for wrong in
        ["", ".", "bob.", "bob.phone.x", "crowd[", "crowd[]", "crowd[1]phone", "crowd]1[", "[1]", "crowd[1..2..3]"]
    {
        assert!(parts(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_byte_order_mark_and_carriage_returns_change_nothing() {
    let text = "version: 1\ntitle: A call.\ntags: [7]\n";
    let places = |text: String| {
        let found = parse("file.yaml", text.into()).unwrap_err();
        found.items().iter().map(|item| item.span.map(|span| (span.line, span.column))).collect::<Vec<_>>()
    };
    let plain = places(text.to_owned());
    assert_eq!(plain, [Some((3, 8))]);
    assert_eq!(places(format!("\u{feff}{text}")), plain);
    assert_eq!(places(text.replace('\n', "\r\n")), plain);
}

#[test]
fn places_count_characters() {
    let found = parse("file.yaml", "version: 1\ntitle: A call.\ntags: [ärger, 7]\n".into()).unwrap_err();
    assert_eq!(found.items()[0].span.map(|span| (span.line, span.column)), Some((3, 15)));
    assert!(found.render(false).contains("3 | tags: [ärger, 7]\n  |               ^"), "{found}");
}

#[test]
fn words_that_other_versions_of_yaml_take_for_booleans_are_text() {
    let scenario = parse("file.yaml", "version: 1\ntitle: no\ntags: [yes, on, 1_000]\n".into()).unwrap();
    assert_eq!(scenario.title.value, "no");
    assert_eq!(scenario.tags.iter().map(|tag| tag.value.as_str()).collect::<Vec<_>>(), ["yes", "on", "1_000"]);
}

#[test]
fn a_control_character_does_not_reach_the_terminal() {
    let found = parse("file.yaml", "version: 1\ntitle: t\n\"\\e[31m\": 1\n".into()).unwrap_err();
    assert!(!found.render(false).contains('\u{1b}'), "{found:?}");
}

#[test]
fn steps_name_every_operation() {
    let actions: Vec<&str> = words::step_actions().map(|field| field.key).collect();
    for operation in OperationName::ALL {
        assert!(actions.contains(&operation.name()), "{operation}");
        assert_eq!(words::operation::arguments(*operation).id, operation.name());
    }
}

#[test]
fn every_name_is_like_itself_with_a_slip() {
    for (given, known, expected) in [
        ("bbo", &["alice", "bob"][..], Some("bob")),
        ("kPendig", &["kNone", "kPending"], Some("kPending")),
        ("onRecieveInvitation", &["onReceiveInvitation", "onInvitationRejected"], Some("onReceiveInvitation")),
        ("zoe", &["alice", "bob"], None),
        ("a", &["b"], None),
    ] {
        assert_eq!(diagnostic::nearest(given, known.iter().copied()), expected, "{given}");
    }
}

/// The keys of a shape, with those of what it contains.
fn keys(shape: &Shape) -> serde_json::Value {
    match shape {
        Shape::Same(shape) => keys(shape),
        Shape::List(_) => serde_json::Value::Null,
        Shape::Object(_, fields) => fields.iter().map(|(key, shape)| ((*key).to_owned(), keys(shape))).collect(),
        _ => serde_json::Value::Null,
    }
}

/// The same of JSON.
fn json_keys(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(object) => {
            object.iter().map(|(key, value)| (key.clone(), json_keys(value))).collect()
        }
        _ => serde_json::Value::Null,
    }
}

#[test]
fn payloads_are_those_of_the_protocol() {
    use crate::protocol::event::{Event, Invitation, RoomInfo, UserInfo};
    use crate::protocol::vocabulary::*;
    let user = Arc::new(UserInfo {
        user_id: "bob".into(),
        user_name: "Bob".into(),
        avatar_url: "".into(),
        user_role: Role::GeneralUser,
    });
    let invitation =
        Arc::new(Invitation { status: InvitationStatus::Pending, invitee: (*user).clone(), inviter: (*user).clone() });
    let room_info = Arc::new(RoomInfo {
        room_id: "r1".into(),
        room_name: "r1".into(),
        room_type: RoomType::Conference,
        owner_id: "bob".into(),
        owner_name: "Bob".into(),
        password: "".into(),
        create_time: 0,
        room_member_count: 1,
    });
    let room_id = RoomId::from("r1");
    let message: Arc<str> = "".into();
    let (room_info, invitation) = (|| Arc::clone(&room_info), || Arc::clone(&invitation));
    let id = || room_id.clone();
    let events = [
        Event::ReceiveInvitation { room_info: room_info(), invitation: invitation(), extension_info: "".into() },
        Event::InvitationHandledByOtherDevice { room_info: room_info(), accepted: true },
        Event::InvitationCancelled { room_info: room_info(), invitation: invitation() },
        Event::InvitationAccepted { room_info: room_info(), invitation: invitation() },
        Event::InvitationRejected {
            room_info: room_info(),
            invitation: invitation(),
            reason: RejectedReason::RejectToEnter,
        },
        Event::InvitationTimeout { room_info: room_info(), invitation: invitation() },
        Event::InvitationRevokedByAdmin {
            room_info: room_info(),
            invitation: invitation(),
            operate_user: Arc::clone(&user),
        },
        Event::InvitationAdded { room_id: Some(id()), room_info: Some(room_info()), invitation: invitation() },
        Event::InvitationRemoved { room_id: Some(id()), room_info: Some(room_info()), invitation: invitation() },
        Event::InvitationStatusChanged { room_id: Some(id()), room_info: Some(room_info()), invitation: invitation() },
        Event::RemoteUserEnterRoom { room_id: id(), user_info: Arc::clone(&user) },
        Event::RemoteUserLeaveRoom { room_id: id(), user_info: Arc::clone(&user) },
        Event::RoomDismissed { room_id: id(), reason: RoomDismissedReason::ByOwner },
        Event::KickedOutOfRoom {
            room_id: id(),
            reason: KickedOutOfRoomReason::KickedByAdmin,
            message: Arc::clone(&message),
        },
        Event::KickedOffLine { message },
        Event::UserRoleChanged { room_id: id(), user_id: "bob".into(), user_role: Role::GeneralUser },
        Event::ScheduleAttendeesChanged { room_id: id(), left_users: vec![], joined_users: vec![] },
    ];
    assert_eq!(events.len(), EventName::ALL.len());
    for event in events {
        assert_eq!(keys(payload::event(event.name())), json_keys(&event.to_api_json()), "{}", event.name());
    }
}
