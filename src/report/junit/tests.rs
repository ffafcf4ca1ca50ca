use super::*;
use crate::report::result::sample;

#[test]
fn every_verdict_has_its_place() {
    // A difference is read, and then written here.
    let golden = include_str!("every-verdict.xml").replace("\r\n", "\n");
    let xml = junit(&sample::every_verdict());
    assert!(xml == golden, "{xml}");
}

#[test]
fn what_xml_does_not_admit_is_left_out() {
    let mut scenario = sample::failed("faults/odd", Verdict::Fail);
    scenario.findings[0].message =
        "a bell \u{7}, a null \0, an escape \u{1b}[31mred\u{1b}[0m, ]]> and <b> & \"".to_owned();
    let xml = junit(&sample::of(vec![scenario]));
    assert!(xml.chars().all(|letter| letter == '\n' || letter >= ' '), "{xml:?}");
    assert!(xml.contains("]]&gt; and &lt;b&gt; &amp; &quot;"), "{xml}");
}

#[test]
fn times_that_are_none_are_no_panic() {
    assert_eq!([seconds(f64::NAN), seconds(-1.0), seconds(f64::MAX)], [Duration::ZERO; 3]);
}
