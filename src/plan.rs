//! What will happen: a scenario with its names resolved, its defaults and bounds made explicit, and nothing left that can
//! be wrong.
//!
//! A plan says nothing of how it is carried out: worlds do that, and a world that can't enact something says so. It is
//! part of every saved trace, so that the trace can be judged again without the scenario.

pub mod compile;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::protocol::bounds::Bounds;
use crate::protocol::call::{AttemptRef, Call, DeviceIdentity};
use crate::protocol::vocabulary::{ErrorCode, EventName, OperationName, RoomId, UserId};
use crate::seed::Seed;
use crate::time::{Duration, Instant};

/// Everything that will happen in a run, and everything that its author expects to see.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The file that it comes from, and its text.
    pub source: Source,
    /// The scenario's title.
    pub title: String,
    /// The requirements that the scenario claims to show.
    pub covers: Vec<Claim>,
    /// For filters.
    pub tags: Vec<String>,
    /// The worlds that the author allows; empty means all.
    pub worlds: Vec<WorldName>,
    /// What everything random is drawn from.
    pub seed: Seed,
    /// The service under test, as the scenario wants it.
    pub service: ServicePlan,
    /// How messages travel.
    pub network: Network,
    /// The accounts that exist, in order.
    pub accounts: Vec<Account>,
    /// Who takes part, in order: [`DeviceIndex`] points here.
    pub devices: Vec<PlannedDevice>,
    /// The rooms that exist when the scenario begins.
    pub rooms: Vec<PlannedRoom>,
    /// What brings the world to the scenario's beginning, phase by phase; each phase is over before the next begins.
    /// The setup happens at time 0 over an ideal network, and no snapshot shows it.
    pub setup: Vec<Vec<SetupCall>>,
    /// What the author does.
    pub steps: Vec<Step>,
    /// Devices that must not be able to tell whether the secret steps happened (SEC-3). Without them nothing is secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strangers: Vec<DeviceIndex>,
    /// What the author expects.
    pub expectations: Vec<Expectation>,
    /// When the body ends at the latest; without it the body ends when nothing more would happen.
    pub lasts: Option<Duration>,
    /// What the snapshot shows.
    pub snapshot: SnapshotPlan,
}

/// A file and its text, for messages that point into it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Source {
    /// As the user named it, with `/` between its parts.
    pub path: String,
    /// The whole text.
    pub text: Arc<str>,
}

/// A place in the source: both from 1. Line 0 means that no line of the author's stands behind it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One requirement that a scenario claims to show.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// The requirement, such as `CAN-6`.
    pub requirement: RequirementId,
    /// Where the author wrote it.
    pub place: Place,
}

/// The id of a requirement, such as `CAN-6`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequirementId(pub Arc<str>);

/// Where a plan can be enacted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorldName {
    /// The deterministic simulator.
    Sim,
    /// The real IO driver over turmoil's network.
    Turmoil,
    /// Real sockets and real time.
    Live,
}

/// The service under test, as the scenario wants it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ServicePlan {
    /// The numeric bounds.
    pub bounds: Arc<Bounds>,
    /// Whether the token buckets of SEC-6 are on.
    pub rate_limits: bool,
    /// How long the disk takes to make a record durable.
    pub sync: Duration,
    /// After how many records a checkpoint bounds the journal.
    pub checkpoint_every: u64,
}

impl Default for ServicePlan {
    fn default() -> Self {
        Self { bounds: Arc::default(), rate_limits: true, sync: Duration::ZERO, checkpoint_every: 1000 }
    }
}

/// How messages travel between a device and the server.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Network {
    /// For every device that has no link of its own.
    pub link: Link,
    /// For single devices; the last that names a device holds.
    pub links: Vec<(Vec<DeviceIndex>, Link)>,
}

/// How messages travel between one device and the server, in either direction.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Link {
    /// How long a message takes.
    pub latency: Latency,
    /// The share of messages that are lost once and arrive `retransmit` later, with everything behind them.
    pub loss: f64,
    /// How long a lost message takes to be sent again.
    pub retransmit: Duration,
    /// The share of messages that break the connection instead of arriving.
    pub breakage: f64,
    /// Below the session layer: an attack on it that no TCP connection would make.
    pub attack: Attack,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            latency: Latency::Constant(Duration::from_millis(20)),
            loss: 0.0,
            retransmit: Duration::from_millis(200),
            breakage: 0.0,
            attack: Attack::default(),
        }
    }
}

