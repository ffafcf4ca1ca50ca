//! What the author's calls came to, and the steps that never happened.
//!
//! A result counts whenever it comes, be it only in the epilogue; `unanswered` means that it did not come in the body. Messages
//! say of the body that the steps are over: that is what an author sees of it.
//! A crowd's call is judged for each of its devices. A step whose trigger never came is a failure at the author's line,
//! since a scenario in which nothing happened shows nothing.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::history::Map;
use super::matching::{
    asks_nothing, code_differences, differences, matches, phrase, pretty, restricted, shown, shown_codes,
};
use super::variants::Variants;
use super::{Difference, Finding, Findings};
use crate::plan::{Action, DeviceIndex, ExpectedOutcome, ExpectedResult, Step, Trigger, When};
use crate::protocol::call::{CallNo, Reply};
use crate::protocol::message::{ClientMessage, ConnectionNo, ServerMessage};
use crate::protocol::vocabulary::{ApiError, ErrorCode, EventName, OperationName, RequestId, RoomId};
use crate::trace::words::Words;
use crate::trace::{Moment, Occurrence, Stage, Trace};

const NAME: &str = "results";

/// Judges every step of the plan.
pub(super) fn judge(trace: &Trace, variants: Variants) -> Findings {
    let mut findings = Findings::default();
    if trace.plan.steps.is_empty() {
        return findings;
    }
    let record = Record::of(trace);
    for (number, step) in trace.plan.steps.iter().enumerate() {
        if !record.begun[number] {
            never_began(trace, &record, number, step, &mut findings);
            continue;
        }
        let (devices, expected) = match &step.action {
            Action::Call { devices, expected, .. } | Action::Send { devices, expected, .. } => (devices, expected),
            _ => continue,
        };
        let Some(expected) = variants.results(&step.action, step.place, expected) else { continue };
        for device in devices {
            let asked = record.asked.get(&(number, *device));
            judge_result(trace, &record, number, *device, asked, &expected, &mut findings);
        }
    }
    findings
}

/// One call of a step by one device.
struct Asked<'t> {
    moment: usize,
    answer: Option<(usize, Answer<'t>)>,
}

type Answer<'t> = Result<Option<&'t Reply>, &'t ApiError>;

/// What became of the steps.
struct Record<'t> {
    begun: Vec<bool>,
    asked: Map<(usize, DeviceIndex), Asked<'t>>,
    /// Where the body ends, as an index of the moments.
    body_end: usize,
}

impl<'t> Record<'t> {
    fn of(trace: &'t Trace) -> Self {
        let mut record =
            Self { begun: vec![false; trace.plan.steps.len()], asked: Map::default(), body_end: trace.moments.len() };
        let mut calls: Map<(DeviceIndex, CallNo), usize> = Map::default();
        // Requests of raw devices. The same id may be sent again: answers come to them in turn.
        let mut requests: Map<(ConnectionNo, &RequestId), VecDeque<(usize, DeviceIndex)>> = Map::default();
        let mut logins: Map<ConnectionNo, VecDeque<(usize, DeviceIndex)>> = Map::default();
        for (index, Moment { what, .. }) in trace.moments.iter().enumerate() {
            let mut answer = |key: Option<(usize, DeviceIndex)>, answer: Answer<'t>| {
                if let Some(asked) = key.and_then(|key| record.asked.get_mut(&key)) {
                    asked.answer.get_or_insert((index, answer));
                }
            };
            match what {
                Occurrence::Stage(Stage::Epilogue) => record.body_end = index,
                Occurrence::StepBegan { step } => record.begun[*step] = true,
                Occurrence::Called { device, call, step: Some(step), .. } => {
                    calls.insert((*device, *call), *step);
                    record.asked.entry((*step, *device)).or_insert(Asked { moment: index, answer: None });
                }
                Occurrence::Returned { device, call, result } => {
                    let step = calls.swap_remove(&(*device, *call));
                    answer(step.map(|step| (step, *device)), result.as_ref().map(Some));
                }
                Occurrence::DeviceSent { device, connection, message, step: Some(step) } => {
                    record.asked.entry((*step, *device)).or_insert(Asked { moment: index, answer: None });
                    match message {
                        ClientMessage::Login(_) => logins.entry(*connection).or_default().push_back((*step, *device)),
                        ClientMessage::Request(request) => {
                            requests.entry((*connection, &request.id)).or_default().push_back((*step, *device));
                        }
                        ClientMessage::Acknowledge { .. } => {}
                    }
                }
                Occurrence::DeviceReceived { connection, message, .. } => match message {
                    ServerMessage::Response(response) => {
                        let asked = requests.get_mut(&(*connection, &response.id)).and_then(VecDeque::pop_front);
                        answer(asked, response.result.as_ref().map(Some));
                    }
                    ServerMessage::LoggedIn { .. } => {
                        answer(logins.get_mut(connection).and_then(VecDeque::pop_front), Ok(None));
                    }
                    ServerMessage::Refused { error } => {
                        answer(logins.get_mut(connection).and_then(VecDeque::pop_front), Err(error));
                    }
                    ServerMessage::Event { .. } => {}
                },
                _ => {}
            }
        }
        record
    }
}

