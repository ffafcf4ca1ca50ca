//! Each check finds what it is there for: a good run in which one thing is then made wrong, as a faulty server or client
//! library would, and the finding that must come of it.

use std::sync::Arc;

use convoke::check::{self, CHECKS, Finding};
use convoke::plan::DeviceIndex;
use convoke::plan::compile::compile;
use convoke::protocol::call::{Call, InvitationPage, Reply};
use convoke::protocol::event::{Event, Invitation, PushHint, RoomInfo, StampedEvent};
use convoke::protocol::message::{ClientMessage, Content, ServerMessage};
use convoke::protocol::vocabulary::{
    ApiError, ErrorCode, EventName, InvitationCode, InvitationStatus, OperationName, Revision, UserId,
};
use convoke::scenario;
use convoke::seed::Seed;
use convoke::trace::outside::{seen_by_applications, seen_by_devices};
use convoke::trace::{DeviceChange, Moment, Occurrence, Stage, Trace};
use convoke::world::sim;

#[path = "checks/both_ways.rs"]
mod both_ways;

/// Bob accepts on one of two devices and the other is too late; dave's call times out; erin's is cancelled, and fay's is
/// revoked by the owner; carol reads the list before and after.
const GOOD: &str = "
version: 1
title: A bit of everything.
users:
  alice: {devices: [web]}
  bob: {devices: [phone, tablet]}
  carol: {devices: [phone]}
  dave: {devices: [phone]}
  erin: {devices: [phone]}
rooms:
  r1: {owner: alice, members: [alice.web, carol.phone]}
steps:
  - {device: carol.phone, getInvitationList: {roomId: r1}}
  - {at: 1s, device: carol.phone, inviteUsers: {roomId: r1, userIdList: [bob, dave], timeout: 5, extensionInfo: hi}}
  - {at: 2s, device: bob.phone, accept: {roomId: r1}}
  - {at: 3s, device: bob.tablet, accept: {roomId: r1}, fails: 100102}
  - {at: 4s, device: alice.web, inviteUsers: {roomId: r1, userIdList: [erin, carol], timeout: 60}}
  - {at: 5s, device: alice.web, cancelInvitation: {roomId: r1, userIdList: [erin]}}
  - {at: 8s, device: carol.phone, getInvitationList: {roomId: r1}}
  - {at: 9s, device: carol.phone, inviteUsers: {roomId: r1, userIdList: [erin], timeout: 60}}
  - {at: 10s, device: alice.web, cancelInvitation: {roomId: r1, userIdList: [erin]}}
  - {at: 11s, device: bob.phone, enterRoom: {roomId: r1}}
  - {at: 12s, device: dave.phone, reject: {roomId: r1}, fails: -2311}
  - {at: 13s, device: carol.phone, reject: {roomId: r1}, fails: -2311}
";

fn run(text: &str) -> Trace {
    let scenario = scenario::parse("test.yaml", text.into()).unwrap_or_else(|error| panic!("{error}"));
    let plan = Arc::new(compile(&scenario, Seed(1)).unwrap_or_else(|error| panic!("{error}")));
    sim::run(&plan).unwrap_or_else(|error| panic!("{error}"))
}

fn shown(findings: &[Finding]) -> String {
    let lines = findings.iter().map(|one| format!("{}: {} {:?}", one.check, one.message, one.requirements));
    lines.collect::<Vec<_>>().join("\n")
}

/// Makes something wrong in the good run, and demands that the check says so and names the requirement: whether the server
/// itself saw the run, or only its devices did.
fn finds(check: &str, requirement: &str, spoil: impl Fn(&mut Trace)) {
    let trace = run(GOOD);
    finds_in(seen_by_devices(&trace).expect("no server dies"), check, requirement, &spoil);
    finds_in(trace, check, requirement, &spoil);
}

fn finds_in(mut trace: Trace, check: &str, requirement: &str, spoil: &dyn Fn(&mut Trace)) {
    let before = trace.moments.clone();
    spoil(&mut trace);
    assert!(before != trace.moments, "the run has been made wrong");
    let findings = check::judge(&trace).findings;
    let found = findings
        .iter()
        .any(|finding| finding.check == check && finding.requirements.iter().any(|id| &*id.0 == requirement));
    let vantage = trace.vantage;
    assert!(found, "{check} should find a breach of {requirement} ({vantage:?}); found is\n{}", shown(&findings));
}

fn device(trace: &Trace, name: &str) -> DeviceIndex {
    trace.plan.device_indices().find(|index| &*trace.plan.device(*index).name == name).expect("a device of the plan")
}

