use super::ladder;
use crate::protocol::message::{ConnectionNo, ServerMessage};
use crate::trace::Occurrence;
use crate::trace::sample::{a_call_to_bob, receive};

#[test]
fn arrows_end_where_messages_arrive() {
    let recorder = a_call_to_bob();
    let bob = recorder.device("bob.phone");
    let message = ServerMessage::Event { seq: 9, event: receive("bob").into() };
    let lost = Occurrence::ServerSent { device: bob, connection: ConnectionNo(1), message };
    let trace = recorder.at(50, lost).trace();
    insta::assert_snapshot!(ladder(&trace, &[bob], None).text(80), @r"
               alice.web  server  bob.phone
        0.000      o         |        |  calls inviteUsers r1 [bob] timeout 60
                   |         |        |    extensionInfo(6 bytes)
        0.020      +--------->        |  inviteUsers
        0.040      <---------+        |  inviteUsers returns {bob: kSuccess}
                   <---------+        |  hears onInvitationAdded r1 bob#1 kPending
                   |         |        |    from alice
                   |         +-------->  hears onReceiveInvitation r1 bob#1 kPending
                   |         |        |    from alice extensionInfo(6 bytes)
        0.050      |         +--------x  onReceiveInvitation is lost
    ");
}
