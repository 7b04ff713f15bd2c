use super::evaluate::{Validated, unsound};
use super::guard::{Guard, OnDivergence, ROLLBACKS};
use super::outcome::{End, Epoch, Event, Outcome, TrainError, Trained};
use super::run::Run;
use super::schedule::Curve;
use super::scores::Scores;
use super::state::State;
use super::training::Observe;
use crate::backend::BackendError;
use crate::model::Weights;

/// What is kept of a run: each epoch's figures, the best weights, and the outcome.
impl Run<'_> {
    /// Notes an epoch of the members that still learn, and tells it.
    pub(super) fn epoch(
        &mut self,
        number: usize,
        trained: &[Scores],
        validated: Option<&[Validated]>,
    ) -> Result<Vec<Epoch>, TrainError> {
        let mut epoch = Vec::new();
        for (member, &train) in trained.iter().enumerate() {
            if self.learns(member) {
                let validated = validated.map(|validated| validated[member]);
                epoch.push(Epoch {
                    number,
                    train,
                    validation: validated.map(|validated| validated.scores),
                    judged: validated.and_then(|validated| validated.judged),
                });
                self.state.histories[member].extend(epoch.last());
            }
        }
        self.check_finite(&epoch)?;
        Ok(epoch)
    }

    fn check_finite(&self, epoch: &[Epoch]) -> Result<(), TrainError> {
        let losses = epoch.iter().map(|epoch| epoch.watched().loss);
        let loss = losses.into_iter().find(|loss| !loss.is_finite());
        loss.map_or(Ok(()), |loss| Err(self.diverged(loss, epoch[0].number)))
    }

    /// That the loss is no number any more.
    pub(super) fn diverged(&self, loss: f64, epoch: usize) -> TrainError {
        TrainError::Diverged {
            loss,
            epoch,
            rollbacks: self.state.rollbacks,
            best: None,
        }
    }

    /// Goes back to the last good snapshot, with the learning rate that there is now.
    pub(super) fn back(&mut self, guard: &Guard<'_>) -> Result<(), TrainError> {
        let State {
            rate, rollbacks, ..
        } = self.state;
        match guard.last() {
            Some(snapshot) => self.restore(&snapshot)?,
            None => self.start()?,
        }
        (self.state.rate, self.state.rollbacks) = (rate, rollbacks);
        Ok(())
    }

    /// Goes back with half the learning rate, where that is wished for and has not been done too often.
    pub(super) fn go_back(
        &mut self,
        guard: &Guard<'_>,
        (loss, epoch): (f64, usize),
        observe: &mut Observe<'_>,
    ) -> Result<bool, TrainError> {
        let (rate, rollbacks) = (self.state.rate / 2.0, self.state.rollbacks + 1);
        if guard.on_divergence != OnDivergence::Rollback || rollbacks > ROLLBACKS {
            return Ok(false);
        }
        self.back(guard)?;
        (self.state.rate, self.state.rollbacks) = (rate, rollbacks);
        let text = format!(
            "the loss became {loss} in epoch {epoch}: back to step {}, and on with {rate} of the learning rate ({rollbacks} of \
             {ROLLBACKS} times)",
            self.state.steps
        );
        // Whoever wants the run to end says so again.
        let _ = observe(Event::Notice(&text));
        Ok(true)
    }

    /// What is left when the loss is no number any more: the best weights, if they have a loss themselves. Where nothing is
    /// validated, what was noted of them is a loss from before their last step.
    pub(super) fn last_good(&mut self) -> Result<Option<Vec<Weights>>, BackendError> {
        let best = self.state.best.iter_mut().map(Option::take);
        let best: Option<Vec<_>> = best.map(|best| best.map(|(_, weights)| weights)).collect();
        let mut kept = None;
        if let Some(best) = best {
            for (member, weights) in best.iter().enumerate() {
                self.write_weights(member, weights)?;
            }
            let scores = self.evaluate_all()?;
            if unsound(&scores).is_none() && best.iter().all(Weights::is_finite) {
                kept = Some(best);
            }
        }
        Ok(kept)
    }

    /// Keeps what is better of a member than before at the end of a round, counts the rounds in which nothing was, and lowers
    /// its rate where its schedule says so. A member with which the patience is over has no rate any more.
    pub(super) fn note(&mut self) -> Result<(), BackendError> {
        for member in 0..self.members.len() {
            let epoch = self.state.histories[member].last().copied();
            let Some(epoch) = epoch.filter(|_| self.learns(member)) else {
                continue;
            };
            self.state.stale[member] += 1;
            let value = self.options.monitor.of(&epoch);
            if self.state.best[member]
                .as_ref()
                .is_none_or(|(best, _)| value < *best)
            {
                self.state.stale[member] = 0;
                self.state.best[member] = Some((value, self.read_weights(member)?));
            }
            if !self.learns(member) {
                self.write_rate(member, 0.0)?;
            } else if let Curve::Plateau { factor, patience } = self.options.schedule.curve {
                let (loss, before) = (epoch.watched().loss, self.state.plateaus[member].factor());
                let after = self.state.plateaus[member].after(loss, factor, patience);
                if after != before {
                    self.write_rate(member, after)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, end: End) -> Result<Outcome, TrainError> {
        if self.options.patience.is_some() || end == End::Stopped {
            for member in 0..self.members.len() {
                if let Some((_, weights)) = self.state.best[member].take() {
                    self.write_weights(member, &weights)?;
                }
            }
        }
        let parts = self.evaluate_all()?;
        let kept: Vec<Weights> = (0..self.members.len())
            .map(|member| self.read_weights(member))
            .collect::<Result<_, _>>()?;
        // The last step's outcome is seen here for the first time.
        let infinite = || (!kept.iter().all(Weights::is_finite)).then_some(f64::NAN);
        if let Some(loss) = unsound(&parts).or_else(infinite) {
            let epochs = self.state.histories.iter().map(Vec::len);
            let epoch = epochs.max().unwrap_or(0);
            return Err(self.diverged(loss, epoch));
        }
        let mut members = Vec::with_capacity(self.members.len());
        let histories = std::mem::take(&mut self.state.histories);
        for (member, (history, weights)) in histories.into_iter().zip(kept).enumerate() {
            let score = |part: usize| parts[part].as_ref().map(|scores| scores[member]);
            members.push(Trained {
                weights,
                history,
                scores: [score(0), score(1), score(2)],
            });
        }
        Ok(Outcome {
            members,
            end,
            steps: self.state.steps,
            samples: self.state.samples,
            measured: self.measured,
        })
    }
}
