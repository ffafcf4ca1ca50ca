//! Cursors of getInvitationList: opaque to the client, bound to the room instance and the caller (LST-5).
//!
//! A cursor is four hexadecimal numbers: instance, place of the last item shown, a hash of the caller's id, and a check
//! sum that tells a malformed cursor from a foreign one. It protects against accidents; it is no secret, since the server
//! asks again who the caller is.

use crate::protocol::vocabulary::{Cursor, InstanceId, UserId};
use crate::seed::fnv1a;

/// What a cursor says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Position {
    pub(super) instance: InstanceId,
    /// Items at greater places come next.
    pub(super) after: u64,
    pub(super) caller: u64,
}

pub(super) fn caller_mark(user: &UserId) -> u64 {
    fnv1a(user.as_str().as_bytes())
}

pub(super) fn encode(position: Position) -> Cursor {
    let body = format!("{:x}.{:x}.{:x}", position.instance.0, position.after, position.caller);
    Cursor::from(format!("{body}.{:x}", fnv1a(body.as_bytes())))
}

/// `None` when it is malformed.
pub(super) fn decode(cursor: &Cursor) -> Option<Position> {
    let (body, check) = cursor.as_str().rsplit_once('.')?;
    let mut numbers = body.split('.').map(|number| u64::from_str_radix(number, 16).ok());
    let position =
        Position { instance: InstanceId(numbers.next()??), after: numbers.next()??, caller: numbers.next()?? };
    // Encoding again refuses every other spelling of the same numbers.
    (numbers.next().is_none() && check == format!("{:x}", fnv1a(body.as_bytes())) && encode(position) == *cursor)
        .then_some(position)
}
