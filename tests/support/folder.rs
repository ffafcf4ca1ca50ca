//! A folder for one test, gone after it, and a scenario that is well to put into it.

use std::fs;
use std::path::PathBuf;

/// A folder for one test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// An empty one; of two tests of a process each needs a name of its own.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("convoke-test-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A scenario that the reference passes.
pub(crate) const GOOD: &str = "version: 1
title: A call.
covers: [INV-3]
tags: [basics]
users:
  alice: {devices: [web]}
  bob: {devices: [phone]}
rooms:
  r1: {owner: alice, members: [alice.web]}
steps:
  - device: alice.web
    inviteUsers: {roomId: r1, userIdList: [bob], timeout: 60, extensionInfo: a-secret}
    returns: {bob: kSuccess}
";
