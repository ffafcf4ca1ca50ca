use serde_json::json;

use super::*;
use crate::trace::sample::plan;

#[test]
fn long_lists_and_odd_names_stay_short() {
    let plan = plan(&["alice.web"]);
    let words = Words::exact(&plan);
    let user_id_list = (0..20).map(|n| UserId::from(format!("u{n}"))).collect();
    let call = Call::CancelInvitation { room_id: "a room\n".into(), user_id_list };
    assert_eq!(words.call(&call).text, r#"cancelInvitation "a room\n" [u0, u1, u2, u3, u4, u5, u6, u7, 12 more]"#);
    let call = Call::DestroyRoom { room_id: "r".repeat(500).into() };
    assert_eq!(words.call(&call).text, format!("destroyRoom {}… (500 bytes)", "r".repeat(48)));
}

#[test]
fn secrets_show_their_length_only() {
    let plan = plan(&["alice.web"]);
    let call = Call::EnterRoom { room_id: "r1".into(), password: "geheim".into() };
    assert_eq!(Words::exact(&plan).call(&call).text, "enterRoom r1 password(6 bytes)");
    let args = json!({"password": "geheim", "userIdList": [{"extensionInfo": "geheim"}]});
    let malformed = Malformed { operation: "enterRoom".to_owned(), args, reason: String::new() };
    let text = Words::exact(&plan).content(&Content::Malformed(malformed.into())).text;
    assert_eq!(text, r#"enterRoom {"password":"(6 bytes)","userIdList":[{"extensionInfo":"(6 bytes)"}]}"#);
}
