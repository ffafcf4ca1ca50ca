//! What an implementation can have or lack: parts of the API around invitations that not every service offers. A scenario
//! that needs what is lacking is unsupported, and says so.
//!
//! What a scenario needs shows in its plan alone: nobody has to declare it.

use crate::plan::{Action, ExpectedOutcome, ExpectedResult, Place, Plan, PlannedDevice};
use crate::protocol::call::Call;
use crate::protocol::codec;
use crate::protocol::vocabulary::{ErrorCode, Role, RoomType};

/// Something that an implementation has, or lacks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Capability {
    /// A user has several devices that are online at once.
    SeveralDevices,
    /// There are administrators.
    Roles,
    /// An owner hands its room over.
    OwnershipTransfer,
    /// Members are thrown out.
    Kicking,
    /// Rooms have passwords.
    Passwords,
    /// Rooms take so many members and no more.
    Capacity,
    /// There are rooms that are no conferences.
    RoomTypes,
    /// Rooms have scheduled attendees.
    Attendees,
    /// Users change their names and pictures.
    SelfInfo,
    /// Rooms are renamed.
    Renaming,
    /// A session outlives its connection.
    Resume,
    /// What was acknowledged outlives a crash of the server.
    Storage,
    /// Calls are limited.
    RateLimits,
}

impl Capability {
    /// All of them, with their names in profiles and what they are.
    pub const ALL: [(Self, &'static str, &'static str); 13] = [
        (Self::SeveralDevices, "several-devices", "a user has several devices that are online at once"),
        (Self::Roles, "roles", "there are administrators"),
        (Self::OwnershipTransfer, "ownership-transfer", "an owner hands its room over"),
        (Self::Kicking, "kicking", "members are thrown out"),
        (Self::Passwords, "passwords", "rooms have passwords"),
        (Self::Capacity, "capacity", "rooms take so many members and no more"),
        (Self::RoomTypes, "room-types", "there are rooms that are no conferences"),
        (Self::Attendees, "attendees", "rooms have scheduled attendees"),
        (Self::SelfInfo, "self-info", "users change their names and pictures"),
        (Self::Renaming, "renaming", "rooms are renamed"),
        (Self::Resume, "resume", "a session outlives its connection"),
        (Self::Storage, "storage", "what was acknowledged outlives a crash of the server"),
        (Self::RateLimits, "rate-limits", "calls are limited"),
    ];

    /// The one of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known, _)| *known == name).map(|(capability, ..)| capability)
    }

    /// Its name in profiles.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(capability, ..)| *capability == self).map_or("", |(_, name, _)| name)
    }

    /// The first line of a plan that needs it, if the plan does.
    #[must_use]
    pub fn needed_by(self, plan: &Plan) -> Option<Place> {
        match self {
            Self::SeveralDevices => {
                let twice = |(index, device): (usize, &PlannedDevice)| {
                    let before = &plan.devices[..index];
                    before.iter().any(|other| other.identity.user_id == device.identity.user_id)
                };
                plan.devices.iter().enumerate().any(twice).then(Place::default)
            }
            Self::RateLimits => {
                let claim = plan.covers.iter().find(|claim| &*claim.requirement.0 == "SEC-6").map(|claim| claim.place);
                claim.or_else(|| {
                    let limited =
                        |result: &&ExpectedResult| result.outcome == ExpectedOutcome::Fails(ErrorCode::FREQ_LIMIT);
                    plan.steps.iter().find_map(|step| match &step.action {
                        Action::Call { expected, .. } | Action::Send { expected, .. } => {
                            expected.iter().find(limited).map(|result| result.place)
                        }
                        _ => None,
                    })
                })
            }
            Self::Storage => {
                plan.steps.iter().find(|step| matches!(step.action, Action::CrashServer { .. })).map(|step| step.place)
            }
            Self::Resume => {
                let step = plan.steps.iter().find(|step| {
                    matches!(
                        step.action,
                        Action::Offline { .. }
                            | Action::Disconnect { .. }
                            | Action::Partition { .. }
                            | Action::Hold { .. }
                            | Action::CrashServer { .. }
                    )
                });
                let links = std::iter::once(&plan.network.link).chain(plan.network.links.iter().map(|(_, link)| link));
                let breaks = links.into_iter().any(|link| link.breakage > 0.0 || link.attack != Default::default());
                step.map(|step| step.place).or(breaks.then(Place::default))
            }
            _ => calls(plan).find(|(call, _)| self.is_needed_for(call)).map(|(_, place)| place),
        }
    }

    fn is_needed_for(self, call: &Call) -> bool {
        match (self, call) {
            (Self::Roles, Call::ChangeUserRole { user_role, .. }) => *user_role != Role::RoomOwner,
            (Self::OwnershipTransfer, Call::ChangeUserRole { user_role, .. }) => *user_role == Role::RoomOwner,
            (Self::Kicking, Call::KickRemoteUserOutOfRoom { .. })
            | (Self::SelfInfo, Call::SetSelfInfo { .. })
            | (Self::Renaming, Call::UpdateRoomNameByAdmin { .. })
            | (
                Self::Attendees,
                Call::AddAttendeesByAdmin { .. }
                | Call::RemoveAttendeesByAdmin { .. }
                | Call::FetchAttendeeList { .. }
                | Call::FetchNotEnteredList { .. },
            ) => true,
            (Self::Passwords, Call::CreateRoom { password, .. } | Call::EnterRoom { password, .. }) => {
                !password.is_empty()
            }
            (Self::Capacity, Call::CreateRoom { max_member_count, .. }) => *max_member_count > 0,
            (Self::RoomTypes, Call::CreateRoom { room_type, .. }) => *room_type != RoomType::Conference,
            (Self::Attendees, Call::CreateRoom { schedule_attendees, .. }) => !schedule_attendees.is_empty(),
            _ => false,
        }
    }
}

/// All capabilities, as a Markdown table.
#[must_use]
pub fn markdown() -> String {
    let mut table = "| capability | what it is |\n|---|---|\n".to_owned();
    for (_, name, words) in Capability::ALL {
        table.push_str(&format!("| `{name}` | {words} |\n"));
    }
    table
}

/// Everything that is asked in a plan, by a library or raw, with its line.
fn calls(plan: &Plan) -> impl Iterator<Item = (std::borrow::Cow<'_, Call>, Place)> {
    use std::borrow::Cow;
    let setup = plan.setup.iter().flatten().map(|call| (Cow::Borrowed(&*call.call), call.place));
    let steps = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Call { call, .. } => Some((Cow::Borrowed(&**call), step.place)),
        // What is malformed needs nothing: it is to be refused.
        Action::Send { request, .. } => {
            codec::call_from(&request.operation, &request.args).ok().map(|call| (Cow::Owned(call), step.place))
        }
        _ => None,
    });
    setup.chain(steps)
}
