//! A training loop of one's own over a `Program`: buffers are written by name, steps are data, the log is read back.

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::{Backend, Data, run_all, write_weights};
use gpu_mlp::model::{Activation, Initializer, Network, initialize};
use gpu_mlp::program::{
    Capacity, Hyper, Loss, LossFunction, Optimizer, Program, Reduction, Step, buffer, record,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Two networks at once, which differ in their learning rates, learn to add two numbers.
    let network = Network::new(2, &[16], Activation::Tanh, 1, Activation::Identity);
    let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
    let (members, batch, steps) = (2, 64, 500);
    let capacity = Capacity {
        members,
        batch,
        rows: batch,
        order: batch,
        records: steps,
    };
    let program = Program::training(&network, &loss, &Optimizer::ADAM, capacity).fused();
    println!("{program}");

    let mut backend = CpuBackend::<f32>::new();
    let compiled = backend.compile(&program)?;
    let inputs: Vec<f32> = (0..2 * batch)
        .map(|i| ((i * 37) % 101) as f32 / 101.0)
        .collect();
    let targets: Vec<f32> = inputs.chunks(2).map(|pair| pair[0] + pair[1]).collect();
    let order: Vec<u32> = (0..batch as u32).collect();
    backend.write(buffer::INPUTS, 0, 0, Data::F32(&inputs))?;
    backend.write(buffer::TARGETS, 0, 0, Data::F32(&targets))?;
    for (member, learning_rate) in [0.001, 0.01].into_iter().enumerate() {
        let hyper = Hyper {
            learning_rate,
            ..Hyper::default()
        };
        backend.write(buffer::ORDER, member, 0, Data::U32(&order))?;
        backend.write(
            buffer::HYPER,
            member,
            0,
            Data::F32(bytemuck::cast_slice(&[hyper])),
        )?;
        let weights = initialize(&network, Initializer::Auto, member as u64);
        write_weights(&mut backend, &network, buffer::PARAMETERS, member, &weights)?;
    }
    let table: Vec<Step> = (0..steps)
        .map(|step| {
            let [correction1, correction2, correction3] =
                Optimizer::ADAM.corrections(step as u64 + 1);
            Step {
                rows: batch as u32,
                record: step as u32,
                loss_scale: loss.scale(batch, 1) as f32,
                // A schedule of one's own: the rate falls to a tenth.
                rate: 1.0 - 0.9 * step as f32 / steps as f32,
                correction1,
                correction2,
                correction3,
                ..Step::default()
            }
        })
        .collect();
    run_all(&mut backend, compiled, &table)?;
    for member in 0..members {
        let log = backend.read(buffer::LOG, member, 0, steps * record::WIDTH)?;
        let losses: Vec<f32> = log
            .chunks(record::WIDTH)
            .map(|row| row[record::LOSS] / batch as f32)
            .collect();
        println!(
            "member {member}: loss {:.4} at first, {:.6} at last",
            losses[0],
            losses[steps - 1]
        );
    }
    Ok(())
}
