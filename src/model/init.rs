use std::f32::consts::PI;

use rand::distr::Distribution;
use rand_distr::{Normal, Uniform};
use serde::{Deserialize, Serialize};

use super::{Activation, Network, ParameterShape, Role, Weights};
use crate::random::{Purpose, Stream};

/// How initial weights are drawn. Biases start at zero, but for [`Initializer::Teaching`]; γ at 1, β at 0, the slope of `PReLU` at
/// 0.25.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Initializer {
    /// What suits the layer's activation: He's normal for the `ReLU` family, `LeCun`'s for SELU, Xavier's uniform for any other
    #[default]
    Auto,
    /// 0 for all weights, with which no hidden layer learns
    Zeros,
    /// Normal with deviation 0.05, as Keras has it
    Normal,
    /// Uniform on ±0.05, as Keras has it
    Uniform,
    /// Normal with variance 1 / fan-in (`LeCun` et al. 1998)
    LecunNormal,
    /// Uniform with variance 1 / fan-in
    LecunUniform,
    /// Normal with variance 2 / (fan-in + fan-out) (Glorot and Bengio 2010)
    XavierNormal,
    /// Uniform on ±√(6 / (fan-in + fan-out)) (Glorot and Bengio 2010, equation 16)
    XavierUniform,
    /// Normal with variance 2 / fan-in (He et al. 2015, equation 10)
    HeNormal,
    /// Uniform with variance 2 / fan-in
    HeUniform,
    /// Normal with variance 2 / fan-out (He et al. 2015, equation 14)
    HeNormalFanOut,
    /// Uniform with variance 2 / fan-out
    HeUniformFanOut,
    /// Orthonormal rows, or columns if there are fewer of them (Saxe et al. 2014)
    Orthogonal,
    /// 2·rand − 0.5 for weights and biases, as teaching examples have it
    Teaching,
}

impl Initializer {
    /// The one that [`Initializer::Auto`] is for an activation; any other is itself.
    fn suiting(self, activation: Activation) -> Self {
        match (self, activation) {
            (
                Initializer::Auto,
                Activation::Relu
                | Activation::LeakyRelu
                | Activation::Prelu
                | Activation::Elu
                | Activation::Gelu
                | Activation::GeluTanh
                | Activation::Silu
                | Activation::Mish
                | Activation::Softplus,
            ) => Initializer::HeNormal,
            (Initializer::Auto, Activation::Selu) => Initializer::LecunNormal,
            (Initializer::Auto, _) => Initializer::XavierUniform,
            (given, _) => given,
        }
    }
}

/// Draws a network's initial weights: a function of the seed and each parameter's position alone.
pub fn initialize(network: &Network, initializer: Initializer, seed: u64) -> Weights {
    let stream = |number: usize| Stream::new(seed, Purpose::Weights, number as u32);
    // What stands before the layers has the last numbers.
    let first = |number: u32| Stream::new(seed, Purpose::Weights, u32::MAX - number);
    let suiting = |n: usize| initializer.suiting(network.layers[n].activation);
    let values = |parameter: ParameterShape| match parameter.role {
        Role::Weight(n) => {
            let units = network.layers[n].units;
            matrix(suiting(n), network.fan_in(n), units, stream(2 * n))
        }
        Role::Bias(n) if suiting(n) == Initializer::Teaching => {
            uniform(-0.5, 1.5, parameter.len(), stream(2 * n + 1))
        }
        Role::Embedding => table(network, first(0)),
        Role::Frequency => normal(0.1, parameter.len(), first(1)),
        Role::Phase => uniform(-PI, PI, parameter.len(), first(2)),
        Role::Mixture => scattered(network, parameter.len(), first(3)),
        Role::Offset => scattered(network, parameter.len(), first(4)),
        Role::Slope => vec![0.25; parameter.len()],
        Role::Scale | Role::RunningVariance => vec![1.0; parameter.len()],
        Role::Bias(_) | Role::Shift | Role::RunningMean => vec![0.0; parameter.len()],
    };
    Weights(network.parameters().into_iter().map(values).collect())
}

