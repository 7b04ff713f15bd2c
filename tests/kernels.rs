//! Programs on the adapter against the same programs on the twins, op by op through every tensor that they write.

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend, Mode};
use gpu_mlp::backend::{Backend, Data, run_all};
use gpu_mlp::model::{Activation, Network};
use gpu_mlp::program::{
    Capacity, Element, Hyper, Link, Loss, LossFunction, Optimizer, Program, Reduction, Step, buffer,
};
use gpu_mlp::random::{Purpose, Stream};
use proptest::prelude::*;
use rand::RngExt;

/// Largest difference allowed, relative to the largest value of the tensor: products of up to some hundred terms are
/// summed in another order, and an adapter's exp and log may be off by a few units in the last place.
const TOLERANCE: f32 = 2e-5;

/// Runs a program on a backend from drawn contents and returns every buffer of numbers that the members own.
fn contents(
    backend: &mut dyn Backend,
    program: &Program,
    classes: Option<usize>,
    steps: &[Step],
    seed: u64,
) -> Vec<(String, Vec<f32>)> {
    let compiled = backend.compile(program).expect("it compiles");
    for (position, described) in program.buffers.iter().enumerate() {
        let members = if described.shared { 1 } else { program.members };
        for member in 0..members {
            let mut stream = Stream::new(seed, Purpose::Check, (position * 100 + member) as u32);
            if described.element == Element::U32 {
                let rows = program.rows(program.ops_source()) as u32;
                let order: Vec<u32> = (0..described.len)
                    .map(|_| stream.random_range(0..rows))
                    .collect();
                backend
                    .write(&described.name, member, 0, Data::U32(&order))
                    .expect("it fits");
                continue;
            }
            let mut values: Vec<f32> = (0..described.len)
                .map(|_| stream.random_range(-1.0..1.0))
                .collect();
            match (described.name.as_str(), classes) {
                (buffer::TARGETS, Some(classes)) => {
                    for value in &mut values {
                        *value = ((*value + 1.0) * 1e4) as u32 as f32 % classes as f32;
                    }
                }
                (buffer::MOMENT2, _) => {
                    for value in &mut values {
                        *value = value.abs();
                    }
                }
                (buffer::HYPER, _) => {
                    let hyper = Hyper {
                        learning_rate: 0.01,
                        l2: 0.02,
                        momentum: 0.9,
                        padding: 0.0,
                    };
                    values.copy_from_slice(bytemuck::cast_slice(&[hyper]));
                }
                _ => {}
            }
            backend
                .write(&described.name, member, 0, Data::F32(&values))
                .expect("it fits");
        }
    }
    run_all(backend, compiled, steps).expect("it runs");
    let owned = program
        .buffers
        .iter()
        .filter(|described| !described.shared && described.element == Element::F32);
    owned
        .flat_map(|described| (0..program.members).map(move |member| (described, member)))
        .map(|(described, member)| {
            let values = backend
                .read(&described.name, member, 0, described.len)
                .expect("it is there");
            (format!("{}[{member}]", described.name), values)
        })
        .collect()
}

/// The tensor whose rows the batch order names.
trait Source {
    fn ops_source(&self) -> usize;
}

impl Source for Program {
    fn ops_source(&self) -> usize {
        self.tensors
            .iter()
            .position(|tensor| tensor.name == buffer::INPUTS)
            .unwrap_or(0)
    }
}

fn agree(program: &Program, classes: Option<usize>, steps: &[Step], seed: u64) {
    let on_cpu = contents(&mut CpuBackend::<f32>::new(), program, classes, steps, seed);
    for mode in [Mode::Dispatches, Mode::Resident] {
        let gpu =
            GpuBackend::open(&AdapterChoice::Best).expect("a Vulkan adapter: see scripts/test.sh");
        let on_gpu = contents(&mut gpu.with_mode(mode), program, classes, steps, seed);
        for ((name, gpu), (_, cpu)) in on_gpu.iter().zip(&on_cpu) {
            let scale = cpu
                .iter()
                .fold(1.0_f32, |scale, value| scale.max(value.abs()));
            for (i, (g, c)) in gpu.iter().zip(cpu).enumerate() {
                let error = (g - c).abs() / scale;
                assert!(
                    error <= TOLERANCE,
                    "{name}, value {i}: {g} by {mode:?}, {c} on the CPU, in\n{program}"
                );
            }
        }
    }
}

