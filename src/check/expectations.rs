//! The scenario's own expectations: what devices hear, never hear, in which order, which handlers run, and what the lists
//! show at the end.
//!
//! An expectation about events judges the body alone, from `Stage::Body` to `Stage::Epilogue`: what a device hears
//! while the epilogue heals and drains is not what the author wrote about. A failure stands at the author's line and
//! shows the nearest miss: of the events with the right name the one that differs in the fewest fields. What calls
//! return is judged in `results`.

use serde_json::Value;

use super::final_lists::{self, Traversal};
use super::matching::{asks_nothing, differences, matches, phrase, pretty, restricted, shown};
use super::variants::Variants;
use super::{Difference, Finding, Findings};
use crate::plan::{DeviceIndex, EventPattern, Expectation, Expected, Order, Place, Sighting};
use crate::protocol::vocabulary::RoomId;
use crate::time::Instant;
use crate::trace::Trace;

mod body;
mod runs;

use body::{Body, Hearing};

const NAME: &str = "expectations";

/// Judges every expectation of the plan.
pub(super) fn judge(trace: &Trace, variants: Variants) -> Findings {
    let mut findings = Findings::default();
    if trace.plan.expectations.is_empty() {
        return findings;
    }
    let body = Body::of(trace);
    let lists = final_lists::gather(trace);
    for expectation in &trace.plan.expectations {
        let Some(expectation) = variants.expectation(expectation) else { continue };
        Judge { trace, body: &body, lists: &lists, expectation: &expectation, findings: &mut findings }.judge();
    }
    findings
}

struct Judge<'a> {
    trace: &'a Trace,
    body: &'a Body<'a>,
    lists: &'a [Traversal],
    expectation: &'a Expectation,
    findings: &'a mut Findings,
}

/// A failure before it is put into the words of a finding.
struct Miss {
    /// What goes after the device's name.
    what: String,
    place: Place,
    moment: Option<usize>,
    difference: Option<Difference>,
}