/// The event that the server sends in this moment, if it sends one to this device.
fn sent(moment: &Moment, to: DeviceIndex) -> Option<&Arc<StampedEvent>> {
    match &moment.what {
        Occurrence::ServerSent { device, message: ServerMessage::Event { event, .. }, .. } if *device == to => {
            Some(event)
        }
        _ => None,
    }
}

/// Where the server sends an event to a device for the nth time, from 1.
fn place(trace: &Trace, to: &str, name: EventName, nth: usize) -> usize {
    let to = device(trace, to);
    let fits = |moment: &Moment| sent(moment, to).is_some_and(|event| event.event.name() == name);
    let mut places = trace.moments.iter().enumerate().filter(|(_, moment)| fits(moment)).map(|(place, _)| place);
    places.nth(nth - 1).expect("the server sends it")
}

/// A server that numbers its events properly numbers also the wrong ones.
fn renumber(trace: &mut Trace) {
    let mut next = vec![0; trace.plan.devices.len()];
    for moment in &mut trace.moments {
        if let Occurrence::ServerSent { device, message: ServerMessage::Event { seq, .. }, .. } = &mut moment.what {
            next[device.index()] += 1;
            *seq = next[device.index()];
        }
    }
}

fn drop_event(trace: &mut Trace, to: &str, name: EventName) {
    let place = place(trace, to, name, 1);
    trace.moments.remove(place);
    renumber(trace);
}

/// The server sends an event that it sent to one device to another one as well, right after.
fn copy_event(trace: &mut Trace, from: &str, name: EventName, to: &str) {
    let place = place(trace, from, name, 1);
    let to = device(trace, to);
    let connection = trace.moments.iter().find_map(|moment| match &moment.what {
        Occurrence::Connected { device, connection } if *device == to => Some(*connection),
        _ => None,
    });
    let mut copy = trace.moments[place].clone();
    if let Occurrence::ServerSent { device, connection: on, .. } = &mut copy.what {
        *device = to;
        *on = connection.expect("it is connected");
    }
    trace.moments.insert(place + 1, copy);
    renumber(trace);
}

fn change_event(trace: &mut Trace, to: &str, name: EventName, change: impl FnOnce(&mut StampedEvent)) {
    let place = place(trace, to, name, 1);
    let Occurrence::ServerSent { message: ServerMessage::Event { event, .. }, .. } = &mut trace.moments[place].what
    else {
        unreachable!("an event was found there")
    };
    change(Arc::make_mut(event));
}

/// The nth request of an operation that the server takes from a device, from 1, and the answer to it.
fn request(trace: &Trace, from: &str, operation: OperationName, nth: usize) -> (usize, usize) {
    let from = device(trace, from);
    let mut asked = trace.moments.iter().enumerate().filter_map(|(place, moment)| match &moment.what {
        Occurrence::ServerReceived { device, message: ClientMessage::Request(request), .. } if *device == from => {
            matches!(&request.content, Content::Call(call) if call.operation() == operation)
                .then(|| (place, request.id.clone()))
        }
        _ => None,
    });
    let (place, id) = asked.nth(nth - 1).expect("the server takes it");
    let answered = trace.moments.iter().position(|moment| {
        matches!(&moment.what, Occurrence::ServerSent { device, message: ServerMessage::Response(response), .. }
            if *device == from && response.id == id)
    });
    (place, answered.expect("the server answers it"))
}

fn change_call(trace: &mut Trace, place: usize, change: impl FnOnce(&mut Call)) {
    let Occurrence::ServerReceived { message: ClientMessage::Request(request), .. } = &mut trace.moments[place].what
    else {
        unreachable!("a request was found there")
    };
    let Content::Call(call) = &mut Arc::make_mut(request).content else { unreachable!("a call was found there") };
    change(Arc::make_mut(call));
}

fn change_answer(trace: &mut Trace, place: usize, change: impl FnOnce(&mut convoke::protocol::message::Response)) {
    let Occurrence::ServerSent { message: ServerMessage::Response(response), .. } = &mut trace.moments[place].what
    else {
        unreachable!("an answer was found there")
    };
    change(Arc::make_mut(response));
}

fn set_timeout(seconds: f64) -> impl Fn(&mut Trace) {
    move |trace| {
        let (place, _) = request(trace, "carol.phone", OperationName::InviteUsers, 1);
        change_call(trace, place, |call| {
            let Call::InviteUsers { timeout, .. } = call else { unreachable!("it was searched for") };
            *timeout = seconds;
        });
    }
}

/// Changes the page of a list, wherever it is: in an answer on the wire or in the result of a call.
fn change_page(
    result: &mut Result<Reply, convoke::protocol::vocabulary::ApiError>,
    change: impl FnOnce(&mut InvitationPage),
) {
    let Ok(Reply::List(page)) = result else { panic!("the result is a page") };
    change(Arc::make_mut(page));
}

