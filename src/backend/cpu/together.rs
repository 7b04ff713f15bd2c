//! Parts of a step that are run together: products over all their rows are faster than over few, and sums over rows are made part
//! by part, along the tree over them.

use super::steps::{At, Memory, misplaced};
use super::team::Team;
use super::tree_product::TreeProduct;
use super::tree_sums::tree_sums;
use super::{Real, Values};
use crate::program::{Op, Program, Rows, Step, Transpose};

/// How an op is run on the rows of several parts.
enum How {
    /// On all of them, as rows have nothing to do with each other.
    Whole,
    /// On those of one part after the other.
    Each,
    /// On those of one part after the other, and what it makes of them is summed up.
    Sum,
}

fn how(program: &Program, op: &Op) -> Option<How> {
    let is_of_batch = |&tensor: &usize| program.tensors[tensor].rows == Rows::Batch;
    match op {
        Op::MatmulBiasGradient {
            accumulate: false, ..
        }
        | Op::BiasGradient {
            accumulate: false, ..
        }
        | Op::Matmul {
            transpose: Transpose::A,
            accumulate: false,
            ..
        } => Some(How::Sum),
        Op::Metrics { .. } => Some(How::Each),
        Op::Join { .. } => None,
        _ if !op.writes().iter().all(is_of_batch) => None,
        Op::Gather { .. }
        | Op::GatherBoth { .. }
        | Op::BiasAdd { .. }
        | Op::Activation { .. }
        | Op::ActivationGradient { .. }
        | Op::Dropout { .. }
        | Op::DropoutGradient { .. }
        | Op::LossGradient { .. } => Some(How::Whole),
        _ => match op.product(program) {
            // A row's bits do not hang on how many others there are.
            Some(product) if product.k != Rows::Batch => Some(How::Whole),
            _ => Some(How::Each),
        },
    }
}

/// Whether a program's parts can be run together: what it writes is of rows, or a sum over them.
pub(super) fn can(program: &Program) -> bool {
    program.ops.iter().all(|op| how(program, op).is_some())
}

/// Makes room for so many rows.
pub(super) fn grow<T: Real>(program: &Program, rows: usize, own: &mut [Values<T>]) {
    for tensor in &program.tensors {
        if tensor.rows == Rows::Batch {
            own[tensor.buffer].grow(tensor.offset + rows * tensor.columns);
        }
    }
}

/// Runs parts, of which each begins where the one before ends. Returns whether all sums over rows are finite.
pub(super) fn run<T: Real>(
    program: &Program,
    parts: &[Step],
    memory: &mut Memory<'_, T>,
    team: &Team,
) -> bool {
    let rows: Vec<usize> = parts.iter().map(|part| part.rows as usize).collect();
    let Some(&first) = parts.first() else {
        return true;
    };
    let whole = Step {
        rows: rows.iter().sum::<usize>() as u32,
        ..first
    };
    let at = At {
        program,
        step: &whole,
        skipped: 0,
        team,
    };
    let mut finite = true;
    for op in &program.ops {
        match how(program, op) {
            Some(How::Whole) => memory.run(op, at),
            Some(How::Each) => {
                let mut skipped = 0;
                for (step, rows) in parts.iter().zip(&rows) {
                    memory.run(
                        op,
                        At {
                            step,
                            skipped,
                            ..at
                        },
                    );
                    skipped += rows;
                }
            }
            Some(How::Sum) => finite &= memory.sum(op, at, &rows),
            // `can` has been asked.
            None => {}
        }
    }
    finite
}

