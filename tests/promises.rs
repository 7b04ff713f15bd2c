//! Each promise of docs/elasticity.md names the test that holds it, and there is such a test.

use std::fs;
use std::path::Path;

/// Adds the tests of a folder's files: the file, and the test's name.
fn tests(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file or folder").path();
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("text");
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                if line == "#[test]" {
                    is_test = true;
                } else if let Some(rest) = line.strip_prefix("fn ").filter(|_| is_test) {
                    let name = rest.split('(').next().unwrap_or_default();
                    found.push((path.display().to_string(), name.to_owned()));
                    is_test = false;
                }
            }
        }
    }
}

#[test]
fn each_promise_names_a_test_that_is_there() {
    let mut found = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "tests"] {
        tests(&root.join(folder), &mut found);
    }
    let text = fs::read_to_string(root.join("docs/elasticity.md")).expect("text");
    let quoted = text
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    // As `modules::beginning_…`, `…_end` or the whole; of `modules::…` any.
    let is_name = |text: &&str| {
        let of_one = |c: char| c.is_ascii_lowercase() || ":_…".contains(c);
        text.chars().all(of_one) && (text.contains("::") || text.matches('_').count() > 3)
    };
    let mut named = 0;
    for name in quoted.filter(is_name) {
        let (modules, test) = name.rsplit_once("::").unwrap_or(("", name));
        let (begins, ends) = test.split_once('…').unwrap_or((test, test));
        let is_there = found.iter().any(|(file, known)| {
            let mut modules = modules.split("::").filter(|&module| module != "tests");
            modules.all(|module| file.contains(module))
                && known.starts_with(begins)
                && known.ends_with(ends)
        });
        assert!(
            is_there,
            "docs/elasticity.md names {name}, and there is no such test"
        );
        named += 1;
    }
    assert!(named > 100, "{named}");
}
