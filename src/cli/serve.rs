//! `convoke serve`: the reference implementation on real sockets.
//!
//! Turns arguments into a configuration, says where to connect, and ends on a signal. What a server does is in
//! [`crate::serve`].

use std::collections::BTreeSet;
use std::fs;
use std::io::IsTerminal as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration as Wait;

use tokio::sync::oneshot;

use super::args::{Fault, LogFormat, LogLevel, PlayedContract, Serve};
use super::clock::unix_time;
use super::output::Output;
use super::reference::named;
use super::{Ending, Failure};
use crate::protocol::bounds::{BoundValue, Bounds};
use crate::scenario::expression::{Expression, Measure};
use crate::serve::journal::OpenError;
use crate::serve::user_sig::UserSigKey;
use crate::serve::{self, Account, Authentication, Bound, PATH, ServeConfig, ServeError, bind};
use crate::time::Duration;
use crate::world::cast::Reference;
use crate::world::driver::DriverLimits;

/// The variable of the environment that holds the secret.
const SECRET: &str = "CONVOKE_SDK_SECRET";

/// For how long a token is good that we make.
const TOKEN_SECONDS: u64 = 86_400;

/// No secret is longer, in bytes; a longer file is another file.
const SECRET_BYTES_MAX: usize = 4096;

/// What the shell reports for a program that a second signal ended (128 + SIGINT).
const INTERRUPTED: i32 = 130;

