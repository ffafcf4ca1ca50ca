//! Lists agree with events: each page shows what the commits made of the list, and what a device folds from a traversal and
//! later events is what it reads later.
//!
//! At the server's wire each page is held against the state at the revision that it carries. At the device's API the fold is
//! done as ORD-5 says: per invitee, whatever is older than the newest seen is ignored.

use self::traversals::Traversals;
use super::follow::{Followed, Judged, Room};
use super::history::{Ask, History, Story};
use super::variants::{ListOrder, OutsidersList};
use super::{AlwaysCheck, Boundary, Check, Difference, Finding, Findings};
use crate::plan::DeviceIndex;
use crate::protocol::call::{Call, InvitationPage, ListItem, Reply};
use crate::protocol::vocabulary::{InvitationStatus, RoomId, UserId};

mod fold;
mod traversals;

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "list fold",
    requirements: &[
        "LST-1", "LST-2", "LST-3", "LST-6", "LST-7", "LST-9", "EVT-3", "EVT-4", "EVT-5", "EVT-6", "ORD-5", "REC-3",
        "TMO-3", "ACC-8",
    ],
    boundary: Boundary::Both,
    promise: "a list is what the traversal before it and the events since then make of it",
    begin: || Box::new(ListFold::default()),
};

#[derive(Default)]
struct ListFold {
    findings: Findings,
    traversals: Traversals,
}

impl Check for ListFold {
    fn judged(&mut self, judged: &Judged<'_, '_>) {
        let Some((Call::GetInvitationList { cursor, .. }, response)) = judged.ask.success() else { return };
        let Ok(Reply::List(page)) = &response.result else { return };
        let reader = judged.history.user_of(judged.ask.device);
        let before = self.traversals.place_before(reader, judged.room.instance, cursor);
        let last = Page { judged, page, findings: &mut self.findings }.judge(cursor.as_str().is_empty(), before);
        // LST-6: never the same entry twice in one traversal.
        for who in self.traversals.page(reader, judged.room.instance, cursor, page, last) {
            self.findings.add(|| {
                let device = &judged.history.plan().device(judged.ask.device).name;
                found(&["LST-6"], judged.ask, format!("{device} is shown {who} twice in one traversal"))
            });
        }
    }

    fn device<'t>(&mut self, history: &History<'t>, story: &Story<'_, 't>, findings: &mut Findings) {
        // Where nothing but the API was seen there are no revisions to fold by: `applications` does what can be done then.
        if !history.trace.vantage.is_applications() {
            fold::judge(history, story, findings);
        }
    }

    fn finish(&mut self, _: &History<'_>, _: &Followed<'_>) -> Findings {
        std::mem::take(&mut self.findings)
    }
}

fn found(requirements: &[&str], ask: &Ask<'_>, message: String) -> Finding {
    Finding::of(&CHECK, requirements, message).seen_at(ask.span().map_or(0, |span| span.latest)).on(ask.device)
}

/// One page, held against the state by which it was judged.
struct Page<'p, 's, 't> {
    judged: &'p Judged<'s, 't>,
    page: &'p InvitationPage,
    findings: &'p mut Findings,
}

