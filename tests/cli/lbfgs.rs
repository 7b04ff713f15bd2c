//! Training by L-BFGS.

use serde_json::Value;

use super::{Place, classes};

#[test]
fn small_data_is_trained_in_few_iterations() {
    let place = Place::new();
    place.file("run.toml", "optimizer = \"lbfgs\"\nweight-decay = 0.01\n");
    for device in ["cpu", "gpu"] {
        let trained = place.json(&format!(
            "train digits --config run.toml --hidden 16 --epochs 40 --device {device} --json"
        ));
        assert!(
            trained["test"]["accuracy"].as_f64() > Some(0.9),
            "{trained}"
        );
        // An iteration is an epoch and a step.
        let counts = [&trained["steps"], &trained["epochs"]];
        assert_eq!((counts, &trained["end"]), ([&40.into(); 2], &"done".into()));
        assert_eq!(trained["history"].as_array().map(Vec::len), Some(40));
    }
    let inspected = place.json("inspect model.safetensors --json");
    let configuration = &inspected["description"]["configuration"];
    for (option, value) in [
        ("optimizer", Value::from("lbfgs")),
        ("batch-size", "all".into()),
        ("tolerance", 1e-7.into()),
        ("lr", 1.0.into()),
        ("dropout", Value::Null),
    ] {
        assert_eq!(configuration[option], value, "{option}");
    }
    let plan = place.ok("plan digits --optimizer lbfgs");
    assert!(
        plan.contains("d layers.0.weight") && !plan.contains("←"),
        "{plan}"
    );
}

#[test]
fn folds_and_ensembles_are_trained_until_all_have_converged() {
    let place = Place::new();
    place.file("kinds.csv", classes());
    let trained = place.json(
        "train kinds.csv --optimizer lbfgs --weight-decay 0.02 --hidden 8:tanh --folds 3 --ensemble 2 --device cpu --json",
    );
    assert_eq!(trained["end"], "converged", "{trained}");
    assert!(trained["out_of_fold"]["accuracy"].as_f64() > Some(0.9));
    assert!(trained["epochs"].as_u64() < Some(200));
    let told = place.ok(
        "train kinds.csv --optimizer lbfgs --weight-decay 0.02 --hidden 8:tanh --device cpu --validation 0.2 --monitor f1",
    );
    assert!(told.contains("as it "), "{told}");
}

#[test]
fn what_needs_batches_or_steps_does_not_go_with_it() {
    let place = Place::new();
    place.file("kinds.csv", classes());
    for option in [
        "--batch-size 10",
        "--accumulate 2",
        "--dropout 0.1",
        "--schedule cosine",
        "--warmup 5",
        "--momentum 0.5",
        "--nesterov",
        "--beta1 0.5",
        "--epsilon 1e-3",
        "--clip-value 1",
        "--clip-norm 1",
        "--max-norm 1",
        "--l1 0.1",
        "--average 0.5",
        "--norm batch",
        "--precision f16",
        "--find-lr",
    ] {
        let (code, line) = place.fails(&format!("train kinds.csv --optimizer lbfgs {option}"));
        let name = option.split(' ').next().unwrap_or_default();
        assert_eq!(code, 2, "{line}");
        assert!(
            line.contains(name) && line.contains("--optimizer lbfgs"),
            "{line}"
        );
    }
    let (code, line) = place.fails("train kinds.csv --tolerance 1e-3");
    assert!(
        code == 2 && line.contains("--tolerance") && line.contains("lbfgs"),
        "{line}"
    );
    place.file("run.toml", "optimizer = \"newton\"\n");
    let (code, line) = place.fails("train kinds.csv --config run.toml");
    assert!(
        code == 2 && line.contains("newton") && line.contains("lbfgs"),
        "{line}"
    );
}
