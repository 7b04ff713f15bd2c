use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::{Options, Parts};
use crate::data::Matrix;
use crate::random::{Purpose, Stream, shuffle};

/// Which of its rows an epoch has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// Each row once
    #[default]
    Each,
    /// As many rows as there are, of every class as many: those of a rare class several times, those of a frequent one in turn
    Balanced,
}

impl Display for Sampling {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Sampling::Each => "each",
            Sampling::Balanced => "balanced",
        })
    }
}

/// Adds the rows of an epoch (counted from 0) in their order, `count` of them: a function of the seed and the epoch.
///
/// A row's class is its target's first column.
pub(super) fn order(
    options: &Options,
    parts: &Parts<'_>,
    targets: &Matrix,
    count: usize,
    (seed, epoch): (u64, u32),
    orders: &mut Vec<u32>,
) {
    if options.sampling == Sampling::Balanced {
        let class = |row: u32| targets.values[row as usize * targets.columns].to_bits();
        let mut stream = Stream::new(seed, Purpose::Order, epoch);
        orders.extend(balanced(parts.train, class, count, &mut stream));
        return;
    }
    let first = orders.len();
    orders.extend(parts.train);
    if options.shuffle {
        shuffle(&mut orders[first..], seed, Purpose::Order, epoch);
    }
    orders.truncate(first + count);
}

/// `count` rows in a random order, of every class as many, but for one; of a class, no row comes more than once more often
/// than another.
fn balanced(
    rows: &[u32],
    class: impl Fn(u32) -> u32,
    count: usize,
    stream: &mut Stream,
) -> Vec<u32> {
    let mut classes: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for &row in rows {
        classes.entry(class(row)).or_default().push(row);
    }
    let mut classes: Vec<_> = classes.into_values().collect();
    let (share, more) = (count / classes.len(), count % classes.len());
    // Which classes have a row more than the others is drawn, too.
    classes.shuffle(stream);
    let mut order = Vec::with_capacity(count);
    for (index, rows) in classes.iter_mut().enumerate() {
        let share = share + usize::from(index < more);
        rows.shuffle(stream);
        order.extend(rows.iter().cycle().take(share));
    }
    order.shuffle(stream);
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn classes_come_equally_often_and_so_do_the_rows_of_each(
            classes in prop::collection::vec(0_u32..4, 1..200),
            seed: u64,
            epoch: u32,
        ) {
            let rows: Vec<u32> = (0..classes.len() as u32).collect();
            let class = |row: u32| classes[row as usize];
            let draw = |seed, epoch| {
                balanced(&rows, class, rows.len(), &mut Stream::new(seed, Purpose::Order, epoch))
            };
            let order = draw(seed, epoch);
            prop_assert_eq!(order.len(), rows.len());
            prop_assert_eq!(&order, &draw(seed, epoch));
            let mut known = classes.clone();
            known.sort_unstable();
            known.dedup();
            let share = rows.len() / known.len();
            for class in known {
                let of_class = order.iter().filter(|&&row| classes[row as usize] == class).count();
                prop_assert!(of_class == share || of_class == share + 1);
                let times = rows.iter().filter(|&&row| classes[row as usize] == class).map(|row| {
                    order.iter().filter(|&other| other == row).count()
                });
                let (least, most) = (times.clone().min(), times.max());
                prop_assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1));
            }
            if rows.len() > 20 {
                prop_assert_ne!(&order, &draw(seed, epoch.wrapping_add(1)));
                prop_assert_ne!(&order, &draw(seed.wrapping_add(1), epoch));
            }
        }
    }

    #[test]
    fn over_epochs_every_row_of_a_frequent_class_has_its_turn() {
        let rows: Vec<u32> = (0..100).collect();
        let mut times = [0; 100];
        for epoch in 0..200 {
            let mut stream = Stream::new(1, Purpose::Order, epoch);
            for row in balanced(&rows, |row| (row < 10).into(), 100, &mut stream) {
                times[row as usize] += 1;
            }
        }
        // 50 of an epoch's rows are one of the ten, five times each; 50 are one of the ninety: 200·50/90 in the mean,
        // with a deviation of √(200·5/9·4/9).
        assert!(times[..10].iter().all(|&times| times == 1000));
        let far = |&times: &i32| (f64::from(times) - 111.1).abs() > 5.0 * 7.03;
        assert!(!times[10..].iter().any(far), "{times:?}");
    }
}
