//! Ops that normalise.

use super::super::{
    Real, batch_norm, batch_norm_gradient, batch_norm_inference, layer_norm, layer_norm_gradient,
    layer_norm_parameters,
};
use super::{At, Memory, misplaced};
use crate::program::Op;

impl<T: Real> Memory<'_, T> {
    pub(super) fn normalizations(&mut self, op: &Op, at: At<'_>) {
        match *op {
            Op::BatchNorm {
                input,
                scale_shift,
                running,
                statistics,
                output,
            } => {
                let mut out = self.take(at, output);
                let mut moments = self.take(at, statistics);
                let mut kept = self.take(at, running);
                batch_norm::batch_norm(
                    self.values(at, input),
                    self.values(at, scale_shift),
                    &mut kept[at.range(running)],
                    &mut moments[at.range(statistics)],
                    &mut out[at.range(output)],
                );
                self.put(at, output, out);
                self.put(at, statistics, moments);
                self.put(at, running, kept);
            }
            Op::BatchNormInference {
                input,
                scale_shift,
                running,
                output,
            } => {
                let mut out = self.take(at, output);
                batch_norm_inference::batch_norm_inference(
                    self.values(at, input),
                    self.values(at, scale_shift),
                    self.values(at, running),
                    &mut out[at.range(output)],
                );
                self.put(at, output, out);
            }
            Op::BatchNormGradient {
                input,
                scale_shift,
                statistics,
                gradient,
                accumulate,
                output,
            } => {
                let (mut d, mut out) = (self.take(at, gradient), self.take(at, output));
                batch_norm_gradient::batch_norm_gradient(
                    self.values(at, input),
                    self.values(at, scale_shift),
                    self.values(at, statistics),
                    &mut d[at.range(gradient)],
                    accumulate,
                    &mut out[at.range(output)],
                );
                self.put(at, gradient, d);
                self.put(at, output, out);
            }
            Op::LayerNorm {
                input,
                scale_shift,
                statistics,
                output,
            } => {
                let (mut out, mut moments) = (self.take(at, output), self.take(at, statistics));
                layer_norm::layer_norm(
                    self.values(at, input),
                    self.values(at, scale_shift),
                    &mut moments[at.range(statistics)],
                    &mut out[at.range(output)],
                );
                self.put(at, output, out);
                self.put(at, statistics, moments);
            }
            Op::LayerNormParameters {
                input,
                statistics,
                gradient,
                accumulate,
                output,
            } => {
                let mut out = self.take(at, output);
                layer_norm_parameters::layer_norm_parameters(
                    self.values(at, input),
                    self.values(at, statistics),
                    self.values(at, gradient),
                    accumulate,
                    &mut out[at.range(output)],
                );
                self.put(at, output, out);
            }
            Op::LayerNormGradient {
                input,
                scale_shift,
                statistics,
                gradient,
            } => {
                let mut d = self.take(at, gradient);
                layer_norm_gradient::layer_norm_gradient(
                    self.values(at, input),
                    self.values(at, scale_shift),
                    self.values(at, statistics),
                    &mut d[at.range(gradient)],
                );
                self.put(at, gradient, d);
            }
            _ => misplaced(op),
        }
    }
}
