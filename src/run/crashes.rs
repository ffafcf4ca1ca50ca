//! A server that is killed again and again under load: the plan of it, and what came of it.
//!
//! Reference devices call, answer, cancel, enter and leave in rooms that come and go, over connections that break, while
//! the server is killed by SIGKILL at random points and started again on what it has written. Nobody says what a call
//! comes to; the trace over all lives is held against what always holds. Everything random comes from the seed; how far
//! the server had come when it was killed does not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use crate::check::{self, Judgement};
use crate::plan::{Action, ExpectedOutcome, ExpectedResult, Place, Plan, When, compile};
use crate::protocol::call::Call;
use crate::protocol::event::Event;
use crate::protocol::message::{ClientMessage, ServerMessage};
use crate::protocol::vocabulary::ErrorCode;
use crate::scenario;
use crate::seed::{Seed, Stream};
use crate::time::{Duration, Instant};
use crate::trace::{Occurrence, Trace};
use crate::world::WorldError;
use crate::world::live::{self, Options, Scale, ServerFault};

/// How the server is killed.
#[derive(Clone, Copy, Debug)]
pub struct Crashes {
    /// How often.
    pub kills: u32,
    /// What everything random is drawn from.
    pub seed: Seed,
    /// What the server does wrong, if it is to do something wrong.
    pub fault: Option<ServerFault>,
}

/// What came of it.
#[derive(Debug)]
pub struct Endured {
    /// What happened.
    pub trace: Trace,
    /// What the always-checks say.
    pub judgement: Judgement,
    /// What the run came to.
    pub extent: CrashExtent,
}

/// How much happened around the kills.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CrashExtent {
    /// How often the server was killed.
    pub kills: u64,
    /// How many of its lives began: a kill may come before it listens.
    pub lives: u64,
    /// Calls of the applications.
    pub calls: u64,
    /// Calls that succeeded.
    pub succeeded: u64,
    /// Requests that were under way when the server died, and answered by a later life of it.
    pub answered_on_retry: u64,
    /// Sessions that were given back by a later life of the server.
    pub resumed: u64,
    /// Calls whose deadline passed while the server was dead, and that were then told to have timed out.
    pub overdue: u64,
}

impl CrashExtent {
    /// What never occurred, in words: then the run shows nothing of it.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let needs = [
            (self.answered_on_retry, "no request was under way when the server died"),
            (self.resumed, "no session was resumed after a kill"),
            (self.overdue, "no call's deadline passed while the server was dead"),
        ];
        needs.into_iter().filter(|(count, _)| *count == 0).map(|(_, words)| words).collect()
    }
}

/// Kills the server under load, and judges what its devices saw. `watch` is told how often it has been killed.
///
/// # Errors
/// When the machine gives no process or socket, or the server ends by itself.
pub fn endure(crashes: &Crashes, watch: &mut dyn FnMut(u64)) -> Result<Endured, WorldError> {
    let plan = Arc::new(plan(crashes));
    let is_kill = |action: &Action| matches!(action, Action::CrashServer { .. });
    let kills: Vec<Instant> = plan
        .steps
        .iter()
        .filter(|step| is_kill(&step.action))
        .filter_map(|step| match step.when {
            When::At(at) => Some(at),
            When::After { .. } => None,
        })
        .collect();
    // Every few kills fall around a checkpoint.
    let options = Options { scale: Scale(1), is_load: true, checkpoint_every: 100, fault: crashes.fault };
    let trace = live::run_watched(&plan, options, &mut |passed| {
        watch(kills.partition_point(|kill| kill.since(Instant::START) <= passed) as u64);
    })?;
    let (judgement, extent) = (check::judge(&trace), extent_of(&trace));
    Ok(Endured { trace, judgement, extent })
}

// ---- the plan ------------------------------------------------------------------------------------------------------

/// How long a room lives, in milliseconds.
const ROOM_MS: u64 = 1500;

/// The pause between two calls, at the least and at the most, in milliseconds.
const PAUSE_MS: (u64, u64) = (2, 30);

/// How long the server lives between a start and the next kill, start-up included, in milliseconds.
const LIFE_MS: (u64, u64) = (40, 800);

const USERS: &[&str] = &["alice", "bob", "carol", "dave", "erin"];
const DEVICES: &[&str] =
    &["alice.web", "alice.phone", "bob.phone", "bob.tablet", "bob.web", "carol.phone", "dave.pc", "erin.phone"];