fn change_status(page: &mut InvitationPage, status: InvitationStatus) {
    let invitation: &mut Invitation = Arc::make_mut(&mut page.invitation_list[0].invitation);
    invitation.status = status;
}

#[test]
fn nothing_is_found_in_the_good_run() {
    let findings = check::judge(&run(GOOD)).findings;
    assert!(findings.is_empty(), "{}", shown(&findings));
}

#[test]
fn every_check_has_a_name_of_its_own_and_cites_requirements_that_exist() {
    for (number, check) in CHECKS.iter().enumerate() {
        assert!(CHECKS[..number].iter().all(|other| other.name != check.name), "{} is there twice", check.name);
        for id in check.requirements {
            assert!(
                convoke::protocol::requirements::find(id).is_some(),
                "{} cites {id}, which does not exist",
                check.name
            );
        }
    }
}

#[test]
fn two_devices_that_both_win_are_found() {
    finds("one outcome", "DEV-3", |trace| {
        let (_, answer) = request(trace, "bob.tablet", OperationName::Accept, 1);
        change_answer(trace, answer, |response| response.result = Ok(Reply::Void));
    });
}

#[test]
fn an_answer_to_a_call_that_timed_out_is_found() {
    finds("one outcome", "ACC-1", |trace| {
        let (_, answer) = request(trace, "dave.phone", OperationName::Reject, 1);
        change_answer(trace, answer, |response| response.result = Ok(Reply::Void));
    });
}

#[test]
fn an_application_that_hears_two_outcomes_is_found() {
    finds("one outcome", "DEV-2", |trace| {
        let carol = device(trace, "carol.phone");
        let place = trace.moments.iter().position(|moment| {
            matches!(&moment.what, Occurrence::Heard { device, event }
                if *device == carol && event.event.name() == EventName::InvitationAccepted)
        });
        let place = place.expect("carol hears it");
        let mut second = trace.moments[place].clone();
        let Occurrence::Heard { event, .. } = &mut second.what else { unreachable!("it was searched for") };
        let Event::InvitationAccepted { room_info, invitation } = event.event.clone() else {
            unreachable!("it was searched for")
        };
        Arc::make_mut(event).event = Event::InvitationTimeout { room_info, invitation };
        trace.moments.insert(place + 1, second);
    });
}

#[test]
fn a_ring_that_is_never_sent_is_found() {
    let spoil = |trace: &mut Trace| drop_event(trace, "bob.tablet", EventName::ReceiveInvitation);
    finds("ring lifecycle", "DEV-1", spoil);
    finds("recipients", "DEV-1", spoil);
}

#[test]
fn a_second_ring_is_found() {
    let spoil = |trace: &mut Trace| copy_event(trace, "bob.phone", EventName::ReceiveInvitation, "bob.phone");
    finds("ring lifecycle", "IDM-4", spoil);
    finds("recipients", "IDM-4", spoil);
}

#[test]
fn a_device_that_is_not_silenced_is_found() {
    finds("handled", "DEV-4", |trace| drop_event(trace, "bob.tablet", EventName::InvitationHandledByOtherDevice));
}

#[test]
fn a_winner_that_is_silenced_is_found() {
    finds("handled", "DEV-4", |trace| {
        copy_event(trace, "bob.tablet", EventName::InvitationHandledByOtherDevice, "bob.phone");
    });
}

#[test]
fn a_timeout_that_comes_early_is_found() {
    finds("deadlines", "TMO-4", set_timeout(60.0));
}

#[test]
fn a_timeout_that_comes_late_is_found() {
    finds("deadlines", "TMO-4", set_timeout(1.5));
}

#[test]
fn a_timeout_where_there_is_none_is_found() {
    finds("deadlines", "TMO-2", set_timeout(0.0));
}

#[test]
fn an_answer_after_the_deadline_is_found() {
    finds("deadlines", "TMO-3", set_timeout(0.5));
}

#[test]
fn a_timeout_that_never_comes_is_found() {
    finds("deadlines", "TMO-4", |trace| {
        let timed_out = |moment: &Moment| match &moment.what {
            Occurrence::ServerSent { message: ServerMessage::Event { event, .. }, .. } => {
                let told = event.event.invitation().map(|invitation| invitation.status);
                told == Some(InvitationStatus::Timeout)
            }
            _ => false,
        };
        trace.moments.retain(|moment| !timed_out(moment));
        // The revisions close up, as if it had never been committed.
        let lost = Revision(8);
        for moment in &mut trace.moments {
            match &mut moment.what {
                Occurrence::ServerSent { message: ServerMessage::Event { event, .. }, .. } => {
                    if let Some(stamp) = &mut Arc::make_mut(event).stamp {
                        stamp.revision.0 -= u64::from(stamp.revision > lost);
                    }
                }
                Occurrence::ServerSent { message: ServerMessage::Response(response), .. } => {
                    if let Some(at) = &mut Arc::make_mut(response).at {
                        at.revision.0 -= u64::from(at.revision >= lost);
                    }
                }
                _ => {}
            }
        }
        renumber(trace);
    });
}

