//! What steps ask the system for: one test, since it counts what the whole process asks for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::{Backend, Data, run_all, write_weights};
use gpu_mlp::model::{Activation, Initializer, Network, initialize};
use gpu_mlp::program::{
    Capacity, Hyper, Loss, LossFunction, Optimizer, Program, Reduction, Step, buffer,
};

/// The system's allocator, which counts requests.
struct Counted;

static REQUESTS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every request goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        REQUESTS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// How often so many steps of a network ask, on a backend of two threads.
fn asked(network: &Network, function: LossFunction, batch: usize) -> usize {
    let capacity = Capacity {
        members: 1,
        batch,
        rows: batch,
        order: batch,
        records: 1,
    };
    let loss = Loss::new(function, Reduction::Mean);
    let program = Program::training(network, &loss, &Optimizer::ADAM, capacity).fused();
    let mut backend = CpuBackend::<f32>::with_threads(2);
    let program = backend.compile(&program).expect("it compiles");
    let order: Vec<u32> = (0..batch as u32).collect();
    let hyper = Hyper {
        learning_rate: 0.001,
        ..Hyper::default()
    };
    let hyper = bytemuck::cast_slice(std::slice::from_ref(&hyper));
    for (name, data) in [
        (buffer::ORDER, Data::U32(&order)),
        (buffer::HYPER, Data::F32(hyper)),
    ] {
        backend.write(name, 0, 0, data).expect("it fits");
    }
    let weights = initialize(network, Initializer::Auto, 1);
    write_weights(&mut backend, network, buffer::PARAMETERS, 0, &weights).expect("they fit");
    let step = Step {
        rows: batch as u32,
        loss_scale: 1.0 / batch as f32,
        rate: 1.0,
        correction1: 1.0,
        correction2: 1.0,
        ..Step::default()
    };
    let steps = vec![step; STEPS];
    // What threads keep for themselves is there behind the first steps.
    for _ in 0..2 {
        run_all(&mut backend, program, &steps).expect("it runs");
    }
    let before = REQUESTS.load(Ordering::Relaxed);
    run_all(&mut backend, program, &steps).expect("it runs");
    REQUESTS.load(Ordering::Relaxed) - before
}

const STEPS: usize = 24;

#[test]
fn steps_ask_for_no_memory() {
    use Activation::{Identity, Relu, Sigmoid, Tanh};
    use LossFunction::{BinaryCrossEntropy, Mse};
    let few = Network::new(2, &[8], Tanh, 1, Sigmoid);
    assert_eq!(asked(&few, Mse, 4), 0);
    for (inputs, hidden, outputs, function, batch) in [
        (784, &[128][..], 10, LossFunction::CROSS_ENTROPY, 128),
        (30, &[64, 64], 1, BinaryCrossEntropy, 32),
        (256, &[512, 512], 1, Mse, 256),
    ] {
        let network = Network::new(inputs, hidden, Relu, outputs, Identity);
        assert_eq!(asked(&network, function, batch), 0, "{network:?}");
    }
}
