//! Which scenarios did not end well the last time they were run: a small file `.convoke/last-failed` beside the folder
//! of scenarios, a path a line, seen from the folder that holds `.convoke`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::file::{self, FileError};
use crate::run::Target;

/// The memory of one folder.
pub(super) struct LastFailed {
    base: PathBuf,
    paths: BTreeSet<String>,
}

impl LastFailed {
    /// Reads the memory that belongs to the first of these targets.
    pub(super) fn read(first: &Target) -> Result<Self, FileError> {
        let root = std::path::absolute(&first.root).map_err(|error| FileError::new("find", &first.root, error))?;
        let above = root.ancestors().find(|above| above.file_name().is_some_and(|name| name == "scenarios"));
        let base = match above {
            Some(scenarios) => scenarios.parent().unwrap_or(scenarios).to_owned(),
            None if root.is_dir() => root,
            None => root.parent().unwrap_or(&root).to_owned(),
        };
        let text = file::read_if_there(&Self::file(&base))?.unwrap_or_default();
        Ok(Self { base, paths: text.lines().map(str::to_owned).collect() })
    }

    fn file(base: &Path) -> PathBuf {
        base.join(".convoke").join("last-failed")
    }

    fn key(&self, path: &Path) -> String {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        whole.strip_prefix(&self.base).unwrap_or(&whole).to_string_lossy().replace('\\', "/")
    }

    /// Whether this one did not end well.
    pub(super) fn holds(&self, target: &Target) -> bool {
        self.paths.contains(&self.key(&target.path))
    }

    /// Learns how a scenario ended.
    pub(super) fn learn(&mut self, path: &str, well: bool) {
        let key = self.key(Path::new(path));
        if well {
            self.paths.remove(&key);
        } else {
            self.paths.insert(key);
        }
    }

    /// Writes down what was learned.
    pub(super) fn write(&self) -> Result<(), FileError> {
        let file = Self::file(&self.base);
        if self.paths.is_empty() {
            return file::remove_if_there(&file);
        }
        file::write_whole(&file, |to| self.paths.iter().try_for_each(|path| writeln!(to, "{path}")))
    }
}
