//! The book in which a world over the IO driver records what happens, and its observers: one for each device, one for the
//! server.
//!
//! It also knows what the drivers wait for, and so whether anything more would happen. Times count from the beginning of
//! the body; the setup is recorded at time 0, as in the simulator.
//!
//! A server in another process has no observer here: its boundary is then written from what the devices' observers see
//! ([`outside`]), and what it waits for is asked of it ([`Book::server_said`]).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::super::driver::Clock;
use super::super::driver::device::{DeviceObserver, LIBRARY_HUNG_UP};
use super::super::driver::server::Observer;
use crate::plan::DeviceIndex;
use crate::protocol::Node;
use crate::protocol::call::{CallNo, Reply};
use crate::protocol::device::Device;
use crate::protocol::event::{PushHint, StampedEvent};
use crate::protocol::message::{ClientMessage, ConnectionNo, ServerMessage};
use crate::protocol::vocabulary::{ApiError, RoomId};
use crate::time::{Duration, Instant};
use crate::trace::outside::{self, Loss, Vantage};
use crate::trace::{Moment, Occurrence};

/// Where a world's time comes from.
pub(in crate::world) enum Time {
    /// The world says what time it is.
    Told(Instant),
    /// A clock runs.
    Runs(Clock),
}

/// See the module.
pub(in crate::world) struct Book {
    inner: Mutex<Inner>,
    /// Told of everything that is recorded.
    pub(in crate::world) news: Notify,
}

struct Inner {
    time: Time,
    /// When the body began, on the world's clock.
    began: Option<Instant>,
    moments: Vec<Moment>,
    /// When something was last recorded, on the world's clock.
    last: Instant,
    connections: Vec<Link>,
    addresses: BTreeMap<SocketAddr, ConnectionNo>,
    devices: Vec<Program>,
    server_waits: bool,
    vantage: Vantage,
    other: OtherServer,
}

