//! A plan in words: what will happen, setup and epilogue included, before anything runs.

use std::fmt::Write as _;

use serde_json::Value;

use crate::plan::{
    Action, DeviceIndex, Direction, EventPattern, Expected, ExpectedOutcome, ExpectedResult, HandlerCall, Latency,
    Link, Order, Plan, RequirementId, Sighting, Step, Trigger, When,
};
use crate::protocol::bounds::Bounds;
use crate::protocol::vocabulary::ErrorCode;
use crate::time::Duration;
use crate::trace::words::{Words, redact};

/// How many devices are named before the rest is counted.
const NAMED_MAX: usize = 4;

/// The plan in words.
#[must_use]
pub fn explain(plan: &Plan) -> String {
    let teller = Teller { plan, words: Words::exact(plan) };
    let mut text = format!("{}\n{}, seed {}\n", plan.title, plan.source.path, plan.seed);
    if !plan.covers.is_empty() {
        let _ = writeln!(text, "shows {}", ids(plan.covers.iter().map(|claim| &claim.requirement)));
    }
    teller.world(&mut text);
    teller.setup(&mut text);
    text.push_str("\nsteps\n");
    for (index, step) in plan.steps.iter().enumerate() {
        teller.step(index, step, &mut text);
    }
    if plan.steps.is_empty() {
        text.push_str("  none\n");
    }
    if !plan.strangers.is_empty() {
        let strangers = teller.devices(&plan.strangers);
        let _ =
            writeln!(text, "  it is run a second time without the secret steps: {strangers} must see no difference");
    }
    if let Some(lasts) = plan.lasts {
        let _ = writeln!(text, "  the body ends at {lasts} at the latest");
    }
    teller.epilogue(&mut text);
    if !plan.expectations.is_empty() {
        text.push_str("\nexpected\n");
    }
    for expectation in &plan.expectations {
        let line = teller.expected(&expectation.what);
        let _ = writeln!(text, "  {line}{}", hanging_on(&expectation.by));
    }
    text
}

struct Teller<'p> {
    plan: &'p Plan,
    words: Words<'p>,
}

