//! `convoke compare`: saved results of several implementations side by side.

use super::args::Compare;
use super::output::Output;
use super::{Ending, Failure, report};
use crate::file;
use crate::report::compare;

pub(super) fn compare(arguments: &Compare, output: &mut Output) -> Ending {
    let mut results = Vec::new();
    for path in &arguments.results {
        results.push((path.to_string_lossy().replace('\\', "/"), report::read(path)?));
    }
    let comparison = compare::compare(&results, arguments.common).map_err(|error| Failure::Usage(error.to_string()))?;
    if let Some(path) = &arguments.html {
        let page = compare::page(&comparison);
        file::write_whole(path, |to| to.write_all(page.as_bytes()))?;
    }
    output.write(&compare::text(&comparison, arguments.all, output.page))?;
    Ok(0)
}
