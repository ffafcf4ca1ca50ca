//! A client on the codec, as small as will do: it asks, and takes what comes in its order.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use convoke::protocol::codec;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// Nothing here takes so long unless it never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The output of something that must come.
pub(crate) async fn patiently<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("nothing came")
}

/// What a server said: a message, or that it hung up and why.
#[derive(Debug)]
pub(crate) enum Said {
    Message(Value),
    Closed(String),
}

/// A WebSocket to a server. A small buffer lets the server feel soon that nothing is read.
pub(crate) async fn connect(address: SocketAddr, buffer: Option<u32>) -> WebSocketStream<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    let stream = socket.connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut request = format!("ws://{address}/v1").into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", "convoke.v1".parse().unwrap());
    let (socket, response) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "convoke.v1");
    socket
}

pub(crate) fn login(user: &str, device: &str, platform: &str) -> Value {
    json!({"type": "login", "userId": user, "deviceId": device, "platform": platform, "userSig": ""})
}

pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
    /// The number of the last event.
    pub(crate) received: u64,
    /// What resumes the session.
    pub(crate) session: String,
    requests: u32,
    events: VecDeque<Value>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::on(connect(address, None).await)
    }

    pub(crate) fn on(socket: WebSocketStream<TcpStream>) -> Self {
        Self { socket, received: 0, session: String::new(), requests: 0, events: VecDeque::new() }
    }

    /// A device of this name with a new session, such as `alice.web`; the device is named after its platform.
    pub(crate) async fn login(address: SocketAddr, name: &str) -> Self {
        let (user, platform) = name.split_once('.').unwrap();
        let mut client = Self::connect(address).await;
        assert_eq!(client.logs_in(login(user, platform, platform)).await, Ok(false));
        client
    }

    /// Whether the session was resumed, or the code of the refusal.
    pub(crate) async fn logs_in(&mut self, login: Value) -> Result<bool, i64> {
        self.say(login).await;
        match self.hears().await {
            Said::Message(message) if message["type"] == "loggedIn" => {
                self.session = message["session"].as_str().unwrap().to_owned();
                Ok(message["resumed"].as_bool().unwrap())
            }
            Said::Message(message) => Err(message["error"]["code"].as_i64().unwrap()),
            Said::Closed(reason) => panic!("it hung up: {reason}"),
        }
    }

    /// Goes on with the session over a new connection.
    pub(crate) async fn resumes(self, address: SocketAddr, name: &str) -> Self {
        let (user, platform) = name.split_once('.').unwrap();
        let mut login = login(user, platform, platform);
        login["resume"] = json!({"session": self.session, "received": self.received});
        let mut client = Self { socket: connect(address, None).await, ..self };
        assert_eq!(client.logs_in(login).await, Ok(true));
        client
    }

    /// Sends a message, in the codec's own form.
    pub(crate) async fn say(&mut self, message: Value) {
        let text = codec::encode_client(&codec::client_from_value(message).unwrap());
        self.send(Message::text(text)).await;
    }

    /// Sends whatever it is. That it can't be sent any more shows when the answer is read.
    pub(crate) async fn send(&mut self, message: Message) {
        let _ = self.socket.send(message).await;
    }

    /// What comes next, pings aside.
    pub(crate) async fn hears(&mut self) -> Said {
        let next = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        codec::decode_server(text.as_bytes()).expect("a message of the protocol");
                        return Said::Message(serde_json::from_str(&text).unwrap());
                    }
                    Some(Ok(Message::Close(frame))) => {
                        return Said::Closed(frame.map(|frame| frame.reason.to_string()).unwrap_or_default());
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Said::Closed(error.to_string()),
                    None => return Said::Closed(String::new()),
                }
            }
        };
        patiently(next).await
    }

    pub(crate) fn next_request(&mut self, operation: &str, args: Value) -> Value {
        self.requests += 1;
        let id = format!("{}-{}", self.session, self.requests);
        json!({"type": "request", "id": id, "received": self.received, "operation": operation, "args": args})
    }

    /// Asks, and waits for the answer: its result, or the code of its error.
    pub(crate) async fn asks(&mut self, operation: &str, args: Value) -> Result<Value, i64> {
        let request = self.next_request(operation, args);
        let id = request["id"].clone();
        self.say(request).await;
        loop {
            match self.hears().await {
                Said::Message(message) if message["type"] == "response" => {
                    assert_eq!(message["id"], id);
                    return match message["error"]["code"].as_i64() {
                        Some(code) => Err(code),
                        None => Ok(message["result"].clone()),
                    };
                }
                Said::Message(message) => self.takes(message),
                Said::Closed(reason) => panic!("it hung up: {reason}"),
            }
        }
    }

    fn takes(&mut self, event: Value) {
        assert_eq!(event["seq"], self.received + 1, "{event}");
        self.received += 1;
        self.events.push_back(event);
    }

    /// The payload of the next event, which must be this.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        if self.events.is_empty() {
            match self.hears().await {
                Said::Message(message) => self.takes(message),
                Said::Closed(reason) => panic!("it hung up: {reason}"),
            }
        }
        let event = self.events.pop_front().unwrap();
        assert_eq!(event["event"], name, "{event}");
        event["payload"].clone()
    }

    /// Forgets the events that were heard and not looked at.
    pub(crate) fn ignore_events(&mut self) {
        self.events.clear();
    }

    /// The refusal after which the server hung up, if it gave one.
    pub(crate) async fn refusal(mut self) -> Option<(i64, String)> {
        let mut refused = None;
        loop {
            match self.hears().await {
                Said::Message(message) => {
                    assert_eq!(message["type"], "refused");
                    let error = &message["error"];
                    refused = Some((error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned()));
                }
                Said::Closed(_) => return refused,
            }
        }
    }
}
