//! The list of a room as a member's application follows it: the fold of Added, StatusChanged and Removed, and what it reads
//! on the way.

use std::collections::BTreeMap;

use super::ring::Wrong;
use crate::protocol::call::{InvitationPage, ListItem};
use crate::protocol::event::Event;
use crate::protocol::vocabulary::{InvitationStatus, UserId};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Fold<'t> {
    entries: BTreeMap<&'t UserId, InvitationStatus>,
    /// Whether a page was read: an event that it was newer than may have been withheld (ORD-5).
    has_read: bool,
}

impl<'t> Fold<'t> {
    /// A list event. What is wrong with hearing it now, if something is.
    pub(super) fn hear(&mut self, event: &'t Event) -> Option<Wrong> {
        let user = &event.invitation()?.invitee.user_id;
        let status = event.invitation()?.status;
        let before = self.entries.get(user).copied();
        let wrong = match event {
            Event::InvitationAdded { .. } => {
                self.entries.insert(user, status);
                (before == Some(InvitationStatus::Pending)).then_some((
                    &["EVT-3", "IDM-4"] as &'static [_],
                    format!("of {user}, who is called already as far as it was told"),
                ))
            }
            Event::InvitationStatusChanged { .. } => {
                self.entries.insert(user, status);
                (before != Some(InvitationStatus::Pending)).then_some((
                    &["EVT-4", "IDM-4"] as &'static [_],
                    format!("of {user}, who is not being called as far as it was told"),
                ))
            }
            Event::InvitationRemoved { .. } => {
                self.entries.remove(user);
                before.is_none().then_some((
                    &["EVT-5", "IDM-4"] as &'static [_],
                    format!("of {user}, who is not in the list as far as it was told"),
                ))
            }
            _ => None,
        };
        let (requirements, what) = wrong.filter(|_| !self.has_read)?;
        Some(Wrong { requirements, what })
    }

    /// The application reads a page; `first` says that it is the first of a traversal.
    pub(super) fn read(&mut self, page: &'t InvitationPage, first: bool) {
        self.has_read = true;
        if first && page.cursor.as_str().is_empty() {
            self.entries.clear();
        }
        let shown = page.invitation_list.iter().map(|item| &item.invitation);
        self.entries.extend(shown.map(|one| (&one.invitee.user_id, one.status)));
    }

    /// The fold and the list in lines, if they differ.
    pub(super) fn differs_from(&self, items: &[ListItem]) -> Option<(String, String)> {
        let shown = items.iter().map(|item| (&item.invitation.invitee.user_id, item.invitation.status));
        let shown: BTreeMap<&UserId, InvitationStatus> = shown.collect();
        let lines = |entries: &BTreeMap<&UserId, InvitationStatus>| {
            entries.iter().map(|(user, status)| format!("{user}: {status}")).collect::<Vec<_>>().join("\n")
        };
        (shown != self.entries).then(|| (lines(&self.entries), lines(&shown)))
    }
}
