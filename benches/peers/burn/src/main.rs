//! One workload on one of burn's backends, in the plainest loop: prints one line of JSON.
//!
//! `burn-peer flex|ndarray|wgpu DATA WIDTHS BATCH LOSS HIDDEN OUTPUT SECONDS`

use std::error::Error;
use std::time::Instant;

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

enum Loss {
    Classes(CrossEntropyLoss),
    TwoClasses(BinaryCrossEntropyLoss),
    Squares,
}

impl Loss {
    fn new(name: &str, device: &Device) -> Self {
        let two_classes = BinaryCrossEntropyLossConfig::new().with_logits(true);
        match name {
            "cross-entropy" => Loss::Classes(CrossEntropyLossConfig::new().init(device)),
            "binary-cross-entropy" => Loss::TwoClasses(two_classes.init(device)),
            _ => Loss::Squares,
        }
    }

    fn of(&self, z: Tensor<2>, y: Vec<f32>, device: &Device) -> Tensor<1> {
        let rows = y.len();
        match self {
            Loss::Classes(loss) => {
                loss.forward(z, Tensor::from_ints(TensorData::new(y, [rows]), device))
            }
            Loss::TwoClasses(loss) => {
                loss.forward(z, Tensor::from_ints(TensorData::new(y, [rows, 1]), device))
            }
            Loss::Squares => {
                let y = Tensor::from_floats(TensorData::new(y, [rows, 1]), device);
                MseLoss::new().forward(z, y, Reduction::Mean)
            }
        }
    }
}

struct Trainer {
    device: Device,
    x: Vec<f32>,
    y: Vec<f32>,
    hidden: Function,
    output: Function,
    loss: Loss,
    model: Mlp,
    optimizer: ModuleOptimizer,
}

impl Trainer {
    /// One step on these rows, which are picked in memory, as burn's own loader does it; and its loss.
    fn step(mut self, rows: &[usize]) -> (Self, Tensor<1>) {
        let inputs = self.x.len() / self.y.len();
        let mut x = Vec::with_capacity(rows.len() * inputs);
        for row in rows {
            x.extend_from_slice(&self.x[row * inputs..][..inputs]);
        }
        let y = rows.iter().map(|&row| self.y[row]).collect();
        let x = Tensor::from_data(TensorData::new(x, [rows.len(), inputs]), &self.device);
        let z = self.model.forward(x, self.hidden, self.output);
        let loss = self.loss.of(z, y, &self.device);
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        // The model is handed over, so that its memory can be used again.
        self.model = self.optimizer.step(1e-3, self.model, gradients);
        (self, loss)
    }
}

/// Batches of shuffled rows, epoch after epoch.
struct Batches {
    order: Vec<usize>,
    batch: usize,
    next: usize,
}

impl Batches {
    fn next(&mut self) -> &[usize] {
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
    let wanted: f64 = seconds.parse()?;
    let (x, y) = (read(&format!("{data}.x"))?, read(&format!("{data}.y"))?);

    let order: Vec<usize> = (0..y.len()).collect();
    let rest = y.len() - (y.len() - 1) / batch * batch;
    let mut trainer = Trainer {
        x,
        y,
        hidden: if hidden == "tanh" { tanh } else { relu },
        output: if output == "sigmoid" { sigmoid } else { |z| z },
        loss: Loss::new(loss, &device),
        model: Mlp::new(&widths, &device),
        optimizer: AdamConfig::new().init(),
        device,
    };
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
    let (mut steps, mut before) = (1.0, f64::INFINITY);
    // A device may run far behind its queue: what counts is the time of so many steps that it is waited for once. It counts
    // where the steps before were about as fast, since kernels may be compiled and chosen in the first few.
    let (samples, elapsed) = loop {
        let start = Instant::now();
        let mut samples = 0;
        for _ in 0..steps as usize {
            let rows = batches.next();
            samples += rows.len();
            (trainer, _) = trainer.step(rows);
        }
        trainer.device.sync()?;
        let elapsed = start.elapsed().as_secs_f64();
        let step = elapsed / f64::floor(steps);
        if elapsed >= wanted && before < 2.0 * step && step < 2.0 * before {
            break (samples, elapsed);
        }
        before = step;
        steps = (1.2 * wanted / step).clamp(1.0, 10.0 * steps);
    };
    let (_, loss) = trainer.step(batches.next());
    let last: f32 = loss.into_scalar();
    let rate = samples as f64 / elapsed;
    println!(r#"{{"samples_per_second": {rate}, "seconds": {elapsed}, "loss": {last}}}"#);
    Ok(())
}
