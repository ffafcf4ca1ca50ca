//! The names under which one call goes over the wire. Every call has rooms of its own, and users that no other call under
//! way has: a scenario's `bob` is `bob-q7-12` there, and its room `r` is `r-q7-12-3`.
//!
//! Names are told apart by a tag of the run, so that runs against one server don't meet, and by the cast that plays them.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::plan::Plan;
use crate::protocol::call::Call;
use crate::protocol::vocabulary::{RoomId, UserId};

/// The names of one call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Names {
    tag: Arc<str>,
    cast: u32,
    /// How often the people of this cast were replaced.
    generation: u32,
    /// How many calls the cast has played before.
    call: u32,
}

impl Names {
    pub(super) fn new(tag: &Arc<str>, cast: u32) -> Self {
        Self { tag: tag.clone(), cast, generation: 0, call: 0 }
    }

    /// The names of the cast's next call: other rooms.
    pub(super) fn next_call(&mut self) {
        self.call += 1;
    }

    /// Other people: nothing that happened to the old ones concerns them.
    pub(super) fn replace_people(&mut self) {
        self.generation += 1;
    }

    pub(super) fn same_people(&self, other: &Self) -> bool {
        self.generation == other.generation
    }

    pub(super) fn user(&self, user: &UserId) -> UserId {
        UserId::from(self.person(user.as_str()))
    }

    fn person(&self, name: &str) -> String {
        match self.generation {
            0 => format!("{name}-{}-{}", self.tag, self.cast),
            generation => format!("{name}-{}-{}.{generation}", self.tag, self.cast),
        }
    }

    pub(super) fn room(&self, room: &RoomId) -> RoomId {
        RoomId::from(self.place(room.as_str()))
    }

    fn place(&self, name: &str) -> String {
        format!("{name}-{}-{}.{}.{}", self.tag, self.cast, self.generation, self.call)
    }

    /// Whether a room on the wire is one of this call.
    pub(super) fn owns(&self, room: &RoomId) -> bool {
        self.scenario_name(room).is_some()
    }

    /// The scenario's name of a room on the wire.
    pub(super) fn scenario_room(&self, room: &RoomId) -> Option<RoomId> {
        self.scenario_name(room).map(RoomId::from)
    }

    fn scenario_name<'r>(&self, room: &'r RoomId) -> Option<&'r str> {
        // From the end, and without a name to write down: this is asked of every event.
        let rest = room.as_str();
        let (rest, call) = rest.rsplit_once('.')?;
        let (rest, generation) = rest.rsplit_once('.')?;
        let (rest, cast) = rest.rsplit_once('-')?;
        let (name, tag) = rest.rsplit_once('-')?;
        let is = |text: &str, number: u32| text.parse() == Ok(number);
        let same = is(call, self.call) && is(generation, self.generation) && is(cast, self.cast) && tag == &*self.tag;
        same.then_some(name)
    }

    /// A call of the scenario, as it goes over the wire.
    pub(super) fn call(&self, call: &Call) -> Call {
        let mut call = call.clone();
        match &mut call {
            Call::Login { .. } | Call::Logout {} | Call::SetSelfInfo { .. } => {}
            Call::CreateRoom { room_id, schedule_attendees, .. } => {
                *room_id = self.room(room_id);
                self.users(schedule_attendees);
            }
            Call::DestroyRoom { room_id }
            | Call::EnterRoom { room_id, .. }
            | Call::ExitRoom { room_id }
            | Call::FetchRoomInfo { room_id }
            | Call::UpdateRoomNameByAdmin { room_id, .. }
            | Call::FetchAttendeeList { room_id }
            | Call::GetUserList { room_id }
            | Call::Accept { room_id, .. }
            | Call::Reject { room_id, .. }
            | Call::GetInvitationList { room_id, .. }
            | Call::FetchNotEnteredList { room_id } => *room_id = self.room(room_id),
            Call::KickRemoteUserOutOfRoom { room_id, user_id } | Call::ChangeUserRole { room_id, user_id, .. } => {
                *room_id = self.room(room_id);
                *user_id = self.user(user_id);
            }
            Call::AddAttendeesByAdmin { room_id, user_id_list }
            | Call::RemoveAttendeesByAdmin { room_id, user_id_list }
            | Call::InviteUsers { room_id, user_id_list, .. }
            | Call::CancelInvitation { room_id, user_id_list } => {
                *room_id = self.room(room_id);
                self.users(user_id_list);
            }
        }
        call
    }

    fn users(&self, users: &mut [UserId]) {
        users.iter_mut().for_each(|user| *user = self.user(user));
    }

    /// The plan in the names of the wire, in which a trace is judged: every text in it that is a user or a room.
    ///
    /// # Errors
    /// When the names can't be told from other words of the plan.
    pub(super) fn plan(&self, plan: &Plan) -> Result<Plan, String> {
        let users: Vec<&str> = plan.accounts.iter().map(|account| account.user_id.as_str()).collect();
        let rooms: Vec<&str> = rooms_of(plan);
        let mut written = serde_json::to_value(plan).map_err(|error| error.to_string())?;
        self.rename(&mut written, &users, &rooms);
        serde_json::from_value(written).map_err(|error| error.to_string())
    }

    fn rename(&self, value: &mut Value, users: &[&str], rooms: &[&str]) {
        match value {
            Value::String(text) if users.contains(&text.as_str()) => *text = self.person(text),
            Value::String(text) if rooms.contains(&text.as_str()) => *text = self.place(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.rename(item, users, rooms)),
            Value::Object(fields) => {
                // What inviteUsers returns is an object by user.
                let by_user: Vec<String> = fields.keys().filter(|key| users.contains(&key.as_str())).cloned().collect();
                for key in by_user {
                    if let Some(value) = fields.remove(&key) {
                        fields.insert(self.person(&key), value);
                    }
                }
                for (key, value) in fields.iter_mut() {
                    // The file and its lines stay what the author wrote.
                    if key != "source" && key != "title" {
                        self.rename(value, users, rooms);
                    }
                }
            }
            _ => {}
        }
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.{}.{}", self.tag, self.cast, self.generation, self.call)
    }
}

/// Every room that a plan names.
fn rooms_of(plan: &Plan) -> Vec<&str> {
    use crate::plan::Action;
    let setup = plan.setup.iter().flatten().map(|setup| &setup.call);
    let steps = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Call { call, .. } => Some(call),
        _ => None,
    });
    let mut rooms: Vec<&str> = setup.chain(steps).filter_map(|call| Some(call.room_id()?.as_str())).collect();
    rooms.sort_unstable();
    rooms.dedup();
    rooms
}
