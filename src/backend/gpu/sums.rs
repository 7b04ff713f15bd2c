//! In which order a product's terms are added up.

use super::call::{Call, Factors};
use super::tile::{Tile, is_of_tile};
use crate::program::Transpose;

/// How the sums of a product are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sums {
    /// Each value is one sum over k in rising order: on a software adapter, whose few threads any product occupies.
    Rising,
    /// As the product's shape says, where there are more processors than tiles: a long sum is made in slices, which small tiles make
    /// side by side, and which are then added up in rising order; or it is shared by the lanes of a workgroup. The order follows from
    /// the shapes of one member alone, so that the same shapes have the same bits, whatever the tile, and in a pack as alone.
    ByShape,
}

/// Tiles of the usual form that are enough for a large card: a few for each of its processors.
const TILES: usize = 256;

/// Columns at most of a product forward whose sums are made in slices: beyond, a row of tiles alone is work for many processors.
const WIDEST: usize = 1024;

/// Terms at least of a sum that is made in slices or by lanes: two rounds through workgroup memory for each slice.
const TERMS: usize = 128;

/// Slices of a sum. With four times the lanes of a small tile it has as many as the largest.
const SLICES: u32 = 4;

/// Columns at most of a product whose sums are shared by lanes: a tile is 16 columns wide at least.
const NARROW: usize = 16;

/// How one product's sums are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Rising,
    Slices,
    Lanes,
}

impl Sums {
    fn form(self, factors: &Factors) -> Form {
        if self == Sums::Rising || factors.k < TERMS {
            return Form::Rising;
        }
        if factors.transpose == Transpose::B {
            // What goes forward follows from columns and terms alone: a row's outputs do not hang on the rows beside it.
            return if factors.n <= NARROW {
                Form::Lanes
            } else if factors.n <= WIDEST {
                Form::Slices
            } else {
                Form::Rising
            };
        }
        let [x, y] = Tile::workgroup(factors).groups(factors);
        if (x as usize * y as usize) < TILES {
            Form::Slices
        } else {
            Form::Rising
        }
    }

    /// The call with its sums made in this way.
    pub(super) fn cut(self, mut call: Call) -> Call {
        let Some(factors) = &mut call.factors else {
            return call;
        };
        match self.form(factors) {
            Form::Rising => call,
            Form::Slices => {
                factors.slices = SLICES;
                call.constants.push(("SLICES", SLICES));
                call
            }
            Form::Lanes => by_lanes(call),
        }
    }
}

/// `shaders/lib/product_lanes.wgsl`.
fn by_lanes(call: Call) -> Call {
    let Some(factors) = &call.factors else {
        return call;
    };
    // It has operands that are stored in one way alone.
    let kept = |name: &str| !is_of_tile(name) && !name.ends_with("_TRANSPOSED");
    let constants = call.constants.iter().copied();
    let own = [("BY_LANES", 1)].into_iter();
    Call {
        constants: own
            .chain(constants.filter(|(name, _)| kept(name)))
            .collect(),
        grid: [factors.n.div_ceil(4) as u32, factors.m.div_ceil(4) as u32],
        factors: None,
        ..call
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_cut_where_tiles_are_few_and_sums_are_long() {
        use Form::{Lanes, Rising, Slices};
        for (transpose, [m, n, k], expected) in [
            // Weights of 784-512-512-10 at a batch of 256, and of 256-2048-2048-1 at one of 1024.
            (Transpose::A, [512, 784, 256], Slices),
            (Transpose::A, [10, 512, 256], Slices),
            (Transpose::A, [2048, 256, 1024], Slices),
            (Transpose::A, [2048, 2048, 1024], Rising),
            (Transpose::A, [1, 2048, 1024], Slices),
            (Transpose::A, [64, 64, 127], Rising),
            (Transpose::Neither, [32, 2048, 2048], Slices),
            (Transpose::Neither, [1024, 2048, 1], Rising),
            // The same for a row as for many.
            (Transpose::B, [256, 512, 784], Slices),
            (Transpose::B, [1, 512, 784], Slices),
            (Transpose::B, [16_384, 512, 784], Slices),
            (Transpose::B, [1, 2048, 784], Rising),
            (Transpose::B, [3, 17, 127], Rising),
            (Transpose::B, [3, 17, 128], Slices),
            (Transpose::B, [1024, 1, 2048], Lanes),
            (Transpose::B, [3, 16, 128], Lanes),
            (Transpose::B, [3, 16, 127], Rising),
        ] {
            let factors = Factors {
                m,
                n,
                k,
                transpose,
                inner: [m, n],
                slices: 1,
                half: false,
            };
            let found = Sums::ByShape.form(&factors);
            assert_eq!(found, expected, "{transpose:?} {m}x{n}x{k}");
            assert_eq!(Sums::Rising.form(&factors), Rising);
        }
    }
}
