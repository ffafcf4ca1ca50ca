//! Is it legal: what a trace shows, held against what its author expects and against what the protocol requires.
//!
//! A checker watches and never drives: it gets a trace that is over, and knows nothing of worlds. [`judge`] runs three
//! things: the scenario's own `expectations` and call `results`, and the always-checks in [`CHECKS`], which hold on
//! every run of every kind, one property a file. Each always-check says at which boundary it judges (TERM-4): a server on
//! its wire, a device at its API, so that a client library that filters can't hide a server's fault.
//!
//! Where the record leaves a requirement open, the reading is a parameter: [`judge_by`] and [`variants`].
//!
//! What this module does not do: it gives no verdict. A profile that waives a requirement drops findings by their
//! [`Finding::requirements`]; that, known failures and snapshots come after it.

mod answers;
mod applications;
mod audience;
mod deadlines;
mod expectations;
mod final_lists;
mod follow;
mod handled;
mod history;
mod late_cancels;
pub mod linearizability;
mod list_fold;
mod losing_device;
pub mod marks;
mod matching;
mod news;
pub mod non_interference;
mod one_outcome;
mod payloads;
mod push_hints;
mod quiescence;
mod recipients;
mod refusals;
mod responses;
mod results;
mod revisions;
mod ring_lifecycle;
mod sessions;
mod unasked_rings;
pub mod variants;

use std::collections::BTreeSet;
use std::fmt;

use self::follow::{Followed, Judged, Scene, Watcher};
use self::history::{History, SessionNo, Story};
use self::variants::Variants;

use crate::plan::{DeviceIndex, Place, RequirementId};
use crate::trace::Trace;

/// Something that should not be so.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// The check that found it: the name of an [`AlwaysCheck`], or `expectations` or `results`.
    pub check: &'static str,
    /// The requirements that it breaks; for an expectation those that its author named, which may be none.
    pub requirements: Vec<RequirementId>,
    /// Who, what and when, in a sentence.
    pub message: String,
    /// The moment that shows it, as an index of [`Trace::moments`].
    pub moment: Option<usize>,
    /// The author's line, if it has one.
    pub place: Option<Place>,
    /// The devices concerned.
    pub devices: Vec<DeviceIndex>,
    /// What should have been and what was, where that can be laid side by side.
    pub difference: Option<Difference>,
}

/// What should have been seen, and the most similar thing that was: each may have several lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// What was expected.
    pub expected: String,
    /// What was seen.
    pub seen: String,
}

/// What the checks say of a trace.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Judgement {
    /// What should not be so: first the author's expectations in the order of the file, then the always-checks.
    pub findings: Vec<Finding>,
    /// How many more findings there were than [`FINDINGS_MAX`] of a check.
    pub left_out: usize,
    /// Which requirements those name.
    pub left_out_of: BTreeSet<Vec<RequirementId>>,
    /// What a check could not decide within its bounds: a run with such and no finding is inconclusive.
    pub undecided: Vec<String>,
}

/// Of each check no more findings than these are kept: one fault of a server may show at a million devices.
pub const FINDINGS_MAX: usize = 50;

/// Where a check looks (TERM-4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Boundary {
    /// What the server receives and sends.
    ServerWire,
    /// What the application calls, gets back and hears.
    DeviceApi,
    /// Each server and each device at its own boundary.
    Both,
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ServerWire => "the server's wire",
            Self::DeviceApi => "the device's API",
            Self::Both => "the server's wire and the device's API",
        })
    }
}

/// A property that holds on every run.
pub struct AlwaysCheck {
    /// Its name, in reports.
    pub name: &'static str,
    /// The requirements that it watches over.
    pub requirements: &'static [&'static str],
    /// Where it looks.
    pub boundary: Boundary,
    /// What it holds to be so, in a sentence.
    pub promise: &'static str,
    begin: fn() -> Box<dyn Check>,
}

/// The always-checks.
pub const CHECKS: &[AlwaysCheck] = &[
    responses::CHECK,
    answers::CHECK,
    refusals::CHECK,
    sessions::CHECK,
    revisions::CHECK,
    recipients::CHECK,
    unasked_rings::CHECK,
    ring_lifecycle::CHECK,
    handled::CHECK,
    one_outcome::CHECK,
    losing_device::CHECK,
    late_cancels::CHECK,
    deadlines::CHECK,
    payloads::CHECK,
    push_hints::CHECK,
    list_fold::CHECK,
    news::CHECK,
    quiescence::CHECK,
    linearizability::CHECK,
    applications::CHECK,
];

