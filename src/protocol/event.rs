//! What an application hears: the events with their payloads, and the stamp that the wire adds.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::vocabulary::{
    AttemptNo, EventName, InstanceId, InvitationStatus, KickedOutOfRoomReason, RejectedReason, Revision, Role,
    RoomDismissedReason, RoomId, RoomType, UserId,
};

/// `TUIRoomInfo`, as far as invitations need it: a snapshot taken when the event's cause was committed (EVT-8).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoomInfo {
    /// The room.
    pub room_id: RoomId,
    /// Its name.
    pub room_name: Arc<str>,
    /// Its type.
    pub room_type: RoomType,
    /// Its owner.
    pub owner_id: UserId,
    /// The owner's name.
    pub owner_name: Arc<str>,
    /// Blank, except that Receive may carry it (SEC-4).
    pub password: Arc<str>,
    /// When it was created, in milliseconds of the server's clock.
    pub create_time: u64,
    /// How many users are in it.
    pub room_member_count: u32,
}

/// `TUIUserInfo`, as far as invitations need it (EVT-8).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserInfo {
    /// The account. Empty where the server itself acted (REV-4).
    pub user_id: UserId,
    /// The display name.
    pub user_name: Arc<str>,
    /// The picture.
    pub avatar_url: Arc<str>,
    /// The role in the room of the event.
    pub user_role: Role,
}

/// `TUIInvitation`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// The status just reached, or kNone where the entry is gone (EVT-6).
    pub status: InvitationStatus,
    /// Who is called.
    pub invitee: UserInfo,
    /// Who calls.
    pub inviter: UserInfo,
}

/// One event as the application hears it. Serialises as its payload, on the API's field names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
#[expect(missing_docs, reason = "the fields are the API's own; the variants are documented at EventName")]
pub enum Event {
    ReceiveInvitation {
        room_info: Arc<RoomInfo>,
        invitation: Arc<Invitation>,
        extension_info: Arc<str>,
    },
    InvitationHandledByOtherDevice {
        room_info: Arc<RoomInfo>,
        accepted: bool,
    },
    InvitationCancelled {
        room_info: Arc<RoomInfo>,
        invitation: Arc<Invitation>,
    },
    InvitationAccepted {
        room_info: Arc<RoomInfo>,
        invitation: Arc<Invitation>,
    },
    InvitationRejected {
        room_info: Arc<RoomInfo>,
        invitation: Arc<Invitation>,
        reason: RejectedReason,
    },
    InvitationTimeout {
        room_info: Arc<RoomInfo>,
        invitation: Arc<Invitation>,
    },
    InvitationRevokedByAdmin {
        room_info: Arc<RoomInfo>,
        invitation: Arc<Invitation>,
        operate_user: Arc<UserInfo>,
    },
    // EVT-2: the three list events carry both roomId and roomInfo. What has one alone can be read all the same, and is for
    // the checks to judge.
    InvitationAdded {
        #[serde(skip_serializing_if = "Option::is_none")]
        room_id: Option<RoomId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        room_info: Option<Arc<RoomInfo>>,
        invitation: Arc<Invitation>,
    },
    InvitationRemoved {
        #[serde(skip_serializing_if = "Option::is_none")]
        room_id: Option<RoomId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        room_info: Option<Arc<RoomInfo>>,
        invitation: Arc<Invitation>,
    },
    InvitationStatusChanged {
        #[serde(skip_serializing_if = "Option::is_none")]
        room_id: Option<RoomId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        room_info: Option<Arc<RoomInfo>>,
        invitation: Arc<Invitation>,
    },
    RemoteUserEnterRoom {
        room_id: RoomId,
        user_info: Arc<UserInfo>,
    },
    RemoteUserLeaveRoom {
        room_id: RoomId,
        user_info: Arc<UserInfo>,
    },
    RoomDismissed {
        room_id: RoomId,
        reason: RoomDismissedReason,
    },
    KickedOutOfRoom {
        room_id: RoomId,
        reason: KickedOutOfRoomReason,
        message: Arc<str>,
    },
    KickedOffLine {
        message: Arc<str>,
    },
    UserRoleChanged {
        room_id: RoomId,
        user_id: UserId,
        user_role: Role,
    },
    ScheduleAttendeesChanged {
        room_id: RoomId,
        left_users: Vec<UserInfo>,
        joined_users: Vec<UserInfo>,
    },
}

impl Event {
    /// Which event it is.
    #[must_use]
    pub const fn name(&self) -> EventName {
        match self {
            Self::ReceiveInvitation { .. } => EventName::ReceiveInvitation,
            Self::InvitationHandledByOtherDevice { .. } => EventName::InvitationHandledByOtherDevice,
            Self::InvitationCancelled { .. } => EventName::InvitationCancelled,
            Self::InvitationAccepted { .. } => EventName::InvitationAccepted,
            Self::InvitationRejected { .. } => EventName::InvitationRejected,
            Self::InvitationTimeout { .. } => EventName::InvitationTimeout,
            Self::InvitationRevokedByAdmin { .. } => EventName::InvitationRevokedByAdmin,
            Self::InvitationAdded { .. } => EventName::InvitationAdded,
            Self::InvitationRemoved { .. } => EventName::InvitationRemoved,
            Self::InvitationStatusChanged { .. } => EventName::InvitationStatusChanged,
            Self::RemoteUserEnterRoom { .. } => EventName::RemoteUserEnterRoom,
            Self::RemoteUserLeaveRoom { .. } => EventName::RemoteUserLeaveRoom,
            Self::RoomDismissed { .. } => EventName::RoomDismissed,
            Self::KickedOutOfRoom { .. } => EventName::KickedOutOfRoom,
            Self::KickedOffLine { .. } => EventName::KickedOffLine,
            Self::UserRoleChanged { .. } => EventName::UserRoleChanged,
            Self::ScheduleAttendeesChanged { .. } => EventName::ScheduleAttendeesChanged,
        }
    }

