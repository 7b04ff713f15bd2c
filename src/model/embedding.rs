use std::ops::Range;

use serde::{Deserialize, Serialize};

/// What stands before a network's first layer: some of its inputs become several values each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Embeddings {
    /// Of the numbers, which come first among the inputs.
    #[serde(default)]
    pub periodic: Option<Periodic>,
    /// Of the columns of many texts, which come last among the inputs.
    #[serde(default)]
    pub lookup: Option<Lookup>,
}

/// Each number x becomes x and V·cos(2πwx + b) + c, with w, b, V and c of its own (Holzmüller et al. 2024, PBLD).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Periodic {
    /// Numbers, the first inputs.
    pub numbers: usize,
    /// Length of w and of b.
    pub frequencies: usize,
    /// Length of c; V is `[outputs, frequencies]`.
    pub outputs: usize,
}

/// Columns that each hold the number of a row of one table, which takes its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// For each column how many rows of the table are its own, one behind the other: for each text one, and the last for any other.
    pub rows: Vec<usize>,
    /// Values of a row.
    pub width: usize,
}

impl Embeddings {
    /// Columns that so many inputs become.
    pub fn columns(&self, inputs: usize) -> usize {
        let added = self.periodic.map_or(0, |p| p.numbers * p.outputs);
        let lookup = self.lookup.as_ref();
        let replaced = lookup.map_or(0, |lookup| lookup.rows.len());
        let looked_up = lookup.map_or(0, |lookup| lookup.rows.len() * lookup.width);
        (inputs + added + looked_up).saturating_sub(replaced)
    }

    /// Whether there are as many inputs, and nothing is empty or beyond counting: a broken model file may say anything.
    pub(crate) fn fit(&self, inputs: usize) -> bool {
        const MOST: usize = 1 << 24;
        let small = |value: &usize| (1..=MOST).contains(value);
        let numbers = self.periodic.map_or(0, |periodic| periodic.numbers);
        let lookups = self.lookup.as_ref().map_or(0, |lookup| lookup.rows.len());
        let periodic = self
            .periodic
            .is_none_or(|p| [p.numbers, p.frequencies, p.outputs].iter().all(small));
        let lookup = self.lookup.as_ref().is_none_or(|lookup| {
            small(&lookup.width) && small(&lookup.rows.len()) && small(&lookup.height())
        });
        periodic
            && lookup
            && numbers
                .checked_add(lookups)
                .is_some_and(|embedded| embedded <= inputs)
    }
}

impl Periodic {
    /// With 16 frequencies and 3 outputs, as the paper has it.
    pub fn new(numbers: usize) -> Self {
        Periodic {
            numbers,
            frequencies: 16,
            outputs: 3,
        }
    }

    /// Values that a number becomes, itself counted.
    pub fn width(&self) -> usize {
        1 + self.outputs
    }

    /// Trained values.
    pub fn values(&self) -> usize {
        self.numbers * ((2 + self.outputs) * self.frequencies + self.outputs)
    }

    /// Where a number's w, b, V and c lie among those of all: w and b of all numbers, `[numbers, frequencies]` each, then V,
    /// `[numbers, outputs, frequencies]`, and c, `[numbers, outputs]`.
    pub(crate) fn ranges(&self, number: usize) -> [Range<usize>; 4] {
        let size = self.numbers * self.frequencies;
        let range = |first: usize, len: usize| first + number * len..first + (number + 1) * len;
        let mixed = self.outputs * self.frequencies;
        [
            range(0, self.frequencies),
            range(size, self.frequencies),
            range(2 * size, mixed),
            range((2 + self.outputs) * size, self.outputs),
        ]
    }
}

impl Lookup {
    /// Rows of the table.
    pub fn height(&self) -> usize {
        self.rows
            .iter()
            .fold(0, |sum, &rows| sum.saturating_add(rows))
    }

    /// The last row of each column's, which stands for what is none of its texts.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = usize> {
        self.rows.iter().scan(0, |end, &rows| {
            *end += rows;
            Some(end.saturating_sub(1))
        })
    }

    /// The first row of a matrix `[rows, inputs]` where a column holds a number that is none of its rows.
    pub(crate) fn strayed(&self, inputs: usize, values: &[f32]) -> Option<usize> {
        let first = inputs - self.rows.len();
        let ends: Vec<usize> = self.unknown().collect();
        let stays = |(column, &value): (usize, &f32)| {
            let end = ends[column];
            let start = end + 1 - self.rows[column];
            value >= start as f32 && value <= end as f32
        };
        values
            .chunks_exact(inputs.max(1))
            .position(|row| !row[first..].iter().enumerate().all(stays))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> Embeddings {
        Embeddings {
            periodic: Some(Periodic::new(2)),
            lookup: Some(Lookup {
                rows: vec![3, 2],
                width: 8,
            }),
        }
    }

    #[test]
    fn what_is_no_row_of_its_column_is_found() {
        let lookup = both().lookup.expect("it is there");
        let rows = |last: [f32; 2]| [0.5, 0.0, 3.0, 0.5, last[0], last[1]];
        for (last, strayed) in [
            ([2.0, 4.0], None),
            ([0.0, 3.0], None),
            ([3.0, 3.0], Some(1)),
            ([0.0, 2.0], Some(1)),
            ([0.0, 5.0], Some(1)),
            ([-1.0, 3.0], Some(1)),
            ([f32::NAN, 3.0], Some(1)),
        ] {
            assert_eq!(lookup.strayed(3, &rows(last)), strayed, "{last:?}");
        }
    }

    #[test]
    fn inputs_become_as_many_columns_as_are_told() {
        // Two numbers become four each, one column stays, two texts become eight each.
        assert_eq!(both().columns(5), 8 + 1 + 16);
        assert_eq!(Embeddings::default().columns(5), 5);
        assert!(both().fit(4) && !both().fit(3));
        let mut broken = both();
        broken.lookup = Some(Lookup {
            rows: vec![usize::MAX, usize::MAX],
            width: 8,
        });
        assert!(!broken.fit(100));
        broken.lookup = None;
        broken.periodic = Some(Periodic {
            outputs: 0,
            ..Periodic::new(1)
        });
        assert!(!broken.fit(100));
    }

    #[test]
    fn each_value_of_the_waves_is_one_numbers_alone() {
        let waves = Periodic {
            frequencies: 4,
            ..Periodic::new(3)
        };
        let mut seen = vec![0; waves.values()];
        for number in 0..waves.numbers {
            for index in waves.ranges(number).into_iter().flatten() {
                seen[index] += 1;
            }
        }
        assert!(seen.iter().all(|&times| times == 1), "{seen:?}");
    }
}
