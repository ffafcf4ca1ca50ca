//! Token buckets on the server's clock (SEC-6).
//!
//! A bucket is full at first and takes a token back every `refill`; it holds the time at which it will be full again, so
//! that an idle bucket costs nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::protocol::bounds::Bounds;
use crate::protocol::call::Call;
use crate::protocol::message::Content;
use crate::protocol::vocabulary::{OperationName, UserId};
use crate::time::{Duration, Instant};

/// The buckets of one caller.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Buckets {
    calls: Bucket,
    rings: BTreeMap<UserId, Bucket>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Bucket {
    /// When it will be full again.
    full_at: Instant,
}

impl Bucket {
    /// Whether there is a token. Each token that is missing puts `full_at` one `refill` off.
    fn has_token(self, now: Instant, size: u64, refill: Duration) -> bool {
        self.full_at.since(now) <= refill.times(size.saturating_sub(1)) && size > 0
    }

    fn take(&mut self, now: Instant, refill: Duration) {
        self.full_at = self.full_at.max(now) + refill;
    }

    fn is_full(self, now: Instant) -> bool {
        self.full_at <= now
    }
}

/// Only inviteUsers is limited, well-formed or not.
pub(super) fn is_limited(content: &Content) -> bool {
    match content {
        Content::Call(call) => call.operation() == OperationName::InviteUsers,
        Content::Malformed(malformed) => malformed.operation == OperationName::InviteUsers.name(),
    }
}

impl Buckets {
    /// Whether the call fits: a token for the call, and one for each ring that it may lead to.
    pub(super) fn allow(&self, bounds: &Bounds, now: Instant, content: &Content) -> bool {
        if !self.calls.has_token(now, bounds.invite_calls_max, bounds.invite_calls_refill) {
            return false;
        }
        let Content::Call(call) = content else { return true };
        let Call::InviteUsers { user_id_list, .. } = &**call else { return true };
        user_id_list.iter().all(|invitee| {
            self.rings.get(invitee).is_none_or(|bucket| bucket.has_token(now, bounds.rings_max, bounds.rings_refill))
        })
    }

    pub(super) fn take_call(&mut self, refill: Duration, now: Instant) {
        self.calls.take(now, refill);
    }

    pub(super) fn take_ring(&mut self, refill: Duration, now: Instant, invitee: &UserId) {
        // Full buckets are the same as none: forget them, so that memory follows the rings of the last minute.
        if self.rings.len() > 64 {
            self.rings.retain(|_, bucket| !bucket.is_full(now));
        }
        self.rings.entry(invitee.clone()).or_default().take(now, refill);
    }
}
