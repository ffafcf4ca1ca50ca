//! What the server knows of installations of the client library: which session each has, and the results that it may ask
//! for again (IDM-1).
//!
//! A device that has neither is forgotten, so a server that meets ever new devices does not grow. Its place is then given
//! to another; a session holds a place only while the device is known.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};

use super::call::DeviceIdentity;
use super::core::SessionSlot;
use super::session::KeptResults;
use super::vocabulary::{DeviceId, UserId};
use crate::time::{Duration, Instant};

/// Where the service keeps what it knows of a device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(super) struct DevicePlace(usize);

/// Every device that is known.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Devices {
    places: IndexMap<(UserId, DeviceId), DevicePlace, FxBuildHasher>,
    known: Vec<Option<Known>>,
    free: Vec<DevicePlace>,
    /// Devices without a session, by when the last result that they may ask for lapses.
    lapsing: BTreeSet<(Instant, DevicePlace)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    key: (UserId, DeviceId),
    session: Option<SessionSlot>,
    /// None until it has asked anything.
    results: Option<Box<KeptResults>>,
}

impl Devices {
    /// The session of a device, if it has one.
    pub(super) fn session_of(&self, user: &UserId, device: &DeviceId) -> Option<SessionSlot> {
        let place = self.places.get(&(user.clone(), device.clone()))?;
        self.known(*place).session
    }

    /// The place of a device that is about to have a session; made if nothing is known of it.
    pub(super) fn place(&mut self, identity: &DeviceIdentity, memory: Duration) -> DevicePlace {
        let key = (identity.user_id.clone(), identity.device_id.clone());
        if let Some(place) = self.places.get(&key).copied() {
            if let Some(lapse) = self.lapse(place, memory) {
                self.lapsing.remove(&(lapse, place));
            }
            return place;
        }
        let known = Some(Known { key: key.clone(), session: None, results: None });
        let place = match self.free.pop() {
            Some(place) => {
                self.known[place.0] = known;
                place
            }
            None => {
                self.known.push(known);
                DevicePlace(self.known.len() - 1)
            }
        };
        self.places.insert(key, place);
        place
    }

    /// The device's session has begun.
    pub(super) fn begin(&mut self, place: DevicePlace, slot: SessionSlot) {
        self.known_mut(place).session = Some(slot);
    }

    /// The device's session has ended. Forgets it, and others, when nothing that they may ask for is left.
    pub(super) fn end(&mut self, at: Instant, place: DevicePlace, memory: Duration) {
        self.known_mut(place).session = None;
        while let Some((lapse, lapsed)) = self.lapsing.first().copied().filter(|(lapse, _)| *lapse < at) {
            self.lapsing.remove(&(lapse, lapsed));
            self.forget(lapsed);
        }
        match self.lapse(place, memory) {
            Some(lapse) if lapse >= at => {
                self.lapsing.insert((lapse, place));
            }
            _ => self.forget(place),
        }
    }

    fn forget(&mut self, place: DevicePlace) {
        let known = self.known[place.0].take().expect("the device is known");
        self.places.swap_remove(&known.key);
        self.free.push(place);
    }

    /// The results that a device may ask for again.
    pub(super) fn results(&self, place: DevicePlace) -> Option<&KeptResults> {
        self.known(place).results.as_deref()
    }

    pub(super) fn results_mut(&mut self, place: DevicePlace) -> &mut KeptResults {
        self.known_mut(place).results.get_or_insert_default()
    }

    /// How many results are kept, over all devices.
    pub(super) fn kept_results(&self) -> u64 {
        self.known.iter().flatten().filter_map(|known| known.results.as_deref()).map(KeptResults::len).sum()
    }

    /// When nothing is left that a device may ask for again.
    fn lapse(&self, place: DevicePlace, memory: Duration) -> Option<Instant> {
        self.results(place)?.lapse(memory)
    }

    fn known(&self, place: DevicePlace) -> &Known {
        self.known[place.0].as_ref().expect("the device is known")
    }

    fn known_mut(&mut self, place: DevicePlace) -> &mut Known {
        self.known[place.0].as_mut().expect("the device is known")
    }
}

#[cfg(test)]
mod tests;
