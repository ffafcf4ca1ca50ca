//! An application is never shown of a list what it knows to be older: list events and pages of one room, per invitee, in
//! the order of their revisions. Judged at the device's API.
//!
//! A device follows a list while it is in the room; before and after, nothing that it was shown binds it.

use super::follow::Followed;
use super::history::{History, Map};
use super::{AlwaysCheck, Boundary, Check, Finding, Findings};
use crate::plan::DeviceIndex;
use crate::protocol::call::{Call, CallNo, Reply};
use crate::protocol::event::Event;
use crate::protocol::message::{RoomPoint, ServerMessage};
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
    heard: Revision,
    /// Where the page stands that the library was given last.
    page: Option<RoomPoint>,
}

impl Check for News {
    fn finish(&mut self, history: &History<'_>, _: &Followed<'_>) -> Findings {
        let mut findings = Findings::default();
        // Most of a million devices are shown nothing.
        let mut shown: Vec<Option<Box<Shown<'_>>>> = history.plan().devices.iter().map(|_| None).collect();
        let mut calls: Map<(DeviceIndex, CallNo), &Call> = Map::default();
        for (index, moment) in history.at_devices() {
            let (device, stale) = match &moment.what {
                Occurrence::Called { device, call, content, .. } => {
                    if matters(content) {
                        calls.insert((*device, *call), content);
                    }
                    continue;
                }
                Occurrence::DeviceChanged { device, change: DeviceChange::Killed } => {
                    shown[device.index()] = None;
                    continue;
                }
                Occurrence::DeviceReceived { device, message: ServerMessage::Response(response), .. } => {
                    let lists = matches!(response.result, Ok(Reply::List(_)));
                    shown[device.index()].get_or_insert_default().page = response.at.filter(|_| lists);
                    continue;
                }
                Occurrence::Returned { device, call, result: Ok(reply) } => {
                    let Some(call) = calls.swap_remove(&(*device, *call)) else { continue };
                    let shown = &mut shown[device.index()];
                    if ends(call) {
                        *shown = None;
                        continue;
                    }
                    (*device, shown.get_or_insert_default().returned(call, reply))
                }
                Occurrence::Heard { device, event } => {
                    let shown = &mut shown[device.index()];
                    let stale = match &event.event {
                        Event::KickedOutOfRoom { .. } | Event::RoomDismissed { .. } | Event::KickedOffLine { .. } => {
                            *shown = None;
                            None
                        }
                        _ => event.stamp.as_ref().filter(|_| event.event.name().is_list()).and_then(|stamp| {
                            let about = &stamp.about.as_ref()?.invitee;
                            let shown = shown.get_or_insert_default();
                            let stale = shown.see(event.event.room_id()?, Some(stamp.instance), about, stamp.revision);
                            shown.heard = shown.heard.max(stamp.revision);
                            stale
                        }),
                    };
                    (*device, stale)
                }
                _ => continue,
            };
            let Some((what, revision, newest)) = stale else { continue };
            findings.add(|| {
                let message = format!(
                    "the application of {} is shown {} at {} as of revision {revision}, and has seen revision {newest}",
                    history.plan().device(device).name,
                    what.map_or("the list", UserId::as_str),
                    moment.at
                );
                Finding::of(&CHECK, &["ORD-5", "REC-3"], message).seen_at(index).on(device)
            });
        }
        findings
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
    fn returned(&mut self, call: &'t Call, reply: &'t Reply) -> Stale<'t> {
        match (call, reply) {
            (Call::EnterRoom { room_id, .. }, _) => {
                *self = Self { room: Some(room_id), ..Self::default() };
                None
            }
            (Call::GetInvitationList { room_id, .. }, Reply::List(page)) => {
                let point = self.page.take().filter(|point| Some(point.instance) == self.instance);
                let behind = point.filter(|point| self.room == Some(room_id) && point.revision < self.heard);
                let behind = behind.map(|point| (None, point.revision, self.heard));
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
                self.heard = Revision::default();
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
