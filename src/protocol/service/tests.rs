use super::{Record, Service, ServiceConfig, ServiceInput, ServiceOutput};
use crate::protocol::Node as _;
use crate::protocol::bounds::Bounds;
use crate::protocol::codec;
use crate::protocol::message::{ConnectionNo, ServerMessage};
use crate::time::Instant;

const CONNECTION: ConnectionNo = ConnectionNo(1);

fn said(service: &mut Service, text: &str) -> Vec<ServiceOutput> {
    let message = codec::decode_client(text).expect("a lawful message");
    let mut outputs = Vec::new();
    service.step(Instant::START, ServiceInput::Message { connection: CONNECTION, message }, &mut outputs);
    outputs
}

#[test]
fn checkpoints_hold_fewer_things_than_are_recorded_between_them() {
    let mut service = Service::new(ServiceConfig {
        bounds: Bounds::default(),
        rate_limits: false,
        accounts: Vec::new(),
        open_accounts: true,
        checkpoint_every: Some(10),
    });
    let mut outputs = Vec::new();
    service.step(Instant::START, ServiceInput::Started { records: Vec::new(), entropy: [7; 32] }, &mut outputs);
    service.step(Instant::START, ServiceInput::Opened { connection: CONNECTION }, &mut outputs);
    outputs.extend(said(
        &mut service,
        r#"{"type":"login","userId":"alice","deviceId":"d","platform":"web","userSig":""}"#,
    ));
    // Each result is kept for a while, so what a checkpoint holds grows with every request.
    for number in 0..1_000 {
        let request = format!(
            r#"{{"type":"request","id":"{number}","received":0,"operation":"createRoom","args":{{"roomId":"r{number}"}}}}"#
        );
        outputs.extend(said(&mut service, &request));
    }
    let (mut written, mut since, mut checkpoints) = (0, 0, 0);
    for output in outputs {
        match output {
            ServiceOutput::Persist(record) => match &*record {
                Record::Checkpoint(state) => {
                    assert!(since >= 10, "no checkpoint comes before ten records");
                    written += state.size();
                    since = 0;
                    checkpoints += 1;
                }
                _ => since += 1,
            },
            _ => continue,
        }
    }
    assert!(checkpoints >= 5, "the journal is bounded: {checkpoints}");
    assert!(written <= 2 * 1_000, "{written} things were written into {checkpoints} checkpoints, of 1000 requests");
}

/// A client that asks one thing after another.
struct Client {
    service: Service,
    records: Vec<std::sync::Arc<Record>>,
    asked: u32,
}

impl Client {
    fn new(bounds: Bounds, user: &str) -> Self {
        Self::of(started(bounds, Vec::new()), user)
    }

    fn of(service: Service, user: &str) -> Self {
        let mut client = Self { service, records: Vec::new(), asked: 0 };
        client.logs_in(user);
        client
    }

    fn logs_in(&mut self, user: &str) {
        let login = r#"{"type":"login","userId":"USER","deviceId":"d","platform":"web","userSig":""}"#;
        let outputs = said(&mut self.service, &login.replace("USER", user));
        self.keep(outputs);
    }

    /// What is answered: the code of the error, or 0.
    fn asks(&mut self, operation: &str, args: &str) -> i32 {
        self.asked += 1;
        let request = format!(
            r#"{{"type":"request","id":"{}","received":0,"operation":"{operation}","args":{{{args}}}}}"#,
            self.asked
        );
        let outputs = said(&mut self.service, &request);
        self.keep(outputs).expect("every request is answered")
    }

    fn keep(&mut self, outputs: Vec<ServiceOutput>) -> Option<i32> {
        let mut answer = None;
        for output in outputs {
            match output {
                ServiceOutput::Persist(record) => self.records.push(record),
                ServiceOutput::Send { message: ServerMessage::Response(response), .. } => {
                    answer = Some(response.result.as_ref().err().map_or(0, |error| error.code.0));
                }
                _ => {}
            }
        }
        answer
    }
}

fn started(bounds: Bounds, records: Vec<std::sync::Arc<Record>>) -> Service {
    started_with(bounds, records, None)
}

fn started_with(bounds: Bounds, records: Vec<std::sync::Arc<Record>>, checkpoint_every: Option<u64>) -> Service {
    let mut service = Service::new(ServiceConfig {
        bounds,
        rate_limits: true,
        accounts: Vec::new(),
        open_accounts: true,
        checkpoint_every,
    });
    let mut outputs = Vec::new();
    service.step(Instant::START, ServiceInput::Started { records, entropy: [7; 32] }, &mut outputs);
    service.step(Instant::START, ServiceInput::Opened { connection: CONNECTION }, &mut outputs);
    service
}

