//! A data loader of one's own: whatever the format, it becomes a `Table` of numbers, and all else follows.

use std::ops::ControlFlow;

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::data::{Column, Features, Loaded, Matrix, Nature, Table};
use gpu_mlp::predictor::most_probable;
use gpu_mlp::train::{Config, Plan};

/// Readings of a sensor, as a device might log them: `kind: reading reading reading`.
fn read(log: &str) -> Result<Table, Box<dyn std::error::Error>> {
    let (mut readings, mut kinds) = (Vec::new(), Vec::new());
    for line in log.lines() {
        let (kind, numbers) = line.split_once(": ").ok_or("a line without a kind")?;
        kinds.push(Some(kind));
        for number in numbers.split(' ') {
            readings.push(number.parse::<f32>()?);
        }
    }
    let matrix = Matrix {
        rows: kinds.len(),
        columns: 3,
        values: readings,
    };
    let features = Features::numbers(matrix, Nature::Measurements);
    Ok(Table::new(
        features,
        Some(Column::text("kind", kinds)),
        "the log",
    ))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let line = |i: usize| match i % 2 {
        0 => format!("still: {} {} {}\n", i % 5, i % 3, i % 7),
        _ => format!("moving: {} {} {}\n", 20 + i % 11, i % 3, 10 + i % 7),
    };
    let log: String = (0..400).map(line).collect();
    let data = Loaded {
        name: "the log".into(),
        train: read(&log)?,
        test: None,
        notices: Vec::new(),
    };
    let plan = Plan::new(&data, &Config::default(), None)?;
    let mut backend = CpuBackend::<f32>::new();
    let model = plan
        .fit(&mut backend, &mut |_| ControlFlow::Continue(()))?
        .model;
    let chances = model
        .on(&mut backend)?
        .predict(&read("still: 1 2 3\nmoving: 25 1 14\n")?)?;
    for row in chances.values.chunks(chances.columns) {
        println!("{} {row:?}", model.classes()[most_probable(row)]);
    }
    Ok(())
}
