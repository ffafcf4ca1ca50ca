//! YAML as a tree of values that know where they stand.
//!
//! This is the only file that knows which YAML library is used. It judges syntax and size, and gives no value a meaning:
//! that is what [`read`](super::read) does, which can therefore report many mistakes at once and never loses a place to
//! the buffering that `serde` does for untagged forms.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error, Spanned};

use super::diagnostic::{Diagnostic, Diagnostics};

/// The largest file that is read, in bytes.
pub(crate) const FILE_BYTES_MAX: usize = 16 << 20;

/// The deepest nesting that is read. No lawful scenario needs half of it, and each level takes 30 KB of stack in a debug
/// build: a thread has 2 MB.
const DEPTH_MAX: usize = 24;

/// Where something stands in the text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Span {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The first byte.
    pub start: u32,
    /// How many bytes; 0 where only the beginning is known.
    pub len: u32,
}

/// A value and where the author wrote it.
#[derive(Clone, PartialEq, Debug)]
pub struct At<T> {
    /// What.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl<T> At<T> {
    /// A value at a place.
    #[must_use]
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// Another value at the same place.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> At<U> {
        At { value: f(self.value), span: self.span }
    }
}

/// One value of a YAML document.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: NodeKind,
}

/// What a value of a YAML document is.
#[derive(Clone, PartialEq, Debug)]
pub enum NodeKind {
    /// Nothing, or `~`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// Any other number, `.nan` and `.inf` included.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file. Keys are text and differ.
    Map(Vec<(At<String>, Node)>),
}

impl Node {
    /// What it is, for messages.
    #[must_use]
    pub const fn describe(&self) -> &'static str {
        match &self.kind {
            NodeKind::Null => "nothing",
            NodeKind::Bool(_) => "true or false",
            NodeKind::Integer(_) | NodeKind::Float(_) => "a number",
            NodeKind::Text(_) => "text",
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a map",
        }
    }

    /// The value under a key, if it is a map that has one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            NodeKind::Map(entries) => entries.iter().find(|(name, _)| name.value == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// As JSON, which has no numbers that are not finite.
    ///
    /// # Errors
    /// The value that JSON can't say.
    pub fn to_json(&self) -> Result<serde_json::Value, &Self> {
        use serde_json::{Number, Value};
        Ok(match &self.kind {
            NodeKind::Null => Value::Null,
            NodeKind::Bool(value) => Value::Bool(*value),
            NodeKind::Integer(value) => Value::Number(Number::from_i128(*value).ok_or(self)?),
            NodeKind::Float(value) => Value::Number(Number::from_f64(*value).ok_or(self)?),
            NodeKind::Text(text) => Value::String(text.clone()),
            NodeKind::List(items) => Value::Array(items.iter().map(Self::to_json).collect::<Result<_, _>>()?),
            NodeKind::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| Ok((key.value.clone(), value.to_json()?)))
                    .collect::<Result<_, _>>()?,
            ),
        })
    }
}

impl From<&Spanned<NodeKind>> for Span {
    fn from(spanned: &Spanned<NodeKind>) -> Self {
        Self::from(&spanned.referenced)
    }
}

impl From<&serde_saphyr::Location> for Span {
    fn from(location: &serde_saphyr::Location) -> Self {
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            line: narrow(location.line()),
            column: narrow(location.column()),
            start: narrow(location.span().byte_offset().unwrap_or_default()),
            len: narrow(location.span().byte_len().unwrap_or_default()),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<NodeKind>::deserialize(deserializer)?;
        Ok(Self { span: Span::from(&spanned), kind: spanned.value })
    }
}

