//! Reads the history off a trace, moment by moment.
//!
//! Requests and answers, events, and what they say of each commit are here; how sessions begin and end is in `sessions`.

mod sessions;

use std::collections::VecDeque;
use std::sync::Arc;

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use super::super::variants::Variants;
use super::stories::{Noted, Stories};
use super::{
    Ask, Delivery, Ended, Few, History, HowEnded, Instance, Irregularity, Map, Receipt, Revealed, SessionNo, UserNo,
    number,
};
use crate::plan::DeviceIndex;
use crate::protocol::call::Call;
use crate::protocol::event::StampedEvent;
use crate::protocol::message::{
    ClientMessage, ConnectionNo, Content, Login, Request, Response, RoomPoint, ServerMessage,
};
use crate::protocol::vocabulary::{ErrorCode, RequestId, SessionToken, UserId};
use crate::trace::{Occurrence, Stage, Trace};

/// Reads a trace once, from its beginning.
pub(super) struct Reader<'t> {
    history: History<'t>,
    connections: Map<ConnectionNo, Connection<'t>>,
    /// The last ask of each request id of a device.
    latest: Map<(DeviceIndex, &'t RequestId), usize>,
    tokens: Map<&'t SessionToken, SessionNo>,
    /// The sessions that a crash of the server has cut off, until it starts again.
    torn: Vec<SessionNo>,
    /// The sessions that were suspended so shortly before it that their record may be lost.
    unsure: Vec<SessionNo>,
    /// How many events all requests can have brought one session.
    events_asked_for: u64,
    at_devices: Noted,
    /// The place of the instance that was told of last.
    told_last: usize,
}

