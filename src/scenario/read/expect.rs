//! The section `expect`.

use super::{Fields, Reader};
use crate::protocol::vocabulary::EventName;
use crate::scenario::diagnostic::Diagnostic;
use crate::scenario::node::{At, Node, NodeKind};
use crate::scenario::words;
use crate::scenario::{Expect, ExpectKind, Order, Pattern, Selector, Sighting, SightingKind};

const KINDS: [&str; 8] = ["hears", "sequence", "unordered", "any-of", "never", "runs", "before", "list"];

impl Reader {
    pub(super) fn expectation(&mut self, node: &Node) -> Option<Expect> {
        if matches!(node.kind, NodeKind::Null) {
            self.note(Diagnostic::new(node.span, "an expectation is empty").help("remove the dash, or write one"));
            return None;
        }
        let fields = self.fields(node, &words::EXPECT);
        if fields.entries.is_empty() {
            return None;
        }
        self.exactly_one(&fields, "an expectation", &KINDS);
        let (key, value) = fields.entries.iter().find(|(key, _)| KINDS.contains(&key.value.as_str()))?;
        let only_with = [("within", "never"), ("shows", "list")];
        for (only, with) in only_with {
            if let Some((found, _)) = fields.entry(only)
                && key.value != with
            {
                let mut diagnostic =
                    Diagnostic::new(found.span, format!("`{only}` goes with `{with}`, not with `{}`", key.value));
                if only == "within" {
                    diagnostic = diagnostic
                        .help("put it beside the event: `- onReceiveInvitation: {}` and below it `within: [1s, 2s]`");
                }
                self.note(diagnostic);
            }
        }
        let by = self.by(&fields);
        let what = match key.value.as_str() {
            "never" => {
                ExpectKind::Never { devices: self.who(&fields, key)?, event: Box::new(self.never(value, &fields)?) }
            }
            "runs" => ExpectKind::Runs {
                devices: self.who(&fields, key)?,
                calls: Self::one_or_more(value).iter().filter_map(|item| self.handler_call(item)).collect(),
            },
            "before" => self.before(value, &fields)?,
            "list" => {
                let Some(shows) = fields.get("shows") else {
                    self.note(
                        Diagnostic::new(key.span, "`list` needs `shows`")
                            .help("list the invitations that must be there: `shows: []` for none"),
                    );
                    return None;
                };
                ExpectKind::List {
                    room: value.clone(),
                    devices: self.or(&fields, "device", Vec::new(), Self::selectors),
                    shows: self.list(shows).to_vec(),
                }
            }
            kind => {
                let order = match kind {
                    "hears" => Order::Partial,
                    "sequence" => Order::Sequence,
                    "unordered" => Order::Unordered,
                    _ => Order::AnyOf,
                };
                let events = Self::one_or_more(value).iter().filter_map(|item| self.pattern(item)).collect();
                // `sequence: []` is lawful: nothing at all is heard.
                if matches!(&value.kind, NodeKind::List(items) if items.is_empty()) && order != Order::Sequence {
                    self.note(
                        Diagnostic::new(value.span, "no event is named here, so this could never fail")
                            .help("name an event; to say that nothing is heard, write `sequence: []`"),
                    );
                }
                ExpectKind::Hears { devices: self.who(&fields, key)?, events, order }
            }
        };
        Some(Expect { span: key.span, by, what })
    }

    fn who(&mut self, fields: &Fields<'_>, key: &At<String>) -> Option<Vec<At<Selector>>> {
        let Some(node) = fields.get("device") else {
            self.note(
                Diagnostic::new(key.span, format!("nobody is named who expects this: `{}` needs `device`", key.value))
                    .help("say which device: `device: bob.phone`"),
            );
            return None;
        };
        Some(self.selectors(node))
    }

    fn never(&mut self, value: &Node, fields: &Fields<'_>) -> Option<Pattern> {
        let mut pattern = self.pattern(value)?;
        if let Some(times) = &pattern.times {
            self.note(Diagnostic::new(times.span, "`never` is exactly no time").help("remove `times`"));
        }
        if let Some(node) = fields.get("within") {
            if pattern.within.is_some() {
                self.note(Diagnostic::new(node.span, "there are two times here").help("keep one of the two"));
            }
            pattern.within = self.two_durations(node);
        }
        Some(pattern)
    }

