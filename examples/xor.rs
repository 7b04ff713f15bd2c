//! The classic teaching example: XOR by a 2-2-1 network and full-batch gradient descent from the same weights three times,
//! on every device that there is. Whether it is solved hangs on the loss and on the hidden function.

use std::ops::ControlFlow;

use gpu_mlp::backend::Backend;
use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend};
use gpu_mlp::data::{ReadOptions, load};
use gpu_mlp::model::{Activation, NamedTensors};
use gpu_mlp::program::{Reduction, Rule};
use gpu_mlp::train::{BatchSize, Config, HiddenLayers, LossChoice, Plan};

/// 2·rand − 0.5 from `NumPy`'s `RandomState(1)`, in the order W1, b1, W2, b2, with W1 and W2 as `[out, in]`.
fn initial() -> NamedTensors {
    [
        (
            "layers.0.weight",
            vec![0.334_044, -0.499_771_24, 0.940_649, 0.104_665_145],
        ),
        ("layers.0.bias", vec![-0.206_488_22, -0.315_322_82]),
        ("layers.1.weight", vec![-0.127_479_58, 0.191_121_46]),
        ("layers.1.bias", vec![0.293_534_93]),
    ]
    .map(|(name, values)| (name.to_owned(), values))
    .into()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = load("xor", &ReadOptions::default())?;
    let mut backends: Vec<Box<dyn Backend>> = vec![Box::new(CpuBackend::<f32>::new())];
    match GpuBackend::open(&AdapterChoice::Best) {
        Ok(gpu) => backends.push(Box::new(gpu)),
        Err(error) => println!("{error}"),
    }
    for backend in &mut backends {
        println!("on {}", backend.device());
        for (activation, loss, reduction, output) in [
            (
                Activation::Sigmoid,
                LossChoice::BinaryCrossEntropy,
                Reduction::Sum,
                Activation::Identity,
            ),
            (
                Activation::Sigmoid,
                LossChoice::Mse,
                Reduction::HalfMean,
                Activation::Sigmoid,
            ),
            (
                Activation::Tanh,
                LossChoice::BinaryCrossEntropy,
                Reduction::Sum,
                Activation::Identity,
            ),
        ] {
            let config = Config {
                hidden: Some(HiddenLayers::of(&[2])),
                activation: Some(activation),
                output_activation: Some(output),
                loss: Some(loss),
                reduction: Some(reduction),
                optimizer: Some(Rule::Sgd.into()),
                lr: Some(0.01),
                batch_size: Some(BatchSize::All),
                epochs: Some(30_000),
                shuffle: Some(false),
                ..Config::default()
            };
            let plan = Plan::new(&data, &config, Some(&initial()))?;
            let fitted = plan.fit(&mut **backend, &mut |_| ControlFlow::Continue(()))?;
            let mut predictor = fitted.model.on(&mut **backend)?;
            let chances = predictor.predict(&data.train)?;
            let told = |chance: f32| format!("{chance:.3} ({})", chance.round());
            let outputs: Vec<String> = chances.values.chunks(2).map(|row| told(row[1])).collect();
            let (steps, _, time) = fitted.outcome.measured;
            let rate = steps as f64 / time.as_secs_f64();
            println!(
                "  {activation} {loss:?}: {}, {rate:.0} steps/s",
                outputs.join("  ")
            );
        }
    }
    Ok(())
}
