//! Push hints: whoever is called and has no device online is to be woken, nobody else, and not for a call that is over
//! (REC-6). Judged where the server hands them over.
//!
//! A hint names no attempt. Those for one user and room are taken in their order, each for the first call that may want it.
//! Where nobody sees what the server hands to the push service, nothing is missed.

use std::collections::VecDeque;

use super::follow::{Change, Followed, Scene};
use super::history::{Ask, History, Map, Span, Sure, UserNo};
use super::{AlwaysCheck, Boundary, Check, Finding, Findings};
use crate::protocol::call::Call;
use crate::protocol::event::{PushHint, RoomInfo};
use crate::protocol::vocabulary::{RoomId, UserId};

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "push hints",
    requirements: &["REC-6"],
    boundary: Boundary::ServerWire,
    promise: "a call is hinted to the push service once if its invitee has no device online, and otherwise never",
    begin: || Box::new(PushHints::default()),
};

#[derive(Default)]
struct PushHints {
    findings: Findings,
    /// The calls of each user to each room, in the order of their commits.
    calls: Map<(UserNo, RoomId), VecDeque<Called>>,
}

/// A ring that began.
struct Called {
    attempt: usize,
    when: Span,
    /// Whether the invitee had a device online.
    online: Sure,
    /// The room as the events of the commit show it, if anybody heard of it and a hint may come.
    shown: Option<Shown>,
}

/// What of a room a hint shows too.
#[derive(PartialEq, Eq, Debug)]
struct Shown {
    room_name: String,
    owner_name: String,
    member_count: u32,
}

impl Check for PushHints {
    fn commit(&mut self, scene: &Scene<'_, '_>) {
        let Some(room) = scene.before.id.filter(|_| !scene.inferred) else { return };
        let infos = scene.deliveries.iter().filter_map(|one| scene.history.deliveries[*one].event.event.room_info());
        let info = infos.map(|info| &**info).next();
        for change in scene.changes {
            let Change::Began { attempt } = *change else { continue };
            let invitee = scene.attempts[attempt].invitee;
            let online = scene.history.sessions_of(invitee).iter().map(|one| {
                let online = scene.history.online(*one, scene.when);
                // Whom the server has cut off may have no session any more.
                let unsure = online == Sure::Yes && scene.history.may_be_over(*one, scene.when);
                if unsure { Sure::Maybe } else { online }
            });
            let online = online.fold(Sure::No, |least, one| match (least, one) {
                (Sure::Yes, _) | (_, Sure::Yes) => Sure::Yes,
                (Sure::No, Sure::No) => Sure::No,
                _ => Sure::Maybe,
            });
            let unseen = online == Sure::No && scene.history.may_have_unseen_session(invitee, scene.when);
            let online = if unseen { Sure::Maybe } else { online };
            let shown = info.filter(|_| online != Sure::Yes).map(Shown::of);
            let calls = self.calls.entry((invitee, room.clone())).or_default();
            calls.push_back(Called { attempt, when: scene.when, online, shown });
        }
    }

    fn finish(&mut self, history: &History<'_>, followed: &Followed<'_>) -> Findings {
        let is_seen = history.trace.vantage.is_server();
        for (index, hint) in &history.push_hints {
            self.hinted(history, followed, *index, hint);
        }
        for ((user, room), called) in std::mem::take(&mut self.calls).into_iter().filter(|_| is_seen) {
            for called in called.into_iter().filter(|called| called.online == Sure::No) {
                self.missing(history, history.user_id(user), &room, &called);
            }
        }
        std::mem::take(&mut self.findings)
    }
}

impl PushHints {
    fn hinted(&mut self, history: &History<'_>, followed: &Followed<'_>, index: usize, hint: &PushHint) {
        let key = history.user(&hint.user_id).map(|user| (user, hint.room_id.clone()));
        let mut nobody = VecDeque::new();
        let calls = key.and_then(|key| self.calls.get_mut(&key)).unwrap_or(&mut nobody);
        let before = calls.iter().take_while(|called| called.when.earliest <= index).count();
        let is_over =
            |called: &Called| followed.attempts[called.attempt].ends.first().is_some_and(|end| end.when.latest < index);
        let wants_it = |called: &Called| called.online != Sure::Yes;
        let fits = calls.iter().take(before).position(|called| wants_it(called) && !is_over(called));
        let Some(called) = fits.or_else(|| calls.iter().take(before).position(wants_it)) else {
            // A call that was never answered may have been carried out, and have been heard of by nobody else.
            let may_be_called = |ask: &Ask<'_>| {
                let named = |call: &Call| matches!(call, Call::InviteUsers { user_id_list, .. } if user_id_list.contains(&hint.user_id));
                ask.call().is_some_and(named) && ask.came_in().is_some_and(|came_in| came_in <= index)
            };
            if history.unanswered_asks(&hint.room_id).any(may_be_called) {
                return;
            }
            let what = if before == 0 { "to which nobody has called it" } else { "and it has a device online" };
            self.wrong(history, index, hint, what);
            return;
        };
        let called = calls.remove(called).expect("it was found there");
        if is_over(&called) {
            self.wrong(history, index, hint, "and that call is over");
        }
        let shown = Shown {
            room_name: hint.room_name.to_string(),
            owner_name: hint.owner_name.to_string(),
            member_count: hint.member_count,
        };
        if let Some(expected) = called.shown.filter(|expected| *expected != shown) {
            let what = format!("with {shown:?}, and the events of the call show {expected:?}");
            self.wrong(history, index, hint, &what);
        }
    }

    fn wrong(&mut self, history: &History<'_>, index: usize, hint: &PushHint, what: &str) {
        self.findings.add(|| {
            let (user, room, at) = (&hint.user_id, &hint.room_id, history.at(index));
            let message = format!("the server asks at {at} to wake {user} for a call to {room}, {what}");
            Finding::of(&CHECK, &["REC-6"], message).seen_at(index)
        });
    }

    /// A crash may have come between a commit and its hint, and a run may end between them.
    fn missing(&mut self, history: &History<'_>, user: &UserId, room: &RoomId, called: &Called) {
        if !history.is_settled(called.when) || history.crashed_soon_after(called.when) {
            return;
        }
        self.findings.add(|| {
            let at = history.at(called.when.latest);
            let message = format!(
                "{user} is called to {room}, committed at {at} at the latest, has no device online, and the server gives \
                 the push service no hint of it"
            );
            Finding::of(&CHECK, &["REC-6"], message).seen_at(called.when.latest)
        });
    }
}

impl Shown {
    fn of(info: &RoomInfo) -> Self {
        Self {
            room_name: info.room_name.to_string(),
            owner_name: info.owner_name.to_string(),
            member_count: info.room_member_count,
        }
    }
}