    /// The room that it is about. onKickedOffLine is about none.
    #[must_use]
    pub fn room_id(&self) -> Option<&RoomId> {
        match self {
            Self::ReceiveInvitation { room_info, .. }
            | Self::InvitationHandledByOtherDevice { room_info, .. }
            | Self::InvitationCancelled { room_info, .. }
            | Self::InvitationAccepted { room_info, .. }
            | Self::InvitationRejected { room_info, .. }
            | Self::InvitationTimeout { room_info, .. }
            | Self::InvitationRevokedByAdmin { room_info, .. } => Some(&room_info.room_id),
            Self::InvitationAdded { room_id, room_info, .. }
            | Self::InvitationRemoved { room_id, room_info, .. }
            | Self::InvitationStatusChanged { room_id, room_info, .. } => {
                room_id.as_ref().or_else(|| room_info.as_ref().map(|info| &info.room_id))
            }
            Self::RemoteUserEnterRoom { room_id, .. }
            | Self::RemoteUserLeaveRoom { room_id, .. }
            | Self::RoomDismissed { room_id, .. }
            | Self::KickedOutOfRoom { room_id, .. }
            | Self::UserRoleChanged { room_id, .. }
            | Self::ScheduleAttendeesChanged { room_id, .. } => Some(room_id),
            Self::KickedOffLine { .. } => None,
        }
    }

    /// The invitation in the payload, if there is one.
    #[must_use]
    pub const fn invitation(&self) -> Option<&Arc<Invitation>> {
        match self {
            Self::ReceiveInvitation { invitation, .. }
            | Self::InvitationCancelled { invitation, .. }
            | Self::InvitationAccepted { invitation, .. }
            | Self::InvitationRejected { invitation, .. }
            | Self::InvitationTimeout { invitation, .. }
            | Self::InvitationRevokedByAdmin { invitation, .. }
            | Self::InvitationAdded { invitation, .. }
            | Self::InvitationRemoved { invitation, .. }
            | Self::InvitationStatusChanged { invitation, .. } => Some(invitation),
            _ => None,
        }
    }

    /// The room's information in the payload, if it is there.
    #[must_use]
    pub const fn room_info(&self) -> Option<&Arc<RoomInfo>> {
        match self {
            Self::ReceiveInvitation { room_info, .. }
            | Self::InvitationHandledByOtherDevice { room_info, .. }
            | Self::InvitationCancelled { room_info, .. }
            | Self::InvitationAccepted { room_info, .. }
            | Self::InvitationRejected { room_info, .. }
            | Self::InvitationTimeout { room_info, .. }
            | Self::InvitationRevokedByAdmin { room_info, .. } => Some(room_info),
            Self::InvitationAdded { room_info, .. }
            | Self::InvitationRemoved { room_info, .. }
            | Self::InvitationStatusChanged { room_info, .. } => room_info.as_ref(),
            _ => None,
        }
    }

    /// For the three list events, whether `roomId` stands in the payload, and whether `roomInfo` does (EVT-2).
    #[must_use]
    pub const fn named_by(&self) -> Option<(bool, bool)> {
        match self {
            Self::InvitationAdded { room_id, room_info, .. }
            | Self::InvitationRemoved { room_id, room_info, .. }
            | Self::InvitationStatusChanged { room_id, room_info, .. } => {
                Some((room_id.is_some(), room_info.is_some()))
            }
            _ => None,
        }
    }

    /// The payload, on the API's field names.
    #[must_use]
    pub fn to_api_json(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("payloads have string keys and finite numbers")
    }
}

/// An event on the wire: what the application hears, and where it stands (ORD-5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StampedEvent {
    /// Where it stands; absent for what belongs to no room instance (onKickedOffLine).
    pub stamp: Option<Stamp>,
    /// What the application hears.
    pub event: Event,
}

/// Where an event stands in the life of a room (ORD-5). Not part of the public API.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    /// Which life of the room.
    pub instance: InstanceId,
    /// After how many commits of the instance.
    pub revision: Revision,
    /// The attempt that it is about; absent for events about no invitation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<AttemptOf>,
}

/// One attempt of one invitee, within an instance.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttemptOf {
    /// Who is called.
    pub invitee: UserId,
    /// Which ring of that user.
    pub attempt: AttemptNo,
}

/// What a push notification would carry: the five keys observed in shipped clients, and whom it is for (REC-6).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PushHint {
    /// For whom.
    pub user_id: UserId,
    /// `RoomId`.
    pub room_id: RoomId,
    /// `RoomName`.
    pub room_name: Arc<str>,
    /// `OwnerName`.
    pub owner_name: Arc<str>,
    /// `MemberCount`.
    pub member_count: u32,
}

impl PushHint {
    /// `NotificationType`, the fifth key.
    pub const NOTIFICATION_TYPE: &str = "conference_invitation";
}
