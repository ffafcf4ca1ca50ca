//! `convoke load`: planned calls at a server, with latencies from the plan and every answer judged.

mod meter;
mod server;

use std::path::Path;
use std::process;
use std::sync::Arc;

use super::args::{Arrivals, Connections, Format, Load, Merge};
use super::clock::unix_time;
use super::output::Output;
use super::serve::{tokens, value};
use super::{Ending, Failure};
use crate::file;
use crate::load::knee::{self, Knee};
use crate::load::thresholds::{Condition, Met};
use crate::load::work::MODELS;
use crate::load::{LoadConfig, LoadError, LoadResult, OracleOptions, Rate, Spacing, UserSigs, Work, run};
use crate::protocol::bounds::BoundValue;
use crate::protocol::vocabulary::UserId;
use crate::report::load as report;
use crate::scenario::expression::Measure;
use crate::time::Duration;
use crate::world::driver::dial::{DialError, DialOptions, Dialler};

use self::meter::Meter;
use self::server::Server;

/// What no rate may do that is called good, unless told.
const KNEE_CONDITIONS: &[&str] = &["p99(call) > 100ms", "errors > 0.1%", "dropped > 0"];

pub(super) fn load(arguments: &Load, output: &mut Output) -> Ending {
    let conditions = conditions(&arguments.fail_if)?;
    let work = work(&arguments.work, output)?;
    let server = Server::start(arguments, &work)?;
    let config = config(arguments, work, &server)?;
    if arguments.find_knee {
        return find_knee(arguments, &config, conditions, output);
    }
    if config.start_in.as_ref()().is_none() && arguments.start_at.is_some() {
        output.note("--start-at is over already: the calls begin when everybody is ready");
    }
    let mut meter = Meter::new();
    let result = run(&config, &mut |progress| meter.show(progress, output)).map_err(failure);
    meter.end();
    drop(server);
    let result = result?;
    let judgement = Judgement::of(&result, &conditions);
    write(
        &Files { json: arguments.json.as_deref(), hgrm: arguments.hgrm.as_deref(), html: arguments.html.as_deref() },
        &result,
    )?;
    match arguments.format {
        Format::Json => output.write(&json(&result))?,
        Format::Human => tell(&result, &judgement, output)?,
    }
    Ok(judgement.exit_code())
}

fn find_knee(arguments: &Load, config: &LoadConfig, mut conditions: Vec<Condition>, output: &mut Output) -> Ending {
    let Rate::Constant(first) = config.rate else {
        return Err(Failure::Usage("--find-knee begins at one rate: write --rate 100".to_owned()));
    };
    if conditions.is_empty() {
        let own: Vec<String> = KNEE_CONDITIONS.iter().map(ToString::to_string).collect();
        conditions = self::conditions(&own)?;
    }
    let mut searches = Vec::new();
    let mut wrong = 0;
    for number in 1..=arguments.repeat.get() {
        let meter = Meter::new();
        let mut told = 0;
        let search = knee::search(first, &conditions, |rate| {
            let tag = Arc::from(format!("{}{number}x{told}", config.tag));
            told += 1;
            let config = LoadConfig { rate: Rate::Constant(rate), tag, ..config.clone() };
            let result = run(&config, &mut |progress| meter.probe(rate, progress))?;
            wrong += result.judged.wrong;
            let probed = report::probe(&knee::Probe::of(rate, &conditions, &result));
            meter.aside(|| said(&format!("{probed}\n"), arguments.format, output)).map_err(KneeError::Output)?;
            Ok::<_, KneeError>(result)
        });
        meter.end();
        let search = search.map_err(|error| match error {
            KneeError::Load(error) => failure(error),
            KneeError::Output(error) => Failure::Output(error),
        })?;
        said(&format!("search {number}: {}", report::search(&search)), arguments.format, output)?;
        searches.push(search);
    }
    let knee = Knee::new(&config.work.name, &config.target, &conditions, searches);
    let written = format!("{}\n", serde_json::to_string(&knee).expect("it has string keys and finite numbers"));
    if let Some(path) = &arguments.json {
        file::write_whole(path, |to| to.write_all(written.as_bytes()))?;
    }
    match arguments.format {
        Format::Json => output.write(&written)?,
        Format::Human => output.write(&report::knee(&knee, output.page))?,
    }
    Ok(u8::from(wrong > 0 || !matches!(knee.conclusion(), knee::Conclusion::Found { .. })))
}

