//! SEC-3: strangers can't tell two runs apart of which only one has the secret steps.
//!
//! It lays two traces side by side, lane by lane: what a stranger's application calls, is answered and hears, and what a
//! raw device sends and receives, each with its time. It looks at the body alone: the epilogue begins when the body has
//! nothing more to do, which may be at another time. Tokens of sessions are random, and left out.

use std::sync::Arc;

use serde_json::Value;

use super::{Difference, Finding};
use crate::plan::{DeviceIndex, DeviceKind, Place, RequirementId};
use crate::protocol::call::{Call, Reply};
use crate::protocol::event::Event;
use crate::protocol::message::{ClientMessage, ServerMessage};
use crate::protocol::vocabulary::ApiError;
use crate::time::Instant;
use crate::trace::text::seconds;
use crate::trace::words::Words;
use crate::trace::{Occurrence, Stage, Trace};

const NAME: &str = "non-interference";

/// Holds a run with the secret steps against one without: for each stranger, the first line at which its lanes part.
#[must_use]
pub fn judge(with: &Trace, without: &Trace) -> Vec<Finding> {
    with.plan.strangers.iter().filter_map(|stranger| first_parting(with, without, *stranger)).collect()
}

/// One thing that a device sees or does.
#[derive(PartialEq)]
struct Line<'t> {
    at: Instant,
    what: Seen<'t>,
    moment: usize,
}

/// What of an occurrence is the device's own; everything else may differ.
#[derive(PartialEq)]
enum Seen<'t> {
    Api(ApiSide<'t>),
    Sends(ClientMessage),
    Gets(ServerMessage),
    Loses,
}

#[derive(PartialEq)]
enum ApiSide<'t> {
    Calls(&'t Call),
    /// What the application is handed: the wire's own marks are no part of it (ORD-5).
    Returns(Result<Value, &'t ApiError>),
    Hears(&'t Event),
    Runs(&'t str, &'t Event),
}

fn first_parting(with: &Trace, without: &Trace, stranger: DeviceIndex) -> Option<Finding> {
    let (one, other) = (lane(with, stranger), lane(without, stranger));
    let same = |(a, b): &(&Line<'_>, &Line<'_>)| a.at == b.at && a.what == b.what;
    let common = one.iter().zip(&other).take_while(same).count();
    let (seen, expected) = (one.get(common), other.get(common));
    let first = seen.or(expected)?;
    let name = &with.plan.device(stranger).name;
    let at = match (seen, expected) {
        (Some(seen), Some(expected)) => seen.at.min(expected.at),
        _ => first.at,
    };
    Some(Finding {
        check: NAME,
        requirements: vec![RequirementId(Arc::from("SEC-3"))],
        message: format!(
            "{name} can tell at {} s that something secret happened: without the secret steps it sees something else",
            seconds(at)
        ),
        moment: seen.map(|line| line.moment),
        place: step_of(with, seen).or_else(|| step_of(without, expected)),
        devices: vec![stranger],
        difference: Some(Difference { expected: told(without, expected), seen: told(with, seen) }),
    })
}

/// The stranger's own step, if the line belongs to one.
fn step_of(trace: &Trace, line: Option<&Line<'_>>) -> Option<Place> {
    let step = |moment: &Occurrence| match moment {
        Occurrence::Called { step, .. } | Occurrence::DeviceSent { step, .. } => *step,
        _ => None,
    };
    let moment = line?.moment;
    let number = match &trace.moments[moment].what {
        Occurrence::Returned { device, call, .. } => {
            trace.moments[..moment].iter().rev().find_map(|earlier| match &earlier.what {
                Occurrence::Called { device: caller, call: called, step, .. } if (caller, called) == (device, call) => {
                    *step
                }
                _ => None,
            })
        }
        Occurrence::DeviceReceived { device, message: ServerMessage::Response(response), .. } => {
            trace.moments[..moment].iter().rev().find_map(|earlier| match &earlier.what {
                Occurrence::DeviceSent { device: sender, message: ClientMessage::Request(request), step, .. }
                    if sender == device && request.id == response.id =>
                {
                    *step
                }
                _ => None,
            })
        }
        what => step(what),
    };
    Some(trace.plan.steps.get(number?)?.place)
}

fn lane(trace: &Trace, device: DeviceIndex) -> Vec<Line<'_>> {
    let raw = trace.plan.device(device).kind == DeviceKind::Raw;
    let begin = trace.moments.iter().position(|moment| moment.what == Occurrence::Stage(Stage::Body));
    trace
        .moments
        .iter()
        .enumerate()
        .skip(begin.unwrap_or(trace.moments.len()))
        .take_while(|(_, moment)| moment.what != Occurrence::Stage(Stage::Epilogue))
        .filter_map(|(moment, line)| {
            let what = if raw { wire_side(&line.what, device) } else { api_side(&line.what, device).map(Seen::Api) };
            Some(Line { at: line.at, what: what?, moment })
        })
        .collect()
}

fn api_side(what: &Occurrence, of: DeviceIndex) -> Option<ApiSide<'_>> {
    match what {
        Occurrence::Called { device, content, .. } if *device == of => Some(ApiSide::Calls(content)),
        Occurrence::Returned { device, result, .. } if *device == of => {
            Some(ApiSide::Returns(result.as_ref().map(Reply::to_api_json)))
        }
        Occurrence::Heard { device, event } if *device == of => Some(ApiSide::Hears(&event.event)),
        Occurrence::Handled { device, handler, event } if *device == of => Some(ApiSide::Runs(handler, &event.event)),
        _ => None,
    }
}

