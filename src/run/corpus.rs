//! Which scenarios a user means: files, and folders with everything below them.
//!
//! A folder's files come sorted by name, so that every machine runs and reports them in the same order.

use std::fs;
use std::path::{Path, PathBuf};

use super::Target;
use crate::file::FileError;

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
