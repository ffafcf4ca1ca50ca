//! What an author wrote: a typed tree of a YAML file, with the place of every value.
//!
//! Reading judges the form alone: keys, kinds, units, and what a section can hold. Names of users, devices and rooms are
//! resolved where a scenario is compiled into a plan ([`crate::plan::compile`]), which also knows the values of bounds.
//! One library reads YAML, in one file (`node`); nothing else in the program knows that scenarios are YAML.

pub mod diagnostic;
pub mod expression;
mod node;
pub mod payload;
mod read;
mod reference;
mod schema;
pub mod selector;
pub mod words;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::protocol::vocabulary::{EventName, OperationName, Platform};

pub use diagnostic::{Diagnostic, Diagnostics};
pub use expression::Expression;
pub use node::{At, Node, NodeKind, Span};
pub use reference::reference;
pub use schema::schema;
pub use selector::Selector;

/// The version of the language that is read.
pub const VERSION: i128 = 1;

/// A scenario as its author wrote it.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// The file, as the user named it, with `/` between its parts.
    pub path: String,
    /// Its text.
    pub text: Arc<str>,
    /// What it shows, in a sentence.
    pub title: At<String>,
    /// The requirements that it claims to show.
    pub covers: Vec<At<String>>,
    /// For filters.
    pub tags: Vec<At<String>>,
    /// Where it may run; empty means everywhere.
    pub worlds: Vec<At<World>>,
    /// When it ends at the latest.
    pub lasts: Option<At<Expression>>,
    /// The service under test.
    pub service: Service,
    /// How messages travel.
    pub network: Network,
    /// Accounts without devices.
    pub accounts: Vec<Account>,
    /// Who takes part.
    pub users: Vec<User>,
    /// The rooms that exist when it begins.
    pub rooms: Vec<Room>,
    /// What happens.
    pub steps: Vec<Step>,
    /// Devices that must not notice the secret steps (SEC-3).
    pub strangers: Vec<At<Selector>>,
    /// What everybody must see.
    pub expect: Vec<Expect>,
    /// What the snapshot shows.
    pub snapshot: Snapshot,
}

/// A world, by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum World {
    /// The deterministic simulator.
    Sim,
    /// The IO driver over turmoil's network.
    Turmoil,
    /// Real sockets.
    Live,
}

/// The section `service`.
#[derive(Clone, PartialEq, Debug)]
pub struct Service {
    /// Bounds that differ from the defaults, in the order of the file.
    pub bounds: Vec<(At<String>, At<Expression>)>,
    /// Whether calls are limited (SEC-6).
    pub rate_limits: bool,
    /// How long the disk takes.
    pub sync: Option<At<Expression>>,
}

/// The section `network`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Network {
    /// For every device.
    pub link: Link,
    /// For some, in the order of the file.
    pub links: Vec<(At<Selector>, Link)>,
}

/// How messages travel; what is absent has its default.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Link {
    /// How long a message takes.
    pub latency: Option<Latency>,
    /// The share of lost messages.
    pub loss: Option<f64>,
    /// How long a lost message takes to be sent again.
    pub retransmit: Option<At<Expression>>,
    /// The share of messages that break the connection.
    pub breakage: Option<f64>,
    /// The share of messages that never arrive.
    pub lose: Option<f64>,
    /// The share of messages that arrive twice.
    pub duplicate: Option<f64>,
    /// The share of messages that can be overtaken.
    pub reorder: Option<f64>,
}

/// How long a message takes.
#[derive(Clone, PartialEq, Debug)]
pub enum Latency {
    /// Always the same.
    Constant(At<Expression>),
    /// Anything between the two.
    Uniform(At<Expression>, At<Expression>),
    /// The least, and the mean of what comes on top.
    Exponential(At<Expression>, At<Expression>),
    /// The mean and the standard deviation.
    Normal(At<Expression>, At<Expression>),
    /// The least, and the exponent.
    Pareto(At<Expression>, f64),
}

/// An account without devices.
#[derive(Clone, PartialEq, Debug)]
pub struct Account {
    /// Its id.
    pub id: At<String>,
    /// Its display name, if not the id.
    pub user_name: Option<String>,
    /// Its picture.
    pub avatar_url: Option<String>,
}

/// A user or a population.
#[derive(Clone, PartialEq, Debug)]
pub struct User {
    /// The account.
    pub account: Account,
    /// How many users alike; absent for one user.
    pub count: Option<At<Expression>>,
    /// The devices of each.
    pub devices: Vec<Device>,
}

/// A device of a user.
#[derive(Clone, PartialEq, Debug)]
pub struct Device {
    /// Its name.
    pub name: At<String>,
    /// What it runs on.
    pub platform: Platform,
    /// Whether it has no client library.
    pub raw: bool,
    /// Whether it is logged in at the beginning.
    pub online: bool,
    /// Whether its library answers for a busy user (REJ-5).
    pub auto_busy: bool,
    /// Its id on the wire, if the author gave one.
    pub device_id: Option<String>,
}

