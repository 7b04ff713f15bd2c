use gpu_mlp::program::{Op, Rows, Step};
use serde::Deserialize;

use super::{add, empty, hold};

#[derive(Deserialize)]
struct Golden {
    limit: f32,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    columns: usize,
    values: Vec<f32>,
    expected: Vec<f64>,
}

#[test]
fn rows_are_made_shorter_as_pytorch_does_it() {
    let golden: Golden =
        serde_json::from_str(include_str!("../data/max_norm.json")).expect("it is valid");
    for case in golden.cases {
        let mut program = empty(1);
        let rows = Rows::Fixed(case.values.len() / case.columns);
        let values = program.add_own("weights", rows, case.columns);
        let limit = golden.limit;
        add(&mut program, Op::MaxNorm { limit, values });
        let step = Step {
            rows: 1,
            ..Step::default()
        };
        hold(
            &program,
            step,
            &[("weights", &case.values)],
            &[("weights", &case.expected)],
        );
    }
}
