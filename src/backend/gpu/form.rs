//! How a device runs the kernel of many steps, and which of a program's products it makes in tiles.

use super::device::Device;
use crate::program::{Op, Program, Rows};

/// Lanes from which on a software adapter's driver fetches texels for all of them at once: what llvmpipe does, and it takes a third of the
/// time. `SwiftShader`, of four lanes, fetches them one by one as it does values of a buffer, and takes half as long again.
const OF_AN_IMAGE: u32 = 8;

/// How a device runs the shader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// Lanes of a workgroup.
    pub(super) lanes: u32,
    /// Whether they are a subgroup, which makes large products in tiles.
    pub(super) tiles: bool,
    /// Whether the arena is an image.
    pub(super) image: bool,
}

impl Form {
    /// Tiles are for processors, whose lanes have registers for all sums of a tile, and no others beside them that wait for work.
    pub(super) fn of(device: &Device) -> Self {
        let tiles = device.software && device.subgroups == Some([device.lanes; 2]);
        Form {
            lanes: device.lanes,
            tiles,
            image: tiles && device.lanes >= OF_AN_IMAGE,
        }
    }

    pub(super) fn tile_columns(self) -> usize {
        4 * self.lanes as usize
    }
}

/// Rows of a tile: as many for each lane as there are to fill them, four or two.
pub(super) fn tile_rows(program: &Program, form: Form) -> usize {
    let lanes = form.lanes as usize;
    let tiled = program.ops.iter().filter(|op| in_tiles(program, op, form));
    let mut rows = tiled.filter_map(|op| sizes(program, op));
    if rows.all(|[m, ..]| m >= 4 * lanes) {
        4 * lanes
    } else {
        2 * lanes
    }
}

/// Sizes of a product for a full batch: m, n and k.
pub(super) fn sizes(program: &Program, op: &Op) -> Option<[usize; 3]> {
    let size = |rows| match rows {
        Rows::Batch => program.batch,
        Rows::Fixed(rows) => rows,
    };
    let product = op.product(program)?;
    Some([size(product.m), product.n, size(product.k)])
}

/// Whether an op is a product that is made in tiles: one that fills most of a tile, with sums that are worth it.
pub(super) fn in_tiles(program: &Program, op: &Op, form: Form) -> bool {
    let fills = |[m, n, k]: [usize; 3]| {
        m >= form.lanes as usize && 4 * n >= 3 * form.tile_columns() && k >= 8
    };
    form.tiles && sizes(program, op).is_some_and(fills)
}
