//! A fault that shows once in thousands of events: no scenario is long enough for it, and load is.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Mutant, Part, Seam};
use crate::protocol::call::DeviceIdentity;
use crate::protocol::core::{Effects, InvitationCore, SessionSlot, Transition};
use crate::protocol::logic::Logic;
use crate::protocol::service::Service;
use crate::time::Instant;

/// Beside the catalogue, since scenarios are not graded by them.
pub(super) const MUTANTS: &[Mutant] = &[Mutant {
    name: "one-event-in-ten-thousand-goes-astray",
    seam: Seam::Core,
    breaks: &["EVT-1"],
    fault: "Of ten thousand events one goes to a device that it is not for, and not to the one that it is for.",
    part: Part::ServerNode(|config| Box::new(Service::with_logic(config, Astray::default()))),
}];

/// How many events there are for each that goes astray.
const ONE_IN: u64 = 10_000;

#[derive(Default)]
struct Astray {
    events: u64,
    online: BTreeSet<SessionSlot>,
}

impl Astray {
    /// Somebody else's session: half around the circle, since neighbours may well be of one call.
    fn other(&self, slot: SessionSlot) -> Option<SessionSlot> {
        let all = self.online.len();
        let place = self.online.range(..slot).count();
        self.online.iter().nth((place + all / 2) % all.max(1)).copied().filter(|other| *other != slot)
    }
}

impl Logic for Astray {
    fn online(&mut self, _: &Arc<DeviceIdentity>, slot: SessionSlot) {
        self.online.insert(slot);
    }

    fn offline(&mut self, slot: SessionSlot) {
        self.online.remove(&slot);
    }

    fn apply(&mut self, core: &mut InvitationCore, at: Instant, transition: &Transition, effects: &mut Effects) {
        let before = effects.events.len();
        core.apply(at, transition, effects);
        for index in before..effects.events.len() {
            self.events += 1;
            let slot = effects.events[index].0;
            if self.events.is_multiple_of(ONE_IN)
                && let Some(other) = self.other(slot)
            {
                effects.events[index].0 = other;
            }
        }
    }
}
