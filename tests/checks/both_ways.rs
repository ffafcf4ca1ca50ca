//! Both sides of a rule that is easily drawn too narrow or too wide: the lawful run in which nothing may be found, and the
//! same run with a fault that must be.

use super::*;

/// A run in which nothing is found.
fn lawful(text: &str) -> Trace {
    let trace = run(text);
    let findings = check::judge(&trace).findings;
    assert!(findings.is_empty(), "the run is lawful, and found is\n{}", shown(&findings));
    trace
}

/// Demands that a check finds a breach of a requirement.
fn finds_in(trace: &Trace, check: &str, requirement: &str) {
    let findings = check::judge(trace).findings;
    let found = findings
        .iter()
        .any(|finding| finding.check == check && finding.requirements.iter().any(|id| &*id.0 == requirement));
    assert!(found, "{check} should find a breach of {requirement}; found is\n{}", shown(&findings));
}

/// Carol reads the list in two traversals at once: the second begins while the first is under way, and each goes on.
const INTERLEAVED: &str = "
version: 1
title: Two traversals of one device.
users:
  alice: {devices: [web]}
  carol: {devices: [phone, tablet]}
accounts: [bob, dave, erin]
rooms:
  r1: {owner: alice, members: [alice.web, carol.phone]}
steps:
  - {at: 1s, device: alice.web, inviteUsers: {roomId: r1, userIdList: [bob, dave, erin]}}
  - {at: 2s, device: carol.phone, getInvitationList: {roomId: r1, count: 1}}
  - {at: 3s, device: carol.tablet, getInvitationList: {roomId: r1, count: 1}}
  - {at: 4s, device: carol.phone, getInvitationList: {roomId: r1, count: 2}}
  # The first goes on from the place where its cursor was given, which the tablet knows as well.
  - {at: 5s, device: carol.phone, getInvitationList: {roomId: r1, cursor: {of: carol.tablet}, count: 1}}
  - {at: 6s, device: carol.phone, getInvitationList: {roomId: r1, cursor: {of: carol.phone}, count: 1}}
  # And the tablet's, once more from there.
  - {at: 7s, device: carol.phone, getInvitationList: {roomId: r1, cursor: {of: carol.tablet}, count: 2}}
";

#[test]
fn interleaved_traversals_are_lawful_and_an_entry_shown_twice_in_one_is_found() {
    let trace = lawful(INTERLEAVED);
    // The page that goes on shows the entry before it again.
    for (page, with) in [(3, 2), (4, 2), (5, 1)] {
        let mut trace = trace.clone();
        let item = |trace: &Trace, page: usize| {
            let (_, answer) = request(trace, "carol.phone", OperationName::GetInvitationList, page);
            let Occurrence::ServerSent { message: ServerMessage::Response(response), .. } = &trace.moments[answer].what
            else {
                unreachable!("an answer was found there")
            };
            let Ok(Reply::List(page)) = &response.result else { panic!("a page") };
            page.invitation_list[0].clone()
        };
        let again = item(&trace, with);
        let (_, answer) = request(&trace, "carol.phone", OperationName::GetInvitationList, page);
        change_answer(&mut trace, answer, |response| {
            change_page(&mut response.result, |page| page.invitation_list.insert(0, again));
        });
        finds_in(&trace, "list fold", "LST-6");
    }
}

/// Bob's phone loses its line, the server crashes at once and again just before the window would have passed.
const TWO_CRASHES: &str = "
version: 1
title: Each restart suspends afresh.
users:
  alice: {devices: [web]}
  bob: {devices: [phone]}
rooms:
  r1: {owner: alice, members: [alice.web]}
steps:
  - {at: 900ms, offline: bob.phone}
  - {at: 1s, crash: {server: true, for: 50ms}}
  - {at: 30.99s, crash: {server: true, for: 10ms}}
  - {at: 51.5s, online: bob.phone}
";

