//! How far this device has followed the list of its room: what is older than that is stale (ORD-5, REC-3).

use std::collections::BTreeMap;

use crate::protocol::call::ListItem;
use crate::protocol::event::StampedEvent;
use crate::protocol::message::RoomPoint;
use crate::protocol::small_map::SmallMap;
use crate::protocol::vocabulary::{InstanceId, Revision, UserId};

/// The newest that was seen, by room instance. A device follows one list at a time, and of other rooms it knows a number.
#[derive(Debug, Default)]
pub(super) struct Views {
    by_instance: SmallMap<InstanceId, View>,
}

#[derive(Debug, Default)]
struct View {
    /// Where the traversal began, or the room was entered: everything up to here is known.
    floor: Revision,
    /// The newest commit that an event or a page told of.
    newest: Revision,
    /// The least revision that is news of each invitee that a page or an event told of, removals included.
    invitees: BTreeMap<UserId, Revision>,
}

impl Views {
    /// The device enters a room: it starts from nothing.
    pub(super) fn enter(&mut self, at: RoomPoint) {
        // Of other rooms only how far they had got still matters, to pages that are under way.
        self.by_instance.values_mut().for_each(|view| view.invitees.clear());
        let view = View { floor: at.revision, newest: at.revision, invitees: BTreeMap::new() };
        self.by_instance.insert(at.instance, view);
    }

    /// Takes a page in. False when it is older than what has come in since: it must be read again.
    pub(super) fn page(&mut self, at: RoomPoint, first: bool, items: &[ListItem]) -> bool {
        let view = self.by_instance.get_or_insert_default(at.instance);
        if at.revision < view.newest {
            return false;
        }
        view.newest = at.revision;
        if first {
            view.floor = at.revision;
            view.invitees.clear();
        }
        for item in items {
            // The page shows all of the commit at its revision, so that only what comes after it is news.
            view.invitees.insert(item.invitation.invitee.user_id.clone(), Revision(at.revision.0 + 1));
        }
        true
    }

    /// Whatever the server says of an invitation makes pages from before it stale, handed over or not: a page that still
    /// shows a ring of which the end has come in would begin it again.
    pub(super) fn hear(&mut self, event: &StampedEvent) {
        if let Some(stamp) = event.stamp.as_ref().filter(|stamp| stamp.about.is_some()) {
            let view = self.by_instance.get_or_insert_default(stamp.instance);
            view.newest = view.newest.max(stamp.revision);
        }
    }

    /// Whether a list event tells anything new.
    pub(super) fn is_news(&mut self, event: &StampedEvent) -> bool {
        let Some(stamp) = &event.stamp else { return true };
        let Some(about) = &stamp.about else { return true };
        let view = self.by_instance.get_or_insert_default(stamp.instance);
        let seen = view.invitees.get(&about.invitee).copied().unwrap_or(view.floor);
        // Events of one commit share its revision, so after an event only what is older is stale.
        if stamp.revision < seen || stamp.revision <= view.floor {
            return false;
        }
        view.invitees.insert(about.invitee.clone(), stamp.revision);
        true
    }
}
