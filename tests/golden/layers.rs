use gpu_mlp::program::{Op, Program, Rows, Step, TensorId};
use serde::Deserialize;

use super::{add, empty, hold};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    columns: usize,
    z: Vec<f32>,
    g: Vec<f32>,
    output: Vec<f64>,
    dz: Vec<f64>,
    parameters: Vec<f32>,
    gradients: Vec<f64>,
    #[serde(default)]
    running: Vec<f32>,
    #[serde(default)]
    running_after: Vec<f64>,
    #[serde(default)]
    inferred: Vec<f64>,
}

/// A program that takes z and the gradient of its output.
struct Layer {
    program: Program,
    columns: usize,
    z: TensorId,
    y: TensorId,
    dy: TensorId,
}

impl Layer {
    fn new(case: &Case) -> Self {
        let mut program = empty(case.z.len() / case.columns);
        let mut own = |name: &str| program.add_own(name, Rows::Batch, case.columns);
        Layer {
            z: own("z"),
            y: own("y"),
            dy: own("dy"),
            columns: case.columns,
            program,
        }
    }

    fn fixed(&mut self, name: &str, rows: usize, columns: usize) -> TensorId {
        self.program.add_own(name, Rows::Fixed(rows), columns)
    }

    fn hold(self, case: &Case, expected: &[(&str, &[f64])]) {
        let step = Step {
            rows: self.program.batch as u32,
            ..Step::default()
        };
        let mut inputs = vec![("z", &case.z[..]), ("dy", &case.g)];
        for (name, values) in [("parameters", &case.parameters), ("running", &case.running)] {
            if self.program.buffer(name).is_some() {
                inputs.push((name, values));
            }
        }
        hold(&self.program, step, &inputs, expected);
    }
}

#[test]
fn layers_and_their_gradients_are_those_of_pytorch() {
    let golden: Golden =
        serde_json::from_str(include_str!("../data/layers.json")).expect("it is valid");
    for case in &golden.cases {
        match case.name.as_str() {
            "batch" => batch_norm(case),
            "layer" => layer_norm(case),
            "prelu" => prelu(case),
            "softmax" => softmax(case, false),
            "log-softmax" => softmax(case, true),
            other => panic!("{other} is not known"),
        }
    }
}

fn batch_norm(case: &Case) {
    let mut layer = Layer::new(case);
    let columns = layer.columns;
    let scale_shift = layer.fixed("parameters", 2, columns);
    let running = layer.fixed("running", 2, columns);
    let statistics = layer.fixed("statistics", 2, columns);
    let output = layer.fixed("gradients", 2, columns);
    let forward = Op::BatchNorm {
        input: layer.z,
        scale_shift,
        running,
        statistics,
        output: layer.y,
    };
    let backward = Op::BatchNormGradient {
        input: layer.z,
        scale_shift,
        statistics,
        gradient: layer.dy,
        accumulate: false,
        output,
    };
    add(&mut layer.program, forward);
    add(&mut layer.program, backward);
    let expected = [
        ("y", &case.output[..]),
        ("running", &case.running_after),
        ("dy", &case.dz),
        ("gradients", &case.gradients),
    ];
    layer.hold(case, &expected);

    // In eval mode, by the running statistics behind the step.
    let mut layer = Layer::new(case);
    let scale_shift = layer.fixed("parameters", 2, columns);
    let running = layer.fixed("running", 2, columns);
    let inference = Op::BatchNormInference {
        input: layer.z,
        scale_shift,
        running,
        output: layer.y,
    };
    add(&mut layer.program, inference);
    let after: Vec<f32> = case.running_after.iter().map(|&v| v as f32).collect();
    let step = Step {
        rows: layer.program.batch as u32,
        ..Step::default()
    };
    // The running statistics are rounded to f32 on the way.
    let inputs = [
        ("z", &case.z[..]),
        ("parameters", &case.parameters),
        ("running", &after),
    ];
    super::hold_within(
        1e-6,
        &layer.program,
        step,
        &inputs,
        &[("y", &case.inferred)],
    );
}

fn layer_norm(case: &Case) {
    let mut layer = Layer::new(case);
    let columns = layer.columns;
    let scale_shift = layer.fixed("parameters", 2, columns);
    let statistics = layer.program.add_own("statistics", Rows::Batch, 2);
    let output = layer.fixed("gradients", 2, columns);
    let ops = [
        Op::LayerNorm {
            input: layer.z,
            scale_shift,
            statistics,
            output: layer.y,
        },
        Op::LayerNormParameters {
            input: layer.z,
            statistics,
            gradient: layer.dy,
            accumulate: false,
            output,
        },
        Op::LayerNormGradient {
            input: layer.z,
            scale_shift,
            statistics,
            gradient: layer.dy,
        },
    ];
    layer.program.ops.extend(ops);
    let expected = [
        ("y", &case.output[..]),
        ("dy", &case.dz),
        ("gradients", &case.gradients),
    ];
    layer.hold(case, &expected);
}

fn prelu(case: &Case) {
    let mut layer = Layer::new(case);
    let slope = layer.fixed("parameters", 1, 1);
    let slopes = layer.program.add_own("slopes", Rows::Batch, layer.columns);
    let ops = [
        Op::Prelu {
            input: layer.z,
            slope,
            output: layer.y,
        },
        Op::PreluGradient {
            input: layer.z,
            slope,
            gradient: layer.dy,
            slopes,
        },
    ];
    layer.program.ops.extend(ops);
    // What sums up to the slope's gradient.
    let pairs = case.z.iter().zip(&case.g);
    let slopes: Vec<f64> = pairs
        .map(|(&z, &g)| f64::from(z).min(0.0) * f64::from(g))
        .collect();
    assert!((slopes.iter().sum::<f64>() - case.gradients[0]).abs() < 1e-12);
    let expected = [
        ("y", &case.output[..]),
        ("dy", &case.dz),
        ("slopes", &slopes),
    ];
    layer.hold(case, &expected);
}

fn softmax(case: &Case, log: bool) {
    let mut layer = Layer::new(case);
    let ops = [
        Op::Softmax {
            log,
            logits: layer.z,
            output: layer.y,
        },
        Op::SoftmaxGradient {
            log,
            kept: layer.y,
            gradient: layer.dy,
        },
    ];
    layer.program.ops.extend(ops);
    layer.hold(case, &[("y", &case.output), ("dy", &case.dz)]);
}
