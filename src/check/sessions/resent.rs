//! What is sent again (REC-2, REC-4): a session that goes on over a new connection is first sent every event that it has not
//! acknowledged, in order, and nothing that it has; and on one connection the numbers go up by one.

use super::super::history::{History, Map};
use super::super::{Finding, Findings};
use super::CHECK;
use crate::plan::DeviceIndex;
use crate::protocol::message::{ClientMessage, ConnectionNo, Login, ServerMessage};
use crate::protocol::vocabulary::SessionToken;
use crate::trace::{Occurrence, Stage};

/// What a session has been sent and has acknowledged, as numbers of events.
#[derive(Default)]
struct Numbers {
    sent: u64,
    acknowledged: u64,
}

/// What a connection is to carry next.
enum Next {
    /// The number after the last.
    After(u64),
    /// It has just resumed: the number after what the device has received. A device that says less than it acknowledged
    /// before may get that again, so both ends are included.
    AnyOf(Resumed),
}

#[derive(Clone, Copy)]
struct Resumed {
    moment: usize,
    received: u64,
    acknowledged: u64,
}

struct Connection<'t> {
    device: DeviceIndex,
    login: Option<&'t Login>,
    /// The place of its session among the numbers.
    session: Option<usize>,
    next: Next,
}

pub(super) fn judge(history: &History<'_>, findings: &mut Findings) {
    // Then there is nothing to find, and a whole trace need not be gone through once more.
    if history.is_plain {
        return;
    }
    let mut resent = Resent { history, numbers: Map::default(), connections: Map::default(), findings };
    for (index, moment) in history.trace.moments.iter().enumerate() {
        match &moment.what {
            Occurrence::ServerReceived { device, connection, message } => {
                resent.received(*device, *connection, message);
            }
            Occurrence::ServerSent { connection, message, .. } => resent.sent(index, *connection, message),
            Occurrence::ServerLost { connection, .. } | Occurrence::ServerClosed { connection, .. } => {
                if let Some(gone) = resent.connections.swap_remove(connection) {
                    resent.gone(index, &gone, false);
                }
            }
            Occurrence::ServerCrashed => {
                for (_, gone) in std::mem::take(&mut resent.connections) {
                    resent.gone(index, &gone, false);
                }
            }
            Occurrence::Stage(Stage::FinalLists) => {
                for (_, standing) in std::mem::take(&mut resent.connections) {
                    resent.gone(index, &standing, true);
                }
                return;
            }
            _ => {}
        }
    }
}

struct Resent<'r, 't> {
    history: &'r History<'t>,
    numbers: Map<&'t SessionToken, Numbers>,
    connections: Map<ConnectionNo, Connection<'t>>,
    findings: &'r mut Findings,
}

impl<'t> Resent<'_, 't> {
    fn received(&mut self, device: DeviceIndex, connection: ConnectionNo, message: &'t ClientMessage) {
        let fresh = || Connection { device, login: None, session: None, next: Next::After(0) };
        let known = self.connections.entry(connection).or_insert_with(fresh);
        let received = match message {
            ClientMessage::Login(login) => {
                // A second login of a connection changes nothing.
                known.login.get_or_insert(login);
                return;
            }
            ClientMessage::Request(request) => request.received,
            ClientMessage::Acknowledge { received } => *received,
        };
        if let Some(numbers) = known.session.map(|session| &mut self.numbers[session]) {
            numbers.acknowledged = numbers.acknowledged.max(received.min(numbers.sent));
        }
    }

    fn sent(&mut self, index: usize, connection: ConnectionNo, message: &'t ServerMessage) {
        let Some(known) = self.connections.get_mut(&connection) else { return };
        match message {
            ServerMessage::LoggedIn { session, resumed } => {
                let entry = self.numbers.entry(session);
                known.session = Some(entry.index());
                let numbers = entry.or_default();
                known.next = Next::After(0);
                let resume = known.login.take().and_then(|login| login.resume.as_ref());
                if let Some(resume) = resume.filter(|resume| *resumed && resume.session == *session) {
                    let received = resume.received.min(numbers.sent);
                    numbers.acknowledged = numbers.acknowledged.max(received);
                    let acknowledged = numbers.acknowledged;
                    known.next = Next::AnyOf(Resumed { moment: index, received, acknowledged });
                }
            }
            ServerMessage::Event { seq, .. } => {
                let Some(session) = known.session else { return };
                let (least, most) = match known.next {
                    Next::After(last) => (last + 1, last + 1),
                    Next::AnyOf(resumed) => (resumed.received + 1, resumed.acknowledged + 1),
                };
                known.next = Next::After(*seq);
                let device = known.device;
                let numbers = &mut self.numbers[session];
                numbers.sent = numbers.sent.max(*seq);
                let what = if *seq > most {
                    "which leaves out what it has not acknowledged"
                } else if *seq < least {
                    "which it has had"
                } else {
                    return;
                };
                let next = if least == most { most.to_string() } else { format!("{least} to {most}") };
                self.wrong(index, device, &format!("event {seq} where {next} is next, {what}"));
            }
            ServerMessage::Refused { .. } | ServerMessage::Response(_) => {}
        }
    }

    /// A connection is over, or the run is quiet: what was to be sent again has been, if there was time for it.
    fn gone(&mut self, index: usize, connection: &Connection<'t>, quiet: bool) {
        let Next::AnyOf(resumed) = connection.next else { return };
        let Some(numbers) = connection.session.map(|session| &self.numbers[session]) else { return };
        let patience = self.history.at(resumed.moment) + self.history.slack();
        if numbers.sent > resumed.acknowledged && (quiet || self.history.at(index) > patience) {
            let what = format!("nothing after its return, and has events {} on to get", resumed.acknowledged + 1);
            self.wrong(resumed.moment, connection.device, &what);
        }
    }

    fn wrong(&mut self, index: usize, device: DeviceIndex, what: &str) {
        self.findings.add(|| {
            let name = &self.history.plan().device(device).name;
            let message = format!("{name} is sent at {} {what}", self.history.at(index));
            Finding::of(&CHECK, &["REC-2", "REC-4"], message).seen_at(index).on(device)
        });
    }
}
