//! Every message that the types can hold, with the letters that a codec can stumble over.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::protocol::call::{AttemptRef, DeviceIdentity, InvitationPage, ListItem, Reply};
use crate::protocol::event::{AttemptOf, Invitation, RoomInfo, Stamp, StampedEvent, UserInfo};
use crate::protocol::message::{Login, Request, Response, Resume, RoomPoint};
use crate::protocol::vocabulary::{
    ApiError, AttemptNo, ErrorCode, InstanceId, InvitationCode, InvitationStatus, KickedOutOfRoomReason, Platform,
    RejectedReason, Revision, Role, RoomDismissedReason, RoomType,
};

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,8}", "[ -~]{0,12}", "\\PC{0,6}", Just("\0\n\u{2028}\"\\/\u{1f600}".to_owned())]
}

fn name<T: From<String> + fmt::Debug>() -> impl Strategy<Value = T> {
    text().prop_map(T::from)
}

fn shared() -> impl Strategy<Value = Arc<str>> {
    text().prop_map(Arc::from)
}

fn one_of<T: Copy + fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(all)
}

fn names<T: From<String> + fmt::Debug>() -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(name(), 0..4)
}

fn number() -> impl Strategy<Value = f64> {
    let finite = any::<f64>().prop_filter("JSON has finite numbers only", |number| number.is_finite());
    prop_oneof![finite, (-2_i32..100).prop_map(f64::from), Just(86_400.0), Just(0.0001), Just(9e15), Just(1e16)]
}

fn attempt() -> impl Strategy<Value = Option<AttemptRef>> {
    prop::option::of(
        (any::<u64>(), any::<u32>())
            .prop_map(|(instance, attempt)| AttemptRef { instance: InstanceId(instance), attempt: AttemptNo(attempt) }),
    )
}

pub(super) fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        shared().prop_map(|user_sig| Call::Login { user_sig }),
        Just(Call::Logout {}),
        (shared(), shared()).prop_map(|(user_name, avatar_url)| Call::SetSelfInfo { user_name, avatar_url }),
        (name(), shared(), one_of(RoomType::ALL), shared(), any::<u32>(), names()).prop_map(
            |(room_id, room_name, room_type, password, max_member_count, schedule_attendees)| Call::CreateRoom {
                room_id,
                room_name,
                room_type,
                password,
                max_member_count,
                schedule_attendees,
            }
        ),
        name().prop_map(|room_id| Call::DestroyRoom { room_id }),
        (name(), shared()).prop_map(|(room_id, password)| Call::EnterRoom { room_id, password }),
        name().prop_map(|room_id| Call::ExitRoom { room_id }),
        (name(), name()).prop_map(|(room_id, user_id)| Call::KickRemoteUserOutOfRoom { room_id, user_id }),
        (name(), name(), one_of(Role::ALL)).prop_map(|(room_id, user_id, user_role)| Call::ChangeUserRole {
            room_id,
            user_id,
            user_role
        }),
        name().prop_map(|room_id| Call::FetchRoomInfo { room_id }),
        (name(), shared()).prop_map(|(room_id, room_name)| Call::UpdateRoomNameByAdmin { room_id, room_name }),
        (name(), names()).prop_map(|(room_id, user_id_list)| Call::AddAttendeesByAdmin { room_id, user_id_list }),
        (name(), names()).prop_map(|(room_id, user_id_list)| Call::RemoveAttendeesByAdmin { room_id, user_id_list }),
        name().prop_map(|room_id| Call::FetchAttendeeList { room_id }),
        name().prop_map(|room_id| Call::GetUserList { room_id }),
        name().prop_map(|room_id| Call::FetchNotEnteredList { room_id }),
        (name(), names(), number(), shared()).prop_map(|(room_id, user_id_list, timeout, extension_info)| {
            Call::InviteUsers { room_id, user_id_list, timeout, extension_info }
        }),
        (name(), names()).prop_map(|(room_id, user_id_list)| Call::CancelInvitation { room_id, user_id_list }),
        (name(), attempt()).prop_map(|(room_id, attempt)| Call::Accept { room_id, attempt }),
        (name(), any::<i64>(), attempt()).prop_map(|(room_id, reason, attempt)| Call::Reject {
            room_id,
            reason,
            attempt
        }),
        (name(), name(), number()).prop_map(|(room_id, cursor, count)| Call::GetInvitationList {
            room_id,
            cursor,
            count
        }),
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        number().prop_map(Value::from),
        text().prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(text(), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        4 => call().prop_map(|call| Content::Call(call.into())),
        1 => (prop_oneof![text(), one_of(OperationName::ALL).prop_map(|name| name.to_string())], json())
            .prop_map(|(operation, args)| content_from(&operation, args)),
    ]
}