#[derive(Default)]
struct Connection<'t> {
    login: Option<(usize, &'t Login)>,
    device: Option<DeviceIndex>,
    session: Option<SessionNo>,
    /// Requests that wait for an answer, in the order of their arrival, as (ask, receipt).
    open: VecDeque<(&'t RequestId, usize, usize)>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(trace: &'t Trace) -> Self {
        let mut users: IndexSet<&'t UserId, FxBuildHasher> =
            trace.plan.accounts.iter().map(|account| &account.user_id).collect();
        let user_of: Vec<UserNo> = trace
            .plan
            .devices
            .iter()
            .map(|device| UserNo(number(users.insert_full(&device.identity.user_id).0)))
            .collect();
        let history = History {
            trace,
            variants: Variants::default(),
            users,
            user_of,
            sessions: Vec::new(),
            sessions_of: Vec::new(),
            asks: Vec::new(),
            deliveries: Vec::new(),
            stories: Stories::default(),
            push_hints: Vec::new(),
            irregularities: Vec::new(),
            is_plain: true,
            resumes: Vec::new(),
            unasked: Vec::new(),
            outages: Vec::new(),
            dangling: Vec::new(),
            overflow_from: None,
            finals: Vec::new(),
            quiet_from: None,
            instances: Map::default(),
            unanswered: Map::default(),
        };
        Self {
            history,
            connections: Map::default(),
            latest: Map::default(),
            tokens: Map::default(),
            torn: Vec::new(),
            unsure: Vec::new(),
            events_asked_for: 0,
            at_devices: Noted::default(),
            told_last: 0,
        }
    }

    pub(super) fn read(mut self) -> History<'t> {
        let trace = self.history.trace;
        for (index, moment) in trace.moments.iter().enumerate() {
            self.at_devices.note(index, &moment.what);
            match &moment.what {
                Occurrence::ServerReceived { device, connection, message } => match message {
                    ClientMessage::Login(login) => {
                        let known = self.connections.entry(*connection).or_default();
                        known.login = Some((index, login));
                        known.device = Some(*device);
                    }
                    ClientMessage::Request(request) => self.received(index, *device, *connection, request),
                    ClientMessage::Acknowledge { .. } => {}
                },
                Occurrence::ServerSent { device, connection, message } => match message {
                    ServerMessage::LoggedIn { session, resumed } => {
                        self.logged_in(index, *device, *connection, session, *resumed);
                    }
                    ServerMessage::Refused { .. } => {
                        self.connections.entry(*connection).or_default().login = None;
                    }
                    ServerMessage::Response(response) => self.answered(index, *connection, response),
                    ServerMessage::Event { seq, event } => self.told(index, *connection, *seq, event),
                },
                Occurrence::ServerLost { connection, .. } => self.detach(index, *connection, false),
                Occurrence::ServerClosed { connection, .. } => self.detach(index, *connection, true),
                Occurrence::ServerCrashed => self.crashed(index),
                Occurrence::PushHinted(hint) => self.history.push_hints.push((index, hint)),
                Occurrence::Stage(Stage::FinalLists) => self.history.quiet_from = Some(index),
                Occurrence::ServerStarted { .. } => self.started(index),
                _ => {}
            }
        }
        self.finish()
    }

    fn received(&mut self, index: usize, device: DeviceIndex, connection: ConnectionNo, request: &'t Request) {
        self.events_asked_for += events_of(request);
        if self.events_asked_for > self.history.plan().service.bounds.undelivered_max {
            self.history.overflow_from.get_or_insert(index);
        }
        let known = self.connections.entry(connection).or_default();
        // After a logout the connection stays, and is nobody's.
        let sessions = &self.history.sessions;
        let session = known.session.filter(|session| sessions[session.index()].ended.is_none());
        let receipt = Receipt { moment: index, connection, session, answered: false };
        let trace = self.history.trace;
        let bounds = &trace.plan.service.bounds;
        let (memory, unsure) = (bounds.result_memory, self.history.transit().times(2));
        let asks = &mut self.history.asks;
        // What is sent behind other requests of the same id is answered behind them.
        let before_it = known.open.iter().filter(|(id, ..)| **id == request.id).count();
        let its_answer = || next_answer(trace, index, connection, &request.id, before_it);
        // IDM-1: what changes state and was asked before is the same request, unless its result is no longer kept.
        let kept = self.latest.get(&(device, &request.id)).copied().filter(|number| {
            let ask = &asks[*number];
            // Where ways are long, its result may have been forgotten before it was seen: then the answers differ.
            let is_new = || {
                let place =
                    known.open.iter().filter(|(id, ..)| **id == request.id).position(|(_, ask, _)| ask == number);
                let first = place.and_then(|place| next_answer(trace, index, connection, &request.id, place));
                let since = ask.came_in().map_or(trace.moments[index].at, |first| trace.moments[first].at);
                trace.moments[index].at.since(since) + unsure > memory
                    && first.zip(its_answer()).is_some_and(|(first, again)| first != again)
            };
            if ask.answers.is_empty() && ask.request.content == request.content && is_new() {
                return false;
            }
            // Behind a login whose answer is not seen yet, the request's own answer tells.
            let is_of_a_session = || {
                let first = ask.answers.first().map(|(_, response)| *response);
                session.is_some() || first.is_some() && its_answer() == first
            };
            is_of_a_session()
                && request.content.changes_state()
                && ask.request.content.changes_state()
                && ask.answers.first().is_none_or(|(answered, response)| {
                    let gap = trace.moments[index].at.since(trace.moments[*answered].at);
                    // When its result was there is known only between its arrival and its answer, and less from outside: it
                    // may have been forgotten. The answer tells.
                    let first = ask.came_in().unwrap_or(*answered);
                    let is_sure = trace.moments[index].at.since(trace.moments[first].at) + unsure <= memory;
                    // IDM-2: another content is refused while it is kept.
                    let says_so = || match its_answer() {
                        Some(answer) if ask.request.content == request.content => answer == *response,
                        answer => answer.is_some_and(is_refused),
                    };
                    is_kept(response) && gap <= memory && (is_sure || says_so())
                })
        });
        let repeated = kept.filter(|ask| asks[*ask].request.content == request.content);
        // What nobody was answered before a crash may not have happened, and then its id was never used.
        let outages = &self.history.outages;
        let may_be_lost = |ask: &Ask<'_>| {
            let last = ask.receipts.last().map_or(0, |receipt| receipt.moment);
            ask.answers.is_empty() && outages.iter().any(|outage| outage.from >= last)
        };
        let kept = kept.filter(|ask| asks[*ask].request.content == request.content || !may_be_lost(&asks[*ask]));
        let ask = repeated.unwrap_or_else(|| {
            let reuses_id = kept.is_some();
            asks.push(Ask { device, session, request, reuses_id, receipts: Few::new(), answers: Few::new() });
            asks.len() - 1
        });
        // A read has its id to itself: no result of it is kept, and what was kept under the id is still kept (IDM-1).
        if session.is_some() && request.content.changes_state() && (kept.is_none() || repeated.is_some()) {
            self.latest.insert((device, &request.id), ask);
        }
        known.open.push_back((&request.id, ask, asks[ask].receipts.len()));
        asks[ask].receipts.push(receipt);
    }

    fn answered(&mut self, index: usize, connection: ConnectionNo, response: &'t Response) {
        let answered = self.connections.get_mut(&connection).and_then(|known| {
            let place = known.open.iter().position(|(id, ..)| **id == response.id)?;
            known.open.remove(place)
        });
        let Some((_, ask, receipt)) = answered else {
            self.history.unasked.push(index);
            return;
        };
        let asked = &mut self.history.asks[ask];
        asked.receipts[receipt].answered = true;
        asked.answers.push((index, response));
        if asked.answers.len() > 1 {
            return;
        }
        let is_logout = matches!(asked.success(), Some((Call::Logout {}, _)));
        let logged_out = is_logout.then(|| (asked.receipts[receipt], asked.surely_in(), asked.span()));
        if let Some(at) = response.at {
            self.revealed(at).asks.push(ask);
        }
        match logged_out {
            Some((_, Some(session), Some(when))) => self.end(session, Ended { when, how: HowEnded::LoggedOut }),
            // It came in by another session, too, and may have ended that one: then this is its kept result.
            Some((Receipt { session: Some(session), moment, .. }, ..)) => self.may_be_logged_out(session, moment),
            _ => {}
        }
    }

    fn told(&mut self, index: usize, connection: ConnectionNo, seq: u64, event: &'t Arc<StampedEvent>) {
        let Some(session) = self.connections.get(&connection).and_then(|known| known.session) else { return };
        let history = &mut self.history;
        let known = &history.sessions[session.index()];
        let deliveries = &history.deliveries;
        let expected = known.heard.last().map_or(0, |last| deliveries[*last].seq).saturating_add(1);
        history.is_plain &= seq == expected;
        if seq < expected {
            let position = known.heard.binary_search_by_key(&seq, |heard| deliveries[*heard].seq).ok();
            let before = position.map(|position| deliveries[known.heard[position]].event);
            if before.is_none_or(|before| before != event) {
                let what = format!("event {seq} was another event when it was sent first");
                history.irregularities.push(Irregularity { session, moment: index, what });
            }
            return;
        }
        if seq > expected {
            let what = format!("event {seq} is sent where event {expected} is next");
            history.irregularities.push(Irregularity { session, moment: index, what });
        }
        // One event goes to many sessions, one after the other.
        let delivery = match deliveries.last().filter(|last| Arc::ptr_eq(last.event, event)) {
            Some(last) => Delivery { session, seq, moment: index, ..*last },
            None => {
                let stamp = event.stamp.as_ref();
                let about = stamp.and_then(|stamp| stamp.about.as_ref());
                Delivery {
                    session,
                    seq,
                    moment: index,
                    event,
                    name: event.event.name(),
                    point: stamp.map(|stamp| RoomPoint { instance: stamp.instance, revision: stamp.revision }),
                    invitee: about.map(|about| UserNo(number(history.users.insert_full(&about.invitee).0))),
                    attempt: about.map(|about| about.attempt),
                }
            }
        };
        let place = history.deliveries.len();
        history.sessions[session.index()].heard.push(place);
        let point = delivery.point;
        history.deliveries.push(delivery);
        if let Some(point) = point {
            self.revealed(point).deliveries.push(place);
        }
    }

    /// What is known of a revision: the latest that was told of, or it is begun. What is told of one mostly comes together,
    /// so the last instance is asked first.
    fn revealed(&mut self, point: RoomPoint) -> &mut Revealed {
        let instances = &mut self.history.instances;
        let is_last = instances.get_index(self.told_last).is_some_and(|(last, _)| *last == point.instance);
        if !is_last {
            let entry = instances.entry(point.instance);
            self.told_last = entry.index();
            entry.or_default();
        }
        let commits = &mut instances[self.told_last].commits;
        if commits.last().is_none_or(|last| last.revision != point.revision) {
            commits.push(Revealed { revision: point.revision, deliveries: SmallVec::new(), asks: Few::new() });
        }
        commits.last_mut().expect("it was pushed just now")
    }

    fn finish(mut self) -> History<'t> {
        self.history.stories = std::mem::take(&mut self.at_devices).by_device(self.history.plan().devices.len());
        for number in 0..self.history.sessions.len() {
            let session = SessionNo(super::number(number));
            if self.history.session(session).ended.is_none() {
                self.history.sessions[number].ended = self.window_end(session);
            }
        }
        for (number, ask) in self.history.asks.iter().enumerate() {
            let Some(room) = ask.room() else { continue };
            if ask.answers.is_empty() && ask.request.content.changes_state() {
                self.history.unanswered.entry(room).or_default().push(number);
            }
        }
        self.history.instances.sort_unstable_keys();
        self.history.instances.values_mut().for_each(Instance::put_in_order);
        self.history
    }
}