/// The rows of a table: normal, as `nn.Embedding` has them, but zero for what is none of a column's texts, as nothing may ever be
/// learned of it.
fn table(network: &Network, stream: Stream) -> Vec<f32> {
    let Some(lookup) = &network.embeddings.lookup else {
        return Vec::new();
    };
    let width = lookup.width;
    let mut values = normal(1.0, lookup.height() * width, stream);
    for row in lookup.unknown() {
        values[row * width..(row + 1) * width].fill(0.0);
    }
    values
}

/// Uniform on ±1/√frequencies, as `nn.Linear` behind so many inputs has it.
fn scattered(network: &Network, len: usize, stream: Stream) -> Vec<f32> {
    let waves = network.embeddings.periodic;
    let limit = waves.map_or(1.0, |waves| (waves.frequencies as f32).recip().sqrt());
    uniform(-limit, limit, len, stream)
}

/// A weight matrix `[fan_out, fan_in]`.
fn matrix(kind: Initializer, fan_in: usize, fan_out: usize, stream: Stream) -> Vec<f32> {
    let size = fan_in * fan_out;
    let [both, fan_in_f, fan_out_f] = [fan_in + fan_out, fan_in, fan_out].map(|fan| fan as f32);
    let with_variance = |variance: f32, stream| {
        let limit = (3.0 * variance).sqrt();
        uniform(-limit, limit, size, stream)
    };
    match kind {
        Initializer::Zeros => vec![0.0; size],
        Initializer::Normal => normal(0.05, size, stream),
        Initializer::Uniform => uniform(-0.05, 0.05, size, stream),
        Initializer::LecunNormal => normal(fan_in_f.recip().sqrt(), size, stream),
        Initializer::LecunUniform => with_variance(fan_in_f.recip(), stream),
        Initializer::XavierNormal => normal((2.0 / both).sqrt(), size, stream),
        Initializer::Auto | Initializer::XavierUniform => {
            let limit = (6.0 / both).sqrt();
            uniform(-limit, limit, size, stream)
        }
        Initializer::HeNormal => normal((2.0 / fan_in_f).sqrt(), size, stream),
        Initializer::HeUniform => with_variance(2.0 / fan_in_f, stream),
        Initializer::HeNormalFanOut => normal((2.0 / fan_out_f).sqrt(), size, stream),
        Initializer::HeUniformFanOut => with_variance(2.0 / fan_out_f, stream),
        Initializer::Orthogonal => orthogonal(fan_out, fan_in, stream),
        Initializer::Teaching => uniform(-0.5, 1.5, size, stream),
    }
}

fn normal(deviation: f32, len: usize, mut stream: Stream) -> Vec<f32> {
    let normal = Normal::new(0.0, deviation).expect("the deviation is finite");
    (0..len).map(|_| normal.sample(&mut stream)).collect()
}

fn uniform(low: f32, high: f32, len: usize, mut stream: Stream) -> Vec<f32> {
    let uniform = Uniform::new_inclusive(low, high).expect("the range is not empty");
    (0..len).map(|_| uniform.sample(&mut stream)).collect()
}

