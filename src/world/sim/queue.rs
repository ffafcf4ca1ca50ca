//! What will happen next: a queue by time, in which ties are broken by the order of entry.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, VecDeque};

use crate::time::Instant;

/// A queue of things to happen, of which those that are only a small word `W` wait in the heap itself: most of what waits
/// are wakes that nobody will wait for any more when their time comes, one for each of a million devices.
#[derive(Debug)]
pub(super) struct Queue<W, T> {
    /// Small keys move about in the heap; what they stand for stays where it is.
    keys: BinaryHeap<Reverse<Key<W>>>,
    /// What came in the order of its times, beside the heap: where all links are alike, all arrivals.
    stream: VecDeque<(Instant, u64, T)>,
    items: Vec<Option<T>>,
    free: Vec<u32>,
    entered: u64,
}

/// When, the how manieth that was entered, and what.
type Key<W> = (Instant, u64, What<W>);

/// What a key stands for. Never compared: no two keys were entered as the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum What<W> {
    Word(W),
    Item(u32),
}

impl<W: Copy + Ord, T: From<W>> Queue<W, T> {
    pub(super) fn new() -> Self {
        Self { keys: BinaryHeap::new(), stream: VecDeque::new(), items: Vec::new(), free: Vec::new(), entered: 0 }
    }

    pub(super) fn push(&mut self, at: Instant, item: T) {
        let what = self.keep(item);
        let key = self.key(at, what);
        self.keys.push(Reverse(key));
    }

    /// The same for what mostly happens in the order in which it is pushed.
    pub(super) fn push_in_order(&mut self, at: Instant, item: T) {
        if self.stream.back().is_none_or(|(last, _, _)| *last <= at) {
            self.entered += 1;
            self.stream.push_back((at, self.entered, item));
        } else {
            self.push(at, item);
        }
    }

    pub(super) fn push_word(&mut self, at: Instant, word: W) {
        let key = self.key(at, What::Word(word));
        self.keys.push(Reverse(key));
    }

    fn keep(&mut self, item: T) -> What<W> {
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
        What::Item(index)
    }

    fn key(&mut self, at: Instant, what: What<W>) -> Key<W> {
        self.entered += 1;
        (at, self.entered, what)
    }

    /// Whether what is next stands in the stream.
    fn is_next_in_stream(&self) -> bool {
        match (self.stream.front(), self.keys.peek()) {
            (Some((at, entered, _)), Some(Reverse((other, later, _)))) => (at, entered) < (other, later),
            (first, _) => first.is_some(),
        }
    }

    /// Takes what is next, if its time has come.
    pub(super) fn pop_if(&mut self, is_due: impl FnOnce(Instant) -> bool) -> Option<(Instant, T)> {
        if self.is_next_in_stream() {
            return self.stream.pop_front_if(|(at, ..)| is_due(*at)).map(|(at, _, item)| (at, item));
        }
        let next = self.keys.peek_mut()?;
        if !is_due(next.0.0) {
            return None;
        }
        let Reverse((at, _, what)) = PeekMut::pop(next);
        let item = match what {
            What::Word(word) => word.into(),
            What::Item(index) => {
                self.free.push(index);
                self.items[index as usize].take().expect("a key stands for an item")
            }
        };
        Some((at, item))
    }
}