impl<'de> Deserialize<'de> for NodeKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = NodeKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<NodeKind, E> {
        Ok(NodeKind::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<NodeKind, E> {
        Ok(NodeKind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<NodeKind, E> {
        Ok(NodeKind::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<NodeKind, E> {
        Ok(NodeKind::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<NodeKind, E> {
        Ok(NodeKind::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<NodeKind, E> {
        Ok(NodeKind::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<NodeKind, E> {
        Ok(NodeKind::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<NodeKind, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(NodeKind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<NodeKind, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = entries.next_entry::<Spanned<String>, Node>()? {
            map.push((At::new(key.value, Span::from(&key.referenced)), value));
        }
        Ok(NodeKind::Map(map))
    }
}

/// Reads one YAML document.
///
/// # Errors
/// When it is no YAML, has a key twice, uses anchors or merges, or is larger or deeper than any scenario.
pub(crate) fn parse(path: &str, text: &Arc<str>) -> Result<Node, Diagnostics> {
    let mut diagnostics = Diagnostics::new(path, text);
    if text.len() > FILE_BYTES_MAX {
        diagnostics.push(
            Diagnostic::of_file(format!("the file has {} bytes; at most {FILE_BYTES_MAX} are read", text.len()))
                .help("describe many users as a population: `crowd: {count: 1000, devices: [phone]}`"),
        );
        return Err(diagnostics);
    }
    let options = serde_saphyr::options! {
        strict_booleans: true,
        underscored_numbers_as_strings: true,
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            // A node takes at least two bytes of text, so the size of the file is what limits.
            max_nodes: FILE_BYTES_MAX,
            max_events: 2 * FILE_BYTES_MAX,
            max_aliases: 0,
            max_documents: 1,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        diagnostics.push(explain(&error));
        diagnostics
    })
}

/// What a syntax error means for an author.
fn explain(error: &Error) -> Diagnostic {
    let error = error.without_snippet();
    let diagnostic = match error {
        Error::DuplicateMappingKey { key, .. } => match key {
            Some(key) => Diagnostic::of_file(format!("the key `{key}` is there twice")).help("keep one of the two"),
            None => Diagnostic::of_file("this key is there twice").help("keep one of the two"),
        },
        Error::MergeKeyNotAllowed { .. } => Diagnostic::of_file("scenario files have no merges (`<<`)")
            .help("write the keys out: a scenario says everything where it is read"),
        Error::MultipleDocuments { .. } => Diagnostic::of_file("a scenario file has one document")
            .help("put the second scenario into a file of its own"),
        Error::Budget { breach: serde_saphyr::budget::BudgetBreach::Aliases { .. }, .. } => {
            Diagnostic::of_file("scenario files have no aliases (`*name`)")
                .help("write the value out: a scenario says everything where it is read")
        }
        Error::Budget { breach: serde_saphyr::budget::BudgetBreach::Depth { .. }, .. } => {
            Diagnostic::of_file(format!("nested deeper than {DEPTH_MAX} levels"))
        }
        Error::Budget { breach: serde_saphyr::budget::BudgetBreach::Documents { .. }, .. } => {
            Diagnostic::of_file("a scenario file has one document")
                .help("put the second scenario into a file of its own")
        }
        Error::UnknownAnchor { .. } => Diagnostic::of_file("scenario files have no aliases (`*name`)")
            .help("write the value out; put quotes around text that begins with `*`"),
        Error::TaggedScalarCannotDeserializeIntoString { .. } | Error::UnsupportedTag { .. } => {
            Diagnostic::of_file("scenario files have no tags (`!name`)")
                .help("put quotes around text that begins with `!`")
        }
        other => {
            // The library's own words end with the place, which the diagnostic shows better.
            let text = other.to_string();
            let text = text.split(" at line ").next().unwrap_or_default().to_owned();
            if text.contains("recursion limit") {
                return place(error, Diagnostic::of_file(format!("nested deeper than {DEPTH_MAX} levels")));
            }
            Diagnostic::of_file(format!("this is not YAML: {text}"))
                .help("indent with spaces, and put quotes around text with `: `, ` #`, or a special first character")
        }
    };
    place(error, diagnostic)
}

fn place(error: &Error, diagnostic: Diagnostic) -> Diagnostic {
    match error.location() {
        Some(location) if location.line() > 0 => diagnostic.at(Span::from(&location)),
        _ => diagnostic,
    }
}
