//! Whole files: written beside their place and then renamed, so that an interruption leaves the old file or the new one
//! and never half of one. Errors say which file and what was being done with it.
//!
//! Nothing here knows what the files are for.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("can't {doing} {}: {source}", path.display())]
pub struct FileError {
    /// What was being done: `read`, `write`.
    pub doing: &'static str,
    /// With which file.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

impl FileError {
    /// An error of the system while doing something with a file.
    #[must_use]
    pub fn new(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self { doing, path: path.to_owned(), source }
    }
}

/// The whole text of a file, or nothing when there is no such file.
///
/// # Errors
/// When the file is there and can't be read as UTF-8 text.
pub fn read_if_there(path: &Path) -> Result<Option<String>, FileError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::new("read", path, error)),
    }
}

/// Writes a file in one go, with the folders above it.
///
/// # Errors
/// When the system refuses; the file is then as it was before.
pub fn write_whole(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), FileError> {
    let failed = |error| FileError::new("write", path, error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    // What is no file, such as a pipe or /dev/stdout, has no old content to save and must not be replaced by one.
    if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        let straight = File::options().write(true).open(path).and_then(|file| {
            let mut buffer = BufWriter::new(file);
            content(&mut buffer)?;
            buffer.flush()
        });
        return straight.map_err(failed);
    }
    // A link stays a link: what it points to is written.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let path = target.as_path();
    let name = path.file_name().ok_or_else(|| failed(io::Error::other("it has no file name")))?;
    let beside = path.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
    let written = File::create(&beside).and_then(|file| {
        let mut buffer = BufWriter::new(file);
        content(&mut buffer)?;
        buffer.flush()?;
        drop(buffer);
        fs::rename(&beside, path)
    });
    if written.is_err() {
        // Whether this works too changes nothing for the caller.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(failed)
}

/// Removes a file if it is there.
///
/// # Errors
/// When it is there and the system refuses.
pub fn remove_if_there(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::new("remove", path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
