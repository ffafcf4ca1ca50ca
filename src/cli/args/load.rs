//! The arguments of `convoke load` and `convoke merge`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Format;
use crate::load::Rate;
use crate::run::shard::Shard;
use crate::seed::Seed;

#[derive(Args, Debug)]
#[command(
    after_help = "Arrivals are fixed before the run and wait for no answer. Latencies count from the planned moment. \
    Exit codes: 1 where an answer was wrong or --fail-if holds; otherwise as for every command."
)]
pub(in crate::cli) struct Load {
    /// `reference` (in this process), `serve` (a process of its own), or the address of a server, such as ws://HOST/v1
    #[arg(value_name = "TARGET")]
    pub(in crate::cli) target: String,
    /// What a call is: answered, rejected, timed-out, cancelled, multi-device, crowd, or a scenario file
    #[arg(value_name = "CALL", default_value = "answered")]
    pub(in crate::cli) work: String,
    /// Calls a second: 100, a ramp such as 10..200, or steps such as 50,100,200
    #[arg(long, value_name = "RATE", default_value = "50")]
    pub(in crate::cli) rate: Rate,
    /// How calls are spaced at that rate
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub(in crate::cli) arrivals: Arrivals,
    /// How long is measured
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub(in crate::cli) duration: String,
    /// How long calls arrive before anything is measured
    #[arg(long, value_name = "DURATION", default_value = "2s")]
    pub(in crate::cli) warm_up: String,
    /// How many copies of the scenario's people there are [default: as many as the rate needs]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) population: Option<NonZeroU32>,
    /// Whether connections last from call to call
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub(in crate::cli) connections: Connections,
    /// The number that Poisson arrivals are drawn from
    #[arg(long, value_name = "N", default_value = "1")]
    pub(in crate::cli) seed: Seed,
    /// Send only every so many-th call of the schedule: which shard of how many, such as 1/4; see `convoke merge`
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    pub(in crate::cli) shard: Shard,
    /// When the first call arrives, so that shards begin together: seconds since 1970, or such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = crate::cli::clock::unix_time_of)]
    pub(in crate::cli) start_at: Option<f64>,
    /// Exit with 1 where this holds, such as `p99(inviteUsers) > 50ms` or `errors > 0.1%`; may be given more than once
    #[arg(long, value_name = "CONDITION")]
    pub(in crate::cli) fail_if: Vec<String>,
    /// Look for the highest rate at which no --fail-if holds, from --rate on; each rate is tried for --duration
    /// [without --fail-if: p99(call) > 100ms, errors > 0.1%, dropped > 0]
    #[arg(long, conflicts_with_all = ["shard", "start_at", "hgrm", "html"])]
    pub(in crate::cli) find_knee: bool,
    /// With --find-knee, search so many times and say how far apart the searches were
    #[arg(long, value_name = "N", default_value = "1", requires = "find_knee")]
    pub(in crate::cli) repeat: NonZeroU32,
    /// Write the result, for programs and for `convoke merge`
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) json: Option<PathBuf>,
    /// Write each latency in the text format of HdrHistogram, which its plotters read
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) hgrm: Option<PathBuf>,
    /// Write one page with figures and charts
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) html: Option<PathBuf>,
    /// Of `serve`: the folder of its journal; without it, it keeps nothing
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) data: Option<PathBuf>,
    /// Of a server's address: everybody logs in with a UserSig of this application, made with the secret of --secret-file or
    /// CONVOKE_SDK_SECRET
    #[arg(long, value_name = "N")]
    pub(in crate::cli) sdk_app_id: Option<u64>,
    /// The file that holds the application's secret
    #[arg(long, value_name = "FILE", requires = "sdk_app_id")]
    pub(in crate::cli) secret_file: Option<PathBuf>,
    /// Of how many calls the order of one is searched for at the API alone; 0 for none
    #[arg(long, value_name = "N", default_value = "50")]
    pub(in crate::cli) linearizability: u64,
    /// Where traces of wrong calls are saved; it is made when there is one
    #[arg(long, value_name = "DIR", default_value = "load-traces")]
    pub(in crate::cli) traces: PathBuf,
    /// How long a trace waits for late events, for tests
    #[arg(long, value_name = "DURATION", hide = true)]
    pub(in crate::cli) lag: Option<String>,
    /// How to say what came of it
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) format: Format,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct Merge {
    /// Results of `convoke load --json`, or ledgers of `convoke run --ledger`, of the shards of one run
    #[arg(value_name = "FILE", required = true)]
    pub(in crate::cli) files: Vec<PathBuf>,
    /// Of load results: exit with 1 where this holds; see `convoke load`
    #[arg(long, value_name = "CONDITION")]
    pub(in crate::cli) fail_if: Vec<String>,
    /// Write the whole result, or the whole ledger
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) json: Option<PathBuf>,
    /// Of load results: write each latency in the text format of HdrHistogram
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) hgrm: Option<PathBuf>,
    /// Of load results: write one page with figures and charts
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) html: Option<PathBuf>,
    /// How to say what came of it
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum)]
pub(in crate::cli) enum Arrivals {
    /// Evenly
    #[default]
    Even,
    /// As calls of many people who know nothing of each other
    Poisson,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum)]
pub(in crate::cli) enum Connections {
    /// They last
    #[default]
    Kept,
    /// Everybody logs in for each call, and out after it
    Churned,
}
