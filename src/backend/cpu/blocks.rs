//! Products of f32 by vectors: a block of each operand in the caches at a time, packed into panels, and a tile of the output in
//! registers (K. Goto and R. van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008). Each value of the output is a
//! sum over blocks of terms, each summed in rising order by multiply-adds, which are fused where there are wide vectors: its bits
//! hang on the number of terms alone.

use pulp::{Simd, WithSimd};

use super::matmul::{Factor, Part};
use super::panels::{self, packed_len};

/// Terms of a block at most: panels of so many stay in a core's first cache while a tile is made.
pub(super) const DEPTH: usize = 400;

/// Values of b that are packed at a time: a part of a core's second cache, where they stay while all rows of a pass by.
pub(super) const NEAR: usize = 48 * 1024;

/// Rows of a that are packed at a time.
const HEIGHT: usize = 2304;

/// Values of a line of the cache.
const LINE: usize = 16;

/// Terms from which on rows of a that are read as they lie are fetched ahead. Of fewer, the caches have most.
const FAR: usize = 256;

/// Columns from which on rows of a are packed. Below, fewer tiles read a value than it costs to move it.
const PACKED_FROM_COLUMNS: usize = 200;

/// Rows from which on b is packed where its rows lie as they are read.
const PACKED_FROM_ROWS: usize = 65;

/// How many terms each block has of so many.
pub(super) fn depth(terms: usize) -> usize {
    terms.div_ceil(terms.div_ceil(DEPTH).max(1)).max(1)
}

/// output = a·b, or += a·b, by the widest vectors that there are.
pub(super) fn product(
    a: Factor<'_, f32>,
    b: Factor<'_, f32>,
    accumulate: bool,
    output: &mut Part<'_, f32>,
) {
    pulp::Arch::new().dispatch(Wide {
        a,
        b,
        accumulate,
        output,
    });
}

struct Wide<'a, 'b, 'c> {
    a: Factor<'a, f32>,
    b: Factor<'b, f32>,
    accumulate: bool,
    output: &'a mut Part<'c, f32>,
}

impl WithSimd for Wide<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::REGISTER_COUNT < 32 {
            self.make::<S, 6, 2>(simd);
        } else {
            self.make::<S, 8, 3>(simd);
        }
    }
}

impl Wide<'_, '_, '_> {
    /// In tiles of H rows and W vectors.
    #[inline(always)]
    fn make<S: Simd, const H: usize, const W: usize>(self, simd: S) {
        let Wide {
            a,
            b,
            accumulate,
            output,
        } = self;
        let (m, n, k, width) = (a.rows, b.columns, a.columns, W * S::F32_LANES);
        let depth = depth(k);
        let is_a_packed = n >= PACKED_FROM_COLUMNS;
        // Long rows that are read as they lie may have been written by another thread, and nobody has fetched them yet.
        let is_a_far = !is_a_packed && a.column_stride == 1 && depth >= FAR;
        let is_b_packed = m >= PACKED_FROM_ROWS || b.column_stride != 1;
        let breadth = (NEAR / depth / width).max(1) * width;
        let [mut of_a, mut of_b] = panels::memory();
        let height = if is_a_packed { m.min(HEIGHT) } else { 0 };
        let panels_of_a = panels::room(&mut of_a, packed_len(height, depth, H));
        let panels_of_b = panels::room(&mut of_b, packed_len(n.min(breadth), depth, width));
        // A product of no terms is zero.
        for skipped in (0..k.max(1)).step_by(depth) {
            let terms = depth.min(k - skipped);
            let accumulate = accumulate || skipped > 0;
            for top in (0..m).step_by(HEIGHT) {
                let rows = HEIGHT.min(m - top);
                let a = a.part((top, rows), (skipped, terms));
                if is_a_packed {
                    panels::pack(H, a, panels_of_a);
                }
                for left in (0..n).step_by(breadth) {
                    let columns = breadth.min(n - left);
                    let b = b.part((skipped, terms), (left, columns));
                    // A tile's columns are read as whole vectors: so the last tile's lie as they are read if they are whole ones.
                    let as_it_lies = if is_b_packed {
                        0
                    } else if columns.is_multiple_of(S::F32_LANES) {
                        columns
                    } else {
                        columns / width * width
                    };
                    let rest = b.part((0, terms), (as_it_lies, columns - as_it_lies));
                    let packed = &mut panels_of_b[as_it_lies * terms..];
                    panels::pack(width, rest.transposed(), packed);
                    for row in (0..rows).step_by(H) {
                        let height = H.min(rows - row);
                        let of_a = if is_a_packed {
                            (&panels_of_a[row * terms..], [1, H])
                        } else {
                            let a = a.part((row, height), (0, terms));
                            (a.values, [a.row_stride, a.column_stride])
                        };
                        for column in (0..columns).step_by(width) {
                            let of_b = if column < as_it_lies {
                                (&b.values[column..], b.row_stride)
                            } else {
                                (&panels_of_b[column * terms..], width)
                            };
                            let columns = width.min(columns - column);
                            let place = [(top + row, height), (left + column, columns)];
                            let to = output.part(place[0], place[1]);
                            let operands = Operands {
                                terms,
                                a: of_a.0,
                                a_strides: of_a.1,
                                b: of_b.0,
                                b_stride: of_b.1,
                            };
                            let is_whole = height == H && columns == width;
                            if is_whole && is_a_packed && of_b.1 == width {
                                tile::<S, H, W, true, false>(simd, operands, accumulate, to);
                            } else if is_whole && is_a_far && column == 0 {
                                tile::<S, H, W, false, true>(simd, operands, accumulate, to);
                            } else {
                                border::<S, H, W>(simd, operands, accumulate, to);
                            }
                        }
                    }
                }
            }
        }
        panels::keep([of_a, of_b]);
    }
}