impl Teller<'_> {
    fn world(&self, text: &mut String) {
        let plan = self.plan;
        text.push_str("\nworld\n");
        let _ = writeln!(text, "  devices: {}", self.devices(&plan.device_indices().collect::<Vec<_>>()));
        let _ = writeln!(text, "  network: {}", link(&plan.network.link));
        for (devices, own) in &plan.network.links {
            let _ = writeln!(text, "           {}: {}", self.devices(devices), link(own));
        }
        let mut service = Vec::new();
        if plan.service.sync > Duration::ZERO {
            service.push(format!("records are durable after {}", plan.service.sync));
        }
        if !plan.service.rate_limits {
            service.push("no rate limits".to_owned());
        }
        let default = Bounds::default();
        for name in Bounds::NAMES {
            let (given, known) = (plan.service.bounds.get(name), default.get(name));
            if let (true, Some(given)) = (given != known, given) {
                service.push(format!("{name} {}", bound(given)));
            }
        }
        if !service.is_empty() {
            let _ = writeln!(text, "  service: {}", service.join(", "));
        }
    }

    fn setup(&self, text: &mut String) {
        text.push_str("\nsetup, at time 0 over an ideal network\n");
        for phase in &self.plan.setup {
            // Calls that differ in the device alone are one line.
            let mut lines: Vec<(String, Vec<DeviceIndex>)> = Vec::new();
            for setup in phase {
                let call = self.words.call(&setup.call).text;
                match lines.last_mut() {
                    Some((known, devices)) if *known == call => devices.push(setup.device),
                    _ => lines.push((call, vec![setup.device])),
                }
            }
            for (call, devices) in lines {
                let _ = writeln!(text, "  {}: {call}", self.devices(&devices));
            }
        }
        for room in &self.plan.rooms {
            let _ = writeln!(text, "  {} of {} then has {}", room.room_id, room.owner, self.devices(&room.members));
        }
    }

    fn step(&self, index: usize, step: &Step, text: &mut String) {
        let when = match &step.when {
            When::At(at) => format!("at {at}"),
            When::After { trigger, delay } => {
                let after = if *delay == Duration::ZERO { "once".to_owned() } else { format!("{delay} after") };
                format!("{after} {}", self.trigger(trigger))
            }
        };
        let action = self.action(&step.action);
        let secret = if step.secret { " (secret)" } else { "" };
        let _ = writeln!(text, "  {:>2}  {when}: {action}{secret}", index + 1);
        if let Action::Call { expected, .. } | Action::Send { expected, .. } = &step.action {
            let outcomes = expected.iter().map(outcome).collect::<Vec<_>>();
            let _ = writeln!(text, "        {}", outcomes.join(", or "));
        }
    }

    fn trigger(&self, trigger: &Trigger) -> String {
        let times = |nth: u32| if nth == 1 { String::new() } else { format!(", {nth} times") };
        match trigger {
            Trigger::Begun(step) => format!("step {} has begun", step + 1),
            Trigger::Seen { event, room, by, nth } => {
                let room = room.as_ref().map_or_else(String::new, |room| format!(" of {room}"));
                format!("{} heard {event}{room}{}", self.devices(by), times(*nth))
            }
            Trigger::Returned { operation, by, nth } => {
                format!("{operation} of {} is answered{}", self.devices(by), times(*nth))
            }
        }
    }

    fn action(&self, action: &Action) -> String {
        let who = self.devices(action.devices());
        match action {
            Action::Call { call, cursor_of, .. } => {
                format!("{who} calls {}{}", self.words.call(call).text, self.cursor_of(*cursor_of))
            }
            Action::Send { request, .. } => {
                let mut args = request.args.clone();
                redact(&mut args);
                format!("{who} sends {} {args}{}", request.operation, self.cursor_of(request.cursor_of))
            }
            Action::On { event, handler, .. } => format!("{who} registers {} for {event}", handler.name),
            Action::Off { event, handler, .. } => format!("{who} removes {handler} for {event}"),
            Action::Offline { noticed: true, .. } => format!("{who} loses its network"),
            Action::Offline { .. } => format!("{who} loses its network, and the server doesn't notice at once"),
            Action::Online { .. } => format!("{who} has its network again"),
            Action::Disconnect { .. } => format!("the connection of {who} breaks"),
            Action::Kill { .. } => format!("the program on {who} dies"),
            Action::Restart { .. } => format!("the program on {who} starts again, logged out"),
            Action::Partition { direction, .. } => format!("{who} is cut off{}", way(*direction)),
            Action::Heal { .. } => format!("{who} is no longer cut off"),
            Action::Hold { direction, .. } => format!("what is sent waits for {who}{}", way(*direction)),
            Action::Release { .. } => format!("what was held for {who} arrives"),
            Action::CrashServer { keep_unsynced: false } => "the server dies, with its unsynced records".to_owned(),
            Action::CrashServer { .. } => "the server dies; its unsynced records turn out to be there".to_owned(),
            Action::RestartServer => "the server starts from its records".to_owned(),
            Action::ClockJump { by, .. } => {
                let span = Duration::from_nanos(by.unsigned_abs());
                format!("the clock of {who} jumps {} by {span}", if *by < 0 { "back" } else { "forward" })
            }
            Action::ClockDrift { ppm, .. } => format!("the clock of {who} drifts by {ppm} ppm"),
        }
    }

    fn epilogue(&self, text: &mut String) {
        text.push_str(
            "\nepilogue\n  faults end, links heal, what crashed or died starts again, and what the author did not take \
             offline\n  reconnects; then every deadline passes\n",
        );
        for room in &self.plan.rooms {
            let _ = writeln!(text, "  every device that is still in {} lists its invitations", room.room_id);
        }
    }

    fn expected(&self, expected: &Expected) -> String {
        match expected {
            Expected::Hears { devices, events, order } => {
                let events = events.iter().map(pattern).collect::<Vec<_>>();
                let (how, join) = match order {
                    Order::Partial => ("hears", ", then "),
                    Order::Sequence => ("hears exactly", ", then "),
                    Order::Unordered => ("hears, in any order,", ", "),
                    Order::AnyOf => ("hears at least one of", ", "),
                };
                format!("{} {how} {}", self.devices(devices), events.join(join))
            }
            Expected::Never { devices, event } => format!("{} never hears {}", self.devices(devices), pattern(event)),
            Expected::Runs { devices, calls } => {
                let calls = calls.iter().map(handler_call).collect::<Vec<_>>();
                let which = if calls.is_empty() { "no handler".to_owned() } else { calls.join(", then ") };
                format!("{} runs exactly {which}", self.devices(devices))
            }
            Expected::Before { first, then } => {
                format!("{} before {}", self.sighting(first), self.sighting(then))
            }
            Expected::FinalList { room, devices, items } => {
                let whose = match devices.as_slice() {
                    [] => "every member".to_owned(),
                    some => self.devices(some),
                };
                let items = items.iter().map(short).collect::<Vec<_>>().join(", ");
                format!("at the end the list of {room} shows {whose} [{items}]")
            }
        }
    }

    fn sighting(&self, sighting: &Sighting) -> String {
        match sighting {
            Sighting::Hears { by, event } => format!("{} hears {}", self.devices(by), pattern(event)),
            Sighting::Returned { by, operation } => format!("{operation} of {} is answered", self.devices(by)),
        }
    }

    fn cursor_of(&self, reader: Option<DeviceIndex>) -> String {
        reader.map_or_else(String::new, |reader| {
            format!(" with the cursor that {} was given last", self.plan.device(reader).name)
        })
    }

    fn devices(&self, devices: &[DeviceIndex]) -> String {
        let mut names: Vec<String> =
            devices.iter().take(NAMED_MAX).map(|device| self.plan.device(*device).name.to_string()).collect();
        if devices.len() > NAMED_MAX {
            names.push(format!("{} more", devices.len() - NAMED_MAX));
        }
        names.join(", ")
    }
}

