//! All members' searches side by side: what each asks for is found in the same dispatches.

use std::time::Instant;

use super::{Evaluation, Lbfgs, Search};
use crate::backend::Data;
use crate::program::{Places, Step, buffer};
use crate::train::guard::{Due, Guard};
use crate::train::outcome::{End, Event, TrainError};
use crate::train::run::Run;
use crate::train::scores::summed;
use crate::train::training::Observe;

impl Run<'_> {
    /// Iterations in the place of epochs, each from all training rows.
    pub(in crate::train) fn iterations(
        &mut self,
        lbfgs: Lbfgs,
        guard: &mut Guard<'_>,
        observe: &mut Observe<'_>,
    ) -> Result<End, TrainError> {
        self.write_orders(1..2)?;
        let stretches = self.stretches(1);
        let steps = self
            .layout
            .training_steps(self.options, self.network, 0, &stretches);
        let rows = self.rows.counts()[0] as u64;
        let places = Places::new(self.network);
        let mut searches = Vec::with_capacity(self.members.len());
        for (index, member) in self.members.iter().enumerate() {
            let start = self
                .backend
                .read(buffer::PARAMETERS, index, 0, places.len)?;
            let start = start.into_iter().map(f64::from).collect();
            let rate = f64::from(member.hyper.learning_rate) * self.state.rate;
            searches.push(Search::new(lbfgs, rate, start));
        }
        let known = std::mem::take(&mut self.state.searches);
        if known.is_empty() {
            for (search, found) in searches.iter_mut().zip(self.ask(&steps, &places, &[])?) {
                let slopes = found.gradient.iter();
                if !(found.loss.is_finite() && slopes.into_iter().all(|slope| slope.is_finite())) {
                    return Err(self.diverged(found.loss, 1));
                }
                search.hear(found);
            }
        }
        for (search, values) in searches.iter_mut().zip(&known) {
            search.recall(values).ok_or_else(|| {
                TrainError::Data("the checkpoint is of another network than the run".into())
            })?;
        }
        let total = (self.options.epochs as u64).min(self.options.max_steps.unwrap_or(u64::MAX));
        let start = Instant::now();
        loop {
            for (ended, search) in self.state.ended.iter_mut().zip(&searches) {
                *ended |= search.converged;
            }
            let learning: Vec<usize> = (0..searches.len())
                .filter(|&member| self.learns(member))
                .collect();
            if learning.is_empty() {
                self.remember(&searches);
                let converged = self.state.ended.iter().all(|ended| *ended);
                return Ok(if converged {
                    End::Converged
                } else {
                    End::Patience
                });
            }
            if self.state.steps == total {
                self.remember(&searches);
                return Ok(End::Done);
            }
            let number = self.state.steps as usize + 1;
            let before = self.state.samples;
            let mut open = learning;
            while !open.is_empty() {
                let asked: Vec<_> = open
                    .iter()
                    .map(|&member| (member, searches[member].asked()))
                    .collect();
                let found = self.ask(&steps, &places, &asked)?;
                self.state.samples += rows;
                self.measured.1 += rows;
                let mut left = Vec::new();
                for (member, found) in found.into_iter().enumerate() {
                    if open.contains(&member) && !searches[member].hear(found) {
                        left.push(member);
                    }
                }
                open = left;
                let event = Event::Steps {
                    done: self.state.steps,
                    total,
                    epoch: number,
                    samples: self.state.samples,
                };
                if observe(event).is_break() {
                    self.settle(&searches)?;
                    // What was found of the iteration is found again.
                    self.state.samples = before;
                    self.take_searches(&searches, guard, Due::End)?;
                    return Ok(End::Stopped);
                }
            }
            self.state.steps += 1;
            guard.come(self.state.steps);
            self.measured.0 += 1;
            self.measured.2 = start.elapsed();
            self.settle(&searches)?;
            let validated = self.validate(0)?;
            let here = searches.iter().map(|search| search.here.as_ref());
            let trained: Vec<_> = here
                .map(|here| here.map(|here| here.scores).unwrap_or_default())
                .collect();
            let epoch = self.epoch(number, &trained, validated.as_deref())?;
            guard.settle(number, observe);
            self.note()?;
            let stopped = observe(Event::Epoch(&epoch)).is_break();
            let due = if stopped { Due::End } else { Due::Interval };
            self.take_searches(&searches, guard, due)?;
            if stopped {
                return Ok(End::Stopped);
            }
        }
    }

    /// Makes what the searches know part of the state. Before the first iteration that is nothing that is not found again.
    fn remember(&mut self, searches: &[Search]) {
        if self.state.steps > 0 {
            self.state.searches = searches.iter().map(Search::known).collect();
        }
    }

    /// Leaves a snapshot with what the searches know, if one is due and somebody wants it.
    fn take_searches(
        &mut self,
        searches: &[Search],
        guard: &mut Guard<'_>,
        due: Due,
    ) -> Result<(), TrainError> {
        if guard.wants(self.state.steps, due) {
            self.remember(searches);
        }
        let taken = self.take(guard, due);
        self.state.searches.clear();
        taken
    }

    /// Losses and gradients of all members, of those named at the places asked for, of all others where they are.
    fn ask(
        &mut self,
        steps: &[Vec<Step>],
        places: &Places,
        asked: &[(usize, Vec<f64>)],
    ) -> Result<Vec<Evaluation>, TrainError> {
        for (member, place) in asked {
            self.go_to(*member, place)?;
        }
        let zeros = vec![0.0; places.len];
        for member in 0..self.members.len() {
            self.backend
                .write(buffer::GRADIENTS, member, 0, Data::F32(&zeros))?;
        }
        self.learn(steps)?;
        let log = self.log(&steps.concat())?;
        let rows = self.rows.counts()[0];
        let mut found = Vec::with_capacity(log.len());
        for (member, log) in log.iter().enumerate() {
            let scores = self.score(&summed(log), rows);
            let gradient = self
                .backend
                .read(buffer::GRADIENTS, member, 0, places.len)?;
            let weights = self
                .backend
                .read(buffer::PARAMETERS, member, 0, places.decayed)?;
            let decay = f64::from(self.members[member].hyper.weight_decay);
            let mut gradient: Vec<f64> = gradient.into_iter().map(f64::from).collect();
            let mut squares = 0.0;
            for (gradient, weight) in gradient.iter_mut().zip(weights) {
                let weight = f64::from(weight);
                *gradient += decay * weight;
                squares += weight * weight;
            }
            found.push(Evaluation {
                loss: scores.loss + 0.5 * decay * squares,
                gradient,
                scores,
            });
        }
        Ok(found)
    }

    /// Puts every member's weights where its search has come to.
    fn settle(&mut self, searches: &[Search]) -> Result<(), TrainError> {
        for (member, search) in searches.iter().enumerate() {
            self.go_to(member, &search.place)?;
        }
        Ok(())
    }

    fn go_to(&mut self, member: usize, place: &[f64]) -> Result<(), TrainError> {
        let values: Vec<f32> = place.iter().map(|&value| value as f32).collect();
        self.backend
            .write(buffer::PARAMETERS, member, 0, Data::F32(&values))?;
        Ok(())
    }
}
