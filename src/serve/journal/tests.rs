use super::*;
use crate::protocol::core::SessionSlot;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("convoke-journal-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn ended(at: u64) -> Arc<Record> {
    Arc::new(Record::SessionEnded { at: Instant::from_millis(at), slot: SessionSlot(0) })
}

#[test]
fn what_was_appended_is_found_again() {
    let folder = Folder::new("again");
    let mut first = DiskJournal::open(&folder.0).expect("opens");
    first.journal.append(&[ended(1), ended(2)]).expect("appends");
    drop(first);
    let second = DiskJournal::open(&folder.0).expect("opens again");
    assert_eq!(second.records.len(), 2);
    assert_eq!(second.latest, Instant::from_millis(2));
}

#[test]
fn a_second_server_is_kept_out() {
    let folder = Folder::new("second");
    let _first = DiskJournal::open(&folder.0).expect("opens");
    assert!(matches!(DiskJournal::open(&folder.0), Err(OpenError::InUse { .. })));
}

#[test]
fn a_foreign_folder_is_left_alone() {
    let folder = Folder::new("foreign");
    fs::create_dir_all(&folder.0).expect("a folder");
    fs::write(folder.0.join("thesis.txt"), "years of work").expect("a file");
    assert!(matches!(DiskJournal::open(&folder.0), Err(OpenError::Foreign { .. })));
    assert_eq!(fs::read_dir(&folder.0).expect("read").count(), 1);
}

#[test]
fn a_file_that_is_no_journal_is_left_alone() {
    let folder = Folder::new("damaged");
    fs::create_dir_all(&folder.0).expect("a folder");
    let file = folder.0.join(FILE);
    for content in [&b"years of work"[..], &[0; 4096], b""] {
        fs::write(&file, content).expect("a file");
        assert!(matches!(DiskJournal::open(&folder.0), Err(OpenError::Damaged { .. })), "{content:?}");
        assert_eq!(fs::read(&file).expect("read"), content);
    }
}

#[test]
fn a_first_life_that_wrote_nothing_is_begun_again() {
    let folder = Folder::new("blank");
    fs::create_dir_all(&folder.0).expect("a folder");
    drop(Database::create(folder.0.join(FILE)).expect("a store without tables"));
    let found = DiskJournal::open(&folder.0).expect("opens");
    assert!(found.records.is_empty());
}
