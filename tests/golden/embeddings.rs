use gpu_mlp::model::Periodic;
use gpu_mlp::program::{Op, Program, Rows, Step, TensorId};
use serde::Deserialize;

use super::{add, empty, hold};

#[derive(Deserialize)]
struct Golden {
    rows: usize,
    waves: Waves,
    lookup: Lookup,
}

#[derive(Deserialize)]
struct Waves {
    shape: Periodic,
    x: Vec<f32>,
    parameters: Vec<f32>,
    g: Vec<f32>,
    output: Vec<f64>,
    gradients: Vec<f64>,
}

#[derive(Deserialize)]
struct Lookup {
    x: Vec<f32>,
    table: Vec<f32>,
    g: Vec<f32>,
    output: Vec<f64>,
    gradient: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../data/embeddings.json")).expect("it is valid")
}

fn batch(program: &mut Program, name: &str, len: usize) -> TensorId {
    program.add_own(name, Rows::Batch, len / program.batch)
}

fn step(program: &Program) -> Step {
    Step {
        rows: program.batch as u32,
        ..Step::default()
    }
}

#[test]
fn waves_and_their_gradients_are_those_of_pytorch() {
    let Golden { rows, waves, .. } = golden();
    let mut program = empty(rows);
    let input = batch(&mut program, "x", waves.x.len());
    let output = batch(&mut program, "e", waves.output.len());
    let gradient = batch(&mut program, "g", waves.g.len());
    let shape = waves.shape;
    let [parameters, by_parameters] =
        ["p", "dp"].map(|name| program.add_own(name, Rows::Fixed(1), shape.values()));
    add(
        &mut program,
        Op::Periodic {
            shape,
            input,
            parameters,
            output,
        },
    );
    add(
        &mut program,
        Op::PeriodicGradient {
            shape,
            input,
            parameters,
            gradient,
            accumulate: false,
            output: by_parameters,
        },
    );
    hold(
        &program,
        step(&program),
        &[("x", &waves.x), ("p", &waves.parameters), ("g", &waves.g)],
        &[("e", &waves.output), ("dp", &waves.gradients)],
    );
}

#[test]
fn a_table_and_its_gradient_are_those_of_pytorch() {
    let Golden { rows, lookup, .. } = golden();
    let mut program = empty(rows);
    let input = batch(&mut program, "x", lookup.x.len());
    let output = batch(&mut program, "e", lookup.output.len());
    let gradient = batch(&mut program, "g", lookup.g.len());
    let [table, by_table] =
        ["table", "d table"].map(|name| program.add_own(name, Rows::Fixed(7), 4));
    add(
        &mut program,
        Op::Lookup {
            lookups: 2,
            input,
            table,
            output,
        },
    );
    add(
        &mut program,
        Op::LookupGradient {
            lookups: 2,
            input,
            gradient,
            accumulate: false,
            output: by_table,
        },
    );
    hold(
        &program,
        step(&program),
        &[
            ("x", &lookup.x),
            ("table", &lookup.table),
            ("g", &lookup.g),
            // What is there before is not added to.
            ("d table", &[1.0; 28]),
        ],
        &[("e", &lookup.output), ("d table", &lookup.gradient)],
    );
}
