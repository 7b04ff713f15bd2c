//! Devices whose memory does not suffice.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::faults::Faults;
use gpu_mlp::backend::{Backend, BackendError, Limits, ProgramId};
use gpu_mlp::elastic::policy::DeviceKind;
use gpu_mlp::elastic::simulate::Scheduling;
use gpu_mlp::elastic::{Pool, PoolOptions, Spec, Start};
use gpu_mlp::forward;
use gpu_mlp::program::Program;
use gpu_mlp::train::{Event, FitError, Fitted, Guard, Interval, Plan, Spare};

use super::devices::{OPTIONS, fit, opened, plan};

/// A device that takes no program of more rows than it has memory for.
struct Small {
    inner: Box<dyn Backend>,
    rows: usize,
    /// Whether it says so beforehand.
    told: bool,
}

impl Backend for Small {
    forward!(inner: device, run, write, read);

    fn limits(&self) -> Limits {
        let limits = self.inner.limits();
        Limits {
            rows: if self.told { self.rows } else { limits.rows },
            ..limits
        }
    }

    fn compile(&mut self, program: &Program) -> Result<ProgramId, BackendError> {
        if program.batch > self.rows {
            return Err(BackendError::OutOfMemory {
                device: self.device(),
                reason: "it is small".into(),
            });
        }
        self.inner.compile(program)
    }
}

/// Trains on a device for so many rows; `other` takes its place when that fails.
fn fit_small(
    plan: &Plan,
    gpu: bool,
    (rows, told): (usize, bool),
    other: bool,
) -> (Result<Fitted, FitError>, Vec<String>) {
    let open = || -> Box<dyn Backend> {
        Box::new(Small {
            inner: opened(gpu),
            rows,
            told,
        })
    };
    let (mut backend, mut guard) = (open(), Guard::default());
    guard.every = Some(Interval::Steps(10));
    let spare = |open: Box<dyn Fn() -> Box<dyn Backend>>| Spare {
        wait: Duration::ZERO,
        open: Box::new(move || Ok(open())),
    };
    guard.spares = vec![spare(Box::new(open))];
    if other {
        guard.spares.push(spare(Box::new(move || opened(!gpu))));
    }
    let mut notices = Vec::new();
    let fitted = plan.fit_guarded(&mut backend, &mut guard, &mut |event| {
        if let Event::Notice(text) = event {
            notices.push(text.to_owned());
        }
        ControlFlow::Continue(())
    });
    (fitted, notices)
}

#[test]
fn a_batch_that_does_not_fit_is_cut_until_it_does() {
    let plan = plan(OPTIONS);
    for gpu in [false, true] {
        // 1,024 rows at a time of an evaluation, 64 of a batch.
        let (cut, told) = fit_small(&plan, gpu, (16, false), false);
        let cut = cut.expect("it trains");
        assert_eq!(told.len(), 6, "{told:?}");
        assert!(
            told[5].contains("no memory left: it is small")
                && told[5].contains("behind step 0, with 16 rows at a time at most"),
            "{told:?}"
        );
        let (limited, told) = fit_small(&plan, gpu, (16, true), false);
        let limited = limited.expect("it trains");
        assert!(told.is_empty(), "{told:?}");
        assert_eq!(cut.model.members, limited.model.members);
        let (whole, _) = fit(&plan, gpu, &Faults::default(), 0);
        let whole = whole.expect("it trains");
        let loss = |fitted: &Fitted| fitted.outcome.members[0].scores[2].expect("scores").loss;
        assert!((loss(&cut) - loss(&whole)).abs() < 1e-4 * loss(&whole));
    }
}

/// Trains with workers whose devices have memory for so many rows each.
fn fit_workers(
    plan: &Plan,
    scheduling: Scheduling,
    workers: &[usize],
    told: bool,
) -> (Fitted, Vec<String>) {
    let specs: Vec<Spec> = workers
        .iter()
        .map(|&rows| Spec {
            name: "small".into(),
            kind: DeviceKind::Cpu { threads: 1 },
            weight: 1.0,
            start: Start::Thread(Arc::new(move || {
                let inner: Box<dyn Backend> = Box::new(CpuBackend::<f32>::with_threads(1));
                Ok(Box::new(Small { inner, rows, told }))
            })),
            spares: Vec::new(),
        })
        .collect();
    let open = move || -> Result<Box<dyn Backend>, BackendError> {
        let options = PoolOptions {
            shards: 4,
            scheduling,
            ..PoolOptions::default()
        };
        Ok(Box::new(Pool::open(specs.clone(), options)?))
    };
    let (mut backend, mut guard) = (open().expect("it opens"), Guard::default());
    guard.every = Some(Interval::Steps(10));
    guard.spares = vec![Spare {
        wait: Duration::ZERO,
        open: Box::new(open),
    }];
    let mut notices = Vec::new();
    let fitted = plan.fit_guarded(&mut backend, &mut guard, &mut |event| {
        if let Event::Notice(text) = event {
            notices.push(text.to_owned());
        }
        ControlFlow::Continue(())
    });
    (fitted.expect("it trains"), notices)
}

