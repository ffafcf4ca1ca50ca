use super::*;
use crate::trace::sample::{Recorder, a_call_to_bob, invite};
use crate::trace::text::canonical;

fn written(trace: &Trace) -> String {
    let mut bytes = Vec::new();
    write(trace, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn what_is_written_is_read() {
    let trace = a_call_to_bob().trace();
    let again = read(written(&trace).as_bytes()).unwrap();
    assert_eq!(again.moments, trace.moments);
    assert_eq!(again.plan, trace.plan);
    assert_eq!(hash(&again), hash(&trace));
}

#[test]
fn what_is_shared_is_written_as_if_it_were_not() {
    let trace = a_call_to_bob().trace();
    // Once more under other numbers: the same events, requests and answers.
    let moments = trace.moments.iter().chain(&trace.moments).chain(&trace.moments);
    let mut lines = lines::Lines::new();
    for moment in moments {
        let expected = serde_json::to_string(moment).unwrap() + "\n";
        assert_eq!(String::from_utf8_lossy(lines.line(moment)), expected);
    }
}

#[test]
fn a_trace_says_where_its_server_was_seen() {
    let mut trace = a_call_to_bob().trace();
    assert!(!written(&trace).contains("vantage"), "what older readers know is written as they know it");
    trace.vantage = Vantage::Devices { transit_max: crate::time::Duration::from_millis(20) };
    let text = written(&trace);
    assert!(text.contains(r#""vantage":{"devices":{"transitMax":20000000}}"#), "{}", text.lines().next().unwrap());
    assert_eq!(read(text.as_bytes()).unwrap().vantage, trace.vantage);
}

#[test]
fn numbers_that_json_lacks_come_back() {
    let Call::InviteUsers { room_id, user_id_list, extension_info, .. } = invite(&["bob"]) else { unreachable!() };
    let call = Call::InviteUsers { room_id, user_id_list, extension_info, timeout: f64::INFINITY };
    let trace = Recorder::new(&["alice.web"]);
    let (device, content) = (trace.device("alice.web"), Arc::new(call));
    let called = Occurrence::Called { device, call: Default::default(), content, step: None };
    let again = read(written(&trace.at(0, called).trace()).as_bytes()).unwrap();
    assert!(canonical(&again).contains("timeout NaN"), "{}", canonical(&again));
}

#[test]
fn a_hash_is_of_what_happened() {
    let trace = a_call_to_bob().trace();
    let mut other = trace.clone();
    other.moments.pop();
    assert_ne!(hash(&trace), hash(&other));
}

#[track_caller]
fn check_refused(text: &str, reason: &str) {
    let error = read(text.as_bytes()).unwrap_err().to_string();
    assert!(error.contains(reason), "{error}");
}

#[test]
fn what_is_no_trace_is_refused_with_the_line() {
    let whole = written(&a_call_to_bob().trace());
    let header = whole.lines().next().unwrap();
    check_refused("", "it is no trace");
    check_refused("version: 1", "it is no trace");
    check_refused(&whole.replace("\"convokeTrace\":1", "\"convokeTrace\":7"), "a trace of version 7");
    check_refused(&format!("{header}\n{{\"at\":0,\"what\":\"asleep\"}}"), "line 2: unknown variant `asleep`");
    check_refused(&format!("{header}\n{{\"at\":1}}"), "line 2: missing field `what`");
    check_refused(&whole.replace("\"device\":1", "\"device\":77"), "the plan has no device 77");
    check_refused(&whole.replace("{\"at\":0,", "{\"at\":9000000000,"), "it happened before the line above");
    check_refused(&whole.replace("\"step\":0", "\"step\":5"), "no step 5");
    check_refused(&whole[..whole.len() - 20], "EOF while parsing");
}
