use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use pulp::{Simd, WithSimd};

use super::Real;
use super::blocks::{DEPTH, NEAR, soon};
use super::matmul::{Factor, LARGE};
use super::panels::{self, packed_len};
use super::team::{ALONE, Team};

/// aᵀ·b of each of some parts of the rows, summed up along the binary tree over the parts: a`[rows, m]`, b`[rows, n]`, the output
/// `[m, n]`. The bits of a part's product do not hang on which others there are.
pub struct TreeProduct<'a, T> {
    pub(super) a: &'a [T],
    pub(super) m: usize,
    pub(super) b: &'a [T],
    pub(super) n: usize,
    /// Rows of each part.
    pub(super) parts: &'a [usize],
}

/// A sum along the tree has no more open parts than its height.
const LEVELS: usize = 24;

/// Rows of the output that a thread takes are a multiple of this: of what each kernel makes at a time.
const UNIT: usize = 24;

impl<T: Real> TreeProduct<'_, T> {
    /// Some columns of an operand, as rows: the first of them, and how many.
    #[inline(always)]
    fn lines<'b>(
        &self,
        (values, stride): (&'b [T], usize),
        (first, count): (usize, usize),
    ) -> Factor<'b, T> {
        Factor {
            values: values.get(first..).unwrap_or(&[]),
            rows: count,
            columns: self.parts.iter().sum(),
            row_stride: 1,
            column_stride: stride,
        }
    }

    /// Whether two parts are summed up once there are `open` sums, the last of which ends with part `part`: as often as this says.
    pub(super) fn merges(&self, part: usize, open: usize) -> usize {
        if part + 1 == self.parts.len() {
            open
        } else {
            part.trailing_ones() as usize
        }
    }

    /// Runs `make` on rows of the output, with the number of the first. Returns whether it always says so.
    pub(super) fn shared(
        &self,
        output: &mut [T],
        team: &Team,
        make: impl Fn(&Self, usize, &mut [T]) -> bool + Sync,
    ) -> bool {
        let rows: usize = self.parts.iter().sum();
        assert!(
            self.a.len() == rows * self.m
                && self.b.len() == rows * self.n
                && output.len() == self.m * self.n,
            "the shapes of a product"
        );
        if output.is_empty() {
            return true;
        }
        let team = if output.len() * rows < LARGE {
            &ALONE
        } else {
            team
        };
        let height = self.m.div_ceil(team.threads());
        let height = height.next_multiple_of(UNIT);
        if height >= self.m {
            return make(self, 0, output);
        }
        let always = AtomicBool::new(true);
        team.pieces(output, height * self.n, |band, output| {
            if !make(self, band * height, output) {
                always.store(false, Relaxed);
            }
        });
        always.into_inner()
    }

    /// The product by plain loops. Returns whether it is finite.
    pub(super) fn plain(&self, first: usize, output: &mut [T]) -> bool {
        for (at, output) in output.iter_mut().enumerate() {
            let (row, column) = (first + at / self.n, at % self.n);
            let (mut start, mut open) = (0, Vec::with_capacity(LEVELS));
            for (part, &rows) in self.parts.iter().enumerate() {
                let mut sum = T::zero();
                for r in start..start + rows {
                    sum = self.a[r * self.m + row].mul_add(self.b[r * self.n + column], sum);
                }
                start += rows;
                for _ in 0..self.merges(part, open.len()) {
                    sum = open.pop().unwrap_or_else(T::zero) + sum;
                }
                open.push(sum);
            }
            *output = open.pop().unwrap_or_else(T::zero);
        }
        output.iter().all(|value| value.single().is_finite())
    }
}

impl TreeProduct<'_, f32> {
    /// The product by the widest vectors that there are. Returns whether it is finite.
    pub(super) fn wide(&self, first: usize, output: &mut [f32]) -> bool {
        pulp::Arch::new().dispatch(Wide {
            product: self,
            first,
            output,
        })
    }
}

struct Wide<'a, 'b> {
    product: &'a TreeProduct<'b, f32>,
    first: usize,
    output: &'a mut [f32],
}

impl WithSimd for Wide<'_, '_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        if S::REGISTER_COUNT < 32 {
            band::<S, 6, 2>(simd, self)
        } else {
            band::<S, 8, 3>(simd, self)
        }
    }
}

/// Values of some rows and columns of the output, in registers: H rows of W vectors.
type Tile<S, const H: usize, const W: usize> = [[<S as Simd>::f32s; W]; H];