fn judge_result(
    trace: &Trace,
    record: &Record<'_>,
    number: usize,
    device: DeviceIndex,
    asked: Option<&Asked<'_>>,
    expected: &[ExpectedResult],
    findings: &mut Findings,
) {
    let answer = asked.and_then(|asked| asked.answer);
    let fits = |outcome: &ExpectedOutcome| match (outcome, answer) {
        (ExpectedOutcome::Unanswered, None) => asked.is_some(),
        (ExpectedOutcome::Unanswered, Some((moment, _))) => moment > record.body_end,
        (ExpectedOutcome::Fails(code), Some((_, Err(error)))) => error.code == *code,
        (ExpectedOutcome::Returns(pattern), Some((_, Ok(reply)))) => {
            asks_nothing(pattern) || reply.is_some_and(|reply| shows(pattern, reply))
        }
        _ => false,
    };
    // A call of which nothing is said must succeed, whatever it returns.
    let lawful = if expected.is_empty() {
        matches!(answer, Some((_, Ok(_))))
    } else {
        expected.iter().any(|one| fits(&one.outcome))
    };
    if lawful {
        return;
    }
    let step = &trace.plan.steps[number];
    findings.add(|| {
        let name = &trace.plan.device(device).name;
        let operation = operation_of(&step.action);
        let called = asked.map_or_else(String::new, |asked| format!(" (called at {})", trace.moments[asked.moment].at));
        let words = Words::exact(&trace.plan);
        let wish = wish(&step.action, expected);
        let (differing, difference) = detail(expected, &wish, answer, &words);
        let seen = match answer {
            None if asked.is_none() => "was never called: the device was not able to".to_owned(),
            None => "was never answered".to_owned(),
            Some((moment, answer)) => {
                let late = if moment > record.body_end { ", when the steps were over" } else { "" };
                // Where single fields differ, the whole result would only be noise in front of them.
                let outcome = if differing.is_some() { "succeeded".to_owned() } else { outcome(answer, &words) };
                format!("{outcome} at {}{late}", trace.moments[moment].at)
            }
        };
        let wanted = match &differing {
            Some(fields) => format!(", but not as expected: {fields}"),
            None => format!("; expected: {wish}"),
        };
        Finding {
            check: NAME,
            requirements: expected.iter().flat_map(|one| one.by.iter().cloned()).collect(),
            message: format!("{operation} by {name}{called} {seen}{wanted}"),
            moment: answer.map(|(moment, _)| moment).or(asked.map(|asked| asked.moment)),
            place: Some(expected.first().map_or(step.place, |one| one.place)),
            devices: vec![device],
            difference,
        }
    });
}

