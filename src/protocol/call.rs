//! What an application asks: the operations with their arguments, and what they return.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::event::{Invitation, RoomInfo, UserInfo};
use super::vocabulary::{
    AttemptNo, Cursor, InstanceId, InvitationCode, InvitationStatus, OperationName, Platform, Revision, Role, RoomId,
    RoomType, UserId,
};

/// Counts the calls of a device, from 1, over all its lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallNo(pub u32);

/// One call of the API. Arguments are as the application gave them: the library and the server judge them (ERR-1).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(
    tag = "operation",
    content = "args",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Call {
    /// login. The user and the device are those of the library instance.
    Login {
        /// The token that proves who the user is; not looked at where the world vouches for it.
        #[serde(default)]
        user_sig: Arc<str>,
    },
    /// logout.
    Logout {},
    /// setSelfInfo.
    SetSelfInfo {
        /// The new name.
        user_name: Arc<str>,
        /// The new avatar.
        #[serde(default)]
        avatar_url: Arc<str>,
    },
    /// createRoom.
    CreateRoom {
        /// The room.
        room_id: RoomId,
        /// Its name; empty means the id.
        #[serde(default)]
        room_name: Arc<str>,
        /// Its type.
        #[serde(default = "conference")]
        room_type: RoomType,
        /// What enterRoom must show, if anything.
        #[serde(default)]
        password: Arc<str>,
        /// How many members it takes; 0 means no limit.
        #[serde(default)]
        max_member_count: u32,
        /// `scheduleAttendees`: who is expected (ROOM-7).
        #[serde(default)]
        schedule_attendees: Vec<UserId>,
    },
    /// destroyRoom.
    DestroyRoom {
        /// The room.
        room_id: RoomId,
    },
    /// enterRoom.
    EnterRoom {
        /// The room.
        room_id: RoomId,
        /// For a room that wants one.
        #[serde(default)]
        password: Arc<str>,
    },
    /// exitRoom.
    ExitRoom {
        /// The room.
        room_id: RoomId,
    },
    /// kickRemoteUserOutOfRoom.
    KickRemoteUserOutOfRoom {
        /// The room.
        room_id: RoomId,
        /// Who goes.
        user_id: UserId,
    },
    /// changeUserRole.
    ChangeUserRole {
        /// The room.
        room_id: RoomId,
        /// Whose role.
        user_id: UserId,
        /// The new role; kRoomOwner hands the room over.
        user_role: Role,
    },
    /// fetchRoomInfo.
    FetchRoomInfo {
        /// The room.
        room_id: RoomId,
    },
    /// updateRoomNameByAdmin.
    UpdateRoomNameByAdmin {
        /// The room.
        room_id: RoomId,
        /// Its new name.
        room_name: Arc<str>,
    },
    /// addAttendeesByAdmin.
    AddAttendeesByAdmin {
        /// The room.
        room_id: RoomId,
        /// Who is expected.
        user_id_list: Vec<UserId>,
    },
    /// removeAttendeesByAdmin.
    RemoveAttendeesByAdmin {
        /// The room.
        room_id: RoomId,
        /// Who is no longer expected.
        user_id_list: Vec<UserId>,
    },
    /// fetchAttendeeList.
    FetchAttendeeList {
        /// The room.
        room_id: RoomId,
    },
    /// getUserList.
    GetUserList {
        /// The room.
        room_id: RoomId,
    },
    /// inviteUsers.
    InviteUsers {
        /// The room.
        room_id: RoomId,
        /// Whom to call.
        user_id_list: Vec<UserId>,
        /// Seconds until the call gives up; 0 means never (INV-11).
        #[serde(default, serialize_with = "whole_if_it_is")]
        timeout: f64,
        /// Handed to the invitee byte for byte (INV-12).
        #[serde(default)]
        extension_info: Arc<str>,
    },
    /// cancelInvitation.
    CancelInvitation {
        /// The room.
        room_id: RoomId,
        /// Whose calls to end.
        user_id_list: Vec<UserId>,
    },
    /// accept.
    Accept {
        /// The room.
        room_id: RoomId,
        /// The attempt that is answered; the library fills it in (ACC-1).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<AttemptRef>,
    },
    /// reject.
    Reject {
        /// The room.
        room_id: RoomId,
        /// `reason`, as a number: 0 or 1 (REJ-2).
        #[serde(default)]
        reason: i64,
        /// The attempt that is answered; the library fills it in (ACC-1).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<AttemptRef>,
    },
    /// getInvitationList.
    GetInvitationList {
        /// The room.
        room_id: RoomId,
        /// Empty for the first page, then what the last page returned.
        #[serde(default = "no_cursor")]
        cursor: Cursor,
        /// The page size; 0 means the default (LST-4). A number as given, since the server must refuse -1 and 1.5.
        #[serde(default, serialize_with = "whole_if_it_is")]
        count: f64,
    },
    /// fetchNotEnteredList. Answered by the library, never sent (ROOM-7).
    FetchNotEnteredList {
        /// The room, which the device is in.
        room_id: RoomId,
    },
}

