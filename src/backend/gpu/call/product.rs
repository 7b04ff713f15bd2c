//! Products, what is fused with them, and biases.

use super::codes::function;
use super::{Call, Calls, Factors, rows};
use crate::backend::gpu::tile::Tile;
use crate::program::{Halved, Op, Product, Rows, TensorId, Transpose};

impl Calls<'_> {
    /// Of an op of this kind; of no other.
    pub(super) fn of_products(&self, op: &Op) -> Vec<Call> {
        let name = op.name();
        match *op {
            Op::Matmul {
                a,
                b,
                transpose,
                accumulate,
                output,
            } => {
                let mut call = self.product(op, a, b, transpose, &[output]);
                call.constants.push(("ACCUMULATE", accumulate.into()));
                vec![call]
            }
            Op::MatmulBiasActivation {
                a,
                b,
                bias,
                function: f,
                output,
            } => {
                let mut call = self.product(op, a, b, Transpose::B, &[bias, output]);
                call.constants.push(("FUNCTION", function(f)));
                vec![call]
            }
            Op::MatmulActivationGradient {
                a,
                b,
                function: f,
                kept,
                output,
            } => {
                let mut call = self.product(op, a, b, Transpose::Neither, &[kept, output]);
                call.constants.push(("FUNCTION", function(f)));
                vec![call]
            }
            Op::MatmulBiasGradient {
                a,
                b,
                accumulate,
                output,
                bias,
            } => self.weights(op, [a, b], accumulate, [output, bias]),
            Op::BiasAdd { bias, values } => {
                vec![self.elementwise(name, vec![], &[bias, values], values)]
            }
            Op::BiasGradient {
                gradient,
                accumulate,
                output,
            } => vec![self.bias_gradient(gradient, accumulate, output)],
            _ => Vec::new(),
        }
    }

    fn product(
        &self,
        op: &Op,
        a: TensorId,
        b: TensorId,
        transpose: Transpose,
        others: &[TensorId],
    ) -> Call {
        let Product { m, n, k } = op.product(self.program).unwrap_or(Product {
            m: Rows::Fixed(0),
            n: 0,
            k: Rows::Fixed(0),
        });
        let size = |rows| match rows {
            Rows::Batch => self.program.batch,
            Rows::Fixed(rows) => rows,
        };
        let halved = self.program.halved(op);
        let factors = Factors {
            m: size(m),
            n,
            k: size(k),
            transpose,
            inner: [a, b].map(|tensor| self.columns(tensor)),
            slices: 1,
            half: halved.is_some(),
        };
        let mut tensors = vec![a, b];
        tensors.extend(others);
        // Where k is an operand's inner axis, its rows lie `columns` apart; where m is, its k's do.
        let inner = match transpose {
            Transpose::A => self.columns(b),
            Transpose::Neither | Transpose::B => self.columns(a),
        };
        let mut constants = vec![
            ("A_TRANSPOSED", (transpose == Transpose::A).into()),
            ("B_TRANSPOSED", (transpose == Transpose::B).into()),
        ];
        if let Some(Halved { magnified }) = halved {
            constants.extend([("HALF", 1), ("MAGNIFIED", magnified.into())]);
        }
        let call = Call {
            kernel: op.name(),
            constants,
            operands: self.whole(&tensors),
            scalars: vec![
                rows(m),
                n as u32,
                rows(k),
                self.columns(a) as u32,
                inner as u32,
            ],
            grid: [0, 0],
            factors: Some(factors),
        };
        Tile::workgroup(&factors).cut(self.program, call, [1, 1], false)
    }

    /// A layer's gradients. Weights and biases are one binding, since no two that are written may overlap; where they are too far
    /// apart for that, each has a call of its own.
    fn weights(
        &self,
        op: &Op,
        [a, b]: [TensorId; 2],
        accumulate: bool,
        [output, bias]: [TensorId; 2],
    ) -> Vec<Call> {
        let mut call = self.product(op, a, b, Transpose::A, &[output]);
        call.constants.push(("ACCUMULATE", accumulate.into()));
        let place = |tensor: TensorId| self.program.tensors[tensor].offset;
        let distance = place(bias) - place(output);
        let len = distance + self.columns(bias);
        if len > self.binding.saturating_sub(64) {
            call.kernel = "matmul";
            return vec![call, self.bias_gradient(a, accumulate, bias)];
        }
        call.constants.push(("ROW_SUMS", 1));
        call.operands[2].len = len;
        call.scalars.push(distance as u32);
        vec![call]
    }

    fn bias_gradient(&self, gradient: TensorId, accumulate: bool, output: TensorId) -> Call {
        let constants = vec![("ACCUMULATE", accumulate.into())];
        let tensors = [gradient, output];
        let mut call = self.by_column("bias_gradient", constants, &tensors, gradient);
        let height = self.program.tensors[gradient].rows;
        call.scalars.insert(0, rows(height));
        call
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::gpu::call::calls;
    use crate::model::{Activation, Network};
    use crate::program::{Capacity, Loss, LossFunction, Program, Reduction};

    #[test]
    fn weights_and_biases_too_far_apart_for_a_binding_are_two_calls() {
        let network = Network::new(8, &[16, 16], Activation::Relu, 4, Activation::Identity);
        let loss = Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean);
        let capacity = Capacity {
            members: 1,
            batch: 8,
            rows: 8,
            order: 8,
            records: 1,
        };
        let program = Program::gradients(&network, &loss, capacity).fused();
        let kernels = |binding: usize| -> Vec<&str> {
            let ops = program.ops.iter();
            let ops = ops.filter(|op| matches!(op, Op::MatmulBiasGradient { .. }));
            let calls = ops.flat_map(|op| calls(&program, op, binding));
            calls.map(|call| call.kernel).collect()
        };
        assert_eq!(kernels(1 << 20), ["matmul_bias_gradient"; 3]);
        // 128 + 256 + 64 weights before 36 biases: from the first layer's weights to its biases it is 464 values.
        let split = ["matmul", "bias_gradient"];
        let expected = [&["matmul_bias_gradient"; 2][..], &split].concat();
        assert_eq!(kernels(450 + 64), expected);
    }
}
