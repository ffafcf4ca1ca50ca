use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::report::result::sample;

/// The tags of a page, as `name` and `name@attribute`. Fails where the page is no markup that was meant.
fn tags(page: &str) -> BTreeSet<String> {
    let mut tags = BTreeSet::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(doctype) = rest.strip_prefix("!doctype html>") {
            rest = doctype;
            continue;
        }
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '/').unwrap();
        let name = rest[..end].to_owned();
        assert!(!name.trim_matches('/').is_empty(), "a bare < at {:?}", rest.get(..40));
        tags.insert(name.clone());
        rest = &rest[end..];
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix('>').or_else(|| rest.strip_prefix("/>")) {
                rest = after;
                break;
            }
            let end = rest.find(['=', '>', ' ']).unwrap();
            tags.insert(format!("{name}@{}", &rest[..end]));
            rest = &rest[end..];
            if let Some(value) = rest.strip_prefix("=\"") {
                rest = &value[value.find('"').expect("a value ends") + 1..];
            }
        }
        // What stands in these is no markup.
        if name == "script" || name == "style" {
            rest = &rest[rest.find(&format!("</{name}")).expect("it ends")..];
        }
    }
    tags
}

/// A result in which every text of somebody else is this one.
fn with_texts(result: &RunResult, text: &str) -> RunResult {
    const WORDS: [&str; 4] = ["verdict", "mark", "level", "fingerprint"];
    fn walk(value: &mut Value, text: &str) {
        match value {
            Value::String(old) => *old = text.to_owned(),
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, text)),
            Value::Object(fields) => {
                fields
                    .iter_mut()
                    .filter(|(name, _)| !WORDS.contains(&name.as_str()))
                    .for_each(|(_, item)| walk(item, text));
            }
            _ => {}
        }
    }
    let mut value = serde_json::to_value(result).unwrap();
    walk(&mut value, text);
    serde_json::from_value(value).unwrap()
}

/// What the page has in it as JSON.
fn data(page: &str) -> RunResult {
    let begin = "<script type=\"application/json\" id=\"result\">";
    let (_, rest) = page.split_once(begin).unwrap();
    RunResult::read(rest.split_once("</script>").unwrap().0).unwrap()
}

#[track_caller]
fn check_harmless(text: &str) {
    let result = sample::every_verdict();
    let hostile = with_texts(&result, text);
    let page = page(&hostile);
    let unknown: Vec<String> = tags(&page).difference(&tags(&super::page(&result))).cloned().collect();
    assert!(unknown.is_empty(), "{text:?} brings in {unknown:?}");
    assert_eq!(data(&page), hostile, "{text:?}");
}

#[test]
fn no_text_is_markup() {
    for text in [
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "]]></style><img src=x onerror=alert(1)>",
        "\" onmouseover=\"alert(1)",
        "' onfocus='alert(1)",
        "{{ 7 * 7 }}{% raw %}",
        "</svg></pre></details><b>&lt;&#60;",
        "javascript:alert(1)",
    ] {
        check_harmless(text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nor_is_any_other(text in "[<>&\"'/a-z=! \\-\\n{}%]{0,40}|\\PC{0,40}") {
        check_harmless(&text);
    }
}

#[test]
fn the_page_needs_nothing_else_and_says_what_it_is_about() {
    let page = page(&sample::every_verdict());
    for outside in ["http://", "https://", "src=", "url(", "@import"] {
        let inside = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!inside.contains(outside), "{outside}");
    }
    for words in [
        "server-in-go 1.2",
        "<dd>core</dd>",
        "version 0.1.0, 10 files",
        &"c0ffee".repeat(10),
        "REV-3</a>: the owner hears it, too",
        "<span class=\"l gone\">onInvitationCancelled</span>",
        "<span class=\"l came\">onInvitationTimeout</span>",
        "one other scenario fails in the same way",
        "<svg class=\"ladder\"",
        "convoke run scenarios/faults/fail.yaml --seed 1",
        "bug 4711",
        "It never happened that an owner cancelled its own call.",
    ] {
        assert!(page.contains(words), "no `{words}`");
    }
}

#[test]
fn how_a_scenario_was_played_and_what_its_contract_cannot_show_is_told() {
    let result = sample::otherwise_played();
    let page = page(&result);
    for words in [
        "in real time, 10 times as fast as planned, in 3 runs, 2 of which failed",
        "crowd[5].phone, crowd[6].phone and 3 more by sdk-in-kotlin 3.1",
        "No scenario can show it through the contract",
    ] {
        assert!(page.contains(words), "no `{words}`");
    }
    let all = || result.requirements.iter().flat_map(|group| &group.requirements);
    let one = all().find(|one| one.id == "IDM-2").unwrap();
    assert_eq!((one.verdict, one.out_of_reach), (RequirementVerdict::Unsupported, true));
    assert_eq!(one.claimed_by, ["scenarios/crowd/pass.yaml"]);
}

#[test]
fn failures_are_grouped_by_the_requirements_that_they_break() {
    let by = |name: &str, ids: &[&str]| {
        let mut scenario = sample::failed(name, Verdict::Fail);
        scenario.findings[0].requirements = ids.iter().map(|id| (*id).to_owned()).collect();
        scenario
    };
    let known = |name: &str| ScenarioResult { verdict: Verdict::KnownFailure, ..by(name, &["CAN-5"]) };
    let result = sample::of(vec![
        by("f/1", &["CAN-5", "EVT-6"]),
        by("f/2", &["LST-3"]),
        known("f/3"),
        by("f/4", &["CAN-5", "EVT-6", "ORD-1"]),
        known("f/5"),
    ]);
    let page = page(&result);
    let at = |words: &str| page.find(words).unwrap_or_else(|| panic!("no `{words}`"));
    let order = [
        "<b>2 scenarios fail by CAN-5, EVT-6</b>",
        "id=\"scenario-1\"",
        "id=\"scenario-4\"",
        "<b>1 scenario fails in a way of its own</b>",
        "id=\"scenario-2\"",
        "<b>2 scenarios are known to fail by CAN-5</b>",
        "id=\"scenario-3\"",
    ];
    assert!(order.map(at).is_sorted(), "{order:?}");
    // What it says stands at the head of each of the two groups and in none of their scenarios.
    assert_eq!(page.matches("<br>A cancel MUST lead to ABSENT").count(), 2);
    assert_eq!(page.matches("<br>The order MUST be stable").count(), 1, "who stands alone has it in place");
}

#[test]
fn failures_that_have_nothing_in_common_stand_without_groups() {
    let page = page(&sample::of(vec![sample::failed("f/1", Verdict::Fail)]));
    assert!(page.contains("1 failure") && !page.contains("<details class=\"cause"));
}

#[test]
fn many_failures_have_one_diagram_each_and_none_is_open() {
    let result =
        sample::of((0..MANY + 1).map(|number| sample::failed(&format!("f/{number}"), Verdict::Fail)).collect());
    let page = page(&result);
    assert_eq!(page.matches("<svg class=\"ladder\"").count(), MANY + 1);
    assert!(!page.contains("<details class=\"failure is-fail\" open"));
    assert!(page.contains("50 other scenarios fail in the same way"));
}
