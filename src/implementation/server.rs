//! A whole server of somebody else as a node (contract `full`): one input, one line, and the outputs that it wants.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::core::wakes_for_nothing;
use super::fault::{Fault, FaultKind};
use super::life::Seat;
use super::words::{Item, Out, Said};
use crate::protocol::Node;
use crate::protocol::message::ConnectionNo;
use crate::protocol::service::{Record, ServiceConfig, ServiceInput, ServiceOutput};
use crate::time::Instant;

/// The server as a world sees it.
#[derive(Debug)]
pub struct ForeignServer {
    seat: Arc<Seat>,
    config: ServiceConfig,
    open: BTreeSet<ConnectionNo>,
    wake_at: Option<Instant>,
}

impl ForeignServer {
    /// The server that has this seat.
    #[must_use]
    pub fn new(seat: Arc<Seat>, config: ServiceConfig) -> Self {
        Self { seat, config, open: BTreeSet::new(), wake_at: None }
    }

    fn read(&mut self, said: &Said<'_>, out: Option<Out>, outputs: &mut Vec<ServiceOutput>) {
        let Some(Out { items, wake_at }) = out else {
            self.wake_at = None;
            return;
        };
        self.wake_at = wake_at;
        for (index, item) in items.into_iter().enumerate() {
            match item {
                Item::Send { connection, message } if self.open.contains(&connection) => {
                    outputs.push(ServiceOutput::Send { connection, message });
                }
                Item::Close { connection } if self.open.remove(&connection) => {
                    outputs.push(ServiceOutput::Close { connection });
                }
                Item::Send { connection, .. } | Item::Close { connection } => {
                    let reason = format!("at /out/{index}: connection {} is not open", connection.0);
                    self.refuse(said, Fault::new(FaultKind::Malformed, "4", reason));
                    return;
                }
                Item::Push(hint) => outputs.push(ServiceOutput::PushHint(hint)),
                Item::Persist(value) => outputs.push(ServiceOutput::Persist(Arc::new(Record::Kept(value)))),
                Item::Response(_) | Item::Event { .. } => unreachable!("they are refused where they are read"),
            }
        }
        if let (Some(at), Said::Wake { now }) = (self.wake_at, said)
            && let Some(fault) = wakes_for_nothing(*now, at)
        {
            self.refuse(said, fault);
        }
    }

    fn refuse(&mut self, said: &Said<'_>, fault: Fault) {
        self.wake_at = None;
        self.seat.refuse(said, fault);
    }
}

impl Node for ForeignServer {
    type Input = ServiceInput;
    type Output = ServiceOutput;

    fn step(&mut self, now: Instant, input: ServiceInput, outputs: &mut Vec<ServiceOutput>) {
        match input {
            ServiceInput::Started { records, entropy } => {
                let kept: Vec<Value> = records
                    .iter()
                    .filter_map(|record| match &**record {
                        Record::Kept(value) => Some(value.clone()),
                        _ => None,
                    })
                    .collect();
                let said = Said::start(now, entropy, &kept, None);
                let out = self.seat.begin(&self.config, &said);
                self.read(&said, out, outputs);
            }
            ServiceInput::Opened { connection } => {
                self.open.insert(connection);
                self.say(&Said::Open { now, connection }, outputs);
            }
            ServiceInput::Closed { connection } => {
                // That a connection is gone which it has closed itself is no news.
                if self.open.remove(&connection) {
                    self.say(&Said::Closed { now, connection }, outputs);
                }
            }
            ServiceInput::Message { connection, message } => {
                self.say(&Said::Message { now, connection, message: &message }, outputs);
            }
            ServiceInput::Deadline => self.say(&Said::Wake { now }, outputs),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.wake_at
    }
}

impl ForeignServer {
    fn say(&mut self, said: &Said<'_>, outputs: &mut Vec<ServiceOutput>) {
        let out = self.seat.say(said);
        self.read(said, out, outputs);
    }
}
