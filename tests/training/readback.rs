use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::{Backend, BackendError, Data, ProgramId, Reading};
use gpu_mlp::forward;
use gpu_mlp::program::{Step, buffer};

use super::{Digits, cpu, gpu};

/// What a trainer asked for, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Ordered,
    Run(ProgramId),
    Begun(u64),
    Finished(u64),
}

/// A CPU whose reads of the log are on their way until they are waited for, as an adapter's are.
struct Deferred {
    inner: CpuBackend<f32>,
    asked: Vec<Asked>,
    values: Vec<Vec<f32>>,
}

impl Backend for Deferred {
    forward!(inner: device, limits, compile, read);

    fn run(&mut self, program: ProgramId, steps: &[Step]) -> Result<usize, BackendError> {
        self.asked.push(Asked::Run(program));
        self.inner.run(program, steps)
    }

    fn write(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        data: Data<'_>,
    ) -> Result<(), BackendError> {
        if buffer == buffer::ORDER {
            self.asked.push(Asked::Ordered);
        }
        self.inner.write(buffer, member, offset, data)
    }

    fn begin_read(
        &mut self,
        buffer: &str,
        member: usize,
        offset: usize,
        len: usize,
    ) -> Result<Reading, BackendError> {
        let values = self.inner.read(buffer, member, offset, len)?;
        if buffer != buffer::LOG {
            return Ok(Reading::Done(values));
        }
        let number = self.values.len() as u64;
        self.values.push(values);
        self.asked.push(Asked::Begun(number));
        Ok(Reading::Pending(number))
    }

    fn finish_read(&mut self, reading: Reading) -> Result<Vec<f32>, BackendError> {
        match reading {
            Reading::Done(values) => Ok(values),
            Reading::Pending(number) => {
                self.asked.push(Asked::Finished(number));
                Ok(std::mem::take(&mut self.values[number as usize]))
            }
        }
    }
}

#[test]
fn validation_rows_are_under_way_before_the_losses_of_training_are_waited_for() {
    let digits = Digits::new(0.2);
    let mut deferred = Deferred {
        inner: cpu(),
        asked: Vec::new(),
        values: Vec::new(),
    };
    let epochs = 4;
    let train = |backend: &mut dyn Backend| {
        let trained = digits.train(backend, &[1, 2], 1e-3, |options| options.epochs = epochs);
        trained.expect("it learns")
    };
    let found = train(&mut deferred);
    let expected = train(&mut cpu());
    assert_eq!(found.members, expected.members);
    // Between the two of each epoch's records of both members: a run of the program that evaluates.
    let asked = &deferred.asked;
    let overlapped = asked.windows(4).filter(|asked| {
        matches!(
            asked,
            [Asked::Begun(first), Asked::Begun(second), Asked::Run(_), Asked::Finished(finished)]
                if first + 1 == *second && finished == first
        )
    });
    assert_eq!(overlapped.count(), epochs);
    // Before them the next epoch's orders, but for the last epoch.
    let drawn = asked.windows(3);
    let drawn =
        drawn.filter(|asked| matches!(asked, [Asked::Ordered, Asked::Ordered, Asked::Begun(_)]));
    assert_eq!(drawn.count(), epochs - 1);
    // All that was begun was waited for, in order.
    let finished = asked.iter().filter_map(|asked| match asked {
        Asked::Finished(number) => Some(*number),
        _ => None,
    });
    assert!(finished.eq(0..deferred.values.len() as u64));
}

#[test]
fn what_is_read_is_what_was_there_when_the_read_began() {
    let digits = Digits::new(0.2);
    let mut gpu = gpu();
    let trained = digits.train(&mut gpu, &[1], 1e-3, |options| options.epochs = 1);
    trained.expect("it learns");
    let len = 64 * 64;
    let before = gpu
        .read(buffer::PARAMETERS, 0, 0, len)
        .expect("it is there");
    // More reads than staging buffers that are kept, of several sizes, each before a write.
    let mut readings = Vec::new();
    for round in 0..12 {
        let reading = gpu.begin_read(buffer::PARAMETERS, 0, 0, len - 100 * round);
        readings.push((round, reading.expect("it begins")));
        let written = vec![round as f32; len];
        let data = Data::F32(&written);
        gpu.write(buffer::PARAMETERS, 0, 0, data)
            .expect("it is taken");
    }
    // In another order than they were begun in.
    readings.rotate_left(5);
    for (round, reading) in readings {
        let expected = match round {
            0 => before.clone(),
            _ => vec![(round - 1) as f32; len - 100 * round],
        };
        assert_eq!(
            gpu.finish_read(reading).expect("it comes"),
            expected,
            "{round}"
        );
    }
    let stray = gpu.finish_read(Reading::Pending(1 << 40));
    assert!(stray.is_err_and(|error| !error.is_failure()));
    // What is under way when the device goes away is told.
    let reading = gpu
        .begin_read(buffer::PARAMETERS, 0, 0, len)
        .expect("it begins");
    gpu.destroy();
    let lost = gpu.begin_read(buffer::PARAMETERS, 0, 0, len);
    let lost = lost.and_then(|reading| gpu.finish_read(reading));
    assert!(lost.is_err_and(|error| error.is_failure()));
    // That came before it may have been done.
    if let Err(error) = gpu.finish_read(reading) {
        assert!(error.is_failure(), "{error}");
    }
}
