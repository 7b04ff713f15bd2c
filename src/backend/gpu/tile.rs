//! How a product is cut among workgroups and lanes. Whatever the tile, the bits are the same: each value, or each slice of one, is one
//! sum over k in rising order.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::call::{Call, Factors, Operand};
use super::device::Device;
use super::image;
use super::matrices::Matrices;
use super::record::begins_at;
use super::shader::Constants;
use super::tune::class;
use crate::program::{Precision, Program};

/// What one workgroup of a product makes, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tile {
    /// `4 * y` rows and `4 * x` columns through workgroup memory: `shaders/lib/product.wgsl`.
    Workgroup {
        /// Lanes in a row.
        x: u32,
        /// Rows of lanes.
        y: u32,
    },
    /// The same with operands that workgroup memory holds as f16: of products in half precision, where the adapter has such numbers.
    Half {
        /// Lanes in a row.
        x: u32,
        /// Rows of lanes.
        y: u32,
    },
    /// By matrices that the adapter multiplies itself, of products in half precision: `shaders/lib/product_cooperative.wgsl`.
    Cooperative {
        /// Rows of the tile.
        height: u32,
        /// Columns of the tile.
        breadth: u32,
    },
    /// `rows` rows and `4 * lanes` columns by outer products within subgroups: `shaders/lib/product_subgroup.wgsl`.
    Subgroup {
        /// Rows of the tile, all of them a lane's: 4, 8, 16 or 32.
        rows: u32,
        /// Lanes of a workgroup, a multiple of the largest subgroup's.
        lanes: u32,
    },
    /// As by subgroups, with operands that were copied into images: on software adapters, and where rows are read by fours.
    Image {
        /// Rows of the tile, all of them a lane's.
        rows: u32,
        /// Lanes of a workgroup, a multiple of the largest subgroup's.
        lanes: u32,
    },
    /// `16 * y` rows and `4 * x` columns, 16 by 4 to a lane: `shaders/lib/product.wgsl` too.
    Wide {
        /// Lanes in a row: 16 or 32.
        x: u32,
        /// Rows of lanes: 4 or 8.
        y: u32,
    },
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tile::Workgroup { x, y } => write!(f, "workgroup {}x{}", 4 * y, 4 * x),
            Tile::Half { x, y } => write!(f, "half {}x{}", 4 * y, 4 * x),
            Tile::Cooperative { height, breadth } => write!(f, "cooperative {height}x{breadth}"),
            Tile::Subgroup { rows, lanes } => write!(f, "subgroup {rows}x{}", 4 * lanes),
            Tile::Image { rows, lanes } => write!(f, "image {rows}x{}", 4 * lanes),
            Tile::Wide { x, y } => write!(f, "wide {}x{}", 16 * y, 4 * x),
        }
    }
}

impl Tile {
    /// Tiles of 64 × 64, but for narrow or low results.
    pub(super) fn workgroup(factors: &Factors) -> Tile {
        let [x, y] = lanes(factors);
        Tile::Workgroup { x, y }
    }

    /// Likewise.
    pub(super) fn half(factors: &Factors) -> Tile {
        let [x, y] = lanes(factors);
        Tile::Half { x, y }
    }

    fn is_cooperative(self) -> bool {
        matches!(self, Tile::Cooperative { .. })
    }