#[test]
fn list_news_to_a_stranger_are_found() {
    finds("recipients", "EVT-1", |trace| copy_event(trace, "alice.web", EventName::InvitationAdded, "dave.phone"));
}

#[test]
fn list_news_that_a_member_misses_are_found() {
    finds("recipients", "EVT-3", |trace| drop_event(trace, "alice.web", EventName::InvitationAdded));
    finds("recipients", "EVT-5", |trace| drop_event(trace, "carol.phone", EventName::InvitationRemoved));
}

#[test]
fn an_inviter_that_is_not_told_of_a_revocation_is_found() {
    finds("recipients", "REV-2", |trace| drop_event(trace, "carol.phone", EventName::InvitationRevokedByAdmin));
}

#[test]
fn a_request_without_an_answer_is_found() {
    finds("responses", "IDM-1", |trace| {
        let (_, answer) = request(trace, "bob.phone", OperationName::Accept, 1);
        trace.moments.remove(answer);
    });
}

#[test]
fn an_answer_that_comes_twice_is_found() {
    finds("responses", "IDM-1", |trace| {
        let (_, answer) = request(trace, "bob.phone", OperationName::Accept, 1);
        let again = trace.moments[answer].clone();
        trace.moments.insert(answer + 1, again);
    });
}

#[test]
fn a_repeat_that_gets_another_result_is_found() {
    finds("responses", "IDM-1", |trace| {
        let (asked, answer) = request(trace, "bob.phone", OperationName::Accept, 1);
        let (mut again, repeat) = (trace.moments[answer].clone(), trace.moments[asked].clone());
        let Occurrence::ServerSent { message: ServerMessage::Response(response), .. } = &mut again.what else {
            unreachable!("an answer was found there")
        };
        Arc::make_mut(response).result = Ok(Reply::Invited([].into()));
        let at = trace.moments[answer].at;
        trace.moments.splice(answer + 1..=answer, [Moment { at, ..repeat }, Moment { at, ..again }]);
    });
}

#[test]
fn a_call_that_never_returns_is_found() {
    finds("responses", "IDM-5", |trace| {
        let bob = device(trace, "bob.phone");
        let body = trace.moments.iter().position(|moment| moment.what == Occurrence::Stage(Stage::Body));
        let place =
            trace.moments.iter().enumerate().skip(body.expect("there is a body")).find_map(|(place, moment)| {
                matches!(&moment.what, Occurrence::Returned { device, .. } if *device == bob).then_some(place)
            });
        trace.moments.remove(place.expect("a call of bob's returns"));
    });
}

#[test]
fn a_revision_from_the_past_is_found() {
    finds("revisions", "ORD-1", |trace| {
        let (_, answer) = request(trace, "carol.phone", OperationName::GetInvitationList, 2);
        change_answer(trace, answer, |response| response.at.as_mut().expect("a room was found").revision = Revision(2));
    });
}

#[test]
fn events_out_of_the_order_of_their_commits_are_found() {
    finds("revisions", "ORD-1", |trace| {
        let (added, changed) = (
            place(trace, "alice.web", EventName::InvitationAdded, 1),
            place(trace, "alice.web", EventName::InvitationStatusChanged, 1),
        );
        let (first, second) = (trace.moments[added].what.clone(), trace.moments[changed].what.clone());
        trace.moments[added].what = second;
        trace.moments[changed].what = first;
        renumber(trace);
    });
}

#[test]
fn a_wrong_invitation_code_is_found() {
    finds("revisions", "INV-4", |trace| {
        let (_, answer) = request(trace, "alice.web", OperationName::InviteUsers, 1);
        change_answer(trace, answer, |response| {
            let Ok(Reply::Invited(codes)) = &mut response.result else { panic!("it invites") };
            let mut wrong = codes.to_vec();
            wrong[1].1 = InvitationCode::AlreadyInInvitationList;
            *codes = wrong.into();
        });
    });
}

