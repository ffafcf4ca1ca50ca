//! Reads the history off a trace, moment by moment.
//!
//! Requests and answers, events, and what they say of each commit are here; how sessions begin and end is in `sessions`.

mod sessions;

use std::collections::VecDeque;
use std::sync::Arc;

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

use super::super::variants::Variants;
use super::{
    Ask, Delivery, Ended, History, HowEnded, Irregularity, Map, Receipt, Revealed, SessionNo, UserNo, number,
};
use crate::plan::DeviceIndex;
use crate::protocol::call::Call;
use crate::protocol::event::StampedEvent;
use crate::protocol::message::{ClientMessage, ConnectionNo, Content, Login, Request, Response, ServerMessage};
use crate::protocol::vocabulary::{ErrorCode, InstanceId, OperationName, RequestId, Revision, SessionToken, UserId};
use crate::trace::{Occurrence, Stage, Trace};

/// Reads a trace once, from its beginning.
pub(super) struct Reader<'t> {
    history: History<'t>,
    connections: Map<ConnectionNo, Connection<'t>>,
    /// The last ask of each request id of a device.
    latest: Map<(DeviceIndex, &'t RequestId), usize>,
    tokens: Map<&'t SessionToken, SessionNo>,
    evidence: Map<InstanceId, Vec<(Revision, usize, Evidence)>>,
    /// The sessions that a crash of the server has cut off, until it starts again.
    torn: Vec<SessionNo>,
    /// The sessions that were suspended so shortly before it that their record may be lost.
    unsure: Vec<SessionNo>,
    /// How many events all requests can have brought one session.
    events_asked_for: u64,
}