#[test]
fn a_user_owns_no_more_rooms_than_are_allowed() {
    let bounds = Bounds { rooms_max: 2, ..Bounds::default() };
    for checkpoint_every in [None, Some(1)] {
        let mut alice = Client::of(started_with(bounds.clone(), Vec::new(), checkpoint_every), "alice");
        assert_eq!(alice.asks("createRoom", r#""roomId":"r1""#), 0);
        assert_eq!(alice.asks("createRoom", r#""roomId":"r2""#), 0);
        assert_eq!(alice.asks("createRoom", r#""roomId":"r3""#), -2);
        // The order of ERR-1: whatever else is wrong is told first.
        assert_eq!(alice.asks("createRoom", r#""roomId":"r1""#), 100_003);
        // A restart counts what there was.
        alice.service = started_with(bounds.clone(), std::mem::take(&mut alice.records), checkpoint_every);
        alice.logs_in("alice");
        assert_eq!(alice.asks("createRoom", r#""roomId":"r3""#), -2);
        assert_eq!(alice.asks("destroyRoom", r#""roomId":"r1""#), 0);
        assert_eq!(alice.asks("createRoom", r#""roomId":"r3""#), 0);
        assert_eq!(alice.asks("createRoom", r#""roomId":"r4""#), -2);
    }
}

#[test]
fn texts_that_are_kept_have_an_end() {
    let mut alice = Client::new(Bounds { text_max: 4, ..Bounds::default() }, "alice");
    assert_eq!(alice.asks("createRoom", r#""roomId":"a-long-id","roomName":"hall!""#), -1001);
    assert_eq!(alice.asks("createRoom", r#""roomId":"a-long-id","password":"12345""#), -1001);
    assert_eq!(alice.asks("createRoom", r#""roomId":"a-long-id","roomName":"hall""#), 0);
    assert_eq!(alice.asks("updateRoomNameByAdmin", r#""roomId":"a-long-id","roomName":"halls""#), -1001);
    // Bytes of UTF-8, and not letters.
    assert_eq!(alice.asks("setSelfInfo", r#""userName":"äöü","avatarUrl":"""#), -1001);
    assert_eq!(alice.asks("setSelfInfo", r#""userName":"äö","avatarUrl":"a.png""#), -1001);
    assert_eq!(alice.asks("setSelfInfo", r#""userName":"äö","avatarUrl":"""#), 0);
}

#[test]
fn who_comes_back_on_another_platform_comes_back_to_no_session() {
    let mut service = started(Bounds::default(), Vec::new());
    let login = |device: &str, platform: &str, resume: &str| {
        format!(
            r#"{{"type":"login","userId":"bob","deviceId":"{device}","platform":"{platform}","userSig":""{resume}}}"#
        )
    };
    let open = |service: &mut Service, connection: u32, login: &str| {
        let connection = ConnectionNo(connection);
        let mut outputs = Vec::new();
        service.step(Instant::START, ServiceInput::Opened { connection }, &mut outputs);
        let message = codec::decode_client(login).expect("a lawful message");
        service.step(Instant::START, ServiceInput::Message { connection, message }, &mut outputs);
        outputs
    };
    let answer = |outputs: &[ServiceOutput]| {
        let message = outputs.iter().find_map(|output| match output {
            ServiceOutput::Send {
                message: message @ (ServerMessage::LoggedIn { .. } | ServerMessage::Refused { .. }),
                ..
            } => Some(message.clone()),
            _ => None,
        });
        match message.expect("every login is answered") {
            ServerMessage::LoggedIn { session, resumed } => Ok((session, resumed)),
            ServerMessage::Refused { error } => Err(error.code.0),
            _ => unreachable!("nothing else was looked for"),
        }
    };
    let (token, _) = answer(&open(&mut service, 2, &login("b1", "phone", ""))).unwrap();
    let resume = format!(r#","resume":{{"session":"{}","received":0}}"#, token.as_str());
    let (same, resumed) = answer(&open(&mut service, 3, &login("b1", "phone", &resume))).unwrap();
    assert!(resumed && same == token);
    let (other, resumed) = answer(&open(&mut service, 4, &login("b1", "tablet", &resume))).unwrap();
    assert!(!resumed && other != token);
    // The place on the phone is free, and a device that has the place on the tablet keeps it (DEV-9).
    let (phone, _) = answer(&open(&mut service, 5, &login("b2", "phone", ""))).unwrap();
    let resume = format!(r#","resume":{{"session":"{}","received":0}}"#, phone.as_str());
    assert_eq!(answer(&open(&mut service, 6, &login("b2", "tablet", &resume))), Err(-1002));
}
