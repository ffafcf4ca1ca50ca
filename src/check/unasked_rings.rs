//! Nobody is rung whom nobody called: a ring begins by an inviteUsers of its inviter that says 0 of the invitee at the very
//! revision of the ring, or by one of which nobody knows what came of it. Judged at the server's wire.
//!
//! Code 1 or 2, a failure, and a map without the invitee say that there is no such ring. What the code should have been by
//! the state of the room is for `revisions` to say, and who hears of a ring for `recipients`.

use super::follow::{Followed, Scene};
use super::history::{Ask, Delivery, Few, History, Map, Span, UserNo};
use super::variants::CalledAgain;
use super::{AlwaysCheck, Boundary, Check, Finding, Findings};
use crate::plan::DeviceIndex;
use crate::protocol::call::{Call, Reply};
use crate::protocol::event::Event;
use crate::protocol::message::{Content, Response};
use crate::protocol::vocabulary::{
    ErrorCode, InstanceId, InvitationCode, InvitationStatus, OperationName, RequestId, Revision, UserId,
};

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "unasked rings",
    requirements: &["INV-3", "INV-4", "INV-6", "ERR-3", "EVT-1"],
    boundary: Boundary::ServerWire,
    promise: "nobody is rung but by a call that says so",
    begin: || Box::new(UnaskedRings::default()),
};

#[derive(Default)]
struct UnaskedRings {
    suspects: Vec<Suspect>,
}

/// A ring that is told of, and no answer at its revision says that there is one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Suspect {
    instance: InstanceId,
    revision: Revision,
    invitee: UserNo,
    /// The first event that tells of it, as an index of the history's deliveries.
    told: usize,
    /// Between which moments it was committed.
    when: Span,
}

impl Check for UnaskedRings {
    fn commit(&mut self, scene: &Scene<'_, '_>) {
        let history = scene.history;
        let mut called: Option<Few<UserNo>> = None;
        let mut last = None;
        for told in scene.deliveries.iter().copied() {
            let delivery = &history.deliveries[told];
            let Some(invitee) = delivery.invitee.filter(|_| begins(history, delivery)) else { continue };
            if last.replace(invitee) == Some(invitee) {
                continue;
            }
            let called = called.get_or_insert_with(|| called_by(history, scene.ask()));
            if called.binary_search(&invitee).is_err() {
                let (instance, revision) = (scene.instance(), scene.revision);
                self.suspects.push(Suspect { instance, revision, invitee, told, when: scene.when });
            }
        }
    }

    fn finish(&mut self, history: &History<'_>, _: &Followed<'_>) -> Findings {
        let mut findings = Findings::default();
        let mut suspects = std::mem::take(&mut self.suspects);
        if suspects.is_empty() {
            return findings;
        }
        suspects.sort_unstable();
        suspects.dedup_by_key(|suspect| (suspect.instance, suspect.revision, suspect.invitee));
        let calls = Calls::of(history);
        for suspect in &suspects {
            let Some(wrong) = calls.against(history, suspect) else { continue };
            findings.add(|| {
                let delivery = &history.deliveries[suspect.told];
                let room = delivery.event.event.room_id().map_or("a room", |room| room.as_str());
                let message = format!(
                    "{} is called to {room} (revision {}, {}), and {}",
                    history.user_id(suspect.invitee),
                    suspect.revision,
                    history.at(delivery.moment),
                    wrong.why
                );
                let finding = Finding::of(&CHECK, wrong.requirements, message).seen_at(delivery.moment);
                match wrong.by {
                    Some(device) => finding.on(device),
                    None => finding,
                }
            });
        }
        findings
    }
}

/// Whether an event says that a ring has begun.
fn begins(history: &History<'_>, delivery: &Delivery<'_>) -> bool {
    match &delivery.event.event {
        Event::ReceiveInvitation { .. } | Event::InvitationAdded { .. } => true,
        // EVT-3, where a second call is told as a change.
        Event::InvitationStatusChanged { invitation, .. } => {
            history.variants.called_again == CalledAgain::StatusChanged
                && invitation.status == InvitationStatus::Pending
        }
        _ => false,
    }
}

/// Whom a request has called by its own words, in order.
fn called_by(history: &History<'_>, ask: Option<&Ask<'_>>) -> Few<UserNo> {
    let Some(Ok(Reply::Invited(codes))) = ask.and_then(Ask::answer).map(|answer| &answer.result) else {
        return Few::new();
    };
    let called = codes.iter().filter(|(_, code)| *code == InvitationCode::Success);
    let mut called: Few<UserNo> = called.filter_map(|(user, _)| history.user(user)).collect();
    called.sort_unstable();
    called
}

/// What an answer says of somebody.
fn code_of(answer: &Response, user: &UserId) -> Option<InvitationCode> {
    let Ok(Reply::Invited(codes)) = &answer.result else { return None };
    codes.iter().find(|(told, _)| told == user).map(|(_, code)| *code)
}

struct Wrong {
    requirements: &'static [&'static str],
    why: String,
    by: Option<DeviceIndex>,
}

/// The requests that may have led to a ring.
struct Calls<'t> {
    /// By inviter and invitee, as indices of the history's asks.
    between: Map<(UserNo, UserNo), Vec<usize>>,
    /// How many requests of a device have an id: of several it is not sure which one was answered (IDM-2).
    uses: Map<(DeviceIndex, &'t RequestId), u32>,
    /// Whose inviteUsers was not of the proper form, and not refused: whom it called is not known (INV-9).
    unreadable: Vec<UserNo>,
}

