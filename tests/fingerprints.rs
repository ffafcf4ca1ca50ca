//! A failure is known again under another seed: measured on the deliberately faulty variants of the reference.

use std::path::PathBuf;

use convoke::mutant::catalogue;
use convoke::run::{Recipe, SnapshotMode, corpus, fingerprint, run_as};
use convoke::scenario;
use convoke::seed::Seed;

/// How many of a hundred failures must have one fingerprint under all seeds.
const SAME_MIN: usize = 90;

#[test]
fn most_failures_have_one_fingerprint_under_every_seed() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut targets = corpus::find(&[folder.join("devices"), folder.join("cancel"), folder.join("races")]).unwrap();
    // Every fourth is enough to know.
    let mut nth = 0;
    targets.retain(|_| {
        nth += 1;
        nth % 4 == 0
    });
    let recipe = Recipe { snapshots: SnapshotMode::Off, moments_max: Some(100_000), ..Recipe::default() };
    let (mut failures, mut same, mut told) = (0, 0, Vec::new());
    for target in &targets {
        let scenario = scenario::load(&target.path).unwrap();
        for mutant in catalogue().into_iter().step_by(4) {
            let prints: Vec<String> = [1, 2, 5]
                .into_iter()
                .map(|seed| run_as(target, &scenario, Seed(seed), &recipe, &mutant))
                .filter(|outcome| !outcome.findings.is_empty())
                .filter_map(|outcome| fingerprint::of(&outcome))
                .collect();
            if prints.len() < 2 {
                continue;
            }
            failures += 1;
            if prints.windows(2).all(|pair| pair[0] == pair[1]) {
                same += 1;
            } else {
                told.push(format!("{} as {}: {}", target.name(), mutant.name, prints.join(" ")));
            }
        }
    }
    assert!(failures >= 40, "only {failures} failures");
    assert!(same * 100 >= failures * SAME_MIN, "{same} of {failures}\n{}", told.join("\n"));
}
