use rand::distr::Distribution;
use rand_distr::{Normal, Uniform};
use serde::{Deserialize, Serialize};

use super::{Activation, Network, Weights};
use crate::random::{Purpose, Stream};

/// How initial weights are drawn. Biases start at zero, but for [`Initializer::Uniform`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Initializer {
    /// He for a `ReLU` layer, Xavier for any other.
    #[default]
    Auto,
    /// Normal with variance 2 / fan-in (He et al. 2015, equation 10).
    He,
    /// Uniform on ±√(6 / (fan-in + fan-out)) (Glorot and Bengio 2010, equation 16).
    Xavier,
    /// 2·rand − 0.5 for weights and biases, as teaching examples have it.
    Uniform,
}

/// Draws a network's initial weights: a function of the seed and each parameter's position alone.
pub fn initialize(network: &Network, initializer: Initializer, seed: u64) -> Weights {
    let draw = |position: usize, len: usize, distribution: &dyn Fn(&mut Stream) -> f32| {
        let mut stream = Stream::new(seed, Purpose::Weights, position as u32);
        (0..len).map(|_| distribution(&mut stream)).collect()
    };
    let teaching = Uniform::new(-0.5_f32, 1.5).expect("the range is not empty");
    let mut weights = Vec::with_capacity(2 * network.layers.len());
    for (n, layer) in network.layers.iter().enumerate() {
        let (fan_in, fan_out) = (network.fan_in(n), layer.units);
        let he =
            Normal::new(0.0_f32, (2.0 / fan_in as f32).sqrt()).expect("the deviation is finite");
        let limit = (6.0 / (fan_in + fan_out) as f32).sqrt();
        let xavier = Uniform::new_inclusive(-limit, limit).expect("the range is not empty");
        let kind = match (initializer, layer.activation) {
            (Initializer::Auto, Activation::Relu) => Initializer::He,
            (Initializer::Auto, _) => Initializer::Xavier,
            (given, _) => given,
        };
        let size = fan_in * fan_out;
        weights.push(match kind {
            Initializer::He => draw(2 * n, size, &|stream| he.sample(stream)),
            Initializer::Uniform => draw(2 * n, size, &|stream| teaching.sample(stream)),
            _ => draw(2 * n, size, &|stream| xavier.sample(stream)),
        });
        weights.push(match kind {
            Initializer::Uniform => draw(2 * n + 1, fan_out, &|stream| teaching.sample(stream)),
            _ => vec![0.0; fan_out],
        });
    }
    Weights(weights)
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
        let network = Network::new(400, &[300], Activation::Relu, 200, Activation::Identity);
        for (initializer, parameter, mean, variance) in [
            (Initializer::Auto, 0, 0.0, 2.0 / 400.0),
            (Initializer::Auto, 2, 0.0, 2.0 / 500.0),
            (Initializer::He, 2, 0.0, 2.0 / 300.0),
            (Initializer::Xavier, 0, 0.0, 2.0 / 700.0),
            (Initializer::Uniform, 0, 0.5, 4.0 / 12.0),
            (Initializer::Uniform, 2, 0.5, 4.0 / 12.0),
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
}