/// A room that exists at the beginning.
#[derive(Clone, PartialEq, Debug)]
pub struct Room {
    /// Its id.
    pub id: At<String>,
    /// Who owns it, perhaps with the device that creates it.
    pub owner: At<Selector>,
    /// `roomType`, a name or number.
    pub room_type: Option<Node>,
    /// Its name, if not the id.
    pub name: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// How many it takes.
    pub max_members: Option<At<Expression>>,
    /// Who is in it, in the order of entry.
    pub members: Vec<At<Selector>>,
    /// Roles of members: a user, and a name or number.
    pub roles: Vec<(At<Selector>, Node)>,
    /// Scheduled attendees.
    pub attendees: Vec<Node>,
}

/// One step.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// Where it begins.
    pub span: Span,
    /// When it happens.
    pub when: When,
    /// The key of its action, and where that stands.
    pub key: At<&'static str>,
    /// What happens.
    pub action: Action,
    /// What a call must come to: one of these. Empty where the author said nothing.
    pub results: Vec<Outcome>,
    /// Where it says that it is secret, if it is (SEC-3).
    pub secret: Option<Span>,
}

impl Step {
    /// The devices whose applications act in it; none for faults.
    #[must_use]
    pub fn actors(&self) -> &[At<Selector>] {
        match &self.action {
            Action::Call { devices, .. }
            | Action::Send { devices, .. }
            | Action::On { devices, .. }
            | Action::Off { devices, .. } => devices,
            _ => &[],
        }
    }
}

/// When a step happens.
#[derive(Clone, PartialEq, Debug)]
pub enum When {
    /// With the step before.
    Same,
    /// From the beginning of the scenario.
    At(At<Expression>),
    /// After the beginning of the step before.
    After(At<Expression>),
    /// After something that the devices saw.
    Cause(Box<Cause>),
}

/// What a step waits for.
#[derive(Clone, PartialEq, Debug)]
pub struct Cause {
    /// Where it stands.
    pub span: Span,
    /// What.
    pub what: CauseKind,
    /// By whom.
    pub by: Vec<At<Selector>>,
    /// How long after it.
    pub delay: Option<At<Expression>>,
    /// How often.
    pub nth: Option<At<Expression>>,
}

/// What can be waited for.
#[derive(Clone, PartialEq, Debug)]
pub enum CauseKind {
    /// An event, perhaps in a room.
    Seen(At<EventName>, Option<Node>),
    /// An answered call.
    Returned(At<OperationName>),
}

/// What happens in a step.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// A call of the API.
    Call {
        /// Who calls.
        devices: Vec<At<Selector>>,
        /// What.
        operation: OperationName,
        /// The arguments: a map of lawful keys, or nothing.
        args: Node,
    },
    /// A request of a raw device.
    Send {
        /// Who sends.
        devices: Vec<At<Selector>>,
        /// The operation, as given.
        operation: At<String>,
        /// The request's id.
        id: Option<String>,
        /// Instance and number of the attempt that an answer names.
        attempt: Option<(At<Expression>, At<Expression>)>,
        /// Whose cursor becomes the argument.
        cursor_of: Option<Box<At<Selector>>>,
        /// Any JSON.
        args: Option<Node>,
    },
    /// Registers a handler.
    On {
        /// On which devices.
        devices: Vec<At<Selector>>,
        /// For which event.
        event: At<EventName>,
        /// Its name.
        handler: String,
        /// Whether it fails.
        throws: bool,
        /// Which handlers it removes.
        removes: Vec<String>,
    },
    /// Removes a handler.
    Off {
        /// On which devices.
        devices: Vec<At<Selector>>,
        /// For which event.
        event: At<EventName>,
        /// Its name.
        handler: String,
    },
    /// The network goes.
    Offline {
        /// Whose.
        devices: Vec<At<Selector>>,
        /// Whether the server learns of it at once.
        noticed: bool,
    },
    /// A change that needs nothing but devices.
    Simple(SimpleAction, Vec<At<Selector>>),
    /// Nothing passes.
    Partition {
        /// Between whom and the server.
        devices: Vec<At<Selector>>,
        /// Which way.
        direction: Direction,
        /// For how long.
        lasts: Option<At<Expression>>,
    },
    /// What is sent waits.
    Hold {
        /// Whose.
        devices: Vec<At<Selector>>,
        /// Which way.
        direction: Direction,
        /// For how long.
        lasts: Option<At<Expression>>,
    },
    /// The server dies.
    Crash {
        /// Whether unsynced records are kept.
        keep_unsynced: bool,
        /// For how long.
        lasts: Option<At<Expression>>,
    },
    /// The server starts.
    RestartServer,
    /// A clock jumps.
    ClockJump(Vec<At<Selector>>, At<Expression>),
    /// A clock drifts, in parts per million.
    ClockDrift(Vec<At<Selector>>, i32),
}

/// Changes that need nothing but devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each is the key of a step, documented in `words`")]
pub enum SimpleAction {
    Online,
    Disconnect,
    Kill,
    Restart,
    Heal,
    Release,
}

