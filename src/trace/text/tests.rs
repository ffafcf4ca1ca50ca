use super::*;
use crate::protocol::call::AttemptRef;
use crate::protocol::vocabulary::{ApiError, AttemptNo, ErrorCode, InstanceId};
use crate::trace::ConnectionNo;
use crate::trace::sample::{Recorder, a_call_to_bob, added, invite, invited, receive};

#[track_caller]
fn check(recorder: Recorder, expected: &str) {
    let seen = canonical(&recorder.trace());
    assert_eq!(seen.trim_end(), expected.trim_matches('\n'), "seen:\n{seen}");
}

#[test]
fn a_call_its_events_and_the_final_list() {
    check(
        a_call_to_bob(),
        r"
    0.000  alice.web   calls    inviteUsers r1 [bob] timeout 60 extensionInfo(6 bytes)
    0.020  server      takes    inviteUsers from alice.web
    0.020  server      answers  inviteUsers ok -> alice.web
    0.020  server      sends    onReceiveInvitation r1 bob#1 kPending from alice extensionInfo(6 bytes) @4 -> bob.phone, bob.tablet
    0.020  server      sends    onInvitationAdded r1 bob#1 kPending from alice @4 -> alice.web
    0.040  alice.web   returns  inviteUsers {bob: kSuccess}
    0.040  alice.web   hears    onInvitationAdded r1 bob#1 kPending from alice
    0.040  bob.phone   hears    onReceiveInvitation r1 bob#1 kPending from alice extensionInfo(6 bytes)
    0.040  bob.tablet  hears    onReceiveInvitation r1 bob#1 kPending from alice extensionInfo(6 bytes)
      end  r1          shows    [bob#1 kTimeout from alice] -> alice.web
",
    );
}

#[test]
fn a_message_that_the_library_keeps_to_itself_shows() {
    let recorder = Recorder::new(&["bob.phone"]);
    let device = recorder.device("bob.phone");
    let message = ServerMessage::Event { seq: 1, event: Arc::new(receive("bob")) };
    check(
        recorder.at(40, Occurrence::DeviceReceived { device, connection: ConnectionNo(1), message }),
        "    0.040  bob.phone  gets     onReceiveInvitation r1 bob#1 kPending from alice extensionInfo(6 bytes)",
    );
}

#[test]
fn a_repeated_request_shows_on_both_wires() {
    let accept = Call::Accept {
        room_id: "r1".into(),
        attempt: Some(AttemptRef { instance: InstanceId(1), attempt: AttemptNo(2) }),
    };
    let error = Err(ApiError::new(ErrorCode::REQUEST_CONFLICT, "answered"));
    let recorder = Recorder::new(&["bob.phone"]).call(0, "bob.phone", accept, error);
    let device = recorder.device("bob.phone");
    let connection = ConnectionNo(2);
    let Occurrence::DeviceSent { message, .. } = recorder.moments[2].what.clone() else { panic!("sent second") };
    check(
        recorder
            .at(90, Occurrence::DeviceSent { device, connection, message: message.clone(), step: None })
            .at(110, Occurrence::ServerReceived { device, connection, message }),
        r"
    0.000  bob.phone  calls    accept r1 #2
    0.020  server     takes    accept #2 from bob.phone
    0.020  server     answers  accept 100102 ERR_REQUEST_CONFLICT -> bob.phone
    0.040  bob.phone  fails    accept 100102 ERR_REQUEST_CONFLICT
    0.090  bob.phone  repeats  accept r1 #2
    0.110  server     takes    accept #2 again from bob.phone
",
    );
}

fn a_crowd() -> Recorder {
    let crowd = ["crowd[1].phone", "crowd[2].phone"];
    let recorder = Recorder::new(&["alice.web", crowd[0], crowd[1]])
        .call(0, "alice.web", invite(&["crowd-1", "crowd-2"]), Ok(invited(&["crowd-1", "crowd-2"])))
        .sends(20, &crowd[..1], &receive("crowd-1"))
        .sends(20, &["alice.web"], &added("crowd-1"))
        .sends(20, &crowd[1..], &receive("crowd-2"))
        .sends(20, &["alice.web"], &added("crowd-2"));
    recorder.hears(43, crowd[0], &receive("crowd-1")).hears(45, crowd[1], &receive("crowd-2"))
}

#[test]
fn a_population_is_counted() {
    check(
        a_crowd(),
        r"
    0.000  alice.web    calls    inviteUsers r1 [crowd x2] timeout 60 extensionInfo(6 bytes)
    0.020  server       takes    inviteUsers from alice.web
    0.020  server       answers  inviteUsers ok -> alice.web
    0.020  server       sends    onReceiveInvitation r1 crowd kPending from alice extensionInfo(6 bytes) -> crowd.phone x2
    0.020  server       sends    onInvitationAdded r1 crowd kPending from alice -> alice.web x2
    0.040  alice.web    returns  inviteUsers {crowd: kSuccess x2}
    0.043  crowd.phone  hears    2x onReceiveInvitation r1 crowd kPending from alice extensionInfo(6 bytes) (until 0.045)
",
    );
}

#[test]
fn a_population_has_lanes_when_asked() {
    let mut recorder = a_crowd();
    recorder.plan.snapshot.crowd = CrowdView::Lanes;
    let text = canonical(&recorder.trace());
    assert!(text.contains("0.043  crowd[1].phone  hears    onReceiveInvitation r1 crowd-1#1 kPending"), "{text}");
    assert!(text.contains("inviteUsers {crowd-1: kSuccess, crowd-2: kSuccess}"), "{text}");
}
