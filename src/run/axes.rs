//! Capability axes: the same scenarios where users have more devices, members more power, calls ring longer, or the network
//! is another. What an author expects holds there as well, or the combination is left out: the reference says which.
//!
//! A combination changes the plan and not the file. Its name stands behind that of the scenario, like a path:
//! `cancel/batch.yaml/devices=2/network=slow`. This module makes plans of plans and names of combinations; who runs them, and
//! who asks the reference, is up to `conform`.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::plan::{Action, Expected, Latency, Link, Network, Plan, PlannedDevice, SetupCall, Sighting, When};
use crate::protocol::bounds::{BoundValue, Bounds};
use crate::protocol::call::{Call, DeviceIdentity};
use crate::protocol::vocabulary::{DeviceId, Platform, Role, UserId};
use crate::time::{Duration, Instant};

/// One thing in which implementations and their surroundings differ.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Axis {
    /// How many devices each user has at the least.
    Devices,
    /// What members may do.
    Roles,
    /// How long everything takes.
    Timeouts,
    /// How messages travel.
    Network,
}

/// The axes, each with its name, its values, and what it is. The first value leaves the scenario as it is.
const AXES: [(Axis, &str, &[&str], &str); 4] = [
    (Axis::Devices, "devices", &["1", "2", "3"], "how many devices each user who is online has at the least"),
    (
        Axis::Roles,
        "roles",
        &["as-is", "administrators"],
        "whether everybody who is in a room at the beginning is an administrator",
    ),
    (Axis::Timeouts, "timeouts", &["1x", "10x", "100x"], "how much longer calls ring, and everything else takes"),
    (
        Axis::Network,
        "network",
        &["as-is", "fast", "slow", "lossy"],
        "messages take 20 ms; or 1 ms; or 150 ms; or one in twenty is sent twice",
    ),
];

/// Some values of an axis.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    axis: Axis,
    values: Vec<&'static str>,
}

/// Why there is no such choice.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoChoice {
    /// There is no such axis.
    #[error("there is no axis `{0}`; there are {known}", known = known())]
    NoAxis(String),
    /// The axis has no such value.
    #[error("the axis `{axis}` has no value `{value}`; it has {values}")]
    NoValue {
        /// Which axis.
        axis: &'static str,
        /// What was asked for.
        value: String,
        /// What there is.
        values: String,
    },
    /// It was chosen before.
    #[error("the axis `{0}` is there twice; write its values behind one another: {0}=A,B")]
    Twice(&'static str),
}

fn known() -> String {
    let axes = AXES.iter().map(|(_, name, values, words)| format!("`{name}` ({}: {words})", values.join(", ")));
    axes.collect::<Vec<_>>().join(", ")
}

impl Axis {
    fn entry(self) -> &'static (Self, &'static str, &'static [&'static str], &'static str) {
        AXES.iter().find(|(axis, ..)| *axis == self).expect("every axis is in the table")
    }
}

impl Choice {
    /// Reads `devices=1,2`; a name alone means all values.
    ///
    /// # Errors
    /// When there is no such axis, or no such value.
    pub fn read(text: &str) -> Result<Self, NoChoice> {
        let (name, wanted) = text.split_once('=').map_or((text, None), |(name, values)| (name, Some(values)));
        let entry = AXES.iter().find(|(_, known, ..)| *known == name);
        let (axis, name, values, _) = entry.ok_or_else(|| NoChoice::NoAxis(name.to_owned()))?;
        let Some(wanted) = wanted else { return Ok(Self { axis: *axis, values: values.to_vec() }) };
        let mut chosen = Vec::new();
        for value in wanted.split(',') {
            let known = values.iter().find(|known| **known == value.trim()).ok_or_else(|| NoChoice::NoValue {
                axis: name,
                value: value.to_owned(),
                values: values.join(", "),
            })?;
            if !chosen.contains(known) {
                chosen.push(*known);
            }
        }
        Ok(Self { axis: *axis, values: chosen })
    }
}

/// A value of each axis that was chosen, in the order of the axes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Combination(Vec<(Axis, &'static str)>);

/// As it stands behind the name of a scenario: `devices=2/network=slow`.
impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (axis, value)) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "/" };
            write!(f, "{gap}{}={value}", axis.entry().1)?;
        }
        Ok(())
    }
}

