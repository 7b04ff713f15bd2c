//! Worker processes that hang.

use std::ops::ControlFlow;
use std::process::Command;
use std::time::{Duration, Instant};

use gpu_mlp::elastic::policy::DeviceKind;
use gpu_mlp::elastic::{Pool, PoolOptions, Spec, Start};

use super::devices::plan;

/// By which the processes of this test are known.
const DEVICE: &str = "--device=cpu:1@0.6180339887";

/// Their numbers.
fn processes() -> Vec<String> {
    let all = std::fs::read_dir("/proc").expect("a list").flatten();
    let own = all.filter(|entry| {
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        words
            .split(|&byte| byte == 0)
            .any(|word| word == DEVICE.as_bytes())
    });
    own.map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn a_process_that_hangs_is_killed_and_another_takes_its_place() {
    let binary = assert_cmd::cargo::cargo_bin!("gpu-mlp");
    let words = [&binary.display().to_string(), "worker", DEVICE];
    let spec = Spec {
        name: "cpu:1".into(),
        kind: DeviceKind::Cpu { threads: 1 },
        weight: 1.0,
        start: Start::Process(words.map(str::to_owned).into()),
        spares: Vec::new(),
    };
    let options = PoolOptions {
        shards: 4,
        limit: Duration::from_millis(200),
        hang: Duration::from_secs(2),
        ..PoolOptions::default()
    };
    let remote = options.remote.clone();
    let mut pool = Pool::open(vec![spec; 2], options).expect("both open");
    let before = processes();
    assert_eq!(before.len(), 2);
    let stopped = Command::new("kill").args(["-STOP", &before[0]]).status();
    assert!(stopped.expect("it runs").success());
    let plan = plan("epochs = 1000000\nhidden = [8]\nbatch-size = 64\npatience = 0");
    let start = Instant::now();
    let fitted = plan.fit(&mut pool, &mut |_| {
        let now = processes();
        let replaced = now.len() == 2 && !now.contains(&before[0]);
        if replaced && remote.live() == Some(2) || start.elapsed() > Duration::from_secs(60) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    assert!(fitted.is_ok() && start.elapsed() < Duration::from_secs(60));
    assert!(!processes().contains(&before[0]), "it is killed");
    let noted = remote.notices();
    assert!(
        noted
            .iter()
            .any(|line| line.contains("is lost: it does not answer for ")),
        "{noted:?}"
    );
}
