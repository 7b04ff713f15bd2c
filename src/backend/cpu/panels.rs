//! Operands of products as kernels read them: in panels of a few rows of a, or columns of b, term by term, the values of a term side
//! by side. What a panel has no row or column for is zero.

use std::cell::Cell;

use bytemuck::Zeroable;

use super::matmul::Factor;

/// Rows and columns that are turned at a time.
const SIDE: usize = 8;

/// Values behind a panel's own that packing may write to.
pub(super) const SLACK: usize = SIDE;

/// Panels that are packed at a time where a term's values lie together, so many that they are several whole lines of the cache.
const PANELS: usize = 16;

/// How many values so many lines are in panels of `breadth`, with what packing needs beside them.
pub(super) fn packed_len(count: usize, terms: usize, breadth: usize) -> usize {
    count.next_multiple_of(breadth) * terms + SLACK
}

/// Packs lines, which are rows of a or columns of b, and given as rows, into panels of `breadth`, one after the other. Runs by the vectors of the caller, in which it is inlined.
#[inline(always)]
pub(super) fn pack(breadth: usize, lines: Factor<'_, f32>, to: &mut [f32]) {
    if lines.row_stride == 1 {
        by_terms(breadth, lines, to);
    } else {
        by_lines(breadth, lines, to);
    }
}

/// Where the values of a term lie together.
#[inline(always)]
fn by_terms(breadth: usize, lines: Factor<'_, f32>, to: &mut [f32]) {
    let size = breadth * lines.columns.max(1);
    let to = &mut to[..lines.rows.next_multiple_of(breadth) * lines.columns];
    for (group, panels) in to.chunks_mut(PANELS * size).enumerate() {
        for term in 0..lines.columns {
            let values = &lines.values[term * lines.column_stride..][..lines.rows];
            for (panel, to) in panels.chunks_exact_mut(size).enumerate() {
                let first = (PANELS * group + panel) * breadth;
                let to = &mut to[term * breadth..][..breadth];
                if let Some(values) = values.get(first..first + breadth) {
                    to.copy_from_slice(values);
                } else {
                    let (there, beyond) = to.split_at_mut(lines.rows - first);
                    there.copy_from_slice(&values[first..]);
                    beyond.fill(0.0);
                }
            }
        }
    }
}

/// Where the terms of a line lie together: some lines and terms at a time are turned. A turned row may have more values than its
/// panel has room for; they lie where what comes later is written.
#[inline(always)]
fn by_lines(breadth: usize, lines: Factor<'_, f32>, to: &mut [f32]) {
    let turn = Turn::new();
    for first in (0..lines.rows).step_by(breadth) {
        let to = &mut to[first * lines.columns..][..breadth * lines.columns + SLACK];
        // From the last, so that the values that it has too many are written over by the first.
        for skipped in (0..breadth).step_by(SIDE).rev() {
            let begin = first + skipped;
            let count = SIDE
                .min(breadth - skipped)
                .min(lines.rows.saturating_sub(begin));
            // Squares have loops of their own, where a row is a vector: together with what is left of a line it is a call for each.
            let whole = lines.columns / SIDE * SIDE;
            for term in (0..whole).step_by(SIDE) {
                let mut rows = [[0.0; SIDE]; SIDE];
                for (line, row) in (begin..begin + count).zip(&mut rows) {
                    row.copy_from_slice(&lines.values[line * lines.row_stride + term..][..SIDE]);
                }
                turn.write(rows, &mut to[term * breadth + skipped..], (breadth, SIDE));
            }
            let left = lines.columns - whole;
            if left > 0 {
                let mut rows = [[0.0; SIDE]; SIDE];
                for (line, row) in (begin..begin + count).zip(&mut rows) {
                    let values = &lines.values[line * lines.row_stride + whole..][..left];
                    row[..left].copy_from_slice(values);
                }
                turn.write(rows, &mut to[whole * breadth + skipped..], (breadth, left));
            }
        }
    }
}

/// The vectors that turn a square of values about.
#[derive(Clone, Copy)]
struct Turn {
    #[cfg(target_arch = "x86_64")]
    v3: Option<pulp::x86::V3>,
}

impl Turn {
    #[inline(always)]
    fn new() -> Self {
        Turn {
            #[cfg(target_arch = "x86_64")]
            v3: pulp::x86::V3::try_new(),
        }
    }

