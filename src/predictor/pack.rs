use crate::backend::{Backend, BackendError, Data, ProgramId, run_all, write_weights};
use crate::data::Matrix;
use crate::model::{Network, Weights};
use crate::program::{Answer, Capacity, Link, Loss, Program, Step, Stretch, buffer, record};

/// Networks of one shape on a backend, which answer side by side.
pub(super) struct Pack<'a> {
    backend: &'a mut dyn Backend,
    network: &'a Network,
    program: ProgramId,
    /// What counts answers, and how many numbers that gives, once it is asked for.
    counting: Option<(ProgramId, [usize; 3])>,
    capacity: Capacity,
    members: usize,
    outputs: usize,
    /// Rows at a time.
    pub(super) batch: usize,
}

/// What an evaluation makes of some rows.
pub(super) struct Counted {
    /// The sum of the rows' losses.
    pub(super) loss: f64,
    /// A [`record`] of each row.
    pub(super) records: Vec<f32>,
    /// `[rows, columns]`
    pub(super) answers: Vec<f32>,
    pub(super) counts: Vec<f64>,
    pub(super) sums: Vec<f64>,
}

/// Rows that go through a network at a time.
pub const CHUNK: usize = 1024;

impl<'a> Pack<'a> {
    /// For datasets of so many rows, and lists of them as long as `order`.
    pub(super) fn new(
        backend: &'a mut dyn Backend,
        network: &'a Network,
        members: &[Weights],
        [rows, order]: [usize; 2],
    ) -> Result<Self, BackendError> {
        let limits = backend.limits();
        let batch = CHUNK
            .min(order)
            .min(limits.rows)
            .min(limits.tensor / network.widest())
            .max(1);
        let capacity = Capacity {
            members: members.len(),
            batch,
            rows,
            order: order.max(1),
            records: 1,
        };
        // The link is left to the host: losses are found from logits, where probabilities have lost them.
        let program = Program::inference(network, Link::Identity, capacity).fused();
        let compiled = backend.compile(&program)?;
        for (member, weights) in members.iter().enumerate() {
            write_weights(backend, network, buffer::PARAMETERS, member, weights)?;
        }
        Ok(Pack {
            backend,
            network,
            program: compiled,
            counting: None,
            capacity,
            members: members.len(),
            outputs: network.outputs(),
            batch,
        })
    }

    /// Puts rows in the dataset's place, from the first on.
    pub(super) fn write(&mut self, inputs: &[f32]) -> Result<(), BackendError> {
        self.backend.write(buffer::INPUTS, 0, 0, Data::F32(inputs))
    }

    /// Says which rows a member answers for.
    pub(super) fn order(&mut self, member: usize, rows: &[u32]) -> Result<(), BackendError> {
        self.backend
            .write(buffer::ORDER, member, 0, Data::U32(rows))
    }

    /// What each member's last layer gives for its rows from `first` on: `[rows, outputs]`, appended to `outputs`.
    pub(super) fn answer(
        &mut self,
        first: usize,
        rows: usize,
        outputs: &mut [Vec<f32>],
    ) -> Result<(), BackendError> {
        let step = Step {
            first: first as u32,
            rows: rows as u32,
            ..Step::default()
        };
        run_all(self.backend, self.program, &[step])?;
        for (member, outputs) in outputs.iter_mut().enumerate() {
            let len = rows * self.outputs;
            outputs.extend(self.backend.read(buffer::OUTPUTS, member, 0, len)?);
        }
        Ok(())
    }

    /// Makes ready to count the answers of one network, by this loss, with each target's mean and deviation.
    pub(super) fn count(
        &mut self,
        loss: &Loss,
        answer: Answer,
        moments: &[f32],
    ) -> Result<(), BackendError> {
        if self.counting.is_some() {
            return Ok(());
        }
        let stretch = Stretch {
            record: 0,
            records: 1,
            first: 0,
            kept: 0,
        };
        let (network, flat) = (self.network, buffer::PARAMETERS);
        let program = Program::tally(network, loss, flat, (answer, stretch), self.capacity);
        let compiled = self.backend.compile(&program.fused())?;
        if program.buffer(buffer::MOMENTS).is_some() {
            self.backend
                .write(buffer::MOMENTS, 0, 0, Data::F32(moments))?;
        }
        let tallied = answer.tallied(self.outputs);
        let widths = [
            answer.columns(self.outputs),
            tallied.counts(),
            tallied.sums(),
        ];
        self.counting = Some((compiled, widths));
        Ok(())
    }

    /// What comes of the first rows: inputs, what should be put out for them, and their targets. [`Pack::count`] goes before.
    pub(super) fn counted(
        &mut self,
        [inputs, wished, wanted]: [&[f32]; 3],
        rows: usize,
    ) -> Result<Counted, BackendError> {
        let (program, [columns, counts, sums]) = self
            .counting
            .ok_or_else(|| BackendError::Misuse("nothing counts answers".into()))?;
        for (name, values) in [
            (buffer::INPUTS, inputs),
            (buffer::TARGETS, wished),
            (buffer::WANTED, wanted),
        ] {
            self.backend.write(name, 0, 0, Data::F32(values))?;
        }
        let step = Step {
            rows: rows as u32,
            ..Step::default()
        };
        run_all(self.backend, program, &[step])?;
        let mut read = |name: &str, len: usize| self.backend.read(name, 0, 0, len);
        let double = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
        Ok(Counted {
            loss: read(buffer::LOG, record::WIDTH)?[record::LOSS].into(),
            records: read(buffer::RECORDS, rows * record::WIDTH)?,
            answers: read(buffer::ANSWERS, rows * columns)?,
            counts: double(read(buffer::COUNTS, counts)?),
            sums: double(read(buffer::SUMS, sums)?),
        })
    }

    /// Matrices of what [`Pack::answer`] gave, cut to so many rows each.
    pub(super) fn matrices(&self, outputs: Vec<Vec<f32>>, rows: &[usize]) -> Vec<Matrix> {
        let matrix = |(mut values, &rows): (Vec<f32>, &usize)| {
            values.truncate(rows * self.outputs);
            Matrix {
                rows,
                columns: self.outputs,
                values,
            }
        };
        outputs.into_iter().zip(rows).map(matrix).collect()
    }

    /// Nothing yet, for each member.
    pub(super) fn nothing(&self) -> Vec<Vec<f32>> {
        vec![Vec::new(); self.members]
    }
}

/// What each network's last layer gives for rows of its own of a dataset: `[rows, outputs]` by member.
pub fn logits(
    backend: &mut dyn Backend,
    network: &Network,
    members: &[Weights],
    inputs: &Matrix,
    rows: &[&[u32]],
) -> Result<Vec<Matrix>, BackendError> {
    let counts: Vec<usize> = rows.iter().map(|rows| rows.len()).collect();
    let longest = counts.iter().copied().max().unwrap_or(0);
    let mut pack = Pack::new(backend, network, members, [inputs.rows, longest])?;
    pack.write(&inputs.values)?;
    for (member, rows) in rows.iter().enumerate() {
        // A shorter list ends in answers that nobody asked for.
        let mut order = rows.to_vec();
        order.resize(longest, 0);
        pack.order(member, &order)?;
    }
    let mut outputs = pack.nothing();
    for first in (0..longest).step_by(pack.batch) {
        pack.answer(first, pack.batch.min(longest - first), &mut outputs)?;
    }
    Ok(pack.matrices(outputs, &counts))
}