const LOSSES: [LossFunction; 3] = [
    LossFunction::CrossEntropy,
    LossFunction::BinaryCrossEntropy,
    LossFunction::Mse,
];
const ACTIVATIONS: [Activation; 4] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Sigmoid,
    Activation::Tanh,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn training_and_inference_agree_with_the_twins(
        inputs in 1_usize..70,
        hidden in prop::collection::vec(1_usize..90, 0..3),
        outputs in 1_usize..40,
        members in 1_usize..4,
        batch in 1_usize..140,
        loss in prop::sample::select(LOSSES.to_vec()),
        activation in prop::sample::select(ACTIVATIONS.to_vec()),
        adam: bool,
        fused: bool,
        kind in 0_usize..4,
        seed in 0_u64..1000,
    ) {
        let network = Network::new(inputs, &hidden, activation, outputs, Activation::Identity);
        let loss = Loss { function: loss, reduction: Reduction::Mean };
        let optimizer = if adam { Optimizer::ADAM } else { Optimizer::Sgd };
        let capacity = Capacity { members, batch, rows: 150, order: 2 * batch, records: 2 };
        let program = match kind {
            0 => Program::training(&network, &loss, &optimizer, capacity),
            1 => Program::gradients(&network, &loss, capacity),
            2 => Program::update(&network, &optimizer, capacity),
            _ => Program::inference(&network, if adam { Link::Softmax } else { Link::Sigmoid }, capacity),
        };
        let program = if fused { program.fused() } else { program };
        // The full batch comes last, so that no row is left over from a step that the other backend took otherwise.
        let step = |first: usize, rows: usize, record| Step {
            first: first as u32,
            rows: rows as u32,
            record,
            loss_scale: loss.scale(rows, outputs) as f32,
            rate: 1.0,
            correction1: 0.1,
            correction2: 0.001,
            padding: 0,
        };
        let steps = [step(batch, batch.div_ceil(2), 0), step(0, batch, 1)];
        let classes = (loss.function == LossFunction::CrossEntropy).then_some(outputs);
        agree(&program, classes, &steps[..if kind == 0 { 1 } else { 2 }], seed);
    }
}

#[test]
fn long_sums_agree_with_the_twins_or_are_refused() {
    let loss = Loss {
        function: LossFunction::Mse,
        reduction: Reduction::Mean,
    };
    let step = |rows: usize| Step {
        rows: rows as u32,
        loss_scale: 1.0 / rows as f32,
        ..Step::default()
    };
    for (inputs, units, batch) in [(3, 2, 16_384), (20_000, 3, 5), (20_000, 64, 5)] {
        let network = Network::new(
            inputs,
            &[],
            Activation::Identity,
            units,
            Activation::Identity,
        );
        let capacity = Capacity {
            members: 1,
            batch,
            rows: batch,
            order: batch,
            records: 1,
        };
        agree(
            &Program::gradients(&network, &loss, capacity).fused(),
            None,
            &[step(batch)],
            1,
        );
    }
    let network = Network::new(60_000, &[], Activation::Identity, 64, Activation::Identity);
    let capacity = Capacity {
        members: 1,
        batch: 4,
        rows: 4,
        order: 4,
        records: 1,
    };
    let program = Program::gradients(&network, &loss, capacity).fused();
    let mut gpu =
        GpuBackend::open(&AdapterChoice::Best).expect("a Vulkan adapter: see scripts/test.sh");
    match gpu.compile(&program) {
        Err(error) => assert!(error.to_string().contains("60000 inputs"), "{error}"),
        Ok(_) => agree(&program, None, &[step(4)], 1),
    }
}
