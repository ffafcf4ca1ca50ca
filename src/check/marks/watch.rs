//! Goes through a trace once and notes which situations it comes into.
//!
//! It states what occurred and never whether it was right. What requests ask for is looked at in `asked`, what their
//! answers did in `answered`, and events in `events`.

mod answered;
mod asked;
mod events;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::facts::{End, Facts};
use super::words::Mark::{self, *};
use crate::plan::{Action, DeviceIndex, DeviceKind, Expected};
use crate::protocol::call::Call;
use crate::protocol::event::StampedEvent;
use crate::protocol::message::{ClientMessage, ConnectionNo, Content, ServerMessage};
use crate::protocol::vocabulary::{AttemptNo, Cursor, ErrorCode, InstanceId, OperationName, RequestId, RoomId, UserId};
use crate::time::{Duration, Instant};
use crate::trace::{DeviceChange, Moment, Occurrence, Stage, Trace};

/// What counts as the same instant.
const A_MILLISECOND: Duration = Duration::from_millis(1);

/// How long a call without a timeout must ring to be said to ring on.
const A_MINUTE: Duration = Duration::from_secs(60);

/// A request on the server's side.
struct Asked {
    content: Content,
    /// When it came first.
    received: Instant,
    answered: bool,
}

/// What is known of one end of a device's connection.
#[derive(Default)]
struct Lane {
    /// The number of the last event sent in the session.
    sent: u64,
    /// The number of the last event that reached the device in the session.
    reached: u64,
    /// The attempts whose Receive was sent in the session.
    receives_sent: BTreeSet<(InstanceId, AttemptNo)>,
    /// The attempts that ring on the device.
    ringing: BTreeSet<(InstanceId, AttemptNo)>,
    /// The revision of the last page that reached the device, by life of the room.
    pages: BTreeMap<InstanceId, u64>,
    /// The entries about which events were sent.
    told: BTreeSet<(InstanceId, UserId)>,
    /// Whether it has entered a room or come back since the body began.
    arrived: bool,
    /// Whether its program was started again.
    restarted: bool,
    /// When its session was resumed the last time.
    resumed: Option<Instant>,
    /// The rooms for which an enterRoom is under way.
    entering: BTreeSet<RoomId>,
}

/// Goes through a trace.
pub(super) struct Watcher<'t> {
    trace: &'t Trace,
    wanted: BTreeSet<Mark>,
    hits: BTreeSet<Mark>,
    facts: Facts<'t>,
    now: Instant,
    stage: Stage,
    lanes: Vec<Lane>,
    requests: BTreeMap<(DeviceIndex, RequestId), Asked>,
    /// Requests whose answer has not reached their device.
    awaited: BTreeSet<(DeviceIndex, RequestId)>,
    /// Who gave out which cursor: the room, its life, and the caller.
    cursors: BTreeMap<Cursor, (RoomId, u32, UserId)>,
    /// Cursors that were given out before the last crash.
    old_cursors: BTreeSet<Cursor>,
    /// Deadlines to come.
    due: BTreeSet<(Instant, RoomId, u32, UserId, AttemptNo)>,
    /// All deadlines, past ones included.
    deadlines: BTreeSet<(Instant, RoomId)>,
    /// The last deadline that a ringing call reached, by room.
    last_reached: BTreeMap<RoomId, Instant>,
    /// Which of the five were asked of a room that is no conference.
    asked_of_live: BTreeSet<OperationName>,
    /// Events whose commit's answer may still come: they are learnt from when something else happens.
    unlearnt: Vec<Arc<StampedEvent>>,
    /// Commits of a room, and the device that heard of each first.
    heard_first: BTreeMap<(InstanceId, u64), Option<DeviceIndex>>,
    heard_by_two: BTreeMap<InstanceId, u32>,
    /// When the server died, if it is dead.
    down: Option<Instant>,
    crashes: u32,
    /// When it died the last time.
    last_crash: Option<Instant>,
    /// Devices that had a change answered in the body, and have not lost their connection since.
    answered_changes: BTreeSet<DeviceIndex>,
    /// Users who accepted and have not entered.
    accepted: BTreeSet<DeviceIndex>,
    /// Whether the author looks at the lists of the very end.
    final_lists_count: bool,
}

