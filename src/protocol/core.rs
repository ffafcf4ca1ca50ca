//! The invitation core: rooms, members, invitations and who hears of what.
//!
//! Pure: it is given authenticated callers and the time, and knows nothing of connections, request ids or replay. A
//! request is judged by `decide` (which changes nothing), the `Transition` that it leads to is applied by `apply`
//! (which refuses nothing), and every change of state is a transition. A server is restored by applying the transitions
//! that it wrote down.

mod cursor;
mod decide;
mod limits;
pub mod parameters;
mod room;
mod told;
mod transition;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};

use self::limits::Buckets;
use self::room::{Answered, Room};
pub use self::told::{Told, ToldEvent};
pub use self::transition::{Effects, LeaveCause, Transition};
use super::bounds::Bounds;
use super::call::{AttemptRef, Reply};
use super::event::UserInfo;
use super::message::{Content, RoomPoint};
use super::vocabulary::{ApiError, DeviceId, InstanceId, RequestId, Role, RoomId, UserId};
use crate::time::Instant;

/// Where the session layer keeps a session. A slot is used again only after its session has ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SessionSlot(pub u32);

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The account.
    pub user: &'a UserId,
    /// The device.
    pub device: &'a DeviceId,
    /// Its session.
    pub slot: SessionSlot,
    /// The id of the request; no rule of the core looks at it.
    pub id: &'a RequestId,
}

/// What a request comes to.
#[derive(Clone, PartialEq, Debug)]
pub struct Decision {
    /// What the caller is told.
    pub result: Result<Reply, ApiError>,
    /// The room instance by which the request was judged, if one was found and the caller may know of it (SEC-3).
    pub instance: Option<InstanceId>,
    /// What is to change, if anything.
    pub transition: Option<Transition>,
}

/// The whole state of rooms and invitations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InvitationCore {
    bounds: Bounds,
    rate_limits: bool,
    users: IndexMap<UserId, User, FxBuildHasher>,
    rooms: IndexMap<RoomId, Room, FxBuildHasher>,
    instances: u64,
    /// Every pending deadline: by time, then instance, then place in the list (TMO-3).
    deadlines: BTreeSet<Deadline>,
    /// Answers given in rooms that are gone, oldest first, kept for the answer memory (DEV-3, IDM-3).
    dissolved: VecDeque<DissolvedRoom>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
