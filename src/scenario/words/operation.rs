//! The arguments of the operations, on the API's names.
//!
//! A test holds them to [`Call`](crate::protocol::call::Call), which this module may not name.

use super::{ApiEnum, Kind, Object, may, must};
use crate::protocol::vocabulary::OperationName;

const ROOM_ID: super::Field = must("roomId", Kind::Room, "The room.");
const USER_ID_LIST: super::Field = must(
    "userIdList",
    Kind::Users,
    "The users; a population stands for all its users. `{unknown: zoe}` has no account.",
);

macro_rules! arguments {
    ($($name:ident $id:literal: [$($field:expr),*];)*) => {$(
        #[doc = concat!("The arguments of ", $id, ".")]
        pub static $name: Object =
            Object { name: concat!("the arguments of ", $id), id: $id, doc: concat!("The arguments of ", $id, "."), fields: &[$($field),*] };
    )*};
}

arguments! {
    LOGIN "login": [may("userSig", Kind::Argument, "The token that proves who the user is; not looked at in the simulator.")];
    LOGOUT "logout": [];
    SET_SELF_INFO "setSelfInfo": [
        must("userName", Kind::Argument, "The new name."),
        may("avatarUrl", Kind::Argument, "The new picture.")
    ];
    CREATE_ROOM "createRoom": [
        ROOM_ID,
        may("roomName", Kind::Argument, "Its name. Default: the room id."),
        may("roomType", Kind::ApiEnum(ApiEnum::RoomType), "kConference (default) or kLive."),
        may("password", Kind::Argument, "What enterRoom must show."),
        may("maxMemberCount", Kind::Count, "How many members it takes. Default: 0, no limit."),
        may("scheduleAttendees", Kind::Users, "Who is scheduled to attend (ROOM-7).")
    ];
    DESTROY_ROOM "destroyRoom": [ROOM_ID];
    ENTER_ROOM "enterRoom": [ROOM_ID, may("password", Kind::Argument, "For a room that wants one.")];
    EXIT_ROOM "exitRoom": [ROOM_ID];
    KICK "kickRemoteUserOutOfRoom": [ROOM_ID, must("userId", Kind::User, "Who goes.")];
    CHANGE_USER_ROLE "changeUserRole": [
        ROOM_ID,
        must("userId", Kind::User, "Whose role."),
        must("userRole", Kind::ApiEnum(ApiEnum::Role), "The new role; kRoomOwner hands the room over.")
    ];
    FETCH_ROOM_INFO "fetchRoomInfo": [ROOM_ID];
    UPDATE_ROOM_NAME "updateRoomNameByAdmin": [ROOM_ID, must("roomName", Kind::Argument, "Its new name.")];
    ADD_ATTENDEES "addAttendeesByAdmin": [ROOM_ID, USER_ID_LIST];
    REMOVE_ATTENDEES "removeAttendeesByAdmin": [ROOM_ID, USER_ID_LIST];
    FETCH_ATTENDEES "fetchAttendeeList": [ROOM_ID];
    GET_USER_LIST "getUserList": [ROOM_ID];
    INVITE_USERS "inviteUsers": [
        ROOM_ID,
        USER_ID_LIST,
        may("timeout", Kind::Seconds, "Seconds until the call gives up, or a duration; 0 (default) means never. Also .nan, .inf and -1, which the library must refuse."),
        may("extensionInfo", Kind::Argument, "Handed to the invitee byte for byte.")
    ];
    CANCEL_INVITATION "cancelInvitation": [ROOM_ID, USER_ID_LIST];
    ACCEPT "accept": [ROOM_ID];
    REJECT "reject": [ROOM_ID, may("reason", Kind::ApiEnum(ApiEnum::RejectedReason), "kRejectToEnter (default) or kInOtherConference; any other number must be refused.")];
    FETCH_NOT_ENTERED "fetchNotEnteredList": [ROOM_ID];
    GET_INVITATION_LIST "getInvitationList": [
        ROOM_ID,
        may(
            "cursor",
            Kind::Cursor,
            "Empty (default) for the first page, then what the last page returned: `{of: alice.web}` is the cursor that alice.web was given with the latest page that it read before this step, empty if it has read none."
        ),
        may("count", Kind::Number, "The page size; 0 (default) means the service's own.")
    ];
}

/// The arguments of an operation.
#[must_use]
pub const fn arguments(operation: OperationName) -> &'static Object {
    match operation {
        OperationName::Login => &LOGIN,
        OperationName::Logout => &LOGOUT,
        OperationName::SetSelfInfo => &SET_SELF_INFO,
        OperationName::CreateRoom => &CREATE_ROOM,
        OperationName::DestroyRoom => &DESTROY_ROOM,
        OperationName::EnterRoom => &ENTER_ROOM,
        OperationName::ExitRoom => &EXIT_ROOM,
        OperationName::KickRemoteUserOutOfRoom => &KICK,
        OperationName::ChangeUserRole => &CHANGE_USER_ROLE,
        OperationName::FetchRoomInfo => &FETCH_ROOM_INFO,
        OperationName::UpdateRoomNameByAdmin => &UPDATE_ROOM_NAME,
        OperationName::AddAttendeesByAdmin => &ADD_ATTENDEES,
        OperationName::RemoveAttendeesByAdmin => &REMOVE_ATTENDEES,
        OperationName::FetchAttendeeList => &FETCH_ATTENDEES,
        OperationName::GetUserList => &GET_USER_LIST,
        OperationName::InviteUsers => &INVITE_USERS,
        OperationName::CancelInvitation => &CANCEL_INVITATION,
        OperationName::Accept => &ACCEPT,
        OperationName::Reject => &REJECT,
        OperationName::GetInvitationList => &GET_INVITATION_LIST,
        OperationName::FetchNotEnteredList => &FETCH_NOT_ENTERED,
    }
}
