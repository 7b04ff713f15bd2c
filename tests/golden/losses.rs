use gpu_mlp::program::{LossFunction, LossWeights, Op, Rows, Step, record};
use serde::Deserialize;

use super::{add, empty, hold};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    function: LossFunction,
    logits: Vec<Vec<f32>>,
    targets: Vec<Vec<f32>>,
    losses: Vec<f64>,
    gradient: Vec<Vec<f64>>,
    /// Of each output, what a 1 counts.
    pos_weight: Option<Vec<f32>>,
}

impl Case {
    /// The targets with the weights of their outputs behind them.
    fn weighted(&self) -> (LossWeights, Vec<Vec<f32>>) {
        let Some(positive) = &self.pos_weight else {
            return (LossWeights::None, self.targets.clone());
        };
        let row = |row: &Vec<f32>| {
            let weights = row.iter().zip(positive);
            let weights = weights.map(|(&there, &weight)| if there > 0.0 { weight } else { 1.0 });
            row.iter().copied().chain(weights).collect()
        };
        (LossWeights::Outputs, self.targets.iter().map(row).collect())
    }
}

#[test]
fn losses_and_their_gradients_are_those_of_pytorch() {
    let golden: Golden =
        serde_json::from_str(include_str!("../data/losses.json")).expect("it is valid");
    assert!(golden.cases.len() >= LossFunction::ALL.len());
    for case in golden.cases {
        let rows = case.logits.len();
        let (weights, wished) = case.weighted();
        let mut program = empty(rows);
        let logits = program.add_own("z", Rows::Batch, case.logits[0].len());
        let targets = program.add_own("t", Rows::Batch, wished[0].len());
        let gradient = program.add_own("d z", Rows::Batch, case.logits[0].len());
        let records = program.add_own("records", Rows::Batch, record::WIDTH);
        add(
            &mut program,
            Op::LossGradient {
                function: case.function,
                weights,
                logits,
                targets,
                gradient,
                rows: records,
            },
        );
        let step = Step {
            rows: rows as u32,
            loss_scale: 1.0,
            ..Step::default()
        };
        let inputs = [
            ("z", &case.logits.concat()[..]),
            ("t", &wished.concat()[..]),
        ];
        hold(&program, step, &inputs, &[("d z", &case.gradient.concat())]);
        // A row's record begins with its loss.
        for (row, &loss) in case.losses.iter().enumerate() {
            let mut one = program.clone();
            one.batch = 1;
            let inputs = [("z", &case.logits[row][..]), ("t", &wished[row][..])];
            let step = Step { rows: 1, ..step };
            hold(&one, step, &inputs, &[("records", &[loss])]);
        }
    }
}
