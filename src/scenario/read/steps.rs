//! The section `steps`.

use super::{Fields, Reader, operation_of};
use crate::protocol::vocabulary::{ErrorCode, OperationName};
use crate::scenario::diagnostic::Diagnostic;
use crate::scenario::expression::Measure;
use crate::scenario::node::{At, Node, NodeKind};
use crate::scenario::words::{self, Field};
use crate::scenario::{Action, Cause, CauseKind, Direction, Outcome, OutcomeKind, Selector, SimpleAction, Step, When};

const RESULT_KEYS: [&str; 4] = ["returns", "fails", "unanswered", "any-of"];

impl Reader {
    pub(super) fn step(&mut self, node: &Node) -> Option<Step> {
        let fields = self.entries(node, "a step");
        if !matches!(node.kind, NodeKind::Map(_)) {
            if matches!(node.kind, NodeKind::Null) {
                self.note(Diagnostic::new(node.span, "a step is empty").help("remove the dash, or write a step"));
            }
            return None;
        }
        self.step_keys(&fields);
        let when = self.when(&fields);
        let (key, field, value) = self.action_of(&fields)?;
        let action = self.action(key, field, value, &fields);
        let answered = operation_of(field.key).is_some() || field.key == "send";
        let results = if answered { self.results(&fields) } else { self.no_results(&fields, field.key) };
        let secret = fields.entry("secret").and_then(|(key, value)| self.boolean(value).then_some(key.span));
        Some(Step { span: node.span, when, key: At::new(field.key, key.span), action: action?, results, secret })
    }

    fn step_keys(&mut self, fields: &Fields<'_>) {
        for (key, _) in fields.entries {
            if !words::STEP.fields.iter().any(|field| field.key == key.value) {
                let diagnostic =
                    Diagnostic::new(key.span, format!("unknown key or operation `{}` in a step", key.value));
                self.note(diagnostic.suggest(&key.value, words::STEP.fields.iter().map(|field| field.key)));
            }
        }
    }

    fn when(&mut self, fields: &Fields<'_>) -> When {
        match (fields.entry("at"), fields.entry("after")) {
            (None, None) => When::Same,
            (Some((_, at)), None) => When::At(self.duration(at)),
            (Some((at, _)), Some((after, _))) => {
                self.note(
                    Diagnostic::new(after.span, "a step can't have both `at` and `after`")
                        .other(at.span, "the other one")
                        .help("`at` counts from the beginning of the scenario, `after` from what came before"),
                );
                When::Same
            }
            (None, Some((_, after))) if matches!(after.kind, NodeKind::Map(_)) => self.cause(after),
            (None, Some((_, after))) => When::After(self.duration(after)),
        }
    }

    fn cause(&mut self, node: &Node) -> When {
        let fields = self.fields(node, &words::AFTER);
        self.exactly_one(&fields, "a cause", &["seen", "returned"]);
        let what = if let Some(seen) = fields.get("seen") {
            CauseKind::Seen(self.event(seen), fields.get("room").cloned())
        } else if let Some(returned) = fields.get("returned") {
            if let Some((room, _)) = fields.entry("room") {
                self.note(Diagnostic::new(room.span, "`room` goes with `seen`").help("remove it"));
            }
            CauseKind::Returned(self.operation(returned))
        } else {
            return When::Same;
        };
        When::Cause(Box::new(Cause {
            span: node.span,
            what,
            by: self.or(&fields, "by", Vec::new(), Self::selectors),
            delay: self.maybe(&fields, "delay", Self::duration),
            nth: self.maybe(&fields, "nth", Self::count),
        }))
    }

