//! Which scenarios a user means: files, and folders with everything below them.
//!
//! A folder's files come sorted by name, so that every machine runs and reports them in the same order. The [`Corpus`] that
//! they make has an identity, by which two results are known to be of the same scenarios.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Target;
use crate::file::{self, FileError};

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A path doesn't exist.
    #[error("there is no {}; name a scenario file or a folder of them, or begin with `convoke init`", .0.display())]
    Missing(PathBuf),
    /// A folder holds no scenario.
    #[error("there are no scenarios (files that end in .yaml) in {}; `convoke init` writes a first one", .0.display())]
    Empty(PathBuf),
    /// Two files have one snapshot.
    #[error("{} and {} would share one snapshot; rename one of them", .0.display(), .1.display())]
    Twins(PathBuf, PathBuf),
    /// A folder can't be read.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The scenarios at some paths, each once.
///
/// # Errors
/// When a path doesn't exist or holds none, or two files differ in their ending alone.
pub fn find(paths: &[PathBuf]) -> Result<Vec<Target>, CorpusError> {
    let mut targets: Vec<Target> = Vec::new();
    for root in paths {
        if !root.exists() {
            return Err(CorpusError::Missing(root.clone()));
        }
        let mut files = Vec::new();
        if root.is_dir() {
            collect(root, &mut files)?;
            files.sort();
            if files.is_empty() {
                return Err(CorpusError::Empty(root.clone()));
            }
        } else {
            files.push(root.clone());
        }
        for path in files {
            let twin = targets.iter().find(|target| target.path.with_extension("") == path.with_extension(""));
            match twin {
                Some(twin) if twin.path == path => {}
                Some(twin) => return Err(CorpusError::Twins(twin.path.clone(), path)),
                None => targets.push(Target { path, root: root.clone() }),
            }
        }
    }
    Ok(targets)
}

/// The file beside scenarios that says which version of them it is.
const VERSION: &str = "VERSION";

/// Which scenarios these are: what a result says of them, so that another can be held against it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Corpus {
    /// What the file `VERSION` in the first folder says, if there is one.
    pub version: Option<String>,
    /// SHA-256, in hexadecimal, over the name below its folder and the content of every file, in order.
    pub hash: String,
    /// How many files there are.
    pub files: usize,
}

impl Corpus {
    /// Of these names and contents.
    #[must_use]
    pub fn of<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> Self {
        let mut hash = Sha256::new();
        let mut count = 0;
        for (name, content) in files {
            // With their lengths, no two lists of files are the same bytes.
            for part in [name.as_bytes(), content] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
            count += 1;
        }
        let hash = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { version: None, hash, files: count }
    }
}

/// The identity of the scenarios in these files. A file that can't be read counts as empty: that it can't is told where it
/// is to be run.
///
/// # Errors
/// When there is a file `VERSION` that can't be read.
pub fn identity(targets: &[Target]) -> Result<Corpus, FileError> {
    let files: Vec<(String, Vec<u8>)> =
        targets.iter().map(|target| (name_below(target), fs::read(&target.path).unwrap_or_default())).collect();
    let corpus = Corpus::of(files.iter().map(|(name, content)| (name.as_str(), content.as_slice())));
    let version = match targets.first().filter(|first| first.root.is_dir()) {
        Some(first) => file::read_if_there(&first.root.join(VERSION))?,
        None => None,
    };
    let first_line = |text: String| text.lines().next().map(|line| line.trim().to_owned());
    Ok(Corpus { version: version.and_then(first_line), ..corpus })
}

/// The name of a scenario below the folder that the user named, which is the same wherever that folder stands.
#[must_use]
pub fn name_below(target: &Target) -> String {
    let below = target.path.strip_prefix(&target.root).unwrap_or(&target.path);
    let below = if below.as_os_str().is_empty() { target.path.file_name().map_or(below, Path::new) } else { below };
    below.to_string_lossy().replace('\\', "/")
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), FileError> {
    let failed = |error| FileError::new("read", folder, error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            // A link to a folder above would never end.
            if name != "snapshots" && !path.is_symlink() {
                collect(&path, files)?;
            }
        } else if matches!(path.extension().and_then(|ending| ending.to_str()), Some("yaml" | "yml")) {
            files.push(path);
        }
    }
    Ok(())
}
