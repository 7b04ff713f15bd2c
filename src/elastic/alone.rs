//! Steps that a worker makes alone, from shards to update.

use std::time::Instant;

use super::message::Made;
use super::sums::{Total, Values};
use super::worker::Station;
use crate::backend::cpu::are_finite;
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
            let (taken, sound) = if let Some(sound) = self.together(gradients, step)? {
                (None, sound)
            } else {
                let sum = self.one_by_one(gradients, step)?;
                let sound = are_finite(&sum);
                (Some(Values::new(sum)), sound)
            };
            let records = self.records(gradients, step)?;
            let seconds = start.elapsed().as_secs_f64();
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
}
