//! A server that runs somewhere, by its URL: the reference devices against it, over whatever network there is.
//!
//! Nobody here can start it, end it, look into it or ask it what it waits for, so it is seen from the devices' ends of the
//! wire, and a run lasts until the deadlines of `Outlook` are over. Accounts and rooms have the names that it knows
//! ([`Names`]): they are put in place of the scenario's on the way to the wire, and back on the way from it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::{Sink, StreamExt as _};
use serde_json::Value;

use super::super::WorldError;
use super::super::driver::device::{Command, Connection, Connector};
use super::super::driver::dial::Dialler;
use super::super::driver::frames::{Frame, FrameError};
use super::super::driver::{Clock, DriverLimits, std_duration};
use super::super::enact::book::{Book, Time};
use super::super::enact::line::Ends;
use super::super::enact::{Enactment, Hands, limits, refuse, unsupported};
use super::outlook::{Calls, Outlook};
use super::programs::Programs;
use super::system::refuse_long_rooms;
use super::{BACKOFF, GRAIN, SETTLE, Scale, TRANSIT_MAX, overtaken, refuse_here, scaled};
use crate::implementation::system::Names;
use crate::plan::{Action, DeviceIndex, Plan};
use crate::protocol::call::{Call, CallNo};
use crate::protocol::codec;
use crate::protocol::device::DeviceInput;
use crate::protocol::vocabulary::RoomId;
use crate::time::{Duration, Instant};
use crate::trace::outside::Vantage;
use crate::trace::{Occurrence, Trace};

/// How a plan is carried out.
#[derive(Clone)]
pub struct Options {
    /// Where the server is.
    pub dialler: Dialler,
    /// How many times shorter every span is than in the plan: those of the server, too.
    pub scale: Scale,
    /// How long a run may take, in real time.
    pub longest: Duration,
    /// Who plays whom there.
    pub names: Names,
    /// What the ids of all devices begin with: a server remembers what a device has asked (IDM-1), and two runs of one plan
    /// have the same request ids.
    pub device_prefix: String,
}

/// Carries a plan out, and cleans up behind it.
///
/// # Errors
/// [`WorldError::Unsupported`] where it can't be enacted there; else when the setup is refused, the run does not come to an
/// end, or this machine was too busy.
pub fn run(plan: &Plan, options: &Options) -> Result<Trace, WorldError> {
    refuse(plan)?;
    refuse_beyond(plan)?;
    refuse_long_rooms(plan, &options.names)?;
    let plan = Arc::new(scaled(plan, options.scale)?);
    refuse_here(&plan, false, options.longest)?;
    let broken = |error: std::io::Error| WorldError::Broken(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
    let trace = runtime.block_on(enact(&plan, options))?;
    match overtaken(&trace) {
        None => Ok(trace),
        Some(place) => Err(super::too_busy(1, place)),
    }
}

fn refuse_beyond(plan: &Plan) -> Result<(), WorldError> {
    for step in &plan.steps {
        if let Action::CrashServer { .. } | Action::RestartServer = step.action {
            return Err(unsupported(step.place, "nobody here can end the server"));
        }
    }
    Ok(())
}

async fn enact(plan: &Arc<Plan>, options: &Options) -> Result<Trace, WorldError> {
    let clock = Clock::starting_at(Instant::START);
    let book = Book::new(plan.devices.len(), Time::Runs(clock), Vantage::Devices { transit_max: TRANSIT_MAX });
    let limits = DriverLimits { backoff_min: BACKOFF.0, backoff_max: BACKOFF.1, ..limits(plan) };
    let ends = Ends { plan: plan.clone(), book: book.clone(), limits };
    let programs = Programs::new(ends.clone(), clock);
    let mut machine = Machine { ends, options, programs, failed: None };
    let mut enactment = Enactment::new(plan, &book, SETTLE).patiently(GRAIN);
    let mut outlook = Outlook::new(&plan.service.bounds);
    let mut calls = Calls::new();
    let mut rooms: BTreeMap<RoomId, DeviceIndex> = BTreeMap::new();
    let mut seen = 0;
    let end = clock.when(Instant::START + options.longest);
    loop {
        for moment in book.since(seen) {
            seen += 1;
            note_room(&mut rooms, &calls, &moment.what);
            outlook.sees(plan, &mut calls, &moment.what, book.world_now());
        }
        book.server_may_wait_until(outlook.until());
        let over = enactment.advance(&mut machine)?;
        if let Some(error) = machine.failed.take() {
            return Err(error);
        }
        if over {
            break;
        }
        let now = tokio::time::Instant::now();
        if now > end {
            return Err(WorldError::Unfinished { longest: options.longest });
        }
        let soon = now + std_duration(Duration::from_millis(20));
        let next = enactment.next_step().zip(book.began());
        let next = next.map(|(at, began)| clock.when(began + at.since(Instant::START)));
        let a_little = now + std_duration(Duration::from_millis(2));
        let wake = next.map_or(soon, |next| next.clamp(a_little, soon));
        tokio::select! {
            biased;
            () = book.news.notified() => {}
            () = tokio::time::sleep_until(wake) => {}
        }
    }
    let trace = enactment.trace();
    machine.clean_up(rooms, &book).await;
    Ok(trace)
}

/// Which rooms were made, by whom, while they may exist.
fn note_room(rooms: &mut BTreeMap<RoomId, DeviceIndex>, calls: &Calls, what: &Occurrence) {
    let Occurrence::Returned { device, call, result: Ok(_) } = what else { return };
    match calls.get(&(*device, *call)).map(|content| &**content) {
        Some(Call::CreateRoom { room_id, .. }) => {
            rooms.insert(room_id.clone(), *device);
        }
        Some(Call::DestroyRoom { room_id }) => {
            rooms.remove(room_id);
        }
        _ => {}
    }
}

struct Machine<'r> {
    ends: Ends,
    options: &'r Options,
    programs: Programs,
    failed: Option<WorldError>,
}

