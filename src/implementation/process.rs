//! The carrier: a child process, one line in, one line out.
//!
//! The process leads a group of its own, so that whatever it starts ends with it. Both pipes are read and written as
//! they become ready, and standard error is emptied on the way, so that no full pipe stops either side. It knows lines
//! and no messages.

#![expect(clippy::disallowed_methods, reason = "how long a process may think is real time; no answer depends on it")]

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, waitid};

use super::fault::{Fault, FaultKind};

/// The longest line that is read, in bytes.
pub(super) const LINE_BYTES_MAX: usize = 16 << 20;

/// How much of the end of its standard error is kept, in bytes.
const LOG_BYTES_MAX: usize = 4096;

/// How long a process may take to go after it was asked to, or after it closed its output.
pub(super) const LEAVE_TAKING: Duration = Duration::from_secs(2);

/// How often a process that says nothing is looked at: whether it is still there.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The groups that live, for whoever ends before its time.
static LIVE: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Which process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessSpec {
    /// The command, as a shell takes it.
    pub command: String,
    /// How long it may take for one answer.
    pub patience: Duration,
}

/// A process under conversation. It ends, with everything that it has started, when this is dropped.
pub struct Process {
    leader: Leader,
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: Option<ChildStderr>,
    patience: Duration,
    /// What it said and nobody has taken yet.
    heard: Vec<u8>,
    log: Log,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("group", &self.leader.group).finish_non_exhaustive()
    }
}

/// A child that leads a process group of its own. It ends, with everything that it has started, when this is dropped.
pub(super) struct Leader {
    child: Child,
    group: Pid,
}

/// The ends of its pipes.
pub(super) type Pipes = (ChildStdin, ChildStdout, ChildStderr);

impl Leader {
    /// Starts a command, as a shell takes it.
    pub(super) fn start(command: &str, environment: &[(&str, &str)]) -> io::Result<(Self, Pipes)> {
        let mut child = Command::new("/bin/sh")
            .args(["-c", command])
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let pipes = (stdin.expect("it is piped"), stdout.expect("it is piped"), stderr.expect("it is piped"));
        let group = Pid::from_child(&child);
        live().insert(group.as_raw_pid());
        Ok((Self { child, group }, pipes))
    }

    /// How the process itself has exited, if it has. It stays a zombie, so that its number is nobody else's.
    pub(super) fn exit(&self) -> Option<WaitIdStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.group), options).ok().flatten()
    }

    /// How a process has ended whose output has: in words.
    pub(super) fn ending(&self) -> String {
        match self.exit() {
            Some(status) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => format!("it ended, with exit code {code}"),
                (None, Some(signal)) => format!("it ended by signal {signal}"),
                (None, None) => "it ended".to_owned(),
            },
            None => "it closed its standard output".to_owned(),
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        let mut live = live();
        // The group first, while its leader is at most a zombie: its number is nobody else's until it is waited for. That
        // the group is gone already is no error.
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait();
        live.remove(&self.group.as_raw_pid());
    }
}

/// What was found on its standard output.
enum Found {
    Nothing,
    Bytes,
    End,
}

impl Process {
    /// Starts the command, in this process's environment and this one on top.
    ///
    /// # Errors
    /// When the system can't.
    pub fn start(spec: &ProcessSpec, environment: &[(&str, &str)]) -> Result<Self, Fault> {
        let failed =
            |error: io::Error| Fault::new(FaultKind::Start, "2", format!("can't start `{}`: {error}", spec.command));
        let (leader, (stdin, stdout, stderr)) = Leader::start(&spec.command, environment).map_err(failed)?;
        let process = Self {
            leader,
            stdin,
            stdout,
            stderr: Some(stderr),
            patience: spec.patience,
            heard: Vec::new(),
            log: Log::default(),
        };
        let nonblocking = || {
            rustix::io::ioctl_fionbio(&process.stdin, true)?;
            rustix::io::ioctl_fionbio(&process.stdout, true)?;
            rustix::io::ioctl_fionbio(process.stderr.as_ref().expect("it was just opened"), true)
        };
        nonblocking().map_err(|error| failed(error.into()))?;
        Ok(process)
    }