    /// Of the products that can be cut so.
    pub fn precisions(self) -> &'static [Precision] {
        match self {
            Tile::Half { .. } | Tile::Cooperative { .. } => &[Precision::F16],
            Tile::Workgroup { .. } | Tile::Subgroup { .. } | Tile::Image { .. } => {
                &[Precision::F32, Precision::F16]
            }
            // Half precision has better ways on cards.
            Tile::Wide { .. } => &[Precision::F32],
        }
    }

    fn takes(self, factors: &Factors) -> bool {
        factors.half || self.precisions().contains(&Precision::F32)
    }

    /// What was the fastest on most products of a card (an NVIDIA H100): large tiles where there are enough of them to go round,
    /// small ones where there are few, which are also those that make slices side by side.
    pub(super) fn on_a_card(factors: &Factors) -> Tile {
        let count = |tile: Tile| {
            let [x, y] = tile.groups(factors);
            x as usize * y as usize
        };
        let (wide, usual) = (Tile::Wide { x: 32, y: 4 }, Tile::workgroup(factors));
        match usual {
            _ if count(wide) >= ENOUGH_WIDE as usize => wide,
            // Tiles of fewer lanes would have too many loads to a lane.
            _ if factors.slices > 1 && count(usual) < 256 => Tile::Workgroup { x: 8, y: 8 },
            Tile::Workgroup { x, y } if count(usual) < 64 => Tile::Workgroup {
                x: x.min(8),
                y: y.min(8),
            },
            usual => usual,
        }
    }

    /// What is taken on a software adapter with subgroups of so many lanes: 32 rows to one, but for low results, of images where they are
    /// worth their copies and can be had.
    pub(super) fn on_a_processor(factors: &Factors, lanes: u32, images: bool) -> Tile {
        let most = highest(lanes);
        if images && lanes >= 8 && worth_images(factors) {
            return Tile::Image { rows: most, lanes };
        }
        Tile::Subgroup {
            rows: (factors.m.next_power_of_two() as u32).clamp(4, most),
            lanes,
        }
    }

    /// The call with its product cut in this way. `width` is the number of lanes that every subgroup has, `side` that of the rows of the
    /// adapter's own matrices, and `fours` whether the operands can be read four values at a time.
    pub(super) fn cut(
        self,
        program: &Program,
        mut call: Call,
        [width, side]: [u32; 2],
        fours: bool,
    ) -> Call {
        let Some(factors) = call.factors else {
            return call;
        };
        let constants = match self {
            Tile::Workgroup { x, y } => {
                let slices = beside([x, y], factors.slices);
                through_memory([x, y, slices], 1, fours)
            }
            Tile::Half { x, y } => {
                let mut constants = through_memory([x, y, 1], 1, fours);
                constants.push(("STORED_HALF", 1));
                constants
            }
            Tile::Cooperative { height, breadth } => {
                Matrices::of([height, breadth], [width, side]).constants(fours)
            }
            Tile::Subgroup { rows, lanes } | Tile::Image { rows, lanes } => {
                let width = width.min(rows);
                let mut constants = vec![("SUBGROUP", 1)];
                match self {
                    Tile::Image { .. } => {
                        constants.push((IMAGES, 1));
                        constants.extend(image::constants(program, &call.operands, factors.inner));
                    }
                    _ => constants.push(("VECTORS", fours.into())),
                }
                constants.extend([
                    ("LANES", lanes),
                    ("WIDTH", width),
                    ("ROWS", rows),
                    ("PARTS", rows / width),
                ]);
                constants
            }
            Tile::Wide { x, y } => through_memory([x, y, 1], 4, fours),
        };
        let in_slices = !self.is_cooperative();
        let kept = |name: &str| !is_of_tile(name) && (in_slices || name != "SLICES");
        call.constants.retain(|(name, _)| kept(name));
        call.constants.splice(0..0, constants);
        let [across, down] = self.groups(&factors);
        call.grid = match self {
            // One below the other, so that a processor has the columns of b that they read in its cache.
            Tile::Subgroup { .. } | Tile::Image { .. } => [down, across],
            _ => [across, down],
        };
        call
    }

    /// Workgroups side by side and below each other that make the product.
    pub(super) fn groups(self, factors: &Factors) -> [u32; 2] {
        let [height, width] = match self {
            Tile::Workgroup { x, y } | Tile::Half { x, y } => [4 * y, 4 * x],
            Tile::Cooperative { height, breadth } => [height, breadth],
            Tile::Subgroup { rows, lanes } | Tile::Image { rows, lanes } => [rows, 4 * lanes],
            Tile::Wide { x, y } => [16 * y, 4 * x],
        };
        [
            factors.n.div_ceil(width as usize) as u32,
            factors.m.div_ceil(height as usize) as u32,
        ]
    }
}

/// The constant of a product whose operands are images.
pub(super) const IMAGES: &str = "IMAGES";

/// Rows of the highest tile by subgroups. With four lanes, as `SwiftShader` has, 32 would be sixteen loads to a lane, and take long to compile.
fn highest(lanes: u32) -> u32 {
    if lanes < 8 { 16 } else { 32 }
}

/// Wide tiles that are enough to go round on a large card.
const ENOUGH_WIDE: u32 = 192;

