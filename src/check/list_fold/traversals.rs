//! Which pages belong together (LST-6): a traversal begins with the empty cursor and goes on from the cursor that its last
//! page gave, whatever else the same reader asks in between.
//!
//! A page that is asked for again, because its answer was lost (IDM-5) or from a cursor of long ago, goes on from where that
//! cursor was given and not from where its traversal has got to since.

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

use super::super::history::{Map, UserNo};
use crate::protocol::call::InvitationPage;
use crate::protocol::vocabulary::{AttemptNo, Cursor, InstanceId, UserId};

/// The entries that one traversal has shown, in their order.
type Shown = IndexSet<(UserId, AttemptNo), FxBuildHasher>;

/// The traversals of all readers.
#[derive(Default)]
pub(super) struct Traversals {
    shown: Vec<Shown>,
    /// Where each cursor goes on. A cursor stands for a place in the list, so where two traversals were given the same,
    /// either will do.
    cursors: Map<(UserNo, InstanceId, Cursor), GoesOn>,
}

/// Where a cursor goes on.
#[derive(Clone, Copy)]
struct GoesOn {
    /// In which traversal.
    traversal: usize,
    /// After how many entries of it.
    known: usize,
    /// Behind which place of the list (LST-3), if that is known.
    place: Option<u64>,
}

impl Traversals {
    /// Behind which place a cursor goes on, if that is known.
    pub(super) fn place_before(&self, reader: UserNo, instance: InstanceId, cursor: &Cursor) -> Option<u64> {
        self.cursors.get(&(reader, instance, cursor.clone()))?.place
    }

    /// Takes a page, whose last entry has this place; who is shown again by it.
    pub(super) fn page(
        &mut self,
        reader: UserNo,
        instance: InstanceId,
        cursor: &Cursor,
        page: &InvitationPage,
        place: Option<u64>,
    ) -> Vec<UserId> {
        let key = (reader, instance, cursor.clone());
        let before = self.cursors.get(&key).and_then(|on| Some((on, self.shown.get(on.traversal)?)));
        let traversal = match before {
            Some((on, shown)) if shown.len() == on.known => on.traversal,
            Some((on, shown)) => {
                let before = shown.iter().take(on.known).cloned().collect();
                self.begin(before)
            }
            None => self.begin(Shown::default()),
        };
        let mut again = Vec::new();
        for item in &page.invitation_list {
            let one = (item.invitation.invitee.user_id.clone(), item.attempt);
            if !self.shown[traversal].insert(one) {
                again.push(item.invitation.invitee.user_id.clone());
            }
        }
        if !page.cursor.as_str().is_empty() {
            let key = (reader, instance, page.cursor.clone());
            let known = self.shown[traversal].len();
            self.cursors.insert(key, GoesOn { traversal, known, place });
        } else if cursor.as_str().is_empty() {
            // All in one page: nothing goes on from it.
            self.shown.pop();
        }
        again
    }

    fn begin(&mut self, shown: Shown) -> usize {
        self.shown.push(shown);
        self.shown.len() - 1
    }
}
