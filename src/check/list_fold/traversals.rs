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
    /// Where each cursor goes on: in which traversal, and after how many entries of it. A cursor stands for a place in the
    /// list, so where two traversals were given the same, either will do.
    cursors: Map<(UserNo, InstanceId, Cursor), (usize, usize)>,
}

impl Traversals {
    /// Takes a page; who is shown again by it.
    pub(super) fn page(
        &mut self,
        reader: UserNo,
        instance: InstanceId,
        cursor: &Cursor,
        page: &InvitationPage,
    ) -> Vec<UserId> {
        let key = (reader, instance, cursor.clone());
        let (traversal, known) = self.cursors.get(&key).copied().unwrap_or((usize::MAX, 0));
        let traversal = match self.shown.get(traversal) {
            Some(shown) if shown.len() == known => traversal,
            Some(shown) => {
                let before = shown.iter().take(known).cloned().collect();
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
            self.cursors.insert(key, (traversal, self.shown[traversal].len()));
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
