use super::call::calls;
use super::resident;
use super::shader::specialized;
use super::sums::Sums;
use super::tile::Tile;
use crate::program::Program;

/// Lanes of the many-steps kernel on adapters of common limits.
const LANES: u32 = 64;

/// Products by subgroups, on adapters that have them.
const SUBGROUP: Tile = Tile::Subgroup {
    rows: 16,
    lanes: LANES,
};

/// Large products, on cards.
const WIDE: Tile = Tile::Wide { x: 32, y: 4 };

/// Products by the adapter's own matrices, of half precision: lanes of a subgroup, and rows of a matrix.
const COOPERATIVE: Tile = Tile::Cooperative {
    height: 64,
    breadth: 64,
};
const MATRICES: [u32; 2] = [32, 16];

/// The kernels of a program as they are handed to wgpu, each once: a name of the kernel and its constants, and the WGSL.
/// Those of its ops, products in each form and as a graphics card sums them, and the one that runs many whole steps, which a small program has instead.
pub fn wgsl(program: &Program) -> Vec<(String, String)> {
    // Any binding is large enough here: pieces of a buffer have the same kernel.
    let of_ops = program.ops.iter();
    let of_ops = of_ops.flat_map(|op| calls(program, op, usize::MAX));
    let in_each = of_ops.flat_map(|call| [call.clone(), Sums::ByShape.cut(call)]);
    let kernels = in_each.flat_map(|call| {
        let mut ways = vec![call.clone()];
        let cut = |tile: Tile| tile.cut(call.clone(), [LANES, 1], true);
        match &call.factors {
            // Cut otherwise only where there are many rows, or that was the fastest when it was tried.
            Some(factors) if factors.slices > 1 && !factors.half => {
                ways = vec![cut(Tile::on_a_card(factors))];
            }
            Some(factors) if factors.half => {
                ways.push(cut(SUBGROUP));
                let tiles = [Tile::half(factors), COOPERATIVE];
                ways.extend(tiles.map(|tile| tile.cut(call.clone(), MATRICES, true)));
            }
            Some(factors) => {
                ways.extend([SUBGROUP, WIDE, Tile::on_a_card(factors)].map(cut));
            }
            None => {}
        }
        let ways = ways.into_iter();
        ways.map(|call| (call.kernel, call.constants))
    });
    let steps = resident::constants(&program.parted(), LANES).map(|constants| ("steps", constants));
    let mut texts: Vec<(String, String)> = Vec::new();
    for (kernel, constants) in kernels.chain(steps) {
        let values = constants.iter().map(|(name, value)| match *value {
            u32::MAX => format!("-{name}=any"),
            value => format!("-{name}={value}"),
        });
        let name = format!("{kernel}{}", values.collect::<String>().to_lowercase());
        if texts.iter().all(|(known, _)| *known != name) {
            texts.extend(specialized(kernel, &constants).map(|text| (name, text)));
        }
    }
    texts
}
