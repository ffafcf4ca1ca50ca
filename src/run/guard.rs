//! A bug in one scenario's run must not end the others': panics become words.
//!
//! The hook of the process is replaced once, and only speaks differently while a guarded piece of work runs.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// What the guarded work on this thread panicked with; the outer level says whether there is any.
    static CAUGHT: RefCell<Option<Option<String>>> = const { RefCell::new(None) };
}

/// Does the work, and returns what it panicked with, and where, if it did.
///
/// # Errors
/// The message of a panic.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let guarded = CAUGHT.with_borrow_mut(|caught| match caught {
                Some(words) => {
                    let place =
                        info.location().map_or_else(String::new, |at| format!(" ({}:{})", at.file(), at.line()));
                    *words = Some(format!("{}{place}", message(info.payload())));
                    true
                }
                None => false,
            });
            if !guarded {
                before(info);
            }
        }));
    });
    let outside = CAUGHT.replace(Some(None));
    // The work owns or rebuilds whatever it changes: nothing half-changed is looked at after a panic.
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    let caught = CAUGHT.replace(outside).flatten();
    result.map_err(|payload| caught.unwrap_or_else(|| message(&*payload)))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without words").to_owned()
}

#[cfg(test)]
mod tests {
    use super::catch;

    #[test]
    fn a_panic_says_what_and_where() {
        assert_eq!(catch(|| 1), Ok(1));
        let words = catch(|| panic!("no such {}", "thing")).unwrap_err();
        assert!(words.starts_with("no such thing (src/run/guard.rs:"), "{words}");
    }
}
