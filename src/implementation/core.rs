//! The logic of somebody else behind our session layer (contract `core`).
//!
//! It decides and changes its state in one go, where it lives; what it says is written down and can be carried out again
//! without it. The session layer is the reference's own.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::fault::{Fault, FaultKind};
use super::life::Seat;
use super::words::{Item, Out, Said, SessionName};
use crate::protocol::call::{DeviceIdentity, Reply};
use crate::protocol::core::parameters;
use crate::protocol::core::{Caller, Decision, Effects, InvitationCore, SessionSlot, Told, ToldEvent, Transition};
use crate::protocol::logic::Logic;
use crate::protocol::message::{Content, Response};
use crate::protocol::service::{Service, ServiceConfig};
use crate::protocol::vocabulary::{ApiError, ErrorCode, OperationName, RequestId, UserId};
use crate::time::Instant;

/// The logic as the session layer sees it.
#[derive(Debug)]
pub struct ForeignLogic {
    seat: Arc<Seat>,
    config: ServiceConfig,
    /// Everybody who is online, in the order in which they came.
    sessions: IndexMap<SessionSlot, Arc<DeviceIdentity>>,
    /// What it wants to have back.
    kept: Vec<Value>,
    wake_at: Option<Instant>,
}

impl ForeignLogic {
    /// A server with our session layer over the logic that has this seat.
    #[must_use]
    pub fn server(seat: Arc<Seat>, config: ServiceConfig) -> Service<Self> {
        // What it knows is not ours to put into a checkpoint.
        let config = ServiceConfig { checkpoint_every: None, ..config };
        let logic = Self { seat, config: config.clone(), sessions: IndexMap::new(), kept: Vec::new(), wake_at: None };
        Service::with_logic(config, logic)
    }

    /// Says something that is no request.
    fn say(&mut self, said: &Said<'_>) -> Option<Transition> {
        let out = self.seat.say(said);
        let told = self.take(said, out)?;
        (!told.is_empty()).then(|| Transition::Told(Arc::new(told)))
    }

    /// What it told, where nothing was asked that wants a response.
    fn take(&mut self, said: &Said<'_>, out: Option<Out>) -> Option<Told> {
        let (told, responses) = self.read(said, out)?;
        if let Some(response) = responses.first() {
            let reason = format!("a response to request {}, where none was asked for", response.id);
            self.refuse(said, Fault::new(FaultKind::OutOfTurn, "3", reason));
            return None;
        }
        Some(told)
    }

    /// Takes apart what it said, and looks at whom it names.
    fn read(&mut self, said: &Said<'_>, out: Option<Out>) -> Option<(Told, Vec<Response>)> {
        let Some(Out { items, wake_at }) = out else {
            self.wake_at = None;
            return None;
        };
        self.wake_at = wake_at;
        let mut told = Told::default();
        let mut responses = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            match item {
                Item::Response(response) => responses.push(response),
                Item::Event { to, event } => {
                    if let Some(fault) = self.wrong_with(&to, event.event.name().name(), index) {
                        self.refuse(said, fault);
                        return None;
                    }
                    let to = to.into_iter().map(|SessionName { user_id, device_id }| (user_id, device_id)).collect();
                    told.events.push(ToldEvent { to, event });
                }
                Item::Push(hint) => told.hints.push(hint),
                Item::Persist(value) => told.kept.push(value),
                Item::Send { .. } | Item::Close { .. } => unreachable!("they are refused where they are read"),
            }
        }
        Some((told, responses))
    }

    /// What is wrong with those whom an event goes to, if anything is.
    fn wrong_with(&self, to: &[SessionName], event: &str, index: usize) -> Option<Fault> {
        let mut named = BTreeSet::new();
        for name in to {
            let who = format!("{}/{}", name.user_id, name.device_id);
            if self.slot_of(name).is_none() {
                let reason = format!("at /out/{index}/event/to: {event} for {who}, which is not online");
                return Some(Fault::new(FaultKind::Malformed, "3", reason).with_requirements(&["REC-1"]));
            }
            if !named.insert(name) {
                let reason = format!("at /out/{index}/event/to: {event} for {who} twice");
                return Some(Fault::new(FaultKind::Malformed, "3", reason).with_requirements(&["IDM-4"]));
            }
        }
        None
    }

    fn slot_of(&self, name: &SessionName) -> Option<SessionSlot> {
        let is_it =
            |identity: &DeviceIdentity| identity.user_id == name.user_id && identity.device_id == name.device_id;
        self.sessions.iter().find(|(_, identity)| is_it(identity)).map(|(slot, _)| *slot)
    }

    fn refuse(&mut self, said: &Said<'_>, fault: Fault) {
        self.wake_at = None;
        self.seat.refuse(said, fault);
    }
}

impl Logic for ForeignLogic {
    const IS_ASKED_FIRST: bool = false;

    fn started(&mut self, now: Instant, entropy: [u8; 32]) -> Option<Transition> {
        let kept = std::mem::take(&mut self.kept);
        // The sessions that outlived a crash are ours, so it hears of them from us.
        let sessions: Vec<Arc<DeviceIdentity>> = self.sessions.values().cloned().collect();
        let said = Said::start(now, entropy, &kept, Some(sessions.iter().map(|session| &**session).collect()));
        let out = self.seat.begin(&self.config, &said);
        let told = self.take(&said, out);
        self.kept = kept;
        let told = told?;
        (!told.is_empty()).then(|| Transition::Told(Arc::new(told)))
    }

