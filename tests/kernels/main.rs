//! Kernels on the adapter against their twins: each alone, and in whole programs.

mod alone;
mod between;
mod dispatches;
mod products;
mod programs;

use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend, Mode};
use gpu_mlp::backend::{Drawn, difference};
use gpu_mlp::program::Program;

pub(crate) fn open(mode: Mode) -> GpuBackend {
    GpuBackend::open(&AdapterChoice::Best)
        .expect("a Vulkan adapter: see scripts/test.sh")
        .with_mode(mode)
}

/// For whole programs: what one op rounds goes into the next, and Adam divides by the roots of small second moments.
const PROGRAM_TOLERANCE: f32 = 5e-4;

pub(crate) fn agree(program: &Program, rows: usize, seed: u64) {
    for mode in [Mode::Dispatches, Mode::Resident] {
        let error =
            difference(&mut open(mode), program, (rows, seed), Drawn::Usual).expect("it runs");
        assert!(
            error <= PROGRAM_TOLERANCE,
            "{error:e} by {mode:?}, {rows} rows of\n{program}"
        );
    }
}
