//! Which rows of a large file are drawn to be held in memory.

use std::collections::{BTreeMap, HashSet};

use crate::random::{Purpose, key, threefry2x32};

/// Rows drawn at random, so many at most: each row has a number that follows from the seed and its position, and those with the
/// least are drawn. All rows are as likely as each other, however many come.
pub(super) struct Draw<T> {
    seed: u64,
    most: usize,
    drawn: BTreeMap<(u64, usize), T>,
}

/// Different targets up to which there are classes that must not be missed; of more, they are values.
const MOST_KINDS: usize = 1000;

/// Tells the first row of each different target from the others, so that a rare class is among the rows drawn.
pub(super) struct Kinds<T> {
    known: Vec<HashSet<Vec<u8>>>,
    first: BTreeMap<usize, T>,
    over: bool,
}

/// What was drawn of a file.
pub(super) struct Chosen<T> {
    /// By position in the file.
    pub(super) rows: Vec<(usize, T)>,
    /// Places among the rows above, in the order in which they were drawn.
    pub(super) order: Vec<u32>,
}

impl<T> Draw<T> {
    pub(super) fn new(seed: u64, most: usize) -> Self {
        Draw {
            seed,
            most: most.max(1),
            drawn: BTreeMap::new(),
        }
    }

    /// Draws a row of the file, or leaves it out; rows come in turn.
    pub(super) fn offer(&mut self, row: usize, value: impl FnOnce() -> T) {
        let number = (number(self.seed, row), row);
        let full = self.drawn.len() >= self.most;
        let last = self.drawn.last_key_value();
        if full && last.is_some_and(|(last, _)| *last < number) {
            return;
        }
        self.drawn.insert(number, value());
        if full {
            self.drawn.pop_last();
        }
    }

    /// What was drawn, and behind it the first rows of each kind.
    pub(super) fn finish(self, kinds: Kinds<T>) -> Chosen<T> {
        let mut all = self.drawn;
        if !kinds.over {
            for (row, value) in kinds.first {
                all.entry((number(self.seed, row), row)).or_insert(value);
            }
        }
        let mut places: Vec<(usize, u32)> =
            (0..).zip(all.keys()).map(|(n, key)| (key.1, n)).collect();
        places.sort_unstable();
        let mut order = vec![0; places.len()];
        for (place, (_, drawn)) in (0..).zip(places) {
            order[drawn as usize] = place;
        }
        let mut rows: Vec<(usize, T)> = all
            .into_iter()
            .map(|((_, row), value)| (row, value))
            .collect();
        rows.sort_unstable_by_key(|(row, _)| *row);
        Chosen { rows, order }
    }
}

impl<T> Kinds<T> {
    /// Of so many targets a row.
    pub(super) fn new(targets: usize) -> Self {
        Kinds {
            known: vec![HashSet::new(); targets],
            first: BTreeMap::new(),
            over: false,
        }
    }

    /// Looks at a target of a row; what is kept of the row, if the target is the first of its kind.
    pub(super) fn see(
        &mut self,
        row: usize,
        column: usize,
        target: &[u8],
        value: impl FnOnce() -> T,
    ) {
        if self.over || self.known[column].contains(target) {
            return;
        }
        self.known[column].insert(target.to_vec());
        self.first.entry(row).or_insert_with(value);
        if self.known[column].len() > MOST_KINDS {
            self.over = true;
            self.first.clear();
        }
    }
}

/// The number by which a row is drawn.
fn number(seed: u64, row: usize) -> u64 {
    let row = row as u64;
    let [high, low] = threefry2x32(key(seed, Purpose::Draw), [row as u32, (row >> 32) as u32]);
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64, rows: usize, most: usize) -> Chosen<usize> {
        let mut draw = Draw::new(seed, most);
        (0..rows).for_each(|row| draw.offer(row, || row));
        draw.finish(Kinds::new(1))
    }

    #[test]
    fn so_many_rows_are_drawn_each_as_likely_as_another() {
        let mut times = [0; 40];
        for seed in 0..4000 {
            let chosen = drawn(seed, 40, 10);
            assert_eq!(chosen.rows.len(), 10);
            assert!(chosen.rows.is_sorted_by_key(|(row, _)| *row));
            assert!(chosen.rows.iter().all(|(row, value)| row == value));
            let mut order = chosen.order.clone();
            order.sort_unstable();
            assert_eq!(order, (0..10).collect::<Vec<u32>>());
            // The first drawn is any of them, too.
            times[chosen.rows[chosen.order[0] as usize].0] += 1;
        }
        // 100 in the mean, with a deviation of 10.
        assert!(
            times.iter().all(|times| (50..150).contains(times)),
            "{times:?}"
        );
    }

    #[test]
    fn more_rows_to_draw_from_leave_the_order_of_those_that_stay() {
        let (few, many) = (drawn(1, 100, 100), drawn(1, 100, 30));
        let rows = |chosen: &Chosen<usize>| -> Vec<usize> {
            let row = |&place: &u32| chosen.rows[place as usize].0;
            chosen.order.iter().map(row).collect()
        };
        assert_eq!(rows(&few)[..30], rows(&many));
        assert_ne!(rows(&few), rows(&drawn(2, 100, 100)));
    }

    #[test]
    fn a_rare_class_is_drawn_and_values_are_not() {
        let kept = |kind: fn(usize) -> usize| {
            let (mut draw, mut kinds) = (Draw::new(1, 5), Kinds::new(1));
            for row in 0..10_000 {
                draw.offer(row, || ());
                kinds.see(row, 0, &kind(row).to_le_bytes(), || ());
            }
            let chosen = draw.finish(kinds);
            let rows = chosen.rows.iter().map(|(row, ())| *row);
            rows.collect::<Vec<_>>()
        };
        let rare = kept(|row| usize::from(row == 7777));
        assert!(
            rare.contains(&7777) && rare.contains(&0) && rare.len() <= 7,
            "{rare:?}"
        );
        assert_eq!(kept(|row| row).len(), 5);
    }
}
