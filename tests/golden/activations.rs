use std::collections::BTreeMap;

use clap::ValueEnum;
use gpu_mlp::model::Activation;
use gpu_mlp::program::{Op, Rows, Step};
use serde::Deserialize;

use super::{add, empty, hold};

#[derive(Deserialize)]
struct Golden {
    points: Vec<f32>,
    functions: BTreeMap<String, Curve>,
}

#[derive(Deserialize)]
struct Curve {
    values: Vec<f64>,
    slopes: Vec<f64>,
}

#[test]
fn activations_and_their_derivatives_are_those_of_pytorch() {
    let golden: Golden =
        serde_json::from_str(include_str!("../data/activations.json")).expect("it is valid");
    let rows = golden.points.len();
    for function in Activation::ELEMENTWISE {
        let name = function.to_possible_value().expect("it has a name");
        let curve = &golden.functions[name.get_name()];
        let mut program = empty(rows);
        let input = program.add_own("z", Rows::Batch, 1);
        let output = program.add_own("a", Rows::Batch, 1);
        let gradient = program.add_own("d z", Rows::Batch, 1);
        add(
            &mut program,
            Op::Activation {
                function,
                input,
                output,
            },
        );
        add(
            &mut program,
            Op::ActivationGradient {
                function,
                kept: if function.keeps_input() {
                    input
                } else {
                    output
                },
                gradient,
            },
        );
        let step = Step {
            rows: rows as u32,
            ..Step::default()
        };
        hold(
            &program,
            step,
            &[("z", &golden.points), ("d z", &vec![1.0; rows])],
            &[("a", &curve.values), ("d z", &curve.slopes)],
        );
    }
}
