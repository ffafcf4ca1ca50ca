//! What will happen next: a queue by time, in which ties are broken by the order of entry.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::Instant;

/// A queue of things to happen.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// Small keys move about in the heap; what they stand for stays where it is.
    keys: BinaryHeap<Reverse<(Instant, u64, u32)>>,
    items: Vec<Option<T>>,
    free: Vec<u32>,
    entered: u64,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self { keys: BinaryHeap::new(), items: Vec::new(), free: Vec::new(), entered: 0 }
    }

    pub(super) fn push(&mut self, at: Instant, item: T) {
        let index = match self.free.pop() {
            Some(index) => {
                self.items[index as usize] = Some(item);
                index
            }
            None => {
                self.items.push(Some(item));
                u32::try_from(self.items.len() - 1).expect("fewer than 2^32 things wait")
            }
        };
        self.entered += 1;
        self.keys.push(Reverse((at, self.entered, index)));
    }

    pub(super) fn next_at(&self) -> Option<Instant> {
        self.keys.peek().map(|Reverse((at, _, _))| *at)
    }

    pub(super) fn pop(&mut self) -> Option<(Instant, T)> {
        let Reverse((at, _, index)) = self.keys.pop()?;
        let item = self.items[index as usize].take().expect("a key stands for an item");
        self.free.push(index);
        Some((at, item))
    }
}
