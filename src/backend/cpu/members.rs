//! Networks of a pack, side by side on the threads that there are.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::SLICE;
use super::team::{ALONE, Team};
use super::{Real, Values, join, steps};
use crate::program::{Op, Program, Step};

/// Steps that members make before it is known how long they take, and at least before a thread turns to another one.
const AT_FIRST: usize = 16;

/// Pieces that a thread has of a run at least, so that none is idle for long at its end.
const PIECES: usize = 8;

/// Bytes of a member from which on one at a time has all threads: with one on each, they would push each other out of the cache that
/// the threads share, while the passes of one so large are long enough to be shared.
const LARGE: usize = 4 << 20;

/// Runs steps with all threads there are: a large member's passes on all of them, or a small member on each. Returns how many; all
/// members have made as many then.
pub(super) fn run<T: Real>(
    team: &Team,
    program: &Program,
    steps: &[Step],
    shared: &[Values<T>],
    members: &mut [Vec<Values<T>>],
) -> usize {
    let large = members.len() == 1 || members.iter().any(|own| bytes(own) >= LARGE);
    let run = |ops: &[Op], own: &mut [Values<T>], steps: &[Step], team: &Team, slice| {
        let mut memory = steps::Memory { shared, own };
        steps::steps((program, ops), steps, &mut memory, team, slice)
    };
    if program.ops.iter().any(Op::joins) {
        return joined(program, steps, members, |ops, step, members| {
            if large {
                for own in members {
                    run(ops, own, step, team, Duration::MAX);
                }
            } else {
                team.pieces(members, 1, |_, own| {
                    run(ops, &mut own[0], step, &ALONE, Duration::MAX);
                });
            }
        });
    }
    if !large {
        return side_by_side(team, steps, members, |own, some| {
            run(&program.ops, own, some, &ALONE, Duration::MAX);
        });
    }
    // One member's values come into the cache once for all the steps that fit into the time.
    let mut done = steps.len();
    let mut slice = SLICE;
    for own in members {
        done = run(&program.ops, own, &steps[..done], team, slice);
        slice = Duration::MAX;
    }
    done
}

fn bytes<T: Real>(own: &[Values<T>]) -> usize {
    let values: usize = own.iter().map(|values| values.numbers().len()).sum();
    values * size_of::<T>()
}

/// Has each thread run many steps of a member before it takes the next one. They wait for each other once it is known how many steps
/// fit into the time, and then at the end.
fn side_by_side<T: Real>(
    team: &Team,
    steps: &[Step],
    members: &mut [Vec<Values<T>>],
    run: impl Fn(&mut [Values<T>], &[Step]) + Sync,
) -> usize {
    let (count, threads) = (members.len(), team.threads());
    let pieces = if count > threads {
        (PIECES * threads).div_ceil(count)
    } else {
        1
    };
    // Processors fetch ahead of what is read: two neighbours at a time would take each other's first and last lines away, so those that
    // are run one behind the other lie apart, where there are enough of them.
    let apart = count.div_ceil(threads);
    let order: Vec<_> = (0..apart)
        .flat_map(|first| (first..count).step_by(apart))
        .collect();
    let start = Instant::now();
    let (mut done, mut most) = (0, AT_FIRST);
    loop {
        let some = &steps[done..steps.len().min(done + most)];
        let piece = some.len().div_ceil(pieces).max(AT_FIRST);
        let members = members.iter_mut().map(|own| (some.chunks(piece), own));
        let members: Vec<_> = members.map(Mutex::new).collect();
        team.run(count * pieces, |number| {
            // Whoever panicked has told it.
            let member = members[order[number % count]].lock();
            let (left, own) = &mut *member.unwrap_or_else(PoisonError::into_inner);
            if let Some(some) = left.next() {
                run(own, some);
            }
        });
        done += some.len();
        let took = start.elapsed();
        if done == steps.len() || took >= SLICE {
            return done;
        }
        let fit = done as f64 * (SLICE.div_duration_f64(took) - 1.0);
        most = AT_FIRST.max(fit as usize);
    }
}

/// Members wait for each other in every step, wherever they join.
fn joined<T: Real>(
    program: &Program,
    steps: &[Step],
    members: &mut [Vec<Values<T>>],
    run: impl Fn(&[Op], &[Step], &mut [Vec<Values<T>>]),
) -> usize {
    let start = Instant::now();
    for (done, step) in steps.iter().enumerate() {
        if done > 0 && start.elapsed() >= SLICE {
            return done;
        }
        for ops in program.ops.split_inclusive(Op::joins) {
            run(ops, std::slice::from_ref(step), members);
            if let Some(op) = ops.last() {
                join::across(program, op, step, members);
            }
        }
    }
    steps.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::{APART, CpuBackend};
    use crate::backend::{Backend, Data, ProgramId, write_weights};
    use crate::model::{Activation, Initializer, Network, initialize};
    use crate::program::{Capacity, Hyper, Loss, LossFunction, Optimizer, Reduction, buffer};

    /// A backend with a pack's training compiled.
    fn compiled(network: &Network, members: usize) -> (CpuBackend<f32>, ProgramId) {
        let loss = Loss::new(LossFunction::Mse, Reduction::Mean);
        let capacity = Capacity {
            members,
            batch: 2,
            rows: 6,
            order: 6,
            records: 1,
        };
        let program = Program::training(network, &loss, &Optimizer::ADAM, capacity).fused();
        let mut backend = CpuBackend::with_threads(2);
        let id = backend.compile(&program).expect("it compiles");
        (backend, id)
    }

    /// Parameters after some steps, by member, each from a seed of its own.
    fn trained(network: &Network, seeds: &[u64]) -> Vec<Vec<f32>> {
        let (mut backend, id) = compiled(network, seeds.len());
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
        let steps: Vec<Step> = (0..60).map(|number| step(number % 3 * 2)).collect();
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

    #[test]
    fn what_two_members_write_shares_no_line_of_the_cache() {
        let network = Network::new(2, &[3], Activation::Tanh, 1, Activation::Identity);
        let (backend, _) = compiled(&network, 20);
        let mut written = Vec::new();
        for (member, own) in backend.own.iter().enumerate() {
            written.push((
                own.as_ptr_range().start.addr(),
                own.as_ptr_range().end.addr(),
                member,
            ));
            for values in own
                .iter()
                .map(Values::numbers)
                .filter(|values| !values.is_empty())
            {
                let range = values.as_ptr_range();
                written.push((range.start.addr(), range.end.addr(), member));
            }
        }
        written.sort_unstable();
        for pair in written.windows(2) {
            let [(_, end, one), (start, _, other)] = pair else {
                continue;
            };
            assert!(one == other || end + APART <= *start, "{one} {other}");
        }
    }
}
