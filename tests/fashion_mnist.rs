//! An epoch of Fashion-MNIST on each device: 60,000 images, larger than one binding of the software adapter.
//! The files are Debian's package dataset-fashion-mnist, which scripts/test.sh installs.

use assert_cmd::Command;
use serde_json::Value;

const FOLDER: &str = "/usr/share/datasets/fashion-mnist";

fn one_epoch(device: &str) {
    let place = tempfile::tempdir().expect("a folder");
    let run = |words: &str| -> Value {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("gpu-mlp"));
        let output = command
            .args(words.split(' '))
            .current_dir(place.path())
            .env("GPU_MLP_CACHE", "")
            .output()
            .expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success(),
            "is dataset-fashion-mnist installed? {stderr}"
        );
        serde_json::from_slice(&output.stdout).expect("one JSON object")
    };
    let trained = run(&format!(
        "train {FOLDER} --hidden 128 --epochs 1 --batch-size 128 --device {device} --json"
    ));
    let accuracy = trained["test"]["accuracy"].as_f64().unwrap_or(0.0);
    assert!(accuracy > 0.83, "{accuracy} on the test set of its own");
    let evaluated = run(&format!("evaluate model.safetensors {FOLDER} --json"));
    assert_eq!(evaluated["rows"], 10_000);
    let again = evaluated["accuracy"].as_f64().unwrap_or(0.0);
    assert!(
        (accuracy - again).abs() <= 2e-4,
        "{accuracy} in training, {again} in evaluation"
    );
}

#[test]
fn on_the_cpu() {
    one_epoch("cpu");
}

#[test]
fn on_the_adapter() {
    one_epoch("gpu");
}
