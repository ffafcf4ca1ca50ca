//! The client side of a connection by URL: over TLS, through proxies, and what is said when it does not come about.

use std::path::Path;
use std::sync::Arc;

use convoke::protocol::bounds::Bounds;
use convoke::protocol::call::{Call, CallNo, DeviceIdentity, Reply};
use convoke::protocol::device::{Device, DeviceConfig, DeviceInput};
use convoke::protocol::event::StampedEvent;
use convoke::protocol::message::{ClientMessage, ServerMessage};
use convoke::protocol::vocabulary::{ApiError, Platform};
use convoke::time::Instant;
use convoke::world::driver::device::{Command, DeviceObserver, device};
use convoke::world::driver::dial::{DialOptions, Dialler, Proxies, Trust};
use convoke::world::driver::{Clock, DriverLimits};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::client::patiently;
use super::process::{Folder, Server};

/// Ends TLS in front of a server, under a name that an authority of its own vouches for. Returns its address.
async fn terminator(server: std::net::SocketAddr, name: &str, authority_file: &Path) -> std::net::SocketAddr {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(parameters, authority_key).unwrap();
    std::fs::write(authority_file, authority.pem()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust it hangs up.
                let Ok(mut near) = acceptor.accept(stream).await else { return };
                let mut far = TcpStream::connect(server).await.unwrap();
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    address
}

/// An HTTP proxy that leads everybody who knows the password to one address. Returns where it is.
async fn proxy(target: std::net::SocketAddr) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    assert!(stream.read_line(&mut head).await.unwrap() > 0);
                }
                assert!(head.starts_with("CONNECT calls.example.com:443 HTTP/1.1\r\n"), "{head}");
                // eve:hush
                if head.contains("Proxy-Authorization: Basic ZXZlOmh1c2g=\r\n") {
                    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                    let mut far = TcpStream::connect(target).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut far).await;
                } else {
                    let words = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
                    stream.write_all(words).await.unwrap();
                }
            });
        }
    });
    address
}

/// Hands on what the application is told.
struct Application(mpsc::UnboundedSender<Result<Reply, ApiError>>);

impl DeviceObserver for Application {
    fn connected(&mut self) {}
    fn unreachable(&mut self, reason: &str) {
        panic!("{reason}");
    }
    fn lost(&mut self, _: &str) {}
    fn sent(&mut self, _: &ClientMessage) {}
    fn received(&mut self, _: &ServerMessage) {}
    fn returned(&mut self, _: CallNo, result: Result<Reply, ApiError>) {
        let _ = self.0.send(result);
    }
    fn heard(&mut self, _: Arc<StampedEvent>) {}
    fn handled(&mut self, _: Arc<str>, _: Arc<StampedEvent>) {}
}

/// Logs a client library in over these connections, and makes a room: what its application is told.
async fn makes_a_room(dialler: Dialler, user: &str, user_sig: &str) -> Vec<Result<Reply, ApiError>> {
    let identity = DeviceIdentity { user_id: user.into(), device_id: "d1".into(), platform: Platform::Web };
    let node = Device::new(DeviceConfig { identity, bounds: Bounds::default().into(), auto_busy: false });
    let (told, mut tells) = mpsc::unbounded_channel();
    let (commands, orders) = mpsc::channel(8);
    let clock = Clock::starting_at(Instant::START);
    let driver = device(node, [7; 32], clock, DriverLimits::default(), dialler, Application(told), orders);
    let driver = tokio::spawn(driver);
    let room = Call::CreateRoom {
        room_id: "r1".into(),
        room_name: "".into(),
        room_type: convoke::protocol::vocabulary::RoomType::Conference,
        password: "".into(),
        max_member_count: 0,
        schedule_attendees: Vec::new(),
    };
    let mut results = Vec::new();
    for (number, call) in (1..).zip([Call::Login { user_sig: user_sig.into() }, room]) {
        let input = DeviceInput::Call { call: CallNo(number), content: Arc::new(call) };
        commands.send(Command::Input(input)).await.unwrap();
        results.push(patiently(tells.recv()).await.expect("the driver runs"));
    }
    drop(commands);
    driver.await.unwrap();
    results
}

