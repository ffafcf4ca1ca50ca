//! Is a run the same as the one that somebody looked at? Snapshots are files of insta's format in a folder that mirrors
//! the scenarios; a difference leaves a pending file beside them, for `convoke review` or `cargo insta review`.
//!
//! The module compares and keeps texts. It doesn't make them (`trace::text` does) and has no opinion on what is legal.

pub mod diff;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::file::{self, FileError};

/// The folder of scenarios whose neighbour is the folder of snapshots.
const SCENARIOS: &str = "scenarios";
const SNAPSHOTS: &str = "snapshots";
const RECORDED: &str = "snap";
const PENDING: &str = "snap.new";

/// The snapshot of one scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The recorded file.
    pub file: PathBuf,
    /// The scenario as the file's header names it: seen from the parent of the snapshots' folder, with `/`.
    pub source: String,
}

/// What a comparison found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// The recorded text and this one are the same.
    Same,
    /// There is no recorded text yet.
    New,
    /// The recorded text is another.
    Differs {
        /// The recorded text.
        recorded: String,
    },
}

impl Snapshot {
    /// Where the snapshot of a scenario belongs.
    ///
    /// The nearest folder above the scenario that is called `scenarios` has a neighbour `snapshots`, with the same
    /// folders in it. Without one, the snapshots are in a folder `snapshots` beside the scenario. A folder that the user
    /// names holds the same tree, counted from `scenarios` or else from `root`, the folder that the run began with.
    ///
    /// # Errors
    /// When the system doesn't know where we are.
    pub fn of(scenario: &Path, root: &Path, folder: Option<&Path>) -> Result<Self, FileError> {
        let absolute = absolute(scenario)?;
        let above_scenarios =
            absolute.ancestors().skip(1).find(|above| above.file_name() == Some(OsStr::new(SCENARIOS)));
        let (base, default) = match above_scenarios {
            Some(scenarios) => (scenarios.to_owned(), scenarios.with_file_name(SNAPSHOTS)),
            None => {
                let beside = absolute.parent().unwrap_or(&absolute).to_owned();
                let snapshots = beside.join(SNAPSHOTS);
                match folder {
                    Some(_) if root.is_dir() => (self::absolute(root)?, snapshots),
                    _ => (beside, snapshots),
                }
            }
        };
        let inside = absolute.strip_prefix(&base).unwrap_or(Path::new(absolute.file_name().unwrap_or_default()));
        let file = folder.map_or(default, Path::to_owned).join(inside.with_extension(RECORDED));
        let source = match above_scenarios {
            Some(_) => Path::new(SCENARIOS).join(inside),
            None => inside.to_owned(),
        };
        Ok(Self { file, source: with_slashes(&source) })
    }

    /// The folder of the snapshots of an implementation: below the reference's own, under its name. `root` is what the user
    /// named, a folder of scenarios or one file.
    ///
    /// # Errors
    /// When the system doesn't know where we are.
    pub fn folder_of(root: &Path, implementation: &str) -> Result<PathBuf, FileError> {
        let root = absolute(root)?;
        let scenarios = root.ancestors().find(|above| above.file_name() == Some(OsStr::new(SCENARIOS)));
        let snapshots = match scenarios {
            Some(scenarios) => scenarios.with_file_name(SNAPSHOTS),
            None if root.is_dir() => root.join(SNAPSHOTS),
            None => root.parent().unwrap_or(&root).join(SNAPSHOTS),
        };
        // Whoever names itself after a path above does not get there.
        let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
        Ok(snapshots.join(implementation.chars().map(plain).collect::<String>()))
    }

    /// Compares a text with the recorded one.
    ///
    /// # Errors
    /// When the recorded file is there and can't be read.
    pub fn compare(&self, text: &str) -> Result<Comparison, FileError> {
        Ok(match file::read_if_there(&self.file)? {
            None => Comparison::New,
            Some(recorded) if body(&recorded) == body_of_text(text) => Comparison::Same,
            Some(recorded) => Comparison::Differs { recorded: body(&recorded).to_owned() },
        })
    }

    /// Records a text and forgets a pending one.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn record(&self, title: &str, text: &str) -> Result<(), FileError> {
        self.write(&self.file, title, text)?;
        self.forget_pending()
    }

    /// Leaves a text for review.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn propose(&self, title: &str, text: &str) -> Result<PathBuf, FileError> {
        let path = self.file.with_extension(PENDING);
        self.write(&path, title, text)?;
        Ok(path)
    }

    /// Forgets a pending text, if there is one.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn forget_pending(&self) -> Result<(), FileError> {
        file::remove_if_there(&self.file.with_extension(PENDING))
    }

    fn write(&self, path: &Path, title: &str, text: &str) -> Result<(), FileError> {
        // A JSON string is a YAML string on one line, whatever is in it.
        let (source, title) = (serde_json::Value::from(&*self.source), serde_json::Value::from(title));
        file::write_whole(path, |to| {
            write!(
                to,
                "---\nsource: {source}\nexpression: trace\ninfo:\n  title: {title}\n---\n{}\n",
                body_of_text(text)
            )
        })
    }
}

