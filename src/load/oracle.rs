//! The oracle stays on: the trace of every call goes through the same checks as a scenario's run, on a thread of its own.
//!
//! Each call is judged by itself, with its author's expectations: its rooms and people are those of no other call under way,
//! so what is lawful in it depends on nothing else. Of every so many-th call the order is searched for at the API alone, as
//! for an implementation that can't be looked into. When more traces wait than memory is set aside for, calls are passed
//! over, and counted; an event that went astray is never passed over.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::episode::Episode;
use super::result::{EXAMPLES_MAX, Judged};
use super::work::Work;
use crate::check::{self, Finding, linearizability};
use crate::run::guard;
use crate::time::Duration;
use crate::trace::outside::{self, Vantage};
use crate::trace::{Moment, Occurrence, Trace, json};

/// How many moments may wait to be judged: about a gigabyte.
const WAITING_MAX: u64 = 3_000_000;

/// What a message may take between server and devices: a server is not called late within it.
pub(super) const TRANSIT_MAX: Duration = Duration::from_secs(1);

/// How many traces of wrong calls are saved.
const TRACES_MAX: usize = 10;

/// How the oracle works.
#[derive(Clone, Debug)]
pub struct OracleOptions {
    /// Of how many calls the order of one is searched for; 0 for none.
    pub linearizability_every: u64,
    /// The folder in which traces of wrong calls are saved. It is made when there is one.
    pub traces: PathBuf,
}

/// See the module.
pub(super) struct Oracle {
    episodes: Sender<Episode>,
    waiting: Arc<AtomicU64>,
    passed_over: u64,
    thread: JoinHandle<Judged>,
}

impl Oracle {
    pub(super) fn start(work: Arc<Work>, options: OracleOptions) -> Self {
        let (episodes, submitted) = channel();
        let waiting = Arc::new(AtomicU64::new(0));
        let judge = Judge { work, options, judged: Judged::default() };
        let counter = waiting.clone();
        let thread = std::thread::spawn(move || judge.run(&submitted, &counter));
        Self { episodes, waiting, passed_over: 0, thread }
    }

    pub(super) fn submit(&mut self, episode: Episode) {
        let moments = episode.moments.len() as u64;
        let full = self.waiting.load(Ordering::Relaxed) + moments > WAITING_MAX;
        if full && episode.misdirected.is_empty() {
            self.passed_over += 1;
            return;
        }
        self.waiting.fetch_add(moments, Ordering::Relaxed);
        if self.episodes.send(episode).is_err() {
            // The thread is gone, which only a bug can cause; finishing says so.
            self.passed_over += 1;
        }
    }

    /// How many moments wait.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Judges what is left. `Err` when the oracle itself broke.
    pub(super) fn finish(self) -> Result<Judged, String> {
        drop(self.episodes);
        let mut judged = self.thread.join().map_err(|_| "the oracle's thread ended by itself".to_owned())?;
        judged.passed_over += self.passed_over;
        Ok(judged)
    }
}

struct Judge {
    work: Arc<Work>,
    options: OracleOptions,
    judged: Judged,
}

impl Judge {
    fn run(mut self, submitted: &Receiver<Episode>, waiting: &AtomicU64) -> Judged {
        // Judging has time; the generator and a server on the same machine have none. Where priorities can't be had, it
        // goes on at the usual one.
        let _ = rustix::process::setpriority_process(None, 10);
        while let Ok(episode) = submitted.recv() {
            let moments = episode.moments.len() as u64;
            self.judge(episode);
            waiting.fetch_sub(moments, Ordering::Relaxed);
        }
        self.judged
    }

