use std::marker::PhantomData;

use super::Real;
use super::team::{Start, Team};
use super::transposed::with_transposed;

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

    /// Some rows and columns of it: the first of each, and how many.
    fn part(self, (row, rows): (usize, usize), (column, columns): (usize, usize)) -> Self {
        let first = row * self.row_stride + column * self.column_stride;
        Factor {
            values: self.values.get(first..).unwrap_or(&[]),
            rows,
            columns,
            ..self
        }
    }

    /// Whether the values of a column lie together, those of a row apart.
    fn is_transposed(&self) -> bool {
        self.row_stride == 1 && self.column_stride > 1
    }

    /// Whether gemm packs it slowly as it is stored.
    fn is_scattered(&self) -> bool {
        self.is_transposed() && (self.column_stride * size_of::<T>()).is_multiple_of(CONFLICT)
    }

    /// Gives `f` a copy of a transposed one, whose rows lie together.
    fn copied(self, f: impl FnOnce(Factor<'_, T>))
    where
        T: Real,
    {
        let shape = (self.columns, self.rows);
        with_transposed(
            self.values,
            shape,
            self.column_stride,
            |values, row_stride| {
                f(Factor {
                    values,
                    row_stride,
                    column_stride: 1,
                    ..self
                });
            },
        );
    }

    fn fits(&self) -> bool {
        let last = |count: usize, stride: usize| count.saturating_sub(1) * stride;
        self.rows * self.columns == 0
            || last(self.rows, self.row_stride) + last(self.columns, self.column_stride)
                < self.values.len()
    }
}

/// Below this many multiply-adds, handing work to another thread costs more than it saves, and so does a copy of an operand.
const LARGE: usize = 1 << 19;

/// Values that lie a multiple of so many bytes apart share few places of the nearest cache, and drive each other out of it.
const CONFLICT: usize = 1024;

/// How many rows of a, or columns of b, a thread copies at most at a time, so that they are still in its cache when gemm packs them;
/// and how often each has to be used for it, at least, to be worth a copy: gemm reads a few rows of a as they lie.
const WIDEST_A: (usize, usize) = (1024, 128);
const WIDEST_B: (usize, usize) = (256, 1);

/// Terms that are summed before they are added to the output. Up to so many gemm takes in one piece whatever the other sizes,
/// so that a sum's bits do not hang on how the output is divided.
pub(super) const DEPTH: usize = 512;

/// An output of so many values gemm may sum in another order: a part has more.
pub(super) const SUMMED_OTHERWISE: usize = 256;

/// Below this many multiply-adds gemm takes longer to begin than the product does.
const SMALL: usize = 512;

/// Rows or columns of a part are a multiple of this: a vector.
const UNIT: usize = 16;

/// How an output is cut into parts.
struct Cut {
    by_columns: bool,
    /// Whether the operand that is cut with it is copied.
    is_copied: bool,
    parts: usize,
}

impl Cut {
    const NONE: Cut = Cut {
        by_columns: true,
        is_copied: false,
        parts: 1,
    };

    fn of<T>(a: Factor<T>, b: Factor<T>, threads: usize) -> Self {
        let (m, n) = (a.rows, b.columns);
        // gemm packs b, and a where it is transposed: what takes longer to pack is cut, so that no two threads pack the same.
        let by_rows = a.is_transposed() && m >= n / 4 && m >= UNIT * threads;
        let by_columns = n >= UNIT * threads && !by_rows;
        let (side, other, cut) = if by_columns { (n, m, b) } else { (m, n, a) };
        let (widest, copied_above) = if by_columns { WIDEST_B } else { WIDEST_A };
        let least = UNIT + SUMMED_OTHERWISE / other + 1;
        let is_copied = side >= least && other > copied_above && cut.is_scattered();
        let parts = if is_copied {
            threads.max(side.div_ceil(widest))
        } else {
            threads
        };
        Cut {
            by_columns,
            is_copied,
            parts: parts.min(side / least).max(1),
        }
    }
}

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
    if m * n * k < SMALL && m * n <= SUMMED_OTHERWISE {
        small(a, b, accumulate, output);
        return finish(Part {
            first_row: 0,
            first_column: 0,
            rows: m,
            columns: n,
            stride: n,
            start: output.as_mut_ptr(),
            output: PhantomData,
        });
    }
    let Cut {
        by_columns,
        is_copied,
        parts,
    } = if m * n * k < LARGE {
        Cut::NONE
    } else {
        Cut::of(a, b, team.threads())
    };
    let side = if by_columns { n } else { m };
    let border = |part: usize| match part {
        0 => 0,
        _ if part == parts => side,
        _ => side * part / parts / UNIT * UNIT,
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
            let terms = DEPTH.min(k - depth);
            let product = |a: Factor<T>, b: Factor<T>| {
                // SAFETY: `fits` holds every element that the strides reach inside a's and b's slices, of which the part's
                // rows, columns and terms are some; a copy has a row for each of them that it stands for. The output is
                // row-major with exactly m·n elements and borrowed mutably, so it overlaps neither operand, and parts have no
                // row, or no column, in common. T is f32 or f64, which gemm takes.
                unsafe {
                    gemm::gemm(
                        rows,
                        columns,
                        terms,
                        start,
                        1,
                        n as isize,
                        read,
                        a.values.as_ptr(),
                        a.column_stride as isize,
                        a.row_stride as isize,
                        b.values.as_ptr(),
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
            };
            let a = a.part((first_row, rows), (depth, terms));
            let b = b.part((depth, terms), (first_column, columns));
            match (is_copied, by_columns) {
                (true, true) => b.copied(|b| product(a, b)),
                (true, false) => a.copied(|a| product(a, b)),
                _ => product(a, b),
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

/// The same without gemm, each value a sum in rising order.
fn small<T: Real>(a: Factor<T>, b: Factor<T>, accumulate: bool, output: &mut [T]) {
    let (n, k) = (b.columns, a.columns);
    if !accumulate {
        output.fill(T::zero());
    }
    for (i, row) in output.chunks_exact_mut(n).enumerate() {
        if b.column_stride == 1 && n >= 4 {
            for p in 0..k {
                let factor = a.values[i * a.row_stride + p * a.column_stride];
                let of_b = &b.values[p * b.row_stride..][..n];
                for (out, &b) in row.iter_mut().zip(of_b) {
                    *out += factor * b;
                }
            }
        } else {
            for (j, out) in row.iter_mut().enumerate() {
                let (mut of_a, mut of_b) = (i * a.row_stride, j * b.column_stride);
                let mut sum = *out;
                for _ in 0..k {
                    sum += a.values[of_a] * b.values[of_b];
                    of_a += a.column_stride;
                    of_b += b.row_stride;
                }
                *out = sum;
            }
        }
    }
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
    fn a_copied_operand_has_the_bits_of_one_that_is_stored_as_it_is_read() {
        // Strides of the transposed operand that are and are not a power of two; few rows, and more than are copied at a time.
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
