//! Products by plain loops, where these are faster than blocks, and which of both makes one: small ones, and those of a row or a column.

use super::matmul::{Factor, Part};
use super::{Real, blocks, share};

/// Below so many values of b wide vectors, and their fused multiply-adds, take longer to begin than plain loops take for a few rows.
const TINY: usize = 64;

/// Below this many multiply-adds plain loops are over before blocks would have begun.
const SMALL: usize = 512;

/// Up to so many terms a tile takes longer to write than to make.
const FEW_TERMS: usize = 3;

/// Values that plain loops sum up side by side: some vectors.
const SIDE_BY_SIDE: usize = 32;

/// Makes a part. A value's bits hang on the number of columns and of terms, not on how many rows there are.
pub(super) fn product<T: Real>(
    a: Factor<T>,
    b: Factor<T>,
    (is_column, accumulate): (bool, bool),
    output: &mut Part<'_, T>,
) {
    if b.columns * a.columns < TINY {
        plain::<T, false>(a, b, accumulate, output);
    } else if share::are_wide() {
        larger::<T, true>(a, b, (is_column, accumulate), output);
    } else {
        larger::<T, false>(a, b, (is_column, accumulate), output);
    }
}

/// Makes one by vectors.
pub(super) fn larger<T: Real, const FUSED: bool>(
    a: Factor<T>,
    b: Factor<T>,
    (is_column, accumulate): (bool, bool),
    output: &mut Part<'_, T>,
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    if is_column {
        share::wide(
            #[inline(always)]
            || column::<T, FUSED>(a, b, accumulate, output),
        );
    } else if m * n * k < SMALL || (k <= FEW_TERMS && b.column_stride == 1 && !accumulate) {
        share::wide(
            #[inline(always)]
            || plain::<T, FUSED>(a, b, accumulate, output),
        );
    } else if m == 1 && b.column_stride == 1 {
        share::wide(
            #[inline(always)]
            || row::<T, FUSED>(a, b, accumulate, output),
        );
    } else {
        T::product(a, b, accumulate, output);
    }
}

/// A product with one column: each value is several sums side by side, or, where the values of a term lie together, one.
#[inline(always)]
fn column<T: Real, const FUSED: bool>(
    a: Factor<T>,
    b: Factor<T>,
    accumulate: bool,
    output: &mut Part<'_, T>,
) {
    if a.column_stride == 1 && b.row_stride == 1 {
        let b = &b.values[..a.columns];
        for (r, to) in output.rows().enumerate() {
            let sum = dot::<T, FUSED>(&a.values[r * a.row_stride..][..b.len()], b);
            to[0] = if accumulate { to[0] + sum } else { sum };
        }
    } else {
        plain::<T, FUSED>(a, b, accumulate, output);
    }
}

/// Σ a·b
#[inline(always)]
fn dot<T: Real, const FUSED: bool>(a: &[T], b: &[T]) -> T {
    let (of_a, rest_of_a) = a.as_chunks::<SIDE_BY_SIDE>();
    let (of_b, rest_of_b) = b.as_chunks::<SIDE_BY_SIDE>();
    let mut sum = T::zero();
    if !of_a.is_empty() {
        let mut sums = [T::zero(); SIDE_BY_SIDE];
        for (a, b) in of_a.iter().zip(of_b) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum = multiply_add::<T, FUSED>(*a, *b, *sum);
            }
        }
        let mut width = SIDE_BY_SIDE;
        while width > 1 {
            width /= 2;
            let (lower, upper) = sums.split_at_mut(width);
            for (lower, upper) in lower.iter_mut().zip(upper) {
                *lower += *upper;
            }
        }
        sum = sums[0];
    }
    for (a, b) in rest_of_a.iter().zip(rest_of_b) {
        sum = multiply_add::<T, FUSED>(*a, *b, sum);
    }
    sum
}

/// A product with one row, of a b whose rows lie as they are read: each is read once, and not copied.
#[inline(always)]
fn row<T: Real, const FUSED: bool>(
    a: Factor<T>,
    b: Factor<T>,
    accumulate: bool,
    output: &mut Part<'_, T>,
) {
    const BREADTH: usize = 512;
    let (n, k) = (b.columns, a.columns);
    for to in output.rows() {
        for (piece, to) in to.chunks_mut(BREADTH).enumerate() {
            let depth = blocks::depth(k);
            for first in (0..k).step_by(depth) {
                let mut sums = [T::zero(); BREADTH];
                let sums = &mut sums[..to.len()];
                for term in first..k.min(first + depth) {
                    let factor = a.values[term * a.column_stride];
                    let b = &b.values[term * b.row_stride..][..n][piece * BREADTH..];
                    for (sum, b) in sums.iter_mut().zip(b) {
                        *sum = multiply_add::<T, FUSED>(factor, *b, *sum);
                    }
                }
                for (to, sum) in to.iter_mut().zip(sums) {
                    *to = if accumulate || first > 0 {
                        *to + *sum
                    } else {
                        *sum
                    };
                }
            }
        }
    }
}

#[inline(always)]
fn multiply_add<T: Real, const FUSED: bool>(a: T, b: T, sum: T) -> T {
    if FUSED {
        a.mul_add(b, sum)
    } else {
        a * b + sum
    }
}

/// The same by plain loops, each value a sum in rising order, of multiply-adds that are rounded once if they are fused.
#[inline(always)]
pub(super) fn plain<T: Real, const FUSED: bool>(
    a: Factor<T>,
    b: Factor<T>,
    accumulate: bool,
    output: &mut Part<'_, T>,
) {
    let (n, k) = (b.columns, a.columns);
    for (i, row) in output.rows().enumerate() {
        if b.column_stride == 1 && n >= 4 && !accumulate {
            row.fill(T::zero());
            for p in 0..k {
                let factor = a.values[i * a.row_stride + p * a.column_stride];
                let of_b = &b.values[p * b.row_stride..][..n];
                for (to, &b) in row.iter_mut().zip(of_b) {
                    *to = multiply_add::<T, FUSED>(factor, b, *to);
                }
            }
            continue;
        }
        for (j, to) in row.iter_mut().enumerate() {
            let (mut of_a, mut of_b) = (i * a.row_stride, j * b.column_stride);
            let mut sum = T::zero();
            for _ in 0..k {
                sum = multiply_add::<T, FUSED>(a.values[of_a], b.values[of_b], sum);
                of_a += a.column_stride;
                of_b += b.row_stride;
            }
            *to = if accumulate { *to + sum } else { sum };
        }
    }
}