impl Machine<'_> {
    /// Leaves nothing behind: rooms are dissolved by who made them, and everybody logs out. What is refused then is no
    /// matter of the run.
    async fn clean_up(&mut self, rooms: BTreeMap<RoomId, DeviceIndex>, book: &Book) {
        const PATIENCE: Duration = Duration::from_secs(2);
        let mut number = u32::MAX;
        let mut call = |machine: &mut Self, device, content: Call| {
            number -= 1;
            let call = DeviceInput::Call { call: CallNo(number), content: Arc::new(content) };
            machine.tell(device, Command::Input(call));
        };
        let dissolved = rooms.len();
        for (room_id, device) in rooms {
            call(self, device, Call::DestroyRoom { room_id });
        }
        answered(book, dissolved, PATIENCE).await;
        let devices = self.programs.devices();
        let all = dissolved + devices.len();
        for device in devices {
            call(self, device, Call::Logout {});
        }
        answered(book, all, PATIENCE).await;
    }
}

/// Waits until so many calls have been answered, but not for long.
async fn answered(book: &Book, count: usize, patience: Duration) {
    let end = tokio::time::Instant::now() + std_duration(patience);
    let is_answer = |what: &Occurrence| matches!(what, Occurrence::Returned { .. });
    while book.since(0).iter().filter(|moment| is_answer(&moment.what)).count() < count {
        if tokio::time::timeout_at(end, book.news.notified()).await.is_err() {
            return;
        }
    }
}

impl Hands for Machine<'_> {
    fn start(&mut self, device: DeviceIndex, life: u32) {
        let connector = There { ends: self.ends.clone(), device, options: self.options.clone() };
        self.programs.start(device, life, connector);
    }

    fn kill(&mut self, device: DeviceIndex) {
        self.programs.kill(device);
    }

    fn tell(&mut self, device: DeviceIndex, command: Command) {
        if let Err(error) = self.programs.tell(device, command) {
            self.failed = Some(error);
        }
    }

    fn start_server(&mut self) {
        self.ends.book.server_started();
    }
}

/// A device's way to the server.
struct There {
    ends: Ends,
    device: DeviceIndex,
    options: Options,
}

impl Connector for There {
    async fn connect(&mut self) -> Result<Connection, FrameError> {
        // Where it dials from is nobody's business.
        self.ends.book.dialled(self.device, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        let (sink, stream) = self.options.dialler.connect().await?;
        let (names, back) = (self.options.names.clone(), self.options.names.clone());
        let sink = Renamed { sink, names, device_prefix: self.options.device_prefix.clone() };
        let stream = stream.map(move |frame| match frame {
            Ok(Frame::Text(text)) => Ok(Frame::Text(inward(&text, &back))),
            frame => frame,
        });
        Ok((Box::new(sink), Box::new(stream)))
    }
}

/// Puts what is sent into the server's words.
struct Renamed<S> {
    sink: S,
    names: Names,
    device_prefix: String,
}

impl<S: Sink<Frame, Error = FrameError> + Unpin> Sink<Frame> for Renamed<S> {
    type Error = FrameError;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), FrameError>> {
        Pin::new(&mut self.sink).poll_ready(context)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), FrameError> {
        let frame = match frame {
            Frame::Text(text) => Frame::Text(outward(&text, &self.names, &self.device_prefix)),
            frame => frame,
        };
        Pin::new(&mut self.sink).start_send(frame)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), FrameError>> {
        Pin::new(&mut self.sink).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), FrameError>> {
        Pin::new(&mut self.sink).poll_close(context)
    }
}

/// A message to the server in its words.
fn outward(text: &str, names: &Names, device_prefix: &str) -> String {
    let Ok(mut message) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    if let Some(args) = message.get_mut("args") {
        names.outward(args);
    } else if message["type"] == "login"
        && let Some(fields) = message.as_object_mut()
    {
        let user = fields.get("userId").and_then(Value::as_str).unwrap_or_default().to_owned();
        fields.insert("userId".to_owned(), names.account(&user).into());
        let device = fields.get("deviceId").and_then(Value::as_str).unwrap_or_default();
        fields.insert("deviceId".to_owned(), format!("{device_prefix}{device}").into());
        let has_none = fields.get("userSig").and_then(Value::as_str).is_none_or(str::is_empty);
        if let Some(sig) = names.person(&user).and_then(|person| person.user_sig.clone()).filter(|_| has_none) {
            fields.insert("userSig".to_owned(), sig.into());
        }
    }
    message.to_string()
}

/// A message of the server in the scenario's words. One that is none is left to whoever reads it.
fn inward(text: &str, names: &Names) -> String {
    let Ok(mut message) = codec::value_from(text) else { return text.to_owned() };
    for part in ["result", "payload"] {
        if let Some(part) = message.get_mut(part) {
            names.inward(part, false);
        }
    }
    if let Some(about) = message.pointer_mut("/stamp/about/invitee")
        && let Some(account) = about.as_str()
    {
        *about = names.user(account).into();
    }
    message.to_string()
}
