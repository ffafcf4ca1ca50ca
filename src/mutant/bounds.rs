//! Limits that are off by one, and memories that are too short or too long: a server that was set up with other numbers
//! than the plan promises.

use super::{Mutant, Part, Seam};
use crate::time::Duration;

const MILLI: Duration = Duration::from_millis(1);

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "lists-one-too-long",
        seam: Seam::Bounds,
        breaks: &["INV-9", "CAN-9"],
        fault: "A list may have one id more than ids_max.",
        part: Part::Server(|config| config.bounds.ids_max += 1),
    },
    Mutant {
        name: "lists-one-too-short",
        seam: Seam::Bounds,
        breaks: &["INV-9", "CAN-9"],
        fault: "A list may only have fewer ids than ids_max.",
        part: Part::Server(|config| config.bounds.ids_max -= 1),
    },
    Mutant {
        name: "extension-info-one-byte-too-long",
        seam: Seam::Bounds,
        breaks: &["INV-9"],
        fault: "extensionInfo may have one byte more than extension_info_max.",
        part: Part::Server(|config| config.bounds.extension_info_max += 1),
    },
    Mutant {
        name: "extension-info-one-byte-too-short",
        seam: Seam::Bounds,
        breaks: &["INV-9", "INV-12"],
        fault: "extensionInfo may only have fewer bytes than extension_info_max.",
        part: Part::Server(|config| config.bounds.extension_info_max -= 1),
    },
    Mutant {
        name: "timeout-a-millisecond-too-long",
        seam: Seam::Bounds,
        breaks: &["INV-11", "INV-9"],
        fault: "A timeout may be a millisecond longer than timeout_max.",
        part: Part::Server(|config| config.bounds.timeout_max = config.bounds.timeout_max + MILLI),
    },
    Mutant {
        name: "longest-timeout-is-refused",
        seam: Seam::Bounds,
        breaks: &["INV-11", "INV-9"],
        fault: "A timeout of exactly timeout_max is refused.",
        part: Part::Server(|config| config.bounds.timeout_max = config.bounds.timeout_max.saturating_sub(MILLI)),
    },
    Mutant {
        name: "no-entry-grace",
        seam: Seam::Bounds,
        breaks: &["INV-4"],
        fault: "Whoever has accepted and not entered yet is called again at once.",
        part: Part::Server(|config| config.bounds.entry_grace = Duration::ZERO),
    },
    Mutant {
        name: "entry-grace-includes-its-end",
        seam: Seam::Bounds,
        breaks: &["INV-4"],
        fault: "The entry grace lasts a millisecond too long.",
        part: Part::Server(|config| config.bounds.entry_grace = config.bounds.entry_grace + MILLI),
    },
    Mutant {
        name: "pages-of-everything",
        seam: Seam::Bounds,
        breaks: &["LST-4"],
        fault: "A count of 0 means the largest page, not the default.",
        part: Part::Server(|config| config.bounds.page_default = config.bounds.page_max),
    },
    Mutant {
        name: "default-page-one-too-long",
        seam: Seam::Bounds,
        breaks: &["LST-4"],
        fault: "The default page has one entry more than page_default.",
        part: Part::Server(|config| config.bounds.page_default += 1),
    },
    Mutant {
        name: "largest-page-one-too-long",
        seam: Seam::Bounds,
        breaks: &["LST-4"],
        fault: "The largest page has one entry more than page_max.",
        part: Part::Server(|config| config.bounds.page_max += 1),
    },
    Mutant {
        name: "answers-are-soon-forgotten",
        seam: Seam::Bounds,
        breaks: &["DEV-3", "IDM-3"],
        fault: "An answered attempt is remembered for half of answer_memory, once its entry is gone.",
        part: Part::Server(|config| {
            config.bounds.answer_memory = Duration::from_nanos(config.bounds.answer_memory.as_nanos() / 2);
        }),
    },
    Mutant {
        name: "results-are-soon-forgotten",
        seam: Seam::Bounds,
        breaks: &["IDM-1", "IDM-2"],
        fault: "The result of a request is kept for half of result_memory.",
        part: Part::Server(|config| {
            config.bounds.result_memory = Duration::from_nanos(config.bounds.result_memory.as_nanos() / 2);
        }),
    },
    Mutant {
        name: "window-is-twice-as-long",
        seam: Seam::Bounds,
        breaks: &["REC-1", "TERM-1"],
        fault: "A session outlives its connection for twice the resume window, and replays what it missed.",
        part: Part::Server(|config| config.bounds.resume_window = config.bounds.resume_window.times(2)),
    },
    Mutant {
        name: "window-is-half-as-long",
        seam: Seam::Bounds,
        breaks: &["REC-1", "REC-2", "TERM-1"],
        fault: "A session ends after less than half of the resume window.",
        part: Part::Server(|config| {
            let half = Duration::from_nanos(config.bounds.resume_window.as_nanos() / 2);
            config.bounds.resume_window = half.saturating_sub(MILLI);
        }),
    },
    Mutant {
        name: "no-rate-limits",
        seam: Seam::Bounds,
        breaks: &["SEC-6"],
        fault: "Whoever calls too often is answered all the same.",
        part: Part::Server(|config| config.rate_limits = false),
    },
    Mutant {
        name: "one-call-too-many",
        seam: Seam::Bounds,
        breaks: &["SEC-6"],
        fault: "The bucket of calls holds one more than invite_calls_max.",
        part: Part::Server(|config| config.bounds.invite_calls_max += 1),
    },
    Mutant {
        name: "calls-come-back-slowly",
        seam: Seam::Bounds,
        breaks: &["SEC-6"],
        fault: "A call takes a tenth longer to come back to the bucket than invite_calls_refill.",
        part: Part::Server(|config| {
            let refill = config.bounds.invite_calls_refill.as_nanos();
            config.bounds.invite_calls_refill = Duration::from_nanos(refill + refill / 10);
        }),
    },
    Mutant {
        name: "one-ring-too-many",
        seam: Seam::Bounds,
        breaks: &["SEC-6"],
        fault: "The bucket of rings at one user holds one more than rings_max.",
        part: Part::Server(|config| config.bounds.rings_max += 1),
    },
    Mutant {
        name: "one-ring-too-few",
        seam: Seam::Bounds,
        breaks: &["SEC-6"],
        fault: "The bucket of rings at one user holds one less than rings_max.",
        part: Part::Server(|config| config.bounds.rings_max -= 1),
    },
    Mutant {
        name: "session-ends-one-event-too-late",
        seam: Seam::Bounds,
        breaks: &["REC-1"],
        fault: "A session may have one event more unacknowledged than undelivered_max.",
        part: Part::Server(|config| config.bounds.undelivered_max += 1),
    },
];
