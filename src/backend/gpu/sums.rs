//! In which order a product's terms are added up.

use super::call::{Call, Factors, Operand, calls};
use super::tile::{Tile, is_of_tile};
use crate::program::{Element, Program, Rows, Tensor, TensorId, Transpose};

/// How the sums of a product are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sums {
    /// Each value is one sum over k in rising order: on a software adapter, whose few threads any product occupies.
    Rising,
    /// As the product's shape says, where there are more processors than tiles: a long sum is cut into parts that are made side by
    /// side and then added up in rising order, or is shared by the lanes of a workgroup. The order follows from the shapes of one
    /// member alone, so that the same shapes have the same bits, whatever the tile, and in a pack as alone.
    ByShape,
}

/// Workgroups that a product is cut into at least, if its sums are long enough: a few for each processor of a large card.
const GROUPS: usize = 256;

/// Terms of a part at least, so that it takes longer than the second dispatch. A multiple of the depth of a tile.
const TERMS: usize = 128;

/// Parts at most: they are added up one behind the other.
const MOST: usize = 32;

/// Columns at most of a product whose sums are shared by lanes: a tile is 16 columns wide at least.
const NARROW: usize = 16;

/// The buffer of a product's parts; one product after the other has it.
const PARTS: &str = "parts";

/// How one product's sums are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Rising,
    /// So many parts of so many terms, but for the last ones.
    Parts {
        count: usize,
        length: usize,
    },
    Lanes,
}

impl Sums {
    fn form(self, factors: &Factors) -> Form {
        if self == Sums::Rising {
            return Form::Rising;
        }
        if factors.transpose == Transpose::B {
            // What goes forward follows from columns and terms alone: a row's outputs do not hang on the rows beside it.
            let narrow = factors.n <= NARROW && factors.k >= TERMS;
            return if narrow { Form::Lanes } else { Form::Rising };
        }
        let [x, y] = Tile::workgroup(factors).groups(factors);
        let wanted = GROUPS.div_ceil((x as usize * y as usize).max(1));
        let count = wanted.min(factors.k / TERMS).min(MOST);
        if count < 2 {
            return Form::Rising;
        }
        let length = factors.k.div_ceil(count).next_multiple_of(16);
        Form::Parts {
            count: factors.k.div_ceil(length),
            length,
        }
    }

    /// The program with a buffer that holds the parts of any of its products, if it has one in parts.
    pub(super) fn with_room(self, program: &Program) -> Program {
        let mut program = program.clone();
        let ops = program.ops.iter();
        let calls = ops.flat_map(|op| calls(&program, op, usize::MAX));
        let room = |factors: Factors| match self.form(&factors) {
            Form::Parts { count, .. } => count * factors.m * (factors.n + 1),
            _ => 0,
        };
        let len = calls.filter_map(|call| call.factors).map(room).max();
        if let Some(len) = len.filter(|&len| len > 0) {
            let place = program.add_buffer(PARTS, Element::F32, len, false);
            program.add_tensor(PARTS, place, 0, Rows::Fixed(1), len);
        }
        program
    }

    /// The dispatches of a call: a product in parts is two of them. The program is one with room.
    pub(super) fn cut(self, program: &Program, call: Call) -> Vec<Call> {
        let Some(factors) = call.factors else {
            return vec![call];
        };
        let parts = |tensors: &[Tensor]| tensors.iter().position(|tensor| tensor.name == PARTS);
        match self.form(&factors) {
            Form::Rising => vec![call],
            Form::Lanes => vec![by_lanes(call, &factors)],
            Form::Parts { count, length } => match parts(&program.tensors) {
                Some(parts) => in_parts(&call, &factors, parts, [count, length]),
                None => vec![call],
            },
        }
    }
}

/// Whether a constant is of how a product's operands are stored or rounded: where they are multiplied, it is wanted.
fn of_operands(name: &str) -> bool {
    name.ends_with("_TRANSPOSED") || ["HALF", "MAGNIFIED"].contains(&name)
}

/// Constants of a call that are neither those of its tiles nor of its operands.
fn untiled(call: &Call) -> impl Iterator<Item = (&'static str, u32)> {
    let kept = |name: &str| !is_of_tile(name) && !of_operands(name);
    let constants = call.constants.iter().copied();
    constants.filter(move |(name, _)| kept(name))
}

