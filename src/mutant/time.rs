//! Faults of the clock and the timers (TMO).

use std::collections::BTreeSet;

use super::ledger::{Ledger, Standing};
use super::{Mutant, Part, Seam};
use crate::protocol::Node;
use crate::protocol::core::{Effects, InvitationCore, Transition};
use crate::protocol::event::Event;
use crate::protocol::logic::Logic;
use crate::protocol::service::{Service, ServiceConfig, ServiceInput, ServiceOutput};
use crate::protocol::vocabulary::{AttemptNo, EventName, RoomId, UserId};
use crate::time::{Duration, Instant};
use crate::world::cast::ServerNode;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "deadlines-on-whole-seconds",
        seam: Seam::Clock,
        breaks: &["TMO-1", "TMO-4"],
        fault: "Deadlines are rounded up to whole seconds of the server's clock.",
        part: Part::Applies(|_, transition| {
            redated(transition, |deadline| {
                deadline.map(|at| Instant::from_millis(at.as_millis().div_ceil(1000) * 1000))
            })
        }),
    },
    Mutant {
        name: "clock-runs-slow",
        seam: Seam::Clock,
        breaks: &["TMO-1", "TMO-4"],
        fault: "The server's clock loses a tenth of a second in each.",
        part: Part::ServerNode(|config| Box::new(SlowClock(Service::new(config)))),
    },
    Mutant {
        name: "zero-means-a-minute",
        seam: Seam::Clock,
        breaks: &["TMO-2"],
        fault: "A call without a timeout ends after a minute.",
        part: Part::ServerNode(|config| Box::new(Service::with_logic(config, ZeroIsAMinute))),
    },
    Mutant {
        name: "deadline-still-counts",
        seam: Seam::Clock,
        breaks: &["TMO-3"],
        fault: "An answer at the very instant of the deadline is accepted.",
        part: Part::ServerNode(|config| timed(config, |timers, now| timers.due(now, |at| at < now))),
    },
    Mutant {
        name: "timers-tick-twice-a-second",
        seam: Seam::Clock,
        breaks: &["TMO-3", "LST-7"],
        fault: "What is due waits for a timer that ticks every half second, and counts as live until then.",
        part: Part::ServerNode(|config| {
            timed(config, |timers, now| {
                let tick = Instant::from_millis(now.as_millis() / 500 * 500);
                timers.due(now, |at| at <= tick)
            })
        }),
    },
    Mutant {
        name: "timers-fire-early",
        seam: Seam::Clock,
        breaks: &["TMO-4"],
        fault: "Calls time out half a second before their deadline.",
        part: Part::ServerNode(|config| {
            timed(config, |timers, now| timers.due(now, |at| at <= now + Duration::from_millis(500)))
        }),
    },
    Mutant {
        name: "timers-fire-late",
        seam: Seam::Clock,
        breaks: &["TMO-4"],
        fault: "Calls time out a second and a half after their deadline.",
        part: Part::ServerNode(|config| {
            timed(config, |timers, now| timers.due(now, |at| at + Duration::from_millis(1500) <= now))
        }),
    },
    Mutant {
        name: "timeout-is-told-twice",
        seam: Seam::Core,
        breaks: &["TMO-4", "EVT-1"],
        fault: "onInvitationTimeout goes out twice.",
        part: Part::Tells(|_, effects| {
            let twice = effects.events.drain(..).flat_map(|told| {
                let again = (told.1.event.name() == EventName::InvitationTimeout).then(|| told.clone());
                [told].into_iter().chain(again)
            });
            effects.events = twice.collect();
        }),
    },
    Mutant {
        name: "invitee-is-not-told-of-the-timeout",
        seam: Seam::Core,
        breaks: &["TMO-5"],
        fault: "Only the inviter hears that the call has timed out; the invitee's devices go on ringing.",
        part: Part::Tells(|telling, effects| {
            super::core::silence(effects, |slot, event| {
                matches!(event, Event::InvitationTimeout { invitation, .. }
                    if telling.sessions_of(&invitation.invitee.user_id).contains(&slot))
            });
        }),
    },
    Mutant {
        name: "rings-start-afresh-after-a-restart",
        seam: Seam::Clock,
        breaks: &["TMO-6"],
        fault: "After a restart every pending call has its whole timeout before it again.",
        part: Part::ServerNode(|config| Box::new(Afresh::new(config))),
    },
    Mutant {
        name: "accepted-call-times-out-too",
        seam: Seam::Clock,
        breaks: &["ACC-3", "TMO-4", "DEV-2"],
        fault: "The timer of an accepted call is not stopped: at the deadline the call times out as well.",
        part: Part::ServerNode(|config| Box::new(Service::with_logic(config, OldTimers::new(Which::Answered)))),
    },
    Mutant {
        name: "old-timer-ends-the-new-call",
        seam: Seam::Clock,
        breaks: &["TMO-7"],
        fault: "The timer of a call that was cancelled goes on, and ends the next call of the same user.",
        part: Part::ServerNode(|config| Box::new(Service::with_logic(config, OldTimers::new(Which::Replaced)))),
    },
    Mutant {
        name: "timers-wrap-round",
        seam: Seam::Clock,
        breaks: &["TMO-8"],
        fault: "A timeout beyond 2^31 ms wraps round.",
        part: Part::ServerNode(|config| Box::new(Service::with_logic(config, WrappingTimers))),
    },
];

