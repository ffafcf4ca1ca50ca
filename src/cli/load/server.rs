//! The server that load is sent at: the reference in this process, a process of its own, or one that runs already.
//!
//! A server that is started here ends with the run, whatever comes of it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;

use tokio::sync::oneshot;

use super::super::Failure;
use super::super::args::Load;
use crate::load::Work;
use crate::protocol::bounds::{BoundValue, Bounds};
use crate::serve::{Authentication, PATH, ServeConfig, bind};
use crate::world::cast::Reference;
use crate::world::driver::DriverLimits;

/// See the module.
pub(super) enum Server {
    /// In this process: it stops when the sender goes.
    Inside { url: String, _stop: oneshot::Sender<()> },
    /// A child of this process.
    Child { url: String, child: Child },
    /// Somebody else's.
    Elsewhere(String),
}

impl Server {
    pub(super) fn start(arguments: &Load, work: &Work) -> Result<Self, Failure> {
        let bounds = &work.plan.service.bounds;
        if arguments.data.is_some() && arguments.target != "serve" {
            return Err(Failure::Usage("--data is of the target `serve`: leave it out, or name that".to_owned()));
        }
        match arguments.target.as_str() {
            "reference" => inside(bounds),
            "serve" => child(arguments, bounds),
            url if url.starts_with("ws://") || url.starts_with("wss://") => Ok(Self::Elsewhere(url.to_owned())),
            other => Err(Failure::Usage(format!(
                "`{other}` is no target: write reference, serve, or the address of a server, such as ws://127.0.0.1:7878/v1"
            ))),
        }
    }

    pub(super) fn url(&self) -> &str {
        match self {
            Self::Inside { url, .. } | Self::Child { url, .. } | Self::Elsewhere(url) => url,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Self::Child { child, .. } = self {
            // It may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn inside(bounds: &Bounds) -> Result<Server, Failure> {
    let config = ServeConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        listen_lines: None,
        data: None,
        authentication: Authentication::AnyUser,
        accounts: None,
        bounds: bounds.clone(),
        rate_limits: false,
        limits: DriverLimits::default(),
        checkpoint_every: 10_000,
        fault: None,
        cast: Box::new(Reference),
    };
    let (bound, listening) = mpsc::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return drop(bound.send(Err(error.to_string()))),
        };
        runtime.block_on(async {
            match bind(config).await {
                Ok(server) => {
                    drop(bound.send(Ok(server.address)));
                    drop(server.serve(async { drop(stopped.await) }).await);
                }
                Err(error) => drop(bound.send(Err(error.to_string()))),
            }
        });
    });
    match listening.recv() {
        Ok(Ok(address)) => Ok(Server::Inside { url: format!("ws://{address}{PATH}"), _stop: stop }),
        Ok(Err(error)) => Err(Failure::Broken(error)),
        Err(_) => Err(Failure::Broken("the reference ended before it listened".to_owned())),
    }
}

fn child(arguments: &Load, bounds: &Bounds) -> Result<Server, Failure> {
    let broken = |error: std::io::Error| Failure::Broken(format!("can't start `convoke serve`: {error}"));
    let mut command = Command::new(std::env::current_exe().map_err(broken)?);
    command.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--insecure-any-user",
        "--no-rate-limits",
        "--log-level",
        "warn",
    ]);
    for name in Bounds::NAMES {
        if bounds.get(name) != Bounds::default().get(name)
            && let Some(value) = bounds.get(name)
        {
            let value = match value {
                BoundValue::Duration(duration) => format!("{}ns", duration.as_nanos()),
                BoundValue::Count(count) => count.to_string(),
            };
            command.arg("--bound").arg(format!("{name}={value}"));
        }
    }
    if let Some(folder) = &arguments.data {
        command.arg("--data").arg(folder);
    }
    // Its input ends with this process, whatever ends that, and it stops then.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(broken)?;
    if let Some(log) = child.stderr.take() {
        std::thread::spawn(move || pass_on(log));
    }
    let mut url = None;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("ws://").filter(|_| url.is_none()) {
                url = Some(format!("ws://{}", rest.trim()));
            }
            if line.starts_with("stop:") {
                break;
            }
        }
    }
    match url {
        Some(url) => Ok(Server::Child { url, child }),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            Err(Failure::Broken("`convoke serve` ended before it listened; what it said stands above".to_owned()))
        }
    }
}

/// Passes on what the server says is wrong. That everybody may log in is meant.
fn pass_on(log: ChildStderr) {
    for line in BufReader::new(log).lines().map_while(Result::ok).filter(|line| !line.contains("--insecure-any-user")) {
        // Nobody can be told that this failed.
        let _ = writeln!(std::io::stderr(), "serve: {line}");
    }
}
