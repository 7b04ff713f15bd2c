use serde::{Deserialize, Serialize};

/// A function behind a layer, named as on the command line; constants are `PyTorch`'s defaults.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// f(z) = z
    Identity,
    /// f(z) = max(z, 0)
    #[default]
    Relu,
    /// f(z) = 1 / (1 + e^−z)
    Sigmoid,
    /// f(z) = tanh z
    Tanh,
    /// f(z) = z if z > 0, else 0.01·z (Maas et al. 2013)
    LeakyRelu,
    /// f(z) = z if z > 0, else e^z − 1 (Clevert et al. 2016)
    Elu,
    /// f(z) = 1.0507·(z if z > 0, else 1.6733·(e^z − 1)) (Klambauer et al. 2017)
    Selu,
    /// f(z) = z·Φ(z), with Φ the normal distribution (Hendrycks and Gimpel 2016)
    Gelu,
    /// f(z) = z/2·(1 + tanh(√(2/π)·(z + 0.044715·z³))), GELU's approximation
    GeluTanh,
    /// f(z) = z / (1 + e^−z) (Elfwing et al. 2018)
    Silu,
    /// f(z) = z·tanh(log(1 + e^z)) (Misra 2019)
    Mish,
    /// f(z) = log(1 + e^z)
    Softplus,
    /// f(z) = z / (1 + |z|)
    Softsign,
    /// f(z) = z/6 + 1/2, within 0 and 1
    HardSigmoid,
    /// f(z) = z if z > 0, else α·z, with one α a layer that is learned, from 0.25 on (He et al. 2015)
    Prelu,
    /// f(z) = e^z / Σ e^z, over a row
    Softmax,
    /// f(z) = z − log Σ e^z, over a row
    LogSoftmax,
}

impl Activation {
    /// Functions of one value alone, which kernels of other work take along; the rest have ops of their own.
    pub const ELEMENTWISE: [Activation; 14] = [
        Activation::Identity,
        Activation::Relu,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::LeakyRelu,
        Activation::Elu,
        Activation::Selu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Silu,
        Activation::Mish,
        Activation::Softplus,
        Activation::Softsign,
        Activation::HardSigmoid,
    ];

    /// Whether it is one of [`Activation::ELEMENTWISE`].
    pub fn is_elementwise(self) -> bool {
        Activation::ELEMENTWISE.contains(&self)
    }

    /// Whether the backward pass finds f′ from the function's input. From its output otherwise, so that the input need not
    /// be kept.
    pub fn keeps_input(self) -> bool {
        match self {
            Activation::Identity
            | Activation::Relu
            | Activation::Sigmoid
            | Activation::Tanh
            | Activation::LeakyRelu
            | Activation::Elu
            | Activation::Selu
            | Activation::HardSigmoid
            | Activation::Softmax
            | Activation::LogSoftmax => false,
            Activation::Gelu
            | Activation::GeluTanh
            | Activation::Silu
            | Activation::Mish
            | Activation::Softplus
            | Activation::Softsign
            | Activation::Prelu => true,
        }
    }
}