fn conference() -> RoomType {
    RoomType::Conference
}

fn no_cursor() -> Cursor {
    Cursor::from("")
}

/// Writes 30 and not 30.0, as every other language would.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn whole_if_it_is<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    // Below 2^53 every whole number has exactly one double.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    if number.trunc() == *number && number.abs() < WHOLE_MAX {
        serializer.serialize_i64(*number as i64)
    } else {
        serializer.serialize_f64(*number)
    }
}

impl Call {
    /// Which operation it is.
    #[must_use]
    pub const fn operation(&self) -> OperationName {
        match self {
            Self::Login { .. } => OperationName::Login,
            Self::Logout {} => OperationName::Logout,
            Self::SetSelfInfo { .. } => OperationName::SetSelfInfo,
            Self::CreateRoom { .. } => OperationName::CreateRoom,
            Self::DestroyRoom { .. } => OperationName::DestroyRoom,
            Self::EnterRoom { .. } => OperationName::EnterRoom,
            Self::ExitRoom { .. } => OperationName::ExitRoom,
            Self::KickRemoteUserOutOfRoom { .. } => OperationName::KickRemoteUserOutOfRoom,
            Self::ChangeUserRole { .. } => OperationName::ChangeUserRole,
            Self::FetchRoomInfo { .. } => OperationName::FetchRoomInfo,
            Self::UpdateRoomNameByAdmin { .. } => OperationName::UpdateRoomNameByAdmin,
            Self::AddAttendeesByAdmin { .. } => OperationName::AddAttendeesByAdmin,
            Self::RemoveAttendeesByAdmin { .. } => OperationName::RemoveAttendeesByAdmin,
            Self::FetchAttendeeList { .. } => OperationName::FetchAttendeeList,
            Self::GetUserList { .. } => OperationName::GetUserList,
            Self::InviteUsers { .. } => OperationName::InviteUsers,
            Self::CancelInvitation { .. } => OperationName::CancelInvitation,
            Self::Accept { .. } => OperationName::Accept,
            Self::Reject { .. } => OperationName::Reject,
            Self::GetInvitationList { .. } => OperationName::GetInvitationList,
            Self::FetchNotEnteredList { .. } => OperationName::FetchNotEnteredList,
        }
    }

    /// The room that it concerns, if it concerns one.
    #[must_use]
    pub const fn room_id(&self) -> Option<&RoomId> {
        match self {
            Self::Login { .. } | Self::Logout {} | Self::SetSelfInfo { .. } => None,
            Self::CreateRoom { room_id, .. }
            | Self::DestroyRoom { room_id }
            | Self::EnterRoom { room_id, .. }
            | Self::ExitRoom { room_id }
            | Self::KickRemoteUserOutOfRoom { room_id, .. }
            | Self::ChangeUserRole { room_id, .. }
            | Self::FetchRoomInfo { room_id }
            | Self::UpdateRoomNameByAdmin { room_id, .. }
            | Self::AddAttendeesByAdmin { room_id, .. }
            | Self::RemoveAttendeesByAdmin { room_id, .. }
            | Self::FetchAttendeeList { room_id }
            | Self::GetUserList { room_id }
            | Self::FetchNotEnteredList { room_id }
            | Self::InviteUsers { room_id, .. }
            | Self::CancelInvitation { room_id, .. }
            | Self::Accept { room_id, .. }
            | Self::Reject { room_id, .. }
            | Self::GetInvitationList { room_id, .. } => Some(room_id),
        }
    }
}