#[tokio::test]
async fn a_library_calls_over_tls_with_its_token() {
    let folder = Folder::new("tls");
    std::fs::write(folder.0.join("secret"), super::SECRET).unwrap();
    let id = super::SDK_APP_ID;
    let arguments = format!("--listen 127.0.0.1:0 --sdk-app-id {id} --secret-file secret");
    let server = Server::run(&folder, folder.command(&arguments));
    let authority = folder.0.join("authority.pem");
    let front = terminator(server.address, "localhost", &authority).await;
    let options = DialOptions { trust: Trust { extra: vec![authority] }, ..DialOptions::default() };
    let url = format!("wss://localhost:{}/v1", front.port());
    let dialler = Dialler::new(&url, &options).unwrap();
    let token = convoke::serve::user_sig::UserSigKey::new(id, super::SECRET).issue("alice", super::unix_seconds(), 600);
    let results = makes_a_room(dialler.clone(), "alice", &token).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    // The same address without a token: the server is reached, and refuses.
    let results = makes_a_room(dialler, "mallory", "").await;
    assert_eq!(results[0].as_ref().unwrap_err().code.0, -1002);
}

#[tokio::test]
async fn a_proxy_leads_to_a_server_outside() {
    let folder = Folder::new("proxy");
    let server = Server::start(&folder, "");
    let authority = folder.0.join("authority.pem");
    let front = terminator(server.address, "calls.example.com", &authority).await;
    let proxy = proxy(front).await;
    let through = |credentials: &str| {
        let value = format!("http://{credentials}{proxy}");
        let proxies = Proxies::from(|name| (name == "https_proxy").then(|| value.clone())).unwrap();
        let trust = Trust { extra: vec![authority.clone()] };
        Dialler::new("wss://calls.example.com/v1", &DialOptions { trust, proxies, ..DialOptions::default() }).unwrap()
    };
    let results = makes_a_room(through("eve:hush@"), "alice", "").await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let error = patiently(through("").dial()).await.err().expect("it is refused").to_string();
    assert!(error.contains("407 Proxy Authentication Required") && error.contains("USER:PASSWORD"), "{error}");
    let error = patiently(through("eve:hash@").dial()).await.err().expect("it is refused").to_string();
    assert!(error.contains("407") && !error.contains("hash"), "{error}");
}

#[tokio::test]
async fn why_there_is_no_connection_is_told_with_its_mend() {
    let folder = Folder::new("no-way");
    let server = Server::start(&folder, "--listen-lines 127.0.0.1:0");
    let authority = folder.0.join("authority.pem");
    let front = terminator(server.address, "calls.example.com", &authority).await;
    let trusting = DialOptions { trust: Trust { extra: vec![authority] }, ..DialOptions::default() };
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, silent) = (server.address, nobody.local_addr().unwrap());
    let quick = DialOptions { patience: convoke::time::Duration::from_millis(300), ..DialOptions::default() };
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (url, options, words) in [
        (format!("wss://{front}/v1"), &DialOptions::default(), "an authority that this machine does not trust"),
        (format!("wss://localhost:{}/v1", front.port()), &trusting, "its certificate is for another name"),
        (format!("wss://{address}/v1"), &trusting, "does it want ws:// rather than wss://?"),
        (format!("ws://{front}/v1"), &trusting, "does it want wss:// rather than ws://"),
        (format!("ws://{address}/v2"), &trusting, "it answers 404 Not Found; is the path right?"),
        (format!("ws://{address}/healthz"), &trusting, "it answers 200 OK; is there a WebSocket at this path?"),
        (format!("ws://{}/v1", server.lines.unwrap()), &trusting, "it does not answer in HTTP"),
        (format!("ws://{closed}/v1"), &trusting, "nothing listens there"),
        (format!("ws://{silent}/v1"), &quick, "did not answer within 300ms"),
    ] {
        let dialler = Dialler::new(&url, options).unwrap();
        let error = patiently(dialler.dial()).await.err().expect("an error").to_string();
        assert!(error.contains(words), "{url}: {error}");
    }
}