pub(super) fn serve(arguments: &Serve, output: &mut Output) -> Ending {
    let config = config(arguments)?;
    log(arguments);
    #[cfg(unix)]
    raise_file_limit();
    let broken = |error: std::io::Error| Failure::Broken(format!("can't start: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(broken)?;
    let ending = runtime.block_on(async {
        // Before anybody can know that it runs, so that no signal ends it without the journal.
        let stop = signals(arguments.until_input_ends).map_err(broken)?;
        let bound = bind(config).await.map_err(failure)?;
        if arguments.insecure_any_user {
            output.warn("--insecure-any-user: everybody who reaches this machine's loopback can log in as anybody");
        }
        if let Some(name) = &arguments.mutant {
            output.warn(&format!("--mutant {name}: this server is wrong on purpose, to try those who are to find it"));
        }
        output.write(&greeting(arguments, &bound))?;
        output.flush()?;
        bound.serve(stop).await.map_err(failure)
    });
    // Connections that would not end are not waited for.
    runtime.shutdown_timeout(Wait::from_secs(1));
    ending.map(|()| 0)
}

fn config(arguments: &Serve) -> Result<ServeConfig, Failure> {
    let bounds = bounds(&arguments.bounds)?;
    // REC-1: how long a dead link can go unnoticed is a bound like others. Two signs of life fit into it.
    let idle_max = bounds.keep_alive_bound;
    let ping_every = Duration::from_nanos(idle_max.as_nanos() / 3);
    if ping_every == Duration::from_nanos(0) {
        return Err(Failure::Usage("--bound keep_alive_bound: nobody can be heard in no time; write 20s".to_owned()));
    }
    let mut limits = DriverLimits { idle_max, ping_every, ..DriverLimits::default() };
    if let Some(text) = &arguments.login_patience {
        limits.login_patience = match value("--login-patience", text, Measure::Duration)? {
            BoundValue::Duration(duration) => duration,
            BoundValue::Count(_) => unreachable!("a duration was read"),
        };
    }
    Ok(ServeConfig {
        listen: arguments.listen,
        listen_lines: arguments.listen_lines,
        data: arguments.data.clone(),
        authentication: authentication(arguments)?,
        accounts: arguments.accounts.as_deref().map(accounts).transpose()?,
        bounds,
        rate_limits: !arguments.no_rate_limits,
        limits,
        checkpoint_every: arguments.checkpoint_every.get(),
        fault: arguments.fault.map(|fault| match fault {
            Fault::LosesLastCommit => serve::Fault::LosesLastCommit,
        }),
        cast: match &arguments.mutant {
            Some(name) => Box::new(named(name, PlayedContract::Full)?),
            None => Box::new(Reference),
        },
    })
}

fn authentication(arguments: &Serve) -> Result<Authentication, Failure> {
    let usage = |words: &str| Err(Failure::Usage(words.to_owned()));
    let Some(sdk_app_id) = arguments.sdk_app_id else {
        if !arguments.insecure_any_user {
            return usage(
                "nobody could log in: give --sdk-app-id N and its secret (--secret-file FILE, or CONVOKE_SDK_SECRET in \
                 the environment), or on a machine of your own --insecure-any-user",
            );
        }
        let listens = [Some(arguments.listen), arguments.listen_lines];
        if let Some(open) = listens.into_iter().flatten().find(|address| !address.ip().is_loopback()) {
            return Err(Failure::Usage(format!(
                "--insecure-any-user would let the network of {open} log in as anybody: listen on 127.0.0.1 or [::1], or \
                 give --sdk-app-id N and its secret"
            )));
        }
        return Ok(Authentication::AnyUser);
    };
    Ok(Authentication::UserSig(user_sig_key(sdk_app_id, arguments.secret_file.as_deref())?))
}

/// Makes the UserSig of any user of an application, good from the moment on in which it is made.
pub(super) fn tokens(
    sdk_app_id: u64,
    secret_file: Option<&Path>,
) -> Result<impl Fn(&str) -> String + Send + Sync + use<>, Failure> {
    let key = user_sig_key(sdk_app_id, secret_file)?;
    Ok(move |user_id: &str| key.issue(user_id, unix_time().as_secs(), TOKEN_SECONDS))
}

/// The key of an application, whose secret is in a file or in the environment.
fn user_sig_key(sdk_app_id: u64, secret_file: Option<&Path>) -> Result<UserSigKey, Failure> {
    let usage = |words: &str| Err(Failure::Usage(words.to_owned()));
    let from_environment = std::env::var_os(SECRET);
    let (place, bytes) = match (secret_file, from_environment) {
        (Some(_), Some(_)) => {
            return usage("the secret is given twice, by --secret-file and by CONVOKE_SDK_SECRET: give it once");
        }
        (Some(file), None) => (format!("the secret file {}", file.display()), read_secret(file)?),
        (None, Some(secret)) => (SECRET.to_owned(), secret.into_encoded_bytes()),
        (None, None) => {
            return usage(
                "--sdk-app-id needs the secret: --secret-file FILE, or CONVOKE_SDK_SECRET in the environment",
            );
        }
    };
    // Editors end files with a line break that is no part of the secret.
    let secret = bytes.trim_ascii();
    if secret.is_empty() {
        return Err(Failure::Usage(format!("{place} is empty: put the application's secret there")));
    }
    Ok(UserSigKey::new(sdk_app_id, secret))
}

fn read_secret(file: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = fs::read(file).map_err(|error| {
        Failure::Usage(format!("can't read the secret file {}: {error}; name a file that you may read", file.display()))
    })?;
    if bytes.len() > SECRET_BYTES_MAX {
        let words = format!("the secret file {} is longer than any secret; name another file", file.display());
        return Err(Failure::Usage(words));
    }
    Ok(bytes)
}

/// The accounts of a file.
fn accounts(file: &Path) -> Result<Vec<Account>, Failure> {
    let usage = |reason: String| {
        let words = "; write a JSON list, such as [{\"userId\": \"alice\", \"userName\": \"Alice\"}]";
        Failure::Usage(format!("the accounts in {} can't be read: {reason}{words}", file.display()))
    };
    let text = fs::read(file).map_err(|error| usage(error.to_string()))?;
    let accounts: Vec<Account> = serde_json::from_slice(&text).map_err(|error| usage(error.to_string()))?;
    let mut known = BTreeSet::new();
    match accounts.iter().find(|account| account.user_id.as_str().is_empty() || !known.insert(&account.user_id)) {
        Some(account) if account.user_id.as_str().is_empty() => Err(usage("an account has no id".to_owned())),
        Some(account) => Err(usage(format!("the account `{}` is there twice", account.user_id))),
        None => Ok(accounts),
    }
}

fn bounds(settings: &[String]) -> Result<Bounds, Failure> {
    let mut bounds = Bounds::default();
    for setting in settings {
        let Some((name, text)) = setting.split_once('=') else {
            let words = format!("--bound {setting}: write a name and a value, such as resume_window=10s");
            return Err(Failure::Usage(words));
        };
        let measure = match bounds.get(name) {
            Some(BoundValue::Duration(_)) => Measure::Duration,
            Some(BoundValue::Count(_)) => Measure::Count,
            None => {
                let words =
                    format!("--bound {setting}: there is no bound `{name}`; there are {}", Bounds::NAMES.join(", "));
                return Err(Failure::Usage(words));
            }
        };
        let value = value(&format!("--bound {setting}"), text, measure)?;
        bounds.set(name, value).expect("the name and the measure were looked up");
    }
    Ok(bounds)
}

pub(super) fn value(argument: &str, text: &str, measure: Measure) -> Result<BoundValue, Failure> {
    let expression = Expression::parse(text, measure)
        .map_err(|(problem, mend)| Failure::Usage(format!("{argument}: {problem}; {mend}")))?;
    let number = u64::try_from(expression.value(&Bounds::default()))
        .map_err(|_| Failure::Usage(format!("{argument}: the value is out of range")))?;
    Ok(match measure {
        Measure::Duration => BoundValue::Duration(Duration::from_nanos(number)),
        Measure::Count => BoundValue::Count(number),
    })
}

/// Sends the log to standard error. Libraries are only heard when they warn: what they tell in detail could hold frames.
fn log(arguments: &Serve) {
    let level = match arguments.log_level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    };
    let others = if arguments.log_level == LogLevel::Error { "error" } else { "warn" };
    let log = tracing_subscriber::fmt()
        .with_env_filter(format!("{others},convoke={level}"))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // A log that nobody takes is no reason to fail.
        .log_internal_errors(false)
        .with_target(false);
    let installed = match arguments.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    installed.expect("this is the only log of the process");
}

fn failure(error: ServeError) -> Failure {
    match error {
        // The argument names something that is not convoke's.
        ServeError::Open(OpenError::Foreign { .. }) => Failure::Usage(error.to_string()),
        error => Failure::Broken(error.to_string()),
    }
}

/// Every connection takes a file descriptor, and the limit that a shell gives, often 1024, is not the one that it may have.
/// Where it can't be raised, newcomers wait until others leave.
#[cfg(unix)]
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    tracing::debug!(before = ?limit.current, after = ?limit.maximum, raised = raised.is_ok(), "limit of open files");
}