/// What the book knows of a server in another process.
#[derive(Default)]
struct OtherServer {
    /// Whether it runs, or has been killed while connections to it still have to end.
    state: ServerState,
    /// Whether a process has been started that does not listen yet.
    starts: bool,
    /// The connections up to this number have died with one of its lives.
    buried: u32,
    /// When it was last asked whether it waits for a time, and what it said.
    said: Option<(Instant, bool)>,
    /// Until when it may do something by itself, as far as anybody can tell who can't ask it.
    due: Instant,
    /// Whether it can't be asked.
    is_mute: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum ServerState {
    #[default]
    Down,
    Up,
    Dying,
}

/// What the book knows of a connection.
struct Link {
    device: DeviceIndex,
    stands: bool,
}

/// What the book knows of the program on a device.
#[derive(Clone, Default)]
struct Program {
    /// Which life of it is under way; whatever an older one still does is not recorded.
    life: u32,
    connection: Option<ConnectionNo>,
    dialled: Option<ConnectionNo>,
    /// The server has said that it hangs up.
    hung_up: bool,
    /// It has lost a connection that it will make again.
    torn: bool,
    waits: bool,
    room: Option<RoomId>,
}

impl Book {
    pub(in crate::world) fn new(devices: usize, time: Time, vantage: Vantage) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                time,
                began: None,
                moments: Vec::new(),
                last: Instant::START,
                connections: Vec::new(),
                addresses: BTreeMap::new(),
                devices: vec![Program::default(); devices],
                server_waits: false,
                vantage,
                other: OtherServer::default(),
            }),
            news: Notify::new(),
        })
    }

    fn open(&self) -> MutexGuard<'_, Inner> {
        // A poisoned lock means a panic while something was recorded; the run is broken all the same.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what time it is, on the world's clock.
    pub(in crate::world) fn tell_time(&self, now: Instant) {
        self.open().time = Time::Told(now);
    }

    /// The body begins now.
    pub(in crate::world) fn begin_body(&self) {
        let mut inner = self.open();
        inner.began = Some(inner.world_now());
    }

    /// The world's own time, which counts the setup.
    pub(in crate::world) fn world_now(&self) -> Instant {
        self.open().world_now()
    }

    /// The time of the run.
    pub(in crate::world) fn now(&self) -> Instant {
        self.open().now()
    }

    /// When the body began, on the world's clock.
    pub(in crate::world) fn began(&self) -> Option<Instant> {
        self.open().began
    }

    pub(in crate::world) fn record(&self, what: Occurrence) {
        self.open().record(what);
        self.news.notify_one();
    }

    /// The moments from a number on.
    pub(in crate::world) fn since(&self, first: usize) -> Vec<Moment> {
        self.open().moments.get(first..).map(<[Moment]>::to_vec).unwrap_or_default()
    }

    /// How many moments there are.
    pub(in crate::world) fn len(&self) -> usize {
        self.open().moments.len()
    }

    /// All moments; the book is empty then.
    pub(in crate::world) fn take(&self) -> Vec<Moment> {
        std::mem::take(&mut self.open().moments)
    }

    /// Where the server's boundary is seen.
    pub(in crate::world) fn vantage(&self) -> Vantage {
        self.open().vantage
    }

    /// Whether no node waits for a time, and nothing has been recorded for so long.
    pub(in crate::world) fn is_quiet(&self, settle: Duration) -> bool {
        let inner = self.open();
        let server_waits = match inner.vantage {
            Vantage::Server => inner.server_waits,
            Vantage::Devices { .. } => inner.other_waits(),
            Vantage::Applications => inner.world_now() < inner.other.due,
        };
        !server_waits && inner.devices_are_quiet(settle)
    }

    /// Whether what has been done so far has had its effects, as far as it will without time: the server in another process
    /// runs or is down, who lost a connection has made it again, and nothing has been recorded for so long. `waiting` are
    /// the devices with a network and a call under way, `away` those without a network.
    pub(in crate::world) fn is_settled(
        &self,
        mut waiting: impl Iterator<Item = DeviceIndex>,
        away: impl Fn(DeviceIndex) -> bool,
        silence: Duration,
    ) -> bool {
        let inner = self.open();
        if inner.other.starts || inner.other.state == ServerState::Dying {
            return false;
        }
        let is_up = inner.other.state == ServerState::Up;
        let torn = |(number, program): (usize, &Program)| program.torn && !away(DeviceIndex(number as u32));
        let open = is_up && (waiting.next().is_some() || inner.devices.iter().enumerate().any(torn));
        !open && inner.world_now().since(inner.last) >= silence
    }

    /// Whether all hangs on what the server in another process waits for, and it has to be asked: again, if what it said
    /// is older than that.
    pub(in crate::world) fn must_ask(&self, settle: Duration, again: Duration) -> bool {
        let inner = self.open();
        let asked = inner.other.said.filter(|(asked, _)| *asked >= inner.last);
        inner.other.state == ServerState::Up
            && inner.devices_are_quiet(settle)
            && asked.is_none_or(|(asked, waits)| waits && inner.world_now().since(asked) >= again)
    }

    /// The server in another process was asked whether it waits for a time, then, and said so.
    pub(in crate::world) fn server_said(&self, asked: Instant, waits: bool) {
        self.open().other.said = Some((asked, waits));
        self.news.notify_one();
    }

    /// A server in another process is being started.
    pub(in crate::world) fn server_starts(&self) {
        self.open().other.starts = true;
    }

    /// It can be connected to from now on. False while connections to its last life still stand: then it is not to be told
    /// yet where it is.
    pub(in crate::world) fn server_started(&self) -> bool {
        let mut inner = self.open();
        if inner.other.state == ServerState::Dying {
            return false;
        }
        inner.other.starts = false;
        inner.other.state = ServerState::Up;
        if !inner.vantage.is_applications() {
            // How many records it found is its own affair.
            inner.record(Occurrence::ServerStarted { records: 0 });
        }
        drop(inner);
        self.news.notify_one();
        true
    }

    /// Nobody can ask the server what it waits for, and until then it may do something by itself.
    pub(in crate::world) fn server_may_wait_until(&self, due: Instant) {
        let mut inner = self.open();
        (inner.other.due, inner.other.is_mute) = (due, true);
    }

    /// What the world knows of a program that has no observer: whether it waits for something, and which room it is in.
    pub(in crate::world) fn program_is(&self, device: DeviceIndex, waits: bool, room: Option<RoomId>) {
        let mut inner = self.open();
        let program = &mut inner.devices[device.index()];
        (program.waits, program.room) = (waits, room);
    }

    /// Whether nothing has been recorded for so long.
    pub(in crate::world) fn is_silent(&self, settle: Duration) -> bool {
        let inner = self.open();
        inner.world_now().since(inner.last) >= settle
    }

    /// The room that the device's library takes itself to be in.
    pub(in crate::world) fn room(&self, device: DeviceIndex) -> Option<RoomId> {
        self.open().devices[device.index()].room.clone()
    }

    /// The program on a device died: whatever it still does is not recorded.
    pub(in crate::world) fn killed(&self, device: DeviceIndex) {
        let mut inner = self.open();
        inner.lost(device);
        let life = inner.devices[device.index()].life + 1;
        inner.devices[device.index()] = Program { life, ..Program::default() };
    }

    /// Which life of the program is under way.
    pub(in crate::world) fn life(&self, device: DeviceIndex) -> u32 {
        self.open().devices[device.index()].life
    }

    /// The server died, and waits for nothing.
    pub(in crate::world) fn server_crashed(&self) {
        let mut inner = self.open();
        inner.server_waits = false;
        match inner.vantage {
            Vantage::Server | Vantage::Applications => inner.record(Occurrence::ServerCrashed),
            Vantage::Devices { .. } => {
                inner.other.starts = false;
                // One that did not listen yet had not begun to live, as far as anybody could see.
                if inner.other.state == ServerState::Up {
                    inner.other.state = ServerState::Dying;
                    inner.other.buried = u32::try_from(inner.connections.len()).unwrap_or(u32::MAX);
                    inner.other.said = None;
                    inner.bury();
                }
            }
        }
    }

    /// A device has dialled from an address.
    pub(in crate::world) fn dialled(&self, device: DeviceIndex, from: SocketAddr) -> ConnectionNo {
        let mut inner = self.open();
        inner.connections.push(Link { device, stands: false });
        let number = ConnectionNo(u32::try_from(inner.connections.len()).expect("fewer than 2^32 connections"));
        inner.addresses.insert(from, number);
        inner.devices[device.index()].dialled = Some(number);
        number
    }

    /// The connection that was dialled from an address.
    pub(in crate::world) fn connection_from(&self, address: SocketAddr) -> Option<ConnectionNo> {
        self.open().addresses.get(&address).copied()
    }
}