/// The marks among the wanted ones that a trace hits in its body. The lists of the very end count where the author
/// expects something of them.
pub(super) fn hits(trace: &Trace, wanted: BTreeSet<Mark>) -> BTreeSet<Mark> {
    let mut watcher = Watcher {
        trace,
        wanted,
        hits: BTreeSet::new(),
        facts: Facts::new(&trace.plan),
        now: Instant::START,
        stage: Stage::Setup,
        lanes: trace.plan.devices.iter().map(|_| Lane::default()).collect(),
        requests: BTreeMap::new(),
        awaited: BTreeSet::new(),
        cursors: BTreeMap::new(),
        old_cursors: BTreeSet::new(),
        due: BTreeSet::new(),
        deadlines: BTreeSet::new(),
        last_reached: BTreeMap::new(),
        asked_of_live: BTreeSet::new(),
        unlearnt: Vec::new(),
        heard_first: BTreeMap::new(),
        heard_by_two: BTreeMap::new(),
        down: None,
        crashes: 0,
        last_crash: None,
        answered_changes: BTreeSet::new(),
        accepted: BTreeSet::new(),
        final_lists_count: trace
            .plan
            .expectations
            .iter()
            .any(|expectation| matches!(expectation.what, Expected::FinalList { .. })),
    };
    for moment in &trace.moments {
        if watcher.hits.len() == watcher.wanted.len() {
            break;
        }
        watcher.watch(moment);
    }
    watcher.hits
}

