//! Frames over any byte stream: WebSocket messages, or lines of JSON.
//!
//! Knows nothing of what the frames say. A frame that is too long or no UTF-8 is an error with a reason, never a panic.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Sink, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "convoke.v1";

/// What travels in one piece.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// A message.
    Text(String),
    /// Asks for a sign of life; only ever written, since the WebSocket layer answers pings by itself.
    Ping,
    /// A sign of life; only ever read.
    Pong,
    /// The other end hangs up, and says why.
    Close(String),
}

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Io(String),
    /// The other end does not keep to the framing.
    #[error("{0}")]
    Malformed(String),
}

/// Writes frames into a sink of another kind, in the form that `encode` gives them, if any.
///
/// What the sink says of a failure may be asked again: that is where the combinators of futures panic.
pub(crate) struct FrameSink<S, M> {
    sink: S,
    encode: fn(Frame) -> Option<M>,
}

impl<S, M> FrameSink<S, M> {
    pub(crate) fn new(sink: S, encode: fn(Frame) -> Option<M>) -> Self {
        Self { sink, encode }
    }
}

impl<S, M> Sink<Frame> for FrameSink<S, M>
where
    S: Sink<M, Error: std::fmt::Display> + Unpin,
{
    type Error = FrameError;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), FrameError>> {
        Pin::new(&mut self.sink).poll_ready(context).map_err(io)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), FrameError> {
        match (self.encode)(frame) {
            Some(message) => Pin::new(&mut self.sink).start_send(message).map_err(io),
            None => Ok(()),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), FrameError>> {
        Pin::new(&mut self.sink).poll_flush(context).map_err(io)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), FrameError>> {
        Pin::new(&mut self.sink).poll_close(context).map_err(io)
    }
}

fn io(error: impl std::fmt::Display) -> FrameError {
    FrameError::Io(error.to_string())
}

/// How much a WebSocket may read at once and in all.
#[must_use]
pub fn websocket_config(frame_bytes_max: usize) -> WebSocketConfig {
    // A small read buffer: 8 KiB instead of 133 KiB for a pair of idle connections.
    WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_message_size(Some(frame_bytes_max))
        .max_frame_size(Some(frame_bytes_max))
}

/// Both directions of a WebSocket.
pub fn websocket<S>(
    stream: WebSocketStream<S>,
) -> (impl Sink<Frame, Error = FrameError> + Send + Unpin, impl Stream<Item = Result<Frame, FrameError>> + Send + Unpin)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (sink, stream) = stream.split();
    let sink = FrameSink::new(sink, |frame| {
        Some(match frame {
            Frame::Text(text) => Message::text(text),
            Frame::Ping => Message::Ping(Vec::new().into()),
            Frame::Pong => Message::Pong(Vec::new().into()),
            Frame::Close(reason) => Message::Close(Some(close_frame(&reason))),
        })
    });
    let stream = stream.map(|message| match message {
        Ok(Message::Text(text)) => Ok(Frame::Text(text.to_string())),
        Ok(Message::Binary(_)) => Err(FrameError::Malformed("messages are text frames, not binary ones".to_owned())),
        // The WebSocket layer answers pings by itself; here they are signs of life.
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Ok(Frame::Pong),
        Ok(Message::Close(frame)) => Ok(Frame::Close(frame.map(|f| f.reason.to_string()).unwrap_or_default())),
        Err(error) => Err(malformed_or_io(&error)),
    });
    (sink, stream)
}

fn close_frame(reason: &str) -> CloseFrame {
    let code = tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode::Normal;
    CloseFrame { code, reason: close_reason(reason).into() }
}

/// A control frame carries at most 125 bytes, two of them the code.
#[must_use]
pub fn close_reason(reason: &str) -> String {
    let mut reason = reason.to_owned();
    while reason.len() > 120 {
        reason.pop();
    }
    reason
}

fn malformed_or_io(error: &tokio_tungstenite::tungstenite::Error) -> FrameError {
    use tokio_tungstenite::tungstenite::Error;
    match error {
        Error::Capacity(_) | Error::Utf8(_) | Error::Protocol(_) => FrameError::Malformed(error.to_string()),
        _ => FrameError::Io(error.to_string()),
    }
}

/// Both directions of lines of JSON. An empty line is a sign of life, and asks for nothing.
pub fn lines<S>(
    stream: S,
    frame_bytes_max: usize,
) -> (impl Sink<Frame, Error = FrameError> + Send + Unpin, impl Stream<Item = Result<Frame, FrameError>> + Send + Unpin)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (sink, stream) = Framed::new(stream, LinesCodec::new_with_max_length(frame_bytes_max)).split();
    let sink = FrameSink::new(sink, |frame| match frame {
        Frame::Text(text) => Some(text),
        Frame::Ping | Frame::Pong => Some(String::new()),
        Frame::Close(_) => None,
    });
    let stream = stream.map(|line| match line {
        Ok(line) if line.trim().is_empty() => Ok(Frame::Pong),
        Ok(line) => Ok(Frame::Text(line)),
        Err(LinesCodecError::MaxLineLengthExceeded) => Err(FrameError::Malformed("the line is too long".to_owned())),
        Err(LinesCodecError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(FrameError::Malformed("the line is no UTF-8".to_owned()))
        }
        Err(LinesCodecError::Io(error)) => Err(FrameError::Io(error.to_string())),
    });
    (sink, stream)
}
