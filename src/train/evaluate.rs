use super::layout::Part;
use super::outcome::TrainError;
use super::run::Run;
use super::scores::{Monitor, Scores, Totals, summed};
use crate::backend::{BackendError, Data, run_all};
use crate::data::Matrix;
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
        self.scores(&steps).map(Some)
    }

    /// The same of the validation rows, with what the judge says of them if there is one.
    pub(super) fn validate(&mut self) -> Result<Option<Vec<Validated>>, TrainError> {
        let Some(judge) = self.judge else {
            let scores = self.evaluate(Part::Validation)?;
            let plain = |scores| Validated {
                scores,
                judged: None,
            };
            return Ok(scores.map(|scores| scores.into_iter().map(plain).collect()));
        };
        let steps = self.layout.evaluation_steps(Part::Validation);
        let columns = self.network.outputs();
        let mut logits = vec![Vec::new(); self.members.len()];
        for step in &steps {
            run_all(self.backend, self.evaluate, std::slice::from_ref(step))?;
            let (name, first) = &self.logits;
            for (member, logits) in logits.iter_mut().enumerate() {
                let len = step.rows as usize * columns;
                logits.extend(self.backend.read(name, member, *first, len)?);
            }
        }
        let mut validated = Vec::with_capacity(logits.len());
        for ((member, values), scores) in logits.into_iter().enumerate().zip(self.scores(&steps)?) {
            let rows = self.rows.of(member).validation;
            let logits = Matrix {
                rows: rows.len(),
                columns,
                values,
            };
            // What has no loss has nothing else, and ends the run.
            let judged = if scores.loss.is_finite() {
                Some(judge(&logits, rows).ok_or_else(|| unjudged(self.options.monitor))?)
            } else {
                None
            };
            validated.push(Validated { scores, judged });
        }
        Ok(Some(validated))
    }

    /// From the records that these steps have left, by member.
    fn scores(&mut self, steps: &[Step]) -> Result<Vec<Scores>, BackendError> {
        let rows = steps.iter().map(|step| step.rows as usize).sum();
        let log = self.log(steps)?;
        let score = |log: &Vec<f32>| self.score(&summed(log), rows);
        Ok(log.iter().map(score).collect())
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

    pub(super) fn score(&self, totals: &Totals, rows: usize) -> Scores {
        Scores::new(totals, rows, self.network.outputs(), self.options.loss)
    }
}

/// What is found of a member's validation rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validated {
    pub(super) scores: Scores,
    pub(super) judged: Option<f64>,
}

fn unjudged(monitor: Monitor) -> TrainError {
    TrainError::Data(format!(
        "--monitor {monitor} has no value for these validation rows, as a class is missing among them or has no probability; \
         monitor loss, or keep more rows by --validation"
    ))
}

/// A loss that is no number.
pub(super) fn unsound(parts: &[Option<Vec<Scores>>]) -> Option<f64> {
    let losses = parts.iter().flatten().flatten().map(|scores| scores.loss);
    losses.into_iter().find(|loss| !loss.is_finite())
}
