//! Moments as lines of JSON, of which what is shared is written once: an event that goes to many devices is sent, received
//! and heard by each of them, and a request is sent and received.
//!
//! What comes out is, byte for byte, what serde makes of a moment.

use std::io::Write as _;
use std::ptr;

use serde::Serialize;

use crate::protocol::event::StampedEvent;
use crate::protocol::message::{ClientMessage, ConnectionNo, Request, Response, ServerMessage};
use crate::trace::{Moment, Occurrence};

/// Why writing can't fail.
const WRITTEN: &str = "moments have string keys, and memory takes everything";

/// Writes the moments of one trace.
pub(super) struct Lines<'t> {
    events: Texts<'t, StampedEvent>,
    requests: Texts<'t, Request>,
    responses: Texts<'t, Response>,
    line: Vec<u8>,
}

impl<'t> Lines<'t> {
    pub(super) fn new() -> Self {
        Self { events: Texts::new(), requests: Texts::new(), responses: Texts::new(), line: Vec::new() }
    }

    /// A moment, and a line break.
    pub(super) fn line(&mut self, moment: &'t Moment) -> &[u8] {
        self.line.clear();
        if !self.line_of_what_is_shared(moment) {
            serde_json::to_writer(&mut self.line, moment).expect(WRITTEN);
        }
        self.line.push(b'\n');
        &self.line
    }

    /// False, and nothing written, for a moment that shares nothing.
    fn line_of_what_is_shared(&mut self, moment: &'t Moment) -> bool {
        let line = &mut self.line;
        let begin = |line: &mut Vec<u8>, what: &str, device: u32, connection: ConnectionNo| {
            let (at, connection) = (moment.at.as_nanos(), connection.0);
            write!(line, r#"{{"at":{at},"what":{{"{what}":{{"device":{device},"connection":{connection},"message":"#)
        };
        match &moment.what {
            Occurrence::ServerSent { device, connection, message: ServerMessage::Event { seq, event } }
            | Occurrence::DeviceReceived { device, connection, message: ServerMessage::Event { seq, event } } => {
                begin(line, name_of(&moment.what), device.0, *connection).expect(WRITTEN);
                write!(line, r#"{{"type":"event","seq":{seq},"#).expect(WRITTEN);
                // The fields of the event go on where those of the message were.
                line.extend_from_slice(&self.events.text(event)[1..]);
            }
            Occurrence::ServerSent { device, connection, message: ServerMessage::Response(response) }
            | Occurrence::DeviceReceived { device, connection, message: ServerMessage::Response(response) } => {
                begin(line, name_of(&moment.what), device.0, *connection).expect(WRITTEN);
                let message = || ServerMessage::Response(response.clone());
                line.extend_from_slice(self.responses.text_as(response, message));
            }
            Occurrence::DeviceSent { device, connection, message: ClientMessage::Request(request), step: None }
            | Occurrence::ServerReceived { device, connection, message: ClientMessage::Request(request) } => {
                begin(line, name_of(&moment.what), device.0, *connection).expect(WRITTEN);
                let message = || ClientMessage::Request(request.clone());
                line.extend_from_slice(self.requests.text_as(request, message));
            }
            Occurrence::Heard { device, event } => {
                let at = moment.at.as_nanos();
                write!(line, r#"{{"at":{at},"what":{{"heard":{{"device":{},"event":"#, device.0).expect(WRITTEN);
                line.extend_from_slice(self.events.text(event));
            }
            _ => return false,
        }
        line.extend_from_slice(b"}}}");
        true
    }
}

/// As serde names the kinds that share something.
fn name_of(what: &Occurrence) -> &'static str {
    match what {
        Occurrence::DeviceSent { .. } => "deviceSent",
        Occurrence::ServerReceived { .. } => "serverReceived",
        Occurrence::ServerSent { .. } => "serverSent",
        Occurrence::DeviceReceived { .. } => "deviceReceived",
        _ => unreachable!("only messages are asked for"),
    }
}

/// How many texts are kept of each kind: those of the same time are near each other.
const KEPT: usize = 1 << 9;

/// The texts of things that are shared, each in the place that its address gives it, until another takes that place.
struct Texts<'t, T> {
    kept: Vec<Option<(&'t T, Vec<u8>)>>,
}

impl<'t, T> Texts<'t, T> {
    fn new() -> Self {
        Self { kept: std::iter::repeat_with(|| None).take(KEPT).collect() }
    }

    /// What is shared, written by itself.
    fn text(&mut self, shared: &'t T) -> &[u8]
    where
        T: Serialize,
    {
        self.text_as(shared, || shared)
    }

    /// What is shared, as a part of this.
    fn text_as<W: Serialize>(&mut self, shared: &'t T, written: impl FnOnce() -> W) -> &[u8] {
        // Allocations begin at multiples of sixteen.
        let place = ptr::from_ref(shared).addr() / 16 % KEPT;
        let (known, text) = self.kept[place].get_or_insert_with(|| (shared, Vec::new()));
        if text.is_empty() || !ptr::eq(*known, shared) {
            *known = shared;
            text.clear();
            serde_json::to_writer(&mut *text, &written()).expect(WRITTEN);
        }
        text
    }
}