/// One always-check at work: it is shown every commit of every room instance in order, then, of the run that is over, every
/// session, every device, and the whole.
///
/// What one session or one device had is small and is looked at by all checks before the next, so that a large trace is
/// gone through once and not once for each check.
trait Check {
    /// A commit, with the state before it.
    fn commit(&mut self, _scene: &Scene<'_, '_>) {}
    /// A request that changed nothing, with the state by which it was judged.
    fn judged(&mut self, _judged: &Judged<'_, '_>) {}
    /// What the server sent to one session.
    fn session(&mut self, _history: &History<'_>, _followed: &Followed<'_>, _session: SessionNo) {}
    /// What happened at one device's own boundary.
    fn device<'t>(&mut self, _history: &History<'t>, _story: &Story<'_, 't>, _findings: &mut Findings) {}
    /// The whole run.
    fn finish(&mut self, history: &History<'_>, followed: &Followed<'_>) -> Findings;
}

struct Panel(Vec<Box<dyn Check>>);

impl<'t> Watcher<'t> for Panel {
    fn commit(&mut self, scene: &Scene<'_, 't>) {
        self.0.iter_mut().for_each(|check| check.commit(scene));
    }

    fn judged(&mut self, judged: &Judged<'_, 't>) {
        self.0.iter_mut().for_each(|check| check.judged(judged));
    }
}

/// Holds a trace against its author's expectations and against the protocol.
#[must_use]
pub fn judge(trace: &Trace) -> Judgement {
    judge_by(trace, Variants::default())
}

/// The same by other readings of some requirements. What an author expects by a requirement that is read otherwise is left
/// to the always-checks, which know the reading.
#[must_use]
pub fn judge_by(trace: &Trace, variants: Variants) -> Judgement {
    let mut judgement = Judgement::default();
    judgement.take(results::judge(trace, variants));
    judgement.take(expectations::judge(trace, variants));

    let history = History::of(trace, variants);
    let mut panel = Panel(CHECKS.iter().map(|check| (check.begin)()).collect());
    judgement.take_all(&history, &mut panel);
    judgement
}

/// Holds the beginning of a run that was broken off against the order of commits: what goes back in it, such as a server
/// that has lost what it had promised, is wrong whatever would have come.
#[must_use]
pub fn judge_beginning(trace: &Trace, variants: Variants) -> Judgement {
    let mut judgement = Judgement::default();
    let history = History::of(trace, variants);
    let mut panel = Panel(vec![(revisions::CHECK.begin)()]);
    judgement.take_all(&history, &mut panel);
    judgement
}

impl Finding {
    fn of(check: &AlwaysCheck, requirements: &[&str], message: String) -> Self {
        Self {
            check: check.name,
            requirements: requirements.iter().map(|id| RequirementId((*id).into())).collect(),
            message,
            moment: None,
            place: None,
            devices: Vec::new(),
            difference: None,
        }
    }

    fn seen_at(mut self, moment: usize) -> Self {
        self.moment = Some(moment);
        self
    }

    fn on(mut self, device: DeviceIndex) -> Self {
        self.devices.push(device);
        self
    }
}

impl Judgement {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Shows a run to a panel of checks, and takes what they find.
    fn take_all(&mut self, history: &History<'_>, panel: &mut Panel) {
        let followed = follow::follow(history, panel);
        for session in history.session_numbers() {
            panel.0.iter_mut().for_each(|check| check.session(history, &followed, session));
        }
        let mut at_devices: Vec<Findings> = panel.0.iter().map(|_| Findings::default()).collect();
        for story in history.stories() {
            let checks = panel.0.iter_mut().zip(&mut at_devices);
            checks.for_each(|(check, findings)| check.device(history, &story, findings));
        }
        for (check, at_devices) in panel.0.iter_mut().zip(at_devices) {
            let mut findings = check.finish(history, &followed);
            findings.follow_with(at_devices);
            self.take(findings);
        }
    }

    fn take(&mut self, findings: Findings) {
        self.left_out += findings.left_out;
        self.left_out_of.extend(findings.left_out_of);
        self.findings.extend(findings.kept);
        self.undecided.extend(findings.undecided);
    }
}

/// The findings of one check, as they come.
#[derive(Debug, Default)]
struct Findings {
    kept: Vec<Finding>,
    left_out: usize,
    left_out_of: BTreeSet<Vec<RequirementId>>,
    /// See [`Judgement::undecided`].
    undecided: Vec<String>,
}

impl Findings {
    /// Adds a finding. Of those that are not kept it is remembered what they break: a profile may waive it.
    fn add(&mut self, finding: impl FnOnce() -> Finding) {
        let finding = finding();
        if self.kept.len() < FINDINGS_MAX {
            self.kept.push(finding);
        } else {
            self.left_out += 1;
            self.left_out_of.insert(finding.requirements);
        }
    }

    /// Adds what was found device by device, in the order of time.
    fn follow_with(&mut self, mut others: Self) {
        others.kept.sort_by_key(|finding| finding.moment);
        others.kept.into_iter().for_each(|finding| self.add(|| finding));
        self.left_out += others.left_out;
        self.left_out_of.append(&mut others.left_out_of);
        self.undecided.append(&mut others.undecided);
    }
}
