//! Ops that are products of matrices.

use super::super::matmul::Factor;
use super::super::{
    Real, half, matmul, matmul_activation_gradient, matmul_bias_activation, matmul_bias_gradient,
};
use super::{At, Memory, misplaced};
use crate::program::{Halved, Op, TensorId, Transpose};

impl<T: Real> Memory<'_, T> {
    pub(super) fn products(&mut self, op: &Op, at: At<'_>) {
        match *op {
            Op::Matmul {
                a,
                b,
                transpose,
                accumulate,
                output,
            } => {
                let mut out = self.take(at, output);
                let halves = self.halves(op, [a, b], at);
                let (a, b) = self.factors(at, a, b, transpose);
                let (a, b) = as_halves((a, b), halves.as_ref());
                matmul::matmul(a, b, accumulate, &mut out[at.range(output)], at.team);
                self.put(at, output, out);
            }
            Op::MatmulBiasActivation {
                a,
                b,
                bias,
                function,
                output,
            } => {
                let mut out = self.take(at, output);
                let halves = self.halves(op, [a, b], at);
                let (a, b) = self.factors(at, a, b, Transpose::B);
                let (a, b) = as_halves((a, b), halves.as_ref());
                let bias = self.values(at, bias);
                matmul_bias_activation::matmul_bias_activation(
                    a,
                    b,
                    bias,
                    function,
                    &mut out[at.range(output)],
                    at.team,
                );
                self.put(at, output, out);
            }
            Op::MatmulActivationGradient {
                a,
                b,
                function,
                kept,
                output,
            } => {
                let mut out = self.take(at, output);
                let halves = self.halves(op, [a, b], at);
                let (a, b) = self.factors(at, a, b, Transpose::Neither);
                let (a, b) = as_halves((a, b), halves.as_ref());
                let kept = self.values(at, kept);
                let output_values = &mut out[at.range(output)];
                matmul_activation_gradient::matmul_activation_gradient(
                    a,
                    b,
                    function,
                    kept,
                    output_values,
                    at.team,
                );
                self.put(at, output, out);
            }
            Op::MatmulBiasGradient {
                a,
                b,
                accumulate,
                output,
                bias,
            } => {
                let mut out = self.take(at, output);
                let gradient = self.values(at, a);
                let halves = self.halves(op, [a, b], at);
                let (a, b) = self.factors(at, a, b, Transpose::A);
                let (a, b) = as_halves((a, b), halves.as_ref());
                let (weights, biases) = out.split_at_mut(at.program.tensors[bias].offset);
                matmul_bias_gradient::matmul_bias_gradient(
                    (gradient, a),
                    b,
                    accumulate,
                    &mut weights[at.range(output)],
                    &mut biases[..at.columns(bias)],
                    at.team,
                );
                self.put(at, output, out);
            }
            _ => misplaced(op),
        }
    }

    /// The values of a product's operands in half precision, if it has them so.
    pub(in super::super) fn halves(
        &self,
        op: &Op,
        [a, b]: [TensorId; 2],
        at: At<'_>,
    ) -> Option<[Vec<T>; 2]> {
        let Halved { magnified } = at.program.halved(op)?;
        let power = if magnified { at.step.magnifier() } else { 1.0 };
        let of = |tensor, power| half::halved(self.values(at, tensor), power);
        Some([of(a, power), of(b, 1.0)])
    }

    /// The operands of a product, as they are read: a`[m, k]`, b`[k, n]`.
    fn factors(
        &self,
        at: At<'_>,
        a: TensorId,
        b: TensorId,
        transpose: Transpose,
    ) -> (Factor<'_, T>, Factor<'_, T>) {
        let factor = |tensor: TensorId, transposed: bool| {
            let factor = Factor {
                values: self.values(at, tensor),
                rows: at.rows(tensor),
                columns: at.columns(tensor),
                row_stride: at.columns(tensor),
                column_stride: 1,
            };
            if transposed {
                factor.transposed()
            } else {
                factor
            }
        };
        (
            factor(a, transpose == Transpose::A),
            factor(b, transpose == Transpose::B),
        )
    }
}

/// The same operands with other values, if there are any.
fn as_halves<'a, T>(
    (a, b): (Factor<'a, T>, Factor<'a, T>),
    halves: Option<&'a [Vec<T>; 2]>,
) -> (Factor<'a, T>, Factor<'a, T>) {
    match halves {
        Some([of_a, of_b]) => (a.of(of_a), b.of(of_b)),
        None => (a, b),
    }
}
