//! insta holds the same snapshots as `convoke run`: the files in `snapshots/`, which mirror `scenarios/`.
//!
//! So `cargo insta review` and `convoke review` look at the same pending files, and neither can drift from the other.

use std::path::{Path, PathBuf};

use convoke::run::{OWN_SEED, corpus, plan};
use convoke::snapshot::Snapshot;
use convoke::trace::text;
use convoke::world::sim;

#[test]
fn every_scenario_has_its_snapshot() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut missing = Vec::new();
    for target in corpus::find(std::slice::from_ref(&root)).expect("the corpus is there") {
        let plan = plan(&target.path, OWN_SEED).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
        if plan.snapshot.none {
            continue;
        }
        let trace = sim::run(&plan.into()).unwrap_or_else(|error| panic!("{}: {error}", target.name()));
        let snapshot = Snapshot::of(&target.path, &root, None).expect("we know where we are");
        if !snapshot.file.exists() {
            missing.push(snapshot.file);
            continue;
        }
        let name = target.path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(snapshot.file.parent().expect("a file is in a folder"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_description(&snapshot.source);
        settings.bind(|| insta::assert_snapshot!(name, text::canonical(&trace)));
    }
    assert!(missing.is_empty(), "`convoke run --bless` records what is missing: {missing:#?}");
}

#[test]
fn every_snapshot_has_its_scenario() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = base.join("scenarios");
    let known: Vec<PathBuf> = corpus::find(std::slice::from_ref(&root))
        .expect("the corpus is there")
        .iter()
        .map(|target| Snapshot::of(&target.path, &root, None).expect("we know where we are").file)
        .collect();
    let recorded = convoke::snapshot::recorded_in(&base.join("snapshots")).expect("the snapshots can be read");
    assert!(!recorded.is_empty());
    let stale: Vec<_> = recorded.into_iter().filter(|file| !known.contains(file)).collect();
    assert!(stale.is_empty(), "delete them: {stale:#?}");
}
