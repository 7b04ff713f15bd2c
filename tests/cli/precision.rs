//! Training with products in half precision.

use super::{Place, entries};

#[test]
fn a_network_is_trained_in_half_precision_on_either_device() {
    let place = Place::new();
    let words =
        "train digits --hidden 48,24 --epochs 8 --optimizer adam --lr 0.003 --seed 4 --json";
    let trained = |options: &str| place.json(&format!("{words} {options}"));
    let exact = trained("--device cpu");
    let mut losses = vec![exact["train"]["loss"].as_f64().expect("a number")];
    // Told by the command line, and by a file.
    place.file("half.toml", "precision = \"f16\"");
    for options in [
        "--precision f16 --device cpu",
        "--config half.toml --device gpu",
    ] {
        let found = trained(options);
        assert!(found["test"]["accuracy"].as_f64() > Some(0.93), "{found}");
        losses.push(found["train"]["loss"].as_f64().expect("a number"));
        // The file says how it was trained, and answers in full precision.
        let file = std::fs::read(place.path("model.safetensors")).expect("it is there");
        let text = String::from_utf8_lossy(&file);
        assert!(text.contains(r#"\"precision\":\"f16\""#), "{options}");
        let evaluated = place.json("evaluate model.safetensors digits --json");
        assert!(evaluated["accuracy"].as_f64() > Some(0.93), "{evaluated}");
    }
    let [exact, cpu, gpu] = losses[..] else {
        panic!("three of them");
    };
    assert!(exact != cpu, "it changes something");
    for half in [cpu, gpu] {
        assert!((half / exact - 1.0).abs() < 0.1, "{losses:?}");
    }
}

#[test]
fn a_plan_says_which_products_are_in_half_precision() {
    let place = Place::new();
    let words = "plan --inputs 20 --hidden 16 --outputs 3 --optimizer muon";
    let count = |options: &str| {
        place
            .ok(&format!("{words} {options}"))
            .matches("in f16")
            .count()
    };
    assert_eq!(count(""), 0);
    // Two go forward, two make gradients of weights, one goes backwards; those of the optimizer are not over a batch.
    assert_eq!(count("--precision f16"), 5);
    // Its kernels are written out in all of their forms, of which some need more than others.
    place.ok(&format!("{words} --precision f16 --emit-wgsl kernels"));
    let needs = |what: &str| {
        let kernels = entries(&place.path("kernels")).into_iter();
        let texts = kernels.map(|name| std::fs::read_to_string(place.path("kernels").join(name)));
        let mut texts = texts.map(|text| text.expect("it is there"));
        texts.any(|text| text.contains(what))
    };
    assert!(needs("enable f16;") && needs("enable wgpu_cooperative_matrix;"));
    let devices = place.json("devices --json");
    let adapters = devices["adapters"].as_array().expect("a list");
    assert!(!adapters.is_empty());
    for adapter in adapters {
        assert!(adapter["half"].is_string(), "{adapter}");
    }
}
