//! Scenario files: whatever they hold, they are loaded and planned, or refused in words that can be shown.

use std::sync::Arc;

use convoke::seed::Seed;
use convoke::{plan, scenario};

/// Longer files take long to plan, and say nothing new.
const BYTES_MAX: usize = 1 << 16;

/// Loads the bytes as a file, and compiles what it holds.
///
/// # Panics
/// When the loader breaks a promise.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if text.len() > BYTES_MAX {
        return;
    }
    let plan =
        scenario::parse("fuzz.yaml", Arc::from(text)).and_then(|scenario| plan::compile::compile(&scenario, Seed(1)));
    match plan {
        Ok(plan) => assert!(!convoke::report::explain::explain(&plan).is_empty()),
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty(), "it is refused without a reason");
            for colour in [false, true] {
                assert!(!diagnostics.render(colour).is_empty());
            }
        }
    }
}
