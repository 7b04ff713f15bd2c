//! Steps that leave nothing but a record each: an evaluation. Workers divide them, unless they count: what adds up over steps is the
//! leader's.

use std::ops::Range;

use super::message::Order;
use super::pool::{Errand, Pool};
use crate::backend::BackendError;
use crate::program::{Step, buffer};

pub(super) fn run(pool: &mut Pool, program: usize, steps: &[Step]) -> Result<(), BackendError> {
    pool.refresh()?;
    let live = pool.links.iter().enumerate().filter(|(_, link)| link.live);
    let mut live: Vec<usize> = live.map(|(worker, _)| worker).collect();
    // The leader runs the last of them: what a step leaves beside its record is read from it.
    live.reverse();
    let counts = pool.programs[program].buffer(buffer::COUNTS).is_some();
    let share = if counts { 1 } else { live.len().max(1) };
    let each = steps.len().div_ceil(share).max(1);
    let mut open: Vec<(Errand, Range<usize>)> = Vec::new();
    let chunks = steps.len().div_ceil(each);
    for (place, start) in (0..steps.len()).step_by(each).enumerate() {
        let range = start..steps.len().min(start + each);
        let worker = live[live.len() - chunks + place];
        open.push((send(pool, program, worker, &steps[range.clone()]), range));
    }
    pool.publish();
    while !open.is_empty() {
        if let Some((number, records)) = pool.next_ran()? {
            let Some(place) = open.iter().position(|(errand, _)| errand.number == number) else {
                continue;
            };
            let (errand, range) = open.remove(place);
            pool.ran_errand(&errand);
            let members = pool.log.len().max(1);
            for (step, records) in steps[range].iter().zip(records.chunks(members)) {
                pool.note_records(step.record as usize, records);
            }
        }
        for (errand, _) in &open {
            pool.wait_for(errand)?;
        }
        let lost = open
            .iter()
            .position(|(errand, _)| !pool.links[errand.worker].live);
        if let (Some(place), Some(leader)) = (lost, pool.leader()) {
            let (_, range) = open.remove(place);
            open.push((send(pool, program, leader, &steps[range.clone()]), range));
        }
    }
    Ok(())
}

fn send(pool: &mut Pool, program: usize, worker: usize, steps: &[Step]) -> Errand {
    let errand = pool.runs(worker, program, steps);
    pool.links[worker].send(Order::Run {
        number: errand.number,
        program,
        steps: steps.to_vec(),
    });
    errand
}