/// The combinations of these choices: all of them, or so many that every two values of two axes come together once.
///
/// # Errors
/// When an axis was chosen twice.
pub fn combinations(mut choices: Vec<Choice>, pairwise: bool) -> Result<Vec<Combination>, NoChoice> {
    choices.sort_by_key(|choice| choice.axis);
    if let Some(twice) = choices.windows(2).find(|two| two[0].axis == two[1].axis) {
        return Err(NoChoice::Twice(twice[0].axis.entry().1));
    }
    let mut all = vec![Combination::default()];
    for Choice { axis, values } in &choices {
        let with = |one: &Combination, value| Combination([&one.0[..], &[(*axis, value)]].concat());
        all = all.iter().flat_map(|one| values.iter().map(|value| with(one, *value)).collect::<Vec<_>>()).collect();
    }
    if !pairwise || choices.len() < 3 {
        return Ok(all);
    }
    let pairs = |one: &Combination| {
        let values = one.0.clone();
        let ahead = |at: usize| values[at + 1..].iter().map(|other| (values[at], *other)).collect::<Vec<_>>();
        (0..values.len()).flat_map(ahead).collect::<BTreeSet<_>>()
    };
    let mut open: BTreeSet<_> = all.iter().flat_map(pairs).collect();
    let mut chosen = Vec::new();
    while !open.is_empty() {
        // The first of those that bring most pairs together which have not met yet.
        let best = all.iter().rev().max_by_key(|one| pairs(one).intersection(&open).count());
        let best = best.expect("what is open is of one of them").clone();
        for pair in pairs(&best) {
            open.remove(&pair);
        }
        chosen.push(best);
    }
    chosen.sort_by_key(|one| all.iter().position(|other| other == one));
    Ok(chosen)
}

impl Combination {
    /// Whether it leaves every scenario as it is.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.0.iter().all(|(axis, value)| axis.entry().2[0] == *value)
    }

    /// The arguments that choose this one alone, such as ` --axis devices=2`.
    #[must_use]
    pub fn arguments(&self) -> String {
        self.0.iter().map(|(axis, value)| format!(" --axis {}={value}", axis.entry().1)).collect()
    }

    /// Whether it changes bounds of the service: an implementation with bounds of its own can't follow.
    #[must_use]
    pub fn changes_bounds(&self) -> bool {
        self.0.iter().any(|(axis, value)| *axis == Axis::Timeouts && *value != "1x")
    }

    /// The plan under this combination; none where some value can't be brought about, or is there anyhow.
    #[must_use]
    pub fn of(&self, plan: &Plan) -> Option<Plan> {
        let mut made = plan.clone();
        for (axis, value) in self.0.iter().filter(|(axis, value)| axis.entry().2[0] != *value) {
            made = match (axis, *value) {
                (Axis::Devices, count) => with_devices(&made, count.parse().expect("the values are numbers")),
                (Axis::Roles, _) => with_administrators(&made),
                (Axis::Timeouts, "10x") => stretched(&made, 10),
                (Axis::Timeouts, _) => stretched(&made, 100),
                (Axis::Network, "fast") => over(&made, constant(1)),
                (Axis::Network, "slow") => over(&made, constant(150)),
                (Axis::Network, _) => over(&made, Link { loss: 0.05, ..Link::default() }),
            }?;
        }
        Some(made)
    }
}

fn constant(millis: u64) -> Link {
    Link { latency: Latency::Constant(Duration::from_millis(millis)), ..Link::default() }
}

/// Everybody whose library logs in at the beginning has so many devices: the further ones log in with it, and listen.
fn with_devices(plan: &Plan, least: usize) -> Option<Plan> {
    let mut made = plan.clone();
    let logins =
        plan.setup.iter().position(|phase| phase.iter().any(|call| matches!(*call.call, Call::Login { .. })))?;
    let mut users: Vec<(UserId, SetupCall)> = Vec::new();
    for call in plan.setup[logins].iter().filter(|call| plan.device(call.device).population.is_none()) {
        let user = &plan.device(call.device).identity.user_id;
        if !users.iter().any(|(known, _)| known == user) {
            users.push((user.clone(), call.clone()));
        }
    }
    for (user, login) in users {
        let own = made.devices.iter().filter(|device| device.identity.user_id == user);
        let taken: Vec<Platform> = own.map(|device| device.identity.platform).collect();
        // DEV-9: a user has one session on each platform.
        let free = Platform::ALL.iter().filter(|platform| !taken.contains(platform));
        for (number, platform) in free.take(least.saturating_sub(taken.len())).enumerate() {
            let name = login_name(plan, &login);
            let device = PlannedDevice {
                name: format!("{name}.further{}", number + 1).into(),
                identity: DeviceIdentity {
                    user_id: user.clone(),
                    device_id: DeviceId::from(format!("{user}-further{}", number + 1)),
                    platform: *platform,
                },
                auto_busy: false,
                ..plan.device(login.device).clone()
            };
            let index = crate::plan::DeviceIndex(u32::try_from(made.devices.len()).ok()?);
            made.devices.push(device);
            made.setup[logins].push(SetupCall { device: index, ..login.clone() });
        }
    }
    (made.devices.len() > plan.devices.len()).then_some(made)
}

