//! What is dispatched, and how buffers are bound.

use gpu_mlp::backend::gpu::{Mode, Sums};
use gpu_mlp::backend::{Backend, Data, Drawn, difference, kernels, run_all, tolerance};
use gpu_mlp::model::{Activation, Network};
use gpu_mlp::program::{
    Capacity, Loss, LossFunction, Op, Optimizer, Program, Reduction, Step, buffer,
};

use super::open;

#[test]
fn a_step_of_three_layers_is_twelve_dispatches() {
    // 188 MB of inputs, which a binding of the software adapter does not hold; alone and as a pack.
    let network = Network::new(784, &[512, 512], Activation::Relu, 10, Activation::Identity);
    let loss = Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean);
    for members in [1, 4] {
        let capacity = Capacity {
            members,
            batch: 256,
            rows: 60_000,
            order: 60_000,
            records: 1,
        };
        let program = Program::training(&network, &loss, &Optimizer::ADAM, capacity).fused();
        for sums in [Sums::Rising, Sums::ByShape] {
            let mut gpu = open(Mode::Dispatches).with_sums(sums);
            let compiled = gpu.compile(&program).expect("it fits");
            assert_eq!(gpu.dispatches(compiled, 1), 12, "{members} by {sums:?}");
        }
    }
}

#[test]
fn a_pack_has_as_many_dispatches_as_one_network() {
    let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
    for (inputs, hidden, batch) in [(30, &[64, 64][..], 32), (2, &[8], 4)] {
        let network = Network::new(inputs, hidden, Activation::Tanh, 1, Activation::Identity);
        let dispatches = |mode: Mode, members: usize| {
            let capacity = Capacity {
                members,
                batch,
                rows: 100,
                order: 100,
                records: 1,
            };
            let program = Program::training(&network, &loss, &Optimizer::ADAM, capacity).fused();
            let mut gpu = open(mode);
            let compiled = gpu.compile(&program).expect("it fits");
            gpu.dispatches(compiled, 4096)
        };
        let [op_by_op, many_steps] = [Mode::Dispatches, Mode::Resident];
        for mode in [op_by_op, many_steps] {
            assert_eq!(dispatches(mode, 32), dispatches(mode, 1), "{mode:?}");
        }
        assert!(8 * dispatches(many_steps, 32) < dispatches(op_by_op, 32));
    }
}

#[test]
fn rows_of_a_dataset_are_found_in_both_of_its_bindings_and_in_any_of_three() {
    // 137 and 274 MB, where a binding holds 128 MiB on the software adapter.
    for (columns, dispatches) in [(700, 1), (1_400, 4)] {
        let rows = 49_000;
        let network = Network::new(columns, &[], Activation::Tanh, 1, Activation::Identity);
        let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
        let capacity = Capacity {
            members: 1,
            batch: 6,
            rows,
            order: 6,
            records: 1,
        };
        let mut program = Program::training(&network, &loss, &Optimizer::ADAM, capacity).fused();
        program.ops.truncate(1);
        let mut gpu = open(Mode::Dispatches);
        let compiled = gpu.compile(&program).expect("it fits");
        assert!(gpu.dispatches(compiled, 1) <= dispatches);
        let inputs: Vec<f32> = (0..rows * columns)
            .map(|at| (at / columns) as f32 + (at % columns) as f32 / 2048.0)
            .collect();
        let targets: Vec<f32> = (0..rows).map(|row| -(row as f32)).collect();
        let order = [48_999, 0, 23_967, 23_966, 47_934, 47_933];
        for (name, data) in [
            (buffer::INPUTS, Data::F32(&inputs)),
            (buffer::TARGETS, Data::F32(&targets)),
            (buffer::ORDER, Data::U32(&order)),
        ] {
            gpu.write(name, 0, 0, data).expect("it fits");
        }
        let step = Step {
            rows: 6,
            ..Step::default()
        };
        run_all(&mut gpu, compiled, &[step]).expect("it runs");
        let x = gpu.read("x", 0, 0, 6 * columns).expect("it is there");
        let t = gpu.read("t", 0, 0, 6).expect("it is there");
        for (place, &row) in order.iter().enumerate() {
            let first = row as usize * columns;
            assert_eq!(x[place * columns..][..columns], inputs[first..][..columns]);
            assert_eq!(t[place], targets[row as usize]);
        }
    }
}

#[test]
fn buffers_larger_than_a_binding_are_taken_in_pieces() {
    // 151 MB of parameters, and nine members of 17 MB each, where a binding holds 128 MiB on the software adapter.
    let mut gpu = open(Mode::Dispatches);
    let updates = kernels([1, 6_151, 6_143], 1, 0);
    let products = kernels([3, 2_053, 2_048], 9, 1);
    let named = |name: &'static str, programs: Vec<(&'static str, Program)>| {
        programs
            .into_iter()
            .find(move |(kernel, _)| *kernel == name)
    };
    for program in [
        named("sgd", updates.clone()),
        named("square_sums", updates.clone()),
        named("clip_norm", updates),
        named("matmul_bias_activation", products),
    ] {
        let (kernel, program) = program.expect("it is listed");
        let rows = program.batch;
        let mut adapter = open(Mode::Dispatches);
        let error = difference(&mut adapter, &program, (rows, 1), Drawn::Usual).expect("it runs");
        assert!(error <= tolerance(kernel), "{kernel}: {error:e}");
    }
    // Seven of nine members would fit: two groups of three do, then the third.
    let (_, mut join) = named("join", kernels([1, 1, 1], 9, 3)).expect("it is listed");
    join.batch = 1;
    for tensor in &mut join.tensors {
        tensor.columns = 4 << 20;
    }
    for buffer in &mut join.buffers {
        buffer.len = 4 << 20;
    }
    for op in &mut join.ops {
        if let Op::Join { members, .. } = op {
            *members = 3;
        }
    }
    let error = difference(&mut open(Mode::Dispatches), &join, (1, 1), Drawn::Usual);
    assert!(error.expect("it runs") <= tolerance("join"));
    // The same backend refuses what no piece of memory holds.
    let (_, gather) = named("gather", kernels([1, 65_536, 65_536], 1, 2)).expect("it is listed");
    let error = gpu.compile(&gather).expect_err("17 GB are too much");
    assert!(error.to_string().contains("--device cpu"), "{error}");
}
