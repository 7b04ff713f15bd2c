//! Ops that go through a layer beside its product.

use super::super::{
    Real, activation, activation_gradient, add, bias_add, bias_gradient, dropout, dropout_gradient,
    prelu, prelu_gradient, softmax, softmax_gradient,
};
use super::{At, Memory, misplaced};
use crate::model::Dropout;
use crate::program::{Op, TensorId};

impl<T: Real> Memory<'_, T> {
    pub(super) fn layers(&mut self, op: &Op, at: At<'_>) {
        match *op {
            Op::BiasAdd { bias, values } => {
                let mut out = self.take(at, values);
                bias_add::bias_add(self.values(at, bias), &mut out[at.range(values)]);
                self.put(at, values, out);
            }
            Op::BiasGradient {
                gradient,
                accumulate,
                output,
            } => {
                let mut out = self.take(at, output);
                let gradient = self.values(at, gradient);
                let values = &mut out[at.range(output)];
                bias_gradient::bias_gradient(gradient, accumulate, values, at.team);
                self.put(at, output, out);
            }
            Op::Activation {
                function,
                input,
                output,
            } => {
                let mut out = self.take(at, output);
                let input = self.values(at, input);
                activation::activation(function, input, &mut out[at.range(output)], at.team);
                self.put(at, output, out);
            }
            Op::ActivationGradient {
                function,
                kept,
                gradient,
            } => {
                let mut out = self.take(at, gradient);
                let kept = self.values(at, kept);
                let values = &mut out[at.range(gradient)];
                activation_gradient::activation_gradient(function, kept, values, at.team);
                self.put(at, gradient, out);
            }
            Op::Dropout {
                kind,
                layer,
                hyper,
                keys,
                input,
                output,
            } => {
                let mut out = self.take(at, output);
                let mask = self.mask(at, kind, layer, (hyper, keys));
                let input = self.values(at, input);
                dropout::dropout(&mask, at.columns(output), input, &mut out[at.range(output)]);
                self.put(at, output, out);
            }
            Op::DropoutGradient {
                kind,
                layer,
                hyper,
                keys,
                gradient,
            } => {
                let mut out = self.take(at, gradient);
                let mask = self.mask(at, kind, layer, (hyper, keys));
                let values = &mut out[at.range(gradient)];
                dropout_gradient::dropout_gradient(&mask, at.columns(gradient), values);
                self.put(at, gradient, out);
            }
            Op::Softmax {
                log,
                logits,
                output,
            } => {
                let mut out = self.take(at, output);
                let logits = self.values(at, logits);
                softmax::softmax(log, logits, at.columns(output), &mut out[at.range(output)]);
                self.put(at, output, out);
            }
            Op::SoftmaxGradient {
                log,
                kept,
                gradient,
            } => {
                let mut out = self.take(at, gradient);
                let kept = self.values(at, kept);
                let values = &mut out[at.range(gradient)];
                softmax_gradient::softmax_gradient(log, kept, at.columns(gradient), values);
                self.put(at, gradient, out);
            }
            Op::Add { a, b, output } => {
                let mut out = self.take(at, output);
                let (a, b) = (self.values(at, a), self.values(at, b));
                add::add(a, b, &mut out[at.range(output)]);
                self.put(at, output, out);
            }
            Op::Prelu {
                input,
                slope,
                output,
            } => {
                let mut out = self.take(at, output);
                let slope = self.values(at, slope)[0];
                prelu::prelu(self.values(at, input), slope, &mut out[at.range(output)]);
                self.put(at, output, out);
            }
            Op::PreluGradient {
                input,
                slope,
                gradient,
                slopes,
            } => {
                let (mut d, mut out) = (self.take(at, gradient), self.take(at, slopes));
                let slope = self.values(at, slope)[0];
                prelu_gradient::prelu_gradient(
                    self.values(at, input),
                    slope,
                    &mut d[at.range(gradient)],
                    &mut out[at.range(slopes)],
                );
                self.put(at, gradient, d);
                self.put(at, slopes, out);
            }
            _ => misplaced(op),
        }
    }

    fn mask(
        &self,
        at: At<'_>,
        kind: Dropout,
        layer: u32,
        (hyper, keys): (TensorId, TensorId),
    ) -> dropout::Mask<T> {
        let rate = self.values(at, hyper)[4];
        let keys = self.own[at.place(keys)].indices();
        dropout::Mask::new(kind, rate, keys, (at.step.number, layer), at.step.first)
    }
}
