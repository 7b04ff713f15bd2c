use clap::ValueEnum;

use super::small::Add;
use crate::program::{Hyper, Op, Optimizer, Rows, Rule, chunk};

/// What gradients, moments and parameters become.
pub(super) fn updates(add: &mut Add<'_>, [_, n, k]: [usize; 3]) {
    add("clear", &|small| Op::Clear {
        values: small.tensor("values", Rows::Fixed(1), n * k),
    });
    for limit in [0.5, 1000.0] {
        add(&format!("clip value {limit}"), &|small| Op::ClipValue {
            limit,
            values: small.tensor("values", Rows::Fixed(1), n * k),
        });
        add(&format!("clip norm {limit}"), &|small| Op::ClipNorm {
            limit,
            sums: small.tensor("moment of sums", Rows::Fixed(1), n),
            values: small.tensor("values", Rows::Fixed(1), n * k),
        });
    }
    for limit in [0.5, 1000.0] {
        add(&format!("max norm {limit}"), &|small| Op::MaxNorm {
            limit,
            values: small.tensor("values", Rows::Fixed(k), n),
        });
    }
    for nesterov in [false, true] {
        add(&format!("momentum {nesterov}"), &|small| Op::Momentum {
            nesterov,
            hyper: small.tensor("hyper", Rows::Fixed(1), Hyper::WIDTH),
            moment: small.tensor("moment", Rows::Fixed(1), n * k),
            gradient: small.tensor("gradient", Rows::Fixed(1), n * k),
        });
    }
    add("normalize", &|small| Op::Normalize {
        sums: small.tensor("moment of sums", Rows::Fixed(1), n),
        values: small.tensor("values", Rows::Fixed(1), n * k),
        output: small.tensor("output", Rows::Fixed(1), n * k),
    });
    add("combine", &|small| Op::Combine {
        factors: [2.0, -1.5],
        other: small.tensor("other", Rows::Fixed(1), n * k),
        values: small.tensor("values", Rows::Fixed(1), n * k),
    });
    add("average", &|small| Op::Average {
        parameters: small.tensor("parameters", Rows::Fixed(1), n * k),
        average: small.tensor("average", Rows::Fixed(1), n * k),
    });
    add("square sums", &|small| Op::SquareSums {
        values: small.tensor("values", Rows::Fixed(1), n * k),
        sums: small.tensor("sums", Rows::Fixed(1), (n * k).div_ceil(chunk(n * k))),
    });
    for &rule in Rule::value_variants() {
        for nesterov in [false, true]
            .into_iter()
            .take(1 + usize::from(rule == Rule::Sgd))
        {
            let optimizer = Optimizer {
                nesterov,
                ..Optimizer::new(rule)
            };
            // What Muon remembers is its momentum's, an op of its own.
            let moments = if rule == Rule::Muon {
                &[]
            } else {
                optimizer.moments()
            };
            add(&format!("{rule} {nesterov}"), &|small| {
                let mut flat = |name: &str| small.tensor(name, Rows::Fixed(1), n * k);
                Op::Update {
                    optimizer,
                    parameters: flat("parameters"),
                    gradients: flat("gradients"),
                    moments: moments.iter().map(|name| flat(name)).collect(),
                    hyper: small.tensor("hyper", Rows::Fixed(1), Hyper::WIDTH),
                    decayed: n * k / 2,
                }
            });
        }
    }
}
