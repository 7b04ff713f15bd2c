//! One worker and two beside the plain loop.

use std::sync::Arc;

use gpu_mlp::backend::BackendError;
use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::elastic::policy::PolicyName;
use gpu_mlp::elastic::simulate::Scheduling;

use crate::case::Case;
use crate::workers::pool;
use crate::{ROUNDS, SLICE, Workload, median};

/// Rates through a pool beside those of the plain loop, and what the simulation says of two workers.
pub(crate) fn cost(work: &Workload) -> Result<(), BackendError> {
    let pool = |workers, threads, scheduling| {
        pool(
            workers,
            threads,
            (PolicyName::Throughput, scheduling),
            work.batch,
            &Arc::default(),
        )
    };
    let plain = |threads| CpuBackend::<f32>::with_threads(threads);
    let mut cases = [
        Case::new(Box::new(plain(2)), work)?,
        Case::new(Box::new(plain(1)), work)?,
        Case::new(pool(1, 2, Scheduling::Central)?, work)?,
        Case::new(pool(1, 1, Scheduling::Central)?, work)?,
        Case::new(pool(2, 1, Scheduling::Central)?, work)?,
        Case::new(pool(2, 1, Scheduling::Distributed)?, work)?,
    ];
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut rates = Vec::new();
        for case in &mut cases {
            rates.push(case.rate(SLICE)?);
        }
        rounds.push(rates);
    }
    let of = |case: usize| median(rounds.iter().map(|rates| rates[case]).collect());
    for (name, case, than) in [
        ("plain loop, 2 threads", 0, 0),
        ("1 worker of 2 threads", 2, 0),
        ("2 workers of 1 thread", 4, 0),
        ("the same, distributed", 5, 0),
        ("plain loop, 1 thread", 1, 1),
        ("1 worker of 1 thread", 3, 1),
    ] {
        let ratio = median(
            rounds
                .iter()
                .map(|rates| rates[case] / rates[than])
                .collect(),
        );
        println!(
            "{:31} {name:24} {:10.0} samples/s {:8.2} ms a step {:6.1} %",
            work.name,
            of(case) * work.batch as f64,
            1e3 / of(case),
            100.0 * ratio,
        );
    }
    Ok(())
}