    fn judge(&mut self, mut episode: Episode) {
        self.judged.calls += 1;
        self.judged.moments += episode.moments.len() as u64;
        self.judged.misdirected += episode.misdirected.len() as u64;
        let number = self.judged.calls;
        let every = self.options.linearizability_every;
        let searched = every > 0 && number.is_multiple_of(every);
        let found = guard::catch(|| self.look(&mut episode, searched)).and_then(|found| found);
        let mut words: Vec<(String, String)> =
            episode.misdirected.iter().map(|words| ("misdirected".to_owned(), words.clone())).collect();
        match found {
            Ok(found) => {
                self.judged.linearizability += u64::from(searched);
                self.judged.undecided += found.undecided;
                words.extend(found.findings.iter().map(|it| (it.check.to_owned(), it.message.clone())));
                if !words.is_empty() {
                    self.keep(&episode.names.to_string(), words, Some(&found.trace));
                }
            }
            // A check that breaks has found something, be it in itself.
            Err(broke) => {
                words.push(("harness".to_owned(), format!("the checks broke: {broke}")));
                self.keep(&episode.names.to_string(), words, None);
            }
        }
    }

    fn look(&self, episode: &mut Episode, searched: bool) -> Result<Found, String> {
        let plan = Arc::new(episode.names.plan(&self.work.plan)?);
        let vantage = Vantage::Devices { transit_max: TRANSIT_MAX };
        let trace = Trace { plan, vantage, moments: with_server(std::mem::take(&mut episode.moments)) };
        let judgement = check::judge(&trace);
        let mut findings = judgement.findings;
        let mut undecided = judgement.undecided.len() as u64;
        if searched {
            let histories = linearizability::from_trace(&trace);
            let verdicts = linearizability::explain(&histories, linearizability::EXPLORED_MAX);
            for (history, verdict) in histories.iter().zip(verdicts) {
                match verdict {
                    linearizability::Verdict::Linearizable => {}
                    linearizability::Verdict::Inconclusive { .. } => undecided += 1,
                    linearizability::Verdict::NotLinearizable { prefix, .. } => findings.push(Finding {
                        check: "order",
                        requirements: Vec::new(),
                        message: format!(
                            "no order explains what was called and heard about {} in {}: {}",
                            history.invitee,
                            history.room,
                            prefix.last().map_or("", String::as_str)
                        ),
                        moment: None,
                        place: None,
                        devices: Vec::new(),
                        difference: None,
                    }),
                }
            }
        }
        Ok(Found { findings, undecided, trace })
    }

    fn keep(&mut self, name: &str, words: Vec<(String, String)>, trace: Option<&Trace>) {
        self.judged.wrong += 1;
        let mut checks: Vec<&String> = words.iter().map(|(check, _)| check).collect();
        checks.dedup();
        for check in checks {
            *self.judged.findings.entry(check.clone()).or_default() += 1;
        }
        let saved = trace
            .filter(|_| self.judged.traces.len() < TRACES_MAX)
            .map(|trace| save(&self.options.traces, name, trace));
        if let Some((check, message)) = words.into_iter().next()
            && self.judged.examples.len() < EXAMPLES_MAX
        {
            let more = match &saved {
                Some(Err(error)) => format!(" (its trace could not be saved: {error})"),
                _ => String::new(),
            };
            self.judged.examples.push(format!("{check}: {message}{more}"));
        }
        if let Some(Ok(path)) = saved {
            self.judged.traces.push(path.to_string_lossy().replace('\\', "/"));
        }
    }
}

struct Found {
    findings: Vec<Finding>,
    undecided: u64,
    trace: Trace,
}

fn save(folder: &Path, name: &str, trace: &Trace) -> Result<PathBuf, String> {
    let path = folder.join(format!("{name}.jsonl"));
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    crate::file::write_whole(&path, |to| json::write(trace, to)).map_err(|error| error.to_string())?;
    Ok(path)
}

/// With the server's boundary, as it shows at the devices' ends.
fn with_server(moments: Vec<Moment>) -> Vec<Moment> {
    let mut all = Vec::with_capacity(moments.len() * 2);
    for moment in moments {
        match &moment.what {
            Occurrence::DeviceSent { .. } | Occurrence::DeviceReceived { .. } => {
                outside::record(&mut all, moment.at, moment.what);
            }
            _ => all.push(moment),
        }
    }
    all
}
