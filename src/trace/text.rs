//! The canonical text of a run, which snapshots compare: a narrow, aligned line for each thing worth a reviewer's look.
//!
//! A line says when (seconds, cut to the millisecond), who, what, and for a server's message to whom:
//!
//! ```text
//!     0.000  alice.web   calls    inviteUsers r1 [bob] timeout 60
//!     0.020  server      takes    inviteUsers from alice.web
//!     0.020  server      sends    onReceiveInvitation r1 bob#1 kPending from alice @4 -> bob.phone, bob.tablet
//!     0.020  server      answers  inviteUsers ok @4 -> alice.web
//!     0.040  alice.web   returns  inviteUsers {bob: kSuccess}
//!     0.040  bob.phone   hears    onReceiveInvitation r1 bob#1 kPending from alice
//! ```
//!
//! `bob#1` is the first attempt at bob, `@4` the revision of the room (ORD-5). Three boundaries are told apart by their
//! verbs: the API (*calls*, *returns*, *fails*, *hears*, *runs*), the device's wire (*sends*, *repeats*, *gets*) and the
//! server's wire (*takes*, *sends*, *answers*). A device's wire shows only where it differs from its API: a request that
//! leaves later than its call or again, a message that the library doesn't hand on, and everything of a raw device. One
//! message of the server to several devices is one line.
//!
//! Left out are the setup, the epilogue but for the final lists, the traffic of sessions (connections, logins of the
//! library, acknowledgements), request ids, tokens, messages of errors, and secrets (see [`words`]). The devices and
//! users of a population are counted over the lines between two lines of others, unless the scenario asks for lanes.
//!
//! [`words`]: super::words

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use indexmap::IndexMap;

use super::words::{Phrase, Words, error_code};
use super::{DeviceChange, Moment, Occurrence, Stage, Trace};
use crate::plan::{Action, CrowdView, DeviceIndex, DeviceKind, Plan};
use crate::protocol::call::{Call, CallNo, ListItem, Reply};
use crate::protocol::event::StampedEvent;
use crate::protocol::message::{ClientMessage, Content, Request, Response, ServerMessage};
use crate::protocol::vocabulary::{ApiError, RequestId, RoomId};
use crate::time::Instant;

/// The canonical text of a run.
#[must_use]
pub fn canonical(trace: &Trace) -> String {
    let words = match trace.plan.snapshot.crowd {
        CrowdView::Counts => Words::folded(&trace.plan),
        CrowdView::Lanes => Words::exact(&trace.plan),
    };
    let mut teller = Teller::new(&trace.plan, words);
    let mut rest = trace.moments.as_slice();
    while let Some(first) = rest.first() {
        let (slice, later) = rest.split_at(rest.partition_point(|moment| moment.at == first.at).max(1));
        let seen = Slice::of(slice);
        for moment in slice {
            teller.tell(moment, &seen);
        }
        rest = later;
    }
    teller.finish()
}

/// What the applications did at one instant: what the devices' wires need not say again.
#[derive(Default)]
struct Slice<'t> {
    calls: BTreeSet<(DeviceIndex, &'static str)>,
    returns: BTreeSet<DeviceIndex>,
    heard: BTreeMap<DeviceIndex, Vec<&'t StampedEvent>>,
}

impl<'t> Slice<'t> {
    fn of(moments: &'t [Moment]) -> Self {
        let mut slice = Self::default();
        for moment in moments {
            match &moment.what {
                Occurrence::Called { device, content, .. } => {
                    slice.calls.insert((*device, content.operation().name()));
                }
                Occurrence::Returned { device, .. } => {
                    slice.returns.insert(*device);
                }
                Occurrence::Heard { device, event } => slice.heard.entry(*device).or_default().push(event),
                _ => {}
            }
        }
        slice
    }

    fn hears(&self, device: DeviceIndex, event: &StampedEvent) -> bool {
        self.heard.get(&device).is_some_and(|events| events.contains(&event))
    }
}

/// One line before it is laid out.
struct Line {
    at: Instant,
    /// When the last of those counted in it happened.
    until: Instant,
    who: String,
    verb: &'static str,
    text: String,
    /// To whom the server says it, and how often.
    to: Vec<(String, usize)>,
    /// How many moments are counted in it.
    count: usize,
    folded: bool,
}

impl Line {
    fn is_same(&self, other: &Self) -> bool {
        self.verb == other.verb && self.who == other.who && self.text == other.text
    }

