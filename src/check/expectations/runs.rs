//! Which handlers of the application are called: exactly the expected ones, in their order (EVT-9).

use super::body::Run;
use super::{Difference, Miss, counted, lines};
use crate::plan::{HandlerCall, Place};

/// Where the handlers that were called first differ from what is expected; `place` is that of the whole expectation.
pub(super) fn miss(seen: &[Run<'_>], expected: &[HandlerCall], place: Place) -> Option<Miss> {
    let agree = expected.iter().zip(seen).take_while(|(call, run)| fits(call, run)).count();
    let (call, run) = (expected.get(agree), seen.get(agree));
    let number = agree + 1;
    let what = match (call, run) {
        (None, None) => return None,
        (Some(call), Some(run)) => {
            format!("called {} at {} where {} is expected as call {number}", told(run), run.at, wanted(call))
        }
        (Some(call), None) => format!("did not call {}, expected as call {number}", wanted(call)),
        (None, Some(run)) => {
            format!("called {} at {} after the {} expected", told(run), run.at, counted(expected.len(), "call"))
        }
    };
    // Where the author names no event, what fits is shown without one, so that only what differs stands out.
    let shown = seen.iter().enumerate().map(|(i, run)| match expected.get(i) {
        Some(call) if fits(call, run) => wanted(call),
        _ => told(run),
    });
    Some(Miss {
        what,
        place: call.map_or(place, |call| call.place),
        moment: run.or(seen.last()).map(|run| run.moment),
        difference: Some(Difference { expected: lines(expected.iter().map(wanted)), seen: lines(shown) }),
    })
}

fn fits(call: &HandlerCall, run: &Run<'_>) -> bool {
    *call.handler == *run.handler && call.event.is_none_or(|event| event == run.event)
}

fn told(run: &Run<'_>) -> String {
    format!("{} for {}", run.handler, run.event)
}

fn wanted(call: &HandlerCall) -> String {
    match call.event {
        Some(event) => format!("{} for {event}", call.handler),
        None => call.handler.to_string(),
    }
}

#[cfg(test)]
mod tests;