/// The fields that differ, where the call succeeded as it should and returned something else: against the nearest of
/// the lawful results.
fn detail(
    expected: &[ExpectedResult],
    wish: &str,
    answer: Option<(usize, Answer<'_>)>,
    words: &Words<'_>,
) -> (Option<String>, Option<Difference>) {
    let Some((_, answer)) = answer else { return (None, None) };
    let in_words = || Some(Difference { expected: wish.to_owned(), seen: outcome(answer, words) });
    let patterns = expected.iter().filter_map(|one| match &one.outcome {
        ExpectedOutcome::Returns(pattern) if !asks_nothing(pattern) => Some(pattern),
        _ => None,
    });
    match answer {
        Ok(reply) => {
            let seen = reply.map_or(serde_json::Value::Null, Reply::to_api_json);
            let nearest = patterns
                .map(|pattern| match reply {
                    Some(Reply::Invited(_)) => (pattern, code_differences(pattern, &seen)),
                    _ => (pattern, differences(pattern, &seen)),
                })
                .min_by_key(|(_, differences)| differences.len());
            match nearest {
                Some((pattern, fields)) if !fields.is_empty() => (
                    Some(phrase(&fields)),
                    Some(Difference { expected: pretty(pattern), seen: pretty(&restricted(pattern, &seen)) }),
                ),
                _ => (None, in_words()),
            }
        }
        Err(_) => (None, in_words()),
    }
}

/// INV-3: a map of codes has exactly the users that were asked for; everything else may have more than was expected.
fn shows(pattern: &Value, reply: &Reply) -> bool {
    let seen = reply.to_api_json();
    let surplus = match (reply, pattern.as_object(), seen.as_object()) {
        (Reply::Invited(_), Some(wanted), Some(seen)) if !wanted.contains_key("not") => seen.len() > wanted.len(),
        _ => false,
    };
    !surplus && matches(pattern, &seen)
}

fn wish(action: &Action, expected: &[ExpectedResult]) -> String {
    if expected.is_empty() {
        return "success".to_owned();
    }
    let invites = matches!(action, Action::Call { call, .. } if call.operation() == OperationName::InviteUsers);
    let wishes: Vec<String> = expected
        .iter()
        .map(|one| match &one.outcome {
            ExpectedOutcome::Returns(pattern) if asks_nothing(pattern) => "success".to_owned(),
            ExpectedOutcome::Returns(pattern) if invites => format!("success with {}", shown_codes(pattern)),
            ExpectedOutcome::Returns(pattern) => format!("success with {}", shown("", pattern)),
            ExpectedOutcome::Fails(code) => format!("failure {}", named(*code)),
            ExpectedOutcome::Unanswered => "no answer before the steps are over".to_owned(),
        })
        .collect();
    wishes.join(" or ")
}

fn outcome(answer: Answer<'_>, words: &Words<'_>) -> String {
    match answer {
        Ok(None | Some(Reply::Void)) => "succeeded".to_owned(),
        Ok(Some(reply)) => format!("succeeded with {}", words.reply(reply).text),
        Err(error) => format!("failed with {} ({})", named(error.code), error.message),
    }
}

fn named(code: ErrorCode) -> String {
    match code.name() {
        Some(name) => format!("{code} {name}"),
        None => code.to_string(),
    }
}

fn operation_of(action: &Action) -> String {
    match action {
        Action::Call { call, .. } => call.operation().to_string(),
        Action::Send { request, .. } => format!("send {}", request.operation),
        Action::On { event, .. } => format!("on {event}"),
        Action::Off { event, .. } => format!("off {event}"),
        Action::Offline { .. } => "offline".to_owned(),
        Action::Online { .. } => "online".to_owned(),
        Action::Disconnect { .. } => "disconnect".to_owned(),
        Action::Kill { .. } => "kill".to_owned(),
        Action::Restart { .. } => "restart".to_owned(),
        Action::Partition { .. } => "partition".to_owned(),
        Action::Heal { .. } => "heal".to_owned(),
        Action::Hold { .. } => "hold".to_owned(),
        Action::Release { .. } => "release".to_owned(),
        Action::CrashServer { .. } => "crash: server".to_owned(),
        Action::RestartServer => "restart: server".to_owned(),
        Action::ClockJump { .. } | Action::ClockDrift { .. } => "clock".to_owned(),
    }
}

/// A step that never began: reported where its own trigger is what failed, not where it only hangs on such a step.
fn never_began(trace: &Trace, record: &Record<'_>, number: usize, step: &Step, findings: &mut Findings) {
    // What ends a fault may lie beyond the end of the body: the epilogue ends every fault anyhow.
    let mends = matches!(
        step.action,
        Action::Heal { .. } | Action::Release { .. } | Action::Online { .. } | Action::RestartServer
    );
    if mends && trace.plan.lasts.is_some() {
        return;
    }
    let why = match &step.when {
        When::At(at) => format!("it is due at {at}"),
        When::After { trigger: Trigger::Begun(other), delay } => {
            if !record.begun[*other] {
                return;
            }
            format!("it is due {delay} after the step before")
        }
        When::After { trigger: Trigger::Seen { event, room, by, nth }, delay } => {
            match waited_for(trace, by, *nth, |what| hears(what, *event, room.as_ref())) {
                Some((device, count)) => format!(
                    "it waits until {} has heard {event} {}, which it heard {}",
                    trace.plan.device(device).name,
                    times(*nth),
                    times(count)
                ),
                None => format!("it is due {delay} after {event} was seen"),
            }
        }
        When::After { trigger: Trigger::Returned { operation, by, nth }, delay } => {
            match waited_for_answers(trace, by, *nth, *operation) {
                Some((device, count)) => format!(
                    "it waits until {} has had {operation} answered {}, which happened {}",
                    trace.plan.device(device).name,
                    times(*nth),
                    times(count)
                ),
                None => format!("it is due {delay} after {operation} was answered"),
            }
        }
    };
    let hanging = (0..trace.plan.steps.len()).filter(|other| hangs_on(trace, *other, number)).count();
    let more = match hanging {
        0 => String::new(),
        1 => "; 1 more step waits for this one".to_owned(),
        count => format!("; {count} more steps wait for this one"),
    };
    findings.add(|| Finding {
        check: NAME,
        requirements: Vec::new(),
        message: format!(
            "the step `{}` never happened: {why}, and the steps were over first{more}",
            operation_of(&step.action)
        ),
        moment: None,
        place: Some(step.place),
        devices: Vec::new(),
        difference: None,
    });
}

fn times(count: u32) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

fn hears(what: &Occurrence, event: EventName, room: Option<&RoomId>) -> Option<DeviceIndex> {
    match what {
        Occurrence::Heard { device, event: heard }
            if heard.event.name() == event && room.is_none_or(|room| heard.event.room_id() == Some(room)) =>
        {
            Some(*device)
        }
        _ => None,
    }
}

fn body_of(trace: &Trace) -> impl Iterator<Item = &Moment> {
    trace
        .moments
        .iter()
        .skip_while(|moment| moment.what != Occurrence::Stage(Stage::Body))
        .take_while(|moment| moment.what != Occurrence::Stage(Stage::Epilogue))
}

/// The first of the devices that did not see it often enough, and how often it did.
fn waited_for(
    trace: &Trace,
    by: &[DeviceIndex],
    nth: u32,
    sees: impl Fn(&Occurrence) -> Option<DeviceIndex>,
) -> Option<(DeviceIndex, u32)> {
    let mut counts = vec![0_u32; trace.plan.devices.len()];
    body_of(trace).filter_map(|moment| sees(&moment.what)).for_each(|device| counts[device.index()] += 1);
    by.iter().map(|device| (*device, counts[device.index()])).find(|(_, count)| *count < nth)
}

fn waited_for_answers(
    trace: &Trace,
    by: &[DeviceIndex],
    nth: u32,
    operation: OperationName,
) -> Option<(DeviceIndex, u32)> {
    let mut calls: BTreeMap<(DeviceIndex, CallNo), OperationName> = BTreeMap::new();
    let mut counts = vec![0_u32; trace.plan.devices.len()];
    for moment in body_of(trace) {
        match &moment.what {
            Occurrence::Called { device, call, content, .. } => {
                calls.insert((*device, *call), content.operation());
            }
            Occurrence::Returned { device, call, .. } if calls.get(&(*device, *call)) == Some(&operation) => {
                counts[device.index()] += 1;
            }
            _ => {}
        }
    }
    by.iter().map(|device| (*device, counts[device.index()])).find(|(_, count)| *count < nth)
}

/// Whether a step waits, directly or through others, for the beginning of another.
fn hangs_on(trace: &Trace, mut step: usize, other: usize) -> bool {
    while let When::After { trigger: Trigger::Begun(before), .. } = &trace.plan.steps[step].when {
        if *before == other {
            return true;
        }
        if *before >= step {
            return false;
        }
        step = *before;
    }
    false
}