impl Inner {
    fn world_now(&self) -> Instant {
        match &self.time {
            Time::Told(now) => *now,
            Time::Runs(clock) => clock.now(),
        }
    }

    fn now(&self) -> Instant {
        Instant::START + self.began.map_or(Duration::ZERO, |began| self.world_now().since(began))
    }

    fn record(&mut self, what: Occurrence) {
        self.last = self.world_now();
        let at = self.now();
        match (&what, self.vantage) {
            (Occurrence::DeviceSent { .. } | Occurrence::DeviceReceived { .. }, Vantage::Devices { .. }) => {
                outside::record(&mut self.moments, at, what);
            }
            _ => self.moments.push(Moment { at, what }),
        }
    }

    fn lost(&mut self, device: DeviceIndex) {
        let program = &mut self.devices[device.index()];
        let hung_up = std::mem::take(&mut program.hung_up);
        let Some(connection) = program.connection.take() else { return };
        match self.vantage {
            Vantage::Server | Vantage::Applications => self.record(Occurrence::DeviceLost { device, connection }),
            Vantage::Devices { .. } => {
                let how = match (connection.0 <= self.other.buried, hung_up) {
                    (true, _) => Loss::Died,
                    (_, true) => Loss::Closed,
                    _ => Loss::Broken,
                };
                self.last = self.world_now();
                let at = self.now();
                outside::record_loss(&mut self.moments, at, device, connection, how);
                self.bury();
            }
        }
    }

    /// A server that was killed is dead when nothing that it had said is under way any more.
    fn bury(&mut self) {
        let stands = self.devices.iter().filter_map(|program| program.connection);
        if self.other.state == ServerState::Dying && stands.into_iter().all(|one| one.0 > self.other.buried) {
            self.other.state = ServerState::Down;
            self.record(Occurrence::ServerCrashed);
        }
    }

    /// Whether a server in another process may still do something by itself.
    fn other_waits(&self) -> bool {
        match self.other.state {
            ServerState::Down => self.other.starts,
            ServerState::Dying => true,
            ServerState::Up if self.other.is_mute => self.world_now() < self.other.due,
            ServerState::Up => !matches!(self.other.said, Some((asked, false)) if asked >= self.last),
        }
    }

    fn devices_are_quiet(&self, settle: Duration) -> bool {
        !self.devices.iter().any(|program| program.waits) && self.world_now().since(self.last) >= settle
    }

    fn owner(&self, connection: ConnectionNo) -> Option<&Link> {
        self.connections.get((connection.0 as usize).checked_sub(1)?)
    }
}

/// Watches one life of the program on a device.
pub(in crate::world) struct DeviceWatch {
    pub(in crate::world) book: Arc<Book>,
    pub(in crate::world) device: DeviceIndex,
    pub(in crate::world) life: u32,
}

