//! How devices and users are named: `bob`, `bob.phone`, `crowd`, `crowd.phone`, `crowd[7].phone`, `crowd[1..100].phone`.
//!
//! One grammar everywhere. Whether the names exist is judged when the scenario is compiled, which alone knows who there is.

use std::fmt;

use super::expression::{Expression, Measure};

/// Names users or devices.
#[derive(Clone, PartialEq, Debug)]
pub struct Selector {
    /// As the author wrote it.
    pub text: String,
    /// The user or population.
    pub user: String,
    /// Which users of the population, counted from 1.
    pub range: Option<Range>,
    /// The device; without it all devices of the users.
    pub device: Option<String>,
}

/// Some users of a population, counted from 1, both ends included.
#[derive(Clone, PartialEq, Debug)]
pub struct Range {
    /// The first.
    pub first: Expression,
    /// The last.
    pub last: Expression,
}

/// Whether a user, a population or a device may have this name.
#[must_use]
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (head, device) = match text.rfind(']') {
            Some(close) => match &text[close + 1..] {
                "" => (text, None),
                rest => match rest.strip_prefix('.') {
                    Some(device) => (&text[..=close], Some(device)),
                    None => return Err(format!("`{rest}` can't follow the bracket")),
                },
            },
            None => match text.split_once('.') {
                Some((user, device)) => (user, Some(device)),
                None => (text, None),
            },
        };
        let (user, range) = match head.split_once('[') {
            None => (head, None),
            Some((user, rest)) => {
                let Some(inside) = rest.strip_suffix(']') else { return Err("the bracket is not closed".to_owned()) };
                let bound = |text: &str| Expression::parse(text, Measure::Count).map_err(|(what, _)| what);
                let range = match inside.split_once("..") {
                    Some((first, last)) => Range { first: bound(first)?, last: bound(last)? },
                    None => Range { first: bound(inside)?, last: bound(inside)? },
                };
                (user, Some(range))
            }
        };
        for name in [Some(user), device].into_iter().flatten() {
            if !is_name(name) {
                return Err(format!("`{name}` is no name"));
            }
        }
        Ok(Self { text: text.to_owned(), user: user.to_owned(), range, device: device.map(str::to_owned) })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
