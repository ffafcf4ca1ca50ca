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
