use super::*;
use crate::report::result::sample;
use crate::report::terminal::Page;

const NARROW: Page = Page { width: 80, colour: false };

fn named(name: &str, scenarios: Vec<ScenarioResult>) -> (String, RunResult) {
    let mut result = sample::of(scenarios);
    result.implementation.name = name.to_owned();
    (format!("{name}.json"), result)
}

/// Two that part: the other tells bob of a timeout, and refuses the answer.
fn two() -> Vec<(String, RunResult)> {
    let mut other = sample::failed("cancel/a", Verdict::Fail);
    other.sequences[0].heard[1] = "onInvitationTimeout r1 bob#1".to_owned();
    other.sequences[0].results[0] = "accept r1 => fails 100102 ERR_REQUEST_CONFLICT".to_owned();
    vec![
        named("one", vec![sample::scenario("cancel/a", Verdict::Pass), sample::scenario("cancel/b", Verdict::Pass)]),
        named("two", vec![other, sample::scenario("cancel/b", Verdict::Pass)]),
    ]
}

#[test]
fn a_matrix_and_the_first_event_at_which_they_part() {
    let comparison = compare(&two(), false).unwrap();
    insta::assert_snapshot!(text(&comparison, false, NARROW), @r"
    one 1.2, contract core, profile mine, one.json
    two 1.2, contract core, profile mine, two.json
    2 scenarios in common

    2 requirements differ; of 112 they show the same
            one 1.2  two 1.2
     CAN-5  –        FAIL
     EVT-6  –        FAIL

    they part in 1 scenario

    cancel/a.yaml
      one 1.2: pass, two 1.2: fail
      bob.phone hears, after onReceiveInvitation r1 bob#1:
        one 1.2: onInvitationCancelled r1 bob#1
        two 1.2: onInvitationTimeout r1 bob#1
      bob.phone calls, from the beginning:
        one 1.2: accept r1 => ok
        two 1.2: accept r1 => fails 100102 ERR_REQUEST_CONFLICT
    ");
}

#[test]
fn a_wide_matrix_is_folded() {
    let many: Vec<_> = (0..9)
        .map(|number| {
            let verdict = if number == 4 { Verdict::Fail } else { Verdict::Pass };
            let scenario = match verdict {
                Verdict::Fail => sample::failed("cancel/a", verdict),
                _ => sample::scenario("cancel/a", verdict),
            };
            named(&format!("implementation-{number}"), vec![scenario])
        })
        .collect();
    let text = text(&compare(&many, false).unwrap(), false, NARROW);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(text.matches("CAN-5").count(), 3, "three tables\n{text}");
    for number in 0..9 {
        assert!(text.contains(&format!("implementation-{number}")));
    }
}

#[track_caller]
fn check_refused(results: &[(String, RunResult)], words: &str) {
    let error = compare(results, false).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

#[test]
fn different_scenarios_are_compared_only_as_far_as_they_are_common() {
    let mut results = two();
    results[1].1.scenarios.pop();
    check_refused(&results, "ran different scenarios of the same corpus (2 and 1, 1 of them in both)");
    results[1].1.corpus.hash = "d".repeat(60);
    check_refused(&results, "one.json and two.json are of different corpora (c0ffeec0ffee and dddddddddddd)");
    let comparison = compare(&results, true).unwrap();
    assert_eq!((comparison.scenarios, comparison.left_out), (1, 1));
    // The same name with another text is another scenario.
    results[1].1.scenarios[0].text_hash = "00000000000000bb".to_owned();
    assert!(matches!(compare(&results, true), Err(CompareError::NothingInCommon)));
    check_refused(&results[..1], "name two or more");
}

#[test]
fn results_of_one_implementation_are_told_apart_by_their_files() {
    let mut results = two();
    results[1].1.implementation.name = "one".to_owned();
    results.push(results[1].clone());
    let names: Vec<String> = compare(&results, false).unwrap().columns.into_iter().map(|column| column.name).collect();
    assert_eq!(names, ["one 1.2 (one)", "one 1.2 (two)", "one 1.2 (two)'"]);
}

fn crowd(counts: &[(usize, &str)]) -> Vec<Sequence> {
    let of = |(count, heard): &(usize, &str)| Sequence {
        device: "crowd.phone".to_owned(),
        count: *count,
        heard: vec![(*heard).to_owned()],
        results: Vec::new(),
    };
    counts.iter().map(of).collect()
}

#[test]
fn populations_part_by_what_and_by_how_many() {
    assert_eq!(forks(&crowd(&[(9, "a"), (1, "b")]), &crowd(&[(1, "b"), (9, "a")])), []);
    let by_what = forks(&crowd(&[(9, "a"), (1, "b")]), &crowd(&[(9, "a"), (1, "c")]));
    assert_eq!((by_what[0].first.as_deref(), by_what[0].other.as_deref()), (Some("b"), Some("c")));
    let by_number = forks(&crowd(&[(9, "a")]), &crowd(&[(8, "a")]));
    assert_eq!(by_number[0].first.as_deref(), Some("9 devices went through the same"));
}

#[test]
fn a_device_that_only_one_side_has_parts_from_the_beginning() {
    let found = forks(&[], &crowd(&[(1, "a")]));
    assert_eq!((found[0].after, found[0].first.as_deref(), found[0].other.as_deref()), (0, None, Some("a")));
}

#[test]
fn the_page_shows_both_sides_and_escapes_them() {
    let mut results = two();
    results[1].1.scenarios[0].sequences[0].heard[1] = "</script><b>".to_owned();
    let page = page(&compare(&results, false).unwrap());
    for words in ["one 1.2 · two 1.2", "bob.phone hears", "&lt;&#x2f;script&gt;&lt;b&gt;", "CAN-5", "badge v-fail"] {
        assert!(page.contains(words), "no `{words}`");
    }
    assert!(!page.contains("<script") && !page.contains("<b>C</b>"));
}