/// How long a message takes. Orders are kept all the same: a connection is a stream.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Latency {
    /// Always the same.
    Constant(Duration),
    /// Anything between two bounds, evenly.
    Uniform(Duration, Duration),
    /// At least `min`, then exponentially distributed with this mean above it.
    Exponential {
        /// The least.
        min: Duration,
        /// The mean of what comes on top.
        mean: Duration,
    },
    /// Normally distributed, never below zero.
    Normal {
        /// The mean.
        mean: Duration,
        /// The standard deviation.
        deviation: Duration,
    },
    /// Pareto distributed: heavy tails.
    Pareto {
        /// The least.
        min: Duration,
        /// The exponent; the smaller, the heavier the tail.
        shape: f64,
    },
}

/// Faults of single messages, which a stream would never show.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Attack {
    /// The share of messages that never arrive.
    pub lose: f64,
    /// The share of messages that arrive twice.
    pub duplicate: f64,
    /// The share of messages that a later one may overtake.
    pub reorder: f64,
}

/// An account that exists.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub user_id: UserId,
    /// Its display name.
    pub user_name: Arc<str>,
    /// Its picture.
    pub avatar_url: Arc<str>,
}

/// Points into [`Plan::devices`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceIndex(pub u32);

impl DeviceIndex {
    /// As an index of a vector.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One device of one user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PlannedDevice {
    /// As the scenario and every report name it: `bob.phone`, `crowd[7].phone`.
    pub name: Arc<str>,
    /// Who it is on the wire.
    pub identity: DeviceIdentity,
    /// What runs on it.
    pub kind: DeviceKind,
    /// Whether the library answers for a busy user (REJ-5).
    pub auto_busy: bool,
    /// The population that it belongs to, if any: its lane in a snapshot may be folded.
    pub population: Option<Arc<str>>,
}

/// What runs on a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The client library.
    Sdk,
    /// No library: the author gives every request.
    Raw,
}

/// A room that exists when the scenario begins.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PlannedRoom {
    /// Its id.
    pub room_id: RoomId,
    /// Its owner.
    pub owner: UserId,
    /// The devices that are in it, in the order of their entry.
    pub members: Vec<DeviceIndex>,
}

/// One call of the setup.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SetupCall {
    /// Who calls.
    pub device: DeviceIndex,
    /// What.
    pub call: Arc<Call>,
    /// The line that asks for it.
    pub place: Place,
}

/// One thing that the author does.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Where the author wrote it.
    pub place: Place,
    /// When it happens.
    pub when: When,
    /// What happens.
    pub action: Action,
    /// Whether the strangers must not notice it (SEC-3).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

/// When a step happens.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum When {
    /// At this time.
    At(Instant),
    /// `delay` after something was seen, by each of the devices.
    After {
        /// What.
        trigger: Trigger,
        /// How long after it.
        delay: Duration,
    },
}

/// Something that a step waits for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Trigger {
    /// The step with this number in [`Plan::steps`] has begun.
    Begun(usize),
    /// Every one of the devices has heard the event `nth` times since the scenario began.
    Seen {
        /// Which event.
        event: EventName,
        /// In which room, if the author said so.
        room: Option<RoomId>,
        /// On which devices.
        by: Vec<DeviceIndex>,
        /// How often, from 1.
        nth: u32,
    },
    /// Every one of the devices has had `nth` calls of the operation answered since the scenario began.
    Returned {
        /// Which operation.
        operation: OperationName,
        /// On which devices.
        by: Vec<DeviceIndex>,
        /// How often, from 1.
        nth: u32,
    },
}

