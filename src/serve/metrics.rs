//! What a running server has done, in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use crate::protocol::event::PushHint;
use crate::protocol::message::{ClientMessage, ConnectionNo, ServerMessage};
use crate::protocol::vocabulary::EventName;
use crate::time::{Duration, Instant};
use crate::world::driver::server::Observer;

/// The upper bounds of the buckets of the commit latency, in microseconds.
const BUCKETS: [u64; 10] = [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000];

/// Counts what the server does, and says it in the log.
#[derive(Default)]
pub struct Metrics {
    connections: AtomicI64,
    deadline_pending: AtomicBool,
    connections_total: AtomicU64,
    sessions_begun: AtomicU64,
    sessions_resumed: AtomicU64,
    requests: Mutex<BTreeMap<&'static str, u64>>,
    results: Mutex<BTreeMap<i32, u64>>,
    events: Mutex<BTreeMap<&'static str, u64>>,
    push_hints: AtomicU64,
    commits: Mutex<[u64; BUCKETS.len() + 1]>,
    commit_micros: AtomicU64,
    records: AtomicU64,
}

impl Metrics {
    /// The whole page.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = String::new();
        let mut one = |kind: &str, name: &str, help: &str, value: i64| {
            let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        };
        let count = |counter: &AtomicU64| i64::try_from(counter.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        let open = self.connections.load(Ordering::Relaxed);
        one("gauge", "convoke_connections", "Connections that stand.", open);
        one("counter", "convoke_connections_total", "Connections made.", count(&self.connections_total));
        one("counter", "convoke_sessions_begun_total", "Logins that began a session.", count(&self.sessions_begun));
        one(
            "counter",
            "convoke_sessions_resumed_total",
            "Logins that resumed a session.",
            count(&self.sessions_resumed),
        );
        let pending = i64::from(self.deadline_pending.load(Ordering::Relaxed));
        one("gauge", "convoke_deadline_pending", "1 while a call will time out or a session end by itself.", pending);
        one("counter", "convoke_push_hints_total", "Push notifications asked for.", count(&self.push_hints));
        one("counter", "convoke_records_total", "Records made durable.", count(&self.records));
        let events = self.events.lock().expect("no holder panics");
        let rings = events.get(EventName::ReceiveInvitation.name()).copied().unwrap_or(0);
        one("counter", "convoke_rings_total", "Devices rung.", i64::try_from(rings).unwrap_or(i64::MAX));
        let mut table = |name: &str, help: &str, label: &str, rows: &mut dyn Iterator<Item = (String, u64)>| {
            let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} counter");
            for (value, count) in rows {
                let _ = writeln!(page, "{name}{{{label}=\"{value}\"}} {count}");
            }
        };
        let rows = |(name, count): (&&'static str, &u64)| ((*name).to_owned(), *count);
        table("convoke_events_total", "Events sent.", "event", &mut events.iter().map(rows));
        let requests = self.requests.lock().expect("no holder panics");
        table("convoke_requests_total", "Requests taken.", "operation", &mut requests.iter().map(rows));
        let results = self.results.lock().expect("no holder panics");
        let codes = results.iter().map(|(code, count)| (code.to_string(), *count));
        table(
            "convoke_results_total",
            "Requests answered, by error code; 0 is success.",
            "code",
            &mut codes.into_iter(),
        );
        self.commit_latency(&mut page);
        page
    }

    fn commit_latency(&self, page: &mut String) {
        let name = "convoke_commit_seconds";
        let _ = writeln!(page, "# HELP {name} How long a commit of the journal took.\n# TYPE {name} histogram");
        let commits = self.commits.lock().expect("no holder panics");
        let mut sum = 0;
        for (bound, count) in BUCKETS.iter().zip(commits.iter()) {
            sum += count;
            let _ = writeln!(page, "{name}_bucket{{le=\"{}\"}} {sum}", *bound as f64 / 1e6);
        }
        sum += commits[BUCKETS.len()];
        let seconds = self.commit_micros.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(page, "{name}_bucket{{le=\"+Inf\"}} {sum}\n{name}_sum {seconds}\n{name}_count {sum}");
    }
}

impl Observer for Metrics {
    fn opened(&self, connection: ConnectionNo) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.connections_total.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(connection = connection.0, "connected");
    }

    fn received(&self, connection: ConnectionNo, message: &ClientMessage) {
        match message {
            // Neither the token nor the session's secret goes into a log; ids are escaped by their Debug form.
            ClientMessage::Login(login) => tracing::info!(
                connection = connection.0,
                user = ?login.identity.user_id,
                device = ?login.identity.device_id,
                platform = %login.identity.platform,
                resumes = login.resume.is_some(),
                "login"
            ),
            ClientMessage::Request(request) => {
                let operation = request.content.operation().map_or("unknown", |operation| operation.name());
                *self.requests.lock().expect("no holder panics").entry(operation).or_default() += 1;
                tracing::debug!(connection = connection.0, operation, id = ?request.id, "request");
            }
            ClientMessage::Acknowledge { .. } => {}
        }
    }

    fn sent(&self, connection: ConnectionNo, message: &ServerMessage) {
        match message {
            ServerMessage::LoggedIn { resumed, .. } => {
                let counter = if *resumed { &self.sessions_resumed } else { &self.sessions_begun };
                counter.fetch_add(1, Ordering::Relaxed);
            }
            ServerMessage::Refused { error } => {
                tracing::info!(connection = connection.0, code = error.code.0, "login refused");
            }
            ServerMessage::Response(response) => {
                let code = response.result.as_ref().err().map_or(0, |error| error.code.0);
                *self.results.lock().expect("no holder panics").entry(code).or_default() += 1;
            }
            ServerMessage::Event { event, .. } => {
                *self.events.lock().expect("no holder panics").entry(event.event.name().name()).or_default() += 1;
            }
        }
    }

    fn closed(&self, connection: ConnectionNo, by_server: bool, reason: &str) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        tracing::debug!(connection = connection.0, by_server, reason, "connection closed");
    }

    fn push_hint(&self, hint: &PushHint) {
        self.push_hints.fetch_add(1, Ordering::Relaxed);
        tracing::info!(user = ?hint.user_id, room = ?hint.room_id, "push notification wanted");
    }

    fn committed(&self, records: usize, took: Duration) {
        let micros = took.as_nanos() / 1_000;
        let bucket = BUCKETS.iter().position(|bound| micros <= *bound).unwrap_or(BUCKETS.len());
        self.commits.lock().expect("no holder panics")[bucket] += 1;
        self.commit_micros.fetch_add(micros, Ordering::Relaxed);
        self.records.fetch_add(records as u64, Ordering::Relaxed);
    }

    fn waits(&self, until: Option<Instant>) {
        self.deadline_pending.store(until.is_some(), Ordering::Relaxed);
    }
}
