//! What counts the answers of networks for rows with targets, on the device that makes them.

use super::pack::CHUNK;
use super::{Model, Report};
use crate::backend::{Backend, BackendError, Data, Limits, ProgramId, run_all, write_weights};
use crate::data::Matrix;
use crate::program::{
    Capacity, Loss, LossWeights, Program, Step, Stretch, Tallied, buffer, record,
};

/// A model's networks on a backend, whose answers for rows are counted there: those of several that answer together as one.
///
/// Networks that answer together are a group. Each group has rows of its own.
pub(crate) struct Jury<'a> {
    model: &'a Model,
    program: ProgramId,
    /// Networks of a group.
    together: usize,
    /// Rows at a time.
    batch: usize,
    /// Rows of a group at most.
    longest: usize,
    tallied: Tallied,
    /// Numbers that a row is answered with.
    columns: usize,
    /// Values that a row's loss is a mean of.
    losses: usize,
}

/// How often a device may fail to count all rows.
pub(crate) const ATTEMPTS: usize = 3;

impl<'a> Jury<'a> {
    /// For datasets of so many rows, of which each group answers for `longest` at most. Weights are written, but no rows.
    pub(crate) fn new(
        backend: &mut dyn Backend,
        model: &'a Model,
        together: usize,
        [rows, longest]: [usize; 2],
    ) -> Result<Self, BackendError> {
        let (network, description) = (&model.network, &model.description);
        let (members, outputs) = (model.members.len(), network.outputs());
        let answer = description.answer();
        let (columns, tallied) = (answer.columns(outputs), answer.tallied(outputs));
        let Limits { tensor, rows: most } = backend.limits();
        let batch = CHUNK
            .min(longest)
            .min(most)
            .min(tensor / network.widest())
            .min(answered(tensor, together, columns))
            .max(1);
        // A step ends where any group's rows end.
        let records = longest.div_ceil(batch) + members / together.max(1);
        let capacity = Capacity {
            members,
            batch,
            rows,
            order: longest.max(1),
            records,
        };
        let stretch = Stretch {
            record: 0,
            records,
            first: 0,
            kept: 0,
            together,
        };
        let loss = Loss {
            weights: LossWeights::None,
            ..description.loss
        };
        let flat = buffer::PARAMETERS;
        let program = Program::tally(network, &loss, flat, (answer, stretch), capacity).fused();
        let compiled = backend.compile(&program)?;
        for (member, weights) in model.members.iter().enumerate() {
            write_weights(backend, network, flat, member, weights)?;
        }
        if program.buffer(buffer::MOMENTS).is_some() {
            let moments = description.moments(tallied.targets());
            backend.write(buffer::MOMENTS, 0, 0, Data::F32(&moments))?;
        }
        Ok(Jury {
            model,
            program: compiled,
            together,
            batch,
            longest,
            tallied,
            columns,
            losses: loss.values(outputs).max(1),
        })
    }

    /// Rows at a time.
    pub(super) fn batch(&self) -> usize {
        self.batch
    }

    /// Puts a dataset in its place: inputs and targets of the rows, one behind the other.
    pub(crate) fn write(
        &self,
        backend: &mut dyn Backend,
        inputs: &[f32],
        targets: &[f32],
    ) -> Result<(), BackendError> {
        let wished = self
            .model
            .description
            .wished(targets, self.tallied.targets());
        for (name, values) in [
            (buffer::INPUTS, inputs),
            (buffer::TARGETS, &wished),
            (buffer::WANTED, targets),
        ] {
            backend.write(name, 0, 0, Data::F32(values))?;
        }
        Ok(())
    }

    /// Says which rows each group answers for.
    pub(crate) fn order(
        &self,
        backend: &mut dyn Backend,
        rows: &[&[u32]],
    ) -> Result<(), BackendError> {
        for member in 0..self.model.members.len() {
            // A shorter list ends in answers that nobody asked for.
            let mut order = rows[member / self.together].to_vec();
            order.resize(self.longest, 0);
            backend.write(buffer::ORDER, member, 0, Data::U32(&order))?;
        }
        Ok(())
    }

    /// A report of each group, on rows of its own of the dataset with these targets; of as many as there are groups. Each row's
    /// answers are in it if they are to be kept.
    pub(crate) fn reports(
        &self,
        backend: &mut dyn Backend,
        targets: &Matrix,
        rows: &[&[u32]],
        keep: bool,
    ) -> Result<Vec<Report>, BackendError> {
        self.order(backend, rows)?;
        // Of workers, one counts; where it is lost before it has told, the next begins anew.
        for _ in 0..ATTEMPTS {
            let reports = self.heard(backend, targets, rows, keep)?;
            let mut counted = reports.iter().zip(rows);
            if counted.all(|(report, rows)| report.rows() == rows.len() as u64) {
                return Ok(reports);
            }
        }
        Err(uncounted(backend))
    }

