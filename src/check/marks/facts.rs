//! What is known of rooms, calls and sessions at each moment of a trace, from the outside.
//!
//! It follows what the server said: answers of requests and, where an answer was lost, the events of the commit. It knows
//! what happened and not what should have happened: where a server errs, these facts err with it, and the checks say so.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{DeviceIndex, Plan};
use crate::protocol::call::{AttemptRef, Call};
use crate::protocol::message::ConnectionNo;
use crate::protocol::vocabulary::{AttemptNo, InstanceId, Role, RoomId, RoomType, UserId};
use crate::time::Instant;

/// What is known at a moment.
pub(super) struct Facts<'t> {
    plan: &'t Plan,
    devices_of: BTreeMap<&'t UserId, Vec<DeviceIndex>>,
    sessions: Vec<Session>,
    /// When suspended sessions would end.
    lapses: BTreeSet<(Instant, DeviceIndex)>,
    rooms: BTreeMap<RoomId, Room>,
}

/// What is known of a device's session.
#[derive(Clone, Copy, Default)]
pub(super) struct Session {
    /// The connection that it came over last; none before the first login.
    pub(super) connection: Option<ConnectionNo>,
    /// Whether it stands.
    pub(super) state: SessionState,
    /// When it was suspended the last time.
    pub(super) suspended: Option<Instant>,
    /// How many sessions the device has had.
    pub(super) count: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum SessionState {
    #[default]
    None,
    Connected,
    SuspendedSince(Instant),
}

/// What is known of a room.
pub(super) struct Room {
    /// The life that it is in; none as long as nothing told it.
    pub(super) instance: Option<InstanceId>,
    /// How often a room of this id was created.
    pub(super) lives: u32,
    /// Whether it exists.
    pub(super) exists: bool,
    pub(super) owner: UserId,
    pub(super) kind: RoomType,
    pub(super) has_password: bool,
    pub(super) members: BTreeMap<UserId, DeviceIndex>,
    pub(super) administrators: BTreeSet<UserId>,
    /// Who has had another role in this life of the room.
    pub(super) role_changed: BTreeSet<UserId>,
    pub(super) attendees: BTreeSet<UserId>,
    /// The attempts of each invitee in this life of the room, oldest first.
    pub(super) calls: BTreeMap<UserId, Vec<Attempt>>,
}

/// What is known of an attempt.
#[derive(Clone)]
pub(super) struct Attempt {
    pub(super) number: AttemptNo,
    pub(super) inviter: UserId,
    /// The device that called.
    pub(super) by: DeviceIndex,
    pub(super) since: Instant,
    pub(super) deadline: Option<Instant>,
    pub(super) end: End,
    /// When it ended.
    pub(super) ended: Option<Instant>,
    pub(super) answered_by: Option<DeviceIndex>,
    /// Whether the answer was an entry (ACC-4).
    pub(super) by_entering: bool,
    /// Whether the room's list still shows it.
    pub(super) listed: bool,
}

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// It rings.
    Live,
    Accepted,
    Rejected,
    Timeout,
    Cancelled,
    Revoked,
    Dissolved,
}

impl Attempt {
    pub(super) fn is_live(&self) -> bool {
        self.end == End::Live
    }

    pub(super) fn was_answered(&self) -> bool {
        matches!(self.end, End::Accepted | End::Rejected)
    }

    pub(super) fn finish(&mut self, end: End, now: Instant) {
        self.end = end;
        self.ended = Some(now);
        self.listed = matches!(end, End::Accepted | End::Rejected | End::Timeout);
    }
}

impl Room {
    fn new(owner: UserId) -> Self {
        Self {
            instance: None,
            lives: 0,
            exists: false,
            owner,
            kind: RoomType::Conference,
            has_password: false,
            members: BTreeMap::new(),
            administrators: BTreeSet::new(),
            role_changed: BTreeSet::new(),
            attendees: BTreeSet::new(),
            calls: BTreeMap::new(),
        }
    }

    /// The newest attempt of a user.
    pub(super) fn newest(&self, user: &UserId) -> Option<&Attempt> {
        self.calls.get(user)?.last()
    }

    pub(super) fn newest_mut(&mut self, user: &UserId) -> Option<&mut Attempt> {
        self.calls.get_mut(user)?.last_mut()
    }

