//! A regression with rows of one's own making: y = sin 3x₁ + x₂², with figures in the target's own units.

use std::ops::ControlFlow;

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::data::{Column, Features, Loaded, Table, Task};
use gpu_mlp::random::{Purpose, Stream};
use gpu_mlp::train::{Config, Plan};
use rand::RngExt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut random = Stream::new(1, Purpose::Check, 0);
    let mut draw = || -> Vec<f32> { (0..2_000).map(|_| random.random_range(-1.0..1.0)).collect() };
    let (x1, x2) = (draw(), draw());
    let y = x1
        .iter()
        .zip(&x2)
        .map(|(a, b)| (3.0 * a).sin() + b * b)
        .collect();
    let columns = vec![Column::numbers("x1", x1), Column::numbers("x2", x2)];
    let table = Table::new(
        Features::Columns(columns),
        Some(Column::numbers("y", y)),
        "made up",
    );
    let data = Loaded {
        name: "made up".into(),
        train: table,
        test: None,
        notices: Vec::new(),
    };
    let config = Config {
        task: Some(Task::Regression),
        ..Config::default()
    };
    let plan = Plan::new(&data, &config, None)?;
    let fitted = plan.fit(&mut CpuBackend::<f32>::new(), &mut |_| {
        ControlFlow::Continue(())
    })?;
    for (part, metrics) in ["train", "validation", "test"].iter().zip(fitted.metrics) {
        println!("{part}: {metrics:?}");
    }
    Ok(())
}
