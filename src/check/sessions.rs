//! Sessions: the events of each are numbered without gaps, a resume loses and repeats nothing, and after its end nothing is
//! sent. Judged at the server's wire, and at the device's API for duplicates and for what comes after the end.

mod resent;

use super::audience;
use super::follow::{Followed, Scene};
use super::history::{History, HowEnded, Map, ResumeAsked, SessionNo, Story};
use super::{AlwaysCheck, Boundary, Check, Finding, Findings};
use crate::plan::DeviceIndex;
use crate::protocol::bounds::Bounds;
use crate::protocol::event::StampedEvent;
use crate::protocol::small_map::SmallMap;
use crate::protocol::vocabulary::{EventName, InstanceId, OperationName, Revision};
use crate::trace::{DeviceChange, Occurrence};

pub(super) const CHECK: AlwaysCheck = AlwaysCheck {
    name: "sessions",
    requirements: &["REC-1", "REC-2", "REC-4", "DEV-9", "IDM-4", "TERM-1", "ORD-1"],
    boundary: Boundary::Both,
    promise: "the events of a session are numbered without gaps, are sent again as long as they are not acknowledged, reach the \
              application once and in order, and end with it",
    begin: || Box::new(Sessions::default()),
};

#[derive(Default)]
struct Sessions {
    findings: Findings,
    /// How many events each session was to hear, where that may explain why it is over.
    due: Map<SessionNo, u64>,
    /// Whether there was a commit of which not all is known.
    unsure: bool,
}

impl Check for Sessions {
    fn commit(&mut self, scene: &Scene<'_, '_>) {
        let bounds = &scene.history.plan().service.bounds;
        if !scene.history.resumes.iter().any(|asked| is_refused_early(asked, bounds)) {
            return;
        }
        self.unsure |= scene.inferred || !scene.complete;
        for due in audience::of(scene) {
            *self.due.entry(due.session).or_default() += 1;
        }
    }

    fn session(&mut self, history: &History<'_>, _: &Followed<'_>, session: SessionNo) {
        self.after_the_end(history, session);
    }

    fn device(&mut self, history: &History<'_>, story: &Story<'_, '_>, findings: &mut Findings) {
        at_the_api(history, story, findings);
    }

    fn finish(&mut self, history: &History<'_>, _: &Followed<'_>) -> Findings {
        for one in &history.irregularities {
            self.findings.add(|| {
                let message = format!("{} at {}: {}", history.name(one.session), history.at(one.moment), one.what);
                Finding::of(&CHECK, &["REC-2", "IDM-4"], message).seen_at(one.moment).on(history.device_of(one.session))
            });
        }
        self.resumes(history);
        resent::judge(history, &mut self.findings);
        self.farewells(history);
        std::mem::take(&mut self.findings)
    }
}

/// More events than this are not hidden in a commit of which not all is known.
const UNSEEN_MAX: u64 = 1_000;

/// Whether a session was not given back that had not been away for long.
fn is_refused_early(asked: &ResumeAsked, bounds: &Bounds) -> bool {
    let early = asked.suspended_for.is_some_and(|(_, most)| most.times(2) <= bounds.resume_window);
    early && !asked.granted && !asked.was_over
}

impl Sessions {
    /// Tested at half the window and at the window plus the keep-alive bound; between, both are lawful (REC-1).
    fn resumes(&mut self, history: &History<'_>) {
        let bounds = &history.plan().service.bounds;
        for asked in &history.resumes {
            let Some((least, most)) = asked.suspended_for else { continue };
            let early = is_refused_early(asked, bounds);
            let late = least > bounds.resume_window + bounds.keep_alive_bound;
            // A session with too much unacknowledged ends, which nobody is told.
            let due = self.due.get(&asked.session).copied().unwrap_or(0);
            let may_overflow = due > bounds.undelivered_max
                || history.may_have_overflowed(asked.moment)
                || (self.unsure && bounds.undelivered_max < UNSEEN_MAX);
            let (requirements, what): (&[&str], &str) = if early && !may_overflow {
                (&["REC-2", "REC-4"], "is not given back its session")
            } else if late && asked.granted {
                (&["REC-1", "TERM-1"], "is given back a session whose window has passed")
            } else {
                continue;
            };
            self.findings.add(|| {
                let message = format!(
                    "{} {what} at {}: it had been suspended for {}, and the window is {}",
                    history.name(asked.session),
                    history.at(asked.moment),
                    if early { most } else { least },
                    bounds.resume_window
                );
                Finding::of(&CHECK, requirements, message).seen_at(asked.moment).on(history.device_of(asked.session))
            });
        }
    }

