//! What is written, read and compiled between steps, while the kernel of many steps has the buffers in an arena of its own.

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::Mode;
use gpu_mlp::backend::{Backend, BackendError, Data, ProgramId, run_all};
use gpu_mlp::model::{Activation, Network};
use gpu_mlp::program::{
    Capacity, Hyper, Link, Loss, LossFunction, Optimizer, Program, Reduction, Step, buffer,
};
use proptest::prelude::*;

use super::{PROGRAM_TOLERANCE, open};

const MEMBERS: usize = 2;
const BATCH: usize = 16;
const ROWS: usize = 48;

#[derive(Clone, Copy, Debug)]
enum Act {
    Train(usize),
    Gradients,
    Infer,
    /// One weight of the second member.
    WriteWeight,
    /// The rate, and the order of rows: a buffer that the arena has, and one that it has not.
    WriteRate,
    WriteOrder,
    ReadWeights,
    ReadGradients,
    ReadLog,
    /// The training program for larger batches: buffers move.
    Compile,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        8 => (1_usize..4).prop_map(Act::Train),
        3 => Just(Act::Gradients),
        3 => Just(Act::Infer),
        4 => Just(Act::WriteWeight),
        3 => Just(Act::WriteRate),
        3 => Just(Act::WriteOrder),
        3 => Just(Act::ReadWeights),
        3 => Just(Act::ReadGradients),
        3 => Just(Act::ReadLog),
        1 => Just(Act::Compile),
    ];
    prop::collection::vec(act, 40)
}

fn network() -> Network {
    Network::new(5, &[40, 33], Activation::Tanh, 2, Activation::Identity)
}

fn capacity(batch: usize) -> Capacity {
    Capacity {
        members: MEMBERS,
        batch,
        rows: ROWS,
        order: ROWS,
        records: 1,
    }
}

fn training(batch: usize) -> Program {
    let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
    Program::training(&network(), &loss, &Optimizer::SGD, capacity(batch)).fused()
}

fn step(number: usize) -> Step {
    Step {
        first: (number % 3 * BATCH) as u32,
        rows: BATCH as u32,
        number: number as u32,
        loss_scale: 1.0 / BATCH as f32,
        rate: 1.0,
        correction1: 1.0,
        correction2: 1.0,
        ..Step::default()
    }
}

fn drawn(len: usize, seed: usize) -> Vec<f32> {
    let value = |at: usize| ((at * 37 + seed * 11) % 101) as f32 / 101.0 - 0.5;
    (0..len).map(value).collect()
}

/// All that is read on the way, and the weights of both members at the end.
fn read(backend: &mut dyn Backend, acts: &[Act]) -> Result<Vec<f32>, BackendError> {
    let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
    let gradients = Program::gradients(&network(), &loss, capacity(BATCH)).fused();
    let inference = Program::inference(&network(), Link::Identity, capacity(BATCH)).fused();
    let weights = network().parameter_count();
    let mut train = backend.compile(&training(BATCH))?;
    let [gradients, inference] = [backend.compile(&gradients)?, backend.compile(&inference)?];
    backend.write(buffer::INPUTS, 0, 0, Data::F32(&drawn(ROWS * 5, 1)))?;
    backend.write(buffer::TARGETS, 0, 0, Data::F32(&drawn(ROWS * 2, 2)))?;
    let order =
        |shift: usize| -> Vec<u32> { (0..ROWS).map(|row| ((row + shift) % ROWS) as u32).collect() };
    let rate = |backend: &mut dyn Backend, rate: f32| {
        let hyper = Hyper {
            learning_rate: rate,
            momentum: 0.5,
            ..Hyper::default()
        };
        let hyper = bytemuck::cast_slice(std::slice::from_ref(&hyper)).to_vec();
        (0..MEMBERS)
            .try_for_each(|member| backend.write(buffer::HYPER, member, 0, Data::F32(&hyper)))
    };
    for member in 0..MEMBERS {
        backend.write(buffer::ORDER, member, 0, Data::U32(&order(member)))?;
        let values = drawn(weights, 3 + member);
        backend.write(buffer::PARAMETERS, member, 0, Data::F32(&values))?;
    }
    rate(backend, 0.01)?;
    let mut found = Vec::new();
    let run = |backend: &mut dyn Backend, program: ProgramId, first: usize, count: usize| {
        let steps: Vec<Step> = (first..first + count).map(step).collect();
        run_all(backend, program, &steps)
    };
    for (number, act) in acts.iter().enumerate() {
        let last = MEMBERS - 1;
        match *act {
            Act::Train(count) => run(backend, train, number, count)?,
            Act::Gradients => run(backend, gradients, number, 1)?,
            Act::Infer => run(backend, inference, number, 1)?,
            Act::WriteWeight => {
                let at = number * 7 % weights;
                backend.write(buffer::PARAMETERS, last, at, Data::F32(&[0.25]))?;
            }
            Act::WriteRate => rate(backend, 0.01 / (number + 1) as f32)?,
            Act::WriteOrder => {
                backend.write(buffer::ORDER, last, 0, Data::U32(&order(number)))?;
            }
            Act::ReadWeights => found.extend(backend.read(buffer::PARAMETERS, last, 0, weights)?),
            Act::ReadGradients => found.extend(backend.read(buffer::GRADIENTS, 0, 0, weights)?),
            Act::ReadLog => found.extend(backend.read(buffer::LOG, last, 0, 4)?),
            Act::Compile => train = backend.compile(&training(BATCH + number))?,
        }
    }
    for member in 0..MEMBERS {
        found.extend(backend.read(buffer::PARAMETERS, member, 0, weights)?);
    }
    Ok(found)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2))]
    #[test]
    fn between_steps_buffers_hold_what_they_hold_op_by_op(acts in acts()) {
        let expected = read(&mut CpuBackend::<f32>::new(), &acts).expect("it runs");
        let found = read(&mut open(Mode::Resident), &acts).expect("it runs");
        prop_assert_eq!(found.len(), expected.len());
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let error = (found - expected).abs();
            prop_assert!(error <= PROGRAM_TOLERANCE * (1.0 + expected.abs()), "value {}: {} for {}", at, found, expected);
        }
    }
}