/// What happens in a step.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Each device's application calls the API, at the same instant in this order.
    Call {
        /// Who calls.
        devices: Vec<DeviceIndex>,
        /// What.
        call: Arc<Call>,
        /// For getInvitationList: the device whose cursor takes the place of the call's, as it stands when the step
        /// begins. It is what the latest page returned to that device; empty if it has read none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor_of: Option<DeviceIndex>,
        /// What it must come to.
        expected: Vec<ExpectedResult>,
    },
    /// Each raw device sends a request.
    Send {
        /// Who sends.
        devices: Vec<DeviceIndex>,
        /// What.
        request: RawRequest,
        /// What it must come to.
        expected: Vec<ExpectedResult>,
    },
    /// The application registers a handler (EVT-9).
    On {
        /// On which devices.
        devices: Vec<DeviceIndex>,
        /// For which event.
        event: EventName,
        /// The handler.
        handler: Handler,
    },
    /// The application removes a handler (EVT-9).
    Off {
        /// On which devices.
        devices: Vec<DeviceIndex>,
        /// For which event.
        event: EventName,
        /// The handler's name.
        handler: Arc<str>,
    },
    /// The devices lose their network until [`Action::Online`].
    Offline {
        /// Which.
        devices: Vec<DeviceIndex>,
        /// Whether the server learns of it at once (a closed connection) or by its keep-alive.
        noticed: bool,
    },
    /// The devices have their network again.
    Online {
        /// Which.
        devices: Vec<DeviceIndex>,
    },
    /// The connections break, for both ends at once; the network itself is well.
    Disconnect {
        /// Whose.
        devices: Vec<DeviceIndex>,
    },
    /// The programs on the devices die: all they knew is lost, but the device's id.
    Kill {
        /// Which.
        devices: Vec<DeviceIndex>,
    },
    /// The programs on the devices start again, logged out.
    Restart {
        /// Which.
        devices: Vec<DeviceIndex>,
    },
    /// Nothing passes between the devices and the server; what is sent waits, and after the keep-alive bound the
    /// connections are dead.
    Partition {
        /// Which devices.
        devices: Vec<DeviceIndex>,
        /// Which way is cut.
        direction: Direction,
    },
    /// Ends every partition of the devices.
    Heal {
        /// Which devices.
        devices: Vec<DeviceIndex>,
    },
    /// What is sent waits, and nobody notices.
    Hold {
        /// Which devices.
        devices: Vec<DeviceIndex>,
        /// Which way is held.
        direction: Direction,
    },
    /// What was held arrives now, in order.
    Release {
        /// Which devices.
        devices: Vec<DeviceIndex>,
    },
    /// The server dies; only its durable records remain.
    CrashServer {
        /// Whether the records that were written and not yet durable turn out to be there all the same.
        keep_unsynced: bool,
    },
    /// The server starts from its records.
    RestartServer,
    /// A device's own clock jumps; the server's does not (TMO-1).
    ClockJump {
        /// Whose.
        devices: Vec<DeviceIndex>,
        /// By how many nanoseconds, forward or back.
        by: i64,
    },
    /// A device's own clock runs fast or slow from now on.
    ClockDrift {
        /// Whose.
        devices: Vec<DeviceIndex>,
        /// Parts per million; positive runs fast.
        ppm: i32,
    },
}

impl Action {
    /// The devices that it is about; none where it is about the server.
    #[must_use]
    pub fn devices(&self) -> &[DeviceIndex] {
        match self {
            Self::Call { devices, .. }
            | Self::Send { devices, .. }
            | Self::On { devices, .. }
            | Self::Off { devices, .. }
            | Self::Offline { devices, .. }
            | Self::Online { devices }
            | Self::Disconnect { devices }
            | Self::Kill { devices }
            | Self::Restart { devices }
            | Self::Partition { devices, .. }
            | Self::Heal { devices }
            | Self::Hold { devices, .. }
            | Self::Release { devices }
            | Self::ClockJump { devices, .. }
            | Self::ClockDrift { devices, .. } => devices,
            Self::CrashServer { .. } | Self::RestartServer => &[],
        }
    }
}

/// What a handler does when it is called (EVT-9).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Handler {
    /// Its name: the same name is the same handler.
    pub name: Arc<str>,
    /// Whether it fails when called.
    pub throws: bool,
    /// The handlers of the same event that it removes when called.
    pub removes: Vec<Arc<str>>,
}

/// A request of a raw device, in which anything may be wrong.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RawRequest {
    /// The operation's name, as given; `login` opens a connection where there is none.
    pub operation: String,
    /// The request's id; without it each request gets a new one.
    pub id: Option<Arc<str>>,
    /// The attempt that an answer names.
    pub attempt: Option<AttemptRef>,
    /// The device whose cursor becomes the argument `cursor`, as for [`Action::Call`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor_of: Option<DeviceIndex>,
    /// Any JSON.
    pub args: Value,
}

/// Which way a fault works.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// Both ways.
    #[default]
    Both,
    /// From the devices to the server.
    ToServer,
    /// From the server to the devices.
    FromServer,
}

/// What a call must come to. One of several is enough.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ExpectedResult {
    /// Where the author wrote it.
    pub place: Place,
    /// The requirements that it hangs on: a profile that declares a variant of one drops it.
    pub by: Vec<RequirementId>,
    /// What it must be.
    pub outcome: ExpectedOutcome,
}

/// One lawful outcome of a call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExpectedOutcome {
    /// It succeeds, and what it returns matches: objects partially, lists in length and item by item; null matches
    /// anything, and an object whose only key is `not` matches whatever its value does not.
    Returns(Value),
    /// It fails with this code.
    Fails(ErrorCode),
    /// It is not answered before the end.
    Unanswered,
}

/// One thing that the author expects to see.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Expectation {
    /// Where the author wrote it.
    pub place: Place,
    /// The requirements that it hangs on: a profile that declares a variant of one drops it.
    pub by: Vec<RequirementId>,
    /// What it is.
    pub what: Expected,
}