    /// The end of what it wrote to its standard error.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Says a line, which has no line break, and waits for the line that answers it.
    ///
    /// # Errors
    /// When there is no answer, or more than one.
    pub fn ask(&mut self, line: &str) -> Result<String, Fault> {
        let answer = self.ask_and_wait(line);
        answer.map_err(|fault| self.with_log(fault))
    }

    fn ask_and_wait(&mut self, line: &str) -> Result<String, Fault> {
        if matches!(self.read_what_is_there(), Found::End) && self.heard.is_empty() {
            return Err(self.ended());
        }
        if !self.heard.is_empty() {
            return Err(self.out_of_turn("it said a line that nobody had asked for"));
        }
        let mut rest = Vec::with_capacity(line.len() + 1);
        rest.extend_from_slice(line.as_bytes());
        rest.push(b'\n');
        let mut written = 0;
        let mut searched = 0;
        let deadline = Instant::now() + self.patience;
        loop {
            match self.stdin.write(&rest[written..]) {
                Ok(count) => written += count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                // It takes no more: what it has said tells why, or its end does.
                Err(_) => written = rest.len(),
            }
            let found = self.read_what_is_there();
            let end = self.heard[searched..].iter().position(|byte| *byte == b'\n').map(|at| searched + at);
            searched = self.heard.len();
            if let Some(end) = end {
                if written < rest.len() {
                    return Err(self.out_of_turn("it answered before it had read the whole line"));
                }
                return self.take_line(end);
            }
            if self.heard.len() > LINE_BYTES_MAX {
                let reason = format!("its line has no end after {LINE_BYTES_MAX} bytes");
                return Err(Fault::new(FaultKind::Malformed, "2", reason).with_said(&self.heard_text()));
            }
            if matches!(found, Found::End) {
                return Err(self.ended());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let seconds = self.patience.as_secs_f64();
                let reason = match (written < rest.len(), self.heard.is_empty()) {
                    (true, _) => format!("it has not read the line that it was sent within {seconds} s"),
                    (false, true) => format!("no answer within {seconds} s"),
                    (false, false) => format!("its answer has no line break after {seconds} s"),
                };
                let fault = Fault::new(FaultKind::Hang, "2", reason);
                return Err(if self.heard.is_empty() { fault } else { fault.with_said(&self.heard_text()) });
            }
            if !self.wait(written < rest.len(), left.min(LOOK_EVERY)) && self.exit().is_some() {
                // Whatever it said before is there by now.
                self.read_what_is_there();
                if !self.heard.contains(&b'\n') {
                    return Err(self.ended().and_so(", while a process that it had started keeps its output open"));
                }
            }
        }
    }

    /// Takes the line that ends at `end`; nothing may stand behind it.
    fn take_line(&mut self, end: usize) -> Result<String, Fault> {
        if self.heard.len() > end + 1 {
            self.heard.drain(..=end);
            return Err(self.out_of_turn("it said more than one line"));
        }
        let mut line = std::mem::take(&mut self.heard);
        line.truncate(end);
        String::from_utf8(line).map_err(|error| {
            let reason = format!("its line is not UTF-8 from byte {} on", error.utf8_error().valid_up_to());
            Fault::new(FaultKind::Malformed, "2", reason).with_said(&String::from_utf8_lossy(error.as_bytes()))
        })
    }

    /// Says a line to which there is no answer, as far as it can be said at once.
    pub(super) fn tell(&mut self, line: &str) {
        // Whoever does not take it does without.
        let _ = self.stdin.write(format!("{line}\n").as_bytes());
        self.read_log();
    }

    /// Says the last line, waits for its answer and for the end.
    ///
    /// # Errors
    /// When it does not answer, or leaves processes behind.
    pub fn part(mut self, line: &str) -> Result<String, Fault> {
        let answer = self.ask(line)?;
        let deadline = Instant::now() + LEAVE_TAKING;
        loop {
            if matches!(self.read_what_is_there(), Found::End) {
                return Ok(answer); // Who closes its output and stays is ended without being asked.
            }
            if !self.heard.is_empty() {
                let fault = self.out_of_turn("it said a line after the answer to `stop`");
                return Err(self.with_log(fault));
            }
            if self.exit().is_some() && !self.wait(false, LOOK_EVERY) {
                let reason = "it ended, and a process that it had started keeps its output open; that was ended, too";
                return Err(self.with_log(Fault::new(FaultKind::Orphan, "2.4", reason)));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let reason = format!("it did not exit within {} s after `stop`", LEAVE_TAKING.as_secs());
                return Err(self.with_log(Fault::new(FaultKind::Hang, "2.4", reason)));
            }
            self.wait(false, left.min(LOOK_EVERY));
        }
    }

