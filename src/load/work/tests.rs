//! The shipped models, and what is refused.

use super::*;

#[test]
fn every_model_is_a_scenario_that_load_can_enact() {
    for (name, _) in MODELS {
        let work = Work::load(name).unwrap_or_else(|wrong| panic!("{}", wrong.render(false)));
        assert!(!work.awaited.is_empty(), "{name}: a call is over when what it awaits has come");
        assert_eq!(work.rooms.len(), 1, "{name}");
    }
}

#[test]
fn what_cannot_be_enacted_is_refused_with_its_line() {
    let text = "version: 1\ntitle: A server that dies.\nusers:\n  alice: {devices: [web]}\nrooms:\n  r: {owner: alice, \
                members: [alice.web]}\nsteps:\n  - at: 1s\n    crash: {server: true, for: 2s}\n";
    let scenario = scenario::parse("dies.yaml", text.into()).unwrap();
    let plan = compile::compile(&scenario, OWN_SEED).unwrap();
    let mut refused = Diagnostics::new(&scenario.path, &scenario.text);
    refuse(&plan, &mut refused);
    let rendered = refused.or_ok(()).unwrap_err().render(false);
    assert!(rendered.contains("dies.yaml:9") && rendered.contains("the server is everybody's"), "{rendered}");
}
