use super::Place;

#[test]
fn a_simulation_tells_of_each_policy_and_draws_it() {
    let place = Place::new();
    let words = "simulate --workers 3,9 --steps 6 --mtbf 30 --repair 0.5 --plot fleet.svg";
    let json = place.json(&format!("{words} --json"));
    let runs = json["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), 2 * 2 * 5);
    for run in runs {
        let goodput = run["goodput"].as_f64().expect("a number");
        assert!(goodput > 0.0 && goodput <= 1.0, "{run}");
    }
    assert_eq!(
        json,
        place.json(&format!("{words} --json")),
        "it follows from the seed"
    );
    let svg = std::fs::read_to_string(place.path("fleet.svg")).expect("it is drawn");
    assert_eq!(svg.matches("<polyline").count(), 2 * 2 * 5);
    let table = place.ok(words);
    assert_eq!(
        table
            .lines()
            .filter(|line| line.contains(" throughput "))
            .count(),
        4
    );
}

#[test]
fn sizes_that_cannot_be_simulated_are_refused() {
    let place = Place::new();
    for (words, part) in [
        ("simulate --workers 0", "0"),
        ("simulate --workers 20000", "10000"),
        ("simulate --mtbf never", "a number from 0 on"),
    ] {
        let (code, line) = place.fails(words);
        assert!(code == 2 && line.contains(part), "{words}: {line}");
    }
}
