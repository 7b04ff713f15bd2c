use super::team::Team;
use super::{Real, share};

/// Columns from which on a row is copied as a whole: below, the call costs more than the copy.
const LONG: usize = 128;

/// Columns of short rows that are copied at a time.
const BLOCK: usize = 8;

/// output`[r, :]` = source`[order[r], :]`
pub(super) fn gather<T: Real>(
    source: &[T],
    order: &[u32],
    columns: usize,
    output: &mut [T],
    team: &Team,
) {
    share::rows(output, columns, team, |first, output| {
        let order = &order[first..];
        if columns >= LONG {
            for (row, &index) in output.chunks_exact_mut(columns).zip(order) {
                let first = index as usize * columns;
                row.copy_from_slice(&source[first..first + columns]);
            }
        } else if columns >= BLOCK {
            // The last may have columns of the one before it.
            for block in (0..columns).step_by(BLOCK) {
                let first = block.min(columns - BLOCK);
                gather_columns::<T, BLOCK>(source, order, (first, columns), output);
            }
        } else {
            for column in 0..columns {
                gather_columns::<T, 1>(source, order, (column, columns), output);
            }
        }
    });
}

/// N columns of all rows, from one on of so many.
fn gather_columns<T: Real, const N: usize>(
    source: &[T],
    order: &[u32],
    (first, columns): (usize, usize),
    output: &mut [T],
) {
    for (row, &index) in output.chunks_exact_mut(columns).zip(order) {
        let values = &source[index as usize * columns + first..][..N];
        row[first..first + N].copy_from_slice(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_any_length_are_those_of_the_order() {
        let order = [3, 0, 2, 2, 4];
        for columns in [1, 2, 7, 8, 9, 16, 30, 127, 128, 150] {
            let source: Vec<f32> = (0..5 * columns).map(|i| i as f32).collect();
            let expected = order.iter().flat_map(|&row| {
                let first = row as usize * columns;
                source[first..first + columns].iter().copied()
            });
            let mut output = vec![f32::NAN; order.len() * columns];
            gather(&source, &order, columns, &mut output, &Team::new(2));
            assert!(output.iter().copied().eq(expected), "{columns} columns");
        }
    }
}
