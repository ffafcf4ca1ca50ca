//! The server's process: `convoke serve`, on a free port of loopback and with a data folder of its own, which lasts as long
//! as the run.
//!
//! It is started with the plan's accounts and bounds, killed by SIGKILL, and ends with this process whatever becomes of
//! it: its standard input is a pipe that closes then.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::ChildStdout;

use super::Options;
use crate::plan::{Action, Plan};
use crate::protocol::bounds::{BoundValue, Bounds};
use crate::world::WorldError;

/// How long it may take to say where it is.
const START_PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// How long it may take to say what it waits for.
const ANSWER_PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Where this system keeps files in memory.
const MEMORY_DISK: &str = "/dev/shm";

/// How much of its log is told when it fails, in bytes.
const LOG_TOLD_MAX: usize = 2000;

/// Something that a server does wrong on demand, so that it can be seen that the checks find it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerFault {
    /// It says that a commit is durable before it is: a crash loses the last one.
    LosesLastCommit,
}

impl ServerFault {
    /// As the argument of `convoke serve` says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LosesLastCommit => "loses-last-commit",
        }
    }
}

/// The process, its folder, and how it is started.
pub(super) struct ServerProcess {
    executable: PathBuf,
    arguments: Vec<String>,
    folder: Folder,
    child: Option<Child>,
}

/// A folder that goes with the run.
struct Folder(PathBuf);

impl Folder {
    fn new(parent: &Path) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("convoke-live-{}-{number}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// What a server that is being started will say.
pub(super) struct Greeting {
    output: ChildStdout,
    log: PathBuf,
}

impl ServerProcess {
    /// A server for a plan; it does not run yet.
    pub(super) fn new(plan: &Plan, options: &Options) -> Result<Self, WorldError> {
        let Options { is_load, checkpoint_every, fault, .. } = *options;
        let broken = |what: &str, error: io::Error| WorldError::Broken(format!("can't {what}: {error}"));
        let executable = executable()?;
        // SIGKILL takes nothing from a disk in memory either, and no run waits there for what others write.
        let memory = Path::new(MEMORY_DISK);
        let disk = std::env::temp_dir();
        let folder = match is_load {
            false if memory.is_dir() => Folder::new(memory).or_else(|_| Folder::new(&disk)),
            _ => Folder::new(&disk),
        };
        let folder = folder.map_err(|error| broken("make a folder for the server's data", error))?;
        let accounts = folder.0.join("accounts.json");
        fs::write(&accounts, accounts_of(plan)).map_err(|error| broken("write the server's accounts", error))?;
        let mut arguments: Vec<String> =
            ["serve", "--listen", "127.0.0.1:0", "--insecure-any-user", "--log-level", "error", "--until-input-ends"]
                .map(str::to_owned)
                .to_vec();
        let mut add = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        add("--accounts", accounts.display().to_string());
        // A disk that many servers share takes its time: only who dies needs one.
        if plan.steps.iter().any(|step| matches!(step.action, Action::CrashServer { .. })) {
            add("--data", folder.0.join("data").display().to_string());
        }
        add("--checkpoint-every", checkpoint_every.to_string());
        if let Some(fault) = fault {
            add("--fault", fault.name().to_owned());
        }
        let (bounds, defaults) = (&plan.service.bounds, Bounds::default());
        for name in Bounds::NAMES {
            let value = bounds.get(name).expect("every bound has a value");
            if Some(value) == defaults.get(name) {
                continue;
            }
            let value = match value {
                BoundValue::Duration(duration) => format!("{}ns", duration.as_nanos()),
                BoundValue::Count(count) => count.to_string(),
            };
            add("--bound", format!("{name}={value}"));
        }
        if !plan.service.rate_limits {
            arguments.push("--no-rate-limits".to_owned());
        }
        Ok(Self { executable, arguments, folder, child: None })
    }

    /// Starts it.
    pub(super) fn start(&mut self) -> Result<Greeting, WorldError> {
        let broken = |error: io::Error| {
            WorldError::Broken(format!("can't start the server `{}`: {error}", self.executable.display()))
        };
        let log = self.folder.0.join("log");
        let stderr = fs::OpenOptions::new().create(true).append(true).open(&log).map_err(broken)?;
        let mut child = Command::new(&self.executable)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(broken)?;
        let output = child.stdout.take().expect("it was asked for");
        self.child = Some(child);
        Ok(Greeting { output: ChildStdout::from_std(output).map_err(broken)?, log })
    }

    /// Kills it, and returns when it is dead.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// What it said when it ended without being told to, if it did.
    pub(super) fn ended_by_itself(&mut self) -> Option<String> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        self.child = None;
        Some(format!("the server ended by itself ({status}): {}", last_words(&self.folder.0.join("log"))))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until the server has said where it is.
pub(super) async fn greeted(greeting: Greeting) -> Result<SocketAddr, WorldError> {
    let Greeting { output, log } = greeting;
    let read = async {
        let mut lines = BufReader::new(output).lines();
        let mut address = None;
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some((_, rest)) = line.split_once("ws://").filter(|_| address.is_none()) {
                address = rest.split('/').next().and_then(|address| address.parse().ok());
            }
            // Its last line; a reader that goes away must not break what it still says.
            if line.starts_with("stop:") {
                break;
            }
        }
        address
    };
    match tokio::time::timeout(START_PATIENCE, read).await {
        Ok(Some(address)) => Ok(address),
        Ok(None) => Err(WorldError::Broken(format!("the server did not start: {}", last_words(&log)))),
        Err(_) => Err(WorldError::Broken(format!("the server said nothing within {} s", START_PATIENCE.as_secs()))),
    }
}

/// Asks a running server whether it waits for a time.
pub(super) async fn waits(address: SocketAddr) -> io::Result<bool> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut page = String::new();
        stream.read_to_string(&mut page).await?;
        let value = page.lines().find_map(|line| line.strip_prefix("convoke_deadline_pending "));
        value.map(|value| value == "1").ok_or(io::ErrorKind::InvalidData.into())
    };
    tokio::time::timeout(ANSWER_PATIENCE, ask).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}

fn last_words(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let text = text.trim();
    let begin = text.char_indices().map(|(at, _)| at).find(|at| text.len() - at <= LOG_TOLD_MAX).unwrap_or(text.len());
    if text.is_empty() { "it said nothing".to_owned() } else { text[begin..].to_owned() }
}

/// The accounts in the form of `convoke serve --accounts`.
fn accounts_of(plan: &Plan) -> String {
    let account = |account: &crate::plan::Account| {
        serde_json::json!({
            "userId": account.user_id, "userName": account.user_name, "avatarUrl": account.avatar_url,
        })
    };
    serde_json::Value::from(plan.accounts.iter().map(account).collect::<Vec<_>>()).to_string()
}

/// This program, or the one beside it where this is a test: no other version may play the server.
fn executable() -> Result<PathBuf, WorldError> {
    let broken = |reason: String| WorldError::Broken(format!("can't find the program `convoke`: {reason}"));
    let own = std::env::current_exe().map_err(|error| broken(error.to_string()))?;
    let name = format!("convoke{}", std::env::consts::EXE_SUFFIX);
    if own.file_name().is_some_and(|own| own == name.as_str()) {
        return Ok(own);
    }
    let folders = own.ancestors().skip(1).take(2);
    let found = folders.map(|folder| folder.join(&name)).find(|path| path.is_file());
    found.ok_or_else(|| broken(format!("it is not beside {}; build it first", own.display())))
}