/// `shaders/lib/product_lanes.wgsl`.
fn by_lanes(call: Call, factors: &Factors) -> Call {
    let own = [("BY_LANES", 1)].into_iter();
    let half = factors.half.then_some(("HALF", 1));
    Call {
        constants: own.chain(half).chain(untiled(&call)).collect(),
        grid: [factors.n.div_ceil(4) as u32, factors.m.div_ceil(4) as u32],
        factors: None,
        ..call
    }
}

/// `shaders/matmul_part.wgsl`, and behind it the call's own kernel by `shaders/lib/product_parts.wgsl`.
fn in_parts(
    call: &Call,
    factors: &Factors,
    parts: TensorId,
    [count, length]: [usize; 2],
) -> Vec<Call> {
    let Factors { m, n, .. } = *factors;
    let row_sums = call.constants.iter().any(|(name, _)| *name == "ROW_SUMS");
    let products = Operand {
        tensor: parts,
        start: 0,
        len: count * m * n,
    };
    let rows = Operand {
        start: products.len,
        len: count * m,
        ..products
    };
    let whole = Operand {
        len: products.len + if row_sums { rows.len } else { 0 },
        ..products
    };
    let wanted = |name: &str| is_of_tile(name) || of_operands(name) || name == "ROW_SUMS";
    let constants = call.constants.iter().copied();
    let made = Call {
        kernel: "matmul_part",
        constants: constants.filter(|(name, _)| wanted(name)).collect(),
        operands: [&call.operands[..2], &[whole]].concat(),
        scalars: [
            &call.scalars[..5],
            &[count, length, m].map(|size| size as u32),
        ]
        .concat(),
        grid: call.grid,
        factors: Some(Factors {
            parts: count,
            ..*factors
        }),
    };
    let strides = [count, m * n, m].map(|size| size as u32);
    let own = [("SUMMED", 1)].into_iter();
    let summed = Call {
        kernel: call.kernel,
        constants: own.chain(untiled(call)).collect(),
        operands: [
            &[products, if row_sums { rows } else { products }],
            &call.operands[2..],
        ]
        .concat(),
        scalars: [&call.scalars[..2], &strides, &call.scalars[5..]].concat(),
        grid: [n.div_ceil(256) as u32, m as u32],
        factors: None,
    };
    vec![made, summed]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(transpose: Transpose, [m, n, k]: [usize; 3]) -> Form {
        let factors = Factors {
            m,
            n,
            k,
            transpose,
            inner: [m, n],
            parts: 1,
            half: false,
        };
        assert_eq!(Sums::Rising.form(&factors), Form::Rising);
        Sums::ByShape.form(&factors)
    }

    #[test]
    fn sums_are_cut_where_tiles_are_few_and_sums_are_long() {
        let parts = |count, length| Form::Parts { count, length };
        for (transpose, sizes, expected) in [
            // Weights of 784-512-512-10 at a batch of 256, and of 256-2048-2048-1 at one of 1024.
            (Transpose::A, [512, 784, 256], parts(2, 128)),
            (Transpose::A, [10, 512, 256], parts(2, 128)),
            (Transpose::A, [2048, 256, 1024], parts(2, 512)),
            (Transpose::A, [2048, 2048, 1024], Form::Rising),
            (Transpose::A, [1, 2048, 1024], parts(8, 128)),
            (Transpose::A, [64, 64, 255], Form::Rising),
            (Transpose::A, [1, 1, 16_384], parts(32, 512)),
            (Transpose::A, [64, 64, 1000], parts(7, 144)),
            (Transpose::Neither, [32, 2048, 2048], parts(8, 256)),
            (Transpose::Neither, [1024, 2048, 1], Form::Rising),
            (Transpose::B, [1024, 1, 2048], Form::Lanes),
            (Transpose::B, [3, 1, 2048], Form::Lanes),
            (Transpose::B, [3, 16, 128], Form::Lanes),
            (Transpose::B, [3, 16, 127], Form::Rising),
            (Transpose::B, [3, 17, 2048], Form::Rising),
        ] {
            let found = form(transpose, sizes);
            assert_eq!(found, expected, "{transpose:?} {sizes:?}");
            if let Form::Parts { count, length } = found {
                let k = sizes[2];
                assert!(length % 16 == 0 && (count - 1) * length < k && k <= count * length);
            }
        }
    }
}