    fn heard(
        &self,
        backend: &mut dyn Backend,
        targets: &Matrix,
        rows: &[&[u32]],
        keep: bool,
    ) -> Result<Vec<Report>, BackendError> {
        let mut reports = vec![Report::of(self.model); rows.len()];
        let lengths: Vec<usize> = rows.iter().map(|rows| rows.len()).collect();
        let steps = steps(&lengths, self.batch);
        let mut done = 0;
        for (index, step) in steps.iter().enumerate() {
            let first = step.first as usize;
            let end = first + step.rows as usize;
            if !keep && !lengths.contains(&end) {
                continue;
            }
            run_all(backend, self.program, &steps[done..=index])?;
            done = index + 1;
            for (group, report) in reports.iter_mut().enumerate() {
                if keep && end <= lengths[group] {
                    let answers = self.answers(backend, group, end - first)?;
                    report.keep(&answers, &targets.rows_of(&rows[group][first..end]));
                }
                // What the group counts from here on is of rows that are not its own.
                if end == lengths[group] {
                    report.add_loss(self.loss(backend, group, done)?);
                    self.tell(backend, group, done, report)?;
                }
            }
        }
        Ok(reports)
    }

    /// Answers for the dataset's first rows, which are no more than a batch; of a model whose networks all answer together.
    pub(super) fn run(&self, backend: &mut dyn Backend, rows: usize) -> Result<(), BackendError> {
        run_all(backend, self.program, &steps(&[rows], self.batch))
    }

    /// What a group has answered in the last step: `[rows, columns]`.
    pub(super) fn answers(
        &self,
        backend: &mut dyn Backend,
        group: usize,
        rows: usize,
    ) -> Result<Matrix, BackendError> {
        let (member, len) = (group * self.together, rows * self.columns);
        Ok(Matrix {
            rows,
            columns: self.columns,
            values: backend.read(buffer::ANSWERS, member, 0, len)?,
        })
    }

    /// The sum of the rows' losses over the first records: the mean of the group's members' losses.
    pub(super) fn loss(
        &self,
        backend: &mut dyn Backend,
        group: usize,
        records: usize,
    ) -> Result<f64, BackendError> {
        let first = group * self.together;
        let mut sum = 0.0;
        for member in first..first + self.together {
            let log = backend.read(buffer::LOG, member, 0, records * record::WIDTH)?;
            let losses = log.iter().skip(record::LOSS).step_by(record::WIDTH);
            sum += losses.copied().map(f64::from).sum::<f64>();
        }
        Ok(sum / (self.together * self.losses) as f64)
    }

    /// The first row of the last step that has no loss by one of the networks.
    pub(super) fn lost(
        &self,
        backend: &mut dyn Backend,
        rows: usize,
    ) -> Result<Option<usize>, BackendError> {
        let mut first = None;
        for member in 0..self.model.members.len() {
            let records = backend.read(buffer::RECORDS, member, 0, rows * record::WIDTH)?;
            let mut losses = records.iter().skip(record::LOSS).step_by(record::WIDTH);
            let lost = losses.position(|loss| !loss.is_finite());
            first = first.into_iter().chain(lost).min();
        }
        Ok(first)
    }

    /// Adds to a report what was counted of a group's answers, and summed up in the first records.
    pub(super) fn tell(
        &self,
        backend: &mut dyn Backend,
        group: usize,
        records: usize,
        report: &mut Report,
    ) -> Result<(), BackendError> {
        let member = group * self.together;
        let mut read = |name: &str, len: usize| {
            let values = backend.read(name, member, 0, len)?;
            Ok::<Vec<f64>, BackendError>(values.into_iter().map(f64::from).collect())
        };
        let counts = read(buffer::COUNTS, self.tallied.counts())?;
        let sums = read(buffer::SUMS, records * self.tallied.sums())?;
        report.add_tally(&counts, &sums, &self.model.description.target_moments);
        Ok(())
    }
}

/// What is said of a device that has failed so often.
pub(crate) fn uncounted(backend: &dyn Backend) -> BackendError {
    BackendError::Device {
        device: backend.device(),
        reason: "it has not counted all rows".into(),
    }
}

/// Steps over lists of rows side by side, cut where one of them ends.
fn steps(lengths: &[usize], batch: usize) -> Vec<Step> {
    let mut ends = lengths.to_vec();
    ends.sort_unstable();
    let (mut steps, mut first) = (Vec::new(), 0);
    for end in ends {
        while first < end {
            let rows = batch.min(end - first);
            steps.push(Step {
                first: first as u32,
                rows: rows as u32,
                record: steps.len() as u32,
                ..Step::default()
            });
            first += rows;
        }
    }
    steps
}

/// Rows of so many answers that members answer together within a tensor: each member's may begin at a multiple of eight values.
fn answered(tensor: usize, together: usize, columns: usize) -> usize {
    tensor.saturating_sub(7 * together) / (together * columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_end_where_any_list_ends() {
        let cut = |lengths: &[usize]| -> Vec<[u32; 3]> {
            let steps = steps(lengths, 4);
            let of = |step: &Step| [step.first, step.rows, step.record];
            steps.iter().map(of).collect()
        };
        assert_eq!(cut(&[9]), [[0, 4, 0], [4, 4, 1], [8, 1, 2]]);
        assert_eq!(cut(&[6, 5, 6]), [[0, 4, 0], [4, 1, 1], [5, 1, 2]]);
        assert_eq!(cut(&[0, 2]), [[0, 2, 0]]);
    }

    #[test]
    fn what_members_answer_together_fits_a_tensor_with_what_lies_between_them() {
        let tensor = (128 << 20) / 4 - 64;
        for together in 1..64 {
            for columns in 1..2000 {
                let rows = answered(tensor, together, columns);
                assert!(together * (rows * columns).next_multiple_of(8) <= tensor);
                assert!(together * (rows + 2) * columns.max(7) > tensor);
            }
        }
    }
}
