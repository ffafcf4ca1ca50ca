//! Every scenario file of the corpus is read and compiled.

use std::fs;
use std::path::{Path, PathBuf};

use convoke::plan::compile::compile;
use convoke::scenario;
use convoke::seed::Seed;

fn yaml_files(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory)
        .expect("the directory is readable")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn every_scenario_compiles() {
    let mut files = Vec::new();
    yaml_files(Path::new("scenarios"), &mut files);
    assert!(!files.is_empty());
    let mut wrong = Vec::new();
    for file in files {
        let plan = scenario::load(&file).and_then(|scenario| compile(&scenario, Seed(1)));
        wrong.extend(plan.err().map(|diagnostics| diagnostics.render(false)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