/// Of a tile that goes through workgroup memory, by so many lanes side by side, below each other and for slices of their own, with
/// `height` fours of rows to a lane.
fn through_memory([x, y, slices]: [u32; 3], height: u32, fours: bool) -> Constants {
    // Of high tiles a lane would hold more of the next round than there are registers for.
    let depth = if height > 1 { 8 } else { 16 };
    vec![
        ("VECTORS", fours.into()),
        ("LANES_X", x),
        ("LANES_Y", y),
        ("BESIDE", slices),
        ("FOURS_DOWN", height),
        ("ROWS", 4 * height),
        ("DEPTH", depth),
        ("LOADS_A", height * depth / x),
        ("LOADS_B", depth / y),
    ]
}

/// Whether a kernel's constant is its tile's.
pub(super) fn is_of_tile(name: &str) -> bool {
    ["LANES_", "LOADS_"].iter().any(|of| name.starts_with(of))
        || ["VECTORS", "FOURS_DOWN", "ROWS", "DEPTH", "BESIDE"].contains(&name)
}

/// Invocations of a workgroup and bytes of its memory that every adapter has.
const INVOCATIONS: u32 = 256;
const MEMORY: u32 = 16_384;

/// How many slices a tile of so many lanes side by side and below each other makes at once: all, if a workgroup has room for them.
fn beside([x, y]: [u32; 2], slices: u32) -> u32 {
    // Each has 16 terms of its rows and columns, four to a lane, there.
    let fits = slices * x * y <= INVOCATIONS && slices * 16 * 4 * 4 * (x + y) <= MEMORY;
    if fits { slices } else { 1 }
}

/// Tiles of an adapter's own matrices that its workgroup memory has room for.
fn cooperative(device: &Device) -> Vec<Tile> {
    let (Some(side), Some([width, _])) = (device.cooperative, device.subgroups) else {
        return Vec::new();
    };
    let cuts = [[64, 64], [128, 64], [64, 128], [128, 128]].into_iter();
    let room = device.limits.max_compute_workgroup_storage_size;
    let fits = cuts.filter(|&tile| Matrices::of(tile, [width, side]).bytes() <= room);
    fits.map(|[height, breadth]| Tile::Cooperative { height, breadth })
        .collect()
}

/// Lanes of the smallest tiles: fewer would have to load, and hold in registers, too much each.
const LEAST: u32 = 32;

/// Lanes side by side and below each other that make a result of this size, sixteen values each.
fn lanes(factors: &Factors) -> [u32; 2] {
    let size = [factors.n, factors.m];
    let [x, y] = size.map(|size| size.div_ceil(4).next_power_of_two().clamp(4, 16) as u32);
    [x, y.max(LEAST / x)]
}

/// Which tile a product has on a device.
#[derive(Debug, Default)]
pub(super) struct Tiles {
    /// One for all of them, as far as the device has it.
    pub(super) only: Option<Tile>,
    /// What was the fastest, by `class`.
    pub(super) tuned: BTreeMap<String, Tile>,
}

impl Tiles {
    /// The tiles that a device runs.
    pub(super) fn of(device: &Device) -> Vec<Tile> {
        let cuts = [(16, 16), (8, 8), (16, 4), (4, 16)];
        let mut tiles = cuts.map(|(x, y)| Tile::Workgroup { x, y }).to_vec();
        if device.half {
            tiles.extend(cuts.map(|(x, y)| Tile::Half { x, y }));
        }
        tiles.extend(cooperative(device));
        tiles.extend([(16, 8), (32, 4)].map(|(x, y)| Tile::Wide { x, y }));
        if let Some([_, most]) = device.subgroups {
            let rows = [32, 16, 8, 4].into_iter();
            let rows = rows.filter(|&rows| rows <= highest(most));
            tiles.extend(rows.map(|rows| Tile::Subgroup { rows, lanes: most }));
            if device.software && most >= 8 {
                let rows = highest(most);
                tiles.push(Tile::Image { rows, lanes: most });
            }
        }
        tiles
    }