fn identity() -> impl Strategy<Value = DeviceIdentity> {
    (name(), name(), one_of(Platform::ALL)).prop_map(|(user_id, device_id, platform)| DeviceIdentity {
        user_id,
        device_id,
        platform,
    })
}

pub(super) fn client_message() -> impl Strategy<Value = ClientMessage> {
    let resume = (name(), any::<u64>()).prop_map(|(session, received)| Resume { session, received });
    prop_oneof![
        1 => (identity(), shared(), prop::option::of(resume))
            .prop_map(|(identity, user_sig, resume)| ClientMessage::Login(Login { identity, user_sig, resume }.into())),
        4 => (name(), any::<u64>(), content())
            .prop_map(|(id, received, content)| ClientMessage::Request(Request { id, received, content }.into())),
        1 => any::<u64>().prop_map(|received| ClientMessage::Acknowledge { received }),
    ]
}

fn user() -> impl Strategy<Value = UserInfo> {
    (name(), shared(), shared(), one_of(Role::ALL)).prop_map(|(user_id, user_name, avatar_url, user_role)| UserInfo {
        user_id,
        user_name,
        avatar_url,
        user_role,
    })
}

fn room() -> impl Strategy<Value = Arc<RoomInfo>> {
    (name(), shared(), one_of(RoomType::ALL), name(), shared(), shared(), any::<u64>(), any::<u32>()).prop_map(
        |(room_id, room_name, room_type, owner_id, owner_name, password, create_time, room_member_count)| {
            Arc::new(RoomInfo {
                room_id,
                room_name,
                room_type,
                owner_id,
                owner_name,
                password,
                create_time,
                room_member_count,
            })
        },
    )
}

