//! The expectations.

use serde_json::Value;

use super::Compiler;
use crate::plan::{DeviceIndex, EventPattern, Expectation, Expected, HandlerCall, Order, Sighting};
use crate::protocol::vocabulary::{EventName, RoomId};
use crate::scenario::payload;
use crate::scenario::{self, At, Diagnostic, ExpectKind, NodeKind, Selector, SightingKind};
use crate::time::Instant;

impl Compiler<'_> {
    pub(super) fn expectations(&mut self) -> Vec<Expectation> {
        let scenario = self.scenario;
        let mut expectations = Vec::new();
        for expect in &scenario.expect {
            let by = self.requirements(&expect.by);
            if let Some(what) = self.expected(expect) {
                expectations.push(Expectation { place: expect.span.place(), by, what });
            }
        }
        expectations
    }

    fn expected(&mut self, expect: &scenario::Expect) -> Option<Expected> {
        Some(match &expect.what {
            ExpectKind::Hears { devices, events, order } => Expected::Hears {
                devices: self.hearers(devices),
                events: events.iter().filter_map(|event| self.event(event)).collect(),
                order: (*order).into(),
            },
            ExpectKind::Never { devices, event } => {
                Expected::Never { devices: self.hearers(devices), event: self.event(event)? }
            }
            ExpectKind::Runs { devices, calls } => {
                Expected::Runs { devices: self.hearers(devices), calls: self.handler_calls(calls) }
            }
            ExpectKind::Before(both) => {
                let [first, then] = &**both;
                Expected::Before { first: self.sighting(first)?, then: self.sighting(then)? }
            }
            ExpectKind::List { room, devices, shows } => Expected::FinalList {
                room: RoomId::from(self.room(room, true)?),
                devices: if devices.is_empty() { Vec::new() } else { self.hearers(devices) },
                items: shows.iter().filter_map(|item| self.item(item)).collect(),
            },
        })
    }

    fn handler_calls(&mut self, calls: &[(At<String>, Option<At<EventName>>)]) -> Vec<HandlerCall> {
        let scenario = self.scenario;
        let registered = || {
            scenario.steps.iter().filter_map(|step| match &step.action {
                scenario::Action::On { handler, event, .. } => Some((handler.as_str(), event.value)),
                _ => None,
            })
        };
        for (name, event) in calls {
            let events: Vec<EventName> =
                registered().filter(|(handler, _)| *handler == name.value).map(|(_, event)| event).collect();
            match (events.as_slice(), event) {
                ([], _) => {
                    let diagnostic =
                        Diagnostic::new(name.span, format!("no step registers a handler `{}`", name.value));
                    self.note(diagnostic.suggest(&name.value, registered().map(|(handler, _)| handler)));
                }
                (events, Some(event)) if !events.contains(&event.value) => {
                    self.note(
                        Diagnostic::new(
                            event.span,
                            format!("no step registers the handler `{}` for {}", name.value, event.value),
                        )
                        .help("name an event of its `on` step"),
                    );
                }
                _ => {}
            }
        }
        let planned = |(name, event): &(At<String>, Option<At<EventName>>)| HandlerCall {
            place: name.span.place(),
            handler: name.value.as_str().into(),
            event: event.as_ref().map(|event| event.value),
        };
        calls.iter().map(planned).collect()
    }

    fn item(&mut self, item: &scenario::Node) -> Option<Value> {
        self.pattern(item, &payload::INVITATION)
    }

    fn hearers(&mut self, selectors: &[At<Selector>]) -> Vec<DeviceIndex> {
        let devices = self.select_all(selectors);
        self.hearing(&devices, selectors);
        devices
    }

    fn event(&mut self, pattern: &scenario::Pattern) -> Option<EventPattern> {
        let payload = match &pattern.payload {
            None => Value::Object(serde_json::Map::new()),
            Some(node) if node.kind == NodeKind::Map(Vec::new()) => Value::Object(serde_json::Map::new()),
            Some(node) => self.pattern(node, payload::event(pattern.event.value))?,
        };
        let within = pattern.within.as_ref().map(|(from, to)| {
            let (first, last) = (self.instant(from), self.instant(to));
            if first > last {
                self.note(
                    Diagnostic::new(from.span, format!("no time is from {first} s to {last} s"))
                        .help("write the earlier one first"),
                );
            } else if self.lasts.is_some_and(|lasts| first > Instant::START + lasts) {
                self.note(
                    Diagnostic::new(from.span, format!("this is at {first} s, after the scenario has ended"))
                        .help("raise `lasts`, or choose an earlier time"),
                );
            }
            (first, last)
        });
        // `times: 0` would be `never`, which has a better message.
        let times = pattern.times.as_ref().map(|times| self.count(times, 1));
        Some(EventPattern { place: pattern.span.place(), event: pattern.event.value, payload, within, times })
    }

    fn sighting(&mut self, sighting: &scenario::Sighting) -> Option<Sighting> {
        Some(match &sighting.what {
            SightingKind::Hears(event) => {
                Sighting::Hears { by: self.hearers(&sighting.devices), event: self.event(event)? }
            }
            SightingKind::Returned(operation) => {
                let by = self.select_all(&sighting.devices);
                self.calling(&by, operation);
                Sighting::Returned { by, operation: operation.value }
            }
        })
    }
}

impl From<scenario::Order> for Order {
    fn from(order: scenario::Order) -> Self {
        match order {
            scenario::Order::Partial => Self::Partial,
            scenario::Order::Sequence => Self::Sequence,
            scenario::Order::Unordered => Self::Unordered,
            scenario::Order::AnyOf => Self::AnyOf,
        }
    }
}
