use crate::random::{Purpose, shuffle};

/// Rows of a dataset by what they are for; each part in the dataset's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Rows that gradients come from.
    pub train: Vec<u32>,
    /// Rows that early stopping looks at.
    pub validation: Vec<u32>,
    /// Rows that only the final report looks at.
    pub test: Vec<u32>,
}

/// Divides rows at random, so that each part has its share of every class.
///
/// `classes` names each row's class; a regression has one class for all. `validation` and `test` are fractions of all rows;
/// of each class, they get their share rounded to the nearest row, where at least one row is left for training.
pub fn split(classes: &[u32], validation: f64, test: f64, seed: u64) -> Split {
    let mut order: Vec<u32> = (0..classes.len() as u32).collect();
    shuffle(&mut order, seed, Purpose::Split, 0);
    // Stable: inside a class, rows stay in their random order.
    order.sort_by_key(|&row| classes[row as usize]);
    let mut split = Split::default();
    for members in order.chunk_by(|&a, &b| classes[a as usize] == classes[b as usize]) {
        let share = |fraction: f64| (members.len() as f64 * fraction).round() as usize;
        let most = members.len().saturating_sub(1);
        let tested = share(test).min(most);
        let validated = share(validation).min(most - tested);
        let (test, rest) = members.split_at(tested);
        let (validation, train) = rest.split_at(validated);
        split.test.extend(test);
        split.validation.extend(validation);
        split.train.extend(train);
    }
    for part in [&mut split.train, &mut split.validation, &mut split.test] {
        part.sort_unstable();
    }
    split
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_row_has_one_place_and_every_class_its_share(
            classes in prop::collection::vec(0_u32..5, 1..300),
            validation in 0.0..0.5_f64,
            test in 0.0..0.5_f64,
            seed: u64,
        ) {
            let split = split(&classes, validation, test, seed);
            let mut all = [&split.train[..], &split.validation, &split.test].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..classes.len() as u32).collect::<Vec<_>>());
            for class in 0..5 {
                let of = |rows: &[u32]| rows.iter().filter(|&&row| classes[row as usize] == class).count();
                let rows = classes.iter().filter(|&&other| other == class).count();
                let near = |found: usize, fraction: f64| (found as f64 - rows as f64 * fraction).abs() <= 1.0;
                prop_assert!(near(of(&split.test), test));
                prop_assert!(near(of(&split.validation), validation));
                prop_assert!(rows == 0 || of(&split.train) > 0);
            }
        }
    }

    #[test]
    fn the_seed_decides() {
        let classes = [0; 100];
        assert_eq!(split(&classes, 0.1, 0.2, 1), split(&classes, 0.1, 0.2, 1));
        assert_ne!(split(&classes, 0.1, 0.2, 1), split(&classes, 0.1, 0.2, 2));
    }
}
