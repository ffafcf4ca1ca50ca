//! An application is never shown of a list what it knows to be older: list events and pages of one room, per invitee, in
//! the order of their revisions. Judged at the device's API.
//!
//! A device follows a list while it is in the room; before and after, nothing that it was shown binds it.

use super::follow::Followed;
use super::history::{History, Map, Story};
use super::{AlwaysCheck, Boundary, Check, Finding, Findings};
use crate::protocol::call::{Call, CallNo, Reply};
use crate::protocol::event::{Event, StampedEvent};
use crate::protocol::message::{RoomPoint, ServerMessage};
use crate::protocol::small_map::SmallMap;
use crate::protocol::vocabulary::{InstanceId, Revision, RoomId, UserId};
use crate::trace::{DeviceChange, Occurrence};

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "news",
    requirements: &["ORD-5", "REC-3"],
    boundary: Boundary::DeviceApi,
    promise: "no application hears or reads of a list what is older than what it was shown before",
    begin: || Box::new(News),
};

struct News;

/// What a device has been shown of the list of the room that it is in.
#[derive(Default)]
struct Shown<'t> {
    room: Option<&'t RoomId>,
    instance: Option<InstanceId>,
    newest: Map<&'t UserId, Revision>,
    /// The newest commit of which a list event told.
    newest_heard: Revision,
    /// Where the page stands that the library was given last.
    page: Option<RoomPoint>,
}

impl Check for News {
    fn device(&mut self, history: &History<'_>, story: &Story<'_, '_>, findings: &mut Findings) {
        let mut shown = Shown::default();
        let mut calls: SmallMap<CallNo, &Call> = SmallMap::default();
        for (index, moment) in story.moments() {
            let stale = match &moment.what {
                Occurrence::Called { call, content, .. } => {
                    if matters(content) {
                        calls.insert(*call, content);
                    }
                    None
                }
                Occurrence::DeviceChanged { change: DeviceChange::Killed, .. } => {
                    shown = Shown::default();
                    None
                }
                Occurrence::DeviceReceived { message: ServerMessage::Response(response), .. } => {
                    let lists = matches!(response.result, Ok(Reply::List(_)));
                    shown.page = response.at.filter(|_| lists);
                    None
                }
                Occurrence::Returned { call, result: Ok(reply), .. } => match calls.remove(call) {
                    Some(call) if ends(call) => {
                        shown = Shown::default();
                        None
                    }
                    Some(call) => shown.returned(call, reply),
                    None => None,
                },
                Occurrence::Heard { event, .. } => shown.heard(event),
                _ => None,
            };
            let Some((what, revision, newest)) = stale else { continue };
            findings.add(|| {
                let message = format!(
                    "the application of {} is shown {} at {} as of revision {revision}, and has seen revision {newest}",
                    history.plan().device(story.device).name,
                    what.map_or("the list", UserId::as_str),
                    moment.at
                );
                Finding::of(&CHECK, &["ORD-5", "REC-3"], message).seen_at(index).on(story.device)
            });
        }
    }

    fn finish(&mut self, _: &History<'_>, _: &Followed<'_>) -> Findings {
        Findings::default()
    }
}

/// Whether what a call comes to says anything of what its device has been shown.
const fn matters(call: &Call) -> bool {
    ends(call) || matches!(call, Call::EnterRoom { .. } | Call::GetInvitationList { .. })
}

/// Whether a call ends the time in the room: after it, nothing that the device was shown binds it.
const fn ends(call: &Call) -> bool {
    matches!(call, Call::ExitRoom { .. } | Call::DestroyRoom { .. } | Call::Login { .. } | Call::Logout {})
}

/// What is shown in an old state, a user or the list: as of which revision, and which the device has seen.
type Stale<'t> = Option<(Option<&'t UserId>, Revision, Revision)>;

impl<'t> Shown<'t> {
    fn heard(&mut self, event: &'t StampedEvent) -> Stale<'t> {
        if let Event::KickedOutOfRoom { .. } | Event::RoomDismissed { .. } | Event::KickedOffLine { .. } = event.event {
            *self = Self::default();
            return None;
        }
        let stamp = event.stamp.as_ref().filter(|_| event.event.name().is_list())?;
        let about = &stamp.about.as_ref()?.invitee;
        let stale = self.see(event.event.room_id()?, Some(stamp.instance), about, stamp.revision);
        self.newest_heard = self.newest_heard.max(stamp.revision);
        stale
    }

    fn returned(&mut self, call: &'t Call, reply: &'t Reply) -> Stale<'t> {
        match (call, reply) {
            (Call::EnterRoom { room_id, .. }, _) => {
                *self = Self { room: Some(room_id), ..Self::default() };
                None
            }
            (Call::GetInvitationList { room_id, .. }, Reply::List(page)) => {
                let point = self.page.take().filter(|point| Some(point.instance) == self.instance);
                let behind = point.filter(|point| self.room == Some(room_id) && point.revision < self.newest_heard);
                let behind = behind.map(|point| (None, point.revision, self.newest_heard));
                let items = page.invitation_list.iter();
                items.fold(behind, |stale, item| {
                    let found = self.see(room_id, None, &item.invitation.invitee.user_id, item.revision);
                    stale.or(found)
                })
            }
            _ => None,
        }
    }

    fn see(
        &mut self,
        room: &'t RoomId,
        instance: Option<InstanceId>,
        user: &'t UserId,
        revision: Revision,
    ) -> Stale<'t> {
        if self.room != Some(room) {
            return None;
        }
        // A room that was made again begins to count again.
        if instance.is_some() && instance != self.instance {
            if self.instance.is_some() {
                self.newest.clear();
                self.newest_heard = Revision::default();
            }
            self.instance = instance;
        }
        let newest = self.newest.entry(user).or_insert(revision);
        if revision < *newest {
            return Some((Some(user), revision, *newest));
        }
        *newest = revision;
        None
    }
}
