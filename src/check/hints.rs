//! Push hints: one for each call to a user who surely had no device online, none for anybody who surely had one, and what
//! they carry is what the events of the call say. Judged where the server hands them out.

use super::follow::{Change, Followed, Scene};
use super::history::{History, Sure, UserNo};
use super::{AlwaysCheck, Boundary, Check, Finding, Findings};
use crate::protocol::event::{PushHint, RoomInfo};
use crate::protocol::vocabulary::RoomId;
use crate::trace::Occurrence;

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "hints",
    requirements: &["REC-6"],
    boundary: Boundary::ServerWire,
    promise: "who is called without a device online is woken once by a push that says by whom, and nobody else is",
    begin: || Box::new(Hints::default()),
};

#[derive(Default)]
struct Hints {
    findings: Findings,
    began: Vec<Began>,
}

/// A call that began, and what its events say of the room.
struct Began {
    attempt: usize,
    user: UserNo,
    room: RoomId,
    /// The last moment at which it may have begun.
    latest: usize,
    online: Sure,
    info: Option<std::sync::Arc<RoomInfo>>,
    hints: u32,
}

impl Check for Hints {
    fn commit(&mut self, scene: &Scene<'_, '_>) {
        let Some(room) = scene.before.id.filter(|_| !scene.inferred) else { return };
        let deliveries = scene.deliveries.iter().map(|number| &scene.history.deliveries[*number]);
        let info = deliveries.filter_map(|delivery| delivery.event.event.room_info()).next();
        for change in scene.changes {
            let Change::Began { attempt } = change else { continue };
            let user = scene.attempts[*attempt].invitee;
            let online =
                scene.history.sessions_of(user).iter().map(|session| scene.history.online(*session, scene.when));
            let online = online.fold(Sure::No, |sum, one| match (sum, one) {
                (Sure::Yes, _) | (_, Sure::Yes) => Sure::Yes,
                (Sure::Maybe, _) | (_, Sure::Maybe) => Sure::Maybe,
                _ => Sure::No,
            });
            self.began.push(Began {
                attempt: *attempt,
                user,
                room: room.clone(),
                latest: scene.when.latest,
                online,
                info: info.cloned(),
                hints: 0,
            });
        }
    }

    fn finish(&mut self, history: &History<'_>, followed: &Followed<'_>) -> Findings {
        for (index, moment) in history.trace.moments.iter().enumerate() {
            if let Occurrence::PushHinted(hint) = &moment.what {
                self.hinted(history, index, hint);
            }
        }
        // Devices see no pushes. A crash between the commit and the push loses the push.
        if !history.trace.vantage.is_server() {
            return std::mem::take(&mut self.findings);
        }
        for began in self.began.iter().filter(|began| began.hints == 0 && began.online == Sure::No) {
            if history.outages.iter().any(|outage| outage.to.is_none_or(|up| up >= began.latest)) {
                continue;
            }
            self.findings.add(|| {
                let title = followed.attempts[began.attempt].title(history);
                let message = format!("nobody is woken for {title}, whose user has no device online");
                Finding::of(&CHECK, &["REC-6"], message).seen_at(began.latest)
            });
        }
        std::mem::take(&mut self.findings)
    }
}

impl Hints {
    fn hinted(&mut self, history: &History<'_>, index: usize, hint: &PushHint) {
        let at = history.at(index);
        let user = history.user(&hint.user_id);
        // The newest call that may have begun by then: its own events may be sent after the hint.
        let call = self.began.iter_mut().rev().find(|began| {
            Some(began.user) == user && began.room == hint.room_id && history.at(began.latest) <= at + history.slack()
        });
        let wrong = match call {
            None => Some("for a user whom nobody has called".to_owned()),
            Some(began) => {
                began.hints += 1;
                let shown = began.info.as_ref().filter(|info| {
                    info.room_name != hint.room_name
                        || info.owner_name != hint.owner_name
                        || info.room_member_count != hint.member_count
                });
                if began.hints > 1 {
                    Some("a second time for one call".to_owned())
                } else if began.online == Sure::Yes {
                    Some("for a user who has a device online".to_owned())
                } else {
                    shown.map(|info| {
                        format!(
                            "that says \"{}\" of {} with {} members, where the events of the call say \"{}\" of {} with {}",
                            hint.room_name,
                            hint.owner_name,
                            hint.member_count,
                            info.room_name,
                            info.owner_name,
                            info.room_member_count
                        )
                    })
                }
            }
        };
        if let Some(wrong) = wrong {
            self.findings.add(|| {
                let message = format!("a push for {} is asked for at {at} {wrong}", hint.user_id);
                Finding::of(&CHECK, &["REC-6"], message).seen_at(index)
            });
        }
    }
}
