//! A trace as JSON lines, so that it can be kept and judged again: a header with the version and the plan, then a line
//! for each moment.
//!
//! ```text
//! {"convokeTrace":1,"tool":"convoke 0.1.0","plan":{…}}
//! {"at":20000000,"what":{"serverSent":{"device":1,"connection":2,"message":{"type":"event",…}}}}
//! ```
//!
//! Times are nanoseconds; devices are positions in the plan; messages have their written form ([`codec`]). Nothing is
//! redacted: whoever asks for a trace gets what happened. Reading is strict, and what can be read can be judged.
//!
//! [`codec`]: crate::protocol::codec

mod lines;

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::lines::Lines;
use super::outside::Vantage;
use super::{Moment, Occurrence, Trace};
use crate::plan::{Action, DeviceIndex, Expected, Plan, Sighting, Trigger, When};
use crate::protocol::call::Call;
use crate::seed::WordHash;
use crate::time::Instant;

/// The version of the format: it changes whenever an old reader would misread a new trace.
pub const VERSION: u32 = 1;

/// JSON knows no NaN and writes `null`. While a trace is read this number stands for it; no author can mean it.
const NOT_FINITE: f64 = f64::MIN;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Header<P> {
    convoke_trace: u32,
    tool: String,
    #[serde(default, skip_serializing_if = "Vantage::is_server")]
    vantage: Vantage,
    plan: P,
}

/// Why a text is no trace.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It can't be read at all.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It has no header.
    #[error("it is no trace: its first line is not {{\"convokeTrace\": {VERSION}, …}}")]
    NoHeader,
    /// It is of another version.
    #[error("it is a trace of version {0}, and this is a reader of version {VERSION}; use the Convoke that wrote it")]
    Version(u64),
    /// A line is not what it must be.
    #[error("line {line}: {reason}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Writes a trace.
///
/// # Errors
/// When the stream refuses.
pub fn write(trace: &Trace, to: &mut dyn Write) -> io::Result<()> {
    let tool = format!("convoke {}", env!("CARGO_PKG_VERSION"));
    let header = Header { convoke_trace: VERSION, tool, vantage: trace.vantage, plan: &*trace.plan };
    serde_json::to_writer(&mut *to, &header)?;
    to.write_all(b"\n")?;
    let mut lines = Lines::new();
    trace.moments.iter().try_for_each(|moment| to.write_all(lines.line(moment)))
}

/// The hash of everything that happened: of the lines after the header. Two runs with the same hash are the same.
#[must_use]
pub fn hash(trace: &Trace) -> u64 {
    let (mut hash, mut lines) = (WordHash::default(), Lines::new());
    trace.moments.iter().for_each(|moment| hash.add(lines.line(moment)));
    hash.0
}

/// Reads a trace.
///
/// # Errors
/// When it is not one, or not whole: which line, and why.
pub fn read(from: impl BufRead) -> Result<Trace, ReadError> {
    let mut lines = from.lines();
    let first = lines.next().transpose()?.ok_or(ReadError::NoHeader)?;
    let version = serde_json::from_str::<serde_json::Value>(&first)
        .ok()
        .and_then(|header| header.get("convokeTrace").and_then(serde_json::Value::as_u64));
    match version {
        None => return Err(ReadError::NoHeader),
        Some(version) if version != u64::from(VERSION) => return Err(ReadError::Version(version)),
        Some(_) => {}
    }
    let Header { mut plan, vantage, .. } = value_of::<Header<Plan>>(&first, 1)?;
    let wrong = |line: usize, reason: String| ReadError::Line { line, reason };
    check_plan(&plan).map_err(|reason| wrong(1, reason))?;
    let calls = plan.setup.iter_mut().flatten().map(|setup| &mut setup.call);
    let steps = plan.steps.iter_mut().filter_map(|step| match &mut step.action {
        Action::Call { call, .. } => Some(call),
        _ => None,
    });
    calls.chain(steps).for_each(restore);
    let mut moments: Vec<Moment> = Vec::new();
    for (index, text) in lines.enumerate() {
        let (text, line) = (text?, index + 2);
        if text.is_empty() {
            continue;
        }
        let mut moment = value_of::<Moment>(&text, line)?;
        if moments.last().is_some_and(|last| last.at > moment.at) {
            return Err(wrong(line, "it happened before the line above".to_owned()));
        }
        check_moment(&moment, &plan).map_err(|reason| wrong(line, reason))?;
        if let Occurrence::Called { content, .. } = &mut moment.what {
            restore(content);
        }
        moments.push(moment);
    }
    if moments.last().is_some_and(|last| last.at == Instant::NEVER) {
        return Err(wrong(moments.len() + 1, "no run lasts that long".to_owned()));
    }
    Ok(Trace { plan: Arc::new(plan), vantage, moments })
}

