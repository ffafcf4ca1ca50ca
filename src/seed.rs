//! A seed and its named sub-streams.
//!
//! Each consumer of randomness draws from a stream of its own, named by what it is for, so that one more draw in one
//! place shifts nothing in another. The generator is ChaCha with eight rounds, whose output is the same on every
//! platform and in every version.

use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};

/// The number that decides everything random in a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// The generator for one named purpose, such as `"network"`.
    #[must_use]
    pub fn stream(self, name: &str) -> Stream {
        self.numbered_stream(name, 0)
    }

    /// The generator for one of many consumers of the same purpose, such as the entropy of device 7.
    #[must_use]
    pub fn numbered_stream(self, name: &str, number: u64) -> Stream {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.0.to_le_bytes());
        key[8..16].copy_from_slice(&fnv1a(name.as_bytes()).to_le_bytes());
        key[16..24].copy_from_slice(&number.to_le_bytes());
        Stream(ChaCha8Rng::from_seed(key))
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Seed {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => text.parse(),
        }
        .map(Self)
    }
}

/// A deterministic source of random numbers for one purpose.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The generator that a node makes of the entropy that it was started with.
    #[must_use]
    pub fn from_entropy(entropy: [u8; 32]) -> Self {
        Self(ChaCha8Rng::from_seed(entropy))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 to `bound - 1`, without bias.
    ///
    /// # Panics
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "no number is below 0");
        // Lemire's method, 2019: the high half of a product, rejecting the few that would favour small numbers.
        loop {
            let product = u128::from(self.bits()) * u128::from(bound);
            let low = product as u64;
            if low >= bound.wrapping_neg() % bound {
                return (product >> 64) as u64;
            }
        }
    }

    /// A number in `[0, 1)` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// 32 random bytes, for a node's `started` input.
    pub fn entropy(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

/// FNV-1a, 64 bits (Fowler, Noll and Vo): a portable hash for names and for the hash that a run prints of its trace.
#[must_use]
pub fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = Fnv1a::default();
    hash.add(bytes);
    hash.0
}

/// FNV-1a of bytes that come one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fnv1a(pub u64);

impl Default for Fnv1a {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv1a {
    /// More bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    }
}

/// A portable hash of long texts, taken by words of eight bytes. Not for anybody who wants to deceive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WordHash(pub u64);

impl WordHash {
    /// More bytes: word by word, the last filled up with zeros, and then their number.
    pub fn add(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        words.iter().for_each(|word| self.step(u64::from_le_bytes(*word)));
        self.step(u64::from_le_bytes(last));
        self.step(bytes.len() as u64);
    }

    /// A multiplication carries every bit upwards, and the shift what is up there down again; both can be undone, so that
    /// two texts that differ in one word never meet.
    fn step(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

/// For values that say themselves what of them is hashed. A number is one word whatever its width, so that the hash is the
/// same on every machine.
impl Hasher for WordHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.add(bytes);
    }

    fn write_u8(&mut self, number: u8) {
        self.step(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.step(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.step(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.step(number as u64);
    }
}

#[cfg(test)]
mod tests;