const PEOPLE: &str = "\
version: 1
title: A server is killed again and again.
service: {rate_limits: false}
users:
  alice: {devices: {web: {}, phone: {}}}
  bob: {devices: {phone: {autoBusy: true}, tablet: {}, web: {}}}
  carol: {devices: {phone: {}}}
  dave: {devices: {pc: {platform: desktop}}}
  erin: {devices: {phone: {}}}
steps:
";

/// Writes the steps of a scenario, each at its own time.
struct Writer {
    dice: Stream,
    /// Of milliseconds.
    steps: BTreeMap<(u64, u32), String>,
}

impl Writer {
    fn add(&mut self, at_ms: u64, what: String) {
        let number = u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
        self.steps.insert((at_ms, number), what);
    }

    fn call(&mut self, at_ms: u64, device: &str, call: &str) {
        self.add(at_ms, format!("device: {device}, {call}"));
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.dice.below(from.len() as u64) as usize]
    }

    fn between(&mut self, (least, most): (u64, u64)) -> u64 {
        least + self.dice.below(most - least + 1)
    }

    /// The kills, from the first second on. Returns when the load may end, in milliseconds.
    fn kill(&mut self, kills: u32) -> u64 {
        let mut at = 300;
        for _ in 0..kills {
            at += self.between(LIFE_MS);
            self.add(at, "crash: {server: true, keepUnsynced: true}".to_owned());
            // Mostly it is started at once; now and then deadlines pass meanwhile.
            at += match self.dice.below(8) {
                0 => self.between((300, 900)),
                _ => self.dice.below(20),
            };
            self.add(at, "restart: server".to_owned());
        }
        at + 500
    }

    fn room(&mut self, number: u64, end_ms: u64) {
        let (begin, room) = (number * ROOM_MS, format!("room-{number}"));
        self.call(begin, "alice.web", &format!("createRoom: {{roomId: {room}}}"));
        self.call(begin + 1, "alice.web", &format!("enterRoom: {{roomId: {room}}}"));
        self.call(begin + 2, "carol.phone", &format!("enterRoom: {{roomId: {room}}}"));
        let mut at = begin + 5;
        while at < (begin + ROOM_MS).min(end_ms) {
            let (device, user, other) = (self.pick(DEVICES), self.pick(USERS), self.pick(USERS));
            match self.dice.below(20) {
                0..=6 => {
                    let caller = self.pick(&["alice.web", "carol.phone", "alice.phone"]);
                    let timeout = self.pick(&["0.2", "0.4", "1", "30", "0"]);
                    let call =
                        format!("inviteUsers: {{roomId: {room}, userIdList: [{user}, {other}], timeout: {timeout}}}");
                    self.call(at, caller, &call);
                }
                7..=9 => self.call(at, device, &format!("accept: {{roomId: {room}}}")),
                10 | 11 => self.call(at, device, &format!("reject: {{roomId: {room}}}")),
                12 | 13 => {
                    self.call(
                        at,
                        "alice.web",
                        &format!("cancelInvitation: {{roomId: {room}, userIdList: [{user}, {other}]}}"),
                    );
                }
                14 => self.call(at, device, &format!("enterRoom: {{roomId: {room}}}")),
                15 => self.call(at, device, &format!("exitRoom: {{roomId: {room}}}")),
                16 => {
                    self.call(at, "alice.web", &format!("kickRemoteUserOutOfRoom: {{roomId: {room}, userId: {user}}}"))
                }
                17 => self.call(at, device, &format!("getInvitationList: {{roomId: {room}}}")),
                18 => self.add(at, format!("disconnect: {device}")),
                _ => self.call(at, "alice.web", &format!("updateRoomNameByAdmin: {{roomId: {room}, roomName: n{at}}}")),
            }
            at += self.between(PAUSE_MS);
        }
        self.call(begin + ROOM_MS - 1, "alice.web", &format!("destroyRoom: {{roomId: {room}}}"));
    }
}

