//! What training takes of memory: one test, since it looks at the whole process.

#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;

use gpu_mlp::backend::cpu::CpuBackend;
use gpu_mlp::train::{Config, Plan};

const ROWS: usize = 3 << 20;
const WIDTH: usize = 16;

fn npy(path: &Path, shape: &str, values: impl Iterator<Item = f32>) {
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    file.write_all(b"\x93NUMPY\x01\x00\x76\x00").expect("space");
    writeln!(file, "{header:117}").expect("space");
    for value in values {
        file.write_all(&value.to_le_bytes()).expect("space");
    }
    file.flush().expect("space");
}

/// The most memory that this process has held, in bytes.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes: usize = kibibytes.and_then(|text| text.parse().ok()).expect("kB");
    kibibytes << 10
}

#[test]
fn a_streamed_dataset_takes_a_part_of_its_size_in_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("X.npy");
    let size = ROWS * WIDTH * size_of::<f32>();
    let value = |index: usize| ((index * 7919) % 1009) as f32;
    npy(
        &path,
        &format!("({ROWS}, {WIDTH})"),
        (0..ROWS * WIDTH).map(value),
    );
    let of_row = |row: usize| value(row * WIDTH) + value(row * WIDTH + 1);
    let target = folder.path().join("y.npy");
    npy(&target, &format!("({ROWS},)"), (0..ROWS).map(of_row));

    let options = "window = \"4MiB\"\nepochs = 1\nhidden = [4]\nbatch-size = 4096";
    let config = Config::from_toml(options).expect("it is valid");
    let source = path.to_str().expect("text");
    let plan = Plan::open(source, &config, None).expect("it is opened");
    assert!(
        plan.windows()
            .is_some_and(|(windows, _)| windows.count() > 40)
    );
    let mut backend = CpuBackend::<f32>::new();
    let fitted = plan.fit(&mut backend, &mut |_| ControlFlow::Continue(()));
    let fitted = fitted.expect("it trains");
    let [rows, ..] = plan.counts();
    assert_eq!(fitted.outcome.samples, rows as u64);
    let peak = peak();
    assert!(peak < size / 2, "{} of {} MiB", peak >> 20, size >> 20);
}
