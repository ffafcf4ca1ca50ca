//! What can be judged from the API alone: the corpus as its applications saw it gives no false alarm, and events that are
//! swallowed or said twice show.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use convoke::check::{self, Finding};
use convoke::plan::Plan;
use convoke::protocol::call::Reply;
use convoke::protocol::event::Event;
use convoke::protocol::vocabulary::{ApiError, ErrorCode, EventName};
use convoke::run::{OWN_SEED, corpus, plan};
use convoke::trace::outside::seen_by_applications;
use convoke::trace::{Occurrence, Trace};
use convoke::world::sim;

fn scenarios() -> Vec<(String, Plan)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let targets = corpus::find(std::slice::from_ref(&root)).expect("the corpus is there");
    let named = |target: convoke::run::Target| {
        let plan = plan(&target.path, OWN_SEED).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
        (target.name(), plan)
    };
    targets.into_iter().map(named).collect()
}

fn seen(name: &str, plan: Plan) -> Trace {
    seen_by_applications(&sim::run(&Arc::new(plan)).unwrap_or_else(|error| panic!("{name}: {error}")))
}

fn words(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|one| format!("{}: {} {:?}", one.check, one.message, one.requirements)).collect()
}

#[test]
fn nothing_is_found_in_the_corpus_as_the_applications_saw_it() {
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut judged = 0;
    for (name, plan) in scenarios() {
        // A raw device has no API: it is judged by what it sends.
        if plan.devices.iter().any(|device| device.kind == convoke::plan::DeviceKind::Raw) {
            continue;
        }
        let judgement = check::judge(&seen(&name, plan));
        judged += 1;
        let mut problems = words(&judgement.findings);
        problems.extend(judgement.undecided);
        if !problems.is_empty() {
            wrong.insert(name, problems);
        }
    }
    assert!(wrong.is_empty(), "{} of {judged}: {wrong:#?}", wrong.len());
    assert!(judged >= 250, "only {judged} scenarios have an API alone");
}

/// Makes something wrong with one event of one device in a scenario, and demands that an always-check names the requirement.
#[track_caller]
fn check(file: &str, who: &str, event: EventName, times: usize, requirement: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(file);
    let plan = plan(&path, OWN_SEED).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    let mut trace = seen(file, plan);
    let is_it = |what: &Occurrence| match what {
        Occurrence::Heard { device, event: heard } => {
            &*trace.plan.device(*device).name == who && heard.event.name() == event
        }
        _ => false,
    };
    let found = trace.moments.iter().position(|moment| is_it(&moment.what));
    let at = found.unwrap_or_else(|| panic!("{who} does not hear {event} in {file}"));
    let moment = trace.moments.remove(at);
    for _ in 0..times {
        trace.moments.insert(at, moment.clone());
    }
    let findings = check::judge(&trace).findings;
    let named = |one: &Finding| {
        !matches!(one.check, "expectations" | "results") && one.requirements.iter().any(|id| &*id.0 == requirement)
    };
    assert!(findings.iter().any(named), "{who} {event} x{times}: no {requirement} in {:#?}", words(&findings));
}

/// The same of a requirement that one wrong word breaks, whatever has happened: `bend` makes it wrong.
#[track_caller]
fn check_words(file: &str, bend: impl Fn(&mut Occurrence) -> bool, requirement: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(file);
    let plan = plan(&path, OWN_SEED).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    let mut trace = seen(file, plan);
    let bent = trace.moments.iter_mut().any(|moment| bend(&mut moment.what));
    assert!(bent, "there is nothing to bend in {file}");
    let findings = check::judge(&trace).findings;
    let named = |one: &Finding| one.check == "applications" && one.requirements.iter().any(|id| &*id.0 == requirement);
    assert!(findings.iter().any(named), "no {requirement} in {:#?}", words(&findings));
}

#[test]
fn what_no_application_may_be_told_is_found() {
    let refused = "cancel/plain-member-may-not-cancel-others-calls.yaml";
    let error = |what: &mut Occurrence, change: fn(&mut ApiError)| match what {
        Occurrence::Returned { result: Err(error), .. } => {
            change(error);
            true
        }
        _ => false,
    };
    check_words(refused, |what| error(what, |error| error.message = "".into()), "ERR-4");
    check_words(refused, |what| error(what, |error| error.code = ErrorCode::PERMISSION_DENIED), "ERR-5");
    let told = |what: &mut Occurrence| match what {
        Occurrence::Returned { result: Ok(Reply::RoomInfo(info)), .. } => {
            Arc::make_mut(info).password = "sesame".into();
            true
        }
        _ => false,
    };
    check_words("devices/password-is-asked-of-an-accepted-user-too.yaml", told, "SEC-4");
    let shown = |what: &mut Occurrence| match what {
        Occurrence::Heard { event, .. } => match &mut Arc::make_mut(event).event {
            Event::InvitationAccepted { room_info, .. } => {
                Arc::make_mut(room_info).password = "sesame".into();
                true
            }
            _ => false,
        },
        _ => false,
    };
    check_words("answer/accepting-is-not-entering.yaml", shown, "SEC-4");
    // The invitee, who is outside, hears what those in the room hear.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/invite/who-hears-of-a-call.yaml");
    let plan = plan(&path, OWN_SEED).unwrap();
    let phone = plan.device_indices().find(|device| &*plan.device(*device).name == "bob.phone").expect("it is there");
    let outside = |what: &mut Occurrence| match what {
        Occurrence::Heard { device, event } if event.event.name() == EventName::InvitationAdded => {
            *device = phone;
            true
        }
        _ => false,
    };
    check_words("invite/who-hears-of-a-call.yaml", outside, "EVT-1");
}

const SWALLOWED: usize = 0;
const TWICE: usize = 2;

#[test]
fn an_event_that_is_swallowed_or_said_twice_is_found_at_the_api() {
    let (receive, added) = (EventName::ReceiveInvitation, EventName::InvitationAdded);
    let (removed, changed) = (EventName::InvitationRemoved, EventName::InvitationStatusChanged);
    let (cancelled, handled) = (EventName::InvitationCancelled, EventName::InvitationHandledByOtherDevice);
    let cancels = "cancel/inviter-cancels.yaml";
    check(cancels, "bob.tablet", receive, SWALLOWED, "DEV-1");
    check(cancels, "bob.tablet", receive, TWICE, "IDM-4");
    check(cancels, "bob.tablet", cancelled, SWALLOWED, "CAN-5");
    check(cancels, "bob.tablet", cancelled, TWICE, "IDM-4");
    check(cancels, "alice.web", added, SWALLOWED, "EVT-5");
    check(cancels, "alice.web", added, TWICE, "EVT-3");
    check(cancels, "alice.web", removed, SWALLOWED, "EVT-5");
    check(cancels, "alice.web", removed, TWICE, "EVT-5");
    let rejects = "answer/rejection-is-the-users.yaml";
    check(rejects, "bob.phone", handled, SWALLOWED, "DEV-4");
    check(rejects, "bob.phone", handled, TWICE, "IDM-4");
    check(rejects, "alice.web", EventName::InvitationRejected, SWALLOWED, "REJ-3");
    check(rejects, "alice.web", changed, SWALLOWED, "EVT-4");
    check(rejects, "alice.web", changed, TWICE, "EVT-4");
    let accepts = "answer/accept-then-enter.yaml";
    check(accepts, "bob.tablet", handled, SWALLOWED, "DEV-4");
    check(accepts, "alice.web", EventName::InvitationAccepted, SWALLOWED, "ACC-3");
    check(accepts, "carol.phone", removed, SWALLOWED, "EVT-5");
}
