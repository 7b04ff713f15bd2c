//! How a tile of an adapter's own matrices is shared by the subgroups of a workgroup.

use super::shader::Constants;

/// Terms that `shaders/lib/product_cooperative.wgsl` takes at a time.
const DEPTH: u32 = 32;

/// How a tile of cooperative matrices is shared by the subgroups of its workgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Matrices {
    /// Rows and columns of the tile.
    tile: [u32; 2],
    /// Rows and columns of a matrix.
    side: u32,
    /// A subgroup's, below each other and side by side.
    own: [u32; 2],
    lanes: u32,
}

impl Matrices {
    /// Of such a side, by subgroups of `width` lanes.
    pub(super) fn of(tile: [u32; 2], [width, side]: [u32; 2]) -> Self {
        let [height, breadth] = tile;
        // Two for each row of the tile, so that sums of rows are the same in all of them.
        let lanes = 2 * height;
        let [down, across] = tile.map(|size| size / side);
        let each = (down * across * width / lanes).max(1);
        // About as many below each other as side by side, so that what is loaded is used as often as can be.
        let below = 1 << each.ilog2().div_ceil(2);
        let below = down.min(below).max(each / across);
        Matrices {
            tile: [height, breadth],
            side,
            own: [below, each / below],
            lanes,
        }
    }

    /// Of workgroup memory: two tiles of the operands, and what is staged of the sums.
    pub(super) fn bytes(self) -> u32 {
        let [height, breadth] = self.tile;
        2 * (height + breadth) * (DEPTH + 8) + 4 * height / self.own[0] * (breadth + 4)
    }

    pub(super) fn constants(self, fours: bool) -> Constants {
        let Matrices {
            tile: [height, breadth],
            side,
            own: [below, beside],
            lanes,
        } = self;
        let rows = height * breadth / 4 / lanes;
        vec![
            ("COOPERATIVE", 1),
            ("SIDE_8", (side == 8).into()),
            ("STEPS", DEPTH / side),
            ("VECTORS", fours.into()),
            ("LANES", lanes),
            ("HEIGHT", height),
            ("BREADTH", breadth),
            ("DOWN", below),
            ("ACROSS", beside),
            ("GROUPS_X", breadth / side / beside),
            ("LOADS_A", height * DEPTH / 4 / lanes),
            ("LOADS_B", breadth * DEPTH / 4 / lanes),
            ("ROWS", rows),
            ("STAGED", rows / below),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_are_shared_among_all_lanes_and_subgroups() {
        let tiles = [[64, 64], [128, 64], [64, 128], [128, 128]].into_iter();
        for (tile, side) in tiles.flat_map(|tile| [(tile, 8), (tile, 16)]) {
            for width in [8, 16, 32, 64] {
                let [down, across] = tile.map(|size| size / side);
                let matrices = Matrices::of(tile, [width, side]);
                let constants = matrices.constants(true);
                let of = |name: &str| constants.iter().find(|(known, _)| *known == name);
                let of = |name: &str| of(name).map_or(0, |(_, value)| *value);
                let subgroups = matrices.lanes / width;
                assert_eq!(
                    of("DOWN") * of("ACROSS") * subgroups,
                    down * across,
                    "{tile:?} of {side} by {width}"
                );
                // Each subgroup's matrices are inside the tile.
                let subgroups_down = subgroups / of("GROUPS_X");
                assert_eq!(subgroups_down * of("GROUPS_X"), subgroups);
                assert_eq!(subgroups_down * of("DOWN"), down);
                assert_eq!(of("GROUPS_X") * of("ACROSS"), across);
                assert_eq!(of("LOADS_A") * 4 * of("LANES"), of("HEIGHT") * DEPTH);
                assert_eq!(of("LOADS_B") * 4 * of("LANES"), of("BREADTH") * DEPTH);
                assert_eq!(of("ROWS") * 4 * of("LANES"), of("HEIGHT") * of("BREADTH"));
                // What is staged at a time: a row of each subgroup's matrices, as many as there are rows of them.
                let staged = of("STAGED") * 4 * of("LANES") / of("BREADTH");
                assert_eq!(staged, side * subgroups_down);
                assert_eq!(staged, of("HEIGHT") / of("DOWN"));
                // Sums of rows: eighths of k, all of them staged at once.
                assert_eq!(of("LANES"), 8 * of("HEIGHT") / 4);
                assert!(8 * of("HEIGHT") <= staged * (of("BREADTH") + 4));
                // A tile's rows, with 8 numbers between them, either way that they are laid out.
                let [height, breadth] = [of("HEIGHT"), of("BREADTH")];
                for (rows, columns, room) in [
                    (height, DEPTH, height * (DEPTH + 8)),
                    (DEPTH, height, height * (DEPTH + 8)),
                    (breadth, DEPTH, breadth * (DEPTH + 8)),
                    (DEPTH, breadth, breadth * (DEPTH + 8)),
                ] {
                    assert!((rows - 1) * (columns + 8) + columns <= room);
                }
            }
        }
    }
}