/// Makes the answer to the nth call of a device say something else of somebody whom it called.
fn answer_otherwise(
    from: &str,
    nth: usize,
    answer: impl Fn(Vec<(UserId, InvitationCode)>) -> Result<Reply, ApiError>,
) -> impl Fn(&mut Trace) {
    move |trace| {
        let (_, place) = request(trace, from, OperationName::InviteUsers, nth);
        change_answer(trace, place, |response| {
            let Ok(Reply::Invited(codes)) = &response.result else { panic!("it has called somebody") };
            response.result = answer(codes.to_vec());
        });
    }
}

fn saying_of(
    user: &'static str,
    code: InvitationCode,
) -> impl Fn(Vec<(UserId, InvitationCode)>) -> Result<Reply, ApiError> {
    move |mut codes| {
        codes.iter_mut().filter(|(called, _)| called.as_str() == user).for_each(|(_, given)| *given = code);
        Ok(Reply::Invited(codes.into()))
    }
}

#[test]
fn a_ring_that_its_call_denies_is_found() {
    // Of a batch one is denied, and of another all that it called.
    for (from, user) in [("carol.phone", "bob"), ("alice.web", "erin")] {
        for code in [InvitationCode::AlreadyInInvitationList, InvitationCode::AlreadyInConference] {
            for requirement in ["INV-4", "INV-6"] {
                finds("unasked rings", requirement, answer_otherwise(from, 1, saying_of(user, code)));
            }
        }
        let without = move |mut codes: Vec<(UserId, InvitationCode)>| {
            codes.retain(|(called, _)| called.as_str() != user);
            Ok(Reply::Invited(codes.into()))
        };
        finds("unasked rings", "INV-3", answer_otherwise(from, 1, without));
    }
    let fails = |_| Err(ApiError::new(ErrorCode::USER_NOT_EXIST, "no such account: zoe"));
    finds("unasked rings", "ERR-3", answer_otherwise("alice.web", 1, fails));
}

#[test]
fn a_ring_without_a_call_is_found() {
    finds("unasked rings", "EVT-1", |trace| {
        let (place, _) = request(trace, "carol.phone", OperationName::InviteUsers, 1);
        change_call(trace, place, |call| {
            let Call::InviteUsers { user_id_list, .. } = call else { unreachable!("it was searched for") };
            *user_id_list = ["dave".into()].into();
        });
        answer_otherwise("carol.phone", 1, |mut codes| {
            codes.retain(|(called, _)| called.as_str() == "dave");
            Ok(Reply::Invited(codes.into()))
        })(trace);
    });
}

/// At the API alone the order that would explain it is searched for in vain.
#[test]
fn a_ring_that_its_call_denies_is_found_by_applications() {
    let trace = run(GOOD);
    let mut trace = seen_by_applications(&trace);
    let carol = device(&trace, "carol.phone");
    let returned = trace.moments.iter_mut().find_map(|moment| match &mut moment.what {
        Occurrence::Returned { device, result: Ok(Reply::Invited(codes)), .. } if *device == carol => Some(codes),
        _ => None,
    });
    let codes = returned.expect("carol's call returns");
    let Ok(Reply::Invited(denied)) = saying_of("bob", InvitationCode::AlreadyInInvitationList)(codes.to_vec()) else {
        unreachable!("it returns codes")
    };
    *codes = denied;
    let findings = check::judge(&trace).findings;
    let named = |finding: &Finding| finding.requirements.iter().any(|id| &*id.0 == "INV-4");
    assert!(findings.iter().any(named), "{}", shown(&findings));
}

#[test]
fn a_cancel_that_fails_because_it_is_too_late_is_found() {
    let late = GOOD.replace(
        "  - {at: 12s,",
        "  - {at: 11.5s, device: carol.phone, cancelInvitation: {roomId: r1, userIdList: [dave]}}\n  - {at: 12s,",
    );
    let trace = run(&late);
    let fails = |trace: &mut Trace| {
        let (_, answer) = request(trace, "carol.phone", OperationName::CancelInvitation, 1);
        change_answer(trace, answer, |response| {
            response.result = Err(ApiError::new(ErrorCode::REQUEST_ID_INVALID, "nobody is being called"));
        });
    };
    finds_in(seen_by_devices(&trace).expect("no server dies"), "late cancels", "CAN-6", &fails);
    finds_in(trace, "late cancels", "CAN-6", &fails);
}

#[test]
fn a_wrong_status_in_a_page_is_found() {
    finds("list fold", "LST-7", |trace| {
        let (_, answer) = request(trace, "carol.phone", OperationName::GetInvitationList, 2);
        change_answer(trace, answer, |response| {
            change_page(&mut response.result, |page| change_status(page, InvitationStatus::Rejected));
        });
    });
}