impl<'t> Page<'_, '_, 't> {
    fn room(&self) -> &Room<'t> {
        self.judged.room
    }

    /// Judges it as one that goes on behind a place, if that is known; the place behind which the next goes on.
    fn judge(&mut self, first: bool, before: Option<u64>) -> Option<u64> {
        let mut last_place = before;
        for item in &self.page.invitation_list {
            self.item(item);
            let user = self.judged.history.user(&item.invitation.invitee.user_id);
            let place = user.and_then(|user| self.room().entry(user)).map(|entry| entry.place);
            let wrong = last_place.zip(place).and_then(|(last, place)| self.is_out_of_order(last, place));
            if let Some(younger) = wrong.filter(|_| self.room().is_complete()) {
                let who = item.invitation.invitee.user_id.clone();
                self.wrong(&["LST-3"], format!("{who} stands behind entries that are {younger}"), None);
            }
            last_place = place.or(last_place);
        }
        if first && self.page.cursor.as_str().is_empty() {
            self.whole();
        }
        last_place
    }

    /// What the entries before one are that should not be before it, if they are.
    fn is_out_of_order(&self, last: u64, place: u64) -> Option<&'static str> {
        match self.judged.history.variants.list_order {
            ListOrder::OldestFirst => (place < last).then_some("younger"),
            ListOrder::NewestFirst => (place > last).then_some("older"),
        }
    }

    fn item(&mut self, item: &ListItem) {
        let who = &item.invitation.invitee.user_id;
        let shown = item.invitation.status;
        let Some(user) = self.judged.history.user(who) else { return };
        if shown == InvitationStatus::None {
            self.wrong(&["LST-2"], format!("{who} is listed with kNone"), None);
        }
        self.overdue(item);
        let Some(known) = self.room().status(user) else { return };
        if known == InvitationStatus::None {
            self.wrong(
                &["LST-2", "ACC-8"],
                format!("{who} is listed as {shown}, and is not on the list any more"),
                None,
            );
            return;
        }
        if known != shown {
            let difference = Difference { expected: known.to_string(), seen: shown.to_string() };
            self.wrong(&["LST-7", "EVT-4"], format!("{who} is listed as {shown}, and is {known}"), Some(difference));
        }
        let Some(entry) = self.room().entry(user).copied() else { return };
        if entry.changed != item.revision {
            let difference = Difference { expected: entry.changed.to_string(), seen: item.revision.to_string() };
            let what =
                format!("{who} is listed as changed at revision {}, and it was {}", item.revision, entry.changed);
            self.wrong(&["ORD-5"], what, Some(difference));
        }
        let attempt = entry.attempt.map(|attempt| &self.judged.attempts[attempt]);
        if let Some(number) = attempt.and_then(|attempt| attempt.number).filter(|number| *number != item.attempt) {
            let difference = Difference { expected: number.to_string(), seen: item.attempt.to_string() };
            let what = format!("{who} is listed with attempt {}, and it is {number}", item.attempt);
            self.wrong(&["ORD-5", "TERM-3"], what, Some(difference));
        }
    }

    /// LST-7, TMO-3: what is read after a deadline reads kTimeout.
    fn overdue(&mut self, item: &ListItem) {
        let history = self.judged.history;
        let who = &item.invitation.invitee.user_id;
        if item.invitation.status != InvitationStatus::Pending {
            return;
        }
        let Some(user) = history.user(who) else { return };
        let Some(attempt) = self.room().numbers.get(&(user, item.attempt)) else { return };
        let Some((_, latest)) = self.judged.attempts[*attempt].deadline_times(history) else { return };
        let Some(span) = self.judged.ask.span() else { return };
        if history.at(span.earliest) >= latest {
            let what = format!("{who} is listed as pending, and its deadline was {latest} at the latest");
            self.wrong(&["LST-7", "TMO-3"], what, None);
        }
    }

    /// A traversal of one page shows everything that there is, to a member; and to an invitee outside itself alone (LST-9).
    fn whole(&mut self) {
        let history = self.judged.history;
        let Some(when) = self.judged.ask.span() else { return };
        let caller = history.user_of(self.judged.ask.device);
        let is_listed = |user: &UserId| self.page.invitation_list.iter().any(|i| i.invitation.invitee.user_id == *user);
        let outsiders_see_all = history.variants.outsiders_list == OutsidersList::Whole;
        match self.room().has_member(history, caller, when).map(|inside| inside || outsiders_see_all) {
            Some(true) => {
                let listed: indexmap::IndexSet<&UserId, rustc_hash::FxBuildHasher> =
                    self.page.invitation_list.iter().map(|item| &item.invitation.invitee.user_id).collect();
                let absent: Vec<String> = self
                    .room()
                    .entries
                    .keys()
                    .filter(|user| self.room().status(**user).is_some_and(|status| status != InvitationStatus::None))
                    .map(|user| history.user_id(*user))
                    .filter(|user| !listed.contains(user))
                    .map(ToString::to_string)
                    .collect();
                if !absent.is_empty() {
                    self.wrong(
                        &["LST-2", "LST-6"],
                        format!("{} should be listed, and is not", absent.join(", ")),
                        None,
                    );
                }
            }
            Some(false) => {
                let own = history.user_id(caller);
                let others = self.page.invitation_list.len() - usize::from(is_listed(own));
                if others > 0 {
                    self.wrong(&["LST-9"], format!("{own} is not in the room and is shown {others} others"), None);
                }
            }
            None => {}
        }
    }

    fn wrong(&mut self, requirements: &[&str], what: String, difference: Option<Difference>) {
        let Judged { history, room, ask, .. } = self.judged;
        self.findings.add(|| {
            let who = &history.plan().device(ask.device).name;
            let message = format!("the list of {} that {who} reads is wrong: {what}", room.place(room.revision));
            Finding { difference, ..found(requirements, ask, message) }
        });
    }
}

/// A device and a room, in words.
fn reader(history: &History<'_>, device: DeviceIndex, room: &RoomId) -> String {
    format!("{} folds the list of {room}", history.plan().device(device).name)
}