    fn absorb(&mut self, other: Self) {
        self.count += other.count;
        self.until = other.at;
        self.folded |= other.folded;
        for (device, count) in other.to {
            match self.to.iter_mut().find(|(known, _)| *known == device) {
                Some((_, known)) => *known += count,
                None => self.to.push((device, count)),
            }
        }
    }
}

/// Tells a trace line by line.
struct Teller<'t> {
    words: Words<'t>,
    plan: &'t Plan,
    stage: Stage,
    lines: Vec<Line>,
    /// The lines about populations since the last line about anybody else, by what they say.
    counting: BTreeMap<(String, &'static str, String), usize>,
    calls: BTreeMap<(DeviceIndex, CallNo), Arc<Call>>,
    /// What the requests ask, as far as they left their devices.
    requests: BTreeMap<(DeviceIndex, RequestId), String>,
    taken: BTreeSet<(DeviceIndex, RequestId)>,
    lists: FinalLists,
}

/// What each device read at the end, by room.
type FinalLists = BTreeMap<(RoomId, DeviceIndex), Vec<ListItem>>;

impl<'t> Teller<'t> {
    fn new(plan: &'t Plan, words: Words<'t>) -> Self {
        Self {
            words,
            plan,
            stage: Stage::Setup,
            lines: Vec::new(),
            counting: BTreeMap::new(),
            calls: BTreeMap::new(),
            requests: BTreeMap::new(),
            taken: BTreeSet::new(),
            lists: FinalLists::new(),
        }
    }

    fn tell(&mut self, moment: &Moment, seen: &Slice<'_>) {
        match &moment.what {
            Occurrence::Stage(stage) => self.stage = *stage,
            Occurrence::Called { device, call, content, step } => {
                self.calls.insert((*device, *call), Arc::clone(content));
                let mut phrase = self.words.call(content);
                if step.is_none() {
                    phrase.text.push_str(" by itself");
                }
                self.device_line(moment.at, *device, "calls", phrase);
            }
            Occurrence::Returned { device, call, result } => self.returned(moment.at, *device, *call, result),
            Occurrence::DeviceSent { device, message: ClientMessage::Request(request), .. } => {
                self.request_sent(moment.at, *device, request, seen);
            }
            Occurrence::DeviceSent { device, message: ClientMessage::Login(_), step: Some(_), .. } => {
                self.device_line(moment.at, *device, "sends", phrase("login"));
            }
            Occurrence::ServerReceived { device, message: ClientMessage::Request(request), .. } => {
                self.request_taken(moment.at, *device, request);
            }
            Occurrence::ServerSent { device, message, .. } => self.server_sent(moment.at, *device, message),
            Occurrence::DeviceReceived { device, message, .. } => self.device_got(moment.at, *device, message, seen),
            Occurrence::Heard { device, event } => {
                let phrase = self.words.event(event);
                self.device_line(moment.at, *device, "hears", phrase);
            }
            Occurrence::Handled { device, handler, event } => {
                let text = phrase(&format!("{handler} for {}", event.event.name()));
                self.device_line(moment.at, *device, "runs", text);
            }
            Occurrence::PushHinted(hint) => {
                let user = self.words.user(&hint.user_id);
                let text = format!("{} to {}", hint.room_id, user.text);
                self.server_line(moment.at, "pushes", Phrase { text, folded: user.folded }, None);
            }
            Occurrence::ServerCrashed => self.server_line(moment.at, "crashes", Phrase::default(), None),
            Occurrence::ServerStarted { .. } => self.server_line(moment.at, "starts", Phrase::default(), None),
            Occurrence::DeviceChanged { device, change } => {
                self.device_line(moment.at, *device, change_verb(*change), Phrase::default());
            }
            Occurrence::StepBegan { step } => self.step_began(moment.at, *step),
            // The traffic of sessions.
            Occurrence::Connected { .. }
            | Occurrence::DeviceLost { .. }
            | Occurrence::ServerLost { .. }
            | Occurrence::ServerClosed { .. }
            | Occurrence::DeviceSent { .. }
            | Occurrence::ServerReceived { .. } => {}
        }
    }

    /// Handlers come and go without a trace of their own.
    fn step_began(&mut self, at: Instant, step: usize) {
        let (devices, text) = match self.plan.steps.get(step).map(|step| &step.action) {
            Some(Action::On { devices, event, handler }) => (devices, format!("on {event} {}", handler.name)),
            Some(Action::Off { devices, event, handler }) => (devices, format!("off {event} {handler}")),
            _ => return,
        };
        for device in devices {
            self.device_line(at, *device, "calls", phrase(&text));
        }
    }

