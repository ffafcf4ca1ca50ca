//! What events carry and calls return, on the API's field names: what a scenario can expect of them.
//!
//! Shapes only; the types are those of the protocol, and a test holds the two together.

use super::words::ApiEnum;
use crate::protocol::vocabulary::{
    EventName, InvitationCode, InvitationStatus, KickedOutOfRoomReason, OperationName, RejectedReason, Role,
    RoomDismissedReason, RoomType,
};

/// What a value of the API is.
#[derive(Debug)]
pub enum Shape {
    /// Nothing at all.
    Nothing,
    /// Text.
    Text,
    /// true or false.
    Bool,
    /// A number.
    Number,
    /// The id of a user.
    UserId,
    /// The id of a room.
    RoomId,
    /// A member of an enumeration.
    Enum(ApiEnum),
    /// An object with these fields.
    Object(&'static str, &'static [(&'static str, Shape)]),
    /// The same, by reference.
    Same(&'static Shape),
    /// A list.
    List(&'static Shape),
    /// inviteUsers: a code for each user.
    Codes,
    /// Anything: the operation of a raw request is not known.
    Any,
}

static ROOM_INFO: Shape = Shape::Object(
    "TUIRoomInfo",
    &[
        ("roomId", Shape::RoomId),
        ("roomName", Shape::Text),
        ("roomType", Shape::Enum(ApiEnum::RoomType)),
        ("ownerId", Shape::UserId),
        ("ownerName", Shape::Text),
        ("password", Shape::Text),
        ("createTime", Shape::Number),
        ("roomMemberCount", Shape::Number),
    ],
);

static USER_INFO: Shape = Shape::Object(
    "TUIUserInfo",
    &[
        ("userId", Shape::UserId),
        ("userName", Shape::Text),
        ("avatarUrl", Shape::Text),
        ("userRole", Shape::Enum(ApiEnum::Role)),
    ],
);

/// `TUIInvitation`.
pub static INVITATION: Shape = Shape::Object(
    "TUIInvitation",
    &[
        ("status", Shape::Enum(ApiEnum::Status)),
        ("invitee", Shape::Same(&USER_INFO)),
        ("inviter", Shape::Same(&USER_INFO)),
    ],
);

static NOT_ENTERED_USER: Shape = Shape::Object(
    "NotEnteredUser",
    &[("userId", Shape::UserId), ("userName", Shape::Text), ("status", Shape::Enum(ApiEnum::Status))],
);

/// The objects in payloads and results.
pub(super) static OBJECTS: [&Shape; 4] = [&ROOM_INFO, &USER_INFO, &INVITATION, &NOT_ENTERED_USER];

macro_rules! payloads {
    ($($variant:ident $name:literal: [$($key:literal: $shape:expr),*];)*) => {
        /// What an event carries.
        #[must_use]
        pub fn event(event: EventName) -> &'static Shape {
            match event {
                $(EventName::$variant => {
                    static SHAPE: Shape = Shape::Object($name, &[$(($key, $shape)),*]);
                    &SHAPE
                })*
            }
        }
    };
}

payloads! {
    ReceiveInvitation "onReceiveInvitation":
        ["roomInfo": Shape::Same(&ROOM_INFO), "invitation": Shape::Same(&INVITATION), "extensionInfo": Shape::Text];
    InvitationHandledByOtherDevice "onInvitationHandledByOtherDevice":
        ["roomInfo": Shape::Same(&ROOM_INFO), "accepted": Shape::Bool];
    InvitationCancelled "onInvitationCancelled":
        ["roomInfo": Shape::Same(&ROOM_INFO), "invitation": Shape::Same(&INVITATION)];
    InvitationAccepted "onInvitationAccepted":
        ["roomInfo": Shape::Same(&ROOM_INFO), "invitation": Shape::Same(&INVITATION)];
    InvitationRejected "onInvitationRejected": [
        "roomInfo": Shape::Same(&ROOM_INFO), "invitation": Shape::Same(&INVITATION),
        "reason": Shape::Enum(ApiEnum::RejectedReason)
    ];
    InvitationTimeout "onInvitationTimeout":
        ["roomInfo": Shape::Same(&ROOM_INFO), "invitation": Shape::Same(&INVITATION)];
    InvitationRevokedByAdmin "onInvitationRevokedByAdmin": [
        "roomInfo": Shape::Same(&ROOM_INFO), "invitation": Shape::Same(&INVITATION),
        "operateUser": Shape::Same(&USER_INFO)
    ];
    InvitationAdded "onInvitationAdded":
        ["roomId": Shape::RoomId, "roomInfo": Shape::Same(&ROOM_INFO), "invitation": Shape::Same(&INVITATION)];
    InvitationRemoved "onInvitationRemoved":
        ["roomId": Shape::RoomId, "roomInfo": Shape::Same(&ROOM_INFO), "invitation": Shape::Same(&INVITATION)];
    InvitationStatusChanged "onInvitationStatusChanged":
        ["roomId": Shape::RoomId, "roomInfo": Shape::Same(&ROOM_INFO), "invitation": Shape::Same(&INVITATION)];
    RemoteUserEnterRoom "onRemoteUserEnterRoom": ["roomId": Shape::RoomId, "userInfo": Shape::Same(&USER_INFO)];
    RemoteUserLeaveRoom "onRemoteUserLeaveRoom": ["roomId": Shape::RoomId, "userInfo": Shape::Same(&USER_INFO)];
    RoomDismissed "onRoomDismissed": ["roomId": Shape::RoomId, "reason": Shape::Enum(ApiEnum::DismissedReason)];
    KickedOutOfRoom "onKickedOutOfRoom":
        ["roomId": Shape::RoomId, "reason": Shape::Enum(ApiEnum::KickedReason), "message": Shape::Text];
    KickedOffLine "onKickedOffLine": ["message": Shape::Text];
    UserRoleChanged "onUserRoleChanged":
        ["roomId": Shape::RoomId, "userId": Shape::UserId, "userRole": Shape::Enum(ApiEnum::Role)];
    ScheduleAttendeesChanged "onScheduleAttendeesChanged":
        ["roomId": Shape::RoomId, "leftUsers": Shape::List(&USER_INFO), "joinedUsers": Shape::List(&USER_INFO)];
}

/// What a successful call returns.
#[must_use]
pub const fn reply(operation: OperationName) -> &'static Shape {
    static PAGE: Shape = Shape::Object(
        "the result of getInvitationList",
        &[("invitationList", Shape::List(&INVITATION)), ("cursor", Shape::Text)],
    );
    static USERS: Shape = Shape::List(&USER_INFO);
    static NOT_ENTERED: Shape = Shape::List(&NOT_ENTERED_USER);
    match operation {
        OperationName::InviteUsers => &Shape::Codes,
        OperationName::GetInvitationList => &PAGE,
        OperationName::FetchRoomInfo | OperationName::EnterRoom => &ROOM_INFO,
        OperationName::FetchAttendeeList | OperationName::GetUserList => &USERS,
        OperationName::FetchNotEnteredList => &NOT_ENTERED,
        _ => &Shape::Nothing,
    }
}

impl ApiEnum {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Status,
        Self::Code,
        Self::RejectedReason,
        Self::Role,
        Self::RoomType,
        Self::KickedReason,
        Self::DismissedReason,
    ];

    /// The members, with their names and numbers.
    #[must_use]
    pub fn members(self) -> Vec<(&'static str, u8)> {
        macro_rules! members {
            ($name:ident) => {
                $name::ALL.iter().map(|member| (member.name(), member.number())).collect()
            };
        }
        match self {
            Self::Status => members!(InvitationStatus),
            Self::Code => members!(InvitationCode),
            Self::RejectedReason => members!(RejectedReason),
            Self::Role => members!(Role),
            Self::RoomType => members!(RoomType),
            Self::KickedReason => members!(KickedOutOfRoomReason),
            Self::DismissedReason => members!(RoomDismissedReason),
        }
    }
}