/// Tells people how far the search has come; a program is told the result alone.
fn said(words: &str, format: Format, output: &mut Output) -> std::io::Result<()> {
    match format {
        Format::Human => output.write(words).and_then(|()| output.flush()),
        Format::Json => Ok(()),
    }
}

/// Why a search ended early.
enum KneeError {
    Load(LoadError),
    Output(std::io::Error),
}

impl From<LoadError> for KneeError {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

// ---- what came of it ----------------------------------------------------------------------------------------------

/// What of a result makes the run a failure.
pub(super) struct Judgement {
    met: Vec<String>,
    right: bool,
}

impl Judgement {
    pub(super) fn of(result: &LoadResult, conditions: &[Condition]) -> Self {
        let met = conditions.iter().filter_map(|condition| match condition.met(result) {
            Met::No => None,
            Met::Yes(words) | Met::Unknown(words) => Some(words),
        });
        Self { met: met.collect(), right: result.is_right() && result.counts.planned > 0 }
    }

    pub(super) fn exit_code(&self) -> u8 {
        u8::from(!self.right || !self.met.is_empty())
    }
}

/// Where results are written.
pub(super) struct Files<'p> {
    json: Option<&'p Path>,
    hgrm: Option<&'p Path>,
    html: Option<&'p Path>,
}

impl Merge {
    pub(super) fn files_to_write(&self) -> Files<'_> {
        Files { json: self.json.as_deref(), hgrm: self.hgrm.as_deref(), html: self.html.as_deref() }
    }
}

/// The conditions that the user gave.
pub(super) fn conditions(texts: &[String]) -> Result<Vec<Condition>, Failure> {
    let read = |text: &String| text.parse().map_err(|wrong| Failure::Usage(format!("--fail-if '{text}': {wrong}")));
    texts.iter().map(read).collect()
}

pub(super) fn write(files: &Files<'_>, result: &LoadResult) -> Result<(), Failure> {
    if let Some(path) = files.json {
        file::write_whole(path, |to| to.write_all(json(result).as_bytes()))?;
    }
    if let Some(path) = files.html {
        file::write_whole(path, |to| to.write_all(report::page(result).as_bytes()))?;
    }
    if let Some(folder) = files.hgrm {
        let failed = |error| Failure::Broken(format!("can't make the folder {}: {error}", folder.display()));
        std::fs::create_dir_all(folder).map_err(failed)?;
        for (name, measured) in &result.latencies {
            let parts = [("", &measured.from_planned), ("-from-sent", &measured.from_sent)];
            for (suffix, latency) in parts {
                let path = folder.join(format!("{name}{suffix}.hgrm"));
                file::write_whole(&path, |to| to.write_all(latency.hgrm().as_bytes()))?;
            }
        }
    }
    Ok(())
}

/// The result for programs.
pub(super) fn json(result: &LoadResult) -> String {
    serde_json::to_string(result).expect("it has string keys and finite numbers") + "\n"
}

pub(super) fn tell(result: &LoadResult, judgement: &Judgement, output: &mut Output) -> Result<(), Failure> {
    output.write(&report::summary(result, output.page))?;
    if result.counts.planned == 0 {
        output.write("no call was planned after the warm-up: nothing is shown\n")?;
    }
    for met in &judgement.met {
        output.write(&format!("failed      {met}\n"))?;
    }
    Ok(())
}

// ---- what is to be done -------------------------------------------------------------------------------------------

