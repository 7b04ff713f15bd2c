use std::marker::PhantomData;

use super::team::{Start, Team};
use super::{Real, loops};

/// An operand of a product, in row- or column-major order.
#[derive(Clone, Copy)]
pub struct Factor<'a, T> {
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

    /// Some rows and columns of it: the first of each, and how many.
    pub(super) fn part(
        self,
        (row, rows): (usize, usize),
        (column, columns): (usize, usize),
    ) -> Self {
        let first = row * self.row_stride + column * self.column_stride;
        Factor {
            values: self.values.get(first..).unwrap_or(&[]),
            rows,
            columns,
            ..self
        }
    }

    fn fits(&self) -> bool {
        let last = |count: usize, stride: usize| count.saturating_sub(1) * stride;
        self.rows * self.columns == 0
            || last(self.rows, self.row_stride) + last(self.columns, self.column_stride)
                < self.values.len()
    }
}

/// Below this many multiply-adds, handing work to another thread costs more than it saves.
pub(super) const LARGE: usize = 1 << 19;

/// Rows or columns of a part are a multiple of this: a vector.
const UNIT: usize = 16;

/// A rectangle of an output, made by one thread.
pub struct Part<'a, T> {
    pub(super) first_row: usize,
    pub(super) first_column: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// How far apart its rows lie.
    stride: usize,
    start: *mut T,
    output: PhantomData<&'a mut [T]>,
}

