//! Connects to a server by its URL, `ws://` or `wss://`, and gives the driver its frames.
//!
//! TLS is rustls with the ring provider; who is trusted is said in [`Trust`]. A proxy of the environment is passed through
//! by `CONNECT`. Every failure says what could not be reached and how to mend it. There is no pause and no second try here:
//! those are the driver's.

mod proxy;
mod tls;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::{Error as WebSocketError, ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, Uri};

pub use self::proxy::Proxies;
pub use self::tls::Trust;
use super::device::{Connection, Connector};
use super::frames::{self, FrameError, SUBPROTOCOL};
use super::{DriverLimits, std_duration};
use crate::time::Duration;

/// How connections are made.
#[derive(Clone, Debug)]
pub struct DialOptions {
    /// Which authorities may sign a server's certificate.
    pub trust: Trust,
    /// Through whom connections go.
    pub proxies: Proxies,
    /// How long one may take until frames can be exchanged.
    pub patience: Duration,
    /// The longest frame that is read, in bytes.
    pub frame_bytes_max: usize,
}

impl Default for DialOptions {
    /// The system's authorities, and no proxy.
    fn default() -> Self {
        let DriverLimits { login_patience: patience, frame_bytes_max, .. } = DriverLimits::default();
        Self { trust: Trust::default(), proxies: Proxies::default(), patience, frame_bytes_max }
    }
}

impl DialOptions {
    /// The same with what the environment says of proxies and of further authorities.
    ///
    /// # Errors
    /// When a variable there makes no sense.
    pub fn from_environment() -> Result<Self, DialError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Ok(Self { trust: Trust::from(variable), proxies: Proxies::from(variable)?, ..Self::default() })
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The URL can't be used.
    #[error("`{url}` is no address to connect to: {reason}; write ws://HOST:PORT/PATH or wss://HOST/PATH")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The authorities can't be read.
    #[error("can't read the certificates of authorities in {path}: {reason}; name a file of PEM certificates")]
    Trust {
        /// Where they should be.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Nobody is trusted at all.
    #[error(
        "this machine trusts no authority ({reason}): install its ca-certificates, or name a file of PEM certificates in \
         SSL_CERT_FILE"
    )]
    NoTrust {
        /// What was found.
        reason: String,
    },
    /// The proxy is not given in a form that can be used.
    #[error("the proxy in {variable} can't be used: {reason}; write http://HOST:PORT")]
    Proxy {
        /// Which variable of the environment names it.
        variable: String,
        /// What is wrong.
        reason: String,
    },
    /// Nobody answers there.
    #[error("can't reach {place}: {reason}")]
    Unreachable {
        /// Where.
        place: String,
        /// Why, and the mend.
        reason: String,
    },
    /// The proxy would not let it through.
    #[error("the proxy {proxy} does not connect to {target}: {reason}")]
    Tunnel {
        /// Which proxy.
        proxy: String,
        /// Where to.
        target: String,
        /// What it said, and the mend.
        reason: String,
    },
    /// The other end does not prove who it is, or speaks no TLS.
    #[error("no TLS with {place}: {reason}")]
    Tls {
        /// With whom.
        place: String,
        /// Why, and the mend.
        reason: String,
    },
    /// The other end makes no WebSocket of it.
    #[error("{url} makes no WebSocket of the connection: {reason}")]
    Handshake {
        /// Where.
        url: String,
        /// What it said, and the mend.
        reason: String,
    },
    /// It took too long.
    #[error("{url} did not answer within {patience}: is it the right address, and is the server up?")]
    Patience {
        /// Where.
        url: String,
        /// How long was waited.
        patience: Duration,
    },
}

/// Makes connections to one URL. Copies share what they know of authorities.
#[derive(Clone)]
pub struct Dialler {
    target: Target,
    /// What speaks TLS, for a URL that wants it.
    tls: Option<(TlsConnector, ServerName<'static>)>,
    proxy: Option<proxy::Proxy>,
    patience: Duration,
    frame_bytes_max: usize,
}

impl Dialler {
    /// Reads the URL and, for `wss://`, the certificates of the authorities. Connects to nobody yet.
    ///
    /// # Errors
    /// When the URL makes no sense, or the certificates can't be read.
    pub fn new(url: &str, options: &DialOptions) -> Result<Self, DialError> {
        let target = Target::parse(url)?;
        let tls = if target.secure {
            let name = ServerName::try_from(target.host.clone())
                .map_err(|_| target.refuse("the host is no name that a certificate can hold"))?;
            Some((TlsConnector::from(options.trust.client_config()?), name))
        } else {
            None
        };
        let proxy = options.proxies.towards(&target.host, target.port, target.secure).cloned();
        Ok(Self { target, tls, proxy, patience: options.patience, frame_bytes_max: options.frame_bytes_max })
    }

    /// The URL, without what may be secret in it.
    #[must_use]
    pub fn url(&self) -> String {
        self.target.to_string()
    }

    /// Makes one connection.
    ///
    /// # Errors
    /// When there is no way to the other end, or it is not what it should be.
    pub async fn dial(&self) -> Result<Connection, DialError> {
        match tokio::time::timeout(std_duration(self.patience), self.connect_now()).await {
            Ok(result) => result,
            Err(_) => Err(DialError::Patience { url: self.url(), patience: self.patience }),
        }
    }

