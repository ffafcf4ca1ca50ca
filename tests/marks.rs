//! The corpus comes into the situations that it claims, and into every situation that has a name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use convoke::check::marks::{Mark, empty_claims, hits};
use convoke::run::{OWN_SEED, corpus, plan};
use convoke::world::sim;

#[test]
fn every_claim_is_borne_out_and_every_mark_is_hit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut missing: BTreeSet<Mark> = Mark::ALL.iter().copied().collect();
    let mut empty: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for target in corpus::find(std::slice::from_ref(&root)).expect("the corpus is there") {
        let plan = plan(&target.path, OWN_SEED).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
        let trace = sim::run(&plan.into()).unwrap_or_else(|error| panic!("{}: {error}", target.name()));
        let claims = empty_claims(&trace);
        if !claims.is_empty() {
            empty.insert(target.name(), claims.iter().map(|claim| claim.message()).collect());
        }
        let hit = hits(&trace, missing.clone());
        missing.retain(|mark| !hit.contains(mark));
    }
    assert!(empty.is_empty(), "claims without their situation: {empty:#?}");
    let words: Vec<_> = missing.iter().map(|mark| (mark, mark.words())).collect();
    assert!(words.is_empty(), "no scenario comes into these situations: {words:#?}");
}
