//! A map for what is mostly one, or few: a device is in one room, is called to one, and has one call open.
//!
//! The entries lie in the map itself, in the order of their keys. That costs no allocation for the first, and the more for
//! each the more there are: of what may be thousands, such as invitees, another map keeps account.

use std::cmp::Ordering;

use smallvec::SmallVec;

/// See the module.
#[derive(Debug)]
pub(crate) struct SmallMap<K, V>(SmallVec<[(K, V); 1]>);

impl<K, V> Default for SmallMap<K, V> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

impl<K: Ord, V> SmallMap<K, V> {
    /// Where the entry of a key is, or would be. Keys that are numbers mostly come in their order, so the last is asked first.
    fn place(&self, key: &K) -> Result<usize, usize> {
        let Some(((last, _), before)) = self.0.split_last() else { return Err(0) };
        match last.cmp(key) {
            Ordering::Less => Err(self.0.len()),
            Ordering::Equal => Ok(before.len()),
            Ordering::Greater => before.binary_search_by(|(other, _)| other.cmp(key)),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.place(key).ok().map(|place| &self.0[place].1)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.place(key).ok().map(|place| &mut self.0[place].1)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.place(&key) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => self.0.insert(place, (key, value)),
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.place(key).ok()?;
        Some(self.0.remove(place).1)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = V> {
        self.0.into_iter().map(|(_, value)| value)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Forgets every other entry.
    pub(crate) fn retain_only(&mut self, key: &K) {
        self.0.retain(|(other, _)| other == key);
    }
}

impl<K: Ord + Copy, V> SmallMap<K, V> {
    pub(crate) fn get_or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        let place = self.place(&key).unwrap_or_else(|place| {
            self.0.insert(place, (key, value()));
            place
        });
        &mut self.0[place].1
    }
}

impl<K: Ord + Copy, V: Default> SmallMap<K, V> {
    pub(crate) fn get_or_insert_default(&mut self, key: K) -> &mut V {
        self.get_or_insert_with(key, V::default)
    }
}