/// The transition with another deadline, if it has one.
fn redated(transition: Transition, deadlines: impl Fn(Option<Instant>) -> Option<Instant>) -> Vec<Transition> {
    let mut transition = transition;
    if let Transition::Invited { deadline, .. } = &mut transition {
        *deadline = deadlines(*deadline);
    }
    vec![transition]
}

fn redate(
    at: Instant,
    transition: &Transition,
    deadlines: impl Fn(Instant, Option<Instant>) -> Option<Instant>,
) -> Transition {
    let mut transition = transition.clone();
    if let Transition::Invited { deadline, .. } = &mut transition {
        *deadline = deadlines(at, *deadline);
    }
    transition
}

struct ZeroIsAMinute;

impl Logic for ZeroIsAMinute {
    fn apply(&mut self, core: &mut InvitationCore, at: Instant, transition: &Transition, effects: &mut Effects) {
        let minute = Duration::from_secs(60);
        core.apply(at, &redate(at, transition, |at, deadline| deadline.or(Some(at + minute))), effects);
    }
}

struct WrappingTimers;

impl Logic for WrappingTimers {
    fn apply(&mut self, core: &mut InvitationCore, at: Instant, transition: &Transition, effects: &mut Effects) {
        let wrapped = |at: Instant, deadline: Option<Instant>| {
            deadline.map(|deadline| at + Duration::from_millis(deadline.since(at).as_millis() % (1 << 31)))
        };
        core.apply(at, &redate(at, transition, wrapped), effects);
    }
}

/// The server, with a clock that shows nine tenths of the time.
struct SlowClock(Service);

impl Node for SlowClock {
    type Input = ServiceInput;
    type Output = ServiceOutput;

    fn step(&mut self, now: Instant, input: ServiceInput, outputs: &mut Vec<ServiceOutput>) {
        self.0.step(Instant::from_nanos(now.as_nanos() / 10 * 9), input, outputs);
    }

    fn next_deadline(&self) -> Option<Instant> {
        let shown = self.0.next_deadline()?;
        Some(Instant::from_nanos(shown.as_nanos().div_ceil(9).saturating_mul(10)))
    }
}

/// The deadlines of the calls that are pending, as the core has them.
#[derive(Default)]
struct Timers {
    ledger: Ledger,
    running: BTreeSet<(Instant, RoomId, UserId, AttemptNo)>,
}

impl Timers {
    /// The first deadline, if it is such as to be due.
    fn due(&self, now: Instant, is_due: impl Fn(Instant) -> bool) -> Option<(Instant, Transition)> {
        let (at, room_id, invitee, attempt) = self.running.first().filter(|(at, ..)| is_due(*at))?;
        let transition = Transition::Expired { room_id: room_id.clone(), invitee: invitee.clone(), attempt: *attempt };
        Some((now.min(*at), transition))
    }

    fn follow(&mut self, at: Instant, transition: &Transition) {
        self.ledger.follow(at, transition);
        if let Transition::Invited { room_id, invitees, deadline: Some(deadline), .. } = transition {
            for invitee in invitees {
                let attempt = self.ledger.rooms[room_id].calls[invitee].attempt;
                self.running.insert((*deadline, room_id.clone(), invitee.clone(), attempt));
            }
        }
        let ledger = &self.ledger;
        let is_over = |(_, room_id, user, attempt): &(Instant, RoomId, UserId, AttemptNo)| {
            let call = ledger.rooms.get(room_id).and_then(|room| room.calls.get(user));
            call.is_none_or(|call| call.attempt != *attempt || call.standing != Standing::Pending)
        };
        while self.running.first().is_some_and(is_over) {
            self.running.pop_first();
        }
    }

    /// Every pending call has its whole timeout before it again.
    fn start_afresh(&mut self, now: Instant) {
        self.running.clear();
        for (room_id, room) in &self.ledger.rooms {
            for (user, call) in room.pending() {
                if let Some(deadline) = call.deadline {
                    let again = now + deadline.since(call.since);
                    self.running.insert((again, room_id.clone(), user.clone(), call.attempt));
                }
            }
        }
    }
}

