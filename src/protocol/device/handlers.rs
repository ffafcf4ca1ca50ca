//! Handlers that the application registers for events (EVT-9).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::protocol::vocabulary::EventName;

#[derive(Debug, Default)]
pub(super) struct Handlers {
    by_event: BTreeMap<EventName, Vec<Handler>>,
}

#[derive(Debug)]
struct Handler {
    name: Arc<str>,
    removes: Vec<Arc<str>>,
}

impl Handlers {
    /// The same handler registered twice is called once.
    pub(super) fn on(&mut self, event: EventName, name: Arc<str>, removes: Vec<Arc<str>>) {
        let handlers = self.by_event.entry(event).or_default();
        if handlers.iter().all(|handler| handler.name != name) {
            handlers.push(Handler { name, removes });
        }
    }

    /// Removing what is not registered does nothing.
    pub(super) fn off(&mut self, event: EventName, name: &str) {
        if let Some(handlers) = self.by_event.get_mut(&event) {
            handlers.retain(|handler| *handler.name != *name);
        }
    }

    /// Whom an event calls, in the order of registration. What a handler removes is still called for this event, and no
    /// more for the next. Whether one fails stops none of the others: each is a call of its own.
    pub(super) fn called_for(&mut self, event: EventName) -> Vec<Arc<str>> {
        let Some(handlers) = self.by_event.get_mut(&event) else { return Vec::new() };
        let called = handlers.iter().map(|handler| handler.name.clone()).collect();
        let removed: Vec<Arc<str>> = handlers.iter().flat_map(|handler| handler.removes.iter().cloned()).collect();
        handlers.retain(|handler| !removed.contains(&handler.name));
        called
    }
}