/// The plan of the kills.
///
/// # Panics
/// When what is written here is no scenario, which only a bug can cause.
#[must_use]
pub fn plan(crashes: &Crashes) -> Plan {
    let mut writer = Writer { dice: crashes.seed.stream("crashes"), steps: BTreeMap::new() };
    let end_ms = writer.kill(crashes.kills);
    for number in 0..=end_ms / ROOM_MS {
        writer.room(number, end_ms);
    }
    let mut text = PEOPLE.to_owned();
    for ((at_ms, _), what) in &writer.steps {
        let _ = writeln!(text, "  - {{at: {at_ms}ms, {what}}}");
    }
    let scenario =
        scenario::parse("crashes.yaml", text.into()).unwrap_or_else(|wrong| panic!("it is a scenario: {wrong}"));
    let mut plan =
        compile::compile(&scenario, crashes.seed).unwrap_or_else(|wrong| panic!("it can be planned: {wrong}"));
    for step in &mut plan.steps {
        if let Action::Call { expected, .. } = &mut step.action {
            *expected = anything(step.place);
        }
    }
    plan
}

/// Nobody says what a call comes to.
fn anything(place: Place) -> Vec<ExpectedResult> {
    let failures = ErrorCode::NAMED.iter().map(|(code, _)| ExpectedOutcome::Fails(*code));
    let outcomes = [ExpectedOutcome::Returns(serde_json::Value::Null), ExpectedOutcome::Unanswered];
    let result = |outcome| ExpectedResult { place, by: Vec::new(), outcome };
    outcomes.into_iter().chain(failures).map(result).collect()
}

// ---- what came of it -----------------------------------------------------------------------------------------------

fn extent_of(trace: &Trace) -> CrashExtent {
    let mut extent = CrashExtent::default();
    let mut down = false;
    // Which life of the server each request was sent to last, and those that a later life was asked again.
    let mut asked: BTreeMap<_, u64> = BTreeMap::new();
    let mut again = BTreeSet::new();
    let mut outages: Vec<(Instant, Instant)> = Vec::new();
    let mut calls = BTreeMap::new();
    let mut deadlines: BTreeMap<_, Vec<Instant>> = BTreeMap::new();
    let mut told = BTreeSet::new();
    let mut resumed = BTreeSet::new();
    for moment in &trace.moments {
        match &moment.what {
            Occurrence::StepBegan { step } => {
                extent.kills += u64::from(matches!(trace.plan.steps[*step].action, Action::CrashServer { .. }));
            }
            Occurrence::ServerCrashed => {
                down = true;
                outages.push((moment.at, Instant::NEVER));
            }
            Occurrence::ServerStarted { .. } => {
                extent.lives += 1;
                if let Some(last) = outages.last_mut().filter(|_| std::mem::take(&mut down)) {
                    last.1 = moment.at;
                }
            }
            Occurrence::Called { device, call, content, .. } => {
                extent.calls += 1;
                calls.insert((*device, *call), content.clone());
            }
            Occurrence::Returned { device, call, result } => {
                let content = calls.remove(&(*device, *call));
                if result.is_err() {
                    continue;
                }
                extent.succeeded += 1;
                if let Some(Call::InviteUsers { room_id, user_id_list, timeout, .. }) = content.as_deref()
                    && *timeout > 0.0
                {
                    let deadline = moment.at + Duration::from_nanos((*timeout * 1e9) as u64);
                    for user in user_id_list {
                        deadlines.entry((room_id.clone(), user.clone())).or_default().push(deadline);
                    }
                }
            }
            Occurrence::DeviceSent { device, message: ClientMessage::Request(request), .. } => {
                let before = asked.insert((*device, request.id.clone()), extent.lives);
                if before.is_some_and(|before| before < extent.lives) {
                    again.insert((*device, request.id.clone()));
                }
            }
            Occurrence::DeviceReceived { device, message, .. } => match message {
                ServerMessage::Response(response) => {
                    extent.answered_on_retry += u64::from(again.remove(&(*device, response.id.clone())));
                }
                ServerMessage::LoggedIn { resumed: true, .. } if extent.lives > 1 => {
                    extent.resumed += u64::from(resumed.insert((*device, extent.lives)));
                }
                _ => {}
            },
            Occurrence::Heard { event, .. } => {
                let (Event::InvitationTimeout { room_info, invitation }, Some(stamp)) = (&event.event, &event.stamp)
                else {
                    continue;
                };
                let user = &invitation.invitee.user_id;
                if !told.insert((stamp.instance, stamp.revision, user.clone())) {
                    continue;
                }
                let of = deadlines.get(&(room_info.room_id.clone(), user.clone()));
                let was_down =
                    |at: &Instant| outages.iter().any(|(from, to)| from <= at && at <= to && *to <= moment.at);
                extent.overdue += u64::from(of.is_some_and(|of| of.iter().any(was_down)));
            }
            _ => {}
        }
    }
    extent
}
