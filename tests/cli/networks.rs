//! What networks are made of, from the command line to the model file.

use super::Place;

#[test]
fn a_model_keeps_its_norms_slopes_and_residual_layers() {
    let place = Place::new();
    for (norm, device) in [("batch", "cpu"), ("layer", "cpu"), ("batch", "gpu")] {
        let trained = place.json(&format!(
            "train digits --hidden 24,24 --norm {norm} --residual --activation prelu --epochs 6 --test 0 --device {device} --json"
        ));
        assert!(
            trained["train"]["accuracy"].as_f64() > Some(0.93),
            "{trained}"
        );
        // The same rows by the model file: running statistics, γ, β and slopes are in it.
        let evaluated = place.json("evaluate model.safetensors digits --json");
        let (trained, evaluated) = (&trained["train"]["loss"], &evaluated["loss"]);
        let (trained, evaluated) = (trained.as_f64(), evaluated.as_f64());
        let (trained, evaluated) = trained.zip(evaluated).expect("numbers");
        assert!(
            (trained / evaluated - 1.0).abs() < 1e-4,
            "{norm} on {device}: {trained} {evaluated}"
        );
    }
    let told = place.ok("inspect model.safetensors");
    assert!(told.contains("batch norm, prelu + input"), "{told}");
    // Training goes on from the file's parameters.
    let words = "train digits --hidden 24,24 --norm batch --residual --activation prelu --epochs 1 --test 0 --lr 1e-9 --json";
    let resumed = place.json(&format!("{words} --init-from model.safetensors"));
    assert!(
        resumed["train"]["accuracy"].as_f64() > Some(0.93),
        "{resumed}"
    );
}
