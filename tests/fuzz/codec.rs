//! Bytes from the wire: whatever they are, they are read or refused, and what was read is written and read again alike.

use convoke::protocol::codec;

/// Reads the bytes as either kind of message.
///
/// # Panics
/// When the codec breaks a promise.
pub(crate) fn run(bytes: &[u8]) {
    if let Ok(message) = codec::decode_client(bytes) {
        let text = codec::encode_client(&message);
        assert_eq!(codec::decode_client(&text).as_ref(), Ok(&message), "{text}");
        // The two ways in agree.
        assert_eq!(codec::client_from_value(codec::client_to_value(&message)).as_ref(), Ok(&message), "{text}");
    } else if let Ok(value) = serde_json::from_slice(bytes) {
        // A value forgets repeated fields, and nothing else that would be refused.
        let _ = codec::client_from_value(value);
    }
    match codec::decode_server(bytes) {
        Ok(message) => {
            let text = codec::encode_server(&message);
            assert_eq!(codec::decode_server(&text).as_ref(), Ok(&message), "{text}");
            assert_eq!(codec::server_from_value(codec::server_to_value(&message)).as_ref(), Ok(&message), "{text}");
        }
        // What it says goes into logs and answers: one line.
        Err(error) => assert!(!error.to_string().contains(['\n', '\r']), "{error:?}"),
    }
}