    /// The newest attempts of all users who were ever called.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&UserId, &Attempt)> {
        self.calls.iter().filter_map(|(user, attempts)| Some((user, attempts.last()?)))
    }

    pub(super) fn live(&self) -> impl Iterator<Item = (&UserId, &Attempt)> {
        self.entries().filter(|(_, attempt)| attempt.is_live())
    }

    pub(super) fn listed(&self) -> impl Iterator<Item = (&UserId, &Attempt)> {
        self.entries().filter(|(_, attempt)| attempt.listed)
    }

    pub(super) fn is_owner_or_administrator(&self, user: &UserId) -> bool {
        self.owner == *user || self.is_administrator(user)
    }

    /// CAN-3: only inside the room.
    pub(super) fn is_administrator(&self, user: &UserId) -> bool {
        self.administrators.contains(user) && self.members.contains_key(user)
    }

    pub(super) fn is_member(&self, user: &UserId) -> bool {
        self.members.contains_key(user)
    }

    /// The attempt that an answer is about: the one that it names, else the newest.
    pub(super) fn meant(&self, user: &UserId, named: Option<&AttemptRef>) -> Option<&Attempt> {
        match named {
            None => self.newest(user),
            Some(named) if self.instance.is_none_or(|instance| instance == named.instance) => {
                self.calls.get(user)?.iter().find(|attempt| attempt.number == named.attempt)
            }
            Some(_) => None,
        }
    }
}

impl<'t> Facts<'t> {
    pub(super) fn new(plan: &'t Plan) -> Self {
        let mut devices_of: BTreeMap<&UserId, Vec<DeviceIndex>> = BTreeMap::new();
        for index in plan.device_indices() {
            devices_of.entry(&plan.device(index).identity.user_id).or_default().push(index);
        }
        Self {
            plan,
            devices_of,
            sessions: vec![Session::default(); plan.devices.len()],
            lapses: BTreeSet::new(),
            rooms: BTreeMap::new(),
        }
    }

