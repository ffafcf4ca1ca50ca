//! From YAML's values to a [`Scenario`]: keys, kinds and units, all mistakes at once.
//!
//! Each function reads what it can, notes what is wrong, and goes on with a harmless value in its place; the caller gets
//! the scenario only if nothing was noted. What is lawful stands in [`words`](super::words).

mod expect;
mod sections;
mod steps;

use std::sync::Arc;

use super::diagnostic::{Diagnostic, Diagnostics, nearest};
use super::expression::{self, Expression, Measure};
use super::node::{At, Node, NodeKind, Span};
use super::words::Object;
use super::{Scenario, Selector, VERSION, words};
use crate::protocol::vocabulary::{EventName, OperationName};

/// Reads a whole file.
pub(super) fn scenario(path: &str, text: &Arc<str>, root: &Node) -> Result<Scenario, Diagnostics> {
    let mut reader = Reader { found: Diagnostics::new(path, text) };
    let scenario = reader.scenario(path, text, root);
    reader.found.or_ok(scenario)
}

/// Notes what is wrong.
struct Reader {
    found: Diagnostics,
}

/// The entries of a map with fixed keys.
#[derive(Clone, Copy)]
struct Fields<'n> {
    span: Span,
    entries: &'n [(At<String>, Node)],
    /// Whether an unknown key was noted, which is likely what was meant to be a key that is missing.
    slip: bool,
}

impl<'n> Fields<'n> {
    fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|(_, value)| value)
    }

    fn entry(&self, key: &str) -> Option<&'n (At<String>, Node)> {
        self.entries.iter().find(|(name, _)| name.value == key)
    }
}