/// What two calls that ask the same have alike (IDM-2).
impl Hash for Call {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // 0 and -0 are the same number, and ask the same.
        let number = |number: &f64| (number + 0.0).to_bits();
        self.operation().hash(state);
        match self {
            Self::Login { user_sig } => user_sig.hash(state),
            Self::Logout {} => {}
            Self::SetSelfInfo { user_name, avatar_url } => (user_name, avatar_url).hash(state),
            Self::CreateRoom { room_id, room_name, room_type, password, max_member_count, schedule_attendees } => {
                (room_id, room_name, room_type, password, max_member_count, schedule_attendees).hash(state);
            }
            Self::DestroyRoom { room_id }
            | Self::ExitRoom { room_id }
            | Self::FetchRoomInfo { room_id }
            | Self::FetchAttendeeList { room_id }
            | Self::GetUserList { room_id }
            | Self::FetchNotEnteredList { room_id } => room_id.hash(state),
            Self::EnterRoom { room_id, password } => (room_id, password).hash(state),
            Self::KickRemoteUserOutOfRoom { room_id, user_id } => (room_id, user_id).hash(state),
            Self::ChangeUserRole { room_id, user_id, user_role } => (room_id, user_id, user_role).hash(state),
            Self::UpdateRoomNameByAdmin { room_id, room_name } => (room_id, room_name).hash(state),
            Self::AddAttendeesByAdmin { room_id, user_id_list }
            | Self::RemoveAttendeesByAdmin { room_id, user_id_list }
            | Self::CancelInvitation { room_id, user_id_list } => (room_id, user_id_list).hash(state),
            Self::InviteUsers { room_id, user_id_list, timeout, extension_info } => {
                (room_id, user_id_list, number(timeout), extension_info).hash(state);
            }
            Self::Accept { room_id, attempt } => (room_id, attempt).hash(state),
            Self::Reject { room_id, reason, attempt } => (room_id, reason, attempt).hash(state),
            Self::GetInvitationList { room_id, cursor, count } => (room_id, cursor, number(count)).hash(state),
        }
    }
}

/// Names one attempt of the caller (ACC-1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttemptRef {
    /// The life of the room.
    pub instance: InstanceId,
    /// Which ring of the caller in it.
    pub attempt: AttemptNo,
}

/// What a successful call returns.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "camelCase")]
pub enum Reply {
    /// Nothing.
    Void,
    /// inviteUsers: one code per distinct user, in the order of first occurrence (INV-3, INV-8).
    Invited(Arc<[(UserId, InvitationCode)]>),
    /// getInvitationList.
    List(Arc<InvitationPage>),
    /// fetchRoomInfo and enterRoom.
    RoomInfo(Arc<RoomInfo>),
    /// fetchAttendeeList.
    Attendees(Arc<[UserInfo]>),
    /// getUserList.
    Members(Arc<[UserInfo]>),
    /// fetchNotEnteredList. The library's own answer: it has no written form on the wire.
    NotEntered(Arc<[NotEnteredUser]>),
}

/// One user who is called or scheduled and not in the room (ROOM-7).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NotEnteredUser {
    /// The account.
    pub user_id: UserId,
    /// The display name.
    pub user_name: Arc<str>,
    /// How the entry stands; kNone for an attendee without one.
    pub status: InvitationStatus,
}

/// One page of getInvitationList (LST-1).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InvitationPage {
    /// The entries, oldest first (LST-3).
    pub invitation_list: Vec<ListItem>,
    /// Where the next page begins; empty when nothing is left.
    pub cursor: Cursor,
}

/// One item of a page: the invitation, and what the wire adds to it (ORD-5).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListItem {
    /// What the API shows.
    pub invitation: Arc<Invitation>,
    /// The attempt whose status it is. Not part of the API.
    pub attempt: AttemptNo,
    /// The revision at which the entry last changed. Not part of the API.
    pub revision: Revision,
}

impl Reply {
    /// What the application sees, on the API's field names, without what only the wire carries.
    #[must_use]
    pub fn to_api_json(&self) -> serde_json::Value {
        use serde_json::{Map, Value, json};
        match self {
            Self::Void => Value::Null,
            Self::Invited(codes) => {
                Value::Object(codes.iter().map(|(user, code)| (user.to_string(), json!(code))).collect::<Map<_, _>>())
            }
            Self::List(page) => json!({
                "invitationList": page.invitation_list.iter().map(|item| json!(item.invitation)).collect::<Vec<_>>(),
                "cursor": page.cursor,
            }),
            Self::RoomInfo(info) => json!(info),
            Self::Attendees(users) | Self::Members(users) => json!(users),
            Self::NotEntered(users) => json!(users),
        }
    }
}

/// Who speaks on a connection: one installation of the library for one user.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceIdentity {
    /// The account.
    pub user_id: UserId,
    /// The installation.
    pub device_id: super::vocabulary::DeviceId,
    /// What it runs on.
    pub platform: Platform,
}