#[test]
fn a_second_restart_suspends_afresh_and_a_session_whose_window_has_passed_stays_over() {
    let trace = lawful(TWO_CRASHES);
    let resumed = trace.moments.iter().filter(|moment| {
        matches!(moment.what, Occurrence::ServerSent { message: ServerMessage::LoggedIn { resumed: true, .. }, .. })
    });
    assert!(resumed.count() > 0, "the session goes on");
    // Without the second crash nothing could have kept it, and the same answer is a fault.
    let mut trace = lawful(&TWO_CRASHES.replace("  - {at: 30.99s, crash: {server: true, for: 10ms}}\n", ""));
    let bob = device(&trace, "bob.phone");
    let mut token = None;
    for moment in &mut trace.moments {
        if let Occurrence::ServerSent { device, message: ServerMessage::LoggedIn { session, resumed }, .. } =
            &mut moment.what
            && *device == bob
        {
            let first = token.get_or_insert_with(|| session.clone()).clone();
            if moment.at > convoke::time::Instant::from_millis(50_000) {
                (*session, *resumed) = (first, true);
            }
        }
    }
    finds_in(&trace, "sessions", "REC-1");
}

/// The last that happens is a call.
const LAST_WORD: &str = "
version: 1
title: Somebody is called, and that is all.
users:
  alice: {devices: [web]}
  bob: {devices: [phone]}
rooms:
  r1: {owner: alice, members: [alice.web]}
steps:
  - {at: 1s, device: alice.web, inviteUsers: {roomId: r1, userIdList: [bob]}}
";

#[test]
fn what_is_never_sent_at_the_end_of_a_quiet_run_is_found() {
    let mut trace = lawful(LAST_WORD);
    drop_event(&mut trace, "bob.phone", EventName::ReceiveInvitation);
    finds_in(&trace, "recipients", "DEV-1");
}

/// Bob has no device online when he is called, and gets one before he is called again.
const HINTED: &str = "
version: 1
title: Somebody is woken.
users:
  alice: {devices: [web]}
  bob: {devices: {phone: {online: false}}}
rooms:
  r1: {owner: alice, members: [alice.web]}
steps:
  - {at: 1s, device: alice.web, inviteUsers: {roomId: r1, userIdList: [bob]}}
  - {at: 2s, device: alice.web, cancelInvitation: {roomId: r1, userIdList: [bob]}}
  - {at: 3s, device: alice.web, inviteUsers: {roomId: r1, userIdList: [bob]}}
  - {at: 4s, device: bob.phone, login: ~}
  - {at: 5s, device: alice.web, cancelInvitation: {roomId: r1, userIdList: [bob]}}
  - {at: 6s, device: alice.web, inviteUsers: {roomId: r1, userIdList: [bob]}}
";

#[test]
fn push_hints_that_are_missing_or_wrong_are_found() {
    let good = lawful(HINTED);
    let hints: Vec<usize> = (0..good.moments.len())
        .filter(|place| matches!(good.moments[*place].what, Occurrence::PushHinted(_)))
        .collect();
    let [first, second] = hints[..] else { panic!("two hints, and not {}", hints.len()) };

    let mut trace = good.clone();
    trace.moments.remove(second);
    finds_in(&trace, "push hints", "REC-6");

    // For a call that is over by then.
    let mut trace = good.clone();
    let late = trace.moments.remove(first);
    let cancelled = request(&trace, "alice.web", OperationName::CancelInvitation, 1).1;
    trace.moments.insert(cancelled + 1, late);
    finds_in(&trace, "push hints", "REC-6");

    // For somebody who has a device online.
    let mut trace = good.clone();
    let (_, answer) = request(&trace, "alice.web", OperationName::InviteUsers, 3);
    let hint = trace.moments[first].what.clone();
    let at = trace.moments[answer].at;
    trace.moments.insert(answer + 1, Moment { at, what: hint });
    finds_in(&trace, "push hints", "REC-6");

    let mut trace = good;
    let Occurrence::PushHinted(hint) = &mut trace.moments[first].what else { unreachable!("a hint was found there") };
    hint.member_count = 7;
    finds_in(&trace, "push hints", "REC-6");
}