#[derive(Default)]
struct Connection<'t> {
    login: Option<(usize, &'t Login)>,
    device: Option<DeviceIndex>,
    session: Option<SessionNo>,
    /// Requests that wait for an answer, in the order of their arrival, as (ask, receipt).
    open: VecDeque<(&'t RequestId, usize, usize)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Evidence {
    Delivery(usize),
    Ask(usize),
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
            irregularities: Vec::new(),
            resumes: Vec::new(),
            unasked: Vec::new(),
            outages: Vec::new(),
            dangling: Vec::new(),
            overflow_from: None,
            quiet_from: None,
            instances: Map::default(),
            unanswered: Map::default(),
        };
        Self {
            history,
            connections: Map::default(),
            latest: Map::default(),
            tokens: Map::default(),
            evidence: Map::default(),
            torn: Vec::new(),
            unsure: Vec::new(),
            events_asked_for: 0,
        }
    }

    pub(super) fn read(mut self) -> History<'t> {
        let trace = self.history.trace;
        for (index, moment) in trace.moments.iter().enumerate() {
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
        // IDM-1: what changes state and was asked before is the same request, unless its result is no longer kept.
        let kept = self.latest.get(&(device, &request.id)).copied().filter(|ask| {
            let ask = &asks[*ask];
            session.is_some()
                && changes_state(&request.content)
                && changes_state(&ask.request.content)
                && ask.answers.first().is_none_or(|(answered, response)| {
                    let gap = trace.moments[index].at.since(trace.moments[*answered].at);
                    // When its result was there is known only between its arrival and its answer, and less from outside: it
                    // may have been forgotten. The answer tells.
                    let first = ask.came_in().unwrap_or(*answered);
                    let is_sure = trace.moments[index].at.since(trace.moments[first].at) + unsure <= memory;
                    is_kept(response)
                        && gap <= memory
                        && (is_sure || next_answer(trace, index, connection, &request.id) == Some(response))
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
            asks.push(Ask { device, session, request, reuses_id, receipts: Vec::new(), answers: Vec::new() });
            asks.len() - 1
        });
        // A read has its id to itself: no result of it is kept, and what was kept under the id is still kept (IDM-1).
        if session.is_some() && changes_state(&request.content) && (kept.is_none() || repeated.is_some()) {
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
        if let Some(at) = response.at {
            self.evidence.entry(at.instance).or_default().push((at.revision, index, Evidence::Ask(ask)));
        }
        if let (Some(session), Some((Call::Logout {}, _))) = (asked.session, asked.success()) {
            let when = asked.span().expect("it was received and answered");
            self.end(session, Ended { when, how: HowEnded::LoggedOut });
        }
    }

    fn told(&mut self, index: usize, connection: ConnectionNo, seq: u64, event: &'t Arc<StampedEvent>) {
        let Some(session) = self.connections.get(&connection).and_then(|known| known.session) else { return };
        let history = &mut self.history;
        let known = &history.sessions[session.index()];
        let expected = known.numbers.last().copied().unwrap_or(0).saturating_add(1);
        if seq < expected {
            let position = known.numbers.binary_search(&seq).ok();
            let before = position.map(|position| history.deliveries[known.heard[position]].event);
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
        let invitee = event.stamp.as_ref().and_then(|stamp| stamp.about.as_ref());
        let invitee = invitee.map(|about| UserNo(number(history.users.insert_full(&about.invitee).0)));
        let delivery = history.deliveries.len();
        history.deliveries.push(Delivery { session, moment: index, event, invitee });
        history.sessions[session.index()].heard.push(delivery);
        history.sessions[session.index()].numbers.push(seq);
        if let Some(stamp) = &event.stamp {
            let of = self.evidence.entry(stamp.instance).or_default();
            of.push((stamp.revision, index, Evidence::Delivery(delivery)));
        }
    }

    fn finish(mut self) -> History<'t> {
        for number in 0..self.history.sessions.len() {
            let session = SessionNo(super::number(number));
            if self.history.session(session).ended.is_none() {
                self.history.sessions[number].ended = self.window_end(session);
            }
        }
        for (number, ask) in self.history.asks.iter().enumerate() {
            let Some(room) = ask.room() else { continue };
            if ask.answers.is_empty() && changes_state(&ask.request.content) {
                self.history.unanswered.entry(room).or_default().push(number);
            }
        }
        self.evidence.sort_unstable_keys();
        for (instance, mut evidence) in std::mem::take(&mut self.evidence) {
            evidence.sort_unstable();
            let commits = &mut self.history.instances.entry(instance).or_default().commits;
            for (revision, _, one) in evidence {
                if commits.last().is_none_or(|last: &Revealed| last.revision != revision) {
                    commits.push(Revealed { revision, deliveries: Vec::new(), asks: Vec::new() });
                }
                let revealed = commits.last_mut().expect("it was pushed just now");
                match one {
                    Evidence::Delivery(delivery) => revealed.deliveries.push(delivery),
                    Evidence::Ask(ask) => revealed.asks.push(ask),
                }
            }
        }
        self.history
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

/// The next answer to a request of this id on a connection.
fn next_answer<'t>(trace: &'t Trace, from: usize, on: ConnectionNo, id: &RequestId) -> Option<&'t Response> {
    trace.moments[from..].iter().find_map(|moment| match &moment.what {
        Occurrence::ServerSent { connection, message: ServerMessage::Response(response), .. }
            if *connection == on && response.id == *id =>
        {
            Some(&**response)
        }
        _ => None,
    })
}

fn changes_state(content: &Content) -> bool {
    match content {
        Content::Call(call) => call.operation().changes_state(),
        Content::Malformed(malformed) => {
            OperationName::from_name(&malformed.operation).is_none_or(OperationName::changes_state)
        }
    }
}

/// IDM-1: results -2 and 100001 are not kept, and login comes before all that is kept.
fn is_kept(response: &Response) -> bool {
    !matches!(&response.result, Err(error)
        if matches!(error.code, ErrorCode::FREQ_LIMIT | ErrorCode::SERVER_SYSTEM_ERROR | ErrorCode::SDK_NOT_INITIALIZED))
}
