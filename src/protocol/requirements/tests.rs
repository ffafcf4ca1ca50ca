use std::collections::BTreeSet;

use super::*;
use crate::protocol::bounds::Bounds;

#[test]
fn ids_are_consecutive_within_their_group() {
    for group in GROUPS {
        let ids: Vec<_> = group.requirements.iter().map(|requirement| requirement.id.to_owned()).collect();
        let expected: Vec<_> = (1..=ids.len()).map(|number| format!("{}-{number}", group.prefix)).collect();
        assert_eq!(ids, expected);
        assert!(group.requirements.iter().all(|requirement| requirement.group() == group));
    }
}

#[test]
fn nothing_is_missing() {
    let sizes: Vec<_> = GROUPS.iter().map(|group| (group.prefix, group.requirements.len())).collect();
    let expected = [
        ("TERM", 4),
        ("ROOM", 8),
        ("INV", 14),
        ("CAN", 9),
        ("ACC", 8),
        ("REJ", 6),
        ("LST", 9),
        ("EVT", 9),
        ("TMO", 8),
        ("DEV", 9),
        ("REV", 6),
        ("ORD", 5),
        ("IDM", 5),
        ("ERR", 6),
        ("REC", 6),
        ("SEC", 6),
    ];
    assert_eq!(sizes, expected);
    assert_eq!(REQUIREMENTS.len(), expected.iter().map(|(_, size)| size).sum::<usize>());
}

#[test]
fn every_id_is_found_and_no_other() {
    for requirement in REQUIREMENTS {
        assert_eq!(find(requirement.id), Some(requirement));
    }
    for stranger in ["CAN-10", "CAN", "", "can-6"] {
        assert_eq!(find(stranger), None, "{stranger}");
    }
}

#[test]
fn every_bound_exists_with_the_default_given() {
    let defaults = Bounds::default();
    let mut named = BTreeSet::new();
    for requirement in REQUIREMENTS {
        let written = parts(requirement.text).iter().filter(|part| matches!(part, Part::Bound { .. })).count();
        assert_eq!(requirement.bounds().len(), written, "{}: a default that can't be read", requirement.id);
        for (name, value) in requirement.bounds() {
            assert_eq!(defaults.get(name), Some(value), "{}: {name}", requirement.id);
            named.insert(name);
        }
    }
    let unnamed: Vec<_> = Bounds::NAMES.iter().filter(|name| !named.contains(**name)).collect();
    // These are how the reference bounds its memory, and no requirement limits an implementation to them.
    assert_eq!(unnamed, [&"undelivered_max", &"acknowledge_every", &"text_max", &"rooms_max"]);
}

#[test]
fn the_key_word_of_the_level_is_in_the_text() {
    for requirement in REQUIREMENTS.iter().filter(|requirement| !requirement.definition) {
        assert!(requirement.text.contains(requirement.level.name()), "{}: {}", requirement.id, requirement.text);
        assert!(requirement.text.ends_with(['.', ')']), "{}: {}", requirement.id, requirement.text);
    }
}

#[test]
fn decisions_say_so_and_everything_else_names_its_evidence() {
    for requirement in REQUIREMENTS {
        let decided = requirement.source.starts_with("decision");
        assert_eq!(requirement.basis == Basis::Dec, decided, "{}: {}", requirement.id, requirement.source);
    }
}

#[test]
fn plain_text_shows_defaults_without_names() {
    let text = |id| find(id).unwrap().plain_text();
    assert!(text("LST-4").contains("0 means 20; above 100"), "{}", text("LST-4"));
    assert!(text("LST-1").contains("{invitationList, cursor}"), "{}", text("LST-1"));
}