    fn with_log(&mut self, fault: Fault) -> Fault {
        self.read_log();
        fault.with_log(self.log.text())
    }

    fn out_of_turn(&self, reason: &str) -> Fault {
        Fault::new(FaultKind::OutOfTurn, "2", reason).with_said(&self.heard_text())
    }

    fn heard_text(&self) -> String {
        const BYTES_MAX: usize = 2000;
        String::from_utf8_lossy(&self.heard[..self.heard.len().min(BYTES_MAX)]).into_owned()
    }

    /// Its output has ended: how.
    fn ended(&mut self) -> Fault {
        let deadline = Instant::now() + LEAVE_TAKING;
        while self.exit().is_none() && Instant::now() < deadline {
            pause(Duration::from_millis(5));
        }
        let fault = Fault::new(FaultKind::Crash, "2", self.leader.ending());
        if self.heard.is_empty() { fault } else { fault.with_said(&self.heard_text()) }
    }

    fn exit(&self) -> Option<WaitIdStatus> {
        self.leader.exit()
    }

    fn read_what_is_there(&mut self) -> Found {
        self.read_log();
        let mut buffer = [0; 65_536];
        let mut found = Found::Nothing;
        while self.heard.len() <= LINE_BYTES_MAX {
            match self.stdout.read(&mut buffer) {
                Ok(0) => return Found::End,
                Ok(count) => {
                    self.heard.extend_from_slice(&buffer[..count]);
                    found = Found::Bytes;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Found::End,
            }
        }
        found
    }

    fn read_log(&mut self) {
        /// Nobody who writes without end keeps us here.
        const READS_MAX: usize = 64;
        let Some(stderr) = &mut self.stderr else { return };
        let mut buffer = [0; 4096];
        for _ in 0..READS_MAX {
            match stderr.read(&mut buffer) {
                Ok(0) => {
                    self.stderr = None;
                    return;
                }
                Ok(count) => self.log.push(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Waits until one of the pipes is ready. Whether one is.
    fn wait(&self, to_write: bool, at_most: Duration) -> bool {
        let mut pipes = vec![PollFd::new(&self.stdout, PollFlags::IN)];
        if let Some(stderr) = &self.stderr {
            pipes.push(PollFd::new(stderr, PollFlags::IN));
        }
        if to_write {
            pipes.push(PollFd::new(&self.stdin, PollFlags::OUT));
        }
        // An interruption is no reason to wait longer.
        poll(&mut pipes, Some(&timespec(at_most))).is_ok_and(|ready| ready > 0)
    }
}

pub(super) fn pause(time: Duration) {
    let _ = poll(&mut [], Some(&timespec(time)));
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: time.subsec_nanos().into() }
}

fn live() -> MutexGuard<'static, BTreeSet<i32>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends every process with everything that it has started: for whoever has to end before its time, by a signal for
/// example, and would leave them behind.
pub fn end_all_processes() {
    // Nobody is waited for any more, and so no number has become somebody else's, while this is held.
    let live = live();
    for group in live.iter().filter_map(|group| Pid::from_raw(*group)) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// The end of what was written.
#[derive(Default)]
pub(super) struct Log {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Log {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > 2 * LOG_BYTES_MAX {
            self.bytes.drain(..self.bytes.len() - LOG_BYTES_MAX);
            self.is_cut = true;
        }
    }

    pub(super) fn text(&self) -> String {
        let from = self.bytes.len().saturating_sub(LOG_BYTES_MAX);
        let text: String = String::from_utf8_lossy(&self.bytes[from..])
            .chars()
            .flat_map(|letter| match letter {
                '\n' => vec!['\n'],
                '\t' => vec![' '],
                letter if letter.is_control() => letter.escape_default().collect(),
                letter => vec![letter],
            })
            .collect();
        let cut = if self.is_cut || from > 0 { "…" } else { "" };
        format!("{cut}{}", text.trim_end())
    }
}

#[cfg(test)]
mod tests;