    fn online(&mut self, identity: &Arc<DeviceIdentity>, slot: SessionSlot) {
        self.sessions.insert(slot, identity.clone());
    }

    fn offline(&mut self, slot: SessionSlot) {
        self.sessions.shift_remove(&slot);
    }

    fn session_began(&mut self, now: Instant, identity: &DeviceIdentity) -> Option<Transition> {
        self.say(&Said::Online { now, session: identity })
    }

    fn session_ended(&mut self, now: Instant, identity: &DeviceIdentity) -> Option<Transition> {
        self.say(&Said::Offline { now, session: identity })
    }

    fn session_end(&mut self, _: &InvitationCore, _: &UserId, _: SessionSlot) -> Option<Transition> {
        None
    }

    fn next_deadline(&self, _: &InvitationCore) -> Option<Instant> {
        self.wake_at
    }

    fn due(&mut self, _: &InvitationCore, now: Instant) -> Option<(Instant, Transition)> {
        let due = self.wake_at.filter(|at| *at <= now)?;
        let said = Said::Wake { now };
        let told = self.say(&said);
        if let Some(fault) = self.wake_at.and_then(|at| wakes_for_nothing(now, at)) {
            self.refuse(&said, fault);
        }
        // It was asked now: what it said comes before whatever else is due.
        told.map(|told| (due.min(Instant::START), told))
    }

    fn decide(&mut self, _: &InvitationCore, now: Instant, caller: Caller<'_>, content: &Content) -> Decision {
        // Both are the session layer's; here they concern nothing, whatever their arguments are.
        if matches!(content.operation(), Some(OperationName::Login | OperationName::Logout)) {
            let result = match content {
                Content::Call(_) => Ok(Reply::Void),
                Content::Malformed(malformed) => Err(parameters::refusal(malformed)),
            };
            return Decision { result, instance: None, transition: None };
        }
        let (operation, args) = match content {
            Content::Call(call) => {
                // Written as on the wire: an object with the operation and its arguments.
                let mut call = serde_json::to_value(call).expect("calls have string keys only");
                (call["operation"].take(), call["args"].take())
            }
            Content::Malformed(malformed) => (malformed.operation.as_str().into(), malformed.args.clone()),
        };
        let operation = operation.as_str().expect("an operation is a name");
        let identity = self.sessions[&caller.slot].clone();
        let said = Said::Request { now, session: &identity, id: caller.id, operation, args: &args };
        let out = self.seat.say(&said);
        let Some((told, mut responses)) = self.read(&said, out) else { return broken() };
        if let Some(reason) = wrong_with_responses(&responses, caller.id) {
            self.refuse(&said, Fault::new(FaultKind::Malformed, "3", reason).with_requirements(&["ERR-4"]));
            return broken();
        }
        let Response { result, at, .. } = responses.pop().expect("there is one");
        let told = Told { at, ..told };
        Decision { result, instance: None, transition: Some(Transition::Told(Arc::new(told))) }
    }

    fn apply(&mut self, _: &mut InvitationCore, _: Instant, transition: &Transition, effects: &mut Effects) {
        let Transition::Told(told) = transition else { unreachable!("nothing else is decided here") };
        for ToldEvent { to, event } in &told.events {
            for (user_id, device_id) in to {
                let name = SessionName { user_id: user_id.clone(), device_id: device_id.clone() };
                let slot = self.slot_of(&name).expect("they were online when it was said, and are when it is repeated");
                effects.events.push((slot, event.clone()));
            }
        }
        effects.hints.extend(told.hints.iter().cloned());
        self.kept.extend(told.kept.iter().cloned());
    }
}

/// What is wrong with the responses to a request, if anything is.
fn wrong_with_responses(responses: &[Response], id: &RequestId) -> Option<String> {
    match responses {
        [response] if response.id == *id => None,
        [response] => Some(format!("the response is to request {} and not to {id}", response.id)),
        [] => Some(format!("no response to request {id}; it stands in the `out` that answers the request")),
        _ => Some(format!("{} responses to request {id}, which has one", responses.len())),
    }
}

/// The fault of an implementation that was woken and wants to be woken at once again.
pub(super) fn wakes_for_nothing(now: Instant, at: Instant) -> Option<Fault> {
    let (asked, wanted) = (now.as_nanos(), at.as_nanos());
    (at <= now).then(|| {
        let reason = format!(
            "after a wake at {asked} it wants to be woken at {wanted}, which is not later, though all that is due was to \
             be done"
        );
        Fault::new(FaultKind::Malformed, "2.3", reason).with_requirements(&["TMO-3"])
    })
}

/// What a request comes to when the conversation is broken. The run's verdict tells of the fault.
fn broken() -> Decision {
    let error = ApiError::new(ErrorCode::SERVER_SYSTEM_ERROR, "the implementation broke the conversation");
    Decision { result: Err(error), instance: None, transition: None }
}
