//! Who is called or scheduled and not in the room (ROOM-7): (attendees ∪ entries) − members.
//!
//! It is computed anew whenever it is asked for, from three lists that are followed apart: so that an attendee who is
//! removed stays in it through an entry, and the other way round. Each list is what was last fetched with the events
//! since; what the application never fetched is known from events alone. Nothing here asks the server for anything.

use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::protocol::call::{InvitationPage, NotEnteredUser};
use crate::protocol::event::{Event, StampedEvent, UserInfo};
use crate::protocol::message::RoomPoint;
use crate::protocol::small_map::SmallMap;
use crate::protocol::vocabulary::{InstanceId, InvitationStatus, Revision, UserId};

/// The three lists of the room that the device is in. Who leaves the room takes a new one.
#[derive(Debug, Default)]
pub(super) struct Projection {
    /// The instance that was entered, once that is known.
    entered: Option<InstanceId>,
    /// By instance, since events of the next room can come before the answer to enterRoom. Entering forgets the others.
    by_instance: SmallMap<InstanceId, Box<Lists>>,
}

#[derive(Debug, Default)]
struct Lists {
    attendees: Followed<Arc<str>>,
    members: Followed<()>,
    entries: Followed<(Arc<str>, InvitationStatus)>,
    traversal: Option<Traversal>,
}

/// The pages of a traversal that is under way: they replace the entries when the last has come.
#[derive(Debug)]
struct Traversal {
    begun: Revision,
    items: Vec<(UserId, Revision, (Arc<str>, InvitationStatus))>,
}

/// A list of users that was fetched at some revision, with the changes since.
#[derive(Debug)]
struct Followed<T> {
    /// Everything up to here is known.
    floor: Revision,
    /// In the order of the list.
    present: IndexMap<UserId, Present<T>, FxBuildHasher>,
    /// Who left the list, and at which revision.
    absent: IndexMap<UserId, Revision, FxBuildHasher>,
}

/// A user on a list.
#[derive(Debug)]
struct Present<T> {
    /// The revision of the last that was seen of it.
    seen: Revision,
    /// The revision at which it came to the list, as far as that was heard: its place is behind what was there then.
    joined: Revision,
    item: T,
}

impl<T> Default for Followed<T> {
    fn default() -> Self {
        Self { floor: Revision::default(), present: IndexMap::default(), absent: IndexMap::default() }
    }
}

impl<T> Followed<T> {
    /// Takes in a list as it was at `at`. What was heard of later commits stays.
    fn replace(&mut self, at: Revision, items: impl IntoIterator<Item = (UserId, Revision, T)>) {
        if at < self.floor {
            return; // An answer that a later one has overtaken.
        }
        let before = std::mem::take(self);
        self.floor = at;
        for (user, seen, item) in items {
            // A user who left the list and came back during a traversal is on two pages: the later one holds.
            self.present.shift_remove(&user);
            self.present.insert(user, Present { seen, joined: at, item });
        }
        for (user, Present { seen, joined, item }) in before.present {
            if joined > at && self.is_news(seen, &user) {
                // It left after the list was read, and came back: to the end.
                self.present.shift_remove(&user);
            }
            self.set(seen, &user, item);
        }
        for (user, seen) in before.absent {
            self.remove(seen, &user);
        }
    }

    fn set(&mut self, at: Revision, user: &UserId, item: T) {
        if !self.is_news(at, user) {
            return;
        }
        self.absent.swap_remove(user);
        match self.present.get_mut(user) {
            Some(known) => (known.seen, known.item) = (at, item),
            None => {
                self.present.insert(user.clone(), Present { seen: at, joined: at, item });
            }
        }
    }

    fn remove(&mut self, at: Revision, user: &UserId) {
        if self.is_news(at, user) {
            self.present.shift_remove(user);
            self.absent.insert(user.clone(), at);
        }
    }

    /// ORD-5: whether a commit says more of a user than what is known. Events of one commit come in order.
    fn is_news(&self, at: Revision, user: &UserId) -> bool {
        at > self.floor
            && self.present.get(user).is_none_or(|known| at >= known.seen)
            && self.absent.get(user).is_none_or(|seen| at >= *seen)
    }
}

impl Projection {
    /// The device has entered a room: of its members it knows itself. For a room that it is in, this changes nothing.
    pub(super) fn enter(&mut self, at: RoomPoint, me: &UserId) {
        if self.entered.replace(at.instance) == Some(at.instance) {
            return;
        }
        self.by_instance.retain_only(&at.instance);
        let lists = self.lists(at.instance);
        lists.attendees.replace(at.revision, []);
        lists.members.replace(at.revision, [(me.clone(), at.revision, ())]);
        lists.entries.replace(at.revision, []);
        lists.traversal = None;
    }