type Due = fn(&Timers, Instant) -> Option<(Instant, Transition)>;

/// The core with timers that decide otherwise what is due.
struct Timed {
    timers: Timers,
    due: Due,
}

impl Timed {
    fn new(due: Due) -> Self {
        Self { timers: Timers::default(), due }
    }
}

fn timed(config: ServiceConfig, due: Due) -> Box<ServerNode> {
    Box::new(Service::with_logic(config, Timed::new(due)))
}

impl Logic for Timed {
    fn due(&mut self, _core: &InvitationCore, now: Instant) -> Option<(Instant, Transition)> {
        (self.due)(&self.timers, now)
    }

    fn next_deadline(&self, _core: &InvitationCore) -> Option<Instant> {
        let (first, ..) = self.timers.running.first()?;
        // The first of the times at which one of the rules above finds it due; a millisecond later each of them does.
        let first = first.as_millis();
        let times = [first.saturating_sub(500), first, first + 1, first.div_ceil(500) * 500, first + 1500];
        times.into_iter().map(Instant::from_millis).find(|at| (self.due)(&self.timers, *at).is_some())
    }

    fn apply(&mut self, core: &mut InvitationCore, at: Instant, transition: &Transition, effects: &mut Effects) {
        core.apply(at, transition, effects);
        self.timers.follow(at, transition);
    }
}

/// The server that forgets at a restart how long its calls have been ringing.
struct Afresh(Service<Timed>);

impl Afresh {
    fn new(config: ServiceConfig) -> Self {
        let due: Due = |timers, now| timers.due(now, |at| at <= now);
        Self(Service::with_logic(config, Timed::new(due)))
    }
}

impl Node for Afresh {
    type Input = ServiceInput;
    type Output = ServiceOutput;

    fn step(&mut self, now: Instant, input: ServiceInput, outputs: &mut Vec<ServiceOutput>) {
        match input {
            ServiceInput::Started { ref records, .. } => {
                // It starts at a time when nothing is due yet, and looks at the clock then.
                let before = records.iter().filter_map(|record| record.at()).max().unwrap_or(now);
                self.0.step(before, input, outputs);
                self.0.logic_mut().timers.start_afresh(now);
            }
            input => self.0.step(now, input, outputs),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.0.next_deadline()
    }
}

/// Which timers go on although their call is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Those of calls that were accepted.
    Answered,
    /// Those of calls after which the same user was called again.
    Replaced,
}

/// The core, with timers that nobody stops.
struct OldTimers {
    which: Which,
    ledger: Ledger,
    running: BTreeSet<(Instant, RoomId, UserId, AttemptNo)>,
}

impl OldTimers {
    fn new(which: Which) -> Self {
        Self { which, ledger: Ledger::default(), running: BTreeSet::new() }
    }

    /// What a timer that rings now does, if it does anything.
    fn effect(&self, room_id: &RoomId, user: &UserId, attempt: AttemptNo) -> Option<Transition> {
        let call = self.ledger.rooms.get(room_id)?.calls.get(user)?;
        let strikes = match self.which {
            Which::Answered => call.attempt == attempt && call.standing == Standing::Accepted,
            Which::Replaced => call.attempt > attempt && call.standing == Standing::Pending,
        };
        strikes.then(|| Transition::Expired { room_id: room_id.clone(), invitee: user.clone(), attempt: call.attempt })
    }
}

impl Logic for OldTimers {
    fn due(&mut self, core: &InvitationCore, now: Instant) -> Option<(Instant, Transition)> {
        let own = core.next_deadline().filter(|deadline| *deadline <= now);
        while let Some((at, room_id, user, attempt)) = self.running.first().cloned().filter(|(at, ..)| *at <= now) {
            if own.is_some_and(|own| own <= at) {
                break;
            }
            self.running.pop_first();
            if let Some(transition) = self.effect(&room_id, &user, attempt) {
                return Some((at, transition));
            }
        }
        own.map(|deadline| (deadline, core.decide_expiry(now).expect("it is due")))
    }

    fn next_deadline(&self, core: &InvitationCore) -> Option<Instant> {
        let running = self.running.first().map(|(at, ..)| *at);
        running.into_iter().chain(core.next_deadline()).min()
    }

    fn apply(&mut self, core: &mut InvitationCore, at: Instant, transition: &Transition, effects: &mut Effects) {
        core.apply(at, transition, effects);
        self.ledger.follow(at, transition);
        if let Transition::Invited { room_id, invitees, deadline: Some(deadline), .. } = transition {
            for invitee in invitees {
                let attempt = self.ledger.rooms[room_id].calls[invitee].attempt;
                self.running.insert((*deadline, room_id.clone(), invitee.clone(), attempt));
            }
        }
    }
}
