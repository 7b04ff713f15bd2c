//! Each kernel alone, and the check that tries them.

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, KERNELS, Mode};
use gpu_mlp::backend::{Backend, Check, Drawn, TOLERANCES, check, difference, kernels, tolerance};
use gpu_mlp::model::{Activation, Network};
use gpu_mlp::program::{Capacity, Loss, LossFunction, Program, Reduction};
use proptest::prelude::*;

use super::open;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn every_kernel_alone_agrees_with_its_twin(
        m in 1_usize..300,
        n in 1_usize..300,
        k in 1_usize..300,
        members in 1_usize..4,
        short in 0.0..1.0_f64,
        seed: u64,
    ) {
        let rows = ((m as f64 * short) as usize).max(1);
        let mut gpu = open(Mode::Dispatches);
        for (kernel, program) in kernels([m, n, k], members, 0) {
            let error = difference(&mut gpu, &program, (rows, seed), Drawn::Usual).expect("it runs");
            prop_assert!(error <= tolerance(kernel), "{}: {:e}, {} rows of\n{}", kernel, error, rows, program);
        }
    }
}

/// The kernels that differ by more than they may.
fn wrong(errors: Vec<(&'static str, f32)>) -> Vec<(&'static str, f32)> {
    let mut wrong: Vec<_> = errors
        .into_iter()
        .filter(|&(kernel, error)| error > tolerance(kernel))
        .collect();
    wrong.sort_by_key(|&(kernel, _)| kernel);
    wrong
}

#[test]
fn every_kernel_has_an_error_that_is_allowed_and_a_reason() {
    let mut named: Vec<&str> = TOLERANCES
        .iter()
        .flat_map(|(_, _, of)| of.to_vec())
        .collect();
    named.sort_unstable();
    let listed: Vec<&str> = KERNELS.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, listed);
}

#[test]
fn sizes_around_tiles_and_subgroups_agree_with_the_twins() {
    const SIZES: [usize; 16] = [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65];
    let mut gpu = open(Mode::Dispatches);
    let mut errors = Vec::new();
    for number in 0..SIZES.len() {
        // Each size is that of rows, of columns and of sums, next to others each time.
        let [m, n, k] = [1, 7, 5].map(|step| SIZES[(number * step + step) % SIZES.len()]);
        for (kernel, program) in kernels([m, n, k], 1, number) {
            let case = (m, number as u64);
            let error = difference(&mut gpu, &program, case, Drawn::Usual).expect("it runs");
            errors.push((kernel, error));
        }
    }
    assert_eq!(wrong(errors), []);
}

#[test]
fn denormal_numbers_are_taken_as_they_are_or_as_zeros() {
    let mut gpu = open(Mode::Dispatches);
    let mut errors = Vec::new();
    for (number, [m, n, k]) in [[1, 1, 1], [5, 33, 7], [65, 17, 64]]
        .into_iter()
        .enumerate()
    {
        for (kernel, program) in kernels([m, n, k], 1, number) {
            let case = (m, number as u64);
            let error = difference(&mut gpu, &program, case, Drawn::Denormal).expect("it runs");
            errors.push((kernel, error));
        }
    }
    assert_eq!(wrong(errors), []);
}

#[test]
fn infinite_logits_give_what_they_give_the_twins() {
    let mut gpu = open(Mode::Dispatches);
    let mut errors = Vec::new();
    for (number, [m, n, k]) in [[7, 1, 1], [40, 3, 1], [9, 65, 1]].into_iter().enumerate() {
        let of_logits = ["activation", "loss_gradient", "softmax"];
        let programs = kernels([m, n, k], 1, number).into_iter();
        for (kernel, program) in programs.filter(|(kernel, _)| of_logits.contains(kernel)) {
            let case = (m, number as u64);
            let error = difference(&mut gpu, &program, case, Drawn::Infinite).expect("it runs");
            if error > tolerance(kernel) {
                eprintln!("{error:e} of\n{program}");
            }
            errors.push((kernel, error));
        }
    }
    assert_eq!(wrong(errors), []);
}

#[test]
fn the_check_of_an_adapter_tries_every_kernel() {
    let mut told = Vec::new();
    let checks = check(&AdapterChoice::Best, &mut |done, count| {
        told.push([done, count]);
    })
    .expect("a Vulkan adapter: see scripts/test.sh");
    let count = told.len();
    assert_eq!(
        told,
        (1..=count).map(|done| [done, count]).collect::<Vec<_>>()
    );
    let names: Vec<_> = checks.iter().map(|check| check.kernel).collect();
    assert_eq!(
        names,
        KERNELS.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
    for check in checks {
        assert!(check.passed(), "{check:?}");
    }
}

#[test]
fn the_check_of_a_worker_tries_what_its_programs_consist_of() {
    let network = Network::new(5, &[9], Activation::Relu, 3, Activation::Identity);
    let loss = Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean);
    let capacity = Capacity {
        members: 3,
        batch: 4,
        rows: 8,
        order: 8,
        records: 1,
    };
    let program = Program::shard(&network, &loss, capacity).fused();
    let mut gpu = open(Mode::Auto);
    gpu.compile(&program).expect("it compiles");
    let mut cpu = CpuBackend::<f32>::with_threads(2);
    let both: [&mut dyn Backend; 2] = [&mut gpu, &mut cpu];
    for (backend, of_adapter) in both.into_iter().zip([true, false]) {
        let checks = backend.check(&[&program]).expect("it runs");
        let names: Vec<_> = checks.iter().map(|check| check.kernel).collect();
        let is_of = |name: &str| program.ops.iter().any(|op| op.name() == name);
        let own = names.iter().filter(|name| is_of(name)).count();
        // An adapter that is slow does not come to all of them in its time.
        assert!(own > 0 || of_adapter, "{names:?}");
        assert_eq!(names.contains(&"steps"), of_adapter, "{names:?}");
        let also = |name: &str| of_adapter && name == "steps";
        assert!(
            names.iter().all(|name| is_of(name) || also(name)),
            "{names:?}"
        );
        assert!(checks.iter().all(Check::passed), "{checks:?}");
    }
}
