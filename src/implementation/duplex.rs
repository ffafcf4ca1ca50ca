//! The carrier of a conversation in which either side speaks when it has something to say: lines, from and to a child
//! process, or over a WebSocket (see [`socket`]).
//!
//! Other threads read and write, so that no full pipe stops the run, and the run may be on any runtime. It knows lines and no
//! messages, and what was asked and not answered is not its business.

mod socket;

use std::io::{ErrorKind, Read, Write};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, timeout};

use super::fault::{Fault, FaultKind};
use super::process::{LEAVE_TAKING, LINE_BYTES_MAX, Leader, Log, pause};
use super::system::SECTION;

pub use self::socket::Listener;

/// How many lines may wait to be looked at before nothing more is read.
const HEARD_MAX: usize = 1024;

/// How often a process that says nothing is looked at: whether it is still there.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One line of text each way. The other end goes, with everything that it has started, when this is dropped.
pub struct Duplex {
    to: mpsc::UnboundedSender<String>,
    from: mpsc::Receiver<Heard>,
    log: Arc<Mutex<Log>>,
    end: End,
}

impl std::fmt::Debug for Duplex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Duplex").finish_non_exhaustive()
    }
}

/// Who is at the other end.
enum End {
    Child(Leader),
    /// Somebody else's program, over a connection.
    Far,
}

/// What came.
pub(super) enum Heard {
    Line(String),
    /// Something that is no line, in words, and the beginning of it.
    Wrong(String, String),
}

impl Duplex {
    /// Starts a command, as a shell takes it.
    ///
    /// # Errors
    /// When the system can't.
    pub fn start(command: &str) -> Result<Self, Fault> {
        let (leader, (stdin, stdout, stderr)) = Leader::start(command, &[])
            .map_err(|error| Fault::new(FaultKind::Start, SECTION, format!("can't start `{command}`: {error}")))?;
        let (to, said) = mpsc::unbounded_channel();
        let (heard, from) = mpsc::channel(HEARD_MAX);
        let log = Arc::new(Mutex::new(Log::default()));
        let kept = log.clone();
        thread::spawn(move || write(stdin, said));
        thread::spawn(move || read(stdout, &heard));
        thread::spawn(move || read_log(stderr, &kept));
        Ok(Self { to, from, log, end: End::Child(leader) })
    }

    /// Says a line, which has no line break. Whether it was taken shows in what comes back.
    pub fn say(&self, line: String) {
        let _ = self.to.send(line);
    }

    /// The next line, when it comes.
    ///
    /// # Errors
    /// When there will be none, or what came is no line.
    pub async fn hear(&mut self) -> Result<String, Fault> {
        match self.from.recv().await {
            Some(Heard::Line(line)) => Ok(line),
            Some(Heard::Wrong(reason, said)) => {
                Err(self.with_log(Fault::new(FaultKind::Malformed, SECTION, reason).with_said(&said)))
            }
            None => {
                let fault = Fault::new(FaultKind::Crash, SECTION, self.ending());
                Err(self.with_log(fault))
            }
        }
    }

    /// How the other end went, whose output has ended. Nothing else is to be done until that is known.
    fn ending(&self) -> String {
        const EVERY: Duration = Duration::from_millis(5);
        let End::Child(leader) = &self.end else { return "it closed the connection".to_owned() };
        let looks = LEAVE_TAKING.as_millis() / EVERY.as_millis();
        for _ in 0..looks {
            if leader.exit().is_some() {
                break;
            }
            pause(EVERY);
        }
        // Its last words are read by another thread.
        pause(EVERY.saturating_mul(4));
        leader.ending()
    }

    /// Whether the process itself has gone, whatever keeps its output open.
    #[must_use]
    pub fn has_gone(&self) -> Option<String> {
        let End::Child(leader) = &self.end else { return None };
        leader.exit().map(|_| leader.ending())
    }

    /// Waits for the end after a leave that was taken.
    ///
    /// # Errors
    /// When it stays, says more, or leaves processes behind.
    pub async fn part(mut self) -> Result<(), Fault> {
        if let End::Far = self.end {
            return Ok(()); // Whether its program goes is its own affair.
        }
        let deadline = Instant::now() + LEAVE_TAKING;
        loop {
            match timeout(LOOK_EVERY, self.from.recv()).await {
                Ok(None) => return Ok(()), // Who closes its output and stays is ended without being asked.
                Ok(Some(Heard::Line(line) | Heard::Wrong(_, line))) => {
                    let reason = "it said a line after the answer to `stop`";
                    return Err(self.with_log(Fault::new(FaultKind::OutOfTurn, SECTION, reason).with_said(&line)));
                }
                Err(_) if self.has_gone().is_some() => {
                    // What it said last is read by another thread: it gets the time for that.
                    if let Ok(None) = timeout(LEAVE_TAKING, self.from.recv()).await {
                        return Ok(());
                    }
                    let reason =
                        "it ended, and a process that it had started keeps its output open; that was ended, too";
                    return Err(self.with_log(Fault::new(FaultKind::Orphan, SECTION, reason)));
                }
                Err(_) if Instant::now() >= deadline => {
                    let reason = format!("it did not exit within {} s after `stop`", LEAVE_TAKING.as_secs());
                    return Err(self.with_log(Fault::new(FaultKind::Hang, SECTION, reason)));
                }
                Err(_) => {}
            }
        }
    }

    /// The same fault, with the end of what the other end wrote to its log.
    #[must_use]
    pub fn with_log(&self, fault: Fault) -> Fault {
        fault.with_log(self.log.lock().unwrap_or_else(PoisonError::into_inner).text())
    }
}

/// Writes lines until there will be none, or nobody takes them.
fn write(mut stdin: ChildStdin, mut said: mpsc::UnboundedReceiver<String>) {
    while let Some(mut line) = said.blocking_recv() {
        line.push('\n');
        // Whoever takes no more does without: what it does not answer tells of it.
        if stdin.write_all(line.as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads lines until there will be none, or nobody wants them.
fn read(mut stdout: ChildStdout, heard: &mpsc::Sender<Heard>) {
    let mut buffer = vec![0; 65_536];
    let mut line: Vec<u8> = Vec::new();
    loop {
        let count = match stdout.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        let mut rest = &buffer[..count];
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            if heard.blocking_send(text(std::mem::take(&mut line))).is_err() {
                return;
            }
        }
        line.extend_from_slice(rest);
        if line.len() > LINE_BYTES_MAX {
            let reason = format!("its line has no end after {LINE_BYTES_MAX} bytes");
            let _ = heard.blocking_send(Heard::Wrong(reason, beginning(&line)));
            return;
        }
    }
    if !line.is_empty() {
        let _ = heard.blocking_send(Heard::Wrong("its last line has no line break".to_owned(), beginning(&line)));
    }
}

/// Some bytes as a line, if they are one.
pub(super) fn text(bytes: Vec<u8>) -> Heard {
    match String::from_utf8(bytes) {
        Ok(line) => Heard::Line(line),
        Err(error) => {
            let reason = format!("its line is not UTF-8 from byte {} on", error.utf8_error().valid_up_to());
            Heard::Wrong(reason, beginning(error.as_bytes()))
        }
    }
}

fn beginning(bytes: &[u8]) -> String {
    const BYTES_MAX: usize = 2000;
    String::from_utf8_lossy(&bytes[..bytes.len().min(BYTES_MAX)]).into_owned()
}

fn read_log(mut stderr: ChildStderr, log: &Mutex<Log>) {
    let mut buffer = [0; 4096];
    loop {
        match stderr.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => log.lock().unwrap_or_else(PoisonError::into_inner).push(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