/// Which way a fault works.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Direction {
    /// Both ways.
    #[default]
    Both,
    /// To the server.
    ToServer,
    /// From the server.
    FromServer,
}

/// What a call must come to.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// Where it stands.
    pub span: Span,
    /// The requirements that it hangs on.
    pub by: Vec<At<String>>,
    /// What.
    pub what: OutcomeKind,
}

/// A lawful outcome of a call.
#[derive(Clone, PartialEq, Debug)]
pub enum OutcomeKind {
    /// It returns something like this; nothing means anything.
    Returns(Node),
    /// It fails with this code.
    Fails(i32),
    /// It is not answered.
    Unanswered,
}

/// One expectation.
#[derive(Clone, PartialEq, Debug)]
pub struct Expect {
    /// Where it begins.
    pub span: Span,
    /// The requirements that it hangs on.
    pub by: Vec<At<String>>,
    /// What is expected.
    pub what: ExpectKind,
}

/// What can be expected.
#[derive(Clone, PartialEq, Debug)]
pub enum ExpectKind {
    /// Devices hear events.
    Hears {
        /// Who.
        devices: Vec<At<Selector>>,
        /// What.
        events: Vec<Pattern>,
        /// How the order binds.
        order: Order,
    },
    /// Devices don't hear an event. The window is in the pattern.
    Never {
        /// Who.
        devices: Vec<At<Selector>>,
        /// What.
        event: Box<Pattern>,
    },
    /// Exactly these handlers run, in this order, each perhaps with an event.
    Runs {
        /// Where.
        devices: Vec<At<Selector>>,
        /// Which.
        calls: Vec<(At<String>, Option<At<EventName>>)>,
    },
    /// One thing comes before another.
    Before(Box<[Sighting; 2]>),
    /// A list at the end.
    List {
        /// Of which room.
        room: Node,
        /// Whose; empty for every member's.
        devices: Vec<At<Selector>>,
        /// Its items.
        shows: Vec<Node>,
    },
}

/// How the order of events binds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// `hears`.
    Partial,
    /// `sequence`.
    Sequence,
    /// `unordered`.
    Unordered,
    /// `any-of`.
    AnyOf,
}

/// What an event must be like.
#[derive(Clone, PartialEq, Debug)]
pub struct Pattern {
    /// Where it begins.
    pub span: Span,
    /// Which event.
    pub event: At<EventName>,
    /// What its payload must contain.
    pub payload: Option<Node>,
    /// When it must come, both ends included.
    pub within: Option<(At<Expression>, At<Expression>)>,
    /// How often exactly.
    pub times: Option<At<Expression>>,
}

/// Somebody hears something or has a call answered.
#[derive(Clone, PartialEq, Debug)]
pub struct Sighting {
    /// Who.
    pub devices: Vec<At<Selector>>,
    /// What.
    pub what: SightingKind,
}

/// What is sighted.
#[derive(Clone, PartialEq, Debug)]
pub enum SightingKind {
    /// An event.
    Hears(Box<Pattern>),
    /// An answered call.
    Returned(At<OperationName>),
}

/// The section `snapshot`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    /// Whether populations have a line for every device.
    pub lanes: bool,
    /// Whether there is no snapshot.
    pub none: bool,
}

/// Reads a scenario file.
///
/// # Errors
/// What is wrong with it: it can't be read, is no UTF-8, no YAML, or no scenario.
pub fn load(path: &Path) -> Result<Scenario, Diagnostics> {
    let shown = path.display().to_string().replace('\\', "/");
    let nothing = Arc::from("");
    let fail = |text: &Arc<str>, diagnostic| {
        let mut diagnostics = Diagnostics::new(&shown, text);
        diagnostics.push(diagnostic);
        diagnostics
    };
    if path.is_dir() {
        return Err(fail(
            &nothing,
            Diagnostic::of_file("this is a directory, and a scenario is a file").help("name one of its .yaml files"),
        ));
    }
    let bytes = fs::read(path).map_err(|error| {
        let diagnostic = match error.kind() {
            io::ErrorKind::NotFound => {
                Diagnostic::of_file("there is no such file").help("`convoke init` writes a first scenario")
            }
            _ => Diagnostic::of_file(format!("can't read the file: {error}")),
        };
        fail(&nothing, diagnostic)
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => parse(&shown, text.into()),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let text: Arc<str> = String::from_utf8_lossy(error.as_bytes()).into();
            let before = &text[..valid];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            let span = Span { line: narrow(line), column: narrow(column), start: narrow(valid), len: 1 };
            Err(fail(&text, Diagnostic::new(span, "the file is not UTF-8").help("save it as UTF-8")))
        }
    }
}

/// Reads a scenario from its text; `path` is for messages.
///
/// # Errors
/// All that is wrong with its form; of YAML's own syntax, the first mistake.
pub fn parse(path: &str, text: Arc<str>) -> Result<Scenario, Diagnostics> {
    // Some editors begin a file with a byte-order mark; places count without it.
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => Arc::from(rest),
        None => text,
    };
    let root = node::parse(path, &text)?;
    read::scenario(path, &text, &root)
}

#[cfg(test)]
mod tests;