struct Deadline {
    at: Instant,
    instance: InstanceId,
    place: u64,
    room: RoomId,
    invitee: UserId,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct User {
    name: Arc<str>,
    avatar_url: Arc<str>,
    /// The sessions of this user that are online, connected or suspended, in the order of their logins.
    sessions: Vec<OnlineSession>,
    /// The room that the user is in.
    room: Option<RoomId>,
    /// How many rooms are the user's own. It is not written down: see [`InvitationCore::count_owned`].
    #[serde(skip)]
    owned: u32,
    buckets: Buckets,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct OnlineSession {
    device: DeviceId,
    slot: SessionSlot,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct DissolvedRoom {
    at: Instant,
    room: RoomId,
    instance: InstanceId,
    answers: BTreeMap<UserId, Vec<Answered>>,
}

impl InvitationCore {
    /// A core without accounts and rooms.
    #[must_use]
    pub fn new(bounds: Bounds, rate_limits: bool) -> Self {
        Self {
            bounds,
            rate_limits,
            users: IndexMap::default(),
            rooms: IndexMap::default(),
            instances: 0,
            deadlines: BTreeSet::new(),
            dissolved: VecDeque::new(),
        }
    }

    /// Makes an account known. A known account keeps its sessions and rooms.
    pub fn add_account(&mut self, user: UserId, name: Arc<str>, avatar_url: Arc<str>) {
        self.users.entry(user).or_insert_with(|| User {
            name,
            avatar_url,
            sessions: Vec::new(),
            room: None,
            owned: 0,
            buckets: Buckets::default(),
        });
    }

    /// Whether there is such an account.
    #[must_use]
    pub fn has_account(&self, user: &UserId) -> bool {
        self.users.contains_key(user)
    }

    /// Counts what each user owns, once what was written down has been read.
    pub(super) fn count_owned(&mut self) {
        self.users.values_mut().for_each(|user| user.owned = 0);
        let owners: Vec<UserId> = self.rooms.values().map(|room| room.owner.clone()).collect();
        owners.iter().for_each(|owner| self.user_mut(owner).owned += 1);
    }

    /// How many things it knows: accounts, and who is, was or is wanted in which room.
    pub(super) fn size(&self) -> u64 {
        let in_rooms: usize = self.rooms.values().map(|room| room.members.len() + room.invitees.len()).sum();
        (self.users.len() + in_rooms + self.dissolved.len()) as u64
    }

    /// A session begins. The user's account exists.
    pub fn online(&mut self, user: &UserId, device: &DeviceId, slot: SessionSlot) {
        let sessions = &mut self.user_mut(user).sessions;
        if sessions.is_empty() {
            // Most users have one device, and there may be a million of them.
            sessions.reserve_exact(1);
        }
        sessions.push(OnlineSession { device: device.clone(), slot });
    }

    /// What the end of a session leads to: an exit from the room that it was in (TERM-2). Call [`Self::offline`] next.
    #[must_use]
    pub fn decide_session_end(&self, user: &UserId, slot: SessionSlot) -> Option<Transition> {
        let room = self.room_of(user)?;
        (room.members[user].slot == slot).then(|| Transition::Left {
            room_id: room.id.clone(),
            user: user.clone(),
            cause: LeaveCause::SessionEnded,
        })
    }

    /// The sessions of a user that are online, in the order of their logins. None for an unknown account.
    pub fn sessions_of(&self, user: &UserId) -> impl Iterator<Item = SessionSlot> + '_ {
        self.users.get(user).into_iter().flat_map(|user| user.sessions.iter().map(|session| session.slot))
    }

    /// A session has ended.
    pub fn offline(&mut self, user: &UserId, slot: SessionSlot) {
        self.user_mut(user).sessions.retain(|session| session.slot != slot);
    }

    /// The next deadline of an attempt.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|deadline| deadline.at)
    }

    /// The first expiry that is due at `now`, if there is one (TMO-3).
    #[must_use]
    pub fn decide_expiry(&self, now: Instant) -> Option<Transition> {
        let due = self.deadlines.first().filter(|deadline| deadline.at <= now)?;
        let entry = self.rooms[&due.room].entry(&due.invitee).expect("a deadline belongs to an entry");
        Some(Transition::Expired { room_id: due.room.clone(), invitee: due.invitee.clone(), attempt: entry.attempt })
    }

    /// Where a room instance stands.
    #[must_use]
    pub fn point(&self, instance: InstanceId) -> Option<RoomPoint> {
        self.rooms
            .values()
            .find(|room| room.instance == instance)
            .map(|room| RoomPoint { instance, revision: room.revision })
    }

    /// Where the room of this id stands.
    #[must_use]
    pub fn room_point(&self, room_id: &RoomId) -> Option<RoomPoint> {
        self.rooms.get(room_id).map(|room| RoomPoint { instance: room.instance, revision: room.revision })
    }

    /// What enterRoom and fetchRoomInfo return of a room.
    #[must_use]
    pub fn room_info_reply(&self, room_id: &RoomId) -> Option<Reply> {
        self.rooms.get(room_id).map(|room| Reply::RoomInfo(self.room_info(room)))
    }

    fn user(&self, user: &UserId) -> &User {
        &self.users[user]
    }

    fn user_mut(&mut self, user: &UserId) -> &mut User {
        self.users.get_mut(user).expect("the account exists")
    }

    fn room_of(&self, user: &UserId) -> Option<&Room> {
        self.user(user).room.as_ref().map(|room| &self.rooms[room])
    }

    /// EVT-8: the user as others see it in this room, now.
    fn user_info(&self, room: &Room, user: &UserId) -> UserInfo {
        let account = self.user(user);
        UserInfo {
            user_id: user.clone(),
            user_name: account.name.clone(),
            avatar_url: account.avatar_url.clone(),
            user_role: room.role(user),
        }
    }

    /// The answer to an attempt in an earlier life of this room, if it is still remembered (DEV-3).
    fn remembered_answer(&self, now: Instant, user: &UserId, room_id: &RoomId, named: AttemptRef) -> Option<&Answered> {
        let is_named = |gone: &DissolvedRoom| gone.instance == named.instance && gone.room == *room_id;
        self.dissolved
            .iter()
            .filter(|gone| is_named(gone) && now.since(gone.at) <= self.bounds.answer_memory)
            .find_map(|gone| gone.answers.get(user))
            .and_then(|answers| answers.iter().find(|answer| answer.attempt == named.attempt))
    }
}

/// Judges a request that has passed the session layer, in the order of ERR-1 from the rate limit on.
impl InvitationCore {
    /// What the request comes to. Changes nothing.
    #[must_use]
    pub fn decide(&self, now: Instant, caller: Caller<'_>, content: &Content) -> Decision {
        decide::decide(self, now, caller, content)
    }

    /// Takes what a request costs the caller's buckets, whatever comes of it (SEC-6). Rings are taken by
    /// [`Self::apply`]. Not for a request refused with -2.
    pub fn charge(&mut self, now: Instant, user: &UserId, content: &Content) {
        if self.rate_limits && limits::is_limited(content) {
            let refill = self.bounds.invite_calls_refill;
            self.user_mut(user).buckets.take_call(refill, now);
        }
    }

    /// Carries a transition out: changes the state, and says who hears what.
    pub fn apply(&mut self, at: Instant, transition: &Transition, effects: &mut Effects) {
        transition::apply(self, at, transition, effects);
    }
}

/// Who may do what to whom.
impl Room {
    fn is_owner_or_admin(&self, user: &UserId) -> bool {
        // CAN-3: the owner in the room or not; an administrator only while in it.
        *user == self.owner || self.members.get(user).is_some_and(|member| member.role == Role::Administrator)
    }
}
