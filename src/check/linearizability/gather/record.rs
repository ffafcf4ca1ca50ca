//! What every device asked, was answered and heard, in one form for libraries and raw devices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::{Meant, Point, Sight, Sighting};
use crate::plan::{Attack, DeviceIndex, DeviceKind};
use crate::protocol::call::{Call, CallNo, Reply};
use crate::protocol::event::Event;
use crate::protocol::message::{ClientMessage, Content, ServerMessage};
use crate::protocol::vocabulary::{
    ApiError, DeviceId, ErrorCode, KickedOutOfRoomReason, OperationName, Platform, RequestId, RoomId, UserId,
};
use crate::time::{Duration, Instant};
use crate::trace::{DeviceChange, Occurrence, Trace};

/// Who speaks through a device. A raw device may log in as anybody.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Speaker<'t> {
    pub(super) name: Arc<str>,
    pub(super) user: &'t UserId,
    pub(super) device: &'t DeviceId,
    platform: Platform,
    busy: bool,
}

/// What a call came to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending<'t> {
    Returned(Point, &'t Reply),
    /// Without effect (ERR-3).
    Failed(Point, ErrorCode),
    /// It may have happened, at any time after the call (IDM-5).
    Unknown,
}

#[derive(Debug)]
pub(super) struct ApiCall<'t> {
    /// Index of [`Record::speakers`].
    pub(super) speaker: usize,
    pub(super) called: Point,
    pub(super) content: &'t Call,
    pub(super) ending: Ending<'t>,
    /// For accept and reject.
    pub(super) meant: Meant,
}

#[derive(Debug)]
pub(super) struct HeardEvent<'t> {
    pub(super) speaker: usize,
    pub(super) device: DeviceIndex,
    pub(super) at: Point,
    pub(super) event: &'t Event,
}

/// A time in which the session of a device may have ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionEnd {
    pub(super) speaker: usize,
    pub(super) from: Point,
    pub(super) by: Option<Point>,
}

#[derive(Debug, Default)]
pub(super) struct Record<'t> {
    pub(super) speakers: Vec<Speaker<'t>>,
    /// In the order of the calls, without logins.
    pub(super) calls: Vec<ApiCall<'t>>,
    pub(super) heard: Vec<HeardEvent<'t>>,
    /// By user: logins, logouts and everything that an answer of the server's came back to.
    signs_of_life: BTreeMap<&'t UserId, Vec<SignOfLife>>,
    /// When devices were put out, by speaker.
    put_out: BTreeMap<usize, Vec<Point>>,
    /// When users were heard to have left a room, the nth time by whoever was first to hear it n times.
    left: BTreeMap<(&'t RoomId, &'t UserId), Counted>,
    dissolved: BTreeMap<&'t RoomId, Counted>,
    /// When devices that reject by themselves heard a ring (REJ-5).
    busy: BTreeMap<(&'t RoomId, &'t UserId), Vec<(usize, Point)>>,
    /// From when on the connections of a device may have been in trouble, by speaker.
    troubled: BTreeMap<usize, Instant>,
    resume_window: Duration,
    end: Instant,
}

/// How often something was heard: by device, and the first that heard it for the nth time.
#[derive(Debug, Default)]
struct Counted {
    counts: BTreeMap<DeviceIndex, u32>,
    firsts: Vec<(usize, Point)>,
}

