//! A sequence diagram: the last things that happened to a few devices, up to the one that matters.
//!
//! Each device and the server has a lane; an arrow ends where a message arrived, or in an `x` where it never did. What was
//! said is in the words of the snapshots. Unlike a snapshot it shows the traffic of sessions too: a failure often begins
//! there. [`Ladder`] is what a diagram says; [`Ladder::text`] draws it with characters, and `svg` with lines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::DeviceIndex;
use crate::protocol::call::{Call, CallNo, Reply};
use crate::protocol::message::{ClientMessage, ConnectionNo, Content, ServerMessage};
use crate::protocol::vocabulary::{ApiError, RequestId};
use crate::time::Instant;
use crate::trace::text::{change_verb, seconds};
use crate::trace::words::{Words, error_code};
use crate::trace::{Moment, Occurrence, Stage, Trace};

/// How many devices have a lane.
const LANES_MAX: usize = 4;
/// How many rows a diagram has.
const ROWS_MAX: usize = 24;
/// How many of them, the last, are drawn with characters: a terminal shows no more at a glance.
const TEXT_ROWS_MAX: usize = 18;
/// The narrowest words, however narrow the page.
const LABEL_MIN: usize = 24;
/// The narrowest lane.
const LANE_MIN: usize = 8;

/// A sequence diagram.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ladder {
    /// The names of devices, and `server`, from left to right.
    pub lanes: Vec<String>,
    /// What happened, oldest first.
    pub rows: Vec<Rung>,
}

/// One row of a diagram: who speaks, who hears it, and the words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rung {
    /// When, in nanoseconds since the run began.
    pub at_nanos: u64,
    /// From which lane, as an index.
    pub from: usize,
    /// To which lane; the same one for what a lane does by itself.
    pub to: usize,
    /// How it ends.
    pub mark: Mark,
    /// What is said or done.
    pub label: String,
}

/// How a row of a diagram ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mark {
    /// A message arrives.
    Arrives,
    /// A message or a connection is lost.
    Lost,
    /// An application calls, is answered or hears something, without a message that would show it.
    Acts,
    /// A fault, or its end.
    Changes,
}

impl Mark {
    const fn character(self) -> char {
        match self {
            Self::Arrives => '>',
            Self::Lost => 'x',
            Self::Acts => 'o',
            Self::Changes => '!',
        }
    }
}

/// One row, as it is found.
struct Row {
    at: Instant,
    from: Lane,
    to: Lane,
    mark: Mark,
    label: String,
}

/// A column of the diagram.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    Device(DeviceIndex),
    Server,
}

/// The diagram of what happened to some devices (to the first of the plan, if none are named) up to and including a
/// moment (to the end of the body, if none is named), and what the server says then.
#[must_use]
pub fn ladder(trace: &Trace, devices: &[DeviceIndex], until: Option<usize>) -> Ladder {
    let mut devices: Vec<DeviceIndex> = match devices {
        [] => trace.plan.device_indices().take(LANES_MAX).collect(),
        some => some.iter().copied().collect::<BTreeSet<_>>().into_iter().take(LANES_MAX).collect(),
    };
    let mut end = until.map_or_else(|| body_end(trace), |until| until + 1).min(trace.moments.len());
    // A message is drawn where it arrives, so the diagram goes on until then; and who hears of what somebody misses shows
    // that it happened.
    for (device, arrives) in until.map_or_else(Vec::new, |until| said_at(trace, until)) {
        if devices.len() < LANES_MAX - 1 && !devices.contains(&device) {
            devices.push(device);
        }
        if devices.contains(&device) {
            end = end.max(arrives + 1);
        }
    }
    // Who acts is half the story: the last who called something before the end come with those concerned.
    for moment in trace.moments[..end].iter().rev() {
        if let Occurrence::Called { device, step: Some(_), .. } = moment.what
            && devices.len() < LANES_MAX - 1
            && !devices.contains(&device)
        {
            devices.push(device);
        }
    }
    devices.sort_unstable();
    let rows = rows(trace, &devices, end);
    // The server stands between the first device and the others: most arrows are then short.
    let mut lanes: Vec<Lane> = devices.iter().map(|device| Lane::Device(*device)).collect();
    lanes.insert(1.min(lanes.len()), Lane::Server);
    let name = |lane: &Lane| match lane {
        Lane::Device(device) => trace.plan.device(*device).name.to_string(),
        Lane::Server => "server".to_owned(),
    };
    let place = |wanted: Lane| lanes.iter().position(|lane| *lane == wanted).unwrap_or(0);
    let rung = |row: Row| Rung {
        at_nanos: row.at.as_nanos(),
        from: place(row.from),
        to: place(row.to),
        mark: row.mark,
        label: row.label,
    };
    Ladder { lanes: lanes.iter().map(name).collect(), rows: rows.into_iter().map(rung).collect() }
}

