//! The API's own words and numbers.
//!
//! Enumerations carry the names and values of the official type declarations (version 3.4.4); identifiers are as given,
//! and each has one function that says whether it is well formed.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<Arc<str>> for $name {
            fn from(text: Arc<str>) -> Self {
                Self(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    )*};
}

names! {
    /// `userId`: names an account.
    UserId;
    /// `roomId`, as given; [`RoomId::is_well_formed`] says whether a room may have it.
    RoomId;
    /// `deviceId`: names one installation of the client library. It survives reconnects and restarts (DEV-5).
    DeviceId;
    /// The id of a request, unique to its (userId, deviceId) for ever (IDM-1).
    RequestId;
    /// What a device shows to resume a session.
    SessionToken;
    /// `cursor` of getInvitationList: opaque to the client (LST-5).
    Cursor;
}

impl RoomId {
    /// The most bytes that a room id may have (ERR-2).
    pub const BYTES_MAX: usize = 64;

    /// ERR-2: 1 to 64 bytes of printable ASCII other than `"`, `'`, `*`, `/`, `\` and the backtick.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let bytes = self.0.as_bytes();
        (1..=Self::BYTES_MAX).contains(&bytes.len())
            && bytes
                .iter()
                .all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\'' | b'*' | b'/' | b'\\' | b'`'))
    }
}

macro_rules! api_enums {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal $api:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name { $($(#[$vdoc])* $variant = $number,)* }

        impl $name {
            /// Every member, in the order of the declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The API's number.
            #[must_use]
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// The API's name, such as `kPending`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $api,)* }
            }

            /// The member with this API name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|member| member.name() == name)
            }

            /// The member with this API number.
            #[must_use]
            pub fn from_number(number: u64) -> Option<Self> {
                Self::ALL.iter().copied().find(|member| u64::from(member.number()) == number)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u8(self.number())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let number = u64::deserialize(deserializer)?;
                Self::from_number(number).ok_or_else(|| {
                    serde::de::Error::custom(format_args!("{number} is no {}; known are {}", stringify!($name),
                        Self::ALL.iter().map(|m| format!("{} ({})", m.number(), m.name())).collect::<Vec<_>>().join(", ")))
                })
            }
        }
    )*};
}

api_enums! {
    /// `TUIInvitationStatus`.
    InvitationStatus {
        /// No invitation: what Cancelled, Revoked and Removed carry (EVT-6).
        None = 0 "kNone",
        /// Ringing.
        Pending = 1 "kPending",
        /// Nobody answered before the deadline.
        Timeout = 2 "kTimeout",
        /// Accepted, not yet in the room.
        Accepted = 3 "kAccepted",
        /// Declined.
        Rejected = 4 "kRejected",
    }
    /// `TUIInvitationCode`: what inviteUsers says of one user.
    InvitationCode {
        /// An attempt began.
        Success = 0 "kSuccess",
        /// The user is already being called to this room.
        AlreadyInInvitationList = 1 "kAlreadyInInvitationList",
        /// The user is in the room.
        AlreadyInConference = 2 "kAlreadyInConference",
    }
    /// `TUIInvitationRejectedReason`.
    RejectedReason {
        /// Declined.
        RejectToEnter = 0 "kRejectToEnter",
        /// Busy in another conference.
        InOtherConference = 1 "kInOtherConference",
    }
    /// `TUIRole`.
    Role {
        /// The owner of the room.
        RoomOwner = 0 "kRoomOwner",
        /// An administrator, for as long as the user stays in the room (CAN-3).
        Administrator = 1 "kAdministrator",
        /// Everybody else.
        GeneralUser = 2 "kGeneralUser",
    }
    /// `TUIRoomType`.
    RoomType {
        /// The only type that has invitations (ROOM-3).
        Conference = 1 "kConference",
        /// A live-streaming room.
        Live = 2 "kLive",
    }
    /// `TUIKickedOutOfRoomReason`.
    KickedOutOfRoomReason {
        /// By an administrator or the owner.
        KickedByAdmin = 0 "kKickedByAdmin",
        /// The same user entered from another device (ROOM-8).
        KickedByLoggedOnOtherDevice = 1 "kKickedByLoggedOnOtherDevice",
        /// By the server.
        KickedByServer = 2 "kKickedByServer",
        /// The network failed.
        NetworkDisconnected = 3 "kNetworkDisconnected",
        /// The session ended while the device was offline, and its place in the room with it (TERM-2).
        JoinRoomStatusInvalidDuringOffline = 4 "kJoinRoomStatusInvalidDuringOffline",
        /// Too many rooms.
        CountOfJoinedRoomsExceedLimit = 5 "kCountOfJoinedRoomsExceedLimit",
    }
    /// `TUIRoomDismissedReason`.
    RoomDismissedReason {
        /// destroyRoom by the owner.
        ByOwner = 1 "kByOwner",
        /// By the server.
        ByServer = 2 "kByServer",
    }
}

