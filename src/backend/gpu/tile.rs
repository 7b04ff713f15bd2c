//! How a product is cut among workgroups and lanes. Whatever the tile, the bits are the same: each value, or each part of one, is one
//! sum over k in rising order.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::call::{Call, Factors, Operand};
use super::device::Device;
use super::record::Memory;
use super::tune::class;
use crate::program::Program;

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
    /// `rows` rows and `4 * lanes` columns by outer products within subgroups: `shaders/lib/product_subgroup.wgsl`.
    Subgroup {
        /// Rows of the tile, all of them a lane's: 4, 8 or 16.
        rows: u32,
        /// Lanes of a workgroup, a multiple of the largest subgroup's.
        lanes: u32,
    },
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tile::Workgroup { x, y } => write!(f, "workgroup {}x{}", 4 * y, 4 * x),
            Tile::Subgroup { rows, lanes } => write!(f, "subgroup {rows}x{}", 4 * lanes),
        }
    }
}

impl Tile {
    /// Tiles of 64 × 64, but for narrow or low results.
    pub(super) fn workgroup(factors: &Factors) -> Tile {
        let lanes = |size: usize| size.div_ceil(4).next_power_of_two().clamp(4, 16) as u32;
        Tile::Workgroup {
            x: lanes(factors.n),
            y: lanes(factors.m),
        }
    }

    /// Sixteen rows to a subgroup, but for low results.
    fn subgroup(factors: &Factors, lanes: u32) -> Tile {
        Tile::Subgroup {
            rows: factors.m.next_power_of_two().clamp(4, 16) as u32,
            lanes,
        }
    }

    /// The call with its product cut in this way. `width` is the number of lanes that every subgroup has, and `fours` whether the
    /// operands can be read four values at a time.
    pub(super) fn cut(self, mut call: Call, width: u32, fours: bool) -> Call {
        let Some(factors) = call.factors else {
            return call;
        };
        let constants = match self {
            Tile::Workgroup { x, y } => vec![("LANES_X", x), ("LANES_Y", y)],
            Tile::Subgroup { rows, lanes } => {
                let width = width.min(rows);
                vec![
                    ("SUBGROUP", 1),
                    ("VECTORS", fours.into()),
                    ("LANES", lanes),
                    ("WIDTH", width),
                    ("ROWS", rows),
                    ("PARTS", rows / width),
                    ("SUMS", rows.div_ceil(lanes)),
                ]
            }
        };
        call.constants
            .retain(|(name, _)| !name.starts_with("LANES_"));
        call.constants.splice(0..0, constants);
        let [x, y] = self.groups(&factors);
        call.grid = [x, y * factors.parts as u32];
        call
    }

    /// Workgroups side by side and below each other that make the product, or one part of it.
    pub(super) fn groups(self, factors: &Factors) -> [u32; 2] {
        let [height, width] = match self {
            Tile::Workgroup { x, y } => [4 * y, 4 * x],
            Tile::Subgroup { rows, lanes } => [rows, 4 * lanes],
        };
        [
            factors.n.div_ceil(width as usize) as u32,
            factors.m.div_ceil(height as usize) as u32,
        ]
    }
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
        let mut tiles = [(16, 16), (8, 8), (16, 4), (4, 16)]
            .map(|(x, y)| Tile::Workgroup { x, y })
            .to_vec();
        if let Some([_, most]) = device.subgroups {
            let cuts = [(16, most), (8, most), (4, most), (16, 2 * most)];
            tiles.extend(cuts.map(|(rows, lanes)| Tile::Subgroup { rows, lanes }));
        }
        tiles
    }

    /// Those that may be the fastest for a product, what is taken without a try first.
    pub(super) fn worth_a_try(device: &Device, factors: &Factors) -> Vec<Tile> {
        let usual = Tiles::usual(device, factors);
        let mut tiles = vec![usual];
        tiles.extend(Tiles::of(device).into_iter().filter(|&tile| match tile {
            _ if tile == usual => false,
            // Far behind on a processor that has subgroups, and its pipelines take long to make.
            Tile::Workgroup { .. } => !device.software || device.subgroups.is_none(),
            Tile::Subgroup { rows, .. } => rows >= 8 && rows as usize <= factors.m,
        }));
        tiles
    }

    /// What is taken without a try.
    fn usual(device: &Device, factors: &Factors) -> Tile {
        match device.subgroups {
            // A processor's lanes share registers; workgroup memory is memory like any other there.
            Some([_, most]) if device.software => Tile::subgroup(factors, most),
            _ => Tile::workgroup(factors),
        }
    }

    /// The call as it is dispatched.
    pub(super) fn cut(
        &self,
        device: &Device,
        program: &Program,
        memory: &Memory<'_>,
        call: Call,
    ) -> Call {
        let Some(factors) = &call.factors else {
            return call;
        };
        let [width, _] = device.subgroups.unwrap_or_default();
        let fours = fours(program, memory, &call, factors);
        let tuned = || self.tuned.get(&class(factors, fours)).copied();
        let tile = self.only.or_else(tuned);
        let tile = tile.unwrap_or_else(|| Tiles::usual(device, factors));
        tile.cut(call, width, fours)
    }
}

/// Whether the factors can be read four values at a time: all rows of all members begin at a multiple of four.
pub(super) fn fours(
    program: &Program,
    memory: &Memory<'_>,
    call: &Call,
    factors: &Factors,
) -> bool {
    let begins = |operand: &Operand| {
        let tensor = &program.tensors[operand.tensor];
        let buffer = &memory.buffers[tensor.buffer];
        let alone = buffer.shared || program.members == 1;
        (tensor.offset + operand.start).is_multiple_of(4) && (alone || buffer.len.is_multiple_of(4))
    };
    factors.inner.iter().all(|inner| inner.is_multiple_of(4))
        && call.operands[..2].iter().all(begins)
}
