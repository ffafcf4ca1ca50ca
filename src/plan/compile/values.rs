//! Values: the arguments of calls, and what events and results must contain.

use serde_json::{Map, Value, json};

use super::Compiler;
use crate::protocol::call::Call;
use crate::protocol::vocabulary::{OperationName, UserId};
use crate::scenario::expression::{Expression, Measure};
use crate::scenario::payload::Shape;
use crate::scenario::words::{ApiEnum, Kind, operation};
use crate::scenario::{At, Diagnostic, Node, NodeKind, Selector};

/// The longest text that `{repeat: x, times: n}` may come to, in bytes.
const REPEATED_MAX: usize = 16 << 20;

impl Compiler<'_> {
    fn mismatch(&mut self, node: &Node, wanted: &str) {
        self.note(
            Diagnostic::new(node.span, format!("{wanted} is wanted here"))
                .label(format!("this is {}", node.describe())),
        );
    }

    /// The number of a member of an enumeration, given by name or number.
    pub(super) fn api_enum(&mut self, node: &Node, of: ApiEnum) -> Option<u8> {
        let members = of.members();
        let found = match &node.kind {
            NodeKind::Text(name) => members.iter().find(|(known, _)| known == name),
            NodeKind::Integer(number) => members.iter().find(|(_, known)| i128::from(*known) == *number),
            _ => {
                self.mismatch(node, "a name such as kPending, or its number,");
                return None;
            }
        };
        if found.is_none() {
            let diagnostic = match &node.kind {
                NodeKind::Text(name) => Diagnostic::new(node.span, format!("unknown name `{name}`"))
                    .suggest(name, members.iter().map(|(known, _)| *known)),
                _ => Diagnostic::new(node.span, "no member has this number").help(format!(
                    "they are {}",
                    members.iter().map(|(name, number)| format!("{number} {name}")).collect::<Vec<_>>().join(", ")
                )),
            };
            self.note(diagnostic);
        }
        found.map(|(_, number)| *number)
    }

    /// Text, or `{repeat: x, times: n}`.
    fn argument(&mut self, node: &Node) -> Option<String> {
        match &node.kind {
            NodeKind::Text(text) => Some(text.clone()),
            NodeKind::Map(entries) if entries.iter().any(|(key, _)| key.value == "repeat") => {
                let lawful = entries.len() == 2 && node.get("times").is_some();
                let (Some(repeat), Some(times), true) = (node.get("repeat"), node.get("times"), lawful) else {
                    self.note(
                        Diagnostic::new(node.span, "two keys are wanted here").help("write `{repeat: x, times: 65}`"),
                    );
                    return None;
                };
                let NodeKind::Text(repeat) = &repeat.kind else {
                    self.mismatch(repeat, "text");
                    return None;
                };
                let times = self.number_of_things(times)?;
                let fits =
                    usize::try_from(times).ok().filter(|times| times.saturating_mul(repeat.len()) <= REPEATED_MAX);
                if fits.is_none() {
                    self.note(Diagnostic::new(node.span, format!("this comes to more than {REPEATED_MAX} bytes")));
                }
                fits.map(|times| repeat.repeat(times))
            }
            _ => {
                self.mismatch(node, "text");
                None
            }
        }
    }

    /// A cursor, as text; `{of: alice.web}` leaves its place empty until the step begins.
    fn cursor(&mut self, node: &Node) -> Option<String> {
        match &node.kind {
            NodeKind::Map(entries) if matches!(entries.as_slice(), [(key, _)] if key.value == "of") => {
                Some(String::new())
            }
            NodeKind::Map(entries) if entries.iter().any(|(key, _)| key.value == "of") => {
                self.note(
                    Diagnostic::new(node.span, "`of` stands alone").help("write `cursor: {of: alice.web}` and no more"),
                );
                None
            }
            _ => self.argument(node),
        }
    }

    /// A number or an expression that counts things.
    fn number_of_things(&mut self, node: &Node) -> Option<u64> {
        let value = match &node.kind {
            NodeKind::Integer(number) => *number,
            NodeKind::Text(text) => self.expression(text, node, Measure::Count)?.value(&self.bounds),
            _ => {
                self.mismatch(node, "a number of things");
                return None;
            }
        };
        let count = u64::try_from(value).ok();
        if count.is_none() {
            self.note(Diagnostic::new(node.span, format!("this comes to {value}")).help("0 or more is lawful here"));
        }
        count
    }

    fn expression(&mut self, text: &str, node: &Node, measure: Measure) -> Option<Expression> {
        Expression::parse(text, measure)
            .map_err(|(what, help)| self.note(Diagnostic::new(node.span, what).help(help)))
            .ok()
    }

    /// `{unknown: zoe}`: an id that nobody has.
    fn unknown(&mut self, node: &Node) -> Option<String> {
        let NodeKind::Map(entries) = &node.kind else { return None };
        match entries.as_slice() {
            [(key, value)] if key.value == "unknown" => self.argument(value),
            _ => {
                self.note(
                    Diagnostic::new(node.span, "a name is wanted here")
                        .help("write a declared name, or `{unknown: zoe}` for an id that nobody has"),
                );
                None
            }
        }
    }

    pub(super) fn selector(&mut self, node: &Node) -> Option<At<Selector>> {
        let NodeKind::Text(text) = &node.kind else {
            self.mismatch(node, "the name of a user");
            return None;
        };
        match Selector::parse(text) {
            Ok(selector) => Some(At::new(selector, node.span)),
            Err(what) => {
                self.note(
                    Diagnostic::new(node.span, format!("`{text}` names nobody: {what}"))
                        .help("for an id that nobody has, write `{unknown: …}`"),
                );
                None
            }
        }
    }

    /// A list of users and populations, as ids.
    pub(super) fn users(&mut self, nodes: &[Node]) -> Vec<UserId> {
        let mut users = Vec::new();
        for node in nodes {
            match node.kind {
                NodeKind::Map(_) => users.extend(self.unknown(node).map(UserId::from)),
                _ => {
                    if let Some(selector) = self.selector(node) {
                        users.extend(self.select_users(&selector));
                    }
                }
            }
        }
        users
    }

    fn user(&mut self, node: &Node) -> Option<UserId> {
        match node.kind {
            NodeKind::Map(_) => self.unknown(node).map(UserId::from),
            _ => {
                let selector = self.selector(node)?;
                self.select_user(&selector)
            }
        }
    }

    /// The id of a room. With `known`, of one that exists at some time of the scenario.
    pub(super) fn room(&mut self, node: &Node, known: bool) -> Option<String> {
        let id = match &node.kind {
            NodeKind::Text(id) => id.clone(),
            NodeKind::Map(entries) if entries.iter().any(|(key, _)| key.value == "unknown") => {
                return self.unknown(node);
            }
            NodeKind::Map(_) => return self.argument(node),
            _ => {
                self.mismatch(node, "text, the id of a room,");
                return None;
            }
        };
        if known && !self.rooms.contains(&id) {
            let rooms: Vec<String> = self.rooms.iter().cloned().collect();
            let diagnostic = Diagnostic::new(node.span, format!("unknown room `{id}`"));
            let diagnostic = diagnostic.suggest(&id, rooms.iter().map(String::as_str));
            self.note(match rooms.is_empty() {
                true => diagnostic.help("declare it under `rooms`, or create it in a step"),
                false => diagnostic,
            });
        }
        Some(id)
    }

    /// A call with its arguments. `may_fail`: the author expects that it could, so that its room need not exist.
    pub(super) fn call(&mut self, operation: OperationName, args: &Node, may_fail: bool) -> Option<Call> {
        let entries = match &args.kind {
            NodeKind::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        let mut given = Map::new();
        let mut not_finite = None;
        let mut complete = true;
        for (key, node) in entries {
            let field = operation::arguments(operation).fields.iter().find(|field| field.key == key.value)?;
            let value = match field.kind {
                Kind::Room => self.room(node, !may_fail).map(Value::from),
                Kind::User => self.user(node).map(|user| json!(user)),
                Kind::Users => match &node.kind {
                    NodeKind::List(items) => Some(json!(self.users(items))),
                    _ => {
                        self.mismatch(node, "a list of users");
                        None
                    }
                },
                Kind::Argument => self.argument(node).map(Value::from),
                Kind::Cursor => self.cursor(node).map(Value::from),
                Kind::Count => self.small_number(node).map(Value::from),
                // REJ-2: a reason that is none is the server's to refuse.
                Kind::ApiEnum(ApiEnum::RejectedReason) if matches!(node.kind, NodeKind::Integer(_)) => {
                    self.integer(node)
                }
                Kind::ApiEnum(of) => self.api_enum(node, of).map(Value::from),
                Kind::Seconds | Kind::Number => {
                    let measure = if matches!(field.kind, Kind::Seconds) { Measure::Duration } else { Measure::Count };
                    let number = self.number(node, measure);
                    if number.is_some_and(|number| !number.is_finite()) {
                        not_finite = number;
                    }
                    number.map(|number| if number.is_finite() { json!(number) } else { json!(0.0) })
                }
                other => unreachable!("no operation has an argument of the kind {other:?}"),
            };
            match value {
                Some(value) => drop(given.insert(key.value.clone(), value)),
                None => complete = false,
            }
        }
        if !complete {
            return None;
        }
        let tagged = json!({"operation": operation.name(), "args": given});
        match serde_json::from_value::<Call>(tagged) {
            Ok(mut call) => {
                // JSON has no such numbers, and INV-11 and LST-4 say what becomes of them.
                if let (
                    Some(number),
                    Call::InviteUsers { timeout: place, .. } | Call::GetInvitationList { count: place, .. },
                ) = (not_finite, &mut call)
                {
                    *place = number;
                }
                Some(call)
            }
            Err(error) => {
                self.note(Diagnostic::new(args.span, format!("these are no arguments of {operation}: {error}")));
                None
            }
        }
    }

    fn small_number(&mut self, node: &Node) -> Option<u32> {
        let number = self.number_of_things(node)?;
        let small = u32::try_from(number).ok();
        if small.is_none() {
            self.note(Diagnostic::new(node.span, format!("this comes to {number}, and {} is the most", u32::MAX)));
        }
        small
    }

    fn integer(&mut self, node: &Node) -> Option<Value> {
        match node.kind {
            NodeKind::Integer(number) if i64::try_from(number).is_ok() => i64::try_from(number).ok().map(Value::from),
            _ => {
                self.mismatch(node, "a whole number of 64 bits");
                None
            }
        }
    }

    /// A number that the library or the server judges, or an expression; a duration counts in seconds.
    fn number(&mut self, node: &Node, measure: Measure) -> Option<f64> {
        match &node.kind {
            NodeKind::Integer(number) => Some(*number as f64),
            NodeKind::Float(number) => Some(*number),
            NodeKind::Text(text) => {
                let value = self.expression(text, node, measure)?.value(&self.bounds) as f64;
                Some(if measure == Measure::Duration { value / 1e9 } else { value })
            }
            _ => {
                self.mismatch(node, "a number");
                None
            }
        }
    }

    /// What a value of this shape must contain, with names turned into numbers and ids. `{not: X}` is kept as it is.
    pub(super) fn pattern(&mut self, node: &Node, shape: &Shape) -> Option<Value> {
        if let NodeKind::Map(entries) = &node.kind
            && let [(key, value)] = entries.as_slice()
            && key.value == "not"
        {
            let of_user = matches!(shape, Shape::Codes) && !matches!(value.kind, NodeKind::Map(_));
            if of_user {
                self.note(
                    Diagnostic::new(key.span, "`not` alone means anything but what follows it, which is a map here")
                        .help("write `{not: {bob: kSuccess}}`; a user called `not` needs another one beside it"),
                );
                return None;
            }
            return self.pattern(value, shape).map(|value| json!({"not": value}));
        }
        match shape {
            Shape::Same(shape) => self.pattern(node, shape),
            Shape::Any => self.any(node),
            Shape::Nothing => {
                self.note(
                    Diagnostic::new(node.span, "this call returns nothing, so this could never match")
                        .help("write `returns: ~`, or leave it out"),
                );
                None
            }
            Shape::Text => self.argument(node).map(Value::from),
            Shape::Bool => match node.kind {
                NodeKind::Bool(value) => Some(Value::Bool(value)),
                _ => {
                    self.mismatch(node, "true or false");
                    None
                }
            },
            Shape::Number => match node.kind {
                NodeKind::Integer(_) | NodeKind::Float(_) => self.any(node),
                _ => self.number_of_things(node).map(Value::from),
            },
            Shape::Enum(of) => self.api_enum(node, *of).map(Value::from),
            // REV-4: the server itself has no id.
            Shape::UserId if node.kind == NodeKind::Text(String::new()) => Some(Value::from("")),
            Shape::UserId => match &node.kind {
                NodeKind::Text(id) if self.people.has_account(id) => Some(Value::from(id.as_str())),
                _ => self.user(node).map(|user| json!(user)),
            },
            Shape::RoomId => self.room(node, true).map(Value::from),
            Shape::List(shape) => match &node.kind {
                NodeKind::List(items) => {
                    let items: Vec<Option<Value>> = items.iter().map(|item| self.pattern(item, shape)).collect();
                    items.into_iter().collect::<Option<Vec<Value>>>().map(Value::Array)
                }
                _ => {
                    self.mismatch(node, "a list");
                    None
                }
            },
            Shape::Codes => self.codes(node),
            Shape::Object(name, fields) => self.object(node, name, fields),
        }
    }

    fn object(&mut self, node: &Node, name: &str, fields: &[(&'static str, Shape)]) -> Option<Value> {
        let NodeKind::Map(entries) = &node.kind else {
            self.mismatch(node, &format!("a map of fields of {name}"));
            return None;
        };
        let mut object = Map::new();
        let mut complete = true;
        for (key, value) in entries {
            let Some((_, shape)) = fields.iter().find(|(field, _)| *field == key.value) else {
                let diagnostic = Diagnostic::new(key.span, format!("{name} has no field `{}`", key.value));
                self.note(diagnostic.suggest(&key.value, fields.iter().map(|(field, _)| *field)));
                complete = false;
                continue;
            };
            match self.pattern(value, shape) {
                Some(value) => drop(object.insert(key.value.clone(), value)),
                None => complete = false,
            }
        }
        complete.then_some(Value::Object(object))
    }

    /// `{bob: kSuccess, crowd: kAlreadyInConference}`: a population stands for each of its users.
    fn codes(&mut self, node: &Node) -> Option<Value> {
        let NodeKind::Map(entries) = &node.kind else {
            self.mismatch(node, "a map from users to codes");
            return None;
        };
        let mut codes = Map::new();
        for (key, value) in entries {
            let name = Node { span: key.span, kind: NodeKind::Text(key.value.clone()) };
            let users = self.users(std::slice::from_ref(&name));
            let code = self.api_enum(value, ApiEnum::Code)?;
            codes.extend(users.into_iter().map(|user| (user.to_string(), Value::from(code))));
        }
        Some(Value::Object(codes))
    }

    /// Any JSON.
    pub(super) fn any(&mut self, node: &Node) -> Option<Value> {
        node.to_json()
            .map_err(|bad| {
                let diagnostic = Diagnostic::new(bad.span, "JSON has no such number");
                self.note(
                    diagnostic.help("a raw request is JSON; leave `.nan`, `.inf` and numbers beyond 64 bits out"),
                );
            })
            .ok()
    }
}
