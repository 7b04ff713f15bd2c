use super::split::{Split, split};
use crate::random::{Purpose, shuffle};

/// The division of k-fold cross-validation: each row is held out by one fold, and each fold has its share of every class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fold {
    /// What the fold's networks never see, for its report.
    pub held_out: Vec<u32>,
    /// Of all others, those that gradients come from; each in the dataset's order.
    pub train: Vec<u32>,
    /// Of all others, those that early stopping looks at: as many in every fold.
    pub validation: Vec<u32>,
}

/// Divides `rows` of a dataset, whose classes are `classes` (one for all in a regression), into `count` folds at random.
/// `validation` is a fraction of what a fold does not hold out.
///
/// Sizes of what is held out, in all and of any class, differ by one row at most.
pub fn folds(classes: &[u32], rows: &[u32], count: usize, validation: f64, seed: u64) -> Vec<Fold> {
    let mut order = rows.to_vec();
    shuffle(&mut order, seed, Purpose::Split, 1);
    // Stable: inside a class, rows stay in their random order.
    order.sort_by_key(|&row| classes[row as usize]);
    let mut folds: Vec<Fold> = (0..count)
        .map(|fold| {
            let (mut held_out, mut rest) = (Vec::new(), Vec::new());
            for (position, &row) in order.iter().enumerate() {
                let part = if position % count == fold {
                    &mut held_out
                } else {
                    &mut rest
                };
                part.push(row);
            }
            held_out.sort_unstable();
            rest.sort_unstable();
            let of_rest: Vec<u32> = rest.iter().map(|&row| classes[row as usize]).collect();
            let Split {
                train,
                validation,
                test: _,
            } = split(&of_rest, validation, 0.0, seed.wrapping_add(fold as u64));
            let rows = |places: Vec<u32>| places.into_iter().map(|place| rest[place as usize]);
            Fold {
                held_out,
                train: rows(train).collect(),
                validation: rows(validation).collect(),
            }
        })
        .collect();
    let least = folds.iter().map(|fold| fold.validation.len()).min();
    for fold in &mut folds {
        let more = fold.validation.split_off(least.unwrap_or(0));
        fold.train.extend(more);
        fold.train.sort_unstable();
    }
    folds
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_row_is_held_out_once_and_trained_on_elsewhere(
            classes in prop::collection::vec(0_u32..4, 10..200),
            count in 2_usize..10,
            validation in 0.0..0.5_f64,
            seed: u64,
        ) {
            let rows: Vec<u32> = (0..classes.len() as u32).filter(|row| row % 7 != 3).collect();
            let folds = folds(&classes, &rows, count, validation, seed);
            let mut held_out: Vec<u32> = folds.iter().flat_map(|fold| fold.held_out.clone()).collect();
            held_out.sort_unstable();
            prop_assert_eq!(&held_out, &rows);
            for fold in &folds {
                let mut all = [&fold.held_out[..], &fold.train, &fold.validation].concat();
                all.sort_unstable();
                prop_assert_eq!(&all, &rows);
                prop_assert_eq!(fold.validation.len(), folds[0].validation.len());
                for class in 0..4 {
                    let of = |rows: &[u32]| rows.iter().filter(|&&row| classes[row as usize] == class).count();
                    prop_assert!(of(&fold.held_out).abs_diff(of(&rows) / count) <= 1);
                }
            }
        }
    }
}
