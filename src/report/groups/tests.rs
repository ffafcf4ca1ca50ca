use super::*;
use crate::report::result::sample;

#[test]
fn groups_end_a_run_with_what_is_broken_and_its_text() {
    let mut result = sample::every_verdict();
    result.requirements.retain(|group| ["CAN", "EVT", "REV"].contains(&group.prefix.as_str()));
    insta::assert_snapshot!(groups(&result, Page { width: 80, colour: false }), @r"
    tested     server-in-go 1.2, contract core
    corpus     0.1.0, 10 files, c0ffeec0ffee
    profile    mine
    waived     REV-3: the owner hears it, too

    requirements                                       pass  not shown  waived  fail
    CAN   cancelInvitation                                1          7       ·     1
    EVT   events                                          ·          8       ·     1
    REV   revocation                                      ·          5       1     ·
    all                                                   1         20       1     2

    fail:
    CAN-5     A cancel MUST lead to ABSENT, with onInvitationCancelled to all
              invitee devices and onInvitationRemoved to members.
              - scenarios/faults/known.yaml
              - scenarios/faults/fail.yaml
    EVT-6     Payloads that carry an invitation MUST show status kNone in Cancelled,
              Revoked and Removed, and the status just reached in all others.
              - scenarios/faults/known.yaml
              - scenarios/faults/fail.yaml
    ");
}

#[test]
fn no_line_is_wider_than_the_page() {
    for width in [60, 80, 120] {
        let text = groups(&sample::every_verdict(), Page { width, colour: false });
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}