    /// An answer to fetchAttendeeList.
    pub(super) fn attendees(&mut self, at: RoomPoint, users: &[UserInfo]) {
        let items = users.iter().map(|user| (user.user_id.clone(), at.revision, user.user_name.clone()));
        self.lists(at.instance).attendees.replace(at.revision, items);
    }

    /// An answer to getUserList.
    pub(super) fn members(&mut self, at: RoomPoint, users: &[UserInfo]) {
        let items = users.iter().map(|user| (user.user_id.clone(), at.revision, ()));
        self.lists(at.instance).members.replace(at.revision, items);
    }

    /// An answer to getInvitationList that is not too old.
    pub(super) fn page(&mut self, at: RoomPoint, first: bool, page: &InvitationPage) {
        let items = page.invitation_list.iter().map(|item| {
            let invitee = &item.invitation.invitee;
            (invitee.user_id.clone(), at.revision, (invitee.user_name.clone(), item.invitation.status))
        });
        let lists = self.lists(at.instance);
        if first {
            lists.traversal = Some(Traversal { begun: at.revision, items: items.collect() });
        } else if let Some(traversal) = &mut lists.traversal {
            traversal.items.extend(items);
        } else {
            // A page out of the middle of nothing still tells of those who are on it.
            items.for_each(|(user, seen, item)| lists.entries.set(seen, &user, item));
        }
        if page.cursor.as_str().is_empty()
            && let Some(Traversal { begun, items }) = lists.traversal.take()
        {
            lists.entries.replace(begun, items);
        }
    }

    /// An event that the application hears.
    pub(super) fn hear(&mut self, event: &StampedEvent) {
        let Some(stamp) = &event.stamp else { return };
        let at = stamp.revision;
        match &event.event {
            Event::InvitationAdded { invitation, .. } | Event::InvitationStatusChanged { invitation, .. } => {
                let invitee = &invitation.invitee;
                let item = (invitee.user_name.clone(), invitation.status);
                self.lists(stamp.instance).entries.set(at, &invitee.user_id, item);
            }
            Event::InvitationRemoved { invitation, .. } => {
                self.lists(stamp.instance).entries.remove(at, &invitation.invitee.user_id);
            }
            Event::RemoteUserEnterRoom { user_info, .. } => {
                self.lists(stamp.instance).members.set(at, &user_info.user_id, ());
            }
            Event::RemoteUserLeaveRoom { user_info, .. } => {
                self.lists(stamp.instance).members.remove(at, &user_info.user_id);
            }
            Event::ScheduleAttendeesChanged { left_users, joined_users, .. } => {
                let attendees = &mut self.lists(stamp.instance).attendees;
                left_users.iter().for_each(|user| attendees.remove(at, &user.user_id));
                joined_users.iter().for_each(|user| attendees.set(at, &user.user_id, user.user_name.clone()));
            }
            _ => {}
        }
    }

    /// (attendees ∪ entries) − members, entries first in the order of the list, then the others in theirs.
    pub(super) fn not_entered(&self) -> Arc<[NotEnteredUser]> {
        let Some(lists) = self.entered.and_then(|instance| self.by_instance.get(&instance)) else {
            return Arc::from([]);
        };
        let is_outside = |user: &UserId| !lists.members.present.contains_key(user);
        let entries = lists.entries.present.iter().filter(|(user, _)| is_outside(user)).map(
            |(user_id, Present { item: (user_name, status), .. })| NotEnteredUser {
                user_id: user_id.clone(),
                user_name: user_name.clone(),
                status: *status,
            },
        );
        // An entry wins over being an attendee.
        let is_only_attendee = |user: &UserId| is_outside(user) && !lists.entries.present.contains_key(user);
        let attendees = lists.attendees.present.iter().filter(|(user, _)| is_only_attendee(user)).map(
            |(user_id, Present { item: user_name, .. })| NotEnteredUser {
                user_id: user_id.clone(),
                user_name: user_name.clone(),
                status: InvitationStatus::None,
            },
        );
        entries.chain(attendees).collect()
    }

    fn lists(&mut self, instance: InstanceId) -> &mut Lists {
        self.by_instance.get_or_insert_default(instance)
    }
}

#[cfg(test)]
mod tests;