fn invitation() -> impl Strategy<Value = Arc<Invitation>> {
    (one_of(InvitationStatus::ALL), user(), user())
        .prop_map(|(status, invitee, inviter)| Arc::new(Invitation { status, invitee, inviter }))
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let both = || (room(), invitation());
    let listed = || (name().prop_map(Some), room().prop_map(Some), invitation());
    let users = || prop::collection::vec(user(), 0..3);
    prop_oneof![
        (both(), shared()).prop_map(|((room_info, invitation), extension_info)| Event::ReceiveInvitation {
            room_info,
            invitation,
            extension_info
        }),
        (room(), any::<bool>())
            .prop_map(|(room_info, accepted)| Event::InvitationHandledByOtherDevice { room_info, accepted }),
        both().prop_map(|(room_info, invitation)| Event::InvitationCancelled { room_info, invitation }),
        both().prop_map(|(room_info, invitation)| Event::InvitationAccepted { room_info, invitation }),
        (both(), one_of(RejectedReason::ALL)).prop_map(|((room_info, invitation), reason)| {
            Event::InvitationRejected { room_info, invitation, reason }
        }),
        both().prop_map(|(room_info, invitation)| Event::InvitationTimeout { room_info, invitation }),
        (both(), user()).prop_map(|((room_info, invitation), operator)| Event::InvitationRevokedByAdmin {
            room_info,
            invitation,
            operate_user: operator.into()
        }),
        listed().prop_map(|(room_id, room_info, invitation)| Event::InvitationAdded { room_id, room_info, invitation }),
        listed().prop_map(|(room_id, room_info, invitation)| Event::InvitationRemoved {
            room_id,
            room_info,
            invitation
        }),
        listed().prop_map(|(room_id, room_info, invitation)| Event::InvitationStatusChanged {
            room_id,
            room_info,
            invitation
        }),
        (name(), user()).prop_map(|(room_id, user)| Event::RemoteUserEnterRoom { room_id, user_info: user.into() }),
        (name(), user()).prop_map(|(room_id, user)| Event::RemoteUserLeaveRoom { room_id, user_info: user.into() }),
        (name(), one_of(RoomDismissedReason::ALL))
            .prop_map(|(room_id, reason)| Event::RoomDismissed { room_id, reason }),
        (name(), one_of(KickedOutOfRoomReason::ALL), shared())
            .prop_map(|(room_id, reason, message)| Event::KickedOutOfRoom { room_id, reason, message }),
        shared().prop_map(|message| Event::KickedOffLine { message }),
        (name(), name(), one_of(Role::ALL)).prop_map(|(room_id, user_id, user_role)| Event::UserRoleChanged {
            room_id,
            user_id,
            user_role
        }),
        (name(), users(), users()).prop_map(|(room_id, left_users, joined_users)| {
            Event::ScheduleAttendeesChanged { room_id, left_users, joined_users }
        }),
    ]
}

fn error() -> impl Strategy<Value = ApiError> {
    (any::<i32>(), text()).prop_map(|(code, message)| ApiError::new(ErrorCode(code), message))
}

pub(super) fn reply() -> impl Strategy<Value = Reply> {
    let item = (invitation(), any::<u32>(), any::<u64>()).prop_map(|(invitation, attempt, revision)| ListItem {
        invitation,
        attempt: AttemptNo(attempt),
        revision: Revision(revision),
    });
    prop_oneof![
        Just(Reply::Void),
        prop::collection::vec((name(), one_of(InvitationCode::ALL)), 0..4)
            .prop_map(|codes| Reply::Invited(codes.into())),
        (prop::collection::vec(item, 0..3), name())
            .prop_map(|(invitation_list, cursor)| Reply::List(InvitationPage { invitation_list, cursor }.into())),
        room().prop_map(Reply::RoomInfo),
        prop::collection::vec(user(), 0..3).prop_map(|users| Reply::Attendees(users.into())),
        prop::collection::vec(user(), 0..3).prop_map(|users| Reply::Members(users.into())),
    ]
}

pub(super) fn server_message() -> impl Strategy<Value = ServerMessage> {
    let point = || (any::<u64>(), any::<u64>());
    let at = point()
        .prop_map(|(instance, revision)| RoomPoint { instance: InstanceId(instance), revision: Revision(revision) });
    let about =
        (name(), any::<u32>()).prop_map(|(invitee, attempt)| AttemptOf { invitee, attempt: AttemptNo(attempt) });
    let stamp = (point(), prop::option::of(about)).prop_map(|((instance, revision), about)| Stamp {
        instance: InstanceId(instance),
        revision: Revision(revision),
        about,
    });
    prop_oneof![
        1 => (name(), any::<bool>()).prop_map(|(session, resumed)| ServerMessage::LoggedIn { session, resumed }),
        1 => error().prop_map(|error| ServerMessage::Refused { error }),
        4 => (name(), prop::result::maybe_ok(reply(), error()), prop::option::of(at))
            .prop_map(|(id, result, at)| ServerMessage::Response(Response { id, result, at }.into())),
        4 => (any::<u64>(), prop::option::of(stamp), event()).prop_map(|(seq, stamp, event)| {
            ServerMessage::Event { seq, event: StampedEvent { stamp, event }.into() }
        }),
    ]
}