    /// Those that may be the fastest for a product, what is taken without a try first.
    pub(super) fn worth_a_try(device: &Device, factors: &Factors) -> Vec<Tile> {
        let usual = Tiles::usual(device, factors);
        let mut tiles = vec![usual];
        tiles.extend(Tiles::of(device).into_iter().filter(|&tile| match tile {
            _ if tile == usual || !tile.takes(factors) => false,
            // The sums of an adapter's own matrices have other bits.
            _ if tile.is_cooperative() != usual.is_cooperative() => false,
            Tile::Cooperative { .. } => true,
            // Taken without a try where it is worth its copies.
            Tile::Image { .. } => false,
            // Far behind on a processor that has subgroups, and its pipelines take long to make.
            Tile::Workgroup { .. } | Tile::Half { .. } if device.software => {
                device.subgroups.is_none()
            }
            Tile::Wide { .. } if device.software => false,
            Tile::Subgroup { rows, .. } if device.software => {
                rows >= 8 && rows as usize <= factors.m
            }
            // On a card each takes a tenth of a second to compile: those that have won for some product.
            Tile::Workgroup { x, y } | Tile::Half { x, y } => x == y,
            Tile::Subgroup { rows, lanes } => {
                rows <= 8 && device.subgroups.is_some_and(|[_, most]| lanes == most)
            }
            // It has few workgroups, and each lane much to do: nothing for small products.
            Tile::Wide { .. } => {
                let [across, down] = tile.groups(factors);
                across * down >= if factors.slices > 1 { ENOUGH_WIDE } else { 16 }
            }
        }));
        tiles
    }

    /// What is taken without a try.
    pub(super) fn usual(device: &Device, factors: &Factors) -> Tile {
        match device.subgroups {
            // A processor's lanes share registers; workgroup memory is memory like any other there, and so are matrices.
            Some([_, most]) if device.software => Tile::on_a_processor(factors, most, true),
            _ if !factors.half && device.software => Tile::workgroup(factors),
            _ if !factors.half => Tile::on_a_card(factors),
            _ => match cooperative(device).first() {
                Some(&tile) => tile,
                None if device.half => Tile::half(factors),
                None => Tile::workgroup(factors),
            },
        }
    }

    /// The call as it is dispatched.
    pub(super) fn cut(&self, device: &Device, program: &Program, call: Call) -> Call {
        let Some(factors) = &call.factors else {
            return call;
        };
        let [width, _] = device.subgroups.unwrap_or_default();
        let fours = fours(program, &call, factors);
        let tuned = || self.tuned.get(&class(factors, fours)).copied();
        let only = self.only.filter(|tile| tile.takes(factors));
        let tile = only.or_else(tuned);
        let tile = match tile.unwrap_or_else(|| Tiles::usual(device, factors)) {
            Tile::Image { rows, lanes }
                if !fours || !images(device, program, &call.operands, factors) =>
            {
                Tile::Subgroup { rows, lanes }
            }
            tile => tile,
        };
        let adapter = [width, device.cooperative.unwrap_or(1)];
        tile.cut(program, call, adapter, fours)
    }
}

/// Whether a product's operands are worth a copy: a large one of many rows, that each read what is copied.
fn worth_images(factors: &Factors) -> bool {
    let Factors { m, n, k, inner, .. } = *factors;
    inner.iter().all(|inner| inner.is_multiple_of(4))
        && m >= 32
        && n >= 32
        && 2 * m * n * k >= 4_000_000
}

/// Whether images hold the factors.
fn images(device: &Device, program: &Program, operands: &[Operand], factors: &Factors) -> bool {
    let mut each = operands.iter().zip(factors.inner);
    each.all(|(operand, columns)| image::fits(device, program, operand, columns))
}

/// Whether the factors can be read four values at a time: all rows of all members begin at a multiple of four.
pub(super) fn fours(program: &Program, call: &Call, factors: &Factors) -> bool {
    factors.inner.iter().all(|inner| inner.is_multiple_of(4))
        && call.operands[..2]
            .iter()
            .all(|operand| begins_at(4, operand, program))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Transpose;

    #[test]
    fn a_card_has_large_tiles_where_there_are_many_and_small_ones_where_there_are_few() {
        let tile = |[m, n, k]: [usize; 3], slices| {
            let factors = Factors {
                m,
                n,
                k,
                transpose: Transpose::B,
                inner: [k, k],
                slices,
                half: false,
            };
            Tile::on_a_card(&factors).to_string()
        };
        assert_eq!(tile([1024, 2048, 256], 1), "wide 64x128");
        assert_eq!(tile([16_384, 512, 784], 4), "wide 64x128");
        assert_eq!(tile([512, 784, 256], 1), "workgroup 64x64");
        assert_eq!(tile([512, 784, 256], 4), "workgroup 32x32");
        assert_eq!(tile([256, 512, 784], 4), "workgroup 32x32");
        assert_eq!(tile([10, 512, 256], 4), "workgroup 32x32");
        assert_eq!(tile([128, 10, 128], 1), "workgroup 32x16");
    }
}