impl Reader {
    fn note(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    fn mismatch(&mut self, node: &Node, wanted: &str) {
        let diagnostic = Diagnostic::new(node.span, format!("{wanted} is wanted here"))
            .label(format!("this is {}", node.describe()));
        let number_for_text = wanted.starts_with("text")
            && matches!(node.kind, NodeKind::Integer(_) | NodeKind::Float(_) | NodeKind::Bool(_));
        self.note(if number_for_text { diagnostic.help("put quotes around it to make it text") } else { diagnostic });
    }

    /// Whether two of them are there, which excludes one another; notes it.
    fn exactly_one(&mut self, fields: &Fields<'_>, what: &str, keys: &[&str]) {
        let mut there = fields.entries.iter().filter(|(key, _)| keys.contains(&key.value.as_str()));
        match (there.next(), there.next()) {
            (None, _) if fields.slip => {}
            (None, _) => {
                let keys = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
                self.note(Diagnostic::new(fields.span, format!("{what} needs one of {keys}")));
            }
            (Some((first, _)), Some((second, _))) => self.note(
                Diagnostic::new(
                    second.span,
                    format!("{what} can't have both `{}` and `{}`", first.value, second.value),
                )
                .other(first.span, "the first one")
                .help("keep one of the two"),
            ),
            _ => {}
        }
    }

    /// The entries of a map that may have these keys. Nothing counts as an empty map.
    fn fields<'n>(&mut self, node: &'n Node, object: &Object) -> Fields<'n> {
        let mut fields = self.entries(node, object.name);
        self.known_keys(&mut fields, object);
        fields
    }

    fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Fields<'n> {
        match &node.kind {
            NodeKind::Map(entries) => Fields { span: node.span, entries, slip: false },
            NodeKind::Null => Fields { span: node.span, entries: &[], slip: false },
            _ => {
                self.mismatch(node, &format!("a map that describes {what}"));
                Fields { span: node.span, entries: &[], slip: false }
            }
        }
    }

    /// Notes unknown and missing keys.
    fn known_keys(&mut self, fields: &mut Fields<'_>, object: &Object) {
        let known = || object.fields.iter().map(|field| field.key);
        let mut meant = Vec::new();
        for (key, _) in fields.entries {
            if known().all(|known| known != key.value) {
                fields.slip = true;
                meant.extend(nearest(&key.value, known()));
                let diagnostic = Diagnostic::new(key.span, format!("unknown key `{}` in {}", key.value, object.name));
                self.note(match object.fields.is_empty() {
                    true => diagnostic.help(format!("{} have no keys", object.name)),
                    false => diagnostic.suggest(&key.value, known()),
                });
            }
        }
        for field in object.fields.iter().filter(|field| field.required) {
            if fields.get(field.key).is_none() && !meant.contains(&field.key) {
                self.note(
                    Diagnostic::new(fields.span, format!("the key `{}` is missing in {}", field.key, object.name))
                        .help(format!("`{}`: {}", field.key, field.doc)),
                );
            }
        }
    }

    fn text(&mut self, node: &Node) -> At<String> {
        match &node.kind {
            NodeKind::Text(text) => At::new(text.clone(), node.span),
            _ => {
                self.mismatch(node, "text");
                At::new(String::new(), node.span)
            }
        }
    }

    fn boolean(&mut self, node: &Node) -> bool {
        match node.kind {
            NodeKind::Bool(value) => value,
            _ => {
                self.mismatch(node, "true or false");
                false
            }
        }
    }

    /// `key: true`, of which false says nothing.
    fn only_true(&mut self, node: &Node) {
        if node.kind != NodeKind::Bool(true) {
            self.mismatch(node, "`true`");
        }
    }

    fn list<'n>(&mut self, node: &'n Node) -> &'n [Node] {
        match &node.kind {
            NodeKind::List(items) => items,
            NodeKind::Null => &[],
            _ => {
                self.mismatch(node, "a list");
                &[]
            }
        }
    }

    fn texts(&mut self, node: &Node) -> Vec<At<String>> {
        self.list(node).iter().map(|item| self.text(item)).collect()
    }

    /// One, or a list.
    fn one_or_more(node: &Node) -> &[Node] {
        match &node.kind {
            NodeKind::List(items) => items,
            _ => std::slice::from_ref(node),
        }
    }

    fn one_or_more_texts(&mut self, node: &Node) -> Vec<At<String>> {
        Self::one_or_more(node).iter().map(|item| self.text(item)).collect()
    }

    /// One of these words.
    fn word<T: Copy>(&mut self, node: &Node, words: &[(&str, T)]) -> T {
        let fallback = words[0].1;
        let given = self.text(node).value;
        if given.is_empty() && !matches!(node.kind, NodeKind::Text(_)) {
            return fallback;
        }
        match words.iter().find(|(word, _)| *word == given) {
            Some((_, value)) => *value,
            None => {
                let diagnostic = Diagnostic::new(node.span, format!("unknown word `{given}`"));
                self.note(diagnostic.suggest(&given, words.iter().map(|(word, _)| *word)));
                fallback
            }
        }
    }

    fn expression(&mut self, node: &Node, measure: Measure) -> At<Expression> {
        let fallback = At::new(Expression::literal(measure, 0), node.span);
        let parsed = match (&node.kind, measure) {
            (NodeKind::Integer(number), Measure::Count) if *number >= 0 => Ok(Expression::literal(measure, *number)),
            (NodeKind::Integer(number), Measure::Count) => {
                Err((format!("{number} is no number of things"), "write 0 or more".to_owned()))
            }
            (NodeKind::Integer(number), Measure::Duration) => Expression::parse(&number.to_string(), measure),
            (NodeKind::Float(number), _) => Expression::parse(&number.to_string(), measure),
            (NodeKind::Text(text), _) => Expression::parse(text, measure),
            (_, Measure::Duration) => {
                self.mismatch(node, "a duration");
                return fallback;
            }
            (_, Measure::Count) => {
                self.mismatch(node, "a number of things");
                return fallback;
            }
        };
        match parsed {
            Ok(expression) => At::new(expression, node.span),
            Err((what, help)) => {
                self.note(Diagnostic::new(node.span, what).help(help));
                fallback
            }
        }
    }

    fn duration(&mut self, node: &Node) -> At<Expression> {
        self.expression(node, Measure::Duration)
    }

    fn count(&mut self, node: &Node) -> At<Expression> {
        self.expression(node, Measure::Count)
    }

    /// `[from, to]`.
    fn two_durations(&mut self, node: &Node) -> Option<(At<Expression>, At<Expression>)> {
        match &node.kind {
            NodeKind::List(items) if items.len() == 2 => Some((self.duration(&items[0]), self.duration(&items[1]))),
            _ => {
                self.mismatch(node, "a list of two durations, `[1s, 2s]`,");
                None
            }
        }
    }

    fn share(&mut self, node: &Node) -> f64 {
        let result = match &node.kind {
            NodeKind::Text(text) => expression::share(text),
            NodeKind::Integer(number) => expression::share(&number.to_string()),
            NodeKind::Float(number) => expression::share(&number.to_string()),
            _ => {
                self.mismatch(node, "a share");
                return 0.0;
            }
        };
        result.unwrap_or_else(|what| {
            self.note(Diagnostic::new(node.span, what).help("write a share such as `1%` or `0.01`"));
            0.0
        })
    }

    fn number(&mut self, node: &Node) -> f64 {
        match node.kind {
            NodeKind::Integer(number) => number as f64,
            NodeKind::Float(number) => number,
            _ => {
                self.mismatch(node, "a number");
                0.0
            }
        }
    }

    fn selector(&mut self, node: &Node) -> Option<At<Selector>> {
        let text = match &node.kind {
            NodeKind::Text(text) => text,
            _ => {
                self.mismatch(node, "the name of a user or a device");
                return None;
            }
        };
        self.selector_text(text, node.span)
    }

    fn selector_text(&mut self, text: &str, span: Span) -> Option<At<Selector>> {
        match Selector::parse(text) {
            Ok(selector) => Some(At::new(selector, span)),
            Err(what) => {
                self.note(
                    Diagnostic::new(span, format!("`{text}` names nobody: {what}"))
                        .help("write `bob`, `bob.phone`, `crowd[7].phone` or `crowd[1..100].phone`"),
                );
                None
            }
        }
    }

    fn selectors(&mut self, node: &Node) -> Vec<At<Selector>> {
        let items = Self::one_or_more(node);
        if items.is_empty() {
            self.note(Diagnostic::new(node.span, "nobody is named here").help("name at least one device: `bob.phone`"));
        }
        items.iter().filter_map(|item| self.selector(item)).collect()
    }

    fn event(&mut self, node: &Node) -> At<EventName> {
        let name = self.text(node);
        self.event_name(&name)
    }

    fn event_name(&mut self, name: &At<String>) -> At<EventName> {
        let event = EventName::from_name(&name.value).unwrap_or_else(|| {
            let diagnostic = Diagnostic::new(name.span, format!("unknown event `{}`", name.value));
            self.note(diagnostic.suggest(&name.value, EventName::ALL.iter().map(|event| event.name())));
            EventName::ReceiveInvitation
        });
        At::new(event, name.span)
    }

    fn operation(&mut self, node: &Node) -> At<OperationName> {
        let name = self.text(node);
        let operation = OperationName::from_name(&name.value).unwrap_or_else(|| {
            let diagnostic = Diagnostic::new(name.span, format!("unknown operation `{}`", name.value));
            self.note(diagnostic.suggest(&name.value, OperationName::ALL.iter().map(|operation| operation.name())));
            OperationName::Login
        });
        At::new(operation, node.span)
    }

    /// The value of `key`, or `default` where it is absent.
    fn or<'n, T>(
        &mut self,
        fields: &Fields<'n>,
        key: &str,
        default: T,
        read: impl FnOnce(&mut Self, &'n Node) -> T,
    ) -> T {
        match fields.get(key) {
            Some(node) => read(self, node),
            None => default,
        }
    }

    fn maybe<'n, T>(
        &mut self,
        fields: &Fields<'n>,
        key: &str,
        read: impl FnOnce(&mut Self, &'n Node) -> T,
    ) -> Option<T> {
        fields.get(key).map(|node| read(self, node))
    }

    fn by(&mut self, fields: &Fields<'_>) -> Vec<At<String>> {
        self.or(fields, "by", Vec::new(), Self::one_or_more_texts)
    }

    /// Judges `version`, without which the rest can't be trusted to mean what it seems to.
    fn version(&mut self, fields: &Fields<'_>) {
        let Some(node) = fields.get("version") else {
            let first = fields.entries.first().map_or(fields.span, |(key, _)| key.span);
            self.note(
                Diagnostic::new(first, "the file doesn't say which version of the language it is written in")
                    .help(format!("begin it with `version: {VERSION}`")),
            );
            return;
        };
        match node.kind {
            NodeKind::Integer(VERSION) => {}
            NodeKind::Integer(newer) if newer > VERSION => self.note(
                Diagnostic::new(node.span, format!("version {newer} of the language is not known to this program"))
                    .help(format!(
                        "this program reads version {VERSION}; use a newer one, or write `version: {VERSION}`"
                    )),
            ),
            _ => self.note(
                Diagnostic::new(node.span, "there is no such version of the language")
                    .help(format!("write `version: {VERSION}`")),
            ),
        }
    }
}

/// Whether the keys of a step are those of a call of this operation.
fn operation_of(key: &str) -> Option<OperationName> {
    OperationName::from_name(key).filter(|_| words::step_actions().any(|field| field.key == key))
}
