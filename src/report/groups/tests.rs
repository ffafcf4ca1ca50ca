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

/// A result whose requirements have every verdict there is, in turn.
fn of_all_kinds() -> RunResult {
    let mut result = sample::every_verdict();
    let requirements = result.requirements.iter_mut().flat_map(|group| &mut group.requirements);
    for (one, verdict) in requirements.zip(RequirementVerdict::ALL.into_iter().cycle()) {
        one.verdict = verdict;
    }
    result
}

#[test]
fn no_line_is_wider_than_the_page() {
    for width in [24, 40, 60, 80, 100, 120] {
        for result in [sample::every_verdict(), of_all_kinds()] {
            let text = table(&result, Page { width, colour: false });
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }
    for width in [60, 80, 120] {
        let text = groups(&of_all_kinds(), Page { width, colour: false });
        assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
    }
}

#[test]
fn where_columns_have_no_room_the_counts_are_told_in_words() {
    let mut result = of_all_kinds();
    result.requirements.retain(|group| ["CAN", "EVT"].contains(&group.prefix.as_str()));
    insta::assert_snapshot!(table(&result, Page { width: 60, colour: false }), @r"
    CAN   1 pass, 1 not shown, 1 variant, 1 waived,
          1 unsupported, 2 inconclusive, 1 known failure,
          1 fail
    EVT   1 pass, 1 not shown, 1 variant, 1 waived,
          1 unsupported, 2 inconclusive, 1 known failure,
          1 fail
    all   2 pass, 2 not shown, 2 variant, 2 waived,
          2 unsupported, 4 inconclusive, 2 known failure,
          2 fail
    ");
}
