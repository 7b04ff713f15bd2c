//! One adapter from several threads: each opens a device of its own on it and predicts with the same model.

use std::ops::ControlFlow;
use std::thread;

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend};
use gpu_mlp::data::{ReadOptions, load};
use gpu_mlp::predictor::most_probable;
use gpu_mlp::train::{Config, Plan};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let digits = load("digits", &ReadOptions::default())?;
    let plan = Plan::new(&digits, &Config::default(), None)?;
    let model = plan
        .fit(&mut CpuBackend::<f32>::new(), &mut |_| {
            ControlFlow::Continue(())
        })?
        .model;
    let counts = thread::scope(|scope| {
        let workers: Vec<_> = (0..3)
            .map(|worker| {
                let (model, rows) = (&model, digits.train.slice(worker * 599..(worker + 1) * 599));
                scope.spawn(move || -> Result<[usize; 10], String> {
                    let mut gpu = GpuBackend::open(&AdapterChoice::Best)
                        .map_err(|error| error.to_string())?;
                    let mut predictor = model.on(&mut gpu).map_err(|error| error.to_string())?;
                    let chances = predictor
                        .predict(&rows)
                        .map_err(|error| error.to_string())?;
                    let mut counts = [0; 10];
                    for row in chances.values.chunks(chances.columns) {
                        counts[most_probable(row)] += 1;
                    }
                    Ok(counts)
                })
            })
            .collect();
        workers
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect::<Vec<_>>()
    });
    for (worker, counts) in counts.into_iter().enumerate() {
        match counts {
            Ok(Ok(counts)) => println!("thread {worker} saw each digit {counts:?} times"),
            Ok(Err(error)) => println!("thread {worker}: {error}"),
            Err(_) => println!("thread {worker} panicked"),
        }
    }
    Ok(())
}
