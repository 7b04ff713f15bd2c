//! Networks trained on real data, on the CPU and on the adapter.

mod batches;
mod devices;
mod ends;
mod monitor;
mod packs;
mod readback;

use std::ops::ControlFlow;

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend};
use gpu_mlp::backend::{Backend, BackendError, Limits, ProgramId};
use gpu_mlp::data::{Matrix, PreprocessMode, Preprocessing, ReadOptions, TargetEncoding, load};
use gpu_mlp::forward;
use gpu_mlp::model::{Activation, Dropout, Initializer, Network, Normalization, initialize};
use gpu_mlp::program::{
    Augmentation, Hyper, Loss, LossFunction, Optimizer, Precision, Program, Reduction,
};
use gpu_mlp::train::{
    Member, Monitor, Options, Outcome, Parts, Rows, Sampling, Schedule, Split, TrainError, split,
    train,
};

struct Digits {
    inputs: Matrix,
    targets: Matrix,
    split: Split,
    dropout: Dropout,
    normalization: Normalization,
}

impl Digits {
    fn new(validation: f64) -> Self {
        let table = load("digits", &ReadOptions::default())
            .expect("it is built in")
            .train;
        let encoding = TargetEncoding::fit(&table, None).expect("digits are classes");
        let targets = encoding.apply(&table).expect("all labels are known");
        let classes: Vec<u32> = targets.values.iter().map(|&class| class as u32).collect();
        let split = split(&classes, validation, 0.2, 1);
        let fitted = Preprocessing::fit(&table, &split.train, PreprocessMode::Auto);
        let inputs = fitted
            .expect("images")
            .0
            .apply(&table)
            .expect("the same images");
        Digits {
            inputs,
            targets,
            split,
            dropout: Dropout::None,
            normalization: Normalization::None,
        }
    }

    fn with(mut self, dropout: Dropout) -> Self {
        self.dropout = dropout;
        self
    }

    fn normalized(mut self, normalization: Normalization) -> Self {
        self.normalization = normalization;
        self
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            train: &self.split.train,
            validation: &self.split.validation,
            test: &self.split.test,
        }
    }

    fn train(
        &self,
        backend: &mut dyn Backend,
        seeds: &[u64],
        learning_rate: f32,
        change: impl Fn(&mut Options),
    ) -> Result<Outcome, TrainError> {
        let network = Network {
            dropout: self.dropout,
            normalization: self.normalization,
            ..Network::new(64, &[64], Activation::Relu, 10, Activation::Identity)
        };
        let member = |&seed: &u64| Member {
            weights: initialize(&network, Initializer::Auto, seed),
            hyper: Hyper {
                learning_rate,
                momentum: 0.9,
                dropout: 0.2,
                ..Hyper::default()
            },
            seed,
        };
        let members: Vec<_> = seeds.iter().map(member).collect();
        let mut options = options();
        change(&mut options);
        let rows = Rows {
            inputs: &self.inputs,
            targets: &self.targets,
            parts: &[self.parts()],
        };
        train(backend, &network, &members, rows, &options, &mut |_| {
            ControlFlow::Continue(())
        })
    }
}

fn options() -> Options {
    Options {
        loss: Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean),
        optimizer: Optimizer::ADAM,
        batch_size: Some(32),
        accumulate: 1,
        monitor: Monitor::Loss,
        epochs: 20,
        max_steps: None,
        patience: None,
        shuffle: true,
        sampling: Sampling::Each,
        schedule: Schedule::default(),
        lbfgs: None,
        augmentation: Augmentation::default(),
        precision: Precision::F32,
    }
}

fn cpu() -> CpuBackend<f32> {
    CpuBackend::new()
}

fn gpu() -> GpuBackend {
    GpuBackend::open(&AdapterChoice::Best).expect("a Vulkan adapter: see scripts/test.sh")
}

/// A CPU that takes few rows at a time.
struct Narrow(CpuBackend<f32>);

impl Backend for Narrow {
    forward!(0: device, run, write, read);

    fn limits(&self) -> Limits {
        Limits {
            tensor: usize::MAX,
            rows: 50,
        }
    }

    fn compile(&mut self, program: &Program) -> Result<ProgramId, BackendError> {
        assert!(
            program.batch <= 50,
            "a batch of {} on a device that takes 50",
            program.batch
        );
        self.0.compile(program)
    }
}
