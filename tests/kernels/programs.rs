//! Whole programs that are drawn.

use clap::ValueEnum;
use gpu_mlp::model::{Activation, Dropout, Embeddings, Lookup, Network, Normalization, Periodic};
use gpu_mlp::program::{
    Augmentation, Capacity, Link, Loss, LossFunction, LossWeights, Optimizer, Program, Reduction,
    Rule,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::agree;

/// Without those whose derivative jumps, where a value lies within rounding of the place; their kernels are tried alone.
/// Without Lion, whose sign jumps.
fn steady() -> Vec<Rule> {
    let all = Rule::value_variants().iter().copied();
    all.filter(|rule| *rule != Rule::Lion).collect()
}

/// Nothing half of the time: the adapter runs many steps at once of a program without mixtures.
fn augmentations() -> Vec<Augmentation> {
    let noise = Augmentation {
        noise: 0.5,
        mask: 0.2,
        ..Augmentation::default()
    };
    let mixup = Augmentation {
        mixup: 0.4,
        ..noise
    };
    vec![
        Augmentation::default(),
        Augmentation::default(),
        noise,
        mixup,
    ]
}

/// Without those whose slope jumps, and without those of an exponential: drawn weights make logits that have none.
fn smooth_losses() -> Vec<LossFunction> {
    use LossFunction::{Gaussian, Hinge, Mae, Poisson, Quantile};
    let all = LossFunction::ALL.into_iter();
    all.filter(|function| !matches!(function, Hinge | Mae | Quantile { .. } | Gaussian | Poisson))
        .collect()
}

fn smooth() -> Vec<Activation> {
    use Activation::{HardSigmoid, LeakyRelu, Prelu, Relu, Selu};
    let all = Activation::value_variants().iter().copied();
    all.filter(|function| ![Relu, LeakyRelu, Prelu, Selu, HardSigmoid].contains(function))
        .collect()
}

proptest! {
    // The same cases every time: a logit that lies within rounding of zero may count as right on one side alone.
    #![proptest_config(ProptestConfig { cases: 40, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]
    #[test]
    fn training_and_inference_agree_with_the_twins(
        inputs in 1_usize..70,
        hidden in prop::collection::vec(1_usize..90, 0..3),
        outputs in 1_usize..40,
        members in 1_usize..4,
        batch in 1_usize..140,
        rows in 1_usize..140,
        loss in prop::sample::select(smooth_losses()),
        activation in prop::sample::select(smooth()),
        dropout in prop::sample::select(vec![Dropout::None, Dropout::Plain, Dropout::Alpha]),
        normalization in prop::sample::select(Normalization::value_variants().to_vec()),
        residual: bool,
        rule in prop::sample::select(steady()),
        softmax: bool,
        augmentation in prop::sample::select(augmentations()),
        weights in prop::sample::select(vec![LossWeights::None, LossWeights::Rows, LossWeights::Outputs]),
        fused: bool,
        kind in 0_usize..4,
        seed in 0_u64..1000,
    ) {
        // Layers as wide as each other, so that there is something to add.
        let hidden = if residual { vec![hidden.first().copied().unwrap_or(1); hidden.len()] } else { hidden };
        let network = Network {
            dropout,
            normalization,
            residual,
            ..Network::new(inputs, &hidden, activation, outputs, Activation::Identity)
        };
        let weights = if loss.of_class() && weights == LossWeights::Outputs { LossWeights::Rows } else { weights };
        let loss = Loss { weights, ..Loss::new(loss, Reduction::Mean) };
        let optimizer = Optimizer::new(rule);
        let capacity = Capacity { members, batch, rows: 150, order: 2 * batch, records: 2 };
        let program = match kind {
            0 => Program::training(&network, &loss, &optimizer, capacity),
            1 => Program::gradients(&network, &loss, capacity),
            2 => Program::update(&network, &optimizer, capacity),
            _ => Program::inference(&network, if softmax { Link::Softmax } else { Link::Sigmoid }, capacity),
        };
        let program = if kind < 2 { program.augmented(&augmentation) } else { program };
        let program = if fused { program.fused() } else { program };
        agree(&program, rows.min(batch), seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]
    #[test]
    fn programs_with_embeddings_agree_with_the_twins(
        numbers in 0_usize..20,
        plain in 0_usize..5,
        texts in 0_usize..4,
        rows_each in 1_usize..40,
        width in 1_usize..10,
        hidden in prop::collection::vec(1_usize..70, 0..2),
        members in 1_usize..4,
        batch in 1_usize..140,
        rows in 1_usize..140,
        kind in 0_usize..3,
        seed in 0_u64..1000,
    ) {
        let embeddings = Embeddings {
            periodic: (numbers > 0).then(|| Periodic::new(numbers)),
            lookup: (texts > 0).then(|| Lookup { rows: vec![rows_each; texts], width }),
        };
        let inputs = (numbers + plain + texts).max(1);
        let network = Network {
            embeddings,
            ..Network::new(inputs, &hidden, Activation::Tanh, 3, Activation::Identity)
        };
        let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
        let capacity = Capacity { members, batch, rows: 150, order: 2 * batch, records: 2 };
        let program = match kind {
            0 => Program::training(&network, &loss, &Optimizer::ADAM, capacity),
            1 => Program::gradients(&network, &loss, capacity),
            _ => Program::inference(&network, Link::Identity, capacity),
        };
        agree(&program.fused(), rows.min(batch), seed);
    }
}

/// Of so many ops that the kernel of many steps looks them up in its table; those above stand in its text.
#[test]
fn deep_networks_agree_with_the_twins() {
    let network = Network::new(30, &[40; 7], Activation::Tanh, 30, Activation::Identity);
    let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
    let capacity = Capacity {
        members: 2,
        batch: 50,
        rows: 150,
        order: 100,
        records: 2,
    };
    for program in [
        Program::training(&network, &loss, &Optimizer::ADAM, capacity),
        Program::gradients(&network, &loss, capacity),
    ] {
        agree(&program.fused(), 50, 1);
        agree(&program, 37, 2);
    }
}
