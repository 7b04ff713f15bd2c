use super::small::Add;
use crate::model::Activation;
use crate::program::{Op, Rows, Transpose};

/// Rows of a dataset, products, and what is fused with them.
pub(super) fn products(add: &mut Add<'_>, [m, n, k]: [usize; 3]) {
    let batch = Rows::Batch;
    add("gather", &|small| Op::Gather {
        source: small.shared("source", k, n),
        order: small.order(m),
        output: small.tensor("output", batch, n),
    });
    add("gather both", &|small| Op::GatherBoth {
        sources: [
            small.shared("source", k, n),
            small.shared("other source", k, m),
        ],
        order: small.order(m),
        outputs: [
            small.tensor("output", batch, n),
            small.tensor("other output", batch, m),
        ],
    });
    for accumulate in [false, true] {
        add(&format!("weights and bias {accumulate}"), &|small| {
            let [output, bias] = small.flat("gradients", [[k, n], [1, k]]);
            Op::MatmulBiasGradient {
                a: small.tensor("a", batch, k),
                b: small.tensor("b", batch, n),
                accumulate,
                output,
                bias,
            }
        });
        add(&format!("forward {accumulate}"), &|small| Op::Matmul {
            a: small.tensor("a", batch, k),
            b: small.tensor("b", Rows::Fixed(n), k),
            transpose: Transpose::B,
            accumulate,
            output: small.tensor("output", batch, n),
        });
        add(&format!("backward {accumulate}"), &|small| Op::Matmul {
            a: small.tensor("a", batch, k),
            b: small.tensor("b", Rows::Fixed(k), n),
            transpose: Transpose::Neither,
            accumulate,
            output: small.tensor("output", batch, n),
        });
        add(&format!("weights {accumulate}"), &|small| Op::Matmul {
            a: small.tensor("a", batch, k),
            b: small.tensor("b", batch, n),
            transpose: Transpose::A,
            accumulate,
            output: small.tensor("output", Rows::Fixed(k), n),
        });
        add(&format!("bias gradient {accumulate}"), &|small| {
            Op::BiasGradient {
                gradient: small.tensor("gradient", batch, n),
                accumulate,
                output: small.tensor("output", Rows::Fixed(1), n),
            }
        });
    }
    add("bias", &|small| Op::BiasAdd {
        bias: small.tensor("bias", Rows::Fixed(1), n),
        values: small.tensor("values", batch, n),
    });
    for function in Activation::ELEMENTWISE {
        add(&format!("activation {function}"), &|small| Op::Activation {
            function,
            input: small.tensor("input", batch, n),
            output: small.tensor("output", batch, n),
        });
        add(&format!("fused forward {function}"), &|small| {
            Op::MatmulBiasActivation {
                a: small.tensor("a", batch, k),
                b: small.tensor("b", Rows::Fixed(n), k),
                bias: small.tensor("bias", Rows::Fixed(1), n),
                function,
                output: small.tensor("output", batch, n),
            }
        });
        add(&format!("activation gradient {function}"), &|small| {
            Op::ActivationGradient {
                function,
                kept: small.tensor("kept", batch, n),
                gradient: small.tensor("gradient", batch, n),
            }
        });
        add(&format!("fused backward {function}"), &|small| {
            Op::MatmulActivationGradient {
                a: small.tensor("a", batch, k),
                b: small.tensor("b", Rows::Fixed(k), n),
                function,
                kept: small.tensor("kept", batch, n),
                output: small.tensor("output", batch, n),
            }
        });
    }
}
