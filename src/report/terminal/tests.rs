use super::*;

#[test]
fn a_command_survives_odd_paths() {
    assert_eq!(repeat("scenarios/a.yaml", 7, WorldName::Sim), "convoke run scenarios/a.yaml --seed 7");
    assert_eq!(
        repeat("my tests/it's.yaml", 1, WorldName::Live),
        r"convoke run 'my tests/it'\''s.yaml' --seed 1 --world live"
    );
}

#[test]
fn numbers_are_grouped_and_counted() {
    assert_eq!(counted(1, "message", "messages"), "1 message");
    assert_eq!(counted(1_234_567, "message", "messages"), "1,234,567 messages");
}

#[test]
fn a_place_outside_the_text_is_no_panic() {
    let source = Source { path: "a.yaml".to_owned(), text: "one\n  – two".into() };
    let range = |line, column| line_of(&source, Place { line, column }).1;
    assert_eq!(range(2, 3), 2..9);
    assert_eq!((range(2, 99), range(99, 1)), (9..9, 0..0));
}

#[test]
fn a_long_difference_is_cut() {
    let page = Page { width: 80, colour: false };
    let new = (0..200).map(|n| format!("{n}\n")).collect::<String>();
    let text = snapshot_diff("", &new, page);
    assert_eq!(text.lines().count(), DIFF_LINES_MAX + 1);
    assert!(text.ends_with("… 140 more lines\n"), "{text}");
}
