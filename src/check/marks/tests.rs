use super::Mark::*;
use super::*;
use crate::check::marks::table::NEEDS;
use crate::plan::{Place, RequirementId};
use crate::protocol::call::{AttemptRef, Call, Reply};
use crate::protocol::requirements::{Level, REQUIREMENTS};
use crate::protocol::vocabulary::{ApiError, AttemptNo, ErrorCode, InstanceId, RoomType};
use crate::trace::sample::{Recorder, a_call_to_bob, added, invite, invited, receive};
use crate::trace::{DeviceChange, Occurrence, Stage};

#[test]
fn every_must_and_should_has_its_marks_and_nothing_else_has() {
    let asked: Vec<&str> = REQUIREMENTS
        .iter()
        .filter(|requirement| requirement.level != Level::May && !requirement.definition)
        .map(|requirement| requirement.id)
        .collect();
    let given: Vec<&str> = NEEDS.iter().map(|needs| needs.requirement).collect();
    assert_eq!(given, asked);
    for needs in NEEDS {
        assert!(!needs.marks.is_empty() && needs.marks.iter().all(|marks| !marks.is_empty()), "{}", needs.requirement);
    }
}

#[test]
fn every_mark_serves_a_requirement() {
    let used: BTreeSet<Mark> = NEEDS.iter().flat_map(|needs| needs.marks).flat_map(|marks| *marks).copied().collect();
    let idle: Vec<_> = Mark::ALL.iter().filter(|mark| !used.contains(mark)).collect();
    assert!(idle.is_empty(), "{idle:?}");
}

#[test]
fn no_two_marks_have_the_same_words() {
    let words: BTreeSet<&str> = Mark::ALL.iter().map(|mark| mark.words()).collect();
    assert_eq!(words.len(), Mark::ALL.len());
}

/// Which of the marks a trace hits.
#[track_caller]
fn check(recorder: Recorder, hit: &[Mark], missed: &[Mark]) {
    let trace = recorder.trace();
    let wanted: BTreeSet<Mark> = hit.iter().chain(missed).copied().collect();
    assert_eq!(hits(&trace, wanted), hit.iter().copied().collect());
}

fn error(code: ErrorCode) -> Result<Reply, ApiError> {
    Err(ApiError::new(code, "no"))
}

/// alice owns r1 and is in it, erin is in it; the body begins.
fn a_room() -> Recorder {
    let devices = ["alice.web", "erin.web", "bob.phone", "bob.tablet", "mallory.phone"];
    let mut recorder = Recorder::new(&devices);
    recorder.moments.clear();
    recorder = recorder.at(0, Occurrence::Stage(Stage::Setup));
    for device in devices {
        recorder = recorder.logs_in(0, device, 1, false);
    }
    recorder
        .call(0, "alice.web", create(RoomType::Conference), Ok(Reply::Void))
        .call(0, "alice.web", enter(), Ok(Reply::Void))
        .call(0, "erin.web", enter(), Ok(Reply::Void))
        .at(40, Occurrence::Stage(Stage::Body))
}

fn create(room_type: RoomType) -> Call {
    Call::CreateRoom {
        room_id: "r1".into(),
        room_name: "".into(),
        room_type,
        password: "".into(),
        max_member_count: 0,
        schedule_attendees: Vec::new(),
    }
}

fn enter() -> Call {
    Call::EnterRoom { room_id: "r1".into(), password: "".into() }
}

fn accept() -> Call {
    Call::Accept { room_id: "r1".into(), attempt: None }
}

fn reject() -> Call {
    Call::Reject { room_id: "r1".into(), reason: 0, attempt: None }
}

fn cancel() -> Call {
    Call::CancelInvitation { room_id: "r1".into(), user_id_list: vec!["bob".into()] }
}

/// alice calls bob for 60 seconds at 1 s: the server has it at 1.02 s.
fn ringing() -> Recorder {
    a_room().call(1000, "alice.web", invite(&["bob"]), Ok(invited(&["bob"])))
}

#[test]
fn an_answer_near_the_deadline_is_near_by_a_millisecond() {
    let answered_at = |millis| ringing().call(millis, "bob.phone", accept(), Ok(Reply::Void));
    check(answered_at(60_999), &[AnswerNearDeadline, Accepted], &[DeadlineReached]);
    check(answered_at(61_001), &[AnswerNearDeadline, DeadlineReached], &[]);
    check(answered_at(60_998), &[Accepted], &[AnswerNearDeadline, DeadlineReached]);
}

