use super::Scores;
use super::layout::Part;
use super::run::Run;
use crate::backend::{BackendError, Data, run_all};
use crate::program::{Step, buffer, record};

/// How well the networks of a run do.
impl Run<'_> {
    /// Scores of a part of the rows under the present weights, by member; `None` if the part is empty.
    pub(super) fn evaluate(&mut self, part: Part) -> Result<Option<Vec<Scores>>, BackendError> {
        let steps = self.layout.evaluation_steps(part);
        if steps.is_empty() {
            return Ok(None);
        }
        run_all(self.backend, self.evaluate, &steps)?;
        let rows = steps.iter().map(|step| step.rows as usize).sum();
        let log = self.log(&steps)?;
        Ok(Some(log.iter().map(|log| self.score(log, rows)).collect()))
    }

    /// All rows once more under the present weights: training, validation and test rows, each by member.
    pub(super) fn evaluate_all(&mut self) -> Result<[Option<Vec<Scores>>; 3], BackendError> {
        let count = self.rows.counts()[0];
        for member in 0..self.members.len() {
            let order = &self.rows.of(member).train[..count];
            self.backend
                .write(buffer::ORDER, member, 0, Data::U32(order))?;
        }
        Ok([
            self.evaluate(Part::Train)?,
            self.evaluate(Part::Validation)?,
            self.evaluate(Part::Test)?,
        ])
    }

    /// What consecutive steps have left in the log, by member.
    pub(super) fn log(&mut self, steps: &[Step]) -> Result<Vec<Vec<f32>>, BackendError> {
        let first = steps.first().map_or(0, |step| step.record as usize) * record::WIDTH;
        let len = steps.len() * record::WIDTH;
        (0..self.members.len())
            .map(|member| self.backend.read(buffer::LOG, member, first, len))
            .collect()
    }

    pub(super) fn score(&self, log: &[f32], rows: usize) -> Scores {
        Scores::new(log, rows, self.network.outputs(), self.options.loss)
    }
}

/// A loss that is no number.
pub(super) fn unsound(parts: &[Option<Vec<Scores>>]) -> Option<f64> {
    let losses = parts.iter().flatten().flatten().map(|scores| scores.loss);
    losses.into_iter().find(|loss| !loss.is_finite())
}
