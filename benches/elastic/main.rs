//! What workers cost, and what policies win: rates of training steps through a pool, as ratios to those of the plain loop in the
//! same run. All that is compared takes turns, and rates are medians of rounds. Data are drawn; their shapes are those of the
//! workloads.
//!
//! `cargo bench --bench elastic [-- W2 W5 cost predicted slowed]`: workloads and parts whose names begin with one of the words.
//! The part `slowed` of W2 writes docs/slowed.svg.

mod case;
mod cost;
mod predicted;
mod slowed;
mod workers;

use std::time::Duration;

use gpu_mlp::model::{Activation, Network};
use gpu_mlp::program::{LossFunction, Optimizer};

const ROUNDS: usize = 9;

/// How long each of the compared is measured in a round.
const SLICE: Duration = Duration::from_millis(400);

pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) network: Network,
    pub(crate) function: LossFunction,
    pub(crate) rows: usize,
    pub(crate) batch: usize,
}

pub(crate) fn workloads() -> Vec<Workload> {
    use Activation::{Identity, Relu};
    vec![
        Workload {
            name: "W2 784-512-512-10, batch 256",
            network: Network::new(784, &[512, 512], Relu, 10, Identity),
            function: LossFunction::CROSS_ENTROPY,
            rows: 60_000,
            batch: 256,
        },
        Workload {
            name: "W5 256-2048-2048-1, batch 1024",
            network: Network::new(256, &[2048, 2048], Relu, 1, Identity),
            function: LossFunction::Mse,
            rows: 10_000,
            batch: 1024,
        },
    ]
}

/// The optimizer of all workloads.
pub(crate) const OPTIMIZER: Optimizer = Optimizer::ADAM;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let (works, parts): (Vec<_>, Vec<_>) =
        words.into_iter().partition(|word| word.starts_with('W'));
    let named = |what: &str, words: &[String]| {
        words.is_empty() || words.iter().any(|word| what.starts_with(word.as_str()))
    };
    for work in workloads().iter().filter(|work| named(work.name, &works)) {
        if named("cost", &parts) {
            cost::cost(work)?;
        }
        if named("predicted", &parts) {
            predicted::predicted(work)?;
        }
        if named("slowed", &parts) {
            let courses = slowed::slowed(work)?;
            if work.name.starts_with("W2") {
                let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/slowed.svg");
                std::fs::write(path, slowed::plot(&courses, work))?;
            }
        }
    }
    Ok(())
}
