//! The author's steps as every world sees them: when they are set off, and what they ask.
//!
//! How a step is carried out is each world's own business.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::plan::{DeviceIndex, Plan, RawRequest, Trigger, When};
use crate::protocol::call::{Call, CallNo};
use crate::protocol::codec;
use crate::protocol::event::Event;
use crate::protocol::message::Content;
use crate::protocol::vocabulary::{Cursor, EventName, OperationName, RoomId};
use crate::time::{Duration, Instant};

/// Which steps wait for what.
pub(crate) struct Triggers {
    plan: Arc<Plan>,
    active: bool,
    /// The steps that wait for something seen or returned, with how often each device still has to.
    waiting: Vec<Waiting>,
    /// The operation of every open call, where some step waits for an answer.
    open_calls: BTreeMap<(DeviceIndex, CallNo), OperationName>,
    /// The steps at absolute times, in the order in which they come, and how many have come.
    absolute: Vec<(Instant, usize)>,
    absolute_done: usize,
    /// The steps that follow the beginning of another.
    followers: BTreeMap<usize, Vec<(usize, Duration)>>,
}

struct Waiting {
    step: usize,
    left: BTreeMap<DeviceIndex, u32>,
}

impl Triggers {
    pub(crate) fn new(plan: &Arc<Plan>) -> Self {
        let mut followers: BTreeMap<usize, Vec<(usize, Duration)>> = BTreeMap::new();
        for (step, planned) in plan.steps.iter().enumerate() {
            if let When::After { trigger: Trigger::Begun(first), delay } = &planned.when {
                followers.entry(*first).or_default().push((step, *delay));
            }
        }
        let at = |(step, planned): (usize, &crate::plan::Step)| match planned.when {
            When::At(at) => Some((at, step)),
            When::After { .. } => None,
        };
        let mut absolute: Vec<(Instant, usize)> = plan.steps.iter().enumerate().filter_map(at).collect();
        absolute.sort_unstable();
        Self {
            plan: plan.clone(),
            active: false,
            waiting: Vec::new(),
            open_calls: BTreeMap::new(),
            absolute,
            absolute_done: 0,
            followers,
        }
    }

    /// The scenario begins: what was seen in the setup sets nothing off.
    pub(crate) fn begin(&mut self) {
        self.active = true;
        for (step, planned) in self.plan.steps.iter().enumerate() {
            let When::After { trigger: Trigger::Seen { by, nth, .. } | Trigger::Returned { by, nth, .. }, .. } =
                &planned.when
            else {
                continue;
            };
            self.waiting.push(Waiting { step, left: by.iter().map(|device| (*device, *nth)).collect() });
        }
    }

    /// Whether the scenario is under way.
    pub(crate) fn is_active(&self) -> bool {
        self.active
    }

    /// The scenario is over: what happens in the epilogue sets nothing off.
    pub(crate) fn end(&mut self) {
        self.active = false;
    }

    /// The next step at an absolute time.
    pub(crate) fn next_absolute(&self) -> Option<(Instant, usize)> {
        if self.active { self.absolute.get(self.absolute_done).copied() } else { None }
    }

    pub(crate) fn take_absolute(&mut self) {
        self.absolute_done += 1;
    }

    pub(crate) fn waits_for_events(&self) -> bool {
        self.active && !self.waiting.is_empty()
    }

    pub(crate) fn called(&mut self, device: DeviceIndex, call: CallNo, operation: OperationName) {
        if self.active && !self.waiting.is_empty() {
            self.open_calls.insert((device, call), operation);
        }
    }

    pub(crate) fn returned(&mut self, device: DeviceIndex, call: CallNo) -> Option<OperationName> {
        if self.open_calls.is_empty() { None } else { self.open_calls.remove(&(device, call)) }
    }

    pub(crate) fn on_heard(&mut self, heard: &Event, device: DeviceIndex) -> Vec<(usize, Duration)> {
        self.on_heard_of(heard.name(), heard.room_id(), device)
    }

    /// The same, where the room goes by another name than the event has for it.
    pub(crate) fn on_heard_of(
        &mut self,
        name: EventName,
        of: Option<&RoomId>,
        device: DeviceIndex,
    ) -> Vec<(usize, Duration)> {
        self.count(device, |trigger| {
            matches!(trigger, Trigger::Seen { event, room, .. }
                if *event == name && room.as_ref().is_none_or(|room| of == Some(room)))
        })
    }

    pub(crate) fn on_returned(&mut self, returned: OperationName, device: DeviceIndex) -> Vec<(usize, Duration)> {
        self.count(device, |trigger| matches!(trigger, Trigger::Returned { operation, .. } if *operation == returned))
    }

    pub(crate) fn on_begun(&self, begun: usize) -> Vec<(usize, Duration)> {
        self.followers.get(&begun).cloned().unwrap_or_default()
    }

    fn count(&mut self, device: DeviceIndex, matches: impl Fn(&Trigger) -> bool) -> Vec<(usize, Duration)> {
        if !self.active {
            return Vec::new();
        }
        let plan = self.plan.clone();
        let mut set_off = Vec::new();
        self.waiting.retain_mut(|waiting| {
            let When::After { trigger, delay } = &plan.steps[waiting.step].when else {
                unreachable!("only causal steps wait")
            };
            if !matches(trigger) {
                return true;
            }
            if let Some(left) = waiting.left.get_mut(&device) {
                *left -= 1;
                if *left == 0 {
                    waiting.left.remove(&device);
                }
            }
            if waiting.left.is_empty() {
                set_off.push((waiting.step, *delay));
            }
            !waiting.left.is_empty()
        });
        set_off
    }
}

/// The call with the cursor of the moment in the place of its own.
pub(crate) fn with_cursor(call: &Arc<Call>, cursor: Option<Cursor>) -> Arc<Call> {
    match (&**call, cursor) {
        (Call::GetInvitationList { room_id, count, .. }, Some(cursor)) => {
            Arc::new(Call::GetInvitationList { room_id: room_id.clone(), cursor, count: *count })
        }
        _ => call.clone(),
    }
}

impl RawRequest {
    /// What the server makes of it.
    pub(crate) fn content(&self, cursor: Option<&Cursor>) -> Content {
        let mut args = self.args.clone();
        if let (Some(cursor), Some(args)) = (cursor, args.as_object_mut()) {
            args.insert("cursor".into(), serde_json::json!(cursor));
        }
        if let (Some(attempt), Some(args)) = (&self.attempt, args.as_object_mut()) {
            args.insert("attempt".into(), serde_json::json!(attempt));
        }
        codec::content_from(&self.operation, args)
    }
}
