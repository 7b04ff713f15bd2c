//! The numbers by which kernels know things.

use crate::model::{Activation, Dropout};
use crate::program::{Answer, LossFunction, LossWeights, Rule};

/// The number by which kernels know the function: shaders/lib/functions.wgsl. One that is not elementwise has kernels of its own.
pub(in crate::backend::gpu) fn function(activation: Activation) -> u32 {
    match activation {
        Activation::Identity | Activation::Prelu | Activation::Softmax | Activation::LogSoftmax => {
            0
        }
        Activation::Relu => 1,
        Activation::Sigmoid => 2,
        Activation::Tanh => 3,
        Activation::LeakyRelu => 4,
        Activation::Elu => 5,
        Activation::Selu => 6,
        Activation::Gelu => 7,
        Activation::GeluTanh => 8,
        Activation::Silu => 9,
        Activation::Mish => 10,
        Activation::Softplus => 11,
        Activation::Softsign => 12,
        Activation::HardSigmoid => 13,
    }
}

/// The number by which kernels know the loss: shaders/lib/losses.wgsl.
pub(in crate::backend::gpu) fn loss(function: LossFunction) -> u32 {
    match function {
        LossFunction::CrossEntropy { .. } => 0,
        LossFunction::Focal { .. } => 1,
        LossFunction::Hinge => 2,
        LossFunction::BinaryCrossEntropy => 3,
        LossFunction::Mse => 4,
        LossFunction::Mae => 5,
        LossFunction::Huber { .. } => 6,
        LossFunction::LogCosh => 7,
        LossFunction::Poisson => 8,
        LossFunction::Quantile { .. } => 9,
        LossFunction::Gaussian => 10,
    }
}

/// The number by which kernels know what a loss is weighted by.
pub(in crate::backend::gpu) fn loss_weights(weights: LossWeights) -> u32 {
    match weights {
        LossWeights::None => 0,
        LossWeights::Rows => 1,
        LossWeights::Outputs => 2,
    }
}

/// The number by which kernels know the optimizer's rule: shaders/lib/update.wgsl.
pub(in crate::backend::gpu) fn rule(rule: Rule) -> u32 {
    match rule {
        Rule::Sgd => 0,
        Rule::Adam => 1,
        Rule::Adamw => 2,
        Rule::Amsgrad => 3,
        Rule::Nadam => 4,
        Rule::Radam => 5,
        Rule::Rmsprop => 6,
        Rule::Adagrad => 7,
        Rule::Adadelta => 8,
        Rule::Lion => 9,
        Rule::Muon => 10,
    }
}

/// The number by which kernels know the kind of dropout: shaders/lib/mask.wgsl.
pub(in crate::backend::gpu) fn dropout(kind: Dropout) -> u32 {
    (kind == Dropout::Alpha).into()
}

/// The number by which the kernel knows how outputs become answers, and whether they are logarithms: shaders/answers.wgsl. One that
/// another op makes is never asked for here.
pub(super) fn answer(answer: Answer) -> (u32, bool) {
    match answer {
        Answer::Pair => (0, false),
        Answer::Clamped => (1, false),
        Answer::Exponential => (2, false),
        Answer::Values { logarithm } => (3, logarithm),
        Answer::Softmax | Answer::Margins | Answer::Labels => (3, false),
        Answer::Quantiles { logarithm, .. } => (4, logarithm),
        Answer::Normal => (5, false),
    }
}
