//! HTTP connections that do not wait for ever: whoever has not got to a WebSocket in time is cut off.
//!
//! HTTP itself sets no bound on how slowly a request may come. Behind the upgrade the driver has bounds of its own, and
//! this one ends. Short requests, such as those for metrics, come over a new connection after that time.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

/// Accepts connections and gives each the same patience.
pub(super) struct PatientListener {
    pub(super) listener: TcpListener,
    pub(super) patience: Duration,
}

/// The other end of an HTTP connection.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    upgraded: Arc<AtomicBool>,
}

impl Peer {
    /// The connection is a WebSocket now, and somebody else watches over it.
    pub(super) fn upgrade(&self) {
        self.upgraded.store(true, Ordering::Relaxed);
    }
}

/// A TCP connection that fails when its patience is over.
pub(super) struct PatientStream {
    stream: TcpStream,
    peer: Peer,
    over: Option<Pin<Box<Sleep>>>,
}

impl Listener for PatientListener {
    type Io = PatientStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (PatientStream, SocketAddr) {
        // axum's own accept pauses when the process has no file descriptors left.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Messages are small and wait for nobody. A connection without the option is merely slower.
        drop(stream.set_nodelay(true));
        let peer = Peer { address, upgraded: Arc::default() };
        (PatientStream { stream, peer, over: Some(Box::pin(sleep(self.patience))) }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, PatientListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, PatientListener>) -> Self {
        stream.io().peer.clone()
    }
}

impl PatientStream {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Some(over) = &mut self.over else { return Ok(()) };
        if self.peer.upgraded.load(Ordering::Relaxed) {
            self.over = None;
            return Ok(());
        }
        match over.as_mut().poll(context) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl AsyncRead for PatientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for PatientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