macro_rules! name_enums {
    ($($(#[$doc:meta])* $name:ident { $($(#[doc = $vdoc:literal])* $variant:ident $api:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum $name { $($(#[doc = $vdoc])* #[serde(rename = $api)] $variant,)* }

        impl $name {
            /// Every member, in the order of the declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The API's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $api,)* }
            }

            /// What it is, in a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($vdoc),*).trim(),)* }
            }

            /// The member with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|member| member.name() == name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    )*};
}

name_enums! {
    /// The operations of the API that Convoke knows.
    OperationName {
        /// Begins a session.
        Login "login",
        /// Ends the session.
        Logout "logout",
        /// Changes the caller's own name and avatar.
        SetSelfInfo "setSelfInfo",
        /// Creates a room; its creator is the owner and not yet in it.
        CreateRoom "createRoom",
        /// Dissolves a room (ROOM-5).
        DestroyRoom "destroyRoom",
        /// Enters a room.
        EnterRoom "enterRoom",
        /// Leaves a room.
        ExitRoom "exitRoom",
        /// Throws a member out.
        KickRemoteUserOutOfRoom "kickRemoteUserOutOfRoom",
        /// Makes a member administrator, general user or owner.
        ChangeUserRole "changeUserRole",
        /// Reads the room's information.
        FetchRoomInfo "fetchRoomInfo",
        /// Renames the room.
        UpdateRoomNameByAdmin "updateRoomNameByAdmin",
        /// Adds scheduled attendees.
        AddAttendeesByAdmin "addAttendeesByAdmin",
        /// Removes scheduled attendees.
        RemoveAttendeesByAdmin "removeAttendeesByAdmin",
        /// Reads the scheduled attendees.
        FetchAttendeeList "fetchAttendeeList",
        /// Reads the members, in the order of entry.
        GetUserList "getUserList",
        /// Calls users in.
        InviteUsers "inviteUsers",
        /// Ends pending calls: by their inviter a cancel, by the owner or an administrator a revocation.
        CancelInvitation "cancelInvitation",
        /// Answers yes.
        Accept "accept",
        /// Answers no.
        Reject "reject",
        /// Reads one page of the invitations.
        GetInvitationList "getInvitationList",
        /// Who is called or scheduled and not in the room (ROOM-7). The client library answers it from what it knows of the
        /// room that it is in; it is an extension of the API and never sent.
        FetchNotEnteredList "fetchNotEnteredList",
    }
    /// The events that an application can hear.
    EventName {
        /// A call comes in.
        ReceiveInvitation "onReceiveInvitation",
        /// Another device of the same user answered.
        InvitationHandledByOtherDevice "onInvitationHandledByOtherDevice",
        /// The inviter took the call back.
        InvitationCancelled "onInvitationCancelled",
        /// The invitee accepted.
        InvitationAccepted "onInvitationAccepted",
        /// The invitee declined.
        InvitationRejected "onInvitationRejected",
        /// Nobody answered in time.
        InvitationTimeout "onInvitationTimeout",
        /// The owner or an administrator ended the call, or the room was dissolved.
        InvitationRevokedByAdmin "onInvitationRevokedByAdmin",
        /// The room's list has a new attempt.
        InvitationAdded "onInvitationAdded",
        /// An entry left the room's list.
        InvitationRemoved "onInvitationRemoved",
        /// An entry was answered or timed out.
        InvitationStatusChanged "onInvitationStatusChanged",
        /// Somebody entered the room.
        RemoteUserEnterRoom "onRemoteUserEnterRoom",
        /// Somebody left the room.
        RemoteUserLeaveRoom "onRemoteUserLeaveRoom",
        /// The room was dissolved.
        RoomDismissed "onRoomDismissed",
        /// This device is no longer in the room.
        KickedOutOfRoom "onKickedOutOfRoom",
        /// This session was ended by a newer login (DEV-9).
        KickedOffLine "onKickedOffLine",
        /// Somebody's role changed.
        UserRoleChanged "onUserRoleChanged",
        /// The scheduled attendees changed.
        ScheduleAttendeesChanged "onScheduleAttendeesChanged",
    }
    /// The kinds of machine on which a device runs. A user has at most one session on each (DEV-9).
    Platform {
        /// A browser.
        Web "web",
        /// A phone.
        Phone "phone",
        /// A tablet.
        Tablet "tablet",
        /// A desktop program.
        Desktop "desktop",
        /// A television or room system.
        Tv "tv",
    }
}

impl OperationName {
    /// Whether the operation can change state on the server. Requests that only read always execute (IDM-1).
    #[must_use]
    pub const fn changes_state(self) -> bool {
        !matches!(
            self,
            Self::FetchRoomInfo
                | Self::FetchAttendeeList
                | Self::GetUserList
                | Self::GetInvitationList
                | Self::FetchNotEnteredList
        )
    }

    /// Whether it is one of the five of TUIConferenceInvitationManager.
    #[must_use]
    pub const fn is_invitation(self) -> bool {
        matches!(
            self,
            Self::InviteUsers | Self::CancelInvitation | Self::Accept | Self::Reject | Self::GetInvitationList
        )
    }
}

impl EventName {
    /// Whether it is one of the ten of TUIConferenceInvitationManager.
    #[must_use]
    pub const fn is_invitation(self) -> bool {
        self.is_point() || self.is_list()
    }

    /// Whether it goes to the devices of one user rather than to the room.
    #[must_use]
    pub const fn is_point(self) -> bool {
        matches!(
            self,
            Self::ReceiveInvitation
                | Self::InvitationHandledByOtherDevice
                | Self::InvitationCancelled
                | Self::InvitationAccepted
                | Self::InvitationRejected
                | Self::InvitationTimeout
                | Self::InvitationRevokedByAdmin
        )
    }

    /// Whether it tells the members of a room about its list.
    #[must_use]
    pub const fn is_list(self) -> bool {
        matches!(self, Self::InvitationAdded | Self::InvitationRemoved | Self::InvitationStatusChanged)
    }

    /// Whether it ends the ring on an invitee's device.
    #[must_use]
    pub const fn closes_ring(self) -> bool {
        matches!(
            self,
            Self::InvitationHandledByOtherDevice
                | Self::InvitationCancelled
                | Self::InvitationTimeout
                | Self::InvitationRevokedByAdmin
        )
    }
}

/// A `TUIErrorCode`, as a number: codes that are not named here pass through (ERR-4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErrorCode(pub i32);

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])* $name:ident = $number:literal;)*) => {
        impl ErrorCode {
            $($(#[doc = $doc])* pub const $name: Self = Self($number);)*

            /// The codes that the protocol uses, with their names.
            pub const NAMED: &[(Self, &str)] = &[$((Self::$name, concat!("ERR_", stringify!($name))),)*];

            /// What a code that the protocol uses means, in a sentence.
            #[must_use]
            pub fn meaning(self) -> Option<&'static str> {
                match self { $(Self::$name => Some(concat!($($doc),*).trim()),)* _ => None }
            }
        }
    };
}

