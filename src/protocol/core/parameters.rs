//! Whether the arguments of a call are valid: the third place of ERR-1, the same on the client and on the server (ERR-2).
//!
//! Nothing here looks at state.

use super::cursor;
use crate::protocol::bounds::Bounds;
use crate::protocol::call::Call;
use crate::protocol::message::Malformed;
use crate::protocol::vocabulary::{ApiError, ErrorCode, OperationName, RoomId, UserId};
use crate::time::Duration;

/// Checks the arguments of a call, but for the cursor: its form is the business of the server that made it (LST-5), and
/// a client library that knew it would refuse the cursors of every other server.
///
/// # Errors
/// -2105 for the room id, -1001 for anything else; the message names the argument and what it must be.
pub fn check(call: &Call, bounds: &Bounds) -> Result<(), ApiError> {
    if let Some(room_id) = call.room_id() {
        check_room_id(room_id)?;
    }
    match call {
        Call::InviteUsers { user_id_list, timeout, extension_info, .. } => {
            check_ids(user_id_list, bounds)?;
            timeout_of(*timeout, bounds)?;
            let bytes = extension_info.len() as u64;
            if bytes > bounds.extension_info_max {
                return Err(invalid(format!(
                    "extensionInfo has {bytes} bytes; at most {} are allowed",
                    bounds.extension_info_max
                )));
            }
            Ok(())
        }
        Call::CancelInvitation { user_id_list, .. }
        | Call::AddAttendeesByAdmin { user_id_list, .. }
        | Call::RemoveAttendeesByAdmin { user_id_list, .. } => check_ids(user_id_list, bounds),
        Call::Reject { reason, .. } if !matches!(reason, 0 | 1) => {
            Err(invalid(format!("reason is {reason}; it must be 0 or 1")))
        }
        Call::GetInvitationList { count, .. } => page_size(*count, bounds).map(drop),
        Call::KickRemoteUserOutOfRoom { user_id, .. } | Call::ChangeUserRole { user_id, .. } => check_id(user_id),
        Call::SetSelfInfo { user_name, avatar_url } => {
            check_text("userName", user_name, bounds)?;
            check_text("avatarUrl", avatar_url, bounds)
        }
        Call::CreateRoom { room_name, password, .. } => {
            check_text("roomName", room_name, bounds)?;
            check_text("password", password, bounds)
        }
        Call::UpdateRoomNameByAdmin { room_name, .. } => check_text("roomName", room_name, bounds),
        _ => Ok(()),
    }
}

/// Checks the form of the cursor, where there is one.
pub(super) fn check_cursor(call: &Call) -> Result<(), ApiError> {
    match call {
        Call::GetInvitationList { cursor, .. } if !cursor.as_str().is_empty() && cursor::decode(cursor).is_none() => {
            Err(invalid("cursor is malformed; use '' or what the last page returned"))
        }
        _ => Ok(()),
    }
}

/// What is wrong with arguments of wrong types: as everywhere, the room id is looked at first (ERR-1).
#[must_use]
pub fn refusal(malformed: &Malformed) -> ApiError {
    // Calls without a room have no roomId to be wrong.
    let concerns_room = OperationName::from_name(&malformed.operation)
        .is_some_and(|name| !matches!(name, OperationName::Login | OperationName::Logout | OperationName::SetSelfInfo));
    let room_id = malformed.args.get("roomId").and_then(serde_json::Value::as_str).map(RoomId::from);
    if concerns_room && let Err(error) = check_room_id(&room_id.unwrap_or_else(|| RoomId::from(""))) {
        return error;
    }
    invalid(malformed.reason.as_str())
}

/// ERR-2.
fn check_room_id(room_id: &RoomId) -> Result<(), ApiError> {
    if room_id.is_well_formed() {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::ROOM_ID_INVALID,
        "roomId must be 1 to 64 bytes of printable ASCII without \" ' * / \\ and the backtick",
    ))
}

/// INV-9, CAN-9. The bound counts the ids as given, duplicates included.
fn check_ids(ids: &[UserId], bounds: &Bounds) -> Result<(), ApiError> {
    if ids.is_empty() {
        return Err(invalid("userIdList is empty"));
    }
    if ids.len() as u64 > bounds.ids_max {
        return Err(invalid(format!("userIdList has {} ids; at most {} are allowed", ids.len(), bounds.ids_max)));
    }
    ids.iter().try_for_each(check_id)
}

/// What a server keeps for as long as there is the room or the account, and sends with every event, has an end.
fn check_text(name: &str, text: &str, bounds: &Bounds) -> Result<(), ApiError> {
    if text.len() as u64 <= bounds.text_max {
        return Ok(());
    }
    Err(invalid(format!("{name} has {} bytes; at most {} are allowed", text.len(), bounds.text_max)))
}

fn check_id(id: &UserId) -> Result<(), ApiError> {
    if id.as_str().is_empty() { Err(invalid("a user id is empty")) } else { Ok(()) }
}

/// INV-11: `None` for 0, which never expires; fractions are rounded up to the millisecond.
pub fn timeout_of(seconds: f64, bounds: &Bounds) -> Result<Option<Duration>, ApiError> {
    let max = bounds.timeout_max;
    let max_seconds = max.as_nanos() as f64 / 1e9;
    if !(0.0..=max_seconds).contains(&seconds) {
        return Err(invalid(format!("timeout is {seconds}; it must be a number of seconds from 0 to {max_seconds}")));
    }
    if seconds == 0.0 {
        return Ok(None);
    }
    Ok(Some(to_the_millisecond(seconds)))
}

/// INV-11: a number of seconds above 0, rounded up to the millisecond. A number that was meant to be a whole millisecond and
/// is the sum or product of others, such as 0.1 + 0.2, may come out a few of its last bits above it: that is no fraction.
#[must_use]
pub fn to_the_millisecond(seconds: f64) -> Duration {
    const BITS: f64 = 4.0 * f64::EPSILON;
    let millis = seconds * 1000.0;
    let nearest = libm::round(millis);
    let is_whole = nearest > 0.0 && (millis - nearest).abs() <= nearest * BITS;
    Duration::from_millis(if is_whole { nearest } else { libm::ceil(millis) } as u64)
}

/// LST-4.
pub(super) fn page_size(count: f64, bounds: &Bounds) -> Result<usize, ApiError> {
    if !(count >= 0.0 && count == libm::floor(count) && count.is_finite()) {
        return Err(invalid(format!("count is {count}; it must be a whole number from 0")));
    }
    let size = if count == 0.0 { bounds.page_default } else { (count as u64).min(bounds.page_max) };
    Ok(usize::try_from(size).unwrap_or(usize::MAX))
}

pub(super) fn invalid(message: impl Into<std::sync::Arc<str>>) -> ApiError {
    ApiError::new(ErrorCode::INVALID_PARAMETER, message)
}

#[cfg(test)]
mod tests {
    use super::to_the_millisecond;

    #[test]
    fn a_fraction_of_a_millisecond_is_rounded_up_and_the_last_bits_of_a_number_are_none() {
        for (seconds, millis) in [
            (1.0, 1000),
            (1.0000000001, 1001),
            (0.001, 1),
            (1e-9, 1),
            (f64::MIN_POSITIVE, 1),
            (0.1 + 0.2, 300),
            (0.001 * 3.0, 3),
            (86_399.999, 86_399_999),
            (86_399.9990001, 86_400_000),
        ] {
            assert_eq!(to_the_millisecond(seconds).as_millis(), millis, "{seconds}");
        }
    }
}