    async fn connect_now(&self) -> Result<Connection, DialError> {
        let Target { host, port, .. } = &self.target;
        let stream = match &self.proxy {
            Some(proxy) => {
                let stream = reach(proxy.host(), proxy.port(), "the proxy ").await?;
                proxy.tunnel(stream, &self.target.authority()).await?
            }
            None => reach(host, *port, "").await?,
        };
        match &self.tls {
            None => self.shake(stream).await,
            Some((connector, name)) => {
                let connecting = connector.connect(name.clone(), stream).await;
                let stream = connecting
                    .map_err(|error| DialError::Tls { place: self.target.authority(), reason: tls::explain(&error) })?;
                self.shake(stream).await
            }
        }
    }

    async fn shake<S>(&self, stream: S) -> Result<Connection, DialError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let failed = |error: &WebSocketError| DialError::Handshake { url: self.url(), reason: explain(error) };
        let mut request = self.target.uri.clone().into_client_request().map_err(|error| failed(&error))?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
        let config = frames::websocket_config(self.frame_bytes_max);
        let shaken = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
        let (stream, _) = shaken.map_err(|error| failed(&error))?;
        let (sink, stream) = frames::websocket(stream);
        Ok((Box::new(sink), Box::new(stream)))
    }
}

impl Connector for Dialler {
    async fn connect(&mut self) -> Result<Connection, FrameError> {
        self.dial().await.map_err(|error| FrameError::Io(error.to_string()))
    }
}

/// A TCP connection. `what` says what is connected to, if it is not the target itself.
async fn reach(host: &str, port: u16, what: &str) -> Result<TcpStream, DialError> {
    let failed = |error: io::Error, mend: &str| DialError::Unreachable {
        place: format!("{what}{}", authority(host, port)),
        reason: format!("{error}{mend}"),
    };
    let found = tokio::net::lookup_host((host, port)).await.map_err(|error| failed(error, "; is the name right?"))?;
    let stream = TcpStream::connect(&*found.collect::<Vec<_>>()).await.map_err(|error| {
        let mend = match error.kind() {
            io::ErrorKind::ConnectionRefused => "; nothing listens there: is the server up, and the port right?",
            _ => "",
        };
        failed(error, mend)
    })?;
    // Messages are small and wait for nobody.
    stream.set_nodelay(true).map_err(|error| failed(error, ""))?;
    Ok(stream)
}

/// What a failed handshake means to whoever gave the URL.
fn explain(error: &WebSocketError) -> String {
    match error {
        WebSocketError::Http(response) => {
            let mend = match response.status() {
                StatusCode::NOT_FOUND => "; is the path right? `convoke serve` is at /v1",
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    "; something in front of the server wants to know who asks"
                }
                StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                    "; the proxy in front of the server can't reach it: is it up?"
                }
                status if status.is_redirection() => "; redirections are not followed: write where it leads to",
                _ => "; is there a WebSocket at this path?",
            };
            format!("it answers {}{mend}", response.status())
        }
        WebSocketError::Protocol(ProtocolError::SecWebSocketSubProtocolError(SubProtocolError::NoSubProtocol)) => {
            format!("it does not speak the subprotocol {SUBPROTOCOL}: is it another service?")
        }
        WebSocketError::Protocol(ProtocolError::HttparseError(_)) => {
            "it does not answer in HTTP: does it want wss:// rather than ws://, or is it another service?".to_owned()
        }
        WebSocketError::Protocol(ProtocolError::HandshakeIncomplete) => {
            "it hung up: does it want wss:// rather than ws://?".to_owned()
        }
        error => error.to_string(),
    }
}

/// What a URL names.
#[derive(Clone, Debug)]
struct Target {
    secure: bool,
    /// A name, or an address without brackets.
    host: String,
    port: u16,
    uri: Uri,
}

impl Target {
    fn parse(url: &str) -> Result<Self, DialError> {
        let refuse = |reason: &str| DialError::Url { url: without_secrets(url), reason: reason.to_owned() };
        let uri: Uri = url.parse().map_err(|error| refuse(&format!("{error}")))?;
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            Some("http") => return Err(refuse("a WebSocket has the scheme ws")),
            Some("https") => return Err(refuse("a WebSocket over TLS has the scheme wss")),
            Some(other) => return Err(refuse(&format!("the scheme `{other}` is unknown here"))),
            None => return Err(refuse("it has no scheme")),
        };
        let Some(named) = uri.authority() else { return Err(refuse("it names no host")) };
        if named.as_str().contains('@') {
            return Err(refuse("it holds a user, and logins are no part of the address"));
        }
        let host = named.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(refuse("it names no host"));
        }
        let port = match named.port() {
            Some(port) => port.as_u16(),
            None if named.as_str().ends_with(':')
                || named.as_str().rsplit_once(':').is_some_and(|(_, p)| is_number(p)) =>
            {
                return Err(refuse("the port is no number between 1 and 65535"));
            }
            None => {
                if secure {
                    443
                } else {
                    80
                }
            }
        };
        Ok(Self { secure, host, port, uri })
    }

    fn refuse(&self, reason: &str) -> DialError {
        DialError::Url { url: self.to_string(), reason: reason.to_owned() }
    }

    fn authority(&self) -> String {
        authority(&self.host, self.port)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&without_secrets(&self.uri.to_string()))
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Host and port as one writes them.
fn authority(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => format!("[{host}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

/// The URL without user, password and query, of which any may be a secret.
fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (named, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = named.rsplit_once('@').map_or(named, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => url.rsplit_once('@').map_or(url, |(_, host)| host).to_owned(),
    }
}

#[cfg(test)]
mod tests;