/// The user of a device, as the author names it.
fn login_name(plan: &Plan, login: &SetupCall) -> String {
    let name = &plan.device(login.device).name;
    name.rsplit_once('.').map_or(&**name, |(user, _)| user).to_owned()
}

/// The owner of each room makes administrators of all who are in it at the beginning.
fn with_administrators(plan: &Plan) -> Option<Plan> {
    let calls = || plan.setup.iter().flatten();
    let mut phase = Vec::new();
    for room in &plan.rooms {
        let creates =
            |call: &&SetupCall| matches!(&*call.call, Call::CreateRoom { room_id, .. } if *room_id == room.room_id);
        let creator = calls().find(creates)?;
        for member in &room.members {
            let user = &plan.device(*member).identity.user_id;
            let has_role = |call: &SetupCall| matches!(&*call.call, Call::ChangeUserRole { room_id, user_id, .. } if *room_id == room.room_id && user_id == user);
            if *user == room.owner || calls().any(has_role) {
                continue;
            }
            let call = Call::ChangeUserRole {
                room_id: room.room_id.clone(),
                user_id: user.clone(),
                user_role: Role::Administrator,
            };
            phase.push(SetupCall { call: Arc::new(call), ..creator.clone() });
        }
    }
    let is_some = !phase.is_empty();
    let mut made = plan.clone();
    made.setup.push(phase);
    is_some.then_some(made)
}

/// Messages travel like this, where the author has not said how. When something comes is then another matter.
fn over(plan: &Plan, link: Link) -> Option<Plan> {
    if plan.network != Network::default() {
        return None;
    }
    let mut made = plan.without_times();
    made.network.link = link;
    Some(made)
}

/// Everything takes longer by this factor, the bounds of the service included.
fn stretched(plan: &Plan, factor: u64) -> Option<Plan> {
    if !plan.network.links.is_empty() || plan.network.link != Link::default() {
        return None;
    }
    let duration = |it: &mut Duration| *it = Duration::from_nanos(it.as_nanos().saturating_mul(factor));
    let instant = |it: &mut Instant| *it = Instant::from_nanos(it.as_nanos().saturating_mul(factor));
    let mut made = plan.clone();
    let mut rings = false;
    for step in &mut made.steps {
        match &mut step.when {
            When::At(at) => instant(at),
            When::After { delay, .. } => duration(delay),
        }
        match &mut step.action {
            Action::Call { call, .. } => {
                if let Call::InviteUsers { timeout, .. } = Arc::make_mut(call) {
                    rings |= *timeout > 0.0;
                    *timeout *= f64::from(u32::try_from(factor).expect("factors are small"));
                }
            }
            Action::Send { request, .. } => {
                if let Some(timeout) = request.args.get("timeout").and_then(serde_json::Value::as_f64) {
                    rings |= timeout > 0.0;
                    request.args["timeout"] =
                        (timeout * f64::from(u32::try_from(factor).expect("factors are small"))).into();
                }
            }
            Action::ClockJump { by, .. } => *by = by.saturating_mul(i64::try_from(factor).expect("factors are small")),
            _ => {}
        }
    }
    if !rings {
        return None;
    }
    let within = |window: &mut Option<(Instant, Instant)>| {
        if let Some((from, to)) = window {
            instant(from);
            instant(to);
        }
    };
    for expectation in &mut made.expectations {
        match &mut expectation.what {
            Expected::Hears { events, .. } => events.iter_mut().for_each(|event| within(&mut event.within)),
            Expected::Never { event, .. } => within(&mut event.within),
            Expected::Before { first, then } => {
                for sighting in [first, then] {
                    if let Sighting::Hears { event, .. } = sighting {
                        within(&mut event.within);
                    }
                }
            }
            Expected::Runs { .. } | Expected::FinalList { .. } => {}
        }
    }
    if let Some(lasts) = &mut made.lasts {
        duration(lasts);
    }
    duration(&mut made.service.sync);
    let mut bounds = Bounds::clone(&made.service.bounds);
    for name in Bounds::NAMES {
        if let Some(BoundValue::Duration(mut value)) = bounds.get(name) {
            duration(&mut value);
            bounds.set(name, BoundValue::Duration(value)).expect("it is there, and measures time");
        }
    }
    made.service.bounds = bounds.into();
    let link = &mut made.network.link;
    if let Latency::Constant(latency) = &mut link.latency {
        duration(latency);
    }
    duration(&mut link.retransmit);
    Some(made)
}

/// The axes, as a Markdown table.
#[must_use]
pub fn markdown() -> String {
    let mut table = "| axis | values | what it is |\n|---|---|---|\n".to_owned();
    for (_, name, values, words) in AXES {
        let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        table.push_str(&format!("| `{name}` | {} | {words} |\n", values.join(", ")));
    }
    table
}

#[cfg(test)]
mod tests;
