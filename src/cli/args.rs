//! The arguments, as clap reads them. What they mean together is up to the commands.

#[cfg(feature = "net")]
mod conform;
#[cfg(feature = "net")]
mod load;

#[cfg(feature = "net")]
use std::net::SocketAddr;
#[cfg(feature = "net")]
use std::num::NonZeroU32;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

#[cfg(feature = "net")]
pub(super) use self::conform::{RealTime, Tested};
#[cfg(feature = "net")]
pub(super) use self::load::{Arrivals, Connections, Load, Merge};
use crate::run::shard::Shard;
use crate::seed::Seed;

/// Tests conference-invitation services in a deterministic simulator.
#[derive(Parser, Debug)]
#[command(name = "convoke", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 all is well; 1 a check failed, a snapshot differs, or a run says nothing; \
    2 wrong usage or a file that is no scenario; 3 Convoke or the machine broke.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Run scenarios, check what happens, and compare it with the snapshots
    Run(Run),
    /// Show a saved result again, or make a page or JUnit of it
    Report(Report),
    /// Hold results of several implementations against each other
    Compare(Compare),
    /// Test an implementation that is not ours: a server, client libraries, or an SDK with its server, in any language
    #[cfg(feature = "net")]
    Conform(Box<Conform>),
    /// Try a new implementation out, one step at a time: what works, and what comes next
    #[cfg(feature = "net")]
    Smoke(Smoke),
    /// Be such an implementation: our own server, client library or both on standard input and output, to compare with
    #[cfg(feature = "net")]
    Reference(Reference),
    /// Say what is wrong with scenario files, without running them
    Lint(Lint),
    /// Say what a scenario will do, setup and epilogue included, without running it
    Explain(Explain),
    /// Look at new and changed snapshots one by one, and accept or reject them
    Review(Review),
    /// Judge a saved trace again, without running anything
    Judge(Judge),
    /// Grade the scenarios: run them against deliberately faulty variants of the reference, and say which notice what
    Mutants(Mutants),
    /// List what the protocol requires, and which scenarios show it
    Requirements(Requirements),
    /// Print the JSON Schema of a kind of file
    Schema(Schema),
    /// Write a first scenario to begin with
    Init(Init),
    /// Serve the reference implementation over WebSocket, and over lines of JSON, to clients of any origin
    #[cfg(feature = "net")]
    Serve(Serve),
    /// Kill the reference server again and again under load, and check that it loses and repeats nothing
    #[cfg(feature = "net")]
    Crashes(Crashes),
    /// Send calls at a server at a planned rate, measure, and judge every answer
    #[cfg(feature = "net")]
    Load(Load),
    /// Add up the results of shards: of load runs, or of sweeps
    #[cfg(feature = "net")]
    Merge(Merge),
    /// Print a script that completes the commands in a shell
    Completions(Completions),
}

/// Which scenarios.
#[derive(Args, Debug)]
pub(super) struct Which {
    /// Scenario files, and folders with everything below them
    #[arg(default_value = "scenarios", value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Only the files whose path contains this text
    #[arg(long, value_name = "TEXT")]
    pub(super) filter: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) which: Which,
    /// Only the scenarios with this tag; given more than once, with any of them
    #[arg(long, value_name = "TAG")]
    pub(super) tag: Vec<String>,
    /// Where the scenarios are enacted
    #[arg(long, value_enum, default_value_t, value_name = "WORLD")]
    pub(super) world: World,
    /// In the simulator, send every message through the codec on its way
    #[arg(long)]
    pub(super) encode: bool,
    /// Only what did not end well the last time
    #[arg(long)]
    pub(super) last_failed: bool,
    /// The number that decides everything random [default: 1, the seed of the snapshots]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<Seed>,
    /// Run each scenario under this many seeds in a row
    #[arg(long, value_name = "N", default_value = "1")]
    pub(super) seeds: NonZeroU64,
    /// Of those seeds only every so many-th: which shard of how many, such as 1/4; `convoke merge` adds their ledgers up
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    pub(super) shard: Shard,
    /// Write a line of JSON for each scenario, for `convoke merge`
    #[arg(long, value_name = "FILE")]
    pub(super) ledger: Option<PathBuf>,
    /// How many runs go on at once [default: one for each processor, and 16 in the world live]
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<NonZeroUsize>,
    /// Begin nothing more after the first scenario that does not end well
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// Write no file but the reports asked for, and fail where a snapshot is missing
    #[arg(long, conflicts_with = "bless")]
    pub(super) ci: bool,
    /// Record what happens as the snapshots, where no check fails
    #[arg(long)]
    pub(super) bless: bool,
    /// Where the snapshots are [default: the folder `snapshots` beside `scenarios`]
    #[arg(long, value_name = "DIR")]
    pub(super) snapshots: Option<PathBuf>,
    /// Save the whole trace, unredacted; needs a single scenario and seed
    #[arg(long, value_name = "FILE")]
    pub(super) trace: Option<PathBuf>,
    #[command(flatten)]
    pub(super) reports: Reports,
}