fn handler_call(call: &HandlerCall) -> String {
    match call.event {
        Some(event) => format!("{} for {event}", call.handler),
        None => call.handler.to_string(),
    }
}

fn outcome(expected: &ExpectedResult) -> String {
    let what = match &expected.outcome {
        ExpectedOutcome::Returns(Value::Null) => "it must succeed".to_owned(),
        ExpectedOutcome::Returns(value) => format!("it must return {}", short(value)),
        ExpectedOutcome::Fails(code) => format!("it must fail with {}", code_name(*code)),
        ExpectedOutcome::Unanswered => "it must stay unanswered".to_owned(),
    };
    format!("{what}{}", hanging_on(&expected.by))
}

fn code_name(code: ErrorCode) -> String {
    code.name().map_or_else(|| code.to_string(), |name| format!("{code} {name}"))
}

fn pattern(pattern: &EventPattern) -> String {
    let mut text = pattern.event.to_string();
    if !matches!(&pattern.payload, Value::Null) && pattern.payload != Value::Object(serde_json::Map::new()) {
        let _ = write!(text, " {}", short(&pattern.payload));
    }
    match pattern.within {
        Some((from, to)) if from == to => {
            let _ = write!(text, " at {from}");
        }
        Some((from, to)) => {
            let _ = write!(text, " from {from} to {to}");
        }
        None => {}
    }
    if let Some(times) = pattern.times {
        let _ = write!(text, ", {times} times");
    }
    text
}

fn short(value: &Value) -> String {
    let mut value = value.clone();
    redact(&mut value);
    value.to_string()
}

fn hanging_on(by: &[RequirementId]) -> String {
    if by.is_empty() { String::new() } else { format!(" ({})", ids(by.iter())) }
}

fn ids<'i>(ids: impl Iterator<Item = &'i RequirementId>) -> String {
    ids.map(|id| &*id.0).collect::<Vec<_>>().join(", ")
}

const fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Both => "",
        Direction::ToServer => " on the way to the server",
        Direction::FromServer => " on the way from the server",
    }
}

fn bound(value: crate::protocol::bounds::BoundValue) -> String {
    use crate::protocol::bounds::BoundValue;
    match value {
        BoundValue::Duration(span) => span.to_string(),
        BoundValue::Count(count) => count.to_string(),
    }
}

fn link(link: &Link) -> String {
    let mut parts = vec![match link.latency {
        Latency::Constant(span) => format!("latency {span}"),
        Latency::Uniform(from, to) => format!("latency from {from} to {to}"),
        Latency::Exponential { min, mean } => format!("latency {min} and exponentially {mean} more"),
        Latency::Normal { mean, deviation } => format!("latency {mean} ± {deviation}"),
        Latency::Pareto { min, shape } => format!("latency from {min} with a tail of shape {shape}"),
    }];
    let shares = [
        (link.loss, format!("is lost and sent again after {}", link.retransmit)),
        (link.breakage, "breaks the connection".to_owned()),
        (link.attack.lose, "never arrives".to_owned()),
        (link.attack.duplicate, "arrives twice".to_owned()),
        (link.attack.reorder, "may be overtaken".to_owned()),
    ];
    for (share, what) in shares {
        if share > 0.0 {
            parts.push(format!("{} % {what}", share * 100.0));
        }
    }
    parts.join(", ")
}
