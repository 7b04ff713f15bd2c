//! Networks of a pack, side by side on the threads that there are.

use std::time::{Duration, Instant};

use super::super::SLICE;
use super::team::{ALONE, Team};
use super::{Real, Values, join, steps};
use crate::program::{Op, Program, Step};

/// Steps that members make before they wait for each other.
const AT_A_TIME: usize = 16;

/// Bytes of a member from which on one at a time has all threads: with one on each, they would push each other out of the cache that
/// the threads share, while the passes of one so large are long enough to be shared.
const LARGE: usize = 4 << 20;

/// Runs steps with all threads there are: a single member's passes on all of them, or a member on each. Returns how many.
pub(super) fn run<T: Real>(
    team: &Team,
    program: &Program,
    steps: &[Step],
    shared: &[Values<T>],
    members: &mut [Vec<Values<T>>],
) -> usize {
    if let [own] = members
        && !program.ops.iter().any(Op::joins)
    {
        let mut memory = steps::Memory { shared, own };
        let ops = (program, &program.ops[..]);
        return steps::steps(ops, steps, &mut memory, team, SLICE);
    }
    let large = members.first().is_some_and(|own| bytes(own) >= LARGE);
    together(program, steps, members, |ops, some, members| {
        let run = |own: &mut [Values<T>], team: &Team| {
            let mut memory = steps::Memory { shared, own };
            steps::steps((program, ops), some, &mut memory, team, Duration::MAX);
        };
        if large {
            for own in members {
                run(own, team);
            }
        } else {
            team.pieces(members, 1, |_, own| run(&mut own[0], &ALONE));
        }
    })
}

fn bytes<T: Real>(own: &[Values<T>]) -> usize {
    let values: usize = own.iter().map(|values| values.numbers().len()).sum();
    values * size_of::<T>()
}

/// Members wait for each other after every few steps, so that all have done the same number at the end, and wherever they join.
fn together<T: Real>(
    program: &Program,
    steps: &[Step],
    members: &mut [Vec<Values<T>>],
    run: impl Fn(&[Op], &[Step], &mut [Vec<Values<T>>]),
) -> usize {
    let joins = program.ops.iter().any(Op::joins);
    let most = if joins { 1 } else { AT_A_TIME };
    let start = Instant::now();
    let mut done = 0;
    while done < steps.len() && (done == 0 || start.elapsed() < SLICE) {
        let some = &steps[done..steps.len().min(done + most)];
        for ops in program.ops.split_inclusive(Op::joins) {
            run(ops, some, members);
            if let Some(op) = ops.last() {
                join::across(program, op, &some[0], members);
            }
        }
        done += some.len();
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::CpuBackend;
    use crate::backend::{Backend, Data, write_weights};
    use crate::model::{Activation, Initializer, Network, initialize};
    use crate::program::{Capacity, Hyper, Loss, LossFunction, Optimizer, Reduction, buffer};

    /// Parameters after some steps, by member, each from a seed of its own.
    fn trained(network: &Network, seeds: &[u64]) -> Vec<Vec<f32>> {
        let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
        let capacity = Capacity {
            members: seeds.len(),
            batch: 2,
            rows: 6,
            order: 6,
            records: 1,
        };
        let program = Program::training(network, &loss, &Optimizer::ADAM, capacity).fused();
        let mut backend = CpuBackend::<f32>::with_threads(2);
        let id = backend.compile(&program).expect("it compiles");
        let inputs: Vec<f32> = (0..6 * network.inputs).map(|i| (i as f32).sin()).collect();
        let mut write = |name: &str, member: usize, data: Data<'_>| {
            backend.write(name, member, 0, data).expect("it fits");
        };
        write(buffer::INPUTS, 0, Data::F32(&inputs));
        write(
            buffer::TARGETS,
            0,
            Data::F32(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        );
        let hyper = Hyper {
            learning_rate: 0.01,
            ..Hyper::default()
        };
        for member in 0..seeds.len() {
            let hyper = bytemuck::cast_slice(std::slice::from_ref(&hyper));
            write(buffer::HYPER, member, Data::F32(hyper));
            write(buffer::ORDER, member, Data::U32(&[3, 1, 4, 0, 5, 2]));
        }
        for (member, &seed) in seeds.iter().enumerate() {
            let weights = initialize(network, Initializer::Auto, seed);
            write_weights(&mut backend, network, buffer::PARAMETERS, member, &weights)
                .expect("they fit");
        }
        let step = |first: u32| Step {
            first,
            rows: 2,
            loss_scale: 0.5,
            rate: 1.0,
            correction1: 0.1,
            correction2: 0.001,
            ..Step::default()
        };
        let steps: Vec<Step> = (0..20).map(|number| step(number % 3 * 2)).collect();
        let mut done = 0;
        while done < steps.len() {
            done += backend.run(id, &steps[done..]).expect("it runs");
        }
        let parameters = |member| backend.values(buffer::PARAMETERS, member);
        let parameters = (0..seeds.len()).map(|member| parameters(member).map(<[f32]>::to_vec));
        parameters
            .collect::<Result<_, _>>()
            .expect("they are there")
    }

    #[test]
    fn members_have_the_bits_that_they_have_alone_whether_they_are_large_or_not() {
        for hidden in [8, 700] {
            let network = Network::new(500, &[hidden], Activation::Tanh, 1, Activation::Identity);
            let bytes = 4 * size_of::<f32>() * 500 * hidden;
            assert_eq!(bytes >= LARGE, hidden == 700);
            let pack = trained(&network, &[1, 2, 3]);
            assert!(pack[0] != pack[1]);
            for (member, seed) in pack.iter().zip(1..) {
                assert!(
                    *member == trained(&network, &[seed])[0],
                    "{hidden}, seed {seed}"
                );
            }
        }
    }
}
