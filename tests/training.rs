//! Networks trained on real data, on the CPU and on the adapter.

use std::ops::ControlFlow;

use gpu_mlp::backend::Backend;
use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend};
use gpu_mlp::data::{PreprocessMode, Preprocessing, ReadOptions, TargetEncoding, load};
use gpu_mlp::model::{Activation, Initializer, Network, initialize};
use gpu_mlp::program::{Hyper, Loss, LossFunction, Optimizer, Reduction};
use gpu_mlp::train::{Options, Outcome, TrainError, split, train};

fn digits(
    backend: &mut dyn Backend,
    epochs: usize,
    learning_rate: f32,
) -> Result<Outcome, TrainError> {
    let table = load("digits", &ReadOptions::default())
        .expect("it is built in")
        .train;
    let encoding = TargetEncoding::fit(&table, None).expect("digits are classes");
    let targets = encoding.apply(&table).expect("all labels are known");
    let classes: Vec<u32> = targets.values.iter().map(|&class| class as u32).collect();
    let rows = split(&classes, 0.0, 0.2, 1).train;
    let (preprocessing, _) =
        Preprocessing::fit(&table, &rows, PreprocessMode::Auto).expect("images");
    let inputs = preprocessing.apply(&table).expect("the same images");
    let network = Network::new(64, &[64], Activation::Relu, 10, Activation::Identity);
    let weights = initialize(&network, Initializer::Auto, 1);
    let options = Options {
        loss: Loss {
            function: LossFunction::CrossEntropy,
            reduction: Reduction::Mean,
        },
        optimizer: Optimizer::ADAM,
        hyper: Hyper {
            learning_rate,
            ..Hyper::default()
        },
        batch_size: Some(32),
        epochs,
        shuffle: true,
        seed: 1,
    };
    let go_on = |_: &_| ControlFlow::Continue(());
    train(
        backend,
        &network,
        &weights,
        (&inputs, &targets),
        &rows,
        &options,
        go_on,
    )
}

#[test]
fn digits_are_learned() {
    let outcome = digits(&mut CpuBackend::<f32>::new(), 20, 1e-3).expect("it trains");
    let last = outcome.history.last().expect("twenty epochs");
    assert!(last.accuracy > 0.98 && last.loss < 0.1, "{last:?}");
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let run = || digits(&mut CpuBackend::<f32>::new(), 2, 1e-3).expect("it trains");
    assert_eq!(run(), run());
}

#[test]
fn after_one_epoch_the_adapter_has_the_loss_of_the_cpu() {
    let mut gpu =
        GpuBackend::open(&AdapterChoice::Best).expect("a Vulkan adapter: see scripts/test.sh");
    let on_gpu = digits(&mut gpu, 1, 1e-3).expect("it trains").history[0].loss;
    let on_cpu = digits(&mut CpuBackend::<f32>::new(), 1, 1e-3)
        .expect("it trains")
        .history[0]
        .loss;
    assert!(
        (on_gpu / on_cpu - 1.0).abs() < 1e-4,
        "{on_gpu} on the adapter, {on_cpu} on the CPU"
    );
}

#[test]
fn a_diverging_loss_ends_the_run() {
    let error =
        digits(&mut CpuBackend::<f32>::new(), 20, 1e30).expect_err("nothing learns at this rate");
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
}
