//! What a message costs on its way through the codec, in the order that the encoder writes and in another.

use std::hint::black_box;

use convoke::protocol::codec::{decode_client, decode_server, encode_client_into, encode_server_into};
use criterion::{Criterion, criterion_group, criterion_main};

const REQUEST: &str = r#"{"type":"request","id":"5be1-7","received":3,"operation":"inviteUsers","args":{"roomId":"standup","userIdList":["bob","carol"],"timeout":60,"extensionInfo":"urgent"}}"#;
const REQUEST_REORDERED: &str = r#"{"id":"5be1-7","type":"request","received":3,"operation":"inviteUsers","args":{"roomId":"standup","userIdList":["bob","carol"],"timeout":60,"extensionInfo":"urgent"}}"#;
const ACKNOWLEDGE: &str = r#"{"type":"acknowledge","received":67}"#;
const EVENT: &str = r#"{"type":"event","seq":4,"stamp":{"instance":4,"revision":12,"about":{"invitee":"bob","attempt":1}},"event":"onReceiveInvitation","payload":{"roomInfo":{"roomId":"standup","roomName":"Stand-up","roomType":1,"ownerId":"alice","ownerName":"Alice","password":"","createTime":1767000000000,"roomMemberCount":2},"invitation":{"status":1,"invitee":{"userId":"bob","userName":"Bob","avatarUrl":"","userRole":2},"inviter":{"userId":"alice","userName":"Alice","avatarUrl":"","userRole":0}},"extensionInfo":"urgent"}}"#;

fn codec(criterion: &mut Criterion) {
    for (name, text) in [("request", REQUEST), ("request reordered", REQUEST_REORDERED), ("acknowledge", ACKNOWLEDGE)] {
        let message = decode_client(text).expect("it is a message");
        criterion.bench_function(&format!("decode {name}"), |bencher| bencher.iter(|| decode_client(black_box(text))));
        let mut buffer = Vec::new();
        criterion.bench_function(&format!("encode {name}"), |bencher| {
            bencher.iter(|| {
                buffer.clear();
                encode_client_into(black_box(&message), &mut buffer);
            });
        });
    }
    let message = decode_server(EVENT).expect("it is a message");
    criterion.bench_function("decode event", |bencher| bencher.iter(|| decode_server(black_box(EVENT))));
    let mut buffer = Vec::new();
    criterion.bench_function("encode event", |bencher| {
        bencher.iter(|| {
            buffer.clear();
            encode_server_into(black_box(&message), &mut buffer);
        });
    });
}

criterion_group!(benches, codec);
criterion_main!(benches);