impl<T: Real> Memory<'_, T> {
    /// Runs an op that sums up over rows. Returns whether its sums are finite.
    fn sum(&mut self, op: &Op, at: At<'_>, parts: &[usize]) -> bool {
        let program = at.program;
        let mut finite = true;
        let (product, bias) = match *op {
            Op::MatmulBiasGradient {
                a, b, output, bias, ..
            } => (Some((a, b, output)), Some((a, bias))),
            Op::Matmul { a, b, output, .. } => (Some((a, b, output)), None),
            Op::BiasGradient {
                gradient, output, ..
            } => (None, Some((gradient, output))),
            _ => misplaced(op),
        };
        let range = |tensor: usize| {
            let first = program.tensors[tensor].offset;
            first..first + program.len(tensor)
        };
        if let Some((a, b, output)) = product {
            let mut out = self.take(at, output);
            let halves = self.halves(op, [a, b], at);
            let [of_a, of_b] = match &halves {
                Some([of_a, of_b]) => [&of_a[..], &of_b[..]],
                None => [a, b].map(|tensor| self.values(at, tensor)),
            };
            let product = TreeProduct {
                a: of_a,
                m: program.tensors[a].columns,
                b: of_b,
                n: program.tensors[b].columns,
                parts,
            };
            finite &= T::tree_product(&product, &mut out[range(output)], at.team);
            self.put(at, output, out);
        }
        if let Some((gradient, output)) = bias {
            let mut out = self.take(at, output);
            let gradient = self.values(at, gradient);
            let sums = &mut out[range(output)];
            tree_sums(gradient, parts, sums);
            finite &= sums.iter().all(|sum| sum.single().is_finite());
            self.put(at, output, out);
        }
        finite
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::CpuBackend;
    use crate::backend::{Backend, Data, ProgramId, write_weights};
    use crate::model::{Activation, Dropout, Initializer, Network, initialize};
    use crate::program::{
        Capacity, Hyper, Loss, LossFunction, Precision, Reduction, buffer, record,
    };

    const ROWS: usize = 80;

    /// The parts of a step, the last of which is short.
    fn parts() -> Vec<Step> {
        let firsts = (0..ROWS as u32).step_by(12).enumerate();
        let part = |(record, first): (usize, u32)| Step {
            first,
            rows: 12.min(ROWS as u32 - first),
            record: record as u32,
            loss_scale: 1.0 / ROWS as f32,
            rate: 1.0,
            number: 3,
            ..Step::default()
        };
        firsts.map(part).collect()
    }

    fn ready<T: Real>(
        (network, precision): (&Network, Precision),
        threads: usize,
    ) -> (CpuBackend<T>, ProgramId, usize) {
        let loss = Loss::new(LossFunction::CROSS_ENTROPY, Reduction::Mean);
        let capacity = Capacity {
            members: 1,
            batch: 12,
            rows: ROWS,
            order: ROWS,
            records: 8,
        };
        let program = Program::shard(network, &loss, capacity).fused();
        let program = program.with_precision(precision);
        let len = program
            .buffer(buffer::GRADIENTS)
            .map_or(0, |buffer| buffer.len);
        let mut backend = CpuBackend::with_threads(threads);
        let id = backend.compile(&program).expect("it compiles");
        let wave = |n: usize| ((n as f32) * 0.7).sin();
        let inputs: Vec<f32> = (0..ROWS * network.inputs).map(wave).collect();
        let targets: Vec<f32> = (0..ROWS).map(|row| (row % 3) as f32).collect();
        let order: Vec<u32> = (0..ROWS as u32).rev().collect();
        let hyper = Hyper {
            dropout: 0.2,
            ..Hyper::default()
        };
        let hyper = bytemuck::cast_slice(std::slice::from_ref(&hyper));
        let writes = [
            (buffer::INPUTS, Data::F32(&inputs)),
            (buffer::TARGETS, Data::F32(&targets)),
            (buffer::ORDER, Data::U32(&order)),
            (buffer::KEYS, Data::U32(&[5, 6])),
            (buffer::HYPER, Data::F32(hyper)),
        ];
        for (name, data) in writes {
            backend.write(name, 0, 0, data).expect("it fits");
        }
        let weights = initialize(network, Initializer::HeUniform, 4);
        write_weights(&mut backend, network, buffer::PARAMETERS, 0, &weights).expect("they fit");
        (backend, id, len)
    }

    /// Gradients and records, with so many parts at a time.
    fn gradient<T: Real>(
        network: (&Network, Precision),
        threads: usize,
        at_a_time: usize,
    ) -> (Vec<f32>, Vec<f32>) {
        let (mut backend, id, len) = ready::<T>(network, threads);
        let mut sums: Vec<Vec<f32>> = Vec::new();
        let mut spare = Vec::new();
        for group in parts().chunks(at_a_time) {
            let finite = backend.run_together(id, group).expect("it runs");
            assert_eq!(finite, Some(true));
            let taken = backend
                .take(buffer::GRADIENTS, 0, len, spare)
                .expect("they are there");
            spare = vec![0.0; len];
            sums.push(taken);
        }
        while sums.len() > 1 {
            let add = |pair: &[Vec<f32>]| match pair {
                [one, other] => one.iter().zip(other).map(|(a, b)| a + b).collect(),
                others => others.concat(),
            };
            sums = sums.chunks(2).map(add).collect();
        }
        let records = backend.read(buffer::LOG, 0, 0, 7 * record::WIDTH);
        (sums.remove(0), records.expect("they are there"))
    }

    #[test]
    fn the_bits_do_not_hang_on_which_parts_are_run_together() {
        for (inputs, hidden) in [(600, vec![90, 40]), (40, vec![260]), (3, vec![4, 2])] {
            let network = Network {
                dropout: Dropout::Plain,
                ..Network::new(inputs, &hidden, Activation::Tanh, 3, Activation::Identity)
            };
            let (exact, _) = gradient::<f64>((&network, Precision::F32), 1, 8);
            for (precision, error) in [(Precision::F32, 1e-5), (Precision::F16, 1e-3)] {
                let network = (&network, precision);
                let one = gradient::<f32>(network, 1, 1);
                assert!(one.0.iter().any(|value| value.abs() > 1e-4));
                for (at_a_time, threads) in [(2, 1), (4, 1), (8, 1), (8, 3)] {
                    let found = gradient::<f32>(network, threads, at_a_time);
                    assert_eq!(found, one, "{at_a_time} of {hidden:?} on {threads} threads");
                }
                for (one, exact) in one.0.iter().zip(&exact) {
                    assert!((one - exact).abs() < error, "{one} {exact}");
                }
            }
        }
    }

    #[test]
    fn what_a_normalisation_over_a_batch_is_in_is_not_run_together() {
        let mut network = Network::new(4, &[6], Activation::Relu, 3, Activation::Identity);
        network.dropout = Dropout::Plain;
        network.normalization = crate::model::Normalization::Batch;
        let (mut backend, id, _) = ready::<f32>((&network, Precision::F32), 1);
        let ran = backend.run_together(id, &parts());
        assert_eq!(ran.expect("it says so"), None);
    }

    #[test]
    fn gradients_that_are_not_finite_are_told_of() {
        let network = Network {
            dropout: Dropout::Plain,
            ..Network::new(600, &[90], Activation::Tanh, 3, Activation::Identity)
        };
        for value in [f32::NAN, f32::INFINITY] {
            for row in [0, ROWS - 1] {
                let (mut backend, id, _) = ready::<f32>((&network, Precision::F32), 2);
                let written = backend.write(buffer::INPUTS, 0, 600 * row + 7, Data::F32(&[value]));
                written.expect("it fits");
                let ran = backend.run_together(id, &parts()[..4]);
                // The order is backwards: these parts have the last rows.
                assert_eq!(ran.expect("it runs"), Some(row == 0));
            }
        }
    }
}