/// To whom the server sends something at the instant of a moment, and where that arrives; the first of each.
fn said_at(trace: &Trace, moment: usize) -> Vec<(DeviceIndex, usize)> {
    let Some(at) = trace.moments.get(moment).map(|moment| moment.at) else { return Vec::new() };
    let begins = trace.moments[..moment].iter().rposition(|earlier| earlier.at != at).map_or(0, |before| before + 1);
    let mut said: Vec<(DeviceIndex, usize)> = Vec::new();
    for index in (begins..trace.moments.len()).take_while(|index| trace.moments[*index].at == at) {
        if let Occurrence::ServerSent { device, connection, message } = &trace.moments[index].what
            && !said.iter().any(|(known, _)| known == device)
            && let Some(arrives) = arrival(trace, index, *connection, message)
        {
            said.push((*device, arrives));
        }
    }
    said
}

fn body_end(trace: &Trace) -> usize {
    let ends = |what: &Occurrence| matches!(what, Occurrence::Stage(Stage::Epilogue));
    trace.moments.iter().position(|moment| ends(&moment.what)).unwrap_or(trace.moments.len())
}

/// What needs remembering from earlier moments to word a later one.
#[derive(Default)]
struct Memory {
    calls: BTreeMap<(DeviceIndex, CallNo), Arc<Call>>,
    requests: BTreeMap<(DeviceIndex, RequestId), String>,
}

impl Memory {
    fn of(trace: &Trace) -> Self {
        let mut memory = Self::default();
        for moment in &trace.moments {
            match &moment.what {
                Occurrence::Called { device, call, content, .. } => {
                    memory.calls.insert((*device, *call), Arc::clone(content));
                }
                Occurrence::DeviceSent { device, message: ClientMessage::Request(request), .. } => {
                    memory.requests.insert((*device, request.id.clone()), operation(&request.content).to_owned());
                }
                _ => {}
            }
        }
        memory
    }

    fn asked(&self, device: DeviceIndex, id: &RequestId) -> &str {
        self.requests.get(&(device, id.clone())).map_or("a request", String::as_str)
    }
}

/// The last rows before `end`, oldest first.
fn rows(trace: &Trace, devices: &[DeviceIndex], end: usize) -> Vec<Row> {
    let words = Words::exact(&trace.plan);
    let memory = Memory::of(trace);
    let mut rows = Vec::new();
    for index in (0..end).rev() {
        if rows.len() == ROWS_MAX || trace.moments[index].what == Occurrence::Stage(Stage::Body) {
            break;
        }
        rows.extend(row(trace, &words, &memory, devices, index));
    }
    rows.reverse();
    rows
}