    fn returned(&mut self, at: Instant, device: DeviceIndex, call: CallNo, result: &Result<Reply, ApiError>) {
        let Some(content) = self.calls.remove(&(device, call)) else { return };
        if self.stage == Stage::FinalLists {
            if let (Some(room), Ok(Reply::List(page))) = (content.room_id(), result) {
                let items = self.lists.entry((room.clone(), device)).or_default();
                items.extend(page.invitation_list.iter().cloned());
            }
            return;
        }
        let answer = self.words.result(result);
        let text = format!("{} {}", content.operation(), answer.text);
        let verb = if result.is_ok() { "returns" } else { "fails" };
        self.device_line(at, device, verb, Phrase { text, folded: answer.folded });
    }

    fn request_sent(&mut self, at: Instant, device: DeviceIndex, request: &Request, seen: &Slice<'_>) {
        let operation = operation(&request.content);
        let again = self.requests.insert((device, request.id.clone()), operation.to_owned()).is_some();
        let raw = self.plan.device(device).kind == DeviceKind::Raw;
        let told = seen.calls.iter().any(|(caller, called)| *caller == device && *called == operation);
        if raw || again || !told {
            let phrase = self.words.content(&request.content);
            self.device_line(at, device, if again && !raw { "repeats" } else { "sends" }, phrase);
        }
    }

    fn request_taken(&mut self, at: Instant, device: DeviceIndex, request: &Request) {
        let again = !self.taken.insert((device, request.id.clone()));
        let from = self.words.device(device);
        let mut text = operation(&request.content).to_owned();
        if let Content::Call(call) = &request.content
            && let Call::Accept { attempt: Some(attempt), .. } | Call::Reject { attempt: Some(attempt), .. } = &**call
            && !from.folded
        {
            let _ = write!(text, " #{}", attempt.attempt);
        }
        let _ = write!(text, " {}from {}", if again { "again " } else { "" }, from.text);
        self.server_line(at, "takes", Phrase { text, folded: from.folded }, None);
    }

    fn server_sent(&mut self, at: Instant, device: DeviceIndex, message: &ServerMessage) {
        let (verb, mut phrase, revision) = match message {
            ServerMessage::Event { event, .. } => {
                ("sends", self.words.event(event), event.stamp.as_ref().map(|stamp| stamp.revision))
            }
            ServerMessage::Response(response) => (
                "answers",
                Phrase { text: self.answer(device, response), folded: false },
                response.at.map(|point| point.revision),
            ),
            ServerMessage::LoggedIn { .. } | ServerMessage::Refused { .. } => return,
        };
        let to = self.words.device(device);
        // The revisions of a population's own answers would keep the lines apart that are to be counted.
        if let (Some(revision), false) = (revision, phrase.folded || (to.folded && verb == "answers")) {
            let _ = write!(phrase.text, " @{revision}");
        }
        self.server_line(at, verb, phrase, Some(to));
    }

    /// On the wire the kind of the answer is enough: the API shows what it returns.
    fn answer(&self, device: DeviceIndex, response: &Response) -> String {
        let asked = self.requests.get(&(device, response.id.clone())).map_or("a request", String::as_str);
        match &response.result {
            Ok(_) => format!("{asked} ok"),
            Err(error) => format!("{asked} {}", error_code(error)),
        }
    }

    fn device_got(&mut self, at: Instant, device: DeviceIndex, message: &ServerMessage, seen: &Slice<'_>) {
        let raw = self.plan.device(device).kind == DeviceKind::Raw;
        let phrase = match message {
            ServerMessage::Event { event, .. } if !seen.hears(device, event) => self.words.event(event),
            ServerMessage::Response(response) if raw || !seen.returns.contains(&device) => {
                let asked = self.requests.get(&(device, response.id.clone())).map_or("a request", String::as_str);
                let answer = self.words.result(&response.result);
                Phrase { text: format!("{asked} {}", answer.text), folded: answer.folded }
            }
            ServerMessage::LoggedIn { resumed, .. } if raw => {
                phrase(if *resumed { "login resumed" } else { "login ok" })
            }
            ServerMessage::Refused { error } if raw => phrase(&format!("login {}", error_code(error))),
            _ => return,
        };
        self.device_line(at, device, "gets", phrase);
    }

