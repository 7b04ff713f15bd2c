//! Operands that are stored the other way round than a product reads them. `gemm` takes such a one value by value, each from
//! another line of the cache, and where lines lie a power of two apart they drive each other out of it.

use std::cell::RefCell;

use super::{Real, share};

/// Rows that are taken together: as many as the compiler makes one vector of.
const ROWS: usize = 4;

/// Columns that are taken together.
const COLUMNS: usize = 64;

/// Values between the rows of a copy, so that these do not lie a power of two apart: a line of the cache.
const GAP: usize = 16;

thread_local! {
    /// Memory for a thread's copies, which is kept: f32 or f64.
    static COPY: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

/// Gives `f` a copy of some rows, `stride` apart and of so many columns, the other way round, and how far apart its rows are.
pub(super) fn with_transposed<T: Real, R>(
    values: &[T],
    (rows, columns): (usize, usize),
    stride: usize,
    f: impl FnOnce(&[T], usize) -> R,
) -> R {
    let pitch = rows + GAP;
    COPY.with_borrow_mut(|memory| {
        let len = (columns * pitch * size_of::<T>()).div_ceil(size_of::<f64>());
        if memory.len() < len {
            memory.resize(len, 0.0);
        }
        let copy: &mut [T] = bytemuck::cast_slice_mut(memory);
        share::wide(
            #[inline(always)]
            || transpose(values, (rows, columns), stride, copy, pitch),
        );
        f(copy, pitch)
    })
}

/// copy`[c, r]` = values`[r, c]`
#[inline(always)]
fn transpose<T: Real>(
    values: &[T],
    (rows, columns): (usize, usize),
    stride: usize,
    copy: &mut [T],
    pitch: usize,
) {
    let line = |row: usize| &values[row * stride..][..columns];
    let mut some = [[T::zero(); ROWS]; COLUMNS];
    let whole = rows / ROWS * ROWS;
    for row in (0..whole).step_by(ROWS) {
        let lines: [&[T]; ROWS] = std::array::from_fn(
            #[inline(always)]
            |r| line(row + r),
        );
        for first in (0..columns).step_by(COLUMNS) {
            let count = COLUMNS.min(columns - first);
            let lines = lines.map(
                #[inline(always)]
                |line| &line[first..first + count],
            );
            let some = &mut some[..count];
            // By index: so the compiler sees one loop over several slices, and vectorises it.
            for c in 0..count {
                for r in 0..ROWS {
                    some[c][r] = lines[r][c];
                }
            }
            let copies = copy[first * pitch + row..].chunks_mut(pitch);
            for (values, copy) in some.iter().zip(copies) {
                copy[..ROWS].copy_from_slice(values);
            }
        }
    }
    for row in whole..rows {
        for (c, &value) in line(row).iter().enumerate() {
            copy[c * pitch + row] = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_the_other_way_round<T: Real>() {
        for (rows, columns, stride) in [
            (1, 1, 1),
            (3, 70, 70),
            (4, 64, 65),
            (21, 200, 256),
            (100, 3, 3),
        ] {
            let values: Vec<T> = (0..rows * stride).map(|i| T::of(i as f32)).collect();
            with_transposed(&values, (rows, columns), stride, |copy, pitch| {
                for r in 0..rows {
                    for c in 0..columns {
                        assert_eq!(copy[c * pitch + r], values[r * stride + c]);
                    }
                }
            });
        }
    }

    #[test]
    fn the_rows_of_a_copy_are_the_columns() {
        is_the_other_way_round::<f32>();
        is_the_other_way_round::<f64>();
    }
}