/// A text that waits for somebody to look at it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pending {
    /// The pending file.
    pub file: PathBuf,
    /// The text that was recorded, if any.
    pub recorded: Option<String>,
    /// The text that waits.
    pub proposed: String,
}

impl Pending {
    /// Reads a pending file and the recorded one that it would replace.
    ///
    /// # Errors
    /// When one of them can't be read.
    pub fn read(file: PathBuf) -> Result<Self, FileError> {
        let proposed = fs::read_to_string(&file).map_err(|error| FileError::new("read", &file, error))?;
        let recorded = file::read_if_there(&recorded_file(&file))?;
        Ok(Self { recorded: recorded.map(|text| body(&text).to_owned()), proposed: body(&proposed).to_owned(), file })
    }

    /// The recorded file that accepting writes.
    #[must_use]
    pub fn target(&self) -> PathBuf {
        recorded_file(&self.file)
    }

    /// Makes it the recorded one.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn accept(&self) -> Result<(), FileError> {
        fs::rename(&self.file, self.target()).map_err(|error| FileError::new("rename", &self.file, error))
    }

    /// Throws it away.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn reject(&self) -> Result<(), FileError> {
        file::remove_if_there(&self.file)
    }
}

fn recorded_file(pending: &Path) -> PathBuf {
    // `a.snap.new` without its last extension.
    pending.with_extension("")
}

/// The snapshot folders that belong to what a user names: a folder or file of scenarios.
///
/// # Errors
/// When the system doesn't know where we are, or a folder can't be read.
pub fn folders(root: &Path) -> Result<Vec<PathBuf>, FileError> {
    let whole = absolute(root)?;
    if let Some(scenarios) = whole.ancestors().find(|above| above.file_name() == Some(OsStr::new(SCENARIOS))) {
        let inside = whole.strip_prefix(scenarios).unwrap_or(Path::new(""));
        let mirrored = scenarios.with_file_name(SNAPSHOTS).join(inside);
        return Ok(vec![if whole.is_dir() { mirrored } else { mirrored.with_extension(RECORDED) }]);
    }
    if !whole.is_dir() {
        let file = Snapshot::of(&whole, &whole, None)?.file;
        return Ok(vec![file]);
    }
    let mut found = Vec::new();
    let mut waiting = vec![whole];
    while let Some(folder) = waiting.pop() {
        for inside in sub_folders(&folder)? {
            if inside.file_name() == Some(OsStr::new(SNAPSHOTS)) {
                found.push(inside);
            } else {
                waiting.push(inside);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The recorded files in a folder and below, sorted.
///
/// # Errors
/// When a folder can't be read.
pub fn recorded_in(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    files_in(folder, &format!(".{RECORDED}"))
}

/// The pending files in a folder and below, or of one recorded file; sorted.
///
/// # Errors
/// When a folder can't be read.
pub fn pending_in(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    if folder.extension() == Some(OsStr::new(RECORDED)) {
        let pending = folder.with_extension(PENDING);
        return Ok(if pending.exists() { vec![pending] } else { Vec::new() });
    }
    files_in(folder, &format!(".{PENDING}"))
}

fn files_in(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, FileError> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for path in entries(&folder)? {
            if path.is_dir() {
                waiting.push(path);
            } else if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn sub_folders(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir() && !path.is_symlink() && !hidden(path)).collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let failed = |error| FileError::new("read", folder, error);
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
    }
}

/// What follows the header of a file in insta's format.
fn body(file: &str) -> &str {
    let text = file
        .strip_prefix("---\n")
        .or_else(|| file.strip_prefix("---\r\n"))
        .and_then(|rest| rest.split_once("\n---\n").or_else(|| rest.split_once("\n---\r\n")).map(|(_, text)| text));
    body_of_text(text.unwrap_or(file))
}

/// insta compares without the line ends at both ends.
fn body_of_text(text: &str) -> &str {
    text.trim_start_matches(['\r', '\n']).trim_end()
}

/// A path from the root of the file system, without `.` and `..`; symbolic links stay.
fn absolute(path: &Path) -> Result<PathBuf, FileError> {
    let whole = std::path::absolute(path).map_err(|error| FileError::new("find", path, error))?;
    let mut plain = PathBuf::new();
    for part in whole.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    Ok(plain)
}

fn with_slashes(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests;
