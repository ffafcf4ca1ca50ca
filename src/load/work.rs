//! The unit of work: what one arriving call does. It is a scenario, the user's own or one of the shipped models, which are
//! scenario files themselves.
//!
//! Here it is read, and what load can't enact is refused with its line. How it is enacted is the generator's business.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::plan::{Account, Action, DeviceIndex, DeviceKind, Expected, Order, Place, Plan, WorldName, compile};
use crate::protocol::call::Call;
use crate::protocol::vocabulary::{EventName, RoomId};
use crate::run::OWN_SEED;
use crate::scenario::{self, Diagnostic, Diagnostics, Span};
use crate::time::Duration;

/// The call models that come with the program: name and scenario file.
pub const MODELS: &[(&str, &str)] = &[
    ("answered", include_str!("models/answered.yaml")),
    ("rejected", include_str!("models/rejected.yaml")),
    ("timed-out", include_str!("models/timed-out.yaml")),
    ("cancelled", include_str!("models/cancelled.yaml")),
    ("multi-device", include_str!("models/multi-device.yaml")),
    ("crowd", include_str!("models/crowd.yaml")),
];

/// What one arriving call does.
#[derive(Clone, Debug)]
pub struct Work {
    /// The model's name, or the scenario's file.
    pub name: String,
    /// What happens, in the scenario's own names.
    pub plan: Arc<Plan>,
    /// What brings people and rooms to the beginning, phase by phase, in the scenario's own names.
    pub(super) setup: Vec<Vec<(DeviceIndex, Arc<Call>)>>,
    /// Which devices are logged in when it begins.
    pub(super) online: Vec<bool>,
    /// The events that its author awaits, with how often each device must hear them: until then a call is not over.
    pub(super) awaited: BTreeMap<(DeviceIndex, EventName), u32>,
    /// The rooms that it makes, and who makes them: they are dissolved when it is over.
    pub(super) rooms: Vec<(DeviceIndex, RoomId)>,
    /// Whether its author expects something of the lists in the end.
    pub(super) lists: bool,
    /// The longest that it waits for anything by itself: a step's delay, or a ring's timeout.
    pub(super) longest_wait: Duration,
    /// The same without the timeouts of rings that are answered.
    pub(super) usual_wait: Duration,
}

impl Work {
    /// The shipped model of this name, or else the scenario in this file.
    ///
    /// # Errors
    /// What is wrong with the file, or what of it load can't enact.
    pub fn load(name: &str) -> Result<Self, Diagnostics> {
        let scenario = match MODELS.iter().find(|(model, _)| *model == name) {
            Some((model, text)) => scenario::parse(model, (*text).into())?,
            None => scenario::load(Path::new(name))?,
        };
        let plan = compile::compile(&scenario, OWN_SEED)?;
        let mut refused = Diagnostics::new(&scenario.path, &scenario.text);
        refuse(&plan, &mut refused);
        // No clock but the simulator's promises anything of times.
        refused.or_ok(Self::of(name, plan.without_times()))
    }

    fn of(name: &str, plan: Plan) -> Self {
        let mut awaited: BTreeMap<(DeviceIndex, EventName), u32> = BTreeMap::new();
        let mut lists = false;
        for expectation in &plan.expectations {
            match &expectation.what {
                Expected::Hears { devices, events, order } if *order != Order::AnyOf => {
                    for device in devices {
                        let mut of_this: BTreeMap<EventName, u32> = BTreeMap::new();
                        for event in events {
                            *of_this.entry(event.event).or_default() += event.times.unwrap_or(1);
                        }
                        for (event, times) in of_this {
                            let known = awaited.entry((*device, event)).or_default();
                            *known = times.max(*known);
                        }
                    }
                }
                Expected::FinalList { .. } => lists = true,
                _ => {}
            }
        }
        awaited.retain(|_, times| *times > 0);
        let mut rooms = Vec::new();
        let mut rings = Duration::ZERO;
        let setup = plan.setup.iter().flatten().map(|setup| (setup.device, &setup.call));
        let steps = plan.steps.iter().filter_map(|step| match &step.action {
            Action::Call { devices, call, .. } => Some((*devices.first()?, call)),
            _ => None,
        });
        for (device, call) in setup.chain(steps) {
            match &**call {
                Call::CreateRoom { room_id, .. } if rooms.iter().all(|(_, known)| known != room_id) => {
                    rooms.push((device, room_id.clone()));
                }
                Call::InviteUsers { timeout, .. } if timeout.is_finite() && *timeout > 0.0 => {
                    rings = rings.max(Duration::from_nanos((timeout * 1e9) as u64));
                }
                _ => {}
            }
        }
        let mut delays = Duration::ZERO;
        for step in &plan.steps {
            delays = delays.max(match &step.when {
                crate::plan::When::At(at) => at.since(crate::time::Instant::START),
                crate::plan::When::After { delay, .. } => *delay,
            });
        }
        let mut setup: Vec<Vec<(DeviceIndex, Arc<Call>)>> =
            plan.setup.iter().map(|phase| phase.iter().map(|it| (it.device, it.call.clone())).collect()).collect();
        let mut online = vec![false; plan.devices.len()];
        for (device, call) in setup.iter().flatten() {
            online[device.index()] |= matches!(**call, Call::Login { .. });
        }
        // A server knows names only from those who bear them.
        let introductions: Vec<(DeviceIndex, Arc<Call>)> = plan
            .accounts
            .iter()
            .filter(|account| account.is_named())
            .filter_map(|account| Some((speaker(&plan, account, &online)?, introduction(account))))
            .collect();
        if !introductions.is_empty() {
            setup.insert(1.min(setup.len()), introductions);
        }
        let runs_out = awaited.keys().any(|(_, event)| *event == EventName::InvitationTimeout);
        let usual_wait = if runs_out { delays.max(rings) } else { delays };
        let longest_wait = delays.max(rings);
        Self {
            name: name.to_owned(),
            plan: Arc::new(plan),
            setup,
            online,
            awaited,
            rooms,
            lists,
            longest_wait,
            usual_wait,
        }
    }
}

