//! The steps: when each happens, who acts, and what a call must come to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::Compiler;
use crate::plan::{
    Action, DeviceIndex, Direction, ExpectedOutcome, ExpectedResult, Handler, RawRequest, Step, Trigger, When,
};
use crate::protocol::call::AttemptRef;
use crate::protocol::vocabulary::{AttemptNo, ErrorCode, InstanceId, OperationName, RoomId};
use crate::scenario::expression::Expression;
use crate::scenario::payload::{self, Shape};
use crate::scenario::{self, At, CauseKind, Diagnostic, OutcomeKind, Selector, SimpleAction, Span};
use crate::time::{Duration, Instant};

/// The devices that call or send an operation, by its name.
pub(super) type Callers = BTreeMap<String, BTreeSet<DeviceIndex>>;

impl Compiler<'_> {
    pub(super) fn steps(&mut self) -> Vec<Step> {
        let scenario = self.scenario;
        let mut steps: Vec<Step> = Vec::new();
        let mut before = None;
        for step in &scenario.steps {
            let when = self.when(step, before);
            self.reachable(step, &when);
            let place = step.key.span.place();
            let Some((action, lasts)) = self.action(step) else { continue };
            let index = steps.len();
            let end = lasts.and_then(|lasts| Some((end_of(&action)?, self.duration(lasts))));
            let begun = (index, at_of(&when));
            let secret = step.secret.is_some();
            self.openly_waiting(step, &when, &steps);
            steps.push(Step { place, when, action, secret });
            before = Some(begun);
            if let Some((action, lasts)) = end {
                steps.push(Step { place, when: later(begun, lasts), action, secret });
            }
        }
        steps
    }

    /// Notes a step that waits for a secret one and is none: it would be missing from the run without secrets.
    fn openly_waiting(&mut self, step: &scenario::Step, when: &When, before: &[Step]) {
        if let When::After { trigger: Trigger::Begun(other), .. } = when
            && before[*other].secret
            && step.secret.is_none()
        {
            self.note(
                Diagnostic::new(step.key.span, "this step waits for a secret one, so it would not be in both runs")
                    .help("give it a time of its own (`at`), or make it secret, too"),
            );
        }
    }

    fn when(&mut self, step: &scenario::Step, before: Option<Begun>) -> When {
        let delay = match &step.when {
            scenario::When::At(at) => return When::At(self.instant(at)),
            scenario::When::Cause(cause) => return self.cause(cause),
            scenario::When::Same => Duration::ZERO,
            scenario::When::After(delay) => self.duration(delay),
        };
        match before {
            None => When::At(Instant::START + delay),
            Some(begun) => later(begun, delay),
        }
    }

    /// Notes a step that comes after the end.
    fn reachable(&mut self, step: &scenario::Step, when: &When) {
        if let (When::At(at), Some(lasts)) = (when, self.lasts)
            && at.since(Instant::START) > lasts
        {
            self.note(
                Diagnostic::new(
                    step.key.span,
                    format!("this step would come at {at} s, and the scenario lasts {lasts}"),
                )
                .help("raise `lasts`, or remove the step"),
            );
        }
    }

    fn cause(&mut self, cause: &scenario::Cause) -> When {
        let by = self.select_all(&cause.by);
        let nth = cause.nth.as_ref().map_or(1, |nth| self.count(nth, 1));
        let delay = self.duration_or(cause.delay.as_ref(), Duration::ZERO);
        let trigger = match &cause.what {
            CauseKind::Seen(event, room) => {
                self.hearing(&by, &cause.by);
                let room = room.as_ref().and_then(|room| self.room(room, true)).map(RoomId::from);
                Trigger::Seen { event: event.value, room, by, nth }
            }
            CauseKind::Returned(operation) => {
                self.calling(&by, operation);
                Trigger::Returned { operation: operation.value, by, nth }
            }
        };
        When::After { trigger, delay }
    }

    /// Notes devices without a client library, on which nothing is heard.
    pub(super) fn hearing(&mut self, devices: &[DeviceIndex], named: &[At<Selector>]) {
        if let Some(raw) = devices.iter().find(|device| self.people.declaration(**device).raw) {
            let name = self.people.name_of(*raw);
            let span = named.first().map_or(Span::default(), |selector| selector.span);
            self.note(
                Diagnostic::new(span, format!("`{name}` is raw: no library hands it events, so this can't be judged"))
                    .other(self.people.declaration(*raw).name.span, "`kind: raw`")
                    .help("expect the event on a device of the same user that has the library"),
            );
        }
    }

    /// Notes an answer that is waited for and that no step asks for.
    pub(super) fn calling(&mut self, devices: &[DeviceIndex], operation: &At<OperationName>) {
        let name = operation.value.name();
        if let Some(silent) = self.silent(devices, operation.value).first() {
            let device = self.people.name_of(*silent);
            self.note(
                Diagnostic::new(
                    operation.span,
                    format!("`{device}` never calls {name}, so there is nothing to wait for"),
                )
                .help("name the device and the operation of a step"),
            );
        }
    }

    /// Those of the devices that never call or send the operation in any step.
    fn silent(&mut self, devices: &[DeviceIndex], operation: OperationName) -> Vec<DeviceIndex> {
        if self.callers.is_none() {
            self.callers = Some(self.all_callers());
        }
        let callers = self.callers.as_ref().and_then(|callers| callers.get(operation.name()));
        let never = |device: &&DeviceIndex| callers.is_none_or(|callers| !callers.contains(device));
        devices.iter().filter(never).copied().collect()
    }

    /// Who calls or sends what, in any step.
    fn all_callers(&mut self) -> Callers {
        // What is wrong with these names is noted where their steps are compiled.
        let found = self.found.clone();
        let mut callers = Callers::new();
        let scenario = self.scenario;
        for step in &scenario.steps {
            let (selectors, name) = match &step.action {
                scenario::Action::Call { devices, operation, .. } => (devices, operation.name()),
                scenario::Action::Send { devices, operation, .. } => (devices, operation.value.as_str()),
                _ => continue,
            };
            let devices: Vec<DeviceIndex> = selectors.iter().flat_map(|selector| self.select(selector)).collect();
            callers.entry(name.to_owned()).or_default().extend(devices);
        }
        self.found = found;
        callers
    }

    /// The action, and for how long it lasts.
    fn action<'s>(&mut self, step: &'s scenario::Step) -> Option<(Action, Option<&'s At<Expression>>)> {
        let mut lasting = None;
        let action = match &step.action {
            scenario::Action::Call { devices, operation, args } => {
                let callers = self.select_all(devices);
                self.of_kind(&callers, devices, false, operation.name());
                let may_fail = step.results.iter().any(|result| matches!(result.what, OutcomeKind::Fails(_)));
                let call = self.call(*operation, args, may_fail);
                let cursor_of = self.cursor_of(*operation, args);
                let expected = self.results(step, payload::reply(*operation));
                Action::Call { devices: callers, call: Arc::new(call?), cursor_of, expected }
            }
            scenario::Action::Send { devices, operation, id, attempt, cursor_of, args } => {
                let senders = self.select_all(devices);
                self.of_kind(&senders, devices, true, "send");
                let shape = OperationName::from_name(&operation.value).map_or(&Shape::Any, payload::reply);
                let request = RawRequest {
                    operation: operation.value.clone(),
                    id: id.as_deref().map(Into::into),
                    attempt: attempt.as_ref().map(|(instance, attempt)| AttemptRef {
                        instance: InstanceId(self.count(instance, 0).into()),
                        attempt: AttemptNo(self.count(attempt, 0)),
                    }),
                    cursor_of: cursor_of.as_ref().and_then(|reader| self.reader_of_lists(reader)),
                    args: match args {
                        Some(args) => self.any(args)?,
                        None => Value::Object(serde_json::Map::new()),
                    },
                };
                Action::Send { devices: senders, request, expected: self.results(step, shape) }
            }
            scenario::Action::On { devices, event, handler, throws, removes } => {
                let listeners = self.select_all(devices);
                self.of_kind(&listeners, devices, false, "on");
                Action::On {
                    devices: listeners,
                    event: event.value,
                    handler: Handler {
                        name: handler.as_str().into(),
                        throws: *throws,
                        removes: removes.iter().map(|name| name.as_str().into()).collect(),
                    },
                }
            }
            scenario::Action::Off { devices, event, handler } => {
                let listeners = self.select_all(devices);
                self.of_kind(&listeners, devices, false, "off");
                Action::Off { devices: listeners, event: event.value, handler: handler.as_str().into() }
            }
            scenario::Action::Offline { devices, noticed } => {
                Action::Offline { devices: self.select_all(devices), noticed: *noticed }
            }
            scenario::Action::Simple(simple, devices) => {
                let devices = self.select_all(devices);
                match simple {
                    SimpleAction::Online => Action::Online { devices },
                    SimpleAction::Disconnect => Action::Disconnect { devices },
                    SimpleAction::Kill => Action::Kill { devices },
                    SimpleAction::Restart => Action::Restart { devices },
                    SimpleAction::Heal => Action::Heal { devices },
                    SimpleAction::Release => Action::Release { devices },
                }
            }
            scenario::Action::Partition { devices, direction, lasts } => {
                lasting = lasts.as_ref();
                Action::Partition { devices: self.select_all(devices), direction: (*direction).into() }
            }
            scenario::Action::Hold { devices, direction, lasts } => {
                lasting = lasts.as_ref();
                Action::Hold { devices: self.select_all(devices), direction: (*direction).into() }
            }
            scenario::Action::Crash { keep_unsynced, lasts } => {
                lasting = lasts.as_ref();
                Action::CrashServer { keep_unsynced: *keep_unsynced }
            }
            scenario::Action::RestartServer => Action::RestartServer,
            scenario::Action::ClockJump(devices, jump) => {
                let by = i64::try_from(jump.value.value(&self.bounds)).unwrap_or_else(|_| {
                    self.note(Diagnostic::new(jump.span, "this comes to more than 292 years"));
                    0
                });
                Action::ClockJump { devices: self.select_all(devices), by }
            }
            scenario::Action::ClockDrift(devices, ppm) => {
                Action::ClockDrift { devices: self.select_all(devices), ppm: *ppm }
            }
        };
        Some((action, lasting))
    }

    /// The device in `cursor: {of: alice.web}`, if the cursor is written so. Its form was judged with the arguments.
    fn cursor_of(&mut self, operation: OperationName, args: &scenario::Node) -> Option<DeviceIndex> {
        let reader = args.get("cursor").filter(|_| operation == OperationName::GetInvitationList)?.get("of")?;
        let reader = self.selector(reader)?;
        self.reader_of_lists(&reader)
    }

    /// The one device whose cursor is meant, which must read a list in some step.
    fn reader_of_lists(&mut self, selector: &At<Selector>) -> Option<DeviceIndex> {
        let devices = self.select(selector);
        match devices.as_slice() {
            [] => None, // An unknown name has been noted.
            [one] => {
                let operation = OperationName::GetInvitationList;
                if !self.silent(&devices, operation).is_empty() {
                    self.note(
                        Diagnostic::new(
                            selector.span,
                            format!("`{}` never calls {operation}, so it has no cursor", self.people.name_of(*one)),
                        )
                        .help("name a device that reads the list in a step"),
                    );
                }
                Some(*one)
            }
            several => {
                self.note(
                    Diagnostic::new(selector.span, format!("this names {} devices, and one is wanted", several.len()))
                        .help("a cursor was returned to one device: write `{of: alice.web}`"),
                );
                None
            }
        }
    }

    /// Notes devices on which this can't be done.
    fn of_kind(&mut self, devices: &[DeviceIndex], named: &[At<Selector>], raw: bool, what: &str) {
        let Some(wrong) = devices.iter().find(|device| self.people.declaration(**device).raw != raw) else { return };
        let name = self.people.name_of(*wrong);
        let span = named.first().map_or(Span::default(), |selector| selector.span);
        let diagnostic = match raw {
            true => Diagnostic::new(span, format!("`{name}` has the client library, which sends for it"))
                .help("call the operation itself, or declare the device as `kind: raw`"),
            false => Diagnostic::new(span, format!("`{name}` is raw and has no library for `{what}`"))
                .help("a raw device does nothing but `send: {operation: …, args: …}`"),
        };
        let diagnostic = diagnostic.other(self.people.declaration(*wrong).name.span, "declared here");
        self.note(diagnostic);
    }

    fn results(&mut self, step: &scenario::Step, shape: &Shape) -> Vec<ExpectedResult> {
        if step.results.is_empty() {
            // Nothing was said, so the call must succeed, whatever it returns.
            let outcome = ExpectedOutcome::Returns(Value::Null);
            return vec![ExpectedResult { place: step.key.span.place(), by: Vec::new(), outcome }];
        }
        let mut results = Vec::new();
        for result in &step.results {
            let by = self.requirements(&result.by);
            let outcome = match &result.what {
                OutcomeKind::Returns(node) if node.kind == scenario::NodeKind::Null => {
                    ExpectedOutcome::Returns(Value::Null)
                }
                OutcomeKind::Returns(node) => match self.pattern(node, shape) {
                    Some(value) => ExpectedOutcome::Returns(value),
                    None => continue,
                },
                OutcomeKind::Fails(code) => ExpectedOutcome::Fails(ErrorCode(*code)),
                OutcomeKind::Unanswered => ExpectedOutcome::Unanswered,
            };
            results.push(ExpectedResult { place: result.span.place(), by, outcome });
        }
        results
    }
}

/// A step's number in the plan, and its time if that is fixed.
type Begun = (usize, Option<Instant>);

fn at_of(when: &When) -> Option<Instant> {
    match when {
        When::At(at) => Some(*at),
        When::After { .. } => None,
    }
}

/// `delay` after a step: at a time if that step has one, else after it has begun.
fn later((index, at): Begun, delay: Duration) -> When {
    match at {
        Some(at) => When::At(at + delay),
        None => When::After { trigger: Trigger::Begun(index), delay },
    }
}

/// What ends a fault.
fn end_of(action: &Action) -> Option<Action> {
    match action {
        Action::Partition { devices, .. } => Some(Action::Heal { devices: devices.clone() }),
        Action::Hold { devices, .. } => Some(Action::Release { devices: devices.clone() }),
        Action::CrashServer { .. } => Some(Action::RestartServer),
        _ => None,
    }
}

impl From<scenario::Direction> for Direction {
    fn from(direction: scenario::Direction) -> Self {
        match direction {
            scenario::Direction::Both => Self::Both,
            scenario::Direction::ToServer => Self::ToServer,
            scenario::Direction::FromServer => Self::FromServer,
        }
    }
}
