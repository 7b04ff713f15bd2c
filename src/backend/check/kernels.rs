use super::evaluations::evaluations;
use super::layers::layers;
use super::products::products as add_products;
use super::small::Small;
use super::updates::updates;
use crate::model::Activation;
use crate::program::{Op, Precision, Program};

/// A program of one op for each kernel and each of its forms, over a batch of `m` rows, `n` columns and sums of `k` terms.
/// Buffer names end in `number`, so that one backend takes programs of several sizes.
pub fn kernels(
    [m, n, k]: [usize; 3],
    members: usize,
    number: usize,
) -> Vec<(&'static str, Program)> {
    let mut programs = Vec::new();
    let mut add = |name: &str, make: &dyn Fn(&mut Small) -> Op| {
        let mut small = Small {
            program: Program {
                members,
                batch: m,
                precision: Precision::F32,
                buffers: Vec::new(),
                tensors: Vec::new(),
                ops: Vec::new(),
            },
            suffix: format!("{name} {number}"),
        };
        let op = make(&mut small);
        let kernel = op.name();
        small.program.ops.push(op);
        programs.push((kernel, small.program));
    };
    let sizes = [m, n, k];
    add_products(&mut add, sizes);
    layers(&mut add, sizes);
    evaluations(&mut add, sizes);
    updates(&mut add, sizes);
    programs
}

/// Of [`kernels`], each form of a product once, those with an activation with one that rounds.
pub fn products(sizes: [usize; 3], members: usize, number: usize) -> Vec<(&'static str, Program)> {
    let all = kernels(sizes, members, number).into_iter();
    let once = |program: &Program| match program.ops[0] {
        Op::MatmulBiasActivation { function, .. }
        | Op::MatmulActivationGradient { function, .. } => function == Activation::Tanh,
        ref op => op.product(program).is_some(),
    };
    all.filter(|(_, program)| once(program)).collect()
}
