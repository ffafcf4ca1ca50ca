//! Histories from traces: what is taken from them, and when the check speaks.

use super::*;
use crate::check;
use crate::protocol::call::{Call, InvitationPage, Reply};
use crate::protocol::message::{ClientMessage, ConnectionNo, Content, Request, Response, ServerMessage};
use crate::protocol::vocabulary::{ApiError, Role, RoomType};
use crate::trace::DeviceChange;
use crate::trace::sample::{self, Recorder};

/// alice has created r1 and is in it with her web client, carol with hers.
fn r1() -> Recorder {
    let create = Call::CreateRoom {
        room_id: "r1".into(),
        room_name: "".into(),
        room_type: RoomType::Conference,
        password: "".into(),
        max_member_count: 0,
        schedule_attendees: Vec::new(),
    };
    Recorder::new(&["alice.web", "carol.web", "bob.phone", "bob.tablet", "dave.raw"])
        .call(0, "alice.web", create, Ok(Reply::Void))
        .call(100, "alice.web", enter(), entered())
        .call(200, "carol.web", enter(), entered())
}

fn enter() -> Call {
    Call::EnterRoom { room_id: "r1".into(), password: "".into() }
}

fn entered() -> Result<Reply, ApiError> {
    Ok(Reply::RoomInfo(sample::room("r1")))
}

fn accept() -> Call {
    Call::Accept { room_id: "r1".into(), attempt: None }
}

fn cancel(users: &[&str]) -> Call {
    Call::CancelInvitation { room_id: "r1".into(), user_id_list: users.iter().map(|user| (*user).into()).collect() }
}

fn list(cursor: &str) -> Call {
    Call::GetInvitationList { room_id: "r1".into(), cursor: cursor.into(), count: 1.0 }
}

/// One page, on which the user called by alice has timed out.
fn page(user: &str, cursor: &str) -> Result<Reply, ApiError> {
    let Reply::List(page) = sample::page(&[user]) else { unreachable!("a page is a list") };
    let page = InvitationPage { cursor: cursor.into(), ..(*page).clone() };
    Ok(Reply::List(Arc::new(page)))
}

fn nothing() -> Result<Reply, ApiError> {
    Ok(sample::page(&[]))
}

fn failed(code: ErrorCode) -> Result<Reply, ApiError> {
    Err(ApiError::new(code, "no"))
}

/// Without what only the wire shows.
fn at_the_api(recorder: Recorder) -> Trace {
    let mut trace = recorder.trace();
    trace.moments.retain(|moment| {
        !matches!(
            moment.what,
            Occurrence::ServerReceived { .. }
                | Occurrence::ServerSent { .. }
                | Occurrence::DeviceSent { .. }
                | Occurrence::DeviceReceived { .. }
        )
    });
    trace
}

fn verdicts(recorder: Recorder) -> Vec<(String, Verdict)> {
    let histories = from_trace(&at_the_api(recorder));
    let names = histories.iter().map(|history| history.invitee.to_string()).collect::<Vec<_>>();
    names.into_iter().zip(explain(&histories, EXPLORED_MAX)).collect()
}

/// The one history that nothing explains.
fn refused_of(recorder: Recorder) -> String {
    let verdicts = verdicts(recorder);
    let refused: Vec<_> = verdicts.iter().filter(|(_, verdict)| *verdict != Verdict::Linearizable).collect();
    assert_eq!(refused.len(), 1, "{verdicts:?}");
    inexplicable(&refused[0].1)
}

fn all_explained(recorder: Recorder) {
    let verdicts = verdicts(recorder);
    assert!(!verdicts.is_empty());
    assert!(verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Linearizable), "{verdicts:?}");
}

