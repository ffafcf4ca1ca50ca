use std::io;

use super::*;

#[test]
fn a_failed_write_leaves_the_old_file_and_nothing_beside_it() {
    let folder = std::env::temp_dir().join(format!("convoke-file-{}", std::process::id()));
    let path = folder.join("a/b.txt");
    write_whole(&path, |to| to.write_all(b"old")).unwrap();
    let error = write_whole(&path, |to| {
        to.write_all(b"half of the new")?;
        Err(io::Error::other("disk full"))
    })
    .unwrap_err();
    assert!(error.to_string().contains("can't write") && error.to_string().contains("b.txt: disk full"), "{error}");
    assert_eq!(read_if_there(&path).unwrap().as_deref(), Some("old"));
    assert_eq!(fs::read_dir(folder.join("a")).unwrap().count(), 1);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_no_file_is_written_to_and_stays_what_it_is() {
    use std::os::unix::fs::FileTypeExt;
    let null = Path::new("/dev/null");
    write_whole(null, |to| to.write_all(b"gone")).unwrap();
    assert!(fs::metadata(null).unwrap().file_type().is_char_device());
    let full = write_whole(Path::new("/dev/full"), |to| to.write_all(b"too much")).unwrap_err();
    assert!(full.to_string().starts_with("can't write /dev/full"), "{full}");
}

#[test]
#[cfg(unix)]
fn a_link_stays_a_link() {
    let folder = std::env::temp_dir().join(format!("convoke-link-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (file, link) = (folder.join("file"), folder.join("link"));
    fs::write(&file, "old").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    write_whole(&link, |to| to.write_all(b"new")).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    fs::remove_dir_all(&folder).unwrap();
}