/// What begins with a line of the cache, so that no vector lies in two of them.
#[repr(align(64))]
struct OfLine<T>(T);

/// Some parts whose sums are one when the last of them is made.
struct Block {
    parts: Range<usize>,
    /// Rows before them, and theirs.
    first: usize,
    rows: usize,
}

/// The halves of the tree, one after the other, where there are so many rows that panels of all would not stay in a core's first cache.
fn blocks(parts: &[usize]) -> impl Iterator<Item = Block> {
    let all: usize = parts.iter().sum();
    let half = match parts.len() {
        2.. if all > DEPTH => 1 << (parts.len() - 1).ilog2(),
        _ => 0,
    };
    let of = move |range: Range<usize>| Block {
        first: parts[..range.start].iter().sum(),
        rows: parts[range.clone()].iter().sum::<usize>(),
        parts: range,
    };
    let halves = [0..half, half..parts.len()];
    halves.into_iter().filter(|half| !half.is_empty()).map(of)
}

#[inline(always)]
fn band<S: Simd, const H: usize, const W: usize>(simd: S, band: Wide<'_, '_>) -> bool {
    let Wide {
        product,
        first,
        output,
    } = band;
    let (n, width) = (product.n, W * S::F32_LANES);
    let rows: usize = product.parts.iter().sum();
    let height = output.len() / n;
    let [mut of_a, mut of_b] = panels::memory();
    let whole = n / width * width;
    let a = panels::room(&mut of_a, packed_len(height, rows, H));
    let columns_of_a = product.lines((product.a, product.m), (first, height));
    panels::pack(H, columns_of_a, a);
    let mut finite = true;
    for block in blocks(product.parts) {
        let rows = block.rows.max(1);
        let at_a_time = (NEAR / (width * rows)).clamp(1, (n / width).max(1));
        let mut panels = Panels {
            product,
            block,
            a,
            b: panels::room(&mut of_b, packed_len(at_a_time * width, rows, width)),
            output,
        };
        for left in (0..whole).step_by(at_a_time * width) {
            let right = whole.min(left + at_a_time * width);
            finite &= panels.make::<S, H, W>(simd, left..right);
        }
        // What is left takes as few vectors as it needs.
        finite &= match (n - whole).div_ceil(S::F32_LANES) {
            0 => true,
            1 => panels.make::<S, H, 1>(simd, whole..n),
            2 => panels.make::<S, H, 2>(simd, whole..n),
            _ => panels.make::<S, H, W>(simd, whole..n),
        };
    }
    panels::keep([of_a, of_b]);
    finite
}

/// A product, with memory for columns of b.
struct Panels<'a, 'b> {
    product: &'a TreeProduct<'b, f32>,
    block: Block,
    a: &'a [f32],
    b: &'a mut [f32],
    output: &'a mut [f32],
}

impl Panels<'_, '_> {
    /// Makes some columns of the output, panels of W vectors, of which the last may be narrower. Returns whether they are finite.
    #[inline(always)]
    fn make<S: Simd, const H: usize, const W: usize>(
        &mut self,
        simd: S,
        columns: Range<usize>,
    ) -> bool {
        let (product, n, width) = (self.product, self.product.n, W * S::F32_LANES);
        let all: usize = product.parts.iter().sum();
        let Block { first, rows, .. } = self.block;
        if all == 0 {
            self.output.fill(0.0);
            return true;
        }
        let size = width * rows;
        let of_b = Factor {
            columns: rows,
            ..product.lines((&product.b[first * n..], n), (columns.start, columns.len()))
        };
        panels::pack(width, of_b, self.b);
        let b = &self.b[..columns.len().div_ceil(width) * size];
        let mut open = OfLine([[[simd.splat_f32s(0.0); W]; H]; LEVELS]);
        let mut zeros = simd.splat_f32s(0.0);
        for (a, output) in self
            .a
            .chunks_exact(H * all)
            .zip(self.output.chunks_mut(H * n))
        {
            let a = &a.as_chunks::<H>().0[first..first + rows];
            for (at, left) in columns.clone().step_by(width).enumerate() {
                let panel = S::as_simd_f32s(&b[at * size..][..size])
                    .0
                    .as_chunks::<W>()
                    .0;
                let (parts, output) = (self.block.parts.clone(), (&mut *output, left));
                let of_tile = tile(simd, (a, panel), (product, parts), &mut open.0, output);
                zeros = simd.add_f32s(zeros, of_tile);
            }
        }
        simd.reduce_sum_f32s(zeros) == 0.0
    }
}