/// How to say what came of it: to whoever looks on, and to files beside.
#[derive(Args, Debug)]
pub(super) struct Reports {
    /// How to say what came of it
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: ReportFormat,
    /// Write the result into this file, too, as JSON that `convoke schema result` describes
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write JUnit XML into this file, too
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Write one self-contained HTML page into this file, too
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Say at the end what was shown of the requirements, group by group
    #[arg(long)]
    pub(super) by_requirement: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum)]
pub(super) enum ReportFormat {
    /// For people
    #[default]
    Human,
    /// For programs: one JSON object, which `convoke schema result` describes
    Json,
    /// For CI systems: JUnit XML
    Junit,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum)]
pub(super) enum World {
    /// The deterministic simulator, which snapshots, claims and expected times are held to
    #[default]
    Sim,
    /// The same IO code as in production, over a simulated network that ticks
    Turmoil,
    /// Sockets of this machine, in real time that is scaled down
    Live,
    /// Each of them in turn
    All,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Human,
    /// For programs: one JSON object
    Json,
}

#[cfg(feature = "net")]
#[derive(Args, Debug)]
#[command(after_help = "What an implementation has to say and to whom is in docs/IMPLEMENTATIONS.md.")]
pub(super) struct Conform {
    #[command(flatten)]
    pub(super) which: Which,
    #[command(flatten)]
    pub(super) tested: Tested,
    /// What is asked of it: strict, documented-only, or a YAML file that names what it decides otherwise
    #[arg(long, value_name = "PROFILE", default_value = "strict")]
    pub(super) profile: String,
    /// Only scenarios that claim to show this requirement, or one of this group; given more than once, any of them
    #[arg(long, value_name = "ID")]
    pub(super) requirement: Vec<String>,
    /// Only scenarios that claim to show something that binds so strongly
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(super) level: Vec<LevelFilter>,
    /// Only scenarios that claim to show something of which we are so sure
    #[arg(long, value_enum, value_name = "BASIS")]
    pub(super) basis: Vec<BasisFilter>,
    /// Only the scenarios with this tag; given more than once, with any of them
    #[arg(long, value_name = "TAG")]
    pub(super) tag: Vec<String>,
    /// The number that decides everything random
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<Seed>,
    /// Run each scenario under this many seeds in a row
    #[arg(long, value_name = "N", default_value = "1")]
    pub(super) seeds: NonZeroU64,
    /// How many runs go on at once, each with a process of its own [default: one for each processor, and eight in real
    /// time]
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<NonZeroUsize>,
    /// Begin nothing more after the first scenario that does not end well
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// How often a scenario that fails in real time is run before it counts as failed: what passes now and then is flaky, and
    /// told
    #[arg(long, value_name = "N", default_value = "3")]
    pub(super) attempts: NonZeroU32,
    /// Run each scenario once only, and don't look whether it is deterministic
    #[arg(long)]
    pub(super) once: bool,
    /// What can't be played is a failure, too
    #[arg(long)]
    pub(super) strict: bool,
    /// Where the snapshots of the implementation are [default: its own folder in `snapshots` beside `scenarios`, if it is
    /// there]
    #[arg(long, value_name = "DIR")]
    pub(super) snapshots: Option<PathBuf>,
    /// Record what happens as its snapshots, where no check finds anything
    #[arg(long)]
    pub(super) bless: bool,
    /// Play each scenario with other values of an axis, too: devices, roles, timeouts or network; such as devices=1,2
    #[arg(long, value_name = "AXIS[=VALUES]")]
    pub(super) axis: Vec<String>,
    /// Of all combinations of the axes only so many that every two values come together once
    #[arg(long, requires = "axis")]
    pub(super) pairwise: bool,
    /// The list of what fails and is known to; a file that is not there is an empty list
    #[arg(long, value_name = "FILE")]
    pub(super) known_failures: Option<PathBuf>,
    /// Write the list of known failures anew, from what fails
    #[arg(long, requires = "known_failures")]
    pub(super) fix: bool,
    /// Tell of scenarios that pass, too, and of those that can't be played
    #[arg(long, short)]
    pub(super) verbose: bool,
    #[command(flatten)]
    pub(super) reports: Reports,
}

