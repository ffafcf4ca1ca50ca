//! Both ends of a connection over any stream: a WebSocket handshake, and the frames of the driver.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite};

use super::book::{Book, DeviceWatch, ServerWatch};
use crate::plan::{DeviceIndex, Plan};
use crate::protocol::device::Device;
use crate::protocol::service::{Record, Service};
use crate::trace::Occurrence;
use crate::world::driver::device::{Command, Connection, Connector, device};
use crate::world::driver::frames::{self, FrameError};
use crate::world::driver::server::{Journal, JournalError, ServerHandle, ServerSetup, server};
use crate::world::driver::{Clock, DriverLimits};
use crate::world::{device_config, device_entropy, server_entropy, service_config};

/// The disk of a server that may crash: it outlives the server's host.
#[derive(Clone, Default)]
pub(in crate::world) struct Disk(Arc<Mutex<Vec<Arc<Record>>>>);

impl Disk {
    pub(in crate::world) fn records(&self) -> Vec<Arc<Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Journal for Disk {
    fn append(&mut self, records: &[Arc<Record>]) -> Result<(), JournalError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for record in records {
            if matches!(&**record, Record::Checkpoint(_)) {
                kept.clear();
            }
            kept.push(record.clone());
        }
        Ok(())
    }
}

/// What a world's ends share.
#[derive(Clone)]
pub(in crate::world) struct Ends {
    pub(in crate::world) plan: Arc<Plan>,
    pub(in crate::world) book: Arc<Book>,
    pub(in crate::world) limits: DriverLimits,
}

impl Ends {
    /// A device's end of a stream that it has dialled.
    pub(in crate::world) async fn dial<S>(
        &self,
        device: DeviceIndex,
        stream: S,
        from: SocketAddr,
    ) -> Result<Connection, FrameError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.book.dialled(device, from);
        let config = frames::websocket_config(self.limits.frame_bytes_max);
        let shaken = tokio_tungstenite::client_async_with_config("ws://server/v1", stream, Some(config)).await;
        let (stream, _) = shaken.map_err(|error| FrameError::Io(error.to_string()))?;
        let (sink, stream) = frames::websocket(stream);
        Ok((Box::new(sink), Box::new(stream)))
    }

    /// The server's end of a stream that it has accepted, until it ends.
    pub(in crate::world) async fn accept<S>(&self, handle: &ServerHandle, stream: S, from: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let config = frames::websocket_config(self.limits.frame_bytes_max);
        // A stream that fails before it is a connection is the device's business, which dials again.
        let Ok(stream) = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await else { return };
        let Some(connection) = self.book.connection_from(from) else { return };
        let (sink, stream) = frames::websocket(stream);
        handle.serve_as(connection, sink, stream).await;
    }

    /// The program on a device, until its commands end.
    pub(in crate::world) async fn run_device<C: Connector>(
        self,
        index: DeviceIndex,
        life: u32,
        clock: Clock,
        connector: C,
        commands: tokio::sync::mpsc::Receiver<Command>,
    ) {
        let node = Device::new(device_config(&self.plan, index));
        let entropy = device_entropy(&self.plan, index, life);
        let watch = DeviceWatch { book: self.book, device: index, life };
        device(node, entropy, clock, self.limits, connector, watch, commands).await;
    }

    /// One life of the server, counted from 0: its handle, and what runs it.
    pub(in crate::world) fn server(
        &self,
        life: u64,
        clock: Clock,
        disk: Option<&Disk>,
    ) -> (ServerHandle, impl Future<Output = Result<(), JournalError>> + Send + use<>) {
        let records = disk.map(Disk::records).unwrap_or_default();
        self.book.record(Occurrence::ServerStarted { records: records.len() });
        // The world ends a server by force: nothing is ever to be closed in an orderly way.
        let (_, stopping) = tokio::sync::watch::channel(false);
        server(ServerSetup {
            service: Box::new(Service::new(service_config(&self.plan, disk.is_some()))),
            records,
            entropy: server_entropy(&self.plan, life),
            journal: disk.map(|disk| Box::new(disk.clone()) as Box<dyn Journal>),
            clock,
            authenticate: Arc::new(|_| Ok(())),
            observer: Arc::new(ServerWatch(self.book.clone())),
            limits: self.limits.clone(),
            stopping,
        })
    }
}