fn work(name: &str, output: &mut Output) -> Result<Work, Failure> {
    let known = MODELS.iter().any(|(model, _)| *model == name);
    if !known && !Path::new(name).exists() {
        let models: Vec<&str> = MODELS.iter().map(|(model, _)| *model).collect();
        return Err(Failure::Usage(format!(
            "`{name}` is neither a call model nor a scenario file; the models are {}",
            models.join(", ")
        )));
    }
    Work::load(name).map_err(|wrong| {
        let rendered = wrong.render(output.page.colour);
        match output.write(&format!("{rendered}\n")) {
            Ok(()) => Failure::Usage(format!("{name} is no call that load can send")),
            Err(error) => Failure::Output(error),
        }
    })
}

fn config(arguments: &Load, work: Work, server: &Server) -> Result<LoadConfig, Failure> {
    let options = DialOptions::from_environment().map_err(unreachable)?;
    let start_at = arguments.start_at;
    let start_in = move || {
        let left = start_at? - unix_time().as_secs_f64();
        (left > 0.0).then(|| std::time::Duration::from_secs_f64(left))
    };
    let measured = duration("--duration", &arguments.duration)?;
    if measured == Duration::ZERO {
        return Err(Failure::Usage("--duration must be longer than no time, such as 10s".to_owned()));
    }
    Ok(LoadConfig {
        work,
        target: arguments.target.clone(),
        dialler: Dialler::new(server.url(), &options).map_err(unreachable)?,
        user_sigs: user_sigs(arguments, server)?,
        rate: arguments.rate.clone(),
        spacing: match arguments.arrivals {
            Arrivals::Even => Spacing::Even,
            Arrivals::Poisson => Spacing::Poisson,
        },
        warm_up: duration("--warm-up", &arguments.warm_up)?,
        duration: measured,
        seed: arguments.seed,
        shard: arguments.shard,
        start_in: Arc::new(start_in),
        copies: arguments.population.map(u32::from),
        is_limited: matches!(server, Server::Elsewhere(_)),
        connections_kept: arguments.connections == Connections::Kept,
        tag: tag(),
        lag: arguments.lag.as_deref().map(|lag| duration("--lag", lag)).transpose()?,
        oracle: OracleOptions { linearizability_every: arguments.linearizability, traces: arguments.traces.clone() },
    })
}

/// What everybody shows to be let in, where the server asks for it.
fn user_sigs(arguments: &Load, server: &Server) -> Result<Option<UserSigs>, Failure> {
    let Some(sdk_app_id) = arguments.sdk_app_id else { return Ok(None) };
    if !matches!(server, Server::Elsewhere(_)) {
        let words =
            "--sdk-app-id is for a server by its address: `reference` and `serve` let everybody in; leave it out";
        return Err(Failure::Usage(words.to_owned()));
    }
    let tokens = tokens(sdk_app_id, arguments.secret_file.as_deref())?;
    Ok(Some(Arc::new(move |user: &UserId| tokens(user.as_str()))))
}

fn duration(argument: &str, text: &str) -> Result<Duration, Failure> {
    match value(&format!("{argument} {text}"), text, Measure::Duration)? {
        BoundValue::Duration(duration) => Ok(duration),
        BoundValue::Count(_) => unreachable!("a duration was read"),
    }
}

/// Other names than any process has that runs now or ran before.
fn tag() -> Arc<str> {
    let mut number = unix_time().as_millis() as u64 ^ u64::from(process::id()) << 44;
    let mut tag = String::new();
    while number > 0 {
        tag.push(char::from_digit((number % 36) as u32, 36).unwrap_or('0'));
        number /= 36;
    }
    tag.into()
}

fn unreachable(error: DialError) -> Failure {
    Failure::Usage(error.to_string())
}

fn failure(error: LoadError) -> Failure {
    match error {
        LoadError::Unreachable(_) | LoadError::NobodyReady(_) => Failure::Usage(error.to_string()),
        LoadError::Broken(_) => Failure::Broken(error.to_string()),
    }
}
