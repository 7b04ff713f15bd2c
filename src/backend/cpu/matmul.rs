use std::marker::PhantomData;

use super::Real;
use super::team::{Start, Team};

/// An operand of a product, in row- or column-major order.
#[derive(Clone, Copy)]
pub(super) struct Factor<'a, T> {
    pub(super) values: &'a [T],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a, T> Factor<'a, T> {
    /// The same rows and columns of other values.
    pub(super) fn of(self, values: &'a [T]) -> Self {
        Factor { values, ..self }
    }

    pub(super) fn transposed(self) -> Self {
        Factor {
            values: self.values,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    fn at(&self, row: usize, column: usize) -> *const T {
        let at = row * self.row_stride + column * self.column_stride;
        self.values.as_ptr().wrapping_add(at)
    }

    fn fits(&self) -> bool {
        let last = |count: usize, stride: usize| count.saturating_sub(1) * stride;
        self.rows * self.columns == 0
            || last(self.rows, self.row_stride) + last(self.columns, self.column_stride)
                < self.values.len()
    }
}

/// Below this many multiply-adds, handing work to another thread costs more than it saves.
const PARALLEL_FROM: usize = 1 << 19;

/// Terms that are summed before they are added to the output. Up to so many gemm takes in one piece whatever the other sizes,
/// so that a sum's bits do not hang on how the output is divided.
const DEPTH: usize = 512;

/// An output of so many values gemm may sum in another order: a part has more.
const SUMMED_OTHERWISE: usize = 256;

/// Rows or columns of a part are a multiple of this: a vector.
const UNIT: usize = 16;

/// A rectangle of an output, made by one thread.
pub(super) struct Part<'a, T> {
    pub(super) first_row: usize,
    pub(super) first_column: usize,
    rows: usize,
    columns: usize,
    stride: usize,
    start: *mut T,
    output: PhantomData<&'a mut [T]>,
}

impl<T> Part<'_, T> {
    /// The part of each of its rows.
    pub(super) fn rows(&mut self) -> impl Iterator<Item = &mut [T]> {
        // SAFETY: a part lies inside its output, and no other has a value of it (`matmul_then`); it is borrowed mutably
        // here, and each row is given once.
        (0..self.rows).map(|row| unsafe {
            std::slice::from_raw_parts_mut(self.start.add(row * self.stride), self.columns)
        })
    }
}

/// output`[m, n]` = a`[m, k]`·b`[k, n]`, or output += a·b.
pub(super) fn matmul<T: Real>(
    a: Factor<T>,
    b: Factor<T>,
    accumulate: bool,
    output: &mut [T],
    team: &Team,
) {
    matmul_then(a, b, accumulate, output, team, |_| {});
}