impl<T> Part<'_, T> {
    /// The part of each of its rows.
    pub(super) fn rows(&mut self) -> impl Iterator<Item = &mut [T]> {
        // SAFETY: a part lies inside its output, and no other has a value of it (`matmul_then`, `part`); it is borrowed mutably
        // here, and each row is given once.
        (0..self.rows).map(|row| unsafe {
            std::slice::from_raw_parts_mut(self.start.add(row * self.stride), self.columns)
        })
    }

    /// Some of its rows and columns: the first of each, and how many.
    pub(super) fn part(
        &mut self,
        (row, rows): (usize, usize),
        (column, columns): (usize, usize),
    ) -> Part<'_, T> {
        assert!(
            row + rows <= self.rows && column + columns <= self.columns,
            "a part lies inside the whole"
        );
        Part {
            first_row: self.first_row + row,
            first_column: self.first_column + column,
            rows,
            columns,
            start: self.start.wrapping_add(row * self.stride + column),
            ..*self
        }
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
    // A thread's part of a product is of the features that are its part of the others too, where there are enough of them: columns
    // of activations, and rows of a weight's gradient, whose a is read transposed. So what it reads was mostly written by itself,
    // which counts where threads have no cache together. Else each thread packs all of the operand that is not cut: the smaller one.
    let are_features_rows = a.row_stride == 1 && m >= 2 * UNIT * team.threads();
    let by_columns = n >= m && !are_features_rows;
    let side = if by_columns { n } else { m };
    let parts = if m * n * k < LARGE {
        1
    } else {
        team.threads().min(side / UNIT).max(1)
    };
    let border = |part: usize| match part {
        0 => 0,
        _ if part == parts => side,
        _ => side * part / parts / UNIT * UNIT,
    };
    let start = Start::of(output);
    team.run(parts, |number| {
        let piece = (border(number), border(number + 1) - border(number));
        let (rows, columns) = if by_columns {
            ((0, m), piece)
        } else {
            (piece, (0, n))
        };
        let mut part = Part {
            first_row: rows.0,
            first_column: columns.0,
            rows: rows.1,
            columns: columns.1,
            stride: n,
            start: start.at(rows.0 * n + columns.0),
            output: PhantomData,
        };
        loops::product(
            a.part(rows, (0, k)),
            b.part((0, k), columns),
            // What a value is made by follows from the whole: so its bits do not hang on how an output is cut.
            (n == 1, accumulate),
            &mut part,
        );
        finish(part);
    });
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::team::ALONE;
    use super::*;

    /// All of an output.
    pub(in super::super) fn whole<T>(output: &mut [T], rows: usize) -> Part<'_, T> {
        let columns = output.len() / rows;
        assert_eq!(rows * columns, output.len());
        Part {
            first_row: 0,
            first_column: 0,
            rows,
            columns,
            stride: columns,
            start: output.as_mut_ptr(),
            output: PhantomData,
        }
    }

    fn exact<T: Real>(a: Factor<T>, b: Factor<T>) -> Vec<T> {
        let at =
            |f: &Factor<T>, r: usize, c: usize| f.values[r * f.row_stride + c * f.column_stride];
        (0..a.rows * b.columns)
            .map(|i| {
                (0..a.columns)
                    .map(|k| at(&a, i / b.columns, k) * at(&b, k, i % b.columns))
                    .sum()
            })
            .collect()
    }

    /// An operand of so many rows and columns, as it is read.
    pub(in super::super) fn stored<T>(
        values: &[T],
        rows: usize,
        columns: usize,
        transposed: bool,
    ) -> Factor<'_, T> {
        let (rows, columns) = if transposed {
            (columns, rows)
        } else {
            (rows, columns)
        };
        let factor = Factor {
            values,
            rows,
            columns,
            row_stride: columns,
            column_stride: 1,
        };
        if transposed {
            factor.transposed()
        } else {
            factor
        }
    }

    fn is_exact_of_integers<T: Real>([m, n, k]: [usize; 3], [ta, tb, accumulate]: [bool; 3]) {
        // Small ones: every order of summation is exact.
        let value = |i: usize| T::of((i % 19) as f32 - 9.0);
        let values =
            |len: usize, seed: usize| (0..len).map(|i| value(i * 37 + seed)).collect::<Vec<T>>();
        let (va, vb) = (values(m * k, 1), values(k * n, 2));
        let (a, b) = (stored(&va, m, k, ta), stored(&vb, k, n, tb));
        let before = values(m * n, 3);
        let mut output = before.clone();
        matmul(a, b, accumulate, &mut output, &Team::new(2));
        for (i, (found, product)) in output.iter().zip(exact(a, b)).enumerate() {
            assert_eq!(
                *found,
                if accumulate {
                    before[i] + product
                } else {
                    product
                }
            );
        }
        // As without wide vectors.
        let mut others = before;
        loops::larger::<T, false>(a, b, (n == 1, accumulate), &mut whole(&mut others, m));
        assert_eq!(others, output);
    }

    proptest! {
        #[test]
        fn agrees_with_three_plain_loops(m in 1_usize..40, n in 1_usize..40, k in 0_usize..90, ta: bool, tb: bool, accumulate: bool) {
            is_exact_of_integers::<f32>([m, n, k], [ta, tb, accumulate]);
            is_exact_of_integers::<f64>([m, n, k], [ta, tb, accumulate]);
        }

        #[test]
        fn a_rows_bits_do_not_hang_on_how_many_there_are(m in 3_usize..70, n in 1_usize..70, k in 1_usize..900, tb: bool, accumulate: bool) {
            let value = |i: usize| ((i * 37 % 101) as f32).sqrt();
            let va: Vec<f32> = (0..m * k).map(value).collect();
            let vb: Vec<f32> = (0..k * n).map(value).collect();
            let (a, b) = (stored(&va, m, k, false), stored(&vb, k, n, tb));
            let mut output = vec![0.3; m * n];
            matmul(a, b, accumulate, &mut output, &ALONE);
            for count in [1, 2, m - 1] {
                let mut some = vec![0.3; count * n];
                matmul(a.part((1, count), (0, k)), b, accumulate, &mut some, &ALONE);
                prop_assert_eq!(&some[..], &output[n..][..count * n]);
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
    fn a_thread_makes_the_gradient_of_the_weights_that_it_reads() {
        // Of a layer of 784 to 128 by 128 rows: the units whose outputs a part has, and those whose weights' gradient it has.
        let (rows, inputs, units) = (128, 784, 128);
        let (x, w, g) = (
            vec![1.0; rows * inputs],
            vec![1.0; units * inputs],
            vec![1.0; rows * units],
        );
        let x = stored(&x, rows, inputs, false);
        let forward = (x, stored(&w, inputs, units, true));
        let backward = (stored(&g, units, rows, true), x);
        for threads in 1..=4 {
            let team = Team::new(threads);
            let units_of = |(a, b): (Factor<f32>, Factor<f32>)| {
                let mut output = vec![0.0; a.rows * b.columns];
                let parts = std::sync::Mutex::new(Vec::new());
                matmul_then(a, b, false, &mut output, &team, |part| {
                    let units = if part.columns == inputs {
                        (part.first_row, part.rows)
                    } else {
                        assert_eq!(part.rows, rows);
                        (part.first_column, part.columns)
                    };
                    parts.lock().unwrap().push(units);
                });
                let mut parts = parts.into_inner().unwrap();
                parts.sort_unstable();
                parts
            };
            assert_eq!(units_of(forward).len(), threads);
            assert_eq!(units_of(forward), units_of(backward));
        }
    }

    #[test]
    fn the_bits_do_not_hang_on_how_operands_are_stored() {
        // Strides that are and are not a power of two, few rows and many.
        for (m, n, k) in [
            (3, 600, 512),
            (40, 300, 1024),
            (1280, 140, 520),
            (256, 160, 20),
        ] {
            let value = |i: usize| ((i * 37 % 101) as f32).sqrt();
            let plain = |values, rows, columns| Factor {
                values,
                rows,
                columns,
                row_stride: columns,
                column_stride: 1,
            };
            let va: Vec<f32> = (0..m * k).map(value).collect();
            let vb: Vec<f32> = (0..k * n).map(value).collect();
            let turn = |values: &[f32], columns: usize| -> Vec<f32> {
                let rows = values.len() / columns;
                let at = |i: usize| values[i % rows * columns + i / rows];
                (0..values.len()).map(at).collect()
            };
            let (ta, tb) = (turn(&va, k), turn(&vb, n));
            let (a, b) = (plain(&va[..], m, k), plain(&vb[..], k, n));
            let of_a = plain(&ta[..], k, m).transposed();
            let of_b = plain(&tb[..], n, k).transposed();
            let made = |a, b, threads| {
                let mut output = vec![0.5; m * n];
                matmul(a, b, true, &mut output, &Team::new(threads));
                output
            };
            let stored = made(a, b, 1);
            for threads in [1, 2, 3] {
                assert_eq!(stored, made(of_a, b, threads), "a of {m} {n} {k}");
                assert_eq!(stored, made(a, of_b, threads), "b of {m} {n} {k}");
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