#[test]
fn shards_that_fit_on_no_worker_are_cut_until_they_do() {
    let plan = plan(OPTIONS);
    let (whole, _) = fit_workers(&plan, Scheduling::Central, &[4096], false);
    for scheduling in Scheduling::ALL {
        // 64 rows of a batch are four shards of 16; 1,024 are evaluated at a time.
        let (limited, told) = fit_workers(&plan, scheduling, &[4], true);
        assert!(told.is_empty(), "{told:?}");
        for workers in [&[4][..], &[4, 4, 4]] {
            let (cut, told) = fit_workers(&plan, scheduling, workers, false);
            assert_eq!(cut.model.members, limited.model.members);
            assert!(
                told.last()
                    .is_some_and(|told| told.contains("every worker has no memory left")
                        && told.contains("behind step 0, with 4 rows at a time at most")),
                "{told:?}"
            );
        }
        let loss = |fitted: &Fitted| fitted.outcome.members[0].scores[2].expect("scores").loss;
        assert!((loss(&limited) - loss(&whole)).abs() < 1e-4 * loss(&whole));
        // As long as one of them takes a shard whole, it does, and the bits are the same.
        let (other, told) = fit_workers(&plan, scheduling, &[4, 4096], false);
        assert_eq!(other.model.members, whole.model.members);
        assert!(told.is_empty(), "{told:?}");
    }
}

#[test]
fn memory_that_runs_out_on_the_way_halves_the_rows_at_a_time_and_goes_on() {
    let plan = plan(OPTIONS);
    let faults = |list: &str| -> Faults { list.parse().expect("faults") };
    let (whole, _) = fit(&plan, false, &Faults::default(), 0);
    let whole = whole.expect("it trains").model.members;
    // The batch is whole as long as it is no more than what is taken at a time.
    let (fitted, told) = fit(&plan, false, &faults("memory@17"), 1);
    assert_eq!(fitted.expect("it trains").model.members, whole);
    assert!(
        told.len() == 1 && told[0].contains("behind step 10, with 512 rows at a time"),
        "{told:?}"
    );
    let five = ["memory@17"; 5].join(",");
    let (fitted, told) = fit(&plan, false, &faults(&five), 1);
    assert_ne!(fitted.expect("it trains").model.members, whole);
    assert!(
        told.len() == 5 && told[4].contains("behind step 10, with 32 rows at a time"),
        "{told:?}"
    );
}

#[test]
fn a_device_that_takes_no_row_makes_room_for_another() {
    let plan = plan(OPTIONS);
    let (fitted, told) = fit_small(&plan, true, (0, false), true);
    let (whole, _) = fit(&plan, false, &Faults::default(), 0);
    assert_eq!(
        fitted.expect("it trains").model.members,
        whole.expect("it trains").model.members
    );
    // Ten times half as many rows, once the same device for one row, then the other for all.
    assert_eq!(told.len(), 12, "{told:?}");
    assert!(told[9].contains("with 1 rows at a time"), "{told:?}");
    assert!(
        told[11].contains("training goes on behind step 0, on cpu"),
        "{told:?}"
    );
}

#[test]
fn batches_with_batch_normalisation_stay_whole() {
    let plan = plan(&format!("{OPTIONS}\nnorm = \"batch\""));
    let (fitted, told) = fit_small(&plan, true, (16, false), true);
    let (whole, _) = fit(&plan, false, &Faults::default(), 0);
    assert_eq!(
        fitted.expect("it trains").model.members,
        whole.expect("it trains").model.members
    );
    assert!(
        told.len() == 2 && told[1].contains("training goes on behind step 0, on cpu"),
        "{told:?}"
    );
}