fn value_of<T: DeserializeOwned>(text: &str, line: usize) -> Result<T, ReadError> {
    let wrong = |error: serde_json::Error| ReadError::Line { line, reason: error.to_string() };
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        // A call's numbers may be null; everything else is not looked at twice.
        Err(_) if text.contains(":null") => {
            let number = format!(":{NOT_FINITE:e}");
            let text = ["timeout", "count"].iter().fold(text.to_owned(), |text, field| {
                text.replace(&format!("\"{field}\":null"), &format!("\"{field}\"{number}"))
            });
            serde_json::from_str(&text).map_err(wrong)
        }
        Err(error) => Err(wrong(error)),
    }
}

/// Puts the numbers back that JSON doesn't know. Which of them it was makes no difference to any rule (INV-11, LST-4).
fn restore(call: &mut Arc<Call>) {
    let number = match Arc::make_mut(call) {
        Call::InviteUsers { timeout: number, .. } | Call::GetInvitationList { count: number, .. } => number,
        _ => return,
    };
    if *number == NOT_FINITE {
        *number = f64::NAN;
    }
}

/// Whoever reads a trace relies on positions in the plan.
fn check_moment(moment: &Moment, plan: &Plan) -> Result<(), String> {
    let step = match &moment.what {
        Occurrence::StepBegan { step } => Some(*step),
        Occurrence::Called { step, .. } | Occurrence::DeviceSent { step, .. } => *step,
        _ => None,
    };
    check_devices(moment.what.device().as_slice(), plan)?;
    check_step(step, plan)
}

fn check_step(step: Option<usize>, plan: &Plan) -> Result<(), String> {
    match step {
        Some(step) if step >= plan.steps.len() => Err(format!("the plan has no step {step}")),
        _ => Ok(()),
    }
}

fn check_devices(devices: &[DeviceIndex], plan: &Plan) -> Result<(), String> {
    match devices.iter().find(|device| device.index() >= plan.devices.len()) {
        Some(device) => Err(format!("the plan has no device {}", device.0)),
        None => Ok(()),
    }
}

fn check_plan(plan: &Plan) -> Result<(), String> {
    let check = |devices: &[DeviceIndex]| check_devices(devices, plan);
    plan.network.links.iter().try_for_each(|(devices, _)| check(devices))?;
    plan.rooms.iter().try_for_each(|room| check(&room.members))?;
    plan.setup.iter().flatten().try_for_each(|setup| check(&[setup.device]))?;
    for step in &plan.steps {
        match &step.when {
            When::At(_) => {}
            When::After { trigger: Trigger::Begun(step), .. } => check_step(Some(*step), plan)?,
            When::After { trigger: Trigger::Seen { by, .. } | Trigger::Returned { by, .. }, .. } => check(by)?,
        }
        check(step.action.devices())?;
        match &step.action {
            Action::Call { cursor_of: Some(reader), .. } => check(&[*reader])?,
            Action::Send { request, .. } => check(request.cursor_of.as_slice())?,
            _ => {}
        }
    }
    for expectation in &plan.expectations {
        match &expectation.what {
            Expected::Hears { devices, .. }
            | Expected::Never { devices, .. }
            | Expected::Runs { devices, .. }
            | Expected::FinalList { devices, .. } => check(devices)?,
            Expected::Before { first, then } => {
                for sighting in [first, then] {
                    let (Sighting::Hears { by, .. } | Sighting::Returned { by, .. }) = sighting;
                    check(by)?;
                }
            }
        }
    }
    Ok(())
}

/// What a call came to.
pub(super) mod result {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::protocol::call::Reply;
    use crate::protocol::vocabulary::ApiError;

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Shape<R, E> {
        Ok(R),
        Error(E),
    }

    pub(in crate::trace) fn serialize<S: Serializer>(
        result: &Result<Reply, ApiError>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match result {
            Ok(reply) => Shape::<_, &ApiError>::Ok(reply).serialize(to),
            Err(error) => Shape::<&Reply, _>::Error(error).serialize(to),
        }
    }

    pub(in crate::trace) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Result<Reply, ApiError>, D::Error> {
        Ok(match Shape::deserialize(from)? {
            Shape::Ok(reply) => Ok(reply),
            Shape::Error(error) => Err(error),
        })
    }
}

#[cfg(test)]
mod tests;