    fn device_line(&mut self, at: Instant, device: DeviceIndex, verb: &'static str, what: Phrase) {
        let who = self.words.device(device);
        let folded = who.folded || what.folded;
        self.line(Line { at, until: at, who: who.text, verb, text: what.text, to: Vec::new(), count: 1, folded });
    }

    fn server_line(&mut self, at: Instant, verb: &'static str, what: Phrase, to: Option<Phrase>) {
        let folded = what.folded || to.as_ref().is_some_and(|to| to.folded);
        let to = to.map(|to| (to.text, 1)).into_iter().collect();
        self.line(Line { at, until: at, who: "server".to_owned(), verb, text: what.text, to, count: 1, folded });
    }

    fn line(&mut self, line: Line) {
        if self.stage != Stage::Body {
            return;
        }
        // One message to several devices is one line; two equal messages to one device are two.
        if let Some(last) = self.lines.last_mut()
            && last.at == line.at
            && last.is_same(&line)
            && (line.folded || line.to.first().is_some_and(|to| !last.to.contains(to)))
        {
            last.absorb(line);
            return;
        }
        if !line.folded {
            self.counting.clear();
            self.lines.push(line);
            return;
        }
        let key = (line.who.clone(), line.verb, line.text.clone());
        match self.counting.get(&key) {
            Some(index) => self.lines[*index].absorb(line),
            None => {
                self.counting.insert(key, self.lines.len());
                self.lines.push(line);
            }
        }
    }

    fn finish(self) -> String {
        // The width comes from the plan: what happens must not move the columns.
        let width = self
            .plan
            .device_indices()
            .map(|device| self.words.device(device).text.chars().count())
            .chain(["server".len()])
            .max()
            .unwrap_or_default();
        let mut text = String::new();
        for line in &self.lines {
            let mut what = line.text.clone();
            if line.count > 1 && line.to.is_empty() {
                what = format!("{}x {what}", line.count);
            }
            if !line.to.is_empty() {
                let _ = write!(what, " -> {}", counted(&line.to));
            }
            if line.until != line.at {
                let _ = write!(what, " (until {})", seconds(line.until));
            }
            let start = format!("{:>9}  {:<width$}  {:<7}  {what}", seconds(line.at), line.who, line.verb);
            let _ = writeln!(text, "{}", start.trim_end());
        }
        text.push_str(&final_lists(&self.words, &self.lists, width));
        text
    }
}

/// The lists at the end; devices that read the same share a line.
fn final_lists(words: &Words<'_>, lists: &FinalLists, width: usize) -> String {
    let mut lines: IndexMap<(&RoomId, String), Vec<(String, usize)>> = IndexMap::new();
    for ((room, device), items) in lists {
        let name = words.device(*device).text;
        let devices = lines.entry((room, words.list(items).text)).or_default();
        match devices.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => devices.push((name, 1)),
        }
    }
    let mut text = String::new();
    for ((room, list), devices) in lines {
        let _ = writeln!(text, "{:>9}  {room:<width$}  {:<7}  {list} -> {}", "end", "shows", counted(&devices));
    }
    text
}

/// Devices, and how often each where that is more than once.
fn counted(devices: &[(String, usize)]) -> String {
    let named = |(device, count): &(String, usize)| match count {
        1 => device.clone(),
        count => format!("{device} x{count}"),
    };
    devices.iter().map(named).collect::<Vec<_>>().join(", ")
}

fn phrase(text: &str) -> Phrase {
    Phrase { text: text.to_owned(), folded: false }
}

fn operation(content: &Content) -> &str {
    match content {
        Content::Call(call) => call.operation().name(),
        Content::Malformed(malformed) => &malformed.operation,
    }
}

/// What a change does to a device, as a verb.
#[must_use]
pub const fn change_verb(change: DeviceChange) -> &'static str {
    match change {
        DeviceChange::Offline => "goes offline",
        DeviceChange::Online => "goes online",
        DeviceChange::Disconnected => "is disconnected",
        DeviceChange::Killed => "is killed",
        DeviceChange::Restarted => "is restarted",
        DeviceChange::Partitioned => "is cut off",
        DeviceChange::Healed => "is healed",
        DeviceChange::Held => "is held",
        DeviceChange::Released => "is released",
        DeviceChange::ClockChanged => "has its clock changed",
    }
}

/// Seconds, cut to the millisecond.
#[must_use]
pub fn seconds(at: Instant) -> String {
    let millis = at.as_millis();
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests;
