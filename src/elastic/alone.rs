//! Steps that a worker makes alone, from shards to update.

use std::sync::Arc;
use std::time::Instant;

use super::message::Made;
use super::sums::{Total, Values};
use super::worker::{Station, summed};
use crate::backend::{BackendError, run_all};
use crate::program::Step;

impl Station {
    /// Makes steps, up to one whose gradient is no number.
    pub(super) fn make(
        &mut self,
        [gradients, update]: [usize; 2],
        steps: &[Vec<Step>],
    ) -> Result<Vec<Made>, BackendError> {
        let mut made = Vec::new();
        for step in steps {
            let start = Instant::now();
            let taken = if self.together(gradients, step)? {
                None
            } else {
                Some(Values::new(self.one_by_one(gradients, step)?))
            };
            let records = self.records(gradients, step)?;
            let seconds = start.elapsed().as_secs_f64();
            let sound = match &taken {
                Some(values) => values.are_finite(),
                None => self.is_sound(gradients)?,
            };
            if !sound {
                break;
            }
            match (taken, step.last()) {
                (Some(values), Some(last)) => {
                    let total = Total::Of(values);
                    self.update(update, gradients, last, step.len() as u32, &total)?;
                }
                // They are where the update finds them.
                (None, Some(last)) => {
                    let program = self.programs[update].0;
                    run_all(&mut *self.backend, program, std::slice::from_ref(last))?;
                }
                (_, None) => {}
            }
            let updating = start.elapsed().as_secs_f64() - seconds;
            made.push(Made {
                seconds,
                updating,
                records,
            });
        }
        Ok(made)
    }

    /// Whether what shards have left is of numbers.
    fn is_sound(&mut self, program: usize) -> Result<bool, BackendError> {
        let program = Arc::clone(&self.programs[program].1);
        for (name, len) in summed(&program) {
            for member in 0..program.members {
                if !self.backend.are_finite(name, member, len)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
