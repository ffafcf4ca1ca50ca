use super::super::call::Reply;
use super::super::message::Content;
use super::super::session::KeptResult;
use super::super::vocabulary::{Platform, RequestId};
use super::*;
use crate::protocol::call::Call;

const MEMORY: Duration = Duration::from_secs(120);

fn identity(device: &str) -> DeviceIdentity {
    DeviceIdentity { user_id: "alice".into(), device_id: device.into(), platform: Platform::Web }
}

/// A session of the device that is asked one thing at `asked`, if at all, and ends at `ends`.
fn visit(devices: &mut Devices, device: &str, asked: Option<u64>, ends: u64) {
    let place = devices.place(&identity(device), MEMORY);
    devices.begin(place, SessionSlot(0));
    if let Some(at) = asked {
        let kept = KeptResult::new(&Content::Call(Call::Logout {}.into()), Ok(Reply::Void), None);
        devices.results_mut(place).keep(Instant::from_millis(1000 * at), RequestId::from("1".to_owned()), kept, MEMORY);
    }
    devices.end(Instant::from_millis(1000 * ends), place, MEMORY);
}

#[test]
fn ever_new_devices_take_no_more_room() {
    let mut devices = Devices::default();
    for number in 0..10_000 {
        visit(&mut devices, &format!("d{number}"), (number % 2 == 0).then_some(number), number + 1);
    }
    // Of those that asked, the last two minutes are remembered.
    assert!(devices.places.len() <= 61, "{}", devices.places.len());
    assert!(devices.known.len() <= 62, "{}", devices.known.len());
    assert_eq!(devices.lapsing.len(), devices.places.len());
}

#[test]
fn what_a_device_may_ask_for_again_outlives_its_session() {
    let mut devices = Devices::default();
    visit(&mut devices, "phone", Some(0), 10);
    visit(&mut devices, "others", None, 120);
    let place = devices.place(&identity("phone"), MEMORY);
    let id = RequestId::from("1".to_owned());
    assert!(devices.results(place).and_then(|kept| kept.get(Instant::from_millis(1000 * 120), &id, MEMORY)).is_some());
    devices.begin(place, SessionSlot(0));
    assert_eq!(devices.session_of(&"alice".into(), &"phone".into()), Some(SessionSlot(0)));
    // While it has a session it is never forgotten.
    visit(&mut devices, "others", None, 500);
    assert_eq!(devices.session_of(&"alice".into(), &"phone".into()), Some(SessionSlot(0)));
    devices.end(Instant::from_millis(1000 * 501), place, MEMORY);
    assert!(devices.places.is_empty() && devices.lapsing.is_empty());
}