impl Judge<'_> {
    fn judge(&mut self) {
        match &self.expectation.what {
            Expected::Hears { devices, events, order } => {
                for device in devices {
                    let heard = self.body.heard(*device);
                    let miss = match order {
                        Order::Partial => self.partial(heard, events),
                        Order::Sequence => self.sequence(heard, events),
                        Order::Unordered => self.unordered(heard, events),
                        Order::AnyOf => self.any_of(heard, events),
                    };
                    self.report(*device, miss);
                }
            }
            Expected::Never { devices, event } => {
                for device in devices {
                    let seen = self.body.heard(*device).iter().find(|hearing| self.fits(event, hearing));
                    let miss = seen.map(|hearing| Miss {
                        what: format!("heard {} at {}, which must never be", event.event, hearing.at),
                        place: event.place,
                        moment: Some(hearing.moment),
                        difference: Some(Difference {
                            expected: format!("never {}", describe(event)),
                            seen: if asks_nothing(&event.payload) {
                                format!("{} at {}", event.event, hearing.at)
                            } else {
                                let seen = restricted(&event.payload, &hearing.event().to_api_json());
                                let seen = shown("", &seen);
                                format!("{} {seen} at {}", event.event, hearing.at)
                            },
                        }),
                    });
                    self.report(*device, miss);
                }
            }
            Expected::Runs { devices, calls } => {
                for device in devices {
                    let miss = runs::miss(self.body.runs(*device), calls, self.expectation.place);
                    self.report(*device, miss);
                }
            }
            Expected::Before { first, then } => self.before(first, then),
            Expected::FinalList { room, devices, items } => self.final_list(room, devices, items),
        }
    }

    fn report(&mut self, device: DeviceIndex, miss: Option<Miss>) {
        let Some(miss) = miss else { return };
        self.findings.add(|| Finding {
            check: NAME,
            requirements: self.expectation.by.clone(),
            message: format!("{} {}", self.trace.plan.device(device).name, miss.what),
            moment: miss.moment,
            place: Some(miss.place),
            devices: vec![device],
            difference: miss.difference,
        });
    }

    /// Whether a hearing is what the pattern asks for, in name, time and payload.
    fn fits(&self, pattern: &EventPattern, hearing: &Hearing<'_>) -> bool {
        pattern.event == hearing.event().name()
            && in_time(pattern, hearing.at)
            && (asks_nothing(&pattern.payload) || matches(&pattern.payload, &hearing.event().to_api_json()))
    }

    /// In this order; others may come between. `times` counts over the whole body.
    fn partial(&self, heard: &[Hearing<'_>], patterns: &[EventPattern]) -> Option<Miss> {
        let mut next = 0;
        for pattern in patterns {
            if let Some(miss) = self.miscount(heard, pattern) {
                return Some(miss);
            }
            for _ in 0..pattern.times.unwrap_or(1) {
                match heard[next..].iter().position(|hearing| self.fits(pattern, hearing)) {
                    Some(offset) => next += offset + 1,
                    None => return Some(self.missing(heard, pattern, next)),
                }
            }
        }
        None
    }

    /// Exactly these, in this order, and nothing else.
    fn sequence(&self, heard: &[Hearing<'_>], patterns: &[EventPattern]) -> Option<Miss> {
        let wanted: Vec<&EventPattern> = patterns
            .iter()
            .flat_map(|pattern| std::iter::repeat_n(pattern, pattern.times.unwrap_or(1) as usize))
            .collect();
        let agree = wanted.iter().zip(heard).take_while(|(pattern, hearing)| self.fits(pattern, hearing)).count();
        if agree == wanted.len() && agree == heard.len() {
            return None;
        }
        let mut expected: Vec<String> = wanted.iter().map(|pattern| pattern.event.to_string()).collect();
        let mut seen: Vec<String> = heard.iter().map(|hearing| hearing.event().name().to_string()).collect();
        // Payloads and times are shown where they are what differs: elsewhere they would hide that the names agree.
        if let (Some(pattern), Some(hearing)) = (wanted.get(agree), heard.get(agree))
            && pattern.event == hearing.event().name()
        {
            (expected[agree], seen[agree]) = (describe(pattern), as_asked(pattern, hearing));
        }
        let difference = Some(Difference { expected: expected.join("\n"), seen: seen.join("\n") });
        let number = agree + 1;
        Some(match (wanted.get(agree), heard.get(agree)) {
            (Some(pattern), Some(hearing)) => Miss {
                what: if pattern.event == hearing.event().name() {
                    format!(
                        "heard {} at {} as event {number} of the sequence, but {}",
                        pattern.event,
                        hearing.at,
                        self.why_not(pattern, hearing)
                    )
                } else {
                    format!(
                        "heard {} at {} where the sequence has {} as event {number}",
                        hearing.event().name(),
                        hearing.at,
                        pattern.event
                    )
                },
                place: pattern.place,
                moment: Some(hearing.moment),
                difference,
            },
            (Some(pattern), None) => Miss {
                what: format!(
                    "did not hear {}, event {number} of the sequence: the steps were over first",
                    pattern.event
                ),
                place: pattern.place,
                moment: heard.last().map(|hearing| hearing.moment),
                difference,
            },
            (None, extra) => {
                let extra = extra.expect("one of the two goes on where they first differ");
                Miss {
                    what: format!(
                        "heard {} at {} after the {} of the sequence",
                        extra.event().name(),
                        extra.at,
                        counted(wanted.len(), "event")
                    ),
                    place: patterns.last().map_or(self.expectation.place, |pattern| pattern.place),
                    moment: Some(extra.moment),
                    difference,
                }
            }
        })
    }

    /// All of these in any order, each by a hearing of its own.
    fn unordered(&self, heard: &[Hearing<'_>], patterns: &[EventPattern]) -> Option<Miss> {
        let mut wanted = Vec::new();
        for pattern in patterns {
            if let Some(miss) = self.miscount(heard, pattern) {
                return Some(miss);
            }
            wanted.extend(std::iter::repeat_n(pattern, pattern.times.unwrap_or(1) as usize));
        }
        let candidates: Vec<Vec<usize>> = wanted
            .iter()
            .map(|pattern| (0..heard.len()).filter(|i| self.fits(pattern, &heard[*i])).collect())
            .collect();
        let mut taken_by: Vec<Option<usize>> = vec![None; heard.len()];
        for (number, pattern) in wanted.into_iter().enumerate() {
            if !assign(number, &candidates, &mut taken_by, &mut vec![false; heard.len()]) {
                return Some(self.missing(heard, pattern, 0));
            }
        }
        None
    }

    /// At least one of these.
    fn any_of(&self, heard: &[Hearing<'_>], patterns: &[EventPattern]) -> Option<Miss> {
        if patterns.iter().any(|pattern| heard.iter().any(|hearing| self.fits(pattern, hearing))) {
            return None;
        }
        Some(Miss {
            what: format!("heard none of {}; {}", lists(patterns.iter().map(|p| p.event.to_string())), names(heard)),
            place: self.expectation.place,
            moment: None,
            difference: Some(Difference {
                expected: lines(patterns.iter().map(describe)),
                seen: lines(heard.iter().map(|hearing| hearing.event().name().to_string())),
            }),
        })
    }

    fn miscount(&self, heard: &[Hearing<'_>], pattern: &EventPattern) -> Option<Miss> {
        let times = pattern.times? as usize;
        let seen: Vec<&Hearing<'_>> = heard.iter().filter(|hearing| self.fits(pattern, hearing)).collect();
        // Too few is told by what is missing, with its nearest miss.
        (seen.len() > times).then(|| Miss {
            what: format!(
                "heard {} {}, at {}; it should be {}",
                pattern.event,
                counted(seen.len(), "time"),
                lists(seen.iter().map(|hearing| hearing.at.to_string())),
                counted(times, "time")
            ),
            place: pattern.place,
            moment: Some(seen[times].moment),
            difference: None,
        })
    }

    /// Says that nothing fits a pattern from hearing `from` on, and what comes nearest.
    fn missing(&self, heard: &[Hearing<'_>], pattern: &EventPattern, from: usize) -> Miss {
        let namesakes = || heard.iter().filter(|hearing| hearing.event().name() == pattern.event);
        let nearest = namesakes().min_by_key(|hearing| {
            let early = heard[..from].iter().any(|before| before.moment == hearing.moment);
            let fields = differences(&pattern.payload, &payload_for(pattern, hearing)).len();
            (fields, !in_time(pattern, hearing.at), early)
        });
        let Some(nearest) = nearest else {
            return Miss {
                what: format!("did not hear {}; {}", pattern.event, names(heard)),
                place: pattern.place,
                moment: None,
                difference: None,
            };
        };
        let seen = payload_for(pattern, nearest);
        let what = if self.fits(pattern, nearest) {
            if from > 0 && heard[..from].iter().any(|before| before.moment == nearest.moment) {
                format!(
                    "heard {} at {}, but not again after {} at {}",
                    pattern.event,
                    nearest.at,
                    heard[from - 1].event().name(),
                    heard[from - 1].at
                )
            } else {
                format!(
                    "heard {} {}, one time too few for what is expected",
                    pattern.event,
                    counted(namesakes().count(), "time")
                )
            }
        } else {
            format!("did not hear the {} expected; the nearest, at {}: {}", pattern.event, nearest.at, {
                self.why_not(pattern, nearest)
            })
        };
        let expected = if pattern.payload.is_null() { describe(pattern) } else { pretty(&pattern.payload) };
        Miss {
            what,
            place: pattern.place,
            moment: Some(nearest.moment),
            difference: Some(Difference {
                expected: format!("{}{expected}", time_prefix(pattern)),
                seen: if pattern.payload.is_null() {
                    format!("at {}: {}", nearest.at, nearest.event().name())
                } else if pattern.within.is_some() {
                    format!("at {}: {}", nearest.at, pretty(&restricted(&pattern.payload, &seen)))
                } else {
                    pretty(&restricted(&pattern.payload, &seen))
                },
            }),
        }
    }

    fn why_not(&self, pattern: &EventPattern, hearing: &Hearing<'_>) -> String {
        let mut reasons = Vec::new();
        if !in_time(pattern, hearing.at) {
            reasons.push(format!("it should come {}, and came at {}", window(pattern), hearing.at));
        }
        let fields = differences(&pattern.payload, &payload_for(pattern, hearing));
        if !fields.is_empty() {
            reasons.push(phrase(&fields));
        }
        reasons.join("; ")
    }

    /// Both happen on each of their devices, and the last of the first comes before the first of the second.
    fn before(&mut self, first: &Sighting, then: &Sighting) {
        let (Some(first_seen), Some(then_seen)) = (self.sightings(first), self.sightings(then)) else { return };
        let last = first_seen.iter().max_by_key(|(_, moment)| *moment);
        let earliest = then_seen.iter().min_by_key(|(_, moment)| *moment);
        let (Some((one, last)), Some((other, earliest))) = (last, earliest) else { return };
        if last < earliest {
            return;
        }
        let name = |device: &DeviceIndex| self.trace.plan.device(*device).name.clone();
        let at = |moment: &usize| self.trace.moments[*moment].at;
        self.findings.add(|| Finding {
            check: NAME,
            requirements: self.expectation.by.clone(),
            message: format!(
                "{} {} at {}, which should be before {} {} at {}",
                name(one),
                verb(first),
                at(last),
                name(other),
                verb(then),
                at(earliest)
            ),
            moment: Some(*last),
            place: Some(self.expectation.place),
            devices: vec![*one, *other],
            difference: None,
        });
    }

    /// Every sighting on every device, or a finding for each device without one.
    fn sightings(&mut self, sighting: &Sighting) -> Option<Vec<(DeviceIndex, usize)>> {
        let (by, found): (_, Vec<(DeviceIndex, usize)>) = match sighting {
            Sighting::Hears { by, event } => (
                by,
                by.iter()
                    .flat_map(|device| {
                        let hits = self.body.heard(*device).iter().filter(|hearing| self.fits(event, hearing));
                        hits.map(|hearing| (*device, hearing.moment)).collect::<Vec<_>>()
                    })
                    .collect(),
            ),
            Sighting::Returned { by, operation } => (
                by,
                by.iter()
                    .flat_map(|device| {
                        self.body.returned(*device, *operation).map(|moment| (*device, moment)).collect::<Vec<_>>()
                    })
                    .collect(),
            ),
        };
        let absent: Vec<DeviceIndex> =
            by.iter().copied().filter(|device| !found.iter().any(|(seen, _)| seen == device)).collect();
        for device in &absent {
            let miss = match sighting {
                Sighting::Hears { event, .. } => self.missing(self.body.heard(*device), event, 0),
                Sighting::Returned { operation, .. } => Miss {
                    what: format!("has had no call of {operation} answered"),
                    place: self.expectation.place,
                    moment: None,
                    difference: None,
                },
            };
            self.report(*device, Some(miss));
        }
        absent.is_empty().then_some(found)
    }

    fn final_list(&mut self, room: &RoomId, devices: &[DeviceIndex], items: &[Value]) {
        let place = self.expectation.place;
        let asked: Vec<DeviceIndex> = if devices.is_empty() {
            // A member that its author has cut off can't list, and one whose session is over is none any more.
            let lists = self.lists.iter().filter(|list| list.room == *room && (list.items.is_ok() || !list.cut_off));
            lists.map(|list| list.device).collect()
        } else {
            devices.to_vec()
        };
        if asked.is_empty() {
            self.findings.add(|| Finding {
                check: NAME,
                requirements: self.expectation.by.clone(),
                message: format!("at the end no device lists the room {room}: nobody is in it"),
                moment: None,
                place: Some(place),
                devices: Vec::new(),
                difference: None,
            });
        }
        let expected = Value::Array(items.to_vec());
        for device in asked {
            let traversal = self.lists.iter().find(|list| list.device == device && list.room == *room);
            let (moment, what, difference) = match traversal.map(|list| (list, &list.items)) {
                None => (None, format!("does not list the room {room} at the end: it is not in it"), None),
                Some((list, Err(error))) => {
                    (Some(list.moment), format!("can't list the room {room} at the end: {error}"), None)
                }
                Some((list, Ok(_))) if !list.complete => (
                    Some(list.moment),
                    format!("lists the room {room} at the end and never gets to its last page"),
                    None,
                ),
                Some((list, Ok(shown))) => {
                    let seen: Value = shown
                        .iter()
                        .map(|item| serde_json::to_value(&*item.invitation).expect("an invitation has string keys"))
                        .collect();
                    if matches(&expected, &seen) {
                        continue;
                    }
                    let what = format!(
                        "lists the room {room} at the end, and the list is another: {}",
                        phrase(&differences(&expected, &seen))
                    );
                    let sides = Difference {
                        expected: pretty(&expected),
                        seen: pretty(&restricted(&expected, &brief(&expected, &seen))),
                    };
                    (Some(list.moment), what, Some(sides))
                }
            };
            self.report(device, Some(Miss { what, place, moment, difference }));
        }
    }
}

/// Items that the author says nothing about, cut down to who and what: the rest of them would only be noise.
fn brief(expected: &Value, seen: &Value) -> Value {
    let spoken_of = expected.as_array().map_or(0, Vec::len);
    let Value::Array(items) = seen else { return seen.clone() };
    Value::Array(
        items
            .iter()
            .enumerate()
            .map(|(i, item)| {
                if i < spoken_of {
                    return item.clone();
                }
                serde_json::json!({"invitee": {"userId": item["invitee"]["userId"]}, "status": item["status"]})
            })
            .collect(),
    )
}

fn in_time(pattern: &EventPattern, at: Instant) -> bool {
    pattern.within.is_none_or(|(from, to)| (from..=to).contains(&at))
}

/// The payload of a hearing, where the pattern speaks of it at all: building it costs.
fn payload_for(pattern: &EventPattern, hearing: &Hearing<'_>) -> Value {
    if asks_nothing(&pattern.payload) { pattern.payload.clone() } else { hearing.event().to_api_json() }
}

fn window(pattern: &EventPattern) -> String {
    match pattern.within {
        Some((from, to)) if from == to => format!("at {from}"),
        Some((from, to)) => format!("between {from} and {to}"),
        None => String::new(),
    }
}

fn time_prefix(pattern: &EventPattern) -> String {
    if pattern.within.is_some() { format!("{}: ", window(pattern)) } else { String::new() }
}

fn describe(pattern: &EventPattern) -> String {
    let payload =
        if asks_nothing(&pattern.payload) { String::new() } else { format!(" {}", shown("", &pattern.payload)) };
    let time = if pattern.within.is_some() { format!(" {}", window(pattern)) } else { String::new() };
    format!("{}{payload}{time}", pattern.event)
}

/// What was heard, as far as the pattern speaks of it.
fn as_asked(pattern: &EventPattern, hearing: &Hearing<'_>) -> String {
    let name = hearing.event().name();
    let payload = match asks_nothing(&pattern.payload) {
        true => String::new(),
        false => format!(" {}", shown("", &restricted(&pattern.payload, &hearing.event().to_api_json()))),
    };
    let time = if pattern.within.is_some() { format!(" at {}", hearing.at) } else { String::new() };
    format!("{name}{payload}{time}")
}

fn verb(sighting: &Sighting) -> String {
    match sighting {
        Sighting::Hears { event, .. } => format!("heard {}", event.event),
        Sighting::Returned { operation, .. } => format!("had {operation} answered"),
    }
}

/// What a device heard, by name: what an author looks at when an expected event is not there at all.
fn names(heard: &[Hearing<'_>]) -> String {
    const SHOWN_MAX: usize = 8;
    if heard.is_empty() {
        return "it heard nothing".to_owned();
    }
    let shown = lists(heard.iter().take(SHOWN_MAX).map(|hearing| hearing.event().name().to_string()));
    match heard.len().saturating_sub(SHOWN_MAX) {
        0 => format!("it heard {shown}"),
        more => format!("it heard {shown} and {more} more"),
    }
}

fn lists(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn lines(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("\n")
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Gives the wanted item `number` a hearing of its own, if need be by finding another one for whoever has it now.
fn assign(number: usize, candidates: &[Vec<usize>], taken_by: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for &hearing in &candidates[number] {
        if std::mem::replace(&mut tried[hearing], true) {
            continue;
        }
        if taken_by[hearing].is_none_or(|holder| assign(holder, candidates, taken_by, tried)) {
            taken_by[hearing] = Some(number);
            return true;
        }
    }
    false
}
