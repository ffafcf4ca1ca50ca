//! What the traversals of getInvitationList at the very end showed, device by device.
//!
//! It gathers and judges nothing: the author's `list:` expectations and the agreement that quiescence demands are judged
//! elsewhere, from this.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::plan::DeviceIndex;
use crate::protocol::call::{Call, CallNo, ListItem, Reply};
use crate::protocol::vocabulary::{ApiError, RoomId};
use crate::trace::{DeviceChange, Occurrence, Stage, Trace};

/// The traversal of one room by one device: from the empty cursor until nothing was left.
#[derive(Debug)]
pub(super) struct Traversal {
    /// Who listed.
    pub(super) device: DeviceIndex,
    /// Which room.
    pub(super) room: RoomId,
    /// What all pages together showed, or the failure of one of them.
    pub(super) items: Result<Vec<ListItem>, ApiError>,
    /// The moment of its last answer, or of the call that got none.
    pub(super) moment: usize,
    /// Whether the last page said that nothing is left.
    pub(super) complete: bool,
    /// Whether the author has left the device without a network, or its program dead.
    pub(super) cut_off: bool,
}

/// The traversals of the last stage, by device and room; of several by one device of one room the last.
pub(super) fn gather(trace: &Trace) -> Vec<Traversal> {
    let mut calls: BTreeMap<(DeviceIndex, CallNo), usize> = BTreeMap::new();
    let mut found: BTreeMap<(DeviceIndex, RoomId), Traversal> = BTreeMap::new();
    let mut cut_off = vec![false; trace.plan.devices.len()];
    let mut has_begun = false;
    for (index, moment) in trace.moments.iter().enumerate() {
        match &moment.what {
            Occurrence::Stage(Stage::FinalLists) => has_begun = true,
            Occurrence::DeviceChanged { device, change } if !has_begun => match change {
                DeviceChange::Offline | DeviceChange::Killed => cut_off[device.index()] = true,
                DeviceChange::Online | DeviceChange::Restarted => cut_off[device.index()] = false,
                _ => {}
            },
            Occurrence::Called { device, call, content, .. } if has_begun => {
                let Call::GetInvitationList { room_id, cursor, .. } = &**content else { continue };
                calls.insert((*device, *call), index);
                let key = (*device, room_id.clone());
                if cursor.as_str().is_empty() || !found.contains_key(&key) {
                    let fresh = Traversal {
                        device: *device,
                        room: room_id.clone(),
                        items: Ok(Vec::new()),
                        moment: index,
                        complete: false,
                        cut_off: cut_off[device.index()],
                    };
                    found.insert(key, fresh);
                }
            }
            Occurrence::Returned { device, call, result } if has_begun => {
                let Some(asked) = calls.remove(&(*device, *call)) else { continue };
                let Occurrence::Called { content, .. } = &trace.moments[asked].what else { continue };
                let Some(room) = content.room_id() else { continue };
                let Some(traversal) = found.get_mut(&(*device, room.clone())) else { continue };
                traversal.moment = index;
                match result {
                    Ok(Reply::List(page)) => {
                        if let Ok(items) = &mut traversal.items {
                            items.extend(page.invitation_list.iter().cloned());
                        }
                        traversal.complete = page.cursor.as_str().is_empty();
                    }
                    Ok(_) => {
                        let message: Arc<str> = "the answer is no list".into();
                        traversal.items = Err(ApiError::new(crate::protocol::vocabulary::ErrorCode::FAILED, message));
                    }
                    Err(error) => traversal.items = Err(error.clone()),
                }
            }
            _ => {}
        }
    }
    found.into_values().collect()
}
