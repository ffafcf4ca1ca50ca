use super::{Record, Service, ServiceConfig, ServiceInput, ServiceOutput};
use crate::protocol::Node as _;
use crate::protocol::bounds::Bounds;
use crate::protocol::codec;
use crate::protocol::message::ConnectionNo;
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
