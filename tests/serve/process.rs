//! A running `convoke serve`, on a port and in a folder of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A folder for one test, gone after it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("serve-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// `convoke serve` with these arguments, in this folder.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_convoke"));
        command.arg("serve").args(arguments.split_whitespace());
        self.settle(command)
    }

    /// The same, through a shell that first carries out `before`.
    pub(crate) fn shell(&self, before: &str, arguments: &str) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{before}; exec {} serve {arguments}", env!("CARGO_BIN_EXE_convoke")));
        self.settle(command)
    }

    fn settle(&self, mut command: Command) -> Command {
        command.current_dir(&self.0).stdin(Stdio::null()).env_remove("CONVOKE_SDK_SECRET").env_remove("RUST_BACKTRACE");
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running server, ended with the test.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    /// Where HTTP and WebSocket are.
    pub(crate) address: SocketAddr,
    /// Where lines of JSON are.
    pub(crate) lines: Option<SocketAddr>,
}

impl Server {
    /// Starts one that lets everybody in.
    pub(crate) fn start(folder: &Folder, arguments: &str) -> Self {
        Self::run(folder, folder.command(&format!("--listen 127.0.0.1:0 --insecure-any-user {arguments}")))
    }

    /// Starts one, and waits until it has said where it is.
    pub(crate) fn run(folder: &Folder, mut command: Command) -> Self {
        let log = folder.0.join("log");
        let mut child = command.stdout(Stdio::piped()).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
        let (mut address, mut lines) = (None, None);
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some((_, rest)) = line.split_once("ws://").filter(|_| address.is_none()) {
                address = rest.strip_suffix("/v1").unwrap().parse().ok();
            } else if let Some((_, rest)) = line.split_once("lines of JSON at ") {
                lines = rest.parse().ok();
            } else if line.starts_with("stop:") {
                break;
            }
        }
        let address = address.unwrap_or_else(|| panic!("it did not start:\n{}", fs::read_to_string(&log).unwrap()));
        Self { child, log, address, lines }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for its end; the exit code, if it was not a signal that ended it.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        for _ in 0..600 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("it does not end:\n{}", self.log());
    }

    /// The body of a page.
    pub(crate) async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: convoke\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        body.to_owned()
    }

    /// What `/metrics` says of one name.
    pub(crate) async fn metric(&self, name: &str) -> i64 {
        let page = self.get("/metrics").await;
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {name} in\n{page}")).parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