impl<'t> Calls<'t> {
    fn of(history: &'t History<'_>) -> Self {
        let mut calls = Self { between: Map::default(), uses: Map::default(), unreadable: Vec::new() };
        for (number, ask) in history.asks.iter().enumerate() {
            *calls.uses.entry((ask.device, &ask.request.id)).or_default() += 1;
            let inviter = history.user_of(ask.device);
            match &ask.request.content {
                Content::Call(call) => {
                    let Call::InviteUsers { user_id_list, .. } = &**call else { continue };
                    for invitee in user_id_list.iter().filter_map(|user| history.user(user)) {
                        let of = calls.between.entry((inviter, invitee)).or_default();
                        if of.last() != Some(&number) {
                            of.push(number);
                        }
                    }
                }
                Content::Malformed(malformed) => {
                    let invites = malformed.operation == OperationName::InviteUsers.name();
                    if invites && ask.answer().is_none_or(|answer| answer.result.is_ok()) {
                        calls.unreadable.push(inviter);
                    }
                }
            }
        }
        calls
    }

    /// What is wrong with a ring, if something is: none where it may have been asked for.
    fn against(&self, history: &History<'_>, suspect: &Suspect) -> Option<Wrong> {
        let delivery = &history.deliveries[suspect.told];
        let event = &delivery.event.event;
        let inviter = history.user(&event.invitation()?.inviter.user_id)?;
        if self.unreadable.contains(&inviter) {
            return None;
        }
        let between = self.between.get(&(inviter, suspect.invitee)).map_or(&[][..], Vec::as_slice);
        let came_in = |ask: &&Ask<'_>| ask.came_in().is_some_and(|came_in| came_in <= delivery.moment);
        let to_this_room = |ask: &&Ask<'_>| ask.room() == event.room_id();
        let asks = || between.iter().map(|ask| &history.asks[*ask]).filter(to_this_room).filter(came_in);
        if asks().any(|ask| self.may_have_begun(history, suspect, ask)) {
            return None;
        }
        let user = history.user_id(suspect.invitee);
        let blamed = asks().rfind(|ask| {
            let at_the_time = ask.span().is_some_and(|span| !span.is_before(suspect.when));
            at_the_time && ask.answer().is_some_and(|answer| code_of(answer, user) != Some(InvitationCode::Success))
        });
        let Some((ask, answer)) = blamed.and_then(|ask| Some((ask, ask.answer()?))) else {
            let why = format!("{} had not called", history.user_id(inviter));
            return Some(Wrong { requirements: &["EVT-1"], why, by: None });
        };
        let (requirements, said): (&'static [&'static str], String) = match (&answer.result, code_of(answer, user)) {
            (Err(error), _) => (&["ERR-3"], format!("fails with {}", error.code)),
            (Ok(_), Some(code)) => (&["INV-4", "INV-6"], format!("says {code} of {user}")),
            (Ok(_), None) => (&["INV-3", "INV-4"], format!("says nothing of {user}")),
        };
        let (name, at) = (&history.plan().device(ask.device).name, history.at(ask.span()?.latest));
        let why = format!("inviteUsers of {name}, answered at {at}, {said}");
        Some(Wrong { requirements, why, by: Some(ask.device) })
    }

    /// Whether a request may have led to a ring, by what it was answered or because nobody knows what came of it.
    fn may_have_begun(&self, history: &History<'_>, suspect: &Suspect, ask: &Ask<'_>) -> bool {
        let Some((answered, first)) = ask.answers.first() else { return true };
        // IDM-5: what was sent again before it was answered may have been carried out then, and its result forgotten since.
        let sent = ask.receipts.iter().filter(|receipt| receipt.moment <= *answered).count();
        let is_shared = self.uses.get(&(ask.device, &ask.request.id)).is_some_and(|uses| *uses > 1);
        // Whoever is refused so may have been heard before.
        let is_vague = matches!(&first.result, Err(error)
            if matches!(error.code, ErrorCode::SDK_NOT_INITIALIZED | ErrorCode::SERVER_SYSTEM_ERROR));
        if sent > 1 || is_shared || is_vague {
            return true;
        }
        let user = history.user_id(suspect.invitee);
        let at_the_time = ask.span().is_some_and(|span| !span.is_before(suspect.when));
        ask.answers.iter().any(|(_, answer)| {
            code_of(answer, user) == Some(InvitationCode::Success)
                && answer.at.is_none_or(|at| {
                    let is_this = (at.instance, at.revision) == (suspect.instance, suspect.revision);
                    // That a ring is told of at another revision than its call has is for `revisions` to say (CAN-9).
                    is_this || at_the_time || !rings_at(history, at.instance, at.revision, suspect.invitee)
                })
        })
    }
}

/// Whether a ring of somebody is told of at a revision.
fn rings_at(history: &History<'_>, instance: InstanceId, revision: Revision, invitee: UserNo) -> bool {
    let Some(instance) = history.instances.get(&instance) else { return false };
    let Ok(place) = instance.commits.binary_search_by_key(&revision, |commit| commit.revision) else { return false };
    instance.commits[place].deliveries.iter().any(|told| {
        let delivery = &history.deliveries[*told];
        delivery.invitee == Some(invitee) && begins(history, delivery)
    })
}