    /// A handler by its bare name, or as a key whose value is the event.
    fn handler_call(&mut self, node: &Node) -> Option<(At<String>, Option<At<EventName>>)> {
        match &node.kind {
            NodeKind::Text(name) => Some((At::new(name.clone(), node.span), None)),
            NodeKind::Map(entries) if entries.len() == 1 => {
                let (handler, event) = &entries[0];
                Some((handler.clone(), Some(self.event(event))))
            }
            _ => {
                self.note(
                    Diagnostic::new(node.span, "the name of a handler is wanted here")
                        .label(format!("this is {}", node.describe()))
                        .help("write `h1`, or `{h1: onInvitationCancelled}` for a call with that event"),
                );
                None
            }
        }
    }

    fn before(&mut self, value: &Node, fields: &Fields<'_>) -> Option<ExpectKind> {
        if let Some((device, _)) = fields.entry("device") {
            self.note(
                Diagnostic::new(device.span, "`before` names its devices itself")
                    .help("put `device` into each of the two"),
            );
        }
        match self.list(value) {
            [first, then] => {
                let (first, then) = (self.sighting(first), self.sighting(then));
                Some(ExpectKind::Before(Box::new([first?, then?])))
            }
            items => {
                self.note(
                    Diagnostic::new(value.span, format!("`before` has two sightings, not {}", items.len()))
                        .help("write `before: [{device: bob.phone, hears: onReceiveInvitation}, {device: alice.web, returned: inviteUsers}]`"),
                );
                None
            }
        }
    }

    fn sighting(&mut self, node: &Node) -> Option<Sighting> {
        let fields = self.fields(node, &words::SIGHTING);
        self.exactly_one(&fields, "a sighting", &["hears", "returned"]);
        let devices = fields.get("device").map(|node| self.selectors(node));
        let what = if let Some(hears) = fields.get("hears") {
            SightingKind::Hears(Box::new(self.pattern(hears)?))
        } else {
            SightingKind::Returned(self.operation(fields.get("returned")?))
        };
        Some(Sighting { devices: devices?, what })
    }

    /// An event by its bare name, or as a key beside `at`, `within` and `times`.
    pub(super) fn pattern(&mut self, node: &Node) -> Option<Pattern> {
        let bare = |event: At<EventName>| Pattern { span: node.span, event, payload: None, within: None, times: None };
        if let NodeKind::Text(_) = node.kind {
            return Some(bare(self.event(node)));
        }
        let fields = self.entries(node, "an event");
        if fields.entries.is_empty() {
            if matches!(node.kind, NodeKind::Map(_) | NodeKind::Null) {
                self.note(Diagnostic::new(node.span, "no event is named here").help("name one: `onReceiveInvitation`"));
            }
            return None;
        }
        let is_side = |key: &str| words::PATTERN.fields.iter().any(|field| field.key == key);
        let mut events = fields.entries.iter().filter(|(key, _)| !is_side(&key.value));
        let Some((name, payload)) = events.next() else {
            self.note(Diagnostic::new(node.span, "no event is named here").help("name one: `onReceiveInvitation: {}`"));
            return None;
        };
        if let Some((second, _)) = events.next() {
            self.note(
                Diagnostic::new(
                    second.span,
                    format!("two keys where one event is wanted: `{}` and `{}`", name.value, second.value),
                )
                .other(name.span, "the first one")
                .help("begin the second event with a dash of its own; beside an event stand at, within and times"),
            );
        }
        let mut pattern = bare(self.event_name(name));
        pattern.span = name.span;
        pattern.payload = (!matches!(payload.kind, NodeKind::Null)).then(|| payload.clone());
        if let (Some((at, _)), Some((within, _))) = (fields.entry("at"), fields.entry("within")) {
            self.note(
                Diagnostic::new(within.span, "an event can't have both `at` and `within`")
                    .other(at.span, "the other one")
                    .help("keep one of the two"),
            );
        }
        pattern.within = match (fields.get("at"), fields.get("within")) {
            (Some(at), _) => {
                let at = self.duration(at);
                Some((at.clone(), at))
            }
            (None, Some(within)) => self.two_durations(within),
            (None, None) => None,
        };
        pattern.times = self.maybe(&fields, "times", Self::count);
        Some(pattern)
    }
}