fn row(trace: &Trace, words: &Words<'_>, memory: &Memory, devices: &[DeviceIndex], index: usize) -> Option<Row> {
    let moment = &trace.moments[index];
    let shown = |device: &DeviceIndex| devices.contains(device);
    let one = |lane, mark, label| Some(Row { at: moment.at, from: lane, to: lane, mark, label });
    match &moment.what {
        Occurrence::Called { device, content, .. } if shown(device) => {
            one(Lane::Device(*device), Mark::Acts, format!("calls {}", words.call(content).text))
        }
        Occurrence::Returned { device, call, result } if shown(device) && !came_with_a_message(trace, index) => {
            one(Lane::Device(*device), Mark::Acts, returned(words, memory, *device, *call, result))
        }
        Occurrence::Heard { device, event } if shown(device) && !came_with_a_message(trace, index) => {
            one(Lane::Device(*device), Mark::Acts, format!("hears {}", words.event(event).text))
        }
        Occurrence::DeviceSent { device, connection, message, .. } if shown(device) => {
            let arrived = trace.moments[index..].iter().any(|later| {
                matches!(&later.what, Occurrence::ServerReceived { connection: on, message: got, .. }
                    if on == connection && got == message)
            });
            let label = format!("{} is lost", from_client(message));
            (!arrived).then_some(Row {
                at: moment.at,
                from: Lane::Device(*device),
                to: Lane::Server,
                mark: Mark::Lost,
                label,
            })
        }
        Occurrence::ServerReceived { device, message, .. } if shown(device) => Some(Row {
            at: moment.at,
            from: Lane::Device(*device),
            to: Lane::Server,
            mark: Mark::Arrives,
            label: from_client(message),
        }),
        Occurrence::ServerSent { device, connection, message } if shown(device) => {
            let lost = arrival(trace, index, *connection, message).is_none();
            let label = format!("{} is lost", from_server(memory, *device, message));
            lost.then_some(Row {
                at: moment.at,
                from: Lane::Server,
                to: Lane::Device(*device),
                mark: Mark::Lost,
                label,
            })
        }
        Occurrence::DeviceReceived { device, message, .. } if shown(device) => {
            let label = match handed_on(trace, index).map(|handed| &handed.what) {
                Some(Occurrence::Heard { event, .. }) => format!("hears {}", words.event(event).text),
                Some(Occurrence::Returned { call, result, .. }) => returned(words, memory, *device, *call, result),
                _ => from_server(memory, *device, message),
            };
            Some(Row { at: moment.at, from: Lane::Server, to: Lane::Device(*device), mark: Mark::Arrives, label })
        }
        Occurrence::DeviceLost { device, .. } if shown(device) => {
            one(Lane::Device(*device), Mark::Lost, "loses its connection".to_owned())
        }
        Occurrence::ServerLost { device, .. } if shown(device) => {
            one(Lane::Server, Mark::Lost, format!("loses {}", words.device(*device).text))
        }
        Occurrence::ServerClosed { device, .. } if shown(device) => {
            one(Lane::Server, Mark::Lost, format!("closes the connection of {}", words.device(*device).text))
        }
        Occurrence::DeviceChanged { device, change } if shown(device) => {
            one(Lane::Device(*device), Mark::Changes, change_verb(*change).to_owned())
        }
        Occurrence::ServerCrashed => one(Lane::Server, Mark::Changes, "crashes".to_owned()),
        Occurrence::ServerStarted { records } => {
            one(Lane::Server, Mark::Changes, format!("starts from {records} records"))
        }
        _ => None,
    }
}

/// What the library handed to the application because of the message that arrived at `index`.
fn handed_on(trace: &Trace, index: usize) -> Option<&Moment> {
    let arrived = &trace.moments[index];
    let Occurrence::DeviceReceived { device, message, .. } = &arrived.what else { return None };
    trace.moments[index + 1..].iter().take_while(|later| later.at == arrived.at).find(|later| match &later.what {
        Occurrence::Heard { device: who, event } => {
            who == device && matches!(message, ServerMessage::Event { event: sent, .. } if sent == event)
        }
        Occurrence::Returned { device: who, result, .. } => {
            who == device && matches!(message, ServerMessage::Response(response) if response.result == *result)
        }
        _ => false,
    })
}

/// Whether the arrow of a message at the same instant says already what the application was handed at `index`.
fn came_with_a_message(trace: &Trace, index: usize) -> bool {
    let handed = &trace.moments[index];
    let same_instant =
        trace.moments[..index].iter().rposition(|earlier| earlier.at != handed.at).map_or(0, |at| at + 1);
    (same_instant..index).any(|arrived| handed_on(trace, arrived).is_some_and(|found| std::ptr::eq(found, handed)))
}

fn returned(
    words: &Words<'_>,
    memory: &Memory,
    device: DeviceIndex,
    call: CallNo,
    result: &Result<Reply, ApiError>,
) -> String {
    let operation = memory.calls.get(&(device, call)).map_or("a call", |call| call.operation().name());
    match result {
        Ok(_) => format!("{operation} returns {}", words.result(result).text),
        Err(error) => format!("{operation} fails {} ({})", error_code(error), error.message),
    }
}

fn operation(content: &Content) -> &str {
    match content {
        Content::Call(call) => call.operation().name(),
        Content::Malformed(malformed) => &malformed.operation,
    }
}

/// Where a message of the server arrives, if it does.
fn arrival(trace: &Trace, sent: usize, connection: ConnectionNo, message: &ServerMessage) -> Option<usize> {
    let arrives = |later: &Moment| {
        matches!(&later.what, Occurrence::DeviceReceived { connection: on, message: got, .. }
            if *on == connection && got == message)
    };
    trace.moments[sent..].iter().position(arrives).map(|after| sent + after)
}

