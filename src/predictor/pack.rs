use crate::backend::{Backend, BackendError, Data, ProgramId, run_all, write_weights};
use crate::data::Matrix;
use crate::model::{Network, Weights};
use crate::program::{Capacity, Link, Program, Step, buffer};

/// Networks of one shape on a backend, which answer side by side.
pub(super) struct Pack<'a> {
    pub(super) backend: &'a mut dyn Backend,
    program: ProgramId,
    members: usize,
    outputs: usize,
    /// Rows at a time.
    pub(super) batch: usize,
}

/// Rows that go through a network at a time.
pub const CHUNK: usize = 1024;

impl<'a> Pack<'a> {
    /// For datasets of so many rows, and lists of them as long as `order`.
    pub(super) fn new(
        backend: &'a mut dyn Backend,
        network: &Network,
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
            program: compiled,
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