    /// The one key that says what happens.
    fn action_of<'n>(&mut self, fields: &Fields<'n>) -> Option<(&'n At<String>, &'static Field, &'n Node)> {
        let mut actions = fields.entries.iter().filter_map(|(key, value)| {
            words::step_actions().find(|field| field.key == key.value).map(|field| (key, field, value))
        });
        let Some(first) = actions.next() else {
            let unknown =
                fields.entries.iter().any(|(key, _)| words::STEP.fields.iter().all(|field| field.key != key.value));
            // An unknown key has been noted, and is likely what was meant to be the action.
            if !unknown {
                self.note(
                    Diagnostic::new(fields.span, "nothing happens in this step")
                        .help("add one operation or fault: `accept: {roomId: r1}`, `kill: bob.phone`"),
                );
            }
            return None;
        };
        if let Some((second, ..)) = actions.next() {
            self.note(
                Diagnostic::new(
                    second.span,
                    format!("two actions in one step: `{}` and `{}`", first.0.value, second.value),
                )
                .other(first.0.span, "the first one")
                .help("make it two steps; a step without `at` and `after` happens at the same time as the one before"),
            );
        }
        Some(first)
    }

    fn action(&mut self, key: &At<String>, field: &Field, value: &Node, fields: &Fields<'_>) -> Option<Action> {
        let by_application = operation_of(field.key).is_some() || matches!(field.key, "send" | "on" | "off");
        let devices = if by_application {
            match fields.get("device") {
                Some(node) => self.selectors(node),
                None => {
                    self.note(
                        Diagnostic::new(key.span, format!("nobody does this: `{}` needs `device`", field.key))
                            .help("say which device: `device: alice.web`"),
                    );
                    Vec::new()
                }
            }
        } else {
            if let Some((device, _)) = fields.entry("device") {
                self.note(
                    Diagnostic::new(device.span, format!("`{}` names its devices itself", field.key))
                        .help(format!("write `{}: bob.phone`, without `device`", field.key)),
                );
            }
            Vec::new()
        };
        if let Some(operation) = operation_of(field.key) {
            self.arguments(operation, value);
            return Some(Action::Call { devices, operation, args: value.clone() });
        }
        Some(match field.key {
            "send" => self.send(devices, value)?,
            "on" => {
                let fields = self.fields(value, &words::ON);
                Action::On {
                    devices,
                    event: self.event(fields.get("event")?),
                    handler: self.text(fields.get("handler")?).value,
                    throws: self.or(&fields, "throws", false, Self::boolean),
                    removes: self
                        .or(&fields, "removes", Vec::new(), Self::texts)
                        .into_iter()
                        .map(|name| name.value)
                        .collect(),
                }
            }
            "off" => {
                let fields = self.fields(value, &words::OFF);
                Action::Off {
                    devices,
                    event: self.event(fields.get("event")?),
                    handler: self.text(fields.get("handler")?).value,
                }
            }
            "offline" if matches!(value.kind, NodeKind::Map(_)) => {
                let fields = self.fields(value, &words::OFFLINE);
                Action::Offline {
                    devices: self.affected(&fields)?,
                    noticed: self.or(&fields, "noticed", true, Self::boolean),
                }
            }
            "offline" => Action::Offline { devices: self.selectors(value), noticed: true },
            "restart" if value.kind == NodeKind::Text("server".to_owned()) => Action::RestartServer,
            "partition" => {
                let fields = self.fields(value, &words::PARTITION);
                Action::Partition {
                    devices: self.affected(&fields)?,
                    direction: self.direction(&fields),
                    lasts: self.maybe(&fields, "for", Self::duration),
                }
            }
            "hold" => {
                let fields = self.fields(value, &words::HOLD);
                Action::Hold {
                    devices: self.affected(&fields)?,
                    direction: self.direction(&fields),
                    lasts: self.maybe(&fields, "for", Self::duration),
                }
            }
            "crash" => self.crash(value),
            "clock" => self.clock(value)?,
            "online" => Action::Simple(SimpleAction::Online, self.selectors(value)),
            "disconnect" => Action::Simple(SimpleAction::Disconnect, self.selectors(value)),
            "kill" => Action::Simple(SimpleAction::Kill, self.selectors(value)),
            "restart" => Action::Simple(SimpleAction::Restart, self.selectors(value)),
            "heal" => Action::Simple(SimpleAction::Heal, self.selectors(value)),
            "release" => Action::Simple(SimpleAction::Release, self.selectors(value)),
            other => unreachable!("`{other}` is in the table of steps and is read nowhere"),
        })
    }

    /// Judges the keys of the arguments; their values are judged with the names in them.
    fn arguments(&mut self, operation: OperationName, value: &Node) {
        let object = words::operation::arguments(operation);
        self.fields(value, object);
    }

    fn affected(&mut self, fields: &Fields<'_>) -> Option<Vec<At<Selector>>> {
        fields.get("devices").map(|node| self.selectors(node))
    }

    fn direction(&mut self, fields: &Fields<'_>) -> Direction {
        const WORDS: [(&str, Direction); 3] =
            [("both", Direction::Both), ("toServer", Direction::ToServer), ("fromServer", Direction::FromServer)];
        self.or(fields, "direction", Direction::Both, |reader, node| reader.word(node, &WORDS))
    }

    fn send(&mut self, devices: Vec<At<Selector>>, value: &Node) -> Option<Action> {
        let fields = self.fields(value, &words::SEND);
        let attempt = fields.get("attempt").and_then(|node| {
            let fields = self.fields(node, &words::ATTEMPT);
            let (instance, attempt) = (fields.get("instance")?, fields.get("attempt")?);
            Some((self.count(instance), self.count(attempt)))
        });
        Some(Action::Send {
            devices,
            operation: self.text(fields.get("operation")?),
            id: self.maybe(&fields, "id", |reader, node| reader.text(node).value),
            attempt,
            cursor_of: fields.get("cursorOf").and_then(|node| self.selector(node)).map(Box::new),
            args: fields.get("args").cloned(),
        })
    }

    fn crash(&mut self, value: &Node) -> Action {
        if !matches!(value.kind, NodeKind::Map(_)) {
            if value.kind != NodeKind::Text("server".to_owned()) {
                self.note(
                    Diagnostic::new(value.span, "only the server crashes")
                        .help("write `crash: server`; for a device, `kill: bob.phone`"),
                );
            }
            return Action::Crash { keep_unsynced: false, lasts: None };
        }
        let fields = self.fields(value, &words::CRASH);
        if let Some(node) = fields.get("server") {
            self.only_true(node);
        }
        Action::Crash {
            keep_unsynced: self.or(&fields, "keepUnsynced", false, Self::boolean),
            lasts: self.maybe(&fields, "for", Self::duration),
        }
    }

    fn clock(&mut self, value: &Node) -> Option<Action> {
        let fields = self.fields(value, &words::CLOCK);
        self.exactly_one(&fields, "a change of a clock", &["jump", "drift"]);
        let devices = self.affected(&fields)?;
        if let Some(jump) = fields.get("jump") {
            return Some(Action::ClockJump(devices, self.expression(jump, Measure::Duration)));
        }
        let drift = fields.get("drift")?;
        let ppm = match &drift.kind {
            NodeKind::Text(text) => {
                text.trim().strip_suffix("ppm").and_then(|digits| digits.trim().parse::<i32>().ok())
            }
            _ => None,
        };
        match ppm {
            Some(ppm) if ppm.abs() < 1_000_000 => Some(Action::ClockDrift(devices, ppm)),
            _ => {
                self.note(
                    Diagnostic::new(drift.span, "a drift in parts per million is wanted here")
                        .help("write `200ppm` for a clock that runs fast, `-200ppm` for a slow one"),
                );
                None
            }
        }
    }

    fn results(&mut self, fields: &Fields<'_>) -> Vec<Outcome> {
        let there = fields.entries.iter().filter(|(key, _)| RESULT_KEYS.contains(&key.value.as_str()));
        if there.clone().count() > 1 {
            self.exactly_one(fields, "a step", &RESULT_KEYS);
            return Vec::new();
        }
        let by = self.by(fields);
        let Some((key, value)) = there.clone().next() else {
            return match fields.entry("by") {
                // A call that must succeed, because of these requirements.
                Some((key, _)) => {
                    let nothing = Node { span: key.span, kind: NodeKind::Null };
                    vec![Outcome { span: fields.span, by, what: OutcomeKind::Returns(nothing) }]
                }
                None => Vec::new(),
            };
        };
        if key.value != "any-of" {
            return self.outcome(key, value, by).into_iter().collect();
        }
        if !by.is_empty() {
            self.note(
                Diagnostic::new(key.span, "with `any-of`, `by` belongs to the single results")
                    .help("write `any-of: [{returns: ~}, {fails: 100006, by: [CAN-4]}]`"),
            );
        }
        let items = self.list(value);
        if items.is_empty() {
            self.note(Diagnostic::new(value.span, "none of no results can ever come").help("list at least one result"));
        }
        let mut outcomes = Vec::new();
        for item in items {
            let fields = self.fields(item, &words::RESULT);
            self.exactly_one(&fields, "a result", &RESULT_KEYS[..3]);
            let by = self.by(&fields);
            let entry = fields.entries.iter().find(|(key, _)| RESULT_KEYS.contains(&key.value.as_str()));
            outcomes.extend(entry.and_then(|(key, value)| self.outcome(key, value, by)));
        }
        outcomes
    }

    fn outcome(&mut self, key: &At<String>, value: &Node, by: Vec<At<String>>) -> Option<Outcome> {
        let what = match key.value.as_str() {
            "returns" => OutcomeKind::Returns(value.clone()),
            "fails" => OutcomeKind::Fails(self.code(value)?),
            _ => {
                self.only_true(value);
                OutcomeKind::Unanswered
            }
        };
        Some(Outcome { span: key.span, by, what })
    }

    fn code(&mut self, node: &Node) -> Option<i32> {
        let names = || ErrorCode::NAMED.iter().map(|(_, name)| *name);
        match &node.kind {
            // ERR-4: codes without a name pass through. 0 is success.
            NodeKind::Integer(number) if *number != 0 => i32::try_from(*number).ok().or_else(|| {
                self.note(Diagnostic::new(node.span, format!("{number} is no error code")));
                None
            }),
            NodeKind::Integer(_) => {
                self.note(Diagnostic::new(node.span, "0 is success").help("write `returns: ~`, or leave it out"));
                None
            }
            NodeKind::Text(name) => match ErrorCode::from_name(name) {
                Some(code) => Some(code.0),
                None => {
                    self.note(
                        Diagnostic::new(node.span, format!("unknown error code `{name}`")).suggest(name, names()),
                    );
                    None
                }
            },
            _ => {
                self.mismatch(node, "an error code, `-2311` or ERR_REQUEST_ID_INVALID,");
                None
            }
        }
    }

    fn no_results(&mut self, fields: &Fields<'_>, action: &str) -> Vec<Outcome> {
        for (key, _) in fields.entries {
            if RESULT_KEYS.contains(&key.value.as_str()) || key.value == "by" {
                self.note(
                    Diagnostic::new(
                        key.span,
                        format!("`{}` says what a call must come to, and `{action}` is no call", key.value),
                    )
                    .help("write what must be seen under `expect`"),
                );
            }
        }
        Vec::new()
    }
}