/// Makes a tile of the output, whose rows and columns begin as `output` says. Returns zeros, as long as all of it is finite: the sum of
/// its values times zero.
#[inline(always)]
fn tile<S: Simd, const H: usize, const W: usize>(
    simd: S,
    (mut a, mut b): (&[[f32; H]], &[[S::f32s; W]]),
    (product, parts): (&TreeProduct<'_, f32>, Range<usize>),
    open: &mut [Tile<S, H, W>; LEVELS],
    (output, left): (&mut [f32], usize),
) -> S::f32s {
    let w = (W * S::F32_LANES).min(product.n - left);
    let mut count = 0;
    if parts.start > 0 {
        // The sum of the parts before is there.
        for (row, values) in output.chunks_exact(product.n).zip(&mut open[0]) {
            let row = &row[left..left + w];
            if w == W * S::F32_LANES {
                for (value, row) in values.iter_mut().zip(S::as_simd_f32s(row).0) {
                    *value = *row;
                }
            } else {
                let values: &mut [f32] = bytemuck::cast_slice_mut(values);
                values[..w].copy_from_slice(row);
            }
        }
        count = 1;
    } else {
        for row in output.chunks_exact(product.n) {
            soon(&row[left..left + w]);
        }
    }
    for (part, &rows) in parts.clone().zip(&product.parts[parts]) {
        let (of_part, rest) = a.split_at(rows);
        let (others, others_rest) = b.split_at(rows);
        (a, b) = (rest, others_rest);
        let left_open = count - product.merges(part, count);
        multiply::<S, H, W>(simd, of_part, others, &mut open[left_open..=count]);
        count = left_open + 1;
    }
    let zero = simd.splat_f32s(0.0);
    let mut zeros = zero;
    for (row, values) in output.chunks_exact_mut(product.n).zip(&open[0]) {
        for value in values {
            zeros = simd.mul_add_f32s(*value, zero, zeros);
        }
        let to = &mut row[left..left + w];
        if w == W * S::F32_LANES {
            for (to, value) in S::as_mut_simd_f32s(to).0.iter_mut().zip(values) {
                *to = *value;
            }
        } else {
            let values: &[f32] = bytemuck::cast_slice(values);
            to.copy_from_slice(&values[..w]);
        }
    }
    zeros
}

/// Puts one part's product, with all sums but the last of `open` added to it from the last to the first, in the place of the first.
/// What it sums up has constant indices: so it stays in registers.
#[inline(always)]
fn multiply<S: Simd, const H: usize, const W: usize>(
    simd: S,
    a: &[[f32; H]],
    b: &[[S::f32s; W]],
    open: &mut [Tile<S, H, W>],
) {
    let mut sum = [[simd.splat_f32s(0.0); W]; H];
    macro_rules! rows {
        ($($i:literal)*) => {
            macro_rules! add_rows {
                ($a:expr, $b:expr) => {
                    for (a, b) in $a.iter().zip($b) {
                        $(if $i < H {
                            let x = simd.splat_f32s(a[$i]);
                            sum[$i][0] = simd.mul_add_f32s(x, b[0], sum[$i][0]);
                            if W > 1 {
                                sum[$i][1] = simd.mul_add_f32s(x, b[1], sum[$i][1]);
                            }
                            if W > 2 {
                                sum[$i][2] = simd.mul_add_f32s(x, b[2], sum[$i][2]);
                            }
                        })*
                    }
                };
            }
            // Four rows at a time are written out: the end of a part's few turns is foreseen then.
            let (fours_of_a, a) = a.as_chunks::<4>();
            let (fours_of_b, b) = b.as_chunks::<4>();
            for (a, b) in fours_of_a.iter().zip(fours_of_b) {
                add_rows!(a, b);
            }
            add_rows!(a, b);
            let [lower @ .., _] = &open else { return };
            for lower in lower.iter().rev() {
                $(if $i < H {
                    sum[$i][0] = simd.add_f32s(lower[$i][0], sum[$i][0]);
                    if W > 1 {
                        sum[$i][1] = simd.add_f32s(lower[$i][1], sum[$i][1]);
                    }
                    if W > 2 {
                        sum[$i][2] = simd.add_f32s(lower[$i][2], sum[$i][2]);
                    }
                })*
            }
            let [output, ..] = open else { return };
            $(if $i < H {
                output[$i][0] = sum[$i][0];
                if W > 1 {
                    output[$i][1] = sum[$i][1];
                }
                if W > 2 {
                    output[$i][2] = sum[$i][2];
                }
            })*
        };
    }
    rows!(0 1 2 3 4 5 6 7);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tree_sums::tree_sums;
    use super::*;

    fn draw(len: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        std::iter::repeat_with(next).take(len).collect()
    }

    #[test]
    fn products_that_are_made_in_pieces_have_the_same_bits() {
        // So many rows that memory takes one panel at a time, and that the halves of the tree are summed up one after the other.
        for parts in [
            &[1000, 700, 600][..],
            &[450, 1],
            &[1, 450],
            &[100; 5],
            &[30; 16],
            &[7; 100],
        ] {
            let (m, n, rows) = (9, 61, parts.iter().sum::<usize>());
            let (a, b) = (draw(rows * m, 5), draw(rows * n, 6));
            let product = TreeProduct {
                a: &a,
                m,
                b: &b,
                n,
                parts,
            };
            let (mut expected, mut found) = (vec![0.0; m * n], vec![f32::NAN; m * n]);
            assert!(product.plain(0, &mut expected) && product.wide(0, &mut found));
            assert_eq!(found, expected, "{parts:?}");
        }
    }

    #[test]
    fn a_product_that_is_not_finite_is_told_of() {
        // Tiles of whole and of part vectors, and rows that are no multiple of a tile's.
        let (m, n, parts) = (50, 61, [3, 2]);
        let (mut a, b) = (draw(5 * m, 7), vec![1.0; 5 * n]);
        for place in 0..a.len() {
            for large in [f32::NAN, f32::INFINITY, f32::MAX] {
                let before = a[place];
                a[place] = large;
                let product = TreeProduct {
                    a: &a,
                    m,
                    b: &b,
                    n,
                    parts: &parts,
                };
                let mut output = vec![0.0; m * n];
                let finite = product.wide(0, &mut output);
                assert_eq!(finite, output.iter().all(|value| value.is_finite()));
                assert_eq!(finite, large == f32::MAX);
                a[place] = before;
            }
        }
    }

    proptest! {
        #[test]
        fn the_bits_are_those_of_plain_loops(
            m in 1_usize..300, n in 1_usize..120, parts in proptest::collection::vec(1_usize..9, 1..18), threads in 1_usize..4,
        ) {
            let rows: usize = parts.iter().sum();
            let (a, b) = (draw(rows * m, 1), draw(rows * n, 2));
            let product = TreeProduct { a: &a, m, b: &b, n, parts: &parts };
            let mut expected = vec![0.0; m * n];
            product.plain(0, &mut expected);
            let mut found = vec![f32::NAN; m * n];
            let height = m.div_ceil(threads);
            for (band, found) in found.chunks_mut(height * n).enumerate() {
                prop_assert!(product.wide(band * height, found));
            }
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn parts_have_the_same_bits_whoever_is_there(parts in proptest::collection::vec(1_usize..9, 8), level in 0_u32..4) {
            // Eight parts at once, or in aligned groups whose sums are added up along the tree.
            let (m, n) = (13, 30);
            let rows: usize = parts.iter().sum();
            let (a, b) = (draw(rows * m, 3), draw(rows * n, 4));
            let whole = |first: usize, parts: &[usize]| {
                let rows: usize = parts.iter().sum();
                let (a, b) = (&a[first * m..][..rows * m], &b[first * n..][..rows * n]);
                let (mut output, mut sums) = (vec![0.0; m * n], vec![0.0; m]);
                TreeProduct { a, m, b, n, parts }.wide(0, &mut output);
                tree_sums(a, parts, &mut sums);
                output.extend(sums);
                output
            };
            let (mut first, mut sums) = (0, Vec::new());
            for group in parts.chunks(1 << level) {
                sums.push(whole(first, group));
                first += group.iter().sum::<usize>();
            }
            while sums.len() > 1 {
                let pairs = sums.chunks(2).map(|pair| pair[0].iter().zip(&pair[1]).map(|(a, b)| a + b).collect());
                sums = pairs.collect();
            }
            prop_assert_eq!(&sums[0], &whole(0, &parts));
        }
    }
}