/// Bob's phone misses nothing and acknowledges nothing; it comes back and is sent all of it again.
const RESENT: &str = "
version: 1
title: What is not acknowledged comes again.
users:
  alice: {devices: [web]}
  bob: {devices: [phone]}
rooms:
  r1: {owner: alice, members: [alice.web]}
steps:
  - {at: 1s, hold: {devices: bob.phone, direction: fromServer, for: 20s}}
  - {at: 2s, device: alice.web, inviteUsers: {roomId: r1, userIdList: [bob]}}
  - {at: 3s, device: alice.web, cancelInvitation: {roomId: r1, userIdList: [bob]}}
  - {at: 4s, disconnect: bob.phone}
";

#[test]
fn what_is_not_sent_again_or_once_too_often_is_found() {
    let good = lawful(RESENT);
    let again = place(&good, "bob.phone", EventName::ReceiveInvitation, 2);

    // The first of those that were not acknowledged is forgotten.
    let mut trace = good.clone();
    trace.moments.remove(again);
    finds_in(&trace, "sessions", "REC-2");

    // All of them are.
    let mut trace = good.clone();
    let bob = device(&trace, "bob.phone");
    let later = trace.moments.split_off(again);
    trace.moments.extend(later.into_iter().filter(|moment| sent(moment, bob).is_none()));
    finds_in(&trace, "sessions", "REC-4");

    // The device has the first already, and says so.
    let mut trace = good;
    for moment in &mut trace.moments {
        if let Occurrence::ServerReceived { device, message: ClientMessage::Login(login), .. } = &mut moment.what
            && *device == bob
            && let Some(resume) = &mut Arc::make_mut(login).resume
        {
            resume.received = 1;
        }
    }
    finds_in(&trace, "sessions", "REC-2");
}

#[test]
fn an_answer_that_names_another_call_is_found() {
    let rename = |trace: &mut Trace, number: Option<u32>| {
        let bob = device(trace, "bob.phone");
        for moment in &mut trace.moments {
            if let Occurrence::DeviceSent { device, message: ClientMessage::Request(request), .. } = &mut moment.what
                && *device == bob
                && let Content::Call(call) = &mut Arc::make_mut(request).content
                && let Call::Accept { attempt, .. } = Arc::make_mut(call)
            {
                *attempt = attempt.zip(number).map(|(mut named, number)| {
                    named.attempt = convoke::protocol::vocabulary::AttemptNo(number);
                    named
                });
            }
        }
    };
    finds("answers", "ACC-1", |trace| rename(trace, None));
    finds("answers", "ACC-1", |trace| rename(trace, Some(9)));
}

#[test]
fn a_library_that_answers_unasked_is_found() {
    finds("answers", "REJ-5", |trace| {
        let bob = device(trace, "bob.phone");
        trace.moments.retain(|moment| {
            !matches!(&moment.what, Occurrence::Called { device, content, .. }
                if *device == bob && content.operation() == OperationName::Accept)
        });
    });
}

#[test]
fn a_page_from_before_what_was_heard_is_found() {
    // Carol reads bob as pending after she has heard that he accepted.
    finds("list fold", "ORD-5", |trace| {
        let carol = device(trace, "carol.phone");
        let (_, answer) = request(trace, "carol.phone", OperationName::GetInvitationList, 2);
        for moment in &mut trace.moments[answer..] {
            if let Occurrence::Returned { device, result, .. } = &mut moment.what
                && *device == carol
                && matches!(result, Ok(Reply::List(_)))
            {
                change_page(result, |page| {
                    change_status(page, InvitationStatus::Pending);
                    page.invitation_list[0].revision = Revision(4);
                });
                break;
            }
        }
    });
}