impl Watcher<'_> {
    /// Notes a situation, if it is one of the body.
    fn hit(&mut self, mark: Mark) {
        if self.stage == Stage::Body && self.wanted.contains(&mark) {
            self.hits.insert(mark);
        }
    }

    fn hit_if(&mut self, condition: bool, mark: Mark) {
        if condition {
            self.hit(mark);
        }
    }

    /// Notes a situation that the lists of the very end may show as well.
    fn hit_of_list(&mut self, condition: bool, mark: Mark) {
        let counts = self.stage == Stage::Body || self.stage == Stage::FinalLists && self.final_lists_count;
        if condition && counts && self.wanted.contains(&mark) {
            self.hits.insert(mark);
        }
    }

    /// Whether it is still worth looking for a situation.
    fn seeks(&self, mark: Mark) -> bool {
        self.wanted.contains(&mark) && !self.hits.contains(&mark)
    }

    fn lane(&mut self, device: DeviceIndex) -> &mut Lane {
        &mut self.lanes[device.index()]
    }

    fn watch(&mut self, moment: &Moment) {
        if !matches!(moment.what, Occurrence::ServerSent { .. } | Occurrence::PushHinted(_)) {
            self.learn();
        }
        self.pass_deadlines(moment.at);
        self.now = moment.at;
        for (room, user) in self.facts.end_lapsed(moment.at) {
            self.left(&room, &user);
        }
        match &moment.what {
            Occurrence::Stage(stage) => {
                if *stage == Stage::Epilogue {
                    self.ring_on();
                }
                self.stage = *stage;
            }
            Occurrence::StepBegan { step } => {
                let action = self.trace.plan.steps.get(*step).map(|step| &step.action);
                let touches = matches!(action, Some(Action::On { .. } | Action::Off { .. }));
                self.hit_if(touches, HandlerTouched);
            }
            Occurrence::Called { device, content, .. } => {
                let wrong = usize::from(self.look_at_arguments(*device, content)) + self.wrong_about(*device, content);
                self.hit_if(wrong > 1, SeveralWrong);
                if let Call::EnterRoom { room_id, .. } = &**content {
                    self.lane(*device).entering.insert(room_id.clone());
                }
            }
            Occurrence::Returned { device, result, .. } => {
                if let Err(error) = result {
                    self.hit(ErrorAnswered);
                    self.hit(CallFailed);
                    self.hit_if(error.code == ErrorCode::FAILED, GaveUp);
                }
                // A library has at most one entry under way.
                self.lane(*device).entering.clear();
            }
            Occurrence::ServerReceived { device, message: ClientMessage::Request(request), .. } => {
                self.request_received(*device, request);
            }
            Occurrence::ServerSent { device, connection, message } => self.sent(*device, *connection, message),
            Occurrence::DeviceReceived { device, message, .. } => self.reached(*device, message),
            Occurrence::DeviceChanged { device, change } => match change {
                DeviceChange::Restarted => self.lane(*device).restarted = true,
                DeviceChange::ClockChanged => {
                    let rings = self.facts.rooms().any(|(_, room)| room.live().next().is_some());
                    self.hit_if(rings, ClockChangedWhileRinging);
                }
                DeviceChange::Offline | DeviceChange::Disconnected | DeviceChange::Killed => {
                    self.connection_lost(*device);
                }
                _ => {}
            },
            Occurrence::DeviceLost { device, .. } => self.connection_lost(*device),
            Occurrence::ServerLost { device, connection } | Occurrence::ServerClosed { device, connection } => {
                if self.facts.connection_gone(*device, *connection, moment.at) {
                    self.party_lost(*device);
                }
                self.connection_lost(*device);
            }
            Occurrence::ServerCrashed => self.crashed(),
            Occurrence::ServerStarted { .. } => {
                if let Some(crashed) = self.down.take() {
                    self.facts.restarted(crashed, moment.at);
                }
            }
            Occurrence::DeviceSent { device, message: ClientMessage::Request(request), .. } => {
                let again = !self.awaited.insert((*device, request.id.clone()));
                let library = self.trace.plan.device(*device).kind == DeviceKind::Sdk;
                self.hit_if(again && library, LibraryRepeated);
            }
            Occurrence::Connected { .. }
            | Occurrence::DeviceSent { .. }
            | Occurrence::ServerReceived { .. }
            | Occurrence::Heard { .. }
            | Occurrence::Handled { .. }
            | Occurrence::PushHinted(_) => {}
        }
    }

    fn sent(&mut self, device: DeviceIndex, connection: ConnectionNo, message: &ServerMessage) {
        match message {
            ServerMessage::LoggedIn { resumed, .. } => self.logged_in(device, connection, *resumed),
            ServerMessage::Refused { .. } => self.hit(ErrorAnswered),
            ServerMessage::Response(response) => {
                let key = (device, response.id.clone());
                let Some(asked) = self.requests.get_mut(&key) else { return };
                let first = !std::mem::replace(&mut asked.answered, true);
                let (content, received) = (asked.content.clone(), asked.received);
                self.answered(device, &content, received, response, first);
            }
            ServerMessage::Event { seq, event } => self.event_sent(device, *seq, event),
        }
    }

    fn reached(&mut self, device: DeviceIndex, message: &ServerMessage) {
        match message {
            ServerMessage::LoggedIn { resumed: false, .. } => {
                let lane = self.lane(device);
                (lane.reached, lane.ringing) = (0, BTreeSet::new());
            }
            ServerMessage::Response(response) => {
                self.awaited.remove(&(device, response.id.clone()));
                self.page_reached(device, response);
            }
            ServerMessage::Event { seq, event } => self.event_reached(device, *seq, event),
            _ => {}
        }
    }

    // ---- sessions ------------------------------------------------------------------------------------------------

    fn logged_in(&mut self, device: DeviceIndex, connection: ConnectionNo, resumed: bool) {
        let before = self.facts.session(device);
        let user = self.facts.user(device);
        self.hit_if(before.connection.is_some(), CameBack);
        if before.connection.is_some() {
            self.lane(device).arrived = true;
        }
        if resumed {
            self.hit_if(self.crashes > 0, ResumedAfterCrash);
            let suppressed =
                before.suspended.is_some_and(|suspended| {
                    self.facts.rooms().filter_map(|(_, room)| room.calls.get(user)).flatten().any(|attempt| {
                        attempt.since >= suspended && attempt.ended.is_some_and(|ended| ended <= self.now)
                    })
                });
            self.hit_if(suppressed, ResumeSuppressedRing);
            let lane = &mut self.lanes[device.index()];
            lane.resumed = Some(self.now);
            let told = lane.sent > 0;
            self.hit_if(told, ResumedAfterEvents);
        } else {
            self.hit_if(before.count > 0, NewSessionAfterOld);
            let rings = self.facts.rooms().any(|(_, room)| room.newest(user).is_some_and(|call| call.is_live()));
            self.hit_if(rings, SessionBeganWhileRinging);
            let platform = self.trace.identity(device).platform;
            let evicts = self
                .facts
                .online(user, self.now)
                .any(|other| other != device && self.trace.identity(other).platform == platform);
            self.hit_if(evicts, Evicted);
            self.evicted(device);
            let lane = self.lane(device);
            lane.sent = 0;
            lane.receives_sent.clear();
            lane.told.clear();
            lane.pages.clear();
        }
        self.facts.logged_in(device, connection, resumed);
    }

    /// The server lost the connection of somebody's device.
    fn party_lost(&mut self, device: DeviceIndex) {
        if !self.seeks(PartyLostWhileRinging) {
            return;
        }
        let user = self.facts.user(device);
        let concerned = self
            .facts
            .rooms()
            .any(|(_, room)| room.live().any(|(invitee, call)| invitee == user || call.inviter == *user));
        self.hit_if(concerned, PartyLostWhileRinging);
    }

    fn connection_lost(&mut self, device: DeviceIndex) {
        let lost = self.answered_changes.remove(&device);
        self.hit_if(lost, LostAfterAnswer);
        let between = self.accepted.contains(&device);
        self.hit_if(between, LostBetweenAcceptAndEntry);
    }

    /// TERM-2: with the session of a member device its place in the room is over.
    fn evicted(&mut self, device: DeviceIndex) {
        let user = self.facts.user(device);
        let room =
            self.facts.rooms().find(|(_, room)| room.members.get(user) == Some(&device)).map(|(id, _)| id.clone());
        if let Some(room) = room {
            self.left(&room, user);
        }
        self.facts.session_over(device);
    }

    /// Somebody is no longer in a room.
    fn left(&mut self, room: &RoomId, user: &UserId) {
        let rings = self.facts.room(room).is_some_and(|room| room.live().any(|(_, call)| call.inviter == *user));
        self.hit_if(rings, InviterLeftWhileRinging);
    }

    fn crashed(&mut self) {
        self.down = Some(self.now);
        self.crashes += 1;
        self.last_crash = Some(self.now);
        self.old_cursors = self.cursors.keys().cloned().collect();
        let rings = self.facts.rooms().any(|(_, room)| room.live().any(|(_, call)| call.deadline.is_some()));
        self.hit_if(rings, CrashedWhileRinging);
        self.hit_if(!self.answered_changes.is_empty(), CrashAfterAnswer);
        let under_way =
            self.awaited.iter().any(|request| self.requests.get(request).is_none_or(|asked| !asked.answered));
        self.hit_if(under_way, CrashDuringRequest);
    }

    // ---- deadlines -----------------------------------------------------------------------------------------------

    /// TMO-3: what is due has happened before anything else is looked at.
    fn pass_deadlines(&mut self, now: Instant) {
        while let Some((deadline, ..)) = self.due.first()
            && *deadline <= now
        {
            let (deadline, room_id, life, user, number) = self.due.pop_first().expect("it is not empty");
            let down = self.down.is_some_and(|since| since <= deadline);
            let Some(room) = self.facts.room_mut(&room_id).filter(|room| room.lives == life) else { continue };
            let Some(attempts) = room.calls.get_mut(&user) else { continue };
            let newer_rings = attempts.last().is_some_and(|newest| newest.number > number && newest.is_live());
            let Some(attempt) = attempts.iter_mut().find(|attempt| attempt.number == number) else { continue };
            let rang = attempt.is_live();
            if rang {
                attempt.finish(End::Timeout, deadline);
            }
            self.hit_if(down, DeadlineWhileDown);
            self.hit_if(rang, DeadlineReached);
            self.hit_if(!rang, DeadlineOfEndedPassed);
            self.hit_if(newer_rings, OldDeadlineDuringNewer);
            if rang {
                let before = self.last_reached.insert(room_id, deadline);
                let at_once = before.is_some_and(|before| deadline.since(before) <= A_MILLISECOND);
                self.hit_if(at_once, SeveralDeadlinesAtOnce);
            }
        }
    }

    /// Whether a deadline of a room lies within a millisecond.
    fn near_deadline(&self, room: &RoomId) -> bool {
        let from = Instant::from_nanos(self.now.as_nanos().saturating_sub(A_MILLISECOND.as_nanos()));
        let to = self.now + A_MILLISECOND;
        let after = self.deadlines.range((from, RoomId::from(""))..);
        after.take_while(|(deadline, _)| *deadline <= to).any(|(_, id)| id == room)
    }

    /// TMO-2: what has rung without a timeout by the end of the body.
    fn ring_on(&mut self) {
        let rang = self.facts.rooms().any(|(_, room)| {
            room.calls
                .values()
                .flatten()
                .any(|call| call.deadline.is_none() && call.ended.unwrap_or(self.now).since(call.since) >= A_MINUTE)
        });
        self.hit_if(rang, RangOnWithoutTimeout);
    }
}