error_codes! {
    /// Failed, or the outcome is unknown (IDM-5).
    FAILED = -1;
    /// Too many calls, or overload (ERR-6).
    FREQ_LIMIT = -2;
    /// The same operation is under way on this device.
    REPEAT_OPERATION = -3;
    /// Acting on a room that one has left.
    ROOM_MISMATCH = -4;
    /// A parameter is not valid.
    INVALID_PARAMETER = -1001;
    /// Not logged in.
    SDK_NOT_INITIALIZED = -1002;
    /// No permission for a camera or microphone. Never authorisation (ERR-5).
    PERMISSION_DENIED = -1003;
    /// Not in a room.
    OPERATION_INVALID_BEFORE_ENTER_ROOM = -2101;
    /// The owner can't simply exit.
    EXIT_NOT_SUPPORTED_FOR_ROOM_OWNER = -2102;
    /// Not in a room of this type (ROOM-3).
    OPERATION_NOT_SUPPORTED_IN_CURRENT_ROOM_TYPE = -2103;
    /// The room id is malformed (ERR-2).
    ROOM_ID_INVALID = -2105;
    /// In another room already (ROOM-8).
    ALREADY_IN_OTHER_ROOM = -2108;
    /// No such account (INV-10).
    USER_NOT_EXIST = -2200;
    /// No live invitation for the caller (ACC-1).
    REQUEST_ID_INVALID = -2311;
    /// Internal error (ERR-6).
    SERVER_SYSTEM_ERROR = 100_001;
    /// The server's word for a bad parameter.
    SERVER_INVALID_PARAMETER = 100_002;
    /// A room of that id exists.
    ROOM_ID_OCCUPIED = 100_003;
    /// No room of that id.
    ROOM_ID_NOT_EXIST = 100_004;
    /// The caller, or the user named, is not in the room.
    USER_NOT_ENTERED = 100_005;
    /// Not allowed.
    NO_PERMISSION = 100_006;
    /// The room is full.
    ROOM_USER_FULL = 100_008;
    /// The room wants a password.
    NEED_PASSWORD = 100_018;
    /// The password is wrong.
    WRONG_PASSWORD = 100_019;
    /// Lost a race (DEV-3).
    REQUEST_CONFLICT = 100_102;
}

