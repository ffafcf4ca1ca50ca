//! Where text goes: standard output with or without colours, and complaints to standard error.

use std::io::{self, IsTerminal as _, Write};

use crate::report::terminal::Page;

/// The width of a page when no terminal says otherwise.
const WIDTH: usize = 100;
/// Narrower pages help nobody.
const WIDTH_MIN: usize = 60;

/// Standard output, as far as commands use it.
pub(super) struct Output {
    stream: anstream::AutoStream<io::StdoutLock<'static>>,
    /// How wide it is.
    pub(super) page: Page,
    /// Whether a person looks at it.
    pub(super) watched: bool,
}

impl Output {
    pub(super) fn standard() -> Self {
        let stdout = io::stdout();
        let watched = stdout.is_terminal();
        let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        // Colours are always written: the stream takes them out where nobody wants them.
        let page = Page { width: width.filter(|_| watched).unwrap_or(WIDTH).max(WIDTH_MIN), colour: true };
        Self { stream: anstream::AutoStream::auto(stdout.lock()), page, watched }
    }

    pub(super) fn write(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }

    /// Says what is wrong, where people look for it. Nobody can be told that this failed.
    pub(super) fn complain(&mut self, words: &str) {
        let _ = self.stream.flush();
        let red = anstyle::AnsiColor::Red.on_default().bold();
        let _ = writeln!(anstream::stderr(), "{red}error:{red:#} {words}");
    }

    /// Says something beside the matter, on standard error.
    pub(super) fn note(&mut self, words: &str) {
        let _ = self.stream.flush();
        let _ = writeln!(anstream::stderr(), "note: {words}");
    }

    /// Warns of what may do harm, on standard error.
    #[cfg(feature = "net")]
    pub(super) fn warn(&mut self, words: &str) {
        let _ = self.stream.flush();
        let yellow = anstyle::AnsiColor::Yellow.on_default().bold();
        let _ = writeln!(anstream::stderr(), "{yellow}warning:{yellow:#} {words}");
    }
}
