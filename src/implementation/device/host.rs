//! The other end of contract `device`: our own client library as somebody else's would be.
//!
//! One process plays all devices that it is given. It is what an author can compare with, and what the carrier is tested
//! with: behind it the reference must show in every run what it shows in ours.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::host::{HostError, bounds_of, entropy_of};
use super::super::words::SCHEMA;
use super::words::CONTRACT;
use crate::protocol::Node;
use crate::protocol::bounds::Bounds;
use crate::protocol::call::{Call, CallNo, DeviceIdentity, Reply};
use crate::protocol::codec;
use crate::protocol::device::{DeviceConfig, DeviceInput, DeviceOutput};
use crate::protocol::message::ServerMessage;
use crate::protocol::vocabulary::EventName;
use crate::time::Instant;

/// A library for one life of a device's program.
pub type HostedDevice = dyn Node<Input = DeviceInput, Output = DeviceOutput>;

/// What is heard.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Heard {
    Hello { bounds: BTreeMap<String, u64> },
    Start { now: Instant, device: u32, identity: DeviceIdentity, auto_busy: bool, entropy: String },
    Connected { now: Instant, device: u32 },
    Disconnected { now: Instant, device: u32 },
    Message { now: Instant, device: u32, message: ServerMessage },
    Call { now: Instant, device: u32, call: CallNo, operation: String, args: Value },
    On { now: Instant, device: u32, event: String, handler: Arc<str>, removes: Vec<Arc<str>> },
    Off { now: Instant, device: u32, event: String, handler: Arc<str> },
    Wake { now: Instant, device: u32 },
    Stop,
    Fault { reason: String },
}

/// Answers line by line until `stop`, or the end of what comes. `make` makes the library of each life of a program.
///
/// # Errors
/// When the streams can't be used, or what comes is no conversation.
pub fn host_devices(
    name: &str,
    make: &dyn Fn(DeviceConfig) -> Box<HostedDevice>,
    from: impl BufRead,
    mut to: impl Write,
) -> Result<(), HostError> {
    let mut bounds: Option<Arc<Bounds>> = None;
    let mut devices: BTreeMap<u32, Box<HostedDevice>> = BTreeMap::new();
    for (line, number) in from.lines().zip(1..) {
        let wrong = |reason: String| HostError::Line(number, reason);
        let heard: Heard = serde_json::from_str(&line?).map_err(|error| wrong(error.to_string()))?;
        let is_over = matches!(heard, Heard::Stop);
        let answer = match heard {
            Heard::Hello { bounds: given } => {
                bounds = Some(Arc::new(bounds_of(&given).map_err(wrong)?));
                devices.clear();
                json!({"type": "hello", "schema": SCHEMA, "contract": CONTRACT, "name": name,
                    "version": env!("CARGO_PKG_VERSION"), "devices": "all", "reusable": true})
            }
            Heard::Stop => json!({"type": "out", "out": []}),
            Heard::Fault { reason } => return Err(wrong(format!("told of a fault: {reason}"))),
            Heard::Start { now, device, identity, auto_busy, entropy } => {
                let bounds = bounds.clone().ok_or_else(|| wrong("`start` before `hello`".to_owned()))?;
                let entropy = entropy_of(&entropy).ok_or_else(|| wrong("`entropy` is not 32 bytes".to_owned()))?;
                devices.insert(device, make(DeviceConfig { identity, bounds, auto_busy }));
                step(&mut devices, device, now, DeviceInput::Started { entropy }).map_err(wrong)?
            }
            heard => {
                let (now, device, input) = input_of(heard).map_err(wrong)?;
                step(&mut devices, device, now, input).map_err(wrong)?
            }
        };
        writeln!(to, "{answer}")?;
        to.flush()?;
        if is_over {
            break;
        }
    }
    Ok(())
}

fn input_of(heard: Heard) -> Result<(Instant, u32, DeviceInput), String> {
    let event_of = |name: &str| {
        EventName::ALL.iter().copied().find(|event| event.name() == name).ok_or_else(|| format!("no event `{name}`"))
    };
    Ok(match heard {
        Heard::Connected { now, device } => (now, device, DeviceInput::Connected),
        Heard::Disconnected { now, device } => (now, device, DeviceInput::Disconnected),
        Heard::Message { now, device, message } => (now, device, DeviceInput::Message(message)),
        Heard::Call { now, device, call, operation, args } => {
            let content = call_of(&operation, args)?;
            (now, device, DeviceInput::Call { call, content: Arc::new(content) })
        }
        Heard::On { now, device, event, handler, removes } => {
            (now, device, DeviceInput::On { event: event_of(&event)?, handler, removes })
        }
        Heard::Off { now, device, event, handler } => {
            (now, device, DeviceInput::Off { event: event_of(&event)?, handler })
        }
        Heard::Wake { now, device } => (now, device, DeviceInput::Deadline),
        Heard::Hello { .. } | Heard::Start { .. } | Heard::Stop | Heard::Fault { .. } => {
            unreachable!("handled before a device hears of it")
        }
    })
}

/// A call of the application, which may give what is no number: JSON has no word for that but `null`.
pub(in crate::implementation) fn call_of(operation: &str, mut args: Value) -> Result<Call, String> {
    let mut no_number = |name: &str| {
        let is_none = args.get(name).is_some_and(Value::is_null);
        if is_none {
            args[name] = json!(0);
        }
        is_none
    };
    let (no_timeout, no_count) = (no_number("timeout"), no_number("count"));
    let mut call = codec::call_from(operation, &args).map_err(|error| error.to_string())?;
    match &mut call {
        Call::InviteUsers { timeout, .. } if no_timeout => *timeout = f64::NAN,
        Call::GetInvitationList { count, .. } if no_count => *count = f64::NAN,
        _ => {}
    }
    Ok(call)
}

fn step(
    devices: &mut BTreeMap<u32, Box<HostedDevice>>,
    device: u32,
    now: Instant,
    input: DeviceInput,
) -> Result<Value, String> {
    let node = devices.get_mut(&device).ok_or_else(|| format!("device {device} has not been started"))?;
    let mut outputs = Vec::new();
    node.step(now, input, &mut outputs);
    let out: Vec<Value> = outputs.into_iter().map(item).collect();
    let mut answer = json!({"type": "out", "out": out});
    if let Some(at) = node.next_deadline() {
        answer["wakeAt"] = json!(at);
    }
    Ok(answer)
}

fn item(output: DeviceOutput) -> Value {
    match output {
        DeviceOutput::Connect => json!({"connect": {}}),
        DeviceOutput::Disconnect => json!({"disconnect": {}}),
        DeviceOutput::Send(message) => json!({"send": {"message": message}}),
        DeviceOutput::Returned { call, result: Ok(Reply::Void) } => json!({"result": {"call": call}}),
        DeviceOutput::Returned { call, result: Ok(reply) } => {
            json!({"result": {"call": call, "value": reply.to_api_json()}})
        }
        DeviceOutput::Returned { call, result: Err(error) } => json!({"result": {"call": call, "error": error}}),
        DeviceOutput::Event(event) => {
            json!({"event": {"event": event.event.name().name(), "payload": event.event.to_api_json()}})
        }
        DeviceOutput::Handler { handler, event } => json!({"handled": {"handler": handler,
            "event": event.event.name().name(), "payload": event.event.to_api_json()}}),
    }
}
