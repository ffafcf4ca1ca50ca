//! Who was what in a room, as far as the API shows it: inside or outside, owner, administrator.
//!
//! A register that was written by calls that take time has, at any time, a set of values that are possible. It is never
//! too small; where the API leaves a value open, whoever asks must allow for each.

use std::collections::{BTreeMap, BTreeSet};

use super::Point;
use crate::protocol::vocabulary::UserId;

/// What the caller of cancelInvitation may have been at the time (CAN-2 to CAN-4). Several may be possible.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Standing {
    /// The owner, or an administrator in the room: may end anybody's.
    pub revoker: bool,
    /// Inside, and neither: may end only its own.
    pub plain: bool,
    /// Outside, and not the owner: others' are skipped.
    pub outside: bool,
    /// May have invited somebody in this life of the room.
    pub has_invited: bool,
    /// Has invited somebody in this life of the room for sure.
    pub surely_invited: bool,
}

/// A value that changes, with all that is known of when.
#[derive(Debug)]
struct Register<V> {
    writes: Vec<Write<V>>,
}

#[derive(Debug)]
struct Write<V> {
    from: Point,
    /// None for a write that may come at any later time.
    by: Option<Point>,
    /// Whether it came at all.
    sure: bool,
    value: V,
}

impl<V> Default for Register<V> {
    fn default() -> Self {
        Self { writes: Vec::new() }
    }
}

impl<V: Ord + Clone> Register<V> {
    fn write(&mut self, from: Point, by: Option<Point>, sure: bool, value: V) {
        self.writes.push(Write { from, by, sure: sure && by.is_some(), value });
    }

    /// The values that it may have had at some time between the two, if it had `first` at first.
    fn possible(&self, from: Point, by: Option<Point>, first: V) -> BTreeSet<V> {
        // What was surely over before a later sure write began, which itself was over in time, is not seen any more.
        let hidden = self
            .writes
            .iter()
            .filter(|write| write.sure && write.by.is_some_and(|end| end < from))
            .map(|write| write.from)
            .max();
        let mut values: BTreeSet<V> = self
            .writes
            .iter()
            .filter(|write| by.is_none_or(|by| write.from <= by))
            .filter(|write| hidden.is_none_or(|hidden| write.by.is_none_or(|end| end >= hidden)))
            .map(|write| write.value.clone())
            .collect();
        if hidden.is_none() {
            values.insert(first);
        }
        values
    }
}

/// The standing of everybody in one room.
#[derive(Debug, Default)]
pub(super) struct Standings {
    owner: Register<Option<UserId>>,
    inside: BTreeMap<UserId, Register<bool>>,
    administrator: BTreeMap<UserId, Register<bool>>,
    /// When somebody may have been given a code 0, and when somebody surely has.
    invited: BTreeMap<UserId, (Option<Point>, Option<Point>)>,
    dissolutions: Vec<(Point, Option<Point>)>,
}

impl Standings {
    pub(super) fn created(&mut self, owner: &UserId, from: Point, by: Option<Point>) {
        self.owner.write(from, by, true, Some(owner.clone()));
    }

    pub(super) fn dissolved(&mut self, from: Point, by: Option<Point>) {
        self.owner.write(from, by, false, None);
        self.dissolutions.push((from, by));
    }

    /// Call when everything is told: a dissolution puts everybody out.
    pub(super) fn complete(&mut self) {
        for (from, by) in &self.dissolutions {
            for register in self.inside.values_mut().chain(self.administrator.values_mut()) {
                register.write(*from, *by, true, false);
            }
        }
    }

    pub(super) fn entered(&mut self, user: &UserId, from: Point, by: Option<Point>) {
        self.inside.entry(user.clone()).or_default().write(from, by, true, true);
    }

    pub(super) fn left(&mut self, user: &UserId, from: Point, by: Option<Point>, sure: bool) {
        self.inside.entry(user.clone()).or_default().write(from, by, sure, false);
        // CAN-3: the role ends with leaving.
        self.administrator.entry(user.clone()).or_default().write(from, by, sure, false);
    }

    pub(super) fn made_administrator(&mut self, user: &UserId, is: bool, from: Point, by: Option<Point>) {
        self.administrator.entry(user.clone()).or_default().write(from, by, true, is);
    }

    pub(super) fn handed_over(&mut self, from_user: &UserId, to: &UserId, from: Point, by: Option<Point>) {
        self.owner.write(from, by, true, Some(to.clone()));
        // Both were something else before, and what the new owner is when it hands on is a general user.
        for user in [from_user, to] {
            self.administrator.entry(user.clone()).or_default().write(from, by, false, false);
        }
    }

    pub(super) fn invited(&mut self, user: &UserId, from: Point, surely_by: Option<Point>) {
        let (may, surely) = self.invited.entry(user.clone()).or_default();
        may.get_or_insert(from);
        *surely = surely.or(surely_by);
    }

    /// Whether the user was inside all the time between the two.
    pub(super) fn is_inside(&self, user: &UserId, from: Point, by: Point) -> bool {
        let Some(register) = self.inside.get(user) else { return false };
        register.possible(from, Some(by), false) == BTreeSet::from([true])
    }

    pub(super) fn of(&self, user: &UserId, from: Point, by: Option<Point>) -> Standing {
        let possible = |registers: &BTreeMap<UserId, Register<bool>>| match registers.get(user) {
            Some(register) => register.possible(from, by, false),
            None => BTreeSet::from([false]),
        };
        let (inside, administrator) = (possible(&self.inside), possible(&self.administrator));
        let owners = self.owner.possible(from, by, None);
        // A room that nobody created in the trace has an owner whom the API does not show.
        let may_own = owners.contains(&Some(user.clone())) || owners.contains(&None);
        let may_not_own = owners.iter().any(|owner| owner.as_ref() != Some(user));
        let (may, surely) = self.invited.get(user).copied().unwrap_or_default();
        Standing {
            revoker: may_own || (inside.contains(&true) && administrator.contains(&true)),
            plain: may_not_own && inside.contains(&true) && administrator.contains(&false),
            outside: may_not_own && inside.contains(&false),
            has_invited: may.is_some_and(|may| by.is_none_or(|by| may <= by)),
            surely_invited: surely.is_some_and(|surely| surely < from) && self.dissolutions.is_empty(),
        }
    }
}