    /// DEV-9: the older session hears onKickedOffLine and nothing after; an ended session hears nothing at all.
    fn after_the_end(&mut self, history: &History<'_>, number: SessionNo) {
        let session = history.session(number);
        let mut kicked = false;
        for delivery in history.heard_by(number) {
            let farewell = delivery.name == EventName::KickedOffLine;
            // What was said before the end may have been under way at it.
            let over = session.ended.is_some_and(|ended| {
                let gap = history.at(delivery.moment).since(history.at(ended.when.latest));
                ended.when.latest < delivery.moment && (history.trace.vantage.is_server() || gap > history.transit())
            }) && !farewell;
            if kicked || over {
                self.findings.add(|| {
                    let why = if kicked { "after onKickedOffLine" } else { "after the end of its session" };
                    let message = format!(
                        "{} is sent {} at {}, {why}",
                        history.name(number),
                        delivery.name,
                        history.at(delivery.moment)
                    );
                    Finding::of(&CHECK, &["DEV-9", "TERM-1"], message).seen_at(delivery.moment).on(session.device)
                });
            }
            kicked |= farewell;
        }
    }

    /// DEV-9: a session that had a connection until a login of another device ended it was told so on it.
    fn farewells(&mut self, history: &History<'_>) {
        // From the other end it can't be told from one that was lost on the way.
        if !history.trace.vantage.is_server() {
            return;
        }
        for session in &history.sessions {
            let Some(ended) = session.ended.filter(|ended| ended.how == HowEnded::Replaced) else { continue };
            let newer = history.sessions_of(session.user).iter().map(|newer| history.session(*newer));
            let by_another = newer
                .filter(|newer| newer.began == ended.when && newer.device != session.device)
                .find(|newer| !newer.attachments.is_empty());
            // Until then its connection stood, and it was the server that closed it, if anybody did.
            let connected = session.attachments.last().is_some_and(|attachment| {
                let to = attachment.to.unwrap_or(usize::MAX);
                to >= ended.when.earliest && (session.cut_off || to >= ended.when.latest)
            });
            let told =
                session.heard.last().is_some_and(|number| history.deliveries[*number].name == EventName::KickedOffLine);
            // With too much unheard it may have ended before, which nobody is told.
            let may_be_over = history.may_have_overflowed(ended.when.latest);
            let Some(newer) = by_another.filter(|_| connected && !told && !may_be_over) else { continue };
            self.findings.add(|| {
                let name = |device: DeviceIndex| &history.plan().device(device).name;
                let message = format!(
                    "{} is not sent onKickedOffLine when the login of {} ends its session at {}",
                    name(session.device),
                    name(newer.device),
                    history.at(ended.when.latest)
                );
                Finding::of(&CHECK, &["DEV-9"], message).seen_at(ended.when.latest).on(session.device)
            });
        }
    }
}

/// IDM-4: the application hears each event once, and those of an instance in the order of its revisions.
fn at_the_api(history: &History<'_>, story: &Story<'_, '_>, findings: &mut Findings) {
    let mut newest: SmallMap<InstanceId, (Revision, Vec<&StampedEvent>)> = SmallMap::default();
    let mut offline = false;
    for (index, moment) in story.moments() {
        match &moment.what {
            Occurrence::Called { content, .. } if content.operation() == OperationName::Login => offline = false,
            Occurrence::DeviceChanged { change: DeviceChange::Restarted, .. } => offline = false,
            Occurrence::Heard { event, .. } => {
                let name = event.event.name();
                let mut wrong =
                    offline.then(|| ("DEV-9", "after onKickedOffLine and before the next login".to_owned()));
                offline |= name == EventName::KickedOffLine;
                if let Some(stamp) = &event.stamp {
                    let (last, heard) = newest.get_or_insert_with(stamp.instance, || (stamp.revision, Vec::new()));
                    if stamp.revision < *last {
                        wrong = Some(("ORD-1", format!("of revision {} after {last}", stamp.revision)));
                    } else {
                        if stamp.revision > *last {
                            heard.clear();
                            *last = stamp.revision;
                        }
                        if heard.contains(&&**event) {
                            wrong = Some(("IDM-4", "a second time".to_owned()));
                        }
                        heard.push(event);
                    }
                }
                if let Some((requirement, what)) = wrong {
                    findings.add(|| {
                        let device = &history.plan().device(story.device).name;
                        let message = format!("the application of {device} hears {name} at {} {what}", moment.at);
                        Finding::of(&CHECK, &[requirement], message).seen_at(index).on(story.device)
                    });
                }
            }
            _ => {}
        }
    }
}