impl Instance {
    /// Mostly a commit is told of before the next: where not, what tells of one was noted in several places.
    fn put_in_order(&mut self) {
        if self.commits.is_sorted_by(|one, next| one.revision < next.revision) {
            return;
        }
        self.commits.sort_by_key(|revealed| revealed.revision);
        self.commits.dedup_by(|later, first| {
            let is_same = later.revision == first.revision;
            if is_same {
                first.deliveries.append(&mut later.deliveries);
                first.asks.append(&mut later.asks);
            }
            is_same
        });
    }
}

/// How many events a request can bring one session at the most: of each user that it names a ring, its end, and a change of
/// the list at either and at the entry; beside those an event of its own and an end to the session's place.
fn events_of(request: &Request) -> u64 {
    match &request.content {
        Content::Call(call) => match &**call {
            Call::InviteUsers { user_id_list, .. } | Call::CancelInvitation { user_id_list, .. } => {
                2 + 5 * user_id_list.len() as u64
            }
            call if call.operation().changes_state() => 7,
            _ => 0,
        },
        Content::Malformed(_) => 0,
    }
}

/// The next answer to a request of this id on a connection, behind as many to others of this id.
fn next_answer<'t>(
    trace: &'t Trace,
    from: usize,
    on: ConnectionNo,
    id: &RequestId,
    behind: usize,
) -> Option<&'t Response> {
    let mut answers = trace.moments[from..].iter().filter_map(|moment| match &moment.what {
        Occurrence::ServerSent { connection, message: ServerMessage::Response(response), .. }
            if *connection == on && response.id == *id =>
        {
            Some(&**response)
        }
        _ => None,
    });
    answers.nth(behind)
}

/// IDM-2: refused because its id was used for another request, as far as the code tells.
fn is_refused(response: &Response) -> bool {
    matches!(&response.result, Err(error) if error.code == ErrorCode::INVALID_PARAMETER)
}

/// IDM-1: results -2 and 100001 are not kept, and login comes before all that is kept.
fn is_kept(response: &Response) -> bool {
    !matches!(&response.result, Err(error)
        if matches!(error.code, ErrorCode::FREQ_LIMIT | ErrorCode::SERVER_SYSTEM_ERROR | ErrorCode::SDK_NOT_INITIALIZED))
}