/// The same, and then what `finish` does with each part while it is in the cache.
pub(super) fn matmul_then<T: Real>(
    a: Factor<T>,
    b: Factor<T>,
    accumulate: bool,
    output: &mut [T],
    team: &Team,
    finish: impl Fn(Part<'_, T>) + Sync,
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert!(
        a.fits() && b.fits() && b.rows == k && output.len() == m * n,
        "the shapes of a product"
    );
    if m * n == 0 {
        return;
    }
    let threads = team.threads();
    // The operand of the longer side is then packed by parts, each by the thread that needs it.
    let by_columns = n >= UNIT * threads;
    let (side, other) = if by_columns { (n, m) } else { (m, n) };
    let least = UNIT + SUMMED_OTHERWISE / other + 1;
    let parts = if m * n * k < PARALLEL_FROM {
        1
    } else {
        threads.min(side / least).max(1)
    };
    let border = |part: usize| {
        if part == parts {
            side
        } else {
            side * part / parts / UNIT * UNIT
        }
    };
    let start = Start::of(output);
    let make = |number: usize| {
        let first = border(number);
        let piece = border(number + 1) - first;
        let (first_row, first_column, rows, columns) = if by_columns {
            (0, first, m, piece)
        } else {
            (first, 0, piece, n)
        };
        let start = start.at(first_row * n + first_column);
        let mut read = accumulate;
        for depth in (0..k.max(1)).step_by(DEPTH) {
            // SAFETY: `fits` holds every element that the strides reach inside a's and b's slices, of which the part's
            // rows, columns and terms are some. The output is row-major with exactly m·n elements and borrowed mutably, so
            // it overlaps neither operand, and parts have no row, or no column, in common. T is f32 or f64, which gemm takes.
            unsafe {
                gemm::gemm(
                    rows,
                    columns,
                    DEPTH.min(k - depth),
                    start,
                    1,
                    n as isize,
                    read,
                    a.at(first_row, depth),
                    a.column_stride as isize,
                    a.row_stride as isize,
                    b.at(depth, first_column),
                    b.column_stride as isize,
                    b.row_stride as isize,
                    T::one(),
                    T::one(),
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
            read = true;
        }
        finish(Part {
            first_row,
            first_column,
            rows,
            columns,
            stride: n,
            start,
            output: PhantomData,
        });
    };
    team.run(parts, make);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::team::ALONE;
    use super::*;

    fn plain(a: Factor<f64>, b: Factor<f64>) -> Vec<f64> {
        let at =
            |f: &Factor<f64>, r: usize, c: usize| f.values[r * f.row_stride + c * f.column_stride];
        (0..a.rows * b.columns)
            .map(|i| {
                (0..a.columns)
                    .map(|k| at(&a, i / b.columns, k) * at(&b, k, i % b.columns))
                    .sum()
            })
            .collect()
    }

    proptest! {
        #[test]
        fn agrees_with_three_plain_loops(m in 1_usize..40, n in 1_usize..40, k in 0_usize..40, ta: bool, tb: bool, accumulate: bool) {
            let values = |len: usize, seed: usize| (0..len).map(|i| ((i * 37 + seed) % 19) as f64 - 9.0).collect::<Vec<_>>();
            let (va, vb) = (values(m * k, 1), values(k * n, 2));
            let stored = |values, rows, columns, transposed: bool| {
                let (height, width) = if transposed { (columns, rows) } else { (rows, columns) };
                let factor = Factor { values, rows: height, columns: width, row_stride: width, column_stride: 1 };
                if transposed { factor.transposed() } else { factor }
            };
            let (a, b) = (stored(&va[..], m, k, ta), stored(&vb[..], k, n, tb));
            let before = values(m * n, 3);
            let mut output = before.clone();
            matmul(a, b, accumulate, &mut output, &Team::new(2));
            // Small integers: every order of summation is exact.
            for (i, (found, product)) in output.iter().zip(plain(a, b)).enumerate() {
                prop_assert_eq!(*found, if accumulate { before[i] + product } else { product });
            }
        }
    }

    #[test]
    fn parts_have_the_bits_of_the_whole_and_each_value_is_finished_once() {
        // Divided by columns, by columns that are no multiple of a vector, and by rows; sums in one piece and in two.
        for (m, n, k) in [
            (64, 128, 100),
            (70, 91, 700),
            (400, 3, 600),
            (1, 900, 600),
            (900, 1, 600),
            (2, 1000, 300),
        ] {
            let values = |len: usize| {
                (0..len)
                    .map(|i| ((i * 37 % 101) as f32).sqrt())
                    .collect::<Vec<_>>()
            };
            let (va, vb) = (values(m * k), values(k * n));
            let plain = |values, rows, columns| Factor {
                values,
                rows,
                columns,
                row_stride: columns,
                column_stride: 1,
            };
            let (a, b) = (plain(&va[..], m, k), plain(&vb[..], n, k).transposed());
            let made = |team: &Team| {
                let mut output = vec![0.0; m * n];
                matmul_then(a, b, false, &mut output, team, |mut part| {
                    let (first_row, first_column) = (part.first_row, part.first_column);
                    for (r, row) in part.rows().enumerate() {
                        for (c, value) in row.iter_mut().enumerate() {
                            *value += ((first_row + r) * n + first_column + c) as f32;
                        }
                    }
                });
                output
            };
            let whole = made(&ALONE);
            for threads in [2, 3, 7] {
                assert_eq!(whole, made(&Team::new(threads)), "{m} {n} {k}");
            }
            let mut product = vec![0.0; m * n];
            matmul(a, b, false, &mut product, &ALONE);
            for (i, (finished, product)) in whole.iter().zip(product).enumerate() {
                assert_eq!(*finished, product + i as f32);
            }
        }
    }

    #[test]
    #[should_panic(expected = "the shapes of a product")]
    fn an_operand_shorter_than_its_shape_is_refused_before_any_pointer_is_read() {
        let values = [1.0_f32; 5];
        let a = Factor {
            values: &values,
            rows: 2,
            columns: 3,
            row_stride: 3,
            column_stride: 1,
        };
        let b = Factor {
            values: &values[..3],
            rows: 3,
            columns: 1,
            row_stride: 1,
            column_stride: 1,
        };
        matmul(a, b, false, &mut [0.0; 2], &ALONE);
    }
}