/// An implementation to try out.
#[cfg(feature = "net")]
#[derive(Args, Debug)]
#[command(
    after_help = "It stops at the first step that does not work. What an implementation has to say and to whom is in \
    docs/IMPLEMENTATIONS.md. Exit codes: 0 all steps work; 1 one does not; 2 wrong usage; 3 the conversation was broken."
)]
pub(super) struct Smoke {
    #[command(flatten)]
    pub(super) tested: Tested,
}

#[cfg(feature = "net")]
fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0 && *seconds <= 86_400.0);
    let seconds = seconds.ok_or_else(|| "write a number of seconds, such as 10 or 0.5".to_owned())?;
    Ok(std::time::Duration::from_secs_f64(seconds))
}

#[cfg(feature = "net")]
#[derive(Args, Debug)]
pub(super) struct Reference {
    /// For which contract
    #[arg(long, value_enum, value_name = "CONTRACT", default_value = "core")]
    pub(super) contract: PlayedContract,
    /// Persist nothing, so that a restart begins with nothing
    #[arg(long)]
    pub(super) forgetful: bool,
    /// Be this faulty variant of the reference, to try those who are to find it; `convoke mutants --list` shows all
    #[arg(long, value_name = "NAME")]
    pub(super) mutant: Option<String>,
}

#[cfg(feature = "net")]
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum ContractName {
    /// The logic of a server, behind our session layer
    Core,
    /// The whole server
    Full,
}

/// What the reference can be for somebody else.
#[cfg(feature = "net")]
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum PlayedContract {
    /// The logic of a server, behind our session layer
    Core,
    /// The whole server
    Full,
    /// The client library of any number of devices
    Device,
    /// The client library with its server, in real time
    System,
}

#[cfg(feature = "net")]
impl From<ContractName> for crate::implementation::Contract {
    fn from(name: ContractName) -> Self {
        match name {
            ContractName::Core => Self::Core,
            ContractName::Full => Self::Full,
        }
    }
}

#[derive(Args, Debug)]
pub(super) struct Lint {
    #[command(flatten)]
    pub(super) which: Which,
}

#[derive(Args, Debug)]
pub(super) struct Explain {
    /// The scenario file
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The number that decides everything random
    #[arg(long, value_name = "N", default_value = "1")]
    pub(super) seed: Seed,
}

