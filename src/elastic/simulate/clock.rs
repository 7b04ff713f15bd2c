use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Events to come, the earliest first; of two at a time, the one that was put in first.
pub(super) struct Clock<E> {
    heap: BinaryHeap<Reverse<At<E>>>,
    count: u64,
}

struct At<E> {
    time: f64,
    count: u64,
    event: E,
}

impl<E> Ord for At<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_time = self.time.total_cmp(&other.time);
        by_time.then_with(|| self.count.cmp(&other.count))
    }
}

impl<E> PartialOrd for At<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for At<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<E> Eq for At<E> {}

impl<E> Clock<E> {
    pub(super) fn new() -> Self {
        Clock {
            heap: BinaryHeap::new(),
            count: 0,
        }
    }

    pub(super) fn at(&mut self, time: f64, event: E) {
        self.count += 1;
        self.heap.push(Reverse(At {
            time,
            count: self.count,
            event,
        }));
    }

    pub(super) fn next(&mut self) -> Option<(f64, E)> {
        self.heap.pop().map(|Reverse(next)| (next.time, next.event))
    }
}