#[test]
fn a_page_that_leaves_out_an_entry_is_found() {
    finds("list fold", "LST-2", |trace| {
        let (_, answer) = request(trace, "carol.phone", OperationName::GetInvitationList, 2);
        change_answer(trace, answer, |response| {
            change_page(&mut response.result, |page| page.invitation_list.truncate(1));
        });
    });
}

#[test]
fn a_page_in_the_wrong_order_is_found() {
    finds("list fold", "LST-3", |trace| {
        let (_, answer) = request(trace, "carol.phone", OperationName::GetInvitationList, 2);
        change_answer(trace, answer, |response| {
            change_page(&mut response.result, |page| page.invitation_list.reverse());
        });
    });
}

/// Changes what a device reads at the end.
fn change_final_list(trace: &mut Trace, reader: &str, change: impl Fn(&mut InvitationPage)) {
    let reader = device(trace, reader);
    let end = trace.moments.iter().position(|moment| moment.what == Occurrence::Stage(Stage::FinalLists));
    for moment in &mut trace.moments[end.expect("the lists are read at the end")..] {
        if let Occurrence::Returned { device, result, .. } = &mut moment.what
            && *device == reader
        {
            change_page(result, &change);
        }
    }
}

#[test]
fn pages_in_the_wrong_order_among_one_another_are_found() {
    const PAGES: &str = "
version: 1
title: A list in three pages.
users:
  alice: {devices: [web]}
accounts: [bob, dave, erin]
rooms:
  r1: {owner: alice, members: [alice.web]}
steps:
  - {at: 1s, device: alice.web, inviteUsers: {roomId: r1, userIdList: [bob, dave, erin]}}
  - {at: 2s, device: alice.web, getInvitationList: {roomId: r1, count: 1}}
  - {at: 3s, device: alice.web, getInvitationList: {roomId: r1, cursor: {of: alice.web}, count: 1}}
  - {at: 4s, device: alice.web, getInvitationList: {roomId: r1, cursor: {of: alice.web}, count: 1}}
";
    let trace = run(PAGES);
    assert!(check::judge(&trace).findings.is_empty(), "{}", shown(&check::judge(&trace).findings));
    finds_in(trace, "list fold", "LST-3", &|trace: &mut Trace| {
        let page = |trace: &mut Trace, nth: usize, other: Option<InvitationPage>| {
            let (_, answer) = request(trace, "alice.web", OperationName::GetInvitationList, nth);
            let mut was = None;
            change_answer(trace, answer, |response| {
                change_page(&mut response.result, |page| {
                    was = Some(page.clone());
                    if let Some(other) = other {
                        page.invitation_list = other.invitation_list;
                    }
                });
            });
            was.expect("it is a page")
        };
        let second = page(trace, 2, None);
        let third = page(trace, 3, Some(second));
        page(trace, 2, Some(third));
    });
}

#[test]
fn a_client_whose_fold_does_not_hold_is_found() {
    finds("list fold", "ORD-5", |trace| {
        let carol = device(trace, "carol.phone");
        trace.moments.retain(|moment| {
            !matches!(&moment.what, Occurrence::Heard { device, event }
                if *device == carol && event.event.name() == EventName::InvitationRemoved)
        });
    });
}

#[test]
fn members_that_read_different_lists_are_found() {
    finds("quiescence", "REC-3", |trace| {
        change_final_list(trace, "carol.phone", |page| change_status(page, InvitationStatus::Accepted));
    });
}

#[test]
fn a_list_without_an_entry_is_found_at_the_end() {
    finds("quiescence", "LST-2", |trace| {
        change_final_list(trace, "alice.web", |page| page.invitation_list.clear());
    });
}

#[test]
fn a_stale_status_in_a_payload_is_found() {
    finds("payloads", "EVT-6", |trace| {
        change_event(trace, "erin.phone", EventName::InvitationCancelled, |event| {
            let Event::InvitationCancelled { invitation, .. } = &mut event.event else {
                unreachable!("it was searched for")
            };
            Arc::make_mut(invitation).status = InvitationStatus::Pending;
        });
    });
}

#[test]
fn a_password_in_an_event_is_found() {
    finds("payloads", "SEC-4", |trace| {
        change_event(trace, "alice.web", EventName::InvitationAdded, |event| {
            let Event::InvitationAdded { room_info, .. } = &mut event.event else {
                unreachable!("it was searched for")
            };
            let info: &mut RoomInfo = Arc::make_mut(room_info.as_mut().expect("list events have it"));
            info.password = "secret".into();
        });
    });
}

#[test]
fn an_extension_info_that_is_not_handed_on_is_found() {
    finds("payloads", "INV-12", |trace| {
        change_event(trace, "bob.phone", EventName::ReceiveInvitation, |event| {
            let Event::ReceiveInvitation { extension_info, .. } = &mut event.event else {
                unreachable!("it was searched for")
            };
            *extension_info = "HI".into();
        });
    });
}

