//! The numeric bounds of the protocol, in one configuration whose defaults are the values in braces of the requirements.
//!
//! Scenarios use them by name (`resume_window + 1s`, `ids_max + 1`), so that implementations with other bounds run the
//! same files.

use serde::{Deserialize, Serialize};

use crate::time::Duration;

/// What a bound measures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BoundValue {
    /// A span of time.
    Duration(Duration),
    /// A number of things, or of bytes.
    Count(u64),
}

macro_rules! bounds {
    ($($(#[doc = $doc:literal])* $name:ident: $kind:ident = $default:expr,)*) => {
        /// All bounds. See each field for the requirement that it belongs to.
        #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Bounds { $($(#[doc = $doc])* pub $name: bounds!(@type $kind),)* }

        impl Default for Bounds {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Bounds {
            /// The names of all bounds.
            pub const NAMES: &[&str] = &[$(stringify!($name),)*];

            /// The names of all bounds, each with what it is.
            pub const DESCRIPTIONS: &[(&str, &str)] = &[$((stringify!($name), concat!($($doc),*)),)*];

            /// The bound of this name.
            #[must_use]
            pub fn get(&self, name: &str) -> Option<BoundValue> {
                match name { $(stringify!($name) => Some(BoundValue::$kind(self.$name)),)* _ => None }
            }

            /// Sets the bound of this name.
            ///
            /// # Errors
            /// When there is no such bound, or it measures something else: the bound's kind, if there is one.
            pub fn set(&mut self, name: &str, value: BoundValue) -> Result<(), Option<&'static str>> {
                match (name, value) {
                    $((stringify!($name), BoundValue::$kind(value)) => { self.$name = value; Ok(()) })*
                    $((stringify!($name), _) => Err(Some(stringify!($kind))),)*
                    _ => Err(None),
                }
            }
        }
    };
    (@type Duration) => { Duration };
    (@type Count) => { u64 };
}

bounds! {
    /// How long a session outlives the loss of its connection (TERM-1, REC-1).
    resume_window: Duration = Duration::from_secs(30),
    /// How long a dead link can go unnoticed: the keep-alive bound (REC-1). A parameter of the world.
    keep_alive_bound: Duration = Duration::from_secs(20),
    /// How late a timeout may be while the server is up and unfaulted (TMO-4).
    expiry_lateness_max: Duration = Duration::from_secs(1),
    /// How long an answered user who does not enter counts as being called (INV-4).
    entry_grace: Duration = Duration::from_secs(30),
    /// For how long a result is kept for repeats of its request (IDM-1).
    result_memory: Duration = Duration::from_secs(120),
    /// For how long, at the least, an answered attempt is remembered (DEV-3).
    answer_memory: Duration = Duration::from_secs(120),
    /// After how long the client library gives an unanswered request up (IDM-5).
    request_timeout: Duration = Duration::from_secs(30),
    /// The longest `timeout` of inviteUsers (INV-11).
    timeout_max: Duration = Duration::from_secs(86_400),
    /// How many ids a list may have (INV-9, CAN-9).
    ids_max: Count = 100,
    /// How many UTF-8 bytes extensionInfo may have (INV-9).
    extension_info_max: Count = 4096,
    /// The page size that count 0 means (LST-4).
    page_default: Count = 20,
    /// The largest page (LST-4).
    page_max: Count = 100,
    /// The bucket of inviteUsers calls of one caller (SEC-6).
    invite_calls_max: Count = 20,
    /// How long one inviteUsers call takes to come back to the bucket (SEC-6).
    invite_calls_refill: Duration = Duration::from_millis(200),
    /// The bucket of rings of one caller at one invitee (SEC-6).
    rings_max: Count = 5,
    /// How long one ring takes to come back to the bucket (SEC-6).
    rings_refill: Duration = Duration::from_secs(10),
    /// How many events a session may have unacknowledged before the server ends it.
    undelivered_max: Count = 100_000,
    /// After how many events received the client library acknowledges, if no request does so first.
    acknowledge_every: Count = 64,
    /// How many UTF-8 bytes roomName, userName, avatarUrl and a password may have.
    text_max: Count = 4096,
    /// How many rooms a user may own at a time.
    rooms_max: Count = 1000,
}

/// All bounds with their defaults, as a Markdown table.
#[must_use]
pub fn markdown() -> String {
    let defaults = Bounds::default();
    let mut table = "| bound | default | what it is |\n|---|---|---|\n".to_owned();
    for (name, description) in Bounds::DESCRIPTIONS {
        let default = match defaults.get(name).expect("every bound has a value") {
            BoundValue::Duration(duration) => duration.to_string(),
            BoundValue::Count(count) => count.to_string(),
        };
        table.push_str(&format!("| `{name}` | {default} | {} |\n", description.trim()));
    }
    table
}