/// What is said when it listens.
fn greeting(arguments: &Serve, bound: &Bound) -> String {
    let address = reachable(bound.address);
    let mut text = format!("convoke serves WebSocket at ws://{address}{PATH}\n");
    if let Some(lines) = bound.lines_address {
        text.push_str(&format!("convoke serves lines of JSON at {}\n", reachable(lines)));
    }
    if arguments.data.is_none() {
        text.push_str("nothing is kept: a restart forgets rooms and sessions (--data DIR keeps them)\n");
    }
    text.push_str(&format!("try: curl http://{address}/readyz\n"));
    if arguments.insecure_any_user {
        text.push_str(&format!("     node examples/node/call.mjs ws://{address}{PATH}\n"));
    }
    text.push_str("stop: Ctrl-C\n");
    text
}

/// An address that a client on this machine can use: nobody can connect to all addresses at once.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Resolves on the first signal to stop, or at the end of the input if that means it. The second signal ends the process
/// at once.
fn signals(until_input_ends: bool) -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut signals = Signals::new()?;
    let (sender, first) = oneshot::channel();
    let (input, mut input_ends) = oneshot::channel();
    if until_input_ends {
        // A thread of its own, which nobody waits for. What comes is nobody's; an input that can't be read has ended.
        std::thread::spawn(move || {
            drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
            let _ = input.send(());
        });
    }
    tokio::spawn(async move {
        tokio::select! {
            biased;
            () = signals.next() => {}
            Ok(()) = &mut input_ends => {}
        }
        let _ = sender.send(());
        signals.next().await;
        std::process::exit(INTERRUPTED);
    });
    Ok(async {
        // The sender says it, or the task is gone because everything ends.
        drop(first.await);
    })
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        drop(tokio::signal::ctrl_c().await);
    }
}