/// What a tile is made of: its rows of a and its columns of b, and how far apart the values of both lie.
#[derive(Clone, Copy)]
struct Operands<'a> {
    terms: usize,
    a: &'a [f32],
    /// From row to row, and from term to term.
    a_strides: [usize; 2],
    b: &'a [f32],
    /// From term to term.
    b_stride: usize,
}

/// A tile that has fewer rows or columns than others, or is made of operands as they lie.
#[inline(always)]
fn border<S: Simd, const H: usize, const W: usize>(
    simd: S,
    operands: Operands<'_>,
    accumulate: bool,
    output: Part<'_, f32>,
) {
    macro_rules! of {
        ($($rows:literal)*) => {
            match output.rows {
                $($rows => if output.columns <= S::F32_LANES {
                    tile::<S, $rows, 1, false, false>(simd, operands, accumulate, output);
                } else if output.columns <= 2 * S::F32_LANES {
                    tile::<S, $rows, 2, false, false>(simd, operands, accumulate, output);
                } else {
                    tile::<S, $rows, W, false, false>(simd, operands, accumulate, output);
                },)*
                _ => tile::<S, H, W, false, false>(simd, operands, accumulate, output),
            }
        };
    }
    of!(1 2 3 4 5 6 7 8);
}

/// Makes H rows of at most W vectors. Of packed operands the strides are known here: so their values have constant places beside a
/// pointer or two. What is summed up has constant indices: so it stays in registers. One that fetches lets the cache fetch the next
/// tile's rows of a meanwhile.
#[inline(always)]
fn tile<S: Simd, const H: usize, const W: usize, const PACKED: bool, const FETCHES: bool>(
    simd: S,
    operands: Operands<'_>,
    accumulate: bool,
    mut output: Part<'_, f32>,
) {
    let width = W * S::F32_LANES;
    let Operands { terms, a, b, .. } = operands;
    let ([row_stride, term_stride], b_stride) = if PACKED {
        ([1, H], width)
    } else {
        (operands.a_strides, operands.b_stride)
    };
    assert!(
        output.rows == H && output.columns <= width,
        "the shape of a tile"
    );
    let last = terms.saturating_sub(1);
    assert!(
        terms == 0
            || (last * term_stride + (H - 1) * row_stride < a.len()
                && last * b_stride + width <= b.len()),
        "the operands of a tile"
    );
    for row in output.rows() {
        soon(row);
    }
    let mut sum = [[simd.splat_f32s(0.0); W]; H];
    macro_rules! rows {
        ($($i:literal)*) => {
            let (mut of_a, mut of_b) = (a.as_ptr(), b.as_ptr());
            macro_rules! add_term {
                () => {
                    // SAFETY: this is done for each of the terms, and then of_a and of_b have moved on by as many strides: so it
                    // reads H values of a and W vectors of b that lie inside, as was made sure above. Any f32 is a part of a vector.
                    let b = unsafe { of_b.cast::<[S::f32s; W]>().read_unaligned() };
                    $(if $i < H {
                        // SAFETY: as above.
                        let x = simd.splat_f32s(unsafe { *of_a.add($i * row_stride) });
                        sum[$i][0] = simd.mul_add_e_f32s(x, b[0], sum[$i][0]);
                        if W > 1 {
                            sum[$i][1] = simd.mul_add_e_f32s(x, b[1], sum[$i][1]);
                        }
                        if W > 2 {
                            sum[$i][2] = simd.mul_add_e_f32s(x, b[2], sum[$i][2]);
                        }
                    })*
                    of_a = of_a.wrapping_add(term_stride);
                    of_b = of_b.wrapping_add(b_stride);
                };
            }
            macro_rules! add_four_terms {
                () => {
                    add_term!();
                    add_term!();
                    add_term!();
                    add_term!();
                };
            }
            let alone = if FETCHES {
                for _ in 0..terms / LINE {
                    $(if $i < H {
                        fetch(of_a.wrapping_add((H + $i) * row_stride));
                    })*
                    for _ in 0..LINE / 4 {
                        add_four_terms!();
                    }
                }
                terms % LINE
            } else {
                for _ in 0..terms / 4 {
                    add_four_terms!();
                }
                terms % 4
            };
            for _ in 0..alone {
                add_term!();
            }
            let mut rows = output.rows();
            $(if $i < H && let Some(row) = rows.next() {
                // By constant indices alone, and not as a whole.
                let mut values = [sum[$i][0]; W];
                if W > 1 {
                    values[1] = sum[$i][1];
                }
                if W > 2 {
                    values[2] = sum[$i][2];
                }
                write::<S, W>(simd, values, accumulate, row);
            })*
        };
    }
    rows!(0 1 2 3 4 5 6 7);
}

