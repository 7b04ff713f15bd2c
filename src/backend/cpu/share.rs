//! Passes over memory: by the widest vectors that there are, and shared between threads where they are long enough.

use super::team::Team;

/// Values from which on a pass is shared. Below, to hand work to another thread costs more than it saves.
const SHARED_FROM: usize = 1 << 15;

/// Runs `f` with the vectors of the processor that it finds itself on. What `f` calls has to be inlined to have them too.
#[inline(always)]
pub(crate) fn wide<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

/// Whether there are any, and fused multiply-adds with them: without, each would be a call.
pub(super) fn are_wide() -> bool {
    !matches!(pulp::Arch::new(), pulp::Arch::Scalar)
}

/// Whether all are numbers, and none infinite.
pub(crate) fn are_finite(values: &[f32]) -> bool {
    // The largest exponent is of what is no number or infinite; a maximum of integers is several lanes at a time.
    let largest = wide(
        #[inline(always)]
        || {
            let magnitudes = values.iter().map(|value| value.to_bits() & 0x7fff_ffff);
            magnitudes.fold(0, u32::max)
        },
    );
    largest < f32::INFINITY.to_bits()
}

/// How many values of a pass over `len` a thread takes, a multiple of `unit`. What a value becomes does not hang on it.
pub(super) fn piece(len: usize, unit: usize, team: &Team) -> usize {
    if len < SHARED_FROM || team.threads() < 2 {
        return len.max(1);
    }
    len.div_ceil(team.threads()).next_multiple_of(unit)
}

/// Runs `f` on rows of `columns` values, some at a time, with the number of the first.
pub(super) fn rows<T: Send>(
    values: &mut [T],
    columns: usize,
    team: &Team,
    f: impl Fn(usize, &mut [T]) + Sync,
) {
    let piece = piece(values.len(), columns, team);
    if piece >= values.len() {
        return f(0, values);
    }
    team.pieces(values, piece, |number, part| {
        f(number * piece / columns, part);
    });
}

#[cfg(test)]
mod tests {
    use super::super::team::ALONE;
    use super::*;

    #[test]
    fn each_row_is_passed_once_with_its_number() {
        for (rows_there, columns) in [(1, 1), (7, 3), (40_000, 1), (5_001, 7), (2, 70_000)] {
            for team in [&ALONE, &Team::new(2), &Team::new(3)] {
                let mut values = vec![0_usize; rows_there * columns];
                rows(&mut values, columns, team, |first, part| {
                    for (row, values) in part.chunks_mut(columns).enumerate() {
                        for value in values {
                            *value += 1 + first + row;
                        }
                    }
                });
                let expected = (0..values.len()).map(|i| 1 + i / columns);
                assert!(values.iter().copied().eq(expected));
            }
        }
    }
}
