//! What the products of a step multiply.

use serde::{Deserialize, Serialize};

use super::{Op, Program, Rows, Step, Transpose};

/// Precision of the operands of a step's products: of what goes forward, of the gradients of weights, and of those that go backwards.
/// Sums and all else are f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// As they are
    #[default]
    F32,
    /// Rounded to half precision: 11 bits, up to ±65504
    F16,
}

/// How a product in half precision rounds its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Halved {
    /// Whether a is gradients, which are rounded times [`Step::magnifier`].
    pub magnified: bool,
}

impl Program {
    /// The same program with the products over a batch in this precision; those of an optimizer, over weights alone, stay as they are.
    #[must_use]
    pub fn with_precision(&self, precision: Precision) -> Program {
        Program {
            precision,
            ..self.clone()
        }
    }

    /// How the op's operands are rounded, if it is a product and they are.
    pub fn halved(&self, op: &Op) -> Option<Halved> {
        let (a, transpose) = match *op {
            Op::Matmul { a, transpose, .. } => (a, transpose),
            Op::MatmulBiasActivation { a, .. } => (a, Transpose::B),
            Op::MatmulActivationGradient { a, .. } => (a, Transpose::Neither),
            Op::MatmulBiasGradient { a, .. } => (a, Transpose::A),
            _ => return None,
        };
        let halved = self.precision == Precision::F16 && self.tensors[a].rows == Rows::Batch;
        // What goes forward is by transposed weights; in all others a is the gradient by a layer's sums.
        halved.then_some(Halved {
            magnified: transpose != Transpose::B,
        })
    }
}

impl Step {
    /// The power of two that gradients are multiplied by before they are rounded to half precision, so that those of a mean over
    /// many rows do not vanish: 1 / `loss_scale`, or the next one up to twice that, within 2⁻⁴⁰ and 2⁴⁰. What is summed up of them
    /// is divided by it; both are exact.
    pub fn magnifier(&self) -> f32 {
        let exponent = (self.loss_scale.to_bits() >> 23) & 0xff;
        f32::from_bits((254 - exponent.clamp(87, 167)) << 23)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activation, Network};
    use crate::program::{Capacity, Loss, LossFunction, Optimizer, Reduction, Rule};

    #[test]
    fn gradients_are_magnified_by_what_their_loss_was_divided_by() {
        for (scale, expected) in [
            (1.0, 1.0),
            (1.0 / 128.0, 128.0),
            (1.0 / 100.0, 128.0),
            (1.0 / 1280.0, 2048.0),
            (3.0, 0.5),
            (0.0, 2.0_f32.powi(40)),
            (f32::INFINITY, 2.0_f32.powi(-40)),
        ] {
            let step = Step {
                loss_scale: scale,
                ..Step::default()
            };
            assert_eq!(step.magnifier(), expected, "{scale}");
        }
    }

    #[test]
    fn products_over_a_batch_are_halved_and_those_of_an_optimizer_are_not() {
        let network = Network::new(8, &[16], Activation::Relu, 4, Activation::Identity);
        let loss = Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean);
        let capacity = Capacity {
            members: 1,
            batch: 8,
            rows: 8,
            order: 8,
            records: 1,
        };
        let muon = Optimizer::new(Rule::Muon);
        let plain = Program::training(&network, &loss, &muon, capacity);
        let halved = |program: &Program| -> Vec<bool> {
            let ops = program.ops.iter();
            let halved = ops.filter_map(|op| program.halved(op));
            halved.map(|halved| halved.magnified).collect()
        };
        assert!(halved(&plain).is_empty());
        for program in [plain.clone(), plain.fused()] {
            let program = program.with_precision(Precision::F16);
            assert_eq!(halved(&program), [false, false, true, true, true]);
            let products = program
                .ops
                .iter()
                .filter(|op| op.product(&program).is_some());
            assert!(products.count() > 5);
        }
    }
}
