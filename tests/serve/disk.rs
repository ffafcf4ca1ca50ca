//! A disk in trouble, or somebody else's: a clear error, and nothing is overwritten.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::client::Client;
use crate::fails;
use crate::process::{Folder, Server};

const ANY: &str = "--insecure-any-user --listen 127.0.0.1:0";

/// Every file below a folder, with its content.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.insert(path.display().to_string(), fs::read(&path).unwrap());
        }
    }
    all
}

/// A server that must not start there, says why, and leaves everything as it is.
#[track_caller]
fn refuses(folder: &Folder, data: &str, code: i32, words: &[&str]) {
    let before = contents(&folder.0);
    fails(folder.command(&format!("{ANY} --data {data}")), code, words);
    assert!(contents(&folder.0) == before, "{data} is as it was");
}

/// A journal with a room in it.
async fn journal(folder: &Folder, data: &str) {
    let mut server = Server::start(folder, &format!("--data {data}"));
    let mut alice = Client::login(server.address, "alice.web").await;
    for number in 0..50 {
        alice.asks("createRoom", json!({"roomId": format!("r{number}")})).await.unwrap();
    }
    server.signal("TERM");
    assert_eq!(server.ended().await, Some(0));
}

#[tokio::test]
async fn a_journal_that_is_not_whole_is_left_as_it_is() {
    let folder = Folder::new("broken");
    journal(&folder, "kept").await;
    let whole = fs::read(folder.0.join("kept/journal.redb")).unwrap();
    let mut scrambled = whole.clone();
    scrambled.iter_mut().skip(64).step_by(97).for_each(|byte| *byte ^= 0xff);
    let spoilt: [(&str, &[u8]); 4] =
        [("half", &whole[..whole.len() / 2]), ("headless", &whole[4096..]), ("scrambled", &scrambled), ("empty", b"")];
    for (name, content) in spoilt {
        fs::create_dir(folder.0.join(name)).unwrap();
        fs::write(folder.0.join(name).join("journal.redb"), content).unwrap();
        let file = format!("{name}/journal.redb");
        refuses(&folder, name, 3, &[&file, "can't be read", "restore it from a copy, or name another folder"]);
    }
    // The whole one is still good.
    let server = Server::start(&folder, "--data kept");
    let mut alice = Client::login(server.address, "alice.web").await;
    alice.asks("fetchRoomInfo", json!({"roomId": "r49"})).await.unwrap();
}

#[tokio::test]
async fn what_is_somebody_elses_is_left_alone() {
    let folder = Folder::new("elsewhere");
    fs::create_dir_all(folder.0.join("thesis/figures")).unwrap();
    fs::write(folder.0.join("thesis/chapter-1"), "years of work").unwrap();
    refuses(&folder, "thesis", 2, &["thesis", "name an empty folder"]);
    fs::create_dir_all(folder.0.join("nested/journal.redb")).unwrap();
    refuses(&folder, "nested", 3, &["nested"]);
    fs::write(folder.0.join("file"), "a file").unwrap();
    refuses(&folder, "file", 3, &["the data folder file can't be used"]);
}

#[tokio::test]
async fn a_second_server_changes_nothing_of_the_firsts() {
    let folder = Folder::new("second");
    let server = Server::start(&folder, "--data kept");
    let mut alice = Client::login(server.address, "alice.web").await;
    alice.asks("createRoom", json!({"roomId": "r1"})).await.unwrap();
    let before = contents(&folder.0.join("kept"));
    let words = ["in use by another server", "stop that one, or name another folder"];
    fails(folder.command(&format!("{ANY} --data kept")), 3, &words);
    assert!(contents(&folder.0.join("kept")) == before);
    alice.asks("fetchRoomInfo", json!({"roomId": "r1"})).await.unwrap();
}

#[tokio::test]
async fn a_folder_that_may_not_be_written_is_told_of() {
    let folder = Folder::new("read-only");
    journal(&folder, "kept").await;
    fs::create_dir(folder.0.join("new")).unwrap();
    for (path, mode) in [("kept/journal.redb", 0o444), ("kept", 0o555), ("new", 0o555), ("log", 0o666)] {
        fs::set_permissions(folder.0.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    for data in ["kept", "new"] {
        let before = contents(&folder.0);
        let arguments = format!("{ANY} --data {data}");
        let mut command = folder.command(&arguments);
        // Permissions bind everybody but root.
        if rustix_is_root() {
            let mut as_nobody = Command::new("setpriv");
            as_nobody.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
            as_nobody.arg(env!("CARGO_BIN_EXE_convoke")).arg("serve").args(arguments.split_whitespace());
            as_nobody.current_dir(&folder.0).stdin(std::process::Stdio::null());
            command = as_nobody;
        }
        fails(command, 3, &[&format!("the data folder {data} can't be used"), "Permission denied"]);
        assert!(contents(&folder.0) == before);
    }
}

fn rustix_is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim() == "0"
}