impl DeviceWatch {
    fn note(&self, note: impl FnOnce(&mut Inner)) {
        let mut inner = self.book.open();
        if inner.devices[self.device.index()].life == self.life {
            note(&mut inner);
        }
        drop(inner);
        self.book.news.notify_one();
    }

    fn record(&self, what: Occurrence) {
        self.note(|inner| inner.record(what));
    }

    /// A message of the wire, which belongs to the connection that stands.
    fn message(&self, what: impl FnOnce(DeviceIndex, ConnectionNo) -> Occurrence) {
        self.note(|inner| {
            if let Some(connection) = inner.devices[self.device.index()].connection {
                inner.record(what(self.device, connection));
            }
        });
    }

    /// A raw device sends, in a step.
    pub(in crate::world) fn sent_in_step(&self, message: &ClientMessage, step: Option<usize>) {
        let message = message.clone();
        self.message(|device, connection| Occurrence::DeviceSent { device, connection, message, step });
    }
}

impl DeviceObserver for DeviceWatch {
    fn connected(&mut self) {
        let device = self.device;
        self.note(|inner| {
            let Some(connection) = inner.devices[device.index()].dialled.take() else { return };
            inner.devices[device.index()].connection = Some(connection);
            inner.devices[device.index()].hung_up = false;
            inner.devices[device.index()].torn = false;
            inner.connections[connection.0 as usize - 1].stands = true;
            inner.record(Occurrence::Connected { device, connection });
        });
    }

    fn hung_up(&mut self, _reason: &str) {
        self.note(|inner| inner.devices[self.device.index()].hung_up = true);
    }

    fn lost(&mut self, reason: &str) {
        let device = self.device;
        let torn = reason != LIBRARY_HUNG_UP;
        self.note(|inner| {
            inner.devices[device.index()].torn = torn;
            inner.lost(device);
        });
    }

    fn sent(&mut self, message: &ClientMessage) {
        self.sent_in_step(message, None);
    }

    fn received(&mut self, message: &ServerMessage) {
        let message = message.clone();
        self.message(|device, connection| Occurrence::DeviceReceived { device, connection, message });
    }

    fn returned(&mut self, call: CallNo, result: Result<Reply, ApiError>) {
        self.record(Occurrence::Returned { device: self.device, call, result });
    }

    fn heard(&mut self, event: Arc<StampedEvent>) {
        self.record(Occurrence::Heard { device: self.device, event });
    }

    fn handled(&mut self, handler: Arc<str>, event: Arc<StampedEvent>) {
        self.record(Occurrence::Handled { device: self.device, handler, event });
    }

    fn stepped(&mut self, node: &Device) {
        self.note(|inner| {
            let program = &mut inner.devices[self.device.index()];
            program.waits = node.next_deadline().is_some();
            program.room = node.room().cloned();
        });
    }
}

/// Watches the server.
pub(in crate::world) struct ServerWatch(pub(in crate::world) Arc<Book>);

impl ServerWatch {
    fn message(&self, connection: ConnectionNo, what: impl FnOnce(DeviceIndex) -> Occurrence) {
        let mut inner = self.0.open();
        if let Some(device) = inner.owner(connection).map(|link| link.device) {
            inner.record(what(device));
        }
        drop(inner);
        self.0.news.notify_one();
    }
}

impl Observer for ServerWatch {
    // That a connection stands is recorded once it stands for both ends, which the device knows last.
    fn opened(&self, _connection: ConnectionNo) {}

    fn received(&self, connection: ConnectionNo, message: &ClientMessage) {
        let message = message.clone();
        self.message(connection, |device| Occurrence::ServerReceived { device, connection, message });
    }

    fn sent(&self, connection: ConnectionNo, message: &ServerMessage) {
        let message = message.clone();
        self.message(connection, |device| Occurrence::ServerSent { device, connection, message });
    }

    fn closed(&self, connection: ConnectionNo, by_server: bool, _reason: &str) {
        // A connection that never stood for the device was never told of.
        if !self.0.open().owner(connection).is_some_and(|link| link.stands) {
            return;
        }
        self.message(connection, |device| match by_server {
            true => Occurrence::ServerClosed { device, connection },
            false => Occurrence::ServerLost { device, connection },
        });
    }

    fn push_hint(&self, hint: &PushHint) {
        self.0.record(Occurrence::PushHinted(Box::new(hint.clone())));
    }

    fn committed(&self, _records: usize, _took: Duration) {}

    fn waits(&self, until: Option<Instant>) {
        self.0.open().server_waits = until.is_some();
    }
}
