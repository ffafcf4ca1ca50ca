use super::diff::{DiffLine, lines};
use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("convoke-snapshot-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
fn check_place(scenario: &str, folder: Option<&str>, file: &str, source: &str) {
    let snapshot = Snapshot::of(Path::new(scenario), Path::new("/nowhere"), folder.map(Path::new)).unwrap();
    assert_eq!((snapshot.file, &*snapshot.source), (PathBuf::from(file), source));
}

#[test]
fn snapshots_mirror_the_nearest_folder_of_scenarios() {
    check_place("/p/scenarios/invite/a.yaml", None, "/p/snapshots/invite/a.snap", "scenarios/invite/a.yaml");
    check_place("/p/scenarios/x/scenarios/a.yaml", None, "/p/scenarios/x/snapshots/a.snap", "scenarios/a.yaml");
    check_place("/p/scenarios/x/../a.yaml", None, "/p/snapshots/a.snap", "scenarios/a.yaml");
}

#[test]
fn without_a_folder_of_scenarios_they_are_beside_the_file() {
    check_place("/p/tests/a.yaml", None, "/p/tests/snapshots/a.snap", "a.yaml");
}

#[test]
fn a_named_folder_holds_the_same_tree() {
    check_place("/p/scenarios/invite/a.yaml", Some("/q"), "/q/invite/a.snap", "scenarios/invite/a.yaml");
    check_place("/p/tests/a.yaml", Some("/q"), "/q/a.snap", "a.yaml");
}

#[test]
fn a_recorded_text_is_the_same_and_another_differs() {
    let folder = Folder::new("record");
    let snapshot = Snapshot::of(&folder.0.join("a.yaml"), &folder.0, None).unwrap();
    assert_eq!(snapshot.compare("  one\ntwo\n").unwrap(), Comparison::New);
    snapshot.record("A \"title\"\n---\nof two lines.", "  one\ntwo\n").unwrap();
    assert_eq!(snapshot.compare("  one\ntwo\n").unwrap(), Comparison::Same);
    assert_eq!(snapshot.compare("one\ntwo\n").unwrap(), Comparison::Differs { recorded: "  one\ntwo".to_owned() });
}

#[test]
fn what_insta_writes_is_read() {
    let folder = Folder::new("insta");
    let snapshot = Snapshot::of(&folder.0.join("a.yaml"), &folder.0, None).unwrap();
    fs::create_dir_all(snapshot.file.parent().unwrap()).unwrap();
    fs::write(&snapshot.file, "---\nsource: tests/snapshots.rs\ninfo:\n  title: A\n---\none\n").unwrap();
    assert_eq!(snapshot.compare("one\n").unwrap(), Comparison::Same);
}

#[test]
fn a_pending_text_is_accepted_or_rejected() {
    let folder = Folder::new("pending");
    let snapshot = Snapshot::of(&folder.0.join("a.yaml"), &folder.0, None).unwrap();
    snapshot.record("A.", "one").unwrap();
    let read = || Pending::read(pending_in(&folders(&folder.0).unwrap()[0]).unwrap().remove(0)).unwrap();

    snapshot.propose("A.", "two").unwrap();
    let pending = read();
    assert_eq!((pending.recorded.as_deref(), &*pending.proposed), (Some("one"), "two"));
    pending.reject().unwrap();
    assert_eq!(snapshot.compare("one").unwrap(), Comparison::Same);

    snapshot.propose("A.", "two").unwrap();
    read().accept().unwrap();
    assert_eq!(snapshot.compare("two").unwrap(), Comparison::Same);
    assert!(pending_in(&folders(&folder.0).unwrap()[0]).unwrap().is_empty());
}

#[test]
fn a_difference_has_its_surroundings() {
    let old = (1..=9).map(|n| format!("{n}\n")).collect::<String>();
    let diff = lines(&old, &old.replace("5\n", "five\n"));
    assert_eq!(diff[0], DiffLine::Skipped(1));
    assert_eq!(diff[4..6], [DiffLine::Removed("5".to_owned()), DiffLine::Added("five".to_owned())]);
    assert_eq!(diff.last(), Some(&DiffLine::Skipped(1)));
    assert_eq!(lines(&old, &old), []);
}

#[test]
fn a_last_line_is_the_same_with_and_without_a_break() {
    let words = |text: &str| text.to_owned();
    let wanted = vec![DiffLine::Same(words("one")), DiffLine::Added(words("two"))];
    assert_eq!(lines("one", "one\ntwo"), wanted);
    let wanted = vec![DiffLine::Same(words("one")), DiffLine::Removed(words("two"))];
    assert_eq!(lines("one\ntwo", "one\n"), wanted);
    assert_eq!(lines("one\r\ntwo", "one\ntwo\n"), Vec::new());
}
