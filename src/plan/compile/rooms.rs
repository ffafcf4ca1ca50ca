//! The rooms that exist at the beginning, and the setup that makes them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Compiler;
use crate::plan::{DeviceIndex, PlannedRoom, SetupCall};
use crate::protocol::call::Call;
use crate::protocol::vocabulary::{OperationName, Role, RoomId, RoomType, UserId};
use crate::scenario::words::ApiEnum;
use crate::scenario::{self, Action, Diagnostic, NodeKind, Span};

/// The calls of one phase.
type Phase = Vec<SetupCall>;

impl Compiler<'_> {
    /// The ids of the rooms that exist at the beginning or that a step creates.
    pub(super) fn rooms_named(&self) -> BTreeSet<String> {
        let created = self.scenario.steps.iter().filter_map(|step| {
            let args = match &step.action {
                Action::Call { operation: OperationName::CreateRoom, args, .. } => args,
                Action::Send { operation, args: Some(args), .. } if operation.value == "createRoom" => args,
                _ => return None,
            };
            match &args.get("roomId")?.kind {
                NodeKind::Text(id) => Some(id.clone()),
                _ => None,
            }
        });
        self.scenario.rooms.iter().map(|room| room.id.value.clone()).chain(created).collect()
    }

    /// The rooms, and the phases that log in, create, enter and give roles.
    pub(super) fn rooms_and_setup(&mut self) -> (Vec<PlannedRoom>, Vec<Phase>) {
        let login = Arc::new(Call::Login { user_sig: "".into() });
        let logins = self
            .people
            .online()
            .map(|(device, span)| SetupCall { device, call: Arc::clone(&login), place: span.place() })
            .collect();
        let (mut creates, mut enters, mut roles) = (Phase::new(), Phase::new(), Phase::new());
        let mut rooms = Vec::new();
        let mut inside = BTreeMap::new();
        let scenario = self.scenario;
        for room in &scenario.rooms {
            rooms.extend(self.planned_room(room, &mut inside, [&mut creates, &mut enters, &mut roles]));
        }
        let phases = [logins, creates, enters, roles].into_iter().filter(|phase: &Phase| !phase.is_empty()).collect();
        (rooms, phases)
    }

    fn planned_room(
        &mut self,
        room: &scenario::Room,
        inside: &mut BTreeMap<UserId, Span>,
        [creates, enters, roles]: [&mut Phase; 3],
    ) -> Option<PlannedRoom> {
        let room_id = RoomId::from(room.id.value.as_str());
        if !room_id.is_well_formed() {
            self.note(
                Diagnostic::new(room.id.span, "no room can have this id")
                    .help("ids have 1 to 64 printable ASCII characters other than \" ' * / \\ and ` (ERR-2)"),
            );
        }
        let room_type = room.room_type.as_ref().and_then(|node| self.api_enum(node, ApiEnum::RoomType));
        let password: Arc<str> = room.password.as_deref().unwrap_or_default().into();
        let members = self.members(room, inside);
        let max_member_count = room.max_members.as_ref().map_or(0, |max| self.count(max, 1));
        if let Some(max) = &room.max_members
            && members.len() > usize::try_from(max_member_count).unwrap_or(usize::MAX)
        {
            self.note(
                Diagnostic::new(
                    max.span,
                    format!("{} members can't enter a room for {max_member_count}", members.len()),
                )
                .other(room.id.span, "this room")
                .help("raise `maxMembers`, or let the last ones enter in a step"),
            );
        }
        let attendees = self.users(&room.attendees);
        let creator = self.creator(room)?;
        let owner = self.people.user_of(creator);
        creates.push(SetupCall {
            device: creator,
            call: Arc::new(Call::CreateRoom {
                room_id: room_id.clone(),
                room_name: room.name.as_deref().unwrap_or_default().into(),
                room_type: room_type
                    .and_then(|number| RoomType::from_number(number.into()))
                    .unwrap_or(RoomType::Conference),
                password: Arc::clone(&password),
                max_member_count,
                schedule_attendees: attendees,
            }),
            place: room.id.span.place(),
        });
        let enter = Arc::new(Call::EnterRoom { room_id: room_id.clone(), password });
        for (device, span) in &members {
            enters.push(SetupCall { device: *device, call: Arc::clone(&enter), place: span.place() });
        }
        for (user, role) in &room.roles {
            let (span, id) = (user.span, self.select_user(user));
            let role = self.api_enum(role, ApiEnum::Role).and_then(|number| Role::from_number(number.into()));
            let (Some(user_id), Some(user_role)) = (id, role) else { continue };
            if user_role == Role::RoomOwner {
                self.note(Diagnostic::new(span, "the owner is named by `owner`").help("remove this role"));
            } else if !members.iter().any(|(device, _)| self.people.user_of(*device) == user_id) {
                self.note(
                    Diagnostic::new(span, format!("`{user_id}` is not in the room when the scenario begins"))
                        .help("a role ends with leaving the room (CAN-3): add a device of the user to `members`"),
                );
            }
            let call = Call::ChangeUserRole { room_id: room_id.clone(), user_id, user_role };
            roles.push(SetupCall { device: creator, call: Arc::new(call), place: span.place() });
        }
        Some(PlannedRoom { room_id, owner, members: members.into_iter().map(|(device, _)| device).collect() })
    }

    /// The devices in the room at the beginning.
    fn members(&mut self, room: &scenario::Room, inside: &mut BTreeMap<UserId, Span>) -> Vec<(DeviceIndex, Span)> {
        let mut members = Vec::new();
        for selector in &room.members {
            for device in self.select(selector) {
                let name = self.people.name_of(device);
                if !self.people.declaration(device).online {
                    self.note(
                        Diagnostic::new(selector.span, format!("`{name}` is not logged in when the scenario begins"))
                            .other(self.people.declaration(device).name.span, "`online: false`")
                            .help("let it log in and enter in steps"),
                    );
                }
                let user = self.people.user_of(device);
                if let Some(first) = inside.insert(user.clone(), selector.span) {
                    let diagnostic = if first == selector.span {
                        Diagnostic::new(selector.span, format!("`{user}` would be in the room through two devices"))
                    } else {
                        let message = format!("`{user}` is in a room already, and now through `{name}`");
                        Diagnostic::new(selector.span, message).other(first, "the first time")
                    };
                    self.note(
                        diagnostic
                            .help("a user is in one room at a time, through one device (ROOM-8): name one device"),
                    );
                    break;
                }
                members.push((device, selector.span));
            }
        }
        members
    }

    /// The device that creates a room.
    fn creator(&mut self, room: &scenario::Room) -> Option<DeviceIndex> {
        let candidates = self.select(&room.owner);
        let first = *candidates.first()?;
        let owner = self.people.user_of(first);
        if candidates.iter().any(|device| self.people.user_of(*device) != owner) {
            self.note(Diagnostic::new(room.owner.span, "a room has one owner").help("name one user: `crowd[1]`"));
            return None;
        }
        let able = candidates.iter().find(|device| {
            let declaration = self.people.declaration(**device);
            declaration.online && !declaration.raw
        });
        if able.is_none() {
            self.note(
                Diagnostic::new(room.owner.span, format!("`{owner}` has no device here that could create the room"))
                    .help("the owner needs a device with the client library that is online when the scenario begins"),
            );
        }
        able.copied()
    }
}
