//! The search for an order (`check::linearizability`) over the whole corpus, as if nothing but the API were known: every
//! run of the reference has one, it is found within the bound, and hardly a changed answer still has one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use convoke::check::linearizability::{EXPLORED_MAX, History, Verdict, explain, from_trace};
use convoke::protocol::call::Reply;
use convoke::protocol::vocabulary::{ApiError, ErrorCode, InvitationCode, InvitationStatus};
use convoke::run::{OWN_SEED, corpus, plan};
use convoke::trace::{Occurrence, Trace};
use convoke::world::sim;

/// Every scenario's name and run.
fn runs() -> impl Iterator<Item = (String, Trace)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    corpus::find(&[root]).expect("the corpus is there").into_iter().map(|target| {
        let plan = plan(&target.path, OWN_SEED).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
        let trace = sim::run(&plan.into()).unwrap_or_else(|error| panic!("{}: {error}", target.name()));
        (target.name(), trace)
    })
}

fn judged(trace: &Trace) -> Vec<(History, Verdict)> {
    let histories = from_trace(trace);
    let verdicts = explain(&histories, EXPLORED_MAX);
    histories.into_iter().zip(verdicts).collect()
}

#[test]
fn every_scenario_has_an_order_at_the_api() {
    let (mut inexplicable, mut explained) = (Vec::new(), 0);
    for (name, trace) in runs() {
        for (History { room, invitee, .. }, verdict) in judged(&trace) {
            match verdict {
                Verdict::Linearizable => explained += 1,
                Verdict::NotLinearizable { prefix, before, .. } => {
                    let (prefix, before) = (prefix.join("\n  "), before.join("; "));
                    inexplicable.push(format!("{name}: {invitee} in {room}:\n  {prefix}\n  before: {before}"));
                }
                Verdict::Inconclusive { explored } => {
                    inexplicable.push(format!("{name}: {invitee} in {room}: open after {explored} states"));
                }
            }
        }
    }
    assert!(explained > 0, "no scenario calls anybody");
    assert!(inexplicable.is_empty(), "\n{}\n", inexplicable.join("\n\n"));
}

/// Other answers that the service might have given.
fn changed(result: &Result<Reply, ApiError>) -> Vec<(&'static str, Result<Reply, ApiError>)> {
    let conflict = ApiError::new(ErrorCode::REQUEST_CONFLICT, "the invitation was answered already");
    match result {
        Ok(Reply::Invited(codes)) => {
            let mut codes = codes.to_vec();
            codes[0].1 = match codes[0].1 {
                InvitationCode::Success => InvitationCode::AlreadyInInvitationList,
                InvitationCode::AlreadyInInvitationList | InvitationCode::AlreadyInConference => {
                    InvitationCode::Success
                }
            };
            vec![("code", Ok(Reply::Invited(codes.into())))]
        }
        Ok(Reply::List(page)) if !page.invitation_list.is_empty() => {
            let (mut shorter, mut other) = ((**page).clone(), (**page).clone());
            shorter.invitation_list.remove(0);
            let invitation = Arc::make_mut(&mut other.invitation_list[0].invitation);
            invitation.status = match invitation.status {
                InvitationStatus::Pending => InvitationStatus::Accepted,
                _ => InvitationStatus::Pending,
            };
            vec![("missing item", Ok(Reply::List(Arc::new(shorter)))), ("status", Ok(Reply::List(Arc::new(other))))]
        }
        Err(error) if error.code == ErrorCode::REQUEST_CONFLICT => vec![("second answer", Ok(Reply::Void))],
        Err(error) if error.code == ErrorCode::REQUEST_ID_INVALID => {
            vec![("late answer", Ok(Reply::Void)), ("conflict", Err(conflict))]
        }
        _ => Vec::new(),
    }
}

#[test]
fn hardly_a_changed_answer_is_explained() {
    // Of each kind: how many there were, and how many were refused. Some are as lawful as what they replace: a list read
    // while the entry changes may show either side.
    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (_, trace) in runs().filter(|(_, trace)| trace.moments.len() < 1000) {
        for (index, moment) in trace.moments.iter().enumerate() {
            let Occurrence::Returned { device, call, result } = &moment.what else { continue };
            for (kind, result) in changed(result) {
                let mut other = trace.clone();
                other.moments[index].what = Occurrence::Returned { device: *device, call: *call, result };
                let (made, refused) = kinds.entry(kind).or_default();
                *made += 1;
                let is_refused = judged(&other).iter().any(|(_, v)| matches!(v, Verdict::NotLinearizable { .. }));
                *refused += usize::from(is_refused);
            }
        }
    }
    assert_eq!(kinds.len(), 6, "every kind of change was made: {kinds:?}");
    for (kind, (made, refused)) in &kinds {
        assert!(refused * 100 >= made * 90, "{kind}: only {refused} of {made} changes were refused");
    }
}