/// Puts values in the place of a row's, or adds them to these.
#[inline(always)]
fn write<S: Simd, const W: usize>(
    simd: S,
    values: [S::f32s; W],
    accumulate: bool,
    row: &mut [f32],
) {
    if row.len() == W * S::F32_LANES {
        for (to, value) in S::as_mut_simd_f32s(row).0.iter_mut().zip(values) {
            *to = if accumulate {
                simd.add_f32s(*to, value)
            } else {
                value
            };
        }
    } else {
        let values: &[f32] = bytemuck::cast_slice(&values);
        for (to, value) in row.iter_mut().zip(values) {
            *to = if accumulate { *to + value } else { *value };
        }
    }
}

/// Lets the cache fetch a row, so that it is there once its sums are: a value of each of its lines.
#[inline(always)]
pub(super) fn soon(row: &[f32]) {
    for value in row.iter().step_by(LINE).chain(row.last()) {
        fetch(value);
    }
}

/// Lets the cache fetch the line of a value, if there is one.
#[inline(always)]
fn fetch(value: *const f32) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: all x86-64 has the instruction, and it does nothing that a program could see, wherever it points to.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(value.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::loops::plain;
    use super::super::matmul::tests::{stored, whole};
    use super::super::wide;
    use super::*;

    /// Values with sums that are rounded.
    fn values(len: usize, seed: usize) -> Vec<f32> {
        let value = |i: usize| (((i * 37 + seed) % 101) as f32).sqrt() - 5.0;
        (0..len).map(value).collect()
    }

    /// By plain loops, block by block of the terms.
    fn reference(a: Factor<'_, f32>, b: Factor<'_, f32>, accumulate: bool, output: &mut [f32]) {
        let depth = depth(a.columns);
        let mut block = vec![0.0; output.len()];
        for first in (0..a.columns).step_by(depth) {
            let terms = depth.min(a.columns - first);
            let a = a.part((0, a.rows), (first, terms));
            let b = b.part((first, terms), (0, b.columns));
            wide(
                #[inline(always)]
                || plain::<f32, true>(a, b, false, &mut whole(&mut block, a.rows)),
            );
            for (to, value) in output.iter_mut().zip(&block) {
                *to = if accumulate || first > 0 {
                    *to + value
                } else {
                    *value
                };
            }
        }
    }

    fn has_the_bits_of_plain_loops([m, n, k]: [usize; 3], [ta, tb, accumulate]: [bool; 3]) {
        let (va, vb) = (values(m * k, 1), values(k * n, 2));
        let (a, b) = (stored(&va, m, k, ta), stored(&vb, k, n, tb));
        let mut found = values(m * n, 3);
        let mut expected = found.clone();
        product(a, b, accumulate, &mut whole(&mut found, m));
        reference(a, b, accumulate, &mut expected);
        assert!(found == expected, "{m} {n} {k} {ta} {tb} {accumulate}");
    }

    proptest! {
        #[test]
        fn a_product_has_the_bits_of_plain_loops(
            m in 1_usize..90, n in 1_usize..260, k in 1_usize..900, ta: bool, tb: bool, accumulate: bool,
        ) {
            has_the_bits_of_plain_loops([m, n, k], [ta, tb, accumulate]);
        }
    }

    #[test]
    fn a_product_of_several_blocks_has_the_bits_of_plain_loops() {
        for stored in [
            [false, true, false],
            [true, false, false],
            [false, false, true],
        ] {
            has_the_bits_of_plain_loops([HEIGHT + 7, 201, 3], stored);
            has_the_bits_of_plain_loops([70, 2 * NEAR / 300 + 5, 301], stored);
        }
    }

    #[test]
    fn an_operand_shorter_than_its_shape_is_refused_before_any_pointer_is_read() {
        // Operands that are read as they lie: one too few of a's values, or of b's.
        let (va, vb) = (values(40 * 30, 1), values(30 * 48, 2));
        for [len_a, len_b] in [[40 * 30 - 1, 30 * 48], [40 * 30, 30 * 48 - 1]] {
            let a = Factor {
                values: &va[..len_a],
                ..stored(&va, 40, 30, false)
            };
            let b = Factor {
                values: &vb[..len_b],
                ..stored(&vb, 30, 48, false)
            };
            let mut output = vec![0.0; 40 * 48];
            let made = || product(a, b, false, &mut whole(&mut output, 40));
            let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(made));
            let message = refused.expect_err("it is refused");
            let message = message.downcast_ref::<&str>();
            assert_eq!(message, Some(&"the operands of a tile"));
        }
    }
}
