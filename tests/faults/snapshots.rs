//! A run that goes on from any of its snapshots ends as if it had never stopped.

use std::ops::ControlFlow;
use std::sync::Arc;

use gpu_mlp::backend::Backend;
use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::backend::gpu::{AdapterChoice, GpuBackend};
use gpu_mlp::runs::checkpoint::{decode, encode};
use gpu_mlp::train::{Config, Due, Event, Fitted, Guard, Interval, Plan, Snapshot};

fn plan(data: &str, options: &str) -> Plan {
    let config = Config::from_toml(options).expect(options);
    Plan::open(data, &config, None).expect(options)
}

/// Trains from a snapshot on, and returns those that it leaves every few steps.
fn fit(
    plan: &Plan,
    gpu: bool,
    from: Option<Arc<Snapshot>>,
    every: u64,
) -> (Fitted, Vec<(Arc<Snapshot>, Due)>) {
    let mut backend: Box<dyn Backend> = if gpu {
        let opened = GpuBackend::open(&AdapterChoice::Best);
        Box::new(opened.expect("a Vulkan adapter: see scripts/test.sh"))
    } else {
        Box::new(CpuBackend::<f32>::new())
    };
    let mut taken = Vec::new();
    let mut guard = Guard::default();
    guard.from = from;
    guard.every = Some(Interval::Steps(every));
    guard.keep = Some(Box::new(|snapshot, due| {
        // Through the file, as a process that goes on has it.
        let bytes = encode(snapshot).expect("it is written");
        assert_eq!(decode(bytes).as_ref(), Ok(&**snapshot));
        taken.push((Arc::clone(snapshot), due));
    }));
    let observe: &mut dyn FnMut(Event<'_>) -> _ = &mut |_| ControlFlow::Continue(());
    let fitted = plan.fit_guarded(&mut backend, &mut guard, observe);
    drop(guard);
    (fitted.expect("it trains"), taken)
}

fn goes_on(data: &str, options: &str, gpu: bool, every: u64) {
    let plan = plan(data, options);
    let (whole, taken) = fit(&plan, gpu, None, every);
    assert!(taken.len() > 3, "{options}: {}", taken.len());
    let ends: Vec<Due> = taken.iter().map(|(_, due)| *due).collect();
    assert_eq!(
        ends.iter().position(|due| *due == Due::End),
        Some(ends.len() - 1)
    );
    let picked = [
        0,
        taken.len() / 3,
        taken.len() / 2,
        taken.len() - 2,
        taken.len() - 1,
    ];
    for index in picked {
        let (snapshot, _) = &taken[index];
        let step = snapshot.steps();
        let (resumed, rest) = fit(&plan, gpu, Some(Arc::clone(snapshot)), every);
        assert_eq!(
            resumed.model.members, whole.model.members,
            "{options} {step}"
        );
        let of = |fitted: &Fitted| {
            let outcome = &fitted.outcome;
            (
                outcome.members.clone(),
                outcome.end,
                outcome.steps,
                outcome.samples,
            )
        };
        assert_eq!(of(&resumed), of(&whole), "{options} from step {step}");
        // What it leaves itself is what the whole run left.
        let later = &taken[taken.len() - rest.len()..];
        assert_eq!(rest, later, "{options} from step {step}");
    }
}

#[test]
fn any_snapshot_leads_to_the_same_end_on_the_cpu() {
    for (data, options, every) in [
        (
            "digits",
            "epochs = 3\nvalidation = 0.1\noptimizer = \"amsgrad\"\naverage = 0.99\nclip-norm = 1.0",
            17,
        ),
        (
            "digits",
            "epochs = 4\nhidden = [64]\nfolds = 2\nensemble = 2\naccumulate = 3\nl1 = 1e-5\nprecision = \"f16\"",
            5,
        ),
        (
            "digits",
            "epochs = 9\nhidden = [8]\nvalidation = 0.3\nlr = 0.1\npatience = 2\nmonitor = \"accuracy\"",
            31,
        ),
        (
            "digits",
            "epochs = 4\nhidden = [9]\nshuffle = false\noptimizer = \"sgd\"\nschedule = \"plateau\"\nschedule-every = 1",
            40,
        ),
        (
            "digits",
            "max-steps = 70\nhidden = []\nschedule = \"one-cycle\"\nbatch-size = \"all\"\noptimizer = \"adadelta\"",
            9,
        ),
        (
            "digits",
            "epochs = 3\nhidden = [32, \"32:prelu\"]\nnorm = \"batch\"\nresidual = true\noptimizer = \"muon\"\nvalidation = 0.2\nmonitor = \"f1\"",
            19,
        ),
        (
            "digits",
            "epochs = 12\nhidden = [8]\nensemble = 2\noptimizer = \"lbfgs\"\nweight-decay = 0.01",
            1,
        ),
        (
            "digits",
            "epochs = 3\nhidden = [16]\nsampling = \"balanced\"",
            30,
        ),
        (
            "digits",
            "epochs = 3\nhidden = [16]\nnoise = 0.1\nmixup = 0.4\nshift = 1\nshuffle = false",
            30,
        ),
        // Networks that leave one after another, each with a plateau of its own.
        (
            "digits",
            "epochs = 12\nhidden = [12]\nensemble = 3\nvalidation = 0.3\nlr = 0.3\npatience = 2\nschedule = \"plateau\"\nschedule-every = 1",
            37,
        ),
        // Several hundred epochs a round.
        (
            "xor",
            "hidden = [3]\nepochs = 3000\noptimizer = \"radam\"",
            211,
        ),
    ] {
        goes_on(data, options, false, every);
    }
}

#[test]
fn any_snapshot_leads_to_the_same_end_on_the_adapter() {
    for (data, options, every) in [
        (
            "digits",
            "epochs = 2\nhidden = [64]\nvalidation = 0.1\naverage = 0.9\nbatch-size = 256",
            2,
        ),
        (
            "xor",
            "hidden = [3]\nepochs = 3000\noptimizer = \"nadam\"\nensemble = 2",
            399,
        ),
    ] {
        goes_on(data, options, true, every);
    }
}

/// Rows of two classes, in a file of their own.
pub(super) fn rows_in_a_file(folder: &std::path::Path) -> String {
    let row = |row: usize| {
        let (x, y) = ((row * 37) % 101, (row * 53) % 97);
        format!("{x}.5,{y},{}\n", ["a", "b"][usize::from(x > y)])
    };
    let table: String = (0..500).map(row).collect();
    let path = folder.join("rows.csv");
    std::fs::write(&path, "x,y,kind\n".to_owned() + &table).expect("it is written");
    path.to_str().expect("text").to_owned()
}

#[test]
fn any_snapshot_leads_to_the_same_end_within_windows_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = rows_in_a_file(folder.path());
    for (options, gpu) in [
        (
            "window = 64\nepochs = 3\nhidden = [12]\nvalidation = 0.1\nbatch-size = 16",
            false,
        ),
        (
            "window = 96\nepochs = 3\nhidden = [12]\nbatch-size = 16\naccumulate = 2\nmixup = 0.4\nensemble = 2",
            false,
        ),
        (
            "window = \"2KiB\"\nepochs = 2\nhidden = [12]\nbatch-size = 16\nnoise = 0.1",
            true,
        ),
    ] {
        assert!(
            plan(&data, options)
                .windows()
                .is_some_and(|(windows, _)| windows.count() > 2)
        );
        goes_on(&data, options, gpu, 5);
    }
}

#[test]
fn a_snapshot_of_another_network_is_refused() {
    let (_, taken) = fit(&plan("xor", "hidden = [3]\nepochs = 5"), false, None, 1);
    let other = plan("xor", "hidden = [4]\nepochs = 5");
    let mut guard = Guard::default();
    guard.from = Some(Arc::clone(&taken[0].0));
    let mut backend: Box<dyn Backend> = Box::new(CpuBackend::<f32>::new());
    let fitted = other.fit_guarded(&mut backend, &mut guard, &mut |_| ControlFlow::Continue(()));
    let error = fitted.expect_err("it does not fit").to_string();
    assert!(error.contains("of another network"), "{error}");
}
