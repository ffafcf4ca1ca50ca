//! What serde leaves open is closed here, around any of its deserializers: a struct is an object and never a list, the name
//! of an enum's member a string, null no way to leave a field out, and no key stands twice in an object. And an error
//! knows its place.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Number, Value};

use super::{DEPTH_MAX, DecodeError};

/// Where an error happened: the keys on the way to it, the innermost first, noted while the error travels outwards.
#[derive(Default)]
pub(super) struct Place(RefCell<Vec<String>>);

impl Place {
    fn note(&self, key: &str) {
        self.0.borrow_mut().push(key.replace('~', "~0").replace('/', "~1"));
    }

    /// The error, at the place noted, within the field `within` of the message; empty for the message itself.
    pub(super) fn error(&self, within: &str, error: &serde_json::Error) -> DecodeError {
        let keys = self.0.borrow();
        let outer = std::iter::once(within).filter(|key| !key.is_empty());
        let path: String = outer.chain(keys.iter().rev().map(String::as_str)).flat_map(|key| ["/", key]).collect();
        error_at(if path.is_empty() { "/" } else { &path }, &in_plain_words(error))
    }
}

/// The error in words that need no Rust, without the position that serde_json adds and that says less than the path.
fn in_plain_words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&position).unwrap_or(&text);
    match text.rsplit_once(", expected ") {
        Some((found, expected)) if text.starts_with("invalid ") => {
            let expected = match expected {
                "u32" | "u64" => "a whole number, 0 or more",
                "i32" | "i64" => "a whole number",
                "f64" => "a number",
                "a sequence" => "a list",
                _ if expected.starts_with("struct ") => "an object",
                _ => expected,
            };
            let found = match found {
                "invalid type: sequence" => "invalid type: a list",
                "invalid type: map" => "invalid type: an object",
                _ => found,
            };
            format!("{found}, expected {expected}")
        }
        _ => text.to_owned(),
    }
}

/// An error whose text is one line of bearable length, whatever a stranger put into the names that it repeats.
pub(super) fn error_at(path: &str, reason: &str) -> DecodeError {
    DecodeError { path: one_line(path), reason: one_line(reason) }
}

fn one_line(text: &str) -> String {
    const CHARS_MAX: usize = 600;
    let mut line = String::with_capacity(text.len());
    for (count, letter) in text.chars().enumerate() {
        match letter {
            _ if count == CHARS_MAX => {
                line.push('…');
                break;
            }
            _ if letter.is_control() => line.extend(letter.escape_default()),
            _ => line.push(letter),
        }
    }
    line
}

/// Reads a `T` strictly out of a value.
///
/// # Errors
/// When it isn't one. `within` is the field of the message that the value stands in; empty for the message itself.
pub(super) fn from_value<'de, T: Deserialize<'de>>(value: &'de Value, within: &str) -> Result<T, DecodeError> {
    let place = Place::default();
    T::deserialize(Strict { inner: value, place: &place }).map_err(|error| place.error(within, &error))
}

/// Reads a text as a value in which no key stands twice and nothing is too deep.
///
/// # Errors
/// When the text is no JSON, or not of that kind.
pub(super) fn value_of(text: &str) -> Result<Value, DecodeError> {
    let place = Place::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = StrictValue::deserialize(Strict { inner: &mut deserializer, place: &place })
        .and_then(|value| deserializer.end().map(|()| value.0));
    value.map_err(|error| {
        if error.is_data() { place.error("", &error) } else { error_at("", &format!("not a JSON text: {error}")) }
    })
}

/// A deserializer without serde's latitude.
pub(super) struct Strict<'p, D> {
    pub(super) inner: D,
    pub(super) place: &'p Place,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(StrictVisitor { visitor, place: self.place })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(StrictVisitor { visitor, place: self.place })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(StrictVisitor { visitor, place: self.place })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let name: Cow<'de, str> = self.inner.deserialize_str(NameVisitor)?;
        let name: StrDeserializer<'_, D::Error> = (*name).into_deserializer();
        name.deserialize_enum("", &[], visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct identifier ignored_any
    }
}

/// Takes a string, borrowed where it can be.
struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Hands on what it is shown, and sees to it that what lies within is read strictly too.
struct StrictVisitor<'p, V> {
    visitor: V,
    place: &'p Place,
}

macro_rules! hand_on {
    ($($method:ident($type:ty);)*) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for StrictVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    hand_on! {
        visit_bool(bool);
        visit_i64(i64);
        visit_u64(u64);
        visit_f64(f64);
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_seq(StrictSeq { inner, index: 0, place: self.place })
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(StrictMap { inner, key: Cow::Borrowed(""), place: self.place })
    }
}

struct StrictSeq<'p, A> {
    inner: A,
    index: usize,
    place: &'p Place,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for StrictSeq<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let element = self.inner.next_element_seed(StrictSeed { seed, place: self.place });
        if element.is_err() {
            self.place.note(&self.index.to_string());
        }
        self.index += 1;
        element
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

struct StrictMap<'de, 'p, A> {
    inner: A,
    key: Cow<'de, str>,
    place: &'p Place,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for StrictMap<'de, '_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let Some(key) = self.inner.next_key_seed(KeySeed)? else { return Ok(None) };
        self.key = key;
        let key: StrDeserializer<'_, A::Error> = (*self.key).into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let value = self.inner.next_value_seed(StrictSeed { seed, place: self.place });
        if value.is_err() {
            self.place.note(&self.key);
        }
        value
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct StrictSeed<'p, S> {
    seed: S,
    place: &'p Place,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for StrictSeed<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.seed.deserialize(Strict { inner: deserializer, place: self.place })
    }
}

/// A value in which no key stands twice, and that is not too deep.
pub(super) struct StrictValue(pub(super) Value);

impl<'de> Deserialize<'de> for StrictValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ValueSeed { depth: 0 }.deserialize(deserializer).map(Self)
    }
}

struct ValueSeed {
    depth: usize,
}

impl ValueSeed {
    fn deeper<E: Error>(&self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX {
            return Err(E::custom(format_args!("nested deeper than {DEPTH_MAX}")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self.deeper()?)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
            }
            let value = object.next_value_seed(self.deeper()?)?;
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

/// Presents a name and what it names as the adjacently tagged enum that serde derives, tag first, so that nothing is
/// buffered.
pub(super) struct Tagged<'n, D> {
    pub(super) tag: &'static str,
    pub(super) name: &'n str,
    pub(super) content: &'static str,
    pub(super) inner: D,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Tagged<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let Self { tag, name, content, inner } = self;
        visitor.visit_map(TaggedFields { next: Some(tag), name, content, inner: Some(inner) })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct TaggedFields<'n, D> {
    next: Option<&'static str>,
    name: &'n str,
    content: &'static str,
    inner: Option<D>,
}

impl<'de, D: Deserializer<'de>> MapAccess<'de> for TaggedFields<'_, D> {
    type Error = D::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, D::Error> {
        let Some(key) = self.next else { return Ok(None) };
        let key: StrDeserializer<'_, D::Error> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, D::Error> {
        if self.next == Some(self.content) {
            self.next = None;
            let inner = self.inner.take().expect("the content is asked for once, after its key");
            return seed.deserialize(inner);
        }
        self.next = Some(self.content);
        let name: StrDeserializer<'_, D::Error> = self.name.into_deserializer();
        seed.deserialize(name)
    }
}
