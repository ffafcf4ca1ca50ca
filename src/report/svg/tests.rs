use super::*;
use crate::report::ladder::Rung;

fn rung(from: usize, to: usize, mark: Mark, label: &str) -> Rung {
    Rung { at_nanos: 20_000_000, from, to, mark, label: label.to_owned() }
}

fn drawn(rows: Vec<Rung>) -> String {
    svg(&Ladder { lanes: vec!["alice.web".to_owned(), "server".to_owned(), "bob.phone".to_owned()], rows })
}

/// The first numbers in the `d` of the path that has this class.
fn path(svg: &str, class: &str) -> Vec<f64> {
    let path = svg.split(&format!("<path class=\"{class}\" d=\"")).nth(1).unwrap().split('"').next().unwrap();
    let numbers = path.split(|letter: char| !letter.is_ascii_digit() && letter != '.').filter(|part| !part.is_empty());
    numbers.map(|number| number.parse().unwrap()).collect()
}

#[test]
fn an_arrow_points_to_who_hears() {
    let right = path(&drawn(vec![rung(0, 1, Mark::Arrives, "inviteUsers")]), "head");
    assert!(right[0] > right[2], "the tip is right of the back: {right:?}");
    let left = path(&drawn(vec![rung(1, 0, Mark::Arrives, "inviteUsers")]), "head");
    assert!(left[0] < left[2], "the tip is left of the back: {left:?}");
}

#[test]
fn every_row_has_its_words_and_its_sign_and_one_time_is_said_once() {
    let all = [Mark::Arrives, Mark::Lost, Mark::Acts, Mark::Changes];
    let svg =
        drawn(all.into_iter().map(|mark| rung(2, if mark == Mark::Acts { 2 } else { 1 }, mark, "a word")).collect());
    assert_eq!(svg.matches("<g class=\"arrow").count(), 4);
    assert_eq!(svg.matches(">a word<").count(), 4);
    assert_eq!(svg.matches(">0.020<").count(), 1);
}

#[test]
fn names_and_words_are_no_markup() {
    let lanes = vec!["</svg><b>".to_owned()];
    let svg = svg(&Ladder { lanes, rows: vec![rung(0, 0, Mark::Acts, "<script>alert(\"1\")</script>")] });
    assert!(!svg.contains("<script") && !svg.contains("<b>") && svg.matches("</svg>").count() == 1, "{svg}");
}

#[test]
fn a_lane_that_is_none_and_no_lanes_at_all_are_no_panic() {
    assert!(!drawn(vec![rung(9, 1, Mark::Arrives, "from nowhere")]).contains("<g "));
    assert!(svg(&Ladder::default()).ends_with("</svg>"));
}
