use std::path::Path;

use super::*;
use crate::seed::Seed;

#[test]
fn probe() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let paths = crate::run::corpus::find(&["scenarios".into()]).unwrap();
    for target in paths {
        let plan = Arc::new(crate::run::plan(Path::new(&target.path), Seed(1)).unwrap());
        if plan.worlds == [crate::plan::WorldName::Sim] {
            continue;
        }
        #[allow(clippy::disallowed_methods)]
        let began = std::time::Instant::now();
        let word = match run(&plan) {
            Ok(trace) => {
                let judged = crate::check::judge(&trace);
                for f in &judged.findings {
                    println!("   {} {}", f.check, f.message);
                }
                format!("{} {}", if judged.is_clean() { "ok" } else { "bad" }, "")
            }
            Err(e) => {
                println!("   {e}");
                "err".to_owned()
            }
        };
        println!("{} {word} {:?}", target.name(), began.elapsed());
        *counts.entry(word).or_default() += 1;
    }
    println!("{counts:?}");
}
