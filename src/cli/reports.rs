//! What a command says of its outcomes, and the files that it writes beside: a person's log on standard output and a
//! machine's files in one run is what CI wants.

use std::path::{Path, PathBuf};

use super::Failure;
use super::args::{ReportFormat, Reports};
use super::output::Output;
use crate::file;
use crate::report::result::RunResult;
use crate::report::{groups, html, junit};

/// Where text goes that is no file: there, several reports would run into each other.
const STREAMS: [&str; 3] = ["/dev/stdout", "/dev/stderr", "/dev/fd/1"];

impl Reports {
    /// The files that are asked for, each with the option that asks.
    fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let all: [(&str, &Option<PathBuf>); 3] =
            [("--json", &self.json), ("--junit", &self.junit), ("--html", &self.html)];
        all.into_iter().filter_map(|(option, file)| Some((option, file.as_deref()?)))
    }

    /// Whether anything is asked for that is made of a result.
    pub(super) fn need_result(&self) -> bool {
        self.format != ReportFormat::Human || self.by_requirement || self.files().next().is_some()
    }

    /// Refuses what can't be meant, before anything runs.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let mut seen: Vec<(&str, &Path)> = Vec::new();
        for (option, file) in self.files() {
            if let Some((other, _)) = seen.iter().find(|(_, known)| *known == file) {
                let words = format!("{other} and {option} would both write {}; name two files", file.display());
                return Err(Failure::Usage(words));
            }
            if file.is_dir() {
                let words = format!("{} is a folder; {option} wants the name of a file in it", file.display());
                return Err(Failure::Usage(words));
            }
            if file == Path::new("-") || STREAMS.iter().any(|stream| file == Path::new(stream)) {
                let words = format!("{option} writes a file; for standard output there is --format");
                return Err(Failure::Usage(words));
            }
            seen.push((option, file));
        }
        Ok(())
    }

    /// Writes the files, all that can be written. The first error is told.
    pub(super) fn write_files(&self, result: &RunResult) -> Result<(), Failure> {
        let mut ended = Ok(());
        for (option, path) in self.files() {
            let text = match option {
                "--junit" => junit::junit(result),
                "--html" => html::page(result),
                _ => result.to_json(),
            };
            let written = file::write_whole(path, |to| to.write_all(text.as_bytes()));
            ended = ended.and(written.map_err(Failure::from));
        }
        ended
    }

    /// Says the result on standard output, in the format asked for. People were told on the way, and hear at the end what was
    /// shown of the requirements if they asked for that.
    pub(super) fn say(&self, result: &RunResult, output: &mut Output) -> Result<(), Failure> {
        match self.format {
            ReportFormat::Human if self.by_requirement => {
                output.write(&format!("\n{}", groups::groups(result, output.page)))?;
            }
            ReportFormat::Human => {}
            ReportFormat::Json => output.write(&result.to_json())?,
            ReportFormat::Junit => output.write(&junit::junit(result))?,
        }
        Ok(())
    }
}