    pub(super) fn user(&self, device: DeviceIndex) -> &'t UserId {
        &self.plan.device(device).identity.user_id
    }

    pub(super) fn session(&self, device: DeviceIndex) -> Session {
        self.sessions[device.index()]
    }

    pub(super) fn has_account(&self, user: &UserId) -> bool {
        self.devices_of.contains_key(user) || self.plan.accounts.iter().any(|account| account.user_id == *user)
    }

    /// Whether the device's session stands (TERM-1).
    pub(super) fn is_online(&self, device: DeviceIndex, now: Instant) -> bool {
        match self.session(device).state {
            SessionState::None => false,
            SessionState::Connected => true,
            SessionState::SuspendedSince(since) => now < since + self.plan.service.bounds.resume_window,
        }
    }

    pub(super) fn online<'f>(&'f self, user: &UserId, now: Instant) -> impl Iterator<Item = DeviceIndex> + 'f {
        let devices = self.devices_of.get(user).map_or(&[][..], Vec::as_slice);
        devices.iter().copied().filter(move |device| self.is_online(*device, now))
    }

    pub(super) fn room(&self, id: &RoomId) -> Option<&Room> {
        self.rooms.get(id).filter(|room| room.exists)
    }

    /// Also if it has been dissolved.
    pub(super) fn room_ever(&self, id: &RoomId) -> Option<&Room> {
        self.rooms.get(id)
    }

    pub(super) fn room_mut(&mut self, id: &RoomId) -> Option<&mut Room> {
        self.rooms.get_mut(id).filter(|room| room.exists)
    }

    pub(super) fn room_of(&mut self, instance: InstanceId, id: &RoomId) -> Option<&mut Room> {
        let room = self.rooms.get_mut(id)?;
        (room.instance.is_none_or(|known| known == instance)).then_some(room)
    }

    pub(super) fn rooms(&self) -> impl Iterator<Item = (&RoomId, &Room)> {
        self.rooms.iter().filter(|(_, room)| room.exists)
    }

    /// The room that a user is in.
    pub(super) fn room_with(&self, user: &UserId) -> Option<&RoomId> {
        self.rooms().find(|(_, room)| room.is_member(user)).map(|(id, _)| id)
    }

    // ---- sessions ------------------------------------------------------------------------------------------------

    pub(super) fn logged_in(&mut self, device: DeviceIndex, connection: ConnectionNo, resumed: bool) {
        if !resumed {
            self.leave_everything(device);
        }
        let session = &mut self.sessions[device.index()];
        session.connection = Some(connection);
        session.state = SessionState::Connected;
        if !resumed {
            session.count += 1;
            session.suspended = None;
        }
    }

    pub(super) fn session_over(&mut self, device: DeviceIndex) {
        self.sessions[device.index()].state = SessionState::None;
        self.leave_everything(device);
    }

    /// The server lost or closed a connection. A newer one of the device is not concerned.
    pub(super) fn connection_gone(&mut self, device: DeviceIndex, connection: ConnectionNo, now: Instant) -> bool {
        let session = &mut self.sessions[device.index()];
        let concerned = session.connection == Some(connection) && session.state == SessionState::Connected;
        if concerned {
            session.state = SessionState::SuspendedSince(now);
            session.suspended = Some(now);
            self.lapses.insert((now + self.plan.service.bounds.resume_window, device));
        }
        concerned
    }

    /// REC-4: every session that stood is suspended afresh.
    pub(super) fn restarted(&mut self, crashed: Instant, now: Instant) {
        for index in self.plan.device_indices() {
            let stood = self.is_online(index, crashed);
            let session = &mut self.sessions[index.index()];
            if stood {
                session.suspended.get_or_insert(crashed);
                session.state = SessionState::SuspendedSince(now);
                self.lapses.insert((now + self.plan.service.bounds.resume_window, index));
            }
        }
    }

    fn leave_everything(&mut self, device: DeviceIndex) {
        for room in self.rooms.values_mut() {
            room.members.retain(|_, member| *member != device);
        }
    }

    /// TERM-2: the end of the member device's session is an exit. Returns who left what.
    pub(super) fn end_lapsed(&mut self, now: Instant) -> Vec<(RoomId, UserId)> {
        let mut left = Vec::new();
        while let Some(&(lapses, device)) = self.lapses.first()
            && lapses <= now
        {
            self.lapses.pop_first();
            let session = &mut self.sessions[device.index()];
            let SessionState::SuspendedSince(since) = session.state else { continue };
            if now.since(since) < self.plan.service.bounds.resume_window {
                continue;
            }
            session.state = SessionState::None;
            for (id, room) in &mut self.rooms {
                let before = room.members.len();
                room.members.retain(|_, member| *member != device);
                if room.members.len() < before {
                    left.push((id.clone(), self.plan.device(device).identity.user_id.clone()));
                }
            }
        }
        left
    }

    // ---- what a successful call did to a room --------------------------------------------------------------------

    /// Carries out what does not concern single attempts.
    pub(super) fn carry_out(&mut self, device: DeviceIndex, call: &Call, instance: Option<InstanceId>) {
        let user = self.user(device).clone();
        if let Call::CreateRoom { room_id, room_type, password, schedule_attendees, .. } = call {
            let before = self.rooms.remove(room_id);
            let mut room = Room::new(user);
            room.lives = before.map_or(0, |before| before.lives) + 1;
            room.exists = true;
            room.instance = instance;
            room.kind = *room_type;
            room.has_password = !password.is_empty();
            room.attendees = schedule_attendees.iter().cloned().collect();
            self.rooms.insert(room_id.clone(), room);
            return;
        }
        let Some(room) = call.room_id().and_then(|id| self.rooms.get_mut(id)) else { return };
        if instance.is_some() {
            room.instance = instance;
        }
        match call {
            Call::DestroyRoom { .. } => {
                room.exists = false;
                room.members.clear();
            }
            Call::EnterRoom { .. } => {
                room.members.insert(user, device);
            }
            Call::ExitRoom { .. } => {
                room.members.remove(&user);
                leave_role(room, &user);
            }
            Call::KickRemoteUserOutOfRoom { user_id, .. } => {
                room.members.remove(user_id);
                leave_role(room, user_id);
            }
            Call::ChangeUserRole { user_id, user_role, .. } => {
                room.role_changed.insert(user_id.clone());
                match user_role {
                    Role::RoomOwner => {
                        room.role_changed.insert(room.owner.clone());
                        room.administrators.remove(user_id);
                        room.owner = user_id.clone();
                    }
                    Role::Administrator => {
                        room.administrators.insert(user_id.clone());
                    }
                    Role::GeneralUser => {
                        room.administrators.remove(user_id);
                    }
                }
            }
            Call::AddAttendeesByAdmin { user_id_list, .. } => room.attendees.extend(user_id_list.iter().cloned()),
            Call::RemoveAttendeesByAdmin { user_id_list, .. } => {
                room.attendees.retain(|attendee| !user_id_list.contains(attendee));
            }
            _ => {}
        }
    }
}

/// CAN-3: the administrator's role ends with leaving.
fn leave_role(room: &mut Room, user: &UserId) {
    if room.administrators.remove(user) {
        room.role_changed.insert(user.clone());
    }
}