/// The call by which an account says its name.
fn introduction(account: &Account) -> Arc<Call> {
    let (user_name, avatar_url) = (account.user_name.clone(), account.avatar_url.clone());
    Arc::new(Call::SetSelfInfo { user_name, avatar_url })
}

/// A device of the account that can speak for it.
fn speaker(plan: &Plan, account: &Account, online: &[bool]) -> Option<DeviceIndex> {
    plan.device_indices()
        .find(|device| plan.device(*device).identity.user_id == account.user_id && online[device.index()])
}

impl Account {
    /// Whether it has another name than its id, or a picture.
    fn is_named(&self) -> bool {
        *self.user_name != *self.user_id.as_str() || !self.avatar_url.is_empty()
    }
}

/// Says what of a plan load can't enact, and where it stands.
fn refuse(plan: &Plan, refused: &mut Diagnostics) {
    let mut whole = |words: &str, mend: &str| {
        refused.push(Diagnostic::of_file(format!("load can't enact it: {words}")).help(mend));
    };
    if !plan.worlds.is_empty() && !plan.worlds.contains(&WorldName::Live) {
        whole("its `worlds` leave out `live`", "load is real time and real sockets: add `live` if it holds there");
    }
    if plan.network != crate::plan::Network::default() {
        whole("it wants a `network` of its own", "the network under load is the real one: leave the section out");
    }
    if !plan.strangers.is_empty() {
        whole("it has `strangers`, which needs two runs that nothing else tells apart", "run it with `convoke run`");
    }
    if plan.steps.is_empty() {
        whole("it has no steps, so that nothing would arrive", "write at least one step");
    }
    let mut online = vec![false; plan.devices.len()];
    for setup in plan.setup.iter().flatten().filter(|setup| matches!(*setup.call, Call::Login { .. })) {
        online[setup.device.index()] = true;
    }
    for account in plan.accounts.iter().filter(|account| account.is_named()) {
        if speaker(plan, account, &online).is_none() {
            let words = format!("{} has a name or a picture, and no device online to tell the server", account.user_id);
            whole(&words, "leave name and picture out, or give it a device");
        }
    }
    if let Some(raw) = plan.devices.iter().find(|device| device.kind == DeviceKind::Raw) {
        let words = format!("{} has `kind: raw`", raw.name);
        whole(&words, "devices under load have the client library: take the raw ones out");
    }
    for step in &plan.steps {
        let words = match &step.action {
            Action::Call { .. } | Action::On { .. } | Action::Off { .. } | Action::Disconnect { .. } => continue,
            Action::Offline { noticed: true, .. } | Action::Online { .. } => continue,
            Action::Offline { .. } => "the server always learns at once that a connection ends on this machine",
            Action::Send { .. } => "it is a request of a device without the client library",
            Action::Kill { .. } | Action::Restart { .. } => "devices under load are not killed",
            Action::Partition { .. } | Action::Heal { .. } | Action::Hold { .. } | Action::Release { .. } => {
                "the network under load is the real one, which can't be cut or held"
            }
            Action::CrashServer { .. } | Action::RestartServer => "the server is everybody's",
            Action::ClockJump { .. } | Action::ClockDrift { .. } => "clocks under load are the machine's",
        };
        let span = span_of(&plan.source.text, step.place);
        refused.push(Diagnostic::new(span, format!("load can't enact this step: {words}")).help("take it out"));
    }
}

/// From a place to the end of its line.
fn span_of(text: &str, place: Place) -> Span {
    let line = place.line.saturating_sub(1) as usize;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text[start..].lines().next().unwrap_or_default();
    let skipped: usize = rest.chars().take(place.column.saturating_sub(1) as usize).map(char::len_utf8).sum();
    let small = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    Span { line: place.line, column: place.column, start: small(start + skipped), len: small(rest.len() - skipped) }
}

#[cfg(test)]
mod tests;
