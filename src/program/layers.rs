//! The layers of a network: forward and backward pass, next to each other.

use super::build::{Builder, prefix};
use super::{Element, Op, Rows, TensorId, Transpose, buffer};
use crate::model::{Activation, Normalization};

/// A layer's result `[batch, units]`.
#[derive(Clone, Copy)]
pub(super) struct Activated {
    pub(super) output: TensorId,
    /// What the backward pass finds the activation's derivative from: its output, or its input.
    kept: TensorId,
    /// What the layer's product gave.
    z: TensorId,
}

pub(super) fn last(activations: &[Activated], input: TensorId) -> TensorId {
    activations.last().map_or(input, |last| last.output)
}

impl Builder<'_> {
    /// z = x·Wᵀ + b;  y = norm(z);  a = f(y), for each layer; in training what dropout leaves of a; then a + x where the layer
    /// adds its input.
    pub(super) fn forward(&mut self, input: TensorId, training: bool) -> Vec<Activated> {
        let mut activations = Vec::new();
        let mut x = input;
        for (n, layer) in self.network.layers.iter().enumerate() {
            let (b, bias) = (
                self.weight(n, self.parameters),
                self.bias(n, self.parameters),
            );
            let z = self.own(&format!("layers.{n}.z"), layer.units);
            self.push(Op::Matmul {
                a: x,
                b,
                transpose: Transpose::B,
                accumulate: false,
                output: z,
            });
            self.push(Op::BiasAdd { bias, values: z });
            let y = if self.network.normalizes(n) {
                self.normalize(n, z, training)
            } else {
                z
            };
            let a = self.activate(n, layer.activation, y);
            let kept = if layer.activation.keeps_input() { y } else { a };
            let mut output = a;
            if training && self.network.drops(n) {
                output = self.dropout(n, output);
            }
            if self.network.adds(n) {
                let sum = self.own(&format!("layers.{n}.sum"), layer.units);
                self.push(Op::Add {
                    a: output,
                    b: x,
                    output: sum,
                });
                output = sum;
            }
            activations.push(Activated { output, kept, z });
            x = output;
        }
        activations
    }

    /// From the gradient by each layer's output, `[batch, units]`, the last layer's first:  dz;  dW = dzᵀ·x;  db = Σ dz;  and
    /// the gradient by the output of the layer below, dx = dz·W, with what goes past the layer where it adds its input. Returns dz of
    /// the first layer.
    pub(super) fn backward(
        &mut self,
        input: TensorId,
        activations: &[Activated],
        output: TensorId,
        accumulate: bool,
    ) -> TensorId {
        let mut gradient = output;
        for n in (0..self.network.layers.len()).rev() {
            let x = if n == 0 {
                input
            } else {
                activations[n - 1].output
            };
            let dz = if self.network.adds(n) {
                self.copied(n, gradient)
            } else {
                gradient
            };
            self.inside(n, activations[n], dz, accumulate);
            let dw = self.weight(n, buffer::GRADIENTS);
            let db = self.bias(n, buffer::GRADIENTS);
            self.push(Op::Matmul {
                a: dz,
                b: x,
                transpose: Transpose::A,
                accumulate,
                output: dw,
            });
            self.push(Op::BiasGradient {
                gradient: dz,
                accumulate,
                output: db,
            });
            if n > 0 {
                let w = self.weight(n, buffer::PARAMETERS);
                let past = self.network.adds(n);
                if !past {
                    let below = self.network.layers[n - 1].units;
                    gradient = self.own(&format!("d layers.{}.z", n - 1), below);
                }
                self.push(Op::Matmul {
                    a: dz,
                    b: w,
                    transpose: Transpose::Neither,
                    accumulate: past,
                    output: gradient,
                });
            }
        }
        gradient
    }

    /// From the gradient by what a layer's dropout leaves to that by its z, in place.
    fn inside(&mut self, n: usize, layer: Activated, gradient: TensorId, accumulate: bool) {
        let function = self.network.layers[n].activation;
        if function.is_elementwise() {
            // Factors of a product: the activation's may come first, where it is fused with the matmul before it.
            self.activation_gradient(n, function, layer, gradient, accumulate);
            self.dropout_gradient(n, gradient);
        } else {
            self.dropout_gradient(n, gradient);
            self.activation_gradient(n, function, layer, gradient, accumulate);
        }
        if self.network.normalizes(n) {
            self.normalize_gradient(n, layer.z, gradient, accumulate);
        }
    }

    fn own(&mut self, name: &str, columns: usize) -> TensorId {
        self.program.add_own(name, Rows::Batch, columns)
    }

    /// The gradient by a layer's output, once more, where the first goes past the layer.
    fn copied(&mut self, n: usize, gradient: TensorId) -> TensorId {
        let copy = self.own(&format!("d layers.{n}.a"), self.network.layers[n].units);
        self.push(Op::Activation {
            function: Activation::Identity,
            input: gradient,
            output: copy,
        });
        copy
    }

    /// a = f(y)
    fn activate(&mut self, n: usize, function: Activation, y: TensorId) -> TensorId {
        if function == Activation::Identity {
            return y;
        }
        let output = self.own(&format!("layers.{n}.a"), self.network.layers[n].units);
        let op = match function {
            Activation::Prelu => Op::Prelu {
                input: y,
                slope: self.parameter(&format!("activations.{n}.weight"), self.parameters),
                output,
            },
            Activation::Softmax | Activation::LogSoftmax => Op::Softmax {
                log: function == Activation::LogSoftmax,
                logits: y,
                output,
            },
            _ => Op::Activation {
                function,
                input: y,
                output,
            },
        };
        self.push(op);
        output
    }

    /// dy = da ⊙ f′, or what stands for it where f is of a whole row.
    fn activation_gradient(
        &mut self,
        n: usize,
        function: Activation,
        layer: Activated,
        gradient: TensorId,
        accumulate: bool,
    ) {
        let kept = layer.kept;
        match function {
            Activation::Identity => {}
            Activation::Prelu => self.prelu_gradient(n, kept, gradient, accumulate),
            Activation::Softmax | Activation::LogSoftmax => self.push(Op::SoftmaxGradient {
                log: function == Activation::LogSoftmax,
                kept,
                gradient,
            }),
            _ => self.push(Op::ActivationGradient {
                function,
                kept,
                gradient,
            }),
        }
    }

    /// dy = da·(1 or α);  dα = Σ da·min(y, 0), first over the rows, then over the units.
    fn prelu_gradient(&mut self, n: usize, input: TensorId, gradient: TensorId, accumulate: bool) {
        let units = self.network.layers[n].units;
        let name = format!("activations.{n}.weight");
        let slope = self.parameter(&name, buffer::PARAMETERS);
        let slopes = self.own(&format!("d activations.{n}"), units);
        self.push(Op::PreluGradient {
            input,
            slope,
            gradient,
            slopes,
        });
        let sums = format!("Σ d activations.{n}");
        let row = self.program.add_own(&sums, Rows::Fixed(1), units);
        self.push(Op::BiasGradient {
            gradient: slopes,
            accumulate: false,
            output: row,
        });
        let place = self.program.tensors[row].buffer;
        let rows = Rows::Fixed(units);
        let column = self.program.add_tensor(&sums, place, 0, rows, 1);
        let output = self.parameter(&name, buffer::GRADIENTS);
        self.push(Op::BiasGradient {
            gradient: column,
            accumulate,
            output,
        });
    }

    /// γ and β of layer `n`, `[2, units]`, in the flat buffer of this name, or their gradients.
    fn scale_shift(&mut self, n: usize, flat: &str) -> TensorId {
        let units = self.network.layers[n].units;
        let scale = self.places.of(&format!("norms.{n}.weight"));
        let offset = scale.map_or(0, |place| place.offset);
        let len = self.places.len;
        let buffer = self.buffer(flat, Element::F32, len, false);
        let name = format!("{}norms.{n}", prefix(flat));
        self.tensor(&name, buffer, offset, 2, units)
    }

    fn running(&mut self, n: usize) -> TensorId {
        let units = self.network.layers[n].units;
        let mean = self.places.of(&format!("norms.{n}.running_mean"));
        let offset = mean.map_or(0, |place| place.offset);
        let len = self.places.running;
        let buffer = self.buffer(buffer::RUNNING, Element::F32, len, false);
        self.tensor(&format!("norms.{n}.running"), buffer, offset, 2, units)
    }

    /// m and 1/√(v + ε) of layer `n`: of each unit, or of each row.
    fn statistics(&mut self, n: usize) -> TensorId {
        let name = format!("norms.{n}.statistics");
        let mut tensors = self.program.tensors.iter();
        let existing = tensors.position(|tensor| tensor.name == name);
        existing.unwrap_or_else(|| match self.network.normalization {
            Normalization::Batch => {
                let units = self.network.layers[n].units;
                self.program.add_own(&name, Rows::Fixed(2), units)
            }
            _ => self.program.add_own(&name, Rows::Batch, 2),
        })
    }

    /// y = γ·(z − m)/√(v + ε) + β
    fn normalize(&mut self, n: usize, input: TensorId, training: bool) -> TensorId {
        let scale_shift = self.scale_shift(n, self.parameters);
        let output = self.own(&format!("layers.{n}.y"), self.network.layers[n].units);
        let op = match self.network.normalization {
            Normalization::Batch if training => Op::BatchNorm {
                input,
                scale_shift,
                running: self.running(n),
                statistics: self.statistics(n),
                output,
            },
            Normalization::Batch => Op::BatchNormInference {
                input,
                scale_shift,
                running: self.running(n),
                output,
            },
            Normalization::Layer | Normalization::None => Op::LayerNorm {
                input,
                scale_shift,
                statistics: self.statistics(n),
                output,
            },
        };
        self.push(op);
        output
    }

    /// dz from dy in place, and dγ, dβ.
    fn normalize_gradient(
        &mut self,
        n: usize,
        input: TensorId,
        gradient: TensorId,
        accumulate: bool,
    ) {
        let scale_shift = self.scale_shift(n, buffer::PARAMETERS);
        let statistics = self.statistics(n);
        let output = self.scale_shift(n, buffer::GRADIENTS);
        if self.network.normalization == Normalization::Batch {
            self.push(Op::BatchNormGradient {
                input,
                scale_shift,
                statistics,
                gradient,
                accumulate,
                output,
            });
            return;
        }
        self.push(Op::LayerNormParameters {
            input,
            statistics,
            gradient,
            accumulate,
            output,
        });
        self.push(Op::LayerNormGradient {
            input,
            scale_shift,
            statistics,
            gradient,
        });
    }

    /// a′ = what is left of a.
    fn dropout(&mut self, n: usize, input: TensorId) -> TensorId {
        let (hyper, keys) = (self.hyper(), self.keys());
        let name = format!("layers.{n}.dropout");
        let units = self.network.layers[n].units;
        let output = self.program.add_own(&name, Rows::Batch, units);
        self.push(Op::Dropout {
            kind: self.network.dropout,
            layer: n as u32,
            hyper,
            keys,
            input,
            output,
        });
        output
    }

    /// da = da′ ⊙ ∂a′/∂a
    fn dropout_gradient(&mut self, n: usize, gradient: TensorId) {
        if self.network.drops(n) {
            let (hyper, keys) = (self.hyper(), self.keys());
            self.push(Op::DropoutGradient {
                kind: self.network.dropout,
                layer: n as u32,
                hyper,
                keys,
                gradient,
            });
        }
    }
}
