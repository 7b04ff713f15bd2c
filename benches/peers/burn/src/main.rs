//! One workload on one of burn's backends, in the plainest loop: prints one line of JSON.
//!
//! `burn-peer flex|ndarray|wgpu DATA WIDTHS BATCH LOSS HIDDEN OUTPUT SECONDS`

use std::error::Error;
use std::time::{Duration, Instant};

use burn::nn::loss::{
    BinaryCrossEntropyLoss, BinaryCrossEntropyLossConfig, CrossEntropyLoss, CrossEntropyLossConfig,
    MseLoss, Reduction,
};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn::tensor::activation::{relu, sigmoid, tanh};

type Function = fn(Tensor<2>) -> Tensor<2>;

#[derive(Module, Debug)]
struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    fn new(widths: &[usize], device: &Device) -> Self {
        let layers = widths.windows(2);
        let layers = layers.map(|pair| LinearConfig::new(pair[0], pair[1]).init(device));
        Mlp {
            layers: layers.collect(),
        }
    }

    fn forward(&self, x: Tensor<2>, hidden: Function, output: Function) -> Tensor<2> {
        let last = self.layers.len() - 1;
        let layers = self.layers.iter().enumerate();
        layers.fold(x, |x, (number, layer)| {
            let function = if number == last { output } else { hidden };
            function(layer.forward(x))
        })
    }
}

/// The targets of all rows, and the loss that they are held against.
enum Targets {
    Classes(Tensor<1, Int>, CrossEntropyLoss),
    TwoClasses(Tensor<2, Int>, BinaryCrossEntropyLoss),
    Values(Tensor<2>),
}

impl Targets {
    fn new(loss: &str, y: &[f32], device: &Device) -> Self {
        let values = Tensor::<1>::from_floats(y, device);
        match loss {
            "cross-entropy" => {
                Targets::Classes(values.int(), CrossEntropyLossConfig::new().init(device))
            }
            "binary-cross-entropy" => Targets::TwoClasses(
                values.int().reshape([y.len(), 1]),
                BinaryCrossEntropyLossConfig::new()
                    .with_logits(true)
                    .init(device),
            ),
            _ => Targets::Values(values.reshape([y.len(), 1])),
        }
    }

    fn loss(&self, z: Tensor<2>, rows: Tensor<1, Int>) -> Tensor<1> {
        match self {
            Targets::Classes(y, loss) => loss.forward(z, y.clone().select(0, rows)),
            Targets::TwoClasses(y, loss) => loss.forward(z, y.clone().select(0, rows)),
            Targets::Values(y) => {
                MseLoss::new().forward(z, y.clone().select(0, rows), Reduction::Mean)
            }
        }
    }
}

struct Trainer {
    device: Device,
    x: Tensor<2>,
    targets: Targets,
    hidden: Function,
    output: Function,
    model: Mlp,
    optimizer: ModuleOptimizer,
}

impl Trainer {
    /// One step on these rows, and its loss.
    fn step(mut self, rows: &[i32]) -> (Self, Tensor<1>) {
        let rows = Tensor::<1, Int>::from_ints(rows, &self.device);
        let x = self.x.clone().select(0, rows.clone());
        let z = self.model.forward(x, self.hidden, self.output);
        let loss = self.targets.loss(z, rows);
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        // The model is handed over, so that its memory can be used again.
        self.model = self.optimizer.step(1e-3, self.model, gradients);
        (self, loss)
    }
}

/// Batches of shuffled rows, epoch after epoch.
struct Batches {
    order: Vec<i32>,
    batch: usize,
    next: usize,
}

impl Batches {
    fn next(&mut self) -> &[i32] {
        if self.next == 0 {
            fastrand::shuffle(&mut self.order);
        }
        let start = self.next;
        let end = self.order.len().min(start + self.batch);
        self.next = if end == self.order.len() { 0 } else { end };
        &self.order[start..end]
    }
}

/// The f32 values of a file.
fn read(path: &str) -> std::io::Result<Vec<f32>> {
    let bytes = std::fs::read(path)?;
    let (values, _) = bytes.as_chunks();
    Ok(values.iter().copied().map(f32::from_le_bytes).collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [backend, data, widths, batch, loss, hidden, output, seconds] = &arguments[..] else {
        return Err("usage: burn-peer BACKEND DATA WIDTHS BATCH LOSS HIDDEN OUTPUT SECONDS".into());
    };
    #[expect(
        deprecated,
        reason = "ndarray gives way to flex, and is measured as long as it is there"
    )]
    let device = match &backend[..] {
        "flex" => Device::flex(),
        "ndarray" => Device::ndarray(),
        _ => Device::wgpu(Default::default()),
    };
    let device = device.autodiff();
    let widths = widths.split(',').map(str::parse);
    let widths: Vec<usize> = widths.collect::<Result<_, _>>()?;
    let batch: usize = batch.parse()?;
    let wanted = Duration::from_secs_f64(seconds.parse()?);
    let (x, y) = (read(&format!("{data}.x"))?, read(&format!("{data}.y"))?);

    let mut trainer = Trainer {
        x: Tensor::from_data(TensorData::new(x, [y.len(), widths[0]]), &device),
        targets: Targets::new(loss, &y, &device),
        hidden: if hidden == "tanh" { tanh } else { relu },
        output: if output == "sigmoid" { sigmoid } else { |z| z },
        model: Mlp::new(&widths, &device),
        optimizer: AdamConfig::new().init(),
        device,
    };
    let order: Vec<i32> = (0..y.len() as i32).collect();
    let rest = y.len() - (y.len() - 1) / batch * batch;
    // The first batch and the last of an epoch, which may be smaller: kernels are compiled and chosen for both.
    for _ in 0..2 {
        (trainer, _) = trainer.step(&order[..batch]);
        (trainer, _) = trainer.step(&order[..rest]);
    }
    trainer.device.sync()?;

    let mut batches = Batches {
        order,
        batch,
        next: 0,
    };
    let mut steps = 1.0;
    // A device may run far behind its queue: what counts is the time of so many steps that it is waited for once.
    let (samples, elapsed) = loop {
        let start = Instant::now();
        let mut samples = 0;
        for _ in 0..steps as usize {
            let rows = batches.next();
            samples += rows.len();
            (trainer, _) = trainer.step(rows);
        }
        trainer.device.sync()?;
        let elapsed = start.elapsed();
        if elapsed >= wanted {
            break (samples, elapsed.as_secs_f64());
        }
        let short = wanted.as_secs_f64() / elapsed.as_secs_f64();
        steps *= (1.2 * short).clamp(2.0, 10.0);
    };
    let (_, loss) = trainer.step(batches.next());
    let last: f32 = loss.into_scalar();
    let rate = samples as f64 / elapsed;
    println!(r#"{{"samples_per_second": {rate}, "seconds": {elapsed}, "loss": {last}}}"#);
    Ok(())
}