#[test]
fn what_is_due_has_happened_before_anything_else() {
    let late = ringing().call(61_000, "bob.phone", accept(), error(ErrorCode::REQUEST_ID_INVALID));
    check(late, &[AnswerAfterEnd, DeadlineReached], &[AnswerAfterCancel, SecondDeviceAnswered]);
}

#[test]
fn a_second_device_is_another_device() {
    let first = || ringing().call(2000, "bob.phone", accept(), Ok(Reply::Void));
    let other = first().call(3000, "bob.tablet", reject(), error(ErrorCode::REQUEST_CONFLICT));
    check(other, &[SecondDeviceAnswered, AnsweredBesideOthers], &[SameDeviceAnsweredAgain, RejectedBesideOthers]);
    let same = first().call(3000, "bob.phone", accept(), Ok(Reply::Void));
    check(same, &[SameDeviceAnsweredAgain], &[SecondDeviceAnswered, Rejected]);
}

#[test]
fn cancels_are_told_apart_by_who_cancels_what() {
    let own = ringing().call(2000, "alice.web", cancel(), Ok(Reply::Void));
    check(own, &[CancelCommitted, OwnCallCancelledByOwner], &[RevokedByOwner, CancelOfNothing, CancelAfterEnd]);
    let theirs = a_room().call(1000, "erin.web", invite(&["bob"]), Ok(invited(&["bob"]))).call(
        2000,
        "alice.web",
        cancel(),
        Ok(Reply::Void),
    );
    check(theirs, &[RevokedByOwner, NonOwnerCalled], &[CancelCommitted, OwnCallCancelledByOwner]);
    let late =
        ringing().call(2000, "bob.phone", accept(), Ok(Reply::Void)).call(3000, "alice.web", cancel(), Ok(Reply::Void));
    check(late, &[CancelAfterEnd, CancelOfNothing], &[CancelCommitted]);
    let outsider = ringing().call(2000, "mallory.phone", cancel(), error(ErrorCode::NO_PERMISSION));
    check(outsider, &[CancelByOutsider, StrangerAsked], &[CancelWithoutRight]);
    let member = ringing().call(2000, "erin.web", cancel(), error(ErrorCode::NO_PERMISSION));
    check(member, &[CancelWithoutRight], &[CancelByOutsider, StrangerAsked]);
}

#[test]
fn a_late_answer_meets_a_cancel() {
    let late = ringing().call(2000, "alice.web", cancel(), Ok(Reply::Void)).call(
        3000,
        "bob.phone",
        reject(),
        error(ErrorCode::REQUEST_ID_INVALID),
    );
    check(late, &[AnswerAfterCancel, RejectOfWhatIsOver], &[AnswerToNothing, ThirdPartyAnswered]);
    let stranger = ringing().call(3000, "mallory.phone", accept(), error(ErrorCode::REQUEST_ID_INVALID));
    check(stranger, &[AnswerToNothing, ThirdPartyAnswered], &[AnswerAfterEnd, RejectOfWhatIsOver]);
}

#[test]
fn an_older_attempt_can_be_named() {
    let again = || {
        ringing().call(2000, "alice.web", cancel(), Ok(Reply::Void)).call(
            3000,
            "alice.web",
            invite(&["bob"]),
            Ok(invited(&["bob"])),
        )
    };
    let named = |attempt| Call::Accept {
        room_id: "r1".into(),
        attempt: Some(AttemptRef { instance: InstanceId(1), attempt: AttemptNo(attempt) }),
    };
    let older = again().call(4000, "bob.phone", named(1), error(ErrorCode::REQUEST_ID_INVALID));
    check(older, &[AnswerNamedOlderAttempt, CalledAgain, AnswerAfterCancel], &[UnnamedAnswer, Accepted]);
    let newest = again().call(4000, "bob.phone", named(2), Ok(Reply::Void));
    check(newest, &[Accepted], &[AnswerNamedOlderAttempt, UnnamedAnswer, AnswerAfterCancel]);
}

#[test]
fn entering_during_the_ring_is_an_answer() {
    let entry = ringing().call(2000, "bob.phone", enter(), Ok(Reply::Void));
    let marks = [EnteredWhileRinging, EnteredWithEntry, EntrySeenByMembers, Accepted];
    check(entry, &marks, &[AcceptAfterEntry, EntryFailedWhileRinging]);
    let then_accept =
        ringing().call(2000, "bob.phone", enter(), Ok(Reply::Void)).call(3000, "bob.phone", accept(), Ok(Reply::Void));
    check(then_accept, &[AcceptAfterEntry, SameDeviceAnsweredAgain], &[SecondDeviceAnswered]);
    let full = ringing().call(2000, "bob.phone", enter(), error(ErrorCode::ROOM_USER_FULL));
    check(full, &[EntryFailedWhileRinging], &[EntryRefusedAfterAccept, EnteredWithEntry]);
}

