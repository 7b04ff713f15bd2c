use super::call::calls;
use super::form::Form;
use super::record::{Memory, by_vectors};
use super::resident::{self, KIND, WORD};
use super::shader::specialized;
use super::sums::Sums;
use super::table::entries;
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
    let memory = Memory {
        buffers: &program.buffers,
        allocated: &[],
    };
    let of_ops = of_ops.map(|call| by_vectors(call, program, &memory, 4));
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
    let form = Form {
        lanes: LANES,
        tiles: false,
    };
    let parted = program.parted();
    let steps = entries(&parted, &memory, form)
        .map(|table| ("steps", resident::constants(&parted, &table, form)));
    let mut texts: Vec<(String, String)> = Vec::new();
    for (kernel, constants) in kernels.chain(steps) {
        let named = constants.iter();
        let of_one_program = kernel == "steps";
        let named = named.filter(|(name, _)| !(of_one_program && [WORD, KIND].contains(name)));
        let values = named.map(|(name, value)| match *value {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wgpu::naga;
    use wgpu::naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet};
    use wgpu::naga::valid::{ValidationFlags, Validator};

    use super::*;
    use crate::backend::kernels;
    use crate::model::{Activation, Network};
    use crate::program::{Capacity, Loss, LossFunction, Optimizer, Reduction};

    /// The many-steps kernel of a network of so many layers of 64.
    fn steps(layers: usize, tiles: bool) -> String {
        let hidden = vec![64; layers];
        let network = Network::new(30, &hidden, Activation::Tanh, 1, Activation::Identity);
        let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
        let capacity = Capacity {
            members: 1,
            batch: 32,
            rows: 100,
            order: 100,
            records: 1,
        };
        let program = Program::training(&network, &loss, &Optimizer::ADAM, capacity).fused();
        let memory = Memory {
            buffers: &program.buffers,
            allocated: &[],
        };
        let form = Form { lanes: 8, tiles };
        let parted = program.parted();
        let constants =
            entries(&parted, &memory, form).map(|table| resident::constants(&parted, &table, form));
        specialized("steps", &constants.expect("its ops are the shader's")).expect("it is listed")
    }

    #[test]
    fn many_steps_are_valid_wgsl_in_line_and_by_table_with_tiles_and_without() {
        for (layers, tiles) in [(2, true), (2, false), (8, true), (8, false)] {
            let text = steps(layers, tiles);
            let in_line = text.contains("const OP_0 = Op(");
            assert_eq!(in_line, layers == 2);
            assert_eq!(text.contains("execute_8(OP_15, member, lane, s);"), in_line);
            assert_eq!(text.contains("subgroupBroadcast"), tiles);
            let module = naga::front::wgsl::parse_str(&text)
                .unwrap_or_else(|error| panic!("steps: {}", error.emit_to_string(&text)));
            let needed = if tiles {
                Capabilities::SUBGROUP
            } else {
                Capabilities::empty()
            };
            Validator::new(ValidationFlags::all(), needed)
                .subgroup_stages(ShaderStages::COMPUTE)
                .subgroup_operations(SubgroupOperationSet::all())
                .validate(&module)
                .unwrap_or_else(|error| panic!("steps: {}", error.emit_to_string(&text)));
        }
    }

    #[test]
    fn kernels_of_ops_that_differ_have_names_that_differ() {
        let mut known = BTreeMap::new();
        for (_, program) in kernels([7, 5, 3], 1, 0) {
            for (name, text) in wgsl(&program) {
                let first = known.entry(name.clone()).or_insert_with(|| text.clone());
                assert!(name.starts_with("steps") || *first == text, "{name}");
            }
        }
    }
}
