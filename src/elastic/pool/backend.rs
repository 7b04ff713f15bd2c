use std::sync::Arc;
use std::time::Instant;

use super::{LOOK, Pool};
use crate::backend::{Backend, BackendError, Data, Limits, ProgramId, SLICE};
use crate::elastic::message::Order;
use crate::elastic::policy::Shape;
use crate::elastic::simulate::Scheduling;
use crate::elastic::{slice, spread};
use crate::program::{Program, Step, buffer};

impl Backend for Pool {
    fn device(&self) -> String {
        let mut kinds: Vec<(&str, usize)> = Vec::new();
        for link in self.links.iter().filter(|link| link.live) {
            match kinds.iter_mut().find(|(name, _)| *name == link.device) {
                Some((_, count)) => *count += 1,
                None => kinds.push((&link.device, 1)),
            }
        }
        let kinds = kinds
            .into_iter()
            .map(|(name, count)| format!("{count} × {name}"));
        kinds.collect::<Vec<_>>().join(", ")
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn shards(&self) -> Option<usize> {
        Some(self.options.shards)
    }

    fn compile(&mut self, program: &Program) -> Result<ProgramId, BackendError> {
        for buffer in &program.buffers {
            if buffer.name == buffer::LOG {
                self.log.resize(program.members, Vec::new());
                for log in &mut self.log {
                    log.resize(log.len().max(buffer.len), 0.0);
                }
            }
        }
        for buffer in program.lasting() {
            let known = (buffer.name.clone(), buffer.len);
            if !self.state.contains(&known) {
                self.state.push(known);
            }
        }
        let program = Arc::new(program.clone());
        self.programs.push(Arc::clone(&program));
        if let Some(flops) = shape(&program) {
            self.crew.shape = flops;
        }
        self.tell(&Order::Compile(program));
        Ok(ProgramId(self.programs.len() - 1))
    }

    fn run(&mut self, program: ProgramId, steps: &[Step]) -> Result<usize, BackendError> {
        if learns(&self.programs[program.0]) {
            return Err(BackendError::Misuse("workers make no step alone".into()));
        }
        spread::run(self, program.0, steps)?;
        Ok(steps.len())
    }

    fn learn(
        &mut self,
        [gradients, update]: [ProgramId; 2],
        steps: &[Vec<Step>],
    ) -> Result<usize, BackendError> {
        let (programs, start) = ([gradients.0, update.0], Instant::now());
        let mut done = 0;
        while done < steps.len() && (done == 0 || start.elapsed() < SLICE) {
            self.refresh()?;
            let steps = &steps[done..];
            done += match self.options.scheduling {
                _ if let Some(worker) = self.lonely() => self.lease(worker, programs, steps)?,
                Scheduling::Central => {
                    self.step(programs, &steps[0])?;
                    1
                }
                Scheduling::Distributed => return Ok(done + slice::make(self, programs, steps)?),
            };
        }
        Ok(done)
    }

    fn write(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        data: Data<'_>,
    ) -> Result<(), BackendError> {
        let order = self.mirror.write(buffer, member, offset, data.into());
        self.tell(&order);
        Ok(())
    }

    fn read(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        len: usize,
    ) -> Result<Vec<f32>, BackendError> {
        if buffer == buffer::LOG {
            let values = self
                .log
                .get(member)
                .and_then(|log| log.get(offset..offset + len));
            return values.map(<[f32]>::to_vec).ok_or_else(|| {
                BackendError::Misuse(format!("log[{member}][{offset}..+{len}] is outside"))
            });
        }
        loop {
            let leader = self.leader().ok_or_else(|| self.gone())?;
            let errand = self.reads(leader, len);
            self.values = None;
            self.links[leader].send(Order::Read {
                number: errand.number,
                buffer: buffer.to_owned(),
                member,
                offset,
                len,
            });
            while self.links[leader].live {
                self.hear(LOOK)?;
                match self.values.take() {
                    Some((number, values)) if number == errand.number => {
                        self.ran_errand(&errand);
                        return Ok(values);
                    }
                    _ => self.wait_for(&errand)?,
                }
            }
        }
    }
}

/// Whether a program changes the weights.
fn learns(program: &Program) -> bool {
    let changes = |tensor: usize| {
        let buffer = program.tensors[tensor].buffer;
        program.buffers[buffer].name == buffer::PARAMETERS
    };
    program
        .ops
        .iter()
        .any(|op| op.writes().into_iter().any(changes))
}

/// What a shard costs, of a program that makes gradients.
fn shape(program: &Program) -> Option<Shape> {
    let gradients = program.buffer(buffer::GRADIENTS)?;
    program.buffer(buffer::LOG)?;
    let flops: usize = program.ops.iter().map(|op| op.flops(program)).sum();
    Some(Shape {
        flops: (flops * program.members) as f64 / program.batch.max(1) as f64,
        parameters: (gradients.len * program.members) as f64,
    })
}