impl Counted {
    fn count(&mut self, device: DeviceIndex, speaker: usize, at: Point) {
        let count = self.counts.entry(device).or_default();
        *count += 1;
        if *count as usize > self.firsts.len() {
            self.firsts.push((speaker, at));
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct SignOfLife {
    speaker: usize,
    kind: Sign,
    called: Point,
    returned: Option<Point>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sign {
    Login,
    Logout,
    /// The server heard from the device at some time between call and return.
    Contact,
}

/// Of one device's calls.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'t> {
    Library(DeviceIndex, CallNo),
    Raw(DeviceIndex, &'t RequestId),
}

impl<'t> Record<'t> {
    pub(super) fn of(trace: &'t Trace) -> Self {
        let record = Self {
            resume_window: trace.plan.service.bounds.resume_window,
            end: trace.moments.last().map_or(Instant::START, |last| last.at),
            ..Self::default()
        };
        let mut reader = Reader { record, current: BTreeMap::new(), open: BTreeMap::new(), told: BTreeMap::new() };
        let network = &trace.plan.network;
        let links = std::iter::once(&network.link).chain(network.links.iter().map(|(_, link)| link));
        let breaks = links.into_iter().any(|link| link.breakage > 0.0 || link.attack != Attack::default());
        for device in trace.plan.device_indices() {
            let planned = trace.plan.device(device);
            // A server may close the connection of a raw device for what it says, and it does not come back by itself.
            if breaks || planned.kind == DeviceKind::Raw {
                reader.record.troubled.insert(reader.record.speakers.len(), Instant::START);
            }
            reader.current.insert(device, reader.record.speakers.len());
            reader.record.speakers.push(Speaker {
                name: planned.name.clone(),
                user: &planned.identity.user_id,
                device: &planned.identity.device_id,
                platform: planned.identity.platform,
                busy: planned.auto_busy,
            });
        }
        for (index, moment) in trace.moments.iter().enumerate() {
            reader.read(trace, Point { at: moment.at, place: index + 1 }, &moment.what);
        }
        let mut record = reader.record;
        for signs in record.signs_of_life.values_mut() {
            signs.sort_by_key(|sign| sign.called);
        }
        record
    }

    /// When sessions of the user may have ended without its asking to leave (TERM-1, TERM-2), as far as that matters to
    /// a room.
    pub(super) fn session_ends(&self, user: &UserId, room: &RoomId) -> Vec<SessionEnd> {
        let signs = self.signs_of_life.get(user).map_or(&[][..], Vec::as_slice);
        let speakers: BTreeSet<usize> = signs.iter().map(|sign| sign.speaker).collect();
        let start = Point { at: Instant::START, place: 0 };
        let mut ends = Vec::new();
        for number in speakers {
            let speaker = &self.speakers[number];
            let mut add = |from, by| ends.push(SessionEnd { speaker: number, from, by });
            let mut last_contact: Option<Point> = None;
            for sign in signs {
                let other = &self.speakers[sign.speaker];
                match sign.kind {
                    // DEV-9, and a login of the same device that is not a resume.
                    Sign::Login if other.device == speaker.device || other.platform == speaker.platform => {
                        add(sign.called, sign.returned);
                    }
                    // Without a connection the library is out at once, and the session ends by itself, later.
                    Sign::Logout if sign.speaker == number => add(sign.called, None),
                    Sign::Contact if sign.speaker == number => {
                        let from = self.window_over(number, last_contact);
                        if let Some(from) = from.filter(|from| sign.returned.is_some_and(|by| *from <= by)) {
                            add(from, sign.returned);
                        }
                        last_contact = Some(sign.called);
                    }
                    _ => {}
                }
            }
            if let Some(from) = self.window_over(number, last_contact).filter(|from| from.at <= self.end) {
                add(from, None);
            }
            // A server may end a session for reasons that no API shows. Then somebody hears of it.
            for at in self.put_out.get(&number).into_iter().flatten() {
                add(start, Some(*at));
            }
            for (_, at) in self.left.get(&(room, user)).iter().flat_map(|left| &left.firsts) {
                add(start, Some(*at));
            }
        }
        ends
    }

    /// From when on the session of a device may be over because the server has heard nothing of it for the resume window.
    /// That takes a connection in trouble: while nothing is done to it, a connection lives, however little is said.
    fn window_over(&self, speaker: usize, last_contact: Option<Point>) -> Option<Point> {
        let troubled = *self.troubled.get(&speaker)?;
        let at = (last_contact?.at + self.resume_window).max(troubled);
        Some(Point { at, place: 0 })
    }

    /// When devices of the user may have begun to reject by themselves (REJ-5).
    pub(super) fn busy_answers(&self, user: &UserId, room: &RoomId) -> Vec<(usize, Point)> {
        self.busy.get(&(room, user)).cloned().unwrap_or_default()
    }

    /// When it was heard that the room is gone.
    pub(super) fn dissolutions_of(&self, room: &RoomId) -> Vec<Sighting> {
        let firsts = self.dissolved.get(room).map_or(&[][..], |dissolved| &dissolved.firsts);
        let sighting = |(count, (speaker, at)): (u32, &(usize, Point))| Sighting {
            who: self.speakers[*speaker].name.clone(),
            sight: Sight::Dissolved,
            count,
            at: *at,
        };
        (1..).zip(firsts).map(sighting).collect()
    }
}

/// Whether an answer can't be the library's own.
fn came_from_the_server(result: Result<&Reply, &ApiError>) -> bool {
    const LIBRARY: &[ErrorCode] = &[
        ErrorCode::FAILED,
        ErrorCode::REPEAT_OPERATION,
        ErrorCode::INVALID_PARAMETER,
        ErrorCode::SDK_NOT_INITIALIZED,
        ErrorCode::ROOM_ID_INVALID,
    ];
    result.map_or_else(|error| !LIBRARY.contains(&error.code), |_| true)
}

struct Reader<'t> {
    record: Record<'t>,
    /// Who speaks through a device now.
    current: BTreeMap<DeviceIndex, usize>,
    /// What was asked, until it is answered. `None` for an id that a raw device has used more than once.
    open: BTreeMap<Key<'t>, Option<usize>>,
    /// How many Receives of a room a device has heard; there is an entry if it was told of its user's invitations at all.
    told: BTreeMap<(DeviceIndex, &'t RoomId), u32>,
}

impl<'t> Reader<'t> {
    fn read(&mut self, trace: &'t Trace, at: Point, what: &'t Occurrence) {
        match what {
            Occurrence::Called { device, call, content, .. } => {
                let meant = match (content.room_id(), content.operation()) {
                    (Some(room), OperationName::Accept | OperationName::Reject) => self.meant(*device, room),
                    _ => Meant::Newest,
                };
                self.called(Key::Library(*device, *call), *device, at, content, meant);
            }
            Occurrence::Returned { device, call, result } => {
                self.answered(&Key::Library(*device, *call), *device, at, result.as_ref());
            }
            Occurrence::DeviceChanged {
                device,
                change:
                    DeviceChange::Offline
                    | DeviceChange::Disconnected
                    | DeviceChange::Killed
                    | DeviceChange::Partitioned
                    | DeviceChange::Held,
            } => self.trouble(*device, at),
            Occurrence::ServerCrashed => trace.plan.device_indices().for_each(|device| self.trouble(device, at)),
            Occurrence::Heard { device, event } => self.heard(*device, at, &event.event),
            // A raw device has no API: its messages are its calls.
            Occurrence::DeviceSent { device, message, .. } if is_raw(trace, *device) => match message {
                ClientMessage::Login(login) => {
                    let speaker = Speaker {
                        name: trace.plan.device(*device).name.clone(),
                        user: &login.identity.user_id,
                        device: &login.identity.device_id,
                        platform: login.identity.platform,
                        busy: false,
                    };
                    self.speak(*device, speaker);
                    self.sign(*device, Sign::Login, at, None);
                }
                ClientMessage::Request(request) => match &request.content {
                    Content::Call(content) => {
                        let meant = match &**content {
                            Call::Accept { attempt: Some(_), .. } | Call::Reject { attempt: Some(_), .. } => Meant::Any,
                            _ => Meant::Newest,
                        };
                        self.called(Key::Raw(*device, &request.id), *device, at, content, meant);
                    }
                    // It has no effect, but its answer must not be taken for that of another request.
                    Content::Malformed(_) => self.spoil(Key::Raw(*device, &request.id)),
                },
                ClientMessage::Acknowledge { .. } => {}
            },
            // It may get one event several times, so counting says nothing.
            Occurrence::DeviceReceived { device, message: ServerMessage::Response(response), .. }
                if is_raw(trace, *device) =>
            {
                self.answered(&Key::Raw(*device, &response.id), *device, at, response.result.as_ref());
            }
            _ => {}
        }
    }

    fn trouble(&mut self, device: DeviceIndex, at: Point) {
        self.record.troubled.entry(self.current[&device]).or_insert(at.at);
    }

    fn speak(&mut self, device: DeviceIndex, speaker: Speaker<'t>) {
        let known = self.record.speakers.iter().position(|known| *known == speaker);
        let number = known.unwrap_or_else(|| {
            self.record.speakers.push(speaker);
            let number = self.record.speakers.len() - 1;
            self.record.troubled.insert(number, Instant::START);
            number
        });
        self.current.insert(device, number);
    }

    fn sign(&mut self, device: DeviceIndex, kind: Sign, called: Point, returned: Option<Point>) {
        let speaker = self.current[&device];
        let user = self.record.speakers[speaker].user;
        self.record.signs_of_life.entry(user).or_default().push(SignOfLife { speaker, kind, called, returned });
    }

    fn called(&mut self, key: Key<'t>, device: DeviceIndex, called: Point, content: &'t Call, meant: Meant) {
        match content.operation() {
            // Until it is answered, if it ever is, the older session may end at any time.
            OperationName::Login => self.sign(device, Sign::Login, called, None),
            OperationName::Logout => self.sign(device, Sign::Logout, called, None),
            _ => {}
        }
        let number = self.record.calls.len();
        let speaker = self.current[&device];
        self.record.calls.push(ApiCall { speaker, called, content, ending: Ending::Unknown, meant });
        match self.open.get(&key) {
            Some(_) => self.spoil(key),
            None => {
                self.open.insert(key, Some(number));
            }
        }
    }

    /// IDM-1: which of the requests with one id an answer belongs to, and which of them was carried out, is open.
    fn spoil(&mut self, key: Key<'t>) {
        if let Some(Some(first)) = self.open.insert(key, None) {
            self.record.calls[first].ending = Ending::Unknown;
        }
    }

    fn answered(&mut self, key: &Key<'t>, device: DeviceIndex, at: Point, result: Result<&'t Reply, &'t ApiError>) {
        let Some(Some(number)) = self.open.get(key) else { return };
        let call = &mut self.record.calls[*number];
        if !matches!(call.ending, Ending::Unknown) {
            return;
        }
        call.ending = match result {
            Ok(reply) => Ending::Returned(at, reply),
            Err(error) if error.code == ErrorCode::FAILED => Ending::Unknown,
            Err(error) => Ending::Failed(at, error.code),
        };
        let (called, content, speaker) = (call.called, call.content, call.speaker);
        let user = self.record.speakers[speaker].user;
        if let (Ok(Reply::List(page)), Some(room)) = (result, content.room_id())
            && page.invitation_list.iter().any(|item| item.invitation.invitee.user_id == *user)
        {
            self.told.entry((device, room)).or_default();
        }
        let signs = self.record.signs_of_life.entry(user).or_default();
        match content.operation() {
            OperationName::Login if result.is_ok() => {
                let login = signs.iter_mut().find(|sign| sign.speaker == speaker && sign.called == called);
                login.expect("every login that is answered was called").returned = Some(at);
            }
            OperationName::Login | OperationName::Logout => {}
            _ if came_from_the_server(result) => {
                signs.push(SignOfLife { speaker, kind: Sign::Contact, called, returned: Some(at) });
            }
            _ => {}
        }
    }

    fn heard(&mut self, device: DeviceIndex, at: Point, event: &'t Event) {
        let speaker = self.current[&device];
        let Speaker { user, busy, .. } = self.record.speakers[speaker];
        let record = &mut self.record;
        record.heard.push(HeardEvent { speaker, device, at, event });
        match event {
            Event::RemoteUserLeaveRoom { room_id, user_info } => {
                record.left.entry((room_id, &user_info.user_id)).or_default().count(device, speaker, at);
            }
            Event::RoomDismissed { room_id, .. } => {
                record.dissolved.entry(room_id).or_default().count(device, speaker, at);
            }
            Event::KickedOffLine { .. } => record.put_out.entry(speaker).or_default().push(at),
            Event::KickedOutOfRoom { reason, .. } if *reason != KickedOutOfRoomReason::KickedByAdmin => {
                record.put_out.entry(speaker).or_default().push(at);
            }
            Event::ReceiveInvitation { room_info, .. } if busy => {
                record.busy.entry((&room_info.room_id, user)).or_default().push((speaker, at));
            }
            _ => {}
        }
        let about = event.invitation().map(|invitation| &invitation.invitee.user_id);
        if let (Some(room), true) = (event.room_id(), about == Some(user)) {
            let told = self.told.entry((device, room)).or_default();
            *told += u32::from(matches!(event, Event::ReceiveInvitation { .. }));
        }
    }

    /// ACC-1: the library names the newest attempt that it was told of, if it was told of any.
    fn meant(&self, device: DeviceIndex, room: &'t RoomId) -> Meant {
        self.told.get(&(device, room)).map_or(Meant::Newest, |receives| Meant::Told(*receives))
    }
}

fn is_raw(trace: &Trace, device: DeviceIndex) -> bool {
    trace.plan.device(device).kind == DeviceKind::Raw
}
