use super::*;

#[test]
fn verdicts_are_written_as_they_are_said() {
    for verdict in Verdict::ALL {
        assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
    }
    for verdict in RequirementVerdict::ALL {
        assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
    }
}

#[track_caller]
fn check_refused(text: &str, words: &str) {
    let error = RunResult::read(text).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

#[test]
fn what_is_no_result_is_refused_with_the_mend() {
    check_refused("", "it is no result of Convoke");
    check_refused("{\"version\": 1}", "`convoke run --json FILE` writes one");
    check_refused("{\"convokeResult\": 99}", "version 99");
    check_refused("{\"convokeResult\": 1, \"tool\": {", "it is not whole");
    check_refused("{\"convokeResult\": 1}", "it is not whole: missing field");
}
