//! One of several processes that make a run together, on as many machines as there are.

use std::fmt;
use std::str::FromStr;

/// Which part of a run a process does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shard {
    /// Which, from 1.
    pub index: u32,
    /// Of how many.
    pub count: u32,
}

impl Shard {
    /// The whole run.
    pub const WHOLE: Self = Self { index: 1, count: 1 };

    /// Whether the shard takes the item with this number, counted from 0.
    #[must_use]
    pub const fn takes(self, number: u64) -> bool {
        number % self.count as u64 == (self.index - 1) as u64
    }

    /// How many of so many items it takes.
    #[must_use]
    pub const fn share(self, all: u64) -> u64 {
        let count = self.count as u64;
        (all + count - self.index as u64) / count
    }

    /// Which item of all its own item with this number is, both counted from 0.
    #[must_use]
    pub const fn item(self, number: u64) -> u64 {
        number * self.count as u64 + (self.index - 1) as u64
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parts {
            Some((index, count)) if 1 <= index && index <= count => Ok(Self { index, count }),
            _ => Err("write which shard of how many, counted from 1, such as 1/4".to_owned()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}
