//! What is wrong with a file, for people: where, what, and how to mend it, in rustc's look.
//!
//! Diagnostics point into a text that they carry with them. They are data until [`Diagnostics::render`]; nothing here
//! knows what a scenario is.

use std::fmt;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::node::Span;

/// How many mistakes are reported at once.
const SHOWN_MAX: usize = 50;

/// One mistake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Where, if it is at one place.
    pub span: Option<Span>,
    /// What is wrong.
    pub message: String,
    /// What to say right at the place, if more than the message.
    pub label: Option<String>,
    /// Another place that matters, and why.
    pub other: Option<(Span, String)>,
    /// How to mend it.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// A mistake at a place.
    #[must_use]
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span: Some(span), ..Self::of_file(message) }
    }

    /// A mistake of the file as a whole.
    #[must_use]
    pub fn of_file(message: impl Into<String>) -> Self {
        Self { span: None, message: message.into(), label: None, other: None, help: Vec::new() }
    }

    /// The same mistake, at a place.
    #[must_use]
    pub const fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// Says something right at the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Points to another place, too.
    #[must_use]
    pub fn other(mut self, span: Span, label: impl Into<String>) -> Self {
        self.other = Some((span, label.into()));
        self
    }

    /// Says how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Suggests the known name that is most like `given`, or lists the known names if none is.
    #[must_use]
    pub fn suggest<'n>(self, given: &str, known: impl IntoIterator<Item = &'n str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        match nearest(given, known.iter().copied()) {
            Some(name) => self.label(format!("did you mean `{name}`?")),
            None if known.is_empty() => self,
            None => {
                const LISTED_MAX: usize = 24;
                let mut names = known.iter().take(LISTED_MAX).map(|name| format!("`{name}`")).collect::<Vec<_>>();
                if known.len() > LISTED_MAX {
                    names.push("…".to_owned());
                }
                self.help(format!("known are {}", names.join(", ")))
            }
        }
    }
}

/// The name most like `given`, if one is like it at all.
#[must_use]
pub fn nearest<'n>(given: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // Keeps `alice` from finding `accept`. Names of a few letters are told apart by a single slip instead, since
    // jaro_winkler finds `bbo` and `bob` as unlike as `bbo` and `abc`.
    const LIKE: f64 = 0.8;
    const ONE_SLIP: f64 = 0.9;
    // Similarity is quadratic, and nobody's name is longer.
    if given.len() > 200 {
        return None;
    }
    let given = given.to_lowercase();
    known
        .into_iter()
        .map(|name| {
            let lower = name.to_lowercase();
            let likeness = strsim::jaro_winkler(&given, &lower);
            let one_slip = given.len() > 1 && lower.len() > 1 && strsim::osa_distance(&given, &lower) <= 1;
            (if one_slip { likeness.max(ONE_SLIP) } else { likeness }, name)
        })
        .filter(|(likeness, _)| *likeness >= LIKE)
        // The first of equals: `max_by` would take the last.
        .fold(None, |best: Option<(f64, &str)>, this| match best {
            Some(best) if best.0 >= this.0 => Some(best),
            _ => Some(this),
        })
        .map(|(_, name)| name)
}

/// The mistakes of one file, with its text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostics {
    path: String,
    text: Arc<str>,
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// No mistakes yet.
    #[must_use]
    pub fn new(path: &str, text: &Arc<str>) -> Self {
        Self { path: path.to_owned(), text: Arc::clone(text), items: Vec::new() }
    }

    /// One more mistake.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.items.push(diagnostic);
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The mistakes, in the order of the file.
    #[must_use]
    pub fn items(&self) -> &[Diagnostic] {
        &self.items
    }

    /// `value` if there are no mistakes.
    ///
    /// # Errors
    /// The mistakes, in the order of the file.
    pub fn or_ok<T>(mut self, value: T) -> Result<T, Self> {
        if self.items.is_empty() {
            return Ok(value);
        }
        self.items.sort_by_key(|item| item.span.map(|span| (span.line, span.column)));
        self.items.dedup();
        Err(self)
    }

    /// As rustc would show them; with `colour`, for a terminal.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut rendered = Vec::new();
        for item in self.items.iter().take(SHOWN_MAX) {
            rendered.push(renderer.render(&[self.group(item)]));
        }
        if self.items.len() > SHOWN_MAX {
            rendered.push(format!("and {} more mistakes in {}", self.items.len() - SHOWN_MAX, self.path));
        }
        rendered.join("\n\n")
    }

    fn group<'a>(&'a self, item: &'a Diagnostic) -> Group<'a> {
        let group = Group::with_title(Level::ERROR.primary_title(printable(&item.message)));
        let group = match item.span {
            None => group.element(Origin::path(&*self.path)),
            Some(span) => {
                let other = item.other.as_ref().map(|(span, label)| (*span, label.as_str()));
                // A snippet of a few lines: the renderer looks at all the text that it is given.
                let first = other.map_or(span.line, |(other, _)| other.line.min(span.line));
                let last = other.map_or(span.line, |(other, _)| other.line.max(span.line));
                let (from, lines) = self.lines(first, last);
                let within = |span: Span| {
                    let range = self.range(span);
                    let clamp = |byte: usize| byte.saturating_sub(from).min(lines.len());
                    clamp(range.start)..clamp(range.end)
                };
                let mut annotation = AnnotationKind::Primary.span(within(span));
                if let Some(label) = &item.label {
                    annotation = annotation.label(printable(label));
                }
                let mut snippet = Snippet::source(lines)
                    .path(&*self.path)
                    .line_start(usize::try_from(first.max(1)).unwrap_or(1))
                    .annotation(annotation);
                if let Some((other, label)) = other {
                    snippet = snippet.annotation(AnnotationKind::Context.span(within(other)).label(printable(label)));
                }
                group.element(snippet)
            }
        };
        item.help.iter().fold(group, |group, help| group.element(Level::HELP.message(printable(help))))
    }

    /// The text from line `first` to line `last`, and the byte at which it begins.
    fn lines(&self, first: u32, last: u32) -> (usize, &str) {
        let from = self.line_start(first);
        let rest = &self.text[from..];
        let count = usize::try_from(last.saturating_sub(first)).unwrap_or(0) + 1;
        let to = rest.match_indices('\n').nth(count - 1).map_or(rest.len(), |(byte, _)| byte);
        (from, rest[..to].trim_end_matches('\r'))
    }

    fn line_start(&self, line: u32) -> usize {
        match line {
            0 | 1 => 0,
            _ => {
                let nth = usize::try_from(line - 2).unwrap_or(usize::MAX);
                self.text.match_indices('\n').nth(nth).map_or(self.text.len(), |(byte, _)| byte + 1)
            }
        }
    }

    /// The bytes of a place: on one line, and on the edges of characters.
    fn range(&self, span: Span) -> std::ops::Range<usize> {
        let line_start = self.line_start(span.line);
        let line = self.text[line_start..].lines().next().unwrap_or_default();
        let column = usize::try_from(span.column.saturating_sub(1)).unwrap_or(0);
        let in_line = line.char_indices().nth(column).map_or(line.len(), |(byte, _)| byte);
        let wanted = in_line.saturating_add(usize::try_from(span.len.max(1)).unwrap_or(1)).min(line.len());
        let mut end = wanted;
        while !line.is_char_boundary(end) {
            end += 1;
        }
        let end = line[..end].trim_end().len().max(in_line);
        line_start + in_line..line_start + end
    }
}

/// Text without what would confuse a terminal. Authors can write any character.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}