/// `[rows, columns]` with orthonormal rows, or columns if there are fewer of them: a normal draw, each vector made orthogonal
/// to those before it, twice, so that rounding leaves nothing of them (Giraud et al. 2005).
fn orthogonal(rows: usize, columns: usize, stream: Stream) -> Vec<f32> {
    let (count, len) = (rows.min(columns), rows.max(columns));
    let drawn = normal(1.0, count * len, stream);
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    for draw in drawn.chunks(len) {
        let mut vector: Vec<f64> = draw.iter().copied().map(f64::from).collect();
        for _ in 0..2 {
            for other in &vectors {
                let along: f64 = other.iter().zip(&vector).map(|(a, b)| a * b).sum();
                for (value, other) in vector.iter_mut().zip(other) {
                    *value -= along * other;
                }
            }
        }
        let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
        vectors.push(vector.into_iter().map(|value| value / length).collect());
    }
    let value = |i: usize| {
        let (row, column) = (i / columns, i % columns);
        (if rows <= columns {
            vectors[row][column]
        } else {
            vectors[column][row]
        }) as f32
    };
    (0..rows * columns).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f32]) -> (f64, f64) {
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
        let square = |v: &f32| (f64::from(*v) - mean).powi(2);
        (
            mean,
            values.iter().map(square).sum::<f64>() / values.len() as f64,
        )
    }

    #[test]
    fn each_initializer_has_the_moments_of_its_formula() {
        use Initializer as I;
        let network = Network::new(400, &[300], Activation::Relu, 200, Activation::Identity);
        for (initializer, parameter, mean, variance) in [
            (I::Auto, 0, 0.0, 2.0 / 400.0),
            (I::Auto, 2, 0.0, 2.0 / 500.0),
            (I::Normal, 0, 0.0, 0.05 * 0.05),
            (I::Uniform, 0, 0.0, 0.1 * 0.1 / 12.0),
            (I::LecunNormal, 2, 0.0, 1.0 / 300.0),
            (I::LecunUniform, 2, 0.0, 1.0 / 300.0),
            (I::XavierNormal, 0, 0.0, 2.0 / 700.0),
            (I::XavierUniform, 0, 0.0, 2.0 / 700.0),
            (I::HeNormal, 2, 0.0, 2.0 / 300.0),
            (I::HeUniform, 2, 0.0, 2.0 / 300.0),
            (I::HeNormalFanOut, 2, 0.0, 2.0 / 200.0),
            (I::HeUniformFanOut, 2, 0.0, 2.0 / 200.0),
            (I::Orthogonal, 0, 0.0, 1.0 / 400.0),
            (I::Teaching, 0, 0.5, 4.0 / 12.0),
            (I::Teaching, 2, 0.5, 4.0 / 12.0),
        ] {
            let Weights(weights) = initialize(&network, initializer, 7);
            let (found_mean, found_variance) = moments(&weights[parameter]);
            assert!(
                (found_mean - mean).abs() < 0.02 * f64::sqrt(variance),
                "{initializer:?} {found_mean}"
            );
            assert!(
                (found_variance / variance - 1.0).abs() < 0.02,
                "{initializer:?} {found_variance}"
            );
        }
    }

    #[test]
    fn embeddings_begin_as_realmlp_and_pytorch_have_them() {
        use crate::model::{Embeddings, Lookup, Periodic};

        let network = Network {
            embeddings: Embeddings {
                periodic: Some(Periodic::new(700)),
                lookup: Some(Lookup {
                    rows: vec![700, 900],
                    width: 8,
                }),
            },
            ..Network::new(702, &[], Activation::Relu, 1, Activation::Identity)
        };
        let Weights(weights) = initialize(&network, Initializer::Zeros, 7);
        for (parameter, variance) in [
            (0, 0.1 * 0.1),
            (1, f64::from(PI).powi(2) / 3.0),
            (2, 1.0 / 16.0 / 3.0),
            (3, 1.0 / 16.0 / 3.0),
            (4, 1.0),
        ] {
            let (mean, found) = moments(&weights[parameter]);
            assert!(
                mean.abs() < 0.04 * f64::sqrt(variance),
                "{parameter} {mean}"
            );
            assert!((found / variance - 1.0).abs() < 0.04, "{parameter} {found}");
        }
        for row in [699, 1599] {
            assert_eq!(weights[4][row * 8..(row + 1) * 8], [0.0; 8]);
        }
    }

    #[test]
    fn orthogonal_vectors_are_of_length_one_and_at_right_angles() {
        for (rows, columns) in [(1, 1), (3, 7), (7, 3), (40, 40)] {
            let stream = Stream::new(3, Purpose::Weights, 0);
            let matrix = orthogonal(rows, columns, stream);
            let at = |vector: usize, i: usize| {
                f64::from(if rows <= columns {
                    matrix[vector * columns + i]
                } else {
                    matrix[i * columns + vector]
                })
            };
            for a in 0..rows.min(columns) {
                for b in 0..=a {
                    let product: f64 = (0..rows.max(columns)).map(|i| at(a, i) * at(b, i)).sum();
                    let expected = if a == b { 1.0 } else { 0.0 };
                    assert!(
                        (product - expected).abs() < 1e-6,
                        "{rows}×{columns}: {a}·{b} = {product}"
                    );
                }
            }
        }
    }
}
