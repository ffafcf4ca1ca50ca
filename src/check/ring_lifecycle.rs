//! The life of a ring on one device: onReceiveInvitation first, for sessions that were online when the attempt began; then
//! at most one closing event; then nothing. Judged for each session at the server's wire, and at the device's API.
//!
//! That a closing event comes at all is judged in `recipients` and `handled`.

use super::follow::{Attempt, Followed};
use super::history::{History, SessionNo, Story, Sure};
use super::{AlwaysCheck, Boundary, Check, Finding, Findings};
use crate::protocol::call::{Call, CallNo, Reply};
use crate::protocol::small_map::SmallMap;
use crate::protocol::vocabulary::{AttemptNo, EventName, InstanceId, RoomId};
use crate::trace::Occurrence;

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "ring lifecycle",
    requirements: &["DEV-1", "DEV-7", "DEV-8", "ORD-2", "REC-2", "IDM-4"],
    boundary: Boundary::Both,
    promise: "a device is rung first, then told at most once that the ring is over, and then nothing more",
    begin: || Box::new(RingLifecycle::default()),
};

#[derive(Default)]
struct RingLifecycle {
    findings: Findings,
}

/// What a device has heard of one ring.
#[derive(Clone, Copy, Default)]
struct Ring {
    received: bool,
    closed: Option<EventName>,
}

impl Ring {
    /// What is wrong with hearing this now, if something is.
    fn hear(&mut self, name: EventName) -> Option<(&'static [&'static str], String)> {
        let wrong: Option<(&'static [&'static str], String)> = match (name, self.closed) {
            (EventName::ReceiveInvitation, Some(closed)) => Some((&["ORD-2"], format!("after {closed}"))),
            (EventName::ReceiveInvitation, None) if self.received => Some((&["IDM-4"], "a second time".to_owned())),
            (_, Some(closed)) if name == closed => Some((&["IDM-4"], "a second time".to_owned())),
            (_, Some(closed)) if name.closes_ring() => Some((&["DEV-2", "ORD-2"], format!("after {closed}"))),
            _ => None,
        };
        if name == EventName::ReceiveInvitation {
            self.received = true;
        } else if name.closes_ring() {
            self.closed.get_or_insert(name);
        }
        wrong
    }
}

impl Check for RingLifecycle {
    fn session(&mut self, history: &History<'_>, followed: &Followed<'_>, session: SessionNo) {
        let user = history.session(session).user;
        let mut rings: SmallMap<(InstanceId, AttemptNo), Ring> = SmallMap::default();
        for delivery in history.heard_by(session) {
            let name = delivery.name;
            // The same events go to the inviter: only those about this session's own user are about its ring.
            if delivery.invitee != Some(user) || !is_of_a_ring(name) {
                continue;
            }
            let (Some(point), Some(number)) = (delivery.point, delivery.attempt) else { continue };
            let ring = rings.get_or_insert_default((point.instance, number));
            let rung = ring.received;
            let known = || followed.room(point.instance)?.numbers.get(&(user, number));
            let wrong = ring.hear(name).or_else(|| {
                let attempt = &followed.attempts[*known()?];
                untimely(history, session, attempt, name, rung)
            });
            if let Some((requirements, what)) = wrong {
                self.findings.add(|| {
                    let message = format!(
                        "{} is sent {name} of attempt {number} at {} {what}",
                        history.name(session),
                        history.at(delivery.moment)
                    );
                    let device = history.device_of(session);
                    Finding::of(&CHECK, requirements, message).seen_at(delivery.moment).on(device)
                });
            }
        }
    }

    fn device(&mut self, history: &History<'_>, story: &Story<'_, '_>, findings: &mut Findings) {
        at_the_api(history, story, findings);
    }

    fn finish(&mut self, _: &History<'_>, _: &Followed<'_>) -> Findings {
        std::mem::take(&mut self.findings)
    }
}

/// Whether an event begins or ends a ring on a device that rings.
fn is_of_a_ring(name: EventName) -> bool {
    name == EventName::ReceiveInvitation || name.closes_ring()
}

/// What is wrong with sending this to the session, from when it began and was connected.
fn untimely(
    history: &History<'_>,
    session: SessionNo,
    attempt: &Attempt<'_>,
    name: EventName,
    rung: bool,
) -> Option<(&'static [&'static str], String)> {
    let began = attempt.began?;
    let online = history.online(session, began);
    if name == EventName::ReceiveInvitation {
        if online == Sure::No {
            return Some((&["DEV-7", "REC-1"], "although its session began after the attempt".to_owned()));
        }
        let end = attempt.ends.first()?;
        if end.when.is_before(began) || history.may_be_connected_within(session, began.earliest, end.when.latest) {
            return None;
        }
        let what = "although the attempt began and ended while it was suspended";
        return Some((&["REC-2"], what.to_owned()));
    }
    if rung || online != Sure::Yes {
        return None;
    }
    Some((&["DEV-1", "ORD-2", "REC-2"], "and was never sent onReceiveInvitation before".to_owned()))
}

/// DEV-8: an application hears the end of a ring only if it heard the ring, or was shown it in a list.
fn at_the_api(history: &History<'_>, story: &Story<'_, '_>, findings: &mut Findings) {
    let device = story.device;
    let own = &history.trace.identity(device).user_id;
    let mut rings: SmallMap<(InstanceId, AttemptNo), Ring> = SmallMap::default();
    // Lists don't tell the instance; a device is shown its own attempt of a room.
    let mut shown: Vec<(&RoomId, AttemptNo)> = Vec::new();
    let mut calls: SmallMap<CallNo, &RoomId> = SmallMap::default();
    for (index, moment) in story.moments() {
        match &moment.what {
            Occurrence::Called { call, content, .. } => {
                if let Call::GetInvitationList { room_id, .. } = &**content {
                    calls.insert(*call, room_id);
                }
            }
            Occurrence::Returned { call, result: Ok(Reply::List(page)), .. } => {
                let Some(room) = calls.remove(call) else { continue };
                for item in page.invitation_list.iter().filter(|item| item.invitation.invitee.user_id == *own) {
                    if !shown.contains(&(room, item.attempt)) {
                        shown.push((room, item.attempt));
                    }
                }
            }
            Occurrence::Heard { event, .. } => {
                let name = event.event.name();
                if !is_of_a_ring(name) {
                    continue;
                }
                let Some((instance, about)) =
                    event.stamp.as_ref().and_then(|stamp| Some((stamp.instance, stamp.about.as_ref()?)))
                else {
                    continue;
                };
                if about.invitee != *own {
                    continue;
                }
                let ring = rings.get_or_insert_default((instance, about.attempt));
                let rung =
                    ring.received || event.event.room_id().is_some_and(|room| shown.contains(&(room, about.attempt)));
                let wrong = ring.hear(name).or_else(|| {
                    (name != EventName::ReceiveInvitation && !rung)
                        .then(|| (&["DEV-8"] as &'static [_], "of a ring that it never knew of".to_owned()))
                });
                if let Some((requirements, what)) = wrong {
                    findings.add(|| {
                        let message = format!(
                            "the application of {} hears {name} of attempt {} at {} {what}",
                            history.plan().device(device).name,
                            about.attempt,
                            moment.at
                        );
                        Finding::of(&CHECK, requirements, message).seen_at(index).on(device)
                    });
                }
            }
            _ => {}
        }
    }
}