#[test]
fn a_wrong_number_of_members_is_found() {
    finds("payloads", "EVT-8", |trace| {
        change_event(trace, "bob.phone", EventName::ReceiveInvitation, |event| {
            let Event::ReceiveInvitation { room_info, .. } = &mut event.event else {
                unreachable!("it was searched for")
            };
            Arc::make_mut(room_info).room_member_count = 7;
        });
    });
}

#[test]
fn a_wrong_operator_is_found() {
    finds("payloads", "REV-1", |trace| {
        change_event(trace, "erin.phone", EventName::InvitationRevokedByAdmin, |event| {
            let Event::InvitationRevokedByAdmin { operate_user, .. } = &mut event.event else {
                unreachable!("it was searched for")
            };
            Arc::make_mut(operate_user).user_id = "carol".into();
        });
    });
}

#[test]
fn a_gap_in_the_numbers_of_a_session_is_found() {
    finds("sessions", "REC-2", |trace| {
        let place = place(trace, "bob.phone", EventName::ReceiveInvitation, 1);
        trace.moments.remove(place);
        let bob = device(trace, "bob.phone");
        let later = trace.moments.iter().any(|moment| sent(moment, bob).is_some());
        assert!(!later, "bob.phone hears nothing more");
        copy_event(trace, "bob.tablet", EventName::ReceiveInvitation, "bob.phone");
        for moment in &mut trace.moments {
            if let Occurrence::ServerSent { device, message: ServerMessage::Event { seq, .. }, .. } = &mut moment.what
                && *device == bob
            {
                *seq += 1;
            }
        }
    });
}

#[test]
fn an_event_that_an_application_hears_twice_is_found() {
    finds("sessions", "IDM-4", |trace| {
        let heard = trace.moments.iter().position(|moment| matches!(&moment.what, Occurrence::Heard { .. }));
        let heard = heard.expect("somebody hears something");
        let again = trace.moments[heard].clone();
        trace.moments.insert(heard + 1, again);
    });
}

#[test]
fn an_event_after_the_end_of_a_session_is_found() {
    let text = "
version: 1
title: A newer login puts an older device out.
users:
  bob: {devices: {phone: {}, other: {platform: phone, online: false}}}
  alice: {devices: [web]}
rooms: {r1: {owner: alice, members: [alice.web]}}
steps:
  - {at: 1s, device: bob.other, login: ~}
  - {at: 2s, device: alice.web, inviteUsers: {roomId: r1, userIdList: [bob], timeout: 5}}
";
    let mut trace = run(text);
    let findings = check::judge(&trace).findings;
    assert!(findings.is_empty(), "{}", shown(&findings));
    copy_event(&mut trace, "bob.other", EventName::ReceiveInvitation, "bob.phone");
    let findings = check::judge(&trace).findings;
    let found = findings.iter().any(|one| one.check == "sessions" && one.message.contains("after onKickedOffLine"));
    assert!(found, "{}", shown(&findings));
}

#[test]
fn a_session_that_is_not_given_back_is_found() {
    let text = "
version: 1
title: A phone is away for a moment.
users:
  bob: {devices: [phone]}
  alice: {devices: [web]}
rooms: {r1: {owner: alice, members: [alice.web]}}
steps:
  - {at: 1s, offline: bob.phone}
  - {at: 2s, device: alice.web, inviteUsers: {roomId: r1, userIdList: [bob], timeout: 50}}
  - {at: 5s, online: bob.phone}
";
    let mut trace = run(text);
    let findings = check::judge(&trace).findings;
    assert!(findings.is_empty(), "{}", shown(&findings));
    for moment in &mut trace.moments {
        if let Occurrence::ServerSent { message: ServerMessage::LoggedIn { resumed, session }, .. } = &mut moment.what
            && *resumed
        {
            *resumed = false;
            *session = "another".into();
        }
    }
    let findings = check::judge(&trace).findings;
    let found =
        findings.iter().any(|one| one.check == "sessions" && one.message.contains("not given back its session"));
    assert!(found, "{}", shown(&findings));
    // DEV-7: what began before the session is not rung on it.
    let found =
        findings.iter().any(|one| one.check == "ring lifecycle" && one.message.contains("began after the attempt"));
    assert!(found, "{}", shown(&findings));
}