#[test]
fn check_speaks_only_where_the_server_is_hidden() {
    let bad = || {
        let recorder = r1().call(1000, "alice.web", sample::invite(&["bob"]), Ok(sample::invited(&["bob"])));
        recorder.call(2000, "carol.web", list(""), nothing())
    };
    let of_order = |trace: &Trace| {
        let findings = check::judge(trace).findings;
        findings.into_iter().filter(|finding| finding.check == CHECK.name).collect::<Vec<_>>()
    };
    assert!(of_order(&bad().trace()).is_empty(), "a server whose wire is seen is judged there");
    let trace = at_the_api(bad());
    let [finding] = &of_order(&trace)[..] else { panic!("one finding") };
    assert!(matches!(trace.moments[finding.moment.expect("a moment")].what, Occurrence::Returned { .. }));
    insta::assert_snapshot!(
        finding.message,
        @"no order that respects real time explains what was seen of bob in r1 up to here: 2.000-2.040  carol.web  getInvitationList r1  -> not in the list"
    );
    insta::assert_snapshot!(finding.difference.as_ref().expect("a difference").seen, @"
    0.000-0.040  alice.web  createRoom r1  -> done
    1.000-1.040  alice.web  inviteUsers bob, for 60s  -> 0 Success
    2.000-2.040  carol.web  getInvitationList r1  -> not in the list
    ");
}

#[test]
fn what_stays_open_is_said_and_is_no_finding() {
    let called = r1().call(1000, "alice.web", sample::invite(&["bob"]), Ok(sample::invited(&["bob"])));
    let findings = judge(&at_the_api(called), Variants::default(), 1);
    assert!(findings.kept.is_empty());
    assert_eq!(
        findings.undecided,
        ["order: whether an order explains what was seen of bob in r1 is open after 2 states"]
    );
}

#[test]
fn half_a_batch_of_unknown_outcome() {
    let recorder = r1()
        .call(1000, "alice.web", sample::invite(&["bob", "erin"]), failed(ErrorCode::FAILED))
        .hears(1100, "bob.phone", &sample::receive("bob"))
        .call(2000, "carol.web", list(""), pending_page("bob"));
    insta::assert_snapshot!(refused_of(recorder), @"
    0.000-0.040  alice.web  createRoom r1  -> done
    1.000-...  alice.web  inviteUsers erin, for 60s  -> unknown
    1.100  another part of the call by alice.web has taken effect by now
    2.000-2.040  carol.web  getInvitationList r1  -> not in the list
    before: pending, called by alice
    ");
}

#[test]
fn lack_counts_only_in_a_whole_traversal_by_somebody_inside() {
    let called = || r1().call(1000, "alice.web", sample::invite(&["bob"]), Ok(sample::invited(&["bob"])));
    let both_called = || called().call(1500, "carol.web", sample::invite(&["fred"]), Ok(sample::invited(&["fred"])));
    // The first of two pages, which shows only fred; the second never comes.
    let first = || both_called().call(2000, "carol.web", list(""), page_of_carols_call("fred", "next"));
    all_explained(first());
    insta::assert_snapshot!(refused_of(first().call(2100, "carol.web", list("next"), nothing())), @"
    0.000-0.040  alice.web  createRoom r1  -> done
    1.000-1.040  alice.web  inviteUsers bob, for 60s  -> 0 Success
    2.000-2.140  carol.web  getInvitationList r1  -> not in the list
    before: pending, called by alice
    ");
    // LST-9: somebody outside sees only its own entry, so that the lack of fred's says nothing.
    all_explained(both_called().call(2000, "bob.phone", list(""), pending_page("bob")));
}

fn page_of_carols_call(user: &str, cursor: &str) -> Result<Reply, ApiError> {
    with_first(page(user, cursor), |invitation| {
        invitation.status = InvitationStatus::Pending;
        invitation.inviter = sample::user("carol");
    })
}

fn pending_page(user: &str) -> Result<Reply, ApiError> {
    with_first(page(user, ""), |invitation| invitation.status = InvitationStatus::Pending)
}

fn with_first(
    page: Result<Reply, ApiError>,
    change: impl Fn(&mut crate::protocol::event::Invitation),
) -> Result<Reply, ApiError> {
    let Ok(Reply::List(page)) = page else { unreachable!("a page is a list") };
    let mut page = (*page).clone();
    change(Arc::make_mut(&mut page.invitation_list[0].invitation));
    Ok(Reply::List(Arc::new(page)))
}

#[test]
fn session_may_end_when_the_server_has_heard_nothing_for_the_window() {
    let inside = || r1().call(1000, "bob.phone", enter(), entered());
    let troubled = || {
        let recorder = inside();
        let change = Occurrence::DeviceChanged { device: recorder.device("bob.phone"), change: DeviceChange::Offline };
        recorder.at(1200, change)
    };
    let called = |recorder: Recorder, millis| {
        recorder.call(millis, "alice.web", sample::invite(&["bob"]), Ok(sample::invited(&["bob"])))
    };
    all_explained(called(troubled(), 31_100));
    insta::assert_snapshot!(refused_of(called(troubled(), 29_000)), @"
    0.000-0.040  alice.web  createRoom r1  -> done
    1.000-1.040  bob.phone  enterRoom r1  -> done
    29.000-29.040  alice.web  inviteUsers bob, for 60s  -> 0 Success
    before: in the room with bob-phone
    ");
    // A sign of life in between begins the window anew.
    let alive = troubled().call(20_000, "bob.phone", list(""), nothing());
    insta::assert_snapshot!(refused_of(called(alive, 31_100)), @"
    0.000-0.040  alice.web  createRoom r1  -> done
    1.000-1.040  bob.phone  enterRoom r1  -> done
    20.000-20.040  bob.phone  getInvitationList r1  -> not in the list
    31.100-31.140  alice.web  inviteUsers bob, for 60s  -> 0 Success
    before: in the room with bob-phone
    ");
    // And a connection to which nothing was done lives on.
    insta::assert_snapshot!(refused_of(called(inside(), 31_100)), @"
    0.000-0.040  alice.web  createRoom r1  -> done
    1.000-1.040  bob.phone  enterRoom r1  -> done
    31.100-31.140  alice.web  inviteUsers bob, for 60s  -> 0 Success
    before: in the room with bob-phone
    ");
}

#[test]
fn permission_is_that_of_the_time_of_the_call() {
    let role = |user_role| Call::ChangeUserRole { room_id: "r1".into(), user_id: "carol".into(), user_role };
    let called = || r1().call(1000, "alice.web", sample::invite(&["bob"]), Ok(sample::invited(&["bob"])));
    // carol is a plain member.
    insta::assert_snapshot!(refused_of(called().call(2000, "carol.web", cancel(&["bob"]), Ok(Reply::Void))), @"
    0.000-0.040  alice.web  createRoom r1  -> done
    1.000-1.040  alice.web  inviteUsers bob, for 60s  -> 0 Success
    2.000-2.040  carol.web  cancelInvitation bob  -> done
    before: pending, called by alice
    ");
    let made = || called().call(1500, "alice.web", role(Role::Administrator), Ok(Reply::Void));
    all_explained(made().call(2000, "carol.web", cancel(&["bob"]), Ok(Reply::Void)));
    all_explained(made().call(1510, "carol.web", cancel(&["bob"]), failed(ErrorCode::NO_PERMISSION)));
    let unmade = made().call(1700, "alice.web", role(Role::GeneralUser), Ok(Reply::Void));
    insta::assert_snapshot!(refused_of(unmade.call(2000, "carol.web", cancel(&["bob"]), Ok(Reply::Void))), @"
    0.000-0.040  alice.web  createRoom r1  -> done
    1.000-1.040  alice.web  inviteUsers bob, for 60s  -> 0 Success
    2.000-2.040  carol.web  cancelInvitation bob  -> done
    before: pending, called by alice
    ");
}

#[test]
fn answer_means_what_its_device_heard() {
    let twice = |heard: &[u64]| {
        let recorder = r1()
            .call(1000, "alice.web", sample::invite(&["bob"]), Ok(sample::invited(&["bob"])))
            .call(2000, "alice.web", cancel(&["bob"]), Ok(Reply::Void))
            .call(3000, "alice.web", sample::invite(&["bob"]), Ok(sample::invited(&["bob"])));
        heard.iter().fold(recorder, |recorder, at| recorder.hears(*at, "bob.phone", &sample::receive("bob")))
    };
    let none = || failed(ErrorCode::REQUEST_ID_INVALID);
    all_explained(twice(&[1100]).call(4000, "bob.phone", accept(), none()));
    insta::assert_snapshot!(refused_of(twice(&[1100, 3100]).call(4000, "bob.phone", accept(), none())), @"
    0.000-0.040  alice.web  createRoom r1  -> done
    1.000-1.040  alice.web  inviteUsers bob, for 60s  -> 0 Success
    1.100  bob.phone hears: alice calls bob
    2.000-2.040  alice.web  cancelInvitation bob  -> done
    3.000-3.040  alice.web  inviteUsers bob, for 60s  -> 0 Success
    3.100  bob.phone hears: alice calls bob, 2 times by now
    4.000-4.040  bob.phone  accept r1  -> -2311 ERR_REQUEST_ID_INVALID
    before: pending, called by alice
    ");
    // Told of nothing it names nothing, and means the newest.
    insta::assert_snapshot!(refused_of(twice(&[]).call(4000, "bob.phone", accept(), none())), @"
    0.000-0.040  alice.web  createRoom r1  -> done
    1.000-1.040  alice.web  inviteUsers bob, for 60s  -> 0 Success
    2.000-2.040  alice.web  cancelInvitation bob  -> done
    3.000-3.040  alice.web  inviteUsers bob, for 60s  -> 0 Success
    4.000-4.040  bob.phone  accept r1  -> -2311 ERR_REQUEST_ID_INVALID
    before: pending, called by alice
    ");
}

#[test]
fn messages_of_a_raw_device_are_its_calls() {
    let raw = |recorder: Recorder, millis, id: &str, result: Result<Reply, ApiError>| {
        let (device, connection) = (recorder.device("dave.raw"), ConnectionNo(1));
        let content = Content::Call(Arc::new(accept()));
        let request = ClientMessage::Request(Request { id: id.into(), received: 0, content }.into());
        let response = ServerMessage::Response(Response { id: id.into(), result, at: None }.into());
        recorder
            .at(millis, Occurrence::DeviceSent { device, connection, message: request, step: None })
            .at(millis + 40, Occurrence::DeviceReceived { device, connection, message: response })
    };
    let explained = |recorder: Recorder| {
        let histories = from_trace(&recorder.trace());
        explain(&histories, EXPLORED_MAX)
    };
    let called = || r1().call(1000, "alice.web", sample::invite(&["dave"]), Ok(sample::invited(&["dave"])));
    let cancelled = || called().call(2000, "alice.web", cancel(&["dave"]), Ok(Reply::Void));
    assert_eq!(explained(raw(called(), 2000, "a", Ok(Reply::Void))), [Verdict::Linearizable]);
    assert!(matches!(explained(raw(cancelled(), 3000, "a", Ok(Reply::Void)))[..], [Verdict::NotLinearizable { .. }]));
    // IDM-1: under an id used twice it is open which of the two was carried out.
    let again = raw(raw(cancelled(), 1500, "a", Ok(Reply::Void)), 3000, "a", Ok(Reply::Void));
    assert_eq!(explained(again), [Verdict::Linearizable]);
}
