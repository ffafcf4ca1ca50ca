//! The difference of two texts, line by line, with a few lines around it.

use similar::{ChangeTag, TextDiff};

/// How many equal lines stand around a difference.
const CONTEXT: usize = 3;

/// One line of a difference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DiffLine {
    /// In both texts.
    Same(String),
    /// In the old text only.
    Removed(String),
    /// In the new text only.
    Added(String),
    /// This many equal lines are left out here.
    Skipped(usize),
}

/// The lines in which two texts differ, and what stands around them. Empty when they are the same.
#[must_use]
pub fn lines(old: &str, new: &str) -> Vec<DiffLine> {
    // A last line is the same with and without a break behind it.
    let (old_lines, new_lines): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let diff = TextDiff::from_slices(&old_lines, &new_lines);
    let mut lines = Vec::new();
    let mut shown_up_to = 0;
    for group in diff.grouped_ops(CONTEXT) {
        let begins = group.first().map_or(0, |op| op.old_range().start);
        if begins > shown_up_to {
            lines.push(DiffLine::Skipped(begins - shown_up_to));
        }
        shown_up_to = group.last().map_or(begins, |op| op.old_range().end);
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let text = change.value().to_owned();
            lines.push(match change.tag() {
                ChangeTag::Equal => DiffLine::Same(text),
                ChangeTag::Delete => DiffLine::Removed(text),
                ChangeTag::Insert => DiffLine::Added(text),
            });
        }
    }
    if !lines.is_empty() && old_lines.len() > shown_up_to {
        lines.push(DiffLine::Skipped(old_lines.len() - shown_up_to));
    }
    lines
}
