use super::layout::Part;
use super::outcome::TrainError;
use super::run::Run;
use super::scores::{Monitor, Scores, Totals, summed};
use super::training::{Judge, Options};
use crate::backend::{BackendError, Data, Reading, finish_reads, run_all};
use crate::data::Matrix;
use crate::predictor::{ATTEMPTS, Report, uncounted};
use crate::program::{Program, Step, Stretch, buffer, record};

/// How well the networks of a run do.
impl<'a> Run<'a> {
    /// Scores of a part of the rows under the present weights, by member; `None` if the part is empty. Of its steps so many were
    /// `begun` before.
    fn evaluate(&mut self, part: Part, begun: usize) -> Result<Option<Vec<Scores>>, BackendError> {
        let steps = self.layout.evaluation_steps(part);
        if steps.is_empty() {
            return Ok(None);
        }
        run_all(self.backend, self.evaluate, &steps[begun..])?;
        self.scores(&steps).map(Some)
    }

    /// Hands the device the first of the steps that judge the validation rows. Returns how many.
    pub(super) fn begin_validation(&mut self) -> Result<usize, BackendError> {
        let steps = self.layout.evaluation_steps(Part::Validation);
        if steps.is_empty() {
            return Ok(0);
        }
        let judging = self.judge.as_ref().map(|(_, program)| *program);
        self.backend.run(judging.unwrap_or(self.evaluate), &steps)
    }

    /// Makes a judge of the validation rows ready.
    pub(super) fn judge(&mut self, judge: Judge<'a>) -> Result<(), BackendError> {
        let Options { loss, monitor, .. } = self.options;
        let rows = self.rows.counts()[1];
        let stretch = Stretch {
            record: self.layout.record(Part::Validation),
            records: self.layout.evaluation_steps(Part::Validation).len(),
            first: self.layout.first(Part::Validation),
            kept: if monitor.ranks() { rows } else { 0 },
            together: 1,
        };
        let capacity = self.layout.capacity(self.layout.evaluated);
        let (kept, answers) = (self.options.optimizer.kept(), (judge.answer, stretch));
        let program = Program::tally(self.network, loss, kept, answers, capacity).fused();
        let compiled = self.backend.compile(&program)?;
        let wanted = Data::F32(&judge.wanted.values);
        self.backend.write(buffer::WANTED, 0, 0, wanted)?;
        if program.buffer(buffer::MOMENTS).is_some() {
            let moments = judge.moments.iter();
            let mut moments: Vec<f32> = moments
                .flat_map(|moments| [moments.mean, moments.deviation])
                .collect();
            if moments.is_empty() {
                moments = [0.0, 1.0].repeat(judge.wanted.columns);
            }
            self.backend
                .write(buffer::MOMENTS, 0, 0, Data::F32(&moments))?;
        }
        self.judge = Some((judge, compiled));
        Ok(())
    }

    /// Scores of the validation rows, with what the judge says of them if there is one; so many of the steps were `begun` before.
    pub(super) fn validate(&mut self, begun: usize) -> Result<Option<Vec<Validated>>, TrainError> {
        let Some((judge, program)) = self.judge else {
            let scores = self.evaluate(Part::Validation, begun)?;
            let plain = |scores| Validated {
                scores,
                judged: None,
            };
            return Ok(scores.map(|scores| scores.into_iter().map(plain).collect()));
        };
        let steps = self.layout.evaluation_steps(Part::Validation);
        let rows = self.rows.counts()[1] as u64;
        let mut reports = Vec::new();
        // Of workers, one counts; where it is lost before it has told, the next begins anew.
        for attempt in 0..ATTEMPTS {
            let begun = if attempt == 0 { begun } else { 0 };
            run_all(self.backend, program, &steps[begun..])?;
            reports = (0..self.members.len())
                .map(|member| self.report(&judge, member, steps.len()))
                .collect::<Result<Vec<_>, _>>()?;
            if reports.iter().all(|report| report.rows() == rows) {
                break;
            }
        }
        if reports.iter().any(|report| report.rows() != rows) {
            return Err(uncounted(self.backend).into());
        }
        let mut validated = Vec::new();
        for (scores, report) in self.scores(&steps)?.into_iter().zip(reports) {
            // What has no loss has nothing else, and ends the run.
            let judged = if scores.loss.is_finite() {
                let value = self.options.monitor.judge(&report);
                Some(value.ok_or_else(|| unjudged(self.options.monitor))?)
            } else {
                None
            };
            validated.push(Validated { scores, judged });
        }
        Ok(Some(validated))
    }

    /// What was counted of a member's answers for the validation rows, in so many steps.
    fn report(
        &mut self,
        judge: &Judge<'_>,
        member: usize,
        steps: usize,
    ) -> Result<Report, BackendError> {
        let outputs = self.network.outputs();
        let tallied = judge.answer.tallied(outputs);
        let mut begin = |name: &str, len: usize| self.backend.begin_read(name, member, 0, len);
        let readings = vec![
            begin(buffer::COUNTS, tallied.counts())?,
            begin(buffer::SUMS, steps * tallied.sums())?,
        ];
        let read = finish_reads(self.backend, readings)?;
        let double = |values: &Vec<f32>| values.iter().copied().map(f64::from).collect();
        let [counts, sums]: [Vec<f64>; 2] = [double(&read[0]), double(&read[1])];
        let mut report = Report::new(judge.answer, outputs);
        report.add_tally(&counts, &sums, judge.moments);
        if self.options.monitor.ranks() {
            let rows = self.rows.of(member).validation;
            let columns = judge.answer.columns(outputs);
            let len = rows.len() * columns;
            let answers = Matrix {
                rows: rows.len(),
                columns,
                values: self.backend.read(buffer::KEPT, member, 0, len)?,
            };
            report.keep(&answers, &judge.wanted.rows_of(rows));
        }
        Ok(report)
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
        self.ordered = None;
        for member in 0..self.members.len() {
            let order = &self.rows.of(member).train[..count];
            self.backend
                .write(buffer::ORDER, member, 0, Data::U32(order))?;
        }
        Ok([
            self.evaluate(Part::Train, 0)?,
            self.evaluate(Part::Validation, 0)?,
            self.evaluate(Part::Test, 0)?,
        ])
    }

    /// What consecutive steps have left in the log, by member.
    pub(super) fn log(&mut self, steps: &[Step]) -> Result<Vec<Vec<f32>>, BackendError> {
        let readings = self.begin_log(steps.first(), steps.len())?;
        finish_reads(self.backend, readings)
    }

    /// Begins to read that, of so many from the first on.
    pub(super) fn begin_log(
        &mut self,
        first: Option<&Step>,
        count: usize,
    ) -> Result<Vec<Reading>, BackendError> {
        let first = first.map_or(0, |step| step.record as usize) * record::WIDTH;
        let len = count * record::WIDTH;
        (0..self.members.len())
            .map(|member| self.backend.begin_read(buffer::LOG, member, first, len))
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