#[test]
fn a_deadline_can_pass_while_the_server_is_down() {
    let crash = |up_at| {
        ringing().at(50_000, Occurrence::ServerCrashed).at(up_at, Occurrence::ServerStarted { records: 4 }).at(
            70_000,
            Occurrence::DeviceChanged { device: crate::plan::DeviceIndex(0), change: DeviceChange::ClockChanged },
        )
    };
    check(crash(65_000), &[DeadlineWhileDown, CrashedWhileRinging], &[ClockChangedWhileRinging]);
    check(crash(55_000), &[CrashedWhileRinging, DeadlineReached], &[DeadlineWhileDown]);
}

#[test]
fn a_resume_can_suppress_a_whole_ring() {
    let lost = |recorder: Recorder, millis| {
        let (device, connection) = (recorder.device("bob.phone"), crate::protocol::message::ConnectionNo(1));
        recorder.at(millis, Occurrence::ServerLost { device, connection })
    };
    let meanwhile = lost(a_room(), 500)
        .call(1000, "alice.web", invite(&["bob"]), Ok(invited(&["bob"])))
        .call(2000, "alice.web", cancel(), Ok(Reply::Void))
        .logs_in(3000, "bob.phone", 2, true);
    check(meanwhile, &[ResumeSuppressedRing, CameBack], &[SessionBeganWhileRinging, NewSessionAfterOld]);
    let begun_before =
        lost(ringing(), 1500).call(2000, "alice.web", cancel(), Ok(Reply::Void)).logs_in(3000, "bob.phone", 2, true);
    check(begun_before, &[CameBack, PartyLostWhileRinging], &[ResumeSuppressedRing]);
    let anew = lost(ringing(), 1500).logs_in(40_000, "bob.phone", 2, false);
    check(anew, &[SessionBeganWhileRinging, NewSessionAfterOld], &[ResumeSuppressedRing]);
}

#[test]
fn arguments_are_looked_at_where_the_application_gives_them() {
    let with = |user_ids: &[&str], timeout: f64| Call::InviteUsers {
        room_id: "r1".into(),
        user_id_list: user_ids.iter().map(|user| (*user).into()).collect(),
        timeout,
        extension_info: "".into(),
    };
    let refused = || error(ErrorCode::INVALID_PARAMETER);
    let none = a_room().call(1000, "alice.web", with(&[], 0.0), refused());
    check(none, &[InviteRefusable, TimeoutOmitted, CallFailed], &[TimeoutRefusable, DuplicateIds]);
    let negative = a_room().call(1000, "alice.web", with(&["bob"], -1.0), refused());
    check(negative, &[InviteRefusable, TimeoutRefusable], &[TimeoutOmitted, TimeoutFraction]);
    let twice = a_room().call(1000, "alice.web", with(&["bob", "alice", "bob"], 1.0005), Ok(invited(&["bob"])));
    check(twice, &[DuplicateIds, OwnIdCalled, TimeoutFraction], &[InviteRefusable, UnknownAccountCalled]);
    let malformed = Call::FetchRoomInfo { room_id: "a*".into() };
    check(
        a_room().call(1000, "alice.web", malformed, error(ErrorCode::ROOM_ID_INVALID)),
        &[RoomIdMalformed],
        &[RoomIdLongest],
    );
}

#[test]
fn only_the_body_counts() {
    let trace = || Recorder::new(&["alice.web", "bob.phone"]);
    check(trace().sends(20, &["bob.phone"], &receive("bob")), &[InvitationShown, ExtensionInfoReceived], &[AddedSent]);
    let after = trace().at(10, Occurrence::Stage(Stage::Epilogue)).sends(20, &["alice.web"], &added("bob"));
    check(after, &[], &[AddedSent, ListEventSent, InvitationShown]);
}

#[test]
fn a_claim_without_its_situation_is_empty() {
    let claim = |id: &str, line| Claim { requirement: RequirementId(id.into()), place: Place { line, column: 3 } };
    let mut recorder = a_call_to_bob();
    // A definition and a permission need no situation.
    recorder.plan.covers = vec![claim("EVT-3", 3), claim("TERM-1", 3), claim("CAN-5", 4), claim("REJ-5", 5)];
    let empty = empty_claims(&recorder.trace());
    assert_eq!(empty.iter().map(|empty| empty.claim.clone()).collect::<Vec<_>>(), [claim("CAN-5", 4)]);
    assert_eq!(empty[0].message(), "nothing is shown of CAN-5: it never happened that an inviter cancelled its call");
}
