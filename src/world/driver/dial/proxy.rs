//! HTTP proxies that the environment names, and the way through them: `CONNECT`.
//!
//! The rules are those of most programs: `https_proxy` (for `wss`), `http_proxy` (for `ws`), `all_proxy` for both, and
//! `no_proxy` for exceptions. The machine itself is never reached through a proxy.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::http::Uri;

use super::{DialError, authority};

/// No proxy says more before the tunnel stands, in bytes.
const ANSWER_BYTES_MAX: usize = 8192;

/// Through whom connections go.
#[derive(Clone, Default, Debug)]
pub struct Proxies {
    /// For `ws`.
    plain: Option<Proxy>,
    /// For `wss`.
    secure: Option<Proxy>,
    exceptions: Vec<Exception>,
}

/// An HTTP proxy.
#[derive(Clone)]
pub(super) struct Proxy {
    host: String,
    port: u16,
    /// What proves to the proxy who asks: `user:password`.
    credentials: Option<String>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&authority(&self.host, self.port))
    }
}

/// Who is reached without a proxy.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Exception {
    Everybody,
    /// Addresses whose first bits are these.
    Network(IpAddr, u32),
    /// A name and the names below it, at one port or all.
    Name(String, Option<u16>),
}

impl Proxies {
    /// What variables of this kind say.
    ///
    /// # Errors
    /// When one of them names a proxy that can't be used.
    pub fn from(variable: impl Fn(&str) -> Option<String>) -> Result<Self, DialError> {
        let first = |names: &[&str]| -> Result<Option<Proxy>, DialError> {
            match names.iter().find_map(|name| variable(name).map(|value| (*name, value))) {
                Some((name, value)) => Proxy::parse(&value)
                    .map(Some)
                    .map_err(|reason| DialError::Proxy { variable: name.to_owned(), reason }),
                None => Ok(None),
            }
        };
        let exceptions = variable("no_proxy").or_else(|| variable("NO_PROXY")).unwrap_or_default();
        Ok(Self {
            // A web server tells its programs of a header `Proxy` in HTTP_PROXY: anybody could set it.
            plain: first(&["http_proxy", "all_proxy", "ALL_PROXY"])?,
            secure: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            exceptions: exceptions
                .split(',')
                .map(str::trim)
                .filter(|text| !text.is_empty())
                .map(Exception::of)
                .collect(),
        })
    }

    /// The proxy on the way to a host, if there is one.
    pub(super) fn towards(&self, host: &str, port: u16, secure: bool) -> Option<&Proxy> {
        let proxy = if secure { self.secure.as_ref() } else { self.plain.as_ref() }?;
        let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        (!is_here && !self.exceptions.iter().any(|exception| exception.covers(host, port))).then_some(proxy)
    }
}

impl Exception {
    fn of(text: &str) -> Self {
        if text == "*" {
            return Self::Everybody;
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, bits.parse().ok()),
            None => (text, Some(128)),
        };
        if let (Ok(address), Some(bits)) = (address.trim_matches(['[', ']']).parse(), bits) {
            return Self::Network(address, bits);
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => (name, port.parse().ok()),
            _ => (text, None),
        };
        Self::Name(name.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase(), port)
    }

    fn covers(&self, host: &str, port: u16) -> bool {
        match self {
            Self::Everybody => true,
            Self::Network(network, bits) => host.parse().is_ok_and(|address| shares_bits(*network, address, *bits)),
            Self::Name(name, at) => {
                let host = host.to_ascii_lowercase();
                let below = host.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
                below && at.is_none_or(|at| at == port)
            }
        }
    }
}

/// Whether two addresses begin with the same bits; more bits than an address has are all of them.
fn shares_bits(one: IpAddr, other: IpAddr, bits: u32) -> bool {
    let differ =
        |one: u128, other: u128, width: u32| (one ^ other).checked_shr(width.saturating_sub(bits)).unwrap_or(0) != 0;
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => !differ(u128::from(one.to_bits()), u128::from(other.to_bits()), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => !differ(one.to_bits(), other.to_bits(), 128),
        _ => false,
    }
}

impl Proxy {
    /// Reads `http://user:password@host:port`. What is said of an error never holds the password.
    fn parse(text: &str) -> Result<Self, String> {
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = text.parse().map_err(|error| format!("it is no address ({error})"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some(scheme) => return Err(format!("it is a proxy of the kind `{scheme}`, and only `http` is known here")),
            None => return Err("it has no scheme".to_owned()),
        }
        let named = uri.authority().ok_or("it names no host")?;
        let host = named.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err("it names no host".to_owned());
        }
        let credentials = named.as_str().rsplit_once('@').map(|(credentials, _)| decoded(credentials)).transpose()?;
        Ok(Self { host, port: named.port_u16().unwrap_or(80), credentials })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Asks the proxy at the other end of the stream for a way to the target.
    pub(super) async fn tunnel(&self, mut stream: TcpStream, target: &str) -> Result<TcpStream, DialError> {
        let failed = |reason: String| DialError::Tunnel {
            proxy: authority(&self.host, self.port),
            target: target.to_owned(),
            reason,
        };
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(credentials) = &self.credentials {
            request.push_str(&format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(credentials)));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.map_err(|error| failed(error.to_string()))?;
        let mut answer = Vec::new();
        let end = loop {
            // Nobody at the other end speaks first, so nothing behind the answer can be here yet.
            if let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            if answer.len() > ANSWER_BYTES_MAX {
                return Err(failed("it does not come to an end with its answer".to_owned()));
            }
            match stream.read_buf(&mut answer).await {
                Ok(0) => return Err(failed("it hung up".to_owned())),
                Ok(_) => {}
                Err(error) => return Err(failed(error.to_string())),
            }
        };
        let line = String::from_utf8_lossy(answer.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
        let Some(status) = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..)) else {
            return Err(failed("it does not answer in HTTP".to_owned()));
        };
        match status.get(..3) {
            Some(code) if code.starts_with('2') && end + 4 == answer.len() => Ok(stream),
            Some(code) if code.starts_with('2') => Err(failed("it speaks before it was spoken to".to_owned())),
            Some("407") => Err(failed(format!(
                "it answers {status:?}: write who you are into its address, http://USER:PASSWORD@HOST:PORT"
            ))),
            _ => Err(failed(format!("it answers {status:?}"))),
        }
    }
}

/// What percent signs stand for.
fn decoded(text: &str) -> Result<String, String> {
    let wrong = || "its user or password has a % that is not followed by two digits".to_owned();
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or_else(wrong)?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).map_err(|_| "its user or password is no UTF-8".to_owned())
}