#[derive(Args, Debug)]
pub(super) struct Review {
    /// Scenario files or folders whose snapshots are reviewed
    #[arg(default_value = "scenarios", value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Accept all, without asking
    #[arg(long, conflicts_with = "reject")]
    pub(super) accept: bool,
    /// Reject all, without asking
    #[arg(long)]
    pub(super) reject: bool,
    /// Where the snapshots are [default: the folder `snapshots` beside `scenarios`]
    #[arg(long, value_name = "DIR")]
    pub(super) snapshots: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct Judge {
    /// A trace that `convoke run --trace` saved, or another program in that format
    #[arg(value_name = "TRACE")]
    pub(super) trace: PathBuf,
    #[command(flatten)]
    pub(super) reports: Reports,
}

#[derive(Args, Debug)]
pub(super) struct Report {
    /// A result that `convoke run --json` saved
    #[arg(value_name = "RESULT")]
    pub(super) result: PathBuf,
    /// How to show it
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: ReportFormat,
    /// Write JUnit XML into this file
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Write one self-contained HTML page into this file
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct Compare {
    /// Results that `convoke run --json` saved; the others are held against the first
    #[arg(value_name = "RESULT", required = true)]
    pub(super) results: Vec<PathBuf>,
    /// Look only at the scenarios that all of them have, with the same text
    #[arg(long)]
    pub(super) common: bool,
    /// Show every requirement, and every scenario in which they part
    #[arg(long)]
    pub(super) all: bool,
    /// Write one self-contained HTML page into this file, too
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "A mutant is killed by what names a requirement that it breaks: an expectation's or result's `by`, an \
    always-check, or a claim that nothing bears out. With --contract, what the contract can't show is out of sight, with the \
    reason. Exit codes: 0 all are killed that can be seen; 1 one is not."
)]
pub(super) struct Mutants {
    #[command(flatten)]
    pub(super) which: Which,
    /// Only these mutants: a name, a group such as CAN, or a requirement such as CAN-6, with `*` for any text; given more
    /// than once, any of them
    #[arg(long, value_name = "GLOB")]
    pub(super) mutant: Vec<String>,
    /// Say which mutants there are, without running anything
    #[arg(long)]
    pub(super) list: bool,
    /// Stop with each mutant at the first scenario that kills it
    #[arg(long)]
    pub(super) first_kill: bool,
    /// Run each mutant as a process of its own, which gives this contract, as an implementation of somebody else would
    #[cfg(feature = "net")]
    #[arg(long, value_enum, value_name = "CONTRACT")]
    pub(super) contract: Option<PlayedContract>,
    /// For contract system, the adapter to put before each mutant, which plays the server behind it: a command in which
    /// `{mutant}` stands for its name, such as "./adapter --serve 'convoke serve --mutant {mutant}'" [default: the reference]
    #[cfg(feature = "net")]
    #[arg(long, value_name = "COMMAND", requires = "contract")]
    pub(super) adapter: Option<String>,
    /// How many runs go on at once [default: one for each processor, and eight in real time]
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<NonZeroUsize>,
    /// How to say what came of it
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}

#[derive(Args, Debug)]
pub(super) struct Requirements {
    /// Scenario files and folders [default: scenarios, if there is such a folder]
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Only this requirement, such as CAN-6, or all of a group, such as CAN; given more than once, any of them
    #[arg(long, value_name = "ID")]
    pub(super) id: Vec<String>,
    /// Only those that bind so strongly
    #[arg(long, value_enum)]
    pub(super) level: Option<LevelFilter>,
    /// Only those of which we are so sure
    #[arg(long, value_enum)]
    pub(super) basis: Option<BasisFilter>,
    /// Only those that bind the server, or the client library; those that bind both are among either
    #[arg(long, value_enum)]
    pub(super) subject: Option<SubjectFilter>,
    /// Only those that a scenario shows
    #[arg(long, conflicts_with = "uncovered")]
    pub(super) covered: bool,
    /// Only those that no scenario shows
    #[arg(long)]
    pub(super) uncovered: bool,
    /// How to print them
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum LevelFilter {
    /// An implementation that does otherwise is wrong
    Must,
    /// There may be reasons to do otherwise
    Should,
    /// Left to the implementation
    May,
    /// Says what a word means, so that no scenario needs to show it
    Definition,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum BasisFilter {
    /// Stated in a public document
    Doc,
    /// Visible in published client source
    Client,
    /// Inferred
    Inf,
    /// Decided where the public record is silent
    Dec,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum SubjectFilter {
    /// What binds a server
    Server,
    /// What binds a client library
    Device,
    /// What binds both
    Both,
}

#[derive(Args, Debug)]
pub(super) struct Schema {
    /// Of which kind of file
    #[arg(value_enum, default_value_t)]
    pub(super) kind: SchemaKind,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum)]
pub(super) enum SchemaKind {
    /// Scenario files
    #[default]
    Scenario,
    /// What `convoke run --format json` writes
    Result,
    /// What `convoke load --json` writes
    #[cfg(feature = "net")]
    LoadResult,
    /// The messages between Convoke and an implementation under test
    #[cfg(feature = "net")]
    Implementation,
}

#[derive(Args, Debug)]
pub(super) struct Init {
    /// Where the folder `scenarios` is made
    #[arg(default_value = ".", value_name = "DIR")]
    pub(super) folder: PathBuf,
}

#[cfg(feature = "net")]
#[derive(Args, Debug)]
#[command(after_help = "Who may log in must be said in exactly one way: by --sdk-app-id and its secret, or by \
    --insecure-any-user.\n\nEnvironment: CONVOKE_SDK_SECRET is the secret of --sdk-app-id, if there is no --secret-file.")]
pub(super) struct Serve {
    /// Where HTTP and WebSocket listen; port 0 takes any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7878", value_parser = address)]
    pub(super) listen: SocketAddr,
    /// Where lines of JSON over plain TCP listen [default: nowhere]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(super) listen_lines: Option<SocketAddr>,
    /// Keep rooms and sessions in this folder; without it, a restart forgets them
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Let those log in who show a UserSig of this application
    #[arg(long, value_name = "N", conflicts_with = "insecure_any_user")]
    pub(super) sdk_app_id: Option<u64>,
    /// The file that holds the application's secret
    #[arg(long, value_name = "FILE", requires = "sdk_app_id", conflicts_with = "insecure_any_user")]
    pub(super) secret_file: Option<PathBuf>,
    /// Let everybody log in as anybody; only on a loopback address
    #[arg(long)]
    pub(super) insecure_any_user: bool,
    /// The accounts that exist, as a JSON list of objects with userId and, if wanted, userName and avatarUrl; without it
    /// whoever logs in has one
    #[arg(long, value_name = "FILE")]
    pub(super) accounts: Option<PathBuf>,
    /// Set a bound of the protocol, such as resume_window=10s; may be given more than once
    #[arg(long = "bound", value_name = "NAME=VALUE")]
    pub(super) bounds: Vec<String>,
    /// Answer callers however often they call
    #[arg(long)]
    pub(super) no_rate_limits: bool,
    /// How to write the log, which goes to standard error
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) log_format: LogFormat,
    /// What to write into the log: this, and what is worse
    #[arg(long, value_enum, default_value_t, value_name = "LEVEL")]
    pub(super) log_level: LogLevel,
    /// How long a connection may take to log in, for tests
    #[arg(long, value_name = "DURATION", hide = true)]
    pub(super) login_patience: Option<String>,
    /// After how many records the journal is bounded by a checkpoint, for tests
    #[arg(long, value_name = "N", default_value = "10000", hide = true)]
    pub(super) checkpoint_every: NonZeroU64,
    /// Stop when standard input ends, so that no server outlives who started it
    #[arg(long, hide = true)]
    pub(super) until_input_ends: bool,
    /// Do something wrong, to try those who are to find it
    #[arg(long, value_enum, hide = true)]
    pub(super) fault: Option<Fault>,
    /// Be this faulty variant of the reference, to try those who are to find it; for nobody's real calls
    #[arg(long, value_name = "NAME", requires = "insecure_any_user")]
    pub(super) mutant: Option<String>,
}

#[cfg(feature = "net")]
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Fault {
    /// A crash loses the last commit that was said to be durable
    LosesLastCommit,
}

#[cfg(feature = "net")]
#[derive(Args, Debug)]
pub(super) struct Crashes {
    /// How often the server is killed
    #[arg(long, value_name = "N", default_value = "200")]
    pub(super) kills: NonZeroU32,
    /// The number that decides what is called, and when the server is killed [default: 1]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<Seed>,
    /// Save the trace over all starts of the server, unredacted
    #[arg(long, value_name = "FILE")]
    pub(super) trace: Option<PathBuf>,
    /// How to say what came of it
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
    /// Let the server do something wrong, to try the checks
    #[arg(long, value_enum, hide = true)]
    pub(super) fault: Option<Fault>,
}

#[cfg(feature = "net")]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// For programs: one JSON object a line
    Json,
}

#[cfg(feature = "net")]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum)]
pub(super) enum LogLevel {
    /// What keeps the server from its work
    Error,
    /// What somebody should look at
    Warn,
    /// Logins, refusals and push notifications
    #[default]
    Info,
    /// Connections and requests
    Debug,
}

#[cfg(feature = "net")]
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, such as 127.0.0.1:7878 or [::1]:7878".to_owned())
}

#[derive(Args, Debug)]
pub(super) struct Completions {
    /// For which shell
    #[arg(value_enum)]
    pub(super) shell: clap_complete::Shell,
}