impl ErrorCode {
    /// The name in the type declarations, for the codes that the protocol uses.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Self::NAMED.iter().find(|(code, _)| *code == self).map(|(_, name)| *name)
    }

    /// The code with this name, such as `ERR_NO_PERMISSION`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(_, known)| *known == name).map(|(code, _)| *code)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a call fails (ERR-4).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiError {
    /// What kind of failure.
    pub code: ErrorCode,
    /// For people; never to be matched on.
    pub message: Arc<str>,
}

impl ApiError {
    /// An error with this code and text. A text that repeats what a peer sent is cut off where nobody reads on: results
    /// are kept (IDM-1).
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<Arc<str>>) -> Self {
        const BYTES_MAX: usize = 4096;
        let mut message = message.into();
        if message.len() > BYTES_MAX {
            message = format!("{}…", &message[..message.floor_char_boundary(BYTES_MAX)]).into();
        }
        Self { code, message }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code.name() {
            Some(name) => write!(f, "{} {name}: {}", self.code, self.message),
            None => write!(f, "{}: {}", self.code, self.message),
        }
    }
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

numbers! {
    /// Which life of a room: a room created again under the same id is another instance (ROOM-2). Never used twice.
    InstanceId(u64);
    /// How many commits an instance has seen (ORD-5). The first is 1: its creation.
    Revision(u64);
    /// Which ring of one user in one instance, from 1; never used twice in an instance (TERM-3).
    AttemptNo(u32);
}

/// The enumerations with their numbers, as a Markdown table.
#[must_use]
pub fn enumerations_markdown() -> String {
    let mut table = "| enumeration | members |\n|---|---|\n".to_owned();
    macro_rules! row {
        ($api:literal, $name:ident) => {
            let members: Vec<_> = $name::ALL.iter().map(|member| format!("{} {member}", member.number())).collect();
            table.push_str(&format!("| `{}` | {} |\n", $api, members.join(", ")));
        };
    }
    row!("TUIInvitationStatus", InvitationStatus);
    row!("TUIInvitationCode", InvitationCode);
    row!("TUIInvitationRejectedReason", RejectedReason);
    row!("TUIRole", Role);
    row!("TUIRoomType", RoomType);
    row!("TUIKickedOutOfRoomReason", KickedOutOfRoomReason);
    row!("TUIRoomDismissedReason", RoomDismissedReason);
    table
}

/// The error codes that the protocol uses, as a Markdown table.
#[must_use]
pub fn errors_markdown() -> String {
    let mut table = "| code | name | meaning |\n|---|---|---|\n".to_owned();
    for (code, name) in ErrorCode::NAMED {
        table.push_str(&format!("| {code} | {name} | {} |\n", code.meaning().expect("every named code has one")));
    }
    table
}

#[cfg(test)]
mod tests;