#[test]
fn a_call_of_a_program_that_was_killed_need_not_return() {
    let trace = run("
version: 1
title: A program dies while it calls.
users: {alice: {devices: [web]}}
rooms: {r1: {owner: alice, members: []}}
steps:
  - {at: 1s, device: alice.web, enterRoom: {roomId: r1}, any-of: [{unanswered: true}]}
  - {after: 1ms, kill: alice.web}
");
    let killed =
        |moment: &Moment| matches!(moment.what, Occurrence::DeviceChanged { change: DeviceChange::Killed, .. });
    assert!(trace.moments.iter().any(killed));
    let findings = check::judge(&trace).findings;
    assert!(findings.is_empty(), "{}", shown(&findings));
}

#[test]
fn a_refusal_that_tells_whether_somebody_is_called_is_found() {
    finds("refusals", "SEC-2", |trace| {
        let (_, answer) = request(trace, "carol.phone", OperationName::Reject, 1);
        change_answer(trace, answer, |response| {
            response.result = Err(ApiError::new(ErrorCode::REQUEST_ID_INVALID, "this call is for somebody else"));
        });
    });
}

#[test]
fn a_refusal_that_speaks_of_a_camera_is_found() {
    finds("refusals", "ERR-5", |trace| {
        let (_, answer) = request(trace, "dave.phone", OperationName::Reject, 1);
        change_answer(trace, answer, |response| {
            response.result = Err(ApiError::new(ErrorCode::PERMISSION_DENIED, "no permission"));
        });
    });
}

#[test]
fn a_refusal_without_words_is_found() {
    finds("refusals", "ERR-4", |trace| {
        let (_, answer) = request(trace, "dave.phone", OperationName::Reject, 1);
        change_answer(trace, answer, |response| {
            response.result = Err(ApiError::new(ErrorCode::REQUEST_ID_INVALID, ""));
        });
    });
}

#[test]
fn an_application_that_hears_old_news_is_found() {
    finds("news", "ORD-5", |trace| {
        let alice = device(trace, "alice.web");
        let heard = trace.moments.iter_mut().filter_map(|moment| match &mut moment.what {
            Occurrence::Heard { device, event }
                if *device == alice && event.event.name() == EventName::InvitationStatusChanged =>
            {
                Some(event)
            }
            _ => None,
        });
        for event in heard {
            Arc::make_mut(event).stamp.as_mut().expect("it is stamped").revision = Revision(1);
        }
    });
}

#[test]
fn an_application_that_is_given_an_old_page_is_found() {
    finds("news", "REC-3", |trace| {
        let carol = device(trace, "carol.phone");
        for moment in &mut trace.moments {
            if let Occurrence::DeviceReceived { device, message: ServerMessage::Response(response), .. } =
                &mut moment.what
                && *device == carol
                && matches!(&response.result, Ok(Reply::List(page)) if !page.invitation_list.is_empty())
            {
                Arc::make_mut(response).at.as_mut().expect("a page has a revision").revision = Revision(2);
            }
        }
    });
}

#[test]
fn a_push_for_somebody_who_is_online_is_found() {
    finds("push hints", "REC-6", |trace| {
        let place = place(trace, "dave.phone", EventName::ReceiveInvitation, 1);
        let hint = PushHint {
            user_id: "dave".into(),
            room_id: "r1".into(),
            room_name: "r1".into(),
            owner_name: "alice".into(),
            member_count: 2,
        };
        let at = trace.moments[place].at;
        trace.moments.insert(place + 1, Moment { at, what: Occurrence::PushHinted(Box::new(hint)) });
    });
}

#[test]
fn a_batch_of_which_one_call_is_withdrawn_in_a_commit_of_its_own_is_found() {
    // The revision of the answer is the next one's, so that nobody is answered with the commit that withdraws the call. From
    // the devices' end an answer may have been lost, so there nothing can be said.
    finds_in(run(GOOD), "revisions", "CAN-9", &|trace: &mut Trace| {
        let (_, answer) = request(trace, "alice.web", OperationName::CancelInvitation, 1);
        change_answer(trace, answer, |response| response.at.as_mut().expect("it has a place").revision.0 += 1);
    });
}

#[test]
fn an_eviction_without_a_word_is_found() {
    let evicting = GOOD
        .replace("dave: {devices: [phone]}", "dave: {devices: {phone: {}, new: {platform: phone, online: false}}}")
        .replace("steps:\n", "steps:\n  - {at: 0s, device: dave.new, login: {}}\n");
    let mut trace = run(&evicting);
    assert!(!check::judge(&trace).findings.iter().any(|finding| finding.check == "sessions"));
    drop_event(&mut trace, "dave.phone", EventName::KickedOffLine);
    let findings = check::judge(&trace).findings;
    let found = |finding: &Finding| finding.check == "sessions" && &*finding.requirements[0].0 == "DEV-9";
    assert!(findings.iter().any(found), "{}", shown(&findings));
}