fn from_client(message: &ClientMessage) -> String {
    match message {
        ClientMessage::Login(login) if login.resume.is_some() => "login, to resume".to_owned(),
        ClientMessage::Login(_) => "login".to_owned(),
        ClientMessage::Request(request) => operation(&request.content).to_owned(),
        ClientMessage::Acknowledge { received } => format!("acknowledges {received}"),
    }
}

fn from_server(memory: &Memory, device: DeviceIndex, message: &ServerMessage) -> String {
    match message {
        ServerMessage::LoggedIn { resumed: true, .. } => "logged in, resumed".to_owned(),
        ServerMessage::LoggedIn { .. } => "logged in".to_owned(),
        ServerMessage::Refused { error } => format!("login {}", error_code(error)),
        ServerMessage::Response(response) => match &response.result {
            Ok(_) => format!("{}: ok", memory.asked(device, &response.id)),
            Err(error) => format!("{}: {}", memory.asked(device, &response.id), error_code(error)),
        },
        ServerMessage::Event { event, .. } => event.event.name().name().to_owned(),
    }
}

impl Ladder {
    /// The rows that are drawn with characters.
    fn drawn(&self) -> &[Rung] {
        &self.rows[self.rows.len().saturating_sub(TEXT_ROWS_MAX)..]
    }

    /// Whether whoever has seen this one drawn with characters sees nothing new in another.
    #[must_use]
    pub fn tells_all_of(&self, other: &Self) -> bool {
        let named = |of: &Self, row: &Rung| {
            let lane = |lane: usize| of.lanes.get(lane).cloned();
            (row.at_nanos, lane(row.from), lane(row.to), row.mark, row.label.clone())
        };
        other.lanes.iter().all(|lane| self.lanes.contains(lane))
            && other.drawn().iter().all(|row| self.drawn().iter().any(|mine| named(self, mine) == named(other, row)))
    }

    /// The diagram with characters, at most `width` of them wide: lanes to the left, words to the right.
    #[must_use]
    pub fn text(&self, width: usize) -> String {
        let names = &self.lanes;
        let widths: Vec<usize> = names.iter().map(|name| (name.chars().count() + 2).max(LANE_MIN)).collect();
        let end = widths.iter().sum::<usize>();
        // A lane's line runs under the middle of its name.
        let mut left = 0;
        let mut centres = Vec::new();
        for (name, width) in names.iter().zip(&widths) {
            centres.push(left + name.chars().count() / 2);
            left += width;
        }
        let mut text = format!("{:>9}  ", "");
        for (name, width) in names.iter().zip(&widths) {
            text.push_str(&format!("{name:<width$}"));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        let mut lanes_alone = vec![' '; end.min(centres.last().map_or(end, |last| last + 3))];
        for centre in &centres {
            lanes_alone[*centre] = '|';
        }
        let mut before = None;
        let drawn = self.drawn();
        if drawn.len() < self.rows.len() {
            text.push_str(&format!("{:>9}  {}\n", "…", lanes_alone.iter().collect::<String>().trim_end()));
        }
        for row in drawn {
            let mut cells = lanes_alone.clone();
            // A diagram may come from a saved file, whose author is not held to anything.
            let (Some(from), Some(to)) = (centres.get(row.from), centres.get(row.to)) else { continue };
            let (from, to) = (*from, *to);
            for cell in &mut cells[from.min(to)..from.max(to)] {
                *cell = '-';
            }
            cells[to] = match row.mark {
                Mark::Arrives if to < from => '<',
                mark => mark.character(),
            };
            if from != to {
                cells[from] = '+';
            }
            // A time that is that of the line above is not said again.
            let at = Instant::from_nanos(row.at_nanos);
            let time = if before == Some(at) { String::new() } else { seconds(at) };
            before = Some(at);
            let start = format!("{time:>9}  {}", cells.into_iter().collect::<String>());
            let room = width.saturating_sub(start.chars().count()).max(LABEL_MIN);
            let mut label = wrapped(&row.label, room).into_iter();
            text.push_str(&format!("{start}{}\n", label.next().unwrap_or_default()));
            for more in label {
                text.push_str(&format!("{:>9}  {}  {more}\n", "", lanes_alone.iter().collect::<String>()));
            }
        }
        text
    }
}

/// The words in lines of at most `room` characters, as far as single words allow; later lines are indented by two.
pub(super) fn wrapped(label: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in label.split(' ') {
        let room = if lines.len() == 1 { room } else { room - 2 };
        let line = lines.last_mut().expect("there is a line from the beginning");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests;
