//! Whom `convoke conform` tests, and what concerns real time alone.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::Args;

use super::{ContractName, seconds};

/// An implementation of somebody else, and how it is reached.
#[derive(Args, Debug)]
pub(in crate::cli) struct Tested {
    #[command(flatten)]
    pub(in crate::cli) whom: Whom,
    /// What a server must give [default: what it offers]
    #[arg(long, value_enum, value_name = "CONTRACT", requires = "server")]
    pub(in crate::cli) contract: Option<ContractName>,
    /// How long it may take for one answer, in real time
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(in crate::cli) patience: std::time::Duration,
    #[command(flatten)]
    pub(in crate::cli) real_time: RealTime,
}

/// Whom to test: one of these, or a server with devices.
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub(in crate::cli) struct Whom {
    /// The command that starts a server, or the logic of one, as a shell takes it; it talks on standard input and output
    /// (contracts core and full)
    #[arg(long, value_name = "COMMAND")]
    pub(in crate::cli) server: Option<String>,
    /// The command that starts a client library (contract device), which plays all devices, or those that stand before
    /// `=`, such as alice.phone or crowd[1..3]; may be given more than once, and beside --server, and the reference plays whom
    /// nobody plays. A command that sets a variable begins with `env`
    #[arg(long, value_name = "[WHOM=]COMMAND")]
    pub(in crate::cli) device: Vec<String>,
    /// The command that starts an adapter over an SDK with its server, in real time and seen at its API alone; it talks on
    /// standard input and output (contract system)
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["server", "device", "listen", "attach", "url"])]
    pub(in crate::cli) system: Option<String>,
    /// Wait at this address until an adapter of contract system dials in over a WebSocket: a browser, a phone, a program in a
    /// debugger. It dials in once and serves one run after another, or dials in again for each
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["server", "device", "attach", "url"])]
    pub(in crate::cli) listen: Option<SocketAddr>,
    /// Connect to an adapter of contract system that listens at this WebSocket: ws://HOST:PORT/PATH
    #[arg(long, value_name = "URL", conflicts_with_all = ["server", "device", "url"])]
    pub(in crate::cli) attach: Option<String>,
    /// The running server at this address, which speaks the protocol (contract full): ws://HOST:PORT/PATH, or wss://
    #[arg(long, value_name = "URL", conflicts_with_all = ["server", "device"])]
    pub(in crate::cli) url: Option<String>,
}

/// For whoever is tested in real time.
#[derive(Args, Debug)]
#[command(next_help_heading = "In real time")]
pub(in crate::cli) struct RealTime {
    /// How many times faster than planned, with windows and timeouts that are shorter by as much; 1 is as planned [default:
    /// 10 if the adapter can keep given bounds, else 1; for --url it says how many times shorter the server's bounds are]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) scale: Option<NonZeroU64>,
    /// The accounts that play the users, as JSON: a list of {"userId", "userName", "avatarUrl", "userSig"}
    #[arg(long, value_name = "FILE", conflicts_with_all = ["server", "device"])]
    pub(in crate::cli) accounts: Option<PathBuf>,
    /// A command that makes an account: it gets CONVOKE_USER_ID, CONVOKE_USER_NAME and CONVOKE_AVATAR_URL in its
    /// environment, and prints the account as in a list
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["server", "device", "accounts"])]
    pub(in crate::cli) account_command: Option<String>,
    /// Make a UserSig of this application for every account, with the secret of --secret-file or CONVOKE_SDK_SECRET
    #[arg(long, value_name = "N", conflicts_with_all = ["server", "device"])]
    pub(in crate::cli) sdk_app_id: Option<u64>,
    /// The file that holds the application's secret
    #[arg(long, value_name = "FILE", requires = "sdk_app_id")]
    pub(in crate::cli) secret_file: Option<PathBuf>,
    /// What the ids of all rooms begin with [default: a name that no other run has, where accounts are shared]
    #[arg(long, value_name = "PREFIX", conflicts_with_all = ["server", "device"])]
    pub(in crate::cli) prefix: Option<String>,
}
