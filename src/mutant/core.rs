//! Faults of the core, around the questions that the session layer asks it: another decision, another change, or other
//! events of the same change.

use std::sync::Arc;

use super::ledger::{Ledger, RoomBook};
use crate::protocol::call::{Call, InvitationPage, Reply};
use crate::protocol::core::{Caller, Decision, Effects, InvitationCore, SessionSlot, Transition};
use crate::protocol::event::{Event, Invitation, RoomInfo};
use crate::protocol::logic::Logic;
use crate::protocol::message::Content;
use crate::protocol::vocabulary::{ApiError, ErrorCode, InvitationStatus, UserId};
use crate::time::Instant;

/// Decides in the core's place.
pub(super) type Decides = fn(&Asked<'_>) -> Decision;

/// Says what is carried out instead of a transition.
pub(super) type Applies = fn(&Ledger, Transition) -> Vec<Transition>;

/// Changes who hears what of a transition.
pub(super) type Tells = fn(&Telling<'_>, &mut Effects);

/// A request, as the core is asked about it.
pub(super) struct Asked<'a> {
    pub(super) core: &'a InvitationCore,
    pub(super) ledger: &'a Ledger,
    pub(super) now: Instant,
    pub(super) caller: Caller<'a>,
    pub(super) content: &'a Content,
}

impl<'a> Asked<'a> {
    /// What the core says.
    pub(super) fn core_says(&self) -> Decision {
        self.core.decide(self.now, self.caller, self.content)
    }

    /// What the core would say to another call.
    pub(super) fn core_says_to(&self, call: Call) -> Decision {
        self.core.decide(self.now, self.caller, &Content::Call(Arc::new(call)))
    }

    pub(super) fn call(&self) -> Option<&'a Call> {
        match self.content {
            Content::Call(call) => Some(call),
            Content::Malformed(_) => None,
        }
    }

    pub(super) fn room(&self) -> Option<&'a RoomBook> {
        self.ledger.rooms.get(self.call()?.room_id()?)
    }

    pub(super) fn is_inside(&self) -> bool {
        self.room().is_some_and(|room| room.members.contains_key(self.caller.user))
    }
}

/// A transition that the core has carried out, with the ledger as it was before.
pub(super) struct Telling<'a> {
    pub(super) core: &'a InvitationCore,
    pub(super) ledger: &'a Ledger,
    pub(super) transition: &'a Transition,
}

impl Telling<'_> {
    pub(super) fn sessions_of(&self, user: &UserId) -> Vec<SessionSlot> {
        self.core.sessions_of(user).collect()
    }
}

/// The core's logic, bent at one place.
pub(super) struct Bent {
    ledger: Ledger,
    decides: Decides,
    applies: Applies,
    tells: Tells,
}

impl Bent {
    pub(super) fn deciding(decides: Decides) -> Self {
        Self { decides, ..Self::straight() }
    }

    pub(super) fn applying(applies: Applies) -> Self {
        Self { applies, ..Self::straight() }
    }

    pub(super) fn telling(tells: Tells) -> Self {
        Self { tells, ..Self::straight() }
    }

    fn straight() -> Self {
        Self {
            ledger: Ledger::default(),
            decides: |asked| asked.core_says(),
            applies: |_, transition| vec![transition],
            tells: |_, _| {},
        }
    }
}

impl Logic for Bent {
    fn decide(&mut self, core: &InvitationCore, now: Instant, caller: Caller<'_>, content: &Content) -> Decision {
        (self.decides)(&Asked { core, ledger: &self.ledger, now, caller, content })
    }

    fn apply(&mut self, core: &mut InvitationCore, at: Instant, transition: &Transition, effects: &mut Effects) {
        for transition in (self.applies)(&self.ledger, transition.clone()) {
            let mut heard = Effects::default();
            core.apply(at, &transition, &mut heard);
            (self.tells)(&Telling { core, ledger: &self.ledger, transition: &transition }, &mut heard);
            self.ledger.follow(at, &transition);
            effects.events.append(&mut heard.events);
            effects.hints.append(&mut heard.hints);
        }
    }
}

// ---- what faults are made of -------------------------------------------------------------------------------------

/// The decision with another result.
pub(super) fn answering(decision: Decision, result: Result<Reply, ApiError>) -> Decision {
    Decision { result, ..decision }
}

/// The call is refused, and nothing changes.
pub(super) fn refusing(decision: Decision, code: ErrorCode) -> Decision {
    let error = ApiError::new(code, "refused");
    Decision { result: Err(error), transition: None, ..decision }
}

/// The code that a decision refuses with.
pub(super) fn refusal(decision: &Decision) -> Option<ErrorCode> {
    decision.result.as_ref().err().map(|error| error.code)
}

/// Removes the events that are so.
pub(super) fn silence(effects: &mut Effects, is_so: impl Fn(SessionSlot, &Event) -> bool) {
    effects.events.retain(|(slot, event)| !is_so(*slot, &event.event));
}

/// Rewrites each event.
pub(super) fn reword(effects: &mut Effects, mut words: impl FnMut(&mut Event)) {
    for (_, event) in &mut effects.events {
        words(&mut Arc::make_mut(event).event);
    }
}

/// Rewrites the invitation that an event shows.
pub(super) fn reword_invitation(event: &mut Event, words: impl FnOnce(&mut Invitation)) {
    match event {
        Event::ReceiveInvitation { invitation, .. }
        | Event::InvitationCancelled { invitation, .. }
        | Event::InvitationAccepted { invitation, .. }
        | Event::InvitationRejected { invitation, .. }
        | Event::InvitationTimeout { invitation, .. }
        | Event::InvitationRevokedByAdmin { invitation, .. }
        | Event::InvitationAdded { invitation, .. }
        | Event::InvitationRemoved { invitation, .. }
        | Event::InvitationStatusChanged { invitation, .. } => words(Arc::make_mut(invitation)),
        _ => {}
    }
}

/// Rewrites the room that an event shows.
pub(super) fn reword_room(event: &mut Event, words: impl FnOnce(&mut RoomInfo)) {
    match event {
        Event::ReceiveInvitation { room_info, .. }
        | Event::InvitationHandledByOtherDevice { room_info, .. }
        | Event::InvitationCancelled { room_info, .. }
        | Event::InvitationAccepted { room_info, .. }
        | Event::InvitationRejected { room_info, .. }
        | Event::InvitationTimeout { room_info, .. }
        | Event::InvitationRevokedByAdmin { room_info, .. } => words(Arc::make_mut(room_info)),
        Event::InvitationAdded { room_info: Some(room_info), .. }
        | Event::InvitationRemoved { room_info: Some(room_info), .. }
        | Event::InvitationStatusChanged { room_info: Some(room_info), .. } => words(Arc::make_mut(room_info)),
        _ => {}
    }
}

/// Rewrites the page that a decision returns, if it returns one.
pub(super) fn repage(decision: &mut Decision, pages: impl FnOnce(&mut InvitationPage)) {
    if let Ok(Reply::List(page)) = &mut decision.result {
        pages(Arc::make_mut(page));
    }
}

/// The status that an event shows.
pub(super) fn status(event: &Event) -> Option<InvitationStatus> {
    event.invitation().map(|invitation| invitation.status)
}

/// An empty page, as the last one.
pub(super) fn empty_page() -> Reply {
    Reply::List(Arc::new(InvitationPage { invitation_list: Vec::new(), cursor: "".into() }))
}