fn wire_side(what: &Occurrence, of: DeviceIndex) -> Option<Seen<'_>> {
    match what {
        Occurrence::DeviceSent { device, message, .. } if *device == of => {
            let mut message = message.clone();
            if let ClientMessage::Login(login) = &mut message
                && let Some(resume) = &mut Arc::make_mut(login).resume
            {
                resume.session = "".into();
            }
            Some(Seen::Sends(message))
        }
        Occurrence::DeviceReceived { device, message, .. } if *device == of => {
            let mut message = message.clone();
            if let ServerMessage::LoggedIn { session, .. } = &mut message {
                *session = "".into();
            }
            Some(Seen::Gets(message))
        }
        Occurrence::DeviceLost { device, .. } if *device == of => Some(Seen::Loses),
        _ => None,
    }
}

/// A line in words; the wire's own marks are told, since a raw device sees them.
fn told(trace: &Trace, line: Option<&Line<'_>>) -> String {
    let Some(line) = line else { return "nothing more".to_owned() };
    let words = Words::exact(&trace.plan);
    let text = match &trace.moments[line.moment].what {
        Occurrence::Called { content, .. } => format!("calls {}", words.call(content).text),
        Occurrence::Returned { result, .. } => match result {
            Ok(reply) => format!("returns {}", words.reply(reply).text),
            Err(error) => format!("fails {}: {}", error.code, error.message),
        },
        Occurrence::Heard { event, .. } => format!("hears {}", words.event(event).text),
        Occurrence::Handled { handler, event, .. } => format!("runs {handler} for {}", words.event(event).text),
        Occurrence::DeviceSent { message, .. } => match message {
            ClientMessage::Login(_) => "sends login".to_owned(),
            ClientMessage::Request(request) => format!("sends {}", words.content(&request.content).text),
            ClientMessage::Acknowledge { received } => format!("acknowledges {received}"),
        },
        Occurrence::DeviceReceived { message, .. } => match message {
            ServerMessage::LoggedIn { resumed, .. } => format!("is logged in, resumed {resumed}"),
            ServerMessage::Refused { error } => format!("is refused {}: {}", error.code, error.message),
            ServerMessage::Response(response) => {
                let at = response
                    .at
                    .map_or_else(String::new, |at| format!(" at revision {} of instance {}", at.revision, at.instance));
                match &response.result {
                    Ok(reply) => format!("gets {}{at}", words.reply(reply).text),
                    Err(error) => format!("gets {}: {}{at}", error.code, error.message),
                }
            }
            ServerMessage::Event { seq, event } => format!("gets event {seq}: {}", words.event(event).text),
        },
        _ => "loses its connection".to_owned(),
    };
    format!("{} {text}", seconds(line.at))
}

#[cfg(test)]
mod tests;
