//! The words of the language: every key with its kind and what it means.
//!
//! One table from which the reader takes what is lawful, the JSON Schema its completions and hovers, and the reference
//! its text, so that the three can't disagree. It says nothing of names that an author invents.

pub mod operation;

/// A map with fixed keys.
#[derive(Debug)]
pub struct Object {
    /// What an author would call it, with an article: `a room`.
    pub name: &'static str,
    /// Names it in the schema.
    pub id: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// Its keys.
    pub fields: &'static [Field],
}

/// One key of a map.
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub key: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What its value is.
    pub kind: Kind,
    /// What it means.
    pub doc: &'static str,
}

/// What a value can be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// The version of the language.
    Version,
    /// Text.
    Text,
    /// Text, or `{repeat: x, times: n}`.
    Argument,
    /// Text, or the cursor that a device was given: `{of: alice.web}`.
    Cursor,
    /// true or false.
    Bool,
    /// A span of time.
    Duration,
    /// A span of time that may be negative.
    SignedDuration,
    /// Seconds as a number, or a span of time.
    Seconds,
    /// A number of things.
    Count,
    /// A number that the service judges, or a number of things.
    Number,
    /// A share of messages.
    Share,
    /// Parts per million.
    Drift,
    /// The id of a requirement.
    Requirement,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A member of an enumeration of the API, by name or number.
    ApiEnum(ApiEnum),
    /// An event.
    Event,
    /// An operation.
    Operation,
    /// An error code, by number or name.
    Code,
    /// A selector of devices.
    Devices,
    /// One user.
    User,
    /// A list of users and populations, in which `{unknown: zoe}` is an id without an account.
    Users,
    /// A room, or `{unknown: r9}`.
    Room,
    /// Any JSON value.
    Json,
    /// An object.
    Object(&'static Object),
    /// A list.
    List(&'static Kind),
    /// One or a list of them.
    OneOrMore(&'static Kind),
    /// A map with keys that the author invents.
    Map(&'static Kind),
    /// A map from bounds to values.
    Bounds,
    /// One of several.
    Either(&'static [Kind]),
    /// An event with its payload as a single key, beside the keys of the object.
    Pattern(&'static Object),
    /// What a call returns.
    Returned,
}

/// The enumerations of the API that a scenario can write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the members are the API's enumerations")]
pub enum ApiEnum {
    Status,
    Code,
    RejectedReason,
    Role,
    RoomType,
    KickedReason,
    DismissedReason,
}

const fn must(key: &'static str, kind: Kind, doc: &'static str) -> Field {
    Field { key, required: true, kind, doc }
}

const fn may(key: &'static str, kind: Kind, doc: &'static str) -> Field {
    Field { key, required: false, kind, doc }
}

const DEVICES: Kind = Kind::OneOrMore(&Kind::Devices);
const BY: Field = may("by", Kind::OneOrMore(&Kind::Requirement), "The requirements that this hangs on.");

/// A whole file.
pub static SCENARIO: Object = Object {
    name: "a scenario",
    id: "scenario",
    doc: "Who takes part, what they do, and what everybody must see.",
    fields: &[
        must("version", Kind::Version, "The version of this language: 1."),
        must("title", Kind::Text, "One sentence that says what the scenario shows."),
        may("covers", Kind::List(&Kind::Requirement), "The requirements that the scenario shows, such as DEV-2."),
        may("tags", Kind::List(&Kind::Text), "Words to choose scenarios by."),
        may(
            "worlds",
            Kind::List(&Kind::Word(&["sim", "turmoil", "live"])),
            "The worlds that the scenario may run in. Without it: every world that can enact it.",
        ),
        may(
            "lasts",
            Kind::Duration,
            "When the scenario ends at the latest. Without it, it ends when nothing more would happen.",
        ),
        may("service", Kind::Object(&SERVICE), "The service under test, as the scenario wants it."),
        may("network", Kind::Object(&NETWORK), "How messages travel."),
        may(
            "accounts",
            Kind::Either(&[Kind::List(&Kind::Text), Kind::Map(&Kind::Object(&ACCOUNT))]),
            "Accounts without devices: people who can be called and never answer.",
        ),
        may("users", Kind::Map(&Kind::Object(&USER)), "Who takes part, by user id, each with devices."),
        may("rooms", Kind::Map(&Kind::Object(&ROOM)), "The rooms that exist when the scenario begins, by room id."),
        may("steps", Kind::List(&Kind::Object(&STEP)), "What happens, in order."),
        may(
            "strangers",
            DEVICES,
            "Devices that must not be able to tell whether the steps marked `secret` happened (SEC-3): the scenario is run twice, with them and without, and what these devices see must be the same.",
        ),
        may("expect", Kind::List(&Kind::Object(&EXPECT)), "What everybody must see."),
        may(
            "snapshot",
            Kind::Either(&[Kind::Word(&["none"]), Kind::Object(&SNAPSHOT)]),
            "What the recorded snapshot shows; `none` for no snapshot.",
        ),
    ],
};

/// The section `service`.
pub static SERVICE: Object = Object {
    name: "the service",
    id: "service",
    doc: "The service under test, as the scenario wants it.",
    fields: &[
        may("bounds", Kind::Bounds, "Numeric bounds that differ from the defaults."),
        may("rate_limits", Kind::Bool, "Whether the service limits how often one may call (SEC-6). Default: true."),
        may("sync", Kind::Duration, "How long the disk takes to make a record durable. Default: 0s."),
    ],
};

/// The keys that describe a link.
macro_rules! link_fields {
    () => {
        may(
            "latency",
            Kind::Either(&[Kind::Duration, Kind::Object(&LATENCY)]),
            "How long a message takes. Default: 20ms.",
        )
    };
}

const LOSS: Field =
    may("loss", Kind::Share, "The share of messages that are lost once and arrive `retransmit` later. Default: 0%.");
const RETRANSMIT: Field =
    may("retransmit", Kind::Duration, "How long a lost message takes to be sent again. Default: 200ms.");
const BREAKAGE: Field =
    may("breakage", Kind::Share, "The share of messages that break the connection instead of arriving. Default: 0%.");
const ATTACK: Field = may(
    "attack",
    Kind::Object(&ATTACKS),
    "Faults of single messages that no TCP connection would show: an attack on the session layer.",
);

/// The section `network`.
pub static NETWORK: Object = Object {
    name: "the network",
    id: "network",
    doc: "How messages travel between the devices and the server, in either direction.",
    fields: &[
        link_fields!(),
        LOSS,
        RETRANSMIT,
        BREAKAGE,
        ATTACK,
        may(
            "links",
            Kind::Map(&Kind::Object(&LINK)),
            "Other values for some devices, by selector; the last that names one holds.",
        ),
    ],
};

/// One entry of `links`.
pub static LINK: Object = Object {
    name: "a link",
    id: "link",
    doc: "How messages travel between some devices and the server. What is left out is as in `network`.",
    fields: &[link_fields!(), LOSS, RETRANSMIT, BREAKAGE, ATTACK],
};

/// A distribution of latencies.
pub static LATENCY: Object = Object {
    name: "a latency",
    id: "latency",
    doc: "How long messages take: one of these distributions. Messages of a connection stay in order.",
    fields: &[
        may("uniform", Kind::List(&Kind::Duration), "Anything between two durations: `[10ms, 30ms]`."),
        may("exponential", Kind::Object(&EXPONENTIAL), "At least `min`, then exponentially distributed."),
        may("normal", Kind::Object(&NORMAL), "Normally distributed, never below zero."),
        may("pareto", Kind::Object(&PARETO), "Heavy tails."),
    ],
};

/// An exponential distribution.
pub static EXPONENTIAL: Object = Object {
    name: "an exponential latency",
    id: "exponential",
    doc: "At least `min`, then exponentially distributed.",
    fields: &[
        must("min", Kind::Duration, "The least."),
        must("mean", Kind::Duration, "The mean of what comes on top."),
    ],
};

/// A normal distribution.
pub static NORMAL: Object = Object {
    name: "a normal latency",
    id: "normal",
    doc: "Normally distributed, never below zero.",
    fields: &[must("mean", Kind::Duration, "The mean."), must("deviation", Kind::Duration, "The standard deviation.")],
};

/// A Pareto distribution.
pub static PARETO: Object = Object {
    name: "a Pareto latency",
    id: "pareto",
    doc: "Pareto distributed: heavy tails.",
    fields: &[
        must("min", Kind::Duration, "The least."),
        must("shape", Kind::Number, "The exponent, above 0; the smaller, the heavier the tail."),
    ],
};

/// Faults of single messages.
pub static ATTACKS: Object = Object {
    name: "an attack",
    id: "attack",
    doc: "Faults of single messages, which a stream would never show.",
    fields: &[
        may("lose", Kind::Share, "The share of messages that never arrive."),
        may("duplicate", Kind::Share, "The share of messages that arrive twice."),
        may("reorder", Kind::Share, "The share of messages that a later one may overtake."),
    ],
};

const USER_NAME: Field = may("userName", Kind::Text, "The display name. Default: the user id.");
const AVATAR_URL: Field = may("avatarUrl", Kind::Text, "The picture. Default: none.");

/// An account without devices.
pub static ACCOUNT: Object =
    Object { name: "an account", id: "account", doc: "An account without devices.", fields: &[USER_NAME, AVATAR_URL] };

/// A user or a population.
pub static USER: Object = Object {
    name: "a user",
    id: "user",
    doc: "A user with devices or, with `count`, a population of users alike.",
    fields: &[
        USER_NAME,
        AVATAR_URL,
        may(
            "count",
            Kind::Count,
            "Makes it a population: `crowd: {count: 3}` is the users crowd-1 to crowd-3, written crowd[1] to crowd[3].",
        ),
        must(
            "devices",
            Kind::Either(&[Kind::List(&Kind::Text), Kind::Map(&Kind::Object(&DEVICE))]),
            "The devices: a list of names, or a map. A device named like a platform has that platform.",
        ),
    ],
};

/// The platforms.
pub(crate) const PLATFORMS: &[&str] = &["web", "phone", "tablet", "desktop", "tv"];

/// A device.
pub static DEVICE: Object = Object {
    name: "a device",
    id: "device",
    doc: "One device of a user.",
    fields: &[
        may("platform", Kind::Word(PLATFORMS), "What it runs on. Default: its name, which must then be a platform."),
        may(
            "kind",
            Kind::Word(&["sdk", "raw"]),
            "sdk (default): the client library runs on it. raw: no library; the scenario gives every request with `send`.",
        ),
        may("online", Kind::Bool, "Whether it is logged in when the scenario begins. Default: true."),
        may("autoBusy", Kind::Bool, "Whether the library answers for a busy user (REJ-5). Default: false."),
        may("deviceId", Kind::Text, "The id on the wire. Default: user id, hyphen, name."),
    ],
};

/// A room.
pub static ROOM: Object = Object {
    name: "a room",
    id: "room",
    doc: "A room that exists when the scenario begins.",
    fields: &[
        must("owner", Kind::Devices, "The user who owns it, or the device of that user that creates it."),
        may("type", Kind::ApiEnum(ApiEnum::RoomType), "kConference (default) or kLive."),
        may("name", Kind::Text, "Its name. Default: the room id."),
        may("password", Kind::Text, "What enterRoom must show. Default: none."),
        may("maxMembers", Kind::Count, "How many members it takes. Default: no limit."),
        may(
            "members",
            Kind::List(&Kind::Devices),
            "The devices that are in it when the scenario begins, in the order of entry.",
        ),
        may(
            "roles",
            Kind::Map(&Kind::ApiEnum(ApiEnum::Role)),
            "The roles of members who are no general users: `{carol: kAdministrator}`.",
        ),
        may("attendees", Kind::Users, "Who is scheduled to attend (ROOM-7)."),
    ],
};

/// What the snapshot shows.
pub static SNAPSHOT: Object = Object {
    name: "a snapshot",
    id: "snapshot",
    doc: "What the recorded snapshot shows.",
    fields: &[may(
        "crowd",
        Kind::Word(&["counts", "lanes"]),
        "How populations are shown: as counts (default), or with a line for every device.",
    )],
};

/// What a step waits for.
pub static AFTER: Object = Object {
    name: "a cause",
    id: "after",
    doc: "What a step waits for: an event heard, or a call answered, by every one of the devices.",
    fields: &[
        may("seen", Kind::Event, "The event that must have been heard."),
        may("returned", Kind::Operation, "The operation whose call must have been answered."),
        must("by", DEVICES, "By whom: every one of them."),
        may("delay", Kind::Duration, "How long after it. Default: 0s."),
        may("nth", Kind::Count, "How often it must have happened since the scenario began. Default: 1."),
        may("room", Kind::Room, "With `seen`: in which room."),
    ],
};

/// One lawful result.
pub static RESULT: Object = Object {
    name: "a result",
    id: "result",
    doc: "One of several lawful results.",
    fields: &[RETURNS, FAILS, UNANSWERED, BY],
};

const RETURNS: Field = may("returns", Kind::Returned, "What the call must return: a partial match; `~` for anything.");
const FAILS: Field =
    may("fails", Kind::Code, "The code with which the call must fail: `-2311` or ERR_REQUEST_ID_INVALID.");
const UNANSWERED: Field = may("unanswered", Kind::Word(&["true"]), "The call is not answered before the end.");

const FOR: Kind = Kind::Duration;

/// A step.
pub static STEP: Object = Object {
    name: "a step",
    id: "step",
    doc: "One call, fault or change. A step without `at` and `after` happens at the same time as the one before it; the first, at 0s.",
    fields: &[
        may("at", Kind::Duration, "When, from the beginning of the scenario."),
        may(
            "after",
            Kind::Either(&[Kind::Duration, Kind::Object(&AFTER)]),
            "How long after the step before; or after what was seen or answered.",
        ),
        may("device", DEVICES, "Who calls, sends or listens. Several do it at the same instant, in order."),
        RETURNS,
        FAILS,
        UNANSWERED,
        may("any-of", Kind::List(&Kind::Object(&RESULT)), "Several lawful results, of which one is enough."),
        BY,
        may("secret", Kind::Bool, "Whether the `strangers` must not notice it (SEC-3). Default: false."),
        may("login", Kind::Object(&operation::LOGIN), "Begins a session."),
        may("logout", Kind::Object(&operation::LOGOUT), "Ends the session."),
        may("setSelfInfo", Kind::Object(&operation::SET_SELF_INFO), "Changes one's own name and picture."),
        may(
            "createRoom",
            Kind::Object(&operation::CREATE_ROOM),
            "Creates a room. Its creator owns it and is not yet in it.",
        ),
        may("destroyRoom", Kind::Object(&operation::DESTROY_ROOM), "Dissolves a room (ROOM-5)."),
        may("enterRoom", Kind::Object(&operation::ENTER_ROOM), "Enters a room."),
        may("exitRoom", Kind::Object(&operation::EXIT_ROOM), "Leaves a room."),
        may("kickRemoteUserOutOfRoom", Kind::Object(&operation::KICK), "Throws a member out."),
        may(
            "changeUserRole",
            Kind::Object(&operation::CHANGE_USER_ROLE),
            "Makes a member administrator, general user or owner.",
        ),
        may("fetchRoomInfo", Kind::Object(&operation::FETCH_ROOM_INFO), "Reads a room's information."),
        may("updateRoomNameByAdmin", Kind::Object(&operation::UPDATE_ROOM_NAME), "Renames a room."),
        may("addAttendeesByAdmin", Kind::Object(&operation::ADD_ATTENDEES), "Adds scheduled attendees."),
        may("removeAttendeesByAdmin", Kind::Object(&operation::REMOVE_ATTENDEES), "Removes scheduled attendees."),
        may("fetchAttendeeList", Kind::Object(&operation::FETCH_ATTENDEES), "Reads the scheduled attendees."),
        may("getUserList", Kind::Object(&operation::GET_USER_LIST), "Reads the members of a room."),
        may("inviteUsers", Kind::Object(&operation::INVITE_USERS), "Calls users into a room."),
        may(
            "cancelInvitation",
            Kind::Object(&operation::CANCEL_INVITATION),
            "Ends pending calls: one's own, or as owner or administrator those of others.",
        ),
        may("accept", Kind::Object(&operation::ACCEPT), "Answers yes."),
        may("reject", Kind::Object(&operation::REJECT), "Answers no."),
        may(
            "getInvitationList",
            Kind::Object(&operation::GET_INVITATION_LIST),
            "Reads one page of a room's invitations.",
        ),
        may(
            "fetchNotEnteredList",
            Kind::Object(&operation::FETCH_NOT_ENTERED),
            "Asks the library, which sends nothing, who is called or scheduled and not in the room (ROOM-7).",
        ),
        may("send", Kind::Object(&SEND), "A raw device sends a request, in which anything may be wrong."),
        may("on", Kind::Object(&ON), "Registers a handler for an event (EVT-9)."),
        may("off", Kind::Object(&OFF), "Removes a handler (EVT-9)."),
        may(
            "offline",
            Kind::Either(&[DEVICES, Kind::Object(&OFFLINE)]),
            "The devices lose their network until `online`.",
        ),
        may("online", DEVICES, "The devices have their network again."),
        may("disconnect", DEVICES, "The connections break, for both ends at once; the network is well."),
        may("kill", DEVICES, "The programs on the devices die: all they knew is lost, but the device's id."),
        may(
            "restart",
            Kind::Either(&[Kind::Word(&["server"]), DEVICES]),
            "The programs on the devices start again, logged out; or the server starts from its records.",
        ),
        may(
            "partition",
            Kind::Object(&PARTITION),
            "Nothing passes between the devices and the server; after a while the connections are dead.",
        ),
        may("heal", DEVICES, "Ends every partition of the devices."),
        may("hold", Kind::Object(&HOLD), "What is sent waits, and nobody notices."),
        may("release", DEVICES, "What was held arrives now, in order."),
        may(
            "crash",
            Kind::Either(&[Kind::Word(&["server"]), Kind::Object(&CRASH)]),
            "The server dies; only its durable records remain.",
        ),
        may("clock", Kind::Object(&CLOCK), "A device's own clock jumps or drifts; the server's does not (TMO-1)."),
    ],
};

/// The keys of a step that are its action, which is all after `by`.
pub(crate) fn step_actions() -> impl Iterator<Item = &'static Field> + Clone {
    STEP.fields.iter().skip_while(|field| field.key != "login")
}

/// A request of a raw device.
pub static SEND: Object = Object {
    name: "a request",
    id: "send",
    doc: "A request of a raw device, in which anything may be wrong.",
    fields: &[
        must("operation", Kind::Text, "The operation, known or not; `login` opens a connection where there is none."),
        may("id", Kind::Text, "The request's id. Default: a new one for every request."),
        may("attempt", Kind::Object(&ATTEMPT), "The attempt that an answer names."),
        may(
            "cursorOf",
            Kind::Devices,
            "A device whose latest cursor, when the step begins, becomes the argument `cursor`.",
        ),
        may("args", Kind::Json, "The arguments: any JSON, sent as it is."),
    ],
};

/// The attempt that an answer names.
pub static ATTEMPT: Object = Object {
    name: "an attempt",
    id: "attempt",
    doc: "Names one ring of the caller (ACC-1).",
    fields: &[
        must(
            "instance",
            Kind::Count,
            "Which instance of the room: a room that is dissolved and created again is another.",
        ),
        must("attempt", Kind::Count, "Which ring of the caller in it."),
    ],
};

/// A handler to register.
pub static ON: Object = Object {
    name: "a handler",
    id: "on",
    doc: "A handler that the application registers (EVT-9).",
    fields: &[
        must("event", Kind::Event, "For which event."),
        must("handler", Kind::Text, "Its name: the same name is the same handler."),
        may("throws", Kind::Bool, "Whether it fails when called. Default: false."),
        may("removes", Kind::List(&Kind::Text), "The handlers of the same event that it removes when called."),
    ],
};

/// A handler to remove.
pub static OFF: Object = Object {
    name: "a handler to remove",
    id: "off",
    doc: "A handler that the application removes (EVT-9).",
    fields: &[must("event", Kind::Event, "For which event."), must("handler", Kind::Text, "Its name.")],
};

const DEVICES_FIELD: Field = must("devices", DEVICES, "Which devices.");
const DIRECTION: Field = may("direction", Kind::Word(&["both", "toServer", "fromServer"]), "Which way. Default: both.");

/// Devices that lose their network.
pub static OFFLINE: Object = Object {
    name: "a loss of the network",
    id: "offline",
    doc: "Devices that lose their network.",
    fields: &[
        DEVICES_FIELD,
        may("noticed", Kind::Bool, "Whether the server learns of it at once (default), or only by its keep-alive."),
    ],
};

/// A partition.
pub static PARTITION: Object = Object {
    name: "a partition",
    id: "partition",
    doc: "Nothing passes between the devices and the server.",
    fields: &[DEVICES_FIELD, DIRECTION, may("for", FOR, "For how long; then it heals. Default: until `heal`.")],
};

/// A hold.
pub static HOLD: Object = Object {
    name: "a hold",
    id: "hold",
    doc: "What is sent waits, and nobody notices.",
    fields: &[DEVICES_FIELD, DIRECTION, may("for", FOR, "For how long. Default: until `release`.")],
};

/// A crash of the server.
pub static CRASH: Object = Object {
    name: "a crash",
    id: "crash",
    doc: "The server dies.",
    fields: &[
        must("server", Kind::Word(&["true"]), "It is the server that crashes. (A device is killed with `kill`.)"),
        may(
            "keepUnsynced",
            Kind::Bool,
            "Whether records that were written and not yet durable are there all the same. Default: false.",
        ),
        may("for", FOR, "After how long it starts again. Default: at `restart: server`."),
    ],
};

/// A change of clocks.
pub static CLOCK: Object = Object {
    name: "a change of a clock",
    id: "clock",
    doc: "A device's own clock changes: exactly one of `jump` and `drift`.",
    fields: &[
        DEVICES_FIELD,
        may("jump", Kind::SignedDuration, "By how much it jumps: `1h`, `-1h`."),
        may("drift", Kind::Drift, "How fast it runs from now on: `200ppm`, `-50ppm`."),
    ],
};

/// An expectation.
pub static EXPECT: Object = Object {
    name: "an expectation",
    id: "expectation",
    doc: "One thing that must be seen. Exactly one of hears, sequence, unordered, any-of, never, runs, before and list.",
    fields: &[
        may("device", DEVICES, "Who: each of them. With `list`: whose list; default every member."),
        may("hears", Kind::OneOrMore(&Kind::Pattern(&PATTERN)), "These events in this order; others may come between."),
        may("sequence", Kind::OneOrMore(&Kind::Pattern(&PATTERN)), "Exactly these events in this order and no other."),
        may(
            "unordered",
            Kind::OneOrMore(&Kind::Pattern(&PATTERN)),
            "All of these events, in any order; others may come between.",
        ),
        may("any-of", Kind::OneOrMore(&Kind::Pattern(&PATTERN)), "At least one of these events."),
        may("never", Kind::Pattern(&PATTERN), "No such event, within `within` if it is there."),
        may(
            "within",
            Kind::List(&Kind::Duration),
            "With `never`: from when to when, both included, from the beginning of the scenario.",
        ),
        may(
            "runs",
            Kind::OneOrMore(&Kind::Either(&[Kind::Text, Kind::Map(&Kind::Event)])),
            "Exactly these calls of handlers that `on` registered, in this order and no other (EVT-9): a handler's name, or `{h1: onInvitationCancelled}` for its call with that event. `[]` for none.",
        ),
        may(
            "before",
            Kind::List(&Kind::Object(&SIGHTING)),
            "Two sightings: every occurrence of the first happens before every one of the second.",
        ),
        may(
            "list",
            Kind::Room,
            "A room whose invitation list, at the end, shows exactly the items of `shows`, in this order.",
        ),
        may("shows", Kind::List(&Kind::Json), "With `list`: the invitations, each a partial match."),
        BY,
    ],
};

/// The keys beside an event in a list of events.
pub static PATTERN: Object = Object {
    name: "an event",
    id: "event",
    doc: "An event by its name, or as a key with what its payload must contain: `onInvitationRejected: {reason: kRejectToEnter}`.",
    fields: &[
        may("at", Kind::Duration, "Exactly when, from the beginning of the scenario."),
        may("within", Kind::List(&Kind::Duration), "From when to when, both included: `[1s, 2s]`."),
        may("times", Kind::Count, "How often exactly."),
    ],
};

/// One of the two of `before`.
pub static SIGHTING: Object = Object {
    name: "a sighting",
    id: "sighting",
    doc: "Somebody hears an event, or has a call answered.",
    fields: &[
        must("device", DEVICES, "Who: each of them."),
        may("hears", Kind::Pattern(&PATTERN), "The event."),
        may("returned", Kind::Operation, "The operation whose call is answered."),
    ],
};
