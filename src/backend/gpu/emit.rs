use super::call::{Call, calls};
use super::form::Form;
use super::record::{Memory, by_vectors};
use super::resident::{self, KIND, WORD};
use super::shader::specialized;
use super::sums::Sums;
use super::table::entries;
use super::tile::{Tile, fours};
use crate::program::Program;

/// Lanes of the many-steps kernel on adapters of common limits.
const LANES: u32 = 64;

/// Lanes of a subgroup of software adapters whose processors have vectors of eight numbers.
const OF_A_PROCESSOR: u32 = 8;

/// Products by subgroups, as cards try them.
const SUBGROUP: Tile = Tile::Subgroup {
    rows: 8,
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
/// Those of its ops, products in the forms that graphics cards and software adapters have for them, and the one that runs many whole
/// steps, which a small program has instead.
pub fn wgsl(program: &Program) -> Vec<(String, String)> {
    // Any binding is large enough here: pieces of a buffer have the same kernel.
    let of_ops = program.ops.iter();
    let of_ops = of_ops.flat_map(|op| calls(program, op, usize::MAX));
    let memory = Memory {
        buffers: &program.buffers,
        allocated: &[],
    };
    // Flat passes of cards, and of software adapters.
    let most = [4, 8];
    let of_ops =
        of_ops.flat_map(|call| most.map(|most| by_vectors(call.clone(), program, &memory, most)));
    let kernels = of_ops.flat_map(|call| in_tiles(call, program));
    let kernels = kernels.map(|call| (call.kernel, call.constants));
    let parted = program.parted();
    let forms = [(LANES, false), (OF_A_PROCESSOR, true)];
    let steps = forms.into_iter().filter_map(|(lanes, tiles)| {
        let form = Form {
            lanes,
            tiles,
            image: tiles,
        };
        let table = entries(&parted, &memory, form)?;
        Some(("steps", resident::constants(&parted, &table, form)))
    });
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

/// A call as it is dispatched, in each form that an adapter may have for it.
fn in_tiles(call: Call, program: &Program) -> Vec<Call> {
    let Some(factors) = &call.factors else {
        return vec![call];
    };
    let fours = fours(program, &call, factors);
    let of_a_processor = Tile::on_a_processor(factors, OF_A_PROCESSOR, fours);
    let mut ways = vec![of_a_processor.cut(program, call.clone(), [OF_A_PROCESSOR, 1], fours)];
    let call = Sums::ByShape.cut(call);
    let tiles = match &call.factors {
        None => {
            ways.push(call);
            return ways;
        }
        Some(factors) if factors.half => {
            let stored = [Tile::workgroup(factors), Tile::half(factors)];
            [&stored[..], &[SUBGROUP, COOPERATIVE]].concat()
        }
        // Cut otherwise only where there are many rows, or that was the fastest when it was tried.
        Some(factors) if factors.slices > 1 => vec![Tile::on_a_card(factors)],
        Some(factors) => vec![Tile::on_a_card(factors), SUBGROUP, WIDE],
    };
    let tiles = tiles.into_iter();
    ways.extend(tiles.map(|tile| tile.cut(program, call.clone(), MATRICES, fours)));
    ways
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

    /// A training program: 30 inputs, layers of so many units, one output.
    fn program(hidden: &[usize]) -> Program {
        let network = Network::new(30, hidden, Activation::Tanh, 1, Activation::Identity);
        let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
        let capacity = Capacity {
            members: 1,
            batch: 32,
            rows: 100,
            order: 100,
            records: 1,
        };
        Program::training(&network, &loss, &Optimizer::ADAM, capacity).fused()
    }

    /// Its many-steps kernel.
    fn steps(hidden: &[usize], tiles: bool) -> String {
        let program = program(hidden);
        let memory = Memory {
            buffers: &program.buffers,
            allocated: &[],
        };
        let form = Form {
            lanes: 8,
            tiles,
            image: tiles,
        };
        let parted = program.parted();
        let constants =
            entries(&parted, &memory, form).map(|table| resident::constants(&parted, &table, form));
        specialized("steps", &constants.expect("its ops are the shader's")).expect("it is listed")
    }

    fn assert_valid(name: &str, text: &str, needed: Capabilities) {
        let module = naga::front::wgsl::parse_str(text)
            .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(text)));
        Validator::new(ValidationFlags::all(), needed)
            .subgroup_stages(ShaderStages::COMPUTE)
            .subgroup_operations(SubgroupOperationSet::all())
            .validate(&module)
            .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(text)));
    }

    #[test]
    fn many_steps_are_valid_wgsl_in_line_and_by_table_with_tiles_and_without() {
        for (layers, tiles) in [(2, true), (2, false), (8, true), (8, false)] {
            let text = steps(&vec![64; layers], tiles);
            let in_line = text.contains("const OP_0 = Op(");
            assert_eq!(in_line, layers == 2);
            assert_eq!(text.contains("execute_8(OP_15, member, lane, s);"), in_line);
            assert_eq!(text.contains("subgroupBroadcast"), tiles);
            let needed = if tiles {
                Capabilities::SUBGROUP
            } else {
                Capabilities::empty()
            };
            assert_valid("steps", &text, needed);
        }
    }

    #[test]
    fn what_software_adapters_have_is_written_beside_what_cards_have() {
        let texts = wgsl(&program(&[512, 512]));
        for (name, text) in &texts {
            let needed = Capabilities::SUBGROUP | Capabilities::SHADER_INT64;
            assert_valid(name, text, needed);
        }
        let has = |kernel: &str, constants: &[&str]| {
            texts.iter().any(|(name, text)| {
                name.starts_with(kernel)
                    && constants.iter().all(|constant| name.contains(constant))
                    && text.contains("texture_storage_2d") == constants.contains(&"-images=1")
            })
        };
        // 32 × 512 × 512 is worth images, 32 × 512 × 30 is not.
        assert!(has("matmul_bias_activation-", &["-images=1", "-rows=32"]));
        assert!(has("matmul_bias_activation-", &["-subgroup=1", "-rows=32"]));
        assert!(has("matmul_bias_activation-", &["-lanes_x=8", "-slices=4"]));
        assert!(has("matmul_bias_activation-", &["-by_lanes=1"]));
        assert!(has("adam-", &["-fours=1"]) && has("adam-", &["-eights=1"]));
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