    /// Writes some of its columns, so far apart.
    #[inline(always)]
    fn write(self, rows: [[f32; SIDE]; SIDE], to: &mut [f32], (apart, count): (usize, usize)) {
        for (at, column) in self.turned(rows)[..count].iter().enumerate() {
            to[at * apart..][..SIDE].copy_from_slice(column);
        }
    }

    /// Its columns.
    #[inline(always)]
    fn turned(self, rows: [[f32; SIDE]; SIDE]) -> [[f32; SIDE]; SIDE] {
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = self.v3 {
            return by_v3(v3, rows);
        }
        let mut columns = [[0.0; SIDE]; SIDE];
        for (r, row) in rows.iter().enumerate() {
            for (column, value) in columns.iter_mut().zip(row) {
                column[r] = *value;
            }
        }
        columns
    }
}

/// Pairs of rows value by value, pairs of those, and the halves of vectors last.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn by_v3(v3: pulp::x86::V3, rows: [[f32; SIDE]; SIDE]) -> [[f32; SIDE]; SIDE] {
    let avx = v3.avx;
    let r: [std::arch::x86_64::__m256; SIDE] = pulp::cast(rows);
    let low = |i: usize| avx._mm256_unpacklo_ps(r[i], r[i + 1]);
    let high = |i: usize| avx._mm256_unpackhi_ps(r[i], r[i + 1]);
    let pairs = [
        low(0),
        high(0),
        low(2),
        high(2),
        low(4),
        high(4),
        low(6),
        high(6),
    ];
    let even = |i: usize| avx._mm256_shuffle_ps::<0b01_00_01_00>(pairs[i], pairs[i + 2]);
    let odd = |i: usize| avx._mm256_shuffle_ps::<0b11_10_11_10>(pairs[i], pairs[i + 2]);
    let fours = [
        even(0),
        odd(0),
        even(1),
        odd(1),
        even(4),
        odd(4),
        even(5),
        odd(5),
    ];
    let first = |i: usize| avx._mm256_permute2f128_ps::<0x20>(fours[i], fours[i + 4]);
    let second = |i: usize| avx._mm256_permute2f128_ps::<0x31>(fours[i], fours[i + 4]);
    pulp::cast([
        first(0),
        first(1),
        first(2),
        first(3),
        second(0),
        second(1),
        second(2),
        second(3),
    ])
}

/// What begins with a line of the cache, so that no vector lies in two of them.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line([f32; Line::LEN]);

impl Line {
    const LEN: usize = 16;
}

thread_local! {
    static MEMORY: Cell<[Vec<Line>; 2]> = const { Cell::new([Vec::new(), Vec::new()]) };
}

/// A thread's memory for the panels of a and of b, which it keeps: to be given back.
pub(super) fn memory() -> [Vec<Line>; 2] {
    MEMORY.take()
}

/// Gives it back.
pub(super) fn keep(memory: [Vec<Line>; 2]) {
    MEMORY.set(memory);
}

/// So many values of it.
pub(super) fn room(memory: &mut Vec<Line>, len: usize) -> &mut [f32] {
    let lines = len.div_ceil(Line::LEN);
    if memory.len() < lines {
        memory.resize(lines, Line::zeroed());
    }
    &mut bytemuck::cast_slice_mut(memory)[..len]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_panel_has_a_terms_values_side_by_side(
            breadth in 1_usize..50, count in 1_usize..120, terms in 0_usize..40, gap in 0_usize..3, together: bool,
        ) {
            let (stride, term_stride) = if together { (1, count + gap) } else { (terms + gap, 1) };
            let values: Vec<f32> = (1..=(count + gap) * (terms + gap)).map(|i| i as f32).collect();
            let lines = Factor { values: &values, rows: count, columns: terms, row_stride: stride, column_stride: term_stride };
            // `by_lines` alone looks at the vectors of the processor; what it is inlined into does not matter here.
            let mut to = vec![f32::NAN; packed_len(count, terms, breadth)];
            crate::backend::cpu::wide(#[inline(always)] || pack(breadth, lines, &mut to));
            let panels = to[..to.len() - SLACK].chunks_exact((breadth * terms).max(1));
            for (panel, packed) in panels.enumerate() {
                for (term, packed) in packed.chunks_exact(breadth).enumerate() {
                    for (at, value) in packed.iter().enumerate() {
                        let line = panel * breadth + at;
                        let expected = if line < count { values[line * stride + term * term_stride] } else { 0.0 };
                        prop_assert_eq!(*value, expected);
                    }
                }
            }
        }
    }
}