/// What the author expects to see.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Expected {
    /// Each of the devices hears the events.
    Hears {
        /// Who.
        devices: Vec<DeviceIndex>,
        /// What.
        events: Vec<EventPattern>,
        /// How the order binds.
        order: Order,
    },
    /// None of the devices hears such an event (within the window, if there is one).
    Never {
        /// Who.
        devices: Vec<DeviceIndex>,
        /// What. Its own `within` limits when.
        event: EventPattern,
    },
    /// On each of the devices exactly these handlers of the application are called, in this order (EVT-9).
    Runs {
        /// Where.
        devices: Vec<DeviceIndex>,
        /// Which.
        calls: Vec<HandlerCall>,
    },
    /// Every occurrence of the first happens before every occurrence of the second; both happen.
    Before {
        /// What comes first.
        first: Sighting,
        /// What comes later.
        then: Sighting,
    },
    /// At the end the room's list shows exactly these, in this order (any member's or the given device's traversal).
    FinalList {
        /// Which room.
        room: RoomId,
        /// Whose traversal; without it that of every member device.
        devices: Vec<DeviceIndex>,
        /// The items: partial matches of an invitation.
        items: Vec<Value>,
    },
}

/// One call of a handler of the application.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HandlerCall {
    /// Where the author wrote it.
    pub place: Place,
    /// The handler's name.
    pub handler: Arc<str>,
    /// With which event, if the author said so.
    pub event: Option<EventName>,
}

/// How the order of expected events binds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// In this order; others may come between.
    Partial,
    /// Exactly these, in this order, and nothing else.
    Sequence,
    /// All of these, in any order; others may come between.
    Unordered,
    /// At least one of these.
    AnyOf,
}

/// What an event must be like.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EventPattern {
    /// Where the author wrote it.
    pub place: Place,
    /// Which event.
    pub event: EventName,
    /// What its payload must contain, as for [`ExpectedOutcome::Returns`].
    pub payload: Value,
    /// When it must come, both ends included.
    pub within: Option<(Instant, Instant)>,
    /// How often exactly it must come, if the author said so.
    pub times: Option<u32>,
}

/// Somebody hears something, or has a call answered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sighting {
    /// A device hears an event.
    Hears {
        /// Who: each of them.
        by: Vec<DeviceIndex>,
        /// What.
        event: EventPattern,
    },
    /// A device's call is answered.
    Returned {
        /// Who: each of them.
        by: Vec<DeviceIndex>,
        /// Which operation.
        operation: OperationName,
    },
}

/// What the snapshot shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SnapshotPlan {
    /// How populations are shown.
    pub crowd: CrowdView,
    /// Whether there is no snapshot at all.
    pub none: bool,
}

/// How a snapshot shows populations.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CrowdView {
    /// As counts: how many devices saw what at which instant.
    #[default]
    Counts,
    /// A line for every device.
    Lanes,
}

impl WorldName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sim, Self::Turmoil, Self::Live];

    /// As scenarios and reports name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Turmoil => "turmoil",
            Self::Live => "live",
        }
    }
}

impl Plan {
    /// The device at an index.
    #[must_use]
    pub fn device(&self, index: DeviceIndex) -> &PlannedDevice {
        &self.devices[index.index()]
    }

    /// The same plan without its secret steps, for the second run of SEC-3. Its author expects nothing of it.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let mut renumbered = vec![0; self.steps.len()];
        let mut steps: Vec<Step> = Vec::new();
        for (number, step) in self.steps.iter().enumerate() {
            renumbered[number] = steps.len();
            if step.secret {
                continue;
            }
            let mut step = step.clone();
            if let When::After { trigger: Trigger::Begun(before), .. } = &mut step.when {
                // A step that waits for a secret one is secret, too: the compiler sees to it.
                assert!(!self.steps[*before].secret, "a step waits for a secret one and is not secret");
                *before = renumbered[*before];
            }
            steps.push(step);
        }
        Self { steps, expectations: Vec::new(), covers: Vec::new(), strangers: Vec::new(), ..self.clone() }
    }

    /// The indices of all devices.
    pub fn device_indices(&self) -> impl Iterator<Item = DeviceIndex> + use<> {
        (0..u32::try_from(self.devices.len()).expect("a plan has fewer than 2^32 devices")).map(DeviceIndex)
    }

    /// The plan without what it expects of the clock, for worlds whose clock promises nothing: windows go, and with them
    /// how often something comes within one, and what must not come in one.
    #[must_use]
    pub fn without_times(&self) -> Self {
        let mut plan = self.clone();
        let untimed = |event: &mut EventPattern| {
            if event.within.take().is_some() {
                event.times = None;
            }
        };
        plan.expectations.retain_mut(|expectation| match &mut expectation.what {
            Expected::Hears { events, .. } => {
                events.iter_mut().for_each(untimed);
                true
            }
            Expected::Never { event, .. } => event.within.is_none(),
            Expected::Before { first, then } => {
                for sighting in [first, then] {
                    if let Sighting::Hears { event, .. } = sighting {
                        untimed(event);
                    }
                }
                true
            }
            Expected::Runs { .. } | Expected::FinalList { .. } => true,
        });
        plan
    }
}
